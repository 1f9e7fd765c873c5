"""What domains have of memory."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, failure
from pytest_fakehv.fronts.libvirt.host import workload
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import affected, check_active
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.words import Affect
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_MAXIMUM: Final = 4
"""The flag: the most that it may have, not what it has."""


@api("virDomainGetMaxMemory")
def max_memory(_host: Host, _session: Session, domain: Domain) -> int:
    """Return the most that it may have, in KiB."""
    return domain.definition.memory


@api("virDomainSetMaxMemory", amount="memory", has_job=True)
def set_max_memory(host: Host, session: Session, domain: Domain, memory: int) -> None:
    """Change the most that it may have."""
    set_memory(host, session, domain, memory, _MAXIMUM)


@api(
    "virDomainSetMemoryFlags",
    plain="virDomainSetMemory",
    amount="memory",
    has_job=True,
    runs_instances=True,
    flags=Affect.LIVE | Affect.CONFIG | _MAXIMUM,
)
def set_memory(host: Host, _session: Session, domain: Domain, memory: int, flags: int = Affect.LIVE) -> None:
    """Give a domain more or less memory, in KiB; without flags, one that runs."""
    live, config = affected(domain, flags)
    if flags & _MAXIMUM:
        if live:
            raise failure(Code.OPERATION_INVALID, "cannot resize the maximum memory on an active domain")
        if config and config.root.at("cpu/numa"):
            problem = "initial memory size of a domain with NUMA nodes cannot be modified with this API"
            raise failure(Code.OPERATION_INVALID, problem)
        host.configure(domain, lambda given: given.with_memory(memory))
        return
    if memory > min(each.memory for each in (live, config) if each):
        raise failure(Code.INVALID_ARG, "cannot set memory higher than max memory")
    if live:
        domain.wanted = memory
        try:
            host.machine.change(domain.name, memory, host.vcpus_of(domain))
        finally:
            domain.wanted = None
    if config:
        host.configure(domain, lambda given: given.with_current_memory(memory))


@api("virDomainSetMemoryStatsPeriod", has_job=True, flags=Affect.LIVE | Affect.CONFIG)
def set_period(host: Host, _session: Session, domain: Domain, period: int, flags: int) -> None:
    """Change how often the guest says what it uses, in seconds; 0 for never."""

    def changed(given: Definition) -> Definition:
        return given.with_stats_period(period)

    live, config = affected(domain, flags)
    if live:
        host.change_live(domain, changed)
    if config:
        host.configure(domain, changed)


@api("virDomainMemoryStats", flags=0)
def memory_stats(
    host: Host, _session: Session, domain: Domain, most: int, _flags: int
) -> list[tuple[int, int]]:
    """Return what it has and what its process uses, in KiB, by number of the figure: all that it has."""
    check_active(domain)
    stats = workload.memory_stats(domain, host.memory_of(domain))
    return [(int(number), value) for number, value in stats][:most]
