"""Volumes of storage pools: made, asked, cloned, resized, wiped, deleted."""

import libvirt

from oracle.definitions import pool_xml, volume_xml

BUILD = libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD
FOLDER = "/var/lib/libvirt/images/images"
QCOW2 = "<format type='qcow2'/>"
BASE = f"<backingStore><path>{FOLDER}/base.qcow2</path><format type='qcow2'/></backingStore>"

MADE = [
    (volume_xml("full"), 0),
    (volume_xml("sparse", rest="<allocation>0</allocation>"), 0),
    (volume_xml("part", rest="<allocation unit='MiB'>5</allocation>"), 0),
    (volume_xml("more", rest="<allocation unit='MiB'>20</allocation>"), 0),
    (volume_xml("zero", "0"), 0),
    (volume_xml("base.qcow2", target=QCOW2), 0),
    (volume_xml("all.qcow2", target=QCOW2), 1),
    (volume_xml("tables.qcow2", rest="<allocation>0</allocation>", target=QCOW2), 1),
    (
        volume_xml("lazy.qcow2", target=f"{QCOW2}<compat>1.1</compat><features><lazy_refcounts/></features>"),
        0,
    ),
    (volume_xml("over.qcow2", rest=BASE, target=QCOW2), 0),
    (volume_xml("over2.qcow2", None, rest=BASE, target=QCOW2), 0),
    (volume_xml("bad.qcow2", rest=BASE.replace("base", "nosuch"), target=QCOW2), 0),
    (volume_xml("bad.qcow2", rest=BASE.replace("type='qcow2'", "type='x'"), target=QCOW2), 0),
    (volume_xml("bad", rest=BASE), 0),
    (
        volume_xml(
            "mine",
            target="<permissions><mode>0644</mode><owner>1</owner><group>2</group></permissions>",
        ),
        0,
    ),
    (volume_xml("bad", target="<permissions><mode>999</mode></permissions>"), 0),
    (volume_xml("cd.iso", target="<format type='iso'/>"), 0),
    (volume_xml("folder", target="<format type='dir'/>"), 0),
    (volume_xml("none", target="<format type='none'/>"), 0),
    (volume_xml("elsewhere", target="<path>/etc/passwd</path>", rest="<key>abc</key>"), 0),
    (volume_xml("full"), 0),
    (volume_xml("bad", target="<format type='x'/>"), 0),
    (volume_xml("bad", target="<format type='bochs'/>"), 0),
    (volume_xml("bad", None), 0),
    (volume_xml("bad", "x"), 0),
    (volume_xml("bad", "-5"), 0),
    (volume_xml("bad", str(2**40)), 0),
    (volume_xml("bad", str(2**50)), 0),
    (volume_xml("bad", rest="<allocation>x</allocation>"), 0),
    (volume_xml("bad", target=f"{QCOW2}<compat>x</compat>"), 0),
    (volume_xml("bad", target=f"{QCOW2}<encryption format='luks'/>"), 0),
    (volume_xml("bad"), 1),
    (volume_xml("bad", target="<format type='vmdk'/>"), 1),
    (volume_xml("bad"), 2),
    (volume_xml("bad"), 64),
    (volume_xml("a/b"), 0),
    ("<volume>", 0),
    ("<disk/>", 0),
    ("<volume><capacity>1</capacity></volume>", 0),
    ("<volume><name>bad</name><capacity unit='parsec'>1</capacity></volume>", 0),
]


def asked(ask, volume):
    """Ask all that a volume can be asked without changing it."""
    for method in (volume.info, volume.path, volume.key, volume.name, volume.storagePoolLookupByVolume):
        ask(method)
    ask(volume.infoFlags, 1)
    ask(volume.XMLDesc, 0)


