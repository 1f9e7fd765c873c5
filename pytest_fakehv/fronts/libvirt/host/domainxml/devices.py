"""A domain's devices: checked, completed with what a user may leave out, put in libvirt's order."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.addresses import addressed, controller_of, is_on
from pytest_fakehv.fronts.libvirt.host.domainxml.consoles import (
    check_channel,
    check_line,
    check_other_ends,
    complete_lines,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.disks import check_disk, check_disks, complete_disks
from pytest_fakehv.fronts.libvirt.host.domainxml.interfaces import check_interface, complete_interface
from pytest_fakehv.fronts.libvirt.host.domainxml.memorydevices import check_memory, complete_memory
from pytest_fakehv.fronts.libvirt.host.domainxml.others import (
    check_hostdev,
    check_redirdev,
    check_rng,
    check_tpm,
    check_watchdog,
    complete_hostdev,
    complete_tpm,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, integer, unsupported
from pytest_fakehv.fronts.libvirt.host.domainxml.running import OWN_ALIAS
from pytest_fakehv.fronts.libvirt.host.domainxml.screens import (
    check_input,
    check_other_videos,
    check_screen,
    check_video,
    complete_inputs,
    complete_screen,
    complete_video,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, ranks, words

_KINDS: Final = ranks(
    "emulator disk controller lease filesystem interface smartcard serial parallel console channel input tpm "
    "graphics sound audio video hostdev redirdev redirfilter hub watchdog memballoon rng nvram panic shmem "
    "memory iommu vsock crypto"
)
_CONTROLLERS: Final = words("ide fdc scsi sata virtio-serial ccid usb pci xenbus isa")
_BALLOONS: Final = words("virtio xen none virtio-transitional virtio-non-transitional")
_SOUNDS: Final = words("sb16 es1370 pcspk ac97 ich6 ich9 usb ich7 virtio")
_DEFAULTS: Final = {
    "filesystem": {"type": "mount", "accessmode": "passthrough"},
    "hostdev": {"mode": "subsystem", "type": "usb", "managed": "no"},
    "watchdog": {"model": "i6300esb", "action": "reset"},
    "panic": {"model": "isa"},
}
"""Attributes that a user may leave out, of devices that have no more of that kind."""
_OF_PC: Final = {"usb": "piix3-uhci", "pci": "pci-root"}
_OF_Q35: Final = {"usb": "qemu-xhci", "sata": "", "pci": "pcie-root"}
"""The controllers that every machine has, each with its model."""
_SOUND_OF: Final = {"spice": "spice", "sdl": "", "egl-headless": ""}
"""Where sound goes, by the screen; "" is nowhere that is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that the devices are in."""

    uuid: bytes
    """The domain's, from which addresses follow that nobody gave: 16 bytes."""
    emulator: str
    """The program that runs it where the domain names none."""
    is_q35: bool
    """Whether it is the newer of the two that x86 has."""


def complete(devices: Sequence[Element], machine: Machine) -> list[Element]:
    """Check devices, and add what a user may leave out.

    Args:
        devices: As a user wrote them. What only shows once all of them, and the rest of the domain, are seen
            is not checked here.
        machine: The machine.

    Returns:
        All that the domain has, in libvirt's order; what is of no known kind comes last.

    Raises:
        LibvirtError: One is wrong.
    """
    by_kind: defaultdict[str, list[Element]] = defaultdict(list)
    for device in devices:
        by_kind[device.name].append(_without_alias(device))
    if len([each for each in by_kind["tpm"] if each.attributes.get("model") != "spapr-tpm-proxy"]) > 1:
        raise unsupported("only a single TPM non-proxy device is supported", Origin.QEMU)
    for kind, check in CHECKS.items():
        for device in by_kind[kind]:
            check(device)
    if len(by_kind["memballoon"]) > 1:
        detail = "only a single memory balloon device is supported"
        raise failure(Code.INTERNAL_ERROR, detail, origin=Origin.DOMAIN)
    is_without_usb = any(
        (each.attributes["type"], each.attributes.get("model")) == ("usb", "none")
        for each in by_kind["controller"]
    )
    if is_without_usb and any(each.attributes.get("bus") == "usb" for each in by_kind["input"]):
        raise unsupported("Can't add USB input device. USB bus is disabled")
    named = [each for each in by_kind["emulator"] if each.text]
    by_kind["emulator"] = named[:1] or [Element("emulator", {}, (machine.emulator,))]
    by_kind["disk"] = complete_disks(by_kind["disk"])
    by_kind["interface"] = [
        complete_interface(each, place, machine.uuid) for place, each in enumerate(by_kind["interface"])
    ]
    complete_lines(by_kind)
    by_kind["input"] = complete_inputs(by_kind["input"])
    by_kind["graphics"] = [complete_screen(each) for each in by_kind["graphics"]]
    _add_implied(by_kind)
    by_kind["video"] = [complete_video(each, number) for number, each in enumerate(by_kind["video"])]
    by_kind["controller"] = list(_controllers(by_kind, machine.is_q35))
    for kind, attributes in _DEFAULTS.items():
        by_kind[kind] = [each.defaulting(**attributes) for each in by_kind[kind]]
    by_kind["memory"] = complete_memory(by_kind["memory"])
    by_kind["tpm"] = [complete_tpm(each) for each in by_kind["tpm"]]
    by_kind["hostdev"] = [complete_hostdev(each) for each in by_kind["hostdev"]]
    addressed(by_kind, has_slots=not machine.is_q35)
    return [device for kind in sorted(by_kind, key=_place) for device in by_kind[kind]]


