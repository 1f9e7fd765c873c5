"""Networks come, go up and down, change, and go."""

import uuid
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.networks.definition import NetworkDefinition
from pytest_fakehv.fronts.libvirt.host.networks.network import Network
from pytest_fakehv.fronts.libvirt.host.networks.updates import updated
from pytest_fakehv.fronts.libvirt.host.words import Affect, NetworkListed
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import NetworkRef

__tracebackhide__ = True  # a failed call is shown at the line that made it

_VALIDATE: Final = 1
"""Of a definition: check it against the schema, too; what a definition may have is checked anyway."""

_INACTIVE: Final = 1
"""Of a definition: as it is when the network is down."""

# Definitions


@api("virNetworkDefineXMLFlags", plain="virNetworkDefineXML", about="nothing", flags=_VALIDATE)
def define(host: Host, _session: Session, xml: str, _flags: int = 0) -> NetworkRef:
    """Define a network, or change its definition."""
    with host.machine.lock:
        return host.networks.define(NetworkDefinition.parse(xml, host.new_uuid)).ref


@api("virNetworkUndefine", about="network")
def undefine(host: Host, _session: Session, network: Network) -> None:
    """Forget a network's definition."""
    with host.machine.lock:
        host.networks.undefine(network)


@api("virNetworkGetXMLDesc", about="network", flags=_INACTIVE)
def xml_desc(host: Host, _session: Session, network: Network, flags: int) -> str:
    """Return a network's XML."""
    with host.machine.lock:
        if network.config and flags & _INACTIVE:
            return network.config.xml()
        if flags & _INACTIVE:
            return network.definition.xml()
        return network.definition.xml(sum(each.is_named for each in host.networks.ports(network)))


@api("virNetworkUpdate", about="network", flags=Affect.LIVE | Affect.CONFIG)
def update(
    host: Host,
    _session: Session,
    network: Network,
    command: int,
    section: int,
    parent: int,
    xml: str,
    flags: int,
) -> None:
    """Change a part of a network."""
    with host.machine.lock:
        live, config = _affected(network, flags)
        if config:
            config = updated(config, command, section, parent, xml)
        if live:
            network.definition = updated(live, command, section, parent, xml)
        if config:
            network.defined(config)


def _affected(network: Network, flags: int) -> "tuple[NetworkDefinition | None, NetworkDefinition | None]":
    """Return which of its definitions a call is about: what it is up by, and the persistent one.

    Raises:
        LibvirtError: it has not what the flags name.
    """
    wanted = Affect(flags) or (Affect.LIVE if network.is_active else Affect.CONFIG)
    if Affect.LIVE in wanted and not network.is_active:
        raise _invalid("network is not running")
    if Affect.CONFIG in wanted and not network.is_persistent:
        raise _invalid("cannot change persistent config of a transient network")
    return (
        network.live if Affect.LIVE in wanted else None,
        network.config if Affect.CONFIG in wanted else None,
    )


# Up and down


@api("virNetworkCreateXMLFlags", plain="virNetworkCreateXML", about="nothing", flags=_VALIDATE)
def create_xml(host: Host, _session: Session, xml: str, _flags: int = 0) -> NetworkRef:
    """Start a network of a definition, which goes with it unless it is defined already."""
    with host.machine.lock:
        return host.networks.create(NetworkDefinition.parse(xml, host.new_uuid)).ref


@api("virNetworkCreate", about="network")
def create(host: Host, _session: Session, network: Network) -> None:
    """Start a network."""
    with host.machine.lock:
        host.networks.start(network)


@api("virNetworkDestroy", about="network")
def destroy(host: Host, _session: Session, network: Network) -> None:
    """Take a network down."""
    with host.machine.lock:
        host.networks.stop(network)


# What it is


@api("virNetworkIsActive", about="network")
def is_active(_host: Host, _session: Session, network: Network) -> int:
    """Tell whether a network is up."""
    return int(network.is_active)


