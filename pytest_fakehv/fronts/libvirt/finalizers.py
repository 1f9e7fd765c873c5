"""Where libvirt-python's dead objects end: never in a thread that would have to answer.

Garbage collection runs in any thread that allocates, a server's too, and the end of a dead connection, or of
its last domain, calls the server and waits: for the very thread that it runs in, perhaps.
"""

import contextlib
import functools
import queue
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

from pytest_fakehv.fronts.libvirt.server.threads import is_answering
from pytest_fakehv.storage.locks import Lock

_Finalizer = Callable[[Any], None]


class _Reaper:
    """A thread that ends what died in threads where it could not; and the classes that were told of it."""

    def __init__(self, libvirt: ModuleType) -> None:
        self.users = 0
        self._dead: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._originals: dict[type, _Finalizer] = {}
        for kind in vars(libvirt).values():
            if isinstance(kind, type) and "__del__" in vars(kind):
                self._originals[kind] = vars(kind)["__del__"]
                kind.__del__ = self._elsewhere(vars(kind)["__del__"])  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._reap, name="fakehv-libvirt reaper", daemon=True)
        self._thread.start()

    def _elsewhere(self, original: _Finalizer) -> _Finalizer:
        dead = self._dead

        @functools.wraps(original)
        def __del__(self: Any) -> None:  # noqa: N807  # what it stands in for
            if is_answering():
                dead.put(
                    functools.partial(original, self)
                )  # of all queues this one can be used in a finalizer
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
    """Let objects of libvirt-python's classes end in a thread of their own, not in one of a server's.

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
