"""Files that a host makes for what is copied from a disk.

All here is called under the cluster's lock.
"""

import errno
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, system_failure
from pytest_fakehv.fronts.libvirt.host.blocks.data import Data, fill
from pytest_fakehv.fronts.libvirt.host.disks.chain import Layer
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.storage.content import Content
from pytest_fakehv.fronts.libvirt.host.storage.pools import Pools
from pytest_fakehv.fronts.libvirt.host.storage.qcow2 import CLUSTER
from pytest_fakehv.fronts.libvirt.host.storage.space import Backing, Image, ImageType, Permissions

_PERMISSIONS: Final = Permissions(0o600)


def check_can_make(pools: Pools, layer: Layer, target: str, *, reuses: bool) -> None:
    """Refuse to copy a disk to where something is, or, if that is to be used, where nothing is.

    Of what is in no pool, nobody knows.

    Args:
        pools: the host's.
        layer: where.
        target: the disk's name.
        reuses: whether what is there is to be used.

    Raises:
        LibvirtError: it is so.
    """
    space, name = pools.space_at(layer.path)
    if space is None or layer.type != "file":
        return
    is_there = name in space.images
    if is_there and not reuses:
        problem = (
            f"external destination file for disk {target} already exists and is not a block device: "
            f"{layer.path}"
        )
        raise failure(Code.CONFIG_UNSUPPORTED, problem)
    if reuses and not is_there:
        doing = f"missing destination file for disk {target}: {layer.path}"
        raise system_failure(doing, errno.ENOENT, origin=Origin.QEMU)


def make(host: Host, layer: Layer, capacity: int, beneath: Layer | None) -> None:
    """Make a file without data, if a pool is there.

    Args:
        host: whose.
        layer: where, and of which format.
        capacity: for how many bytes.
        beneath: what it is the difference to; None for nothing.
    """
    space, name = host.pools.space_at(layer.path)
    if space is None or layer.type != "file":
        return
    is_qcow2 = layer.format == "qcow2"
    image = Image(
        name=name,
        type=ImageType.FILE,
        format=layer.format,
        capacity=capacity,
        allocation=0,
        physical=0 if is_qcow2 else capacity,
        permissions=_PERMISSIONS,
        backing=Backing(host.pools.whole_path(beneath.path), beneath.format)
        if beneath and is_qcow2
        else None,
        compat="1.1" if is_qcow2 else None,
        features=() if is_qcow2 else None,
        cluster=CLUSTER if is_qcow2 else None,
    )
    fill(image, Data(Content(), frozenset() if beneath else None), host.machine.now)
    space.images[name] = image
