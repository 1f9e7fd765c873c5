"""What was called, in order, with what result."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One call of the hypervisor interface.

    Attributes:
        number: its place in the journal, from 1, by when it began.
        node: the node that was called.
        method: the interface method's name.
        instance: the name of the instance that it is about, if any.
        arguments: the positional arguments, with each instance given by its name.
        keywords: the keyword arguments, likewise.
        filename: the file of the code that called.
        line: the line there.
        ended: whether it has returned or raised.
        result: what it returned; None where it raised or has not ended.
        error: what it raised, if it did.
    """

    number: int
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

    def end(self, result: Any, error: BaseException | None) -> None:
        """Write down what came of it."""
        self.result, self.error, self.ended = result, error, True


class Journal:
    """The calls of one cluster's nodes, from any thread."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        # Without a lock, which a fork could leave held: both the counter and the list are atomic.
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        """Return how many calls there were."""
        return len(self._calls)

    def __repr__(self) -> str:
        """Say how many calls there were."""
        return f"<Journal of {len(self)} calls>"

    def __getitem__(self, index: int) -> Call:
        """Return a call by its place, from 0; -1 is the last."""
        return list(self)[index]

    def __iter__(self) -> Iterator[Call]:
        """Go through the calls so far, in the order in which they began."""
        return iter(sorted(self._calls, key=attrgetter("number")))

    def begin(
        self,
        *,
        node: str,
        method: str,
        instance: str | None,
        arguments: tuple[Any, ...],
        keywords: Mapping[str, Any],
        caller: tuple[str, int],
    ) -> Call:
        """Write down a call that begins, and return it so that its end can be written down too."""
        call = Call(
            number=next(self._numbers),
            node=node,
            method=method,
            instance=instance,
            arguments=arguments,
            keywords=keywords,
            filename=caller[0],
            line=caller[1],
        )
        self._calls.append(call)
        return call

    def last(self, count: int) -> list[Call]:
        """Return the last calls, at most ``count``, in order."""
        return list(self)[-count:]

    def last_about(self, instance: str) -> Call | None:
        """Return the last call about an instance."""
        return next((call for call in reversed(list(self)) if call.instance == instance), None)
