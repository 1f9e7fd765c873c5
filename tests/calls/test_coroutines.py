"""Interface methods of a user's own class that are coroutines, or generators: each call is one call."""

import asyncio
import functools
import inspect
import threading
import warnings
from contextlib import suppress

import pytest

from pytest_fakehv import (
    BaseHypervisor,
    FakeCluster,
    FakeHypervisor,
    HoldError,
    HypervisorError,
    InstanceSpec,
    NodeDownError,
    NodeSpec,
)


class Async(FakeHypervisor):
    """Each method lets others go on, before its effect and after it."""

    async def StartInstance(self, instance, block_devices, startup_paused):
        await asyncio.sleep(0)
        self.GetNodeInfo()
        super().StartInstance(instance, block_devices, startup_paused)
        await asyncio.sleep(0)
        return f"started {instance.name}"

    async def StopInstance(self, instance, *args, **kwargs):
        await asyncio.to_thread(super().StopInstance, instance, *args, **kwargs)

    async def RebootInstance(self, instance):
        await asyncio.gather(self.StopInstance(instance), asyncio.sleep(0))
        await asyncio.create_task(self.StartInstance(instance, [], False))

    @classmethod
    async def AssessParameters(cls, hvparams):
        await asyncio.sleep(0)
        return super().AssessParameters(hvparams)


class FromPlainFunction(Async):
    """What it does itself, it does at once."""

    def StartInstance(self, instance, block_devices, startup_paused):
        self.MigrationInfo(instance)
        return super().StartInstance(instance, block_devices, startup_paused)


class Heir(Async):
    """One that has all of that from its base class."""


def calls(cluster):
    return [(call.method, call.node, call.instance, call.ended, call.error) for call in cluster.journal]


def make(root, cls=Async):
    return FakeCluster(root, instances=[InstanceSpec("web1")], hypervisor=cls)


@pytest.fixture
def cluster(root):
    return make(root)


@pytest.fixture
def node1(cluster):
    return cluster["node1"]


@pytest.fixture
def web2(node1):
    return node1.instance("web2")


def failure(coroutine, error=HypervisorError):
    with pytest.raises(error) as caught:
        asyncio.run(coroutine)
    return str(caught.value)


@pytest.mark.parametrize("cls", [Async, FromPlainFunction])
def test_it_is_one_call(root, cls):
    cluster = make(root, cls)
    node1 = cluster["node1"]
    assert asyncio.run(node1.StartInstance(node1.instance("web2"), [], False)) == "started web2"
    assert calls(cluster) == [("StartInstance", "node1", "web2", True, None)]
    assert cluster.journal[-1].result == "started web2"
    assert cluster.journal[-1].filename == __file__


def test_what_it_starts_is_part_of_it(cluster, node1):
    """Tasks and threads, too."""
    asyncio.run(node1.RebootInstance(node1.instance("web1")))
    assert calls(cluster) == [("RebootInstance", "node1", "web1", True, None)]
    cluster.assert_running("web1", on="node1")
    cluster.assert_consistent()


def test_what_it_leaves_behind_is_not_part_of_it(tmp_path):
    class Own(FakeHypervisor):
        async def RebootInstance(self, instance):
            async def later():
                await asyncio.sleep(0)
                assert self._shared.door.current_call is None
                self.ListInstances()

            self.task = asyncio.create_task(later())

    hv = Own(tmp_path, spec=NodeSpec("node1"))

    async def test():
        await hv.RebootInstance(hv.instance("web1"))
        await hv.task

    asyncio.run(test())
    assert [call.method for call in hv.journal] == ["RebootInstance", "ListInstances"]


def test_a_call_of_another_node_is_one_of_its_own(tmp_path):
    class Own(FakeHypervisor):
        async def RebootInstance(self, instance):
            await asyncio.to_thread(self.cluster["node2"].StartInstance, instance, [], False)

    cluster = make(tmp_path, Own)
    node1, node2 = cluster
    asyncio.run(node1.RebootInstance(node1.instance("web2")))
    assert [(call.method, call.node) for call in cluster.journal] == [
        ("RebootInstance", "node1"),
        ("StartInstance", "node2"),
    ]
    node2.assert_running("web2")


