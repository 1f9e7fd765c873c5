"""10. Pull the plug: test code whose migration loses its target half-way.

You learn to

- stop a call that another thread makes, and look around meanwhile: ``hold``;
- break something in that very moment: ``crash``;
- look at one call among many: ``held.wait()`` returns it;
- have an instance paused by a non-live migration, and find one that nobody has woken up: ``assert_paused``.

Whatever the code under test waits for, the test decides what happens before it goes on: no sleeping, no luck.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from pytest_fakehv import BaseHypervisor, FakeCluster, HypervisorError, InstanceLike

# The code under test: in your project it is a module of its own.


def naive_abort(instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
    """End a migration that came to nothing on both nodes."""
    target.FinalizeMigrationDst(instance, "", success=False)
    source.FinalizeMigrationSource(instance, success=False, live=False)


def abort(instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
    """End a migration that came to nothing on both nodes; also on the source of a target that is gone."""
    try:
        target.FinalizeMigrationDst(instance, "", success=False)
    finally:
        source.FinalizeMigrationSource(instance, success=False, live=False)


Abort = Callable[[InstanceLike, BaseHypervisor, BaseHypervisor], None]


def evacuate(
    instance: InstanceLike, source: BaseHypervisor, targets: Sequence[BaseHypervisor], abort: Abort
) -> str | None:
    """Move an instance away, paused meanwhile; return the name of the node that took it."""
    for target in targets:
        with suppress(HypervisorError):
            migrate(instance, source, target, abort)
            return target.name
    return None


def migrate(instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor, abort: Abort) -> None:
    """Migrate an instance that is paused meanwhile."""
    info = source.MigrationInfo(instance)
    try:
        target.AcceptInstance(instance, info, target.name)
        source.MigrateInstance("cluster", instance, target.name, live=False)
        wait(instance, source)
    except HypervisorError:
        abort(instance, source, target)
        raise
    source.FinalizeMigrationSource(instance, success=True, live=False)
    target.FinalizeMigrationDst(instance, info, success=True)


def wait(instance: InstanceLike, source: BaseHypervisor) -> None:
    """Wait for a migration to complete; any other end of it is an error."""
    while (status := source.GetMigrationStatus(instance).status) == "active":
        pass
    if status != "completed":
        raise HypervisorError(f"its migration is {status}")


# The tests

pytestmark = [
    pytest.mark.fakehv_node("node1"),
    pytest.mark.fakehv_node("node2"),
    pytest.mark.fakehv_node("node3"),
    pytest.mark.fakehv_instance("db1", memory=4096),
]


def evacuate_and_pull_the_plug(cluster: FakeCluster, abort: Abort) -> None:
    """Let db1 move from node1 to node2, or else to node3; node2 goes down before the first status call."""
    node1, node2, node3 = cluster
    arguments = (node1.instance("db1"), node1, [node2, node3], abort)
    evacuation = threading.Thread(target=evacuate, args=arguments)

    with cluster.hold("GetMigrationStatus") as held:
        evacuation.start()
        call = held.wait()
        # The thread is stopped, and all stands still until this block ends.
        assert (call.node, call.instance) == ("node1", "db1")
        cluster.assert_paused("db1", on="node1")
        node2.crash()
    evacuation.join()


def check_that_db1_comes_through(cluster: FakeCluster, abort: Abort) -> None:
    """One target is lost, and the next one takes it."""
    evacuate_and_pull_the_plug(cluster, abort)

    cluster.assert_running("db1", on="node3")
    cluster.assert_migration_failed("db1", target="node2")
    cluster.assert_migrated("db1", target="node3")


@pytest.mark.fakehv(allow=["unfinished"])  # else the plugin fails it, without being asked
def test_naive_abort_leaves_it_paused(fakehv_cluster: FakeCluster) -> None:
    """node2 does not answer the abort, and so node1 is never told to wake db1 up: it arrives asleep."""
    with pytest.raises(AssertionError, match=r"^db1 is paused on node3, not running"):
        check_that_db1_comes_through(fakehv_cluster, naive_abort)


def test_it_comes_through(fakehv_cluster: FakeCluster) -> None:
    """The same circumstances: now both nodes are told, and db1 runs when the next attempt begins."""
    check_that_db1_comes_through(fakehv_cluster, abort)


@pytest.mark.fakehv(strict=False)  # the plugin would find it at the end of the test
def test_naive_abort_is_found_out_where_there_is_no_other_target(fakehv_cluster: FakeCluster) -> None:
    """There is an invariant for it: a migration is ended on every node that is still there."""
    fakehv_cluster["node3"].crash()

    evacuate_and_pull_the_plug(fakehv_cluster, naive_abort)

    fakehv_cluster.assert_paused("db1", on="node1")
    with pytest.raises(
        AssertionError, match=r"^unfinished: .* from node1 to node2 is not finalized on node1"
    ):
        fakehv_cluster.assert_consistent()


def test_it_stays_where_there_is_no_other_target(fakehv_cluster: FakeCluster) -> None:
    """The same circumstances: it runs where it was."""
    fakehv_cluster["node3"].crash()

    evacuate_and_pull_the_plug(fakehv_cluster, abort)

    fakehv_cluster.assert_running("db1", on="node1")
