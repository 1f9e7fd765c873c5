"""The scripts, the faults and the events of a test, in words: where each stands, and what came of it."""

from collections.abc import Sequence
from typing import Final

from pytest_fakehv.calls.events import TimedEvent
from pytest_fakehv.calls.faults import Fault
from pytest_fakehv.migration.script import Script
from pytest_fakehv.text import printable

MOST: Final = 10

Rule = Script | Fault | TimedEvent


def told(scripts: Sequence[Script], faults: Sequence[Fault], events: Sequence[TimedEvent]) -> list[str]:
    """Tell of each, in the order of their declaration; of many, of those that came to something.

    Args:
        scripts: all that there were.
        faults: likewise.
        events: likewise.
    """
    every: list[Rule] = [*scripts, *faults, *events]
    best = sorted(
        range(len(every)), key=lambda index: (not _count(every[index]), _is_over(every[index]), -index)
    )
    lines = [_line(every[index]) for index in sorted(best[:MOST])]
    if rest := [every[index] for index in best[MOST:]]:
        lines.append(f"and {len(rest)} more, {sum(map(_count, rest)) or 'no'} times used or fired")
    return lines


def _line(rule: Rule) -> str:
    if isinstance(rule, TimedEvent):
        course = ", ".join(["came due" if rule.came_due else "never came due", *_why_over(rule)])
        return f"{printable(str(rule))} at {printable(rule.origin)}: {course}"
    word, count = "used" if isinstance(rule, Script) else "fired", _count(rule)
    often = f"{word} {'once' if count == 1 else f'{count} times'}" if count else f"never {word}"
    return ", ".join([f"{rule.spec} at {printable(rule.origin)}: {often}", *_why_over(rule)])


def _why_over(rule: Rule) -> list[str]:
    """Say why it is no longer in force, if it isn't."""
    if isinstance(rule, Script) and rule.is_replaced:
        return ["replaced by a later one"]
    if not isinstance(rule, Script) and rule.withdrawn:
        return ["withdrawn"]
    if isinstance(rule, TimedEvent):
        return []
    return ["used up"] if rule.spec.times is not None and _count(rule) >= rule.spec.times else []


def _count(rule: Rule) -> int:
    if isinstance(rule, TimedEvent):
        return int(rule.came_due)
    return rule.used if isinstance(rule, Script) else rule.fired


def _is_over(rule: Rule) -> bool:
    return bool(_why_over(rule))
