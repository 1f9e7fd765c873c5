"""What a domain's devices and CPUs have done: in the cluster, a disk and an interface carry nothing."""

from collections.abc import Callable, Iterator
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import check_active, not_running
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.listing import listed
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import DomainRef, Kind, Parameter

__tracebackhide__ = True  # a failed call is shown at the line that made it

_STATE, _CPU, _BALLOON, _VCPU, _INTERFACE, _BLOCK, _DIRTY_RATE = 1, 2, 4, 8, 16, 32, 512
_ALL: Final = 0x7FF
"""All groups that a daemon with QEMU knows; of the others, there is nothing to say."""

_FILTERS: Final = 0xFF
"""The flags by which domains are listed, too."""
_BACKING: Final = 1 << 30
"""The flag: also of what stands behind each disk."""
_NO_WAIT: Final = 1 << 29
"""The flag: not of what would have to be waited for."""
_ENFORCE: Final = 1 << 31
"""The flag: refuse groups that nobody knows."""

_TEXTS: Final = 4
"""The flag: parameters may be texts, too."""

_AGENT: Final = 1
"""From where to take addresses: from the guest's agent."""

_Said = Iterator[tuple[str, Kind, int | str]]


@api("virConnectGetAllDomainStats", about="nothing", flags=_FILTERS | _BACKING | _NO_WAIT | _ENFORCE)
def all_stats(
    host: Host, _session: Session, refs: list[DomainRef], wanted: int, flags: int
) -> list[tuple[DomainRef, list[Parameter]]]:
    """Return the statistics of domains, in the groups that are wanted."""
    if refs:
        domains = [found for each in refs if (found := host.by_uuid(each.uuid))]
    else:
        domains = listed(host, flags & _FILTERS)
    if domains and flags & _ENFORCE and (unknown := wanted & ~_ALL):
        raise failure(
            Code.ARGUMENT_UNSUPPORTED,
            f"Stats types bits 0x{unknown:x} are not supported by this daemon or QEMU",
        )
    return [(each.ref, list(_stats(host, each, wanted or _ALL))) for each in domains]


def _stats(host: Host, domain: Domain, wanted: int) -> Iterator[Parameter]:
    for group, stats in _GROUPS:
        if wanted & group:
            for field, kind, value in stats(host, domain):
                yield Parameter(field, kind, value)


def _state_stats(_host: Host, domain: Domain) -> _Said:
    yield "state.state", Kind.INT, int(domain.state)
    yield "state.reason", Kind.INT, int(domain.reason)


def _cpu_stats(host: Host, domain: Domain) -> _Said:
    time = host.cpu_time(domain)
    yield "cpu.time", Kind.ULLONG, time
    yield "cpu.user", Kind.ULLONG, time
    yield "cpu.system", Kind.ULLONG, 0
    if domain.is_active:
        yield "cpu.cache.monitor.count", Kind.UINT, 0
        yield "cpu.haltpoll.success.time", Kind.ULLONG, 0
        yield "cpu.haltpoll.fail.time", Kind.ULLONG, 0


def _balloon_stats(host: Host, domain: Domain) -> _Said:
    memory = host.memory_of(domain)
    yield "balloon.current", Kind.ULLONG, memory
    yield "balloon.maximum", Kind.ULLONG, domain.definition.memory
    if domain.is_active:
        yield "balloon.last-update", Kind.ULLONG, 0
        yield "balloon.rss", Kind.ULLONG, memory


def _vcpu_stats(host: Host, domain: Domain) -> _Said:
    count = host.vcpus_of(domain)
    yield "vcpu.current", Kind.UINT, count
    yield "vcpu.maximum", Kind.UINT, domain.definition.most_vcpus
    for number in range(count if domain.is_active else 0):
        yield f"vcpu.{number}.state", Kind.INT, 1
        yield f"vcpu.{number}.time", Kind.ULLONG, host.cpu_time(domain) // count
        yield f"vcpu.{number}.wait", Kind.ULLONG, 0
        yield f"vcpu.{number}.delay", Kind.ULLONG, 0


def _interface_stats(_host: Host, domain: Domain) -> _Said:
    if domain.place is None:
        return
    interfaces = domain.definition.at(domain.place).interfaces
    yield "net.count", Kind.UINT, len(interfaces)
    for number, each in enumerate(interfaces):
        if each.target is None:  # of some types, the host sees nothing
            continue
        yield f"net.{number}.name", Kind.STRING, each.target
        for way in ("rx", "tx"):
            for what in ("bytes", "pkts", "errs", "drop"):
                yield f"net.{number}.{way}.{what}", Kind.ULLONG, 0


