"""Which storage pool, volume or network a client's call is about."""

from typing import Any

from pytest_fakehv.fronts.libvirt.values import NetworkRef, PoolRef, VolumeRef, Xml
from pytest_fakehv.interface.resources import NO_RESOURCES, Resources, subjects


def resources_of(method: str, arguments: tuple[Any, ...]) -> Resources:
    """Return what a call is about: also what it looks for by name, or is to make.

    Args:
        method: the function of libvirt's.
        arguments: the call's arguments as the journal has them: definitions as `Xml`.
    """
    named = subjects(method)
    if not named or "instance" in named:
        return NO_RESOURCES
    first = arguments[0]
    if isinstance(first, VolumeRef):
        return Resources(pool=first.pool, volume=first.name)
    if isinstance(first, NetworkRef):
        return Resources(network=first.name)
    if isinstance(first, PoolRef):
        volume = _named(method, arguments[1]) if "volume" in named else None
        return Resources(pool=first.name, volume=volume)
    return Resources(**{named[-1]: _named(method, first)})


def _named(method: str, given: Xml) -> str | None:
    """Return the name that a definition has, or that stands there itself, alone or behind a path."""
    if "XML" in method:
        return given.name or None
    return str(given).rpartition("/")[2] if method.endswith("Path") else str(given)
