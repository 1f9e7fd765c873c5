"""What domains may use at most of their host, in every state and with every flag."""

import libvirt

from oracle.definitions import xml
from oracle.scripts.states import AFFECTS, in_every_state

MAC = "52:54:00:00:00:01"
DEVICES = (
    "<disk type='file' device='disk'><source file='/var/lib/libvirt/images/guest.img'/>"
    "<target dev='vda' bus='virtio'/><readonly/></disk>"
    f"<interface type='ethernet'><mac address='{MAC}'/></interface>"
)
UNLIMITED = 9007199254740991

SCHEDULER = [
    {"cpu_shares": 2048},
    {"vcpu_quota": 50000, "vcpu_period": 100000},
    {"emulator_quota": 20000},
    {"global_quota": -1, "global_period": 50000},
    {"iothread_quota": 3000, "iothread_period": 2000},
    {"vcpu_period": 1},
    {"vcpu_quota": 1},
    {"cpu_shares": 0},
]
MEMORY = [
    {"hard_limit": 200000},
    {"soft_limit": 100000, "swap_hard_limit": 300000},
    {"hard_limit": 400000},
    {"hard_limit": UNLIMITED},
    {"soft_limit": 0, "swap_hard_limit": UNLIMITED},
]
BLKIO = [
    {"weight": 500},
    {"device_weight": "/dev/null,400"},
    {"device_read_iops_sec": "/dev/null,10"},
    {"device_write_bytes_sec": "/dev/null,1000"},
    {"device_weight": "/dev/null"},
    {"device_weight": "/dev/null,x"},
    {"device_weight": ""},
    {"device_weight": "/dev/zero,300,/dev/null,200"},
    {"device_weight": "/dev/zero,0"},
]
NUMA = [
    {"numa_nodeset": "0"},
    {"numa_mode": 0},
    {"numa_mode": 2, "numa_nodeset": "0"},
    {"numa_nodeset": "x"},
    {"numa_mode": 9},
    {"numa_nodeset": ""},
]
PERF = [{"cmt": False}, {"cpu_cycles": False, "page_faults": False}, {"cpu_cycles": True, "cmt": False}]
IO = [
    {"total_bytes_sec": 1000000},
    {"read_iops_sec": 100, "write_iops_sec": 50},
    {"total_bytes_sec": 5000000, "read_bytes_sec": 1000},
    {"total_iops_sec": 100, "total_iops_sec_max": 200},
    {"total_iops_sec_max": 10},
    {"total_iops_sec_max_length": 5},
    {"group_name": "g"},
    {"size_iops_sec": 4096},
    {"nonsense": 1},
    {"read_bytes_sec": 0, "write_bytes_sec": 0},
    {"write_bytes_sec_max": 5},
    {},
]
NET = [
    {"inbound.average": 1000, "inbound.peak": 2000, "inbound.burst": 500},
    {"outbound.average": 100},
    {"inbound.floor": 5},
    {"inbound.peak": 10},
    {"inbound.average": 0, "outbound.average": 0},
]


def script(ask):
    connection = ask.connect()
    for state, domain in in_every_state(ask, connection, devices=DEVICES):
        ask(domain.schedulerType)
        ask(domain.schedulerParameters)
        tuned(ask, domain, domain.schedulerParametersFlags, domain.setSchedulerParametersFlags, SCHEDULER)
        ask(domain.setSchedulerParameters, {"cpu_shares": 512})
        tuned(ask, domain, domain.memoryParameters, domain.setMemoryParameters, MEMORY)
        tuned(ask, domain, domain.blkioParameters, domain.setBlkioParameters, BLKIO)
        tuned(ask, domain, domain.numaParameters, domain.setNumaParameters, NUMA)
        tuned(ask, domain, domain.perfEvents, domain.setPerfEvents, PERF)
        tuned(ask, domain, domain.blockIoTune, domain.setBlockIoTune, IO, "vda")
        tuned(ask, domain, domain.interfaceParameters, domain.setInterfaceParameters, NET, MAC)
        for flags in AFFECTS[:3]:
            ask(domain.blockIoTune, "vdz", flags)
            ask(domain.setBlockIoTune, "vdz", IO[0], flags)
            ask(domain.interfaceParameters, "vnet9", flags)
            ask(domain.setInterfaceParameters, "vnet9", NET[0], flags)
        ask(domain.XMLDesc)
        for command in ("schedinfo", "memtune", "blkiotune", "numatune", "perf"):
            ask.virsh(command, domain.name())
        ask.virsh("blkdeviotune", domain.name(), "vda")
        ask.virsh("domiftune", domain.name(), MAC)
        if state == "shut off":  # so tuned, nothing starts where there are no cgroups
            ask(connection.defineXML, xml("web1", devices=DEVICES))


def tuned(ask, domain, get, put, given, *part):
    """Ask what is set, and set it, by each of the flags."""
    for flags in [*AFFECTS, 1 << 20]:
        ask(get, *part, flags)
    for values in given:
        for flags in AFFECTS[:3]:
            ask(put, *part, values, flags)
        ask(get, *part, libvirt.VIR_DOMAIN_AFFECT_CURRENT)
    ask(put, *part, given[0], AFFECTS[3])
    ask(put, *part, given[0], 1 << 20)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
