"""What a migration leaves where once it is finalized on both sides."""

import errno
import os
from types import SimpleNamespace

import pytest
from migrating import ABORTED, FINALIZED, NODES, WEB1, begin, finalize, poll, record

from pytest_fakehv import FakeCluster, MigrationStatus
from pytest_fakehv.storage.disk import Disk

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

    def test_nor_does_it_stop_an_abort_that_would_let_it_run_again(self, hv, put):
        web1 = hv.add_instance("web1")
        hv.MigrateInstance("cluster", web1, "node2", False)
        put("web1", b"")
        hv.FinalizeMigrationSource(web1, False, False)
        assert hv.migrations[0].finalized_on_source is False

    def test_nor_does_an_instance_that_goes_meanwhile(self, cluster, web1, monkeypatch):
        begin(cluster, web1, live=False)
        store = cluster["node1"]._inner.store

        def change(path, decide):
            store.remove(path)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

        monkeypatch.setattr(store, "change", change)
        finalize(cluster, web1, success=False, live=False)
        assert cluster.placement() == {}

    def test_a_file_that_can_not_be_read_stops_no_migration(self, tmp_path, monkeypatch):
        """What the instance was before arrives."""
        cluster = FakeCluster(tmp_path, *NODES, instances=[WEB1])
        web1 = cluster.instance("web1")
        begin(cluster, web1)

        def fail(*_arguments):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "pread": fail}))
        assert poll(cluster, web1) == [("completed", None, None, None)]
        monkeypatch.undo()
        finalize(cluster, web1, success=True)
        cluster.assert_running("web1", on="node2", memory=4096, vcpus=2)

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
