"""The folder in which the roots of a test run lie: may it be used, and which test gets which part of it."""

import fcntl
import os
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Final

TAG: Final = ".pytest-fakehv"
"""A file that says of a folder that we made it; the one at the top is locked by the run that uses it."""

_TAG_TEXT: Final = "This folder belongs to pytest-fakehv, which empties it at the start of each test run.\n"
_LONGEST_STEM: Final = 100


class RootError(Exception):
    """A folder can't be used for the roots; the message says why."""


def claim(path: Path, *, rootdir: Path) -> int:
    """Make a folder ours for a run: tagged, and locked against another run.

    Args:
        path: the folder, made if it is absent.
        rootdir: pytest's root directory, which it must not be.

    Returns:
        A file descriptor that holds the lock for as long as it is open.

    Raises:
        RootError: it can't be used; if it was there before, it is as it was.
    """
    for forbidden, what in ((Path("/"), "/"), (Path.home(), "the home directory"), (rootdir, "the rootdir")):
        if path.resolve() == forbidden.resolve():
            raise RootError(f"it is {what}")
    try:
        path.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(path)
        lock = os.open(path / TAG, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise RootError("another test run is using it") from None
        os.pwrite(lock, _TAG_TEXT.encode(), 0)
    except FileExistsError:
        raise RootError("it is not a directory") from None
    except OSError as error:
        raise RootError(f"{os.strerror(error.errno or 0)}") from error
    return lock


def empty(path: Path) -> None:
    """Remove what earlier runs left in a claimed folder.

    Raises:
        OSError: something can't be removed.
    """
    for folder in path.iterdir():
        if folder.name != TAG:
            shutil.rmtree(folder)


def _refuse_foreign(path: Path) -> None:
    """Refuse a folder that holds anything but our tag and worker folders with our tag and folders."""
    for entry in path.iterdir():
        if entry.name == TAG and entry.is_file() and not entry.is_symlink():
            continue
        ours = (
            entry.is_dir() and not entry.is_symlink() and (entry / TAG).is_file() and (path / TAG).is_file()
        )
        strangers = (
            [] if not ours else [each for each in entry.iterdir() if each.name != TAG and not each.is_dir()]
        )
        if not ours or strangers:
            stranger = (strangers or [entry])[0].relative_to(path)
            raise RootError(f"it holds {str(stranger)!r}, which pytest-fakehv did not put there")


class Folders:
    """One worker's share of the folder, in which each test gets a folder of its own.

    Args:
        base: the worker's folder, made and tagged when the first test needs it.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._counts: Counter[str] = Counter()

    def new(self, title: str) -> str:
        """Name a folder for a test, or for whatever the title names, that nobody else has.

        Args:
            title: any text; what can't stand in a file name is left out.

        Returns:
            The folder's path; not made yet.
        """
        if not self._counts:
            self._base.mkdir(parents=True, exist_ok=True)
            (self._base / TAG).write_text(_TAG_TEXT, encoding="utf-8")
        stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", title).strip("-.")[:_LONGEST_STEM] or "test"
        # Upper and lower case are one to some filesystems.
        key = stem.lower()
        self._counts[key] += 1
        count = self._counts[key]
        return str(self._base / (stem if count == 1 else f"{stem}~{count}"))