def script(ask):
    connection = ask.connect()
    ask.watch_pools(connection)
    pool = ask(connection.storagePoolCreateXML, pool_xml("images"), BUILD)
    for text, flags in MADE:
        if volume := ask(pool.createXML, text, flags):
            asked(ask, volume)
    ask(pool.listVolumes)
    ask(pool.listAllVolumes)
    ask(pool.numOfVolumes)
    other = ask(connection.storagePoolDefineXML, pool_xml("other"), 0)
    cloned(ask, pool, other)
    resized(ask, pool)
    wiped(ask, pool)
    full = ask(connection.storageVolLookupByPath, f"{FOLDER}/full")
    for flags in (1, 2, 4, 9):
        ask(full.delete, flags)
    ask(full.infoFlags, 4)
    ask(full.XMLDesc, 1)
    ask(pool.refresh, 0)
    for name in ("base.qcow2", "lazy.qcow2", "over.qcow2", "folder", "part", "zero"):
        asked(ask, ask(pool.storageVolLookupByName, name))
    for find in (connection.storageVolLookupByPath, connection.storageVolLookupByKey):
        for path in (f"{FOLDER}/full", f"{FOLDER}//full", f"{FOLDER}/nosuch", "/nosuch", FOLDER):
            ask(find, path)
    ask(full.delete, 0)
    gone(ask, full)
    ask(pool.storageVolLookupByName, "full")
    part = ask(pool.storageVolLookupByName, "part")
    reader = ask.connect(read_only=True)
    asked(ask, ask(reader.storageVolLookupByPath, f"{FOLDER}/part"))
    ask(ask(reader.storageVolLookupByPath, f"{FOLDER}/part").delete, 0)
    ask(pool.destroy)
    gone(ask, part)
    ask(connection.storageVolLookupByPath, f"{FOLDER}/part")


def gone(ask, volume):
    """Ask for what is no more."""
    asked(ask, volume)
    ask(volume.resize, 1, 0)
    ask(volume.wipe, 0)
    ask(volume.delete, 0)


def cloned(ask, pool, other):
    """Make volumes of others."""
    for number, (text, source, flags) in enumerate([
        (volume_xml("c0"), "base.qcow2", 0),
        (volume_xml("c1", target=QCOW2), "base.qcow2", 0),
        (volume_xml("c2", None), "part", 0),
        (volume_xml("c3", "1"), "part", 0),
        (volume_xml("c4", rest="<allocation>0</allocation>"), "sparse", 0),
        (volume_xml("c5", "30"), "part", 0),
        (volume_xml("c6", "30", target=QCOW2), "part", 0),
        (volume_xml("c7"), "base.qcow2", 1),
        (volume_xml("c7"), "part", 1),
        (volume_xml("c7", target=QCOW2), "part", 2),
        (volume_xml("c7"), "part", 8),
        (volume_xml("full"), "part", 0),
        (volume_xml("c/7"), "part", 0),
        (volume_xml("c7", "x"), "part", 0),
    ]):  # fmt: skip
        found = pool.storageVolLookupByName(source)
        if volume := ask(pool.createXMLFrom, text, found, flags):
            asked(ask, volume)
        if not number:
            ask(other.createXMLFrom, text, found, 0)
            ask(other.create, BUILD)
            asked(ask, ask(other.createXMLFrom, text, found, 0))
            from_other = ask(other.storageVolLookupByName, "c0")
            ask(other.destroy)
            ask(pool.createXMLFrom, volume_xml("c8"), from_other, 0)
            ask(from_other.storagePoolLookupByVolume)


def resized(ask, pool):
    """Give volumes other sizes."""
    mib = 2**20
    for name, steps in {
        "full": [(5, 0), (5, 4), (20, 0), (15, 4), (5, 2), (30, 1), (2**42, 0), (2**42, 1), (0, 0)],
        "part": [(10, 0), (12, 0), (4, 4), (6, 4), (1, 6), (99, 6), (2, 3), (1, 32)],
        "base.qcow2": [(20, 0), (5, 0), (5, 4), (30, 1), (1, 6), (1, 2), (0, 4)],
    }.items():
        volume = ask(pool.storageVolLookupByName, name)
        for size, flags in steps:
            ask(volume.resize, size * mib, flags)
            ask(volume.info)
            ask(volume.infoFlags, 1)


def wiped(ask, pool):
    """Overwrite volumes."""
    for name in ("full", "part", "sparse", "over2.qcow2", "all.qcow2", "cd.iso"):
        volume = ask(pool.storageVolLookupByName, name)
        ask(volume.wipe, 0)
        asked(ask, volume)
    full = ask(pool.storageVolLookupByName, "full")
    ask(full.wipe, 1)
    for algorithm in (0, 1, 8, 9, 10, 99):
        ask(full.wipePattern, algorithm, 0)
    ask(full.info)
    ask(ask(pool.storageVolLookupByName, "folder").wipe, 0)
