"""One host: which domains it has, who is connected to it, and what it tells them."""

import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Protocol
from xml.sax.saxutils import escape

from pytest_fakehv.calls.callers import called_from
from pytest_fakehv.fronts.libvirt.errors import Code, ConnectionLost, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host import changes, lies
from pytest_fakehv.fronts.libvirt.host.apis import APIS, Api
from pytest_fakehv.fronts.libvirt.host.capabilities import Hardware
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.words import EventKind, Paused, Shutoff
from pytest_fakehv.fronts.libvirt.place import Peer
from pytest_fakehv.fronts.libvirt.translation import Machine
from pytest_fakehv.fronts.libvirt.values import NO_ID, DomainEvent, DomainRef, Xml
from pytest_fakehv.interface.errors import NodeDownError
from pytest_fakehv.interface.objects import InstanceSpec
from pytest_fakehv.storage.locks import Lock, under_lock
from pytest_fakehv.story.chronicle import Change, Deed

__tracebackhide__ = True  # a failed call is shown at the line that made it

_LONGEST_WAIT: Final = 30
"""How long a call waits for another one that changes the same domain, in seconds of the machine's time."""

_NAMESPACE: Final = uuid.UUID("7d0d2a4f-3b7c-5d0e-9f55-7a6f6b657276")
"""Of the UUIDs of what no client has defined."""

_NOT_DONE: Final = object()
"""Stands for what a call returns that has no effect."""


class Session(Protocol):
    """A client's connection, as a host knows it."""

    @property
    def is_read_only(self) -> bool:
        """Whether it may only look."""

    @property
    def peer(self) -> int:
        """The number of its client's process; 0 where nobody tells."""

    def send_event(self, callback_id: int, event: DomainEvent) -> None:
        """Tell the client of something; blocks nobody."""

    def drop(self) -> None:
        """Break the connection."""


@dataclass
class Client:
    """What a host knows of one client.

    Attributes:
        peer: its process.
        next_id: numbers its wishes.
        events: the event and the domain's UUID, if it is about one alone, by number.
    """

    peer: Peer
    next_id: "count[int]" = field(default_factory=count)
    events: dict[int, tuple[int, bytes | None]] = field(default_factory=dict)


