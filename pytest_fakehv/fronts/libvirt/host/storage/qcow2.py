"""Files of the format qcow2 that have no data: what is in one, and what one says of itself.

Source: the format's description in QEMU's documentation (docs/interop/qcow2).
"""

import struct
from typing import Final

from pytest_fakehv.fronts.libvirt.host.storage.content import Content
from pytest_fakehv.fronts.libvirt.host.storage.space import Image, ImageType

CLUSTER: Final = 65536
"""Bytes that it keeps together."""

_HEADER: Final = struct.Struct(">4sIQIIQIIQQIIQ")
_MORE: Final = struct.Struct(">QQQII")
"""What the newer version has behind that: features, the size of counts, that of the header."""
_MAGIC: Final = b"QFI\xfb"
_COUNTS_TABLE: Final = CLUSTER
_COUNTS: Final = 2 * CLUSTER
_DATA_TABLE: Final = 3 * CLUSTER
_PER_ENTRY: Final = CLUSTER * CLUSTER // 8
"""Bytes of the data of which an entry of the table of tables says where they are."""
_SIZE_AT: Final = 24
_BITS: Final = 16
"""Of the size of a cluster."""


def entries(capacity: int) -> int:
    """Return how many entries the table of tables has for so many bytes of data."""
    return -(-capacity // _PER_ENTRY)


def physical(capacity: int) -> int:
    """Return where a file without data ends that has room for so many bytes."""
    return _DATA_TABLE + 8 * entries(capacity)


def empty(capacity: int, *, version: int, backing: str, lazy: bool) -> Content:
    """Return a file without data.

    Args:
        capacity: for how many bytes it has room.
        version: of the format, 2 or 3.
        backing: the path of the file that it is the difference to; "" for none.
        lazy: whether counts need not be kept right, which the newer version can say.
    """
    content, name = Content(), backing.encode()
    more = _MORE.pack(0, int(lazy), 0, 4, _HEADER.size + _MORE.size) if version > 2 else b""  # noqa: PLR2004
    end = _HEADER.size + len(more) + 8  # a mark that no more is said stands between
    at = end if name else 0
    header = _HEADER.pack(
        _MAGIC,
        version,
        at,
        len(name),
        16,
        capacity,
        0,
        entries(capacity),
        _DATA_TABLE,
        _COUNTS_TABLE,
        1,
        0,
        0,
    )
    content.write(0, header + more + bytes(8) + name)
    content.write(_COUNTS_TABLE, _COUNTS.to_bytes(8, "big"))
    clusters = -(-physical(capacity) // CLUSTER)
    content.write(_COUNTS, struct.pack(">H", 1) * clusters)
    return content


def capacity_of(content: Content) -> int | None:
    """Return for how many bytes of data a file has room; None where it isn't of this format."""
    magic, size = content.read(0, 4), content.read(_SIZE_AT, 8)
    return int.from_bytes(size, "big") if magic == _MAGIC else None


def resize(content: Content, capacity: int) -> None:
    """Let a file say that it has room for so many bytes."""
    content.write(_SIZE_AT, capacity.to_bytes(8, "big"))


def is_one(image: Image) -> bool:
    """Tell whether an image is of this format."""
    return image.format == "qcow2" or bool(image.content and capacity_of(image.content) is not None)


def probe(image: Image) -> None:
    """Note what a file is by what is in it."""
    if image.type is not ImageType.FILE:
        return
    capacity = capacity_of(image.content) if image.content else None
    if capacity is not None:
        image.format, image.capacity = "qcow2", capacity
    elif image.content and image.format in ("raw", "qcow2"):
        image.format, image.capacity, image.cluster = "raw", image.physical, None
    if image.format == "qcow2":
        image.cluster = CLUSTER
