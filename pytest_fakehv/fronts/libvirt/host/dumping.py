"""A client's calls that dump the memory of domains into files."""

from collections.abc import Mapping
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host import immovable, saves
from pytest_fakehv.fronts.libvirt.host.apis import api, check_flags
from pytest_fakehv.fronts.libvirt.host.blocks.jobs import check_has_none
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.moves import DUMPING, written
from pytest_fakehv.fronts.libvirt.host.pausing import standing_still
from pytest_fakehv.fronts.libvirt.host.words import Dump, EventKind
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_RAW: Final = 0
_NOT_BUILT: Final[Mapping[int, str]] = {2: "kdump-lzo", 3: "kdump-snappy"}
"""Those that the hypervisor is built without."""
_OF_WINDOWS: Final = 4


@api("virDomainCoreDump", has_job=True, runs_instances=True)
def dump(host: Host, _session: Session, domain: Domain, path: str, flags: int) -> None:
    """Write a domain's memory into a file."""
    _dump(host, domain, path, _RAW, flags)


@api("virDomainCoreDumpWithFormat", has_job=True, runs_instances=True)
def dump_format(host: Host, _session: Session, domain: Domain, path: str, form: int, flags: int) -> None:
    """Do the same, in a format."""
    _dump(host, domain, path, form, flags)


def _dump(host: Host, domain: Domain, path: str, form: int, flags: int) -> None:
    check_flags(flags, sum(Dump), "qemuDomainCoreDumpWithFormat", Origin.QEMU)
    check_active(domain)
    only_memory = bool(flags & Dump.MEMORY_ONLY)
    if flags & Dump.LIVE and not only_memory and not domain.is_paused:
        with host.machine.lock:
            host.tell(domain, EventKind.MIGRATION_ITERATION, 1)
    with standing_still(host, domain):
        _check_format(form, only_memory=only_memory)
        if not only_memory:
            check_has_none(domain)
            immovable.check(domain.definition)
        with host.machine.lock:
            size = host.memory_of(domain) * 1024
            saves.write_file(host.pools, path, size, None, host.machine.now)
            if not only_memory:
                host.tell(domain, EventKind.MIGRATION_ITERATION, 2 if flags & Dump.LIVE else 1)
                domain.completed = written(size, DUMPING)
                host.tell(domain, EventKind.JOB_COMPLETED, domain.completed)
        if flags & Dump.CRASH:
            host.machine.stop(domain.name, force=True)
        elif flags & Dump.RESET:
            host.machine.reboot(domain.name)
            with host.machine.lock:
                host.machine.starts_anew(domain.name)
                host.tell(domain, EventKind.REBOOT)


def _check_format(form: int, *, only_memory: bool) -> None:
    """Refuse a format in which this memory can't be written.

    Raises:
        LibvirtError: it is such.
    """
    if form != _RAW and not only_memory:
        problem = "kdump-compressed format is only supported with memory-only dump"
        raise failure(Code.OPERATION_UNSUPPORTED, problem)
    if form in _NOT_BUILT:
        problem = f"unsupported dumpformat '{_NOT_BUILT[form]}' for this QEMU binary"
        raise failure(Code.INVALID_ARG, problem)
    if form == _OF_WINDOWS:
        problem = "memory-only dump failed: win-dump: invalid vmcoreinfo note size"
        raise failure(Code.OPERATION_FAILED, problem)
