"""One fake node below its interface: what runs there, what befell it, and how much memory is free."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, NoReturn

from pytest_fakehv.calls.door import Trouble, Troubles, check_not_lost
from pytest_fakehv.calls.journal import Call
from pytest_fakehv.cluster.beparams import amount_of, fixed_record, pause_of, wanted_of
from pytest_fakehv.cluster.node import NodeSpec, startup_memory
from pytest_fakehv.cluster.shared import Shared
from pytest_fakehv.interface.errors import HypervisorError, NodeDownError, RefusedError
from pytest_fakehv.interface.objects import InstanceInfo, InstanceLike, NodeInfo, less_used
from pytest_fakehv.storage.filesystem import reason
from pytest_fakehv.storage.store import Record, Store, still_holds
from pytest_fakehv.story.chronicle import Deed
from pytest_fakehv.story.section import NodeView
from pytest_fakehv.text import natural_order

__tracebackhide__ = True  # a failed call is shown at the line that made it

NO_ROOM: Final = "does not overcommit"
"""What the error of something that doesn't fit says of its node."""

NOT_RUNNING: Final = "not running"
"""What the error of something that is to be there says of an instance."""

RUNNING: Final = "already running"
"""What the error of something that is not to be there yet says of it."""


class InnerNode:
    """What a node is, whatever its interface's class makes of it.

    Whatever changes here does so under the cluster's lock, and where it depends on what other processes may
    change, the store's as well.

    Args:
        spec: its size; None for that of the machine that runs the test.
        shared: what it has in common with the other nodes of its cluster.
        store: where it keeps what runs.
        path_of: returns the place of an instance in the store, by its name.
        read_size: returns the size of the machine that runs the test.

    Attributes:
        is_losing_everything: whether what is gone now goes with the whole node.
    """

    def __init__(
        self,
        *,
        spec: NodeSpec | None,
        shared: Shared,
        store: Store,
        path_of: Callable[[str], str],
        read_size: Callable[[], NodeInfo],
    ) -> None:
        self.spec = spec
        self.name = spec.name if spec else "localhost"
        self.address = (spec and spec.address) or self.name
        self.is_strict = spec is not None and not spec.overcommit
        self.max_migrations = spec.max_migrations if spec else None
        self.shared = shared
        self.store = store
        self.path_of = path_of
        self._read_size = read_size
        self.troubles = Troubles()
        self.is_losing_everything = False
        self.acts_by: Call | None = None
        """By which call, that is over, it is to do what it does by itself; None for none."""
        store.on_change = self._watch

    def _watch(self, instance: str, runs: bool) -> None:
        shared = self.shared
        call = shared.door.current_call or self.acts_by
        shared.chronicle.changed(self.name, instance, "running" if runs else "gone", call)
        doer = None if shared.traffic.is_acting else call
        if runs:
            if shared.hanging:
                self._hang_as_before(instance, call)
            shared.watcher.appeared(self.name, instance, doer)
            return
        shared.traffic.moved.pop((self.name, instance), None)
        if self.is_losing_everything:
            shared.watcher.taken_along(self.name, instance)
        else:
            shared.watcher.disappeared(self.name, instance, doer)

    def _hang_as_before(self, instance: str, call: Call | None) -> None:
        """Let what arrives here hang as it did on its migration's source, and nothing else that begins."""
        hanging, traffic = self.shared.hanging, self.shared.traffic
        is_finalized = call is not None and call.method == "FinalizeMigrationDst"
        run = traffic.arriving(self.name, instance) if is_finalized or traffic.is_acting else None
        if run and (place := hanging.get((run.source_name, instance))):
            hanging[self.name, instance] = place
        else:
            hanging.pop((self.name, instance), None)

    # What befalls it

    @property
    def is_down(self) -> bool:
        """Whether it crashed and has not booted since, or left its cluster."""
        return not self.troubles.isdisjoint({"down", "gone"})

    @property
    def is_cut_off(self) -> bool:
        """Whether it was disconnected and not reconnected since."""
        return "cut off" in self.troubles

    @property
    def unreachable(self) -> str | None:
        """Why no call reaches it, to stand behind its name; None if calls do."""
        if not self.troubles:  # as a rule; each call asks
            return None
        return self.why_nothing_runs or "is cut off"

    @property
    def why_nothing_runs(self) -> str | None:
        """Why nothing can run there, to stand behind its name; None if something can."""
        if "gone" in self.troubles:
            return "is no longer in the cluster"
        return "is down" if "down" in self.troubles else None

    def check_up(self) -> None:
        """Refuse to go on where it went down, or was cut off, since the call came; asked under the lock."""
        if not self.troubles.losses:  # as a rule
            return
        if call := self.shared.door.within.of(self.name):
            check_not_lost(self.troubles, call)
        elif self.is_down:
            raise NodeDownError.of(self.name)

    def crash(self) -> None:
        """Let it go down, with what runs on it."""
        self.shared.look()
        with self.shared.lock:
            self.lose_everything()
            self.begin("down", "crash")

    def holds(self, instance: str) -> bool:
        """Tell whether an instance runs or is paused here, whatever its file says of it and whatever is due.

        Raises:
            OSError: nobody can tell.
        """
        return self.store.holds_instance(self.store.path(instance))

    def leave(self) -> None:
        """Let it be no longer of its cluster, for good."""
        with self.shared.lock:
            self.troubles.add("gone")
            self.troubles.lose_calls()
            self.shared.watcher.went_down(self.name)
            self.shared.traffic.node_went_down(self.name)
            self.shared.chronicle.did("remove_node", node=self.name)

    def begin(self, trouble: Trouble, by: Deed) -> None:
        """Let it be in trouble, and note whose doing that is, where it was not before."""
        with self.shared.lock:
            if trouble not in self.troubles:
                self.troubles.add(trouble)
                self.troubles.lose_calls()
                self.shared.chronicle.did(by, node=self.name)

    def end(self, trouble: Trouble, by: Deed) -> bool:
        """Let a trouble be over, and note whose doing that is; tell whether there was one."""
        with self.shared.lock:
            if trouble not in self.troubles:
                return False
            self.troubles.discard(trouble)
            self.shared.chronicle.did(by, node=self.name)
            return True

    def lose_everything(self) -> None:
        """Let nothing run on it any more; in between, nothing begins to migrate here, nor starts.

        Where that fails half-way, what is gone is gone, what is left runs, and the node did not go down.
        """
        with self.shared.lock:
            try:
                self.is_losing_everything = True
                self.store.remove_all()
            finally:
                self.is_losing_everything = False
            self.troubles.lose_calls(but=self.shared.door.within.of(self.name))  # a power cycle itself
            self.shared.watcher.went_down(self.name)
            self.shared.traffic.node_went_down(self.name)

    # What runs there

    @property
    def instances(self) -> dict[str, InstanceInfo]:
        """The running and the paused instances' figures, by name; web2 comes before web10."""
        with self.doing("list the instances"):
            self.shared.look()
            return _infos(self.store.read_all())

    @property
    def instance_names(self) -> list[str]:
        """The running and the paused instances' names; web2 comes before web10."""
        with self.doing("list the instances"):
            self.shared.look()
            return sorted(self.store.names(), key=natural_order)

    def instance_info(self, name: str) -> InstanceInfo | None:
        """Return one instance's figures, or None if it neither runs nor is paused."""
        self.shared.look()
        return self.info_of(name)

    def info_of(self, name: str) -> InstanceInfo | None:
        """Return the same, as a call of the interface does, for which what is due has come about already."""
        try:
            record = self.store.read(self.path_of(name))
        except (RefusedError, OSError) as error:
            self.fail(f"get info of instance {name}", error)
        return info(name, record) if record else None

    def runs(self, name: str) -> bool:
        """Tell whether an instance runs or is paused here, whatever its file says of it."""
        with self.doing(f"look for instance {name}"):
            self.shared.look()
            return self.holds(name)

    def has_file(self, name: str) -> bool:
        """Tell whether an instance has a file now, whatever is due; where nobody can tell, it still has."""
        return still_holds(self.store, name)

    def file_names(self) -> list[str] | None:
        """Return the names of what has a file, or None: nothing was ever needed here, or nobody can tell."""
        with suppress(OSError):  # the root is gone, and with it what can be said
            return self.store.names() if self.store.is_made else None
        return None

    @property
    def last_seen(self) -> NodeView:
        """The node as the calls so far last saw it, without touching a file: for reports."""
        return NodeView(
            name=self.name,
            info=self.spec.info() if self.spec else None,
            overcommit=not self.is_strict,
            max_migrations=self.max_migrations,
            unreachable=self.unreachable,
            instances=_infos(self.store.last_seen),
            malformed=sorted(self.store.last_malformed, key=natural_order),
        )

    # What starts, changes and stops there

    def start(self, instance: InstanceLike, *, paused: bool, memory: int | None = None) -> None:
        """Start an instance.

        Args:
            instance: which.
            paused: whether it starts paused.
            memory: what it gets, in MiB; None for what its beparams say.

        Raises:
            RefusedError: it runs, lacks a beparam, or does not fit.
            OSError: it can't be written.
        """
        path = self.store.path(instance.name)  # a class that names files itself makes them itself
        fixed = None if memory is not None or self.is_strict else fixed_record(instance, paused=paused)
        try:
            if fixed is not None:  # nothing is to be counted, and so no other process to be locked out
                with self.shared.lock:
                    self.check_up()
                    self.store.create(path, fixed)
                    if paused:
                        self._note_paused(path)
                return
            wanted = wanted_of(instance, memory)
            # What is given whatever is free needs no count, which costs each later start.
            size = self.size() if memory is None or self.is_strict else None

            def decide() -> Record:
                if isinstance(wanted, RefusedError):
                    raise wanted
                minimum, maximum, vcpus = wanted
                given = minimum
                if size is not None:
                    free = self._free(size)
                    given = startup_memory(minimum, maximum, free)
                    self._refuse_more_than(free, given)
                return Record(given, vcpus, pause_of(paused))

            with self.shared.lock:
                self.check_up()
                self.store.create_from(path, decide)
                if paused:
                    self._note_paused(path)
        except FileExistsError:
            raise self._taken(path) from None

    def create(self, path: str, record: Record) -> None:
        """Start an instance where none is; on a node that does not overcommit, only if it fits."""
        with self.shared.lock:
            self.check_up()
            try:
                if self.is_strict:
                    size = self.size()

                    def decide() -> Record:
                        self._refuse_more_than(self._free(size), record.memory)
                        return record

                    self.store.create_from(path, decide)
                else:
                    self.store.create(path, record)
            except FileExistsError:
                raise self._taken(path) from None
            if record.is_paused:
                self._note_paused(path)

    def _note_paused(self, path: str) -> None:
        name, call = path.rpartition("/")[2], self.shared.door.current_call
        self.shared.chronicle.changed(self.name, name, "paused", call)

    def _taken(self, path: str) -> RefusedError:
        taken = self.store.holds_something_else(path)
        return RefusedError("its file's name is taken" if taken else RUNNING)

    def change(self, instance: InstanceLike, memory: int, *, fits: bool) -> None:
        """Change a running instance's memory.

        Args:
            instance: which; its beparams say how many ``vcpus`` it has.
            memory: its new memory, in MiB.
            fits: whether to refuse what does not fit on a node that does not overcommit.

        Raises:
            RefusedError: it doesn't run, an argument is wrong, or it does not fit.
            OSError: its file can't be read or written.
        """
        path, size = self.path_of(instance.name), self.size() if self.is_strict else None
        wanted = wanted_of(instance, memory)

        def decide(old: Record) -> Record:
            self.check_up()
            amount = amount_of("memory", memory)
            if fits and size:
                self._refuse_more_than(self._free(size), amount - old.memory)
            if isinstance(wanted, RefusedError):
                raise wanted
            return Record(amount, wanted[2], old.pause)

        with self.shared.lock:
            rewrite(self.store, path, decide)
            self.shared.chronicle.ballooned(self.name, instance.name)

    def remove(self, path: str) -> None:
        """Take an instance away, in a call.

        Raises:
            RefusedError: it is not there.
            NodeDownError: the node went down, or was cut off, since the call came.
            OSError: it can't be removed.
        """
        with self.shared.lock:
            self.check_up()
            lose(self.store, path)

    def has_stopped(self, instance: str) -> None:
        """Note that an instance was stopped here, by whatever way."""
        with self.shared.lock:
            self.shared.watcher.stopped(self.name, instance)
            if run := self.shared.traffic.leaving(self.name, instance):
                self.shared.traffic.instance_stopped(run)

    # Its memory

    def size(self) -> NodeInfo:
        """Return its figures with nothing running on it; a class of the user's own may be asked."""
        return self.spec.info() if self.spec else self._read_size()

    def free_memory(self) -> int:
        """Return what is free, in MiB."""
        return self._free(self.size())

    def _free(self, size: NodeInfo) -> int:
        return less_used(size, self.store.used_memory())["memory_free"]

    def refuse_overcommit(self, more: int) -> None:
        """Refuse so much more memory, in MiB, where it does not fit on a node that does not overcommit."""
        if self.is_strict:
            self._refuse_more_than(self.free_memory(), more)

    def _refuse_more_than(self, free: int, more: int) -> None:
        if self.is_strict and more > free:
            raise RefusedError(f"{self.name} {NO_ROOM}: {more} MiB are needed, {free} MiB are free")

    def surplus(self) -> str | None:
        """Say by how much the running instances exceed a node that doesn't overcommit; None if not.

        What a script has moved there does not count: whoever gave the memory away was allowed to.
        """
        if not self.is_strict or not self.store.is_made:
            return None
        size = self.size()
        try:
            used = self.store.used_memory()
        except OSError:  # as in `file_names`
            return None
        most = size["memory_total"] - size["memory_dom0"]
        moved = sum(memory for (node, _), memory in self.shared.traffic.moved.items() if node == self.name)
        if used - moved <= most:
            return None
        return f"{self.name} has {most} MiB for instances, and they have {used} MiB"

    # Errors

    def doing(self, what: str) -> "_Doing":
        """Let `fail` say of what goes wrong in a ``with`` block what could not be done."""
        return _Doing(self, what)

    def fail(self, what: str, error: RefusedError | OSError) -> NoReturn:
        """Raise what went wrong as a `HypervisorError` that says what could not be done."""
        if isinstance(error, RefusedError):
            raise HypervisorError(f"Failed to {what}: {error}") from None
        path = error.filename
        # A temporary file's name would tell nobody anything; pyfakefs sometimes leaves out the folder.
        if not isinstance(path, str) or "\n" in path or not path.startswith("/"):
            path = self.store.root
        raise HypervisorError(f"Failed to {what}: {reason(error)}: {path!r}") from error


