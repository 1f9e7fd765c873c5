"""The storage pools of one host, and what is done with them."""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import (
    Code,
    LibvirtError,
    Origin,
    failure,
    system_failure,
    wrong_argument,
)
from pytest_fakehv.fronts.libvirt.host.apis import check_flags
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, written
from pytest_fakehv.fronts.libvirt.host.registry import Registry, no_pool
from pytest_fakehv.fronts.libvirt.host.storage.pool import Pool, Volume, invalid, no_volume
from pytest_fakehv.fronts.libvirt.host.storage.poolxml import PoolDefinition, WantedPermissions, tidy
from pytest_fakehv.fronts.libvirt.host.storage.qcow2 import probe
from pytest_fakehv.fronts.libvirt.host.storage.space import Backing, Image, Permissions, Space, Spaces
from pytest_fakehv.fronts.libvirt.host.words import PoolBuild, PoolEventKind, PoolLifecycle, PoolStart
from pytest_fakehv.fronts.libvirt.translation import Machine
from pytest_fakehv.fronts.libvirt.values import Notice, PoolRef, VolumeRef
from pytest_fakehv.text import natural_order

__tracebackhide__ = True  # a failed call is shown at the line that made it

_USUAL: Final = Permissions(0o711)
_USUAL_PARENT: Final = Permissions(0o755)
_FORMATTING: Final = PoolBuild.NO_OVERWRITE | PoolBuild.OVERWRITE


