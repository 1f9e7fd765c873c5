"""What the XML of a running domain says beyond its definition: where on the host its devices are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.fronts.libvirt.host.domainxml.consoles import AGENT, CHANNELS
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element

FIRST_PORT: Final = 5900

_ALIASES: Final = {
    "interface": "net",
    "serial": "serial",
    "parallel": "parallel",
    "console": "console",
    "channel": "channel",
    "input": "input",
    "sound": "sound",
    "video": "video",
    "hostdev": "hostdev",
    "redirdev": "redir",
    "watchdog": "watchdog",
    "memballoon": "balloon",
    "rng": "rng",
    "filesystem": "fs",
    "tpm": "tpm",
    "shmem": "shmem",
    "vsock": "vsock",
    "smartcard": "smartcard",
    "hub": "hub",
}
_TAPS: Final = {"bridge": "vnet", "network": "vnet", "ethernet": "vnet", "direct": "macvtap"}
_LABEL: Final = "+64055:+64055"
_SHORT: Final = 20
"""Characters of a domain's name, of which its folder is named."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where on its host a domain runs.

    Attributes:
        id: its id, from 1.
        tap: the number of its first interface's device: 3 makes ``vnet3``, and the others follow.
        port: the port of its first screen that names none.
        terminal: the number of the terminal of its first serial line or console.
    """

    id: int
    tap: int = 0
    port: int = FIRST_PORT
    terminal: int = 0


def running(domain: Element, place: Place) -> Element:
    """Return a domain's XML as it is while the domain runs.

    Args:
        domain: Its definition, completed.
        place: Where it runs.
    """
    content = []
    for each in domain.children:
        if each.name == "devices":
            content.append(each.holding(*_devices(domain, each, place)))
            if domain.child("seclabel") is None:
                label = (Element("label", {}, (_LABEL,)), Element("imagelabel", {}, (_LABEL,)))
                content.append(
                    Element("seclabel", {"type": "dynamic", "model": "dac", "relabel": "yes"}, label)
                )
        elif each.name == "os" and domain.child("resource") is None:
            partition = Element("partition", {}, ("/machine",))
            content += [Element("resource", {}, (partition,)), each]
        else:
            content.append(each)
    return Element(domain.name, {**domain.attributes, "id": str(place.id)}, tuple(content))


def _devices(domain: Element, devices: Element, place: Place) -> Iterator[Element]:
    name = domain.child("name")
    folder = f"{CHANNELS}domain-{place.id}-{name.text[:_SHORT] if name else ''}"
    tap, port, terminal = place.tap, place.port, place.terminal
    serial_path = ""
    numbers: dict[str, int] = {}
    for device in devices.children:
        kind = device.name
        number = numbers[kind] = numbers.get(kind, -1) + 1
        alias = _alias(device, number)
        if kind == "interface" and (prefix := _TAPS.get(device.attributes["type"])):
            device = _on_host(device, "target", dev=f"{prefix}{tap}")  # noqa: PLW2901
            tap += 1
        elif kind == "console" and serial_path and not number:
            device = _on_host(device, "source", path=serial_path).having(tty=serial_path)  # noqa: PLW2901
            alias = "serial0"
        elif kind in {"serial", "parallel", "console"} and device.attributes["type"] == "pty":
            path = f"/dev/pts/{terminal}"
            terminal += 1
            device = _on_host(device, "source", path=path)  # noqa: PLW2901
            if kind == "console":
                device = device.having(tty=path)  # noqa: PLW2901
            elif kind == "serial" and not number:
                serial_path = path
        elif kind == "channel":
            device = _channel(device, folder)  # noqa: PLW2901
        elif kind == "graphics" and device.attributes.get("autoport") == "yes":
            device = _screen(device, port)  # noqa: PLW2901
            port += 1
        if alias and device.child("alias") is None:
            device = device.holding(*device.content, Element("alias", {"name": alias}))  # noqa: PLW2901
        yield device


def _on_host(device: Element, part: str, /, **attributes: str) -> Element:
    """Return a device with a part that says where it is; what the user wrote there stays."""
    given = device.child(part)
    if given is None:
        # Where libvirt puts it: the source first, the target behind the source.
        place = 0 if part == "source" else sum(each.name in _BEFORE_TARGET for each in device.children)
        content = list(device.content)
        content.insert(place, Element(part, attributes))
        return device.holding(*content)
    new = given._replace(attributes={**attributes, **given.attributes})
    return device.holding(*(new if each is given else each for each in device.content))


_BEFORE_TARGET: Final = frozenset({"mac", "source", "bandwidth", "virtualport", "vlan"})


def _channel(device: Element, folder: str) -> Element:
    target = device.child("target")
    name = target.attributes.get("name", "") if target else ""
    if device.attributes["type"] == "unix":
        device = _on_host(device, "source", mode="bind", path=f"{folder}/{name}")
    if name == AGENT:
        device = _on_host(device, "target", state="disconnected")
    return device


def _screen(device: Element, port: int) -> Element:
    address = device.attributes.get("listen", "127.0.0.1")
    attributes = {**device.attributes, "port": str(port), "listen": address}
    first = {"type": attributes.pop("type"), "port": attributes.pop("port")}
    listens = [
        each.having(address=address)
        if each.name == "listen" and each.attributes["type"] == "address"
        else each
        for each in device.children
    ]
    return Element("graphics", {**first, **attributes}, tuple(listens))


def _alias(device: Element, number: int) -> str:
    kind = device.name
    if kind == "disk":
        return _disk_alias(device, number)
    if kind == "controller":
        kind, index = device.attributes["type"], device.attributes["index"]
        if kind == "pci":
            return "pcie.0" if device.attributes.get("model") == "pcie-root" else f"pci.{index}"
        return kind if kind == "usb" and index == "0" else f"{kind}{index}"
    return f"{_ALIASES[kind]}{number}" if kind in _ALIASES else ""


def _disk_alias(disk: Element, number: int) -> str:
    target = disk.child("target")
    bus = target.attributes.get("bus", "") if target else ""
    if bus == "virtio":
        return f"virtio-disk{number}"
    return f"{bus}0-{number // 2}-{number % 2}" if bus == "ide" else f"{bus}0-0-{number}"
