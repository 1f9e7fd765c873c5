"""What a fault answers in place of a call: what a test writes as libvirt's Python binding returns it.

The binding returns of many functions something else than what they answer: objects, dicts, lists.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, failure
from pytest_fakehv.fronts.libvirt.host import cpumaps
from pytest_fakehv.fronts.libvirt.host.apis import Api
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.networks.networks import Networks
from pytest_fakehv.fronts.libvirt.host.secrets.secrets import Secrets
from pytest_fakehv.fronts.libvirt.host.storage.pools import Pools
from pytest_fakehv.fronts.libvirt.values import (
    DomainRef,
    Kind,
    NetworkRef,
    NodeDeviceRef,
    Parameter,
    PoolRef,
    SecretRef,
    SnapshotRef,
    VolumeRef,
)
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a failed call is shown at the line that made it

_MIB: Final = 1024
"""KiB, in which a host counts its memory where the binding has MiB."""

_FIGURES: Final = (
    "swap_in",
    "swap_out",
    "major_fault",
    "minor_fault",
    "unused",
    "available",
    "actual",
    "rss",
    "usable",
    "last_update",
    "disk_caches",
)
"""The figures of a domain's memory, by number."""


class Objects(Protocol):
    """Whoever has the domains, the networks, the secrets and the storage pools."""

    networks: Networks
    pools: Pools
    secrets: Secrets

    def by_name(self, name: str) -> Domain | None:
        """Return the domain of a name; None if there is none."""


Make = Callable[[Objects, Any], tuple[Any, ...]]
"""Makes results of what the binding would return; raises whatever Python raises where it isn't that."""


