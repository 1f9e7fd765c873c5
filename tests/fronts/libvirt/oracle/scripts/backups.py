"""Backups: a disk's content at one moment, all of it or what was written since a checkpoint."""

from oracle.definitions import volume_xml
from oracle.scripts.checkpoints import checkpoint
from oracle.scripts.disks import FOLDER, chain, disk, domain_xml, fill, pool, volume


def backup(rest="", mode="push"):
    """Return a backup's definition."""
    return f"<domainbackup mode='{mode}'>{rest}</domainbackup>"


def target(name="vda", file="full", form="qcow2", more=""):
    """Return a disk of a backup."""
    return (
        f"<disk name='{name}' backup='yes' type='file'{more}><driver type='{form}'/>"
        f"<target file='{FOLDER}/{file}'/></disk>"
    )


def disks(*each):
    """Return the disks of a backup."""
    return f"<disks>{''.join(each)}<disk name='vdb' backup='no'/><disk name='fda' backup='no'/></disks>"


def seen(ask, domain):
    """Ask how far it is."""
    ask(domain.backupGetXMLDesc, 0)
    ask(domain.jobInfo)
    ask(domain.jobStats, 0)


def script(ask):
    connection = ask.connect(jobs=True, blocks=True)
    images = pool(ask, connection)
    volume(ask, images, "web1-raw", form="raw")
    chain(ask, connection, images, compat="1.1")
    domain = ask(connection.defineXML, domain_xml("web1", disk("web1.qcow2"), disk("web1-raw", "vdb", "raw")))
    ask(domain.backupBegin, backup(), None, 0)
    ask(domain.backupGetXMLDesc, 0)
    ask(domain.create)
    ask(domain.backupGetXMLDesc, 0)
    ask(domain.backupGetXMLDesc, 1)
    for text in (
        "<domainbackup>", "<x/>", backup(mode="x"), backup("<disks><disk name='vdx' backup='yes'/></disks>"),
        backup(disks("<disk name='vda' backup='x'/>")), backup(disks("<disk backup='yes'/>")),
        backup(disks("<disk name='vda' backup='no'/>")), backup(disks(target(more=" backupmode='x'"))),
        backup(disks(target(more=" backupmode='incremental'"))),
        backup("<incremental>nosuch</incremental>" + disks(target())),
        backup(disks(target(more=" incremental='nosuch' backupmode='incremental'"))),
        backup(disks(target(form="x"))), backup(disks(target("vdx"))),
        backup("<disks><disk name='vda'/><disk name='vda'/></disks>"),
        backup("<server transport='unix' socket='/x/y'/>" + disks(target())),
        backup(disks(target(), target("vdb", "second")).replace("<disk name='vdb' backup='no'/>", "")
               .replace("second'", "second' x='").replace("/second", "/full")),
        backup(disks(target(), target()).replace("<disk name='vdb' backup='no'/>", "")),
        backup("<server/>", "pull"), backup("<server transport='unix'/>", "pull"),
        backup("", "pull"),
    ):  # fmt: skip
        ask(domain.backupBegin, text, None, 0)
    ask(domain.backupBegin, backup(disks(target())), None, 2)
    ask(domain.backupBegin, backup(disks(target())), None, 1)
    ask(domain.backupBegin, backup(disks(target())), "<x/>", 0)
    ask(domain.backupBegin, backup(disks(target())), None, 0, until="job completed")
    seen(ask, domain)
    ask(domain.jobStats, 3)
    ask(domain.jobStats, 1)
    ask(domain.jobStats, 1)
    ask(images.refresh, 0)
    ask(ask(images.storageVolLookupByName, "full").XMLDesc, 0)
    ask(domain.backupBegin, backup(disks(target())), None, 0)
    ask(domain.backupBegin, backup(disks(target())), None, 1, until="job completed")
    ask(domain.backupBegin, backup(disks(target(file="raw", form="raw"))), checkpoint("c1"), 0)
    ask(domain.backupBegin, backup(disks(target(file="raw", form="raw"))), None, 0, until="job completed")
    ask(images.refresh, 0)
    ask(ask(images.storageVolLookupByName, "raw").XMLDesc, 0)
    vda = "<disks><disk name='vda'/></disks>"
    ask(domain.backupBegin, backup(disks(target(file="f1"))), checkpoint("c1", vda), 0, until="job completed")
    ask(domain.listAllCheckpoints, 0)
    ask(ask(domain.checkpointLookupByName, "c1", 0).getXMLDesc, 0)
    ask(
        domain.backupBegin,
        backup("<incremental>c1</incremental>" + disks(target(file="i1"))),
        checkpoint("c2", vda),
        0,
        until="job completed",
    )
    ask(domain.jobStats, 1)
    ask(images.refresh, 0)
    ask(ask(images.storageVolLookupByName, "i1").XMLDesc, 0)
    ask(
        domain.backupBegin,
        backup("<incremental>c1</incremental>" + disks(target(file="i2"))),
        checkpoint("c2", vda),
        0,
    )
    ask(domain.backupBegin, backup(disks("<disk name='vda' backup='yes'/>")), None, 0, until="job completed")
    ask(images.refresh, 0)
    ask(images.listVolumes)
    ask(
        domain.backupBegin,
        backup("<incremental>c1</incremental>" + f"<disks>{target('vdb', 'i3')}</disks>"),
        None,
        0,
    )
    ask(domain.backupBegin, backup("<disks></disks>"), None, 0, until="job completed")
    ask(domain.jobStats, 0)
    aborted(ask, connection, images)


def aborted(ask, connection, images):
    """Abort one, and let the domain end meanwhile."""
    node2 = ask.connect("node2")
    raw = ask(images.createXML, volume_xml("big", "128", rest="<allocation>0</allocation>"), 0)
    fill(connection, raw, size=128 * 2**20)
    domain = ask(connection.createXML, domain_xml("web2", disk("big", "vda", "raw")), 0)
    text = backup(f"<disks>{target(file='b1')}</disks>")
    ask(domain.backupBegin, text, None, 0, quiet=0)
    ask(domain.backupGetXMLDesc, 0, quiet=0)
    ask(domain.jobStats, 0, quiet=0)
    ask(domain.abortJob, until="block job 2")
    ask(domain.jobStats, 1)
    ask(domain.backupGetXMLDesc, 0)
    ask(domain.backupBegin, text.replace("/b1", "/b2"), None, 0, quiet=0)
    ask(domain.blockJobAbort, "vda", 0, until="block job 2")
    ask(domain.jobStats, 1)
    ask(domain.backupBegin, text.replace("/b1", "/b3"), None, 0, quiet=0)
    ask(domain.destroy, until="lifecycle stopped")
    ask(images.refresh, 0)
    ask(images.listVolumes)
    ask(node2.listAllDomains, 0)
