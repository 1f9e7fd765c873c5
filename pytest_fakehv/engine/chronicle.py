"""What happened beside the calls: where instances came and went, and what the test itself did."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Literal

from pytest_fakehv.engine.clock import Clock
from pytest_fakehv.engine.door import caller
from pytest_fakehv.engine.holds import Hold
from pytest_fakehv.engine.journal import Call, Journal
from pytest_fakehv.engine.locks import Lock

Change = Literal["running", "paused", "gone"]
"""What has become of an instance on a node."""

Deed = Literal[
    "add_instance",
    "add_node",
    "remove_node",
    "crash",
    "boot",
    "disconnect",
    "reconnect",
    "cancel_migration",
    "fail_migration",
    "complete_migration",
    "start_postcopy",
    "hold",
]
"""What a test does, by the name of the method that does it."""

CHANGES: Final = frozenset({"running", "paused", "gone"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A change of an instance, or a deed of the test.

    Attributes:
        after: how many calls had begun by then.
        call: the number of the call in which it came about; None for the test's own doing.
        time: when, in seconds of the cluster's clock.
        what: which change or deed.
        node: the name of the node where it came about; None for none.
        instance: the name of the instance that it is about; None for none.
        origin: file and line of the code that did a deed; None for a change.
        hold: the hold that a deed put in force.
    """

    after: int
    call: int | None
    time: Fraction
    what: Change | Deed
    node: str | None
    instance: str | None
    origin: tuple[str, int] | None = None
    hold: Hold | None = None

    @property
    def is_change(self) -> bool:
        """Whether it is a change of an instance."""
        return self.what in CHANGES


@dataclass
class Scene:
    """What is where at some moment.

    Attributes:
        instances: "running" or "paused", by node and instance.
        nodes: what is wrong with nodes: "down", "cut off" or "gone", by node; nothing for the others.
    """

    instances: dict[tuple[str, str], Change] = field(default_factory=dict)
    nodes: dict[str, set[str]] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Let an event come about."""
        if event.node is None:
            return
        if event.is_change and event.instance is not None:
            place = (event.node, event.instance)
            self.instances.pop(place, None)
            if event.what != "gone":
                self.instances[place] = event.what  # type: ignore[assignment]  # it is a change
            return
        troubles = self.nodes.setdefault(event.node, set())
        match event.what:
            case "crash":
                troubles.add("down")
            case "boot":
                troubles.discard("down")
            case "disconnect":
                troubles.add("cut off")
            case "reconnect":
                troubles.discard("cut off")
            case "remove_node":
                troubles.add("gone")
            case "add_node":
                troubles.clear()

    def copy(self) -> "Scene":
        """Return the same, to go on from."""
        return Scene({**self.instances}, {node: {*troubles} for node, troubles in self.nodes.items()})


class Chronicle:
    """The events of one cluster, from any thread. It goes back as far as the journal does.

    Args:
        clock: what says when.
        journal: what says after which call.
        current_call: returns the call that the asking thread is in, if any.
    """

    def __init__(self, clock: Clock, journal: Journal, current_call: Callable[[], Call | None]) -> None:
        self._clock = clock
        self._journal = journal
        self._current_call = current_call
        self._events: deque[Event] = deque()
        self._before = Scene()
        self._lock = Lock()

    def changed(self, node: str, instance: str, what: Change) -> None:
        """Note what has become of an instance on a node."""
        self._note(what, node, instance, None, None)

    def did(
        self, what: Deed, *, node: str | None = None, instance: str | None = None, hold: Hold | None = None
    ) -> None:
        """Note what the test has done, and where that stands."""
        self._note(what, node, instance, caller(), hold)

    def read(self) -> tuple[Scene, list[Event]]:
        """Return what was where before the first event that it still has, and the events in order."""
        with self._lock:
            self._forget()
            return self._before.copy(), list(self._events)

    def _note(
        self,
        what: Change | Deed,
        node: str | None,
        instance: str | None,
        origin: tuple[str, int] | None,
        hold: Hold | None,
    ) -> None:
        call = self._current_call()
        event = Event(
            after=self._journal.total if call is None else call.number,
            call=None if call is None else call.number,
            time=self._clock.exact_now,
            what=what,
            node=node,
            instance=instance,
            origin=origin,
            hold=hold,
        )
        with self._lock:
            self._events.append(event)
            self._forget()

    def _forget(self) -> None:
        """Keep no event from before the calls that the journal still has."""
        first = self._journal.first
        while self._events and self._events[0].after < first - 1:
            self._before.apply(self._events.popleft())
