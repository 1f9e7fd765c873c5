"""Faults that lie: a call answers something else, or says that it did what it didn't."""

import asyncio
import copy
import functools
import pickle
import threading

import pytest
from striking import declared, fails

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    FaultSpec,
    InstanceSpec,
    MigrationStatus,
    NodeDownError,
)
from pytest_fakehv.interface.constants import COMMANDS

NOTHING = "said it worked, in truth it did nothing (fault at here)"


@pytest.fixture
def lie(cluster):
    """Declare a fault, with a place of its own that is short."""

    def fault(*args, **kwargs):
        found = cluster.fault(*args, **kwargs)
        found.origin = "here"
        return found

    return fault


def told(cluster):
    """Return what the report says of the last call."""
    lines = cluster.describe().splitlines()
    return " ".join(line.strip() for line in lines[lines.index("calls:") :]).rpartition("-> ")[2]


class Unequal:
    """What can't be compared, as an array of numbers can't."""

    def __eq__(self, other):
        raise ValueError("no")

    __hash__ = None

    def __repr__(self):
        return "<Unequal>"


class TestAResult:
    @pytest.mark.parametrize("value", [None, [], ["web9"], {}, 5, print, Unequal()], ids=repr)
    def test_is_answered_as_it_is(self, cluster, node1, lie, value):
        fault = lie("ListInstances", result=value)
        assert node1.ListInstances() is node1.ListInstances() is value
        assert (fault.seen, fault.fired, cluster.violations()) == (2, 2, [])

    def test_is_in_the_journal_as_it_was(self, cluster, node1, lie):
        names = ["web9"]
        lie("ListInstances", result=names)
        node1.ListInstances().append("web10")
        assert node1.ListInstances() == ["web9", "web10"]
        assert [(call.result, call.error, call.fault, call.lie) for call in cluster.journal] == [
            (["web9"], None, "fault at here", "a lie"),
            (["web9", "web10"], None, "fault at here", "a lie"),
        ]

    def test_is_answered_in_place_of_the_effect(self, cluster, node1, lie):
        lie("StopInstance", result="stopped")
        assert node1.StopInstance(node1.instance("web1")) == "stopped"
        cluster.assert_running("web1", on="node1")
        assert told(cluster) == "answered 'stopped', in truth it did nothing (fault at here)"

    def test_is_answered_after_the_effect(self, cluster, node1, lie):
        lie("StopInstance", result=5, when="after")
        assert node1.StopInstance(node1.instance("web1")) == 5
        cluster.assert_stopped("web1")
        assert told(cluster) == "answered 5, in truth None (fault at here, after its effect)"

    def test_is_no_answer_where_the_effect_raises(self, cluster, node1, lie):
        fault = lie("StopInstance", result=None, when="after", optional=True)
        assert not fails(node1.StopInstance, node1.instance("nobody"))
        assert (fault.fired, cluster.journal[-1].lie) == (0, None)

    def test_is_told_beside_what_is_true(self, cluster, node1, lie):
        lie("ListInstances", result=[], when="after")
        assert node1.ListInstances() == []
        assert told(cluster) == "answered [], in truth ['web1', 'web2'] (fault at here, after its effect)"

    def test_is_said_to_be_a_lie_where_nobody_knows_better(self, cluster, node1, lie):
        lie("GetInstanceInfo", result=None)
        assert node1.GetInstanceInfo("web1") is None
        assert told(cluster) == "answered None, a lie (fault at here)"

    def test_of_every_method(self, cluster, lie):
        lie("*", node="node2", result=7, times=2)
        node2 = cluster["node2"]
        assert [node2.ListInstances(), node2.GetNodeInfo(), node2.ListInstances()] == [7, 7, []]

    def test_narrowed_and_counted_as_any_fault(self, cluster, node1, node2, lie):
        lie("GetInstanceInfo", node="node1", instance="web1", result=None, after=1, times=1)
        asked = [node1.GetInstanceInfo(name) for name in ("web1", "web2", "web1", "web1")]
        assert [each and each.name for each in asked] == ["web1", "web2", None, "web1"]

    def test_takes_its_time(self, cluster, node1, lie):
        lie("ListInstances", result=[], delay=2.5)
        assert (node1.ListInstances(), cluster.clock.now) == ([], 2.5)

    def test_of_a_status_takes_the_time_of_a_poll(self, cluster, node1, lie):
        lie("GetMigrationStatus", result=MigrationStatus(status="active"))
        web1 = node1.instance("web1")
        assert {node1.GetMigrationStatus(web1).status for _ in range(3)} == {"active"}
        assert cluster.clock.now == 3

    def test_a_migration_goes_on_behind_it(self, cluster, node1, node2, lie):
        cluster.script_migration("web1", outcome="failed", at=0.5, bandwidth=512)
        lie("GetMigrationStatus", result=MigrationStatus(status="active"), times=2)
        result = cluster.migrate("web1", to="node2")
        assert (result.outcome, result.polls, cluster.migrations[0].polls) == ("failed", 3, 1)

    def test_may_be_held(self, cluster, node1, lie):
        lie("ListInstances", result=["web9"])
        answers = []
        with cluster.hold("ListInstances") as held:
            thread = threading.Thread(target=lambda: answers.append(node1.ListInstances()))
            thread.start()
            held.wait()
            assert answers == []
        thread.join()
        assert answers == [["web9"]]

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_is_no_answer_of_a_node_that_went_down_meanwhile(self, cluster, node1, lie, when):
        lie("ListInstances", result=[], when=when, do=lambda call: node1.crash())
        with pytest.raises(NodeDownError):
            node1.ListInstances()
        assert told(cluster).startswith("NodeDownError: node1 does not answer (fault at here")

    def test_is_shown_as_it_was_declared(self, cluster):
        specs = [
            FaultSpec("ListInstances", result=value)
            for value in (None, {}, False, Unequal(), print, asyncio.run)
        ]
        assert [str(spec) for spec in (*specs, FaultSpec("ListInstances"))] == [
            "fault('ListInstances', result=None)",
            "fault('ListInstances', result={})",
            "fault('ListInstances', result=False)",
            "fault('ListInstances', result=<Unequal>)",
            "fault('ListInstances', result=print)",
            "fault('ListInstances', result=run)",
            "fault('ListInstances')",
        ]

    def test_that_is_not_given_is_not_given_in_a_copy(self):
        spec = FaultSpec("ListInstances")
        for each in (copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):
            assert (each, each.is_lie, str(each.result)) == (spec, False, "<not given>")
        assert len({spec, copy.copy(spec)}) == 1

    def test_goes_without_a_crash_of_the_called_node_by_its_address(self, cluster, lie):
        text = "result goes without a crash of the called node: what is down doesn't answer"
        assert declared(cluster.fault, "ListInstances", node="node2", result=[], crash="192.0.2.2") == text
        assert cluster.faults == []


