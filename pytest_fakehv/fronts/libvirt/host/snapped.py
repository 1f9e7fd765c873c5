"""What snapshots have of a domain's disks: a copy of what is in the file, or the file, beneath another one.

All here is called under the cluster's lock.
"""

import errno
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, system_failure
from pytest_fakehv.fronts.libvirt.host import firmware
from pytest_fakehv.fronts.libvirt.host.attached import Disk
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.disks.chain import (
    Layer,
    disks_of,
    find_disk,
    is_ended,
    layers_of,
    target_of,
    with_disk,
    with_layers,
    without_end,
)
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.snapshots.document import Wanted, WantedDisk, unsupported
from pytest_fakehv.fronts.libvirt.host.snapshots.tree import (
    BESIDE,
    INSIDE,
    NOWHERE,
    Snapshot,
    SnapshotDisk,
)
from pytest_fakehv.fronts.libvirt.host.snapshots.words import Snap
from pytest_fakehv.fronts.libvirt.host.storage import qcow2
from pytest_fakehv.fronts.libvirt.host.storage.content import Content
from pytest_fakehv.fronts.libvirt.host.storage.pools import Pools
from pytest_fakehv.fronts.libvirt.host.storage.room import check_can_format, unmade
from pytest_fakehv.fronts.libvirt.host.storage.space import Backing, Image, ImageType, Permissions
from pytest_fakehv.fronts.libvirt.host.storage.volumes import EMPTY_ALLOCATED

__tracebackhide__ = True  # a failed call is shown at the line that made it

_FORMAT: Final = "qcow2"
_NOTHING: Final = WantedDisk(None, None, _FORMAT)


def chosen(domain: Domain, wanted: Wanted, name: str, flags: int) -> tuple[SnapshotDisk, ...]:
    """Return what a snapshot is to have of each disk.

    Args:
        domain: of what it is taken.
        wanted: the snapshot.
        name: its name.
        flags: `Snap`.

    Raises:
        LibvirtError: it can't be had.
    """
    definition, only_disks = domain.definition, bool(flags & Snap.DISK_ONLY)
    usual = BESIDE if only_disks or wanted.memory == BESIDE else INSIDE
    given, found = dict(wanted.disks), []
    for element, disk in zip(disks_of(definition), definition.disks, strict=True):
        is_given = disk.target in given or disk.source in given
        want = given.pop(disk.target, None) or given.pop(disk.source or "", None) or _NOTHING
        is_written = disk.device == "disk" and element.child("readonly") is None
        mode = want.mode or (usual if is_given or is_written else NOWHERE)
        if is_written and mode != usual and not only_disks:
            raise unsupported(f"disk '{disk.target}' must use snapshot mode '{usual}'")
        overlay = None
        if mode == BESIDE:
            overlay = want.overlay or _overlay(disk, name)
        elif mode != NOWHERE:
            _check_inside(element, disk, only_disks=only_disks)
        found.append(SnapshotDisk(disk.target, mode, overlay))
        if want.form not in ("qcow2", "qed"):
            problem = f"external snapshot format for disk {disk.target} is unsupported: {want.form}"
            raise unsupported(problem, Origin.QEMU)
    if given:
        raise unsupported(f"no disk named '{next(iter(given))}'")
    if all(each.mode == NOWHERE for each in found):
        raise unsupported(
            "internal and full system snapshots require all disks to be selected for snapshot"
            if domain.is_active and not only_disks
            else "nothing selected for snapshot",
            Origin.QEMU,
        )
    if firmware.is_flash(definition) and any(each.mode == INSIDE for each in found):
        problem = "internal snapshots of a VM with pflash based firmware are not supported"
        raise failure(Code.OPERATION_UNSUPPORTED, problem)
    return tuple(found)


def _check_inside(element: Element, disk: Disk, *, only_disks: bool) -> None:
    """Refuse a disk that can't have a snapshot inside, or not one of the disks alone.

    Raises:
        LibvirtError: it is such.
    """
    if only_disks:
        what = "active qemu domains require external disk snapshots"
        raise unsupported(f"{what}; disk {disk.target} requested internal", Origin.QEMU)
    form = part_of(element, "driver", "type") or "raw"
    if form != _FORMAT:
        problem = f"internal snapshot for disk {disk.target} unsupported for storage type {form}"
        raise unsupported(problem, Origin.QEMU)


def _overlay(disk: Disk, name: str) -> str:
    """Return where the file is to be that has the difference to a disk's, where nobody says that.

    Raises:
        LibvirtError: a disk is no file.
    """
    if disk.type != "file":
        problem = f"cannot generate external snapshot name for disk '{disk.target}' on a '{disk.type}' device"
        raise unsupported(problem)
    folder, _, file = (disk.source or "").rpartition("/")
    stem, dot, _ = file.rpartition(".")
    return f"{folder}/{stem if dot else file}.{name}"


