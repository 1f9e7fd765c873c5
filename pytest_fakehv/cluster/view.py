"""One node or a whole cluster, as the test sees it: what setting the scene and asserting both build on."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pytest_fakehv.calls.clock import Clock
from pytest_fakehv.calls.journal import Journal
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.shared import Shared
from pytest_fakehv.migration.record import Migration
from pytest_fakehv.text import listed, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_fakehv.cluster.hypervisor import FakeHypervisor

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line


class View(ABC):
    """One or more nodes, and those beside them.

    Attributes:
        shared: what all of them have in common.
    """

    shared: Shared

    @abstractmethod
    def _nodes(self) -> "Sequence[FakeHypervisor]":
        """Return the nodes that the test sees."""

    @abstractmethod
    def _other_nodes(self) -> "Sequence[FakeHypervisor]":
        """Return the nodes beside them, where a message may point to."""

    @property
    @abstractmethod
    def _own_name(self) -> str | None:
        """The name of the one node that the test sees; None for a cluster."""

    @property
    def clock(self) -> Clock:
        """The time that migrations run on."""
        return self.shared.clock

    @property
    def journal(self) -> Journal:
        """The calls of the interface, in order; a node's has the other nodes' too."""
        return self.shared.door.journal

    @property
    def migrations(self) -> list[Migration]:
        """A record of each migration as it stands now, whoever drives it, in the order of their beginning.

        A node has those from it and to it.
        """
        self.shared.look()
        return self.shared.traffic.snapshots(self._own_name)

    def _everywhere(self) -> "Sequence[FakeHypervisor]":
        return [*self._nodes(), *self._other_nodes()]

    def _node_name(self, given: str | None) -> str | None:
        """Return the name of the node that a name or an address means; None for None.

        Raises:
            DeclarationError: there never was such a node.
        """
        if given is None:
            return None
        nodes = self._everywhere()
        for node in nodes:
            if given in (node.name, node.address):
                return node.name
        # One that was taken out of the cluster may still have a past.
        if self.journal.calls(node=given):
            return given
        raise DeclarationError(
            f"no node is named {shown(given)}; there are: {listed(node.name for node in nodes)}"
        )

    def _own_node_name(self, given: str | None) -> str | None:
        """The same, of a node that the test sees here.

        Raises:
            DeclarationError: it is another one, or there never was such a node.
        """
        name = self._node_name(given)
        if name is not None and self._own_name not in (None, name):
            raise DeclarationError(f"{self._own_name} knows of itself alone; ask the cluster of {name}")
        return name

    def _check_instance(self, name: str) -> None:
        """Refuse the name of an instance that nobody ever declared, ran or asked for.

        What is said of such a one is true, and tests nothing.

        Raises:
            DeclarationError: it is unknown; the message has the nearest one.
        """
        declared, watcher = self.shared.declared, self.shared.watcher
        if name in declared or watcher.knows(name) or self.journal.calls(instance=name):
            return
        known = {*declared, *watcher.known}
        there = f"there are: {listed(known)}" if known else "none is declared"
        for close in nearest(str(name), known):
            there = f"nearest: {close}"
        raise DeclarationError(f"no instance is named {shown(name)}; {there}")
