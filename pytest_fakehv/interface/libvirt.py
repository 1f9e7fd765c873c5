"""libvirt's words where the cluster itself takes them: the names of its functions, and of its errors.

Source: libvirt's documentation of its API (https://libvirt.org/html/).
"""

import re
from enum import IntEnum
from typing import Final, Literal, get_args

LibvirtName = Literal[
    "virConnectBaselineCPU",
    "virConnectBaselineHypervisorCPU",
    "virConnectCompareCPU",
    "virConnectCompareHypervisorCPU",
    "virConnectDomainEventRegisterAny",
    "virConnectFindStoragePoolSources",
    "virConnectGetAllDomainStats",
    "virConnectGetCPUModelNames",
    "virConnectGetCapabilities",
    "virConnectGetDomainCapabilities",
    "virConnectGetHostname",
    "virConnectGetLibVersion",
    "virConnectGetMaxVcpus",
    "virConnectGetStoragePoolCapabilities",
    "virConnectGetSysinfo",
    "virConnectGetType",
    "virConnectGetVersion",
    "virConnectIsSecure",
    "virConnectListAllDomains",
    "virConnectListAllNetworks",
    "virConnectListAllNodeDevices",
    "virConnectListAllSecrets",
    "virConnectListAllStoragePools",
    "virConnectListDefinedDomains",
    "virConnectListDefinedNetworks",
    "virConnectListDefinedStoragePools",
    "virConnectListDomains",
    "virConnectListNetworks",
    "virConnectListSecrets",
    "virConnectListStoragePools",
    "virConnectNetworkEventRegisterAny",
    "virConnectNodeDeviceEventRegisterAny",
    "virConnectNumOfDefinedDomains",
    "virConnectNumOfDefinedNetworks",
    "virConnectNumOfDefinedStoragePools",
    "virConnectNumOfDomains",
    "virConnectNumOfNetworks",
    "virConnectNumOfSecrets",
    "virConnectNumOfStoragePools",
    "virConnectOpen",
    "virConnectSecretEventRegisterAny",
    "virConnectStoragePoolEventRegisterAny",
    "virDomainAbortJob",
    "virDomainAbortJobFlags",
    "virDomainAgentSetResponseTimeout",
    "virDomainAttachDevice",
    "virDomainAttachDeviceFlags",
    "virDomainAuthorizedSSHKeysGet",
    "virDomainAuthorizedSSHKeysSet",
    "virDomainBackupBegin",
    "virDomainBackupGetXMLDesc",
    "virDomainBlockCommit",
    "virDomainBlockCopy",
    "virDomainBlockJobAbort",
    "virDomainBlockJobSetSpeed",
    "virDomainBlockPeek",
    "virDomainBlockPull",
    "virDomainBlockRebase",
    "virDomainBlockResize",
    "virDomainBlockStats",
    "virDomainBlockStatsFlags",
    "virDomainCheckpointCreateXML",
    "virDomainCheckpointDelete",
    "virDomainCheckpointGetParent",
    "virDomainCheckpointGetXMLDesc",
    "virDomainCheckpointListAllChildren",
    "virDomainCheckpointLookupByName",
    "virDomainCoreDump",
    "virDomainCoreDumpWithFormat",
    "virDomainCreate",
    "virDomainCreateWithFlags",
    "virDomainCreateXML",
    "virDomainDefineXML",
    "virDomainDefineXMLFlags",
    "virDomainDestroy",
    "virDomainDestroyFlags",
    "virDomainDetachDevice",
    "virDomainDetachDeviceAlias",
    "virDomainDetachDeviceFlags",
    "virDomainFSFreeze",
    "virDomainFSThaw",
    "virDomainFSTrim",
    "virDomainGetAutostart",
    "virDomainGetBlkioParameters",
    "virDomainGetBlockInfo",
    "virDomainGetBlockIoTune",
    "virDomainGetBlockJobInfo",
    "virDomainGetCPUStats",
    "virDomainGetControlInfo",
    "virDomainGetDiskErrors",
    "virDomainGetEmulatorPinInfo",
    "virDomainGetFSInfo",
    "virDomainGetGuestInfo",
    "virDomainGetGuestVcpus",
    "virDomainGetHostname",
    "virDomainGetIOThreadInfo",
    "virDomainGetInfo",
    "virDomainGetInterfaceParameters",
    "virDomainGetJobInfo",
    "virDomainGetJobStats",
    "virDomainGetMaxMemory",
    "virDomainGetMaxVcpus",
    "virDomainGetMemoryParameters",
    "virDomainGetMessages",
    "virDomainGetMetadata",
    "virDomainGetNumaParameters",
    "virDomainGetOSType",
    "virDomainGetPerfEvents",
    "virDomainGetSchedulerParameters",
    "virDomainGetSchedulerParametersFlags",
    "virDomainGetSchedulerType",
    "virDomainGetSecurityLabel",
    "virDomainGetState",
    "virDomainGetTime",
    "virDomainGetVcpuPinInfo",
    "virDomainGetVcpus",
    "virDomainGetVcpusFlags",
    "virDomainGetXMLDesc",
    "virDomainHasCurrentSnapshot",
    "virDomainHasManagedSaveImage",
    "virDomainInjectNMI",
    "virDomainInterfaceAddresses",
    "virDomainInterfaceStats",
    "virDomainIsActive",
    "virDomainIsPersistent",
    "virDomainIsUpdated",
    "virDomainListAllCheckpoints",
    "virDomainListAllSnapshots",
    "virDomainLookupByID",
    "virDomainLookupByName",
    "virDomainLookupByUUID",
    "virDomainManagedSave",
    "virDomainManagedSaveDefineXML",
    "virDomainManagedSaveGetXMLDesc",
    "virDomainManagedSaveRemove",
    "virDomainMemoryStats",
    "virDomainMigrateBegin3",
    "virDomainMigrateBegin3Params",
    "virDomainMigrateConfirm3",
    "virDomainMigrateConfirm3Params",
    "virDomainMigrateFinish3",
    "virDomainMigrateFinish3Params",
    "virDomainMigrateGetMaxDowntime",
    "virDomainMigrateGetMaxSpeed",
    "virDomainMigratePerform3",
    "virDomainMigratePerform3Params",
    "virDomainMigratePrepare3",
    "virDomainMigratePrepare3Params",
    "virDomainMigrateSetMaxDowntime",
    "virDomainMigrateSetMaxSpeed",
    "virDomainMigrateStartPostCopy",
    "virDomainOpenChannel",
    "virDomainOpenConsole",
    "virDomainPMSuspendForDuration",
    "virDomainPMWakeup",
    "virDomainPinVcpu",
    "virDomainPinVcpuFlags",
    "virDomainQemuAgentCommand",
    "virDomainReboot",
    "virDomainRename",
    "virDomainReset",
    "virDomainRestore",
    "virDomainRestoreFlags",
    "virDomainRestoreParams",
    "virDomainResume",
    "virDomainRevertToSnapshot",
    "virDomainSave",
    "virDomainSaveFlags",
    "virDomainSaveImageDefineXML",
    "virDomainSaveImageGetXMLDesc",
    "virDomainSaveParams",
    "virDomainScreenshot",
    "virDomainSendKey",
    "virDomainSetAutostart",
    "virDomainSetBlkioParameters",
    "virDomainSetBlockIoTune",
    "virDomainSetGuestVcpus",
    "virDomainSetInterfaceParameters",
    "virDomainSetMaxMemory",
    "virDomainSetMemory",
    "virDomainSetMemoryFlags",
    "virDomainSetMemoryParameters",
    "virDomainSetMemoryStatsPeriod",
    "virDomainSetMetadata",
    "virDomainSetNumaParameters",
    "virDomainSetPerfEvents",
    "virDomainSetSchedulerParameters",
    "virDomainSetSchedulerParametersFlags",
    "virDomainSetTime",
    "virDomainSetUserPassword",
    "virDomainSetVcpu",
    "virDomainSetVcpus",
    "virDomainSetVcpusFlags",
    "virDomainShutdown",
    "virDomainShutdownFlags",
    "virDomainSnapshotCreateXML",
    "virDomainSnapshotCurrent",
    "virDomainSnapshotDelete",
    "virDomainSnapshotGetParent",
    "virDomainSnapshotGetXMLDesc",
    "virDomainSnapshotHasMetadata",
    "virDomainSnapshotIsCurrent",
    "virDomainSnapshotListAllChildren",
    "virDomainSnapshotListChildrenNames",
    "virDomainSnapshotListNames",
    "virDomainSnapshotLookupByName",
    "virDomainSnapshotNum",
    "virDomainSnapshotNumChildren",
    "virDomainStartDirtyRateCalc",
    "virDomainSuspend",
    "virDomainUndefine",
    "virDomainUndefineFlags",
    "virDomainUpdateDeviceFlags",
    "virNetworkCreate",
    "virNetworkCreateXML",
    "virNetworkCreateXMLFlags",
    "virNetworkDefineXML",
    "virNetworkDefineXMLFlags",
    "virNetworkDestroy",
    "virNetworkGetAutostart",
    "virNetworkGetBridgeName",
    "virNetworkGetDHCPLeases",
    "virNetworkGetXMLDesc",
    "virNetworkIsActive",
    "virNetworkIsPersistent",
    "virNetworkLookupByName",
    "virNetworkLookupByUUID",
    "virNetworkSetAutostart",
    "virNetworkUndefine",
    "virNetworkUpdate",
    "virNodeAllocPages",
    "virNodeDeviceDetachFlags",
    "virNodeDeviceDettach",
    "virNodeDeviceGetAutostart",
    "virNodeDeviceGetParent",
    "virNodeDeviceGetXMLDesc",
    "virNodeDeviceIsActive",
    "virNodeDeviceIsPersistent",
    "virNodeDeviceListCaps",
    "virNodeDeviceLookupByName",
    "virNodeDeviceLookupSCSIHostByWWN",
    "virNodeDeviceNumOfCaps",
    "virNodeDeviceReAttach",
    "virNodeDeviceReset",
    "virNodeGetCPUMap",
    "virNodeGetCPUStats",
    "virNodeGetCellsFreeMemory",
    "virNodeGetFreeMemory",
    "virNodeGetFreePages",
    "virNodeGetInfo",
    "virNodeGetMemoryParameters",
    "virNodeGetMemoryStats",
    "virNodeGetSEVInfo",
    "virNodeGetSecurityModel",
    "virNodeListDevices",
    "virNodeNumOfDevices",
    "virNodeSetMemoryParameters",
    "virSecretDefineXML",
    "virSecretGetValue",
    "virSecretGetXMLDesc",
    "virSecretLookupByUUID",
    "virSecretLookupByUsage",
    "virSecretSetValue",
    "virSecretUndefine",
    "virStoragePoolBuild",
    "virStoragePoolCreate",
    "virStoragePoolCreateXML",
    "virStoragePoolDefineXML",
    "virStoragePoolDelete",
    "virStoragePoolDestroy",
    "virStoragePoolGetAutostart",
    "virStoragePoolGetInfo",
    "virStoragePoolGetXMLDesc",
    "virStoragePoolIsActive",
    "virStoragePoolIsPersistent",
    "virStoragePoolListAllVolumes",
    "virStoragePoolListVolumes",
    "virStoragePoolLookupByName",
    "virStoragePoolLookupByTargetPath",
    "virStoragePoolLookupByUUID",
    "virStoragePoolLookupByVolume",
    "virStoragePoolNumOfVolumes",
    "virStoragePoolRefresh",
    "virStoragePoolSetAutostart",
    "virStoragePoolUndefine",
    "virStorageVolCreateXML",
    "virStorageVolCreateXMLFrom",
    "virStorageVolDelete",
    "virStorageVolDownload",
    "virStorageVolGetInfo",
    "virStorageVolGetInfoFlags",
    "virStorageVolGetPath",
    "virStorageVolGetXMLDesc",
    "virStorageVolLookupByKey",
    "virStorageVolLookupByName",
    "virStorageVolLookupByPath",
    "virStorageVolResize",
    "virStorageVolUpload",
    "virStorageVolWipe",
    "virStorageVolWipePattern",
]
"""A function of libvirt's that clients of its front can call."""

