"""A volume's XML: what a client wants, and what there is, written as libvirt writes it."""

import re
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_root
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, words, written
from pytest_fakehv.fronts.libvirt.host.storage.poolxml import (
    WantedPermissions,
    bytes_element,
    permissions_of,
    size,
    text_of,
    wrong,
)
from pytest_fakehv.fronts.libvirt.host.storage.space import Backing, Image, ImageType, Permissions

FORMATS: Final = words("none raw dir bochs cloop dmg iso vpc vdi fat vhd ploop cow qcow qcow2 qed vmdk")
"""What libvirt can say of a volume that is a file; the first says that nobody knows."""

_USUAL: Final = Permissions(0o600)

_NS: Final = 10**9


@dataclass(frozen=True, kw_only=True)
class WantedVolume:
    """A volume as a client wants it.

    Attributes:
        name: its name.
        format: of what is to be in it.
        capacity: how many bytes it is to have; None for as many as what it is made of.
        allocation: how many of them are to be allocated at once; None for all.
        permissions: who may do what with it, where the usual isn't wanted.
        backing: what it is to be the difference to; None for nothing.
        compat: the version of its format; None for the usual one.
        features: those of its format; None for the usual ones.
        secret: the UUID of the secret that it is to be encrypted with, "" for one that isn't named; None: it
            isn't to be encrypted.
    """

    name: str
    format: str
    capacity: int | None
    allocation: int | None
    permissions: Permissions
    backing: Backing | None
    compat: str | None
    features: tuple[str, ...] | None
    secret: str | None

    @staticmethod
    def parse(xml: str, *, needs_capacity: bool = True) -> "WantedVolume":
        """Read a volume's XML as a user writes it.

        Args:
            xml: the document.
            needs_capacity: whether it must say how many bytes the volume has, unless it is the difference to
                another one.

        Raises:
            LibvirtError: it is malformed, no volume, or there is something wrong in it.
        """
        root = read(xml, "storage_volume_definition", Origin.STORAGE)
        check_root(root, "volume")
        name = text_of(root, "name")
        if not name:
            raise wrong("missing volume name element")
        backing = _backing(root)
        capacity = size(root, "capacity")
        if capacity is None and needs_capacity and not backing:
            raise wrong("missing capacity element")
        allocation = size(root, "allocation", "capacity")
        target = root.child("target") or Element("target")
        form = _format(target)
        wanted = permissions_of(target) or WantedPermissions(None, None, None)
        encryption = target.child("encryption") or root.child("encryption")
        secret = encryption and encryption.child("secret")
        features = target.child("features")
        return WantedVolume(
            name=name,
            format=form,
            capacity=capacity,
            allocation=allocation,
            permissions=wanted.over(_USUAL),
            backing=backing,
            compat=_compat(target),
            features=None if features is None else tuple(each.name for each in features.children),
            secret=None if encryption is None else secret.attributes.get("uuid", "") if secret else "",
        )


def volume_xml(image: Image, key: str, path: str, backing: Image | None) -> str:
    """Write what there is of a volume.

    Args:
        image: the volume.
        key: its key.
        path: where it is to be found.
        backing: what it is the difference to, where that is there.
    """
    parts = [Element("name", {}, (image.name,)), Element("key", {}, (key,))]
    if image.type is ImageType.BLOCK:
        parts.append(Element("source"))
    parts += [bytes_element("capacity", image.capacity), bytes_element("allocation", image.allocation)]
    if image.physical:
        parts.append(bytes_element("physical", image.physical))
    target = [*_target(image, path, image.format)]
    if image.compat is not None:
        target.append(Element("compat", {}, (image.compat,)))
    if image.cluster is not None:
        target.append(Element("clusterSize", {"unit": "B"}, (str(image.cluster),)))
    if image.features is not None:
        target.append(Element("features", {}, tuple(map(Element, image.features))))
    parts.append(Element("target", {}, tuple(target)))
    if image.backing:
        there = _target(backing, image.backing.path, image.backing.format) if backing else ()
        parts.append(Element("backingStore", {}, tuple(there)))
    root = Element("volume", {"type": image.type.name.lower()}, tuple(parts))
    return written(root).replace("  <source/>\n", "  <source>\n  </source>\n")


def _target(image: Image, path: str, form: str | None) -> list[Element]:
    permissions = WantedPermissions(*image.permissions).element
    seconds, ns = divmod(round(image.changed * _NS), _NS)
    changed = f"{seconds}.{ns:09}" if ns else str(seconds)
    times = {"atime": changed, "mtime": changed, "ctime": changed, "btime": "0"}
    return [
        Element("path", {}, (path,)),
        *([Element("format", {"type": form})] if form else []),
        permissions,
        Element("timestamps", {}, tuple(Element(name, {}, (text,)) for name, text in times.items())),
    ]


def _format(element: Element) -> str:
    child = element.child("format")
    given = child.attributes.get("type", "raw") if child else "raw"
    if given not in FORMATS[1:]:
        raise failure(Code.CONFIG_UNSUPPORTED, f"unknown volume format type {given}", origin=Origin.STORAGE)
    return given


def _backing(root: Element) -> Backing | None:
    element = root.child("backingStore")
    path = text_of(element, "path") if element else ""
    return Backing(path, _format(element)) if element and path else None


def _compat(target: Element) -> str | None:
    compat = text_of(target, "compat")
    if compat and not re.fullmatch(r"[0-9]+\.[0-9]+", compat):
        raise wrong("forbidden characters in 'compat' attribute")
    return compat or None
