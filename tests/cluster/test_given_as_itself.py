"""A node, or an instance, in place of its name: it is taken everywhere."""

import pytest

from pytest_fakehv import FakeCluster, HoldError, HypervisorError, InstanceInfo, NodeSpec


@pytest.fixture
def cluster(root):
    return FakeCluster(root, NodeSpec("node1"), NodeSpec("node2", address="10.0.0.2"), NodeSpec("node3"))


def test_a_node(cluster):
    node1, node2, node3 = cluster
    web1 = cluster.add_instance("web1", node=node2)
    assert cluster[node2] is node2
    assert node2 in cluster
    cluster.assert_running("web1", on=node2)
    cluster.assert_placement({"web1": node2})
    cluster.assert_placement({"web1": [node2]})
    cluster.assert_not_migrated("web1", source=node2)
    cluster.script_migration("web1", outcome="failed", polls=1, times=1)
    cluster.migrate("web1", to=node1, source=node2)
    cluster.assert_migration_failed("web1", source=node2, target=node1)
    assert cluster.migrate("web1", to=node1).outcome == "completed"
    cluster.assert_migrated("web1", source=node2, target=node1)
    assert cluster.failover("web1", to=node2, source=node1).outcome == "completed"
    assert cluster.clean_up("web1", to=node1, source=node2).outcome == "failed"
    fault = cluster.fault("ListInstances", node=node2)
    assert fault.spec.node == "node2"
    node1.ListInstances()
    with pytest.raises(HypervisorError):
        node2.ListInstances()
    with pytest.raises(HoldError, match="no such call came"), cluster.hold("ListInstances", node=node2):
        node1.ListInstances()
    cluster.assert_called("ListInstances", node=node1)
    cluster.assert_not_called("ListInstances", node=node3)
    cluster.assert_call_order(("ListInstances", node1), ("ListInstances", node2))
    cluster.assert_call_order("MigrateInstance", node=node1.cluster["node2"])
    assert {call.node for call in cluster.journal.calls(node=node1)} == {"node1"}
    with pytest.raises(AssertionError, match=r"^ListInstances on node3 was not called$"):
        cluster.assert_call_order(("ListInstances", node3))
    with pytest.raises(AssertionError, match=r"^ListInstances on node3 was not called\n"):
        cluster.assert_called("ListInstances", node=node3)
    with pytest.raises(AssertionError, match=r"^web1 did not migrate from node3 to node2\n"):
        cluster.assert_migrated(web1, source=node3, target="10.0.0.2")
    cluster.remove_node(node3)
    assert node3 not in cluster
    node1.assert_called("ListInstances", node=node1)


def test_an_instance(cluster):
    node1 = cluster["node1"]
    web1 = node1.instance("web1", memory=2048, vcpus=2)
    web1.beparams["minmem"] = 1024
    assert cluster.add_instance(web1, memory=1536) == node1.instance("web1")
    assert node1.instance(web1) == web1
    assert node1.instances["web1"][2:4] == (1536, 2)
    assert node1.runs(web1)
    assert node1.instance_info(web1) == node1.instances["web1"]
    for each in (cluster, node1):
        each.assert_running(web1)
        each.allow("vanished", instance=web1)
        each.script_migration(web1, outcome="cancelled", polls=9, times=1)
    fault = cluster.fault("StopInstance", instance=web1, optional=True)
    assert fault.spec.instance == "web1"
    for step_in in (cluster.cancel_migration, cluster.fail_migration, cluster.complete_migration):
        node1.MigrateInstance("cluster", web1, "node2", True)
        step_in(web1)
        assert cluster.migrations[-1].outcome != "active"
        node1.FinalizeMigrationSource(web1, False, True)
        cluster["node2"].FinalizeMigrationDst(web1, "", False)
    assert cluster.journal.calls("MigrateInstance", instance=web1) == cluster.journal.calls("MigrateInstance")
    assert cluster.journal.last_about(web1).method == "FinalizeMigrationDst"
    info = node1.instances["web1"]
    assert isinstance(info, InstanceInfo)
    assert cluster.migrate(info, to="node2").outcome == "completed"
    assert cluster.add_instance(info, node="node3").beparams == {"minmem": 1536, "maxmem": 1536, "vcpus": 2}


def test_an_instance_of_another_class_says_what_it_knows(cluster):
    class Other:
        name, hvparams, beparams = "web1", None, None

    assert cluster.instance(Other()).beparams == {"minmem": 1024, "maxmem": 1024, "vcpus": 1}
