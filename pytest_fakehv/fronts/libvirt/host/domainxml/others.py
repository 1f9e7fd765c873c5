"""What a domain's smaller devices are checked for."""

import errno
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure, system_failure
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of, with_part
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, unsupported, wrong
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, words

_RNGS: Final = words("virtio virtio-transitional virtio-non-transitional")
_WATCHDOGS: Final = words("i6300esb ib700 diag288 itco")
_HOSTDEVS: Final = words("usb pci scsi scsi_host mdev")
_TPMS: Final = words("tpm-tis tpm-crb tpm-spapr spapr-tpm-proxy")
_OF_TPMS: Final = words("passthrough emulator external")
_VERSIONS: Final = ("1.2", "2.0")
_SECURITY: Final = ("sev", "s390-pv")
_REDIRECTED: Final = words("null vc pty dev file pipe stdio udp tcp unix spicevmc spiceport nmdm dbus")
_PARTS_OF_ADDRESSES: Final = {"domain": 4, "bus": 2, "slot": 2, "function": 1}
"""How many digits each has."""
_NUMBERS: Final = frozenset({*_PARTS_OF_ADDRESSES, "base"})
"""The parts of addresses that are numbers, as C reads them."""


def check_rng(device: Element) -> None:
    """Refuse a source of random numbers of no known kind."""
    model = device.attributes.get("model")
    if model is None:
        raise wrong("missing RNG device model")
    if model not in _RNGS:
        raise unsupported(f"unknown RNG model '{model}'")


def check_watchdog(device: Element) -> None:
    """Refuse a watchdog of no known kind."""
    model = device.attributes.get("model")
    if model is None:
        detail = "watchdog must contain model name"
        raise failure(Code.INTERNAL_ERROR, detail, origin=Origin.DOMAIN)
    if model not in _WATCHDOGS:
        raise unsupported(f"unknown watchdog model '{model}'")


def check_hostdev(device: Element) -> None:
    """Refuse a device of the host's that is on no known bus."""
    kind = device.attributes.get("type")
    if kind is None:
        raise wrong("missing source address type")
    if kind not in _HOSTDEVS:
        raise unsupported(f"unknown host device source address type '{kind}'")


def no_hostdev(device: Element) -> LibvirtError:
    """Return the error that a host has no such device to give to a guest."""
    kind, source = device.attributes["type"], device.child("source") or Element("source")
    match kind:
        case "pci" | "hostdev":
            return unsupported("host doesn't support passthrough of host PCI devices", Origin.QEMU)
        case "mdev":
            return unsupported("Mediated host device assignment requires VFIO support", Origin.QEMU)
        case "scsi_host":
            return unsupported("vhost-scsi device file '/dev/vhost-scsi' cannot be found", Origin.NONE)
        case "usb":
            folder = "/sys/bus/usb/devices"
        case _:
            number = (part_of(source, "adapter", "name") or "").removeprefix("scsi_host")
            address = (part_of(source, "address", each) or "0" for each in ("bus", "target", "unit"))
            folder = f"/sys/bus/scsi/devices/{':'.join((number, *address))}/scsi_generic"
    return system_failure(f"cannot open directory '{folder}'", errno.ENOENT)


def check_redirdev(device: Element) -> None:
    """Refuse a device that is elsewhere, and led here by no known way."""
    kind = device.attributes.get("type")
    if kind is None:
        raise failure(Code.INTERNAL_ERROR, "missing type in redirdev", origin=Origin.DOMAIN)
    if kind not in _REDIRECTED:
        raise unsupported(f"unknown redirdev character device type '{kind}'")


def check_tpm(device: Element) -> None:
    """Refuse a security chip of no known kind, and one that a program plays: no host has that program."""
    check_choice(device, "model", _TPMS)
    backend = device.child("backend")
    if backend is None:
        raise wrong("missing TPM device backend")
    check_choice(backend, "type", _OF_TPMS, is_needed=True)
    check_choice(backend, "version", _VERSIONS)
    match backend.attributes["type"]:
        case "emulator":
            usual = "2.0" if device.attributes.get("model") == "tpm-crb" else "1.2"
            version = backend.attributes.get("version", usual)
            raise unsupported(f"TPM version '{version}' is not supported", Origin.QEMU)
        case "external":
            if backend.child("source") is None:
                raise wrong("missing external TPM backend type")
            program = "The QEMU executable /usr/bin/qemu-system-x86_64"
            raise unsupported(f"{program} does not support TPM backend type external", Origin.QEMU)


def complete_tpm(device: Element) -> Element:
    """Return a security chip of the host's with its model, and where it is there."""
    backend = device.child("backend") or Element("backend")
    found = with_part(backend, "device", path="/dev/tpm0")
    return device.defaulting(model="tpm-tis").exchanging(backend, found)


def check_security(root: Element) -> None:
    """Refuse a domain whose memory is to be kept from its host, which none can do."""
    security = root.child("launchSecurity")
    if security is None:
        return
    check_choice(security, "type", _SECURITY, is_needed=True)
    kind = {"sev": "SEV", "s390-pv": "S390 PV"}[security.attributes["type"]]
    if kind == "SEV" and security.child("policy") is None:
        raise wrong("failed to get launch security policy")
    words = f"{kind} launch security is not supported with this QEMU binary"
    raise unsupported(words, Origin.QEMU)


def check_address(device: Element) -> None:
    """Refuse a device whose address has a part that is no number."""
    for address in device.named("address"):
        for name in _NUMBERS & address.attributes.keys():
            _number(name, address.attributes[name])


def complete_hostdev(device: Element) -> Element:
    """Return a device of the host's with where it is there written as libvirt does."""
    source = device.child("source")
    if source is None or device.attributes["type"] != "pci":
        return device
    return device.exchanging(source, long_source(source))


def long_source(source: Element) -> Element:
    """Return where a device is on the host's PCI, written as libvirt does."""
    parts = (_long(each) if each.name == "address" else each for each in source.children)
    return source.holding(*parts)


def _long(address: Element) -> Element:
    written = {
        name: f"0x{_number(name, value):0{_PARTS_OF_ADDRESSES[name]}x}"
        for name, value in address.attributes.items()
        if name in _PARTS_OF_ADDRESSES
    }
    return address.having(**written)


def _number(name: str, value: str) -> int:
    try:
        return int(value, 0)
    except ValueError:
        detail = f"Invalid value for attribute '{name}' in element 'address': '{value}'."
        more = "Expected non-negative integer value"
        raise failure(Code.XML_ERROR, f"{detail} {more}", origin=Origin.XML) from None
