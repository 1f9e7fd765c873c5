"""What an Ansible inventory says: a file in INI or YAML, or what ``ansible-inventory --list`` prints.

Its hosts are nodes, unless somebody says which groups are nodes and which are instances.

Source: Ansible's documentation of inventories.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from string import ascii_letters
from typing import Any, Final

from pytest_fakehv.checks import DeclarationError, memory_amount
from pytest_fakehv.inventories.found import Found, Source, whole
from pytest_fakehv.text import listed, shown

_SECTION: Final = re.compile(r"\[([^\[\]:]+)(?::(vars|children))?\]\s*(?:[#;].*)?")
_RANGE: Final = re.compile(r"\[([0-9]+|[A-Za-z]):([0-9]+|[A-Za-z])(?::([0-9]+))?\]")
_PORT: Final = re.compile(r":[0-9]+$")
_MOST_HOSTS: Final = 100_000

_MEMORY: Final = ("memory", "memory_mb", "ansible_memtotal_mb")
_CPUS: Final = ("cpus", "vcpus", "ansible_processor_vcpus")
_NODE: Final = ("hypervisor", "node", "vm_host", "kvm_host")


@dataclass
class _Group:
    hosts: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Inventory:
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, _Group] = field(default_factory=dict)

    def group(self, name: str) -> _Group:
        return self.groups.setdefault(name, _Group())

    def host(self, name: str, group: str, variables: Mapping[str, Any]) -> None:
        self.hosts.setdefault(name, {}).update(variables)
        self.group(group).hosts.append(name)

    def members(self, name: str, seen: Collection[str] = ()) -> set[str]:
        """Return the hosts of a group and of its children."""
        group = self.groups[name]
        below = [each for each in group.children if each in self.groups and each not in {*seen, name}]
        return set(group.hosts).union(*(self.members(each, {*seen, name}) for each in below))


def is_ini(lines: Sequence[str]) -> bool:
    """Tell whether lines are an inventory in INI."""
    return any(_SECTION.fullmatch(each.strip()) for each in lines)


def is_yaml(lines: Sequence[str]) -> bool:
    """Tell whether lines are an inventory in YAML."""
    return any(re.match(r"\s+(hosts|children):", each) for each in lines)


def read(source: Source, found: Found, nodes: Collection[str], instances: Collection[str]) -> None:
    """Note what an inventory says.

    Args:
        source: the inventory.
        found: where to note it.
        nodes: the groups whose hosts are nodes; with none of either, all hosts are.
        instances: the groups whose hosts are instances.

    Raises:
        DeclarationError: it can't be read, or has no such group.
    """
    inventory = _read(source)
    for group in (*nodes, *instances):
        if group not in inventory.groups:
            there = f"there are: {listed(inventory.groups)}" if inventory.groups else "there are none"
            source.refuse(f"no group is named {shown(group)}; {there}")
    members = {name: inventory.members(name) for name in inventory.groups}
    are_nodes = set(chain.from_iterable(members[each] for each in nodes))
    are_instances = set(chain.from_iterable(members[each] for each in instances)) - are_nodes
    for host, own in inventory.hosts.items():
        # Wide groups first, as what a narrower one says counts more.
        of = sorted((each for each in members if host in members[each]), key=lambda each: -len(members[each]))
        variables = {
            key: value for each in of for key, value in inventory.groups[each].variables.items()
        } | own
        tags = [each for each in inventory.groups if each in of and each not in {"all", "ungrouped"}]
        size = {"memory": _memory(variables), "tags": tags or None}
        cpus = next((count for key in _CPUS if (count := whole(str(variables.get(key))))), None)
        if host in are_instances:
            where = next((str(variables[key]) for key in _NODE if variables.get(key)), None)
            found.instance(host, node=where, vcpus=cpus, **size)
        elif host in are_nodes or not (nodes or instances):
            address = variables.get("ansible_host")
            found.node(host, address=address and str(address), cpus=cpus, **size)
        else:
            found.note("host of no group that is nodes or instances; left out", host)


def _memory(variables: Mapping[str, Any]) -> int | None:
    for key in _MEMORY:
        value = variables.get(key)
        if isinstance(value, str) and (number := whole(value)):
            value = number
        try:
            return memory_amount(key, value)
        except DeclarationError:  # of this name it may have something else
            continue
    return None


def _read(source: Source) -> _Inventory:
    lines = [line for _, line in source.lines()]
    if source.text.lstrip().startswith("{"):
        return _read_json(source)
    return _read_yaml(source) if is_yaml(lines) and not is_ini(lines) else _read_ini(source)


def _read_json(source: Source) -> _Inventory:
    content, inventory = source.json(), _Inventory()
    meta = content.pop("_meta", {})
    known = meta.get("hostvars", {}) if isinstance(meta, dict) else None
    if not (isinstance(known, dict) and all(isinstance(each, dict) for each in known.values())):
        source.refuse("_meta is not as ansible-inventory --list has it")
    for name, group in content.items():
        if not (
            isinstance(group, dict)
            and all(isinstance(group.get(key, []), list) for key in ("hosts", "children"))
            and isinstance(group.get("vars", {}), dict)
        ):
            source.refuse(f"group {shown(name)} is not as ansible-inventory --list has it")
        inventory.group(name).children += map(str, group.get("children", []))
        inventory.group(name).variables |= group.get("vars", {})
        for host in group.get("hosts", []):
            inventory.host(str(host), name, {})
    for host, variables in known.items():
        inventory.hosts.setdefault(host, {}).update(variables)
    return inventory


def _read_yaml(source: Source) -> _Inventory:
    try:
        import yaml  # noqa: PLC0415  # most have no need of it
    except ImportError:
        source.refuse("to read YAML, PyYAML is needed: pip install pyyaml; or give ansible-inventory --list")
    try:
        content = yaml.safe_load(source.text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        source.refuse(f"it is no YAML: {getattr(error, 'problem', error)}", mark and mark.line + 1)
    except RecursionError:
        source.refuse("it is nested too deep")
    inventory = _Inventory()
    try:
        _add_groups(source, inventory, content)
    except RecursionError:
        source.refuse("its groups are nested too deep")
    return inventory


def _add_groups(source: Source, inventory: _Inventory, groups: Any) -> None:
    if not isinstance(groups, dict):
        source.refuse(f"groups must be a mapping by name, not {shown(groups)}")
    for name, content in groups.items():
        parts = content or {}
        if not (isinstance(parts, dict) and all(isinstance(each or {}, dict) for each in parts.values())):
            source.refuse(f"group {shown(name)} must have hosts, children and vars, each a mapping")
        group = inventory.group(str(name))
        group.variables |= parts.get("vars") or {}
        for pattern, variables in (parts.get("hosts") or {}).items():
            if not isinstance(variables or {}, dict):
                source.refuse(f"the variables of {shown(pattern)} must be a mapping, not {shown(variables)}")
            for host in _expanded(source, str(pattern), None):
                inventory.host(host, str(name), variables or {})
        children = parts.get("children") or {}
        group.children += map(str, children)
        _add_groups(source, inventory, children)


def _read_ini(source: Source) -> _Inventory:
    inventory = _Inventory()
    group, part = "ungrouped", None
    for number, line in source.lines():
        text = line.strip()
        if text.startswith(("#", ";")):
            continue
        if section := _SECTION.fullmatch(text):
            group, part = section[1], section[2]
            inventory.group(group)
            continue
        try:
            words = shlex.split(text, comments=True)
        except ValueError as error:
            source.refuse(f"{error}", number)
        if part == "children":
            inventory.group(group).children += words[:1]
        elif part == "vars":
            key, _, value = text.partition("=")
            inventory.group(group).variables[key.strip()] = value.strip()
        else:
            pairs = [each.partition("=") for each in words[1:]]
            if wrong := [key for key, equals, _ in pairs if not equals]:
                source.refuse(f"{shown(wrong[0])} is no variable, such as memory=65536", number)
            for host in _expanded(source, words[0], number):
                inventory.host(_PORT.sub("", host), group, {key: value for key, _, value in pairs})
    return inventory


def _expanded(source: Source, pattern: str, line: int | None) -> Iterator[str]:
    """Go through the names that one with ranges stands for: ``web[01:20]``."""
    found = _RANGE.search(pattern)
    if found is None:
        yield pattern
        return
    first, last, step = found[1], found[2], int(found[3] or 1)
    if first.isdigit() != last.isdigit() or not step:
        source.refuse(f"{found[0]} is no range, such as [01:20] or [a:f]", line)
    if first.isdigit():
        numbers = range(int(first), int(last) + 1, step)
        if len(numbers) > _MOST_HOSTS:
            source.refuse(f"{found[0]} stands for {len(numbers)} hosts, the most is {_MOST_HOSTS}", line)
        middles = [f"{number:0{len(first)}}" for number in numbers]
    else:
        middles = list(ascii_letters[ascii_letters.index(first) : ascii_letters.index(last) + 1 : step])
    before, after = pattern[: found.start()], pattern[found.end() :]
    for middle in middles:
        yield from (f"{before}{middle}{rest}" for rest in _expanded(source, after, line))
