"""Which migrations begin, and what is said of those that can't."""

import threading
from dataclasses import replace

import pytest
from migrating import FINALIZED, NODES, WEB1, begin, finalize, message, poll, record

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, NodeSpec


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

    def test_one_that_has_completed_to_a_node_that_went_down_since_needs_no_end(self, cluster, web1):
        begin(cluster, web1)
        poll(cluster, web1)
        cluster["node2"].crash()
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

    @pytest.mark.parametrize("target", ["node4", ""])
    def test_to_an_unknown_target(self, cluster, web1, target):
        assert message(begin, cluster, web1, target=target, error=HypervisorError) == (
            f"Failed to migrate instance web1: the target {target!r} is no node's name or address"
        )

    def test_to_a_node_instead_of_its_name(self, cluster, web1):
        assert message(begin, cluster, web1, target=cluster["node2"], error=TypeError) == (
            "MigrateInstance takes the target's address or name, not <FakeHypervisor node2>"
        )
        assert cluster.migrations == []

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

    REFUSED = "node2 does not overcommit: 4096 MiB are needed, 3000 MiB are free"

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
                "node2 does not overcommit: 3000 MiB are needed, 2999 MiB are free"
            )
        assert cluster.placement() == {"web1": "node1", "web2": "node2"}
        assert cluster.migrations[0].finalized_on_target is None
        cluster["node2"].StopInstance(None, name="web2")
        finalize(cluster, web1, success=True)
        cluster.assert_running("web1", on="node2", memory=3000)


def test_to_a_node_that_goes_down_while_a_class_of_its_own_is_asked():
    class Own(FakeHypervisor):
        asked = 0

        def _InstanceFile(self, instance_name):
            self.asked += 1
            if self.asked == 2:
                crash = threading.Thread(target=self.cluster["node2"].crash)
                crash.start()
                crash.join()
            return super()._InstanceFile(instance_name)

    cluster = FakeCluster.in_memory(hypervisor=Own)
    web1 = cluster.add_instance("web1", node="node1")
    cluster["node1"].asked = 0
    assert message(begin, cluster, web1, error=HypervisorError) == (
        "Failed to migrate instance web1: the target 'node2' is down"
    )
    assert cluster.migrations == []
