"""Who is to blame, where it is not plain: calls that come late or twice, other programs, lost nodes."""

import errno
import os
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, InstanceSpec, NodeSpec
from pytest_fakehv.storage.disk import Disk


def test_an_instance_that_arrived_and_was_aborted_is_still_missed(cluster, master):
    master.begin()
    master.end_target()
    master.end_target(success=False)
    master.end_source()
    assert [each.invariant for each in cluster.violations()] == ["vanished"]


def test_a_stop_of_long_ago_excuses_nothing(cluster, master):
    assert cluster.migrate("web1", to="node2").outcome == "completed"
    master.target.StopInstance(master.web1)
    master.source.StartInstance(master.web1, [], False)
    cluster.fault("FinalizeMigrationDst")
    cluster.migrate("web1", to="node2")
    assert "vanished" in {each.invariant for each in cluster.violations()}


def test_a_stop_before_the_last_arrival_excuses_nothing(cluster, master):
    """The source's copy goes while that on the target was aborted, not stopped."""
    assert cluster.migrate("web1", to="node2").outcome == "completed"
    master.target.StopInstance(master.web1)
    master.source.StartInstance(master.web1, [], False)
    master.begin()
    master.end_target()
    master.end_target(success=False)
    master.end_source()
    assert [each.invariant for each in cluster.violations()] == ["vanished"]


def test_a_finalize_of_long_ago_excuses_nothing(cluster, master):
    assert cluster.migrate("web1", to="node2").outcome == "completed"
    master.target.StopInstance(master.web1)
    master.source.StartInstance(master.web1, [], False)
    master.end_source()
    assert [each.invariant for each in cluster.violations()] == ["unearned", "vanished"]


def test_a_second_finalize_that_starts_it_again_is_unearned(cluster, master):
    assert cluster.migrate("web1", to="node2").outcome == "completed"
    master.target.StopInstance(master.web1)
    master.end_target()
    assert [each.what for each in cluster.violations()] == [
        "the migration of web1 was finalized with success on node2, though it was finalized there before"
    ]


def test_a_pause_that_outlives_its_migration_is_not_finished(cluster, master):
    """A non-live migration that failed is tried again without an abort: web1 arrives, and stays paused."""
    cluster.script_migration("web1", outcome="failed", polls=1, times=1)
    for _ in range(2):
        cluster["node2"].AcceptInstance(master.web1, "", "node2")
        cluster["node1"].MigrateInstance("cluster", master.web1, "node2", False)
        cluster["node1"].GetMigrationStatus(master.web1)
    cluster["node1"].FinalizeMigrationSource(master.web1, True, False)
    cluster["node2"].FinalizeMigrationDst(master.web1, "", True)
    cluster.assert_paused("web1", on="node2")
    assert [each.what for each in cluster.violations()] == [
        "the migration of web1 from node1 to node2 is not finalized on node1"
    ]


WRONG_AT_ANY_TIME = {"split-brain", "double-start", "unearned"}
"""The others look, in the middle of a migration, at what is still to come."""


def kinds(cluster):
    return [each.invariant for each in cluster.violations()]


def test_a_migration_that_is_over_can_not_be_finalized_into_another(cluster, master):
    """Neither after it was aborted on both, nor there and back again."""
    master.begin()
    master.end_target(success=False)
    master.end_source(success=False)
    master.end_source()
    master.end_target()
    assert [each.what for each in cluster.violations()] == [
        "the migration of web1 was aborted on node2, though its status said completed",
        *(
            f"the migration of web1 was finalized with success on {node}, though it was aborted there before"
            for node in ("node1", "node2")
        ),
    ]


@pytest.mark.parametrize("befall", ["crash", "disconnect"])
def test_what_was_lost_stays_so_whatever_becomes_of_the_target(cluster, master, befall):
    master.begin()
    master.end_source()
    master.end_target(success=False)
    assert kinds(cluster) == ["vanished"]
    getattr(cluster["node2"], befall)()
    assert kinds(cluster) == ["vanished"]


def test_a_new_accept_is_not_covered_by_a_migration_that_was_aborted_there(cluster, master):
    master.accept()
    master.migrate()
    master.end_target(success=False)
    cluster["node1"].disconnect()
    master.accept()
    assert [each.what for each in cluster.violations()] == [
        "web1 was accepted on node2 and neither migrated nor aborted"
    ]


