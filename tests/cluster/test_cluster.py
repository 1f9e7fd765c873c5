"""Several nodes, and their declarations."""

import os

import pytest
from raising import message

from pytest_fakehv import FakeCluster, FakeHypervisor, InstanceSpec, NodeSpec


def test_two_equal_nodes_unless_declared(root):
    cluster = FakeCluster(root)
    assert repr(cluster) == "<FakeCluster node1, node2>"
    assert [node.name for node in cluster] == ["node1", "node2"]
    assert list(cluster) == list(cluster.nodes)
    assert len(cluster) == 2
    assert cluster["node2"] is cluster.nodes[1]
    for node in cluster:
        info = node.GetNodeInfo()
        assert (info["memory_total"], info["memory_free"], info["cpu_total"]) == (65536, 65536, 16)


def test_in(root):
    cluster = FakeCluster(root)
    assert "node1" in cluster
    assert cluster["node1"] in cluster
    assert "node3" not in cluster
    assert FakeCluster(root)["node1"] not in cluster
    assert cluster["node1"].cluster is cluster


def test_an_unknown_node(root):
    cluster = FakeCluster(root)
    assert message(cluster.__getitem__, "node3", error=KeyError) == (
        "no node is named 'node3'; there are: node1, node2"
    )


def test_each_node_has_a_root_of_its_own_made_when_needed(tmp_path):
    cluster = FakeCluster(tmp_path / "c", instances=[InstanceSpec("web1", node="node2")])
    assert os.listdir(tmp_path / "c") == ["node2"]
    assert os.listdir(cluster["node2"].root) == ["web1"]
    assert cluster["node1"].root == str(tmp_path / "c" / "node1")
    assert sorted(os.listdir(tmp_path / "c")) == ["node1", "node2"]


def test_a_class_of_the_users_own(root):
    class Own(FakeHypervisor):
        pass

    assert {type(node) for node in FakeCluster(root, hypervisor=Own)} == {Own}
    for wrong in (int, Own(root)):
        assert message(FakeCluster, root, hypervisor=wrong) == (
            f"the class of a node must be FakeHypervisor or a subclass, not {wrong!r}"
        )


def test_instances(root):
    cluster = FakeCluster(
        root,
        NodeSpec("a"),
        NodeSpec("b"),
        instances=[InstanceSpec("web1", memory=5), InstanceSpec("web2", node="b", state="stopped")],
    )
    web3 = cluster.add_instance(
        "web3", node="b", memory=7, min_memory=2, vcpus=3, state="paused", hvparams={"a": 1}
    )
    assert cluster["a"].instances == {"web1": ("web1", "0", 5, 1, 0, 0)}
    assert cluster["b"].instances == {"web3": ("web3", "0", 7, 3, 0, 0)}
    assert cluster["a"].instance("web3") == web3
    assert web3.hvparams == {"a": 1}
    assert web3.beparams == {"minmem": 2, "maxmem": 7, "vcpus": 3}
    assert cluster["a"].instance("web2").beparams["maxmem"] == 1024


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        (["node1"], "a node is declared by a NodeSpec, not 'node1'"),
        ([NodeSpec("a"), NodeSpec("b"), NodeSpec("a")], "two nodes are named 'a'"),
        ([NodeSpec("a", address="x"), NodeSpec("b", address="x")], "'b' has the address of 'a': 'x'"),
        ([NodeSpec("a"), NodeSpec("b", address="a")], "'b' has the address of 'a': 'a'"),
        ([NodeSpec("a", address="b"), NodeSpec("b")], "'b' has the address of 'a': 'b'"),
    ],
)
def test_bad_nodes(root, nodes, text):
    assert message(FakeCluster, root, *nodes) == text


def test_an_instance_on_an_unknown_node(root):
    cluster = FakeCluster(root)
    assert message(cluster.add_instance, "web1", node="node3") == (
        "'web1' is on an unknown node 'node3'; there are: node1, node2"
    )
    assert message(cluster.add_instance, "web1", node="") == (
        "'web1' is on an unknown node ''; there are: node1, node2"
    )


def test_temporary():
    with FakeCluster.temporary(NodeSpec("only")) as cluster:
        hv = cluster["only"]
        hv.add_instance("web1")
        assert os.listdir(hv.root) == ["web1"]
        assert len(list(FakeCluster.temporary().__enter__().nodes)) == 2
    assert not os.path.exists(hv.root)


def test_what_is_no_instance(root):
    assert message(FakeCluster, root, instances=["web1"]) == (
        "an instance is declared by an InstanceSpec, not 'web1'"
    )