def told(objects: Objects, api: Api, arguments: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    """Return a function's results for what a test gives as its answer.

    Args:
        objects: the host.
        api: the function.
        arguments: of the call, as the host takes them.
        given: what the binding shall return; None where a call only says that it worked.

    Raises:
        LibvirtError: it isn't what the binding returns; the message says so.
    """
    kind = api.function.__annotations__["return"]
    try:
        if api.name in _ASKED:
            return _ASKED[api.name](arguments, given)
        if api.name in _SPECIAL:
            return _SPECIAL[api.name](objects, given)
        if kind is None:
            return _nothing(given)
        if kind in _REFS:
            is_same = given in (None, 0) and isinstance(arguments[0], kind)
            return (arguments[0] if is_same else _REFS[kind](objects, given),)
        if kind in (bytes, int, str):
            return (_scalar(kind, given),)
        return tuple(given) if kind.__origin__ is tuple else (list(given),)
    except (AttributeError, IndexError, KeyError, LibvirtError, TypeError, ValueError) as error:
        raise failure(
            Code.INTERNAL_ERROR,
            f"a fault's result for {api.name} must be what libvirt-python returns of it, not {shown(given)}",
        ) from error


def _nothing(given: Any) -> tuple[()]:
    if given not in (None, 0):
        raise ValueError
    return ()


def _scalar(kind: type, given: Any) -> Any:
    if not isinstance(given, kind):
        raise TypeError
    return kind(given)


def _ref(objects: Objects, given: Any) -> DomainRef:
    """Return what refers to a domain: to one of the binding's, or to the one of a name."""
    if not isinstance(given, str):
        return DomainRef(given.name(), given.UUID(), given.ID())
    if domain := objects.by_name(given):
        return domain.ref
    raise KeyError(given)


def _network(objects: Objects, given: Any) -> NetworkRef:
    """Return what refers to a network, likewise."""
    return (
        objects.networks.named(given).ref
        if isinstance(given, str)
        else NetworkRef(given.name(), given.UUID())
    )


def _pool(objects: Objects, given: Any) -> PoolRef:
    """Return what refers to a storage pool, likewise."""
    return objects.pools.by_name(given).ref if isinstance(given, str) else PoolRef(given.name(), given.UUID())


def _volume(objects: Objects, given: Any) -> VolumeRef:
    """Return what refers to a volume, likewise: to the one of the binding's, or to the one of a path."""
    if isinstance(given, str):
        return objects.pools.volume_by_path(given).ref
    return objects.pools.volume_by_key(given.key()).ref


def _secret(objects: Objects, given: Any) -> SecretRef:
    """Return what refers to a secret, likewise: to the one of the binding's, or to the one of a UUID."""
    key = UUID(given).bytes if isinstance(given, str) else given.UUID()
    return objects.secrets.by_uuid(key).ref


def _node_device(_objects: Objects, given: Any) -> NodeDeviceRef:
    """Return what refers to a device of the host, likewise: to the binding's, or to the one of a name."""
    return NodeDeviceRef(given if isinstance(given, str) else given.name())


def _snapshot(objects: Objects, given: Any) -> SnapshotRef:
    """Return what refers to a snapshot of the binding's."""
    return SnapshotRef(given.getName(), _ref(objects, given.getDomain()))


_REFS: Final[Mapping[type, Callable[[Objects, Any], Any]]] = {
    DomainRef: _ref,
    PoolRef: _pool,
    VolumeRef: _volume,
    NetworkRef: _network,
    SecretRef: _secret,
    NodeDeviceRef: _node_device,
    SnapshotRef: _snapshot,
}
"""What makes each kind of reference of what the binding has."""


def _parameters(given: Mapping[str, Any]) -> list[Parameter]:
    return [Parameter(key, _kind(value), value) for key, value in given.items()]


def _kind(value: object) -> Kind:
    if isinstance(value, int) and value < 0:
        return Kind.LLONG
    return {bool: Kind.BOOLEAN, int: Kind.ULLONG, float: Kind.DOUBLE, str: Kind.STRING}[type(value)]


def _pairs(given: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(str(key), int(value)) for key, value in given.items()]


def _list_of(kind: type) -> Make:
    def listed(objects: Objects, given: Any) -> tuple[Any, ...]:
        refs = [_REFS[kind](objects, each) for each in given]
        return refs, len(refs)

    return listed


def _all_stats(objects: Objects, given: Any) -> tuple[Any, ...]:
    return ([(_ref(objects, each), _parameters(figures)) for each, figures in given],)


def _job_stats(_objects: Objects, given: Any) -> tuple[Any, ...]:
    figures = dict(given)
    return figures.pop("type"), _parameters(figures)


def _block_job(_objects: Objects, given: Any) -> tuple[Any, ...]:
    if not given:
        return 0, 0, 0, 0, 0
    return 1, *(given[each] for each in ("type", "bandwidth", "cur", "end"))


def _checkpoint(objects: Objects, given: Any) -> tuple[Any, ...]:
    return ((given.getName(), _ref(objects, given.getDomain())),)


def _checkpoints(objects: Objects, given: Any) -> tuple[Any, ...]:
    found = [ref for each in given for ref in _checkpoint(objects, each)]
    return found, len(found)


def _memory_stats(_objects: Objects, given: Any) -> tuple[Any, ...]:
    return ([(_FIGURES.index(key), value) for key, value in given.items()],)


def _addresses(_objects: Objects, given: Any) -> tuple[Any, ...]:
    return (
        [
            (name, each["hwaddr"], [(it["type"], it["addr"], it["prefix"]) for it in each["addrs"] or ()])
            for name, each in given.items()
        ],
    )


_LEASE: Final = (
    "iface",
    "expirytime",
    "type",
    "mac",
    "iaid",
    "ipaddr",
    "prefix",
    "hostname",
    "clientid",
)
"""What the binding has of an address that a network has given away."""


def _leases(_objects: Objects, given: Any) -> tuple[Any, ...]:
    return [tuple(each[key] for key in _LEASE) for each in given], len(given)


def _filesystems(_objects: Objects, given: Any) -> tuple[Any, ...]:
    return [tuple(each) for each in given], len(given)


def _time(_objects: Objects, given: Any) -> tuple[Any, ...]:
    return given["seconds"], given["nseconds"]


def _parent(_objects: Objects, given: Any) -> tuple[Any, ...]:
    return (None if given is None else _scalar(str, given),)


def _node_info(_objects: Objects, given: Any) -> tuple[Any, ...]:
    model, memory, *rest = given
    return model, memory * _MIB, *rest


def _block_info(_objects: Objects, given: Any) -> tuple[Any, ...]:
    capacity, allocation, physical = given
    return allocation, capacity, physical


def _figures(_objects: Objects, given: Any) -> tuple[Any, ...]:
    return (_parameters(given),)


_SPECIAL: Final[dict[str, Make]] = {
    "virConnectGetAllDomainStats": _all_stats,
    "virConnectListAllDomains": _list_of(DomainRef),
    "virConnectListAllNetworks": _list_of(NetworkRef),
    "virConnectListAllNodeDevices": _list_of(NodeDeviceRef),
    "virConnectListAllSecrets": _list_of(SecretRef),
    "virConnectListAllStoragePools": _list_of(PoolRef),
    "virDomainCheckpointCreateXML": _checkpoint,
    "virDomainCheckpointGetParent": _checkpoint,
    "virDomainCheckpointListAllChildren": _checkpoints,
    "virDomainCheckpointLookupByName": _checkpoint,
    "virDomainGetBlockInfo": _block_info,
    "virDomainGetBlockJobInfo": _block_job,
    "virDomainGetFSInfo": _filesystems,
    "virDomainGetGuestInfo": _figures,
    "virDomainGetGuestVcpus": _figures,
    "virDomainGetJobStats": _job_stats,
    "virDomainGetPerfEvents": _figures,
    "virDomainGetSchedulerParameters": _figures,
    "virDomainGetSchedulerParametersFlags": _figures,
    "virDomainGetTime": _time,
    "virDomainInterfaceAddresses": _addresses,
    "virDomainListAllCheckpoints": _checkpoints,
    "virDomainMemoryStats": _memory_stats,
    "virDomainListAllSnapshots": _list_of(SnapshotRef),
    "virDomainSnapshotListAllChildren": _list_of(SnapshotRef),
    "virNetworkGetDHCPLeases": _leases,
    "virNodeDeviceGetParent": _parent,
    "virNodeGetInfo": _node_info,
    "virStoragePoolListAllVolumes": _list_of(VolumeRef),
}
"""The functions of which the binding returns what isn't just their results in a list."""


_Make = Callable[[tuple[Any, ...], Any], tuple[Any, ...]]
"""Makes results of the call's arguments and what the binding would return."""


def _cpus(given: Iterable[Any]) -> int:
    """Return the CPUs of the host that are on in the binding's map of them: a truth value for each."""
    return cpumaps.of(number for number, is_on in enumerate(given) if is_on)


def _maps_by_vcpu(arguments: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    *_, length, _flags = arguments
    return cpumaps.joined([_cpus(each) for each in given], length), len(given)


def _map_of_emulator(arguments: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    return _maps_by_vcpu(arguments, [given])


def _vcpus(arguments: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    running, maps = given
    return [tuple(each) for each in running], cpumaps.joined([_cpus(each) for each in maps], arguments[-1])


def _io_threads(_arguments: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    found = [(number, cpumaps.joined([_cpus(each)], -(-len(each) // 8))) for number, each in given]
    return found, len(found)


def _map_of_host(_arguments: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    cpus, each, online = given
    return cpumaps.joined([_cpus(each)], -(-cpus // 8)), online, cpus


def _names(arguments: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    _architecture, need_results, _flags = arguments
    names = [_scalar(str, each) for each in given]
    return (names if need_results else []), len(names)


def _cpu_stats(arguments: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    """Return figures in all, or of each CPU; a client first asks how many CPUs and figures there are."""
    _domain, count, first, cpus, _flags = arguments
    figures = [_parameters(each) for each in given]
    if first < 0:
        return figures[0][:count], len(figures[0])
    if not cpus:
        return [], len(figures)
    wanted = figures[first : first + cpus] if count else []
    return [each for of_one in wanted for each in of_one], len(figures[first])


def _free_pages(arguments: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    sizes, start, count, _flags = arguments
    return ([given[cell][size] for cell in range(start, start + count) for size in sizes],)


def _counted(make: Callable[[Any], list[Any]], place: int = -2) -> _Make:
    """Return what makes figures, of which a client asks first how many there are.

    Args:
        make: what makes them all.
        place: which argument says for how many there is room.
    """

    def made(arguments: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
        figures = make(given)
        return figures[: arguments[place]], len(figures)

    return made


_ASKED: Final[Mapping[str, _Make]] = {
    "virConnectGetCPUModelNames": _names,
    "virDomainGetCPUStats": _cpu_stats,
    "virDomainGetDiskErrors": _counted(_pairs),
    "virDomainGetEmulatorPinInfo": _map_of_emulator,
    "virDomainGetIOThreadInfo": _io_threads,
    "virDomainGetVcpuPinInfo": _maps_by_vcpu,
    "virDomainGetVcpus": _vcpus,
    "virNodeGetCPUMap": _map_of_host,
    "virNodeGetCPUStats": _counted(_pairs),
    "virNodeGetFreePages": _free_pages,
    "virNodeGetMemoryStats": _counted(_pairs, 0),
    **dict.fromkeys(
        (
            "virDomainBlockStatsFlags",
            "virDomainGetBlkioParameters",
            "virDomainGetBlockIoTune",
            "virDomainGetInterfaceParameters",
            "virDomainGetMemoryParameters",
            "virDomainGetNumaParameters",
            "virNodeGetMemoryParameters",
        ),
        _counted(_parameters),
    ),
}
"""The functions of which the binding's answer becomes what their arguments ask for."""
