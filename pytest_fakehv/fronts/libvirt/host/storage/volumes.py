"""What is done with volumes: they are made, cloned, resized, wiped and deleted.

All here is called under the cluster's lock. A volume that is a file and holds anything but raw data is
sparse, and takes what its format needs for itself; no guest of a fake cluster writes into one.
"""

import errno
import os
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import (
    Code,
    LibvirtError,
    Origin,
    failure,
    system_failure,
)
from pytest_fakehv.fronts.libvirt.host.apis import check_flags
from pytest_fakehv.fronts.libvirt.host.storage import qcow2
from pytest_fakehv.fronts.libvirt.host.storage.pool import Pool, Volume, invalid
from pytest_fakehv.fronts.libvirt.host.storage.pools import Pools
from pytest_fakehv.fronts.libvirt.host.storage.space import Image, ImageType
from pytest_fakehv.fronts.libvirt.host.storage.volumexml import WantedVolume, volume_xml
from pytest_fakehv.fronts.libvirt.host.words import VolumeCreate, VolumeResize, WipeAlgorithm

__tracebackhide__ = True  # a failed call is shown at the line that made it

LARGEST: Final = 16 * 2**40 - 4096
"""Bytes: the largest file of a file system such as ext4."""

EMPTY_ALLOCATED: Final = 200704
"""Bytes that it takes."""
_TABLES: Final = 327680
"""Bytes that one has beside its data where all its tables are there."""
_TABLES_ALLOCATED: Final = 266240
_BLOCK: Final = 4096
"""Bytes: what a file takes at least that has anything in it."""
_EXTENT: Final = 4 * 2**20
"""Bytes: a logical volume has a whole number of these."""
_NEVER_MADE: Final = frozenset({"bochs", "cloop", "dmg", "fat", "vhd", "ploop", "cow"})
"""The formats of which files can only be read."""


def described(pools: Pools, volume: Volume) -> str:
    """Return a volume's XML.

    Raises:
        LibvirtError: it is no more.
    """
    volume.check_is_there()
    backing = volume.image.backing and pools.image_at(volume.image.backing.path)
    return volume_xml(volume.image, volume.key, volume.path, backing)


def create(pools: Pools, pool: Pool, xml: str, flags: int, now: float) -> Volume:
    """Make a volume.

    Args:
        pools: the host's.
        pool: where.
        xml: what it is to be.
        flags: how, `VolumeCreate`.
        now: the time of the cluster's clock, in seconds.

    Raises:
        LibvirtError: it can't be made.
    """
    pool.active_space()
    wanted = WantedVolume.parse(xml)
    if wanted.name in pool.images:
        text = f"storage volume '{wanted.name}' exists already"
        raise LibvirtError(
            Code.STORAGE_VOL_EXIST,
            Origin.STORAGE,
            text,
            "storage volume %s exists already",
            f"'{wanted.name}'",
        )
    backing = wanted.backing and pools.image_at(wanted.backing.path)
    capacity = wanted.capacity
    if capacity is None:
        capacity = backing.capacity if backing else 0
    allocation = capacity if wanted.allocation is None else wanted.allocation
    if wanted.format == "raw":
        capacity = max(capacity, allocation)
    image = _image(wanted, capacity, now)
    if pool.is_logical:
        _allocate_extents(pool, image, allocation)
    else:
        _check_file(pool, wanted)
        if wanted.backing and not backing and wanted.format != "raw":
            doing = f"inaccessible backing store volume {wanted.backing.path}"
            raise system_failure(doing, errno.ENOENT, origin=Origin.STORAGE)
        if wanted.format == "raw":
            _allocate_raw(pool, wanted, image, allocation, flags)
        else:
            _allocate(pool, image, allocation, flags)
    return _added(pool, image)


