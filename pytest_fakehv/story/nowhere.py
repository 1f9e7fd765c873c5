"""What runs nowhere any more, in words: what took each away."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from pytest_fakehv.text import listed, place_text, printable

if TYPE_CHECKING:
    from pytest_fakehv.calls.journal import Call
    from pytest_fakehv.story.chronicle import Event
    from pytest_fakehv.story.section import NodeView

MOST: Final = 8

_TAKES_AWAY: Final = frozenset({"crash", "kill", "fail_migration"})
"""What the test does by which an instance may end."""


def told(
    nodes: Sequence["NodeView"],
    calls: Sequence["Call"],
    events: Sequence["Event"],
    involved: Collection[str],
) -> list[str]:
    """Tell of each instance that is gone since which call, or what the test did; of many, of the last ones.

    Args:
        nodes: all nodes, with what is there.
        calls: the calls that are still known.
        events: what happened beside the calls, in order.
        involved: the names of the instances that what went wrong is about, which come first.
    """
    gone: dict[str, int] = {}
    for index, event in enumerate(events):
        if event.is_change and event.instance is not None:
            gone.pop(event.instance, None)
            if event.what == "gone":
                gone[event.instance] = index
    names = [
        name for name in gone if not any(name in node.instances or name in node.malformed for node in nodes)
    ]
    names.sort(key=lambda name: (name in involved, gone[name]))
    numbers = {call.number: call for call in calls}
    last, others = names[-MOST:], names[:-MOST]
    lines = [f"{printable(name)}, {_why(gone[name], numbers, events)}" for name in last]
    return [*lines, *([f"and {len(others)} more: {listed(others)}"] if others else [])]


def _why(index: int, calls: "dict[int, Call]", events: Sequence["Event"]) -> str:
    event = events[index]
    node, call = printable(event.node or ""), calls.get(event.call or 0)
    number = "" if event.call is None else f"call {event.call}"
    where = f", {call} on {call.node} at {printable(call.place)}" if call else ""
    later = (each for each in events[index:] if not each.is_change and each.call == event.call)
    deed = next(later, None)
    if deed is None or not _has_taken(deed, event):
        return f"since {number}{where}" if number else f"which was on {node}"
    at = f" in {number}{where}" if number else f" at {printable(place_text(*deed.origin or ('', 0)))}"
    return f"since {deed.what} {'on' if deed.instance else 'of'} {node}{at}"


def _has_taken(deed: "Event", change: "Event") -> bool:
    """Tell whether the next deed that was noted after a change brought it about: no call came in between."""
    is_about_it = deed.instance == change.instance if deed.instance else deed.node == change.node
    return is_about_it and deed.after == change.after and deed.what in _TAKES_AWAY
