"""CPUs of domains that come and go one by one."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host.apis import api, check_flags
from pytest_fakehv.fronts.libvirt.host.checks import affected, refuse_agent
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.cpus import CPUSET
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.vcpus import numbers_of
from pytest_fakehv.fronts.libvirt.host.words import Affect
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_STATES: Final = (0, 1)
"""Of a CPU: it is not there, or it is."""


@api("virDomainSetVcpu", has_job=True, runs_instances=True)
def set_vcpu(host: Host, _session: Session, domain: Domain, cpus: str, state: int, flags: int) -> None:
    """Let some of a domain's CPUs come or go."""
    numbers = _checked("virDomainSetVcpu", cpus, state, flags, Affect.LIVE | Affect.CONFIG)
    live, config = affected(domain, flags)
    later = None
    if live:
        now = _changed(live, numbers, comes=bool(state), is_live=True)
    if config:
        later = _changed(config, numbers, comes=bool(state), is_live=False)
    if live:
        host.machine.change(domain.name, live.current_memory, len(now))
        host.change_live(domain, lambda given: given.with_each_vcpu(now, is_live=True))
    if later is not None:
        host.configure(domain, lambda given: given.with_each_vcpu(later, is_live=False))


@api("virDomainSetGuestVcpus", has_job=True)
def set_guest_vcpus(
    _host: Host, _session: Session, domain: Domain, cpus: str, state: int, flags: int
) -> None:
    """Refuse to let a guest use some of its CPUs, or not: none has an agent."""
    _checked("virDomainSetGuestVcpus", cpus, state, flags, Affect.CURRENT)
    refuse_agent(domain)


def _checked(function: str, cpus: str, state: int, flags: int, known: Affect) -> list[int]:
    """Return which CPUs are meant.

    Raises:
        LibvirtError: None are, or what is to become of them, or a flag, is unknown.
    """
    function = f"qemu{function.removeprefix('vir')}"
    check_flags(flags, known, function, Origin.QEMU)
    if state not in _STATES:
        raise wrong_argument(function, "state", "unsupported state value", origin=Origin.QEMU)
    if not CPUSET.fullmatch(cpus):
        raise failure(Code.INVALID_ARG, f"Failed to parse bitmap '{cpus}'", origin=Origin.NONE)
    return numbers_of(cpus)


def _changed(definition: Definition, numbers: list[int], *, comes: bool, is_live: bool) -> list[int]:
    """Return which CPUs there are in the end, in the order in which they have come.

    Raises:
        LibvirtError: One can't come or go.
    """
    there = definition.each_vcpu
    for number in numbers:
        if number >= definition.most_vcpus:
            which = "live" if is_live else "persistent"
            raise failure(Code.INVALID_ARG, f"vcpu {number} is not present in {which} config")
        if is_live and comes == (number in there):
            raise failure(Code.INVALID_ARG, f"vcpu '{number}' is already in requested state")
        if not comes and not number:
            if is_live:
                raise failure(Code.OPERATION_UNSUPPORTED, f"vcpu '{number}' can't be unplugged")
            raise failure(Code.INVALID_ARG, f"vCPU '{number}' can't be modified")
    left = [number for number in there if number not in numbers]
    return [*there, *(number for number in numbers if number not in there)] if comes else left
