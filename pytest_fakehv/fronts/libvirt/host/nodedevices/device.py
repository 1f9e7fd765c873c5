"""One of a host's devices, and which of them each host has."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.host.capabilities import Hardware
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, words, written
from pytest_fakehv.fronts.libvirt.host.storage.space import DEFAULT_CAPACITY
from pytest_fakehv.fronts.libvirt.values import NodeDeviceRef

COMPUTER: Final = "computer"
"""The device that stands for the host as a whole."""
_VFIO: Final = "vfio-pci"
"""The driver of a device that its host lets go of."""
_SECTOR: Final = 512
"""Bytes."""


@dataclass(frozen=True, kw_only=True)
class NodeDevice:
    """A device of a host; nothing changes it.

    Attributes:
        name: its name.
        capability: what it is, as in ``pci``.
        content: what its XML says of that.
        parent: the name of what it is plugged into; None of the host as a whole.
        path: where it is below ``/sys``; None likewise.
        node: where it is below ``/dev``; None where it isn't.
        driver: what drives it, unless its host has let go of it; None where nothing does, or nothing says so.
    """

    name: str
    capability: str
    content: tuple[Element, ...]
    parent: str | None = None
    path: str | None = None
    node: str | None = None
    driver: str | None = None

    @property
    def ref(self) -> NodeDeviceRef:
        """What clients know it by."""
        return NodeDeviceRef(self.name)

    def xml(self, *, is_detached: bool) -> str:
        """Write it as libvirt does.

        Args:
            is_detached: whether its host has let go of it.
        """
        driver = _VFIO if is_detached else self.driver
        said = (
            _text("name", self.name),
            self.path and _text("path", self.path),
            self.node and Element("devnode", {"type": "dev"}, (self.node,)),
            self.parent and _text("parent", self.parent),
            driver and Element("driver", {}, (_text("name", driver),)),
            Element("capability", {"type": self.capability}, self.content),
        )
        return written(Element("device", {}, tuple(each for each in said if each)))


def _text(name: str, text: object) -> Element:
    return Element(name, {}, (str(text),))


class _Card(NamedTuple):
    """A device on the host's PCI bus."""

    slot: int
    kind: str
    """The number of its class."""
    product: tuple[str, str]
    """A number and a name."""
    vendor: tuple[str, str]
    driver: str | None = None

    @property
    def path(self) -> str:
        return f"/sys/devices/pci0000:00/0000:00:{self.slot:02x}.0"

    @property
    def device(self) -> NodeDevice:
        ids = [
            Element(name, {"id": number}, (text,))
            for name, (number, text) in (("product", self.product), ("vendor", self.vendor))
        ]
        place = {"class": self.kind, "domain": 0, "bus": 0, "slot": self.slot, "function": 0}
        return NodeDevice(
            name=f"pci_0000_00_{self.slot:02x}_0",
            capability="pci",
            content=(*(_text(name, value) for name, value in place.items()), *ids),
            parent=COMPUTER,
            path=self.path,
            driver=self.driver,
        )


_INTEL: Final = "0x8086", "Intel Corporation"
_BRIDGE: Final = _Card(0, "0x060000", ("0x2020", "Sky Lake-E DMI3 Registers"), _INTEL)
_NETWORK_CARD: Final = _Card(
    2, "0x020000", ("0x1572", "Ethernet Controller X710 for 10GbE SFP+"), _INTEL, "i40e"
)
_DISK_CONTROLLER: Final = _Card(
    3,
    "0x010802",
    ("0xa808", "NVMe SSD Controller SM981/PM981/PM983"),
    ("0x144d", "Samsung Electronics Co Ltd"),
    "nvme",
)


def devices_of(hardware: Hardware) -> Iterator[NodeDevice]:
    """Give a host's devices, each behind what it is plugged into: always the same of a host of a name."""
    yield _computer(hardware)
    for each in (_BRIDGE, _NETWORK_CARD, _DISK_CONTROLLER):
        yield each.device
    yield _interface("lo", "00:00:00:00:00:00", {"state": "unknown"}, COMPUTER, "/sys/devices/virtual")
    drawn = "52:54:01:" + blake2b(hardware.uuid.bytes, digest_size=3).digest().hex(":")
    link = {"speed": "10000", "state": "up"}
    yield _interface("eth0", drawn, link, _NETWORK_CARD.device.name, _NETWORK_CARD.path)
    yield _disk("nvme0n1", hardware)


def _computer(hardware: Hardware) -> NodeDevice:
    board = {"vendor": "pytest-fakehv", "serial": hardware.name, "uuid": hardware.uuid}
    firmware = {"vendor": "pytest-fakehv", "version": "1"}
    return NodeDevice(
        name=COMPUTER,
        capability="system",
        content=(
            _text("product", "Fake node"),
            Element("hardware", {}, tuple(_text(name, value) for name, value in board.items())),
            Element("firmware", {}, tuple(_text(name, value) for name, value in firmware.items())),
        ),
    )


def _interface(name: str, mac: str, link: dict[str, str], parent: str, path: str) -> NodeDevice:
    return NodeDevice(
        name=f"net_{name}_{mac.replace(':', '_')}",
        capability="net",
        content=(
            _text("interface", name),
            _text("address", mac),
            Element("link", link),
            *(Element("feature", {"name": each}) for each in words("rx tx sg tso gso gro")),
            Element("capability", {"type": "80203"}),
        ),
        parent=parent,
        path=f"{path}/net/{name}",
    )


def _disk(name: str, hardware: Hardware) -> NodeDevice:
    said = {
        "block": f"/dev/{name}",
        "drive_type": "disk",
        "model": "SAMSUNG MZVLB",
        "serial": f"S{hardware.uuid.hex[:13].upper()}",
        "size": DEFAULT_CAPACITY,
        "logical_block_size": _SECTOR,
        "num_blocks": DEFAULT_CAPACITY // _SECTOR,
    }
    model = str(said["model"]).replace(" ", "_")
    return NodeDevice(
        name=f"block_{name}_{model}_{said['serial']}",
        capability="storage",
        content=tuple(_text(each, value) for each, value in said.items()),
        parent=_DISK_CONTROLLER.device.name,
        path=f"{_DISK_CONTROLLER.path}/nvme/nvme0/{name}",
        node=f"/dev/{name}",
    )
