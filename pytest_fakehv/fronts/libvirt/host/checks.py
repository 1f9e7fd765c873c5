"""What is refused of a call, whatever it is: a domain in the wrong state, and definitions that it has not."""

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.words import Affect


def check_active(domain: Domain, origin: Origin = Origin.DOMAIN) -> None:
    """Refuse a domain that doesn't run.

    Raises:
        LibvirtError: it doesn't.
    """
    if not domain.is_active:
        raise failure(Code.OPERATION_INVALID, "domain is not running", origin=origin)


def affected(domain: Domain, flags: int) -> tuple[bool, bool]:
    """Return whether a call is about the running domain, and whether about its persistent definition.

    Args:
        domain: which.
        flags: `Affect`.

    Raises:
        LibvirtError: it has not what the flags name.
    """
    wanted = Affect(flags & (Affect.LIVE | Affect.CONFIG))
    if wanted == Affect.CURRENT:
        wanted = Affect.LIVE if domain.is_active else Affect.CONFIG
    if Affect.LIVE in wanted:
        check_active(domain)
    if Affect.CONFIG in wanted and not domain.is_persistent:
        raise failure(
            Code.OPERATION_INVALID,
            "transient domains do not have any persistent config",
            origin=Origin.DOMAIN,
        )
    return Affect.LIVE in wanted, Affect.CONFIG in wanted
