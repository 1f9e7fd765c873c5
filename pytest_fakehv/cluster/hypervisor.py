"""The hypervisor interface on one fake node."""

import inspect
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from operator import itemgetter
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Self, Unpack, get_args

from pytest_fakehv.calls.door import put_behind_door
from pytest_fakehv.checks import LARGEST_AMOUNT, DeclarationError, check_choice, is_amount
from pytest_fakehv.cluster.assertions import Assertions
from pytest_fakehv.cluster.node import NodeSpec, startup_memory
from pytest_fakehv.cluster.shared import Shared
from pytest_fakehv.cluster.stage import Stage
from pytest_fakehv.interface.constants import BE_MAXMEM, BE_MINMEM, BE_VCPUS, HV_MIGRATION_MODE
from pytest_fakehv.interface.contract import BaseHypervisor, HvParams
from pytest_fakehv.interface.errors import HypervisorError, NodeDownError, RefusedError
from pytest_fakehv.interface.objects import (
    DeclaredState,
    Instance,
    InstanceConsole,
    InstanceInfo,
    InstanceLike,
    InstanceOptions,
    InstanceSpec,
    MigrationStatus,
    NodeInfo,
    less_used,
)
from pytest_fakehv.interface.parameters import MIGRATION_MODE_CHECK, Parameters
from pytest_fakehv.keywords import takes
from pytest_fakehv.migration.script import MigrationSpec
from pytest_fakehv.storage.files import Storage
from pytest_fakehv.storage.filesystem import Root, reason
from pytest_fakehv.storage.memory import IN_MEMORY, InMemory, Memory
from pytest_fakehv.storage.store import Record, Store
from pytest_fakehv.story.section import NodeView
from pytest_fakehv.text import natural_order, shown

if TYPE_CHECKING:
    from pytest_fakehv.cluster.cluster import FakeCluster
    from pytest_fakehv.story.chronicle import Deed

__tracebackhide__ = True  # a failed call is shown at the line that made it


