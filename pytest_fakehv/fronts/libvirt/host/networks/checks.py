"""What a daemon refuses of a network's XML, and in which words."""

from collections.abc import Callable, Mapping
from typing import Final

from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, integer
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, words
from pytest_fakehv.fronts.libvirt.host.networks.addresses import address_of, check_ips, is_multicast, mac_of
from pytest_fakehv.fronts.libvirt.host.networks.records import check_dns
from pytest_fakehv.fronts.libvirt.host.networks.refusals import malformed, refused, unsupported

MANAGED: Final = frozenset({"none", "nat", "route", "open"})
"""How what goes out of a network is forwarded where the daemon makes its bridge itself."""

_MODES: Final = frozenset(words("none nat route open bridge private vepa passthrough hostdev"))
_YES_OR_NO: Final = ("yes", "no")
_HIGHEST: Final = 65535
"""Of a port's numbers."""


def check_network(root: Element, name: str) -> None:
    """Refuse a network with something wrong in it.

    Args:
        root: The network, with only what a daemon keeps.
        name: Its name.

    Raises:
        LibvirtError: There is.
    """
    forward = root.child("forward")
    mode = forward.attributes["mode"] if forward else "none"
    if mode not in _MODES:
        raise unsupported(f"unknown forwarding type '{mode}'")
    for part, check in _PARTS.items():
        for each in root.named(part):
            check(each, name)
    check_ips(root, name)
    _check_portgroups(root, name)
    if forward:
        _check_forward(forward, mode, name)
    _check_goes_with_mode(root, mode, name)


# Its parts


def _check_bridge(bridge: Element, name: str) -> None:
    if integer(bridge.attributes.get("delay", "0")) is None:
        raise refused(f"Invalid delay value in network '{name}'")
    manager = bridge.attributes.get("macTableManager", "kernel")
    if manager not in {"kernel", "libvirt"}:
        raise refused(f"Invalid macTableManager setting '{manager}' in network '{name}'")


def _check_mac(mac: Element, name: str) -> None:
    given = mac.attributes.get("address", "")
    address = mac_of(given)
    if address is None:
        raise refused(f"Invalid bridge mac address '{given}' in network '{name}'")
    if is_multicast(address):
        raise refused(f"Invalid multicast bridge mac address '{given}' in network '{name}'")


def _check_mtu(mtu: Element, name: str) -> None:
    size = mtu.attributes.get("size", "")
    if integer(size) is None:
        raise refused(f"Invalid mtu size '{size}' in network '{name}'")


def _check_domain(domain: Element, _name: str) -> None:
    check_choice(domain, "localOnly", _YES_OR_NO)


_PARTS: Final[Mapping[str, Callable[[Element, str], None]]] = {
    "domain": _check_domain,
    "bridge": _check_bridge,
    "mac": _check_mac,
    "mtu": _check_mtu,
    "dns": check_dns,
}


# Where it leads


def check_portgroup(group: Element, _name: str) -> None:
    """Refuse a group of ports without a name; takes and raises what `check_network` does."""
    if not group.attributes.get("name"):
        raise refused("Missing required name attribute in portgroup")


def _check_portgroups(root: Element, name: str) -> None:
    names: set[str] = set()
    default: str | None = None
    for each in root.named("portgroup"):
        check_portgroup(each, name)
        own = each.attributes["name"]
        if own in names:
            problem = f"multiple <portgroup> elements with the same name ({own}) in network '{name}'"
            raise unsupported(problem)
        names.add(own)
        if each.attributes.get("default") == "yes":
            if default is not None:
                problem = f"network '{name}' has multiple default <portgroup> elements ({default} and {own})"
                raise unsupported(f"{problem}, but only one default is allowed")
            default = own


def _check_forward(forward: Element, mode: str, name: str) -> None:
    interfaces = [each.attributes.get("dev") for each in forward.named("interface")]
    device = forward.attributes.get("dev")
    if interfaces and device not in (None, interfaces[0]):
        problem = f"<forward dev='{device}'> must match first <interface dev='{interfaces[0]}'/>"
        raise refused(f"{problem} in network {name}")
    if mode in MANAGED:
        if mode == "open" and (device or interfaces):
            raise refused(f"forward dev not allowed for network '{name}' with forward mode='open'")
        if len(interfaces) > 1:
            problem = f"multiple forwarding interfaces specified for network '{name}'"
            raise refused(f"{problem}, only one is supported")
    if nat := forward.child("nat"):
        if mode != "nat":
            problem = "The <nat> element can only be used when <forward> 'mode' is 'nat'"
            raise refused(f"{problem} in network {name}")
        _check_nat(nat, name)


def _check_nat(nat: Element, name: str) -> None:
    for each in nat.named("address"):
        for attribute in ("start", "end"):
            given = each.attributes.get(attribute)
            if given is None:
                problem = f"missing '{attribute}' attribute in <address> element in <nat> in <forward>"
                raise refused(f"{problem} in network {name}")
            if address_of(given) is None:
                problem = f"Bad ipv4 {attribute} address '{given}' in <nat> in <forward>"
                raise refused(f"{problem} in network '{name}'")
    if port := nat.child("port"):
        start, end = (integer(port.attributes.get(each, ""), _HIGHEST) for each in ("start", "end"))
        if start is None or end is None or end < start:
            wrong = "start" if start is None else "end"
            problem = f"Missing or invalid '{wrong}' attribute in <port> in <nat> in <forward>"
            raise malformed(f"{problem} in network {name}")


_TUNED: Final = frozenset({"stp", "delay", "zone"})


def _check_others_bridge(root: Element, bridge: Element, mode: str, name: str) -> None:
    """Refuse a bridge that the daemon doesn't make, unless it is only named."""
    if mode != "bridge":
        raise refused(f"bridge name not allowed in {mode} mode (network '{name}')")
    if _TUNED & bridge.attributes.keys():
        problem = "bridge delay/stp/zone options only allowed in route, nat, and isolated mode"
        raise refused(f"{problem}, not in bridge (network '{name}')")
    if root.at("forward/interface"):
        problem = "A network with forward mode='bridge' can specify a bridge name or a forward dev"
        raise refused(f"{problem}, but not both (network '{name}')")


def _check_goes_with_mode(root: Element, mode: str, name: str) -> None:
    """Refuse what a network can't have that is forwarded in a way."""
    if root.child("vlan") and (
        mode in MANAGED or (mode == "bridge" and part_of(root, "virtualport", "type") != "openvswitch")
    ):
        problem = f"<vlan> element specified for network {name}"
        raise unsupported(f"{problem}, whose type doesn't support vlan configuration")
    if mode in MANAGED:
        if mode != "none" and root.child("ip") is None:
            raise refused(f"{mode} forwarding requested, but no IP address provided for network '{name}'")
        return
    if bridge := root.child("bridge"):
        _check_others_bridge(root, bridge, mode, name)
    if root.child("mtu"):
        problem = f"mtu size only allowed in open, route, nat, and isolated mode, not in {mode}"
        raise refused(f"{problem} (network '{name}')")
    for part in ("mac", "ip", "domain"):
        if root.child(part):
            problem = f"Unsupported <{part}> element in network {name} with forward mode='{mode}'"
            raise unsupported(problem)
