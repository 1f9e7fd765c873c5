"""One host: which domains it has, what they do, and who is told of that."""

import uuid
from collections.abc import Callable
from contextlib import nullcontext, suppress
from itertools import count
from typing import Any, Final

from pytest_fakehv.calls.callers import called_from
from pytest_fakehv.fronts.libvirt.errors import Code, ConnectionLost, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host import changes, lies
from pytest_fakehv.fronts.libvirt.host.apis import APIS, Api
from pytest_fakehv.fronts.libvirt.host.audience import Audience, Client, Session
from pytest_fakehv.fronts.libvirt.host.capabilities import Hardware
from pytest_fakehv.fronts.libvirt.host.declared import declared, definition_of
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.places import Places
from pytest_fakehv.fronts.libvirt.host.registry import Registry, no_domain
from pytest_fakehv.fronts.libvirt.host.words import EventKind, IoErrorAction, Paused, Running, Shutoff
from pytest_fakehv.fronts.libvirt.translation import Machine, mebibytes
from pytest_fakehv.fronts.libvirt.values import DomainEvent, DomainRef, Xml
from pytest_fakehv.interface.errors import HypervisorError, NodeDownError
from pytest_fakehv.storage.locks import Lock, under_lock
from pytest_fakehv.storage.store import Record
from pytest_fakehv.story.chronicle import Change, Deed
from pytest_fakehv.text import natural_order

__tracebackhide__ = True  # a failed call is shown at the line that made it

_LONGEST_WAIT: Final = 30
"""How long a call waits for another one that changes the same domain, in seconds of the machine's time."""

_NOT_DONE: Final = object()
"""Stands for what a call returns that has no effect."""

_NS_OF_START: Final = 100_000_000
"""How long a domain's CPUs have worked until it was started: no time passes in the cluster meanwhile."""


Known = dict[str, Definition]
"""By what each domain of a cluster was last defined or started, by its name."""


