"""Domains come, start, stop and go."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host, Session
from pytest_fakehv.fronts.libvirt.host.words import (
    Defined,
    EventKind,
    Lifecycle,
    Start,
    Undefined,
)
from pytest_fakehv.fronts.libvirt.values import DomainRef

__tracebackhide__ = True  # a failed call is shown at the line that made it

_DEFINE_VALIDATE: Final = 1
_UNDEFINE_FLAGS: Final = 127
_AGENT: Final = 2


# Definitions


@api("virDomainDefineXML", about="xml")
def define(host: Host, session: Session, xml: str) -> DomainRef:
    """Define a domain, or change its definition."""
    return define_flags(host, session, xml, 0)


@api("virDomainDefineXMLFlags", about="xml", flags=_DEFINE_VALIDATE)
def define_flags(host: Host, _session: Session, xml: str, flags: int) -> DomainRef:
    """Do the same, with flags."""
    definition = Definition.parse(xml, host.new_uuid)
    with host.machine.lock:
        domain = _known(host, definition)
        if domain is None:
            domain = Domain(name=definition.name, uuid=definition.uuid, config=definition)
            host.add(domain)
            detail = Defined.ADDED
        else:
            detail = Defined.UPDATED if domain.is_persistent else Defined.ADDED
            domain.config = definition
        host.machine.declare(definition.name, definition.memory, definition.vcpus)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.DEFINED, detail)
        return domain.ref


def _known(host: Host, definition: Definition) -> Domain | None:
    """Return the domain that a definition is of; None for a new one.

    Raises:
        LibvirtError: its name, or its UUID, is another one's.
    """
    by_uuid, by_name = host.by_uuid(definition.uuid), host.by_name(definition.name)
    if by_uuid and by_uuid.name != definition.name:
        problem = f"domain '{by_uuid.name}' is already defined with uuid {_text(by_uuid.uuid)}"
    elif by_name and by_name.uuid != definition.uuid:
        problem = f"domain '{by_name.name}' already exists with uuid {_text(by_name.uuid)}"
    else:
        return by_uuid
    raise failure(Code.OPERATION_FAILED, problem, origin=Origin.DOMAIN)


def _text(key: bytes) -> str:
    digits = key.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


@api("virDomainUndefine", has_job=True)
def undefine(host: Host, session: Session, domain: Domain) -> None:
    """Forget a domain's definition."""
    undefine_flags(host, session, domain, 0)


@api("virDomainUndefineFlags", has_job=True, flags=_UNDEFINE_FLAGS)
def undefine_flags(host: Host, _session: Session, domain: Domain, flags: int) -> None:
    """Do the same, with flags."""
    if not domain.is_persistent:
        raise failure(Code.OPERATION_INVALID, "cannot undefine transient domain")
    with host.machine.lock:
        if domain.is_active:
            domain.config = None
        else:
            host.drop(domain)
        domain.autostart = False
        host.machine.withdraw(domain.name)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.UNDEFINED, Undefined.REMOVED)


@api("virDomainRename", has_job=True, flags=0)
def rename(host: Host, _session: Session, domain: Domain, name: str | None, flags: int) -> int:
    """Give a domain another name."""
    if domain.is_active:
        raise failure(Code.OPERATION_INVALID, "cannot rename active domain")
    if domain.config is None:
        raise failure(Code.OPERATION_INVALID, "cannot rename a transient domain")
    if not name:
        raise failure(Code.INVALID_ARG, "new name must not be empty", origin=Origin.DOMAIN)
    if name == domain.name:
        raise failure(Code.OPERATION_INVALID, "Can't rename domain to itself", origin=Origin.DOMAIN)
    renamed = domain.config.renamed(name)
    with host.machine.lock:
        if host.by_name(name):
            raise failure(
                Code.OPERATION_INVALID, f"domain with name '{name}' already exists", origin=Origin.DOMAIN
            )
        before = domain.ref
        host.machine.withdraw(domain.name)
        host.rename(domain, name)
        domain.config = renamed
        host.machine.declare(name, renamed.memory, renamed.vcpus)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.UNDEFINED, Undefined.RENAMED, ref=before)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.DEFINED, Defined.RENAMED)
    return 0


# Starts


