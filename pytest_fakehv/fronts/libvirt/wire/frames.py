"""Frames: what messages stand in on a connection, and how a stream of bytes is taken apart into them."""

from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.wire.xdr import WireError

_HEADER: Final = Struct(">IIIIiIi")
_SIZE: Final = Struct(">I")

HEADER_SIZE: Final = _HEADER.size
"""In bytes, with the length that each frame begins with; the payload stands behind it."""

LARGEST: Final = 32 * 2**20 + 4
"""In bytes, the header too: libvirt's own limit."""

VERSION: Final = 1


class Type(IntEnum):
    """What a message is."""

    CALL = 0
    REPLY = 1
    EVENT = 2
    STREAM = 3
    CALL_WITH_DESCRIPTORS = 4
    HOLE = 6


class Status(IntEnum):
    """How a call ended, or a stream; or that it goes on."""

    OK = 0
    ERROR = 1
    CONTINUE = 2


class Header(NamedTuple):
    """What a message says of itself. The numbers are as they came: they may be none of ours."""

    size: int
    program: int
    version: int
    procedure: int
    type: int
    serial: int
    status: int


def header_of(frame: bytes) -> Header:
    """Return what a whole frame says of itself."""
    return Header._make(_HEADER.unpack_from(frame))


def framed(
    program: int,
    procedure: int,
    kind: int,
    serial: int,
    status: int,
    payload: bytes,
    version: int = VERSION,
) -> bytes:
    """Return the frame of a message."""
    size = HEADER_SIZE + len(payload)
    return _HEADER.pack(size, program, version, procedure, kind, serial, status) + payload


class Frames:
    """Takes what a connection receives apart into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _SIZE.size
        """How many bytes there must be before it is worth looking."""

    def taken(self, data: bytes) -> list[bytes]:
        """Return the frames that are whole with these bytes; keep what isn't.

        Raises:
            WireError: a length is none that a frame can have, so that nobody knows where the next one begins.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        self._needed = _SIZE.size
        frames = []
        at = 0
        while len(data) - at >= _SIZE.size:
            (size,) = _SIZE.unpack_from(data, at)
            if not HEADER_SIZE <= size <= LARGEST:
                raise WireError(f"a frame of {size} bytes")
            if size > len(data) - at:
                self._needed = size
                break
            frames.append(data[at : at + size])
            at += size
        self._rest += data[at:]
        return frames