def clone(pool: Pool, xml: str, source: Volume, flags: int, now: float) -> Volume:
    """Make a volume that has what is in another one.

    Args:
        pool: where.
        xml: what it is to be.
        source: the other one.
        flags: how, `VolumeCreate`.
        now: the time of the cluster's clock, in seconds.

    Raises:
        LibvirtError: it can't be made.
    """
    pool.active_space()
    wanted = WantedVolume.parse(xml, needs_capacity=False)
    if wanted.name in pool.images:
        problem = f"storage volume name '{wanted.name}' already in use."
        raise failure(Code.INTERNAL_ERROR, problem, origin=Origin.STORAGE)
    source.check_is_there()
    capacity = max(wanted.capacity or 0, source.image.capacity)
    image = _image(wanted, capacity, now)
    if pool.is_logical:
        _allocate_extents(pool, image, capacity)
        copy(source.image, image)
        return _added(pool, image)
    _check_file(pool, wanted)
    if {wanted.format, source.image.format or "raw"} == {"raw"}:
        allocation = capacity if wanted.allocation is None else min(wanted.allocation, capacity)
        _allocate_raw(pool, wanted, image, allocation, flags)
    else:
        image.capacity = source.image.capacity
        _allocate(pool, image, 0, flags)
    copy(source.image, image)
    return _added(pool, image)


def resize(volume: Volume, given: int, flags: int, now: float) -> None:
    """Give a volume another capacity.

    Args:
        volume: which.
        given: the capacity in bytes, or by how many it changes.
        flags: how, `VolumeResize`.
        now: the time of the cluster's clock, in seconds.

    Raises:
        LibvirtError: it can't have that.
    """
    pool, image = volume
    if pool.is_logical:
        problem = "storage pool does not support changing of volume capacity"
        raise failure(Code.NO_SUPPORT, problem, origin=Origin.STORAGE)
    volume.check_is_there()
    capacity = given
    if flags & VolumeResize.DELTA:
        capacity = image.capacity + (-min(given, image.capacity) if flags & VolumeResize.SHRINK else given)
    if capacity < image.allocation:
        raise _wrong_argument("can't shrink capacity below existing allocation")
    if capacity < image.capacity and not flags & VolumeResize.SHRINK:
        raise _wrong_argument(
            "Can't shrink capacity below current capacity unless shrink flag explicitly specified"
        )
    if flags & VolumeResize.ALLOCATE:
        _check_can_have(volume, capacity)
    if image.format == "raw" and capacity > LARGEST:
        raise system_failure(f"Failed to truncate file '{volume.path}'", errno.EFBIG)
    fit(image, capacity, allocates=bool(flags & VolumeResize.ALLOCATE))
    image.changed = now


def fit(image: Image, capacity: int, *, allocates: bool = False) -> None:
    """Let an image have another capacity, in bytes; and, if it is a raw one, take all of it if asked to."""
    if image.format == "raw":
        image.physical = capacity
        image.allocation = capacity if allocates else min(image.allocation, capacity)
        if image.content:
            image.content.clear(capacity)
    elif capacity < image.capacity:
        image.physical = max(image.physical, _TABLES)
        image.allocation = max(image.allocation, _TABLES_ALLOCATED)
    if image.format == "qcow2" and image.content:
        qcow2.resize(image.content, capacity)
    image.capacity = capacity


def _check_can_have(volume: Volume, size: int) -> None:
    """Refuse to let a volume have so many bytes at once where it can't."""
    if size - volume.image.allocation > volume.pool.active_space().available:
        problem = "Not enough space left in storage pool"
        raise failure(Code.OPERATION_FAILED, problem, origin=Origin.STORAGE)
    if volume.image.format != "raw":
        problem = "preallocate is only supported for raw type volume"
        raise failure(Code.OPERATION_UNSUPPORTED, problem, origin=Origin.STORAGE)


def own_data(image: Image) -> int:
    """Return how much of an image's data is its own, not that of what it is the difference to, in bytes."""
    if image.format != "qcow2":
        return image.capacity
    return min(image.capacity, image.allocation - EMPTY_ALLOCATED)


