"""How long a test may take: a test that would never end, ends, and says what it has waited for."""

from collections import Counter
from collections.abc import Iterator
from typing import Final, NoReturn, TypedDict

from pytest_fakehv.calls.callers import caller
from pytest_fakehv.calls.clock import Clock
from pytest_fakehv.calls.faults import Faults
from pytest_fakehv.calls.halts import Halt
from pytest_fakehv.calls.journal import Call, Journal
from pytest_fakehv.checks import check_amount, check_number
from pytest_fakehv.judgement.messages import result_text
from pytest_fakehv.migration.run import Run
from pytest_fakehv.migration.traffic import Traffic
from pytest_fakehv.text import place_text

__tracebackhide__ = True  # what has reached a limit is shown at its own line

MOST_CALLS: Final = 100_000
"""Some seconds of the machine's time, and far more than any test needs that comes to an end."""

MOST_TIME: Final = 10 * 366 * 86400
"""Seconds: ten years, which no migration, backup or certificate outlasts."""

_RECENT: Final = 1000
"""How many of the last calls show what a test does in the end."""

_FEW: Final = 3


class LimitOptions(TypedDict, total=False):
    """The keywords of `Limits` that a cluster takes, for what hands them on."""

    max_calls: int
    max_time: float


class LimitError(Halt):
    """A test has reached a limit. No ``except Exception`` of the code under test catches it.

    Every later call in that test raises it again; and where it is caught all the same, the test fails.
    """


class Limits:
    """The limits of a test on one cluster.

    Args:
        max_calls: how many calls of the interface there may be, and how many sleeps and advances of the
            clock.
        max_time: how far the clock may go, in seconds.
        journal: where the calls are.
        clock: the clock.
        traffic: the migrations, for which a test may wait.
        faults: the faults, likewise.

    Raises:
        DeclarationError: a limit is no such number.
    """

    def __init__(
        self,
        max_calls: int,
        max_time: float,
        *,
        journal: Journal,
        clock: Clock,
        traffic: Traffic,
        faults: Faults,
    ) -> None:
        check_amount("max_calls", max_calls)
        check_number("max_time", max_time, zero=False)
        self._max_calls = max_calls
        self._max_time = max_time
        self._journal = journal
        self._clock = clock
        self._traffic = traffic
        self._faults = faults
        self._reached = ""
        self.begin()

    def begin(self) -> None:
        """Count from now on: a test begins."""
        self._reached = ""
        self._before = self._journal.total
        self._journal._limit(self._max_calls, self._at_calls)
        self._clock._limit(self._max_calls, self._at_moves, self._max_time, self._at_time)

    def _at_calls(self) -> NoReturn:
        self._stop(f"{self._max_calls:,} calls came in this test", "max_calls")

    def _at_moves(self) -> NoReturn:
        place = place_text(*caller(1))
        self._stop(
            f"{self._max_calls:,} sleeps and advances of the clock came in this test, the last at {place}",
            "max_calls",
        )

    def _at_time(self) -> NoReturn:
        place = place_text(*caller(1))
        self._stop(f"{self._max_time:,.12g} s passed in this test, the last of them at {place}", "max_time")

    def _stop(self, what: str, limit: str) -> NoReturn:
        lines = [f"{what}, which is {limit}: it waits for what never comes"]
        lines += [f"  {each}" for each in (*self._commonest(), *self._awaited())]
        option = limit.replace("_", "-")
        lines.append(f"  a test that takes more says so: fakehv({limit}=...), or --fakehv-{option}")
        self._reached = self._reached or "\n".join(lines)  # another thread may have been faster
        self._clock._halts.append(LimitError(self._reached))
        self._journal._limit(0, self._again)
        self._clock._limit(0, self._again, self._max_time, self._again)
        self._again()

    def _again(self) -> NoReturn:
        raise LimitError(self._reached)

    def _commonest(self) -> Iterator[str]:
        """Say which calls came most often of late, and what was last answered."""
        calls = [call for call in self._journal if call.number > self._before]
        counts = Counter(map(_kind, calls))
        last = {_kind(call): call for call in calls[-_RECENT:]}
        for kind in sorted(last, key=lambda each: -counts[each])[:_FEW]:
            call = last[kind]
            often, answer = f"{counts[kind]:,} times", f", the last time {result_text(call)}"
            if counts[kind] == 1:
                often, answer = "once", f" -> {result_text(call)}"
            yield f"{often} {call} on {call.node} at {call.place}{answer}"

    def _awaited(self) -> Iterator[str]:
        """Say what has not come: the ends of migrations, faults and events."""
        for run in self._traffic.open_runs:
            origin = f", by the script at {run.origin}" if run.origin else ""
            yield f"{run.snapshot()}{origin}{_never_ends(run)}"
        yield from (f"{each.spec} at {each.origin} has not fired" for each in self._faults.unfired)
        yield from (f"{each} at {each.origin} has not come due" for each in self._clock._events.unmet)


def _kind(call: Call) -> tuple[str, str, str | None, str, int]:
    return call.method, call.node, call.instance, call.filename, call.line


def _never_ends(run: Run) -> str:
    is_endless = run.is_active and run.due is None and not (run.spec and run.spec.polls)
    return ", which never converges" if is_endless and run.course else ""
