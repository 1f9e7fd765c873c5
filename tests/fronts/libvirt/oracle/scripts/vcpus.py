"""Virtual CPUs, in every state and with every flag."""

import libvirt

from oracle.scripts.states import AFFECTS, in_every_state

MAXIMUM = libvirt.VIR_DOMAIN_VCPU_MAXIMUM
GUEST = libvirt.VIR_DOMAIN_VCPU_GUEST


def script(ask):
    connection = ask.connect()
    for state, domain in in_every_state(ask, connection, vcpus=1, maximum=5):
        looked_at(ask, domain)
        changed(ask, domain, 5 if state == "paused" else 2)
        ask(domain.info)
        ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
        if state == "shut off":
            ask(domain.setVcpusFlags, 1, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        if state == "transient":
            ask(domain.setVcpus, 1)


def looked_at(ask, domain):
    """Ask for how many there are, and what they do."""
    ask(domain.maxVcpus)
    ask(domain.vcpus)
    ask(domain.getCPUStats, True)
    ask(domain.getCPUStats, False)
    for flags in AFFECTS:
        ask(domain.vcpusFlags, flags)
        ask(domain.vcpusFlags, flags | MAXIMUM)
    ask(domain.vcpusFlags, GUEST)
    ask(domain.vcpusFlags, 1 << 20)
    ask(domain.vcpuPinInfo, 0)
    ask(domain.emulatorPinInfo, 0)


def changed(ask, domain, first):
    """Change how many there are: never to fewer, for a real QEMU without KVM can't take one away."""
    ask(domain.setVcpus, first)
    ask(domain.setVcpus, 0)
    ask(domain.setVcpus, 99)
    for count, flags in enumerate(AFFECTS, first):
        ask(domain.setVcpusFlags, min(count, 5), flags)
        ask(domain.setVcpusFlags, 6, flags)
        ask(domain.setVcpusFlags, 0, flags)
    for flags in AFFECTS:
        ask(domain.setVcpusFlags, 5, flags | MAXIMUM)
        ask(domain.setVcpusFlags, 2, flags | GUEST)
    ask(domain.setVcpusFlags, 1, GUEST | MAXIMUM)
    ask(domain.setVcpusFlags, 1, 1 << 20)
    ask(domain.pinVcpu, 0, (True, False))
    ask(domain.pinVcpu, 9, (True, False))
