"""What both hosts tell of a migration, in order, as a real pair of hosts does."""

import os
import subprocess
import sys

import pytest

pytest.importorskip(
    "libvirt", reason="needs libvirt-python: apt-get install libvirt-dev, pip install libvirt-python"
)

WORKS = "it works"
FAILED = "operation failed: job 'migration out' unexpectedly failed"

TOLD = {
    "live": (
        WORKS,
        "A " + "".join(f"iteration {n} · " for n in range(1, 6)) + "3,1 · iteration 6 · 5,3 · completed 5",
        "B 2,1 · 4,1",
    ),
    "persist": (WORKS, "A iteration 1 · 3,1 · iteration 2 · 5,3 · completed 5", "B 2,1 · 0,0 · 4,1"),
    "not live": (WORKS, "A 3,1 · iteration 1 · iteration 2 · 5,3 · completed 5", "B 2,1 · 4,1"),
    "paused": (WORKS, "A iteration 1 · 3,1 · iteration 2 · 5,3 · completed 5", "B 2,1 · 3,0"),
    "offline": (WORKS, "A ", "B 0,0"),
    "failed": (FAILED, "A iteration 1", "B 2,1 · 5,5"),
    "postcopy": (
        WORKS,
        "A iteration 1 · iteration 2 · iteration 3 · 3,1 · 3,7 · iteration 4 · 5,3 · completed 5",
        "B 2,1 · 4,3 · 4,1",
    ),
}
"""Of each case how it ends, and the lifecycle events, iterations and completed jobs of both sides."""


@pytest.fixture(scope="module")
def told():
    run = subprocess.run(
        [sys.executable, os.path.join(os.path.dirname(__file__), "told.py")],
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
    )
    return run.stdout.splitlines()


@pytest.mark.parametrize("way", ["managed", "p2p"])
@pytest.mark.parametrize("case", TOLD)
def test_what_both_sides_tell(told, way, case):
    end, on_a, on_b = TOLD[case]
    begin = f"{way} {case}: "
    assert [line for line in told if line.startswith(begin)] == [f"{begin}{end}", f"{begin}{on_a} | {on_b}"]
