"""What the host says of a domain that was started, paused, resumed or stopped, by what did that."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, Generic, TypeVar

from pytest_fakehv.fronts.libvirt.host.words import (
    Lifecycle,
    Paused,
    Resumed,
    Running,
    ShutDown,
    Shutoff,
    Started,
    Stopped,
    Suspended,
)

Reason = TypeVar("Reason", Running, Paused, Shutoff)
"""Why a domain is in its new state."""


@dataclass(frozen=True)
class Told(Generic[Reason]):
    """How a change is told.

    Attributes:
        reason: why the domain is in its new state.
        events: the lifecycle events, in their order, each with its detail.
        is_numbered: whether the last of them still has the number by which the domain ran.
    """

    reason: Reason
    events: tuple[tuple[Lifecycle, IntEnum], ...]
    is_numbered: bool = True


AnyTold = Told[Running] | Told[Paused] | Told[Shutoff]

_DESTROYED: Final = Told(
    Shutoff.DESTROYED,
    ((Lifecycle.SHUTDOWN, ShutDown.HOST), (Lifecycle.STOPPED, Stopped.DESTROYED)),
    is_numbered=False,
)
_SHUT_DOWN: Final = Told(
    Shutoff.SHUTDOWN, ((Lifecycle.SHUTDOWN, ShutDown.GUEST), (Lifecycle.STOPPED, Stopped.SHUTDOWN))
)

SAVES: Final = ("virDomainSave", "virDomainSaveFlags", "virDomainSaveParams", "virDomainManagedSave")
"""The calls that save a domain."""

DUMPS: Final = ("virDomainCoreDump", "virDomainCoreDumpWithFormat")
"""Those that dump one's memory."""

ARRIVES: Final = "FinalizeMigrationDst"
"""The call that lets run what has migrated to a host."""

LEAVES: Final = "MigrateInstance"
"""The call that pauses what migrates from a host."""

LEFT: Final = "FinalizeMigrationSource"
"""The call that ends what has migrated from a host, or lets it run again."""

RESTORED: Final = "virDomainRestore"
"""The call that lets a domain go on that was saved; others do so as well."""

RESTORED_PAUSED: Final = "virDomainRestore, to be paused"
"""The same, where the call lets it be paused, whatever it did before."""

REVERTED: Final = "virDomainRevertToSnapshot"
"""The call that lets a domain go on from a snapshot of its memory, after it has stopped it."""

REVERTED_BOOT: Final = "virDomainRevertToSnapshot, booting"
"""The same, where the snapshot has no memory."""

SNAPSHOT: Final = "virDomainSnapshotCreateXML"
"""The call that takes one, for which a domain stands still; it may stop it then."""

GO_ON: Final = frozenset({ARRIVES, RESTORED, RESTORED_PAUSED, REVERTED})
"""Those by which a guest goes on, and does not boot."""

_STOPPED_FROM_SNAPSHOT: Final = Told(Shutoff.FROM_SNAPSHOT, ((Lifecycle.STOPPED, Stopped.FROM_SNAPSHOT),))
_SAVED: Final = Told(Shutoff.SAVED, ((Lifecycle.STOPPED, Stopped.SAVED),), is_numbered=False)

STOPPED: Final[Mapping[str | None, Told[Shutoff]]] = {
    None: Told(Shutoff.CRASHED, ((Lifecycle.STOPPED, Stopped.FAILED),)),
    "virDomainDestroy": _DESTROYED,
    "virDomainDestroyFlags": _DESTROYED,
    "virDomainShutdown": _SHUT_DOWN,
    "virDomainShutdownFlags": _SHUT_DOWN,
    "virDomainReboot": _SHUT_DOWN,  # where the definition says so
    "virDomainReset": Told(
        Shutoff.SHUTDOWN, ((Lifecycle.SHUTDOWN, ShutDown.HOST), (Lifecycle.STOPPED, Stopped.SHUTDOWN))
    ),
    "virDomainCreateXML": _DESTROYED,  # its client has gone meanwhile, with which it was to end
    "virDomainCreateWithFlags": _DESTROYED,
    "StopInstance": _DESTROYED,
    **dict.fromkeys(SAVES, _SAVED),
    SNAPSHOT: _STOPPED_FROM_SNAPSHOT,
    REVERTED: replace(_STOPPED_FROM_SNAPSHOT, is_numbered=False),
    **dict.fromkeys(DUMPS, Told(Shutoff.CRASHED, ((Lifecycle.STOPPED, Stopped.CRASHED),), is_numbered=False)),
    LEFT: Told(Shutoff.MIGRATED, ((Lifecycle.STOPPED, Stopped.MIGRATED),), is_numbered=False),
    ARRIVES: Told(Shutoff.FAILED, ((Lifecycle.STOPPED, Stopped.FAILED),)),
}
"""By the call that did it; None for what happened by itself: a guest's process was killed."""

