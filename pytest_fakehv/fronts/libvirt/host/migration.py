"""A domain moves to another host: the phases of that, led by a client, or by the source itself."""

import errno
from functools import partial
from typing import Final

from pytest_fakehv.fronts.libvirt.crossing import Crossing
from pytest_fakehv.fronts.libvirt.errors import Code, ConnectionLost, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host import copies, fitting, immovable
from pytest_fakehv.fronts.libvirt.host.asked import Asked
from pytest_fakehv.fronts.libvirt.host.blocks.jobs import check_has_none
from pytest_fakehv.fronts.libvirt.host.changes import ARRIVES
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.following import follow
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.moves import INCOMING, Incoming, Outgoing, figures
from pytest_fakehv.fronts.libvirt.host.words import (
    Defined,
    EventKind,
    Lifecycle,
    Migrate,
    Paused,
    Resumed,
    Running,
    Suspended,
)
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import DomainRef
from pytest_fakehv.interface.constants import MIGRATION_FAILED_STATES
from pytest_fakehv.interface.errors import HypervisorError, NodeDownError

__tracebackhide__ = True  # a failed call is shown at the line that made it

_PORT: Final = 49152

_XML_MIGRATABLE: Final = 8
_XML_SECURE: Final = 1


def invalid(detail: str, origin: Origin = Origin.QEMU) -> LibvirtError:
    """Return the error of a call that doesn't go with the state that something is in."""
    return failure(Code.OPERATION_INVALID, detail, origin=origin)


# On the source


def begin(host: Host, domain: Domain, asked: Asked, doing: str, session: Session | None) -> str:
    """Begin to migrate a domain, and return by what it is to be defined on the target.

    Args:
        host: the source.
        domain: which.
        asked: how.
        doing: what is done, in the daemon's words.
        session: the client that leads it; None where this host does.

    Raises:
        LibvirtError: it can't be migrated, or not so.
    """
    if domain.outgoing or domain.incoming or domain.is_stranded:
        raise invalid(f"another migration job is already running for domain '{domain.name}'")
    if asked.has(Migrate.POSTCOPY_RESUME):
        raise invalid(f"domain '{domain.name}' is not being migrated")
    if asked.has(Migrate.OFFLINE):
        _check_offline(asked)
    else:
        check_active(domain)
        check_has_none(domain)
        immovable.check(domain.definition)
    if count := len(domain.snapshots):
        raise invalid(f"cannot migrate domain with {count} snapshots")
    if not asked.has(Migrate.OFFLINE):
        with host.machine.lock:
            copies.check(host, domain.definition, asked)
    xml = _definition(domain, asked)
    holds_job = asked.has(Migrate.CHANGE_PROTECTION) or asked.has(Migrate.PEER2PEER)
    if holds_job:
        host.take_job(domain, doing)
    domain.outgoing = Outgoing(
        flags=asked.flags,
        began=host.machine.now,
        name_there=asked.name or domain.name,
        session=session,
        abandon=partial(_abandon, host, domain),
        holds_job=holds_job,
    )
    try:
        _tie(host, domain, session)
    except ConnectionLost:
        give_up(host, domain)
        raise
    return xml


def _tie(host: Host, domain: Domain, session: Session | None) -> None:
    """Let a migration that begins end with the client that leads it; None where a host does.

    Raises:
        ConnectionLost: that is gone, while its call waited.
    """
    if not host.tie(session, domain):
        raise ConnectionLost(f"the client is gone that was to migrate '{domain.name}'")


def _check_offline(asked: Asked) -> None:
    if not asked.has(Migrate.PERSIST_DEST):
        raise invalid("offline migration must be specified with the persistent flag set")
    if asked.has(Migrate.TUNNELLED):
        raise invalid("tunnelled offline migration does not make sense")
    if asked.copies_disks:
        raise invalid("offline migration cannot handle non-shared storage")


def _definition(domain: Domain, asked: Asked) -> str:
    """Return by what a domain is to be defined on the target.

    Raises:
        LibvirtError: that is another one.
    """
    own = domain.definition
    if asked.xml is None:
        return own.xml(_XML_SECURE | _XML_MIGRATABLE)
    Definition.parse(asked.xml, lambda: own.uuid).check_stable(own)
    return asked.xml


def perform(host: Host, domain: Domain, asked: Asked, target: str) -> None:
    """Send a domain to a node, which has prepared for it, and wait until all of it is there.

    Raises:
        LibvirtError: it is not; then it runs here as before, if it does.
        HypervisorError: likewise.
    """
    crossing, outgoing = Crossing(host.machine, domain.name), domain.outgoing
    if outgoing is None:
        raise invalid("domain is not being migrated")
    check_active(domain)
    try:
        _send(host, domain, outgoing, crossing, target, asked)
    except BaseException:
        _let_it_stay(host, domain, outgoing, crossing, is_live=asked.has(Migrate.LIVE))
        raise


