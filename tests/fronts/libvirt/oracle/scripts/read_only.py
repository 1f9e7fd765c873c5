"""A read-only connection looks, and touches nothing."""

import libvirt

from oracle.definitions import xml


def script(ask):
    writing = ask.connect()
    ask(writing.defineXML, xml("web1", vcpus=1, maximum=2, head="<title>T</title>"))
    connection = ask.connect(read_only=True)
    domain = ask(connection.lookupByName, "web1")
    for method in (
        connection.getType, connection.getVersion, connection.getLibVersion, connection.getHostname,
        connection.getInfo, connection.getFreeMemory, connection.listAllDomains, connection.listDomainsID,
        connection.numOfDomains, domain.state, domain.info, domain.XMLDesc, domain.maxMemory, domain.maxVcpus,
        domain.isActive, domain.isPersistent, domain.autostart, domain.hasManagedSaveImage, domain.OSType,
        domain.vcpusFlags, domain.jobStats, domain.snapshotNum,
    ):  # fmt: skip
        ask(method)
    ask(connection.getSysinfo, 0)
    ask(connection.getAllDomainStats, libvirt.VIR_DOMAIN_STATS_STATE)
    ask(domain.metadata, libvirt.VIR_DOMAIN_METADATA_TITLE, None)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_SECURE)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_MIGRATABLE)
    for method in (
        domain.create, domain.destroy, domain.undefine, domain.suspend, domain.resume, domain.shutdown,
        domain.abortJob, domain.hostname, domain.fsFreeze, domain.reset, domain.managedSave, domain.pMWakeup,
        domain.reboot,
    ):  # fmt: skip
        ask(method)
    ask(connection.defineXML, xml("web2"))
    ask(connection.createXML, xml("web2"), 0)
    ask(domain.createWithFlags, 0)
    ask(domain.destroyFlags, 0)
    ask(domain.undefineFlags, 0)
    ask(domain.setMemory, 1)
    ask(domain.setMemoryFlags, 1, 0)
    ask(domain.setMaxMemory, 1)
    ask(domain.setVcpus, 1)
    ask(domain.setVcpusFlags, 1, 0)
    ask(domain.setAutostart, 1)
    ask(domain.rename, "web3")
    ask(domain.setMetadata, libvirt.VIR_DOMAIN_METADATA_TITLE, "x", None, None, 0)
    ask(writing.lookupByName, "web1")
