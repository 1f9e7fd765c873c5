"""How a cluster's calls, events and migrations become a `Timeline`, and what is left out of too many."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_fakehv.calls.selection import STEPS
from pytest_fakehv.story import nowhere
from pytest_fakehv.story.arrivals import arrival
from pytest_fakehv.story.arrivals import end as end_of
from pytest_fakehv.story.choice import Involved
from pytest_fakehv.story.chronicle import Event
from pytest_fakehv.story.steps import Steps
from pytest_fakehv.story.timeline import Arrow, Bar, Lane, Period, Timeline, Trouble
from pytest_fakehv.text import listed, natural_order, printable

if TYPE_CHECKING:
    from pytest_fakehv.calls.journal import Call
    from pytest_fakehv.judgement.violations import Violation
    from pytest_fakehv.migration.run import Run
    from pytest_fakehv.story.chronicle import Scene
    from pytest_fakehv.story.section import NodeView

MOST_LANES: Final = 16
MOST_INSTANCES: Final = 24
MOST_ASIDE: Final = 6
"""Of so many instances, how many are shown beside those that went wrong."""

MOST_ARROWS: Final = 100


def paint(
    nodes: Sequence["NodeView"],
    *,
    calls: Sequence["Call"],
    total: int,
    scene: "Scene",
    events: Sequence[Event],
    runs: Sequence["Run"],
    violations: Iterable["Violation"],
    rules: Sequence[str],
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
        rules: the scripts and the faults, in words.
        clock: what made the time go.
    """
    return _Painter(nodes, calls, total, scene, events, runs, list(violations), rules, clock).paint()


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
        rules: Sequence[str],
        clock: str,
    ) -> None:
        self._nodes = nodes
        self._calls = calls
        self._total = total
        self._scene = scene
        self._events = events
        self._runs = runs
        self._violations = violations
        self._rules = rules
        self._clock = clock
        self._involved = Involved.of(calls, runs, violations, {node.name: node.instances for node in nodes})
        self._steps = Steps(calls, total, events, violations, self._involved)
        self._left_out = [*self._steps.left_out]

    def paint(self) -> Timeline:
        bars = self._bars()
        arrows = self._arrows()
        bars, arrows, crowds = self._fewer_instances(bars, arrows)
        if len(arrows) < len(self._runs):
            left_out = len(self._runs) - len(arrows)
            self._left_out.append(f"the arrows of {left_out} of {len(self._runs)} migrations")
        if self._total > len(self._calls):
            self._left_out.append(f"{self._total - len(self._calls)} calls that the journal no longer has")
        return Timeline(
            lanes=self._lanes(bars, crowds),
            steps=self._steps.all,
            bars=bars,
            arrows=arrows,
            troubles=[
                Trouble(
                    invariant=each.invariant,
                    what=each.what,
                    advice=each.advice,
                    step=self._steps.places.get(each.call.number) if each.call else None,
                )
                for each in self._violations
            ],
            involved=[printable(name) for name in sorted(self._involved.instances, key=natural_order)],
            involved_nodes=[printable(name) for name in sorted(self._involved.nodes, key=natural_order)],
            nowhere=nowhere.told(self._nodes, self._calls, self._events, self._involved.instances),
            rules=self._rules,
            left_out=self._left_out,
            calls=self._total,
            clock=self._clock,
        )

    # Instances

    def _bars(self) -> list[Bar]:
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
            place, when = (event.node, event.instance), self._steps.place(event)
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
                    end=None if is_seen else self._steps.last_place(begin),
                )
            )
        still = [
            Bar(node=place[0], instance=printable(place[1]), state=state, begin=None, end=None)
            for place, state in known.items()
            if place not in there
        ]
        return sorted(still + bars, key=lambda bar: natural_order(bar.instance))

    def _arrows(self) -> list[Arrow]:
        steps, places = self._steps.all, self._steps.places
        names = {node.name for node in self._nodes}
        until: dict[str, float] = {}  # the call that began the instance's next migration
        arrows = []
        for run in reversed(self._runs[-MOST_ARROWS:]):
            began = run.call.number if run.call else 0
            before, until[run.instance] = until.get(run.instance, float("inf")), began
            if run.target_name not in names or run.source_name not in names:
                continue
            begin = places.get(began)
            own = [
                call
                for call in self._calls_of.get(run.instance, ())
                if began <= call.number < before and call.node in (run.source_name, run.target_name)
            ]
            events = [event for event in self._events_of[run.instance] if began <= event.after < before]
            moment = arrived = arrival(run, own, events)
            if moment is None and not run.is_active:
                moment = end_of(run, own, events)
            end = self._steps.place(moment) if isinstance(moment, Event) else places.get(moment or 0)
            is_forgotten = begin is None and end is None and not run.is_active
            if is_forgotten or (begin is not None and begin == end and steps[begin].mark == "gap"):
                continue
            migration = run.snapshot()
            arrows.append(
                Arrow(
                    instance=printable(run.instance),
                    source=run.source_name,
                    target=run.target_name,
                    begin=begin,
                    end=end,
                    arrived=arrived is not None,
                    is_hidden=arrived is not None and run.has_moved,
                    share=None if migration.percent is None else migration.percent / 100,
                    outcome=migration.outcome,
                    lie=migration.lie or "",
                    text=str(migration),
                )
            )
        return arrows[::-1]

    @cached_property
    def _calls_of(self) -> Mapping[str, Sequence["Call"]]:
        """The calls that are part of migrations, by instance."""
        found: dict[str, list[Call]] = defaultdict(list)
        for call in self._calls:
            if call.method in STEPS and call.instance:
                found[call.instance].append(call)
        return found

    @cached_property
    def _events_of(self) -> Mapping[str, Sequence[Event]]:
        """What may make an instance that migrated arrive, or end its migration, by instance."""
        found: dict[str, list[Event]] = {run.instance: [] for run in self._runs[-MOST_ARROWS:]}
        for event in self._events:
            if event.what == "crash":
                for events in found.values():
                    events.append(event)
            elif event.instance in found:
                found[event.instance].append(event)
        return found

    def _fewer_instances(
        self, bars: list[Bar], arrows: list[Arrow]
    ) -> tuple[list[Bar], list[Arrow], Counter[str]]:
        """Leave out the bars of instances that least is to be said of; return how many, by node."""
        names = {each.instance for each in bars}
        if len(names) <= MOST_INSTANCES:
            return bars, arrows, Counter()
        latest = {step.instance: index for index, step in enumerate(self._steps.all)}
        by_rank = sorted(names, key=natural_order)
        involved = {printable(name) for name in self._involved.instances}
        by_rank.sort(key=lambda name: (name in involved, latest.get(name, -1)), reverse=True)
        most = len(involved & names) + MOST_ASIDE if involved else MOST_INSTANCES
        kept = {*by_rank[: min(most, MOST_INSTANCES)]}
        hidden_ones = len((involved & names) - kept)
        which = f", {hidden_ones} of which what went wrong is about, too" if hidden_ones else ""
        self._left_out.append(f"the bars of {len(names) - len(kept)} of {len(names)} instances{which}")
        hidden = {(each.node, each.instance) for each in bars if each.instance not in kept}
        return (
            [each for each in bars if each.instance in kept],
            [each for each in arrows if each.instance in kept],
            Counter(node for node, _ in hidden),
        )

    # Nodes

    def _lanes(self, bars: Sequence[Bar], crowds: Mapping[str, int]) -> list[Lane]:
        steps = self._steps.all
        about = {node.name: _about(node) for node in self._nodes}
        seen = [*about, *(step.node for step in steps if step.node), *(bar.node for bar in bars)]
        names = list(dict.fromkeys(seen))
        periods = self._periods()
        if len(names) > MOST_LANES:
            ranks = Counter(bar.node for bar in bars)
            ranks.update({step.node: 100 for step in steps})
            ranks.update({step.node: 1000 for step in steps if step.mark not in {"call", "gap"}})
            ranks.update(dict.fromkeys(self._involved.nodes, 10_000))
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

    def _periods(self) -> dict[str, list[Period]]:
        scene = self._scene.copy()
        periods: dict[str, list[Period]] = defaultdict(list)
        since: dict[str, tuple[str, float | None]] = {
            node: (_worst(troubles), None) for node, troubles in scene.nodes.items()
        }
        for event in self._events:
            if event.is_change or event.node is None:
                continue
            when = self._steps.place(event)
            before = since.get(event.node, ("", None))
            if event.what == "add_node" and when:
                before = ("not there yet", None)
            scene.apply(event)
            now = _worst(scene.nodes[event.node])
            if now == before[0]:
                continue
            if before[0]:
                periods[event.node].append(Period(what=before[0], begin=before[1], end=when))
            since[event.node] = (now, when)
        for node, (what, begin) in since.items():
            if what:
                periods[node].append(Period(what=what, begin=begin, end=None))
        return periods


def _worst(troubles: Collection[str]) -> str:
    return next((each for each in ("gone", "down", "cut off") if each in troubles), "")


def _about(node: "NodeView") -> str:
    if node.info is None:
        return "the size of this machine"
    info = node.info
    gib, rest = divmod(info["memory_total"], 1024)
    memory = f"{info['memory_total']} MiB" if rest else f"{gib} GiB"
    return f"{memory}, {info['cpu_total']} CPUs{node.refusals}"
