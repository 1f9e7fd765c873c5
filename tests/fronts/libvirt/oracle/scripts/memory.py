"""Memory: the balloon and its limits, in every state and with every flag."""

import libvirt

from oracle.scripts.states import AFFECTS, in_every_state

KIB = 1024


def script(ask):
    connection = ask.connect()
    for state, domain in in_every_state(ask, connection, memory=96, current=96):
        follows = "balloon" if state in {"running", "transient"} else None
        ask(domain.maxMemory)
        ask(domain.info)
        ask(domain.memoryStats)
        ask(domain.setMemory, 64 * KIB, until=follows)
        ask(domain.setMemory, 0)
        ask(domain.setMemory, 999_999_999)
        sizes = iter((60, 56, 52, 48, 44))
        for flags in AFFECTS:
            live = (
                flags in {libvirt.VIR_DOMAIN_AFFECT_CURRENT, libvirt.VIR_DOMAIN_AFFECT_LIVE}
                or state == "running"
            )
            until = follows if live and flags != libvirt.VIR_DOMAIN_AFFECT_CONFIG else None
            ask(domain.setMemoryFlags, next(sizes) * KIB, flags, until=until)
            ask(domain.setMemoryFlags, 999 * KIB, flags)
        ask(domain.setMaxMemory, 128 * KIB)
        ask(domain.setMaxMemory, 32 * KIB)
        ask(domain.setMaxMemory, 0)
        for flags in AFFECTS:
            ask(domain.setMemoryFlags, 80 * KIB, flags | libvirt.VIR_DOMAIN_MEM_MAXIMUM)
        ask(domain.setMemoryFlags, 64 * KIB, 1 << 20)
        ask(domain.setMemoryStatsPeriod, 5, 0)
        ask(domain.memoryStats)
        ask(domain.info)
        if state == "shut off":
            ask(domain.setMemoryFlags, 80 * KIB, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        ask(domain.XMLDesc)
        ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
    ask(connection.getFreeMemory)
