"""Processors: which there are, and which a host's can be."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.capabilities import FEATURES, MODEL
from pytest_fakehv.fronts.libvirt.host.cpumodels import MODELS, hindrance
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, words, written
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.suited import domain_capabilities
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import Parameter

__tracebackhide__ = True  # a failed call is shown at the line that made it

_OF_X86: Final = tuple(MODELS)
_OF_POWER: Final = words("POWER6 POWER7 POWER8 POWER9 POWER10 POWERPC_e5500 POWERPC_e6500")
_MODELS: Final = {
    "x86_64": _OF_X86, "i686": _OF_X86, "ppc64": _OF_POWER, "ppc64le": _OF_POWER, "aarch64": (), "armv7l": (),
    "s390x": (),
}  # fmt: skip
"""The models of which a daemon knows, by architecture."""
_WITHOUT: Final = ("riscv64", "mips", "sparc64", "alpha", "m68k")
"""Architectures of which it knows no models."""

_LINE: Final = words(
    "486 pentium pentium2 pentium3 coreduo core2duo Conroe Penryn Nehalem Westmere SandyBridge IvyBridge "
    "Haswell Broadwell Skylake-Client Skylake-Server"
)
"""Models of which each has what the one before it has; the last is the hosts'."""

_INCOMPATIBLE, _IDENTICAL, _SUPERSET = range(3)
"""What a host's processor is, beside another: ``VIR_CPU_COMPARE_...``."""
_FAIL, _VALIDATE = 1, 2
"""Flags: refuse what is incompatible; look at the XML's schema, which changes nothing."""
_EXPAND, _MIGRATABLE = 1, 2
"""Flags: name all features of the model, of which nothing is known; leave out what can't migrate."""


@api("virConnectGetCPUModelNames", about="nothing", flags=0)
def model_names(
    _host: Host, _session: Session, architecture: str, need_results: int, _flags: int
) -> tuple[list[str], int]:
    """Return the models of processor that there are of an architecture."""
    if architecture in _WITHOUT:
        problem = f"'{architecture}' architecture is not supported by CPU driver"
        raise failure(Code.NO_SUPPORT, problem, origin=Origin.CPU)
    if architecture not in _MODELS:
        raise failure(Code.INVALID_ARG, f"cannot find architecture {architecture}")
    names = list(_MODELS[architecture])
    return (names if need_results else []), len(names)


@api("virConnectCompareCPU", about="nothing", flags=_FAIL | _VALIDATE)
def compare(_host: Host, _session: Session, xml: str, flags: int) -> int:
    """Return what the host's processor is beside another one."""
    return _compared(xml, flags)


@api("virConnectCompareHypervisorCPU", about="nothing", flags=_FAIL | _VALIDATE)
def compare_with_guests(
    _host: Host,
    _session: Session,
    emulator: str | None,
    architecture: str | None,
    machine: str | None,
    kind: str | None,
    xml: str,
    flags: int,
) -> int:
    """Return what the processors that guests can have are beside another one."""
    domain_capabilities(emulator, architecture, machine, kind)
    return _compared(xml, flags)


def _compared(xml: str, flags: int) -> int:
    cpu = _read(xml)
    model = _text(cpu, "model")
    if not model:
        if cpu.child("arch"):
            raise failure(Code.XML_ERROR, "Missing CPU model name", origin=Origin.CPU)
        return _SUPERSET
    _check_model(model)
    if model not in MODELS:  # another architecture's
        return _INCOMPATIBLE
    if (why := hindrance(cpu)) is None:
        own = model == MODEL and _features(cpu) == set(FEATURES)
        return _IDENTICAL if own else _SUPERSET
    if flags & _FAIL:
        raise failure(Code.CPU_INCOMPATIBLE, why, origin=Origin.CPU)
    return _INCOMPATIBLE


@api("virConnectBaselineCPU", about="nothing", flags=_EXPAND | _MIGRATABLE)
def baseline(_host: Host, _session: Session, xmls: list[str], _flags: int) -> str:
    """Return the processor that has what all of some have."""
    cpus = _all_read(xmls, "virConnectBaselineCPU")
    if any(each.child("arch") is None and each.child("model") is None for each in cpus):
        raise failure(Code.XML_ERROR, "Missing CPU architecture", origin=Origin.CPU)
    return _baseline(cpus, "allow" if len(cpus) > 1 else "forbid")


@api("virConnectBaselineHypervisorCPU", about="nothing", flags=_EXPAND | _MIGRATABLE)
def baseline_of_guests(
    _host: Host,
    _session: Session,
    emulator: str | None,
    architecture: str | None,
    machine: str | None,
    kind: str | None,
    xmls: list[str],
    _flags: int,
) -> str:
    """Return the processor that guests can have everywhere."""
    domain_capabilities(emulator, architecture, machine, kind)
    return _baseline(_all_read(xmls, "virConnectBaselineHypervisorCPU"), "forbid")


def _baseline(cpus: list[Element], fallback: str) -> str:
    models = [_text(each, "model") for each in cpus]
    for number, model in enumerate(models):
        if not model:
            problem = f"no CPU model specified at index {number}"
            raise failure(Code.INVALID_ARG, problem, origin=Origin.CPU)
        _check_model(model)
    if len(set(models)) > 1 and not set(models) <= set(_LINE):
        raise failure(Code.OPERATION_FAILED, "CPUs are incompatible", origin=Origin.CPU)
    model = min(models, key=_LINE.index) if models[0] in _LINE else models[0]
    shared = set.intersection(*map(_features, cpus))
    features = (Element("feature", {"policy": "require", "name": name}) for name in sorted(shared))
    found = Element("model", {"fallback": fallback}, (model,))
    return written(Element("cpu", {"mode": "custom", "match": "exact"}, (found, *features)))


def _all_read(xmls: list[str], api: str) -> list[Element]:
    """Return some processors' XML, for a function that takes one at least."""
    if not xmls:
        raise wrong_argument(api, "xmlCPUs", f"xmlCPUs in {api} must not be NULL")
    return [_read(each) for each in xmls]


def _read(xml: str) -> Element:
    """Return a processor's XML.

    Raises:
        LibvirtError: it is malformed, none, or of an unknown architecture.
    """
    cpu = read(xml, "CPU_definition", Origin.CPU)
    if cpu.name != "cpu":
        problem = "XML does not contain expected 'cpu' element"
        raise failure(Code.XML_ERROR, problem, origin=Origin.CPU)
    architecture = _text(cpu, "arch")
    if architecture and architecture not in _MODELS and architecture not in _WITHOUT:
        problem = f"Unknown architecture {architecture}"
        raise failure(Code.CONFIG_UNSUPPORTED, problem, origin=Origin.CPU)
    return cpu


def _text(element: Element, name: str) -> str:
    found = element.child(name)
    return found.text if found else ""


def _features(cpu: Element) -> set[str]:
    """Return what a processor has beyond its model, or must have."""
    return {each.attributes.get("name", "") for each in cpu.named("feature")}


def _check_model(model: str) -> None:
    """Refuse a model that there is not.

    Raises:
        LibvirtError: it is none.
    """
    if not any(model in models for models in _MODELS.values()):
        raise failure(Code.INTERNAL_ERROR, f"Unknown CPU model {model}", origin=Origin.CPU)


@api("virNodeGetSEVInfo", about="nothing", flags=4)
def sev_info(_host: Host, _session: Session, _count: int, _flags: int) -> tuple[list[Parameter], int]:
    """Say that guests' memory can't be encrypted."""
    raise failure(Code.OPERATION_UNSUPPORTED, "QEMU does not support SEV guest")
