"""The hypervisor interface: what Ganeti calls of a hypervisor, with the defaults that all share.

Source of the methods, their arguments and defaults: Ganeti 3.0 and 3.1.
"""

import logging
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.interface.constants import MIGRATION_STEPS
from pytest_fakehv.interface.errors import HotplugError, HypervisorError
from pytest_fakehv.interface.host import read_host
from pytest_fakehv.interface.libvirt import LIBVIRT_NAMES, LIBVIRT_PHASES, WHOLE_MIGRATIONS, libvirt_name
from pytest_fakehv.interface.objects import (
    Instance,
    InstanceConsole,
    InstanceInfo,
    InstanceLike,
    MigrationStatus,
    NodeInfo,
    how_to_make,
)
from pytest_fakehv.interface.parameters import ParameterEntry, Parameters
from pytest_fakehv.text import nearest, shown

HvParams = Mapping[str, Any]

__tracebackhide__ = True  # a failed check is shown at the line that asked for it

_log = logging.getLogger(__name__)


class _NoDoor:
    """What the calls of a hypervisor pass that is no node of ours: nothing."""

    def call(
        self,
        node: object,
        _method: object,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
    ) -> Any:
        """Let a call pass."""
        return function(node, *arguments, **keywords)

    later = lazily = call


class BaseHypervisor(ABC):
    """The contract, and what a hypervisor inherits of it.

    Attributes:
        PARAMETERS: the hvparams that the class takes, by name; see `pytest_fakehv.parameters`.
        ANCILLARY_FILES: files that every node should have.
        ANCILLARY_FILES_OPT: those of them that a node may lack.
        CAN_MIGRATE: whether instances can be migrated.
        error_class: what its errors are instances of, beside `HypervisorError`.
    """

    _door: Any = _NoDoor()

    PARAMETERS: ClassVar[Parameters] = {}
    ANCILLARY_FILES: ClassVar[Sequence[str]] = []
    ANCILLARY_FILES_OPT: ClassVar[Sequence[str]] = []
    CAN_MIGRATE: ClassVar[bool] = False
    error_class: ClassVar[type[Exception]] = HypervisorError

    @property
    @abstractmethod
    def name(self) -> str:
        """The node's name."""

    @property
    def unreachable(self) -> str | None:
        """Why no call reaches the node, to stand behind its name; None if calls do."""
        return None

    # Instances

    @abstractmethod
    def StartInstance(
        self, instance: InstanceLike, block_devices: Sequence[Any], startup_paused: bool
    ) -> None:
        """Start an instance."""

    @abstractmethod
    def StopInstance(
        self,
        instance: InstanceLike | None,
        force: bool = False,
        retry: bool = False,
        name: str | None = None,
        timeout: int | None = None,
    ) -> None:
        """Stop an instance."""

    def CleanupInstance(self, instance_name: str) -> None:
        """Clean up after a stopped instance: nothing to do."""

    @abstractmethod
    def RebootInstance(self, instance: InstanceLike) -> None:
        """Reboot an instance."""

    @abstractmethod
    def ListInstances(self, hvparams: HvParams | None = None) -> list[str]:
        """List the names of the running instances."""

    @abstractmethod
    def GetInstanceInfo(self, instance_name: str, hvparams: HvParams | None = None) -> InstanceInfo | None:
        """Return a running instance's figures."""

    @abstractmethod
    def GetAllInstancesInfo(self, hvparams: HvParams | None = None) -> list[InstanceInfo]:
        """Return every running instance's figures."""

    @abstractmethod
    def BalloonInstanceMemory(self, instance: InstanceLike, mem: int) -> None:
        """Change a running instance's memory."""

    def VerifyInstance(self, instance: InstanceLike) -> bool:
        """Tell whether an instance survived whatever befell its node: always True."""
        return True

    def RestoreInstance(self, instance: InstanceLike, block_devices: Sequence[Any]) -> None:
        """Bring back an instance that `VerifyInstance` denied: nothing to do."""

    @classmethod
    @abstractmethod
    def GetInstanceConsole(
        cls,
        instance: Any,
        primary_node: Any,
        node_group: Any,
        hvparams: HvParams,
        beparams: Mapping[str, Any],
    ) -> InstanceConsole:
        """Say how to reach an instance's console."""

    # The node

    @abstractmethod
    def GetNodeInfo(self, hvparams: HvParams | None = None) -> NodeInfo:
        """Return the node's figures."""

    @abstractmethod
    def Verify(self, hvparams: HvParams | None = None) -> str | None:
        """Say what is wrong with the hypervisor, or None."""

    def PowercycleNode(self, hvparams: HvParams | None = None) -> None:
        """Reset the node at once; here, without any effect on the machine that runs the test."""
        self.LinuxPowercycle()

    @classmethod
    def LinuxPowercycle(cls) -> None:
        """Stand for the reset of a Linux machine: says in the log that it did nothing."""
        with suppress(Exception):  # logging asks for the time, as a test may have patched it
            _log.warning("A power cycle was asked for; a fake hypervisor never resets the machine")

    @staticmethod
    def GetLinuxNodeInfo(meminfo: str = "/proc/meminfo", cpuinfo: str = "/proc/cpuinfo") -> NodeInfo:
        """Return the figures of the machine that runs the test, from two files as Linux writes them.

        Args:
            meminfo: path of the file with MemTotal and MemAvailable, in kB.
            cpuinfo: path of the file with a line for each processor.

        Returns:
            Its figures; dom0 has what isn't available, and all CPUs.

        Raises:
            HypervisorError: a file can't be read or lacks a line; the message names it.
        """
        for key, path in (("meminfo", meminfo), ("cpuinfo", cpuinfo)):
            if not isinstance(path, str | os.PathLike):
                raise TypeError(f"{key} must be the path of a file, not {shown(path)}")
        return read_host(meminfo, cpuinfo)

    @classmethod
    def GetAncillaryFiles(cls) -> tuple[Sequence[str], Sequence[str]]:
        """Return the files that nodes should have, and those of them that a node may lack.

        Raises:
            HypervisorError: ``ANCILLARY_FILES_OPT`` has one that ``ANCILLARY_FILES`` has not.
        """
        extra = sorted(set(cls.ANCILLARY_FILES_OPT) - set(cls.ANCILLARY_FILES))
        if extra:
            raise HypervisorError(
                f"{cls.__name__}.ANCILLARY_FILES_OPT has {', '.join(extra)}, which ANCILLARY_FILES has not"
            )
        return cls.ANCILLARY_FILES, cls.ANCILLARY_FILES_OPT

    # Migration

    def MigrationInfo(self, instance: InstanceLike) -> str:
        """Return what the target must know beforehand: nothing."""
        return ""

    def AcceptInstance(self, instance: InstanceLike, info: str, target: str) -> None:
        """Get ready, on the target, for an instance that will migrate here: nothing to do."""

    @abstractmethod
    def MigrateInstance(self, cluster_name: str, instance: InstanceLike, target: str, live: bool) -> None:
        """Start, on the source, to migrate an instance."""

    @abstractmethod
    def GetMigrationStatus(self, instance: InstanceLike) -> MigrationStatus:
        """Say, on the source, how far a migration is."""

    def FinalizeMigrationSource(self, instance: InstanceLike, success: bool, live: bool) -> None:
        """End a migration on the source: nothing to do."""

    def FinalizeMigrationDst(self, instance: InstanceLike, info: str, success: bool) -> None:
        """End a migration on the target: nothing to do."""

    @staticmethod
    def VersionsSafeForMigration(src: Any, target: Any) -> bool:
        """Tell whether a hypervisor version can migrate to another: only to the same."""
        return bool(src == target)

    # Devices

    def HotplugSupported(self, instance: InstanceLike) -> None:
        """Refuse hotplug.

        Raises:
            HotplugError: always.
        """
        raise HotplugError("Hotplug is not supported by this hypervisor")

    def VerifyHotplugSupport(self, instance: InstanceLike, action: str, dev_type: str) -> None:
        """Refuse one kind of hotplug.

        Raises:
            HotplugError: always.
        """
        raise HotplugError("Hotplug is not supported.")

    def HotAddDevice(self, instance: InstanceLike, dev_type: str, device: Any, extra: Any, seq: int) -> None:
        """Refuse to add a device.

        Raises:
            HotplugError: always.
        """
        raise HotplugError("Hotplug is not supported by this hypervisor")

    def HotDelDevice(self, instance: InstanceLike, dev_type: str, device: Any, extra: Any, seq: int) -> None:
        """Refuse to remove a device.

        Raises:
            HotplugError: always.
        """
        raise HotplugError("Hotplug is not supported by this hypervisor")

    def HotModDevice(self, instance: InstanceLike, dev_type: str, device: Any, extra: Any, seq: int) -> None:
        """Refuse to change a device.

        Raises:
            HotplugError: always.
        """
        raise HotplugError("Hotplug is not supported by this hypervisor")

    def ResizeDisk(self, instance: InstanceLike, disk: Any, new_size: int) -> None:
        """Refuse to resize a disk.

        Raises:
            HotplugError: always.
        """
        raise HotplugError("Disk resize is not supported by this hypervisor")

    # Parameters

    @classmethod
    def AssessParameters(cls, hvparams: HvParams) -> list[str]:
        """Return warnings about valid but doubtful parameters: none."""
        return []

    @classmethod
    def CheckParameterSyntax(cls, hvparams: HvParams) -> None:
        """Check parameters against ``PARAMETERS``, without looking at the node.

        Args:
            hvparams: all parameters, by name; None or "" is no value.

        Raises:
            HypervisorError: one is unknown, missing, required but without a value, or malformed.
        """
        _check_mapping(hvparams)
        for key in hvparams:
            if key not in cls.PARAMETERS:
                raise HypervisorError(f"Parameter '{key}' is not supported")
        for key, value, entry in cls._SpecifiedParameters(hvparams):
            _, check, text, _, _ = entry
            _check(key, value, check, f"fails syntax check: {text}")

    @classmethod
    def ValidateParameters(cls, hvparams: HvParams) -> None:
        """Check parameters against ``PARAMETERS``, for what makes sense on this node.

        Args:
            hvparams: all parameters, by name; None or "" is no value.

        Raises:
            HypervisorError: one is missing, required but without a value, or senseless here.
        """
        _check_mapping(hvparams)
        for key, value, entry in cls._SpecifiedParameters(hvparams):
            _, _, _, check, text = entry
            _check(key, value, check, f"fails validation: {text}")

    @classmethod
    def _SpecifiedParameters(cls, hvparams: HvParams) -> Iterator[tuple[str, Any, ParameterEntry]]:
        for key, entry in cls.PARAMETERS.items():
            if key not in hvparams:
                raise HypervisorError(f"Parameter '{key}' is missing")
            if not cls._IsParamValueUnspecified(hvparams[key]):
                yield key, hvparams[key], entry
            elif entry[0]:
                raise HypervisorError(f"Parameter '{key}' is required but is currently not defined")

    # For subclasses

    @staticmethod
    def _IsParamValueUnspecified(value: Any) -> bool:
        return value is None or (isinstance(value, str) and value == "")

    @staticmethod
    def _FormatVerifyResults(messages: Sequence[str]) -> str | None:
        return "; ".join(messages) or None


