"""What a program did is its doing, whatever state it met; what the test did or scripted is not."""

import errno
import os
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest
from by_hand import EVENTS, Master, small_cluster

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HypervisorError,
    InstanceSpec,
    MigrationStatus,
    NodeSpec,
)
from pytest_fakehv.machine import Time
from pytest_fakehv.storage.disk import Disk


def wrong(cluster):
    """Return what is wrong, each with the call that is blamed."""
    return [(each.invariant, each.what, each.call.method, each.call.node) for each in cluster.violations()]


class AcceptsAlone(FakeHypervisor):
    def AcceptInstance(self, instance, info, target):
        pass


class BeginsAlone(FakeHypervisor):
    def MigrateInstance(self, cluster_name, instance, target, live):
        pass


class LeavesAlone(FakeHypervisor):
    def FinalizeMigrationSource(self, instance, success, live):
        self._MarkDown(instance.name)


class ArrivesAlone(FakeHypervisor):
    def FinalizeMigrationDst(self, instance, info, success):
        self._MarkUp(instance, 1024)


class WithUs(FakeHypervisor):
    def AcceptInstance(self, *arguments):
        super().AcceptInstance(*arguments)

    def FinalizeMigrationDst(self, *arguments):
        super().FinalizeMigrationDst(*arguments)


class TestAClassOfTheUsersOwn:
    """What it does of a migration without `super`, the account can't know."""

    @pytest.mark.parametrize("hypervisor", [AcceptsAlone, BeginsAlone, LeavesAlone, ArrivesAlone, WithUs])
    def test_that_migrates(self, hypervisor):
        with FakeCluster.temporary(NodeSpec("node1"), NodeSpec("node2"), hypervisor=hypervisor) as cluster:
            cluster.add_instance("web1", node="node1")
            assert cluster.migrate("web1", to="node2").outcome == "completed"
            assert cluster.placement() == {"web1": "node2"}
            assert cluster.violations() == []

    def test_that_ends_none(self):
        with FakeCluster.temporary(NodeSpec("node1"), NodeSpec("node2"), hypervisor=WithUs) as cluster:
            web1 = cluster.add_instance("web1", node="node1")
            cluster["node2"].AcceptInstance(web1, "", "node2")
            assert [each.invariant for each in cluster.violations()] == ["unfinished"]
            cluster["node2"].FinalizeMigrationDst(web1, "", True)
            assert [each.invariant for each in cluster.violations()] == ["split-brain", "unearned"]

    def test_whose_override_a_fault_strikes(self):
        """It was not asked, and so has done nothing of its own."""
        with FakeCluster.temporary(NodeSpec("node1"), NodeSpec("node2"), hypervisor=AcceptsAlone) as cluster:
            web1 = cluster.add_instance("web1", node="node1")
            with cluster.fault("AcceptInstance", effect=False):
                cluster["node2"].AcceptInstance(web1, "", "node2")
            cluster["node2"].FinalizeMigrationDst(web1, "", True)
            assert [each.invariant for each in cluster.violations()] == ["split-brain", "unearned"]


