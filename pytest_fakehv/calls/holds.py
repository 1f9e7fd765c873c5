"""Holds: stop a call of another thread at the door, to look at what is half done, or to break something."""

import asyncio
import threading
import weakref
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Self

from pytest_fakehv.calls.callers import calling_thread
from pytest_fakehv.calls.journal import Call
from pytest_fakehv.calls.proxies import Referent
from pytest_fakehv.calls.selection import Selection
from pytest_fakehv.checks import check_amount, check_number
from pytest_fakehv.machine import Time

__tracebackhide__ = True  # a hold that went wrong is shown at the test's own line

LONGEST_HOLD: Final = 10.0
"""Seconds of the machine's time, unless a test says otherwise, so that no forgotten hold hangs a run."""


class _Life:
    """What goes with the thread that has it, whose number another one then gets."""


class _Mine(threading.local):
    """What each thread has."""

    def __init__(self) -> None:
        self.life = _Life()


_mine: Final = _Mine()


class HoldError(AssertionError):
    """A hold was not used as it must be: a mistake of the test."""


class Hold(Referent):
    """Calls that are stopped until they are released. Use it as a context manager.

    Args:
        selection: which calls.
        timeout: how long a call waits at most to be released, in seconds of the machine's time.
    """

    def __init__(self, selection: Selection, timeout: float) -> None:
        super().__init__()
        self._selection = selection
        self._timeout = timeout
        self._calls: list[Call] = []
        self._is_released = False
        # Who waits has a queue of its own, which takes no lock that an interrupt could leave held.
        self._waiting: list[SimpleQueue[None]] = []
        self._stopped: list[SimpleQueue[None]] = []
        self._mistake: str | None = None
        self._owner = threading.get_ident()
        self._owner_is_there = weakref.ref(_mine.life)

    def __repr__(self) -> str:
        """Show which calls it holds."""
        return f"<hold({self._selection}): {len(self._calls)} calls came>"

    @property
    def calls(self) -> list[Call]:
        """The calls that it stopped so far, in order."""
        return list(self._calls)

    @property
    def call(self) -> Call | None:
        """The first call that it stopped, which says what was asked of which node; None before."""
        return self._calls[0] if self._calls else None

    @property
    def is_over(self) -> bool:
        """Whether it stops no call any more."""
        return self._is_released

    def wait(self, timeout: float | None = None, *, count: int = 1) -> Call:
        """Wait until calls are stopped. In a coroutine, await ``asyncio.to_thread(hold.wait)``.

        Args:
            timeout: how long at most, in seconds of the machine's time; None for the hold's own.
            count: how many, of as many threads.

        Returns:
            The first call that was.

        Raises:
            HoldError: too few came in time, or it was released before.
        """
        check_amount("count", count)
        if self.is_over and not self._mistake:
            raise HoldError(f"hold({self._selection}): it was released, and stops no more; begin another one")
        limit = self._timeout if timeout is None else timeout
        check_number("timeout", limit)
        if not _is_called(self._waiting, lambda: len(self._calls) >= count, limit):
            came = f"{len(self._calls)} of {count} such calls" if self._calls else "no such call"
            text = f"hold({self._selection}): {came} came within {limit:g} s"
            raise HoldError(self._mistake or text + _in_a_coroutine())
        return self._calls[0]

    def release(self) -> None:
        """Let the stopped calls go on, and stop no more."""
        self._is_released = True
        _call(self._stopped)

    def _stop(self, call: Call) -> None:
        """Stop a call here until it is released.

        Raises:
            HoldError: nobody can or does release it.
        """
        if self._owner_is_there() and calling_thread() == self._owner:
            self._mistake = (
                f"hold({self._selection}): the thread that holds the call made it itself, and could never "
                "release it; make the call in another thread"
            )
            raise HoldError(self._mistake)
        self._calls.append(call)
        _call(self._waiting)
        if not _is_called(self._stopped, lambda: self._is_released, self._timeout):
            self._mistake = (
                f"hold({self._selection}): {call.method} on {call.node} came and was not released within "
                f"{self._timeout:g} s; call release(), or leave the with block, before waiting for its thread"
            )
            raise HoldError(self._mistake)

    def _stop_in_steps(self, call: Call) -> Iterator[Any]:
        """Stop a call here that is done step by step; in an event loop, nothing else of that."""
        if _is_in_a_coroutine():
            yield from asyncio.to_thread(self._stop, call).__await__()
        else:
            self._stop(call)

    def __enter__(self) -> Self:
        """Return it: it is in force already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release what it holds.

        Raises:
            HoldError: no call came, or one was not released in time, or could not be held; not where the
                block raised anyway.
        """
        self.release()
        if error is not None:
            return
        if self._mistake:
            raise HoldError(self._mistake)
        if not self._calls:
            raise HoldError(f"hold({self._selection}): no such call came before the end of the block")


def _is_called(waiting: "list[SimpleQueue[None]]", is_done: Callable[[], bool], timeout: float) -> bool:
    """Wait to be called, in line with others, unless it is done already; tell whether that came in time."""
    mine: SimpleQueue[None] = SimpleQueue()
    end = Time.monotonic() + timeout
    waiting.append(mine)
    while not is_done():  # after that: whoever does it now finds us in the line
        try:
            mine.get(timeout=max(0, end - Time.monotonic()))
        except Empty:
            return is_done()
    return True


def _call(waiting: "list[SimpleQueue[None]]") -> None:
    for each in waiting.copy():
        each.put(None)


def _is_in_a_coroutine() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_a_coroutine() -> str:
    """Return what to say to a coroutine that has waited, and kept its event loop from making the call."""
    return "; in a coroutine, await asyncio.to_thread(hold.wait)" if _is_in_a_coroutine() else ""
