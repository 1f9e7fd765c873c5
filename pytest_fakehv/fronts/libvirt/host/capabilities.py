"""What a host says of itself: its figures, and the XML of what it can do."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from pytest_fakehv.fronts.libvirt.host.domainxml.completion import MOST_VCPUS, MOST_VCPUS_OF_Q35, TYPES
from pytest_fakehv.fronts.libvirt.host.domainxml.operating import EMULATORS, MACHINES
from pytest_fakehv.fronts.libvirt.host.domainxml.running import OWNER
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, written

ARCHITECTURE: Final = "x86_64"
MHZ: Final = 2600
"""What each CPU of each host runs at."""

MODEL: Final = "Skylake-Server"
VENDOR: Final = "Intel"
FEATURES: Final = ("vmx", "ds", "acpi", "ss", "ht", "tm", "pbe", "invtsc")
"""What a host's CPU has beyond its model."""
PAGES: Final = (4, 2048, 1048576)
"""The sizes of pages of memory, in KiB."""
_WORDS: Final = {"x86_64": 64, "i686": 32}


class NodeFigures(NamedTuple):
    """What ``virNodeGetInfo`` answers, in its order."""

    model: str
    memory: int
    """In KiB."""
    cpus: int
    mhz: int
    nodes: int
    """NUMA nodes; 1 where the others can't say how the CPUs are spread over more."""
    sockets: int
    """Sockets of each NUMA node."""
    cores: int
    """Cores of each socket."""
    threads: int
    """Threads of each core: with the three before it, as many as there are CPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A node of the cluster, as libvirt's clients see it.

    Attributes:
        name: the node's.
        memory: all that it has, in MiB.
        cpus: a count.
        nodes: NUMA nodes, a count.
        sockets: CPU sockets, a count.
    """

    name: str
    memory: int
    cpus: int
    nodes: int = 1
    sockets: int = 1

    @property
    def uuid(self) -> UUID:
        """The host's own, which follows from its name."""
        return uuid5(NAMESPACE_URL, f"pytest-fakehv:node:{self.name}")

    @property
    def figures(self) -> NodeFigures:
        """Its size; how the CPUs are spread over NUMA nodes and sockets, if they can be evenly."""
        nodes, sockets = self.nodes, max(self.sockets // self.nodes, 1)
        if self.cpus % (nodes * sockets):
            nodes, sockets = 1, 1
        cores = self.cpus // (nodes * sockets)
        kib = self.memory * 1024
        return NodeFigures(ARCHITECTURE, kib, self.cpus, MHZ, nodes, sockets, cores, threads=1)

    def capabilities(self) -> str:
        """Write what the host is, and which guests it can run, as ``virConnectGetCapabilities`` gives it."""
        return _capabilities(self)

    def sysinfo(self) -> str:
        """Write what the host's firmware says of it, as ``virConnectGetSysinfo`` gives it."""
        uuid = str(self.uuid)
        system = {"manufacturer": "pytest-fakehv", "product": "Fake node", "serial": self.name, "uuid": uuid}
        parts = {"bios": {"vendor": "pytest-fakehv", "version": "1"}, "system": system}
        entries = (
            Element(
                part, {}, tuple(Element("entry", {"name": name}, (value,)) for name, value in said.items())
            )
            for part, said in parts.items()
        )
        return written(Element("sysinfo", {"type": "smbios"}, tuple(entries)))


@lru_cache(maxsize=64)
def _capabilities(host: Hardware) -> str:
    guests = (written(_guest(architecture), 1) for architecture in ("i686", "x86_64"))
    parts = (written(_host(host), 1), *guests)
    return "\n".join(("<capabilities>\n", *parts, "</capabilities>\n"))


def _element(tag: str, /, *content: Element | str, **attributes: object) -> Element:
    return Element(tag, {key: str(value) for key, value in attributes.items()}, content)


def _host(host: Hardware) -> Element:
    figures = host.figures
    topology = _element(
        "topology", sockets=figures.sockets, dies=1, cores=figures.cores, threads=figures.threads
    )
    cpu = _element(
        "cpu",
        _element("arch", ARCHITECTURE),
        _element("model", MODEL),
        _element("vendor", VENDOR),
        _element("microcode", version=33581318),
        _element("signature", family=6, model=85, stepping=4),
        _element("counter", name="tsc", frequency=MHZ * 1_000_000, scaling="no"),
        topology,
        *(_element("feature", name=each) for each in FEATURES),
        *(_element("pages", unit="KiB", size=each) for each in PAGES),
    )
    transports = _element(
        "uri_transports", _element("uri_transport", "tcp"), _element("uri_transport", "rdma")
    )
    labels = (_element("baselabel", OWNER, type=each) for each in ("kvm", "qemu"))
    cells = tuple(_cells(figures))
    return _element(
        "host",
        _element("uuid", str(host.uuid)),
        cpu,
        _element("power_management"),
        _element("iommu", support="no"),
        _element("migration_features", _element("live"), transports),
        _element("topology", _element("cells", *cells, num=len(cells))),
        _element("secmodel", _element("model", "none"), _element("doi", "0")),
        _element("secmodel", _element("model", "dac"), _element("doi", "0"), *labels),
    )


def _cells(figures: NodeFigures) -> Iterator[Element]:
    """Give the NUMA nodes, each with its share of the memory and of the CPUs."""
    each_has = figures.sockets * figures.cores
    for cell in range(figures.nodes):
        memory = figures.memory // figures.nodes
        if not cell:
            memory += figures.memory % figures.nodes
        pages = (memory // PAGES[0], 0, 0)
        cpus = (
            _element(
                "cpu",
                id=cell * each_has + number,
                socket_id=cell * figures.sockets + number // figures.cores,
                die_id=0,
                core_id=number % figures.cores,
                siblings=cell * each_has + number,
            )
            for number in range(each_has)
        )
        distances = (
            _element("sibling", id=other, value=10 if other == cell else 20) for other in range(figures.nodes)
        )
        yield _element(
            "cell",
            _element("memory", str(memory), unit="KiB"),
            *(
                _element("pages", str(count), unit="KiB", size=size)
                for size, count in zip(PAGES, pages, strict=True)
            ),
            _element("distances", *distances),
            _element("cpus", *cpus, num=each_has),
            id=cell,
        )


def _guest(architecture: str) -> Element:
    machines = []
    for short, name in MACHINES.items():
        limit = {"maxCpus": MOST_VCPUS_OF_Q35 if short == "q35" else MOST_VCPUS}
        machines += [_element("machine", name, **limit), _element("machine", short, canonical=name, **limit)]
    domains = (_element("domain", type=each) for each in TYPES)
    arch = _element(
        "arch",
        _element("wordsize", str(_WORDS[architecture])),
        _element("emulator", EMULATORS[architecture]),
        *machines,
        *domains,
        name=architecture,
    )
    features = _element(
        "features",
        *(() if architecture == ARCHITECTURE else (_element("pae"), _element("nonpae"))),
        _element("acpi", default="on", toggle="yes"),
        _element("apic", default="on", toggle="no"),
        _element("cpuselection"),
        _element("deviceboot"),
        _element("disksnapshot", default="on", toggle="no"),
    )
    return _element("guest", _element("os_type", "hvm"), arch, features)
