"""What domains have of memory and of CPUs."""

from typing import Any

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import affected, check_active
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host, Session
from pytest_fakehv.fronts.libvirt.host.words import Affect, EventKind

__tracebackhide__ = True  # a failed call is shown at the line that made it

_MAXIMUM = 4
_GUEST = 8
_HOTPLUGGABLE = 16


@api("virDomainGetMaxMemory")
def max_memory(_host: Host, _session: Session, domain: Domain) -> int:
    """Return the most that it may have, in KiB."""
    return domain.definition.memory


@api("virDomainSetMaxMemory", has_job=True)
def set_max_memory(host: Host, session: Session, domain: Domain, memory: int) -> None:
    """Change the most that it may have."""
    set_memory_flags(host, session, domain, memory, _MAXIMUM)


@api("virDomainSetMemory", has_job=True, runs_instances=True)
def set_memory(host: Host, session: Session, domain: Domain, memory: int) -> None:
    """Give a running domain more or less memory."""
    set_memory_flags(host, session, domain, memory, Affect.LIVE)


@api(
    "virDomainSetMemoryFlags", has_job=True, runs_instances=True, flags=Affect.LIVE | Affect.CONFIG | _MAXIMUM
)
def set_memory_flags(host: Host, _session: Session, domain: Domain, memory: int, flags: int) -> None:
    """Do the same, with flags: in KiB."""
    is_live, is_config = affected(domain, flags)
    if flags & _MAXIMUM:
        if is_live:
            raise failure(Code.OPERATION_INVALID, "cannot resize the maximum memory on an active domain")
        _configure_most(host, domain, memory)
        return
    most = min(each.memory for each in (is_live and domain.live, is_config and domain.config) if each)
    if memory > most:
        raise failure(Code.INVALID_ARG, "cannot set memory higher than max memory")
    if is_live and domain.live:
        host.machine.change(domain.name, memory, host.vcpus_of(domain))
        with host.machine.lock:
            if domain.live:
                domain.live = domain.live.with_current_memory(memory)
                host.tell(domain, EventKind.BALLOON_CHANGE, memory)
    if is_config and domain.config:
        with host.machine.lock:
            domain.config = domain.config.with_current_memory(memory)
            if not domain.is_active:
                host.machine.declare(domain.name, domain.config.memory, domain.config.vcpus)


def _configure_most(host: Host, domain: Domain, memory: int) -> None:
    config = domain.config
    if config is None:
        return
    with host.machine.lock:
        domain.config = config.with_memory(memory)
        host.machine.declare(domain.name, memory, config.vcpus)


# CPUs


@api("virDomainGetMaxVcpus")
def max_vcpus(_host: Host, _session: Session, domain: Domain) -> int:
    """Return how many it may have, while it runs."""
    check_active(domain)
    return domain.definition.most_vcpus


@api("virDomainGetVcpusFlags", flags=Affect.LIVE | Affect.CONFIG | _MAXIMUM | _GUEST)
def vcpus_flags(host: Host, _session: Session, domain: Domain, flags: int) -> int:
    """Return how many it has, or may have."""
    is_live, _ = affected(domain, flags)
    if flags & _GUEST:
        if not is_live:
            raise failure(
                Code.INVALID_ARG,
                "vCPU count provided by the guest agent can only be requested for live domains",
            )
        raise failure(Code.ARGUMENT_UNSUPPORTED, "QEMU guest agent is not configured")
    definition = domain.live if is_live else domain.config
    assert definition is not None  # by what the flags mean  # noqa: S101
    if flags & _MAXIMUM:
        return definition.most_vcpus
    return host.vcpus_of(domain) if is_live else definition.vcpus


@api("virDomainSetVcpus", has_job=True, runs_instances=True)
def set_vcpus(host: Host, session: Session, domain: Domain, count: int) -> None:
    """Give a running domain more or fewer CPUs."""
    set_vcpus_flags(host, session, domain, count, Affect.LIVE)


@api(
    "virDomainSetVcpusFlags",
    has_job=True,
    runs_instances=True,
    flags=Affect.LIVE | Affect.CONFIG | _MAXIMUM | _GUEST | _HOTPLUGGABLE,
)
def set_vcpus_flags(host: Host, _session: Session, domain: Domain, count: int, flags: int) -> None:
    """Do the same, with flags."""
    is_live, is_config = affected(domain, flags)
    if flags & _GUEST:
        raise failure(Code.ARGUMENT_UNSUPPORTED, "QEMU guest agent is not configured")
    if flags & _MAXIMUM:
        if is_live:
            raise failure(Code.INVALID_ARG, "maximum vcpu count of a live domain can't be modified")
        _configure_vcpus(host, domain, domain.definition.with_most_vcpus(count))
        return
    for which, definition in (("live", is_live and domain.live), ("persistent", is_config and domain.config)):
        if definition and count > definition.most_vcpus:
            raise failure(
                Code.INVALID_ARG,
                f"requested vcpus is greater than max allowable vcpus for the {which} domain: "
                f"{count} > {definition.most_vcpus}",
            )
    if is_live and domain.live:
        host.machine.change(domain.name, host.memory_of(domain), count)
        with host.machine.lock:
            if domain.live:
                domain.live = domain.live.with_vcpus(count)
    if is_config and domain.config:
        _configure_vcpus(host, domain, domain.config.with_vcpus(count))


def _configure_vcpus(host: Host, domain: Domain, config: Definition) -> None:
    with host.machine.lock:
        domain.config = config
        if not domain.is_active:
            host.machine.declare(domain.name, config.memory, config.vcpus)


@api("virDomainGetVcpus")
def vcpus(host: Host, _session: Session, domain: Domain, most: int, map_length: int) -> tuple[Any, ...]:
    """Return on which CPU of the host each of a running domain's CPUs runs, and on which it may."""
    check_active(domain)
    count = min(host.vcpus_of(domain), most)
    cpus = host.machine.size["cpu_total"]
    running = [(number, 1, host.cpu_time(domain) // max(1, count), number % cpus) for number in range(count)]
    return running, every_cpu(cpus, map_length) * count


def every_cpu(cpus: int, length: int) -> bytes:
    """Return so many CPUs as a map of bits, in so many bytes."""
    return ((1 << cpus) - 1).to_bytes(max(length, -(-cpus // 8)), "little")[:length]


@api("virDomainGetVcpuPinInfo", flags=Affect.LIVE | Affect.CONFIG)
def vcpu_pins(
    host: Host, _session: Session, domain: Domain, count: int, map_length: int, flags: int
) -> tuple[bytes, int]:
    """Return on which CPUs of the host each of a domain's CPUs may run: on all."""
    affected(domain, flags)
    number = min(count, domain.definition.most_vcpus)
    return every_cpu(host.machine.size["cpu_total"], map_length) * number, number
