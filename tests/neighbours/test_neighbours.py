"""Beside each of the plugins that most have: a suite that uses theirs alone, and one that uses both."""

from importlib.metadata import entry_points
from typing import NamedTuple

import pytest


class Neighbour(NamedTuple):
    """Another plugin.

    Attributes:
        plugins: what ``-p`` takes, the first one its own.
        options: of the command line.
        alone: a test module that uses it, and nothing of ours.
        outcomes: what pytest counts of that.
        together: a test module that uses both.
        both: what pytest counts of that.
        files: others, each a name and a text.
    """

    plugins: tuple[str, ...]
    options: tuple[str, ...]
    alone: str
    outcomes: dict[str, int]
    together: str
    both: dict[str, int]
    files: tuple[tuple[str, str], ...] = ()


PLAIN = """
import pytest


def test_that_passes(tmp_path):
    (tmp_path / "file").write_text("text")


def test_that_fails():
    assert 1 + 1 == 3


@pytest.mark.skip(reason="not yet")
def test_that_is_skipped():
    pass
"""

MOVES = """
import pytest


@pytest.mark.fakehv_instance("web1", memory=1024)
def test_it_moves(fakehv_cluster):
    fakehv_cluster.migrate("web1", to="node2")
    fakehv_cluster.assert_placement({"web1": "node2"})


@pytest.mark.fakehv_instance("web1", memory=1024)
def test_it_runs_twice(fakehv_cluster):
    node1, node2 = fakehv_cluster
    node2.StartInstance(node1.instance("web1"), [], False)


@pytest.mark.parametrize("memory", [512, 1024])
def test_it_starts(fakehv, memory):
    fakehv.StartInstance(fakehv.instance("web1", memory=memory), [], False)
    fakehv.assert_running("web1", memory=memory)
"""

COUNTED = {"passed": 1, "failed": 1, "skipped": 1}
MOVED = {"passed": 3, "failed": 1}

STUCK = """
import threading


def test_that_waits_for_ever(tmp_path):
    threading.Event().wait()


def test_that_does_not():
    pass
"""

STUCK_IN_A_HOLD = """
import pytest


@pytest.mark.fakehv_instance("web1")
def test_that_waits_for_ever(fakehv):
    hold = fakehv.hold("StopInstance")
    while hold:
        pass


def test_that_does_not(fakehv):
    fakehv.StartInstance(fakehv.instance("web1"), [], False)
"""

TRIED_AGAIN = """
import pytest

tries = []


def test_that_passes_the_second_time():
    tries.append(1)
    assert len(tries) > 1
"""

TRIED_AGAIN_WITH_OURS = """
import pytest

tries = []


def test_that_passes_the_second_time(fakehv):
    tries.append(1)
    fakehv.StartInstance(fakehv.instance("web1"), [], False)
    if len(tries) > 1:
        fakehv.StopInstance(fakehv.instance("web1"))
    assert fakehv.ListInstances() == []
"""

ASYNC = """
import asyncio
import pytest

pytestmark = pytest.mark.{mark}


async def test_that_awaits():
    await asyncio.sleep(0)


async def test_that_fails():
    await asyncio.sleep(0)
    assert 1 + 1 == 3
"""

ASYNC_MOVES = """
import asyncio
import pytest

pytestmark = pytest.mark.{mark}


@pytest.mark.fakehv_instance("web1")
async def test_it_moves(fakehv_cluster):
    await asyncio.sleep(0)
    fakehv_cluster.migrate("web1", to="node2")
    fakehv_cluster.assert_placement({{"web1": "node2"}})


@pytest.mark.fakehv_instance("web1")
async def test_it_runs_twice(fakehv_cluster):
    node1, node2 = fakehv_cluster
    node2.StartInstance(node1.instance("web1"), [], False)
"""

STEPS = """
from pytest_bdd import given, scenarios, then, when

scenarios("moves.feature")


@given("a number", target_fixture="number")
def number():
    return 1


@when("it is doubled", target_fixture="doubled")
def doubled(number):
    return 2 * number


@then("it is even")
def even(doubled):
    assert doubled % 2 == 0
"""

FEATURE = """
Feature: Numbers
  Scenario: Doubling
    Given a number
    When it is doubled
    Then it is even
"""

STEPS_OF_MOVES = """
import pytest
from pytest_bdd import given, scenario, then, when


@pytest.mark.fakehv_instance("web1")
@scenario("drain.feature", "Draining")
def test_draining():
    pass


@given("an instance on node1")
def instance(fakehv_cluster):
    fakehv_cluster.assert_placement({"web1": "node1"})


@when("node1 is drained")
def drained(fakehv_cluster):
    fakehv_cluster.migrate("web1", to="node2")


@then("it runs on node2")
def runs(fakehv_cluster):
    fakehv_cluster.assert_placement({"web1": "node2"})
"""

FEATURE_OF_MOVES = """
Feature: Drains
  Scenario: Draining
    Given an instance on node1
    When node1 is drained
    Then it runs on node2
"""

SUBTESTS = """
def test_of_three(subtests):
    for number in range(3):
        with subtests.test(number=number):
            assert number != 1
"""

SUBTESTS_OF_MOVES = """
import pytest


@pytest.mark.fakehv_instance("web1")
def test_there_and_back(fakehv_cluster, subtests):
    for target in "node2", "node1":
        with subtests.test(target=target):
            fakehv_cluster.migrate("web1", to=target)
            fakehv_cluster.assert_placement({"web1": target})
"""

