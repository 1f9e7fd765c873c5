"""Events in time: what a test does when the cluster's clock gets there."""

import os
import re
import threading
from fractions import Fraction
from functools import partial
from types import SimpleNamespace

import pytest
from workers import call, done_by

from pytest_fakehv import (
    DeclarationError,
    EventError,
    FakeCluster,
    FakeHypervisor,
    HypervisorError,
    NodeDownError,
)
from pytest_fakehv.machine import Time
from pytest_fakehv.storage.locks import is_held

HERE = "tests/calls/test_events.py"


@pytest.fixture
def machine(monkeypatch):
    machine = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(Time, "monotonic", lambda: machine.now)
    return machine


@pytest.fixture(params=["polls", "manual", "real"])
def cluster(request, machine, root):
    """One of each clock, which `jump` moves."""
    cluster = FakeCluster(root, clock=request.param)
    cluster.jump = partial(jump, cluster, machine)
    return cluster


def jump(cluster, machine, seconds):
    if cluster.clock.mode != "real":
        cluster.clock.advance(seconds)
        return
    machine.now += seconds
    cluster["node1"].ListInstances()


def migrate(cluster, **script):
    """Let web1 be on its way from node1 to node2."""
    web1 = cluster.add_instance("web1", memory=4096)
    cluster.script_migration("web1", **script)
    cluster["node2"].AcceptInstance(web1, "", "node2")
    cluster["node1"].MigrateInstance("cluster", web1, "node2", True)
    return web1


def message(function, *arguments, error=DeclarationError, **keywords):
    with pytest.raises(error) as caught:
        function(*arguments, **keywords)
    return str(caught.value)


class TestWhen:
    def test_they_come_at_their_times_in_order_however_far_the_clock_jumps(self, cluster):
        came = []

        def note(name):
            came.append((name, cluster.clock.now, cluster.clock.exact_now))

        for name, time in {"c": 30, "a": 10, "b": 20.5, "d": 30}.items():
            cluster.at(time, partial(note, name))
        cluster.jump(5)
        assert came == []
        cluster.jump(95)
        assert came == [
            ("a", 10, 10),
            ("b", 20.5, Fraction(41, 2)),
            ("c", 30, 30),
            ("d", 30, 30),
        ]
        assert cluster.clock.now == 100
        cluster.jump(100)
        assert len(came) == 4

    @pytest.mark.parametrize(("time", "outcome"), [(3.5, "failed"), (4, "completed"), (30, "completed")])
    def test_a_migration_is_met_as_it_is_by_then(self, cluster, time, outcome):
        migrate(cluster, bandwidth=1024)
        cluster.at(time, cluster["node2"].crash)
        cluster.jump(100)
        migration = cluster.migrations[0]
        assert (migration.outcome, migration.duration) == (outcome, min(time, 4))

    def test_what_it_declares_comes_too_and_what_is_due_at_once(self, cluster):
        came = []

        def first():
            came.append("first")
            cluster.at(20, lambda: came.append("third"))
            cluster.at(10, lambda: came.append("second"))
            came.append("end of first")

        cluster.at(10, first)
        cluster.jump(30)
        assert [*came, *(each.came_due for each in cluster.clock._events.every)] == (
            ["first", "second", "end of first", "third", True, True, True]
            if cluster.clock.mode != "real"
            else ["first", "end of first", "second", "third", True, True, True]
        )

    def test_one_that_is_due_now_comes_at_once(self, cluster):
        event = cluster.at(0, cluster["node2"].crash)
        assert event.came_due
        assert cluster["node2"].is_down

    def test_what_it_advances_the_clock_by_comes_on_top(self):
        cluster = FakeCluster.in_memory(clock="manual")
        came = []
        cluster.at(10, lambda: cluster.clock.advance(15))
        cluster.at(20, lambda: came.append(cluster.clock.now))
        cluster.clock.advance(30)
        assert (came, cluster.clock.now) == ([20], 45)

    def test_one_that_lets_the_clock_follow_a_function_ends_its_advance(self):
        cluster = FakeCluster.in_memory(clock="manual")
        seconds = [0]
        cluster.at(5, lambda: cluster.clock.follow(lambda: seconds[0]))
        cluster.at(7, cluster["node2"].crash)
        cluster.clock.advance(10)
        assert cluster.clock.now == 5
        seconds[0] = 2
        assert cluster["node1"].ListInstances() == []
        assert {"crash"} <= {each.what for each in cluster.timeline().steps if each.time == 7}

    def test_a_poll_and_a_sleep_bring_them_about(self):
        cluster = FakeCluster.in_memory()
        web1 = migrate(cluster, dirty_rate=2048)
        cluster.at(2, cluster["node2"].crash)
        cluster.at(9, cluster["node2"].boot)
        said = [cluster["node1"].GetMigrationStatus(web1).status for _ in range(3)]
        assert said == ["active", "failed", "failed"]
        cluster.clock.sleep(60)
        assert not cluster["node2"].is_down

    def test_a_call_to_the_node_that_goes_down_meanwhile_gets_lost(self):
        cluster = FakeCluster.in_memory()
        web1 = migrate(cluster, dirty_rate=2048)
        cluster.at(1, cluster["node1"].crash)
        with pytest.raises(NodeDownError, match=r"^node1 does not answer$"):
            cluster["node1"].GetMigrationStatus(web1)

    def test_a_node_has_it_too(self, hv):
        event = hv.at(3, hv.crash)
        hv.clock.advance(3)
        assert event.came_due
        assert hv.is_down

    def test_on_the_machines_clock_who_looks_finds_it_done(self, machine):
        cluster = FakeCluster.in_memory(clock="real")
        cluster.add_instance("web1")
        cluster.at(5, cluster["node1"].crash)
        machine.now += 7
        cluster.assert_placement({"web1": None})
        assert cluster.clock.now == 7

    def test_while_one_is_at_it_another_thread_does_not_overtake_it(self, machine):
        cluster = FakeCluster.in_memory(clock="real")
        came = []

        def first():
            other = threading.Thread(target=cluster["node1"].ListInstances)
            other.start()
            other.join()
            came.append("first")

        cluster.at(5, first)
        cluster.at(6, lambda: came.append("second"))
        machine.now += 7
        cluster["node2"].ListInstances()
        assert came == ["first", "second"]


