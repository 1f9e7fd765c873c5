"""What is done with a domain while it stands still, after which it goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host

__tracebackhide__ = True  # a failed call is shown at the line that made it


@contextmanager
def standing_still(host: Host, domain: Domain) -> Iterator[bool]:
    """Have a domain paused, for a ``with`` block; it gives whether it ran.

    Raises:
        LibvirtError: it doesn't run any more.
        HypervisorError: it can't be paused, or let run again.
    """
    ran = not domain.is_paused
    if ran:
        host.machine.set_paused(domain.name, paused=True)
    try:
        yield ran
    finally:
        if ran and domain.is_paused:  # else it has ended meanwhile
            host.machine.set_paused(domain.name, paused=False)
