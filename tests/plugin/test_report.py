"""What is seen of the fake nodes when a test fails, and when one asks for more."""

import pytest

from pytest_fakehv import FakeCluster

FAILS = """
    import pytest

    @pytest.mark.fakehv_node("node1", memory=4096)
    def test_fails(fakehv):
        fakehv.StartInstance(fakehv.instance("web1"), [], False)
        assert False
"""

SECTION = [
    "*- fakehv -*",
    "node1: 3072 of 4096 MiB free, 16 CPUs",
    "  web1 running, 1024 MiB, 1 vcpus",
    "calls:",
    "  1 node1 StartInstance('web1', [[]], False) at *test_*.py:5 -> None",
]


def has_section(result):
    return any("- fakehv -" in line or "- fakehv: " in line for line in result.stdout.lines)


BACKENDS = [("--fakehv-backend=pyfakefs",), ("--fakehv-backend=memory",)]


@pytest.mark.parametrize("args", [(), ("-n", "2"), ("--fakehv-show=failed",), *BACKENDS])
def test_a_failed_test_has_a_section(pytester, args):
    pytester.makepyfile(FAILS)
    result = pytester.runpytest_subprocess(*args)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(SECTION)


def test_also_in_its_own_fake_filesystem(pytester):
    pytester.makepyfile(FAILS.replace("(fakehv)", "(fs, fakehv)"))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(SECTION)


def test_none_when_it_passes_or_no_fixture_was_used(pytester):
    pytester.makepyfile("def test_passes(fakehv): pass\n\ndef test_fails(): assert False")
    result = pytester.runpytest()
    result.assert_outcomes(passed=1, failed=1)
    assert not has_section(result)


@pytest.mark.parametrize("where", ["option", "ini"])
def test_none_when_switched_off(pytester, where):
    pytester.makepyfile(FAILS)
    if where == "ini":
        pytester.makeini("[pytest]\nfakehv_show = none")
    result = pytester.runpytest(*["--fakehv-show=none"] if where == "option" else [])
    result.assert_outcomes(failed=1)
    assert not has_section(result)


@pytest.mark.parametrize("args", [(), ("-n", "2"), ("-rP",)])
def test_all_shows_those_that_passed_too(pytester, args):
    pytester.makepyfile(FAILS.replace("assert False", "print('mine')"))
    result = pytester.runpytest_subprocess("--fakehv-show=all", *args)
    result.assert_outcomes(passed=1)
    title = "*- fakehv -*" if args == ("-rP",) else "*- fakehv: test_*.py::test_fails -*"
    result.stdout.fnmatch_lines([title, *SECTION[1:]])
    assert sum("web1 running" in line for line in result.stdout.lines) == 1


MANY_CALLS = """
    def test_it(fakehv_cluster):
        node1, node2 = fakehv_cluster
        fakehv_cluster.add_instance("db1")
        node2.StartInstance(fakehv_cluster.instance("db1"), [], False)
        for number in range(15):
            node1.GetInstanceInfo(f"web{number}")
            node2.GetInstanceInfo(f"web{number}")
"""


BROKEN = ", > for one that broke an invariant"


def calls_and_timeline(result):
    """Return the numbers of the calls that a report lists, and how many lines its timeline has."""
    lines = result.stdout.lines
    begin = next(number for number, line in enumerate(lines) if line.startswith("timeline"))
    middle = next(number for number, line in enumerate(lines) if line.startswith("calls"))
    numbers = [int(line[1:].split()[0]) for line in lines[middle + 1 :] if line[1:4].strip().isdecimal()]
    return numbers, middle - begin - 2


@pytest.mark.parametrize(
    ("option", "ini", "calls", "steps", "titles"),
    [
        (None, None, [1, *range(22, 32)], 22, ["timeline, 21 of 31 calls, !", f"calls, 11 of 31{BROKEN}:"]),
        ("3", None, [1, 29, 30, 31], 8, ["timeline, 7 of 31 calls, !", f"calls, 4 of 31{BROKEN}:"]),
        ("1", "all", [1, 31], 4, ["timeline, 3 of 31 calls, !", f"calls, 2 of 31{BROKEN}:"]),
        (None, "16", [1, *range(16, 32)], 31, ["timeline, !", f"calls, 17 of 31{BROKEN}:"]),
        ("all", "3", [*range(1, 32)], 31, ["timeline, !", f"calls{BROKEN}:"]),
        ("9223372036854775807", None, [*range(1, 32)], 31, ["timeline, !", f"calls{BROKEN}:"]),
    ],
)
def test_how_many_calls_are_shown(pytester, option, ini, calls, steps, titles):
    """The first one, which broke an invariant, is among them however many came after it."""
    if ini:
        pytester.makeini(f"[pytest]\nfakehv_calls = {ini}")
    pytester.makepyfile(MANY_CALLS)
    result = pytester.runpytest_subprocess(*[f"--fakehv-calls={option}"] if option else [])
    result.assert_outcomes(failed=1)
    assert calls_and_timeline(result) == (calls, steps)
    result.stdout.fnmatch_lines([f"{title}*" for title in titles])


