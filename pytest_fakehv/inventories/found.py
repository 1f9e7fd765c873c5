"""What inventories say of nodes and instances, put together, and what none of them says."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, Final, NoReturn

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.node import NodeSpec
from pytest_fakehv.interface.objects import InstanceSpec
from pytest_fakehv.text import listed, natural_order, printable

_NODE: Final = NodeSpec("any")
_INSTANCE: Final = InstanceSpec("any")

_MOST_DIGITS: Final = 20

_OF_NODES: Final = ("memory", "cpus", "address", "cpu_nodes", "cpu_sockets", "tags")
_OF_INSTANCES: Final = ("node", "memory", "min_memory", "vcpus", "state", "tags")


@dataclass(frozen=True)
class Source:
    """One input.

    Attributes:
        label: what messages call it.
        text: what it says.
        node: the node that it is of, where whoever gave it said so.
    """

    label: str
    text: str
    node: str | None = None

    def lines(self) -> Iterator[tuple[int, str]]:
        """Go through its lines with their numbers; what is empty, and the commands above it, are left out."""
        for number, line in enumerate(self.text.splitlines(), start=1):
            if line.strip() and not line.startswith(("$ ", "# ")):
                yield number, line

    def json(self) -> Any:
        """Return what it says as JSON.

        Raises:
            DeclarationError: it is none.
        """
        try:
            return json.loads(self.text)
        except ValueError as error:
            problem = f"it is no JSON: {error}"
        except RecursionError:
            problem = "it is nested too deep"
        return self.refuse(problem)

    def refuse(self, problem: str, line: int | None = None) -> NoReturn:
        """Say what is wrong, and where.

        Raises:
            DeclarationError: with that.
        """
        where = self.label if line is None else f"{self.label}:{line}"
        raise DeclarationError(f"{where}: {printable(' '.join(problem.split()))}")


@dataclass
class Found:
    """What was found so far.

    Attributes:
        nodes: what is known of each node, by name.
        instances: what is known of each instance of a name: there may be several of one.
        sizes: how large an instance of a flavor is, by the flavor's name or id.
        notes: what is not known, or was decided, with the names of whom it is about.
    """

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    instances: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    sizes: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, dict[str, None]] = field(default_factory=dict)

    def node(self, name: str, **known: Any) -> None:
        """Note what is known of a node: None is nothing."""
        self.nodes.setdefault(name, {}).update(_without_none(known))

    def instance(self, name: str, **known: Any) -> None:
        """Note what is known of an instance; None is nothing.

        One of the same name that is on another node, or has another id, is another one.
        """
        given = _without_none(known)
        every = self.instances.setdefault(name, [])
        for entry in every:
            if all(key not in given or entry.get(key, given[key]) == given[key] for key in ("node", "id")):
                entry.update(given)
                return
        every.append(given)

    def note(self, what: str, about: str) -> None:
        """Note what can't be said, or was decided, of something."""
        self.notes.setdefault(what, {})[about] = None

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return the tables of a topology; what had to be decided is among the notes then."""
        instances = list(self._instances())
        nodes = list(self._nodes())
        return {"node": nodes, "instance": instances}

    def _nodes(self) -> Iterator[dict[str, Any]]:
        taken = set(self.nodes)
        for name, known in self.nodes.items():
            table = {"name": name, **{key: known[key] for key in _OF_NODES if known.get(key)}}
            address = table.get("address")
            if address == name:
                del table["address"]
            elif address in taken:
                del table["address"]
                self.note(f"node whose address, {address}, is another one's; without one", name)
            elif address:
                taken.add(address)
            if "memory" not in table:
                self.note(f"node whose memory is not known; {_NODE.memory} MiB", name)
            if "cpus" not in table:
                self.note(f"node whose CPUs are not known; {_NODE.cpus}", name)
            yield table

    def _instances(self) -> Iterator[dict[str, Any]]:
        taken: set[str] = set()
        for name, entries in self.instances.items():
            for entry in entries:
                sizes = [self.sizes[each] for each in entry.get("flavors", ()) if each in self.sizes]
                known = {**sizes[0], **entry} if sizes else entry
                node = self._node_of(name, known.get("node"))
                own = self._own_name(name, known, taken)
                taken.add(own)
                table = {"name": own, **{key: known[key] for key in _OF_INSTANCES if known.get(key)}}
                if node:
                    table["node"] = node
                if table.get("min_memory", 0) > table.get("memory", _INSTANCE.memory):
                    del table["min_memory"]
                if "memory" not in table:
                    self.note(f"instance whose memory is not known; {_INSTANCE.memory} MiB", own)
                if "vcpus" not in table:
                    self.note(f"instance whose CPUs are not known; {_INSTANCE.vcpus}", own)
                if "state" not in table:
                    self.note(f"instance whose state is not known; {_INSTANCE.state}", own)
                yield table

    def _node_of(self, instance: str, node: str | None) -> str | None:
        """Return the node that is meant: the one of that name, or of the same with a domain, or without."""
        if node is None:
            self.note("instance of which nothing says on which node it is; on the first", instance)
            return None
        if node in self.nodes:
            return node
        alike = [
            each for each in self.nodes if f"{each}.".startswith(f"{node}.") or node.startswith(f"{each}.")
        ]
        if len(alike) == 1:
            return alike[0]
        self.note("node that is known by its instances alone", node)
        self.nodes[node] = {}
        return node

    def _own_name(self, name: str, known: Mapping[str, Any], taken: set[str]) -> str:
        """Return a name that no other instance has, and that a file can have."""
        valid = name.replace("/", "_")
        if valid != name:
            self.note(f"instance whose name can't be that of a file; {valid}", name)
        if valid not in taken:
            return valid
        hints = [each for each in (known.get("node"), str(known.get("id", ""))[:8]) if each]
        other = next(each for hint in chain(hints, count(2)) if (each := f"{valid}-{hint}") not in taken)
        self.note(f"instance whose name another one has; {other}", name)
        return other


def whole(text: str) -> int | None:
    """Return the whole number that a text is; None if it is none, or larger than any that is of use."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS else None


def _without_none(known: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in known.items() if value is not None}


def written(tables: Mapping[str, list[dict[str, Any]]], notes: Mapping[str, Iterable[str]]) -> str:
    """Return a topology as TOML, with what is not known of it as a comment above it."""
    lines = [
        f"# {printable(what)}: {', '.join(map(printable, sorted(names, key=natural_order)))}"
        for what, names in notes.items()
    ]
    for kind, every in tables.items():
        for table in every:
            lines += ["", f"[[{kind}]]", *(f"{key} = {_value(value)}" for key, value in table.items())]
    return "\n".join([*lines, ""]).lstrip("\n")


def in_short(notes: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Return the notes as lines for the terminal."""
    return (f"{printable(what)}: {listed(names)}" for what, names in notes.items())


def _value(value: Any) -> str:
    """Return a value as TOML has it, whose texts are JSON's but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
