"""What takes an instance away that no call has stopped."""

from typing import NamedTuple


class Departure(NamedTuple):
    """Why an instance runs nowhere any more: on which node it was, and what became of it, in words."""

    node: str
    how: str
