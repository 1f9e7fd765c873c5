"""The jobs on the disks of a host's domains: begun, watched, ended.

All here is called under the cluster's lock.
"""

from functools import partial

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.disks.chain import target_of
from pytest_fakehv.fronts.libvirt.host.disks.job import BlockJob
from pytest_fakehv.fronts.libvirt.host.disks.words import BlockJobEnd
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domains import Domains
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.words import EventKind


def job_of(domain: Domain, target: str) -> BlockJob:
    """Return the job of a disk.

    Raises:
        LibvirtError: it has none.
    """
    if job := domain.disk_jobs.running.get(target):
        return job
    raise failure(Code.INVALID_ARG, f"disk {target} does not have an active block job")


def check_is_idle(domain: Domain, target: str) -> None:
    """Refuse to do anything with a disk that has a job.

    Raises:
        LibvirtError: it has one.
    """
    if job := domain.disk_jobs.running.get(target):
        code = Code.BLOCK_COPY_ACTIVE if job.is_mirror else Code.OPERATION_UNSUPPORTED
        raise failure(code, f"disk '{target}' already in active block job")


def next_index(domain: Domain) -> int:
    """Return the number of a file that a disk of a domain has had none of."""
    jobs = domain.disk_jobs
    jobs.last_index = max(jobs.last_index, _highest(domain.definition.root)) + 1
    return jobs.last_index


def _highest(element: Element) -> int:
    """Return the highest number of a source in an element."""
    own = element.attributes.get("index", "0") if element.name in {"source", "backingStore"} else "0"
    return max([int(own), *(_highest(each) for each in element.children)])


def begin(host: Domains, domain: Domain, disk: Element, job: BlockJob) -> None:
    """Begin a job of a disk; of one that has nothing to do, that is its end.

    Args:
        host: where.
        domain: whose disk it is.
        disk: which.
        job: what is to be done.
    """
    if not domain.disk_jobs.running:
        listener = partial(look, host, domain)
        domain.disk_jobs.unwatch = host.machine.watch(listener)
    domain.disk_jobs.running[target_of(disk)] = job
    look(host, domain)


def look(host: Domains, domain: Domain) -> None:
    """Let come about what the jobs of a domain have done by now."""
    for job in list(domain.disk_jobs.running.values()):
        if job.goes_on(host.machine.now) and not job.is_ready:
            if job.error:
                end(host, domain, job, BlockJobEnd.FAILED)
            elif job.is_mirror:
                job.is_ready = True
                job.ready()
                tell(host, domain, job, BlockJobEnd.READY)
            else:
                end(host, domain, job, BlockJobEnd.COMPLETED)


def end(host: Domains, domain: Domain, job: BlockJob, how: BlockJobEnd) -> None:
    """End a job, with its effect where it has completed, and tell who wants to know."""
    jobs = domain.disk_jobs
    del jobs.running[job.target]
    if how == BlockJobEnd.COMPLETED:
        job.path = job.finish()
    else:
        job.cancel()
        if how == BlockJobEnd.FAILED:
            job.fail(job.done / job.amount if job.amount else 0)
    jobs.ended()
    job.ended(how)
    tell(host, domain, job, how)


def tell(host: Domains, domain: Domain, job: BlockJob, what: BlockJobEnd) -> None:
    """Tell what has become of a job."""
    host.tell(domain, EventKind.BLOCK_JOB, job.path, int(job.kind), int(what))
    host.tell(domain, EventKind.BLOCK_JOB_2, job.target, int(job.kind), int(what))


def check_has_none(domain: Domain) -> None:
    """Refuse what can't be done while any disk of a domain has a job.

    Raises:
        LibvirtError: one has.
    """
    check_no_backup(domain)
    if domain.disk_jobs.running:
        raise failure(Code.OPERATION_INVALID, "domain has active block job")


def check_no_backup(domain: Domain) -> None:
    """Refuse what would have to wait until a backup of a domain has ended.

    Raises:
        LibvirtError: one is being made.
    """
    if domain.disk_jobs.backup:
        problem = "cannot acquire state change lock (held by monitor=remoteDispatchDomainBackupBegin)"
        raise failure(Code.OPERATION_TIMEOUT, problem, origin=Origin.NONE)
