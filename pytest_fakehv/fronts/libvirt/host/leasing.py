"""Which addresses guests have, as their hosts know it: from their networks, and from what they have said."""

from collections.abc import Iterator
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.asking import ask, tried
from pytest_fakehv.fronts.libvirt.host.attached import Interface
from pytest_fakehv.fronts.libvirt.host.checks import not_running
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.running import Place
from pytest_fakehv.fronts.libvirt.host.guests import replies
from pytest_fakehv.fronts.libvirt.host.guests.agents import NoAnswerError, RefusalError
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.networks.addresses import mac_of
from pytest_fakehv.fronts.libvirt.host.networks.leases import Lease, leases
from pytest_fakehv.fronts.libvirt.host.networks.network import Network
from pytest_fakehv.fronts.libvirt.host.networks.refusals import refused
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_IPV4: Final = 0
"""A type of address."""

_LEASE: Final = 0
_AGENT: Final = 1
_ARP: Final = 2
"""From where to take a guest's addresses: what was given away, the guest, what the host has heard."""

_HOSTNAME_BY_LEASE: Final = 1
_HOSTNAME_BY_AGENT: Final = 2
"""From where to take a guest's name."""

_Addresses = list[tuple[int, str, int]]
"""Each with its type, and how many of its bits are those of the network."""


@api("virNetworkGetDHCPLeases", about="network", flags=0)
def dhcp_leases(
    host: Host, _session: Session, network: Network, mac: str | None, need_results: int, _flags: int
) -> tuple[list[tuple[object, ...]], int]:
    """Return the addresses that a network has given away; to one alone, if a MAC address is given."""
    bridge = network.definition.bridge or ""
    wanted = None if mac is None else mac_of(mac)
    if mac is not None and wanted is None:
        raise refused(mac, Code.INVALID_MAC)
    found: list[tuple[object, ...]] = [
        (
            bridge,
            each.expires,
            _IPV4,
            each.mac,
            None,
            each.address,
            each.prefix,
            each.hostname,
            f"01:{each.mac}",
        )
        for each in _given(host, network)
        if wanted in (None, each.mac)
    ]
    return (found if need_results else []), len(found)


def _given(host: Host, network: Network) -> list[Lease]:
    with host.machine.lock:
        return leases(network, host.networks.ports(network), host.machine.now)


@api("virDomainInterfaceAddresses", waits=True, flags=0)
def addresses(
    host: Host, _session: Session, domain: Domain, source: int, _flags: int
) -> "list[tuple[str, str | None, _Addresses]]":
    """Return the addresses of its interfaces that somebody knows of."""
    place = _place(domain)
    if source == _AGENT:
        found = replies.interfaces(ask(host, domain, "guest-network-get-interfaces"))
        return [(each.name, each.mac, each.addresses) for each in found]
    if source not in (_LEASE, _ARP):
        raise failure(Code.ARGUMENT_UNSUPPORTED, f"Unknown IP address data source {source}")
    return [
        (each.target or "", each.mac, [(_IPV4, lease.address, lease.prefix if source == _LEASE else 0)])
        for each, lease in _leased(host, domain, place, source)
    ]


def _place(domain: Domain) -> Place:
    """Return where a domain runs.

    Raises:
        LibvirtError: it is shut off.
    """
    if domain.place is None:
        raise not_running()
    return domain.place


def _leased(host: Host, domain: Domain, place: Place, source: int) -> Iterator[tuple[Interface, Lease]]:
    """Give a running domain's interfaces to which networks have given addresses.

    Raises:
        LibvirtError: a network that it names is no more.
    """
    for each in domain.definition.at(place).interfaces:
        if source == _ARP:
            networks = list(host.networks)
        elif each.type == "network":
            networks = [host.networks.named(each.source or "")]
        else:
            continue
        for network in networks:
            for lease in _given(host, network):
                if lease.mac == each.mac:
                    yield each, lease


@api("virDomainGetHostname", waits=True, flags=_HOSTNAME_BY_LEASE | _HOSTNAME_BY_AGENT)
def hostname(host: Host, _session: Session, domain: Domain, flags: int) -> str:
    """Return what a guest calls itself, as far as its networks know."""
    if flags == _HOSTNAME_BY_LEASE | _HOSTNAME_BY_AGENT:
        problem = (
            "Flags 'VIR_DOMAIN_GET_HOSTNAME_LEASE' and 'VIR_DOMAIN_GET_HOSTNAME_AGENT' are mutually exclusive"
        )
        raise wrong_argument("qemuDomainGetHostname", "ctl", problem, origin=Origin.QEMU)
    place = _place(domain)
    if flags == _HOSTNAME_BY_LEASE:
        found = next((lease.hostname for _, lease in _leased(host, domain, place, _LEASE)), None)
    else:
        found = _said_name(host, domain)
    if found is None:
        raise failure(Code.NO_HOSTNAME, f"no hostname found for domain {domain.name}")
    return found


def _said_name(host: Host, domain: Domain) -> str | None:
    """Return what a guest's agent says that the guest is called; None where it doesn't say that."""
    try:
        return replies.host_name(tried(host, domain, "guest-get-host-name"))
    except (NoAnswerError, RefusalError):
        return None
