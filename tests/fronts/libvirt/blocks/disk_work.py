"""What the tests of disks' jobs share: volumes, disks, what a domain's XML says of one, and what is told."""

from xml.etree import ElementTree as ET

from small_host import OF_EVENTS, Client

from pytest_fakehv.fronts.libvirt.wire.frames import Type
from pytest_fakehv.fronts.libvirt.wire.xdr import decode

MIB = 2**20
FOLDER = "/srv/images"

KINDS = ("", "pull", "copy", "commit", "active commit", "backup")
ENDS = ("completed", "failed", "canceled", "ready")


def made(pool, name, *, form="qcow2", backing=None, kind="qcow2", allocation=None, size=4 * MIB, compat=""):
    """Make a volume."""
    said = "" if allocation is None else f"<allocation>{allocation}</allocation>"
    if backing:
        said += f"<backingStore><path>{FOLDER}/{backing}</path><format type='{kind}'/></backingStore>"
    version = f"<compat>{compat}</compat>" if compat else ""
    return pool.createXML(
        f"<volume><name>{name}</name><capacity>{size}</capacity>{said}"
        f"<target><format type='{form}'/>{version}</target></volume>",
        0,
    )


def disk_xml(name, target="vda", form="qcow2", more=""):
    """Return a disk's XML."""
    path = name if name.startswith("/") else f"{FOLDER}/{name}"
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/><source file='{path}'/>{more}"
        f"<target dev='{target}' bus='virtio'/></disk>"
    )


def target_xml(name, form=None, path=None):
    """Return the XML of where a disk is copied to."""
    driver = f"<driver type='{form}'/>" if form else ""
    return f"<disk type='file'><source file='{path or f'{FOLDER}/{name}'}'/>{driver}</disk>"


def chain_of(domain, flags=0, target="vda"):
    """Return the names of what is beneath a disk, from its source on; "|" where the XML says that it ends."""
    (part,) = (
        each
        for each in ET.fromstring(domain.XMLDesc(flags)).iter("disk")
        if each.find("target").get("dev") == target
    )
    found = []
    while part is not None and part.find("source") is not None:
        found.append(next(iter(part.find("source").attrib.values())).rpartition("/")[2])
        part = part.find("backingStore")
    return " ".join([*found, *(["|"] if part is not None else [])])


def mirror_of(domain):
    """Return what a domain's disk is being copied to, and whether it is the same by now; None: nowhere."""
    mirror = ET.fromstring(domain.XMLDesc()).find("devices/disk/mirror")
    return mirror is not None and (
        mirror.get("job"),
        mirror.find("source").get("file").rpartition("/")[2],
        mirror.get("ready"),
    )


class Told:
    """A client that has asked for the events of jobs."""

    def __init__(self, path):
        self._client = Client(path)
        self._kinds = {}
        for kind in (0, 8, 16, 21):
            (number,) = self._client.call("virConnectDomainEventRegisterAny", kind, None)
            self._kinds[number] = kind

    def told(self):
        """Return what has been told since the last time."""
        serial, events = self._client.begin("virConnectGetHostname"), []
        while True:
            header, payload = self._client.receive()
            if header.type == Type.EVENT:
                number, _, *details = decode(OF_EVENTS[header.procedure].message, payload)
                events.append(shown(self._kinds[number], details))
            elif header.serial == serial:
                return [each for each in events if each]

    def close(self):
        """Go."""
        self._client.socket.close()


def shown(kind, details):
    """Return an event in words; "" of one that is not about jobs."""
    if kind == 0:
        return ""
    if kind == 21:
        values = {each.field: each.value for each in details[0]}
        return f"job {values['operation']} {'done' if values['success'] else 'not done'}"
    disk, type_, status = details
    return f"{disk.rpartition('/')[2]} {KINDS[type_]} {ENDS[status]}"
