"""What of a domain must be the same where its guest goes on: else that would see another machine.

Two definitions are compared part by part, in the order in which a daemon does, and the first difference is
told in its words. What the guest doesn't see may differ: a disk's file, an interface's network, a screen.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.eachcpu import each_of
from pytest_fakehv.fronts.libvirt.host.domainxml.memorydevices import cells_of, size_of
from pytest_fakehv.fronts.libvirt.host.domainxml.stabledevices import KINDS
from pytest_fakehv.fronts.libvirt.host.domainxml.stableparts import (
    NULL,
    Check,
    Value,
    attribute,
    of_part,
    same,
    text,
    told,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, words

Differences = Callable[[Element, Element], Iterator[str]]
"""Compares two domains, or parts of them, and gives all that differs."""

_NOTHING: Final = Element("")


def check_stable(given: Element, own: Element, *, is_saved: bool = False) -> None:
    """Refuse another definition in place of the one by which a guest that goes on has begun.

    Args:
        given: The other one, completed.
        own: That one, likewise.
        is_saved: Whether the guest's memory lies in a file, and so is as large as it was then.

    Raises:
        LibvirtError: It is another domain's, or a guest would see another machine.
    """
    for origin, differences in _COMPARED_OF_SAVED if is_saved else _COMPARED:
        for problem in differences(given, own):
            raise failure(Code.CONFIG_UNSUPPORTED, problem, origin=origin)


def _all_of(*checks: Check) -> Differences:
    """Join checks of the same two parts."""
    return lambda there, here: (problem for check in checks if (problem := check(there, here)))


# -- Which domain it is, and how large


def _genid(there: Element, here: Element) -> str | None:
    if (there.child("genid") is None) != (here.child("genid") is None):
        return "Target domain requested genid does not match source"
    return same("domain genid", text("genid"))(there, here)


def _memory(domain: Element) -> object:
    """Return how much memory a domain has without what was plugged in, in KiB."""
    devices = domain.child("devices") or _NOTHING
    return int(_text(domain, "memory")) - sum(map(size_of, devices.named("memory")))


def _text(domain: Element, part: str) -> str:
    found = domain.child(part)
    return found.text if found else ""


def _cells(domain: Element) -> list[Element]:
    return cells_of(domain.child("cpu") or _NOTHING)


def _cell_sizes(there: Element, here: Element) -> str | None:
    """Compare how large each part of the memory is, before all of it, which is their sum here."""
    for number, cells in enumerate(zip(_cells(there), _cells(here), strict=False)):
        sizes = [each.attributes.get("memory", "0") for each in cells]
        if sizes[0] != sizes[1]:
            return f"Size of target NUMA node {number} ({sizes[0]}) doesn't match source ({sizes[1]})"
    return None


def _present(domain: Element) -> list[bool]:
    vcpu = domain.child("vcpu") or _NOTHING
    most = int(vcpu.text)
    return [each.is_there for each in each_of(domain, int(vcpu.attributes.get("current", most)), most)]


def _vcpus(there: Element, here: Element) -> str | None:
    for number, (new, old) in enumerate(zip(_present(there), _present(here), strict=True)):
        if new != old:
            return f"State of vCPU '{number}' differs between source and destination definitions"
    return None


_IDENTITY: Final = (
    same("domain virt type", attribute("type")),
    same("domain uuid", text("uuid")),
    _genid,
    told("Target domain name '{0}' does not match source '{1}'", text("name")),
    _cell_sizes,
    same("domain max memory", _memory),
)
_SIZES: Final = (
    told("Target maximum memory size '{0}' doesn't match source '{1}'", text("maxMemory", "0")),
    told(
        "Target domain memory slots count '{0}' doesn't match source '{1}'",
        of_part("maxMemory", "slots", "0"),
    ),
    told("Target NUMA node count '{0}' doesn't match source '{1}'", lambda domain: len(_cells(domain))),
    same("domain vCPU max", text("vcpu")),
    _vcpus,
)
_head: Final = _all_of(*_IDENTITY, *_SIZES)
_saved_head: Final = _all_of(*_IDENTITY, same("domain current memory", text("currentMemory")), *_SIZES)


# -- Its machine


def _state(name: str) -> Value:
    """Take whether a feature is on, where it is said."""

    def value(domain: Element) -> object:
        found = domain.at(f"features/{name}")
        return "default" if found is None else found.attributes.get("state", "on")

    return value


def _also(name: str, *parts: str) -> Value:
    """Take the same, and attributes of it."""

    def value(domain: Element) -> object:
        said = ",".join(
            f"{each}={of_part(f'features/{name}', each, _UNSAID[each])(domain)}" for each in parts
        )
        return said if name in _ONLY_PARTS else f"{_state(name)(domain)},{said}"

    return value


_UNSAID: Final = {"eoi": "default", "version": "none", "driver": "none", "policy": "default"}
"""What attributes of features are where they aren't said."""
_ONLY_PARTS: Final = ("capabilities", "ioapic")
"""The features of which no more is said than their attribute."""
_PARTS: Final = {"apic": "eoi", "capabilities": "policy", "gic": "version", "ioapic": "driver"}
_FEATURES: Final = words(
    "acpi apic pae hap viridian privnet hyperv kvm pvspinlock capabilities pmu vmport gic smm ioapic "
    "vmcoreinfo"
)


