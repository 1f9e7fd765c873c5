"""A network's definition: what a client wrote, checked and completed, and what is said of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Final, Self
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.completion import checked_uuid
from pytest_fakehv.fronts.libvirt.host.domainxml.metadata import tidy as tidy_metadata
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_root
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, in_order, read
from pytest_fakehv.fronts.libvirt.host.networks import document
from pytest_fakehv.fronts.libvirt.host.networks.addresses import Interface, interface_of, mac_of
from pytest_fakehv.fronts.libvirt.host.networks.checks import MANAGED, check_network


@dataclass(frozen=True)
class NetworkDefinition:
    """A network as it is defined.

    Attributes:
        root: its XML, completed but for the bridge's name.
    """

    root: Element

    @classmethod
    def parse(cls, xml: str, make_uuid: Callable[[], bytes]) -> Self:
        """Read a network's XML as a user writes it.

        Args:
            xml: the document.
            make_uuid: what gives 16 bytes for a network without a uuid.

        Raises:
            LibvirtError: it is malformed, no network, or there is something wrong in it.
        """
        root = read(xml, "network_definition", Origin.NETWORK)
        check_root(root, "network")
        scope = root
        root = document.tidy(root, "network")
        given = root.child("name")
        name = given.text if given else ""
        if not name:
            raise failure(Code.NO_NAME, origin=Origin.NETWORK)
        for each in "\n/":
            if each in name:
                raise failure(Code.XML_DETAIL, f"invalid char in name: {each}", origin=Origin.XML)
        uuid = checked_uuid(root, Origin.NETWORK)
        root = with_forward(root)
        check_network(root, name)
        return cls(_completed(root, scope, name, uuid or make_uuid()))

    # -- What it says

    @cached_property
    def name(self) -> str:
        """The network's name."""
        return self._text("name")

    @cached_property
    def uuid(self) -> bytes:
        """Its uuid, 16 bytes."""
        return UUID(self._text("uuid")).bytes

    def _text(self, part: str) -> str:
        element = self.root.child(part)
        return element.text if element else ""

    @property
    def mode(self) -> str:
        """How what goes out of it is forwarded; ``none``: nothing does."""
        return part_of(self.root, "forward", "mode") or "none"

    @property
    def is_managed(self) -> bool:
        """Whether the host makes a bridge for it, and gives away its addresses."""
        return self.mode in MANAGED

    @property
    def bridge(self) -> str | None:
        """Its bridge's name; None: it has none, or none yet."""
        return part_of(self.root, "bridge", "name") or None

    @property
    def ips(self) -> list[Element]:
        """Its addresses."""
        return list(self.root.named("ip"))

    @property
    def interfaces(self) -> list[Interface]:
        """The same as what Python has for them."""
        return [interface_of(each) for each in self.ips]

    @cached_property
    def giving(self) -> Element | None:
        """The address among whose neighbours it gives away addresses of IPv4; None: it gives away none."""
        return next(
            (each for each in self.ips if each.child("dhcp") and ":" not in each.attributes["address"]), None
        )

    # -- What differs

    def with_bridge(self, name: str) -> Self:
        """Return a copy whose bridge has a name."""
        bridge = self.root.child("bridge") or Element("bridge")
        return self._with(bridge, Element("bridge", {"name": name, **bridge.having(name=None).attributes}))

    def _with(self, old: Element, new: Element) -> Self:
        return type(self)(self.root.exchanging(old, new))

    def started(self) -> Self:
        """Return a copy as it is while the network is up: it says which ports it hides others behind."""
        forward = self.root.child("forward")
        if forward is None or self.mode != "nat" or forward.at("nat/port"):
            return self
        nat = forward.child("nat") or Element("nat")
        ports = nat.holding(*nat.content, Element("port", _PORTS))
        others = (each for each in forward.children if each.name != "nat")
        return self._with(forward, forward.holding(ports, *others))

    # -- How it is written

    def xml(self, connections: int = 0) -> str:
        """Write it as libvirt does.

        Args:
            connections: how many interfaces of domains are connected to it.
        """
        root = self.root
        if connections:
            root = Element(root.name, {"connections": str(connections), **root.attributes}, root.content)
        return document.text(root)


_PORTS: Final = {"start": "1024", "end": "65535"}


def with_forward(root: Element) -> Element:
    """Return a network that says how it forwards what goes out of it, if it does."""
    forward = root.child("forward")
    if forward is None:
        return root
    mode = forward.attributes.get("mode") or "nat"
    forward = forward.having(mode=mode)
    if mode == "hostdev" and "managed" not in forward.attributes:
        forward = forward.having(managed="no")
    device, interface = forward.attributes.get("dev"), forward.child("interface")
    if device and interface is None:
        forward = forward.holding(*forward.content, Element("interface", {"dev": device}))
    elif interface and not device:
        given = interface.attributes.get("dev", "")
        forward = Element(forward.name, {"dev": given, **forward.attributes}, forward.content)
    others = [each for each in root.children if each.name != "forward"]
    kept = [] if mode == "none" else [forward]
    return root.holding(*_in_order([*others, *kept]))


def _completed(root: Element, scope: Element, name: str, uuid: bytes) -> Element:
    """Return a checked network with what a user may leave out, but for its bridge's name."""
    mode = part_of(root, "forward", "mode") or "none"
    parts = {"name": Element("name", {}, (name,)), "uuid": Element("uuid", {}, (str(UUID(bytes=uuid)),))}
    if metadata := root.child("metadata"):
        parts["metadata"] = tidy_metadata(metadata, scope)
    if mode in MANAGED:
        bridge = root.child("bridge") or Element("bridge")
        stp = "off" if bridge.attributes.get("stp") == "off" else "on"
        parts["bridge"] = document.tidy(
            bridge.having(stp=stp, delay=bridge.attributes.get("delay", "0")), "network/bridge"
        )
        drawn = "52:54:00:" + blake2b(uuid, digest_size=3).digest().hex(":")
        parts["mac"] = Element("mac", {"address": mac_of(part_of(root, "mac", "address") or "") or drawn})
    others = (each for each in root.children if each.name not in parts)
    return root.holding(*_in_order([*parts.values(), *others]))


def _in_order(parts: list[Element]) -> list[Element]:
    return in_order(parts, document.PARTS)
