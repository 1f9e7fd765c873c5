"""11. Hardened: code that passes every test you thought of, mended until a machine finds nothing any more.

You learn to

- have Hypothesis use your code on small clusters, while calls fail and nodes go down: ``state_machine``;
- say what goes wrong meanwhile: ``faulty_methods``, ``outcomes``;
- keep what it finds: each finding ends with a test to paste, here shortened, and run on the version in which
  it was found and on the one that mends it;
- keep such a test fast, and the same each time: Hypothesis's ``settings``.

The code under test is the drain of example 5, in six versions. The machine found a bug in each but the last.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pytest_fakehv import (
    BaseHypervisor,
    FakeCluster,
    HypervisorError,
    InstanceLike,
    NodeDownError,
    NodeSpec,
)
from pytest_fakehv.stateful import state_machine

# The code under test: in your project it is a module of its own, with the last version alone. Here each is
# followed by what the machine found in it, and the next one mends just that.

T = TypeVar("T")


class Drain:
    """Version 1: as example 5 ends. An instance that can't leave stays, and both nodes hear of it."""

    def drain(self, cluster: FakeCluster, node: str) -> list[str]:
        """Migrate everything from one node to the first of the others, and return what went wrong."""
        source = cluster[node]
        target = next(each for each in cluster if each.name != node)
        problems = []
        for name in sorted(source.ListInstances()):
            try:
                self.move(source.instance(name), source, target)
            except HypervisorError as error:
                problems.append(f"{name}: {error}")
        return problems

    def move(self, instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
        """Migrate one instance; whatever happens, no node is left in the middle of it."""
        info = source.MigrationInfo(instance)
        try:
            target.AcceptInstance(instance, info, target.name)
            source.MigrateInstance("cluster", instance, target.name, live=True)
            self.wait(instance, source)
        except HypervisorError:
            self.abort(instance, source, target)
            raise
        self.finish(instance, source, target)

    def wait(self, instance: InstanceLike, source: BaseHypervisor) -> None:
        """Wait for a migration to complete; any other end of it is an error."""
        while (status := source.GetMigrationStatus(instance).status) == "active":
            pass
        if status != "completed":
            raise HypervisorError(f"its migration is {status}")

    def abort(self, instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
        """End a migration that came to nothing."""
        try:
            self.call(target.FinalizeMigrationDst, instance, "", False)
        finally:
            self.call(source.FinalizeMigrationSource, instance, False, True)

    def finish(self, instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
        """End a migration that completed."""
        try:
            self.call(source.FinalizeMigrationSource, instance, True, True)
        finally:
            self.call(target.FinalizeMigrationDst, instance, "", True)

    def call(self, method: Callable[..., T], *arguments: object) -> T:
        """Make a call that must not fail."""
        return method(*arguments)


def a_finalize_fails(drain: Drain) -> None:
    """In version 1: the source is not told a second time, and holds on to what has left it."""
    with FakeCluster.temporary(NodeSpec("node1"), NodeSpec("node2")) as cluster:
        cluster.add_instance("vm1", node="node1")
        cluster.fault("FinalizeMigrationSource", times=1)
        with suppress(HypervisorError):
            drain.drain(cluster, "node1")
        cluster.assert_consistent()


class DrainTryingTwice(Drain):
    """Version 2: makes a call again that failed."""

    def call(self, method: Callable[..., T], *arguments: object) -> T:
        """Make a call that must not fail: if it does, once more."""
        with suppress(HypervisorError):
            return method(*arguments)
        return method(*arguments)


def a_finalize_fails_twice(drain: Drain) -> None:
    """In version 2: where one call fails, the next one may. It is the same for the target."""
    with FakeCluster.temporary(NodeSpec("node1"), NodeSpec("node2")) as cluster:
        cluster.add_instance("vm1", node="node1")
        cluster.fault("FinalizeMigrationSource", times=1)
        cluster.fault("FinalizeMigrationSource", times=1)
        with suppress(HypervisorError):
            drain.drain(cluster, "node1")
        cluster.assert_consistent()


class StubbornDrain(Drain):
    """Version 3: goes on trying."""

    def call(self, method: Callable[..., T], *arguments: object) -> T:
        """Make a call that must not fail, until it doesn't; or until there is nobody any more to hear it."""
        for _ in range(9):
            try:
                return method(*arguments)
            except NodeDownError:
                raise
            except HypervisorError:
                continue
        return method(*arguments)


def a_migration_lies(drain: Drain) -> None:
    """In version 3: it is said to have failed, but vm1 runs on the target, where it is killed."""
    with FakeCluster.temporary(NodeSpec("node1"), NodeSpec("node2")) as cluster:
        cluster.add_instance("vm1", node="node1")
        cluster.script_migration("vm1", outcome="failed_but_moved", times=1)
        with suppress(HypervisorError):
            drain.drain(cluster, "node1")
        cluster.assert_consistent()


class LookingDrain(StubbornDrain):
    """Version 4: looks where the instance is before it aborts anything."""

    def abort(self, instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
        """End a migration that is said to have come to nothing, according to what came of it."""
        if self.runs(instance, target) and not self.runs(instance, source):
            self.finish(instance, source, target)
        else:
            super().abort(instance, source, target)

    def runs(self, instance: InstanceLike, node: BaseHypervisor) -> bool:
        """Tell whether an instance runs on a node."""
        try:
            return instance.name in node.ListInstances()
        except HypervisorError:
            return False


def a_look_fails(drain: Drain) -> None:
    """In version 4: the target is asked for vm1 but doesn't say, which is taken for a no."""
    with FakeCluster.temporary(NodeSpec("node1"), NodeSpec("node2")) as cluster:
        cluster.add_instance("vm1", node="node1")
        cluster.fault("ListInstances", node="node2", times=1)
        cluster.script_migration("vm1", outcome="failed_but_moved", times=1)
        with suppress(HypervisorError):
            drain.drain(cluster, "node1")
        cluster.assert_consistent()


class InsistentlyLookingDrain(LookingDrain):
    """Version 5: takes no answer for an answer only from a node that is down."""

    def runs(self, instance: InstanceLike, node: BaseHypervisor) -> bool:
        """Tell whether an instance runs on a node."""
        try:
            return instance.name in self.call(node.ListInstances)
        except HypervisorError:
            return False


def an_instance_never_arrives(drain: Drain) -> None:
    """In version 5: the source has let vm1 go when the target turns out not to have it."""
    with FakeCluster.temporary(NodeSpec("node1"), NodeSpec("node2")) as cluster:
        cluster.add_instance("vm1", node="node1")
        cluster.script_migration("vm1", outcome="completed_but_lost", times=1)
        with suppress(HypervisorError):
            drain.drain(cluster, "node1")
        cluster.assert_consistent()


class HardenedDrain(InsistentlyLookingDrain):
    """Version 6: lets the source go only once the instance has arrived."""

    def finish(self, instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
        """End a migration that completed; one that can't be ended so is aborted, as the source still can."""
        try:
            self.call(target.FinalizeMigrationDst, instance, "", True)
        except HypervisorError:
            if not self.runs(instance, target):
                self.abort(instance, source, target)
                raise
        self.call(source.FinalizeMigrationSource, instance, True, True)


# The tests

FINDINGS = [
    (a_finalize_fails, Drain, "unfinished: .* is not finalized on node1"),
    (a_finalize_fails_twice, DrainTryingTwice, "unfinished: .* is not finalized on node1"),
    (a_migration_lies, StubbornDrain, "vanished: vm1 runs nowhere: node2 dropped its only copy"),
    (a_look_fails, LookingDrain, "vanished: vm1 runs nowhere: node2 dropped its only copy"),
    (an_instance_never_arrives, InsistentlyLookingDrain, "vanished: .* and did not arrive on node2"),
]
VERSIONS = [*(broken for _find, broken, _message in FINDINGS), HardenedDrain]

# Few, and the same each time, so that nobody has to wait for it. At night, let it do thousands, and others
# each time. A run has fewer steps than a stubborn call has attempts: no call can fail until it gives up.
FEW = settings(max_examples=150, stateful_step_count=9, derandomize=True, database=None, deadline=None)

TestHardenedDrain = state_machine(
    HardenedDrain,
    faulty_methods=[
        "ListInstances",
        "MigrationInfo",
        "AcceptInstance",
        "MigrateInstance",
        "GetMigrationStatus",
        "FinalizeMigrationSource",
        "FinalizeMigrationDst",
    ],
    # The last two lie. Only who asks for them gets them: hardly any code is up to them.
    outcomes=["completed", "failed", "cancelled", "failed_but_moved", "completed_but_lost"],
).TestCase
TestHardenedDrain.settings = FEW


def test_the_machine_finds_the_first_bug() -> None:
    """Nobody tells it what to look for; only, to have it quickly, which call may fail."""
    machine = state_machine(Drain, faulty_methods=["FinalizeMigrationSource"], outcomes=[])
    # Here it may stop at the first way there that it finds; else it goes on to a shorter one.
    first = settings(FEW, max_examples=500, phases=[Phase.generate])

    with pytest.raises(AssertionError, match=r"^unfinished: ") as caught:
        run_state_machine_as_test(machine, settings=first)

    what, script = str(caught.value).split("\n\nThe way there, as a test to paste:\n\n")
    assert "a correct program ends every migration on both nodes" in what
    assert "cluster.fault('FinalizeMigrationSource', " in script


@pytest.mark.parametrize("number", range(len(FINDINGS)))
def test_what_was_found_is_mended(number: int) -> None:
    """It breaks the version in which the machine found it, and none that came later."""
    find, broken, message = FINDINGS[number]

    with pytest.raises(AssertionError, match=f"^{message}"):
        find(broken())

    for mended in VERSIONS[number + 1 :]:
        find(mended())


@pytest.mark.fakehv_instance("web1")
@pytest.mark.fakehv_instance("web2")
@pytest.mark.parametrize("version", VERSIONS)
def test_everything_moves(fakehv_cluster: FakeCluster, version: type[Drain]) -> None:
    """The machine only knows what must never happen: a drain that does nothing would please it, too."""
    assert version().drain(fakehv_cluster, "node1") == []

    fakehv_cluster.assert_placement({"web1": "node2", "web2": "node2"})
