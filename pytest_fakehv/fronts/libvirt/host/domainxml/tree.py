"""An XML document as a tree of elements: read from a text, written as libvirt writes it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple
from xml.parsers import expat

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.malformed import DEEPEST, first_fault, malformation

LONGEST_DOCUMENT: Final = 4 * 2**20
"""Bytes: more than that no text may have that a client sends."""

_SPECIAL: Final = re.compile("[&<>'\"\x00-\x1f]")
_ESCAPES: Final[dict[str, str | None]] = {
    **{chr(number): None for number in range(0x20) if chr(number) not in "\t\n"},
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "\r": "&#13;",
}
"""What is written for characters; None: nothing, as no document may have them."""
_IN_TEXT: Final = {
    "'": str.maketrans({**_ESCAPES, "'": "&apos;", '"': "&quot;"}),
    '"': str.maketrans(_ESCAPES),
}
"""How a text is written, by the quotes that are around values there."""
_IN_VALUES: Final = {
    "'": str.maketrans({**_ESCAPES, "'": "&apos;", '"': "&quot;", "\n": "&#10;", "\t": "&#9;"}),
    '"': str.maketrans({**_ESCAPES, '"': "&quot;", "\n": "&#10;", "\t": "&#9;"}),
}

_NOTHING: Final[Mapping[str, str]] = {}


class Element(NamedTuple):
    """One element; nothing changes it, what differs is a copy.

    Text between elements that is only blanks is no content; a comment is none, either.
    """

    name: str
    """As it is written, with its prefix."""
    attributes: Mapping[str, str] = _NOTHING
    content: "tuple[Element | str, ...]" = ()

    @property
    def children(self) -> "list[Element]":
        """The elements in it."""
        return [each for each in self.content if isinstance(each, Element)]

    @property
    def text(self) -> str:
        """All text in it."""
        content = self.content
        if len(content) == 1 and isinstance(content[0], str):
            return content[0]
        return "".join(each if isinstance(each, str) else each.text for each in self.content)

    def named(self, name: str) -> "Iterator[Element]":
        """Give the elements in it that have a name."""
        return (each for each in self.content if isinstance(each, Element) and each.name == name)

    def child(self, name: str) -> "Element | None":
        """Return the first element in it that has a name."""
        for each in self.content:
            if each[0] == name and not isinstance(each, str):
                return each
        return None

    def at(self, path: str) -> "Element | None":
        """Return what a path of names leads to: of each name the first."""
        found: Element | None = self
        for name in path.split("/"):
            found = found and found.child(name)
        return found

    def defaulting(self, **attributes: str) -> "Element":
        """Return a copy that has at least some attributes, in this order; what is given for one stays."""
        return Element(self.name, {**attributes, **self.attributes}, self.content)

    def having(self, **attributes: str | None) -> "Element":
        """Return a copy with other attributes; None takes one away."""
        kept = {**self.attributes, **attributes}
        changed = {name: value for name, value in kept.items() if value is not None}
        return Element(self.name, changed, self.content)

    def holding(self, *content: "Element | str") -> "Element":
        """Return a copy with other content."""
        return Element(self.name, self.attributes, content)

    def exchanging(self, old: "Element", new: "Element") -> "Element":
        """Return a copy with another element in the place of one in it."""
        return self.holding(*(new if each is old else each for each in self.content))


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


def ranks(text: str) -> Mapping[str, int]:
    """Return the place of each word of a text, by which `in_order` sorts."""
    return {word: place for place, word in enumerate(text.split())}


def in_order(elements: "Iterable[Element]", places: Mapping[str, int]) -> "list[Element]":
    """Return elements sorted by their names' places; what has none comes last. Equals stay as they are."""
    last = len(places)
    return sorted(elements, key=lambda each: places.get(each[0], last))


