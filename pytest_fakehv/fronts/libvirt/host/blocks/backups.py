"""Backups as a client wants them: of what a guest sees of disks at one moment, pushed to files.

All here is called under the cluster's lock.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.blocks import jobs
from pytest_fakehv.fronts.libvirt.host.blocks.files import make
from pytest_fakehv.fronts.libvirt.host.blocks.kinds import Work
from pytest_fakehv.fronts.libvirt.host.disks import chain
from pytest_fakehv.fronts.libvirt.host.disks.backup import CANCELED, Backup
from pytest_fakehv.fronts.libvirt.host.disks.chain import Layer
from pytest_fakehv.fronts.libvirt.host.disks.checkpoints import schema_failure
from pytest_fakehv.fronts.libvirt.host.disks.job import BlockJob
from pytest_fakehv.fronts.libvirt.host.disks.words import BlockJobEnd, BlockJobKind
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_root
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, words
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.storage.poolxml import text_of
from pytest_fakehv.fronts.libvirt.host.storage.room import check_can_format
from pytest_fakehv.fronts.libvirt.host.words import EventKind
from pytest_fakehv.fronts.libvirt.values import Parameter

_DOCUMENT: Final = "domainbackup"
_FORMATS: Final = words("raw qcow2")
_PLACES: Final = {"file": "file", "block": "dev"}


class Wanted(NamedTuple):
    """One disk of a backup."""

    target: str
    """Its name."""
    there: Layer
    """Where to."""
    incremental: str | None
    """Since which checkpoint what was written is wanted; None for all that there is."""


def parsed(xml: str) -> Element:
    """Read a backup's XML.

    Raises:
        LibvirtError: it is malformed, or none, or of a backup that clients pull.
    """
    root = read(xml, "domain_backup")
    check_root(root, _DOCUMENT)
    mode, disks = root.attributes.get("mode", "push"), root.child("disks")
    server = root.child("server")
    if mode not in ("push", "pull") or (mode == "pull" and server is None):
        raise schema_failure(_DOCUMENT, "@mode")
    if server and (mode == "push" or not server.attributes.get("socket", server.attributes.get("name"))):
        raise schema_failure(_DOCUMENT, "server")
    if mode == "pull":
        problem = "pull mode backup needs an NBD server, and no guest of this host has one"
        raise failure(Code.OPERATION_UNSUPPORTED, problem)
    if disks and not (disks.children and all(map(_is_valid, disks.named("disk")))):
        raise schema_failure(_DOCUMENT, "disks")
    return root


def _is_valid(disk: Element) -> bool:
    said = disk.attributes
    if not said.get("name") or said.get("backup", "yes") not in ("yes", "no"):
        return False
    if said.get("backup") == "no":
        return True
    place = _PLACES.get(said.get("type", ""))
    return bool(
        place
        and part_of(disk, "target", place)
        and said.get("backupmode", "full") in ("full", "incremental")
        and (part_of(disk, "driver", "type") or "qcow2") in _FORMATS
    )


def wanted(domain: Domain, root: Element, now: float) -> list[Wanted]:
    """Return of which disks of a domain there is to be a backup.

    Raises:
        LibvirtError: there are no such disks.
    """
    own = {chain.target_of(each): each for each in chain.disks_of(domain.definition)}
    disks, since = root.child("disks"), text_of(root, "incremental") or None
    found = []
    if disks:
        for name, disk in _by_name(disks, own).items():
            if disk.attributes.get("backup") != "no":
                found.append(Wanted(name, _there(disk), _incremental(disk, name, since)))
    else:
        for name, disk in own.items():
            if (layers := chain.layers_of(disk)) and disk.child("readonly") is None:
                found.append(Wanted(name, Layer.at(f"{layers[0].path}.{int(now)}", "qcow2"), since))
    if not found:
        raise failure(Code.CONFIG_UNSUPPORTED, "no disks selected for backup")
    return found


def _by_name(disks: Element, own: Mapping[str, Element]) -> Mapping[str, Element]:
    found: dict[str, Element] = {}
    for disk in disks.named("disk"):
        name = disk.attributes["name"]
        if name not in own or name in found:
            problem = f"disk '{name}' specified twice" if name in found else f"no disk named '{name}'"
            raise failure(Code.CONFIG_UNSUPPORTED, problem, origin=Origin.DOMAIN)
        found[name] = disk
    return found


def _there(disk: Element) -> Layer:
    target, kind = disk.child("target") or Element("target"), disk.attributes["type"]
    source = Element("source", {_PLACES[kind]: target.attributes[_PLACES[kind]]})
    return Layer(source, kind, part_of(disk, "driver", "type") or "qcow2")


def _incremental(disk: Element, name: str, since: str | None) -> str | None:
    mode = disk.attributes.get("backupmode")
    given = disk.attributes.get("incremental", since)
    if mode == "incremental" and given is None:
        problem = (
            f"'incremental' backup mode of disk '{name}' requires setting 'incremental' field for disk or "
            "backup"
        )
        raise failure(Code.CONFIG_UNSUPPORTED, problem, origin=Origin.DOMAIN)
    return None if mode == "full" else given


def check(host: Host, domain: Domain, each: Wanted, *, reuses: bool) -> None:
    """Refuse a backup of a disk that can't be had.

    Args:
        host: where.
        domain: whose disk it is.
        each: what is wanted of the disk.
        reuses: whether the file is there already.

    Raises:
        LibvirtError: it can't be had.
    """
    jobs.check_is_idle(domain, each.target)
    if each.incremental is not None:
        checkpoint = domain.checkpoints.all.get(each.incremental)
        if checkpoint is None:
            problem = (
                f"Checkpoint '{each.incremental}' for incremental backup of disk '{each.target}' not found"
            )
            raise failure(Code.NO_DOMAIN_CHECKPOINT, problem)
        if not dict(checkpoint.bitmaps).get(each.target):
            problem = f"missing or broken bitmap '{each.incremental}' for disk '{each.target}'"
            raise failure(Code.CHECKPOINT_INCONSISTENT, problem)
    space, name = host.pools.space_at(each.there.path)
    is_there = space is not None and name in space.images
    if is_there and not reuses:
        problem = f"store '{each.there.path}' for backup of '{each.target}' exists"
        raise failure(Code.INVALID_ARG, problem)
    if space is not None and reuses and not is_there:
        problem = (
            "unable to execute QEMU command 'blockdev-add': "
            f"Could not open '{each.there.path}': No such file or directory"
        )
        raise failure(Code.INTERNAL_ERROR, problem)
    host.opened(domain).check_file(
        each.there.path, each.there.format, "transaction", doing="Could not create node: "
    )


def check_room(host: Host, disks: list[Wanted]) -> None:
    """Refuse a backup to new files that there is no room for.

    Raises:
        LibvirtError: there is none.
    """
    new = [each.there for each in disks if each.there.format == "qcow2" and each.there.type == "file"]
    check_can_format(host.pools, [each.path for each in new])


def begin(host: Host, domain: Domain, root: Element, disks: list[Wanted], *, reuses: bool) -> None:
    """Begin a backup.

    Args:
        host: where.
        domain: whose.
        root: its XML.
        disks: of which disks, each of which can be had.
        reuses: whether the files are there already.
    """
    backup = Backup(root=root, began=host.machine.now, tell=partial(_completed, host, domain))
    shown = {each.target: _begun(host, domain, backup, each, reuses=reuses) for each in disks}
    named = root.child("disks")
    order = [each.attributes["name"] for each in named.named("disk")] if named else list(shown)
    order += [
        name for each in chain.disks_of(domain.definition) if (name := chain.target_of(each)) not in order
    ]
    parts = [shown.get(name) or Element("disk", {"name": name, "backup": "no"}) for name in order]
    since = root.child("incremental")
    content = [*([since] if since else []), Element("disks", {}, tuple(parts))]
    backup.root = Element(_DOCUMENT, {"mode": "push"}, tuple(content))
    domain.disk_jobs.backup = backup
    backup.running = set(shown)
    for target, job in backup.jobs.items():
        jobs.begin(host, domain, chain.find_disk(domain.definition, target), job)


def _begun(host: Host, domain: Domain, backup: Backup, each: Wanted, *, reuses: bool) -> Element:
    """Get ready for the backup of a disk, and return its XML."""
    work = Work(host, domain, each.target, 0)
    layers = work.layers
    there = each.there._replace(number=jobs.next_index(domain))
    beneath = layers[0] if each.incremental else None
    if not reuses:
        make(host, there, work.size, beneath)
    amount = 0 if each.incremental else work.amount(layers)
    size = 0 if each.incremental else work.size
    job = work.begin(BlockJobKind.BACKUP, layers[0], amount, size)

    def finish() -> str:
        if not each.incremental:
            work.fill(there, layers, None)
        if image := work.image(there):
            image.made = None  # it is what it was made for: no domain is to use it
        return work.path

    def cancel() -> None:
        if not reuses:
            work.delete([there])

    job.finish, job.cancel, job.writes = finish, cancel, there.path
    work.let_fail(job, None if each.incremental else there, layers)
    job.ended = partial(_ended, host, domain, backup, job)
    backup.jobs[each.target] = job
    about = {"name": each.target, "backup": "yes", "type": there.type}
    about |= {"backupmode": "incremental" if each.incremental else "full"}
    about |= {"incremental": each.incremental} if each.incremental else {}
    content = (Element("driver", {"type": there.format}), Element("target", there.source.attributes))
    return Element("disk", about | {"index": str(there.number)}, content)


def _ended(host: Host, domain: Domain, backup: Backup, job: BlockJob, how: BlockJobEnd) -> None:
    """Note that the backup of a disk has ended; with the last of them, all of it has.

    Nothing is left of one that has not come about whole.
    """
    backup.error = backup.error or job.error
    if how == BlockJobEnd.CANCELED and backup.error != CANCELED:
        backup.error = CANCELED
        for target in sorted(backup.running - {job.target}):
            jobs.end(host, domain, backup.jobs[target], BlockJobEnd.CANCELED)
    backup.running.discard(job.target)
    if not backup.running:
        domain.disk_jobs.backup = None
        if backup.error:
            for each in backup.jobs.values():
                each.cancel()
        backup.tell(backup.completed(host.machine.now))


def _completed(host: Host, domain: Domain, figures: list[Parameter]) -> None:
    domain.completed = figures
    host.tell(domain, EventKind.JOB_COMPLETED, figures)


def abort(host: Host, domain: Domain, backup: Backup) -> None:
    """End a backup before its time."""
    jobs.end(host, domain, backup.jobs[min(backup.running)], BlockJobEnd.CANCELED)
