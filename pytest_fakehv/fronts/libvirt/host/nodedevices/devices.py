"""All devices of one host."""

from collections.abc import Callable, Iterator

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.capabilities import Hardware
from pytest_fakehv.fronts.libvirt.host.nodedevices.device import NodeDevice, devices_of
from pytest_fakehv.fronts.libvirt.host.nodedevices.words import NodeDeviceEventKind, NodeDeviceLifecycle
from pytest_fakehv.fronts.libvirt.values import NodeDeviceRef, Notice

__tracebackhide__ = True  # a failed call is shown at the line that made it


class NodeDevices:
    """The devices of one host; changed under the cluster's lock alone.

    Args:
        hardware: what the host is.
        tell: sends an event to whoever wants to know.
    """

    def __init__(self, hardware: Hardware, tell: Callable[[Notice], None]) -> None:
        self._all = tuple(devices_of(hardware))
        self._tell = tell
        self._detached: set[str] = set()

    def __iter__(self) -> Iterator[NodeDevice]:
        """Go through those that are there: not what is behind one that the host has let go of."""
        return (each for each in self._all if each.parent not in self._detached)

    def find(self, ref: NodeDeviceRef) -> NodeDevice:
        """Return the device that a client means.

        Raises:
            LibvirtError: there is none.
        """
        for each in self:
            if each.name == ref.name:
                return each
        problem = f"no node device with matching name '{ref.name}'"
        raise failure(Code.NO_NODE_DEVICE, problem, origin=Origin.NODEDEV)

    def xml(self, device: NodeDevice) -> str:
        """Write a device as it is now."""
        return device.xml(is_detached=device.name in self._detached)

    def detach(self, device: NodeDevice) -> None:
        """Let go of a device, so that a guest could have it; what is behind it is gone for the host."""
        gone = self._behind(device)
        self._detached.add(device.name)
        self._say(gone, NodeDeviceLifecycle.DELETED)

    def reattach(self, device: NodeDevice) -> None:
        """Have a device for the host again, and what is behind it."""
        was_detached = device.name in self._detached
        self._detached.discard(device.name)
        if was_detached:
            self._say(self._behind(device), NodeDeviceLifecycle.CREATED)

    def goes_down(self) -> None:
        """Have each driver's own device again: the host goes down."""
        self._detached.clear()

    def _behind(self, device: NodeDevice) -> list[NodeDevice]:
        return [each for each in self if each.parent == device.name]

    def _say(self, devices: list[NodeDevice], what: NodeDeviceLifecycle) -> None:
        for each in devices:
            self._tell(Notice(NodeDeviceEventKind.LIFECYCLE, each.ref, (int(what), 0)))
