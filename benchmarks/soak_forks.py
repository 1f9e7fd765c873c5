"""Fork a process at random instants, while its other threads are in the middle of calls; nobody may hang.

    python benchmarks/soak_forks.py [--forks N] [--ground NAME] [--dir DIR] [--seed N]

Two threads do to a cluster what those of `soak_pairs.py` do, on the same grounds, and the main one forks,
2,000 times unless told otherwise. Each child must come through a start, a balloon, a stop, a migration and a
look at what is wrong: it has none of the threads, and may wait for none. So must the threads themselves.

Who hangs is shown with where it waits. That, and an error that no caller expects, make the exit status 1; but
on pyfakefs a child may meet what a thread had half done there.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the suite does a little of it each time
from forks import main

if __name__ == "__main__":
    sys.exit(main())
