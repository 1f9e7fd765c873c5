"""The time that migrations run on."""

from fractions import Fraction
from operator import index
from typing import TYPE_CHECKING, Final, Literal, SupportsIndex, get_args

from pytest_fakehv.calls.proxies import Referent
from pytest_fakehv.checks import DeclarationError, check_choice, check_number, exact
from pytest_fakehv.machine import Time
from pytest_fakehv.storage.locks import Lock
from pytest_fakehv.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

__tracebackhide__ = True  # a wrong call is shown at the line that made it

ClockMode = Literal["polls", "manual", "real"]

CLOCK_MODES: Final[tuple[ClockMode, ...]] = get_args(ClockMode)

_TOO_LONG: Final = 2**63 / 10**9
"""Seconds: so many nanoseconds `time.sleep` can't count."""


class Clock(Referent):
    """One cluster's time, in seconds since the cluster was made.

    Args:
        mode: what makes it go. "polls": each `GetMigrationStatus`, by one second before it answers, so
            that code which polls without sleeping comes to an end; "manual": `advance` alone; "real":
            the machine's monotonic clock.
        lock: what keeps its threads apart: the cluster's.

    Attributes:
        mode: as given.
        advanced: how far it was moved, in seconds; the machine's clock moves by itself.

    Raises:
        DeclarationError: there is no such mode.
    """

    def __init__(self, mode: ClockMode = "polls", lock: Lock | None = None) -> None:
        super().__init__()
        check_choice("clock", mode, CLOCK_MODES)
        self.mode = mode
        # What is called when the time has moved or is about to be looked at.
        self._on_move: Callable[[], None] = lambda: None
        self._began = Time.monotonic()
        self.advanced = Fraction(0)
        self._rounded = 0.0
        self._lock = lock or Lock()

    def __repr__(self) -> str:
        """Show the time."""
        return f"<Clock {self.mode} at {self.now:g} s>"

    @property
    def now(self) -> float:
        """The time, in seconds since the cluster was made."""
        return float(self.exact_now) if self.mode == "real" else self._rounded

    @property
    def exact_now(self) -> Fraction:
        """The same without rounding, so that ten times 0.1 seconds are one second."""
        if self.mode == "real":
            return Fraction(Time.monotonic() - self._began)
        return self.advanced

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Args:
            seconds: how much; 0 or more.

        Raises:
            DeclarationError: it is no such number, or the clock is the machine's.
        """
        check_number("seconds", seconds)
        if self.mode == "real":
            raise DeclarationError("a real clock can't be advanced; choose clock='manual' or 'polls'")
        with self._lock:
            self.advanced += exact(seconds)
            self._rounded = float(self.advanced)  # once, not at each call
        self._on_move()

    def _look(self) -> None:
        """Let what is due come about before anybody looks: the machine's time moves without telling."""
        if self.mode == "real":
            self._on_move()

    def _poll(self) -> None:
        """Note that somebody asks how far a migration is."""
        if self.mode == "polls":
            self.advance(1)
        else:
            self._look()

    def sleep(self, seconds: float | SupportsIndex) -> None:
        """Let time pass as `time.sleep` would; only with the machine's clock does anybody wait for it.

        Hand it to code under test in place of `time.sleep`.

        Args:
            seconds: how long: what that takes.

        Raises:
            DeclarationError: that doesn't take it; of the kind that it raises itself, too.
        """
        duration = _duration(seconds)
        if self.mode == "real":
            Time.sleep(duration)
        else:
            self.advance(duration)


class _WrongTypeError(DeclarationError, TypeError):
    """What is raised where `time.sleep` raises a `TypeError`, which code under test may catch."""


class _TooLongError(DeclarationError, OverflowError):
    """The same for an `OverflowError`."""


def _duration(seconds: float | SupportsIndex) -> float:
    """Return as a number what `time.sleep` takes: floats, and what can stand for an integer."""
    if isinstance(seconds, float):
        duration = float(seconds)
    else:
        try:
            duration = int(index(seconds))
        except TypeError:
            raise _WrongTypeError(f"seconds must be a float or an integer, not {shown(seconds)}") from None
    if duration >= _TOO_LONG:
        raise _TooLongError(f"seconds must be less than {_TOO_LONG}, not {shown(seconds)}")
    check_number("seconds", duration)
    return duration