class Host:
    """What one node of the cluster does as a host of libvirt's clients.

    Args:
        machine: the node.
        known: what all of the cluster's hosts know.

    Attributes:
        machine: as given.
        hardware: what it is.
        audience: who is connected.
    """

    def __init__(self, machine: Machine, known: Known) -> None:
        self.machine = machine
        self.name = machine.name
        self.hardware = Hardware(
            name=machine.name,
            memory=machine.size["memory_total"],
            cpus=machine.size["cpu_total"],
            nodes=machine.size["cpu_nodes"],
            sockets=machine.size["cpu_sockets"],
        )
        self.audience = Audience()
        self._lock: Lock = machine.lock
        self._known = known
        self._registry = Registry()
        self._places = Places()
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
        self.audience.add(session)
        try:
            self.answer(session, "virConnectOpen", (uri, flags))
        except BaseException:
            self.audience.remove(session)
            raise

    def closed(self, session: Session) -> None:
        """Note that a client is gone, by whoever's doing; what was to end with it ends."""
        client = self.audience.remove(session)
        for domain in self._registry:
            if client and domain.is_active and domain.ends_with is session:
                with suppress(LibvirtError, ConnectionLost):
                    self._end(client, domain)

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
            with self.job(domain, api) if api.has_job else nullcontext():
                done = api.function(self, session, domain, *arguments[1:])
            return done

        client = self.audience.find(session)
        if client is None:  # it is over
            raise ConnectionLost(f"{self.name} has closed the connection")
        said = self._pass(client, api, seen, effect)
        return _results(said) if said is done else lies.told(self, api, arguments, said)

    def _pass(self, client: Client, api: Api, seen: tuple[Any, ...], effect: Callable[..., Any]) -> Any:
        """Let a call of a client's pass the cluster's door.

        Raises:
            LibvirtError: it can't be done.
            ConnectionLost: the node does not answer.
        """
        try:
            with called_from(client.peer.place(api.name)):
                return self.machine.pass_door(api, seen, effect)
        except NodeDownError as error:
            raise ConnectionLost(str(error)) from error

    def _end(self, client: Client, domain: Domain) -> None:
        """Stop a domain whose client is gone.

        Raises:
            LibvirtError: it can't be stopped.
            ConnectionLost: the node does not answer.
        """
        self._pass(
            client,
            APIS["virDomainDestroy"],
            (domain.name,),
            lambda _node, name: self.machine.stop(name, force=True),
        )

    def job(self, domain: Domain, api: Api) -> "_Job":
        """Have, for a ``with`` block, the right to change a domain.

        Raises:
            LibvirtError: somebody else goes on with it too long; or meanwhile it has gone.
        """
        return _Job(self, domain, api)

    # Its domains

    @property
    def domains(self) -> list[Domain]:
        """All of its domains, as the cluster has them now."""
        self.sync()
        return list(self._registry)

    def has(self, domain: Domain) -> bool:
        """Tell whether a domain is still there."""
        return domain in self._registry

    def find(self, ref: DomainRef) -> Domain:
        """Return the domain that a client means.

        Raises:
            LibvirtError: there is none any more.
        """
        if domain := self.by_uuid(ref.uuid):
            return domain
        raise no_domain(ref)

    def by_name(self, name: str) -> Domain | None:
        """Return the domain of a name; None if there is none."""
        if self._registry.by_name(name) is None:
            self.sync()
        return self._registry.by_name(name)

    def by_uuid(self, key: bytes) -> Domain | None:
        """Return the domain of a UUID's 16 bytes; None if there is none."""
        if self._registry.by_uuid(key) is None:
            self.sync()
        return self._registry.by_uuid(key)

    def memory_of(self, domain: Domain) -> int:
        """Return what a domain has of memory, or would have, in KiB."""
        definition, record = domain.live, self.machine.record(domain.name)
        if definition is None or record is None:
            return domain.definition.current_memory
        if domain.lagging is not None:
            return domain.lagging
        return _exact(record, definition.current_memory)

    def vcpus_of(self, domain: Domain) -> int:
        """Return how many CPUs a domain has, or would have."""
        record = self.machine.record(domain.name) if domain.is_active else None
        return record.vcpus if record else domain.definition.vcpus

    def cpu_time(self, domain: Domain) -> int:
        """Return how long a running domain's CPUs have worked, in ns: as long as it runs, on one of them."""
        if not domain.is_active:
            return 0
        return _NS_OF_START + int((self.machine.now - domain.since) * 10**9)

    def new_uuid(self) -> bytes:
        """Return a UUID's 16 bytes, the same in each run for the same calls."""
        return uuid.uuid5(self.hardware.uuid, f"{self.machine.seed}/{next(self._uuids)}").bytes

    # What is done with them: all but `start` is called under the lock

    def add(self, domain: Domain) -> None:
        """Have one more domain."""
        self._registry.add(domain)

    def drop(self, domain: Domain) -> None:
        """Have a domain no more."""
        self._registry.drop(domain)

    def define(self, domain: Domain, config: Definition) -> None:
        """Let a domain have another persistent definition; it may be a new one."""
        self.machine.declare(config.name, config.memory, config.vcpus)
        self._known[config.name] = config
        domain.defined(config)
        if not self.has(domain):
            self.add(domain)

    def configure(self, domain: Domain, change: Callable[[Definition], Definition]) -> None:
        """Change the persistent definition of a domain that has one."""
        with self._lock:
            if domain.config:
                self.define(domain, change(domain.config))

    def change_live(self, domain: Domain, change: Callable[[Definition], Definition]) -> None:
        """Change what a domain runs by, if it runs."""
        with self._lock:
            if domain.live:
                domain.definition = change(domain.live)

    def undefine(self, domain: Domain) -> None:
        """Let a domain have no persistent definition, and be no more once it doesn't run."""
        domain.config, domain.autostart = None, False
        self.machine.withdraw(domain.name)
        if not domain.is_active:
            self._known.pop(domain.name, None)
            self.drop(domain)

    def rename(self, domain: Domain, renamed: Definition) -> None:
        """Let a domain that is shut off have another name, that of a definition."""
        self.machine.declare(renamed.name, renamed.memory, renamed.vcpus)
        self.machine.withdraw(domain.name)
        self._known[renamed.name] = renamed
        self._known.pop(domain.name, None)
        self._registry.rename(domain, renamed)

    def start(
        self, domain: Domain, definition: Definition, *, paused: bool, ends_with: Session | None
    ) -> None:
        """Start a domain, by the interface's calls.

        Args:
            domain: which; its job is the caller's.
            definition: by what.
            paused: whether it starts paused.
            ends_with: the client with whose connection it ends; None for none.

        Raises:
            LibvirtError: it runs by now, or doesn't fit.
            HypervisorError: it can't be started.
        """
        domain.starting, domain.ends_with = definition, ends_with
        try:
            self.machine.start(domain.name, definition.current_memory, definition.vcpus, paused=paused)
        except HypervisorError as error:
            if domain.is_active:  # somebody was faster
                raise failure(Code.OPERATION_INVALID, "domain is already running") from error
            raise
        finally:
            domain.starting = None
            self._forget_unless_there(domain)
        if ends_with and not self.audience.find(ends_with):  # it has gone meanwhile
            self.machine.stop(domain.name, force=True)

    @under_lock
    def _forget_unless_there(self, domain: Domain) -> None:
        """Have no domain that was to be there while it runs, if it doesn't."""
        if self.has(domain) and not (domain.is_active or domain.is_persistent):
            self.drop(domain)

    @under_lock
    def sync(self) -> None:
        """Take up what the cluster has, and no client has told this host of."""
        machine = self.machine
        if not self.is_up:
            return
        for spec in machine.declared():
            if self._registry.by_name(spec.name) is None:
                self.add(self._made(spec.name, is_persistent=True))
        running = machine.running()
        for name in sorted(running, key=natural_order):
            domain = self._registry.by_name(name)
            if domain is None or not domain.is_active:
                self._take_up(name, None, is_silent=True)
        for domain in self._registry:
            if domain.is_active and domain.name not in running:  # another program has taken it away
                self._ends(domain, None)

    # What befalls it

    def changed(self, name: str, what: Change, method: str | None) -> None:
        """Note what has become of an instance there; called under the lock.

        Args:
            name: which.
            what: what.
            method: the name of the call that did it; None for none.
        """
        domain = self._registry.by_name(name)
        if what == "running":
            self._take_up(name, method)
        elif domain is None or not domain.is_active:
            return
        elif what == "gone":
            self._ends(domain, method)
        elif what == "paused":
            if not domain.is_paused:
                self._pauses(domain, method)
        elif domain.is_paused:
            self._resumes(domain, method)

    def ballooned(self, name: str) -> None:
        """Note that an instance there was given other memory, or CPUs; called under the lock."""
        domain, record = self._registry.by_name(name), self.machine.record(name)
        if domain is None or domain.live is None or record is None:
            return
        before = domain.live.current_memory if domain.lagging is None else domain.lagging
        domain.definition = _fitted(domain.live, record, domain.wanted)
        memory = domain.definition.current_memory
        if domain.is_paused:
            domain.lagging = before
        elif memory != before:
            self.tell(domain, EventKind.BALLOON_CHANGE, memory)

    def befell(self, what: Deed) -> None:
        """Note what the test has done to the node; called under the lock."""
        if what in {"crash", "remove_node"}:
            self.audience.lose()
            self._places = Places()
        elif what == "disconnect":
            self.audience.silence()
        elif what == "reconnect":
            self.audience.speak()

    def boots(self) -> None:
        """Start what is to start with the host."""
        for domain in sorted(self.domains, key=lambda each: natural_order(each.name)):
            if domain.autostart and not domain.is_active:
                definition = domain.definition
                with suppress(HypervisorError):  # as a daemon, which notes that, and goes on with the next
                    self.machine.boots(domain.name, definition.current_memory, definition.vcpus)

    # What it tells

    def tell(self, domain: Domain, kind: EventKind, *details: Any, ref: DomainRef | None = None) -> None:
        """Send an event to whoever wants to know; called under the lock.

        Args:
            domain: what it is about.
            kind: what happened.
            *details: what the event says beside.
            ref: what the clients know the domain by, if that is not what they do now.
        """
        self.audience.tell(DomainEvent(kind, ref or domain.ref, details))

    def _tell(self, domain: Domain, told: changes.AnyTold, *, before: DomainRef | None = None) -> None:
        last = len(told.events) - 1
        for place, (event, detail) in enumerate(told.events):
            ref = before if place < last or told.is_numbered else None
            self.tell(domain, EventKind.LIFECYCLE, int(event), int(detail), ref=ref)

    # Inside: all of it under the lock

    def _take_up(self, name: str, method: str | None, *, is_silent: bool = False) -> None:
        """Note that a domain runs."""
        domain, record = self._registry.by_name(name), self.machine.record(name)
        if domain is None:
            domain = self._made(name, is_persistent=method in (None, "StartInstance"))
            self.add(domain)
        definition = domain.starting or domain.definition
        if record:
            definition = _fitted(definition, record)
        domain.runs(self._places.take(definition, self._registry), definition, self.machine.now)
        self._known[name] = definition
        told: changes.Told[Paused] | changes.Told[Running]
        if record and record.is_paused:
            told = changes.told(changes.STARTED_PAUSED, method)
            domain.pauses(told.reason)
        else:
            told = changes.told(changes.STARTED, method)
            domain.resumes(told.reason)
        if not is_silent:
            self._tell(domain, told)
            if method != changes.ARRIVES:
                self._comes_up(domain)

    def _comes_up(self, domain: Domain) -> None:
        """Let a guest that has just begun give back the memory that it isn't to have, once it runs."""
        definition = domain.definition
        if domain.is_paused:
            domain.lagging = definition.memory
        elif definition.current_memory < definition.memory:
            self.tell(domain, EventKind.BALLOON_CHANGE, definition.current_memory)

    def _pauses(self, domain: Domain, method: str | None) -> None:
        """Note that a domain is paused."""
        told = changes.told(changes.PAUSED, method)
        domain.pauses(told.reason)
        if told.reason == Paused.IOERROR:
            self._tell_of_error(domain)
        self._tell(domain, told)

    def _tell_of_error(self, domain: Domain) -> None:
        """Tell that a domain can't read or write its first disk, if it has one."""
        definition = domain.definition
        for disk, alias in list(zip(definition.disks, definition.disk_aliases, strict=True))[:1]:
            what = disk.source or "", alias, int(IoErrorAction.PAUSE)
            self.tell(domain, EventKind.IO_ERROR, *what)
            self.tell(domain, EventKind.IO_ERROR_REASON, *what, "")

    def _resumes(self, domain: Domain, method: str | None) -> None:
        """Note that a domain runs again, and that its guest does what it was asked to while it couldn't."""
        told = changes.told(changes.RESUMED, method)
        domain.resumes(told.reason)
        self._tell(domain, told)
        if domain.lagging is not None:
            domain.lagging, before = None, domain.lagging
            if (now := self.memory_of(domain)) != before:
                self.tell(domain, EventKind.BALLOON_CHANGE, now)

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

    def _made(self, name: str, *, is_persistent: bool) -> Domain:
        """Make a domain of an instance that no client has defined here."""
        spec, record, definition = self.machine.spec(name), self.machine.record(name), self._known.get(name)
        if definition is None:
            if spec:
                definition = definition_of(spec)
            else:
                memory, vcpus = (record.memory, record.vcpus) if record else (1, 1)
                definition = declared(name, memory=memory, vcpus=vcpus)
        domain = Domain(definition=definition)
        if is_persistent:
            domain.defined(definition)
        return domain