def _send(
    host: Host, domain: Domain, outgoing: Outgoing, crossing: Crossing, target: str, asked: Asked
) -> None:
    if outgoing.is_cancelled:
        raise _aborted()
    if (peer := host.find_peer(target)) and peer.is_silent:
        text = f"unable to connect to server at '{peer.name}:{_PORT}': No route to host"
        raise LibvirtError(Code.SYSTEM_ERROR, Origin.RPC, text, "%s", text, int1=errno.EHOSTUNREACH)
    if asked.persistent_xml is not None:
        Definition.parse(asked.persistent_xml, lambda: domain.uuid)
    with host.machine.lock:
        copied = copies.between(host, peer, domain.definition, asked) if peer else []
    fitting.check_on_source(asked)
    crossing.begin(target, live=asked.has(Migrate.LIVE))
    with host.machine.lock:
        if peer and (problem := _why_nothing_arrives(peer, domain)):  # by now
            over_on = None if peer.is_silent else peer.machine
            crossing.fail(f"{peer.name} {problem}", over_on=over_on)
    outgoing.speed = asked.bandwidth or None
    if domain.speed or domain.max_downtime:
        crossing.change_pace(domain.speed, domain.max_downtime)
    crossing.copy_disks(sum(each.size for each in copied))
    status = follow(host, domain, outgoing, crossing)
    with host.machine.lock:
        is_copying = crossing.leaving is not None and crossing.leaving.is_copying
        if not is_copying:
            copies.arrive(copied)
    if status == "cancelled":
        raise _aborted(is_copying=is_copying)
    if status in MIGRATION_FAILED_STATES:
        if is_copying and domain.is_active and peer and peer.is_up and _why_nothing_arrives(peer, domain):
            raise failure(Code.NO_DOMAIN, f"no domain with matching name '{outgoing.name_there}'")
        raise _failed(domain, crossing)


def _why_nothing_arrives(peer: Host, domain: Domain) -> str | None:
    """Return why nothing sent of a domain arrives, to stand behind the target's name; None if it does."""
    there = peer.known(domain.uuid)
    if peer.is_silent:
        return "was cut off"
    return None if there and there.incoming else "is not ready for it"


def _let_it_stay(
    host: Host, domain: Domain, outgoing: Outgoing, crossing: Crossing, *, is_live: bool
) -> None:
    if crossing.leaving and crossing.leaving.finalized_on_source is None and not domain.is_stranded:
        try:
            crossing.leave(success=False, live=is_live)
        except HypervisorError as error:
            outgoing.is_left_paused = not isinstance(error, NodeDownError)
    give_up(host, domain)


def _aborted(*, is_copying: bool = False) -> LibvirtError:
    what = "migration out:" if is_copying else "job 'migration out'"
    return failure(Code.OPERATION_ABORTED, f"{what} canceled by client")


def _failed(domain: Domain, crossing: Crossing) -> LibvirtError:
    if not domain.is_active:
        return failure(Code.OPERATION_FAILED, "domain is not running", origin=Origin.DOMAIN)
    run = crossing.leaving
    if run and (run.target_name in run.lost_nodes or run.reason):
        return failure(
            Code.OPERATION_FAILED,
            "job 'migration out' failed: Unable to write to socket: Bad file descriptor",
        )
    return failure(Code.OPERATION_FAILED, "job 'migration out' unexpectedly failed")


def confirm(host: Host, domain: Domain, asked: Asked, *, cancelled: bool) -> None:
    """End a migration on the source: the domain runs on the target, or here as before.

    Raises:
        HypervisorError: that failed; then what is paused for it stays so.
    """
    outgoing, machine = domain.outgoing, host.machine
    if outgoing is None:  # it has failed, and everything is as before
        return
    if cancelled and domain.is_stranded:
        give_up(host, domain)
        return
    if not asked.has(Migrate.OFFLINE):
        crossing = Crossing(machine, domain.name)
        elapsed = machine.now - outgoing.began
        _leave(host, domain, outgoing, crossing, success=not cancelled, live=asked.has(Migrate.LIVE))
        if not cancelled:
            domain.completed = figures(crossing.leaving, elapsed)
            with machine.lock:
                host.tell(domain, EventKind.JOB_COMPLETED, domain.completed)
    with machine.lock:
        domain.stays()
        if asked.has(Migrate.UNDEFINE_SOURCE) and not cancelled and domain.is_persistent:
            domain.config, domain.autostart = None, False
            machine.withdraw(domain.name)
            if not (asked.has(Migrate.PERSIST_DEST) or _is_defined(host, domain)):
                machine.forget(outgoing.name_there, domain.uuid)
            if not domain.is_active:
                host.drop(domain)


