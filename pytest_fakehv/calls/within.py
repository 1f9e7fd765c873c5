"""Which calls a thread or a task is in, also where one is done step by step: a coroutine or a generator."""

import threading
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CoroutineType, GeneratorType
from typing import Any, Final

from pytest_fakehv.calls.journal import Call

__tracebackhide__ = True  # a failed call is shown at the line that made it

Steps = Generator[Any, Any, Any]

DONE_IN_STEPS: Final = (CoroutineType, GeneratorType)
"""What a function returns whose effect is still to come."""

_Around = tuple[tuple["Within", Call], ...]

around: Final[ContextVar[_Around]] = ContextVar("calls around", default=())
"""Those in a step of which a task, or an event loop's thread, was started, the innermost one last."""


class _Thread(threading.local):
    """The calls that a thread is in, the innermost one last."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.aside: int | None = None


class Within:
    """The calls of one cluster that a thread or a task is in.

    Attributes:
        thread: those that the thread is in; and while it does something aside from them, after how many.
    """

    def __init__(self) -> None:
        self.thread = _Thread()

    @property
    def current_around(self) -> Call | None:
        """The innermost one in a step of which the task, or the thread, was started; None outside of any."""
        return next(reversed(self._around), None) if around.get() else None

    def of(self, node: str) -> Call | None:
        """The one of a node; None outside of any."""
        for call in self.thread.calls:
            if call.node == node:
                return call
        if around.get():  # which is rare
            return next((call for call in self._around if call.node == node), None)
        return None

    @property
    def _around(self) -> list[Call]:
        # What a call has left behind is no part of it once it has ended.
        return [call for within, call in around.get() if within is self and not call.ended]

    @contextmanager
    def aside(self, after: int | None = None) -> Iterator[None]:
        """Let what this thread does meanwhile be the test's own, and no part of a call that it is in.

        Args:
            after: how many calls were there before, as far as anybody can see; None for all that were.
        """
        thread = self.thread
        outer = thread.calls, thread.aside, around.get()
        try:
            thread.calls, thread.aside = [], after
            around.set(())
            yield
        finally:
            thread.calls, thread.aside = outer[:2]
            around.set(outer[2])

    def each(self, steps: Steps, call: Call) -> Steps:
        """Do steps of a call, being in it at each of them, and not in between, when others have a turn."""
        resume: Callable[[Any], Any] = steps.send
        given: Any = None
        while True:
            calls, outer = self.thread.calls, around.get()
            depth = len(calls)
            try:
                calls.append(call)
                around.set((*outer, (self, call)))
                asked = resume(given)
            except StopIteration as end:
                return end.value
            finally:
                around.set(outer)
                del calls[depth:]
            try:
                resume, given = steps.send, (yield asked)
            except BaseException as error:  # noqa: BLE001  # theirs
                resume, given = steps.throw, error


def steps_of(effect: Any) -> Steps:
    """Return the steps of a coroutine, or of a generator, which is them itself."""
    steps: Steps = effect.__await__() if isinstance(effect, CoroutineType) else effect
    return steps


def coroutine(steps: Steps, name: str) -> Coroutine[Any, Any, Any]:
    """Make a coroutine of steps, with the name that Python says where nobody awaits it."""

    async def call() -> Any:
        return await _awaitable(steps)

    call.__qualname__ = name
    return call()


@types.coroutine
def _awaitable(steps: Steps) -> Steps:
    return (yield from steps)
