"""What a host has of one kind of object, by name and by UUID; and how it says that it hasn't got one."""

import uuid
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.values import DomainRef, NetworkRef, PoolRef


class Named(Protocol):
    """What has a name and a UUID."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def uuid(self) -> bytes:
        """Its 16 bytes."""


Kept = TypeVar("Kept", bound=Named)
"""One kind of object: a host's domains, its storage pools, its networks."""


class Registry(Generic[Kept]):
    """What one host has of one kind of object; changed under the cluster's lock alone."""

    def __init__(self) -> None:
        self._by_name: dict[str, Kept] = {}
        self._by_uuid: dict[bytes, Kept] = {}

    def __iter__(self) -> Iterator[Kept]:
        """Go through those that it has now."""
        return iter(list(self._by_name.values()))

    def __contains__(self, kept: Kept) -> bool:
        """Tell whether it has an object."""
        return self._by_uuid.get(kept.uuid) is kept

    def by_name(self, name: str) -> Kept | None:
        """Return the object of a name; None if there is none."""
        return self._by_name.get(name)

    def by_uuid(self, key: bytes) -> Kept | None:
        """Return the object of a UUID's 16 bytes; None if there is none."""
        return self._by_uuid.get(key)

    def add(self, kept: Kept) -> None:
        """Have one more object."""
        self._by_name[kept.name] = self._by_uuid[kept.uuid] = kept

    def drop(self, kept: Kept) -> None:
        """Have an object no more."""
        del self._by_name[kept.name], self._by_uuid[kept.uuid]


def no_domain(ref: DomainRef) -> LibvirtError:
    """Return the error of a call about a domain that is no more."""
    return failure(Code.NO_DOMAIN, f"no domain with matching uuid '{uuid.UUID(bytes=ref.uuid)}' ({ref.name})")


def no_pool(ref: PoolRef) -> LibvirtError:
    """Return the error of a call about a storage pool that is no more."""
    problem = f"no storage pool with matching uuid '{uuid.UUID(bytes=ref.uuid)}' ({ref.name})"
    return failure(Code.NO_STORAGE_POOL, problem, origin=Origin.STORAGE)


def no_network(ref: NetworkRef) -> LibvirtError:
    """Return the error of a call about a network that is no more."""
    problem = f"no network with matching uuid '{uuid.UUID(bytes=ref.uuid)}' ({ref.name})"
    return failure(Code.NO_NETWORK, problem, origin=Origin.NETWORK)
