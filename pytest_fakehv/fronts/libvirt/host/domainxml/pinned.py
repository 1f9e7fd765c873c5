"""A domain's devices while it runs: what each was given stays, whatever comes or goes beside it."""

from collections.abc import Iterable

from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.running import (
    ALIASES,
    Place,
    alias_of,
    devices_of,
    is_twin,
    running,
    with_alias,
    with_target,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element


def pinned(domain: Element, place: Place) -> Element:
    """Return a domain's XML whose devices keep what they have been given where it runs: names, above all.

    Args:
        domain: What it runs by.
        place: Where it runs.
    """
    devices, shown = (devices_of(each) for each in (domain, running(domain, place)))
    kept = map(_pinned, devices.children, shown.children)
    return domain.exchanging(devices, devices.holding(*kept))


def _pinned(device: Element, shown: Element) -> Element:
    alias = part_of(shown, "alias", "name")
    if is_twin(device) or alias is None:
        return device
    if device.child("alias") is None:
        device = with_alias(device, alias)
    target = part_of(shown, "target", "dev")
    if device.name == "interface" and target and part_of(device, "target", "dev") is None:
        device = with_target(device, target)
    is_line = device.name in {"serial", "parallel", "console", "channel"}
    source = shown.child("source")
    if source and is_line and device.attributes["type"] == "pty" and device.child("source") is None:
        device = device.holding(source, *device.content)
    if source and device.name == "disk":
        device = device.holding(*(source if each.name == "source" else each for each in device.children))
    if device.name == "memory":
        address = shown.named("address")
        device = device.holding(*(each for each in device.children if each.name != "address"), *address)
    return device


def new_alias(device: Element, devices: Element) -> str:
    """Return the name that a daemon gives to a device that comes to others; "" for none.

    Args:
        device: The device, with its address.
        devices: All others, with their names.
    """
    begin = ALIASES.get(device.name, "")
    return alias_of(device, 1 + max(_numbers(begin, devices.named(device.name)), default=-1), devices)


def _numbers(begin: str, devices: Iterable[Element]) -> Iterable[int]:
    for each in devices:
        number = (part_of(each, "alias", "name") or "").removeprefix(begin)
        if number.isdecimal():
            yield int(number)
