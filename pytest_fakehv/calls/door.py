"""The one way into every call of the hypervisor interface.

A call of an interface method on a node passes here, also where a user's subclass overrides the method.
What an interface method itself calls, ``super()`` or another interface method of the same node, is part
of the first call and passes freely. A class or static method passes when it is called on a node; on the
class there is no node to speak of.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import CoroutineType, MappingProxyType
from typing import Any, ClassVar, Final, Literal, NoReturn, Protocol

from pytest_fakehv.calls.callers import caller
from pytest_fakehv.calls.clock import Clock
from pytest_fakehv.calls.holds import Hold
from pytest_fakehv.calls.journal import KEPT_AS_THEY_ARE, Call, Journal, noted
from pytest_fakehv.calls.method import METHODS, Method
from pytest_fakehv.calls.selection import STEPS_OF_A_FRONT
from pytest_fakehv.calls.within import DONE_IN_STEPS, Steps, Within, around, coroutine, steps_of
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.interface.errors import HypervisorError, NodeDownError, as_also

__tracebackhide__ = True  # a failed call is shown at the line that made it

BEHIND_DOOR: Final = "_is_behind_door"
"""The attribute of a method that was put behind the door."""

CLASS_METHOD_THERE: Final = "PowercycleNode"
"""What is a class method in Ganeti, and a method here: a class is no node."""

_NO_KEYWORDS: Final[Mapping[str, Any]] = MappingProxyType({})
"""What the journal has of most calls: one for all of them."""

Trouble = Literal["down", "cut off", "gone"]


class Troubles(set[Trouble]):
    """Why no call reaches a node.

    Attributes:
        losses: how often all calls that were on their way got lost: with the node, or with the connection.
    """

    losses = 0

    def lose_calls(self, but: Call | None = None) -> None:
        """Note that all calls that are on their way get lost now, but for the one that brought that about."""
        self.losses += 1
        if but:
            but._losses += 1


class BehindDoor(Protocol):
    """A node whose calls pass a door.

    Attributes:
        error_class: what its errors are, too.
    """

    error_class: ClassVar[type[Exception]]

    @property
    def _door(self) -> "Door":
        """What its calls pass."""

    @property
    def name(self) -> str:
        """The node's name, which no other node behind the same door has."""

    @property
    def _troubles(self) -> Troubles:
        """Why no call reaches it; nothing if calls do."""

    def crash(self) -> None:
        """Let it go down."""

    def _peer(self, name: str) -> "BehindDoor | None":
        """Return another node of the same cluster; None if there is none of that name."""


