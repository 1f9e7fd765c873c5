"""What guests do all the time while they run: they compute, read, write, send and receive.

Each does it at rates of its own, which follow from its domain's UUID and the device alone, so that no two
figures are the same, and all are in each run.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.host.attached import Disk, Interface
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.words import MemoryStatistic

SHARE_OF_SYSTEM: Final = 4
"""One in so many of a CPU's working seconds is the system's, the others are its users'."""

_NS_OF_START: Final = 100_000_000
"""How long a domain's CPUs have worked until it was started: no time passes in the cluster meanwhile."""
_NS_PER_MS: Final = 1_000_000
_NS_PER_US: Final = 1000
_PER_MILLE: Final = 1000
_BLOCK: Final = 4096
"""Bytes, of which each request for a disk has some."""
_NS_OF_FLUSH: Final = _NS_PER_MS


class Requests(NamedTuple):
    """What was asked of a disk since its domain was started."""

    number: int = 0
    size: int = 0
    """In bytes."""
    time: int = 0
    """In ns."""


class DiskWork(NamedTuple):
    """What a disk has done since its domain was started."""

    reads: Requests = Requests()
    writes: Requests = Requests()
    flushes: Requests = Requests()


class Packets(NamedTuple):
    """What has gone one way through an interface since its domain was started."""

    size: int
    """In bytes."""
    number: int


class Traffic(NamedTuple):
    """What has gone through an interface since its domain was started."""

    received: Packets
    sent: Packets


def cpu_time(domain: Domain) -> int:
    """Return how long a domain's CPUs have worked, in ns."""
    return _NS_OF_START + busy_time(domain)


def busy_time(domain: Domain) -> int:
    """Return how long they have since it was started, in ns; those that were plugged in later idle."""
    return sum(_busy(domain, number) for number in range(domain.fixed_vcpus))


def vcpu_time(domain: Domain, number: int) -> int:
    """Return how long one of them has worked, in ns: the first also to start it."""
    return _busy(domain, number) + (0 if number else _NS_OF_START)


def _busy(domain: Domain, number: int) -> int:
    """Return how long one of them has since it was started: for 10 to 60 % of the time."""
    if number >= domain.fixed_vcpus:
        return 0
    return _done(domain, f"vcpu{number}", 100, 600) * _NS_PER_MS


def disk_work(domain: Domain, disk: Disk) -> DiskWork:
    """Return what one of a domain's disks has done; what is in a drive lies still there.

    In a second, it reads 10 to 50 times and writes 5 to 30 times, 4 to 32 KiB in 0.1 to 0.5 ms each, and
    flushes 1 to 5 times, in 1 ms.
    """
    if disk.device not in ("disk", "lun"):
        return DiskWork()
    flushes = _done(domain, f"{disk.target} flushes", 1, 5)
    return DiskWork(
        _requests(domain, f"{disk.target} reads", 10, 50),
        _requests(domain, f"{disk.target} writes", 5, 30),
        Requests(flushes, 0, flushes * _NS_OF_FLUSH),
    )


def _requests(domain: Domain, name: str, least: int, most: int) -> Requests:
    count = _done(domain, name, least, most)
    size, time = _drawn(domain, f"{name} size", 1, 8), _drawn(domain, f"{name} time", 100, 500)
    return Requests(count, count * size * _BLOCK, count * time * _NS_PER_US)


def traffic(domain: Domain, interface: Interface) -> Traffic:
    """Return what has gone through one of a domain's interfaces.

    In a second, it receives and sends 20 to 200 packets each, of 100 to 1000 bytes.
    """
    received, sent = (f"{interface.mac} {way}" for way in ("received", "sent"))
    return Traffic(_packets(domain, received), _packets(domain, sent))


def _packets(domain: Domain, name: str) -> Packets:
    count = _done(domain, name, 20, 200)
    return Packets(count * _drawn(domain, f"{name} size", 100, 1000), count)


def memory_stats(domain: Domain, memory: int) -> Iterator[tuple[MemoryStatistic, int]]:
    """Give what a domain has of memory, and what its guest says of it where it is asked to.

    It is where the definition has a period of statistics. A guest uses 30 to 60 % of its memory, and 5 to
    20 % for files that it has read; it swaps nothing, and has 50 to 400 faults a second, and 1 to 5 for which
    a disk is read.

    Args:
        domain: which runs.
        memory: what it has, in KiB.
    """
    yield MemoryStatistic.ACTUAL_BALLOON, memory
    if not domain.definition.stats_period:
        yield MemoryStatistic.LAST_UPDATE, 0
    else:
        used = memory * _drawn(domain, "memory", 300, 600) // _PER_MILLE
        cached = memory * _drawn(domain, "caches", 50, 200) // _PER_MILLE
        yield MemoryStatistic.SWAP_IN, 0
        yield MemoryStatistic.SWAP_OUT, 0
        yield MemoryStatistic.MAJOR_FAULT, _done(domain, "major faults", 1, 5)
        yield MemoryStatistic.MINOR_FAULT, _done(domain, "minor faults", 50, 400)
        yield MemoryStatistic.UNUSED, memory - used - cached
        yield MemoryStatistic.AVAILABLE, memory
        yield MemoryStatistic.USABLE, memory - used
        yield MemoryStatistic.LAST_UPDATE, int(domain.last_at_work)
        yield MemoryStatistic.DISK_CACHES, cached
    yield MemoryStatistic.RSS, memory


def dirty_rate(domain: Domain) -> int:
    """Return how much of its memory a domain writes to in a second, in MiB: 1 to 32."""
    return _drawn(domain, "dirty rate", 1, 32)


def _done(domain: Domain, what: str, least: int, most: int) -> int:
    """Return how often a domain has done something since it was started, at a rate between two, a second."""
    return int(domain.worked * _drawn(domain, what, least, most))


def _drawn(domain: Domain, what: str, least: int, most: int) -> int:
    """Return a number from the least to the most, which follows from a domain's UUID and what it is for."""
    drawn = blake2b(what.encode(), key=domain.uuid, digest_size=4).digest()
    return least + int.from_bytes(drawn, "big") % (most - least + 1)
