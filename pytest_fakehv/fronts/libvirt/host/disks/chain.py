"""What is beneath a disk: the chain of files of which each is the difference to the next."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element

BackingAt = Callable[[str], tuple[str, str] | None]
"""Returns of what lies at a path, which file it is the difference to, and of which format; None for none."""

_PLACES: Final = ("file", "dev", "dir", "name")
"""The attributes of a source of which one says where it is."""

_NUMBERED: Final = re.compile(r"([^\[]*)\[([0-9]+)\]")
"""How a layer is called by its number: ``vda[1]``."""

_BEHIND: Final = frozenset({"driver", "auth", "source"})
"""What a disk has before what is beneath it."""


class Layer(NamedTuple):
    """One file of a chain, or whatever it is.

    Attributes:
        source: where it is, as the disk's XML has it, without its number.
        type: of what kind that is, such as ``file``.
        format: of what is in it.
        number: on its domain; 0 where it has none.
    """

    source: Element
    type: str
    format: str
    number: int = 0

    @property
    def path(self) -> str:
        """Where it is; of a pool's volume, its name behind the pool's: ``pool/volume``."""
        if self.type == "volume":
            return f"{self.source.attributes.get('pool')}/{self.source.attributes.get('volume')}"
        return next((self.source.attributes[each] for each in _PLACES if each in self.source.attributes), "")

    @staticmethod
    def at(path: str, form: str) -> "Layer":
        """Return the layer of a file."""
        return Layer(Element("source", {"file": path}), "file", form)

    @property
    def numbered_source(self) -> Element:
        """Where it is, with its number."""
        return self.source.having(index=str(self.number)) if self.number else self.source


def layers_of(disk: Element) -> list[Layer]:
    """Return the chain that a disk's XML says: first what the guest writes to; nothing of an empty one."""
    found: list[Layer] = []
    part: Element | None = disk
    while part and (source := part.child("source")):
        form = part_of(disk, "driver", "type") if part is disk else part_of(part, "format", "type")
        index = source.attributes.get("index") or part.attributes.get("index") or "0"
        found.append(Layer(source.having(index=None), part.attributes["type"], form or "raw", int(index)))
        part = part.child("backingStore")
    return found


def is_ended(disk: Element) -> bool:
    """Tell whether a disk's XML says that nothing is beneath the last layer that it names."""
    part = disk
    while beneath := part.child("backingStore"):
        part = beneath
    return part is not disk and part.child("source") is None


def with_layers(disk: Element, layers: Sequence[Layer]) -> Element:
    """Return a disk with another chain, all of it."""
    top = layers[0]
    parts = [each for each in disk.children if each.name not in {"source", "backingStore"}]
    parts = [each.having(type=top.format) if each.name == "driver" else each for each in parts]
    place = sum(each.name in _BEHIND for each in parts)
    return disk.having(type=top.type).holding(
        *parts[:place], top.numbered_source, beneath(layers[1:]), *parts[place:]
    )


def without_end(part: Element) -> Element:
    """Return a disk, or what is beneath one, that doesn't say that nothing is beneath its last layer."""
    beneath = part.child("backingStore")
    if beneath and beneath.child("source"):
        return part.exchanging(beneath, without_end(beneath))
    return part.holding(*(each for each in part.children if each is not beneath))


def beneath(layers: Sequence[Layer]) -> Element:
    """Return what XML says of what is beneath something."""
    if not layers:
        return Element("backingStore")
    first = layers[0]
    return Element(
        "backingStore",
        {"type": first.type, **({"index": str(first.number)} if first.number else {})},
        (Element("format", {"type": first.format}), first.source, beneath(layers[1:])),
    )


# All disks of a domain


def disks_of(definition: Definition) -> list[Element]:
    """Return a domain's disks."""
    devices = definition.root.child("devices")
    return list(devices.named("disk")) if devices else []


def with_disk(definition: Definition, old: Element, new: Element) -> Definition:
    """Return a definition with another disk in the place of one."""
    return _exchanging(definition, {id(old): new})


