"""What a client has an agent in a guest do."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host import online
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.asking import ask, check_agent, not_done, silence, tried
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.guests import replies
from pytest_fakehv.fronts.libvirt.host.guests.agents import NoAnswerError, RefusalError, refused
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import Parameter

__tracebackhide__ = True  # a failed call is shown at the line that made it

_NS: Final = 10**9

_SHORTEST: Final = -2
"""The least of what says how long to wait for an agent: for ever. None waits for one here."""

_AT_ONCE: Final = 0
"""Of these: not to wait at all."""

# By a program itself


@api("virDomainQemuAgentCommand", flags=0, waits=True)
def command(host: Host, _session: Session, domain: Domain, text: str, timeout: int, _flags: int) -> str:
    """Hand a command on to an agent, and return its answer."""
    check_active(domain)
    check_agent(host, domain)
    _check_timeout(timeout)
    try:
        given = json.loads(text)
    except ValueError as error:
        problem = f"cannot parse json {text}: {error}"
        raise failure(Code.INTERNAL_ERROR, problem, origin=Origin.NONE) from None
    with host.machine.lock:
        domain.is_tainted = True
    if timeout == _AT_ONCE:  # nobody is there to hear the answer
        raise silence()
    name, arguments = _read(given)
    answer = {"return": ask(host, domain, name, arguments)}
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False)


def _read(given: Any) -> tuple[str, Mapping[str, Any]]:
    """Return a command's name and its arguments.

    Raises:
        LibvirtError: an agent would not understand it.
    """
    problem = None
    if not isinstance(given, dict):
        problem = "QMP input must be a JSON object"
    elif "execute" not in given:
        problem = "QMP input lacks member 'execute'"
    elif not isinstance(given["execute"], str):
        problem = "QMP input member 'execute' must be a string"
    elif not isinstance(given.get("arguments", {}), dict):
        problem = "QMP input member 'arguments' must be an object"
    if problem:
        raise not_done("<unknown>", refused(problem))
    return given["execute"], given.get("arguments", {})


@api("virDomainAgentSetResponseTimeout", flags=0)
def set_timeout(_host: Host, _session: Session, _domain: Domain, timeout: int, _flags: int) -> int:
    """Note how long to wait for an agent, which nobody does."""
    _check_timeout(timeout)
    return 0


def _check_timeout(timeout: int) -> None:
    if timeout < _SHORTEST:
        problem = f"guest agent timeout '{timeout}' is less than the minimum '{_SHORTEST}'"
        raise failure(Code.INVALID_ARG, problem)


# Its clock

_SYNC: Final = 1
"""Of a clock: set it by that of its machine."""


@api("virDomainGetTime", flags=0, waits=True)
def time(host: Host, _session: Session, domain: Domain, _flags: int) -> tuple[int, int]:
    """Return what time a guest has, in seconds and ns."""
    check_active(domain)
    return divmod(replies.number(ask(host, domain, "guest-get-time")), _NS)


@api("virDomainSetTime", flags=1, waits=True)
def set_time(
    host: Host, _session: Session, domain: Domain, seconds: int, nanoseconds: int, flags: int
) -> None:
    """Set a guest's clock; by that of its machine, if it is to be synchronized."""
    if not domain.is_active:
        problem = "cannot set time: qemu doesn't support rtc-reset-reinjection command"
        raise failure(Code.OPERATION_UNSUPPORTED, problem)
    ask(host, domain, "guest-set-time", {} if flags & _SYNC else {"time": seconds * _NS + nanoseconds})


# Its filesystems


@api("virDomainFSFreeze", flags=0, waits=True)
def freeze(host: Host, _session: Session, domain: Domain, mountpoints: list[str], _flags: int) -> int:
    """Let a guest write nothing, to these filesystems or to all; return to how many."""
    check_active(domain)
    if mountpoints:
        name, arguments = "guest-fsfreeze-freeze-list", {"mountpoints": mountpoints}
        return replies.number(ask(host, domain, name, arguments))
    return replies.number(ask(host, domain, "guest-fsfreeze-freeze"))


@api("virDomainFSThaw", flags=0, waits=True)
def thaw(host: Host, _session: Session, domain: Domain, mountpoints: list[str], _flags: int) -> int:
    """Let a guest write again; return to how many filesystems."""
    if mountpoints:
        raise failure(Code.ARGUMENT_UNSUPPORTED, "specifying mountpoints is not supported")
    check_active(domain)
    return replies.number(ask(host, domain, "guest-fsfreeze-thaw"))


@api("virDomainFSTrim", flags=0, waits=True)
def trim(
    host: Host, _session: Session, domain: Domain, mountpoint: str | None, least: int, _flags: int
) -> None:
    """Let a guest give back what its filesystems don't use."""
    if mountpoint:
        problem = "Specifying mount point is not supported for now"
        raise failure(Code.ARGUMENT_UNSUPPORTED, problem)
    ask(host, domain, "guest-fstrim", {"minimum": least})


