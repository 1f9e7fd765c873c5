"""Figures of domains, one by one and all at once."""

import libvirt

from oracle.definitions import xml
from oracle.scripts.states import in_every_state

GROUPS = [getattr(libvirt, each) for each in sorted(dir(libvirt)) if each.startswith("VIR_DOMAIN_STATS_")]
OPTIONS = [
    libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE,
    libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_PERSISTENT, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_TRANSIENT,
    libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED,
    libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_SHUTOFF, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_OTHER,
    libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
    libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS, 1 << 20,
]  # fmt: skip


def script(ask):
    connection = ask.connect()
    ask(connection.getAllDomainStats, 0, 0)
    ask(connection.defineXML, xml("db1"))
    for _, domain in in_every_state(ask, connection, memory=96, current=64, vcpus=1, maximum=2):
        for group in [0, *GROUPS, 1 << 20]:
            ask(connection.domainListGetStats, [domain], group, 0)
        ask(
            connection.domainListGetStats,
            [domain],
            1 << 20,
            libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS,
        )
        for option in OPTIONS:
            ask(connection.getAllDomainStats, libvirt.VIR_DOMAIN_STATS_STATE, option)
        ask(domain.info)
        ask(domain.memoryStats)
        ask(domain.controlInfo)
        ask(domain.OSType)
        ask(domain.schedulerType)
        ask(domain.schedulerParameters)
        ask(domain.memoryParameters)
        ask(domain.numaParameters)
        ask(domain.blkioParameters)
        ask(domain.perfEvents)
        ask(domain.securityLabel)
        ask(domain.securityLabelList)
        ask(domain.interfaceStats, "vnet9")
        ask(domain.blockStats, "vdz")
        ask(domain.blockStats, "fda")
        ask(domain.blockInfo, "fda")
        ask(domain.blockInfo, "vdz")
        ask(domain.blockJobInfo, "vdz")
        ask(domain.ioThreadInfo)
        ask(domain.diskErrors)
        ask(domain.messages)
        ask(domain.isUpdated)
        ask(domain.hasManagedSaveImage)
        ask(domain.snapshotNum)
        ask(domain.listAllSnapshots)
        ask(domain.snapshotLookupByName, "s")
        ask(domain.snapshotCurrent)
        ask(domain.launchSecurityInfo)
        ask(domain.guestInfo)
        ask(domain.hostname)
