"""The addresses that a network gives away: the same in each run for the same programs."""

from collections.abc import Iterator
from hashlib import blake2b
from ipaddress import IPv4Address, ip_address
from itertools import chain
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.networks.addresses import SECONDS, interface_of, mac_of
from pytest_fakehv.fronts.libvirt.host.networks.network import Network
from pytest_fakehv.fronts.libvirt.host.networks.networks import Port

_LASTS: Final = 3600
"""Seconds for which a network that doesn't say so gives an address away."""


class Lease(NamedTuple):
    """An address that was given away."""

    mac: str
    address: str
    prefix: int
    """How many of its bits are those of all in the network."""
    hostname: str
    expires: int
    """When, in seconds of the cluster's clock; 0: never."""


def leases(network: Network, ports: list[Port], now: float) -> list[Lease]:
    """Return what a network has given away.

    Each that is connected has the address that is kept for it, or one of the network's ranges, which follows
    from its MAC address.

    Args:
        network: which.
        ports: where interfaces of domains are connected to it.
        now: the time, in seconds of the cluster's clock.
    """
    ip = network.definition.giving
    dhcp = ip.child("dhcp") if ip else None
    if ip is None or dhcp is None:
        return []
    connected = {each.mac: each for each in reversed(ports)}
    network.addresses = {mac: given for mac, given in network.addresses.items() if mac in connected}
    interface, found = interface_of(ip), []
    for port in reversed(connected.values()):
        host = _kept(dhcp, port)
        address = host.attributes["ip"] if host else _drawn(network, dhcp, port.mac, str(interface.ip))
        if address:
            name = host.attributes.get("name") if host else None
            expires = _end(_lease(dhcp, host, address), port.domain.since, now)
            prefix = interface.network.prefixlen
            found.append(Lease(port.mac, address, prefix, name or port.domain.name, expires))
    return found


def _kept(dhcp: Element, port: Port) -> Element | None:
    """Return the host for which an address is kept, if a port's is one, by its MAC or its name."""
    for host in dhcp.named("host"):
        mac = host.attributes.get("mac")
        if mac_of(mac) == port.mac if mac else host.attributes.get("name") == port.domain.name:
            return host
    return None


def _drawn(network: Network, dhcp: Element, mac: str, own: str) -> str | None:
    """Return the address of a network's ranges that one has; None where nothing is left."""
    if given := network.addresses.get(mac):
        return given
    taken = {*network.addresses.values(), own, *(each.attributes["ip"] for each in dhcp.named("host"))}
    free = (each for each in _from(dhcp, mac) if each not in taken)
    if address := next(free, None):
        network.addresses[mac] = address
    return address


def _from(dhcp: Element, mac: str) -> Iterator[str]:
    """Give all addresses of a network's ranges, from the one on that follows from a MAC address."""
    numbers: list[int] = []
    for each in dhcp.named("range"):
        first, last = _ends(each)
        numbers += range(first, last + 1)
    drawn = int.from_bytes(blake2b(mac.encode(), digest_size=8).digest(), "big")
    start = drawn % max(len(numbers), 1)
    return (str(IPv4Address(each)) for each in chain(numbers[start:], numbers[:start]))


def _ends(given: Element) -> tuple[int, int]:
    return int(ip_address(given.attributes["start"])), int(ip_address(given.attributes["end"]))


def _lease(dhcp: Element, host: Element | None, address: str) -> Element | None:
    """Return what says for how long an address is given away."""
    if host:
        return host.child("lease")
    number = int(ip_address(address))
    for each in dhcp.named("range"):
        first, last = _ends(each)
        if first <= number <= last:
            return each.child("lease")
    return None


def _end(lease: Element | None, since: float, now: float) -> int:
    """Return when an address is given back that a guest has had since its start, and renews half-way."""
    lasts = _LASTS
    if lease:
        lasts = int(lease.attributes.get("expiry", "0")) * SECONDS[lease.attributes.get("unit", "minutes")]
    if not lasts:
        return 0
    half = lasts / 2
    return int(since + lasts + half * ((now - since) // half))
