"""Numbers that come to an end, at no cost to whoever takes one."""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import NoReturn


def limited(numbers: Iterator[int], most: int, on_end: Callable[[], NoReturn]) -> Iterator[int]:
    """Go through so many of some numbers.

    Without a step of Python's own, so that threads may take them as they take those of `itertools.count`.

    Args:
        numbers: where they are taken from.
        most: how many.
        on_end: called where one more is taken, each time; raises.
    """
    return chain(islice(numbers, most), iter(on_end, None))
