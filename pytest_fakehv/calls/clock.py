"""The time that migrations run on."""

import itertools
import sys
from collections.abc import Callable
from fractions import Fraction
from math import inf
from operator import index
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, SupportsFloat, SupportsIndex, get_args

from pytest_fakehv.calls.events import Events, TimedEvent
from pytest_fakehv.calls.limited import limited
from pytest_fakehv.calls.proxies import Referent
from pytest_fakehv.checks import LARGEST_AMOUNT, DeclarationError, check_number, exact, uncallable
from pytest_fakehv.machine import Time
from pytest_fakehv.storage.locks import Lock, is_held
from pytest_fakehv.text import shown, shown_error

if TYPE_CHECKING:
    from collections.abc import Iterator

__tracebackhide__ = True  # a wrong call is shown at the line that made it

ClockMode = Literal["polls", "manual", "real"]

TimeFunction = Callable[[], float]
"""A function that returns seconds: an event loop's ``time``, say."""

CLOCK_MODES: Final[tuple[ClockMode, ...]] = get_args(ClockMode)

_TOO_LONG: Final = 2**63 / 10**9
"""Seconds: so many nanoseconds `time.sleep` can't count."""

_FLOATS: Final[type] = SupportsFloat if sys.version_info >= (3, 15) else float
_KINDS: Final = "a real number" if _FLOATS is SupportsFloat else "a float or an integer"
"""What `time.sleep` takes."""

_ELSEWHERE: Final = "make the call in the loop, or have one asked from anywhere: clock.follow(loop.time)"
"""What to do where a function has no loop to ask."""


