"""A storage pool as a test declares it."""

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass

from pytest_fakehv.checks import DeclarationError, memory_amount
from pytest_fakehv.fronts.libvirt.errors import LibvirtError
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, inline
from pytest_fakehv.fronts.libvirt.host.storage.poolxml import PoolDefinition
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.text import shown

_MIB = 2**20


@dataclass(frozen=True)
class DeclaredPool:
    """A pool of a folder, which is there, defined, active, and starts with its host.

    Args:
        name: its name.
        nodes: those that share it, by name or address or as themselves; None for all.
        path: the folder; None for one of that name in libvirt's own.
        capacity: what it has, in MiB, or as a text with the unit, such as "200G"; None for 100 GiB.

    Raises:
        DeclarationError: there can be no such pool; the message says why.
    """

    name: str
    _: KW_ONLY
    nodes: Iterable[str | BaseHypervisor] | None = None
    path: str | None = None
    capacity: int | str | None = None

    def __post_init__(self) -> None:
        """Check every argument."""
        for key in ("name", "path"):
            value = getattr(self, key)
            if not isinstance(value, str) and (key == "name" or value is not None):
                raise DeclarationError(f"{key} must be a text, not {shown(value)}")
        if self.nodes is not None and (isinstance(self.nodes, str) or not self.nodes):
            raise DeclarationError(f"nodes must be a list of nodes, not {shown(self.nodes)}")
        if self.path is not None and not self.path.startswith("/"):
            raise DeclarationError(f"path must begin with '/', unlike {shown(self.path)}")
        if self.capacity is not None:
            memory_amount("capacity", self.capacity)
        self.definition(lambda: bytes(16))

    def definition(self, make_uuid: Callable[[], bytes]) -> PoolDefinition:
        """Return its definition.

        Args:
            make_uuid: what gives the 16 bytes of its UUID.

        Raises:
            DeclarationError: it can have none; the message says why.
        """
        path = self.path or f"/var/lib/libvirt/images/{self.name}"
        parts = [Element("name", {}, (self.name,))]
        if self.capacity is not None:
            size = memory_amount("capacity", self.capacity) * _MIB
            parts.append(Element("capacity", {}, (str(size),)))
        parts.append(Element("target", {}, (Element("path", {}, (path,)),)))
        try:
            return PoolDefinition.parse(inline(Element("pool", {"type": "dir"}, tuple(parts))), make_uuid)
        except LibvirtError as error:
            raise DeclarationError(f"there can be no pool {shown(self.name)}: {error}") from error
