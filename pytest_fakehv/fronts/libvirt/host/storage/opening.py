"""Whether QEMU opens the images of a domain's disks: what they are, and the locks that it takes.

By its locks it keeps two domains of one host from writing to the same image.

Source: QEMU's documentation of image locking, and what a real one says.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import zip_longest
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, failure
from pytest_fakehv.fronts.libvirt.host.attached import Disk
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.storage import qcow2
from pytest_fakehv.fronts.libvirt.host.storage.disks import chain, held
from pytest_fakehv.fronts.libvirt.host.storage.pool import Held
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


_NOT_QCOW2: Final = "Image is not in qcow2 format"


class _Lock(NamedTuple):
    """What one domain does with an image, and lets others do."""

    image: Image
    path: str
    writes: bool
    shares: bool
    """Whether others may write to it."""
    target: str
    """The name of the disk for which it is taken."""
    is_of_device: bool
    """Whether it is taken for the device alone, after all images are open."""
    tell_option: Callable[[], str] = str
    """Returns, of QEMU's command, the option that takes it: few locks are ever told of."""

    def hindered_by(self, taken: Iterable["_Lock"]) -> str | None:
        """Return why it can't be had beside others; None where it can."""
        others = [each for each in taken if each.image is self.image]
        if self.writes and not all(each.shares for each in others):
            return 'Failed to get "write" lock'
        if not self.shares and any(each.writes for each in others):
            return 'Failed to get shared "write" lock'
        return None


def _written_to(image: Image, path: str) -> _Lock:
    """Return the lock of a file that a job writes to, for no disk."""
    return _Lock(image, path, writes=True, shares=False, target="", is_of_device=False)


class Running(NamedTuple):
    """What a domain that runs has open."""

    definition: Definition
    """By what it runs."""
    written: tuple[str, ...]
    """The paths of what jobs of its disks write to."""

    def locks(self, pools: Pools) -> Iterator[_Lock]:
        """Give what it has taken."""
        yield from _locks(pools, self.definition)
        for path in self.written:
            if image := pools.image_at(path):
                yield _written_to(image, path)


class Opened(NamedTuple):
    """What is open on a host to which a domain that runs opens more."""

    pools: Pools
    """The host's."""
    own: Running
    """What the domain has, with what is to come."""
    others: tuple[Running, ...]
    """What the others have."""

    def _taken(self, besides: str) -> list[_Lock]:
        """Return what is taken, but for a disk of the domain."""
        own = (each for each in self.own.locks(self.pools) if not besides or each.target != besides)
        return [*own, *(lock for each in self.others for lock in each.locks(self.pools))]

    def check_disk(self, target: str, command: str) -> None:
        """Refuse a disk that is not what it says, or is in use.

        Args:
            target: its name.
            command: that of QEMU which takes the device's locks.

        Raises:
            LibvirtError: it is so.
        """
        definition = self.own.definition
        for disk, _, why in _unsuitable(self.pools, definition):
            if disk.target == target:
                raise _refused("blockdev-add", why)
        locks, taken = _in_order(_locks(self.pools, definition)), self._taken(target)
        for lock in locks:
            if lock.target == target and (why := lock.hindered_by(taken) or ""):
                raise _refused(command if lock.is_of_device else "blockdev-add", why)

    def check_file(self, path: str, form: str, command: str, *, doing: str = "") -> None:
        """Refuse a file that is there and is to be written to, if it is not what is said, or is in use.

        Args:
            path: where it is.
            form: of what is to be in it.
            command: that of QEMU which takes the lock of what has no format.
            doing: what that says it can't do, before it says why.

        Raises:
            LibvirtError: it is so.
        """
        image = self.pools.image_at(path)
        if image and form == "qcow2" and not qcow2.is_one(image):
            raise _refused("blockdev-add", _NOT_QCOW2)
        if form == "raw":
            self.check_write(path, command, doing=doing)
        else:
            self.check_write(path, "blockdev-add")

    def check_write(self, path: str, command: str, *, besides: str = "", doing: str = "") -> None:
        """Refuse to write to a file that is in use.

        Args:
            path: where it is.
            command: that of QEMU which takes the lock.
            besides: the disk of the domain that may have it; "" for none.
            doing: as for `check_file`.

        Raises:
            LibvirtError: it is so.
        """
        image = self.pools.image_at(path)
        if image and (why := _written_to(image, path).hindered_by(self._taken(besides))):
            raise _refused(command, doing + why)


def _refused(command: str, why: str) -> LibvirtError:
    """Return the error of a QEMU that runs and doesn't do what it is told."""
    return failure(Code.INTERNAL_ERROR, f"unable to execute QEMU command '{command}': {why}")


def _in_order(locks: Iterable[_Lock]) -> list[_Lock]:
    """Return locks as they are taken: QEMU opens all images before it makes the devices."""
    return sorted(locks, key=lambda each: each.is_of_device)


