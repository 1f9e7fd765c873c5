"""Inside a real Ganeti: the fake hypervisor where Ganeti's own code looks for one.

What it raises and returns is of Ganeti's own classes, so that the node daemon's code and the master's
run with it unchanged.

Source: Ganeti 3.0 and 3.1, whose ``ganeti`` package must be importable.
"""

import functools
from abc import ABCMeta
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import getattr_static, isfunction
from types import MappingProxyType
from typing import Any, ClassVar, Final

from pytest_fakehv.calls.door import BEHIND_DOOR, CLASS_METHOD_THERE
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster import cluster, hypervisor
from pytest_fakehv.cluster.hooks import HOOKS
from pytest_fakehv.interface.contract import INTERFACE
from pytest_fakehv.interface.errors import HotplugError, HypervisorError, of_both
from pytest_fakehv.interface.objects import InstanceConsole, InstanceInfo, MigrationStatus, NodeInfo
from pytest_fakehv.text import listed

try:
    import ganeti.hypervisor
    from ganeti import constants, errors, objects
    from ganeti.hypervisor import hv_base
except ImportError as error:
    raise ImportError(
        "pytest_fakehv.fronts.ganeti needs Ganeti's Python library, 3.0 or newer, and what it imports: "
        f"{error}; Debian's package ganeti-3.0 has it in /usr/share/ganeti/3.0, which must be on PYTHONPATH; "
        "pip install 'pytest-fakehv[ganeti]' installs what it imports"
    ) from None

__tracebackhide__ = True  # a failed call is shown at the line that made it

_TRANSLATED: Final = "_is_translated"
"""The attribute of a method that hands out Ganeti's types."""

_installed: Final[list["FakeCluster"]] = []
"""The clusters behind Ganeti's map; the last one counts."""

_here: Final[ContextVar[Mapping["FakeCluster", str]]] = ContextVar("here", default=MappingProxyType({}))
"""As which node of a cluster the running code runs; each thread and each asyncio task has its own."""

_called: Final[ContextVar[hypervisor.FakeHypervisor | None]] = ContextVar("called", default=None)
"""The node on which a class method was called that runs now."""


class _MadeAsGanetiDoes(ABCMeta):
    """Ganeti makes a hypervisor by a call without arguments: here, that returns the node that it runs as."""

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        if _installed and not arguments and not keywords:
            return _installed[-1].here
        return super().__call__(*arguments, **keywords)


class FakeHypervisor(
    hypervisor.FakeHypervisor,
    hv_base.BaseHypervisor,  # type: ignore[misc]  # it is untyped
    metaclass=_MadeAsGanetiDoes,
):
    """The fake hypervisor of one node, as Ganeti's code knows hypervisors.

    It is called as `pytest_fakehv.FakeHypervisor` is, and does the same. What differs is of Ganeti's kind:
    an error of ours is a ``ganeti.errors.HypervisorError`` or ``HotplugError`` too; consoles and migration
    states are ``ganeti.objects``; an instance's figures are a plain tuple; the machine's own size is what
    the imported Ganeti makes of it; and ``PowercycleNode`` can be called on the class, for the node that the
    code runs as.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Let what a subclass overrides hand out Ganeti's types too.

        Raises:
            DeclarationError: it has an ``error_class``, which Ganeti's code would not catch.
        """
        if cls.error_class is not HypervisorError:
            raise DeclarationError(
                f"{cls.__name__} has an error_class, but raises what Ganeti's code catches"
            )
        super().__init_subclass__(**keywords)
        _translate(cls)

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
        try:
            figures: NodeInfo = hv_base.BaseHypervisor.GetLinuxNodeInfo(meminfo, cpuinfo)
        except errors.HypervisorError as error:
            raise HypervisorError(str(error)) from error
        return figures


