"""The numbers of libvirt's interface that a host and its clients speak of, by their names.

Source: libvirt's documentation of its API (https://libvirt.org/html/).
"""

from enum import IntEnum, IntFlag


class State(IntEnum):
    """What a domain does: ``VIR_DOMAIN_...``."""

    NOSTATE = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6


class Running(IntEnum):
    """Why a domain runs: ``VIR_DOMAIN_RUNNING_...``."""

    UNKNOWN = 0
    BOOTED = 1
    MIGRATED = 2
    RESTORED = 3
    FROM_SNAPSHOT = 4
    UNPAUSED = 5
    MIGRATION_CANCELED = 6
    SAVE_CANCELED = 7
    POSTCOPY = 10


class Paused(IntEnum):
    """Why a domain is paused: ``VIR_DOMAIN_PAUSED_...``."""

    UNKNOWN = 0
    USER = 1
    MIGRATION = 2
    SAVE = 3
    DUMP = 4
    IOERROR = 5
    FROM_SNAPSHOT = 7
    SNAPSHOT = 9
    STARTING_UP = 11
    POSTCOPY = 12
    POSTCOPY_FAILED = 13


class Shutoff(IntEnum):
    """Why a domain is shut off: ``VIR_DOMAIN_SHUTOFF_...``."""

    UNKNOWN = 0
    SHUTDOWN = 1
    DESTROYED = 2
    CRASHED = 3
    MIGRATED = 4
    SAVED = 5
    FAILED = 6
    FROM_SNAPSHOT = 7


class EventKind(IntEnum):
    """What a client can ask to be told of: ``VIR_DOMAIN_EVENT_ID_...``."""

    LIFECYCLE = 0
    REBOOT = 1
    RTC_CHANGE = 2
    WATCHDOG = 3
    IO_ERROR = 4
    GRAPHICS = 5
    IO_ERROR_REASON = 6
    CONTROL_ERROR = 7
    BLOCK_JOB = 8
    DISK_CHANGE = 9
    TRAY_CHANGE = 10
    PMWAKEUP = 11
    PMSUSPEND = 12
    BALLOON_CHANGE = 13
    PMSUSPEND_DISK = 14
    DEVICE_REMOVED = 15
    BLOCK_JOB_2 = 16
    TUNABLE = 17
    AGENT_LIFECYCLE = 18
    DEVICE_ADDED = 19
    MIGRATION_ITERATION = 20
    JOB_COMPLETED = 21
    DEVICE_REMOVAL_FAILED = 22
    METADATA_CHANGE = 23
    BLOCK_THRESHOLD = 24
    MEMORY_FAILURE = 25
    MEMORY_DEVICE_SIZE_CHANGE = 26


class AgentState(IntEnum):
    """Whether an agent in a guest listens: ``VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_...``."""

    CONNECTED = 1
    DISCONNECTED = 2


class AgentReason(IntEnum):
    """Since when that is so: ``VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_...``."""

    DOMAIN_STARTED = 1
    CHANNEL = 2


class PoolEventKind(IntEnum):
    """The same of storage pools: ``VIR_STORAGE_POOL_EVENT_ID_...``."""

    LIFECYCLE = 0
    REFRESH = 1


class PoolLifecycle(IntEnum):
    """What has become of a pool: ``VIR_STORAGE_POOL_EVENT_...``."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    STOPPED = 3
    CREATED = 4
    DELETED = 5


class NetworkEventKind(IntEnum):
    """The same of networks: ``VIR_NETWORK_EVENT_ID_...``."""

    LIFECYCLE = 0
    METADATA_CHANGE = 1


class NetworkLifecycle(IntEnum):
    """What has become of a network: ``VIR_NETWORK_EVENT_...``."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    STOPPED = 3


class SecretEventKind(IntEnum):
    """The same of secrets: ``VIR_SECRET_EVENT_ID_...``."""

    LIFECYCLE = 0
    VALUE_CHANGED = 1


class SecretLifecycle(IntEnum):
    """What has become of a secret: ``VIR_SECRET_EVENT_...``."""

    DEFINED = 0
    UNDEFINED = 1


class ListedSecrets(IntFlag):
    """Which secrets are listed: ``VIR_CONNECT_LIST_SECRETS_...``."""

    EPHEMERAL = 1
    NO_EPHEMERAL = 2
    PRIVATE = 4
    NO_PRIVATE = 8


class IoErrorAction(IntEnum):
    """What comes of an I/O error: ``VIR_DOMAIN_EVENT_IO_ERROR_...``."""

    NONE = 0
    PAUSE = 1
    REPORT = 2


class Tray(IntEnum):
    """What a drive's tray does: ``VIR_DOMAIN_EVENT_TRAY_CHANGE_...``."""

    OPEN = 0
    CLOSE = 1


