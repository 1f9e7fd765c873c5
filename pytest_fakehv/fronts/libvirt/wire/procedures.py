"""The table of procedures: what a number calls, and how its arguments and results are bytes."""

from enum import IntEnum
from functools import cached_property
from typing import Any, Final

from pytest_fakehv.fronts.libvirt.values import (
    DomainRef,
    NetworkRef,
    NodeDeviceRef,
    Notice,
    PoolRef,
    SecretRef,
)
from pytest_fakehv.fronts.libvirt.wire import table
from pytest_fakehv.fronts.libvirt.wire.xdr import Codec, codec, encode, record


class Program(IntEnum):
    """Which list a procedure's number is of; they overlap."""

    REMOTE = 0x20008086
    QEMU = 0x20008087
    LXC = 0x20008088
    KEEPALIVE = 0x6B656570


class Procedure:
    """One line of the table.

    Attributes:
        number: What a call of it begins with.
        api: The function of libvirt's public interface.
        is_answered: Whether its layouts are known; else it is refused by its name.
        for_readers: Whether it is for read-only connections, too.
        streams: Whether a stream follows the answer, which is all that the host returns then.
        at_once: Whether the connection's reader answers it at once, without any lock.
    """

    def __init__(self, line: str) -> None:
        number, self.api, *rest = line.split()
        flags = rest[0] if rest else ""
        self.number = int(number)
        self.is_answered = bool(rest)
        self.for_readers = "r" in flags
        self.at_once = "f" in flags
        self.streams = "s" in flags
        arrow = rest.index("->") if "->" in rest else len(rest)
        self._arguments = rest[1:arrow]
        self._results = rest[arrow + 1 :]

    def __repr__(self) -> str:
        return f"<{self.number} {self.api}>"

    @cached_property
    def arguments(self) -> Codec:
        """How the tuple of its arguments is bytes."""
        return _compiled(self._arguments)

    @cached_property
    def results(self) -> Codec:
        """How the tuple of its results is bytes."""
        return _compiled(self._results)


def _compiled(fields: list[str]) -> Codec:
    """Return the codec of a tuple of ``name:type``; the names are for whoever reads the table."""
    return record([codec(each.partition(":")[2]) for each in fields])


def _read(lines: str) -> dict[int, Procedure]:
    return {each.number: each for each in map(Procedure, lines.strip().splitlines())}


PROCEDURES: Final[dict[int, dict[int, Procedure]]] = {
    Program.REMOTE: _read(table.REMOTE),
    Program.QEMU: _read(table.QEMU),
}
"""By program and number. Events are not among them: nobody calls those."""


_REFS: Final = {"D": DomainRef, "P": PoolRef, "N": NetworkRef, "X": SecretRef, "H": NodeDeviceRef}


class Event:
    """One line of the table of events: the number of its message, and what is in it."""

    def __init__(self, line: str) -> None:
        self._letter, kind, number, self.name, *self._details = line.split()
        self.about: type = _REFS[self._letter]
        self.kind = int(kind)
        self.number = int(number)

    @cached_property
    def message(self) -> Codec:
        """How it is bytes: the number of the callback, what it is about, and what there is beside."""
        return _compiled(["callbackID:i", f"about:{self._letter}", *self._details])


EVENTS: Final[dict[tuple[type, int], Event]] = {
    (each.about, each.kind): each for each in map(Event, table.EVENTS.strip().splitlines())
}
"""By what refers to what it is about, and libvirt's number of the event."""


def event_message(callback: int, event: Notice) -> tuple[int, bytes]:
    """Return the procedure and the bytes by which a client's callback learns of an event.

    Raises what Python raises where the event is none of the table's.
    """
    line = EVENTS[type(event.about), event.kind]
    values: tuple[Any, ...] = (callback, event.about, *event.details)
    return line.number, encode(line.message, values)