_BOOTED: Final = Told(
    Running.BOOTED, ((Lifecycle.RESUMED, Resumed.UNPAUSED), (Lifecycle.STARTED, Started.BOOTED))
)

STARTED: Final[Mapping[str | None, Told[Running]]] = {
    None: _BOOTED,
    ARRIVES: Told(
        Running.MIGRATED, ((Lifecycle.STARTED, Started.MIGRATED), (Lifecycle.RESUMED, Resumed.MIGRATED))
    ),
    REVERTED: Told(
        Running.FROM_SNAPSHOT,
        ((Lifecycle.STARTED, Started.FROM_SNAPSHOT), (Lifecycle.RESUMED, Resumed.FROM_SNAPSHOT)),
    ),
    REVERTED_BOOT: Told(
        Running.BOOTED, ((Lifecycle.RESUMED, Resumed.UNPAUSED), (Lifecycle.STARTED, Started.FROM_SNAPSHOT))
    ),
    RESTORED: Told(
        Running.RESTORED, ((Lifecycle.STARTED, Started.RESTORED), (Lifecycle.RESUMED, Resumed.FROM_SNAPSHOT))
    ),
}

_PAUSED_FROM_SNAPSHOT: Final = (
    (Lifecycle.STARTED, Started.FROM_SNAPSHOT),
    (Lifecycle.SUSPENDED, Suspended.FROM_SNAPSHOT),
)

STARTED_PAUSED: Final[Mapping[str | None, Told[Paused]]] = {
    None: Told(Paused.USER, ((Lifecycle.STARTED, Started.BOOTED), (Lifecycle.SUSPENDED, Suspended.PAUSED))),
    ARRIVES: Told(
        Paused.USER, ((Lifecycle.STARTED, Started.MIGRATED), (Lifecycle.SUSPENDED, Suspended.PAUSED))
    ),
    REVERTED: Told(Paused.FROM_SNAPSHOT, _PAUSED_FROM_SNAPSHOT),
    REVERTED_BOOT: Told(Paused.USER, _PAUSED_FROM_SNAPSHOT),
    RESTORED: Told(
        Paused.MIGRATION, ((Lifecycle.STARTED, Started.RESTORED), (Lifecycle.SUSPENDED, Suspended.RESTORED))
    ),
    RESTORED_PAUSED: Told(
        Paused.MIGRATION, ((Lifecycle.STARTED, Started.RESTORED), (Lifecycle.SUSPENDED, Suspended.PAUSED))
    ),
}

PAUSED: Final[Mapping[str | None, Told[Paused]]] = {
    None: Told(Paused.IOERROR, ((Lifecycle.SUSPENDED, Suspended.IOERROR),)),
    "virDomainSuspend": Told(Paused.USER, ((Lifecycle.SUSPENDED, Suspended.PAUSED),)),
    **dict.fromkeys(SAVES, Told(Paused.SAVE, ((Lifecycle.SUSPENDED, Suspended.PAUSED),))),
    **dict.fromkeys(DUMPS, Told(Paused.DUMP, ((Lifecycle.SUSPENDED, Suspended.PAUSED),))),
    SNAPSHOT: Told(Paused.SNAPSHOT, ((Lifecycle.SUSPENDED, Suspended.PAUSED),)),
    LEAVES: Told(Paused.MIGRATION, ((Lifecycle.SUSPENDED, Suspended.MIGRATED),)),
}

RESUMED: Final[Mapping[str | None, Told[Running]]] = {
    None: Told(Running.UNPAUSED, ((Lifecycle.RESUMED, Resumed.UNPAUSED),)),
    **dict.fromkeys(SAVES, Told(Running.SAVE_CANCELED, ((Lifecycle.RESUMED, Resumed.UNPAUSED),))),
    LEFT: Told(Running.MIGRATION_CANCELED, ((Lifecycle.RESUMED, Resumed.MIGRATED),)),
}


def told(changes: Mapping[str | None, Told[Reason]], method: str | None) -> Told[Reason]:
    """Return how a change is told that a call did; None for none."""
    return changes.get(method, changes[None])
