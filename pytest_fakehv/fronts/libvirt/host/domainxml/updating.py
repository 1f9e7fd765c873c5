"""A device that becomes another one: a medium in a drive, an interface's cable, a screen's password."""

from collections.abc import Callable
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.disks import complete_disks
from pytest_fakehv.fronts.libvirt.host.domainxml.interfaces import ORDER_OF_INTERFACE, complete_interface
from pytest_fakehv.fronts.libvirt.host.domainxml.matching import disk_of, interface_of
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of, parts_in_order
from pytest_fakehv.fronts.libvirt.host.domainxml.plugging import LINES
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import unsupported
from pytest_fakehv.fronts.libvirt.host.domainxml.running import devices_of
from pytest_fakehv.fronts.libvirt.host.domainxml.screens import complete_screen
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element

_REMOVABLE: Final = ("cdrom", "floppy")
_OF_CABLES: Final = ("link", "source", "virtualport", "filterref", "bandwidth", "vlan", "coalesce")
"""The parts of an interface that can be others while the domain runs."""
_CAN_MOVE: Final = ("network", "bridge")
"""The types of interfaces that can lead elsewhere meanwhile."""
_PASSWORDS: Final = ("passwd", "passwdValidTo", "connected")


class Updated(NamedTuple):
    """What comes of a device."""

    old: Element
    new: Element
    is_new_medium: bool = False


def to_update(domain: Element, device: Element, uuid: bytes, *, shown: Element | None) -> Updated:
    """Return what comes of the device that a description means.

    Args:
        domain: The domain, completed; where it runs, pinned.
        device: What it is to be, as `plugging.read_device` returns it, and checked.
        uuid: The domain's, 16 bytes.
        shown: The domain with all that it is given where it runs; None where this is not what it runs by.

    Raises:
        LibvirtError: There is none, or it can't be that.
    """
    match device.name:
        case "disk":
            return (_live_disk if shown else _config_disk)(domain, complete_disks([device])[0])
        case "interface":
            old = interface_of(domain, device)
            return (_live_interface if shown else _replaced)(old, complete_interface(device, 0, uuid))
        case "graphics":
            screen = complete_screen(device)
            return _live_screen(domain, screen, shown) if shown else _config_screen(domain, screen)
        case "memory" if shown:
            raise unsupported("memory '(null)' not found", Origin.QEMU)
        case "memory":
            raise failure(Code.INVALID_ARG, "memory not found")
        case name:
            kind = "chr" if name in LINES else name
            if shown:
                raise unsupported(f"live update of device '{kind}' is not supported", Origin.QEMU)
            raise _never(f"persistent update of device '{kind}' is not supported")


def _replaced(old: Element, new: Element) -> Updated:
    """Put a device where another one was."""
    address = () if new.child("address") else tuple(old.named("address"))
    return Updated(old, new.holding(*new.content, *address))


# -- Disks


def _config_disk(domain: Element, new: Element) -> Updated:
    old = disk_of(domain, new)
    if old is None:
        raise failure(Code.INVALID_ARG, f"target {part_of(new, 'target', 'dev')} doesn't exist.")
    return _replaced(old, new)


def _live_disk(domain: Element, new: Element) -> Updated:
    old = disk_of(domain, new)
    if old is None:
        problem = f"disk '{part_of(new, 'target', 'dev')}' not found"
        raise failure(Code.INTERNAL_ERROR, problem)
    for field, value in _FIXED.items():
        if value(old) != value(new):
            raise _never(f"cannot modify field '{field}' of the disk")
    if _medium(old) == _medium(new):
        return Updated(old, old)
    if old.attributes["device"] not in _REMOVABLE:
        raise unsupported("disk source can be changed only in removable drives", Origin.QEMU)
    parts = [each for each in old.children if each.name not in {"source", "driver", "backingStore"}]
    medium = [*new.named("driver"), new.child("source") or Element("source")]
    return Updated(old, old.having(type=new.attributes["type"]).holding(*medium, *parts), is_new_medium=True)


def _medium(disk: Element) -> object:
    source = disk.child("source")
    said = source.having(index=None).attributes if source else {}
    return said and (disk.attributes["type"], said)


def _said(part: str) -> Callable[[Element], object]:
    def value(disk: Element) -> object:
        found = disk.child(part)
        return found and found.text

    return value


_FIXED: Final[dict[str, Callable[[Element], object]]] = {
    "device": lambda disk: disk.attributes["device"],
    "bus": lambda disk: part_of(disk, "target", "bus"),
    "cache": lambda disk: part_of(disk, "driver", "cache"),
    "readonly": lambda disk: disk.child("readonly") is not None,
    "shareable": lambda disk: disk.child("shareable") is not None,
    "serial": _said("serial"),
    "wwn": _said("wwn"),
}
"""What of a disk stays as it is while the domain runs."""


# -- Interfaces


def _live_interface(old: Element, new: Element) -> Updated:
    models = [part_of(each, "model", "type") for each in (old, new)]
    macs = [part_of(each, "mac", "address") for each in (old, new)]
    if models[0] != models[1]:
        raise _never(f"cannot modify network device model from {models[0]} to {models[1]}")
    if macs[0] != macs[1]:
        raise _never(f"cannot change network interface mac address from {macs[0]} to {macs[1]}")
    kinds = [each.attributes["type"] for each in (old, new)]
    if (kinds[0] != kinds[1] or old.child("source") != new.child("source")) and not (
        set(kinds) <= set(_CAN_MOVE)
    ):
        raise _never(f"cannot change config of '{kinds[0]}' network type")
    kept = [each for each in old.children if each.name not in (*_OF_CABLES, "address")]
    given = [each for each in new.children if each.name in _OF_CABLES]
    parts = parts_in_order(old.having(type=kinds[1]).holding(*kept, *given), ORDER_OF_INTERFACE)
    return Updated(old, parts.holding(*parts.content, *old.named("address")))


# -- Screens


def _live_screen(domain: Element, new: Element, shown: Element) -> Updated:
    kind = new.attributes["type"]
    old, there = _screen(domain, kind), _screen(shown, kind)
    if old is None or there is None:
        raise failure(Code.DEVICE_MISSING, f"cannot find existing graphics device to modify of type '{kind}'")
    if list(there.named("listen")) != list(new.named("listen")):
        raise _never(f"cannot change listen address setting on '{kind}' graphics")
    if new.attributes.get("port") not in {there.attributes.get("port"), old.attributes.get("port")}:
        raise _never(f"cannot change port settings on {kind} graphics")
    return Updated(old, old.having(**{each: new.attributes.get(each) for each in _PASSWORDS}))


def _config_screen(domain: Element, new: Element) -> Updated:
    kind = new.attributes["type"]
    if old := _screen(domain, kind):
        return Updated(old, new)
    raise failure(Code.INVALID_ARG, f"cannot find existing graphics type '{kind}' device to modify")


def _screen(domain: Element, kind: str) -> Element | None:
    screens = devices_of(domain).named("graphics")
    return next((each for each in screens if each.attributes["type"] == kind), None)


def _never(problem: str) -> LibvirtError:
    return failure(Code.OPERATION_UNSUPPORTED, problem)
