"""Migrations: how they are scripted, what the interface says of them, and what their ends leave."""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HypervisorError,
    Instance,
    InstanceSpec,
    Migration,
    MigrationSpec,
    MigrationStatus,
    NodeDownError,
    NodeSpec,
)

NODES = (NodeSpec("node1", address="10.0.0.1"), NodeSpec("node2", address="10.0.0.2"), NodeSpec("node3"))
WEB1 = InstanceSpec("web1", memory=4096, vcpus=2)


@pytest.fixture
def cluster(root):
    """Three nodes, on the first of which web1 runs, whose RAM is sent in 4 seconds."""
    return FakeCluster(root, *NODES, instances=[WEB1])


@pytest.fixture
def manual(root):
    """The same, whose time stands still until it is told."""
    return FakeCluster(root, *NODES, instances=[WEB1], clock="manual")


@pytest.fixture
def web1():
    """The instance, as the interface takes it."""
    return WEB1.instance()


def message(function, *args, error=DeclarationError, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    assert type(caught.value) is error
    return caught.value.args[0]


def begin(cluster, web1, *, source="node1", target="node2", live=True):
    cluster[source].MigrateInstance("cluster", web1, target, live)


def poll(cluster, web1, times=1, *, node="node1"):
    """Return what each of some status calls says: status, RAM sent, RAM in all, and if it is postcopy."""
    return [
        (each.status, each.transferred_ram, each.total_ram, each.postcopy_status)
        for each in [cluster[node].GetMigrationStatus(web1) for _ in range(times)]
    ]


def finalize(cluster, web1, *, success, order=("source", "target"), live=True):
    for side in order:
        if side == "source":
            cluster["node1"].FinalizeMigrationSource(web1, success, live)
        else:
            cluster["node2"].FinalizeMigrationDst(web1, "", success)


def ending(cluster):
    """Return how the only migration ended, and why."""
    (migration,) = cluster.migrations
    return migration.outcome, migration.reason


def record(outcome, **changes):
    """Return the record of the first migration, of web1 from node1 to node2, with the given changes."""
    values = {
        "number": 1,
        "instance": "web1",
        "source": "node1",
        "target": "node2",
        "live": True,
        "reason": None,
        "polls": 0,
        "started": 0.0,
        "duration": 0.0,
        "total_ram": 4096,
        "transferred_ram": None,
        "rounds": 0,
        "downtime": 0.0,
        "postcopy": False,
        "finalized_on_source": None,
        "finalized_on_target": None,
        "migrated": False,
    }
    return Migration(outcome=outcome, **values | changes)


FINALIZED = {"finalized_on_source": True, "finalized_on_target": True, "migrated": True}
ABORTED = {"finalized_on_source": False, "finalized_on_target": False}


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
        assert cluster.migrations == [record("completed", polls=1, duration=1.0, **FINALIZED)]

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
        monkeypatch.setattr("time.monotonic", lambda: now)
        cluster = FakeCluster(root, *NODES, instances=[WEB1], clock="real")
        cluster.script_migration("web1")
        begin(cluster, web1)
        now += 3.5
        assert poll(cluster, web1) == [("active", 3584, 4096, None)]
        now += 100
        finalize(cluster, web1, success=True)
        assert cluster.migrations == [
            record("completed", polls=1, duration=4.0, transferred_ram=4096, rounds=1, **FINALIZED)
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
        monkeypatch.setattr("time.monotonic", lambda: now)
        cluster = FakeCluster(root, *NODES, instances=[WEB1], clock="real")
        cluster.script_migration("web1")
        begin(cluster, web1)
        now += 100
        event(cluster, web1)
        assert cluster.migrations[0] == record("completed", duration=4.0, transferred_ram=4096, rounds=1)


class TestScript:
    @pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled"])
    @pytest.mark.parametrize(
        ("at", "polls", "duration", "sent", "rounds"),
        [
            (0, 1, 0.0, 0, 0),
            (0.25, 1, 1.0, 1024, 0),
            (0.6, 3, 2.4, 2457, 0),
            (1, 4, 4.0, 4096, 1),
            (1.0, 4, 4.0, 4096, 1),
        ],
    )
    def test_it_ends_at_a_share_of_the_ram(self, cluster, web1, outcome, at, polls, duration, sent, rounds):
        cluster.script_migration("web1", outcome=outcome, at=at, dirty_rate=5000)
        begin(cluster, web1)
        assert poll(cluster, web1, polls + 1) == [
            *[("active", 1024 * seconds, 4096, None) for seconds in range(1, polls)],
            *[(outcome, sent, 4096, None)] * 2,
        ]
        assert cluster.migrations == [
            record(outcome, polls=polls, duration=duration, transferred_ram=sent, rounds=rounds)
        ]

    def test_one_that_ends_before_the_figures_say_has_no_downtime(self, cluster, web1):
        cluster.script_migration("web1", at=0.5, dirty_rate=512)
        begin(cluster, web1)
        poll(cluster, web1, 2)
        assert cluster.migrations == [record("completed", polls=2, duration=2.0, transferred_ram=2048)]

    @pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled"])
    @pytest.mark.parametrize("polls", [1, 2, 6])
    def test_it_ends_at_a_status_call(self, cluster, web1, outcome, polls):
        cluster.script_migration("web1", outcome=outcome, polls=polls)
        begin(cluster, web1)
        assert poll(cluster, web1, polls + 1) == [
            *[("active", 1024 * number, 4096, None) for number in range(1, polls)],
            *[(outcome, 1024 * polls, 4096, None)] * 2,
        ]
        assert cluster.migrations == [
            record(
                outcome,
                polls=polls,
                duration=float(polls),
                transferred_ram=1024 * polls,
                rounds=int(polls > 4),
            )
        ]

    def test_status_calls_count_and_not_the_time(self, manual, web1):
        manual.script_migration("web1", outcome="failed", polls=2)
        begin(manual, web1)
        manual.clock.advance(1000)
        assert poll(manual, web1, 2) == [("active", 1_024_000, 4096, None), ("failed", 1_024_000, 4096, None)]

    @pytest.mark.parametrize("outcome", ["failed", "cancelled"])
    def test_one_that_comes_to_nothing_ends_half_way_unless_told_otherwise(self, cluster, web1, outcome):
        cluster.script_migration("web1", outcome=outcome, dirty_rate=5000)
        begin(cluster, web1)
        assert poll(cluster, web1, 2) == [("active", 1024, 4096, None), (outcome, 2048, 4096, None)]
        assert cluster.placement() == {"web1": "node1"}

    @pytest.mark.parametrize("scripted", [{"at": 1}, {"polls": 4}, {}])
    def test_one_that_failed_but_moved_runs_on_the_target(self, cluster, web1, scripted):
        cluster.script_migration("web1", outcome="failed_but_moved", **scripted)
        begin(cluster, web1)
        poll(cluster, web1, 3)
        assert cluster.placement() == {"web1": "node1"}
        assert poll(cluster, web1) == [("failed", 4096, 4096, None)]
        cluster.assert_running("web1", on="node2", memory=4096, vcpus=2)
        assert cluster.migrations == [
            record("failed", polls=4, duration=4.0, transferred_ram=4096, rounds=1, migrated=True)
        ]

    @pytest.mark.parametrize("order", [("source", "target"), ("target", "source")])
    def test_one_that_failed_but_moved_can_be_finalized_with_success(self, cluster, web1, order):
        cluster.script_migration("web1", outcome="failed_but_moved", at=0)
        begin(cluster, web1)
        finalize(cluster, web1, success=True, order=order)
        cluster.assert_running("web1", on="node2")
        assert cluster.migrations == [record("failed", transferred_ram=0, **FINALIZED)]

    def test_one_that_failed_but_moved_is_lost_when_it_is_aborted(self, cluster, web1):
        cluster.script_migration("web1", outcome="failed_but_moved", at=0)
        begin(cluster, web1)
        finalize(cluster, web1, success=False)
        assert cluster.placement() == {}
        assert cluster.migrations == [record("failed", transferred_ram=0, **ABORTED)]

    def test_one_that_failed_but_moved_takes_memory_and_state_along(self, cluster):
        web2 = cluster.add_instance("web2", memory=2048, min_memory=512, vcpus=3, state="paused")
        cluster.script_migration("web2", outcome="failed_but_moved", polls=1)
        begin(cluster, web2)
        web2.beparams["vcpus"] = 5
        cluster["node1"].BalloonInstanceMemory(web2, 700)
        poll(cluster, web2)
        cluster.assert_paused("web2", on="node2", memory=700, vcpus=5)

    def test_one_that_failed_but_moved_meets_its_like_on_the_target(self, cluster, web1):
        cluster.script_migration("web1", outcome="failed_but_moved", polls=1)
        begin(cluster, web1)
        cluster["node2"].StartInstance(web1, [], False)
        poll(cluster, web1)
        assert cluster.placement() == {"web1": "node2"}

    @pytest.mark.parametrize("order", [("source", "target"), ("target", "source")])
    def test_one_that_completed_but_was_lost_can_not_be_finalized_on_the_target(self, cluster, web1, order):
        cluster.script_migration("web1", outcome="completed_but_lost", polls=2)
        begin(cluster, web1)
        assert poll(cluster, web1, 2) == [("active", 1024, 4096, None), ("completed", 2048, 4096, None)]
        finalize(cluster, web1, success=True, order=[side for side in order if side == "source"])
        for _ in range(2):
            assert message(cluster["node2"].FinalizeMigrationDst, web1, "", True, error=HypervisorError) == (
                "Failed to finalize the migration of web1 on the target: its memory has not arrived"
            )
        assert cluster.placement() == {}
        assert cluster.migrations == [
            record("completed", polls=2, duration=2.0, transferred_ram=2048, finalized_on_source=True)
        ]

    def test_one_that_completed_but_was_lost_is_saved_by_whoever_finalizes_the_target_first(
        self, cluster, web1
    ):
        cluster.script_migration("web1", outcome="completed_but_lost", polls=1)
        begin(cluster, web1)
        poll(cluster, web1)
        message(cluster["node2"].FinalizeMigrationDst, web1, "", True, error=HypervisorError)
        finalize(cluster, web1, success=False)
        cluster.assert_running("web1", on="node1")
        assert cluster.migrate("web1", to="node2").outcome == "failed"

    def test_a_lost_instance_can_be_started_anew(self, cluster, web1):
        cluster.script_migration("web1", outcome="completed_but_lost", polls=1)
        cluster.migrate("web1", to="node2")
        cluster["node2"].StartInstance(web1, [], False)
        assert cluster.placement() == {"web1": "node2"}

    def test_a_script_without_times_stands_until_the_next(self, cluster):
        cluster.script_migration("web1", outcome="failed")
        outcomes = [cluster.migrate("web1", to="node2").outcome for _ in range(3)]
        assert outcomes == ["failed"] * 3
        cluster.script_migration("web1", outcome="cancelled")
        assert cluster.migrate("web1", to="node2").outcome == "cancelled"
        cluster.script_migration("web1")
        assert cluster.migrate("web1", to="node2").outcome == "completed"
        assert cluster.migrate("web1", to="node3").polls == 4

    def test_scripts_with_times_are_used_up_one_after_another(self, cluster):
        cluster.script_migration("web1", outcome="failed", times=2)
        cluster.script_migration("web1", outcome="cancelled", times=1)
        outcomes = [cluster.migrate("web1", to="node2") for _ in range(4)]
        assert [each.outcome for each in outcomes] == ["failed", "failed", "cancelled", "completed"]
        assert outcomes[-1].rounds == 0

    def test_the_last_of_several_scripts_stands(self, cluster):
        cluster.script_migration("web1", outcome="failed", times=1)
        cluster.script_migration("web1", outcome="cancelled")
        outcomes = [cluster.migrate("web1", to="node2").outcome for _ in range(3)]
        assert outcomes == ["failed", "cancelled", "cancelled"]

    def test_a_script_with_times_takes_the_place_of_one_without(self, cluster):
        cluster.script_migration("web1", outcome="failed")
        cluster.script_migration("web1", outcome="cancelled", times=1)
        outcomes = [cluster.migrate("web1", to="node2").outcome for _ in range(2)]
        assert outcomes == ["cancelled", "completed"]

    def test_a_script_is_used_up_by_migrations_that_begin(self, cluster, web1):
        cluster.script_migration("web1", outcome="failed", times=1)
        message(begin, cluster, web1, target="node4", error=HypervisorError)
        message(begin, cluster, web1, target="node1", error=HypervisorError)
        assert cluster.migrate("web1", to="node2").outcome == "failed"
        assert cluster.migrate("web1", to="node2").outcome == "completed"

    def test_a_script_does_not_change_a_migration_under_way(self, cluster, web1):
        cluster.script_migration("web1")
        begin(cluster, web1)
        cluster.script_migration("web1", outcome="failed", polls=1)
        assert [each[0] for each in poll(cluster, web1, 4)] == ["active"] * 3 + ["completed"]

    def test_scripts_are_by_instance(self, cluster):
        cluster.add_instance("web2")
        cluster.script_migration("web1", outcome="failed")
        assert cluster.migrate("web2", to="node2").outcome == "completed"
        assert cluster.migrate("web1", to="node2").outcome == "failed"

    def test_a_node_scripts_too_and_takes_the_instance_as_an_object(self, cluster, web1):
        cluster["node2"].script_migration(web1, outcome="failed")
        assert cluster.migrate("web1", to="node2").outcome == "failed"

    def test_an_instance_that_only_runs_can_be_scripted(self, cluster):
        cluster["node2"].StartInstance(replace(WEB1, name="web2").instance(), [], False)
        cluster.script_migration("web2", outcome="failed")
        cluster["node2"].script_migration("web2", outcome="failed")
        assert cluster.migrate("web2", to="node1").outcome == "failed"

    def test_a_script_holds_on_each_way_of_an_instance(self, cluster):
        cluster.script_migration("web1", polls=2)
        assert cluster.migrate("web1", to="node2").polls == 2
        assert cluster.migrate("web1", to="node1").polls == 2
        assert [(each.number, each.source, each.target) for each in cluster.migrations] == [
            (1, "node1", "node2"),
            (2, "node2", "node1"),
        ]


CHOICES = "'completed', 'failed', 'cancelled', 'failed_but_moved', 'completed_but_lost'"
NEVER_BEGINS = (
    "at=0.5 ends it in the first round, so that postcopy=2 never begins; "
    "say with polls when it ends, or begin with postcopy=0"
)
MOST = 9223372036854775807

WRONG = [
    ({"outcome": "lost"}, f"outcome must be one of {CHOICES}, not 'lost'"),
    ({"outcome": None}, f"outcome must be one of {CHOICES}, not None"),
    *[
        ({"at": at}, f"at must be a number from 0 to 1, not {at!r}")
        for at in (-0.1, 1.1, "0.5", True, float("nan"), [0.5])
    ],
    *[
        ({key: value}, f"{key} must be a positive number, not {value!r}")
        for key in ("bandwidth", "max_downtime")
        for value in (0, -1, 0.0, None, "1", True, float("nan"))
    ],
    *[
        (
            {"dirty_rate": value},
            f"dirty_rate must be a number that is not negative, not {value!r}",
        )
        for value in (-1, None, "1", False, float("nan"))
    ],
    *[
        ({key: float("inf")}, f"{key} must be at most 2**63 - 1, not inf")
        for key in ("bandwidth", "max_downtime", "dirty_rate")
    ],
    *[
        ({key: value}, f"{key} must be a positive integer, not {value!r}")
        for key in ("polls", "times")
        for value in (0, -1, 1.0, "1", True, 2**63)
    ],
    *[
        ({"postcopy": value}, f"postcopy must be an integer that is not negative, not {value!r}")
        for value in (-1, 1.0, "1", False, 2**63)
    ],
    ({"at": 0.5, "polls": 2}, "at and polls both say when it ends; give one of them"),
    ({"at": 0, "polls": 1}, "at and polls both say when it ends; give one of them"),
    *[
        (
            {"postcopy": value, "outcome": "cancelled"},
            "postcopy can't be cancelled; the outcome may be 'failed'",
        )
        for value in (0, 1)
    ],
    (
        {"postcopy": 2, "at": 0.5},
        NEVER_BEGINS,
    ),
]


class TestWrongScripts:
    @pytest.mark.parametrize(("arguments", "text"), WRONG)
    def test_a_wrong_argument_or_a_contradiction(self, cluster, arguments, text):
        assert message(MigrationSpec, "web1", **arguments) == text
        assert message(cluster.script_migration, "web1", **arguments) == text
        assert message(cluster["node1"].script_migration, "web1", **arguments) == text
        assert cluster.migrate("web1", to="node2").polls == 1

    @pytest.mark.parametrize(
        ("name", "fault"),
        [("", "it is empty"), ("a/b", "it contains '/'"), (5, "it is of type int, not a text")],
    )
    def test_a_wrong_name(self, name, fault):
        assert message(MigrationSpec, name) == f"instance is invalid: {name!r}: {fault}"

    def test_the_defaults(self):
        assert MigrationSpec("web1") == MigrationSpec(
            "web1",
            outcome="completed",
            at=None,
            polls=None,
            bandwidth=1024,
            dirty_rate=0,
            max_downtime=0.3,
            postcopy=None,
            times=None,
        )

    def test_a_spec_is_frozen_and_its_arguments_have_names(self):
        with pytest.raises(FrozenInstanceError):
            MigrationSpec("web1").outcome = "failed"
        with pytest.raises(TypeError):
            MigrationSpec("web1", "failed")

    def test_an_unknown_instance(self, root):
        cluster = FakeCluster(root)
        assert message(cluster.script_migration, "web1") == ("no instance is named 'web1'; none is declared")
        cluster.add_instance("web10", state="stopped")
        cluster.add_instance("web2", node="node2")
        for place in (cluster, *cluster):
            assert message(place.script_migration, "web1") == (
                "no instance is named 'web1'; there are: web2, web10"
            )

    def test_an_instance_that_is_described_may_be_scripted(self, cluster):
        cluster["node1"].instance("web2")
        cluster.script_migration("web2")

    @pytest.mark.parametrize("postcopy", [0, 1])
    def test_postcopy_of_an_instance_that_migrates_non_live(self, cluster, postcopy):
        cluster.add_instance("web2", hvparams={"migration_mode": "non-live"})
        cluster.add_instance("web3", hvparams={"migration_mode": "live"})
        assert message(cluster.script_migration, "web2", postcopy=postcopy) == (
            "postcopy needs a live migration, but web2 has migration_mode='non-live'"
        )
        cluster.script_migration("web2")
        cluster.script_migration("web3", postcopy=postcopy)
        cluster["node1"].StartInstance(replace(WEB1, name="web4").instance(), [], False)
        cluster.script_migration("web4", postcopy=postcopy)

    def test_postcopy_of_a_migration_that_turns_out_to_be_non_live(self, cluster, web1):
        cluster.script_migration("web1", postcopy=0, times=1)
        assert message(begin, cluster, web1, live=False) == (
            "the migration of web1 is scripted as postcopy, which a non-live one can't be"
        )
        cluster.assert_running("web1", on="node1")
        assert cluster.migrations == []
        begin(cluster, web1)
        assert poll(cluster, web1) == [("active", 1024, 4096, "postcopy-active")]

    def test_there_is_no_node_to_have_moved_to(self, hv):
        hv.add_instance("web1")
        assert message(hv.script_migration, "web1", outcome="failed_but_moved") == (
            "outcome 'failed_but_moved' needs a cluster: there is no node to move to"
        )

    def test_what_is_scripted_past_that_refusal_has_not_moved(self, hv):
        web1 = hv.add_instance("web1", memory=4096)
        hv.shared.traffic.script(MigrationSpec("web1", outcome="failed_but_moved", at=0))
        hv.MigrateInstance("cluster", web1, "node2", True)
        assert hv.GetMigrationStatus(web1).status == "failed"
        assert hv.ListInstances() == ["web1"]
        assert hv.migrations == [record("failed", polls=1, transferred_ram=0)]

    @pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled", "completed_but_lost"])
    def test_a_node_on_its_own_takes_the_other_outcomes(self, hv, outcome):
        web1 = hv.add_instance("web1")
        hv.script_migration("web1", outcome=outcome, polls=1)
        hv.MigrateInstance("cluster", web1, "elsewhere", True)
        assert hv.GetMigrationStatus(web1) == MigrationStatus(
            status="completed" if outcome == "completed_but_lost" else outcome,
            transferred_ram=1024,
            total_ram=1024,
        )


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


class TestBeginning:
    @pytest.mark.parametrize("target", ["node2", "10.0.0.2"])
    def test_the_target_is_known_by_name_and_by_address(self, cluster, web1, target):
        begin(cluster, web1, target=target)
        assert cluster.migrations == [record("active")]

    def test_one_that_has_completed_is_to_be_finalized_first(self, cluster, web1):
        begin(cluster, web1)
        poll(cluster, web1)
        assert message(begin, cluster, web1, target="node3", error=HypervisorError) == (
            "Failed to migrate instance web1: it has migrated to node2, and is to be finalized first"
        )
        finalize(cluster, web1, success=False)
        begin(cluster, web1, target="node3")
        assert [each.target for each in cluster.migrations] == ["node2", "node3"]

    @pytest.mark.parametrize(("target", "shown"), [("node1", "'node1'"), ("10.0.0.1", "'10.0.0.1'")])
    def test_to_the_node_itself(self, cluster, web1, target, shown):
        assert message(begin, cluster, web1, target=target, error=HypervisorError) == (
            f"Failed to migrate instance web1: the target {shown} is this very node"
        )

    def test_a_node_on_its_own_to_itself(self, hv):
        web1 = hv.add_instance("web1")
        assert message(hv.MigrateInstance, "cluster", web1, "node1", True, error=HypervisorError) == (
            "Failed to migrate instance web1: the target 'node1' is this very node"
        )

    @pytest.mark.parametrize("target", ["node4", "", None])
    def test_to_an_unknown_target(self, cluster, web1, target):
        assert message(begin, cluster, web1, target=target, error=HypervisorError) == (
            f"Failed to migrate instance web1: the target {target!r} is no node's name or address"
        )

    def test_to_a_node_instead_of_its_name(self, cluster, web1):
        assert message(begin, cluster, web1, target=cluster["node2"], error=HypervisorError) == (
            "Failed to migrate instance web1: the target <FakeHypervisor node2> is no node's name or address"
        )

    def test_to_a_node_that_is_down(self, cluster, web1):
        cluster["node2"].crash()
        assert message(begin, cluster, web1, target="10.0.0.2", error=HypervisorError) == (
            "Failed to migrate instance web1: the target '10.0.0.2' is down"
        )

    def test_to_a_node_that_is_cut_off_from_calls_alone(self, cluster, web1):
        cluster["node2"].disconnect()
        begin(cluster, web1)
        assert poll(cluster, web1) == [("completed", None, None, None)]

    def test_an_instance_that_does_not_run(self, cluster, web1):
        assert message(begin, cluster, web1, source="node2", target="node1", error=HypervisorError) == (
            "Failed to migrate instance web1: not running"
        )

    def test_an_instance_of_which_a_subclass_wrongly_says_that_it_runs(self, root, web1):
        class Wishful(FakeHypervisor):
            def _IsAlive(self, instance_name):
                return True

        cluster = FakeCluster(root, *NODES, hypervisor=Wishful)
        assert message(begin, cluster, web1, error=HypervisorError) == (
            "Failed to migrate instance web1: not running"
        )

    def test_an_instance_of_which_another_program_wrote_that_it_has_no_memory(
        self, cluster, web1, filesystem
    ):
        import os

        descriptor = filesystem.os.open(f"{cluster['node1'].root}/web1", os.O_WRONLY | os.O_TRUNC)
        filesystem.os.write(descriptor, b"0\n0\n2\n")
        filesystem.os.close(descriptor)
        assert message(begin, cluster, web1, error=HypervisorError) == (
            "Failed to migrate instance web1: it can't have 0 MiB of memory"
        )
        assert cluster.migrations == []

    def test_an_instance_that_migrates_already(self, cluster, web1):
        begin(cluster, web1)
        for target in ("node2", "node3"):
            assert message(begin, cluster, web1, target=target, error=HypervisorError) == (
                "Failed to migrate instance web1: already migrating to node2"
            )
        assert cluster.migrations == [record("active")]

    @pytest.mark.parametrize("live", [True, False])
    def test_what_is_refused_changes_nothing(self, cluster, web1, live):
        cluster.script_migration("web1", times=1)
        for target in ("node1", "node4"):
            message(begin, cluster, web1, target=target, live=live, error=HypervisorError)
        cluster.assert_running("web1", on="node1")
        assert cluster.migrations == []

    def test_a_non_live_migration_pauses_the_instance(self, cluster, web1):
        begin(cluster, web1, live=False)
        cluster.assert_paused("web1", on="node1")
        assert cluster.migrations == [record("active", live=False)]
        poll(cluster, web1)
        finalize(cluster, web1, success=True, live=False)
        cluster.assert_running("web1", on="node2")
        assert cluster.migrations == [
            record("completed", live=False, polls=1, duration=1.0, downtime=1.0, **FINALIZED)
        ]

    def test_live_is_any_truth(self, cluster, web1):
        begin(cluster, web1, live=0)
        assert cluster.migrations[0].live is False


class TestNoRoom:
    @pytest.fixture
    def cluster(self, root):
        """node2 has 3000 MiB and doesn't overcommit; web1 has 4096 and could do with 2048."""
        return FakeCluster(
            root,
            NodeSpec("node1"),
            NodeSpec("node2", memory=3000, overcommit=False),
            NodeSpec("node3"),
            instances=[replace(WEB1, min_memory=2048)],
        )

    REFUSED = "node2 does not overcommit: 4096 MiB more are needed, 3000 MiB are free"

    def test_a_migration_does_not_begin(self, cluster, web1):
        assert message(begin, cluster, web1, live=False, error=HypervisorError) == (
            f"Failed to migrate instance web1: {self.REFUSED}"
        )
        cluster.assert_running("web1", on="node1")
        assert cluster.migrations == []

    def test_it_is_not_accepted(self, cluster, web1):
        assert message(cluster["node2"].AcceptInstance, web1, "", "node2", error=HypervisorError) == (
            f"Failed to accept instance web1: {self.REFUSED}"
        )

    def test_it_is_accepted_if_its_minimum_fits_but_does_not_migrate_before_it_has_shrunk(self, cluster):
        web1 = cluster["node1"].instance("web1")
        cluster["node2"].AcceptInstance(web1, "", "node2")
        assert message(begin, cluster, web1, error=HypervisorError) == (
            f"Failed to migrate instance web1: {self.REFUSED}"
        )
        cluster["node1"].BalloonInstanceMemory(web1, 3000)
        assert cluster.migrate(web1, to="node2").outcome == "completed"
        cluster.assert_running("web1", on="node2", memory=3000)
        assert cluster["node2"].GetNodeInfo()["memory_free"] == 0

    @pytest.mark.parametrize("scripted", [False, True])
    def test_it_is_not_finalized_where_the_room_has_gone_meanwhile(self, cluster, scripted):
        web1 = cluster["node1"].instance("web1")
        if scripted:
            cluster.script_migration("web1", polls=1)
        cluster["node1"].BalloonInstanceMemory(web1, 3000)
        begin(cluster, web1)
        cluster.add_instance("web2", node="node2", memory=1)
        poll(cluster, web1)
        for _ in range(2):
            assert message(cluster["node2"].FinalizeMigrationDst, web1, "", True, error=HypervisorError) == (
                "Failed to finalize the migration of web1 on the target: "
                "node2 does not overcommit: 3000 MiB more are needed, 2999 MiB are free"
            )
        assert cluster.placement() == {"web1": "node1", "web2": "node2"}
        assert cluster.migrations[0].finalized_on_target is None
        cluster["node2"].StopInstance(None, name="web2")
        finalize(cluster, web1, success=True)
        cluster.assert_running("web1", on="node2", memory=3000)


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


ORDERS = pytest.mark.parametrize("order", [("source", "target"), ("target", "source")])


class TestFinalizing:
    @ORDERS
    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize("times", [1, 2])
    def test_with_success_it_runs_on_the_target(self, cluster, web1, order, live, times):
        begin(cluster, web1, live=live)
        poll(cluster, web1)
        finalize(cluster, web1, success=True, order=order * times, live=live)
        cluster.assert_running("web1", on="node2", memory=4096, vcpus=2)
        assert cluster.placement() == {"web1": "node2"}
        assert cluster.migrations == [
            record(
                "completed",
                live=live,
                polls=1,
                duration=1.0,
                downtime=0.0 if live else 1.0,
                **FINALIZED,
            )
        ]

    @ORDERS
    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize("times", [1, 2])
    @pytest.mark.parametrize("outcome", ["failed", "cancelled", "completed"])
    def test_without_success_it_runs_on_the_source(self, cluster, web1, order, live, times, outcome):
        cluster.script_migration("web1", outcome=outcome, polls=1)
        begin(cluster, web1, live=live)
        poll(cluster, web1)
        finalize(cluster, web1, success=False, order=order * times, live=live)
        cluster.assert_running("web1", on="node1", memory=4096, vcpus=2)
        assert cluster.placement() == {"web1": "node1"}
        assert cluster.migrations == [
            record(
                outcome,
                live=live,
                polls=1,
                duration=1.0,
                transferred_ram=1024,
                downtime=0.0 if live else 1.0,
                **ABORTED,
            )
        ]

    @ORDERS
    def test_in_between_it_runs_on_both_or_on_none(self, cluster, web1, order):
        begin(cluster, web1)
        poll(cluster, web1)
        finalize(cluster, web1, success=True, order=order[:1])
        assert cluster.placement() == ({} if order[0] == "source" else {"web1": ("node1", "node2")})
        (migration,) = cluster.migrations
        assert migration.migrated is False
        assert (migration.finalized_on_source, migration.finalized_on_target) == (
            (True, None) if order[0] == "source" else (None, True)
        )

    def test_the_first_word_on_each_side_counts(self, cluster, web1):
        begin(cluster, web1)
        poll(cluster, web1)
        finalize(cluster, web1, success=True)
        finalize(cluster, web1, success=False, order=["source"])
        assert cluster.migrations == [record("completed", polls=1, duration=1.0, **FINALIZED)]
        cluster.assert_running("web1", on="node2")

    @ORDERS
    def test_a_scripted_one_that_is_finalized_too_early_has_failed(self, cluster, web1, order):
        cluster.script_migration("web1")
        begin(cluster, web1)
        poll(cluster, web1, 2)
        finalize(cluster, web1, success=True, order=order)
        assert cluster.migrations == [
            record(
                "failed",
                reason="finalized on node1 before it completed",
                polls=2,
                duration=2.0,
                transferred_ram=2048,
                **FINALIZED,
            )
        ]
        assert poll(cluster, web1) == [("failed", 2048, 4096, None)]

    @ORDERS
    def test_a_scripted_one_that_is_aborted_is_cancelled(self, cluster, web1, order):
        cluster.script_migration("web1")
        begin(cluster, web1)
        poll(cluster, web1, 2)
        finalize(cluster, web1, success=False, order=order)
        assert cluster.migrations == [
            record("cancelled", polls=2, duration=2.0, transferred_ram=2048, **ABORTED)
        ]
        assert poll(cluster, web1) == [("cancelled", 2048, 4096, None)]

    @ORDERS
    @pytest.mark.parametrize("live", [True, False])
    def test_ballooned_memory_and_the_state_travel(self, cluster, order, live):
        web2 = cluster.add_instance("web2", memory=2048, min_memory=512, vcpus=3, state="paused")
        cluster["node1"].BalloonInstanceMemory(web2, 1000)
        begin(cluster, web2, live=live)
        cluster["node1"].BalloonInstanceMemory(web2, 700)
        poll(cluster, web2)
        cluster["node1"].BalloonInstanceMemory(web2, 600)
        finalize(cluster, web2, success=True, order=order, live=live)
        cluster.assert_paused("web2", on="node2", memory=600, vcpus=3)

    def test_a_file_that_somebody_else_has_spoilt_stops_no_migration(self, hv, put):
        web1 = hv.add_instance("web1", memory=4096, vcpus=2)
        hv.MigrateInstance("cluster", web1, "node2", True)
        put("web1", b"")
        assert hv.GetMigrationStatus(web1) == MigrationStatus(status="completed")
        hv.FinalizeMigrationSource(web1, True, True)
        assert hv.ListInstances() == []

    @pytest.mark.parametrize("live", [True, False])
    def test_an_instance_that_was_paused_before_stays_so(self, cluster, live):
        web2 = cluster.add_instance("web2", state="paused")
        begin(cluster, web2, live=live)
        finalize(cluster, web2, success=False, live=live)
        cluster.assert_paused("web2", on="node1")

    def test_what_was_started_paused_since_is_not_woken_by_a_late_abort(self, cluster, web1):
        begin(cluster, web1, live=False)
        finalize(cluster, web1, success=False, live=False)
        cluster["node1"].StopInstance(web1)
        cluster["node1"].StartInstance(web1, [], True)
        finalize(cluster, web1, success=False, live=False)
        cluster.assert_paused("web1", on="node1")

    def test_a_non_live_one_whose_instance_is_gone_is_aborted_all_the_same(self, cluster, web1):
        begin(cluster, web1, live=False)
        cluster["node1"].StopInstance(web1)
        finalize(cluster, web1, success=False, live=False)
        assert cluster.placement() == {}

    def test_an_old_migrations_memory_does_not_come_back(self, cluster, web1):
        cluster["node1"].BalloonInstanceMemory(web1, 700)
        cluster.migrate("web1", to="node2")
        cluster["node2"].StopInstance(web1)
        cluster["node2"].FinalizeMigrationDst(web1, "", True)
        cluster.assert_running("web1", on="node2", memory=4096)

    def test_there_and_back(self, cluster, web1):
        cluster.migrate("web1", to="node2")
        cluster["node2"].BalloonInstanceMemory(web1, 700)
        cluster.migrate("web1", to="node1")
        cluster.assert_running("web1", on="node1", memory=700)
        assert cluster.migrations == [
            record("completed", polls=1, duration=1.0, **FINALIZED),
            record(
                "completed",
                number=2,
                source="node2",
                target="node1",
                polls=1,
                started=1.0,
                duration=1.0,
                total_ram=700,
                **FINALIZED,
            ),
        ]


class TestRecords:
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
        assert replace(cluster.migrations[-1], number=1, started=0.0) == by_hand[0]

    def test_a_failover_is_no_migration(self, cluster):
        cluster.failover("web1", to="node2")
        assert cluster.migrations == []


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
            ({"name": "node4", "memory": 0}, "memory must be a positive integer, not 0"),
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


def in_threads(function, times=4):
    """Run a function in several threads at once, and return what it raised in words."""
    together = threading.Barrier(times)

    def run():
        together.wait()
        function()

    with ThreadPoolExecutor(times) as pool:
        raised = [each.exception() for each in [pool.submit(run) for _ in range(times)]]
    return [f"{type(each).__name__}: {each}" for each in raised if each]


def taking(waiting, function):
    """Return a function that calls another with each thing that waits, until nothing does."""

    def take():
        with suppress(queue.Empty):
            while True:
                function(*waiting.get_nowait())

    return take


class TestThreads:
    SCRIPTS = (
        None,
        {"dirty_rate": 512},
        {"outcome": "failed", "at": 0.6},
        {"outcome": "cancelled", "polls": 3},
        {"dirty_rate": 5000, "postcopy": 1},
    )

    @pytest.mark.parametrize("live", [True, False])
    def test_four_drain_a_node_of_twenty_instances_at_once(self, root, live):
        names = [f"web{number}" for number in range(20)]
        scripts = self.SCRIPTS if live else self.SCRIPTS[:-1]
        outcomes, waiting, results = {}, queue.SimpleQueue(), []
        cluster = FakeCluster(root, *NODES)
        for number, name in enumerate(names):
            cluster.add_instance(name, memory=100 * (number + 1))
            script = scripts[number % len(scripts)]
            if script:
                cluster.script_migration(name, **script)
            outcomes[name] = (script or {}).get("outcome", "completed")
            waiting.put((name, ["node2", "node3"][number % 2]))

        def drain(name, target):
            results.append(cluster.migrate(name, to=target, live=live))

        assert in_threads(taking(waiting, drain)) == []
        found = {each.instance: each for each in results}
        assert {name: found[name].outcome for name in names} == outcomes
        assert cluster.placement() == {
            name: ["node2", "node3"][number % 2] if outcomes[name] == "completed" else "node1"
            for number, name in enumerate(names)
        }
        for number, name in enumerate(names):
            cluster.assert_running(name, memory=100 * (number + 1))
        records = cluster.migrations
        assert [each.number for each in records] == list(range(1, 21))
        assert {each.instance: each.outcome for each in records} == outcomes
        assert {each.instance: each.polls for each in records} == {name: found[name].polls for name in names}
        assert all(each.migrated == (each.outcome == "completed") for each in records)

    def test_of_many_that_begin_to_migrate_one_instance_one_wins(self, cluster, web1):
        assert (
            in_threads(lambda: begin(cluster, web1))
            == ["HypervisorError: Failed to migrate instance web1: already migrating to node2"] * 3
        )
        assert cluster.migrations == [record("active")]

    def test_of_many_that_end_one_migration_one_wins(self, cluster, web1):
        cluster.script_migration("web1")
        begin(cluster, web1)
        assert (
            in_threads(lambda: cluster.fail_migration("web1"))
            == ["DeclarationError: 'web1' is not migrating; nothing is"] * 3
        )

    def test_a_target_that_crashes_meanwhile_has_nothing_running(self, root):
        names = [f"web{number}" for number in range(20)]
        cluster = FakeCluster(root, *NODES, instances=[InstanceSpec(name) for name in names])
        waiting = queue.SimpleQueue()
        for name in names:
            waiting.put((lambda name=name: cluster.migrate(name, to="node2"),))
            if name == "web9":
                waiting.put((cluster["node2"].crash,))
        assert in_threads(taking(waiting, lambda work: work())) == []
        assert set(cluster.placement().values()) <= {"node1"}
        moved = {each.instance for each in cluster.migrations if each.finalized_on_source}
        assert set(cluster.placement()) == set(names) - moved
        assert all(each.outcome == "completed" for each in cluster.migrations if each.finalized_on_source)
