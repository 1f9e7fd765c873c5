"""A real or a fake filesystem, and a directory on it: the one seam for all file access of the engine.

Paths inside the seam are strings.
"""

import errno
import fcntl
import itertools
import os
import stat
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, ClassVar, Final, Protocol, Self, cast
from weakref import WeakKeyDictionary

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.storage.locks import Lock
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a failed call is shown at the line that made it

ROOT_MODE: Final = 0o775

FILE_MODE: Final = 0o644

_MOST_IDLE: Final = 16
"""How many directories are kept open; not many, since a process may have few descriptors."""

_READING: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_WRITING: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

_temporary_numbers = itertools.count()

_DESCRIPTORS: Final = "/proc/self/fd"

_NO_NAMELESS_FILES: Final = {errno.EOPNOTSUPP, errno.EISDIR}
"""What a filesystem, or a kernel, says that can't make a file without a name."""


def _flags_for_a_nameless_file() -> int:
    """Return how to open a directory for a file in it without a name; 0 where the system has none."""
    nameless: int = getattr(os, "O_TMPFILE", 0)
    # It gets its name through the system's list of a process's descriptors.
    return nameless | os.O_WRONLY | os.O_CLOEXEC if nameless and os.path.isdir(_DESCRIPTORS) else 0


class OsModule(Protocol):
    """The operations of `os` that the storage uses; `os` itself has them and so does a fake one."""

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
    def makedirs(self, name: str) -> None: ...
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

    def lock(self, directory: str) -> int:
        """Keep other processes from locking the same directory; return what `unlock` needs."""

    def unlock(self, directory: str, held: int) -> None:
        """Let other processes lock it again."""

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


