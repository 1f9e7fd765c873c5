"""The journal of the calls."""

import _thread
import copy
import pickle
import re
import threading

import pytest
from raising import message

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError


class TestJournal:
    def test_a_call(self, root):
        cluster = FakeCluster(root)
        node1, node2 = cluster
        web1 = node1.instance("web1")
        node1.StartInstance(web1, ["/dev/vda"], startup_paused=True)
        node2.GetNodeInfo()
        with pytest.raises(HypervisorError) as caught:
            node2.StopInstance(web1)
        first, second, third = cluster.journal
        assert (first.number, first.node, first.method, first.instance) == (
            1,
            "node1",
            "StartInstance",
            "web1",
        )
        assert (first.arguments, first.keywords) == (("web1", ["/dev/vda"]), {"startup_paused": True})
        assert (first.result, first.error) == (None, None)
        assert first.filename == __file__
        assert (second.number, second.instance, second.result["memory_total"]) == (2, None, 65536)
        assert third.error is caught.value
        assert third.line == second.line + 2
        assert len(cluster.journal) == len(node1.journal) == 3
        assert cluster.journal.last(2) == [second, third]
        assert cluster.journal[0] is first
        assert cluster.journal[-1] is third
        assert repr(cluster.journal) == "<Journal of 3 calls>"
        assert cluster.journal.last_about("web1") is third
        assert cluster.journal.last_about("web2") is None

    @pytest.mark.parametrize(
        ("method", "args", "kwargs", "instance"),
        [
            ("GetInstanceInfo", ("web1",), {}, "web1"),
            ("GetInstanceInfo", (), {"instance_name": "web1"}, "web1"),
            ("CleanupInstance", ("web1",), {}, "web1"),
            ("ListInstances", (), {}, None),
            ("CheckParameterSyntax", ({"migration_mode": "live"},), {}, None),
            ("VersionsSafeForMigration", (1, 1), {}, None),
            ("VersionsSafeForMigration", (), {"src": 1, "target": 1}, None),
        ],
    )
    def test_which_instance(self, hv, method, args, kwargs, instance):
        getattr(hv, method)(*args, **kwargs)
        (call,) = hv.journal
        assert (call.method, call.instance) == (method, instance)

    def test_a_stop_by_name_is_about_that_name(self, hv):
        hv.add_instance("web1")
        hv.add_instance("web2")
        hv.StopInstance(hv.instance("web1"), name="web2")
        hv.StopInstance(None, False, False, "web1")
        assert [call.instance for call in hv.journal] == ["web2", "web1"]

    def test_an_instance_that_is_given_by_keyword(self, hv):
        hv.StartInstance(instance=hv.instance("web1"), block_devices=[], startup_paused=False)
        (call,) = hv.journal
        assert (call.instance, call.arguments, call.keywords["instance"]) == ("web1", (), "web1")

    def test_it_keeps_what_was_asked_whatever_its_owner_does_later(self, hv):
        disks = ["/dev/vda"]
        hv.StartInstance(hv.instance("web1"), disks, False)
        disks.clear()
        result = hv.GetAllInstancesInfo()
        result.clear()
        start, info = hv.journal
        assert start.arguments[1] == ["/dev/vda"]
        assert len(info.result) == 1

    def test_an_instance_without_a_name_is_kept_as_it_is(self, hv):
        nameless = hv.instance("web1")
        nameless.name = None
        with pytest.raises(HypervisorError):
            hv.StartInstance(nameless, [], False)
        assert hv.journal[-1].arguments == (nameless, [], False)

    def test_the_time_is_the_clocks(self, root):
        cluster = FakeCluster(root, clock="manual")
        cluster["node1"].ListInstances()
        cluster.clock.advance(2.5)
        cluster["node2"].ListInstances()
        assert [call.time for call in cluster.journal] == [0, 2.5]

    def test_a_call_that_a_call_of_another_node_makes(self, root):
        class Mirrored(FakeHypervisor):
            def RebootInstance(self, instance):
                if self.name == "node1":
                    self.cluster["node2"].RebootInstance(instance)

        cluster = FakeCluster(root, hypervisor=Mirrored)
        cluster["node1"].RebootInstance(cluster.instance("web1"))
        assert [call.node for call in cluster.journal] == ["node1", "node2"]

    def test_a_call_by_nobody_but_a_thread(self, root):
        """Which is then its outermost frame."""
        ended = threading.Event()

        class Telling(FakeHypervisor):
            def RebootInstance(self, instance):
                ended.set()

        hv = FakeCluster(root, hypervisor=Telling)["node1"]
        _thread.start_new_thread(hv.RebootInstance, (hv.instance("web1"),))
        ended.wait()
        assert re.fullmatch(r"thread .+", hv.journal[0].place)

    def test_a_call_that_is_interrupted_as_it_begins(self, root):
        """It is raised as it is, whatever of the call was there already."""

        class Interrupted(list):
            """The calls that the thread is in."""

            def append(self, call):
                raise KeyboardInterrupt

        hv = FakeCluster(root)["node1"]
        hv._shared.door.within.thread.calls = Interrupted()
        with pytest.raises(KeyboardInterrupt):
            hv.ListInstances()
        hv._shared.door.within.thread.calls = []
        assert [call.ended for call in hv.journal] == [True]

    def test_calls_of_a_kind(self, root):
        cluster = FakeCluster(root)
        node1, node2 = cluster
        web1, web2 = (node1.instance(name) for name in ("web1", "web2"))
        for node, instance in ((node1, web1), (node2, web2), (node1, web2)):
            node.StartInstance(instance, [], False)
        node1.GetNodeInfo()
        journal = cluster.journal
        assert [call.number for call in journal.calls("StartInstance")] == [1, 2, 3]
        assert [call.number for call in journal.calls(node="node1")] == [1, 3, 4]
        assert [call.number for call in journal.calls(instance="web2")] == [2, 3]
        assert [call.number for call in journal.calls("StartInstance", node="node1", instance="web2")] == [3]
        assert [call.number for call in journal.calls()] == [1, 2, 3, 4]

    def test_calls_of_what_is_no_method(self, hv):
        assert message(hv.journal.calls, 5) == "method must be a method's name, not 5"

    def test_clearing_forgets_but_numbers_go_on(self, hv):
        for _ in range(3):
            hv.ListInstances()
        hv.journal.clear()
        assert (len(hv.journal), hv.journal.total, list(hv.journal)) == (0, 3, [])
        hv.ListInstances()
        assert [call.number for call in hv.journal] == [4]
        assert hv.journal.total == 4

    def test_bounded_on_request(self, hv):
        for _ in range(5):
            hv.ListInstances()
        hv.journal.keep(3)
        assert [call.number for call in hv.journal] == [3, 4, 5]
        hv.GetNodeInfo()
        assert [call.number for call in hv.journal] == [4, 5, 6]
        assert (len(hv.journal), hv.journal.total) == (3, 6)
        assert "calls, the last 3 of 6:" in hv.describe()

    def test_whoever_is_letting_calls_go_meanwhile_is_not_waited_for(self, hv):
        for _ in range(5):
            hv.ListInstances()
        with hv.journal._trimming:  # as another thread has it
            hv.journal.keep(3)
            assert [call.number for call in hv.journal] == [3, 4, 5]
        hv.ListInstances()
        assert [call.number for call in hv.journal] == [4, 5, 6]

    def test_what_it_has_let_go_of_does_not_come_back(self, hv):
        for _ in range(10):
            hv.ListInstances()
        hv.journal.keep(3)
        hv.journal.keep(8)
        assert [call.number for call in hv.journal] == [8, 9, 10]

    @pytest.mark.parametrize("most", [0, -1, 1.5, True, "3"])
    def test_a_wrong_bound(self, hv, most):
        assert message(hv.journal.keep, most) == f"most must be a positive integer, not {most!r}"

    @pytest.mark.parametrize("count", [-1, 1.5, True, "3"])
    def test_a_wrong_count(self, hv, count):
        assert message(hv.journal.last, count) == (
            f"count must be an integer that is not negative, not {count!r}"
        )

    def test_threads(self, root):
        """Each call is there once, under a number of its own."""
        cluster = FakeCluster(root)

        def work(node):
            for _ in range(200):
                node.GetNodeInfo()

        threads = [threading.Thread(target=work, args=[node]) for node in cluster for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [call.number for call in cluster.journal] == list(range(1, 1601))
        assert len(cluster.journal.calls(node="node1")) == 800
        assert all(call.ended for call in cluster.journal)


COPIES = pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, copy.copy, lambda each: pickle.loads(pickle.dumps(each))],
    ids=["deep", "shallow", "pickled"],
)


