"""What calls of libvirt's are about beside instances: storage pools, their volumes, and networks."""

from typing import Final, Literal, NamedTuple, TypedDict, get_args

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.interface.libvirt import LIBVIRT_NAMES
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it

Resource = Literal["pool", "volume", "network"]

RESOURCES: Final[tuple[Resource, ...]] = get_args(Resource)

_INSTANCE: Final = ("instance",)
_POOL: Final = ("pool",)
_VOLUME: Final = ("pool", "volume")
_NETWORK: Final = ("network",)

GROUPS: Final = (_INSTANCE, _VOLUME, _NETWORK)
"""What one call can be about at once."""

_BY_PREFIX: Final = {
    "virDomain": _INSTANCE,
    "virStoragePool": _POOL,
    "virStorageVol": _VOLUME,
    "virNetwork": _NETWORK,
}

_OTHERS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("virDomainLookupByID", "virDomainLookupByUUID"), ()),
    **dict.fromkeys(("virStoragePoolLookupByUUID", "virStoragePoolLookupByTargetPath"), ()),
    "virStoragePoolLookupByVolume": _VOLUME,
    "virStorageVolLookupByKey": (),
    "virStorageVolLookupByPath": ("volume",),
    "virNetworkLookupByUUID": (),
}
"""Of functions that say less, or more, than their names do."""


def subjects(method: str) -> tuple[str, ...]:
    """Return what the calls of a method can name: an instance, or a pool, a volume, a network."""
    if method not in LIBVIRT_NAMES:
        return _INSTANCE
    if method in _OTHERS:
        return _OTHERS[method]
    return next((named for prefix, named in _BY_PREFIX.items() if method.startswith(prefix)), ())


class Resources(NamedTuple):
    """What a call is about, each by its name; None for none."""

    pool: str | None = None
    volume: str | None = None
    network: str | None = None

    def checked(self) -> "Resources":
        """Return it, having refused what can be no name.

        Raises:
            DeclarationError: one can't; the message says which.
        """
        for key, given in self._asdict().items():
            value: object = given
            if value is not None and not (isinstance(value, str) and value):
                raise DeclarationError(f"{key} must be the name of a {key}, not {shown(value)}")
        if self.volume and "/" in self.volume:
            raise DeclarationError(
                f"volume={shown(self.volume)} can't be: no volume's name has a '/'; name its pool by pool="
            )
        return self

    def include(self, others: "Resources") -> bool:
        """Tell whether what is said here holds of others, which may be more."""
        return all(wanted in (None, given) for wanted, given in zip(self, others, strict=True))


NO_RESOURCES: Final = Resources()


class ResourceOptions(TypedDict, total=False):
    """The keywords that narrow calls to what they are about, for what hands them on."""

    pool: str | None
    volume: str | None
    network: str | None
