"""What a guest sees in the files of a chain, and files with that in them.

Source: the description of qcow2 in QEMU's documentation (docs/interop/qcow2).
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.fronts.libvirt.host.storage import qcow2
from pytest_fakehv.fronts.libvirt.host.storage.content import PAGE, Content
from pytest_fakehv.fronts.libvirt.host.storage.qcow2 import CLUSTER
from pytest_fakehv.fronts.libvirt.host.storage.space import Image

_ADDRESS: Final = 0x00FFFFFFFFFFFE00
_COMPRESSED: Final = 1 << 62
_COPIED: Final = 1 << 63
_IS_ZERO: Final = 1
_PER_TABLE: Final = CLUSTER // 8
"""Entries of a table."""
_TABLES_AT: Final = 3 * CLUSTER
"""Where the table of tables is in a file that is written here."""
_TABLES_ALLOCATED: Final = 266240
"""Bytes that a file with data takes beside it."""
_HOLES: Final = 61440
"""How many of its bytes it doesn't take."""
_EMPTY_ALLOCATED: Final = 200704
"""Bytes that one without data takes."""
MOST_CLUSTERS: Final = 32000
"""Of 64 KiB each: what is in more of them is in no file that is written here; so much isn't kept."""


@dataclass(frozen=True)
class Data:
    """What a guest sees.

    Attributes:
        content: the bytes.
        clusters: the numbers of the pieces of 64 KiB that are from here, and not from beneath; None for all.
    """

    content: Content
    clusters: frozenset[int] | None

    def over(self, lower: "Data") -> "Data":
        """Return what a guest sees of this, and where nothing is, of what is beneath."""
        if self.clusters is None:
            return self
        content = lower.content.copy()
        for each in self.clusters:
            content.clear(each * CLUSTER, (each + 1) * CLUSTER)
            content.write(each * CLUSTER, self.content.read(each * CLUSTER, CLUSTER))
        return Data(content, None if lower.clusters is None else self.clusters | lower.clusters)


def data_of(image: Image) -> Data | None:
    """Return what is in a file; None where that can't be known."""
    if image.is_converted:
        return None
    if image.format in (None, "raw"):
        return Data(image.content.copy() if image.content else Content(), None)
    if image.content is None:
        return Data(Content(), frozenset())
    return _read(image.content)


def merged(images: Iterable[Image]) -> Data | None:
    """Return what a guest sees of files of which each is the difference to the next; None as above."""
    found: Data | None = None
    for image in reversed(list(images)):
        if (data := data_of(image)) is None:
            return None
        found = data if found is None else data.over(found)
    return found


def fill(image: Image, data: Data | None, now: float) -> None:
    """Let a file have what a guest is to see in it, of which its format and what is beneath are known.

    Args:
        image: the file.
        data: what; None where that can't be known.
        now: the time of the cluster's clock, in seconds.
    """
    image.changed = now
    image.allocation = max(image.allocation, taken(image, data, has_backing=image.backing is not None))
    if data is None or data.content.held > MOST_CLUSTERS * PAGE:
        image.content, image.is_converted = None, True
        return
    image.is_converted = False
    if image.format == "qcow2":
        version = 2 if image.compat in (None, "0.10") else 3
        backing = image.backing.path if image.backing else ""
        image.content, end = _packed(data, image.capacity, version, backing)
        image.physical = max(image.physical, end or qcow2.physical(image.capacity))
    else:
        image.content = data.content.copy()


