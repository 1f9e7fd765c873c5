"""Which ids, ports, terminals and network devices of a host its domains have."""

from itertools import count
from typing import Final

from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.running import FIRST_PORT, Place

_FIRST_TERMINAL: Final = 0


class Places:
    """Gives out what no two running domains of a host can have; ids and network devices never twice."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._taps = 0
        self._ports = _Numbers(FIRST_PORT)
        self._terminals = _Numbers(_FIRST_TERMINAL)

    def take(self, definition: Definition) -> Place:
        """Return where a domain is to run that has a definition."""
        tap, self._taps = self._taps, self._taps + definition.taps
        number = next(self._ids)
        port = self._ports.take(number, definition.ports)
        return Place(number, tap=tap, port=port, terminal=self._terminals.take(number, definition.terminals))

    def take_tap(self) -> int:
        """Return the number of the device of an interface that comes to a domain while it runs."""
        tap, self._taps = self._taps, self._taps + 1
        return tap

    def take_terminal(self, number: int) -> int:
        """Return the number of the terminal of a line that comes to a domain, by its id, while it runs."""
        return self._terminals.take(number, 1)

    def lose_id(self) -> None:
        """Give an id to a domain that doesn't come to run."""
        next(self._ids)

    def give_back(self, number: int) -> None:
        """Let others have the ports and terminals of a domain, by its id, that runs no more."""
        self._ports.give_back(number)
        self._terminals.give_back(number)


class _Numbers:
    """Numbers that domains have several of in a row: the least that nobody has.

    Args:
        first: the least that there is.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._taken = 0
        """Has a bit for each number from the first on, which is set where somebody has it."""
        self._whose: dict[int, int] = {}

    def take(self, domain: int, wanted: int) -> int:
        """Let a domain, by its id, have so many in a row; return the first of them."""
        if not wanted:
            return self._first
        starts = ~self._taken
        for further in range(1, wanted):
            starts &= ~(self._taken >> further)
        start = (starts & -starts).bit_length() - 1
        row = (1 << wanted) - 1 << start
        self._taken |= row
        self._whose[domain] = self._whose.get(domain, 0) | row
        return self._first + start

    def give_back(self, domain: int) -> None:
        """Let others have what a domain had."""
        self._taken &= ~self._whose.pop(domain, 0)
