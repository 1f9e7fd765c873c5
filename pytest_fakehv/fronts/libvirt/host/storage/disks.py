"""What domains' disks are in the pools of their host: there or not, and in use.

A path that lies in no pool of the host's is taken to be there, and to be the same on all hosts: the test has
said nothing else of it.
"""

import errno
from collections.abc import Iterator
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, system_failure
from pytest_fakehv.fronts.libvirt.host.attached import Disk
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.storage.pool import Held
from pytest_fakehv.fronts.libvirt.host.storage.pools import Pools
from pytest_fakehv.fronts.libvirt.host.storage.poolxml import tidy
from pytest_fakehv.fronts.libvirt.host.storage.space import Image, ImageType

__tracebackhide__ = True  # a failed call is shown at the line that made it

_SECTOR: Final = 512

_FILES: Final = frozenset({"file", "block"})
"""The types of disks that are what is at a path."""


_WHO: Final = " (as uid:0, gid:0)"
"""As whom a daemon looks into a file whose format has a header."""


def held(pools: Pools, disk: Disk) -> Held | None:
    """Return what a disk is in a host's pools; None for an empty one, and for what lies in none of them."""
    if disk.source is None:
        return None
    if disk.type in _FILES:
        return _held_at(pools, disk.source)
    pool = next((each for each in pools if each.name == disk.pool), None)
    return _held_at(pools, f"{pool.definition.path}/{disk.source}") if pool else None


def _held_at(pools: Pools, path: str) -> Held | None:
    """Return what is at a path that lies in a pool's folder or group; None where it lies in none."""
    tidied = tidy(path)
    folder = tidied.rpartition("/")[0] or "/"
    for pool in pools:
        if pool.definition.path == folder:
            # What is mounted, or a group, is there with its pool alone.
            is_there = pool.is_active or pool.definition.kind == "dir"
            return Held(pool, tidied, pools.image_at(path) if is_there else None)
    return None


def sizes(image: Image, disk: Disk, *, runs: bool) -> tuple[int, int, int]:
    """Return what a disk takes, its capacity, and where its source ends, in bytes.

    Args:
        image: what it is.
        disk: what its domain says of it.
        runs: whether that runs.
    """
    allocation, capacity = image.allocation, image.capacity
    if runs and disk.format == "raw":
        capacity = whole_sectors(capacity)
    if runs and image.type is ImageType.BLOCK:
        allocation = 0  # up to where its guest has written
    return allocation, capacity, image.physical


def whole_sectors(size: int) -> int:
    """Return so many bytes, rounded up to sectors."""
    return -(-size // _SECTOR) * _SECTOR


def check_is_volume(pools: Pools, disk: Disk) -> None:
    """Refuse a disk that is to be a volume of a pool, where that isn't active, or has none of that name.

    Raises:
        LibvirtError: it is so.
    """
    if disk.source is not None and disk.pool is not None:
        pool = pools.by_name(disk.pool)
        if not pool.is_active:
            problem = f"storage pool '{pool.name}' containing volume '{disk.source}' is not active"
            raise failure(Code.CONFIG_UNSUPPORTED, problem, origin=Origin.DOMAIN)
        pool.volume(disk.source)


def chain(pools: Pools, first: Held) -> Iterator[Held]:
    """Give what an image is the difference to, and what that is, and so on, as far as pools hold it."""
    each: Held | None = first
    seen = {first.path}
    while each and each.image and each.image.backing:
        each = _held_at(pools, each.image.backing.path)
        if each is None or each.path in seen:  # which made anew can be the difference to itself
            return
        seen.add(each.path)
        yield each


def check_there(pools: Pools, definition: Definition) -> None:
    """Refuse a domain with a disk that is to be in a pool, and isn't.

    Raises:
        LibvirtError: it has such a one, or one in a pool that isn't there.
    """
    for disk in definition.disks:
        check_is_volume(pools, disk)
    for disk in definition.disks:
        check_disk_there(pools, disk)


def check_disk_there(pools: Pools, disk: Disk) -> None:
    """Refuse a disk that is to be in a pool, and isn't, or lacks what is beneath it.

    Raises:
        LibvirtError: it is so.
    """
    each = held(pools, disk)
    if each is None:
        return
    if each.image is None:
        problem = f"Cannot access storage file '{each.path}'{'' if disk.format == 'raw' else _WHO}"
        raise system_failure(problem, errno.ENOENT, origin=Origin.STORAGE)
    if disk.format != "raw":
        above = each.path
        for beneath in chain(pools, each):
            if beneath.image is None:
                problem = f"Cannot access backing file '{beneath.path}' of storage file '{above}'{_WHO}"
                raise system_failure(problem, errno.ENOENT, origin=Origin.STORAGE)
            above = beneath.path


def without_missing(pools: Pools, definition: Definition) -> Definition:
    """Return a definition without what may be missing at a start, and is."""
    missing = [
        disk
        for disk in definition.disks
        if disk.may_be_missing and (each := held(pools, disk)) and each.image is None
    ]
    return definition.with_empty(missing) if missing else definition


def found(domain: Definition, place: str) -> Disk | None:
    """Return a domain's disk by its name or the path of its source; None where it has none."""
    return next(
        (each for each in domain.disks if place == each.target or (place == each.source and not each.pool)),
        None,
    )
