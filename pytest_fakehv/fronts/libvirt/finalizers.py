"""Where libvirt-python's dead objects end: never in a thread that an answer may have to wait for.

Garbage collection runs wherever something is allocated, and the end of a dead connection, or of its last
domain, calls the server and waits: perhaps for the very thread that it runs in, or for a lock that it holds.
"""

import contextlib
import functools
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any, Final

from pytest_fakehv.fronts.libvirt.server.threads import is_answering
from pytest_fakehv.storage.locks import Lock

_Finalizer = Callable[[Any], None]


def _is_in_ours() -> bool:
    """Tell whether code of ours runs in this thread, which may hold a lock that an answer has to wait for."""
    frame: FrameType | None = sys._getframe(1).f_back  # noqa: SLF001  # where it died; nowhere, at the end
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("pytest_fakehv."):
            return True
        frame = frame.f_back
    return False


class _Reaper:
    """A thread that ends what died where it could not; and the classes that were told of it."""

    def __init__(self, libvirt: ModuleType) -> None:
        self.users = 0
        self._dead: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._reap, name="fakehv-libvirt reaper", daemon=True)
        self._originals: dict[type, _Finalizer] = {}
        for kind in vars(libvirt).values():
            if isinstance(kind, type) and "__del__" in vars(kind):
                self._originals[kind] = vars(kind)["__del__"]
                kind.__del__ = self._elsewhere(vars(kind)["__del__"])  # type: ignore[attr-defined]
        self._thread.start()

    def _elsewhere(self, original: _Finalizer) -> _Finalizer:
        dead, reaper = self._dead, self._thread

        @functools.wraps(original)
        def __del__(self: Any) -> None:  # noqa: N807  # what it stands in for
            if threading.get_ident() != reaper.ident and (is_answering() or _is_in_ours()):
                # Of all queues this one can be used in a finalizer.
                dead.put(functools.partial(original, self))
            else:
                original(self)

        return __del__

    def _reap(self) -> None:
        while (end := self._dead.get()) is not None:
            end()
            del end

    def close(self) -> None:
        for kind, original in self._originals.items():
            kind.__del__ = original  # type: ignore[attr-defined]
        self._dead.put(None)
        self._thread.join()


_lock: Final = Lock()
_reapers: Final[dict[ModuleType, _Reaper]] = {}


@contextlib.contextmanager
def kept_off_servers(libvirt: ModuleType) -> Iterator[None]:
    """Let objects of libvirt-python's classes end in a thread of their own where they die in code of ours.

    The servers must be closed before this ends; several fronts at once share it.

    Args:
        libvirt: The module.
    """
    with _lock:
        if libvirt not in _reapers:
            _reapers[libvirt] = _Reaper(libvirt)
        reaper = _reapers[libvirt]
        reaper.users += 1
    try:
        yield
    finally:
        with _lock:
            reaper.users -= 1
            if not reaper.users:
                del _reapers[libvirt]
                reaper.close()