@pytest.mark.parametrize("args", [(), ("-n", "1")])
def test_a_timeline_of_more_calls_has_its_colours(pytester, args):
    pytester.makepyfile(MANY_CALLS)
    result = pytester.runpytest_subprocess("--fakehv-calls=2", "--color=yes", *args)
    assert "\x1b[31m\x1b[1mStartInstance\x1b[0m" in result.stdout.str()


def test_failed_set_up_and_tear_down(pytester):
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def before(fakehv):
            fakehv.add_instance("web1")
            raise ValueError

        @pytest.fixture
        def after(fakehv):
            yield
            raise ValueError

        def test_before(before): pass

        def test_after(after): pass
        """
    )
    result = pytester.runpytest("-p", "no:randomly")
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_before*",
            "*- fakehv -*",
            "  web1 running, 1024 MiB, 1 vcpus",
            "*ERROR at teardown of test_after*",
            "*- fakehv -*",
            "node1: 65536 of 65536 MiB free, 16 CPUs, no instances",
        ]
    )


def test_a_factorys_cluster_is_shown_where_it_was_used(pytester):
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def hv(fakehv_factory):
            return fakehv_factory()["node1"]

        def test_first(hv):
            hv.StartInstance(hv.instance("web1"), [], False)

        def test_second(hv):
            assert False

        def test_third(hv):
            hv.StartInstance(hv.instance("web2"), [], False)
            assert False
        """
    )
    result = pytester.runpytest("-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=2)
    assert sum("- fakehv -" in line for line in result.stdout.lines) == 1
    result.stdout.fnmatch_lines(
        ["*_ test_third _*", "*- fakehv -*", "  web1 running, *", "  web2 running, *", "calls:"]
    )


def test_a_factorys_cluster_is_shown_also_when_only_a_node_is_kept(pytester):
    pytester.makepyfile(
        """
        import gc
        import pytest

        @pytest.fixture
        def hv(fakehv_factory):
            return fakehv_factory()["node2"]

        def test_it(hv):
            gc.collect()
            hv.StartInstance(hv.instance("web1"), [], False)
            assert False
        """
    )
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(["*- fakehv -*", "node1: *", "node2: *", "  web1 running, *"])


def test_another_plugins_failing_hook_is_its_own_affair(pytester):
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_setup(item):
            raise ValueError("theirs")
        """
    )
    pytester.makepyfile("def test_one(fakehv): pass\n\ndef test_two(): pass")
    pytester.runpytest().assert_outcomes(errors=2)


def test_a_rerun_does_not_show_what_an_earlier_run_used(pytester):
    pytester.makepyfile(
        """
        import pytest

        RUNS = []

        @pytest.fixture(autouse=True)
        def before():
            RUNS.append(1)
            if len(RUNS) == 2:
                raise ValueError

        def test_it(fakehv, before):
            fakehv.add_instance("old")
            assert False
        """
    )
    result = pytester.runpytest_subprocess("--reruns=1")
    assert result.parseoutcomes() == {"errors": 1, "rerun": 1}
    assert not has_section(result)


def test_a_failed_call_is_shown_at_the_tests_own_line(pytester):
    """The plugin's own frames don't stand between a test and its error."""
    pytester.makepyfile(
        """
        def test_call(fakehv):
            fakehv.StopInstance(fakehv.instance("web1"))

        def test_assertion(fakehv):
            fakehv.assert_running("web1")
        """
    )
    result = pytester.runpytest("-p", "no:randomly")
    result.assert_outcomes(failed=2)
    shown = [line for line in result.stdout.lines if "pytest_fakehv/" in line or "contextlib" in line]
    assert shown == []
    result.stdout.fnmatch_lines(
        [
            '>       fakehv.StopInstance(fakehv.instance("web1"))',
            "E       *HypervisorError: Failed to stop instance web1: not running",
            '>       fakehv.assert_running("web1")',
            "E       AssertionError: web1 is not running on node1; nothing runs there; no call was about it",
        ]
    )


def test_like_calls_after_the_one_that_a_violation_names_make_one_line_with_it():
    cluster = FakeCluster.in_memory()
    node1, node2 = cluster
    web1 = cluster.instance("web1")
    node1.GetNodeInfo()
    for _ in range(3):
        node2.FinalizeMigrationDst(web1, "", True)
        node1.disconnect()
        node1.reconnect()
    for number in range(20):
        node1.GetInstanceInfo(f"web{number}")
    lines = cluster._scope.describe(cluster.timeline()).splitlines()
    start = lines.index(f"calls, 15 of 24{BROKEN}:")
    place = cluster.journal[1].place
    info = cluster.journal[4].place
    assert lines[start + 4 : start + 6] == [
        f"> 2-4 node2 FinalizeMigrationDst('web1', '', True) at {place} -> None",
        f"    5 node1 GetInstanceInfo('web0') at {info} -> None",
    ]
