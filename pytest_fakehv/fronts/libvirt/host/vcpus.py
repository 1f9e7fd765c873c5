"""What domains have of CPUs, and where on the host these run."""

from typing import Any

from pytest_fakehv.fronts.libvirt.errors import Code, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import (
    affected,
    check_active,
    refuse_agent,
    the_affected,
)
from pytest_fakehv.fronts.libvirt.host.cpumaps import cpu_map, every, joined, one_of, written
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.eachcpu import in_turn, resized
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.words import Affect, Vcpu
from pytest_fakehv.fronts.libvirt.host.workload import vcpu_time
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_EITHER = Affect.LIVE | Affect.CONFIG

_RUNNING = 1
"""What a CPU of a domain does: ``VIR_VCPU_RUNNING``."""


@api("virDomainGetMaxVcpus")
def max_vcpus(_host: Host, _session: Session, domain: Domain) -> int:
    """Return how many it may have, while it runs."""
    check_active(domain)
    return domain.definition.most_vcpus


@api("virDomainGetVcpusFlags", flags=_EITHER | Vcpu.MAXIMUM | Vcpu.GUEST)
def vcpus_flags(host: Host, _session: Session, domain: Domain, flags: int) -> int:
    """Return how many it has, or may have."""
    definition = the_affected(domain, flags)
    if flags & Vcpu.GUEST:
        if definition is domain.live:
            refuse_agent(domain)
        raise failure(
            Code.INVALID_ARG,
            "vCPU count provided by the guest agent can only be requested for live domains",
        )
    if flags & Vcpu.MAXIMUM:
        return definition.most_vcpus
    return host.vcpus_of(domain) if definition is domain.live else definition.vcpus


@api(
    "virDomainSetVcpusFlags",
    plain="virDomainSetVcpus",
    amount="nvcpus",
    has_job=True,
    runs_instances=True,
    flags=_EITHER | Vcpu.MAXIMUM | Vcpu.GUEST | Vcpu.HOTPLUGGABLE,
)
def set_vcpus(host: Host, _session: Session, domain: Domain, count: int, flags: int = Affect.LIVE) -> None:
    """Give a domain more or fewer CPUs; without flags, one that runs."""
    live, config = affected(domain, flags)
    if flags & Vcpu.GUEST:
        refuse_agent(domain)
    if flags & Vcpu.MAXIMUM:
        if live:
            problem = "maximum vcpu count of a live domain can't be modified"
            raise failure(Code.OPERATION_UNSUPPORTED, problem)
        host.configure(domain, lambda given: given.with_most_vcpus(count))
        return
    for which, definition in (("live", live), ("persistent", config)):
        if definition and count > definition.most_vcpus:
            raise failure(
                Code.INVALID_ARG,
                f"requested vcpus is greater than max allowable vcpus for the {which} domain: "
                f"{count} > {definition.most_vcpus}",
            )
    if live:
        if count < domain.fixed_vcpus:
            raise failure(
                Code.CONFIG_UNSUPPORTED,
                "failed to find appropriate hotpluggable vcpus to reach the desired target vcpu count",
            )
        has_changed = count != host.vcpus_of(domain)
        host.machine.change(domain.name, live.current_memory, count)
        if has_changed:
            cpus = in_turn(resized(in_turn(live.cpus), count, can_go=True))
            host.change_live(domain, lambda given: given.with_cpus(cpus))
    if config:
        can_go = live is not None or bool(flags & Vcpu.HOTPLUGGABLE)
        host.configure(domain, lambda given: given.with_vcpus(count, can_go=can_go))


@api("virDomainGetVcpus")
def vcpus(host: Host, _session: Session, domain: Domain, most: int, map_length: int) -> tuple[Any, ...]:
    """Return on which CPU of the host each of a running domain's CPUs runs, and on which it may."""
    if not domain.is_active:
        raise failure(Code.OPERATION_INVALID, "cannot retrieve vcpu information for inactive domain")
    count, cpus = min(host.vcpus_of(domain), max(most, 0)), host.hardware.cpus
    maps = [cpu_map(domain.definition.pins.get(number), cpus) for number in range(count)]
    running = [
        (number, _RUNNING, vcpu_time(domain, number), one_of(allowed, number))
        for number, allowed in enumerate(maps)
    ]
    return running, joined(maps, map_length)


@api("virDomainPinVcpuFlags", plain="virDomainPinVcpu", has_job=True, flags=_EITHER)
def pin_vcpu(
    host: Host, _session: Session, domain: Domain, number: int, cpus: bytes, flags: int = Affect.LIVE
) -> None:
    """Let one of a domain's CPUs run on some of the host's alone; without flags, of one that runs."""
    live, config = affected(domain, flags)
    for which, definition in (("live", live), ("persistent", config)):
        if definition and number >= definition.most_vcpus:
            problem = f"vcpu {number} is out of range of {which} cpu count {definition.most_vcpus}"
            raise failure(Code.INVALID_ARG, problem)
    wanted = int.from_bytes(cpus, "little") & every(host.hardware.cpus)
    if not wanted:
        raise failure(Code.INVALID_ARG, "Empty cpu list for pinning")
    text = written(wanted)
    if live:
        host.change_live(domain, lambda given: given.with_pin(number, text))
    if config:
        host.configure(domain, lambda given: given.with_pin(number, text))


@api("virDomainGetVcpuPinInfo", flags=_EITHER)
def vcpu_pins(
    host: Host, _session: Session, domain: Domain, count: int, map_length: int, flags: int
) -> tuple[bytes, int]:
    """Return on which CPUs of the host each of a domain's CPUs may run."""
    definition = the_affected(domain, flags)
    number = min(max(count, 0), definition.most_vcpus)
    maps = [cpu_map(definition.pins.get(each), host.hardware.cpus) for each in range(number)]
    return joined(maps, map_length), number


@api("virDomainGetEmulatorPinInfo", flags=_EITHER)
def emulator_pins(
    host: Host, _session: Session, domain: Domain, map_length: int, flags: int
) -> tuple[bytes, int]:
    """Return on which CPUs of the host a domain's emulator may run: on all."""
    the_affected(domain, flags)
    return joined([every(host.hardware.cpus)], map_length), 1
