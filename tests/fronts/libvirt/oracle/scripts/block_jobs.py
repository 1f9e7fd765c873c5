"""Jobs of disks: what is beneath them is pulled up or committed, and they are copied."""

import libvirt

from oracle.scripts.disks import FOLDER, chain, disk, domain_xml, pool, volume

PIVOT = libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT
ASYNC = libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC
ACTIVE = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
REUSE = libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT
SHALLOW = libvirt.VIR_DOMAIN_BLOCK_COPY_SHALLOW
TRANSIENT = libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
SLOW = 1
"""MiB a second."""


def script(ask):
    connection = ask.connect(blocks=True)
    images = pool(ask, connection)
    refused(ask, connection, images)
    pulled(ask, connection, images)
    committed(ask, connection, images)
    copied(ask, connection, images)
    ended(ask, connection, images)


def seen(ask, domain, disk="vda"):
    """Ask for what is left to see of a job."""
    ask(domain.blockJobInfo, disk, 0)
    ask(domain.XMLDesc, 0)
    ask(domain.XMLDesc, 2)


def started(ask, connection, images, name, *, defines=True):
    """Start a domain with a chain of three volumes."""
    given = domain_xml(name, disk(chain(ask, connection, images, name)))
    if not defines:
        return ask(connection.createXML, given, 0)
    domain = ask(connection.defineXML, given)
    ask(domain.create)
    return domain


def refused(ask, connection, images):
    """Ask for what isn't there, or isn't running."""
    given = domain_xml("off", disk(chain(ask, connection, images, "off")), disk("off-raw", "vdb", "raw"))
    volume(ask, images, "off-raw", form="raw")
    domain = ask(connection.defineXML, given)
    for running in (False, True):
        if running:
            ask(domain.create)
            ask(domain.XMLDesc, 0)
        for disk_name in ("vda", "vdx", f"{FOLDER}/off.qcow2", f"{FOLDER}/off-mid.qcow2"):
            ask(domain.blockJobInfo, disk_name, 0)
            ask(domain.blockJobInfo, disk_name, 1)
            ask(domain.blockJobInfo, disk_name, 2)
            for flags in (0, ASYNC, PIVOT, 4):
                ask(domain.blockJobAbort, disk_name, flags)
            ask(domain.blockJobSetSpeed, disk_name, 1, 0)
            ask(domain.blockJobSetSpeed, disk_name, 1, 1)
            ask(domain.blockJobSetSpeed, disk_name, 1, 2)
        for disk_name in ("vdx", "fda", "vdb") if running else ("vda", "vdx"):
            ask(domain.blockPull, disk_name, 0, 0)
            ask(domain.blockCommit, disk_name, None, None, 0, 0)
            ask(domain.blockRebase, disk_name, None, 0, 0)
            ask(domain.blockRebase, disk_name, None, 0, 1)
            ask(domain.blockRebase, disk_name, f"{FOLDER}/nosuch", 0, 8 | REUSE)
            ask(domain.blockCopy, disk_name, f"<disk type='file'><source file='{FOLDER}/n/n'/></disk>", {}, 0)
        ask(domain.XMLDesc, 8)
        ask(domain.blockPull, "vda", 0, 2)
        ask(domain.blockPull, "vda", 2**62, 0)
        ask(domain.blockRebase, "vda", f"{FOLDER}/nosuch", 0, 0)
        ask(domain.blockRebase, "vda", "vda[9]", 0, 0)
        ask(domain.blockRebase, "vda", "vdb[1]", 0, 0)
        ask(domain.blockRebase, "vda", "vda[0]", 0, 0)
        for flags in (1, 2, 4, 8 | 1, 8 | 32, 16):
            ask(domain.blockRebase, "vda", None, 0, flags)
        for flags in (0, 1, 2, 4, 8, 16, 32):
            ask(domain.blockCommit, "vda", f"{FOLDER}/nosuch", None, 0, flags)
        for base, top, flags in (
            (None, None, 0), (None, f"{FOLDER}/nosuch", 0), (None, "vda[9]", 0), ("vda[4]", "vda[5]", 0),
            ("vda[4]", "vda[4]", 0), (None, "vda[5]", 0), ("vda", None, ACTIVE), ("vda[5]", None, ACTIVE | 1),
            ("vda[2]", None, ACTIVE | 1), (None, "vda[2]", 0), (None, "vda", 8), ("vda[5]", "vda[4]", ACTIVE),
            ("vda[5]", "vda[4]", 8), ("vda[5]", None, 8),
        ) if running else ((None, None, 0),):  # fmt: skip
            ask(domain.blockCommit, "vda", base, top, 0, flags)
        there = f"<disk type='file'><source file='{FOLDER}/copy'/><driver type='qcow2'/></disk>"
        ask(domain.blockCopy, "vda", there, {}, 8)
        ask(domain.blockCopy, "vda", "<disk>", {}, 0)
        ask(domain.blockCopy, "vda", "<volume/>", {}, 0)
        ask(domain.blockCopy, "vda", "<disk/>", {}, 0)
        ask(domain.blockCopy, "vda", "<disk type='file'/>", {}, 0)
        ask(domain.blockCopy, "vda", there, {"bandwidth": 1, "granularity": 3}, 0)
        ask(domain.blockCopy, "vda", there, {"granularity": 2**30}, 0)
        ask(domain.blockCopy, "vda", there, {"buf-size": 2**40}, 0)
        ask(domain.blockCopy, "vda", there, {}, REUSE)
        if running:
            same = f"<disk type='file'><source file='{FOLDER}/off.qcow2'/><driver type='qcow2'/></disk>"
            ask(domain.blockCopy, "vda", same, {}, 0)
    ask(domain.destroy)
    ask(domain.undefine)


