"""Let two threads do things to a cluster at once, and see that they never wait for each other for ever.

    python benchmarks/soak_pairs.py [--runs N] [--ground NAME] [--dir DIR] [--seed N]

Each of start, stop, balloon, migrate, finalize, crash, remove a node, look at the violations, and draw the
timeline meets each other one, and itself, 200 times unless told otherwise, while Python switches between the
threads as often as it can. They meet on each ground: a cluster of files, in memory, and on a pyfakefs that is
patched in; two clusters with the same root directories; and two clusters side by side on one fake filesystem.

A refusal is fine. Threads that both get no further are a deadlock: it is shown where each waits. That, any
other error, and a cluster that can't be looked at afterwards, or whose free memory is wrong, make the exit
status 1.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the suite does a little of it each time
from deadlocks import main

if __name__ == "__main__":
    sys.exit(main())
