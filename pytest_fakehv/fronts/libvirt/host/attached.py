"""What a domain's definition says of its disks and its interfaces."""

from typing import NamedTuple, Self

from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element


class Disk(NamedTuple):
    """One disk of a domain."""

    target: str
    """Its name in the domain, such as ``vda``."""
    source: str | None
    """The file, device or volume; None: nothing is in it."""
    type: str
    """Of what kind the source is, such as ``file``."""
    device: str
    """What the domain sees, such as ``disk`` or ``cdrom``."""
    element: Element
    """All that is said of it."""

    @classmethod
    def of(cls, element: Element) -> Self:
        """Return what a domain's XML says of a disk."""
        target, kind = part_of(element, "target", "dev") or "", element.attributes["type"]
        return cls(target, _source(element), kind, element.attributes["device"], element)

    @property
    def pool(self) -> str | None:
        """The pool of which its source is a volume; None for any other source."""
        return part_of(self.element, "source", "pool")

    @property
    def format(self) -> str:
        """Of what is in its source, such as ``raw``."""
        return part_of(self.element, "driver", "type") or "raw"

    @property
    def is_read_only(self) -> bool:
        """Whether the domain can't write to it."""
        return self.element.child("readonly") is not None

    @property
    def may_be_missing(self) -> bool:
        """Whether it is empty where its source isn't there when the domain starts."""
        may = part_of(self.element, "source", "startupPolicy") == "optional"
        return may and self.device in ("cdrom", "floppy")

    @property
    def is_shareable(self) -> bool:
        """Whether other domains may write to it meanwhile."""
        return self.element.child("shareable") is not None


class Interface(NamedTuple):
    """One network interface of a domain."""

    mac: str
    target: str | None
    """The host's device, where the definition names one; None: a running domain gets one."""
    type: str
    source: str | None
    model: str

    @classmethod
    def of(cls, element: Element) -> Self:
        """Return what a domain's XML says of an interface."""
        mac, model = part_of(element, "mac", "address") or "", part_of(element, "model", "type") or ""
        target, kind = part_of(element, "target", "dev"), element.attributes["type"]
        return cls(mac, target, kind, _source(element), model)


def _source(device: Element) -> str | None:
    source = device.child("source")
    if source is None:
        return None
    for attribute in ("file", "dev", "dir", "volume", "name", "network", "bridge"):
        if attribute in source.attributes:
            return source.attributes[attribute]
    return None
