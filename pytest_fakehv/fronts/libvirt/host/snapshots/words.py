"""The numbers of libvirt's interface about snapshots, by their names.

Source: libvirt's documentation of its API (https://libvirt.org/html/).
"""

from enum import IntFlag


class Snap(IntFlag):
    """How a snapshot is taken: ``VIR_DOMAIN_SNAPSHOT_CREATE_...``."""

    REDEFINE = 1
    CURRENT = 2
    NO_METADATA = 4
    HALT = 8
    DISK_ONLY = 16
    REUSE_EXT = 32
    QUIESCE = 64
    ATOMIC = 128
    LIVE = 256
    VALIDATE = 512


class Revert(IntFlag):
    """How a domain goes back to one: ``VIR_DOMAIN_SNAPSHOT_REVERT_...``."""

    RUNNING = 1
    PAUSED = 2
    FORCE = 4
    RESET_NVRAM = 8


class SnapDelete(IntFlag):
    """What goes with one: ``VIR_DOMAIN_SNAPSHOT_DELETE_...``."""

    CHILDREN = 1
    METADATA_ONLY = 2
    CHILDREN_ONLY = 4


class ListedSnaps(IntFlag):
    """Which snapshots are listed: ``VIR_DOMAIN_SNAPSHOT_LIST_...``."""

    ROOTS = 1
    """Of a domain; of a snapshot: those below its children, too."""
    METADATA = 2
    LEAVES = 4
    NO_LEAVES = 8
    NO_METADATA = 16
    INACTIVE = 32
    ACTIVE = 64
    DISK_ONLY = 128
    INTERNAL = 256
    EXTERNAL = 512
    TOPOLOGICAL = 1024
