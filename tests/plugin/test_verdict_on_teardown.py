"""What is broken while a test is torn down is an error of that teardown."""

import pytest
from careless import ACCEPTED, TWICE, run, said


def beginnings(result):
    return {name: lines[0] for name, lines in said(result).items()}


SPLIT = "split-brain: web1 ran on node1 and node2 at once"

EVERY_WAY = """
import unittest

@pytest.fixture
def late(fakehv_cluster):
    yield fakehv_cluster
    twice(fakehv_cluster)

def test_fixture(late): pass

def test_finalizer(fakehv_cluster, request):
    request.addfinalizer(lambda: twice(fakehv_cluster))

class TestXunit:
    @pytest.fixture(autouse=True)
    def use(self, fakehv_cluster):
        self.cluster = fakehv_cluster

    def teardown_method(self): twice(self.cluster)

    def test_it(self): pass

class TestUnittest(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def use(self, fakehv_cluster):
        self.cluster = fakehv_cluster

    def tearDown(self):
        if self._testMethodName == "test_tear_down":
            twice(self.cluster)

    def test_tear_down(self): pass

    def test_clean_up(self): self.addCleanup(twice, self.cluster)

    def test_nothing(self): pass

def test_factory(fakehv_factory, request):
    cluster = fakehv_factory()
    request.addfinalizer(lambda: twice(cluster))

def test_nothing(fakehv_cluster): pass
"""


@pytest.mark.parametrize(
    "args", [(), ("-n", "2"), ("--fakehv-backend=pyfakefs",), ("--fakehv-backend=memory",)]
)
def test_every_way_to_tear_down(pytester, args):
    result = run(pytester, EVERY_WAY, *args)
    # What unittest tears down itself is part of the test.
    result.assert_outcomes(passed=6, errors=4, failed=2)
    assert said(result) == {
        "ERROR at teardown of test_fixture": TWICE,
        "ERROR at teardown of test_finalizer": TWICE,
        "ERROR at teardown of TestXunit.test_it": TWICE,
        "ERROR at teardown of test_factory": TWICE,
        "TestUnittest.test_tear_down": TWICE,
        "TestUnittest.test_clean_up": TWICE,
    }
    assert sum("- fakehv -" in line for line in result.stdout.lines) == 6


@pytest.mark.parametrize("fixtures", ["fs, fakehv_cluster", "fakehv_cluster, fs"])
def test_on_the_tests_own_fake_filesystem(pytester, fixtures):
    source = f"""
@pytest.fixture
def late({fixtures}):
    yield fakehv_cluster
    twice(fakehv_cluster)

def test_it(late): pass

def test_nothing({fixtures}): fakehv_cluster.add_instance("web1")
"""
    result = run(pytester, source)
    result.assert_outcomes(passed=2, errors=1)
    assert said(result) == {"ERROR at teardown of test_it": TWICE}


