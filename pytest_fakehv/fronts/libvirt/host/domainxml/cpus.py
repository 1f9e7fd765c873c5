"""How many virtual CPUs a domain has, and of what kind."""

import re
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.memorydevices import complete_cells
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import (
    check_choice,
    check_given,
    integer,
    unsupported,
    whole,
    wrong,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, in_order, ranks

_PLACEMENTS: Final = ("static", "auto")
CPUSET: Final = re.compile(r"\^?[0-9]+(?:-[0-9]+)?(?:,\^?[0-9]+(?:-[0-9]+)?)*")
"""Which CPUs of the host are meant, as users write that."""
_MODES: Final = ("custom", "host-model", "host-passthrough", "maximum")
_MATCHES: Final = ("minimum", "exact", "strict")
_CHECKS: Final = ("none", "partial", "full")
_FALLBACKS: Final = ("allow", "forbid")
_POLICIES: Final = ("force", "require", "optional", "disable", "forbid")
_TOPOLOGY: Final = ("sockets", "cores", "threads")
_MODELS: Final = {"x86_64": "qemu64", "i686": "qemu32"}
"""What a domain's CPU is that names none, by architecture."""
_PLACES: Final = ranks("model vendor topology")


def checked_vcpu(root: Element) -> Element:
    """Return how many virtual CPUs a domain has, as libvirt writes it.

    Raises:
        LibvirtError: It is no number; or more than it may have.
    """
    given = root.child("vcpu") or Element("vcpu", {}, ("1",))
    text = given.text
    most = None if text.isspace() or text[-1:].isspace() else integer(text)
    if most is None or text[:1].isspace():
        raise wrong("maximum vcpus count must be an integer")
    current = whole(given, "current", most)
    if current > most:
        raise unsupported("maximum vCPU count must not be less than current vCPU count")
    check_choice(given, "placement", _PLACEMENTS)
    cpus = given.attributes.get("cpuset")
    if cpus is not None and not CPUSET.fullmatch(cpus):
        raise failure(Code.INVALID_ARG, f"Failed to parse bitmap '{cpus}'", origin=Origin.NONE)
    return counted(given, current, most)


def counted(vcpu: Element, current: int, most: int) -> Element:
    """Return the element of the virtual CPUs with other numbers.

    Args:
        vcpu: The element.
        current: How many a domain has when it starts.
        most: How many it may have.
    """
    kept = {name: value for name, value in vcpu.attributes.items() if name not in {"placement", "current"}}
    attributes = {"placement": vcpu.attributes.get("placement", "static"), **kept}
    if current != most:
        attributes["current"] = str(current)
    return Element("vcpu", attributes, (str(most),))


def checked_cpu(root: Element) -> Element:
    """Return of what kind a domain's CPU is, as it is written.

    Raises:
        LibvirtError: A value is wrong.
    """
    cpu = root.child("cpu") or Element("cpu")
    mode = cpu.attributes.get("mode", "custom")
    if mode not in _MODES:
        raise unsupported(f"Invalid mode attribute '{mode}'", Origin.CPU)
    check_choice(cpu, "match", _MATCHES)
    check_choice(cpu, "check", _CHECKS)
    check_choice(cpu, "migratable", ("on", "off"))
    _check_model(cpu, mode)
    if topology := cpu.child("topology"):
        for part in _TOPOLOGY:
            check_given(topology, part)
            if not whole(topology, part, 1):
                detail = f"Invalid value for attribute '{part}' in element 'topology': Zero is not permitted"
                raise failure(Code.XML_ERROR, detail, origin=Origin.XML)
    return cpu


def _check_model(cpu: Element, mode: str) -> None:
    model, seen = cpu.child("model"), set()
    if model and model.attributes.get("fallback", "allow") not in _FALLBACKS:
        raise unsupported("Invalid fallback attribute", Origin.CPU)
    features = list(cpu.named("feature"))
    if features and mode == "custom" and model is None:
        problem = "Non-empty feature list specified without CPU model"
        raise failure(Code.XML_ERROR, problem, origin=Origin.CPU)
    for feature in features:
        if feature.attributes.get("policy", "require") not in _POLICIES:
            raise unsupported("Invalid CPU feature policy", Origin.CPU)
        name = feature.attributes.get("name")
        if not name:
            raise failure(Code.XML_ERROR, "Invalid CPU feature name", origin=Origin.CPU)
        if name in seen:
            problem = f"CPU feature '{name}' specified more than once"
            raise failure(Code.XML_ERROR, problem, origin=Origin.CPU)
        seen.add(name)


def check_topology(cpu: Element, most: int) -> None:
    """Refuse a topology of more or fewer CPUs than the domain may have."""
    if topology := cpu.child("topology"):
        count = 1
        for part in (*_TOPOLOGY, "dies"):
            count *= whole(topology, part, 1)
        if count != most:
            raise unsupported("CPU topology doesn't match maximum vcpu count", Origin.QEMU)


def complete_cpu(cpu: Element, kind: str, architecture: str) -> Element:
    """Return of what kind a domain's CPU is, with what a user may leave out.

    Args:
        cpu: As it is written.
        kind: The domain's type.
        architecture: The CPU's.
    """
    mode = cpu.attributes.get("mode", "custom")
    is_custom = mode == "custom"
    implied = {"mode": mode}
    if is_custom:
        implied["match"] = "exact"
    else:
        cpu = cpu.having(match=None)
    is_checked = mode == "host-model" or (is_custom and kind == "kvm" and cpu.child("model") is not None)
    implied["check"] = "partial" if is_checked else "none"
    if mode == "host-passthrough":
        implied["migratable"] = "on"
    parts = [_complete_part(each) for each in cpu.children]
    if is_custom and architecture in _MODELS and cpu.child("model") is None:
        parts.append(Element("model", {"fallback": "forbid"}, (_MODELS[architecture],)))
    return cpu.defaulting(**implied).holding(*in_order(parts, _PLACES))


def _complete_part(part: Element) -> Element:
    match part.name:
        case "model":
            return part.defaulting(fallback="allow")
        case "feature":
            return part.defaulting(policy="require")
        case "topology":
            return part.defaulting(sockets="1", dies="1")
        case "numa":
            return complete_cells(part)
        case _:
            return part
