"""What a domain's devices and CPUs have done: what its guest does all the time while it runs."""

from collections.abc import Callable, Iterator
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host import workload
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.attached import Disk
from pytest_fakehv.fronts.libvirt.host.checks import check_active, is_about_live, not_running, the_affected
from pytest_fakehv.fronts.libvirt.host.cpumaps import cpu_map, joined
from pytest_fakehv.fronts.libvirt.host.domain import Domain, Measured
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.listing import listed
from pytest_fakehv.fronts.libvirt.host.storage import disks
from pytest_fakehv.fronts.libvirt.host.words import Affect, MemoryStatistic, Paused
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import DomainRef, Kind, Parameter

__tracebackhide__ = True  # a failed call is shown at the line that made it

_STATE, _CPU, _BALLOON, _VCPU, _INTERFACE, _BLOCK = 1, 2, 4, 8, 16, 32
_IO_THREAD, _DIRTY_RATE = 128, 512
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

_WORDS_OF_MEMORY: Final = {MemoryStatistic.LAST_UPDATE: "last-update"}
"""What a figure of memory is called; the others as they are elsewhere."""

_UNSPECIFIED: Final = 1
"""What is wrong with a disk: ``VIR_DOMAIN_DISK_ERROR_UNSPEC``."""

_LONGEST_POLL: Final = 32768
"""For how long a thread for input and output looks for more, in ns."""

_LONGEST_MEASURED: Final = 60
"""For how many seconds it may be measured at most what is written to memory."""
_UNSTARTED, _MEASURING, _MEASURED = range(3)

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
    system = time // workload.SHARE_OF_SYSTEM
    yield "cpu.time", Kind.ULLONG, time
    yield "cpu.user", Kind.ULLONG, time - system
    yield "cpu.system", Kind.ULLONG, system
    if domain.is_active:
        yield "cpu.cache.monitor.count", Kind.UINT, 0
        yield "cpu.haltpoll.success.time", Kind.ULLONG, 0
        yield "cpu.haltpoll.fail.time", Kind.ULLONG, 0


def _balloon_stats(host: Host, domain: Domain) -> _Said:
    yield "balloon.current", Kind.ULLONG, (memory := host.memory_of(domain))
    yield "balloon.maximum", Kind.ULLONG, domain.definition.memory
    for number, value in workload.memory_stats(domain, memory) if domain.is_active else ():
        if number != MemoryStatistic.ACTUAL_BALLOON:
            yield f"balloon.{_WORDS_OF_MEMORY.get(number, number.name.lower())}", Kind.ULLONG, value


def _vcpu_stats(host: Host, domain: Domain) -> _Said:
    count = host.vcpus_of(domain)
    yield "vcpu.current", Kind.UINT, count
    yield "vcpu.maximum", Kind.UINT, domain.definition.most_vcpus
    for number in range(count if domain.is_active else 0):
        yield f"vcpu.{number}.state", Kind.INT, 1
        yield f"vcpu.{number}.time", Kind.ULLONG, workload.vcpu_time(domain, number)
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
        received, sent = workload.traffic(domain, each)
        for way, packets in (("rx", received), ("tx", sent)):
            for what, value in zip(("bytes", "pkts", "errs", "drop"), (*packets, 0, 0), strict=True):
                yield f"net.{number}.{way}.{what}", Kind.ULLONG, value


def _block_stats(host: Host, domain: Domain) -> _Said:
    every = domain.definition.disks
    yield "block.count", Kind.UINT, len(every)
    for number, disk in enumerate(every):
        yield f"block.{number}.name", Kind.STRING, disk.target
        if disk.source is not None:
            yield f"block.{number}.path", Kind.STRING, disk.source
        if domain.is_active:
            if disk.source is not None:
                yield f"block.{number}.backingIndex", Kind.UINT, len(every) - number
            for way, requests in zip(("rd", "wr", "fl"), workload.disk_work(domain, disk), strict=True):
                yield f"block.{number}.{way}.reqs", Kind.ULLONG, requests.number
                if way != "fl":
                    yield f"block.{number}.{way}.bytes", Kind.ULLONG, requests.size
                yield f"block.{number}.{way}.times", Kind.ULLONG, requests.time
        if disk.source is not None:
            sizes = _sizes(host, domain, disk)
            for what, size in zip(("allocation", "capacity", "physical"), sizes, strict=True):
                yield f"block.{number}.{what}", Kind.ULLONG, size