class Host:
    """What one node of the cluster does as a host of libvirt's clients.

    Args:
        machine: the node.

    Attributes:
        machine: as given.
        hardware: what it is.
        sessions: who is connected, and what each wants to be told of.
        vanished: the names of persistent domains that are defined no more, though nobody undefined them.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.name = machine.name
        self.hardware = Hardware(
            name=machine.name,
            memory=machine.size["memory_total"],
            cpus=machine.size["cpu_total"],
            nodes=machine.size["cpu_nodes"],
            sockets=machine.size["cpu_sockets"],
        )
        self.sessions: dict[Session, Client] = {}
        self._lock: Lock = machine.lock
        self._by_name: dict[str, Domain] = {}
        self._by_uuid: dict[bytes, Domain] = {}
        self._starting: dict[str, Domain] = {}
        self._ids = count(1)
        self._uuids = count(1)
        self.sync()

    # What is asked of it

    def knows(self, name: str) -> bool:
        """Tell whether it does anything for a function of libvirt's."""
        return name in APIS

    def may_block(self, name: str, _arguments: tuple[Any, ...]) -> bool:
        """Tell whether answering a call may wait for something, or run code that isn't ours."""
        api = APIS[name]
        if api.is_free:
            return False
        return self.machine.may_block or api.has_job or (api.runs_instances and self.machine.has_own_code)

    @property
    def is_silent(self) -> bool:
        """Whether it is cut off: no word gets in or out, and no connection breaks."""
        return self.machine.is_cut_off

    @property
    def is_up(self) -> bool:
        """Whether anybody answers there."""
        return not (self.machine.is_cut_off or self.machine.is_down)

    def open(self, session: Session, uri: str | None, flags: int) -> None:
        """Let a client in.

        Raises:
            LibvirtError: a fault says so.
            ConnectionLost: the node does not answer.
        """
        self.sessions[session] = Client(Peer(session.peer))
        self.answer(session, "virConnectOpen", (uri, flags))

    def closed(self, session: Session) -> None:
        """Note that a client is gone, by whoever's doing."""
        for domain in [each for each in list(self._by_name.values()) if each.ends_with is session]:
            with suppress(LibvirtError, ConnectionLost):
                self.answer(session, "virDomainDestroy", (domain.ref,))
        self.sessions.pop(session, None)

    def answer(self, session: Session, name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Do what a client asks for.

        Args:
            session: whose connection it came by.
            name: the function of libvirt's.
            arguments: in the table's order.

        Returns:
            The results, likewise.

        Raises:
            LibvirtError: it can't be done.
            ConnectionLost: the node does not answer.
        """
        api = APIS[name]
        if api.is_free:
            return _results(api.function(self, session, *arguments))
        is_about_domain, seen = api.about == "domain", arguments
        if is_about_domain:
            seen = (arguments[0].name, *arguments[1:])
        elif api.about == "uuid":
            seen = (str(uuid.UUID(bytes=arguments[0])),)
        elif api.about == "xml":
            seen = (Xml(arguments[0]), *arguments[1:])

        done: Any = _NOT_DONE

        def effect(_node: object, *_seen: object) -> Any:
            nonlocal done
            api.check_flags(arguments)
            if not is_about_domain:
                done = api.function(self, session, *arguments)
                return done
            domain = self.find(arguments[0])
            if api.has_job:
                done = self._alone(domain, api, session, arguments)
            else:
                done = api.function(self, session, domain, *arguments[1:])
            return done

        client = self.sessions.get(session)
        if client is None:  # it is over
            raise ConnectionLost(f"{self.name} has closed the connection")
        try:
            with called_from(client.peer.place(name)):
                said = self.machine.pass_door(api, seen, effect)
        except NodeDownError as error:
            raise ConnectionLost(str(error)) from error
        return _results(said) if said is done else lies.told(self, api, arguments, said)

    def _alone(self, domain: Domain, api: Api, session: Session, arguments: tuple[Any, ...]) -> Any:
        """Do what changes a domain, once nobody else does that.

        Raises:
            LibvirtError: somebody else went on too long.
        """
        if not domain.job.acquire(timeout=_LONGEST_WAIT):
            raise failure(
                Code.OPERATION_TIMEOUT,
                f"cannot acquire state change lock (held by monitor={domain.doing})",
                origin=Origin.NONE,
            )
        try:
            domain.doing = api.remote_name
            return api.function(self, session, domain, *arguments[1:])
        finally:
            domain.job.release()

    # Its domains

    @property
    def domains(self) -> list[Domain]:
        """All of its domains, as the cluster has them now."""
        self.sync()
        return list(self._by_name.values())

    def find(self, ref: DomainRef) -> Domain:
        """Return the domain that a client means.

        Raises:
            LibvirtError: there is none any more.
        """
        domain = self._by_uuid.get(ref.uuid)
        if domain is None:
            self.sync()
            domain = self._by_uuid.get(ref.uuid)
        if domain is None:
            raise failure(
                Code.NO_DOMAIN, f"no domain with matching uuid '{uuid.UUID(bytes=ref.uuid)}' ({ref.name})"
            )
        return domain

    def by_name(self, name: str) -> Domain | None:
        """Return the domain of a name; None if there is none."""
        if name not in self._by_name:
            self.sync()
        return self._by_name.get(name)

    def by_uuid(self, key: bytes) -> Domain | None:
        """Return the domain of a UUID's 16 bytes; None if there is none."""
        if key not in self._by_uuid:
            self.sync()
        return self._by_uuid.get(key)

    def memory_of(self, domain: Domain) -> int:
        """Return what a running domain has of memory, in KiB: what a client has set, or what the cluster says."""
        record = self.machine.record(domain.name)
        if record is None or domain.live is None:
            return domain.definition.current_memory
        return domain.live.current_memory if _fits(domain.live, record.memory) else record.memory * 1024

    def vcpus_of(self, domain: Domain) -> int:
        """Return how many CPUs a domain has, or would have."""
        record = self.machine.record(domain.name) if domain.is_active else None
        return record.vcpus if record else domain.definition.vcpus

    def cpu_time(self, domain: Domain) -> int:
        """Return how long a running domain's CPUs have worked, in ns: all of the cluster's time, on one of them."""
        if not domain.is_active:
            return 0
        return int((self.machine.now - domain.since) * 10**9)

    def new_uuid(self) -> bytes:
        """Return a UUID's 16 bytes, the same in each run for the same calls."""
        return uuid.uuid5(self.hardware.uuid, f"{self.machine.seed}/{next(self._uuids)}").bytes

    def add(self, domain: Domain) -> None:
        """Have one more domain; called under the lock."""
        self._by_name[domain.name] = self._by_uuid[domain.uuid] = domain

    def drop(self, domain: Domain) -> None:
        """Have a domain no more; called under the lock."""
        self._by_name.pop(domain.name, None)
        self._by_uuid.pop(domain.uuid, None)

    def rename(self, domain: Domain, name: str) -> None:
        """Let a domain have another name; called under the lock."""
        del self._by_name[domain.name]
        domain.name = name
        self._by_name[name] = domain

    def start(self, domain: Domain, *, paused: bool, ends_with: Session | None = None) -> None:
        """Start a domain by its definition, by the interface's calls.

        Args:
            domain: which; one that the host does not have yet is its own once it runs.
            paused: whether it starts paused.
            ends_with: the client with whose connection it ends; None for none.

        Raises:
            LibvirtError: it doesn't fit.
            HypervisorError: it can't be started.
        """
        definition = domain.definition
        self._starting[domain.name] = domain
        try:
            self.machine.start(domain.name, definition.current_memory, definition.vcpus, paused=paused)
            domain.ends_with = ends_with
        finally:
            del self._starting[domain.name]

    @under_lock
    def sync(self) -> None:
        """Take up what the cluster has, and no client has told this host of."""
        machine = self.machine
        if not self.is_up:
            return
        for spec in machine.declared():
            if spec.name not in self._by_name:
                self.add(self._made(spec.name, spec, is_persistent=True))
        running = set(machine.running())
        for name in sorted(running):
            if name not in self._by_name or not self._by_name[name].is_active:
                self._take_up(name, None, is_silent=True)
        for domain in [each for each in self._by_name.values() if each.is_active]:
            if domain.name not in running:  # another program has taken it away
                self._ends(domain, None)

    # What befalls it

    def changed(self, name: str, what: Change, method: str | None) -> None:
        """Note what has become of an instance there; called under the lock.

        Args:
            name: which.
            what: what.
            method: the name of the call that did it; None for none.
        """
        domain = self._by_name.get(name)
        if what == "running":
            self._take_up(name, method)
        elif domain is None or not domain.is_active:
            return
        elif what == "gone":
            self._ends(domain, method)
        elif (what == "paused") != isinstance(domain.reason, Paused):
            told = changes.told(changes.PAUSED if what == "paused" else changes.RESUMED, method)
            if isinstance(told.reason, Paused):
                domain.pauses(told.reason)
            else:
                domain.resumes(told.reason)
            self._tell(domain, told)

    def befell(self, what: Deed) -> None:
        """Note what the test has done to the node; called under the lock."""
        if what in {"crash", "remove_node"}:
            self.lose_clients()

    def lose_clients(self) -> None:
        """Break all connections, as a host does that goes down."""
        sessions = list(self.sessions)
        self.sessions.clear()
        for each in sessions:
            each.drop()

    def boots(self) -> None:
        """Start what is to start with the host."""
        for domain in [each for each in self.domains if each.autostart and not each.is_active]:
            definition = domain.definition
            self.machine.boots(domain.name, definition.current_memory, definition.vcpus)

    # What it tells

    def tell(self, domain: Domain, kind: EventKind, *details: Any, ref: DomainRef | None = None) -> None:
        """Send an event to whoever wants to know.

        Args:
            domain: what it is about.
            kind: what happened.
            *details: what the event says beside.
            ref: what the clients know the domain by, if that is not what they do now.
        """
        event = DomainEvent(kind, ref or domain.ref, details)
        for session, client in list(self.sessions.items()):
            for number, (wanted, about) in list(client.events.items()):
                if wanted == kind and about in (None, domain.uuid):
                    session.send_event(number, event)

    def _tell(self, domain: Domain, told: changes.Told, *, before: DomainRef | None = None) -> None:
        last = len(told.events) - 1
        for place, (event, detail) in enumerate(told.events):
            ref = before if place < last or told.is_numbered else None
            self.tell(domain, EventKind.LIFECYCLE, int(event), int(detail), ref=ref)

    # Inside

    def _take_up(self, name: str, method: str | None, *, is_silent: bool = False) -> None:
        """Note that a domain runs."""
        domain = self._starting.get(name) or self._by_name.get(name)
        if domain is None:
            domain = self._made(
                name, self.machine.spec(name), is_persistent=method in (None, "StartInstance")
            )
        if self._by_name.get(name) is not domain:
            self.add(domain)
        domain.runs(next(self._ids), domain.definition, self.machine.now)
        record = self.machine.record(name)
        is_paused = record is not None and record.is_paused
        told = changes.told(changes.STARTED_PAUSED if is_paused else changes.STARTED, method)
        if isinstance(told.reason, Paused):
            domain.pauses(told.reason)
        else:
            domain.resumes(told.reason)
        if not is_silent:
            self._tell(domain, told)

    def _ends(self, domain: Domain, method: str | None) -> None:
        """Note that a domain runs no more."""
        if self.machine.is_losing_everything:
            domain.stops(Shutoff.UNKNOWN)
        else:
            told, before = changes.told(changes.STOPPED, method), domain.ref
            domain.stops(told.reason)
            self._tell(domain, told, before=before)
        if not domain.is_persistent:
            self.drop(domain)

    def _made(self, name: str, spec: InstanceSpec | None, *, is_persistent: bool) -> Domain:
        """Make a domain of an instance that no client has defined."""
        declared = spec or self.machine.record(name)
        memory, vcpus = (declared.memory * 1024, declared.vcpus) if declared else (1024, 1)
        definition = _minimal(name, uuid.uuid5(_NAMESPACE, f"instance {name}"), memory, vcpus)
        domain = Domain(name=name, uuid=definition.uuid, config=definition)
        if not is_persistent:
            domain.config, domain.live = None, definition
        return domain


def _minimal(name: str, key: uuid.UUID, memory: int, vcpus: int) -> Definition:
    """Return the definition of an instance of which no more is known than this; memory in KiB."""
    xml = (
        f"<domain type='kvm'><name>{escape(name)}</name><uuid>{key}</uuid><memory>{memory}</memory>"
        f"<vcpu>{vcpus}</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
    )
    return Definition.parse(xml, lambda: key.bytes)


def _fits(definition: Definition, mebibytes: int) -> bool:
    return -(-definition.current_memory // 1024) == mebibytes


def _results(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return value if type(value) is tuple else (value,)
