"""The functions of the machine that runs the test, as they were when this was imported.

Our own plumbing uses these alone, so that a test which patches `os`, `time` or `open` patches its own code
and not ours. They are attributes of classes, since what replaces functions for a test (pyfakefs, freezegun)
looks for them among the globals of modules. None of them is written in Python: such a one would call others
as a test has patched them.
"""

import errno
import fcntl
import io
import os
import random
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, cast


class Os:
    """The functions of `os` that we use, the environment, and the module itself."""

    module = os

    chmod = staticmethod(os.chmod)
    close = staticmethod(os.close)
    environ = os.environ
    flock = staticmethod(fcntl.flock)
    fspath: ClassVar[Any] = staticmethod(os.fspath)
    fsync = staticmethod(os.fsync)
    getcwd = staticmethod(os.getcwd)
    getpid = staticmethod(os.getpid)
    link = staticmethod(os.link)
    listdir = staticmethod(os.listdir)
    lstat = staticmethod(os.lstat)
    mkdir = staticmethod(os.mkdir)
    open = staticmethod(os.open)
    pread = staticmethod(os.pread)
    read = staticmethod(os.read)
    replace = staticmethod(os.replace)
    rmdir = staticmethod(os.rmdir)
    scandir = staticmethod(os.scandir)
    stat = staticmethod(os.stat)
    strerror = staticmethod(os.strerror)
    unlink = staticmethod(os.unlink)
    utime = staticmethod(os.utime)
    write = staticmethod(os.write)


class Files:
    """The function that opens files as Python has them, and its module."""

    module = io

    open: ClassVar[Any] = staticmethod(open)


class Time:
    """The functions of `time` that we use."""

    localtime = staticmethod(time.localtime)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    strftime = staticmethod(time.strftime)
    time_ns = staticmethod(time.time_ns)


def current_os() -> type[Os]:
    """Return the functions of `os` in use now: the machine's, or those of a patched-in fake filesystem."""
    return cast("type[Os]", _current(Os))


def current_files() -> type[Files]:
    """Return what opens files now: the machine's function, or that of a patched-in fake filesystem."""
    return cast("type[Files]", _current(Files))


def _current(ours: type[Os | Files]) -> object:
    """Look among the loaded modules, where pyfakefs puts its own: so it is found without importing it."""
    now: Any = sys.modules[ours.module.__name__]
    # Made anew: of the fake module, too, a test may have patched functions.
    return ours if now is ours.module else type(now)(now.filesystem)


def make_directories(path: str) -> None:
    """Make a directory of the machine, and those that it lies in, where they are not there.

    Raises:
        OSError: one can't be made.
    """
    try:
        Os.mkdir(path)
    except FileExistsError:
        if not stat.S_ISDIR(Os.stat(path).st_mode):
            raise
    except FileNotFoundError:
        make_directories(path.rpartition("/")[0])
        make_directories(path)


@contextmanager
def temporary_directory(prefix: str) -> Iterator[str]:
    """Make a directory that goes, with all that is in it, when the ``with`` block ends.

    It is made in the filesystem in use now, and removed from the same one. No link in it is followed, and
    what has taken its place meanwhile stays.

    Args:
        prefix: how its name begins.

    Returns:
        A context manager that yields its absolute path.

    Raises:
        OSError: it can't be made, or can't be removed.
    """
    os_now = current_os()
    path = _make_temporary(os_now, prefix)
    made = _identity(os_now, path)
    try:
        yield path
    finally:
        with suppress(FileNotFoundError):
            if _identity(os_now, path) == made:
                _remove_tree(os_now, path)


def _make_temporary(os_now: type[Os], prefix: str) -> str:
    """Make a directory where `tempfile` makes them, which asks for that by functions of `os`."""
    given = [tempfile.tempdir, *map(Os.environ.get, ("TMPDIR", "TEMP", "TMP"))]
    places = [*filter(None, given), "/tmp", "/var/tmp"]  # noqa: S108  # under a name that nobody can know
    for place in places:
        folder = place if place.startswith("/") else f"{os_now.getcwd()}/{place}"
        path = f"{folder}/{prefix}{random.SystemRandom().getrandbits(64):016x}"
        with suppress(OSError):
            os_now.mkdir(path, 0o700)
            return path
    raise FileNotFoundError(errno.ENOENT, f"No usable temporary directory found in {places}")


def _identity(os_now: type[Os], path: str) -> tuple[int, int]:
    status = os_now.lstat(path)
    return status.st_dev, status.st_ino


def _remove_tree(os_now: type[Os], path: str) -> None:
    os_now.chmod(path, 0o700)  # a test may have taken it away, to see what comes of that
    for name in os_now.listdir(path):
        each = f"{path}/{name}"
        if stat.S_ISDIR(os_now.lstat(each).st_mode):
            _remove_tree(os_now, each)
        else:
            os_now.unlink(each)
    os_now.rmdir(path)
