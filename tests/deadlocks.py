"""Let two threads do things to one cluster at once, each pair of things many times, and see that both end.

    python tests/deadlocks.py [--runs N] [--ground NAME] [--dir DIR] [--seed N]

`benchmarks/soak_pairs.py` says what it shows.
"""

import argparse
import faulthandler
import os
import random
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Final

from backends import BACKENDS, REFUSALS, Backend, is_of_others, place_of, place_of_thread

from pytest_fakehv import FakeCluster, FakeHypervisor, Instance, NodeSpec

NODES: Final = (
    NodeSpec("node1", memory=2**40),
    NodeSpec("node2", memory=2**40, overcommit=False),  # where each start counts
    NodeSpec("node3", memory=2**40),
)
NAMES: Final = ("web1", "web2", "web3")

TWICE: Final = ", two clusters"
GROUNDS: Final = (*BACKENDS, f"files{TWICE}", f"pyfakefs{TWICE}")
"""Where the threads meet. Two clusters have the same root directories, or are on one fake filesystem."""

LIFE: Final = 25
"""Runs of one cluster: its journal gets longer, and with that everything slower."""

SWITCH_INTERVAL: Final = 1e-6
WATCHDOG: Final = 300
"""Seconds for one cluster, after which the program itself must be wrong."""


@dataclass
class Turn:
    """What a thread does it to: another node and another instance each time."""

    clusters: Sequence[FakeCluster]
    generator: random.Random
    number: str
    """One that no other turn has."""

    def __post_init__(self) -> None:
        self.cluster = self.generator.choice(self.clusters)
        self.node, self.other = self.generator.sample([self.cluster[each.name] for each in NODES], 2)
        least = self.generator.choice((1, 64))  # where it is less, what it gets depends on what is free
        beparams = {"minmem": least, "maxmem": 64, "vcpus": 1}
        self.web = Instance(self.generator.choice(NAMES), beparams=beparams)

    @property
    def is_even(self) -> bool:
        """One time true, the other time false, at random."""
        return self.generator.random() < 0.5


def start(turn: Turn) -> None:
    """Also where it runs already, or elsewhere."""
    turn.node.StartInstance(turn.web, [], False)


def stop(turn: Turn) -> None:
    with suppress(*REFUSALS):
        turn.cluster.add_instance(turn.web.name, node=turn.node.name, memory=64)
    turn.node.StopInstance(turn.web)


def balloon(turn: Turn) -> None:
    with suppress(*REFUSALS):
        turn.cluster.add_instance(turn.web.name, node=turn.node.name, memory=64)
    turn.node.BalloonInstanceMemory(turn.web, 32)


def migrate(turn: Turn) -> None:
    with suppress(*REFUSALS):
        turn.cluster.add_instance(turn.web.name, node=turn.node.name, memory=64)
    turn.cluster.migrate(turn.web, to=turn.other.name, source=turn.node.name)


def finalize(turn: Turn) -> None:
    """Well, or to abort; also what nobody began."""
    with suppress(*REFUSALS):
        turn.other.AcceptInstance(turn.web, "", turn.other.address)
        turn.node.MigrateInstance("cluster", turn.web, turn.other.address, True)
    success = turn.is_even
    if turn.is_even:
        turn.node.FinalizeMigrationSource(turn.web, success, True)
        turn.other.FinalizeMigrationDst(turn.web, "", success)
    else:
        turn.other.FinalizeMigrationDst(turn.web, "", success)
        turn.node.FinalizeMigrationSource(turn.web, success, True)


def crash(turn: Turn) -> None:
    turn.node.crash()
    turn.node.boot()


def remove_node(turn: Turn) -> None:
    extra = turn.cluster.add_node(f"extra{turn.number}", memory=2**40)
    if turn.is_even:
        turn.cluster.add_instance(turn.web.name, node=extra.name, memory=64)
        extra.StopInstance(turn.web)
    turn.cluster.remove_node(extra.name)


def violations(turn: Turn) -> None:
    turn.cluster.violations()


def timeline(turn: Turn) -> None:
    turn.cluster.timeline()


Deed = Callable[[Turn], None]

DEEDS: Final[tuple[Deed, ...]] = (
    start,
    stop,
    balloon,
    migrate,
    finalize,
    crash,
    remove_node,
    violations,
    timeline,
)


def clusters_on(ground: str, backend: Backend) -> list[FakeCluster]:
    """Make what the threads meet at."""
    places = [backend.place()]
    if ground.endswith(TWICE):
        places.append(places[0] if backend.has_files else backend.place())
    return [backend.cluster(place, *NODES) for place in places]


class Worker(threading.Thread):
    """A thread that does one thing over and over."""

    def __init__(
        self, deed: Deed, clusters: Sequence[FakeCluster], runs: int, seed: str, meet: threading.Barrier
    ) -> None:
        super().__init__(daemon=True)
        self.deed = deed
        self.done = 0
        self.errors: Counter[str] = Counter()
        """What was raised that no caller expects, and where."""
        self.strange: Counter[str] = Counter()
        """The same out of the fake filesystem's own code."""
        self._clusters = clusters
        self._runs = runs
        self._seed = seed
        self._meet = meet

    def run(self) -> None:
        """Do it."""
        generator = random.Random(self._seed)
        self._meet.wait()
        for number in range(self._runs):
            try:
                self.deed(Turn(self._clusters, generator, f"{self.ident}-{number}"))
            except REFUSALS:
                pass
            except Exception as error:  # it is what is looked for
                what = f"{type(error).__name__}: {error}, at {place_of(error)}"
                (self.strange if is_of_others(error) else self.errors)[what] += 1
            self.done += 1


