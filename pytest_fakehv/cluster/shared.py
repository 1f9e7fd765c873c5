"""What the nodes of one cluster have in common; a node on its own has it for itself."""

from typing import TYPE_CHECKING, Protocol

from pytest_fakehv.calls.clock import Clock, ClockMode, TimeFunction
from pytest_fakehv.calls.door import Door
from pytest_fakehv.calls.faults import Faults
from pytest_fakehv.checks import LARGEST_AMOUNT, check_amount
from pytest_fakehv.cluster.limits import Limits
from pytest_fakehv.judgement.crowd import Crowd
from pytest_fakehv.judgement.invariants import Watcher
from pytest_fakehv.judgement.ledger import Ledger
from pytest_fakehv.migration.traffic import Traffic
from pytest_fakehv.storage.locks import Lock
from pytest_fakehv.story.chronicle import Chronicle

if TYPE_CHECKING:
    from pytest_fakehv.interface.objects import InstanceSpec
    from pytest_fakehv.judgement.violations import Invariant, Violation


class Front(Protocol):
    """What stands in front of a cluster for other people's programs, as the cluster knows it."""

    def check(self, spec: "InstanceSpec") -> None:
        """Refuse what an instance is declared with for such a front, if it is wrong.

        Raises:
            DeclarationError: it is; the message says what.
        """

    def booted(self, node: str) -> None:
        """Hear that a node has come up; under no lock."""

    def reset(self, node: str) -> None:
        """Hear that a node has gone down and come up at once; under no lock."""

    def orphans(self) -> "list[Violation]":
        """Return which volumes programs have made and left; under the cluster's lock."""

    def settle(self) -> None:
        """Wait for what is still done of calls whose clients are gone, but not for long; under no lock."""


class Shared:
    """One lock, one clock, one door, one account of everything.

    Whatever changes or judges a cluster does so under its lock, beside which there is only the kernel's on
    a root directory, always taken after it. It is taken inside our own methods, and never around code that
    isn't ours (a subclass's override, a fault's callback, a driver), nor while a call is held or delayed: so
    no order of locks can deadlock. It is taken by ``with`` alone, which CPython does in one go from 3.11 to
    3.13: an exception from a signal's handler, at any instruction, leaves it open.

    Args:
        clock: what makes the time go.
        seed: of the random faults; None for a fresh one.
        max_calls: as in `Limits`, and so ``max_time``; a node on its own, perhaps of no test, has none.
        max_time: see there.

    Attributes:
        lock: the one lock.
        clock: the time.
        faults: the fault rules.
        door: what all calls pass.
        traffic: the migrations.
        chronicle: where instances came and went, and what the test did.
        watcher: where instances run, and what is wrong with that.
        ledger: what a front's migrations have left behind.
        crowd: how many migrations each node has.
        limits: what ends a test that would never end.
        declared: the instances that the test has declared, by name.
        placed: how often it has declared one on a node.
        hanging: where the test let a guest hang, in words, by the names of its node and of the instance.
        allowed: which invariants need not hold, each with the name of the instance, or of the volume; None
            for any, and for none.
        forbidden: which invariants are to hold that need not unless that is asked for.
        orphans: what fronts that are closed have left behind.
        fronts: what stands in front of the cluster.
        told: which violations were there when somebody last asked for news, and what `pulse` was then.
    """

    def __init__(
        self,
        clock: ClockMode | TimeFunction,
        seed: int | None,
        *,
        max_calls: int = LARGEST_AMOUNT,
        max_time: float = LARGEST_AMOUNT,
    ) -> None:
        if seed is not None:
            check_amount("seed", seed, least=0)
        self.lock = Lock()
        self.clock = Clock(clock, self.lock)
        self.faults = Faults(seed, self.lock)
        self.door = Door(self.clock, self.faults.rules, self.faults.choose)
        self.traffic = Traffic(self.clock, self.lock)
        self.chronicle = Chronicle(self.door, self.lock)
        self.watcher = Watcher(self.traffic, self.door.journal, lambda: self.door.current_call, self.lock)
        self.ledger = Ledger(lambda: self.door.current_call, self.lock)
        self.crowd = Crowd(self.traffic, self.watcher, lambda: self.door.current_call)
        self.traffic.on_loss = self.watcher.lost
        self.traffic.on_pause = lambda node, instance, state: self.chronicle.changed(
            node, instance, state, self.door.current_call
        )
        self.limits = Limits(
            max_calls,
            max_time,
            journal=self.door.journal,
            clock=self.clock,
            traffic=self.traffic,
            faults=self.faults,
        )
        self.declared: dict[str, InstanceSpec] = {}
        self.placed = 0
        self.hanging: dict[tuple[str, str], str] = {}
        self.allowed: set[tuple[Invariant, str | None]] = set()
        self.forbidden: set[Invariant] = set()
        self.orphans: list[Violation] = []
        self.fronts: list[Front] = []
        self.told: tuple[frozenset[object], object] = frozenset(), None

    @property
    def pulse(self) -> object:
        """Something that moves whenever a call or a deed of the test does anything."""
        return (
            self.door.journal.total,
            self.watcher.events,
            self.chronicle.deeds,
            len(self.faults.rules),
            len(self.clock._events.every),
            self.clock.advanced,
        )

    def look(self) -> None:
        """Let what is due come about before somebody looks; the calls of the interface do so themselves."""
        if self.door.current_call is None:
            self.clock._look()
            if all(each.is_over for each in self.door.holds):  # else the test wants to see what is half done
                for front in self.fronts.copy():
                    front.settle()