def _block_stats(_host: Host, domain: Domain) -> _Said:
    disks = domain.definition.disks
    yield "block.count", Kind.UINT, len(disks)
    for number, disk in enumerate(disks):
        yield f"block.{number}.name", Kind.STRING, disk.target
        if disk.source is not None:
            yield f"block.{number}.path", Kind.STRING, disk.source
        if domain.is_active:
            yield f"block.{number}.backingIndex", Kind.UINT, number + 1
            for way in ("rd", "wr"):
                for what in ("reqs", "bytes", "times"):
                    yield f"block.{number}.{way}.{what}", Kind.ULLONG, 0
            yield f"block.{number}.fl.reqs", Kind.ULLONG, 0
            yield f"block.{number}.fl.times", Kind.ULLONG, 0
        for what in ("allocation", "capacity", "physical"):
            yield f"block.{number}.{what}", Kind.ULLONG, 0


def _dirty_rate_stats(_host: Host, domain: Domain) -> _Said:
    if domain.is_active:
        yield "dirtyrate.calc_status", Kind.INT, 0
        yield "dirtyrate.calc_start_time", Kind.LLONG, 0
        yield "dirtyrate.calc_period", Kind.INT, 0
        yield "dirtyrate.calc_mode", Kind.STRING, "page-sampling"


_GROUPS: Final[tuple[tuple[int, Callable[[Host, Domain], _Said]], ...]] = (
    (_STATE, _state_stats),
    (_CPU, _cpu_stats),
    (_BALLOON, _balloon_stats),
    (_VCPU, _vcpu_stats),
    (_INTERFACE, _interface_stats),
    (_BLOCK, _block_stats),
    (_DIRTY_RATE, _dirty_rate_stats),
)


@api("virDomainBlockStats")
def block_stats(_host: Host, _session: Session, domain: Domain, path: str) -> tuple[int, ...]:
    """Return requests and bytes read, and written, and errors, of which nobody knows."""
    check_active(domain)
    if not any(path in (each.target, each.source) for each in domain.definition.disks):
        raise failure(Code.INVALID_ARG, f"invalid path: {path}")
    return 0, 0, 0, 0, -1


@api("virDomainInterfaceStats")
def interface_stats(_host: Host, _session: Session, domain: Domain, device: str) -> tuple[int, ...]:
    """Return bytes, packets, errors and drops received, and sent."""
    if domain.place is None:
        raise not_running()
    interfaces = domain.definition.at(domain.place).interfaces
    if not any(device in (each.target, each.mac) for each in interfaces):
        problem = f"'{device}' is not a known interface"
        raise failure(Code.INVALID_ARG, problem, origin=Origin.DOMAIN)
    return (0,) * 8


@api("virDomainGetDiskErrors", flags=0)
def disk_errors(
    _host: Host, _session: Session, domain: Domain, _most: int, _flags: int
) -> tuple[list[tuple[()]], int]:
    """Return which of its disks have failed."""
    check_active(domain)
    return [], 0


@api("virDomainGetIOThreadInfo", flags=3)
def io_threads(_host: Host, _session: Session, _domain: Domain, _flags: int) -> tuple[list[tuple[()]], int]:
    """Return its threads for input and output."""
    return [], 0


@api("virDomainGetCPUStats", flags=_TEXTS)
def cpu_stats(
    host: Host, _session: Session, domain: Domain, count: int, first: int, cpus: int, _flags: int
) -> tuple[list[Parameter], int]:
    """Return how long its CPUs have worked: in all, or on each of the host's."""
    check_active(domain)
    time = host.cpu_time(domain)
    if first < 0:
        fields = ("cpu_time", time), ("user_time", time), ("system_time", 0)
        found = [Parameter(field, Kind.ULLONG, value) for field, value in fields]
        return found[:count], len(found)
    total = host.hardware.cpus
    if not cpus:
        return [], total
    if not count:
        return [], 1
    share = time // total
    numbers = range(first, min(first + cpus, total))
    return [Parameter("cpu_time", Kind.ULLONG, share) for _ in numbers], 1
