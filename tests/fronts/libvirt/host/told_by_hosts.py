"""What the tests of hosts share: a domain's XML, what a call is refused with, and what clients are told."""

import uuid
from xml.sax.saxutils import escape

import pytest
from small_host import OF_EVENTS, Client

from pytest_fakehv.fronts.libvirt.values import DomainRef
from pytest_fakehv.fronts.libvirt.wire.errors import ERROR
from pytest_fakehv.fronts.libvirt.wire.frames import Type
from pytest_fakehv.fronts.libvirt.wire.procedures import PROCEDURES
from pytest_fakehv.fronts.libvirt.wire.xdr import decode

KINDS = {0: "lifecycle", 1: "reboot", 4: "error", 6: "reason", 13: "balloon", 23: "metadata"}

LIFECYCLE = {
    (0, 0): "defined",
    (0, 1): "updated",
    (0, 2): "renamed to",
    (0, 3): "defined by a snapshot",
    (1, 0): "undefined",
    (1, 1): "renamed",
    (2, 0): "started",
    (2, 1): "arrived",
    (2, 2): "restored",
    (2, 3): "started from a snapshot",
    (3, 0): "suspended",
    (3, 1): "suspended to migrate",
    (3, 2): "stopped by an error",
    (3, 4): "suspended as restored",
    (3, 5): "suspended by a snapshot",
    (4, 0): "resumed",
    (4, 1): "resumed from a migration",
    (4, 2): "resumed from a snapshot",
    (5, 0): "has shut down",
    (5, 1): "destroyed",
    (5, 2): "crashed",
    (5, 3): "left",
    (5, 4): "saved",
    (5, 5): "failed",
    (5, 6): "stopped by a snapshot",
    (6, 1): "shuts down",
    (6, 2): "is shut down",
}


def uuid_of(name):
    """Return the UUID that `domain_xml` gives a domain of a name."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def domain_xml(name, *, memory=64, current=None, vcpus=1, most_vcpus=None, key=None, devices="", **texts):
    """Return a domain's XML: memory in MiB, or ``current`` in KiB."""
    said = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in texts.items())
    if current is not None:
        said += f"<currentMemory>{current}</currentMemory>"
    return (
        f"<domain type='qemu'><name>{escape(name)}</name><uuid>{key or uuid_of(name)}</uuid>{said}"
        f"<memory unit='MiB'>{memory}</memory><vcpu current='{vcpus}'>{most_vcpus or vcpus}</vcpu>"
        f"<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{devices}</devices></domain>"
    )


def refusal(function, *arguments):
    """Call what libvirt refuses; return the error's code, origin and message."""
    import libvirt

    with pytest.raises(libvirt.libvirtError) as caught:
        function(*arguments)
    error = caught.value
    return error.get_error_code(), error.get_error_domain(), error.get_error_message()


class Watcher:
    """A client that has asked for all events, of one domain if there is one given."""

    def __init__(self, path, about=None):
        self._client = Client(path)
        ref = about and DomainRef(about.name(), about.UUID(), about.ID())
        self._names = {}
        self._events = []
        for kind, name in KINDS.items():
            (number,) = self._client.call("virConnectDomainEventRegisterAny", kind, ref)
            self._names[number] = name

    def forget(self, number):
        """Ask to be told no more of one kind."""
        return self._client.call("virConnectDomainEventDeregisterAny", number)

    def told(self):
        """Return what has been told since the last time; what is told before a call's answer comes before."""
        serial = self._client.begin("virConnectGetHostname")
        while True:
            header, payload = self._client.receive()
            if header.type == Type.EVENT:
                self._note(*decode(OF_EVENTS[header.procedure].message, payload))
            elif header.serial == serial:
                assert not header.status, decode(ERROR, payload)
                decode(PROCEDURES[header.program][header.procedure].results, payload)
                events, self._events = self._events, []
                return events

    def _note(self, number, ref, *details):
        kind = self._names[number]
        what = LIFECYCLE[details] if kind == "lifecycle" else " ".join(map(str, (kind, *details)))
        self._events.append(f"{ref.name} {ref.id} {what}")

    def close(self):
        """Go."""
        self._client.socket.close()