def _exchanging(definition: Definition, new: Mapping[int, Element]) -> Definition:
    """Return a definition with other disks in the place of those with an identity."""
    root = definition.root
    parts = (
        each.holding(*(new.get(id(disk), disk) for disk in each.children)) if each.name == "devices" else each
        for each in root.children
    )
    return Definition(root.holding(*parts))


def target_of(disk: Element) -> str:
    """Return a disk's name."""
    return part_of(disk, "target", "dev") or ""


def detected(definition: Definition, backing_at: BackingAt) -> Definition:
    """Return by what a domain runs: with what is beneath its disks, and a number for each file.

    Args:
        definition: what it is started by.
        backing_at: what says of which file another one is the difference to.
    """
    disks = disks_of(definition)
    chains = [_probed(each, backing_at) for each in disks]
    said = [layers_of(each) for each in disks]
    free = count(1)
    for place in reversed(range(len(disks))):  # what is said first, then what was found
        if not said[place]:  # an empty drive
            next(free)
        said[place] = [each._replace(number=next(free)) for each in said[place]]
    new: dict[int, Element] = {}
    for place in reversed(range(len(disks))):
        if first := said[place]:
            found = (each._replace(number=next(free)) for each in chains[place][len(first) :])
            new[id(disks[place])] = with_layers(disks[place], [*first, *found])
    return _exchanging(definition, new) if new else definition


def with_chain(disk: Element, backing_at: BackingAt, number: Callable[[], int]) -> Element:
    """Return a disk that comes to a domain that runs: with what is beneath it, and a number for each file.

    Args:
        disk: the disk, with a source, which may be empty.
        backing_at: as for `detected`.
        number: gives a number that no file of the domain has had.
    """
    layers = [each._replace(number=number()) for each in _probed(disk, backing_at)]
    if not layers[0].path:  # a drive that is emptied, of which a number is all that its source has
        return disk.holding(
            *(layers[0].numbered_source if each.name == "source" else each for each in disk.children)
        )
    return with_layers(disk, layers)


def _probed(disk: Element, backing_at: BackingAt) -> list[Layer]:
    """Return a disk's chain, as it is found by looking into the files."""
    layers = layers_of(disk)
    if not layers or is_ended(disk):
        return layers
    while layers[-1].format != "raw" and (found := backing_at(layers[-1].path)):
        path, form = found
        if any(each.path == path for each in layers):
            return layers
        layers.append(Layer.at(path, form))
    return layers


# Which is meant


def find_disk(definition: Definition, name: str) -> Element:
    """Return the disk that a client means: by its name, or by its source.

    Raises:
        LibvirtError: there is none.
    """
    for disk in disks_of(definition):
        layers = layers_of(disk)
        if name == target_of(disk) or (layers and layers[0].path == name):
            return disk
    raise failure(Code.INVALID_ARG, f"disk '{name}' not found in domain")


def place_of(disk: Element, layers: Sequence[Layer], name: str, above: int | None = None) -> int:
    """Return which layer of a disk a client means, from 0: by its path, or by its number.

    Args:
        disk: whose chain it is.
        layers: the chain.
        name: as the client calls it.
        above: the layer that must be above it; None where there need be none.

    Raises:
        LibvirtError: there is none, or not beneath that one.
    """
    target, first = target_of(disk), 0 if above is None else above + 1
    numbered = _NUMBERED.fullmatch(name)
    if numbered and numbered[1] != target:
        raise not_in_chain(f"requested target '{numbered[1]}' does not match target '{target}'")
    wanted = int(numbered[2]) if numbered else 0
    for place, layer in list(enumerate(layers))[first:]:
        if layer.number == wanted if wanted else layer.path == name:
            return place
    if wanted:
        raise not_in_chain(f"could not find backing store index '{wanted}' in chain for '{target}'")
    under = "" if above is None else f"beneath '{layers[above].path}' "
    raise not_in_chain(f"could not find image '{name}' {under}in chain for '{target}'")


def not_in_chain(problem: str) -> LibvirtError:
    """Return the error of a call about a layer that isn't there."""
    return failure(Code.INVALID_ARG, problem, origin=Origin.STORAGE)
