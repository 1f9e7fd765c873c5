"""How a migration goes: what the interface says of it on the way, also as postcopy, and its record."""

from dataclasses import FrozenInstanceError, replace

import pytest
from migrating import ABORTED, FINALIZED, NODES, WEB1, begin, ending, finalize, poll, record

from pytest_fakehv import FakeCluster, Instance, MigrationStatus


class TestUnscripted:
    """Compatible with Ganeti's fake hypervisor."""

    def test_the_first_status_call_says_completed_and_nothing_else(self, cluster, web1):
        begin(cluster, web1)
        for _ in range(2):
            assert cluster["node1"].GetMigrationStatus(web1) == MigrationStatus(
                status="completed", transferred_ram=None, total_ram=None, postcopy_status=None
            )

    def test_its_record(self, cluster, web1):
        begin(cluster, web1)
        assert cluster.migrations == [record("active")]
        poll(cluster, web1, 3)
        assert cluster.migrations == [record("completed", polls=1, duration=1.0)]
        finalize(cluster, web1, success=True)
        assert cluster.migrations == [
            record(
                "completed",
                polls=1,
                duration=1.0,
                finalized_on_source_at=3.0,
                finalized_on_target_at=3.0,
                **FINALIZED,
            )
        ]

    @pytest.mark.parametrize("order", [("source", "target"), ("target", "source")])
    def test_finalizing_it_without_any_status_call_completes_it(self, cluster, web1, order):
        begin(cluster, web1)
        finalize(cluster, web1, success=True, order=order)
        cluster.assert_running("web1", on="node2")
        first = {"source": "node1", "target": "node2"}[order[0]]
        reason = f"finalized on {first} before it ended"
        assert cluster.migrations == [record("completed", reason=reason, **FINALIZED)]
        assert poll(cluster, web1) == [("completed", None, None, None)]

    @pytest.mark.parametrize("order", [("source", "target"), ("target", "source")])
    def test_aborting_it_without_any_status_call_cancels_it(self, cluster, web1, order):
        begin(cluster, web1)
        finalize(cluster, web1, success=False, order=order)
        cluster.assert_running("web1", on="node1")
        assert cluster.migrations == [record("cancelled", **ABORTED)]
        assert poll(cluster, web1) == [("cancelled", None, None, None)]

    def test_an_instance_that_never_migrated_counts_as_completed(self, cluster, web1):
        assert cluster["node1"].GetMigrationStatus(web1) == MigrationStatus(status="completed")
        assert cluster["node1"].GetMigrationStatus(Instance("other")) == MigrationStatus(status="completed")
        assert cluster.migrations == []

    def test_the_target_knows_nothing_of_it(self, cluster, web1):
        cluster.script_migration("web1")
        begin(cluster, web1)
        assert poll(cluster, web1, node="node2") == [("completed", None, None, None)]
        assert ending(cluster) == ("active", None)

    def test_a_node_on_its_own_migrates_to_anywhere(self, hv):
        web1 = hv.add_instance("web1", memory=4096)
        hv.MigrateInstance("cluster", web1, "elsewhere", True)
        assert hv.GetMigrationStatus(web1) == MigrationStatus(status="completed")
        hv.FinalizeMigrationSource(web1, True, True)
        assert hv.ListInstances() == []
        assert hv.migrations == [
            record("completed", target="elsewhere", polls=1, duration=1.0, finalized_on_source=True)
        ]


