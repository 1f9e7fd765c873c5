"""What is shown of too much: first what went wrong, then what that is about, then what came last."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_fakehv.calls.journal import Call
    from pytest_fakehv.judgement.violations import Violation
    from pytest_fakehv.migration.run import Run

_LAST: Final = 3
"""How many of the last calls are shown whatever they are about: with them the test ended."""

_FEW: Final = 6
"""How many like ones are shown one by one, at least, before they are counted."""


@dataclass(frozen=True, kw_only=True)
class Involved:
    """What went wrong is about these.

    Attributes:
        instances: their names.
        nodes: likewise.
    """

    instances: frozenset[str]
    nodes: frozenset[str]

    @classmethod
    def of(
        cls,
        calls: Iterable["Call"],
        runs: Iterable["Run"],
        violations: Iterable["Violation"],
        there: Mapping[str, Iterable[str]],
    ) -> "Involved":
        """Find them: a violation names it, its migration failed or lied, its call raised, or a fault struck.

        Args:
            calls: those that are still known.
            runs: the migrations.
            violations: the invariants that did not hold.
            there: what is on each node.
        """
        instances: set[str | None] = set()
        nodes: set[str | None] = set()
        for each in violations:
            instances.update((each.instance, *each.others))
            nodes.update(each.nodes)
            if each.invariant == "overcommit":  # which is about all that is there
                instances.update(*(there.get(node, ()) for node in each.nodes))
            if each.call:
                nodes.add(each.call.node)
            if each.fault:
                instances.add(each.fault.spec.instance)
                nodes.add(each.fault.spec.node)
        for run in runs:
            if run.outcome in {"failed", "cancelled"} or run.lie:
                instances.add(run.instance)
                nodes |= {run.source_name, run.target_name}
        for call in calls:
            if call.error is not None or call.fault:
                instances.add(call.instance)
                nodes.add(call.node)
        return cls(instances=frozenset(filter(None, instances)), nodes=frozenset(filter(None, nodes)))


def by_turns(kinds: Mapping[Hashable, Sequence[int]], most: int) -> list[int]:
    """Choose some places of each kind, its first and its last ones: as many of one kind as of another.

    Args:
        kinds: the places, in order, of each kind.
        most: how many to choose in all; of each kind it is half of that, or a few.
    """
    of_each = max(_FEW, most // 2)
    return [*_turns(_from_both_ends(places)[:of_each] for places in kinds.values())][:most]


def _turns(queues: Iterable[Iterable[int]]) -> Iterator[int]:
    return (place for turn in zip_longest(*queues) for place in turn if place is not None)


def _from_both_ends(places: Sequence[int]) -> list[int]:
    half = (len(places) + 1) // 2
    pairs = zip(places[:half], places[: -half - 1 : -1], strict=True)
    return [*dict.fromkeys(chain.from_iterable(pairs))]


def newest_first(instances: Sequence[str], involved: Collection[str]) -> Iterator[int]:
    """Put places in order: the very last ones, by turns those about each that is involved, and the others.

    Args:
        instances: what each place is about.
        involved: the names of the instances that what went wrong is about.
    """
    every = range(len(instances) - 1, -1, -1)
    yield from every[:_LAST]
    about: dict[str, list[int]] = defaultdict(list)
    for place in every if involved else ():
        if instances[place] in involved:
            about[instances[place]].append(place)
    yield from _turns(about.values())
    yield from every
