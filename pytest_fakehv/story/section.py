"""The section on the fake nodes in the report of a failed test. Pure functions over data."""

import textwrap
from bisect import bisect, bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.interface.objects import InstanceInfo, NodeInfo, less_used
from pytest_fakehv.judgement.messages import first_of_each, result_text, state_of
from pytest_fakehv.migration.record import Migration
from pytest_fakehv.story.choice import by_turns, newest_first
from pytest_fakehv.story.labels import short_names
from pytest_fakehv.story.timeline import Step, Timeline
from pytest_fakehv.text import listed, printable

WIDTH: Final = 100
MOST_NODES: Final = 20
MOST_INSTANCES: Final = 20
MOST_MIGRATIONS: Final = 10
MOST_CALLS: Final = 10
"""How many of the last calls are listed; a timeline, whose lines are short, has twice as many."""

MOST_LANES: Final = 3
WIDEST_LANE: Final = 30
LONGEST_NAME: Final = 12

_TAKES_ALL: Final = "PowercycleNode"
"""The call after which nothing runs on its node: it is never left out, as one that raised."""

Paint = Callable[[str, Step], str]
"""Gives the text of a step its colour."""


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """What is known of a node without touching a file.

    Attributes:
        name: the node's name.
        info: its figures with nothing running on it; None for those of the machine that runs the test.
        overcommit: whether its instances may be given more memory than it has.
        max_migrations: how many migrations it takes at once; None for any number.
        unreachable: why no call reaches it; None if calls do.
        instances: the running and the paused instances there.
        malformed: the instances whose files can't be made sense of.
    """

    name: str
    info: NodeInfo | None
    overcommit: bool
    max_migrations: int | None
    unreachable: str | None
    instances: Mapping[str, InstanceInfo]
    malformed: Sequence[str]

    @property
    def refusals(self) -> str:
        """What it refuses, to stand behind its size."""
        told = "" if self.overcommit else ", no overcommit"
        most = self.max_migrations
        return told if most is None else f"{told}, at most {most} migration{'' if most == 1 else 's'} at once"


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
    lines = _nodes_lines(nodes, calls, timeline)
    lines += _listed("running nowhere any more:", timeline.nowhere)
    lines += _migration_lines(migrations, timeline.involved)
    lines += _listed("scripts and faults:", timeline.rules)
    if not calls:
        return "\n".join([*lines, "no calls since the journal was cleared" if total else "no calls"])
    lines += timeline_lines(timeline, most_calls=most_calls)
    return "\n".join([*lines, *_call_lines(calls, total, timeline, most_calls)])


def _listed(title: str, texts: Sequence[str]) -> list[str]:
    return [title, *(line for each in texts for line in _wrapped(each))] if texts else []


def _migration_lines(migrations: Sequence[Migration], involved: Collection[str]) -> list[str]:
    """List the migrations; of many, those that are about what went wrong, and the last ones."""
    kinds: dict[Hashable, list[int]] = defaultdict(list)
    for index, each in enumerate(migrations):
        if each.outcome != "completed" or each.lie:
            kinds[each.outcome, each.lie].append(index)
        elif each.instance in involved:
            kinds[None].append(index)
    every = range(len(migrations))
    if len(migrations) <= MOST_MIGRATIONS or not kinds:
        chosen = {*every[-MOST_MIGRATIONS:]}
    else:
        chosen = {*by_turns(kinds, MOST_MIGRATIONS)}
    if not chosen:
        return []
    is_tail = chosen == {*every[-len(chosen) :]}
    title = f"migrations, {len(chosen)} of {len(migrations)}:"
    lines = [_title("migrations", len(chosen), len(migrations)) if is_tail else title]
    for is_shown, run in groupby(every[min(chosen) :] if is_tail else every, key=chosen.__contains__):
        indexes = list(run)
        if is_shown:
            lines += [line for index in indexes for line in _wrapped(str(migrations[index]))]
        else:
            others = sum(migrations[index].outcome != "completed" for index in indexes)
            lines += _gap_lines(
                len(indexes), "migration", f"{others} of which did not complete" if others else ""
            )
    return lines


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
        place = bisect_left(about, trouble.step)
        found |= {*about[max(0, place - 1) : place + 2]}
    return found


def _title(what: str, count: int, total: int) -> str:
    return f"{what}:" if count == total else f"{what}, the last {count} of {total}:"


