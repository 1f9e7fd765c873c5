"""How a cluster's calls, events and migrations become a `Timeline`, and what is left out of too many."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from pytest_fakehv.calls.selection import STEPS
from pytest_fakehv.judgement.messages import first_of_each, result_text
from pytest_fakehv.story.chronicle import Event
from pytest_fakehv.story.timeline import Arrow, Bar, Lane, Mark, Period, Step, Timeline, Trouble
from pytest_fakehv.text import listed, natural_order, place_text, printable, shown

if TYPE_CHECKING:
    from pytest_fakehv.calls.journal import Call
    from pytest_fakehv.judgement.invariants import Violation
    from pytest_fakehv.migration.run import Run
    from pytest_fakehv.story.chronicle import Scene
    from pytest_fakehv.story.section import NodeView

MOST_STEPS: Final = 200
MOST_LANES: Final = 16
MOST_INSTANCES: Final = 24
MOST_ARROWS: Final = 100
LONGEST_TEXT: Final = 300


def paint(
    nodes: Sequence["NodeView"],
    *,
    calls: Sequence["Call"],
    total: int,
    scene: "Scene",
    events: Sequence[Event],
    runs: Sequence["Run"],
    violations: Iterable["Violation"],
    clock: str,
) -> Timeline:
    """Make the picture.

    Args:
        nodes: what is known of each.
        calls: the calls that are still known, in order.
        total: how many calls there were.
        scene: what was where before the first event.
        events: what happened beside the calls, in order.
        runs: the migrations.
        violations: the invariants that did not hold.
        clock: what made the time go.
    """
    return _Painter(nodes, calls, total, scene, events, runs, list(violations), clock).paint()


@dataclass
class _Group:
    """What becomes one step: calls, or deeds."""

    calls: list["Call"] = field(default_factory=list)
    deeds: list[Event] = field(default_factory=list)


class _Painter:
    """What is worked out on the way to one picture."""

    def __init__(
        self,
        nodes: Sequence["NodeView"],
        calls: Sequence["Call"],
        total: int,
        scene: "Scene",
        events: Sequence[Event],
        runs: Sequence["Run"],
        violations: Sequence["Violation"],
        clock: str,
    ) -> None:
        self._nodes = nodes
        self._calls = calls
        self._total = total
        self._scene = scene
        self._events = events
        self._runs = runs
        self._violations = violations
        self._clock = clock
        self._left_out: list[str] = []
        # What is to be noted of a call, by its number.
        self._broken: dict[int, list[str]] = defaultdict(list)
        self._meanwhile: dict[int, list[Event]] = defaultdict(list)
        self._held: dict[int, str] = {}
        # Which group a call is in, by its number, and where each event came about.
        self._group_of: dict[int, int] = {}
        self._place_of: dict[int, float] = {}

    def paint(self) -> Timeline:
        for violation in self._violations:
            if violation.call:
                self._broken[violation.call.number].append(f"{violation.invariant}: {violation.what}")
        for event in self._events:
            if event.call is not None and not event.is_change:
                self._meanwhile[event.call].append(event)
            if event.hold and event.origin:
                for call in event.hold.calls:
                    self._held[call.number] = place_text(*event.origin)
        groups = self._grouped()
        index_of_group, steps = self._steps(groups)
        places = {number: index_of_group[group] for number, group in self._group_of.items()}
        self._place_of = {
            key: index_of_group[int(place)] + place % 1 if place >= 0 else -1.0
            for key, place in self._place_of.items()
        }
        bars = self._bars(places)
        arrows = self._arrows(places, steps)
        bars, arrows, crowds = self._fewer_instances(bars, arrows, steps)
        if len(arrows) < len(self._runs):
            left_out = len(self._runs) - len(arrows)
            self._left_out.append(f"the arrows of {left_out} of {len(self._runs)} migrations")
        if self._total > len(self._calls):
            self._left_out.append(f"{self._total - len(self._calls)} calls that the journal no longer has")
        return Timeline(
            lanes=self._lanes(places, steps, bars, crowds),
            steps=steps,
            bars=bars,
            arrows=arrows,
            troubles=[
                Trouble(
                    invariant=each.invariant,
                    what=each.what,
                    advice=each.advice,
                    step=places.get(each.call.number) if each.call else None,
                )
                for each in self._violations
            ],
            left_out=self._left_out,
            calls=self._total,
            clock=self._clock,
        )

    # Steps

    def _grouped(self) -> list[_Group]:
        """Put calls and deeds in order, like ones in a row together, and note where each event came about."""
        groups: list[_Group] = []
        key: object = None
        waiting: list[Event] = []  # changes that a deed, noted after them, may have brought about
        events = (event for event in self._events if event.call is None)
        ordered: Iterator[Call | Event] = heapq.merge(self._calls, events, key=_order)
        for each in ordered:
            if isinstance(each, Event) and each.is_change:
                waiting.append(each)
                continue
            if isinstance(each, Event):
                new_key: object = (each.what, each.node, each.origin)
                is_scenery = each.what == "add_instance" and not groups
            else:
                new_key, is_scenery = self._sameness(each), False
                self._let_pass(waiting, groups)
            if not is_scenery and (not groups or new_key != key):
                groups.append(_Group())
                key = new_key
            if not isinstance(each, Event):
                groups[-1].calls.append(each)
                self._group_of[each.number] = len(groups) - 1
                continue
            if not is_scenery:
                groups[-1].deeds.append(each)
            self._place_of.update({id(event): len(groups) - 1 for event in (*waiting, each)})
            waiting.clear()
        self._let_pass(waiting, groups)
        return groups

    def _let_pass(self, changes: list[Event], groups: Sequence[_Group]) -> None:
        """Note that changes came about between two steps: by nobody's doing, as time has passed."""
        self._place_of.update({id(event): len(groups) - 0.5 for event in changes})
        changes.clear()

    def _sameness(self, call: "Call") -> object:
        """Return what calls have in common that make one step."""
        is_special = (
            call.number in self._broken or call.number in self._meanwhile or call.number in self._held
        )
        return (
            call.node,
            call.method,
            call.instance,
            type(call.error),
            call.fault,
            call.number if is_special else None,
        )

    def _steps(self, groups: Sequence[_Group]) -> tuple[list[int], list[Step]]:
        """Make the steps, not too many; return the index of each group's step too."""
        kept = self._worth_it(groups)
        steps: list[Step] = []
        index_of_group: list[int] = []
        hidden = 0
        for is_kept, run in groupby(range(len(groups)), key=kept.__contains__):
            indexes = list(run)
            if is_kept:
                for index in indexes:
                    index_of_group.append(len(steps))
                    steps.append(self._step(groups[index]))
                continue
            index_of_group += [len(steps)] * len(indexes)
            steps.append(self._gap([groups[index] for index in indexes]))
            hidden += sum(len(groups[index].calls) for index in indexes)
        if len(kept) < len(groups):
            self._left_out.append(
                f"{hidden} of {self._total} calls: shown are those that something is to be said of, "
                "and the last ones"
            )
        return index_of_group, steps

    def _worth_it(self, groups: Sequence[_Group]) -> Collection[int]:
        """Choose which groups to show: of too many the last ones, and those that tell most, not alone."""
        every = range(len(groups))
        if len(groups) <= MOST_STEPS:
            return every
        kept = {*every[-MOST_STEPS // 2 :], *every[:2]}
        told = {each.call.number for each in first_of_each(self._violations) if each.call}
        kept |= {self._group_of[number] for number in told if number in self._group_of}
        ranks = {index: self._rank(groups[index]) for index in every}
        for index in sorted((index for index in every if ranks[index]), key=lambda each: (ranks[each], each)):
            if len(kept) > MOST_STEPS - 20:
                break
            kept |= {index - 1, index, index + 1} & {*every}
        return kept

    def _rank(self, group: _Group) -> int:
        """Say how much a group tells: 1 for most, 0 for nothing much."""
        if group.deeds:
            return 2
        call = group.calls[0]
        if call.number in self._broken:
            return 1
        if call.fault or call.number in self._meanwhile or call.number in self._held:
            return 2
        return 3 if call.error else 0

    def _step(self, group: _Group) -> Step:
        if group.deeds:
            deed = group.deeds[-1]
            count = len(group.deeds)
            return Step(
                mark="crash" if deed.what == "crash" else "test",
                time=group.deeds[0].time,
                node=deed.node or "",
                instance=printable(deed.instance or ""),
                what=deed.what,
                text=f"{count} times {_deed_text(deed)}" if count > 1 else _deed_text(deed),
                place=printable(place_text(*deed.origin)) if deed.origin else "",
            )
        call = group.calls[-1]
        number = call.number
        meanwhile = self._meanwhile.get(number, [])
        notes = list(self._broken.get(number, ()))
        notes += [f"{each.node or each.instance or 'the cluster'}: {_deed_text(each)}" for each in meanwhile]
        notes += [f"held at {self._held[number]}"] if number in self._held else []
        marks: list[tuple[Mark, object]] = [
            ("violation", number in self._broken),
            ("crash", any(each.what == "crash" for each in meanwhile)),
            ("fault", call.fault),
            ("raised", call.error),
            ("hold", number in self._held),
            ("test", meanwhile),
            ("call", True),
        ]
        return Step(
            mark=next(mark for mark, is_so in marks if is_so),
            time=group.calls[0].time,
            node=call.node,
            instance=printable(call.instance or ""),
            what=call.method,
            first=group.calls[0].number,
            last=number,
            text=_short(str(call)),
            result=_short(result_text(call)),
            place=printable(call.place),
            raised=call.error is not None,
            notes=notes,
        )

    @staticmethod
    def _gap(groups: Sequence[_Group]) -> Step:
        calls = [call for group in groups for call in group.calls]
        deeds = sum(len(group.deeds) for group in groups)
        parts = [f"{len(calls)} calls"] if calls else []
        parts += [f"{deeds} deeds of the test"] if deeds else []
        first = groups[0].calls[0].time if groups[0].calls else groups[0].deeds[0].time
        return Step(
            mark="gap",
            time=first,
            first=calls[0].number if calls else 0,
            last=calls[-1].number if calls else 0,
            text=f"{' and '.join(parts)} not shown",
        )

    # Instances

    def _place(self, event: Event, places: Mapping[int, int]) -> float | None:
        """Return where an event came about; None for before the first step."""
        place = self._place_of.get(id(event))
        if place is None:
            place = places.get(event.call or 0, -1)
        return None if place < 0 else place

    def _bars(self, places: Mapping[int, int]) -> list[Bar]:
        bars: list[Bar] = []
        there: dict[tuple[str, str], tuple[str, float | None]] = {
            place: (state, None) for place, state in self._scene.instances.items()
        }

        def end(place: tuple[str, str], when: float | None) -> None:
            state, begin = there.pop(place)
            if begin is None and when is None:
                return  # all before the first step
            bars.append(Bar(node=place[0], instance=printable(place[1]), state=state, begin=begin, end=when))

        for event in self._events:
            if not event.is_change or event.node is None or event.instance is None:
                continue
            place, when = (event.node, event.instance), self._place(event, places)
            state: str = "running" if event.what == "resumed" else event.what
            if place in there:
                if there[place][0] == state:
                    continue
                if there[place][1] == when and event.what != "gone":
                    there.pop(place)  # a start that begins paused
                else:
                    end(place, when)
            if event.what != "gone":
                there[place] = (state, when)
        # What another program did has no event.
        known = {
            (node.name, name): "paused" if info.paused else "running"
            for node in self._nodes
            for name, info in node.instances.items()
        }
        for place, (last, begin) in there.items():
            is_seen = place in known or place[0] not in {node.name for node in self._nodes}
            bars.append(
                Bar(
                    node=place[0],
                    instance=printable(place[1]),
                    state=last,
                    begin=begin,
                    end=None if is_seen else self._last_place(begin),
                )
            )
        still = [
            Bar(node=place[0], instance=printable(place[1]), state=state, begin=None, end=None)
            for place, state in known.items()
            if place not in there
        ]
        return sorted(still + bars, key=lambda bar: natural_order(bar.instance))

    def _last_place(self, begin: float | None) -> float:
        return max(0.0 if begin is None else begin, max(self._place_of.values(), default=0.0))

    def _arrows(self, places: Mapping[int, int], steps: Sequence[Step]) -> list[Arrow]:
        of_instance: dict[str, list[Call]] = defaultdict(list)
        for call in self._calls:
            if call.method in STEPS and call.instance:
                of_instance[call.instance].append(call)
        names = {node.name for node in self._nodes}
        next_begin: dict[str, float] = {}
        arrows = []
        for run in reversed(self._runs[-MOST_ARROWS:]):
            began = run.call.number if run.call else 0
            migration = run.snapshot()
            own = [
                call
                for call in of_instance[run.instance]
                if began <= call.number < next_begin.get(run.instance, float("inf"))
                and call.node in (run.source_name, run.target_name)
            ]
            next_begin[run.instance] = began
            if run.target_name not in names or run.source_name not in names:
                continue
            ends = [call for call in own if STEPS[call.method][0] == "finalize"] or own[-1:]
            begin = places.get(began)
            end = None if run.is_active or not ends else places.get(ends[-1].number)
            is_forgotten = begin is None and end is None and not run.is_active
            if is_forgotten or (begin is not None and begin == end and steps[begin].mark == "gap"):
                continue
            arrows.append(
                Arrow(
                    instance=printable(run.instance),
                    source=run.source_name,
                    target=run.target_name,
                    begin=begin,
                    end=end,
                    share=None if migration.percent is None else migration.percent / 100,
                    outcome=migration.outcome,
                    migrated=migration.migrated,
                    text=str(migration),
                )
            )
        return arrows[::-1]

    def _fewer_instances(
        self, bars: list[Bar], arrows: list[Arrow], steps: Sequence[Step]
    ) -> tuple[list[Bar], list[Arrow], Counter[str]]:
        """Leave out the bars of instances that least is to be said of; return how many, by node."""
        names = {each.instance for each in bars}
        if len(names) <= MOST_INSTANCES:
            return bars, arrows, Counter()
        ranks: dict[str, tuple[int, int]] = {}
        for index, step in enumerate(steps):
            weight = 1 if step.mark in {"call", "test"} else 2
            ranks[step.instance] = max((weight, index), ranks.get(step.instance, (0, 0)))
        nothing = (0, 0)
        by_rank = sorted(names, key=natural_order)
        by_rank.sort(key=lambda name: ranks.get(name, nothing), reverse=True)
        kept = {*by_rank[:MOST_INSTANCES]}
        self._left_out.append(
            f"the bars of {len(names) - len(kept)} of {len(names)} instances: those are drawn that something "
            "is to be said of"
        )
        hidden = {(each.node, each.instance) for each in bars if each.instance not in kept}
        return (
            [each for each in bars if each.instance in kept],
            [each for each in arrows if each.instance in kept],
            Counter(node for node, _ in hidden),
        )

    # Nodes

    def _lanes(
        self, places: Mapping[int, int], steps: Sequence[Step], bars: Sequence[Bar], crowds: Mapping[str, int]
    ) -> list[Lane]:
        about = {node.name: _about(node) for node in self._nodes}
        seen = [*about, *(step.node for step in steps if step.node), *(bar.node for bar in bars)]
        names = list(dict.fromkeys(seen))
        periods = self._periods(places)
        if len(names) > MOST_LANES:
            ranks = Counter(bar.node for bar in bars)
            ranks.update({step.node: 100 for step in steps})
            ranks.update({step.node: 1000 for step in steps if step.mark not in {"call", "gap"}})
            best = {*sorted(names, key=lambda name: -ranks[name])[: MOST_LANES - 1]}
            rest = [name for name in names if name not in best]
            self._left_out.append(f"the lanes of {len(rest)} of {len(names)} nodes: {listed(rest)}")
            names = [name for name in names if name in best]
        lanes = [
            Lane(
                name=name,
                about=about.get(name, "no longer in the cluster"),
                periods=periods.get(name, []),
                crowd=crowds.get(name, 0),
            )
            for name in names
        ]
        if len(lanes) < len({*seen}):
            hidden = sum(count for name, count in crowds.items() if name not in names)
            lanes.append(Lane(name="", about=f"{len({*seen}) - len(names)} more nodes", crowd=hidden))
        return lanes

    def _periods(self, places: Mapping[int, int]) -> dict[str, list[Period]]:
        scene = self._scene.copy()
        periods: dict[str, list[Period]] = defaultdict(list)
        since: dict[str, tuple[str, float | None]] = {
            node: (_worst(troubles), None) for node, troubles in scene.nodes.items()
        }
        for event in self._events:
            if event.is_change or event.node is None:
                continue
            when = self._place(event, places)
            before = since.get(event.node, ("", None))
            if event.what == "add_node" and when:
                before = ("not there yet", None)
            scene.apply(event)
            now = _worst(scene.nodes.get(event.node, set()))
            if now == before[0]:
                continue
            if before[0]:
                periods[event.node].append(Period(what=before[0], begin=before[1], end=when))
            since[event.node] = (now, when)
        for node, (what, begin) in since.items():
            if what:
                periods[node].append(Period(what=what, begin=begin, end=None))
        return periods


def _order(each: Any) -> tuple[int, bool]:
    return (each.after, True) if isinstance(each, Event) else (each.number, False)


def _worst(troubles: Collection[str]) -> str:
    return next((each for each in ("gone", "down", "cut off") if each in troubles), "")


def _deed_text(deed: Event) -> str:
    if deed.hold:
        return f"hold({deed.hold.selection})"
    return f"{deed.what}({shown(deed.instance) if deed.instance else ''})"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def _about(node: "NodeView") -> str:
    if node.info is None:
        return "the size of this machine"
    info = node.info
    overcommit = "" if node.overcommit else ", no overcommit"
    gib, rest = divmod(info["memory_total"], 1024)
    memory = f"{info['memory_total']} MiB" if rest else f"{gib} GiB"
    return f"{memory}, {info['cpu_total']} CPUs{overcommit}"
