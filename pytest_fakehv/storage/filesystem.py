"""What a filesystem is here: the one seam for all access to a node's files. Paths inside it are strings."""

import errno
import itertools
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, TypeVar, TypeVarTuple

from pytest_fakehv.machine import Os

ROOT_MODE: Final = 0o775

FILE_MODE: Final = 0o644

READING: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

WRITING: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

_temporary_numbers = itertools.count()

_Given = TypeVarTuple("_Given")
_Result = TypeVar("_Result")


class OsModule(Protocol):
    """The operations of `os` that the storage uses: the machine's own, or those of a fake filesystem."""

    def open(self, path: str, flags: int, mode: int = ..., /) -> int: ...
    def read(self, fd: int, length: int, /) -> bytes: ...
    def pread(self, fd: int, length: int, offset: int, /) -> bytes: ...
    def write(self, fd: int, data: bytes, /) -> int: ...
    def close(self, fd: int, /) -> None: ...
    def link(
        self, source: str, target: str, /, *, src_dir_fd: int | None = ..., follow_symlinks: bool = ...
    ) -> None: ...
    def replace(self, source: str, target: str, /) -> None: ...
    def unlink(self, path: str, /) -> None: ...
    def lstat(self, path: str, /) -> os.stat_result: ...
    def stat(self, path: str, /) -> os.stat_result: ...
    def utime(self, path: str, times: None = None, *, ns: tuple[int, int]) -> None: ...
    def listdir(self, path: str, /) -> list[str]: ...
    def mkdir(self, path: str, /) -> None: ...
    def rmdir(self, path: str, /) -> None: ...
    def chmod(self, path: str, mode: int, /) -> None: ...


class Filesystem(Protocol):
    """Where a root directory lies. What differs between a real and a fake one are its own methods."""

    @property
    def os(self) -> OsModule:
        """The filesystem's operations."""

    def files(self, directory: str) -> list[str]:
        """List the regular files in a directory: no directories, links, pipes or sockets."""

    def is_file(self, path: str) -> bool:
        """Tell whether a path is a regular file; raises an `OSError` where nothing is."""

    def read(self, path: str, most: int) -> bytes:
        """Read the beginning of a regular file, and never wait for what isn't one.

        Raises:
            OSError: it can't be read; always of a link, a pipe, a socket or a directory.
        """

    def stamp(self, directory: str) -> object:
        """Return something that moves when a file is put into or taken out of a directory."""

    def exclusively(
        self, directory: str, effect: Callable[[*_Given], _Result], *arguments: *_Given
    ) -> _Result:
        """Do something, and return its result, while no other process can do so with the same directory.

        It is unlocked again whatever happens, also where a signal's handler raises at any instruction: a lock
        is given back by the first thing that a ``finally`` does, and that is a single call into C, before
        which and in which no handler runs.
        """

    def put(self, directory: str, path: str, content: bytes) -> None:
        """Make a file that must not exist yet, complete from the first moment that anybody can see it.

        Raises:
            FileExistsError: something has that name.
            OSError: it can't be written; nothing is left behind.
        """

    def replace(self, directory: str, path: str, content: bytes) -> None:
        """Give a file that is there another content, at once or not at all; its mode stays.

        Raises:
            OSError: it can't be written; the old content stands.
        """


def make_directory(os_module: OsModule, path: str) -> None:
    """Make a directory for instance files, and those above it; one that exists stays as it is.

    A new one gets 0775 whatever the umask.

    Args:
        os_module: the filesystem's operations.
        path: which, an absolute path.

    Raises:
        OSError: it can't be made.
    """
    try:
        make_directories(os_module, path.rpartition("/")[0])
        os_module.mkdir(path)
    except FileExistsError:
        if not stat.S_ISDIR(os_module.stat(path).st_mode):
            raise
    else:
        try:
            os_module.chmod(path, ROOT_MODE)
        except OSError:
            with suppress(OSError):
                os_module.rmdir(path)  # else it would be taken for somebody else's, with that mode
            raise


def make_directories(os_module: OsModule, path: str) -> None:
    """Make a directory, and those that it lies in, where they are not there.

    Args:
        os_module: the filesystem's operations.
        path: which, an absolute path.

    Raises:
        OSError: one can't be made.
    """
    missing = []
    while not _is_directory(os_module, path):
        missing.append(path)
        path = path.rpartition("/")[0]
    made: list[str] = []
    try:
        for each in reversed(missing):
            with suppress(FileExistsError):  # somebody else was faster
                os_module.mkdir(each)
                made.append(each)
    except BaseException:
        for each in reversed(made):
            with suppress(OSError):  # it is in use already
                os_module.rmdir(each)
        raise


def _is_directory(os_module: OsModule, path: str) -> bool:
    """Tell whether a directory is there; raises an `OSError` where something else is."""
    try:
        is_directory = not path or stat.S_ISDIR(os_module.stat(path).st_mode)
    except FileNotFoundError:
        return False
    if not is_directory:
        raise FileExistsError(errno.EEXIST, Os.strerror(errno.EEXIST), path)
    return True


def rename_over(os_module: OsModule, directory: str, path: str, content: bytes) -> None:
    """Rename a file with other content, and the same mode, over another."""
    mode = stat.S_IMODE(os_module.lstat(path).st_mode)

    def rename(temporary: str) -> None:
        os_module.chmod(temporary, mode)
        os_module.replace(temporary, path)

    name_at_last(os_module, directory, content, rename)


def name_at_last(
    os_module: OsModule,
    directory: str,
    content: bytes,
    name: Callable[[str], object],
    *,
    first_name: str = "\n",
    mode: int = FILE_MODE,
) -> None:
    """Write a file that no reader takes for an instance, and give it its name when it is closed.

    Args:
        os_module: the filesystem's operations.
        directory: where to write it.
        content: what to write.
        name: gives the file of that path its name, and leaves nothing under the first one.
        first_name: how its first name begins; with a newline, as no instance's has, if it lies among them.
        mode: its mode, less the umask.

    Raises:
        OSError: it can't be done; nothing is left behind.
    """
    path = f"{directory}/{first_name}{Os.getpid()}.{next(_temporary_numbers)}"
    try:
        # By a map that is unpacked, a file is opened and its descriptor kept in one step of the interpreter:
        # a signal's handler that raises comes before or after both, and no descriptor is lost.
        (descriptor,) = map(os_module.open, (path,), (WRITING,), (mode,))
    except FileExistsError:  # left by a killed process that had our number
        name_at_last(os_module, directory, content, name, first_name=first_name, mode=mode)
        return
    except BaseException:
        remove_quietly(os_module, path)
        raise
    try:
        try:
            write_all(os_module, descriptor, content)
        finally:
            os_module.close(descriptor)
        name(path)
    except BaseException:
        remove_quietly(os_module, path)
        raise


def remove_quietly(os_module: OsModule, path: str) -> bool:
    """Remove a file, and tell whether that could be done, without hiding another error by an own one."""
    with suppress(OSError):
        os_module.unlink(path)
        return True
    return False


def write_all(os_module: OsModule, descriptor: int, content: bytes) -> None:
    """Write, however many times the system takes only a part of it."""
    while (written := os_module.write(descriptor, content)) < len(content):
        content = content[written:]


def reason(error: OSError) -> str:
    """Return the system's word for an error, the same on a real and a fake filesystem."""
    return Os.strerror(error.errno) if error.errno else str(error)
