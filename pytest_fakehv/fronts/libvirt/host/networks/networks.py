"""The networks of one host: which there are, which of them are up, and who is connected to which."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from errno import ERANGE
from functools import lru_cache
from itertools import count
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure, system_failure
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.running import Bridge
from pytest_fakehv.fronts.libvirt.host.networks.definition import NetworkDefinition
from pytest_fakehv.fronts.libvirt.host.networks.network import Network
from pytest_fakehv.fronts.libvirt.host.networks.refusals import refused
from pytest_fakehv.fronts.libvirt.host.registry import Registry, no_network
from pytest_fakehv.fronts.libvirt.host.words import NetworkEventKind, NetworkLifecycle
from pytest_fakehv.fronts.libvirt.values import NetworkRef, Notice
from pytest_fakehv.text import natural_order

_DEFAULT: Final = """
<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.122.2' end='192.168.122.254'/>
    </dhcp>
  </ip>
</network>
"""
"""The network that distributions give to every host."""

_BRIDGES: Final = "virbr%d"
_LONGEST_BRIDGE: Final = 15
"""Characters, as Linux has it."""


@lru_cache(maxsize=128)  # each test has the same hosts anew
def _default(host: UUID) -> NetworkDefinition:
    """Return the network that a host of a UUID comes with."""
    return NetworkDefinition.parse(_DEFAULT, lambda: uuid5(host, "network default").bytes)


class Port(NamedTuple):
    """Where an interface of a domain is connected to a network."""

    domain: Domain
    mac: str
    is_named: bool
    """Whether the domain names the network; else it names its bridge."""


class Networks:
    """The networks of one host; changed under the cluster's lock alone.

    Args:
        host: the host's UUID.
        domains: gives the host's domains.
        tell: sends an event to whoever wants to know.
    """

    def __init__(
        self, host: UUID, domains: Callable[[], Iterable[Domain]], tell: Callable[[Notice], None]
    ) -> None:
        self._domains = domains
        self._tell = tell
        self._registry = Registry[Network]()
        default = _default(host)
        self._registry.add(Network(definition=default, config=default, autostart=True))

    def __iter__(self) -> Iterator[Network]:
        """Go through all of them, by name."""
        return iter(sorted(self._registry, key=lambda each: natural_order(each.name)))

    def by_uuid(self, key: bytes) -> Network | None:
        """Return the network of a UUID's 16 bytes; None if there is none."""
        return self._registry.by_uuid(key)

    def find(self, ref: NetworkRef) -> Network:
        """Return the network that a client means.

        Raises:
            LibvirtError: there is none any more.
        """
        if network := self._registry.by_uuid(ref.uuid):
            return network
        raise no_network(ref)

    # Definitions

    def define(self, definition: NetworkDefinition) -> Network:
        """Define a network, or change its definition.

        Raises:
            LibvirtError: its bridge, its name or its UUID is another one's.
        """
        definition = self._with_bridge(definition)
        network = self._known(definition) or self._add(definition)
        network.defined(definition)
        self._say(network, NetworkLifecycle.DEFINED)
        return network

    def undefine(self, network: Network) -> None:
        """Let a network have no persistent definition, and be no more once it is down.

        Raises:
            LibvirtError: it has none.
        """
        if not network.is_persistent:
            raise _invalid("can't undefine transient network")
        network.autostart = False
        self._say(network, NetworkLifecycle.UNDEFINED)
        if network.is_active:
            network.config = None
        else:
            self._registry.drop(network)

    def _known(self, definition: NetworkDefinition, *, is_started: bool = False) -> Network | None:
        """Return the network that a definition is of; None for a new one.

        Raises:
            LibvirtError: its name, or its UUID, is another one's; or it is to be started, and up.
        """
        by_uuid = self._registry.by_uuid(definition.uuid)
        by_name = self._registry.by_name(definition.name)
        if by_uuid and by_uuid.name != definition.name:
            problem = f"network '{by_uuid.name}' is already defined with uuid {UUID(bytes=by_uuid.uuid)}"
            raise refused(problem, Code.OPERATION_FAILED)
        if by_name and by_name.uuid != definition.uuid:
            problem = f"network '{by_name.name}' already exists with uuid {UUID(bytes=by_name.uuid)}"
            raise refused(problem, Code.OPERATION_FAILED)
        if by_uuid and is_started and by_uuid.is_active:
            raise _invalid(f"network is already active as '{by_uuid.name}'")
        return by_uuid

    def _add(self, definition: NetworkDefinition) -> Network:
        network = Network(definition=definition)
        self._registry.add(network)
        return network

    def _with_bridge(self, definition: NetworkDefinition) -> NetworkDefinition:
        """Return a definition with a bridge that is no other network's.

        Raises:
            LibvirtError: the bridge that it names is.
        """
        if not definition.is_managed:
            return definition
        taken = {
            each.bridge
            for network in self._registry
            if network.name != definition.name
            for each in (network.live, network.config)
            if each
        }
        name = definition.bridge or _BRIDGES
        if "%d" not in name:
            if name in taken:
                raise refused(f"bridge name '{name}' already in use.", Code.INTERNAL_ERROR)
            return definition
        taken |= {each.live.bridge for each in self._registry if each.live}
        names = (name.replace("%d", str(number)) for number in count())
        return definition.with_bridge(next(each for each in names if each not in taken))

    # Up and down

    def create(self, definition: NetworkDefinition) -> Network:
        """Start a network of a definition, which goes with it unless it is defined already.

        Raises:
            LibvirtError: as `define` and `start`.
        """
        definition = self._with_bridge(definition)
        network = self._known(definition, is_started=True)
        live = self._started(definition)
        network = network or self._add(definition)
        self._goes_up(network, live)
        return network

    def start(self, network: Network) -> None:
        """Start a network.

        Raises:
            LibvirtError: it is up, or can't be.
        """
        if network.is_active:
            raise _invalid("network is already active")
        self._goes_up(network, self._started(network.definition))

    def stop(self, network: Network) -> None:
        """Take a network down.

        Raises:
            LibvirtError: it is.
        """
        check_active(network)
        self._goes_down(network)
        self._say(network, NetworkLifecycle.STOPPED)

    def boots(self) -> None:
        """Start what is to start with the host."""
        for network in self:
            if network.autostart:
                with suppress(LibvirtError):  # as a daemon, which notes that, and goes on with the next
                    self.start(network)

    def goes_down(self) -> None:
        """Take all of them down with the host, and forget those that aren't defined."""
        for network in self:
            self._goes_down(network)

    def _goes_down(self, network: Network) -> None:
        network.goes_down()
        if not network.is_persistent:
            self._registry.drop(network)

    def _started(self, definition: NetworkDefinition) -> NetworkDefinition:
        """Return a definition as it is once the network is up.

        Raises:
            LibvirtError: it can't be.
        """
        if not definition.is_managed:
            if device := definition.root.at("forward/pf"):
                problem = f"No usable Vf's present on SRIOV PF {device.attributes.get('dev')}"
                raise refused(problem, Code.INTERNAL_ERROR)
            return definition
        bridge = definition.bridge or ""
        if len(bridge) > _LONGEST_BRIDGE:
            raise system_failure(f"error creating bridge interface {bridge}", ERANGE)
        own = _reached(definition)
        for other in self:
            if other.live and own & _reached(other.live):
                problem = f"Network is already in use by interface {other.live.bridge}"
                raise failure(Code.INTERNAL_ERROR, problem, origin=Origin.NONE)
        return definition.started()

    def _goes_up(self, network: Network, live: NetworkDefinition) -> None:
        network.goes_up(live, max((each.id for each in self._domains()), default=0))
        self._say(network, NetworkLifecycle.STARTED)

    def _say(self, network: Network, what: NetworkLifecycle) -> None:
        self._tell(Notice(NetworkEventKind.LIFECYCLE, network.ref, (int(what), 0)))

    # Who is connected

    def check(self, domain: Definition) -> None:
        """Refuse a domain that can't run, as a network that it is to be connected to isn't up.

        Raises:
            LibvirtError: it isn't, or there is none.
        """
        for each in domain.interfaces:
            if each.type == "network":
                check_active(self.named(each.source or ""))

    def bridges(self, domain: Definition) -> tuple[Bridge, ...]:
        """Return to which bridges a domain is connected that starts now, by the names of its networks."""
        names = {each.source for each in domain.interfaces if each.type == "network"}
        return tuple(
            Bridge(network.name, network.live.bridge, is_made=network.live.is_managed)
            for network in self
            if network.name in names and network.live and network.live.bridge
        )

    def named(self, name: str) -> Network:
        """Return the network of a name.

        Raises:
            LibvirtError: there is none.
        """
        if network := self._registry.by_name(name):
            return network
        raise failure(Code.NO_NETWORK, f"no network with matching name '{name}'", origin=Origin.NETWORK)

    def ports(self, network: Network) -> list[Port]:
        """Return where interfaces of domains are connected to a network, in the order of their starts."""
        if not network.is_active:
            return []
        ways = {("network", network.name)}
        if network.definition.is_managed:
            ways.add(("bridge", network.definition.bridge or ""))
        running = [each for each in self._domains() if each.id > network.last_id]
        return [
            Port(domain, interface.mac, is_named=interface.type == "network")
            for domain in sorted(running, key=lambda each: each.id)
            for interface in domain.definition.interfaces
            if (interface.type, interface.source) in ways
        ]


def check_active(network: Network) -> None:
    """Refuse a network that is down.

    Raises:
        LibvirtError: it is.
    """
    if not network.is_active:
        raise _invalid(f"network '{network.name}' is not active")


def _reached(definition: NetworkDefinition) -> set[object]:
    """Return what of IPv4 a network leads to."""
    return {each.network for each in definition.interfaces if each.version == 4}  # noqa: PLR2004


def _invalid(detail: str) -> LibvirtError:
    return refused(detail, Code.OPERATION_INVALID)
