"""Faults that act: they take any node down, or do what the test's own function does."""

import asyncio
import functools
import threading

import pytest
from striking import declared, drive, fails
from workers import METHODS, crash_it, done_by, try_to_start, web

from pytest_fakehv import (
    FakeCluster,
    FakeHypervisor,
    FaultSpec,
    HypervisorError,
    InstanceSpec,
    NodeDownError,
    NodeSpec,
)


def rows(cluster):
    """Return what the timeline has, each with the node, and its mark."""
    return [(step.mark, step.what, step.node) for step in cluster.timeline().steps]


class TestCrash:
    @pytest.fixture(params=["name", "address", "itself"])
    def victim(self, request, node2):
        return {"name": "node2", "address": "192.0.2.2", "itself": node2}[request.param]

    def test_another_node_goes_down_and_the_call_goes_on(self, cluster, node1, node2, victim):
        node2.add_instance("web3")
        fault = cluster.fault("ListInstances", node="node1", crash=victim)
        assert sorted(node1.ListInstances()) == ["web1", "web2"]
        assert (node2.is_down, node1.is_down, fault.fired) == (True, False, 1)
        assert str(fault.spec) == "fault('ListInstances', node='node1', crash='node2')"
        assert cluster.violations() == []

    def test_what_declares_it_has_that_nodes_name(self, node2):
        assert FaultSpec("ListInstances", crash=node2).crash == "node2"

    def test_it_goes_on_as_it_would_with_that_node_down(self, cluster, node1, node2):
        cluster.fault("MigrateInstance", crash="node2")
        result = cluster.migrate("web1", to="node2")
        assert result.error.startswith(
            "MigrateInstance on node1 raised HypervisorError: Failed to migrate instance web1: "
            "the target '192.0.2.2' is down"
        )
        node1.assert_running("web1")
        cluster.assert_consistent()

    def test_after_the_effect(self, cluster, node1, node2):
        cluster.fault("FinalizeMigrationSource", crash="node2", when="after")
        cluster.migrate("web1", to="node2")
        cluster.assert_placement({"web1": None, "web2": "node1"})
        cluster.assert_consistent()

    def test_the_called_one_by_its_name_raises(self, cluster, node1, node2):
        cluster.fault("ListInstances", crash="node2")
        node1.ListInstances()
        node2.boot()
        with pytest.raises(NodeDownError, match=r"^node2 does not answer$"):
            node2.ListInstances()
        assert node2.is_down

    def test_with_an_error(self, cluster, node1, node2):
        cluster.fault("ListInstances", crash="node2", error="connection reset")
        with pytest.raises(HypervisorError, match=r"^connection reset$"):
            node1.ListInstances()
        assert node2.is_down

    def test_with_a_lie(self, cluster, node1, node2):
        cluster.fault("StopInstance", crash="node2", effect=False)
        node1.StopInstance(node1.instance("web1"))
        assert (node1.runs("web1"), node2.is_down) == (True, True)

    def test_a_lie_of_the_node_that_goes_down_is_not_told(self, cluster, node2):
        cluster.fault("ListInstances", crash="node2", result=[])
        with pytest.raises(NodeDownError, match=r"^node2 does not answer$"):
            node2.ListInstances()

    def test_a_node_may_name_another_one(self, node1, node2):
        node1.fault("ListInstances", crash="node2")
        node1.ListInstances()
        assert node2.is_down

    def test_a_node_on_its_own_may_name_itself(self, tmp_path):
        hv = FakeHypervisor(tmp_path, spec=NodeSpec("node1"))
        hv.fault("ListInstances", crash="node1")
        with pytest.raises(NodeDownError):
            hv.ListInstances()
        assert declared(hv.fault, "ListInstances", crash="node2") == (
            "no node is named 'node2'; there are: node1"
        )

    def test_one_that_has_left_the_cluster_stays_away(self, cluster, node1, node2):
        fault = cluster.fault("ListInstances", crash="node2")
        cluster.remove_node("node2")
        node1.ListInstances()
        assert fault.fired == 1

    def test_one_that_has_left_is_unknown(self, cluster, node2):
        node2.ListInstances()
        cluster.remove_node("node2")
        assert declared(cluster.fault, "ListInstances", crash="node2") == (
            "no node is named 'node2'; there are: node1"
        )

    def test_one_of_another_cluster(self, cluster):
        other = FakeCluster.in_memory()["node2"]
        assert declared(cluster.fault, "ListInstances", crash=other) == (
            "<FakeHypervisor node2> is a node of another cluster"
        )
        assert cluster.faults == []

    def test_the_report_has_it_where_it_happened(self, cluster, node1):
        node1.ListInstances()
        cluster.fault("GetNodeInfo", crash="node2")
        node1.GetNodeInfo()
        assert rows(cluster) == [
            ("call", "ListInstances", "node1"),
            ("crash", "crash", "node2"),
            ("fault", "GetNodeInfo", "node1"),
        ]