def check(pools: Pools, definition: Definition, running: Iterable[Running], now: float) -> None:
    """Refuse a domain with a disk that is not what it says, or is in use: by another one, or twice.

    Args:
        pools: the host's.
        definition: by what it starts.
        running: what those domains have open that run on the host.
        now: the time of the cluster's clock, in seconds.

    Raises:
        LibvirtError: it has such a one.
    """
    for _, option, why in _unsuitable(pools, definition):
        raise _ends(f"{option}: {why}", definition, now)
    locks = _in_order(_locks(pools, definition))
    # Of what no pool holds, nobody needs to be asked: a host may run very many.
    taken = [lock for each in running for lock in each.locks(pools)] if locks else []
    for lock in locks:
        if why := lock.hindered_by(taken) or "":
            problem = f"{lock.tell_option()}: {why}\nIs another process using the image [{lock.path}]?"
            raise _ends(problem, definition, now)
        taken.append(lock)


def _ends(problem: str, definition: Definition, now: float) -> LibvirtError:
    """Return the error of a QEMU that ends at once."""
    time = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    who = f"{time} qemu-system-{definition.architecture}"
    return failure(Code.INTERNAL_ERROR, f"process exited while connecting to monitor: {who}: {problem}")


class _Node(NamedTuple):
    """An image that QEMU opens for a disk."""

    held: Held
    form: str
    """Of what is to be in it."""
    number: int
    beneath: int | None
    """The number of what it is the difference to; None for nothing."""
    is_top: bool


def _nodes(pools: Pools, definition: Definition) -> Iterator[tuple[int, Disk, list[_Node]]]:
    """Give domains' disks in pools, with their place, and what is opened for each: the lowest first."""
    count = len(definition.disks)
    lowest = count  # what is beneath disks is numbered after them
    for position, disk in enumerate(definition.disks):
        top = held(pools, disk)
        if top is None or top.image is None:
            continue
        found, form, number = [], disk.format, count - position
        beneath = list(chain(pools, top)) if form != "raw" else []
        for each, below in zip_longest([top, *beneath], beneath):
            under = lowest = lowest + 1 if below else lowest
            found.append(_Node(each, form, number, under if below else None, each is top))
            backing = each.image and each.image.backing
            form, number = backing.format if backing else "", under
        yield position, disk, found[::-1]


def _unsuitable(pools: Pools, definition: Definition) -> Iterator[tuple[Disk, str, str]]:
    """Give disks of a domain that QEMU can't open, each with its option that says so, and why."""
    for _, disk, nodes in _nodes(pools, definition):
        for node in nodes:
            path, image = node.held.path, node.held.image
            if node.is_top and disk.type == "block" and image and image.type is ImageType.FILE:
                told = {
                    "driver": "host_device",
                    "filename": path,
                    "node-name": f"libvirt-{node.number}-storage",
                    "auto-read-only": True,
                    "discard": "unmap",
                }
                why = f"'host_device' driver requires '{path}' to be either a character or block device"
                yield disk, f"-blockdev {_written(told)}", why
            if node.form == "qcow2" and image and not qcow2.is_one(image):
                yield disk, _option(disk, node), _NOT_QCOW2


def _locks(pools: Pools, definition: Definition) -> Iterator[_Lock]:
    for position, disk, nodes in _nodes(pools, definition):
        for node in nodes:
            if node.held.image is None:
                continue
            writes, is_raw = node.is_top and not disk.is_read_only, disk.format == "raw"
            tell_option = (
                partial(_device, disk, node.number, definition.disk_aliases[position])
                if is_raw
                else partial(_option, disk, node)
            )
            yield _Lock(
                node.held.image,
                node.held.path,
                writes=writes,
                shares=is_raw and disk.is_shareable,
                target=disk.target,
                is_of_device=is_raw,
                tell_option=tell_option,
            )


def _option(disk: Disk, node: _Node) -> str:
    """Return the option that opens an image."""
    told = {
        "node-name": f"libvirt-{node.number}-format",
        "read-only": disk.is_read_only or not node.is_top,
        "cache": _CACHES.get(_cache(disk)),
        "driver": node.form,
        "file": f"libvirt-{node.number}-storage",
    }
    given = {key: value for key, value in told.items() if value is not None}
    return f"-blockdev {_written({**given, 'backing': node.beneath and f'libvirt-{node.beneath}-format'})}"


def _device(disk: Disk, number: int, alias: str) -> str:
    """Return the option that makes a disk's device, as far as its image's lock is shown with that."""
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
    return f"-device {_written(where)}"


def _cache(disk: Disk) -> str:
    return part_of(disk.element, "driver", "cache") or ("none" if disk.is_shareable else "")


def _written(options: dict[str, object]) -> str:
    return json.dumps(options, separators=(",", ":"))
