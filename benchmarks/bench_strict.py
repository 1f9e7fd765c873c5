"""Show what checking the invariants costs a test.

    python benchmarks/bench_strict.py [--tests N] [--rounds N]

A module of tests that each make 100 calls of the interface (starts, stops, looks, and a migration) is run
with ``fakehv_strict = true`` and with ``false``, in turn, each run in a process of its own. What counts is
the time in the tests themselves, as pytest reports it of each: set-up, call and teardown. The last line is
the median of the rounds' ratios.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

SOURCE = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(fakehv_cluster, number):
    node1, node2 = fakehv_cluster
    for name in ("web1", "web2", "web3", "web4"):
        instance = node1.instance(name)
        node1.StartInstance(instance, [], False)
        for _ in range(9):
            node1.GetInstanceInfo(name)
            node1.ListInstances()
        fakehv_cluster.migrate(name, to="node2")
    assert len(fakehv_cluster.journal) == 100
"""

CONFTEST = """
import json

TIMES = []

def pytest_runtest_logreport(report):
    TIMES.append(report.duration)

def pytest_unconfigure(config):
    (config.rootpath / "seconds.json").write_text(json.dumps(sum(TIMES)))
"""


def seconds(directory: Path, *, strict: bool) -> float:
    """Run the tests, and return the time that they took."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        f"fakehv_strict={strict}",
    ]
    subprocess.run(command, cwd=directory, check=True, stdout=subprocess.PIPE)
    return float(json.loads((directory / "seconds.json").read_text()))


def main() -> None:
    """Measure both in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--tests", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        (path / "test_it.py").write_text(SOURCE.format(tests=options.tests))
        (path / "conftest.py").write_text(CONFTEST)
        (path / "pytest.ini").write_text("[pytest]\n")
        for number in range(options.rounds):
            strict = seconds(path, strict=True)
            lenient = seconds(path, strict=False)
            ratios.append(strict / lenient)
            each = [f"{1000 * time / options.tests:.2f} ms" for time in (strict, lenient)]
            print(f"round {number + 1}: {each[0]} a test with the checks, {each[1]} without")
    print(f"a test of 100 calls takes {median(ratios):.3f} times as long with the checks")


if __name__ == "__main__":
    main()