def _check_mapping(hvparams: object) -> None:
    if not isinstance(hvparams, Mapping):
        raise TypeError(f"hvparams must be a mapping by name, not {shown(hvparams)}")


def _check(key: str, value: Any, check: Callable[[Any], bool] | None, failing: str) -> None:
    if check is not None and not check(value):
        raise HypervisorError(f"Parameter '{key}' {failing} (current value: '{value}')")


_NOT_ON_A_NODE: Final = {"LinuxPowercycle"}
"""A public method that stands for the machine's own doing, not a call."""

INTERFACE: Final[Mapping[str, Any]] = {
    name: declared
    for name, declared in vars(BaseHypervisor).items()
    if name[0].isupper() and not name.isupper() and name not in _NOT_ON_A_NODE
}
"""The interface's methods as they are declared, by name."""


def check_instance(method: str, given: object) -> None:
    """Refuse what stands for an instance in a call of the interface, and is none.

    Of another class than ours, an object with a name will do, where a method needs no more.

    Args:
        method: what is called.
        given: what stands for the instance.

    Raises:
        TypeError: it is no instance; the message says how to make one.
    """
    if type(given) is Instance:
        return
    is_ours = isinstance(given, BaseHypervisor) or type(given).__module__.partition(".")[0] == "pytest_fakehv"
    if is_ours or isinstance(given, type) or not hasattr(given, "name"):
        raise TypeError(
            f"{method} takes an instance, an object with name, hvparams and beparams, "
            f"not {shown(given)}{how_to_make(given)}"
        )