def pulled(ask, connection, images):
    """Pull up what is beneath."""
    domain = started(ask, connection, images, "pull1")
    ask(domain.blockPull, "vda", SLOW, 0)
    seen(ask, domain)
    ask(domain.blockJobInfo, "vda", 1)
    ask(domain.blockPull, "vda", 0, 0)
    ask(domain.blockCommit, "vda", None, None, 0, ACTIVE)
    ask(domain.blockJobAbort, "vda", PIVOT)
    ask(domain.blockJobSetSpeed, "vda", 2, 0)
    ask(domain.blockJobInfo, "vda", 1)
    ask(domain.blockJobInfo, "vda", 0)
    ask(domain.blockJobSetSpeed, "vda", 2**20, 1)
    ask(domain.blockJobAbort, "vda", 0, until="block job 2")
    seen(ask, domain)
    ask(domain.blockPull, "vda", SLOW, 0)
    ask(domain.blockJobAbort, "vda", ASYNC, until="block job 2")
    seen(ask, domain)
    ask(domain.blockRebase, "vda", "vda[4]", 0, 0, until="block job 2")
    seen(ask, domain)
    ask(domain.blockPull, "vda", 0, 0, until="block job 2")
    seen(ask, domain)
    ask(images.refresh, 0)
    ask(ask(images.storageVolLookupByName, "pull1.qcow2").XMLDesc, 0)
    ask(domain.blockPull, "vda", 0, 0, until="block job 2")
    ask(domain.destroy)
    ask(domain.XMLDesc, 0)
    ask(domain.undefine)
    domain = started(ask, connection, images, "pull2")
    ask(domain.blockRebase, "vda", f"{FOLDER}/pull2-mid.qcow2", 0, 0)
    ask(domain.blockRebase, "vda", f"{FOLDER}/pull2-base", 0, 16, until="block job 2")
    seen(ask, domain)
    ask(domain.suspend)
    ask(domain.blockPull, "vda", 0, 0, until="block job 2")
    ask(domain.destroy)


def committed(ask, connection, images):
    """Commit what is above to what is beneath."""
    domain = started(ask, connection, images, "commit1")
    ask(domain.blockCommit, "vda", None, "vda[1]", 0, 0)
    ask(domain.blockCommit, "vda", None, "vda[3]", 0, 0, until="block job 2")
    seen(ask, domain)
    ask(domain.blockCommit, "vda", None, None, 0, ACTIVE, until="block job 2")
    seen(ask, domain)
    ask(domain.blockCommit, "vda", None, None, 0, ACTIVE)
    ask(domain.blockJobAbort, "vda", 0, until="block job 2")
    seen(ask, domain)
    ask(domain.blockCommit, "vda", None, None, 0, ACTIVE, until="block job 2")
    ask(domain.blockJobAbort, "vda", PIVOT, until="block job 2")
    seen(ask, domain)
    ask(images.refresh, 0)
    ask(ask(images.storageVolLookupByName, "commit1-base").XMLDesc, 0)
    ask(domain.blockCommit, "vda", None, None, 0, ACTIVE)
    ask(domain.destroy)
    ask(domain.create)
    ask(domain.XMLDesc, 0)
    ask(domain.destroy)
    domain = started(ask, connection, images, "commit2", defines=False)
    ask(domain.blockCommit, "vda", "vda[3]", None, 0, ACTIVE, until="block job 2")
    seen(ask, domain)
    ask(domain.blockJobAbort, "vda", PIVOT | ASYNC, until="block job 2")
    seen(ask, domain)
    ask(domain.blockCommit, "vda", f"{FOLDER}/commit2-base", None, 0, ACTIVE, until="block job 2")
    ask(domain.blockJobAbort, "vda", PIVOT, until="block job 2")
    seen(ask, domain)
    ask(domain.destroy)
    domain = started(ask, connection, images, "commit3")
    ask(domain.blockCommit, "vda", None, "vda[3]", 0, 2, until="block job 2")
    seen(ask, domain)
    ask(images.refresh, 0)
    ask(images.listVolumes)
    ask(domain.blockCommit, "vda", None, None, 0, ACTIVE | 2, until="block job 2")
    ask(domain.blockJobAbort, "vda", PIVOT, until="block job 2")
    ask(images.refresh, 0)
    ask(images.listVolumes)
    ask(domain.destroy)
    domain = started(ask, connection, images, "commit4")
    ask(domain.blockCommit, "vda", "vda[3]", None, 0, ACTIVE | 8)
    ask(domain.blockCommit, "vda", None, None, 0, 8 | 1)
    ask(domain.blockCommit, "vda", None, None, 1, ACTIVE | 16, until="block job 2")
    ask(domain.blockJobInfo, "vda", 1)
    ask(domain.destroy)


