"""What an agent does of which no test says anything: by what its domain is, and what its guest was told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.guests.agents import RefusalError, refused, unknown
from pytest_fakehv.fronts.libvirt.host.guests.state import Guest

SHUTDOWN: Final = "guest-shutdown"
"""The command that ends a guest, or lets it boot anew."""

_VERSION: Final = "7.2.0"

_SIZE: Final = 20 * 2**30
_USED: Final = 4 * 2**30
"""Bytes that each filesystem of a guest has, and uses."""

_NS: Final = 10**9

_OS: Final = {
    "id": "debian",
    "name": "Debian GNU/Linux",
    "pretty-name": "Debian GNU/Linux 12 (bookworm)",
    "version": "12 (bookworm)",
    "version-id": "12",
    "machine": "x86_64",
    "kernel-release": "6.1.0-18-amd64",
    "kernel-version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1",
}

_LOOPBACK: Final = {
    "name": "lo",
    "hardware-address": "00:00:00:00:00:00",
    "ip-addresses": [
        {"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8},
        {"ip-address": "::1", "ip-address-type": "ipv6", "prefix": 128},
    ],
}


@dataclass(frozen=True)
class Asked:
    """The guest that is asked.

    Attributes:
        guest: what has become of it.
        name: its domain's.
        vcpus: how many CPUs it has.
        disks: its disks.
        addresses: of each of its interfaces, the MAC address, and what it was given: the address, and how
            many of its bits are those of the network; None for nothing.
        now: the time, in ns of the cluster's clock.
    """

    guest: Guest
    name: str
    vcpus: int
    disks: tuple[Element, ...]
    addresses: tuple[tuple[str, tuple[str, int] | None], ...]
    now: int

    @property
    def mounted(self) -> dict[str, Element]:
        """Its filesystems: one on each disk, the first one at ``/``, by where they are mounted."""
        return {f"/mnt/{_dev(each)}" if place else "/": each for place, each in enumerate(self.disks)}


Arguments = Mapping[str, Any]


def _ping(_asked: Asked, _given: Arguments) -> object:
    return {}


def _sync(_asked: Asked, given: Arguments) -> object:
    return _needed(given, "id", int)


def _info(_asked: Asked, _given: Arguments) -> object:
    return {
        "version": _VERSION,
        "supported_commands": [
            {"name": name, "enabled": True, "success-response": name != SHUTDOWN} for name in _COMMANDS
        ],
    }


def _host_name(asked: Asked, _given: Arguments) -> object:
    return {"host-name": asked.name}


def _time(asked: Asked, _given: Arguments) -> object:
    return asked.now + asked.guest.ahead


def _set_time(asked: Asked, given: Arguments) -> object:
    """Set the guest's clock; without a time, by that of its host."""
    asked.guest.ahead = _needed(given, "time", int) - asked.now if "time" in given else 0
    return {}


def _os(_asked: Asked, _given: Arguments) -> object:
    return _OS


def _timezone(_asked: Asked, _given: Arguments) -> object:
    return {"zone": "UTC", "offset": 0}


def _users(_asked: Asked, _given: Arguments) -> object:
    return []


def _filesystems(asked: Asked, _given: Arguments) -> object:
    return [
        {
            "name": f"{_dev(disk)}1",
            "mountpoint": where,
            "type": "ext4",
            "total-bytes": _SIZE,
            "used-bytes": _USED,
            "disk": [_address(disk, f"/dev/{_dev(disk)}1")],
        }
        for where, disk in asked.mounted.items()
    ]


def _disks(asked: Asked, _given: Arguments) -> object:
    return [
        {
            "name": f"/dev/{_dev(disk)}",
            "partition": False,
            "dependencies": [],
            "address": _address(disk, f"/dev/{_dev(disk)}"),
        }
        for disk in asked.disks
    ]


def _address(disk: Element, device: str) -> dict[str, object]:
    """Return where a disk is in its machine, as an agent says it."""
    at = disk.child("address")
    given = at.attributes if at else {}
    pci = {
        key: int(given.get(name, "0"), 0)
        for key, name in (("domain", "domain"), ("bus", "bus"), ("slot", "slot"), ("function", "function"))
    }
    serial = disk.child("serial")
    return {
        "bus-type": part_of(disk, "target", "bus"),
        "bus": int(given.get("bus", "0"), 0) if given.get("type") == "drive" else 0,
        "target": int(given.get("target", "0")),
        "unit": int(given.get("unit", "0")),
        "pci-controller": pci,
        "dev": device,
        **({"serial": serial.text} if serial else {}),
    }


def _dev(disk: Element) -> str:
    return part_of(disk, "target", "dev") or ""


def _interfaces(asked: Asked, _given: Arguments) -> object:
    return [_LOOPBACK, *(_interface(place, *each) for place, each in enumerate(asked.addresses))]


def _interface(place: int, mac: str, given: tuple[str, int] | None) -> dict[str, object]:
    addresses = [{"ip-address": given[0], "ip-address-type": "ipv4", "prefix": given[1]}] if given else []
    return {"name": f"eth{place}", "hardware-address": mac, "ip-addresses": addresses}


def _freeze(asked: Asked, _given: Arguments) -> object:
    asked.guest.frozen = set(asked.mounted)
    return len(asked.guest.frozen)


