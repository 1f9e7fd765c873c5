"""The paths that users give, and the files that they name to be read."""

import os
import stat
import sys
from typing import Any, Final

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.machine import Os
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a wrong path is shown at the line that gave it

FILE: Final = "a file"
FOLDER: Final = "a folder"

_KINDS: Final = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: FOLDER,
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_AT_ONCE: Final = 2**20


def kind(mode: int) -> str:
    """Say what has a mode, in words: a file, a folder, a FIFO..."""
    return _KINDS.get(stat.S_IFMT(mode), "no file")


def check_path(rule: str, path: Any) -> str:
    """Return the text of a path.

    Args:
        rule: what the path must be, in words, for the message.
        path: anything.

    Raises:
        DeclarationError: it is no path, or can't be one.
    """
    text = Os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not (isinstance(text, str) and text and "\0" not in text and _is_encodable(text)):
        raise DeclarationError(f"{rule}, not {shown(path)}")
    return text


def _is_encodable(text: str) -> bool:
    try:
        text.encode(sys.getfilesystemencoding(), "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def read_file(os_now: type[Os], path: str, most: int) -> bytes:
    """Read a file, or what a link to one leads to, and never what might not end, or keep us waiting.

    Args:
        os_now: the filesystem's functions.
        path: which.
        most: how many bytes it may have.

    Raises:
        DeclarationError: it is longer, or no file; the message says what it is.
        OSError: it can't be read.
    """
    status = os_now.stat(path)  # first, as even to open a device may do something to it
    _refuse_others(status.st_mode)
    _refuse_longer(status.st_size, most)
    # Not made here; but pyfakefs gives a file that it opens a mode, and it is to keep its own.
    descriptor = os_now.open(path, _FLAGS, stat.S_IMODE(status.st_mode))
    try:
        _refuse_others(os_now.fstat(descriptor).st_mode)
        content = bytearray()
        while more := os_now.read(descriptor, _AT_ONCE):
            content += more
            _refuse_longer(len(content), most)
    finally:
        os_now.close(descriptor)
    return bytes(content)


def _refuse_others(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise DeclarationError(f"it is {kind(mode)}, not a file")


def _refuse_longer(size: int, most: int) -> None:
    if size > most:
        raise DeclarationError(f"it has {size} bytes, the most is {most}")