LIBVIRT_NAMES: Final[frozenset[str]] = frozenset(get_args(LibvirtName))

LIBVIRT_COMMANDS: Final[tuple[LibvirtName, ...]] = (
    "virDomainAbortJob", "virDomainAbortJobFlags", "virDomainAttachDevice", "virDomainAttachDeviceFlags",
    "virDomainCoreDump", "virDomainCoreDumpWithFormat", "virDomainCreate", "virDomainCreateWithFlags",
    "virDomainDestroy", "virDomainDestroyFlags", "virDomainDetachDevice", "virDomainDetachDeviceAlias",
    "virDomainDetachDeviceFlags", "virDomainManagedSave", "virDomainManagedSaveDefineXML",
    "virDomainManagedSaveRemove", "virDomainMigrateConfirm3", "virDomainMigrateConfirm3Params",
    "virDomainMigrateSetMaxDowntime", "virDomainMigrateSetMaxSpeed", "virDomainMigrateStartPostCopy",
    "virDomainReboot", "virDomainReset", "virDomainRestore", "virDomainRestoreFlags",
    "virDomainRestoreParams", "virDomainResume", "virDomainRevertToSnapshot", "virDomainSave",
    "virDomainSaveFlags", "virDomainSaveImageDefineXML", "virDomainSaveParams", "virDomainSetAutostart",
    "virDomainSetGuestVcpus", "virDomainSetMaxMemory", "virDomainSetMemory", "virDomainSetMemoryFlags",
    "virDomainSetMetadata", "virDomainSetVcpu", "virDomainSetVcpus", "virDomainSetVcpusFlags",
    "virDomainShutdown", "virDomainShutdownFlags", "virDomainSnapshotDelete", "virDomainSuspend",
    "virDomainUndefine", "virDomainUndefineFlags", "virDomainUpdateDeviceFlags", "virStoragePoolBuild",
    "virStoragePoolCreate", "virStoragePoolDelete", "virStoragePoolDestroy", "virStoragePoolRefresh",
    "virStoragePoolSetAutostart", "virStoragePoolUndefine", "virStorageVolDelete", "virStorageVolResize",
    "virStorageVolWipe", "virStorageVolWipePattern",
)  # fmt: skip
"""Those that are there for their effect, as `COMMANDS`."""

