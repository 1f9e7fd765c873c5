"""What snapshots have of a domain's disks: a copy of what is in the file, where a host knows that file.

All here is called under the cluster's lock.
"""

from collections.abc import Iterator
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.snapshots.document import Wanted, unsupported
from pytest_fakehv.fronts.libvirt.host.snapshots.tree import Snapshot, SnapshotDisk
from pytest_fakehv.fronts.libvirt.host.storage.content import Content
from pytest_fakehv.fronts.libvirt.host.storage.pools import Pools
from pytest_fakehv.fronts.libvirt.host.storage.space import Image

__tracebackhide__ = True  # a failed call is shown at the line that made it

_INSIDE: Final = "internal"


def chosen(definition: Definition, wanted: Wanted, *, is_active: bool) -> tuple[SnapshotDisk, ...]:
    """Return what a snapshot is to have of each disk.

    Args:
        definition: the domain's.
        wanted: the snapshot.
        is_active: whether the domain has any memory.

    Raises:
        LibvirtError: it can't be had.
    """
    modes = dict(wanted.disks)
    found, inside = [], False
    for element, disk in zip(definition.disk_elements, definition.disks, strict=True):
        is_given = disk.target in modes or disk.source in modes
        mode = modes.pop(disk.target, None) or modes.pop(disk.source or "", None)
        is_written = disk.device == "disk" and element.child("readonly") is None
        usual = _INSIDE if is_written else "no"
        mode = mode or (_INSIDE if is_given else usual)
        if mode in ("external", "manual"):
            problem = "virDomainSnapshotCreateXML, with snapshots that aren't internal"
            raise failure(Code.NO_SUPPORT, problem)
        if usual == _INSIDE and mode != _INSIDE:
            raise unsupported(f"disk '{disk.target}' must use snapshot mode 'internal'")
        form = part_of(element, "driver", "type") or "raw"
        if mode == _INSIDE and form != "qcow2":
            problem = f"internal snapshot for disk {disk.target} unsupported for storage type {form}"
            raise unsupported(problem, Origin.QEMU)
        inside = inside or mode == _INSIDE
        found.append(SnapshotDisk(disk.target, mode))
    if modes:
        raise unsupported(f"no disk named '{next(iter(modes))}'")
    if not inside:
        raise unsupported(
            "internal and full system snapshots require all disks to be selected for snapshot"
            if is_active
            else "nothing selected for snapshot",
            Origin.QEMU,
        )
    return tuple(found)


def keep(pools: Pools, snapshot: Snapshot) -> None:
    """Let the files of disks have a snapshot inside."""
    for image in _images(pools, snapshot):
        image.snapshots[snapshot.name] = _copy(image.content)


def go_back(pools: Pools, snapshot: Snapshot, now: float) -> None:
    """Let disks have what they had when a snapshot was taken."""
    for image in _images(pools, snapshot):
        if snapshot.name in image.snapshots:
            image.content, image.changed = _copy(image.snapshots[snapshot.name]), now


def forget(pools: Pools, snapshot: Snapshot) -> None:
    """Let the files of disks have a snapshot inside no more."""
    for image in _images(pools, snapshot):
        image.snapshots.pop(snapshot.name, None)


def _images(pools: Pools, snapshot: Snapshot) -> Iterator[Image]:
    inside = {each.name for each in snapshot.disks if each.mode == _INSIDE}
    for disk in snapshot.definition.disks:
        image = pools.image_at(disk.source) if disk.source and disk.target in inside else None
        if image:
            yield image


def _copy(content: Content | None) -> Content | None:
    return content and content.copy()
