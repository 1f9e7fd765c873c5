"""Places on the user's filesystem where something of ours is to be, and what may be written there."""

import errno
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.checks import LONGEST_NAME, DeclarationError
from pytest_fakehv.reading import FILE, FOLDER, kind
from pytest_fakehv.storage.filesystem import (
    Filesystem,
    OsModule,
    make_directories,
    name_at_last,
    reason,
    remove_quietly,
)
from pytest_fakehv.storage.temporary import PATH_MAX

__tracebackhide__ = True  # a wrong path is shown at the line that gave it

_FOLDERS: Final = (FOLDER, f"a link to {FOLDER}")

_NOTHING_THERE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}

_FIRST_NAME: Final = ".pytest-fakehv-"
_MODE: Final = 0o666


def _what_is_at(os_module: OsModule, path: str) -> str | None:
    """Say what is at a path: "a file", "a FIFO", "a link to a folder"; None for nothing.

    Raises:
        OSError: nobody may look.
    """
    try:
        mode = os_module.lstat(path).st_mode
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return None
        raise
    if not stat.S_ISLNK(mode):
        return kind(mode)
    try:
        return f"a link to {kind(os_module.stat(path).st_mode)}"
    except OSError:
        return "a link to nothing"


def nearest_folder(os_module: OsModule, path: str) -> str:
    """Return the folder that a path lies in; if it is not there, the one in which it would have to be made.

    Raises:
        DeclarationError: there can't be anything at that path; the message says why.
        OSError: nobody may look.
    """
    size = _size(path)
    if size >= PATH_MAX:
        raise DeclarationError(f"it has {size} bytes, the most is {PATH_MAX - 1}")
    longest = max(map(_size, path.split("/")))
    if longest > LONGEST_NAME:
        raise DeclarationError(f"a name in it has {longest} bytes, the most is {LONGEST_NAME}")
    while True:
        path = path.rpartition("/")[0]
        what = _what_is_at(os_module, path or "/")
        if what in _FOLDERS:
            return path or "/"
        if what is not None:
            raise DeclarationError(f"{path!r} is {what}")


def check_folder(os_module: OsModule, path: str, *, may_be_link: bool) -> bool:
    """See whether a folder is at a path, or can be made there.

    Args:
        os_module: the filesystem's operations.
        path: which, an absolute path.
        may_be_link: whether a link to a folder will do.

    Returns:
        Whether it is there already.

    Raises:
        DeclarationError: something else is there, or there can't be anything; the message says why.
        OSError: nobody may look.
    """
    what = _what_is_at(os_module, path)
    if what is None:
        nearest_folder(os_module, path)
        return False
    if what not in (_FOLDERS if may_be_link else (FOLDER,)):
        raise DeclarationError(f"it is {what}")
    return True


def _size(path: str) -> int:
    return len(path.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True)
class Output:
    """A file that a user has us write: only where nothing is, or what an earlier run wrote.

    No link is followed, nor anything else replaced. What is refused leaves all as it is.

    Attributes:
        filesystem: where it lies.
        path: which, with a "/" in it.
        tag: how what we write begins; what does not is somebody else's.
    """

    filesystem: Filesystem
    path: str
    tag: str

    def check(self) -> None:
        """See whether it can be written, by trying to.

        Raises:
            DeclarationError: it can't be; the message says why, and what to do.
        """
        with self._refusing():
            folder = nearest_folder(self.filesystem.os, self.path)
            self._mode()
            self._write(folder, "", self.filesystem.os.unlink)

    def make_folder(self) -> None:
        """Make the folder that it lies in, unless that is there.

        Raises:
            DeclarationError: it can't be made.
        """
        with self._refusing():
            nearest_folder(self.filesystem.os, self.path)
            make_directories(self.filesystem.os, self._folder)

    def write(self, text: str) -> None:
        """Write it, at once or not at all.

        Raises:
            DeclarationError: it can't be written.
        """
        with self._refusing():
            nearest_folder(self.filesystem.os, self.path)
            self._mode()
            self._write(self._folder, text, self._name)

    @property
    def _folder(self) -> str:
        return self.path.rpartition("/")[0]

    def _write(self, folder: str, text: str, name: Callable[[str], object]) -> None:
        name_at_last(self.filesystem.os, folder, text.encode(), name, first_name=_FIRST_NAME, mode=_MODE)

    def _name(self, temporary: str) -> None:
        """Give what is written its name; what has come there meanwhile is looked at again."""
        os_module = self.filesystem.os
        try:
            os_module.link(temporary, self.path)
        except OSError:  # something is there; or there are no links on such a filesystem
            mode = self._mode()
            if mode is not None:
                os_module.chmod(temporary, mode)
            os_module.replace(temporary, self.path)
        else:
            remove_quietly(os_module, temporary)

    def _mode(self) -> int | None:
        """Return the mode of what an earlier run wrote there, None if nothing is there; refuse all else."""
        os_module = self.filesystem.os
        what = _what_is_at(os_module, self.path)
        if what is None:
            return None
        if what != FILE:
            raise DeclarationError(f"it is {what}")
        tag = self.tag.encode()
        if self.filesystem.read(self.path, len(tag)) != tag:
            raise DeclarationError("it is somebody else's file")
        mode = stat.S_IMODE(os_module.lstat(self.path).st_mode)
        if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            raise DeclarationError("it is read-only")
        return mode

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except DeclarationError as error:
            why = str(error)
        except OSError as error:
            why = reason(error)
        else:
            return
        raise DeclarationError(
            f"{self.path!r} can't be written: {why}; name a new file, or one that pytest-fakehv wrote"
        )
