"""A job on a disk of a domain that runs: how far it is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pytest_fakehv.fronts.libvirt.host.disks.words import BlockJobKind

RATE: Final = 256 * 2**20
"""Bytes that a job does in a second, where nobody has said at most how many."""

UNKNOWN_SIZE: Final = 2**30
"""Bytes that there are to be done with a disk of which no pool says how large it is."""

_NAMES: Final = {
    BlockJobKind.PULL: "pull",
    BlockJobKind.COPY: "copy",
    BlockJobKind.COMMIT: "commit",
    BlockJobKind.ACTIVE_COMMIT: "commit",
    BlockJobKind.BACKUP: "backup",
}


@dataclass(eq=False, kw_only=True)
class BlockJob:
    """One job, from its beginning to its end; changed under the cluster's lock alone.

    Attributes:
        kind: what it does.
        target: the disk's name.
        path: the disk's source.
        index: its number.
        amount: how many bytes there are to be done.
        size: at how many bytes it is done, as clients see it.
        bandwidth: at most how many bytes it does in a second; 0 for as many as go.
        finish: called where it is to have its effect; returns the disk's source then.
        ready: called where it waits from now on until a client says what comes of it.
        cancel: called where it is to have no effect.
        at: when it was looked at last, in seconds of the cluster's clock.
        done: how many bytes were done then.
        is_ready: whether all is done, and it waits until a client says what comes of it.
    """

    kind: BlockJobKind
    target: str
    path: str
    index: int
    amount: int
    size: int
    bandwidth: int
    finish: Callable[[], str]
    at: float
    ready: Callable[[], None] = lambda: None
    cancel: Callable[[], None] = lambda: None
    done: float = 0
    is_ready: bool = False

    @property
    def name(self) -> str:
        """What a daemon calls it."""
        return f"{_NAMES[self.kind]}-{self.target}-libvirt-{self.index}-format"

    @property
    def is_mirror(self) -> bool:
        """Whether it keeps something the same as the disk, until a client says what comes of it."""
        return self.kind in {BlockJobKind.COPY, BlockJobKind.ACTIVE_COMMIT}

    @property
    def current(self) -> int:
        """How many bytes are done, of `size`."""
        if self.is_ready or not self.amount:
            return self.size
        return min(int(self.done * self.size / self.amount), self.size - 1)

    def goes_on(self, now: float) -> bool:
        """Do what can be done until a time; tell whether that is all."""
        passed, self.at = now - self.at, now
        self.done = min(self.amount, self.done + passed * (self.bandwidth or RATE))
        return self.done >= self.amount


@dataclass(eq=False)
class DiskJobs:
    """The jobs on the disks of one domain while it runs.

    Attributes:
        running: by the disk's name.
        last_index: the highest number that a file of one of its disks has had.
        unwatch: called where none is left to be looked at.
    """

    running: dict[str, BlockJob] = field(default_factory=dict)
    last_index: int = 0
    unwatch: Callable[[], None] = lambda: None

    def ended(self) -> None:
        """Let none be looked at any more, where none is left."""
        if not self.running:
            self.unwatch()
            self.unwatch = lambda: None

    def lose(self) -> None:
        """Note that the domain runs no more: its jobs have ended, and nobody is told."""
        self.running.clear()
        self.ended()
        self.last_index = 0
