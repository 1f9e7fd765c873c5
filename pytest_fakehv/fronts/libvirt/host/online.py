"""Which of its CPUs a guest uses, as its agent says and is told."""

from collections.abc import Iterable
from typing import Any

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host import cpumaps
from pytest_fakehv.fronts.libvirt.host.asking import ask
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.guests import replies
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.values import Kind, Parameter

__tracebackhide__ = True  # a failed call is shown at the line that made it

_GET = "guest-get-vcpus"
_SET = "guest-set-vcpus"

_LONGEST = 4096
"""Characters of a text that says which CPUs are meant, and CPUs that there can be."""


def told(answer: Any) -> list[Parameter]:
    """Return which CPUs a guest has, which it uses, and which it could do without.

    Raises:
        LibvirtError: the answer can't be read.
    """
    found = replies.vcpus(answer)
    groups = {
        "vcpus": (each.number for each in found),
        "online": (each.number for each in found if each.is_online),
        "offlinable": (each.number for each in found if each.can_go),
    }
    return [Parameter(name, Kind.STRING, cpumaps.written(cpumaps.of(each))) for name, each in groups.items()]


def count(host: Host, domain: Domain) -> int:
    """Return how many CPUs a guest uses.

    Raises:
        LibvirtError: its agent doesn't say.
    """
    return sum(each.is_online for each in replies.vcpus(ask(host, domain, _GET)))


def wanted(text: str, state: int) -> int:
    """Return which CPUs a client means, as bits.

    Raises:
        LibvirtError: the text says none, or they can be neither used nor not.
    """
    if state not in (0, 1):
        raise wrong_argument(
            "qemuDomainSetGuestVcpus", "state", "unsupported state value", origin=Origin.QEMU
        )
    try:
        cpus = cpumaps.read(text) if len(text) < _LONGEST else 0
    except ValueError:
        cpus = 0
    if not cpus:
        raise failure(Code.INVALID_ARG, f"Failed to parse bitmap '{text}'", origin=Origin.NONE)
    return cpus


def set_state(host: Host, domain: Domain, cpus: int, *, is_online: bool) -> None:
    """Let a guest use some of its CPUs, or not.

    Raises:
        LibvirtError: it doesn't have them, can't do without one of them, or its agent doesn't do that.
    """
    found = {each.number: each for each in replies.vcpus(ask(host, domain, _GET))}
    if missing := cpus & ~cpumaps.of(found):
        problem = f"guest is missing vCPUs '{cpumaps.written(missing)}'"
        raise failure(Code.INVALID_ARG, problem)
    numbers = cpumaps.numbers_of(cpus)
    for each in numbers:
        if not (is_online or found[each].can_go):
            raise failure(Code.OPERATION_UNSUPPORTED, f"vCPU '{each}' is not offlinable")
    _set(host, domain, numbers, is_online=is_online)


def set_count(host: Host, domain: Domain, count: int) -> None:
    """Let a guest use so many of its CPUs.

    Raises:
        LibvirtError: it can't, or its agent doesn't do that.
    """
    found = replies.vcpus(ask(host, domain, _GET))
    online = [each.number for each in found if each.is_online]
    missing = count - len(online)
    if missing > 0:
        changing = [each.number for each in found if not each.is_online][:missing]
    else:
        changing = [each.number for each in reversed(found) if each.is_online and each.can_go][:-missing]
    if len(changing) < abs(missing):
        raise replies.malformed("guest agent reports less cpu than requested")
    if changing:
        _set(host, domain, changing, is_online=missing > 0)


def _set(host: Host, domain: Domain, numbers: Iterable[int], *, is_online: bool) -> None:
    """Set CPUs, as many at a time as the agent does."""
    left = [{"logical-id": each, "online": is_online} for each in numbers]
    while left:
        done = replies.number(ask(host, domain, _SET, {"vcpus": left}))
        if not 0 < done <= len(left):
            raise replies.malformed("guest agent returned malformed or invalid return value")
        left = left[done:]
