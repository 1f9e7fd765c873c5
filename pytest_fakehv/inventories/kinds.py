"""Which kind of inventory an input is, and who reads it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.inventories import ansible, ganeti, openstack, virsh
from pytest_fakehv.inventories.found import Found, Source


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How inputs are to be read, where they don't say it themselves.

    Attributes:
        node_fields: the columns of ``gnt-node list``, where no titles stand above them; none for the default.
        instance_fields: those of ``gnt-instance list``, likewise.
        separator: what stands between Ganeti's columns; None for what seems to.
        node_groups: the groups of an Ansible inventory whose hosts are nodes.
        instance_groups: those whose hosts are instances.
    """

    node_fields: Sequence[str] = ()
    instance_fields: Sequence[str] = ()
    separator: str | None = None
    node_groups: Sequence[str] = ()
    instance_groups: Sequence[str] = ()


KINDS: Final[Mapping[str, Callable[[Source, Found, Reading], None]]] = {
    "gnt-node": lambda source, found, how: ganeti.read_nodes(source, found, how.node_fields, how.separator),
    "gnt-instance": lambda source, found, how: ganeti.read_instances(
        source, found, how.instance_fields, how.separator
    ),
    "virsh": lambda source, found, _: virsh.read(source, found),
    "openstack": lambda source, found, _: openstack.read(source, found),
    "ansible": lambda source, found, how: ansible.read(source, found, how.node_groups, how.instance_groups),
}
"""What reads each kind."""


def read(source: Source, found: Found, how: Reading, kind: str | None = None) -> None:
    """Note what an input says.

    Args:
        source: the input.
        found: where to note it.
        how: how it is to be read.
        kind: its kind; None for what it looks like.

    Raises:
        DeclarationError: it can't be read, or looks like nothing known; the message says what is.
    """
    kind = kind or _recognised(source)
    if source.node is not None and kind != "virsh":
        source.refuse(f"only what virsh says is of one node, {source.node}; this is of kind {kind}")
    KINDS[kind](source, found, how)


def _recognised(source: Source) -> str:
    lines = [line for _, line in source.lines()]
    if not lines:
        source.refuse("there is nothing in it")
    start = source.text.lstrip()
    looks: Mapping[str, bool] = {
        "openstack": start.startswith(("[{", "[\n", "[ ", "[]")) or openstack.is_ours(lines),
        "ansible": start.startswith("{") or ansible.is_ini(lines) or ansible.is_yaml(lines),
        "virsh": virsh.is_ours(lines),
        "gnt-node": ganeti.is_node_list(lines),
        "gnt-instance": ganeti.is_instance_list(lines),
    }
    for kind, is_that in looks.items():
        if is_that:
            return kind
    return source.refuse(f"it looks like no inventory; say of which kind it is: --{', --'.join(KINDS)}")
