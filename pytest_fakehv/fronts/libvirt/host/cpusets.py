"""CPUs, as bits of a number and as a text such as ``0-3,^2``."""

from collections.abc import Iterable


def every(cpus: int) -> int:
    """Return so many CPUs, all of them."""
    return (1 << cpus) - 1


def of(numbers: Iterable[int]) -> int:
    """Return the CPUs of these numbers."""
    found = 0
    for each in numbers:
        found |= 1 << each
    return found


def numbers_of(cpus: int) -> list[int]:
    """Return their numbers."""
    return [cpu for cpu in range(cpus.bit_length()) if cpus >> cpu & 1]


def read(text: str) -> int:
    """Return the CPUs of a text.

    Raises:
        ValueError: it is none.
    """
    found = 0
    for part in text.split(","):
        first, _, last = part.removeprefix("^").partition("-")
        bits = every(int(last or first) + 1) & ~every(int(first))
        found = found & ~bits if part.startswith("^") else found | bits
    return found


def written(cpus: int) -> str:
    """Return such a text."""
    numbers = numbers_of(cpus)
    starts = [each for each in numbers if not cpus << 1 >> each & 1]
    ends = [each for each in numbers if not cpus >> (each + 1) & 1]
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))