LIBVIRT_AUTOSTART: Final[LibvirtName] = "virDomainSetAutostart"
"""What lets a host start a domain by itself, as it boots."""

LIBVIRT_STARTS: Final[tuple[LibvirtName, ...]] = (
    "virDomainCreate",
    "virDomainCreateWithFlags",
    "virDomainCreateXML",
    "virDomainRestore",
    "virDomainRestoreFlags",
    "virDomainRestoreParams",
    "virDomainRevertToSnapshot",
)
"""Those that start a domain."""

LIBVIRT_STOPS: Final[tuple[LibvirtName, ...]] = (
    "virDomainDestroy",
    "virDomainDestroyFlags",
    "virDomainManagedSave",
    "virDomainRevertToSnapshot",
    "virDomainSave",
    "virDomainSaveFlags",
    "virDomainSaveParams",
    "virDomainShutdown",
    "virDomainShutdownFlags",
    "virDomainSnapshotCreateXML",
)
"""Those that stop one."""

LIBVIRT_PHASES: Final[tuple[LibvirtName, ...]] = (
    "virDomainMigrateBegin3Params",
    "virDomainMigratePrepare3Params",
    "virDomainMigratePerform3Params",
    "virDomainMigrateFinish3Params",
    "virDomainMigrateConfirm3Params",
)
"""Those that a client's library makes of one migration, in their order."""