def name_of_node(node: str | BaseHypervisor) -> str:
    """Return the name, or the address, of a node that is given by that or as itself.

    Raises:
        DeclarationError: it is neither.
    """
    if isinstance(node, BaseHypervisor):
        return node.name
    given: object = node
    if not isinstance(given, str):
        raise DeclarationError(f"a node is given by its name or address, or as itself, not as {shown(given)}")
    return given


def check_method(name: object) -> None:
    """Refuse what is no method of the interface, and no function of libvirt's.

    Raises:
        DeclarationError: it isn't; the message names the nearest ones.
    """
    if not isinstance(name, str):
        raise DeclarationError(f"the interface has no method {shown(name)}")
    if name in INTERFACE or name in LIBVIRT_NAMES:
        return
    what = "libvirt's front has no function" if name.startswith("vir") else "the interface has no method"
    raise DeclarationError(f"{what} {shown(name)}{_meant(name)}")


def _meant(name: str) -> str:
    """Say what was probably meant, to stand behind a message: of the interface, then of libvirt's."""
    last = name.rpartition(".")[2]
    # As the methods of libvirt's objects are called in Python and elsewhere: dom.create, conn.defineXML.
    own = {f"vir{kind}{last[:1].upper()}{last[1:]}" for kind in ("Domain", "Connect", "Node")} | {name}
    is_whole = bool(own & WHOLE_MIGRATIONS)
    theirs = LIBVIRT_PHASES if is_whole else sorted(LIBVIRT_NAMES.intersection(map(libvirt_name, own)))
    ours: Sequence[str] = ()
    if last.lower() == _verb(last) or not (theirs or name.startswith("vir")):
        alike = nearest(last, INTERFACE) or [each for each in INTERFACE if _verb(each) == _verb(last)]
        ours = MIGRATION_STEPS if is_whole else alike
    if not ours and not theirs:
        theirs = nearest(name, LIBVIRT_NAMES)
    meant = "; through libvirt: ".join(", ".join(each) for each in (ours, theirs) if each)
    return f"; {'a migration is several calls' if is_whole else 'nearest'}: {meant}" if meant else ""


def _verb(name: str) -> str:
    """Return the first word of a name such as StartInstance, startVM and start_vm."""
    return re.split("(?<=[a-z])(?![a-z])", name)[0].lower()