def filled(image: Image) -> int:
    """Return what an image takes with all of its data, in bytes: a raw one, what it takes anyway."""
    return image.capacity + _TABLES_ALLOCATED if image.format == "qcow2" else image.allocation


def fill(image: Image) -> None:
    """Let an image have all of its data."""
    image.allocation = filled(image)
    if image.format == "qcow2":
        image.physical = image.capacity + _TABLES


def wipe(volume: Volume, algorithm: int, now: float) -> None:
    """Overwrite what is in a volume: a sparse file is one hole afterwards.

    Args:
        volume: which.
        algorithm: with what, a `WipeAlgorithm`.
        now: the time of the cluster's clock, in seconds.

    Raises:
        LibvirtError: there is no such way.
    """
    if algorithm not in list(WipeAlgorithm):
        raise _wrong_argument(f"wiping algorithm {algorithm} not supported")
    if algorithm == WipeAlgorithm.TRIM:
        problem = "'trim' algorithm not supported"
        raise failure(Code.ARGUMENT_UNSUPPORTED, problem, origin=Origin.STORAGE)
    image = volume.image
    if image.type is ImageType.DIR or not volume.is_there:
        doing = f"Failed to open storage volume with path '{volume.path}'"
        number = errno.EISDIR if volume.is_there else errno.ENOENT
        raise system_failure(doing, number, origin=Origin.STORAGE)
    image.changed = now
    if image.type is ImageType.FILE:
        if image.allocation < image.physical:
            image.allocation = 0
        else:
            image.allocation = image.physical = -(-image.physical // _BLOCK) * _BLOCK
        image.capacity, image.format = image.physical, "raw"
    image.content, image.is_converted = None, False
    image.snapshots.clear()


def delete(volume: Volume, flags: int) -> None:
    """Delete a volume.

    Raises:
        LibvirtError: there is a flag that nobody knows.
    """
    pool, image = volume
    function = "virStorageBackendLogicalDeleteVol" if pool.is_logical else "virStorageBackendVolDeleteLocal"
    check_flags(flags, 0, function, Origin.STORAGE)
    if volume.is_there:
        del pool.active_space().images[image.name]
    del pool.images[image.name]


# What it takes


def _image(wanted: WantedVolume, capacity: int, now: float) -> Image:
    return Image(
        name=wanted.name,
        type=ImageType.FILE,
        format=wanted.format,
        capacity=capacity,
        allocation=0,
        physical=capacity,
        permissions=wanted.permissions,
        backing=wanted.backing,
        compat=wanted.compat,
        features=wanted.features,
        changed=now,
    )


def _added(pool: Pool, image: Image) -> Volume:
    pool.images[image.name] = pool.active_space().images[image.name] = image
    return Volume(pool, image)


def _check_file(pool: Pool, wanted: WantedVolume) -> None:
    """Refuse a file that can't be there, or can't be encrypted: no host has secrets."""
    if "/" in wanted.name:
        raise invalid(f"volume name '{wanted.name}' cannot contain '/'")
    if wanted.secret is not None:
        if not wanted.secret:
            raise _wrong_argument(
                "A single <secret type='passphrase'...> element is expected in encryption description"
            )
        problem = f"no secret with matching uuid '{wanted.secret}'"
        raise failure(Code.NO_SECRET, problem, origin=Origin.SECRET)
    if wanted.name in pool.active_space().images:
        raise invalid(f"volume target path '{_path(pool, wanted.name)}' already exists")


def copy(source: Image, image: Image) -> None:
    """Let one have what is in another: of another format, nobody knows that."""
    if source.format == image.format or {source.format, image.format} <= {None, "raw"}:
        image.content = source.content.copy() if source.content else None
        image.is_converted = source.is_converted
        if image.content:
            image.allocation = max(image.allocation, source.allocation)
            image.physical = max(image.physical, source.physical)
    else:
        image.is_converted = bool(source.content) or source.is_converted


def _allocate_raw(pool: Pool, wanted: WantedVolume, image: Image, allocation: int, flags: int) -> None:
    path = _path(pool, image.name)
    if wanted.backing:
        problem = "backing storage not supported for raw volumes"
        raise failure(Code.NO_SUPPORT, problem, origin=Origin.STORAGE)
    if flags & VolumeCreate.PREALLOC_METADATA:
        problem = "metadata preallocation is not supported for raw volumes"
        raise failure(Code.CONFIG_UNSUPPORTED, problem, origin=Origin.STORAGE)
    if image.capacity > LARGEST:
        raise system_failure(f"cannot extend file '{path}'", errno.EFBIG, origin=Origin.STORAGE)
    if allocation > pool.active_space().available:
        doing = f"cannot allocate {allocation} bytes in file '{path}'"
        raise system_failure(doing, errno.ENOSPC, origin=Origin.STORAGE)
    image.allocation = allocation


def _allocate(pool: Pool, image: Image, allocation: int, flags: int) -> None:
    """Let a file have what is in it in a format: as many bytes as that needs for itself, or all."""
    known = VolumeCreate.PREALLOC_METADATA | VolumeCreate.VALIDATE
    check_flags(flags, known, "storageBackendCreateQemuImg", Origin.STORAGE)
    preallocates = flags & VolumeCreate.PREALLOC_METADATA
    if preallocates and image.format != "qcow2":
        problem = "metadata preallocation only available with qcow2"
        raise failure(Code.CONFIG_UNSUPPORTED, problem, origin=Origin.STORAGE)
    path = _path(pool, image.name)
    if image.format in _NEVER_MADE:
        problem = f"Format driver '{image.format}' does not support image creation"
        raise _qemu_img(image, path, problem)
    if image.format == "dir":
        image.type, image.capacity, image.physical = ImageType.DIR, 0, 0
    elif image.format in ("raw", "iso"):
        image.allocation = min(_BLOCK, image.capacity)
    elif not preallocates:
        image.allocation, image.physical = EMPTY_ALLOCATED, qcow2.physical(image.capacity)
    else:
        image.physical = image.capacity + _TABLES
        image.allocation = _TABLES_ALLOCATED + (image.capacity if allocation >= image.capacity else 0)
    if image.allocation > pool.active_space().available:
        raise _qemu_img(image, path, os.strerror(errno.ENOSPC))


def _allocate_extents(pool: Pool, image: Image, allocation: int) -> None:
    """Let a logical volume have whole extents."""
    image.type, image.format = ImageType.BLOCK, None
    image.capacity = image.physical = _whole_extents(image.capacity)
    image.allocation = _whole_extents(allocation)
    free, needed = pool.active_space().available // _EXTENT, image.allocation // _EXTENT
    if needed > free:
        group = pool.definition.path.rpartition("/")[2]
        problem = (
            f"Child process (/sbin/lvcreate --name {image.name} -L {allocation // 1024}K {group}) unexpected "
            f'exit status 5:   Volume group "{group}" has insufficient free space ({free} extents): {needed} '
            "required.\n"
        )
        raise failure(Code.INTERNAL_ERROR, problem, origin=Origin.NONE)


def _whole_extents(size: int) -> int:
    return -(-size // _EXTENT) * _EXTENT


def _path(pool: Pool, name: str) -> str:
    return f"{pool.definition.path.rstrip('/')}/{name}"


def _qemu_img(image: Image, path: str, why: str) -> LibvirtError:
    """Return the error of a file that the program that makes such files doesn't make."""
    command = f"/usr/bin/qemu-img create -f {image.format} {path} {image.capacity // 1024}K"
    problem = f"Child process ({command}) unexpected exit status 1: qemu-img: {path}: {why}\n"
    return failure(Code.INTERNAL_ERROR, problem, origin=Origin.NONE)


def _wrong_argument(problem: str) -> LibvirtError:
    return failure(Code.INVALID_ARG, problem, origin=Origin.STORAGE)
