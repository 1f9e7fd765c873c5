"""CPUs of domains that come and go one by one."""

import re
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host import cpumaps
from pytest_fakehv.fronts.libvirt.host.apis import api, check_flags
from pytest_fakehv.fronts.libvirt.host.checks import affected
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.cpus import CPUSET
from pytest_fakehv.fronts.libvirt.host.domainxml.eachcpu import changed, how_many, in_turn
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.words import Affect
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_NUMBER: Final = re.compile("[0-9]+")
_MOST: Final = 16384
"""No CPU has a number from there on."""
_STATES: Final = (0, 1)
"""Of a CPU: it is not there, or it is."""


@api("virDomainSetVcpu", has_job=True, runs_instances=True)
def set_vcpu(host: Host, _session: Session, domain: Domain, cpus: str, state: int, flags: int) -> None:
    """Let some of a domain's CPUs come or go."""
    numbers = _checked(cpus, state, flags)
    live, config = affected(domain, flags)
    comes = bool(state)
    if live:
        _check(live, numbers, comes=comes, is_live=True)
    if config:
        _check(config, numbers, comes=comes, is_live=False)
    if live:
        now = in_turn(changed(in_turn(live.cpus), numbers, comes=comes))
        host.machine.change(domain.name, live.current_memory, how_many(now))
        host.change_live(domain, lambda given: given.with_cpus(now))
    if config:
        host.configure(domain, lambda given: given.with_cpus(changed(given.cpus, numbers, comes=comes)))


def _checked(cpus: str, state: int, flags: int) -> list[int]:
    """Return which CPUs are meant.

    Raises:
        LibvirtError: None are, or what is to become of them, or a flag, is unknown.
    """
    check_flags(flags, Affect.LIVE | Affect.CONFIG, "qemuDomainSetVcpu", Origin.QEMU)
    if state not in _STATES:
        raise wrong_argument("qemuDomainSetVcpu", "state", "unsupported state value", origin=Origin.QEMU)
    is_short = CPUSET.fullmatch(cpus) and all(int(each) < _MOST for each in _NUMBER.findall(cpus))
    numbers = cpumaps.numbers_of(cpumaps.read(cpus)) if is_short else []
    if not numbers:
        raise failure(Code.INVALID_ARG, f"Failed to parse bitmap '{cpus}'", origin=Origin.NONE)
    return numbers


def _check(definition: Definition, numbers: list[int], *, comes: bool, is_live: bool) -> None:
    """Refuse CPUs that can't come or go.

    Raises:
        LibvirtError: one can't.
    """
    cpus = definition.cpus
    for number in numbers:
        if number >= len(cpus):
            which = "live" if is_live else "persistent"
            raise failure(Code.INVALID_ARG, f"vcpu {number} is not present in {which} config")
        if is_live and comes == cpus[number].is_there:
            raise failure(Code.INVALID_ARG, f"vcpu '{number}' is already in requested state")
        if is_live and not comes and not cpus[number].can_go:
            raise failure(Code.OPERATION_UNSUPPORTED, f"vcpu '{number}' can't be unplugged")
        if not (is_live or comes or number):
            raise failure(Code.INVALID_ARG, f"vCPU '{number}' can't be modified")
