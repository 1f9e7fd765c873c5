"""What ``openstack hypervisor list``, ``server list`` and ``flavor list`` say, in JSON or as a table.

A server's memory is its flavor's, and stands in no list of servers.

Source: python-openstackclient's manual and output, with and without ``--long``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pytest_fakehv.inventories.found import Found, Source, whole

_NODE: Final = "Hypervisor Hostname"

_STATES: Final = {
    "ACTIVE": "running",
    "PAUSED": "paused",
    "SUSPENDED": "paused",
    "SHUTOFF": "stopped",
}
_POWER: Final = {"Running": "running", "1": "running", "Paused": "paused", "3": "paused"}


def is_ours(lines: Sequence[str]) -> bool:
    """Tell whether lines are a table of the client's; what is JSON is recognised as such."""
    return lines[0].startswith("+--") and len(lines) > 1 and lines[1].startswith("|")


def read(source: Source, found: Found) -> None:
    """Note what the client says.

    Raises:
        DeclarationError: it can't be read, or is another list; the message says which ones can.
    """
    for line, row in _rows(source):
        where = {key: str(value) for key, value in row.items() if value not in (None, "", "None", "-")}
        if "Name" in row and "Status" in row:
            _server(found, where)
        elif _NODE in row:
            _hypervisor(source, found, line, where)
        elif "RAM" in row and "VCPUs" in row:
            size = {
                "memory": _whole(source, line, where.get("RAM")),
                "vcpus": _whole(source, line, where.get("VCPUs")),
            }
            for key in ("Name", "ID"):
                if key in where:
                    found.sizes[where[key]] = size
        else:
            source.refuse(
                "it is none of the lists of servers, hypervisors and flavors, whose columns have "
                f"Name and Status, {_NODE}, or RAM and VCPUs",
                line,
            )


def _hypervisor(source: Source, found: Found, line: int | None, row: Mapping[str, str]) -> None:
    name = row.get(_NODE)
    if name is None:
        source.refuse(f"a hypervisor has no {_NODE}", line)
    if row.get("State", "up") != "up":
        found.note(f"node whose state is {row['State']}; as any other", name)
    found.node(
        name,
        address=row.get("Host IP"),
        memory=_whole(source, line, row.get("Memory MB")),
        cpus=_whole(source, line, row.get("vCPUs")),
    )


def _server(found: Found, row: Mapping[str, str]) -> None:
    name, status = row.get("Name") or row.get("ID", "unnamed"), row.get("Status", "")
    state = _STATES.get(status)
    if state is None:
        state = _POWER.get(row.get("Power State", ""), "stopped")
        found.note(f"instance whose status is {status or 'missing'}; {state}", name)
    found.instance(
        name,
        id=row.get("ID"),
        node=row.get("Host"),
        state=state,
        flavors=[row[key] for key in ("Flavor Name", "Flavor", "Flavor ID") if key in row],
    )


def _rows(source: Source) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    """Go through the rows with their lines; JSON has none."""
    if not source.text.lstrip().startswith("["):
        yield from _table(source)
        return
    for row in source.json():
        if not isinstance(row, dict):
            source.refuse("it is no list of objects, as openstack ... -f json prints it")
        yield None, row


def _table(source: Source) -> Iterator[tuple[int, Mapping[str, str]]]:
    titles: list[str] = []
    rows: list[tuple[int, dict[str, str]]] = []
    for number, line in source.lines():
        if line.lstrip().startswith("+-"):
            continue
        values = [each.strip() for each in line.strip().strip("|").split("|")]
        if not titles:
            titles = values
        elif len(values) != len(titles):
            source.refuse(f"it has {len(values)} columns, not {len(titles)}: {', '.join(titles)}", number)
        elif rows and not values[0]:  # a long row goes on
            last = rows[-1][1]
            last.update((key, last[key] + more) for key, more in zip(titles, values, strict=True))
        else:
            rows.append((number, dict(zip(titles, values, strict=True))))
    yield from rows


def _whole(source: Source, line: int | None, value: str | None) -> int | None:
    if value is None:
        return None
    number = whole(value)
    return source.refuse(f"{value!r} is no whole number", line) if number is None else number
