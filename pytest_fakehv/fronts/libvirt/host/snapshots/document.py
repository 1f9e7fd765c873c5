"""A snapshot's XML: what a client wants, and what there is, written as libvirt writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, check_root, integer
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, written
from pytest_fakehv.fronts.libvirt.host.snapshots.tree import (
    BESIDE,
    DISKS_ALONE,
    INSIDE,
    NOWHERE,
    SHUT_OFF,
    Snapshot,
    SnapshotDisk,
)

_MODES: Final = frozenset({NOWHERE, INSIDE, BESIDE, "manual"})
_STATES: Final = frozenset({"running", "paused", SHUT_OFF, DISKS_ALONE})
_FORMAT: Final = "qcow2"
"""The usual one of files that are the difference to others."""


class WantedDisk(NamedTuple):
    """What a client wants of one disk."""

    mode: str | None
    """Where what is on it is to be; None where that isn't said."""
    overlay: str | None
    """The path of the file that is to have the difference; None likewise."""
    form: str
    """Of which format that is to be."""


@dataclass(frozen=True)
class Wanted:
    """A snapshot as a client wants it.

    Attributes:
        root: its XML, read.
        name: its name; None where that is to be found.
        memory: where the domain's memory is to be; None where that isn't said.
        file: the path of the file that it is to be in; None likewise.
        disks: what is wanted of disks, by their names, or their files'.
    """

    root: Element
    name: str | None
    memory: str | None
    file: str | None
    disks: Mapping[str, WantedDisk]

    @property
    def description(self) -> str:
        """What its user says of it."""
        return _text(self.root, "description")

    @property
    def parent(self) -> str:
        """What a domain is to have gone on from before it was taken; "" for nothing."""
        return _text(self.root, "parent/name")

    @staticmethod
    def parse(xml: str, *, has_memory: bool, redefines: bool) -> "Wanted":
        """Read a snapshot's XML as a user writes it.

        Args:
            xml: the document.
            has_memory: whether the domain has any memory that can be in it.
            redefines: whether it says all of a snapshot that was taken before.

        Raises:
            LibvirtError: it is malformed, no snapshot, or there is something wrong in it.
        """
        root = read(xml, "domain_snapshot", Origin.DOMAIN_SNAPSHOT)
        check_root(root, "domainsnapshot")
        if redefines:
            _check_told(root)
        memory = root.child("memory") or Element("memory")
        check_choice(memory, "snapshot", _MODES)
        file = memory.attributes.get("file")
        mode = memory.attributes.get("snapshot", BESIDE if file else None)
        if file and mode != BESIDE:
            raise _wrong(f"memory filename '{file}' requires external snapshot")
        if mode == BESIDE and not file:
            raise _wrong("external memory snapshots require a filename")
        if mode not in (None, NOWHERE) and not has_memory and not redefines:
            raise _wrong("memory state cannot be saved with offline or disk-only snapshot")
        if file and not file.startswith("/"):
            raise _wrong(f"memory snapshot file path ({file}) must be absolute")
        disks: dict[str, WantedDisk] = {}
        for disk in (root.child("disks") or Element("disks")).named("disk"):
            check_choice(disk, "snapshot", _MODES)
            if not (name := disk.attributes.get("name")):
                raise _internal("missing name from disk snapshot element")
            if name in disks:
                raise unsupported(f"disk '{name}' specified twice")
            usual = BESIDE if disk.child("source") else None
            disks[name] = WantedDisk(
                disk.attributes.get("snapshot", usual),
                part_of(disk, "source", "file"),
                part_of(disk, "driver", "type") or _FORMAT,
            )
        return Wanted(root, _text(root, "name") or None, mode, file, disks)

    def redefined(self, name: str, uuid: bytes, parent: Snapshot | None) -> Snapshot:
        """Return the snapshot that was taken before, and of which this is the XML.

        Args:
            name: its name.
            uuid: the domain's.
            parent: what it goes on from; None for nothing.

        Raises:
            LibvirtError: it isn't all of it, or is of another domain.
        """
        definition = _definition(self.root, "domain")
        if definition is None:
            raise _internal("missing domain in snapshot")
        if definition.uuid != uuid:
            problem = f"definition for snapshot {name} must use uuid {_text(definition.root, 'uuid')}"
            raise failure(Code.INVALID_ARG, problem, origin=Origin.DOMAIN_SNAPSHOT)
        return Snapshot(
            name=name,
            description=self.description,
            state=_text(self.root, "state"),
            created=int(_text(self.root, "creationTime")),
            disks=tuple(
                SnapshotDisk(name, each.mode or INSIDE, each.overlay) for name, each in self.disks.items()
            ),
            definition=definition,
            config=_definition(self.root, "inactiveDomain"),
            memory=self.memory or NOWHERE,
            file=self.file,
            cookie=self.root.child("cookie"),
            parent=parent,
        )


def snapshot_xml(snapshot: Snapshot, flags: int) -> str:
    """Write what there is of a snapshot.

    Args:
        snapshot: which.
        flags: `definition.SECURE`.
    """
    parts = [Element("name", {}, (snapshot.name,))]
    if snapshot.description:
        parts.append(Element("description", {}, (snapshot.description,)))
    parts.append(Element("state", {}, (snapshot.state,)))
    if snapshot.parent:
        parts.append(Element("parent", {}, (Element("name", {}, (snapshot.parent.name,)),)))
    memory = {"snapshot": snapshot.memory, **({"file": snapshot.file} if snapshot.file else {})}
    parts += [
        Element("creationTime", {}, (str(snapshot.created),)),
        Element("memory", memory),
        Element("disks", {}, tuple(map(_disk, snapshot.disks))),
        read(snapshot.definition.xml(flags)),
    ]
    if snapshot.config:
        parts.append(read(snapshot.config.xml(flags))._replace(name="inactiveDomain"))
    if snapshot.cookie:
        parts.append(snapshot.cookie)
    return written(Element("domainsnapshot", {}, tuple(parts)))


def _disk(disk: SnapshotDisk) -> Element:
    told = Element("disk", {"name": disk.name, "snapshot": disk.mode})
    if disk.overlay is None:
        return told
    parts = Element("driver", {"type": _FORMAT}), Element("source", {"file": disk.overlay})
    return told.having(type="file").holding(*parts)


def unsupported(problem: str, origin: Origin = Origin.DOMAIN_SNAPSHOT) -> LibvirtError:
    """Return the error of a snapshot that can't be as it is wanted."""
    return failure(Code.CONFIG_UNSUPPORTED, problem, origin=origin)


def _check_told(root: Element) -> None:
    if integer(_text(root, "creationTime")) is None:
        raise _internal("missing creationTime from existing snapshot")
    state = _text(root, "state")
    if not state:
        raise _internal("missing state from existing snapshot")
    if state not in _STATES:
        raise unsupported(f"Invalid state '{state}' in domain snapshot XML")


def _definition(root: Element, name: str) -> Definition | None:
    element = root.child(name)
    return element and Definition.parse(written(element._replace(name="domain")), lambda: b"")


def _text(root: Element, path: str) -> str:
    found = root.at(path)
    return found.text if found else ""


def _wrong(problem: str) -> LibvirtError:
    return failure(Code.XML_ERROR, problem, origin=Origin.DOMAIN_SNAPSHOT)


def _internal(problem: str) -> LibvirtError:
    return failure(Code.INTERNAL_ERROR, problem, origin=Origin.DOMAIN_SNAPSHOT)
