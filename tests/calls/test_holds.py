"""Holds: a call of another thread stops at the door, until the test lets it go on."""

import asyncio
import threading
from contextlib import suppress

import pytest

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HoldError,
    HypervisorError,
    InstanceSpec,
    NodeDownError,
)

LONG = 60
"""Seconds after which a test fails where otherwise it would hang; none ever waits so long."""


class Caller:
    """A call in a thread of its own."""

    def __init__(self, function, *args):
        self._function = function
        self._args = args
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.result = self.error = None
        self._thread.start()

    def _run(self):
        try:
            self.result = self._function(*self._args)
        except BaseException as error:  # noqa: BLE001
            self.error = error

    @property
    def number(self):
        return self._thread.ident

    def end(self):
        """Wait for its end, and return what it returned or raised."""
        self._thread.join(LONG)
        assert not self._thread.is_alive()
        return self.error or self.result


def until(condition):
    """Wait until other threads have brought something about."""
    waiting = threading.Event()
    for _ in range(LONG * 1000):
        if condition():
            return
        waiting.wait(0.001)
    raise AssertionError("it never came about")


@pytest.fixture
def cluster(tmp_path) -> FakeCluster:
    """Two nodes; web1 and web2 run on the first."""
    return FakeCluster(tmp_path, instances=[InstanceSpec("web1"), InstanceSpec("web2")])


@pytest.fixture
def node1(cluster) -> FakeHypervisor:
    return cluster["node1"]


@pytest.fixture
def node2(cluster) -> FakeHypervisor:
    return cluster["node2"]


@pytest.fixture
def web1(node1):
    return node1.instance("web1")


