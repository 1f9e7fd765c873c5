"""A migration that does not end by itself: the test steps in, or something happens."""

from pathlib import Path

import pytest
from migrating import NODES, WEB1, begin, ending, finalize, message, poll, record

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, MigrationStatus, NodeDownError

STEPS_IN = ["cancel_migration", "fail_migration", "complete_migration", "start_postcopy"]


class TestTheTestStepsIn:
    @pytest.mark.parametrize("scripted", [False, True])
    @pytest.mark.parametrize(
        ("method", "outcome"),
        [
            ("cancel_migration", "cancelled"),
            ("fail_migration", "failed"),
            ("complete_migration", "completed"),
        ],
    )
    def test_it_ends_a_migration(self, cluster, web1, method, outcome, scripted):
        if scripted:
            cluster.script_migration("web1", dirty_rate=5000)
        begin(cluster, web1)
        getattr(cluster, method)("web1")
        assert cluster.placement() == {"web1": "node1"}
        ram = (0, 4096) if scripted else (None, None)
        reason = f"{outcome} by the test"
        assert cluster.migrations == [record(outcome, reason=reason, transferred_ram=ram[0])]
        assert poll(cluster, web1, 2) == [(outcome, *ram, None)] * 2
        assert cluster.migrations == [record(outcome, reason=reason, transferred_ram=ram[0], polls=1)]

    def test_a_cancelled_one_is_aborted_and_a_completed_one_finalized(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=5000)
        begin(cluster, web1)
        cluster.cancel_migration("web1")
        finalize(cluster, web1, success=False)
        cluster.assert_running("web1", on="node1")
        begin(cluster, web1)
        cluster.complete_migration("web1")
        finalize(cluster, web1, success=True)
        cluster.assert_running("web1", on="node2")
        assert [(each.outcome, each.migrated) for each in cluster.migrations] == [
            ("cancelled", False),
            ("completed", True),
        ]

    @pytest.mark.parametrize("method", STEPS_IN)
    def test_on_any_node_and_by_the_object(self, cluster, web1, method):
        cluster.script_migration("web1")
        begin(cluster, web1)
        getattr(cluster["node3"], method)(web1)
        migration = cluster.migrations[0]
        assert migration.postcopy if method == "start_postcopy" else migration.outcome != "active"

    def test_postcopy_from_now_on(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=1024)
        begin(cluster, web1)
        poll(cluster, web1, 6)
        cluster.start_postcopy("web1")
        assert poll(cluster, web1, 4) == [
            ("active", 7168, 4096, "postcopy-active"),
            ("active", 8192, 4096, "postcopy-active"),
            ("active", 9216, 4096, "postcopy-active"),
            ("completed", 10240, 4096, None),
        ]
        assert cluster.migrations == [
            record("completed", polls=10, duration=10.0, transferred_ram=10240, rounds=1, postcopy=True)
        ]

    def test_postcopy_right_away(self, cluster, web1):
        cluster.script_migration("web1")
        begin(cluster, web1)
        cluster.start_postcopy("web1")
        assert poll(cluster, web1, 4)[-2:] == [
            ("active", 3072, 4096, "postcopy-active"),
            ("completed", 4096, 4096, None),
        ]

    def test_postcopy_does_not_change_how_a_script_says_that_it_ends(self, cluster, web1):
        cluster.script_migration("web1", outcome="failed", at=0.75, times=1)
        begin(cluster, web1)
        cluster.start_postcopy("web1")
        assert poll(cluster, web1, 3)[-1] == ("failed", 3072, 4096, None)
        assert cluster.placement() == {}

        web2 = cluster.add_instance("web2", memory=1024)
        cluster.script_migration("web2", polls=3)
        begin(cluster, web2)
        cluster.start_postcopy("web2")
        assert poll(cluster, web2, 3)[-2:] == [
            ("active", 2048, 1024, "postcopy-active"),
            ("completed", 3072, 1024, None),
        ]

    @pytest.mark.parametrize("method", STEPS_IN)
    def test_of_what_does_not_migrate(self, cluster, web1, method):
        assert message(getattr(cluster, method), "web1") == "'web1' is not migrating; nothing is"
        assert message(getattr(cluster, method), "web2") == "'web2' is not migrating; nothing is"
        for name in ("web10", "web9"):
            begin(cluster, cluster.add_instance(name))
        assert message(getattr(cluster, method), web1) == ("'web1' is not migrating; these are: web9, web10")

    @pytest.mark.parametrize("method", STEPS_IN)
    def test_of_what_has_migrated(self, cluster, method):
        cluster.migrate("web1", to="node2")
        assert message(getattr(cluster, method), "web1") == "'web1' is not migrating; nothing is"

    @pytest.mark.parametrize("method", STEPS_IN)
    def test_of_what_has_just_ended_by_itself(self, manual, web1, method):
        manual.script_migration("web1")
        begin(manual, web1)
        manual.clock.advance(4)
        assert message(getattr(manual, method), "web1") == "'web1' is not migrating; nothing is"

    def test_postcopy_can_not_be_cancelled(self, cluster, web1):
        cluster.script_migration("web1", postcopy=0)
        begin(cluster, web1)
        assert message(cluster.cancel_migration, "web1") == (
            "the migration of web1 goes on as postcopy and can't be cancelled"
        )
        assert poll(cluster, web1) == [("active", 1024, 4096, "postcopy-active")]

    def test_a_migration_that_can_not_go_on_as_postcopy(self, cluster, web1):
        begin(cluster, web1)
        assert message(cluster.start_postcopy, "web1") == (
            "the migration of web1 is not scripted, so that it has no RAM to send"
        )
        cluster.cancel_migration("web1")
        cluster.script_migration("web1")
        begin(cluster, web1, live=False)
        assert message(cluster.start_postcopy, "web1") == "the migration of web1 is not live"
        cluster.cancel_migration("web1")
        begin(cluster, web1)
        cluster.start_postcopy("web1")
        assert message(cluster.start_postcopy, "web1") == "the migration of web1 is postcopy already"


