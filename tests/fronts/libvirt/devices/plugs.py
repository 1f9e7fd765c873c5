"""What the tests of devices share: XML, what a call is refused with, what clients are told."""

import re
from zlib import crc32

import pytest
from small_host import OF_EVENTS, Client

from pytest_fakehv.fronts.libvirt.wire.errors import ERROR
from pytest_fakehv.fronts.libvirt.wire.frames import Type
from pytest_fakehv.fronts.libvirt.wire.procedures import EVENTS, PROCEDURES
from pytest_fakehv.fronts.libvirt.wire.xdr import decode

LIVE, CONFIG, BOTH, FORCE = 1, 2, 3, 4
INACTIVE = 2

SLOTS = (
    "<maxMemory slots='4' unit='MiB'>1024</maxMemory>"
    "<cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa></cpu>"
)
BUSES = "<controller type='scsi' model='virtio-scsi'/><controller type='virtio-serial'/>"


def uuid_of(name):
    return f"aaaaaaaa-0000-4000-8000-{crc32(name.encode()):012x}"


def domain(name, *devices, head="", machine="pc", vcpu="1", memory="65536"):
    """Return a domain's XML."""
    return (
        f"<domain type='qemu'><name>{name}</name><uuid>{uuid_of(name)}</uuid><memory>{memory}</memory>"
        f"<vcpu{vcpu if ' ' in vcpu else f'>{vcpu}'}</vcpu>{head}"
        f"<os><type arch='x86_64' machine='{machine}'>hvm</type></os>"
        f"<devices>{BUSES}{''.join(devices)}</devices></domain>"
    )


def disk(target, bus, image="", rest="", *, device="disk"):
    """Return a disk's XML."""
    source = f"<source file='/images/{image}'/>" if image else ""
    return (
        f"<disk type='file' device='{device}'><driver name='qemu' type='raw'/>{source}"
        f"<target dev='{target}' bus='{bus}'/>{rest}</disk>"
    )


def nic(number, rest="", *, type="user"):  # noqa: A002
    """Return an interface's XML, whose MAC address ends with a number."""
    return f"<interface type='{type}'><mac address='52:54:00:00:00:{number:02x}'/>{rest}</interface>"


def dimm(mib, node=0):
    """Return the XML of a module of memory."""
    return f"<memory model='dimm'><target><size unit='MiB'>{mib}</size><node>{node}</node></target></memory>"


def refusal(function, *arguments):
    """Call what libvirt refuses; return the error's code, origin and message."""
    import libvirt

    with pytest.raises(libvirt.libvirtError) as caught:
        function(*arguments)
    return caught.value.err[:3]


def found(xml, kind):
    """Return the devices of a kind in a domain's XML, each on one line."""
    devices = re.findall(
        rf"<{kind}[ >].*?</{kind}>|<{kind} [^>]*/>", xml.partition("<devices>")[2], re.DOTALL
    )
    return [re.sub(r">\s+<", "><", each) for each in devices]


def aliases(xml):
    """Return the names of the devices in a domain's XML."""
    return re.findall("<alias name='(.*?)'/>", xml)


class Watcher:
    """A client that has asked for all events of domains' devices."""

    KINDS = (10, 13, 15, 19, 22)

    def __init__(self, path):
        self._client = Client(path)
        names = {each.number: each.name for each in EVENTS.values()}
        self._names = names
        for kind in self.KINDS:
            self._client.call("virConnectDomainEventRegisterAny", kind, None)

    def told(self):
        """Return what has been told since the last time."""
        serial, events = self._client.begin("virConnectGetHostname"), []
        while True:
            header, payload = self._client.receive()
            if header.type == Type.EVENT:
                _, _, *details = decode(OF_EVENTS[header.procedure].message, payload)
                events.append(" ".join([self._names[header.procedure], *map(str, details)]))
            elif header.serial == serial:
                assert not header.status, decode(ERROR, payload)
                decode(PROCEDURES[header.program][header.procedure].results, payload)
                return events

    def close(self):
        """Go."""
        self._client.socket.close()
