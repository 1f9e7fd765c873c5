"""How two parts of definitions are compared of which a guest sees one after the other."""

from collections.abc import Callable, Mapping
from typing import Final

from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element

Value = Callable[[Element], object]
"""Takes from a part what is compared."""

Check = Callable[[Element, Element], str | None]
"""Compares a part with the one in whose place it is to be, and returns what differs; None for nothing."""

NULL: Final = "<null>"
"""What a daemon prints for a text that isn't there."""

_DEFAULT: Final = "default"


def told(words: str, value: Value) -> Check:
    """Make a check of one value.

    Args:
        words: What is said of two that differ, with ``{0}`` for the other one's, and ``{1}``.
        value: What takes it from a part.
    """

    def check(there: Element, here: Element) -> str | None:
        found = value(there), value(here)
        return None if found[0] == found[1] else words.format(*found)

    return check


def same(what: str, value: Value) -> Check:
    """Make a check of one value, of which no more is said than what it is, and both."""
    return told(f"Target {what} {{0}} does not match source {{1}}", value)


def attribute(name: str, default: object = NULL) -> Value:
    """Take an attribute."""
    return lambda element: element.attributes.get(name, default)


def of_part(part: str, name: str, default: object = NULL) -> Value:
    """Take an attribute of what a path of names leads to."""

    def value(element: Element) -> object:
        found = element.at(part)
        return default if found is None else found.attributes.get(name, default)

    return value


def text(part: str, default: object = NULL) -> Value:
    """Take the text of what a path of names leads to."""

    def value(element: Element) -> object:
        found = element.at(part)
        return found.text if found else default

    return value


def has(part: str) -> Value:
    """Take whether a part is there."""
    return lambda element: element.at(part) is not None


def options(there: Element, here: Element) -> str | None:
    """Compare how two virtio devices are driven."""
    drivers = there.child("driver"), here.child("driver")
    if None in drivers:
        return None if drivers[0] is drivers[1] else "Target device virtio options don't match the source"
    for name in ("iommu", "ats", "packed"):
        found = [part_of(each, "driver", name) or _DEFAULT for each in (there, here)]
        if found[0] != found[1]:
            return f"Target device {name} option '{found[0]}' does not match source '{found[1]}'"
    return None


def address(there: Element, here: Element) -> str | None:
    """Compare where two devices are in their machines, where both say that."""
    new, old = there.child("address"), here.child("address")
    if new is None or old is None:
        return None
    kinds = new.attributes.get("type"), old.attributes.get("type")
    if kinds[0] != kinds[1]:
        return f"Target device address type {kinds[0]} does not match source {kinds[1]}"
    written = _ADDRESSES.get(kinds[0] or "")
    return written(new, old) if written else None


def _place(words: str, shape: str, *parts: str) -> Check:
    """Make a check of addresses.

    Args:
        words: As of `told`.
        shape: How an address is written.
        parts: The numbers in it.
    """
    return told(words, lambda element: shape.format(*(_number(element, each) for each in parts)))


def _number(address: Element, part: str) -> int:
    """Return a part of a checked address."""
    return int(address.attributes.get(part, "0"), 0)


_ADDRESSES: Final[Mapping[str, Check]] = {
    "pci": _place(
        "Target device PCI address {0}does not match source {1}",
        "{:04x}:{:02x}:{:02x}.{:x}",
        *("domain", "bus", "slot", "function"),
    ),
    "drive": _place(
        "Target device drive address {0} does not match source {1}", "{}:{}:{}", "controller", "bus", "unit"
    ),
    "virtio-serial": _place(
        "Target device virtio serial address {0} does not match source {1}",
        "{}:{}:{}",
        "controller",
        "bus",
        "port",
    ),
    "dimm": _place("Target device dimm slot {0} does not match source {1}", "{}", "slot"),
    "isa": _place("Target device isa address {0} does not match source {1}", "{}:{}", "iobase", "irq"),
}
"""How addresses are compared, by their type; those of others are not."""
