"""9. Two copies: test a watcher that starts what is down, though it may only be elsewhere.

You learn to

- script a migration that lies: ``outcome="failed_but_moved"``;
- let the plugin find what is wrong: it checks invariants at the end of every test;
- check them earlier, where a failure is what you expect: ``assert_consistent``, ``violations``;
- switch them off for a test that is about broken code: ``fakehv(strict=False)``.

It is a real incident, Ganeti's issue 382: a migration seems to fail, but in truth the instance runs on the
target. The cluster takes it for down, the watcher starts it on the source, and both copies write to one disk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from pytest_fakehv import BaseHypervisor, FakeCluster, HypervisorError, InstanceLike

# The code under test: in your project it is a module of its own.


@dataclass
class Entry:
    """What the cluster's configuration says of an instance, which should run.

    Args:
        instance: which.
        primary: the node where it should run.
    """

    instance: InstanceLike
    primary: BaseHypervisor


def migrate(entry: Entry, target: BaseHypervisor) -> None:
    """Migrate an instance; where that fails, leave it to the watcher to find out what became of it."""
    instance, source = entry.instance, entry.primary
    target.AcceptInstance(instance, source.MigrationInfo(instance), target.name)
    source.MigrateInstance("cluster", instance, target.name, live=True)
    while (status := source.GetMigrationStatus(instance).status) == "active":
        pass
    if status != "completed":
        raise HypervisorError(f"the migration of {instance.name} is {status}")
    end(entry, target)


def end(entry: Entry, target: BaseHypervisor) -> None:
    """End a migration that has moved an instance, and write down where it is now."""
    entry.primary.FinalizeMigrationSource(entry.instance, success=True, live=True)
    target.FinalizeMigrationDst(entry.instance, "", success=True)
    entry.primary = target


def naive_watch(entry: Entry, nodes: Sequence[BaseHypervisor]) -> None:  # noqa: ARG001  # it asks one alone
    """Start an instance that is down."""
    if entry.instance.name not in entry.primary.ListInstances():
        entry.primary.StartInstance(entry.instance, [], startup_paused=False)


def watch(entry: Entry, nodes: Sequence[BaseHypervisor]) -> None:
    """Start an instance that is down; if it is but elsewhere, write that down."""
    if entry.instance.name in entry.primary.ListInstances():
        return
    # A node that doesn't answer raises here: then nobody knows, and nothing is started.
    for node in nodes:
        if entry.instance.name in node.ListInstances():
            end(entry, node)
            return
    entry.primary.StartInstance(entry.instance, [], startup_paused=False)


# The tests

pytestmark = [
    pytest.mark.fakehv_instance("web1"),
    pytest.mark.fakehv_migration("web1", outcome="failed_but_moved"),
]

Watch = Callable[[Entry, Sequence[BaseHypervisor]], None]


def live_through_the_incident(cluster: FakeCluster, watch: Watch) -> Entry:
    """Migrate web1 from node1 to node2, and let the watcher come by."""
    node1, node2 = cluster
    entry = Entry(node1.instance("web1"), node1)
    with pytest.raises(HypervisorError, match="the migration of web1 is failed"):
        migrate(entry, node2)
    watch(entry, cluster.nodes)
    return entry


@pytest.mark.fakehv(strict=False)  # else the plugin would fail this test, as it should
def test_naive_watcher_starts_a_second_copy(fakehv_cluster: FakeCluster) -> None:
    """Nothing here asserts where web1 runs: what no cluster must ever do, the plugin knows itself."""
    live_through_the_incident(fakehv_cluster, naive_watch)

    with pytest.raises(AssertionError) as caught:
        fakehv_cluster.assert_consistent()
    what_is_wrong = [line for line in str(caught.value).splitlines() if not line.startswith("  ")]
    assert what_is_wrong == [
        "double-start: web1 was started on node1 while it ran on node2",
        "split-brain: web1 ran on node2 and node1 at once",
        "unfinished: the migration of web1 from node1 to node2 is not finalized on node1, node2",
    ]


def test_a_watcher_looks_everywhere(fakehv_cluster: FakeCluster) -> None:
    """The same circumstances: now it finds web1 on node2, and ends the migration there."""
    entry = live_through_the_incident(fakehv_cluster, watch)

    fakehv_cluster.assert_running("web1", on="node2")
    fakehv_cluster.assert_migrated("web1", target="node2")
    assert entry.primary.name == "node2"
    fakehv_cluster.assert_not_called("StartInstance")


def test_nothing_is_started_while_a_node_does_not_answer(fakehv_cluster: FakeCluster) -> None:
    """It may be there."""
    node2 = fakehv_cluster["node2"]
    web1 = fakehv_cluster["node1"].instance("web1")
    fakehv_cluster["node1"].StopInstance(web1)
    node2.disconnect()

    with pytest.raises(HypervisorError, match="node2 does not answer"):
        watch(Entry(web1, fakehv_cluster["node1"]), fakehv_cluster.nodes)

    fakehv_cluster.assert_stopped("web1")


@pytest.mark.parametrize("watch", [naive_watch, watch])
def test_what_is_down_is_started(fakehv_cluster: FakeCluster, watch: Watch) -> None:
    """On a good day there is no difference: somebody has shut web1 down from inside."""
    web1 = fakehv_cluster["node1"].instance("web1")
    fakehv_cluster["node1"].StopInstance(web1)

    watch(Entry(web1, fakehv_cluster["node1"]), fakehv_cluster.nodes)

    fakehv_cluster.assert_running("web1", on="node1")
