"""A domain's checkpoints: moments from which on what is written to its disks is noted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One checkpoint; nothing changes it but its parent's end.

    Attributes:
        name: its name.
        parent: that of the one before; None for the first.
        description: a text about it; None for none.
        created: when, in seconds of the cluster's clock.
        bitmaps: by the disk's name, in what is noted what is written; None where nothing is.
        domain: the domain's XML at that time.
    """

    name: str
    parent: str | None
    description: str | None
    created: int
    bitmaps: Sequence[tuple[str, str | None]]
    domain: Element

    def xml(self, *, has_domain: bool, has_size: bool) -> Element:
        """Return its XML.

        Args:
            has_domain: whether the domain's is in it.
            has_size: whether it says how much was written since: nothing, as no guest runs.
        """
        parts = [Element("name", {}, (self.name,))]
        if self.description:
            parts.append(Element("description", {}, (self.description,)))
        if self.parent:
            parts.append(Element("parent", {}, (Element("name", {}, (self.parent,)),)))
        parts.append(Element("creationTime", {}, (str(self.created),)))
        disks = []
        for name, bitmap in self.bitmaps:
            about = {"name": name, "checkpoint": "bitmap" if bitmap else "no"}
            if bitmap:
                about |= {"bitmap": bitmap, **({"size": "0"} if has_size else {})}
            disks.append(Element("disk", about))
        parts.append(Element("disks", {}, tuple(disks)))
        if has_domain:
            parts.append(self.domain)
        return Element("domaincheckpoint", {}, tuple(parts))


@dataclass(eq=False)
class Checkpoints:
    """All of a domain; changed under the cluster's lock alone.

    Attributes:
        all: by name, in the order of their making.
        current: the name of the one that the next one has for its parent; None for none.
        bitmaps: what notes of its disks there are: a disk's name and the note's.
    """

    all: dict[str, Checkpoint] = field(default_factory=dict)
    current: str | None = None
    bitmaps: set[tuple[str, str]] = field(default_factory=set)

    def find(self, name: str) -> Checkpoint:
        """Return the one of a name.

        Raises:
            LibvirtError: there is none.
        """
        if found := self.all.get(name):
            return found
        raise no_checkpoint(f"no domain checkpoint with matching name '{name}'")

    def add(self, checkpoint: Checkpoint) -> None:
        """Have one more, after which the next one comes."""
        self.all[checkpoint.name], self.current = checkpoint, checkpoint.name
        self.bitmaps |= _noted(checkpoint)

    def children(self, name: str | None) -> list[Checkpoint]:
        """Return those that come next after one; None: the first ones."""
        return [each for each in self.all.values() if each.parent == name]

    def descendants(self, name: str) -> list[Checkpoint]:
        """Return all that come after one, each after the one that it comes after."""
        return [one for each in self.children(name) for one in (each, *self.descendants(each.name))]

    def remove(self, checkpoints: Iterable[Checkpoint], *, keeps_notes: bool) -> None:
        """Have some no more; those that came after one come after what it came after.

        Args:
            checkpoints: which.
            keeps_notes: whether what is noted stays in the disks.
        """
        for gone in list(checkpoints):
            parent = self.all.pop(gone.name).parent
            for each in self.children(gone.name):
                self.all[each.name] = Checkpoint(**{**vars(each), "parent": parent})
            if self.current == gone.name:
                self.current = parent
            if not keeps_notes:
                self.bitmaps -= _noted(gone)


def _noted(checkpoint: Checkpoint) -> set[tuple[str, str]]:
    return {(disk, bitmap) for disk, bitmap in checkpoint.bitmaps if bitmap}


def no_checkpoint(problem: str) -> LibvirtError:
    """Return the error of a call about a checkpoint that isn't there."""
    return failure(Code.NO_DOMAIN_CHECKPOINT, problem)


def schema_failure(document: str, extra: str) -> LibvirtError:
    """Return the error of a document that isn't as its schema says.

    Args:
        document: what it is, as its root is called.
        extra: which of its elements is not; or "@" and which of its attributes.
    """
    wrong = f"Extra element {extra} in interleave\nElement {document} failed to validate content\n"
    if extra.startswith("@"):
        wrong = f"Invalid attribute {extra[1:]} for element {document}\n"
    schema = f"/usr/share/libvirt/schemas/{document}.rng"
    problem = f"Unable to validate doc against {schema}\n{wrong}"
    return failure(Code.XML_INVALID_SCHEMA, problem, origin=Origin.XML)