def taken(image: Image, data: Data | None, *, has_backing: bool) -> int:
    """Return how many bytes a file takes that has what a guest is to see in it; 0 where that can't be known.

    Args:
        image: the file.
        data: what; None where that can't be known.
        has_backing: whether it is the difference to something then.
    """
    if data is None:
        return 0
    if image.format != "qcow2":
        return data.content.held
    numbers = _numbers(data, image.capacity, has_backing=has_backing)
    end = _first_free(image.capacity) + len({each // _PER_TABLE for each in numbers}) + len(numbers)
    return end * CLUSTER - _HOLES if numbers else _EMPTY_ALLOCATED


def needed(image: Image, layers: Sequence[Image], *, has_backing: bool) -> int:
    """Return how many bytes a file takes that has what a guest sees of layers, and what else these allocate.

    Args:
        image: the file.
        layers: each of which is the difference to the next.
        has_backing: whether the file is the difference to something then.
    """
    least = taken(image, merged(layers), has_backing=has_backing)
    unseen = sum(map(_unseen, layers))
    tables = _TABLES_ALLOCATED if image.format == "qcow2" else 0
    return min(max(least, tables) + unseen, max(least, tables + image.capacity)) if unseen else least


def _unseen(image: Image) -> int:
    """Return how many bytes of data are allocated in a file that nobody has written here."""
    data = data_of(image)
    if data is None:
        return amount_of(image)
    seen = data.content.held if data.clusters is None else len(data.clusters) * CLUSTER
    return max(0, amount_of(image) - seen)


def amount_of(image: Image) -> int:
    """Return how many bytes of data a file holds."""
    if image.format == "qcow2":
        return max(0, image.allocation - _TABLES_ALLOCATED)
    return min(image.allocation, image.capacity)


# The format


def _number(content: Content, at: int, size: int = 8) -> int:
    return int.from_bytes(content.read(at, size), "big")


def _read(content: Content) -> Data | None:
    """Return what is in a qcow2 file of the usual kind; None of another one."""
    magic, version = struct.unpack(">4sI", content.read(0, 8))
    bits, encryption, entries = (_number(content, at, 4) for at in (20, 32, 36))
    features = _number(content, 72) if version > 2 else 0  # noqa: PLR2004
    if magic != b"QFI\xfb" or bits != 16 or encryption or features & ~1:  # noqa: PLR2004
        return None
    tables = _number(content, 40)
    found, clusters = Content(), set[int]()
    for first in range(entries):
        table = _number(content, tables + 8 * first) & _ADDRESS
        if not table:
            continue
        for second, entry in enumerate(struct.unpack(f">{_PER_TABLE}Q", content.read(table, CLUSTER))):
            if entry:
                number = first * _PER_TABLE + second
                clusters.add(number)
                found.write(number * CLUSTER, _cluster(content, entry))
    return Data(found, frozenset(clusters))


def _cluster(content: Content, entry: int) -> bytes:
    if entry & _COMPRESSED:
        at, sectors = entry & ((1 << 54) - 1), ((entry >> 54) & 0xFF) + 1
        raw = content.read(at, sectors * 512 - at % 512)
        return zlib.decompressobj(-12).decompress(raw, CLUSTER)
    return bytes(CLUSTER) if entry & _IS_ZERO else content.read(entry & _ADDRESS, CLUSTER)


def _packed(data: Data, capacity: int, version: int, backing: str) -> tuple[Content, int]:
    """Return a qcow2 file with data in it, and where it ends; 0 where it has none.

    What is zero is left out where nothing is beneath.
    """
    content = qcow2.empty(capacity, version=version, backing=backing, lazy=False)
    numbers = _numbers(data, capacity, has_backing=bool(backing))
    end = _first_free(capacity)
    for first in sorted({each // _PER_TABLE for each in numbers}):
        table = end * CLUSTER
        content.write(_TABLES_AT + 8 * first, (table | _COPIED).to_bytes(8, "big"))
        end += 1
        for each in (each for each in numbers if each // _PER_TABLE == first):
            content.write(table + 8 * (each % _PER_TABLE), (end * CLUSTER | _COPIED).to_bytes(8, "big"))
            content.write(end * CLUSTER, data.content.read(each * CLUSTER, CLUSTER))
            end += 1
    content.write(2 * CLUSTER, struct.pack(">H", 1) * end)
    return content, end * CLUSTER if numbers else 0


def _numbers(data: Data, capacity: int, *, has_backing: bool) -> list[int]:
    """Return the numbers of the pieces that are in a file."""
    if has_backing and data.clusters is not None:
        last = -(-capacity // CLUSTER)
        return sorted(each for each in data.clusters if each < last)
    return sorted({at // CLUSTER for at in _written(data.content, capacity)})


def _first_free(capacity: int) -> int:
    """Return the number of the first piece of a file that is not part of its head."""
    return -(-qcow2.physical(capacity) // CLUSTER)


def _written(content: Content, capacity: int) -> Iterable[int]:
    """Give where there may be anything but zeros."""
    at = 0
    for length, there in content.stretches(0, capacity):
        if there:
            yield from range(at, at + length, PAGE)
        at += length
