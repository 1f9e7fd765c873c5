"""Two threads never wait for each other for ever, nor a forked child for a thread that it has not.

`benchmarks/soak_pairs.py` and `benchmarks/soak_forks.py` do the same, many more times.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from deadlocks import GROUNDS

PROGRAMS = Path(__file__).parents[1]


def run(program, *options):
    """In a process of its own, where what hangs can be ended; from Python 3.12 on, it warns of its forks."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(PROGRAMS / program), *options]
    with tempfile.TemporaryDirectory() as directory:  # whose path is short enough for a socket in it
        command += ["--dir", directory]
        # Whatever else it makes, it makes there, too, and ends without tidying up.
        environment = {**os.environ, "TMPDIR": directory}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, check=False, env=environment
        )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("ground", GROUNDS)
def test_no_two_things_done_at_once_wait_for_each_other(ground):
    run(
        "deadlocks.py",
        "--ground",
        ground,
        "--runs",
        "5" if ground.startswith("pyfakefs") else "10",
        "--hangs",
        "1",
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system can't fork")
@pytest.mark.parametrize("ground", GROUNDS)
def test_a_child_forked_in_the_middle_of_calls_waits_for_nobody(ground):
    run("forks.py", "--ground", ground, "--forks", "12", "--hangs", "1")
