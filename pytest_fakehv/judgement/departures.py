"""What takes an instance away that no call has stopped."""

from dataclasses import dataclass
from typing import NamedTuple

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.judgement.violations import Violation
from pytest_fakehv.text import printable


class Departure(NamedTuple):
    """Why an instance runs nowhere any more: on which node it was, and what became of it, in words."""

    node: str
    how: str


@dataclass(frozen=True)
class Gone:
    """Where an instance was that runs nowhere, which call took it away, and where it was or is to arrive."""

    node: str
    call: Call
    target: str | None
    has_arrived: bool
    is_on_its_way: bool


def vanished(instance: str, gone: Gone) -> Violation:
    """Say of an instance that it was lost, and by which call."""
    why = f"{gone.node} dropped its only copy"
    if gone.target and gone.has_arrived:
        why = f"it left {gone.node} and was no longer on {printable(gone.target)}"
    elif gone.target:
        why = f"it left {gone.node} and did not arrive on {printable(gone.target)}"
    what = f"{printable(instance)} runs nowhere: {why}"
    nodes = (gone.node, gone.target) if gone.target else (gone.node,)
    return Violation(invariant="vanished", what=what, instance=instance, nodes=nodes, call=gone.call)
