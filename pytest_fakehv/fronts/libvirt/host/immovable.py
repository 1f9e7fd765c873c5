"""What of a domain holds it where it is: devices whose state QEMU neither sends nor saves."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, failure
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element

__tracebackhide__ = True  # a failed call is shown at the line that made it

_VFIO: Final = "VFIO device doesn't support migration"
_PEER: Final = "Migration is disabled when using feature 'peer mode' in device 'ivshmem'"
_ASSIGNED: Final = ("pci", "mdev")
"""The types of the host's devices that are a guest's own."""


def check(definition: Definition) -> None:
    """Refuse to send or to save a domain that runs with such a device.

    Raises:
        LibvirtError: it has one.
    """
    if reason := _reason(definition):
        raise failure(Code.OPERATION_INVALID, f"cannot migrate domain: {reason}")


def _reason(definition: Definition) -> str | None:
    for device in definition.devices_of("hostdev"):
        if device.attributes["type"] in _ASSIGNED and not _comes_and_goes(device):
            return _VFIO
    for interface in definition.devices_of("interface"):
        if interface.attributes["type"] == "hostdev" and not _comes_and_goes(interface):
            return _VFIO
    for shared in definition.devices_of("shmem"):
        if shared.attributes.get("role") != "master":
            return _PEER
    return None


def _comes_and_goes(device: Element) -> bool:
    """Tell whether a device is unplugged for a migration, and another one plugged in where it ends."""
    return part_of(device, "teaming", "type") == "transient"
