"""What an agent has answered is read, as libvirt reads it: whatever a test lets an agent say."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.values import Kind, Parameter

__tracebackhide__ = True  # a failed call is shown at the line that made it

_MS: Final = 1000

_FAMILIES: Final = {"ipv4": 0, "ipv6": 1}
"""libvirt's numbers of the types of addresses."""

Fields = Iterator[tuple[str, int, Any]]
"""Names, types and values of parameters."""


def malformed(problem: str) -> LibvirtError:
    """Return the error of an answer that nobody can read."""
    return failure(Code.INTERNAL_ERROR, problem)


def number(answer: Any) -> int:
    """Return an answer that is a whole number.

    Raises:
        LibvirtError: it is none.
    """
    if type(answer) is not int:
        raise malformed("malformed return value")
    return answer


def _objects(answer: Any, problem: str) -> list[Mapping[str, Any]]:
    """Return an answer that is a list of objects.

    Raises:
        LibvirtError: it is none.
    """
    if not isinstance(answer, list) or not all(isinstance(each, dict) for each in answer):
        raise malformed(problem)
    return answer


def _needed(given: Mapping[str, Any], key: str, command: str, kinds: type | tuple[type, ...]) -> Any:
    """Return a part of an answer.

    Raises:
        LibvirtError: it is not there, or something else.
    """
    if not isinstance(given.get(key), kinds):
        raise malformed(f"'{key}' missing in reply of {command}")
    return given[key]


class Vcpu(NamedTuple):
    """A CPU as a guest sees it."""

    number: int
    is_online: bool
    can_go: bool


def vcpus(answer: Any) -> list[Vcpu]:
    """Return a guest's CPUs.

    Raises:
        LibvirtError: they can't be read.
    """
    command = "guest-get-vcpus"
    return [
        Vcpu(
            _needed(each, "logical-id", command, int),
            _needed(each, "online", command, bool),
            bool(each.get("can-offline")),
        )
        for each in _objects(answer, f"{command} reply was missing return data")
    ]


def keys(answer: Any) -> list[str]:
    """Return the keys with which one can log in.

    Raises:
        LibvirtError: they can't be read.
    """
    found = answer.get("keys") if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise malformed("qemu agent didn't return an array of keys")
    return [str(each) for each in found]


class Filesystem(NamedTuple):
    """A filesystem that a guest has mounted."""

    given: Mapping[str, Any]
    disks: Sequence[Mapping[str, Any]]

    @property
    def names(self) -> tuple[str, str, str]:
        """Where it is mounted, what it is called, and its type."""
        return self.given["mountpoint"], self.given["name"], self.given["type"]


def filesystems(answer: Any) -> list[Filesystem]:
    """Return what a guest has mounted: the last one first.

    Raises:
        LibvirtError: it can't be read.
    """
    command = "guest-get-fsinfo"
    problem = f"Malformed {command} data array"
    found = []
    for each in reversed(_objects(answer, problem)):
        for key in ("mountpoint", "name", "type"):
            _needed(each, key, command, str)
        disks = _needed(each, "disk", command, list)
        found.append(Filesystem(each, _objects(disks, problem)))
    return found


def target_of(address: Mapping[str, Any], disks: Sequence[Element]) -> str | None:
    """Return how its domain calls a disk of which an agent says where it is; None where none is there."""
    for disk in disks:
        at = disk.child("address")
        if at and _is_at(address, at.attributes, part_of(disk, "target", "bus")):
            return part_of(disk, "target", "dev")
    return None


def _is_at(address: Mapping[str, Any], at: Mapping[str, str], bus: str | None) -> bool:
    """Tell whether an agent's address of a disk is one of an XML."""
    kind = at.get("type")
    given = address.get("pci-controller") if kind == "pci" else address
    if not isinstance(given, dict) or (kind != "pci" and address.get("bus-type") != bus):
        return False
    return all(given.get(key) == int(at.get(key, "0"), 0) for key in _PLACES[kind == "pci"])


_PLACES: Final = (("bus", "target", "unit"), ("domain", "bus", "slot", "function"))
"""What says where a disk is: on a controller of disks, and on the bus of its machine."""


class Interface(NamedTuple):
    """A network interface as a guest sees it."""

    name: str
    mac: str | None
    addresses: list[tuple[int, str, int]]
    """Each with its type, and how many of its bits are those of the network."""


def interfaces(answer: Any) -> list[Interface]:
    """Return a guest's network interfaces.

    Raises:
        LibvirtError: they can't be read.
    """
    found = []
    for each in _objects(answer, "qemu agent didn't return an array of interfaces"):
        name, given = each.get("name"), each.get("ip-addresses", [])
        if not isinstance(name, str):
            raise malformed("qemu agent didn't provide 'name' field")
        problem = "qemu agent didn't return an array of IP addresses"
        addresses = [_address(name, one) for one in _objects(given, problem)]
        found.append(Interface(name, each.get("hardware-address"), addresses))
    return found


def _address(name: str, given: Mapping[str, Any]) -> tuple[int, str, int]:
    family, address, prefix = (given.get(key) for key in ("ip-address-type", "ip-address", "prefix"))
    if family not in _FAMILIES:
        raise malformed(f"unknown ip address type '{family}'")
    if not isinstance(address, str) or type(prefix) is not int:
        raise malformed(f"qemu agent didn't provide 'ip-address' or 'prefix' field for interface '{name}'")
    return _FAMILIES[family], address, prefix


# What a guest says of itself, group by group


