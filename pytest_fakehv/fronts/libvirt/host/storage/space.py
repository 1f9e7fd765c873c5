"""What lies where: files, folders and logical volumes, on a host's own disks or on what hosts share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.fronts.libvirt.host.storage.content import Content

DEFAULT_CAPACITY: Final = 100 * 2**30
"""Bytes that a place has where no pool's XML says how many."""


class Permissions(NamedTuple):
    """Who may do what with a file or a folder."""

    mode: int
    owner: int = 0
    group: int = 0


STANDARD_FOLDERS: Final = {
    **dict.fromkeys(
        ["/", "/home", "/media", "/mnt", "/opt", "/srv", "/usr", "/var", "/var/lib", "/var/lib/libvirt"],
        Permissions(0o755),
    ),
    **dict.fromkeys(("/tmp", "/var/tmp"), Permissions(0o1777)),  # noqa: S108  # on the host, that isn't here
    **dict.fromkeys(("/var/lib/libvirt/boot", "/var/lib/libvirt/images"), Permissions(0o711)),
    "/root": Permissions(0o700),
}
"""The folders that are there on each host."""


class Made(NamedTuple):
    """How a program has made an image: by which call, in which pool, and at which path that host has it."""

    call: Call | None
    node: str
    pool: str
    path: str


class ImageType(IntEnum):
    """What an image is: ``VIR_STORAGE_VOL_...``."""

    FILE = 0
    BLOCK = 1
    DIR = 2


class Backing(NamedTuple):
    """What an image is the difference to."""

    path: str
    format: str


@dataclass(eq=False, kw_only=True)
class Image:
    """One file, folder or logical volume; changed under the cluster's lock alone.

    Attributes:
        name: its name in the place where it lies.
        type: what it is.
        format: of what is in it, such as ``qcow2``; None where a pool's kind knows none.
        capacity: what a guest sees of it, in bytes.
        allocation: what it takes of its place, in bytes.
        physical: where it ends, in bytes.
        permissions: who may do what with it.
        backing: what it is the difference to; None for nothing.
        compat: the version of its format; None where nobody has said or looked.
        features: those of its format; None likewise.
        cluster: how many bytes its format keeps together; None where nobody has looked.
        content: what is in it; None for what such an image has when it is new.
        is_converted: whether it is of an image of another format that had something in it, so that nobody
            knows what is in this one.
        snapshots: what was in it when each of the snapshots inside it was taken, by name.
        changed: when it was last changed, in seconds of the cluster's clock.
        made: how a program has made it; None where none has.
    """

    name: str
    type: ImageType
    format: str | None
    capacity: int
    allocation: int
    physical: int
    permissions: Permissions
    backing: Backing | None = None
    compat: str | None = None
    features: tuple[str, ...] | None = None
    cluster: int | None = None
    content: Content | None = None
    is_converted: bool = False
    changed: float = 0
    snapshots: dict[str, Content | None] = field(default_factory=dict)
    made: Made | None = None


@dataclass(eq=False)
class Space:
    """A folder, a file system, an export or a volume group, with what is in it.

    Attributes:
        capacity: how many bytes it has.
        images: what is in it, by name.
    """

    capacity: int = DEFAULT_CAPACITY
    images: dict[str, Image] = field(default_factory=dict)

    @property
    def allocation(self) -> int:
        """How many bytes are taken."""
        return sum(each.allocation for each in self.images.values())

    @property
    def available(self) -> int:
        """How many bytes are free."""
        return max(0, self.capacity - self.allocation)


SHARED: Final = "netfs"
"""The kind of pools of which hosts that have the same source have the same space."""

Address = tuple[str, ...]
"""Where a space is: of which kind it is, on which host if on one alone, and what it is called there."""


class Spaces:
    """All spaces of a cluster's hosts, and the folders of each; changed under the cluster's lock alone."""

    def __init__(self) -> None:
        self._spaces: dict[Address, Space] = {}
        self._folders: dict[str, dict[str, Permissions]] = {}

    def at(self, address: Address) -> Space:
        """Return the space of an address: of what no pool was at, an empty one."""
        return self._spaces.setdefault(address, Space())

    def share(self, addresses: Iterable[Address]) -> None:
        """Let several addresses be of one space: that of the first which has one already."""
        each = list(addresses)
        space = next((self._spaces[one] for one in each if one in self._spaces), Space())
        self._spaces.update(dict.fromkeys(each, space))

    def is_shared(self, address: Address) -> bool:
        """Tell whether hosts share what is at an address."""
        space = self.at(address)
        return address[0] == SHARED or [each is space for each in self._spaces.values()].count(True) > 1

    def forget(self, node: str) -> None:
        """Let a host's own disks be gone: a host that has its name later is another one."""
        self._folders.pop(node, None)
        for address in [each for each in self._spaces if each[0] != SHARED and each[1] == node]:
            del self._spaces[address]

    def made(self) -> Iterator[tuple[Image, Made]]:
        """Give what programs have made and what is still there, once each, however many hosts share it."""
        for space in {id(each): each for each in self._spaces.values()}.values():
            for image in space.images.values():
                if image.made:
                    yield image, image.made

    def files(self, node: str) -> Iterator[Image]:
        """Give what lies on a host, and on the servers that hosts share."""
        for address, space in [*self._spaces.items()]:  # looking at a path adds to them
            if address[0] == SHARED or address[1] == node:
                yield from space.images.values()

    def exports(self, server: str) -> list[str]:
        """Return the folders that a server lets hosts have, as far as pools have named them."""
        return sorted(each[2] for each in self._spaces if each[:2] == (SHARED, server))

    def folders(self, node: str) -> dict[str, Permissions]:
        """Return a host's folders, by path: who may do what in each."""
        return self._folders.setdefault(node, dict(STANDARD_FOLDERS))