def test_a_second_finalize_on_the_source_ends_no_accept_there(cluster, master):
    """It is of the way there; what was accepted since is for the way back."""
    cluster.migrate("web1", to="node2")
    master.source.AcceptInstance(master.web1, "", "node1")
    for success in (True, False):
        master.end_source(success=success)
        assert [each.what for each in cluster.violations()] == [
            "web1 was accepted on node1 and neither migrated nor aborted"
        ]


def test_an_accept_that_went_down_with_its_node_counts_once(cluster, master):
    master.accept()
    cluster["node2"].crash()
    cluster["node2"].boot()
    master.migrate()
    master.end_source(success=False)
    master.migrate()
    assert master.status() == "completed"
    master.end_source()
    master.end_target()
    why = "though node2 had not accepted the instance"
    assert [each.what for each in cluster.violations()] == [
        f"the migration of web1 was finalized with success on {node}, {why}" for node in ("node1", "node2")
    ]


def test_an_abort_is_quiet_though_the_status_of_an_earlier_migration_said_completed(cluster):
    cluster.migrate("web1", to="node2")
    cluster.migrate("web1", to="node1")
    cluster.script_migration("web1", outcome="failed")
    assert cluster.migrate("web1", to="node2").outcome == "failed"
    cluster.assert_consistent()


@pytest.mark.parametrize("sides", [("target", "source"), ("source", "target")])
def test_what_is_stopped_after_its_status_said_completed_may_be_aborted(cluster, master, sides):
    """Finalized with success, it would run again."""
    master.begin()
    master.source.StopInstance(master.web1)
    for side in sides:
        (master.end_target if side == "target" else master.end_source)(success=False)
    cluster["node3"].StartInstance(master.web1, [], False)
    assert (cluster.violations(), cluster.placement()) == ([], {"web1": "node3"})


def test_a_stop_that_failed_excuses_no_abort(cluster, master):
    master.begin()
    cluster.fault("StopInstance", times=1)
    with pytest.raises(HypervisorError):
        master.source.StopInstance(master.web1)
    master.end_target(success=False)
    master.end_source(success=False)
    assert [each.invariant for each in cluster.violations()] == ["unearned"]


def test_what_is_lost_in_postcopy_with_a_power_cycle_of_the_target_has_not_vanished(cluster, master):
    cluster.script_migration("web1", bandwidth=1, postcopy=0)
    master.accept()
    master.migrate()
    master.target.PowercycleNode()
    master.end_source(success=False)
    assert cluster.placement() == {}
    cluster.assert_consistent()


def test_an_accept_that_went_down_with_its_node_does_not_count_once_it_is_aborted(cluster, master):
    master.accept()
    cluster["node2"].crash()
    cluster["node2"].boot()
    master.end_target(success=False)
    master.migrate()
    assert master.status() == "completed"
    master.end_target()
    master.end_source()
    why = "though node2 had not accepted the instance"
    assert [each.what for each in cluster.violations()] == [
        f"the migration of web1 was finalized with success on {node}, {why}" for node in ("node2", "node1")
    ]


def test_a_late_second_finalize_of_an_earlier_migration_is_quiet(cluster, master):
    """It comes while the next migration is between its two finalizes."""
    assert cluster.migrate("web1", to="node2").outcome == "completed"
    assert cluster.migrate("web1", to="node1").outcome == "completed"
    master.begin()
    master.end_target()
    cluster["node1"].FinalizeMigrationDst(master.web1, "", True)
    master.end_source()
    assert kinds(cluster) == []


def test_a_second_finalize_after_a_powercycle_changes_nothing_and_is_quiet(cluster, master):
    master.begin()
    master.end_target()
    cluster["node2"].PowercycleNode()
    with pytest.raises(HypervisorError, match="its memory has not arrived"):
        master.end_target()
    master.end_source()
    assert kinds(cluster) == []


def test_what_a_stop_takes_that_another_call_makes_has_not_vanished(root):
    class Tidy(FakeHypervisor):
        def CleanupInstance(self, instance_name):
            self.StopInstance(None, name=instance_name)

    cluster = FakeCluster(root, hypervisor=Tidy, instances=[InstanceSpec("web1")])
    cluster["node1"].CleanupInstance("web1")
    assert kinds(cluster) == []


def test_what_another_program_moves_is_nobodys_fault(tmp_path):
    cluster = FakeCluster(tmp_path / "c", instances=[InstanceSpec("web1", node="node2")])
    os.rename(f"{cluster['node2'].root}/web1", f"{cluster['node1'].root}/web1")
    assert kinds(cluster) == []


