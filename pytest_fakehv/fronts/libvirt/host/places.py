"""Which ids, ports, terminals and network devices of a host its domains have."""

from collections.abc import Iterable
from itertools import count
from typing import Final

from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.running import FIRST_PORT, Place

_FIRST_TERMINAL: Final = 0


class Places:
    """Gives out what no two running domains of a host can have; ids and network devices never twice."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._taps = 0

    def take(self, definition: Definition, running: Iterable[Domain]) -> Place:
        """Return where a domain is to run.

        Args:
            definition: what it runs by.
            running: those that run already.
        """
        tap, self._taps = self._taps, self._taps + definition.taps
        needs_some = definition.ports or definition.terminals  # else nobody has to be looked at
        others = [(each.definition, each.place) for each in running if each.place] if needs_some else []
        ports = ((place.port, there.ports) for there, place in others)
        terminals = ((place.terminal, there.terminals) for there, place in others)
        return Place(
            next(self._ids),
            tap=tap,
            port=_free(FIRST_PORT, definition.ports, ports),
            terminal=_free(_FIRST_TERMINAL, definition.terminals, terminals),
        )


def _free(first: int, wanted: int, taken: Iterable[tuple[int, int]]) -> int:
    """Return the first of so many numbers in a row that nobody has.

    Args:
        first: the least that there is.
        wanted: how many.
        taken: what others have: the first number of each, and how many.
    """
    for start, length in sorted(taken):
        if start - first >= wanted:
            break
        first = max(first, start + length)
    return first