def check_root_of_pci(devices: Element, *, is_q35: bool) -> None:
    """Refuse the first PCI controller where it is the other kind of machine's.

    Raises:
        LibvirtError: It is.
    """
    expected = (_OF_Q35 if is_q35 else _OF_PC)["pci"]
    for controller in devices.named("controller"):
        said = controller.attributes
        model = said.get("model", expected)
        if (said["type"], said["index"]) == ("pci", "0") and model != expected:
            kinds = f"must be model='{expected}' for this machine type, but model='{model}' was found instead"
            detail = f"The PCI controller with index='0' {kinds}"
            raise failure(Code.XML_ERROR, detail, origin=Origin.QEMU)


def check_together(devices: Element, *, is_q35: bool) -> None:
    """Refuse devices that don't go with one another, or with the machine.

    Raises:
        LibvirtError: There are some.
    """
    check_disks(devices)
    if is_q35 and any(each.attributes["type"] == "ide" for each in devices.named("controller")):
        detail = "IDE controllers are unsupported for this QEMU binary or machine type"
        raise unsupported(detail, Origin.QEMU)
    check_other_ends(devices)
    check_other_videos(list(devices.named("video"))[1:])


def _place(kind: str) -> int:
    return _KINDS.get(kind, len(_KINDS))


def _without_alias(device: Element) -> Element:
    alias = device.child("alias")
    if alias is None or alias.attributes.get("name", "").startswith(OWN_ALIAS):
        return device
    return device.holding(*(each for each in device.children if each.name != "alias"))


def _add_implied(by_kind: dict[str, list[Element]]) -> None:
    """Add what a machine has though nobody asks for it."""
    screens = [each.attributes["type"] for each in by_kind["graphics"]]
    if screens and not by_kind["video"]:
        by_kind["video"] = [Element("video")]
    # It is heard where it is seen: on the last screen, but for one that nobody looks at.
    seen = [each for each in screens if each != "egl-headless"] or screens or [""]
    sound = _SOUND_OF.get(seen[-1], "none")
    if sound and not by_kind["audio"]:
        by_kind["audio"] = [Element("audio", {"id": "1", "type": sound})]
    if not by_kind["memballoon"]:
        by_kind["memballoon"] = [Element("memballoon", {"model": "virtio"})]


def _controllers(by_kind: dict[str, list[Element]], is_q35: bool) -> Iterator[Element]:
    """Give the controllers that the devices hang on: those that a user wrote first."""
    following: dict[str, int] = {}
    for controller in by_kind["controller"]:
        kind = controller.attributes["type"]
        number = integer(controller.attributes.get("index", ""))
        if number is None:
            number = following.get(kind, 0)
        following[kind] = max(following.get(kind, 0), number + 1)
        yield controller.defaulting(type=kind, index=str(number))
    buses = {part_of(each, "target", "bus") for each in by_kind["disk"]}
    lines = {part_of(each, "target", "type") for kind in ("console", "channel") for each in by_kind[kind]}
    wanted = _OF_Q35 if is_q35 else _OF_PC
    by_bus = {"scsi": "lsilogic", "fdc": "", "ide": "", "sata": ""}
    wanted = {**wanted, **{kind: model for kind, model in by_bus.items() if kind in buses}}
    if "virtio" in lines:
        wanted["virtio-serial"] = ""
    for kind, model in wanted.items():
        last = max((controller_of(each) for each in by_kind["disk"] if is_on(each, kind)), default=0)
        for number in range(following.get(kind, 0), last + 1):
            attributes = {"type": kind, "index": str(number), "model": model}
            yield Element("controller", {name: value for name, value in attributes.items() if value})


CHECKS: Final[dict[str, Callable[[Element], None]]] = {
    "disk": check_disk,
    "controller": lambda each: check_choice(each, "type", _CONTROLLERS, is_needed=True),
    "interface": check_interface,
    "serial": check_line,
    "parallel": check_line,
    "console": check_line,
    "channel": check_channel,
    "input": check_input,
    "graphics": check_screen,
    "sound": lambda each: check_choice(each, "model", _SOUNDS, is_needed=True),
    "video": check_video,
    "memballoon": lambda each: check_choice(each, "model", _BALLOONS, is_needed=True),
    "hostdev": check_hostdev,
    "redirdev": check_redirdev,
    "watchdog": check_watchdog,
    "rng": check_rng,
    "memory": check_memory,
    "tpm": check_tpm,
}
"""The checks of each kind, in the order in which a daemon makes them."""