def _freeze_some(asked: Asked, given: Arguments) -> object:
    wanted = _needed(given, "mountpoints", list) if "mountpoints" in given else list(asked.mounted)
    asked.guest.frozen = set(asked.mounted).intersection(map(str, wanted))
    return len(asked.guest.frozen)


def _thaw(asked: Asked, _given: Arguments) -> object:
    count = len(asked.guest.frozen)
    asked.guest.frozen.clear()
    return count


def _freezing(asked: Asked, _given: Arguments) -> object:
    return "frozen" if asked.guest.frozen else "thawed"


def _trim(asked: Asked, given: Arguments) -> object:
    least = _needed(given, "minimum", int) if "minimum" in given else 0
    return {"paths": [{"path": each, "trimmed": 0, "minimum": least} for each in asked.mounted]}


def _vcpus(asked: Asked, _given: Arguments) -> object:
    return [
        {"logical-id": each, "online": each not in asked.guest.offline, "can-offline": each > 0}
        for each in range(asked.vcpus)
    ]


def _set_vcpus(asked: Asked, given: Arguments) -> object:
    wanted = _needed(given, "vcpus", list)
    for each in wanted:
        if not isinstance(each, dict):
            raise _wrong("vcpus", "object")
        number, is_online = _needed(each, "logical-id", int), _needed(each, "online", bool)
        if not (0 <= number < asked.vcpus and (is_online or number)):
            raise refused(f"vCPU #{number} can't be offlined or onlined")
        (asked.guest.offline.discard if is_online else asked.guest.offline.add)(number)
    return len(wanted)


def _password(_asked: Asked, given: Arguments) -> object:
    _needed(given, "username", str)
    _needed(given, "password", str)
    return {}


def _keys(asked: Asked, given: Arguments) -> object:
    return {"keys": list(asked.guest.keys.get(_needed(given, "username", str), []))}


def _add_keys(asked: Asked, given: Arguments) -> object:
    user, keys = _needed(given, "username", str), _needed(given, "keys", list)
    known = [] if given.get("reset") else asked.guest.keys.get(user, [])
    asked.guest.keys[user] = list(dict.fromkeys([*known, *map(str, keys)]))
    return {}


def _remove_keys(asked: Asked, given: Arguments) -> object:
    user, keys = _needed(given, "username", str), _needed(given, "keys", list)
    asked.guest.keys[user] = [each for each in asked.guest.keys.get(user, []) if each not in keys]
    return {}


def _shut_down(_asked: Asked, given: Arguments) -> object:
    """Say that the guest ends, which whoever asks lets it do."""
    if given.get("mode") not in {None, "powerdown", "halt", "reboot"}:
        raise refused(f"mode '{given['mode']}' is not supported")
    return {}


def _needed(given: Arguments, name: str, kind: type) -> Any:
    """Return an argument.

    Raises:
        RefusalError: it is not there, or of another type.
    """
    if name not in given:
        raise refused(f"Parameter '{name}' is missing")
    value = given[name]
    if type(value) is not kind:
        raise _wrong(name, _KINDS[kind])
    return value


def _wrong(name: str, kind: str) -> RefusalError:
    return refused(f"Invalid parameter type for '{name}', expected: {kind}")


_KINDS: Final[Mapping[type, str]] = {int: "integer", str: "string", bool: "boolean", list: "array"}

_COMMANDS: Final[Mapping[str, Callable[[Asked, Arguments], object]]] = {
    "guest-ping": _ping,
    "guest-sync": _sync,
    "guest-sync-delimited": _sync,
    "guest-info": _info,
    "guest-get-host-name": _host_name,
    "guest-get-time": _time,
    "guest-set-time": _set_time,
    "guest-get-osinfo": _os,
    "guest-get-timezone": _timezone,
    "guest-get-users": _users,
    "guest-get-fsinfo": _filesystems,
    "guest-get-disks": _disks,
    "guest-network-get-interfaces": _interfaces,
    "guest-fsfreeze-freeze": _freeze,
    "guest-fsfreeze-freeze-list": _freeze_some,
    "guest-fsfreeze-thaw": _thaw,
    "guest-fsfreeze-status": _freezing,
    "guest-fstrim": _trim,
    "guest-get-vcpus": _vcpus,
    "guest-set-vcpus": _set_vcpus,
    "guest-set-user-password": _password,
    "guest-ssh-get-authorized-keys": _keys,
    "guest-ssh-add-authorized-keys": _add_keys,
    "guest-ssh-remove-authorized-keys": _remove_keys,
    SHUTDOWN: _shut_down,
}

_WHILE_FROZEN: Final = frozenset(
    {
        "guest-ping",
        "guest-info",
        "guest-sync",
        "guest-sync-delimited",
        "guest-fsfreeze-status",
        "guest-fsfreeze-thaw",
    }
)
"""What an agent does whose filesystems are frozen: it writes nothing."""


def check_thawed(guest: Guest, command: str) -> None:
    """Refuse what an agent doesn't do while its filesystems are frozen.

    Raises:
        RefusalError: it is such.
    """
    if guest.frozen and command not in _WHILE_FROZEN:
        raise RefusalError(
            "CommandNotFound", f"Command {command} has been disabled: the agent is in frozen state"
        )


def done(asked: Asked, command: str, arguments: Arguments) -> Any:
    """Return what an agent answers by itself; called under the cluster's lock.

    Raises:
        RefusalError: it doesn't do that.
    """
    if command not in _COMMANDS:
        raise unknown(command)
    return _COMMANDS[command](asked, arguments)
