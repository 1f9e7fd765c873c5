"""What a daemon says of a text that is no XML document: where it is wrong, in its parser's words.

Its parser is not the one that reads documents here, which stops at other places and says other things. So a
text that is refused is looked through once more, as that parser goes through it, for the first thing at which
it would stop.
"""

import re
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin

DEEPEST: Final = 256
"""Elements in one another."""

_LONGEST: Final = 2**17
"""Bytes of a text that is looked through."""

_BLANKS: Final = re.compile(rb"[ \t\r\n]*")
_NAME: Final = re.compile(rb"[A-Za-z_:\x80-\xff][-A-Za-z0-9_:.\x80-\xff]*")
_REFERENCE: Final = re.compile(rb"&#(?:x(?P<hex>[0-9A-Fa-f]*)|(?P<decimal>[0-9]*))")
_PLAIN: Final = re.compile(rb"(?:[^<&\]\x00-\x08\x0b\x0c\x0e-\x1f]|\](?!\]>))+")
_PLAIN_IN_VALUES: Final = re.compile(rb"[^<&'\"\x00-\x08\x0b\x0c\x0e-\x1f]+")
_BAD: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_BLANKS_BY_NUMBER: Final = frozenset({9, 10, 13})
_CHARACTERS: Final = (range(0x20, 0xD800), range(0xE000, 0xFFFE), range(0x10000, 0x110000))
_KNOWN_ENTITIES: Final = frozenset({b"lt", b"gt", b"amp", b"quot", b"apos"})
_QUOTED: Final = 50
"""Bytes of a comment or of a text that are told."""


class _StopError(Exception):
    """Here the parser stops.

    Args:
        at: The byte.
        words: What it says.
    """

    def __init__(self, at: int, words: str) -> None:
        super().__init__(at, words)
        self.at = at
        self.words = words


def malformation(document: str, data: bytes, at: int, words: str, origin: Origin) -> LibvirtError:
    """Make a daemon's error about a text that is no XML document.

    Args:
        document: What the daemon calls the text, such as ``domain_definition``.
        data: The text, in UTF-8.
        at: The byte at which the parser stopped, from 0 to the text's length.
        words: What it says.
        origin: Who says it.

    Returns:
        The error, with the line, and a line below it that points at the place.
    """
    begin = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", begin)
    line = data[begin : len(data) if end < 0 else end].rstrip(b"\r")
    number = data.count(b"\n", 0, at) + 1
    shown = line.decode(errors="replace") if line else "(null)"
    message = f"({document}):{number}: {words}\n{shown}\n{'-' * (at - begin)}^"
    return LibvirtError(Code.XML_DETAIL, origin, message, "%s", message)


def first_fault(data: bytes) -> tuple[int, str] | None:
    """Return at which byte of a text a daemon's parser stops, and what it says.

    Returns:
        None if it wouldn't stop; or if the text is so long that to look through it would take a while.
    """
    if len(data) > _LONGEST:
        return None
    try:
        _Reader(data).document()
    except _StopError as stop:
        return stop.at, stop.words
    return None


