"""The kinds of jobs of disks: what each does with a chain, and with the files of it that pools know.

All here is called under the cluster's lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.fronts.libvirt.host.blocks import jobs
from pytest_fakehv.fronts.libvirt.host.blocks.data import amount_of, fill, merged, needed
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.disks import chain
from pytest_fakehv.fronts.libvirt.host.disks.chain import Layer
from pytest_fakehv.fronts.libvirt.host.disks.job import UNKNOWN_SIZE, BlockJob, Stop
from pytest_fakehv.fronts.libvirt.host.disks.words import BlockJobKind
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.storage.room import NO_ROOM, Growth
from pytest_fakehv.fronts.libvirt.host.storage.space import Backing, Image

_MAKING: Final = frozenset({BlockJobKind.COPY, BlockJobKind.BACKUP})
"""Which jobs write to a file that no guest has."""

_BEFORE_MIRROR: Final = frozenset({"driver", "auth", "source", "backingStore"})


@dataclass(frozen=True)
class Work:
    """A disk on which there is to be a job.

    Attributes:
        host: where.
        domain: whose disk it is.
        target: the disk's name.
        bandwidth: at most how many bytes are done in a second; 0 for as many as go.
    """

    host: Host
    domain: Domain
    target: str
    bandwidth: int

    @property
    def disk(self) -> Element:
        """The disk, as it is now."""
        return chain.find_disk(self.domain.definition, self.target)

    @property
    def layers(self) -> list[Layer]:
        """Its chain now."""
        return chain.layers_of(self.disk)

    def begin(self, kind: BlockJobKind, layer: Layer, amount: int, size: int) -> BlockJob:
        """Return a job of the disk that has no effect yet.

        Args:
            kind: what it does.
            layer: of which it has its name.
            amount: how many bytes there are to be done.
            size: at how many it is done, as clients see it.
        """
        return BlockJob(
            kind=kind,
            target=self.target,
            path=self.path,
            index=layer.number,
            amount=amount,
            size=size,
            bandwidth=self.bandwidth,
            finish=lambda: self.path,
            at=self.host.machine.now,
        )

    @property
    def path(self) -> str:
        """Where its source is now."""
        return self.host.pools.whole_path(self.layers[0].path)

    def image(self, layer: Layer) -> Image | None:
        """Return the file of a layer; None where no pool has it."""
        return self.host.pools.image_at(layer.path)

    def images(self, layers: Sequence[Layer]) -> list[Image] | None:
        """Return the files of layers; None where a pool has not all."""
        found = [image for each in layers if (image := self.image(each))]
        return found if len(found) == len(layers) else None

    def amount(self, layers: Sequence[Layer]) -> int:
        """Return how many bytes of data are in layers."""
        images = self.images(layers)
        return UNKNOWN_SIZE if images is None else min(self.size, sum(map(amount_of, images)))

    @property
    def size(self) -> int:
        """What a guest sees of the disk, in bytes."""
        image = self.image(self.layers[0])
        return image.capacity if image else UNKNOWN_SIZE

    def show(self, disk: Element) -> None:
        """Let the disk's XML be another one."""
        old = self.disk
        self.host.change_live(self.domain, lambda live: chain.with_disk(live, old, disk))

    def fill(self, layer: Layer, layers: Sequence[Layer], backing: Layer | None) -> None:
        """Let a file have what a guest sees of layers.

        Args:
            layer: whose file it is; one that no pool has stays as it is.
            layers: of what.
            backing: what it is the difference to then; None for nothing.
        """
        if image := self.image(layer):
            images = self.images(layers)
            data = merged(images) if images is not None else None
            if images is not None:
                image.allocation = max(
                    image.allocation, needed(image, images, has_backing=backing is not None)
                )
            path = self.host.pools.whole_path(backing.path) if backing else ""
            image.backing = Backing(path, backing.format) if backing else None
            fill(image, data, self.host.machine.now)

    def let_fail(
        self, job: BlockJob, layer: Layer | None, layers: Sequence[Layer] = (), *, has_backing: bool = False
    ) -> None:
        """Let a job fail where its file has no more room, or where the test says.

        Args:
            job: which.
            layer: whose file is filled by it, as by `fill`; None for none.
            layers: of what.
            has_backing: whether it is the difference to something then.
        """
        growth = self._growth(layer, layers, has_backing=has_backing) if layer else None
        said = self.host.failing(self.domain.name, self.target)

        def stop() -> Stop | None:
            possible = growth.possible if growth else 1
            if possible < 1 and (said is None or possible < said.at):
                return Stop(possible, NO_ROOM)
            return said

        def fail(share: float) -> None:
            if growth:
                growth.come(share)
                if job.kind in _MAKING:  # of what it has, nobody knows how much is there
                    fill(growth.image, None, self.host.machine.now)

        job.stop, job.fail = stop, fail

    def _growth(self, layer: Layer, layers: Sequence[Layer], *, has_backing: bool) -> Growth | None:
        """Return by how much a file grows; None for one that no pool has."""
        image, images = self.image(layer), self.images(layers)
        if image is None or images is None:
            return None
        space, _ = self.host.pools.place(layer.path)
        return Growth(image, space, needed(image, images, has_backing=has_backing) - image.allocation)

    def delete(self, layers: Sequence[Layer]) -> None:
        """Delete the files of layers."""
        for each in layers:
            self.host.pools.remove(each.path)

    # A mirror

    def mirror(self, layer: Layer, job: str, *, beneath: Element | None = None, ready: bool = False) -> None:
        """Let the disk's XML say that something is kept the same as the disk.

        Args:
            layer: what.
            job: for which job.
            beneath: what is beneath it; None where that need not be said.
            ready: whether it is the same by now.
        """
        told = {"file": layer.path, "format": layer.format} if job == "copy" else {}
        content = [Element("format", {"type": layer.format}), layer.numbered_source]
        content += [beneath] if beneath else []
        about = {"type": layer.type, **told, "job": job, **({"ready": "yes"} if ready else {})}
        disk = self.disk
        parts = [each for each in disk.children if each.name != "mirror"]
        place = sum(each.name in _BEFORE_MIRROR for each in parts)
        mirror = Element("mirror", about, tuple(content))
        self.show(disk.holding(*parts[:place], mirror, *parts[place:]))

    def unmirror(self) -> None:
        """Let it say that no more."""
        disk = self.disk
        self.show(disk.holding(*(each for each in disk.children if each.name != "mirror")))

    def pivot(self, layer: Layer, beneath: Sequence[Layer]) -> str:
        """Let the disk be what was kept the same, from now on; return its source.

        Args:
            layer: that.
            beneath: what is beneath it.
        """
        self.unmirror()
        old = self.layers[0].path
        self.show(chain.with_layers(self.disk, [layer, *beneath]))
        self.host.configure(
            self.domain, lambda config: _pivoted(config, self.target, old, layer, is_last=not beneath)
        )
        return layer.path


