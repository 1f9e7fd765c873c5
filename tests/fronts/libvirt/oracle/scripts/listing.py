"""Domains listed, with every filter."""

import libvirt

from oracle.definitions import uuid, xml

FILTERS = [
    libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE, libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE,
    libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT, libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT,
    libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING, libvirt.VIR_CONNECT_LIST_DOMAINS_PAUSED,
    libvirt.VIR_CONNECT_LIST_DOMAINS_SHUTOFF, libvirt.VIR_CONNECT_LIST_DOMAINS_OTHER,
    libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE, libvirt.VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE,
    libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART, libvirt.VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART,
    libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT, libvirt.VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT,
]  # fmt: skip


def script(ask):
    connection = ask.connect()
    other = ask.connect("node2")
    running = ask(connection.defineXML, xml("running"))
    paused = ask(connection.defineXML, xml("paused"))
    off = ask(connection.defineXML, xml("off"))
    ask(off.setAutostart, 1)
    ask(running.create)
    ask(paused.create)
    ask(paused.suspend)
    ask(connection.createXML, xml("transient"), 0)
    ask(other.defineXML, xml("running"))
    ask(other.defineXML, xml("elsewhere"))
    for flags in [0, *FILTERS, 3, 12, 48, 1 | 64, 2 | 16, 16 | 32 | 64, 1 | 8 | 16, 256 | 512, 1 << 20]:
        ask(connection.listAllDomains, flags)
    for host in (connection, other):
        ask(host.listAllDomains)
        ask(host.numOfDomains)
        ask(host.numOfDefinedDomains)
        ask(host.listDomainsID)
        ask(host.listDefinedDomains)
    for number in range(5):
        ask(connection.lookupByID, number)
        ask(other.lookupByID, number)
    ask(connection.lookupByName, "elsewhere")
    ask(other.lookupByName, "elsewhere")
    ask(other.lookupByUUIDString, uuid("running"))
    ask(running.destroy)
    ask(running.create)
    ask(running.ID)
    ask(connection.lookupByID, 1)
    ask(connection.listAllDomains, 1)
