"""A fake filesystem, pyfakefs's, in place of the machine's own."""

import errno
import itertools
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, TypeVarTuple, cast

from pytest_fakehv.machine import Os
from pytest_fakehv.storage.filesystem import (
    FILE_MODE,
    READING,
    WRITING,
    OsModule,
    name_at_last,
    rename_over,
    write_all,
)
from pytest_fakehv.storage.locks import Lock, under_lock

__tracebackhide__ = True  # a failed call is shown at the line that made it

_Given = TypeVarTuple("_Given")
_Result = TypeVar("_Result")


class FakeDisk:
    """A fake filesystem, reached through its fake `os` module, as the test that patches it in reaches it."""

    def __init__(self, fake_os: Any) -> None:
        """Take the fake `os` module: pyfakefs's ``FakeOsModule``."""
        self._filesystem = fake_os.filesystem
        # One for each fake filesystem, whoever reaches it. It stands for the kernel's: nobody takes a
        # cluster's lock who has this one and not that.
        self._lock: Lock = vars(self._filesystem).setdefault("_pytest_fakehv_lock", Lock())
        self.os = cast("OsModule", _OneAtATime(fake_os, self._lock))

    @under_lock
    def files(self, directory: str) -> list[str]:
        """List the regular files; pyfakefs's ``scandir`` is 100 times slower than its ``listdir``.

        So what each is comes from its own list of a directory's files.
        """
        names = self.os.listdir(directory)
        entries = self._filesystem.resolve(directory).entries
        # A thread of the test's that changes the fake filesystem takes no lock of ours.
        found = [(name, entries.get(name)) for name in names]
        return [name for name, each in found if each is not None and stat.S_ISREG(each.st_mode)]

    def is_file(self, path: str) -> bool:
        """Tell it by what the path itself is."""
        return stat.S_ISREG(self.os.lstat(path).st_mode)

    def read(self, path: str, most: int) -> bytes:
        """Read it in four calls: pyfakefs gives a file that it opens a mode, and it is to keep its own."""
        with self._lock:
            mode = stat.S_IMODE(self.os.lstat(path).st_mode)
            descriptor = self.os.open(path, READING, mode)
            try:
                return self.os.read(descriptor, most)
            finally:
                self.os.close(descriptor)

    def unused(self, path: str) -> str:
        """Return the path, or, if something is there, one like it where nothing is."""
        candidates = itertools.chain([path], (f"{path}~{number}" for number in itertools.count(2)))
        return next(each for each in candidates if not self._exists(each))

    def _exists(self, path: str) -> bool:
        try:
            self.os.lstat(path)
        except FileNotFoundError:
            return False
        return True

    def stamp(self, directory: str) -> object:
        """Return the modification time, which only we ourselves move there, and the number of entries."""
        return self.os.stat(directory).st_mtime_ns, len(self.os.listdir(directory))

    def exclusively(
        self,
        directory: str,  # noqa: ARG002  # all at once
        effect: Callable[[*_Given], _Result],
        *arguments: *_Given,
    ) -> _Result:
        """Lock the whole filesystem meanwhile, among threads: no other process sees it."""
        with self._lock:
            return effect(*arguments)

    def put(self, directory: str, path: str, content: bytes) -> None:
        """Give the file its name once it is closed, as a full disk is noticed there."""
        with self._lock:
            if self._exists(path):
                raise FileExistsError(errno.EEXIST, Os.strerror(errno.EEXIST), path)
            try:
                name_at_last(self.os, directory, content, lambda temporary: self.os.replace(temporary, path))
            except OSError as error:
                error.filename = directory  # as on the disk
                raise

    def replace(self, directory: str, path: str, content: bytes) -> None:
        """Rename another file over it."""
        with self._lock:
            rename_over(self.os, directory, path, content)


class PrivateDisk(FakeDisk):
    """A fake filesystem that nobody else reaches: there are our own folders and files, and no links.

    What is there is told by pyfakefs's own objects, which costs a fiftieth of asking its `os`; what isn't, by
    that, which says so.
    """

    def _find(self, path: str) -> Any:
        """Return pyfakefs's own object at an absolute path; None if there is none."""
        found = self._filesystem.root
        for name in path.split("/")[1:]:
            found = getattr(found, "entries", {}).get(name)
        return found

    @under_lock
    def files(self, directory: str) -> list[str]:
        """List the regular files by what each object is."""
        entries = getattr(self._find(directory), "entries", None)
        if entries is None:
            return super().files(directory)
        return [name for name, each in entries.items() if stat.S_ISREG(each.stat_result.st_mode)]

    def is_file(self, path: str) -> bool:
        """Tell it by what the object is."""
        with self._lock:
            found = self._find(path)
            return super().is_file(path) if found is None else stat.S_ISREG(found.stat_result.st_mode)

    def read(self, path: str, most: int) -> bytes:
        """Take it from the object."""
        with self._lock:
            found = self._find(path)
            content = None
            if found is not None and stat.S_ISREG(found.stat_result.st_mode):
                content = found.byte_contents  # none where the file has only a size
            return super().read(path, most) if content is None else cast("bytes", content[:most])

    def stamp(self, directory: str) -> object:
        """Return the same of the object."""
        with self._lock:
            found = self._find(directory)
            if found is None:
                return super().stamp(directory)
            return found.stat_result.st_mtime_ns, len(found.entries)

    def put(self, directory: str, path: str, content: bytes) -> None:  # noqa: ARG002  # no other file
        """Make the file under its name: nobody can look, and the filesystem has no size to be full at."""
        with self._lock:
            descriptor = self.os.open(path, WRITING, FILE_MODE)
            try:
                try:
                    write_all(self.os, descriptor, content)
                finally:
                    self.os.close(descriptor)
            except BaseException:
                self.os.unlink(path)
                raise

    def replace(self, directory: str, path: str, content: bytes) -> None:  # noqa: ARG002  # no other file
        """Give the object another content: nobody else has it open."""
        with self._lock:
            self._find(path).set_contents(content)


class _OneAtATime:
    """A fake `os` whose every call is atomic among threads, and fails by an `OSError`, as the kernel's."""

    def __init__(self, fake_os: object, lock: AbstractContextManager[Any]) -> None:
        self._os = fake_os
        self._lock = lock

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._os, name)

        def call(*args: Any, **keywords: Any) -> Any:
            with self._lock:
                try:
                    return function(*args, **keywords)
                except OSError:
                    raise
                except Exception as error:  # such as its own of a file that has a size and no content
                    # By an assertion it says that its filesystem is no longer in use.
                    number = errno.ENODEV if isinstance(error, AssertionError) else errno.EIO
                    raise OSError(number, Os.strerror(number)) from error

        setattr(self, name, call)
        return call
