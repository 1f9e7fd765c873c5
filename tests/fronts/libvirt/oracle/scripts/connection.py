"""What a connection says of itself and of its host."""

import libvirt


def script(ask):
    connection = ask.connect()
    for method in (
        connection.getType, connection.getVersion, connection.getLibVersion, connection.getHostname,
        connection.getURI, connection.isAlive, connection.isEncrypted, connection.isSecure,
        connection.getInfo, connection.getCapabilities, connection.getFreeMemory, connection.getSecurityModel,
        connection.numOfDomains, connection.numOfDefinedDomains, connection.listDomainsID,
        connection.listDefinedDomains, connection.listAllDomains,
    ):  # fmt: skip
        ask(method)
    ask(connection.getSysinfo, 0)
    ask(connection.getCellsFreeMemory, 0, 1)
    ask(connection.getCellsFreeMemory, 1, 1)
    ask(connection.getCellsFreeMemory, 0, 8)
    for kind in (None, "qemu", "kvm", "xen", ""):
        ask(connection.getMaxVcpus, kind)
    for cell in (-1, 0, 7):
        ask(connection.getMemoryStats, cell, 0)
    for cpu in (-1, 0, 99):
        ask(connection.getCPUStats, cpu, 0)
    ask(connection.getCPUMap, 0)
    ask(connection.getMemoryParameters, 0)
    ask(connection.getCPUModelNames, "x86_64", 0)
    ask(connection.getCPUModelNames, "vax", 0)
    ask(connection.compareCPU, "<cpu/>", 0)
    ask(connection.compareCPU, "<cpu", 0)
    ask(connection.compareCPU, "<cpu><arch>x86_64</arch><model>qemu64</model></cpu>", 0)
    ask(connection.getDomainCapabilities, None, "x86_64", None, "qemu", 0)
    ask(connection.getDomainCapabilities, None, "vax", None, "qemu", 0)
    ask(connection.getDomainCapabilities, None, "x86_64", None, "kvm", 0)
    ask(connection.getDomainCapabilities, "/no/such", "x86_64", None, "qemu", 0)
    ask(connection.setKeepAlive, 5, 3)
    ask(connection.setKeepAlive, 0, 0)
    ask(connection.registerCloseCallback, lambda *_: None, None)
    ask(connection.registerCloseCallback, lambda *_: None, None)
    ask(connection.unregisterCloseCallback)
    ask(connection.unregisterCloseCallback)
    ask(connection.nodeDeviceLookupByName, "no")
    ask(connection.domainXMLFromNative, "qemu-argv", "", 0)
    ask(connection.suspendForDuration, 0, 60, 0)
    second = ask.connect(events=False)
    ask(second.close)
    ask(second.listAllDomains)
    ask(second.isAlive)
    ask(second.close)
    ask(libvirt.open, "qemu+unix:///system?socket=/no/such/socket")
    ask(libvirt.open, "foo:///system")
    ask(libvirt.open, "qemu+foo:///system")
    ask(libvirt.open, "not a uri")
