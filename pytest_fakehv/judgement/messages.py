"""What a failed assertion says: messages about states, placements, migrations and calls. Pure functions."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Protocol, TypeVar

from pytest_fakehv.calls.events import TimedEvent
from pytest_fakehv.calls.faults import DID_NOTHING, Fault
from pytest_fakehv.calls.journal import Call, Journal
from pytest_fakehv.calls.selection import ANY, Selection
from pytest_fakehv.interface.constants import STARTS, STOPS
from pytest_fakehv.interface.libvirt import is_variant
from pytest_fakehv.interface.objects import InstanceInfo, Placement
from pytest_fakehv.judgement.departures import Departure
from pytest_fakehv.judgement.violations import Violation
from pytest_fakehv.migration.record import Migration
from pytest_fakehv.text import listed, natural_order, nearest, printable, shown, shown_error

LONGEST_RESULT = 240
MOST_MIGRATIONS = 5
MOST_CALLS = 5
MOST_VIOLATIONS = 10


def state_of(info: InstanceInfo | None) -> str:
    """Return the word for an instance's state."""
    if info is None:
        return "stopped"
    return "paused" if info.paused else "running"


def has_lied(call: Call) -> bool:
    """Tell whether a call answered what was not so, by a fault."""
    return call.lie is not None and call.error is None


def result_text(call: Call) -> str:
    """Show what came of a call, in one line."""
    if not call.ended:
        return "still running"
    text = shown(call.result, LONGEST_RESULT) if call.error is None else shown_error(call.error)
    if has_lied(call):
        said = "said it worked" if (call.result, call.lie) == (None, DID_NOTHING) else f"answered {text}"
        text = f"{said}, {call.lie}"
    return f"{text} ({call.fault})" if call.fault else text


def wrong_state(
    name: str,
    *,
    expected: str,
    found: Mapping[str, InstanceInfo],
    nodes: Mapping[str, Iterable[str]],
    elsewhere: Mapping[str, InstanceInfo],
    alone: bool,
    known: Iterable[str],
    departure: Departure | None,
    hangs_since: str | None,
    last_call: Call | None,
) -> str:
    """Say that an instance is not in the state that a test expected.

    Args:
        name: the instance.
        expected: "running", "paused" or "stopped".
        found: its figures, by the node where it was found.
        nodes: the names of what runs or is paused on every node that was looked at, by node.
        elsewhere: its figures, by the node where it was found beside those.
        alone: whether it was expected to be nowhere else.
        known: every name that the test has declared.
        departure: what took it away, if that was no call.
        hangs_since: where the test let its guest hang, in words, if it did.
        last_call: the last call about the instance, if any.

    Returns:
        The message, in one line.
    """
    name = printable(name)
    where = f"on {listed(nodes)}" if len(nodes) == 1 else f"on any of {listed(nodes)}"
    if found and elsewhere and alone:
        parts = [f"{name} {_states({**found, **elsewhere})}, not {expected} {where} alone"]
    elif found:
        parts = [f"{name} {_states(found)}, not {expected}"]
        parts += [f"its guest hangs since {hangs_since}"] if hangs_since and expected == "stopped" else []
    elif elsewhere:
        parts = [f"{name} is not {expected} {where}, but {_states(elsewhere)}"]
    else:
        parts = [f"{name} is not {expected} {where}"]
        parts += [f"it {departure.how}"] if departure and departure.node in nodes else []
        there = {each for names in nodes.values() for each in names}
        parts.append(f"running there: {listed(there)}" if there else "nothing runs there")
        parts += _nearest(name, there, known)
    return "; ".join([*parts, _last_call(last_call)])


def absent(
    name: str,
    *,
    node: str | None,
    there: Collection[str],
    known: Iterable[str],
    departure: Departure | None,
    last_call: Call | None,
) -> str:
    """Say that an instance does not run where a test looks for it.

    Args:
        name: the instance.
        node: the one node that was looked at; None for a whole cluster.
        there: the names of what runs, or is paused, there.
        known: every name that the test has declared.
        departure: what took it away, if that was no call.
        last_call: the last call about the instance, if any.

    Returns:
        The message, in one line.
    """
    parts = [f"{printable(name)} {f'does not run on {node}' if node else 'runs nowhere'}"]
    if departure and node in (None, departure.node):
        parts.append(f"it {departure.how}")
    where = " there" if node else ""
    parts.append(f"running{where}: {listed(there)}" if there else f"nothing runs{where}")
    parts += _nearest(name, there, known)
    return "; ".join([*parts, _last_call(last_call)])