class TestWithoutEffect:
    @pytest.mark.parametrize("method", COMMANDS)
    def test_a_command_says_that_it_worked(self, cluster, node1, lie, method):
        fault = lie(method, effect=False)
        web1 = node1.instance("web1")
        arguments = {
            "StartInstance": (web1, [], False),
            "CleanupInstance": ("web1",),
            "BalloonInstanceMemory": (web1, 5),
            "RestoreInstance": (web1, []),
            "PowercycleNode": (),
            "AcceptInstance": (web1, "", "node1"),
            "MigrateInstance": ("cluster", web1, "node2", True),
            "FinalizeMigrationSource": (web1, True, True),
            "FinalizeMigrationDst": (web1, "", False),
            "HotAddDevice": (web1, "", None, None, 1),
            "HotDelDevice": (web1, "", None, None, 1),
            "HotModDevice": (web1, "", None, None, 1),
            "ResizeDisk": (web1, None, 1),
        }
        assert getattr(node1, method)(*arguments.get(method, (web1,))) is None
        assert (fault.fired, told(cluster)) == (1, NOTHING)
        assert cluster.violations() == cluster.migrations == []
        node1.assert_running("web1", memory=1024)

    def test_a_subclass_is_not_asked(self, root):
        class Own(FakeHypervisor):
            def StopInstance(self, *args, **kwargs):
                raise AssertionError("never")

        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], hypervisor=Own)
        cluster.fault("StopInstance", effect=False)
        cluster["node1"].StopInstance(cluster.instance("web1"))
        cluster.assert_running("web1")

    def test_what_fits_nowhere_is_refused_by_its_own_name_first(self):
        with pytest.raises(
            DeclarationError, match=r"^the interface has no method 'StopInstanc'; nearest: StopInstance$"
        ):
            FaultSpec("StopInstanc", effect=False)


class Stepwise(FakeHypervisor):
    """Its methods come to their end step by step."""

    async def StopInstance(self, instance, *args, **kwargs):
        await asyncio.sleep(0)
        super().StopInstance(instance, *args, **kwargs)

    def StartInstance(self, instance, block_devices, startup_paused):
        yield "starting"
        super().StartInstance(instance, block_devices, startup_paused)

    @classmethod
    async def AssessParameters(cls, hvparams):
        await asyncio.sleep(0)
        return super().AssessParameters(hvparams)


def decorated(function):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapped


class TestStepByStep:
    @pytest.fixture
    def cluster(self, root):
        return FakeCluster(root, instances=[InstanceSpec("web1")], hypervisor=Stepwise)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_coroutine(self, cluster, node1, lie, when):
        lie("StopInstance", result="done", when=when)
        assert asyncio.run(node1.StopInstance(node1.instance("web1"))) == "done"
        assert node1.runs("web1") is (when == "before")
        assert [(each.result, each.ended) for each in cluster.journal] == [("done", True)]

    def test_a_coroutine_behind_a_decorator(self, root):
        class Own(Stepwise):
            StopInstance = decorated(Stepwise.StopInstance)

        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], hypervisor=Own)
        cluster.fault("StopInstance", effect=False)
        assert asyncio.run(cluster["node1"].StopInstance(cluster.instance("web1"))) is None
        cluster.assert_running("web1")

    def test_a_class_method(self, cluster, node1, lie):
        lie("AssessParameters", result=["no"])
        assert asyncio.run(node1.AssessParameters({})) == ["no"]

    def test_a_generator(self, cluster, node1, lie):
        lie("StartInstance", effect=False)
        assert list(node1.StartInstance(node1.instance("web2"), [], False)) == []
        assert (node1.runs("web2"), told(cluster)) == (False, NOTHING)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_node_that_went_down_meanwhile_does_not_answer(self, cluster, node1, lie, when):
        lie("StopInstance", result="done", when=when, do=lambda call: node1.crash())
        with pytest.raises(NodeDownError, match=r"^node1 does not answer$"):
            asyncio.run(node1.StopInstance(node1.instance("web1")))

    def test_it_may_be_held(self, cluster, node1, lie):
        lie("StopInstance", effect=False)

        async def test():
            with cluster.hold("StopInstance") as held:
                task = asyncio.create_task(node1.StopInstance(node1.instance("web1")))
                await asyncio.to_thread(held.wait)
                assert not task.done()
            await task

        asyncio.run(test())
        assert told(cluster) == NOTHING
