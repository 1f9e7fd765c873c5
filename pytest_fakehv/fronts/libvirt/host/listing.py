"""Which domains a host has, and which of them is meant."""

import uuid
from operator import attrgetter
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.saves import is_managed
from pytest_fakehv.fronts.libvirt.host.words import Listed, State
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import DomainRef
from pytest_fakehv.text import natural_order

__tracebackhide__ = True  # a failed call is shown at the line that made it


@api("virDomainLookupByName", about="name")
def by_name(host: Host, _session: Session, name: str) -> DomainRef:
    """Return the domain of a name."""
    if domain := host.by_name(name):
        return domain.ref
    raise failure(Code.NO_DOMAIN, f"no domain with matching name '{name}'")


@api("virDomainLookupByUUID", about="uuid")
def by_uuid(host: Host, _session: Session, key: bytes) -> DomainRef:
    """Return the domain of a UUID."""
    if domain := host.by_uuid(key):
        return domain.ref
    raise failure(Code.NO_DOMAIN, f"no domain with matching uuid '{uuid.UUID(bytes=key)}'")


@api("virDomainLookupByID", about="nothing")
def by_id(host: Host, _session: Session, number: int) -> DomainRef:
    """Return the running domain of a number."""
    for domain in host.domains:
        if domain.is_active and domain.id == number:
            return domain.ref
    raise failure(Code.NO_DOMAIN, f"no domain with matching id {number}")


@api("virConnectListAllDomains", about="nothing", flags=sum(Listed))
def list_all(host: Host, _session: Session, need_results: int, flags: int) -> tuple[list[DomainRef], int]:
    """List the domains that all groups of flags let pass."""
    found = [each.ref for each in listed(host, flags)]
    return (found if need_results else []), len(found)


def listed(host: Host, flags: int) -> list[Domain]:
    """Return the domains that all groups of flags let pass: those that run by number, the others by name."""
    domains = host.domains
    if flags:
        domains = [each for each in domains if _is_listed(host, each, flags)]
    running = sorted((each for each in domains if each.place), key=attrgetter("place.id"))
    shut_off = (each for each in domains if not each.place)
    return running + sorted(shut_off, key=lambda each: natural_order(each.name))


def _is_listed(host: Host, domain: Domain, flags: int) -> bool:
    """Tell whether a domain is listed: each group of flags, if any of it is set, must have one that fits."""
    fitting = (
        (Listed.ACTIVE if domain.is_active else Listed.INACTIVE)
        | (Listed.PERSISTENT if domain.is_persistent else Listed.TRANSIENT)
        | _STATES.get(domain.state, Listed.OTHER)
        | (Listed.AUTOSTART if domain.autostart else Listed.NO_AUTOSTART)
        | (Listed.MANAGEDSAVE if is_managed(host.pools, domain) else Listed.NO_MANAGEDSAVE)
        | (Listed.HAS_SNAPSHOT if domain.snapshots else Listed.NO_SNAPSHOT)
        | (Listed.HAS_CHECKPOINT if domain.checkpoints.all else Listed.NO_CHECKPOINT)
    )
    return all(not flags & group or flags & group & fitting for group in _GROUPS)


_STATES: Final = {
    State.RUNNING: Listed.RUNNING,
    State.PAUSED: Listed.PAUSED,
    State.SHUTOFF: Listed.SHUTOFF,
}

_GROUPS: Final = (
    Listed.ACTIVE | Listed.INACTIVE,
    Listed.PERSISTENT | Listed.TRANSIENT,
    Listed.RUNNING | Listed.PAUSED | Listed.SHUTOFF | Listed.OTHER,
    Listed.MANAGEDSAVE | Listed.NO_MANAGEDSAVE,
    Listed.AUTOSTART | Listed.NO_AUTOSTART,
    Listed.HAS_SNAPSHOT | Listed.NO_SNAPSHOT,
    Listed.HAS_CHECKPOINT | Listed.NO_CHECKPOINT,
)


@api("virConnectNumOfDomains", about="nothing")
def count_running(host: Host, _session: Session) -> int:
    """Count those that run."""
    return sum(each.is_active for each in host.domains)


@api("virConnectListDomains", about="nothing")
def list_running(host: Host, _session: Session, most: int) -> list[int]:
    """List the numbers of those that run."""
    return sorted(each.id for each in host.domains if each.is_active)[:most]


@api("virConnectNumOfDefinedDomains", about="nothing")
def count_defined(host: Host, _session: Session) -> int:
    """Count those that are shut off."""
    return sum(not each.is_active for each in host.domains)


@api("virConnectListDefinedDomains", about="nothing")
def list_defined(host: Host, _session: Session, most: int) -> list[str]:
    """List the names of those that are shut off."""
    return sorted((each.name for each in host.domains if not each.is_active), key=natural_order)[:most]
