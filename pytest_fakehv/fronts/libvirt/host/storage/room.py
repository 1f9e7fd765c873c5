"""The room that files take of the places where they lie: what is there for new ones, and for those that grow.

All here is called under the cluster's lock.
"""

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, failure
from pytest_fakehv.fronts.libvirt.host.storage.pools import Pools
from pytest_fakehv.fronts.libvirt.host.storage.space import Image, Space
from pytest_fakehv.fronts.libvirt.host.storage.volumes import EMPTY_ALLOCATED

__tracebackhide__ = True  # a failed call is shown at the line that made it

NO_ROOM: Final = os.strerror(errno.ENOSPC)

_STEPS: Final = (
    (65536, "Could not write qcow2 header"),
    (196608, "Could not write refcount table"),
    (EMPTY_ALLOCATED, "Could not resize image: Failed to grow the L1 table"),
)
"""Up to how many bytes there is no room for which part of a new file; as a real QEMU said it."""


class Unmade(NamedTuple):
    """A new file that there is no room for: where it was to be, and why there is none, in QEMU's words."""

    path: str
    why: str


def unmade(pools: Pools, paths: Iterable[str]) -> Unmade | None:
    """Return the first of some new qcow2 files that there is no room for; None where there is for all."""
    left: dict[int, int] = {}
    for path in paths:
        space, _ = pools.place(path)
        room = left.setdefault(id(space), space.available)
        for least, what in _STEPS:
            if room < least:
                return Unmade(path, f"{what}: {NO_ROOM}")
        left[id(space)] -= EMPTY_ALLOCATED
    return None


def check_can_format(pools: Pools, paths: Iterable[str]) -> None:
    """Refuse to let a domain that runs have new qcow2 files that there is no room for.

    Raises:
        LibvirtError: there is none.
    """
    if found := unmade(pools, paths):
        raise failure(Code.OPERATION_FAILED, f"failed to format image: '{found.why}'")


@dataclass(frozen=True)
class Growth:
    """How a file is to grow.

    Attributes:
        image: the file.
        space: where it lies.
        amount: by how many bytes.
    """

    image: Image
    space: Space
    amount: int

    @property
    def possible(self) -> float:
        """The share of it, from 0 to 1, that there is room for now."""
        return min(1, self.space.available / self.amount) if self.amount > 0 else 1

    def come(self, share: float) -> None:
        """Let a share of it, from 0 to 1, come about."""
        self.image.allocation += max(0, int(self.amount * share))
