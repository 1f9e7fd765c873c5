"""The one way into every call of the hypervisor interface.

A call of an interface method on a node passes here, also where a user's subclass overrides the method.
What an interface method itself calls, ``super()`` or another interface method of the same node, is part
of the first call and passes freely. A class or static method passes when it is called on a node; on the
class there is no node to speak of.
"""

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from pytest_fakehv.engine.journal import Journal
from pytest_fakehv.engine.names import shown

if TYPE_CHECKING:
    from types import FrameType

__tracebackhide__ = True  # a failed call is shown at the line that made it

_MARK: Final = "_is_behind_door"
"""The attribute of a method that was put behind the door."""

_NOT_GIVEN: Final = object()

_OWN_PACKAGE: Final = __name__.partition(".")[0] + "."


class BehindDoor(Protocol):
    """A node whose calls pass a door."""

    door: "Door"

    @property
    def name(self) -> str:
        """The node's name, which no other node behind the same door has."""


@dataclass
class Door:
    """What all calls of one cluster's nodes pass.

    Attributes:
        journal: where they are written down.
    """

    journal: Journal = field(default_factory=Journal)
    _thread: threading.local = field(default_factory=threading.local)

    def call(
        self,
        node: BehindDoor,
        method: "_Method",
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
    ) -> Any:
        """Let a call pass.

        Args:
            node: the node that is called.
            method: which interface method.
            function: its effect.
            arguments: its positional arguments.
            keywords: its keyword arguments.

        Returns:
            What the effect returns; what it raises is raised.

        Raises:
            TypeError: what stands for the instance is no instance.
        """
        inside: set[str] = self._thread.__dict__.setdefault("inside", set())
        if node.name in inside:
            return function(*arguments, **keywords)
        instance: str | None = None
        result: Any = None
        error: BaseException | None = None
        inside.add(node.name)
        try:
            instance = method.instance_name(arguments, keywords)
            result = function(*arguments, **keywords)
        except BaseException as raised:
            error = raised
            raise
        else:
            return result
        finally:
            inside.discard(node.name)
            self.journal.add(
                node=node.name,
                method=method.name,
                instance=instance,
                arguments=tuple(map(_noted, arguments)),
                keywords={key: _noted(value) for key, value in keywords.items()},
                result=_noted(result),
                error=error,
                caller=_caller(),
            )
            del error  # its traceback holds this frame, which would hold it


class _Method:
    """An interface method's name, and where among its arguments an instance is named."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        parameters = [each for each in inspect.signature(function).parameters if each not in ("self", "cls")]
        self._positions = {
            each: parameters.index(each)
            for each in ("name", "instance", "instance_name")  # a bare name overrides the instance beside it
            if each in parameters
        }

    def instance_name(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> str | None:
        """Say which instance a call is about; None if about none."""
        for parameter, position in self._positions.items():
            given = arguments[position] if position < len(arguments) else keywords.get(parameter, _NOT_GIVEN)
            if given is _NOT_GIVEN or (given is None and "name" in self._positions):
                continue
            if parameter != "instance":
                return str(given)
            if not hasattr(given, "name"):
                raise TypeError(
                    f"{self.name} takes an instance, an object with name, hvparams and beparams, "
                    f"not {shown(given)}"
                )
            return str(given.name)
        return None


class _OnNode:
    """A class or static method of the interface, which passes the door when it is called on a node."""

    def __init__(self, method: _Method, inner: "classmethod[Any, Any, Any] | staticmethod[Any, Any]") -> None:
        self._method = method
        self._inner = inner
        self.__doc__ = inner.__doc__
        self.__wrapped__ = inner.__func__

    def __get__(self, node: BehindDoor | None, owner: type[BehindDoor]) -> Callable[..., Any]:
        bound = self._inner.__get__(node, owner)
        if node is None:
            return bound

        @functools.wraps(bound)
        def call(*arguments: Any, **keywords: Any) -> Any:
            return node.door.call(node, self._method, bound, arguments, keywords)

        return call


def put_behind_door(cls: type, names: frozenset[str]) -> None:
    """Put a class's interface methods behind the door: its own, and those that it has from a base class."""
    for name in names:
        inner = inspect.getattr_static(cls, name)
        if isinstance(inner, _OnNode) or hasattr(inner, _MARK):
            continue
        if isinstance(inner, classmethod | staticmethod):
            setattr(cls, name, _OnNode(_Method(name, inner.__func__), inner))
        else:
            setattr(cls, name, _behind_door(_Method(name, inner), inner))


def _behind_door(method: _Method, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(self: BehindDoor, *arguments: Any, **keywords: Any) -> Any:
        return self.door.call(self, method, functools.partial(function, self), arguments, keywords)

    setattr(call, _MARK, True)
    return call


def _noted(value: Any) -> Any:
    """Return what the journal keeps of a value, which its owner may change later."""
    if isinstance(value, dict | list):
        return value.copy()
    if hasattr(value, "beparams"):
        return value.name
    return value


def _caller() -> tuple[str, int]:
    """Return file and line of the code outside this package that called the interface."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001  # the documented way to a caller
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OWN_PACKAGE):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else ("?", 0)
