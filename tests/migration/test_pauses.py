"""An instance that is paused, or resumed, in the middle of a migration."""

import pytest
from migrating import WEB1, begin, finalize, message, poll

from pytest_fakehv import FakeCluster, InstanceSpec, NodeSpec


class TestConverging:
    """A paused instance writes nothing: what is left is sent once."""

    def test_one_that_would_never_end(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=2048)
        begin(cluster, web1)
        poll(cluster, web1, 5)
        cluster.pause("web1")
        assert [each[0] for each in poll(cluster, web1, 4)] == ["active", "active", "active", "completed"]
        finalize(cluster, web1, success=True)
        cluster.assert_paused("web1", on="node2")
        (migration,) = cluster.migrations
        assert (migration.duration, migration.transferred_ram, migration.downtime) == (9, 9216, 0)

    def test_one_that_would_have_stopped_it_in_the_end(self, cluster, web1):
        """Of the first 1024 MiB, 512 are to be sent again: 3584 are left, and it is paused anyway."""
        cluster.script_migration("web1", dirty_rate=512)
        begin(cluster, web1)
        poll(cluster, web1)
        cluster.pause("web1")
        assert [each[0] for each in poll(cluster, web1, 4)] == ["active", "active", "active", "completed"]
        (migration,) = cluster.migrations
        assert (migration.duration, migration.transferred_ram, migration.downtime) == (4.5, 4608, 0)

    def test_resumed_it_goes_on_as_before(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=2048)
        begin(cluster, web1)
        poll(cluster, web1, 5)
        cluster.pause("web1")
        poll(cluster, web1, 1)
        cluster.resume("web1")
        assert {each[0] for each in poll(cluster, web1, 20)} == {"active"}
        cluster.pause("web1")
        assert [each[0] for each in poll(cluster, web1, 2)] == ["active", "active"]
        cluster.assert_paused("web1", on="node1")

    def test_resumed_it_takes_as_long_as_without(self, manual, web1):
        manual.script_migration("web1", dirty_rate=512)
        durations = []
        for pauses in (False, True):
            begin(manual, web1)
            manual.clock.advance(1)
            if pauses:
                manual.pause("web1")
                manual.clock.advance(1)
                manual.resume("web1")
            manual.clock.advance(60)
            assert poll(manual, web1)[0][0] == "completed"
            durations.append(manual.migrations[-1].duration)
            finalize(manual, web1, success=False)
        assert durations[0] == durations[1] > 4

    @pytest.mark.parametrize(
        "script",
        [{"polls": 5}, {"at": 0.5}, {"outcome": "failed"}, {"outcome": "cancelled"}, {"postcopy": 0}, None],
    )
    def test_where_something_else_says_when_it_ends(self, manual, web1, script):
        if script:
            manual.script_migration("web1", dirty_rate=512, **script)
        ends = []
        for pauses in (False, True):
            begin(manual, web1)
            if pauses:
                manual.pause("web1")
            polls = 1
            while poll(manual, web1)[0][0] == "active":
                manual.clock.advance(0.5)
                polls += 1
            ends.append(polls)
            finalize(manual, web1, success=False)
            manual.add_instance("web1") if not manual.placement() else manual.resume("web1")
        assert ends[0] == ends[1]

    def test_one_that_goes_on_as_postcopy_meanwhile_stays_so(self, cluster, web1):
        cluster.script_migration("web1", dirty_rate=2048)
        begin(cluster, web1)
        poll(cluster, web1, 5)
        cluster.pause("web1")
        cluster.start_postcopy("web1")
        cluster.resume("web1")
        statuses = poll(cluster, web1, 4)
        assert [each[3] for each in statuses] == [*["postcopy-active"] * 3, None]


