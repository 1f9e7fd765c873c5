"""A domain's serial lines, consoles and channels."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of, parts_in_order, with_part
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import unsupported, wrong
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, ranks, words

AGENT: Final = "org.qemu.guest_agent.0"
"""The channel on which an agent in the guest listens."""

CHANNELS: Final = "/var/lib/libvirt/qemu/channel/target/"
"""Where a daemon keeps the sockets of channels that name none."""

_TYPES: Final = words(
    "null vc pty dev file pipe stdio udp tcp unix spicevmc spiceport nmdm qemu-vdagent dbus"
)
_LINES: Final = words("serial parallel console channel")
_MAY_BE_SPICE: Final = (*_LINES, "redirdev", "smartcard")
_PATHS: Final = words("dev file pipe unix")
"""The types of which the other end is a file."""
_PARTS: Final = ranks("source log protocol target alias")
_HOST_SIDE: Final = words("source log protocol")


def check_line(device: Element) -> None:
    """Refuse a serial or parallel line, a console or a channel that leads nowhere."""
    kind = device.attributes.get("type", "pty")
    if kind not in _TYPES:
        raise unsupported(f"unknown type presented to host for character device: {kind}")


def check_channel(channel: Element) -> None:
    """Refuse a channel that leads nowhere, on either side."""
    check_line(channel)
    if part_of(channel, "target", "type") is None:
        raise wrong("target type must be specified for channel device")


def check_other_ends(devices: Element) -> None:
    """Refuse lines and channels that lead to what isn't said, or to a screen that isn't there."""
    has_spice = any(each.attributes["type"] == "spice" for each in devices.named("graphics"))
    for device in devices.children:
        if device.name not in _MAY_BE_SPICE:
            continue
        kind = device.attributes.get("type")
        if kind == "spicevmc" and not has_spice:
            detail = "chardev 'spicevmc' not supported without spice graphics"
            raise unsupported(detail, Origin.QEMU)
        is_chosen = kind == "unix" and part_of(device, "target", "type") == "virtio"
        needs_path = kind in _PATHS and not is_chosen
        if device.name in _LINES and needs_path and part_of(device, "source", "path") is None:
            detail = "Missing source path attribute for char device"
            raise failure(Code.INTERNAL_ERROR, detail, origin=Origin.DOMAIN)


def complete_lines(by_kind: dict[str, list[Element]]) -> None:
    """Complete the serial lines and all that is like one.

    The first console is that of the first serial line; where one of the two is missing, it is added.

    Args:
        by_kind: A domain's devices by their kind, which is changed.
    """
    serials, consoles = by_kind["serial"], by_kind["console"]
    if any(_console_type(each) == "serial" for each in consoles[1:]):
        raise unsupported("Only the first console can be a serial port")
    consoles = [_complete_console(each, port) for port, each in enumerate(consoles)]
    is_serial = bool(consoles) and _console_type(consoles[0]) == "serial"
    if is_serial and not serials:
        others = (each for each in consoles[0].children if each.name not in {"target", "alias"})
        serials = [Element("serial", consoles[0].attributes, tuple(others))]
    by_kind["serial"] = serials = [_complete_serial(each, port) for port, each in enumerate(serials)]
    if serials:
        host_side = (each for each in serials[0].children if each.name in _HOST_SIDE)
        twin = Element("console", serials[0].attributes, tuple(host_side))
        consoles = [_complete_console(twin, 0), *consoles[is_serial:]]
    by_kind["console"] = consoles
    by_kind["parallel"] = [_complete(each, port=str(port)) for port, each in enumerate(by_kind["parallel"])]
    by_kind["channel"] = [_complete(each) for each in by_kind["channel"]]


def _console_type(console: Element) -> str:
    return part_of(console, "target", "type") or "serial"


def _complete(device: Element, **target: str) -> Element:
    device = device.defaulting(type="pty")
    if target:
        device = with_part(device, "target", **target)
    if device.attributes["type"] == "tcp":
        device = with_part(device, "protocol", type="raw")
    source = device.child("source")
    if source and _is_for_running(device, source):
        device = device.holding(*(each for each in device.children if each is not source))
    if part_of(device, "target", "state"):
        targets = (each.having(state=None) if each.name == "target" else each for each in device.children)
        device = device.holding(*targets)
    return parts_in_order(device.having(tty=None), _PARTS)


def _is_for_running(device: Element, source: Element) -> bool:
    """Whether a daemon chose a place on the host while the domain ran."""
    if device.attributes["type"] == "pty":
        return True
    path = source.attributes.get("path")
    return device.name == "channel" and (path is None or path.startswith(CHANNELS))


def _complete_serial(serial: Element, port: int) -> Element:
    serial = _complete(serial, type="isa-serial", port=str(port))
    modelled = (
        with_part(each, "model", name=each.attributes["type"]) if each.name == "target" else each
        for each in serial.children
    )
    return serial.holding(*modelled)


def _complete_console(console: Element, port: int) -> Element:
    return _complete(console, type=_console_type(console), port=str(port))
