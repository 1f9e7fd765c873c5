"""A domain's job: how far it is, how it was, and what a client can do to it meanwhile."""

from contextlib import AbstractContextManager, nullcontext
from typing import Final

from pytest_fakehv.fronts.libvirt.crossing import Crossing
from pytest_fakehv.fronts.libvirt.errors import Code, failure
from pytest_fakehv.fronts.libvirt.host.apis import APIS, api
from pytest_fakehv.fronts.libvirt.host.blocks import backups
from pytest_fakehv.fronts.libvirt.host.blocks.jobs import look
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.disks.backup import CANCELED
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.migration import invalid
from pytest_fakehv.fronts.libvirt.host.moves import figures
from pytest_fakehv.fronts.libvirt.host.words import JobType, Migrate
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import Parameter

__tracebackhide__ = True  # a failed call is shown at the line that made it

_COMPLETED: Final = 1
"""Of a job's statistics, the flag: of the last one that has ended."""

_KEEP: Final = 2
"""The same: and let them be asked for again."""

_POSTCOPY: Final = 1
"""Of an abort, the flag: of a migration that goes on as postcopy."""

_NO_JOB: Final = (JobType.NONE, *(0,) * 11)

_FASTEST: Final = 2**43 - 1
"""In MiB a second: as good as no limit."""

_DOWNTIME: Final = 300
"""In ms, where no client has said another one."""

_LARGEST_RATE: Final = 2**43
"""In MiB a second: more bytes than a number can hold."""


def _asked(host: Host, domain: Domain) -> list[Parameter] | None:
    """Let who migrates a domain take a step, and return the figures then; None where nobody does.

    Raises:
        LibvirtError: it comes from another host, which alone has them.
    """
    if domain.incoming:
        raise failure(
            Code.OPERATION_UNSUPPORTED, "migration statistics are available only on the source host"
        )
    if domain.disk_jobs.backup:
        host.machine.poll()
        return _of_backup(host, domain)
    outgoing = domain.outgoing
    if outgoing is None:
        return None
    if found := outgoing.ask():
        return found
    with host.machine.lock:
        run = Crossing(host.machine, domain.name).leaving if outgoing.has_begun else None
        return figures(run, host.machine.now - outgoing.began)


def _of_backup(host: Host, domain: Domain) -> list[Parameter] | None:
    """Return how far a domain's backup is; None where it has ended by now."""
    with host.machine.lock:
        look(host, domain)
        backup = domain.disk_jobs.backup
        return backup.figures(host.machine.now) if backup else None


@api("virDomainGetJobInfo", waits=True)
def job_info(host: Host, _session: Session, domain: Domain) -> tuple[int, ...]:
    """Return how far its job is."""
    check_active(domain)
    found = _asked(host, domain)
    if found is None:
        return _NO_JOB
    values = {each.field: each.value for each in found}
    amounts = [
        f"{of}_{what}" for of in ("data", "memory", "disk") for what in ("total", "processed", "remaining")
    ]
    return (JobType.UNBOUNDED, values["time_elapsed"], 0, *(values.get(each, 0) for each in amounts))


@api("virDomainGetJobStats", flags=_COMPLETED | _KEEP, waits=True)
def job_stats(host: Host, _session: Session, domain: Domain, flags: int) -> tuple[int, list[Parameter]]:
    """Return the same in more figures, or those of the last one that has completed."""
    if flags & _COMPLETED:
        with host.machine.lock:
            completed = domain.completed
            if not flags & _KEEP:
                domain.completed = None
        return (_how_it_ended(completed), completed or [])
    check_active(domain)
    found = _asked(host, domain)
    return (JobType.NONE, []) if found is None else (JobType.UNBOUNDED, found)


def _how_it_ended(figures: list[Parameter] | None) -> JobType:
    """Return what there is of a job that has ended, by its figures, which say if it failed."""
    if figures is None:
        return JobType.NONE
    told = {each.field: each.value for each in figures}
    if told.get("success", True):
        return JobType.COMPLETED
    return JobType.CANCELLED if told.get("errmsg", CANCELED) == CANCELED else JobType.FAILED


