"""The disks of a domain that moves: which hosts must share, and which are copied.

What lies in no pool of the source's is taken to be shared: nobody knows how large it is, and it isn't copied.
"""

import errno
import os
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, failure
from pytest_fakehv.fronts.libvirt.host.asked import Asked
from pytest_fakehv.fronts.libvirt.host.attached import Disk
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, written
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.storage import disks, volumes
from pytest_fakehv.fronts.libvirt.host.storage.pool import Held
from pytest_fakehv.fronts.libvirt.host.storage.space import Image
from pytest_fakehv.fronts.libvirt.host.words import Migrate

__tracebackhide__ = True  # a failed call is shown at the line that made it

_COMPAT: Final = "1.1"
"""The version of the format of what is made on the target."""


class Copy(NamedTuple):
    """A disk that is copied."""

    source: Image
    to: Image
    is_whole: bool
    """Whether also of what the source is the difference to."""

    @property
    def size(self) -> int:
        """How much is copied, in bytes."""
        return self.source.capacity if self.is_whole else volumes.own_data(self.source)


def check(host: Host, definition: Definition, asked: Asked) -> None:
    """Refuse to migrate a domain with a disk that hosts don't share, unless it is copied.

    Raises:
        LibvirtError: it has such a one; or one is to be copied that it has not.
    """
    copied = _copied(definition, asked)
    for disk in definition.disks:
        if asked.has(Migrate.UNSAFE) or disk in copied or disk.is_read_only or disk.type == "block":
            continue
        held = disks.held(host.pools, disk)
        if held and not (held.pool.is_logical or host.pools.is_shared(held.pool)):
            raise failure(Code.MIGRATE_UNSAFE, "Migration without shared storage is unsafe")
    if asked.copies_disks:
        for name in asked.disks:
            if name not in {each.target for each in definition.disks}:
                raise failure(Code.INVALID_ARG, f"disk target {name} not found")


def _copied(definition: Definition, asked: Asked) -> list[Disk]:
    """Return which of its disks are copied."""
    if not asked.copies_disks:
        return []
    return [
        each
        for each in definition.disks
        if each.source is not None
        and (each.target in asked.disks if asked.disks else not (each.is_read_only or each.is_shareable))
    ]


def _held(host: Host, definition: Definition, name: str) -> Held | None:
    """Return what a disk is on a host, by its name; None where nobody knows that."""
    disk = disks.found(definition, name)
    return disks.held(host.pools, disk) if disk else None


def make(host: Host, definition: Definition, asked: Asked, source: Host) -> None:
    """Make on the target what the copies of disks are to be, where it isn't there.

    Args:
        host: the target.
        definition: by what the domain comes.
        asked: how it moves.
        source: where it comes from.

    Raises:
        LibvirtError: that can't be made.
    """
    domain = source.known(definition.uuid)
    for disk in _copied(definition, asked):
        there = _held(source, domain.definition, disk.target) if domain else None
        here = disks.held(host.pools, disk)
        if there is None or there.image is None or (here and here.image):
            continue
        image = there.image
        if asked.has(Migrate.NON_SHARED_INC):
            raise failure(
                Code.OPERATION_UNSUPPORTED,
                "pre-creation of storage targets for incremental storage migration is not supported",
            )
        if disk.type == "block":
            raise failure(Code.INTERNAL_ERROR, "cannot precreate storage for disk type 'block'")
        folder, _, name = (disk.source or "").rpartition("/")
        pool = host.pools.by_path(folder) if disk.pool is None else host.pools.by_name(disk.pool)
        volumes.create(host.pools, pool, _volume_xml(name, disk.format, image), 0, host.machine.now)


def _volume_xml(name: str, form: str, image: Image) -> str:
    """Return the XML of a volume that is to be a copy of an image."""
    allocation = image.allocation if form == "raw" else image.capacity
    told = [Element("format", {"type": form})]
    if form == "qcow2":
        told.append(Element("compat", {}, (_COMPAT,)))
    parts = (
        Element("name", {}, (name,)),
        Element("capacity", {}, (str(image.capacity),)),
        Element("allocation", {}, (str(allocation),)),
        Element("target", {}, tuple(told)),
    )
    return written(Element("volume", {}, parts))


def between(source: Host, target: Host, definition: Definition, asked: Asked) -> list[Copy]:
    """Return which copies of a domain's disks there are to be, to what its target has.

    Args:
        source: where it is.
        target: where it comes to.
        definition: by what it runs on the source.
        asked: how it moves.

    Raises:
        LibvirtError: one is of another size there, or doesn't fit.
    """
    domain = target.known(definition.uuid)
    coming = domain.incoming.definition if domain and domain.incoming else definition
    found = []
    for disk in _copied(definition, asked):
        here, there = _held(source, definition, disk.target), _held(target, coming, disk.target)
        if here is None or here.image is None or there is None or there.image is None:
            continue
        copy = Copy(here.image, there.image, is_whole=asked.has(Migrate.NON_SHARED_DISK))
        if copy.source.capacity != copy.to.capacity:
            raise _failed(disk, "Source and target image have different sizes")
        grows = volumes.filled(copy.to) - copy.to.allocation if copy.is_whole else 0
        if grows > there.pool.active_space().available:
            raise _failed(disk, os.strerror(errno.ENOSPC))
        found.append(copy)
    return found


def _failed(disk: Disk, why: str) -> LibvirtError:
    return failure(Code.OPERATION_FAILED, f"migration of disk {disk.target} failed: {why}")


def arrive(copies: list[Copy]) -> None:
    """Let the target's images have what is in the source's."""
    for source, image, is_whole in copies:
        if image is source:  # both have it
            continue
        volumes.copy(source, image)
        if is_whole:
            volumes.fill(image)
            if source.backing:  # nobody knows where in the file what of which image is
                image.content, image.is_converted = None, True
