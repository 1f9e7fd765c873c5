"""Instances that are kept apart: who brings two of them together is told, at the call that did it."""

from multiprocessing import get_context
from pathlib import Path

import pytest
from advice import ADVICE

from pytest_fakehv import DeclarationError, FakeCluster, FakeHypervisor, HypervisorError, NodeSpec


def together(cluster):
    return [
        (each.what, each.call and each.call.number)
        for each in cluster.violations()
        if each.invariant == "together"
    ]


@pytest.fixture
def cluster(root):
    """Three nodes, and web1 and web2 on the first two; they are kept apart."""
    cluster = FakeCluster(root, *map(NodeSpec, ("node1", "node2", "node3")))
    cluster.add_instance("web1", node="node1")
    cluster.add_instance("web2", node="node2")
    cluster.keep_apart("web1", "web2")
    return cluster


class TestWhoBringsThemTogether:
    def test_by_a_start(self, cluster):
        node1 = cluster["node1"]
        cluster["node2"].StopInstance(cluster.instance("web2"))
        node1.StartInstance(cluster.instance("web2"), [], True)
        with pytest.raises(AssertionError) as caught:
            cluster.assert_consistent()
        call = cluster.journal[-1]
        assert str(caught.value).splitlines() == [
            "together: web2 came to node1 while web1 ran there",
            f"  since call 2, {call} on node1 at {call.place}",
            f"  {ADVICE['together']}",
        ]

    def test_by_a_migration_where_it_arrives(self, cluster):
        assert cluster.migrate("web2", to="node1").outcome == "completed"
        (call,) = cluster.journal.calls("FinalizeMigrationDst")
        assert together(cluster) == [("web2 came to node1 while web1 ran there", call.number)]

    def test_it_stays_told_when_they_are_apart_again(self, cluster):
        cluster.migrate("web2", to="node1")
        cluster.migrate("web2", to="node3")
        assert [what for what, _ in together(cluster)] == ["web2 came to node1 while web1 ran there"]

    def test_a_swap_meets_on_the_way(self, cluster):
        """Files count: until the source is finalized, an instance is there, too."""
        node1, node2, _ = cluster
        web1, web2 = cluster.instance("web1"), cluster.instance("web2")
        for source, target, each in ((node1, node2, web1), (node2, node1, web2)):
            target.AcceptInstance(each, "", target.name)
            source.MigrateInstance("c", each, target.name, True)
            source.GetMigrationStatus(each)
        node2.FinalizeMigrationDst(web1, "", True)
        met = cluster.journal[-1].number
        node1.FinalizeMigrationSource(web1, True, True)
        node1.FinalizeMigrationDst(web2, "", True)
        node2.FinalizeMigrationSource(web2, True, True)
        assert together(cluster) == [("web1 came to node2 while web2 ran there", met)]

    def test_one_that_came_where_several_are(self, cluster):
        cluster.keep_apart("web10", "web1", "db1")
        cluster.keep_apart("web10", "web2", "web11")
        for name in ("web2", "web11", "db1"):
            cluster.add_instance(name, node="node1")
        node1 = cluster["node1"]
        node1.StartInstance(node1.instance("web10"), [], False)
        assert together(cluster) == [("web10 came to node1 while db1, web1, web2, web11 ran there", 1)]
        (violation,) = [each for each in cluster.violations() if each.invariant == "together"]
        assert (violation.instance, violation.others) == ("web10", ("db1", "web1", "web2", "web11"))
        assert violation.nodes == ("node1",)

    def test_of_two_groups_only_those_in_one_meet(self, cluster):
        cluster.keep_apart("web1", "db1")
        cluster["node2"].StartInstance(cluster.instance("db1"), [], False)
        assert together(cluster) == []

    def test_each_time_they_come_together(self, cluster):
        node1, web1 = cluster["node1"], cluster.instance("web1")
        cluster.migrate("web2", to="node1")
        node1.StopInstance(web1)
        node1.StartInstance(web1, [], False)
        assert [what for what, _ in together(cluster)] == [
            "web2 came to node1 while web1 ran there",
            "web1 came to node1 while web2 ran there",
        ]

    def test_what_a_call_brought_although_it_raised(self, cluster):
        cluster.fault("StartInstance", when="after")
        with pytest.raises(HypervisorError):
            cluster["node1"].StartInstance(cluster.instance("web2"), [], False)
        assert [what for what, _ in together(cluster)] == ["web2 came to node1 while web1 ran there"]

    def test_of_a_node_on_its_own(self, root):
        hv = FakeHypervisor(root)
        hv.keep_apart("web1", hv.instance("web2"))
        hv.StartInstance(hv.instance("web1"), [], False)
        assert hv.violations() == []
        hv.StartInstance(hv.instance("web2"), [], False)
        assert together(hv) == [("web2 came to localhost while web1 ran there", 2)]

    def test_on_a_node_it_is_said_of_the_cluster(self, cluster):
        cluster["node3"].keep_apart("web1", "db1")
        cluster["node1"].StartInstance(cluster.instance("db1"), [], False)
        assert together(cluster) == [("db1 came to node1 while web1 ran there", 1)]

    def test_from_another_process(self, tmp_path):
        cluster = FakeCluster(tmp_path)
        cluster.add_instance("web1", node="node1")
        child = get_context("fork").Process(target=start_beside, args=(cluster,))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert together(cluster) == [("web2 came to node1 while web1 ran there", 1)]


