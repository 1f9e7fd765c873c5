"""Show what the fake costs beside raw calls and other fakes.

    python benchmarks/bench_peers.py [--quick] [--check] [--dir DIR] [--sizes N N] [--rounds N]
        [--seconds N] [--inventory N]

All that is compared takes turns in one process: in each round every contender, with few and with many
running instances, has its turn, in random order, so that whatever else the machine does meets all alike.
In a turn it starts, balloons, looks at and stops one more instance, a few times over; the first time is
not counted, and the median of the others is. Listings have turns of their own. What takes long has fewer
turns. A ratio is the median of those in the same rounds; beside it stand the 10 % and the 90 % of them.

Ours is what a test has: a node of a cluster, with its journal, its invariants, and faults at its door.
What the fixtures and the plugin cost, and calls on files beside their targets, `bench_users.py` shows.

The output is Markdown. It ends with the targets, each met or MISSED. With --check, the exit status is 1
if one is missed.
"""

import argparse
import gc
import os
import platform
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from math import ceil, log, log2
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter, perf_counter_ns

from contenders import (
    ATOMIC,
    GANETI,
    IN_MEMORY,
    IN_PYFAKEFS,
    LIBVIRT,
    ON_FILES,
    PYFAKEFS,
    RAW,
    SAFE,
    Contender,
    Kind,
    bytes_in_memory,
)
from figures import Ratio, Target, print_table, say, short

KINDS = [RAW, ATOMIC, SAFE, ON_FILES, PYFAKEFS, IN_PYFAKEFS, IN_MEMORY, GANETI, LIBVIRT]

CYCLE = ("start", "balloon", "info", "stop")
LISTINGS = ("list", "list_all")
COLUMNS = {
    "start": "start",
    "balloon": "balloon",
    "stop": "stop",
    "info": "info",
    "list": "list, per instance",
    "list_all": "list all, per instance",
}

CYCLES_OF_A_TURN = 10
LONGEST_TURN = 0.02
"""In seconds: one of more cycles takes no longer."""
FEWEST_TURNS = 3

FULL = {
    "sizes": [100, 100_000],
    "rounds": 1000,
    "seconds": 4.0,
    "inventory": 1_000_000,
}
QUICK = {
    "sizes": [100, 1_000],
    "rounds": 100,
    "seconds": 0.4,
    "inventory": 50_000,
}


@dataclass
class Entrant:
    """A contender of one size, and some of its operations, which it does one after the other in its turn.

    Attributes:
        kind: which contender.
        running: how many instances run.
        contender: it.
        operations: their names.
        every: in how many rounds it has one turn: a power of 2, so that the rarest meet all others.
        cycles: how often it does the operations in a turn.
        times: of each operation, by the round: nanoseconds; of a listing, per instance.
    """

    kind: Kind
    running: int
    contender: Contender
    operations: Sequence[str]
    every: int = 1
    cycles: int = 1
    times: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))

    def plan(self, rounds: int, seconds: float) -> None:
        """Find out how long a cycle takes, and so how many turns there are in that time."""
        self._cycle()
        tries: list[float] = []
        while sum(tries) < LONGEST_TURN and len(tries) < CYCLES_OF_A_TURN:
            began = perf_counter()
            self._cycle()
            tries.append(perf_counter() - began)
        cycle = min(tries)
        self.cycles = max(1, min(CYCLES_OF_A_TURN, int(LONGEST_TURN / cycle)))
        turn = cycle * (self.cycles + self._has_warm_up)
        turns = max(min(FEWEST_TURNS, rounds), min(rounds, int(seconds / turn)))
        self.every = 2 ** int(log2(rounds / turns))

    @property
    def _has_warm_up(self) -> bool:
        """Whether a turn begins with a cycle that isn't counted; a listing that takes long has none."""
        return self.operations == CYCLE or self.cycles > 1

    def take_turn(self, number: int) -> None:
        """Do the operations, and keep the median time of each."""
        if number % self.every:
            return
        if self._has_warm_up:
            self._cycle()
        cycles = [self._cycle() for _ in range(self.cycles)]
        for operation in self.operations:
            self.times[operation][number] = median(cycle[operation] for cycle in cycles)

    def _cycle(self) -> dict[str, float]:
        times: dict[str, float] = {}
        for operation in self.operations:
            function: Callable[[], object] = getattr(self.contender, operation)
            began = perf_counter_ns()
            result = function()
            times[operation] = perf_counter_ns() - began
            if operation in LISTINGS:
                assert isinstance(result, list), result
                assert len(result) == self.running, (self.kind, len(result))
                times[operation] /= self.running
            del result  # outside of the timing
        self.contender.tidy()
        return times