@api("virNetworkIsPersistent", about="network")
def is_persistent(_host: Host, _session: Session, network: Network) -> int:
    """Tell whether a network is there when it is down."""
    return int(network.is_persistent)


@api("virNetworkGetBridgeName", about="network")
def bridge_name(_host: Host, _session: Session, network: Network) -> str:
    """Return the name of a network's bridge."""
    if bridge := network.definition.bridge:
        return bridge
    problem = f"network '{network.name}' does not have a bridge name."
    raise failure(Code.INTERNAL_ERROR, problem, origin=Origin.NETWORK)


@api("virNetworkGetAutostart", about="network")
def autostart(_host: Host, _session: Session, network: Network) -> int:
    """Tell whether a network starts with its host."""
    return int(network.autostart)


@api("virNetworkSetAutostart", about="network")
def set_autostart(host: Host, _session: Session, network: Network, value: int) -> None:
    """Say whether a network starts with its host."""
    with host.machine.lock:
        if not network.is_persistent:
            raise _invalid("cannot set autostart for transient network")
        network.autostart = bool(value)


# Which there are


@api("virNetworkLookupByName", about="nothing")
def by_name(host: Host, _session: Session, name: str) -> NetworkRef:
    """Return the network of a name."""
    return host.networks.named(name).ref


@api("virNetworkLookupByUUID", about="uuid")
def by_uuid(host: Host, _session: Session, key: bytes) -> NetworkRef:
    """Return the network of a UUID."""
    if network := host.networks.by_uuid(key):
        return network.ref
    problem = f"no network with matching uuid '{uuid.UUID(bytes=key)}'"
    raise failure(Code.NO_NETWORK, problem, origin=Origin.NETWORK)


@api("virConnectListAllNetworks", about="nothing", flags=sum(NetworkListed))
def list_all(host: Host, _session: Session, need_results: int, flags: int) -> tuple[list[NetworkRef], int]:
    """List the networks that all groups of flags let pass."""
    found = [each.ref for each in host.networks if _is_listed(each, flags)]
    return (found if need_results else []), len(found)


def _is_listed(network: Network, flags: int) -> bool:
    """Tell whether a network is listed: each group of flags, if any of it is set, must have one that fits."""
    fitting = (
        (NetworkListed.ACTIVE if network.is_active else NetworkListed.INACTIVE)
        | (NetworkListed.PERSISTENT if network.is_persistent else NetworkListed.TRANSIENT)
        | (NetworkListed.AUTOSTART if network.autostart else NetworkListed.NO_AUTOSTART)
    )
    return all(not flags & group or flags & group & fitting for group in _GROUPS)


_GROUPS: Final = (
    NetworkListed.ACTIVE | NetworkListed.INACTIVE,
    NetworkListed.PERSISTENT | NetworkListed.TRANSIENT,
    NetworkListed.AUTOSTART | NetworkListed.NO_AUTOSTART,
)


@api("virConnectNumOfNetworks", about="nothing")
def count_active(host: Host, _session: Session) -> int:
    """Count those that are up."""
    return sum(each.is_active for each in host.networks)


@api("virConnectListNetworks", about="nothing")
def list_active(host: Host, _session: Session, most: int) -> list[str]:
    """List the names of those that are up."""
    return [each.name for each in host.networks if each.is_active][:most]


@api("virConnectNumOfDefinedNetworks", about="nothing")
def count_defined(host: Host, _session: Session) -> int:
    """Count those that are down."""
    return sum(not each.is_active for each in host.networks)


@api("virConnectListDefinedNetworks", about="nothing")
def list_defined(host: Host, _session: Session, most: int) -> list[str]:
    """List the names of those that are down."""
    return [each.name for each in host.networks if not each.is_active][:most]


def _invalid(problem: str) -> LibvirtError:
    return failure(Code.OPERATION_INVALID, problem, origin=Origin.NETWORK)
