"""What a host, and whatever else stands behind a connection, may ask of it."""

from typing import Protocol

from pytest_fakehv.fronts.libvirt.values import Notice


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