class TestInFlight:
    """Between the source's finalize and the target's."""

    @pytest.mark.parametrize("node", ["node2", "node3", "node1"])
    def test_a_start_of_what_is_on_its_way(self, cluster, master, node):
        master.begin()
        master.end_source()
        cluster[node].StartInstance(master.web1, [], False)
        master.end_target()
        what = f"web1 was started on {node} while it was on its way to node2"
        split = ("split-brain", f"web1 ran on {node} and node2 at once", "StartInstance", node)
        assert wrong(cluster) == [
            ("double-start", what, "StartInstance", node),
            *([] if node == "node2" else [split]),
        ]
        assert {each.instance for each in cluster.violations()} == {"web1"}

    def test_a_third_one_that_the_test_declares(self, cluster, master):
        """Whoever started it while it was on its way has not brought that about."""
        master.begin()
        master.end_source()
        cluster["node3"].StartInstance(master.web1, [], False)
        cluster.add_instance("web1", node="node1")
        (_, split) = [each for each in cluster.violations() if each.invariant != "unfinished"]
        assert (split.what, split.call) == ("web1 ran on node3 and node1 at once", None)

    def test_a_second_start_after_it_has_arrived(self, cluster, master):
        """What the first one has started is stopped by then, and splits nothing."""
        master.begin()
        master.end_source()
        for ends in (lambda: cluster["node3"].StopInstance(master.web1), lambda: None):
            cluster["node3"].StartInstance(master.web1, [], False)
            ends()
            master.end_target()
        first, second = (call.number for call in cluster.journal.calls("StartInstance"))
        assert [(each.what, each.call.number) for each in cluster.violations()] == [
            ("web1 was started on node3 while it was on its way to node2", first),
            ("web1 was started on node3 while it ran on node2", second),
            ("web1 ran on node2 and node3 at once", second),
        ]

    def test_a_second_start_of_what_runs_since_the_first(self, cluster, master):
        """It is the second one that makes two of it."""
        master.begin()
        master.end_source()
        cluster["node3"].StartInstance(master.web1, [], False)
        cluster["node1"].StartInstance(master.web1, [], False)
        master.end_target()
        first, second = (call.number for call in cluster.journal.calls("StartInstance"))
        assert [(each.what, each.call.number) for each in cluster.violations()] == [
            ("web1 was started on node3 while it was on its way to node2", first),
            ("web1 was started on node1 while it ran on node3", second),
            ("web1 ran on node3 and node1 at once", second),
        ]

    def test_a_start_where_the_target_has_refused_it(self, cluster, master):
        """Somebody was told that it won't arrive; that a person should look is not said by a violation."""
        cluster.script_migration("web1", outcome="completed_but_lost")
        master.begin()
        master.end_source()
        with pytest.raises(HypervisorError):
            master.end_target()
        cluster["node3"].StartInstance(master.web1, [], False)
        assert [each[0] for each in wrong(cluster)] == ["unfinished"]

    def test_a_start_once_the_target_was_aborted(self, cluster, master):
        master.begin()
        master.end_source()
        master.end_target(success=False)
        cluster["node3"].StartInstance(master.web1, [], False)
        cluster.assert_consistent()

    def test_a_start_once_the_target_went_down(self, cluster, master):
        master.begin()
        master.end_source()
        cluster["node2"].crash()
        cluster["node3"].StartInstance(master.web1, [], False)
        cluster.assert_consistent()

    @pytest.mark.parametrize("script", [{"outcome": "failed"}, {"outcome": "cancelled"}, {"bandwidth": 1}])
    def test_a_start_of_what_can_not_arrive(self, cluster, master, script):
        """Who let it go did wrong; who looks and starts it did not, whatever is then let arrive."""
        cluster.script_migration("web1", **script)
        master.accept()
        master.migrate()
        master.status()
        master.end_source()
        assert [each.ListInstances() for each in cluster] == [[], [], []]
        cluster["node3"].StartInstance(master.web1, [], False)
        master.end_target()
        assert [(each[0], each[2]) for each in wrong(cluster)] == [
            ("unearned", "FinalizeMigrationSource"),
            ("split-brain", "FinalizeMigrationDst"),
            ("unearned", "FinalizeMigrationDst"),
        ]

    @pytest.mark.parametrize("befall", [FakeHypervisor.crash, FakeHypervisor.disconnect])
    def test_the_target_of_what_can_not_arrive_excuses_nothing(self, cluster, master, befall):
        cluster.script_migration("web1", outcome="failed")
        master.begin()
        master.end_source()
        befall(cluster["node2"])
        assert [each[0] for each in wrong(cluster)] == ["unearned", "vanished"]

    def test_a_start_of_what_was_said_to_have_completed(self, cluster, master):
        cluster.script_migration("web1", bandwidth=1)
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status="completed"))
        master.begin()
        master.end_source()
        cluster["node3"].StartInstance(master.web1, [], False)
        master.end_target()
        assert [(each[0], each[2]) for each in wrong(cluster)] == [
            ("double-start", "StartInstance"),
            ("split-brain", "StartInstance"),
        ]

    def test_a_start_where_the_program_itself_called_the_target_wrongly(self, cluster, master):
        master.begin()
        master.end_source()
        with pytest.raises(TypeError):
            master.target.FinalizeMigrationDst(master.web1)
        cluster["node3"].StartInstance(master.web1, [], False)
        assert [each.invariant for each in cluster.violations()] == ["double-start", "unfinished"]

    def test_a_start_where_a_fault_has_kept_it_away(self, cluster, master):
        cluster.fault("FinalizeMigrationDst", error=TypeError)
        master.begin()
        master.end_source()
        with pytest.raises(TypeError):
            master.end_target()
        cluster["node3"].StartInstance(master.web1, [], False)
        assert [each.invariant for each in cluster.violations()] == ["unfinished"]

    def test_a_deed_of_the_test_is_no_start(self, cluster, master):
        master.begin()
        master.end_source()
        cluster["node3"].add_instance("web1")
        master.end_target()
        assert "double-start" not in [each.invariant for each in cluster.violations()]


