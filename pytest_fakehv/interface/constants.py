"""The words of the hypervisor interface: parameter names, states and kinds."""

from enum import IntEnum
from typing import Final, Literal, get_args

from pytest_fakehv.interface.libvirt import LIBVIRT_COMMANDS, LIBVIRT_STARTS, LIBVIRT_STOPS, LibvirtName

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

GanetiName = Literal[
    "*",
    "StartInstance",
    "StopInstance",
    "CleanupInstance",
    "RebootInstance",
    "ListInstances",
    "GetInstanceInfo",
    "GetAllInstancesInfo",
    "BalloonInstanceMemory",
    "VerifyInstance",
    "RestoreInstance",
    "GetInstanceConsole",
    "GetNodeInfo",
    "Verify",
    "PowercycleNode",
    "GetLinuxNodeInfo",
    "GetAncillaryFiles",
    "MigrationInfo",
    "AcceptInstance",
    "MigrateInstance",
    "GetMigrationStatus",
    "FinalizeMigrationSource",
    "FinalizeMigrationDst",
    "VersionsSafeForMigration",
    "HotplugSupported",
    "VerifyHotplugSupport",
    "HotAddDevice",
    "HotDelDevice",
    "HotModDevice",
    "ResizeDisk",
    "AssessParameters",
    "CheckParameterSyntax",
    "ValidateParameters",
]
"""A method of the interface, or "*" for every one."""

MethodName = GanetiName | LibvirtName
"""What callers call, in the words of the interface or of a front."""

COMMANDS: Final[tuple[GanetiName, ...]] = (
    "StartInstance",
    "StopInstance",
    "CleanupInstance",
    "RebootInstance",
    "BalloonInstanceMemory",
    "RestoreInstance",
    "PowercycleNode",
    "AcceptInstance",
    "MigrateInstance",
    "FinalizeMigrationSource",
    "FinalizeMigrationDst",
    "HotAddDevice",
    "HotDelDevice",
    "HotModDevice",
    "ResizeDisk",
)
"""The methods that are there for their effect: each returns None where it worked. The others only tell."""

MIGRATION_STEPS: Final[tuple[GanetiName, ...]] = (
    "MigrationInfo",
    "AcceptInstance",
    "MigrateInstance",
    "GetMigrationStatus",
    "FinalizeMigrationSource",
    "FinalizeMigrationDst",
)
"""The calls that make one migration, in their order."""

ALL_COMMANDS: Final[frozenset[str]] = frozenset({*COMMANDS, *LIBVIRT_COMMANDS})
"""These, and libvirt's."""

STARTS: Final[frozenset[str]] = frozenset({"StartInstance", *LIBVIRT_STARTS})
"""The calls that start an instance where none was."""

STOPS: Final[frozenset[str]] = frozenset({"StopInstance", *LIBVIRT_STOPS})
"""The calls that stop one, as whoever makes them wants it."""

ConsoleKind = Literal["msg", "ssh", "vnc", "spice"]
CONSOLE_KINDS: Final[frozenset[str]] = frozenset(get_args(ConsoleKind))


class InstanceState(IntEnum):
    """What the interface says of an instance; a paused one counts as running."""

    RUNNING = 0
    SHUTDOWN = 1