class Clock(Referent):
    """One cluster's time, in seconds since the cluster was made.

    Args:
        mode: what makes it go. "polls": each `GetMigrationStatus`, by one second before it answers, so
            that code which polls without sleeping comes to an end; "manual": `advance` alone; "real":
            the machine's monotonic clock; a function: see `follow`.
        lock: what keeps its threads apart: the cluster's.

    Attributes:
        mode: as given; "function" for any.
        advanced: how far it was moved, in seconds; the machine's clock moves by itself.

    Raises:
        DeclarationError: there is no such mode, or the function returns no number.
    """

    def __init__(self, mode: ClockMode | TimeFunction = "polls", lock: Lock | None = None) -> None:
        super().__init__()
        check_clock(mode)
        self.mode: ClockMode | Literal["function"] = "manual" if callable(mode) else mode
        # What is called when the time has moved or is about to be looked at.
        self._on_move: Callable[[], None] = lambda: None
        self._source: TimeFunction | None = Time.monotonic if mode == "real" else None
        self._began = Time.monotonic()
        # What the function says at 0 s; None until it has said anything. And the last time that it told.
        self._zero: Fraction | None = None
        self._last = Fraction(0)
        self.advanced = Fraction(0)
        self._rounded = 0.0
        self._lock = lock or Lock()
        self._events = Events(self._lock)
        # What was raised to end a test, whatever the code under test made of it.
        self._halts: list[BaseException] = []
        self._numbers = itertools.count(1)
        self._moves: Iterator[int] = self._numbers
        self._latest = inf
        self._on_late: Callable[[], object] = lambda: None
        # At whose time it stands still, be it later by the machine's clock, which doesn't wait for it.
        self._event: TimedEvent | None = None
        if callable(mode):
            self.follow(mode)

    def __repr__(self) -> str:
        """Show the time."""
        return f"<Clock {self.mode} at {self.now:g} s>"

    @property
    def now(self) -> float:
        """The time, in seconds since the cluster was made."""
        return float(self.exact_now) if self._source else self._rounded

    @property
    def exact_now(self) -> Fraction:
        """The same without rounding, so that ten times 0.1 seconds are one second."""
        if self._source is None:
            return self.advanced
        event = self._event  # read once, as another thread may be done with it
        return event._exact_time if event else self._told()

    def follow(self, function: TimeFunction) -> None:
        """Go by a function from now on, as by an event loop's: ``clock.follow(loop.time)``.

        The time goes on from where it is, by what the function adds to what it says now. Where it can't say,
        as an event loop's outside of a run, time stands still, and a call that needs it raises a
        `DeclarationError`: `MigrateInstance`, `GetMigrationStatus`. Where it goes back, since another loop
        began, time goes on from the last that it told.

        Args:
            function: returns seconds; called without arguments, and under no lock.

        Raises:
            DeclarationError: it is none, takes arguments, or returns no number.
        """
        if not callable(function):
            raise DeclarationError(f"a clock follows a function that returns seconds, not {shown(function)}")
        if problem := uncallable(function):
            raise DeclarationError(
                f"clock must be callable without arguments, not {shown(function)}: {problem}"
            )
        now = self.exact_now
        try:
            zero = _seconds_of(function) - now
        except RuntimeError:  # what asyncio, trio and AnyIO raise outside of a run
            zero = None
        with self._lock:
            self.mode, self._source, self._zero, self._last = "function", function, zero, now

    def advance(self, seconds: float) -> None:
        """Let time pass, and meanwhile come about what is due.

        Args:
            seconds: how much; 0 or more. What an event itself advances the clock by comes on top.

        Raises:
            DeclarationError: it is no such number, or the clock is the machine's or a function's.
            EventError: an event raised; the clock stays where that was.
            LimitError: that is too far, or the clock was moved too often, for one test.
        """
        check_number("seconds", seconds)
        if self._source:
            which = "a real clock" if self.mode == "real" else "a clock that follows a function"
            raise DeclarationError(f"{which} can't be advanced; choose clock='manual' or 'polls'")
        next(self._moves)
        self._advance(seconds)

    def _advance(self, seconds: float) -> None:
        if self._rounded + seconds > self._latest:
            self._on_late()
        left = exact(seconds)
        while self._events.are_coming:
            left -= self._go_on(left)
            self._come_due()
            if not left or self._source:  # one has let it follow a function: only that lets it go on
                return
        self._go_on(left)
        self._on_move()

    def _go_on(self, duration: Fraction) -> Fraction:
        """Let so much time pass, but at most until the next event; return how much that was."""
        with self._lock:
            due = self._events.next_time()
            if due is not None:
                # Not less than 0, where another thread has overtaken it while it was declared.
                duration = min(duration, max(due - self.advanced, Fraction(0)))
            self.advanced += duration
            self._rounded = float(self.advanced)  # once, not at each call
        return duration

    def _expect(self, event: TimedEvent) -> None:
        """Let an event come about at its time; at once, if that is now.

        Raises:
            DeclarationError: it is over.
            EventError: it raised.
        """
        self._events.add(event, self.exact_now)
        self._come_due()

    def _come_due(self) -> None:
        """Let come about what is due: each event, and before it the migrations as they are at its time.

        Never under the lock, as events are the test's own code: then they wait until somebody looks again.
        """
        while self._events.are_coming and not is_held(self._lock) and (event := self._next_due()):
            try:
                self._on_move()
                event._come_due()
            except BaseException as error:
                self._halted(error)
                raise
            finally:
                self._event = None
        self._on_move()

    def _halted(self, error: BaseException) -> None:
        """Note what ends a test, whoever catches it: an `EventError`, or an outcome such as `pytest.fail`."""
        if not isinstance(error, KeyboardInterrupt | SystemExit) and error not in self._halts:
            self._halts.append(error)  # those two are of the whole run

    def _next_due(self) -> TimedEvent | None:
        """Take an event that is due; the machine's clock, which has gone on, stands still for it."""
        now = self.advanced if self._source is None else self._told()
        with self._lock:
            if self._event:  # another thread is at it, or it looks itself
                return None
            event = self._events.take(now)
            if self._source:
                self._event = event
            return event

    def _told(self, *, is_needed: bool = False) -> Fraction:
        """Return what the machine's clock says, or the function.

        Args:
            is_needed: whether to raise where a function can't say; else, time stands still.

        Raises:
            DeclarationError: it can't.
        """
        if self._source is None or self.mode == "real":
            return Fraction(Time.monotonic() - self._began)
        if is_held(self._lock):  # under which nothing is called that is not ours
            return self._last
        try:
            said = _seconds_of(self._source)
        except Exception as error:
            if is_needed:
                problem = f"the clock follows a function that tells no time here: {shown_error(error)}"
                if isinstance(error, RuntimeError):
                    problem += f"; {_ELSEWHERE}"
                raise DeclarationError(problem) from error
            return self._last
        with self._lock:
            if self._zero is None or said - self._zero < self._last:
                self._zero = said - self._last
            self._last = said - self._zero
            return self._last

    def _need(self) -> None:
        """Refuse to go on where a function can't tell the time."""
        if self.mode == "function":
            self._told(is_needed=True)

    def _look(self) -> None:
        """Let what is due come about before anybody looks: the machine's time moves without telling."""
        if self._source:
            self._come_due()

    def _poll(self) -> None:
        """Note that somebody asks how far a migration is."""
        if self.mode == "polls":
            self._advance(1)
            return
        self._need()
        self._look()
        if self.now > self._latest:
            self._on_late()

    def _limit(
        self,
        most_moves: int,
        on_many: "Callable[[], NoReturn]",
        most_time: float,
        on_late: "Callable[[], NoReturn]",
    ) -> None:
        """Let it be moved so often, by tests and code under test, and so far from now on.

        Args:
            most_moves: how often.
            on_many: called where it is to be moved once more; raises.
            most_time: how far, in seconds.
            on_late: called where it is to go further; raises.
        """
        self._moves = limited(self._numbers, most_moves, on_many)
        self._latest, self._on_late = self.now + most_time, on_late

    def sleep(self, seconds: float | SupportsIndex) -> None:
        """Let time pass as `time.sleep` would; only with the machine's clock does anybody wait for it.

        Hand it to code under test in place of `time.sleep`.

        Args:
            seconds: how long: what that takes.

        Raises:
            DeclarationError: that doesn't take it; of the kind that it raises itself, too. Or the clock
                follows a function, which nobody who waits here could let go on.
            EventError: as for `advance`, and so is the next.
            LimitError: see there.
        """
        duration = _duration(seconds)
        if self.mode == "real":
            next(self._moves)
            Time.sleep(duration)
        elif self.mode == "function":
            raise DeclarationError(
                "a clock that follows a function can't sleep; await what makes it go, as asyncio.sleep does"
            )
        else:
            self.advance(duration)


