"""Transient domains: born with createXML, and gone when they stop."""

import libvirt

from oracle.definitions import uuid, xml


def script(ask):
    connection = ask.connect()
    ask(connection.createXML, "", 0)
    ask(connection.createXML, "<domain", 0)
    ask(connection.createXML, xml("job1"), 1 << 20)
    domain = ask(connection.createXML, xml("job1"), 0)
    ask.await_guest("job1")
    for method in (
        domain.isPersistent, domain.isActive, domain.isUpdated, domain.autostart, domain.info, domain.state,
        domain.XMLDesc, domain.create, domain.undefine,
    ):  # fmt: skip
        ask(method)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
    ask(domain.setAutostart, 1)
    ask(domain.undefineFlags, 0)
    ask(domain.managedSave, 0)
    ask(domain.rename, "job2")
    ask(connection.createXML, xml("job1"), 0)
    ask(connection.createXML, xml("job1", id=uuid("job2")), 0)
    ask(connection.createXML, xml("job2", id=uuid("job1")), 0)
    ask(connection.defineXML, xml("job2", id=uuid("job1")))
    ask(domain.suspend)
    ask(domain.resume)
    ask(domain.shutdown, until="lifecycle stopped")
    ask(domain.state)
    ask(domain.isActive)
    ask(domain.isPersistent)
    ask(domain.XMLDesc)
    ask(domain.destroy)
    ask(connection.lookupByName, "job1")
    domain = ask(connection.createXML, xml("job1"), libvirt.VIR_DOMAIN_START_PAUSED)
    ask(domain.ID)
    ask(domain.destroy)
    domain = ask(connection.createXML, xml("job1"), libvirt.VIR_DOMAIN_START_VALIDATE)
    ask(connection.defineXML, xml("job1", memory=96))
    ask(domain.isPersistent)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
    ask(domain.destroy)
    ask(domain.state)
    ask(connection.createXML, xml("job1"), 0)
    ask(domain.isPersistent)
    ask(domain.destroy)
    ask(domain.info)
    ask(connection.createXML, xml("job1", id=uuid("job2")), 0)
    ask(domain.undefine)
    second = ask.connect(events=False)
    ask(second.createXML, xml("job2"), libvirt.VIR_DOMAIN_START_AUTODESTROY)
    ask(connection.listAllDomains)
    ask(second.close, until="lifecycle stopped")
    ask(connection.listAllDomains)
    ask(connection.createXML, xml("huge", memory=10 * 1024 * 1024), 0)
    ask(connection.listAllDomains)