class TestLostOnItsSource:
    """Once the status has said that it completed: what has arrived is finalized all the same."""

    @pytest.fixture(params=["stop", "power cycle", "crash and boot"])
    def lose(self, request, master):
        return lambda: EVENTS[request.param](master.source)

    @pytest.mark.parametrize("node", ["node1", "node2", "node3"])
    def test_a_start(self, cluster, master, lose, node):
        master.begin()
        lose()
        cluster[node].StartInstance(master.web1, [], False)
        master.end_target()
        master.end_source()
        what = f"web1 was started on {node} while it was on its way to node2"
        split = ("split-brain", f"web1 ran on {node} and node2 at once", "StartInstance", node)
        assert wrong(cluster) == [
            ("double-start", what, "StartInstance", node),
            *([] if node == "node2" else [split]),
        ]

    def test_a_start_by_who_has_looked(self, cluster, master, lose):
        master.begin()
        lose()
        assert [each.ListInstances() for each in cluster] == [[], [], []]
        master.source.StartInstance(master.web1, [], False)
        master.end_target(success=False)
        master.end_source(success=False)
        assert (wrong(cluster), cluster.placement()) == ([], {"web1": "node1"})

    def test_who_lets_it_arrive_beside_that(self, cluster, master, lose):
        """Both run, though one is on the source and one on the target."""
        master.begin()
        lose()
        assert master.target.ListInstances() == []
        master.source.StartInstance(master.web1, [], False)
        master.end_target()
        master.end_source()
        assert [each[0::2] for each in wrong(cluster)] == [("split-brain", "FinalizeMigrationDst")]

    @pytest.mark.parametrize("why", ["refused", "aborted", "killed", "never told"])
    def test_a_start_of_what_does_not_arrive(self, cluster, master, lose, why):
        if why == "never told":
            cluster.fault("GetMigrationStatus", when="after")
        if why == "refused":
            cluster.fault("FinalizeMigrationDst", times=1)
        with suppress(HypervisorError):
            master.begin()
        lose()
        if why == "killed":
            master.target.kill("web1")
        elif why in {"refused", "aborted"}:
            with suppress(HypervisorError):
                master.end_target(success=why == "refused")
        cluster["node3"].StartInstance(master.web1, [], False)
        assert "double-start" not in [each[0] for each in wrong(cluster)]

    def test_what_migrates_again_is_handed_over(self, cluster, master, lose):
        master.begin()
        lose()
        master.target.ListInstances()
        master.source.StartInstance(master.web1, [], False)
        master.end_target(success=False)
        master.end_source(success=False)
        assert master.begin() == "completed"
        master.end_target()
        master.end_source()
        assert (wrong(cluster), cluster.placement()) == ([], {"web1": "node2"})


