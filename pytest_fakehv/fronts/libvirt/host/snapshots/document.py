"""A snapshot's XML: what a client wants, and what there is, written as libvirt writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, check_root, integer
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, written
from pytest_fakehv.fronts.libvirt.host.snapshots.tree import Snapshot, SnapshotDisk

_MODES: Final = frozenset({"no", "internal", "external", "manual"})
_STATES: Final = frozenset({"running", "paused", "shutoff"})


@dataclass(frozen=True)
class Wanted:
    """A snapshot as a client wants it.

    Attributes:
        root: its XML, read.
        name: its name; None where that is to be found.
        memory: where the domain's memory is to be; None where that isn't said.
        disks: where what is on disks is to be, by their names, or their files'; None likewise.
    """

    root: Element
    name: str | None
    memory: str | None
    disks: Mapping[str, str | None]

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
        mode = memory.attributes.get("snapshot", "external" if file else None)
        if file and mode != "external":
            raise _wrong(f"memory filename '{file}' requires external snapshot")
        if mode == "external" and not file:
            raise _wrong("external memory snapshots require a filename")
        if mode not in (None, "no") and not has_memory and not redefines:
            raise _wrong("memory state cannot be saved with offline or disk-only snapshot")
        disks: dict[str, str | None] = {}
        for disk in (root.child("disks") or Element("disks")).named("disk"):
            check_choice(disk, "snapshot", _MODES)
            if not (name := disk.attributes.get("name")):
                raise _internal("missing name from disk snapshot element")
            if name in disks:
                raise unsupported(f"disk '{name}' specified twice")
            disks[name] = disk.attributes.get("snapshot", "external" if disk.content else None)
        return Wanted(root, _text(root, "name") or None, mode, disks)

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
            disks=tuple(SnapshotDisk(disk, mode or "internal") for disk, mode in self.disks.items()),
            definition=definition,
            config=_definition(self.root, "inactiveDomain"),
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
    disks = (Element("disk", {"name": each.name, "snapshot": each.mode}) for each in snapshot.disks)
    parts += [
        Element("creationTime", {}, (str(snapshot.created),)),
        Element("memory", {"snapshot": "internal" if snapshot.is_active else "no"}),
        Element("disks", {}, tuple(disks)),
        read(snapshot.definition.xml(flags)),
    ]
    if snapshot.config:
        parts.append(read(snapshot.config.xml(flags))._replace(name="inactiveDomain"))
    if snapshot.cookie:
        parts.append(snapshot.cookie)
    return written(Element("domainsnapshot", {}, tuple(parts)))


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
