"""A test that would never end, ends, and says what it has waited for."""

import re
import threading
from types import SimpleNamespace

import pytest

from pytest_fakehv import DeclarationError, FakeCluster, LimitError
from pytest_fakehv.machine import Time

HERE = "tests/cluster/test_limits.py"


def make(**options):
    return FakeCluster.in_memory(**options)


def poll_for_ever(cluster, web1):
    while cluster["node1"].GetMigrationStatus(web1).status == "active":
        pass


def line_of(function, offset):
    return function.__code__.co_firstlineno + offset


def stopped(function, *arguments):
    with pytest.raises(LimitError) as caught:
        function(*arguments)
    return str(caught.value).splitlines()


MORE_CALLS = "  a test that takes more says so: fakehv(max_calls=...), or --fakehv-max-calls"
MORE_TIME = "  a test that takes more says so: fakehv(max_time=...), or --fakehv-max-time"


class TestCalls:
    def test_it_says_who_has_waited_for_what_and_what_never_came(self):
        cluster = make(max_calls=2000)
        web1 = cluster.add_instance("web1", memory=1024)
        cluster.script_migration("web1", dirty_rate=1024, max_downtime=0.1)
        cluster.fault("StopInstance")
        cluster.fault("StopInstance", optional=True)
        cluster.at(5000, cluster["node2"].crash)
        cluster["node2"].AcceptInstance(web1, "", "node2")
        cluster["node1"].MigrateInstance("cluster", web1, "node2", True)
        said = stopped(poll_for_ever, cluster, web1)
        here = TestCalls.test_it_says_who_has_waited_for_what_and_what_never_came
        assert said == [
            "2,000 calls came in this test, which is max_calls: it waits for what never comes",
            (
                f"  1,998 times GetMigrationStatus('web1') on node1 at {HERE}:{line_of(poll_for_ever, 1)}, "
                "the last time MigrationStatus(status='active', transferred_ram=2045952, total_ram=1024)"
            ),
            (
                "  web1 node1 -> node2 live: 1998 rounds at poll 1998, under way, by the script at "
                f"{HERE}:{line_of(here, 3)}, which never converges"
            ),
            f"  fault('StopInstance') at {HERE}:{line_of(here, 4)} has not fired",
            f"  at(5000, node2.crash) at {HERE}:{line_of(here, 6)} has not come due",
            MORE_CALLS,
        ]

    def test_of_the_migrations_that_have_not_ended_it_says_which_never_does(self):
        cluster = make(max_calls=20, clock="manual")
        scripts = {
            "unscripted": None,
            "ends": {"bandwidth": 100},
            "polled": {"bandwidth": 100, "dirty_rate": 200, "polls": 9},
            "endless": {"bandwidth": 100, "dirty_rate": 200},
            "cancelled": {"bandwidth": 100, "dirty_rate": 200},
        }
        for name, script in scripts.items():
            instance = cluster.add_instance(name, memory=1024)
            if script:
                cluster.script_migration(name, **script)
            cluster["node1"].MigrateInstance("cluster", instance, "node2", True)
        cluster.cancel_migration("cancelled")
        killed = cluster.add_instance("killed")
        cluster["node1"].MigrateInstance("cluster", killed, "node2", True)
        cluster["node1"].FinalizeMigrationSource(killed, True, True)
        cluster["node2"].kill("killed")  # so that nothing is left to end

        def look():
            while True:
                cluster["node2"].ListInstances()

        said = [re.sub(r"the script at \S+:\d+", "a script", line) for line in stopped(look)]
        assert [line for line in said if " -> node2 " in line] == [
            "  unscripted node1 -> node2 live: under way before any poll",
            "  ends node1 -> node2 live: 0 % before any poll, under way, by a script",
            "  polled node1 -> node2 live: 0 % before any poll, under way, by a script",
            (
                "  endless node1 -> node2 live: 0 % before any poll, under way, by a script, "
                "which never converges"
            ),
            (
                "  cancelled node1 -> node2 live: 0 % before any poll, cancelled (cancelled by the test), "
                "not finalized, by a script"
            ),
        ]

    def test_of_what_takes_turns_it_says_each(self):
        cluster = make(max_calls=1500)
        cluster["node2"].ListInstances()

        def look():
            while True:
                cluster["node1"].ListInstances()
                cluster["node1"].GetNodeInfo()

        said = [re.sub(r" at \S+:\d+", "", line) for line in stopped(look)]
        assert said[1:-1] == [
            "  750 times ListInstances() on node1, the last time []",
            (
                "  749 times GetNodeInfo() on node1, the last time {'memory_total': 65536, "
                "'memory_free': 65536, 'memory_dom0': 0, 'cpu_total': 16, 'cpu_dom0': 16, "
                "'cpu_nodes': 1, 'cpu_sockets': 1}"
            ),
        ]

    def test_what_came_once_has_no_last_time(self):
        cluster = make(max_calls=3)
        cluster["node2"].ListInstances()

        def look():
            while True:
                cluster["node1"].ListInstances()

        said = [re.sub(r" at \S+:\d+", "", line) for line in stopped(look)]
        assert said[1:-1] == [
            "  2 times ListInstances() on node1, the last time []",
            "  once ListInstances() on node2 -> []",
        ]

    def test_each_later_call_and_move_raises_it_again_and_it_is_no_exception(self):
        cluster = make(max_calls=3)
        first = stopped(lambda: [cluster["node1"].ListInstances() for _ in range(4)])
        assert first == stopped(cluster["node2"].GetNodeInfo) == stopped(cluster.clock.advance, 1)
        assert not issubclass(LimitError, Exception)
        assert [each.number for each in cluster.journal] == [1, 2, 3]
        cluster.assert_placement({})

    def test_in_threads_too(self):
        cluster = make(max_calls=1000)
        raised = []

        def work():
            try:
                while True:
                    cluster["node1"].ListInstances()
            except LimitError as error:
                raised.append(str(error))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(raised) == 4
        assert len(set(raised)) == 1
        assert len(cluster.journal) == 1000

    def test_calls_that_the_journal_forgets_count(self):
        cluster = make(max_calls=10)
        cluster.journal.keep(2)
        said = stopped(lambda: [cluster["node1"].ListInstances() for _ in range(11)])
        assert said[0] == "10 calls came in this test, which is max_calls: it waits for what never comes"