def _call_lines(calls: Sequence[Call], total: int, timeline: Timeline, most: int) -> list[str]:
    """List the named calls, those that raised or that a fault struck, and as many more as wanted.

    Like ones in a row make one line, with the last one's result.
    """
    groups = _chosen(calls, timeline, most)
    shown = sum(map(len, groups))
    is_tail = groups[0][0].number + shown - 1 == calls[-1].number
    broken = {timeline.steps[each.step].last for each in timeline.troubles if each.step is not None}
    title = _title("calls", shown, total) if is_tail else f"calls, {shown} of {total}:"
    lines = [f"{title[:-1]}, > for one that broke an invariant:" if broken else title]
    numbers = [call.number for call in calls if call.error is not None]
    spans = [
        f"{group[0].number}-{group[-1].number}" if group[1:] else str(group[0].number) for group in groups
    ]
    number = max(map(len, spans))
    node = max(len(group[0].node) for group in groups)
    before = groups[0][0].number - 1 if is_tail else 0
    for span, group in zip(spans, groups, strict=True):
        raised = bisect(numbers, group[0].number - 1) - bisect(numbers, before)
        lines += _gap_lines(
            group[0].number - 1 - before, "call", f"{raised} of which raised" if raised else ""
        )
        before = group[-1].number
        call = group[-1]
        text = f"{span:>{number}} {call.node:<{node}} {call} at {printable(call.place)}"
        first, *rest = _wrapped(text, f"-> {_at_last(group)}{result_text(call)}")
        is_broken = any(each.number in broken for each in group)
        lines += [f"> {first.removeprefix('  ')}" if is_broken else first, *rest]
    return lines


def _at_last(group: Sequence[Call]) -> str:
    """Return what to say before the last one's result, where others had other ones."""
    return "at last " if len({*map(result_text, group)}) > 1 else ""


def _chosen(calls: Sequence[Call], timeline: Timeline, most: int) -> list[Sequence[Call]]:
    """Choose the calls to list; those that make one line are together."""
    places: dict[int, range] = {}  # by their first call

    covered: set[int] = set()

    def take(indexes: Iterable[int], count: int) -> None:
        for index in indexes:
            if len(places) >= count:
                break
            if index not in covered:
                place = _like_ones(calls, index)
                places[place.start] = place
                covered.update(place)

    named = {timeline.steps[index].last for index in _named_steps(timeline)}
    kinds: dict[Hashable, list[int]] = defaultdict(list)
    for index, call in enumerate(calls):
        if call.error is not None or call.fault or call.method == _TAKES_ALL:
            kinds[call.method, call.node, type(call.error).__name__, call.fault].append(index)
    instances = [printable(call.instance or "") for call in calls]
    take((index for index, call in enumerate(calls) if call.number in named), len(calls))
    take(by_turns(kinds, most), len(calls))
    take(newest_first(instances, timeline.involved), len(places) + most)
    # What is left out alone needs no less room than itself.
    ends = covered | {-1, len(calls)}
    take((index for index in range(len(calls)) if {index - 1, index + 1} <= ends), len(calls))
    return [calls[places[start].start : places[start].stop] for start in sorted(places)]


def _like_ones(calls: Sequence[Call], index: int) -> range:
    """Return where the calls are that make one line with one of them."""
    key = _sameness(calls[index])
    first = last = index
    while first and _sameness(calls[first - 1]) == key:
        first -= 1
    while last + 1 < len(calls) and _sameness(calls[last + 1]) == key:
        last += 1
    return range(first, last + 1)


def _gap_lines(count: int, what: str = "call", which: str = "") -> list[str]:
    return [f"  ... {count} {what}{'s' * (count != 1)}{f', {which}' if which else ''} ..."] if count else []


def _sameness(call: Call) -> tuple[object, ...]:
    """Return what calls have in common that make one line."""
    is_told = call.error is not None or call.fault
    outcome = result_text(call) if is_told else call.ended or call.number
    return call.node, str(call), call.place, outcome


