"""A client's calls about storage pools."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.storage.capabilities import capabilities
from pytest_fakehv.fronts.libvirt.host.storage.pool import Pool
from pytest_fakehv.fronts.libvirt.host.storage.poolxml import ALL_KINDS, PoolDefinition
from pytest_fakehv.fronts.libvirt.host.words import ListedPools, PoolStart, PoolState
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import PoolRef, VolumeRef

__tracebackhide__ = True  # a failed call is shown at the line that made it

_VALIDATE: Final = 1
"""Of a definition: check it against the schema, too; what a definition may have is checked anyway."""

_INACTIVE: Final = 1
"""Of a pool's XML: as it is once it isn't active."""

# They come and go


@api("virStoragePoolDefineXML", about="nothing", flags=_VALIDATE)
def define(host: Host, _session: Session, xml: str, _flags: int) -> PoolRef:
    """Define a pool, or change its definition."""
    definition = PoolDefinition.parse(xml, host.new_uuid)
    with host.machine.lock:
        return host.pools.define(definition).ref


@api("virStoragePoolCreateXML", about="nothing", flags=sum(PoolStart))
def create_xml(host: Host, _session: Session, xml: str, flags: int) -> PoolRef:
    """Start a pool of a definition, which goes with it unless it is defined already."""
    definition = PoolDefinition.parse(xml, host.new_uuid)
    with host.machine.lock:
        return host.pools.create(definition, flags).ref


@api("virStoragePoolUndefine", about="pool")
def undefine(host: Host, _session: Session, pool: Pool) -> None:
    """Forget a pool's definition."""
    with host.machine.lock:
        host.pools.undefine(pool)


@api("virStoragePoolCreate", about="pool", flags=sum(PoolStart))
def create(host: Host, _session: Session, pool: Pool, flags: int) -> None:
    """Start a pool that is defined."""
    with host.machine.lock:
        host.pools.start(pool, flags)


@api("virStoragePoolDestroy", about="pool")
def destroy(host: Host, _session: Session, pool: Pool) -> None:
    """Stop a pool."""
    with host.machine.lock:
        host.pools.stop(pool)


@api("virStoragePoolBuild", about="pool")
def build(host: Host, _session: Session, pool: Pool, flags: int) -> None:
    """Make what a pool's volumes lie in."""
    with host.machine.lock:
        host.pools.build(pool, flags)


@api("virStoragePoolDelete", about="pool")
def delete(host: Host, _session: Session, pool: Pool, flags: int) -> None:
    """Remove what a pool's volumes lie in."""
    with host.machine.lock:
        host.pools.delete(pool, flags)


@api("virStoragePoolRefresh", about="pool", flags=0)
def refresh(host: Host, _session: Session, pool: Pool, _flags: int) -> None:
    """Look what is in a pool."""
    with host.machine.lock:
        host.pools.refresh(pool)


# What they are


@api("virStoragePoolGetInfo", about="pool")
def info(host: Host, _session: Session, pool: Pool) -> tuple[int, int, int, int]:
    """Return a pool's state, and its capacity, allocation, and what is available, in bytes."""
    with host.machine.lock:
        state = PoolState.RUNNING if pool.is_active else PoolState.INACTIVE
        return int(state), *pool.current_figures()


@api("virStoragePoolGetXMLDesc", about="pool", flags=_INACTIVE)
def xml(host: Host, _session: Session, pool: Pool, flags: int) -> str:
    """Return a pool's XML."""
    with host.machine.lock:
        if flags & _INACTIVE and pool.following:
            return pool.following.xml((0, 0, 0))
        return pool.definition.xml(pool.current_figures())


@api("virStoragePoolIsActive", about="pool")
def is_active(_host: Host, _session: Session, pool: Pool) -> int:
    """Tell whether a pool's volumes can be used."""
    return int(pool.is_active)


@api("virStoragePoolIsPersistent", about="pool")
def is_persistent(_host: Host, _session: Session, pool: Pool) -> int:
    """Tell whether a pool is there when it isn't active."""
    return int(pool.is_persistent)


@api("virStoragePoolGetAutostart", about="pool")
def autostart(_host: Host, _session: Session, pool: Pool) -> int:
    """Tell whether a pool starts with its host."""
    return int(pool.autostart)


