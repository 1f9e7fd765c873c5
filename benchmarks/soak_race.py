"""Let 8 processes race to start one instance, and to stop it, a thousand times over.

    python benchmarks/soak_race.py [--dir DIR] [--rounds N]

Each process has a fake hypervisor of its own on the one root directory that all share, and is told at
what instant to call, so that all call at once. A round is three races:

- all start the instance: one wins, the others are told that it runs already, and the file says what the
  winner asked for (each asks for a different amount of memory);
- all stop it: one wins, the others are told that it does not run, and no file is left;
- half of them start it while the others stop it: starts and stops take effect in turns.

A race counts as contested if a loser's call began before the winner's had ended; the others prove
nothing. The exit status is 1 at the first violation, with what happened.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter_ns, sleep
from typing import TYPE_CHECKING, NamedTuple

from pytest_fakehv import FakeHypervisor, HypervisorError, Instance, NodeSpec

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

RACERS = 8
NAME = "web1"
LONGEST_CALL = 60
"""Seconds after which a call counts as blocked."""

NOTICE = 2_000_000
"""Nanoseconds from an order to the call: enough for all to have heard it."""

REFUSALS = {
    "start": f"Failed to start instance {NAME}: already running",
    "stop": f"Failed to stop instance {NAME}: not running",
}


class Order(NamedTuple):
    """What a racer is to call, and when: in nanoseconds, on the clock that all processes share."""

    call: str
    at: int


class Outcome(NamedTuple):
    """How one racer's call went; its times are on the same clock."""

    call: str
    error: str | None
    began: int
    ended: int


class Violation(Exception):  # noqa: N818  # no error of the program, but its finding
    """What must not happen did."""


def memory_of(racer: int) -> int:
    """Return the memory that a racer asks for, in MiB."""
    return 1000 + racer


def race(root: str, racer: int, orders: "Connection[Outcome, Order | None]") -> None:
    """Be a racer: wait for an order and its time, call, tell how it went; until there is no order."""
    hypervisor = FakeHypervisor(root=root, spec=NodeSpec("node1"))
    memory = memory_of(racer)
    instance = Instance(NAME, beparams={"minmem": memory, "maxmem": memory, "vcpus": 2})
    while order := orders.recv():
        call, error = order.call, None
        sleep(max(0, order.at - perf_counter_ns()) / 1e9)
        began = perf_counter_ns()
        try:
            if call == "start":
                hypervisor.StartInstance(instance, [], False)
            else:
                hypervisor.StopInstance(instance)
        except HypervisorError as raised:
            error = str(raised)
        orders.send(Outcome(call, error, began, perf_counter_ns()))


@dataclass
class Races:
    """All the races on one root."""

    root: Path
    orders: "list[Connection[Order | None, Outcome]]"
    counts: Counter[str]

    def round(self) -> None:
        """Run the three races."""
        outcomes = self._run("start", "start")
        winner = self._one_winner(outcomes)
        self._expect_files({NAME: b"0\n%d\n2\n" % memory_of(winner)}, outcomes)

        outcomes = self._run("stop", "stop")
        self._one_winner(outcomes)
        self._expect_files({}, outcomes)

        outcomes = self._run("start", "stop")
        self._check_mixed(outcomes)
        (self.root / NAME).unlink(missing_ok=True)

    def _run(self, *calls: str) -> list[Outcome]:
        at = perf_counter_ns() + NOTICE
        for racer, order in enumerate(self.orders):
            order.send(Order(calls[racer % len(calls)], at))
        outcomes = []
        for order in self.orders:
            if not order.poll(LONGEST_CALL):
                raise Violation(f"a call was blocked for {LONGEST_CALL} seconds: {calls}")
            outcomes.append(order.recv())
        for outcome in outcomes:
            if outcome.error not in (None, REFUSALS[outcome.call]):
                raise Violation(f"{outcome.call} raised: {outcome.error}")
        kind = " and ".join(dict.fromkeys(calls))
        self.counts[f"races of {kind}"] += 1
        self.counts[f"contested races of {kind}"] += is_contested(outcomes)
        return outcomes

    def _one_winner(self, outcomes: list[Outcome]) -> int:
        winners = [racer for racer, outcome in enumerate(outcomes) if outcome.error is None]
        if len(winners) != 1:
            raise Violation(f"{len(winners)} winners instead of one: {outcomes}")
        return winners[0]

    def _check_mixed(self, outcomes: list[Outcome]) -> None:
        started, stopped = (
            [racer for racer, each in enumerate(outcomes) if (each.call, each.error) == (call, None)]
            for call in ("start", "stop")
        )
        files = self._files()
        if len(started) - len(stopped) != len(files):
            raise Violation(f"{len(started)} starts, {len(stopped)} stops, files {files}: {outcomes}")
        possible = [{NAME: b"0\n%d\n2\n" % memory_of(racer)} for racer in started]
        if files and files not in possible:
            raise Violation(f"files {files} are of none of the starters {started}: {outcomes}")
        self.counts["starts among stops that won"] += len(started)

    def _expect_files(self, expected: dict[str, bytes], outcomes: list[Outcome]) -> None:
        if (files := self._files()) != expected:
            raise Violation(f"files are {files}, not {expected}: {outcomes}")

    def _files(self) -> dict[str, bytes]:
        return {name: (self.root / name).read_bytes() for name in os.listdir(self.root)}


def is_contested(outcomes: list[Outcome]) -> bool:
    """Tell whether a loser's call began before a winner's had ended."""
    winners, losers = ([each for each in outcomes if (each.error is None) is won] for won in (True, False))
    return any(
        winner.began < loser.ended and loser.began < winner.ended
        for winner, loser in product(winners, losers)
    )


def main() -> int:
    """Run the races, and print how many there were."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dir", help="where to make a temporary directory")
    parser.add_argument("--rounds", type=int, default=1000)
    arguments = parser.parse_args()

    context = get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="soak_race", dir=arguments.dir) as root:
        ours, racers = [], []
        for racer in range(RACERS):
            here, there = context.Pipe()
            ours.append(here)
            racers.append(context.Process(target=race, args=(root, racer, there), daemon=True))
        for process in racers:
            process.start()
        races = Races(Path(root), ours, Counter())
        violation = None
        try:
            for _ in range(arguments.rounds):
                races.round()
        except Violation as found:
            violation = found
        finally:
            for order in ours:
                order.send(None)
            for process in racers:
                process.join(LONGEST_CALL)

    for what, count in races.counts.items():
        print(f"{what}: {count}")
    print(f"VIOLATION: {violation}" if violation else "violations: 0")
    return 1 if violation else 0


if __name__ == "__main__":
    sys.exit(main())
