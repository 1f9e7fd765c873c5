"""A client's calls that save domains, to files or where their host keeps them, and let them go on."""

from collections.abc import Sequence
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host import changes, immovable, saves
from pytest_fakehv.fronts.libvirt.host.apis import APIS, api, check_flags
from pytest_fakehv.fronts.libvirt.host.blocks.jobs import check_has_none
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.definition import SECURE
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.lifecycle import to_be_started
from pytest_fakehv.fronts.libvirt.host.moves import SAVING, written
from pytest_fakehv.fronts.libvirt.host.pausing import standing_still
from pytest_fakehv.fronts.libvirt.host.saves import Saved
from pytest_fakehv.fronts.libvirt.host.words import EventKind, Save
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import Parameter, Xml

__tracebackhide__ = True  # a failed call is shown at the line that made it

_SAVE: Final = Save.BYPASS_CACHE | Save.RUNNING | Save.PAUSED
_STATES: Final = Save.RUNNING | Save.PAUSED
_NO_IMAGE: Final = "domain does not have managed save image"


def _state(flags: int) -> bool | None:
    """Return whether a domain is to run once it goes on; None where the flags don't say."""
    return bool(flags & Save.RUNNING) if flags & _STATES else None


def _given(parameters: Sequence[Parameter]) -> dict[str, str]:
    """Return what newer functions have in a list: the file, and a definition.

    Raises:
        LibvirtError: there is something else.
    """
    for each in parameters:
        if each.field not in ("file", "dxml"):
            problem = f"parameter '{each.field}' not supported"
            raise failure(Code.ARGUMENT_UNSUPPORTED, problem, origin=Origin.NONE)
    return {each.field: each.value for each in parameters}


# Saves


@api("virDomainSave", has_job=True, runs_instances=True)
def save(host: Host, _session: Session, domain: Domain, path: str) -> None:
    """Stop a domain, and keep in a file what it is to go on by."""
    _save(host, domain, path, None, 0)


@api("virDomainSaveFlags", has_job=True, runs_instances=True, flags=_SAVE)
def save_flags(host: Host, _session: Session, domain: Domain, path: str, xml: str | None, flags: int) -> None:
    """Do the same, with flags."""
    _save(host, domain, path, xml, flags)


@api("virDomainSaveParams", has_job=True, runs_instances=True, flags=_SAVE)
def save_params(
    host: Host, _session: Session, domain: Domain, parameters: list[Parameter], flags: int
) -> None:
    """Do the same, with parameters; without a file, where its host keeps it."""
    given = _given(parameters)
    if "file" in given:
        _save(host, domain, given["file"], given.get("dxml"), flags)
    else:
        _managed_save(host, domain, given.get("dxml"), flags)


@api("virDomainManagedSave", has_job=True, runs_instances=True, flags=_SAVE)
def managed_save(host: Host, _session: Session, domain: Domain, flags: int) -> None:
    """Do the same where its host keeps it, so that it goes on when it is started."""
    _managed_save(host, domain, None, flags)


def _managed_save(host: Host, domain: Domain, xml: str | None, flags: int) -> None:
    check_active(domain)
    if not domain.is_persistent:
        raise failure(Code.OPERATION_INVALID, "cannot do managed save for transient domain")
    _save(host, domain, saves.managed_path(domain), xml, flags)


def _save(host: Host, domain: Domain, path: str, xml: str | None, flags: int) -> None:
    runs = _state(flags)
    check_active(domain)
    check_has_none(domain)
    immovable.check(domain.definition)
    with standing_still(host, domain) as ran:
        with host.machine.lock:
            saved = Saved.of(domain, runs=ran).by(xml, runs=runs, is_saved=False)
            saves.write(host.pools, path, saved, host.machine.now)
            host.tell(domain, EventKind.MIGRATION_ITERATION, 1)
            domain.completed = written(host.memory_of(domain) * 1024, SAVING)
            host.tell(domain, EventKind.JOB_COMPLETED, domain.completed)
        try:
            host.machine.stop(domain.name, force=True)
        except BaseException:
            with host.machine.lock:
                host.pools.remove(path)
            raise


