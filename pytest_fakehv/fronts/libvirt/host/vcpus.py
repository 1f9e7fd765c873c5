"""What domains have of CPUs, and where on the host these run."""

from typing import Any, Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.audience import Session
from pytest_fakehv.fronts.libvirt.host.checks import (
    affected,
    check_active,
    refuse_agent,
    the_affected,
)
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.words import Affect, Vcpu

__tracebackhide__ = True  # a failed call is shown at the line that made it

_EITHER = Affect.LIVE | Affect.CONFIG

_LONGEST_MAPS: Final = 2**20
"""Bytes that the maps of a domain's CPUs may have."""

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
        host.machine.change(domain.name, live.current_memory, count)
    if config:
        host.configure(domain, lambda given: given.with_vcpus(count))


@api("virDomainGetVcpus")
def vcpus(host: Host, _session: Session, domain: Domain, most: int, map_length: int) -> tuple[Any, ...]:
    """Return on which CPU of the host each of a running domain's CPUs runs, and on which it may."""
    if not domain.is_active:
        raise failure(Code.OPERATION_INVALID, "cannot retrieve vcpu information for inactive domain")
    count, cpus = min(host.vcpus_of(domain), max(most, 0)), host.hardware.cpus
    share = host.cpu_time(domain) // max(1, count)
    running = [(number, _RUNNING, share, number % cpus) for number in range(count)]
    return running, _every_cpu(cpus, map_length, count)


@api("virDomainGetVcpuPinInfo", flags=_EITHER)
def vcpu_pins(
    host: Host, _session: Session, domain: Domain, count: int, map_length: int, flags: int
) -> tuple[bytes, int]:
    """Return on which CPUs of the host each of a domain's CPUs may run: on all."""
    number = min(max(count, 0), the_affected(domain, flags).most_vcpus)
    return _every_cpu(host.hardware.cpus, map_length, number), number


@api("virDomainGetEmulatorPinInfo", flags=_EITHER)
def emulator_pins(
    host: Host, _session: Session, domain: Domain, map_length: int, flags: int
) -> tuple[bytes, int]:
    """Return on which CPUs of the host a domain's emulator may run: on all."""
    the_affected(domain, flags)
    return _every_cpu(host.hardware.cpus, map_length, 1), 1


def _every_cpu(cpus: int, length: int, times: int) -> bytes:
    """Return so many CPUs as a map of bits, in so many bytes, so many times.

    Raises:
        LibvirtError: that is more than anybody can want.
    """
    if not 0 <= length * times <= _LONGEST_MAPS:
        raise failure(Code.INTERNAL_ERROR, f"{times} maps of {length} bytes are too large", origin=Origin.RPC)
    return ((1 << cpus) - 1).to_bytes(max(length, -(-cpus // 8)), "little")[:length] * times