class TestPostcopy:
    """An abort in postcopy ends the instance, half of whose memory is on each side."""

    @pytest.mark.parametrize("first", ["source", "target"])
    def test_an_abort_by_the_program(self, cluster, master, first):
        cluster.script_migration("web1", postcopy=0, bandwidth=1)
        master.accept()
        master.migrate()
        assert master.status() == "active"
        ends = {"source": master.end_source, "target": master.end_target}
        for side in (first, *(ends.keys() - {first})):
            ends[side](success=False)
        assert cluster.placement() == {}
        (violation,) = cluster.violations()
        assert violation.invariant == "vanished"
        method, node, why = {
            "source": ("FinalizeMigrationSource", "node1", "it left node1 and did not arrive on node2"),
            "target": ("FinalizeMigrationDst", "node2", "node1 dropped its only copy"),
        }[first]
        assert (violation.call.method, violation.call.node) == (method, node)
        assert violation.what == f"web1 runs nowhere: {why}"

    def test_the_drivers_own_limit(self, cluster):
        cluster.script_migration("web1", postcopy=0, bandwidth=1)
        assert cluster.migrate("web1", to="node2", timeout=3).outcome == "failed"
        assert wrong(cluster) == [
            ("vanished", "web1 runs nowhere: node1 dropped its only copy", "FinalizeMigrationDst", "node2")
        ]

    @pytest.mark.parametrize("lose", ["script", "fail_migration", "crash"])
    def test_what_the_test_wanted(self, cluster, master, lose):
        if lose == "script":
            cluster.script_migration("web1", postcopy=0, outcome="failed", polls=1)
        else:
            cluster.script_migration("web1", postcopy=0, bandwidth=1)
        master.accept()
        master.migrate()
        master.status()
        if lose == "crash":
            cluster["node1"].crash()
        elif lose == "fail_migration":
            cluster.fail_migration("web1")
        assert master.status() == "failed" if lose != "crash" else True
        master.end_target(success=False)
        if lose != "crash":
            master.end_source(success=False)
        cluster.assert_consistent()

    def test_a_kill_of_the_only_copy_that_a_status_then_tells(self, cluster, master):
        """The migration has failed then, but not as the test wanted."""
        cluster.script_migration("web1", postcopy=0, bandwidth=1)
        master.accept()
        master.migrate()
        master.source.FinalizeMigrationDst(master.web1, "", False)
        assert master.status() == "failed"
        master.end_target(success=False)
        master.end_source(success=False)
        assert wrong(cluster) == [
            ("vanished", "web1 runs nowhere: node1 dropped its only copy", "FinalizeMigrationDst", "node1")
        ]

    def test_a_copy_elsewhere_is_not_lost_with_it(self, cluster, master):
        cluster.script_migration("web1", postcopy=0, bandwidth=1)
        master.accept()
        master.migrate()
        cluster["node3"].StartInstance(master.web1, [], False)
        cluster["node1"].StopInstance(master.web1)
        cluster["node2"].StartInstance(master.web1, [], False)
        starts = [each for each in wrong(cluster) if each[0] == "double-start"]
        assert starts == [
            ("double-start", f"web1 was started on {node} while it ran on {other}", "StartInstance", node)
            for node, other in (("node3", "node1"), ("node2", "node3"))
        ]


class TestAbortOfWhatCompleted:
    @pytest.mark.parametrize("first", ["source", "target"])
    def test_by_who_was_told_so(self, cluster, master, first):
        master.begin()
        ends = {"source": master.end_source, "target": master.end_target}
        for side in (first, *(ends.keys() - {first})):
            ends[side](success=False)
        method, node = {
            "source": ("FinalizeMigrationSource", "node1"),
            "target": ("FinalizeMigrationDst", "node2"),
        }[first]
        what = f"the migration of web1 was aborted on {node}, though its status said completed"
        assert wrong(cluster) == [("unearned", what, method, node)]
        assert [(each.instance, each.nodes) for each in cluster.violations()] == [("web1", (node,))]

    def test_by_who_could_not_know(self, cluster, master):
        """The status call had its effect, and its caller was told that it failed."""
        master.accept()
        master.migrate()
        cluster.fault("GetMigrationStatus", when="after")
        with pytest.raises(HypervisorError):
            master.status()
        master.end_target(success=False)
        master.end_source(success=False)
        cluster.assert_consistent()

    def test_by_who_has_looked_at_the_target_since(self, cluster, master):
        master.begin()
        assert master.target.ListInstances() == []
        master.end_target(success=False)
        master.end_source(success=False)
        cluster.assert_consistent()

    def test_by_who_has_looked_at_something_else(self, cluster, master):
        master.begin()
        assert master.target.GetInstanceInfo("db1") is None
        master.end_target(success=False)
        master.end_source(success=False)
        assert [each.invariant for each in cluster.violations()] == ["unearned"]

    def test_where_the_target_has_refused_it(self, cluster, master):
        cluster.script_migration("web1", outcome="completed_but_lost")
        master.begin()
        with pytest.raises(HypervisorError):
            master.end_target()
        master.end_target(success=False)
        master.end_source(success=False)
        cluster.assert_running("web1", on="node1")
        cluster.assert_consistent()

    def test_where_the_target_has_refused_an_earlier_one(self, cluster, master):
        self.test_where_the_target_has_refused_it(cluster, master)
        cluster.script_migration("web1")
        assert master.begin() == "completed"
        master.end_target(success=False)
        master.end_source(success=False)
        assert [each[0] for each in wrong(cluster)] == ["unearned"]

    @pytest.mark.parametrize(
        "second", [{}, {"effect": False}, {"error": "no", "when": "after"}], ids=["begun", "lie", "told late"]
    )
    def test_where_it_was_the_next_one_that_completed(self, cluster, master, second):
        """What its status says since is said of that one."""
        cluster.script_migration("web1", outcome="failed", times=1)
        assert master.begin() == "failed"
        node1, node3 = cluster["node1"], cluster["node3"]
        node3.AcceptInstance(master.web1, "", "node3")
        if second:
            cluster.fault("MigrateInstance", times=1, **second)
        if second.get("effect") is False:
            cluster.fault("GetMigrationStatus", result=MigrationStatus(status="completed"))
        with suppress(HypervisorError):
            node1.MigrateInstance("cluster", master.web1, "node3", True)
        assert master.status() == "completed"
        master.end_target(success=False)
        node1.FinalizeMigrationSource(master.web1, True, True)
        node3.FinalizeMigrationDst(master.web1, "", True)
        assert (wrong(cluster), cluster.placement()) == ([], {"web1": "node3"})

    def test_where_the_next_one_was_refused(self, cluster, master):
        """Then it is still this one that its status is of."""
        cluster.script_migration("web1", polls=2)
        master.accept()
        master.migrate()
        with pytest.raises(HypervisorError):
            master.migrate()
        while master.status() != "completed":
            pass
        master.end_target(success=False)
        master.end_source(success=False)
        assert [each[0] for each in wrong(cluster)] == ["unearned"]

    def test_where_the_target_went_down(self, cluster, master):
        master.begin()
        cluster["node2"].crash()
        master.end_source(success=False)
        cluster.assert_consistent()