class FakeHypervisor(BaseHypervisor, Stage, Assertions):
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
        shared: what it has in common with the other nodes.

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
        cluster: "FakeCluster | None" = None,
        seed: int | None = None,
    ) -> None:
        if not isinstance(spec, NodeSpec | None):
            raise DeclarationError(f"spec must be a NodeSpec, not {shown(spec)}")
        self._storage: Store
        if isinstance(root, InMemory):
            self._storage = Memory()
        else:
            self._storage = Storage(root if isinstance(root, Root) else Root.at(root))
        self._starting: Literal["running", "paused"] | None = None
        self._ballooning: Record | None = None
        self._troubles: set[Literal["down", "cut off", "gone"]] = set()
        self.spec = spec
        self.cluster = cluster
        # A cluster that has no node yet has no length.
        self.shared = Shared("polls", seed) if cluster is None else cluster.shared
        self.door = self.shared.door
        self._storage.on_change = self._watch

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

    # The test's side

    @cached_property  # every call asks for it
    def name(self) -> str:
        """The node's name; "localhost" for one that has the machine's own size."""
        return self.spec.name if self.spec else "localhost"

    @property
    def root(self) -> str:
        """The path of the directory with the instance files; made now if it wasn't needed before.

        In a private fake filesystem it can't be reached from outside.

        Raises:
            HypervisorError: it can't be made, or there is none, since the node keeps its instances in memory.
        """
        with self._doing("make the root directory"):
            return self._storage.make()

    @property
    def address(self) -> str:
        """Where the other nodes reach it."""
        return (self.spec and self.spec.address) or self.name

    @property
    def instances(self) -> dict[str, InstanceInfo]:
        """The running and the paused instances' figures, by name; web2 comes before web10.

        Raises:
            HypervisorError: an instance's file is malformed or unreadable.
        """
        with self._doing("list the instances"):
            self.shared.look()
            return _infos(self._storage.read_all())

    @property
    def instance_names(self) -> list[str]:
        """The running and the paused instances' names; web2 comes before web10. Reads no instance's file."""
        with self._doing("list the instances"):
            self.shared.look()
            return sorted(self._storage.names(), key=natural_order)

    def instance_info(self, name: str) -> InstanceInfo | None:
        """Return one instance's figures, or None if it neither runs nor is paused.

        Args:
            name: the instance.

        Raises:
            HypervisorError: its file is malformed or unreadable; other files don't matter.
        """
        self.shared.look()
        return self._info_of(name)

    def runs(self, name: str) -> bool:
        """Tell whether an instance runs or is paused here, whatever its file says of it.

        Args:
            name: the instance.
        """
        with self._doing(f"look for instance {name}"):
            self.shared.look()
            return self._storage.holds_instance(self._storage.path(name))

    @property
    def is_down(self) -> bool:
        """Whether it crashed and has not booted since, or left its cluster."""
        return not self._troubles.isdisjoint({"down", "gone"})

    @property
    def is_cut_off(self) -> bool:
        """Whether it was disconnected and not reconnected since."""
        return "cut off" in self._troubles

    @property
    def unreachable(self) -> str | None:
        """Why no call reaches the node, to stand behind its name; None if calls do."""
        if not self._troubles:  # as a rule; each call asks
            return None
        return self._why_nothing_runs or "is cut off"

    @property
    def _why_nothing_runs(self) -> str | None:
        if "gone" in self._troubles:
            return "is no longer in the cluster"
        return "is down" if "down" in self._troubles else None

    @property
    def last_seen(self) -> NodeView:
        """The node as the calls so far last saw it, without touching a file: for reports."""
        return NodeView(
            name=self.name,
            info=self.spec.info() if self.spec else None,
            overcommit=not self._is_strict,
            unreachable=self.unreachable,
            instances=_infos(self._storage.last_seen),
            malformed=sorted(self._storage.last_malformed, key=natural_order),
        )

    @takes(InstanceSpec)
    def add_instance(
        self, name: str, *, state: DeclaredState = "running", **options: Unpack[InstanceOptions]
    ) -> Instance:
        """Set the scene: put an instance on this node, without a call of the interface.

        No method of a subclass is asked, so that a test can set up what the class would refuse.

        Args:
            name: its name.
            state: as in `InstanceSpec`.
            **options: as in `instance`.

        Returns:
            What the interface's methods take.

        Raises:
            DeclarationError: an argument is wrong, the instance runs here already or does not fit, or the
                node is down.
        """
        check_choice("state", state, get_args(DeclaredState))
        instance = self.instance(name, **options)
        problem = None
        if state != "stopped" and self._why_nothing_runs:
            problem = f"{self.name} {self._why_nothing_runs}"
        elif state != "stopped":
            try:
                with self._doing(f"place {name} on {self.name}"):
                    self._place(instance, paused=state == "paused")
            except HypervisorError as error:
                problem = str(error)
        if problem:
            raise DeclarationError(problem)
        self.shared.declared[name] = replace(self.shared.declared[name], node=self.name, state=state)
        if state != "stopped":
            self.shared.chronicle.did("add_instance", node=self.name, instance=name)
        return instance

    def _place(self, instance: Instance, *, paused: bool) -> None:
        path, vcpus = self._storage.path(instance.name), _beparam(instance, BE_VCPUS)
        if not self._is_strict and (record := _fixed_record(instance, paused=paused)):
            self._create(path, record)
            return
        with self._storage.exclusive():
            if self._storage.holds_instance(path):
                raise RefusedError("already running")
            memory = self._startup_memory(instance, self._free_memory())
            self._refuse_overcommit(memory)
            self._create(path, Record(memory, vcpus, paused))

    # The test's side: what befalls a node

    def crash(self) -> None:
        """Let the node go down at once: its instances are gone, migrations from and to it have failed.

        From then on every call raises `NodeDownError`, until `boot`. A malformed file stays.
        """
        with self.shared.traffic.lock, self._doing(f"crash {self.name}"), self._storage.exclusive():
            self.shared.look()
            self._lose_everything()
            self._begin("down", "crash")

    def boot(self) -> None:
        """Let a node that is down come up again, with nothing running on it; cut off, it stays so."""
        self._end("down", "boot")

    def disconnect(self) -> None:
        """Cut the node off: every call raises `NodeDownError`, until `reconnect`.

        Its instances run on, and so do the migrations from and to it.
        """
        self._begin("cut off", "disconnect")

    def reconnect(self) -> None:
        """Let calls reach a node again that was cut off; down, it stays so."""
        self._end("cut off", "reconnect")

    def leave(self) -> None:
        """Let the node be no longer of its cluster, for good; `FakeCluster.remove_node` calls this."""
        with self.shared.traffic.lock, self._storage.exclusive():
            self._troubles.add("gone")
            self.shared.watcher.went_down(self.name)
            self.shared.traffic.node_went_down(self.name)
            self.shared.chronicle.did("remove_node", node=self.name)

    def _begin(self, trouble: Literal["down", "cut off"], by: "Deed") -> None:
        """Let the node be in trouble, and note whose doing that is, where it was not before."""
        if trouble not in self._troubles:
            self._troubles.add(trouble)
            self.shared.chronicle.did(by, node=self.name)

    def _end(self, trouble: Literal["down", "cut off"], by: "Deed") -> None:
        if trouble in self._troubles:
            self._troubles.discard(trouble)
            self.shared.chronicle.did(by, node=self.name)

    def _lose_everything(self) -> None:
        # In between, nothing begins to migrate here, nor starts.
        with self.shared.traffic.lock, self._storage.exclusive():
            self.shared.watcher.went_down(self.name)
            self._storage.remove_all()
            self.shared.traffic.node_went_down(self.name)

    def _watch(self, instance: str, runs: bool) -> None:
        shared, name, call = self.shared, self.name, self.door.current_call
        shared.chronicle.changed(name, instance, "running" if runs else "gone", call)
        if runs:
            shared.watcher.appeared(name, instance, call)
        else:
            shared.watcher.disappeared(name, instance, call)

    def _nodes(self) -> Sequence["FakeHypervisor"]:
        return (self,)

    def _other_nodes(self) -> Sequence["FakeHypervisor"]:
        return [] if self.cluster is None else [node for node in self.cluster if node is not self]

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
            self._fail(f"start instance {instance.name}", error)

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
        traffic = self.shared.traffic
        with traffic.lock:
            try:
                with self._storage.lock:  # against other processes, what takes it away locks alone
                    run = traffic.leaving(self.name, name)
                    if self._has_own_hooks:
                        self._refuse_stopped(name)
                    self._MarkDown(name)
                    self.shared.watcher.stopped(self.name, name)
                    if run:
                        traffic.instance_stopped(run)
            except (RefusedError, OSError) as error:
                self._fail(f"stop instance {name}", error)

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
            return self._storage.names()
        except OSError as error:
            self._fail("list the instances", error)

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
        return self._info_of(instance_name)

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
            return [_info(name, record) for name, record in self._storage.read_all().items()]
        except (RefusedError, OSError) as error:
            self._fail("get info of all instances", error)

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
            with self._storage.exclusive():
                self._balloon(instance, mem)
        except (RefusedError, OSError) as error:
            self._fail(f"balloon memory for {instance.name}", error)

    def _balloon(self, instance: InstanceLike, mem: int) -> None:
        old = self._storage.read(self._InstanceFile(instance.name))
        if old is None:
            raise RefusedError("not running")
        if self._has_own_hooks:
            self._refuse_stopped(instance.name)
        self._refuse_overcommit(_amount("memory", mem) - old.memory)
        # Not an argument, as in `_start`.
        self._ballooning = old
        try:
            self._MarkUp(instance, mem)
        finally:
            self._ballooning = None

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
        with self._doing("get node info"):
            used = sum(record.memory for record in self._storage.read_all().values())
            return less_used(self._size(), used)

    def Verify(self, hvparams: HvParams | None = None) -> str | None:
        """Say what is wrong with the hypervisor.

        Args:
            hvparams: ignored.

        Returns:
            None, or that the root directory is gone.

        Raises:
            HypervisorError: nobody can tell.
        """
        with self._doing("verify the hypervisor"):
            exists = self._storage.exists()
        return None if exists else f"The required directory '{self._storage.root}' does not exist"

    def PowercycleNode(self, hvparams: HvParams | None = None) -> None:
        """Reset this fake node at once: its instances are gone, and it is back.

        A malformed file is no instance's and stays. The machine that runs the test is never touched.

        Args:
            hvparams: ignored.

        Raises:
            HypervisorError: an instance's file can't be removed.
        """
        self.LinuxPowercycle()
        with self._doing("powercycle the node"):
            self._lose_everything()

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
        with self._doing(f"accept instance {instance.name}"):
            alive = self._IsAlive(instance.name)
            if not alive and self._is_strict:
                self._refuse_overcommit(self._InstanceStartupMemory(instance))
        if alive:
            raise HypervisorError("Can't accept instance, already running")
        self.shared.watcher.accepted(self.name, instance.name)

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
        name = instance.name
        with self.shared.traffic.lock, self._doing(f"migrate instance {name}"):
            if not self._IsAlive(name):
                raise RefusedError("not running")
            node = self._target(target)
            if node and (record := self._storage.read(self._InstanceFile(name))):
                node._refuse_overcommit(record.memory)  # noqa: SLF001  # it is of this class
            self.shared.traffic.begin(
                name,
                source=self._storage,
                source_name=self.name,
                target=node._storage if node else None,  # noqa: SLF001
                target_name=node.name if node else target,
                live=bool(live),
                is_accepted=node is None or self.shared.watcher.has_accepted(node.name, name),
                call=self.door.current_call,
            )

    def GetMigrationStatus(self, instance: InstanceLike) -> MigrationStatus:
        """Say, on the source, how far an instance's last migration is.

        Args:
            instance: which.

        Returns:
            How far, with the RAM sent if it is scripted; of an instance that never migrated from here,
            that it is completed, as Ganeti's fake says.
        """
        with self._doing(f"get the migration status of {instance.name}"):
            return self.shared.traffic.poll(self.name, instance.name)

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
        traffic, watcher, name = self.shared.traffic, self.shared.watcher, instance.name
        with traffic.lock, self._doing(f"finalize the migration of {name} on the source"):
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
        traffic, watcher, name = self.shared.traffic, self.shared.watcher, instance.name
        with traffic.lock, self._doing(f"finalize the migration of {name} on the target"):
            run = traffic.arriving(self.name, name)
            alive = self._IsAlive(name)
            if success and not alive:
                self._check_up()
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

    # For subclasses, under the names that they know

    def _InstanceFile(self, instance_name: str) -> str:
        """Return the place of an instance: its file's path; in memory, where there is none, its name."""
        return self._storage.path(instance_name)

    def _IsAlive(self, instance_name: str) -> bool:
        return self._storage.holds_instance(self._InstanceFile(instance_name))

    def _InstanceStartupMemory(self, instance: InstanceLike, hvparams: HvParams | None = None) -> int:
        own = type(self)._has_own_node_info  # noqa: SLF001  # it is this class's
        free = self.GetNodeInfo(hvparams or instance.hvparams)["memory_free"] if own else self._free_memory()
        return self._startup_memory(instance, free)

    def _MarkUp(self, instance: InstanceLike, memory: int) -> None:
        """Write an instance's file: a new one in a start, anew otherwise."""
        path = self._InstanceFile(instance.name)
        amount, vcpus = _amount("memory", memory), _beparam(instance, BE_VCPUS)
        if self._starting is not None:
            self._create(path, Record(amount, vcpus, paused=self._starting == "paused"))
            return
        with self._storage.exclusive():
            old = self._ballooning or self._storage.read(path)
            if old is None:
                self._create(path, Record(amount, vcpus))
            else:
                self._storage.replace(path, Record(amount, vcpus, old.paused))

    def _MarkDown(self, instance_name: str) -> None:
        try:
            self._storage.remove(self._InstanceFile(instance_name))
        except FileNotFoundError:
            self._storage.check_root()
            raise RefusedError("not running") from None

    # Inside

    _has_own_node_info: ClassVar[bool] = False
    _has_own_hooks: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Notice a class that decides itself how much memory is free, or what runs: it must be asked then."""
        super().__init_subclass__(**keywords)
        put_behind_door(cls)
        cls._has_own_node_info = inspect.unwrap(cls.GetNodeInfo) is not _NODE_INFO
        cls._has_own_hooks = cls._has_own_node_info or any(
            inspect.unwrap(getattr(cls, name)) is not getattr(FakeHypervisor, name)
            for name in ("_IsAlive", "_InstanceStartupMemory", "_MarkUp", "_MarkDown")
        )

    def _target(self, target: str) -> "FakeHypervisor | None":
        """Return the node that an address or a name means; None if this node knows no others."""
        given: object = target
        node, problem = None, None
        if given in (self.name, self.address):
            problem = "is this very node"
        elif not isinstance(given, str) or (self.cluster is not None and given not in self.cluster):
            problem = "is no node's name or address"
        elif self.cluster is not None:
            node = self.cluster[target]
            problem = node._why_nothing_runs  # noqa: SLF001  # it is of this class
        if problem:
            raise RefusedError(f"the target {shown(target)} {problem}")
        return node

    def _check_up(self) -> None:
        """Refuse to go on where the node went down since the call came."""
        if self._troubles and self.is_down:
            raise NodeDownError.of(self.name)

    def _start(self, instance: InstanceLike, *, paused: bool, memory: int | None = None) -> None:
        if memory is None and not self._has_own_hooks and not self._is_strict:
            record = _fixed_record(instance, paused=paused)
            if record is not None:  # nothing is to be counted or asked, and so nobody to be locked out
                with self._storage.lock:
                    self._check_up()
                    self._create(self._InstanceFile(instance.name), record)
                return
        with self._storage.exclusive():
            self._check_up()
            if self._IsAlive(instance.name):
                raise RefusedError("already running")
            if memory is None:
                memory = self._InstanceStartupMemory(instance)
            self._refuse_overcommit(memory)
            # Not an argument: subclasses know _MarkUp without it.
            self._starting = "paused" if paused else "running"
            try:
                self._MarkUp(instance, memory)
            finally:
                self._starting = None

    def _create(self, path: str, record: Record) -> None:
        try:
            self._storage.create(path, record)
            if record.paused:
                name = path.rpartition("/")[2]
                self.shared.chronicle.changed(self.name, name, "paused", self.door.current_call)
        except FileExistsError:
            taken = self._storage.holds_something_else(path)
            raise RefusedError("its file's name is taken" if taken else "already running") from None

    def _startup_memory(self, instance: InstanceLike, free: int) -> int:
        minimum, maximum = (_beparam(instance, key) for key in (BE_MINMEM, BE_MAXMEM))
        return startup_memory(minimum, maximum, free)

    def _refuse_stopped(self, name: str) -> None:
        if not self._IsAlive(name):
            raise RefusedError("not running")

    def _make_sure_it_is_down(self, name: str) -> None:
        with self._storage.exclusive():
            if self._IsAlive(name):
                self._MarkDown(name)

    @cached_property  # every start asks for it
    def _is_strict(self) -> bool:
        return self.spec is not None and not self.spec.overcommit

    def _refuse_overcommit(self, more: int) -> None:
        if self._is_strict and more > (free := self._free_memory()):
            raise RefusedError(
                f"{self.name} does not overcommit: {more} MiB more are needed, {free} MiB are free"
            )

    def _free_memory(self) -> int:
        return less_used(self._size(), self._storage.used_memory())["memory_free"]

    def _size(self) -> NodeInfo:
        return self.spec.info() if self.spec else type(self).GetLinuxNodeInfo()

    @property
    def _own_name(self) -> str:
        return self.name

    def _surplus(self) -> str | None:
        """Say by how much the running instances exceed a node that doesn't overcommit; None if not."""
        if not self._is_strict or not self._storage.is_made:
            return None
        info = self._size()
        try:
            used = self._storage.used_memory()
        except OSError:  # as in `_file_names`
            return None
        most = info["memory_total"] - info["memory_dom0"]
        return f"{self.name} has {most} MiB for instances, and they have {used} MiB" if used > most else None

    def _has_file(self, name: str) -> bool:
        """Tell whether an instance has a file now, whatever is due; takes no lock."""
        with suppress(OSError):
            return self._storage.holds_instance(self._storage.path(name))
        return False

    def _file_names(self) -> list[str] | None:
        """Return the names of what has a file, or None: nothing was ever needed here, or nobody can tell."""
        with suppress(OSError):  # the root is gone, and with it what can be said
            return self._storage.names() if self._storage.is_made else None
        return None

    def _check_script(self, spec: MigrationSpec) -> None:
        super()._check_script(spec)
        if spec.outcome == "failed_but_moved" and self.cluster is None:
            raise DeclarationError("outcome 'failed_but_moved' needs a cluster: there is no node to move to")

    def _info_of(self, name: str) -> InstanceInfo | None:
        try:
            record = self._storage.read(self._InstanceFile(name))
        except (RefusedError, OSError) as error:
            self._fail(f"get info of instance {name}", error)
        return _info(name, record) if record else None

    def _doing(self, what: str) -> "_Doing":
        return _Doing(self, what)

    def _fail(self, what: str, error: RefusedError | OSError) -> NoReturn:
        """Raise what went wrong as a `HypervisorError` that says what could not be done."""
        if isinstance(error, RefusedError):
            raise HypervisorError(f"Failed to {what}: {error}") from None
        path = error.filename
        # A temporary file's name would tell nobody anything; pyfakefs sometimes leaves out the folder.
        if not isinstance(path, str) or "\n" in path or not os.path.isabs(path):
            path = self._storage.root
        raise HypervisorError(f"Failed to {what}: {reason(error)}: {path!r}") from error


