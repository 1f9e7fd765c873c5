"""What libvirt's callers and its hosts speak of, before it is bytes."""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

NO_ID: Final = -1
"""The id of a domain that doesn't run."""


class DomainRef(NamedTuple):
    """Which domain: what a client holds of one, and sends with each call about it."""

    name: str
    uuid: bytes
    """16 bytes, which alone decide: a client's name and id may be old."""
    id: int = NO_ID

    def __repr__(self) -> str:
        """Show what tells domains from each other, for people."""
        return f"<domain {self.name}>"


class PoolRef(NamedTuple):
    """Which storage pool, as `DomainRef`."""

    name: str
    uuid: bytes

    def __repr__(self) -> str:
        """Show what tells pools from each other, for people."""
        return f"<pool {self.name}>"


class VolumeRef(NamedTuple):
    """Which volume of a storage pool: its name there, and its key, which alone decides where there is one."""

    pool: str
    name: str
    key: str

    def __repr__(self) -> str:
        """Show what tells volumes from each other, for people."""
        return f"<volume {self.pool}/{self.name}>"


class NetworkRef(NamedTuple):
    """Which network, as `DomainRef`."""

    name: str
    uuid: bytes

    def __repr__(self) -> str:
        """Show what tells networks from each other, for people."""
        return f"<network {self.name}>"


class SecretRef(NamedTuple):
    """Which secret: its UUID, as of `DomainRef`; and what it is for."""

    uuid: bytes
    usage_type: int
    usage_id: str

    def __repr__(self) -> str:
        """Show what tells secrets from each other, for people."""
        return f"<secret {self.usage_id or UUID(bytes=self.uuid)}>"


class NodeDeviceRef(NamedTuple):
    """Which of the host's own devices: its name alone."""

    name: str

    def __repr__(self) -> str:
        """Show it for people."""
        return f"<node device {self.name}>"


class SnapshotRef(NamedTuple):
    """Which snapshot of a domain: its name there."""

    name: str
    domain: DomainRef

    def __repr__(self) -> str:
        """Show what tells snapshots from each other, for people."""
        return f"<snapshot {self.domain.name}/{self.name}>"


_NAME: Final = re.compile(r"<name>\s*([^<]*?)\s*</name>")


class Xml(str):
    """A definition, all of it; people see whose it is."""

    __slots__ = ()

    @property
    def name(self) -> str | None:
        """The name of what it defines; None where it has none."""
        found = _NAME.search(self)
        return found[1] if found else None

    def __repr__(self) -> str:
        return f"<definition of {self.name}>" if self.name else super().__repr__()


class Kind(IntEnum):
    """Of what type a parameter's value is."""

    INT = 1
    UINT = 2
    LLONG = 3
    ULLONG = 4
    DOUBLE = 5
    BOOLEAN = 6
    STRING = 7


class Parameter(NamedTuple):
    """One of the named values of which libvirt's newer calls take and return lists; names may repeat."""

    field: str
    type: int
    """A `Kind`."""
    value: Any

    def __repr__(self) -> str:
        """Show it for people."""
        value = Xml(self.value) if self.field.endswith("_xml") else self.value
        return f"{self.field}={value!r}"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that befell a domain, a pool, a network, a secret, a host's device, for who asked to know."""

    kind: int
    """libvirt's number of the event: of domains 0 lifecycle, 1 reboot, 13 balloon, and so on."""
    about: DomainRef | PoolRef | NetworkRef | SecretRef | NodeDeviceRef
    details: tuple[Any, ...] = ()
    """What follows it in the message, as the table of events says."""