class TestHolding:
    def test_a_call_stops_before_its_effect_until_it_is_released(self, cluster, node1, web1):
        with cluster.hold("StopInstance") as hold:
            assert (hold.call, hold.calls) == (None, [])
            stop = Caller(node1.StopInstance, web1)
            call = hold.wait()
            assert (call.method, call.node, call.instance, call.ended) == (
                "StopInstance",
                "node1",
                "web1",
                False,
            )
            assert call is hold.call is cluster.journal[0]
            assert hold.calls == [call]
            cluster.assert_running("web1", on="node1")
            hold.release()
            assert stop.end() is None
            cluster.assert_stopped("web1")
        assert call.ended

    def test_leaving_the_block_releases(self, cluster, node1, web1):
        with cluster.hold("StopInstance") as hold:
            stop = Caller(node1.StopInstance, web1)
            hold.wait()
        assert stop.end() is None
        cluster.assert_stopped("web1")

    def test_without_a_block(self, cluster, node1):
        hold = cluster.hold("ListInstances")
        listing = Caller(node1.ListInstances)
        hold.wait()
        hold.release()
        assert sorted(listing.end()) == ["web1", "web2"]

    def test_a_released_hold_can_not_be_waited_for(self, cluster):
        hold = cluster.hold("ListInstances", node="node1")
        hold.release()
        with pytest.raises(HoldError) as caught:
            hold.wait()
        assert str(caught.value) == (
            "hold('ListInstances', node='node1'): it was released, and stops no more; begin another one"
        )

    def test_a_released_hold_stops_nothing_more(self, cluster, node1):
        with cluster.hold("ListInstances") as hold:
            first = Caller(node1.ListInstances)
            hold.wait()
            assert hold.is_over is False
            hold.release()
            assert hold.is_over
            assert sorted(node1.ListInstances()) == sorted(first.end())
            assert len(hold.calls) == 1
        node1.ListInstances()
        assert len(hold.calls) == 1

    def test_several_calls_at_once(self, cluster, node1):
        with cluster.hold("ListInstances") as hold:
            listings = [Caller(node1.ListInstances) for _ in range(3)]
            until(lambda: len(hold.calls) == 3)
            assert hold.wait() is hold.call is hold.calls[0]
            assert {call.number for call in hold.calls} == {1, 2, 3}
            assert not any(call.ended for call in cluster.journal)
            hold.release()
            for listing in listings:
                assert sorted(listing.end()) == ["web1", "web2"]

    def test_threads_that_all_come_upon_released_holds(self, cluster, node1):
        for _ in range(200):
            cluster.hold("StopInstance").release()
        barrier = threading.Barrier(8)

        def work():
            barrier.wait(LONG)
            return sorted(node1.ListInstances())

        assert [each.end() for each in [Caller(work) for _ in range(8)]] == [["web1", "web2"]] * 8

    def test_a_released_hold_that_another_thread_has_just_put_away(self, cluster, node1):
        class Emptied(list):
            """The holds, which another thread goes through at the same time."""

            def copy(self):
                found = super().copy()
                self.clear()
                return found

        cluster._shared.door.holds = Emptied()
        cluster.hold("StopInstance").release()
        assert sorted(node1.ListInstances()) == ["web1", "web2"]

    def test_several_holds_at_once(self, cluster, node1, node2, web1):
        with cluster.hold("ListInstances") as first, cluster.hold("StopInstance") as second:
            stop = Caller(node1.StopInstance, web1)
            listing = Caller(node2.ListInstances)
            assert (first.wait().node, second.wait().node) == ("node2", "node1")
            first.release()
            assert listing.end() == []
            cluster.assert_running("web1")
            second.release()
            assert stop.end() is None

    def test_a_call_passes_every_hold_that_it_matches(self, cluster, node1):
        with cluster.hold("ListInstances") as first, cluster.hold("*", node="node1") as second:
            listing = Caller(node1.ListInstances)
            first.wait()
            assert second.calls == []
            first.release()
            assert second.wait() is first.call
            second.release()
            assert sorted(listing.end()) == ["web1", "web2"]

    def test_what_the_test_breaks_meanwhile_the_call_meets(self, cluster, node1, node2, web1):
        node2.AcceptInstance(web1, "", "node2")
        with cluster.hold("MigrateInstance") as hold:
            migrate = Caller(node1.MigrateInstance, "cluster", web1, "node2", True)
            hold.wait()
            node1.StopInstance(web1)
        error = migrate.end()
        assert type(error) is HypervisorError
        assert str(error) == "Failed to migrate instance web1: not running"

    @pytest.mark.parametrize("how", ["crash", "disconnect"])
    def test_a_node_that_goes_down_meanwhile_does_not_answer(self, cluster, node1, web1, how):
        with cluster.hold("StopInstance") as hold:
            stop = Caller(node1.StopInstance, web1)
            hold.wait()
            getattr(node1, how)()
        error = stop.end()
        assert type(error) is NodeDownError
        assert str(error) == "node1 does not answer"
        assert node1.runs("web1") == (how == "disconnect")
        cluster.assert_consistent()

    def test_a_node_that_is_down_already_holds_nothing(self, cluster, node1, node2):
        node1.crash()
        with cluster.hold("ListInstances") as hold:
            assert type(Caller(node1.ListInstances).end()) is NodeDownError
            assert hold.calls == []
            listing = Caller(node2.ListInstances)
            hold.wait()
        assert listing.end() == []

    def test_a_call_that_a_fault_has_struck_is_not_held(self, cluster, node1, node2):
        cluster.fault("ListInstances", node="node1")
        with cluster.hold("ListInstances") as hold:
            assert str(Caller(node1.ListInstances).end()) == "Injected fault: ListInstances on node1"
            listing = Caller(node2.ListInstances)
            assert hold.wait().node == "node2"
        assert listing.end() == []

    def test_a_fault_after_the_effect_strikes_a_call_that_was_held(self, cluster, node1, web1):
        cluster.fault("StopInstance", when="after")
        with cluster.hold("StopInstance") as hold:
            stop = Caller(node1.StopInstance, web1)
            hold.wait()
            cluster.assert_running("web1")
        assert str(stop.end()) == "Injected fault: StopInstance on node1"
        cluster.assert_stopped("web1")

    def test_what_a_method_calls_itself_is_not_held(self, tmp_path):
        class Own(FakeHypervisor):
            def RebootInstance(self, instance):
                return self.ListInstances()

        hv = Own(tmp_path / "own")
        hold = hv.hold("ListInstances")
        assert Caller(hv.RebootInstance, hv.instance("web1")).end() == []
        assert hold.calls == []

    def test_the_reference_driver_in_another_thread(self, cluster):
        with cluster.hold("FinalizeMigrationDst") as hold:
            migration = Caller(lambda: cluster.migrate("web1", to="node2"))
            hold.wait()
            assert cluster.placement() == {"web2": "node1"}
        assert migration.end().outcome == "completed"
        assert cluster.placement() == {"web1": "node2", "web2": "node1"}
        cluster.assert_consistent()

    def test_how_it_is_shown(self, cluster, node1):
        with cluster.hold("ListInstances", node="node1") as hold:
            assert repr(hold) == "<hold('ListInstances', node='node1'): 0 calls came>"
            listing = Caller(node1.ListInstances)
            hold.wait()
            assert repr(hold) == "<hold('ListInstances', node='node1'): 1 calls came>"
        listing.end()


