"""What is judged where calls lie: what is true; but nobody is blamed for what it was told."""

import pytest

from pytest_fakehv import HypervisorError, MigrationStatus

COMPLETED = MigrationStatus(status="completed")


def broken(cluster):
    return [(each.invariant, each.call and each.call.method) for each in cluster.violations()]


def whats(cluster):
    return [each.what for each in cluster.violations()]


class TestWhatIsTrue:
    def test_a_stop_that_lied_has_stopped_nothing(self, cluster):
        node1, node2, _ = cluster
        cluster.fault("StopInstance", effect=False)
        node1.StopInstance(node1.instance("web1"))
        assert broken(cluster) == []
        node2.StartInstance(node1.instance("web1"), [], False)
        assert broken(cluster) == [("double-start", "StartInstance"), ("split-brain", "StartInstance")]

    def test_what_was_not_stopped_vanishes(self, cluster, master):
        """A stop that lies is no excuse for who loses the instance later."""
        cluster.fault("StopInstance", effect=False)
        master.source.StopInstance(master.web1)
        master.begin()
        master.end_source()
        assert broken(cluster) == [("vanished", "FinalizeMigrationSource"), ("unfinished", "MigrateInstance")]

    def test_a_start_that_lied_runs_nothing(self, cluster):
        node1, node2, _ = cluster
        cluster.fault("StartInstance", node="node1", effect=False)
        node1.StartInstance(node1.instance("web2"), [], False)
        node2.StartInstance(node1.instance("web2"), [], False)
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node1", "web2": "node2"})

    def test_a_power_cycle_that_lied(self, cluster):
        node1, node2, _ = cluster
        cluster.fault("PowercycleNode", effect=False)
        node1.PowercycleNode()
        node2.StartInstance(node1.instance("web1"), [], False)
        assert broken(cluster) == [("double-start", "StartInstance"), ("split-brain", "StartInstance")]

    @pytest.mark.parametrize("success", [True, False])
    def test_a_finalize_of_the_source_that_lied(self, cluster, master, success):
        cluster.fault("FinalizeMigrationSource", effect=False, times=1)
        if success:
            master.begin()
        else:
            master.accept()
            master.migrate()
        master.end_target(success=success)
        master.end_source(success=success)
        assert whats(cluster) == ["the migration of web1 from node1 to node2 is not finalized on node1"]
        master.end_source(success=success)
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node2" if success else "node1"})

    def test_a_finalize_of_the_target_that_lied(self, cluster, master):
        cluster.fault("FinalizeMigrationDst", effect=False, times=1)
        master.begin()
        master.end_source()
        master.end_target()
        assert broken(cluster) == [("vanished", "FinalizeMigrationSource"), ("unfinished", "MigrateInstance")]
        master.end_target()
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node2"})

    def test_an_accept_that_lied_leaves_nothing_to_end(self, cluster, master):
        cluster.fault("AcceptInstance", effect=False)
        master.accept()
        assert broken(cluster) == []

    def test_figures_that_lied(self, cluster):
        """The memory that a node doesn't have is not there, whatever it says."""
        node = cluster.add_node("small", memory=1024, overcommit=False)
        node.fault("GetNodeInfo", result={"memory_free": 65536})
        assert node.GetNodeInfo() == {"memory_free": 65536}
        with pytest.raises(HypervisorError):
            node.StartInstance(node.instance("web2", memory=2048), [], False)
        assert broken(cluster) == []


