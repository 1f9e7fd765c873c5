"""Nodes that go down, are cut off and come back, and those that are added and removed."""

import threading

import pytest
from migrating import FINALIZED, NODES, WEB1, begin, finalize, message, poll, record

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, NodeDownError, NodeSpec


@pytest.fixture
def cluster(root):
    """Three nodes, on the first of which web1 runs."""
    return FakeCluster(root, *NODES, instances=[WEB1])


@pytest.fixture
def web1():
    """The instance, as the interface takes it."""
    return WEB1.instance()


class TestNodes:
    def test_a_node_is_known_by_its_address(self, cluster):
        assert cluster["10.0.0.2"] is cluster["node2"]
        assert "10.0.0.2" in cluster
        assert [node.address for node in cluster] == ["10.0.0.1", "10.0.0.2", "node3"]

    def test_a_node_that_crashed_is_down_until_it_boots_with_nothing_running(self, cluster, web1):
        node1 = cluster["node1"]
        node1.crash()
        assert node1.unreachable == "is down"
        assert message(node1.ListInstances, error=NodeDownError) == "node1 does not answer"
        assert message(node1.StartInstance, web1, [], False, error=NodeDownError) == "node1 does not answer"
        assert issubclass(NodeDownError, HypervisorError)
        assert [call.method for call in cluster.journal] == ["ListInstances", "StartInstance"]
        node1.boot()
        assert node1.unreachable is None
        assert node1.ListInstances() == []
        node1.StartInstance(web1, [], False)
        assert cluster.placement() == {"web1": "node1"}

    def test_a_node_that_is_cut_off_keeps_its_instances_until_it_is_reconnected(self, cluster, web1):
        node1 = cluster["node1"]
        node1.disconnect()
        assert node1.unreachable == "is cut off"
        assert message(node1.StopInstance, web1, error=NodeDownError) == "node1 does not answer"
        assert message(node1.CheckParameterSyntax, {}, error=NodeDownError) == "node1 does not answer"
        assert cluster.placement() == {"web1": "node1"}
        node1.reconnect()
        assert node1.unreachable is None
        assert node1.ListInstances() == ["web1"]

    def test_a_node_that_is_down_and_cut_off_needs_both_mended(self, cluster):
        node1 = cluster["node1"]
        node1.disconnect()
        node1.crash()
        assert message(node1.ListInstances, error=NodeDownError) == "node1 does not answer"
        node1.boot()
        assert message(node1.ListInstances, error=NodeDownError) == "node1 does not answer"
        node1.reconnect()
        assert node1.ListInstances() == []

    def test_booting_and_reconnecting_a_node_that_is_well_changes_nothing(self, cluster):
        cluster["node1"].boot()
        cluster["node1"].reconnect()
        assert cluster["node1"].ListInstances() == ["web1"]

    def test_a_reset_node_is_back_at_once(self, cluster, web1):
        cluster["node1"].PowercycleNode()
        assert cluster["node1"].unreachable is None
        cluster["node1"].StartInstance(web1, [], False)

    @pytest.mark.parametrize("state", ["running", "paused"])
    def test_nothing_can_be_placed_on_a_node_that_is_down(self, cluster, state):
        cluster["node2"].crash()
        assert message(cluster["node2"].add_instance, "web2", state=state) == "node2 is down"
        assert message(cluster.add_instance, "web2", node="node2", state=state) == "node2 is down"
        cluster.add_instance("web2", node="node2", state="stopped")
        assert cluster.placement() == {"web1": "node1"}
        cluster["node2"].boot()
        cluster.add_instance("web2", node="node2")
        assert cluster.placement() == {"web1": "node1", "web2": "node2"}

    def test_nothing_starts_on_a_node_that_went_down_since_it_was_called(self, root, web1):
        class Weak(FakeHypervisor):
            def StartInstance(self, *args):
                self.crash()
                super().StartInstance(*args)

            def FinalizeMigrationDst(self, *args):
                self.crash()
                super().FinalizeMigrationDst(*args)

        cluster = FakeCluster(root, *NODES, instances=[WEB1], hypervisor=Weak)
        assert message(cluster["node3"].StartInstance, web1, [], False, error=NodeDownError) == (
            "node3 does not answer"
        )
        begin(cluster, web1)
        assert message(cluster["node2"].FinalizeMigrationDst, web1, "", True, error=NodeDownError) == (
            "node2 does not answer"
        )
        assert cluster.placement() == {"web1": "node1"}

    def test_an_instance_can_be_placed_on_a_node_that_is_cut_off_from_calls(self, cluster):
        cluster["node2"].disconnect()
        cluster.add_instance("web2", node="node2")
        assert cluster.placement() == {"web1": "node1", "web2": "node2"}

    def test_a_node_is_added_in_full_swing(self, cluster, web1):
        begin(cluster, web1)
        node4 = cluster.add_node(
            "node4",
            memory=8192,
            cpus=8,
            reserved_memory=1024,
            overcommit=False,
            address="10.0.0.4",
            version="7.1",
            cpu_nodes=2,
            cpu_sockets=4,
        )
        assert node4.spec == NodeSpec(
            "node4",
            memory=8192,
            cpus=8,
            reserved_memory=1024,
            overcommit=False,
            address="10.0.0.4",
            version="7.1",
            cpu_nodes=2,
            cpu_sockets=4,
        )
        assert cluster["10.0.0.4"] is node4
        assert [node.name for node in cluster] == ["node1", "node2", "node3", "node4"]
        poll(cluster, web1)
        finalize(cluster, web1, success=True)
        assert cluster.migrate("web1", to="10.0.0.4").outcome == "completed"
        assert node4.ListInstances() == ["web1"]

    def test_a_node_is_added_as_declared_by_default(self, cluster):
        assert cluster.add_node("node4").spec == NodeSpec("node4")

    def test_an_added_node_is_of_the_clusters_class(self, root):
        class Own(FakeHypervisor):
            pass

        assert type(FakeCluster(root, hypervisor=Own).add_node("node3")) is Own

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ({"name": "node1"}, "two nodes are named 'node1'"),
            ({"name": "10.0.0.1"}, "'10.0.0.1' has the address of 'node1': '10.0.0.1'"),
            ({"name": "node4", "address": "10.0.0.2"}, "'node4' has the address of 'node2': '10.0.0.2'"),
            ({"name": "node4", "address": "node3"}, "'node4' has the address of 'node3': 'node3'"),
            ({"name": ""}, "name is invalid: '': it is empty"),
            ({"name": "a/b"}, "name is invalid: 'a/b': it contains '/'"),
            (
                {"name": "node4", "memory": 0},
                (
                    "memory must be a positive integer, of MiB, or a text like '512M', '24G' or '1.5 TiB', "
                    "not 0"
                ),
            ),
            ({"name": "node4", "cpus": "8"}, "cpus must be a positive integer, not '8'"),
            ({"name": "node4", "address": ""}, "address must be a text that is not empty, not ''"),
            ({"name": "node4", "overcommit": 1}, "overcommit must be one of True, False, not 1"),
        ],
    )
    def test_a_node_that_can_not_be_added(self, cluster, arguments, text):
        assert message(cluster.add_node, **arguments) == text
        assert [node.name for node in cluster] == ["node1", "node2", "node3"]

    @pytest.mark.parametrize("name", ["node2", "10.0.0.2"])
    def test_a_removed_node_is_gone_for_good(self, cluster, name):
        node2 = cluster["node2"]
        cluster.remove_node(name)
        assert [node.name for node in cluster] == ["node1", "node3"]
        assert node2 not in cluster
        for gone in ("node2", "10.0.0.2"):
            assert gone not in cluster
            assert message(cluster.__getitem__, gone, error=KeyError) == (
                f"no node is named {gone!r}; there are: node1, node3"
            )
        for change in (lambda: None, node2.boot, node2.reconnect, node2.disconnect, node2.crash, node2.boot):
            change()
            assert message(node2.ListInstances, error=NodeDownError) == "node2 does not answer"
        assert message(node2.add_instance, "web2") == "node2 is no longer in the cluster"

    def test_a_removed_node_is_no_target(self, cluster, web1):
        cluster.remove_node("node2")
        assert message(begin, cluster, web1, error=HypervisorError) == (
            "Failed to migrate instance web1: the target 'node2' is no node's name or address"
        )

    def test_a_removed_nodes_name_and_address_are_free_again(self, cluster):
        cluster.remove_node("node2")
        cluster.add_node("node4", address="10.0.0.2")
        cluster.add_node("node2")
        assert [node.name for node in cluster] == ["node1", "node3", "node4", "node2"]
        assert cluster.migrate("web1", to="node2").outcome == "completed"

    def test_the_records_of_a_removed_node_remain(self, cluster):
        cluster.migrate("web1", to="node2")
        cluster.remove_node("node1")
        assert cluster.migrations == [record("completed", polls=1, duration=1.0, **FINALIZED)]
        assert cluster["node2"].migrations == cluster.migrations

    def test_a_node_that_can_not_be_removed(self, cluster, web1):
        assert message(cluster.remove_node, "node4") == (
            "no node is named 'node4'; there are: node1, node2, node3"
        )
        cluster.add_instance("web10", state="paused")
        assert message(cluster.remove_node, "node1") == (
            "node1 can't be removed: these run on it: web1, web10"
        )
        begin(cluster, web1)
        begin(cluster, cluster["node1"].instance("web10"))
        assert message(cluster.remove_node, "10.0.0.2") == (
            "node2 can't be removed: these migrate from or to it: web1, web10"
        )
        for name in ("web1", "web10"):
            cluster.fail_migration(name)
        cluster.remove_node("node2")
        cluster.remove_node("node3")
        cluster["node1"].crash()
        assert message(cluster.remove_node, "node1") == "node1 can't be removed: it is the only one"
        assert [node.name for node in cluster] == ["node1"]


def test_of_two_threads_that_add_a_node_of_one_name_one_does():
    class Own(FakeHypervisor):
        def __init__(self, *args, **keywords):
            super().__init__(*args, **keywords)
            if self.name == "node3" and not others:
                others.append(threading.Thread(target=self.cluster.add_node, args=["node3"]))
                others[0].start()
                others[0].join()

    others = []
    cluster = FakeCluster.in_memory(hypervisor=Own)
    assert message(cluster.add_node, "node3") == "two nodes are named 'node3'"
    assert [node.name for node in cluster] == ["node1", "node2", "node3"]
