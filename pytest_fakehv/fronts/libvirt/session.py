"""What a host, and whatever else stands behind a connection, may ask of it."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from pytest_fakehv.fronts.libvirt.values import Notice


@runtime_checkable
class Incoming(Protocol):
    """What takes in a stream that a client sends; in place of results, it lets one follow."""

    def write(self, data: bytes) -> None:
        """Take a piece.

        Raises:
            LibvirtError: there is no room for it; the stream is over.
        """

    def hole(self, length: int) -> None:
        """Take it that nobody sends so many bytes.

        Raises:
            LibvirtError: as for `write`.
        """

    def end(self) -> None:
        """Let it be over, by whoever's doing; once."""


@runtime_checkable
class Source(Protocol):
    """What gives a stream that a client is sent; in place of results, it lets one follow."""

    def pieces(self) -> Iterator[bytes | int]:
        """Give it piece by piece: bytes, or how many of them are a hole."""


class Session(Protocol):
    """A connection, as its host sees it; all here may be called in any thread, under any lock."""

    @property
    def is_read_only(self) -> bool:
        """Whether its client asked for that."""

    @property
    def peer(self) -> int:
        """The number of its client's process; 0 where the system doesn't tell."""

    def send_event(self, callback_id: int, event: Notice) -> None:
        """Tell the client's callback of an event, unless that or the connection is gone; never waits."""

    def drop(self) -> None:
        """Break the connection, as that to a crashed host breaks."""

    def silence(self) -> None:
        """Neither hear nor say anything, keepalives included, until `speak`."""

    def speak(self) -> None:
        """Hear what came meanwhile, say what there was to say, and go on."""
