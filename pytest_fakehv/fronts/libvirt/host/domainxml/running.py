"""A domain's XML for others than its user: as it is while it runs, and as another host takes it over."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from pytest_fakehv.fronts.libvirt.host.domainxml.consoles import AGENT, CHANNELS
from pytest_fakehv.fronts.libvirt.host.domainxml.disks import disk_index, undetected
from pytest_fakehv.fronts.libvirt.host.domainxml.eachcpu import each_of, in_turn, said_of_each
from pytest_fakehv.fronts.libvirt.host.domainxml.interfaces import FOR_RUNNING
from pytest_fakehv.fronts.libvirt.host.domainxml.memorydevices import size_of
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.screens import in_order
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element

OWNER: Final = "+64055:+64055"
"""Whose processes run domains: the user's and the group's number."""

FIRST_PORT: Final = 5900
"""Of the screens of a host."""

OWN_ALIAS: Final = "ua-"
"""How a name begins that a user gave to a device; others are a daemon's, and only while the domain runs."""

ALIASES: Final = {
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
TAPS: Final = {"bridge": "vnet", "network": "vnet", "ethernet": "vnet", "direct": "macvtap"}
"""How the host's devices are called, by the type of the interface that they are for."""
_FIRST_DIMM: Final = 2**32
"""Where in a machine the memory begins that is plugged in."""
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
        hears_agent: whether an agent in its guest listens to the host.
    """

    id: int
    tap: int = 0
    port: int = FIRST_PORT
    terminal: int = 0
    bridges: tuple[Bridge, ...] = ()
    hears_agent: bool = False


def devices_of(domain: Element) -> Element:
    """Return a domain's devices."""
    return domain.child("devices") or Element("devices")


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
        elif each.name == "vcpus":
            content.append(said_of_each(in_turn(each_of(domain, 0, len(each.children)))))
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
        devices: Iterator[Element] = (
            device
            for device in each.children
            if keeps_implied or not any(map(partial(_is, device), _IMPLIED))
        )
        devices = map(at_rest, devices)
        content.append(each.holding(*(_migratable_disk(device) if runs else device for device in devices)))
    return domain.holding(*content)


def at_rest(device: Element) -> Element:
    """Return a device without what a daemon says of it while the domain runs."""
    parts = (_at_rest(each, device) for each in device.children)
    return device.holding(*(each for each in parts if each)) if device.children else device


def _at_rest(part: Element, device: Element) -> Element | None:
    match device.name, part.name:
        case _, "alias" if not part.attributes.get("name", "").startswith(OWN_ALIAS):
            return None
        case "disk", "source":
            return None if is_ejected(part) else part.having(index=None)
        case "interface", "target" if part.attributes.get("dev", "").startswith(FOR_RUNNING):
            return None
        case "serial" | "parallel" | "console" | "channel", "source" if device.attributes["type"] == "pty":
            return None
        case "memory", "address":
            return part.having(base=None)
        case _:
            return part


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
    others = (each for each in cpu.children if each.name != "numa")
    return cpu.having(check="full").holding(*others, *features, *cpu.named("numa"))


def _migratable_disk(device: Element) -> Element:
    """Return a disk as another host takes it over; all else as it is."""
    if device.name != "disk":
        return device
    beneath, shown = device.child("backingStore"), undetected(device)
    return shown if beneath and shown.child("backingStore") is None else _with_backing(shown)


def _with_backing(device: Element, **attributes: str) -> Element:
    """Return a disk that says that nothing is beneath its source; all else, and an empty one, as it is."""
    source = device.child("source")
    if device.name != "disk" or source is None or is_ejected(source):
        return device
    if "index" not in source.attributes:
        device = device.exchanging(source, source.having(**attributes))
    if device.child("backingStore"):
        return device
    place = 1 + next(number for number, each in enumerate(device.children) if each.name == "source")
    return device.holding(*device.content[:place], Element("backingStore"), *device.content[place:])


def is_ejected(source: Element) -> bool:
    """Whether a source is what is left of one that was taken out of its drive while the domain runs."""
    return source.attributes.keys() == {"index"}


def needs_tap(interface: Element) -> bool:
    """Whether an interface gets a device of the host's."""
    return interface.attributes["type"] in TAPS and part_of(interface, "target", "dev") is None


def needs_port(screen: Element) -> bool:
    """Whether a screen gets a port."""
    return screen.attributes.get("autoport") == "yes"


def needs_terminal(line: Element) -> bool:
    """Whether a line or a console gets a terminal of its own: the console of a serial line has the line's."""
    has_own = part_of(line, "source", "path") is not None
    return line.attributes["type"] == "pty" and not has_own and not is_twin(line)


def is_twin(console: Element) -> bool:
    """Whether a device is the console of a serial line, and so is where that is."""
    return console.name == "console" and part_of(console, "target", "type") == "serial"


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
        self._state = "connected" if place.hears_agent else "disconnected"
        self._port = place.port
        self._terminal = place.terminal
        self._first_serial: Element | None = None
        self._disks_left = 0
        self._dimm = _FIRST_DIMM

    def all(self, devices: Element) -> Iterator[Element]:
        counts: dict[str, int] = {}
        self._disks_left = sum(1 for _ in devices.named("disk"))
        for device in devices.children:
            number = counts[device.name] = counts.get(device.name, -1) + 1
            placed = self._placed(device)
            alias = alias_of(device, number, devices)
            if alias == "sata0" and self._is_q35:  # on the board, where others have their IDE
                alias = "ide"
            if is_twin(device) and self._first_serial:
                placed = self._twin(placed, self._first_serial)
                alias = part_of(self._first_serial, "alias", "name") or ""
            if alias and device.child("alias") is None:
                placed = with_alias(placed, alias)
            if device.name == "serial" and not number:
                self._first_serial = placed
            yield placed

    def _placed(self, device: Element) -> Element:
        match device.name:
            case "disk":
                return self._disk(device)
            case "interface":
                return self._interface(device)
            case "serial" | "parallel" | "console" | "channel":
                return self._line(device)
            case "memory":
                return self._memory(device)
            case "graphics" if "autoport" in device.attributes:
                return self._screen(device)
            case _:
                return device

    def _interface(self, interface: Element) -> Element:
        kind = interface.attributes["type"]
        if needs_tap(interface):
            self._tap += 1
            interface = with_target(interface, f"{TAPS[kind]}{self._tap - 1}")
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
            return _with_backing(disk, index=part_of(disk, "source", "index") or str(number))
        # Nothing is in it that has a format.
        parts = (each.having(type=None) if each.name == "driver" else each for each in disk.children)
        return disk.holding(*parts)

    def _memory(self, memory: Element) -> Element:
        address = memory.child("address") or Element("address")
        base = int(address.attributes.get("base", hex(self._dimm)), 0)
        self._dimm = max(self._dimm, base + size_of(memory) * 1024)
        return memory.exchanging(address, address.having(base=hex(base)))

    def _twin(self, console: Element, serial: Element) -> Element:
        path = part_of(serial, "source", "path")
        if console.attributes["type"] == "pty" and path is not None:
            console = on_terminal(console, path)
        return console.holding(*console.content, *serial.named("address"))

    def _line(self, line: Element) -> Element:
        if needs_terminal(line):
            self._terminal += 1
            return on_terminal(line, f"/dev/pts/{self._terminal - 1}")
        if line.name == "console" and line.attributes["type"] == "pty" and not is_twin(line):
            return line.having(tty=part_of(line, "source", "path"))
        return self._channel(line) if line.name == "channel" else line

    def _channel(self, channel: Element) -> Element:
        name = part_of(channel, "target", "name")
        if channel.attributes["type"] == "unix" and channel.child("source") is None:
            channel = _with_source(channel, mode="bind", path=f"{self._folder}/{name or 'channel'}")
        if name != AGENT:
            return channel
        parts = (
            each.having(state=self._state) if each.name == "target" else each for each in channel.children
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


def on_terminal(line: Element, path: str) -> Element:
    """Return a line or a console that leads to a terminal."""
    line = _with_source(line, path=path)
    return line.having(tty=path) if line.name == "console" else line


def with_alias(device: Element, name: str) -> Element:
    """Return a device with a name, which libvirt writes before the address."""
    parts = [each for each in device.children if each.name != "address"]
    return device.holding(*parts, Element("alias", {"name": name}), *device.named("address"))


def _with_source(device: Element, **attributes: str) -> Element:
    return device.holding(Element("source", attributes), *device.content)


def with_target(interface: Element, name: str) -> Element:
    """Return an interface with its device on the host, which libvirt writes before the model."""
    place = next(number for number, each in enumerate(interface.children) if each.name == "model")
    content = interface.content
    return interface.holding(*content[:place], Element("target", {"dev": name}), *content[place:])


def alias_of(device: Element, number: int, devices: Element) -> str:
    """Return the name that a daemon gives to a device; "" for none.

    Args:
        device: The device.
        number: Which of its kind it is.
        devices: All that the domain has.
    """
    match device.name:
        case "disk":
            return alias_of_disk(device, devices)
        case "controller":
            kind, index = device.attributes["type"], device.attributes["index"]
            if kind == "pci":
                return "pcie.0" if device.attributes.get("model") == "pcie-root" else f"pci.{index}"
            return kind if kind in {"usb", "ide"} and index == "0" else f"{kind}{index}"
        case "memory":
            return f"dimm{part_of(device, 'address', 'slot')}"
        case kind:
            return f"{ALIASES[kind]}{number}" if kind in ALIASES else ""


def alias_of_disk(disk: Element, devices: Element) -> str:
    """Return the name that a daemon gives to a disk of a domain that has these devices."""
    index, bus, address = disk_index(disk), part_of(disk, "target", "bus"), disk.child("address")
    if bus == "virtio":
        return f"virtio-disk{index}"
    if address is None or address.attributes.get("type") != "drive":
        return f"{bus}-disk{index}"
    names = ("controller", "bus", "target", "unit")
    controller, number, target, unit = (address.attributes.get(each, "0") for each in names)
    is_virtio = any(
        (each.attributes["type"], each.attributes["index"]) == (bus, controller)
        and each.attributes.get("model", "").startswith("virtio")
        for each in devices.named("controller")
    )
    return f"{bus}{controller}-{number}-{f'{target}-' if is_virtio else ''}{unit}"
