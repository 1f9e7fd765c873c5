"""A host's domains: their definitions, what they have, and who is told of them."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any, Final

from pytest_fakehv.fronts.libvirt.host import changes, workload
from pytest_fakehv.fronts.libvirt.host.audience import Audience
from pytest_fakehv.fronts.libvirt.host.capabilities import Hardware
from pytest_fakehv.fronts.libvirt.host.checks import Affected
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.plugging import LINES
from pytest_fakehv.fronts.libvirt.host.domainxml.running import (
    TAPS,
    needs_tap,
    needs_terminal,
    on_terminal,
    with_target,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.networks.networks import Networks
from pytest_fakehv.fronts.libvirt.host.places import Places
from pytest_fakehv.fronts.libvirt.host.registry import DomainRegistry
from pytest_fakehv.fronts.libvirt.host.words import EventKind
from pytest_fakehv.fronts.libvirt.translation import Machine, mebibytes
from pytest_fakehv.fronts.libvirt.values import DomainRef, Notice, Parameter
from pytest_fakehv.storage.store import Record

__tracebackhide__ = True  # a failed call is shown at the line that made it

_SHARED_MEMORY: Final = {"shm_pages_to_scan": 100, "shm_sleep_millisecs": 20, "shm_merge_across_nodes": 1}
"""How a host shares pages of which several are the same, unless it is told."""

Known = dict[str, Definition]
"""By what each domain of a cluster was last defined or started, by its name."""


class Domains:
    """Which domains a host has, and what each has.

    Args:
        machine: the node.
        known: what all of the cluster's hosts know.

    Attributes:
        machine: as given.
        name: the node's.
        hardware: what it is.
        audience: who is connected.
        networks: its virtual networks.
        shared_memory: how it shares pages that are the same, as ``virNodeGetMemoryParameters`` says it.
        spent: for how long its CPUs have worked for domains that run no more, in ns.
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
        self._lock = machine.lock
        self._known = known
        self._registry = DomainRegistry()
        self.networks = Networks(self.hardware.uuid, lambda: self._registry, self.audience.tell)
        self.shared_memory = dict(_SHARED_MEMORY)
        self.spent = 0
        self._places = Places()
        self._uuids = count(1)

    # What they have

    def memory_of(self, domain: Domain) -> int:
        """Return what a domain has of memory, or would have, in KiB."""
        definition, record = domain.live, self.machine.record(domain.name)
        if definition is None or record is None:
            return domain.definition.current_memory
        if domain.lagging is not None:
            return domain.lagging
        return exact(record, definition.current_memory)

    def vcpus_of(self, domain: Domain) -> int:
        """Return how many CPUs a domain has, or would have."""
        record = self.machine.record(domain.name) if domain.is_active else None
        return record.vcpus if record else domain.definition.vcpus

    def cpu_time(self, domain: Domain) -> int:
        """Return how long a running domain's CPUs have worked, in ns."""
        return workload.cpu_time(domain) if domain.is_active else 0

    def new_uuid(self) -> bytes:
        """Return a UUID's 16 bytes, the same in each run for the same calls."""
        return uuid.uuid5(self.hardware.uuid, f"{self.machine.seed}/{next(self._uuids)}").bytes

    # What is done with them: all of it under the lock

    def has(self, domain: Domain) -> bool:
        """Tell whether a domain is still there."""
        return domain in self._registry

    def add(self, domain: Domain) -> None:
        """Have one more domain."""
        domain.clock = lambda: self.machine.now
        self._registry.add(domain)

    def drop(self, domain: Domain) -> None:
        """Have a domain no more."""
        self._registry.drop(domain)

    def define(self, domain: Domain, config: Definition) -> None:
        """Let a domain have another persistent definition; it may be a new one."""
        self.machine.declare(config.name, config.memory, config.vcpus, uuid=config.uuid)
        self._knows(config)
        domain.defined(config)
        if not self.has(domain):
            self.add(domain)

    def _knows(self, definition: Definition) -> None:
        """Note by what a domain was defined or started last, and so which one its name means."""
        self.machine.called(definition.name, definition.uuid)
        self._known[definition.name] = definition

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

    def change(self, domain: Domain, which: Affected, change: Callable[[Definition], Definition]) -> None:
        """Change those of a domain's definitions that a call is about: all of them, or none.

        Raises:
            LibvirtError: one can't be changed so.
        """
        live, config = (change(each) if each else None for each in which)
        if live:
            self.change_live(domain, lambda _: live)
        if config:
            self.configure(domain, lambda _: config)

    def placed(self, domain: Domain, device: Element) -> Element:
        """Return a device that comes to a running domain with where on the host it is."""
        if device.name == "interface" and needs_tap(device):
            return with_target(device, f"{TAPS[device.attributes['type']]}{self._places.take_tap()}")
        if device.name in LINES and needs_terminal(device):
            return on_terminal(device, f"/dev/pts/{self._places.take_terminal(domain.id)}").having(tty=None)
        return device

    def connects(self, domain: Domain) -> None:
        """Note to which networks a running domain is connected that has other interfaces now."""
        there = {each.network: each for each in self.networks.bridges(domain.definition)}
        there.update({each.network: each for each in (domain.place.bridges if domain.place else ())})
        domain.place = domain.place and replace(domain.place, bridges=tuple(there.values()))

    def undefine(self, domain: Domain) -> None:
        """Let a domain have no persistent definition, and be no more once it doesn't run."""
        domain.config, domain.autostart = None, False
        self.machine.withdraw(domain.name)
        if not domain.is_active:
            self._known.pop(domain.name, None)
            self.drop(domain)

    def rename(self, domain: Domain, renamed: Definition) -> None:
        """Let a domain that is shut off have another name, that of a definition."""
        self.machine.declare(renamed.name, renamed.memory, renamed.vcpus, uuid=renamed.uuid)
        self.machine.withdraw(domain.name)
        self._knows(renamed)
        self._known.pop(domain.name, None)
        self.drop(domain)
        domain.defined(renamed)
        self.add(domain)

    # What is told of them

    def tell(self, domain: Domain, kind: EventKind, *details: Any, ref: DomainRef | None = None) -> None:
        """Send an event to whoever wants to know; called under the lock.

        Args:
            domain: what it is about.
            kind: what happened.
            *details: what the event says beside.
            ref: what the clients know the domain by, if that is not what they do now.
        """
        self.audience.tell(Notice(kind, ref or domain.ref, details))

    def _tell(
        self,
        domain: Domain,
        told: changes.AnyTold,
        *,
        before: DomainRef | None = None,
        lost: list[Parameter] | None = None,
    ) -> None:
        last = len(told.events) - 1
        for place, (event, detail) in enumerate(told.events):
            if place == last and lost is not None:  # a job of the domain has ended with it
                self.tell(domain, EventKind.JOB_COMPLETED, lost)
            ref = before if place < last or told.is_numbered else None
            self.tell(domain, EventKind.LIFECYCLE, int(event), int(detail), ref=ref)


def exact(record: Record, kib: int) -> int:
    """Return what an instance has of memory, in KiB: so many if these are its MiB, for it counts in these."""
    return kib if mebibytes(kib) == record.memory else record.memory * 1024