def _sizes(host: Host, domain: Domain, disk: Disk) -> tuple[int, int, int]:
    """Return what a disk's source takes, its capacity, and where it ends; 0 where nobody knows that.

    While a domain runs, it is said up to where its guest has written, which none here does.
    """
    with host.machine.lock:
        held = disks.held(host.pools, disk)
        if not held or not held.image:
            return 0, 0, 0
        allocation, capacity, physical = disks.sizes(held.image, disk, runs=domain.is_active)
    return 0 if domain.is_active and not disk.is_read_only else allocation, capacity, physical


def _io_thread_stats(_host: Host, domain: Domain) -> _Said:
    if not domain.is_active or not (threads := domain.definition.io_threads):
        return
    yield "iothread.count", Kind.UINT, len(threads)
    for number in reversed(threads):
        yield f"iothread.{number}.poll-max-ns", Kind.ULLONG, _LONGEST_POLL
        yield f"iothread.{number}.poll-grow", Kind.UINT, 0
        yield f"iothread.{number}.poll-shrink", Kind.UINT, 0


def _dirty_rate_stats(host: Host, domain: Domain) -> _Said:
    if not domain.is_active:
        return
    measured = domain.measured or Measured(0, 0)
    status = _MEASURED if measured.ends <= host.machine.now else _MEASURING
    yield "dirtyrate.calc_status", Kind.INT, status if domain.measured else _UNSTARTED
    yield "dirtyrate.calc_start_time", Kind.LLONG, int(measured.since)
    yield "dirtyrate.calc_period", Kind.INT, measured.seconds
    if domain.measured and status == _MEASURED:
        yield "dirtyrate.megabytes_per_second", Kind.LLONG, workload.dirty_rate(domain)
    yield "dirtyrate.calc_mode", Kind.STRING, "page-sampling"


_GROUPS: Final[tuple[tuple[int, Callable[[Host, Domain], _Said]], ...]] = (
    (_STATE, _state_stats),
    (_CPU, _cpu_stats),
    (_BALLOON, _balloon_stats),
    (_VCPU, _vcpu_stats),
    (_INTERFACE, _interface_stats),
    (_BLOCK, _block_stats),
    (_IO_THREAD, _io_thread_stats),
    (_DIRTY_RATE, _dirty_rate_stats),
)


@api("virDomainBlockStats")
def block_stats(_host: Host, _session: Session, domain: Domain, path: str) -> tuple[int, ...]:
    """Return requests and bytes read, and written, and errors, of which nobody knows."""
    reads, writes, _flushes = _work_of(domain, path)
    return *reads[:2], *writes[:2], -1


@api("virDomainBlockStatsFlags", flags=_TEXTS)
def block_stats_flags(
    _host: Host, _session: Session, domain: Domain, path: str, count: int, _flags: int
) -> tuple[list[Parameter], int]:
    """Return the same with times and flushes, by name."""
    reads, writes, flushes = _work_of(domain, path)
    values = (
        ("wr_bytes", writes.size),
        ("wr_operations", writes.number),
        ("rd_bytes", reads.size),
        ("rd_operations", reads.number),
        ("flush_operations", flushes.number),
        ("wr_total_times", writes.time),
        ("rd_total_times", reads.time),
        ("flush_total_times", flushes.time),
    )
    found = [Parameter(field, Kind.LLONG, value) for field, value in values]
    return found[:count], len(found)


