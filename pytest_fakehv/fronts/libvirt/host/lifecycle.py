"""Domains come, start, stop and go."""

from typing import Final

from pytest_fakehv.fronts.libvirt.crossing import Crossing
from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host import changes, firmware, saves
from pytest_fakehv.fronts.libvirt.host.apis import APIS, api
from pytest_fakehv.fronts.libvirt.host.asking import ask
from pytest_fakehv.fronts.libvirt.host.checks import check_active, check_running
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.disks.checkpoints import Checkpoints
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.ending import RESTART, boot_anew, power_off
from pytest_fakehv.fronts.libvirt.host.guests.commands import SHUTDOWN
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.migration import destroy_incoming
from pytest_fakehv.fronts.libvirt.host.saves import Saved
from pytest_fakehv.fronts.libvirt.host.snapshots.tree import Snapshots
from pytest_fakehv.fronts.libvirt.host.words import (
    Defined,
    EventKind,
    Lifecycle,
    Start,
    Stop,
    Undefine,
    Undefined,
)
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import DomainRef

__tracebackhide__ = True  # a failed call is shown at the line that made it

_VALIDATE: Final = 1
"""Of a definition: check it against the schema, too; what a definition may have is checked anyway."""

_DESTROY_FLAGS: Final = 3
"""Whether first to ask politely, and whether to throw away the log: both are as good as done."""

# Definitions


@api("virDomainDefineXMLFlags", plain="virDomainDefineXML", about="xml", flags=_VALIDATE)
def define(host: Host, _session: Session, xml: str, _flags: int = 0) -> DomainRef:
    """Define a domain, or change its definition."""
    definition = Definition.parse(xml, host.new_uuid)
    with host.machine.lock:
        domain = host.domain_of(definition) or Domain(definition=definition)
        detail = Defined.UPDATED if domain.was_defined else Defined.ADDED
        host.define(domain, definition)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.DEFINED, detail)
        return domain.ref


@api("virDomainUndefineFlags", plain="virDomainUndefine", has_job=True, flags=sum(Undefine))
def undefine(host: Host, _session: Session, domain: Domain, flags: int = 0) -> None:
    """Forget a domain's definition."""
    if flags & Undefine.NVRAM and flags & Undefine.KEEP_NVRAM:
        raise _invalid("cannot both keep and delete nvram")
    with host.machine.lock:
        if not domain.is_persistent:
            raise _invalid("cannot undefine transient domain")
        count = len(domain.snapshots)
        if count and not domain.is_active and not flags & Undefine.SNAPSHOTS_METADATA:
            raise _invalid(f"cannot delete inactive domain with {count} snapshots")
        count = len(domain.checkpoints.all)
        if count and not (domain.is_active or flags & Undefine.CHECKPOINTS_METADATA):
            raise _invalid(f"cannot delete inactive domain with {count} checkpoints")
        if saves.is_managed(host.pools, domain):
            if not flags & Undefine.MANAGED_SAVE:
                raise _invalid("Refusing to undefine while domain managed save image exists")
            saves.remove_managed(host.pools, domain)
        if not domain.is_active:  # also where the next is refused
            domain.snapshots, domain.checkpoints = Snapshots(), Checkpoints()
        _let_go_of_variables(host, domain, flags)
        host.undefine(domain)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.UNDEFINED, Undefined.REMOVED)


def _let_go_of_variables(host: Host, domain: Domain, flags: int) -> None:
    """Remove what a domain with UEFI has kept, or not, as the flags say.

    Raises:
        LibvirtError: they say neither.
    """
    if path := firmware.variables(host.pools, domain.definition):
        if not flags & (Undefine.NVRAM | Undefine.KEEP_NVRAM):
            raise _invalid("cannot undefine domain with nvram")
        if flags & Undefine.NVRAM:
            host.pools.remove(path)


@api("virDomainRename", has_job=True, flags=0)
def rename(host: Host, _session: Session, domain: Domain, name: str | None, _flags: int) -> int:
    """Give a domain another name."""
    if not name:
        raise wrong_argument(
            "virDomainRename", "new_name", "string new_name in virDomainRename must not be empty"
        )
    with host.machine.lock:
        config = domain.config
        if domain.is_active or config is None:  # of what doesn't run, none is transient
            raise _invalid("cannot rename active domain")
        if saves.is_managed(host.pools, domain):
            raise _invalid("domain with a managed saved state can't be renamed")
        renamed = config.renamed(name)
        if name == domain.name:
            raise _invalid("Can't rename domain to itself", Origin.DOMAIN)
        if host.by_name(name):
            raise _invalid(f"domain with name '{name}' already exists", Origin.DOMAIN)
        before = domain.ref
        host.rename(domain, renamed)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.UNDEFINED, Undefined.RENAMED, ref=before)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.DEFINED, Defined.RENAMED)
    return 0


def _invalid(problem: str, origin: Origin = Origin.QEMU) -> LibvirtError:
    return failure(Code.OPERATION_INVALID, problem, origin=origin)


# Starts


@api("virDomainCreate", has_job=True, runs_instances=True)
def create(host: Host, session: Session, domain: Domain) -> None:
    """Start a domain that is defined."""
    create_flags(host, session, domain, 0)