class TestWithdrawn:
    def test_it_is_not_done(self, cluster):
        event = cluster.at(10, cluster["node1"].crash, optional=True)
        other = cluster.at(10, cluster["node2"].crash)
        event.withdraw()
        cluster.jump(20)
        assert (event.came_due, event.withdrawn) == (False, True)
        assert (other.came_due, other.withdrawn) == (True, False)
        assert (cluster["node1"].is_down, cluster["node2"].is_down) == (False, True)

    def test_at_the_end_of_its_block(self, cluster):
        with cluster.at(10, cluster["node1"].crash) as event:
            cluster.jump(5)
        cluster.jump(10)
        assert not cluster["node1"].is_down
        line = test_line(TestWithdrawn.test_at_the_end_of_its_block, 1)
        assert [each.what for each in cluster.violations()] == [
            f"at(10, node1.crash) at {HERE}:{line} never came due: it was withdrawn"
        ]
        assert event.origin == f"{HERE}:{line}"


def test_line(function, offset):
    return function.__code__.co_firstlineno + offset


test_line.__test__ = False


class TestUnmet:
    def test_one_whose_time_never_came_breaks_an_invariant(self, cluster):
        cluster.at(30, cluster["node2"].crash)
        cluster.at(40, cluster["node2"].crash, optional=True)
        cluster.fault("StopInstance")
        cluster.jump(12)
        line = test_line(TestUnmet.test_one_whose_time_never_came_breaks_an_invariant, 1)
        with pytest.raises(AssertionError) as caught:
            cluster.assert_consistent()
        assert str(caught.value).splitlines() == [
            f"unfired: fault('StopInstance') at {HERE}:{line + 2} never fired: no such call came",
            (
                "  a correct test has its fault strike a call that is made; one that may never fire "
                "has optional=True"
            ),
            f"unfired: at(30, node2.crash) at {HERE}:{line} never came due: the clock got to 12 s",
            (
                "  a correct test lets the clock get to the time of its event; one whose time may "
                "never come has optional=True"
            ),
        ]
        cluster.jump(18)
        assert [each.event for each in cluster.violations()] == [None]

    def test_many_of_them(self):
        cluster = FakeCluster.in_memory()
        for time in range(1, 14):
            cluster.at(time, cluster["node2"].crash)
        with pytest.raises(AssertionError) as caught:
            cluster.assert_consistent()
        assert str(caught.value).splitlines()[-2:] == [
            "unfired: and 3 more",
            (
                "  a correct test lets the clock get to the time of its event; one whose time may "
                "never come has optional=True"
            ),
        ]

    def test_it_can_be_allowed(self, cluster):
        cluster.at(30, cluster["node2"].crash)
        cluster.allow("unfired")
        assert cluster.violations() == []