def _leave(
    host: Host, domain: Domain, outgoing: Outgoing, crossing: Crossing, *, success: bool, live: bool
) -> None:
    """End a migration on the source, be its client gone meanwhile: that counts where this fails alone."""
    session, outgoing.session = outgoing.session, None
    try:
        crossing.leave(success=success, live=live)
    except BaseException:
        outgoing.session = session
        if not host.tie(session, domain):
            _abandon(host, domain)
        raise


def end(host: Host, domain: Domain, asked: Asked, *, cancelled: bool) -> None:
    """End a migration on the source that this host itself leads.

    Where that fails, the domain is left paused, as nobody is there who could be told; but for one that stays,
    and can't be ended since the host is cut off, which ends it all the same.
    """
    try:
        confirm(host, domain, asked, cancelled=cancelled)
    except HypervisorError as error:
        if domain.outgoing:
            domain.outgoing.is_left_paused = not (cancelled and isinstance(error, NodeDownError))
        give_up(host, domain)


def _is_defined(host: Host, domain: Domain) -> bool:
    """Tell whether a domain is defined anywhere, by whichever name."""
    known = (each.known(domain.uuid) for each in host.all_hosts())
    return any(each is not None and each.is_persistent for each in known)


def _abandon(host: Host, domain: Domain) -> None:
    """End a migration from here whose client is gone; nobody knows if what was sent runs on the target."""
    with host.machine.lock:
        outgoing = domain.outgoing
        if outgoing and outgoing.is_performing:
            outgoing.is_cancelled = True
            Crossing(host.machine, domain.name).cancel()
        elif outgoing:
            outgoing.is_left_paused = outgoing.has_begun
            give_up(host, domain)


def give_up(host: Host, domain: Domain) -> None:
    """End what is left of a migration from here that has failed, in whichever phase."""
    with host.machine.lock:
        outgoing = domain.outgoing
        if outgoing:
            crossing = Crossing(host.machine, domain.name)
            if domain.is_stranded:
                crossing.strand()
            else:
                crossing.stay(lets_run=not outgoing.is_left_paused)
            if domain.is_stranded:
                domain.pauses(Paused.POSTCOPY_FAILED)
                host.tell(domain, EventKind.LIFECYCLE, Lifecycle.SUSPENDED, Suspended.POSTCOPY_FAILED)
            domain.stays()


# On the target


def prepare(host: Host, asked: Asked, source: str | None, doing: str, session: Session | None) -> str:
    """Get ready for a domain, and return where its memory is to be sent.

    Args:
        host: the target.
        asked: how.
        source: the name of the host that it comes from, as far as that is known.
        doing: what is done, in the daemon's words.
        session: the client that leads it; None where the source does.

    Raises:
        LibvirtError: it can't come here.
        HypervisorError: likewise.
    """
    if source == host.name:
        raise failure(Code.INTERNAL_ERROR, f"Attempt to migrate guest to the same host {host.hardware.uuid}")
    if asked.xml is None:
        raise failure(Code.INTERNAL_ERROR, "no domain XML passed")
    definition = Definition.parse(asked.xml, host.new_uuid)
    fitting.check_uri(asked.uri, definition)
    instance = definition.name
    if asked.name is not None:
        definition = definition.renamed(asked.name)
    domain = host.domain_of(definition) or Domain(definition=definition)
    if domain.is_active:
        raise invalid(f"domain '{domain.name}' is already active", Origin.DOMAIN)
    with host.machine.lock:
        if not host.has(domain):
            host.add(domain)
    host.take_job(domain, doing)
    with host.machine.lock:
        host.comes(domain, instance)
        domain.incoming = Incoming(
            flags=asked.flags,
            began=host.machine.now,
            instance=instance,
            definition=definition,
            arrives=partial(_arrives, host, domain, asked),
            keep=partial(_keep, host, domain, asked),
            session=session,
            abandon=partial(turn_away, host, domain.name),
        )
    try:
        if not asked.has(Migrate.OFFLINE):
            _make_room(host, definition, asked, source)
            Crossing(host.machine, instance).accept()
        with host.machine.lock:
            _tie(host, domain, session)  # only now: what ends with it is whole
            if not asked.has(Migrate.OFFLINE):
                host.prepares(domain, definition)
    except BaseException:
        turn_away(host, domain.name)
        raise
    return asked.uri or f"tcp:{host.name}:{_PORT}"


