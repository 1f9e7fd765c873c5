"""A storage pool as one host knows it, and its volumes."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.storage.poolxml import PoolDefinition, WantedPermissions
from pytest_fakehv.fronts.libvirt.host.storage.space import Image, Permissions, Space
from pytest_fakehv.fronts.libvirt.values import PoolRef, VolumeRef

_OF_A_KEY: Final = (6, 4, 4, 4, 4, 4, 6)
"""Of how many characters the parts of a logical volume's key are."""


@dataclass(eq=False, kw_only=True)
class Pool:
    """A storage pool of one host; changed under the cluster's lock alone.

    Attributes:
        definition: what counts now.
        following: by what it is defined once it is active no more; None where that is the same.
        is_persistent: whether it is there when it isn't active.
        autostart: whether it starts with its host.
        space: what is in it; None while it isn't active.
        images: what it knows of that, by name: other hosts may have changed it since.
        figures: its capacity, allocation, and what was available, in bytes, when it was active last.
    """

    definition: PoolDefinition
    following: PoolDefinition | None = None
    is_persistent: bool = False
    autostart: bool = False
    space: Space | None = None
    images: dict[str, Image] = field(default_factory=dict)
    figures: tuple[int, int, int] = (0, 0, 0)

    @property
    def name(self) -> str:
        """Its name."""
        return self.definition.name

    @property
    def uuid(self) -> bytes:
        """Its 16 bytes."""
        return self.definition.uuid

    @property
    def ref(self) -> PoolRef:
        """What clients know it by."""
        return PoolRef(self.name, self.uuid)

    @property
    def is_active(self) -> bool:
        """Whether its volumes can be used."""
        return self.space is not None

    @property
    def is_logical(self) -> bool:
        """Whether its volumes are logical ones, no files."""
        return self.definition.kind == "logical"

    def active_space(self) -> Space:
        """Return what is in it.

        Raises:
            LibvirtError: it isn't active.
        """
        if self.space is None:
            raise invalid(f"storage pool '{self.name}' is not active")
        return self.space

    def current_figures(self) -> tuple[int, int, int]:
        """Return its capacity, allocation, and what is available, in bytes."""
        if self.space:
            self.figures = self.space.capacity, self.space.allocation, self.space.available
        return self.figures

    def defined(self, definition: PoolDefinition) -> None:
        """Note by what it is defined, from now on, or once it is active no more."""
        if self.is_active:
            self.following = definition
        else:
            self.definition, self.figures = definition, (0, 0, 0)

    def starts(self, space: Space, permissions: Permissions) -> None:
        """Note that it is active from now on."""
        self.space = space
        if self.definition.capacity is not None:
            space.capacity = self.definition.capacity
        self.definition = replace(self.definition, permissions=WantedPermissions(*permissions))
        self.looks()

    def looks(self) -> None:
        """Note what is in it now."""
        self.images = dict(self.active_space().images)

    def stops(self) -> None:
        """Note that it is active no more."""
        self.current_figures()
        self.space, self.images = None, {}
        if self.following:
            self.definition, self.following, self.figures = self.following, None, (0, 0, 0)

    def volume(self, name: str) -> "Volume":
        """Return its volume of a name.

        Raises:
            LibvirtError: it isn't active, or there is none.
        """
        self.active_space()
        if image := self.images.get(name):
            return Volume(self, image)
        raise no_volume(f"no storage vol with matching name '{name}'")


class Volume(NamedTuple):
    """A volume: an image in a pool."""

    pool: Pool
    image: Image

    @property
    def path(self) -> str:
        """Where the host has it."""
        return f"{self.pool.definition.path.rstrip('/')}/{self.image.name}"

    @property
    def key(self) -> str:
        """What tells it from all others: its path, or what a logical volume has for that."""
        if not self.pool.is_logical:
            return self.path
        digits = hashlib.sha256(self.path.encode()).hexdigest()
        parts, at = [], 0
        for length in _OF_A_KEY:
            parts.append(digits[at : at + length])
            at += length
        return "-".join(parts)

    @property
    def ref(self) -> VolumeRef:
        """What clients know it by."""
        return VolumeRef(self.pool.name, self.image.name, self.key)

    @property
    def is_there(self) -> bool:
        """Whether it still is where it was: another host may have deleted it."""
        return self.pool.active_space().images.get(self.image.name) is self.image

    def check_is_there(self) -> None:
        """Refuse one that is no more.

        Raises:
            LibvirtError: it is such.
        """
        if not self.is_there:
            raise no_volume(f"no storage vol with matching path '{self.path}'")


class Held(NamedTuple):
    """What is at a path that lies in a pool."""

    pool: Pool
    path: str
    image: Image | None
    """None: nothing is there."""


def invalid(problem: str) -> LibvirtError:
    """Return the error of a call that a pool, or a volume, can't have now."""
    return failure(Code.OPERATION_INVALID, problem, origin=Origin.STORAGE)


def no_volume(problem: str) -> LibvirtError:
    """Return the error of a call about a volume that isn't there."""
    return failure(Code.NO_STORAGE_VOL, problem, origin=Origin.STORAGE)