class TestWhoseDoing:
    def test_it_is_the_tests_own_also_in_a_call_of_the_code_under_test(self):
        cluster = FakeCluster.in_memory()
        web1 = migrate(cluster, dirty_rate=2048)
        cluster.add_instance("db1", node="node2")
        cluster.at(1, cluster["node2"].crash)
        cluster["node1"].GetMigrationStatus(web1)
        cluster["node2"].boot()
        cluster["node2"].FinalizeMigrationDst(web1, "", False)
        cluster["node1"].FinalizeMigrationSource(web1, False, True)
        assert cluster.violations() == []

    def test_what_it_does_is_shown_at_its_line_and_time(self, cluster):
        line = test_line(TestWhoseDoing.test_what_it_does_is_shown_at_its_line_and_time, 2)
        cluster.at(30, cluster["node2"].crash)
        cluster.jump(100)
        step = next(each for each in cluster.timeline().steps if each.what == "crash")
        assert (step.mark, step.node, step.time, step.place) == ("crash", "node2", 30, f"{HERE}:{line}")

    def test_so_is_a_call_that_it_makes(self):
        cluster = FakeCluster.in_memory(clock="manual")
        web1 = cluster.add_instance("web1")
        line = test_line(TestWhoseDoing.test_so_is_a_call_that_it_makes, 4)
        cluster.at(30, partial(cluster["node1"].StopInstance, web1))
        cluster.clock.sleep(60)
        assert [(each.place, each.time) for each in cluster.journal] == [(f"{HERE}:{line}", 30)]

    def test_a_function_of_the_test_has_lines_of_its_own(self):
        cluster = FakeCluster.in_memory(clock="manual")

        def both():
            cluster["node1"].crash()
            cluster["node2"].crash()

        cluster.at(30, both)
        cluster.clock.sleep(60)
        line = test_line(both, 1)
        places = [each.place for each in cluster.timeline().steps]
        assert places == [f"{HERE}:{line}", f"{HERE}:{line + 1}"]

    def test_it_is_listed_among_the_rules(self):
        cluster = FakeCluster.in_memory(clock="manual")
        line = test_line(TestWhoseDoing.test_it_is_listed_among_the_rules, 3)
        cluster.at(30, cluster["node2"].crash)
        with cluster.at(10, cluster["node1"].crash):
            cluster.clock.advance(20)
        assert cluster.timeline().rules == [
            f"at(30, node2.crash) at {HERE}:{line}: never came due",
            f"at(10, node1.crash) at {HERE}:{line + 1}: came due, withdrawn",
        ]

    def test_the_lock_is_never_held_meanwhile(self, cluster):
        web1 = migrate(cluster, dirty_rate=2048)
        held = []

        def look():
            held.append(is_held(cluster._shared.lock))
            other = threading.Thread(target=cluster["node2"].ListInstances)
            other.start()
            other.join(5)
            held.append(other.is_alive())

        cluster.at(1, look)
        cluster.at(2, look)
        cluster["node1"].GetMigrationStatus(web1)
        cluster.jump(10)
        assert held == [False] * 4

    def test_where_it_would_be_it_waits(self, machine):
        cluster = FakeCluster.in_memory(clock="real")
        event = cluster.at(5, cluster["node1"].crash)
        machine.now += 7
        cluster.remove_node("node2")  # looks what runs there, under the lock
        assert not event.came_due
        assert cluster["node1"].is_down is False
        with pytest.raises(NodeDownError):
            cluster["node1"].ListInstances()


