"""Events in time: what a test does when the cluster's clock gets there."""

import heapq
import itertools
from collections.abc import Callable
from fractions import Fraction
from types import TracebackType
from typing import Self

from pytest_fakehv.calls.callers import call_at
from pytest_fakehv.calls.halts import Halt
from pytest_fakehv.calls.proxies import Referent
from pytest_fakehv.calls.within import Within
from pytest_fakehv.checks import DeclarationError, check_choice, check_function, check_number, exact
from pytest_fakehv.storage.locks import Lock
from pytest_fakehv.text import place_text, shown, shown_error

__tracebackhide__ = True  # a wrong event is shown at the test's own line

Deed = Callable[[], object]


class EventError(Halt):
    """An event raised. No ``except Exception`` of the code whose call had moved the clock catches it."""


class TimedEvent(Referent):
    """A deed of the test at a time. As a context manager, it is withdrawn at the end.

    Args:
        time: when, in seconds of the cluster's clock.
        deed: what is done.
        place: where it was declared, file and line.
        optional: whether its time may never come.
        within: which calls threads are in: the deed is part of none of them.

    Attributes:
        time: as given.
        origin: where it was declared, in words.
        optional: as given.
        came_due: whether the clock got there.
        withdrawn: whether it is no longer to be done.
    """

    def __init__(
        self, time: float, deed: Deed, place: tuple[str, int], *, optional: bool, within: Within
    ) -> None:
        super().__init__()
        check_number("time", time)
        check_function("deed", deed, "callable without arguments")
        check_choice("optional", optional, (True, False))
        self.time = time
        self.origin = place_text(*place)
        self.optional = optional
        self.came_due = False
        self.withdrawn = False
        self._exact_time = exact(time)
        self._deed = deed
        self._place = place
        self._within = within

    def __str__(self) -> str:
        """Show it as it was declared."""
        optional = ", optional=True" if self.optional else ""
        return f"at({self.time:g}, {_name_of(self._deed)}{optional})"

    def __repr__(self) -> str:
        """Show it as it was declared, and whether its time came."""
        return f"<{self} {'came due' if self.came_due else 'has not come due'}>"

    def __enter__(self) -> Self:
        """Return it: it is in force already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Withdraw it."""
        self.withdraw()

    def withdraw(self) -> None:
        """Let it not be done any more; one whose time never came still counts as such."""
        self.withdrawn = True

    def _come_due(self) -> None:
        """Do it: as the test's own deed, and at its own line, whichever call has moved the clock.

        Raises:
            EventError: it raised.
        """
        try:
            with self._within.aside():
                call_at(self._place, self._deed)
        except Exception as error:
            raise EventError(f"{self} at {self.origin} raised {shown_error(error)}") from error


class Events:
    """The events of one cluster.

    Args:
        lock: the cluster's.

    Attributes:
        every: all that there were, in the order of their declaration.
    """

    def __init__(self, lock: Lock) -> None:
        self.every: list[TimedEvent] = []
        self._lock = lock
        self._coming: list[tuple[Fraction, int, TimedEvent]] = []
        self._tickets = itertools.count()

    @property
    def are_coming(self) -> bool:
        """Whether there are any whose time has not come."""
        return bool(self._coming)

    def add(self, event: TimedEvent, now: Fraction) -> None:
        """Put an event in force.

        Args:
            event: which.
            now: the time.

        Raises:
            DeclarationError: its time is over.
        """
        if event._exact_time < now:
            raise DeclarationError(
                f"time must be {float(now):g} or more, which it is by the clock, not {shown(event.time)}"
            )
        with self._lock:
            self.every.append(event)
            heapq.heappush(self._coming, (event._exact_time, next(self._tickets), event))

    def next_time(self) -> Fraction | None:
        """Return when the next one comes due; None if none does. Asked under the lock."""
        while self._coming and self._coming[0][2].withdrawn:
            heapq.heappop(self._coming)
        return self._coming[0][0] if self._coming else None

    def take(self, now: Fraction) -> TimedEvent | None:
        """Return the next one that is due and was not taken yet, if any. Asked under the lock."""
        due = self.next_time()
        if due is None or due > now:
            return None
        event = heapq.heappop(self._coming)[2]
        event.came_due = True
        return event

    @property
    def unmet(self) -> list[TimedEvent]:
        """Those whose time had to come, and never did."""
        return [each for each in self.every if not (each.came_due or each.optional)]


def _name_of(deed: Deed) -> str:
    """Return how a test calls a deed, as nearly as can be known: ``node2.crash``."""
    name = getattr(deed, "__name__", None)
    if name is None:
        return shown(deed)
    owner = getattr(getattr(deed, "__self__", None), "name", None)
    return f"{owner}.{name}" if isinstance(owner, str) else str(name)
