"""What was called, in order, with what result."""

import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, NoReturn

from pytest_fakehv.calls.limited import limited
from pytest_fakehv.calls.proxies import Referent
from pytest_fakehv.checks import DeclarationError, check_amount
from pytest_fakehv.interface import objects
from pytest_fakehv.interface.contract import BaseHypervisor, name_of_node
from pytest_fakehv.interface.objects import Instance, InstanceInfo, InstanceLike
from pytest_fakehv.interface.resources import NO_RESOURCES, Resources
from pytest_fakehv.text import place_text, shown

__tracebackhide__ = True  # a wrong call is shown at the line that made it

_MOST_AT_ONCE: Final = 64

KEPT_AS_THEY_ARE: Final = frozenset({str, int, float, bool, type(None), InstanceInfo})
"""The types of most arguments and results, of which the journal needs neither a copy nor a name."""

_COPIED: Final = (dict, list)
"""Those that their owner may change later."""


@dataclass(slots=True, eq=False)
class Call:
    """One call of the hypervisor interface.

    Attributes:
        number: its place among all calls, from 1, by when it began.
        time: when it began, in seconds of the cluster's clock.
        node: the node that was called.
        method: the interface method's name.
        instance: the name of the instance that it is about, if any.
        arguments: the positional arguments, with each instance given by its name.
        keywords: the keyword arguments, likewise.
        filename: the file of the code that called. As in pytest's tracebacks, helpers are passed over that
            set ``__tracebackhide__``: a function as a local variable, or a module as a global one.
        line: the line there.
        ended: whether it has returned or raised.
        result: what it returned; None where it raised or has not ended.
        error: what it raised, if it did.
        fault: which fault struck it, in words, if one did.
        lie: what is true, in words, where a fault let it answer something else; else None.
        resources: what it is about beside an instance.
    """

    number: int
    time: float
    node: str
    method: str
    instance: str | None
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    filename: str
    line: int
    ended: bool = False
    result: Any = None
    error: BaseException | None = None
    fault: str | None = None
    lie: str | None = None
    resources: Resources = NO_RESOURCES
    # How often its node had lost the calls on their way to it when this one came.
    _losses: int = 0

    def __str__(self) -> str:
        """Show it as it was made: ``StopInstance('web1')``."""
        arguments = [shown(each) for each in self.arguments]
        arguments += [f"{key}={shown(value)}" for key, value in self.keywords.items()]
        return f"{self.method}({', '.join(arguments)})"

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """Return it so that it can be copied, and handed to another process."""
        return None, {
            **{each: getattr(self, each) for each in self.__slots__},
            "keywords": dict(self.keywords),
        }

    @property
    def pool(self) -> str | None:
        """The name of the storage pool that it is about, or whose volume, if any."""
        return self.resources.pool

    @property
    def volume(self) -> str | None:
        """The name of the volume that it is about, or is to make, if any."""
        return self.resources.volume

    @property
    def network(self) -> str | None:
        """The name of the network that it is about, if any."""
        return self.resources.network

    @property
    def place(self) -> str:
        """Where it came from, as ``test_drain.py:14``."""
        return place_text(self.filename, self.line)


