"""What befalls the domains of a host: starts, stops and pauses, by whoever's doing, and its own end."""

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from pytest_fakehv.fronts.libvirt.crossing import Crossing
from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host import changes, workload
from pytest_fakehv.fronts.libvirt.host.declared import declared, definition_of
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domains import Domains, Known, exact
from pytest_fakehv.fronts.libvirt.host.domainxml.running import Place
from pytest_fakehv.fronts.libvirt.host.guests.agents import Agents
from pytest_fakehv.fronts.libvirt.host.moves import Incoming
from pytest_fakehv.fronts.libvirt.host.places import Places
from pytest_fakehv.fronts.libvirt.host.registry import no_domain
from pytest_fakehv.fronts.libvirt.host.words import (
    AgentReason,
    AgentState,
    Defined,
    EventKind,
    IoErrorAction,
    Lifecycle,
    Paused,
    Running,
    Shutoff,
    Started,
)
from pytest_fakehv.fronts.libvirt.translation import Machine
from pytest_fakehv.fronts.libvirt.values import DomainRef
from pytest_fakehv.interface.errors import HypervisorError
from pytest_fakehv.storage.locks import under_lock
from pytest_fakehv.storage.store import Record
from pytest_fakehv.story.chronicle import Change, Deed
from pytest_fakehv.text import natural_order

__tracebackhide__ = True  # a failed call is shown at the line that made it