def _steering(host: Host, domain: Domain, name: str) -> AbstractContextManager[None]:
    """Steer a domain's migration: one that comes from elsewhere is not this host's, and is waited for.

    Raises:
        LibvirtError: it takes too long.
    """
    return host.job(domain, APIS[name]) if domain.incoming else nullcontext()


@api("virDomainAbortJobFlags", plain="virDomainAbortJob", flags=_POSTCOPY, waits=True)
def abort_job(host: Host, _session: Session, domain: Domain, flags: int = 0) -> None:
    """Abort its job."""
    check_active(domain)
    with _steering(host, domain, "virDomainAbortJob"):
        _abort(host, domain, flags)


def _abort(host: Host, domain: Domain, flags: int) -> None:
    with host.machine.lock:
        look(host, domain)
        outgoing = domain.outgoing
        if domain.disk_jobs.backup and not flags & _POSTCOPY:
            backups.abort(host, domain, domain.disk_jobs.backup)
            return
        if flags & _POSTCOPY and not (outgoing and outgoing.is_postcopy):
            raise invalid("current job is not outgoing migration in post-copy mode")
        if outgoing is None:
            raise invalid("no job is active on the domain")
        if outgoing.is_postcopy:
            raise invalid("cannot abort migration in post-copy mode")
        outgoing.is_cancelled = True
        Crossing(host.machine, domain.name).cancel()


@api("virDomainMigrateStartPostCopy", flags=0, waits=True)
def start_postcopy(host: Host, _session: Session, domain: Domain, _flags: int) -> None:
    """Let it go on as postcopy, if it was begun so that it can."""
    check_active(domain)
    with _steering(host, domain, "virDomainMigrateStartPostCopy"), host.machine.lock:
        outgoing = domain.outgoing
        if outgoing is None:
            raise invalid("post-copy can only be started while outgoing migration is in progress")
        if not outgoing.flags & Migrate.POSTCOPY:
            raise invalid(
                "switching to post-copy requires migration to be started with VIR_MIGRATE_POSTCOPY flag"
            )
        Crossing(host.machine, domain.name).start_postcopy()


# How fast


def _go_on(host: Host, domain: Domain) -> None:
    if domain.outgoing and domain.outgoing.has_begun:
        Crossing(host.machine, domain.name).change_pace(domain.speed, domain.max_downtime)


@api("virDomainMigrateSetMaxSpeed", flags=1)
def set_max_speed(host: Host, _session: Session, domain: Domain, rate: int, _flags: int) -> None:
    """Say at most how much is sent of it in a second, in MiB."""
    if rate >= _LARGEST_RATE:
        raise failure(Code.OVERFLOW, f"bandwidth must be less than {_LARGEST_RATE}")
    domain.max_speed = rate or None
    if domain.outgoing:
        domain.outgoing.speed = None
    _go_on(host, domain)


@api("virDomainMigrateGetMaxSpeed", flags=1)
def max_speed(_host: Host, _session: Session, domain: Domain, _flags: int) -> int:
    """Return that."""
    return domain.speed or _FASTEST


@api("virDomainMigrateSetMaxDowntime", flags=0, waits=True)
def set_max_downtime(host: Host, _session: Session, domain: Domain, time: int, _flags: int) -> None:
    """Say at most how long it is stopped for a migration, in ms."""
    check_active(domain)
    with _steering(host, domain, "virDomainMigrateSetMaxDowntime"):
        domain.max_downtime = time or 1
        _go_on(host, domain)


@api("virDomainMigrateGetMaxDowntime", flags=0, waits=True)
def max_downtime(host: Host, _session: Session, domain: Domain, _flags: int) -> int:
    """Return that."""
    check_active(domain)
    with _steering(host, domain, "virDomainMigrateGetMaxDowntime"):
        return domain.max_downtime or _DOWNTIME
