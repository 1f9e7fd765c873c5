"""A root directory on whichever filesystem is in use."""

import os
from collections.abc import Callable
from typing import Self

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.machine import Os, current_os
from pytest_fakehv.reading import check_path
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.fakedisk import FakeDisk
from pytest_fakehv.storage.filesystem import Filesystem, make_directory, reason
from pytest_fakehv.storage.places import check_folder
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a failed call is shown at the line that made it


def current_filesystem() -> Filesystem:
    """Return what a plain `open` would use now: the disk, or the fake that the test has patched in."""
    now: object = current_os()
    return Disk() if now is Os else FakeDisk(now)


class Root:
    """A directory for instance files, found and made when it is first needed.

    Who asks for it holds its cluster's lock, so that it is found and made once.

    Args:
        find: called once, at the first need, for the filesystem and the directory's path there.

    Attributes:
        is_made: whether the directory was needed so far.
    """

    def __init__(self, find: Callable[[], tuple[Filesystem, str]]) -> None:
        self._find = find
        self._place: tuple[Filesystem, str] | None = None
        self.is_made = False

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Self:
        """Make the root at a path of the filesystem in use now, at once.

        Raises:
            DeclarationError: there is no path, or it can't be made a directory.
        """
        text = check_path("root must be a path", path)
        if text.startswith("~"):
            raise DeclarationError(
                f"root {shown(text)}: no home directory is looked for here; expand it, or begin with './'"
            )
        filesystem, absolute = current_filesystem(), Os.normpath(text)
        try:
            if not absolute.startswith("/"):
                absolute = Os.normpath(f"{current_os().getcwd()}/{text}")
            root = cls(lambda: (filesystem, absolute))
            check_folder(filesystem.os, absolute, may_be_link=True)
            root.get()
        except DeclarationError as error:
            problem, cause = str(error), None
        except OSError as error:
            problem, cause = reason(error), error
        else:
            return root
        raise DeclarationError(
            f"root can't be made: {absolute!r}: {problem}; name a folder, or where one can be made"
        ) from cause

    def child(self, name: str) -> "Root":
        """Return the directory of that name in this one, not made yet."""

        def find() -> tuple[Filesystem, str]:
            filesystem, path = self._found
            return filesystem, f"{path}/{name}"

        return Root(find)

    @property
    def path(self) -> str:
        """The directory's path, whether or not it is made already."""
        return self._found[1]

    @property
    def _found(self) -> tuple[Filesystem, str]:
        place = self._place
        if place is None:
            place = self._place = self._find()
        return place

    def get(self) -> tuple[Filesystem, str]:
        """Return the filesystem and the path; the first time, make the directory.

        One that exists keeps its mode; a new one gets 0775 whatever the umask.

        Raises:
            OSError: it can't be made.
        """
        if not self.is_made:
            filesystem, path = self._found
            make_directory(filesystem.os, path)
            self.is_made = True
        return self._found
