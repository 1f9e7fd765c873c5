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
    "orphaned",
    "overcommit",
    "unfired",
]

INVARIANTS: Final[tuple[Invariant, ...]] = get_args(Invariant)

OF_NO_INSTANCE: Final[frozenset[Invariant]] = frozenset({"orphaned", "overcommit", "unfired"})
"""Those that are about a volume, a node, a fault or an event."""

OF_A_VOLUME: Final[frozenset[Invariant]] = frozenset({"orphaned"})

ON_REQUEST: Final[tuple[Invariant, ...]] = ("orphaned",)
"""Those that need hold only where a test, or a run, forbids that they don't."""

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
    "orphaned": (
        "a correct program deletes each volume that it has made and that no domain uses any more, also where "
        "what it was made for has failed"
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
        volume: the name of the volume that it is about, if any.
        others: the names of those that it is about, too: what it met, or what else migrates there.
        nodes: the names of the nodes that it is about.
        call: the call at which it began; None if that was none, but the test's own doing.
        fault: the fault that never fired, if it is about one.
        event: the event that never came due, likewise.
    """

    invariant: Invariant
    what: str
    instance: str | None = None
    volume: str | None = None
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
    return _check("allow", allow, INVARIANTS)


def check_forbidden(forbid: object) -> frozenset[Invariant]:
    """Check names of invariants that are to hold, though they need not unless that is asked for.

    Raises:
        DeclarationError: they are no list, or one is none of these; the message names the valid ones.
    """
    return _check("forbid", forbid, ON_REQUEST)


def _check(key: str, given: object, valid: Collection[str]) -> frozenset[Invariant]:
    if not isinstance(given, Collection) or isinstance(given, str | bytes):
        raise DeclarationError(f"{key} must be a list of invariants, not {shown(given)}")
    for name in given:
        if name not in valid:
            raise DeclarationError(f"{key} has {shown(name)}; valid: {', '.join(valid)}")
    return frozenset(given)
