"""What the plugin costs a run of pytest, for `bench_peers.py`: its fixtures, a test, and being loaded."""

import json
import os
import random
import resource
import subprocess
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from statistics import median

UNCOUNTED_TESTS = 10
"""The first tests of a module import what the fixture needs."""

NOTHING = "no fixture: all of the test"

FIXTURES = {
    NOTHING: ("", "pass"),
    "three fixtures that do nothing": ("innermost", "pass"),
    "`tmp_path`": ("tmp_path", "pass"),
    "`fakehv`, files": ("fakehv", "pass"),
    "`fs`": ("fs", "pass"),
    "`fakehv`, private pyfakefs": ("fakehv", "pass"),
    "`fakehv`, memory": ("fakehv", "pass"),
    "`tmp_path`, used": ("tmp_path", "(tmp_path / 'web1').write_text('0')"),
    "`fakehv`, files, used": ("fakehv", "fakehv.StartInstance(fakehv.instance('web1'), [], False)"),
    "`fs`, used": ("fs", "fs.create_file('/web1', contents='0')"),
    "`fakehv`, private pyfakefs, used": (
        "fakehv",
        "fakehv.StartInstance(fakehv.instance('web1'), [], False)",
    ),
    "`fakehv`, memory, used": ("fakehv", "fakehv.StartInstance(fakehv.instance('web1'), [], False)"),
}
"""What a test asks for, and what it does with it: nothing, or what makes one file."""

OPTIONS = {
    "private pyfakefs": ["--fakehv-backend=pyfakefs"],
    "memory": ["--fakehv-backend=memory"],
}
"""The options for fixtures whose description has these words."""

MODULE = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it({fixture}{comma}number):
    {body}
"""

CONFTEST = """
import json
import os
import sys
from time import perf_counter

import pytest

BEGINNINGS = []

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    BEGINNINGS.append(perf_counter())
    result = yield
    if len(BEGINNINGS) == len(item.session.items):
        BEGINNINGS.append(perf_counter())
    return result

# What `fakehv` is made of: one of the session, and two of the test.

@pytest.fixture(scope="session")
def outermost():
    pass

@pytest.fixture
def inner(request, outermost):
    pass

@pytest.fixture
def innermost(inner):
    pass

def pytest_unconfigure(config):
    with open(os.environ["FIGURES"], "w") as file:
        json.dump({"beginnings": BEGINNINGS, "modules": sorted(sys.modules)}, file)
"""

BARE = ["-p", "pyfakefs.pytest_plugin"]
WITH_OURS = [*BARE, "-p", "pytest_fakehv.plugin"]


class Runs:
    """Runs of pytest in a directory, with no other plugins than are named."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._number = 0
        (directory / "pytest.ini").write_text("[pytest]\n")
        (directory / "conftest.py").write_text(CONFTEST)

    def write(self, name: str, *, tests: int, fixture: str = "", body: str = "pass") -> None:
        """Write a module of tests."""
        comma = ", " if fixture else ""
        text = MODULE.format(tests=tests, fixture=fixture, comma=comma, body=body)
        (self._directory / name).write_text(text)

    def run(self, module: str, *options: str) -> tuple[float, list[float], list[str]]:
        """Run it in a process of its own.

        Returns:
            How many seconds of a processor that took, when each test began and the last ended, and what
            was imported.
        """
        self._number += 1
        figures = self._directory / "figures.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
        command += [f"--basetemp={self._directory / f'run{self._number}'}", module]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "FIGURES": str(figures)}
        began = _childrens_seconds()
        subprocess.run(command, cwd=self._directory, env=environment, check=True, stdout=subprocess.DEVNULL)
        seconds = _childrens_seconds() - began
        read = json.loads(figures.read_text())
        return seconds, read["beginnings"], read["modules"]


def _childrens_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fixture_costs(
    directory: Path, names: Iterable[str], *, tests: int, rounds: int
) -> dict[str, list[float]]:
    """Measure what a test with each of the fixtures takes above one without.

    A test's cost is the median of its module's.

    Args:
        directory: where to run pytest; it must not exist.
        names: which of `FIXTURES`; `NOTHING` is one of them.
        tests: how many tests a module has.
        rounds: how often each module is run, all in random order.

    Returns:
        For each, seconds a test, round by round; of `NOTHING`, all that a test takes.
    """
    runs = Runs(directory)
    modules = {}
    for number, what in enumerate(names):
        fixture, body = FIXTURES[what]
        modules[what] = f"test_{number}.py"
        runs.write(modules[what], tests=tests + UNCOUNTED_TESTS, fixture=fixture, body=body)
    generator = random.Random(1)
    costs: dict[str, list[float]] = {what: [] for what in modules}
    for _ in range(rounds):
        took = {}
        for what in generator.sample([*modules], len(modules)):
            options = [each for words in OPTIONS if words in what for each in OPTIONS[words]]
            beginnings = runs.run(modules[what], *WITH_OURS, *options)[1][UNCOUNTED_TESTS:]
            took[what] = median(end - began for began, end in pairwise(beginnings))
        for what, seconds in took.items():
            costs[what].append(seconds - (0 if what == NOTHING else took[NOTHING]))
    return costs


def load_cost(directory: Path, *, rounds: int) -> tuple[list[str], list[float]]:
    """Measure what the plugin costs a run that does not use it.

    Args:
        directory: where to run pytest; it must not exist.
        rounds: how often a run of one test is timed, with the plugin and without.

    Returns:
        The modules that only a run with the plugin imports, and how many times as long a processor works on
        it, round by round.
    """
    runs = Runs(directory)
    runs.write("test_it.py", tests=1)
    without, with_ours = (runs.run("test_it.py", *options)[2] for options in (BARE, WITH_OURS))
    generator = random.Random(1)
    ratios = []
    for _ in range(rounds):
        seconds = {}
        for name, options in generator.sample([("bare", BARE), ("ours", WITH_OURS)], 2):
            seconds[name] = runs.run("test_it.py", *options)[0]
        ratios.append(seconds["ours"] / seconds["bare"])
    return sorted(set(with_ours) - set(without)), ratios
