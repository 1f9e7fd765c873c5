"""A lock that a fork can't leave held."""

import os
import threading
from types import TracebackType
from typing import ClassVar
from weakref import WeakSet


class Lock:
    """A reentrant lock. In a forked child, which has none of the other threads, it is open again."""

    _every: ClassVar[WeakSet["Lock"]] = WeakSet()

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._every.add(self)

    def __enter__(self) -> None:
        """Take it."""
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self._lock.release()

    @classmethod
    def open_all(cls) -> None:  # pragma: no cover  # runs in forked children, which report nothing
        """Open every lock, whoever held it."""
        for each in cls._every:
            each._lock = threading.RLock()  # noqa: SLF001  # it is of this class


os.register_at_fork(after_in_child=Lock.open_all)