class TestKills:
    """An instance that ends by itself is nobody's fault; what a program makes of that is its own."""

    @pytest.mark.parametrize("node", ["node1", "node2", "node3"])
    def test_a_start_of_what_was_killed(self, cluster, master, node):
        cluster.kill("web1")
        cluster[node].StartInstance(master.web1, [], False)
        cluster.assert_consistent()

    @pytest.mark.parametrize("node", ["node1", "node2", "node3"])
    def test_a_start_of_what_was_killed_on_its_way(self, cluster, master, node):
        master.begin()
        master.end_source()
        cluster.kill("web1")
        cluster[node].StartInstance(master.web1, [], False)
        cluster.assert_consistent()

    def test_a_start_of_what_has_died_on_one_node_alone(self, cluster, master):
        cluster["node2"].add_instance("web1")
        cluster["node2"].kill("web1")
        cluster["node3"].StartInstance(master.web1, [], False)
        assert [each.what for each in cluster.violations() if each.call] == [
            "web1 was started on node3 while it ran on node1",
            "web1 ran on node1 and node3 at once",
        ]

    def test_an_abort_of_the_only_copy_before(self, cluster, master):
        cluster.script_migration("web1", postcopy=0, bandwidth=1)
        master.accept()
        master.migrate()
        master.end_target(success=False)
        with pytest.raises(DeclarationError):
            cluster.kill("web1")
        assert [each[0] for each in wrong(cluster)] == ["vanished", "unfinished"]

    def test_an_abort_of_the_only_copy_after_another_one_was_killed(self, cluster, master):
        """It had arrived, and its source was killed: the program takes what was left."""
        master.begin()
        master.end_target()
        cluster["node1"].kill("web1")
        master.end_target(success=False)
        assert [each[0] for each in wrong(cluster)] == ["vanished", "unfinished"]


TRUE = [1, "yes", [0], 2.5, object()]
FALSE = [0, "", [], None, 0.0]


@pytest.mark.parametrize("value", [*TRUE, *FALSE], ids=lambda each: type(each).__name__)
def test_any_value_is_true_or_false_as_python_has_it(cluster, master, value):
    """The account follows the effect."""
    master.begin()
    master.target.ListInstances()
    master.end_target(success=value)
    master.end_source(success=value)
    assert cluster.placement() == {"web1": "node2" if value else "node1"}
    (migration,) = cluster.migrations
    assert (migration.finalized_on_source, migration.finalized_on_target) == (bool(value), bool(value))
    assert migration.migrated is bool(value)
    cluster.assert_consistent()


@pytest.fixture(params=[False, True], ids=["unseen", "looked at"])
def look(request, cluster):
    """Perhaps look at what is wrong, which changes nothing."""
    return cluster.violations if request.param else lambda: None