def copied(ask, connection, images):
    """Copy disks."""
    domain = started(ask, connection, images, "copy1", defines=False)
    there = f"<disk type='file'><source file='{FOLDER}/copy1-copy'/><driver type='qcow2'/></disk>"
    ask(domain.blockCopy, "vda", there, {}, REUSE | TRANSIENT)
    ask(domain.blockCopy, "vda", there.replace("type='qcow2'", "type='x'"), {}, TRANSIENT)
    ask(domain.blockCopy, "vda", there.replace("type='file'", "type='x'"), {}, TRANSIENT)
    ask(domain.blockCopy, "vda", there, {"bandwidth": 2**20}, TRANSIENT)
    seen(ask, domain)
    ask(domain.blockJobAbort, "vda", PIVOT)
    ask(domain.blockCopy, "vda", there, {}, 0)
    ask(domain.blockJobAbort, "vda", 0, until="block job 2")
    seen(ask, domain)
    ask(domain.blockCopy, "vda", there, {}, 0, until="block job 2")
    ask(images.refresh, 0)
    ask(images.listVolumes)
    ask(
        domain.blockCopy,
        "vda",
        there,
        {"granularity": 65536, "buf-size": 2**20, "bandwidth": 0},
        REUSE,
        until="block job 2",
    )
    seen(ask, domain)
    ask(domain.blockJobSetSpeed, "vda", 1, 0)
    ask(domain.blockJobInfo, "vda", 1)
    ask(domain.blockJobAbort, "vda", 0, until="block job 2")
    seen(ask, domain)
    ask(domain.blockCopy, "vda", there, {}, REUSE, until="block job 2")
    ask(domain.blockJobAbort, "vda", PIVOT, until="block job 2")
    seen(ask, domain)
    ask(images.refresh, 0)
    ask(ask(images.storageVolLookupByName, "copy1-copy").XMLDesc, 0)
    again = f"<disk type='file'><source file='{FOLDER}/copy1-raw'/></disk>"
    ask(domain.blockCopy, "vda", again, {}, 0, until="block job 2")
    seen(ask, domain)
    ask(domain.blockJobAbort, "vda", PIVOT | ASYNC, until="block job 2")
    seen(ask, domain)
    ask(images.refresh, 0)
    ask(ask(images.storageVolLookupByName, "copy1-raw").XMLDesc, 0)
    ask(domain.destroy)
    domain = started(ask, connection, images, "copy2")
    flags = libvirt.VIR_DOMAIN_BLOCK_REBASE_COPY | libvirt.VIR_DOMAIN_BLOCK_REBASE_SHALLOW
    ask(domain.blockRebase, "vda", f"{FOLDER}/copy2-copy", 0, flags)
    there = f"<disk type='file'><source file='{FOLDER}/copy2-copy'/></disk>"
    ask(domain.blockCopy, "vda", there, {}, SHALLOW | TRANSIENT, until="block job 2")
    seen(ask, domain)
    ask(domain.blockJobAbort, "vda", PIVOT, until="block job 2")
    seen(ask, domain)
    ask(images.refresh, 0)
    ask(ask(images.storageVolLookupByName, "copy2-copy").XMLDesc, 0)
    ask(domain.destroy)
    ask(domain.XMLDesc, 0)


def ended(ask, connection, images):
    """Let a domain end in the middle of its job, and do something else meanwhile."""
    ask.connect("node2")
    there = ask.hosts["node2"].uri
    domain = started(ask, connection, images, "end1")
    copy = f"<disk type='file'><source file='{FOLDER}/end1-copy'/></disk>"
    ask(domain.blockCopy, "vda", copy, {"bandwidth": 2**20}, TRANSIENT)
    ask(domain.migrateToURI3, there, {"migrate_uri": "tcp://127.0.0.1"}, 3)
    ask(domain.undefine)
    ask(domain.destroy, until="lifecycle stopped")
    ask(domain.blockJobInfo, "vda", 0)
    domain = started(ask, connection, images, "end2")
    ask(domain.blockPull, "vda", SLOW, 0)
    ask(domain.migrateToURI3, there, {"migrate_uri": "tcp://127.0.0.1"}, 3)
    ask.kill("end2")
    ask(domain.create)
    ask(domain.XMLDesc, 0)
    ask(domain.blockCommit, "vda", None, None, SLOW, ACTIVE)
    ask(domain.XMLDesc, 0)
    ask.kill("end2")
