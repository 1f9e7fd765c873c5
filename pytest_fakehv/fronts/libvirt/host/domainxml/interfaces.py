"""A domain's network interfaces."""

import re
from collections.abc import Collection
from hashlib import blake2b
from typing import Final
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.others import long_source
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import check_boot, parts_in_order, with_part
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, check_given, wrong
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, ranks, words

_TYPES: Final = words(
    "user ethernet server client mcast network bridge internal direct hostdev udp vhostuser vdpa null vds"
)
_SOURCES: Final = {"bridge": "bridge", "network": "network", "direct": "dev"}
"""What says where an interface of each type leads to."""
ORDER_OF_INTERFACE: Final = ranks(
    "mac source vlan virtualport bandwidth backenddomain script target guest model driver backend filterref "
    "tune teaming link mtu coalesce ip route boot alias rom"
)
_FILTERED: Final = ("network", "bridge", "ethernet")
"""The types of those that can be filtered; of others a filter is forgotten."""
_MAC: Final = re.compile(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){5}")
_MODEL: Final = re.compile(r"[-A-Za-z0-9_]*")
FOR_RUNNING: Final = ("vnet", "vif", "macvtap", "macvlan")
"""How the names begin that a daemon gives while a domain runs, and takes from nobody."""


def check_interface(interface: Element) -> None:
    """Refuse an interface that has a wrong value, or leads nowhere."""
    check_choice(interface, "type", _TYPES)
    kind = interface.attributes.get("type", "user")
    if mac := interface.child("mac"):
        address = mac.attributes.get("address", "")
        if not _MAC.fullmatch(address):
            raise wrong(f"unable to parse mac address '{address}'")
        if int(address.partition(":")[0], 16) & 1:
            raise wrong(f"expected unicast mac address, found multicast '{address}'")
    if needed := _SOURCES.get(kind):
        source = interface.child("source")
        if source is None:
            raise wrong(f"interface type='{kind}' requires a 'source' element")
        check_given(source, needed)
    if kind == "hostdev":
        place = interface.at("source/address")
        if place is None or "type" not in place.attributes:
            raise wrong("missing source address type")
    model = interface.child("model")
    if model and not _MODEL.fullmatch(model.attributes.get("type", "")):
        raise failure(Code.INVALID_ARG, "Model name contains invalid characters", origin=Origin.DOMAIN)
    check_boot(interface)


def with_mac(interface: Element, uuid: bytes, taken: Collection[str]) -> Element:
    """Return an interface that is new to a domain with a MAC address, which none of the others has.

    Args:
        interface: As it is written.
        uuid: The domain's, 16 bytes.
        taken: The addresses of the others.
    """
    if interface.child("mac"):
        return interface
    place = len(taken)
    while (mac := _mac(_drawn(uuid, place))) in taken:
        place += 1
    return with_part(interface, "mac", address=mac)


def written_mac(address: str) -> str:
    """Return a MAC address, of which `check_interface` refused no part, as libvirt writes it."""
    return ":".join(f"{int(each, 16):02x}" for each in address.split(":"))


def _drawn(uuid: bytes, place: int) -> bytes:
    return blake2b(uuid + place.to_bytes(4, "big"), digest_size=19).digest()


def _mac(drawn: bytes) -> str:
    return "52:54:00:" + drawn[:3].hex(":")


def complete_interface(interface: Element, place: int, uuid: bytes) -> Element:
    """Return an interface with what a user may leave out.

    Args:
        interface: As it is written.
        place: Which of the domain's it is, from 0.
        uuid: The domain's, 16 bytes: from both follows an address that nobody gave.
    """
    drawn = _drawn(uuid, place)
    interface = interface.defaulting(type="user")
    interface = with_part(interface, "mac", address=_mac(drawn))
    kind = interface.attributes["type"]
    if kind != "hostdev":
        interface = with_part(interface, "model", type="rtl8139")
    parts = []
    for part in interface.children:
        match part.name:
            case "mac":
                parts.append(part.having(address=written_mac(part.attributes["address"])))
            case "filterref" if kind not in _FILTERED:
                pass
            case "source" if kind == "hostdev":
                parts.append(long_source(part))
            case "source" if kind == "direct":
                parts.append(
                    part._replace(attributes={**part.attributes, "mode": part.attributes.get("mode", "vepa")})
                )
            case "target" if part.attributes.get("dev", "").startswith(FOR_RUNNING):
                pass
            case "virtualport" if part.attributes.get("type") == "openvswitch":
                parts.append(with_part(part, "parameters", interfaceid=str(UUID(bytes=drawn[3:]))))
            case _:
                parts.append(part)
    return parts_in_order(interface.holding(*parts), ORDER_OF_INTERFACE)