class TestCallback:
    def test_it_gets_the_call_before_its_effect(self, cluster, node1):
        seen = []
        fault = cluster.fault(
            "StopInstance", do=lambda call: seen.append((call, call.ended, cluster.placement()["web1"]))
        )
        assert node1.StopInstance(node1.instance("web1")) is None
        assert seen == [(cluster.journal[0], False, "node1")]
        assert (fault.fired, cluster.placement(), str(fault.spec)) == (
            1,
            {"web2": "node1"},
            f"fault('StopInstance', do={fault.spec.do.__qualname__})",
        )

    def test_or_after_it(self, cluster, node1):
        seen = []
        cluster.fault("StopInstance", when="after", do=lambda _call: seen.append(cluster.placement()))
        node1.StopInstance(node1.instance("web1"))
        assert seen == [{"web2": "node1"}]

    def test_what_it_returns_does_not_matter(self, cluster, node1):
        cluster.fault("ListInstances", do=lambda call: [call])
        assert sorted(node1.ListInstances()) == ["web1", "web2"]

    def test_what_it_raises_is_raised(self, cluster, node1):
        error = OSError("no")

        def do(call):
            raise error

        cluster.fault("StopInstance", do=do)
        with pytest.raises(OSError, match=r"^no$") as caught:
            node1.StopInstance(node1.instance("web1"))
        assert caught.value is error is cluster.journal[0].error
        cluster.assert_running("web1", on="node1")

    @pytest.mark.parametrize("do", [functools.partial(print, end=""), [].append, int, dict.fromkeys])
    def test_any_function_that_takes_a_call(self, cluster, node1, do):
        cluster.fault("ListInstances", do=do, error="then this")
        with pytest.raises((HypervisorError, TypeError)):
            node1.ListInstances()

    def test_beside_everything_else(self, cluster, node1, node2):
        order = []
        cluster.fault(
            "ListInstances",
            delay=2,
            crash="node2",
            do=lambda _call: order.append((cluster.clock.now, node2.is_down)),
            result=["web9"],
            after=1,
            times=1,
        )
        assert [len(node1.ListInstances()) for _ in range(3)] == [2, 1, 2]
        assert order == [(2, True)]

    def test_the_called_node_goes_down_by_it(self, cluster, node1):
        cluster.fault("StopInstance", do=lambda _call: node1.crash())
        with pytest.raises(NodeDownError, match=r"^node1 does not answer$"):
            node1.StopInstance(node1.instance("web1"))
        cluster.assert_consistent()

    def test_its_calls_are_calls_of_their_own(self, cluster, node1, node2):
        def look(call):
            node1.GetNodeInfo()
            node2.GetNodeInfo()

        cluster.fault("StopInstance", do=look)
        node1.StopInstance(node1.instance("web1"))
        assert [(call.method, call.node, call.filename) for call in cluster.journal] == [
            ("StopInstance", "node1", __file__),
            ("GetNodeInfo", "node1", __file__),
            ("GetNodeInfo", "node2", __file__),
        ]

    def test_its_calls_are_struck_by_other_faults_alone(self, cluster, node1):
        def look(call):
            node1.ListInstances()

        fault = cluster.fault("*", do=look)
        node1.GetNodeInfo()
        assert (fault.seen, fault.fired) == (1, 1)
        cluster.fault("ListInstances", error="no")
        with pytest.raises(HypervisorError, match=r"^no$"):
            node1.GetNodeInfo()
        assert (fault.seen, fault.fired, cluster.journal[-1].fault is None) == (2, 2, False)

    def test_what_it_does_is_the_tests_doing(self, cluster, node1, node2):
        """As a call of the interface, it would be a double start, and the second copy a split brain."""
        cluster.allow("split-brain")
        cluster.fault("StartInstance", do=lambda _call: cluster.add_instance("web1", node="node2"))
        node1.StartInstance(node1.instance("web3"), [], False)
        assert cluster.violations() == []

    def test_what_it_calls_is_judged(self, cluster, node1, node2):
        cluster.fault(
            "StartInstance", node="node1", do=lambda call: node2.StartInstance(web("web1"), [], False)
        )
        node1.StartInstance(node1.instance("web3"), [], False)
        assert [each.invariant for each in cluster.violations()] == ["double-start", "split-brain"]
        assert {each.call for each in cluster.violations()} == {cluster.journal[1]}

    def test_a_migration_loses_its_instance_by_it_and_nobody_is_blamed(self, cluster, node1):
        cluster.script_migration("web1", bandwidth=256)
        cluster.fault("GetMigrationStatus", do=lambda _call: cluster.fail_migration("web1"), after=1, times=1)
        assert cluster.migrate("web1", to="node2").outcome == "failed"
        cluster.assert_consistent()

    @pytest.mark.parametrize(("when", "first"), [("before", "test"), ("after", "fault")])
    def test_the_report_has_it_where_it_happened(self, cluster, node1, when, first):
        node1.ListInstances()
        node1.GetAllInstancesInfo()
        cluster.fault("GetNodeInfo", when=when, do=lambda _call: cluster["node2"].disconnect())
        node1.GetNodeInfo()
        marks = [mark for mark, _, _ in rows(cluster)]
        assert (len(marks), marks[:3]) == (4, ["call", "call", first])

    def test_in_a_coroutine(self, root):
        class Own(FakeHypervisor):
            async def StopInstance(self, instance, *args, **kwargs):
                await asyncio.sleep(0)
                super().StopInstance(instance, *args, **kwargs)

        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], hypervisor=Own)
        for when in ("before", "after"):
            cluster.fault("StopInstance", when=when, times=1, do=lambda _call: cluster["node1"].GetNodeInfo())
        asyncio.run(cluster["node1"].StopInstance(cluster.instance("web1")))
        assert [call.method for call in cluster.journal] == ["StopInstance", "GetNodeInfo"]
        cluster.add_instance("web1")
        asyncio.run(cluster["node1"].StopInstance(cluster.instance("web1")))
        assert [call.method for call in cluster.journal] == ["StopInstance", "GetNodeInfo"] * 2
        assert [call.ended for call in cluster.journal] == [True] * 4

    def test_no_lock_is_held(self, cluster, node1):
        def do(call):
            other = threading.Thread(target=cluster["node2"].ListInstances)
            other.start()
            other.join(10)
            assert not other.is_alive()

        cluster.fault("StopInstance", do=do)
        node1.StopInstance(node1.instance("web1"))
        assert [call.ended for call in cluster.journal] == [True, True]

    def test_each_step_of_a_migration(self, cluster):
        seen = set()
        cluster.fault("*", do=lambda call: seen.add(call.method))
        assert drive(cluster) == set()
        assert len(seen) == 6

    @pytest.mark.parametrize("method", METHODS)
    def test_it_is_done_in_the_process_that_has_the_cluster(self, method):
        cluster, seen = FakeCluster.in_memory(), []
        cluster.fault(
            "StartInstance", times=1, do=lambda call: seen.append((call.method, cluster.placement()))
        )
        assert done_by(method, try_to_start, cluster["node1"]) is None
        assert seen == [("StartInstance", {})]
        assert done_by(method, crash_it, cluster) == (None, True)
        assert cluster["node2"].is_down


def test_a_function_that_other_processes_can_not_find_is_refused(cluster):
    text = done_by("fork", lambda: declared(cluster.fault, "ListInstances", do=lambda call: None))
    assert text.startswith(
        "FakeCluster.fault was called with what can't be handed to the process that has the"
    )
    assert cluster.faults == []


def test_a_fault_without_any_deed_still_fails(cluster, node1):
    cluster.fault("ListInstances", crash=False, do=None, effect=True)
    assert fails(node1.ListInstances)
