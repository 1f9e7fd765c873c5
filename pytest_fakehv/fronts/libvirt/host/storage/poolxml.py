"""A storage pool's XML: what a client wrote, checked and completed, and written as libvirt writes it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import (
    check_choice,
    check_root,
    integer,
    scaled,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, words, written
from pytest_fakehv.fronts.libvirt.host.storage.space import SHARED, Address, Permissions


class Kind(NamedTuple):
    """What distinguishes one kind of pool."""

    formats: tuple[str, ...] = ()
    """Those that its source can have."""
    default: str = ""
    """The one that it has where its XML says none."""
    source: tuple[str, ...] = ()
    """The parts of its source, in libvirt's order."""
    needed: tuple[str, ...] = ()
    """Those of them without which it is none."""


KINDS: Final = {
    "dir": Kind(),
    "fs": Kind(
        words("auto ext2 ext3 ext4 ufs iso9660 udf gfs gfs2 vfat hfs+ xfs ocfs2 vmfs"),
        "auto",
        ("device", "format", "vendor", "product"),
        ("device",),
    ),
    "netfs": Kind(
        ("auto", "nfs", "glusterfs", "cifs"),
        "auto",
        ("host", "dir", "format", "protocol", "vendor", "product"),
        ("host", "dir"),
    ),
    "logical": Kind(
        ("unknown", "lvm2"), "lvm2", ("device", "name", "format", "vendor", "product"), ("name",)
    ),
}
"""The kinds of pools that a host can have."""

ALL_KINDS: Final = (
    "dir", "fs", "netfs", "logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath", "rbd", "sheepdog",
    "gluster", "zfs", "vstorage",
)  # fmt: skip
"""Those that libvirt knows, in the order of its numbers."""

_MISSING: Final = {
    "host": "missing storage pool source host name",
    "dir": "missing storage pool source path",
    "device": "missing storage pool source device name",
}
_TELLING: Final = {"host": "name", "dir": "path", "device": "path"}
"""Which attribute says what a part of a source is."""

_UUID: Final = re.compile("[0-9a-fA-F]{32}")


def wrong(detail: str) -> LibvirtError:
    """Return the error that a pool's or a volume's XML says something wrong."""
    return failure(Code.XML_ERROR, detail, origin=Origin.STORAGE)


@dataclass(frozen=True, kw_only=True)
class PoolDefinition:
    """A storage pool as it is defined.

    Attributes:
        name: its name.
        uuid: its 16 bytes.
        kind: of which kind it is, one of `KINDS`.
        source: where what is in it comes from.
        path: the folder where its volumes are to be found.
        permissions: who may do what with that folder; None where nobody has said that, or looked.
        capacity: how many bytes it has; None where its XML doesn't say it, as libvirt has none there.
    """

    name: str
    uuid: bytes
    kind: str
    source: Element
    path: str
    permissions: "WantedPermissions | None" = None
    capacity: int | None = None

    @staticmethod
    def parse(xml: str, make_uuid: Callable[[], bytes]) -> "PoolDefinition":
        """Read a pool's XML as a user writes it.

        Args:
            xml: the document.
            make_uuid: what gives 16 bytes for a pool without a UUID.

        Raises:
            LibvirtError: it is malformed, no pool, or there is something wrong in it.
        """
        root = read(xml, "storage_pool_definition", Origin.STORAGE)
        check_root(root, "pool")
        check_choice(root, "type", ALL_KINDS, is_needed=True)
        kind = root.attributes["type"]
        if kind not in KINDS:
            detail = f"missing backend for pool type {ALL_KINDS.index(kind)} ({kind})"
            raise failure(Code.INTERNAL_ERROR, detail, origin=Origin.STORAGE)
        given = root.child("source") or Element("source")
        form = _format(given, kind)
        name = text_of(root, "name") or text_of(given, "name")
        if not name:
            raise wrong("missing pool source name element")
        if "/" in name:
            raise wrong(f"name {name} cannot contain '/'")
        key = _uuid(root) or make_uuid()
        source = _source(given, kind, name, form)
        target = root.child("target") or Element("target")
        path = f"/dev/{text_of(source, 'name')}" if kind == "logical" else text_of(target, "path")
        if not path:
            raise wrong("missing storage pool target path")
        return PoolDefinition(
            name=name,
            uuid=key,
            kind=kind,
            source=source,
            path=tidy(path),
            permissions=permissions_of(target),
            capacity=size(root, "capacity"),
        )

    def address(self, node: str) -> Address:
        """Return where on a node what is in the pool is: hosts share what comes from the same server."""
        if self.kind == SHARED:
            return self.kind, self.told("host"), self.told("dir")
        where = {"dir": self.path, "fs": self.told("device"), "logical": text_of(self.source, "name")}
        return self.kind, node, where[self.kind]

    def told(self, part: str) -> str:
        """Return what a part of the source says: its first device's path, its host's name; "" without one."""
        found = self.source.child(part)
        return found.attributes[_TELLING[part]] if found else ""

    @property
    def format(self) -> str:
        """Of which format its source is; "" where its kind knows none."""
        found = self.source.child("format")
        return found.attributes["type"] if found else ""

    @property
    def devices(self) -> list[str]:
        """The paths of the devices that are its source."""
        return [each.attributes["path"] for each in self.source.named("device")]

    def conflicts(self, other: "PoolDefinition") -> bool:
        """Tell whether another pool, of another name, would be of the same source."""
        if self.kind != other.kind:
            return False
        if self.kind == "logical":
            return bool({*self.devices} & {*other.devices})
        return self.address("") == other.address("")

    def xml(self, figures: tuple[int, int, int]) -> str:
        """Write it.

        Args:
            figures: its capacity, allocation, and what is available, in bytes.
        """
        names = ("capacity", "allocation", "available")
        sizes = (bytes_element(*each) for each in zip(names, figures, strict=True))
        target = [Element("path", {}, (self.path,))]
        if self.permissions:
            target.append(self.permissions.element)
        root = Element(
            "pool",
            {"type": self.kind},
            (
                Element("name", {}, (self.name,)),
                Element("uuid", {}, (str(UUID(bytes=self.uuid)),)),
                *sizes,
                self.source,
                Element("target", {}, tuple(target)),
            ),
        )
        return written(root).replace("  <source/>\n", "  <source>\n  </source>\n")