class Pools:
    """The storage pools of one host; all here is called under the cluster's lock.

    Args:
        machine: the node.
        spaces: where all storage of the cluster's hosts is.
        tell: what tells the host's clients.
    """

    def __init__(self, machine: Machine, spaces: Spaces, tell: Callable[[Notice], None]) -> None:
        self._machine = machine
        self._spaces = spaces
        self._tell = tell
        self._registry = Registry[Pool]()

    def __iter__(self) -> Iterator[Pool]:
        """Go through them, by name."""
        return iter(sorted(self._registry, key=lambda each: natural_order(each.name)))

    # Which there are

    def find(self, ref: PoolRef) -> Pool:
        """Return the pool that a client means.

        Raises:
            LibvirtError: it is no more.
        """
        if pool := self._registry.by_uuid(ref.uuid):
            return pool
        raise no_pool(ref)

    def by_name(self, name: str) -> Pool:
        """Return the pool of a name.

        Raises:
            LibvirtError: there is none.
        """
        if pool := self._registry.by_name(name):
            return pool
        raise _not_found(f"no storage pool with matching name '{name}'")

    def by_uuid(self, key: bytes) -> Pool:
        """Return the pool of a UUID's 16 bytes.

        Raises:
            LibvirtError: there is none.
        """
        if pool := self._registry.by_uuid(key):
            return pool
        raise _not_found(f"no storage pool with matching uuid '{UUID(bytes=key)}'")

    def by_path(self, path: str) -> Pool:
        """Return the active pool whose volumes are in a folder.

        Raises:
            LibvirtError: there is none.
        """
        tidied = tidy(path)
        for pool in self:
            if pool.is_active and pool.definition.path == tidied:
                return pool
        cleaned = "" if path == tidied else f" ({tidied})"
        raise _not_found(f"no storage pool with matching target path '{path}'{cleaned}")

    def find_volume(self, ref: VolumeRef) -> Volume:
        """Return the volume that a client means.

        Raises:
            LibvirtError: it is no more, or its pool isn't active.
        """
        return self.by_name(ref.pool).volume(ref.name)

    def volume_by_path(self, path: str) -> Volume:
        """Return the volume of an active pool that has a path.

        Raises:
            LibvirtError: there is none.
        """
        tidied = tidy(path)
        for volume in self._volumes():
            if volume.path == tidied:
                return volume
        raise no_volume(f"no storage vol with matching path '{path}'")

    def volume_by_key(self, key: str) -> Volume:
        """Return the volume of an active pool that has a key.

        Raises:
            LibvirtError: there is none.
        """
        for volume in self._volumes():
            if volume.key == key:
                return volume
        raise no_volume(f"no storage vol with matching key {key}")

    def exports(self, source: str | None) -> str:
        """Return, as XML, what of a server hosts have had pools of.

        Args:
            source: the XML of what is looked for, which names the server.

        Raises:
            LibvirtError: it doesn't, or is no XML.
        """
        server = _server(source)
        return _sources(server, self._spaces.exports(server))

    def image_at(self, path: str) -> Image | None:
        """Return what lies at a path, in whichever pool, active or not; None where nothing does."""
        space, name = self.place(path)
        return space.images.get(name)

    def place(self, path: str) -> tuple[Space, str]:
        """Return where a path leads, to whichever pool or else a folder of the host's, and the name there."""
        space, name = self.space_at(path)
        folder = tidy(path).rpartition("/")[0] or "/"
        return space or self._spaces.at(("dir", self._machine.name, folder)), name

    def is_folder(self, path: str) -> bool:
        """Tell whether a path is one of the host's folders."""
        return tidy(path) in self._folders

    def remove(self, path: str) -> bool:
        """Remove what lies at a path; tell whether something did."""
        space, name = self.place(path)
        return space.images.pop(name, None) is not None

    def backing_at(self, path: str) -> Backing | None:
        """Return what a file at a path is the difference to; None for nothing."""
        image = self.image_at(path)
        return image.backing if image else None

    def space_at(self, path: str) -> tuple[Space | None, str]:
        """Return where a path is, in whichever pool, and the name there; None where no pool is there."""
        folder, _, name = tidy(self.whole_path(path)).rpartition("/")
        for pool in self:
            if pool.definition.path == (folder or "/"):
                return self._space(pool.definition), name
        return None, name

    def whole_path(self, path: str) -> str:
        """Return the path of what a disk names: of ``pool/volume``, that in the pool's folder."""
        pool, _, volume = path.partition("/")
        found = self._registry.by_name(pool)
        return f"{found.definition.path}/{volume}" if found else path

    def is_shared(self, pool: Pool) -> bool:
        """Tell whether hosts share what is in a pool."""
        return self._spaces.is_shared(pool.definition.address(self._machine.name))

    def image_of(self, pool: str, volume: str) -> Image | None:
        """Return what a pool, active or not, has by a name; None for nothing."""
        found = self._registry.by_name(pool)
        return self._space(found.definition).images.get(volume) if found else None

    def _volumes(self) -> Iterator[Volume]:
        for pool in self:
            for image in pool.images.values():
                yield Volume(pool, image)

    # They come and go

    def define(self, definition: PoolDefinition) -> Pool:
        """Define a pool, or change its definition.

        Raises:
            LibvirtError: its name, its UUID or its source is another one's.
        """
        pool = self.known(definition)
        if pool:
            pool.defined(definition)
        else:
            pool = Pool(definition=definition)
            self._registry.add(pool)
        pool.is_persistent = True
        self._happens(pool, PoolLifecycle.DEFINED)
        return pool

    def create(self, definition: PoolDefinition, flags: int) -> Pool:
        """Start a pool of a definition, which goes with it unless it is defined already.

        Raises:
            LibvirtError: it can't be started, or its name, its UUID or its source is another one's.
        """
        pool = self.known(definition)
        if pool and pool.is_active:
            raise invalid(f"pool is already active as '{pool.name}'")
        if pool:
            pool.defined(definition)
        else:
            pool = Pool(definition=definition)
            self._registry.add(pool)
        try:
            self._start(pool, flags)
        except LibvirtError:
            self._forget_unless_there(pool)
            raise
        return pool

    def declare(self, definition: PoolDefinition) -> None:
        """Have a pool that a test declares, with the folder that it is of.

        Raises:
            LibvirtError: its name or its source is another one's.
        """
        pool = self.define(definition)
        pool.autostart = True
        self._make_folders(definition)
        if not self._machine.is_down:
            self._start(pool, 0)

    def undefine(self, pool: Pool) -> None:
        """Forget a pool's definition; what lies in it stays there.

        Raises:
            LibvirtError: it is active.
        """
        self._check_is_not_active(pool)
        self._registry.drop(pool)
        self._happens(pool, PoolLifecycle.UNDEFINED)

    def known(self, definition: PoolDefinition) -> Pool | None:
        """Return the pool that a definition is of; None for a new one.

        Raises:
            LibvirtError: its name, its UUID or its source is another one's.
        """
        for other in self:
            if other.name != definition.name and other.definition.conflicts(definition):
                raise _failed(f"Storage source conflict with pool: '{other.name}'")
        key = UUID(bytes=definition.uuid)
        by_uuid, by_name = self._registry.by_uuid(definition.uuid), self._registry.by_name(definition.name)
        if by_uuid and by_uuid.name != definition.name:
            raise _failed(f"pool '{by_uuid.name}' is already defined with uuid {key}")
        if by_name and by_name is not by_uuid:
            raise _failed(f"pool '{by_name.name}' already exists with uuid {UUID(bytes=by_name.uuid)}")
        return by_uuid

    def _forget_unless_there(self, pool: Pool) -> None:
        if not pool.is_persistent:
            self._registry.drop(pool)

    # They start and stop

    def start(self, pool: Pool, flags: int) -> None:
        """Start a pool that is defined.

        Raises:
            LibvirtError: it is active, or what is to be in it isn't there.
        """
        if pool.is_active:
            raise invalid(f"storage pool '{pool.name}' is already active")
        self._start(pool, flags)

    def _start(self, pool: Pool, flags: int) -> None:
        if flags:
            formats = PoolBuild.OVERWRITE if flags & PoolStart.BUILD_OVERWRITE else PoolBuild(0)
            keeps = PoolBuild.NO_OVERWRITE if flags & PoolStart.BUILD_NO_OVERWRITE else PoolBuild(0)
            self._make(pool, formats | keeps)
        definition = pool.definition
        folder = self._folders.get(definition.path, _USUAL_PARENT if pool.is_logical else None)
        if folder is None:
            raise _cannot_start(definition)
        pool.starts(self._space(definition), folder)
        self._happens(pool, PoolLifecycle.STARTED)

    def stop(self, pool: Pool) -> None:
        """Stop a pool; what lies in it stays there.

        Raises:
            LibvirtError: it isn't active.
        """
        pool.active_space()
        pool.stops()
        self._happens(pool, PoolLifecycle.STOPPED)
        self._forget_unless_there(pool)

    def goes_down(self) -> None:
        """Stop all, with the host: who is connected is told nothing."""
        for pool in self:
            if pool.is_active:
                pool.stops()
            self._forget_unless_there(pool)

    def leaves(self) -> None:
        """Have no disks any more: the host is no longer in the cluster."""
        self._spaces.forget(self._machine.name)

    def boots(self) -> None:
        """Start those that start with the host; what can't be started stays as it is."""
        for pool in self:
            if pool.autostart and not pool.is_active:
                with suppress(LibvirtError):
                    self._start(pool, 0)

    def refresh(self, pool: Pool) -> None:
        """Look what is in a pool: who has changed it by another host's pool is noticed.

        Raises:
            LibvirtError: it isn't active.
        """
        pool.looks()
        for image in pool.images.values():
            probe(image)
        self._tell(Notice(PoolEventKind.REFRESH, pool.ref))

    def written(self, volume: Volume) -> None:
        """Note that something was written into a volume."""
        volume.image.changed = self._machine.now
        if volume.pool.is_active:
            self.refresh(volume.pool)

    def set_autostart(self, pool: Pool, *, autostart: bool) -> None:
        """Let a pool start with its host, or no longer.

        Raises:
            LibvirtError: it isn't defined.
        """
        if not pool.is_persistent:
            raise failure(Code.INTERNAL_ERROR, "pool has no config file", origin=Origin.STORAGE)
        pool.autostart = autostart

    # What they lie in

    def build(self, pool: Pool, flags: int) -> None:
        """Make what a pool's volumes lie in.

        Raises:
            LibvirtError: the pool is active, or that can't be made.
        """
        if pool.is_active:
            raise invalid(f"storage pool '{pool.name}' is already active")
        self._make(pool, flags)
        self._happens(pool, PoolLifecycle.CREATED)

    def _make(self, pool: Pool, flags: int) -> None:
        definition, path = pool.definition, pool.definition.path
        function = f"virStorageBackend{'LogicalBuildPool' if pool.is_logical else 'FileSystemBuild'}"
        check_flags(flags, _FORMATTING, function, Origin.STORAGE)
        if flags == _FORMATTING:
            names = (f"VIR_STORAGE_POOL_BUILD_{each}" for each in ("OVERWRITE", "NO_OVERWRITE"))
            problem = "Flags '{}' and '{}' are mutually exclusive".format(*names)
            raise wrong_argument(function, "ctl", problem, origin=Origin.STORAGE)
        if not pool.is_logical:
            if not path.startswith("/"):
                problem = f"path '{path}' is not absolute"
                raise failure(Code.INVALID_ARG, problem, origin=Origin.STORAGE)
            self._make_folders(definition)
            if flags and not definition.devices:
                raise invalid(f"No source device specified when formatting pool '{pool.name}'")
        if flags & PoolBuild.OVERWRITE:
            self._space(definition).images.clear()

    def _make_folders(self, definition: PoolDefinition) -> None:
        path, folders = definition.path, self._folders
        wanted = definition.permissions or WantedPermissions(None, None, None)
        folders[path] = wanted.over(folders.get(path, _USUAL))
        while (path := path.rpartition("/")[0]) and path not in folders:
            folders[path] = _USUAL_PARENT

    def delete(self, pool: Pool, flags: int) -> None:
        """Remove what a pool's volumes lie in.

        Raises:
            LibvirtError: the pool is active; or that isn't there, or not empty.
        """
        self._check_is_not_active(pool)
        if pool.is_logical:
            check_flags(flags, 0, "virStorageBackendLogicalDeletePool", Origin.STORAGE)
            self._space(pool.definition).images.clear()
        else:
            check_flags(flags, 0, "virStorageBackendDeleteLocal", Origin.STORAGE)
            self._remove_folder(pool.definition)
        self._happens(pool, PoolLifecycle.DELETED)

    def _remove_folder(self, definition: PoolDefinition) -> None:
        path = definition.path
        doing = f"failed to remove pool '{path}'"
        if path not in self._folders:
            raise system_failure(doing, errno.ENOENT, origin=Origin.STORAGE)
        holds = definition.kind == "dir" and self._space(definition).images
        if holds or any(each.startswith(f"{path.rstrip('/')}/") for each in self._folders if each != path):
            raise system_failure(doing, errno.ENOTEMPTY, origin=Origin.STORAGE)
        del self._folders[path]

    # Inside

    @property
    def _folders(self) -> dict[str, Permissions]:
        return self._spaces.folders(self._machine.name)

    def _space(self, definition: PoolDefinition) -> Space:
        return self._spaces.at(definition.address(self._machine.name))

    def _check_is_not_active(self, pool: Pool) -> None:
        if pool.is_active:
            raise invalid(f"storage pool '{pool.name}' is still active")

    def _happens(self, pool: Pool, what: PoolLifecycle) -> None:
        self._tell(Notice(PoolEventKind.LIFECYCLE, pool.ref, (int(what), 0)))


