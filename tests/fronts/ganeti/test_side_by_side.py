"""Our fake hypervisor and Ganeti's own, side by side: every difference is a row of the published table.

Two nodes of each are given the same random sequences of calls, legal and illegal. After each call the two
are compared: what it returned or raised, every byte and mode under the roots, and whether it would have
reset the machine. A difference must be just what one row of that table says; then Ganeti's files are made
equal to ours, so that the next call finds the same on both sides.
"""

import os
import random
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)

from caller import Caller
from ganeti import utils
from ganeti.hypervisor import hv_base
from one_call import CPUS, MEMORY
from pair import Pair
from rows import ROWS

SEQUENCES = 700
STEPS = 100
LEAST_COMPARED = 60_000


@pytest.fixture(autouse=True)
def power_cycles(monkeypatch):
    """Let nothing here reset the machine: a list of the times that it was asked for."""
    asked = []

    class Os:
        def __getattr__(self, name):
            return getattr(os, name)

        def open(self, *arguments):
            raise AssertionError(f"this would reset the machine: {arguments}")

    def run(*arguments, **keywords):
        raise AssertionError(f"this would run a program on the machine: {arguments}")

    monkeypatch.setattr(hv_base.BaseHypervisor, "LinuxPowercycle", classmethod(asked.append))
    monkeypatch.setattr(hv_base, "os", Os())
    monkeypatch.setattr(utils, "RunCmd", run)
    return asked


@pytest.fixture
def host(monkeypatch, tmp_path):
    """Give the machine the size of a node; the paths of the files that say so, and of others."""
    (tmp_path / "meminfo").write_text(
        f"MemTotal: {MEMORY * 1024} kB\nMemFree: {MEMORY * 1024} kB\nActive: 0 kB\n"
    )
    (tmp_path / "cpuinfo").write_text("".join(f"processor : {number}\n" for number in range(CPUS)))
    (tmp_path / "nonsense").write_text("MemTotal: many kB\n")
    paths = {f"/proc/{name}": str(tmp_path / name) for name in ("meminfo", "cpuinfo")}
    real = hv_base.BaseHypervisor.GetLinuxNodeInfo

    def info(meminfo="/proc/meminfo", cpuinfo="/proc/cpuinfo"):
        return real(paths.get(meminfo, meminfo), paths.get(cpuinfo, cpuinfo))

    monkeypatch.setattr(hv_base.BaseHypervisor, "GetLinuxNodeInfo", staticmethod(info))
    return [*paths.values(), str(tmp_path / "nonsense"), str(tmp_path / "absent")]


@pytest.fixture
def umask():
    """Set the umask, which is the same again after the test."""
    old = os.umask(0o022)
    yield os.umask
    os.umask(old)


def names_of_rows():
    """Return the first cells of the table of differences."""
    text = (Path(__file__).parents[3] / "docs/explanation/compatibility.md").read_text(encoding="utf-8")
    table = text.partition("| there | here | why |\n| --- | --- | --- |\n")[2].partition("\n\n")[0]
    return [re.split(r" \| ", line.removeprefix("| "))[0] for line in table.splitlines()]


def test_every_row_of_the_table_is_looked_for():
    assert list(ROWS) == names_of_rows()


def test_the_same_calls_come_to_the_same_but_for_the_rows(
    tmp_path, host, power_cycles, umask, record_property
):
    seen = Counter()
    for number in range(SEQUENCES):
        rng = random.Random(number)
        umask(rng.choice([0o022, 0o022, 0o027, 0o077]))
        base = tmp_path / "roots"
        base.mkdir()
        is_small = number % 20 == 0
        pair = Pair(base, 8192 if is_small else MEMORY, host, power_cycles, seen)
        caller = Caller(rng, pair, host)
        meddles = 0 if is_small else rng.choice([0, 0, 0.1])
        with pair.cluster.installed():
            for _ in range(STEPS):
                if rng.random() < meddles:
                    caller.meddle()
                elif meddles and rng.random() < 0.05:
                    caller.tidy()
                caller.step()
        shutil.rmtree(base)
    calls = seen.pop("calls")
    told = [f"{calls} calls compared", *(f"{seen[name]:6} {name}" for name in ROWS)]
    record_property("calls compared", calls)
    print(*told, sep="\n")  # noqa: T201  # shown by -rP
    assert [name for name in ROWS if not seen[name]] == [], "\n".join(told)
    assert calls >= LEAST_COMPARED, "\n".join(told)
