"""What the engine needs of what keeps a node's running instances: files, or this process's memory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from pytest_fakehv.interface.errors import RefusedError

Pause = Literal["paused", "migrating"]
"""By whom an instance is paused: its owner, or a non-live migration, whose abort lets it run again."""


class Record(NamedTuple):
    """What is kept of a running instance: memory in MiB, virtual CPUs, and by whom it is paused, if it is."""

    memory: int
    vcpus: int
    pause: Pause | None = None

    @property
    def is_paused(self) -> bool:
        """Whether it is paused, by whomever."""
        return self.pause is not None


class Store(Protocol):
    """One node's running instances: `Storage` has them in files, `Memory` in a dict.

    Its methods take places, as `path` returns them: where a store has an instance. They may be called by any
    thread; those that change anything do so under the cluster's lock.

    Attributes:
        last_malformed: the names of what could not be read or made sense of when all was last read.
        on_change: called with an instance's name, and whether it runs from now on, after each change of ours.
    """

    last_malformed: Sequence[str]
    on_change: Callable[[str, bool], None]

    @property
    def root(self) -> str:
        """The root directory's path, for messages about its files."""

    @property
    def last_seen(self) -> Mapping[str, Record]:
        """What was last seen of each instance, by name, without looking."""

    @property
    def is_made(self) -> bool:
        """Whether anything needed the store so far."""

    def make(self) -> str:
        """Make the root directory if nothing needed it before, and return its path."""

    def exists(self) -> bool:
        """Tell whether the store is still there."""

    def path(self, name: str) -> str:
        """Return the place of an instance; raises a `HypervisorError` where none can have that name."""

    def create(self, path: str, record: Record) -> None:
        """Put an instance there; of any number of callers at once, one meets no `FileExistsError`."""

    def create_from(self, path: str, decide: Callable[[], Record]) -> None:
        """Put what is decided while nobody else changes anything; raises as `create` does."""

    def change(self, path: str, decide: Callable[[Record], Record]) -> None:
        """Change an instance at once, by what it is; raises `FileNotFoundError` where there is none."""

    def remove(self, path: str) -> None:
        """Take an instance away; raises `FileNotFoundError` where there is none."""

    def remove_all(self) -> None:
        """Take every instance away, one after another."""

    def check_root(self) -> None:
        """Refuse to go on when the store is gone."""

    def holds_instance(self, path: str) -> bool:
        """Tell whether an instance is there."""

    def holds_something_else(self, path: str) -> bool:
        """Tell whether something is there that is no instance."""

    def read(self, path: str) -> Record | None:
        """Return what is kept of an instance; None where there is none."""

    def names(self) -> list[str]:
        """List the instances, in no order."""

    def read_all(self) -> dict[str, Record]:
        """Return what is kept of every instance, by name."""

    def used_memory(self) -> int:
        """Return the instances' memory, in MiB; however many there are, it costs the same."""


def still_holds(store: Store, name: str) -> bool:
    """Tell whether a store has an instance that it had: where nobody can tell, nothing has changed."""
    try:
        return store.holds_instance(store.path(name))
    except (FileNotFoundError, NotADirectoryError):  # it is gone with its root
        return False
    except OSError:
        return True


def is_paused(store: Store, name: str) -> bool:
    """Tell whether an instance that a store has is paused: where nobody can tell, it runs."""
    try:
        record = store.read(store.path(name))
    except (OSError, RefusedError):
        return False
    return record is not None and record.is_paused
