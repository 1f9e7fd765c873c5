"""What a domain can have on a host, as ``virConnectGetDomainCapabilities`` gives it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.capabilities import ARCHITECTURE, MODEL, VENDOR
from pytest_fakehv.fronts.libvirt.host.domainxml.completion import MOST_VCPUS, MOST_VCPUS_OF_Q35, TYPES
from pytest_fakehv.fronts.libvirt.host.domainxml.operating import EMULATORS, MACHINES
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, written

_MODELS: Final = {
    "unknown": "qemu64 qemu32 pentium3 pentium2 pentium kvm64 kvm32 486",
    "Intel": (
        "Westmere Skylake-Server Skylake-Client SandyBridge Penryn Nehalem IvyBridge Haswell Conroe Broadwell"
    ),
}
"""The models of CPU that a domain can have, by who makes them."""

_LOADER: Final = {"type": "rom pflash", "readonly": "yes no", "secure": "no"}
_BACKING: Final = {"sourceType": "file anonymous memfd"}
_VIRTIO: Final = "virtio virtio-transitional virtio-non-transitional"
_DEVICES: Final[Mapping[str, Mapping[str, str]]] = {
    "disk": {
        "diskDevice": "disk cdrom floppy lun",
        "bus": "ide fdc scsi virtio usb sata",
        "model": _VIRTIO,
    },
    "graphics": {"type": "sdl vnc spice egl-headless dbus"},
    "video": {"modelType": "vga cirrus vmvga qxl virtio none bochs ramfb"},
    "hostdev": {
        "mode": "subsystem",
        "startupPolicy": "default mandatory requisite optional",
        "subsysType": "usb pci scsi",
        "capsType": "",
        "pciBackend": "",
    },
    "rng": {"model": _VIRTIO, "backendModel": "random egd builtin"},
    "filesystem": {"driverType": "path handle virtiofs"},
    "tpm": {"model": "tpm-tis tpm-crb", "backendModel": "passthrough"},
    "redirdev": {"bus": "usb"},
    "channel": {"type": "pty unix spicevmc"},
}
_FEATURES: Final = {
    "gic": "no",
    "vmcoreinfo": "yes",
    "genid": "yes",
    "backingStoreInput": "yes",
    "backup": "yes",
    "sev": "no",
    "sgx": "no",
}
_HYPERV: Final = {"features": "spinlocks vendor_id"}


def domain_capabilities(
    emulator: str | None, architecture: str | None, machine: str | None, kind: str | None
) -> str:
    """Write what a domain can have.

    Args:
        emulator: The program that runs it; None: the architecture's.
        architecture: Its CPU's; None: the host's.
        machine: Its machine's name, short or whole; None: the one that x86 has had for long.
        kind: ``qemu`` or ``kvm``; None: the faster.

    Raises:
        LibvirtError: There is no such thing on any host.
    """
    architecture, kind = architecture or ARCHITECTURE, kind or "kvm"
    if architecture not in EMULATORS:
        raise failure(Code.INVALID_ARG, f"unknown architecture: {architecture}")
    program = emulator or EMULATORS[architecture]
    if program not in EMULATORS.values():
        text = f"Cannot check QEMU binary {program}: No such file or directory"
        raise LibvirtError(Code.SYSTEM_ERROR, Origin.QEMU, text, "%s", text, int1=2)
    if kind not in TYPES:
        raise failure(Code.INVALID_ARG, f"unknown virttype: {kind}")
    whole = MACHINES.get(machine or "pc", machine or "pc")
    if whole not in MACHINES.values():
        raise failure(Code.INVALID_ARG, f"the machine '{machine}' is not supported by emulator '{program}'")
    return _written(program, architecture, whole, kind)


@lru_cache(maxsize=16)
def _written(emulator: str, architecture: str, machine: str, kind: str) -> str:
    most = MOST_VCPUS_OF_Q35 if machine == MACHINES["q35"] else MOST_VCPUS
    features = [Element(name, {"supported": is_there}) for name, is_there in _FEATURES.items()]
    parts = (
        Element("path", {}, (emulator,)),
        Element("domain", {}, (kind,)),
        Element("machine", {}, (machine,)),
        Element("arch", {}, (architecture,)),
        Element("vcpu", {"max": str(most)}),
        Element("iothreads", {"supported": "yes"}),
        Element("os", {"supported": "yes"}, (_enum("firmware", ""), _supported("loader", _LOADER))),
        Element("cpu", {}, _modes(has_kvm=kind == "kvm")),
        _supported("memoryBacking", _BACKING),
        Element("devices", {}, tuple(_supported(name, enums) for name, enums in _DEVICES.items())),
        Element("features", {}, (*features, _supported("hyperv", _HYPERV))),
    )
    return written(Element("domainCapabilities", {}, parts))


def _modes(*, has_kvm: bool) -> tuple[Element, ...]:
    """Return the ways in which a domain's CPU can be said."""
    model = Element("model", {"fallback": "forbid"}, (MODEL,))
    models = (
        Element("model", {"usable": "yes", "vendor": vendor}, (name,))
        for vendor, names in _MODELS.items()
        for name in names.split()
    )
    passthrough = (_enum("hostPassthroughMigratable", "on off"),) if has_kvm else ()
    return (
        _mode("host-passthrough", *passthrough, is_there=has_kvm),
        _mode("maximum", _enum("maximumMigratable", "on off")),
        _mode("host-model", model, Element("vendor", {}, (VENDOR,))),
        _mode("custom", *models),
    )


def _mode(name: str, *content: Element, is_there: bool = True) -> Element:
    return Element("mode", {"name": name, "supported": "yes" if is_there else "no"}, content)


def _supported(name: str, enums: Mapping[str, str]) -> Element:
    return Element(name, {"supported": "yes"}, tuple(_enum(each, values) for each, values in enums.items()))


def _enum(name: str, values: str) -> Element:
    return Element("enum", {"name": name}, tuple(Element("value", {}, (each,)) for each in values.split()))
