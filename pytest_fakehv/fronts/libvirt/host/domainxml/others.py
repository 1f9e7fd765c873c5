"""What a domain's smaller devices are checked for."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import unsupported, wrong
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, words

_RNGS: Final = words("virtio virtio-transitional virtio-non-transitional")
_WATCHDOGS: Final = words("i6300esb ib700 diag288 itco")
_HOSTDEVS: Final = words("usb pci scsi scsi_host mdev")
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


def check_redirdev(device: Element) -> None:
    """Refuse a device that is elsewhere, and led here by no known way."""
    kind = device.attributes.get("type")
    if kind is None:
        raise failure(Code.INTERNAL_ERROR, "missing type in redirdev", origin=Origin.DOMAIN)
    if kind not in _REDIRECTED:
        raise unsupported(f"unknown redirdev character device type '{kind}'")


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
    parts = (_long(each) if each.name == "address" else each for each in source.children)
    return device.exchanging(source, source.holding(*parts))


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
