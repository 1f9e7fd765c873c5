"""What a client wants to be told: of domains, storage pools, networks, secrets, and the host's devices."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host.apis import About, api
from pytest_fakehv.fronts.libvirt.host.audience import Told, key_of
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.nodedevices.words import NodeDeviceEventKind
from pytest_fakehv.fronts.libvirt.host.words import (
    EventKind,
    NetworkEventKind,
    PoolEventKind,
    SecretEventKind,
)
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import DomainRef, NetworkRef, NodeDeviceRef, PoolRef, SecretRef

__tracebackhide__ = True  # a failed call is shown at the line that made it


class _Events(NamedTuple):
    """The events of one kind of object."""

    about: About
    object: str
    """How functions' names call it."""
    kinds: type[IntEnum]
    words: str
    """What stands before "event" in errors."""
    callback: str
    """How errors call who is told."""


_EVENTS: Final[Mapping[type[Told], _Events]] = {
    DomainRef: _Events("domain", "Domain", EventKind, "", "domain event callback"),
    PoolRef: _Events("pool", "StoragePool", PoolEventKind, "storage pool ", "storage pool event callback"),
    NetworkRef: _Events("network", "Network", NetworkEventKind, "network ", "network event callback"),
    SecretRef: _Events("secret", "Secret", SecretEventKind, "secret ", "secret event callback"),
    NodeDeviceRef: _Events(
        "device", "NodeDevice", NodeDeviceEventKind, "node device ", "node device event callback"
    ),
}


@api("virConnectDomainEventRegisterAny", about="nothing")
def register(host: Host, session: Session, event: int, domain: DomainRef | None) -> int:
    """Note that a client wants to be told of an event of domains."""
    return _register(host, session, DomainRef, event, domain)


@api("virConnectStoragePoolEventRegisterAny", about="nothing")
def register_for_pools(host: Host, session: Session, event: int, pool: PoolRef | None) -> int:
    """Note that a client wants to be told of an event of storage pools."""
    return _register(host, session, PoolRef, event, pool)


@api("virConnectNetworkEventRegisterAny", about="nothing")
def register_for_networks(host: Host, session: Session, event: int, network: NetworkRef | None) -> int:
    """Note that a client wants to be told of an event of networks."""
    return _register(host, session, NetworkRef, event, network)


@api("virConnectSecretEventRegisterAny", about="nothing")
def register_for_secrets(host: Host, session: Session, event: int, secret: SecretRef | None) -> int:
    """Note that a client wants to be told of an event of secrets."""
    return _register(host, session, SecretRef, event, secret)


@api("virConnectNodeDeviceEventRegisterAny", about="nothing")
def register_for_devices(host: Host, session: Session, event: int, device: NodeDeviceRef | None) -> int:
    """Note that a client wants to be told of an event of the host's devices."""
    return _register(host, session, NodeDeviceRef, event, device)


def _register(host: Host, session: Session, about: type[Told], event: int, given: Told | None) -> int:
    client, events = host.audience.find(session), _EVENTS[about]
    if client is None or event not in list(events.kinds):
        problem = f"unsupported {events.words}event ID {event}"
        function = f"virConnect{events.object}EventRegisterAny"
        raise wrong_argument(function, "eventID", problem, origin=Origin.NONE)
    key = key_of(host.found(events.about, given).ref) if given else None
    number = next(client.next_id)
    client.events[number] = about, event, key
    return number


@api("virConnectDomainEventDeregisterAny", about="nothing", is_free=True)
def deregister(host: Host, session: Session, number: int) -> None:
    """Note that a client no longer wants to be told of an event of domains."""
    _deregister(host, session, DomainRef, number)


@api("virConnectStoragePoolEventDeregisterAny", about="nothing", is_free=True)
def deregister_for_pools(host: Host, session: Session, number: int) -> None:
    """Note that a client no longer wants to be told of an event of storage pools."""
    _deregister(host, session, PoolRef, number)


@api("virConnectNetworkEventDeregisterAny", about="nothing", is_free=True)
def deregister_for_networks(host: Host, session: Session, number: int) -> None:
    """Note that a client no longer wants to be told of an event of networks."""
    _deregister(host, session, NetworkRef, number)


@api("virConnectSecretEventDeregisterAny", about="nothing", is_free=True)
def deregister_for_secrets(host: Host, session: Session, number: int) -> None:
    """Note that a client no longer wants to be told of an event of secrets."""
    _deregister(host, session, SecretRef, number)


@api("virConnectNodeDeviceEventDeregisterAny", about="nothing", is_free=True)
def deregister_for_devices(host: Host, session: Session, number: int) -> None:
    """Note that a client no longer wants to be told of an event of the host's devices."""
    _deregister(host, session, NodeDeviceRef, number)


def _deregister(host: Host, session: Session, about: type[Told], number: int) -> None:
    client = host.audience.find(session)
    if client is None or client.events.pop(number, None) is None:
        problem = f"{_EVENTS[about].callback} {number} not registered"
        raise failure(Code.INVALID_ARG, problem, origin=Origin.RPC)
