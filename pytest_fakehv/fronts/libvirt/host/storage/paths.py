"""What lies where on a host, as far as its storage pools say."""

from collections.abc import Iterator

from pytest_fakehv.fronts.libvirt.host.registry import Registry
from pytest_fakehv.fronts.libvirt.host.storage.pool import Pool
from pytest_fakehv.fronts.libvirt.host.storage.poolxml import PoolDefinition, tidy
from pytest_fakehv.fronts.libvirt.host.storage.space import Backing, Image, Space, Spaces
from pytest_fakehv.fronts.libvirt.translation import Machine
from pytest_fakehv.text import natural_order


class Paths:
    """The files of one host's storage pools; all here is called under the cluster's lock.

    Args:
        machine: the node.
        spaces: where all storage of the cluster's hosts is.
    """

    def __init__(self, machine: Machine, spaces: Spaces) -> None:
        self._machine = machine
        self._spaces = spaces
        self._registry = Registry[Pool]()

    def __iter__(self) -> Iterator[Pool]:
        """Go through them, by name."""
        return iter(sorted(self._registry, key=lambda each: natural_order(each.name)))

    def image_at(self, path: str) -> Image | None:
        """Return what lies at a path, in whichever pool, active or not; None where nothing does."""
        space, name = self.space_at(path)
        return space.images.get(name) if space else None

    def backing_at(self, path: str) -> Backing | None:
        """Return what a file at a path is the difference to; None for nothing."""
        image = self.image_at(path)
        return image.backing if image else None

    def space_at(self, path: str) -> tuple[Space | None, str]:
        """Return where a path is, in whichever pool, and the name there; None where no pool is there."""
        folder, _, name = tidy(self.whole_path(path)).rpartition("/")
        for pool in self:
            if pool.definition.path == (folder or "/"):
                return self._space(pool.definition), name
        return None, name

    def whole_path(self, path: str) -> str:
        """Return the path of what a disk names: of ``pool/volume``, that in the pool's folder."""
        pool, _, volume = path.partition("/")
        found = self._registry.by_name(pool)
        return f"{found.definition.path}/{volume}" if found else path

    def remove_file(self, path: str) -> None:
        """Delete what lies at a path; nothing where no pool is there, or nothing is."""
        space, name = self.space_at(path)
        if space:
            space.images.pop(name, None)

    def image_of(self, pool: str, volume: str) -> Image | None:
        """Return what a pool, active or not, has by a name; None for nothing."""
        found = self._registry.by_name(pool)
        return self._space(found.definition).images.get(volume) if found else None

    def have(self, image: Image) -> bool:
        """Tell whether one of them, active or not, has an image."""
        return any(self.image_of(each.name, image.name) is image for each in self)

    def _space(self, definition: PoolDefinition) -> Space:
        return self._spaces.at(definition.address(self._machine.name))