class Figures:
    """What was measured of all contenders."""

    def __init__(self, entrants: Iterable[Entrant]) -> None:
        self._times = {
            (each.kind.name, each.running, operation): each.times[operation]
            for each in entrants
            for operation in each.operations
        }

    def microseconds(self, kind: Kind, running: int, operation: str) -> float:
        """Return the median."""
        return median(self._times[kind.name, running, operation].values()) / 1000

    def ratio(
        self, kind: Kind, other: Kind, running: int, operation: str, other_operation: str | None = None
    ) -> Ratio:
        """Compare two contenders, by the rounds in which both had a turn."""
        ours = self._times[kind.name, running, operation]
        theirs = self._times[other.name, running, other_operation or operation]
        return Ratio.of(ours[number] / theirs[number] for number in ours.keys() & theirs.keys())

    def growth(self, kind: Kind, sizes: tuple[int, int], operation: str) -> Ratio:
        """Compare a contender at both sizes, by the rounds in which both had a turn."""
        few, many = (self._times[kind.name, size, operation] for size in sizes)
        return Ratio.of(many[number] / few[number] for number in few.keys() & many.keys())

    def exponent(self, kind: Kind, sizes: tuple[int, int], operation: str) -> float:
        """Return the exponent of growth: 0 where it costs the same at both sizes, 1 where it is linear."""
        few, many = (self.microseconds(kind, size, operation) for size in sizes)
        if operation in LISTINGS:  # the times are per instance
            return 1 + log(many / few) / log(sizes[1] / sizes[0])
        return log(many / few) / log(sizes[1] / sizes[0])


def measure(
    directory: Path, kinds: Iterable[Kind], sizes: Sequence[int], rounds: int, seconds: float
) -> Figures:
    """Make all contenders, and let them take turns."""
    entrants: list[Entrant] = []
    for kind in kinds:
        for running in sizes:
            say(f"{running:,} running: {kind.name}")
            place = Path(tempfile.mkdtemp(dir=directory))
            contender = kind.make(place, running)
            for operations in (CYCLE, *([listing] for listing in LISTINGS)):
                entrant = Entrant(kind, running, contender, operations)
                entrant.plan(rounds, seconds)
                entrants.append(entrant)
    gc.collect()
    gc.freeze()  # nobody waits until the others' many objects are looked through
    generator = random.Random(1)
    for number in range(rounds):
        for entrant in generator.sample(entrants, len(entrants)):
            entrant.take_turn(number)
        if number % ceil(rounds / 10) == 0:
            say(f"round {number} of {rounds}")
    return Figures(entrants)


def engine_targets(figures: Figures, sizes: tuple[int, int]) -> list[Target]:
    """Judge the operations in pyfakefs against raw calls there; `bench_users.py` judges those on files."""
    targets = []
    for running in sizes:
        for operation in COLUMNS:
            what = f"private pyfakefs: {operation.replace('_', ' ')}, times raw, {running:,} running"
            targets.append(Target.of(what, figures.ratio(IN_PYFAKEFS, PYFAKEFS, running, operation), 1.3))
    return targets


def memory_targets(
    figures: Figures,
    kinds: Sequence[Kind],
    sizes: tuple[int, int],
    bytes_by: dict[str, float],
    inventory: int,
) -> list[Target]:
    """Judge the backend without files: by the clock, by its bytes, and against libvirt's test driver."""
    targets = [
        Target(f"memory: bytes an instance, {inventory:,} {how}", f"{size:.0f}", size, 400)
        for how, size in bytes_by.items()
    ]
    for running in sizes:
        for operation in ("start", "stop", "info"):
            time = figures.microseconds(IN_MEMORY, running, operation)
            targets.append(
                Target(f"memory: {operation}, microseconds, {running:,} running", f"{time:.2f}", time, 5)
            )
    if LIBVIRT in kinds:
        for running in sizes:
            for operation in COLUMNS:
                what = f"memory: {operation.replace('_', ' ')}, times libvirt's, {running:,} running"
                targets.append(Target.of(what, figures.ratio(IN_MEMORY, LIBVIRT, running, operation), 1))
    return targets


