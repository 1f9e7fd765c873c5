"""The machine's own filesystems, by the functions that it had when this was imported."""

import errno
import os
import stat
from collections.abc import Callable
from typing import ClassVar, Final, TypeVar, TypeVarTuple, cast

from pytest_fakehv.machine import LOCK, UNLOCK, Os
from pytest_fakehv.storage.filesystem import (
    FILE_MODE,
    READING,
    OsModule,
    name_at_last,
    remove_quietly,
    rename_over,
    write_all,
)

__tracebackhide__ = True  # a failed call is shown at the line that made it

_MOST_IDLE: Final = 16
"""How many directories are kept open; not many, since a process may have few descriptors."""

# In tuples, as `map` takes them.
_READING: Final = (READING,)
_DIRECTORY: Final = (os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC,)
_NONE: Final = (None,)

_DESCRIPTORS: Final = "/proc/self/fd"

_NO_NAMELESS_FILES: Final = {errno.EOPNOTSUPP, errno.EISDIR}
"""What a filesystem, or a kernel, says that can't make a file without a name."""

_Given = TypeVarTuple("_Given")
_Result = TypeVar("_Result")


def _flags_for_a_nameless_file() -> int:
    """Return how to open a directory for a file in it without a name; 0 where the system has none."""
    nameless: int = getattr(os, "O_TMPFILE", 0)
    # It gets its name through the system's list of a process's descriptors.
    return nameless | os.O_WRONLY | os.O_CLOEXEC if nameless and os.path.isdir(_DESCRIPTORS) else 0


class Disk:
    """The machine's own filesystems."""

    _locks: ClassVar[dict[int, tuple[int, int] | None]] = {}
    """The descriptors of directories that are or were locked, and which directory each is."""
    _idle: ClassVar[dict[str, int]] = {}
    """Those that nobody uses now, by path, the last used last: opening one costs more than locking it."""
    _nameless: ClassVar[int] = _flags_for_a_nameless_file()
    os: ClassVar[OsModule] = cast("OsModule", Os)

    @classmethod
    def drop_locks(cls) -> None:
        """In a forked child, which has a copy of each descriptor that its parent locks: close them."""
        for descriptor in cls._locks:
            Os.close(descriptor)
        cls._locks.clear()
        cls._idle.clear()

    def files(self, directory: str) -> list[str]:
        """List the regular files, by what the directory itself says of each."""
        with Os.scandir(directory) as entries:
            return [each.name for each in entries if each.is_file(follow_symlinks=False)]

    def is_file(self, path: str) -> bool:
        """Tell it by what the path itself is."""
        return stat.S_ISREG(self.os.lstat(path).st_mode)

    def read(self, path: str, most: int) -> bytes:
        """Read it in three calls."""
        os_module = self.os
        (descriptor,) = map(os_module.open, (path,), _READING)  # as in `name_at_last`
        try:
            # Not read: from a pipe, that would take away what somebody wrote into it.
            return os_module.pread(descriptor, most, 0)
        finally:
            os_module.close(descriptor)

    def stamp(self, directory: str) -> object:
        """Return the directory's modification time."""
        return self.os.stat(directory).st_mtime_ns

    def exclusively(
        self, directory: str, effect: Callable[[*_Given], _Result], *arguments: *_Given
    ) -> _Result:
        """Lock the directory meanwhile, through a descriptor that nobody else has, a forked child neither.

        Who forks while another thread is here has a copy of the descriptor: closing ours alone would leave
        the directory locked there. So it is unlocked.

        Where another directory has got the name meanwhile, that one counts: who came later has locked it.
        """
        flock, keep = Os.flock, self._idle.setdefault
        (descriptor,) = map(self._idle.pop, (directory,), _NONE)  # as in `name_at_last`
        if descriptor is None:
            (descriptor,) = map(self.os.open, (directory,), _DIRECTORY)
        is_open = True
        try:
            known = self._locks.setdefault(descriptor)
            flock(descriptor, LOCK)
            if known is None:
                status = Os.fstat(descriptor)
                known = self._locks[descriptor] = status.st_dev, status.st_ino
            if self._is_at(directory, known):
                return effect(*arguments)
        finally:
            try:
                flock(descriptor, UNLOCK)
            except OSError:  # the program has closed all descriptors that it has
                is_open = False
                self._locks.pop(descriptor, None)
            finally:
                if is_open and keep(directory, descriptor) != descriptor:  # somebody else's is kept
                    self._locks.pop(descriptor, None)
                    Os.close(descriptor)
            if len(self._idle) > _MOST_IDLE:
                self.forget_idle(_MOST_IDLE)
        self.forget(directory)
        return self.exclusively(directory, effect, *arguments)

    def _is_at(self, path: str, known: tuple[int, int]) -> bool:
        """Tell whether a directory is the one that has a name now."""
        try:
            there = self.os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (there.st_dev, there.st_ino) == known

    @classmethod
    def forget(cls, directory: str) -> None:
        """Keep no descriptor of a directory any longer."""
        (descriptor,) = map(cls._idle.pop, (directory,), _NONE)
        if descriptor is not None:
            try:
                cls._locks.pop(descriptor, None)
            finally:
                Os.close(descriptor)

    @classmethod
    def forget_idle(cls, most: int = 0) -> None:
        """Keep so many descriptors of directories that nobody uses now: of those used last."""
        every = list(cls._idle)
        for directory in every[: len(every) - most]:
            cls.forget(directory)

    def put(self, directory: str, path: str, content: bytes) -> None:
        """Make the file without a name, and then link it: who is killed in between leaves no trace."""
        if self._nameless and self._put_nameless(directory, path, content):
            return

        is_linked = False

        def link(temporary: str) -> None:
            nonlocal is_linked
            self.os.link(temporary, path)
            is_linked = True
            self.os.unlink(temporary)

        # As an atomic change of a directory is on every system, at the cost of a second one.
        try:
            name_at_last(self.os, directory, content, link)
        except OSError:
            if not is_linked:
                raise

    def _put_nameless(self, directory: str, path: str, content: bytes) -> bool:
        """Do so; or tell that there is no such thing here."""
        os_module = self.os
        try:
            (descriptor,) = map(os_module.open, (directory,), (self._nameless,), (FILE_MODE,))
        except OSError as error:
            if error.errno in _NO_NAMELESS_FILES:
                return False
            raise
        is_linked = False
        try:
            try:
                write_all(os_module, descriptor, content)
                # With a directory's descriptor, which an absolute path makes no use of, the link is followed.
                source = f"{_DESCRIPTORS}/{descriptor}"
                os_module.link(source, path, src_dir_fd=descriptor, follow_symlinks=True)
                is_linked = True
            finally:
                os_module.close(descriptor)
        except OSError as error:
            # What the system says at last may be that some of it was not written.
            if is_linked and not remove_quietly(os_module, path):
                return True
            error.filename = directory  # the descriptor's number would tell nobody anything
            raise
        return True

    def replace(self, directory: str, path: str, content: bytes) -> None:
        """Rename another file over it."""
        rename_over(self.os, directory, path, content)


os.register_at_fork(after_in_child=Disk.drop_locks)
