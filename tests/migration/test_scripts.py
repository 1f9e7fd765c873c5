"""How migrations are scripted: what comes of each script, and what is said of a wrong one."""

import errno
import os
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import pytest
from migrating import ABORTED, FINALIZED, NODES, WEB1, begin, finalize, message, poll, record

from pytest_fakehv import FakeCluster, HypervisorError, MigrationSpec, MigrationStatus
from pytest_fakehv.storage.disk import Disk


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

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize("trouble", ["target", "source"])
    def test_one_that_failed_but_moved_has_plainly_failed_where_nothing_can_move(
        self, tmp_path, monkeypatch, trouble, live
    ):
        """The target can't take it, or the source can't let it go: the copy stays where it was."""
        cluster = FakeCluster(tmp_path, *NODES, clock="manual")
        web1 = cluster.add_instance("web1")
        cluster.script_migration("web1", outcome="failed_but_moved", at=0.5)
        begin(cluster, web1, live=live)
        if trouble == "target":
            cluster["node2"].ListInstances()
            os.rmdir(cluster["node2"].root)
        else:

            def refuse(path):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

            monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "unlink": refuse}))
        cluster.clock.advance(10)
        monkeypatch.undo()
        assert [(each.outcome, each.migrated) for each in cluster.migrations] == [("failed", False)]
        assert cluster["node1"].runs("web1")
        assert cluster["node1"].instances["web1"].paused is not live
        cluster["node1"].FinalizeMigrationSource(web1, False, live)
        assert not cluster["node1"].instances["web1"].paused

    @pytest.mark.parametrize("live", [True, False])
    def test_one_that_failed_but_moved_takes_memory_and_state_along(self, cluster, live):
        web2 = cluster.add_instance("web2", memory=2048, min_memory=512, vcpus=3, state="paused")
        cluster.script_migration("web2", outcome="failed_but_moved", polls=1)
        begin(cluster, web2, live=live)
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
        assert cluster.migrations == [
            record("failed", polls=1, duration=1.0, transferred_ram=1024, migrated=True)
        ]

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
        [("", "it is empty"), ("a/b", "it contains '/'")],
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

    def test_a_spec_takes_the_instance_itself_for_its_name(self):
        assert MigrationSpec(WEB1.instance()) == MigrationSpec("web1")

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
        hv._shared.traffic.scripts.add(MigrationSpec("web1", outcome="failed_but_moved", at=0), "here")
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
