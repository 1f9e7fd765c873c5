"""What a host has of one kind of object, by name and by UUID; and how it says that it hasn't got one."""

import uuid
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domain import Domain
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


class DomainRegistry(Registry[Domain]):
    """A host's domains, of which some are on their way to it under another name than they will have."""

    def __init__(self) -> None:
        super().__init__()
        self._arriving: dict[str, Domain] = {}
        self._came_as: dict[str, str] = {}

    def of_instance(self, name: str) -> Domain | None:
        """Return the domain that one of the cluster's instances is here; None if there is none."""
        domain = self._arriving.get(name)
        return domain if domain and domain.incoming else self.by_name(name)

    def came_as(self, name: str) -> str:
        """Return what the instance was called that the domain of a name has come as, or is to."""
        return self._came_as.get(name, name)

    def comes(self, domain: Domain, instance: str) -> None:
        """Note as which of the cluster's instances a domain is to come, whatever it will be called here."""
        self._arriving[instance], self._came_as[domain.name] = domain, instance

    def arrived(self, domain: Domain) -> None:
        """Note that its instance is from now on called as the domain is."""
        self._arriving.pop(self.came_as(domain.name), None)


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
