"""What a domain's screen shows: no guest draws anything, so it is a picture of the domain itself."""

import struct
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

_WIDTH: Final = 64
_HEIGHT: Final = 48

_BAND: Final = 8
"""So many of its lines have the colour of what the domain does; the others, that of its name."""

_GREEN: Final = b"\x00\xc0\x00"
_YELLOW: Final = b"\xc0\xc0\x00"


class Picture:
    """A picture of a domain, as PNG.

    Args:
        name: the domain's.
        is_paused: whether it is paused.
    """

    def __init__(self, name: str, *, is_paused: bool) -> None:
        band = _YELLOW if is_paused else _GREEN
        colour = blake2b(name.encode(), digest_size=3).digest()
        lines = [band] * _BAND + [colour] * (_HEIGHT - _BAND)
        pixels = b"".join(b"\0" + each * _WIDTH for each in lines)
        self._data = (
            b"\x89PNG\r\n\x1a\n"
            + _chunk(b"IHDR", struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0))
            + _chunk(b"IDAT", zlib.compress(pixels))
            + _chunk(b"IEND", b"")
        )

    def pieces(self) -> Iterator[bytes | int]:
        """Give it, in one piece."""
        yield self._data


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
