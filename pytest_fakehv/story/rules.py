"""The scripts and the faults of a test, in words: where each stands, and what came of it."""

from collections.abc import Sequence
from typing import Final

from pytest_fakehv.calls.faults import Fault
from pytest_fakehv.migration.script import Script
from pytest_fakehv.text import printable

MOST: Final = 10


def told(scripts: Sequence[Script], faults: Sequence[Fault]) -> list[str]:
    """Tell of each, in the order of their declaration; of many, of those that came to something.

    Args:
        scripts: all that there were.
        faults: likewise.
    """
    every: list[Script | Fault] = [*scripts, *faults]
    best = sorted(
        range(len(every)), key=lambda index: (not _count(every[index]), _is_over(every[index]), -index)
    )
    lines = [_line(every[index]) for index in sorted(best[:MOST])]
    if rest := [every[index] for index in best[MOST:]]:
        lines.append(f"and {len(rest)} more, {sum(map(_count, rest)) or 'no'} times used or fired")
    return lines


def _line(rule: Script | Fault) -> str:
    word, count = "used" if isinstance(rule, Script) else "fired", _count(rule)
    often = f"{word} {'once' if count == 1 else f'{count} times'}" if count else f"never {word}"
    return ", ".join([f"{rule.spec} at {printable(rule.origin)}: {often}", *_why_over(rule)])


def _why_over(rule: Script | Fault) -> list[str]:
    """Say why it is no longer in force, if it isn't."""
    if isinstance(rule, Script) and rule.is_replaced:
        return ["replaced by a later one"]
    if isinstance(rule, Fault) and rule.withdrawn:
        return ["withdrawn"]
    return ["used up"] if rule.spec.times is not None and _count(rule) >= rule.spec.times else []


def _count(rule: Script | Fault) -> int:
    return rule.used if isinstance(rule, Script) else rule.fired


def _is_over(rule: Script | Fault) -> bool:
    return bool(_why_over(rule))