def _feature(name: str) -> Check:
    value = _also(name, _PARTS[name]) if name in _PARTS else _state(name)
    return told(f"State of feature '{name}' differs: source: '{{1}}', destination: '{{0}}'", value)


def _enlightenments(what: str, group: str) -> Differences:
    """Compare the features in one that has such: those of either."""

    def differences(there: Element, here: Element) -> Iterator[str]:
        groups = [each.at(f"features/{group}") or _NOTHING for each in (here, there)]
        for name in dict.fromkeys(
            each.name for each in chain.from_iterable(each.children for each in groups)
        ):
            words = f"State of {what} feature '{name}' differs: source: '{{1}}', destination: '{{0}}'"
            if problem := told(words, _state(f"{group}/{name}"))(there, here):
                yield problem
            for tuned, said in _TUNED.get(name, {}).items():
                value = of_part(f"features/{group}/{name}", tuned)
                if problem := told(f"{said} differs: source: '{{1}}', destination: '{{0}}'", value)(
                    there, here
                ):
                    yield problem

    return differences


_TUNED: Final = {
    "spinlocks": {"retries": "HyperV spinlock retry count"},
    "vendor_id": {"value": "HyperV vendor_id"},
}
"""What more is said of features, by their attributes."""


def _timers(there: Element, here: Element) -> Iterator[str]:
    timers = [list((each.child("clock") or _NOTHING).named("timer")) for each in (there, here)]
    if len(timers[0]) != len(timers[1]):
        yield "Target domain timers do not match source"
    for new, old in zip(*timers, strict=True):
        yield from _TIMER(new, old)


_TIMER: Final = _all_of(
    same("timer", attribute("name")),
    told("Target timer presence '{0}' does not match source '{1}'", attribute("present", "default")),
)
_BOARD: Final = _all_of(
    same("domain architecture", of_part("os/type", "arch")),
    same("domain machine type", of_part("os/type", "machine")),
    same("domain SMBIOS mode", of_part("os/smbios", "mode", "none")),
    *map(_feature, _FEATURES),
)
_HYPERV: Final = _enlightenments("HyperV enlightenment", "hyperv")
_KVM: Final = _enlightenments("KVM", "kvm")


def _machine(there: Element, here: Element) -> Iterator[str]:
    return chain(*(each(there, here) for each in (_BOARD, _HYPERV, _KVM, _timers)))


# -- Its CPU


def _cpu(there: Element, here: Element) -> Iterator[str]:
    new, old = (each.child("cpu") or _NOTHING for each in (there, here))
    yield from _CPU(new, old)
    features = list(new.named("feature")), list(old.named("feature"))
    if len(features[0]) != len(features[1]):
        yield f"Target CPU feature count {len(features[0])} does not match source {len(features[1])}"
    for pair in zip(*features, strict=True):
        yield from _CPU_FEATURE(*pair)
    yield from _CPU_CACHE(new, old)