# Beside disks


def check_overlays(pools: Pools, disks: tuple[SnapshotDisk, ...], flags: int) -> None:
    """Refuse overlays that are there though they are to be made, or aren't though they are to be used.

    Raises:
        LibvirtError: there is one.
    """
    for disk in disks:
        if disk.overlay is None:
            continue
        is_there = pools.image_at(disk.overlay) is not None
        if flags & Snap.REUSE_EXT:
            if not is_there:
                doing = f"missing existing file for disk {disk.name}: {disk.overlay}"
                raise system_failure(doing, errno.ENOENT, origin=Origin.QEMU)
        elif is_there:
            what = "already exists and is not a block device"
            problem = f"external snapshot file for disk {disk.name} {what}: {disk.overlay}"
            raise unsupported(problem, Origin.QEMU)


def check_room(pools: Pools, domain: Domain, disks: tuple[SnapshotDisk, ...]) -> None:
    """Refuse overlays that there is no room for.

    Args:
        pools: the host's.
        domain: whose disks they are of.
        disks: what a snapshot is to have of each.

    Raises:
        LibvirtError: there is none.
    """
    sources = {each.overlay: each.name for each in disks if each.overlay}
    if domain.is_active:
        check_can_format(pools, sources)
    elif found := unmade(pools, sources):
        disk = find_disk(domain.definition, sources[found.path])
        form, source = part_of(disk, "driver", "type") or "raw", layers_of(disk)[0].path
        options = f"backing_fmt={form},backing_file={source}"
        command = f"/usr/bin/qemu-img create -f {_FORMAT} -o {options} {found.path}"
        why = f"qemu-img: {found.path}: {found.why}"
        problem = f"Child process ({command}) unexpected exit status 1: {why}\n"
        raise failure(Code.INTERNAL_ERROR, problem, origin=Origin.NONE)


def make_overlays(pools: Pools, domain: Domain, snapshot: Snapshot, now: float) -> None:
    """Have files which have the difference to those that a domain's disks have.

    Args:
        pools: the host's.
        domain: which.
        snapshot: which overlays there are to be.
        now: the time of the cluster's clock, in seconds.
    """
    overlays = overlays_of(snapshot)
    for element, disk in zip(disks_of(domain.definition), domain.definition.disks, strict=True):
        if path := overlays.get(disk.target):
            form = part_of(element, "driver", "type") or "raw"
            _make(pools, path, Backing(disk.source or "", form), domain, now)


def overlays_of(snapshot: Snapshot) -> dict[str, str]:
    """Return the paths of a snapshot's overlays, by the disks' names."""
    return {each.name: each.overlay for each in snapshot.disks if each.overlay}


def overlaid(
    definition: Definition,
    overlays: Mapping[str, str],
    *,
    number: Callable[[], int] = lambda: 0,
    is_chain: bool,
) -> Definition:
    """Return a definition whose disks go on in other files.

    Args:
        definition: by which the domain runs, or which is its persistent one.
        overlays: the files' paths, by the disks' names.
        number: gives numbers to them; 0 for none.
        is_chain: whether it is said what is beneath.
    """
    for disk in disks_of(definition):
        if path := overlays.get(target_of(disk)):
            top = Layer(Element("source", {"file": path}), "file", _FORMAT, number())
            new = with_layers(disk, [top, *(layers_of(disk) if is_chain else [])])
            definition = with_disk(definition, disk, new if is_ended(disk) else without_end(new))
    return definition


def _make(pools: Pools, path: str, backing: Backing, domain: Domain, now: float) -> None:
    space, name = pools.place(path)
    below = pools.image_at(backing.path)
    capacity = below.capacity if below else 0
    space.images[name] = Image(
        name=name,
        type=ImageType.FILE,
        format=_FORMAT,
        capacity=capacity,
        allocation=EMPTY_ALLOCATED,
        physical=qcow2.physical(capacity),
        permissions=Permissions(0o600 if domain.is_active else 0o644),
        backing=backing,
        compat="1.1",
        features=(),
        cluster=qcow2.CLUSTER,
        changed=now,
    )


# Inside them


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
    inside = {each.name for each in snapshot.disks if each.mode == INSIDE}
    for disk in snapshot.definition.disks:
        image = pools.image_at(disk.source) if disk.source and disk.target in inside else None
        if image:
            yield image


def _copy(content: Content | None) -> Content | None:
    return content and content.copy()
