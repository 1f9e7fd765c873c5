"""What a name, an amount or a choice must be, and what is said of one that is not."""

import inspect
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, TypeGuard

from pytest_fakehv.text import shown

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it


class DeclarationError(ValueError):
    """What a test declared, or asked for, can't be: a mistake of the test, not of the code under test."""


LONGEST_NAME: Final = 255
"""Bytes: what the usual filesystems take as the name of one file."""

LARGEST_AMOUNT: Final = 2**63 - 1

_MEMORY: Final = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,19})?) ?([MGT])(?:iB?)?")
_MIB: Final = {"M": 1, "G": 2**10, "T": 2**20}


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
        return _fault_of_text(str.__str__(name))
    return f"it is of type {type(name).__name__}, not a text"


def is_amount(value: Any, *, least: int = 1) -> TypeGuard[int]:
    """Tell whether a value is a whole number from ``least`` to 2**63 - 1; a bool is not."""
    if type(value) is not int and (isinstance(value, bool) or not isinstance(value, int)):
        return False
    return least <= value <= LARGEST_AMOUNT


def check_amount(key: str, value: object, *, least: int = 1) -> None:
    """Refuse a declared value that is no whole number of at least ``least``."""
    if not is_amount(value, least=least):
        kind = "a positive integer" if least else "an integer that is not negative"
        raise DeclarationError(f"{key} must be {kind}, not {shown(value)}")


def memory_amount(key: str, value: object, *, least: int = 1) -> int:
    """Return how much memory a declared value is, in MiB: itself, or what a text such as "24G" says.

    Raises:
        DeclarationError: it is neither, less than ``least``, or no whole number of MiB.
    """
    amount: object = value
    if isinstance(value, str) and (found := _MEMORY.fullmatch(value)):
        exactly = Fraction(found[1]) * _MIB[found[2]]
        if exactly.denominator != 1:
            raise DeclarationError(f"{key} must be whole MiB, which {shown(value)} is not")
        amount = int(exactly)
    if not is_amount(amount, least=least):
        kind = "a positive integer" if least else "an integer that is not negative"
        texts = "a text like '512M', '24G' or '1.5 TiB'"
        raise DeclarationError(f"{key} must be {kind}, of MiB, or {texts}, not {shown(value)}")
    return amount


def checked_tags(tags: Any) -> tuple[str, ...]:
    """Return declared tags in their order; those of a set, in the alphabet's.

    Raises:
        DeclarationError: they are not texts, or one is empty, or they are one text.
    """
    if not (
        isinstance(tags, list | tuple | set | frozenset)
        and all(isinstance(each, str) and each for each in tags)
    ):
        raise DeclarationError(f"tags must be a list of texts that are not empty, not {shown(tags)}")
    return tuple(sorted(tags) if isinstance(tags, set | frozenset) else tags)


def check_function(key: str, value: Any, what: str, *arguments: object) -> None:
    """Refuse a declared value that can't be called with some arguments, as far as that can be known.

    Raises:
        DeclarationError: it can't, or is to be awaited then; ``what`` says what it must be.
    """
    problem = None
    if not callable(value):
        problem = "give a function or a method itself, without calling it"
    elif inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__):
        problem = "nobody would await it"
    elif reason := uncallable(value, *arguments):
        problem = f"{reason}; write lambda{' call' * len(arguments)}: ..."
    if problem:
        raise DeclarationError(f"{key} must be {what}, not {shown(value)}: {problem}")


def check_number(key: str, value: Any, *, zero: bool = True, most: float = LARGEST_AMOUNT) -> None:
    """Refuse a declared value that is no number from 0, or if ``zero`` is False above it; a bool is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and LARGEST_AMOUNT == most < value:
        raise DeclarationError(f"{key} must be at most 2**63 - 1, not {shown(value)}")
    if not (is_number and (value >= 0 if zero else value > 0) and value <= most):
        if most < LARGEST_AMOUNT:
            kind = f"a number from 0 to {most}"
        else:
            kind = "a number that is not negative" if zero else "a positive number"
        raise DeclarationError(f"{key} must be {kind}, not {shown(value)}")


def exact(number: float) -> Fraction:
    """Return a number as it is written: 0.1 is a tenth, which as a float it is not."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(float(number)))


def check_choice(key: str, value: object, valid: Sequence[object]) -> None:
    """Refuse a declared value that is none of the valid ones."""
    if not any(type(value) is type(each) and value == each for each in valid):
        raise DeclarationError(f"{key} must be one of {', '.join(map(repr, valid))}, not {shown(value)}")


def uncallable(function: Callable[..., object], *arguments: object) -> str | None:
    """Return why a function can't be called with arguments, as far as that can be known; None if it can."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of what is written in C, nothing may be known
        return None
    try:
        signature.bind(*arguments)
    except TypeError as error:
        return str(error)
    return None