WHOLE_MIGRATIONS: Final = frozenset(
    f"virDomainMigrate{kind}" for kind in ("", "2", "3", "ToURI", "ToURI2", "ToURI3")
)
"""What programs call for it; no host ever gets such a call."""

_PROGRAMS: Final = {"virDomainStart": "virDomainCreate", "virDomainStop": "virDomainDestroy"}
"""Functions that there would be if they were called as programs and people call them."""


def libvirt_name(name: str) -> str:
    """Return how libvirt calls a function that somebody calls otherwise; else the name as it is."""
    return _PROGRAMS.get(name, name)


_VARIANT: Final = re.compile("((With)?Flags|Params)$")


def is_variant(name: str, of: str) -> bool:
    """Tell whether one function is another one with flags or parameters, as virDomainCreateWithFlags is."""
    return {name, of} <= LIBVIRT_NAMES and _VARIANT.sub("", name) == _VARIANT.sub("", of)


class Code(IntEnum):
    """What went wrong; libvirt's ``VIR_ERR_...``."""

    OK = 0
    INTERNAL_ERROR = 1
    NO_MEMORY = 2
    NO_SUPPORT = 3
    UNKNOWN_HOST = 4
    NO_CONNECT = 5
    INVALID_CONN = 6
    INVALID_DOMAIN = 7
    INVALID_ARG = 8
    OPERATION_FAILED = 9
    GET_FAILED = 10
    POST_FAILED = 11
    HTTP_ERROR = 12
    SEXPR_SERIAL = 13
    NO_XEN = 14
    XEN_CALL = 15
    OS_TYPE = 16
    NO_KERNEL = 17
    NO_ROOT = 18
    NO_SOURCE = 19
    NO_TARGET = 20
    NO_NAME = 21
    NO_OS = 22
    NO_DEVICE = 23
    NO_XENSTORE = 24
    DRIVER_FULL = 25
    CALL_FAILED = 26
    XML_ERROR = 27
    DOM_EXIST = 28
    OPERATION_DENIED = 29
    OPEN_FAILED = 30
    READ_FAILED = 31
    PARSE_FAILED = 32
    CONF_SYNTAX = 33
    WRITE_FAILED = 34
    XML_DETAIL = 35
    INVALID_NETWORK = 36
    NETWORK_EXIST = 37
    SYSTEM_ERROR = 38
    RPC = 39
    GNUTLS_ERROR = 40
    NO_DOMAIN = 42
    NO_NETWORK = 43
    INVALID_MAC = 44
    AUTH_FAILED = 45
    INVALID_STORAGE_POOL = 46
    INVALID_STORAGE_VOL = 47
    NO_STORAGE_POOL = 49
    NO_STORAGE_VOL = 50
    INVALID_NODE_DEVICE = 52
    NO_NODE_DEVICE = 53
    NO_SECURITY_MODEL = 54
    OPERATION_INVALID = 55
    NO_INTERFACE = 57
    INVALID_INTERFACE = 58
    MULTIPLE_INTERFACES = 59
    INVALID_NWFILTER = 61
    NO_NWFILTER = 62
    BUILD_FIREWALL = 63
    INVALID_SECRET = 65
    NO_SECRET = 66
    CONFIG_UNSUPPORTED = 67
    OPERATION_TIMEOUT = 68
    MIGRATE_PERSIST_FAILED = 69
    HOOK_SCRIPT_FAILED = 70
    INVALID_DOMAIN_SNAPSHOT = 71
    NO_DOMAIN_SNAPSHOT = 72
    INVALID_STREAM = 73
    ARGUMENT_UNSUPPORTED = 74
    STORAGE_PROBE_FAILED = 75
    STORAGE_POOL_BUILT = 76
    SNAPSHOT_REVERT_RISKY = 77
    OPERATION_ABORTED = 78
    AUTH_CANCELLED = 79
    NO_DOMAIN_METADATA = 80
    MIGRATE_UNSAFE = 81
    OVERFLOW = 82
    BLOCK_COPY_ACTIVE = 83
    OPERATION_UNSUPPORTED = 84
    SSH = 85
    AGENT_UNRESPONSIVE = 86
    RESOURCE_BUSY = 87
    ACCESS_DENIED = 88
    DBUS_SERVICE = 89
    STORAGE_VOL_EXIST = 90
    CPU_INCOMPATIBLE = 91
    XML_INVALID_SCHEMA = 92
    MIGRATE_FINISH_OK = 93
    AUTH_UNAVAILABLE = 94
    NO_SERVER = 95
    NO_CLIENT = 96
    AGENT_UNSYNCED = 97
    LIBSSH = 98
    DEVICE_MISSING = 99
    INVALID_NWFILTER_BINDING = 100
    NO_NWFILTER_BINDING = 101
    INVALID_DOMAIN_CHECKPOINT = 102
    NO_DOMAIN_CHECKPOINT = 103
    NO_DOMAIN_BACKUP = 104
    INVALID_NETWORK_PORT = 105
    NETWORK_PORT_EXIST = 106
    NO_NETWORK_PORT = 107
    NO_HOSTNAME = 108
    CHECKPOINT_INCONSISTENT = 109
    MULTIPLE_DOMAINS = 110