def _nearest(name: str, there: Collection[str], known: Iterable[str]) -> list[str]:
    """Return which name was probably meant, where there never was such a one."""
    others = {*known}
    return [] if name in others else [f"nearest name: {each}" for each in nearest(name, {*there, *others})]


def _states(found: Mapping[str, InstanceInfo]) -> str:
    return " and ".join(f"is {state_of(info)} on {node}" for node, info in found.items())


def wrong_figures(
    name: str, node: str, wrong: Mapping[str, tuple[int, object]], last_call: Call | None
) -> str:
    """Say that a running instance has other figures than expected.

    Args:
        name: the instance.
        node: where it runs.
        wrong: what it has and what was expected, by "memory" (in MiB) or "vcpus".
        last_call: the last call about the instance, if any.

    Returns:
        The message, in one line.
    """
    figures = " and ".join(
        f"{figure} {has}, not {shown(expected)}" for figure, (has, expected) in wrong.items()
    )
    return f"{printable(name)} has on {node} {figures}; {_last_call(last_call)}"


def _last_call(call: Call | None) -> str:
    if call is None:
        return "no call was about it"
    how = ""
    if call.error or has_lied(call):
        how = f", which {'raised ' if call.error else ''}{result_text(call)}"
    return f"last call: {call} at {call.place}{how}"


Expected = Mapping[str, str | tuple[str, ...] | None]
"""A placement as a test expects it: None for what must run nowhere."""


def placement_differences(
    actual: Expected,
    expected: Expected,
    *,
    partial: bool,
    departure: Callable[[str], Departure | None] = lambda _instance: None,
) -> list[str]:
    """Say, a line an instance, where a placement is not the expected one.

    Args:
        actual: the placement.
        expected: what was expected of it.
        partial: whether others may run too.
        departure: returns what took an instance away, if that was no call.
    """
    lines = []
    for name in sorted({*actual, *expected}, key=natural_order):
        where, wanted = actual.get(name), expected.get(name)
        if _places(where) == _places(wanted) or (partial and name not in expected):
            continue
        taken = None if where else departure(name)
        why = f" (it {taken.how})" if taken else ""
        lines.append(f"  {printable(name)}: {_where(where)}{why}, expected {_where(wanted)}")
    most = 4 * MOST_CALLS
    return [*lines[:most], *([f"  and {len(lines) - most} more"] if len(lines) > most else [])]


def _places(nodes: str | tuple[str, ...] | None) -> set[str]:
    """Return the names of nodes, of which none comes first."""
    return {nodes} if isinstance(nodes, str) else {*(nodes or ())}


def _where(nodes: str | tuple[str, ...] | None) -> str:
    if not nodes:
        return "nowhere"
    return f"on {nodes if isinstance(nodes, str) else ' and '.join(nodes)}"


def direction(source: str | None, target: str | None, *, live: bool | None) -> str:
    """Say which migrations are meant, to stand behind what is said of them."""
    kind = "" if live is None else (" live" if live else " non-live")
    return f"{f' from {source}' if source else ''}{f' to {target}' if target else ''}{kind}"


def wrong_migration(
    name: str,
    *,
    problem: str,
    own: Sequence[Migration],
    others: Sequence[Migration],
    states: Mapping[str, InstanceInfo],
    known: Iterable[str],
    last_call: Call | None,
) -> str:
    """Say that an instance had no such migration as a test expected.

    Args:
        name: the instance.
        problem: what it has not done, to stand behind its name.
        own: its migrations.
        others: the other instances' migrations.
        states: its figures, by the node where it is.
        known: every name that the test has declared.
        last_call: the last call about the instance, if any.

    Returns:
        The message: what is wrong, and a line for each thing to know of it.
    """
    lines = [f"{printable(name)} {problem}"]
    if own:
        lines += _some_migrations("its migrations", own)
    else:
        lines.append("  no migration of it began")
        near = nearest(name, {*(each.instance for each in others), *known} - {name})
        lines += [f"  nearest name: {printable(each)}" for each in near]
        lines += _some_migrations("other migrations", others)
    lines.append(f"  it {_states(states)}" if states else "  it runs nowhere")
    return "\n".join([*lines, f"  {_last_call(last_call)}"])


