"""The reference driver migrates: each way in which that can go."""

import pytest
from breakable import (
    ABORT,
    ACCEPT,
    BEGIN,
    FAILED,
    FINISH,
    INFO,
    LIST,
    MIGRATE,
    STATUS,
    broke,
    calls,
    interrupt,
    make_fail,
    message,
    polled,
    result,
)

from pytest_fakehv import FakeCluster, FakeHypervisor, InstanceSpec


class TestMigrate:
    def test_an_unscripted_migration_completes_at_the_first_status_call(self, cluster):
        assert cluster.migrate("web1", to="node2") == result("completed", **polled(1))
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [*BEGIN, STATUS, *FINISH]

    def test_what_each_call_is_given(self, cluster):
        cluster.migrate("web1", to="node2")
        assert [call.arguments for call in cluster.journal] == [
            ("web1",),
            ("web1", "", "10.0.0.2"),
            ("fakehv", "web1", "10.0.0.2", True),
            ("web1",),
            ("web1", True, True),
            ("web1", "", True),
        ]

    @pytest.mark.parametrize("success", [True, False])
    def test_a_non_live_migration_is_asked_for_everywhere(self, cluster, success):
        cluster.script_migration("web1", outcome="completed" if success else "failed", polls=1)
        cluster.migrate("web1", to="node2", live=False)
        given = {call.method: call.arguments for call in cluster.journal}
        assert given["MigrateInstance"] == ("fakehv", "web1", "10.0.0.2", False)
        assert given["FinalizeMigrationSource"] == ("web1", success, False)

    @pytest.mark.parametrize("success", [True, False])
    def test_what_the_source_tells_beforehand_reaches_the_target(self, root, success):
        class Telling(FakeHypervisor):
            def MigrationInfo(self, instance):
                return "a word"

        cluster = FakeCluster(root, hypervisor=Telling, instances=[InstanceSpec("web1")])
        cluster.script_migration("web1", outcome="completed" if success else "failed", polls=1)
        cluster.migrate("web1", to="node2")
        given = {call.method: call.arguments for call in cluster.journal}
        assert given["AcceptInstance"] == ("web1", "a word", "node2")
        assert given["FinalizeMigrationDst"] == ("web1", "a word", success)

    @pytest.mark.parametrize("to", ["node2", "10.0.0.2"])
    @pytest.mark.parametrize("source", [None, "node1", "10.0.0.1"])
    def test_nodes_go_by_name_or_address_and_instances_by_name_or_object(self, cluster, to, source):
        web1 = cluster["node1"].instance("web1")
        assert cluster.migrate(web1, to=to, source=source) == result("completed", **polled(1))
        assert cluster.migrate("web1", to="node1") == result(
            "completed", source="node2", target="node1", **polled(1)
        )
        assert cluster.placement() == {"web1": "node1"}

    def test_the_figures_of_a_scripted_migration_are_told(self, cluster):
        cluster.script_migration("web1", dirty_rate=512)
        assert cluster.migrate("web1", to="node2") == result(
            "completed", rounds=4, downtime=0.25, **polled(8)
        )
        assert calls(cluster) == [*BEGIN, *[STATUS] * 8, *FINISH]

    @pytest.mark.parametrize("scripted", [False, True])
    def test_a_non_live_migration_stops_the_instance_for_its_whole_time(self, cluster, scripted):
        if scripted:
            cluster.script_migration("web1", dirty_rate=512)
        seconds = 4 if scripted else 1
        assert cluster.migrate("web1", to="node2", live=False) == result(
            "completed", live=False, rounds=int(scripted), downtime=float(seconds), **polled(seconds)
        )
        assert calls(cluster) == [*BEGIN, *[STATUS] * seconds, *FINISH]
        cluster.assert_running("web1", on="node2")

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize("outcome", ["completed", "failed"])
    def test_a_paused_instance_stays_paused(self, cluster, live, outcome):
        cluster.add_instance("web2", state="paused")
        cluster.script_migration("web2", outcome=outcome)
        cluster.migrate("web2", to="node2", live=live)
        cluster.assert_paused("web2", on="node2" if outcome == "completed" else "node1")

    @pytest.mark.parametrize("outcome", ["failed", "cancelled"])
    def test_a_migration_that_its_status_says_came_to_nothing_is_aborted(self, cluster, outcome):
        cluster.script_migration("web1", outcome=outcome)
        assert cluster.migrate("web1", to="node2") == result(
            outcome, error=f"node1 says that the migration is {outcome}", **polled(2)
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*BEGIN, STATUS, STATUS, *ABORT]

    @pytest.mark.parametrize("outcome", ["failed", "cancelled"])
    def test_an_instance_runs_again_after_a_non_live_migration_that_came_to_nothing(self, cluster, outcome):
        cluster.script_migration("web1", outcome=outcome)
        assert cluster.migrate("web1", to="node2", live=False) == result(
            outcome,
            live=False,
            downtime=2.0,
            error=f"node1 says that the migration is {outcome}",
            **polled(2),
        )
        cluster.assert_running("web1", on="node1")
        assert calls(cluster) == [*BEGIN, STATUS, STATUS, *ABORT]

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize(
        ("broken", "polls", "expected"),
        [
            (INFO, 0, [INFO]),
            (ACCEPT, 0, [INFO, ACCEPT, *ABORT]),
            (MIGRATE, 0, [*BEGIN, *ABORT]),
            (STATUS, 1, [*BEGIN, STATUS, *ABORT]),
        ],
        ids=lambda value: value[1] if isinstance(value, tuple) else None,
    )
    def test_a_call_before_the_end_fails(self, cluster, live, broken, polls, expected):
        make_fail(cluster, broken)
        assert cluster.migrate("web1", to="node2", live=live) == result(
            "failed", live=live, polls=polls, error=broke(broken)
        )
        cluster.assert_running("web1", on="node1")
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == expected

    @pytest.mark.parametrize(
        ("broken", "placement"),
        [(FINISH[:1], ("node1", "node2")), (FINISH[1:], None), (FINISH, "node1")],
        ids=["on the source", "on the target", "on both"],
    )
    def test_a_finalize_that_fails_is_not_rolled_back(self, cluster, broken, placement):
        make_fail(cluster, *broken)
        assert cluster.migrate("web1", to="node2") == result("failed", error=broke(*broken), **polled(1))
        assert cluster.placement() == ({"web1": placement} if placement else {})
        assert calls(cluster) == [*BEGIN, STATUS, *FINISH]

    @pytest.mark.parametrize("broken", [ABORT[:1], ABORT[1:], ABORT], ids=["target", "source", "both"])
    @pytest.mark.parametrize("live", [True, False])
    def test_an_abort_goes_on_where_it_fails(self, cluster, live, broken):
        cluster.script_migration("web1", outcome="failed", polls=1)
        make_fail(cluster, *broken)
        assert cluster.migrate("web1", to="node2", live=live) == result(
            "failed",
            live=live,
            downtime=0.0 if live else 1.0,
            error=f"{FAILED}; {broke(*broken)}",
            **polled(1),
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*BEGIN, STATUS, *ABORT]
        # Nobody told the source to let it run again.
        assert cluster["node1"].instances["web1"].paused is (not live and ABORT[1] in broken)

    @pytest.mark.parametrize(
        ("broken", "expected", "placement", "outcome"),
        [
            (ACCEPT, [INFO, ACCEPT, *ABORT], "node1", None),
            (MIGRATE, [*BEGIN, *ABORT], "node1", "cancelled"),
            (STATUS, [*BEGIN, STATUS, *ABORT], "node1", "completed"),
            (FINISH[0], [*BEGIN, STATUS, *FINISH], "node2", "completed"),
            (FINISH[1], [*BEGIN, STATUS, *FINISH], "node2", "completed"),
        ],
        ids=lambda value: value[1] if isinstance(value, tuple) else None,
    )
    def test_a_call_had_its_effect_but_is_said_to_have_failed(
        self, cluster, broken, expected, placement, outcome
    ):
        make_fail(cluster, broken, afterwards=True)
        outcome_and_error = cluster.migrate("web1", to="node2")
        assert (outcome_and_error.outcome, outcome_and_error.error) == ("failed", broke(broken))
        assert cluster.placement() == {"web1": placement}
        assert calls(cluster) == expected
        assert [each.outcome for each in cluster.migrations] == ([outcome] if outcome else [])

    def test_any_exception_of_a_node_is_a_failed_call(self, cluster):
        cluster["node1"].breaks["MigrateInstance"] = ConnectionError("no route\nto host")
        cluster["node2"].breaks["FinalizeMigrationDst"] = ZeroDivisionError()
        assert cluster.migrate("web1", to="node2") == result(
            "failed",
            error="MigrateInstance on node1 raised ConnectionError: no route to host; "
            "FinalizeMigrationDst on node2 raised ZeroDivisionError: ",
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*BEGIN, *ABORT]

    def test_an_interrupt_is_not_held_back(self, cluster):
        cluster["node1"].breaks["MigrateInstance"] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            cluster.migrate("web1", to="node2")
        assert calls(cluster) == BEGIN

    def test_a_mistake_of_the_test_is_not_a_failed_call(self, cluster):
        cluster.script_migration("web1", postcopy=0)
        assert message(cluster.migrate, "web1", to="node2", live=False) == (
            "the migration of web1 is scripted as postcopy, which a non-live one can't be"
        )
        assert calls(cluster) == BEGIN
        cluster.assert_running("web1", on="node1")

    @pytest.mark.parametrize(("timeout", "polls"), [(0, 1), (1, 1), (2.5, 3), (3, 3)])
    def test_it_gives_up_after_the_timeout_and_aborts(self, cluster, timeout, polls):
        cluster.script_migration("web1", dirty_rate=1024)
        assert cluster.migrate("web1", to="node2", timeout=timeout) == result(
            "failed", rounds=0, error=f"given up: not completed after {timeout} s", **polled(polls)
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*BEGIN, *[STATUS] * polls, *ABORT]
        assert [each.outcome for each in cluster.migrations] == ["cancelled"]

    def test_it_gives_up_after_an_hour_unless_told_otherwise(self, cluster):
        cluster.script_migration("web1", dirty_rate=1024)
        assert cluster.migrate("web1", to="node2") == result(
            "failed", rounds=900, error="given up: not completed after 3600 s", **polled(3600)
        )

    def test_a_migration_that_ends_at_the_timeout_has_ended(self, cluster):
        cluster.script_migration("web1")
        assert cluster.migrate("web1", to="node2", timeout=4) == result("completed", rounds=1, **polled(4))

    def test_giving_up_in_postcopy_loses_the_instance(self, cluster):
        cluster.script_migration("web1", postcopy=0)
        assert cluster.migrate("web1", to="node2", timeout=2) == result(
            "failed", error="given up: not completed after 2 s", **polled(2)
        )
        assert cluster.placement() == {}
        assert calls(cluster) == [*BEGIN, STATUS, STATUS, *ABORT]

    @pytest.mark.parametrize("timeout", [-1, None, "1", True, float("nan")])
    def test_a_wrong_timeout(self, cluster, timeout):
        assert message(cluster.migrate, "web1", to="node2", timeout=timeout) == (
            f"timeout must be a number that is not negative, not {timeout!r}"
        )
        assert calls(cluster) == []

    def test_a_manual_clock_goes_on_by_a_second_between_polls(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1", memory=4096)], clock="manual")
        cluster.script_migration("web1", times=1)
        assert cluster.migrate("web1", to="node2") == result("completed", rounds=1, polls=5, duration=4.0)
        assert calls(cluster) == [*BEGIN, *[STATUS] * 5, *FINISH]
        assert cluster.clock.now == 4

        cluster.script_migration("web1", polls=9)
        assert cluster.migrate("web1", to="node1", timeout=3) == result(
            "failed",
            source="node2",
            target="node1",
            polls=4,
            duration=3.0,
            error="given up: not completed after 3 s",
        )

    def test_a_real_clock_needs_no_wait_for_what_completes_at_once(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], clock="real")
        migrated = cluster.migrate("web1", to="node2")
        assert migrated == result("completed", polls=1, duration=migrated.duration)
        assert calls(cluster) == [*BEGIN, STATUS, *FINISH]

    def test_an_instance_on_both_nodes_is_not_accepted_and_the_abort_removes_the_targets(self, cluster):
        cluster["node2"].StartInstance(cluster["node1"].instance("web1"), [], False)
        cluster.journal.clear()
        assert cluster.migrate("web1", to="node2") == result(
            "failed",
            error="AcceptInstance on node2 raised HypervisorError: Can't accept instance, already running",
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [INFO, ACCEPT, *ABORT]

    def test_an_instance_that_runs_nowhere_can_not_be_migrated(self, cluster):
        cluster.add_instance("web2", state="stopped")
        assert cluster.migrate("web2", to="node2") == result(
            "failed",
            instance="web2",
            error="MigrateInstance on node1 raised HypervisorError: "
            "Failed to migrate instance web2: not running",
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*BEGIN, *ABORT]

    @pytest.mark.parametrize(
        ("befall", "error", "placement", "ending"),
        [
            (
                lambda cluster: cluster["node2"].disconnect(),
                "FinalizeMigrationDst on node2 raised NodeDownError: node2 does not answer",
                {},
                FINISH,
            ),
            (
                lambda cluster: cluster["node2"].crash(),
                f"{FAILED}; FinalizeMigrationDst on node2 raised NodeDownError: node2 does not answer",
                {"web1": "node1"},
                ABORT,
            ),
            (
                lambda cluster: cluster["node1"].PowercycleNode(),
                FAILED,
                {},
                ABORT,
            ),
            (
                lambda cluster: cluster["node1"].StopInstance(None, name="web1"),
                FAILED,
                {},
                ABORT,
            ),
        ],
        ids=["target cut off", "target down", "source reset", "instance stopped"],
    )
    def test_something_happens_once_the_migration_has_begun(self, root, befall, error, placement, ending):
        class Fateful(FakeHypervisor):
            def GetMigrationStatus(self, instance):
                befall(self.cluster)
                return super().GetMigrationStatus(instance)

        cluster = FakeCluster(root, hypervisor=Fateful, instances=[InstanceSpec("web1")])
        assert cluster.migrate("web1", to="node2") == result("failed", error=error, **polled(1))
        assert cluster.placement() == placement
        assert calls(cluster) == [*BEGIN, STATUS, *ending]

    @pytest.mark.parametrize("befall", ["crash", "disconnect"])
    @pytest.mark.parametrize("node", ["node1", "node2"])
    def test_a_node_that_does_not_answer(self, cluster, node, befall):
        getattr(cluster[node], befall)()
        source_is_lost = (node, befall) == ("node1", "crash")
        steps = [INFO] if node == "node1" else [ACCEPT, ABORT[0]]
        assert cluster.migrate("web1", to="node2") == result(
            "failed",
            error="; ".join(
                f"{method} on {node} raised NodeDownError: {node} does not answer" for _, method, *_ in steps
            ),
        )
        assert cluster.placement() == ({} if source_is_lost else {"web1": "node1"})
        assert calls(cluster) == ([INFO] if node == "node1" else [INFO, ACCEPT, *ABORT])


class TestLies:
    """Whoever believes the status loses the instance, and so does Ganeti's master."""

    def test_a_migration_that_failed_but_moved_is_aborted_on_the_node_where_it_runs(self, cluster):
        cluster.script_migration("web1", outcome="failed_but_moved")
        assert cluster.migrate("web1", to="node2") == result("failed", rounds=1, error=FAILED, **polled(4))
        assert cluster.placement() == {}
        assert calls(cluster) == [*BEGIN, *[STATUS] * 4, *ABORT]

    def test_a_migration_that_completed_but_lost_it_leaves_nothing_to_finalize(self, cluster):
        cluster.script_migration("web1", outcome="completed_but_lost", polls=1)
        assert cluster.migrate("web1", to="node2") == result(
            "failed",
            error="FinalizeMigrationDst on node2 raised HypervisorError: "
            "Failed to finalize the migration of web1 on the target: its memory has not arrived",
            **polled(1),
        )
        assert cluster.placement() == {}
        assert calls(cluster) == [*BEGIN, STATUS, *FINISH]

    def test_a_cleanup_looks_at_both_nodes_and_so_keeps_what_failed_but_moved(self, cluster):
        cluster.script_migration("web1", outcome="failed_but_moved", polls=1)
        interrupt(cluster, *BEGIN, STATUS)
        assert cluster.clean_up("web1", to="node2") == result("completed")
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [*LIST, *FINISH]


class TestPostcopy:
    def test_it_completes_though_precopy_never_would(self, cluster):
        cluster.script_migration("web1", dirty_rate=2048, postcopy=1)
        assert cluster.migrate("web1", to="node2") == result("completed", rounds=1, **polled(8))
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [*BEGIN, *[STATUS] * 8, *FINISH]

    def test_its_failure_loses_the_instance(self, cluster):
        cluster.script_migration("web1", dirty_rate=2048, postcopy=1, outcome="failed")
        assert cluster.migrate("web1", to="node2") == result("failed", rounds=1, error=FAILED, **polled(6))
        assert cluster.placement() == {}
        assert calls(cluster) == [*BEGIN, *[STATUS] * 6, *ABORT]
