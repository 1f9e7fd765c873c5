"""Code under test: an orchestrator that takes care, and nine that each make one believable mistake.

They speak nothing but the interface of the nodes. `Orchestrator` is the correct one; each of the others
overrides one small method of it, and the two are to be read side by side. Their methods take names:

- ``start(cluster, instance, node)``, ``stop(cluster, instance)`` and ``migrate(cluster, instance, target)``
  do it, or raise a `HypervisorError`;
- ``drain(cluster, node)`` empties a node as far as it can, and returns in words what it could not do;
- ``recover(cluster, node)`` is called once it is certain that a node is off, or once it answers again.

The correct one keeps every invariant under any single fault (``times=1``, a `HypervisorError`), before or
after a call's effect, and whatever node crashes; what is lost with a node stays lost until ``recover``.
``live`` says how it migrates. It keeps the books on what it has started itself, or by ``adopt(cluster)``.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pytest_fakehv import BaseHypervisor, FakeCluster, HypervisorError, InstanceLike

ATTEMPTS = 3
MOST_POLLS = 1000


def insist(call: Callable[..., Any], *arguments: Any) -> Any:
    """Make a call that may be repeated, until it works."""
    for _ in range(ATTEMPTS - 1):
        with suppress(HypervisorError):
            return call(*arguments)
    return call(*arguments)


class Orchestrator:
    """The correct one."""

    def __init__(self, *, live: bool = True) -> None:
        self.live = live
        self.wanted: set[str] = set()
        """What should run."""
        self.places: dict[str, set[str]] = {}
        """The nodes on which an instance may be running: it does, or nobody could tell that it doesn't."""
        self._claims: dict[str, threading.Lock] = {}

    # What it does for a person

    def start(self, cluster: FakeCluster, instance: str, node: str) -> None:
        """Start an instance on a node, or where that can't, on another one."""
        with self.claim(instance):
            if self.look(cluster, instance) or self.places[instance]:
                raise HypervisorError(f"{instance} runs already, or may: on {self.places[instance]}")
            self.wanted.add(instance)
            # A node that doesn't answer isn't tried: nobody could tell what came of it.
            nodes = self.candidates(cluster)
            self.launch(cluster, instance, sorted(nodes, key=lambda each: each != node))

    def stop(self, cluster: FakeCluster, instance: str) -> None:
        with self.claim(instance):
            self.wanted.discard(instance)
            self.take_down(cluster, instance)

    def migrate(self, cluster: FakeCluster, instance: str, target: str) -> None:
        with self.claim(instance):
            try:
                self.relocate(cluster, instance, target)
            except HypervisorError:
                self.revive(cluster, instance)
                raise

    def drain(self, cluster: FakeCluster, node: str) -> list[str]:
        """Move everything off a node: live if possible, else by stopping it here and starting it there."""
        problems = []
        for instance in self.on_the_books(node):
            targets = [each for each in self.candidates(cluster) if each != node]
            try:
                with self.claim(instance):
                    self.move_away(cluster, instance, node, targets)
            except HypervisorError as error:
                problems.append(f"{instance}: {error}")
        return problems

    def recover(self, cluster: FakeCluster, node: str) -> None:
        """Start again what was lost with a node."""
        for instance in self.lost_with(cluster, node):
            with suppress(HypervisorError), self.claim(instance):
                self.look(cluster, instance, certainly_down=node)
                self.revive(cluster, instance)

    def adopt(self, cluster: FakeCluster) -> None:
        """Put on the books what runs now."""
        for node in cluster.nodes:
            for instance in node.ListInstances():
                self.wanted.add(instance)
                self.places.setdefault(instance, set()).add(node.name)

    # What it knows

    @contextmanager
    def claim(self, instance: str) -> Iterator[None]:
        """Keep others off an instance meanwhile; raise if one of them does so."""
        lock = self._claims.setdefault(instance, threading.Lock())
        if not lock.acquire(blocking=False):
            raise HypervisorError(f"somebody else is busy with {instance}")
        try:
            self.places.setdefault(instance, set())
            yield
        finally:
            lock.release()

    def look(self, cluster: FakeCluster, instance: str, certainly_down: str = "") -> set[str]:
        """Ask all nodes for an instance, and return those on which it runs.

        A node that doesn't answer keeps its place, unless it is certainly down.
        """
        found = set()
        for node in cluster.nodes:
            try:
                names = insist(node.ListInstances)
            except HypervisorError:
                if node.name == certainly_down:
                    self.places[instance].discard(node.name)
                continue
            if instance in names:
                found.add(node.name)
                self.places[instance].add(node.name)
            else:
                self.places[instance].discard(node.name)
        return found

    def candidates(self, cluster: FakeCluster) -> list[str]:
        """Return the nodes that answer, from the one with the fewest instances to that with the most."""
        names = []
        for node in cluster.nodes:
            with suppress(HypervisorError):
                insist(node.ListInstances)
                names.append(node.name)
        return sorted(names, key=lambda name: len(self.on_the_books(name)))

    def on_the_books(self, node: str) -> list[str]:
        """Return what should run and may be running on a node."""
        return sorted(name for name in self.wanted.copy() if node in self.places.get(name, ()))

    def lost_with(self, cluster: FakeCluster, node: str) -> list[str]:
        """Return what should run and may have been running on a node, or nowhere."""
        names = [name for name, places in list(self.places.items()) if node in places or not places]
        return sorted(names)

    # How it does that

    def revive(self, cluster: FakeCluster, instance: str) -> None:
        """Start an instance that should run, and is known to run nowhere."""
        if instance in self.wanted and not self.places[instance]:
            self.launch(cluster, instance, self.candidates(cluster))

    def launch(self, cluster: FakeCluster, instance: str, nodes: Iterable[str]) -> None:
        """Start an instance on the first node that takes it."""
        for name in nodes:
            self.places[instance].add(name)
            with suppress(HypervisorError):
                cluster[name].StartInstance(cluster[name].instance(instance), [], False)
            # Whatever it said: the next one may try only if it runs here for certain not.
            if self.look(cluster, instance) or self.places[instance]:
                break
        if not self.look(cluster, instance):
            raise HypervisorError(f"{instance} could not be started")

    def take_down(self, cluster: FakeCluster, instance: str) -> None:
        """Stop an instance, and raise if it isn't known to run nowhere in the end."""
        for _ in range(ATTEMPTS):
            for name in self.look(cluster, instance):
                with suppress(HypervisorError):
                    cluster[name].StopInstance(cluster[name].instance(instance))
        self.look(cluster, instance)
        if self.places[instance]:
            raise HypervisorError(f"{instance} may still run on {self.places[instance]}")

    def move_away(self, cluster: FakeCluster, instance: str, node: str, targets: list[str]) -> None:
        """Move an instance off a node: to the first of some others, if they are as good."""
        found = self.look(cluster, instance)
        if node in found:
            if not targets:
                raise HypervisorError(f"there is no node to move {instance} to")
            try:
                self.relocate(cluster, instance, targets[0])
            except HypervisorError:
                if node in self.look(cluster, instance):
                    self.fail_over(cluster, instance, targets)
        if instance in self.wanted and not self.places[instance]:
            # It is down, and there is no use in starting it here.
            self.launch(cluster, instance, targets)

    def fail_over(self, cluster: FakeCluster, instance: str, targets: list[str]) -> None:
        """Stop an instance where it runs, and start it on another node."""
        self.take_down(cluster, instance)
        self.launch(cluster, instance, targets)

    def relocate(self, cluster: FakeCluster, instance: str, target: str) -> None:
        """Migrate an instance."""
        found = self.look(cluster, instance)
        if found == {target}:
            return
        if len(found) != 1:
            raise HypervisorError(f"{instance} runs on {found or 'no node'}, and so can't be migrated")
        source = cluster[found.pop()]
        insist(cluster[target].ListInstances)  # what never could begin there is not there
        self.places[instance].add(target)
        try:
            self.move(source.instance(instance), source, cluster[target])
        finally:
            self.look(cluster, instance)

    def move(self, instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
        """Do a migration's calls in their order; however it ends, both nodes are told."""
        try:
            self.begin(instance, source, target)
            self.follow(instance, source)
        except HypervisorError:
            if self.has_moved(instance, source, target):
                self.finish(instance, source, target)
                return
            self.abort(instance, source, target)
            raise
        self.finish(instance, source, target)

    def begin(self, instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
        info = source.MigrationInfo(instance)
        target.AcceptInstance(instance, info, target.name)
        source.MigrateInstance("cluster", instance, target.name, self.live)

    def follow(self, instance: InstanceLike, source: BaseHypervisor) -> None:
        """Wait until a migration is over, and raise if it didn't complete."""
        for _ in range(MOST_POLLS):
            status = insist(source.GetMigrationStatus, instance).status
            if status != "active":
                break
        if status != "completed":
            raise HypervisorError(f"its migration is {status}")

    def has_moved(self, instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> bool:
        """Tell whether an instance has moved although its migration is said to have failed."""
        names = {}
        for node in (source, target):
            with suppress(HypervisorError):
                names[node] = insist(node.ListInstances)
        return instance.name in names.get(target, ()) and instance.name not in names.get(source, ())

    def abort(self, instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
        """End a migration that came to nothing, on both nodes."""
        try:
            insist(target.FinalizeMigrationDst, instance, "", False)
        finally:
            insist(source.FinalizeMigrationSource, instance, False, self.live)

    def finish(self, instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
        """End a migration that completed, on both nodes."""
        try:
            self.finalize(source.FinalizeMigrationSource, instance, True, self.live)
        finally:
            self.arrive(instance, target)

    def arrive(self, instance: InstanceLike, target: BaseHypervisor) -> None:
        """End a migration that completed, on the target; if it can't be had there, end it all the same."""
        try:
            self.finalize(target.FinalizeMigrationDst, instance, "", True)
        except HypervisorError:
            insist(target.FinalizeMigrationDst, instance, "", False)
            raise

    def finalize(self, call: Callable[..., None], *arguments: Any) -> None:
        """Tell a node of the end, until it has understood."""
        insist(call, *arguments)


class NoAbortAfterRefusal(Orchestrator):
    """1. It takes a migration that could not be begun for one that there is nothing left of."""

    def move(self, instance, source, target):
        self.begin(instance, source, target)  # the mistake: outside of the try
        try:
            self.follow(instance, source)
        except HypervisorError:
            if self.has_moved(instance, source, target):
                self.finish(instance, source, target)
                return
            self.abort(instance, source, target)
            raise
        self.finish(instance, source, target)


class FinalizesTheTargetAlone(Orchestrator):
    """2. It runs on the target, and so all is done."""

    def finish(self, instance, source, target):
        self.arrive(instance, target)  # the mistake: the source isn't told


class StartsASecondCopy(Orchestrator):
    """3. Where a start fails it tries the next node, though it may have failed after its effect."""

    def launch(self, cluster, instance, nodes):
        for name in nodes:
            self.places[instance].add(name)
            with suppress(HypervisorError):
                cluster[name].StartInstance(cluster[name].instance(instance), [], False)
                break  # the mistake: only where it said so
        if not self.look(cluster, instance):
            raise HypervisorError(f"{instance} could not be started")


class TakesCancelledForSuccess(Orchestrator):
    """4. Whatever hasn't failed has worked."""

    def follow(self, instance, source):
        for _ in range(MOST_POLLS):
            status = insist(source.GetMigrationStatus, instance).status
            if status != "active":
                break
        if status == "failed":  # the mistake
            raise HypervisorError(f"its migration is {status}")


class IgnoresAFailedFinalize(Orchestrator):
    """5. The migration has completed; what could go wrong now?"""

    def finalize(self, call, *arguments):
        with suppress(HypervisorError):
            call(*arguments)  # the mistake: only once


class StartsBeforeItIsDown(Orchestrator):
    """6. It asks the source to stop the instance, and doesn't wait for an answer."""

    def fail_over(self, cluster, instance, targets):
        for name in self.look(cluster, instance):
            with suppress(HypervisorError):  # the mistake
                cluster[name].StopInstance(cluster[name].instance(instance))
        self.launch(cluster, instance, targets)


class ForgetsWhatWasLost(Orchestrator):
    """7. It asks the node itself what should run on it; one that comes back says: nothing."""

    def lost_with(self, cluster, node):
        try:
            return cluster[node].ListInstances()  # the mistake: not the books
        except HypervisorError:
            return []


class RacesItself(Orchestrator):
    """8. It takes an instance that runs nowhere for down, while another thread is moving it."""

    @contextmanager
    def claim(self, instance):
        self.places.setdefault(instance, set())
        yield  # the mistake: nobody is kept off


class LeavesItPaused(Orchestrator):
    """9. It runs on the source as before, and so only the target has to hear of it."""

    def abort(self, instance, source, target):
        insist(target.FinalizeMigrationDst, instance, "", False)  # the mistake: the source isn't told


BROKEN: tuple[type[Orchestrator], ...] = (
    NoAbortAfterRefusal,
    FinalizesTheTargetAlone,
    StartsASecondCopy,
    TakesCancelledForSuccess,
    IgnoresAFailedFinalize,
    StartsBeforeItIsDown,
    ForgetsWhatWasLost,
    RacesItself,
    LeavesItPaused,
)
"""Each is wrong in one respect, in which `Orchestrator` is right."""