class TestWhatArrives:
    @pytest.mark.parametrize("when", ["under way", "completed"])
    @pytest.mark.parametrize("order", [("source", "target"), ("target", "source")])
    def test_it_is_paused_on_the_target_if_it_was_on_the_source(self, cluster, web1, when, order):
        begin(cluster, web1)
        if when == "under way":
            cluster.pause("web1")
        poll(cluster, web1)
        if when == "completed":
            cluster.pause("web1")
        finalize(cluster, web1, success=True, order=order)
        cluster.assert_paused("web1", on="node2")

    def test_it_runs_where_it_was_resumed_on_the_source(self, root):
        cluster = FakeCluster(root)
        web1 = cluster.add_instance("web1", state="paused")
        begin(cluster, web1)
        cluster.resume("web1")
        poll(cluster, web1)
        finalize(cluster, web1, success=True)
        cluster.assert_running("web1", on="node2")

    def test_aborted_it_stays_as_it_is(self, cluster, web1):
        begin(cluster, web1)
        cluster.pause("web1")
        cluster.cancel_migration("web1")
        finalize(cluster, web1, success=False)
        cluster.assert_paused("web1", on="node1")

    def test_between_the_finalizes_it_is_on_the_target(self, cluster, web1):
        begin(cluster, web1)
        poll(cluster, web1)
        cluster["node2"].FinalizeMigrationDst(web1, "", True)
        cluster.pause("web1")
        assert [cluster[node].instances["web1"].paused for node in ("node1", "node2")] == [False, True]
        cluster["node1"].FinalizeMigrationSource(web1, True, True)
        cluster.assert_paused("web1", on="node2")

    def test_on_its_way_it_is_nowhere(self, cluster, web1):
        begin(cluster, web1)
        poll(cluster, web1)
        cluster["node1"].FinalizeMigrationSource(web1, True, True)
        for deed in (cluster.pause, cluster.resume):
            assert message(deed, "web1").startswith("web1 runs nowhere; nothing runs; last call: Finalize")


class TestNonLive:
    def test_it_stays_paused_for_it(self, cluster, web1):
        begin(cluster, web1, live=False)
        cluster.pause("web1")  # as it is
        said = "'web1' stays paused until its non-live migration to node2 is finalized on node1"
        for place in (cluster, cluster["node1"]):
            assert message(place.resume, "web1") == said
        cluster.cancel_migration("web1")
        assert message(cluster.resume, "web1") == said
        finalize(cluster, web1, success=False, live=False)
        cluster.assert_running("web1", on="node1")
        cluster.resume("web1")
        assert [each.what for each in cluster.timeline().steps if each.mark == "test"] == ["cancel_migration"]

    def test_on_the_target_it_runs_again(self, cluster, web1):
        begin(cluster, web1, live=False)
        poll(cluster, web1)
        finalize(cluster, web1, success=True, order=("target", "source"), live=False)
        cluster.assert_running("web1", on="node2")
        cluster.pause("web1")
        cluster.resume("web1")
        cluster.assert_running("web1", on="node2")

    def test_after_one_that_nobody_has_ended_it_arrives_paused(self, cluster, web1):
        begin(cluster, web1, live=False)
        cluster.fail_migration("web1")
        begin(cluster, web1)
        poll(cluster, web1)
        finalize(cluster, web1, success=True)
        cluster.assert_paused("web1", on="node2")

    def test_what_nobody_is_to_finalize_can_be_resumed(self, tmp_path):
        """What a file says of a migration that nobody knows of."""
        (tmp_path / "node1").mkdir()
        (tmp_path / "node1" / "web1").write_text("0\n4096\n2\nmigrating\n")
        cluster = FakeCluster(tmp_path, NodeSpec("node1"))
        cluster.instance("web1")
        cluster.assert_paused(WEB1.instance())
        cluster.resume("web1")
        cluster.assert_running("web1", memory=4096, vcpus=2)


@pytest.mark.parametrize("before", ["running", "paused"])
def test_what_arrives_is_what_has_left_not_what_was_started_there_anew(before):
    cluster = FakeCluster.in_memory(instances=[InstanceSpec("web1", memory=8192, state=before)])
    node1, node2 = cluster
    web1 = cluster.instance("web1")
    node2.AcceptInstance(web1, "", "node2")
    node1.MigrateInstance("cluster", web1, "node2", True)
    node1.GetMigrationStatus(web1)
    node1.FinalizeMigrationSource(web1, True, True)
    node1.StartInstance(cluster.instance("web1", memory=1024), [], before == "running")
    node2.FinalizeMigrationDst(web1, "", True)
    assert (node2.instances["web1"].memory, node2.instances["web1"].paused) == (8192, before == "paused")
