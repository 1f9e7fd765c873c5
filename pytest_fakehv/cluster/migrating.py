"""The hypervisor interface on one fake node: its part in migrations."""

from typing import TYPE_CHECKING, Protocol

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.hooks import Hooks
from pytest_fakehv.cluster.inner import NOT_RUNNING, InnerNode
from pytest_fakehv.cluster.nodestage import NodeStage
from pytest_fakehv.cluster.shared import Shared
from pytest_fakehv.interface.errors import HypervisorError, RefusedError
from pytest_fakehv.interface.objects import InstanceLike, MigrationStatus
from pytest_fakehv.migration.script import MigrationSpec
from pytest_fakehv.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

__tracebackhide__ = True  # a failed call is shown at the line that made it


class Cluster(Protocol):
    """What a node needs of its cluster."""

    _shared: Shared

    def __contains__(self, node: object) -> bool:
        """Tell whether a node, or the node of a name or an address, is in it."""

    def __getitem__(self, name: str) -> "Migrating":
        """Return a node by its name or its address."""

    def __iter__(self) -> "Iterator[Migrating]":
        """Go through the nodes."""


class Migrating(NodeStage, Hooks):
    """A node that instances migrate from and to.

    Attributes:
        cluster: the cluster that it is a node of; None for a node on its own.
    """

    cluster: Cluster | None

    def AcceptInstance(self, instance: InstanceLike, info: str, target: str) -> None:
        """Get ready, on the target, for an instance that will migrate here.

        No memory is set aside for it: other instances that were accepted and aren't here yet don't count.

        Args:
            instance: which.
            info: what `MigrationInfo` returned on the source.
            target: this node's address or name.

        Raises:
            HypervisorError: it runs here, doesn't fit on a node that doesn't overcommit, or the node takes no
                more migrations at once.
        """
        name, shared, inner = instance.name, self._shared, self._inner
        with inner.doing(f"accept instance {name}"):
            if self._IsAlive(name):
                raise HypervisorError("Can't accept instance, already running")
            if inner.is_strict:
                inner.refuse_overcommit(self._InstanceStartupMemory(instance))
            with shared.lock:
                inner.check_up()
                crowded = shared.crowd.enters(name, inner)
                shared.watcher.accepted(self.name, name)
                shared.crowd.entered(name, crowded)

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
                the cluster, or down, or doesn't overcommit and has no room, or one of both nodes takes no
                more migrations at once.
            DeclarationError: the test scripted what a non-live migration can't do.
            TypeError: the target is no text.
        """
        given: object = target
        if not isinstance(given, str):
            raise TypeError(f"MigrateInstance takes the target's address or name, not {shown(given)}")
        name, shared, inner = instance.name, self._shared, self._inner
        live = bool(
            live
        )  # any value will do, and is asked once, before anything happens and outside of the lock
        shared.clock._need()
        with inner.doing(f"migrate instance {name}"):
            if not self._IsAlive(name):
                raise RefusedError(NOT_RUNNING)
            place = self._InstanceFile(name)
            with shared.lock:
                inner.check_up()
                node = self._target(target)  # until the migration has begun, it doesn't go down
                if node and node.is_strict and (record := inner.store.read(place)):
                    node.refuse_overcommit(record.memory)
                crowded = shared.crowd.enters(name, inner, node)
                shared.traffic.begin(
                    name,
                    source=inner.store,
                    source_name=self.name,
                    target=node.store if node else None,
                    target_name=node.name if node else target,
                    live=live,
                    is_accepted=node is None or shared.watcher.has_accepted(node.name, name),
                    call=shared.door.current_call,
                )
                shared.crowd.entered(name, crowded)

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
        success = bool(success)  # as in `MigrateInstance`, and the account takes it as the effect does
        with self._together, self._inner.doing(f"finalize the migration of {name} on the source"):
            run = traffic.leaving(self.name, name)
            if run:
                run.remember()
            if success:
                alive = bool(self._IsAlive(name))
                wrong = watcher.ends.success(self.name, name, run, is_target=False, runs=alive)
                if alive:
                    self._MarkDown(name)
            else:
                wrong = watcher.ends.abort(self.name, run)
            with self._shared.lock:
                self._inner.check_up()
                if not success:
                    traffic.resume(self.name, self._inner.store, name)
                if run:
                    traffic.finalize_source(run, success=success)
                watcher.finalized(self.name, name, run, wrong, is_target=False)

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
        success = bool(success)  # as above
        with self._together, self._inner.doing(f"finalize the migration of {name} on the target"):
            run = traffic.arriving(self.name, name)
            alive = bool(self._IsAlive(name))
            if success and alive:
                watcher.met(self.name, name)
            elif success:
                self._inner.check_up()
                if run and (run.is_lost or self.name in run.lost_nodes):
                    raise RefusedError("its memory has not arrived")
            wrong = None
            if success and self.cluster is not None:  # else nothing is known of the source
                wrong = watcher.ends.success(self.name, name, run, is_target=True, runs=alive)
            if not success:
                wrong = watcher.ends.abort(self.name, run)
                if alive:
                    self._MarkDown(name)
            elif not alive:
                if run and run.finalized_on_target is None:
                    run.remember()
                    self._start(instance, paused=run.record.is_paused, memory=run.record.memory)
                else:
                    self._start(instance, paused=False)
            with self._shared.lock:
                self._inner.check_up()
                if run:
                    traffic.finalize_target(run, success=success)
                watcher.finalized(self.name, name, run, wrong, is_target=True)

    # Inside

    def _check_script(self, spec: MigrationSpec) -> None:
        super()._check_script(spec)
        if spec.outcome == "failed_but_moved" and self.cluster is None:
            raise DeclarationError("outcome 'failed_but_moved' needs a cluster: there is no node to move to")

    def _peer(self, name: str) -> "Migrating | None":
        """Return another node of the same cluster; None if there is none of that name."""
        return self.cluster[name] if self.cluster is not None and name in self.cluster else None

    def _target(self, target: str) -> InnerNode | None:
        """Return the node that an address or a name means; None if this node knows no others."""
        node, problem = None, None
        if target in (self.name, self.address):
            problem = "is this very node"
        elif self.cluster is not None and target not in self.cluster:
            problem = "is no node's name or address"
        elif self.cluster is not None:
            node = self.cluster[target]._inner
            problem = node.why_nothing_runs
        if problem:
            raise RefusedError(f"the target {shown(target)} {problem}")
        return node
