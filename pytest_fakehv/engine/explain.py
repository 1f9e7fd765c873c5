"""Text for people: assertion messages and the failure section. Pure functions over data."""

import difflib
import os
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_fakehv.engine.journal import Call
from pytest_fakehv.engine.node import NodeSpec, less_used
from pytest_fakehv.engine.objects import InstanceInfo
from pytest_fakehv.engine.text import natural_order, printable, shown, shown_error

MOST_NAMES = 8
MOST_INSTANCES = 20
MOST_CALLS = 10
WIDTH = 100
LONGEST_RESULT = 240

try:
    _START = os.path.join(os.getcwd(), "")
    """Files are shown as seen from the directory where the run began."""
except FileNotFoundError:  # pragma: no cover  # it has been removed; tried in a process that reports nothing
    _START = ""


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """What is known of a node without touching a file.

    Attributes:
        name: the node's name.
        spec: its size; None for that of the machine that runs the test.
        instances: the running and the paused instances there.
        malformed: the instances whose files can't be made sense of.
    """

    name: str
    spec: NodeSpec | None
    instances: Mapping[str, InstanceInfo]
    malformed: Sequence[str]


def state_of(info: InstanceInfo | None) -> str:
    """Return the word for an instance's state."""
    if info is None:
        return "stopped"
    return "paused" if info.paused else "running"


def listed(names: Iterable[str]) -> str:
    """List names in one line, and say how many were left out."""
    every = [printable(name) for name in sorted(names, key=natural_order)]
    rest = f" and {len(every) - MOST_NAMES} more" if len(every) > MOST_NAMES else ""
    return ", ".join(every[:MOST_NAMES]) + rest


def call_text(call: Call) -> str:
    """Show a call as it was made: ``StopInstance('web1')``."""
    arguments = [shown(each) for each in call.arguments]
    arguments += [f"{key}={shown(value)}" for key, value in call.keywords.items()]
    return f"{call.method}({', '.join(arguments)})"


def result_text(call: Call) -> str:
    """Show what came of a call, in one line."""
    if not call.ended:
        return "still running"
    if call.error is None:
        return shown(call.result, LONGEST_RESULT)
    return shown_error(call.error)


def place_text(call: Call) -> str:
    """Show where a call came from: ``test_drain.py:14``."""
    return f"{call.filename.removeprefix(_START)}:{call.line}"


def wrong_state(
    name: str,
    *,
    expected: str,
    found: Mapping[str, InstanceInfo],
    nodes: Mapping[str, Iterable[str]],
    elsewhere: Mapping[str, InstanceInfo],
    known: Iterable[str],
    last_call: Call | None,
) -> str:
    """Say that an instance is not in the state that a test expected.

    Args:
        name: the instance.
        expected: "running", "paused" or "stopped".
        found: its figures, by the node where it was found.
        nodes: the names of what runs or is paused on every node that was looked at, by node.
        elsewhere: its figures, by the node where it was found beside those.
        known: every name that the test has declared.
        last_call: the last call about the instance, if any.

    Returns:
        The message, in one line.
    """
    name = printable(name)
    places = ", ".join(nodes)
    where = f"on {places}" if len(nodes) == 1 else f"on any of {places}"
    if found:
        parts = [f"{name} {_states(found)}, not {expected}"]
    elif elsewhere:
        parts = [f"{name} is not {expected} {where}, but {_states(elsewhere)}"]
    else:
        parts = [f"{name} is not {expected} {where}"]
        there = {each for names in nodes.values() for each in names}
        parts.append(f"running there: {listed(there)}" if there else "nothing runs there")
        parts += [f"nearest name: {each}" for each in _nearest(name, {*there, *known} - {name})]
    return "; ".join([*parts, _last_call(last_call)])


def _nearest(name: str, names: Collection[str]) -> list[str]:
    """Return the name that was probably meant, if one was: the same with a domain, or one spelt alike."""
    longer = sorted(each for each in names if each.startswith(f"{name}.") or name.startswith(f"{each}."))
    return longer[:1] or difflib.get_close_matches(name, names, n=1)


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
    failed = f", which raised {result_text(call)}" if call.error else ""
    return f"last call: {call_text(call)} at {place_text(call)}{failed}"


def section(nodes: Sequence[NodeView], calls: Sequence[Call], total: int) -> str:
    """Describe nodes, instances and the last calls, for the report of a failed test.

    Args:
        nodes: what is known of each.
        calls: the last calls, in order; the last few are shown.
        total: how many calls there were.

    Returns:
        Lines of at most 100 columns, unless names are long.
    """
    lines = [line for node in nodes for line in _node_lines(node)]
    if not total:
        return "\n".join([*lines, "no calls"])
    newest = calls[-MOST_CALLS:]
    lines.append("calls:" if len(newest) == total else f"calls, the last {len(newest)} of {total}:")
    number = len(str(newest[-1].number))
    node = max(len(call.node) for call in newest)
    for call in newest:
        text = f"{call.number:>{number}} {call.node:<{node}} {call_text(call)} at {place_text(call)}"
        lines += _wrapped(text, f"-> {result_text(call)}")
    return "\n".join(lines)


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
    if node.spec is None:
        head = f"{node.name}: the size of this machine"
    else:
        info = less_used(node.spec.info(), sum(each.memory for each in node.instances.values()))
        head = (
            f"{node.name}: {info['memory_free']} of {info['memory_total']} MiB free, "
            f"{info['cpu_total']} CPUs{'' if node.spec.overcommit else ', no overcommit'}"
        )
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
