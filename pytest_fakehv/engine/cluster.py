"""Several fake nodes that know of one another."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self, Unpack

from pytest_fakehv.engine import explain
from pytest_fakehv.engine.assertions import Assertions
from pytest_fakehv.engine.door import Door
from pytest_fakehv.engine.errors import DeclarationError
from pytest_fakehv.engine.hypervisor import FakeHypervisor, InstanceArguments
from pytest_fakehv.engine.journal import Journal
from pytest_fakehv.engine.names import shown
from pytest_fakehv.engine.node import NodeSpec
from pytest_fakehv.engine.objects import DeclaredState, Instance, InstanceSpec
from pytest_fakehv.engine.storage import Root

DEFAULT_NODES = (NodeSpec("node1"), NodeSpec("node2"))


class FakeCluster(Assertions):
    """Nodes by name, each a `FakeHypervisor` with a root directory of its own.

    Args:
        root: the directory in which each node's root directory lies, under the node's name.
        nodes: the nodes' sizes; two equal ones, "node1" and "node2", unless given.
        instances: the instances to begin with.
        hypervisor: the class of each node: `FakeHypervisor` or a subclass of it.

    Attributes:
        door: what all calls of its nodes pass.
        declared: the instances that the test has declared, by name.

    Raises:
        DeclarationError: two nodes have one name or address, or an instance is on an unknown node.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | Root,
        nodes: Iterable[NodeSpec] = DEFAULT_NODES,
        *,
        instances: Iterable[InstanceSpec] = (),
        hypervisor: type[FakeHypervisor] = FakeHypervisor,
    ) -> None:
        self._root = root if isinstance(root, Root) else Root.at(root)
        self._hypervisor = hypervisor
        self._by_name: dict[str, FakeHypervisor] = {}
        self.declared: dict[str, Instance] = {}
        self.door = Door()
        for spec in nodes:
            self._add(spec)
        if not self._by_name:
            raise DeclarationError("a cluster needs at least one node")
        for each in instances:
            self.place(each)

    @classmethod
    @contextmanager
    def temporary(cls, nodes: Iterable[NodeSpec] = DEFAULT_NODES) -> Iterator[Self]:
        """Make a cluster in a temporary directory, which goes with the ``with`` block.

        Args:
            nodes: the nodes' sizes, as for `FakeCluster`.

        Returns:
            A context manager that yields the cluster.
        """
        with tempfile.TemporaryDirectory(prefix="fakehv-") as directory:
            yield cls(directory, nodes)

    def __repr__(self) -> str:
        """Show which nodes it has."""
        return f"<{type(self).__name__} {', '.join(self._by_name)}>"

    def __getitem__(self, name: str) -> FakeHypervisor:
        """Return a node by its name.

        Raises:
            KeyError: there is none of that name.
        """
        if name not in self._by_name:
            raise KeyError(f"no node is named {name!r}; there are: {', '.join(self._by_name)}")
        return self._by_name[name]

    def __contains__(self, node: object) -> bool:
        """Tell whether a node, or the node of a name, is in the cluster."""
        return node in self._by_name if isinstance(node, str) else node in self.nodes

    def __iter__(self) -> Iterator[FakeHypervisor]:
        """Go through the nodes, in the order of their declaration."""
        return iter(self.nodes)

    def __len__(self) -> int:
        """Return how many nodes there are."""
        return len(self._by_name)

    @property
    def nodes(self) -> tuple[FakeHypervisor, ...]:
        """The nodes, in the order of their declaration."""
        return tuple(self._by_name.values())

    @property
    def journal(self) -> Journal:
        """The calls of the interface on any node, in order."""
        return self.door.journal

    def describe(self) -> str:
        """Describe nodes, instances and the last calls, as the calls so far last saw them.

        Touches no file: a file that somebody else put there or took away may not be known yet.

        Returns:
            The text of a failed test's section.
        """
        views = [node.last_seen for node in self]
        return explain.section(views, self.journal.last(explain.MOST_CALLS), len(self.journal))

    def add_instance(
        self,
        name: str,
        *,
        node: str | None = None,
        state: DeclaredState = "running",
        **arguments: Unpack[InstanceArguments],
    ) -> Instance:
        """Set the scene: put an instance on a node, without a call of the interface.

        Args:
            name: its name.
            node: the node's name; None for the first.
            state: "running", "paused" or "stopped".
            **arguments: ``memory`` and ``min_memory`` in MiB and ``vcpus``, as in `InstanceSpec`.

        Returns:
            What the interface's methods take.

        Raises:
            DeclarationError: an argument is wrong, or the instance runs there already, or does not fit.
        """
        return self.place(InstanceSpec(name, node=node, state=state, **arguments))

    def _add(self, spec: NodeSpec) -> None:
        if not isinstance(spec, NodeSpec):
            raise DeclarationError(f"a node is declared by a NodeSpec, not {shown(spec)}")
        for other in self._by_name.values():
            if other.name == spec.name:
                raise DeclarationError(f"two nodes are named {spec.name!r}")
            if other.spec and (both := spec.addresses & other.spec.addresses):
                raise DeclarationError(f"{spec.name!r} has the address of {other.name!r}: {both.pop()!r}")
        self._by_name[spec.name] = self._hypervisor(self._root.child(spec.name), spec=spec, cluster=self)

    def place(self, spec: InstanceSpec) -> Instance:
        """Do what `add_instance` does, for an instance that is described already."""
        if spec.node is not None and spec.node not in self._by_name:
            raise DeclarationError(
                f"{spec.name!r} is on an unknown node {shown(spec.node)}; "
                f"there are: {', '.join(self._by_name)}"
            )
        node = self._by_name[spec.node] if spec.node is not None else self.nodes[0]
        return node.place(spec)

    def _nodes(self) -> Sequence[FakeHypervisor]:
        return self.nodes

    def _other_nodes(self) -> Sequence[FakeHypervisor]:
        return ()
