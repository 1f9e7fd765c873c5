"""Inside a real Ganeti: the fake hypervisor where Ganeti's own code looks for one.

What it raises and returns is of Ganeti's own classes, so that the node daemon's code and the master's
run with it unchanged.

Source: Ganeti 3.0 and 3.1, whose ``ganeti`` package must be importable.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import getattr_static, isfunction
from typing import Any, ClassVar, Final

from pytest_fakehv.engine import cluster, hypervisor
from pytest_fakehv.engine.door import BEHIND_DOOR
from pytest_fakehv.engine.errors import DeclarationError, HotplugError, HypervisorError
from pytest_fakehv.engine.interface import INTERFACE
from pytest_fakehv.engine.node import NodeInfo
from pytest_fakehv.engine.objects import InstanceConsole, InstanceInfo, MigrationStatus
from pytest_fakehv.engine.text import listed

try:
    import ganeti.hypervisor
    from ganeti import constants, errors, objects
    from ganeti.hypervisor import hv_base
except ImportError as error:
    raise ImportError(
        f"pytest_fakehv.bridges.ganeti needs Ganeti's Python library, 3.0 or newer: {error}; "
        "Debian's package ganeti has it in /usr/share/ganeti/3.0, which must be on PYTHONPATH"
    ) from None

__tracebackhide__ = True  # a failed call is shown at the line that made it

_HERE: Final[ContextVar[hypervisor.FakeHypervisor | None]] = ContextVar("fakehv_here", default=None)
"""The node that the running code runs as; each thread and each asyncio task has its own."""


class FakeHypervisor(hypervisor.FakeHypervisor, hv_base.BaseHypervisor):  # type: ignore[misc]  # untyped there
    """The fake hypervisor of one node, as Ganeti's code knows hypervisors.

    It is called as `pytest_fakehv.FakeHypervisor` is, and does the same. What differs is of Ganeti's kind:
    an error is a ``ganeti.errors.HypervisorError`` or ``HotplugError`` (and ours); consoles and migration
    states are ``ganeti.objects``; an instance's figures are a plain tuple; the machine's own size is what
    the imported Ganeti makes of it; and ``PowercycleNode`` can be called on the class that
    ``GetHypervisorClass`` returns.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Let what a subclass overrides speak Ganeti's language too."""
        super().__init_subclass__(**keywords)
        _speak(cls)

    @staticmethod
    def GetLinuxNodeInfo(meminfo: str = "/proc/meminfo", cpuinfo: str = "/proc/cpuinfo") -> NodeInfo:
        """Return the figures of the machine that runs the test, as the imported Ganeti has them.

        Args:
            meminfo: path of a file like that one, in kB.
            cpuinfo: path of a file like that one.

        Returns:
            Memory in MiB and CPU counts.

        Raises:
            HypervisorError: a file can't be read, or not made sense of.
        """
        figures: NodeInfo = hv_base.BaseHypervisor.GetLinuxNodeInfo(meminfo, cpuinfo)
        return figures

    @classmethod
    def here(cls) -> hypervisor.FakeHypervisor:
        """Return the node that the running code runs as.

        Raises:
            DeclarationError: this class is not behind Ganeti's map, so that nothing runs as a node of it.
        """
        raise DeclarationError(
            f"{cls.__name__} is no node; call it on one, or on what GetHypervisorClass returns in a test "
            "that uses fakehv_ganeti"
        )


class FakeCluster(cluster.FakeCluster):
    """A `pytest_fakehv.FakeCluster` of nodes that speak Ganeti's language.

    Args: as there.
    """

    node_class: ClassVar[type[hypervisor.FakeHypervisor]] = FakeHypervisor

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Stand behind ``ganeti.hypervisor.GetHypervisor("fake")`` meanwhile, and behind its map.

        Returns:
            A context manager; afterwards the map is as it was.
        """
        known = ganeti.hypervisor._HYPERVISOR_MAP  # noqa: SLF001  # the one place where its code looks
        before = known[constants.HT_FAKE]
        known[constants.HT_FAKE] = self._class_of_here()
        try:
            yield
        finally:
            known[constants.HT_FAKE] = before

    @contextmanager
    def on(self, node: str) -> Iterator[hypervisor.FakeHypervisor]:
        """Run what is in the ``with`` block as a node: Ganeti's code there finds that node's hypervisor.

        It counts for this thread and this asyncio task alone. Blocks can be nested.

        Args:
            node: its name or its address.

        Returns:
            A context manager that yields the node.

        Raises:
            DeclarationError: there is no such node.
        """
        found = self._named(node)
        token = _HERE.set(found)
        try:
            yield found
        finally:
            _HERE.reset(token)

    @property
    def here(self) -> hypervisor.FakeHypervisor:
        """The node that the running code runs as; where there is but one, nobody need say so.

        Raises:
            DeclarationError: nobody said which.
        """
        node = _HERE.get()
        if node is not None and node.cluster is self:
            return node
        if len(self.nodes) == 1:
            return self.nodes[0]
        raise DeclarationError(
            "nobody said as which node this code runs, in this thread; wrap it in: "
            f"with fakehv_ganeti.on(NODE), with one of {listed(each.name for each in self)}"
        )

    def _class_of_here(self) -> type[hypervisor.FakeHypervisor]:
        """Make the class that Ganeti's code is to find: called without arguments, it returns a node."""
        everywhere = self

        class Here(self._hypervisor):  # type: ignore[misc,name-defined]
            def __new__(cls) -> hypervisor.FakeHypervisor:  # type: ignore[misc]  # no object of its own
                return everywhere.here

            @classmethod
            def here(cls) -> hypervisor.FakeHypervisor:
                return everywhere.here

        Here.__name__ = Here.__qualname__ = self._hypervisor.__name__
        return Here


