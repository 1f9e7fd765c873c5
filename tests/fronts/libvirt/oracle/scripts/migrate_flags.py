"""Migrations with flags and parameters that don't go together, to no host, and of what can't move."""

import libvirt

from oracle.definitions import xml
from oracle.scripts.migrating import LIVE, P2P, PERSIST, both, cleared
from oracle.scripts.saves import FILE, text

AUTO = libvirt.VIR_MIGRATE_AUTO_CONVERGE
COMPRESSED = libvirt.VIR_MIGRATE_COMPRESSED
OFFLINE = libvirt.VIR_MIGRATE_OFFLINE | PERSIST
PARALLEL = libvirt.VIR_MIGRATE_PARALLEL
POSTCOPY = libvirt.VIR_MIGRATE_POSTCOPY
RESUME = libvirt.VIR_MIGRATE_POSTCOPY_RESUME
TUNNELLED = libvirt.VIR_MIGRATE_TUNNELLED
SYNCHRONOUS = 1 << 18
ZEROCOPY = 1 << 20

PLACES = (
    "qemu+xyz://node2/system", "node2", "test:///default", "unix:///system",
)  # fmt: skip

MEMORY = (
    "xyz://node2", "xyz:node2", "node2", "", "tcp:", "tcp://", "tcp://node2:abc", "rdma://node2",
)  # fmt: skip

TOGETHER = (
    ({}, TUNNELLED | POSTCOPY),
    ({}, TUNNELLED | PARALLEL),
    ({"migrate_uri": "tcp://node2"}, TUNNELLED),
    ({}, POSTCOPY | RESUME),
    ({}, RESUME),
    ({}, ZEROCOPY),
    ({}, ZEROCOPY | TUNNELLED),
    ({}, SYNCHRONOUS),
    ({"parallel.connections": 2}, 0),
    ({"parallel.connections": 0}, PARALLEL),
    ({"parallel.connections": 256}, PARALLEL),
    ({"parallel.connections": -1}, PARALLEL),
    ({"auto_converge.initial": 20}, 0),
    ({"auto_converge.increment": 20}, 0),
    ({"auto_converge.initial": 0}, AUTO),
    ({"auto_converge.initial": 100}, AUTO),
    ({"auto_converge.increment": 100}, AUTO),
    ({"compression": "nonsense"}, 0),
    ({"compression": "zlib"}, COMPRESSED | PARALLEL),
    ({"compression": ["xbzrle", "xbzrle"]}, COMPRESSED),
    ({"compression.mt.level": 1}, 0),
    ({"compression.mt.level": 1}, COMPRESSED),
    ({"compression.mt.threads": 1}, 0),
    ({"compression.mt.dthreads": 1}, 0),
    ({"compression": "xbzrle", "compression.mt.level": 1}, COMPRESSED),
    ({"compression": "mt", "compression.mt.level": 11}, COMPRESSED),
    ({"compression.xbzrle.cache": 1 << 26}, 0),
    ({"compression.xbzrle.cache": 1 << 26}, COMPRESSED),
    ({"compression": "xbzrle", "compression.xbzrle.cache": 5}, COMPRESSED),
    ({"compression.zlib.level": 1}, 0),
    ({"compression.zstd.level": 1}, 0),
    ({"migrate_disks_detect_zeroes": ["fda"]}, 0),
    ({"bandwidth.postcopy": 1 << 63}, POSTCOPY),
    ({"migrate_uri": ["tcp://127.0.0.1", "tcp://127.0.0.1"]}, 0),
)

WORKING = (
    ({"bandwidth": 1 << 63}, 0),
    ({"bandwidth.postcopy": 10}, 0),
    ({"parallel.connections": 2}, PARALLEL),
    ({"auto_converge.initial": 20}, AUTO),
    ({"compression": "mt", "compression.mt.level": 1}, 0),
    ({"tls.destination": "node2"}, 0),
)

SHARED = "<shmem name='shmem0'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>"
HOSTDEV = (
    "<hostdev mode='subsystem' type='pci' managed='yes'>"
    "<source><address domain='0' bus='0' slot='5' function='0'/></source></hostdev>"
)


def script(ask):
    source, target = both(ask)
    uri = ask.hosts["node2"].uri
    domain = begun(ask, source)
    for params, flags in WORKING:
        ask(domain.migrate3, target, params, LIVE | flags)
        cleared(ask, source, target)
        domain = begun(ask, source)
    elsewhere = (
        text(uri.replace("qemu+", "xen+"), "xen's"),
        text(uri.replace("/system", "/foo"), "another path"),
    )
    for each in (*PLACES, *elsewhere):
        ask(domain.migrateToURI3, each, {}, LIVE | P2P)
    for each in MEMORY:
        ask(domain.migrate3, target, {"migrate_uri": each}, LIVE)
        ask(domain.migrateToURI3, uri, {"migrate_uri": each}, LIVE | P2P)
    for flags in (POSTCOPY, POSTCOPY | OFFLINE, OFFLINE & ~PERSIST):
        ask(domain.migrateToURI3, uri, {}, P2P | flags)
    for params, flags in TOGETHER:
        ask(domain.migrateToURI3, uri, params, LIVE | P2P | flags)
        ask(target.listAllDomains)
    cleared(ask, source)
    blocked(ask, source, target)


def begun(ask, source, **given):
    """Let a domain run."""
    domain = ask(source.defineXML, xml("web1", **given))
    ask(domain.create)
    ask.await_guest("web1")
    return domain


def blocked(ask, source, target):
    """Try to move, and to save, what has a device that QEMU doesn't let go."""
    domain = begun(ask, source, devices=SHARED)
    ask(domain.migrate3, target, {}, LIVE)
    ask(domain.migrate3, target, {"destination_xml": xml("web2")}, LIVE)
    ask(domain.migrateToURI3, ask.hosts["node2"].uri, {}, LIVE | P2P)
    ask(domain.save, FILE)
    ask(domain.managedSave, 0)
    ask(domain.coreDump, "/var/lib/libvirt/images/web1.core", 0)
    ask(domain.coreDump, "/var/lib/libvirt/images/web1.core", libvirt.VIR_DUMP_MEMORY_ONLY)
    ask(domain.migrate3, target, {}, OFFLINE)
    cleared(ask, source, target)
    domain = ask(source.defineXML, xml("web1", devices=HOSTDEV))
    ask(domain.migrate3, target, {}, OFFLINE)
    cleared(ask, source, target)
