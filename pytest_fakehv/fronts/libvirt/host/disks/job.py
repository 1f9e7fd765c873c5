"""A job on a disk of a domain that runs: how far it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.host.disks.words import BlockJobEnd, BlockJobKind

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


class Stop(NamedTuple):
    """Where a job fails: at which share of what there is to be done, from 0 to 1, and with which error."""

    at: float
    error: str


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
        fail: called where it has failed, with the share of it that was done.
        stop: returns where it will fail, as far as can be known now; None for nowhere.
        ended: called where it has ended, before anybody is told, with how.
        writes: the path of what it writes to, besides the disk; "" for nothing.
        at: when it was looked at last, in seconds of the cluster's clock.
        done: how many bytes were done then.
        is_ready: whether all is done, and it waits until a client says what comes of it.
        error: why it has failed; empty where it hasn't.
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
    fail: Callable[[float], None] = lambda _share: None
    stop: Callable[[], Stop | None] = lambda: None
    ended: Callable[[BlockJobEnd], None] = lambda _how: None
    writes: str = ""
    done: float = 0
    is_ready: bool = False
    error: str = ""

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
        return self.size if self.done >= self.amount else int(self.done * self.size / self.amount)

    def goes_on(self, now: float) -> bool:
        """Do what can be done until a time; tell whether that is all, or it fails there, by its `error`."""
        passed, self.at = now - self.at, now
        stop = None if self.is_ready else self.stop()
        last = self.amount * stop.at if stop else self.amount
        self.done = max(self.done, min(last, self.done + passed * (self.bandwidth or RATE)))
        if stop and self.done >= last:
            self.error = stop.error
        return self.done >= last
