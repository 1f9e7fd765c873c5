"""Checkpoints: from which on a host knows what a guest has written."""

import libvirt

from oracle.scripts.disks import chain, disk, domain_xml, pool, volume

REDEFINE = libvirt.VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE
CHILDREN = libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN
METADATA_ONLY = libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY
CHILDREN_ONLY = libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN_ONLY


def checkpoint(name, rest=""):
    """Return a checkpoint's definition."""
    return f"<domaincheckpoint><name>{name}</name>{rest}</domaincheckpoint>"


VDA = "<disks><disk name='vda'/><disk name='vdb' checkpoint='no'/></disks>"


def asked(ask, made):
    """Ask all that a checkpoint can be asked."""
    for flags in (0, 1, 2, 4, 8):
        ask(made.getXMLDesc, flags)
    ask(made.getName)
    if parent := ask(made.getParent, 0):
        ask(parent.getName)
    ask(made.getParent, 1)
    for flags in (0, 1, 2, 4, 8, 16, 3, 64):
        ask(made.listAllChildren, flags)


def listed(ask, domain):
    """List all of a domain's checkpoints in all ways."""
    for flags in (0, 1, 2, 4, 8, 16, 12, 64):
        ask(domain.listAllCheckpoints, flags)


WRONG = [
    ("<domaincheckpoint>", 0), ("<x/>", 0), (checkpoint("c/1", VDA), 0), (checkpoint("", VDA), 0),
    (checkpoint("c0", "<disks><disk name='vdx'/></disks>"), 0),
    (checkpoint("c0", "<disks><disk/></disks>"), 0),
    (checkpoint("c0", "<disks><disk name='vda'/><disk name='vda'/></disks>"), 0),
    (checkpoint("c0", "<disks><disk name='vda' checkpoint='x'/></disks>"), 0),
    (checkpoint("c0", "<disks><disk name='vda' bitmap='b'/><disk name='vdb' bitmap='b'/></disks>"), 0),
    (checkpoint("c0", "<disks><disk name='vdb' checkpoint='bitmap'/></disks>"), 0),
    (checkpoint("c0", VDA), 8), (checkpoint("c0", VDA), 2), (checkpoint("c0", VDA), REDEFINE),
    (checkpoint("c0", VDA), REDEFINE | 2), (checkpoint("c0", VDA), 4),
]  # fmt: skip


def script(ask):
    connection = ask.connect()
    images = pool(ask, connection)
    volume(ask, images, "web1-raw", form="raw")
    chain(ask, connection, images, compat="1.1")
    domain = ask(connection.defineXML, domain_xml("web1", disk("web1.qcow2"), disk("web1-raw", "vdb", "raw")))
    ask(domain.checkpointCreateXML, checkpoint("c1"), 0)
    listed(ask, domain)
    ask(domain.checkpointLookupByName, "c1", 0)
    ask(domain.create)
    ask(domain.checkpointCreateXML, checkpoint("c1"), 0)
    for text, flags in WRONG:
        ask(domain.checkpointCreateXML, text, flags)
    first = ask(domain.checkpointCreateXML, checkpoint("c1", f"<description>first</description>{VDA}"), 0)
    asked(ask, first)
    listed(ask, domain)
    ask(domain.XMLDesc, 0)
    ask(domain.checkpointCreateXML, checkpoint("c1", VDA), 0)
    second = ask(domain.checkpointCreateXML, checkpoint("c2", VDA.replace("'vda'", "'vda' bitmap='c2'")), 0)
    third = ask(domain.checkpointCreateXML, checkpoint("c3", VDA), 0)
    for made in (first, second, third):
        asked(ask, made)
    listed(ask, domain)
    for name in ("c1", "c2", "nosuch"):
        ask(domain.checkpointLookupByName, name, 0)
    ask(domain.checkpointLookupByName, "c1", 1)
    ask(connection.listAllDomains, libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT)
    ask(connection.listAllDomains, libvirt.VIR_CONNECT_LIST_DOMAINS_NO_CHECKPOINT)
    ended(ask, domain, first, second, third)
    undefined(ask, domain)
    chain(ask, connection, images, "old")
    old = ask(connection.createXML, domain_xml("old", disk("old.qcow2")), 0)
    ask(old.checkpointCreateXML, checkpoint("c1"), 0)


def ended(ask, domain, first, second, third):
    """Delete checkpoints."""
    ask(first.delete, 8)
    ask(first.delete, CHILDREN | CHILDREN_ONLY)
    ask(second.delete, 0)
    ask(second.getXMLDesc, 0)
    ask(second.delete, 0)
    ask(second.getParent, 0)
    ask(second.listAllChildren, 0)
    listed(ask, domain)
    asked(ask, third)
    ask(domain.checkpointCreateXML, checkpoint("c4", VDA), 0)
    ask(first.delete, CHILDREN_ONLY)
    listed(ask, domain)
    text = first.getXMLDesc(0)
    ask(first.delete, METADATA_ONLY)
    listed(ask, domain)
    ask(domain.checkpointCreateXML, checkpoint("c1", VDA), 0)
    again = ask(domain.checkpointCreateXML, text, REDEFINE)
    asked(ask, again)
    ask(domain.checkpointCreateXML, text, REDEFINE)
    ask(domain.checkpointCreateXML, text, REDEFINE | 4)
    ask(domain.checkpointCreateXML, checkpoint("c5", VDA), 0)
    ask(domain.destroy)
    listed(ask, domain)
    asked(ask, again)
    ask(again.delete, 0)
    ask(again.delete, METADATA_ONLY | CHILDREN)
    listed(ask, domain)
    ask(domain.create)
    ask(domain.checkpointCreateXML, checkpoint("c6", VDA), 0)


def undefined(ask, domain):
    """Forget a domain that has checkpoints."""
    ask(domain.destroy)
    ask(domain.undefine)
    ask(domain.rename, "web2", 0)
    for flags in (0, 1, 2, 4, 16):
        ask(domain.undefineFlags, flags)