class Strike(Protocol):
    """What a fault does to the calls that it is about."""

    def _before(
        self, call: Call, node: BehindDoor, door: "Door", effect: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Do what comes before a call's effect; return that, or what answers in its place."""

    def _after(self, call: Call, node: BehindDoor, door: "Door", result: Any) -> Any:
        """Do what comes after a call's effect; return what it answers."""


@dataclass
class Door:
    """What all calls of one cluster's nodes pass.

    Attributes:
        clock: what says when a call came.
        faults: the rules of which one may strike.
        choose_fault: returns the fault that is to strike a call, if any.
        journal: where the calls are written down.
        holds: what stops calls here until it lets them go.
        within: which calls a thread or a task is in.
        own_steps: which methods of a migration a class of the user's own has overridden, each with its node.
    """

    clock: Clock = field(default_factory=Clock)
    faults: Sequence[Strike] = ()
    choose_fault: Callable[[Call], Strike | None] = lambda _call: None
    journal: Journal = field(default_factory=Journal)
    holds: list[Hold] = field(default_factory=list)
    within: Within = field(default_factory=Within)
    own_steps: set[tuple[str, str]] = field(default_factory=set)
    # The calls of them that have come to ours by `super`.
    _reached: set[int] = field(default_factory=set)

    @property
    def current_call(self) -> Call | None:
        """The call that a thread or a task is in, the innermost one of several nodes; None outside of any."""
        calls = self.within.thread.calls  # as a rule; each start asks several times
        return calls[-1] if calls else self.within.current_around

    @property
    def calls_before(self) -> int:
        """After how many calls something comes about that is part of none."""
        aside = self.within.thread.aside
        return self.journal.total if aside is None else aside

    def migrated_otherwise(self) -> set[str | None]:
        """Return which instances a class of the user's own has migrated, or begun or ended to, without us."""
        if not self.own_steps:  # as a rule
            return set()
        return {
            call.instance
            for call in self.journal
            if (call.node, call.method) in self.own_steps
            and (call.ended, call.error, call.lie) == (True, None, None)
            and call.number not in self._reached
        }

    def call(  # noqa: C901, PLR0912  # a function for each step would cost each call of each test
        self,
        node: BehindDoor,
        method: Method,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        place: tuple[str, int] | None = None,
    ) -> Any:
        """Let a call pass.

        Args:
            node: the node that is called.
            method: which interface method.
            function: its effect, which takes the node first.
            arguments: its positional arguments.
            keywords: its keyword arguments.
            place: where it came from, file and line, if that was earlier; None for here and now.

        Returns:
            What the effect returns; what it raises is raised. Where that is a coroutine or a generator, it
            does the rest of the call.

        Raises:
            NodeDownError: the node can't be reached.
            TypeError: what stands for the instance is no instance.
            BaseException: what a fault raises.
        """
        calls = self.within.thread.calls
        if (calls or around.get()) and (outer := self.within.of(node.name)):
            check_not_lost(node._troubles, outer)
            if outer.method in STEPS_OF_A_FRONT and calls and calls[-1] is outer:
                return self._step(node, method, function, arguments, outer)
            if self.own_steps and method.name == outer.method:
                self._reached.add(outer.number)
            try:
                return function(node, *arguments, **keywords)
            except HypervisorError as error:
                _raise_also(error, type(node))
                raise
        kept = tuple(map(noted, arguments))
        call = self.journal._begin(
            self.clock.now,
            node.name,
            method.name,
            method.instance_name(arguments, keywords, kept),
            kept,
            {key: noted(value) for key, value in keywords.items()} if keywords else _NO_KEYWORDS,
            place or caller(2),
            method.resources(kept),
        )
        goes_on = False
        try:
            calls.append(call)
            if call.instance is None or method.takes_a_name:
                method.check_instance(arguments, keywords)
            troubles = node._troubles
            call._losses = troubles.losses
            if troubles:
                _refuse(call.node)
            fault = self.choose_fault(call) if self.faults else None
            if fault:
                function = fault._before(call, node, self, function)
            if self.holds and not place:
                for hold in self._holds_of(call):
                    hold._stop(call)
            self.clock._look()
            if troubles.losses != call._losses:
                _refuse(call.node)
            result = function(node, *arguments, **keywords)
            if result is not None and type(result) in DONE_IN_STEPS:
                goes_on = True
                return self._go_on(node, call, method, fault, result, is_to_be_held=bool(place))
            if fault:
                result = fault._after(call, node, self, result)
            if troubles.losses != call._losses:
                _refuse(call.node)
        except BaseException as error:
            _fail(node, call, error, method)
            raise
        else:
            call.result = result if type(result) in KEPT_AS_THEY_ARE else noted(result)
            return result
        finally:
            call.ended = not goes_on
            if calls and calls[-1] is call:  # else it was interrupted before it was put there
                del calls[-1]

    def _step(
        self,
        node: BehindDoor,
        method: Method,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        outer: Call,
    ) -> Any:
        """Let a call pass that a front's call makes of the same node for its part of a migration.

        The journal has the outer one alone. But faults strike this one, and holds stop it, by its own name.

        Raises:
            BaseException: as `call`.
        """
        calls = self.within.thread.calls
        kept = tuple(map(noted, arguments))
        name = method.instance_name(arguments, _NO_KEYWORDS, kept)
        step = Call(
            outer.number,
            self.clock.now,
            outer.node,
            method.name,
            name,
            kept,
            _NO_KEYWORDS,
            outer.filename,
            outer.line,
        )
        step._losses = outer._losses
        try:
            calls.append(step)
            fault = self.choose_fault(step) if self.faults else None
            if fault:
                function = fault._before(step, node, self, function)
            for hold in self._holds_of(step):
                hold._stop(step)
            check_not_lost(node._troubles, step)
            step.result = function(node, *arguments)
            if fault:
                step.result = fault._after(step, node, self, step.result)
            check_not_lost(node._troubles, step)
        except BaseException as error:
            _fail(node, step, error, method)
            raise
        finally:
            step.ended = True
            outer.fault, outer.lie = outer.fault or step.fault, outer.lie or step.lie
            del calls[calls.index(step) :]
        return step.result

    def later(self, *passing: Any) -> Coroutine[Any, Any, Any]:
        """Let a call pass once it is awaited: one of an ``async def``, of which nothing happens before.

        Args:
            *passing: as in `call`; the function returns a coroutine.
        """
        return coroutine(self._steps(*passing, caller(2)), passing[1].name)

    def lazily(self, *passing: Any) -> Steps:
        """Let a call pass once something is taken from it: one of a generator. As `later`."""
        return self._steps(*passing, caller(2))

    def _holds_of(self, call: Call) -> Iterator[Hold]:
        """Go through the holds that stop a call."""
        for hold in self.holds.copy():
            if hold.is_over:
                with suppress(ValueError):  # another thread was faster
                    self.holds.remove(hold)
            elif hold._selection.matches(call):
                yield hold

    # Calls that are done step by step

    def _steps(self, *passing: Any) -> Steps:
        return (yield from steps_of(self.call(*passing)))

    def _go_on(
        self,
        node: BehindDoor,
        call: Call,
        method: Method,
        fault: Strike | None,
        effect: Any,
        *,
        is_to_be_held: bool,
    ) -> Any:
        """Return what does the rest of a call, whose effect comes step by step."""
        steps = self._rest(node, call, method, fault, effect, is_to_be_held=is_to_be_held)
        return coroutine(steps, call.method) if isinstance(effect, CoroutineType) else steps

    def _rest(
        self,
        node: BehindDoor,
        call: Call,
        method: Method,
        fault: Strike | None,
        effect: Any,
        *,
        is_to_be_held: bool,
    ) -> Steps:
        """Do the rest of a call: it is in itself at each step, and not in between."""

        def steps() -> Steps:
            for hold in self._holds_of(call) if is_to_be_held else ():
                yield from hold._stop_in_steps(call)
            self.clock._look()
            check_not_lost(node._troubles, call)
            result = yield from steps_of(effect)
            if fault:
                result = fault._after(call, node, self, result)
            check_not_lost(node._troubles, call)
            return result

        try:
            result = yield from self.within.each(steps(), call)
        except GeneratorExit:  # nobody wants to know more
            raise
        except BaseException as error:
            _fail(node, call, error, method)
            raise
        else:
            call.result = noted(result)
            return result
        finally:
            call.ended = True
            effect.close()  # it may not have begun


def _fail(node: BehindDoor, call: Call, error: BaseException, method: Method) -> None:
    """Note what a call raised.

    Raises:
        NodeDownError: that was what the node itself says, and it got lost.
        HypervisorError: that was one, and here it is of the class, too, that the node's class declares.
        BaseException: that was something else in the words of a front.
    """
    given, call.error = call.error, error
    if error is not given and isinstance(error, HypervisorError):
        if call.fault is None and node._troubles.losses != call._losses:
            call.error = as_also(NodeDownError.of(call.node), node.error_class)
            raise call.error from error
        call.error = as_also(error, node.error_class)
    told = call.error = method.told(call.error)
    if told is not error:
        raise told from error.__cause__


def _raise_also(error: HypervisorError, kind: type[BehindDoor]) -> None:
    """Raise an error as one of the class, too, that the node's class declares; nothing if it is that.

    Raises:
        HypervisorError: that one.
    """
    made = as_also(error, kind.error_class)
    if made is not error:
        raise made from error.__cause__


def check_not_lost(troubles: Troubles, call: Call) -> None:
    """Refuse a call whose node went down, or was cut off, since it came: even if it is back.

    It got lost with that, or its answer did, as a connection breaks.
    """
    if troubles.losses != call._losses:
        _refuse(call.node)


def _refuse(node: str) -> NoReturn:
    raise NodeDownError.of(node)


class _OnNode:
    """A class or static method of the interface, which passes the door when it is called on a node."""

    def __init__(self, method: Method, inner: Any) -> None:
        self._method = method
        self._inner = inner
        self.__wrapped__ = inner
        setattr(self, BEHIND_DOOR, True)

    def __get__(self, node: BehindDoor | None, owner: type[BehindDoor]) -> Callable[..., Any]:
        bound: Callable[..., Any] = self._inner.__get__(node, owner)
        if node is None:
            return bound if owner.error_class is HypervisorError else _raising_also(bound, owner)
        way = way_of(bound)

        def effect(_node: BehindDoor, *arguments: Any, **keywords: Any) -> Any:
            return bound(*arguments, **keywords)

        vars(effect)["__wrapped__"] = bound  # for whoever asks in which way it answers

        @functools.wraps(bound)
        def call(*arguments: Any, **keywords: Any) -> Any:
            return getattr(node._door, way)(node, self._method, effect, arguments, keywords)

        return call


def _raising_also(function: Callable[..., Any], kind: type[BehindDoor]) -> Callable[..., Any]:
    """Return the same for a class that declares what its errors are, too."""

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except HypervisorError as error:
            _raise_also(error, kind)
            raise

    return call


def put_behind_door(cls: type) -> None:
    """Put a class's interface methods behind the door: its own, and those of a base class that is not."""
    for method in METHODS.values():
        inner = inspect.getattr_static(cls, method.name)
        if hasattr(inner, BEHIND_DOOR):
            continue
        if inspect.isfunction(inner):
            setattr(cls, method.name, _behind_door(method, inner))
        elif hasattr(inner, "__get__"):
            setattr(cls, method.name, _OnNode(method, inner))


def _behind_door(method: Method, function: Callable[..., Any]) -> Callable[..., Any]:
    way = way_of(function)

    @functools.wraps(function)
    def call(self: BehindDoor, *arguments: Any, **keywords: Any) -> Any:
        return self._door.call(self, method, function, arguments, keywords)

    @functools.wraps(function)
    def call_in_steps(self: BehindDoor, *arguments: Any, **keywords: Any) -> Any:
        return getattr(self._door, way)(self, method, function, arguments, keywords)

    passing: Callable[..., Any] = call if way == "call" else call_in_steps
    if method.name == CLASS_METHOD_THERE:
        passing = _on_a_node(passing, method.name)
    setattr(passing, BEHIND_DOOR, True)
    return passing


def way_of(function: Callable[..., Any]) -> Literal["call", "later", "lazily"]:
    """Return by which method of a door a function's calls pass."""
    if inspect.iscoroutinefunction(function):
        return "later"
    return "lazily" if inspect.isgeneratorfunction(function) else "call"


def _on_a_node(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return the same, refusing a class in a node's place."""

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        if not arguments or not isinstance(getattr(arguments[0], "name", None), str):
            raise DeclarationError(f"a class is no node; call {name} on one")
        return function(*arguments, **keywords)

    return call


put_behind_door(BaseHypervisor)