def _users(answer: Any, _disks: Sequence[Element]) -> Fields:
    command = "guest-get-users"
    users = _objects(answer, f"{command} reply was missing return data")
    yield "user.count", Kind.UINT, len(users)
    for place, each in enumerate(users):
        yield f"user.{place}.name", Kind.STRING, _needed(each, "user", command, str)
        if "domain" in each:
            yield f"user.{place}.domain", Kind.STRING, str(each["domain"])
        login = _needed(each, "login-time", command, (int, float))
        yield f"user.{place}.login-time", Kind.ULLONG, int(login * _MS)


def _os(answer: Any, _disks: Sequence[Element]) -> Fields:
    if not isinstance(answer, dict):
        raise malformed("guest-get-osinfo reply was missing return data")
    for key in _OS:
        if isinstance(answer.get(key), str):
            yield f"os.{key}", Kind.STRING, answer[key]


_OS: Final = (
    "id",
    "name",
    "pretty-name",
    "version",
    "version-id",
    "machine",
    "variant",
    "variant-id",
    "kernel-release",
    "kernel-version",
)


def _timezone(answer: Any, _disks: Sequence[Element]) -> Fields:
    command = "guest-get-timezone"
    if not isinstance(answer, dict):
        raise malformed(f"{command} reply was missing return data")
    if isinstance(answer.get("zone"), str):
        yield "timezone.name", Kind.STRING, answer["zone"]
    yield "timezone.offset", Kind.INT, _needed(answer, "offset", command, int)


def host_name(answer: Any) -> str | None:
    """Return what a guest calls itself; None where that can't be read."""
    found = answer.get("host-name") if isinstance(answer, dict) else None
    return found if isinstance(found, str) else None


def _host_name(answer: Any, _disks: Sequence[Element]) -> Fields:
    found = host_name(answer)
    if found is None:
        raise malformed("'host-name' missing in guest-get-host-name reply")
    yield "hostname", Kind.STRING, found


def _mounted(answer: Any, disks: Sequence[Element]) -> Fields:
    found = filesystems(answer)
    if found:
        yield "fs.count", Kind.UINT, len(found)
    for place, each in enumerate(found):
        mountpoint, name, kind = each.names
        yield f"fs.{place}.name", Kind.STRING, name
        yield f"fs.{place}.mountpoint", Kind.STRING, mountpoint
        yield f"fs.{place}.fstype", Kind.STRING, kind
        for key in ("total-bytes", "used-bytes"):
            if isinstance(each.given.get(key), int):
                yield f"fs.{place}.{key}", Kind.ULLONG, each.given[key]
        yield f"fs.{place}.disk.count", Kind.UINT, len(each.disks)
        for number_of, disk in enumerate(each.disks):
            yield from _told_disk(f"fs.{place}.disk.{number_of}", disk, disks)
            if isinstance(disk.get("dev"), str):
                yield f"fs.{place}.disk.{number_of}.device", Kind.STRING, disk["dev"]


def _told_disk(prefix: str, address: Mapping[str, Any], disks: Sequence[Element]) -> Fields:
    if target := target_of(address, disks):
        yield f"{prefix}.alias", Kind.STRING, target
    if isinstance(address.get("serial"), str):
        yield f"{prefix}.serial", Kind.STRING, address["serial"]


def _disks(answer: Any, disks: Sequence[Element]) -> Fields:
    command = "guest-get-disks"
    found = _objects(answer, "qemu agent didn't return an array of disks")
    if found:
        yield "disk.count", Kind.UINT, len(found)
    for place, each in enumerate(found):
        yield f"disk.{place}.name", Kind.STRING, _needed(each, "name", command, str)
        yield f"disk.{place}.partition", Kind.BOOLEAN, _needed(each, "partition", command, bool)
        if beneath := each.get("dependencies"):
            yield f"disk.{place}.dependency.count", Kind.UINT, len(beneath)
            for number_of, one in enumerate(beneath):
                yield f"disk.{place}.dependency.{number_of}.name", Kind.STRING, str(one)
        if isinstance(each.get("address"), dict):
            yield from _told_disk(f"disk.{place}", each["address"], disks)
        if isinstance(each.get("alias"), str):
            yield f"disk.{place}.guest_alias", Kind.STRING, each["alias"]


def _connected(answer: Any, _disks: Sequence[Element]) -> Fields:
    found = interfaces(answer)
    if found:
        yield "if.count", Kind.UINT, len(found)
    for place, (name, mac, addresses) in enumerate(found):
        yield f"if.{place}.name", Kind.STRING, name
        yield f"if.{place}.hwaddr", Kind.STRING, mac or ""
        yield f"if.{place}.addr.count", Kind.UINT, len(addresses)
        for number_of, (family, address, prefix) in enumerate(addresses):
            kind = "ipv6" if family else "ipv4"
            yield f"if.{place}.addr.{number_of}.type", Kind.STRING, kind
            yield f"if.{place}.addr.{number_of}.addr", Kind.STRING, address
            yield f"if.{place}.addr.{number_of}.prefix", Kind.UINT, prefix


GROUPS: Final[Mapping[int, tuple[str, Callable[[Any, Sequence[Element]], Fields]]]] = {
    1: ("guest-get-users", _users),
    2: ("guest-get-osinfo", _os),
    4: ("guest-get-timezone", _timezone),
    8: ("guest-get-host-name", _host_name),
    16: ("guest-get-fsinfo", _mounted),
    32: ("guest-get-disks", _disks),
    64: ("guest-network-get-interfaces", _connected),
}
"""What a guest can say of itself: by the bit of a group, the command, and what is made of the answer."""


def parameters(group: int, answer: Any, disks: Sequence[Element]) -> list[Parameter]:
    """Return what a guest says of itself as parameters.

    Raises:
        LibvirtError: it can't be read.
    """
    return [Parameter(*each) for each in GROUPS[group][1](answer, disks)]
