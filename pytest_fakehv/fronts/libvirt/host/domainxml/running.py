"""A domain's XML for others than its user: as it is while it runs, and as another host takes it over."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from pytest_fakehv.fronts.libvirt.host.domainxml.consoles import AGENT, CHANNELS
from pytest_fakehv.fronts.libvirt.host.domainxml.disks import disk_index, undetected
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.screens import in_order
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element

OWNER: Final = "+64055:+64055"
"""Whose processes run domains: the user's and the group's number."""

FIRST_PORT: Final = 5900
"""Of the screens of a host."""

_ALIASES: Final = {
    "filesystem": "fs",
    "interface": "net",
    "memballoon": "balloon",
    "redirdev": "redir",
    **{
        kind: kind
        for kind in (
            "smartcard",
            "serial",
            "parallel",
            "console",
            "channel",
            "input",
            "tpm",
            "sound",
            "video",
        )
    },
    **{kind: kind for kind in ("hostdev", "hub", "watchdog", "rng", "shmem", "vsock")},
}
"""How the names begin that a daemon gives to devices of each kind."""
_IMPLIED: Final = (
    ("controller", {"type": "usb", "model": "piix3-uhci"}),
    ("controller", {"type": "pci", "model": "pci-root"}),
    ("input", {"type": "keyboard", "bus": "ps2"}),
    ("audio", {"id": "1"}),
)
"""What every host gives to a domain anyway."""
_TAPS: Final = {"bridge": "vnet", "network": "vnet", "ethernet": "vnet", "direct": "macvtap"}
"""How the host's devices are called, by the type of the interface that they are for."""
_LONGEST_IN_PATHS: Final = 20
"""Characters of a domain's name that are in the name of its folder."""


class Bridge(NamedTuple):
    """To which of a host's bridges a network leads."""

    network: str
    name: str
    is_made: bool
    """Whether the host has made it for that network."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where on its host a domain runs.

    Attributes:
        id: its id, from 1.
        tap: the number of its first interface's device on the host: 3 makes ``vnet3``, and the others follow.
        port: the port of its first screen that names none; the others follow.
        terminal: the number of the terminal of its first serial line; the others follow.
        bridges: to which bridges its networks lead.
    """

    id: int
    tap: int = 0
    port: int = FIRST_PORT
    terminal: int = 0
    bridges: tuple[Bridge, ...] = ()


def running(domain: Element, place: Place) -> Element:
    """Return a domain's XML as it is while the domain runs.

    Args:
        domain: Its definition, completed.
        place: Where it runs.
    """
    content = []
    for each in _with_partition(domain):
        if each.name == "cpu":
            content.append(_running_cpu(each))
        elif each.name == "devices":
            content.append(each.holding(*_Devices(domain, place).all(each)))
            if domain.child("seclabel") is None:
                labels = tuple(Element(name, {}, (OWNER,)) for name in ("label", "imagelabel"))
                content.append(
                    Element("seclabel", {"type": "dynamic", "model": "dac", "relabel": "yes"}, labels)
                )
        else:
            content.append(each)
    return Element(domain.name, {**domain.attributes, "id": str(place.id)}, tuple(content))


def migratable(domain: Element, *, runs: bool, keeps_implied: bool = False) -> Element:
    """Return a domain's XML as another host takes it over: without what every host adds by itself.

    Args:
        domain: Its definition, completed.
        runs: Whether it runs.
        keeps_implied: Whether what every host adds stays.
    """
    content = []
    for each in _with_partition(domain) if runs else domain.children:
        if each.name != "devices":
            content.append(each)
            continue
        devices = (
            device
            for device in each.children
            if keeps_implied or not any(map(partial(_is, device), _IMPLIED))
        )
        content.append(each.holding(*(_migratable_disk(device) if runs else device for device in devices)))
    return domain.holding(*content)


def _is(device: Element, kind: tuple[str, Mapping[str, str]]) -> bool:
    return device.name == kind[0] and kind[1].items() <= device.attributes.items()


