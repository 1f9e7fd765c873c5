"""Where a client's call comes from: a line of the test's own process, or another process.

A socket tells which process is at its other end, not which thread. But a thread that waits for an answer
stands in libvirt's Python binding, below the line that called it.
"""

import gc
import os
import sys
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_fakehv.calls.callers import caller_from
from pytest_fakehv.calls.selection import STEPS_OF_A_FRONT
from pytest_fakehv.fronts.libvirt import ssh
from pytest_fakehv.fronts.libvirt.halts import raise_in
from pytest_fakehv.machine import Files, Os
from pytest_fakehv.storage.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_BINDINGS: Final = frozenset({"libvirt", "libvirt_lxc", "libvirt_qemu"})
"""The modules whose functions call the C library."""

_INSIDE: Final = _BINDINGS | {f"{__package__}.routes"}
"""They, and the module that stands between them and the C library while a connection is opened."""

_OF_PHASES: Final = frozenset(
    {"migrate", "migrate2", "migrate3", "migratetouri", "migratetouri2", "migratetouri3"}
)
"""The functions that call several of libvirt's interface, which are called otherwise; in lower case."""

_LOOP: Final = "virEventRunDefaultImpl"
"""In it, a thread waits for events, not for an answer."""

_ANOTHER: Final = ("another process", 0)

_SEVERAL: Final = ("one of several threads", 0)

_NO_PARENT: Final = (b"", b"0")


class Peer:
    """The process at the other end of a connection.

    Args:
        pid: its number, as the socket tells it; 0 for one that is not seen from here.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid

    @cached_property
    def _place(self) -> tuple[str, int] | None:
        """What is said of all that it calls; None for this very process, whose lines are known."""
        pid = self._pid
        if pid != Os.getpid() and ssh.__file__.encode() in _of_process(pid, "cmdline").split(b"\0"):
            state = _of_process(pid, "stat").rpartition(b") ")[2]  # nothing, where it has just ended
            pid = int((*state.split(), *_NO_PARENT)[1])
        if pid == Os.getpid():
            return None
        program = _of_process(pid, "comm")
        # How a Python is called depends on how it was begun, and says nothing; a fork is called as we are.
        if not program or program.startswith(b"python") or program == _of_process(Os.getpid(), "comm"):
            return _ANOTHER
        return f"process {program.decode(errors='replace').strip()}", 0

    def caller(self, api: str) -> tuple[tuple[str, int], int | None]:
        """Return from where it is calling now: the file and the line, and which thread.

        Code of this package and helpers with ``__tracebackhide__`` are passed over, as in any call's place.

        Args:
            api: what is called, by libvirt's name: ``"virDomainCreate"``.

        Returns:
            Of another process, in the place of a file its program's name, such as ``("process virsh", 0)``;
            of another Python, and of what isn't seen, ``("another process", 0)``. Where several threads call
            from different lines, and the API doesn't tell which, ``("one of several threads", 0)``. The
            thread's number is None where it is not one alone of this process.
        """
        if self._place:
            return self._place, None
        callers = _callers(api)
        places = {each.place for each in callers}
        place = places.pop() if len(places) == 1 else _SEVERAL
        return place, callers[0].thread if len(callers) == 1 else None

    def halt(self, api: str, error: BaseException) -> None:
        """Raise an error where a call was made in this process, since its library tells of no such one.

        Args:
            api: what was called.
            error: what ends more than the call.
        """
        if not self._place:
            for each in _callers(api):
                raise_in(each.thread, each.frame, error)


def _of_process(pid: int, what: str) -> bytes:
    """Read what the kernel tells of a process; nothing where it can't be seen."""
    try:
        with Files.open(f"/proc/{pid}/{what}", "rb") as file:
            told: bytes = file.read()
    except OSError:
        return b""
    return told


class _Caller(NamedTuple):
    """A thread that is inside the binding: its number, from where it called what, and the frame of that."""

    thread: int
    place: tuple[str, int]
    function: str
    frame: "FrameType"

    def may_call(self, api: str) -> bool:
        """Tell whether its function leads to a call of libvirt's interface."""
        name = self.function.casefold()
        return api.casefold().endswith(name) or (api in STEPS_OF_A_FRONT and name in _OF_PHASES)


def _callers(api: str) -> list[_Caller]:
    """Return which threads may be calling something now."""
    waiting = list(_waiting())
    if len({each.place for each in waiting}) > 1:
        waiting = [each for each in waiting if each.may_call(api)]
    return waiting


def _waiting() -> "Iterator[_Caller]":
    """Yield each thread that is inside the binding."""
    for thread, innermost in _frames().items():
        frame: FrameType | None = innermost
        inside = None
        while frame is not None and (module := frame.f_globals.get("__name__")) in _INSIDE:
            inside = frame if module in _BINDINGS else None
            frame = frame.f_back
        if inside and (name := inside.f_code.co_name) != _LOOP:
            place = caller_from(frame) or (f"thread {_name_of(thread)}", 0)
            yield _Caller(thread, place, name, inside)


def _frames() -> "dict[int, FrameType]":
    """Return the innermost frame of each thread.

    Before Python 3.12 the garbage collector may run meanwhile, under a lock of the interpreter's; and where a
    `threading.local` is garbage, its end waits for that lock, for ever.
    """
    with _collecting:
        is_on = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()  # noqa: SLF001  # the documented way to other threads
        finally:
            if is_on:
                gc.enable()


_collecting: Final = Lock()
"""Held while garbage is left alone; no child is forked meanwhile, where it would be for good."""

os.register_at_fork(
    before=_collecting.acquire, after_in_parent=_collecting.release, after_in_child=_collecting.release
)


def _name_of(thread: int) -> str:
    return next((each.name for each in threading.enumerate() if each.ident == thread), "?")
