"""The ready-made parameter checks of the interface, for a hypervisor class's ``PARAMETERS``.

Ganeti's hypervisor classes declare which hvparams they take as a dict of name to five things: whether a
value is required, a check of its syntax (which runs anywhere), what to say when that fails, a check of
its sense on the node (which may look at the node's files), and what to say when that fails.
"""

import stat
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from pytest_fakehv.checks import is_amount
from pytest_fakehv.interface.constants import MIGRATION_MODES
from pytest_fakehv.machine import current_os

_LAST_PORT: Final = 65535


class ParameterCheck(NamedTuple):
    """One entry of ``PARAMETERS``; a plain tuple of the same five will do as well.

    Attributes:
        required: whether a value must be given.
        syntax: tells whether a value is well-formed; None for no check.
        syntax_text: what to say when it isn't.
        node: tells whether a value makes sense on this node; None for no check.
        node_text: what to say when it doesn't.
    """

    required: bool
    syntax: Callable[[Any], bool] | None
    syntax_text: str | None
    node: Callable[[Any], bool] | None
    node_text: str | None


ParameterEntry = ParameterCheck | tuple[bool, Any, str | None, Any, str | None]

Parameters = Mapping[str, ParameterEntry]
"""The type of a hypervisor class's ``PARAMETERS``."""


def _is_path(value: object) -> bool:
    if not isinstance(value, str) or not value.startswith("/"):
        return False
    return value == "/" or not {"", ".", ".."}.intersection(value[1:].split("/"))


def _is_file(path: Any) -> bool:
    return stat.S_ISREG(_mode(path))


def _is_directory(path: Any) -> bool:
    return stat.S_ISDIR(_mode(path))


def _mode(path: Any) -> int:
    """Return what a path is, and nothing where nothing is."""
    try:
        return current_os().stat(path).st_mode
    except (OSError, ValueError):
        return 0


def _is_url(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        url = urlsplit(value)
    except ValueError:  # an unclosed bracket in the host
        return False
    return url.scheme in {"http", "https", "ftp"} and bool(url.netloc)


def _is_port(value: object) -> bool:
    return is_amount(value) and value <= _LAST_PORT


def _is_cpu_mask(value: object) -> bool:
    return isinstance(value, str) and all(map(_is_cpu_range, value.split(",")))


def _is_cpu_range(text: str) -> bool:
    first, dash, last = text.strip().partition("-")
    bounds = [first, last] if dash else [first]
    if not all(each.isascii() and each.isdigit() for each in bounds):
        return False
    return int(bounds[0]) <= int(bounds[-1])


def _is_multi_cpu_mask(value: object) -> bool:
    return isinstance(value, str) and all(each == "all" or _is_cpu_mask(each) for each in value.split(":"))


def _pair(*checks: Any) -> tuple[ParameterCheck, ParameterCheck]:
    return ParameterCheck(True, *checks), ParameterCheck(False, *checks)


NO_CHECK = ParameterCheck(False, None, None, None, None)
REQUIRED_CHECK = ParameterCheck(True, None, None, None, None)

_PATH_TEXT = "not an absolute path in its shortest form"
REQ_FILE_CHECK, OPT_FILE_CHECK = _pair(_is_path, _PATH_TEXT, _is_file, "no such file on this node")
REQ_DIR_CHECK, OPT_DIR_CHECK = _pair(_is_path, _PATH_TEXT, _is_directory, "no such directory on this node")
REQ_FILE_OR_URL_CHECK, OPT_FILE_OR_URL_CHECK = _pair(
    lambda value: _is_path(value) or _is_url(value),
    f"{_PATH_TEXT}, nor an http, https or ftp URL",
    lambda value: _is_url(value) or _is_file(value),
    "no such file on this node",
)
REQ_NET_PORT_CHECK, OPT_NET_PORT_CHECK = _pair(_is_port, "not a port number from 1 to 65535", None, None)
REQ_CPU_MASK_CHECK, OPT_CPU_MASK_CHECK = _pair(_is_cpu_mask, "not a list of CPUs such as 0-2,5", None, None)
REQ_MULTI_CPU_MASK_CHECK, OPT_MULTI_CPU_MASK_CHECK = _pair(
    _is_multi_cpu_mask, "not a list of CPUs per virtual CPU such as 0-2,5:all:7", None, None
)
REQ_NONNEGATIVE_INT_CHECK, OPT_NONNEGATIVE_INT_CHECK = _pair(
    lambda value: is_amount(value, least=0), "not an integer of 0 or more", None, None
)
MIGRATION_MODE_CHECK = ParameterCheck(
    True, lambda value: value in tuple(MIGRATION_MODES), "invalid migration mode", None, None
)


def ParamInSet(required: bool, values: Collection[Any]) -> ParameterCheck:
    """Make a check that a value is one of some.

    Args:
        required: whether a value must be given.
        values: the valid ones, which the message lists in this order.

    Returns:
        The entry for ``PARAMETERS``.
    """
    valid = tuple(values)  # where a value need not be hashable to be looked for
    return ParameterCheck(
        required, lambda value: value in valid, f"must be one of: {', '.join(map(str, valid))}", None, None
    )
