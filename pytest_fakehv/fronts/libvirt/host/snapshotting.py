"""A client's calls about the snapshots of domains."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host import changes, immovable, saves, snapped
from pytest_fakehv.fronts.libvirt.host.apis import api, check_flags
from pytest_fakehv.fronts.libvirt.host.asking import ask
from pytest_fakehv.fronts.libvirt.host.blocks.jobs import check_has_none, check_is_idle, next_index
from pytest_fakehv.fronts.libvirt.host.definition import MIGRATABLE, SECURE, Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.host import Host, OfDomain
from pytest_fakehv.fronts.libvirt.host.moves import SNAPPING, written
from pytest_fakehv.fronts.libvirt.host.pausing import standing_still
from pytest_fakehv.fronts.libvirt.host.saves import Saved
from pytest_fakehv.fronts.libvirt.host.snapshots.document import Wanted, snapshot_xml
from pytest_fakehv.fronts.libvirt.host.snapshots.tree import (
    BESIDE,
    DISKS_ALONE,
    INSIDE,
    NOWHERE,
    SHUT_OFF,
    Snapshot,
    no_snapshot,
)
from pytest_fakehv.fronts.libvirt.host.snapshots.words import ListedSnaps, Revert, Snap, SnapDelete
from pytest_fakehv.fronts.libvirt.host.words import Defined, EventKind, Lifecycle
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import SnapshotRef, Xml

__tracebackhide__ = True  # a failed call is shown at the line that made it


# They are taken


@api("virDomainSnapshotCreateXML", has_job=True, runs_instances=True)
def create(host: Host, _session: Session, domain: Domain, xml: str, flags: int) -> SnapshotRef:
    """Take a snapshot, or describe one that was taken before."""
    check_flags(flags, sum(Snap), "qemuSnapshotCreateXML", Origin.QEMU)
    if flags & Snap.QUIESCE and not flags & Snap.DISK_ONLY:
        names = [f"'VIR_DOMAIN_SNAPSHOT_CREATE_{each.name}'" for each in (Snap.DISK_ONLY, Snap.QUIESCE)]
        text = f"Flag {names[0]} is required by flag {names[1]}"
        raise wrong_argument("qemuSnapshotCreateXML", "ctl", text, origin=Origin.QEMU)
    redefines = bool(flags & Snap.REDEFINE)
    wanted = Wanted.parse(
        xml, has_memory=domain.is_active and not flags & Snap.DISK_ONLY, redefines=redefines
    )
    if redefines:
        with host.machine.lock:
            return _redefine(host, domain, wanted, flags)
    if not domain.is_persistent and flags & Snap.HALT:
        raise _invalid("cannot halt after transient domain snapshot")
    with host.machine.lock:
        snapshot = _new(host, domain, wanted, flags)
    if flags & Snap.LIVE:
        with host.machine.lock:
            host.tell(domain, EventKind.MIGRATION_ITERATION, 1)
    if snapshot.is_active and snapshot.file is None:
        immovable.check(domain.definition)
    with standing_still(host, domain) if snapshot.is_active else nullcontext():
        with _quiesced(host, domain, flags), host.machine.lock:
            _take(host, domain, snapshot, flags)
        if domain.is_active and flags & Snap.HALT:
            host.machine.stop(domain.name, force=True)
    return SnapshotRef(snapshot.name, domain.ref)


@contextmanager
def _quiesced(host: Host, domain: Domain, flags: int) -> Iterator[None]:
    """Let the agent of a domain's guest freeze what it has mounted meanwhile, if that is asked for.

    Raises:
        LibvirtError: there is none, or it doesn't.
    """
    if not flags & Snap.QUIESCE:
        yield
        return
    ask(host, domain, "guest-fsfreeze-freeze")
    try:
        yield
    finally:
        ask(host, domain, "guest-fsfreeze-thaw")


def _new(host: Host, domain: Domain, wanted: Wanted, flags: int) -> Snapshot:
    """Return a snapshot of a domain as it is.

    Raises:
        LibvirtError: it can't be taken.
    """
    name = wanted.name or _free_name(domain, int(host.machine.now))
    found = snapped.chosen(domain, wanted, name, flags)
    for disk in found:
        if disk.mode != NOWHERE:
            check_is_idle(domain, disk.name)
    only_disks = bool(flags & Snap.DISK_ONLY)
    memory = (wanted.memory or INSIDE) if domain.is_active and not only_disks else NOWHERE
    if domain.is_active and not only_disks and memory == NOWHERE:
        problem = "internal snapshot of a running VM must include the memory state"
        raise failure(Code.OPERATION_UNSUPPORTED, problem)
    if flags & Snap.LIVE and memory != BESIDE:
        problem = "live snapshot creation is supported only during full system snapshots"
        raise failure(Code.OPERATION_UNSUPPORTED, problem)
    snapped.check_overlays(host.pools, found, flags)
    if domain.snapshots.by_name(name):
        raise failure(Code.OPERATION_FAILED, f"domain moment {name} already exists", origin=Origin.DOMAIN)
    if domain.is_active and flags & Snap.REUSE_EXT:
        for path in (each.overlay for each in found if each.overlay):
            host.opened(domain).check_file(path, "qcow2", "blockdev-add")
    if not flags & Snap.REUSE_EXT:
        snapped.check_room(host.pools, domain, found)
    place = domain.place
    definition = Definition.parse(domain.definition.xml(SECURE | MIGRATABLE, place), lambda: b"")
    cpu = domain.definition.at(place).root.child("cpu") if place and not only_disks else None
    state = "paused" if domain.is_paused else "running"
    return Snapshot(
        name=name,
        description=wanted.description,
        state=SHUT_OFF if place is None else DISKS_ALONE if only_disks else state,
        created=int(host.machine.now),
        disks=found,
        definition=definition,
        config=domain.config if place else None,
        memory=memory,
        file=wanted.file,
        cookie=cpu and Element("cookie", {}, (cpu, Element("slirpHelper"))),
        parent=domain.snapshots.current,
    )


def _free_name(domain: Domain, now: int) -> str:
    """Return the time as a name; where a test's clock stands, the next one."""
    while domain.snapshots.by_name(str(now)):
        now += 1
    return str(now)