class TestOtherPrograms:
    """What they take is nobody's fault, whether somebody has looked since or not."""

    @staticmethod
    def take(node):
        os.unlink(os.path.join(node.root, "web1"))

    def test_between_the_two_finalizes(self, cluster, master, look):
        master.begin()
        master.end_target()
        self.take(cluster["node2"])
        look()
        master.end_source()
        assert wrong(cluster) == []

    def test_before_the_other_side_is_aborted(self, cluster, master, look):
        master.begin()
        master.end_target()
        self.take(cluster["node2"])
        look()
        master.end_source(success=False)
        assert wrong(cluster) == []

    def test_one_that_has_moved_it_meanwhile(self, cluster, master, look):
        """The status says that it failed, and it runs on the target alone: it counts as migrated."""
        master.accept()
        master.migrate()
        self.take(cluster["node1"])
        FakeHypervisor(cluster["node2"].root, spec=NodeSpec("node2")).StartInstance(master.web1, [], False)
        look()
        assert master.status() == "failed"
        master.end_source()
        master.end_target()
        cluster.assert_running("web1", on="node2")
        assert wrong(cluster) == []

    @pytest.mark.parametrize("first", ["source", "target"])
    def test_one_that_starts_it_elsewhere_meanwhile(self, cluster, master, look, first):
        """The program only does what it would have done anyway."""
        master.begin()
        FakeHypervisor(cluster["node3"].root, spec=NodeSpec("node3")).StartInstance(master.web1, [], False)
        look()
        ends = [master.end_source, master.end_target]
        for end in ends if first == "source" else reversed(ends):
            end()
            look()
        (split,) = cluster.violations()
        assert (split.invariant, split.call) == ("split-brain", None)

    def test_from_under_a_program_that_takes_the_last_copy(self, cluster, master, look):
        cluster["node2"].add_instance("web1")
        self.take(cluster["node1"])
        look()
        cluster["node2"].FinalizeMigrationDst(master.web1, "", False)
        split, vanished = cluster.violations()
        assert (split.invariant, split.call) == ("split-brain", None)
        assert (vanished.what, vanished.call.method) == (
            "web1 runs nowhere: node2 dropped its only copy",
            "FinalizeMigrationDst",
        )


class TestScripts:
    def test_what_one_moves_is_no_overcommit_of_who_gave_the_memory_away(self, root):
        nodes = [NodeSpec("node1"), NodeSpec("node2", memory=4096, overcommit=False)]
        cluster = FakeCluster(root, *nodes, instances=[InstanceSpec("web1", memory=3000)])
        cluster.script_migration("web1", outcome="failed_but_moved", polls=1)
        master = Master(cluster)
        master.accept()
        master.migrate()
        cluster["node2"].StartInstance(cluster.instance("web2", memory=2000), [], False)
        assert master.status() == "failed"
        master.end_source()
        master.end_target()
        assert cluster.placement() == {"web1": "node2", "web2": "node2"}
        cluster.assert_consistent()

    def test_what_others_add_to_it_is(self, tmp_path):
        nodes = [NodeSpec("node1"), NodeSpec("node2", memory=4096, overcommit=False)]
        cluster = FakeCluster(tmp_path, *nodes, instances=[InstanceSpec("web1", memory=3000)])
        cluster.script_migration("web1", outcome="failed_but_moved", polls=1)
        master = Master(cluster)
        master.accept()
        master.migrate()
        master.status()
        master.end_source()
        master.end_target()
        (tmp_path / "node2" / "foreign").write_bytes(b"0\n4000\n1\n")
        cluster.assert_running("foreign", on="node2")
        assert cluster.violations() == []
        (tmp_path / "node2" / "foreign").write_bytes(b"0\n5000\n1\n")
        cluster.assert_running("foreign", on="node2")
        assert [each.what for each in cluster.violations()] == [
            "node2 has 4096 MiB for instances, and they have 8000 MiB"
        ]
        cluster["node2"].StopInstance(master.web1)  # which excuses nothing once it is gone
        assert [each.what for each in cluster.violations()] == [
            "node2 has 4096 MiB for instances, and they have 5000 MiB"
        ]

    def test_what_one_does_while_the_program_calls_something_else(self, tmp_path, monkeypatch):
        """The machine's time goes on by itself: a start of web9 is what meets the script."""
        cluster = small_cluster(tmp_path, clock="real")
        cluster.script_migration("web1", outcome="failed_but_moved", at=0.5, bandwidth=1)
        master = Master(cluster)
        master.accept()
        master.migrate()
        cluster["node3"].add_instance("web1")  # the test's own doing
        now = Time.monotonic()
        monkeypatch.setattr(Time, "monotonic", lambda: now + 10**6)
        cluster["node3"].StartInstance(cluster.instance("web9"), [], False)
        cluster["node1"].FinalizeMigrationSource(master.web1, True, True)
        cluster["node2"].FinalizeMigrationDst(master.web1, "", True)
        assert [(each.invariant, each.call) for each in cluster.violations()] == [
            ("split-brain", None),
            ("split-brain", None),
        ]


