"""Whether QEMU opens the images of a domain's disks: what they are, and the locks that it takes.

By its locks it keeps two domains of one host from writing to the same image.

Source: QEMU's documentation of image locking, and what a real one says.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, failure
from pytest_fakehv.fronts.libvirt.host.attached import Disk
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.storage import qcow2
from pytest_fakehv.fronts.libvirt.host.storage.disks import chain, held
from pytest_fakehv.fronts.libvirt.host.storage.pools import Pools
from pytest_fakehv.fronts.libvirt.host.storage.space import Image, ImageType

__tracebackhide__ = True  # a failed call is shown at the line that made it

_CACHES: Final = {
    "none": {"direct": True, "no-flush": False},
    "directsync": {"direct": True, "no-flush": False},
    "writeback": {"direct": False, "no-flush": False},
    "writethrough": {"direct": False, "no-flush": False},
    "unsafe": {"direct": False, "no-flush": True},
}
"""What QEMU is told of an image by the cache of its disk."""

_WRITES_THROUGH: Final = frozenset({"directsync", "writethrough"})


class _Lock(NamedTuple):
    """What one domain does with an image, and lets others do."""

    image: Image
    path: str
    writes: bool
    shares: bool
    """Whether others may write to it."""
    option: str
    """Of QEMU's command, the option that takes it."""

    @property
    def is_late(self) -> bool:
        """Whether it is taken with the device: QEMU opens all images before it makes these."""
        return self.option.startswith("-device")


def check(pools: Pools, definition: Definition, running: Iterable[Definition], now: float) -> None:
    """Refuse a domain with a disk that is not what it says, or is in use: by another one, or twice.

    Args:
        pools: the host's.
        definition: by what it starts.
        running: by what those domains run that run on the host.
        now: the time of the cluster's clock, in seconds.

    Raises:
        LibvirtError: it has such a one.
    """
    for option, why in _unsuitable(pools, definition):
        raise _ends(f"{option}: {why}", definition, now)
    for lock, why in _conflicts(pools, definition, running):
        raise _fails(lock, why, definition, now)


def check_comes(pools: Pools, definition: Definition, running: Iterable[Definition], taker: str) -> None:
    """Refuse a disk that comes to a domain that runs, and is not what it says, or is in use.

    Args:
        pools: the host's.
        definition: a domain with that disk alone.
        running: as for `check`, with that by which the domain runs.
        taker: which command of QEMU's takes what has no header.

    Raises:
        LibvirtError: it is such a one.
    """
    opener = "blockdev-add"
    for _, why in _unsuitable(pools, definition):
        raise _refuses(opener, why)
    for lock, why in _conflicts(pools, definition, running):
        raise _refuses(taker if lock.is_late else opener, why)


def _refuses(command: str, why: str) -> LibvirtError:
    return failure(Code.INTERNAL_ERROR, f"unable to execute QEMU command '{command}': {why}")


def _conflicts(
    pools: Pools, definition: Definition, running: Iterable[Definition]
) -> Iterator[tuple[_Lock, str]]:
    """Give the locks that QEMU doesn't get, and why."""
    taken = [lock for each in running for lock in _locks(pools, each)]
    for lock in sorted(_locks(pools, definition), key=lambda each: each.is_late):
        others = [each for each in taken if each.image is lock.image]
        if lock.writes and not all(each.shares for each in others):
            yield lock, 'Failed to get "write" lock'
        elif not lock.shares and any(each.writes for each in others):
            yield lock, 'Failed to get shared "write" lock'
        taken.append(lock)


def _fails(lock: _Lock, why: str, definition: Definition, now: float) -> LibvirtError:
    problem = f"{lock.option}: {why}\nIs another process using the image [{lock.path}]?"
    return _ends(problem, definition, now)


def _ends(problem: str, definition: Definition, now: float) -> LibvirtError:
    """Return the error of a QEMU that ends at once."""
    time = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    who = f"{time} qemu-system-{definition.architecture}"
    return failure(Code.INTERNAL_ERROR, f"process exited while connecting to monitor: {who}: {problem}")