def _server(source: str | None) -> str:
    """Return which server the XML of what is looked for names.

    Raises:
        LibvirtError: it doesn't, or is no XML.
    """
    server = read(source, "storage_source", Origin.STORAGE).child("host") if source else None
    if server is None or not server.attributes.get("name"):
        problem = "hostname must be specified for netfs sources"
        raise failure(Code.INVALID_ARG, problem, origin=Origin.STORAGE)
    return server.attributes["name"]


def _sources(server: str, folders: Iterable[str]) -> str:
    """Write which folders a server lets hosts have."""
    found = (
        Element(
            "source",
            {},
            (
                Element("host", {"name": server}),
                Element("dir", {"path": each}),
                Element("format", {"type": "nfs"}),
            ),
        )
        for each in folders
    )
    return written(Element("sources", {}, tuple(found))).replace("<sources/>", "<sources>\n</sources>")


def _cannot_start(definition: PoolDefinition) -> LibvirtError:
    """Return the error of a start without the folder that it needs."""
    path, form = definition.path, definition.format
    if definition.kind == "dir":
        return system_failure(f"cannot open directory '{path}'", errno.ENOENT)
    source = definition.told("device")
    if definition.kind == "netfs":
        source = f"{definition.told('host')}:{definition.told('dir')}"
        form = "" if form == "auto" else form
    version = definition.source.child("protocol")
    options = f",nfsvers={version.attributes.get('ver')}" if version else ""
    mount = f"/bin/mount -o nodev,nosuid,noexec{options}{form and ' -t '}{form} {source} {path}"
    problem = (
        f"Child process ({mount}) unexpected exit status 32: mount: {path}: mount point does not exist.\n"
        "       dmesg(1) may have more information after failed mount system call.\n"
    )
    return failure(Code.INTERNAL_ERROR, problem, origin=Origin.NONE)


def _failed(problem: str) -> LibvirtError:
    return failure(Code.OPERATION_FAILED, problem, origin=Origin.STORAGE)


def _not_found(problem: str) -> LibvirtError:
    return failure(Code.NO_STORAGE_POOL, problem, origin=Origin.STORAGE)
