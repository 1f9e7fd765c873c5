"""A secret's definition: what a client wrote, checked, and how it is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Self
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.completion import checked_uuid
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_root
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, written
from pytest_fakehv.fronts.libvirt.values import SecretRef


class _Usage(NamedTuple):
    """What a secret can be for."""

    number: int
    part: str
    """What in the XML says for which one."""
    problem: str
    """What is said where nothing does."""


_USAGES: Final[Mapping[str, _Usage]] = {
    "volume": _Usage(1, "volume", "volume usage specified, but volume path is missing"),
    "ceph": _Usage(2, "name", "Ceph usage specified, but name is missing"),
    "iscsi": _Usage(3, "target", "iSCSI usage specified, but target is missing"),
    "tls": _Usage(4, "name", "TLS usage specified, but name is missing"),
    "vtpm": _Usage(5, "name", "vTPM usage specified, but name is missing"),
}


def number_of(usage: str) -> int:
    """Return the number of what a secret can be for, such as ``ceph``."""
    return _USAGES[usage].number


_NONE: Final = "none"
"""Of a secret that is for nothing in particular."""


@dataclass(frozen=True, kw_only=True)
class SecretDefinition:
    """A secret as it is defined.

    Attributes:
        uuid: its 16 bytes.
        is_ephemeral: whether it is gone once its host's daemon is.
        is_private: whether nobody is told its value.
        description: what somebody says of it; None for nothing.
        usage: what it is for, as the XML has it; None for nothing in particular.
        usage_id: which one it is for.
    """

    uuid: bytes
    is_ephemeral: bool
    is_private: bool
    description: str | None
    usage: str | None
    usage_id: str

    @classmethod
    def parse(cls, xml: str, make_uuid: Callable[[], bytes]) -> Self:
        """Read a secret's XML as a user writes it.

        Args:
            xml: the document.
            make_uuid: what gives 16 bytes for a secret without a uuid.

        Raises:
            LibvirtError: it is malformed, no secret, or there is something wrong in it.
        """
        root = read(xml, "definition_of_secret", Origin.SECRET)
        check_root(root, "secret")
        flags = {key: _flag(root, key) for key in ("ephemeral", "private")}
        uuid = checked_uuid(root, Origin.SECRET)
        description = root.child("description")
        usage, usage_id = _usage(root.child("usage"))
        return cls(
            uuid=uuid or make_uuid(),
            is_ephemeral=flags["ephemeral"],
            is_private=flags["private"],
            description=description.text if description else None,
            usage=usage,
            usage_id=usage_id,
        )

    @property
    def ref(self) -> SecretRef:
        """What clients know it by."""
        return SecretRef(self.uuid, _USAGES[self.usage].number if self.usage else 0, self.usage_id)

    def xml(self) -> str:
        """Write it as libvirt does."""
        parts = [Element("uuid", {}, (str(UUID(bytes=self.uuid)),))]
        if self.description:
            parts.append(Element("description", {}, (self.description,)))
        if self.usage:
            which = Element(_USAGES[self.usage].part, {}, (self.usage_id,))
            parts.append(Element("usage", {"type": self.usage}, (which,)))
        flags = {"ephemeral": self.is_ephemeral, "private": self.is_private}
        return written(
            Element("secret", {key: "yes" if given else "no" for key, given in flags.items()}, tuple(parts))
        )


def _flag(root: Element, name: str) -> bool:
    given = root.attributes.get(name, "no")
    if given not in {"yes", "no"}:
        raise failure(Code.XML_ERROR, f"invalid value of '{name}'", origin=Origin.SECRET)
    return given == "yes"


def _usage(usage: Element | None) -> tuple[str | None, str]:
    """Return what a secret is for, and for which one."""
    kind = usage.attributes.get("type") if usage else _NONE
    if usage is None or kind == _NONE:
        return None, ""
    if kind is None:
        raise failure(Code.XML_ERROR, "unknown secret usage type", origin=Origin.SECRET)
    if kind not in _USAGES:
        raise failure(Code.CONFIG_UNSUPPORTED, f"unknown secret usage type {kind}", origin=Origin.SECRET)
    which = usage.child(_USAGES[kind].part)
    if which is None or not which.text:
        raise _internal(_USAGES[kind].problem)
    return kind, which.text


def _internal(problem: str) -> LibvirtError:
    return failure(Code.INTERNAL_ERROR, problem, origin=Origin.SECRET)
