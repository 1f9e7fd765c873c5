"""What domains have done: CPUs, memory, disks, interfaces."""

import libvirt

from oracle.definitions import pool_xml, volume_xml
from oracle.scripts.states import AFFECTS, in_every_state

DEVICES = (
    "<disk type='file' device='disk'><source file='/var/lib/libvirt/images/disks/one.img'/>"
    "<target dev='vda' bus='virtio'/></disk>"
    "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>"
    "<interface type='user'><mac address='52:54:00:00:00:02'/></interface>"
    "<interface type='ethernet'><mac address='52:54:00:00:00:01'/></interface>"
)
GROUPS = [getattr(libvirt, each) for each in sorted(dir(libvirt)) if each.startswith("VIR_DOMAIN_STATS_")]


def script(ask):
    connection = ask.connect()
    pool = ask(connection.storagePoolDefineXML, pool_xml("disks"))
    ask(pool.build)
    ask(pool.create)
    ask(pool.createXML, volume_xml("one.img"))
    given = {"memory": 96, "current": 64, "vcpus": 2, "head": "<iothreads>2</iothreads>", "devices": DEVICES}
    for state, domain in in_every_state(ask, connection, **given):
        for group in [0, *GROUPS]:
            ask(connection.domainListGetStats, [domain], group, 0)
        ask(connection.domainListGetStats, [domain], 32, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING)
        ask(domain.info)
        ask(domain.vcpus)
        ask(domain.getCPUStats, True)
        ask(domain.getCPUStats, False)
        ask(domain.memoryStats)
        for seconds in (5, 0, -1):
            for flags in AFFECTS:
                ask(domain.setMemoryStatsPeriod, seconds, flags)
        ask(domain.setMemoryStatsPeriod, 5, 0)
        ask(domain.memoryStats)
        for name in ("vda", "hdc", "fda", "", "/var/lib/libvirt/images/disks/one.img", "vdz"):
            ask(domain.blockStats, name)
            ask(domain.blockStatsFlags, name, 0)
        ask(domain.blockStatsFlags, "vda", 4)
        ask(domain.blockStatsFlags, "vda", 1)
        for name in ("vnet0", "52:54:00:00:00:01", "52:54:00:00:00:02", "vnet9", ""):
            ask(domain.interfaceStats, name)
        ask(domain.diskErrors)
        ask(domain.diskErrors, 1)
        ask(domain.ioThreadInfo)
        for flags in AFFECTS:
            ask(domain.ioThreadInfo, flags)
        ask(domain.startDirtyRateCalc, 0, 0)
        ask(domain.startDirtyRateCalc, 61, 0)
        ask(domain.startDirtyRateCalc, 1, 1 << 20)
        ask(domain.startDirtyRateCalc, 60, 0)
        ask(connection.domainListGetStats, [domain], libvirt.VIR_DOMAIN_STATS_DIRTYRATE, 0)
        for command in COMMANDS if state in {"shut off", "running"} else ():
            ask.virsh(*command.split())


COMMANDS = (
    "domstats web1", "domstats web1 --interface --block", "domstats --vcpu --raw web1", "dommemstat web1",
    "dommemstat web1 --period 3 --live", "dommemstat web1", "domblkstat web1 vda",
    "domblkstat web1 vda --human", "domblkstat web1", "domblkstat web1 vdz", "domifstat web1 vnet0",
    "domifstat web1 52:54:00:00:00:01", "domifstat web1 vnet9", "cpu-stats web1", "cpu-stats web1 --total",
    "vcpuinfo web1", "vcpuinfo web1 --pretty", "domblkerror web1", "iothreadinfo web1",
    "domdirtyrate-calc web1 --seconds 1",
)  # fmt: skip