class TestWhatItWasTold:
    def test_an_accept(self, cluster, master):
        cluster.fault("AcceptInstance", effect=False)
        master.begin()
        master.end_source()
        master.end_target()
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node2"})

    def test_an_accept_once(self, cluster, master):
        """It is used up by the migration that ends; the next one must ask anew."""
        cluster.fault("AcceptInstance", effect=False, times=1)
        cluster.script_migration("web1", outcome="failed", times=1)
        master.begin()
        master.end_target(success=False)
        master.end_source(success=False)
        why = "node2 had not accepted the instance"
        master.migrate()
        master.status()
        master.end_source()
        master.end_target()
        assert whats(cluster) == [
            f"the migration of web1 was finalized with success on {node}, though {why}"
            for node in ("node1", "node2")
        ]

    def test_an_accept_that_failed_later(self, cluster, master):
        cluster.fault("AcceptInstance", effect=False, times=1)
        cluster.fault("AcceptInstance", times=1)
        master.accept()
        with pytest.raises(HypervisorError):
            master.accept()
        master.migrate()
        master.status()
        master.end_source()
        assert "unearned" in dict(broken(cluster))

    def test_an_accept_after_an_end(self, cluster, master):
        """What was ended before says nothing of it."""
        cluster.fault("AcceptInstance", effect=False)
        master.end_target(success=False)
        master.begin()
        master.end_source()
        master.end_target()
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node2"})

    def test_an_accept_whose_end_failed(self, cluster, master):
        """As far as it knows, the target is still ready."""
        cluster.fault("AcceptInstance", effect=False)
        cluster.fault("FinalizeMigrationDst", times=1)
        master.accept()
        with pytest.raises(HypervisorError):
            master.end_target(success=False)
        master.migrate()
        master.status()
        master.end_source()
        master.end_target()
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node2"})

    def test_a_migration_that_never_began(self, cluster, master):
        cluster.fault("MigrateInstance", effect=False)
        assert master.begin() == "completed"  # as Ganeti's fake says of what never migrated
        master.end_source()
        master.end_target()
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node2"})

    def test_a_second_migration_that_never_began(self, cluster, master):
        cluster.fault("MigrateInstance", effect=False, after=1)
        cluster.script_migration("web1", outcome="failed", times=1)
        assert master.begin() == "failed"
        master.end_target(success=False)
        master.end_source(success=False)
        cluster.fault("GetMigrationStatus", result=COMPLETED)
        assert master.begin() == "completed"
        master.end_source()
        master.end_target()
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node2"})

    def test_a_migration_that_did_begin_is_finalized_once(self, cluster, master):
        """What it was told at the beginning says nothing of what it has done since."""
        cluster.fault("MigrateInstance", result="job 7", when="after")
        cluster.script_migration("web1", outcome="failed")
        master.begin()
        master.end_target(success=False)
        master.end_source(success=False)
        master.end_target()
        assert ("unearned", "FinalizeMigrationDst") in broken(cluster)

    @pytest.mark.parametrize("outcome", ["completed", "failed"])
    def test_that_it_completed(self, cluster, master, outcome):
        cluster.script_migration("web1", outcome=outcome, at=0.9, bandwidth=1)
        cluster.fault("GetMigrationStatus", result=COMPLETED)
        assert master.begin() == "completed"
        master.end_source()
        master.end_target()
        assert broken(cluster) == []
        assert str(cluster.migrations[0].outcome) == "failed"

    def test_what_it_was_told_after_many_calls(self, cluster, master):
        for _ in range(100):
            master.source.GetNodeInfo()
        cluster.fault("AcceptInstance", effect=False)
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status="failed"))
        master.begin()
        master.end_target(success=False)
        master.end_source(success=False)
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node1"})

    def test_that_it_completed_and_it_aborts(self, cluster, master):
        cluster.script_migration("web1", bandwidth=1)
        cluster.fault("GetMigrationStatus", result=COMPLETED)
        master.begin()
        master.end_target(success=False)
        master.end_source(success=False)
        assert whats(cluster) == [
            "the migration of web1 was aborted on node2, though its status said completed"
        ]

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (MigrationStatus(status="active"), "'active'"),
            (MigrationStatus(status="failed"), "'failed'"),
            (None, None),
        ],
    )
    def test_that_it_did_not_complete_and_it_finalizes(self, cluster, master, answer, said):
        cluster.fault("GetMigrationStatus", result=answer, when="after")
        master.accept()
        master.migrate()
        master.source.GetMigrationStatus(master.web1)
        master.end_source()
        master.end_target()
        assert whats(cluster) == [
            f"the migration of web1 was finalized with success on {node}, though its status said {said}"
            for node in ("node1", "node2")
        ]

    def test_that_it_did_not_complete_and_it_aborts(self, cluster, master):
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status="failed"), when="after")
        assert master.begin() == "failed"
        master.end_target(success=False)
        master.end_source(success=False)
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node1"})

    @pytest.mark.parametrize(
        ("outcome", "lie", "after"), [("failed", "completed", 0), ("completed", "failed", 1)]
    )
    def test_that_it_completed_and_then_that_it_failed_and_it_aborts(
        self, cluster, master, outcome, lie, after
    ):
        """Whichever was the lie, what was said last counts."""
        cluster.script_migration("web1", outcome=outcome)
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status=lie), after=after, times=1)
        assert [master.begin(), master.status()] == ["completed", "failed"]
        master.end_target(success=False)
        master.end_source(success=False)
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node1"})

    def test_that_it_failed_and_then_that_it_completed_and_it_aborts(self, cluster, master):
        """A call that raised has told nothing."""
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status="failed"), times=1)
        assert [master.begin(), master.status()] == ["failed", "completed"]
        cluster.fault("GetMigrationStatus", times=1)
        with pytest.raises(HypervisorError):
            master.status()
        master.end_target(success=False)
        master.end_source(success=False)
        assert broken(cluster) == [("unearned", "FinalizeMigrationDst")]

    def test_that_it_failed_where_it_has_moved(self, cluster, master):
        cluster.script_migration("web1", outcome="failed_but_moved")
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status="failed"), when="after")
        master.begin()
        assert master.target.ListInstances() == ["web1"]
        master.end_source()
        master.end_target()
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node2"})

    def test_that_it_failed_where_it_has_moved_and_was_stopped(self, cluster, master):
        cluster.script_migration("web1", outcome="failed_but_moved")
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status="failed"), when="after")
        master.begin()
        master.target.StopInstance(master.web1)
        master.end_target()
        master.end_source()
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node2"})

    def test_of_another_migration(self, cluster, master):
        """What its status said is not said of the next one."""
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status="failed"))
        master.begin()
        master.end_target(success=False)
        master.end_source(success=False)
        master.accept()
        master.migrate()
        cluster.complete_migration("web1")
        master.end_source()
        master.end_target()
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node2"})

    def test_of_the_next_migration(self, cluster, master):
        """It says nothing of the one before it, which had failed."""
        cluster.script_migration("web1", outcome="failed", times=1)
        master.begin()
        cluster["node3"].AcceptInstance(master.web1, "", "node3")
        cluster.script_migration("web1", bandwidth=1)
        master.source.MigrateInstance("cluster", master.web1, "node3", True)
        cluster.fault("GetMigrationStatus", result=COMPLETED)
        assert master.status() == "completed"
        master.end_target()
        assert whats(cluster)[0] == (
            "the migration of web1 was finalized with success on node2, though it failed"
        )

    @pytest.mark.parametrize("said", ["completed", "failed"])
    def test_before_a_call_that_failed(self, cluster, master, said):
        """One that raised has told nothing."""
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status=said), when="after", times=1)
        cluster.fault("GetMigrationStatus", times=1)
        cluster.script_migration("web1", **({"bandwidth": 1} if said == "completed" else {}))
        master.begin()
        with pytest.raises(HypervisorError):
            master.status()
        master.end_source()
        what = "the migration of web1 was finalized with success on node1, though its status said 'failed'"
        assert [each for each in whats(cluster) if "though" in each] == ([what] if said == "failed" else [])

    def test_the_truth_later(self, cluster, master):
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status="active"), times=2)
        assert master.begin() == "completed"
        master.end_source()
        master.end_target()
        assert broken(cluster) == []

    def test_what_is_forgotten_is_blamed_on_nobody(self, cluster, master):
        """A later status may have said the truth."""
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status="active"), times=1)
        assert master.begin() == "completed"
        cluster.journal.clear()
        master.end_source()
        master.end_target()
        assert broken(cluster) == []

    def test_the_first_call_that_is_not_forgotten(self, cluster, master):
        cluster.fault("GetMigrationStatus", result=MigrationStatus(status="failed"), times=1)
        master.begin()
        cluster.journal.keep(3)
        master.end_source()
        master.end_target()
        assert cluster.journal[0].method == "GetMigrationStatus"
        assert whats(cluster) == [
            f"the migration of web1 was finalized with success on {node}, though its status said 'failed'"
            for node in ("node1", "node2")
        ]

    def test_a_lie_that_got_lost(self, cluster, master):
        cluster.fault(
            "GetMigrationStatus", result=COMPLETED, when="after", times=1, do=lambda _: reset(master.source)
        )
        cluster.script_migration("web1", bandwidth=1)
        master.accept()
        master.migrate()
        with pytest.raises(HypervisorError):
            master.status()
        master.end_source()
        assert whats(cluster)[0] == (
            "the migration of web1 was finalized with success on node1, though it is under way"
        )

    def test_that_it_arrived_and_starts_what_is_not_there(self, cluster, master):
        """As far as it knows, the migration is over; in truth, the target still waits for its end."""
        cluster.fault("FinalizeMigrationDst", effect=False, times=1)
        master.begin()
        master.end_source()
        master.end_target()
        assert master.target.ListInstances() == []
        master.source.StartInstance(master.web1, [], False)
        assert broken(cluster) == [("unfinished", "MigrateInstance")]
        master.end_target(success=False)
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node1"})

    def test_that_another_one_arrived(self, cluster, master):
        """An earlier lie says nothing of this migration."""
        cluster.fault("FinalizeMigrationDst", effect=False, times=1)
        master.end_target(success=False)
        master.begin()
        master.end_source()
        master.source.StartInstance(master.web1, [], False)
        assert ("double-start", "StartInstance") in broken(cluster)

    @pytest.mark.parametrize("method", ["ListInstances", "GetAllInstancesInfo"])
    def test_that_it_is_not_there_and_it_aborts(self, cluster, master, method):
        cluster.fault(method, node="node2", result=[])
        master.begin()
        getattr(master.target, method)()
        master.end_target(success=False)
        master.end_source(success=False)
        assert (broken(cluster), cluster.placement()) == ([], {"web1": "node1"})

    @pytest.mark.parametrize(
        ("method", "answer"),
        [
            ("ListInstances", ["web1"]),
            ("GetInstanceInfo", ("web1", 1, 1024, 1, 0, 0)),
            ("GetAllInstancesInfo", [("web1", 1, 1024, 1, 0, 0)]),
        ],
    )
    def test_that_it_is_there_and_it_starts_it_elsewhere_or_aborts(self, cluster, master, method, answer):
        """Who looks, and finds it, has no reason to."""
        cluster.fault(method, node="node2", result=answer)
        master.begin()
        getattr(master.target, method)(*["web1"] * (method == "GetInstanceInfo"))
        master.source.crash()
        cluster["node3"].StartInstance(master.web1, [], False)
        master.end_target(success=False)
        assert broken(cluster) == [("double-start", "StartInstance"), ("unearned", "FinalizeMigrationDst")]


def reset(node):
    """Let a node's connections break."""
    node.disconnect()
    node.reconnect()


class TestMessages:
    def test_the_last_call_is_not_believed(self, cluster):
        node1 = cluster["node1"]
        fault = cluster.fault("StopInstance", effect=False)
        node1.StopInstance(node1.instance("web1"))
        with pytest.raises(AssertionError) as caught:
            cluster.assert_stopped("web1")
        assert str(caught.value) == (
            "web1 is running on node1, not stopped; last call: StopInstance('web1') at "
            f"{cluster.journal[0].place}, "
            f"which said it worked, in truth it did nothing (fault at {fault.origin})"
        )

    def test_one_that_raised_after_all(self, cluster):
        node1 = cluster["node1"]
        fault = cluster.fault("StopInstance", effect=False, do=lambda _call: node1.crash())
        with pytest.raises(HypervisorError):
            node1.StopInstance(node1.instance("web1"))
        with pytest.raises(AssertionError) as caught:
            cluster.assert_running("web1")
        assert str(caught.value).endswith(
            f", which raised NodeDownError: node1 does not answer (fault at {fault.origin})"
        )