def _with_partition(domain: Element) -> Iterator[Element]:
    """Give what a domain holds, with the part of the host that it runs in, before what it boots."""
    for each in domain.children:
        if each.name == "os" and domain.child("resource") is None:
            yield Element("resource", {}, (Element("partition", {}, ("/machine",)),))
        yield each


def _running_cpu(cpu: Element) -> Element:
    """Return a CPU with what QEMU says that it has, if the definition asks for no check of its model."""
    if cpu.attributes.get("mode") != "custom" or cpu.attributes.get("check") != "none":
        return cpu
    model = cpu.child("model")
    names = ("hypervisor", "lahf_lm") if model and model.text == "qemu64" else ("hypervisor",)
    given = {each.attributes.get("name") for each in cpu.named("feature")}
    features = (
        Element("feature", {"policy": "require", "name": name}) for name in names if name not in given
    )
    return cpu.having(check="full").holding(*cpu.content, *features)


def _migratable_disk(device: Element) -> Element:
    """Return a disk as another host takes it over; all else as it is."""
    if device.name != "disk":
        return device
    beneath, shown = device.child("backingStore"), undetected(device)
    return shown if beneath and shown.child("backingStore") is None else _with_backing(shown)


def _with_backing(device: Element, **attributes: str) -> Element:
    """Return a disk that says that nothing is beneath its source; all else, and an empty one, as it is."""
    source = device.child("source")
    if device.name != "disk" or source is None:
        return device
    if "index" not in source.attributes:
        device = device.exchanging(source, source.having(**attributes))
    if device.child("backingStore"):
        return device
    place = 1 + next(number for number, each in enumerate(device.children) if each.name == "source")
    return device.holding(*device.content[:place], Element("backingStore"), *device.content[place:])


def needs_tap(interface: Element) -> bool:
    """Whether an interface gets a device of the host's."""
    return interface.attributes["type"] in _TAPS and part_of(interface, "target", "dev") is None


def needs_port(screen: Element) -> bool:
    """Whether a screen gets a port."""
    return screen.attributes.get("autoport") == "yes"


def needs_terminal(line: Element) -> bool:
    """Whether a line or a console gets a terminal of its own: the console of a serial line has the line's."""
    is_twin = line.name == "console" and part_of(line, "target", "type") == "serial"
    return line.attributes["type"] == "pty" and not is_twin


