"""A clock that goes by a function that returns seconds: tasks overlap on it as they would in reality."""

import asyncio
import threading
from fractions import Fraction
from functools import partial
from types import SimpleNamespace

import anyio
import async_solipsism
import pytest
import trio
from trio.testing import MockClock

from pytest_fakehv import Clock, DeclarationError, FakeCluster
from pytest_fakehv.storage.locks import is_held


@pytest.fixture
def time():
    """A time in the hands of the test: `time.now` is what it says, or raises."""
    time = SimpleNamespace(now=100.0, asked=0)

    def tell():
        if isinstance(time.now, Exception):
            raise time.now
        return time.now

    time.tell = tell
    return time


def running(cluster, name="web1", **script):
    """Begin a migration that takes a minute, or as scripted."""
    web = cluster.add_instance(name, memory=60 * 1024)
    cluster.script_migration(name, **script)
    cluster["node2"].AcceptInstance(web, "", "node2")
    cluster["node1"].MigrateInstance("cluster", web, "node2", True)
    return web


def message(function, *arguments, **keywords):
    with pytest.raises(DeclarationError) as caught:
        function(*arguments, **keywords)
    return str(caught.value)


class TestCounting:
    def test_it_counts_from_when_the_cluster_was_made(self, time):
        cluster = FakeCluster.in_memory(clock=time.tell)
        assert (cluster.clock.mode, cluster.clock.now) == ("function", 0)
        time.now += 2.5
        assert (cluster.clock.now, cluster.clock.exact_now) == (2.5, Fraction(5, 2))
        assert repr(cluster.clock) == "<Clock function at 2.5 s>"

    def test_where_it_can_not_be_asked_yet_it_counts_from_when_it_is(self, time):
        time.now = RuntimeError("no running event loop")
        cluster = FakeCluster.in_memory(clock=time.tell)
        cluster.add_instance("web1")
        assert cluster.clock.now == 0
        time.now = 1000
        assert cluster.clock.now == 0
        time.now = 1003
        assert cluster.clock.now == 3

    def test_where_it_can_not_be_asked_any_more_time_stands_still(self, time):
        cluster = FakeCluster.in_memory(clock=time.tell)
        time.now = 107
        assert cluster.clock.now == 7
        time.now = RuntimeError("the loop is closed")
        assert cluster.clock.now == 7
        assert cluster.violations() == []

    def test_where_it_goes_back_it_goes_on_from_there(self, time):
        cluster = FakeCluster.in_memory(clock=time.tell)
        times = []
        for time.now in (107, 0, 5, 6, 1):
            times.append(cluster.clock.now)
        assert times == [7, 7, 12, 13, 13]

    def test_it_is_as_exact_as_it_is_written(self, time):
        time.now = 12345.6
        clock = Clock(time.tell)
        time.now = 12345.7
        assert clock.exact_now == Fraction(1, 10)

    @pytest.mark.parametrize("mode", ["polls", "manual"])
    def test_a_clock_may_follow_later_and_goes_on(self, time, mode):
        cluster = FakeCluster.in_memory(clock=mode)
        cluster.clock.advance(30)
        web1 = running(cluster)
        cluster.clock.follow(time.tell)
        time.now += 59
        assert cluster["node1"].GetMigrationStatus(web1).status == "active"
        time.now += 1
        assert cluster["node1"].GetMigrationStatus(web1).status == "completed"
        assert cluster.clock.now == 90

    def test_it_is_asked_under_no_lock(self):
        held, now = [], [0]

        def tell():
            held.append(is_held(cluster._shared.lock))
            now[0] += 1
            return now[0]

        cluster = FakeCluster.in_memory()
        cluster.clock.follow(tell)
        web1 = running(cluster)
        cluster["node1"].GetMigrationStatus(web1)
        cluster.cancel_migration("web1")
        cluster["node2"].crash()
        cluster.remove_node("node2")
        assert True not in held

    def test_an_event_comes_at_its_time(self, time):
        cluster = FakeCluster.in_memory(clock=time.tell)
        web1 = running(cluster)
        times = []
        cluster.at(30, lambda: times.append(cluster.clock.now))
        cluster.at(30, cluster["node2"].crash)
        time.now += 100
        assert cluster["node1"].GetMigrationStatus(web1).status == "failed"
        assert (times, cluster.clock.now, cluster.migrations[0].duration) == ([30], 100, 30)


