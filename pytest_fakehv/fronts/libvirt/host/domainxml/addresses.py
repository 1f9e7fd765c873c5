"""Where in its machine a device is: the addresses on buses that a daemon gives to those that have none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.disks import disk_index
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import integer
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element

_BOARD: Final = 1
"""The slot of what is on the machine's board."""
_FIRST_SCREEN: Final = 2
"""The slot of the first graphics card; without one, other devices begin here."""
_SLOTS: Final = 32

_ON_BOARD: Final = {"ide": 1, "usb": 2}
"""The functions of the controllers on the board, by their type."""
_IN_SLOTS: Final = ("scsi", "sata", "virtio-serial")
_NOT_IN_SLOTS: Final = ("pcspk", "sb16", "usb")
"""The sound cards that are elsewhere."""

_ON_USB: Final = ("disk", "input", "redirdev", "hub", "hostdev")
"""The kinds of devices that may be on USB."""

_PER_BUS: Final = {"ide": 2, "sata": 6, "scsi": 7, "fdc": 2}
"""How many disks a bus of each kind takes."""


def addressed(by_kind: dict[str, list[Element]], *, has_slots: bool) -> None:
    """Give addresses to devices that have none.

    Args:
        by_kind: A domain's devices by their kind, which is changed.
        has_slots: Whether each device of the machine has a slot; in newer ones each is behind a port of its
            own, and has no address here.
    """
    by_kind["disk"] = [_on_drive_bus(each) for each in by_kind["disk"]]
    by_kind["channel"] = list(_numbered(by_kind["channel"]))
    on_usb = [each for kind in _ON_USB for each in by_kind[kind] if _is_on_usb(each)]
    if len(on_usb) == 1:  # of several, the port of each depends on how many there are
        kind = on_usb[0].name
        by_kind[kind] = [
            _with_address(each, "usb", bus="0", port="1")
            if each is on_usb[0] and each.child("address") is None
            else each
            for each in by_kind[kind]
        ]
    if has_slots:
        _Slots(by_kind).fill()


_PORTS: Final = {"nec-xhci": 4, "qemu-xhci": 4, "ehci": 6}
"""How many devices a controller of USB takes; others take two."""


def with_usb_port(device: Element, devices: Element) -> Element:
    """Return a device of USB at the next port that is free.

    Args:
        device: The device.
        devices: All others of its domain, completed.

    Raises:
        LibvirtError: None is.
    """
    others = [each for each in devices.children if each.name in _ON_USB and _is_on_usb(each)]
    taken = {(part_of(each, "address", "bus"), part_of(each, "address", "port")) for each in others}
    for controller in devices.named("controller"):
        if controller.attributes["type"] == "usb":
            bus, usual = controller.attributes["index"], _PORTS.get(controller.attributes.get("model", ""), 2)
            ports = integer(controller.attributes.get("ports", "")) or usual
            for port in range(1, 1 + ports):
                if (bus, str(port)) not in taken:
                    return _with_address(device, "usb", bus=bus, port=str(port))
    raise failure(Code.INTERNAL_ERROR, "No free USB ports", origin=Origin.DOMAIN)


def takes_slot(device: Element) -> bool:
    """Whether a device is in a slot of its machine."""
    takes = _TAKES_SLOT.get(device.name)
    return takes is not None and takes(device)


def _is_on_usb(device: Element) -> bool:
    match device.name:
        case "disk":
            bus = part_of(device, "target", "bus")
        case "hostdev":
            bus = device.attributes["type"]
        case _:
            bus = device.attributes.get("bus", device.attributes.get("type"))
    return bus == "usb"


def _with_address(device: Element, kind: str, **where: str) -> Element:
    return device.holding(*device.content, Element("address", {"type": kind, **where}))


def is_on(disk: Element, bus: str) -> bool:
    """Whether a disk is on a bus of some kind."""
    return part_of(disk, "target", "bus") == bus


def controller_of(disk: Element) -> int:
    """Return on which controller of its kind a disk is, or is to be by its name."""
    if (given := part_of(disk, "address", "controller")) is not None:
        return int(given) if given.isdecimal() else 0
    bus = part_of(disk, "target", "bus") or ""
    if bus not in _PER_BUS:
        return 0
    return max(disk_index(disk), 0) // (_PER_BUS[bus] * (2 if bus == "ide" else 1))