_WHAT_A_START_NEEDS = itemgetter(BE_MINMEM, BE_MAXMEM, BE_VCPUS)

_NODE_INFO = inspect.unwrap(FakeHypervisor.GetNodeInfo)

put_behind_door(FakeHypervisor)


class _Doing:
    """`_fail`, for a whole block; what is called most often does without, since it costs twice a lock."""

    def __init__(self, node: FakeHypervisor, what: str) -> None:
        self._node = node
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, RefusedError | OSError):
            self._node._fail(self._what, error)  # noqa: SLF001  # it is of this module


def _info(name: str, record: Record) -> InstanceInfo:
    return InstanceInfo.of(name, record.memory, record.vcpus, paused=record.paused)


def _infos(records: Mapping[str, Record]) -> dict[str, InstanceInfo]:
    return {name: _info(name, records[name]) for name in sorted(records, key=natural_order)}


def _amount(what: str, value: object) -> int:
    if not is_amount(value):
        raise RefusedError(f"{what} must be a positive integer, not {shown(value)}")
    return value


def _fixed_record(instance: InstanceLike, *, paused: bool) -> Record | None:
    """Return what a start makes of an instance whatever is free; None where it depends, or can't be done."""
    beparams = instance.beparams
    if type(beparams) is not dict:  # another mapping may make up what it lacks
        return None
    try:
        minimum, maximum, vcpus = _WHAT_A_START_NEEDS(beparams)
    except KeyError:
        return None
    if not type(minimum) is type(maximum) is type(vcpus) is int:
        return None
    # As `is_amount` has it, in one go.
    is_fixed = 0 < maximum <= minimum <= LARGEST_AMOUNT and 0 < vcpus <= LARGEST_AMOUNT
    return Record(minimum, vcpus, bool(paused)) if is_fixed else None


def _beparam(instance: InstanceLike, key: str) -> int:
    beparams: Mapping[str, Any] | None = instance.beparams  # Ganeti's own class says None for what isn't set
    if beparams is None or key not in beparams:
        raise RefusedError(
            f"beparams lack {key!r}; they have: {', '.join(sorted(map(str, beparams or ()))) or 'nothing'}"
        )
    return _amount(f"beparams[{key!r}]", beparams[key])
