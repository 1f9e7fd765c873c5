"""A network's addresses, and those that it gives away: how they are read, and what a daemon refuses."""

import re
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, whole
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.networks.refusals import refused, unsupported

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface

_MOST_ADDRESSES: Final = 65535
"""In a range."""
_LEAST_LEASE: Final = 120
"""Seconds."""
SECONDS: Final = {"seconds": 1, "minutes": 60, "hours": 3600}
"""In each unit of the time for which an address is given away."""
_MAC: Final = re.compile(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){5}")
_OF_NO_ID: Final = re.compile(r"[^0-9A-Fa-f:]")


def address_of(text: str) -> Address | None:
    """Return the IP address that a text says; None if it says none."""
    with suppress(ValueError):
        return ip_address(text)
    return None


def mac_of(text: str) -> str | None:
    """Return a MAC address as libvirt writes it; None if the text says none."""
    if not _MAC.fullmatch(text):
        return None
    return ":".join(f"{int(each, 16):02x}" for each in text.split(":"))


def is_multicast(mac: str) -> bool:
    """Tell whether a MAC address is that of many, as none of a device is."""
    return bool(int(mac[:2], 16) & 1)


def interface_of(ip: Element) -> Interface:
    """Return a network's address, and how many of its bits are those of all in there.

    Args:
        ip: The checked element.
    """
    address = ip.attributes["address"]
    if "prefix" in ip.attributes:
        return ip_interface(f"{address}/{int(ip.attributes['prefix'])}")
    if "netmask" in ip.attributes:
        bits = f"{int(IPv4Address(ip.attributes['netmask'])):032b}"
        return ip_interface(f"{address}/{len(bits) - len(bits.lstrip('1'))}")
    first = int(ip_address(address)) >> 24
    if ":" in address:
        return ip_interface(f"{address}/64")
    return ip_interface(f"{address}/{8 if first < 128 else 16 if first < 192 else 24}")  # noqa: PLR2004  # classes


def check_ips(root: Element, name: str) -> None:
    """Refuse a network with something wrong in what it says of its addresses.

    Args:
        root: The network.
        name: Its name.

    Raises:
        LibvirtError: There is.
    """
    giving = set()
    for ip in root.named("ip"):
        _check_ip(ip, name)
        if dhcp := ip.child("dhcp"):
            family = "IPv6" if ":" in ip.attributes["address"] else "IPv4"
            if family in giving:
                problem = f"Multiple {family} dhcp sections found -- dhcp is supported only for a single"
                raise unsupported(f"{problem} {family} address on each network")
            giving.add(family)
            for each in dhcp.named("range"):
                check_range(each, ip, name)
            for each in dhcp.named("host"):
                check_host(each, ip, name)


def _check_ip(ip: Element, name: str) -> None:
    given = ip.attributes.get("address")
    if given is None:
        raise refused(f"Missing required address attribute in network '{name}'")
    address = address_of(given)
    if address is None:
        raise refused(f"Invalid address '{given}' in network '{name}'")
    _check_family(ip, address, name)
    prefix = whole(ip, "prefix", 0)
    netmask = ip.attributes.get("netmask")
    if netmask is not None:
        if isinstance(address, IPv6Address):
            raise unsupported(f"netmask not allowed for IPv6 address '{given}' in network '{name}'")
        if "prefix" in ip.attributes:
            raise unsupported(f"Network '{name}' IP address cannot have both a prefix and a netmask")
        mask = address_of(netmask)
        if mask is None:
            raise refused(f"Invalid netmask '{netmask}' in network '{name}'")
        if isinstance(mask, IPv6Address):
            problem = f"Invalid netmask '{netmask}' for address '{given}' in network '{name}'"
            raise unsupported(f"{problem} (both must be IPv4)")
    if prefix > address.max_prefixlen:
        raise unsupported(f"Invalid IPv{address.version} prefix '{prefix}' in network '{name}'")


def _check_family(ip: Element, address: Address, name: str) -> None:
    given, family = ip.attributes["address"], ip.attributes.get("family", "")
    if family not in {"", "ipv4", "ipv6"}:
        raise refused(f"Unrecognized family '{family}' in network '{name}'")
    if isinstance(address, IPv6Address) and family != "ipv6":
        said = f"{family} family specified" if family else "no family specified"
        raise unsupported(f"{said} for non-IPv4 address '{given}' in network '{name}'")
    if isinstance(address, IPv4Address) and family == "ipv6":
        raise unsupported(f"Family 'ipv6' specified for non-IPv6 address '{given}' in network '{name}'")


