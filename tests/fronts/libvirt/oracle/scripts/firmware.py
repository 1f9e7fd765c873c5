"""Domains with UEFI: their variables are made, kept and forgotten."""

import libvirt

from oracle.definitions import IMAGES, changed, disk_xml, pool_xml, snapshot_xml, volume_xml, xml

TYPE = "<type arch='x86_64' machine='pc'>hvm</type>"
CODE = f"<loader readonly='yes' type='pflash'>{IMAGES}/code.fd</loader>"
VARIABLES = f"<nvram template='{IMAGES}/vars.fd'/>"
FOUND = "<os firmware='efi'>"

NVRAM = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
KEEP = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
SAVED = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
SNAPSHOTS = libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA

WRITTEN = [
    f"<loader type='pflash'>{IMAGES}/code.fd</loader>",
    f"<loader readonly='no' type='pflash'>{IMAGES}/code.fd</loader>",
    "<loader>/x</loader>", "<loader readonly='yes'>/x</loader>", "<loader type='rom'>/x</loader>",
    "<loader type='rom'>/x</loader><nvram>/y</nvram>",
    f"{CODE}<nvram>/y</nvram>", f"{CODE}<nvram type='file'><source file='/y'/></nvram>",
    f"{CODE}<nvram/>", "<nvram>/y</nvram>", "<loader readonly='yes' type='pflash'/>", "<loader/>",
    "<loader type='odd'>/x</loader>", "<loader readonly='odd'>/x</loader>",
    "<loader secure='odd'>/x</loader>", "<loader stateless='odd'>/x</loader>",
    "<loader readonly='yes' type='pflash' stateless='yes'>/x</loader>",
    "<loader readonly='yes' type='pflash' secure='no'>/x</loader>",
    "<loader readonly='yes' type='pflash' secure='yes'>/x</loader>",
]  # fmt: skip
FINDING = [
    "", "<nvram>/y</nvram>", "<loader secure='no'/>", "<loader type='pflash'/>", "<loader readonly='no'/>",
    "<loader readonly='yes' type='pflash'>/x</loader>", "<loader>/x</loader>",
    "<firmware><feature enabled='no' name='secure-boot'/></firmware>",
]  # fmt: skip


def uefi_xml(name, said=CODE + VARIABLES, devices=""):
    """Return the definition of a domain that says this of its firmware."""
    return changed(xml(name, devices=devices), TYPE, TYPE + said)


def script(ask):
    connection = ask.connect()
    other = ask.connect("node2")
    for host in (connection, other):
        pool = ask(host.storagePoolCreateXML, pool_xml("images", path=IMAGES), 0)
        for name in ("code.fd", "vars.fd", "mine.fd"):
            ask(pool.createXML, volume_xml(name, "1"), 0)
    written(ask, connection)
    domain = ask(connection.defineXML, uefi_xml("web1"))
    ask(domain.undefine)  # it has never run
    domain = ask(connection.defineXML, uefi_xml("web1"))
    ask(domain.create)
    ask(domain.XMLDesc, 0)
    for flags in (0, SAVED, NVRAM | KEEP):
        ask(domain.undefineFlags, flags)
    ask(domain.managedSave)
    for flags in (0, NVRAM, SAVED):
        ask(domain.undefineFlags, flags)
    ask(domain.hasManagedSaveImage)
    ask(domain.undefineFlags, KEEP)
    domain = ask(connection.defineXML, uefi_xml("web1"))
    ask(domain.rename, "web2")
    ask(domain.XMLDesc, 0)
    ask(domain.undefine)
    ask(domain.undefineFlags, NVRAM)
    mine = uefi_xml("web1", f"{CODE}<nvram>{IMAGES}/mine.fd</nvram>")
    domain = ask(connection.defineXML, mine)
    ask(domain.undefine)
    ask(domain.create)
    ask(domain.destroy)
    ask(domain.undefineFlags, NVRAM)
    ask(ask(connection.storagePoolLookupByName, "images").refresh, 0)
    ask(ask(connection.storagePoolLookupByName, "images").listVolumes)
    snapshots(ask, connection)
    migrating(ask, connection, other)


def written(ask, connection):
    """Ask for what is written of firmware, and whether it starts."""
    q35 = changed(uefi_xml("web1", WRITTEN[-1]), "machine='pc'", "machine='q35'")
    without_acpi = [changed(each, "<acpi/>", "") for each in (
        uefi_xml("web1"), uefi_xml("web1", WRITTEN[0]), changed(xml("web1"), "<os>", FOUND),
        uefi_xml("web1", "<loader type='rom'>/x</loader>"),
    )]  # fmt: skip
    definitions = [
        *(uefi_xml("web1", each) for each in (*WRITTEN, CODE)),
        *(changed(uefi_xml("web1", each), "<os>", FOUND) for each in FINDING),
        *(changed(xml("web1"), "<os>", f"<os firmware='{each}'>") for each in ("bios", "x")),
        q35, *without_acpi,
    ]  # fmt: skip
    for definition in definitions:
        domain = ask(connection.defineXML, definition)
        if domain is None:
            continue
        ask(domain.XMLDesc, 0)
        if "/x" not in definition and "rom" not in definition:
            ask(domain.create)
            if domain.isActive():
                ask(domain.destroy)
        ask(domain.undefineFlags, NVRAM)


def snapshots(ask, connection):
    """Ask for snapshots inside a disk, and beside it."""
    pool = ask(connection.storagePoolLookupByName, "images")
    ask(pool.createXML, volume_xml("d.qcow2", target="<format type='qcow2'/>"), 0)
    disk = disk_xml("vda", "virtio", "d.qcow2", driver="type='qcow2'")
    domain = ask(connection.defineXML, uefi_xml("web1", devices=disk))
    ask(domain.snapshotCreateXML, snapshot_xml("inside"), 0)
    ask(domain.create)
    ask(domain.snapshotCreateXML, snapshot_xml("inside"), 0)
    ask(domain.snapshotCreateXML, snapshot_xml("beside"), libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
    ask(domain.destroy)
    for flags in (0, SNAPSHOTS, NVRAM, SNAPSHOTS | NVRAM):
        ask(domain.undefineFlags, flags)


def migrating(ask, connection, other):
    """Ask for migrations: each host keeps variables of its own."""
    parameters = {"migrate_uri": "tcp://127.0.0.1", "listen_address": "127.0.0.1"}
    domain = ask(connection.defineXML, uefi_xml("web1"))
    ask(domain.create)
    flags = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PERSIST_DEST
    moved = ask(domain.migrate3, other, parameters, flags)
    for each in (domain, moved):
        ask(each.undefine)
    ask(moved.destroy)
    for each in (domain, moved):
        ask(each.undefineFlags, NVRAM)
