"""What is set of a domain beside its size: whether it starts with its host, and what is noted of it."""

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api, check_flags
from pytest_fakehv.fronts.libvirt.host.checks import affected, the_affected
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.words import Affect, EventKind, Metadata
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_EITHER = Affect.LIVE | Affect.CONFIG


@api("virDomainGetAutostart")
def autostart(_host: Host, _session: Session, domain: Domain) -> int:
    """Tell whether it starts with its host."""
    return int(domain.autostart)


@api("virDomainSetAutostart", has_job=True)
def set_autostart(host: Host, _session: Session, domain: Domain, value: int) -> None:
    """Let it start with its host, or not."""
    with host.machine.lock:
        if not domain.is_persistent:
            raise failure(Code.OPERATION_INVALID, "cannot set autostart for transient domain")
        domain.autostart, domain.set_by = bool(value), host.machine.current_call


@api("virDomainGetMetadata")
def metadata(_host: Host, _session: Session, domain: Domain, kind: int, uri: str | None, flags: int) -> str:
    """Return its title, its description, or what somebody has noted of it."""
    check_flags(flags, _EITHER, "virDomainObjGetMetadata", Origin.DOMAIN)
    definition = the_affected(domain, flags)
    if kind == Metadata.ELEMENT:
        found = definition.metadata(uri or "")
    elif kind == Metadata.TITLE:
        found = definition.title
    elif kind == Metadata.DESCRIPTION:
        found = definition.description
    else:
        raise _unknown(kind)
    if found is None:
        raise failure(
            Code.NO_DOMAIN_METADATA, "Requested metadata element is not present", origin=Origin.DOMAIN
        )
    return found


@api("virDomainSetMetadata", has_job=True, flags=_EITHER)
def set_metadata(
    host: Host,
    _session: Session,
    domain: Domain,
    kind: int,
    text: str | None,
    key: str | None,
    uri: str | None,
    flags: int,
) -> None:
    """Change one of these; None takes it away."""

    def changed(definition: Definition) -> Definition:
        if kind == Metadata.ELEMENT:
            return definition.with_metadata(uri or "", key or "", text)
        return definition.with_title(text) if kind == Metadata.TITLE else definition.with_description(text)

    live, config = affected(domain, flags)
    if kind not in list(Metadata):
        raise _unknown(kind)
    with host.machine.lock:
        if live:
            host.change_live(domain, changed)
        if config:
            host.configure(domain, changed)
        host.tell(domain, EventKind.METADATA_CHANGE, kind, uri if kind == Metadata.ELEMENT else None)


def _unknown(kind: int) -> LibvirtError:
    return failure(Code.INVALID_ARG, f"unknown metadata type '{kind}'", origin=Origin.DOMAIN)