class TestWrong:
    def test_what_is_no_function(self):
        assert message(Clock().follow, 5) == "a clock follows a function that returns seconds, not 5"

    def test_what_takes_an_argument(self):
        def function(loop):
            return loop.time()

        said = message(FakeCluster.in_memory, clock=function)
        assert said.startswith("clock must be callable without arguments, not <function ")
        assert said.endswith(">: missing a required argument: 'loop'")

    @pytest.mark.parametrize("value", ["noon", None, True, float("nan"), float("inf"), 2**63])
    def test_what_returns_no_number(self, value):
        text = f"clock must be a function that returns seconds, not {value!r}"
        assert message(FakeCluster.in_memory, clock=lambda: value) == text
        assert FakeCluster.in_memory(clock=lambda: 2**63 - 1).clock.now == 0

    @pytest.mark.parametrize(
        ("said", "problem"),
        [
            (
                RuntimeError("no running event loop"),
                (
                    "RuntimeError: no running event loop; make the call in the loop, "
                    "or have one asked from anywhere: clock.follow(loop.time)"
                ),
            ),
            ("noon", "DeclarationError: clock must be a function that returns seconds, not 'noon'"),
        ],
    )
    def test_who_needs_the_time_where_it_can_not_be_told(self, time, said, problem):
        cluster = FakeCluster.in_memory(clock=time.tell)
        web1 = cluster.add_instance("web1")
        time.now = said
        node1 = cluster["node1"]
        text = f"the clock follows a function that tells no time here: {problem}"
        assert message(node1.GetMigrationStatus, web1) == text
        assert message(node1.MigrateInstance, "cluster", web1, "node2", True) == text
        assert cluster.migrations == []
        node1.StopInstance(web1)

    def test_what_only_a_clock_of_its_own_can_do(self, time):
        cluster = FakeCluster.in_memory(clock=time.tell)
        assert message(cluster.clock.advance, 1) == (
            "a clock that follows a function can't be advanced; choose clock='manual' or 'polls'"
        )
        assert message(cluster.clock.sleep, 1) == (
            "a clock that follows a function can't sleep; await what makes it go, as asyncio.sleep does"
        )
        assert message(cluster.fault, "StopInstance", delay=1) == (
            "delay can't be: the clock follows a function, which no call makes go"
        )
        assert cluster.faults == []

    def test_its_limit(self, time):
        cluster = FakeCluster.in_memory(clock=time.tell, max_time=60)
        web1 = running(cluster, dirty_rate=2048)
        time.now += 61
        with pytest.raises(BaseException, match=r"^60 s passed in this test") as caught:
            cluster["node1"].GetMigrationStatus(web1)
        assert type(caught.value).__name__ == "LimitError"


async def poll_for_a_minute(node, web, sleep):
    """Return when each poll came, every ten seconds."""
    times = []
    while True:
        status = node.GetMigrationStatus(web).status
        times.append(node.clock.now)
        if status != "active":
            return times
        await sleep(10)


EVERY_TEN = [0, 10, 20, 30, 40, 50, 60]


def in_asyncio(main):
    with asyncio.Runner(loop_factory=async_solipsism.EventLoop) as runner:
        return runner.run(main())


def in_trio(main):
    return trio.run(main, clock=MockClock(autojump_threshold=0))


async def together_in_asyncio(poll, webs):
    async with asyncio.TaskGroup() as group:
        for web in webs:
            group.create_task(poll(web))


async def together_in_trio(poll, webs):
    async with trio.open_nursery() as nursery:
        for web in webs:
            nursery.start_soon(poll, web)


async def together_in_anyio(poll, webs):
    async with anyio.create_task_group() as group:
        for web in webs:
            group.start_soon(poll, web)


ON_ASYNCIO = {"backend_options": {"loop_factory": async_solipsism.EventLoop}}
WAYS = {
    "asyncio": (in_asyncio, lambda: asyncio.get_running_loop().time(), asyncio.sleep, together_in_asyncio),
    "trio": (in_trio, trio.current_time, trio.sleep, together_in_trio),
    "anyio on asyncio": (
        lambda main: anyio.run(main, **ON_ASYNCIO),
        anyio.current_time,
        anyio.sleep,
        together_in_anyio,
    ),
    "anyio on trio": (
        lambda main: anyio.run(
            main, backend="trio", backend_options={"clock": MockClock(autojump_threshold=0)}
        ),
        anyio.current_time,
        anyio.sleep,
        together_in_anyio,
    ),
}


@pytest.mark.parametrize("when", ["made outside of the run", "made in it"])
@pytest.mark.parametrize("way", WAYS)
def test_two_tasks_that_each_poll_every_ten_seconds_for_a_minute_make_seven_polls_each(way, when):
    run, clock, sleep, together = WAYS[way]
    outside = FakeCluster.in_memory(clock=clock) if when == "made outside of the run" else None
    times = {}

    async def main():
        cluster = outside or FakeCluster.in_memory(clock=clock)

        async def poll(web):
            times[web.name] = await poll_for_a_minute(cluster["node1"], web, sleep)

        await together(poll, [running(cluster, name) for name in ("web1", "web2")])
        return cluster

    cluster = run(main)
    assert times == {"web1": EVERY_TEN, "web2": EVERY_TEN}
    assert len(cluster.journal.calls("GetMigrationStatus")) == 14
    assert cluster.clock.now == 60


def test_two_runs_one_after_another():
    cluster = FakeCluster.in_memory(clock=lambda: asyncio.get_running_loop().time())

    async def main(name):
        return await poll_for_a_minute(cluster["node1"], running(cluster, name), asyncio.sleep)

    assert in_asyncio(partial(main, "web1")) == EVERY_TEN
    assert in_asyncio(partial(main, "web2")) == [60 + each for each in EVERY_TEN]


def test_a_loops_own_time_can_be_asked_from_threads(time):
    cluster = FakeCluster.in_memory()
    cluster.clock.follow(time.tell)
    web1 = running(cluster)
    time.now += 60
    said = []
    thread = threading.Thread(target=lambda: said.append(cluster["node1"].GetMigrationStatus(web1).status))
    thread.start()
    thread.join()
    assert said == ["completed"]
