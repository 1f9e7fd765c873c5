"""What a test lets befall one instance: no call, and nobody's fault but the test's."""

from typing import Literal, NoReturn

from pytest_fakehv.calls.callers import caller
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.beparams import pause_of
from pytest_fakehv.cluster.inner import NOT_RUNNING, RUNNING, InnerNode, lose, rewrite
from pytest_fakehv.cluster.scope import View
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.interface.errors import RefusedError
from pytest_fakehv.interface.objects import InstanceLike, name_of
from pytest_fakehv.storage.locks import under_lock
from pytest_fakehv.text import listed, place_text, shown

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line


class Befalling(View):
    """One or more nodes, where instances meet with something."""

    def kill(self, instance: str | InstanceLike, *, node: str | BaseHypervisor | None = None) -> None:
        """Let an instance end by itself, as a guest's crash or the kernel's killer does.

        On one node, or with ``node``, what is there of it ends: of one that is migrating, also the part that
        the target has. Else all of it does.

        Args:
            instance: which, by name or as the object that the interface takes.
            node: where, by name or address or as itself; None for wherever it is, or on a node for that node.

        Raises:
            DeclarationError: there is no such instance or node, nothing of it is there, or it runs on several
                nodes that no migration explains; the message says where it is.
            HypervisorError: its file can't be removed: it runs on.
        """
        self._kill(*self._given(instance, node))

    def pause(self, instance: str | InstanceLike, *, node: str | BaseHypervisor | None = None) -> None:
        """Let an instance pause by itself, as for an I/O error; if it is paused, nothing happens.

        A live migration of it goes on: as it writes nothing, what is left of its RAM is sent once, unless its
        script says otherwise when it ends; on the target it stays paused.

        Args:
            instance: which, by name or as the object that the interface takes.
            node: as in `kill`; None for where it runs.

        Raises:
            DeclarationError: as in `kill`.
            HypervisorError: its file can't be read or written.
        """
        self._set_paused("pause", *self._given(instance, node))

    def resume(self, instance: str | InstanceLike, *, node: str | BaseHypervisor | None = None) -> None:
        """Let an instance run again that is paused, as an operator does; if it runs, nothing happens.

        A live migration of it goes on as it would have gone without the pause.

        Args:
            instance: which, by name or as the object that the interface takes.
            node: as in `kill`; None for where it is.

        Raises:
            DeclarationError: as in `kill`; or it must stay paused for a migration.
            HypervisorError: its file can't be read or written.
        """
        self._set_paused("resume", *self._given(instance, node))

    def hang(self, instance: str | InstanceLike, *, node: str | BaseHypervisor | None = None) -> None:
        """Let an instance's guest hang: it takes no notice of a stop until it is forced.

        `StopInstance` without ``force`` then returns as ever, and the instance runs on, also on a migration's
        target. What is started anew doesn't hang. If it hangs already, nothing happens.

        Args:
            instance: which, by name or as the object that the interface takes.
            node: as in `kill`; None for where it runs.

        Raises:
            DeclarationError: as in `kill`.
            HypervisorError: nobody can tell where it runs.
        """
        self._hang(*self._given(instance, node))

    # Inside

    def _given(
        self, instance: str | InstanceLike, node: str | BaseHypervisor | None
    ) -> tuple[str, str | None]:
        """Return the names of an instance and of the one node that counts; what is due comes about first."""
        names = name_of(instance), self._scope.own_node_name(node)
        self._scope.shared.look()
        return names

    @under_lock
    def _set_paused(self, deed: Literal["pause", "resume"], name: str, where: str | None) -> None:
        shared = self._scope.shared
        node = self._whereabouts(deed, name, where)
        if deed == "resume":
            for run in shared.traffic.open_runs:
                is_of_this = (run.instance, run.source_name, run.live) == (name, node.name, False)
                if is_of_this and run.finalized_on_source is None:
                    raise DeclarationError(
                        f"{shown(name)} stays paused until its non-live migration to {run.target_name} is "
                        f"finalized on {node.name}"
                    )
        with node.doing(f"{deed} {name} on {node.name}"):
            if set_paused_on(node, name, paused=deed == "pause"):
                shared.chronicle.did(deed, node=node.name, instance=name)

    @under_lock
    def _hang(self, name: str, where: str | None) -> None:
        shared, node = self._scope.shared, self._whereabouts("hang", name, where)
        if (node.name, name) not in shared.hanging:
            shared.hanging[node.name, name] = place_text(*caller(1))
            shared.chronicle.did("hang", node=node.name, instance=name)

    def _whereabouts(self, deed: str, name: str, where: str | None) -> InnerNode:
        """Return the node where an instance runs: between the two finalizes of a migration, the target.

        Raises:
            DeclarationError: it runs on none, or on several.
        """
        holders = self._holders(deed, name, where)
        if not holders:
            self._refuse_absent(name, where)
        targets = {each.target_name for each in self._scope.shared.traffic.open_of(name)}
        return next((each for each in holders if each.name in targets), holders[0])

    @under_lock
    def _kill(self, name: str, where: str | None) -> None:
        shared, place = self._scope.shared, place_text(*caller(1))
        holders = self._holders("kill", name, where)
        if not (first := holders or self._half_arrived(name, where)):
            self._refuse_absent(name, where)
        for each in holders:
            with each.doing(f"kill {name} on {each.name}"):
                _kill_on(each, name, place)
        for each in self._half_arrived(name, where):  # what has failed with its source has no more there
            _kill_on(each, name, place)
        shared.chronicle.did("kill", node=first[0].name, instance=name)

    def _seen(self, where: str | None) -> list[InnerNode]:
        return [each for each in self._scope.nodes if where in (None, each.name)]

    def _holders(self, deed: str, name: str, where: str | None) -> list[InnerNode]:
        """Return the nodes where an instance runs: one, or both of a migration, or none.

        Raises:
            DeclarationError: it runs on others, too.
        """
        found = []
        for each in self._seen(where):
            with each.doing(f"{deed} {name} on {each.name}"):
                if each.holds(name):
                    found.append(each)
        names = [each.name for each in found]
        runs = self._scope.shared.traffic.open_of(name)
        if len(found) > 1 and not any(run.is_between(names) for run in runs):
            raise DeclarationError(
                f"{shown(name)} runs on {' and '.join(names)}; say with node= which one is meant"
            )
        return found

    def _half_arrived(self, name: str, where: str | None) -> list[InnerNode]:
        """Return the nodes that have some or all of an instance that is on its way to them."""
        runs = self._scope.shared.traffic.open_of(name)
        targets = {each.target_name for each in runs if each.is_half_arrived}
        return [each for each in self._seen(where) if each.name in targets]

    def _refuse_absent(self, name: str, where: str | None) -> NoReturn:
        """Say that an instance is not where a test looks for it, and where it is."""
        scope, nodes = self._scope, self._seen(where)
        if not nodes:
            raise DeclarationError(f"{where} is no longer in the cluster")
        scope.check_instance(name)
        alone = nodes[0] if where or scope.own_name else None
        if alone and alone.why_nothing_runs:
            raise DeclarationError(f"{alone.name} {alone.why_nothing_runs}")
        if elsewhere := [each.name for each in scope.everywhere if each.has_file(name)]:
            raise DeclarationError(
                f"{shown(name)} does not run on {nodes[0].name}, but on {listed(elsewhere)}"
            )
        there = [each for node in nodes for each in node.instance_names]
        raise DeclarationError(scope.why_not(name, there, where=where))


