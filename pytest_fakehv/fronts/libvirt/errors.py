"""libvirt's errors: codes, where they come from, and the words in which libvirt says them."""

from enum import IntEnum
from typing import Final


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


class Origin(IntEnum):
    """Which part of libvirt says it; libvirt's ``VIR_FROM_...``."""

    NONE = 0
    XEN = 1
    XEND = 2
    XENSTORE = 3
    SEXPR = 4
    XML = 5
    DOM = 6
    RPC = 7
    PROXY = 8
    CONF = 9
    QEMU = 10
    NET = 11
    TEST = 12
    REMOTE = 13
    OPENVZ = 14
    XENXM = 15
    STATS_LINUX = 16
    LXC = 17
    STORAGE = 18
    NETWORK = 19
    DOMAIN = 20
    UML = 21
    NODEDEV = 22
    XEN_INOTIFY = 23
    SECURITY = 24
    VBOX = 25
    INTERFACE = 26
    ONE = 27
    ESX = 28
    PHYP = 29
    SECRET = 30
    CPU = 31
    XENAPI = 32
    NWFILTER = 33
    HOOK = 34
    DOMAIN_SNAPSHOT = 35
    AUDIT = 36
    SYSINFO = 37
    STREAMS = 38
    VMWARE = 39
    EVENT = 40
    LIBXL = 41
    LOCKING = 42
    HYPERV = 43
    CAPABILITIES = 44
    URI = 45
    AUTH = 46
    DBUS = 47
    PARALLELS = 48
    DEVICE = 49
    SSH = 50
    LOCKSPACE = 51
    INITCTL = 52
    IDENTITY = 53
    CGROUP = 54
    ACCESS = 55
    SYSTEMD = 56
    BHYVE = 57
    CRYPTO = 58
    FIREWALL = 59
    POLKIT = 60
    THREAD = 61
    ADMIN = 62
    LOGGING = 63
    XENXL = 64
    PERF = 65
    LIBSSH = 66
    RESCTRL = 67
    FIREWALLD = 68
    DOMAIN_CHECKPOINT = 69
    TPM = 70
    BPF = 71
    CH = 72


_TEMPLATES: Final[dict[int, str]] = {
    Code.INTERNAL_ERROR: "internal error",
    Code.NO_SUPPORT: "this function is not supported by the connection driver",
    Code.INVALID_ARG: "invalid argument",
    Code.OPERATION_FAILED: "operation failed",
    Code.NO_NAME: "missing name information",
    Code.XML_ERROR: "XML error",
    Code.OPERATION_DENIED: "operation forbidden",
    Code.NO_DOMAIN: "Domain not found",
    Code.NO_NETWORK: "Network not found",
    Code.NO_STORAGE_POOL: "Storage pool not found",
    Code.NO_STORAGE_VOL: "Storage volume not found",
    Code.NO_NODE_DEVICE: "Node device not found",
    Code.OPERATION_INVALID: "Requested operation is not valid",
    Code.NO_INTERFACE: "Interface not found",
    Code.CONFIG_UNSUPPORTED: "unsupported configuration",
    Code.OPERATION_TIMEOUT: "Timed out during operation",
    Code.NO_DOMAIN_SNAPSHOT: "Domain snapshot not found",
    Code.ARGUMENT_UNSUPPORTED: "argument unsupported",
    Code.OPERATION_ABORTED: "operation aborted",
    Code.NO_DOMAIN_METADATA: "metadata not found",
    Code.OVERFLOW: "numerical overflow",
    Code.OPERATION_UNSUPPORTED: "Operation not supported",
    Code.DEVICE_MISSING: "device not found",
    Code.NO_DOMAIN_CHECKPOINT: "Domain checkpoint not found",
}
"""What stands before an error's detail, by its code; of the others the detail is all that is said."""


class LibvirtError(Exception):
    """A call fails as libvirt's calls fail: a client's bindings raise their own error of these values.

    Args:
        code: What went wrong, a `Code`.
        domain: Who says it, an `Origin`.
        message: The whole text.
        str1: Its template, or the function whose argument is wrong.
        str2: What the template is about, or the argument's name.
        str3: Nothing, as a rule.
        level: 2, an error.
        int1: -1, or what the error is about, an errno, say.
        int2: The same.
    """

    def __init__(
        self,
        code: int,
        domain: int,
        message: str,
        str1: str | None = None,
        str2: str | None = None,
        str3: str | None = None,
        level: int = 2,
        int1: int = -1,
        int2: int = -1,
    ) -> None:
        super().__init__(code, domain, message, str1, str2, str3, level, int1, int2)
        self.code = code
        self.domain = domain
        self.message = message
        self.str1 = str1
        self.str2 = str2
        self.str3 = str3
        self.level = level
        self.int1 = int1
        self.int2 = int2

    def __str__(self) -> str:
        return self.message


class ConnectionLost(Exception):  # noqa: N818  # what is lost is what the caller is told
    """The node doesn't answer: its connections break, and the call that finds it out gets no reply."""


def failure(code: int, detail: str | None = None, *, origin: int = Origin.QEMU) -> LibvirtError:
    """Make an error in libvirt's words.

    Args:
        code: What went wrong.
        detail: What stands behind the code's own words, or in their place where it has none; None: these
            alone.
        origin: Who says it.
    """
    words = _TEMPLATES.get(code)
    if detail is None:
        text = words or f"error {int(code)}"
        return LibvirtError(code, origin, text, text)
    if words is None:
        return LibvirtError(code, origin, detail, "%s", detail)
    return LibvirtError(code, origin, f"{words}: {detail}", f"{words}: %s", detail)


def wrong_argument(api: str, argument: str, message: str, *, origin: int = Origin.DOMAIN) -> LibvirtError:
    """Make the error of a call that has an argument which the function takes from nobody.

    Args:
        api: The function's name.
        argument: The argument's name.
        message: The whole text.
        origin: Who says it.
    """
    return LibvirtError(Code.INVALID_ARG, origin, message, api, argument, int1=0, int2=0)
