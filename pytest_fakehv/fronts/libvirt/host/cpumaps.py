"""CPUs of a host, as bits of a number, as users write them, and as maps of bytes."""

from collections.abc import Iterable
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure

_LONGEST_MAPS: Final = 2**20
"""Bytes that the maps of a domain's CPUs may have."""


def every(cpus: int) -> int:
    """Return all of so many CPUs."""
    return (1 << cpus) - 1


def cpu_map(text: str | None, cpus: int) -> int:
    """Return which of so many CPUs of the host a text such as ``0-3,^2`` names, as bits; None: all."""
    return (read(text) & every(cpus) if text else 0) or every(cpus)


def one_of(allowed: int, number: int) -> int:
    """Return one of these CPUs, for one of a domain's: in turn."""
    there = numbers_of(allowed)
    return there[number % len(there)]


def joined(maps: list[int], length: int) -> bytes:
    """Return maps one behind the other, each in so many bytes.

    Raises:
        LibvirtError: that is more than anybody can want.
    """
    if not 0 <= length * len(maps) <= _LONGEST_MAPS:
        problem = f"{len(maps)} maps of {length} bytes are too large"
        raise failure(Code.INTERNAL_ERROR, problem, origin=Origin.RPC)
    return b"".join(
        each.to_bytes(max(length, -(-each.bit_length() // 8)), "little")[:length] for each in maps
    )


def read(text: str) -> int:
    """Return the CPUs of a text such as ``0-3,^2``.

    Raises:
        ValueError: it is none.
    """
    found = 0
    for part in text.split(","):
        first, _, last = part.removeprefix("^").partition("-")
        bits = every(int(last or first) + 1) & ~every(int(first))
        found = found & ~bits if part.startswith("^") else found | bits
    return found


def of(numbers: Iterable[int]) -> int:
    """Return the CPUs of these numbers."""
    found = 0
    for each in numbers:
        found |= 1 << each
    return found


def numbers_of(cpus: int) -> list[int]:
    """Return their numbers, from the least on."""
    return [cpu for cpu in range(cpus.bit_length()) if cpus >> cpu & 1]


def written(cpus: int) -> str:
    """Return such a text."""
    numbers = numbers_of(cpus)
    starts = [each for each in numbers if not cpus << 1 >> each & 1]
    ends = [each for each in numbers if not cpus >> (each + 1) & 1]
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))
