"""The snapshots of one domain: a tree, of which one is what the domain goes on from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, failure
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.snapshots.words import ListedSnaps

SHUT_OFF: Final = "shutoff"
DISKS_ALONE: Final = "disk-snapshot"
INSIDE: Final = "internal"
BESIDE: Final = "external"
NOWHERE: Final = "no"


class SnapshotDisk(NamedTuple):
    """What a snapshot has of one of a domain's disks."""

    name: str
    """In the domain, such as ``vda``."""
    mode: str
    """`INSIDE`: it is in the disk's file; `BESIDE`: it is that file; `NOWHERE`: there is nothing."""
    overlay: str | None = None
    """The path of the file that has the difference to that one from then on."""


@dataclass(eq=False, kw_only=True)
class Snapshot:
    """A snapshot that was taken of a domain; changed under the cluster's lock alone.

    Attributes:
        name: its name.
        description: what its user says of it; "" for nothing.
        state: what the domain did: ``running``, ``paused`` or ``shutoff``; or that only its disks were looked
            at.
        created: when it was taken, in whole seconds.
        disks: what it has of each disk.
        definition: by what the domain ran, or would have.
        config: the domain's persistent definition, where that was another one; None for none.
        memory: where its memory is: inside a disk, in a file, or nowhere.
        file: the path of that file; None for none.
        cookie: what a daemon notes for itself; None for nothing.
        parent: what the domain went on from before; None for nothing.
    """

    name: str
    description: str
    state: str
    created: int
    disks: tuple[SnapshotDisk, ...]
    definition: Definition
    config: Definition | None
    memory: str
    file: str | None
    cookie: Element | None
    parent: "Snapshot | None"

    @property
    def is_active(self) -> bool:
        """Whether it has the domain's memory."""
        return self.state not in (SHUT_OFF, DISKS_ALONE)

    @property
    def is_beside(self) -> bool:
        """Whether any of it is beside the disks."""
        return self.file is not None or any(each.mode == BESIDE for each in self.disks)


class Snapshots:
    """Those of one domain; changed under the cluster's lock alone.

    Attributes:
        current: what it goes on from; None for nothing.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Snapshot] = {}
        self.current: Snapshot | None = None

    def __len__(self) -> int:
        """Count them."""
        return len(self._by_name)

    def by_name(self, name: str) -> Snapshot | None:
        """Return the one of a name; None if there is none."""
        return self._by_name.get(name)

    def add(self, snapshot: Snapshot) -> None:
        """Have one more, or another one in the place of the one of its name."""
        old = self._by_name.get(snapshot.name)
        self._by_name[snapshot.name] = snapshot
        if old:
            for each in self.children(old):
                each.parent = snapshot
            if self.current is old:
                self.current = snapshot

    def drop(self, snapshot: Snapshot) -> None:
        """Have one no more: what goes on from it goes on from what it went on from."""
        for each in self.children(snapshot):
            each.parent = snapshot.parent
        del self._by_name[snapshot.name]
        if self.current is snapshot:
            self.current = snapshot.parent

    def children(self, snapshot: Snapshot | None) -> list[Snapshot]:
        """Return those that go on from one; None: from none."""
        return [each for each in self._by_name.values() if each.parent is snapshot]

    def below(self, snapshot: Snapshot | None) -> Iterator[Snapshot]:
        """Give all that go on from one, directly or not, what others go on from first; None: all."""
        for each in self.children(snapshot):
            yield each
            yield from self.below(each)

    def listed(self, snapshot: Snapshot | None, flags: int) -> list[Snapshot]:
        """Return those below one that all groups of flags let pass.

        Args:
            snapshot: which; None: of all.
            flags: `ListedSnaps`.
        """
        goes_deeper = bool(flags & ListedSnaps.ROOTS) == (snapshot is not None)
        found = self.below(snapshot) if goes_deeper else self.children(snapshot)
        return [each for each in found if self._is_listed(each, flags)]

    def _is_listed(self, snapshot: Snapshot, flags: int) -> bool:
        states = {SHUT_OFF: ListedSnaps.INACTIVE, DISKS_ALONE: ListedSnaps.DISK_ONLY}
        fitting = (
            ListedSnaps.METADATA
            | (ListedSnaps.EXTERNAL if snapshot.is_beside else ListedSnaps.INTERNAL)
            | (ListedSnaps.NO_LEAVES if self.children(snapshot) else ListedSnaps.LEAVES)
            | states.get(snapshot.state, ListedSnaps.ACTIVE)
        )
        return all(not flags & group or flags & group & fitting for group in _GROUPS)


_GROUPS: Final = (
    ListedSnaps.METADATA | ListedSnaps.NO_METADATA,
    ListedSnaps.LEAVES | ListedSnaps.NO_LEAVES,
    ListedSnaps.INACTIVE | ListedSnaps.ACTIVE | ListedSnaps.DISK_ONLY,
    ListedSnaps.INTERNAL | ListedSnaps.EXTERNAL,
)


def no_snapshot(problem: str) -> LibvirtError:
    """Return the error of a call about a snapshot that isn't there."""
    return failure(Code.NO_DOMAIN_SNAPSHOT, problem)
