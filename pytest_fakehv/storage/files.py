"""The root directory of a node: one small file per running instance.

Readers take no lock: a file appears complete (it gets its name when it is written) and changes at once (it
is renamed over), so whoever looks, this process, another one or a person, sees each instance before or
after a call. Nor does a start that is given the same memory whatever is free: of several, the link lets one
win. Whoever removes, replaces or counts locks the directory itself: a lock that leaves no file behind and
that the kernel drops when its holder dies. Without it, a balloon could bring back what another process has
just stopped, and two starts could be given the same memory.
"""

import errno
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NoReturn, TypeVar, TypeVarTuple

from pytest_fakehv.checks import name_fault
from pytest_fakehv.interface.errors import HypervisorError, RefusedError
from pytest_fakehv.machine import Os, Time
from pytest_fakehv.storage.filesystem import Filesystem, OsModule
from pytest_fakehv.storage.locks import Lock, found_once, under_lock
from pytest_fakehv.storage.root import Root
from pytest_fakehv.storage.store import Pause, Record
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a failed call is shown at the line that made it

_MOST_BYTES: Final = 256
"""More than any file of ours has; a longer one is malformed and is not read on."""

_Given = TypeVarTuple("_Given")
_Result = TypeVar("_Result")

_LAYOUT: Final = re.compile(
    rb"0\n([0-9]{1,19})\n([0-9]{1,19})(?:\n(?:(paused|migrating)(?:\n|\Z))?.*)?", re.DOTALL
)

_PAUSES: Final[dict[bytes | None, Pause | None]] = {
    None: None,
    b"paused": "paused",
    b"migrating": "migrating",
}


def encode(record: Record) -> bytes:
    """Return the content of an instance's file.

    Source: Ganeti's fake hypervisor, which writes an id (always 0), the memory and the CPUs on a line
    each; the fourth line of a paused one is ours, and is ignored there.
    """
    content = b"0\n%d\n%d\n" % (record.memory, record.vcpus)
    return content if record.pause is None else b"%b%b\n" % (content, record.pause.encode())


@lru_cache(maxsize=1024)  # most instances are like others, and then share a record too
def decode(content: bytes) -> Record | None:
    """Read a file's content; None if it is malformed. What else stands below the third line is ignored."""
    found = _LAYOUT.fullmatch(content)
    return found and Record(int(found[1]), int(found[2]), _PAUSES[found[3]])


def _refuse_malformed(path: str, content: bytes) -> NoReturn:
    size = f"{len(content)} bytes" if len(content) < _MOST_BYTES else f"{_MOST_BYTES} bytes or more"
    raise RefusedError(
        f"malformed instance file {path!r} ({size}, starting with {shown(content[:16])}); "
        "it should have the lines '0', memory in MiB and vcpus"
    )