class WantedPermissions(NamedTuple):
    """The permissions of a file or a folder as XML says them: what is None there is as usual."""

    mode: int | None
    owner: int | None
    group: int | None
    label: str | None = None

    def over(self, usual: Permissions) -> Permissions:
        """Return them, with the usual ones for what they leave out."""
        given = self.mode, self.owner, self.group
        return Permissions(*(b if a is None else a for a, b in zip(given, usual, strict=True)))

    @property
    def element(self) -> Element:
        """The XML of them."""
        parts = {
            "mode": None if self.mode is None else f"{self.mode:04o}",
            "owner": None if self.owner is None else str(self.owner),
            "group": None if self.group is None else str(self.group),
            "label": self.label,
        }
        return Element(
            "permissions",
            {},
            tuple(Element(name, {}, (value,)) for name, value in parts.items() if value is not None),
        )


def permissions_of(target: Element) -> WantedPermissions | None:
    """Return what a target's XML says of permissions; None where it says nothing.

    Raises:
        LibvirtError: they are none.
    """
    element = target.child("permissions")
    if element is None or not element.content:
        return None
    mode = text_of(element, "mode")
    if mode and not re.fullmatch("0*[0-7]{1,4}", mode):
        raise wrong("malformed octal mode")
    return WantedPermissions(
        int(mode, 8) if mode else None,
        _number(element, "owner"),
        _number(element, "group"),
        text_of(element, "label") or None,
    )


def _number(element: Element, name: str) -> int | None:
    text = text_of(element, name)
    if text in ("", "-1"):
        return None
    number = integer(text)
    if number is None:
        raise wrong(f"malformed {name} element")
    return number


def text_of(element: Element, name: str) -> str:
    """Return the text of the first child of a name; "" without one."""
    child = element.child(name)
    return child.text if child else ""


def size(element: Element, name: str, called: str | None = None) -> int | None:
    """Return how many bytes a child of a name says; None without one.

    Args:
        element: the parent.
        name: the child's.
        called: how an error calls it; None: by its name.

    Raises:
        LibvirtError: it says no number, of no unit, or too many.
    """
    child = element.child(name)
    if child is None or not child.text:
        return None
    value = integer(child.text, 2**64 - 1)
    if value is None:
        raise wrong(f"malformed {called or name} element")
    return scaled(value, child.attributes.get("unit", ""), default="bytes")


def bytes_element(name: str, count: int) -> Element:
    """Return the XML of a number of bytes."""
    return Element(name, {"unit": "bytes"}, (str(count),))


def tidy(path: str) -> str:
    """Return a path without what it has twice of slashes, or behind it."""
    return re.sub("/+", "/", path).rstrip("/") or "/"


def _format(source: Element, kind: str) -> str | None:
    formats, default, *_ = KINDS[kind]
    if not formats:
        return None
    element = source.child("format")
    given = element.attributes.get("type", default) if element else default
    if given not in formats:
        raise failure(Code.CONFIG_UNSUPPORTED, f"unknown pool format type {given}", origin=Origin.STORAGE)
    return given


def _uuid(root: Element) -> bytes | None:
    text = text_of(root, "uuid").strip()
    if not text:
        return None
    digits = text.replace("-", "")
    if not _UUID.fullmatch(digits):
        raise wrong("malformed uuid element")
    return bytes.fromhex(digits)


def _source(given: Element, kind: str, name: str, form: str | None) -> Element:
    """Return a pool's source as libvirt writes it: what its kind has of it, in that order."""
    parts: list[Element] = []
    for part in KINDS[kind].source:
        if part == "format":
            parts.append(Element("format", {"type": form or ""}))
        elif part == "name":
            parts.append(Element("name", {}, (text_of(given, "name") or name,)))
        else:
            parts += _parts(given, kind, part)
    return Element("source", {}, tuple(parts))


def _parts(given: Element, kind: str, part: str) -> list[Element]:
    found = list(given.named(part))
    if part in _TELLING:
        found = [each for each in found if each.attributes.get(_TELLING[part])]
        if part == "dir":
            found = [each.having(path=tidy(each.attributes["path"])) for each in found]
        if part in KINDS[kind].needed and not found:
            raise wrong(_MISSING[part])
    return found if (kind, part) == ("logical", "device") else found[:1]
