"""What programs keep of their own in a domain's XML: one element of each namespace."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, written

_PREFIX: Final = re.compile(r"[A-Za-z_\u0080-\U0010ffff][-A-Za-z0-9_.\u0080-\U0010ffff]*")


def tidy(metadata: Element, root: Element) -> Element:
    """Return the metadata with only what libvirt keeps: elements of a namespace, the first of each.

    Args:
        metadata: As a user wrote it.
        root: The domain, whose own declarations of namespaces the metadata may use.
    """
    used = {prefix for each in metadata.children for prefix in _prefixes(each)}
    declared = {name: uri for name, uri in root.attributes.items() if name.removeprefix("xmlns:") in used}
    scope = {**declared, **metadata.attributes}
    kept: dict[str, Element] = {}
    for each in metadata.children:
        if uri := _uri(each, scope):
            kept.setdefault(uri, each)
    return Element("metadata", scope, tuple(kept.values()))


def found(metadata: Element | None, uri: str) -> str | None:
    """Return the element of a namespace as a text, without its prefix in the domain; None: there is none."""
    if metadata is None:
        return None
    for each in metadata.children:
        if _uri(each, metadata.attributes) == uri:
            prefix = each.name.rpartition(":")[0]
            return written(_bare(each, prefix), quote='"').removesuffix("\n")
    return None


def changed(metadata: Element | None, uri: str, key: str, xml: str | None) -> Element | None:
    """Return the metadata with the element of a namespace replaced; None if nothing is left.

    Args:
        metadata: It, if there is any.
        uri: The namespace.
        key: The prefix that the element shall have in the domain.
        xml: The element; None takes it away.

    Raises:
        LibvirtError: The element is malformed, or the prefix can't be one.
    """
    metadata = metadata or Element("metadata")
    others = [each for each in metadata.children if _uri(each, metadata.attributes) != uri]
    if xml is not None:
        element = read(xml, "metadata_xml")
        if not _PREFIX.fullmatch(key):
            words = "failed to validate prefix for a new XML namespace"
            raise failure(Code.INTERNAL_ERROR, words, origin=Origin.XML)
        if f"xmlns:{key}" in element.attributes:
            words = "failed to create a new XML namespace"
            raise failure(Code.INTERNAL_ERROR, words, origin=Origin.XML)
        element = _prefixed(element, key)
        others.append(element._replace(attributes={f"xmlns:{key}": uri, **element.attributes}))
    return metadata.holding(*others) if others else None


def _uri(element: Element, scope: Mapping[str, str]) -> str:
    """Return the namespace of an element; the empty text if it has none."""
    prefix = element.name.rpartition(":")[0]
    name = f"xmlns:{prefix}" if prefix else "xmlns"
    return element.attributes.get(name) or scope.get(name, "")


def _prefixes(element: Element) -> Iterator[str]:
    for name in (element.name, *element.attributes):
        if ":" in name:
            yield name.partition(":")[0]
    for each in element.children:
        yield from _prefixes(each)


def _bare(element: Element, prefix: str) -> Element:
    """Return an element, and what is in it, without a prefix."""
    name = element.name.removeprefix(f"{prefix}:")
    declared = f"xmlns:{prefix}" if prefix else "xmlns"
    attributes = {key: value for key, value in element.attributes.items() if key != declared}
    content = (each if isinstance(each, str) else _bare(each, prefix) for each in element.content)
    return Element(name, attributes, tuple(content))


def _prefixed(element: Element, prefix: str) -> Element:
    """Return an element, and what is in it, with a prefix where there is none."""
    if "xmlns" in element.attributes:
        return element
    name = element.name if ":" in element.name else f"{prefix}:{element.name}"
    content = (each if isinstance(each, str) else _prefixed(each, prefix) for each in element.content)
    return Element(name, element.attributes, tuple(content))
