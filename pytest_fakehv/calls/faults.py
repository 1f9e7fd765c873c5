"""Faults: which calls fail, lie or let something befall the cluster, how and when, as a test wants it."""

import inspect
import random
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from pytest_fakehv.calls.door import BehindDoor, Door, way_of
from pytest_fakehv.calls.faultspec import FaultSpec, made
from pytest_fakehv.calls.journal import Call
from pytest_fakehv.calls.proxies import Referent
from pytest_fakehv.calls.seeds import Example, current_example, fresh_seed
from pytest_fakehv.calls.within import Steps
from pytest_fakehv.interface.constants import ALL_COMMANDS
from pytest_fakehv.interface.errors import HypervisorError, NodeDownError
from pytest_fakehv.storage.locks import Lock, under_lock
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a fault is shown at the line that made the call

DID_NOTHING: Final = "in truth it did nothing"
"""What is true where a command was answered in place of its effect."""


async def _answer_later(answer: object, /, *_arguments: Any, **_keywords: Any) -> object:
    return answer


def _answer_lazily(answer: object, /, *_arguments: Any, **_keywords: Any) -> Steps:
    yield from ()
    return answer


def _answer(answer: object, /, *_arguments: Any, **_keywords: Any) -> object:
    return answer


_ANSWERS: Final = {"call": _answer, "later": _answer_later, "lazily": _answer_lazily}
"""What answers in an effect's place, in the way in which that would."""


