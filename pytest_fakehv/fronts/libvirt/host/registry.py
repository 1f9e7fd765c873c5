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