def _take(host: Host, domain: Domain, snapshot: Snapshot, flags: int) -> None:
    """Have what there is of a snapshot; called under the lock."""
    now = host.machine.now
    if snapshot.is_active:
        immovable.check(domain.definition)
        host.tell(domain, EventKind.MIGRATION_ITERATION, 2 if flags & Snap.LIVE else 1)
    if snapshot.file:
        saved = Saved.of(domain, runs=snapshot.state == "running")
        saves.write(host.pools, snapshot.file, saved, now)
        domain.completed = written(host.memory_of(domain) * 1024, SNAPPING)
        host.tell(domain, EventKind.JOB_COMPLETED, domain.completed)
    snapped.keep(host.pools, snapshot)
    if overlays := snapped.overlays_of(snapshot):
        if not flags & Snap.REUSE_EXT:
            snapped.make_overlays(host.pools, domain, snapshot, now)
        runs = domain.is_active
        number = partial(next_index, domain)
        host.change_live(domain, partial(snapped.overlaid, overlays=overlays, number=number, is_chain=True))
        host.configure(domain, partial(snapped.overlaid, overlays=overlays, is_chain=runs))
    if not flags & Snap.NO_METADATA:
        domain.snapshots.add(snapshot)
        domain.snapshots.current = snapshot


def _redefine(host: Host, domain: Domain, wanted: Wanted, flags: int) -> SnapshotRef:
    snapshots = domain.snapshots
    name = wanted.name or _free_name(domain, int(host.machine.now))
    parent = snapshots.by_name(wanted.parent)
    if wanted.parent == name:
        raise _wrong_parent(f"cannot set moment {name} as its own parent")
    if wanted.parent and parent is None:
        raise _wrong_parent(f"parent {wanted.parent} for moment {name} not found")
    above = parent
    while above:
        if above.name == name:
            raise _wrong_parent(f"parent {wanted.parent} would create cycle to {name}")
        above = above.parent
    snapshot = wanted.redefined(name, domain.uuid, parent)
    if known := snapshots.by_name(name):
        snapshot.definition.check_stable(known.definition)
    snapshots.add(snapshot)
    if flags & Snap.CURRENT:
        snapshots.current = snapshot
    return SnapshotRef(name, domain.ref)