def test_what_is_no_longer_there_can_not_be_completed(tmp_path):
    """Another program has taken its file away."""
    cluster = FakeCluster(tmp_path / "c", *NODES, instances=[WEB1])
    begin(cluster, cluster["node1"].instance("web1"))
    Path(cluster["node1"].root, "web1").unlink()
    cluster.complete_migration("web1")
    assert (cluster.migrations[0].outcome, cluster.migrations[0].reason) == (
        "failed",
        "web1 no longer runs on node1",
    )


BEFALLS = {
    "the source crashes": (lambda cluster: cluster["node1"].crash(), "node1 went down", {}),
    "the source is reset": (lambda cluster: cluster["node1"].PowercycleNode(), "node1 went down", {}),
    "the target crashes": (lambda cluster: cluster["node2"].crash(), "node2 went down", {"web1": "node1"}),
    "the target is reset": (
        lambda cluster: cluster["node2"].PowercycleNode(),
        "node2 went down",
        {"web1": "node1"},
    ),
    "the instance stops": (
        lambda cluster: cluster["node1"].StopInstance(None, name="web1"),
        "web1 no longer runs on node1",
        {},
    ),
}


class TestSomethingHappens:
    @pytest.mark.parametrize("scripted", [False, True])
    @pytest.mark.parametrize(("befall", "reason", "placement"), BEFALLS.values(), ids=BEFALLS)
    def test_a_migration_fails_at_once(self, manual, web1, scripted, befall, reason, placement):
        if scripted:
            manual.script_migration("web1")
        begin(manual, web1)
        manual.clock.advance(2)
        befall(manual)
        manual.clock.advance(5)
        ram = 2048 if scripted else None
        assert manual.migrations == [record("failed", reason=reason, duration=2.0, transferred_ram=ram)]
        assert manual.placement() == placement
        manual["node1"].boot()
        assert poll(manual, web1) == [("failed", ram, 4096 if scripted else None, None)]

    @pytest.mark.parametrize(("befall", "reason", "placement"), BEFALLS.values(), ids=BEFALLS)
    def test_a_migration_that_has_completed_stays_completed(self, cluster, web1, befall, reason, placement):
        begin(cluster, web1)
        poll(cluster, web1)
        befall(cluster)
        assert ending(cluster) == ("completed", None)
        assert cluster.placement() == placement

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize("memory", [4096, 700])
    def test_the_source_may_go_once_it_has_completed(self, cluster, web1, live, memory):
        begin(cluster, web1, live=live)
        cluster["node1"].BalloonInstanceMemory(web1, memory)
        poll(cluster, web1)
        cluster["node1"].crash()
        assert (
            message(cluster["node1"].FinalizeMigrationSource, web1, True, True, error=NodeDownError)
            == "node1 does not answer"
        )
        finalize(cluster, web1, success=True, order=["target"])
        cluster.assert_running("web1", on="node2", memory=memory)

    def test_another_node_going_down_does_not_matter(self, cluster, web1):
        begin(cluster, web1)
        cluster["node3"].crash()
        cluster["node3"].boot()
        cluster["node3"].PowercycleNode()
        assert poll(cluster, web1) == [("completed", None, None, None)]

    def test_cut_off_nodes_let_the_migration_go_on(self, manual, web1):
        manual.script_migration("web1")
        begin(manual, web1)
        for node in ("node1", "node2"):
            manual[node].disconnect()
        manual.clock.advance(4)
        assert ending(manual) == ("completed", None)
        assert (
            message(manual["node1"].GetMigrationStatus, web1, error=NodeDownError) == "node1 does not answer"
        )
        for node in ("node1", "node2"):
            manual[node].reconnect()
        finalize(manual, web1, success=True)
        manual.assert_running("web1", on="node2")

    def test_a_non_live_one_whose_target_went_down_runs_again_once_it_is_aborted(self, cluster, web1):
        begin(cluster, web1, live=False)
        cluster["node2"].crash()
        cluster.assert_paused("web1", on="node1")
        finalize(cluster, web1, success=False, order=["source"], live=False)
        cluster.assert_running("web1", on="node1")

    @pytest.mark.parametrize("scripted", [False, True])
    def test_an_instance_whose_file_somebody_else_removes(self, manual, web1, scripted):
        if scripted:
            manual.script_migration("web1")
        begin(manual, web1)
        manual["node1"].FinalizeMigrationDst(web1, "", False)  # meant for the target
        manual.clock.advance(2)
        assert poll(manual, web1)[0][0] == "failed"
        assert ending(manual) == ("failed", "web1 no longer runs on node1")

    def test_an_instance_whose_root_directory_somebody_else_removes(self, hv, filesystem):
        web1 = hv.add_instance("web1", memory=4096)
        hv.MigrateInstance("cluster", web1, "node2", True)
        filesystem.os.unlink(f"{hv.root}/web1")
        filesystem.os.rmdir(hv.root)
        assert hv.GetMigrationStatus(web1) == MigrationStatus(status="failed")
        assert ending(hv) == ("failed", "web1 no longer runs on node1")
        why = f"No such file or directory: '{hv.root}'"
        assert message(hv.FinalizeMigrationSource, web1, True, True, error=HypervisorError) == (
            f"Failed to finalize the migration of web1 on the source: {why}"
        )
        assert message(hv.FinalizeMigrationDst, web1, "", True, error=HypervisorError) == (
            f"Failed to finalize the migration of web1 on the target: {why}"
        )
        assert message(hv.crash, error=HypervisorError) == f"Failed to crash node1: {why}"

    @pytest.mark.parametrize("outcome", ["completed", "failed_but_moved", "completed_but_lost"])
    def test_an_instance_that_is_gone_at_the_end_has_not_moved(self, manual, web1, outcome):
        manual.script_migration("web1", outcome=outcome)
        begin(manual, web1)
        manual["node1"].FinalizeMigrationDst(web1, "", False)  # meant for the target
        manual.clock.advance(10)
        assert ending(manual) == ("failed", "web1 no longer runs on node1")
        assert manual.migrations[0].duration == 4
        assert manual.placement() == {}

    def test_an_instance_that_was_stopped_can_be_started_and_migrated_again(self, cluster, web1):
        cluster.script_migration("web1", polls=2)
        begin(cluster, web1)
        cluster["node1"].StopInstance(web1)
        cluster["node1"].StartInstance(web1, [], False)
        assert poll(cluster, web1)[0][0] == "failed"
        begin(cluster, web1, target="node3")
        cluster["node1"].StopInstance(web1)
        cluster["node3"].StartInstance(web1, [], False)
        begin(cluster, web1, source="node3")
        assert [each.outcome for each in cluster.migrations] == ["failed", "failed", "active"]

    def test_a_stop_that_fails_stops_no_migration(self, root, web1):
        class Stubborn(FakeHypervisor):
            def _MarkDown(self, instance_name):
                pass

        cluster = FakeCluster(root, *NODES, instances=[WEB1], hypervisor=Stubborn)
        begin(cluster, web1)
        cluster["node1"].StopInstance(web1)
        message(cluster["node2"].StopInstance, web1, error=HypervisorError)
        assert ending(cluster) == ("active", None)

    def test_stopping_it_elsewhere_does_not_matter(self, cluster, web1):
        cluster["node3"].StartInstance(web1, [], False)
        begin(cluster, web1)
        cluster["node3"].StopInstance(web1)
        assert ending(cluster) == ("active", None)
