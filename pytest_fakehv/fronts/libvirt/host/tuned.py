"""What a definition limits of what its domain uses, as parameters; and definitions with other limits."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.completion import replaced
from pytest_fakehv.fronts.libvirt.host.domainxml.cpus import CPUSET
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import parts_in_order
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, ranks
from pytest_fakehv.fronts.libvirt.values import Kind, Parameter

UNLIMITED: Final = 9007199254740991
"""KiB: the most, which stands for no limit."""

_TYPES: Final = {
    Kind.INT: "int", Kind.UINT: "uint", Kind.LLONG: "llong", Kind.ULLONG: "ullong", Kind.DOUBLE: "double",
    Kind.BOOLEAN: "boolean", Kind.STRING: "string",
}  # fmt: skip
"""What libvirt calls the types of parameters."""


class Setting(NamedTuple):
    """One figure that can be set."""

    field: str
    """What the parameter is called."""
    element: str
    """What has it in the XML."""
    kind: Kind = Kind.ULLONG
    unset: int = 0
    """What is said of it where nothing is set."""
    unset_live: int = 0
    """The same while the domain runs."""
    least: int | None = None
    """The least that it may be; 0, and less than that, is no limit; None: anything may be."""
    most: int = 0


SHORTEST_PERIOD, LONGEST_PERIOD = 1000, 1_000_000
LEAST_QUOTA, MOST_QUOTA = 1000, 17_592_186_044_415


def _of_scheduler() -> Iterable[Setting]:
    yield Setting("cpu_shares", "shares", unset_live=1024)
    for field, element in (
        ("vcpu", ""),
        ("emulator", "emulator_"),
        ("global", "global_"),
        ("iothread", "iothread_"),
    ):
        yield Setting(
            f"{field}_period", f"{element}period", Kind.ULLONG, 0, 100_000, SHORTEST_PERIOD, LONGEST_PERIOD
        )
        yield Setting(f"{field}_quota", f"{element}quota", Kind.LLONG, 0, -1, LEAST_QUOTA, MOST_QUOTA)


SCHEDULER: Final = tuple(_of_scheduler())
MEMORY: Final = tuple(
    Setting(each, each, Kind.ULLONG, UNLIMITED, UNLIMITED)
    for each in ("hard_limit", "soft_limit", "swap_hard_limit")
)
_ORDER: Final = ranks(
    "shares period quota global_period global_quota emulator_period emulator_quota iothread_period "
    "iothread_quota vcpupin emulatorpin iothreadpin hard_limit soft_limit min_guarantee swap_hard_limit"
)

_OF_DEVICES: Final = {
    "device_weight": "weight",
    "device_read_iops_sec": "read_iops_sec",
    "device_write_iops_sec": "write_iops_sec",
    "device_read_bytes_sec": "read_bytes_sec",
    "device_write_bytes_sec": "write_bytes_sec",
}
"""The parameters of a block device's, by the elements that have them."""
_ORDER_OF_DEVICE: Final = ranks("path weight read_iops_sec write_iops_sec read_bytes_sec write_bytes_sec")
BLKIO: Final = {"weight": Kind.UINT, **dict.fromkeys(_OF_DEVICES, Kind.STRING)}

MODES: Final = ("strict", "preferred", "interleave", "restrictive")
"""From where a domain's memory is, by libvirt's numbers."""
NUMA: Final = {"numa_mode": Kind.INT, "numa_nodeset": Kind.STRING}

_EVENTS: Final = (
    "cmt", "mbmt", "mbml", "cpu_cycles", "instructions", "cache_references", "cache_misses",
    "branch_instructions", "branch_misses", "bus_cycles", "stalled_cycles_frontend", "stalled_cycles_backend",
    "ref_cpu_cycles", "cpu_clock", "task_clock", "page_faults", "context_switches", "cpu_migrations",
    "page_faults_min", "page_faults_maj", "alignment_faults", "emulation_faults",
)  # fmt: skip
PERF: Final = dict.fromkeys(_EVENTS, Kind.BOOLEAN)


def checked(given: Sequence[Parameter], kinds: Mapping[str, Kind]) -> dict[str, int | str]:
    """Return the values of parameters that a client sets, by field.

    Raises:
        LibvirtError: one isn't known, or of another type.
    """
    for field, kind, _ in given:
        if field not in kinds:
            problem = f"parameter '{field}' not supported"
            raise failure(Code.ARGUMENT_UNSUPPORTED, problem, origin=Origin.NONE)
        if kind != kinds[field]:
            said, expected = _TYPES[Kind(kind)], _TYPES[kinds[field]]
            problem = f"invalid type '{said}' for parameter '{field}', expected '{expected}'"
            raise failure(Code.INVALID_ARG, problem, origin=Origin.NONE)
    return {field: value for field, _, value in given}


# Figures that are an element each


def figures(given: Definition, name: str, settings: Sequence[Setting], *, is_live: bool) -> list[Parameter]:
    """Return what is set in the element of a name."""
    there = given.root.child(name) or Element(name)
    return [
        Parameter(
            each.field, each.kind, _whole(there, each.element, each.unset_live if is_live else each.unset)
        )
        for each in settings
    ]


def with_figures(
    given: Definition, name: str, settings: Sequence[Setting], values: Mapping[str, int | str]
) -> Definition:
    """Return a definition in whose element of a name other values are set.

    Raises:
        LibvirtError: one is out of its range.
    """
    element = given.root.child(name) or Element(name)
    for each in settings:
        if each.field not in values:
            continue
        value = int(values[each.field])
        if each.least is not None and value > 0 and not each.least <= value <= each.most:
            problem = f"value of '{each.field}' is out of range [{each.least}, {each.most}]"
            raise failure(Code.INVALID_ARG, problem)
        unit = {"unit": "KiB"} if each.unset == UNLIMITED else {}
        text = None if value == UNLIMITED else str(value)
        element = _with_part(element, each.element, text, unit)
    return _with(given, parts_in_order(element, _ORDER))


