"""What ``virsh list --all``, ``virsh nodeinfo`` and ``virsh dominfo`` say, each alone or one behind another.

None of them names the node that it is of: whoever gives them says so.

Source: virsh's manual and its output, from 0.9 on.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from pytest_fakehv.inventories.found import Found, Source, whole

_TITLES: Final = re.compile(r"\s*Id\s+Name\s+State\b")
_FIGURE: Final = re.compile(r"([A-Z][\w()\s]*?):\s*(.*)")
_AMOUNT: Final = re.compile(r"([0-9]{1,19}) ?(KiB|kB|MiB|GiB)")
_KIB: Final = {"KiB": 1, "kB": 1, "MiB": 2**10, "GiB": 2**20}

_STATES: Final = {
    "running": "running",
    "idle": "running",
    "blocked": "running",
    "no state": "running",
    "in shutdown": "running",
    "paused": "paused",
    "pmsuspended": "paused",
    "shut off": "stopped",
    "crashed": "stopped",
    "dying": "stopped",
}
_PLAIN: Final = {"running", "paused", "shut off"}

# A name may have spaces in it; where it ends, a state tells that is known.
_ROW, _ROW_OF_ANOTHER_STATE = (
    re.compile(rf"\s*(?:-|[0-9]+)\s+{name}\s+({state})(?:\s{{2,}}.*|\s*)")
    for name, state in ((r"(\S.*?)", "|".join(_STATES)), (r"(\S+)", r"\S.*?"))
)

_THE_NODE: Final = ""
"""What no domain is named."""

UNNAMED: Final = "node1"


def is_ours(lines: Sequence[str]) -> bool:
    """Tell whether lines are what virsh says."""
    return any(
        _TITLES.match(each) or re.match(r"(CPU model|Max memory|Used memory|OS Type):", each)
        for each in lines
    )


def read(source: Source, found: Found) -> None:
    """Note what virsh says of a node and its domains.

    Raises:
        DeclarationError: it can't be read; the message names the line.
    """
    is_list, subject = False, None
    for number, line in source.lines():
        if _TITLES.match(line):
            is_list = True
        elif figure := _FIGURE.fullmatch(line.rstrip()):
            is_list, subject = False, _subject(subject, *figure.groups())
            if subject == _THE_NODE:
                _node_figure(source, found, number, *figure.groups())
            elif subject is not None:
                _domain_figure(source, found, number, subject, figure.groups())
        elif is_list and (row := _ROW.fullmatch(line) or _ROW_OF_ANOTHER_STATE.fullmatch(line)):
            found.instance(row[1], node=source.node, state=_state(found, row[1], row[2]))
        elif not (is_list and set(line.strip()) <= {"-"}):
            source.refuse(
                "it is neither a line of virsh list, nor one of nodeinfo or dominfo, in English (LC_ALL=C)",
                number,
            )


def _subject(before: str | None, key: str, value: str) -> str | None:
    """Return the name of the domain that a figure is of; none until one says it."""
    match key:
        case "CPU model":
            return _THE_NODE
        case "Name":
            return value
        case "Id":
            return None
    return before


def _node_figure(source: Source, found: Found, line: int, key: str, value: str) -> None:
    name = source.node or UNNAMED
    if source.node is None:
        found.note("node that nothing names; say NODE=FILE", name)
    match key:
        case "CPU(s)":
            found.node(name, cpus=_count(source, line, value))
        case "NUMA cell(s)":
            found.node(name, cpu_nodes=_count(source, line, value))
        case "CPU socket(s)":
            found.node(name, cpu_sockets=_count(source, line, value))
        case "Memory size":
            found.node(name, memory=_mib(source, line, value))
        case _:
            found.node(name)


def _domain_figure(source: Source, found: Found, line: int, name: str, figure: Sequence[str | Any]) -> None:
    key, value = figure
    match key:
        case "State":
            found.instance(name, node=source.node, state=_state(found, name, value))
        case "CPU(s)":
            found.instance(name, node=source.node, vcpus=_count(source, line, value))
        case "Max memory":
            found.instance(name, node=source.node, memory=_mib(source, line, value))
        case _:
            found.instance(name, node=source.node)


def _state(found: Found, name: str, value: str) -> str:
    state = _STATES.get(value, "running")
    if value not in _PLAIN:
        found.note(f"instance whose state is {value!r}; {state}", name)
    return state


def _count(source: Source, line: int, value: str) -> int:
    number = whole(value)
    return source.refuse(f"{value!r} is no number", line) if number is None else number


def _mib(source: Source, line: int, value: str) -> int:
    found = _AMOUNT.fullmatch(value)
    if found is None:
        source.refuse(f"{value!r} is no memory, such as '8388608 KiB'", line)
    return int(found[1]) * _KIB[found[2]] // 2**10
