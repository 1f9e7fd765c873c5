"""What counts as a name of an instance or a node, and as an amount of something."""

import re
from functools import lru_cache
from typing import Any, Final, TypeGuard

LONGEST_NAME: Final = 255
"""Bytes: what the usual filesystems take as the name of one file."""

LARGEST_AMOUNT: Final = 2**63 - 1

_LONGEST_SHOWN: Final = 80


@lru_cache(maxsize=4096)
def _fault_of_text(name: str) -> str | None:
    if not name:
        return "it is empty"
    if name in {".", ".."}:
        return "it names a directory"
    for character, word in (("/", "'/'"), ("\0", "a NUL"), ("\n", "a newline")):
        if character in name:
            return f"it contains {word}"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "it can't be written as UTF-8"
    return f"it has {size} bytes, the most is {LONGEST_NAME}" if size > LONGEST_NAME else None


def name_fault(name: object) -> str | None:
    """Say why a value can't name an instance or a node, each of which is one file or one folder.

    Args:
        name: anything.

    Returns:
        None for a valid name; else a reason, to stand behind a colon.
    """
    if type(name) is str:
        return _fault_of_text(name)
    if isinstance(name, str):
        return _fault_of_text(str(name))
    return f"it is of type {type(name).__name__}, not a text"


def natural_order(name: str) -> list[tuple[int, str]]:
    """Return a sort key by which people order names: web2 before web10."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"([0-9]+)", name)]


def shown(value: object, longest: int = _LONGEST_SHOWN) -> str:
    """Show a value in a message, in at most so many characters."""
    text = repr(value)
    return text if len(text) <= longest else f"{text[: longest - 20]}...{text[-17:]}"


def is_amount(value: Any, *, least: int = 1) -> TypeGuard[int]:
    """Tell whether a value is a whole number from ``least`` to 2**63 - 1; a bool is not."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_AMOUNT
