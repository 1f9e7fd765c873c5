"""The nodes and instances of a large inventory, as a file in TOML declares them, or tables like its own.

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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, Final, Self, TypeVar

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
    """Nodes and instances, as a file declares them, or a test's own code.

    Args:
        nodes: the nodes, in their order.
        instances: the instances, in their order.

    Raises:
        DeclarationError: they are something else, or two have one name or address.
    """

    nodes: tuple[NodeSpec, ...] = ()
    instances: tuple[InstanceSpec, ...] = ()

    def __post_init__(self) -> None:
        """Check what they are, and their names."""
        given: list[tuple[str, Any, type[Any]]] = [
            ("node", self.nodes, NodeSpec),
            ("instance", self.instances, InstanceSpec),
        ]
        for key, specs, make in given:
            if not (isinstance(specs, tuple) and all(isinstance(each, make) for each in specs)):
                raise DeclarationError(f"{key}s must be a tuple of {make.__name__}s, not {shown(specs)}")
            if twice := _twice(spec.name for spec in specs):
                raise DeclarationError(f"[[{key}]]: there are two named {shown(twice)}")
        if twice := _twice(address for node in self.nodes for address in node.addresses):
            raise DeclarationError(f"[[node]]: there are two with the address {shown(twice)}")

    @classmethod
    def of(cls, tables: Mapping[str, Any]) -> Self:
        """Make one of tables such as a file has: ``{"node": [{"name": "node1"}], "instance": []}``.

        Args:
            tables: lists of tables, by "node" and "instance"; with ``count`` and patterns, as in a file.

        Raises:
            DeclarationError: they declare something wrong; the message names the table, the key and what is
                valid.
        """
        given: object = tables
        if not isinstance(given, Mapping):
            raise DeclarationError(
                f"tables are given as a mapping, by 'node' and 'instance', not {shown(given)}"
            )
        for key in given:
            if key not in {"node", "instance"}:
                raise DeclarationError(f"unknown key {shown(key)}; valid: [[node]], [[instance]]")
        nodes = cls(nodes=tuple(_specs(tables, "node", NodeSpec))).nodes
        instances = _specs(tables, "instance", InstanceSpec)
        return cls(nodes=nodes, instances=tuple(_dealt_out(instances, [node.name for node in nodes])))


def _twice(names: Iterable[str]) -> str | None:
    """Return the first name that is there twice."""
    return next((name for name, times in Counter(names).items() if times > 1), None)


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
        return Topology.of(tomllib.loads(read_file(current_os(), text, _LARGEST_FILE).decode()))
    except OSError as error:
        problem = reason(error)
    except RecursionError:
        problem = "it is nested too deep"
    except ValueError as error:  # of TOML, of UTF-8, and our own
        problem = str(error)
    raise DeclarationError(f"{printable(text)}: {problem}")


def _specs(content: Mapping[str, Any], kind: str, make: type[_Spec]) -> list[_Spec]:
    tables = content.get(kind, [])
    if not (isinstance(tables, list | tuple) and all(isinstance(each, Mapping) for each in tables)):
        raise DeclarationError(f"{kind} must be tables, each under a line [[{kind}]]")
    specs: list[_Spec] = []
    for number, table in enumerate(tables, start=1):
        try:
            specs += [make(**arguments) for arguments in _expanded(table, make)]
        except DeclarationError as error:
            raise DeclarationError(f"[[{kind}]] number {number}: {error}") from None
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
            if _numbered(value, 1) != value:
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
    if isinstance(value, list):  # tags
        return [_numbered(each, n) for each in value]
    if not isinstance(value, str):
        return value
    return _NUMBER.sub(lambda found: f"{n:0{found[1] or 1}}", value)


def _dealt_out(instances: list[InstanceSpec], nodes: list[str]) -> Iterator[InstanceSpec]:
    """Give each instance whose node is a pattern a node, in turn; refuse nodes that are not there."""
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
    there = f"there are: {listed(nodes)}" if nodes else "there are none"
    return f"[[instance]] {instance.name!r}: no node matches {shown(instance.node)}; {there}"