class TestForgottenCalls:
    """What the journal no longer has may have been: in doubt, nobody is blamed."""

    @pytest.mark.parametrize("forget", ["keep", "clear"])
    def test_a_start_of_what_the_target_has_refused(self, cluster, master, forget):
        cluster.script_migration("web1", outcome="completed_but_lost")
        master.begin()
        master.end_source()
        with pytest.raises(HypervisorError):
            master.end_target()
        cluster.journal.keep(1) if forget == "keep" else cluster.journal.clear()
        cluster["node3"].StartInstance(master.web1, [], False)
        assert [each[0] for each in wrong(cluster)] == ["unfinished"]

    def test_nothing_that_matters_is_forgotten(self, cluster, master):
        master.begin()
        master.end_source()
        cluster.journal.keep(2)
        cluster["node3"].StartInstance(master.web1, [], False)
        assert cluster.journal[0].method == "FinalizeMigrationSource"
        assert [each[0] for each in wrong(cluster)] == ["double-start", "unfinished"]


def test_what_the_target_has_refused_before_the_source_let_it_go(cluster, master):
    """Since then, it may arrive: nobody was told that it won't."""
    cluster.fault("FinalizeMigrationDst", times=1)
    master.begin()
    with pytest.raises(HypervisorError):
        master.end_target()
    master.end_source()
    cluster["node3"].StartInstance(master.web1, [], False)
    assert [each[0] for each in wrong(cluster)] == ["double-start", "unfinished"]


class TestWhatFailed:
    """A call that could not do it has not done it."""

    @pytest.fixture
    def cluster(self, tmp_path):
        return small_cluster(tmp_path, clock="manual")

    @staticmethod
    @contextmanager
    def broken(operation):
        def refuse(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), operation: refuse}))
            yield

    def refused(self, function, **kwargs):
        """Make a call while no file can be removed."""
        with self.broken("unlink"), pytest.raises((HypervisorError, OSError), match="Input/output error"):
            function(**kwargs)

    def test_a_finalize_that_would_have_been_unearned(self, cluster, master):
        cluster.script_migration("web1", bandwidth=1)
        master.accept()
        master.migrate()
        self.refused(master.end_source)
        assert cluster.migrations[0].outcome == "active"
        master.end_target(success=False)
        master.end_source(success=False)
        cluster.assert_running("web1", on="node1")
        cluster.assert_consistent()

    @pytest.mark.parametrize("side", ["source", "target"])
    def test_an_abort_in_postcopy(self, cluster, master, side):
        """It goes on, and may complete."""
        cluster.script_migration("web1", postcopy=0, bandwidth=1)
        master.accept()
        master.migrate()
        cluster.clock.advance(1)
        self.refused(master.end_source if side == "source" else master.end_target, success=False)
        (migration,) = cluster.migrations
        assert (migration.outcome, migration.finalized_on_source, migration.finalized_on_target) == (
            "active",
            None,
            None,
        )
        cluster.clock.advance(10**5)
        assert master.status() == "completed"
        master.end_source()
        master.end_target()
        cluster.assert_running("web1", on="node2")
        cluster.assert_consistent()

    def test_a_look_whether_it_is_still_there(self, cluster, master):
        cluster.script_migration("web1", postcopy=0, bandwidth=1)
        master.accept()
        master.migrate()
        with self.broken("lstat"):
            assert master.status() == "active"
        cluster.assert_running("web1", on="node1")

    def test_a_failure_that_was_due(self, cluster, master):
        """It fails, and takes nothing along."""
        cluster.script_migration("web1", postcopy=0, outcome="failed", bandwidth=1)
        master.accept()
        master.migrate()
        with self.broken("unlink"):
            cluster.clock.advance(10**5)
        assert master.status() == "failed"
        cluster.assert_running("web1", on="node1")
        master.end_target(success=False)
        master.end_source(success=False)
        cluster.assert_consistent()

    @pytest.mark.parametrize("looks", [False, True])
    def test_a_power_cycle(self, cluster, master, looks):
        """What it could not take runs on."""
        self.refused(master.source.PowercycleNode)
        if looks:
            cluster.violations()
        cluster["node3"].StartInstance(master.web1, [], False)
        assert [each.what for each in cluster.violations()] == [
            "web1 was started on node3 while it ran on node1",
            "web1 ran on node1 and node3 at once",
        ]

    def test_an_abort_of_what_completed(self, cluster, master):
        master.begin()
        cluster["node2"].add_instance("web1")  # the test's own doing
        self.refused(master.end_target, success=False)
        assert "unearned" not in [each.invariant for each in cluster.violations()]


