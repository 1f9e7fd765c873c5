"""What a guest's agent would do: none of the guests has one."""

from typing import Any, Final, NoReturn

from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import check_active, refuse_agent
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_LEASE: Final = 1
"""From where to take a guest's name: from the addresses that were given away."""
_AGENT: Final = 2
"""From where to take it: from the guest."""


@api("virDomainSetTime", "virDomainSetUserPassword", flags=1)
@api("virDomainFSFreeze", "virDomainFSThaw", "virDomainGetFSInfo", "virDomainGetTime", flags=0)
@api("virDomainGetGuestVcpus", flags=0)
@api("virDomainQemuAgentCommand")
def refuse(_host: Host, _session: Session, domain: Domain, *_arguments: Any) -> NoReturn:
    """Say that nobody is there to ask."""
    check_active(domain)
    refuse_agent(domain)


@api("virDomainFSTrim", "virDomainGetGuestInfo", "virDomainPMSuspendForDuration", flags=0)
def refuse_likewise(_host: Host, _session: Session, domain: Domain, *_arguments: Any) -> NoReturn:
    """Say the same; of a domain that is shut off, another part of libvirt says so."""
    refuse_agent(domain)


@api("virDomainAgentSetResponseTimeout")
def set_timeout(_host: Host, _session: Session, _domain: Domain, _timeout: int, _flags: int) -> int:
    """Note how long to wait for an agent."""
    return 0
