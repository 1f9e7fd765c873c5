"""A node: its size, and the arithmetic of its memory."""

import dataclasses
from dataclasses import dataclass
from typing import TypedDict

from pytest_fakehv.checks import DeclarationError, check_amount, check_choice, name_fault
from pytest_fakehv.interface.objects import NodeInfo
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it


class NodeOptions(TypedDict, total=False):
    """The keywords of `NodeSpec`, for what hands them on to it."""

    memory: int
    cpus: int
    reserved_memory: int
    overcommit: bool
    max_migrations: int | None
    address: str | None
    version: str | None
    cpu_nodes: int
    cpu_sockets: int


@dataclass(frozen=True)
class NodeSpec:
    """A node as a test declares it: 64 GiB and 16 CPUs unless said otherwise.

    Args:
        name: its name; also the name of its root directory.
        memory: all its memory, in MiB.
        cpus: its CPUs, a count.
        reserved_memory: what the node keeps for itself, in MiB; no instance can have it.
        overcommit: whether instances may be given more memory than is free, as Ganeti's fake allows;
            with False, a call that would do so raises.
        max_migrations: how many migrations the node takes at once, in and out together, a count; a call
            that would begin one more raises. None for any number.
        address: where the other nodes reach it; None for its name.
        version: the hypervisor's version there, which ``GetNodeInfo`` then has as ``hv_version``.
        cpu_nodes: its NUMA nodes, a count.
        cpu_sockets: its CPU sockets, a count.

    Raises:
        DeclarationError: an argument is wrong; the message names it.
    """

    name: str
    _: dataclasses.KW_ONLY
    memory: int = 65536
    cpus: int = 16
    reserved_memory: int = 0
    overcommit: bool = True
    max_migrations: int | None = None
    address: str | None = None
    version: str | None = None
    cpu_nodes: int = 1
    cpu_sockets: int = 1

    def __post_init__(self) -> None:
        """Check every argument."""
        if fault := name_fault(self.name):
            raise DeclarationError(f"name is invalid: {shown(self.name)}: {fault}")
        if not self.name.isprintable():
            raise DeclarationError(f"name is invalid: {shown(self.name)}: it can't be printed")
        for key in ("memory", "cpus", "cpu_nodes", "cpu_sockets"):
            check_amount(key, getattr(self, key))
        check_amount("reserved_memory", self.reserved_memory, least=0)
        if self.reserved_memory > self.memory:
            raise DeclarationError(
                f"reserved_memory ({self.reserved_memory}) is more than memory ({self.memory})"
            )
        check_choice("overcommit", self.overcommit, (True, False))
        if self.max_migrations is not None:
            check_amount("max_migrations", self.max_migrations, least=0)
        for key in ("address", "version"):
            value = getattr(self, key)
            if value is not None and not (isinstance(value, str) and value):
                raise DeclarationError(f"{key} must be a text that is not empty, not {shown(value)}")

    @property
    def addresses(self) -> set[str]:
        """What the other nodes can call it: its name, and its address if it has another."""
        return {self.name, self.address or self.name}

    def info(self) -> NodeInfo:
        """Return the figures of the node with nothing running on it."""
        info = NodeInfo(
            memory_total=self.memory,
            memory_free=self.memory - self.reserved_memory,
            memory_dom0=self.reserved_memory,
            cpu_total=self.cpus,
            cpu_dom0=self.cpus,
            cpu_nodes=self.cpu_nodes,
            cpu_sockets=self.cpu_sockets,
        )
        if self.version is not None:
            info["hv_version"] = self.version
        return info


def startup_memory(minimum: int, maximum: int, free: int) -> int:
    """Return what a starting instance is given, in MiB: all it may have that is free, but its minimum.

    Source: Ganeti's memory ballooning, where ``minmem`` is guaranteed even when it isn't free.
    """
    return max(minimum, min(maximum, free))
