"""What was called, in order, with what result."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the hypervisor interface, after it returned or raised.

    Attributes:
        number: its place in the journal, from 1.
        node: the node that was called.
        method: the interface method's name.
        instance: the name of the instance that it was about, if any.
        arguments: the positional arguments, with each instance given by its name.
        keywords: the keyword arguments, likewise.
        result: what it returned; None also where it raised.
        error: what it raised, if it did.
        filename: the file of the code that called.
        line: the line there.
    """

    number: int
    node: str
    method: str
    instance: str | None
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    result: Any
    error: BaseException | None
    filename: str
    line: int


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
        """Go through the calls so far, in order."""
        return iter(sorted(self._calls, key=attrgetter("number")))

    def add(
        self,
        *,
        node: str,
        method: str,
        instance: str | None,
        arguments: tuple[Any, ...],
        keywords: Mapping[str, Any],
        result: Any,
        error: BaseException | None,
        caller: tuple[str, int],
    ) -> None:
        """Write down one call, once its end is known."""
        self._calls.append(
            Call(
                number=next(self._numbers),
                node=node,
                method=method,
                instance=instance,
                arguments=arguments,
                keywords=keywords,
                result=result,
                error=error,
                filename=caller[0],
                line=caller[1],
            )
        )

    def last(self, count: int) -> list[Call]:
        """Return the last calls, at most ``count``, in order."""
        return list(self)[-count:]

    def last_about(self, instance: str) -> Call | None:
        """Return the last call about an instance."""
        return next((call for call in reversed(list(self)) if call.instance == instance), None)
