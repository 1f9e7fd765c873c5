"""8. Failover: test code that starts a lost node's instances elsewhere, but never twice.

You learn to

- let a node go down, with all that runs there: ``crash``, and ``boot`` to have it back;
- cut a node off whose instances run on: ``disconnect`` and ``reconnect``;
- find an instance that runs on two nodes: ``assert_placement``, ``assert_running(..., on=...)``;
- give the code under test a power switch, which is the test's own.

To the caller both are the same `NodeDownError`: nothing tells it whether the instances are still there.
And two copies of an instance that write to one disk destroy it.
"""

from collections.abc import Callable, Sequence

import pytest

from pytest_fakehv import BaseHypervisor, FakeCluster, HypervisorError, InstanceLike, NodeDownError

# The code under test: in your project it is a module of its own.

PowerOff = Callable[[str], bool]
"""Switches a node off by its management board, and tells whether it is off for certain."""


def answers(node: BaseHypervisor) -> bool:
    """Tell whether a node can be reached."""
    try:
        node.ListInstances()
    except NodeDownError:
        return False
    return True


def naive_fail_over(
    source: BaseHypervisor, target: BaseHypervisor, instances: Sequence[InstanceLike], power_off: PowerOff
) -> list[str]:
    """Start the instances of a node that doesn't answer on another one; return those that run there."""
    if answers(source):
        return []
    power_off(source.name)
    return start(target, instances)


def fail_over(
    source: BaseHypervisor, target: BaseHypervisor, instances: Sequence[InstanceLike], power_off: PowerOff
) -> list[str]:
    """Start the instances of a node that doesn't answer, and is off for certain, on another one.

    Args:
        source: the node that may be lost.
        target: the node that takes over.
        instances: what should run on the source.
        power_off: switches the source off.

    Returns:
        The names of those that run on the target now.
    """
    # A node that doesn't answer may be down; or it is just cut off, and its instances run on.
    if answers(source) or not power_off(source.name):
        return []
    return start(target, instances)


def start(node: BaseHypervisor, instances: Sequence[InstanceLike]) -> list[str]:
    """Start instances, as many as a node can take, and return their names."""
    started = []
    for instance in instances:
        try:
            node.StartInstance(instance, [], startup_paused=False)
        except HypervisorError:
            continue
        started.append(instance.name)
    return started


# The tests

pytestmark = [pytest.mark.fakehv_instance("db1"), pytest.mark.fakehv_instance("web1")]

FailOver = Callable[[BaseHypervisor, BaseHypervisor, Sequence[InstanceLike], PowerOff], list[str]]
both = pytest.mark.parametrize("fail_over", [naive_fail_over, fail_over])


def run(cluster: FakeCluster, fail_over: FailOver, *, board_works: bool = True) -> list[str]:
    """Fail over from node1, where the markers have put both instances, to node2."""
    node1, node2 = cluster

    def power_off(name: str) -> bool:
        if board_works:
            cluster[name].crash()
        return board_works

    return fail_over(node1, node2, [node1.instance("db1"), node1.instance("web1")], power_off)


def check_that_nothing_runs_twice(cluster: FakeCluster, fail_over: FailOver) -> None:
    """A switch breaks: neither node1 nor its board can be reached, and the instances run on."""
    cluster["node1"].disconnect()

    started = run(cluster, fail_over, board_works=False)

    cluster.assert_placement({"db1": "node1", "web1": "node1"})
    assert started == []


@both
def test_a_node_is_down(fakehv_cluster: FakeCluster, fail_over: FailOver) -> None:
    """It has taken its instances with it; this is the case that everybody thinks of."""
    fakehv_cluster["node1"].crash()

    assert run(fakehv_cluster, fail_over) == ["db1", "web1"]

    fakehv_cluster.assert_running("db1", on="node2")  # and nowhere else
    fakehv_cluster.assert_running("web1", on="node2")


@both
def test_a_node_is_cut_off(fakehv_cluster: FakeCluster, fail_over: FailOver) -> None:
    """Only its own cable is out; the board has another one, and switches it off."""
    fakehv_cluster["node1"].disconnect()

    assert run(fakehv_cluster, fail_over) == ["db1", "web1"]

    fakehv_cluster.assert_placement({"db1": "node2", "web1": "node2"})


@both
def test_a_node_that_answers_is_left_alone(fakehv_cluster: FakeCluster, fail_over: FailOver) -> None:
    """A false alarm."""
    assert run(fakehv_cluster, fail_over) == []

    fakehv_cluster.assert_placement({"db1": "node1", "web1": "node1"})
    fakehv_cluster.assert_not_called("StartInstance")


@pytest.mark.fakehv(allow=["double-start", "split-brain"])  # else the plugin fails it, without being asked
def test_naive_failover_makes_two_copies(fakehv_cluster: FakeCluster) -> None:
    """It tells the board to switch node1 off, and doesn't ask whether that worked."""
    with pytest.raises(AssertionError) as caught:
        check_that_nothing_runs_twice(fakehv_cluster, naive_fail_over)

    assert str(caught.value).splitlines() == [
        "the placement is not as expected:",
        "  db1: on node1 and node2, expected on node1",
        "  web1: on node1 and node2, expected on node1",
    ]


def test_nothing_runs_twice(fakehv_cluster: FakeCluster) -> None:
    """The same circumstances: now nothing starts, and when the switch is mended all is as before."""
    check_that_nothing_runs_twice(fakehv_cluster, fail_over)

    node1 = fakehv_cluster["node1"]
    node1.reconnect()
    assert sorted(node1.ListInstances()) == ["db1", "web1"]


def test_a_node_comes_back_empty(fakehv_cluster: FakeCluster) -> None:
    """Cut off and then switched off: to answer again, it needs both its cable and its power."""
    node1 = fakehv_cluster["node1"]
    node1.disconnect()
    run(fakehv_cluster, fail_over)

    node1.reconnect()
    with pytest.raises(NodeDownError, match="node1 does not answer"):
        node1.ListInstances()

    node1.boot()
    assert node1.ListInstances() == []
    fakehv_cluster.assert_placement({"db1": "node2", "web1": "node2"})