class TestCourse:
    def test_by_default_all_ram_is_sent_once_at_1024_mib_a_second(self, cluster, web1):
        cluster.script_migration("web1")
        begin(cluster, web1)
        assert poll(cluster, web1, 5) == [
            ("active", 1024, 4096, None),
            ("active", 2048, 4096, None),
            ("active", 3072, 4096, None),
            ("completed", 4096, 4096, None),
            ("completed", 4096, 4096, None),
        ]
        assert cluster.migrations == [
            record("completed", polls=4, duration=4.0, transferred_ram=4096, rounds=1)
        ]

    def test_what_the_instance_writes_to_is_sent_again(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=512)
        begin(cluster, web1)
        assert poll(cluster, web1, 8) == [
            *[("active", 1024 * seconds, 4096, None) for seconds in range(1, 8)],
            ("completed", 7936, 4096, None),
        ]
        assert cluster.migrations == [
            record("completed", polls=8, duration=7.75, transferred_ram=7936, rounds=4, downtime=0.25)
        ]

    @pytest.mark.parametrize(
        ("script", "duration", "sent", "rounds", "downtime"),
        [
            ({"bandwidth": 4096}, 1.0, 4096, 1, 0.0),
            ({"bandwidth": 512.5}, 4096 / 512.5, 4096, 1, 0.0),
            ({"bandwidth": 10**6}, 0.004096, 4096, 1, 0.0),
            ({"dirty_rate": 512, "max_downtime": 2}, 6.0, 6144, 1, 2.0),
            ({"dirty_rate": 512, "max_downtime": 1.99}, 7.0, 7168, 2, 1.0),
            ({"dirty_rate": 512, "max_downtime": 0.25}, 7.75, 7936, 4, 0.25),
            ({"dirty_rate": 512, "max_downtime": 0.125}, 7.875, 8064, 5, 0.125),
            ({"bandwidth": 2048, "dirty_rate": 1024}, 3.75, 7680, 3, 0.25),
            ({"dirty_rate": 2048, "max_downtime": 4}, 8.0, 8192, 1, 4.0),
        ],
    )
    def test_it_lasts_as_long_as_the_figures_say(
        self, cluster, web1, script, duration, sent, rounds, downtime
    ):
        cluster.script_migration("web1", **script)
        begin(cluster, web1)
        while poll(cluster, web1)[0][0] == "active":
            pass
        (migration,) = cluster.migrations
        assert migration == record(
            "completed",
            polls=migration.polls,
            duration=duration,
            transferred_ram=sent,
            rounds=rounds,
            downtime=downtime,
        )

    @pytest.mark.parametrize("dirty_rate", [1024, 5000])
    def test_it_never_ends_where_the_instance_writes_as_fast_as_ram_is_sent(self, cluster, web1, dirty_rate):
        cluster.script_migration("web1", dirty_rate=dirty_rate)
        begin(cluster, web1)
        assert poll(cluster, web1, 1000)[-1] == ("active", 1_024_000, 4096, None)
        cluster.cancel_migration("web1")
        assert poll(cluster, web1) == [("cancelled", 1_024_000, 4096, None)]
        assert cluster.migrations == [
            record(
                "cancelled",
                reason="cancelled by the test",
                polls=1001,
                duration=1000.0,
                transferred_ram=1_024_000,
                rounds=250,
            )
        ]

    @pytest.mark.parametrize(("state", "live"), [("paused", True), ("paused", False), ("running", False)])
    def test_an_instance_that_does_not_run_writes_to_nothing(self, cluster, state, live):
        web2 = cluster.add_instance("web2", memory=2048, state=state)
        cluster.script_migration("web2", dirty_rate=5000)
        begin(cluster, web2, live=live)
        assert poll(cluster, web2, 2) == [("active", 1024, 2048, None), ("completed", 2048, 2048, None)]
        (migration,) = cluster.migrations
        assert migration.downtime == (0.0 if live else 2.0)

    def test_on_a_manual_clock_it_is_where_the_time_is(self, manual, web1):
        manual.script_migration("web1")
        begin(manual, web1)
        assert poll(manual, web1, 2) == [("active", 0, 4096, None)] * 2
        manual.clock.advance(0.5)
        assert poll(manual, web1) == [("active", 512, 4096, None)]
        for _ in range(10):
            manual.clock.advance(0.1)
        assert poll(manual, web1) == [("active", 1536, 4096, None)]
        manual.clock.advance(2.5)
        assert manual.migrations == [
            record("completed", polls=4, duration=4.0, transferred_ram=4096, rounds=1)
        ]
        assert poll(manual, web1) == [("completed", 4096, 4096, None)]
        assert manual.migrations[0].polls == 5

    def test_it_begins_when_it_begins(self, manual, web1):
        manual.script_migration("web1")
        manual.clock.advance(10)
        begin(manual, web1)
        manual.clock.advance(100)
        assert manual.migrations == [
            record("completed", started=10.0, duration=4.0, transferred_ram=4096, rounds=1)
        ]

    def test_the_total_is_what_the_instance_has_when_it_begins(self, cluster, web1):
        cluster["node1"].BalloonInstanceMemory(web1, 2048)
        cluster.script_migration("web1")
        begin(cluster, web1)
        cluster["node1"].BalloonInstanceMemory(web1, 1024)
        assert poll(cluster, web1, 2) == [("active", 1024, 2048, None), ("completed", 2048, 2048, None)]

    def test_polls_of_another_instance_take_time_too(self, cluster, web1):
        web2 = cluster.add_instance("web2", memory=1024)
        for name in ("web1", "web2"):
            cluster.script_migration(name)
        begin(cluster, web1)
        begin(cluster, web2)
        poll(cluster, web2, 3)
        assert poll(cluster, web1) == [("completed", 4096, 4096, None)]
        assert [(each.instance, each.duration, each.polls) for each in cluster.migrations] == [
            ("web1", 4.0, 1),
            ("web2", 1.0, 1),
        ]

    def test_on_a_real_clock_it_has_ended_at_its_time_whenever_somebody_looks(self, root, web1, monkeypatch):
        now = 1000.0
        monkeypatch.setattr("pytest_fakehv.machine.Time.monotonic", lambda: now)
        cluster = FakeCluster(root, *NODES, instances=[WEB1], clock="real")
        cluster.script_migration("web1")
        begin(cluster, web1)
        now += 3.5
        assert poll(cluster, web1) == [("active", 3584, 4096, None)]
        now += 100
        finalize(cluster, web1, success=True)
        assert cluster.migrations == [
            record(
                "completed",
                polls=1,
                duration=4.0,
                transferred_ram=4096,
                rounds=1,
                finalized_on_source_at=103.5,
                finalized_on_target_at=103.5,
                **FINALIZED,
            )
        ]

    @pytest.mark.parametrize(
        "event",
        [
            lambda cluster, web1: cluster["node1"].crash(),
            lambda cluster, web1: cluster["node2"].crash(),
            lambda cluster, web1: cluster["node1"].PowercycleNode(),
            lambda cluster, web1: cluster["node1"].StopInstance(web1),
        ],
        ids=["source crashes", "target crashes", "source is reset", "instance stops"],
    )
    def test_on_a_real_clock_what_comes_later_does_not_matter(self, root, web1, monkeypatch, event):
        now = 1000.0
        monkeypatch.setattr("pytest_fakehv.machine.Time.monotonic", lambda: now)
        cluster = FakeCluster(root, *NODES, instances=[WEB1], clock="real")
        cluster.script_migration("web1")
        begin(cluster, web1)
        now += 100
        event(cluster, web1)
        assert cluster.migrations[0] == record("completed", duration=4.0, transferred_ram=4096, rounds=1)


