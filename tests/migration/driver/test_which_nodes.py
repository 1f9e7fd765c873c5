"""Between which nodes the reference driver moves an instance."""

import pytest
from breakable import calls, message

OPERATIONS = ["migrate", "clean_up", "failover"]


@pytest.mark.parametrize("operation", OPERATIONS)
class TestWhichNodes:
    def test_to_where_it_is_already(self, cluster, operation):
        for to in ("node1", "10.0.0.1"):
            assert message(getattr(cluster, operation), "web1", to=to) == (
                "'web1' is to move to node1, where it is already"
            )
        assert message(getattr(cluster, operation), "web1", to="node2", source="10.0.0.2") == (
            "'web1' is to move to node2, where it is already"
        )
        assert calls(cluster) == []

    @pytest.mark.parametrize("node", ["node4", ""])
    def test_to_an_unknown_node(self, cluster, operation, node):
        assert message(getattr(cluster, operation), "web1", to=node) == (
            f"no node is named {node!r}; there are: node1, node2, node3"
        )

    @pytest.mark.parametrize("node", ["node4", ""])
    def test_from_an_unknown_node(self, cluster, operation, node):
        assert message(getattr(cluster, operation), "web1", to="node2", source=node) == (
            f"no node is named {node!r}; there are: node1, node2, node3"
        )

    def test_an_instance_that_nobody_knows(self, cluster, operation):
        assert message(getattr(cluster, operation), "web2", to="node2") == (
            "no instance is named 'web2'; nearest: web1"
        )

    def test_an_instance_that_was_described_but_never_ran(self, cluster, operation):
        cluster["node1"].instance("web2")
        assert message(getattr(cluster, operation), "web2", to="node2") == (
            "'web2' runs nowhere; say with source= which node it is to leave"
        )

    def test_an_instance_that_runs_on_several_others(self, cluster, operation):
        web2 = cluster["node1"].instance("web2")
        for node in cluster:
            node.StartInstance(web2, [], False)
        assert message(getattr(cluster, operation), "web2", to="node2") == (
            "'web2' runs on node1, node2, node3; say with source= which node it is to leave"
        )

    def test_an_instance_that_the_code_under_test_has_started(self, cluster, operation):
        cluster["node3"].StartInstance(cluster["node1"].instance("web2"), [], False)
        assert getattr(cluster, operation)("web2", to="node2").source == "node3"

    def test_an_instance_on_both_nodes_leaves_the_one_where_it_was_declared(self, cluster, operation):
        for node in ("node2", "node3"):
            cluster[node].StartInstance(cluster["node1"].instance("web1"), [], False)
        assert getattr(cluster, operation)("web1", to="node2").source == "node1"

    def test_an_instance_leaves_the_node_where_it_runs_before_the_one_where_it_was_declared(
        self, cluster, operation
    ):
        web1 = cluster["node1"].instance("web1")
        cluster["node1"].StopInstance(web1)
        cluster["node3"].StartInstance(web1, [], False)
        assert getattr(cluster, operation)("web1", to="node2").source == "node3"

    def test_an_instance_leaves_the_node_that_it_has_migrated_to(self, cluster, operation):
        cluster.migrate("web1", to="node3")
        assert getattr(cluster, operation)("web1", to="node2").source == "node3"

    def test_an_instance_that_is_stopped_leaves_the_node_that_it_has_migrated_to(self, cluster, operation):
        cluster.migrate("web1", to="node3")
        cluster["node3"].StopInstance(cluster["node3"].instance("web1"))
        assert getattr(cluster, operation)("web1", to="node2").source == "node3"

    def test_an_instance_leaves_the_node_that_it_could_not_leave_before(self, cluster, operation):
        cluster.script_migration("web1", outcome="failed", times=1)
        cluster.migrate("web1", to="node3")
        assert getattr(cluster, operation)("web1", to="node2").source == "node1"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_node_where_an_instance_was_declared_may_have_gone(cluster, operation):
    cluster.failover("web1", to="node2")
    cluster.remove_node("node1")
    assert getattr(cluster, operation)("web1", to="node3").source == "node2"


@pytest.mark.parametrize("operation", ["migrate", "failover"])
@pytest.mark.parametrize("before", ["migrate", "failover"])
def test_an_instance_that_has_moved_does_not_move_there_again(cluster, before, operation):
    getattr(cluster, before)("web1", to="node2")
    cluster.journal.clear()
    assert message(getattr(cluster, operation), "web1", to="node2") == (
        "'web1' is to move to node2, where it is already"
    )
    assert cluster.placement() == {"web1": "node2"}
    assert calls(cluster) == []


@pytest.mark.parametrize("operation", ["migrate", "clean_up"])
def test_live_is_yes_or_no(cluster, operation):
    assert message(getattr(cluster, operation), "web1", to="node2", live=None) == (
        "live must be one of True, False, not None"
    )
    assert calls(cluster) == []
