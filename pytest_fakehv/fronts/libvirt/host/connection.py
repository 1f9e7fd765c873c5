"""What a client asks of the host itself: its kind, its size, and what it has."""

from collections.abc import Mapping
from typing import Any, Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host import workload
from pytest_fakehv.fronts.libvirt.host.apis import api, check_flags
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.suited import domain_capabilities
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_LIBRARY_VERSION: Final = 9_000_000
_HYPERVISOR_VERSION: Final = 7_002_022
_MOST_VCPUS: Final[Mapping[str | None, int]] = {None: 16, "qemu": 16, "kvm": 1024}
"""What a domain of a type may have at most; None for the type that a client names none of."""
_VERSION_PARTS: Final = 3
_CPU_FIGURES: Final = ("kernel", "user", "idle", "iowait")
_NS_PER_S: Final = 10**9


@api("virConnectOpen", about="nothing")
def opened(_host: Host, _session: Session, _uri: str | None, _flags: int) -> None:
    """Let a client in: the session is noted already."""


@api("virConnectGetURI", about="nothing", is_free=True)
def uri(_host: Host, _session: Session) -> str:
    """Return under which address the host knows itself."""
    return "qemu:///system"


# What it is


@api("virConnectGetType", about="nothing")
def kind(_host: Host, _session: Session) -> str:
    """Return the hypervisor's name."""
    return "QEMU"


@api("virConnectGetVersion", about="nothing")
def version(host: Host, _session: Session) -> int:
    """Return the hypervisor's version: the node's, where that was declared as three numbers."""
    parts = (host.machine.version or "").split(".")
    if len(parts) == _VERSION_PARTS and all(each.isdecimal() for each in parts):
        major, minor, release = map(int, parts)
        return major * 1_000_000 + minor * 1000 + release
    return _HYPERVISOR_VERSION


@api("virConnectGetLibVersion", about="nothing")
def library_version(_host: Host, _session: Session) -> int:
    """Return the version of the library on the host."""
    return _LIBRARY_VERSION


@api("virConnectGetHostname", about="nothing")
def hostname(host: Host, _session: Session) -> str:
    """Return the host's name."""
    return host.name


@api("virConnectIsSecure", about="nothing")
def is_secure(_host: Host, _session: Session) -> int:
    """Say that nobody listens in: a local socket."""
    return 1


@api("virConnectGetCapabilities", about="nothing")
def get_capabilities(host: Host, _session: Session) -> str:
    """Return what the host has and can do, as XML."""
    return host.hardware.capabilities()


@api("virConnectGetDomainCapabilities", about="nothing", flags=0)
def get_domain_capabilities(
    _host: Host,
    _session: Session,
    emulator: str | None,
    architecture: str | None,
    machine: str | None,
    kind: str | None,
    _flags: int,
) -> str:
    """Return what a domain can have, as XML."""
    return domain_capabilities(emulator, architecture, machine, kind)


@api("virConnectGetMaxVcpus", about="nothing")
def max_vcpus(_host: Host, _session: Session, kind: str | None) -> int:
    """Return how many CPUs a domain may have."""
    known = kind.lower() if kind else kind
    if known not in _MOST_VCPUS:
        raise failure(Code.INVALID_ARG, f"unknown type '{kind}'")
    return _MOST_VCPUS[known]


@api("virNodeGetInfo", about="nothing")
def node_info(host: Host, _session: Session) -> tuple[Any, ...]:
    """Return the host's size: memory in KiB, CPUs, MHz, NUMA nodes, sockets, cores, threads."""
    return tuple(host.hardware.figures)


@api("virConnectGetSysinfo", about="nothing", flags=0)
def sysinfo(host: Host, _session: Session, _flags: int) -> str:
    """Return what the host's firmware says of it, as XML."""
    return host.hardware.sysinfo()


@api("virNodeGetFreeMemory", about="nothing")
def free_memory(host: Host, _session: Session) -> int:
    """Return what is free of the host's memory, in bytes."""
    return host.machine.free_memory * 1024


@api("virNodeGetCellsFreeMemory", about="nothing")
def cells_free_memory(host: Host, _session: Session, start: int, most: int) -> list[int]:
    """Return what is free on each NUMA node, in bytes: of each the same."""
    nodes = host.hardware.nodes
    if not 0 <= start < nodes:
        raise failure(
            Code.INTERNAL_ERROR, f"start cell {start} out of range (0-{nodes - 1})", origin=Origin.NONE
        )
    free = host.machine.free_memory * 1024 // nodes
    return [free] * min(max(most, 0), nodes - start)


@api("virNodeGetMemoryStats", about="nothing")
def memory_stats(host: Host, _session: Session, count: int, cell: int, flags: int) -> tuple[Any, ...]:
    """Return the host's memory, in KiB, by field."""
    check_flags(flags, 0, "virHostMemGetStats", Origin.NONE)
    nodes = host.hardware.nodes
    if cell >= nodes:
        raise wrong_argument(
            "virHostMemGetStats",
            "cellNum",
            f"cellNum in virHostMemGetStats must be less than or equal to {nodes - 1}",
            origin=Origin.NONE,
        )
    share = 1 if cell < 0 else nodes
    figures = [
        ("total", host.hardware.memory * 1024 // share),
        ("free", host.machine.free_memory // share),
    ]
    if cell < 0:
        figures += [("buffers", 0), ("cached", 0)]
    return (figures if count else []), len(figures)


@api("virNodeGetCPUStats", about="nothing")
def cpu_stats(host: Host, _session: Session, cpu: int, count: int, flags: int) -> tuple[Any, ...]:
    """Return how long the host's CPUs have worked, in ns of the cluster's clock: on what runs, or not."""
    check_flags(flags, 0, "virHostCPUGetStats", Origin.NONE)
    if not count:  # how many figures there are, is asked of no CPU
        return [], len(_CPU_FIGURES)
    cpus = host.hardware.cpus
    if cpu >= cpus:
        raise wrong_argument(
            "virHostCPUGetStatsLinux",
            "cpuNum",
            "Invalid cpuNum in virHostCPUGetStatsLinux",
            origin=Origin.NONE,
        )
    total = int(host.machine.now * _NS_PER_S)
    running = sum(workload.busy_time(each) for each in host.domains if each.is_active)
    share, number = (cpus, 1) if cpu >= 0 else (1, cpus)
    busy = min(total * cpus, host.spent + running) // share
    kernel = busy // workload.SHARE_OF_SYSTEM
    figures = kernel, busy - kernel, total * number - busy, 0
    return list(zip(_CPU_FIGURES, figures, strict=True)), len(_CPU_FIGURES)


@api("virNodeGetCPUMap", about="nothing")
def cpu_map(host: Host, _session: Session, need_map: int, need_online: int, flags: int) -> tuple[Any, ...]:
    """Return which CPUs the host has: all are on."""
    check_flags(flags, 0, "virHostCPUGetMap", Origin.NONE)
    cpus = host.hardware.cpus
    bits = ((1 << cpus) - 1).to_bytes(-(-cpus // 8), "little") if need_map else b""
    return bits, cpus if need_online else 0, cpus


@api("virNodeGetSecurityModel", about="nothing")
def security_model(_host: Host, _session: Session) -> tuple[str, str]:
    """Say that there is no security driver."""
    return "none", "0"