class TestPostcopy:
    def test_after_some_rounds_nothing_is_sent_twice(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=512, postcopy=1)
        begin(cluster, web1)
        assert poll(cluster, web1, 7) == [
            ("active", 1024, 4096, None),
            ("active", 2048, 4096, None),
            ("active", 3072, 4096, None),
            ("active", 4096, 4096, "postcopy-active"),
            ("active", 5120, 4096, "postcopy-active"),
            ("completed", 6144, 4096, None),
            ("completed", 6144, 4096, None),
        ]
        assert cluster.migrations == [
            record("completed", polls=6, duration=6.0, transferred_ram=6144, rounds=1, postcopy=True)
        ]

    def test_from_the_beginning(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=5000, postcopy=0)
        begin(cluster, web1)
        assert poll(cluster, web1, 4) == [
            ("active", 1024, 4096, "postcopy-active"),
            ("active", 2048, 4096, "postcopy-active"),
            ("active", 3072, 4096, "postcopy-active"),
            ("completed", 4096, 4096, None),
        ]
        assert cluster.migrations == [
            record("completed", polls=4, duration=4.0, transferred_ram=4096, postcopy=True)
        ]

    @pytest.mark.parametrize("postcopy", [1, 5])
    def test_it_never_begins_where_precopy_ends_first(self, cluster, web1, postcopy):
        cluster.script_migration("web1", postcopy=postcopy)
        begin(cluster, web1)
        assert poll(cluster, web1, 4)[-1] == ("completed", 4096, 4096, None)
        assert cluster.migrations == [
            record("completed", polls=4, duration=4.0, transferred_ram=4096, rounds=1)
        ]

    @pytest.mark.parametrize(
        ("script", "seconds"), [({"postcopy": 0}, 2), ({"postcopy": 1}, 6), ({"postcopy": 0, "at": 0.25}, 1)]
    )
    def test_its_failure_loses_the_instance(self, cluster, web1, script, seconds):
        cluster.script_migration("web1", dirty_rate=5000, outcome="failed", **script)
        begin(cluster, web1)
        poll(cluster, web1, seconds - 1)
        assert cluster.placement() == {"web1": "node1"}
        assert poll(cluster, web1) == [("failed", 1024 * seconds, 4096, None)]
        assert cluster.placement() == {}
        finalize(cluster, web1, success=False)
        assert cluster.placement() == {}
        (migration,) = cluster.migrations
        assert (migration.postcopy, migration.outcome, migration.migrated) == (True, "failed", False)

    def test_its_end_may_be_a_status_call(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=5000, postcopy=1, polls=5)
        begin(cluster, web1)
        assert poll(cluster, web1, 5)[-2:] == [
            ("active", 4096, 4096, "postcopy-active"),
            ("completed", 5120, 4096, None),
        ]

    def test_a_failure_before_it_begins_loses_nothing(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=5000, postcopy=1, polls=3, outcome="failed")
        begin(cluster, web1)
        assert poll(cluster, web1, 3)[-1] == ("failed", 3072, 4096, None)
        assert cluster.placement() == {"web1": "node1"}

    def test_it_lies_too(self, cluster, web1):
        cluster.script_migration("web1", outcome="failed_but_moved", postcopy=0)
        begin(cluster, web1)
        assert poll(cluster, web1, 4)[-1] == ("failed", 4096, 4096, None)
        assert cluster.placement() == {"web1": "node2"}

    @pytest.mark.parametrize(
        ("event", "reason"),
        [
            (lambda cluster, web1: cluster["node1"].crash(), "node1 went down"),
            (lambda cluster, web1: cluster["node2"].crash(), "node2 went down"),
            (lambda cluster, web1: cluster["node1"].PowercycleNode(), "node1 went down"),
            (lambda cluster, web1: cluster["node2"].PowercycleNode(), "node2 went down"),
            (lambda cluster, web1: cluster["node1"].StopInstance(web1), "web1 no longer runs on node1"),
            (lambda cluster, web1: cluster.fail_migration("web1"), "failed by the test"),
            (lambda cluster, web1: finalize(cluster, web1, success=False, order=["source"]), None),
            (lambda cluster, web1: finalize(cluster, web1, success=False, order=["target"]), None),
            (
                lambda cluster, web1: finalize(cluster, web1, success=True, order=["source"]),
                "finalized on node1 before it completed",
            ),
        ],
        ids=[
            "source crashes",
            "target crashes",
            "source is reset",
            "target is reset",
            "instance stops",
            "test fails it",
            "aborted on the source",
            "aborted on the target",
            "finalized on the source",
        ],
    )
    def test_whatever_ends_it_loses_the_instance(self, cluster, web1, event, reason):
        cluster.script_migration("web1", postcopy=0)
        begin(cluster, web1)
        poll(cluster, web1)
        event(cluster, web1)
        assert cluster.placement() == {}
        assert ending(cluster) == ("failed", reason)

    def test_a_test_completes_it(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=5000, postcopy=0)
        begin(cluster, web1)
        cluster.complete_migration("web1")
        assert poll(cluster, web1) == [("completed", 0, 4096, None)]
        finalize(cluster, web1, success=True)
        assert cluster.placement() == {"web1": "node2"}