class TestWhatAnotherProgramPutOnTheTarget:
    """It is believed once a call has met it there, whether or not anybody looked."""

    @pytest.fixture
    def foreign(self, cluster):
        node2 = cluster["node2"]
        return FakeHypervisor(node2.root, spec=node2.spec)

    @pytest.mark.parametrize("looks", [False, True])
    def test_and_takes_away_once_the_migration_is_over(self, cluster, master, foreign, looks):
        master.begin()
        master.end_source()
        foreign.StartInstance(master.web1, [], False)
        master.end_target()
        if looks:
            cluster.assert_consistent()
        foreign.StopInstance(master.web1)
        cluster.assert_consistent()

    @pytest.mark.parametrize("looks", [False, True])
    def test_and_the_program_stops(self, cluster, master, foreign, looks):
        master.begin()
        master.end_source()
        foreign.StartInstance(master.web1, [], False)
        if looks:
            cluster.violations()
        master.target.StopInstance(master.web1)
        assert [each.invariant for each in cluster.violations()] == ["unfinished"]

    @pytest.mark.parametrize("looks", [False, True])
    def test_and_the_program_stops_before_it_left_its_source(self, cluster, master, foreign, looks):
        """It had arrived and was aborted there before."""
        master.begin()
        master.end_target()
        master.end_target(success=False)
        foreign.StartInstance(master.web1, [], False)
        if looks:
            cluster.violations()
        master.target.StopInstance(master.web1)
        master.end_source()
        assert [(each.invariant, each.call) for each in cluster.violations()] == (
            [("split-brain", None)] if looks else []
        )

    @pytest.mark.parametrize("looks", [False, True])
    def test_and_the_program_aborts(self, cluster, master, foreign, looks):
        """Then that was the only copy."""
        master.begin()
        master.end_source()
        foreign.StartInstance(master.web1, [], False)
        if looks:
            cluster.violations()
        master.end_target(success=False)
        assert [each.invariant for each in cluster.violations()] == ["vanished"]

    @pytest.mark.parametrize("looks", [False, True])
    def test_before_it_left_its_source(self, cluster, master, foreign, looks):
        """The split is nobody's of these."""
        master.begin()
        foreign.StartInstance(master.web1, [], False)
        if looks:
            cluster.violations()
        master.end_target()
        master.end_source()
        foreign.StopInstance(master.web1)
        assert [(each.invariant, each.call) for each in cluster.violations()] == [("split-brain", None)]

    @pytest.mark.parametrize("is_killed", [True, False])
    def test_and_the_test_kills_what_was_started_after_an_abort(self, cluster, master, is_killed):
        """Who ends that migration again has seen it there, and can't know that it is gone."""
        cluster.script_migration("web1", outcome="failed")
        master.begin()
        master.end_target(success=False)
        master.end_source(success=False)
        master.source.StopInstance(master.web1)
        if is_killed:
            master.target.StartInstance(master.web1, [], False)
            assert [each.ListInstances() for each in (master.source, master.target)] == [[], ["web1"]]
            cluster.kill("web1", node="node2")
        master.end_source()
        master.end_target()
        what = "the migration of web1 was finalized with success on node2, though it was aborted there before"
        assert [each.what for each in cluster.violations()] == ([] if is_killed else [what])

    @pytest.mark.parametrize("is_there_again", [False, True])
    def test_and_the_test_kills_before_a_program_that_has_seen_it_ends_its_migration(
        self, cluster, master, foreign, is_there_again
    ):
        """Who has seen it there can't know that it is gone."""
        foreign.StartInstance(master.web1, [], False)
        cluster.kill("web1", node="node2")
        if is_there_again:
            foreign.StartInstance(master.web1, [], False)
            cluster.violations()
            foreign.StopInstance(master.web1)
        cluster["node1"].StopInstance(master.web1)
        master.end_target()
        blamed = [(each.invariant, each.what) for each in cluster.violations() if each.call]
        what = "the migration of web1 was finalized with success on node2, though none began"
        assert blamed == ([("unearned", what)] if is_there_again else [])