class Lifecycle(IntEnum):
    """What has become of a domain: ``VIR_DOMAIN_EVENT_...``."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    SUSPENDED = 3
    RESUMED = 4
    STOPPED = 5
    SHUTDOWN = 6


class Defined(IntEnum):
    """How it was defined: ``VIR_DOMAIN_EVENT_DEFINED_...``."""

    ADDED = 0
    UPDATED = 1
    RENAMED = 2
    FROM_SNAPSHOT = 3


class Undefined(IntEnum):
    """How it was undefined: ``VIR_DOMAIN_EVENT_UNDEFINED_...``."""

    REMOVED = 0
    RENAMED = 1


class Started(IntEnum):
    """How it was started: ``VIR_DOMAIN_EVENT_STARTED_...``."""

    BOOTED = 0
    MIGRATED = 1
    RESTORED = 2
    FROM_SNAPSHOT = 3


class Suspended(IntEnum):
    """How it was suspended: ``VIR_DOMAIN_EVENT_SUSPENDED_...``."""

    PAUSED = 0
    MIGRATED = 1
    IOERROR = 2
    RESTORED = 4
    FROM_SNAPSHOT = 5
    POSTCOPY = 7
    POSTCOPY_FAILED = 8


class Resumed(IntEnum):
    """How it was resumed: ``VIR_DOMAIN_EVENT_RESUMED_...``."""

    UNPAUSED = 0
    MIGRATED = 1
    FROM_SNAPSHOT = 2
    POSTCOPY = 3


class Stopped(IntEnum):
    """How it was stopped: ``VIR_DOMAIN_EVENT_STOPPED_...``."""

    SHUTDOWN = 0
    DESTROYED = 1
    CRASHED = 2
    MIGRATED = 3
    SAVED = 4
    FAILED = 5
    FROM_SNAPSHOT = 6


class ShutDown(IntEnum):
    """Who has shut it down: ``VIR_DOMAIN_EVENT_SHUTDOWN_...``."""

    FINISHED = 0
    GUEST = 1
    HOST = 2


class Affect(IntFlag):
    """Which of a domain's definitions a call is about: ``VIR_DOMAIN_AFFECT_...``."""

    CURRENT = 0
    LIVE = 1
    CONFIG = 2


class Start(IntFlag):
    """How a domain starts: ``VIR_DOMAIN_START_...``."""

    PAUSED = 1
    AUTODESTROY = 2
    BYPASS_CACHE = 4
    FORCE_BOOT = 8
    VALIDATE = 16
    RESET_NVRAM = 32


class Save(IntFlag):
    """How a domain is saved or restored: ``VIR_DOMAIN_SAVE_...``."""

    BYPASS_CACHE = 1
    RUNNING = 2
    PAUSED = 4
    RESET_NVRAM = 8


class Dump(IntFlag):
    """How a domain's memory is dumped: ``VIR_DUMP_...``."""

    CRASH = 1
    LIVE = 2
    BYPASS_CACHE = 4
    RESET = 8
    MEMORY_ONLY = 16


class Stop(IntFlag):
    """How a guest is asked: ``VIR_DOMAIN_SHUTDOWN_...`` and ``VIR_DOMAIN_REBOOT_...``."""

    ACPI_POWER_BTN = 1
    GUEST_AGENT = 2


class Undefine(IntFlag):
    """What goes with a definition, or stays: ``VIR_DOMAIN_UNDEFINE_...``."""

    MANAGED_SAVE = 1
    SNAPSHOTS_METADATA = 2
    NVRAM = 4
    KEEP_NVRAM = 8
    CHECKPOINTS_METADATA = 16
    TPM = 32
    KEEP_TPM = 64


class Vcpu(IntFlag):
    """Which count of CPUs a call is about, beside `Affect`: ``VIR_DOMAIN_VCPU_...``."""

    MAXIMUM = 4
    GUEST = 8
    HOTPLUGGABLE = 16


class MemoryStatistic(IntEnum):
    """A figure of a domain's memory: ``VIR_DOMAIN_MEMORY_STAT_...``."""

    SWAP_IN = 0
    SWAP_OUT = 1
    MAJOR_FAULT = 2
    MINOR_FAULT = 3
    UNUSED = 4
    AVAILABLE = 5
    ACTUAL_BALLOON = 6
    RSS = 7
    USABLE = 8
    LAST_UPDATE = 9
    DISK_CACHES = 10


class Metadata(IntEnum):
    """What is noted of a domain: ``VIR_DOMAIN_METADATA_...``."""

    DESCRIPTION = 0
    TITLE = 1
    ELEMENT = 2


