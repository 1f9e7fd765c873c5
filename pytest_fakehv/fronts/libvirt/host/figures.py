"""What a domain is and does now: its state, its figures, its definition."""

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.definition import INACTIVE, MIGRATABLE, SECURE, UPDATE_CPU
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import Xml

__tracebackhide__ = True  # a failed call is shown at the line that made it


@api("virDomainGetInfo")
def info(host: Host, _session: Session, domain: Domain) -> tuple[int, ...]:
    """Return state, the most memory and what it has, in KiB, CPUs, and the CPU time in ns."""
    memory = host.memory_of(domain)
    return int(domain.state), domain.definition.memory, memory, host.vcpus_of(domain), host.cpu_time(domain)


@api("virDomainGetState", flags=0)
def state(_host: Host, _session: Session, domain: Domain, _flags: int) -> tuple[int, int]:
    """Return what it does, and why."""
    return int(domain.state), int(domain.reason)


@api("virDomainGetControlInfo", flags=0)
def control(_host: Host, _session: Session, domain: Domain, _flags: int) -> tuple[int, int, int]:
    """Say that the way to its process is free."""
    check_active(domain)
    return 0, 0, 0


@api("virDomainGetXMLDesc", flags=SECURE | INACTIVE | UPDATE_CPU | MIGRATABLE)
def xml(host: Host, session: Session, domain: Domain, flags: int) -> str:
    """Return its definition."""
    if session.is_read_only and flags & (SECURE | MIGRATABLE):
        problem = "virDomainGetXMLDesc with secure flag"
        raise failure(Code.OPERATION_DENIED, problem, origin=Origin.DOMAIN)
    if domain.place is None or (flags & INACTIVE and domain.config):
        return Xml((domain.config or domain.definition).xml(flags))
    definition, memory = domain.definition, host.memory_of(domain)
    if memory != definition.current_memory:  # its guest is not so far, or a test has changed it otherwise
        definition = definition.with_current_memory(memory)
    if flags & INACTIVE:  # of a transient one, that is all that there is
        return Xml(definition.at(domain.place).without_id().xml(flags))
    return Xml(definition.xml(flags, domain.place))


@api("virDomainGetOSType")
def os_type(_host: Host, _session: Session, domain: Domain) -> str:
    """Return how its operating system sees the machine."""
    return domain.definition.os_type


@api("virDomainIsActive")
def is_active(_host: Host, _session: Session, domain: Domain) -> int:
    """Tell whether it runs."""
    return int(domain.is_active)


@api("virDomainIsPersistent")
def is_persistent(_host: Host, _session: Session, domain: Domain) -> int:
    """Tell whether it is there when it doesn't run."""
    return int(domain.is_persistent)


@api("virDomainIsUpdated")
def is_updated(_host: Host, _session: Session, _domain: Domain) -> int:
    """Tell whether it was changed while it runs: of QEMU's, no daemon says so."""
    return 0


@api("virDomainGetSecurityLabel")
def security_label(_host: Host, _session: Session, _domain: Domain) -> tuple[str, int]:
    """Say that there is no security driver."""
    return "", 0


@api("virDomainGetMessages", flags=3)
def messages(_host: Host, _session: Session, _domain: Domain, _flags: int) -> list[str]:
    """Return what the host has to complain of: nothing."""
    return []


# What does something to it that leaves no trace


@api("virDomainInjectNMI", flags=0)
def inject_nmi(_host: Host, _session: Session, domain: Domain, _flags: int) -> None:
    """Interrupt its guest."""
    check_active(domain)


@api("virDomainSendKey", flags=0)
def send_key(
    _host: Host, _session: Session, domain: Domain, _codes: int, _time: int, _keys: list[int], _flags: int
) -> None:
    """Press its keys."""
    check_active(domain)


@api("virDomainPMWakeup", flags=0)
def wake_up(_host: Host, _session: Session, domain: Domain, _flags: int) -> None:
    """Say that it doesn't sleep."""
    check_active(domain)
    problem = (
        "unable to execute QEMU command 'system_wakeup': Unable to wake up: guest is not in suspended state"
    )
    raise failure(Code.INTERNAL_ERROR, problem)