def drive(cluster):
    """Make each call of a migration of web1, and some others."""
    node1, node2 = cluster
    web1 = node1.instance("web1")
    node2.ListInstances()
    node1.MigrationInfo(web1)
    node2.AcceptInstance(web1, "", "node2")
    node1.MigrateInstance("cluster", web1, "node2", True)
    node1.GetMigrationStatus(web1)
    node1.FinalizeMigrationSource(web1, True, True)
    node2.FinalizeMigrationDst(web1, "", True)
    node1.GetInstanceInfo("web2")


@pytest.mark.parametrize(
    ("method", "narrowing", "first"),
    [
        ("*", {}, "ListInstances"),
        ("*", {"node": "node1"}, "MigrationInfo"),
        ("*", {"instance": "web1"}, "MigrationInfo"),
        ("*", {"instance": "web2"}, "GetInstanceInfo"),
        ("*", {"instance": "web1", "node": "node2"}, "AcceptInstance"),
        ("*", {"phase": "transfer"}, "MigrateInstance"),
        ("*", {"phase": "finalize"}, "FinalizeMigrationSource"),
        ("*", {"side": "target"}, "AcceptInstance"),
        ("*", {"phase": "finalize", "side": "target"}, "FinalizeMigrationDst"),
        ("GetMigrationStatus", {}, "GetMigrationStatus"),
        ("FinalizeMigrationDst", {"phase": "finalize", "node": "node2"}, "FinalizeMigrationDst"),
    ],
)
def test_only_such_calls_are_held(cluster, method, narrowing, first):
    with cluster.hold(method, **narrowing) as hold:
        driver = Caller(drive, cluster)
        call = hold.wait()
        assert call.method == first
        assert cluster.journal[-1] is call
    assert driver.end() is None


def test_a_nodes_hold_is_about_that_node(node1, node2):
    with node2.hold("ListInstances") as hold:
        assert sorted(node1.ListInstances()) == ["web1", "web2"]
        listing = Caller(node2.ListInstances)
        assert hold.wait().node == "node2"
    listing.end()


@pytest.mark.parametrize("node", ["node2", "192.0.2.2"])
def test_a_node_by_name_or_address_and_an_instance_as_an_object(tmp_path, node):
    cluster = FakeCluster(tmp_path)
    node2 = cluster.add_node("node3", address="192.0.2.2") if node != "node2" else cluster["node2"]
    with cluster.hold("RebootInstance", node=node, instance=node2.instance("web1")) as hold:
        node2.RebootInstance(node2.instance("web2"))
        reboot = Caller(node2.RebootInstance, node2.instance("web1"))
        assert hold.wait().instance == "web1"
    reboot.end()


