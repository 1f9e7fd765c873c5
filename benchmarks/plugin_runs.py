"""Runs of pytest in processes of their own, and what is timed of them; `user_runs.py` is made of them."""

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

UNCOUNTED_TESTS = 10
"""The first tests of a module import what the fixture needs."""

TESTS = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it({fixture}{comma}number):
    {body}
"""

CONFTEST = """
import gc
import json
import os
import sys
import tracemalloc
from time import perf_counter, process_time

import pytest

BEGINNINGS, SETUPS, SIZES, NOTED, SPANS = [], [], [], {}, {}

if IS_WEIGHED := "WEIGHED" in os.environ:
    tracemalloc.start()

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session):
    began = process_time()
    result = yield
    SPANS["collection"] = process_time() - began
    return result

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    BEGINNINGS.append(process_time())
    if IS_WEIGHED and len(BEGINNINGS) % 100 == 1:
        gc.collect()
        SIZES.append(tracemalloc.get_traced_memory()[0])
    result = yield
    if len(BEGINNINGS) == len(item.session.items):
        BEGINNINGS.append(process_time())
    return result

def pytest_runtest_logreport(report):
    if hasattr(report, "node") and report.when == "teardown":  # a worker's, as it arrives
        BEGINNINGS.append(perf_counter())

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    began = process_time()
    result = yield
    SETUPS.append(process_time() - began)
    return result

@pytest.fixture(scope="session")
def noted():
    return NOTED

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

@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    if hasattr(config, "workerinput"):
        return
    now = perf_counter if config.pluginmanager.hasplugin("dsession") else process_time
    SPANS["end"] = now() - BEGINNINGS[-1] if BEGINNINGS else 0
    with open(os.environ["FIGURES"], "w") as file:
        json.dump(
            {
                "beginnings": BEGINNINGS,
                "setups": SETUPS,
                "sizes": SIZES,
                "noted": NOTED,
                "spans": SPANS,
                "modules": sorted(sys.modules),
            },
            file,
        )
"""

INI = """
[pytest]
markers =
    other_node: means nothing
    other_instance: means nothing
    other_migration: means nothing
"""

BARE = ("-p", "pyfakefs.pytest_plugin")
WITH_OURS = (*BARE, "-p", "pytest_fakehv.plugin")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was measured of a run; all times are in seconds.

    They are those of the processor, as far as the run is in one process: what else the machine does meanwhile
    would be most of the difference between two runs. What several processes do is timed by the clock on the
    wall.

    Attributes:
        processor: how long a processor worked on it.
        beginnings: when each test began, and the last ended; where others ran them, when each was reported.
        setups: how long each was set up.
        sizes: the bytes in use when it began, of the first test and each hundredth one, if they were weighed.
        noted: what the tests themselves have noted.
        spans: how long the collection took, and the end of the run from its last test on.
        modules: what was imported.
    """

    processor: float
    beginnings: list[float] = field(repr=False)
    setups: list[float] = field(repr=False)
    sizes: list[float]
    noted: dict[str, list[float]]
    spans: dict[str, float]
    modules: list[str] = field(repr=False)

    @property
    def a_test(self) -> float:
        """What a test takes, all in all; the first ones are not counted."""
        began, *_, ended = self.beginnings[UNCOUNTED_TESTS:]
        return (ended - began) / (len(self.beginnings) - 1 - UNCOUNTED_TESTS)


class Runs:
    """Runs of pytest in a directory, with no other plugins than are named."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self._number = 0
        (directory / "pytest.ini").write_text(INI)
        (directory / "conftest.py").write_text(CONFTEST)

    def write(self, name: str, *, tests: int, fixture: str = "", body: str = "pass") -> None:
        """Write a module of tests; those that are not counted come in addition."""
        comma = ", " if fixture else ""
        text = TESTS.format(tests=tests + UNCOUNTED_TESTS, fixture=fixture, comma=comma, body=body)
        (self.directory / name).write_text(text)

    def run(self, *arguments: str, **environment: str) -> Run:
        """Run pytest with some arguments, in a process of its own."""
        self._number += 1
        figures = self.directory / "figures.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        command += [f"--basetemp={self.directory / f'run{self._number}'}"]
        all_of_it = {
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            # Nothing is compiled twice, as with who has installed it all, whatever the environment says.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(self.directory.parent / "compiled"),
            "FIGURES": str(figures),
            **environment,
        }
        began = _childrens_seconds()
        done = subprocess.run(
            command, cwd=self.directory, env=all_of_it, check=False, stdout=subprocess.PIPE, text=True
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}")
        return Run(processor=_childrens_seconds() - began, **json.loads(figures.read_text()))


def _childrens_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
