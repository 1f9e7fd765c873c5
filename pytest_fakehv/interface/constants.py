"""The words of the hypervisor interface: parameter names, states and kinds."""

from enum import IntEnum
from typing import Final, Literal, get_args

HV_MIGRATION_MODE: Final = "migration_mode"

BE_MINMEM: Final = "minmem"
BE_MAXMEM: Final = "maxmem"
BE_VCPUS: Final = "vcpus"

MigrationMode = Literal["live", "non-live"]
MIGRATION_MODES: Final[frozenset[str]] = frozenset(get_args(MigrationMode))

MigrationState = Literal["active", "completed", "failed", "cancelled", "postcopy-active"]
MIGRATION_STATES: Final[frozenset[str]] = frozenset(get_args(MigrationState))
MIGRATION_ACTIVE_STATES: Final = frozenset({"active", "postcopy-active"})
MIGRATION_FAILED_STATES: Final = frozenset({"failed", "cancelled"})

ConsoleKind = Literal["msg", "ssh", "vnc", "spice"]
CONSOLE_KINDS: Final[frozenset[str]] = frozenset(get_args(ConsoleKind))


class InstanceState(IntEnum):
    """What the interface says of an instance; a paused one counts as running."""

    RUNNING = 0
    SHUTDOWN = 1
