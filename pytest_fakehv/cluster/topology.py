"""A topology file: the nodes and instances of a large inventory, in TOML.

There is a ``[[node]]`` table for each node and an ``[[instance]]`` table for each instance, with the
arguments of `NodeSpec` and `InstanceSpec` as keys. A table with ``count`` stands for so many of them: then
``{n}`` in a text is the number of each, from 1, and ``{n:03}`` the same in three digits. Where an
instance's ``node`` has ``*`` or ``?``, the instances are dealt out in turn to the nodes that it matches.
"""

import dataclasses
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, Final, TypeVar

from pytest_fakehv.checks import DeclarationError, check_amount
from pytest_fakehv.cluster.node import NodeSpec
from pytest_fakehv.interface.objects import InstanceSpec
from pytest_fakehv.machine import current_os
from pytest_fakehv.reading import check_path, read_file
from pytest_fakehv.storage.filesystem import reason
from pytest_fakehv.text import listed, printable, shown

__tracebackhide__ = True  # a wrong file is shown at the line that asked for it

_Spec = TypeVar("_Spec", NodeSpec, InstanceSpec)

_NUMBER: Final = re.compile(r"\{n(?::0?([0-9]))?\}")
_LARGEST_COUNT: Final = 1_000_000
_LARGEST_FILE: Final = 2**26
_WILD: Final = re.compile(r"[*?]")


@dataclass(frozen=True, kw_only=True)
class Topology:
    """Nodes and instances, as a file declares them.

    Attributes:
        nodes: the nodes, in the file's order.
        instances: the instances, in the file's order.
    """

    nodes: tuple[NodeSpec, ...] = ()
    instances: tuple[InstanceSpec, ...] = ()


def read_topology(path: str | os.PathLike[str]) -> Topology:
    """Read a topology file.

    Args:
        path: the file's path.

    Raises:
        DeclarationError: it can't be read, is no TOML, or declares something wrong; the message names the
            file, the line or the table, the key and what is valid.
    """
    text = check_path("a topology must be the path of a file", path)
    try:
        return _topology(tomllib.loads(read_file(current_os(), text, _LARGEST_FILE).decode()))
    except OSError as error:
        problem = reason(error)
    except RecursionError:
        problem = "it is nested too deep"
    except ValueError as error:  # of TOML, of UTF-8, and our own
        problem = str(error)
    raise DeclarationError(f"{printable(text)}: {problem}")


def _topology(content: Mapping[str, Any]) -> Topology:
    for key in content:
        if key not in {"node", "instance"}:
            raise DeclarationError(f"unknown key {shown(key)}; valid: [[node]], [[instance]]")
    nodes = _specs(content, "node", NodeSpec)
    addresses = Counter(address for node in nodes for address in node.addresses)
    if twice := [address for address, times in addresses.items() if times > 1]:
        raise DeclarationError(f"[[node]]: there are two with the address {shown(twice[0])}")
    instances = _dealt_out(_specs(content, "instance", InstanceSpec), [node.name for node in nodes])
    return Topology(nodes=tuple(nodes), instances=tuple(instances))


def _specs(content: Mapping[str, Any], kind: str, make: type[_Spec]) -> list[_Spec]:
    tables = content.get(kind, [])
    if not (isinstance(tables, list) and all(isinstance(each, dict) for each in tables)):
        raise DeclarationError(f"{kind} must be tables, each under a line [[{kind}]]")
    specs: list[_Spec] = []
    for number, table in enumerate(tables, start=1):
        try:
            specs += [make(**arguments) for arguments in _expanded(table, make)]
        except DeclarationError as error:
            raise DeclarationError(f"[[{kind}]] number {number}: {error}") from None
    names = Counter(spec.name for spec in specs)
    if twice := [name for name, times in names.items() if times > 1]:
        raise DeclarationError(f"[[{kind}]]: there are two named {shown(twice[0])}")
    return specs


def _expanded(table: Mapping[str, Any], make: type[_Spec]) -> Iterator[dict[str, Any]]:
    """Go through the arguments that a table stands for."""
    valid = [*(field.name for field in dataclasses.fields(make)), "count"]
    for key in table:
        if key not in valid:
            raise DeclarationError(f"unknown key {shown(key)}; valid: {', '.join(valid)}")
    if "name" not in table:
        raise DeclarationError(f"missing key 'name'; valid: {', '.join(valid)}")
    arguments = dict(table)
    if "count" not in arguments:
        for key, value in arguments.items():
            if isinstance(value, str) and _NUMBER.search(value):
                raise DeclarationError(f"{key} {shown(value)} has a number, which needs a count")
        yield arguments
        return
    times = arguments.pop("count")
    check_amount("count", times)
    if times > _LARGEST_COUNT:
        raise DeclarationError(f"count must be at most {_LARGEST_COUNT}, not {times}")
    if times > 1 and not _NUMBER.search(str(arguments["name"])):
        raise DeclarationError(f"name {shown(arguments['name'])} needs a {{n}}, as count is {times}")
    for n in range(1, times + 1):
        yield {key: _numbered(value, n) for key, value in arguments.items()}


def _numbered(value: Any, n: int) -> Any:
    if not isinstance(value, str):
        return value
    return _NUMBER.sub(lambda found: f"{n:0{found[1] or 1}}", value)


def _dealt_out(instances: list[InstanceSpec], nodes: list[str]) -> Iterator[InstanceSpec]:
    """Give each instance whose node is a pattern a node, in turn; refuse nodes that the file lacks."""
    turns: dict[str, count[int]] = {}
    matches: dict[str, list[str]] = {}
    known = set(nodes)
    for instance in instances:
        node = instance.node
        if node is not None and _WILD.search(node):
            if node not in matches:
                matches[node] = [each for each in nodes if fnmatchcase(each, node)]
                turns[node] = count()
            if not matches[node]:
                raise DeclarationError(_unknown_node(instance, nodes))
            turn = next(turns[node]) % len(matches[node])
            yield dataclasses.replace(instance, node=matches[node][turn])
        elif node is not None and nodes and node not in known:
            raise DeclarationError(_unknown_node(instance, nodes))
        else:
            yield instance


def _unknown_node(instance: InstanceSpec, nodes: list[str]) -> str:
    there = f"the file has: {listed(nodes)}" if nodes else "the file has none"
    return f"[[instance]] {instance.name!r}: no node matches {shown(instance.node)}; {there}"