class Fault(Referent):
    """A fault rule in force, and what came of it. As a context manager, it is withdrawn at the end.

    Attributes:
        spec: what it does.
        origin: where it was declared, in words.
        seen: how many calls came that it is about.
        fired: how many of them it struck.
        withdrawn: whether it is no longer in force.
    """

    def __init__(self, spec: FaultSpec, origin: str, lock: Lock) -> None:
        super().__init__()
        self.spec = spec
        self.origin = origin
        self.seen = 0
        self.fired = 0
        self.withdrawn = False
        # Kept, since every call is held against it.
        self._selection = spec.selection
        # Why it did not strike the last call that it could have struck, in words.
        self._spared = ""
        # The threads in which its callback acts.
        self._acting: set[int] = set()
        self._lock = lock

    def __enter__(self) -> Self:
        """Return it: it is in force already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Withdraw it."""
        self.withdraw()

    def __repr__(self) -> str:
        """Show it as it was declared, and how often it fired."""
        return f"<{self.spec} fired {self.fired} times>"

    @property
    def _is_late(self) -> bool:
        """Whether a call first has its effect."""
        return self.spec.when == "after"

    def withdraw(self) -> None:
        """Let it strike no more; one that never fired still counts as such."""
        self.withdrawn = True

    def _is_about(self, call: Call) -> bool:
        """Tell whether it may strike a call."""
        return (
            not self.withdrawn and self._selection.matches(call) and threading.get_ident() not in self._acting
        )

    def _claim(self) -> bool:
        """Count one more strike, unless other threads' calls have used up its ``times``; tell which."""
        with self._lock:
            if self.spec.times is not None and self.fired >= self.spec.times:
                return False
            self.fired += 1
            return True

    def _before(
        self, call: Call, node: BehindDoor, door: Door, effect: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Do to a call what it is there for, unless the call has its effect first.

        Returns:
            The effect, or what answers in its place.

        Raises:
            BaseException: its error, that the node is down, or what its callback raises.
        """
        if self._is_late:
            return effect
        self._act(call, node, door)
        spec = self.spec
        if not spec.is_lie:
            return effect
        if call.method == "GetMigrationStatus":
            door.clock._poll()  # the call takes its time, whatever it says
        self._lie(call, door, DID_NOTHING if call.method in ALL_COMMANDS else "a lie")
        return partial(_ANSWERS[way_of(inspect.unwrap(effect))], spec.answer)

    def _after(self, call: Call, node: BehindDoor, door: Door, result: Any) -> Any:
        """Do the same to a call that has had its effect, and return what it answers."""
        if not self._is_late or not self._claim():
            return result
        self._act(call, node, door)
        if not self.spec.is_lie:
            return result
        self._lie(call, door, f"in truth {shown(result)}")
        return self.spec.answer

    def _lie(self, call: Call, door: Door, truth: str) -> None:
        call.lie = truth
        door.journal._lies[call.method, call.node, call.instance] = call

    def _act(self, call: Call, node: BehindDoor, door: Door) -> None:
        spec = self.spec
        call.fault = f"fault at {self.origin}{', after its effect' if self._is_late else ''}"
        if spec.delay:
            door.clock.sleep(spec.delay)
        if spec.crash in (True, node.name):
            node.crash()
        elif other := spec.crash and node._peer(str(spec.crash)):  # else it has left the cluster
            self._do(other.crash, call, door)
        if spec.do:
            self._do(partial(spec.do, call), call, door)
        text = f"Injected fault: {call.method} on {node.name}"
        error = made(spec.error, text) if isinstance(spec.error, type) else spec.error
        if isinstance(error, BaseException):
            call.error = error  # so the door knows that it is to be raised as it is
            raise error.with_traceback(None)  # else it would grow at each call
        if error is not None or spec.code is not None:
            failure = HypervisorError(text if error is None else error)
            failure.code = spec.number
            raise failure
        if spec.crash in (True, node.name):
            raise NodeDownError.of(node.name)
        if not (spec.delay or spec.crash or spec.do or spec.is_lie):
            raise HypervisorError(text)

    def _do(self, deed: Callable[[], object], call: Call, door: Door) -> None:
        """Do something that is no part of the call; calls that it makes are not struck by this fault."""
        thread = threading.get_ident()
        # It comes before what the call did next, but is no scenery, which comes before all calls.
        after = call.number if self._is_late else max(call.number - 1, door.journal._first)
        try:
            self._acting.add(thread)
            with door.within.aside(after):
                deed()
        finally:
            self._acting.discard(thread)


class Faults:
    """The fault rules of one cluster, and the one generator of its random decisions.

    Args:
        seed: where the generator begins; the same one makes the same decisions about the same calls. None
            for a fresh one.
        lock: the cluster's.

    Attributes:
        rules: every rule so far, in the order of their declaration.
    """

    def __init__(self, seed: int | None, lock: Lock) -> None:
        self._seed = seed
        self._made_in = current_example()
        self._random: random.Random | None = None
        self._began_in: Example | None = None
        self.rules: list[Fault] = []
        self._lock = lock

    @property
    def seed(self) -> int:
        """Where the generator begins; a fresh one is drawn when somebody needs it, as in few tests."""
        with self._lock:
            if self._seed is None:
                example = current_example()
                # What is there before an example may need a seed in one run of it, and have one in the next.
                is_its_own = example is not None and example is self._made_in
                self._seed = example.seed if example and is_its_own else fresh_seed()
            return self._seed

    def add(self, spec: FaultSpec, origin: str) -> Fault:
        """Put a rule in force, and say where it was declared."""
        fault = Fault(spec, origin, self._lock)
        with self._lock:
            if fault.spec.probability < 1:
                self._generator()
            self.rules.append(fault)
        return fault

    @property
    def is_random(self) -> bool:
        """Whether any rule leaves something to the generator."""
        return any(0 < fault.spec.probability < 1 for fault in self.rules)

    @property
    def every(self) -> list[Fault]:
        """Every rule so far, in the order of their declaration."""
        return list(self.rules)

    @property
    def unfired(self) -> list[Fault]:
        """The rules that had to fire, and never did."""
        return [fault for fault in self.rules if not fault.fired and not fault.spec.optional]

    @under_lock
    def choose(self, call: Call) -> Fault | None:
        """Return the rule that is to strike a call: the narrowest, and of several the one declared first."""
        matching = [each for each in self.rules if each._is_about(call)]
        for fault in matching:
            fault.seen += 1
        chosen: Fault | None = None
        # Sorting keeps the order of declaration among equals.
        for fault in sorted(matching, key=lambda each: -each._selection.narrowness):
            if chosen:
                fault._spared = f"{chosen.spec} struck instead"
            # A late one first waits for the effect, which may raise itself.
            elif self._is_due(fault) and (fault._is_late or fault._claim()):
                fault._spared = "the call itself raised"
                chosen = fault
        return chosen

    def _is_due(self, fault: Fault) -> bool:
        spec = fault.spec
        if fault.seen <= spec.after or (spec.times is not None and fault.fired >= spec.times):
            return False
        fault._spared = f"chance spared it, at a probability of {spec.probability:g}"
        return spec.probability == 1 or self._generator().random() < spec.probability

    def _generator(self) -> random.Random:
        """Return what decides. In each example that shares the cluster it begins anew.

        In other threads of an example it goes on.
        """
        example = current_example()
        if self._random is None or (example and example is not self._began_in):
            self._began_in = example
            self._random = random.Random(self.seed)  # noqa: S311  # nothing secret, and the same on every Python
        return self._random