# What was saved goes on


@api("virDomainRestore", about="nothing", runs_instances=True, waits=True)
def restore(host: Host, _session: Session, path: str) -> None:
    """Let a domain go on that was saved to a file."""
    _restore(host, path, None, 0, "virDomainRestore")


@api("virDomainRestoreFlags", about="nothing", runs_instances=True, waits=True)
def restore_flags(host: Host, _session: Session, path: str, xml: str | None, flags: int) -> None:
    """Do the same, with flags."""
    _restore(host, path, xml, flags, "virDomainRestoreFlags")


@api("virDomainRestoreParams", about="nothing", runs_instances=True, waits=True)
def restore_params(host: Host, _session: Session, parameters: list[Parameter], flags: int) -> None:
    """Do the same, with parameters."""
    given = _given(parameters)
    if "file" not in given:
        raise failure(Code.INVALID_ARG, "missing path to restore from")
    _restore(host, given["file"], given.get("dxml"), flags, "virDomainRestoreParams")


def _restore(host: Host, path: str, xml: str | None, flags: int, function: str) -> None:
    runs = _state(flags)
    check_flags(flags, sum(Save), "qemuDomainRestoreInternal", Origin.QEMU)
    with host.machine.lock:
        saved = saves.read(host.pools, path).by(xml, runs=runs)
    definition = saved.definition
    domain = to_be_started(host, definition)
    with host.job(domain, APIS[function]):
        host.start(domain, definition, paused=not saved.runs, by=changes.RESTORED)


# Files of what was saved


@api("virDomainSaveImageGetXMLDesc", about="nothing", flags=SECURE)
def image_xml(host: Host, _session: Session, path: str, flags: int) -> str:
    """Return by what a domain goes on that was saved to a file."""
    with host.machine.lock:
        return _shown(saves.read(host.pools, path), flags)


@api("virDomainSaveImageDefineXML", about="nothing", flags=_STATES)
def change_image(host: Host, _session: Session, path: str, xml: str, flags: int) -> None:
    """Change that."""
    runs = _state(flags)
    with host.machine.lock:
        saved = saves.read(host.pools, path, writes=True).by(xml, runs=runs)
        saves.rewrite(host.pools, path, saved, host.machine.now)


def _shown(saved: Saved, flags: int) -> str:
    return Xml(saved.definition.xml(flags))


# What its host keeps


@api("virDomainHasManagedSaveImage", flags=0)
def has_managed_save(host: Host, _session: Session, domain: Domain, _flags: int) -> int:
    """Tell whether its host has saved it."""
    with host.machine.lock:
        return int(saves.is_managed(host.pools, domain))


@api("virDomainManagedSaveRemove", flags=0)
def remove_managed_save(host: Host, _session: Session, domain: Domain, _flags: int) -> None:
    """Throw away what its host has saved of it."""
    with host.machine.lock:
        saves.remove_managed(host.pools, domain)


@api("virDomainManagedSaveGetXMLDesc", flags=SECURE)
def managed_save_xml(host: Host, _session: Session, domain: Domain, flags: int) -> str:
    """Return by what it goes on that its host has saved."""
    with host.machine.lock:
        return _shown(_managed(host, domain), flags)


@api("virDomainManagedSaveDefineXML", has_job=True)
def change_managed_save(host: Host, _session: Session, domain: Domain, xml: str | None, flags: int) -> None:
    """Change that."""
    runs = _state(flags)
    with host.machine.lock:
        saved = _managed(host, domain).by(xml, runs=runs)
        check_flags(flags, _STATES, "qemuDomainSaveImageDefineXML", Origin.QEMU)
        saves.rewrite(host.pools, saves.managed_path(domain), saved, host.machine.now)


def _managed(host: Host, domain: Domain) -> Saved:
    if not saves.is_managed(host.pools, domain):
        raise failure(Code.OPERATION_INVALID, _NO_IMAGE)
    return saves.read(host.pools, saves.managed_path(domain))
