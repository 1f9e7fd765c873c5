"""Domains' disks, and the volumes that they are: there, missing, in use, resized, read."""

import libvirt

from oracle.definitions import pool_xml, volume_xml, xml

BUILD = libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD
FOLDER = "/var/lib/libvirt/images/images"
QCOW2 = "<format type='qcow2'/>"
SPARSE = "<allocation>0</allocation>"
MIB = 2**20


def disk(name, *, target="vda", form="raw", device="disk", rest="", driver=""):
    """Return a disk that is a file of the pool's folder."""
    path = name if name.startswith("/") else f"{FOLDER}/{name}"
    return (
        f"<disk type='file' device='{device}'><driver name='qemu' type='{form}'{driver}/>"
        f"<source file='{path}'/><target dev='{target}'/>{rest}</disk>"
    )


def volume(name, pool="images", *, target="vda", device="disk", form="raw", rest=""):
    """Return a disk that is a volume."""
    return (
        f"<disk type='volume' device='{device}'><driver name='qemu' type='{form}'/>"
        f"<source pool='{pool}' volume='{name}'/><target dev='{target}'/>{rest}</disk>"
    )


def script(ask):
    connection = ask.connect()
    pool = ask(connection.storagePoolCreateXML, pool_xml("images"), BUILD)
    for text in (
        volume_xml("full"),
        volume_xml("sparse", rest=SPARSE),
        volume_xml("base.qcow2", target=QCOW2),
        volume_xml(
            "over.qcow2",
            rest=f"<backingStore><path>{FOLDER}/base.qcow2</path>{QCOW2}</backingStore>",
            target=QCOW2,
        ),
        volume_xml("own.qcow2", target=QCOW2),
        volume_xml("cd.iso", "1", target="<format type='iso'/>"),
    ):
        ask(pool.createXML, text, 0)
    missing(ask, connection, pool)
    backed(ask, connection, ask(connection.storagePoolLookupByName, "images"))
    shared(ask, connection)
    figures(ask, connection, pool)


def tried(ask, connection, devices, name="web1"):
    """Start a domain with devices; return it where it runs."""
    domain = ask(connection.createXML, xml(name, devices=devices), 0)
    if domain:
        ask(domain.XMLDesc, 0)
        ask(domain.destroy)


def missing(ask, connection, pool):
    """Start domains whose disks aren't there."""
    domain = ask(connection.defineXML, xml("web1", devices=disk("nosuch")))
    ask(domain.create)
    ask(domain.createWithFlags, libvirt.VIR_DOMAIN_START_PAUSED)
    ask(domain.blockInfo, "vda")
    ask(domain.blockInfo, f"{FOLDER}/nosuch")
    ask(domain.blockPeek, "vda", 0, 4, 0)
    ask(domain.undefine)
    for devices in (
        disk("nosuch"),
        disk("full"),
        disk("full") + disk("nosuch", target="vdb"),
        disk("full", form="qcow2"),
        disk("base.qcow2", form="qcow2"),
        disk("over.qcow2", form="qcow2"),
        disk("nosuch", form="qcow2"),
        disk("cd.iso", device="cdrom", target="hda"),
        disk("nosuch", device="cdrom", target="hda"),
        disk("nosuch", rest="<readonly/>"),
        disk("nosuch", device="cdrom", target="hda").replace("<source ", "<source startupPolicy='optional' "),
        disk("nosuch", rest="<shareable/>"),
        disk("full").replace("type='file'", "type='block'").replace("file='/", "dev='/"),
        disk("nosuch").replace("type='file'", "type='block'").replace("file='/", "dev='/"),
        volume("full"),
        volume("nosuch"),
        volume("full", "nosuch"),
        volume("base.qcow2", form="qcow2"),
        volume("over.qcow2", form="qcow2"),
        volume("cd.iso", device="cdrom", target="hda"),
        volume("nosuch", device="cdrom", target="hda"),
    ):
        tried(ask, connection, devices)
    ask(pool.destroy)
    tried(ask, connection, volume("full"))
    tried(ask, connection, disk("full"))
    ask(connection.storagePoolDefineXML, pool_xml("images"), 0)
    tried(ask, connection, volume("full"))
    ask(ask(connection.storagePoolLookupByName, "images").create, 0)
    tried(ask, connection, volume("full"))


def backed(ask, connection, pool):
    """Start domains whose disks are the difference to what isn't there."""
    ask(ask(pool.storageVolLookupByName, "base.qcow2").delete, 0)
    tried(ask, connection, disk("over.qcow2", form="qcow2"))
    tried(ask, connection, volume("over.qcow2", form="qcow2"))
    ask(pool.createXML, volume_xml("base.qcow2", target=QCOW2), 0)


