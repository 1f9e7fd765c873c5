"""Images that come to domains while they run: there, missing, in use by another one, not what they say."""

import libvirt

from oracle.definitions import pool_xml, volume_xml, xml
from oracle.scripts.domain_disks import BUILD, FOLDER, QCOW2, disk, volume

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
ACTIVE = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
PIVOT = libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT
REUSE = libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT
MADE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
MADE_BEFORE = MADE | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT


def over(name, base):
    """Return the definition of a volume that is the difference to another one."""
    beneath = f"<backingStore><path>{FOLDER}/{base}</path>{QCOW2}</backingStore>"
    return volume_xml(name, rest=beneath, target=QCOW2)


def script(ask):
    connection = ask.connect(blocks=True)
    pool = ask(connection.storagePoolCreateXML, pool_xml("images"), BUILD)
    for text in (
        *(volume_xml(each) for each in ("raw1", "raw2", "raw3")),
        *(volume_xml(each, target=QCOW2) for each in ("base", "own1", "own2", "own3", "bad")),
        over("over1", "base"),
        over("over2", "base"),
        over("over3", "base"),
        over("overbad", "bad"),
        over("overoverbad", "overbad"),
        over("lost", "bad"),
        volume_xml("cd.iso", "1", target="<format type='iso'/>"),
    ):
        ask(pool.createXML, text, 0)
    ask(ask(pool.storageVolLookupByName, "bad").delete, 0)
    plugged(ask, connection)
    media(ask, connection)
    ask(pool.createXML, volume_xml("bad"), 0)
    unsuited(ask, connection)
    committed(ask, connection)
    copied(ask, connection)
    snapped(ask, connection)
    backed_up(ask, connection)


def seen(ask, domain):
    """Ask for what a domain has."""
    ask(domain.XMLDesc, 0)
    ask(domain.XMLDesc, 2)


def gone(ask, domain):
    """End a domain, if it has come to run."""
    if domain:
        ask(domain.destroy)


def plugged(ask, connection):
    """Plug disks into a domain that runs, while another one runs with its own."""
    devices = (
        disk("raw1") + disk("over1", form="qcow2", target="vdb") + disk("own1", form="qcow2", target="vdc")
    )
    first = ask(connection.createXML, xml("web1", devices=devices), 0)
    second = ask(connection.defineXML, xml("web2", devices=disk("raw2")))
    ask(second.create)
    letters = iter("bcdefghijklmnopqrstuvwxyz")
    for device in (
        disk("nosuch", target="vdb"),
        disk("nosuch", target="vdb", form="qcow2"),
        disk("lost", target="vdb", form="qcow2"),
        volume("nosuch", target="vdb"),
        volume("raw1", "nosuch", target="vdb"),
        disk("nosuch", target="vdb", rest="<shareable/>"),
        disk("nosuch", target="sda"),
        disk("nosuch", target="vdb").replace("type='file'", "type='block'").replace("file='/", "dev='/"),
        disk("raw3", target="vdb").replace("type='file'", "type='block'").replace("file='/", "dev='/"),
        disk("raw3", target="vdb", form="qcow2"),
        disk("raw1", target="vdb"),
        disk("raw1", target="vdb", rest="<readonly/>"),
        disk("raw1", target="vdb", rest="<shareable/>"),
        disk("raw1", target="vdb", driver=" cache='none'"),
        volume("raw1", target="vdb"),
        disk("raw2", target="vdb"),
        disk("own1", target="vdb", form="qcow2"),
        disk("own1", target="vdb", form="qcow2", rest="<readonly/>"),
        disk("base", target="vdb", form="qcow2"),
        disk("base", target="vdb"),
        disk("over1", target="vdb", form="qcow2"),
        disk("over2", target="vdb", form="qcow2"),
        volume("raw3", target="vdb"),
    ):
        ask(second.attachDeviceFlags, device.replace("vdb", f"vd{next(letters)}"), LIVE)
        ask(second.XMLDesc, 0)
    for device in (disk("nosuch"), disk("raw1")):
        ask(second.attachDeviceFlags, device, LIVE)
    for device in (
        disk("nosuch", target="vdaa"),
        disk("raw1", target="vdab"),
        volume("nosuch", target="vdac"),
    ):
        ask(second.attachDeviceFlags, device, CONFIG)
        ask(second.attachDeviceFlags, device, LIVE | CONFIG)
    seen(ask, second)
    ask(first.destroy)
    ask(second.attachDeviceFlags, disk("raw1", target="vdad"), LIVE)
    ask(second.XMLDesc, 0)
    ask(second.destroy)
    ask(second.undefine)


