"""Send the libvirt front's server a million garbled messages; it must answer each, and harm nobody.

    python benchmarks/soak_garbled.py [--messages N] [--seed N]

Messages of all procedures that have a layout are made, with arguments that fit; two of three are then
changed: bits, words, lengths, counts, headers, pieces that are missing or too many. They go out in pieces of
any size, 25 before an answer is read. The host behind it answers with results, with errors, with what no
message can hold, and with exceptions, some of them in a thread of their own.

Each whole call must be answered once, by what can be read; each ping too. A frame that is none ends its own
connection and no other. A wrong answer, none, and an error or a thread that is left in the end make the exit
status 1.
"""

import sys
from pathlib import Path

# The suite does a little of it each time.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fronts" / "libvirt"))
from garbled import main

if __name__ == "__main__":
    sys.exit(main())