MOCKED = """
def test_that_patches(mocker):
    import os
    mocker.patch("os.getcwd", return_value="/elsewhere")
    assert os.getcwd() == "/elsewhere"
"""

MOCKED_MOVES = """
import pytest


@pytest.mark.fakehv_instance("web1")
def test_that_patches(fakehv_cluster, mocker):
    mocker.patch("os.open", side_effect=OSError)
    mocker.patch("time.time", return_value=0)
    fakehv_cluster.migrate("web1", to="node2")
    fakehv_cluster.assert_placement({"web1": "node2"})
"""

FAKE_FILES = """
def test_of_fake_files(fs):
    fs.create_file("/fake", contents="text")
    assert open("/fake").read() == "text"
"""

FAKE_FILES_AND_MOVES = """
import pytest


@pytest.mark.fakehv(backend="pyfakefs")
@pytest.mark.fakehv_instance("web1")
def test_of_both(fs, fakehv_cluster):
    fs.create_file("/fake", contents="text")
    fakehv_cluster.migrate("web1", to="node2")
    assert open("/fake").read() == "text"
"""

NEIGHBOURS = {
    "xdist": Neighbour(("xdist",), ("-n", "2"), PLAIN, COUNTED, MOVES, MOVED),
    "randomly": Neighbour(("randomly",), (), PLAIN, COUNTED, MOVES, MOVED),
    "timeout by a signal": Neighbour(
        ("timeout",),
        ("--timeout=1", "--timeout-method=signal"),
        STUCK,
        {"passed": 1, "failed": 1},
        STUCK_IN_A_HOLD,
        {"passed": 1, "failed": 1},
    ),
    "rerunfailures": Neighbour(
        ("rerunfailures",), ("--reruns=1",), TRIED_AGAIN, {"passed": 1}, TRIED_AGAIN_WITH_OURS, {"passed": 1}
    ),
    "retry": Neighbour(
        ("pytest-retry",),
        ("--retries=1",),
        TRIED_AGAIN,
        {"passed": 1},
        TRIED_AGAIN_WITH_OURS,
        {"passed": 1},
    ),
    "asyncio": Neighbour(
        ("asyncio",),
        (),
        ASYNC.format(mark="asyncio"),
        {"passed": 1, "failed": 1},
        ASYNC_MOVES.format(mark="asyncio"),
        {"passed": 1, "failed": 1},
    ),
    "anyio": Neighbour(
        ("anyio",),
        ("-k", "asyncio"),
        ASYNC.format(mark="anyio"),
        {"passed": 1, "failed": 1},
        ASYNC_MOVES.format(mark="anyio"),
        {"passed": 1, "failed": 1},
    ),
    "bdd": Neighbour(
        ("pytest-bdd",),
        (),
        STEPS,
        {"passed": 1},
        STEPS_OF_MOVES,
        {"passed": 1},
        (("moves.feature", FEATURE), ("drain.feature", FEATURE_OF_MOVES)),
    ),
    "subtests": Neighbour(("subtests",), (), SUBTESTS, {"failed": 2}, SUBTESTS_OF_MOVES, {"passed": 1}),
    "html": Neighbour(
        ("html", "html_fixtures", "metadata"), ("--html=page.html",), PLAIN, COUNTED, MOVES, MOVED
    ),
    "cov": Neighbour(("pytest_cov",), ("--cov=.",), PLAIN, COUNTED, MOVES, MOVED),
    "forked": Neighbour(("pytest_forked",), ("--forked",), PLAIN, COUNTED, MOVES, MOVED),
    "sugar": Neighbour(("sugar",), (), PLAIN, COUNTED, MOVES, MOVED),
    "mock": Neighbour(("pytest_mock",), (), MOCKED, {"passed": 1}, MOCKED_MOVES, {"passed": 1}),
    "pyfakefs": Neighbour(("fakefs",), (), FAKE_FILES, {"passed": 1}, FAKE_FILES_AND_MOVES, {"passed": 1}),
}


@pytest.fixture(params=NEIGHBOURS)
def neighbour(request, monkeypatch):
    """One of them, which is loaded alone, or with ours."""
    each = NEIGHBOURS[request.param]
    if not {*entry_points(group="pytest11").names, "subtests"}.issuperset(each.plugins):
        pytest.skip(f"{each.plugins[0]} is not installed; `nox -s plugins` does so")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return each


def run(pytester, neighbour, module, *ours):
    """Run a module's tests in a process of their own, and return what pytest counts."""
    pytester.makepyfile(test_module=module)
    for name, text in neighbour.files:
        pytester.path.joinpath(name).write_text(text)
    loaded = [option for name in (*neighbour.plugins, *ours) for option in ("-p", name)]
    result = pytester.runpytest_subprocess(*loaded, *neighbour.options)
    return {
        key: count for key, count in result.parseoutcomes().items() if key in {*COUNTED, "error", "errors"}
    }


def test_it_does_as_without_us(pytester, neighbour):
    without = run(pytester, neighbour, neighbour.alone)
    assert run(pytester, neighbour, neighbour.alone, "fakehv") == without


def test_both_are_used(pytester, neighbour):
    if run(pytester, neighbour, neighbour.alone) != neighbour.outcomes:
        pytest.skip(f"{neighbour.plugins[0]} doesn't work by itself with pytest {pytest.__version__}")
    assert run(pytester, neighbour, neighbour.together, "fakehv") == neighbour.both