def _whole(element: Element, name: str, otherwise: int) -> int:
    found = element.child(name)
    return int(found.text) if found and re.fullmatch(r"-?\d+", found.text) else otherwise


def _with_part(element: Element, name: str, text: str | None, attributes: Mapping[str, str]) -> Element:
    """Return an element with another text in its part of a name; None takes it away."""
    others = [each for each in element.children if each.name != name]
    part = [] if text is None else [Element(name, attributes, (text,))]
    return element.holding(*others, *part)


def _with(given: Definition, element: Element) -> Definition:
    """Return a definition with another element, which is left out if there is nothing in it."""
    return Definition(replaced(given.root, element.name, element if element.content else None))


# How much of disks


def blkio(given: Definition) -> list[Parameter]:
    """Return what is set of a domain's use of the host's disks."""
    there = given.root.child("blkiotune") or Element("blkiotune")
    texts = {
        field: ",".join(
            f"{_text(each, 'path')},{_text(each, element)}"
            for each in there.named("device")
            if each.child(element)
        )
        for field, element in _OF_DEVICES.items()
    }
    found = [Parameter("weight", Kind.UINT, _whole(there, "weight", 0))]
    return found + [Parameter(field, Kind.STRING, text) for field, text in texts.items()]


def with_blkio(given: Definition, values: Mapping[str, int | str]) -> Definition:
    """Return a definition in which other values are set of it.

    Raises:
        LibvirtError: what is said of devices can't be read.
    """
    tune = given.root.child("blkiotune") or Element("blkiotune")
    weight = tune.child("weight")
    if "weight" in values:
        weight = Element("weight", {}, (str(values["weight"]),))
    devices = {_text(each, "path"): each for each in tune.named("device")}
    for field, element in _OF_DEVICES.items():
        for path, number in _pairs(field, str(values.get(field, ""))):
            new = Element("device", {}, (Element("path", {}, (path,)),))
            device = devices.get(path, new)
            text = number if int(number) else None
            devices[path] = parts_in_order(_with_part(device, element, text, {}), _ORDER_OF_DEVICE)
    kept = [each for each in devices.values() if len(each.children) > 1]
    return _with(given, tune.holding(*([weight] if weight else []), *kept))


def _text(element: Element, name: str) -> str:
    found = element.child(name)
    return found.text if found else ""


def _pairs(field: str, text: str) -> list[tuple[str, str]]:
    """Return the devices and figures of a text such as ``/dev/sda,400,/dev/sdb,200``."""
    if not text:
        return []
    parts = text.split(",")
    pairs = list(zip(parts[::2], parts[1::2], strict=False))
    if len(parts) % 2:
        problem = f"unable to parse blkio device '{field}' '{text}'"
        raise failure(Code.INVALID_ARG, problem, origin=Origin.DOMAIN)
    for path, number in pairs:
        if not number.isdecimal():
            problem = f"invalid value '{number}' for parameter '{field}' of device '{path}'"
            raise failure(Code.INVALID_ARG, problem, origin=Origin.DOMAIN)
    return pairs


# From where memory is


def numa(given: Definition) -> list[Parameter]:
    """Return what is set of where a domain's memory is from."""
    there = given.root.at("numatune/memory")
    said = there.attributes if there else {}
    mode = said.get("mode", MODES[0])
    return [
        Parameter("numa_mode", Kind.INT, MODES.index(mode) if mode in MODES else 0),
        Parameter("numa_nodeset", Kind.STRING, said.get("nodeset", "")),
    ]


def with_numa(given: Definition, values: Mapping[str, int | str]) -> Definition:
    """Return a definition in which that is another.

    Raises:
        LibvirtError: there is no such mode, or what names the nodes can't be read.
    """
    changed = {}
    if "numa_mode" in values:
        mode = int(values["numa_mode"])
        if mode not in range(len(MODES)):
            raise failure(Code.INVALID_ARG, f"unsupported numatune mode: '{mode}'")
        changed["mode"] = MODES[mode]
    if "numa_nodeset" in values:
        nodes = str(values["numa_nodeset"])
        if not CPUSET.fullmatch(nodes):
            raise failure(Code.INVALID_ARG, f"Failed to parse bitmap '{nodes}'", origin=Origin.NONE)
        changed["nodeset"] = nodes
    tune = given.root.child("numatune") or Element("numatune")
    memory = (tune.child("memory") or Element("memory", {"mode": MODES[0]})).having(**changed)
    others = [each for each in tune.children if each.name != "memory"]
    return _with(given, tune.holding(memory, *others))


# What is counted


def perf(given: Definition) -> list[Parameter]:
    """Return which events of the host's processor are counted for a domain."""
    there = given.root.child("perf") or Element("perf")
    enabled = {
        each.attributes.get("name")
        for each in there.named("event")
        if each.attributes.get("enabled") == "yes"
    }
    return [Parameter(name, Kind.BOOLEAN, name in enabled) for name in _EVENTS]


def with_perf(given: Definition, values: Mapping[str, int | str]) -> Definition:
    """Return a definition in which these are others."""
    there = given.root.child("perf") or Element("perf")
    events = {each.attributes.get("name"): each for each in there.named("event")}
    for name, is_enabled in values.items():
        events[name] = Element("event", {"name": name, "enabled": "yes" if is_enabled else "no"})
    return _with(given, there.holding(*(events[name] for name in _EVENTS if name in events)))