@api("virDomainGetFSInfo", flags=0, waits=True)
def filesystems(
    host: Host, _session: Session, domain: Domain, _flags: int
) -> tuple[list[tuple[str, str, str, list[str]]], int]:
    """Return what a guest has mounted, and on which disks of its domain."""
    check_active(domain)
    found = replies.filesystems(ask(host, domain, "guest-get-fsinfo"))
    disks = domain.definition.devices_of("disk")
    mounted = []
    for each in found:
        targets = (replies.target_of(disk, disks) for disk in each.disks)
        mounted.append((*each.names, [target for target in targets if target]))
    return mounted, len(mounted)


# What it says of itself


@api("virDomainGetGuestInfo", flags=0, waits=True)
def information(host: Host, _session: Session, domain: Domain, groups: int, _flags: int) -> list[Parameter]:
    """Return what a guest says of itself: of the groups, or all that its agent knows."""
    if unsupported := groups & ~sum(replies.GROUPS):
        problem = f"unsupported guest information types '0x{unsupported:x}'"
        raise failure(Code.INVALID_ARG, problem)
    check_agent(host, domain)
    told: list[Parameter] = []
    for group, (name, _) in replies.GROUPS.items():
        if groups and not groups & group:
            continue
        try:
            answer = tried(host, domain, name)
        except NoAnswerError:
            continue
        except RefusalError as error:
            if groups or not error.is_unknown:
                raise not_done(name, error) from error
            continue
        told += replies.parameters(group, answer, domain.definition.devices_of("disk"))
    return told


# Who can log in

_CRYPTED: Final = 1
"""Of a password: it is encrypted already."""


@api("virDomainSetUserPassword", flags=1, waits=True)
def set_password(
    host: Host, _session: Session, domain: Domain, user: str | None, password: str | None, flags: int
) -> None:
    """Give a guest's user another password."""
    check_active(domain)
    encoded = base64.b64encode((password or "").encode()).decode()
    arguments = {"crypted": bool(flags & _CRYPTED), "username": user or "", "password": encoded}
    ask(host, domain, "guest-set-user-password", arguments)


@api("virDomainAuthorizedSSHKeysGet", flags=0, waits=True)
def keys(host: Host, _session: Session, domain: Domain, user: str, _flags: int) -> list[str]:
    """Return the keys with which one can log in as a guest's user."""
    return replies.keys(ask(host, domain, "guest-ssh-get-authorized-keys", {"username": user}))


_APPEND: Final = 1
_REMOVE: Final = 2
"""What becomes of keys, other than that there are no others: they are added, or taken away."""


@api("virDomainAuthorizedSSHKeysSet", flags=_APPEND | _REMOVE, waits=True)
def set_keys(host: Host, _session: Session, domain: Domain, user: str, given: list[str], flags: int) -> None:
    """Say with which keys one can log in as a guest's user."""
    if flags and not given:
        api = "virDomainAuthorizedSSHKeysSet"
        raise wrong_argument(api, "keys", f"keys in {api} must not be NULL")
    if flags & _REMOVE:
        ask(host, domain, "guest-ssh-remove-authorized-keys", {"username": user, "keys": given})
        return
    arguments = {"username": user, "keys": given, "reset": not flags & _APPEND}
    ask(host, domain, "guest-ssh-add-authorized-keys", arguments)


# Its sleep


_SLEEPS: Final = ("guest-suspend-ram", "guest-suspend-disk", "guest-suspend-hybrid")


@api("virDomainPMSuspendForDuration", flags=0, waits=True)
def suspend(host: Host, _session: Session, domain: Domain, target: int, duration: int, _flags: int) -> None:
    """Let a guest sleep, if its agent knows how to."""
    if duration:
        raise failure(Code.ARGUMENT_UNSUPPORTED, "Duration not supported. Use 0 for now")
    if target >= len(_SLEEPS):
        raise failure(Code.INVALID_ARG, f"Unknown suspend target: {target}")
    ask(host, domain, _SLEEPS[target])


# Its CPUs


@api("virDomainGetGuestVcpus", flags=0, waits=True)
def vcpus(host: Host, _session: Session, domain: Domain, _flags: int) -> list[Parameter]:
    """Return which CPUs a guest has, which it uses, and which it could do without."""
    return online.told(ask(host, domain, "guest-get-vcpus"))


@api("virDomainSetGuestVcpus", flags=0, waits=True)
def set_vcpus(host: Host, _session: Session, domain: Domain, cpus: str, state: int, _flags: int) -> None:
    """Let a guest use some of its CPUs, or not."""
    online.set_state(host, domain, online.wanted(cpus, state), is_online=bool(state))
