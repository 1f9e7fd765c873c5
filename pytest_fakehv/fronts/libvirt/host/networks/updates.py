"""A network's definition with a part changed, as `virNetworkUpdate` does it."""

from enum import IntEnum
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read
from pytest_fakehv.fronts.libvirt.host.networks import document
from pytest_fakehv.fronts.libvirt.host.networks.checks import check_network
from pytest_fakehv.fronts.libvirt.host.networks.definition import NetworkDefinition, with_forward
from pytest_fakehv.fronts.libvirt.host.networks.kinds import KINDS, Kind
from pytest_fakehv.fronts.libvirt.host.networks.refusals import refused


class Command(IntEnum):
    """What is done: ``VIR_NETWORK_UPDATE_COMMAND_...``."""

    MODIFY = 1
    DELETE = 2
    ADD_LAST = 3
    ADD_FIRST = 4


_DOCUMENT: Final = "network_update_xml"
"""How a daemon calls a part."""

_FIXED: Final = {1: "bridge", 2: "domain", 3: "ip", 6: "forward", 8: "forward pf"}
"""The sections that nobody can change."""


def updated(
    definition: NetworkDefinition, command: int, section: int, parent: int, xml: str
) -> NetworkDefinition:
    """Return a definition with a part changed.

    Args:
        definition: the network's.
        command: what to do, a `Command`.
        section: with what, by libvirt's number.
        parent: which of the network's addresses it is about, from 0; -1 for the one that gives away others.
        xml: the part, or what says which is meant.

    Raises:
        LibvirtError: it can't be changed so.
    """
    name = definition.name
    part = _read(xml)
    if section in _FIXED:
        raise _unsupported(f"can't update '{_FIXED[section]}' section of network '{name}'")
    if section not in KINDS:
        raise _unsupported("can't update unrecognized section of network")
    kind = KINDS[section]
    if kind.is_record and command == Command.MODIFY:
        raise _cannot_be_modified(kind)
    if part.name != kind.name:
        problem = (
            f"unexpected element <{part.name}>, expecting <{kind.name}>, while updating network '{name}'"
        )
        raise refused(problem)
    part = document.tidy(part, f"network/{kind.path}/{kind.name}")
    ip = _meant(definition, parent) if kind.path.startswith("ip/") else None
    kind.check(part, ip, name, is_partial=command == Command.DELETE)
    if command not in list(Command):
        raise _unsupported(f"unrecognized network update command code {command}")
    if kind.fixed and command == Command.MODIFY:
        raise _cannot_be_modified(kind)
    if ip:
        changed = _with(kind, Command(command), part, ip, "dhcp", name)
        root = definition.root.exchanging(ip, changed)
    else:
        root = _with(kind, Command(command), part, definition.root, kind.path, name)
    root = with_forward(document.tidy(root, "network"))
    check_network(root, name)
    return NetworkDefinition(root)


def _read(xml: str) -> Element:
    try:
        return read(xml, _DOCUMENT, Origin.NETWORK)
    except LibvirtError as error:  # of this document alone, the name stands in no brackets
        message = error.message.replace(f"({_DOCUMENT})", _DOCUMENT, 1)
        raise LibvirtError(error.code, error.domain, message, error.str1, message) from None


def _unsupported(detail: str) -> LibvirtError:
    return refused(detail, Code.OPERATION_UNSUPPORTED)


def _cannot_be_modified(kind: Kind) -> LibvirtError:
    return _unsupported(f"{kind.fixed} cannot be modified, only added or deleted")


def _invalid(detail: str) -> LibvirtError:
    return refused(detail, Code.OPERATION_INVALID)


def _meant(definition: NetworkDefinition, parent: int) -> Element:
    """Return which of a network's addresses is meant."""
    ips, name = definition.ips, definition.name
    giving = [each for each in ips if each.child("dhcp")]
    if parent < 0:
        if not ips:
            raise _invalid(f"couldn't update dhcp host entry - no <ip> element found in network '{name}'")
        return (giving or ips)[0]
    if parent >= len(ips):
        problem = f"couldn't update dhcp host entry - no <ip> element found at index {parent}"
        raise _invalid(f"{problem} in network '{name}'")
    found = ips[parent]
    family = _family(found)
    if any(each is not found and _family(each) == family for each in giving):
        raise _invalid(f"dhcp is supported only for a single {family} address on each network")
    return found


def _family(ip: Element) -> str:
    return "IPv6" if ":" in ip.attributes["address"] else "IPv4"


def _with(kind: Kind, command: Command, part: Element, holder: Element, path: str, name: str) -> Element:
    """Return an element with a part changed that is in it, or in the one of a name in it."""
    inner = holder.child(path) if path else holder
    there = inner or Element(path)
    parts = _changed(kind, command, part, list(there.named(kind.name)), name)
    changed = there.holding(*(each for each in there.children if each.name != kind.name), *parts)
    if path == "forward":  # which is by the first of them, as `with_forward` says
        changed = changed.having(dev=None)
    if inner is holder:
        return holder.holding(*changed.content)
    if inner:
        return holder.exchanging(inner, changed)
    # A network that forwards nothing does that by no interface either.
    return holder if path == "forward" else holder.holding(*holder.content, changed)


def _changed(kind: Kind, command: Command, part: Element, there: list[Element], name: str) -> list[Element]:
    """Return the parts of a kind once one is added, deleted, or in the place of another."""
    if command in (Command.ADD_LAST, Command.ADD_FIRST):
        if any(kind.is_there(part, each) for each in there):
            raise _invalid(kind.exists(part, name))
        _check_default(part, there, name)
        return [*there, part] if command == Command.ADD_LAST else [part, *there]
    is_modified = command == Command.MODIFY
    tells = kind.is_there if is_modified else kind.is_meant
    found = [each for each in there if tells(part, each)]
    if not found:
        raise _invalid(kind.lacks(part, name, is_modified=is_modified))
    if kind.is_record and len(found) > 1:
        raise _invalid(f"multiple matching {kind.words}s were found in network {name}")
    others = [each for each in there if each is not found[0]]
    if not is_modified:
        return others
    _check_default(part, others, name)
    return [part if each is found[0] else each for each in there]


def _check_default(part: Element, others: list[Element], name: str) -> None:
    """Refuse a second group of ports that counts where none is named."""
    if part.attributes.get("default") == "yes" and any(
        each.attributes.get("default") == "yes" for each in others
    ):
        problem = f"a different portgroup entry in network '{name}' is already set as the default"
        raise _invalid(f"{problem}. Only one default is allowed.")
