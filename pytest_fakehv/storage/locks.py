"""A lock that a fork can't leave held."""

import os
import threading
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakSet

if TYPE_CHECKING:

    class _RLock:
        """What type checkers take for a class that may not be derived from."""

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
        def release(self) -> None: ...
        def __enter__(self) -> bool: ...
        def __exit__(self, *error: object) -> None: ...
        def _at_fork_reinit(self) -> None: ...
else:
    _RLock = type(threading.RLock())


class Lock(_RLock):
    """A reentrant lock. In a forked child, which has none of the other threads, it is open again.

    A subclass, and no wrapper: each call of the interface takes several, and one costs a tenth of a call.
    """

    _every: ClassVar[WeakSet["Lock"]] = WeakSet()

    def __init__(self) -> None:
        super().__init__()
        self._every.add(self)

    @classmethod
    def open_all(cls) -> None:  # pragma: no cover  # runs in forked children, which report nothing
        """Open every lock, whoever held it."""
        for each in cls._every:
            each._at_fork_reinit()  # noqa: SLF001  # as the standard library does


os.register_at_fork(after_in_child=Lock.open_all)
