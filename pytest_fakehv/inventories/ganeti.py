"""What ``gnt-node list`` and ``gnt-instance list`` say, with their default columns or others.

Source: the titles and the fields of Ganeti 2.16 to 3.1, as ``gnt-node list-fields`` and its like
have them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_fakehv.inventories.found import Found, Source, whole

NODE_FIELDS: Final = ("name", "dtotal", "dfree", "mtotal", "mnode", "mfree", "pinst_cnt", "sinst_cnt")
INSTANCE_FIELDS: Final = ("name", "hypervisor", "os", "pnode", "status", "oper_ram")

_FIELDS: Final = {
    "node": "name",
    "instance": "name",
    "primary_node": "pnode",
    "memory": "oper_ram",
    "configmaxmem": "be/maxmem",
    "configmemory": "be/maxmem",
    "be/memory": "be/maxmem",
    "configminmem": "be/minmem",
    "configvcpus": "be/vcpus",
    "vcpus": "be/vcpus",
    "oper_vcpus": "be/vcpus",
    "primaryip": "pip",
}
"""The fields by their titles, and by other names, in small letters."""

_STATES: Final = {
    "running": "running",
    "error_up": "running",
    "error_wrongnode": "running",
    "admin_down": "stopped",
    "admin_offline": "stopped",
    "user_down": "stopped",
    "error_down": "stopped",
    "error_nodedown": "stopped",
    "error_nodeoffline": "stopped",
}

_MEMORY: Final = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,19})?)([MGT]?)")
_MIB: Final = {"": 1, "M": 1, "G": 2**10, "T": 2**20}
_NOTHING: Final = re.compile(r"[?*-]*|\(.*\)")
"""What stands where there is no value: the node is offline, or doesn't say."""


def is_node_list(lines: Sequence[str]) -> bool:
    """Tell whether lines are those of ``gnt-node list``; without titles, by its default columns."""
    if re.match(r"Node\b.*\b(DTotal|MTotal|CTotal|Pinst|PrimaryIP|Role|Tags)\b", lines[0]):
        return True
    return all(len(row) == len(NODE_FIELDS) and row[-1].isdigit() for row in _rows(lines))


def is_instance_list(lines: Sequence[str]) -> bool:
    """Tell whether lines are those of ``gnt-instance list``; likewise."""
    if re.match(r"Instance\b.*\b(Primary_node|Status|OS|Config\w+|Memory)\b", lines[0]):
        return True
    return all(len(row) == len(INSTANCE_FIELDS) and row[4].lower() in _STATES for row in _rows(lines))


def _rows(lines: Sequence[str]) -> Iterator[list[str]]:
    separator = _separator(lines[0])
    return (line.split(separator) for line in lines)


def read_nodes(source: Source, found: Found, fields: Sequence[str], separator: str | None) -> None:
    """Note what ``gnt-node list`` says.

    Args:
        source: its output.
        found: where to note it.
        fields: its columns, where no titles stand above them.
        separator: what stands between them; None for what seems to.

    Raises:
        DeclarationError: it can't be read; the message names the line.
    """
    for line, row in _table(source, fields or NODE_FIELDS, separator):
        name = row["name"]
        if "*" in row.values() or row.get("role") == "O" or row.get("offline") == "Y":
            found.note("node that is offline; as any other", name)
        found.node(
            name,
            memory=_memory(source, line, row.get("mtotal")),
            cpus=_number(source, line, row.get("ctotal")),
            cpu_nodes=_number(source, line, row.get("cnodes")),
            cpu_sockets=_number(source, line, row.get("csockets")),
            address=_known(row.get("pip")),
            tags=_tags(row),
        )


def read_instances(source: Source, found: Found, fields: Sequence[str], separator: str | None) -> None:
    """Note what ``gnt-instance list`` says; as `read_nodes`."""
    for line, row in _table(source, fields or INSTANCE_FIELDS, separator):
        name, status = row["name"], _known(row.get("status"))
        state = _STATES.get((status or "").lower())
        if status and (state is None or status.startswith("ERROR")):
            found.note(f"instance whose status is {status}; {state or 'running'}", name)
            state = state or "running"
        found.instance(
            name,
            node=_known(row.get("pnode")),
            memory=_memory(source, line, row.get("be/maxmem")) or _memory(source, line, row.get("oper_ram")),
            min_memory=_memory(source, line, row.get("be/minmem")),
            vcpus=_number(source, line, row.get("be/vcpus")),
            state=state,
            tags=_tags(row),
        )


def _table(
    source: Source, fields: Sequence[str], separator: str | None
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Go through the rows, each by field, with their lines."""
    is_first = True
    for number, line in source.lines():
        if is_first:
            separator = separator or _separator(line)
        values = [each.strip() for each in line.split(separator)]
        if is_first and values[0].lower() in {"node", "instance"}:
            fields, is_first = values, False
            continue
        is_first = False
        names = [_FIELDS.get(each.lower(), each.lower()) for each in fields]
        if "name" not in names:
            source.refuse(f"no column has the name; there are: {', '.join(fields)}", number)
        if len(values) == len(names) - 1 and "tags" in names:  # an empty column can't be seen
            values.insert(names.index("tags"), "")
        if len(values) != len(names):
            source.refuse(f"it has {len(values)} columns, not {len(names)}: {', '.join(fields)}", number)
        yield number, dict(zip(names, values, strict=True))


def _separator(line: str) -> str | None:
    """Return what stands between the columns of a line; None for blanks."""
    if found := re.match(r"(?:Node|Instance)([^\w\s])", line):
        return found[1]
    return None if " " in line.strip() else next((each for each in "\t|;:," if each in line), None)


def _known(value: str | None) -> str | None:
    return None if value is None or _NOTHING.fullmatch(value) else value


def _memory(source: Source, line: int, value: str | None) -> int | None:
    if (text := _known(value)) is None:
        return None
    found = _MEMORY.fullmatch(text)
    if found is None:
        source.refuse(f"{text!r} is no memory, such as '64.0G' or '65536'", line)
    return int(float(found[1]) * _MIB[found[2]])


def _number(source: Source, line: int, value: str | None) -> int | None:
    if (text := _known(value)) is None:
        return None
    number = whole(text)
    return source.refuse(f"{text!r} is no number of CPUs", line) if number is None else number


def _tags(row: Mapping[str, str]) -> list[str] | None:
    return [each.strip() for each in row.get("tags", "").split(",") if _known(each.strip())] or None