class Storage:
    """One node's running instances, in files.

    The paths that its methods take are the instance files'. It keeps a ledger of what it last saw of
    each instance: for reports that must not touch a file; and, from the first start on whose memory depends
    on what is free, for the sum of the memory, so that such a start costs the same however many run. From
    then on the ledger is believed as long as the directory's modification time is the one that we ourselves
    gave it after our last change; any other change of the directory makes the next such start count anew,
    and so does every `read_all`, which is every node info. Until then, a start does not see what leaves the
    directory alone, such as a file rewritten in place, nor what is done in the very moment of a change of
    ours by who takes no lock: another program, or another process's start that counts nothing. On pyfakefs,
    which moves no time, the number of entries stands in. Everything else reads the files.

    Args:
        root: the directory.
        lock: the cluster's, under which everything is changed.

    Attributes:
        last_malformed: the names whose files could not be read or made sense of at the last recount.
        on_change: as in `Store`.
    """

    def __init__(self, root: Root, lock: Lock) -> None:
        self._root = root
        self._lock = lock
        self._ledger: dict[str, Record] = {}
        self.last_malformed: Sequence[str] = ()
        self.on_change: Callable[[str, bool], None] = lambda _name, _runs: None
        self._used = 0
        self._counts = self._keeps_times = False
        self._is_exclusive = self._is_unchanged = False
        self._stamp: object = None

    # Cached: each call of the interface asks for them several times.

    @found_once
    def root(self) -> str:
        """The directory's path."""
        with self._lock:
            return self._root.path

    @found_once
    def filesystem(self) -> Filesystem:
        """The filesystem, where the root directory is made from now on."""
        with self._lock:
            return self._root.get()[0]

    @property
    def _os(self) -> OsModule:
        return self.filesystem.os

    @property
    def last_seen(self) -> Mapping[str, Record]:
        """What the ledger says of each instance, by name, without looking."""
        return MappingProxyType(dict(self._ledger))

    def path(self, name: str) -> str:
        """Return the path of an instance's file.

        Raises:
            HypervisorError: the name can't be a file's; no file was touched.
        """
        if fault := name_fault(name):
            raise HypervisorError(f"Invalid instance name {shown(name)}: {fault}")
        # A subclass of str may format itself otherwise.
        return f"{self.root}/{name if type(name) is str else str.__str__(name)}"

    def make(self) -> str:
        """Make the root directory if nothing needed it before, and return its path.

        Raises:
            OSError: it can't be made.
        """
        with self._lock:
            return self._root.get()[1]

    def exists(self) -> bool:
        """Tell whether the root directory is still there."""
        try:
            return stat.S_ISDIR(self._os.stat(self.root).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _exclusively(self, effect: Callable[[*_Given], _Result], *arguments: *_Given) -> _Result:
        """Do something while other processes remove, replace and count nothing; can be nested.

        Whoever calls this holds the cluster's lock.
        """
        if self._is_exclusive:
            return effect(*arguments)
        try:
            self._is_exclusive = True
            return self.filesystem.exclusively(self.root, effect, *arguments)
        finally:
            self._is_exclusive = self._is_unchanged = False

    def create(self, path: str, record: Record) -> None:
        """Make an instance's file; of any number of callers at once, one succeeds.

        It is linked, not renamed: that fails where another program was faster.

        Raises:
            FileExistsError: something has that name.
            OSError: it can't be written; nothing is left behind.
        """
        with self._lock:
            if self._counts:
                self._exclusively(self._create_counted, path, record)
            else:  # the link alone decides who wins
                self._create(path, record)

    def create_from(self, path: str, decide: Callable[[], Record]) -> None:
        """Make an instance's file from what is decided while nobody else changes anything.

        Args:
            path: its path.
            decide: returns what to write, and may ask for `used_memory`; raises where nothing is to be made.

        Raises:
            FileExistsError: something has that name.
            OSError: it can't be written; nothing is left behind.
        """
        with self._lock:
            self._exclusively(self._create_from, path, decide)

    def _create_from(self, path: str, decide: Callable[[], Record]) -> None:
        if self.holds_instance(path):
            raise FileExistsError(errno.EEXIST, Os.strerror(errno.EEXIST), path)
        self._create_counted(path, decide())

    def _create_counted(self, path: str, record: Record) -> None:
        believed = self._distrust()
        self._create(path, record)
        if believed:
            self._mark()

    def _create(self, path: str, record: Record) -> None:
        self.filesystem.put(self.root, path, encode(record))
        self.on_change(self._note(path, record), True)

    def change(self, path: str, decide: Callable[[Record], Record]) -> None:
        """Change an instance's file at once, or not at all; its mode stays, as if it were written in place.

        Args:
            path: its path.
            decide: returns what it says from now on, of what it says now, and may ask for `used_memory`; it
                raises where nothing is to be changed.

        Raises:
            FileNotFoundError: there is none.
            HypervisorError: it is malformed.
            OSError: it can't be read or written; the old one stands.
        """
        with self._lock:
            self._exclusively(self._change, path, decide)

    def _change(self, path: str, decide: Callable[[Record], Record]) -> None:
        old = self.read(path)
        if old is None:
            raise FileNotFoundError(errno.ENOENT, Os.strerror(errno.ENOENT), path)
        record = decide(old)
        believed = self._distrust()
        self.filesystem.replace(self.root, path, encode(record))
        self._note(path, record)
        if believed:
            self._mark()

    def remove(self, path: str) -> None:
        """Remove an instance's file.

        Raises:
            FileNotFoundError: there is none.
            OSError: it can't be removed.
        """
        with self._lock:
            self._exclusively(self._remove, path)

    def _remove(self, path: str) -> None:
        believed = self._distrust()
        if not self.holds_instance(path):
            self._note(path, None)
            raise FileNotFoundError(errno.ENOENT, Os.strerror(errno.ENOENT), path)
        self._os.unlink(path)
        self.on_change(self._note(path, None), False)
        if believed:
            self._mark()

    def remove_all(self) -> None:
        """Remove every well-formed instance's file: what is malformed may be somebody else's.

        What can't be read now goes, too, if it was an instance's when it was last seen.

        Raises:
            OSError: one can't be removed; those before it are gone.
        """
        with self._lock:
            self._exclusively(self._remove_all)

    def _remove_all(self) -> None:
        known = self._ledger
        records, faults = self._read_each()
        unreadable = [name for name, fault in faults.items() if name in known and isinstance(fault, OSError)]
        for name in [*records, *unreadable]:
            with suppress(FileNotFoundError):
                self._remove(f"{self.root}/{name}")
        self.check_root()

    def check_root(self) -> None:
        """Refuse to go on when the root directory is gone.

        Raises:
            OSError: it is.
        """
        self._os.stat(self.root)

    def holds_instance(self, path: str) -> bool:
        """Tell whether a path is an instance's file: a regular file, well-formed or not.

        Raises:
            FileNotFoundError: the root directory is gone, and so nothing can be said.
        """
        try:
            return self.filesystem.is_file(path)
        except FileNotFoundError:
            self.check_root()
            return False

    def holds_something_else(self, path: str) -> bool:
        """Tell whether a path is a directory, a link, a pipe or a socket, and so no instance's."""
        try:
            return not self.filesystem.is_file(path)
        except FileNotFoundError:
            return False

    def read(self, path: str) -> Record | None:
        """Read an instance's file; never waits and never reads more than a few hundred bytes.

        Returns:
            What it says; None when no instance's file is there.

        Raises:
            HypervisorError: it is malformed; the message names it.
            OSError: it can't be read.
        """
        record = self._look(path)
        seen = self._ledger.get(path.rpartition("/")[2])
        if seen is not record and seen != record:
            self._saw(path, record)
        return record

    def _look(self, path: str) -> Record | None:
        """Read an instance's file, and leave the ledger as it is."""
        try:
            content = self.filesystem.read(path, _MOST_BYTES)
        except OSError as error:
            # Links, pipes, sockets and directories fail to open or to be read, which is no one's error.
            if not self.holds_instance(path):
                return None
            error.filename = path  # reading from a descriptor, the system names none
            raise
        return decode(content) or _refuse_malformed(path, content)

    def _saw(self, path: str, record: Record | None) -> None:
        """Put the ledger right where somebody else has changed a file; the next start counts anew."""
        with self._lock:
            self._note(path, record)
            self._stamp = None

    @property
    def is_made(self) -> bool:
        """Whether anything needed the root directory so far."""
        return self._root.is_made

    def names(self) -> list[str]:
        """List the instances that have a file, in no order."""
        found, ledger = self.filesystem.files(self.root), self._ledger
        if len(found) == len(ledger) and all(map(ledger.__contains__, found)):
            return found  # as a rule
        names = [name for name in found if not name_fault(name)]
        for gone in ledger.keys() - set(names):
            self._saw(f"{self.root}/{gone}", None)
        for new in set(names) - ledger.keys():
            with suppress(RefusedError, OSError):  # then nothing but its name is known
                self.read(f"{self.root}/{new}")
        return names

    def read_all(self) -> dict[str, Record]:
        """Read every instance's file, and put the ledger right.

        Raises:
            HypervisorError: one is malformed; the message names it. The ledger then has the others.
            OSError: one can't be read.
        """
        records, faults = self._read_each()
        for fault in faults.values():
            raise fault
        return records

    @under_lock
    def _read_each(self) -> tuple[dict[str, Record], dict[str, RefusedError | OSError]]:
        records: dict[str, Record] = {}
        faults: dict[str, RefusedError | OSError] = {}
        for name in self._os.listdir(self.root):
            if name_fault(name):
                continue
            try:
                record = self._look(f"{self.root}/{name}")
            except (RefusedError, OSError) as fault:
                faults[name] = fault
            else:
                if record is not None:
                    records[name] = record
        self._ledger = dict(records)
        self.last_malformed = list(faults)
        self._used = sum(record.memory for record in records.values())
        self._stamp = None
        return records, faults

    def used_memory(self) -> int:
        """Return the running instances' memory, in MiB, from the ledger where it can be believed.

        A malformed or unreadable file counts nothing, so that it stops no other instance's start.
        """
        with self._lock:
            self._counts = True
            return self._exclusively(self._count)

    def _count(self) -> int:
        if not self._is_believed():
            _, faults = self._read_each()
            if not any(isinstance(fault, OSError) for fault in faults.values()):  # it may be readable again
                self._mark()
        return self._used

    def _distrust(self) -> bool:
        """Tell, before a change of ours, whether the ledger is believed; from now on it isn't.

        Whatever interrupts the change may come before or after the ledger knows of it.
        """
        believed = self._is_believed()
        self._stamp = None
        return believed

    def _is_believed(self) -> bool:
        """Tell whether nobody else has changed the directory; while that is locked, look once."""
        if self._stamp is None:
            return False
        if not self._is_unchanged:
            self._is_unchanged = self.filesystem.stamp(self.root) == self._stamp
        return self._is_unchanged

    def _mark(self) -> None:
        """Believe the ledger from now on, until somebody else changes the directory.

        The stamp is a time that we set ourselves: whoever changes the directory later moves it to the
        kernel's time, which is another one even within the same tick of a coarse clock.
        """
        filesystem, root = self.filesystem, self.root
        now = Time.time_ns() | 1  # odd, so that no filesystem with coarser times keeps it by chance
        try:
            filesystem.os.utime(root, ns=(now, now))
            # One that has kept a time as it is does so with the next.
            self._stamp = now if self._keeps_times else filesystem.stamp(root)
            self._keeps_times = self._stamp == now
        except (
            OSError
        ):  # somebody else's directory, in which we may write; or the change was made all the same
            self._stamp = None

    def _note(self, path: str, record: Record | None) -> str:
        """Write a change into the ledger, and return the instance's name."""
        name = path.rpartition("/")[2]
        if name in self.last_malformed:
            self.last_malformed = [each for each in self.last_malformed if each != name]
        if old := self._ledger.pop(name, None):
            self._used -= old.memory
        if record:
            self._ledger[name] = record
            self._used += record.memory
        return name