class Migrate(IntFlag):
    """How a domain migrates: ``VIR_MIGRATE_...``."""

    LIVE = 1 << 0
    PEER2PEER = 1 << 1
    TUNNELLED = 1 << 2
    PERSIST_DEST = 1 << 3
    UNDEFINE_SOURCE = 1 << 4
    PAUSED = 1 << 5
    NON_SHARED_DISK = 1 << 6
    NON_SHARED_INC = 1 << 7
    CHANGE_PROTECTION = 1 << 8
    UNSAFE = 1 << 9
    OFFLINE = 1 << 10
    COMPRESSED = 1 << 11
    ABORT_ON_ERROR = 1 << 12
    AUTO_CONVERGE = 1 << 13
    RDMA_PIN_ALL = 1 << 14
    POSTCOPY = 1 << 15
    TLS = 1 << 16
    PARALLEL = 1 << 17
    NON_SHARED_SYNCHRONOUS_WRITES = 1 << 18
    POSTCOPY_RESUME = 1 << 19
    ZEROCOPY = 1 << 20


class JobType(IntEnum):
    """What there is of a job: ``VIR_DOMAIN_JOB_...``."""

    NONE = 0
    UNBOUNDED = 2
    COMPLETED = 3
    FAILED = 4
    CANCELLED = 5


class PoolState(IntEnum):
    """What a storage pool does: ``VIR_STORAGE_POOL_...``."""

    INACTIVE = 0
    RUNNING = 2


class PoolStart(IntFlag):
    """What is made as a pool starts: ``VIR_STORAGE_POOL_CREATE_...``."""

    BUILD = 1
    BUILD_OVERWRITE = 2
    BUILD_NO_OVERWRITE = 4


class PoolBuild(IntFlag):
    """How what a pool lies in is made: ``VIR_STORAGE_POOL_BUILD_...``."""

    REPAIR = 1
    RESIZE = 2
    NO_OVERWRITE = 4
    OVERWRITE = 8


class VolumeCreate(IntFlag):
    """How a volume is made: ``VIR_STORAGE_VOL_CREATE_...``."""

    PREALLOC_METADATA = 1
    REFLINK = 2
    VALIDATE = 4


class VolumeStream(IntFlag):
    """How a volume is read or written: ``VIR_STORAGE_VOL_..LOAD_...``."""

    SPARSE = 1


class VolumeResize(IntFlag):
    """How a volume's size changes: ``VIR_STORAGE_VOL_RESIZE_...``."""

    ALLOCATE = 1
    DELTA = 2
    SHRINK = 4


class WipeAlgorithm(IntEnum):
    """With what a volume is overwritten: ``VIR_STORAGE_VOL_WIPE_ALG_...``."""

    ZERO = 0
    NNSA = 1
    DOD = 2
    BSI = 3
    GUTMANN = 4
    SCHNEIER = 5
    PFITZNER7 = 6
    PFITZNER33 = 7
    RANDOM = 8
    TRIM = 9


class ListedPools(IntFlag):
    """Which storage pools are listed: ``VIR_CONNECT_LIST_STORAGE_POOLS_...``."""

    INACTIVE = 1
    ACTIVE = 2
    PERSISTENT = 4
    TRANSIENT = 8
    AUTOSTART = 16
    NO_AUTOSTART = 32
    DIR = 64
    FS = 128
    NETFS = 256
    LOGICAL = 512
    DISK = 1 << 10
    ISCSI = 1 << 11
    SCSI = 1 << 12
    MPATH = 1 << 13
    RBD = 1 << 14
    SHEEPDOG = 1 << 15
    GLUSTER = 1 << 16
    ZFS = 1 << 17
    VSTORAGE = 1 << 18
    ISCSI_DIRECT = 1 << 19


class Listed(IntFlag):
    """Which domains are listed: ``VIR_CONNECT_LIST_DOMAINS_...``."""

    ACTIVE = 1
    INACTIVE = 2
    PERSISTENT = 4
    TRANSIENT = 8
    RUNNING = 16
    PAUSED = 32
    SHUTOFF = 64
    OTHER = 128
    MANAGEDSAVE = 256
    NO_MANAGEDSAVE = 512
    AUTOSTART = 1024
    NO_AUTOSTART = 2048
    HAS_SNAPSHOT = 4096
    NO_SNAPSHOT = 8192
    HAS_CHECKPOINT = 16384
    NO_CHECKPOINT = 32768


class NetworkListed(IntFlag):
    """Which networks are listed: ``VIR_CONNECT_LIST_NETWORKS_...``."""

    INACTIVE = 1
    ACTIVE = 2
    PERSISTENT = 4
    TRANSIENT = 8
    AUTOSTART = 16
    NO_AUTOSTART = 32