@pytest.mark.parametrize("args", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_fixtures_of_wider_scope(pytester, args):
    result = run(
        pytester,
        """
@pytest.fixture(scope="session")
def whole(fakehv_factory):
    cluster = fakehv_factory()
    yield cluster
    twice(cluster)

@pytest.fixture(scope="class")
def wide(fakehv_factory, whole):
    cluster = fakehv_factory()
    yield cluster
    twice(cluster)

@pytest.fixture
def careless(whole):
    yield
    accept(whole, "web7")

class TestIt:
    def test_first(self, careless): pass

    def test_wide(self, wide): pass

    def test_last(self): pass

def test_next(whole): whole["node1"].ListInstances()

@mark.skip
def test_skipped(): pass
""",
        *args,
    )
    result.assert_outcomes(passed=4, skipped=1, errors=3)
    found = beginnings(result)
    assert found == {
        "ERROR at teardown of TestIt.test_first": (
            "unfinished: web7 was accepted on node2 and neither migrated nor aborted"
        ),
        "ERROR at teardown of TestIt.test_last": TWICE[0],
        "ERROR at teardown of test_skipped": TWICE[0],
    }


def test_what_has_failed_the_test_is_not_said_again(pytester):
    result = run(
        pytester,
        """
@pytest.fixture
def late(fakehv_cluster):
    yield fakehv_cluster
    fakehv_cluster["node1"].ListInstances()

@pytest.fixture
def later(fakehv_cluster):
    yield fakehv_cluster
    twice(fakehv_cluster)

@pytest.fixture
def broken(fakehv_cluster):
    yield fakehv_cluster
    twice(fakehv_cluster)
    raise ValueError("the teardown's own")

def test_it(late): accept(late)

def test_more(later): accept(later, "web8")

def test_own(broken): pass

def test_many(fakehv_factory, late):
    for _ in range(5):
        twice(fakehv_factory())
    assert 0
""",
    )
    result.assert_outcomes(passed=1, failed=3, errors=2)
    found = said(result)
    assert found["test_it"] == ACCEPTED
    assert found["test_more"][0].startswith("unfinished: web8")
    assert [line.partition(" at test_it")[0] for line in found["ERROR at teardown of test_more"]] == [
        line.partition(" at test_it")[0].replace("call 1,", "call 2,") for line in TWICE
    ]
    assert "E       ValueError: the teardown's own" in found["ERROR at teardown of test_own"]
    lines = result.stdout.lines
    assert sum("invariants that did not hold" in line for line in lines) == 2
    assert "ERROR at teardown of test_many" not in found


def test_settings_count(pytester):
    run(
        pytester,
        """
@pytest.fixture
def late(fakehv_cluster):
    yield fakehv_cluster
    twice(fakehv_cluster)

@mark.fakehv(strict=False)
def test_lax(late): pass

@mark.fakehv(allow=["double-start", "split-brain"])
def test_allowed(late): pass

def test_allowed_by_the_test(late): late.allow("double-start", "split-brain", instance="web1")
""",
    ).assert_outcomes(passed=3)


def test_what_could_not_be_set_up_is_not_its_teardowns_fault(pytester):
    result = run(
        pytester,
        """
@pytest.fixture(scope="module", autouse=True)
def wide(fakehv_factory):
    cluster = fakehv_factory()
    yield cluster
    twice(cluster)

@pytest.fixture
def broken(fakehv_cluster, wide):
    fakehv_cluster.fault("StopInstance")
    accept(wide, "web9")
    raise ValueError("the setup's own")

def test_it(broken): pass

@mark.fakehv(strict="no")
def test_wrong(fakehv): pass

@mark.fakehv(strict="no")
def test_wrong_alone(): pass

def test_last(): pass
""",
    )
    result.assert_outcomes(passed=1, failed=1, errors=3)
    assert {name: lines[-1] if "setup" in name else lines[0] for name, lines in said(result).items()} == {
        "ERROR at setup of test_it": "test_it.py:26: ValueError",
        "ERROR at setup of test_wrong": "fakehv(): strict must be one of True, False, not 'no'",
        "test_wrong_alone": "fakehv(): strict must be one of True, False, not 'no'",
        "ERROR at teardown of test_last": TWICE[0],
    }


@pytest.mark.parametrize("deed", ["pass", "pytest.skip()", "pytest.xfail()", "raise RuntimeError"])
@pytest.mark.parametrize("place", ["setup", "call"])
def test_a_fixture_that_is_torn_down_for_its_next_parameter(pytester, place, deed):
    """It is so in the setup of the test that gets that; what this one does then hides nothing of it."""
    result = run(
        pytester,
        f"""
import pytest

@pytest.fixture(scope="module", params=["one", "two"])
def wide(request, fakehv_factory):
    cluster = fakehv_factory()
    yield cluster
    if request.param == "one":
        twice(cluster)

def act(request, place):
    if request.node.callspec.params["wide"] == "two" and place == "{place}":
        {deed}

@pytest.fixture
def narrow(wide, request):
    act(request, "setup")

def test_it(wide, narrow, request):
    act(request, "call")
""",
    )
    result.assert_outcomes(passed=1, errors=1)
    if (place, deed) == ("setup", "raise RuntimeError"):
        result.stdout.fnmatch_lines(["E * RuntimeError", "*invariants that did not hold*", TWICE[0]])
    else:
        assert said(result) == {"ERROR at setup of test_it[two]": TWICE}


@pytest.mark.parametrize(
    ("value", "build"), [("cluster", ""), ("", ""), ("made", "wide.append(fakehv_factory())")]
)
def test_garbage_that_is_collected_meanwhile(pytester, value, build):
    """Once a fixture is torn down, nobody else has the cluster that it has built, or a test for it."""
    result = run(
        pytester,
        f"""
import gc

@pytest.fixture(scope="module")
def outer():
    yield
    gc.collect()

@pytest.fixture(scope="module")
def wide(outer, fakehv_factory):
    cluster = None if "{build}" else fakehv_factory()
    made = []
    yield {value}
    twice(cluster or made.pop())
    del cluster
    gc.collect()

def test_first(wide, fakehv_factory): {build or "pass"}

def test_last(): pass
""",
    )
    result.assert_outcomes(passed=2, errors=1)
    assert said(result) == {"ERROR at teardown of test_last": TWICE}


@pytest.mark.parametrize("option", ["--setup-only", "--setup-plan"])
def test_what_was_only_set_up_is_not_judged(pytester, option):
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def half(fakehv_cluster):
            web1 = fakehv_cluster.instance("web1")
            fakehv_cluster["node2"].AcceptInstance(web1, "", "node2")
            return web1

        @pytest.mark.fakehv_instance("web1")
        @pytest.mark.fakehv_fault("StopInstance")
        def test_it(half, fakehv): pass
        """
    )
    result = pytester.runpytest(option)
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes()


def test_what_is_run_again_is_judged_again(pytester):
    result = run(
        pytester,
        """
COUNT = []

@pytest.fixture
def late(fakehv_cluster):
    yield fakehv_cluster
    COUNT.append(1)
    if len(COUNT) == 1:
        twice(fakehv_cluster)

def test_it(late): pass
""",
        "--reruns=1",
    )
    result.assert_outcomes(passed=2)
    assert said(result) == {}


@pytest.mark.skipif(
    pytest.version_tuple < (8, 4),
    reason="before pytest 8.4, -x tears the session's fixtures down after all reports",
)
def test_a_run_that_stops_early_tears_down_all(pytester):
    result = run(
        pytester,
        """
@pytest.fixture(scope="session")
def whole(fakehv_factory):
    cluster = fakehv_factory()
    yield cluster
    twice(cluster)

def test_it(whole): assert 0

def test_next(whole): pass
""",
        "-x",
    )
    result.assert_outcomes(failed=1, errors=1)
    assert said(result)["ERROR at teardown of test_it"] == TWICE


def test_what_ends_a_test_lets_its_teardown_go_on(pytester):
    pytester.makepyfile("""
        import os
        import pytest
        from pytest_fakehv import EventError, LimitError

        @pytest.fixture
        def never_ends(fakehv_cluster, monkeypatch):
            monkeypatch.setenv("LEFT", "1")
            yield
            while True:
                try:
                    fakehv_cluster["node1"].ListInstances()
                except Exception:
                    pass

        @pytest.fixture
        def too_late(fakehv_cluster, monkeypatch):
            monkeypatch.setenv("LEFT", "1")
            fakehv_cluster.at(5, lambda: 1 / 0)
            yield
            fakehv_cluster.clock.advance(9)

        @pytest.mark.fakehv(max_calls=9)
        def test_limit(never_ends): pass

        @pytest.mark.fakehv(allow=["unfired"])
        def test_event(too_late): pass

        def test_next(fakehv_cluster):
            assert "LEFT" not in os.environ
            assert not fakehv_cluster.journal
            assert fakehv_cluster.clock.now == 0
            for kind in (EventError, LimitError):
                assert not isinstance(kind("text"), pytest.fail.Exception)
    """)
    result = pytester.runpytest("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(passed=3, errors=2)
    heads = ["E *pytest_fakehv.LimitError: 9 calls came in*", "E *pytest_fakehv.EventError: at(5, <lambda>)*"]
    result.stdout.fnmatch_lines(heads)