class _Reader:
    """Goes through a text as a daemon's parser does."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._open: list[tuple[bytes, int]] = []
        """The elements that are open, each with where it begins."""

    def document(self) -> None:
        data = self._data
        if not data:
            raise _StopError(0, "Document is empty")
        self._skip(b"\xef\xbb\xbf")
        if re.match(rb"<\?xml[ \t\r\n]", data[self._at :]):
            end = data.find(b"?>", self._at)
            if end < 0:
                raise _StopError(len(data), "Blank needed here")
            self._at = end + 2
        self._between()
        if not self._follows(b"<"):
            raise _StopError(self._at, "Start tag expected, '<' not found")
        self._element()
        while self._open:
            self._content()
        self._between()
        if self._at < len(data):
            raise _StopError(self._at, "Extra content at the end of the document")

    def _follows(self, mark: bytes) -> bool:
        return self._data.startswith(mark, self._at)

    def _skip(self, mark: bytes) -> bool:
        if found := self._follows(mark):
            self._at += len(mark)
        return found

    def _skip_blanks(self) -> bool:
        before, self._at = self._at, self._end_of(_BLANKS)
        return self._at > before

    def _end_of(self, pattern: re.Pattern[bytes]) -> int:
        found = pattern.match(self._data, self._at)
        return found.end() if found else self._at

    def _name(self) -> bytes:
        begin, self._at = self._at, self._end_of(_NAME)
        return self._data[begin : self._at]

    def _between(self) -> None:
        """Go through what may stand before and behind the outermost element."""
        while True:
            self._skip_blanks()
            if not (self._comment() or self._instruction()):
                return

    def _comment(self) -> bool:
        begin = self._at
        if not self._skip(b"<!--"):
            return False
        hyphens = self._data.find(b"--", self._at)
        if hyphens < 0:
            raise _StopError(len(self._data), "Comment not terminated")
        if not self._data.startswith(b"-->", hyphens):
            text = self._data[begin : min(hyphens, begin + len("<!--") + _QUOTED)].decode(errors="replace")
            told = "" if text == "<!--" else f": {text}"
            raise _StopError(hyphens, f"Double hyphen within comment{told}")
        self._at = hyphens + 3
        return True

    def _instruction(self) -> bool:
        if not self._skip(b"<?"):
            return False
        name = self._name().decode(errors="replace")
        if not name:
            raise _StopError(self._at, "xmlParsePI : no target name")
        if name == "xml":
            raise _StopError(self._at, "XML declaration allowed only at the start of the document")
        if not self._skip(b"?>"):
            if not self._skip_blanks():
                raise _StopError(self._at, f"ParsePI: PI {name} space expected")
            end = self._data.find(b"?>", self._at)
            if end < 0:
                raise _StopError(len(self._data), f"ParsePI: PI {name} never end ...")
            self._at = end + 2
        return True

    def _line(self, at: int) -> int:
        return self._data.count(b"\n", 0, at) + 1

    def _element(self) -> None:
        """Go through a start tag, of which the ``<`` is next."""
        self._at += 1
        begin = self._at
        name = self._name()
        if not name:
            raise _StopError(self._at, "StartTag: invalid element name")
        self._attributes()
        if self._skip(b"/>"):
            return
        if not self._skip(b">"):
            raise _StopError(
                self._at, f"Couldn't find end of Start Tag {_local(name)} line {self._line(begin)}"
            )
        self._open.append((name, begin))
        if len(self._open) > DEEPEST:
            raise _StopError(self._at, f"Excessive depth in document: {DEEPEST} use XML_PARSE_HUGE option")

    def _attributes(self) -> None:
        seen: set[bytes] = set()
        twice = b""
        self._skip_blanks()
        while self._at < len(self._data) and not self._at_end_of_tag() and not self._follows_bad():
            name = self._name()
            if not name:
                raise _StopError(self._at, "error parsing attribute name")
            self._skip_blanks()
            if not self._skip(b"="):
                raise _StopError(self._at, f"Specification mandates value for attribute {_local(name)}")
            self._skip_blanks()
            self._value()
            twice = twice or (name if name in seen else b"")
            seen.add(name)
            if not self._at_end_of_tag() and not self._skip_blanks():
                raise _StopError(self._at, "attributes construct error")
        if twice:
            raise _StopError(self._at, f"Attribute {_local(twice)} redefined")

    def _at_end_of_tag(self) -> bool:
        return self._follows(b">") or self._follows(b"/>")

    def _follows_bad(self) -> re.Match[bytes] | None:
        """Return the next character if none of the sort may stand in a document."""
        return _BAD.match(self._data, self._at)

    def _value(self) -> None:
        quote = self._data[self._at : self._at + 1]
        if quote not in {b'"', b"'"}:
            raise _StopError(self._at, "AttValue: \" or ' expected")
        self._at += 1
        while not self._skip(quote):
            if self._at == len(self._data):
                raise _StopError(self._at, "AttValue: ' expected")
            if self._follows(b"<"):
                raise _StopError(self._at, "Unescaped '<' not allowed in attributes values")
            if self._follows(b"&"):
                self._reference()
            elif self._follows_bad():
                raise _StopError(self._at, "invalid character in attribute value")
            else:
                self._at = max(self._end_of(_PLAIN_IN_VALUES), self._at + 1)

    def _reference(self) -> None:
        """Go through a reference to an entity or a character, of which the ``&`` is next."""
        if found := _REFERENCE.match(self._data, self._at):
            self._at = found.end()
            kind, digits, base = "decimal", found["decimal"], 10
            if digits is None:
                kind, digits, base = "hexadecimal", found["hex"], 16
            if not self._skip(b";"):
                raise _StopError(self._at, f"CharRef: invalid {kind} value")
            value = int(digits or b"0", base)
            if not _is_character(value):
                raise _StopError(self._at, f"xmlParseCharRef: invalid xmlChar value {value}")
            return
        self._at += 1
        name = self._name()
        if not name:
            raise _StopError(self._at, "xmlParseEntityRef: no name")
        if not self._skip(b";"):
            raise _StopError(self._at, "EntityRef: expecting ';'")
        if name not in _KNOWN_ENTITIES:
            raise _StopError(self._at, f"Entity '{name.decode(errors='replace')}' not defined")

    def _content(self) -> None:
        """Go through one piece of what an element holds, or its end tag."""
        data = self._data
        if self._at == len(data):
            name, begin = self._open[-1]
            words = f"Premature end of data in tag {_local(name)} line {self._line(begin)}"
            raise _StopError(self._at, words)
        if self._follows(b"</"):
            self._end_tag()
        elif self._skip(b"<![CDATA["):
            end = data.find(b"]]>", self._at)
            if end < 0:
                text = data[self._at : -2][:_QUOTED].decode(errors="replace")
                told = f"CData section not finished\n{text}" if text else "Unregistered error message"
                raise _StopError(len(data), told)
            self._at = end + 3
        elif self._comment() or self._instruction():
            pass
        elif self._follows(b"<"):
            self._element()
        elif self._follows(b"&"):
            self._reference()
        elif self._follows(b"]]>"):
            begin = data.rfind(b">", 0, self._at) + 1  # of the text; the parser hasn't got on yet
            at = self._at if b"\n" in data[begin : self._at] else begin
            raise _StopError(at, "Sequence ']]>' not allowed in content")
        elif bad := self._follows_bad():
            raise _StopError(self._at, f"PCDATA invalid Char value {bad[0][0]}")
        else:
            self._at = self._end_of(_PLAIN)

    def _end_tag(self) -> None:
        self._at += 2
        expected, begin = self._open.pop()
        name = self._name()
        self._skip_blanks()
        if not self._skip(b">"):
            raise _StopError(self._at, "expected '>'")
        if name != expected:
            told = _local(name) if b":" in expected else name.decode(errors="replace")
            words = f"{_local(expected)} line {self._line(begin)} and {told or 'unparsable'}"
            raise _StopError(self._at, f"Opening and ending tag mismatch: {words}")


def _local(name: bytes) -> str:
    """Return a name without its prefix."""
    prefix, _, local = name.decode(errors="replace").partition(":")
    return local or prefix


def _is_character(value: int) -> bool:
    return value in _BLANKS_BY_NUMBER or any(value in each for each in _CHARACTERS)