class TestMistakes:
    OWN_THREAD = (
        "hold('ListInstances'): the thread that holds the call made it itself, and could never release it; "
        "make the call in another thread"
    )

    def test_the_holding_thread_makes_the_call_itself(self, cluster, node1):
        with pytest.raises(HoldError) as caught, cluster.hold("ListInstances"):
            node1.ListInstances()
        assert str(caught.value) == self.OWN_THREAD
        assert cluster.journal[-1].error is caught.value

    def test_the_holding_thread_makes_it_through_the_reference_driver(self, cluster):
        with pytest.raises(HoldError) as caught, cluster.hold("AcceptInstance"):
            cluster.migrate("web1", to="node2")
        assert str(caught.value).startswith("hold('AcceptInstance'): the thread that holds the call made it ")

    def test_a_thread_that_has_the_number_of_one_that_held_and_ended_is_another(self, cluster, node1):
        """So it is with one that answered another process, which holds."""
        held = []

        def hold():
            held.append((cluster.hold("ListInstances"), threading.get_ident()))

        def call():
            return threading.get_ident() == number and node1.ListInstances()

        Caller(hold).end()
        ((held, number),) = held
        for _ in range(1000):
            caller = Caller(call)
            if caller.number == number:
                assert held.wait() is cluster.journal[0]
                held.release()
                assert caller.end() == ["web1", "web2"]
                return
            caller.end()
        pytest.skip("no thread has got its number")  # pragma: no cover

    def test_the_code_under_test_swallows_it(self, cluster, node1):
        def swallow():
            try:
                node1.ListInstances()
            except Exception as error:  # noqa: BLE001
                return error
            return None

        with pytest.raises(HoldError) as caught, cluster.hold("ListInstances") as hold:  # noqa: PT012
            assert str(swallow()) == self.OWN_THREAD
            assert hold.calls == []
        assert str(caught.value) == self.OWN_THREAD

    def test_it_is_swallowed_and_then_waited_for(self, cluster, node1):
        with pytest.raises(HoldError) as caught, cluster.hold("ListInstances") as hold:  # noqa: PT012
            with suppress(HoldError):
                node1.ListInstances()
            hold.wait(timeout=0)
        assert str(caught.value) == self.OWN_THREAD

    def test_no_call_comes(self, cluster, node1):
        with pytest.raises(HoldError) as caught, cluster.hold("StopInstance", instance="web1"):
            node1.ListInstances()
        assert str(caught.value) == (
            "hold('StopInstance', instance='web1'): no such call came before the end of the block"
        )

    def test_no_call_came_before_the_release(self, cluster, node1):
        with pytest.raises(HoldError) as caught, cluster.hold("ListInstances") as hold:  # noqa: PT012
            hold.release()
            node1.ListInstances()
        assert str(caught.value) == ("hold('ListInstances'): no such call came before the end of the block")

    def test_nobody_comes_while_the_test_waits(self, cluster):
        with pytest.raises(HoldError) as caught, cluster.hold("ListInstances") as hold:
            hold.wait(timeout=0.01)
        assert str(caught.value) == "hold('ListInstances'): no such call came within 0.01 s"

    def test_waiting_takes_the_holds_own_timeout(self, cluster):
        with pytest.raises(HoldError) as caught, cluster.hold("*", node="node2", timeout=0.01) as hold:
            hold.wait()
        assert str(caught.value) == "hold('*', node='node2'): no such call came within 0.01 s"

    def test_nobody_releases_in_time(self, cluster, node1, web1):
        with pytest.raises(HoldError) as caught, cluster.hold("StopInstance", timeout=0.01):
            error = Caller(node1.StopInstance, web1).end()
        assert type(error) is HoldError
        assert (
            str(caught.value)
            == str(error)
            == (
                "hold('StopInstance'): StopInstance on node1 came and was not released within 0.01 s; "
                "call release(), or leave the with block, before waiting for its thread"
            )
        )
        cluster.assert_running("web1", on="node1")

    def test_what_the_block_raises_is_not_replaced(self, cluster, node1):
        with pytest.raises(ZeroDivisionError), cluster.hold("ListInstances"):
            1 / 0  # noqa: B018
        with pytest.raises(ZeroDivisionError), cluster.hold("ListInstances", timeout=0.01):  # noqa: PT012
            Caller(node1.ListInstances).end()
            1 / 0  # noqa: B018

    def test_a_block_that_raises_releases(self, cluster, node1, web1):
        with pytest.raises(ZeroDivisionError), cluster.hold("StopInstance") as hold:  # noqa: PT012
            stop = Caller(node1.StopInstance, web1)
            hold.wait()
            1 / 0  # noqa: B018
        assert stop.end() is None

    def test_it_is_a_failure_of_the_test_at_its_own_line(self, pytester):
        pytester.makepyfile(
            """
            def test_it(fakehv_cluster):
                with fakehv_cluster.hold("ListInstances"):
                    fakehv_cluster["node1"].ListInstances()
            """
        )
        result = pytester.runpytest_subprocess()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            ['>           fakehv_cluster["node1"].ListInstances()', f"E           *{self.OWN_THREAD}"]
        )
        assert not any("pytest_fakehv/" in line for line in result.stdout.lines)


