"""What is refused of a call, whatever it is: a domain in the wrong state, and definitions that it has not."""

from typing import NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.words import Affect, State


class Affected(NamedTuple):
    """Which of a domain's definitions a call is about."""

    live: Definition | None
    """The one that it runs by."""
    config: Definition | None
    """The persistent one."""


def not_running(origin: Origin = Origin.DOMAIN) -> LibvirtError:
    """Return the error of a call that only what runs can have."""
    return failure(Code.OPERATION_INVALID, "domain is not running", origin=origin)


def check_active(domain: Domain, origin: Origin = Origin.DOMAIN) -> None:
    """Refuse a domain that is shut off.

    Raises:
        LibvirtError: it is.
    """
    if not domain.is_active:
        raise not_running(origin)


def check_running(domain: Domain) -> None:
    """Refuse a domain whose guest does nothing now: one that is shut off, or paused.

    Raises:
        LibvirtError: it is.
    """
    if domain.state != State.RUNNING:
        raise not_running(Origin.QEMU)


def affected(domain: Domain, flags: int) -> Affected:
    """Return which of its definitions a call is about.

    Args:
        domain: which.
        flags: `Affect`.

    Raises:
        LibvirtError: it has not what the flags name.
    """
    wanted = Affect(flags & (Affect.LIVE | Affect.CONFIG))
    if wanted == Affect.CURRENT:
        wanted = Affect.LIVE if domain.is_active else Affect.CONFIG
    live, config = domain.live, domain.config
    if Affect.LIVE in wanted and live is None:
        raise not_running()
    if Affect.CONFIG in wanted and config is None:
        raise failure(
            Code.OPERATION_INVALID,
            "transient domains do not have any persistent config",
            origin=Origin.DOMAIN,
        )
    return Affected(live if Affect.LIVE in wanted else None, config if Affect.CONFIG in wanted else None)


def is_about_live(domain: Domain, flags: int) -> bool:
    """Tell whether flags of which at most one is set mean what a domain runs by."""
    return bool(flags & Affect.LIVE) or (domain.is_active and not flags & Affect.CONFIG)


def the_affected(domain: Domain, flags: int) -> Definition:
    """Return the one of its definitions that a call is about.

    Raises:
        LibvirtError: as `affected`; or it is about both.
    """
    if flags & Affect.LIVE and flags & Affect.CONFIG:
        problem = "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive"
        raise wrong_argument("virDomainObjGetOneDefState", "flags", problem)
    live, config = affected(domain, flags)
    return live or config or domain.definition
