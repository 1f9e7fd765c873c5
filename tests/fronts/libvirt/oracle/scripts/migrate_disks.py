"""Migrations of domains with disks that the hosts don't share: refused, let pass, or with copies."""

import time

import libvirt

from oracle.definitions import pool_xml, volume_xml, xml
from oracle.scripts.domain_disks import FOLDER, QCOW2, SPARSE, disk, volume
from oracle.scripts.migrating import LIVE, P2P, PERSIST, UNDEFINE, both, cleared, looked_at, under_way

BUILD = libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD
ALL = libvirt.VIR_MIGRATE_NON_SHARED_DISK
INC = libvirt.VIR_MIGRATE_NON_SHARED_INC
UNSAFE = libvirt.VIR_MIGRATE_UNSAFE
OFFLINE = libvirt.VIR_MIGRATE_OFFLINE
TUNNELLED = libvirt.VIR_MIGRATE_TUNNELLED
BACKING = f"<backingStore><path>{FOLDER}/base.qcow2</path>{QCOW2}</backingStore>"


def script(ask):
    source, target = both(ask)
    pool = ask(source.storagePoolCreateXML, pool_xml("images"), BUILD)
    for text in (
        volume_xml("big", "64"),
        volume_xml("full", "4"),
        volume_xml("sparse", rest=SPARSE),
        volume_xml("base.qcow2", target=QCOW2),
        volume_xml("own.qcow2", target=QCOW2),
        volume_xml("over.qcow2", rest=BACKING, target=QCOW2),
        volume_xml("cd.iso", "1", target="<format type='iso'/>"),
    ):
        ask(pool.createXML, text, 0)
    nowhere(ask, source, target)
    there = ask(target.storagePoolDefineXML, pool_xml("images"), 0)
    ask(there.build, 0)
    once(ask, source, target, disk("full"), LIVE | ALL)
    ask(there.create, 0)
    refused(ask, source, target, there)
    copied(ask, source, target, there)
    half_way(ask, source, target, there)
    passed(ask, source, target, there)


def ready(ask, source, devices, name="web1"):
    """Give a domain with disks that runs."""
    domain = ask(source.defineXML, xml(name, devices=devices))
    ask(domain.create)
    return domain


def once(ask, source, target, devices, flags, ways=("led",), **params):
    """Migrate a domain, and end it wherever it is."""
    for way in ways:
        domain = ready(ask, source, devices)
        if way == "led":
            moved = ask(domain.migrate3, target, params, flags)
        else:
            ask(domain.migrateToURI3, ask.hosts["node2"].uri, params, flags | P2P)
            moved = None
        if moved:
            ask(moved.XMLDesc, 0)
        ended(ask, source, target)


def ended(ask, *connections):
    """Let the domain be nowhere, having looked at what its last migration was."""
    for connection in connections:
        for domain in connection.listAllDomains():
            ask(domain.jobStats, 1)
    for connection in connections:
        for domain in connection.listAllDomains():
            persistent = domain.isPersistent()
            if domain.isActive():
                ask(domain.destroy)
            if persistent:
                ask(domain.undefine)


def seen(ask, pool):
    """Look at what is in a pool, and empty it."""
    for name in sorted(pool.listVolumes()):
        found = ask(pool.storageVolLookupByName, name)
        ask(found.info)
        ask(found.infoFlags, 1)
        ask(found.XMLDesc, 0)
    for name in sorted(pool.listVolumes()):
        pool.storageVolLookupByName(name).delete(0)


def nowhere(ask, source, target):
    """Migrate to where there is no such pool."""
    once(ask, source, target, disk("full"), LIVE, ("led", "p2p"))
    once(ask, source, target, disk("full"), LIVE | ALL, ("led", "p2p"))
    once(ask, source, target, disk("own.qcow2", form="qcow2"), LIVE | INC)
    once(ask, source, target, volume("full"), LIVE | ALL)