@pytest.mark.parametrize("cls", [Async, Heir])
def test_nothing_happens_of_one_that_is_not_awaited(root, cls):
    cluster = make(root, cls)
    node1 = cluster["node1"]
    fault = cluster.fault("*", optional=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        node1.StartInstance(node1.instance("web2"), [], False)
        node1.AssessParameters({})
    assert [str(each.message) for each in caught] == [
        "coroutine 'StartInstance' was never awaited",
        "coroutine 'AssessParameters' was never awaited",
    ]
    assert (calls(cluster), fault.seen) == ([], 0)


def test_it_is_written_down_where_it_was_called_when_it_is_awaited(cluster, node1, web2):
    async def test():
        coroutine = node1.StartInstance(web2, [], False)
        await asyncio.sleep(0)
        node1.ListInstances()
        await asyncio.create_task(coroutine)

    asyncio.run(test())
    assert [call.method for call in cluster.journal] == ["ListInstances", "StartInstance"]
    line = test.__code__.co_firstlineno + 1
    assert (cluster.journal[-1].filename, cluster.journal[-1].line) == (__file__, line)


def test_several_tasks_at_once(cluster, node1):
    async def test():
        names = [f"db{number}" for number in range(5)]
        starts = [node.StartInstance(node.instance(name), [], False) for node in cluster for name in names]
        return await asyncio.gather(*starts, node1.StopInstance(node1.instance("web1")))

    asyncio.run(test())
    assert len(cluster.journal) == 11
    assert all(call.ended and call.error is None for call in cluster.journal)
    assert [each[0] for each in calls(cluster)] == ["StartInstance"] * 10 + ["StopInstance"]
    # Each is blamed for its own doing.
    found = [(each.invariant, each.call.node, each.call.instance) for each in cluster.violations()]
    assert found == [
        (kind, "node2", f"db{number}") for number in range(5) for kind in ("double-start", "split-brain")
    ]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_fault_strikes_before_its_effect_or_after(cluster, node1, web2, when):
    cluster.fault("StartInstance", error="no", when=when)
    assert failure(node1.StartInstance(web2, [], False)) == "no"
    assert node1.runs("web2") == (when == "after")
    (call,) = cluster.journal
    assert (call.ended, str(call.error), call.result) == (True, "no", None)


@pytest.mark.parametrize("cls", [Async, FromPlainFunction])
def test_one_that_fails(root, cls):
    cluster = make(root, cls)
    node1 = cluster["node1"]
    text = "Failed to start instance web1: already running"
    assert failure(node1.StartInstance(node1.instance("web1"), [], False)) == text
    (call,) = cluster.journal
    assert (call.ended, str(call.error)) == (True, text)


@pytest.mark.parametrize("cls", [Async, FromPlainFunction])
def test_one_that_is_cancelled(root, cls):
    cluster = make(root, cls)
    node1 = cluster["node1"]

    async def test():
        task = asyncio.create_task(node1.StartInstance(node1.instance("web2"), [], False))
        await asyncio.sleep(0)
        (call,) = cluster.journal
        assert not call.ended
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert call.ended
        assert type(call.error) is asyncio.CancelledError

    asyncio.run(test())
    assert not node1.runs("web2")


def test_one_that_makes_good_what_was_cancelled(tmp_path):
    class Own(FakeHypervisor):
        async def RebootInstance(self, instance):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            return "in vain"

    hv = Own(tmp_path, spec=NodeSpec("node1"))

    async def test():
        task = asyncio.create_task(hv.RebootInstance(hv.instance("web1")))
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio.run(test()) == "in vain"
    assert (hv.journal[-1].error, hv.journal[-1].result) == (None, "in vain")


def test_one_that_is_closed_has_ended_without_an_error(cluster, node1, web2):
    coroutine = node1.StartInstance(web2, [], False)
    coroutine.send(None)
    coroutine.close()
    assert calls(cluster) == [("StartInstance", "node1", "web2", True, None)]
    node1.ListInstances()
    assert len(cluster.journal) == 2


class TestHolds:
    def test_it_is_held_while_its_event_loop_goes_on(self, cluster, node1, web2):
        async def test():
            with cluster.hold("StartInstance") as hold:
                start = asyncio.create_task(node1.StartInstance(web2, [], False))
                await asyncio.to_thread(hold.wait)
                assert not node1.runs("web2")
            assert await start == "started web2"

        asyncio.run(test())
        node1.assert_running("web2")

    def test_it_is_cancelled_meanwhile(self, cluster, node1, web2):
        async def test():
            with cluster.hold("StartInstance") as hold:
                start = asyncio.create_task(node1.StartInstance(web2, [], False))
                call = await asyncio.to_thread(hold.wait)
                start.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await start
            assert type(call.error) is asyncio.CancelledError

        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nothing was left that is never awaited
            asyncio.run(test())
        assert not node1.runs("web2")

    def test_its_node_goes_down_meanwhile(self, cluster, node1, web2):
        async def test():
            with cluster.hold("StartInstance") as hold:
                start = asyncio.create_task(node1.StartInstance(web2, [], False))
                await asyncio.to_thread(hold.wait)
                node1.crash()
                node1.boot()
            with pytest.raises(NodeDownError):
                await start

        asyncio.run(test())
        assert not node1.runs("web2")
        cluster.assert_consistent()

    def test_without_an_event_loop_nobody_can_release_it(self, cluster, node1, web2):
        coroutine = node1.StartInstance(web2, [], False)
        with pytest.raises(HoldError, match="make the call in another thread"), cluster.hold("*"):
            coroutine.send(None)
        assert not node1.runs("web2")


def test_its_node_goes_down_between_two_steps(cluster, node1, web2):
    async def test():
        start = asyncio.create_task(node1.StartInstance(web2, [], False))
        await asyncio.sleep(0)
        node1.crash()
        node1.boot()
        with pytest.raises(NodeDownError):
            await start

    asyncio.run(test())
    assert not node1.runs("web2")
    cluster.assert_consistent()


def test_one_of_a_class(cluster, node1):
    assert asyncio.run(node1.AssessParameters({})) == []
    assert asyncio.run(Async.AssessParameters({})) == []
    assert calls(cluster) == [("AssessParameters", "node1", None, True, None)]


def test_a_partial_function(tmp_path):
    async def reboot(word, instance):
        await asyncio.sleep(0)
        return f"{word} {instance.name}"

    class Own(FakeHypervisor):
        RebootInstance = staticmethod(functools.partial(reboot, "again"))

    hv = Own(tmp_path, spec=NodeSpec("node1"))
    assert asyncio.run(hv.RebootInstance(hv.instance("web1"))) == "again web1"
    assert [(call.method, call.result) for call in hv.journal] == [("RebootInstance", "again web1")]


def test_a_hypervisor_that_is_no_node_of_ours(monkeypatch):
    class Own(BaseHypervisor):
        name = "own"

        async def RebootInstance(self, instance):
            return instance

    monkeypatch.setattr(Own, "__abstractmethods__", frozenset())
    assert asyncio.run(Own().RebootInstance("web1")) == "web1"
    assert Own().VerifyInstance(instance="web1")


class Lazy(FakeHypervisor):
    """Its lists come one by one."""

    def ListInstances(self, hvparams=None):
        yield from sorted(super().ListInstances())


class TestGenerators:
    @pytest.fixture
    def hv(self, root):
        hv = Lazy(root, spec=NodeSpec("node1"))
        for number in range(3):
            hv.add_instance(f"web{number}")
        return hv

    def test_it_is_one_call(self, hv):
        names, line = hv.ListInstances(), inspect.currentframe().f_lineno
        assert len(hv.journal) == 0
        assert next(names) == "web0"
        (call,) = hv.journal
        assert (call.filename, call.line, call.ended) == (__file__, line, False)
        hv.GetNodeInfo()
        assert list(names) == ["web1", "web2"]
        assert call.ended
        assert [call.method for call in hv.journal] == ["ListInstances", "GetNodeInfo"]

    def test_one_that_is_not_used_up(self, hv):
        for name in hv.ListInstances():
            assert name == "web0"
            break
        assert [(call.ended, call.error) for call in hv.journal] == [(True, None)]

    def test_its_node_goes_down_before_it_begins(self, hv):
        names = hv.ListInstances()
        hv.crash()
        with pytest.raises(NodeDownError):
            next(names)

    def test_it_is_held_before_it_begins(self, hv):
        names = []
        thread = threading.Thread(target=lambda: names.extend(hv.ListInstances()))
        with hv.hold("ListInstances") as hold:
            thread.start()
            assert hold.wait() is hv.journal[0]
            assert names == []
        thread.join()
        assert names == ["web0", "web1", "web2"]

    def test_one_from_a_plain_function(self, root):
        """It has come once it was called: what is held from then on does not hold it."""

        class Plain(Lazy):
            def ListInstances(self, hvparams=None):
                return super().ListInstances(hvparams)

        hv = Plain(root, spec=NodeSpec("node1"))
        hv.add_instance("web1")
        names = hv.ListInstances()
        with pytest.raises(HoldError) as caught, hv.hold("*"):
            assert list(names) == ["web1"]
        assert str(caught.value) == ("hold('*', node='node1'): no such call came before the end of the block")

    def test_one_within_a_call_of_another_node(self, root):
        """The other call goes on between its steps, and after them."""

        class Counting(Lazy):
            def VerifyInstance(self, instance):
                return len(list(self.cluster["node2"].ListInstances())) == len(self.GetAllInstancesInfo())

        cluster = make(root, Counting)
        assert not cluster["node1"].VerifyInstance(cluster.instance("web1"))
        assert [(call.method, call.node) for call in cluster.journal] == [
            ("VerifyInstance", "node1"),
            ("ListInstances", "node2"),
        ]
