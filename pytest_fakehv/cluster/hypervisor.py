"""The hypervisor interface on one fake node."""

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

from pytest_fakehv.calls.door import put_behind_door
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.hooks import HOOKS, Hooks
from pytest_fakehv.cluster.inner import InnerNode, info
from pytest_fakehv.cluster.node import NodeSpec
from pytest_fakehv.cluster.nodestage import NodeStage
from pytest_fakehv.cluster.scope import Scope
from pytest_fakehv.cluster.shared import Shared
from pytest_fakehv.interface.constants import HV_MIGRATION_MODE
from pytest_fakehv.interface.contract import HvParams
from pytest_fakehv.interface.errors import HypervisorError, RefusedError
from pytest_fakehv.interface.objects import (
    InstanceConsole,
    InstanceInfo,
    InstanceLike,
    MigrationStatus,
    NodeInfo,
    less_used,
)
from pytest_fakehv.interface.parameters import MIGRATION_MODE_CHECK, Parameters
from pytest_fakehv.migration.script import MigrationSpec
from pytest_fakehv.storage.files import Storage
from pytest_fakehv.storage.memory import IN_MEMORY, InMemory, Memory
from pytest_fakehv.storage.root import Root
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a failed call is shown at the line that made it


class Cluster(Protocol):
    """What a node needs of its cluster."""

    _shared: Shared

    def __contains__(self, node: object) -> bool:
        """Tell whether a node, or the node of a name or an address, is in it."""

    def __getitem__(self, name: str) -> "FakeHypervisor":
        """Return a node by its name or its address."""

    def __iter__(self) -> "Iterator[FakeHypervisor]":
        """Go through the nodes."""


