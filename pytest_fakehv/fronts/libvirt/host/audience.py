"""Who is connected to a host, and what each wants to be told."""

from dataclasses import dataclass, field
from itertools import count

from pytest_fakehv.fronts.libvirt.place import Peer
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import (
    DomainRef,
    NetworkRef,
    NodeDeviceRef,
    Notice,
    PoolRef,
    SecretRef,
)

Told = DomainRef | PoolRef | NetworkRef | SecretRef | NodeDeviceRef
"""What refers to something of which a client can be told."""


def key_of(given: Told) -> bytes | str:
    """Return what tells one from others of its kind: its UUID; of a device, which has none, its name."""
    return given.name if isinstance(given, NodeDeviceRef) else given.uuid


@dataclass
class Client:
    """What a host knows of one client.

    Attributes:
        peer: its process.
        next_id: numbers its wishes.
        events: what each is about, its number, and the key of the one that it is about alone, if any, by the
            callback's number.
    """

    peer: Peer
    next_id: "count[int]" = field(default_factory=count)
    events: dict[int, tuple[type[Told], int, bytes | str | None]] = field(default_factory=dict)


class Audience:
    """The clients of one host. Each of its methods does one thing with the dictionaries at a time."""

    def __init__(self) -> None:
        self._clients: dict[Session, Client] = {}

    def add(self, session: Session) -> None:
        """Have one more client."""
        self._clients[session] = Client(Peer(session.peer))

    def find(self, session: Session) -> Client | None:
        """Return what is known of a client; None of one that is gone."""
        return self._clients.get(session)

    def remove(self, session: Session) -> Client | None:
        """Have a client no more, and return what was known of it."""
        return self._clients.pop(session, None)

    def tell(self, event: Notice) -> None:
        """Send an event to whoever wants to know."""
        for session, client in list(self._clients.items()):
            for number, (about, kind, key) in list(client.events.items()):
                if (about, kind) == (type(event.about), event.kind) and key in (None, key_of(event.about)):
                    session.send_event(number, event)

    def lose(self) -> None:
        """Break all connections, as a host does that goes down."""
        sessions = list(self._clients)
        self._clients.clear()
        for each in sessions:
            each.drop()

    def silence(self) -> None:
        """Let no word through to any client or from it, as if a cable were unplugged."""
        for each in list(self._clients):
            each.silence()

    def speak(self) -> None:
        """Let all words through again."""
        for each in list(self._clients):
            each.speak()
