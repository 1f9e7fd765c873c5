"""A client's calls about backups of domains."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api, check_flags
from pytest_fakehv.fronts.libvirt.host.blocks import backups, checkpointing, jobs
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import written
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_REUSE_EXTERNAL: Final = 1
"""The flag: the files are there already."""


@api("virDomainBackupBegin", has_job=True)
def begin(
    host: Host, _session: Session, domain: Domain, xml: str, checkpoint_xml: str | None, flags: int
) -> None:
    """Begin a backup, and make a checkpoint of the same moment, if that is wanted."""
    check_flags(flags, _REUSE_EXTERNAL, "qemuBackupBegin", Origin.QEMU)
    reuses = bool(flags & _REUSE_EXTERNAL)
    with host.machine.lock:
        root = backups.parsed(xml)
        given = None if checkpoint_xml is None else checkpointing.parsed(checkpoint_xml)
        if not domain.is_active:
            problem = "cannot perform disk backup for inactive domain"
            raise failure(Code.OPERATION_UNSUPPORTED, problem)
        jobs.look(host, domain)
        jobs.check_no_backup(domain)
        disks = backups.wanted(domain, root, host.machine.now)
        made = None if given is None else checkpointing.made(host, domain, given)
        for each in disks:
            backups.check(host, domain, each, reuses=reuses)
        if not reuses:
            backups.check_room(host, disks)
        if made:
            domain.checkpoints.add(made)
        backups.begin(host, domain, root, disks, reuses=reuses)


@api("virDomainBackupGetXMLDesc")
def xml(host: Host, _session: Session, domain: Domain, flags: int) -> str:
    """Return the XML of the backup that is being made."""
    check_flags(flags, 0, "qemuBackupGetXMLDesc", Origin.QEMU)
    with host.machine.lock:
        jobs.look(host, domain)
        backup = domain.disk_jobs.backup
        if backup is None:
            raise failure(Code.NO_DOMAIN_BACKUP, "no domain backup job present")
        return written(backup.root)