def label(kind: Kind) -> str:
    """Return a contender's name in a table, where ours stand out."""
    return f"**{kind.name}**" if kind.name.startswith("ours") else kind.name


def print_figures(figures: Figures, kinds: Sequence[Kind], sizes: tuple[int, int]) -> None:
    """Print the times, the ratios, and how both grow."""
    few, many = sizes
    at_many = f"start at {many:,} running"
    columns = [(few, "start"), (many, "start"), *((few, each) for each in [*COLUMNS][1:])]
    head = ["", "start", at_many, *[*COLUMNS.values()][1:]]

    print(f"Median microseconds, {few:,} running instances unless said:\n")
    print_table(
        head,
        (
            [label(kind), *(short(figures.microseconds(kind, *column)) for column in columns)]
            for kind in kinds
        ),
    )
    print(f"Times as long as {RAW.name}, median (10 %–90 %):\n")  # noqa: RUF001  # a dash of figures
    print_table(
        head,
        (
            [label(kind), *(str(figures.ratio(kind, RAW, *column)) for column in columns)]
            for kind in kinds
            if kind is not RAW
        ),
    )
    print(f"Exponent of growth from {few:,} to {many:,} running instances (0: costs the same, 1: linear):\n")
    print_table(
        ["", *(name.partition(",")[0] for name in COLUMNS.values())],
        (
            [label(kind), *(f"{figures.exponent(kind, sizes, each):.2f}" for each in COLUMNS)]
            for kind in kinds
        ),
    )


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    parser.add_argument("--quick", action="store_true", help="a rough picture in less than a minute")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument(
        "--dir", default=shm, help="where to make a temporary directory (default: %(default)s)"
    )
    parser.add_argument("--sizes", type=int, nargs=2, metavar="N", help="few and many running instances")
    parser.add_argument("--rounds", type=int, metavar="N", help="in which all take turns")
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="that each may take of all rounds, if it is slow"
    )
    parser.add_argument(
        "--inventory", type=int, metavar="N", help="instances in memory whose bytes are counted"
    )
    options = parser.parse_args()
    for name, default in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, default)
    return options


def main() -> int:
    """Measure, and print the tables."""
    options = read_options()
    few, many = sorted(options.sizes)
    sizes = (few, many)
    absent = {kind: kind.absence for kind in KINDS}
    kinds = [kind for kind in KINDS if not absent[kind]]

    began = perf_counter()
    with tempfile.TemporaryDirectory(prefix="bench_peers", dir=options.dir) as name:
        directory = Path(name)
        bytes_by: dict[str, float] = {}
        if IN_MEMORY in kinds:
            with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
                for how in ("added", "started"):
                    bytes_by[how] = pool.apply(bytes_in_memory, (options.inventory, how))
        figures = measure(directory, kinds, sizes, options.rounds, options.seconds)
        say("clearing up")
    minutes = (perf_counter() - began) / 60

    print(
        f"`python {' '.join([os.path.relpath(sys.argv[0]), *sys.argv[1:]])}`, {datetime.now(UTC):%Y-%m-%d},"
    )
    print(f"{minutes:.1f} minutes in {options.dir or tempfile.gettempdir()}; {os.cpu_count()} CPUs,")
    print(f"load average {os.getloadavg()[2]:.1f} in the last quarter of an hour,")
    print(
        f"Python {platform.python_version()}, pytest {version('pytest')}, pyfakefs {version('pyfakefs')}.\n"
    )
    print_figures(figures, kinds, sizes)
    for kind, why in absent.items():
        if why:
            print(f"Not here: {kind.name} ({why}). This gets it:\n\n```sh\n{kind.how_to_get}\n```\n")
    targets = engine_targets(figures, sizes)
    if IN_MEMORY in kinds:
        targets += memory_targets(figures, kinds, sizes, bytes_by, options.inventory)
    print_table(["target", "is", "at most", ""], (target.row() for target in targets))
    missed = sum(not target.is_met for target in targets)
    print(f"{len(targets) - missed} of {len(targets)} targets are met.")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