class TestRaises:
    @pytest.mark.parametrize("error", [ValueError("no"), HypervisorError("no")])
    def test_what_it_raises_comes_out_of_what_moved_the_clock(self, cluster, error):
        def fail():
            raise error

        line = test_line(TestRaises.test_what_it_raises_comes_out_of_what_moved_the_clock, 6)
        cluster.at(10, fail)
        text = message(cluster.jump, 20, error=EventError)
        assert text == f"at(10, fail) at {HERE}:{line} raised {type(error).__name__}: no"
        assert not issubclass(EventError, Exception)
        if cluster.clock.mode != "real":
            assert cluster.clock.now == 10

    def test_what_ends_a_run_goes_through(self):
        cluster = FakeCluster.in_memory()

        def interrupt():
            raise KeyboardInterrupt

        cluster.at(10, interrupt)
        with pytest.raises(KeyboardInterrupt):
            cluster.clock.advance(20)


class Odd:
    def __call__(self, needed):
        """Need an argument."""

    def __repr__(self):
        return "Odd()"


async def later():
    pass


class Later:
    async def __call__(self):
        pass

    def __repr__(self):
        return "Later()"


def test_one_that_another_thread_has_overtaken_takes_no_time_back():
    """It was declared when its time had not come yet, and in force when that was over."""
    cluster = FakeCluster.in_memory(clock="manual")
    times = []
    event = cluster.at(10, lambda: times.append(cluster.clock.now))
    cluster.clock._events._coming.clear()
    cluster.clock.advance(15)
    cluster.clock._events.add(event, Fraction(9))
    cluster.clock.advance(1)
    assert times == [15]
    assert cluster.clock.now == 16


class TestWrong:
    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ((-1, print), "time must be a number that is not negative, not -1"),
            (("30", print), "time must be a number that is not negative, not '30'"),
            ((4, print), "time must be 5 or more, which it is by the clock, not 4"),
            (
                (30, None),
                (
                    "deed must be callable without arguments, not None: give a function or a method itself, "
                    "without calling it"
                ),
            ),
            (
                (30, later),
                f"deed must be callable without arguments, not {later!r}: nobody would await it",
            ),
            (
                (30, Later()),
                "deed must be callable without arguments, not Later(): nobody would await it",
            ),
            (
                (30, Odd()),
                (
                    "deed must be callable without arguments, not Odd(): missing a required argument: "
                    "'needed'; write lambda: ..."
                ),
            ),
        ],
        ids=["negative", "text", "over", "nothing", "coroutine", "coroutines", "arguments"],
    )
    def test_an_argument(self, cluster, arguments, text):
        cluster.jump(5)
        assert message(cluster.at, *arguments) == text
        assert cluster.clock._events.every == []

    def test_optional(self, cluster):
        text = message(cluster.at, 30, print, optional="yes")
        assert text == "optional must be one of True, False, not 'yes'"

    def test_of_some_callables_nothing_is_known(self):
        cluster = FakeCluster.in_memory()
        assert repr(cluster.at(30, dict)) == "<at(30, dict) has not come due>"
        event = cluster.at(31, partial(len, ""), optional=True)
        cluster.clock.advance(40)
        assert (
            repr(event) == "<at(31, functools.partial(<built-in function len>, ''), optional=True) came due>"
        )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system can't fork")
def test_from_another_process():
    cluster = FakeCluster.in_memory()
    done_by("fork", call, cluster, "at", 30, cluster["node2"].crash)
    done_by("fork", call, cluster.clock, "advance", 40)
    assert cluster["node2"].is_down
    step = cluster.timeline().steps[0]
    assert (step.what, step.time, step.place.partition(":")[0]) == ("crash", 30, "tests/calls/workers.py")


