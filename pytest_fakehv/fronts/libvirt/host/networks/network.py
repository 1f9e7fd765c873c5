"""A network as one host knows it: its definitions, and whether it is up."""

from dataclasses import dataclass, field

from pytest_fakehv.fronts.libvirt.host.networks.definition import NetworkDefinition
from pytest_fakehv.fronts.libvirt.values import NetworkRef


@dataclass(eq=False, kw_only=True)
class Network:
    """A network of one host; changed under the cluster's lock alone.

    Attributes:
        ref: what clients know it by.
        config: its persistent definition; None for a transient one.
        live: what it is up by; None for one that is down.
        autostart: whether it starts with its host.
        last_id: the highest number of a domain that ran when it was started: these have lost it.
        addresses: what it has given away, by the MAC address of what has it.
    """

    ref: NetworkRef
    config: NetworkDefinition | None = None
    live: NetworkDefinition | None = None
    autostart: bool = False
    last_id: int = 0
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name."""
        return self.ref.name

    @property
    def uuid(self) -> bytes:
        """Its 16 bytes."""
        return self.ref.uuid

    @property
    def is_active(self) -> bool:
        """Whether it is up."""
        return self.live is not None

    @property
    def is_persistent(self) -> bool:
        """Whether it is there when it is down."""
        return self.config is not None

    @property
    def definition(self) -> NetworkDefinition:
        """What counts now: what it is up by, or would be."""
        found = self.live or self.config
        assert found  # noqa: S101  # a host has none without either
        return found
