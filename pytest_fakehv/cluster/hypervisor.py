"""The hypervisor interface on one fake node."""

import inspect
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pytest_fakehv.calls.door import put_behind_door
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.hooks import HOOKS
from pytest_fakehv.cluster.inner import InnerNode, info
from pytest_fakehv.cluster.migrating import Cluster, Migrating
from pytest_fakehv.cluster.node import NodeSpec
from pytest_fakehv.cluster.scope import Scope
from pytest_fakehv.cluster.shared import Shared
from pytest_fakehv.interface.constants import HV_MIGRATION_MODE, MIGRATION_STEPS
from pytest_fakehv.interface.contract import HvParams, check_instance
from pytest_fakehv.interface.errors import HypervisorError, RefusedError, check_error_class
from pytest_fakehv.interface.objects import (
    InstanceConsole,
    InstanceInfo,
    InstanceLike,
    NodeInfo,
    less_used,
)
from pytest_fakehv.interface.parameters import MIGRATION_MODE_CHECK, Parameters
from pytest_fakehv.storage.files import Storage
from pytest_fakehv.storage.memory import IN_MEMORY, InMemory, Memory
from pytest_fakehv.storage.root import Root
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a failed call is shown at the line that made it


class FakeHypervisor(Migrating):
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
        PARAMETERS: the hvparams that it takes, by name: ``migration_mode``, unless a subclass has more.
        CAN_MIGRATE: whether instances can be migrated: they can.
        error_class: what every `HypervisorError` of its calls is an instance of, too: the class that the code
            under test catches, where a subclass declares one. A text alone must do to make one.

    Raises:
        DeclarationError: the root can't be made, or ``spec`` is something else.
    """

    PARAMETERS: ClassVar[Parameters] = {HV_MIGRATION_MODE: MIGRATION_MODE_CHECK}
    CAN_MIGRATE: ClassVar[bool] = True

    if TYPE_CHECKING:  # a protocol of a user's own has such things as attributes, which no property satisfies
        name: str
        address: str
        root: str

    def __init__(
        self,
        root: str | os.PathLike[str] | Root | InMemory,
        *,
        spec: NodeSpec | None = None,
        cluster: Cluster | None = None,
        seed: int | None = None,
    ) -> None:
        if not isinstance(spec, NodeSpec | None):
            raise DeclarationError(f"spec must be a NodeSpec, not {shown(spec)}")
        super().__init__()
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
            path_of=lambda name: self._InstanceFile(name),  # which a test may patch  # noqa: PLW0108
            read_size=type(self).GetLinuxNodeInfo,
        )
        if cluster is None:
            self._shared.watcher.is_there = lambda _node, instance: self._inner.has_file(instance)
        self._door.own_steps.update((self._inner.name, step) for step in self._own_steps)
        self._troubles = self._inner.troubles
        is_ours = not (self._has_own_hooks or (self._has_own_size and spec is None))
        self._together = lock if is_ours else nullcontext()
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
        paused = bool(startup_paused)  # any value will do; what it raises, it raises before anything happens
        try:
            self._start(instance, paused=paused)
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

        Without ``force``, one whose guest hangs runs on, and nobody is told: Ganeti's hypervisors signal to
        the guest, too, and don't wait for it. Who has to know looks, tries again, and forces it.

        Args:
            instance: which; None will do if ``name`` is given.
            force: whether also a guest that hangs is stopped; None goes with no timeout, as in no hypervisor.
            retry: ignored.
            name: which, by name alone.
            timeout: in seconds; ignored, as no time passes here: callers wait, and try again.

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
        hanging = self._shared.hanging
        try:
            if hanging and not force and (self._inner.name, name) in hanging and self._IsAlive(name):
                return
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
        check_instance("GetInstanceConsole", instance)
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
        Behind libvirt's front, its clients lose it, and what is marked to start with its host runs then.

        Args:
            hvparams: ignored.

        Raises:
            HypervisorError: an instance's file can't be removed.
        """
        self.LinuxPowercycle()
        with self._inner.doing("powercycle the node"):
            self._inner.lose_everything()
        for each in self._shared.fronts:
            each.reset(self._inner.name)

    # Inside

    @property
    def _beside(self) -> tuple[str, type | None]:
        cluster = vars(self).get("cluster")  # a class of the user's own may not be done with its making
        return "its cluster has it: fakehv.cluster", type(cluster)

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Notice a class that decides itself how much memory is free, or what runs: it must be asked then.

        Raises:
            DeclarationError: its ``error_class`` can't be one.
        """
        super().__init_subclass__(**keywords)
        check_error_class(cls.error_class, cls.__name__)
        put_behind_door(cls)

        def has_own(name: str) -> bool:
            return inspect.unwrap(getattr(cls, name)) is not inspect.unwrap(getattr(FakeHypervisor, name))

        cls._has_own_node_info = has_own("GetNodeInfo")
        cls._has_own_hooks = cls._has_own_node_info or any(map(has_own, HOOKS))
        cls._has_own_size = has_own("GetLinuxNodeInfo")
        cls._own_steps = tuple(filter(has_own, MIGRATION_STEPS))


for _name, _function in vars(Migrating).items():
    if inspect.isfunction(_function):  # a wrong call is told of the class that users know
        _function.__qualname__ = f"{FakeHypervisor.__name__}.{_name}"

put_behind_door(FakeHypervisor)