class FakeCluster(cluster.FakeCluster):
    """A `pytest_fakehv.FakeCluster` of nodes for Ganeti's code.

    Args: as there.
    """

    node_class: ClassVar[type[hypervisor.FakeHypervisor]] = FakeHypervisor
    _local = frozenset({"here", "installed", "on"})

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Stand behind ``ganeti.hypervisor.GetHypervisor("fake")`` meanwhile, and behind its map.

        Returns:
            A context manager; once no cluster is installed any more, the map is as it was.
        """
        known = ganeti.hypervisor._HYPERVISOR_MAP  # noqa: SLF001  # the one place where its code looks
        _installed.append(self)
        if len(_installed) == 1:
            _ganetis_own.append(known[constants.HT_FAKE])
        known[constants.HT_FAKE] = self._hypervisor
        try:
            yield
        finally:
            _installed.remove(self)
            last = _installed[-1] if _installed else None
            known[constants.HT_FAKE] = last._hypervisor if last else _ganetis_own.pop()  # noqa: SLF001

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
        found = self._found(node)
        before = _here.get()
        _here.set({**before, self: found.name})
        try:
            yield found
        finally:
            _here.set(before)  # not by a token: a generator may be closed in another context

    @property
    def here(self) -> hypervisor.FakeHypervisor:
        """The node that the running code runs as; where there is but one, nobody need say so.

        Raises:
            DeclarationError: nobody said which, or it has left the cluster.
        """
        name = _here.get().get(self)
        if name is not None:
            return self._found(name)
        if len(self.nodes) == 1:
            return self.nodes[0]
        raise DeclarationError(
            "nobody said as which node this code runs, in this thread; wrap it in: "
            f"with fakehv_ganeti.on(NODE), with one of {listed(each.name for each in self)}"
        )

    def _found(self, node: str) -> hypervisor.FakeHypervisor:
        """Return a node by public means, which another process has too."""
        try:
            return self[node]
        except KeyError as error:
            raise DeclarationError(*error.args) from None


_ganetis_own: Final[list[Any]] = []
"""Ganeti's own entry of its map, while a cluster stands there."""


class _OnNodeOrClass:
    """A class or static method that hands out Ganeti's types, or what is a class method in Ganeti alone."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.__doc__ = inner.__doc__
        self.__wrapped__ = inner
        setattr(self, BEHIND_DOOR, True)
        setattr(self, _TRANSLATED, True)

    def __get__(
        self, node: hypervisor.FakeHypervisor | None, owner: type[FakeHypervisor]
    ) -> Callable[..., Any]:
        if node is not None:
            return _translated(self._inner.__get__(node, owner), node)
        if not isfunction(self._inner):
            return _translated(self._inner.__get__(None, owner))

        @functools.wraps(self._inner)
        def call(*arguments: Any, **keywords: Any) -> Any:
            found = _called.get() or (_installed[-1].here if _installed else None)
            if found is None:
                raise DeclarationError(
                    f"{owner.__name__} is no node; call {CLASS_METHOD_THERE} on one, "
                    "or in a test that uses fakehv_ganeti"
                )
            return self.__get__(found, owner)(*arguments, **keywords)

        return call


def _translate(cls: type[FakeHypervisor]) -> None:
    """Let a class's methods hand out Ganeti's types."""
    for name in (*INTERFACE, *HOOKS):
        inner = getattr_static(cls, name)
        if not hasattr(inner, _TRANSLATED):
            is_plain = isfunction(inner) and name != CLASS_METHOD_THERE
            setattr(cls, name, _translated(inner) if is_plain else _OnNodeOrClass(inner))


def _translated(
    function: Callable[..., Any], node: hypervisor.FakeHypervisor | None = None
) -> Callable[..., Any]:
    """Return a function that does the same, and hands out Ganeti's types.

    Args:
        function: a plain function, or a bound method.
        node: on which node a class method is called, which knows its class alone; None for none.
    """

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        before = _called.get()
        _called.set(node or before)
        try:
            return _as_ganetis(function(*arguments, **keywords))
        except HypervisorError as error:
            _make_ganetis(error)
            raise
        finally:
            _called.set(before)

    setattr(call, _TRANSLATED, True)
    return call


def _as_ganetis(result: Any) -> Any:
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


def _make_ganetis(error: HypervisorError) -> None:
    """Make an error of ours Ganeti's too; it stays the same object, which the journal has as well.

    What a test's own class of errors is, it stays: a fault raises what it is given.
    """
    kind: Any = type(error)
    if kind.__module__.partition(".")[0] == "pytest_fakehv":
        error.__class__ = of_both(
            kind, errors.HotplugError if issubclass(kind, HotplugError) else errors.HypervisorError
        )


_translate(FakeHypervisor)
