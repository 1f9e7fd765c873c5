"""A client's calls about the devices that the host itself has."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api, check_flags
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.nodedevices.device import COMPUTER, NodeDevice
from pytest_fakehv.fronts.libvirt.host.nodedevices.words import ListedNodeDevices
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import NodeDeviceRef

__tracebackhide__ = True  # a failed call is shown at the line that made it

# Which there are


@api("virNodeDeviceLookupByName", about="nothing")
def by_name(host: Host, _session: Session, name: str) -> NodeDeviceRef:
    """Return the device of a name."""
    return host.devices.find(NodeDeviceRef(name)).ref


@api("virNodeDeviceLookupSCSIHostByWWN", about="nothing", flags=0)
def by_wwn(_host: Host, _session: Session, _node: str, _port: str, _flags: int) -> NodeDeviceRef:
    """Return no SCSI host of any name: there is none, and a daemon doesn't say more."""
    problem = "An error occurred, but the cause is unknown"
    raise LibvirtError(Code.INTERNAL_ERROR, Origin.NONE, problem, int1=0, int2=0)


@api("virConnectListAllNodeDevices", about="nothing")
def list_all(host: Host, _session: Session, need_results: int, flags: int) -> tuple[list[NodeDeviceRef], int]:
    """List the devices that all groups of flags let pass."""
    check_flags(flags, sum(ListedNodeDevices), "nodeConnectListAllNodeDevices", Origin.NODEDEV)
    with host.machine.lock:
        found = [each.ref for each in host.devices if _is_listed(each, flags)]
    return (found if need_results else []), len(found)


def _is_listed(device: NodeDevice, flags: int) -> bool:
    """Tell whether a device is listed: each group of flags, if any of it is set, must have one that fits."""
    fitting = ListedNodeDevices.ACTIVE | _FLAGS[device.capability]
    return all(not flags & group or flags & group & fitting for group in _GROUPS)


_FLAGS: Final = {
    "system": ListedNodeDevices.SYSTEM,
    "pci": ListedNodeDevices.PCI_DEV,
    "net": ListedNodeDevices.NET,
    "storage": ListedNodeDevices.STORAGE,
}
"""By what a device is."""
_STATES: Final = ListedNodeDevices.ACTIVE | ListedNodeDevices.INACTIVE
_GROUPS: Final = (int(_STATES), sum(ListedNodeDevices) - int(_STATES))


@api("virNodeNumOfDevices", about="nothing")
def count(host: Host, _session: Session, capability: str | None, flags: int) -> int:
    """Count the devices, or those that are of a kind."""
    check_flags(flags, 0, "nodeNumOfDevices", Origin.NODEDEV)
    return len(_names(host, capability))


@api("virNodeListDevices", about="nothing")
def list_names(host: Host, _session: Session, capability: str | None, most: int, flags: int) -> list[str]:
    """List the devices' names, or of those that are of a kind."""
    check_flags(flags, 0, "nodeListDevices", Origin.NODEDEV)
    return _names(host, capability)[:most]


def _names(host: Host, capability: str | None) -> list[str]:
    with host.machine.lock:
        return [each.name for each in host.devices if capability in (None, each.capability)]


# What one is


@api("virNodeDeviceGetXMLDesc", about="device", flags=0)
def xml_desc(host: Host, _session: Session, device: NodeDevice, _flags: int) -> str:
    """Return a device's XML."""
    with host.machine.lock:
        return host.devices.xml(device)


@api("virNodeDeviceGetParent", about="device")
def parent(_host: Host, _session: Session, device: NodeDevice) -> str | None:
    """Return the name of what a device is plugged into; None of the host as a whole."""
    return device.parent


@api("virNodeDeviceNumOfCaps", about="device")
def count_capabilities(_host: Host, _session: Session, _device: NodeDevice) -> int:
    """Count what a device is."""
    return 1


@api("virNodeDeviceListCaps", about="device")
def list_capabilities(_host: Host, _session: Session, device: NodeDevice, most: int) -> list[str]:
    """List what a device is."""
    return [device.capability][:most]


@api("virNodeDeviceIsActive", about="device")
def is_active(_host: Host, _session: Session, _device: NodeDevice) -> int:
    """Say that a device is there."""
    return 1


@api("virNodeDeviceIsPersistent", "virNodeDeviceGetAutostart", about="device")
def is_kept(_host: Host, _session: Session, device: NodeDevice) -> int:
    """Tell whether libvirt keeps a device: the host as a whole; what it finds there it keeps nowhere."""
    return int(device.name == COMPUTER)


# Whose it is


@api("virNodeDeviceDettach", about="device")
def detach(host: Host, _session: Session, device: NodeDevice) -> None:
    """Let the host let go of a device."""
    _check_is_card(device)
    with host.machine.lock:
        host.devices.detach(device)


@api("virNodeDeviceDetachFlags", about="device")
def detach_flags(host: Host, session: Session, device: NodeDevice, driver: str | None, flags: int) -> None:
    """Let the host let go of a device, to a driver."""
    check_flags(flags, 0, "qemuNodeDeviceDetachFlags", Origin.QEMU)
    if driver == "kvm":
        problem = "KVM device assignment is no longer supported on this system"
        raise failure(Code.ARGUMENT_UNSUPPORTED, problem)
    if driver not in (None, "vfio"):
        raise failure(Code.INVALID_ARG, f"unknown driver name '{driver}'")
    detach(host, session, device)


@api("virNodeDeviceReAttach", about="device")
def reattach(host: Host, _session: Session, device: NodeDevice) -> None:
    """Let the host have a device again."""
    _check_is_card(device)
    with host.machine.lock:
        host.devices.reattach(device)


@api("virNodeDeviceReset", about="device")
def reset(_host: Host, _session: Session, device: NodeDevice) -> None:
    """Let a device be as if just switched on, which nothing here tells from what it was."""
    _check_is_card(device)


def _check_is_card(device: NodeDevice) -> None:
    if device.capability != "pci":
        problem = f"device {device.name} is not a PCI device"
        raise failure(Code.INVALID_ARG, problem, origin=Origin.DOMAIN)
