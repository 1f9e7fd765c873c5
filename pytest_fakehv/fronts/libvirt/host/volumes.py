"""A client's calls about the volumes of storage pools."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Origin
from pytest_fakehv.fronts.libvirt.host.apis import api, check_flags
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.storage import volumes
from pytest_fakehv.fronts.libvirt.host.storage.pool import Pool, Volume
from pytest_fakehv.fronts.libvirt.host.storage.space import Made
from pytest_fakehv.fronts.libvirt.host.storage.streaming import Download, Upload
from pytest_fakehv.fronts.libvirt.host.words import VolumeCreate, VolumeResize, VolumeStream
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import VolumeRef
from pytest_fakehv.text import natural_order

__tracebackhide__ = True  # a failed call is shown at the line that made it

_PHYSICAL: Final = 1
"""Of a volume's figures: where it ends, in place of what it takes."""

# They come, change and go


@api("virStorageVolCreateXML", about="pool", flags=VolumeCreate.PREALLOC_METADATA | VolumeCreate.VALIDATE)
def create(host: Host, _session: Session, pool: Pool, xml: str, flags: int) -> VolumeRef:
    """Make a volume."""
    with host.machine.lock:
        return _made(host, volumes.create(host.pools, pool, xml, flags, host.machine.now))


@api("virStorageVolCreateXMLFrom", about="pool", flags=sum(VolumeCreate))
def clone(host: Host, _session: Session, pool: Pool, xml: str, source: VolumeRef, flags: int) -> VolumeRef:
    """Make a volume that has what is in another one."""
    with host.machine.lock:
        found = host.pools.find_volume(source)
        return _made(host, volumes.clone(pool, xml, found, flags, host.machine.now))


def _made(host: Host, volume: Volume) -> VolumeRef:
    """Note which call has made a volume, and return what clients know it by."""
    volume.image.made = Made(host.machine.current_call, host.name, volume.pool.name, volume.path)
    return volume.ref


@api("virStorageVolDelete", about="volume")
def delete(host: Host, _session: Session, volume: Volume, flags: int) -> None:
    """Delete a volume."""
    with host.machine.lock:
        volumes.delete(volume, flags)


@api("virStorageVolResize", about="volume", flags=sum(VolumeResize))
def resize(host: Host, _session: Session, volume: Volume, capacity: int, flags: int) -> None:
    """Give a volume another capacity, in bytes."""
    with host.machine.lock:
        volumes.resize(volume, capacity, flags, host.machine.now)


@api("virStorageVolWipe", about="volume")
def wipe(host: Host, session: Session, volume: Volume, flags: int) -> None:
    """Overwrite what is in a volume with zeros."""
    wipe_by(host, session, volume, 0, flags)


@api("virStorageVolWipePattern", about="volume")
def wipe_by(host: Host, _session: Session, volume: Volume, algorithm: int, flags: int) -> None:
    """Overwrite what is in a volume."""
    check_flags(flags, 0, "storageVolWipePattern", Origin.STORAGE)
    with host.machine.lock:
        volumes.wipe(volume, algorithm, host.machine.now)


# What is in them


@api("virStorageVolUpload", about="volume", flags=sum(VolumeStream))
def upload(host: Host, _session: Session, volume: Volume, at: int, length: int, _flags: int) -> Upload:
    """Let a client write into a volume; a pool is refreshed afterwards, as by libvirt."""
    with host.machine.lock:
        return Upload(volume, at, length, host.machine.lock, lambda: host.pools.written(volume))


@api("virStorageVolDownload", about="volume", flags=sum(VolumeStream))
def download(host: Host, _session: Session, volume: Volume, at: int, length: int, flags: int) -> Download:
    """Let a client read a volume."""
    with host.machine.lock:
        return Download(volume, at, length, host.machine.lock, is_sparse=bool(flags & VolumeStream.SPARSE))


# What they are


@api("virStorageVolGetInfo", about="volume")
def info(host: Host, session: Session, volume: Volume) -> tuple[int, int, int]:
    """Return what a volume is, its capacity and its allocation, in bytes."""
    kind, capacity, allocation = info_flags(host, session, volume, 0)
    return kind, capacity, allocation


@api("virStorageVolGetInfoFlags", about="volume", flags=_PHYSICAL)
def info_flags(_host: Host, _session: Session, volume: Volume, flags: int) -> tuple[int, int, int]:
    """Do the same, with flags."""
    volume.check_is_there()
    image = volume.image
    return int(image.type), image.capacity, image.physical if flags & _PHYSICAL else image.allocation


@api("virStorageVolGetXMLDesc", about="volume", flags=0)
def xml(host: Host, _session: Session, volume: Volume, _flags: int) -> str:
    """Return a volume's XML."""
    with host.machine.lock:
        return volumes.described(host.pools, volume)


@api("virStorageVolGetPath", about="volume")
def path(_host: Host, _session: Session, volume: Volume) -> str:
    """Return where the host has a volume."""
    return volume.path


# Which there are


@api("virStorageVolLookupByName", about="pool")
def by_name(_host: Host, _session: Session, pool: Pool, name: str) -> VolumeRef:
    """Return a pool's volume of a name."""
    return pool.volume(name).ref


@api("virStorageVolLookupByKey", about="nothing")
def by_key(host: Host, _session: Session, key: str) -> VolumeRef:
    """Return the volume of a key, in whichever pool."""
    with host.machine.lock:
        return host.pools.volume_by_key(key).ref


@api("virStorageVolLookupByPath", about="nothing")
def by_path(host: Host, _session: Session, path: str) -> VolumeRef:
    """Return the volume of a path, in whichever pool."""
    with host.machine.lock:
        return host.pools.volume_by_path(path).ref


@api("virStoragePoolListAllVolumes", about="pool", flags=0)
def list_all(
    host: Host, _session: Session, pool: Pool, need_results: int, _flags: int
) -> tuple[list[VolumeRef], int]:
    """List a pool's volumes."""
    found = _listed(host, pool)
    return ([each.ref for each in found] if need_results else []), len(found)


@api("virStoragePoolNumOfVolumes", about="pool")
def count(host: Host, _session: Session, pool: Pool) -> int:
    """Count a pool's volumes."""
    return len(_listed(host, pool))


@api("virStoragePoolListVolumes", about="pool")
def list_names(host: Host, _session: Session, pool: Pool, most: int) -> list[str]:
    """List the names of a pool's volumes."""
    return [each.image.name for each in _listed(host, pool)[:most]]


def _listed(host: Host, pool: Pool) -> list[Volume]:
    with host.machine.lock:
        pool.active_space()
        return [Volume(pool, pool.images[name]) for name in sorted(pool.images, key=natural_order)]