def start_beside(cluster):
    cluster.keep_apart("web1", "web2")
    node1 = cluster["node1"]
    node1.StartInstance(node1.instance("web2"), [], False)


class TestWhoIsNotBlamed:
    def test_nobody_where_they_are_apart(self, cluster):
        cluster.migrate("web2", to="node3")
        cluster.migrate("web1", to="node2")
        cluster["node1"].StartInstance(cluster.instance("db1"), [], False)
        cluster.assert_consistent()

    def test_the_test_itself(self, cluster):
        cluster.add_instance("web2", node="node1")
        assert together(cluster) == []

    def test_who_leaves_them_where_the_test_has_put_them(self, root):
        cluster = FakeCluster(root)
        for name in ("web1", "web2", "db1"):
            cluster.add_instance(name, node="node1")
        cluster.keep_apart("web1", "web2")
        cluster.migrate("db1", to="node2")
        cluster.migrate("web1", to="node2")
        cluster.assert_consistent()

    def test_who_was_told_that_it_failed(self, cluster):
        cluster.script_migration("web2", outcome="failed_but_moved")
        node1, node2, _ = cluster
        web2 = cluster.instance("web2")
        node1.AcceptInstance(web2, "", "node1")
        node2.MigrateInstance("c", web2, "node1", True)
        assert node2.GetMigrationStatus(web2).status == "failed"
        cluster.assert_running("web2", on="node1")
        assert together(cluster) == []

    def test_what_another_program_does(self, tmp_path):
        cluster = FakeCluster(tmp_path)
        cluster.keep_apart("web1", "web2", "web3")
        node1, node2 = cluster
        node1.StartInstance(node1.instance("web1"), [], False)
        Path(node1.root, "web2").write_text("0\n512\n1\n")
        assert cluster.placement() == {"web1": "node1", "web2": "node1"}
        assert together(cluster) == []
        Path(node1.root, "web1").unlink()
        Path(node1.root, "web2").unlink()
        node1.StartInstance(node1.instance("web3"), [], False)
        assert together(cluster) == []
        Path(node2.root, "web1").write_text("0\n512\n1\n")
        node2.StartInstance(node2.instance("web2"), [], False)
        assert [what for what, _ in together(cluster)] == ["web2 came to node2 while web1 ran there"]


class TestAllow:
    @pytest.mark.parametrize("instance", ["web1", "web2"])
    def test_of_either_one(self, cluster, instance):
        cluster.allow("together", instance=instance)
        cluster.migrate("web2", to="node1")
        cluster.assert_consistent()

    def test_of_another_one(self, cluster):
        cluster.allow("together", instance="db1")
        cluster.migrate("web2", to="node1")
        assert len(together(cluster)) == 1

    def test_of_any(self, cluster):
        cluster.migrate("web2", to="node1")
        cluster.assert_consistent(allow=["together"])


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "at least two instances are kept apart, not 0"),
        (["web1"], "at least two instances are kept apart, not 1"),
        (["web1", "web1"], "'web1' is given twice"),
        (["db1", "web1", "web2", "web1"], "'web1' is given twice"),
        (["web1", 5], "an instance is given by its name, or as itself, not as 5"),
        ([["web1", "web2"]], "an instance is given by its name, or as itself, not as ['web1', 'web2']"),
        (["web1", ""], "instance is invalid: '': it is empty"),
    ],
)
def test_what_is_given_wrongly(cluster, names, text):
    with pytest.raises(DeclarationError) as caught:
        cluster.keep_apart(*names)
    assert str(caught.value) == text
    cluster["node1"].StartInstance(cluster.instance("db1"), [], False)
    assert together(cluster) == []
