"""A network's XML: what of it a daemon keeps, in its order, and how it writes it."""

import re
from collections.abc import Mapping
from typing import Final

from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, in_order, ranks, words, written

_KEPT: Final[Mapping[str, tuple[tuple[str, ...], Mapping[str, int]]]] = {
    path: (words(attributes), ranks(parts))
    for path, attributes, parts in (
        (
            "network",
            "ipv6 trustGuestRxFilters",
            (
                "name uuid metadata forward bridge mtu mac domain dns vlan bandwidth port ip route "
                "virtualport portgroup"
            ),
        ),
        ("network/forward", "dev mode managed", "nat interface address pf"),
        ("network/forward/nat", "ipv6", "address port"),
        ("network/bridge", "name zone stp delay macTableManager", ""),
        ("network/domain", "name localOnly", ""),
        ("network/dns", "enable forwardPlainNames", "forwarder txt srv host"),
        ("network/dns/txt", "name value", ""),
        ("network/dns/srv", "service protocol domain target port priority weight", ""),
        ("network/dns/host", "ip", "hostname"),
        ("network/ip", "family address netmask prefix localPtr", "tftp dhcp"),
        ("network/ip/dhcp", "", "range host bootp"),
        ("network/ip/dhcp/range", "start end", "lease"),
        ("network/ip/dhcp/range/lease", "expiry unit", ""),
        ("network/ip/dhcp/host/lease", "expiry unit", ""),
        ("network/ip/dhcp/host", "id mac name ip", "lease"),
    )
}
"""By where an element stands: its attributes and the elements in it, each in order. Others are kept whole."""

PARTS: Final = _KEPT["network"][1]
"""What is in a network, by its place."""

_REPEATED: Final = frozenset(
    words("ip route portgroup interface address pf forwarder txt srv host hostname range bootp")
)
"""Of these there may be more than one; of the others the first counts."""

_EMPTY: Final = frozenset({"dhcp", "dns", "domain", "lease", "mac", "nat"})
"""What isn't written where nothing is in it."""

_LONE: Final = re.compile(r"^(  <(ip|portgroup) .*)/>$", re.MULTILINE)
"""What has an end of its own even where nothing is in it."""


def tidy(element: Element, path: str) -> Element:
    """Return an element with only what a daemon keeps of it, in its order.

    Args:
        element: As a user wrote it.
        path: Where it stands in a network, as in ``network/ip/dhcp``.
    """
    if path not in _KEPT:
        return element
    attributes, parts = _KEPT[path]
    kept: list[Element] = []
    for each in element.children:
        if each.name not in parts or (
            each.name not in _REPEATED and any(each.name == it.name for it in kept)
        ):
            continue
        part = tidy(each, f"{path}/{each.name}")
        if part.content or part.attributes or part.name not in _EMPTY:
            kept.append(part)
    if element.name == "lease":
        if "expiry" not in element.attributes:
            return Element("lease")
        if element.attributes["expiry"] != "0":
            element = element.defaulting(unit="minutes")
    given = {name: element.attributes[name] for name in attributes if name in element.attributes}
    return Element(element.name, given, tuple(in_order(kept, parts)))


def text(root: Element) -> str:
    """Write a network as libvirt does."""
    return _LONE.sub(r"\1>\n  </\2>", written(root))