def _unsuitable(pools: Pools, definition: Definition) -> Iterator[tuple[str, str]]:
    """Give which options of QEMU's can't open disks of a domain, and why."""
    count = len(definition.disks)
    for position, disk in enumerate(definition.disks):
        each = held(pools, disk)
        if each is None or each.image is None:
            continue
        number = count - position
        if disk.type == "block" and each.image.type is ImageType.FILE:
            told = {
                "driver": "host_device",
                "filename": each.path,
                "node-name": f"libvirt-{number}-storage",
                "auto-read-only": True,
                "discard": "unmap",
            }
            why = f"'host_device' driver requires '{each.path}' to be either a character or block device"
            yield f"-blockdev {_written(told)}", why
        if disk.format == "qcow2" and not qcow2.is_one(each.image):
            yield _node(disk, number, disk.format, None, is_top=True), "Image is not in qcow2 format"


def _locks(pools: Pools, definition: Definition) -> Iterator[_Lock]:
    count = len(definition.disks)
    lowest = count  # what is beneath disks is numbered after them
    for position, disk in enumerate(definition.disks):
        image = held(pools, disk)
        if image is None or image.image is None:
            continue
        number = count - position
        if disk.format == "raw":
            option = f"-device {_written(_device(disk, number, definition.disk_aliases[position]))}"
            yield _Lock(image.image, image.path, not disk.is_read_only, disk.is_shareable, option)
            continue
        nodes = [number]
        for beneath in chain(pools, image):
            lowest += 1
            nodes.append(lowest)
            if beneath.image:
                option = _node(disk, lowest, beneath.image.format or "raw", None)
                yield _Lock(beneath.image, beneath.path, writes=False, shares=False, option=option)
        above = nodes[1] if len(nodes) > 1 else None
        option = _node(disk, number, disk.format, above, is_top=True)
        yield _Lock(image.image, image.path, not disk.is_read_only, shares=False, option=option)


def _node(disk: Disk, number: int, form: str, beneath: int | None, *, is_top: bool = False) -> str:
    """Return the option that opens an image."""
    told = {
        "node-name": f"libvirt-{number}-format",
        "read-only": disk.is_read_only or not is_top,
        "cache": _CACHES.get(_cache(disk)),
        "driver": form,
        "file": f"libvirt-{number}-storage",
    }
    node = {key: value for key, value in told.items() if value is not None}
    return f"-blockdev {_written({**node, 'backing': beneath and f'libvirt-{beneath}-format'})}"


def _device(disk: Disk, number: int, alias: str) -> dict[str, object]:
    """Return what QEMU is told of a disk, as far as its image's lock is shown with that."""
    bus, address = part_of(disk.element, "target", "bus") or "", disk.element.child("address")
    at = address.attributes if address else {}
    unit = int(at.get("unit", "0"))
    what = "cd" if disk.device == "cdrom" else "hd"
    where: dict[str, object]
    if bus == "virtio":
        bus_number, slot = (int(at.get(each, "0"), 0) for each in ("bus", "slot"))
        where = {"driver": "virtio-blk-pci", "bus": f"pci.{bus_number}", "addr": f"{slot:#x}"}
    elif bus == "scsi":
        where = {"driver": f"scsi-{what}", "bus": f"scsi{at.get('controller')}.0", "scsi-id": unit}
        where["device_id"] = f"drive-{alias}"
    elif bus == "sata":
        where = {"driver": f"ide-{what}", "bus": f"sata{at.get('controller')}.{unit}"}
    else:
        where = {"driver": f"{bus}-{what}", "bus": f"{bus}.{at.get('bus', '0')}", "unit": unit}
    cache, serial = _cache(disk), disk.element.child("serial")
    if disk.is_shareable:
        where["share-rw"] = True
    where |= {"drive": f"libvirt-{number}-format", "id": alias}
    if cache in _CACHES:
        where["write-cache"] = "off" if cache in _WRITES_THROUGH else "on"
    if serial:
        where["serial"] = serial.text
    return where


def _cache(disk: Disk) -> str:
    return part_of(disk.element, "driver", "cache") or ("none" if disk.is_shareable else "")


def _written(options: dict[str, object]) -> str:
    return json.dumps(options, separators=(",", ":"))
