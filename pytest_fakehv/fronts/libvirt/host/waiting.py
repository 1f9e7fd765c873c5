"""Calls that change the same domain wait for each other, but not for ever."""

from typing import Final

from pytest_fakehv.fronts.libvirt.crossing import Crossing
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.translation import Machine
from pytest_fakehv.machine import Time

_LONGEST: Final = 30
"""How long a call waits for another one that changes the same domain, in seconds: for a migration, of the
cluster's clock; for anything else, which takes none of its time, of the machine's."""

_GLANCE: Final = 0.02
"""How long it waits at a time, in seconds of the machine's time."""


def acquired(domain: Domain, machine: Machine) -> bool:
    """Wait for the right to change a domain, and tell whether it was had in time."""
    before = machine.now
    end, end_there = Time.monotonic() + _LONGEST, before + _LONGEST
    while not domain.job.acquire(timeout=_GLANCE):
        if not (domain.outgoing or domain.incoming):
            if Time.monotonic() >= end:
                return False
        elif machine.now >= end_there:
            return False
        elif machine.now == before:  # nobody else moves it
            Crossing(machine, domain.instance).let_pass(end_there - before)
        before = machine.now
    return True
