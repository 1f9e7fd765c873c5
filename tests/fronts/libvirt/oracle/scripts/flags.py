"""Every flag by itself: what is one, and what is refused."""

import libvirt

from oracle.definitions import xml

BITS = [1 << bit for bit in range(13)]
TITLE = libvirt.VIR_DOMAIN_METADATA_TITLE


def script(ask):
    connection = ask.connect()
    for flag in BITS:
        domain = ask(connection.createXML, xml("job1"), flag)
        if domain is not None:
            domain.destroy()
    for flag in BITS:
        ask(connection.defineXMLFlags, xml("web1", vcpus=1, maximum=2), flag)
        ask(connection.listAllDomains, flag)
        ask(connection.getAllDomainStats, libvirt.VIR_DOMAIN_STATS_STATE, flag)
        ask(connection.getSysinfo, flag)
        ask(connection.getCPUMap, flag)
        ask(connection.getMemoryStats, -1, flag)
        ask(connection.getCPUStats, -1, flag)
    domain = ask(connection.defineXML, xml("web1", vcpus=1, maximum=2))
    looked_at(ask, domain)
    for flag in BITS:
        ask(domain.createWithFlags, flag)
        ask(domain.destroyFlags, flag)
    if domain.isActive():
        domain.destroy()
    ask(domain.create)
    ask.await_guest("web1")
    looked_at(ask, domain)
    for flag in BITS[1:]:
        ask(domain.reboot, flag)
        ask(domain.shutdownFlags, flag)
    ask(domain.destroy)
    for flag in BITS:
        ask(domain.undefineFlags, flag)
        ask(connection.defineXML, xml("web1"))


def looked_at(ask, domain):
    """Try each flag of what changes little."""
    for flag in BITS:
        ask(domain.XMLDesc, flag)
        ask(domain.state, flag)
        ask(domain.setMemoryFlags, 64 * 1024, flag)
        ask(domain.vcpusFlags, flag)
        ask(domain.setVcpusFlags, 1, flag)
        ask(domain.metadata, TITLE, None, flag)
        ask(domain.setMetadata, TITLE, "title", None, None, flag)
        ask(domain.jobStats, flag)
        ask(domain.abortJobFlags, flag)
        ask(domain.hasManagedSaveImage, flag)
        ask(domain.rename, "web2", flag)
        ask(domain.hostname, flag)
        ask(domain.getTime, flag)
        ask(domain.fsInfo, flag)
        ask(domain.fsFreeze, None, flag)
        ask(domain.guestInfo, 0, flag)
        ask(domain.reset, flag)
        ask(domain.messages, flag)
        ask(domain.snapshotNum, flag)
        ask(domain.listAllSnapshots, flag)
        ask(domain.getCPUStats, True, flag)
        ask(domain.interfaceAddresses, 0, flag)
        ask(domain.setMemoryStatsPeriod, 5, flag)
        ask(domain.controlInfo, flag)
        ask(domain.diskErrors, flag)
        ask(domain.injectNMI, flag)
