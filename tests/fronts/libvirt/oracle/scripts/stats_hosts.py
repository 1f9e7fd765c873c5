"""What hosts say of their processors and their memory."""

import libvirt

CPUS = [
    "<cpu/>",
    "<cpu",
    "<x/>",
    "",
    "<cpu><arch>x86_64</arch></cpu>",
    "<cpu><model>qemu64</model></cpu>",
    "<cpu><arch>x86_64</arch><model>qemu64</model></cpu>",
    "<cpu><arch>x86_64</arch><model>486</model></cpu>",
    "<cpu><arch>x86_64</arch><model>nonsense</model></cpu>",
    "<cpu><arch>vax</arch><model>qemu64</model></cpu>",
    "<cpu><arch>x86_64</arch><model>486</model><feature name='svm'/></cpu>",
    "<cpu match='exact'><model>486</model></cpu>",
    "<cpu mode='host-model'/>",
    "<cpu mode='host-passthrough'/>",
]
BASES = [
    [CPUS[6]],
    [CPUS[7]],
    [],
    ["<cpu"],
    [CPUS[6], "<x/>"],
    [CPUS[0]],
    [CPUS[8]],
    [CPUS[9]],
    [
        "<cpu><arch>x86_64</arch><model>Nehalem</model></cpu>",
        "<cpu><arch>x86_64</arch><model>Penryn</model></cpu>",
    ],
]
WHERE = [
    (None, None, None, None),
    (None, "vax", None, None),
    (None, "i686", None, None),
    (None, "x86_64", "pc", None),
    (None, "x86_64", "x", None),
    (None, "x86_64", None, "kvm"),
    ("/no/such", "x86_64", None, "qemu"),
    ("/usr/bin/qemu-system-x86_64", None, None, None),
    ("/usr/bin/qemu-system-x86_64", "aarch64", None, None),
    (None, "x86_64", None, "nonsense"),
    (None, "aarch64", None, None),
]
HERE = (None, "x86_64", None, "qemu")
PAGES = [([4], 0, 1), ([4, 2048], 0, 1), ([4], -1, 1), ([4], 5, 1), ([4], 0, 5), ([7], 0, 1), ([], 0, 1)]
MORE_PAGES = [({4: 10}, 0, 1), ({7: 10}, 0, 1), ({2048: 0}, 5, 1), ({2048: 0}, 0, 5), ({2048: 0}, 0, 0)]
COMMANDS = [
    "nodeinfo", "nodecpustats", "nodecpustats --cpu 0", "nodecpustats --cpu 99",
    "nodecpustats --percent --cpu 99", "nodememstats", "nodememstats --cell 0", "nodememstats --cell 9",
    "freecell", "freecell --all", "freecell --cellno 0", "freecell --cellno 9", "freepages",
    "freepages --all", "freepages --cellno 0 --pagesize 4", "freepages --cellno 0 --pagesize 7",
    "freepages --cellno 0", "allocpages 4 10 --cellno 0", "cpu-models x86_64", "cpu-models vax", "nodecpumap",
    "nodecpumap --pretty", "node-memory-tune", "node-memory-tune --shm-pages-to-scan 100", "nodesevinfo",
]  # fmt: skip


def script(ask):
    connection = ask.connect()
    of_memory(ask, connection)
    of_processors(ask, connection)
    of_models(ask, connection)
    for kind in (None, "qemu", "kvm", "QEMU", "xen"):
        ask(connection.getMaxVcpus, kind)
    ask(connection.domainXMLFromNative, "qemu-argv", "qemu", 0)
    ask(connection.getSEVInfo, 0)
    for command in COMMANDS:
        ask.virsh(*command.split())


def of_memory(ask, connection):
    for cell in (-2, -1, 0, 1):
        ask(connection.getMemoryStats, cell, 0)
    ask(connection.getMemoryStats, 0, 1)
    ask(connection.getFreeMemory)
    for start, most in ((0, 1), (1, 1), (0, 9)):
        ask(connection.getCellsFreeMemory, start, most)
    for given in PAGES:
        ask(connection.getFreePages, *given, 0)
    ask(connection.getFreePages, [4], 0, 1, 1)
    for given in MORE_PAGES:
        ask(connection.allocPages, *given, 0)
    ask(connection.allocPages, {4: 10}, 0, 1, 2)
    ask(connection.getMemoryParameters, 0)
    ask(connection.getMemoryParameters, 1)
    ask(connection.setMemoryParameters, {"shm_pages_shared": 1}, 0)
    ask(connection.setMemoryParameters, {"shm_pages_to_scan": 100}, 1)


def of_processors(ask, connection):
    ask(connection.getInfo)
    for cpu in (-2, -1, 0, 1, 99):
        ask(connection.getCPUStats, cpu, 0)
    ask(connection.getCPUStats, 0, 1)
    for flags in (0, 1):
        ask(connection.getCPUMap, flags)
    ask(connection.getSecurityModel)
    ask(connection.getSysinfo, 1)
    for architecture in ("x86_64", "i686", "aarch64", "ppc64", "s390x", "armv7l", "vax", "", "riscv64"):
        ask(connection.getCPUModelNames, architecture, 0)
    ask(connection.getCPUModelNames, "x86_64", 1)


def of_models(ask, connection):
    for cpu in CPUS:
        ask(connection.compareCPU, cpu, 0)
        ask(connection.compareCPU, cpu, libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE)
        ask(connection.compareHypervisorCPU, *HERE, cpu, 0)
    ask(connection.compareCPU, CPUS[6], 1 << 20)
    ask(connection.compareHypervisorCPU, *HERE, CPUS[6], 1 << 20)
    for where in WHERE:
        ask(connection.compareHypervisorCPU, *where, CPUS[7], 0)
        ask(connection.baselineHypervisorCPU, *where, BASES[1], 0)
    for base in BASES:
        ask(connection.baselineCPU, base, 0)
        ask(connection.baselineHypervisorCPU, *HERE, base, 0)
    for flags in (libvirt.VIR_CONNECT_BASELINE_CPU_MIGRATABLE, 1 << 20):
        ask(connection.baselineCPU, BASES[0], flags)
        ask(connection.baselineHypervisorCPU, *HERE, BASES[0], flags)