def _some_migrations(title: str, migrations: Sequence[Migration]) -> list[str]:
    """List migrations, the last few of many."""
    count = len(migrations)
    some = f", the last {MOST_MIGRATIONS} of {count}" if count > MOST_MIGRATIONS else ""
    lines = [f"    {each}" for each in migrations[-MOST_MIGRATIONS:]]
    return [f"  {title}{some}:", *lines] if lines else []


def unwanted_migrations(name: str, migrations: Sequence[Migration], last_call: Call | None) -> str:
    """Say that an instance has migrated, or is migrating, although it should not.

    Args:
        name: the instance.
        migrations: those of its migrations that should not be.
        last_call: the last call about it, if any.
    """
    lines = _some_migrations("its migrations", migrations)
    return "\n".join([f"{printable(name)} migrated", *lines, f"  {_last_call(last_call)}"])


def wrong_calls(which: Selection, calls: Sequence[Call], *, times: int | None, others: Sequence[Call]) -> str:
    """Say that a method was not called, or not as often as a test expected.

    Args:
        which: the calls that a test asked for.
        calls: those that came.
        times: how often it should be called; None for at least once.
        others: the calls that don't count.

    Returns:
        The message: what is wrong, the calls that count, or else those nearest to them.
    """
    if times is None:
        head = f"{_which(which)} was not called"
    else:
        head = f"{_which(which)} was called {_times(len(calls))}, expected {_times(times)}"
    if calls:
        return "\n".join([head, *_some_calls("the calls", calls)])
    same = [call for call in others if call.method == which.method]
    about = [call for call in others if replace(which, method=ANY).matches(call)]
    if same:
        return "\n".join([head, *_some_calls("other calls of it", same)])
    if about:
        return "\n".join([head, *_some_calls("other calls there" if which.node else "other calls", about)])
    return f"{head}\n  nothing was called{' there' if others else ''}"


def wrong_order(which: Selection, *, before: Call | None, calls: Sequence[Call]) -> str:
    """Say that a call did not come where a test expected it.

    Args:
        which: the call that should have come.
        before: the call that it should have come after; None if it was to be the first.
        calls: all the calls of it, too early ones.
    """
    after = f" after call {before.number}, {before} on {before.node}" if before else ""
    head = f"{_which(which)} was not called{after}"
    if calls:
        return "\n".join([head, *_some_calls("it was called before that", calls)])
    return f"{head}\n  it was not called at all" if before else head


def _which(which: Selection) -> str:
    node, about = which.node, _subject(which)
    return f"{which.method}{f' on {node}' if node else ''}{f' for {printable(about)}' if about else ''}"


def _subject(of: Call | Selection) -> str:
    """Name what a call is about; "" where that is nothing."""
    return of.instance or "/".join(each for each in (of.pool, of.volume) if each) or of.network or ""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times" if count else "never"


def _some_calls(title: str, calls: Sequence[Call]) -> list[str]:
    """List calls, the last few of many."""
    some = f", the last {MOST_CALLS} of {len(calls)}" if len(calls) > MOST_CALLS else ""
    lines = [
        f"    {call.number} {call.node} {call} at {call.place} -> {result_text(call)}"
        for call in calls[-MOST_CALLS:]
    ]
    return [f"  {title}{some}:", *lines]


class _OfInvariant(Protocol):
    @property
    def invariant(self) -> str: ...


_Broken = TypeVar("_Broken", bound=_OfInvariant)


def first_of_each(found: Iterable[_Broken]) -> list[_Broken]:
    """Return what is said one by one of things that are wrong: of many with one invariant, the first few.

    Args:
        found: all of them.
    """
    counts: Counter[str] = Counter()
    first = []
    for each in found:
        counts[each.invariant] += 1
        if counts[each.invariant] <= MOST_VIOLATIONS:
            first.append(each)
    return first


def violations(found: Sequence[Violation]) -> str:
    """Say which invariants do not hold: what is wrong, since when, and what would have been right.

    The latter is said once, after the last violation that it is about.

    Args:
        found: all of them; of many with one invariant, only the first few are told.
    """
    told = first_of_each(found)
    counts = Counter(each.invariant for each in found)
    last = {key: index for index, each in enumerate(told) for key in (each.invariant, each.advice)}
    lines = []
    for index, each in enumerate(told):
        lines.append(f"{each.invariant}: {each.what}")
        if each.call:
            lines.append(
                f"  since call {each.call.number}, {each.call} on {each.call.node} at {each.call.place}"
            )
        elif each.instance:
            lines.append("  since no call: the test or another program brought it about")
        if index == last[each.invariant]:
            more = counts[each.invariant] - MOST_VIOLATIONS
            lines += [f"{each.invariant}: and {more} more"] if more > 0 else []
        if index == last[each.advice]:
            lines.append(f"  {each.advice}")
    return "\n".join(lines)