def test_a_node_on_its_own_that_is_the_machine(tmp_path):
    hv = FakeHypervisor(tmp_path)
    hv.at(1, hv.disconnect)
    hv.clock.advance(1)
    assert hv.is_cut_off


SWALLOWS = """
import pytest

@pytest.fixture(scope="module")
def wider(fakehv_factory):
    return fakehv_factory()

def fail():
    raise ValueError("no")

def drain(cluster):
    try:
        cluster.clock.sleep(20)
    except:
        pass

def test_swallowed(fakehv_cluster):
    fakehv_cluster.at(10, fail)
    drain(fakehv_cluster)

def test_swallowed_and_failed(fakehv_cluster):
    fakehv_cluster.at(10, fail)
    drain(fakehv_cluster)
    assert False, "another thing"

def test_not_swallowed(fakehv_cluster):
    fakehv_cluster.at(10, fail)
    fakehv_cluster.clock.sleep(20)

@pytest.mark.fakehv(clock="real")
def test_nobody_looks(fakehv_cluster, monkeypatch):
    from pytest_fakehv.machine import Time
    fakehv_cluster.at(10, fail)
    fakehv_cluster.at(10, fail)
    now = Time.monotonic()
    monkeypatch.setattr(Time, "monotonic", lambda: now + 20)

@pytest.mark.fakehv(strict=False)
def test_of_a_wider_fixture(wider):
    wider.at(10, fail)
    drain(wider)

def test_it_is_no_longer_told(wider):
    pass
"""


OUTCOMES = """
import pytest

def drain(cluster):
    try:
        cluster.clock.sleep(20)
    except:
        pass

def test_swallowed(fakehv_cluster):
    fakehv_cluster.at(10, lambda: pytest.fail("too late"))
    drain(fakehv_cluster)

def test_not_swallowed(fakehv_cluster):
    fakehv_cluster.at(10, lambda: pytest.fail("in time"))
    fakehv_cluster.clock.sleep(20)

@pytest.mark.fakehv(clock="real")
def test_nobody_looks(fakehv_cluster, monkeypatch):
    from pytest_fakehv.machine import Time
    fakehv_cluster.at(10, lambda: pytest.fail("unseen"))
    now = Time.monotonic()
    monkeypatch.setattr(Time, "monotonic", lambda: now + 20)

def test_skipped(fakehv_cluster):
    fakehv_cluster.at(10, lambda: pytest.skip("for a reason"))
    fakehv_cluster.clock.sleep(20)
"""


def test_an_outcome_that_one_raises_is_that_of_the_test_whoever_catches_it(pytester):
    pytester.makepyfile(test_it=OUTCOMES)
    result = pytester.runpytest("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(failed=3, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "FAILED test_it.py::test_swallowed - Failed: too late",
            "FAILED test_it.py::test_not_swallowed - Failed: in time",
            "FAILED test_it.py::test_nobody_looks - Failed: unseen",
        ]
    )
    result.stdout.no_fnmatch_line("*callers.py*")


def test_what_one_raises_fails_the_test_whoever_catches_it(pytester):
    pytester.makepyfile(test_it=SWALLOWS)
    result = pytester.runpytest("-p", "no:cacheprovider", "--tb=short")
    result.assert_outcomes(passed=1, failed=5)
    said = [line for line in result.stdout.lines if "raised ValueError: no" in line and "FAILED" not in line]
    assert [re.sub(r"at /.*/", "at ", line) for line in said] == [
        f"{lead}at(10, fail) at test_it.py:{number} raised ValueError: no"
        for number, lead in [
            (17, ""),
            (21, "E   "),
            (26, "E   pytest_fakehv.EventError: "),
            (32, ""),
            (33, ""),
            (39, ""),
        ]
    ]


def test_what_ends_the_whole_run_goes_on_through_the_verdict():
    def ends():
        raise SystemExit(3)

    now = [0.0]
    cluster = FakeCluster.in_memory(clock=lambda: now[0])
    cluster.clock.exact_now  # noqa: B018  # it begins
    cluster.at(5, ends)
    now[0] = 10.0
    with pytest.raises(SystemExit):
        cluster._scope.news()
