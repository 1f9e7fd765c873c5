"""A lock that a fork can't leave held, and what does without a lock or a finalizer of Python's own."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Final,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    overload,
)
from weakref import ref

__tracebackhide__ = True  # a failed call is shown at the line that made it

_FEW: Final = 64

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


_Some = TypeVar("_Some")


class Living(Generic[_Some]):
    """Those of some objects that are still there.

    As a `weakref.WeakSet`, but without a finalizer: what a signal's handler raises in one, Python swallows.
    """

    def __init__(self) -> None:
        self._every: dict[int, ref[_Some]] = {}
        self._numbers = itertools.count()
        self._most = _FEW

    def add(self, one: _Some) -> None:
        """Add an object; now and then, those that are gone are forgotten."""
        self._every[next(self._numbers)] = ref(one)
        if len(self._every) > self._most:
            for number, each in list(self._every.items()):
                if each() is None:
                    self._every.pop(number, None)
            self._most = 2 * len(self._every) + _FEW

    def __iter__(self) -> Iterator[_Some]:
        """Go through those that are there."""
        return (found for each in list(self._every.values()) if (found := each()) is not None)


class Lock(_RLock):
    """A reentrant lock. In a forked child, which has none of the other threads, it is open again.

    A subclass, and no wrapper: each call of the interface takes several, and one costs a tenth of a call.
    """

    _every: ClassVar["Living[Lock]"] = Living()

    def __init__(self) -> None:
        super().__init__()
        self._every.add(self)

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        """Let what has a lock be copied, and handed to another process: there it has an open one."""
        return type(self), ()

    @classmethod
    def open_all(cls) -> None:  # pragma: no cover  # runs in forked children, which report nothing
        """Open every lock, whoever held it."""
        for each in cls._every:
            each._at_fork_reinit()  # noqa: SLF001  # as the standard library does


os.register_at_fork(after_in_child=Lock.open_all)

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class _Locked(Protocol):
    """What has a lock."""

    @property
    def _lock(self) -> Lock: ...


_Owner = TypeVar("_Owner", bound=_Locked)


def under_lock(
    method: Callable[Concatenate[_Owner, _Given], _Result],
) -> Callable[Concatenate[_Owner, _Given], _Result]:
    """Do a method under the lock of its object.

    So must be done whatever has a loop: where a loop jumps back in the very function that has the ``with``,
    CPython 3.13 forgets that one, and an exception from a signal's handler leaves the lock held.
    """

    @wraps(method)
    def locked(self: _Owner, /, *arguments: _Given.args, **keywords: _Given.kwargs) -> _Result:
        with self._lock:
            return method(self, *arguments, **keywords)

    return locked


_Value = TypeVar("_Value")


class found_once(Generic[_Value]):  # noqa: N801  # as `property`
    """A property that is found when it is first asked for, and an attribute of its object from then on.

    As `functools.cached_property` is from Python 3.12 on. Before, that holds a lock of its own meanwhile: one
    more that threads could wait for one another by, and that a fork could leave held.
    """

    def __init__(self, find: Callable[[Any], _Value]) -> None:
        self._find = find
        self.__doc__ = find.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: object, kind: type) -> _Value: ...
    def __get__(self, owner: object | None, kind: type) -> Self | _Value:
        if owner is None:
            return self
        value = vars(owner)[self._find.__name__] = self._find(owner)
        return value
