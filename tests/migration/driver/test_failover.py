"""The reference driver fails over: it stops here and starts there."""

from types import SimpleNamespace

import pytest
from breakable import BEGIN, LIST, START, STOP, Slow, broke, calls, interrupt, make_fail, polled, result

from pytest_fakehv import DeclarationError, FakeCluster, InstanceSpec, NodeSpec


class TestFailover:
    def test_it_stops_here_and_starts_there(self, cluster):
        assert cluster.failover("web1", to="node2") == result("completed", live=False)
        cluster.assert_running("web1", on="node2", memory=4096)
        assert calls(cluster) == [LIST[0], *STOP, START]
        assert cluster.migrations == []

    def test_what_each_call_is_given(self, cluster):
        cluster.failover("web1", to="10.0.0.2")
        assert [(call.arguments, call.keywords) for call in cluster.journal] == [
            ((), {}),
            (("web1",), {}),
            ((), {}),
            (("web1",), {}),
            (("web1", [], False), {}),
        ]

    def test_the_instance_is_down_all_the_time(self, root):
        cluster = FakeCluster(root, hypervisor=Slow, clock="manual", instances=[InstanceSpec("web1")])
        assert cluster.failover("web1", to="node2") == result(
            "completed", live=False, downtime=15.0, duration=15.0
        )

    def test_how_long_it_is_down_after_a_failure_nobody_knows(self, root):
        cluster = FakeCluster(root, hypervisor=Slow, clock="manual", instances=[InstanceSpec("web1")])
        cluster["node2"].add_instance("web1")
        assert cluster.failover("web1", to="node2", source="node1") == result(
            "failed",
            live=False,
            duration=15.0,
            error="StartInstance on node2 raised HypervisorError: "
            "Failed to start instance web1: already running",
        )

    def test_an_instance_that_is_stopped_is_started_on_the_target(self, cluster):
        cluster.add_instance("web2", state="stopped")
        assert cluster.failover("web2", to="node2") == result("completed", instance="web2", live=False)
        assert cluster.placement() == {"web1": "node1", "web2": "node2"}
        assert calls(cluster) == [LIST[0], STOP[-1], START]

    def test_a_paused_instance_runs_afterwards(self, cluster):
        cluster.add_instance("web2", state="paused")
        cluster.failover("web2", to="node2")
        cluster.assert_running("web2", on="node2")

    def test_a_source_that_does_not_answer_stops_it_since_the_instance_may_run_there(self, cluster):
        cluster["node1"].disconnect()
        assert cluster.failover("web1", to="node2") == result(
            "failed", live=False, error="ListInstances on node1 raised NodeDownError: node1 does not answer"
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == LIST[:1]

    def test_a_source_that_is_down_stops_it_unless_that_is_known(self, cluster):
        cluster["node1"].crash()
        assert cluster.failover("web1", to="node2") == result(
            "failed", live=False, error="ListInstances on node1 raised NodeDownError: node1 does not answer"
        )
        assert cluster.failover("web1", to="node2", source_is_down=True) == result("completed", live=False)
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [LIST[0], START]

    def test_what_does_not_say_whether_the_source_is_down(self, cluster):
        with pytest.raises(DeclarationError) as caught:
            cluster.failover("web1", to="node2", source_is_down="no")
        assert str(caught.value) == "source_is_down must be one of True, False, not 'no'"
        assert len(cluster.journal) == 0

    def test_an_object_of_the_code_under_test_is_handed_on_as_it_is(self, cluster):
        """Its parameters count, whatever the test has declared."""
        beparams = {"minmem": 256, "maxmem": 256, "vcpus": 3}
        web1 = SimpleNamespace(name="web1", hvparams={}, beparams=beparams)
        cluster.failover(web1, to="node2")
        cluster.assert_running("web1", on="node2", memory=256, vcpus=3)

    def test_a_source_wrongly_said_to_be_down_splits_the_brain(self, cluster):
        cluster["node1"].disconnect()
        assert cluster.failover("web1", to="node2", source_is_down=True) == result("completed", live=False)
        assert cluster.placement() == {"web1": ("node1", "node2")}
        assert calls(cluster) == [START]

    @pytest.mark.parametrize(
        ("broken", "expected", "placement"),
        [
            (LIST[0], LIST[:1], "node1"),
            (STOP[0], [LIST[0], STOP[0]], "node1"),
            (STOP[-1], [LIST[0], *STOP], None),
            (START, [LIST[0], *STOP, START], None),
        ],
        ids=lambda value: value[1] if isinstance(value, tuple) else None,
    )
    def test_a_call_fails(self, cluster, broken, expected, placement):
        make_fail(cluster, broken)
        assert cluster.failover("web1", to="node2") == result("failed", live=False, error=broke(broken))
        assert cluster.placement() == ({"web1": placement} if placement else {})
        assert calls(cluster) == expected

    def test_an_instance_that_runs_on_both_nodes_is_stopped_on_the_source_alone(self, cluster):
        cluster["node2"].StartInstance(cluster["node1"].instance("web1"), [], False)
        cluster.journal.clear()
        assert cluster.failover("web1", to="node2") == result(
            "failed",
            live=False,
            error="StartInstance on node2 raised HypervisorError: "
            "Failed to start instance web1: already running",
        )
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [LIST[0], *STOP, START]

    def test_a_target_without_room_leaves_it_stopped(self, root):
        cluster = FakeCluster(
            root,
            NodeSpec("node1"),
            NodeSpec("node2", memory=1000, overcommit=False),
            instances=[InstanceSpec("web1")],
        )
        assert cluster.failover("web1", to="node2") == result(
            "failed",
            live=False,
            error="StartInstance on node2 raised HypervisorError: Failed to start instance web1: "
            "node2 does not overcommit: 1024 MiB are needed, 1000 MiB are free",
        )
        assert cluster.placement() == {}

    def test_a_guest_that_takes_no_notice_is_forced(self, cluster):
        cluster.hang("web1")
        assert cluster.failover("web1", to="node2") == result("completed", live=False)
        assert calls(cluster) == [LIST[0], *STOP[:2], STOP[0], STOP[-1], START]
        assert [call.arguments for call in cluster.journal.calls("StopInstance")] == [
            ("web1",),
            ("web1", True),
        ]
        cluster.assert_running("web1", on="node2")
        cluster.assert_consistent()

    def test_in_the_middle_of_a_migration_it_ends_that(self, cluster):
        interrupt(cluster, *BEGIN)
        assert cluster.failover("web1", to="node3") == result("completed", target="node3", live=False)
        assert [(each.outcome, each.reason) for each in cluster.migrations] == [
            ("failed", "web1 no longer runs on node1")
        ]
        assert cluster.migrate("web1", to="node2") == result("completed", source="node3", **polled(1))