def read(text: str, document: str = "domain_definition", origin: Origin = Origin.DOMAIN) -> Element:
    """Read a document.

    Args:
        text: The document. As in a daemon, it ends at a NUL, if there is one.
        document: What a daemon's error calls it.
        origin: Who says that error.

    Returns:
        Its outermost element.

    Raises:
        LibvirtError: It is malformed; or too long; or it has a DTD, so that no entity is ever read, let alone
            replaced.
    """
    data = text.partition("\0")[0].encode(errors="surrogatepass")
    if len(data) > LONGEST_DOCUMENT:
        raise failure(Code.XML_ERROR, f"the document has {len(data)} bytes, the most is {LONGEST_DOCUMENT}")
    outside: list[Element | str] = []
    contents = [outside]
    attributes_of: list[dict[str, str]] = []

    def start(_: str, attributes: dict[str, str]) -> None:
        if len(attributes_of) == DEEPEST:
            raise _fault(document, data, parser, origin)
        attributes_of.append(attributes)
        contents.append([])

    def end(name: str) -> None:
        content = contents.pop()
        new = tuple(content) if len(content) < 2 else _tidy(content)  # noqa: PLR2004
        contents[-1].append(Element(name, attributes_of.pop(), new))

    def characters(text: str) -> None:
        if "\n" not in text or not text.isspace():
            contents[-1].append(text)

    def doctype(*_: object) -> None:
        at = data.rfind(b"<!DOCTYPE", 0, parser.CurrentByteIndex + len("<!DOCTYPE"))
        raise malformation(document, data, max(at, 0), "a document type declaration is not allowed", origin)

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.buffer_size = max(len(data), 1)  # else a long text comes in pieces
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError:
        raise _fault(document, data, parser, origin) from None
    return next(each for each in outside if isinstance(each, Element))


def _fault(document: str, data: bytes, parser: expat.XMLParserType, origin: Origin) -> LibvirtError:
    place = first_fault(data)
    at, words = place or (parser.ErrorByteIndex, expat.ErrorString(parser.ErrorCode) or "malformed")
    return malformation(document, data, at, words, origin)


def _tidy(content: list[Element | str]) -> tuple[Element | str, ...]:
    """Return what an element holds, without the blanks that only lay out the document."""
    if all(not isinstance(each, str) or each.isspace() for each in content):
        return tuple(each for each in content if not isinstance(each, str))
    return tuple(content)


def written(element: Element, level: int = 0, *, quote: str = "'") -> str:
    """Write an element as libvirt does: what it holds is indented by two spaces more than itself.

    Args:
        element: It.
        level: By how many steps it is indented itself.
        quote: What stands around values: libvirt's own elements have ``'``, those in the metadata ``"``.

    Returns:
        Its lines, the last one with its end.
    """
    lines: list[str] = []
    _write(element, "  " * level, quote, lines)
    lines.append("")
    return "\n".join(lines)


def escaped(text: str, quote: str, table: Mapping[str, dict[int, str | None]] = _IN_TEXT) -> str:
    """Return a text as it stands in a document."""
    return text.translate(table[quote]) if _SPECIAL.search(text) else text


def inline(element: Element, quote: str = '"') -> str:
    """Write an element on one line, with nothing between what it holds."""
    name = element.name
    if not element.content:
        return f"<{name}{_attributes(element, quote)}/>"
    inner = "".join(
        escaped(each, quote) if isinstance(each, str) else inline(each, quote) for each in element.content
    )
    return f"<{name}{_attributes(element, quote)}>{inner}</{name}>"


def _write(element: Element, indent: str, quote: str, lines: list[str]) -> None:
    name, _, content = element
    if content and not any(isinstance(each, str) for each in content):
        quote = '"' if name == "metadata" else quote
        lines.append(f"{indent}<{name}{_attributes(element, quote)}>")
        for each in content:
            _write(each, indent + "  ", quote, lines)  # type: ignore[arg-type]  # none is a text
        lines.append(f"{indent}</{name}>")
    else:
        lines.append(indent + inline(element, quote))


def _attributes(element: Element, quote: str) -> str:
    if not element.attributes:
        return ""
    return "".join(
        f" {name}={quote}{escaped(value, quote, _IN_VALUES)}{quote}"
        for name, value in element.attributes.items()
    )
