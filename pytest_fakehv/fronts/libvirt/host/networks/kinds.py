"""What of a network can be changed: how parts of each kind are checked, told apart, and called in errors."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Final

from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.networks.addresses import check_host, check_range, mac_of
from pytest_fakehv.fronts.libvirt.host.networks.checks import check_portgroup
from pytest_fakehv.fronts.libvirt.host.networks.records import check_dns_host, check_srv, check_txt


class Kind(ABC):
    """One kind of part.

    Attributes:
        name: the element's name.
        path: where it stands in a network.
        words: how errors call one.
        fixed: how they call those that can't be modified; empty where they can be.
        is_record: whether it is of the network's name server.
    """

    name: ClassVar[str]
    path: ClassVar[str]
    words: ClassVar[str]
    fixed: ClassVar[str] = ""
    is_record: ClassVar[bool] = False

    def check(self, part: Element, ip: Element | None, network: str, *, is_partial: bool) -> None:  # noqa: B027  # not all can be wrong
        """Refuse a wrong part.

        Args:
            part: it.
            ip: the network's address that it belongs to; None for one that belongs to none.
            network: the network's name.
            is_partial: whether it only says which one is meant.

        Raises:
            LibvirtError: it is wrong.
        """

    @abstractmethod
    def is_there(self, new: Element, old: Element) -> bool:
        """Tell whether a part that is to be added is there already, as another one."""

    def is_meant(self, given: Element, old: Element) -> bool:
        """Tell whether a part is the one that is to be deleted."""
        return self.is_there(given, old)

    def shown(self, part: Element) -> str:
        """Return a part as errors show it."""
        attributes = "".join(f" {name}='{value}'" for name, value in part.attributes.items())
        return f"<{part.name}{attributes}/>"

    def exists(self, part: Element, network: str) -> str:
        """Say that a part is there already."""
        return f"there is an existing {self.words} in network '{network}' that matches \"{self.shown(part)}\""

    def lacks(self, part: Element, network: str, *, is_modified: bool) -> str:  # noqa: ARG002  # of others' words
        """Say that a part isn't there that is to be deleted, or modified."""
        return f"couldn't locate a matching {self.words} in network '{network}'"


class _Host(Kind):
    name, path, words = "host", "ip/dhcp", "dhcp host entry"

    def check(self, part: Element, ip: Element | None, network: str, *, is_partial: bool) -> None:
        assert ip  # noqa: S101  # by where it stands
        check_host(part, ip, network, is_partial=is_partial)

    def is_there(self, new: Element, old: Element) -> bool:
        return any(said == there for _, said, there in _compared(new, old))

    def is_meant(self, given: Element, old: Element) -> bool:
        # As there: a host of which no MAC address is known has any.
        return all(
            said == there or (name == "mac" and there is None) for name, said, there in _compared(given, old)
        )

    def shown(self, part: Element) -> str:
        mac, name, ip = _told(part)
        return f"<host mac='{mac}' name='{name}' ip='{ip}'/>"

    def lacks(self, part: Element, network: str, *, is_modified: bool) -> str:
        if not is_modified:
            return super().lacks(part, network, is_modified=False)
        mac, name, ip = _told(part)
        which = f"\"mac='{mac}'\" \"name='{name}'\" \"ip='{ip}'\""
        return f"couldn't locate an existing {self.words} with {which} in network '{network}'"


def _told(host: Element) -> tuple[str, str, str]:
    given = host.attributes
    return given.get("mac", "unknown"), given.get("name", "(null)"), given.get("ip", "unknown")


def _compared(given: Element, old: Element) -> Iterator[tuple[str, str | None, str | None]]:
    """Give what is said of a host by name, each beside what is of another one."""
    for name, said in given.attributes.items():
        there = old.attributes.get(name)
        if name == "mac":
            yield name, mac_of(said), mac_of(there or "")
        else:
            yield name, said, there


class _Range(Kind):
    name, path, words = "range", "ip/dhcp", "dhcp range entry"
    fixed = "dhcp ranges"

    def check(self, part: Element, ip: Element | None, network: str, *, is_partial: bool) -> None:  # noqa: ARG002  # all of it is given
        assert ip  # noqa: S101  # by where it stands
        check_range(part, ip, network)

    def is_there(self, new: Element, old: Element) -> bool:
        return new.attributes == old.attributes


