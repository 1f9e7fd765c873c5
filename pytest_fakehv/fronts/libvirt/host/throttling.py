"""How much a domain's disks and interfaces may carry."""

from collections.abc import Mapping
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import affected, is_about_live, the_affected
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.completion import replaced
from pytest_fakehv.fronts.libvirt.host.domainxml.disks import ORDER_OF_DISK
from pytest_fakehv.fronts.libvirt.host.domainxml.interfaces import ORDER_OF_INTERFACE
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of, parts_in_order
from pytest_fakehv.fronts.libvirt.host.domainxml.running import Place
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.tuned import checked
from pytest_fakehv.fronts.libvirt.host.words import Affect
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import Kind, Parameter

__tracebackhide__ = True  # a failed call is shown at the line that made it

_EITHER: Final = Affect.LIVE | Affect.CONFIG
_TEXTS: Final = 4
"""The flag: parameters may be texts, too."""

_WAYS: Final = ("total", "read", "write")
_FAMILIES: Final = tuple(
    tuple(f"{way}_{what}_sec{more}" for way in _WAYS)
    for more in ("", "_max", "_max_length")
    for what in ("bytes", "iops")
)
"""What is set together: of one that isn't given, there is no limit then."""
_GROUP: Final = "group_name"
_OF_DISKS: Final = (*sum(_FAMILIES[:4], ()), "size_iops_sec", _GROUP, *sum(_FAMILIES[4:], ()))
_KINDS_OF_DISKS: Final = {each: Kind.STRING if each == _GROUP else Kind.ULLONG for each in _OF_DISKS}

_NO_FLOOR: Final = (
    "Invalid use of 'floor' on interface with MAC address {} - 'floor' is only supported for interface type "
    "'network' with forward type 'nat', 'route', 'open' or none"
)

_OF_INTERFACES: Final = (
    "inbound.average", "inbound.peak", "inbound.burst", "inbound.floor", "outbound.average", "outbound.peak",
    "outbound.burst",
)  # fmt: skip
_KINDS_OF_INTERFACES: Final = dict.fromkeys(_OF_INTERFACES, Kind.UINT)

_Found = tuple[list[Parameter], int]
_Values = Mapping[str, int | str]


@api("virDomainGetBlockIoTune", flags=_EITHER | _TEXTS)
def io_tune(
    _host: Host, _session: Session, domain: Domain, name: str | None, count: int, flags: int
) -> _Found:
    """Return how much may be read from a disk and written to it, in bytes and in requests."""
    definition = the_affected(domain, flags)
    if name is None:  # how many there are, is asked of no disk
        return [], len(_OF_DISKS)
    is_live = is_about_live(domain, flags)
    where = "not found in domain" if is_live else "was not found in the domain config"
    there = _limits_of(_disk(definition, name, f"disk '{name}' {where}"))
    found = [
        Parameter(each, kind, there.get(each, "") if kind == Kind.STRING else int(there.get(each, 0)))
        for each, kind in _KINDS_OF_DISKS.items()
    ]
    return found[:count], len(found)


@api("virDomainSetBlockIoTune", has_job=True, flags=_EITHER)
def set_io_tune(
    host: Host, _session: Session, domain: Domain, name: str, given: list[Parameter], flags: int
) -> None:
    """Change that; of what is set together, all of it."""
    values = checked(given, _KINDS_OF_DISKS)
    which = affected(domain, flags)
    for family in _FAMILIES[:4]:
        total, *others = (values.get(each) for each in family)
        if total and any(others):
            what = family[0].removeprefix("total_")
            problem = f"total and read/write of {what} cannot be set at the same time"
            raise failure(Code.INVALID_ARG, problem)

    def change(to: Definition) -> Definition:
        is_live = to is which.live
        words = (
            "disk '{}' not found in domain" if is_live else "missing persistent configuration for disk '{}'"
        )
        disk = _disk(to, name, words.format(name))
        limits = _changed(_limits_of(disk), values)
        if is_live:
            _check_limits(limits)
        parts = (Element(each, {}, (limits[each],)) for each in _OF_DISKS if each in limits)
        return _exchanged(to, disk, _with_part(disk, Element("iotune", {}, tuple(parts))))

    host.change(domain, which, change)


def _disk(definition: Definition, name: str, problem: str) -> Element:
    """Return the disk of a name, or with a source.

    Raises:
        LibvirtError: there is none.
    """
    devices = definition.root.child("devices") or Element("devices")
    for element, disk in zip(devices.named("disk"), definition.disks, strict=True):
        if name in (disk.target, disk.source):
            return element
    raise failure(Code.INVALID_ARG, problem)


