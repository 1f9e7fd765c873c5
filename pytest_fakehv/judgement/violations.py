"""What can be wrong with a cluster: the invariants, by name, and how one was broken."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pytest_fakehv.calls.events import TimedEvent
from pytest_fakehv.calls.faults import Fault
from pytest_fakehv.calls.journal import Call
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.interface.libvirt import LIBVIRT_AUTOSTART
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a wrong call is shown at the line that made it

Invariant = Literal[
    "split-brain",
    "vanished",
    "unfinished",
    "unearned",
    "double-start",
    "together",
    "crowded",
    "left-paused",
    "forgotten",
    "overcommit",
    "unfired",
]

INVARIANTS: Final[tuple[Invariant, ...]] = get_args(Invariant)

OF_NO_INSTANCE: Final[frozenset[Invariant]] = frozenset({"overcommit", "unfired"})
"""Those that are about a node, a fault or an event."""

ADVICE: Final[dict[Invariant, str]] = {
    "split-brain": (
        "a correct program starts an instance, or lets it arrive, only where it is known to run nowhere else"
    ),
    "vanished": (
        "a correct program aborts a migration only once it has looked at both nodes, and finalizes one with "
        "success on both or on none"
    ),
    "unfinished": (
        "a correct program ends every migration on both nodes, also a refused or failed one, and tries again "
        "where a finalize fails"
    ),
    "unearned": (
        "a correct program finalizes with success only once the status says completed; else it aborts on both"
    ),
    "double-start": (
        "a correct program starts an instance only once it is confirmed that it is stopped everywhere else; "
        "on a node that does not answer it may run"
    ),
    "together": (
        "a correct program looks what runs on a node before it lets another one that is kept apart come there"
    ),
    "crowded": (
        "a correct program begins one more migration only once another is finalized or aborted on the node"
    ),
    "left-paused": (
        "a correct program looks at both hosts after each migration: it resumes what runs nowhere else, and "
        "destroys what is left of what runs there"
    ),
    "forgotten": (
        "a correct program asks for VIR_MIGRATE_PERSIST_DEST where it asks for VIR_MIGRATE_UNDEFINE_SOURCE"
    ),
    "overcommit": "a correct program asks a node for its free memory before it gives any of it away",
    "unfired": (
        "a correct test has its fault strike a call that is made; one that may never fire has optional=True"
    ),
}
"""What a correct program would have done."""

ADVICE_ON_EVENTS: Final = (
    "a correct test lets the clock get to the time of its event; one whose time may never come has "
    "optional=True"
)
"""The same, where it is not a fault that never fired, but an event that never came due."""


def by_itself(call: Call | None) -> str:
    """Return what is said of a start that a node made by itself, as a call had told it to; "" of others."""
    if call is None or call.method != LIBVIRT_AUTOSTART:
        return ""
    return f": {call.node} started it by itself as it booted"


@dataclass(frozen=True, kw_only=True)
class Violation:
    """An invariant that did not hold.

    Attributes:
        invariant: which.
        what: what is wrong, in words.
        instance: the name of the instance that it is about, if any.
        others: the names of those that it is about, too: what it met, or what else migrates there.
        nodes: the names of the nodes that it is about.
        call: the call at which it began; None if that was none, but the test's own doing.
        fault: the fault that never fired, if it is about one.
        event: the event that never came due, likewise.
    """

    invariant: Invariant
    what: str
    instance: str | None = None
    others: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    call: Call | None = None
    fault: Fault | None = None
    event: TimedEvent | None = None

    @property
    def _identity(self) -> tuple[object, ...]:
        """What stays the same of it, however it is worded when somebody looks again."""
        nodes = None if self.call else self.nodes
        return self.invariant, self.instance, self.call, self.fault, self.event, nodes

    @property
    def advice(self) -> str:
        """What a correct program would have done."""
        return ADVICE_ON_EVENTS if self.event else ADVICE[self.invariant]


def check_allowed(allow: object) -> frozenset[Invariant]:
    """Check names of invariants that need not hold.

    Raises:
        DeclarationError: they are no list, or one is none; the message names the valid ones.
    """
    if not isinstance(allow, Collection) or isinstance(allow, str | bytes):
        raise DeclarationError(f"allow must be a list of invariants, not {shown(allow)}")
    for name in allow:
        if name not in INVARIANTS:
            raise DeclarationError(f"allow has {shown(name)}; valid: {', '.join(INVARIANTS)}")
    return frozenset(allow)
