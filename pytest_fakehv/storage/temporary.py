"""A directory that goes when it is no longer needed, for clusters outside of pytest."""

import errno
import random
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from pytest_fakehv.machine import Os, current_os

PATH_MAX: Final = 4096
"""Characters that no path of ours reaches."""


@contextmanager
def temporary_directory(prefix: str, *, on: type[Os] | None = None, longest: int = PATH_MAX) -> Iterator[str]:
    """Make a directory that goes, with all that is in it, when the ``with`` block ends.

    It is removed from the filesystem on which it was made, by the process that made it. No link in it is
    followed, and what has taken its place meanwhile stays.

    Args:
        prefix: how its name begins.
        on: the filesystem's functions; None for the one in use now.
        longest: how many characters its path may have.

    Returns:
        A context manager that yields its absolute path.

    Raises:
        OSError: it can't be made, or can't be removed.
    """
    os_now = current_os() if on is None else on
    path = make_temporary(os_now, prefix, longest)
    made, maker = _identity(os_now, path), Os.getpid()
    try:
        yield path
    finally:
        with suppress(FileNotFoundError):
            if maker == Os.getpid() and _identity(os_now, path) == made:
                _remove_tree(os_now, path)


def make_temporary(os_now: type[Os], prefix: str, longest: int = PATH_MAX) -> str:
    """Make a directory where `tempfile` makes them, which asks for that by functions of `os`.

    Raises:
        OSError: it can't be made.
    """
    given = [tempfile.tempdir, *map(Os.environ.get, ("TMPDIR", "TEMP", "TMP"))]
    places = [*filter(None, given), "/tmp", "/var/tmp"]  # noqa: S108  # under a name that nobody can know
    for place in places:
        folder = place if place.startswith("/") else f"{os_now.getcwd()}/{place}"
        path = f"{folder}/{prefix}{random.SystemRandom().getrandbits(64):016x}"
        if len(path) <= longest:
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
