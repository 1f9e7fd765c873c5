"""What the tests of networks share: XML, what a call is refused with, and what clients are told."""

import re
from zlib import crc32

import pytest
from small_host import OF_EVENTS, Client

from pytest_fakehv.fronts.libvirt.values import NetworkRef
from pytest_fakehv.fronts.libvirt.wire.errors import ERROR
from pytest_fakehv.fronts.libvirt.wire.frames import Type
from pytest_fakehv.fronts.libvirt.wire.procedures import PROCEDURES
from pytest_fakehv.fronts.libvirt.wire.xdr import decode

WORDS = ("defined", "undefined", "started", "stopped")


def uuid_of(name):
    """Return the UUID that `network` and `domain` give to what has a name."""
    return f"aaaaaaaa-0000-4000-8000-{crc32(name.encode()):012x}"


def network(name, rest="", *, subnet=1, dhcp=None):
    """Return a network's XML; with what it gives away where that is given."""
    giving = f"<ip address='10.{subnet}.0.1' prefix='24'><dhcp>{dhcp}</dhcp></ip>" if dhcp else ""
    return f"<network><name>{name}</name><uuid>{uuid_of(name)}</uuid>{rest}{giving}</network>"


def nic(number, network="default"):
    """Return an interface's XML, whose MAC address ends with a number."""
    return (
        f"<interface type='network'><mac address='52:54:00:00:00:{number:02x}'/>"
        f"<source network='{network}'/></interface>"
    )


def domain(name, *devices):
    """Return a domain's XML."""
    return (
        f"<domain type='qemu'><name>{name}</name><uuid>{uuid_of(name)}</uuid><memory>65536</memory>"
        f"<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{''.join(devices)}</devices></domain>"
    )


def error_of(function, *arguments):
    """Call what libvirt refuses; return the binding's error."""
    import libvirt

    with pytest.raises(libvirt.libvirtError) as caught:
        function(*arguments)
    return caught.value.err


def refusal(function, *arguments):
    """Call what libvirt refuses; return the error's code, origin and message."""
    return error_of(function, *arguments)[:3]


def without_drawn(xml, *, mac=True):
    """Return a network's XML without what is drawn for it: its UUID, and its MAC address."""
    xml = re.sub(r"\n  <uuid>.*</uuid>", "", xml)
    return re.sub(r"\n  <mac .*/>", "", xml) if mac else xml


def connected(net):
    """Return how many interfaces a network says that are connected to it."""
    found = re.match(r"<network connections='(\d+)'", net.XMLDesc())
    return int(found[1]) if found else 0


class Watcher:
    """A client that has asked for all events of networks, or of one."""

    def __init__(self, path, about=None):
        self._client = Client(path)
        ref = about and NetworkRef(about.name(), about.UUID())
        (self._number,) = self._client.call("virConnectNetworkEventRegisterAny", 0, ref)

    def forget(self):
        """Ask to be told no more."""
        self._client.call("virConnectNetworkEventDeregisterAny", self._number)

    def told(self):
        """Return what has been told since the last time."""
        serial, events = self._client.begin("virConnectGetHostname"), []
        while True:
            header, payload = self._client.receive()
            if header.type == Type.EVENT:
                _, ref, what, _ = decode(OF_EVENTS[header.procedure].message, payload)
                events.append(f"{ref.name} {WORDS[what]}")
            elif header.serial == serial:
                assert not header.status, decode(ERROR, payload)
                decode(PROCEDURES[header.program][header.procedure].results, payload)
                return events

    def close(self):
        """Go."""
        self._client.socket.close()
