"""A real or a fake filesystem, and a directory on it: the one seam for all file access of the engine.

Paths inside the seam are strings.
"""

import errno
import fcntl
import itertools
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from typing import Any, ClassVar, Final, Protocol, Self, cast
from weakref import WeakKeyDictionary

from pytest_fakehv.engine.errors import DeclarationError
from pytest_fakehv.engine.text import shown

__tracebackhide__ = True  # a failed call is shown at the line that made it

ROOT_MODE: Final = 0o775


class OsModule(Protocol):
    """The operations of `os` that the storage uses; `os` itself has them and so does a fake one."""

    def open(self, path: str, flags: int, mode: int = ..., /) -> int: ...
    def pread(self, fd: int, length: int, offset: int, /) -> bytes: ...
    def write(self, fd: int, data: bytes, /) -> int: ...
    def close(self, fd: int, /) -> None: ...
    def link(self, source: str, target: str, /) -> None: ...
    def replace(self, source: str, target: str, /) -> None: ...
    def unlink(self, path: str, /) -> None: ...
    def lstat(self, path: str, /) -> os.stat_result: ...
    def stat(self, path: str, /) -> os.stat_result: ...
    def utime(self, path: str, times: None = None, *, ns: tuple[int, int]) -> None: ...
    def listdir(self, path: str, /) -> list[str]: ...
    def mkdir(self, path: str, /) -> None: ...
    def makedirs(self, name: str) -> None: ...
    def chmod(self, path: str, mode: int, /) -> None: ...


class Filesystem(Protocol):
    """Where a root directory lies. Three operations differ between a real and a fake one."""

    @property
    def os(self) -> OsModule:
        """The filesystem's operations."""

    def files(self, directory: str) -> list[str]:
        """List the regular files in a directory: no directories, links, pipes or sockets."""

    def stamp(self, directory: str) -> object:
        """Return something that moves when a file is put into or taken out of a directory."""

    def locked(self, directory: str) -> AbstractContextManager[Any]:
        """Keep other processes from locking the same directory."""


class Disk:
    """The machine's own filesystems."""

    # Attributes of the class: a fake filesystem that a test patches in swaps a module's globals alone.
    _scandir: ClassVar[Any] = staticmethod(os.scandir)
    _flock = staticmethod(fcntl.flock)
    _exclusive = fcntl.LOCK_EX
    _unlock = fcntl.LOCK_UN
    _locks: ClassVar[set[int]] = set()
    os: ClassVar[OsModule] = os

    @classmethod
    def drop_locks(cls) -> None:  # pragma: no cover  # runs in forked children, which report nothing
        """In a forked child, which has a copy of each descriptor that another thread locks: close them."""
        for descriptor in cls._locks:
            cls.os.close(descriptor)
        cls._locks.clear()

    def files(self, directory: str) -> list[str]:
        """List the regular files, by what the directory itself says of each."""
        with self._scandir(directory) as entries:
            return [each.name for each in entries if each.is_file(follow_symlinks=False)]

    def stamp(self, directory: str) -> object:
        """Return the directory's modification time."""
        return self.os.stat(directory).st_mtime_ns

    @contextmanager
    def locked(self, directory: str) -> Iterator[None]:
        """Lock the directory through a descriptor of its own, so that a forked child shares no lock."""
        descriptor = self.os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._locks.add(descriptor)
            self._flock(descriptor, self._exclusive)
            yield
        finally:
            self._locks.discard(descriptor)
            # Closing alone leaves it locked in a child that another thread forked meanwhile.
            self._flock(descriptor, self._unlock)
            self.os.close(descriptor)