class _Interface(Kind):
    name, path, words = "interface", "forward", "interface entry"
    fixed = "forward interface entries"

    def is_there(self, new: Element, old: Element) -> bool:
        return new.attributes.get("dev") == old.attributes.get("dev")

    def shown(self, part: Element) -> str:
        return f"<interface dev='{part.attributes.get('dev')}'>"

    def lacks(self, part: Element, network: str, *, is_modified: bool) -> str:  # noqa: ARG002  # it can't be
        return f"couldn't find an {self.words} in network '{network}' matching {self.shown(part)}"


class _PortGroup(Kind):
    name, path, words = "portgroup", "", "portgroup entry"

    def check(self, part: Element, ip: Element | None, network: str, *, is_partial: bool) -> None:  # noqa: ARG002  # as one is
        check_portgroup(part, network)

    def is_there(self, new: Element, old: Element) -> bool:
        return new.attributes.get("name") == old.attributes.get("name")

    def shown(self, part: Element) -> str:
        return f"<portgroup name='{part.attributes.get('name')}'>"

    def lacks(self, part: Element, network: str, *, is_modified: bool) -> str:  # noqa: ARG002  # the same words
        return f"couldn't find a {self.words} in network '{network}' matching {self.shown(part)}"


class _Record(Kind):
    path, is_record = "dns", True

    def exists(self, part: Element, network: str) -> str:  # noqa: ARG002  # as one is
        return (
            f"there is already at least one {self.words} matching all specified fields in network {network}"
        )

    def lacks(self, part: Element, network: str, *, is_modified: bool) -> str:  # noqa: ARG002  # it can't be
        return f"couldn't locate a matching {self.words} in network {network}"


class _DnsHost(_Record):
    name, words, fixed = "host", "DNS HOST record", "DNS HOST records"

    def check(self, part: Element, ip: Element | None, network: str, *, is_partial: bool) -> None:  # noqa: ARG002  # it has none
        check_dns_host(part, network, is_partial=is_partial)

    def is_there(self, new: Element, old: Element) -> bool:
        return new.attributes["ip"] == old.attributes["ip"]

    def is_meant(self, given: Element, old: Element) -> bool:
        names = {each.text for each in old.named("hostname")}
        return given.attributes.get("ip") == old.attributes["ip"] or any(
            each.text in names for each in given.named("hostname")
        )

    def exists(self, part: Element, network: str) -> str:  # noqa: ARG002  # as one is
        return f"there is already at least one {self.words} with a matching field in network {network}"


class _Txt(_Record):
    name, words, fixed = "txt", "DNS TXT record", "DNS TXT records"

    def check(self, part: Element, ip: Element | None, network: str, *, is_partial: bool) -> None:  # noqa: ARG002  # it has none
        check_txt(part, network, is_partial=is_partial)

    def is_there(self, new: Element, old: Element) -> bool:
        return new.attributes["name"] == old.attributes["name"]

    def exists(self, part: Element, network: str) -> str:
        return f"there is already a {self.words} with name '{part.attributes['name']}' in network {network}"


class _Srv(_Record):
    name, words, fixed = "srv", "DNS SRV record", "DNS SRV records"

    def check(self, part: Element, ip: Element | None, network: str, *, is_partial: bool) -> None:  # noqa: ARG002  # it has none
        check_srv(part, network, is_partial=is_partial)

    def is_there(self, new: Element, old: Element) -> bool:
        fields = ("service", "protocol", "domain", "target")
        return all(
            new.attributes[each] == old.attributes.get(each) for each in fields if each in new.attributes
        )


KINDS: Final[dict[int, Kind]] = {
    4: _Host(),
    5: _Range(),
    7: _Interface(),
    9: _PortGroup(),
    10: _DnsHost(),
    11: _Txt(),
    12: _Srv(),
}
"""By libvirt's number of the section of a network: ``VIR_NETWORK_SECTION_...``."""
