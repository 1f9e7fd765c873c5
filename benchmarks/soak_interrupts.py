"""Interrupt calls at random instants by an exception from a signal handler, as Ctrl-C or a time limit does.

    python benchmarks/soak_interrupts.py [--interrupts N] [--backend NAME] [--dir DIR] [--seed N]

On each backend (files, memory, a pyfakefs that is patched in) it does whatever a test or the code under test
can do to a cluster, all methods of the interface among it, until a timer's signal comes. After each interrupt

- another thread, another process on the same root directories, and the interrupted thread itself use all the
  nodes and the cluster: none may wait for a lock that nobody will give back;
- that thread's calls are calls of their own in the journal again;
- no file is left open, malformed, or under a temporary name, and what is free is what the files leave;
- nothing raises what no caller expects.

What hangs, or is wrong, is counted by where the interrupt was; then the exit status is 1. What is counted as
strange is no failure: what pyfakefs itself leaves half done when it is interrupted, and a call that the
journal never sees end. 20,000 interrupts take a minute or two on files and in memory, and a quarter of an
hour on pyfakefs.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the suite does a little of it each time
from interrupts import main

if __name__ == "__main__":
    sys.exit(main())
