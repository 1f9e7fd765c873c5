"""Show what the fake costs beside raw calls, other fakes, pytest's tmp_path and pyfakefs's fs.

    python benchmarks/bench_peers.py [--quick] [--check] [--dir DIR] [--sizes N N] [--rounds N]
        [--seconds N] [--tests N] [--runs N] [--loads N] [--inventory N]

All that is compared takes turns in one process: in each round every contender, with few and with many
running instances, has its turn, in random order, so that whatever else the machine does meets all alike.
In a turn it starts, balloons, looks at and stops one more instance, a few times over; the first time is
not counted, and the median of the others is. Listings have turns of their own. What takes long has fewer
turns. A ratio is the median of those in the same rounds; beside it stand the 10 % and the 90 % of them.

Ours is what a test has: a node of a cluster, with its journal, its invariants, and faults at its door.
What the fixtures and the plugin cost is measured in runs of pytest, in processes of their own.

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
from statistics import median, quantiles
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
    Contender,
    Kind,
    bytes_in_memory,
)
from plugin_runs import FIXTURES, fixture_costs, load_cost

KINDS = [RAW, ATOMIC, ON_FILES, PYFAKEFS, IN_PYFAKEFS, IN_MEMORY, GANETI, LIBVIRT]

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
    "tests": 500,
    "runs": 7,
    "loads": 40,
    "inventory": 1_000_000,
}
QUICK = {
    "sizes": [100, 1_000],
    "rounds": 100,
    "seconds": 0.4,
    "tests": 50,
    "runs": 3,
    "loads": 5,
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


def short(figure: float) -> str:
    """Return a figure with no more digits than say something."""
    return f"{figure:,.{2 if figure < 10 else 1 if figure < 100 else 0}f}"


@dataclass(frozen=True)
class Ratio:
    """How many times as much: the median of the rounds' ratios, and where most of them lie."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, ratios: Iterable[float]) -> "Ratio":
        """Summarise the ratios of all rounds."""
        given = sorted(ratios)
        tenths = quantiles(given, n=10, method="inclusive") if len(given) > 1 else given
        return cls(median(given), tenths[0], tenths[-1])

    def __str__(self) -> str:
        return f"{short(self.middle)} ({short(self.least)}–{short(self.most)})"  # noqa: RUF001  # of figures


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


@dataclass(frozen=True)
class Target:
    """What was to be reached; a figure of at most so much meets it."""

    what: str
    figure: str
    value: float
    most: float

    @property
    def is_met(self) -> bool:
        """Whether it was."""
        return self.value <= self.most

    @classmethod
    def of(cls, what: str, ratio: Ratio, most: float) -> "Target":
        """Judge a ratio by its middle."""
        return cls(what, str(ratio), ratio.middle, most)

    def row(self) -> list[str]:
        """Return the line of the table."""
        return [self.what, self.figure, f"{self.most:.3g}", "met" if self.is_met else "MISSED"]


def engine_targets(figures: Figures, sizes: tuple[int, int]) -> list[Target]:
    """Judge the operations: on files against raw system calls, in pyfakefs against raw calls there."""
    few, many = sizes
    targets = []
    for running in sizes:
        at = f", {running:,} running"
        for operation, other, most in (
            ("start", "start", 2.5),
            ("balloon", "start", 2.5),
            ("stop", "stop", 2.0),
            ("info", "info", 2.0),
            ("list", "list", 1.2),
            ("list_all", "list_all", 1.5),
        ):
            ratio = figures.ratio(ON_FILES, RAW, running, operation, other)
            what = COLUMNS[operation].partition(",")[0]
            targets.append(Target.of(f"files: {what}, times raw {other.replace('_', ' ')}{at}", ratio, most))
    for operation in ("start", "stop", "info"):
        grown = [figures.ratio(ON_FILES, RAW, size, operation).middle for size in sizes]
        what = f"files: growth of the ratio of {operation} from {few:,} to {many:,}"
        value = grown[1] / grown[0]
        targets.append(Target(what, f"{value:.2f}", value, 1.2))
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


def fixture_targets(costs: dict[str, list[float]]) -> list[Target]:
    """Judge the fixtures, as they are and as a test uses them that starts one instance."""
    targets = []
    for ours, theirs, most in (
        ("`fakehv`, files", "`tmp_path`", 1 / 2),
        ("`fakehv`, private pyfakefs", "`fs`", 1 / 6),
    ):
        for use in ("", ", used"):
            pairs = zip(costs[ours + use], costs[theirs + use], strict=True)
            ratio = Ratio.of(one / other for one, other in pairs)
            targets.append(Target.of(f"{ours}{use}, times {theirs}{use}", ratio, most))
    return targets


def load_targets(modules: Sequence[str], ratios: Sequence[float]) -> list[Target]:
    """Judge what loading the plugin costs."""
    count = len(modules)
    return [
        Target("plugin load: modules imported", f"{count}", count, 5),
        Target.of(
            "plugin load: processor time of a run of one test, times one without", Ratio.of(ratios), 1.05
        ),
    ]


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, in Markdown."""
    print(f"| {' | '.join(head)} |")
    print(f"|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


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


def print_fixtures(costs: dict[str, list[float]], tests: int) -> None:
    """Print what a test with each fixture costs."""
    print(
        f"Microseconds a test, above one without a fixture, in a module of {tests} tests; *used*: the test\n"
        "makes one file, or starts one instance:\n"
    )
    rows = []
    for what, seconds in costs.items():
        ratio = Ratio.of(1e6 * each for each in seconds)
        rows.append([what, f"{ratio.middle:,.0f}", f"{ratio.least:,.0f}–{ratio.most:,.0f}"])  # noqa: RUF001
    print_table(["", "median", "10 %–90 %"], rows)  # noqa: RUF001


def say(what: str) -> None:
    """Tell who waits how far it is."""
    print(f"{datetime.now(UTC):%H:%M:%S} {what}", file=sys.stderr, flush=True)


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
    parser.add_argument("--tests", type=int, metavar="N", help="in a module that uses a fixture")
    parser.add_argument("--runs", type=int, metavar="N", help="of each such module")
    parser.add_argument(
        "--loads", type=int, metavar="N", help="how often pytest is started with and without the plugin"
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
        say("what the plugin costs a run of pytest")
        modules, ratios = load_cost(directory / "load", rounds=options.loads)
        fixtures = [each for each in FIXTURES if "memory" not in each or IN_MEMORY in kinds]
        costs = fixture_costs(directory / "fixtures", fixtures, tests=options.tests, rounds=options.runs)
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
    print_fixtures(costs, options.tests)
    print("Loading the plugin imports, beside what pytest and pyfakefs's plugin import anyway:")
    print(f"{', '.join(f'`{each}`' for each in modules)}.\n")
    targets = engine_targets(figures, sizes)
    if IN_MEMORY in kinds:
        targets += memory_targets(figures, kinds, sizes, bytes_by, options.inventory)
    targets += [*fixture_targets(costs), *load_targets(modules, ratios)]
    print_table(["target", "is", "at most", ""], (target.row() for target in targets))
    missed = sum(not target.is_met for target in targets)
    print(f"{len(targets) - missed} of {len(targets)} targets are met.")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
