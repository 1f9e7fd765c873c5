"""How large an instance is by the domain's XML that it is declared with."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

UNITS: Final[dict[str, int]] = {"b": 1, "byte": 1, "bytes": 1} | {
    f"{letter}{rest}": base**power
    for power, letter in enumerate("kmgtpe", 1)
    for rest, base in (("", 1024), ("ib", 1024), ("b", 1000))
}
"""Bytes, by the name in small letters of a unit of libvirt's."""
_MIB: Final = 2**20
_MOST_DIGITS: Final = 100
"""Of a number that anybody means; Python itself reads no more than some thousand."""


def sizes_in(xml: str) -> dict[str, int]:
    """Return what a domain's XML says of its size.

    Args:
        xml: The document; what can't be understood of it says nothing, and is refused where it is used.

    Returns:
        By the argument of `InstanceSpec`: ``memory`` and ``min_memory`` in MiB, rounded up, and ``vcpus``.
    """
    from xml.etree import ElementTree as ET  # noqa: PLC0415  # which hardly any test needs

    try:
        root = ET.fromstring(xml)  # noqa: S314  # a test's own text
    except ET.ParseError:
        return {}
    said = {
        "memory": _mebibytes(root.find("memory")),
        "min_memory": _mebibytes(root.find("currentMemory")),
        "vcpus": _number(root.find("vcpu")),
    }
    return {name: value for name, value in said.items() if value}


def _number(element: "Element | None") -> int:
    text = (element.text or "").strip() if element is not None else ""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else 0


def _mebibytes(element: "Element | None") -> int:
    if element is None:
        return 0
    return -(-_number(element) * UNITS.get(element.get("unit", "KiB").lower(), 0) // _MIB)
