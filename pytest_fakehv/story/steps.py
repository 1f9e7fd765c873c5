"""How calls and deeds of the test become steps: like ones together, and of too many those that tell most."""

import heapq
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, Final

from pytest_fakehv.judgement.messages import first_of_each, has_lied, result_text
from pytest_fakehv.story.choice import Involved, by_turns, newest_first
from pytest_fakehv.story.chronicle import Event
from pytest_fakehv.story.timeline import Mark, Step
from pytest_fakehv.text import place_text, printable, shown

if TYPE_CHECKING:
    from pytest_fakehv.calls.journal import Call
    from pytest_fakehv.judgement.violations import Violation

MOST_STEPS: Final = 200
LONGEST_TEXT: Final = 300


@dataclass
class _Group:
    """What becomes one step: calls, or deeds."""

    calls: list["Call"] = field(default_factory=list)
    deeds: list[Event] = field(default_factory=list)


class Steps:
    """A picture's steps, and where among them everything else came about.

    Args:
        calls: the calls that are still known, in order.
        total: how many calls there were.
        events: what happened beside the calls, in order.
        violations: the invariants that did not hold.
        involved: what went wrong is about these.

    Attributes:
        all: the steps, not too many.
        places: the index of each call's step, by the call's number.
        left_out: what was left out, in words.
    """

    def __init__(
        self,
        calls: Sequence["Call"],
        total: int,
        events: Sequence[Event],
        violations: Sequence["Violation"],
        involved: Involved,
    ) -> None:
        self._involved = involved
        self._calls = calls
        self._total = total
        self._events = events
        self._violations = violations
        self.left_out: list[str] = []
        # What is to be noted of a call, by its number.
        self._broken: dict[int, list[str]] = defaultdict(list)
        self._meanwhile: dict[int, list[Event]] = defaultdict(list)
        self._held: dict[int, str] = {}
        for violation in violations:
            if violation.call:
                self._broken[violation.call.number].append(f"{violation.invariant}: {violation.what}")
        for event in events:
            if event.call is not None and not event.is_change:
                self._meanwhile[event.call].append(event)
            if event.hold and event.origin:
                for call in event.hold.calls:
                    self._held[call.number] = printable(place_text(*event.origin))
        # Which group a call is in, by its number, and where each event came about.
        self._group_of: dict[int, int] = {}
        self._place_of: dict[int, float] = {}
        groups = self._grouped()
        index_of_group, self.all = self._steps(groups)
        self.places = {number: index_of_group[group] for number, group in self._group_of.items()}
        self._place_of = {
            key: index_of_group[int(place)] + place % 1 if place >= 0 else -1.0
            for key, place in self._place_of.items()
        }

    def place(self, event: Event) -> float | None:
        """Return where an event came about; None for before the first step."""
        place = self._place_of.get(id(event))
        if place is None:
            place = self.places.get(event.call or 0, -1)
        return None if place < 0 else place

    def last_place(self, begin: float | None) -> float:
        """Return where the last event came about, or ``begin`` where that is later."""
        return max(0.0 if begin is None else begin, max(self._place_of.values(), default=0.0))

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
            raised = sum(step.raised for step in steps if step.mark == "gap")
            which = f", {raised} of which raised" if raised else ""
            self.left_out.append(f"{hidden} of {self._total} calls{which}")
        return index_of_group, steps

    def _worth_it(self, groups: Sequence[_Group]) -> Collection[int]:
        """Choose which groups to show: of too many the last ones, and those that tell most, not alone."""
        every = range(len(groups))
        if len(groups) <= MOST_STEPS:
            return every
        kept = {*every[:2], *every[-2:]}
        told = {each.call.number for each in first_of_each(self._violations) if each.call}
        places = [self._group_of[number] for number in told if number in self._group_of]
        kinds: dict[Hashable, list[int]] = defaultdict(list)
        for index in every:
            if kind := self._kind(groups[index]):
                kinds[kind].append(index)
        for index in chain(places, by_turns(kinds, MOST_STEPS)):
            if index not in places and _count(kept) >= MOST_STEPS // 2:
                break
            kept |= {max(0, index - 1), index, min(index + 1, every[-1])}
        instances = [_instance_of(group) for group in groups]
        enough = max(MOST_STEPS // 2, _count(kept) + MOST_STEPS // 5)
        involved = self._involved.instances
        newest = newest_first(instances, involved)
        while _count(kept) < (MOST_STEPS - 2 if instances[index := next(newest)] in involved else enough):
            kept.add(index)
        return kept

    def _kind(self, group: _Group) -> tuple[str, ...]:
        """Say which like ones tell the same as a group; nothing for one that tells nothing."""
        if group.deeds:
            return (group.deeds[0].what,)
        call = group.calls[0]
        if call.number in self._meanwhile or call.number in self._held:
            return (call.method, "deed")
        if call.error is not None or call.fault:
            return call.method, call.node, type(call.error).__name__, call.fault or ""
        return ()

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
                deeds=count,
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
            raised=sum(each.error is not None for each in group.calls),
            lied=sum(has_lied(each) for each in group.calls),
            notes=notes,
        )

    @staticmethod
    def _gap(groups: Sequence[_Group]) -> Step:
        calls = [call for group in groups for call in group.calls]
        deeds = sum(len(group.deeds) for group in groups)
        raised = sum(call.error is not None for call in calls)
        parts = [f"{len(calls)} call{'s' * (len(calls) != 1)}"] if calls else []
        parts += [f"{deeds} deed{'s' * (deeds != 1)} of the test"] if deeds else []
        first = groups[0].calls[0].time if groups[0].calls else groups[0].deeds[0].time
        return Step(
            mark="gap",
            time=first,
            first=calls[0].number if calls else 0,
            last=calls[-1].number if calls else 0,
            text=f"{' and '.join(parts)} not shown{f', {raised} of which raised' if raised else ''}",
            raised=raised,
            deeds=deeds,
        )


def _instance_of(group: _Group) -> str:
    return (group.calls[0] if group.calls else group.deeds[0]).instance or ""


def _count(kept: Collection[int]) -> int:
    """Return how many steps it makes to keep some groups, and a gap wherever others are left out."""
    return len(kept) + sum(index - 1 not in kept for index in kept)


def _order(each: Any) -> tuple[int, bool]:
    return (each.after, True) if isinstance(each, Event) else (each.number, False)


def _deed_text(deed: Event) -> str:
    if deed.hold:
        return f"hold({deed.hold._selection})"
    return f"{deed.what}({shown(deed.instance) if deed.instance else ''})"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