def check_clock(clock: object) -> None:
    """Refuse what makes no clock go.

    Raises:
        DeclarationError: it is so.
    """
    if not (callable(clock) or (isinstance(clock, str) and clock in CLOCK_MODES)):
        valid = ", ".join(map(repr, CLOCK_MODES))
        raise DeclarationError(
            f"clock must be one of {valid}, or a function that returns seconds, not {shown(clock)}"
        )


def _seconds_of(function: Callable[[], Any]) -> Fraction:
    """Return what a function returns.

    Raises:
        DeclarationError: it is no number.
    """
    value = function()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and abs(value) <= LARGEST_AMOUNT):
        raise DeclarationError(f"clock must be a function that returns seconds, not {shown(value)}")
    return exact(value)


class _WrongTypeError(DeclarationError, TypeError):
    """What is raised where `time.sleep` raises a `TypeError`, which code under test may catch."""


class _TooLongError(DeclarationError, OverflowError):
    """The same for an `OverflowError`."""


def _duration(seconds: float | SupportsIndex) -> float:
    """Return as a number what `time.sleep` takes."""
    is_float = isinstance(seconds, _FLOATS) and not isinstance(seconds, int)
    try:
        duration = float(seconds) if is_float else int(index(seconds))  # type: ignore[arg-type]  # no other float comes here
    except TypeError:
        raise _WrongTypeError(f"seconds must be {_KINDS}, not {shown(seconds)}") from None
    if duration >= _TOO_LONG:
        raise _TooLongError(f"seconds must be less than {_TOO_LONG}, not {shown(seconds)}")
    check_number("seconds", duration)
    return duration