class _Devices:
    """Gives each device its place, one after the other."""

    def __init__(self, domain: Element, place: Place) -> None:
        name = domain.child("name")
        short = name.text[:_LONGEST_IN_PATHS] if name else ""
        self._folder = f"{CHANNELS}domain-{place.id}-{short}"
        kind = domain.at("os/type")
        self._is_q35 = kind is not None and "q35" in kind.attributes["machine"]
        self._tap = place.tap
        self._bridges = place.bridges
        self._port = place.port
        self._terminal = place.terminal
        self._first_serial: Element | None = None
        self._disks_left = 0

    def all(self, devices: Element) -> Iterator[Element]:
        counts: dict[str, int] = {}
        self._disks_left = sum(1 for _ in devices.named("disk"))
        for device in devices.children:
            number = counts[device.name] = counts.get(device.name, -1) + 1
            placed = self._placed(device)
            alias = _alias(device, number)
            if alias == "sata0" and self._is_q35:  # on the board, where others have their IDE
                alias = "ide"
            if device.name == "serial" and not number:
                self._first_serial = placed
            if device.name == "console" and not number and self._first_serial:
                placed, alias = self._twin(device, self._first_serial), _alias(self._first_serial, 0)
            if alias and device.child("alias") is None:
                placed = _with_alias(placed, alias)
            yield placed

    def _placed(self, device: Element) -> Element:
        match device.name:
            case "disk":
                return self._disk(device)
            case "interface":
                return self._interface(device)
            case "serial" | "parallel" | "console" if needs_terminal(device):
                path = f"/dev/pts/{self._terminal}"
                self._terminal += 1
                device = _with_source(device, path=path)
                return device.having(tty=path) if device.name == "console" else device
            case "channel":
                return self._channel(device)
            case "graphics" if "autoport" in device.attributes:
                return self._screen(device)
            case _:
                return device

    def _interface(self, interface: Element) -> Element:
        kind = interface.attributes["type"]
        if needs_tap(interface):
            self._tap += 1
            interface = _with_target(interface, f"{_TAPS[kind]}{self._tap - 1}")
        source = interface.child("source")
        name = source.attributes.get("network") if source and kind == "network" else None
        bridge = next((each for each in self._bridges if each.network == name), None)
        if source is None or bridge is None:
            return interface
        mac = part_of(interface, "mac", "address")
        port = str(uuid5(NAMESPACE_URL, f"pytest-fakehv:port:{self._folder}:{mac}"))
        others = source.having(network=None).attributes
        leads = {"network": bridge.network, "portid": port, **others, "bridge": bridge.name}
        interface = interface.exchanging(source, Element("source", leads, source.content))
        return interface if bridge.is_made else interface.having(type="bridge")

    def _disk(self, disk: Element) -> Element:
        number, self._disks_left = self._disks_left, self._disks_left - 1
        if disk.child("shareable"):  # no host may keep what another one writes
            driver = disk.child("driver") or Element("driver")
            disk = disk.exchanging(driver, driver.having(cache=driver.attributes.get("cache", "none")))
        if disk.child("source"):
            return _with_backing(disk, index=str(number))
        # Nothing is in it that has a format.
        parts = (each.having(type=None) if each.name == "driver" else each for each in disk.children)
        return disk.holding(*parts)

    def _twin(self, console: Element, serial: Element) -> Element:
        path = part_of(serial, "source", "path")
        if console.attributes["type"] != "pty" or path is None:
            return console
        return _with_source(console, path=path).having(tty=path)

    def _channel(self, channel: Element) -> Element:
        name = part_of(channel, "target", "name")
        if channel.attributes["type"] == "unix" and channel.child("source") is None:
            channel = _with_source(channel, mode="bind", path=f"{self._folder}/{name or 'channel'}")
        if name != AGENT:
            return channel
        parts = (
            each.having(state="disconnected") if each.name == "target" else each for each in channel.children
        )
        return channel.holding(*parts)

    def _screen(self, screen: Element) -> Element:
        given = dict(screen.attributes)
        address = given.pop("listen", "127.0.0.1")
        shown = {key: given.pop(key, "") for key in ("type", "port", "autoport")}
        if needs_port(screen):
            shown["port"] = str(self._port)
            self._port += 1
        parts = (
            each.having(address=address) if each.attributes.get("type") == "address" else each
            for each in screen.children
        )
        return in_order(Element("graphics", {**shown, "listen": address, **given}, tuple(parts)))


def _with_alias(device: Element, name: str) -> Element:
    """Return a device with a name, which libvirt writes before the address."""
    parts = [each for each in device.children if each.name != "address"]
    return device.holding(*parts, Element("alias", {"name": name}), *device.named("address"))


def _with_source(device: Element, **attributes: str) -> Element:
    return device.holding(Element("source", attributes), *device.content)


def _with_target(interface: Element, name: str) -> Element:
    """Return an interface with its device on the host, which libvirt writes before the model."""
    place = next(number for number, each in enumerate(interface.children) if each.name == "model")
    content = interface.content
    return interface.holding(*content[:place], Element("target", {"dev": name}), *content[place:])


def _alias(device: Element, number: int) -> str:
    match device.name:
        case "disk":
            return alias_of_disk(device)
        case "controller":
            kind, index = device.attributes["type"], device.attributes["index"]
            if kind == "pci":
                return "pcie.0" if device.attributes.get("model") == "pcie-root" else f"pci.{index}"
            return kind if kind in {"usb", "ide"} and index == "0" else f"{kind}{index}"
        case kind:
            return f"{_ALIASES[kind]}{number}" if kind in _ALIASES else ""


def alias_of_disk(disk: Element) -> str:
    """Return the name that a daemon gives to a disk."""
    index, bus = disk_index(disk), part_of(disk, "target", "bus")
    match bus:
        case "virtio":
            return f"virtio-disk{index}"
        case "ide":
            return f"ide0-{index // 2}-{index % 2}"
        case _:
            return f"{bus}0-0-{index}"