def _make_room(host: Host, definition: Definition, asked: Asked, source: str | None) -> None:
    """Have what a domain needs here, its disks' copies with it.

    Raises:
        LibvirtError: it can't be had.
    """
    origin = host.find_peer(source) if source and asked.copies_disks else None
    with host.machine.lock:
        if origin:
            copies.make(host, definition, asked, origin)
        host.check_can_come(definition)
        try:
            fitting.check_on_target(asked)
        except LibvirtError:
            host.loses_id()
            raise
        if asked.copies_disks and asked.has(Migrate.TUNNELLED):
            host.loses_id()
            problem = "argument key 'host' must not have null value"
            raise failure(Code.INTERNAL_ERROR, problem, origin=Origin.NONE)


def _arrives(host: Host, domain: Domain, asked: Asked) -> None:
    """Note that a domain runs here, as its instance does from now on; under the lock."""
    _keep(host, domain, asked)
    record = host.machine.record(domain.instance)
    if asked.has(Migrate.PAUSED) or (record is not None and record.is_paused):
        domain.pauses(Paused.USER)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.SUSPENDED, Suspended.PAUSED)
    else:
        domain.resumes(Running.MIGRATED)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.RESUMED, Resumed.MIGRATED)
        host.agent_changed(domain.name)


def _keep(host: Host, domain: Domain, asked: Asked) -> None:
    """Make persistent by what a domain comes here, once, if that is asked for; under the lock."""
    incoming = domain.incoming
    if incoming and asked.has(Migrate.PERSIST_DEST) and not incoming.is_kept:
        incoming.is_kept = True
        _persist(host, domain, asked, incoming.definition)


def _persist(host: Host, domain: Domain, asked: Asked, came: Definition) -> None:
    detail = Defined.UPDATED if domain.is_persistent else Defined.ADDED
    given = asked.persistent_xml
    config = Definition.parse(given, lambda: domain.uuid) if given else came
    config = config.renamed(domain.name).with_uuid(domain.uuid)  # whatever it says itself
    host.define(domain, config)
    host.tell(domain, EventKind.LIFECYCLE, Lifecycle.DEFINED, detail)


def finish(host: Host, name: str, asked: Asked, *, cancelled: bool) -> DomainRef:
    """End a migration on the target: the domain runs here, or it is no more.

    Raises:
        LibvirtError: it is no more.
        HypervisorError: likewise.
    """
    machine, domain = host.machine, host.by_name(name)
    incoming = domain.incoming if domain else None
    crossing = Crossing(machine, host.came_as(name))
    if cancelled:
        try:
            if incoming and not asked.has(Migrate.OFFLINE):
                crossing.arrive(success=False)
        finally:
            turn_away(host, name)
        raise failure(Code.MIGRATE_FINISH_OK, "the migration was cancelled, and nothing is left of it here")
    if domain is None or incoming is None:
        raise failure(Code.NO_DOMAIN, f"no domain with matching name '{name}'")
    if asked.has(Migrate.OFFLINE):
        with machine.lock:
            _persist(host, domain, asked, incoming.definition)
            domain.stays()
        return domain.ref
    with machine.lock:
        incoming.session = None  # whoever goes from now on, it is finished
        # By what was asked for now: what is to be persistent is told in this phase.
        incoming.arrives = partial(_arrives, host, domain, asked)
    elapsed = machine.now - incoming.began
    try:
        _arrive(host, crossing)
        if asked.has(Migrate.PAUSED):
            machine.set_paused(incoming.instance, paused=True)
        with machine.lock:
            host.takes_its_name(domain, incoming)
    except BaseException:
        turn_away(host, name)
        raise
    with machine.lock:
        if not incoming.is_postcopy:
            domain.completed = figures(crossing.arriving, elapsed, INCOMING)
        domain.stays()
    return domain.ref


def _arrive(host: Host, crossing: Crossing) -> None:
    try:
        crossing.arrive(success=True)
    except NodeDownError:
        run = crossing.arriving
        if not (host.is_silent and run and run.finalized_on_target):
            raise  # else it runs here, and only nobody hears of it


def turn_away(host: Host, name: str) -> None:
    """End what is left of a migration to here that has failed, in whichever phase."""
    with host.machine.lock:
        domain, crossing = host.by_name(name), Crossing(host.machine, host.came_as(name))
        if domain and (domain.incoming or crossing.can_turn_away):
            domain.stays()
            if domain.is_active:
                host.ends(domain, ARRIVES)
            elif not domain.is_persistent:
                host.drop(domain)
        crossing.turn_away(name)


def destroy_incoming(host: Host, domain: Domain, method: str) -> bool:
    """Destroy a domain that is on its way to here, if it is; tell whether."""
    with host.machine.lock:
        if domain.incoming is None:
            return False
        crossing, name = Crossing(host.machine, domain.instance), domain.name
        domain.stays()
        host.ends(domain, method)
        crossing.destroyed(name)
        return True