def _work_of(domain: Domain, path: str) -> workload.DiskWork:
    """Return what a running domain's disk of a name or a source has done; with an empty one, all together.

    Raises:
        LibvirtError: it doesn't run, or has no such disk.
    """
    check_active(domain)
    disks = domain.definition.disks
    if path:
        disks = tuple(each for each in disks if path in (each.target, each.source))[:1]
        if not disks:
            raise failure(Code.INVALID_ARG, f"invalid path: {path}")
    works = zip(*(workload.disk_work(domain, each) for each in disks), strict=True)
    return workload.DiskWork(
        *(workload.Requests(*map(sum, zip(*requests, strict=True))) for requests in works)
    )


@api("virDomainInterfaceStats")
def interface_stats(_host: Host, _session: Session, domain: Domain, device: str) -> tuple[int, ...]:
    """Return bytes, packets, errors and drops received, and sent."""
    if domain.place is None:
        raise not_running()
    interfaces = domain.definition.at(domain.place).interfaces
    interface = next((each for each in interfaces if device in (each.target, each.mac)), None)
    if interface is None:
        problem = f"'{device}' is not a known interface"
        raise failure(Code.INVALID_ARG, problem, origin=Origin.DOMAIN)
    if interface.target is None:
        raise failure(Code.INTERNAL_ERROR, "Interface name not provided", origin=Origin.NONE)
    received, sent = workload.traffic(domain, interface)
    return *received, 0, 0, *sent, 0, 0


@api("virDomainGetDiskErrors", flags=0)
def disk_errors(
    _host: Host, _session: Session, domain: Domain, most: int, _flags: int
) -> tuple[list[tuple[str, int]], int]:
    """Return which of its disks have failed: the first, where an error has paused it; else how many may."""
    check_active(domain)
    disks = domain.definition.disks
    if not most:
        return [], len(disks)
    is_broken = domain.is_paused and domain.reason == Paused.IOERROR
    found = [(each.target, _UNSPECIFIED) for each in disks[:1] if is_broken]
    return found, len(found)


@api("virDomainGetIOThreadInfo", flags=Affect.LIVE | Affect.CONFIG)
def io_threads(
    host: Host, _session: Session, domain: Domain, flags: int
) -> tuple[list[tuple[int, bytes]], int]:
    """Return its threads for input and output, each with the CPUs of the host on which it may run."""
    definition = the_affected(domain, flags)
    cpus = host.hardware.cpus
    found = [
        (number, joined([cpu_map(pin, cpus)], -(-cpus // 8))) for number, pin in definition.io_threads.items()
    ]
    if is_about_live(domain, flags):  # a daemon has them from QEMU then, which knows the newest first
        found.reverse()
    return found, len(found)


@api("virDomainStartDirtyRateCalc", has_job=True, flags=0)
def start_dirty_rate(host: Host, _session: Session, domain: Domain, seconds: int, _flags: int) -> None:
    """Begin to measure how much of its memory it writes to; `virConnectGetAllDomainStats` has the result."""
    if not 1 <= seconds <= _LONGEST_MEASURED:
        raise failure(
            Code.CONFIG_UNSUPPORTED,
            f"seconds={seconds} is invalid, please choose value within [1, {_LONGEST_MEASURED}].",
        )
    check_active(domain)
    if domain.measured and domain.measured.ends > host.machine.now:
        problem = (
            "unable to execute QEMU command 'calc-dirty-rate': the dirty rate is already being measured."
        )
        raise failure(Code.INTERNAL_ERROR, problem)
    domain.measured = Measured(host.machine.now, seconds)


@api("virDomainGetCPUStats", flags=_TEXTS)
def cpu_stats(
    host: Host, _session: Session, domain: Domain, count: int, first: int, cpus: int, _flags: int
) -> tuple[list[Parameter], int]:
    """Return how long its CPUs have worked: in all, or on each of the host's."""
    check_active(domain)
    time = host.cpu_time(domain)
    if first < 0:
        system = time // workload.SHARE_OF_SYSTEM
        fields = ("cpu_time", time), ("user_time", time - system), ("system_time", system)
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