def _pivoted(config: Definition, target: str, old: str, layer: Layer, *, is_last: bool) -> Definition:
    """Return a persistent definition one of whose disks has another source, if it had the same."""
    for disk in chain.disks_of(config):
        layers = chain.layers_of(disk)
        if chain.target_of(disk) == target and layers and layers[0].path == old:
            new = chain.with_layers(disk, [layer._replace(number=0)])
            if not is_last:
                new = new.holding(*(each for each in new.children if each.name != "backingStore"))
            return chain.with_disk(config, disk, new)
    return config


def pull(work: Work, base: int | None) -> None:
    """Begin to let a disk have what is beneath it.

    Args:
        work: the disk.
        base: the place in its chain of what stays beneath it; None where nothing does.
    """
    layers = work.layers
    end = len(layers) if base is None else base
    amount = work.amount(layers[1:end])
    job = work.begin(BlockJobKind.PULL, layers[0], amount, work.size)

    def finish() -> str:
        work.fill(layers[0], layers[:end], layers[end] if base is not None else None)
        work.show(chain.with_layers(work.disk, [layers[0], *layers[end:]]))
        return work.path

    job.finish = finish
    work.let_fail(job, layers[0], layers[:end], has_backing=base is not None)
    jobs.begin(work.host, work.domain, work.disk, job)


def commit(work: Work, top: int, base: int, *, deletes: bool) -> None:
    """Begin to let a file have what is in those above it, which are left out then.

    Args:
        work: the disk.
        top: the place in its chain of the first of them, which is not the disk's source.
        base: the place of that file.
        deletes: whether the others are deleted then.
    """
    layers = work.layers
    job = work.begin(BlockJobKind.COMMIT, layers[top], work.amount(layers[top:base]), work.size)

    def finish() -> str:
        beneath = layers[base + 1] if base + 1 < len(layers) else None
        work.fill(layers[base], layers[top : base + 1], beneath)
        if above := work.image(layers[top - 1]):
            above.backing = Backing(layers[base].path, layers[base].format)
            work.fill(layers[top - 1], layers[top - 1 : top], layers[base])
        work.show(chain.with_layers(work.disk, [*layers[:top], *layers[base:]]))
        if deletes:
            work.delete(layers[top:base])
        return work.path

    job.finish, job.writes = finish, layers[base].path
    work.let_fail(job, layers[base], layers[top : base + 1], has_backing=base + 1 < len(layers))
    jobs.begin(work.host, work.domain, work.disk, job)


def commit_active(work: Work, base: int, *, deletes: bool) -> None:
    """Begin to let a file have what is in all above it, which becomes the disk's source then.

    Args: as for `commit`, of all from the disk's source on.
    """
    layers = work.layers
    amount = work.amount(layers[:base])
    job = work.begin(BlockJobKind.ACTIVE_COMMIT, layers[0], amount, amount or 1)

    def ready() -> None:
        beneath = layers[base + 1] if base + 1 < len(layers) else None
        work.fill(layers[base], layers[: base + 1], beneath)
        work.mirror(layers[base], "active-commit", ready=True)

    def finish() -> str:
        path = work.pivot(layers[base], layers[base + 1 :])
        if deletes:
            work.delete(layers[:base])
        return path

    job.ready, job.finish, job.cancel, job.writes = ready, finish, work.unmirror, layers[base].path
    work.let_fail(job, layers[base], layers[: base + 1], has_backing=base + 1 < len(layers))
    work.mirror(layers[base], "active-commit")
    jobs.begin(work.host, work.domain, work.disk, job)


def copy(work: Work, there: Layer, *, is_shallow: bool) -> None:
    """Begin to copy a disk to a file that is there, which becomes the disk's source if a client wants that.

    Args:
        work: the disk.
        there: the file.
        is_shallow: whether what is beneath the disk stays beneath the copy.
    """
    layers = work.layers
    own, rest = (layers[:1], layers[1:]) if is_shallow else (layers, [])
    amount = work.amount(own)
    job = work.begin(BlockJobKind.COPY, layers[0], amount, amount or 1)
    beneath = None if is_shallow else Element("backingStore")

    def ready() -> None:
        work.fill(there, own, rest[0] if rest else None)
        work.mirror(there, "copy", beneath=beneath, ready=True)

    job.ready, job.finish, job.cancel = ready, lambda: work.pivot(there, rest), work.unmirror
    job.writes = there.path
    work.let_fail(job, there, own, has_backing=bool(rest))
    work.mirror(there, "copy", beneath=beneath)
    jobs.begin(work.host, work.domain, work.disk, job)
