"""The lock of a cluster, and what does without a lock or a finalizer of Python's own."""

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import (
    TYPE_CHECKING,
    Any,
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
    Lock = threading.RLock
else:

    class Lock(type(threading.RLock())):  # a class, which `threading.RLock` is not on each Python
        """One that a thread may take again, and that no interrupt leaves held.

        From Python 3.14 on, what a signal's handler raises may come when a ``with`` has taken its lock, and
        does not know yet that it is to give it back.
        """

        if sys.version_info >= (3, 14):

            def __enter__(self) -> bool:
                held = self._recursion_count()
                try:
                    return self.acquire()
                except BaseException:
                    if self._recursion_count() > held:
                        self.release()
                    raise


_Some = TypeVar("_Some")


def is_held(lock: Lock) -> bool:
    """Tell whether this thread holds a lock."""
    return bool(lock._is_owned())  # type: ignore[attr-defined]  # noqa: SLF001  # as `threading.Condition` asks


class Living(Generic[_Some]):
    """Those of some objects that are still there.

    As a `weakref.WeakSet`, but without a finalizer: what a signal's handler raises in one, Python swallows.
    """

    def __init__(self) -> None:
        self._every: dict[int, ref[_Some]] = {}
        self._numbers = itertools.count()
        self._most = _FEW

    def add(self, one: _Some) -> int:
        """Add an object, and return its number; now and then, those that are gone are forgotten."""
        added = next(self._numbers)
        self._every[added] = ref(one)
        if len(self._every) > self._most:
            for number, each in list(self._every.items()):
                if each() is None:
                    self._every.pop(number, None)
            self._most = 2 * len(self._every) + _FEW
        return added

    def find(self, number: int) -> _Some | None:
        """Return the one of a number, if it is still there."""
        found = self._every.get(number)
        return found() if found else None

    def __iter__(self) -> Iterator[_Some]:
        """Go through those that are there."""
        return (found for each in list(self._every.values()) if (found := each()) is not None)

    def clear(self) -> None:
        """Forget all."""
        self._every.clear()

    def items(self) -> Iterator[tuple[int, _Some]]:
        """Go through those that are there, with their numbers."""
        return (
            (number, found) for number, each in list(self._every.items()) if (found := each()) is not None
        )


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