class TestAsyncio:
    def test_a_call_in_an_executor_is_held_while_the_loop_goes_on(self, cluster, node1, web1):
        async def test():
            with cluster.hold("StopInstance") as hold:
                stopping = asyncio.create_task(asyncio.to_thread(node1.StopInstance, web1))
                call = await asyncio.to_thread(hold.wait)
                assert (call.method, stopping.done()) == ("StopInstance", False)
                cluster.assert_running("web1")
                hold.release()
                await stopping
            cluster.assert_stopped("web1")

        asyncio.run(asyncio.wait_for(test(), LONG))

    def test_a_call_in_the_loops_own_thread_is_a_mistake(self, cluster, node1):
        async def test():
            with cluster.hold("ListInstances"):
                node1.ListInstances()

        with pytest.raises(HoldError) as caught:
            asyncio.run(asyncio.wait_for(test(), LONG))
        assert str(caught.value) == TestMistakes.OWN_THREAD


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        (("ListInstance",), {}, "the interface has no method 'ListInstance'; nearest: ListInstances"),
        ((None,), {}, "the interface has no method None"),
        (("ListInstances",), {"node": "node9"}, "no node is named 'node9'; there are: node1, node2"),
        (("StopInstance",), {"instance": "a/b"}, "instance is invalid: 'a/b': it contains '/'"),
        (("StopInstance",), {"instance": 5}, "an instance is given by its name, or as itself, not as 5"),
        (("*",), {"phase": "end"}, "phase must be one of 'prepare', 'transfer', 'finalize', not 'end'"),
        (("*",), {"side": "left"}, "side must be one of 'source', 'target', not 'left'"),
        (
            ("AcceptInstance",),
            {"side": "source"},
            "side='source' can't be: AcceptInstance is of the side 'target'",
        ),
        (
            ("ListInstances",),
            {"phase": "prepare"},
            "phase='prepare' can't be: ListInstances is no part of a migration",
        ),
        (
            ("*",),
            {"phase": "transfer", "side": "target"},
            "side='target' can't be: nothing of the phase 'transfer' is called there",
        ),
        (("ListInstances",), {"timeout": 0}, "timeout must be a positive number, not 0"),
        (("ListInstances",), {"timeout": -1}, "timeout must be a positive number, not -1"),
        (("ListInstances",), {"timeout": None}, "timeout must be a positive number, not None"),
        (("ListInstances",), {"timeout": True}, "timeout must be a positive number, not True"),
    ],
)
def test_a_wrong_argument(cluster, node1, args, kwargs, text):
    with pytest.raises(DeclarationError) as caught:
        cluster.hold(*args, **kwargs)
    assert str(caught.value) == text
    node1.ListInstances()


def test_a_coroutine_that_waits_is_told_how(cluster):
    """It keeps its own event loop from making the call."""

    async def wait():
        with cluster.hold("ListInstances") as held:
            held.wait(0.001)

    with pytest.raises(HoldError) as caught:
        asyncio.run(wait())
    assert str(caught.value) == (
        "hold('ListInstances'): no such call came within 0.001 s; "
        "in a coroutine, await asyncio.to_thread(hold.wait)"
    )


def test_a_call_that_was_held_is_refused_where_its_node_went_down_whatever_came_between(cluster):
    """Another call notes in between that the hold is over."""
    node1, node2 = cluster
    with cluster.hold("ListInstances", node="node1") as held:
        listing = Caller(node1.ListInstances)
        held.wait(LONG)
        node1.crash()
        held._is_released = True  # and whoever comes next forgets the hold
        node2.GetNodeInfo()
    assert repr(listing.end()) == repr(NodeDownError("node1 does not answer"))


class TestSeveral:
    def test_it_waits_until_all_are_stopped(self, cluster):
        with cluster.hold("ListInstances", timeout=LONG) as held:
            first = Caller(cluster["node1"].ListInstances)
            held.wait()
            waiting = Caller(lambda: held.wait(count=3))
            second = Caller(cluster["node2"].ListInstances)
            until(lambda: len(held.calls) == 2)
            assert waiting._thread.is_alive()
            third = Caller(cluster["node2"].ListInstances)
            assert waiting.end() is held.call
            assert len(held.calls) == 3
            held.wait(count=2)
            held.release()
        assert [each.end() for each in (first, second, third)] == [["web1", "web2"], [], []]

    def test_where_too_few_come_it_says_how_many_did(self, cluster):
        held = cluster.hold("ListInstances")
        caller = Caller(cluster["node1"].ListInstances)
        held.wait()
        with pytest.raises(HoldError) as caught:
            held.wait(0.01, count=3)
        assert str(caught.value) == "hold('ListInstances'): 1 of 3 such calls came within 0.01 s"
        held.release()
        caller.end()

    @pytest.mark.parametrize("count", [0, -1, 1.5, "2", True])
    def test_what_is_no_count(self, cluster, count):
        held = cluster.hold("ListInstances")
        with pytest.raises(DeclarationError) as caught:
            held.wait(count=count)
        assert str(caught.value) == f"count must be a positive integer, not {count!r}"

    @pytest.mark.parametrize("timeout", [-1, True, "2"])
    def test_what_is_no_timeout(self, cluster, timeout):
        held = cluster.hold("ListInstances")
        with pytest.raises(DeclarationError) as caught:
            held.wait(timeout)
        assert str(caught.value) == f"timeout must be a number that is not negative, not {timeout!r}"
