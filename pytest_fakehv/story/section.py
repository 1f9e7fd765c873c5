"""The section on the fake nodes in the report of a failed test. Pure functions over data."""

import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.interface.objects import InstanceInfo, NodeInfo, less_used
from pytest_fakehv.judgement.messages import first_of_each, result_text, state_of
from pytest_fakehv.migration.record import Migration
from pytest_fakehv.story.timeline import Step, Timeline
from pytest_fakehv.text import printable

WIDTH: Final = 100
MOST_NODES: Final = 20
MOST_INSTANCES: Final = 20
MOST_MIGRATIONS: Final = 10
MOST_CALLS: Final = 10
"""How many of the last calls are listed; a timeline, whose lines are short, has twice as many."""

MOST_LANES: Final = 3
WIDEST_LANE: Final = 30

Paint = Callable[[str, Step], str]
"""Gives the text of a step its colour."""


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """What is known of a node without touching a file.

    Attributes:
        name: the node's name.
        info: its figures with nothing running on it; None for those of the machine that runs the test.
        overcommit: whether its instances may be given more memory than it has.
        unreachable: why no call reaches it; None if calls do.
        instances: the running and the paused instances there.
        malformed: the instances whose files can't be made sense of.
    """

    name: str
    info: NodeInfo | None
    overcommit: bool
    unreachable: str | None
    instances: Mapping[str, InstanceInfo]
    malformed: Sequence[str]


def section(
    nodes: Sequence[NodeView],
    *,
    migrations: Sequence[Migration],
    calls: Sequence[Call],
    total: int,
    timeline: Timeline,
    most_calls: int = MOST_CALLS,
) -> str:
    """Describe nodes, where instances are, migrations and the last calls, for the report of a failed test.

    The calls since which an invariant does not hold, and those about the same instance before and after each,
    are shown however long ago they were.

    Args:
        nodes: what is known of each.
        migrations: all of them, in order; the last few are shown.
        calls: the calls that are still known, in order.
        total: how many calls there were.
        timeline: what happened.
        most_calls: how many of the last calls are listed; like ones in a row count once.

    Returns:
        Lines of at most 100 columns, unless names are long.
    """
    lines = [line for node in _most_telling(nodes, calls) for line in _node_lines(node)]
    if len(nodes) > MOST_NODES:
        lines.append(f"and {len(nodes) - MOST_NODES} more nodes")
    if migrations:
        newest = migrations[-MOST_MIGRATIONS:]
        lines.append(_title("migrations", len(newest), len(migrations)))
        lines += [line for each in newest for line in _wrapped(str(each))]
    if not calls:
        return "\n".join([*lines, "no calls since the journal was cleared" if total else "no calls"])
    steps = timeline.steps
    named = {steps[index].last for index in _named_steps(timeline)}
    lines += timeline_lines(timeline, most_calls=most_calls)
    return "\n".join([*lines, *_call_lines(calls, total, named, most_calls)])


def _named_steps(timeline: Timeline) -> set[int]:
    """Return where the steps are that violations name, and those about the same instance beside each."""
    steps = timeline.steps
    found = set()
    for trouble in first_of_each(timeline.troubles):
        if trouble.step is None:
            continue
        instance = steps[trouble.step].instance
        about = [
            index
            for index, step in enumerate(steps)
            if step.count and step.mark != "gap" and step.instance == instance
        ]
        place = about.index(trouble.step)
        found |= {*about[max(0, place - 1) : place + 2]}
    return found


def _title(what: str, count: int, total: int) -> str:
    return f"{what}:" if count == total else f"{what}, the last {count} of {total}:"


def _most_telling(nodes: Sequence[NodeView], calls: Sequence[Call]) -> Sequence[NodeView]:
    """Choose which nodes to show: all, or those that were called last and then the first ones."""
    every = dict.fromkeys(node.name for node in nodes)
    called = [call.node for call in reversed(calls) if call.node in every]
    chosen = [*dict.fromkeys([*called, *every])][:MOST_NODES]
    return [node for node in nodes if node.name in chosen]


def _call_lines(calls: Sequence[Call], total: int, named: Collection[int], most: int) -> list[str]:
    """List the last calls and the named ones.

    Like ones in a row that worked make one line, with the last one's result.
    """
    places: list[range] = []  # from the last one on
    start = len(calls)
    while start and len(places) < most:
        places.append(_like_ones(calls, start - 1))
        start = places[-1].start
    for index in range(start - 1, -1, -1):
        if calls[index].number in named and index < places[-1].start:
            places.append(_like_ones(calls, index))
    is_tail = places[-1].start == start
    shown = sum(map(len, places))
    lines = [_title("calls", shown, total) if is_tail else f"calls, {shown} of {total}:"]
    groups = [calls[place.start : place.stop] for place in reversed(places)]
    spans = [
        f"{group[0].number}-{group[-1].number}" if group[1:] else str(group[0].number) for group in groups
    ]
    number = max(map(len, spans))
    node = max(len(group[0].node) for group in groups)
    before = groups[0][0].number - 1 if is_tail else 0
    for span, group in zip(spans, groups, strict=True):
        lines += _gap_lines(group[0].number - 1 - before)
        before = group[-1].number
        call = group[-1]
        text = f"{span:>{number}} {call.node:<{node}} {call} at {call.place}"
        lines += _wrapped(text, f"-> {result_text(call)}")
    return lines


def _like_ones(calls: Sequence[Call], index: int) -> range:
    """Return where the calls are that make one line with one of them."""
    key = _sameness(calls[index])
    first = last = index
    while first and _sameness(calls[first - 1]) == key:
        first -= 1
    while last + 1 < len(calls) and _sameness(calls[last + 1]) == key:
        last += 1
    return range(first, last + 1)


