"""Domains that were saved: each is a file, with what it is to go on by, where its host has files.

It is as large as the domain's memory, and lies where its path leads: in a pool's folder, too, whose clients
see it once the pool is refreshed, can copy it, and have it on each host that shares the pool.
"""

import errno
import json
import os
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, system_failure
from pytest_fakehv.fronts.libvirt.host.definition import MIGRATABLE, SECURE, Definition
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.storage.content import Content
from pytest_fakehv.fronts.libvirt.host.storage.pools import Pools
from pytest_fakehv.fronts.libvirt.host.storage.space import Image, ImageType, Permissions

__tracebackhide__ = True  # a failed call is shown at the line that made it

_MAGIC: Final = b"a domain that pytest-fakehv saved\n"
"""How such a file begins."""

_LENGTH: Final = 8
"""Bytes that say how many follow."""

_HEAD: Final = 4096
"""Bytes that a file has beside the domain's memory."""

_WRITER: Final = "/usr/lib/libvirt/libvirt_iohelper"
"""The program by which a daemon writes such a file."""

_MANAGED: Final = "/var/lib/libvirt/qemu/save"
"""Where a host keeps what clients let it save as it likes."""


@dataclass(frozen=True)
class Saved:
    """What a domain that was saved is to go on by.

    Attributes:
        xml: its definition, with the passwords.
        runs: whether it then runs, and isn't paused.
    """

    xml: str
    runs: bool

    @classmethod
    def of(cls, domain: Domain, *, runs: bool) -> Self:
        """Return by what a domain that runs, or is paused, is to go on."""
        return cls(domain.definition.xml(SECURE | MIGRATABLE, domain.place), runs)

    @property
    def definition(self) -> Definition:
        """Its definition."""
        return Definition.parse(self.xml, lambda: b"")

    def by(self, xml: str | None, *, runs: bool | None, is_saved: bool = True) -> "Saved":
        """Return it with another definition and another state, where a client gives these.

        Args:
            xml: the definition; None for none.
            runs: whether it is to run once it goes on; None where that isn't said.
            is_saved: whether it lies in a file; it doesn't yet while its domain is saved.

        Raises:
            LibvirtError: the definition is another domain's, or another machine's.
        """
        if xml is not None:
            own = self.definition
            given = Definition.parse(xml, lambda: own.uuid)
            given.check_stable(own, is_saved=is_saved)
            given = given.with_current_memory(own.current_memory)
            xml = given.xml(SECURE)
        return Saved(self.xml if xml is None else xml, self.runs if runs is None else runs)


def managed_path(domain: Domain) -> str:
    """Return where a domain's host keeps it, if it has saved it."""
    return f"{_MANAGED}/{domain.name}.save"


# All that follows is called under the cluster's lock


def write(pools: Pools, path: str, saved: Saved, now: float) -> None:
    """Have a file of a domain that is being saved.

    Args:
        pools: the host's.
        path: where.
        saved: what it is to go on by.
        now: the time of the cluster's clock, in seconds.

    Raises:
        LibvirtError: it can't be there.
    """
    size = saved.definition.current_memory * 1024 + _HEAD
    write_file(pools, path, size, _content(saved), now)


def write_file(pools: Pools, path: str, size: int, content: Content | None, now: float) -> None:
    """Have a file of a domain's memory.

    Args:
        pools: the host's.
        path: where.
        size: how many bytes it has.
        content: what of them somebody can read; None where nobody can.
        now: the time of the cluster's clock, in seconds.

    Raises:
        LibvirtError: it can't be there.
    """
    if pools.is_folder(path):
        raise system_failure(f"Failed to create file '{path}'", errno.EISDIR, origin=Origin.QEMU)
    space, name = pools.place(path)
    there = space.images.get(name)
    if size > space.available + (there.allocation if there else 0):
        what = f"failure with {path}: Unable to write {path}: {os.strerror(errno.ENOSPC)}"
        raise failure(Code.OPERATION_FAILED, f"{_WRITER}: {what}", origin=Origin.NONE)
    space.images[name] = Image(
        name=name,
        type=ImageType.FILE,
        format="raw",
        capacity=size,
        allocation=size,
        physical=size,
        permissions=Permissions(0o600),
        content=content,
        changed=now,
    )


def rewrite(pools: Pools, path: str, saved: Saved, now: float) -> None:
    """Let the file of a saved domain say something else of it."""
    space, name = pools.place(path)
    image = space.images[name]
    image.content, image.changed = _content(saved), now


def read(pools: Pools, path: str, *, writes: bool = False) -> Saved:
    """Return what a file has of a domain that was saved.

    Args:
        pools: the host's.
        path: where it is.
        writes: whether it is to be changed.

    Raises:
        LibvirtError: it isn't there, or is something else.
    """
    if pools.is_folder(path):
        if writes:
            raise system_failure(f"Failed to open file '{path}'", errno.EISDIR, origin=Origin.QEMU)
        raise failure(Code.OPERATION_FAILED, "failed to read qemu header")
    image = pools.image_at(path)
    if image is None:
        raise system_failure(f"Failed to open file '{path}'", errno.ENOENT, origin=Origin.QEMU)
    if saved := found_in(image):
        return saved
    raise failure(Code.OPERATION_FAILED, "image magic is incorrect")


def found_in(image: Image) -> Saved | None:
    """Return what a file has of a domain that was saved; None where it is something else."""
    content = image.content
    if content is None or content.read(0, len(_MAGIC)) != _MAGIC:
        return None
    size = int.from_bytes(content.read(len(_MAGIC), _LENGTH), "big")
    return Saved(**json.loads(content.read(len(_MAGIC) + _LENGTH, size)))


def _content(saved: Saved) -> Content:
    told = json.dumps({"xml": saved.xml, "runs": saved.runs}).encode()
    content = Content()
    content.write(0, _MAGIC + len(told).to_bytes(_LENGTH, "big") + told)
    return content


def is_managed(pools: Pools, domain: Domain) -> bool:
    """Tell whether a domain's host has saved it."""
    return pools.image_at(managed_path(domain)) is not None


def managed(pools: Pools, domain: Domain) -> Saved | None:
    """Return by what a domain goes on as its host has saved it; None where it hasn't.

    Raises:
        LibvirtError: what lies there nobody can read, or it is another domain's.
    """
    if not is_managed(pools, domain):
        return None
    saved = read(pools, managed_path(domain))
    own = saved.definition
    if (own.name, own.uuid) == (domain.name, domain.uuid):
        return saved
    asked, given = (f"domain '{each.name}' uuid {UUID(bytes=each.uuid)}" for each in (domain, own))
    problem = f"cannot restore {asked} from a file which belongs to {given}"
    raise failure(Code.OPERATION_FAILED, problem)


def remove_managed(pools: Pools, domain: Domain) -> None:
    """Remove what a domain's host has saved of it.

    Raises:
        LibvirtError: there is nothing.
    """
    path = managed_path(domain)
    if not pools.remove(path):
        doing = f"Failed to remove managed save file '{path}'"
        raise system_failure(doing, errno.ENOENT, origin=Origin.QEMU)
