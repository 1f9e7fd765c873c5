"""What is in a device: its parts, in libvirt's order, with what a user may leave out."""

from collections.abc import Mapping

from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import whole
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, in_order


def part_of(device: Element, part: str, attribute: str) -> str | None:
    """Return an attribute of one of a device's parts; None: there is no such part, or no such attribute."""
    found = device.child(part)
    return None if found is None else found.attributes.get(attribute)


def with_part(device: Element, kind: str, /, **attributes: str) -> Element:
    """Return a device that has a part, with at least some attributes; what is given for one stays."""
    part = device.child(kind)
    if part is None:
        return device.holding(*device.content, Element(kind, attributes))
    return device.exchanging(part, part.defaulting(**attributes))


def parts_in_order(device: Element, places: Mapping[str, int]) -> Element:
    """Return a device with its parts in libvirt's order.

    What has no place comes last: what libvirt doesn't know, and the address, which may be added behind that.
    """
    return device.holding(*in_order(device.children, places))


def attributes_in_order(element: Element, places: Mapping[str, int]) -> dict[str, str]:
    """Return an element's attributes in libvirt's order; what has no place comes last."""
    last = len(places)
    return dict(sorted(element.attributes.items(), key=lambda each: places.get(each[0], last)))


def check_boot(device: Element) -> None:
    """Refuse a device whose place in the order of booting is no number."""
    if boot := device.child("boot"):
        whole(boot, "order", 1)