def check_range(given: Element, ip: Element, name: str) -> None:
    """Refuse a range of addresses that isn't one of a network.

    Args:
        given: The range.
        ip: The network's address.
        name: The network's name.

    Raises:
        LibvirtError: It isn't.
    """
    ends = []
    for attribute in ("start", "end"):
        if attribute not in given.attributes:
            raise refused(f"Missing '{attribute}' attribute in dhcp range for network '{name}'")
        text = given.attributes[attribute]
        address = address_of(text)
        if address is None:
            problem = f"Cannot parse socket address '{text}': Name or service not known"
            raise failure(Code.SYSTEM_ERROR, problem, origin=Origin.NONE)
        ends.append(address)
    _check_ends(ends[0], ends[1], interface_of(ip))
    _check_lease(given)


def _check_ends(start: Address, end: Address, interface: Interface) -> None:
    own, network = f"{interface.ip}/{interface.network.prefixlen}", interface.network
    shown = f"range {start} - {end}"
    if {start.version, end.version} != {interface.version}:
        problem = f"mismatch of address family in {shown} for network {interface.ip}"
    elif int(end) < int(start):
        problem = f"{shown} is reversed "
    elif start not in network or end not in network:
        problem = f"{shown} is not entirely within network {own}"
    elif isinstance(start, IPv4Address) and start == network.network_address:
        problem = f"start of {shown} in network {own} is the network address"
    elif isinstance(start, IPv4Address) and end == network.broadcast_address:
        problem = f"end of {shown} in network {own} is the broadcast address"
    elif int(end) - int(start) >= _MOST_ADDRESSES:
        problem = f"{shown} is too large (> {_MOST_ADDRESSES})"
    else:
        return
    raise failure(Code.INTERNAL_ERROR, problem, origin=Origin.NONE)


def check_host(host: Element, ip: Element, name: str, *, is_partial: bool = False) -> None:
    """Refuse a host of which a network can't keep an address.

    Args:
        host: The host.
        ip: The network's address.
        name: The network's name.
        is_partial: Whether it only says which one is meant.

    Raises:
        LibvirtError: It is none.
    """
    key, mac, own_name, address = map(host.attributes.get, ("id", "mac", "name", "ip"))
    family, needed, other = "IPv4", "mac", mac
    if ":" in ip.attributes["address"]:
        family, needed, other = "IPv6", "id", key
        if mac is not None:
            problem = (
                f"Invalid to specify MAC address '{mac}' in network '{name}' IPv6 static host definition"
            )
            raise refused(problem)
    _check_said(host, name)
    if is_partial:
        if not (mac or own_name or address or key):
            problem = "At least one of name, mac, or ip attribute must be specified"
            raise refused(f"{problem} for static host definition in network '{name}' ")
        return
    if not (other or own_name):
        problem = f"Static host definition in {family} network '{name}' must have {needed} or name attribute"
        raise refused(problem)
    if address is None:
        raise refused(f"Missing IP address in static host definition for network '{name}'")
    _check_lease(host)


def _check_said(host: Element, name: str) -> None:
    """Refuse what a host is said to be, if that can't be."""
    key, mac, own_name, address = map(host.attributes.get, ("id", "mac", "name", "ip"))
    if mac is not None:
        if (parsed := mac_of(mac)) is None:
            raise refused(f"Cannot parse MAC address '{mac}' in network '{name}'")
        if is_multicast(parsed):
            raise refused(f"expected unicast mac address, found multicast '{mac}' in network '{name}'")
    if wrong := key and _OF_NO_ID.search(key):
        raise refused(f"Invalid character '{wrong[0]}' in id '{key}' of network '{name}'")
    if own_name and not own_name[0].isalnum():
        raise refused(f"Cannot use host name '{own_name}' in network '{name}'")
    if address is not None and address_of(address) is None:
        raise refused(f"Invalid IP address in static host definition for network '{name}'")


def _check_lease(given: Element) -> None:
    if lease := given.child("lease"):
        check_choice(lease, "unit", SECONDS)
        expiry = whole(lease, "expiry", 0)
        if 0 < expiry * SECONDS[lease.attributes.get("unit", "minutes")] < _LEAST_LEASE:
            problem = "The minimum lease time should be greater than 2 minutes"
            raise unsupported(problem)
