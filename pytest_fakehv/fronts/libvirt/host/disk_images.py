"""What a client asks of a domain's disks: their sizes, another one, and what is in them."""

import errno
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure, system_failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.attached import Disk
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.storage import disks, volumes
from pytest_fakehv.fronts.libvirt.host.storage.space import Image, ImageType
from pytest_fakehv.fronts.libvirt.host.storage.streaming import content_at
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_BYTES: Final = 1
"""Of another size, the flag: it is in bytes."""

_KIB: Final = 1024

_MOST_KIB: Final = 2**54 - 1
"""A size from which on its bytes are more than a number can hold."""


@api("virDomainGetBlockInfo", flags=0)
def info(host: Host, _session: Session, domain: Domain, place: str, _flags: int) -> tuple[int, int, int]:
    """Return what a disk takes, its capacity, and where its source ends, in bytes."""
    with host.machine.lock:
        disk = disks.found(domain.definition, place)
        if disk is None:
            raise _invalid(f"invalid path {place} not assigned to domain")
        if disk.source is None:
            raise _invalid(f"disk '{place}' does not currently have a source assigned")
        return disks.sizes(_image(host, domain, disk, Origin.QEMU), disk, runs=domain.is_active)


@api("virDomainBlockResize", has_job=True, flags=_BYTES)
def resize(host: Host, _session: Session, domain: Domain, place: str, size: int, flags: int) -> None:
    """Give the source of a running domain's disk another size."""
    if not flags & _BYTES:
        if size > _MOST_KIB:
            raise failure(Code.OVERFLOW, f"size must be less than {_MOST_KIB}")
        size *= _KIB
    check_active(domain)
    with host.machine.lock:
        disk = disks.found(domain.definition, place)
        if disk is None:
            raise _invalid(f"disk '{place}' was not found in the domain config")
        if disk.source is None or disk.is_read_only:
            problem = f"can't resize empty or readonly disk '{disk.target}'"
            raise failure(Code.OPERATION_UNSUPPORTED, problem)
        image = _image(host, domain, disk, Origin.QEMU)
        if disk.format != "raw":
            size = disks.whole_sectors(size)
        if image.type is ImageType.BLOCK:  # which stays as it is
            if size > image.physical:
                raise _not_resized("Cannot grow device files")
            return
        if disk.format == "raw" and size > volumes.LARGEST:
            raise _not_resized("Could not resize file: File too large")
        volumes.fit(image, size)
        image.changed = host.machine.now


@api("virDomainBlockPeek", flags=0)
def peek(host: Host, _session: Session, domain: Domain, place: str, at: int, size: int, _flags: int) -> bytes:
    """Return the bytes at a place of a disk's source."""
    with host.machine.lock:
        disk = disks.found(domain.definition, place)
        if disk is None:
            raise _invalid(f"disk '{place}' not found in domain")
        form = "none" if disk.source is None and domain.is_active else disk.format
        if form != "raw":
            problem = f"peeking is only supported for disk with 'raw' format not '{form}'"
            raise failure(Code.OPERATION_UNSUPPORTED, problem)
        if disk.source is None:
            raise system_failure("Failed to open file '(null)'", errno.EFAULT, origin=Origin.STORAGE)
        image = _image(host, domain, disk, Origin.STORAGE)
        left = max(0, image.physical - at)
        if left < size:
            raise _invalid(f"'{place}' starting from {at} has only {left} bytes available")
        if not size:
            raise system_failure(f"cannot read header '{disk.source}'", errno.EINVAL, origin=Origin.STORAGE)
        return content_at(image, disk.source).read(at, size)


def _image(host: Host, domain: Domain, disk: Disk, origin: Origin) -> Image:
    """Return what a disk is that isn't empty.

    Raises:
        LibvirtError: it isn't there, or lies in no pool, so that nobody knows what it is.
    """
    if disk.type == "volume" and not domain.is_active:  # it is looked up at the start alone
        problem = "missing storage backend for 'volume' storage"
        raise failure(Code.INTERNAL_ERROR, problem, origin=Origin.STORAGE)
    held = disks.held(host.pools, disk)
    if held is None:
        problem = f"nobody knows what '{disk.source}' is, which lies in no storage pool of this host"
        raise failure(Code.OPERATION_UNSUPPORTED, problem)
    if held.image is None:
        raise system_failure(f"Failed to open file '{held.path}'", errno.ENOENT, origin=origin)
    return held.image


def _not_resized(why: str) -> LibvirtError:
    return failure(Code.INTERNAL_ERROR, f"unable to execute QEMU command 'block_resize': {why}")


def _invalid(problem: str) -> LibvirtError:
    return failure(Code.INVALID_ARG, problem)
