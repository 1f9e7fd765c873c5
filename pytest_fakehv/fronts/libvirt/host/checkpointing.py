"""A client's calls about checkpoints of domains."""

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import APIS, api, check_flags
from pytest_fakehv.fronts.libvirt.host.blocks import checkpointing
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.definition import without_passwords
from pytest_fakehv.fronts.libvirt.host.disks.checkpoints import Checkpoint, no_checkpoint
from pytest_fakehv.fronts.libvirt.host.disks.words import (
    CheckpointCreate,
    CheckpointDelete,
    CheckpointListed,
    CheckpointXml,
)
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import written
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import DomainRef

__tracebackhide__ = True  # a failed call is shown at the line that made it

CheckpointRef = tuple[str, DomainRef]
"""What a client holds of a checkpoint, and sends with each call about it."""


@api("virDomainCheckpointCreateXML", has_job=True)
def create(host: Host, _session: Session, domain: Domain, xml: str, flags: int) -> tuple[CheckpointRef]:
    """Make a checkpoint, or know of one again."""
    known = CheckpointCreate.REDEFINE | CheckpointCreate.REDEFINE_VALIDATE
    check_flags(flags, known, "qemuCheckpointCreateXML", Origin.QEMU)
    redefines = flags & CheckpointCreate.REDEFINE
    with host.machine.lock:
        if not redefines and not domain.is_active:
            problem = "cannot create checkpoint for inactive domain"
            raise failure(Code.OPERATION_UNSUPPORTED, problem)
        root = checkpointing.parsed(xml)
        made = checkpointing.redefined(domain, root) if redefines else checkpointing.made(host, domain, root)
        domain.checkpoints.add(made)
        return ((made.name, domain.ref),)


@api("virDomainCheckpointGetXMLDesc", about="nothing")
def xml(host: Host, _session: Session, checkpoint: CheckpointRef, flags: int) -> str:
    """Return a checkpoint's XML."""
    check_flags(flags, sum(CheckpointXml), "qemuCheckpointGetXMLDesc", Origin.QEMU)
    with host.machine.lock:
        domain, found = _found(host, checkpoint)
        if flags & CheckpointXml.SIZE:
            check_active(domain)
        root = found.xml(
            has_domain=not flags & CheckpointXml.NO_DOMAIN, has_size=bool(flags & CheckpointXml.SIZE)
        )
        if not flags & CheckpointXml.SECURE:
            root = root.exchanging(found.domain, without_passwords(found.domain))
        return written(root)


def _found(host: Host, checkpoint: CheckpointRef) -> tuple[Domain, Checkpoint]:
    """Return a checkpoint that a client means, and whose it is.

    Raises:
        LibvirtError: it is no more.
    """
    name, ref = checkpoint
    domain = host.find(ref)
    return domain, domain.checkpoints.find(name)


@api("virDomainListAllCheckpoints")
def list_all(
    host: Host, _session: Session, domain: Domain, needs: int, flags: int
) -> tuple[list[CheckpointRef], int]:
    """List a domain's checkpoints."""
    check_flags(flags, sum(CheckpointListed), "qemuDomainListAllCheckpoints", Origin.QEMU)
    with host.machine.lock:
        among = domain.checkpoints.children(None)
        if not flags & CheckpointListed.ROOTS:
            among = list(domain.checkpoints.all.values())
        return _listed(domain, among, needs, flags)


@api("virDomainCheckpointListAllChildren", about="nothing")
def list_children(
    host: Host, _session: Session, checkpoint: CheckpointRef, needs: int, flags: int
) -> tuple[list[CheckpointRef], int]:
    """List those that come next after a checkpoint, or all that come after it."""
    check_flags(flags, sum(CheckpointListed), "qemuDomainCheckpointListAllChildren", Origin.QEMU)
    with host.machine.lock:
        domain, found = _found(host, checkpoint)
        among = domain.checkpoints.children(found.name)
        if flags & CheckpointListed.ROOTS:  # of children, the same flag means all that come after
            among = domain.checkpoints.descendants(found.name)
        return _listed(domain, among, needs, flags)


def _listed(
    domain: Domain, among: list[Checkpoint], needs: int, flags: int
) -> tuple[list[CheckpointRef], int]:
    leaves, others = flags & CheckpointListed.LEAVES, flags & CheckpointListed.NO_LEAVES
    found = []
    for each in among:
        is_leaf = not domain.checkpoints.children(each.name)
        if (is_leaf or not leaves) and not (is_leaf and others):
            found.append((each.name, domain.ref))
    return (found if needs else []), len(found)


@api("virDomainCheckpointLookupByName")
def find(host: Host, _session: Session, domain: Domain, name: str, flags: int) -> tuple[CheckpointRef]:
    """Return a domain's checkpoint of a name."""
    check_flags(flags, 0, "qemuDomainCheckpointLookupByName", Origin.QEMU)
    with host.machine.lock:
        return ((domain.checkpoints.find(name).name, domain.ref),)


@api("virDomainCheckpointGetParent", about="nothing")
def parent(host: Host, _session: Session, checkpoint: CheckpointRef, flags: int) -> tuple[CheckpointRef]:
    """Return the one that a checkpoint comes after."""
    check_flags(flags, 0, "qemuDomainCheckpointGetParent", Origin.QEMU)
    with host.machine.lock:
        domain, found = _found(host, checkpoint)
        if found.parent is None:
            raise no_checkpoint(f"checkpoint '{found.name}' does not have a parent")
        return ((found.parent, domain.ref),)


@api("virDomainCheckpointDelete", about="nothing", waits=True)
def delete(host: Host, _session: Session, checkpoint: CheckpointRef, flags: int) -> None:
    """Delete a checkpoint, or what comes after it, or both."""
    children = flags & (CheckpointDelete.CHILDREN | CheckpointDelete.CHILDREN_ONLY)
    check_flags(flags, sum(CheckpointDelete), "qemuCheckpointDelete", Origin.QEMU)
    domain = host.find(checkpoint[1])
    with host.job(domain, APIS["virDomainCheckpointDelete"]), host.machine.lock:
        _, found = _found(host, checkpoint)
        keeps_notes = bool(flags & CheckpointDelete.METADATA_ONLY)
        if not keeps_notes and not domain.is_active:
            problem = "cannot delete checkpoint for inactive domain"
            raise failure(Code.OPERATION_UNSUPPORTED, problem)
        gone = domain.checkpoints.descendants(found.name) if children else []
        if not flags & CheckpointDelete.CHILDREN_ONLY:
            gone.insert(0, found)
        domain.checkpoints.remove(gone, keeps_notes=keeps_notes)
        if flags & CheckpointDelete.CHILDREN_ONLY:
            domain.checkpoints.current = found.name
