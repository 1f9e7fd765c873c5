"""What a server asks of the host that it answers for, and what that host may ask of a connection."""

from typing import Any, Protocol

from pytest_fakehv.fronts.libvirt.session import Session


class Host(Protocol):
    """What answers the calls of all connections to one node, several at once."""

    def open(self, session: Session, uri: str | None, flags: int) -> None:
        """Begin with a connection.

        Raises:
            LibvirtError: the client learns of it.
            ConnectionLost: the connection breaks.
        """

    def knows(self, api: str) -> bool:
        """Return whether there is an answer to calls of a function."""

    def may_block(self, api: str, arguments: tuple[Any, ...]) -> bool:
        """Return whether a call may wait for more than a lock, and is answered in a thread of its own."""

    def answer(self, session: Session, api: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Answer a call.

        Args:
            session: Whose it is.
            api: The function of libvirt's public interface.
            arguments: As the table of procedures says.

        Returns:
            The results, as that table says; of what lets a stream follow, that alone: an `Incoming`, or a
            `Source`.

        Raises:
            LibvirtError: the client learns of it.
            ConnectionLost: the connection breaks.
        """

    def defect(self, api: str, error: Exception) -> None:
        """Learn of an error that nobody foresaw, which the client of a call is told of as an internal one."""

    def closed(self, session: Session) -> None:
        """End with a connection that was opened, whoever ended it."""
