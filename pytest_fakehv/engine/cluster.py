"""Several fake nodes that know of one another."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from pytest_fakehv.engine.assertions import Assertions
from pytest_fakehv.engine.door import Door
from pytest_fakehv.engine.errors import DeclarationError
from pytest_fakehv.engine.filesystem import Root
from pytest_fakehv.engine.hypervisor import FakeHypervisor
from pytest_fakehv.engine.journal import Journal
from pytest_fakehv.engine.node import NodeSpec
from pytest_fakehv.engine.objects import DeclaredState, Instance, InstanceSpec
from pytest_fakehv.engine.text import shown

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it


class FakeCluster(Assertions):
    """Nodes by name, each a `FakeHypervisor` with a root directory of its own.

    Args:
        root: the directory in which each node's root directory lies, under the node's name.
        *nodes: the nodes' sizes; two equal ones, "node1" and "node2", unless given.
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
        *nodes: NodeSpec,
        instances: Iterable[InstanceSpec] = (),
        hypervisor: type[FakeHypervisor] = FakeHypervisor,
    ) -> None:
        given: object = hypervisor
        if not (isinstance(given, type) and issubclass(given, FakeHypervisor)):
            raise DeclarationError(
                f"the class of a node must be FakeHypervisor or a subclass, not {shown(hypervisor)}"
            )
        self._root = root if isinstance(root, Root) else Root.at(root)
        self._hypervisor = hypervisor
        self._by_name: dict[str, FakeHypervisor] = {}
        self.declared: dict[str, InstanceSpec] = {}
        self.door = Door()
        for spec in nodes or (NodeSpec("node1"), NodeSpec("node2")):
            self._add(spec)
        for each in instances:
            self.add_instance(**vars(each))

    @classmethod
    @contextmanager
    def temporary(
        cls,
        *nodes: NodeSpec,
        instances: Iterable[InstanceSpec] = (),
        hypervisor: type[FakeHypervisor] = FakeHypervisor,
    ) -> Iterator[Self]:
        """Make a cluster in a temporary directory, which goes with the ``with`` block.

        Args:
            *nodes: as for `FakeCluster`.
            instances: as for `FakeCluster`.
            hypervisor: as for `FakeCluster`.

        Returns:
            A context manager that yields the cluster.
        """
        with tempfile.TemporaryDirectory(prefix="fakehv-") as directory:
            yield cls(directory, *nodes, instances=instances, hypervisor=hypervisor)

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

    def add_instance(
        self,
        name: str,
        *,
        node: str | None = None,
        state: DeclaredState = "running",
        memory: int | None = None,
        min_memory: int | None = None,
        vcpus: int | None = None,
        hvparams: Mapping[str, Any] | None = None,
    ) -> Instance:
        """Set the scene: put an instance on a node, without a call of the interface.

        Args:
            name: its name.
            node: the node's name; None for the first.
            state: "running", "paused" or "stopped".
            memory: as in `FakeHypervisor.instance`.
            min_memory: as in `FakeHypervisor.instance`.
            vcpus: as in `FakeHypervisor.instance`.
            hvparams: as in `FakeHypervisor.instance`.

        Returns:
            What the interface's methods take.

        Raises:
            DeclarationError: an argument is wrong, or the instance runs there already, or does not fit.
        """
        if node is not None and node not in self._by_name:
            raise DeclarationError(
                f"{name!r} is on an unknown node {shown(node)}; there are: {', '.join(self._by_name)}"
            )
        hypervisor = self.nodes[0] if node is None else self._by_name[node]
        return hypervisor.add_instance(
            name, state=state, memory=memory, min_memory=min_memory, vcpus=vcpus, hvparams=hvparams
        )

    def _add(self, spec: NodeSpec) -> None:
        if not isinstance(spec, NodeSpec):
            raise DeclarationError(f"a node is declared by a NodeSpec, not {shown(spec)}")
        for other in self._by_name.values():
            if other.name == spec.name:
                raise DeclarationError(f"two nodes are named {spec.name!r}")
            if other.spec and (both := spec.addresses & other.spec.addresses):
                raise DeclarationError(f"{spec.name!r} has the address of {other.name!r}: {both.pop()!r}")
        self._by_name[spec.name] = self._hypervisor(self._root.child(spec.name), spec=spec, cluster=self)

    def _nodes(self) -> Sequence[FakeHypervisor]:
        return self.nodes

    def _other_nodes(self) -> Sequence[FakeHypervisor]:
        return ()