# On one node, under the lock


def _kill_on(node: InnerNode, instance: str, place: str) -> None:
    """Let what there is of an instance on a node end by itself, for what the test does at a place."""
    shared = node.shared
    if node.holds(instance):
        try:
            shared.traffic.is_acting = True
            lose(node.store, node.store.path(instance))
        finally:
            shared.traffic.is_acting = False
    shared.traffic.was_killed(node.name, instance)
    shared.watcher.killed(node.name, instance, place)


def set_paused_on(node: InnerNode, instance: str, *, paused: bool) -> bool:
    """Pause an instance, or let it run again; tell whether that was to do.

    Raises:
        RefusedError: it doesn't run there, or its file is malformed.
        OSError: its file can't be read or written.
    """
    path, shared = node.store.path(instance), node.shared
    with shared.lock:
        record = node.store.read(path)
        if record and record.is_paused == paused:
            return False
        rewrite(node.store, path, lambda now: now._replace(pause=pause_of(paused)))
        call = shared.door.current_call
        shared.chronicle.changed(node.name, instance, "paused" if paused else "resumed", call)
        shared.traffic.was_paused(node.name, instance, paused=paused)
        if not paused:
            shared.watcher.resumed(node.name, instance)
        return True


def rename_on(node: InnerNode, instance: str, name: str, *, uuid: bytes) -> None:
    """Let an instance that has migrated to a node be called something else from now on.

    Args:
        node: where.
        instance: which.
        name: what it is called then.
        uuid: by what it is known, whatever it is called.

    Raises:
        RefusedError: it doesn't run there, or another one has that name.
        OSError: its file can't be made or removed; it is called as before.
    """
    store, shared = node.store, node.shared
    old, new = store.path(instance), store.path(name)
    record = store.read(old)
    if record is None:
        raise RefusedError(NOT_RUNNING)
    try:
        store.create(new, record)
    except FileExistsError:
        raise RefusedError(RUNNING) from None
    shared.watcher.kin.becomes(node.name, instance, name, uuid)  # so that the old one has not vanished
    try:
        lose(node.store, old)
    except BaseException:
        store.remove(new)
        raise
    shared.traffic.was_renamed(node.name, instance, name)
    if place := shared.hanging.pop((node.name, instance), None):
        shared.hanging[node.name, name] = place
