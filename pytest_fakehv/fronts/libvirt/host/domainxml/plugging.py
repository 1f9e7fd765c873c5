"""A device that comes to a domain: read, checked for where it is to come, completed, and put in its place."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.addresses import takes_slot, with_usb_port
from pytest_fakehv.fronts.libvirt.host.domainxml.devices import CHECKS, Machine, check_together, complete
from pytest_fakehv.fronts.libvirt.host.domainxml.disks import check_disk_names, check_disks, disk_index
from pytest_fakehv.fronts.libvirt.host.domainxml.memorydevices import check_nodes, complete_memory, size_of
from pytest_fakehv.fronts.libvirt.host.domainxml.others import check_address, no_hostdev
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import unsupported
from pytest_fakehv.fronts.libvirt.host.domainxml.running import at_rest, devices_of, is_twin
from pytest_fakehv.fronts.libvirt.host.domainxml.screens import check_other_videos, complete_video
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, words

_KINDS: Final = words(
    "disk lease filesystem interface input sound watchdog video hostdev controller graphics hub redirdev rng "
    "serial parallel console channel smartcard memballoon nvram tpm shmem panic memory iommu vsock "
    "audio crypto"
)
LINES: Final = words("serial parallel console channel")
_FOR_LATER: Final = words(
    "disk filesystem interface input sound watchdog hostdev controller redirdev rng memory"
)
"""What can come to a persistent definition, beside lines."""
_WHILE_RUNNING: Final = words("disk interface input watchdog hostdev controller redirdev rng memory")
"""What can come to a domain that runs, likewise."""

_PLACE: Final = " place"
"""The attribute, which no document can have, that tells devices from each other while they are completed."""


class Plugged(NamedTuple):
    """A domain to which a device has come."""

    domain: Element
    device: Element
    new: list[Element]
    """All that has come: the device, and what it hangs on."""


def read_device(xml: str) -> Element:
    """Read a device as a user writes it.

    Raises:
        LibvirtError: It is malformed, of no known kind, or has a wrong value.
    """
    device = read(xml, "device_definition")
    if device.name not in _KINDS:
        raise unsupported(f"unknown device type '{device.name}'")
    if device.name == "controller":
        device = device.defaulting(type="ide")
    if check := CHECKS.get(device.name):
        check(device)
    check_address(device)
    if device.name == "disk":
        if part_of(device, "target", "dev") is None:  # a real daemon ends where such a one is to go
            text = "missing target information for device"
            path = next(iter((device.child("source") or Element("source")).attributes.values()), None)
            raise LibvirtError(
                Code.NO_TARGET,
                Origin.DOMAIN,
                f"{text} {path}" if path else text,
                f"{text} %s" if path else text,
                path,
            )
        check_disk_names(Element("devices", {}, (device,)))
    return device


def check_device(domain: Element, device: Element) -> None:
    """Refuse a device that can't be in a domain, whatever else is in there.

    Args:
        domain: It, completed.
        device: As `read_device` returns it.

    Raises:
        LibvirtError: It can't.
    """
    devices = devices_of(domain)
    if device.child("boot") and domain.at("os/boot"):
        raise unsupported("per-device boot elements cannot be used together with os/boot elements")
    if not _has_usb(devices) and _is_on_usb(device):
        if device.name == "redirdev":
            raise unsupported("cannot add redirected USB device: USB is disabled for this domain")
        raise unsupported("Device configuration is not compatible: Domain has no USB bus support")
    match device.name:
        case "disk":
            check_disks(Element("devices", {}, (device.defaulting(device="disk", type="file"),)))
        case "video":
            check_other_videos([complete_video(device, 1)])
        case "memory":
            check_nodes(domain.child("cpu") or Element("cpu"), device)
        case "controller" if device.attributes["type"] == "ide" and device.attributes.get("index") != "0":
            raise unsupported("Only a single IDE controller is supported for this machine type", Origin.QEMU)
        case "redirdev" if device.attributes["type"] == "spicevmc":
            if not any(each.attributes["type"] == "spice" for each in devices.named("graphics")):
                raise unsupported("chardev 'spicevmc' not supported without spice graphics", Origin.QEMU)
        case _:
            pass


def plugged(domain: Element, device: Element, *, is_live: bool) -> Plugged:
    """Return a domain to which a device has come.

    Args:
        domain: It, completed; where it runs, pinned.
        device: As `read_device` returns it, and checked.
        is_live: Whether the domain runs by this.

    Raises:
        LibvirtError: It can't come there.
    """
    devices = devices_of(domain)
    (_check_live if is_live else _check_config)(domain, device)
    rest = [at_rest(each).having(**{_PLACE: str(place)}) for place, each in enumerate(devices.children)]
    completed = complete([*rest, device], _machine(domain))
    old = dict(enumerate(devices.children))
    there, new = [], []
    for each in completed:
        kept = old.get(int(each.attributes.get(_PLACE, -1)))
        if is_twin(each):
            kept = next(filter(is_twin, devices.children), None)
            if kept is None and is_live and devices.child("console"):
                continue  # another one is the first
        each = each.having(**{_PLACE: None})  # noqa: PLW2901  # nobody wants it with its place
        if kept is None:
            each = _addressed(each, devices, is_live=is_live)  # noqa: PLW2901
            new.append(each)
        there.append(kept or each)
    there = _grouped(there, new)
    its = [each for each in new if each.name == device.name][-1]
    if is_live:
        check_together(Element("devices", {}, tuple(there)), is_q35=_machine(domain).is_q35)
    return Plugged(domain.exchanging(devices, devices.holding(*there)), its, new)


def _machine(domain: Element) -> Machine:
    kind, uuid, emulator = domain.at("os/type"), domain.child("uuid"), domain.at("devices/emulator")
    return Machine(
        uuid=UUID(uuid.text).bytes if uuid else bytes(16),
        emulator=emulator.text if emulator else "",
        is_q35=kind is not None and "q35" in kind.attributes["machine"],
    )


def _addressed(device: Element, devices: Element, *, is_live: bool) -> Element:
    """Return a device that is new with the address that it lacks, or like the others of its kind."""
    if _is_on_usb(device) and device.child("address") is None:
        return with_usb_port(device, devices)
    if takes_slot(device) and device.child("address") is None and _has_slots(devices):
        raise failure(Code.INTERNAL_ERROR, "No more available PCI slots", origin=Origin.DOMAIN)
    if device.name == "controller" and device.attributes["type"] == "scsi" and is_live:
        models = [each.attributes.get("model") for each in devices.named("controller") if _is_scsi(each)]
        if models and device.attributes.get("model") == "lsilogic":
            return device.having(model=models[-1])
    return device


def _is_scsi(controller: Element) -> bool:
    return controller.attributes["type"] == "scsi"


def _has_slots(devices: Element) -> bool:
    return any(each.attributes.get("model") == "pci-root" for each in devices.named("controller"))


def _has_usb(devices: Element) -> bool:
    usb = [each for each in devices.named("controller") if each.attributes["type"] == "usb"]
    return any(each.attributes.get("model") != "none" for each in usb)


def _is_on_usb(device: Element) -> bool:
    match device.name:
        case "disk":
            return part_of(device, "target", "bus") == "usb"
        case "hostdev":
            return device.attributes["type"] == "usb"
        case "hub" | "redirdev":
            return True
        case "input":
            usual = "usb" if device.attributes["type"] == "tablet" else ""
            return device.attributes.get("bus", usual) == "usb"
        case _:
            return False


def _grouped(devices: list[Element], new: list[Element]) -> list[Element]:
    """Return devices with the controllers that are new behind the others of their type."""
    for each in new:
        if each.name != "controller":
            continue
        others = [one for one in devices if one is not each]
        alike = [place for place, one in enumerate(others) if _bus(one) == _bus(each)]
        if alike:
            devices = [*others[: alike[-1] + 1], each, *others[alike[-1] + 1 :]]
    return devices


def _bus(device: Element) -> str | None:
    return device.attributes["type"] if device.name == "controller" else None


# -- What can't come


def _check_config(domain: Element, device: Element) -> None:
    devices = devices_of(domain)
    _check_is_new(devices, device)
    match device.name:
        case "disk" if _named(devices, device):
            target = part_of(device, "target", "dev")
            raise _invalid(f"target {target} already exists")
        case "controller" if _same_controller(devices, device):
            raise _invalid(f"controller index='{device.attributes['index']}' already exists")
        case "memory" if len(list(devices.named("memory"))) >= _slots(domain):
            raise unsupported("no free memory device slot available", Origin.QEMU)
        case "memory":
            _check_fits(domain, device)
        case kind if kind not in (*_FOR_LATER, *LINES):
            raise _never(f"persistent attach of device '{kind}' is not supported")
        case _:
            pass


def _check_live(domain: Element, device: Element) -> None:
    devices = devices_of(domain)
    if device.name == "disk":
        check_disks(Element("devices", {}, (*map(at_rest, devices.named("disk")), _shown_disk(device))))
    _check_is_new(devices, device)
    if check := _LIVE.get(device.name):
        check(domain, device)
    elif device.name not in _WHILE_RUNNING:
        raise _never(f"live attach of device '{device.name}' is not supported")


def _shown_disk(device: Element) -> Element:
    return device.defaulting(device="disk", type="file")


def _check_is_new(devices: Element, device: Element) -> None:
    if device.name == "watchdog" and devices.child("watchdog"):
        raise _invalid("domain already has a watchdog")
    name = part_of(device, "target", "name")
    if device.name == "channel" and name and name in _channels(devices):
        raise _invalid("chardev already exists")


def _channels(devices: Element) -> set[str | None]:
    return {part_of(each, "target", "name") for each in devices.named("channel")}


def _named(devices: Element, disk: Element) -> bool:
    target = part_of(disk, "target", "dev")
    return any(part_of(each, "target", "dev") == target for each in devices.named("disk"))


def _same_controller(devices: Element, controller: Element) -> bool:
    said = {key: controller.attributes.get(key, "") for key in ("type", "index")}
    return any(said.items() <= each.attributes.items() for each in devices.named("controller"))


def _check_live_disk(domain: Element, disk: Element) -> None:
    devices, bus = devices_of(domain), part_of(disk, "target", "bus")
    if bus is None:
        bus = {"hd": "ide", "sd": "scsi", "vd": "virtio", "fd": "fdc"}[
            (part_of(disk, "target", "dev") or "")[:2]
        ]
    if disk.attributes.get("device") == "floppy":
        raise _never("floppy device hotplug isn't supported")
    if disk.child("source") is None:
        detail = "argument key 'filename' must not have null value"
        raise failure(Code.INTERNAL_ERROR, detail, origin=Origin.NONE)
    if bus == "sata" and not any(each.attributes["type"] == "sata" for each in devices.named("controller")):
        detail = "Could not find sata controller with index 0 required for device"
        raise failure(Code.INTERNAL_ERROR, detail, origin=Origin.DOMAIN)
    if bus == "ide":
        raise _no_hotplug(f"ide.{disk_index(disk) // 2}")
    if bus == "sata":
        raise _no_hotplug(f"sata0.{disk_index(disk)}")


def _check_live_line(domain: Element, line: Element) -> None:
    kind = part_of(line, "target", "type")
    if line.name == "console" and kind != "virtio":
        raise unsupported(f"unsupported console target type {kind or 'serial'}", Origin.QEMU)
    if line.name == "parallel" or (line.name == "serial" and kind in (None, "isa-serial")):
        raise _no_hotplug("isa.0")
    buses = {each.attributes["type"] for each in devices_of(domain).named("controller")}
    if line.name in {"console", "channel"} and "virtio-serial" not in buses:
        detail = "no virtio-serial controllers are available"
        raise failure(Code.INTERNAL_ERROR, detail, origin=Origin.DOMAIN)


def _check_live_controller(domain: Element, controller: Element) -> None:
    kind = controller.attributes["type"]
    if kind != "scsi":
        raise _never(f"'{kind}' controller cannot be hot plugged.")
    if _same_controller(devices_of(domain), controller):
        detail = f"target scsi:{controller.attributes['index']} already exists"
        raise failure(Code.OPERATION_FAILED, detail)


def _check_live_input(_domain: Element, device: Element) -> None:
    bus = device.attributes.get("bus", {"tablet": "usb"}.get(device.attributes["type"], "ps2"))
    if bus == "ps2":
        raise _never(f"input device on bus '{bus}' cannot be hot plugged.")


def _check_live_memory(domain: Element, memory: Element) -> None:
    count, slots = 1 + len(list(devices_of(domain).named("memory"))), _slots(domain)
    if count > slots:
        raise unsupported(f"memory device count '{count}' exceeds slots count '{slots}'", Origin.QEMU)
    if memory.at("target/node") is None:
        raise unsupported("target NUMA node needs to be specified for memory device", Origin.QEMU)
    _check_fits(domain, memory)


def _slots(domain: Element) -> int:
    most = domain.child("maxMemory")
    if most is None:
        problem = "cannot use/hotplug a memory device when domain 'maxMemory' is not defined"
        raise unsupported(problem, Origin.QEMU)
    return int(most.attributes["slots"])


def _check_fits(domain: Element, memory: Element) -> None:
    (module,) = complete_memory([memory])
    size, has, most = size_of(module), domain.child("memory"), domain.child("maxMemory")
    if has and most and int(has.text) + size > int(most.text):
        whose = f"would exceed domain's maxMemory config size '{most.text}'"
        raise unsupported(f"Attaching memory device with size '{size}' {whose}")


def _refuse_filesystem(_domain: Element, _device: Element) -> None:
    raise _never("only virtiofs filesystems can be hotplugged")


def _refuse_hostdev(_domain: Element, device: Element) -> None:
    """Refuse a device of a host that has none to give away."""
    raise no_hostdev(device)


def _check_live_interface(_domain: Element, interface: Element) -> None:
    if interface.attributes["type"] == "hostdev":
        raise no_hostdev(interface)


_LIVE: Final[Mapping[str, Callable[[Element, Element], None]]] = {
    "disk": _check_live_disk,
    **dict.fromkeys(LINES, _check_live_line),
    "controller": _check_live_controller,
    "input": _check_live_input,
    "memory": _check_live_memory,
    "filesystem": _refuse_filesystem,
    "hostdev": _refuse_hostdev,
    "interface": _check_live_interface,
}


def _invalid(problem: str) -> LibvirtError:
    return failure(Code.OPERATION_INVALID, problem)


def _never(problem: str) -> LibvirtError:
    return failure(Code.OPERATION_UNSUPPORTED, problem)


def _no_hotplug(bus: str) -> LibvirtError:
    problem = f"unable to execute QEMU command 'device_add': Bus '{bus}' does not support hotplugging"
    return failure(Code.INTERNAL_ERROR, problem)
