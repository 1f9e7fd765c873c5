"""A client's calls about jobs of disks: what is beneath one is pulled up or committed, and it is copied."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.blocks import jobs, kinds
from pytest_fakehv.fronts.libvirt.host.blocks.files import check_can_make, make
from pytest_fakehv.fronts.libvirt.host.blocks.kinds import Work
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.disks import chain
from pytest_fakehv.fronts.libvirt.host.disks.chain import Layer
from pytest_fakehv.fronts.libvirt.host.disks.words import Abort, BlockJobEnd, Commit, Copy, Rebase
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.disks import check_disk
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_root
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.storage.room import check_can_format
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import Parameter

__tracebackhide__ = True  # a failed call is shown at the line that made it

_MIB: Final = 2**20

_LARGEST: Final = 2**43 - 1
"""In MiB a second: more bytes than a number can hold."""

_BYTES: Final = 1
"""Of a speed that is asked for or given: it is in bytes, not in MiB."""

_PARAMETERS: Final = frozenset({"bandwidth", "granularity", "buf-size"})


def _bytes(bandwidth: int, *, is_bytes: bool) -> int:
    """Return a speed in bytes a second.

    Raises:
        LibvirtError: it is too high.
    """
    if is_bytes:
        return bandwidth
    if bandwidth > _LARGEST:
        raise failure(Code.OVERFLOW, f"bandwidth must be less than {_LARGEST}")
    return bandwidth * _MIB


# Pulled up


@api("virDomainBlockPull", has_job=True, flags=_BYTES)
def pull(host: Host, session: Session, domain: Domain, path: str, bandwidth: int, flags: int) -> None:
    """Let a disk have all that is beneath it."""
    rebase(host, session, domain, path, None, bandwidth, Rebase.BANDWIDTH_BYTES if flags else 0)


@api("virDomainBlockRebase", has_job=True, flags=sum(Rebase))
def rebase(
    host: Host, _session: Session, domain: Domain, path: str, base: str | None, bandwidth: int, flags: int
) -> None:
    """Let it have what is beneath it down to a file; or copy it to one, as the older function does."""
    if flags & Rebase.RELATIVE and base is None:
        problem = "flag VIR_DOMAIN_BLOCK_REBASE_RELATIVE is valid only with non-null base"
        raise failure(Code.INVALID_ARG, problem)
    with host.machine.lock:
        check_active(domain)
        disk = chain.find_disk(domain.definition, path)
        speed = _bytes(bandwidth, is_bytes=bool(flags & Rebase.BANDWIDTH_BYTES))
        work = Work(host, domain, chain.target_of(disk), speed)
        if flags & Rebase.COPY and base is not None:
            form = "raw" if flags & Rebase.COPY_RAW else None
            type_ = "block" if flags & Rebase.COPY_DEV else "file"
            source = Element("source", {"dev" if flags & Rebase.COPY_DEV else "file": base})
            given = Element("disk", {"type": type_}, (source,))
            _copy(work, disk, given, form, flags & (Copy.SHALLOW | Copy.REUSE_EXT))
            return
        jobs.check_is_idle(domain, work.target)
        place = None if base is None else chain.place_of(disk, work.layers, base, above=0)
        if flags & Rebase.RELATIVE:
            raise failure(Code.OPERATION_INVALID, "can't keep relative backing relationship")
        kinds.pull(work, place)


# Committed


@api("virDomainBlockCommit", has_job=True, flags=sum(Commit))
def commit(
    host: Host,
    _session: Session,
    domain: Domain,
    path: str,
    base: str | None,
    top: str | None,
    bandwidth: int,
    flags: int,
) -> None:
    """Let a file beneath a disk have what is in those above it."""
    with host.machine.lock:
        disk = chain.find_disk(domain.definition, path)
        target = chain.target_of(disk)
        speed = _bytes(bandwidth, is_bytes=bool(flags & Commit.BANDWIDTH_BYTES))
        jobs.check_is_idle(domain, target)
        layers = chain.layers_of(disk)
        first = 0 if top is None or top == target else chain.place_of(disk, layers, top)
        if base is not None:
            last = chain.place_of(disk, layers, base, above=first)
        elif first + 1 == len(layers):
            raise chain.not_in_chain(f"could not find base image in chain for '{target}'")
        else:
            last = first + 1 if flags & Commit.SHALLOW else len(layers) - 1
        check_active(domain)
        _check_commit(target, layers, first, last, flags)
        host.opened(domain).check_write(layers[last].path, "block-commit", besides=target)
        work = Work(host, domain, target, speed)
        deletes = bool(flags & Commit.DELETE)
        if first:
            kinds.commit(work, first, last, deletes=deletes)
        else:
            kinds.commit_active(work, last, deletes=deletes)


def _check_commit(target: str, layers: list[Layer], first: int, last: int, flags: int) -> None:
    """Refuse flags that don't go with which layers are to be committed.

    Raises:
        LibvirtError: they don't.
    """
    if not first and not flags & Commit.ACTIVE:
        problem = f"commit of '{target}' active layer requires active flag"
        raise failure(Code.INVALID_ARG, problem)
    if first and flags & Commit.ACTIVE:
        problem = f"active commit requested but '{layers[first].path}' is not active"
        raise failure(Code.INVALID_ARG, problem)
    if flags & Commit.SHALLOW and last != first + 1:
        problem = (
            f"base '{layers[last].path}' is not immediately below '{layers[first].path}' in chain "
            f"for '{layers[0].path}'"
        )
        raise failure(Code.INVALID_ARG, problem)
    if flags & Commit.RELATIVE and first:
        raise failure(Code.OPERATION_INVALID, "can't keep relative backing relationship")


# Copied


@api("virDomainBlockCopy", has_job=True, flags=sum(Copy))
def copy(
    host: Host,
    _session: Session,
    domain: Domain,
    path: str,
    xml: str,
    parameters: list[Parameter],
    flags: int,
) -> None:
    """Copy a disk to where a definition says."""
    given = {each.field: each.value for each in parameters}
    if unknown := sorted(given.keys() - _PARAMETERS):
        problem = f"parameter '{unknown[0]}' not supported"
        raise failure(Code.ARGUMENT_UNSUPPORTED, problem, origin=Origin.NONE)
    granularity = given.get("granularity", 0)
    if granularity & (granularity - 1):
        raise failure(Code.INVALID_ARG, "granularity must be power of 2")
    there = read(xml, "disk_definition")
    check_root(there, "disk")
    check_disk(there)
    if there.child("source") is None:
        text = "missing source information for device"
        raise LibvirtError(Code.NO_SOURCE, Origin.DOMAIN, text, text)
    with host.machine.lock:
        check_active(domain)
        disk = chain.find_disk(domain.definition, path)
        work = Work(host, domain, chain.target_of(disk), given.get("bandwidth", 0))
        _copy(work, disk, there, part_of(there, "driver", "type"), flags)


def _copy(work: Work, disk: Element, there: Element, form: str | None, flags: int) -> None:
    """Copy a disk.

    Args:
        work: the disk.
        disk: the same, as its XML is.
        there: where to.
        form: of what is to be there; None for what the disk has.
        flags: how, `Copy`.

    Raises:
        LibvirtError: it can't be copied, or not there.
    """
    domain = work.domain
    jobs.check_is_idle(domain, work.target)
    if domain.is_persistent and not flags & Copy.TRANSIENT_JOB:
        raise failure(Code.OPERATION_INVALID, "domain is not transient")
    layers = chain.layers_of(disk)
    found = chain.layers_of(there.defaulting(type="file"))[0]
    layer = found._replace(format=form or layers[0].format)
    is_shallow, reuses = bool(flags & Copy.SHALLOW), bool(flags & Copy.REUSE_EXT)
    check_can_make(work.host.pools, layer, work.target, reuses=reuses)
    if reuses:
        work.host.opened(domain).check_file(layer.path, layer.format, "blockdev-mirror")
    else:
        if layer.format == "qcow2" and layer.type == "file":
            check_can_format(work.host.pools, [layer.path])
        beneath = layers[1] if is_shallow and len(layers) > 1 else None
        make(work.host, layer, work.size, beneath)
    kinds.copy(work, layer._replace(number=jobs.next_index(domain)), is_shallow=is_shallow)


# Asked, steered, ended


@api("virDomainGetBlockJobInfo", flags=_BYTES, waits=True)
def info(
    host: Host, _session: Session, domain: Domain, path: str, flags: int
) -> tuple[int, int, int, int, int]:
    """Return how far a disk's job is; on a clock that goes by such questions, that takes its time."""
    check_active(domain)
    with host.machine.lock:
        target = chain.target_of(chain.find_disk(domain.definition, path))
        has_any = target in domain.disk_jobs.running
    if has_any:
        host.machine.poll()
    with host.machine.lock:
        jobs.look(host, domain)
        job = domain.disk_jobs.running.get(target)
        if job is None:
            return 0, 0, 0, 0, 0
        speed = job.bandwidth if flags & _BYTES else -(-job.bandwidth // _MIB)
        return 1, int(job.kind), speed, job.current, job.size


@api("virDomainBlockJobSetSpeed", has_job=True, flags=_BYTES)
def set_speed(host: Host, _session: Session, domain: Domain, path: str, bandwidth: int, flags: int) -> None:
    """Say at most how much a disk's job does in a second."""
    with host.machine.lock:
        check_active(domain)
        target = chain.target_of(chain.find_disk(domain.definition, path))
        speed = _bytes(bandwidth, is_bytes=bool(flags))
        job = jobs.job_of(domain, target)
        jobs.look(host, domain)
        job.bandwidth = speed


@api("virDomainBlockJobAbort", has_job=True, flags=sum(Abort))
def abort(host: Host, _session: Session, domain: Domain, path: str, flags: int) -> None:
    """End a disk's job: with what was kept the same as the disk in its place, or with the disk as it was."""
    with host.machine.lock:
        check_active(domain)
        target = chain.target_of(chain.find_disk(domain.definition, path))
        jobs.look(host, domain)
        job = jobs.job_of(domain, target)
        if not flags & Abort.PIVOT:
            jobs.end(host, domain, job, BlockJobEnd.CANCELED)
        elif job.is_ready:
            jobs.end(host, domain, job, BlockJobEnd.COMPLETED)
        else:
            problem = f"block job '{job.name}' not ready for pivot yet"
            raise failure(Code.BLOCK_COPY_ACTIVE, problem)
