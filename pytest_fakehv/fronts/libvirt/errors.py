"""libvirt's errors: codes, where they come from, and the words in which libvirt says them."""

import os
from enum import IntEnum
from typing import Final

from pytest_fakehv.interface.libvirt_codes import Code as Code


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
    Code.NO_MEMORY: "out of memory",
    Code.CPU_INCOMPATIBLE: "the CPU is incompatible with host CPU",
    Code.NO_SUPPORT: "this function is not supported by the connection driver",
    Code.INVALID_ARG: "invalid argument",
    Code.OPERATION_FAILED: "operation failed",
    Code.NO_NAME: "missing name information",
    Code.XML_ERROR: "XML error",
    Code.XML_INVALID_SCHEMA: "XML document failed to validate against schema",
    Code.OPERATION_DENIED: "operation forbidden",
    Code.NO_DOMAIN: "Domain not found",
    Code.NO_NETWORK: "Network not found",
    Code.NO_STORAGE_POOL: "Storage pool not found",
    Code.NO_STORAGE_VOL: "Storage volume not found",
    Code.NO_NODE_DEVICE: "Node device not found",
    Code.INVALID_MAC: "invalid MAC address",
    Code.OPERATION_INVALID: "Requested operation is not valid",
    Code.NO_INTERFACE: "Interface not found",
    Code.CONFIG_UNSUPPORTED: "unsupported configuration",
    Code.OPERATION_TIMEOUT: "Timed out during operation",
    Code.NO_DOMAIN_SNAPSHOT: "Domain snapshot not found",
    Code.ARGUMENT_UNSUPPORTED: "argument unsupported",
    Code.OPERATION_ABORTED: "operation aborted",
    Code.NO_DOMAIN_METADATA: "metadata not found",
    Code.OVERFLOW: "numerical overflow",
    Code.SNAPSHOT_REVERT_RISKY: "revert requires force",
    Code.AGENT_UNRESPONSIVE: "Guest agent is not responding",
    Code.OPERATION_UNSUPPORTED: "Operation not supported",
    Code.DEVICE_MISSING: "device not found",
    Code.NO_DOMAIN_CHECKPOINT: "Domain checkpoint not found",
    Code.NO_DOMAIN_BACKUP: "Domain backup job id not found",
    Code.CHECKPOINT_INCONSISTENT: "checkpoint inconsistent",
    Code.NO_HOSTNAME: "no hostname found",
    Code.AUTH_FAILED: "authentication failed",
    Code.AUTH_CANCELLED: "authentication cancelled",
    Code.ACCESS_DENIED: "access denied",
    Code.RESOURCE_BUSY: "resource busy",
    Code.NO_NWFILTER: "Network filter not found",
    Code.INVALID_SECRET: "Invalid secret",
    Code.NO_SECRET: "Secret not found",
    Code.BLOCK_COPY_ACTIVE: "block copy still active",
    Code.MIGRATE_UNSAFE: "Unsafe migration",
    Code.MIGRATE_PERSIST_FAILED: "Failed to make domain persistent after migration",
    Code.MIGRATE_FINISH_OK: "migration successfully aborted",
    Code.DBUS_SERVICE: "error from service",
    Code.NO_CLIENT: "Client not found",
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


def system_failure(doing: str, number: int, *, origin: int = Origin.NONE) -> LibvirtError:
    """Make the error of what the system refuses.

    Args:
        doing: What fails, as in "cannot open directory '/srv'".
        number: The system's number of why: an `errno`.
        origin: Who says it.
    """
    text = f"{doing}: {os.strerror(number)}"
    return LibvirtError(Code.SYSTEM_ERROR, origin, text, "%s", text, int1=number)


def wrong_argument(api: str, argument: str, message: str, *, origin: int = Origin.DOMAIN) -> LibvirtError:
    """Make the error of a call that has an argument which the function takes from nobody.

    Args:
        api: The function's name.
        argument: The argument's name.
        message: The whole text.
        origin: Who says it.
    """
    return LibvirtError(Code.INVALID_ARG, origin, message, api, argument, int1=0, int2=0)