def unfired(fault: Fault, journal: Journal) -> str:
    """Say of a fault that it never fired, and why.

    Args:
        fault: which.
        journal: what was called.
    """
    spec = fault.spec
    if fault.seen > spec.after:
        why = f"such a call came {_times(fault.seen)}; the last time, {fault._spared}"
    elif fault.seen:
        why = f"such a call came {_times(fault.seen)} alone, and {spec.after} were to pass"
    else:
        why = f"no such call came{_but_others(spec.method, journal)}"
    return f"{spec} at {fault.origin} never fired: {why}"


def _but_others(method: str, journal: Journal) -> str:
    """Say which calls of a method came that were not the ones in question; or of one that does the same."""
    calls = journal.calls(method) or [call for call in journal if _is_alike(call.method, method)]
    about = {named for call in calls if (named := _subject(call))}
    whose = f" about {listed(about)}" if about else ""
    called = f"{listed({call.method for call in calls})} was called{whose}"
    return f", though {called} on {listed({call.node for call in calls})}" if calls else ""


def _is_alike(method: str, other: str) -> bool:
    """Tell whether two methods do the same, as far as who declares a fault of one may mean the other."""
    return is_variant(method, other) or any({method, other} <= each for each in (STARTS, STOPS))


def never_due(event: TimedEvent, now: float) -> str:
    """Say of an event that its time never came, and why.

    Args:
        event: which.
        now: the time, in seconds of the cluster's clock.
    """
    why = "it was withdrawn" if event.withdrawn else f"the clock got to {now:g} s"
    return f"{event} at {event.origin} never came due: {why}"


def comparison(left: object, right: object) -> list[str] | None:
    """Say where two equals are not equal, for ``assert left == right``.

    Args:
        left: anything.
        right: anything.

    Returns:
        Lines, the first a summary; None for what is not ours to explain.
    """
    for ours, other in ((left, right), (right, left)):
        if isinstance(ours, Placement) and isinstance(other, Mapping):
            return ["the placements differ:", *_differing_places(ours, other)]
    if isinstance(left, Migration) and isinstance(right, Migration):
        keys = [each.name for each in fields(Migration)]
        return _differing("migrations", str(left), str(right), keys, *_values(left, right))
    if not (isinstance(left, tuple) and isinstance(right, tuple)):
        return None
    one_is_ours = isinstance(left, InstanceInfo) or isinstance(right, InstanceInfo)
    if one_is_ours and len(left) == len(right) == len(InstanceInfo._fields):
        return _differing("instances", shown(left), shown(right), InstanceInfo._fields, left, right)
    return None


def _differing_places(actual: Placement, expected: Mapping[Any, Any]) -> list[str]:
    """Say where a placement does not equal what may be the same in other words, or no placement at all."""
    odd = {name for name, where in expected.items() if not (isinstance(name, str) and _is_expected(where))}
    ours, others = (
        {name: where for name, where in each.items() if name not in odd} for each in (actual, expected)
    )
    lines = placement_differences(ours, others, partial=False)
    for name, wanted in expected.items():
        where = actual.get(name)
        if name in odd or (where and where != wanted and _places(where) == _places(wanted)):
            lines.append(f"  {shown(name)}: {shown(where) if where else 'nowhere'} != {shown(wanted)}")
        elif not where and not wanted:
            lines.append(f"  {shown(name)}: leave it out, as it runs nowhere")
    return lines


def _is_expected(where: object) -> bool:
    if isinstance(where, tuple):
        return all(isinstance(each, str) for each in where)
    return where is None or isinstance(where, str)


def _values(*migrations: Migration) -> list[list[object]]:
    return [[getattr(each, field.name) for field in fields(each)] for each in migrations]


def _differing(
    what: str, left: str, right: str, keys: Iterable[str], lefts: Iterable[object], rights: Iterable[object]
) -> list[str]:
    """List the figures that differ."""
    pairs = zip(keys, lefts, rights, strict=True)
    differ = [f"  {key}: {shown(a)} != {shown(b)}" for key, a, b in pairs if a != b]
    return [f"{left} == {right}", f"the {what} differ:", *differ]
