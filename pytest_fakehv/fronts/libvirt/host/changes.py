"""What the host says of a domain that was started, paused, resumed or stopped, by what did that."""

from collections.abc import Mapping
from dataclasses import dataclass
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

ARRIVES: Final = "FinalizeMigrationDst"
"""The call that lets run what has migrated to a host."""

LEAVES: Final = "MigrateInstance"
"""The call that pauses what migrates from a host."""

LEFT: Final = "FinalizeMigrationSource"
"""The call that ends what has migrated from a host, or lets it run again."""

STOPPED: Final[Mapping[str | None, Told[Shutoff]]] = {
    None: Told(Shutoff.CRASHED, ((Lifecycle.STOPPED, Stopped.FAILED),)),
    "virDomainDestroy": _DESTROYED,
    "virDomainDestroyFlags": _DESTROYED,
    "virDomainShutdown": _SHUT_DOWN,
    "virDomainShutdownFlags": _SHUT_DOWN,
    "virDomainReboot": _SHUT_DOWN,  # where the definition says so
    "virDomainQemuAgentCommand": _SHUT_DOWN,
    "virDomainReset": Told(
        Shutoff.SHUTDOWN, ((Lifecycle.SHUTDOWN, ShutDown.HOST), (Lifecycle.STOPPED, Stopped.SHUTDOWN))
    ),
    "virDomainCreateXML": _DESTROYED,  # its client has gone meanwhile, with which it was to end
    "virDomainCreateWithFlags": _DESTROYED,
    "StopInstance": _DESTROYED,
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
}

STARTED_PAUSED: Final[Mapping[str | None, Told[Paused]]] = {
    None: Told(Paused.USER, ((Lifecycle.STARTED, Started.BOOTED), (Lifecycle.SUSPENDED, Suspended.PAUSED))),
    ARRIVES: Told(
        Paused.USER, ((Lifecycle.STARTED, Started.MIGRATED), (Lifecycle.SUSPENDED, Suspended.PAUSED))
    ),
}

PAUSED: Final[Mapping[str | None, Told[Paused]]] = {
    None: Told(Paused.IOERROR, ((Lifecycle.SUSPENDED, Suspended.IOERROR),)),
    "virDomainSuspend": Told(Paused.USER, ((Lifecycle.SUSPENDED, Suspended.PAUSED),)),
    LEAVES: Told(Paused.MIGRATION, ((Lifecycle.SUSPENDED, Suspended.MIGRATED),)),
}

RESUMED: Final[Mapping[str | None, Told[Running]]] = {
    None: Told(Running.UNPAUSED, ((Lifecycle.RESUMED, Resumed.UNPAUSED),)),
    LEFT: Told(Running.MIGRATION_CANCELED, ((Lifecycle.RESUMED, Resumed.MIGRATED),)),
}


def told(changes: Mapping[str | None, Told[Reason]], method: str | None) -> Told[Reason]:
    """Return how a change is told that a call did; None for none."""
    return changes.get(method, changes[None])
