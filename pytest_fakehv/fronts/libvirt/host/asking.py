"""The agent in a domain's guest is asked: by the host, as libvirt's daemons do."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, failure
from pytest_fakehv.fronts.libvirt.host.checks import check_running
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.ending import boot_anew, power_off
from pytest_fakehv.fronts.libvirt.host.guests.agents import Agent, NoAnswerError, RefusalError
from pytest_fakehv.fronts.libvirt.host.guests.commands import SHUTDOWN, Asked, check_thawed, done
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.networks.leases import leases

__tracebackhide__ = True  # a failed call is shown at the line that made it

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})

_DISK: Final = "disk"


def check_agent(host: Host, domain: Domain) -> Agent:
    """Return the agent of a domain's guest.

    Raises:
        LibvirtError: the guest does nothing now, or there is no agent in it that the host could ask.
    """
    check_running(domain)
    if not domain.definition.has_agent:
        raise failure(Code.ARGUMENT_UNSUPPORTED, "QEMU guest agent is not configured")
    agent = host.agents.of(domain.name)
    if agent is None:
        raise failure(Code.AGENT_UNRESPONSIVE, "QEMU guest agent is not connected")
    return agent


def silence() -> LibvirtError:
    """Return the error of an agent that doesn't answer."""
    return failure(Code.AGENT_UNRESPONSIVE, "Guest agent not available for now")


def not_done(command: str, refusal: RefusalError) -> LibvirtError:
    """Return the error of an agent that doesn't do something."""
    problem = f"unable to execute QEMU agent command '{command}': {refusal.words}"
    return failure(Code.INTERNAL_ERROR, problem)


def ask(host: Host, domain: Domain, command: str, arguments: Mapping[str, Any] = _NONE) -> Any:
    """Return what the agent of a domain's guest answers; never called under the cluster's lock.

    Args:
        host: where the domain is.
        domain: which.
        command: the command's name.
        arguments: its arguments.

    Raises:
        LibvirtError: there is no agent, or it doesn't answer, or not so.
    """
    try:
        return tried(host, domain, command, arguments)
    except NoAnswerError:
        raise silence() from None
    except RefusalError as refusal:
        raise not_done(command, refusal) from refusal


def tried(host: Host, domain: Domain, command: str, arguments: Mapping[str, Any] = _NONE) -> Any:
    """Do the same as `ask`, but hand on what the agent doesn't do.

    Raises:
        LibvirtError: there is no agent, or it is gone meanwhile.
        NoAnswerError: it says nothing.
        RefusalError: it doesn't do that.
    """
    agent = check_agent(host, domain)
    if host.machine.hangs(domain.name):
        raise NoAnswerError

    def by_itself() -> Any:
        with host.machine.lock:
            asked = _asked(host, domain)
            check_thawed(asked.guest, command)
            answer = done(asked, command, arguments)
        if command == SHUTDOWN:
            _end(host, domain, arguments.get("mode"))
        return answer

    answer = agent.reply(command, arguments, by_itself)
    if not domain.is_active and command != SHUTDOWN:
        raise failure(Code.AGENT_UNRESPONSIVE, "Guest agent disappeared while executing command")
    return answer


def _end(host: Host, domain: Domain, mode: object) -> None:
    """Let a guest shut itself down, or boot anew."""
    (boot_anew if mode == "reboot" else power_off)(host, domain)


def _asked(host: Host, domain: Domain) -> Asked:
    """Return the guest of a running domain; called under the lock."""
    definition = domain.definition.at(domain.place) if domain.place else domain.definition
    return Asked(
        guest=host.agents.guest(domain.name),
        name=domain.name,
        vcpus=host.vcpus_of(domain),
        disks=tuple(each for each in definition.devices_of("disk") if each.attributes.get("device") == _DISK),
        addresses=tuple((each.mac, _given(host, each.mac)) for each in definition.interfaces),
        now=int(host.machine.now * 10**9),
    )


def _given(host: Host, mac: str) -> tuple[str, int] | None:
    """Return the address that one of the host's networks has given to an interface; None for none."""
    for network in host.networks:
        for lease in leases(network, host.networks.ports(network), host.machine.now):
            if lease.mac == mac:
                return lease.address, lease.prefix
    return None
