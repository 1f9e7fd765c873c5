"""The folder in which the roots of a test run lie: may it be used, and which test gets which part of it."""

import fcntl
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.filesystem import make_directories, reason
from pytest_fakehv.storage.places import check_folder

TAG: Final = ".pytest-fakehv-root"
"""A file that says of a folder that it is ours to empty; the run that uses it locks the file."""

INNER_TAG: Final = ".pytest-fakehv"
"""A file that says of a folder below that one that we made it, for a worker or a test."""

_TAG_TEXT: Final = b"This folder belongs to pytest-fakehv, which empties it at the start of each test run.\n"
_LONGEST_STEM: Final = 100
_LARGEST_INSTANCE_FILE: Final = 256
_OPENING: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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
    try:
        _refuse_place(
            path,
            {
                "/": Path("/"),
                "the rootdir": rootdir,
                "the home directory": _home(),
                "the current directory": Path.cwd(),
            },
        )
        if check_folder(Disk.os, str(path), may_be_link=False):
            _refuse_foreign(path)
        with suppress(FileExistsError):  # by an earlier run, or by one that begins just now
            _make_tagged(str(path), TAG)
        lock = os.open(path / TAG, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise RootError("another test run is using it") from None
    except DeclarationError as error:
        raise RootError(str(error)) from None
    except OSError as error:
        raise RootError(reason(error)) from error
    return lock


def _home() -> Path:
    """Return the home directory.

    Raises:
        RootError: there is none to compare a folder with. Not each Python's `Path.home` says so.
    """
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        raise RootError("it may be the home directory, which is unknown")
    return Path(home)


def _refuse_place(path: Path, forbidden: Mapping[str, Path]) -> None:
    """Refuse a folder that is one of some others, or has one of them somewhere in it."""
    real = os.path.realpath(path)
    places = {what: os.path.realpath(place) for what, place in forbidden.items()}
    for what, place in places.items():
        if real == place:
            raise RootError(f"it is {what}")
    for what, place in places.items():
        if os.path.commonpath([real, place]) == real:
            raise RootError(f"it holds {what}")


def empty(path: Path) -> None:
    """Remove what earlier runs left in a claimed folder.

    Raises:
        RootError: something else has come into it since, or something can't be removed.
    """
    try:
        _refuse_foreign(path)
        root = os.open(path, _OPENING)
        try:
            _empty(root, str(path), "", [TAG, INNER_TAG, INNER_TAG])
        finally:
            os.close(root)
    except OSError as error:
        raise RootError(f"{reason(error)}: {str(error.filename)!r}") from error


def _empty(folder: int, root: str, place: str, tags: Sequence[str]) -> None:
    """Remove what is ours from an open folder, and what is not from none.

    It goes from folder to folder by descriptors, so that what takes a folder's place meanwhile, such as a
    link, is not followed. Tags go last: who is killed half-way leaves what the next run can still remove.
    """
    tag, *inner_tags = tags or [""]
    for name in sorted(os.listdir(folder), key=lambda name: name == tag):
        each = f"{place}{name}"
        try:
            status = os.lstat(name, dir_fd=folder)
            if tag and stat.S_ISDIR(status.st_mode):
                inner = os.open(name, _OPENING, dir_fd=folder)
                try:
                    _empty(inner, root, f"{each}/", inner_tags)
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=folder)
            elif not _may_be_an_instance(status) or name != (tag or name):
                raise _stranger(each)
            elif name != TAG or place:
                os.unlink(name, dir_fd=folder)
        except OSError as error:
            raise RootError(f"{reason(error)}: {f'{root}/{each}'!r}") from error


def _refuse_foreign(path: Path) -> None:
    """Refuse a folder that holds anything but what an earlier run left.

    That is our tag and a tagged folder for each worker, in it a tagged folder for each test, and in that a
    folder for each node, with instances' files.
    """
    for entry in _strangers(path, TAG, *[INNER_TAG] * 2):
        raise _stranger(str(entry.relative_to(path)))


def _stranger(place: str) -> RootError:
    return RootError(f"it holds {place!r}, which pytest-fakehv did not put there")


def _strangers(folder: Path, tag: str, *inner_tags: str) -> Iterator[Path]:
    """Go through what we did not put into a folder, which should have a tag, nor into folders below it."""
    entries = [entry for entry in sorted(folder.iterdir()) if entry.name != tag]
    if entries and not _is_tag(folder / tag):
        yield entries[0]
    elif os.path.lexists(folder / tag) and not _is_tag(folder / tag):
        yield folder / tag
    for entry in entries:
        if entry.is_symlink() or not entry.is_dir():
            yield entry
        elif inner_tags:
            if not _is_tag(entry / inner_tags[0]):
                yield entry
            yield from _strangers(entry, *inner_tags)
        else:
            # A node's folder, with a small file for each instance.
            yield from (each for each in sorted(entry.iterdir()) if not _may_be_an_instance(each.lstat()))


def _may_be_an_instance(status: os.stat_result) -> bool:
    """Tell whether something may be an instance's file, also one that a test has spoilt."""
    return stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST_INSTANCE_FILE


def _is_tag(path: Path) -> bool:
    """Tell whether a path is a tag that we wrote, and no other file under that name nor a link to one."""
    try:
        status = path.lstat()
        is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        return is_plain and Disk().read(str(path), len(_TAG_TEXT) + 1) == _TAG_TEXT
    except FileNotFoundError:
        return False


class Folders:
    """One worker's share of the folder, in which each test gets a folder of its own.

    Args:
        find_base: returns the worker's folder, made and tagged when the first test needs it.
    """

    def __init__(self, find_base: Callable[[], str]) -> None:
        self._find_base = find_base
        self._counts: Counter[str] = Counter()

    def new(self, title: str) -> str:
        """Make a folder for a test, or for whatever the title names, that nobody else has.

        Args:
            title: any text; what can't stand in a file name is left out.

        Returns:
            The folder's path.
        """
        base = self._find_base()
        if not self._counts:
            _make_tagged(base, INNER_TAG)
        stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", title).strip("-.")[:_LONGEST_STEM] or "test"
        # Upper and lower case are one to some filesystems.
        key = stem.lower()
        self._counts[key] += 1
        count = self._counts[key]
        folder = f"{base}/{stem if count == 1 else f'{stem}~{count}'}"
        _make_tagged(folder, INNER_TAG)
        return folder


def _make_tagged(folder: str, tag: str) -> None:
    """Make a folder with a tag that is complete at once; a test may have patched whatever makes folders."""
    make_directories(Disk.os, folder)
    Disk().put(folder, f"{folder}/{tag}", _TAG_TEXT)