def media(ask, connection):
    """Insert media into drives."""
    drives = (
        "<disk type='file' device='cdrom'><target dev='hdb'/></disk>"
        "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    )
    first = ask(connection.createXML, xml("web1", devices=disk("raw1")), 0)
    second = ask(connection.defineXML, xml("web2", devices=drives))
    ask(second.create)
    for device in (
        disk("cd.iso", device="cdrom", target="hdb"),
        disk("nosuch.iso", device="cdrom", target="hdb"),
        volume("nosuch.iso", device="cdrom", target="hdb"),
        volume("cd.iso", "nosuch", device="cdrom", target="hdb"),
        disk("raw1", device="cdrom", target="hdb"),
        disk("raw2", device="cdrom", target="hdb", form="qcow2"),
        disk("lost", device="cdrom", target="hdb", form="qcow2"),
        disk("nosuch.iso", device="cdrom", target="hdb").replace(
            "<source ", "<source startupPolicy='optional' "
        ),
    ):
        ask(second.updateDeviceFlags, device, LIVE)
        ask(second.XMLDesc, 0)
    ask(second.updateDeviceFlags, disk("nosuch.iso", device="cdrom", target="hdb"), CONFIG)
    ask(second.updateDeviceFlags, disk("nosuch.iso", device="cdrom", target="hdb"), LIVE | CONFIG)
    ask(second.updateDeviceFlags, volume("nosuch.iso", device="cdrom", target="hdb"), CONFIG)
    seen(ask, second)
    for each in (first, second):
        ask(each.destroy)
    ask(second.undefine)


def unsuited(ask, connection):
    """Start domains over what is not of the format that is said, and plug it in."""
    for device in (
        disk("overbad", form="qcow2"),
        disk("overoverbad", form="qcow2"),
        disk("bad", form="qcow2"),
    ):
        domain = ask(connection.createXML, xml("web1", devices=device), 0)
        if domain:
            ask(domain.destroy)
    domain = ask(connection.createXML, xml("web1", devices=disk("raw1")), 0)
    for name in ("bad", "overbad", "overoverbad"):
        ask(domain.attachDeviceFlags, disk(name, form="qcow2", target="vdb"), LIVE)
    ask(domain.destroy)


def committed(ask, connection):
    """Commit into what others run over."""
    first = ask(connection.createXML, xml("web1", devices=disk("over1", form="qcow2")), 0)
    second = ask(connection.createXML, xml("web2", devices=disk("over2", form="qcow2")), 0)
    ask(first.blockCommit, "vda", None, None, 0, ACTIVE)
    ask(first.blockJobInfo, "vda", 0)
    ask(first.XMLDesc, 0)
    mid = f"<disk name='vda'><source file='{FOLDER}/mid'/></disk>"
    ask(first.snapshotCreateXML, f"<domainsnapshot><name>a</name><disks>{mid}</disks></domainsnapshot>", MADE)
    ask(first.blockCommit, "vda", None, f"{FOLDER}/over1", 0, 0)
    ask(first.blockCommit, "vda", f"{FOLDER}/over1", None, 0, ACTIVE)
    ask(first.blockJobAbort, "vda", PIVOT)
    gone(ask, second)
    ask(first.blockCommit, "vda", None, None, 0, ACTIVE)
    ask(connection.createXML, xml("web2", devices=disk("over2", form="qcow2")), 0)
    ask(first.blockJobAbort, "vda", 0)
    gone(ask, first)


def copied(ask, connection):
    """Copy to what others have."""
    first = ask(
        connection.createXML, xml("web1", devices=disk("raw1") + disk("own1", form="qcow2", target="vdb")), 0
    )
    second = ask(connection.createXML, xml("web2", devices=disk("raw2")), 0)
    for name, form in (("raw1", "raw"), ("own1", "qcow2"), ("raw3", "qcow2"), ("raw3", "raw")):
        there = f"<disk type='file'><source file='{FOLDER}/{name}'/><driver type='{form}'/></disk>"
        until = "block job 2" if (name, form) == ("raw3", "raw") else None
        ask(second.blockCopy, "vda", there, {}, REUSE, until=until)
        ask(second.blockJobInfo, "vda", 0)
        ask(second.XMLDesc, 0)
    ask(second.destroy)
    ask(first.destroy)


def snapped(ask, connection):
    """Let what others have be above a disk."""
    first = ask(connection.createXML, xml("web1", devices=disk("over1", form="qcow2")), 0)
    second = ask(connection.defineXML, xml("web2", devices=disk("own2", form="qcow2")))
    ask(second.create)
    for name in ("over1", "nosuch", "raw3", "base"):
        above = f"<disk name='vda'><source file='{FOLDER}/{name}'/></disk>"
        given = f"<domainsnapshot><name>{name}</name><disks>{above}</disks></domainsnapshot>"
        ask(second.snapshotCreateXML, given, MADE_BEFORE)
        ask(second.XMLDesc, 0)
    for each in (second, first):
        ask(each.destroy)


def backed_up(ask, connection):
    """Push a backup to what others have."""
    devices = disk("raw1") + disk("own1", form="qcow2", target="vdb")
    first = ask(connection.createXML, xml("web1", devices=devices), 0)
    second = ask(connection.createXML, xml("web2", devices=disk("own2", form="qcow2")), 0)
    for name, form in (("raw1", "raw"), ("own1", "qcow2"), ("raw3", "qcow2"), ("nosuch", "qcow2")):
        target = f"<driver type='{form}'/><target file='{FOLDER}/{name}'/>"
        given = f"<domainbackup><disks><disk name='vda' type='file'>{target}</disk></disks></domainbackup>"
        ask(second.backupBegin, given, None, 1)
        ask(second.backupGetXMLDesc)
    ask(second.destroy)
    ask(first.destroy)