class FakeHypervisor(NodeStage, Hooks):
    """The fake hypervisor of one node.

    CamelCase methods are the hypervisor interface, for the code under test; snake_case ones are the
    test's. The interface behaves as Ganeti's own fake hypervisor but where the README's table says.

    Args:
        root: the directory for the instance files, one a running instance; made at once if it is absent.
            For none at all, see `in_memory`.
        spec: the node's size; None for the size of the machine that runs the test.
        cluster: the cluster that it is a node of; None for a node on its own.
        seed: of the random faults of a node on its own.

    Attributes:
        spec: as given.
        cluster: as given.

    Raises:
        DeclarationError: the root can't be made, or ``spec`` is something else.
    """

    PARAMETERS: ClassVar[Parameters] = {HV_MIGRATION_MODE: MIGRATION_MODE_CHECK}
    CAN_MIGRATE: ClassVar[bool] = True

    def __init__(
        self,
        root: str | os.PathLike[str] | Root | InMemory,
        *,
        spec: NodeSpec | None = None,
        cluster: "Cluster | None" = None,
        seed: int | None = None,
    ) -> None:
        if not isinstance(spec, NodeSpec | None):
            raise DeclarationError(f"spec must be a NodeSpec, not {shown(spec)}")
        self.spec = spec
        self.cluster = cluster
        # A cluster that has no node yet has no length.
        self._shared = Shared("polls", seed) if cluster is None else cluster._shared
        self._door = self._shared.door
        lock = self._shared.lock
        if isinstance(root, InMemory):
            store: Memory | Storage = Memory(lock)
        else:
            store = Storage(root if isinstance(root, Root) else Root.at(root), lock)
        self._inner = InnerNode(
            spec=spec,
            shared=self._shared,
            store=store,
            path_of=self._InstanceFile,
            read_size=type(self).GetLinuxNodeInfo,
        )
        self._scope = Scope(
            shared=self._shared,
            own_name=self._inner.name,
            list_nodes=lambda: (self._inner,),
            list_others=lambda: [node._inner for node in self.cluster or () if node is not self],
        )

    @classmethod
    def in_memory(cls, *, spec: NodeSpec | None = None, seed: int | None = None) -> Self:
        """Make a node on its own that keeps its instances in this process's memory, and no files.

        Args:
            spec: as for the class itself.
            seed: as for the class itself.
        """
        return cls(IN_MEMORY, spec=spec, seed=seed)

    def __repr__(self) -> str:
        """Show which node it is."""
        return f"<{type(self).__name__} {self.name}>"

    # The interface: instances

    def StartInstance(
        self, instance: InstanceLike, block_devices: Sequence[Any], startup_paused: bool
    ) -> None:
        """Start an instance; of any number of concurrent starts, one succeeds.

        Args:
            instance: which; its beparams say how much memory it gets, in MiB: ``maxmem`` if that is free,
                what is free if it isn't, at least ``minmem``.
            block_devices: its disks; ignored.
            startup_paused: whether it starts paused.

        Raises:
            HypervisorError: it runs already, lacks a beparam, can't be written, or doesn't fit on a node
                that doesn't overcommit.
        """
        try:
            self._start(instance, paused=startup_paused)
        except (RefusedError, OSError) as error:
            self._inner.fail(f"start instance {instance.name}", error)

    def StopInstance(
        self,
        instance: InstanceLike | None,
        force: bool = False,
        retry: bool = False,
        name: str | None = None,
        timeout: int | None = None,
    ) -> None:
        """Stop an instance, at once; of any number of concurrent stops, one succeeds.

        Args:
            instance: which; None will do if ``name`` is given.
            force: ignored, but for None with a timeout, which no hypervisor takes.
            retry: ignored.
            name: which, by name alone.
            timeout: in seconds; ignored.

        Raises:
            HypervisorError: it does not run, its file can't be removed, or an argument is missing.
        """
        if name is None:
            if instance is None:
                raise HypervisorError("Failed to stop instance: neither an instance nor a name is given")
            name = instance.name
        given: object = force
        if timeout is not None and given is None:
            raise HypervisorError(
                f"Failed to stop instance {name}: a timeout goes with force True or False, not None"
            )
        try:
            with self._together:
                if self._has_own_hooks:
                    self._refuse_stopped(name)
                self._MarkDown(name)
                self._inner.has_stopped(name)
        except (RefusedError, OSError) as error:
            self._inner.fail(f"stop instance {name}", error)

    def RebootInstance(self, instance: InstanceLike) -> None:
        """Reboot an instance: nothing changes."""

    def ListInstances(self, hvparams: HvParams | None = None) -> list[str]:
        """List the running and paused instances.

        Args:
            hvparams: ignored.

        Returns:
            Their names, in no order.

        Raises:
            HypervisorError: the root directory can't be read.
        """
        try:
            return self._inner.store.names()
        except OSError as error:
            self._inner.fail("list the instances", error)

    def GetInstanceInfo(self, instance_name: str, hvparams: HvParams | None = None) -> InstanceInfo | None:
        """Return a running or paused instance's figures.

        Args:
            instance_name: its name.
            hvparams: ignored.

        Returns:
            Its figures, equal to a plain six-tuple; None if it doesn't run.

        Raises:
            HypervisorError: its file is malformed or unreadable.
        """
        return self._inner.info_of(instance_name)

    def GetAllInstancesInfo(self, hvparams: HvParams | None = None) -> list[InstanceInfo]:
        """Return every running or paused instance's figures.

        Args:
            hvparams: ignored.

        Returns:
            Their figures, in no order.

        Raises:
            HypervisorError: an instance's file is malformed or unreadable; the message names it.
        """
        try:
            return [info(name, record) for name, record in self._inner.store.read_all().items()]
        except (RefusedError, OSError) as error:
            self._inner.fail("get info of all instances", error)

    def BalloonInstanceMemory(self, instance: InstanceLike, mem: int) -> None:
        """Change a running instance's memory; whoever looks sees the old or the new figures.

        Args:
            instance: which; its beparams say how many ``vcpus`` it has.
            mem: its new memory, in MiB.

        Raises:
            HypervisorError: it doesn't run, ``mem`` is no positive integer, a beparam is missing, its
                file can't be written, or it doesn't fit on a node that doesn't overcommit.
        """
        try:
            self._balloon(instance, mem)
        except (RefusedError, OSError) as error:
            self._inner.fail(f"balloon memory for {instance.name}", error)

    @classmethod
    def GetInstanceConsole(
        cls,
        instance: Any,
        primary_node: Any,
        node_group: Any,
        hvparams: HvParams,
        beparams: Mapping[str, Any],
    ) -> InstanceConsole:
        """Say that there is no console.

        Args:
            instance: whose console.
            primary_node: ignored.
            node_group: ignored.
            hvparams: ignored.
            beparams: ignored.

        Returns:
            A console of kind "msg".
        """
        return InstanceConsole(
            instance=instance.name, kind="msg", message="Console not available for fake hypervisor"
        )

    # The interface: the node

    def GetNodeInfo(self, hvparams: HvParams | None = None) -> NodeInfo:
        """Return the node's figures: the `NodeSpec`'s, or those of the machine that runs the test.

        Args:
            hvparams: ignored.

        Returns:
            Memory in MiB and CPU counts; what is free excludes the running instances' memory and is
            never below 0.

        Raises:
            HypervisorError: an instance's file is malformed or unreadable; the message names it.
        """
        with self._inner.doing("get node info"):
            used = sum(record.memory for record in self._inner.store.read_all().values())
            return less_used(self._inner.size(), used)

    def Verify(self, hvparams: HvParams | None = None) -> str | None:
        """Say what is wrong with the hypervisor.

        Args:
            hvparams: ignored.

        Returns:
            None, or that the root directory is gone.

        Raises:
            HypervisorError: nobody can tell.
        """
        with self._inner.doing("verify the hypervisor"):
            exists = self._inner.store.exists()
        return None if exists else f"The required directory '{self._inner.store.root}' does not exist"

    def PowercycleNode(self, hvparams: HvParams | None = None) -> None:
        """Reset this fake node at once: its instances are gone, and it is back.

        A malformed file is no instance's and stays. The machine that runs the test is never touched.

        Args:
            hvparams: ignored.

        Raises:
            HypervisorError: an instance's file can't be removed.
        """
        self.LinuxPowercycle()
        with self._inner.doing("powercycle the node"):
            self._inner.lose_everything()

    # The interface: migration

    def AcceptInstance(self, instance: InstanceLike, info: str, target: str) -> None:
        """Get ready, on the target, for an instance that will migrate here.

        No memory is set aside for it: other instances that were accepted and aren't here yet don't count.

        Args:
            instance: which.
            info: what `MigrationInfo` returned on the source.
            target: this node's address or name.

        Raises:
            HypervisorError: it runs here, or doesn't fit on a node that doesn't overcommit.
        """
        with self._inner.doing(f"accept instance {instance.name}"):
            alive = self._IsAlive(instance.name)
            if not alive and self._inner.is_strict:
                self._inner.refuse_overcommit(self._InstanceStartupMemory(instance))
        if alive:
            raise HypervisorError("Can't accept instance, already running")
        self._shared.watcher.accepted(self.name, instance.name)

    def MigrateInstance(self, cluster_name: str, instance: InstanceLike, target: str, live: bool) -> None:
        """Start, on the source, to migrate an instance.

        Unless it is scripted, it completes at the first status call.

        Args:
            cluster_name: the cluster's name; ignored.
            instance: which.
            target: the target node's address or name; anything on a node of no cluster.
            live: whether it keeps running meanwhile; if not, it is paused first.

        Raises:
            HypervisorError: it doesn't run here or migrates already, the target is this node, no node of
                the cluster, or down, or doesn't overcommit and has no room.
            DeclarationError: the test scripted what a non-live migration can't do.
        """
        name, shared, inner = instance.name, self._shared, self._inner
        with inner.doing(f"migrate instance {name}"):
            if not self._IsAlive(name):
                raise RefusedError("not running")
            place = self._InstanceFile(name)
            with shared.lock:
                node = self._target(target)  # until the migration has begun, it doesn't go down
                if node and (record := inner.store.read(place)):
                    node.refuse_overcommit(record.memory)
                shared.traffic.begin(
                    name,
                    source=inner.store,
                    source_name=self.name,
                    target=node.store if node else None,
                    target_name=node.name if node else target,
                    live=bool(live),
                    is_accepted=node is None or shared.watcher.has_accepted(node.name, name),
                    call=shared.door.current_call,
                )

    def GetMigrationStatus(self, instance: InstanceLike) -> MigrationStatus:
        """Say, on the source, how far an instance's last migration is.

        Args:
            instance: which.

        Returns:
            How far, with the RAM sent if it is scripted; of an instance that never migrated from here,
            that it is completed, as Ganeti's fake says.
        """
        with self._inner.doing(f"get the migration status of {instance.name}"):
            return self._shared.traffic.poll(self.name, instance.name)

    def FinalizeMigrationSource(self, instance: InstanceLike, success: bool, live: bool) -> None:
        """End a migration on the source; a second time in a row, nothing changes.

        Args:
            instance: which.
            success: whether it moved; then it no longer runs here. If not, it does, also if it was paused
                for the migration.
            live: whether it kept running meanwhile.

        Raises:
            HypervisorError: its file can't be removed or changed.
        """
        traffic, watcher, name = self._shared.traffic, self._shared.watcher, instance.name
        with self._together, self._inner.doing(f"finalize the migration of {name} on the source"):
            run = traffic.leaving(self.name, name)
            if run:
                run.remember()
            if success:
                alive = self._IsAlive(name)
                watcher.finalizes(self.name, name, run, is_target=False, runs=alive)
                self._make_sure_it_is_down(name)
            if run:
                traffic.finalize_source(run, success=success)
            watcher.finalized(self.name, name, run, is_target=False)

    def FinalizeMigrationDst(self, instance: InstanceLike, info: str, success: bool) -> None:
        """End a migration on the target; a second time in a row, nothing changes.

        Args:
            instance: which.
            info: what `MigrationInfo` returned on the source.
            success: whether it moved; then it runs here, as it did on the source, else it doesn't.

        Raises:
            HypervisorError: it can't be written or removed, doesn't fit on a node that doesn't
                overcommit, or is scripted to be lost.
        """
        traffic, watcher, name = self._shared.traffic, self._shared.watcher, instance.name
        with self._together, self._inner.doing(f"finalize the migration of {name} on the target"):
            run = traffic.arriving(self.name, name)
            alive = self._IsAlive(name)
            if success and not alive:
                self._inner.check_up()
                if run and (run.is_lost or self.name in run.lost_nodes):
                    raise RefusedError("its memory has not arrived")
            if success and self.cluster is not None:  # else nothing is known of the source
                watcher.finalizes(self.name, name, run, is_target=True, runs=alive)
            if not success:
                self._make_sure_it_is_down(name)
            elif not alive:
                if run and run.finalized_on_target is None:
                    run.remember()
                    self._start(instance, paused=run.record.paused, memory=run.record.memory)
                else:
                    self._start(instance, paused=False)
            if run:
                traffic.finalize_target(run, success=success)
            watcher.finalized(self.name, name, run, is_target=True)

    # Inside

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Notice a class that decides itself how much memory is free, or what runs: it must be asked then."""
        super().__init_subclass__(**keywords)
        put_behind_door(cls)

        def has_own(name: str) -> bool:
            return inspect.unwrap(getattr(cls, name)) is not inspect.unwrap(getattr(FakeHypervisor, name))

        cls._has_own_node_info = has_own("GetNodeInfo")
        cls._has_own_hooks = cls._has_own_node_info or any(map(has_own, HOOKS))
        cls._has_own_size = has_own("GetLinuxNodeInfo")

    def _check_script(self, spec: MigrationSpec) -> None:
        super()._check_script(spec)
        if spec.outcome == "failed_but_moved" and self.cluster is None:
            raise DeclarationError("outcome 'failed_but_moved' needs a cluster: there is no node to move to")

    def _target(self, target: str) -> InnerNode | None:
        """Return the node that an address or a name means; None if this node knows no others."""
        given: object = target
        node, problem = None, None
        if given in (self.name, self.address):
            problem = "is this very node"
        elif not isinstance(given, str) or (self.cluster is not None and given not in self.cluster):
            problem = "is no node's name or address"
        elif self.cluster is not None:
            node = self.cluster[target]._inner
            problem = node.why_nothing_runs
        if problem:
            raise RefusedError(f"the target {shown(target)} {problem}")
        return node


put_behind_door(FakeHypervisor)
