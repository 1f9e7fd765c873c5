"""An exception from a signal handler, at any instant, leaves no lock held and no file half written.

`benchmarks/soak_interrupts.py` does the same, many more times.
"""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(__file__).parents[1] / "interrupts.py")


@pytest.mark.parametrize(("where", "interrupts"), [("files", 200), ("memory", 200), ("pyfakefs", 50)])
def test_whoever_comes_after_an_interrupted_call_does_not_wait_for_it(where, interrupts, tmp_path):
    """In a process of its own, where the signals go to the main thread, and what hangs can be ended."""
    command = [sys.executable, PROGRAM, "--backend", where, "--interrupts", str(interrupts)]
    command += ["--hangs", "1", "--dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
