"""Jobs and migration's limits where nothing is under way, and the guest agent that isn't there."""

import libvirt

from oracle.scripts.states import in_every_state


def script(ask):
    connection = ask.connect()
    for _, domain in in_every_state(ask, connection):
        ask(domain.jobInfo)
        for flags in (0, 1, 2, 3, 1 << 20):
            ask(domain.jobStats, flags)
        ask(domain.abortJob)
        ask(domain.abortJobFlags, 0)
        ask(domain.abortJobFlags, libvirt.VIR_DOMAIN_ABORT_JOB_POSTCOPY)
        ask(domain.abortJobFlags, 1 << 20)
        ask(domain.hostname, libvirt.VIR_DOMAIN_GET_HOSTNAME_AGENT)
        ask(domain.hostname, 0)
        ask(domain.getTime)
        ask(domain.setTime, {"seconds": 1, "nseconds": 0})
        ask(domain.fsFreeze)
        ask(domain.fsThaw)
        ask(domain.fSTrim, None, 0)
        ask(domain.fsInfo)
        ask(domain.guestVcpus)
        ask(domain.guestInfo, 0)
        ask(domain.setUserPassword, "root", "x")
        ask(domain.interfaceAddresses, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)
        ask(domain.interfaceAddresses, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)
        ask(domain.pMSuspendForDuration, libvirt.VIR_NODE_SUSPEND_TARGET_MEM, 0)
        ask(domain.pMWakeup)
        ask(domain.sendKey, 0, 0, [30], 1)
        ask(domain.injectNMI)
