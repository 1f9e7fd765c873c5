"""A domain's disks."""

import re
from collections.abc import Iterable
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin
from pytest_fakehv.fronts.libvirt.host.domainxml.credentials import check_credentials, complete_credentials
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import (
    attributes_in_order,
    check_boot,
    part_of,
    parts_in_order,
    with_part,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, unsupported, wrong
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, ranks, words

_TYPES: Final = words("file block dir network volume nvme vhostuser vhostvdpa")
_DEVICES: Final = words("disk cdrom floppy lun")
_BUSES: Final = {"hd": "ide", "sd": "scsi", "vd": "virtio", "fd": "fdc", "xvd": "xen", "ubd": "uml"}
"""Where a disk is by how its name begins, if the user doesn't say it."""
_ALL_BUSES: Final = (*_BUSES.values(), "usb", "sata", "sd")
_NAME: Final = re.compile(rf"({'|'.join(_BUSES)})([a-z]{{1,6}})[0-9]*")
_CACHES: Final = words("default none writethrough writeback directsync unsafe")
_FORMATS: Final = words("raw dir bochs cloop dmg iso vpc vdi fat vhd ploop cow qcow qcow2 qed vmdk none auto")
_OF_LUNS: Final = ("block", "network", "volume")
_DRIVER: Final = ranks(
    "name type cache error_policy rerror_policy io ioeventfd event_idx copy_on_read discard iothread "
    "detect_zeroes"
)
ORDER_OF_DISK: Final = ranks(
    "driver auth source backingStore backenddomain geometry blockio mirror target iotune readonly shareable "
    "transient serial wwn vendor product encryption boot alias"
)


def check_disk(disk: Element) -> None:
    """Refuse a disk that has a wrong value."""
    check_choice(disk, "type", _TYPES)
    check_choice(disk, "device", _DEVICES)
    if target := disk.child("target"):
        check_choice(target, "bus", _ALL_BUSES)
    if driver := disk.child("driver"):
        check_choice(driver, "cache", _CACHES)
        if (kind := driver.attributes.get("type", "raw")) not in _FORMATS:
            raise unsupported(f"unknown driver format value '{kind}'")
    check_credentials(disk)
    check_boot(disk)


def complete_disks(disks: Iterable[Element]) -> list[Element]:
    """Return disks with what a user may leave out: those of each bus together, by their names."""
    by_bus: dict[str | None, list[Element]] = {}
    for disk in map(_complete_disk, disks):
        by_bus.setdefault(part_of(disk, "target", "bus"), []).append(disk)
    return [disk for group in by_bus.values() for disk in sorted(group, key=disk_index)]


def _complete_disk(disk: Element) -> Element:
    disk = disk.defaulting(type="file", device="disk")
    form = {} if disk.attributes["type"] == "volume" else {"type": "raw"}
    disk = with_part(disk, "driver", name="qemu", **form)
    if found := _name(disk):
        disk = with_part(disk, "target", dev=found[0], bus=_BUSES[found[1]])
    disk = complete_credentials(undetected(disk))
    if disk.attributes["device"] == "cdrom":
        disk = with_part(disk, "readonly")
    parts = (
        each._replace(attributes=attributes_in_order(each, _DRIVER)) if each.name == "driver" else each
        for each in disk.children
    )
    return parts_in_order(disk.holding(*parts), ORDER_OF_DISK)


def undetected(disk: Element) -> Element:
    """Return a disk without what a daemon alone says of it while the domain runs."""
    parts = (each.having(index=None) if each.name == "source" else each for each in disk.children)
    return without_chain(disk.holding(*parts))


def without_chain(disk: Element) -> Element:
    """Return a disk without what a daemon has found beneath its source, and what it is being copied to."""
    return disk.holding(
        *(
            each
            for each in disk.children
            if each.name != "mirror" and not (each.name == "backingStore" and "index" in each.attributes)
        )
    )


def disk_index(disk: Element) -> int:
    """Return which of its bus's disks one is by its name, from 0; -1 if that can't be known."""
    number = 0
    if found := _name(disk):
        for letter in found[2]:
            number = number * 26 + ord(letter) - ord("a") + 1
    return number - 1


def _name(disk: Element) -> re.Match[str] | None:
    return _NAME.fullmatch(part_of(disk, "target", "dev") or "")


def check_disk_names(devices: Element) -> None:
    """Refuse a disk whose name doesn't say where it is.

    Raises:
        LibvirtError: There is one.
    """
    for disk in devices.named("disk"):
        name = part_of(disk, "target", "dev")
        if name and not _name(disk):
            raise wrong(f"Unknown disk name '{name}' and no address specified")


def check_disks(devices: Element) -> None:
    """Refuse disks that lack a name or a source, and those that share a name.

    Raises:
        LibvirtError: There is one.
    """
    seen: dict[str, str] = {}
    for disk in devices.named("disk"):
        source = disk.child("source")
        path = next(iter(source.attributes.values()), "<null>") if source else "<null>"
        name = part_of(disk, "target", "dev")
        if not name:
            raise _lacks(Code.NO_TARGET, "target", path)
        if disk.attributes["device"] == "lun" and disk.attributes["type"] not in _OF_LUNS:
            raise unsupported("disk device='lun' is only valid for block type disk source")
        if path == "<null>" and disk.attributes["device"] in {"disk", "lun"}:
            raise _lacks(Code.NO_SOURCE, "source", name)
        if name in seen:
            raise wrong(f"target '{name}' duplicated for disk sources '{seen[name]}' and '{path}'")
        seen[name] = path


def _lacks(code: Code, what: str, whose: str) -> LibvirtError:
    text = f"missing {what} information for device"
    return LibvirtError(code, Origin.DOMAIN, f"{text} {whose}", f"{text} %s", whose)