def _wrong_parent(problem: str) -> LibvirtError:
    return failure(Code.INVALID_ARG, problem, origin=Origin.DOMAIN)


def _invalid(problem: str) -> LibvirtError:
    return failure(Code.OPERATION_INVALID, problem)


# A domain goes back to them


@api("virDomainRevertToSnapshot", about="snapshot", has_job=True, runs_instances=True)
def revert(host: Host, _session: Session, found: OfDomain, flags: int) -> None:
    """Let a domain be as it was when a snapshot was taken."""
    check_flags(flags, sum(Revert), "qemuSnapshotRevert", Origin.QEMU)
    domain, snapshot = found
    check_has_none(domain)
    if snapshot.is_beside:
        problem = "revert to external snapshot not supported yet"
        raise failure(Code.CONFIG_UNSUPPORTED, problem)
    paused = bool(flags & Revert.PAUSED) or (snapshot.state == "paused" and not flags & Revert.RUNNING)
    runs = snapshot.is_active or bool(flags & (Revert.RUNNING | Revert.PAUSED))
    is_persistent = domain.is_persistent
    if not is_persistent and not runs:
        raise _invalid("transient domain needs to request run or pause to revert to inactive snapshot")
    with host.machine.lock:
        is_saved = saves.is_managed(host.pools, domain)
    if is_saved and not snapshot.is_active and not flags & Revert.FORCE:
        problem = (
            "snapshot without memory state, removal of existing managed saved state strongly recommended to "
            "avoid corruption"
        )
        raise failure(Code.SNAPSHOT_REVERT_RISKY, problem)
    definition = snapshot.definition.renamed(domain.name)  # since then, it may have been renamed
    config = (snapshot.config or snapshot.definition).renamed(domain.name)
    if domain.is_active:
        host.machine.stop(domain.name, force=True)
    with host.machine.lock:
        snapped.go_back(host.pools, snapshot, host.machine.now)
        if is_persistent:
            host.define(domain, config)
        else:  # it went as it was stopped
            host.add(domain)
        domain.snapshots.current = snapshot
    if runs:
        by = changes.REVERTED if snapshot.is_active else changes.REVERTED_BOOT
        host.start(domain, definition, paused=paused, by=by)
    if is_persistent:
        with host.machine.lock:
            host.tell(domain, EventKind.LIFECYCLE, Lifecycle.DEFINED, Defined.FROM_SNAPSHOT)


# They go


@api("virDomainSnapshotDelete", about="snapshot", has_job=True)
def delete(host: Host, _session: Session, found: OfDomain, flags: int) -> None:
    """Delete a snapshot, or those that go on from it, or all of these."""
    check_flags(flags, sum(SnapDelete), "qemuSnapshotDelete", Origin.QEMU)
    domain, snapshot = found
    with host.machine.lock:
        going = []
        if flags & (SnapDelete.CHILDREN | SnapDelete.CHILDREN_ONLY):
            going = [*domain.snapshots.below(snapshot)][::-1]
        if not flags & SnapDelete.CHILDREN_ONLY:
            going.append(snapshot)
        if not flags & SnapDelete.METADATA_ONLY and any(each.is_beside for each in going):
            raise failure(Code.NO_SUPPORT, "virDomainSnapshotDelete, of snapshots that aren't internal")
        for each in going:
            if not flags & SnapDelete.METADATA_ONLY:
                snapped.forget(host.pools, each)
            domain.snapshots.drop(each)


# Which there are


def _listed(domain: Domain, below: Snapshot | None, flags: int) -> list[SnapshotRef]:
    return [SnapshotRef(each.name, domain.ref) for each in domain.snapshots.listed(below, flags)]


