"""6. Rebalance: test code that moves instances until free memory is even, on nodes that refuse too much.

You learn to

- hand the reference driver, ``cluster.migrate``, to code that decides what moves but not how;
- find a plan that is out of date after its first move, by nodes with ``overcommit=False``;
- find instances that go back and forth, by asserting what must not happen: ``assert_not_migrated``;
- count what was called: ``assert_called``;
- build another cluster than the module's for a single test: ``fakehv_factory``.
"""

from collections.abc import Callable, Mapping, Sequence

import pytest

from pytest_fakehv import BaseHypervisor, ClusterFactory, FakeCluster, InstanceLike, InstanceSpec, NodeSpec

# The code under test: in your project it is a module of its own.

Move = Callable[[InstanceLike, BaseHypervisor, BaseHypervisor], None]
"""Moves an instance from a node to another, if it can."""


def memory_free(node: BaseHypervisor) -> int:
    """Return a node's free memory."""
    return node.GetNodeInfo()["memory_free"]


def memory_by_name(node: BaseHypervisor) -> dict[str, int]:
    """Return what runs on a node and how much memory each has, from the largest to the smallest."""
    sizes = {name: memory for name, _id, memory, *_ in node.GetAllInstancesInfo()}
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def naive_rebalance(
    nodes: Sequence[BaseHypervisor], instances: Mapping[str, InstanceLike], move: Move
) -> None:
    """Move instances away from each node that has less than its share of the free memory."""
    free = {node.name: memory_free(node) for node in nodes}
    share = sum(free.values()) // len(nodes)
    for node in nodes:
        for name, memory in memory_by_name(node).items():
            if free[node.name] < share:
                move(instances[name], node, max(nodes, key=lambda each: free[each.name]))
                free[node.name] += memory


def rebalance(nodes: Sequence[BaseHypervisor], instances: Mapping[str, InstanceLike], move: Move) -> None:
    """Move instances, one at a time, from the node with least free memory to the one with most.

    Args:
        nodes: where they may be.
        instances: those that may be moved, by name; each moves once at most.
        move: what moves them.
    """
    left = dict(instances)
    while True:
        # Asked anew after each move, which has changed it, or has failed and has not.
        full, empty = min(nodes, key=memory_free), max(nodes, key=memory_free)
        gap = memory_free(empty) - memory_free(full)
        # Whoever moves more than the gap opens a wider one on the other side.
        fitting = [name for name, memory in memory_by_name(full).items() if name in left and memory < gap]
        if not fitting:
            return
        move(left.pop(fitting[0]), full, empty)


# The tests

# Two full nodes, and two new ones with nothing on them.
pytestmark = [
    pytest.mark.fakehv_node("node1", memory=8192),
    pytest.mark.fakehv_node("node2", memory=8192),
    pytest.mark.fakehv_node("node3", memory=8192, reserved_memory=1024, overcommit=False),
    pytest.mark.fakehv_node("node4", memory=8192, reserved_memory=2048, overcommit=False),
    pytest.mark.fakehv_instance("web1", memory=4096, node="node1"),
    pytest.mark.fakehv_instance("web2", memory=4096, node="node1"),
    pytest.mark.fakehv_instance("web3", memory=4096, node="node2"),
    pytest.mark.fakehv_instance("web4", memory=4096, node="node2"),
]

Rebalance = Callable[[Sequence[BaseHypervisor], Mapping[str, InstanceLike], Move], None]


def run(cluster: FakeCluster, rebalance: Rebalance) -> None:
    """Let the cluster's reference driver do the moves, by the interface's calls in their right order."""

    def move(instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor) -> None:
        cluster.migrate(instance, source=source.name, to=target.name)

    node1 = cluster.nodes[0]
    rebalance(cluster.nodes, {name: node1.instance(name) for name in cluster.placement()}, move)


def check_that_both_new_nodes_get_something(cluster: FakeCluster, rebalance: Rebalance) -> None:
    """Each of the new nodes has room for one instance."""
    run(cluster, rebalance)

    cluster.assert_placement({"web1": "node3", "web2": "node1", "web3": "node4", "web4": "node2"})


def test_naive_rebalance_fills_one_node_twice(fakehv_cluster: FakeCluster) -> None:
    """It knows what its moves free, but not what they take: to it node3 has 7168 MiB free to the end."""
    with pytest.raises(AssertionError, match="web3: on node2, expected on node4"):
        check_that_both_new_nodes_get_something(fakehv_cluster, naive_rebalance)

    # node3 has not let itself be overfilled; its refusal is in the journal.
    [_web1, web3] = fakehv_cluster.journal.calls("AcceptInstance", node="node3")
    assert "4096 MiB are needed, 3072 MiB are free" in str(web3.error)


@pytest.mark.fakehv_node("node3", memory=8192, reserved_memory=1024, overcommit=True)
def test_naive_rebalance_overfills_a_node_that_lets_it(fakehv_cluster: FakeCluster) -> None:
    """A node that overcommits takes both: then it has no memory left, and the next round moves them on."""
    with pytest.raises(AssertionError, match="web3: on node3, expected on node4"):
        check_that_both_new_nodes_get_something(fakehv_cluster, naive_rebalance)

    assert fakehv_cluster["node3"].GetNodeInfo()["memory_free"] == 0


def test_both_new_nodes_get_something(fakehv_cluster: FakeCluster) -> None:
    """The same circumstances: now each move is decided by what the ones before have left."""
    check_that_both_new_nodes_get_something(fakehv_cluster, rebalance)

    assert [node.GetNodeInfo()["memory_free"] for node in fakehv_cluster] == [4096, 4096, 3072, 2048]


def test_nothing_is_left_to_do(fakehv_cluster: FakeCluster) -> None:
    """A second round finds things as even as they can be."""
    run(fakehv_cluster, rebalance)
    run(fakehv_cluster, rebalance)

    fakehv_cluster.assert_called("MigrateInstance", times=2)


def test_another_instance_moves_where_one_can_not(fakehv_cluster: FakeCluster) -> None:
    """After a failure web2 takes the place of web1; web1 is not tried for ever."""
    fakehv_cluster.script_migration("web1", outcome="failed")

    run(fakehv_cluster, rebalance)

    fakehv_cluster.assert_migration_failed("web1", target="node3")
    fakehv_cluster.assert_placement({"web1": "node1", "web2": "node3", "web3": "node4", "web4": "node2"})


def check_that_a_large_instance_stays(fakehv_factory: ClusterFactory, rebalance: Rebalance) -> None:
    """Wherever db1 is, little memory is free; that is no reason to move it."""
    cluster = fakehv_factory(
        NodeSpec("node1", memory=8192),
        NodeSpec("node2", memory=8192),
        instances=[InstanceSpec("db1", memory=6144)],
    )

    for _ in range(3):
        run(cluster, rebalance)

    cluster.assert_not_migrated("db1")


def test_naive_rebalance_sends_an_instance_back_and_forth(fakehv_factory: ClusterFactory) -> None:
    """Every round takes it away from where the round before has put it."""
    with pytest.raises(AssertionError, match="db1 migrated"):
        check_that_a_large_instance_stays(fakehv_factory, naive_rebalance)


def test_a_large_instance_stays(fakehv_factory: ClusterFactory) -> None:
    """The same circumstances: what would only turn the difference round does not move."""
    check_that_a_large_instance_stays(fakehv_factory, rebalance)
