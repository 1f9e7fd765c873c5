"""Faults: which calls fail, how and when, as a test wants it."""

import dataclasses
import random
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, get_args

from pytest_fakehv.calls.clock import Clock
from pytest_fakehv.calls.door import BehindDoor
from pytest_fakehv.calls.journal import Call
from pytest_fakehv.calls.proxies import Referent
from pytest_fakehv.calls.seeds import Example, current_example, fresh_seed
from pytest_fakehv.calls.selection import Phase, Selection, Side, StepOptions
from pytest_fakehv.checks import DeclarationError, check_amount, check_choice, check_number
from pytest_fakehv.interface.errors import HypervisorError, NodeDownError
from pytest_fakehv.storage.locks import Lock, under_lock
from pytest_fakehv.text import shown, shown_arguments

__tracebackhide__ = True  # a fault is shown at the line that made the call

When = Literal["before", "after"]


class FaultOptions(StepOptions, total=False):
    """The keywords of `FaultSpec` but which node and instance it is about, for what hands them on to it."""

    error: str | BaseException | type[BaseException] | None
    when: When
    after: int
    times: int | None
    probability: float
    delay: float
    crash: bool
    optional: bool


@dataclass(frozen=True)
class FaultSpec:
    """What goes wrong with which calls.

    Args:
        method: the interface method's name; "*" for every one.
        node: as in `Selection`, and so ``instance``, ``phase`` and ``side``.
        instance: see there.
        phase: see there.
        side: see there.
        error: what the call raises: a text for a `HypervisorError`, an exception, or its class; None for
            a `HypervisorError` that says where the fault is from, unless there is a delay or a crash.
        when: "before" the call has its effect, which it then hasn't; or "after" it.
        after: how many such calls pass first.
        times: how many fail then; None for all.
        probability: how likely each of those fails, from 0 to 1.
        delay: how long the call takes first, in seconds of the clock.
        crash: whether the node goes down; the call then raises `NodeDownError`, unless there is an error.
        optional: whether it may never fire.

    Raises:
        DeclarationError: an argument is wrong, or two contradict each other; the message names them.
    """

    method: str
    _: dataclasses.KW_ONLY
    node: str | None = None
    instance: str | None = None
    phase: Phase | None = None
    side: Side | None = None
    error: str | BaseException | type[BaseException] | None = None
    when: When = "before"
    after: int = 0
    times: int | None = None
    probability: float = 1
    delay: float = 0
    crash: bool = False
    optional: bool = False

    def __post_init__(self) -> None:
        """Check every argument."""
        for key in ("node", "instance"):
            object.__setattr__(self, key, getattr(self.selection, key))  # which checks them
        if isinstance(self.error, type) and issubclass(self.error, BaseException):
            _made(self.error, "")
        elif not isinstance(self.error, str | BaseException | None):
            raise DeclarationError(
                f"error must be a text, an exception or a class of exceptions, not {shown(self.error)}"
            )
        check_choice("when", self.when, get_args(When))
        check_amount("after", self.after, least=0)
        if self.times is not None:
            check_amount("times", self.times)
        check_number("probability", self.probability, most=1)
        check_number("delay", self.delay)
        for key in ("crash", "optional"):
            check_choice(key, getattr(self, key), (True, False))

    @property
    def selection(self) -> Selection:
        """Which calls it is about."""
        return Selection(
            method=self.method, node=self.node, instance=self.instance, phase=self.phase, side=self.side
        )

    def __str__(self) -> str:
        """Show it as it was declared."""
        return f"fault({shown_arguments(self)})"


def _made(cls: type[BaseException], text: str) -> BaseException:
    """Make an exception of a class, with a text where it takes one."""
    for arguments in ((text,), ()):
        try:
            return cls(*arguments)
        except TypeError:
            continue
    raise DeclarationError(f"error: a {cls.__name__} needs arguments; give one that is made already")


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

    def _gave(self, error: BaseException) -> bool:
        """Tell whether an error is one that it was given, or of the class that it was given."""
        return error is self.spec.error or type(error) is self.spec.error

    def withdraw(self) -> None:
        """Let it strike no more; one that never fired still counts as such."""
        self.withdrawn = True

    def _claim(self) -> bool:
        """Count one more strike, unless other threads' calls have used up its ``times``; tell which."""
        with self._lock:
            if self.spec.times is not None and self.fired >= self.spec.times:
                return False
            self.fired += 1
            return True

    def _strike(self, call: Call, node: BehindDoor, clock: Clock) -> None:
        """Do to a call what it is there for.

        Raises:
            BaseException: its error, or that the node is down.
        """
        spec = self.spec
        if self._is_late and not self._claim():
            return
        call.fault = f"fault at {self.origin}{', after its effect' if self._is_late else ''}"
        if spec.delay:
            clock.sleep(spec.delay)
        if spec.crash:
            node.crash()
        if isinstance(spec.error, BaseException):
            raise spec.error.with_traceback(None)  # else it would grow at each call
        text = f"Injected fault: {call.method} on {node.name}"
        if isinstance(spec.error, type):
            raise _made(spec.error, text)
        if spec.error is not None:
            raise HypervisorError(spec.error)
        if spec.crash:
            raise NodeDownError.of(node.name)
        if not spec.delay:
            raise HypervisorError(text)


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
        matching = [each for each in self.rules if not each.withdrawn and each._selection.matches(call)]
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
