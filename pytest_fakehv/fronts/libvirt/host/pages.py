"""Pages of a host's memory, and how it shares those that are the same."""

from collections.abc import Iterator
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api, check_flags
from pytest_fakehv.fronts.libvirt.host.capabilities import PAGES
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.tuned import checked
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import Kind, Parameter

__tracebackhide__ = True  # a failed call is shown at the line that made it

_WHOLE_HOST: Final = -1
"""Stands for no NUMA node, but all of them."""
_SET: Final = 1
"""The flag: have so many pages, not so many more."""

_SETTINGS: Final = {
    "shm_pages_to_scan": Kind.UINT,
    "shm_sleep_millisecs": Kind.UINT,
    "shm_merge_across_nodes": Kind.UINT,
}
"""What can be set of how pages are shared."""


@api("virNodeGetFreePages", about="nothing", flags=0)
def free_pages(
    host: Host, _session: Session, sizes: list[int], start: int, count: int, _flags: int
) -> list[int]:
    """Return how many pages of each size, in KiB, are free on NUMA nodes: of each node the same."""
    found = []
    for node in _nodes(host, start, count):
        share = 1 if node == _WHOLE_HOST else host.hardware.nodes
        for size in sizes:
            _check_size(size, node)
            found.append(host.machine.free_memory // share // size if size == PAGES[0] else 0)
    return found


@api("virNodeAllocPages", about="nothing", flags=_SET)
def allocate_pages(
    host: Host, _session: Session, sizes: list[int], counts: list[int], start: int, count: int, _flags: int
) -> int:
    """Have large pages: a host has none, and gets none."""
    done = 0
    for node in _nodes(host, start, count):
        for size, wanted in zip(sizes, counts, strict=True):
            _check_size(size, node)
            if size == PAGES[0]:
                problem = "system pages pool can't be modified"
                raise failure(Code.OPERATION_UNSUPPORTED, problem, origin=Origin.NONE)
            if wanted:
                raise failure(Code.NO_SUPPORT, "virNodeAllocPages", origin=Origin.DOMAIN)
            done += 1
    return done


def _nodes(host: Host, start: int, count: int) -> Iterator[int]:
    """Give the NUMA nodes of a range.

    Raises:
        LibvirtError: it begins with none.
    """
    last = host.hardware.nodes - 1
    if not _WHOLE_HOST <= start <= last:
        raise _out_of_range(start, last)
    yield from range(start, min(start + count, last + 1))


def _out_of_range(start: int, last: int) -> LibvirtError:
    return failure(Code.INTERNAL_ERROR, f"start cell {start} out of range (0-{last})", origin=Origin.NONE)


def _check_size(size: int, node: int) -> None:
    """Refuse pages of a size that there is not.

    Raises:
        LibvirtError: it is none.
    """
    if size not in PAGES:
        problem = f"page size {size} is not available on node {node}"
        raise failure(Code.OPERATION_FAILED, problem, origin=Origin.NONE)


@api("virNodeGetMemoryParameters", about="nothing")
def memory_parameters(host: Host, _session: Session, count: int, flags: int) -> tuple[list[Parameter], int]:
    """Return how the host shares pages that are the same: it finds none."""
    check_flags(flags & ~4, 0, "virHostMemGetParameters", Origin.NONE)
    told = host.shared_memory
    found = [
        *(Parameter(field, Kind.UINT, told[field]) for field in list(_SETTINGS)[:2]),
        *(
            Parameter(f"shm_{field}", Kind.ULLONG, 0)
            for field in ("pages_shared", "pages_sharing", "pages_unshared", "pages_volatile", "full_scans")
        ),
        Parameter("shm_merge_across_nodes", Kind.UINT, told["shm_merge_across_nodes"]),
    ]
    return found[:count], len(found)


@api("virNodeSetMemoryParameters", about="nothing")
def set_memory_parameters(host: Host, _session: Session, given: list[Parameter], flags: int) -> None:
    """Change that."""
    check_flags(flags, 0, "virHostMemSetParameters", Origin.NONE)
    values = checked(given, _SETTINGS)
    host.shared_memory |= {field: int(value) for field, value in values.items()}
