"""Secrets that a disk names: by which its server lets somebody in, or by which its content is read."""

import re
from collections.abc import Iterator
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import unsupported
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, words

_USAGES: Final = words("volume ceph iscsi tls vtpm")
_EXPECTED: Final = {"rbd": "ceph", "iscsi": "iscsi"}
"""For what a secret is by which a server lets in, by protocol."""
_FORMATS: Final = words("luks qcow")
_UUID: Final = re.compile(r"[0-9A-Fa-f]{32}")


def check_credentials(disk: Element) -> None:
    """Refuse a disk that names a secret in no way that there is.

    Raises:
        LibvirtError: It does.
    """
    protocol = part_of(disk, "source", "protocol")
    for auth in _parts(disk, "auth"):
        if "username" not in auth.attributes:
            raise failure(Code.XML_ERROR, "missing username for auth", origin=Origin.STORAGE)
        secret = auth.child("secret")
        if secret is None:
            raise failure(Code.XML_ERROR, "Missing <secret> element in auth", origin=Origin.STORAGE)
        _check_secret(secret)
        usage = secret.attributes.get("type", "")
        if usage not in _USAGES:
            raise unsupported(f"unknown secret type '{usage}'")
        if usage != _EXPECTED.get(protocol or "", usage):
            raise unsupported(f"invalid secret type '{usage}'")
    for encryption in _parts(disk, "encryption"):
        form = encryption.attributes.get("format", "")
        if form not in _FORMATS:
            raise unsupported(f"unknown volume encryption format type {form}", Origin.STORAGE)
        for secret in encryption.named("secret"):
            _check_secret(secret)
        if form != "luks":
            raise unsupported("old qcow/qcow2 encryption is not supported", Origin.QEMU)


def complete_credentials(disk: Element) -> Element:
    """Return a disk that says by which program what is encrypted is read."""
    return disk.holding(*map(_with_engine, disk.children))


def _with_engine(part: Element) -> Element:
    if part.name == "encryption":
        return part.having(engine=part.attributes.get("engine", "qemu"))
    return part.holding(*map(_with_engine, part.children)) if part.name == "source" else part


def secrets_of(disk: Element) -> Iterator[tuple[Element, str | None]]:
    """Give how a disk names secrets, and what each must be for; None for anything."""
    for auth in _parts(disk, "auth"):
        for secret in auth.named("secret"):
            yield secret, secret.attributes["type"]
    for encryption in _parts(disk, "encryption"):
        for secret in encryption.named("secret"):
            yield secret, None


def _parts(disk: Element, name: str) -> Iterator[Element]:
    for place in (disk, *disk.named("source")):
        yield from place.named(name)


def _check_secret(secret: Element) -> None:
    given = secret.attributes
    if "uuid" not in given and "usage" not in given:
        raise failure(Code.XML_ERROR, "missing secret uuid or usage attribute", origin=Origin.NONE)
    if "uuid" in given and not _UUID.fullmatch(given["uuid"].replace("-", "")):
        raise failure(Code.XML_ERROR, f"invalid secret uuid '{given['uuid']}'", origin=Origin.NONE)
