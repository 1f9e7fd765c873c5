"""Checkpoints as a client wants them.

All here is called under the cluster's lock.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.disks import chain
from pytest_fakehv.fronts.libvirt.host.disks.checkpoints import Checkpoint, schema_failure
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_root
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.storage.poolxml import text_of

_DOCUMENT: Final = "domaincheckpoint"
_ORIGIN: Final = Origin.DOMAIN_CHECKPOINT


def parsed(xml: str) -> Element:
    """Read a checkpoint's XML.

    Raises:
        LibvirtError: it is malformed, or none.
    """
    root = read(xml, "domain_checkpoint", _ORIGIN)
    check_root(root, _DOCUMENT)
    name = root.child("name")
    if name is not None and not re.fullmatch(r"[^/]+", name.text):
        raise schema_failure(_DOCUMENT, "name")
    for disk in _disks(root):
        if not disk.attributes.get("name") or disk.attributes.get("checkpoint", "no") not in ("no", "bitmap"):
            raise schema_failure(_DOCUMENT, "disks")
    return root


def _disks(root: Element) -> Iterator[Element]:
    disks = root.child("disks")
    return disks.named("disk") if disks else iter(())


def made(host: Host, domain: Domain, root: Element) -> Checkpoint:
    """Return a new checkpoint of a domain that runs.

    Args:
        host: where.
        domain: whose.
        root: what it is to be.

    Raises:
        LibvirtError: it can't be.
    """
    created = int(host.machine.now)
    name = text_of(root, "name") or str(created)
    bitmaps = _bitmaps(domain, root, name)
    if name in domain.checkpoints.all:
        raise failure(Code.OPERATION_FAILED, f"domain moment {name} already exists", origin=Origin.DOMAIN)
    disks = {chain.target_of(each): each for each in chain.disks_of(domain.definition)}
    for target, bitmap in bitmaps:
        if bitmap:
            _check_can_note(host, domain, disks[target], target, bitmap)
    return _checkpoint(domain, root, name, domain.checkpoints.current, created, bitmaps)


def redefined(domain: Domain, root: Element) -> Checkpoint:
    """Return a checkpoint that a client knows of, and which the host is to know, too.

    Raises:
        LibvirtError: it says not all that must be known of it.
    """
    created = text_of(root, "creationTime")
    if not created.isdecimal():
        problem = "missing creationTime from existing checkpoint"
        raise failure(Code.INTERNAL_ERROR, problem, origin=_ORIGIN)
    name = text_of(root, "name")
    bitmaps = _bitmaps(domain, root, name)
    parent = root.child("parent")
    return _checkpoint(domain, root, name, text_of(parent, "name") if parent else None, int(created), bitmaps)


def _checkpoint(
    domain: Domain,
    root: Element,
    name: str,
    parent: str | None,
    created: int,
    bitmaps: list[tuple[str, str | None]],
) -> Checkpoint:
    given = root.child("domain")
    return Checkpoint(
        name=name,
        parent=parent,
        description=text_of(root, "description") or None,
        created=created,
        bitmaps=bitmaps,
        domain=given or domain.definition.noted(),
    )


def _bitmaps(domain: Domain, root: Element, name: str) -> list[tuple[str, str | None]]:
    """Return of each of a domain's disks where it is noted what is written to it, if it is.

    Raises:
        LibvirtError: no disk can have that.
    """
    disks = chain.disks_of(domain.definition)
    given = _by_name(root, {chain.target_of(each) for each in disks})
    found: list[tuple[str, str | None]] = []
    for disk in disks:
        target = chain.target_of(disk)
        wanted = given.get(target)
        if wanted is None:
            is_noted = not given and disk.child("readonly") is None and bool(disk.child("source"))
        else:
            is_noted = wanted.attributes.get("checkpoint", "bitmap") == "bitmap"
        bitmap = wanted.attributes.get("bitmap", name) if wanted else name
        if is_noted and bitmap != name:
            problem = f"bitmap for disk '{target}' must match checkpoint name '{name}'"
            raise failure(Code.CONFIG_UNSUPPORTED, problem)
        found.append((target, bitmap if is_noted else None))
    return found


def _by_name(root: Element, known: set[str]) -> Mapping[str, Element]:
    """Return what is said of disks, by their names.

    Raises:
        LibvirtError: there is no such disk, or two things are said of one.
    """
    given: dict[str, Element] = {}
    for each in _disks(root):
        name = each.attributes["name"]
        if name not in known:
            raise _unsupported(f"no disk named '{name}'")
        if name in given:
            raise _unsupported(f"disk '{name}' specified twice")
        given[name] = each
    return given


def _unsupported(problem: str) -> LibvirtError:
    return failure(Code.CONFIG_UNSUPPORTED, problem, origin=_ORIGIN)


def _check_can_note(host: Host, domain: Domain, disk: Element, target: str, bitmap: str) -> None:
    """Refuse to note in a disk what is written to it where its format has no place for that.

    Raises:
        LibvirtError: that is so.
    """
    layer = chain.layers_of(disk)[0]
    if layer.format != "qcow2":
        problem = f"checkpoint for disk {target} unsupported for storage type {layer.format}"
        raise failure(Code.CONFIG_UNSUPPORTED, problem)
    image = host.pools.image_at(layer.path)
    if image and image.format == "qcow2" and image.compat in (None, "0.10"):
        problem = (
            f"Can't make bitmap '{bitmap}' persistent in 'libvirt-{layer.number}-format': "
            "Cannot store dirty bitmaps in qcow2 v2 files"
        )
    elif (target, bitmap) in domain.checkpoints.bitmaps:
        problem = f"Bitmap already exists: {bitmap}"
    else:
        return
    raise failure(Code.INTERNAL_ERROR, f"unable to execute QEMU command 'transaction': {problem}")