_CPU: Final = _all_of(
    same("CPU mode", attribute("mode")),
    same("CPU check", attribute("check")),
    same("CPU model", text("model")),
    same("CPU vendor", text("vendor")),
    same("CPU vendor id", of_part("model", "vendor_id")),
    *(same(f"CPU {each}", of_part("topology", each, "0")) for each in words("sockets dies cores threads")),
    told("Target CPU maxphysaddr does not match source", lambda cpu: cpu.child("maxphysaddr")),
)
_CPU_FEATURE: Final = _all_of(
    same("CPU feature", attribute("name")), same("CPU feature policy", attribute("policy"))
)
_CPU_CACHE: Final = _all_of(told("Target CPU cache does not match source", lambda cpu: cpu.child("cache")))


# -- What its BIOS says


_SYSINFO_COUNT: Final = _all_of(
    told(
        "Target domain count of sysinfo does not match source",
        lambda domain: len(list(domain.named("sysinfo"))),
    )
)


def _sysinfo(there: Element, here: Element) -> Iterator[str]:
    for new, old in zip(there.named("sysinfo"), here.named("sysinfo"), strict=True):
        for part in ("bios", "system"):
            if (new.child(part) is None) != (old.child(part) is None):
                yield "Target sysinfo does not match source"
            yield from _entries(part, new.child(part) or _NOTHING, old.child(part) or _NOTHING)
        boards = list(new.named("baseBoard")), list(old.named("baseBoard"))
        if len(boards[0]) != len(boards[1]):
            count = f"'{len(boards[0])}' does not match source '{len(boards[1])}'"
            yield f"Target sysinfo base board count {count}"
        for pair in zip(*boards, strict=True):
            yield from _entries("baseBoard", *pair)
        if (new.child("chassis") is None) != (old.child("chassis") is None):
            yield "Target chassis does not match source"
        yield from _entries("chassis", new.child("chassis") or _NOTHING, old.child("chassis") or _NOTHING)


_PARTS_OF_SYSINFO: Final = {
    "bios": "BIOS",
    "system": "system",
    "baseBoard": "base board",
    "chassis": "chassis",
}
_ENTRIES: Final = {
    "bios": words("vendor version date release"),
    "system": words("manufacturer product version serial uuid sku family"),
    "baseBoard": words("manufacturer product version serial asset location"),
    "chassis": words("manufacturer version serial asset sku"),
}


def _entries(part: str, there: Element, here: Element) -> Iterator[str]:
    for name in _ENTRIES[part]:
        called = f"sysinfo {_PARTS_OF_SYSINFO[part]} {'vendor' if name == 'manufacturer' else name}"
        yield from _all_of(same(called, _entry(name)))(there, here)


def _entry(name: str) -> Value:
    """Take what an entry says."""

    def value(part: Element) -> object:
        return next((each.text for each in part.named("entry") if each.attributes.get("name") == name), NULL)

    return value


# -- Its devices


def _devices(there: Element, here: Element) -> Iterator[str]:
    devices = [each.child("devices") or _NOTHING for each in (there, here)]
    for kind in KINDS:
        new, old = (kind.of(each) for each in devices)
        if len(new) != len(old):
            yield kind.counted.format(len(new), len(old))
        for pair in zip(new, old, strict=True):
            yield from _all_of(*kind.checks)(*pair)


_BACKING: Final = _all_of(
    told(
        "Target memoryBacking source '{0}' doesn't match source memoryBacking source'{1}'",
        of_part("memoryBacking/source", "type", "none"),
    )
)

_COMPARED: Final[tuple[tuple[Origin, Differences], ...]] = (
    (Origin.DOMAIN, _head),
    (Origin.DOMAIN, _machine),
    (Origin.CPU, _cpu),
    (Origin.DOMAIN, _SYSINFO_COUNT),
    (Origin.SYSINFO, _sysinfo),
    (Origin.DOMAIN, _devices),
    (Origin.QEMU, _BACKING),
)
"""What is compared, in order, and who says what differs."""
_COMPARED_OF_SAVED: Final = ((Origin.DOMAIN, _saved_head), *_COMPARED[1:])