def shared(ask, connection):
    """Start domains with disks that others have."""
    first = ask(connection.createXML, xml("web1", devices=disk("full")), 0)
    second = ask(connection.defineXML, xml("web2", devices=disk("full")))
    ask(second.create)
    ask(second.createWithFlags, libvirt.VIR_DOMAIN_START_PAUSED)
    for devices in (
        disk("full", rest="<readonly/>"),
        disk("full", rest="<shareable/>"),
        volume("full"),
        disk("sparse") + disk("full", target="vdb"),
        disk("full") + disk("full", target="vdb"),
    ):
        tried(ask, connection, devices, "web3")
    for target in ("hda", "sda", "sdb' bus='sata"):
        tried(ask, connection, disk("full", target=target), "web3")
    tried(ask, connection, disk("full", driver=" cache='none'"), "web3")
    tried(ask, connection, disk("full", driver=" cache='writethrough' discard='unmap'"), "web3")
    tried(ask, connection, disk("full", rest="<serial>x</serial>"), "web3")
    ask(first.suspend)
    ask(second.create)
    ask(first.destroy)
    ask(second.create)
    ask(second.destroy)
    ask(second.undefine)
    tried(ask, connection, disk("full") + disk("full", target="vdb"))
    for one, two in (
        (disk("full", rest="<readonly/>"), disk("full", rest="<readonly/>")),
        (disk("full", rest="<readonly/>"), disk("full")),
        (disk("full", rest="<shareable/>"), disk("full", rest="<shareable/>")),
        (disk("full", rest="<shareable/>"), disk("full")),
        (disk("full", rest="<shareable/>"), disk("full", rest="<readonly/>")),
        (disk("base.qcow2", form="qcow2"), disk("base.qcow2", form="qcow2")),
        (disk("base.qcow2", form="qcow2"), disk("base.qcow2", form="qcow2", driver=" cache='none'")),
        (disk("base.qcow2", form="qcow2"), disk("base.qcow2", form="qcow2", rest="<readonly/>")),
        (disk("over.qcow2", form="qcow2"), disk("base.qcow2", form="qcow2")),
        (disk("over.qcow2", form="qcow2"), disk("base.qcow2", form="qcow2", rest="<readonly/>")),
        (disk("base.qcow2", form="qcow2"), disk("over.qcow2", form="qcow2")),
        (disk("cd.iso", device="cdrom", target="hda"), disk("cd.iso", device="cdrom", target="hda")),
        (disk("cd.iso", device="cdrom", target="hda"), disk("cd.iso")),
    ):
        first = ask(connection.createXML, xml("web1", devices=one), 0)
        tried(ask, connection, two, "web3")
        ask(first.destroy)


def figures(ask, connection, pool):
    """Ask for what disks are, resize them, and read them."""
    devices = (
        disk("full")
        + disk("sparse", target="vdb")
        + disk("own.qcow2", target="vdc", form="qcow2")
        + volume("over.qcow2", target="vdd", form="qcow2")
        + disk("cd.iso", device="cdrom", target="hda")
        + "<disk type='file' device='cdrom'><target dev='hdb'/></disk>"
    )
    domain = ask(connection.defineXML, xml("web1", devices=devices))
    asked(ask, domain)
    ask(domain.blockResize, "vda", 20 * MIB, 1)
    ask(domain.create)
    asked(ask, domain)
    for place, size, flags in (
        ("vda", 20 * MIB, 1),
        ("vda", 15 * 1024, 0),
        ("vda", 5 * MIB, 1),
        ("vda", 5 * MIB + 100, 1),
        (f"{FOLDER}/full", 20 * MIB, 1),
        ("vda", 20 * MIB, 2),
        ("vda", 20 * MIB, 8),
        ("vdb", 30 * 1024, 0),
        ("vdc", 30 * MIB, 1),
        ("vdc", 20 * MIB, 1),
        ("vdd", 30 * MIB, 1),
        ("hda", 30 * MIB, 1),
        ("hdb", 30 * MIB, 1),
        ("vdz", 30 * MIB, 1),
        (f"{FOLDER}/nosuch", 30 * MIB, 1),
        ("", 30 * MIB, 1),
        ("vdb", 0, 1),
        ("vdb", 2**54, 0),
        ("vdb", 2**50, 1),
        ("vdb", 2**62, 1),
    ):
        ask(domain.blockResize, place, size, flags)
        ask(domain.blockInfo, place)
    for name in ("full", "sparse", "own.qcow2", "over.qcow2"):
        found = ask(pool.storageVolLookupByName, name)
        ask(found.info)
        ask(found.infoFlags, 1)
    ask(pool.refresh, 0)
    for name in ("full", "sparse", "own.qcow2", "over.qcow2"):
        found = ask(pool.storageVolLookupByName, name)
        ask(found.info)
        ask(found.infoFlags, 1)
    reader = ask.connect(read_only=True)
    seen = ask(reader.lookupByName, "web1")
    ask(seen.blockInfo, "vda")
    ask(seen.blockPeek, "vda", 0, 4, 0)
    ask(seen.blockResize, "vda", 20 * MIB, 1)
    found = ask(pool.storageVolLookupByName, "full")
    ask(found.delete, 0)
    ask(domain.blockInfo, "vda")
    ask(domain.blockPeek, "vda", 0, 4, 0)
    ask(domain.blockResize, "vda", 30 * MIB, 1)
    ask(domain.destroy)
    ask(domain.create)
    ask(domain.blockInfo, "vda")
    ask(domain.state)


def asked(ask, domain):
    """Ask for what a domain's disks are and have."""
    for place in ("vda", f"{FOLDER}/full", "vdb", "vdc", "vdd", "hda", "hdb", "vdz", f"{FOLDER}/nosuch", ""):
        ask(domain.blockInfo, place)
    ask(domain.blockInfo, "vda", 1)
    for place, at, size, flags in (
        ("vda", 0, 16, 0),
        (f"{FOLDER}/full", 0, 16, 0),
        ("vda", 10 * MIB - 4, 16, 0),
        ("vda", 20 * MIB, 16, 0),
        ("vda", 0, 0, 0),
        ("vda", 0, 16, 1),
        ("vdc", 0, 16, 0),
        ("vdd", 0, 16, 0),
        ("hdb", 0, 16, 0),
        ("vdz", 0, 16, 0),
        (f"{FOLDER}/nosuch", 0, 16, 0),
    ):
        ask(domain.blockPeek, place, at, size, flags)