def test_what_another_program_stops_may_be_started_elsewhere(tmp_path):
    cluster = FakeCluster(tmp_path / "c", instances=[InstanceSpec("web1", node="node1")])
    os.unlink(f"{cluster['node1'].root}/web1")
    cluster["node2"].StartInstance(cluster["node1"].instance("web1"), [], False)
    # The place that is gone is forgotten: what takes it from node2 takes all there is.
    cluster["node2"].FinalizeMigrationSource(cluster["node1"].instance("web1"), True, True)
    assert kinds(cluster) == ["unearned", "vanished"]


def test_a_root_that_is_gone_holds_nothing(tmp_path):
    cluster = FakeCluster(tmp_path / "c", instances=[InstanceSpec("web1", node="node1")])
    shutil.rmtree(cluster["node1"].root)
    cluster["node2"].StartInstance(cluster["node2"].instance("web1"), [], False)
    assert kinds(cluster) == []


def test_looking_does_not_deadlock_with_migrations_nor_blame_them(root):
    """One thread migrates back and forth, the other one looks; neither may keep this one waiting."""
    cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
    found = []
    done = threading.Event()

    def move():
        for to in ("node2", "node1") * 100:
            cluster.migrate("web1", to=to)
        done.set()

    def look():
        while not done.is_set():
            found.extend(each for each in cluster.violations() if each.invariant in WRONG_AT_ANY_TIME)

    threads = [threading.Thread(target=work, daemon=True) for work in (move, look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert found == []
    assert kinds(cluster) == []


def test_a_postcopy_that_only_says_that_it_failed_can_be_killed_all_the_same(cluster, master):
    cluster.script_migration("web1", outcome="failed_but_moved", postcopy=0)
    assert master.begin() == "failed"
    cluster.assert_running("web1", on="node2")
    master.end_target(success=False)
    master.end_source(success=False)
    assert kinds(cluster) == ["vanished"]


def test_a_finalize_where_nothing_began_and_nothing_changes_is_quiet(cluster):
    node1, node2, _ = cluster
    web1 = node1.instance("web1")
    node1.FinalizeMigrationDst(web1, "", True)
    node2.FinalizeMigrationSource(web1, True, True)
    cluster.assert_running("web1", on="node1")
    cluster.assert_consistent()


def test_a_finalize_that_failed_and_was_tried_again_is_quiet(cluster, master):
    for method in ("FinalizeMigrationSource", "FinalizeMigrationDst"):
        cluster.fault(method, times=1)
    master.begin()
    for end in (master.end_source, master.end_target):
        with pytest.raises(HypervisorError):
            end()
    master.end_target()
    master.end_source()
    cluster.assert_consistent()


def test_a_finalize_that_was_done_as_its_node_went_down_is_tried_again_once(cluster, master):
    """Its caller was told that it failed: what it starts then is no second success, as any after that is."""
    cluster.fault("FinalizeMigrationDst", when="after", crash=True, times=1)
    master.begin()
    master.end_source()
    with pytest.raises(HypervisorError):
        master.end_target()
    cluster["node2"].boot()
    master.end_target()
    cluster.assert_running("web1", on="node2")
    cluster.assert_consistent()
    cluster["node2"].crash()
    with pytest.raises(HypervisorError):
        master.end_target()
    cluster["node2"].boot()
    master.end_target()
    assert [(each.invariant, each.call.number) for each in cluster.violations()] == [
        ("unearned", cluster.journal.total)
    ]


@pytest.mark.parametrize("steps", [0, 3, 4, 5])
def test_a_node_that_is_taken_out_is_quiet(cluster, master, steps):
    cluster.add_instance("web2", node="node1")
    calls = (master.info, master.accept, master.migrate, master.status, master.end_source)
    for step in calls[:steps]:
        step()
    if steps == 3:
        cluster.fail_migration("web1")
    cluster.remove_node("node2")
    if steps in (3, 4):
        master.end_source(success=False)
    cluster.assert_consistent()
    cluster.add_node("node2")
    cluster.assert_consistent()


def test_what_a_node_that_is_cut_off_left_open_is_reported_once_it_answers(cluster, master):
    master.begin()
    cluster["node2"].disconnect()
    master.end_source()
    with pytest.raises(HypervisorError):
        master.end_target()
    cluster.assert_consistent()
    cluster["node2"].reconnect()
    assert [each.invariant for each in cluster.violations()] == ["vanished", "unfinished"]
    master.end_target()
    cluster.assert_consistent()


def test_a_migration_to_a_node_that_is_down_is_refused(cluster, master):
    master.accept()
    cluster["node2"].crash()
    with pytest.raises(HypervisorError, match="the target 'node2' is down"):
        master.migrate()
    master.end_source(success=False)
    cluster.assert_running("web1", on="node1")
    cluster.assert_consistent()


def test_what_other_programs_do_to_the_files_is_nobodys_fault(cluster):
    Path(cluster["node1"].root, "web1").unlink()
    Path(cluster["node2"].root, "web2").write_text("0\n512\n1\n")
    Path(cluster["node2"].root, "bad").write_text("?")
    cluster.assert_consistent()


def test_a_node_goes_down_with_what_another_program_has_put_there(cluster):
    Path(cluster["node1"].root, "db1").write_text("0\n512\n1\n")
    cluster["node1"].crash()
    assert cluster.placement() == {}
    cluster.assert_consistent()


def test_an_abort_of_what_another_program_has_taken_away_everywhere_is_quiet(cluster, master):
    master.begin()
    master.end_target()
    for node in ("node1", "node2"):
        Path(cluster[node].root, "web1").unlink()
    master.end_source(success=False)
    assert cluster.placement() == {}
    cluster.assert_consistent()


@pytest.mark.parametrize("overcommit", [True, False])
def test_a_root_that_the_test_has_removed_is_quiet(tmp_path, overcommit):
    hv = FakeHypervisor(tmp_path / "root", spec=NodeSpec("node1", overcommit=overcommit))
    hv.add_instance("web1")
    shutil.rmtree(hv.root)
    hv.assert_consistent()


def test_a_cluster_that_was_not_used_is_quiet_and_its_nodes_roots_are_not_made(tmp_path):
    FakeCluster(tmp_path).assert_consistent()
    assert list(tmp_path.iterdir()) == []


class TestAlone:
    """A node of no cluster knows nothing of the other side."""

    @pytest.mark.parametrize("success", [True, False])
    def test_a_source_is_quiet(self, tmp_path, success):
        hv = FakeHypervisor(tmp_path)
        web1 = hv.add_instance("web1")
        hv.MigrateInstance("cluster", web1, "elsewhere", True)
        assert hv.GetMigrationStatus(web1).status == "completed"
        hv.FinalizeMigrationSource(web1, success, True)
        assert hv.runs("web1") != success
        hv.assert_consistent()

    @pytest.mark.parametrize("success", [True, False])
    def test_a_target_is_quiet(self, tmp_path, success):
        hv = FakeHypervisor(tmp_path)
        web1 = hv.instance("web1")
        hv.AcceptInstance(web1, "", "here")
        hv.FinalizeMigrationDst(web1, "", success)
        assert hv.runs("web1") == success
        hv.assert_consistent()

    def test_what_it_leaves_open_is_seen(self, tmp_path):
        hv = FakeHypervisor(tmp_path)
        hv.AcceptInstance(hv.instance("web1"), "", "here")
        (found,) = hv.violations()
        assert found.what == "web1 was accepted on localhost and neither migrated nor aborted"


def test_a_power_cycle_that_failed_for_lack_of_a_root_excuses_nothing(cluster, master):
    """Nothing went down: what the node had got ready for is still to be brought to an end."""
    master.target.AcceptInstance(master.web1, "", "node2")
    root = master.target.root
    shutil.rmtree(root)
    with pytest.raises(HypervisorError) as caught:
        master.target.PowercycleNode()
    assert str(caught.value) == f"Failed to powercycle the node: No such file or directory: {root!r}"
    assert [each.what for each in cluster.violations()] == [
        "web1 was accepted on node2 and neither migrated nor aborted"
    ]


def test_what_a_power_cycle_took_before_it_failed_went_down_with_the_node(cluster, master, monkeypatch):
    """What can't be removed runs on; in which order it is removed, nobody knows."""
    cluster.add_instance("web2", node="node1")
    gone = []

    def unlink(path):
        if gone:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        os.unlink(path)
        gone.append(Path(path).name)

    monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "unlink": unlink}))
    with pytest.raises(HypervisorError, match=r"^Failed to powercycle the node: Permission denied: "):
        master.source.PowercycleNode()
    with pytest.raises(AssertionError) as caught:
        cluster.assert_placement({"web1": "node1", "web2": "node1"})
    assert str(caught.value) == (
        "the placement is not as expected:\n"
        f"  {gone[0]}: nowhere (it went down with node1), expected on node1"
    )
