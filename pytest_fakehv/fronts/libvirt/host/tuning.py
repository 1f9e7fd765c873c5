"""What domains may use of their host at most: of its CPUs, memory, disks and NUMA nodes."""

from collections.abc import Sequence

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host import tuned
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import affected, is_about_live, the_affected
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.words import Affect
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import Parameter

__tracebackhide__ = True  # a failed call is shown at the line that made it

_EITHER = Affect.LIVE | Affect.CONFIG
_TEXTS = 4
"""The flag: parameters may be texts, too."""

_NO_SUCH_FILE = 2

_Found = tuple[list[Parameter], int]


@api("virDomainGetSchedulerType")
def scheduler_type(_host: Host, _session: Session, _domain: Domain) -> tuple[str, int]:
    """Return by what the host shares its CPUs, and how many figures that has."""
    return "posix", len(tuned.SCHEDULER)


@api("virDomainGetSchedulerParametersFlags", plain="virDomainGetSchedulerParameters", flags=_EITHER | _TEXTS)
def scheduler(
    _host: Host, _session: Session, domain: Domain, count: int, flags: int = Affect.CURRENT
) -> list[Parameter]:
    """Return how much of the host's CPUs a domain may have."""
    definition, is_live = the_affected(domain, flags), is_about_live(domain, flags)
    return tuned.figures(definition, "cputune", tuned.SCHEDULER, is_live=is_live)[:count]


@api(
    "virDomainSetSchedulerParametersFlags",
    plain="virDomainSetSchedulerParameters",
    has_job=True,
    flags=_EITHER,
)
def set_scheduler(
    host: Host, _session: Session, domain: Domain, given: list[Parameter], flags: int = Affect.CURRENT
) -> None:
    """Change that."""
    values = tuned.checked(given, {each.field: each.kind for each in tuned.SCHEDULER})
    host.change(
        domain, affected(domain, flags), lambda to: tuned.with_figures(to, "cputune", tuned.SCHEDULER, values)
    )


@api("virDomainGetMemoryParameters", flags=_EITHER | _TEXTS)
def memory(_host: Host, _session: Session, domain: Domain, count: int, flags: int) -> _Found:
    """Return how much of the host's memory a domain's process may have, in KiB."""
    return _some(tuned.figures(the_affected(domain, flags), "memtune", tuned.MEMORY, is_live=False), count)


@api("virDomainSetMemoryParameters", has_job=True, flags=_EITHER)
def set_memory(host: Host, _session: Session, domain: Domain, given: list[Parameter], flags: int) -> None:
    """Change that."""
    values = tuned.checked(given, {each.field: each.kind for each in tuned.MEMORY})
    which = affected(domain, flags)
    # A daemon compares with what the domain runs by, also where that doesn't change.
    compared = tuned.with_figures(domain.definition, "memtune", tuned.MEMORY, values)
    hard, _, swap = (each.value for each in tuned.figures(compared, "memtune", tuned.MEMORY, is_live=False))
    if hard > swap:
        problem = "memory hard_limit tunable value must be lower than or equal to swap_hard_limit"
        raise failure(Code.INVALID_ARG, problem, origin=Origin.DOMAIN)
    host.change(domain, which, lambda to: tuned.with_figures(to, "memtune", tuned.MEMORY, values))


@api("virDomainGetBlkioParameters", flags=_EITHER | _TEXTS)
def blkio(_host: Host, _session: Session, domain: Domain, count: int, flags: int) -> _Found:
    """Return how much of the host's disks a domain may use."""
    return _some(tuned.blkio(the_affected(domain, flags)), count)


@api("virDomainSetBlkioParameters", has_job=True, flags=_EITHER)
def set_blkio(host: Host, _session: Session, domain: Domain, given: list[Parameter], flags: int) -> None:
    """Change that."""
    values = tuned.checked(given, tuned.BLKIO)
    host.change(domain, affected(domain, flags), lambda to: tuned.with_blkio(to, values))


@api("virDomainGetNumaParameters", flags=_EITHER | _TEXTS)
def numa(_host: Host, _session: Session, domain: Domain, count: int, flags: int) -> _Found:
    """Return from which of the host's NUMA nodes a domain's memory is."""
    return _some(tuned.numa(the_affected(domain, flags)), count)


@api("virDomainSetNumaParameters", has_job=True, flags=_EITHER)
def set_numa(host: Host, _session: Session, domain: Domain, given: list[Parameter], flags: int) -> None:
    """Change that: while it runs, nodes alone, of memory that is strictly theirs."""
    values = tuned.checked(given, tuned.NUMA)
    which = affected(domain, flags)

    def change(to: Definition) -> Definition:
        changed, before = tuned.with_numa(to, values), tuned.numa(to)[0].value
        if to is which.live:
            if values.get("numa_mode", before) != before:
                raise failure(Code.OPERATION_INVALID, "can't change numatune mode for running domain")
            if "numa_nodeset" in values and tuned.MODES[before] != "strict":
                problem = "change of nodeset for running domain requires strict numa mode"
                raise failure(Code.OPERATION_INVALID, problem)
        return changed

    host.change(domain, which, change)


@api("virDomainGetPerfEvents", flags=_EITHER | _TEXTS)
def perf(_host: Host, _session: Session, domain: Domain, flags: int) -> list[Parameter]:
    """Return which events of the host's processor are counted for a domain."""
    return tuned.perf(the_affected(domain, flags))


@api("virDomainSetPerfEvents", has_job=True, flags=_EITHER)
def set_perf(host: Host, _session: Session, domain: Domain, given: list[Parameter], flags: int) -> None:
    """Change that; while it runs, none can be counted: there is no such processor."""
    values = tuned.checked(given, tuned.PERF)
    which = affected(domain, flags)
    if which.live and (wanted := [name for name, is_enabled in values.items() if is_enabled]):
        text = f"unable to open host cpu perf event for {wanted[0]}: No such file or directory"
        raise LibvirtError(Code.SYSTEM_ERROR, Origin.PERF, text, "%s", text, int1=_NO_SUCH_FILE)
    host.change(domain, which, lambda to: tuned.with_perf(to, values))


def _some(found: Sequence[Parameter], count: int) -> _Found:
    """Return as many parameters as a client has room for, and how many there are."""
    return list(found[:count]), len(found)