@api(
    "virDomainCreateWithFlags",
    has_job=True,
    runs_instances=True,
    flags=Start.PAUSED | Start.AUTODESTROY | Start.BYPASS_CACHE | Start.FORCE_BOOT | Start.RESET_NVRAM,
)
def create_flags(host: Host, session: Session, domain: Domain, flags: int) -> DomainRef:
    """Do the same, with flags."""
    if domain.is_active:
        raise _invalid("domain is already running")
    path = saves.managed_path(domain)
    with host.machine.lock:
        if flags & Start.FORCE_BOOT:
            host.pools.remove(path)
        saved = saves.managed(host.pools, domain)
    if saved is None:
        return _start(host, session, domain, domain.definition, flags)
    _start(host, session, domain, saved.definition, flags, saved)
    with host.machine.lock:
        host.pools.remove(path)
    return domain.ref


@api(
    "virDomainCreateXML",
    about="xml",
    runs_instances=True,
    flags=Start.PAUSED | Start.AUTODESTROY | Start.VALIDATE | Start.RESET_NVRAM,
)
def create_xml(host: Host, session: Session, xml: str, flags: int) -> DomainRef:
    """Start a domain of a definition, which goes with it unless it is defined already."""
    definition = Definition.parse(xml, host.new_uuid)
    domain = to_be_started(host, definition)
    with host.job(domain, APIS["virDomainCreateXML"]):
        return _start(host, session, domain, definition, flags)


def to_be_started(host: Host, definition: Definition) -> Domain:
    """Return the domain of a definition, by which it is to be started now; it may be a new one.

    Raises:
        LibvirtError: it runs; or its name, or its UUID, is another one's.
    """
    with host.machine.lock:
        domain = host.domain_of(definition)
        if domain is None:
            domain = Domain(definition=definition)
            host.add(domain)
        elif domain.is_active:
            raise _invalid(f"domain '{domain.name}' is already active", Origin.DOMAIN)
        elif not domain.is_persistent:
            raise _invalid(f"domain '{domain.name}' is already being started", Origin.DOMAIN)
        return domain


def _start(
    host: Host,
    session: Session,
    domain: Domain,
    definition: Definition,
    flags: int,
    saved: Saved | None = None,
) -> DomainRef:
    paused, ends_with = bool(flags & Start.PAUSED), session if flags & Start.AUTODESTROY else None
    by = None
    if saved:
        by = changes.RESTORED_PAUSED if paused else changes.RESTORED
        paused = paused or not saved.runs
    host.start(domain, definition, paused=paused, ends_with=ends_with, by=by)
    return domain.ref


# Stops


@api("virDomainDestroyFlags", plain="virDomainDestroy", runs_instances=True, flags=_DESTROY_FLAGS)
def destroy(host: Host, _session: Session, domain: Domain, _flags: int = 0) -> None:
    """Stop a domain at once."""
    check_active(domain)
    if not destroy_incoming(host, domain, "virDomainDestroy"):
        host.machine.stop(domain.name, force=True)


@api("virDomainShutdownFlags", plain="virDomainShutdown", has_job=True, runs_instances=True, flags=sum(Stop))
def shut_down(host: Host, _session: Session, domain: Domain, flags: int = 0) -> None:
    """Ask a domain's guest to shut down, which it does at once unless it hangs."""
    check_running(domain)
    if not _by_agent(host, domain, flags, "powerdown"):
        power_off(host, domain)


@api("virDomainReboot", has_job=True, runs_instances=True, flags=sum(Stop))
def reboot(host: Host, _session: Session, domain: Domain, flags: int) -> None:
    """Ask a domain's guest to boot anew, which it does unless it hangs, or is paused."""
    check_active(domain)
    if not _by_agent(host, domain, flags, "reboot"):
        boot_anew(host, domain)


@api("virDomainReset", has_job=True, runs_instances=True, flags=0)
def reset(host: Host, _session: Session, domain: Domain, _flags: int) -> None:
    """Boot a domain anew, whatever its guest does."""
    check_active(domain)
    if domain.definition.on_reboot != RESTART:
        host.machine.stop(domain.name, force=True)
        return
    host.machine.reboot(domain.name)
    with host.machine.lock:
        host.machine.starts_anew(domain.name)
        host.guest_boots(domain)


def _by_agent(host: Host, domain: Domain, flags: int, mode: str) -> bool:
    """Let a guest's agent end it, where that is the way; tell whether it has.

    Unless no other way was named, one that doesn't, or isn't there, leaves it to the power button.

    Raises:
        LibvirtError: the agent doesn't, and no other way was named.
    """
    is_only_way = flags == Stop.GUEST_AGENT
    if not is_only_way and (flags == Stop.ACPI_POWER_BTN or not host.hears_agent(domain)):
        return False
    try:
        ask(host, domain, SHUTDOWN, {"mode": mode})
    except LibvirtError:
        if is_only_way:
            raise
        return False
    return True


# Pauses


@api("virDomainSuspend", waits=True)
def suspend(host: Host, _session: Session, domain: Domain) -> None:
    """Pause a domain; one that migrates from here runs on the target, or here where that fails."""
    check_active(domain)
    if domain.outgoing and domain.outgoing.has_begun:
        Crossing(host.machine, domain.name).hold_still()
        return
    with host.job(domain, APIS["virDomainSuspend"]):
        check_active(domain)
        host.machine.set_paused(domain.name, paused=True)


@api("virDomainResume", has_job=True)
def resume(host: Host, _session: Session, domain: Domain) -> None:
    """Let a domain run again."""
    check_active(domain)
    if not domain.is_paused:
        raise _invalid("domain is already running")
    if domain.is_stranded:
        raise _invalid("job 'migration out' failed in post-copy phase")
    host.machine.set_paused(domain.name, paused=False)
