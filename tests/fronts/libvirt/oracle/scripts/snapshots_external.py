"""Snapshots beside disks: what was written stays in the file, and a new one has the difference to it."""

import libvirt

from oracle.definitions import pool_xml, snapshot_xml, volume_xml, xml

FOLDER = "/var/lib/libvirt/images/images"
QCOW2 = "<format type='qcow2'/>"
DISK = (
    f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{FOLDER}/a.qcow2'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
RAW = (
    f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{FOLDER}/b.img'/>"
    "<target dev='vdb' bus='virtio'/></disk>"
)
NO_METADATA, HALT, DISK_ONLY, REUSE_EXT, QUIESCE, ATOMIC, LIVE = (
    getattr(libvirt, f"VIR_DOMAIN_SNAPSHOT_CREATE_{name}")
    for name in ("NO_METADATA", "HALT", "DISK_ONLY", "REUSE_EXT", "QUIESCE", "ATOMIC", "LIVE")
)
INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE


def both(ask, domain):
    """Ask for both definitions."""
    ask(domain.XMLDesc, 0)
    ask(domain.XMLDesc, INACTIVE)


def script(ask):
    connection = ask.connect(jobs=True)
    pool = ask(connection.storagePoolCreateXML, pool_xml("images"), 1)
    ask(pool.createXML, volume_xml("a.qcow2", target=QCOW2), 0)
    ask(pool.createXML, volume_xml("b.img"), 0)
    ask(pool.createXML, volume_xml("made.qcow2", target=QCOW2), 0)
    domain = ask(connection.defineXML, xml("web1", devices=DISK + RAW))
    off(ask, pool, domain)
    running(ask, pool, domain)
    refused(ask, domain)
    memory(ask, connection, domain)


def off(ask, pool, domain):
    """Take one of what is shut off."""
    snapshot = ask(domain.snapshotCreateXML, snapshot_xml("off"), DISK_ONLY)
    ask(snapshot.getXMLDesc, 0)
    ask(domain.XMLDesc, 0)
    ask(pool.refresh, 0)
    ask(pool.listVolumes)
    for name in ("a.off", "b.off"):
        if volume := ask(pool.storageVolLookupByName, name):
            ask(volume.XMLDesc, 0)
    ask(domain.revertToSnapshot, snapshot, 0)
    ask(snapshot.delete, libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    ask(domain.snapshotNum, 0)


def running(ask, pool, domain):
    """Take some of what runs."""
    ask(domain.create)
    ask.await_guest("web1")
    both(ask, domain)
    snapshot = ask(domain.snapshotCreateXML, snapshot_xml("one"), DISK_ONLY)
    ask(snapshot.getXMLDesc, 0)
    both(ask, domain)
    rest = f"<disks><disk name='vda'><source file='{FOLDER}/mine.qcow2'/></disk></disks>"
    snapshot = ask(domain.snapshotCreateXML, snapshot_xml("two", rest), DISK_ONLY | ATOMIC)
    ask(snapshot.getXMLDesc, 0)
    both(ask, domain)
    rest = "<disks><disk name='vda' snapshot='no'/><disk name='vdb' snapshot='external'/></disks>"
    ask(domain.snapshotCreateXML, snapshot_xml("three", rest), DISK_ONLY | ATOMIC | NO_METADATA)
    both(ask, domain)
    ask(pool.refresh, 0)
    ask(pool.listVolumes)
    for name in ("a.one", "mine.qcow2", "b.three"):
        ask(ask(pool.storageVolLookupByName, name).XMLDesc, 0)
    for flags in (0, 128, 256, 512, 32, 64):
        ask(domain.listAllSnapshots, flags)
    ask(domain.snapshotCreateXML, snapshot_xml("halt"), DISK_ONLY | HALT)
    ask(domain.XMLDesc, 0)
    ask(domain.create)
    ask.await_guest("web1")
    both(ask, domain)


def refused(ask, domain):
    """Try what isn't possible."""
    ask(domain.snapshotCreateXML, snapshot_xml("quiet"), DISK_ONLY | QUIESCE)
    ask(domain.snapshotCreateXML, snapshot_xml("two"), DISK_ONLY)
    for rest in (
        f"<disks><disk name='vda'><source file='{FOLDER}/mine.qcow2'/></disk></disks>",
        f"<disks><disk name='vda'><source file='{FOLDER}/a.off'/></disk></disks>",
        "<disks><disk name='vda' snapshot='internal'/></disks>",
        "<disks><disk name='vda' snapshot='no'/><disk name='vdb' snapshot='no'/></disks>",
        "<disks><disk name='vda' snapshot='external'><driver type='raw'/></disk></disks>",
        "<memory snapshot='internal'/>",
    ):
        ask(domain.snapshotCreateXML, snapshot_xml("bad", rest), DISK_ONLY)
    rest = f"<disks><disk name='vda'><source file='{FOLDER}/nosuch'/></disk></disks>"
    ask(domain.snapshotCreateXML, snapshot_xml("bad", rest), DISK_ONLY | REUSE_EXT)
    rest = "<disks><disk name='vda' snapshot='external'/></disks>"
    ask(domain.snapshotCreateXML, snapshot_xml("bad", rest), 0)
    ask(domain.snapshotCreateXML, snapshot_xml("bad"), LIVE | DISK_ONLY)
    two = ask(domain.snapshotLookupByName, "two", 0)
    for flags in (0, 1, 2, 4):
        ask(domain.revertToSnapshot, two, flags)
    ask(two.delete, libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    ask(domain.snapshotCreateXML, snapshot_xml("inside"), 0)


def memory(ask, connection, domain):
    """Take one with the memory in a file."""
    file = f"<memory snapshot='external' file='{FOLDER}/web1.mem'/>"
    snapshot = ask(domain.snapshotCreateXML, snapshot_xml("memory", file), 0)
    if snapshot:
        ask(snapshot.getXMLDesc, 0)
    both(ask, domain)
    live = f"<memory snapshot='external' file='{FOLDER}/web1.mem2'/>"
    ask(domain.snapshotCreateXML, snapshot_xml("live", live), LIVE)
    ask(domain.snapshotCreateXML, snapshot_xml("again", file), 0)
    ask(domain.snapshotCreateXML, snapshot_xml("bad", file.replace(FOLDER, "x")), 0)
    ask(connection.saveImageGetXMLDesc, f"{FOLDER}/web1.mem", 0)
    ask(domain.destroy)
    ask(domain.undefineFlags, libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