class TestRecords:
    def ends(self, migration):
        return [
            (migration.finalized_on_source, migration.finalized_on_source_at),
            (migration.finalized_on_target, migration.finalized_on_target_at),
        ]

    @pytest.mark.parametrize("success", [True, False])
    def test_when_it_was_finalized_on_each_side(self, cluster, web1, success):
        clock, (node1, node2, *_) = cluster.clock, cluster
        begin(cluster, web1)
        poll(cluster, web1)
        assert self.ends(cluster.migrations[0]) == [(None, None), (None, None)]
        clock.advance(4)
        node2.FinalizeMigrationDst(web1, "", success)
        assert self.ends(cluster.migrations[0]) == [(None, None), (success, 5.0)]
        clock.advance(2)
        node1.FinalizeMigrationSource(web1, success, True)
        assert self.ends(cluster.migrations[0]) == [(success, 7.0), (success, 5.0)]
        clock.advance(1)
        node1.FinalizeMigrationSource(web1, success, True)
        node2.FinalizeMigrationDst(web1, "", success)
        assert self.ends(cluster.migrations[0]) == [(success, 7.0), (success, 5.0)]

    def test_one_that_is_forgotten_was_aborted_with_the_next_one(self, cluster, web1):
        node1, node2, node3 = cluster
        begin(cluster, web1)
        cluster.fail_migration("web1")
        node3.AcceptInstance(web1, "", "node3")
        node1.MigrateInstance("cluster", web1, "node3", True)
        poll(cluster, web1)
        node1.FinalizeMigrationSource(web1, True, True)
        cluster.clock.advance(1)
        node3.FinalizeMigrationDst(web1, "", True)
        first, second = cluster.migrations
        assert self.ends(first) == [(False, 1.0), (None, None)]
        assert self.ends(second) == [(True, 1.0), (True, 2.0)]
        node2.FinalizeMigrationDst(web1, "", False)

    def test_a_later_one_changes_nothing_of_where_it_was_finalized(self, cluster, web1):
        begin(cluster, web1)
        poll(cluster, web1)
        cluster["node1"].FinalizeMigrationSource(web1, True, True)
        cluster.add_instance("web1", node="node1")
        cluster.migrate("web1", to="node3")
        assert self.ends(cluster.migrations[0]) == [(True, 1.0), (None, None)]

    def test_on_a_node_that_went_down_it_is_not_finalized(self, cluster, web1):
        begin(cluster, web1)
        poll(cluster, web1)
        cluster["node2"].crash()
        cluster["node1"].FinalizeMigrationSource(web1, False, True)
        assert self.ends(cluster.migrations[0]) == [(False, 1.0), (None, None)]

    def test_a_record_is_frozen_and_does_not_change_later(self, cluster, web1):
        begin(cluster, web1)
        (before,) = cluster.migrations
        with pytest.raises(FrozenInstanceError):
            before.outcome = "completed"
        poll(cluster, web1)
        assert before == record("active")
        assert cluster.migrations != [before]

    def test_one_under_way_tells_how_far_it_is(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=1024, postcopy=1)
        begin(cluster, web1)
        poll(cluster, web1, 3)
        assert cluster.migrations == [record("active", polls=3, duration=3.0, transferred_ram=3072)]
        poll(cluster, web1, 2)
        assert cluster.migrations == [
            record("active", polls=5, duration=5.0, transferred_ram=5120, rounds=1, postcopy=True)
        ]

    def test_one_that_is_not_live_is_down_all_the_time(self, cluster, web1):
        begin(cluster, web1, live=False)
        cluster.clock.advance(3)
        assert cluster.migrations == [record("active", live=False, duration=3.0, downtime=3.0)]

    def test_a_node_has_those_from_and_to_it(self, cluster):
        cluster.migrate("web1", to="node2")
        cluster.migrate("web1", to="node3")
        assert {node.name: [each.number for each in node.migrations] for node in cluster} == {
            "node1": [1],
            "node2": [1, 2],
            "node3": [2],
        }
        assert [each.number for each in cluster.migrations] == [1, 2]

    def test_it_is_there_for_whoever_drives_it(self, cluster, web1):
        begin(cluster, web1)
        poll(cluster, web1)
        finalize(cluster, web1, success=True)
        by_hand = cluster.migrations
        cluster.migrate("web1", to="node1")
        cluster.migrate("web1", to="node2")
        assert (
            replace(
                cluster.migrations[-1],
                number=1,
                started=0.0,
                finalized_on_source_at=1.0,
                finalized_on_target_at=1.0,
            )
            == by_hand[0]
        )

    def test_a_failover_is_no_migration(self, cluster):
        cluster.failover("web1", to="node2")
        assert cluster.migrations == []