class _Doing:
    """What `fail` does, for a whole block; what is called most often does without: it costs twice a lock."""

    def __init__(self, node: InnerNode, what: str) -> None:
        self._node = node
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, RefusedError | OSError):
            self._node.fail(self._what, error)


def info(name: str, record: Record) -> InstanceInfo:
    """Return an instance's figures."""
    return InstanceInfo.of(name, record.memory, record.vcpus, paused=record.is_paused)


def _infos(records: Mapping[str, Record]) -> dict[str, InstanceInfo]:
    return {name: info(name, records[name]) for name in sorted(records, key=natural_order)}


# What is kept of an instance, whatever has befallen the node


def rewrite(store: Store, path: str, decide: Callable[[Record], Record]) -> None:
    """Change what a store has of an instance.

    Raises:
        RefusedError: it is not there, or no more; or it is malformed.
        OSError: it can't be read or written.
    """
    try:
        store.change(path, decide)
    except FileNotFoundError:
        store.check_root()
        raise RefusedError(NOT_RUNNING) from None


def lose(store: Store, path: str) -> None:
    """Take an instance away from a store.

    Raises:
        RefusedError: it is not there.
        OSError: it can't be removed.
    """
    try:
        store.remove(path)
    except FileNotFoundError:
        store.check_root()
        raise RefusedError(NOT_RUNNING) from None
