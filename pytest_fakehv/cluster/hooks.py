"""What a class of the user's own may override beside the interface, and what asks it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import local
from typing import Any, ClassVar, Final, Literal

from pytest_fakehv.cluster.beparams import amount_of, beparam
from pytest_fakehv.cluster.inner import NOT_RUNNING, RUNNING, InnerNode
from pytest_fakehv.cluster.node import startup_memory
from pytest_fakehv.cluster.shared import Shared
from pytest_fakehv.interface.constants import BE_MAXMEM, BE_MINMEM, BE_VCPUS
from pytest_fakehv.interface.contract import BaseHypervisor, HvParams
from pytest_fakehv.interface.errors import RefusedError
from pytest_fakehv.interface.objects import InstanceLike
from pytest_fakehv.storage.store import Record

__tracebackhide__ = True  # a failed call is shown at the line that made it

HOOKS: Final = ("_InstanceFile", "_InstanceStartupMemory", "_IsAlive", "_MarkDown", "_MarkUp")
"""What subclasses call and override, under the names that they know from Ganeti."""


class _Marking(local):
    """What a thread marks an instance up for: on which node, and in which operation."""

    node: "Hooks | None" = None
    what: Literal["running", "paused", "balloon"] = "running"


_marking: Final = _Marking()


class Hooks(BaseHypervisor):
    """The inner methods that subclasses out there override.

    Where a class has its own, they are asked, and then no lock of ours is held around them: what must not be
    torn apart by another thread is up to them, but that one start of several wins, and that what does not
    fit on a node that doesn't overcommit is refused.

    Attributes:
        _together: what keeps other threads out of what belongs together: nothing where a class has its own
            hooks.
    """

    _inner: InnerNode
    _shared: Shared
    _together: AbstractContextManager[Any]
    _has_own_node_info: ClassVar[bool] = False
    _has_own_hooks: bool = False
    _has_own_size: ClassVar[bool] = False
    _own_steps: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: object) -> None:
        """Notice an inner method that is put in place on one node alone, as a test's patch does."""
        super().__setattr__(name, value)
        if name in HOOKS:
            super().__setattr__("_has_own_hooks", True)
            super().__setattr__("_together", nullcontext())

    @property
    def _ROOT_DIR(self) -> str:
        return self._inner.store.make()

    def _InstanceFile(self, instance_name: str) -> str:
        """Return the place of an instance: its file's path; in memory, where there is none, its name."""
        return self._inner.store.path(instance_name)

    def _IsAlive(self, instance_name: str) -> bool:
        return self._inner.store.holds_instance(self._InstanceFile(instance_name))

    def _InstanceStartupMemory(self, instance: InstanceLike, hvparams: HvParams | None = None) -> int:
        if self._has_own_node_info:
            free = self.GetNodeInfo(hvparams or instance.hvparams)["memory_free"]
        else:
            free = self._inner.free_memory()
        return startup_memory(beparam(instance, BE_MINMEM), beparam(instance, BE_MAXMEM), free)

    def _MarkUp(self, instance: InstanceLike, memory: int) -> None:
        """Write an instance's file: a new one in a start, anew otherwise."""
        what = _marking.what if _marking.node is self else None
        path, inner = self._InstanceFile(instance.name), self._inner
        amount, vcpus = amount_of("memory", memory), beparam(instance, BE_VCPUS)
        if what in ("running", "paused"):
            inner.create(path, Record(amount, vcpus, "paused" if what == "paused" else None))
            return
        try:
            inner.change(instance, memory, fits=what == "balloon")
        except RefusedError:
            if what or inner.store.holds_instance(path):
                raise
            inner.store.create(path, Record(amount, vcpus))

    def _MarkDown(self, instance_name: str) -> None:
        self._inner.remove(self._InstanceFile(instance_name))

    # What asks them

    @contextmanager
    def _marks(self, what: Literal["running", "paused", "balloon"]) -> Iterator[None]:
        """Let `_MarkUp` know what it is called for: subclasses know it without such an argument."""
        before = _marking.node, _marking.what
        _marking.node, _marking.what = self, what
        try:
            yield
        finally:
            _marking.node, _marking.what = before

    def _start(self, instance: InstanceLike, *, paused: bool, memory: int | None = None) -> None:
        if not self._has_own_hooks:
            self._inner.start(instance, paused=paused, memory=memory)
            return
        self._inner.check_up()
        if self._IsAlive(instance.name):
            raise RefusedError(RUNNING)
        if memory is None:
            memory = self._InstanceStartupMemory(instance)
        self._inner.refuse_overcommit(memory)
        with self._marks("paused" if paused else "running"):
            self._MarkUp(instance, memory)

    def _balloon(self, instance: InstanceLike, memory: int) -> None:
        if not self._has_own_hooks:
            self._inner.change(instance, memory, fits=True)
            return
        old = self._inner.store.read(self._InstanceFile(instance.name))
        if old is None:
            raise RefusedError(NOT_RUNNING)
        self._refuse_stopped(instance.name)
        self._inner.refuse_overcommit(amount_of("memory", memory) - old.memory)
        with self._marks("balloon"):
            self._MarkUp(instance, memory)

    def _refuse_stopped(self, name: str) -> None:
        if not self._IsAlive(name):
            raise RefusedError(NOT_RUNNING)