@api("virDomainSnapshotNum", flags=sum(ListedSnaps))
def count(_host: Host, _session: Session, domain: Domain, flags: int) -> int:
    """Count a domain's snapshots."""
    return len(_listed(domain, None, flags))


@api("virDomainSnapshotListNames", flags=sum(ListedSnaps))
def list_names(_host: Host, _session: Session, domain: Domain, most: int, flags: int) -> list[str]:
    """List their names."""
    return [each.name for each in _listed(domain, None, flags)][:most]


@api("virDomainListAllSnapshots", flags=sum(ListedSnaps))
def list_all(
    _host: Host, _session: Session, domain: Domain, need_results: int, flags: int
) -> tuple[list[SnapshotRef], int]:
    """List them."""
    found = _listed(domain, None, flags)
    return (found if need_results else []), len(found)


@api("virDomainSnapshotNumChildren", about="snapshot", flags=sum(ListedSnaps))
def count_children(_host: Host, _session: Session, found: OfDomain, flags: int) -> int:
    """Count those that go on from one."""
    return len(_listed(*found, flags))


@api("virDomainSnapshotListChildrenNames", about="snapshot", flags=sum(ListedSnaps))
def list_children_names(_host: Host, _session: Session, found: OfDomain, most: int, flags: int) -> list[str]:
    """List their names."""
    return [each.name for each in _listed(*found, flags)][:most]


@api("virDomainSnapshotListAllChildren", about="snapshot", flags=sum(ListedSnaps))
def list_children(
    _host: Host, _session: Session, found: OfDomain, need_results: int, flags: int
) -> tuple[list[SnapshotRef], int]:
    """List them."""
    listed = _listed(*found, flags)
    return (listed if need_results else []), len(listed)


@api("virDomainSnapshotLookupByName", flags=0)
def by_name(_host: Host, _session: Session, domain: Domain, name: str, _flags: int) -> SnapshotRef:
    """Return a domain's snapshot of a name."""
    if domain.snapshots.by_name(name) is None:
        raise no_snapshot(f"no domain snapshot with matching name '{name}'")
    return SnapshotRef(name, domain.ref)


@api("virDomainHasCurrentSnapshot", flags=0)
def has_current(_host: Host, _session: Session, domain: Domain, _flags: int) -> int:
    """Tell whether a domain goes on from a snapshot."""
    return int(domain.snapshots.current is not None)


@api("virDomainSnapshotCurrent", flags=0)
def current(_host: Host, _session: Session, domain: Domain, _flags: int) -> SnapshotRef:
    """Return the one that it goes on from."""
    if domain.snapshots.current is None:
        raise no_snapshot("the domain does not have a current snapshot")
    return SnapshotRef(domain.snapshots.current.name, domain.ref)


@api("virDomainSnapshotGetParent", about="snapshot", flags=0)
def parent(_host: Host, _session: Session, found: OfDomain, _flags: int) -> SnapshotRef:
    """Return the one that it goes on from."""
    domain, snapshot = found
    if snapshot.parent is None:
        raise no_snapshot(f"snapshot '{snapshot.name}' does not have a parent")
    return SnapshotRef(snapshot.parent.name, domain.ref)


# What they are


@api("virDomainSnapshotIsCurrent", about="snapshot", flags=0)
def is_current(_host: Host, _session: Session, found: OfDomain, _flags: int) -> int:
    """Tell whether its domain goes on from it."""
    return int(found.domain.snapshots.current is found.snapshot)


@api("virDomainSnapshotHasMetadata", about="snapshot", flags=0)
def has_metadata(_host: Host, _session: Session, _found: OfDomain, _flags: int) -> int:
    """Say that the host knows of it: else it would not be found."""
    return 1


@api("virDomainSnapshotGetXMLDesc", about="snapshot", flags=SECURE)
def xml(_host: Host, _session: Session, found: OfDomain, flags: int) -> str:
    """Return its XML."""
    return Xml(snapshot_xml(found.snapshot, flags))
