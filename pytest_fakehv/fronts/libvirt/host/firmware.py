"""What domains with UEFI boot from: their host's firmware, and variables of their own, each in a file.

The firmware itself is not modelled: a program at a path that lies in no pool is taken to be there.
All here is called under the cluster's lock.
"""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, failure
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.storage.pools import Pools
from pytest_fakehv.fronts.libvirt.host.storage.space import Image, ImageType, Permissions

__tracebackhide__ = True  # a failed call is shown at the line that made it

_WITH_MASTERS: Final = frozenset(
    {
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_CODE.secboot.fd",
        "/usr/share/AAVMF/AAVMF_CODE.fd",
        "/usr/share/AAVMF/AAVMF32_CODE.fd",
    }
)
"""The programs of which a daemon knows by itself which variables they start with."""
_SIZE: Final = 131072
"""Bytes that the variables take."""


def check(pools: Pools, definition: Definition) -> None:
    """Refuse a domain whose host is to find firmware, as it has none; or can't know its first variables.

    Raises:
        LibvirtError: it is so.
    """
    os = _os(definition)
    if kind := os.attributes.get("firmware"):
        raise failure(Code.OPERATION_FAILED, f"Unable to find any firmware to satisfy '{kind}'")
    loader, nvram = os.child("loader"), os.child("nvram")
    if loader is None or nvram is None or variables(pools, definition):
        return
    if "template" not in nvram.attributes and loader.text not in _WITH_MASTERS:
        problem = f"unable to find any master var store for loader: {loader.text}"
        raise failure(Code.OPERATION_FAILED, problem)


def keep(pools: Pools, definition: Definition, now: float) -> None:
    """Have the variables of a domain that runs, if it has any, from then on.

    Args:
        pools: its host's.
        definition: by what it runs.
        now: the time of the cluster's clock, in seconds.
    """
    path = _path(definition)
    if path and not variables(pools, definition):
        space, name = pools.place(path)
        space.images[name] = Image(
            name=name,
            type=ImageType.FILE,
            format="raw",
            capacity=_SIZE,
            allocation=_SIZE,
            physical=_SIZE,
            permissions=Permissions(0o600),
            changed=now,
        )


def variables(pools: Pools, definition: Definition) -> str | None:
    """Return where a domain's variables are kept on its host; None where it has none there."""
    path = _path(definition)
    return path if path and pools.image_at(path) else None


def is_flash(definition: Definition) -> bool:
    """Tell whether a domain boots from flash, of which a snapshot inside a disk has nothing."""
    loader = _os(definition).child("loader")
    return loader is not None and loader.attributes["type"] == "pflash"


def _path(definition: Definition) -> str | None:
    """Return where a domain's variables are to be; None where it keeps none in a file."""
    nvram = _os(definition).child("nvram")
    if nvram is None:
        return None
    source = nvram.child("source")
    return source.attributes.get("file") if source else nvram.text


def _os(definition: Definition) -> Element:
    return definition.root.child("os") or Element("os")
