"""What a daemon's checks of a domain's XML share: the values of elements, and what it says of wrong ones."""

import re
from collections.abc import Collection
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.interface.sizes import UNITS

LARGEST_KIB: Final = 2**53 - 1

_INTEGER: Final = re.compile(r"[ \t\n]*\+?([0-9]+)")
_LARGEST_INT: Final = 2**32 - 1
_LARGEST_LONG: Final = 2**64 - 1


def wrong(detail: str) -> LibvirtError:
    """Return the error that a domain's XML says something wrong."""
    return failure(Code.XML_ERROR, detail, origin=Origin.DOMAIN)


def unsupported(detail: str, origin: Origin = Origin.DOMAIN) -> LibvirtError:
    """Return the error that a domain's XML asks for what there isn't."""
    return failure(Code.CONFIG_UNSUPPORTED, detail, origin=origin)


def check_root(root: Element, name: str) -> None:
    """Refuse a document that is of something else.

    Raises:
        LibvirtError: It is.
    """
    local = root.name.rpartition(":")[2]
    if local != name:
        detail = f"expecting root element of '{name}', not '{local}'"
        raise failure(Code.XML_ERROR, detail, origin=Origin.XML)


def check_given(element: Element, attribute: str) -> None:
    """Refuse an element that lacks an attribute.

    Raises:
        LibvirtError: It does.
    """
    if attribute not in element.attributes:
        detail = f"Missing required attribute '{attribute}' in element '{element.name}'"
        raise failure(Code.XML_ERROR, detail, origin=Origin.XML)


def check_choice(
    element: Element, attribute: str, valid: Collection[str], *, is_needed: bool = False
) -> None:
    """Refuse an attribute whose value is none of the valid ones.

    Raises:
        LibvirtError: It is; or it is missing, and needed.
    """
    if is_needed:
        check_given(element, attribute)
    if attribute in element.attributes and element.attributes[attribute] not in valid:
        raise _wrong_value(element, attribute)


def whole(element: Element, attribute: str, default: int) -> int:
    """Return an attribute that is a number.

    Raises:
        LibvirtError: It is none from 0 to 2**32 - 1.
    """
    value = element.attributes.get(attribute)
    if value is None:
        return default
    number = integer(value, _LARGEST_INT)
    if number is None:
        raise _wrong_value(element, attribute, " Expected non-negative integer value")
    return number


def integer(text: str, most: int = _LARGEST_INT) -> int | None:
    """Return the number that a text says as C reads one, from 0 to ``most``; None if it says none."""
    found = _INTEGER.fullmatch(text)
    if not found or len(found[1]) > len(str(_LARGEST_LONG)) or int(found[1]) > most:
        return None
    return int(found[1])


def _wrong_value(element: Element, attribute: str, more: str = "") -> LibvirtError:
    value = element.attributes[attribute]
    detail = f"Invalid value for attribute '{attribute}' in element '{element.name}': '{value}'.{more}"
    return failure(Code.XML_ERROR, detail, origin=Origin.XML)


def memory_kib(root: Element, name: str, place: str = "[1]") -> int:
    """Return an amount of memory, rounded up to whole KiB; 0 where there is none.

    Args:
        root: What holds the element.
        name: The element's name.
        place: What stands behind it in errors.

    Raises:
        LibvirtError: The text is no number; its unit is none; or it is too much.
    """
    element = root.child(name)
    if element is None or not element.text:
        return 0
    text = element.text
    value = integer(text, _LARGEST_LONG)
    if value is None:
        detail = f"Invalid value '{text}' for element or attribute './{name}{place}'"
        raise failure(Code.XML_ERROR, detail, origin=Origin.XML)
    unit = element.attributes.get("unit", "")
    return -(-scaled(value, unit, default="KiB", most=LARGEST_KIB * 1024) // 1024)


def scaled(value: int, unit: str, *, default: str, most: int = 2**63 - 1) -> int:
    """Return how many bytes so many of a unit are.

    Args:
        value: How many.
        unit: Of which, such as ``MiB``; "" for the default.
        default: That.
        most: So many bytes are not too many.

    Raises:
        LibvirtError: There is no such unit; or it is too much.
    """
    factor = UNITS.get((unit or default).lower())
    if factor is None:
        raise failure(Code.INVALID_ARG, f"unknown suffix '{unit}'", origin=Origin.NONE)
    if value * factor > most:
        raise failure(Code.OVERFLOW, f"value too large: {value}{unit}", origin=Origin.NONE)
    return value * factor
