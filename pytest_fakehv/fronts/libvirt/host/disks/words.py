"""The numbers of libvirt's interface that are about disks' jobs, checkpoints and backups, by their names.

Source: libvirt's documentation of its API (https://libvirt.org/html/).
"""

from enum import IntEnum, IntFlag


class BlockJobKind(IntEnum):
    """What a job of a disk does: ``VIR_DOMAIN_BLOCK_JOB_TYPE_...``."""

    PULL = 1
    COPY = 2
    COMMIT = 3
    ACTIVE_COMMIT = 4
    BACKUP = 5


class BlockJobEnd(IntEnum):
    """What has become of it: ``VIR_DOMAIN_BLOCK_JOB_...``."""

    COMPLETED = 0
    FAILED = 1
    CANCELED = 2
    READY = 3


class Rebase(IntFlag):
    """How what is beneath a disk changes, or a disk is copied: ``VIR_DOMAIN_BLOCK_REBASE_...``."""

    SHALLOW = 1
    REUSE_EXT = 2
    COPY_RAW = 4
    COPY = 8
    RELATIVE = 16
    COPY_DEV = 32
    BANDWIDTH_BYTES = 64


class Commit(IntFlag):
    """How layers of a disk are committed: ``VIR_DOMAIN_BLOCK_COMMIT_...``."""

    SHALLOW = 1
    DELETE = 2
    ACTIVE = 4
    RELATIVE = 8
    BANDWIDTH_BYTES = 16


class Copy(IntFlag):
    """How a disk is copied: ``VIR_DOMAIN_BLOCK_COPY_...``."""

    SHALLOW = 1
    REUSE_EXT = 2
    TRANSIENT_JOB = 4
    SYNCHRONOUS_WRITES = 8


class Abort(IntFlag):
    """How a job of a disk ends: ``VIR_DOMAIN_BLOCK_JOB_ABORT_...``."""

    ASYNC = 1
    PIVOT = 2


class CheckpointCreate(IntFlag):
    """How a checkpoint is made: ``VIR_DOMAIN_CHECKPOINT_CREATE_...``."""

    REDEFINE = 1
    QUIESCE = 2
    REDEFINE_VALIDATE = 4


class CheckpointXml(IntFlag):
    """What is in its XML: ``VIR_DOMAIN_CHECKPOINT_XML_...``."""

    SECURE = 1
    NO_DOMAIN = 2
    SIZE = 4


class CheckpointListed(IntFlag):
    """Which are listed: ``VIR_DOMAIN_CHECKPOINT_LIST_...``."""

    ROOTS = 1
    TOPOLOGICAL = 2
    LEAVES = 4
    NO_LEAVES = 8


class CheckpointDelete(IntFlag):
    """What is deleted: ``VIR_DOMAIN_CHECKPOINT_DELETE_...``."""

    CHILDREN = 1
    METADATA_ONLY = 2
    CHILDREN_ONLY = 4
