"""What a domain is and does now: its state, its figures, its definition, its statistics."""

from typing import Any, Final

from pytest_fakehv.fronts.libvirt.errors import Code, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.running import Place
from pytest_fakehv.fronts.libvirt.host.host import Host, Session
from pytest_fakehv.fronts.libvirt.host.listing import is_listed, ordered
from pytest_fakehv.fronts.libvirt.values import DomainRef, Kind, Parameter, Xml

__tracebackhide__ = True  # a failed call is shown at the line that made it

_XML_FLAGS: Final = 15
_INACTIVE: Final = 2
_READ_ONLY_FORBIDS: Final = 1
_JOB_FLAGS: Final = 3
_COMPLETED: Final = 1

_STATE, _CPU, _BALLOON, _VCPU = 1, 2, 4, 8
_ALL_STATS: Final = 0x3FF
_ENFORCE: Final = 1 << 31
_NOWAIT: Final = 1 << 29
_BACKING: Final = 1 << 30


@api("virDomainGetInfo")
def info(host: Host, _session: Session, domain: Domain) -> tuple[int, ...]:
    """Return state, the most memory and what it has, in KiB, CPUs, and the CPU time in ns."""
    memory = host.memory_of(domain)
    return int(domain.state), domain.definition.memory, memory, host.vcpus_of(domain), host.cpu_time(domain)


@api("virDomainGetState", flags=0)
def state(_host: Host, _session: Session, domain: Domain, flags: int) -> tuple[int, int]:
    """Return what it does, and why."""
    return int(domain.state), int(domain.reason)


@api("virDomainGetXMLDesc", flags=_XML_FLAGS)
def xml(host: Host, session: Session, domain: Domain, flags: int) -> str:
    """Return its definition."""
    if session.is_read_only and flags & 1:
        raise failure(Code.OPERATION_DENIED, "virDomainGetXMLDesc with secure flag")
    definition = domain.config if flags & _INACTIVE and domain.config else domain.definition
    if definition is not domain.live:
        return Xml(definition.xml(flags))
    memory = host.memory_of(domain)
    if memory != definition.current_memory:  # a test has changed it behind the host's back
        definition = definition.with_current_memory(memory)
    return Xml(definition.xml(flags, Place(domain.id)))


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
    """Tell whether its next start would differ from what runs: nobody asks for it."""
    return 0


@api("virDomainGetSecurityLabel")
def security_label(_host: Host, _session: Session, _domain: Domain) -> tuple[str, int]:
    """Say that there is no security driver."""
    return "", 0


@api("virDomainGetMessages", flags=3)
def messages(_host: Host, _session: Session, _domain: Domain, flags: int) -> list[str]:
    """Return what the host has to complain of: nothing."""
    return []


@api("virDomainHasManagedSaveImage", flags=0)
def has_managed_save(_host: Host, _session: Session, _domain: Domain, flags: int) -> int:
    """Tell whether it was saved."""
    return 0


@api("virDomainSnapshotNum")
def snapshot_count(_host: Host, _session: Session, _domain: Domain, _flags: int) -> int:
    """Count its snapshots."""
    return 0


# Jobs


@api("virDomainGetJobInfo")
def job_info(_host: Host, _session: Session, domain: Domain) -> tuple[int, ...]:
    """Return how far its job is: there is none."""
    check_active(domain)
    return (0,) * 12


@api("virDomainGetJobStats", flags=_JOB_FLAGS)
def job_stats(_host: Host, _session: Session, domain: Domain, flags: int) -> tuple[int, list[Parameter]]:
    """Return the same, in more figures."""
    if not flags & _COMPLETED:
        check_active(domain)
    return 0, []


@api("virDomainAbortJob")
def abort_job(host: Host, session: Session, domain: Domain) -> None:
    """Abort its job: there is none."""
    abort_job_flags(host, session, domain, 0)


@api("virDomainAbortJobFlags", flags=1)
def abort_job_flags(_host: Host, _session: Session, domain: Domain, flags: int) -> None:
    """Do the same, with flags."""
    check_active(domain)
    raise failure(Code.OPERATION_INVALID, "no job is active on the domain")


# Statistics


@api("virDomainMemoryStats", flags=0)
def memory_stats(
    host: Host, _session: Session, domain: Domain, most: int, flags: int
) -> list[tuple[int, int]]:
    """Return what its guest and its process use, in KiB, by number of the figure."""
    check_active(domain)
    memory = host.memory_of(domain)
    return [(6, memory), (7, memory), (9, 0)][:most]


@api("virConnectGetAllDomainStats", about="nothing", flags=0xFF | _ENFORCE | _NOWAIT | _BACKING)
def all_stats(
    host: Host, _session: Session, refs: list[DomainRef], wanted: int, flags: int
) -> list[tuple[DomainRef, list[Parameter]]]:
    """Return the statistics of domains, in the groups that are wanted."""
    if flags & _ENFORCE and wanted & ~_ALL_STATS:
        raise failure(
            Code.ARGUMENT_UNSUPPORTED,
            f"Stats types bits 0x{wanted & ~_ALL_STATS:x} are not supported by this daemon or QEMU",
        )
    domains = [host.find(each) for each in refs] if refs else ordered(host.domains)
    return [
        (each.ref, _stats(host, each, wanted or _ALL_STATS))
        for each in domains
        if refs or not flags & 0xFF or is_listed(each, flags & 0xFF)
    ]


def _stats(host: Host, domain: Domain, wanted: int) -> list[Parameter]:
    found: list[Parameter] = []

    def add(kind: Kind, field: str, value: Any) -> None:
        found.append(Parameter(field, kind, value))

    if wanted & _STATE:
        add(Kind.INT, "state.state", int(domain.state))
        add(Kind.INT, "state.reason", int(domain.reason))
    if wanted & _CPU and domain.is_active:
        for field, value in (("time", host.cpu_time(domain)), ("user", host.cpu_time(domain)), ("system", 0)):
            add(Kind.ULLONG, f"cpu.{field}", value)
    if wanted & _BALLOON:
        if domain.is_active:
            add(Kind.ULLONG, "balloon.current", host.memory_of(domain))
        add(Kind.ULLONG, "balloon.maximum", domain.definition.memory)
    if wanted & _VCPU:
        add(Kind.UINT, "vcpu.current", host.vcpus_of(domain))
        add(Kind.UINT, "vcpu.maximum", domain.definition.most_vcpus)
    return found