class FakeDisk:
    """A fake filesystem, reached through its fake `os` module: the test's own or a private one."""

    _locks: ClassVar[WeakKeyDictionary[object, AbstractContextManager[Any]]] = WeakKeyDictionary()
    """One lock for each fake filesystem, whoever reaches it."""

    def __init__(self, fake_os: Any) -> None:
        """Take the fake `os` module: pyfakefs's ``FakeOsModule``."""
        self._lock = self._locks.setdefault(fake_os.filesystem, threading.RLock())
        self.os = cast("OsModule", _OneAtATime(fake_os, self._lock))

    def files(self, directory: str) -> list[str]:
        """List the regular files; pyfakefs's ``scandir`` is far slower than a ``stat`` of each."""
        with self._lock:
            return [
                name
                for name in self.os.listdir(directory)
                if stat.S_ISREG(self.os.lstat(f"{directory}/{name}").st_mode)
            ]

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

    def locked(self, directory: str) -> AbstractContextManager[Any]:  # noqa: ARG002  # all at once
        """Lock the whole filesystem, among threads: no other process sees it."""
        return self._lock


class _OneAtATime:
    """A fake `os` whose every call is atomic among threads, as the kernel's are."""

    def __init__(self, fake_os: object, lock: AbstractContextManager[Any]) -> None:
        self._os = fake_os
        self._lock = lock

    def pread(self, fd: int, length: int, _offset: int, /) -> bytes:
        """Read from a file just opened; there are no pipes here, whose content would be gone then."""
        return cast("bytes", self.read(fd, length))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._os, name)

        def call(*args: Any, **keywords: Any) -> Any:
            with self._lock:
                try:
                    return function(*args, **keywords)
                except AssertionError as error:  # how pyfakefs says that its filesystem is no longer in use
                    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error

        setattr(self, name, call)
        return call


def current_filesystem() -> Filesystem:
    """Return what a plain `open` would use now: the disk, or the fake that the test has patched in.

    A patched-in pyfakefs puts its own ``os`` among the loaded modules; so it is found without importing it.
    """
    now: object = sys.modules["os"]
    return Disk() if now is Disk.os else FakeDisk(now)


class Root:
    """A directory for instance files, found and made when it is first needed.

    Args:
        find: called once, at the first need, for the filesystem and the directory's path there.
    """

    def __init__(self, find: Callable[[], tuple[Filesystem, str]]) -> None:
        self._find = cache(find)
        self._made: tuple[Filesystem, str] | None = None
        self._lock = threading.RLock()

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Self:
        """Make the root at a path of the filesystem in use now, at once.

        Raises:
            DeclarationError: there is no path, or it can't be made a directory.
        """
        given: Any = path
        text = os.fspath(given) if isinstance(given, str | os.PathLike) else None
        if not text or not isinstance(text, str) or "\0" in text:
            raise DeclarationError(f"root must be a path, not {shown(path)}")
        filesystem, absolute = current_filesystem(), sys.modules["os"].path.abspath(text)
        root = cls(lambda: (filesystem, absolute))
        try:
            root.get()
        except OSError as error:
            raise DeclarationError(f"root can't be made: {absolute!r}: {reason(error)}") from error
        return root

    def child(self, name: str) -> "Root":
        """Return the directory of that name in this one, not made yet."""

        def find() -> tuple[Filesystem, str]:
            filesystem, path = self._find()
            return filesystem, f"{path}/{name}"

        return Root(find)

    @property
    def path(self) -> str:
        """The directory's path, whether or not it is made already."""
        return self._find()[1]

    @property
    def is_made(self) -> bool:
        """Whether the directory was needed so far."""
        return self._made is not None

    def get(self) -> tuple[Filesystem, str]:
        """Return the filesystem and the path; the first time, make the directory.

        One that exists keeps its mode; a new one gets 0775 whatever the umask.

        Raises:
            OSError: it can't be made.
        """
        if self._made is None:
            with self._lock:
                filesystem, path = self._find()
                _make_directory(filesystem.os, path)
                self._made = filesystem, path
        return self._made


def _make_directory(os_module: OsModule, path: str) -> None:
    with suppress(FileExistsError):
        os_module.makedirs(os.path.dirname(path))
    try:
        os_module.mkdir(path)
    except FileExistsError:
        if not stat.S_ISDIR(os_module.stat(path).st_mode):
            raise
    else:
        os_module.chmod(path, ROOT_MODE)


def reason(error: OSError) -> str:
    """Return the system's word for an error, the same on a real and a fake filesystem."""
    return os.strerror(error.errno) if error.errno else str(error)