@dataclass
class Pairs:
    """All pairs on one ground."""

    ground: str
    backend: Backend
    seed: int
    patience: float
    most_hangs: int
    findings: Counter[str] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)
    hangs: int = 0
    pairs: int = 0
    runs: int = 0
    _stacks: list[str] = field(default_factory=list)

    def run_all(self, runs: int) -> None:
        """Let each thing meet each, itself too, so many times; or until enough has hung."""
        for pair in combinations_with_replacement(DEEDS, 2):
            self.pairs += 1
            for first in range(0, runs, LIFE):
                if self.hangs >= self.most_hangs:
                    return
                faulthandler.dump_traceback_later(WATCHDOG, exit=True)
                if not self._meet(pair, min(LIFE, runs - first), f"{self.seed} {first}"):
                    self.hangs += 1
                    self.backend.renew()
                    break
        faulthandler.cancel_dump_traceback_later()

    def _meet(self, pair: tuple[Deed, Deed], runs: int, seed: str) -> bool:
        """Let two things meet; return whether both came to an end."""
        clusters = clusters_on(self.ground, self.backend)
        begin = threading.Barrier(2)
        workers = [Worker(deed, clusters, runs, f"{seed} {place}", begin) for place, deed in enumerate(pair)]
        what = " beside ".join(deed.__name__ for deed in pair)
        for worker in workers:
            worker.start()
        for worker in workers:
            done = -1
            while worker.is_alive() and done < sum(each.done for each in workers):
                done = sum(each.done for each in workers)
                worker.join(self.patience)
        self.runs += sum(worker.done for worker in workers)
        for worker in workers:
            self.findings.update({f"{what}: {error}": count for error, count in worker.errors.items()})
            self.strange.update({f"{what}: {error}": count for error, count in worker.strange.items()})
        if stuck := [worker for worker in workers if worker.is_alive()]:
            places = " and ".join(f"{each.deed.__name__} at {place_of_thread(each.ident)}" for each in stuck)
            self.findings[f"{what}: for ever in {places}"] += 1
            self._stacks += [f"\n{what}, {stack_of(each)}" for each in stuck]
            return False
        for cluster in clusters:
            self._check(cluster, what)
        return True

    def _check(self, cluster: FakeCluster, after: str) -> None:
        """See whether the cluster is in order: that all can be looked at, and what is free."""
        try:
            cluster.timeline()
            for node in cluster:
                self._check_memory(node, after)
        except Exception as error:  # it is what is looked for
            self.findings[f"after {after}: {error!r} at {place_of(error)}"] += 1

    def _check_memory(self, node: FakeHypervisor, after: str) -> None:
        used = sum(info.memory for info in node.instances.values())
        if (free := node.GetNodeInfo()["memory_free"]) + used != 2**40:
            self.findings[f"after {after}: {free} MiB are free although {used} are used"] += 1

    def summary(self) -> str:
        """Return what was counted, and where what hangs does."""
        lines = [
            f"{self.ground}: {self.runs:,} runs in {self.pairs} pairs",
            f"  hung for ever: {self.hangs}",
            f"  wrong: {self.findings.total():,}; strange: {self.strange.total():,}",
            *(f"  {count:,} times: {what}" for what, count in self.findings.most_common()),
            *(f"  strange, {count:,} times: {what}" for what, count in self.strange.most_common()),
            *self._stacks,
        ]
        return "\n".join(lines)


def stack_of(thread: threading.Thread) -> str:
    """Return where a thread is, in full."""
    frame = sys._current_frames().get(thread.ident or 0)
    lines = [f"  {each.filename}:{each.lineno} in {each.name}" for each in traceback.extract_stack(frame)]
    return "\n".join([f"{thread.name}:", *lines])


def main() -> int:
    """Let all pairs meet on each ground, in a process of its own, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=200, help="of each pair (default: %(default)s)")
    parser.add_argument("--ground", choices=GROUNDS, help="on this one alone")
    parser.add_argument("--dir", help="where to make temporary directories")
    parser.add_argument("--seed", type=int, default=1, help="of everything but the order of the threads")
    parser.add_argument(
        "--patience", type=float, default=10, help="seconds until a call hangs (default: %(default)s)"
    )
    parser.add_argument(
        "--hangs", type=int, default=5, help="after which a ground is given up (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if not arguments.ground:
        command = [sys.executable, __file__, *sys.argv[1:], "--ground"]
        return max(subprocess.run([*command, each], check=False).returncode != 0 for each in GROUNDS)
    sys.setswitchinterval(SWITCH_INTERVAL)
    FakeCluster.in_memory().timeline()  # so that all modules are there before a fake filesystem is
    with Backend(arguments.ground.removesuffix(TWICE), arguments.dir) as backend:
        pairs = Pairs(arguments.ground, backend, arguments.seed, arguments.patience, arguments.hangs)
        pairs.run_all(arguments.runs)
    print(pairs.summary(), flush=True)
    os._exit(bool(pairs.findings))  # whatever hangs


if __name__ == "__main__":
    sys.exit(main())
