"""What a network's name server says: what a daemon refuses of it."""

from collections.abc import Callable, Mapping
from typing import Final

from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, integer
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.networks.addresses import address_of
from pytest_fakehv.fronts.libvirt.host.networks.refusals import malformed, refused

_HIGHEST: Final = 65535


def check_dns(dns: Element, name: str) -> None:
    """Refuse a name server with something wrong in it.

    Args:
        dns: What it says.
        name: The network's name.

    Raises:
        LibvirtError: There is.
    """
    check_choice(dns, "enable", ("yes", "no"))
    for each in dns.children:
        _RECORDS[each.name](each, name)


def _check_forwarder(forwarder: Element, name: str) -> None:
    address = forwarder.attributes.get("addr")
    if address is None and "domain" not in forwarder.attributes:
        raise refused("Invalid forwarder element, must contain at least one of addr or domain")
    if address is not None and address_of(address) is None:
        raise refused(f"Invalid forwarder IP address '{address}' in network '{name}'")


def check_txt(txt: Element, name: str, *, is_partial: bool = False) -> None:
    """Refuse a wrong record of a text.

    Args:
        txt: The record.
        name: The network's name.
        is_partial: Whether it only says which one is meant.

    Raises:
        LibvirtError: It is wrong.
    """
    given = txt.attributes.get("name", "")
    if not given:
        raise malformed(f"missing required name attribute in DNS TXT record of network {name}")
    if " " in given:
        raise malformed(f"prohibited character in DNS TXT record name '{given}' of network {name}")
    if not (txt.attributes.get("value") or is_partial):
        raise malformed(
            f"missing required value attribute in DNS TXT record named '{given}' of network {name}"
        )


def check_srv(srv: Element, name: str, *, is_partial: bool = False) -> None:
    """Refuse a wrong record of a service; takes and raises what `check_txt` does."""
    service = srv.attributes.get("service")
    if not (service or is_partial):
        raise malformed(f"missing required service attribute in DNS SRV record of network '{name}'")
    if not (srv.attributes.get("protocol") or is_partial):
        raise malformed(
            f"missing required protocol attribute in DNS SRV record '{service}' of network '{name}'"
        )
    for attribute in ("port", "priority", "weight"):
        given = srv.attributes.get(attribute)
        if given is None:
            continue
        if "target" not in srv.attributes:
            problem = f"DNS SRV {attribute} attribute not permitted without target for service '{service}'"
            raise malformed(f"{problem} in network '{name}'")
        number = integer(given)
        if number is None:
            raise malformed(
                f"Invalid DNS SRV {attribute} attribute for service '{service}' in network '{name}'"
            )
        if number > _HIGHEST:
            raise malformed(
                f"invalid DNS SRV {attribute} attribute for service '{service}' in network '{name}'"
            )


def check_dns_host(host: Element, name: str, *, is_partial: bool = False) -> None:
    """Refuse a wrong record of a host; takes and raises what `check_txt` does."""
    address = host.attributes.get("ip")
    names = [each.text for each in host.named("hostname") if each.text]
    where = f"in network '{name}' DNS HOST record"
    if is_partial and not (address or names):
        raise malformed(f"Missing ip and hostname {where}")
    if address is None and not is_partial:
        raise malformed(f"Missing IP address {where}")
    if address is not None and address_of(address) is None:
        raise malformed(f"Invalid IP address {where}")
    if not (names or is_partial):
        raise malformed(f"Missing hostname {where}")


_RECORDS: Final[Mapping[str, Callable[[Element, str], None]]] = {
    "forwarder": _check_forwarder,
    "txt": check_txt,
    "srv": check_srv,
    "host": check_dns_host,
}