def _gap_lines(count: int) -> list[str]:
    return [f"  ... {count} call{'s' * (count != 1)} ..."] if count else []


def _sameness(call: Call) -> tuple[object, ...]:
    """Return what calls have in common that make one line."""
    alone = call.number if call.error or not call.ended else None
    return call.node, str(call), call.place, alone


def timeline_lines(
    timeline: Timeline,
    paint: Paint = lambda text, _step: text,
    *,
    most_calls: int = MOST_CALLS,
) -> list[str]:
    """Print a timeline's last steps, a column for each node; nothing where a single node was called.

    With too many nodes for columns, each call names its node.

    Args:
        timeline: which.
        paint: gives the text of a step its colour.
        most_calls: how many of the last calls are listed beside it: it has twice as many steps, and what
            violations name.

    Returns:
        Lines of at most 100 columns, before they are painted.
    """
    steps = timeline.steps
    calls = [index for index, step in enumerate(steps) if step.count]
    called = {steps[index].node for index in calls if steps[index].mark != "gap"}
    if len(called) <= 1:
        return []
    lanes = [lane.name for lane in timeline.lanes if lane.name in called]
    one_lane = len(lanes) > MOST_LANES or len(lanes) < len(called)
    # What the test does before the first call sets the scene; after the last one, the nodes' lines say it.
    every = range(calls[0], calls[-1] + 1)
    shown = {*every[-2 * most_calls :], *_named_steps(timeline)}
    shown -= {index for index in shown if steps[index].mark == "gap"}
    is_tail = len(shown) == every.stop - min(shown)
    rows = [steps[index] for index in sorted(shown)]
    names = {row.instance for row in rows}
    time_width = max(len(f"{row.time:g} s") for row in rows)
    # Where all are about one instance, it is said once.
    name_width = 0 if len(names) == 1 else min(12, max(len(printable(name)) for name in names))
    name_room = name_width + 1 if name_width else 0
    lane_width = (WIDTH - 2 - time_width - 1 - name_room) // (1 if one_lane else len(lanes)) - 1
    if not one_lane:
        lane_width = min(lane_width, WIDEST_LANE)
    part = ""
    if not is_tail:
        part = f", {sum(row.count for row in rows)} of {timeline.calls} calls"
    elif len(shown) < len(every):
        part = f", the last {sum(row.count for row in rows)} calls"
    lines = [_timeline_title(rows, names, part)]
    if not one_lane:
        head = "".join(f" {_cut(name, lane_width):<{lane_width}}" for name in lanes)
        lines.append(f"  {'':>{time_width}}{'':<{name_room}}{head}".rstrip())
    left_out = 0
    for index in every[-len(shown) :] if is_tail else every:
        row = steps[index]
        if index not in shown:
            left_out += row.count
            continue
        lines += _gap_lines(left_out)
        left_out = 0
        text = _step_text(row)
        if one_lane and row.node:
            text = f"{row.node} {text}"
        place = lanes.index(row.node) if not one_lane and row.node in lanes else 0
        name = f" {_cut(printable(row.instance), name_width):<{name_width}}" if name_width else ""
        time = f"{row.time:g} s"
        before = f"  {time:>{time_width}}{name} {'':<{place * (lane_width + 1)}}"
        lines.append(before + paint(_cut(text, lane_width), row))
    return [*lines, *_gap_lines(left_out)]


def _timeline_title(rows: Sequence[Step], names: Collection[str], part: str) -> str:
    whose = f" of {printable(next(iter(names)))}" if len(names) == 1 and "" not in names else ""
    test = ", * for what the test did" if any(not row.count for row in rows) else ""
    return f"timeline{whose}{part}, ! for a call that raised{test}:"


def _step_text(step: Step) -> str:
    if not step.count:
        return f"*{step.what}"
    return f"{'!' if step.raised else ''}{step.what}{f' x{step.count}' if step.count > 1 else ''}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}~"


def _wrapped(*parts: str) -> list[str]:
    """Put parts on one line, or each on lines of its own, indented."""
    line = f"  {' '.join(parts)}"
    if len(line) <= WIDTH:
        return [line]
    return [
        line
        for number, part in enumerate(parts)
        for line in textwrap.wrap(
            part,
            WIDTH,
            initial_indent="      " if number else "  ",
            subsequent_indent="         ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _node_lines(node: NodeView) -> list[str]:
    if node.info is None:
        head = f"{printable(node.name)}: the size of this machine"
    else:
        info, used = node.info, sum(each.memory for each in node.instances.values())
        surplus = used - info["memory_free"]
        free = f"{less_used(info, used)['memory_free']} of {info['memory_total']} MiB free"
        head = (
            f"{printable(node.name)}: {free}{f', overcommitted by {surplus} MiB' if surplus > 0 else ''}, "
            f"{info['cpu_total']} CPUs{'' if node.overcommit else ', no overcommit'}"
        )
    if node.unreachable:
        head += f", {node.unreachable}"
    malformed = [f"  {printable(name)} malformed or unreadable file" for name in node.malformed]
    if not node.instances:
        return [f"{head}, no instances", *malformed]
    shown_ones = list(node.instances.values())[:MOST_INSTANCES]
    width = max(len(printable(each.name)) for each in shown_ones)
    lines = [
        f"  {printable(each.name):<{width}} {state_of(each)}, {each.memory} MiB, {each.vcpus} vcpus"
        for each in shown_ones
    ]
    left_out = len(node.instances) - len(shown_ones)
    return [head, *lines, *([f"  and {left_out} more instances"] if left_out else []), *malformed]
