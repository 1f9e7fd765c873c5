"""Virtual CPUs, in every state and with every flag."""

import libvirt

from oracle.scripts.states import AFFECTS, in_every_state


def script(ask):
    connection = ask.connect()
    for _, domain in in_every_state(ask, connection, vcpus=1, maximum=3):
        ask(domain.maxVcpus)
        ask(domain.vcpus)
        ask(domain.getCPUStats, True)
        ask(domain.getCPUStats, False)
        for flags in AFFECTS:
            ask(domain.vcpusFlags, flags)
            ask(domain.vcpusFlags, flags | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)
        ask(domain.vcpusFlags, libvirt.VIR_DOMAIN_VCPU_GUEST)
        ask(domain.vcpusFlags, 1 << 20)
        ask(domain.setVcpus, 2)
        ask(domain.setVcpus, 1)
        ask(domain.setVcpus, 0)
        ask(domain.setVcpus, 99)
        for flags in AFFECTS:
            ask(domain.setVcpusFlags, 3, flags)
            ask(domain.setVcpusFlags, 4, flags)
            ask(domain.setVcpusFlags, 0, flags)
        for flags in AFFECTS:
            ask(domain.setVcpusFlags, 4, flags | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)
            ask(domain.setVcpusFlags, 2, flags | libvirt.VIR_DOMAIN_VCPU_GUEST)
        ask(domain.setVcpusFlags, 1, libvirt.VIR_DOMAIN_VCPU_GUEST | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)
        ask(domain.setVcpusFlags, 1, 1 << 20)
        ask(domain.vcpuPinInfo, 0)
        ask(domain.emulatorPinInfo, 0)
        ask(domain.pinVcpu, 0, (True, False))
        ask(domain.pinVcpu, 9, (True, False))
        ask(domain.info)
        ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