class TestMoves:
    @pytest.mark.parametrize("clock", ["polls", "manual", "real"])
    def test_who_only_sleeps_never_ends_either(self, clock, monkeypatch):
        monkeypatch.setattr(Time, "sleep", lambda _seconds: None)
        cluster = make(clock=clock, max_calls=100)

        def wait():
            while True:
                cluster.clock.sleep(0)

        assert stopped(wait) == [
            (
                f"100 sleeps and advances of the clock came in this test, the last at {HERE}:"
                f"{line_of(wait, 2)}, which is max_calls: it waits for what never comes"
            ),
            MORE_CALLS,
        ]


class TestTime:
    @pytest.mark.parametrize("clock", ["polls", "manual"])
    def test_the_clock_goes_no_further(self, clock):
        cluster = make(clock=clock, max_time=3600)

        def back_off():
            seconds = 1
            while True:
                cluster.clock.sleep(seconds)
                seconds *= 2

        assert stopped(back_off) == [
            (
                f"3,600 s passed in this test, the last of them at {HERE}:{line_of(back_off, 3)}, "
                "which is max_time: it waits for what never comes"
            ),
            MORE_TIME,
        ]
        assert cluster.clock.now == 2047
        stopped(cluster["node1"].ListInstances)

    def test_a_long_one_is_said_in_full(self):
        cluster = make()
        said = stopped(cluster.clock.advance, 10**9)
        assert said[0].startswith("316,224,000 s passed in this test, ")

    def test_polls_take_time(self):
        cluster = make(max_time=100)
        web1 = cluster.add_instance("web1")
        cluster.script_migration("web1", polls=500)
        cluster["node1"].MigrateInstance("cluster", web1, "node2", True)
        said = stopped(poll_for_ever, cluster, web1)
        assert [line.partition(" at ")[0] for line in said] == [
            "100 s passed in this test, the last of them",
            "  101 times GetMigrationStatus('web1') on node1",
            "  once MigrateInstance('cluster', 'web1', 'node2', True) on node1",
            "  web1 node1 -> node2 live: under way",
            MORE_TIME,
        ]

    def test_so_does_the_machines_clock(self, monkeypatch):
        machine = SimpleNamespace(now=5.0)
        monkeypatch.setattr(Time, "monotonic", lambda: machine.now)
        cluster = make(clock="real", max_time=100)
        web1 = cluster.add_instance("web1")
        cluster["node1"].GetMigrationStatus(web1)
        machine.now += 100
        cluster["node1"].GetMigrationStatus(web1)
        machine.now += 1
        assert stopped(cluster["node1"].GetMigrationStatus, web1)[0].startswith("100 s passed in this test")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_calls": 0}, "max_calls must be a positive integer, not 0"),
        ({"max_calls": 1.5}, "max_calls must be a positive integer, not 1.5"),
        ({"max_calls": None}, "max_calls must be a positive integer, not None"),
        ({"max_time": 0}, "max_time must be a positive number, not 0"),
        ({"max_time": "1"}, "max_time must be a positive number, not '1'"),
    ],
)
def test_what_is_no_limit(options, text):
    with pytest.raises(DeclarationError) as caught:
        make(**options)
    assert str(caught.value) == text


