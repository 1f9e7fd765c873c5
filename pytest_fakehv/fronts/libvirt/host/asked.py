"""What a migration's caller asks for, by whichever function; and what hosts tell each other."""

import json
from dataclasses import dataclass
from typing import Any, Final, Self

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, wrong_argument
from pytest_fakehv.fronts.libvirt.host.words import Migrate
from pytest_fakehv.fronts.libvirt.values import Parameter

_FIELDS: Final = {
    "destination_name": "name",
    "destination_xml": "xml",
    "persistent_xml": "persistent_xml",
    "migrate_uri": "uri",
    "bandwidth": "bandwidth",
}
"""The parameters that count here, and as what."""

DISKS: Final = "migrate_disks"
"""The parameter that names one disk, and may be there several times."""

_TUNING: Final = frozenset({
    "graphics_uri",
    "listen_address",
    "disks_port",
    "disks_uri",
    "compression",
    "compression.mt.level",
    "compression.mt.threads",
    "compression.mt.dthreads",
    "compression.xbzrle.cache",
    "auto_converge.initial",
    "auto_converge.increment",
    "bandwidth.postcopy",
    "parallel.connections",
    "tls.destination",
})  # fmt: skip
"""What a migration here has no use for, and only checks."""

_REPEATED: Final = frozenset({DISKS, "compression"})
"""What may be there several times."""

ALL_FLAGS: Final = sum(Migrate)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a caller asks for.

    Attributes:
        flags: how, `Migrate`.
        name: what the domain is called on the target; None for what it is.
        xml: what it is defined by there while it runs; None for what it is.
        persistent_xml: its persistent definition there, likewise.
        uri: where its memory is sent to, as the caller names it.
        bandwidth: at most how much is sent in a second, in MiB; 0 for as much as goes.
        tuning: what makes no difference here, as it was given.
        disks: which of its disks are copied, by their names, where any are; none for all that can be.
    """

    flags: int
    name: str | None = None
    xml: str | None = None
    persistent_xml: str | None = None
    uri: str | None = None
    bandwidth: int = 0
    tuning: tuple[Parameter, ...] = ()
    disks: tuple[str, ...] = ()

    @classmethod
    def by(cls, parameters: list[Parameter], flags: int, function: str) -> Self:
        """Take what the newer functions have in a list.

        Raises:
            LibvirtError: there is a parameter or a flag that nobody knows.
        """
        check_flags(flags, function)
        given: dict[str, Any] = {}
        seen: set[str] = set()
        for each in parameters:
            if each.field in seen - _REPEATED:
                problem = f"parameter '{each.field}' occurs multiple times"
                raise failure(Code.INVALID_ARG, problem, origin=Origin.NONE)
            seen.add(each.field)
            if each.field in _FIELDS:
                given[_FIELDS[each.field]] = each.value
            elif each.field == DISKS:
                given["disks"] = (*given.get("disks", ()), each.value)
            elif each.field in _TUNING:
                given["tuning"] = (*given.get("tuning", ()), each)
            else:
                raise failure(
                    Code.ARGUMENT_UNSUPPORTED, f"parameter '{each.field}' not supported", origin=Origin.NONE
                )
        return cls(flags=flags, **given)

    @property
    def copies_disks(self) -> bool:
        """Whether disks that hosts don't share are copied."""
        return self.has(Migrate.NON_SHARED_DISK) or self.has(Migrate.NON_SHARED_INC)

    def tuned(self, name: str, default: int) -> int:
        """Return a figure of its tuning; the default where it isn't given."""
        return next((each.value for each in self.tuning if each.field == name), default)

    def has(self, flag: Migrate) -> bool:
        """Tell whether a flag is set."""
        return bool(self.flags & flag)


def check_flags(flags: int, function: str) -> None:
    """Refuse flags that nobody knows.

    Raises:
        LibvirtError: there are such.
    """
    if unknown := flags & ~ALL_FLAGS:
        text = f"unsupported flags (0x{unknown:x}) in function {function}"
        raise wrong_argument(function, "flags", text, origin=Origin.QEMU)


def cookie(**told: str) -> bytes:
    """Return as bytes what one host tells the other by way of the client, who can't read it."""
    return json.dumps(told).encode()


def told_by(cookie_in: bytes) -> dict[str, str]:
    """Return what the other host has told; nothing where it is no host of ours."""
    try:
        told = json.loads(cookie_in)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
