"""What of each device a guest sees, and must find again, in the order in which a daemon compares that."""

from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import integer, scaled
from pytest_fakehv.fronts.libvirt.host.domainxml.stableparts import (
    Check,
    address,
    attribute,
    has,
    of_part,
    options,
    same,
    text,
    told,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, words

_ADDED: Final[dict[str | None, int]] = {"usb": -1, "fdc": 1, "pci": 2}
"""Where among the others controllers are compared that a host adds by itself, by their type."""


class Kind(NamedTuple):
    """A kind of device."""

    name: str
    counted: str
    """What is said where there is another number of them, ``{0}`` in place of ``{1}``."""
    checks: tuple[Check, ...] = ()

    def of(self, devices: Element) -> list[Element]:
        """Return those of a domain, in the order in which they are compared."""
        return sorted(devices.named(self.name), key=lambda each: _ADDED.get(each.attributes.get("type"), 0))


def _count(what: str) -> str:
    return f"Target domain {what} count {{0}} does not match source {{1}}"


_SCSI: Final = words(
    "auto buslogic lsilogic lsisas1068 vmpvscsi ibmvscsi virtio-scsi lsisas1078 virtio-transitional "
    "virtio-non-transitional ncr53c90 dc390 am53c974"
)
_USB: Final = words(
    "piix3-uhci piix4-uhci ehci ich9-ehci1 ich9-uhci1 ich9-uhci2 ich9-uhci3 vt82c686b-uhci pci-ohci nec-xhci "
    "qusb1 qusb2 qemu-xhci none"
)
_MODELS: Final = {"scsi": _SCSI, "usb": _USB}
"""The models of controllers of a type, each at its number, by which a daemon calls it."""
_USUAL_MODELS: Final = {"scsi": "lsilogic", "usb": "piix3-uhci"}


def _controller_model(controller: Element) -> object:
    kind = controller.attributes["type"]
    model = controller.attributes.get("model", _USUAL_MODELS.get(kind, ""))
    models = _MODELS.get(kind, ())
    return models.index(model) if model in models else model or -1


_INPUT_MODELS: Final = {
    None: "ps2",
    "virtio": "usb",
    "virtio-transitional": "xen",
    "virtio-non-transitional": "parallels",
}
"""What a daemon calls an input device's model: by that number it takes the name of a bus."""


def _guest_forward(channel: Element) -> object:
    return ":".join(str(part_of(channel, "target", each)) for each in ("address", "port"))


def _is_forward(channel: Element) -> bool:
    return part_of(channel, "target", "type") == "guestfwd"


def _channel_name(channel: Element) -> object:
    return None if _is_forward(channel) else part_of(channel, "target", "name")


def _channel_address(channel: Element) -> object:
    return _guest_forward(channel) if _is_forward(channel) else None


_ACCELERATED: Final = {"yes": 1, "no": 2}


def _acceleration(video: Element) -> object:
    found = video.at("model/acceleration")
    return _ACCELERATED.get(found.attributes.get("accel3d", ""), 0) if found else 0


def _bytes(shmem: Element) -> object:
    size = shmem.child("size")
    return scaled(integer(size.text) or 0, size.attributes.get("unit", ""), default="B") if size else 0


KINDS: Final = (
    Kind(
        "disk",
        _count("disk"),
        (
            same("disk device", attribute("device")),
            same("disk bus", of_part("target", "bus")),
            same("disk", of_part("target", "dev")),
            same("disk serial", text("serial")),
            told("Target disk wwn '{0}' does not match source '{1}'", text("wwn")),
            told("Target disk access mode does not match source", has("readonly")),
            same("disk model", attribute("model", "default")),
            told(
                "Target disk rotation rate {0} RPM does not match source {1} RPM",
                of_part("target", "rotation_rate", "0"),
            ),
            same("disk queue count", of_part("driver", "queues", "0")),
            options,
            address,
        ),
    ),
    Kind(
        "controller",
        _count("controller"),
        (
            same("controller type", attribute("type")),
            same("controller index", attribute("index")),
            same("controller model", _controller_model),
            options,
            address,
            same("controller ports", attribute("ports", "-1")),
            same("controller vectors", attribute("vectors", "-1")),
        ),
    ),
    Kind(
        "filesystem",
        _count("filesystem"),
        (same("filesystem guest target", of_part("target", "dir")), options, address),
    ),
    Kind(
        "interface",
        _count("net card"),
        (
            same("network card mac", of_part("mac", "address")),
            same("network card model", of_part("model", "type")),
            same("network card MTU", of_part("mtu", "size", "0")),
            options,
            address,
        ),
    ),
    Kind(
        "input",
        _count("input device"),
        (
            same("input device type", attribute("type")),
            same("input device bus", attribute("bus")),
            same("input model", lambda each: _INPUT_MODELS.get(each.attributes.get("model"))),
            options,
            address,
        ),
    ),
    Kind("sound", _count("sound card"), (same("sound card model", attribute("model")), address)),
    Kind(
        "video",
        _count("video card"),
        (
            same("video card model", of_part("model", "type")),
            same("video card ram", of_part("model", "ram", "0")),
            same("video card vram", of_part("model", "vram", "0")),
            same("video card vgamem", of_part("model", "vgamem", "0")),
            same("video card heads", of_part("model", "heads", "0")),
            same("video card 3d accel", _acceleration),
            options,
            address,
        ),
    ),
    Kind(
        "hostdev",
        _count("host device"),
        (
            same("host device mode", attribute("mode")),
            same("host device subsystem", attribute("type")),
            address,
        ),
    ),
    Kind("smartcard", _count("smartcard")),
    Kind(
        "serial",
        _count("serial port"),
        (
            same("serial type", of_part("target", "type")),
            same("serial port", of_part("target", "port")),
            address,
        ),
    ),
    Kind("parallel", _count("parallel port"), (same("parallel port", of_part("target", "port")),)),
    Kind(
        "channel",
        _count("channel"),
        (
            same("channel type", of_part("target", "type")),
            same("channel name", _channel_name),
            same("channel addr", _channel_address),
            address,
        ),
    ),
    Kind("console", _count("console"), (same("console type", of_part("target", "type")),)),
    Kind("hub", _count("hub device")),
    Kind(
        "redirdev",
        _count("redirected devices"),
        (
            told(
                "Target redirected device source type {0} does not match source device source type {1}",
                attribute("type"),
            ),
        ),
    ),
    Kind("watchdog", _count("watchdog"), (same("watchdog model", attribute("model")), address)),
    Kind(
        "memballoon",
        _count("memory balloon"),
        (
            same("balloon model", attribute("model")),
            *(
                told(
                    f"Target balloon {each} attribute value '{{0}}' does not match source '{{1}}'",
                    attribute(each, "default"),
                )
                for each in ("autodeflate", "freePageReporting")
            ),
            options,
            address,
        ),
    ),
    Kind(
        "rng",
        _count("RNG device"),
        (
            told("Target RNG model '{0}' does not match source '{1}'", attribute("model")),
            options,
            address,
        ),
    ),
    Kind(
        "panic",
        _count("panic device"),
        (told("Target panic model '{0}' does not match source '{1}'", attribute("model")), address),
    ),
    Kind(
        "shmem",
        _count("shared memory device"),
        (
            told(
                "Target shared memory role '{0}' does not match source role '{1}'",
                attribute("role", "default"),
            ),
            told(
                "Target shared memory model '{0}' does not match source model '{1}'",
                of_part("model", "type"),
            ),
            told("Target shared memory size '{0}' does not match source size '{1}'", _bytes),
            told(
                "Target shared memory MSI configuration doesn't match source", lambda each: each.child("msi")
            ),
            address,
        ),
    ),
    Kind(
        "tpm",
        _count("TPM device"),
        (
            told("Target TPM device model doesn't match source", attribute("model")),
            told("Target TPM device type doesn't match source", of_part("backend", "type")),
        ),
    ),
    Kind(
        "memory",
        _count("memory device"),
        (
            told(
                "Target memory device model '{0}' doesn't match source model '{1}'",
                attribute("model"),
            ),
            told(
                "Target memory device targetNode '{0}' doesn't match source targetNode '{1}'",
                text("target/node"),
            ),
            told(
                "Target memory device size '{0}' doesn't match source memory device size '{1}'",
                text("target/size"),
            ),
            address,
        ),
    ),
    Kind("iommu", "Target domain IOMMU device count does not match source"),
    Kind(
        "vsock",
        "Target domain vsock device count does not match source",
        (
            told(
                "Target domain vsock device model '{0}' does not match source '{1}'",
                attribute("model", "default"),
            ),
            address,
        ),
    ),
)
