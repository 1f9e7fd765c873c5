"""What a host asks of its node of the cluster: libvirt's words go in, the interface's calls come out."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final

from pytest_fakehv.calls.halts import Halt
from pytest_fakehv.calls.journal import Call
from pytest_fakehv.cluster.befalling import rename_on, set_paused_on
from pytest_fakehv.cluster.hypervisor import FakeHypervisor
from pytest_fakehv.cluster.inner import NO_ROOM, NOT_RUNNING, RUNNING
from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.interface.errors import HypervisorError, RefusedError
from pytest_fakehv.interface.objects import Instance, InstanceSpec, NodeInfo
from pytest_fakehv.storage.store import Record

__tracebackhide__ = True  # a failed call is shown at the line that made it

_MIB: Final = 1024
"""KiB, in which libvirt counts."""

_NO_ROOM: Final = (
    "process exited while connecting to monitor: 1970-01-01T00:00:00.000000Z qemu-system-x86_64: "
    "cannot set up guest memory 'pc.ram': Cannot allocate memory"
)
"""What QEMU says where its guest doesn't fit."""


class Machine:
    """The node of the cluster that a host stands for.

    What changes there goes by the calls of the interface, so that a subclass's overrides have their say.

    Args:
        node: which.

    Attributes:
        name: its name.
        lock: the cluster's.
    """

    def __init__(self, node: FakeHypervisor) -> None:
        self._node = node
        self._inner = node._inner
        self._shared = node._shared
        self.name = node.name
        self.lock = node._shared.lock

    @property
    def size(self) -> NodeInfo:
        """Its figures with nothing running on it: memory in MiB, CPUs as counts."""
        return self._inner.size()

    @property
    def free_memory(self) -> int:
        """What is free of its memory, in KiB."""
        with self._inner.doing("get node info"):
            return self._inner.free_memory() * _MIB

    @property
    def version(self) -> str | None:
        """The hypervisor's version, as the node was declared with it."""
        return self._inner.spec.version if self._inner.spec else None

    @property
    def now(self) -> float:
        """The time, in seconds of the cluster's clock."""
        return self._shared.clock.now

    @property
    def seed(self) -> int:
        """What decides of everything random in the cluster."""
        return self._shared.faults.seed

    @property
    def is_cut_off(self) -> bool:
        """Whether it gets no word in or out."""
        return self._inner.is_cut_off

    @property
    def is_down(self) -> bool:
        """Whether it is off, or no longer in the cluster."""
        return self._inner.is_down

    @property
    def is_losing_everything(self) -> bool:
        """Whether what is gone now goes with the whole node."""
        return self._inner.is_losing_everything

    @property
    def may_block(self) -> bool:
        """Whether any call may be stopped, slowed down, or run code of the test's now."""
        door = self._shared.door
        return bool(door.holds or door.faults or self._shared.clock._events.are_coming)

    @property
    def current_call(self) -> Call | None:
        """The call that the asking thread is in, if any."""
        return self._shared.door.current_call

    @property
    def has_own_code(self) -> bool:
        """Whether code that isn't ours runs instances here."""
        return type(self._node) is not FakeHypervisor

    def poll(self) -> None:
        """Note that somebody asks how far something is; not under the lock, as an event may come due."""
        self._shared.clock._poll()

    def watch(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Tell somebody, under the lock, whenever the time has moved; return what ends that."""
        listeners = self._shared.traffic.listeners
        listeners.append(listener)
        return partial(listeners.remove, listener)

    def halted(self, error: BaseException) -> None:
        """Note what ends the test, though a client's library may not raise it."""
        if not isinstance(error, Halt):  # who raises that has noted it
            self._shared.clock._halted(error)

    def pass_door(self, api: Any, arguments: tuple[Any, ...], effect: Callable[..., Any]) -> Any:
        """Let a call pass the door that all calls of the cluster pass.

        Args:
            api: what is called: its name, and which instance it is about.
            arguments: what the journal shows of the call.
            effect: what is done; takes the node and these arguments.

        Returns:
            What the effect returns, or what a fault answers in its place.

        Raises:
            HypervisorError: the node does not answer, or a fault says so.
            BaseException: what the effect, or a fault, raises.
        """
        return self._node._door.call(self._node, api, effect, arguments, {})

    # What runs there

    def running(self) -> set[str]:
        """Return the names of what runs or is paused there."""
        with self._inner.doing("list the instances"):
            return set(self._inner.store.names())

    def record(self, name: str) -> Record | None:
        """Return what is kept of what runs or is paused there; None where nothing is, or can't be read."""
        try:
            return self._inner.store.read(self._inner.store.path(name))
        except (RefusedError, OSError):
            return None

    def start(self, name: str, memory: int, vcpus: int, *, paused: bool) -> None:
        """Start an instance.

        Args:
            name: which.
            memory: what it gets, in KiB; the cluster counts in MiB, and so more of them where it is no
                whole number.
            vcpus: its virtual CPUs, a count.
            paused: whether it starts paused.

        Raises:
            LibvirtError: it doesn't fit, or runs already.
            HypervisorError: it can't be started.
        """
        instance = self._instance(name, memory, vcpus)
        with in_libvirts_words(begins=True):
            self._node.StartInstance(instance, [], paused)

    def boots(self, name: str, memory: int, vcpus: int, *, paused: bool, by: Call | None) -> None:
        """Let the node itself start an instance, as it comes up.

        Args:
            name: as for `start`.
            memory: as for `start`.
            vcpus: as for `start`.
            paused: as for `start`.
            by: the call that said so; None for none.

        Raises:
            HypervisorError: it can't be started.
        """
        instance = self._instance(name, memory, vcpus)
        self._inner.acts_by = by
        try:
            with self._inner.doing(f"start instance {name}"):
                self._inner.start(instance, paused=paused)
        finally:
            self._inner.acts_by = None

    def stop(self, name: str, *, force: bool) -> None:
        """Stop an instance; without force, its guest may take no notice.

        Raises:
            LibvirtError: it doesn't run.
            HypervisorError: it can't be stopped.
        """
        with in_libvirts_words():
            self._node.StopInstance(self._known(name), force=force)

    def reboot(self, name: str) -> None:
        """Reboot an instance.

        Raises:
            HypervisorError: it can't be rebooted.
        """
        self._node.RebootInstance(self._known(name))

    def hangs(self, name: str) -> bool:
        """Tell whether an instance's guest takes no notice of anything."""
        return (self.name, name) in self._shared.hanging

    def starts_anew(self, name: str) -> None:
        """Note that an instance's guest begins again, and hangs no more; called under the lock."""
        self._shared.hanging.pop((self.name, name), None)

    def change(self, name: str, memory: int, vcpus: int) -> None:
        """Give a running instance other memory, in KiB, or another number of virtual CPUs.

        Raises:
            LibvirtError: it doesn't run.
            HypervisorError: it can't be changed.
        """
        with in_libvirts_words():
            self._node.BalloonInstanceMemory(self._instance(name, memory, vcpus), mebibytes(memory))

    def set_paused(self, name: str, *, paused: bool) -> None:
        """Pause an instance, or let it run again.

        Raises:
            LibvirtError: it doesn't run.
            HypervisorError: its file can't be read or written.
        """
        with in_libvirts_words(), self._inner.doing(f"{'pause' if paused else 'resume'} instance {name}"):
            set_paused_on(self._inner, name, paused=paused)

    def rename(self, instance: str, name: str, *, uuid: bytes) -> None:
        """Let an instance that has just come here be called something else.

        Args:
            instance: which.
            name: what it is called then.
            uuid: its domain's.

        Raises:
            LibvirtError: it doesn't run, or another one has that name.
            HypervisorError: it can't be.
        """
        with in_libvirts_words(), self._inner.doing(f"rename instance {instance} to {name}"), self.lock:
            rename_on(self._inner, instance, name, uuid=uuid)

    # Which domain is which, by its UUID's 16 bytes: called under the lock

    def called(self, name: str, uuid: bytes) -> None:
        """Note that a domain was defined or started by a name, which may have been another one's."""
        self._shared.watcher.kin.called(name, uuid)

    def runs(self, name: str, uuid: bytes) -> None:
        """Note which domain an instance is that begins to run here."""
        self._shared.watcher.kin.runs(self.name, name, uuid)

    # What is declared there

    @property
    def placed(self) -> int:
        """How often the test has declared an instance on a node of the cluster."""
        return self._shared.placed

    def declared(self) -> Iterable[InstanceSpec]:
        """Return the instances that the test has declared there."""
        return [each for each in self._shared.declared.values() if each.node == self.name]

    def spec(self, name: str) -> InstanceSpec | None:
        """Return how an instance was declared, wherever that was; None if it never was."""
        return self._shared.declared.get(name)

    def declare(self, name: str, memory: int, vcpus: int, *, uuid: bytes) -> None:
        """Note that an instance is declared there; called under the lock.

        Args:
            name: as for `start`.
            memory: as for `start`.
            vcpus: as for `start`.
            uuid: the domain's.
        """
        self._shared.ledger.defined(uuid)
        declared = self._shared.declared
        old = declared.get(name) or InstanceSpec(name, state="stopped")
        declared[name] = replace(
            old, node=self.name, memory=mebibytes(memory), min_memory=None, vcpus=vcpus, xml=None
        )

    def forget(self, name: str, uuid: bytes) -> None:
        """Note that a migration took a domain's last definition away from here, and what it is called now."""
        self._shared.ledger.forgotten(self.name, name, uuid)

    def goes_on(self, name: str) -> None:
        """Note that an instance runs here again, or is here no more."""
        self._shared.ledger.goes_on(self.name, name)

    def withdraw(self, name: str) -> None:
        """Note that an instance is no longer declared there."""
        declared = self._shared.declared
        if name in declared and declared[name].node == self.name:
            declared[name] = replace(declared[name], node=None)

    def _instance(self, name: str, memory: int, vcpus: int) -> Instance:
        """Make what the interface's methods take: an instance as it is declared, but for its size."""
        spec = self.spec(name) or InstanceSpec(name)
        return replace(spec, memory=mebibytes(memory), min_memory=None, vcpus=vcpus).instance()

    def _known(self, name: str) -> Instance:
        return (self.spec(name) or InstanceSpec(name)).instance()


def mebibytes(memory: int) -> int:
    """Return how many MiB hold so many KiB."""
    return -(-memory // _MIB)


@contextmanager
def in_libvirts_words(*, begins: bool = False) -> Iterator[None]:
    """Say in libvirt's words what is wrong with an instance's state, where that is so.

    Args:
        begins: whether it is to begin here, and so needs room.

    Raises:
        LibvirtError: it is so.
    """
    try:
        yield
    except HypervisorError as error:
        text = str(error)
        if text.endswith(f": {NOT_RUNNING}"):
            raise failure(Code.OPERATION_INVALID, "domain is not running", origin=Origin.DOMAIN) from error
        if text.endswith(f": {RUNNING}"):
            raise failure(Code.OPERATION_INVALID, "domain is already running") from error
        if begins and NO_ROOM in text:
            raise failure(Code.INTERNAL_ERROR, _NO_ROOM) from error
        raise
