"""What happened beside the calls: where instances came and went, and what the test itself did."""

from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from pytest_fakehv.calls.callers import caller
from pytest_fakehv.calls.door import Door
from pytest_fakehv.calls.holds import Hold
from pytest_fakehv.calls.journal import Call
from pytest_fakehv.storage.locks import Lock, under_lock

Change = Literal["running", "paused", "resumed", "gone"]
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
    "kill",
    "pause",
    "resume",
    "hang",
    "hold",
]
"""What a test does, by the name of the method that does it."""

CHANGES: Final = frozenset({"running", "paused", "resumed", "gone"})

_EARLIER: Final[dict[str, Literal["running", "paused"]]] = {
    "gone": "running",  # unless it is known to have been paused
    "paused": "running",
    "resumed": "paused",
}
"""What an instance was before a change; nothing before it ran."""

_FEW: Final = 1000

_Changed = tuple[Call, str, str, Change]
"""A change in a call, with node and instance: on the way of calls there is no time for more."""


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
    time: float
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
        instances: "running" or "paused", by node and instance; only those of which there is an event.
        nodes: what is wrong with nodes: "down", "cut off" or "gone", by node; nothing for the others.
    """

    instances: dict[tuple[str, str], Literal["running", "paused"]] = field(default_factory=dict)
    nodes: dict[str, set[str]] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Let an event befall its node."""
        if event.node is None or event.is_change:
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
        """Return the same nodes, to go on from."""
        return Scene(nodes={node: {*troubles} for node, troubles in self.nodes.items()})


class Listener(Protocol):
    """Who is told of events as they come about, under the cluster's lock."""

    def changed(self, node: str, instance: str, what: Change, call: Call | None) -> None:
        """Hear what has become of an instance on a node, by a call or by none."""

    def ballooned(self, node: str, instance: str) -> None:
        """Hear that an instance on a node was given other memory, or CPUs."""

    def befell(self, node: str, what: Deed) -> None:
        """Hear what the test has done to a node."""


class Chronicle:
    """The events of one cluster, from any thread. It goes back as far as the journal does.

    Of what the test sets up first there is no event: a node knows what runs on it.

    Args:
        door: what the calls pass: it knows after which one, or in which one, something came about.
        lock: the cluster's.

    Attributes:
        deeds: how many the test has done.
        listeners: who is told of each event.
    """

    def __init__(self, door: Door, lock: Lock) -> None:
        self._door = door
        self.deeds = 0
        self.listeners: list[Listener] = []
        self._events: list[Event | _Changed] = []  # as the journal's, also added to without the lock
        self._before = Scene()
        self._paused_before: set[tuple[str | None, str | None]] = set()  # by node and instance
        self._many = _FEW
        self._lock = lock

    def changed(self, node: str, instance: str, what: Change, call: Call | None) -> None:
        """Note what has become of an instance on a node, by a call or by none."""
        events = self._events
        if call:
            events.append((call, node, instance, what))
            if len(events) > self._many:
                self._forget()
        elif what != "running" or not self._is_first:
            self._note(what, node, instance, None, None)
        if self.listeners:
            self._let_hear(node, instance, what, call)

    def _let_hear(self, node: str, instance: str, what: Change, call: Call | None) -> None:
        for each in self.listeners:
            each.changed(node, instance, what, call)

    def ballooned(self, node: str, instance: str) -> None:
        """Let those hear who want to that an instance on a node was given other memory, or CPUs."""
        for each in self.listeners:
            each.ballooned(node, instance)

    def did(
        self, what: Deed, *, node: str | None = None, instance: str | None = None, hold: Hold | None = None
    ) -> None:
        """Note what the test has done, and where that stands."""
        self.deeds += 1
        if what != "add_instance" or not self._is_first:
            self._note(what, node, instance, caller(1), hold)
        if node is not None and instance is None:
            self._tell_of(node, what)

    @under_lock
    def _tell_of(self, node: str, what: Deed) -> None:
        for each in self.listeners:
            each.befell(node, what)

    def read(self) -> tuple[Scene, list[Event]]:
        """Return what was where before the first event that it still has, and the events in order."""
        self._forget()
        with self._lock:
            scene, noted, paused = self._before.copy(), self._events.copy(), self._paused_before.copy()
        seen: set[tuple[str, str]] = set()
        events = [each if isinstance(each, Event) else _event(*each) for each in noted]
        for event in events:
            if event.is_change and event.node is not None and event.instance is not None:
                place = (event.node, event.instance)
                if place not in seen and event.what in _EARLIER:
                    was_paused = event.what == "gone" and place in paused
                    scene.instances[place] = "paused" if was_paused else _EARLIER[event.what]
                seen.add(place)
        return scene, events

    @property
    def _is_first(self) -> bool:
        return not self._events and not self._door.journal.total

    def _note(
        self,
        what: Change | Deed,
        node: str | None,
        instance: str | None,
        origin: tuple[str, int] | None,
        hold: Hold | None,
    ) -> None:
        call = self._door.current_call
        event = Event(
            after=self._door.calls_before if call is None else call.number,
            call=None if call is None else call.number,
            time=self._door.clock.now,
            what=what,
            node=node,
            instance=instance,
            origin=origin,
            hold=hold,
        )
        self._events.append(event)
        if len(self._events) > self._many:
            self._forget()

    @under_lock
    def _forget(self) -> None:
        """Keep no event from before the calls that the journal still has."""
        first, gone = self._door.journal._first, 0
        while gone < len(self._events):
            oldest = self._events[gone]
            if (oldest.after if isinstance(oldest, Event) else oldest[0].number) >= first - 1:
                break
            gone += 1
            what: Change | Deed
            if isinstance(oldest, Event):
                self._before.apply(oldest)
                place, what = (oldest.node, oldest.instance), oldest.what
            else:
                place, what = oldest[1:3], oldest[3]
            if what == "paused":
                self._paused_before.add(place)
            elif what in CHANGES:
                self._paused_before.discard(place)
        del self._events[:gone]
        self._many = 2 * len(self._events) + _FEW


def _event(call: Call, node: str, instance: str, what: Change) -> Event:
    return Event(after=call.number, call=call.number, time=call.time, what=what, node=node, instance=instance)