class Journal(Referent):
    """The calls of one cluster's nodes, from any thread. It keeps all of them, unless told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        # Without a lock, which a fork could leave held: adding, and taking a slice, are atomic, also where
        # Python has no lock of its own. There are up to twice as many calls as are kept.
        self._calls: list[Call] = []
        self._most = sys.maxsize
        self._trimming = threading.Lock()
        self._every_number = itertools.count(1)
        self._numbers: Iterator[int] = self._every_number
        self._total_before = 0
        # The last lie to callers by method, node and instance.
        self._lies: dict[tuple[str, str, str | None], Call] = {}

    def __len__(self) -> int:
        """Return how many calls it has."""
        return min(len(self._calls), self._most)

    def __repr__(self) -> str:
        """Say how many calls it has."""
        return f"<Journal of {len(self)} calls>"

    def __getitem__(self, index: int) -> Call:
        """Return a call by its place, from 0; -1 is the last."""
        calls = list(self)
        try:
            return calls[index]
        except IndexError:
            raise IndexError(f"there is no journal[{index}]; calls so far: {len(calls)}") from None

    def __iter__(self) -> Iterator[Call]:
        """Go through the calls so far, in the order in which they began."""
        return iter(sorted(self._kept(), key=attrgetter("number")))

    @property
    def total(self) -> int:
        """How many calls there were in all, those that it no longer has included."""
        # Calls of several threads may come in another order than their numbers, but not by much.
        return max([self._total_before, *(call.number for call in self._calls[-_MOST_AT_ONCE:])])

    @property
    def _first(self) -> int:
        """The number of the first call that it has; with none, that of the next one."""
        with suppress(IndexError):
            many = len(self._calls) >= self._most
            return self._calls[-self._most if many else 0].number
        return self._total_before + 1

    def calls(
        self,
        method: str | None = None,
        *,
        node: str | BaseHypervisor | None = None,
        instance: str | InstanceLike | None = None,
        pool: str | None = None,
        volume: str | None = None,
        network: str | None = None,
    ) -> list[Call]:
        """Return the calls that are of a kind, in the order in which they began.

        Args:
            method: the interface method's name; None for any.
            node: which, by name or as itself; None for any.
            instance: which they are about, by name or as the object that the interface takes; None for any,
                and for none.
            pool: the name of the storage pool that they are about, or whose volume; likewise.
            volume: the name of the volume that they are about; likewise.
            network: the name of the network that they are about; likewise.

        Raises:
            DeclarationError: an argument is something else.
        """
        wanted = Resources(pool, volume, network).checked()
        if not isinstance(method, str | None):
            raise DeclarationError(f"method must be a method's name, not {shown(method)}")
        where = None if node is None else name_of_node(node)
        about = None if instance is None else objects.name_of(instance)
        return [
            call
            for call in self
            if method in (None, call.method)
            and where in (None, call.node)
            and about in (None, call.instance)
            and wanted.include(call.resources)
        ]

    def clear(self) -> None:
        """Forget the calls so far; the next one's number goes on from theirs."""
        self._total_before = self.total
        self._calls.clear()

    def keep(self, most: int) -> None:
        """Keep the last calls alone from now on, for a run so long that all of them would not fit.

        Args:
            most: how many, from 1.

        Raises:
            DeclarationError: it is no such number.
        """
        check_amount("most", most)
        self._most = most
        self._trim()

    def _trim(self) -> None:
        """Let go of the calls that are not kept, if nobody else is at it."""
        if self._trimming.acquire(blocking=False):
            try:
                del self._calls[: -self._most]
            finally:
                self._trimming.release()

    def _kept(self) -> list[Call]:
        return self._calls[-self._most :]

    def _limit(self, most: int, on_many: Callable[[], NoReturn]) -> None:
        """Take so many calls from now on.

        Args:
            most: how many.
            on_many: called where one more comes, each time; raises.
        """
        self._numbers = limited(self._every_number, most, on_many)

    def _begin(
        self,
        time: float,
        node: str,
        method: str,
        instance: str | None,
        arguments: tuple[Any, ...],
        keywords: Mapping[str, Any],
        caller: tuple[str, int],
        resources: Resources = NO_RESOURCES,
    ) -> Call:
        """Write down a call that begins, and return it so that its end can be written down too."""
        # By position, which is faster: this is done for every call.
        filename, line = caller
        call = Call(next(self._numbers), time, node, method, instance, arguments, keywords, filename, line)
        if resources is not NO_RESOURCES:
            call.resources = resources
        self._calls.append(call)
        if len(self._calls) >= 2 * self._most:
            self._trim()
        return call

    def _since(self, number: int) -> list[Call]:
        """Return the calls after a number, the newest first: they are not sorted, so that it costs little."""
        found = []
        for call in reversed(self._kept()):
            if call.number <= number - _MOST_AT_ONCE:
                break
            if call.number > number:
                found.append(call)
        return found

    def last(self, count: int) -> list[Call]:
        """Return the last calls, at most ``count``, in order."""
        check_amount("count", count, least=0)
        return list(self)[-count:] if count else []

    def last_about(self, instance: str | InstanceLike) -> Call | None:
        """Return the last call about an instance, given by name or as the object that the interface takes."""
        name = objects.name_of(instance)
        return next((call for call in reversed(list(self)) if call.instance == name), None)


def noted(value: Any) -> Any:
    """Return what the journal keeps of a value, which its owner may change later."""
    kind = type(value)
    if kind in KEPT_AS_THEY_ARE:
        return value
    if kind is Instance:  # as most are
        name = value.name
    elif isinstance(value, _COPIED):
        try:
            return value.copy()
        except Exception:  # noqa: BLE001  # whatever a class of the caller's own may raise
            return value
    else:
        name = name_of(value)
    return value if name is None else name


def name_of(value: Any) -> Any:
    """Return the name of what looks like an instance, else None; the journal never fails for an argument."""
    try:
        return value.name if hasattr(value, "beparams") else None
    except Exception:  # noqa: BLE001  # whatever a property of the caller's own may raise
        return None
