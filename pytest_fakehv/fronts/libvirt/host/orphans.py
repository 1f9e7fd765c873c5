"""Volumes that programs have made and left: no domain uses them, and nobody has deleted them."""

from collections.abc import Collection, Iterator

from pytest_fakehv.calls.journal import Journal
from pytest_fakehv.fronts.libvirt.host import saves
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.storage.space import Image, Made, Spaces
from pytest_fakehv.judgement.violations import Violation
from pytest_fakehv.text import listed, printable


def orphans(hosts: Collection[Host], spaces: Spaces, journal: Journal) -> list[Violation]:
    """Return which volumes are left, each once; called under the cluster's lock.

    Not one that its program was told is not there: its call failed, though after its effect, or a lie says
    that it is deleted. Nor one that no host has now that could be asked to delete it.

    Args:
        hosts: the cluster's hosts.
        spaces: where all their storage is.
        journal: the cluster's calls.
    """
    made = list(spaces.made())
    if not made:
        return []
    known = {(each.node, each.path): image for image, each in made}
    used = {image for host in hosts for image in _used(host, known, spaces)}
    found = []
    for image, how in made:
        having = [each for each in hosts if each.name == how.node or _has(each, image)]
        if image in used or not any(each.is_up for each in having) or _is_excused(image, how, journal):
            continue
        nodes = tuple(each.name for each in having)
        what = (
            f"volume {printable(image.name)} of pool {printable(how.pool)} on {listed(nodes)} is left: no "
            "domain uses it, and nobody has deleted it"
        )
        found.append(
            Violation(invariant="orphaned", what=what, volume=image.name, nodes=nodes, call=how.call)
        )
    return found


def _is_excused(image: Image, how: Made, journal: Journal) -> bool:
    if how.call and how.call.error:
        return True
    deleted = journal.calls("virStorageVolDelete", pool=how.pool, volume=image.name)
    return any(each.lie and not each.error for each in deleted)


def _has(host: Host, image: Image) -> bool:
    """Tell whether one of a host's pools, active or not, has an image."""
    return any(host.pools.image_of(each.name, image.name) is image for each in host.pools)


def _used(host: Host, known: dict[tuple[str, str], Image], spaces: Spaces) -> Iterator[Image]:
    """Give the images that a host's domains use, and those that these are differences to."""
    for root in _said(host, spaces):
        for image in _named(host, known, root):
            yield from _chain(host, known, image)


def _said(host: Host, spaces: Spaces) -> Iterator[Element]:
    """Give all that names what a host's domains use, or are to use once they go back, or go on."""
    for domain in host.domains:
        snapshots = list(domain.snapshots.below(None))
        for definition in (
            domain.definition,
            domain.config,
            *(each.definition for each in snapshots),
            *(each.config for each in snapshots),
        ):
            if definition:
                yield definition.root
        if backup := domain.disk_jobs.backup:
            yield backup.root
    for file in spaces.files(host.name):
        if saved := saves.found_in(file):
            yield saved.definition.root


def _named(host: Host, known: dict[tuple[str, str], Image], element: Element) -> Iterator[Image | None]:
    """Give what an element, and all in it, names: by path, or as a pool's volume."""
    attributes = element.attributes
    yield host.pools.image_of(attributes.get("pool", ""), attributes.get("volume", ""))
    for text in (*attributes.values(), *element.content):
        if isinstance(text, str) and text.startswith("/"):
            yield _at(host, known, text)
    for each in element.children:
        yield from _named(host, known, each)


def _chain(host: Host, known: dict[tuple[str, str], Image], image: Image | None) -> Iterator[Image]:
    seen: set[Image] = set()
    while image and image not in seen:
        seen.add(image)
        yield image
        image = _at(host, known, image.backing.path) if image.backing else None


def _at(host: Host, known: dict[tuple[str, str], Image], path: str) -> Image | None:
    """Return what a host has at a path, be it in a pool that is defined no more."""
    return host.pools.image_at(path) or known.get((host.name, path))
