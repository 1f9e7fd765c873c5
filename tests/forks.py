"""Fork a process at random instants, while its other threads are in the middle of calls; nobody may hang.

    python tests/forks.py [--forks N] [--ground NAME] [--dir DIR] [--seed N]

`benchmarks/soak_forks.py` says what it shows.
"""

import argparse
import faulthandler
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, NoReturn

from backends import REFUSALS, Backend, is_of_others, place_of, place_of_thread
from deadlocks import DEEDS, GROUNDS, SWITCH_INTERVAL, TWICE, Turn, clusters_on, stack_of

from pytest_fakehv import FakeCluster, Instance

LIFE: Final = 20
"""Forks of one cluster: its journal gets longer, and with that everything slower."""

RAISED: Final = 2
"""The exit status of a child in which a call raised what no caller expects."""

LONGEST_PAUSE: Final = 0.002
"""Seconds between two forks, at most."""


class Busy(threading.Thread):
    """A thread that does this and that until it is told to end."""

    def __init__(self, clusters: Sequence[FakeCluster], seed: str) -> None:
        super().__init__(daemon=True)
        self.is_over = False
        self.turns = 0
        self.errors: Counter[str] = Counter()
        """What was raised that no caller expects, and where."""
        self._clusters = clusters
        self._generator = random.Random(seed)

    def run(self) -> None:
        """Do it."""
        while not self.is_over:
            self.turns += 1
            turn = Turn(self._clusters, self._generator, f"{self.ident}-{self.turns}")
            try:
                self._generator.choice(DEEDS)(turn)
            except REFUSALS:
                pass
            except Exception as error:  # it is what is looked for
                self.errors[f"wrong: a thread raised {error!r} at {place_of(error)}"] += 1


def live(cluster: FakeCluster, patience: int) -> NoReturn:
    """Be a child: use the cluster, and end; at the latest after a while, saying where it hangs."""
    faulthandler.dump_traceback_later(patience, exit=True)
    signal.alarm(2 * patience)  # should that hang, too
    try:
        for node in cluster.nodes:
            web = Instance(f"child-{node.name}", beparams={"minmem": 1, "maxmem": 2**50, "vcpus": 1})
            for call in (
                lambda node=node: node.boot(),
                lambda node=node, web=web: node.StartInstance(web, [], False),
                lambda node=node, web=web: node.BalloonInstanceMemory(web, 1),
                lambda node=node, web=web: node.StopInstance(web),
                cluster.violations,
            ):
                with suppress(*REFUSALS):
                    call()
        with suppress(*REFUSALS):
            cluster.add_instance("mover", node="node1")
            cluster.migrate("mover", to="node3")
        cluster.fault("ListInstances", optional=True).withdraw()
        cluster.clock.advance(1)
        cluster.timeline()
    except Exception as error:  # told, and counted there
        if not is_of_others(error):
            print(f"in a forked child: {error!r} at {place_of(error)}", file=sys.stderr, flush=True)
            os._exit(RAISED)
    finally:
        os._exit(0)


@dataclass
class Forks:
    """Many forks on one ground."""

    ground: str
    backend: Backend
    seed: int
    patience: int
    most_hangs: int
    counts: Counter[str] = field(default_factory=Counter)
    hangs: int = 0

    def fork(self, forks: int) -> None:
        """Fork so many times, or until enough has hung."""
        generator = random.Random(f"{self.seed} {self.ground}")
        while self.counts["forks"] < forks and self.hangs < self.most_hangs:
            clusters = clusters_on(self.ground, self.backend)
            seed = f"{self.seed} {self.counts['forks']}"
            threads = [Busy(clusters, f"{seed} {number}") for number in range(2)]
            for thread in threads:
                thread.start()
            for _ in range(min(LIFE, forks - self.counts["forks"])):
                if self.hangs < self.most_hangs:
                    self._fork_one(clusters, generator)
            for thread in threads:
                thread.is_over = True
            for thread in threads:
                self._end(thread)
            if any(thread.is_alive() for thread in threads):
                self.backend.renew()

    def _fork_one(self, clusters: Sequence[FakeCluster], generator: random.Random) -> None:
        """Fork at a random instant, and see the child through."""
        end = perf_counter() + generator.uniform(0, LONGEST_PAUSE)
        while perf_counter() < end:
            pass
        child = os.fork()
        if not child:
            live(generator.choice(clusters), self.patience)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.counts["forks"] += 1
        if status == RAISED:
            self.counts["wrong: a child raised an error, see above"] += 1
        elif status:
            self.counts["wrong: a child hangs, see above"] += 1
            self.hangs += 1

    def _end(self, thread: Busy) -> None:
        """Wait for a thread that was told to end."""
        turns = -1
        while thread.is_alive() and turns != thread.turns:
            turns = thread.turns
            thread.join(self.patience)
        self.counts["turns of the threads"] += thread.turns
        self.counts.update(thread.errors)
        if thread.is_alive():
            print(stack_of(thread), file=sys.stderr, flush=True)
            self.counts[f"wrong: a thread hangs at {place_of_thread(thread.ident)}"] += 1
            self.hangs += 1


def main() -> int:
    """Fork on each ground, in a process of its own, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--forks", type=int, default=2000, help="on each ground (default: %(default)s)")
    parser.add_argument("--ground", choices=GROUNDS, help="on this one alone")
    parser.add_argument("--dir", help="where to make temporary directories")
    parser.add_argument("--seed", type=int, default=1, help="of everything but the machine's own pace")
    parser.add_argument(
        "--patience", type=int, default=10, help="seconds until a child hangs (default: %(default)s)"
    )
    parser.add_argument(
        "--hangs", type=int, default=5, help="after which a ground is given up (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if not arguments.ground:
        # From Python 3.12 on, it warns of forks where there are threads.
        command = [sys.executable, "-W", "ignore", __file__, *sys.argv[1:], "--ground"]
        return max(subprocess.run([*command, each], check=False).returncode != 0 for each in GROUNDS)
    sys.setswitchinterval(SWITCH_INTERVAL)
    FakeCluster.in_memory().timeline()  # so that all modules are there before a fake filesystem is
    with Backend(arguments.ground.removesuffix(TWICE), arguments.dir) as backend:
        forks = Forks(arguments.ground, backend, arguments.seed, arguments.patience, arguments.hangs)
        forks.fork(arguments.forks)
    counts = [f"  {what}: {count:,}" for what, count in forks.counts.items()]
    print("\n".join([f"{arguments.ground}:", *counts]), flush=True)
    os._exit(any(what.startswith("wrong") for what in forks.counts))


if __name__ == "__main__":
    sys.exit(main())
