"""Volumes read and written by streams."""

import errno
from collections.abc import Callable, Iterator
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, system_failure
from pytest_fakehv.fronts.libvirt.host.storage import qcow2
from pytest_fakehv.fronts.libvirt.host.storage.content import PAGE, Content
from pytest_fakehv.fronts.libvirt.host.storage.pool import Volume
from pytest_fakehv.fronts.libvirt.host.storage.space import Image, ImageType
from pytest_fakehv.storage.locks import Lock

MOST_KEPT: Final = 256 * 2**20
"""Bytes that one volume can have that are not zero: they are kept in memory."""

_PIECE: Final = 2**17
"""Bytes that are sent at once."""


def content_of(volume: Volume) -> Content:
    """Return what is in a volume, which has it from now on.

    Raises:
        LibvirtError: it is a folder, or nobody knows what is in it.
    """
    volume.check_is_there()
    return content_at(volume.image, volume.path)


def content_at(image: Image, path: str) -> Content:
    """Return what is in the image at a path, which has it from now on.

    Raises:
        LibvirtError: as for a volume.
    """
    if image.type is ImageType.DIR:
        raise system_failure(f"Unable to open stream for '{path}'", errno.EISDIR, origin=Origin.STREAMS)
    if image.content is None:
        if image.is_converted or image.format not in ("raw", "iso", "qcow2", None):
            problem = f"nobody knows what is in volume '{image.name}'"
            raise failure(Code.OPERATION_UNSUPPORTED, problem, origin=Origin.STORAGE)
        image.content = _made(image) if image.format == "qcow2" else Content()
    return image.content


def _made(image: Image) -> Content:
    version = 2 if image.compat in (None, "0.10") else 3
    backing = image.backing.path if image.backing else ""
    lazy = "lazy_refcounts" in (image.features or ())
    return qcow2.empty(image.capacity, version=version, backing=backing, lazy=lazy)


class Upload:
    """A client writes into a volume, piece by piece.

    Args:
        volume: which.
        at: where it begins, in bytes.
        length: how many bytes it writes at most; 0 for as many as come.
        lock: the cluster's.
        done: called under the lock when it has ended, however that was.

    Raises:
        LibvirtError: there is nothing to write into.
    """

    def __init__(self, volume: Volume, at: int, length: int, lock: Lock, done: Callable[[], object]) -> None:
        self._volume = volume
        self._content = content_of(volume)
        self._at = at
        self._end = at + length if length else None
        self._written = 0
        self._lock = lock
        self._done = done

    def write(self, data: bytes) -> None:
        """Write what has come.

        Raises:
            LibvirtError: it is more than was said, or than there is room for.
        """
        with self._lock:
            room = self._room()
            self._content.write(self._at, data[:room])
            self._at += min(room, len(data))
            self._written += min(room, len(data))
            self._grow(self._at)
            if len(data) > room or self._content.held > MOST_KEPT:
                raise system_failure("cannot write to stream", errno.ENOSPC, origin=Origin.STREAMS)

    def hole(self, length: int) -> None:
        """Leave out so many bytes: a file ends behind them for now, and on a logical volume they are zero."""
        with self._lock:
            begin, self._at = self._at, self._at + length
            image = self._volume.image
            if image.type is ImageType.FILE:
                self._content.clear(self._at)
                image.physical = self._at
                image.allocation = min(image.allocation, _whole_blocks(image.physical))
            else:
                self._content.clear(begin, self._at)

    def end(self) -> None:
        """Let it be over."""
        with self._lock:
            self._done()

    def _room(self) -> int:
        """Return how many bytes can be written here."""
        pool, image = self._volume
        rooms = [self._at + image.allocation + pool.space.available - self._written if pool.space else 0]
        if self._end is not None:
            rooms.append(self._end)
        if image.type is ImageType.BLOCK:
            rooms.append(image.capacity)
        return max(0, min(rooms) - self._at)

    def _grow(self, end: int) -> None:
        image = self._volume.image
        if image.type is ImageType.FILE:
            image.physical = max(image.physical, end)
            image.allocation = max(image.allocation, self._content.held, _whole_blocks(self._written))


class Download:
    """A client reads a volume.

    Args:
        volume: which.
        at: where it begins, in bytes.
        length: how many bytes it reads at most; 0 for all that there are.
        is_sparse: whether it wants to know of holes, in place of zeros.
        lock: the cluster's.

    Raises:
        LibvirtError: there is nothing to read.
    """

    def __init__(self, volume: Volume, at: int, length: int, lock: Lock, *, is_sparse: bool) -> None:
        self._content = content_of(volume)
        self._at = at
        end = volume.image.physical
        self._end = min(end, at + length) if length else end
        self._is_sparse = is_sparse
        self._lock = lock

    def pieces(self) -> Iterator[bytes | int]:
        """Give what is in it, piece by piece: bytes, or how many of them are a hole."""
        with self._lock:
            stretches = list(self._content.stretches(self._at, self._end))
        at = self._at
        for length, is_data in stretches:
            end = at + length
            if self._is_sparse and not is_data:
                yield length
                at = end
            while at < end:
                size = min(_PIECE, end - at)
                with self._lock:
                    piece = self._content.read(at, size)
                yield piece
                at += size


def _whole_blocks(size: int) -> int:
    return -(-size // PAGE) * PAGE