class _Speaking:
    """An interface method that hands out what Ganeti's code expects, on a node or on a class."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.__doc__ = inner.__doc__
        self.__wrapped__ = inner
        setattr(self, BEHIND_DOOR, True)

    def __get__(
        self, node: hypervisor.FakeHypervisor | None, owner: type[FakeHypervisor]
    ) -> Callable[..., Any]:
        bound = self._inner.__get__(node, owner)

        @functools.wraps(bound)
        def call(*arguments: Any, **keywords: Any) -> Any:
            try:
                return _ganetis(bound(*arguments, **keywords))
            except (HypervisorError, errors.HypervisorError) as error:
                _make_ganetis(error)
                raise

        return call


class _OnNodeOrClass(_Speaking):
    """Ganeti's class method that is ours of a node: on a class, it is of the node that the code runs as."""

    def __get__(
        self, node: hypervisor.FakeHypervisor | None, owner: type[FakeHypervisor]
    ) -> Callable[..., Any]:
        if node is not None:
            return super().__get__(node, owner)

        @functools.wraps(self._inner)
        def call(*arguments: Any, **keywords: Any) -> Any:
            return super(_OnNodeOrClass, self).__get__(owner.here(), owner)(*arguments, **keywords)

        return call


def _speak(cls: type[FakeHypervisor]) -> None:
    """Let a class's interface methods hand out what Ganeti's code expects."""
    for name in INTERFACE:
        inner = getattr_static(cls, name)
        if not isinstance(inner, _Speaking):
            is_class_method = isinstance(getattr_static(hv_base.BaseHypervisor, name, None), classmethod)
            kind = _OnNodeOrClass if is_class_method and isfunction(inner) else _Speaking
            setattr(cls, name, kind(inner))


_speak(FakeHypervisor)


def _ganetis(result: Any) -> Any:
    """Return a result as Ganeti's classes have it."""
    match result:
        case MigrationStatus():
            return objects.MigrationStatus(**result.ToDict())
        case InstanceConsole():
            return objects.InstanceConsole(**result.ToDict())
        case InstanceInfo():
            return _plain(result)
        case [InstanceInfo(), *_]:
            return [_plain(each) for each in result]
    return result


def _plain(info: InstanceInfo) -> tuple[str, str, int, int, int, int]:
    """Return an instance's figures as a tuple, since Ganeti's JSON makes an object of one with names."""
    return info.name, info.id, info.memory, info.vcpus, int(info.state), info.times


def _make_ganetis(error: BaseException) -> None:
    """Make an error Ganeti's where it is ours alone, and ours where it is Ganeti's alone.

    It stays the same object, which the journal has too, and what a fault was given to raise.
    """
    if not isinstance(error, errors.HypervisorError) or not isinstance(error, HypervisorError):
        kind: Any = type(error)
        error.__class__ = _of_both(kind)


@functools.cache
def _of_both(kind: Any) -> type[BaseException]:
    """Return a class of errors that are of one kind and of its counterpart in the other family.

    It has the name of Ganeti's, by which Ganeti's jobs hand errors on.
    """
    is_hotplug = issubclass(kind, HotplugError | errors.HotplugError)
    ours, ganetis = (
        (HotplugError, errors.HotplugError) if is_hotplug else (HypervisorError, errors.HypervisorError)
    )
    bases = (kind, ganetis) if issubclass(kind, ours) else (kind, ours)
    return type(ganetis.__name__, bases, {"__module__": kind.__module__, "__doc__": kind.__doc__})