class Disk:
    """The machine's own filesystems."""

    # Attributes of the class: a fake filesystem that a test patches in swaps a module's globals alone.
    _scandir: ClassVar[Any] = staticmethod(os.scandir)
    _flock = staticmethod(fcntl.flock)
    _exclusive = fcntl.LOCK_EX
    _unlock = fcntl.LOCK_UN
    _locks: ClassVar[set[int]] = set()
    """The descriptors of directories that are or were locked."""
    _idle: ClassVar[dict[str, int]] = {}
    """Those that nobody uses now, by path, the last used last: opening one costs more than locking it."""
    _nameless: ClassVar[int] = _flags_for_a_nameless_file()
    os: ClassVar[OsModule] = os

    @classmethod
    def drop_locks(cls) -> None:  # pragma: no cover  # runs in forked children, which report nothing
        """In a forked child, which has a copy of each descriptor that another thread locks: close them."""
        for descriptor in cls._locks:
            cls.os.close(descriptor)
        cls._locks.clear()
        cls._idle.clear()

    def files(self, directory: str) -> list[str]:
        """List the regular files, by what the directory itself says of each."""
        with self._scandir(directory) as entries:
            return [each.name for each in entries if each.is_file(follow_symlinks=False)]

    def is_file(self, path: str) -> bool:
        """Tell it by what the path itself is."""
        return stat.S_ISREG(self.os.lstat(path).st_mode)

    def read(self, path: str, most: int) -> bytes:
        """Read it in three calls."""
        os_module = self.os
        descriptor = os_module.open(path, _READING)
        try:
            # Not read: from a pipe, that would take away what somebody wrote into it.
            return os_module.pread(descriptor, most, 0)
        finally:
            os_module.close(descriptor)

    def stamp(self, directory: str) -> object:
        """Return the directory's modification time."""
        return self.os.stat(directory).st_mtime_ns

    def lock(self, directory: str) -> int:
        """Lock the directory through a descriptor that nobody else has, a forked child neither."""
        descriptor = self._idle.pop(directory, None)
        if descriptor is None:
            descriptor = self.os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._locks.add(descriptor)
        try:
            self._flock(descriptor, self._exclusive)
        except BaseException:
            self._close(descriptor)
            raise
        return descriptor

    def unlock(self, directory: str, held: int) -> None:
        """Unlock it, and keep the descriptor for next time, in place of the one unused longest."""
        try:
            # Closing alone leaves it locked in a child that another thread forked meanwhile.
            self._flock(held, self._unlock)
        finally:
            if self._idle.setdefault(directory, held) != held:
                self._close(held)
            if len(self._idle) > _MOST_IDLE:
                for longest in list(self._idle)[:-_MOST_IDLE]:
                    self.forget(longest)

    @classmethod
    def forget(cls, directory: str) -> None:
        """Keep no descriptor of a directory any longer."""
        if (descriptor := cls._idle.pop(directory, None)) is not None:
            cls._close(descriptor)

    @classmethod
    def _close(cls, descriptor: int) -> None:
        cls._locks.discard(descriptor)
        cls._flock(descriptor, cls._unlock)
        cls.os.close(descriptor)

    def put(self, directory: str, path: str, content: bytes) -> None:
        """Make the file without a name, and then link it: who is killed in between leaves no trace."""
        descriptor = self._open_nameless(directory)
        if descriptor is None:
            # As an atomic change of a directory is on every system, at the cost of a second one.
            temporary = _write_temporary(self.os, directory, content)
            try:
                self.os.link(temporary, path)
            finally:
                self.os.unlink(temporary)
            return
        try:
            write_all(self.os, descriptor, content)
            # With a directory's descriptor, which an absolute path makes no use of, the link is followed.
            self.os.link(f"{_DESCRIPTORS}/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)
        except OSError as error:
            error.filename = directory  # the descriptor's number would tell nobody anything
            raise
        finally:
            self.os.close(descriptor)

    def _open_nameless(self, directory: str) -> int | None:
        """Return the descriptor of a new file without a name; None where there is no such thing."""
        if not self._nameless:
            return None
        try:
            return self.os.open(directory, self._nameless, FILE_MODE)
        except OSError as error:
            if error.errno in _NO_NAMELESS_FILES:
                return None
            raise

    def replace(self, directory: str, path: str, content: bytes) -> None:
        """Rename another file over it."""
        _replace(self.os, directory, path, content)


class FakeDisk:
    """A fake filesystem, reached through its fake `os` module, as the test that patches it in reaches it."""

    _locks: ClassVar[WeakKeyDictionary[object, Lock]] = WeakKeyDictionary()
    """One lock for each fake filesystem, whoever reaches it."""

    def __init__(self, fake_os: Any) -> None:
        """Take the fake `os` module: pyfakefs's ``FakeOsModule``."""
        self._filesystem = fake_os.filesystem
        self._lock = self._locks.setdefault(self._filesystem, Lock())
        self.os = cast("OsModule", _OneAtATime(fake_os, self._lock))

    def files(self, directory: str) -> list[str]:
        """List the regular files; pyfakefs's ``scandir`` is 100 times slower than its ``listdir``.

        So what each is comes from its own list of a directory's files.
        """
        with self._lock:
            names = self.os.listdir(directory)
            entries = self._filesystem.resolve(directory).entries
            return [name for name in names if stat.S_ISREG(entries[name].st_mode)]

    def is_file(self, path: str) -> bool:
        """Tell it by what the path itself is."""
        return stat.S_ISREG(self.os.lstat(path).st_mode)

    def read(self, path: str, most: int) -> bytes:
        """Read it in four calls: pyfakefs gives a file that it opens a mode, and it is to keep its own."""
        with self._lock:
            mode = stat.S_IMODE(self.os.lstat(path).st_mode)
            descriptor = self.os.open(path, _READING, mode)
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

    def lock(self, directory: str) -> int:  # noqa: ARG002  # all at once
        """Lock the whole filesystem, among threads: no other process sees it."""
        self._lock.acquire()
        return 0

    def unlock(self, directory: str, held: int) -> None:  # noqa: ARG002  # all at once
        """Unlock the whole filesystem."""
        self._lock.release()

    def put(self, directory: str, path: str, content: bytes) -> None:
        """Make the file while no other thread can look."""
        with self._lock:
            descriptor = self.os.open(path, _WRITING, FILE_MODE)
            try:
                try:
                    write_all(self.os, descriptor, content)
                finally:
                    self.os.close(descriptor)
            except BaseException as error:
                self.os.unlink(path)
                if isinstance(error, OSError):
                    error.filename = directory  # as on the disk
                raise

    def replace(self, directory: str, path: str, content: bytes) -> None:
        """Rename another file over it."""
        with self._lock:
            _replace(self.os, directory, path, content)


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

    def files(self, directory: str) -> list[str]:
        """List the regular files by what each object is."""
        with self._lock:
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
            if found is None or not stat.S_ISREG(found.stat_result.st_mode):
                return super().read(path, most)
            return cast("bytes", found.byte_contents[:most])

    def stamp(self, directory: str) -> object:
        """Return the same of the object."""
        with self._lock:
            found = self._find(directory)
            if found is None:
                return super().stamp(directory)
            return found.stat_result.st_mtime_ns, len(found.entries)

    def replace(self, directory: str, path: str, content: bytes) -> None:  # noqa: ARG002  # no other file
        """Give the object another content: nobody else has it open."""
        with self._lock:
            self._find(path).set_contents(content)


class _OneAtATime:
    """A fake `os` whose every call is atomic among threads, as the kernel's are."""

    def __init__(self, fake_os: object, lock: AbstractContextManager[Any]) -> None:
        self._os = fake_os
        self._lock = lock

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

    Attributes:
        is_made: whether the directory was needed so far.
    """

    def __init__(self, find: Callable[[], tuple[Filesystem, str]]) -> None:
        self._find = find
        self._place: tuple[Filesystem, str] | None = None
        self.is_made = False
        self._lock = Lock()

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
            with self._lock:
                place = self._place = self._place or self._find()
        return place

    def get(self) -> tuple[Filesystem, str]:
        """Return the filesystem and the path; the first time, make the directory.

        One that exists keeps its mode; a new one gets 0775 whatever the umask.

        Raises:
            OSError: it can't be made.
        """
        if not self.is_made:
            with self._lock:
                filesystem, path = self._found
                _make_directory(filesystem.os, path)
                self.is_made = True
        return self._found


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


def _replace(os_module: OsModule, directory: str, path: str, content: bytes) -> None:
    """Rename a file with other content, and the same mode, over another."""
    mode = stat.S_IMODE(os_module.lstat(path).st_mode)
    temporary = _write_temporary(os_module, directory, content)
    try:
        os_module.chmod(temporary, mode)
        os_module.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):  # interrupted when it was done
            os_module.unlink(temporary)
        raise


def _write_temporary(os_module: OsModule, directory: str, content: bytes) -> str:
    """Write a file that no reader takes for an instance, since no instance's name has a newline."""
    while True:
        path = f"{directory}/\n{os.getpid()}.{next(_temporary_numbers)}"
        try:
            descriptor = os_module.open(path, _WRITING, FILE_MODE)
            break
        except FileExistsError:  # left by a killed process that had our number
            continue
    try:
        try:
            write_all(os_module, descriptor, content)
        finally:
            os_module.close(descriptor)
    except BaseException:
        os_module.unlink(path)
        raise
    return path


def write_all(os_module: OsModule, descriptor: int, content: bytes) -> None:
    """Write, however many times the system takes only a part of it."""
    while (written := os_module.write(descriptor, content)) < len(content):
        content = content[written:]


def reason(error: OSError) -> str:
    """Return the system's word for an error, the same on a real and a fake filesystem."""
    return os.strerror(error.errno) if error.errno else str(error)