class TestCopies:
    """They cross processes, and outlive what they are about."""

    @COPIES
    def test_a_call(self, copied):
        cluster = FakeCluster.in_memory()
        web1 = cluster.add_instance("web1")
        cluster["node1"].StopInstance(web1, force=True)
        with pytest.raises(HypervisorError):
            cluster["node1"].StopInstance(web1)
        for call in cluster.journal:
            again = copied(call)
            assert (str(again), again.place, again.number, again.ended) == (
                str(call),
                call.place,
                call.number,
                call.ended,
            )
            assert again.keywords == call.keywords
            assert repr(again.error) == repr(call.error)

    @COPIES
    def test_a_violation(self, copied):
        cluster = FakeCluster.in_memory()
        web1 = cluster.add_instance("web1")
        cluster["node2"].StartInstance(web1, [], False)
        cluster.fault("RebootInstance")
        for violation in cluster.violations():
            again = copied(violation)
            assert (again.invariant, again.what, again.nodes, again.advice) == (
                violation.invariant,
                violation.what,
                violation.nodes,
                violation.advice,
            )
            assert repr(again.fault) == repr(violation.fault)


def test_an_argument_that_can_not_be_copied_is_noted_as_it_is():
    class Devices(list):
        def copy(self):
            raise RuntimeError("in use")

    devices = Devices(["disk"])
    cluster = FakeCluster.in_memory()
    cluster["node1"].StartInstance(cluster.instance("web1"), devices, False)
    assert cluster.journal[0].arguments == ("web1", ["disk"], False)
