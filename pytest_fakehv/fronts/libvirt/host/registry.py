"""Which domains a host has, by name and by UUID."""

import uuid
from collections.abc import Iterator

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, failure
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.values import DomainRef


class Registry:
    """The domains of one host; changed under the cluster's lock alone."""

    def __init__(self) -> None:
        self._by_name: dict[str, Domain] = {}
        self._by_uuid: dict[bytes, Domain] = {}
        self._arriving: dict[str, Domain] = {}
        self._came_as: dict[str, str] = {}

    def __iter__(self) -> Iterator[Domain]:
        """Go through those that it has now."""
        return iter(list(self._by_name.values()))

    def __contains__(self, domain: Domain) -> bool:
        """Tell whether it has a domain."""
        return self._by_uuid.get(domain.uuid) is domain

    def by_name(self, name: str) -> Domain | None:
        """Return the domain of a name; None if there is none."""
        return self._by_name.get(name)

    def by_uuid(self, key: bytes) -> Domain | None:
        """Return the domain of a UUID's 16 bytes; None if there is none."""
        return self._by_uuid.get(key)

    def of_instance(self, name: str) -> Domain | None:
        """Return the domain that one of the cluster's instances is here; None if there is none."""
        domain = self._arriving.get(name)
        return domain if domain and domain.incoming else self._by_name.get(name)

    def came_as(self, name: str) -> str:
        """Return what the instance was called that the domain of a name has come as, or is to."""
        return self._came_as.get(name, name)

    def comes(self, domain: Domain, instance: str) -> None:
        """Note as which of the cluster's instances a domain is to come, whatever it will be called here."""
        self._arriving[instance], self._came_as[domain.name] = domain, instance

    def arrived(self, domain: Domain) -> None:
        """Note that its instance is from now on called as the domain is."""
        self._arriving.pop(self.came_as(domain.name), None)

    def add(self, domain: Domain) -> None:
        """Have one more domain."""
        self._by_name[domain.name] = self._by_uuid[domain.uuid] = domain

    def drop(self, domain: Domain) -> None:
        """Have a domain no more."""
        del self._by_name[domain.name], self._by_uuid[domain.uuid]

    def rename(self, domain: Domain, renamed: Definition) -> None:
        """Let a domain have another name."""
        self.drop(domain)
        domain.defined(renamed)
        self.add(domain)


def no_domain(ref: DomainRef) -> LibvirtError:
    """Return the error of a call about a domain that is no more."""
    return failure(Code.NO_DOMAIN, f"no domain with matching uuid '{uuid.UUID(bytes=ref.uuid)}' ({ref.name})")
