"""How the benchmarks show what they measured: ratios with their spread, targets, and tables in Markdown."""

import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median, quantiles


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


class Measured:
    """Figures by what they are of, round by round: those of one round were taken side by side."""

    def __init__(self) -> None:
        self._by: dict[str, list[float]] = defaultdict(list)

    def add(self, figures: Mapping[str, float]) -> None:
        """Add those of a round."""
        for what, figure in figures.items():
            self._by[what].append(figure)

    def __iter__(self) -> Iterator[str]:
        """Go through what there are figures of."""
        return iter(self._by)

    def __getitem__(self, what: str) -> list[float]:
        return self._by[what]

    def middle(self, what: str) -> float:
        """Return the median."""
        return median(self._by[what])

    def ratio(self, one: str, other: str, *, above: str | None = None) -> Ratio:
        """Compare two by the rounds; where it is said above what, by what they have more than that."""
        bases = self._by[above] if above else [0.0] * len(self._by[one])
        rounds = zip(self._by[one], self._by[other], bases, strict=True)
        return Ratio.of((first - base) / (second - base) for first, second, base in rounds)


def take_turns(contenders: Mapping[str, Callable[[], Mapping[str, float]]], rounds: int) -> Measured:
    """Let all measure something once a round, in random order: whatever else the machine does meets all.

    Args:
        contenders: by name, what measures, and returns figures by what they are of.
        rounds: how many.

    Returns:
        The figures, each under the contender's name, a comma, and what it is of.
    """
    measured = Measured()
    generator = random.Random(1)
    for _ in range(rounds):
        for name in generator.sample([*contenders], len(contenders)):
            measured.add({f"{name}, {what}": figure for what, figure in contenders[name]().items()})
    return measured


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, in Markdown."""
    print(f"| {' | '.join(head)} |")
    print(f"|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


def say(what: str) -> None:
    """Tell who waits how far it is."""
    print(f"{datetime.now(UTC):%H:%M:%S} {what}", file=sys.stderr, flush=True)