class _Job:
    """The right to change a domain, for a ``with`` block."""

    def __init__(self, host: Host, domain: Domain, api: Api) -> None:
        self._host = host
        self._domain = domain
        self._api = api

    def __enter__(self) -> None:
        domain = self._domain
        if not domain.job.acquire(timeout=_LONGEST_WAIT):
            raise failure(
                Code.OPERATION_TIMEOUT,
                f"cannot acquire state change lock (held by monitor={domain.doing})",
                origin=Origin.NONE,
            )
        domain.doing = self._api.remote_name
        if not self._host.has(domain):
            domain.job.release()
            raise no_domain(domain.ref)

    def __exit__(self, *_error: object) -> None:
        self._domain.job.release()


def _fitted(definition: Definition, record: Record, wanted: int | None = None) -> Definition:
    """Return a definition with what an instance has of memory and of CPUs.

    Args:
        definition: which.
        record: what the instance has.
        wanted: how much memory a client is giving it, in KiB; None where none does.
    """
    memory = _exact(record, wanted or definition.current_memory)
    if memory > definition.memory:
        definition = definition.with_memory(memory)
    if memory != definition.current_memory:
        definition = definition.with_current_memory(memory)
    if record.vcpus > definition.most_vcpus:
        definition = definition.with_most_vcpus(record.vcpus)
    return definition if record.vcpus == definition.vcpus else definition.with_vcpus(record.vcpus)


def _exact(record: Record, kib: int) -> int:
    """Return what an instance has of memory, in KiB: so many if these are its MiB, for it counts in these."""
    return kib if mebibytes(kib) == record.memory else record.memory * 1024


def _results(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return value if type(value) is tuple else (value,)
