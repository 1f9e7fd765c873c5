"""The reference driver cleans up what an interrupted migration has left."""

import pytest
from breakable import (
    ABORT,
    BEGIN,
    FINISH,
    LIST,
    NOWHERE,
    STATUS,
    Slow,
    broke,
    calls,
    interrupt,
    make_fail,
    polled,
    result,
)

from pytest_fakehv import FakeCluster, InstanceSpec


class TestCleanUp:
    @pytest.mark.parametrize("steps", range(5))
    def test_before_anything_is_finalized_it_aborts(self, cluster, steps):
        interrupt(cluster, *[*BEGIN, STATUS][:steps])
        assert cluster.clean_up("web1", to="node2") == result("failed")
        cluster.assert_running("web1", on="node1")
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*LIST, *ABORT]

    def test_an_instance_that_was_paused_for_a_non_live_migration_runs_again(self, cluster):
        web1 = cluster["node1"].instance("web1")
        cluster["node1"].MigrateInstance("cluster", web1, "node2", False)
        cluster.assert_paused("web1", on="node1")
        cluster.journal.clear()
        assert cluster.clean_up("web1", to="node2", live=False) == result("failed", live=False)
        cluster.assert_running("web1", on="node1")
        assert calls(cluster) == [*LIST, *ABORT]
        assert cluster.journal[-1].arguments == ("web1", False, False)

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize(("done", "success"), [(BEGIN, False), ([*BEGIN, STATUS, *FINISH], True)])
    def test_what_each_call_is_given(self, cluster, live, done, success):
        interrupt(cluster, *done)
        cluster.clean_up("web1", to="node2", live=live)
        given = {call.method: call.arguments for call in cluster.journal}
        assert given == {
            "ListInstances": (),
            "FinalizeMigrationSource": ("web1", success, live),
            "FinalizeMigrationDst": ("web1", "", success),
        }

    @pytest.mark.parametrize("order", [FINISH, FINISH[::-1]], ids=["source first", "target first"])
    def test_finalized_on_both_nodes_it_has_moved(self, cluster, order):
        interrupt(cluster, *BEGIN, STATUS, *order)
        assert cluster.clean_up("web1", to="node2") == result("completed")
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [*LIST, *FINISH]

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize(
        ("done", "outcome"), [(BEGIN, "failed"), ([*BEGIN, STATUS, *FINISH], "completed")]
    )
    def test_it_takes_its_time_but_stops_no_instance(self, root, live, done, outcome):
        cluster = FakeCluster(root, hypervisor=Slow, clock="manual", instances=[InstanceSpec("web1")])
        interrupt(cluster, *done)
        assert cluster.clean_up("web1", to="node2", live=live) == result(outcome, live=live, duration=10.0)

    def test_finalized_on_the_target_alone_it_runs_on_both_and_stays_on_the_source(self, cluster):
        interrupt(cluster, *BEGIN, STATUS, FINISH[1])
        assert cluster.clean_up("web1", to="node2") == result("failed")
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*LIST, *ABORT]

    def test_finalized_on_the_source_alone_it_runs_nowhere_which_is_for_a_person(self, cluster):
        interrupt(cluster, *BEGIN, STATUS, FINISH[0])
        assert cluster.clean_up("web1", to="node2") == result("failed", error=NOWHERE)
        assert cluster.placement() == {}
        assert calls(cluster) == [*LIST, *ABORT]

    @pytest.mark.parametrize("steps", [1, 2])
    def test_an_abort_that_was_interrupted_is_done_again(self, cluster, steps):
        interrupt(cluster, *BEGIN, *ABORT[:steps])
        assert cluster.clean_up("web1", to="node2") == result("failed")
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*LIST, *ABORT]

    def test_started_on_both_nodes_it_stays_on_the_source(self, cluster):
        cluster["node2"].StartInstance(cluster["node1"].instance("web1"), [], False)
        cluster.journal.clear()
        assert cluster.clean_up("web1", to="node2") == result("failed")
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*LIST, *ABORT]

    def test_stopped_meanwhile_it_runs_nowhere(self, cluster):
        interrupt(cluster, *BEGIN)
        cluster["node1"].StopInstance(cluster["node1"].instance("web1"))
        cluster.journal.clear()
        assert cluster.clean_up("web1", to="node2") == result("failed", error=NOWHERE)
        assert cluster.placement() == {}
        assert calls(cluster) == [*LIST, *ABORT]

    def test_on_the_target_without_any_migration_it_counts_as_moved(self, cluster):
        assert cluster.clean_up("web1", to="node1", source="node2") == result(
            "completed", source="node2", target="node1"
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [
            ("node2", "ListInstances"),
            ("node1", "ListInstances"),
            ("node2", "FinalizeMigrationSource", True),
            ("node1", "FinalizeMigrationDst", True),
        ]

    @pytest.mark.parametrize("broken", [LIST[:1], LIST[1:], LIST], ids=["source", "target", "both"])
    def test_a_node_that_can_not_list_its_instances_lets_nothing_be_changed(self, cluster, broken):
        interrupt(cluster, *BEGIN)
        make_fail(cluster, *broken)
        assert cluster.clean_up("web1", to="node2") == result("failed", error=broke(*broken))
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == LIST
        assert [each.outcome for each in cluster.migrations] == ["active"]

    @pytest.mark.parametrize("broken", [ABORT[:1], ABORT[1:], ABORT], ids=["target", "source", "both"])
    def test_an_abort_that_fails_is_told(self, cluster, broken):
        interrupt(cluster, *BEGIN)
        make_fail(cluster, *broken)
        assert cluster.clean_up("web1", to="node2") == result("failed", error=broke(*broken))
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*LIST, *ABORT]

    @pytest.mark.parametrize("broken", [FINISH[:1], FINISH[1:], FINISH], ids=["source", "target", "both"])
    def test_a_finalize_that_fails_is_told(self, cluster, broken):
        interrupt(cluster, *BEGIN, STATUS, *FINISH)
        make_fail(cluster, *broken)
        assert cluster.clean_up("web1", to="node2") == result("failed", error=broke(*broken))
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [*LIST, *FINISH]

    def test_the_source_went_down_during_the_migration(self, cluster):
        interrupt(cluster, *BEGIN)
        cluster["node1"].crash()
        assert cluster.clean_up("web1", to="node2") == result(
            "failed", error="ListInstances on node1 raised NodeDownError: node1 does not answer"
        )
        cluster["node1"].boot()
        assert cluster.clean_up("web1", to="node2") == result("failed", error=NOWHERE)
        assert cluster.placement() == {}
        assert calls(cluster) == [*LIST, *LIST, *ABORT]

    def test_after_a_cleanup_it_can_be_migrated_again(self, cluster):
        interrupt(cluster, *BEGIN)
        cluster.clean_up("web1", to="node2")
        assert cluster.migrate("web1", to="node2") == result("completed", **polled(1))
        assert [each.outcome for each in cluster.migrations] == ["cancelled", "completed"]

    def test_the_figures_are_not_those_of_the_migration_before(self, cluster):
        cluster.script_migration("web1", dirty_rate=512)
        cluster.migrate("web1", to="node2")
        assert cluster.clean_up("web1", to="node2") == result("completed")