def _on_drive_bus(disk: Element) -> Element:
    index, bus = disk_index(disk), part_of(disk, "target", "bus")
    if disk.child("address") or index < 0 or bus not in _PER_BUS:
        return disk
    rest, unit = divmod(index, _PER_BUS[bus])
    # The two buses of the old controller are one thing, elsewhere each bus is a controller.
    controller, number = divmod(rest, 2) if bus == "ide" else (rest, 0)
    return _with_address(
        disk, "drive", controller=str(controller), bus=str(number), target="0", unit=str(unit)
    )


def _numbered(channels: Sequence[Element]) -> Iterator[Element]:
    taken = {part_of(each, "address", "port") for each in channels}
    port = 1
    for channel in channels:
        if channel.child("address") or part_of(channel, "target", "type") != "virtio":
            yield channel
            continue
        while str(port) in taken:
            port += 1
        yield _with_address(channel, "virtio-serial", controller="0", bus="0", port=str(port))
        port += 1


class _Slots:
    """The slots of a machine, of which each device takes the next that is free."""

    def __init__(self, by_kind: dict[str, list[Element]]) -> None:
        self._by_kind = by_kind
        written = (part_of(each, "address", "slot") for devices in by_kind.values() for each in devices)
        self._taken = {_BOARD} | {int(slot, 0) for slot in written if slot and _is_number(slot)}

    def fill(self) -> None:
        self._each("controller", self._on_board, _always)
        for first in filter(_is_card, self._by_kind["video"][:1]):
            self._taken.add(_FIRST_SCREEN)
            if first.child("address") is None:
                self._by_kind["video"][0] = _at(first, _FIRST_SCREEN)
        for kind, takes in _TAKES_SLOT.items():
            self._each(kind, self._next, takes)

    def _each(self, kind: str, place: Callable[[Element], Element], takes: Callable[[Element], bool]) -> None:
        self._by_kind[kind] = [
            place(each) if each.child("address") is None and takes(each) else each
            for each in self._by_kind[kind]
        ]

    def _on_board(self, controller: Element) -> Element:
        kind = controller.attributes["type"]
        is_there = kind in _ON_BOARD and controller.attributes["index"] == "0"
        if not is_there or controller.attributes.get("model", "piix3-uhci") != "piix3-uhci":
            return controller
        return _at(controller, _BOARD, _ON_BOARD[kind])

    def _next(self, device: Element) -> Element:
        free = next((slot for slot in range(_FIRST_SCREEN, _SLOTS) if slot not in self._taken), None)
        if free is None:
            return device
        self._taken.add(free)
        return _at(device, free)


def _is_number(text: str) -> bool:
    try:
        int(text, 0)
    except ValueError:
        return False
    return True


def _at(device: Element, slot: int, function: int = 0) -> Element:
    where = {"domain": "0x0000", "bus": "0x00", "slot": f"0x{slot:02x}", "function": f"0x{function:x}"}
    return _with_address(device, "pci", **where)


def _controller_takes(controller: Element) -> bool:
    kind, model = controller.attributes["type"], controller.attributes.get("model", "")
    return kind in _IN_SLOTS or (kind == "usb" and model.endswith("-xhci"))


def _is_card(video: Element) -> bool:
    return part_of(video, "model", "type") != "none"


def _always(_: Element) -> bool:
    return True


_TAKES_SLOT: Final[Mapping[str, Callable[[Element], bool]]] = {
    "filesystem": _always,
    "interface": _always,
    "sound": lambda each: each.attributes["model"] not in _NOT_IN_SLOTS,
    "controller": _controller_takes,
    "disk": lambda each: part_of(each, "target", "bus") == "virtio",
    "hostdev": lambda each: each.attributes["type"] == "pci",
    "memballoon": lambda each: each.attributes["model"] != "none",
    "rng": _always,
    "watchdog": lambda each: each.attributes["model"] == "i6300esb",
    "video": _is_card,
    "shmem": _always,
    "input": lambda each: each.attributes.get("bus") == "virtio",
    "serial": lambda each: part_of(each, "target", "type") == "pci-serial",
    "vsock": _always,
}
"""Which devices take a slot, in the order in which a daemon gives them."""