@api("virDomainCreate", has_job=True, runs_instances=True)
def create(host: Host, session: Session, domain: Domain) -> None:
    """Start a domain that is defined."""
    create_flags(host, session, domain, 0)


@api(
    "virDomainCreateWithFlags",
    has_job=True,
    runs_instances=True,
    flags=Start.PAUSED | Start.AUTODESTROY | Start.BYPASS_CACHE | Start.FORCE_BOOT,
)
def create_flags(host: Host, session: Session, domain: Domain, flags: int) -> DomainRef:
    """Do the same, with flags."""
    if domain.is_active:
        raise failure(Code.OPERATION_INVALID, "domain is already running")
    _start(host, session, domain, flags)
    return domain.ref


@api(
    "virDomainCreateXML",
    about="xml",
    runs_instances=True,
    flags=Start.PAUSED | Start.AUTODESTROY | Start.VALIDATE,
)
def create_xml(host: Host, session: Session, xml: str, flags: int) -> DomainRef:
    """Start a domain of a definition, which goes with it unless it is defined already."""
    definition = Definition.parse(xml, host.new_uuid)
    with host.machine.lock:
        domain = _known(host, definition)
        if domain is None:
            domain = Domain(name=definition.name, uuid=definition.uuid, config=None, live=definition)
        elif domain.is_active:
            raise failure(
                Code.OPERATION_INVALID, f"domain '{domain.name}' is already active", origin=Origin.DOMAIN
            )
        else:
            domain.live = definition
    _start(host, session, domain, flags)
    return domain.ref


def _start(host: Host, session: Session, domain: Domain, flags: int) -> None:
    ends_with = session if flags & Start.AUTODESTROY else None
    host.start(domain, paused=bool(flags & Start.PAUSED), ends_with=ends_with)


# Stops


@api("virDomainDestroy", runs_instances=True)
def destroy(host: Host, session: Session, domain: Domain) -> None:
    """Stop a domain at once."""
    destroy_flags(host, session, domain, 0)


@api("virDomainDestroyFlags", runs_instances=True, flags=1)
def destroy_flags(host: Host, _session: Session, domain: Domain, flags: int) -> None:
    """Do the same, with flags."""
    check_active(domain)
    host.machine.stop(domain.name, force=True)


@api("virDomainShutdown", has_job=True, runs_instances=True)
def shut_down(host: Host, session: Session, domain: Domain) -> None:
    """Ask a domain's guest to shut down, which it does at once unless it hangs."""
    shut_down_flags(host, session, domain, 0)


@api("virDomainShutdownFlags", has_job=True, runs_instances=True, flags=3)
def shut_down_flags(host: Host, _session: Session, domain: Domain, flags: int) -> None:
    """Do the same, with flags."""
    check_active(domain, Origin.QEMU if flags == 0 else Origin.DOMAIN)
    _check_agent(flags)
    host.machine.stop(domain.name, force=False)


@api("virDomainReboot", has_job=True, runs_instances=True, flags=3)
def reboot(host: Host, _session: Session, domain: Domain, flags: int) -> None:
    """Ask a domain's guest to boot anew, which it does unless it hangs."""
    check_active(domain)
    _check_agent(flags)
    host.machine.reboot(domain.name)
    if not host.machine.hangs(domain.name):
        host.tell(domain, EventKind.REBOOT)


@api("virDomainReset", has_job=True, runs_instances=True, flags=0)
def reset(host: Host, _session: Session, domain: Domain, flags: int) -> None:
    """Boot a domain anew, whatever its guest does."""
    check_active(domain)
    host.machine.reboot(domain.name)
    host.tell(domain, EventKind.REBOOT)


def _check_agent(flags: int) -> None:
    if flags & _AGENT:
        raise failure(Code.ARGUMENT_UNSUPPORTED, "QEMU guest agent is not configured")


# Pauses


@api("virDomainSuspend", has_job=True)
def suspend(host: Host, _session: Session, domain: Domain) -> None:
    """Pause a domain."""
    check_active(domain)
    host.machine.set_paused(domain.name, paused=True)


@api("virDomainResume", has_job=True)
def resume(host: Host, _session: Session, domain: Domain) -> None:
    """Let a domain run again."""
    check_active(domain)
    if not domain.is_paused:
        raise failure(Code.OPERATION_INVALID, "domain is already running")
    host.machine.set_paused(domain.name, paused=False)
