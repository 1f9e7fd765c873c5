"""Several fake nodes that know of one another."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar, Final, Protocol, Self, Unpack

from pytest_fakehv.calls.clock import ClockMode, TimeFunction
from pytest_fakehv.checks import DeclarationError, check_choice, check_number
from pytest_fakehv.cluster.assertions import Assertions
from pytest_fakehv.cluster.hypervisor import FakeHypervisor
from pytest_fakehv.cluster.limits import MOST_CALLS, MOST_TIME, LimitOptions
from pytest_fakehv.cluster.node import NodeOptions, NodeSpec
from pytest_fakehv.cluster.scope import Scope
from pytest_fakehv.cluster.shared import Shared
from pytest_fakehv.cluster.stage import Stage
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.interface.objects import (
    DeclaredState,
    Instance,
    InstanceInfo,
    InstanceLike,
    InstanceOptions,
    InstanceSpec,
    name_of,
)
from pytest_fakehv.keywords import takes
from pytest_fakehv.migration.driver import LONGEST_MIGRATION, Driver, Ending, MigrationResult
from pytest_fakehv.storage.locks import under_lock
from pytest_fakehv.storage.memory import IN_MEMORY, InMemory
from pytest_fakehv.storage.root import Root
from pytest_fakehv.storage.store import is_paused
from pytest_fakehv.storage.temporary import temporary_directory
from pytest_fakehv.text import listed, shown

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it

_TWO_NODES: Final = (NodeSpec("node1"), NodeSpec("node2"))


class ClusterOptions(LimitOptions, total=False):
    """The keywords of `FakeCluster`, for what hands them on to it."""

    instances: Iterable[InstanceSpec]
    hypervisor: type[FakeHypervisor] | None
    clock: ClockMode | TimeFunction
    seed: int | None


class FakeCluster(Stage, Assertions):
    """Nodes by name, each a `FakeHypervisor` with a root directory of its own.

    Args:
        root: the directory in which each node's root directory lies, under the node's name. For none at
            all, see `in_memory`.
        *nodes: the nodes' sizes; two equal ones, "node1" and "node2", unless given.
        instances: the instances to begin with.
        hypervisor: the class of each node, ``node_class`` or a subclass of it; None for ``node_class``.
        clock: what makes the time of its migrations go: "polls", "manual" or "real", or a function that
            returns seconds; see `Clock`.
        seed: of its random faults; the same one makes the same decisions. None for a fresh one.
        max_calls: how many calls of the interface a test may make, and how often it may sleep on the clock or
            advance it. Then each call raises `LimitError`.
        max_time: how far the clock may go in a test, in seconds; likewise.

    Attributes:
        node_class: what each node is at least: `FakeHypervisor`.

    Raises:
        DeclarationError: two nodes have one name or address, or an instance is on an unknown node.
    """

    node_class: ClassVar[type[FakeHypervisor]] = FakeHypervisor

    def __init__(
        self,
        root: str | os.PathLike[str] | Root | InMemory,
        *nodes: NodeSpec,
        instances: Iterable[InstanceSpec] = (),
        hypervisor: type[FakeHypervisor] | None = None,
        clock: ClockMode | TimeFunction = "polls",
        seed: int | None = None,
        max_calls: int = MOST_CALLS,
        max_time: float = MOST_TIME,
    ) -> None:
        super().__init__()
        self._hypervisor = self.node_class if hypervisor is None else hypervisor
        given: object = self._hypervisor
        if not (isinstance(given, type) and issubclass(given, self.node_class)):
            raise DeclarationError(
                f"the class of a node must be {self.node_class.__name__} or a subclass, not {shown(given)}"
            )
        self._shared = Shared(clock, seed, max_calls=max_calls, max_time=max_time)
        self._shared.watcher.is_there = self._has_file
        self._shared.watcher.is_paused = self._has_paused
        self._scope = Scope(
            shared=self._shared,
            own_name=None,
            list_nodes=lambda: [node._inner for node in self.nodes],
            list_others=lambda: (),
        )
        self._root = root if isinstance(root, Root | InMemory) else Root.at(root)
        self._by_name: dict[str, FakeHypervisor] = {}
        self._by_address: dict[str, FakeHypervisor] = {}
        self._left: list[FakeHypervisor] = []  # who was given them in another process does not keep them
        for spec in nodes or _TWO_NODES:
            self._add(spec)
        for each in instances:
            if not isinstance(each, InstanceSpec):
                raise DeclarationError(f"an instance is declared by an InstanceSpec, not {shown(each)}")
            self.add_instance(**vars(each))

    @classmethod
    @contextmanager
    @takes(__init__)
    def temporary(cls, *nodes: NodeSpec, **options: Unpack[ClusterOptions]) -> Iterator[Self]:
        """Make a cluster in a temporary directory, which goes with the ``with`` block.

        Args:
            *nodes: as for `FakeCluster`.
            **options: as for `FakeCluster`.

        Returns:
            A context manager that yields the cluster.
        """
        with temporary_directory("fakehv-") as directory:
            yield cls(directory, *nodes, **options)

    @classmethod
    @takes(__init__)
    def in_memory(cls, *nodes: NodeSpec, **options: Unpack[ClusterOptions]) -> Self:
        """Make a cluster that keeps its instances in this process's memory, and no files.

        Args:
            *nodes: as for `FakeCluster`.
            **options: as for `FakeCluster`.
        """
        return cls(IN_MEMORY, *nodes, **options)

    def __repr__(self) -> str:
        """Show which nodes it has."""
        return f"<{type(self).__name__} {listed(self._by_name)}>"

    def __getitem__(self, node: str | BaseHypervisor) -> FakeHypervisor:
        """Return a node by its name or its address; one that is given as itself, too.

        Raises:
            KeyError: there is no such node in the cluster.
        """
        try:
            return self._node(node)
        except DeclarationError as error:
            raise KeyError(str(error)) from None

    def __contains__(self, node: object) -> bool:
        """Tell whether a node, or the node of a name or an address, is in the cluster."""
        return node in self._by_address if isinstance(node, str) else node in self.nodes

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

    # Setting the scene

    @takes(NodeSpec)
    def add_node(self, name: str, **options: Unpack[NodeOptions]) -> FakeHypervisor:
        """Add a node; the cluster may be in full swing.

        Args:
            name: its name.
            **options: as in `NodeSpec`.

        Raises:
            DeclarationError: an argument is wrong, or another node has the name or the address.
        """
        node = self._add(NodeSpec(name, **options))
        self._shared.chronicle.did("add_node", node=node.name)
        return node

    @under_lock
    def remove_node(self, name: str | BaseHypervisor) -> None:
        """Take a node out of the cluster. From then on, every call of it raises `NodeDownError`.

        Args:
            name: the node's name or address, or the node itself.

        Raises:
            DeclarationError: there is none, instances run on it or migrate, or it is the only one.
        """
        node = self._node(name)
        problem = None
        if running := node.instance_names:
            problem = f"these run on it: {listed(running)}"
        elif moving := [each.instance for each in node.migrations if each.outcome == "active"]:
            problem = f"these migrate from or to it: {listed(moving)}"
        elif len(self) == 1:
            problem = "it is the only one"
        if problem:
            raise DeclarationError(f"{node.name} can't be removed: {problem}")
        self._by_name = {key: each for key, each in self._by_name.items() if each is not node}
        self._by_address = {key: each for key, each in self._by_address.items() if each is not node}
        self._left.append(node)
        node._inner.leave()

    @takes(InstanceSpec)
    def add_instance(
        self,
        name: str | InstanceLike,
        *,
        node: str | BaseHypervisor | None = None,
        state: DeclaredState = "running",
        **options: Unpack[InstanceOptions],
    ) -> Instance:
        """Put an instance on a node, without a call of the interface.

        Args:
            name: as in `FakeHypervisor.instance`.
            node: which, by name or address or as itself; None for the first.
            state: as in `InstanceSpec`.
            **options: as in `FakeHypervisor.instance`.

        Returns:
            What the interface's methods take.

        Raises:
            DeclarationError: an argument is wrong, or the instance runs there already, or does not fit.
        """
        if isinstance(node, str) and node not in self._by_address:
            raise DeclarationError(
                f"{name_of(name)!r} is on an unknown node {shown(node)}; there are: {listed(self._by_name)}"
            )
        hypervisor = next(iter(self._by_name.values())) if node is None else self._node(node)
        return hypervisor.add_instance(name, state=state, **options)

    # The reference driver

    def migrate(
        self,
        instance: str | InstanceLike,
        *,
        to: str | BaseHypervisor,
        source: str | BaseHypervisor | None = None,
        live: bool = True,
        timeout: float = LONGEST_MIGRATION,
    ) -> MigrationResult:
        """Migrate an instance as Ganeti's master does: by the interface's calls, which the journal shows.

        Args:
            instance: which, by name or as the object that the interface takes.
            to: the target node, by name or address or as itself.
            source: the node that it leaves, likewise; None for where it runs.
            live: whether it keeps running meanwhile.
            timeout: when to give up and abort it, in seconds of the clock. A manual clock is advanced by a
                second between two polls.

        Returns:
            What came of it. What the calls raise is not raised, but said there.

        Raises:
            DeclarationError: there is no such node, or no such instance to migrate from there.
        """
        check_number("timeout", timeout)
        check_choice("live", live, (True, False))
        driver = self._driver(instance, to, source)
        return self._result(driver, live=live, drive=lambda: driver.migrate(live=live, timeout=timeout))

    def clean_up(
        self,
        instance: str | InstanceLike,
        *,
        to: str | BaseHypervisor,
        source: str | BaseHypervisor | None = None,
        live: bool = True,
    ) -> MigrationResult:
        """Clean up, as Ganeti's master does, after a migration that nobody brought to an end.

        Args:
            instance: which, by name or as the object that the interface takes.
            to: the node that it was to move to, by name or address or as itself.
            source: the node that it was to leave, likewise; None for the other one where it runs, or last
                ran.
            live: whether it was to keep running meanwhile.

        Returns:
            "completed" if it has moved to the target; else "failed", and then without an error if it runs
            on the source, as before.

        Raises:
            DeclarationError: there is no such node, or nothing tells where it was to leave.
        """
        check_choice("live", live, (True, False))
        driver = self._driver(instance, to, source, may_have_moved=True)
        return self._result(driver, live=live, drive=lambda: driver.clean_up(live=live))

    def failover(
        self,
        instance: str | InstanceLike,
        *,
        to: str | BaseHypervisor,
        source: str | BaseHypervisor | None = None,
        source_is_down: bool = False,
    ) -> MigrationResult:
        """Stop an instance on one node and start it on another, as Ganeti's master does.

        Args:
            instance: which, by name or as the object that the interface takes.
            to: the target node, by name or address or as itself.
            source: the node that it leaves, likewise; None for where it runs, or last ran.
            source_is_down: whether it is known that nothing runs on the source any more, so that it need
                not be asked. Else, one that doesn't answer stops the failover.

        Returns:
            What came of it. What the calls raise is not raised, but said there.

        Raises:
            DeclarationError: there is no such node, or nothing tells where it was to leave.
        """
        check_choice("source_is_down", source_is_down, (True, False))
        driver = self._driver(instance, to, source)
        result = self._result(
            driver, live=False, drive=lambda: driver.fail_over(source_is_down=source_is_down)
        )
        return replace(result, downtime=result.duration) if result.outcome == "completed" else result

    # Inside

    @property
    def _beside(self) -> tuple[str, type | None]:
        return f"a node has it: cluster[{next(iter(self._by_name))!r}]", self._hypervisor

    def _driver(
        self,
        instance: str | InstanceLike,
        to: str | BaseHypervisor,
        source: str | BaseHypervisor | None,
        *,
        may_have_moved: bool = False,
    ) -> Driver:
        name = name_of(instance)
        self._scope.check_instance(name)
        target = self._node(to)
        if source is None:
            leaves = self._source(name, target, may_have_moved=may_have_moved)
        else:
            leaves = self._node(source)
        if leaves is target:
            raise DeclarationError(f"{shown(name)} is to move to {target.name}, where it is already")
        return Driver(
            instance=leaves.instance(name) if isinstance(instance, str | InstanceInfo) else instance,
            source=leaves,
            target=target,
            target_address=target.address,
            clock=self.clock,
        )

    def _source(self, name: str, target: FakeHypervisor, *, may_have_moved: bool) -> FakeHypervisor:
        """Return the node that an instance is to leave: where it was last known to be, or else runs."""
        known = self._last_known(name, target)
        if known is not None and known.runs(name):
            return known
        running = [node for node in self.nodes if node.runs(name)]
        others = [node for node in running if node is not target]
        if not others and known is not None and (may_have_moved or not running):
            return known
        if len(others) == 1:
            return others[0]
        if running == [target]:
            raise DeclarationError(f"{shown(name)} is to move to {target.name}, where it is already")
        where = f"runs on {listed(node.name for node in running)}" if running else "runs nowhere"
        raise DeclarationError(f"{shown(name)} {where}; say with source= which node it is to leave")

    def _last_known(self, name: str, target: FakeHypervisor) -> FakeHypervisor | None:
        """Return the node where an instance last was, other than the target, by its migrations' records."""
        migration = self._shared.traffic.latest(name)
        if migration is None:
            node = self._shared.declared[name].node if name in self._shared.declared else None
        elif migration.migrated and migration.target != target.name:
            node = migration.target
        else:
            node = migration.source
        return self._by_name[node] if node in self._by_name and node != target.name else None

    def _result(self, driver: Driver, *, live: bool, drive: Callable[[], Ending]) -> MigrationResult:
        name, began = driver.instance.name, self.clock.exact_now
        before = self._shared.traffic.latest(name)
        outcome = drive()
        duration = float(self.clock.exact_now - began)
        record = self._shared.traffic.latest(name)
        if record and before and record.number == before.number:
            record = None  # it came to no migration of its own
        return MigrationResult(
            outcome=outcome,
            instance=name,
            source=driver.source.name,
            target=driver.target.name,
            live=live,
            rounds=record.rounds if record else 0,
            downtime=record.downtime if record else 0.0,
            polls=driver.polls,
            duration=duration,
            error="; ".join(driver.errors) or None,
        )

    def _node(self, given: str | BaseHypervisor) -> FakeHypervisor:
        name = self._scope.name_of_node(given)
        if name not in self._by_address:
            raise DeclarationError(f"no node is named {shown(name)}; there are: {listed(self._by_name)}")
        return self._by_address[name]

    def _add(self, spec: NodeSpec) -> FakeHypervisor:
        if not isinstance(spec, NodeSpec):
            raise DeclarationError(f"a node is declared by a NodeSpec, not {shown(spec)}")
        self._check_name_and_address(spec)
        node = self._hypervisor(self._root.child(spec.name), spec=spec, cluster=self)
        with self._shared.lock:
            self._check_name_and_address(spec)  # another thread may have been faster
            self._by_name[spec.name] = node
            self._by_address |= dict.fromkeys(spec.addresses, node)
        return node

    def _check_name_and_address(self, spec: NodeSpec) -> None:
        if spec.name in self._by_name:
            raise DeclarationError(f"two nodes are named {spec.name!r}")
        for address in sorted(spec.addresses):
            if other := self._by_address.get(address):
                raise DeclarationError(f"{spec.name!r} has the address of {other.name!r}: {address!r}")

    def _has_file(self, node: str, instance: str) -> bool:
        return node in self and self[node]._inner.has_file(instance)

    def _has_paused(self, node: str, instance: str) -> bool:
        return node in self and is_paused(self[node]._inner.store, instance)


class ClusterFactory(Protocol):
    """The type of the fixture `fakehv_factory`."""

    @takes(FakeCluster.__init__)
    def __call__(self, *nodes: NodeSpec, **options: Unpack[ClusterOptions]) -> FakeCluster:
        """Build a cluster of its own, whatever the test's markers and `fakehv_class` say.

        Args:
            *nodes: as for `FakeCluster`; but unless given, those of the run's topology file, if it has
                any, and with them that file's instances.
            **options: as for `FakeCluster`; but the seed is the run's unless given.

        Returns:
            The cluster; its instances are kept where the run's settings say.

        Raises:
            DeclarationError: two nodes have one name or address, or an instance can't be placed.
        """