def refused(ask, source, target, there):
    """Migrate domains whose disks can't come along."""
    for driver in (" cache='none'", " cache='directsync'", " cache='writeback'"):
        once(ask, source, target, disk("full", driver=driver), LIVE)
    for devices in (
        disk("full", rest="<readonly/>"),
        disk("full", rest="<shareable/>"),
        disk("cd.iso", device="cdrom", target="hda"),
        "<disk type='file' device='cdrom'><target dev='hda'/></disk>",
        volume("full"),
        disk("full") + disk("cd.iso", device="cdrom", target="hda"),
    ):
        once(ask, source, target, devices, LIVE)
    once(ask, source, target, disk("full"), 0)
    once(ask, source, target, disk("full"), LIVE | PERSIST | OFFLINE)
    once(ask, source, target, disk("full"), LIVE | PERSIST | OFFLINE | ALL)
    once(ask, source, target, disk("full"), LIVE | ALL | INC)
    once(ask, source, target, disk("full"), LIVE | ALL | TUNNELLED, ("p2p",))
    ask(there.listVolumes)
    once(ask, source, target, disk("full"), LIVE | TUNNELLED, ("p2p",))
    once(ask, source, target, disk("full"), LIVE, migrate_disks=["vda"])
    for flags in (LIVE | ALL, LIVE | ALL | UNSAFE):
        once(ask, source, target, disk("full"), flags, migrate_disks=["vdz"])
    two = disk("full") + disk("sparse", target="vdb")
    once(ask, source, target, two, LIVE | ALL, migrate_disks=["vdb"])
    once(ask, source, target, disk("full") + disk("cd.iso", device="cdrom", target="hda"), LIVE | ALL)
    ask(there.listVolumes)
    once(
        ask, source, target, disk("full") + disk("cd.iso", device="cdrom", target="hda"), LIVE | ALL,
        migrate_disks=["hda"],
    )  # fmt: skip
    once(ask, source, target, disk("over.qcow2", form="qcow2"), LIVE | INC)
    domain = ask(source.defineXML, xml("web1", devices=disk("full")))
    ask(domain.migrate3, target, {}, LIVE | PERSIST | OFFLINE | ALL)
    ask(domain.migrate3, target, {}, LIVE | PERSIST | OFFLINE)
    ended(ask, source, target)


def copied(ask, source, target, there):
    """Migrate domains with copies of their disks."""
    ask.watch_pools(target)
    for devices, flags, ways in (
        (disk("full"), LIVE | ALL, ("led", "p2p")),
        (disk("full"), ALL, ("led",)),
        (disk("full"), LIVE | INC, ("led",)),
        (disk("full"), LIVE | ALL | PERSIST | UNDEFINE, ("led",)),
        (disk("sparse"), LIVE | ALL, ("led",)),
        (disk("own.qcow2", form="qcow2"), LIVE | ALL, ("led",)),
        (disk("own.qcow2", form="qcow2"), LIVE | INC, ("led",)),
        (disk("over.qcow2", form="qcow2"), LIVE | ALL, ("led",)),
        (volume("full"), LIVE | ALL, ("led",)),
        (disk("full") + disk("sparse", target="vdb"), LIVE | ALL, ("led",)),
    ):
        once(ask, source, target, devices, flags, ways)
        seen(ask, there)
    two = disk("full") + disk("sparse", target="vdb")
    once(ask, source, target, two, LIVE | ALL | UNSAFE, migrate_disks=["vda"])
    seen(ask, there)
    once(ask, source, target, disk("full"), LIVE | ALL, migrate_disks=["vda"], disks_port=49260)
    seen(ask, there)
    ask(there.createXML, volume_xml("base.qcow2", target=QCOW2), 0)
    once(ask, source, target, disk("over.qcow2", form="qcow2"), LIVE | INC)
    ask(there.createXML, volume_xml("over.qcow2", rest=BACKING, target=QCOW2), 0)
    once(ask, source, target, disk("over.qcow2", form="qcow2"), LIVE | INC)
    once(ask, source, target, disk("over.qcow2", form="qcow2"), LIVE | ALL)
    seen(ask, there)
    for size in ("4", "2", "8"):
        ask(there.createXML, volume_xml("full", size), 0)
        once(ask, source, target, disk("full"), LIVE | ALL)
        seen(ask, there)


def half_way(ask, source, target, there):
    """Abort the copying of disks, or let it lose one of its ends."""
    for way in ("led", "p2p"):
        for what in (aborted, destroyed_here, destroyed_there, suspended):
            domain = ready(ask, source, disk("big"), "busy")
            ask.await_guest("busy")
            begun = under_way(ask, domain, target, way, LIVE | ALL, until="lifecycle started")
            while not domain.jobStats().get("disk_total"):  # it is prepared for alone
                time.sleep(0.01)
            ask(domain.jobStats)
            ask(domain.blockInfo, "vda")
            what(ask, domain, target)
            ask.end(begun, quiet=0.5)
            ask(there.listVolumes)
            looked_at(ask, source, target, name="busy")
            cleared(ask, source, target, name="busy")
            there.storageVolLookupByName("big").delete(0)


def aborted(ask, domain, _target):
    """Abort it."""
    ask(domain.abortJob, quiet=0.5)


def destroyed_here(ask, domain, _target):
    """Destroy the domain on the source."""
    ask(domain.destroy, quiet=0.5)


def destroyed_there(ask, _domain, target):
    """Destroy it on the target."""
    ask(target.lookupByName("busy").destroy, quiet=0.5)


def suspended(ask, domain, _target):
    """Suspend it, and let it come to its end."""
    ask(domain.suspend, quiet=0.5)
    domain.migrateSetMaxSpeed(4096, 0)


def passed(ask, source, target, there):
    """Let a migration pass that isn't safe."""
    ask(there.createXML, volume_xml("full", "4"), 0)
    once(ask, source, target, disk("full"), LIVE | UNSAFE, ("led", "p2p"))
    once(ask, source, target, disk("full", rest="<readonly/>"), LIVE)
    once(ask, source, target, disk("full", rest="<shareable/>"), LIVE)
    seen(ask, there)
