"""A network as one host knows it: its definitions, and whether it is up."""

from dataclasses import dataclass, field

from pytest_fakehv.fronts.libvirt.host.networks.definition import NetworkDefinition
from pytest_fakehv.fronts.libvirt.values import NetworkRef


@dataclass(eq=False, kw_only=True)
class Network:
    """A network of one host; changed under the cluster's lock alone.

    Attributes:
        definition: what counts now: what it is up by, or would be.
        config: its persistent definition; None for a transient one.
        is_active: whether it is up.
        autostart: whether it starts with its host.
        last_id: the highest number of a domain that ran when it was started: these have lost it.
        addresses: what it has given away, by the MAC address of what has it.
    """

    definition: NetworkDefinition
    config: NetworkDefinition | None = None
    is_active: bool = False
    autostart: bool = False
    last_id: int = 0
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name."""
        return self.definition.name

    @property
    def uuid(self) -> bytes:
        """Its 16 bytes."""
        return self.definition.uuid

    @property
    def ref(self) -> NetworkRef:
        """What clients know it by."""
        return NetworkRef(self.name, self.uuid)

    @property
    def is_persistent(self) -> bool:
        """Whether it is there when it is down."""
        return self.config is not None

    @property
    def live(self) -> NetworkDefinition | None:
        """What it is up by; None for one that is down."""
        return self.definition if self.is_active else None

    def defined(self, config: NetworkDefinition) -> None:
        """Note its persistent definition, from now on."""
        self.config = config
        if not self.is_active:
            self.definition = config

    def goes_up(self, live: NetworkDefinition, last_id: int) -> None:
        """Note that it is up by a definition, from now on."""
        self.is_active, self.definition, self.last_id = True, live, last_id
        self.addresses.clear()

    def goes_down(self) -> None:
        """Note that it is down, from now on."""
        self.is_active = False
        self.definition = self.config or self.definition
