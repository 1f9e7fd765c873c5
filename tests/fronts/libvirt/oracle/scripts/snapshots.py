"""Snapshots inside disks, as trees: taken, listed, gone back to, deleted, and described anew."""

import libvirt

from oracle.definitions import pool_xml, snapshot_xml, volume_xml, xml

FOLDER = "/var/lib/libvirt/images/images"
QCOW2 = "<format type='qcow2'/>"
DISK = (
    f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{FOLDER}/a.qcow2'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
RAW = DISK.replace("qcow2", "raw")
CREATE = "VIR_DOMAIN_SNAPSHOT_CREATE_"
REDEFINE, CURRENT, NO_METADATA, HALT, QUIESCE, ATOMIC, LIVE, VALIDATE = (
    getattr(libvirt, CREATE + name)
    for name in (
        "REDEFINE", "CURRENT", "NO_METADATA", "HALT", "QUIESCE", "ATOMIC", "LIVE", "VALIDATE",
    )
)  # fmt: skip
FILTERS = [0, *(1 << bit for bit in range(12))]


def script(ask):
    connection = ask.connect()
    pool = ask(connection.storagePoolCreateXML, pool_xml("images"), 1)
    ask(pool.createXML, volume_xml("a.qcow2", target=QCOW2), 0)
    ask(pool.createXML, volume_xml("a.raw"), 0)
    domain = ask(connection.defineXML, xml("web1", devices=DISK))
    nothing(ask, domain)
    shut_off(ask, connection, domain)
    running(ask, connection, domain)
    trees(ask, domain)
    reverted(ask, connection, domain)
    deleted(ask, domain)
    redefined(ask, domain)
    undefined(ask, connection, domain)
    refused(ask, connection)


def nothing(ask, domain):
    """Ask for what there isn't, and for what can't be made."""
    for method in (
        domain.snapshotNum, domain.snapshotListNames, domain.listAllSnapshots, domain.hasCurrentSnapshot,
        domain.snapshotCurrent,
    ):  # fmt: skip
        ask(method, 0)
    ask(domain.snapshotLookupByName, "nosuch", 0)
    ask(domain.snapshotLookupByName, "nosuch", 1)
    ask(domain.hasCurrentSnapshot, 1)
    ask(domain.snapshotCurrent, 1)
    for text in ("<domainsnapshot", "<domain/>"):
        ask(domain.snapshotCreateXML, text, 0)
    for rest in (
        "<name>a/b</name>", "<memory snapshot='x'/>", "<memory snapshot='external'/>",
        "<memory snapshot='internal' file='/x'/>", "<memory file='relative' snapshot='external'/>",
        "<disks><disk/></disks>", "<disks><disk name='vdb'/></disks>",
        "<disks><disk name='vda' snapshot='x'/></disks>",
        "<disks><disk name='vda'/><disk name='vda'/></disks>",
        "<state>shutoff</state>", "<creationTime>x</creationTime>",
    ):  # fmt: skip
        if snapshot := ask(domain.snapshotCreateXML, snapshot_xml("bad", rest), 0):
            ask(snapshot.delete, 0)
    for bit in {*range(12)} - {4}:
        if snapshot := ask(domain.snapshotCreateXML, snapshot_xml(f"bit{bit}"), 1 << bit):
            ask(snapshot.delete, 0)


def asked(ask, snapshot):
    """Ask all that a snapshot can be asked without changing it."""
    for method in (
        snapshot.isCurrent, snapshot.hasMetadata, snapshot.getParent, snapshot.getXMLDesc,
        snapshot.numChildren, snapshot.listChildrenNames, snapshot.listAllChildren,
    ):  # fmt: skip
        ask(method, 0)
    ask(snapshot.getName)


def listed(ask, domain):
    """List what there is."""
    for method in (
        domain.snapshotNum, domain.snapshotListNames, domain.listAllSnapshots, domain.hasCurrentSnapshot,
        domain.snapshotCurrent,
    ):  # fmt: skip
        ask(method, 0)


def shut_off(ask, connection, domain):
    """Take snapshots of what is shut off."""
    first = ask(domain.snapshotCreateXML, snapshot_xml("first", "<description>one</description>"), 0)
    asked(ask, first)
    ask(domain.snapshotCreateXML, snapshot_xml("first"), 0)
    ask(domain.snapshotCreateXML, snapshot_xml("halt"), HALT)
    ask(domain.snapshotCreateXML, snapshot_xml("atomic"), ATOMIC)
    ask(domain.snapshotCreateXML, snapshot_xml("none"), NO_METADATA)
    ask(domain.snapshotCreateXML, snapshot_xml("live"), LIVE)
    ask(domain.snapshotCreateXML, snapshot_xml("valid"), VALIDATE)
    ask(domain.snapshotCreateXML, snapshot_xml("quiet"), QUIESCE)
    listed(ask, domain)
    ask(connection.listAllDomains, libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT)
    ask(connection.listAllDomains, libvirt.VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT)
    ask(domain.rename, "web9")
    ask(connection.lookupByName("web9").rename, "web1")
    ask(domain.undefine)


def running(ask, connection, domain):
    """Take snapshots of what runs and of what is paused."""
    ask(domain.create)
    ask.await_guest("web1")
    live = ask(domain.snapshotCreateXML, snapshot_xml("live1"), 0)
    asked(ask, live)
    ask(domain.snapshotCreateXML, snapshot_xml("live2"), LIVE)
    ask(domain.snapshotCreateXML, snapshot_xml("live3"), ATOMIC)
    ask(domain.snapshotCreateXML, snapshot_xml("live4"), QUIESCE)
    ask(domain.snapshotCreateXML, snapshot_xml("live5"), NO_METADATA)
    ask(domain.snapshotCreateXML, snapshot_xml("live6", "<memory snapshot='no'/>"), 0)
    ask(domain.snapshotCreateXML, snapshot_xml("live7", "<disks><disk name='vda' snapshot='no'/></disks>"), 0)
    ask(domain.suspend)
    paused = ask(domain.snapshotCreateXML, snapshot_xml("paused"), 0)
    ask(paused.getXMLDesc, 0)
    ask(domain.resume)
    ask(domain.snapshotCreateXML, snapshot_xml("halted"), HALT)
    ask(domain.snapshotNum, 0)
    ask(domain.jobStats, libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    ask(domain.create)
    ask.await_guest("web1")


def trees(ask, domain):
    """List a tree in every way."""
    first = ask(domain.snapshotLookupByName, "first", 0)
    last = ask(domain.snapshotCurrent, 0)
    for flags in FILTERS:
        ask(domain.snapshotNum, flags)
        ask(domain.snapshotListNames, flags)
        ask(domain.listAllSnapshots, flags)
        ask(first.numChildren, flags)
        ask(first.listChildrenNames, flags)
        ask(first.listAllChildren, flags)
    ask(last.numChildren, 0)
    ask(last.listAllChildren, 1)
    for flags in (1, 2, 1 << 20):
        ask(first.getXMLDesc, flags)
        ask(first.getParent, flags)
        ask(first.isCurrent, flags)
        ask(first.hasMetadata, flags)


def reverted(ask, connection, domain):
    """Go back, from each state to each."""
    for start in ("run", "pause", "stop"):
        for name in ("first", "live1", "paused", "halted"):
            for flags in (
                0, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED,
            ):  # fmt: skip
                if domain.isActive():
                    ask(domain.destroy)
                if start != "stop":
                    ask(domain.create)
                    ask.await_guest("web1")
                if start == "pause":
                    ask(domain.suspend)
                snapshot = domain.snapshotLookupByName(name)
                ask(domain.revertToSnapshot, snapshot, flags)
                ask(domain.state)
                ask(domain.snapshotCurrent, 0)
    snapshot = ask(domain.snapshotLookupByName, "live1", 0)
    for flags in (
        3, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RESET_NVRAM, 1 << 20
    ):  # fmt: skip
        ask(domain.revertToSnapshot, snapshot, flags)
    ask(domain.setMetadata, libvirt.VIR_DOMAIN_METADATA_TITLE, "new", None, None, 3)
    ask(domain.snapshotCreateXML, snapshot_xml("titled"), 0)
    ask(domain.revertToSnapshot, snapshot, 0)
    ask(domain.XMLDesc, 0)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
    ask(snapshot.getXMLDesc, 0)
    ask(domain.setMemory, 32 * 1024, until="balloon")
    ask(domain.revertToSnapshot, snapshot, 0)
    ask(domain.info)


def deleted(ask, domain):
    """Delete, with children and without."""
    lookup = domain.snapshotLookupByName
    ask(lookup("atomic").delete, 1 << 20)
    ask(lookup("atomic").delete, 5)
    ask(lookup("atomic").delete, 0)
    ask(lookup("valid").getParent, 0)
    ask(lookup("valid").delete, libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    current = ask(domain.snapshotCurrent, 0)
    ask(current.delete, 0)
    ask(domain.snapshotCurrent, 0)
    ask(current.getXMLDesc, 0)
    ask(current.delete, 0)
    ask(domain.revertToSnapshot, current, 0)
    ask(current.numChildren, 0)
    ask(current.isCurrent, 0)
    ask(lookup("live3").delete, libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY)
    listed(ask, domain)
    ask(lookup("live3").delete, libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN)
    listed(ask, domain)


def redefined(ask, domain):
    """Describe snapshots anew."""
    first = domain.snapshotLookupByName("first")
    said = first.getXMLDesc(0)
    halt = domain.snapshotLookupByName("halt").getXMLDesc(0)
    ask(domain.snapshotCreateXML, said_of("first", said), REDEFINE)
    ask(domain.snapshotCreateXML, said_of("first", said), REDEFINE | CURRENT)
    ask(domain.snapshotCreateXML, said_of("first", said), CURRENT)
    ask(domain.snapshotCreateXML, said_of("first", said), REDEFINE | NO_METADATA)
    ask(domain.snapshotCreateXML, said_of("first", said), REDEFINE | HALT)
    ask(domain.snapshotCreateXML, snapshot_xml("new"), REDEFINE)
    ask(domain.snapshotCreateXML, snapshot_xml("new", "<state>shutoff</state>"), REDEFINE)
    dated = "<state>shutoff</state><creationTime>1</creationTime>"
    if snapshot := ask(domain.snapshotCreateXML, snapshot_xml("new", dated), REDEFINE):
        ask(snapshot.getXMLDesc, 0)
        ask(domain.revertToSnapshot, snapshot, 0)
        ask(domain.revertToSnapshot, snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE)
    ask(domain.snapshotCreateXML, snapshot_xml("bad", dated.replace("shutoff", "x")), REDEFINE)
    for parent in ("nosuch", "bad"):
        rest = f"{dated}<parent><name>{parent}</name></parent>"
        ask(domain.snapshotCreateXML, snapshot_xml("bad", rest), REDEFINE)
    ask(first.delete, libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    listed(ask, domain)
    ask(domain.snapshotCreateXML, said_of("first", said), REDEFINE)
    ask(domain.snapshotCreateXML, said_of("halt", halt), REDEFINE)
    listed(ask, domain)
    ask(domain.snapshotLookupByName("halt").getParent, 0)


def said_of(name, said):
    """Return what was said of a snapshot, under a name that calls show."""
    result = snapshot_xml(name)
    made = type(result)(said)
    made.shown = f"the XML of {name!r}"
    return made


def undefined(ask, connection, domain):
    """Undefine what has snapshots, and migrate it."""
    ask(domain.destroy)
    ask(domain.undefine)
    ask(domain.undefineFlags, libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
    ask(domain.create)
    there = ask.connect("node2")
    uri = "tcp://127.0.0.1"
    ask(domain.migrate3, there, {"migrate_uri": uri}, libvirt.VIR_MIGRATE_LIVE)
    ask(domain.destroy)
    ask(domain.undefineFlags, libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
    domain = ask(connection.defineXML, xml("web1", devices=DISK))
    ask(domain.snapshotNum, 0)
    ask(domain.undefine)
    domain = ask(connection.createXML, xml("job", devices=DISK), 0)
    ask.await_guest("job")
    ask(domain.snapshotCreateXML, snapshot_xml("one"), 0)
    ask(domain.snapshotCreateXML, snapshot_xml("two"), HALT)
    ask(domain.snapshotCreateXML, snapshot_xml("three"), NO_METADATA | HALT)
    ask(domain.snapshotNum, 0)
    ask(domain.destroy)
    ask(connection.listAllDomains, 0)


def refused(ask, connection):
    """Take snapshots of disks that can have none inside, and of no disk."""
    for devices in (RAW, ""):
        domain = ask(connection.defineXML, xml("web2", devices=devices))
        if snapshot := ask(domain.snapshotCreateXML, snapshot_xml("one"), 0):
            ask(snapshot.getXMLDesc, 0)
            ask(domain.revertToSnapshot, snapshot, 0)
            ask(snapshot.delete, 0)
        ask(domain.create)
        ask.await_guest("web2")
        if snapshot := ask(domain.snapshotCreateXML, snapshot_xml("two"), 0):
            ask(snapshot.getXMLDesc, 0)
        ask(domain.destroy)
        ask(domain.undefine)