class Befalling(Domains, ABC):
    """Domains as they are on their node of the cluster, whoever changes them there.

    Args: as for `Domains`.
    """

    def __init__(self, machine: Machine, known: Known, agents: Agents) -> None:
        super().__init__(machine, known, agents)
        self._seen_placed = -1
        if not machine.is_down:
            self.networks.boots()
        self.sync()

    @property
    def is_silent(self) -> bool:
        """Whether it is cut off: no word gets in or out, and no connection breaks."""
        return self.machine.is_cut_off

    @property
    def is_up(self) -> bool:
        """Whether anybody answers there."""
        return not (self.machine.is_cut_off or self.machine.is_down)

    # Which there are now

    @property
    def domains(self) -> list[Domain]:
        """All of its domains, as the cluster has them now."""
        self.sync()
        return list(self._registry)

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
        if (found := self._registry.by_name(name)) is None and self._catches_up():
            found = self._registry.by_name(name)
        return found

    def by_uuid(self, key: bytes) -> Domain | None:
        """Return the domain of a UUID's 16 bytes; None if there is none."""
        if (found := self._registry.by_uuid(key)) is None and self._catches_up():
            found = self._registry.by_uuid(key)
        return found

    def domain_of(self, definition: Definition) -> Domain | None:
        """Return the domain that a definition is of; None for a new one.

        Raises:
            LibvirtError: its name, or its UUID, is another one's.
        """
        by_uuid, by_name = self.by_uuid(definition.uuid), self.by_name(definition.name)
        if by_uuid and by_uuid.name != definition.name:
            problem = f"domain '{by_uuid.name}' is already defined with uuid {UUID(bytes=by_uuid.uuid)}"
        elif by_name and by_name.uuid != definition.uuid:
            problem = f"domain '{by_name.name}' already exists with uuid {UUID(bytes=by_name.uuid)}"
        else:
            return by_uuid
        raise failure(Code.OPERATION_FAILED, problem, origin=Origin.DOMAIN)

    @under_lock
    def sync(self) -> None:
        """Take up what the cluster has and no client has told this host of, by other programs' doing, too."""
        if not self.is_up:
            return
        self._catches_up()
        running, known = self.machine.running(), dict[str, Domain]()
        for domain in self._registry:
            if domain.incoming:
                running.discard(domain.instance)
            elif domain.place:
                known[domain.name] = domain
        if running == known.keys():
            return
        for name in sorted(running - known.keys(), key=natural_order):
            self._take_up(name, None, is_silent=True)
        for name in known.keys() - running:
            self.ends(known[name], None)

    @under_lock
    def _catches_up(self) -> bool:
        """Take up what the test has declared on the node since this was last asked; tell whether it has.

        Of what starts and stops in this process it is told, so that this alone is to be looked for.
        """
        if self.machine.placed == self._seen_placed or not self.is_up:
            return False
        self._seen_placed = self.machine.placed
        for spec in self.machine.declared():
            if self._registry.by_name(spec.name) is None:
                self.add(self._made(self._named(spec.name), is_persistent=True))
        return True

    # What befalls them

    def changed(self, name: str, what: Change, method: str | None) -> None:
        """Note what has become of an instance there; called under the lock.

        Args:
            name: which.
            what: what.
            method: the name of the call that did it; None for none.
        """
        domain = self._registry.of_instance(name)
        if what != "paused":
            self.machine.goes_on(name)
        if what == "running":
            self._take_up(name, method)
        elif domain is None or not domain.is_active:
            return
        elif what == "gone":
            self.ends(domain, method)
        elif what == "paused":
            if not domain.is_paused:
                self._pauses(domain, changes.LEAVES if domain.outgoing else method)
        elif domain.is_paused:
            self._resumes(domain, changes.LEFT if domain.outgoing else method)

    def ballooned(self, name: str) -> None:
        """Note that an instance there was given other memory, or CPUs; called under the lock."""
        domain, record = self._registry.of_instance(name), self.machine.record(name)
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
            self._loses_moving()
            self.networks.goes_down()
            self._places = Places()
        elif what == "disconnect":
            self.audience.silence()
            self._breaks_moving()
        elif what == "reconnect":
            self.audience.speak()

    def boots(self) -> None:
        """Start what is to start with the host: first the networks."""
        with self._lock:
            self.networks.boots()
        for domain in sorted(self.domains, key=lambda each: natural_order(each.name)):
            if domain.autostart and not domain.is_active:
                with suppress(HypervisorError, LibvirtError):  # as a daemon, which goes on with the next
                    self.starts_itself(domain, domain.definition)

    def starts_itself(self, domain: Domain, definition: Definition, *, paused: bool = False) -> None:
        """Start a domain with the host.

        Args:
            domain: which.
            definition: by what.
            paused: whether it starts paused.

        Raises:
            LibvirtError: it lacks what it needs.
            HypervisorError: it can't be started.
        """
        self.check_can_start(definition)
        memory, vcpus = definition.current_memory, definition.vcpus
        self.machine.boots(domain.name, memory, vcpus, paused=paused, by=domain.set_by)

    @abstractmethod
    def check_can_start(self, definition: Definition) -> None:
        """Refuse a domain that lacks what it needs of its host to start; called under the lock.

        Raises:
            LibvirtError: it does.
        """

    # The agents in their guests

    def hears_agent(self, domain: Domain) -> bool:
        """Tell whether an agent in a domain's guest listens to the host."""
        return domain.place is not None and domain.place.hears_agent

    def agent_changed(self, name: str, *, is_silent: bool = False) -> None:
        """Note that an agent may listen now in the guest of a domain, or none any more; under the lock.

        One begins to as soon as its guest runs for the first time.
        """
        domain = self._registry.by_name(name)
        if domain is None or domain.place is None:
            return
        listens = domain.definition.has_agent and self.agents.of(name) is not None
        if listens == domain.place.hears_agent or (listens and domain.is_paused):
            return
        domain.place = replace(domain.place, hears_agent=listens)
        if not is_silent:
            state = AgentState.CONNECTED if listens else AgentState.DISCONNECTED
            self._tell_of_agent(domain, state, AgentReason.CHANNEL)

    def _guest_begins(self, domain: Domain, method: str | None, *, is_silent: bool) -> None:
        """Note that a domain's guest begins, unless it comes from elsewhere; no agent listens yet."""
        if method == changes.ARRIVES:
            return
        self.agents.boots(domain.name)
        if domain.definition.has_agent and not is_silent:
            self._tell_of_agent(domain, AgentState.DISCONNECTED, AgentReason.DOMAIN_STARTED)

    def guest_boots(self, domain: Domain) -> None:
        """Note that a running domain's guest begins anew, and its agent with it; called under the lock."""
        self.agents.boots(domain.name)
        if domain.place and domain.place.hears_agent:
            domain.place = replace(domain.place, hears_agent=False)
            self._tell_of_agent(domain, AgentState.DISCONNECTED, AgentReason.CHANNEL)
        self.tell(domain, EventKind.REBOOT)
        self.agent_changed(domain.name)

    def _tell_of_agent(self, domain: Domain, state: AgentState, reason: AgentReason) -> None:
        self.tell(domain, EventKind.AGENT_LIFECYCLE, int(state), int(reason))

    # Inside: all of it under the lock

    def _take_up(self, name: str, method: str | None, *, is_silent: bool = False) -> None:
        """Note that a domain runs."""
        domain, record = self._registry.of_instance(name), self.machine.record(name)
        if domain and domain.incoming:
            if name == domain.instance:  # else what has started is called as this is to be
                self.machine.runs(name, domain.uuid)
            domain.incoming.arrives()
            return
        if domain and domain.is_active:  # another program had taken it away
            self.ends(domain, None)
            domain = self._registry.by_name(name)
        if domain is None:
            named = self._named(name)
            self.machine.runs(name, named.uuid)  # also where that is a domain's here by another name
            domain = self._made(named, is_persistent=method in (None, "StartInstance"))
            self.add(domain)
            if domain.is_persistent and not is_silent:
                self.tell(domain, EventKind.LIFECYCLE, int(Lifecycle.DEFINED), int(Defined.ADDED))
        else:
            self.machine.runs(name, domain.uuid)
        definition = domain.starting or domain.definition
        if record:
            definition = _fitted(definition, record)
        domain.runs(self._placed(definition), self.detected(definition), self.machine.now)
        self._knows(definition)
        method = domain.starts_by or method
        self._guest_begins(domain, method, is_silent=is_silent)
        told: changes.Told[Paused] | changes.Told[Running]
        if record and record.is_paused:
            told = changes.told(changes.STARTED_PAUSED, method)
            domain.pauses(told.reason)
        else:
            told = changes.told(changes.STARTED, method)
            domain.resumes(told.reason)
        if not is_silent:
            self._tell(domain, told)
            if method not in changes.GO_ON:
                self._comes_up(domain)
        self.agent_changed(domain.name, is_silent=is_silent)

    def _placed(self, definition: Definition) -> Place:
        """Return where a domain of a definition is to run, which nobody else gets."""
        return replace(self._places.take(definition), bridges=self.networks.bridges(definition))

    @abstractmethod
    def detected(self, definition: Definition) -> Definition:
        """Return by what a domain runs that is started by a definition: with what is beneath its disks."""

    def comes(self, domain: Domain, instance: str) -> None:
        """Note as which of the cluster's instances a domain is to come here; called under the lock."""
        self._registry.comes(domain, instance)

    def came_as(self, name: str) -> str:
        """Return what the instance was called that the domain of a name has come as, or is to."""
        return self._registry.came_as(name)

    def takes_its_name(self, domain: Domain, incoming: Incoming) -> None:
        """Let the instance as which a domain has come be called as it is; called under the lock.

        Raises:
            LibvirtError: something else has that name, or it runs no more.
            HypervisorError: it can't be renamed.
        """
        if incoming.instance != domain.name:
            incoming.arrives = lambda: None  # it has
            self._registry.arrived(domain)
            self.machine.rename(incoming.instance, domain.name, uuid=domain.uuid)
            incoming.instance = domain.name
            self._knows(incoming.definition)

    def prepares(self, domain: Domain, definition: Definition) -> None:
        """Note that a domain is there, though it doesn't run: all of it is to come from another host."""
        domain.runs(self._placed(definition), self.detected(definition), self.machine.now)
        domain.pauses(Paused.MIGRATION)
        if definition.has_agent:
            self._tell_of_agent(domain, AgentState.DISCONNECTED, AgentReason.DOMAIN_STARTED)
        self.tell(domain, EventKind.LIFECYCLE, Lifecycle.STARTED, Started.MIGRATED)

    def known(self, key: bytes) -> Domain | None:
        """Return the domain of a UUID's 16 bytes, as far as it was noticed; None if there is none."""
        return self._registry.by_uuid(key)

    def _loses_moving(self) -> None:
        """Forget what is moving, from here or to here, with what else the host forgets that goes down."""
        for domain in self._registry:
            is_on_its_way = domain.incoming and domain.is_active
            domain.stays()
            if is_on_its_way:
                self._stops(domain, Shutoff.UNKNOWN)
                if not domain.is_persistent:
                    self.drop(domain)

    def _breaks_moving(self) -> None:
        """Let fail what is being sent, from here or to here, as no word gets through any more."""
        for domain in self._registry:
            if domain.incoming or domain.outgoing:
                Crossing(self.machine, domain.instance).fail(f"{self.name} was cut off")

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
        self.agent_changed(domain.name)

    def ends(self, domain: Domain, method: str | None) -> None:
        """Note that a domain runs no more."""
        if self.machine.is_losing_everything:
            self._stops(domain, Shutoff.UNKNOWN)
        else:
            told, before = changes.told(changes.STOPPED, method), domain.ref
            backup = domain.disk_jobs.backup
            self._stops(domain, told.reason)
            lost = backup.lost(self.machine.now) if backup else None
            domain.completed = lost or domain.completed
            self._tell(domain, told, before=before, lost=lost)
        if not domain.is_persistent:
            self.drop(domain)

    def _stops(self, domain: Domain, reason: Shutoff) -> None:
        self._places.give_back(domain.id)
        self.spent += workload.busy_time(domain)
        domain.stops(reason)

    def _named(self, name: str) -> Definition:
        """Return what is known anywhere of an instance that no client has defined here."""
        if definition := self._known.get(name):
            return definition
        if spec := self.machine.spec(name):
            return definition_of(spec)
        record = self.machine.record(name)
        memory, vcpus = (record.memory, record.vcpus) if record else (1, 1)
        return declared(name, memory=memory, vcpus=vcpus)

    def _made(self, definition: Definition, *, is_persistent: bool) -> Domain:
        """Make a domain of such an instance."""
        if self._registry.by_uuid(definition.uuid):  # of what had this name before it got another
            definition = definition.with_uuid(self.new_uuid())
        domain = Domain(definition=definition)
        if is_persistent:
            domain.defined(definition)
        return domain


def _fitted(definition: Definition, record: Record, wanted: int | None = None) -> Definition:
    """Return a definition with what an instance has of memory and of CPUs.

    Args:
        definition: which.
        record: what the instance has.
        wanted: how much memory a client is giving it, in KiB; None where none does.
    """
    memory = exact(record, wanted or definition.current_memory)
    if memory > definition.memory:
        definition = definition.with_memory(memory)
    if memory != definition.current_memory:
        definition = definition.with_current_memory(memory)
    if record.vcpus > definition.most_vcpus:
        definition = definition.with_most_vcpus(record.vcpus)
    return definition if record.vcpus == definition.vcpus else definition.with_vcpus(record.vcpus)