MODULE = """
import threading
import pytest
from pytest_fakehv import LimitError

def spin(cluster, calls=99):
    for _ in range(calls):
        cluster["node1"].ListInstances()

@pytest.fixture(scope="module")
def wider(fakehv_factory):
    return fakehv_factory()

@pytest.fixture(scope="module")
def own(fakehv_factory):
    return fakehv_factory(max_calls=1000)

def test_not_caught(fakehv_cluster):
    try:
        spin(fakehv_cluster)
    except Exception:
        pass

def test_caught_by_all_means(fakehv_cluster):
    try:
        spin(fakehv_cluster)
    except:
        pass

def test_in_a_thread(fakehv_cluster):
    def work():
        try:
            spin(fakehv_cluster)
        except BaseException:
            pass
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

@pytest.mark.fakehv(max_calls=99)
def test_a_marker(fakehv_cluster):
    spin(fakehv_cluster)

@pytest.mark.fakehv(max_time=9)
def test_time(fakehv_cluster):
    fakehv_cluster.clock.sleep(10)

def test_time_of_all(fakehv_cluster):
    fakehv_cluster.clock.sleep(11)

def test_wider_1(wider, own):
    spin(wider, 30)
    spin(own)

def test_wider_2(wider):
    spin(wider, 30)

def test_wider_too_often(wider):
    with pytest.raises(LimitError) as caught:
        spin(wider)
    assert "\\n  50 times ListInstances() on node1 at " in str(caught.value)

def test_wider_3(wider):
    spin(wider, 30)
"""


@pytest.mark.parametrize("where", ["ini", "command line"])
def test_the_run_says_how_many_and_each_test_counts_for_itself(pytester, where):
    pytester.makepyfile(test_it=MODULE)
    if where == "ini":
        pytester.makeini("[pytest]\nfakehv_max_calls = 50\nfakehv_max_time = 10.5\n")
        result = pytester.runpytest("-p", "no:cacheprovider")
    else:
        result = pytester.runpytest(
            "-p", "no:cacheprovider", "--fakehv-max-calls=50", "--fakehv-max-time=10.5"
        )
    result.assert_outcomes(passed=4, failed=6)
    heads = [line for line in result.stdout.lines if "in this test" in line and "FAILED" not in line]
    heads = [re.sub(r"^E +", "E ", line) for line in heads]
    limit = "which is max_calls: it waits for what never comes"
    assert [re.sub(r"at \S+,", "at X,", line) for line in heads] == [
        f"E pytest_fakehv.LimitError: 50 calls came in this test, {limit}",
        f"50 calls came in this test, {limit}",
        f"50 calls came in this test, {limit}",
        (
            "E pytest_fakehv.LimitError: 9 s passed in this test, the last of them at X"
            ", which is max_time: it waits for what never comes"
        ),
        (
            "E pytest_fakehv.LimitError: 10.5 s passed in this test, the last of them at X"
            ", which is max_time: it waits for what never comes"
        ),
        f"50 calls came in this test, {limit}",
    ]


TEARDOWN = """
import pytest

@pytest.fixture
def app(fakehv):
    yield
    while True:
        fakehv.ListInstances()

@pytest.fixture
def beaten(fakehv_cluster):
    fakehv_cluster.at(5, lambda: 1 / 0)
    yield
    fakehv_cluster.clock.advance(5)

@pytest.mark.fakehv(max_calls=10)
def test_limit(app):
    pass

@pytest.mark.fakehv(allow=["unfired"])
def test_event(beaten):
    pass

@pytest.mark.fakehv_instance("web1")
def test_next(fakehv):
    fakehv.assert_running("web1")
"""


def test_reached_in_a_teardown_it_keeps_nothing_else_from_being_torn_down(pytester):
    pytester.makepyfile(test_it=TEARDOWN)
    result = pytester.runpytest("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(
        [
            "ERROR test_it.py::test_limit - pytest_fakehv.LimitError: 10 calls came *",
            "ERROR test_it.py::test_event - pytest_fakehv.EventError: at(5, <lambda>) *",
        ]
    )


def test_of_unittests_it_is_said_once(pytester):
    pytester.makepyfile("""
        import pytest, unittest

        class Test(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def cluster(self, fakehv_cluster):
                self.cluster = fakehv_cluster

            @pytest.mark.fakehv(max_calls=9)
            def test_spin(self):
                while True:
                    self.cluster["node1"].ListInstances()
    """)
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    heads = [line for line in result.stdout.lines if "9 calls came in" in line and "FAILED" not in line]
    assert len(heads) == 1


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--fakehv-max-calls=0", "max_calls must be a positive integer, not '0'"),
        ("--fakehv-max-calls=many", "max_calls must be a positive integer, not 'many'"),
        ("--fakehv-max-time=0", "max_time must be a positive number of seconds, not '0'"),
        ("--fakehv-max-time=nan", "max_time must be a positive number of seconds, not 'nan'"),
        ("--fakehv-max-time=long", "max_time must be a positive number of seconds, not 'long'"),
    ],
)
def test_an_option_that_is_no_limit(pytester, option, text):
    result = pytester.runpytest(option)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: {option.partition('=')[0]}: {text}"])