def timeline_lines(
    timeline: Timeline,
    paint: Paint = lambda text, _step: text,
    *,
    most_calls: int = MOST_CALLS,
) -> list[str]:
    """Print a timeline's last steps, a column for each node; nothing where that would be a list of calls.

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
    every = _since_the_first_call(timeline)
    acted_on = {steps[index].node for index in every if steps[index].mark != "gap"}
    if len(acted_on) <= 1 and not any(steps[index].deeds for index in every):
        return []
    lanes = [lane.name for lane in timeline.lanes if lane.name in acted_on]
    one_lane = len(lanes) > MOST_LANES or len(lanes) < len(acted_on - {""})
    shown = _shown_steps(timeline, every, most_calls)
    rows = [steps[index] for index in sorted(shown)]
    names = {row.instance for row in rows if row.count or row.instance}
    time_width = max(len(f"{row.time:g} s") for row in rows)
    # Where all are about one instance, it is said once.
    name_width = 0 if len(names) == 1 else min(LONGEST_NAME, max(map(len, names)))
    name_room = name_width + 1 if name_width else 0
    lane_width = (WIDTH - 2 - time_width - 1 - name_room) // (1 if one_lane else len(lanes)) - 1
    if not one_lane:
        lane_width = min(lane_width, WIDEST_LANE)
    left_out = [steps[index] for index in every if index not in shown]
    is_tail = len(shown) == every.stop - min(shown) and not any(row.raised or row.deeds for row in left_out)
    part = ""
    if not is_tail:
        part = f", {sum(row.count for row in rows)} of {timeline.calls} calls"
    elif left_out:
        part = f", the last {sum(row.count for row in rows)} calls"
    lines = [_timeline_title(rows, names, part)]
    if not one_lane:
        heads = short_names(lanes, lane_width, "~")
        head = "".join(f" {heads[name]:<{lane_width}}" for name in lanes)
        lines.append(f"  {'':>{time_width}}{'':<{name_room}}{head}".rstrip())
    short = short_names({*names, ""}, name_width, "~")
    for is_shown, run in groupby(every[min(shown) - every.start :] if is_tail else every, shown.__contains__):
        if not is_shown:
            lines += _gap_lines_of([steps[index] for index in run])
            continue
        for row in map(steps.__getitem__, run):
            text = _step_text(row)
            if one_lane and row.node:
                text = f"{row.node} {text}"
            place = lanes.index(row.node) if not one_lane and row.node in lanes else 0
            name = f" {short[row.instance]:<{name_width}}" if name_width else ""
            time = f"{row.time:g} s"
            before = f"  {time:>{time_width}}{name} {'':<{place * (lane_width + 1)}}"
            lines.append(before + paint(_cut(text, lane_width), row))
    return lines


def _since_the_first_call(timeline: Timeline) -> range:
    """Return where the steps are that tell something: what the test does before any call sets the scene.

    But where it took away what went wrong then, or nodes that it brings back later, one would miss that; and
    of a guest that it let hang nothing else tells.
    """
    steps = timeline.steps
    first = next((index for index, step in enumerate(steps) if step.count), None)
    if first is None:
        return range(0)
    matter = {step.node for step in steps[first:] if step.what in {"boot", "reconnect"}}
    matter.update(timeline.involved_nodes)
    missed = (
        index
        for index, step in enumerate(steps[:first])
        if (step.what in {"crash", "disconnect"} and step.node in matter)
        or (step.what == "kill" and step.instance in timeline.involved)
        or step.what == "hang"
    )
    return range(next(missed, first), len(steps))


def _shown_steps(timeline: Timeline, every: range, most_calls: int) -> set[int]:
    """Choose what violations name, what raised or was struck, what the test did, and as much more."""
    steps = timeline.steps
    told: dict[Hashable, list[int]] = defaultdict(list)
    done: dict[Hashable, list[int]] = defaultdict(list)
    for index in every:
        step = steps[index]
        if step.deeds:
            done[step.what].append(index)
        elif step.raised or step.mark == "fault":
            told[step.what, step.node, step.result.partition(":")[0], step.mark].append(index)
    # From its own end on, which is where `every` begins.
    newest = newest_first([step.instance for step in steps[: every.stop]], timeline.involved)
    shown = {
        *_named_steps(timeline),
        *by_turns(told, most_calls),
        *by_turns(done, most_calls),
    }
    wanted = len(shown) + 2 * most_calls
    for index in newest:
        if len(shown) >= wanted:
            break
        if index >= every.start and steps[index].count and steps[index].mark != "gap":
            shown.add(index)
    # What is left out alone needs no less room than itself.
    shown |= {index for index in every if {index - 1, index + 1} - {every.start - 1, every.stop} <= shown}
    return {index for index in shown if steps[index].mark != "gap"}


def _gap_lines_of(steps: Sequence[Step]) -> list[str]:
    calls, deeds, raised = (sum(getattr(step, key) for step in steps) for key in ("count", "deeds", "raised"))
    lines = _gap_lines(calls, which=f"{raised} of which raised" if raised else "")
    return [*lines, *([f"  ... {deeds} deed{'s' * (deeds != 1)} of the test ..."] if deeds else [])]


def _timeline_title(rows: Sequence[Step], names: Collection[str], part: str) -> str:
    whose = f" of {printable(next(iter(names)))}" if len(names) == 1 and "" not in names else ""
    test = ", * for what the test did" if any(not row.count for row in rows) else ""
    lie = ", ? for one that lied" if any(row.lied for row in rows) else ""
    return f"timeline{whose}{part}, ! for a call that raised{lie}{test}:"


def _step_text(step: Step) -> str:
    count = step.count + step.deeds
    times = f" x{count}" if count > 1 else ""
    if not step.count:
        return f"*{step.what}{times}"
    return f"{'!' if step.raised else '?' if step.lied else ''}{step.what}{times}"


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


def _nodes_lines(nodes: Sequence[NodeView], calls: Sequence[Call], timeline: Timeline) -> list[str]:
    """Describe the nodes: of many, or where there is much on them, first what went wrong is about."""
    involved = {*timeline.involved}
    if len(nodes) > MOST_LANES:
        matter = [
            node.name
            for node in nodes
            if node.name in timeline.involved_nodes or involved.intersection(map(printable, node.instances))
        ]
        nodes = sorted(nodes, key=lambda node: node.name not in matter)
        called = [call.node for call in reversed(calls)] if len(nodes) > MOST_NODES else []
        every = dict.fromkeys(node.name for node in nodes)
        chosen = [*dict.fromkeys(name for name in (*matter, *called, *every) if name in every)][:MOST_NODES]
        shown = [node for node in nodes if node.name in chosen]
    else:
        shown = [*nodes]
    is_crowded = bool(involved) and sum(len(node.instances) for node in shown) > MOST_INSTANCES
    lines = [line for node in shown for line in _node_lines(node, involved, is_crowded=is_crowded)]
    if len(nodes) > len(shown):
        lines.append(f"and {len(nodes) - len(shown)} more nodes")
    return lines


def _node_lines(node: NodeView, involved: Collection[str], *, is_crowded: bool) -> list[str]:
    """Describe a node.

    Args:
        node: which.
        involved: the names of the instances that what went wrong is about.
        is_crowded: whether there is so much that no others have lines of their own.
    """
    if node.info is None:
        head = f"{printable(node.name)}: the size of this machine"
    else:
        info, used = node.info, sum(each.memory for each in node.instances.values())
        surplus = used - info["memory_free"]
        free = f"{less_used(info, used)['memory_free']} of {info['memory_total']} MiB free"
        head = (
            f"{printable(node.name)}: {free}{f', overcommitted by {surplus} MiB' if surplus > 0 else ''}, "
            f"{info['cpu_total']} CPUs{node.refusals}"
        )
    if node.unreachable:
        head += f", {node.unreachable}"
    malformed = [f"  {printable(name)} malformed or unreadable file" for name in node.malformed]
    if not node.instances:
        return [f"{head}, no instances", *malformed]
    every = sorted(
        node.instances.values(), key=lambda each: is_crowded and printable(each.name) not in involved
    )
    count = sum(printable(each.name) in involved for each in every) if is_crowded else MOST_INSTANCES
    shown_ones, others = every[: min(count, MOST_INSTANCES)], every[min(count, MOST_INSTANCES) :]
    width = max((len(printable(each.name)) for each in shown_ones), default=0)
    lines = [
        f"  {printable(each.name):<{width}} {state_of(each)}, {each.memory} MiB, {each.vcpus} vcpus"
        for each in shown_ones
    ]
    return [head, *lines, *_others_lines(others, is_more=bool(shown_ones)), *malformed]


def _others_lines(others: Sequence[InstanceInfo], *, is_more: bool) -> list[str]:
    """Say in a line or two what else is on a node."""
    if not others:
        return []
    states = Counter(map(state_of, others))
    how = (
        f"all {next(iter(states))}"
        if len(states) == 1
        else ", ".join(f"{count} {state}" for state, count in sorted(states.items(), reverse=True))
    )
    if len(others) == 1:
        how = state_of(others[0])
    count = f"{'and ' if is_more else ''}{len(others)}{' more' if is_more else ''}"
    names = listed(each.name for each in others)
    return _wrapped(f"{count} instance{'s' * (len(others) != 1)}, {how}: {names}")
