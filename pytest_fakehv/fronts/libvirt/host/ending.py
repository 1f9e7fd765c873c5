"""A guest ends, or begins anew, by itself: it was asked to."""

from typing import Final

from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host

__tracebackhide__ = True  # a failed call is shown at the line that made it

RESTART: Final = "restart"
"""What can come of a guest's end, and of its boot, as its definition says: it boots anew."""


def power_off(host: Host, domain: Domain) -> None:
    """Let a guest shut itself down that takes notice of that."""
    if domain.definition.on_poweroff == RESTART:
        _begin_again(host, domain)
    else:
        host.machine.stop(domain.name, force=False)


def boot_anew(host: Host, domain: Domain) -> None:
    """Let a guest boot anew that takes notice of that."""
    if domain.definition.on_reboot != RESTART and not domain.is_paused:
        host.machine.stop(domain.name, force=False)
    else:
        _begin_again(host, domain)


def _begin_again(host: Host, domain: Domain) -> None:
    host.machine.reboot(domain.name)
    with host.machine.lock:
        if not (domain.is_paused or host.machine.hangs(domain.name)):
            host.guest_boots(domain)