def _limits_of(disk: Element) -> dict[str, str]:
    tune = disk.child("iotune") or Element("iotune")
    return {each.name: each.text for each in tune.children}


def _changed(limits: Mapping[str, str], values: _Values) -> dict[str, str]:
    """Return limits with others; of those that are set together, the others are none then."""
    gone = {each for family in _FAMILIES if values.keys() & set(family) for each in family}
    kept = {each: text for each, text in limits.items() if each not in gone | values.keys()}
    return kept | {each: str(value) for each, value in values.items() if value}


def _check_limits(limits: Mapping[str, str]) -> None:
    """Refuse what may be more for a while, and is less than what may be always, as QEMU does.

    Raises:
        LibvirtError: there is such.
    """
    for always in sum(_FAMILIES[:2], ()):
        for_a_while = f"{always}_max"
        if for_a_while not in limits:
            continue
        if always not in limits:
            problem = f"cannot reset '{always}' when '{for_a_while}' is set"
            raise failure(Code.CONFIG_UNSUPPORTED, problem)
        if int(limits[for_a_while]) < int(limits[always]):
            problem = f"value '{for_a_while}' cannot be smaller than '{always}'"
            raise failure(Code.CONFIG_UNSUPPORTED, problem)


@api("virDomainGetInterfaceParameters", flags=_EITHER | _TEXTS)
def bandwidth(_host: Host, _session: Session, domain: Domain, device: str, count: int, flags: int) -> _Found:
    """Return how much an interface may carry, in KiB a second, and KiB."""
    place = domain.place if is_about_live(domain, flags) else None
    interface = _interface(the_affected(domain, flags), place, device)
    found = []
    for field in _OF_INTERFACES:
        way, _, what = field.partition(".")
        said = interface.at(f"bandwidth/{way}")
        found.append(Parameter(field, Kind.UINT, int(said.attributes.get(what, 0)) if said else 0))
    return found[:count], len(found)


@api("virDomainSetInterfaceParameters", has_job=True, flags=_EITHER)
def set_bandwidth(
    host: Host, _session: Session, domain: Domain, device: str, given: list[Parameter], flags: int
) -> None:
    """Change that, of each way for which there is an average: all of it."""
    values = checked(given, _KINDS_OF_INTERFACES)
    which = affected(domain, flags)

    def change(to: Definition) -> Definition:
        interface = _interface(to, domain.place if to is which.live else None, device)
        if to is which.live and values.get("inbound.floor") and interface.attributes["type"] != "network":
            mac = part_of(interface, "mac", "address")
            raise failure(Code.OPERATION_UNSUPPORTED, _NO_FLOOR.format(mac))
        there = interface.child("bandwidth") or Element("bandwidth")
        ways = []
        for way in ("inbound", "outbound"):
            said = {what: values.get(f"{way}.{what}") for what in ("average", "peak", "floor", "burst")}
            old = there.child(way)
            if said["average"] is None and not said["floor"]:
                ways += [old] if old else []
            elif said["average"] or said["floor"]:
                ways.append(Element(way, {what: str(value) for what, value in said.items() if value}))
        return _exchanged(to, interface, _with_part(interface, Element("bandwidth", {}, tuple(ways))))

    host.change(domain, which, change)


def _interface(definition: Definition, place: Place | None, device: str) -> Element:
    """Return the interface of a MAC address, or of a device of the host's while it runs.

    Raises:
        LibvirtError: there is none.
    """
    devices = definition.root.child("devices") or Element("devices")
    known = (definition.at(place) if place else definition).interfaces
    for element, interface in zip(devices.named("interface"), known, strict=True):
        if device in (interface.mac, interface.target):
            return element
    problem = f"'{device}' is not a known interface"
    raise failure(Code.INVALID_ARG, problem, origin=Origin.DOMAIN)


# What both need


def _with_part(device: Element, part: Element) -> Element:
    """Return a device with another part, which is left out if there is nothing in it."""
    old = device.child(part.name)
    if old and part.content:
        return device.exchanging(old, part)
    others = [each for each in device.children if each is not old]
    places = ORDER_OF_DISK if device.name == "disk" else ORDER_OF_INTERFACE
    return parts_in_order(device.holding(*others, *([part] if part.content else [])), places)


def _exchanged(definition: Definition, old: Element, new: Element) -> Definition:
    """Return a definition with another device in the place of one."""
    devices = definition.root.child("devices") or Element("devices")
    return Definition(replaced(definition.root, "devices", devices.exchanging(old, new)))
