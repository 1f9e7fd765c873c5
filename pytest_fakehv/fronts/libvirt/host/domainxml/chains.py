"""What is beneath the files of disks: those to which they are the difference; and the files' numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final

from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element

_BENEATH: Final = "backingStore"
FOUND: Final = "found"
"""The mark of what nobody has said is beneath a file."""


def numbered(devices: Element) -> Element:
    """Return devices of which all files of disks have numbers, as a daemon gives them to what starts.

    The last disk's come first, and of each those on top; then what it has found, likewise. What has a number
    keeps it.
    """
    free = count(1)
    for is_found in (False, True):
        new = {
            id(each): _numbered(each, free, is_found=is_found)
            for each in reversed(list(devices.named("disk")))
        }
        devices = devices.holding(*(new.get(id(each), each) for each in devices.children))
    return devices


def _numbered(disk: Element, free: Iterator[int], *, is_found: bool) -> Element:
    source = disk.child("source")
    if not is_found:
        number = next(free)
        if source:
            disk = disk.exchanging(source, _with_number(source, number))
    beneath = disk.child(_BENEATH)
    return disk.exchanging(beneath, _beneath(beneath, free, is_found=is_found)) if beneath else disk


def _beneath(store: Element, free: Iterator[int], *, is_found: bool) -> Element:
    deeper = store.child(_BENEATH)
    if store.content and (FOUND in store.attributes) == is_found:
        store = _with_number(store, next(free))
    return store.exchanging(deeper, _beneath(deeper, free, is_found=is_found)) if deeper else store


def _with_number(element: Element, number: int) -> Element:
    return element.having(index=element.attributes.get("index", str(number)))


def found_beneath(devices: Element, beneath: Callable[[str], Sequence[tuple[str, str]]]) -> Element:
    """Return devices whose disks say what is beneath them, as a daemon finds it where nobody has said it.

    Args:
        devices: Those of a domain.
        beneath: Returns the paths and the formats of what is beneath a file, the nearest first.
    """
    return devices.holding(
        *(_found(each, beneath) if each.name == "disk" else each for each in devices.children)
    )


def _found(disk: Element, beneath: Callable[[str], Sequence[tuple[str, str]]]) -> Element:
    if disk.child("source") is None:
        return disk
    if told := disk.child(_BENEATH):
        return disk.exchanging(told, _found_below(told, beneath))
    chain = _chain(disk, part_of(disk, "driver", "type"), beneath)
    return with_beneath(disk, chain) if chain.content else disk


def _found_below(store: Element, beneath: Callable[[str], Sequence[tuple[str, str]]]) -> Element:
    """Return what a user has said is beneath a disk, with what is beneath that."""
    if told := store.child(_BENEATH):
        return store.exchanging(told, _found_below(told, beneath))
    chain = _chain(store, part_of(store, "format", "type"), beneath)
    return store.holding(*store.content, chain) if store.content else store


def _chain(holder: Element, form: str | None, beneath: Callable[[str], Sequence[tuple[str, str]]]) -> Element:
    """Return what is found beneath a file: nothing is in what is raw, and all else says it."""
    chain, path = Element(_BENEATH), part_of(holder, "source", "file")
    for below, kind in reversed(beneath(path)) if path and form != "raw" else ():
        parts = Element("format", {"type": kind}), Element("source", {"file": below}), chain
        chain = Element(_BENEATH, {"type": "file", FOUND: "yes"}, parts)
    return chain


def with_beneath(disk: Element, beneath: Element) -> Element:
    """Return a disk that says what is beneath its file, as libvirt writes that: behind the file."""
    place = 1 + next(number for number, each in enumerate(disk.children) if each.name == "source")
    return disk.holding(*disk.content[:place], beneath, *disk.content[place:])


def shown(element: Element) -> Element:
    """Return a disk, or what is beneath one, without the mark of what was found."""
    beneath = element.child(_BENEATH)
    return element.exchanging(beneath, shown(beneath.having(**{FOUND: None}))) if beneath else element


def told(element: Element) -> Element:
    """Return a disk, or what is beneath one, as it was told: without what was found, numbers, and copies."""
    kept = (
        each
        for each in element.children
        if each.name != "mirror" and not (each.name == _BENEATH and FOUND in each.attributes)
    )
    content = (told(each).having(index=None) if each.name in ("source", _BENEATH) else each for each in kept)
    return element.holding(*content) if element.children else element


def overlaid(devices: Element, overlays: Mapping[str, str], *, runs: bool, is_chain: bool) -> Element:
    """Return devices of which disks go on in other files, of the format qcow2.

    Args:
        devices: Those of a domain.
        overlays: The files' paths, by the disks' names.
        runs: Whether the domain runs by this, so that all files of a disk have numbers.
        is_chain: Whether it is said what is beneath.
    """
    if runs:
        devices = numbered(devices)
    free = count(1 + max(map(_highest, devices.named("disk")), default=0))
    found = []
    for each in devices.children:
        path = overlays.get(part_of(each, "target", "dev") or "") if each.name == "disk" else None
        new = str(next(free)) if path and runs else None
        found.append(_over(each, path, new, is_chain=is_chain) if path else each)
    return devices.holding(*found)


def _highest(element: Element) -> int:
    """Return the highest number of a disk's files."""
    inner = (_highest(each) for each in element.children if each.name in ("source", _BENEATH))
    return max(int(element.attributes.get("index", 0)), *inner, 0)


def _over(disk: Element, path: str, new: str | None, *, is_chain: bool) -> Element:
    """Return one disk that goes on in another file, which has a number if any has."""
    source = disk.child("source") or Element("source")
    form = Element("format", {"type": part_of(disk, "driver", "type") or "raw"})
    beneath = disk.child(_BENEATH) or (Element(_BENEATH) if new else None)
    told = {"type": disk.attributes["type"], "index": source.attributes.get("index")}
    below = Element(_BENEATH).having(**told)
    below = below.holding(form, source.having(index=None), *([beneath] if beneath else []))
    content = []
    for each in disk.children:
        if each is source:
            content.append(Element("source", {"file": path}).having(index=new))
            content += [below] if is_chain else []
        elif each.name == "driver":
            content.append(each.having(type="qcow2"))
        elif each.name != _BENEATH:
            content.append(each)
    return disk.having(type="file").holding(*content)
