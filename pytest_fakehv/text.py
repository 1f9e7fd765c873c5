"""How values and names are written for people: in one line, whatever they are."""

import dataclasses
import difflib
import inspect
import re
from collections.abc import Collection, Iterable
from typing import Any, Final

from pytest_fakehv.machine import Os

MOST_NAMES: Final = 8

_LONGEST_SHOWN: Final = 80

try:
    _START = Os.getcwd().rstrip("/") + "/"
    """Files are shown as seen from the directory where the run began."""
except FileNotFoundError:  # pragma: no cover  # it has been removed; tried in a process that reports nothing
    _START = ""


def natural_order(name: str) -> list[tuple[int, str]]:
    """Return a sort key by which people order names: web2 before web10."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"([0-9]+)", name)]


def printable(text: str) -> str:
    """Escape what would not be seen, would start a new line, or could not be written to a report."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def shown(value: object, longest: int = _LONGEST_SHOWN) -> str:
    """Show a value in a message, in at most so many characters."""
    try:
        text = printable(repr(value))
    except Exception:  # noqa: BLE001  # a message must not fail for what it is about
        text = f"<{type(value).__name__} that can't be shown>"
    return text if len(text) <= longest else f"{text[: longest - 20]}...{text[-17:]}"


def shown_error(error: BaseException) -> str:
    """Show an exception with its type."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  # as in `shown`
        text = "what it says can't be shown"
    return f"{type(error).__name__}: {printable(text)}"


def listed(names: Iterable[str]) -> str:
    """List names in one line, and say how many were left out."""
    every = [printable(name) for name in sorted(names, key=natural_order)]
    rest = f" and {len(every) - MOST_NAMES} more" if len(every) > MOST_NAMES else ""
    return ", ".join(every[:MOST_NAMES]) + rest


def nearest(name: str, names: Collection[str]) -> list[str]:
    """Return the name that was probably meant, if one was: the same with a domain, or one spelt alike."""
    longer = sorted(each for each in names if each.startswith(f"{name}.") or name.startswith(f"{each}."))
    return longer[:1] or difflib.get_close_matches(name, names, n=1)


def place_text(filename: str, line: int) -> str:
    """Show where something stands: ``test_drain.py:14``; a file alone without a line."""
    return f"{filename.removeprefix(_START)}:{line}" if line else filename


def _shown_argument(value: object) -> str:
    """Show a value; of a function, its name, as the rest of it says nothing."""
    return printable(value.__qualname__) if inspect.isroutine(value) else shown(value)


USUAL: Final = "usual"
"""The key of a field's metadata for its value unless something is given, where its default is none."""


def shown_arguments(declared: Any) -> str:
    """Show a dataclass's fields as the arguments that make it: the first one, and what is no default."""
    first, *others = dataclasses.fields(declared)
    named = []
    for field in others:
        value = getattr(declared, field.name)
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if field.metadata.get(USUAL, default) != value:  # it asks the default, as a value may be anything
            named.append(f"{field.name}={_shown_argument(value)}")
    return ", ".join([shown(getattr(declared, first.name)), *named])
