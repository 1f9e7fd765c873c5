"""What is in a file: bytes kept in memory, but for those that are zero."""

from collections.abc import Iterator
from typing import Final

PAGE: Final = 4096
"""Bytes that are kept together, or not at all."""

_NOTHING: Final = bytes(PAGE)


class Content:
    """The bytes of a file that has no end of its own; what nobody wrote is zero."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    @property
    def held(self) -> int:
        """How many bytes are kept."""
        return len(self._pages) * PAGE

    def write(self, at: int, data: bytes) -> None:
        """Have bytes at a place."""
        for page, begin, part in _parts(at, len(data)):
            given = data[part]
            if page in self._pages or given.strip(b"\0"):
                kept = self._pages.setdefault(page, bytearray(PAGE))
                kept[begin : begin + len(given)] = given

    def read(self, at: int, size: int) -> bytes:
        """Return the bytes at a place."""
        found = []
        for page, begin, part in _parts(at, size):
            kept = self._pages.get(page, _NOTHING)
            found.append(bytes(kept[begin : begin + part.stop - part.start]))
        return b"".join(found)

    def clear(self, at: int, end: int | None = None) -> None:
        """Let everything from one place to another be zero; None: from there on."""
        for page in list(self._pages):
            first = max(0, at - page * PAGE)
            last = PAGE if end is None else min(PAGE, end - page * PAGE)
            if first == 0 and last == PAGE:
                del self._pages[page]
            elif first < last:
                self._pages[page][first:last] = bytes(last - first)

    def copy(self) -> "Content":
        """Return another one with the same bytes."""
        other = Content()
        other._pages = {page: bytearray(kept) for page, kept in self._pages.items()}
        return other

    def stretches(self, at: int, end: int) -> Iterator[tuple[int, bool]]:
        """Give, from one place to another, how many bytes there are of which none is kept, or all may be."""
        while at < end:
            first, there = at, at // PAGE in self._pages
            while at < end and (at // PAGE in self._pages) == there:
                at = min(end, (at // PAGE + 1) * PAGE)
            yield at - first, there


def _parts(at: int, size: int) -> Iterator[tuple[int, int, slice]]:
    """Give the pages of a stretch: the page, where in it that goes on, and which part of it that is."""
    done = 0
    while done < size:
        page, begin = divmod(at + done, PAGE)
        length = min(PAGE - begin, size - done)
        yield page, begin, slice(done, done + length)
        done += length
