"""A node's running instances in this process's memory, for tests in which nobody looks at files."""

import errno
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pytest_fakehv.checks import name_fault
from pytest_fakehv.interface.errors import HypervisorError
from pytest_fakehv.machine import Os
from pytest_fakehv.storage.locks import Lock, under_lock
from pytest_fakehv.storage.store import Record
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a failed call is shown at the line that made it


class InMemory:
    """In place of a root directory: no files."""

    def child(self, name: str) -> "InMemory":  # noqa: ARG002  # as `Root.child` has it
        """Return what a cluster's node has in place of one."""
        return self


IN_MEMORY: Final = InMemory()


class Memory:
    """One node's running instances, in a dict under a lock; an instance's place there is its name.

    Args:
        lock: the cluster's, under which everything is changed.

    Attributes:
        last_malformed: none ever is.
        on_change: as in `Store`.
    """

    is_made: Final = True

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self.last_malformed: Sequence[str] = ()
        self.on_change: Callable[[str, bool], None] = lambda _name, _runs: None
        self._records: dict[str, Record] = {}
        self._used: int | None = 0

    @property
    def root(self) -> str:
        """There is none.

        Raises:
            HypervisorError: always.
        """
        raise HypervisorError("there is no root directory: the backend 'memory' keeps no files")

    @property
    def last_seen(self) -> Mapping[str, Record]:
        """All that is kept."""
        return MappingProxyType(self._records.copy())

    def make(self) -> str:
        """There is no root to make.

        Raises:
            HypervisorError: always.
        """
        return self.root

    def exists(self) -> bool:
        """It always does."""
        return True

    def path(self, name: str) -> str:
        """Return an instance's name, which must be one that a file could have, as on the other backends.

        Raises:
            HypervisorError: it isn't.
        """
        if fault := name_fault(name):
            raise HypervisorError(f"Invalid instance name {shown(name)}: {fault}")
        # A subclass of str may hash and format itself otherwise.
        return name if type(name) is str else str.__str__(name)

    def create(self, path: str, record: Record) -> None:
        """Put an instance there.

        Raises:
            FileExistsError: there is one.
        """
        with self._lock:
            if path in self._records:
                raise FileExistsError(errno.EEXIST, Os.strerror(errno.EEXIST), path)
            used, self._used = self._used, None  # an interrupt in between: it is counted anew
            self._records[path] = record
            self._used = None if used is None else used + record.memory
            self.on_change(path, True)

    def create_from(self, path: str, decide: Callable[[], Record]) -> None:
        """Put what is decided while nobody else changes anything.

        Raises:
            FileExistsError: there is one.
        """
        with self._lock:
            if path in self._records:
                raise FileExistsError(errno.EEXIST, Os.strerror(errno.EEXIST), path)
            self.create(path, decide())

    def change(self, path: str, decide: Callable[[Record], Record]) -> None:
        """Change an instance by what it is.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._lock:
            old = self._records.get(path)
            if old is None:
                raise FileNotFoundError(errno.ENOENT, Os.strerror(errno.ENOENT), path)
            record = decide(old)
            used, self._used = self._used, None
            self._records[path] = record
            self._used = None if used is None else used + record.memory - old.memory

    def remove(self, path: str) -> None:
        """Take an instance away.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._lock:
            if path not in self._records:
                raise FileNotFoundError(errno.ENOENT, Os.strerror(errno.ENOENT), path)
            used, self._used = self._used, None
            old = self._records.pop(path)
            self._used = None if used is None else used - old.memory
            self.on_change(path, False)

    @under_lock
    def remove_all(self) -> None:
        """Take every instance away, one after another."""
        for name in list(self._records):
            self.remove(name)

    def check_root(self) -> None:
        """There is always something to go on with."""

    def holds_instance(self, path: str) -> bool:
        """Tell whether an instance is there."""
        return path in self._records

    def holds_something_else(self, path: str) -> bool:  # noqa: ARG002  # as `Store` has it
        """Nothing else is anywhere."""
        return False

    def read(self, path: str) -> Record | None:
        """Return what is kept of an instance; None where there is none."""
        return self._records.get(path)

    def names(self) -> list[str]:
        """List the instances."""
        return list(self._records)

    def read_all(self) -> dict[str, Record]:
        """Return what is kept of every instance, by name."""
        return self._records.copy()

    def used_memory(self) -> int:
        """Return the instances' memory, in MiB."""
        with self._lock:
            if self._used is None:
                self._used = sum(record.memory for record in self._records.values())
            return self._used