@api("virStoragePoolSetAutostart", about="pool")
def set_autostart(host: Host, _session: Session, pool: Pool, autostart: int) -> None:
    """Let a pool start with its host, or no longer."""
    with host.machine.lock:
        host.pools.set_autostart(pool, autostart=bool(autostart))


# Which there are


@api("virStoragePoolLookupByName", about="nothing")
def by_name(host: Host, _session: Session, name: str) -> PoolRef:
    """Return the pool of a name."""
    return host.pools.by_name(name).ref


@api("virStoragePoolLookupByUUID", about="uuid")
def by_uuid(host: Host, _session: Session, key: bytes) -> PoolRef:
    """Return the pool of a UUID."""
    return host.pools.by_uuid(key).ref


@api("virStoragePoolLookupByVolume", about="nothing")
def by_volume(host: Host, _session: Session, volume: VolumeRef) -> PoolRef:
    """Return the pool of a volume, active or not."""
    return host.pools.by_name(volume.pool).ref


@api("virStoragePoolLookupByTargetPath", about="nothing")
def by_path(host: Host, _session: Session, path: str) -> PoolRef:
    """Return the active pool whose volumes are in a folder."""
    return host.pools.by_path(path).ref


@api("virConnectListAllStoragePools", about="nothing", flags=sum(ListedPools))
def list_all(host: Host, _session: Session, need_results: int, flags: int) -> tuple[list[PoolRef], int]:
    """List the pools that all groups of flags let pass."""
    with host.machine.lock:
        found = [each.ref for each in host.pools if _is_listed(each, flags)]
    return (found if need_results else []), len(found)


def _is_listed(pool: Pool, flags: int) -> bool:
    """Tell whether a pool is listed: each group of flags, if any of it is set, must have one that fits."""
    fitting = (
        (ListedPools.ACTIVE if pool.is_active else ListedPools.INACTIVE)
        | (ListedPools.PERSISTENT if pool.is_persistent else ListedPools.TRANSIENT)
        | (ListedPools.AUTOSTART if pool.autostart else ListedPools.NO_AUTOSTART)
        | ListedPools[pool.definition.kind.upper()]
    )
    return all(not flags & group or flags & group & fitting for group in _GROUPS)


_KINDS: Final = sum(ListedPools[each.upper().replace("-", "_")] for each in ALL_KINDS)

_GROUPS: Final = (
    ListedPools.ACTIVE | ListedPools.INACTIVE,
    ListedPools.PERSISTENT | ListedPools.TRANSIENT,
    ListedPools.AUTOSTART | ListedPools.NO_AUTOSTART,
    _KINDS,
)


@api("virConnectNumOfStoragePools", about="nothing")
def count_active(host: Host, _session: Session) -> int:
    """Count those that are active."""
    return len(_names(host, are_active=True))


@api("virConnectListStoragePools", about="nothing")
def list_active(host: Host, _session: Session, most: int) -> list[str]:
    """List the names of those that are active."""
    return _names(host, are_active=True)[:most]


@api("virConnectNumOfDefinedStoragePools", about="nothing")
def count_inactive(host: Host, _session: Session) -> int:
    """Count those that aren't."""
    return len(_names(host, are_active=False))


@api("virConnectListDefinedStoragePools", about="nothing")
def list_inactive(host: Host, _session: Session, most: int) -> list[str]:
    """List the names of those that aren't."""
    return _names(host, are_active=False)[:most]


def _names(host: Host, *, are_active: bool) -> list[str]:
    with host.machine.lock:
        return [each.name for each in host.pools if each.is_active == are_active]


# What there could be


@api("virConnectFindStoragePoolSources", about="nothing", flags=0)
def find_sources(host: Host, _session: Session, kind: str, source: str | None, _flags: int) -> str:
    """Return what pools could be of; only of servers it is known."""
    if kind == "netfs":
        return host.pools.exports(source)
    if kind not in ALL_KINDS:
        raise failure(Code.INTERNAL_ERROR, f"unknown storage pool type {kind}", origin=Origin.STORAGE)
    problem = f"pool type '{kind}' does not support source discovery"
    raise failure(Code.NO_SUPPORT, problem, origin=Origin.STORAGE)


@api("virConnectGetStoragePoolCapabilities", about="nothing", flags=0)
def get_capabilities(_host: Host, _session: Session, _flags: int) -> str:
    """Return which kinds of pools there can be, as XML."""
    return capabilities()
