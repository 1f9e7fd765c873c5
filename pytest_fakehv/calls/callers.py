"""Who makes a call: the line that is shown of it."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_STARTERS_OF_THREADS: Final = {"threading", "concurrent.futures.thread"}

_STARTERS_OF_PROCESSES: Final = {"multiprocessing.process", "concurrent.futures.process"}

_PROPERTIES: Final = "hypothesis."
"""The modules that take a state machine's steps."""

_OWN_PACKAGE: Final = __name__.partition(".")[0] + "."

_HIDES: Final = "__tracebackhide__"
"""The variable of a function, or of a module, by which pytest knows helpers."""

_RUNNERS: Final = frozenset(
    {"_pytest", "asyncio", "concurrent", "hypothesis", "pluggy", "threading", "unittest"}
)
"""The packages that run other people's code: above them, there is none of it that made a call."""


class _Elsewhere(threading.local):
    """Where a call was made that this thread makes for another one, and which of this process; None: none."""

    place: tuple[str, int] | None = None
    thread: int | None = None


_elsewhere: Final = _Elsewhere()


@contextmanager
def called_from(place: tuple[str, int], thread: int | None = None) -> Iterator[None]:
    """Let what this thread calls have been called from elsewhere.

    Args:
        place: the file and the line.
        thread: the number of this process's thread that waits there; None for another process.
    """
    _elsewhere.place, _elsewhere.thread = place, thread
    try:
        yield
    finally:
        _elsewhere.place = _elsewhere.thread = None


def calling_thread() -> int:
    """Return the number of the thread that waits for what this thread calls, which may be itself."""
    return _elsewhere.thread or threading.get_ident()


def caller(depth: int) -> tuple[str, int]:
    """Return file and line of the code outside this package that called the interface.

    Helpers with ``__tracebackhide__`` are passed over, unless there is nothing else.

    Args:
        depth: how many calls above the asking one to begin to look.
    """
    frame = sys._getframe(depth).f_back  # noqa: SLF001  # the documented way to a caller
    return caller_from(frame) or _elsewhere.place or (f"thread {threading.current_thread().name}", 0)


def caller_from(frame: "FrameType | None") -> tuple[str, int] | None:
    """Return what `caller` does, as seen from a frame of whichever thread.

    Args:
        frame: where to begin to look; None for above the outermost one of a thread.

    Returns:
        None where a thread begins before there is code outside this package.
    """
    module = ""
    while frame is not None and (module := frame.f_globals.get("__name__", "")).startswith(_OWN_PACKAGE):
        frame = frame.f_back
    if module.startswith(_PROPERTIES):
        return "a step of Hypothesis", 0
    if module in _STARTERS_OF_PROCESSES:
        return f"process {sys.modules['multiprocessing'].current_process().name}", 0
    if frame is None or module in _STARTERS_OF_THREADS:  # none: it is the outermost call of a thread
        return None
    code = frame.f_code
    if _HIDES in code.co_varnames or _HIDES in frame.f_globals:
        return _user_of_helper(frame)
    return code.co_filename, frame.f_lineno


def _user_of_helper(innermost: "FrameType") -> tuple[str, int]:
    """Return file and line of the first frame that is not hidden; where all are, of the innermost."""
    frame: FrameType | None = innermost
    while frame is not None:
        module = (variables := frame.f_globals).get("__name__", "")
        if module.partition(".")[0] in _RUNNERS:
            break
        if _HIDES in frame.f_code.co_varnames:  # as for pytest, it counts more than the module's
            variables = frame.f_locals
        if not variables.get(_HIDES) and not module.startswith(_OWN_PACKAGE):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return innermost.f_code.co_filename, innermost.f_lineno


def call_at(place: tuple[str, int], function: Callable[[], object]) -> None:
    """Call a function as if from a file and a line: who looks for the caller finds these, and so a traceback.

    Args:
        place: the file and the line.
        function: what is called.
    """
    __tracebackhide__ = True
    filename, line = place
    code = compile("function()", filename, "eval").replace(co_firstlineno=line)
    eval(code, {"function": function})  # noqa: S307  # of ours; nothing else makes a frame of another place
