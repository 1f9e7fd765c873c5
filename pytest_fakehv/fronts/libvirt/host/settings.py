"""What is set of a domain beside its size: whether it starts with its host, its title, what others note of it."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import affected
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host, Session
from pytest_fakehv.fronts.libvirt.host.words import Affect, EventKind

__tracebackhide__ = True  # a failed call is shown at the line that made it

_DESCRIPTION, _TITLE, _ELEMENT = range(3)


@api("virDomainGetAutostart")
def autostart(_host: Host, _session: Session, domain: Domain) -> int:
    """Tell whether it starts with its host."""
    return int(domain.autostart)


@api("virDomainSetAutostart", has_job=True)
def set_autostart(host: Host, _session: Session, domain: Domain, value: int) -> None:
    """Let it start with its host, or not."""
    if not domain.is_persistent:
        raise failure(Code.OPERATION_INVALID, "cannot set autostart for transient domain")
    with host.machine.lock:
        domain.autostart = bool(value)


@api("virDomainGetMetadata", flags=Affect.LIVE | Affect.CONFIG)
def metadata(_host: Host, _session: Session, domain: Domain, kind: int, uri: str | None, flags: int) -> str:
    """Return its title, its description, or what somebody has noted of it."""
    is_live, _ = affected(domain, flags)
    definition = domain.live if is_live else domain.config
    assert definition is not None  # by what the flags mean  # noqa: S101
    if kind == _ELEMENT:
        found = definition.metadata(uri or "")
    elif kind in (_DESCRIPTION, _TITLE):
        found = definition.title if kind == _TITLE else definition.description
    else:
        raise wrong_argument(
            "virDomainGetMetadata", "type", f"type in virDomainGetMetadata must be one of 0, 1, 2"
        )
    if found is None:
        raise failure(
            Code.NO_DOMAIN_METADATA, "Requested metadata element is not present", origin=Origin.DOMAIN
        )
    return found


@api("virDomainSetMetadata", has_job=True, flags=Affect.LIVE | Affect.CONFIG)
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
    is_live, is_config = affected(domain, flags)

    def changed(definition: Definition) -> Definition:
        if kind == _TITLE:
            return definition.with_title(text)
        if kind == _DESCRIPTION:
            return definition.with_description(text)
        return definition.with_metadata(uri or "", key or "", text)

    with host.machine.lock:
        if is_live and domain.live:
            domain.live = changed(domain.live)
        if is_config and domain.config:
            domain.config = changed(domain.config)
        host.tell(domain, EventKind.METADATA_CHANGE, kind, uri if kind == _ELEMENT else None)
