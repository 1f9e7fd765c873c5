"""What the interface takes and returns: instances, their figures, consoles, migration states."""

import copy
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    NamedTuple,
    NoReturn,
    NotRequired,
    Protocol,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    get_args,
)

from pytest_fakehv.checks import (
    DeclarationError,
    check_amount,
    check_choice,
    checked_tags,
    is_amount,
    memory_amount,
    name_fault,
)
from pytest_fakehv.interface.constants import (
    BE_MAXMEM,
    BE_MINMEM,
    BE_VCPUS,
    CONSOLE_KINDS,
    MIGRATION_STATES,
    ConsoleKind,
    InstanceState,
)
from pytest_fakehv.interface.sizes import sizes_in
from pytest_fakehv.text import USUAL, shown

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it

DeclaredState = Literal["running", "paused", "stopped"]
_STATES: Final[tuple[str, ...]] = get_args(DeclaredState)


_MEMORY: Final = 1024
"""MiB that an instance has where nothing is said."""


class InstanceLike(Protocol):
    """What the interface needs of an instance: any object with these attributes will do.

    The caller's own class, Ganeti's ``objects.Instance`` (which has disks and nics too) or our `Instance`.
    """

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def hvparams(self) -> Mapping[str, Any]:
        """Hypervisor parameters, by name."""

    @property
    def beparams(self) -> Mapping[str, Any]:
        """Backend parameters, ``minmem`` and ``maxmem`` in MiB, and ``vcpus`` as a count."""


@dataclass
class Instance:
    """An instance as the code under test holds it: a description, running or not.

    Args:
        name: its name; one file name's worth of text.
        hvparams: hypervisor parameters, by name.
        beparams: backend parameters: ``minmem`` and ``maxmem`` in MiB, ``vcpus`` as a count.
        disks: its disks, in whatever form the code under test uses.
        nics: its network cards, likewise.
        tags: texts for the test's own use.
    """

    name: str
    hvparams: dict[str, Any] = field(default_factory=dict)
    beparams: dict[str, Any] = field(default_factory=dict)
    disks: list[Any] = field(default_factory=list)
    nics: list[Any] = field(default_factory=list)
    tags: tuple[str, ...] = ()


class InstanceOptions(TypedDict, total=False):
    """The keywords of `InstanceSpec` but where it is and whether it runs, for what hands them on to it."""

    memory: int | str | None
    min_memory: int | str | None
    vcpus: int | None
    hvparams: Mapping[str, Any]
    tags: Collection[str]
    xml: str | None


@dataclass(frozen=True)
class InstanceSpec:
    """An instance as a test declares it, and where it is to be.

    Args:
        name: its name.
        node: the node it is on; None for the first.
        memory: what it may have at most, in MiB, or as a text with the unit, such as "24G"; MiB once it is
            declared. None: what ``xml`` says, else 1024.
        min_memory: what it must have at least, likewise; None: ``memory``, or what ``xml`` says as
            the current memory where it says both.
        vcpus: its virtual CPUs, a count; None: what ``xml`` says, else 1.
        state: "running", "paused" or "stopped".
        hvparams: its hypervisor parameters, by name.
        tags: texts for the test's own use.
        xml: what libvirt's clients are shown of it, as a domain's XML, which may leave out what these
            arguments say, and must not say otherwise; None for what every domain has. Without libvirt's front
            it means nothing.

    Raises:
        DeclarationError: an argument is wrong; the message names it.
    """

    name: str
    _: dataclasses.KW_ONLY
    node: str | None = None
    memory: int = field(default=cast("int", None), metadata={USUAL: _MEMORY})  # until it is made
    min_memory: int | None = None
    vcpus: int = field(default=cast("int", None), metadata={USUAL: 1})
    state: DeclaredState = "running"
    hvparams: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    xml: str | None = None

    if TYPE_CHECKING:  # what it takes is more than what it has

        def __init__(
            self,
            name: str,
            *,
            node: str | None = None,
            state: DeclaredState = "running",
            **options: Unpack[InstanceOptions],
        ) -> None: ...

    def __post_init__(self) -> None:
        """Check every argument."""
        if fault := name_fault(self.name):
            raise DeclarationError(f"name is invalid: {shown(self.name)}: {fault}")
        if self.xml is not None and not isinstance(self.xml, str):
            raise DeclarationError(f"xml must be a text, not {shown(self.xml)}")
        self._take_sizes()
        for key in ("memory", "min_memory"):
            value = getattr(self, key)
            if value is not None and not is_amount(value):  # as a rule, it is one
                object.__setattr__(self, key, memory_amount(key, value))
        check_amount("vcpus", self.vcpus)
        if self.min_memory is not None and self.min_memory > self.memory:
            raise DeclarationError(f"min_memory ({self.min_memory}) is more than memory ({self.memory})")
        if self.node is not None and not isinstance(self.node, str):
            raise DeclarationError(f"node must be the name of a node, not {shown(self.node)}")
        check_choice("state", self.state, _STATES)
        if not isinstance(self.hvparams, Mapping):
            raise DeclarationError(f"hvparams must be a mapping by name, not {shown(self.hvparams)}")
        if self.tags != ():
            object.__setattr__(self, "tags", checked_tags(self.tags))

    def _take_sizes(self) -> None:
        """Have what no argument says: what the XML does, or what is usual."""
        sizes: tuple[int | None, ...] = (self.memory, self.vcpus)
        if None not in sizes:
            return
        said = sizes_in(self.xml) if self.xml is not None else {}
        if sizes[0] is None:
            object.__setattr__(self, "memory", said.get("memory", _MEMORY))
            if self.min_memory is None and said.get("min_memory", self.memory) < self.memory:
                object.__setattr__(self, "min_memory", said["min_memory"])
        if sizes[1] is None:
            object.__setattr__(self, "vcpus", said.get("vcpus", 1))

    def instance(self) -> Instance:
        """Make the object that the interface's methods take."""
        minimum = self.memory if self.min_memory is None else self.min_memory
        return Instance(
            self.name,
            hvparams=dict(self.hvparams),
            beparams={BE_MINMEM: minimum, BE_MAXMEM: self.memory, BE_VCPUS: self.vcpus},
            tags=self.tags,
        )


def name_of(instance: "str | InstanceLike") -> str:
    """Return the name of an instance that is given by name or as the object that the interface takes.

    Its figures, as a node has them, will do, too.

    Raises:
        DeclarationError: it is neither, or its name can't be one; the message says what is valid.
    """
    given: Any = instance
    name = given
    if not isinstance(given, str | type) and (hasattr(given, "beparams") or isinstance(given, InstanceInfo)):
        name = given.name
    if not isinstance(name, str):
        raise DeclarationError(
            f"an instance is given by its name, or as itself, not as {shown(given)}{how_to_make(given)}"
        )
    if fault := name_fault(name):
        raise DeclarationError(f"instance is invalid: {shown(name)}: {fault}")
    return name


def how_to_make(given: object) -> str:
    """Say how to make an instance of what was given in its place, to stand behind a message; or nothing."""
    if isinstance(given, str):
        return f"; make one: fakehv.instance({shown(given)})"
    return "; make one: its instance()" if isinstance(given, InstanceSpec) else ""


def options_of(instance: InstanceLike) -> InstanceOptions:
    """Return the keywords that describe an instance as an object of it does, as far as that tells."""
    given: Any = instance
    if isinstance(given, InstanceInfo):
        return {"memory": given.memory, "vcpus": given.vcpus}
    name_of(instance)
    beparams = instance.beparams or {}
    options: dict[str, Any] = {"hvparams": instance.hvparams or {}}
    for key, parameter in (("memory", BE_MAXMEM), ("min_memory", BE_MINMEM), ("vcpus", BE_VCPUS)):
        if parameter in beparams:
            options[key] = beparams[parameter]
    if tags := getattr(given, "tags", None):  # of Ganeti's, None until somebody asks for them
        options["tags"] = tags
    return cast("InstanceOptions", options)


_Known = TypeVar("_Known")


class ByInstance(dict[str, _Known]):
    """What is known of the instances that run, or are paused, by name: a dict whose `KeyError` says more.

    Args:
        known: that.
        why_not: returns why an instance is not in it, in words; gets its name and the others'.
    """

    def __init__(
        self,
        known: Mapping[str, _Known],
        why_not: Callable[[object, Collection[str]], str] = lambda name, _: f"{shown(name)} is not there",
    ) -> None:
        super().__init__(known)
        self._why_not = why_not

    def __missing__(self, name: object) -> NoReturn:
        """Say why it is not there."""
        raise KeyError(self._why_not(name, self))

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, _Known]]]:
        """Make it anew where it is copied, or handed to another process: without what its cluster knows."""
        return type(self), (dict(self),)


class Placement(ByInstance["str | tuple[str, ...]"]):
    """Which instance runs, or is paused, where: a node's name, or names if there are several, by instance.

    What runs nowhere is not in it. It equals a plain dict.
    """


class _SixTuple(NamedTuple):
    name: str
    id: str
    memory: int
    vcpus: int
    state: InstanceState
    times: int


class InstanceInfo(_SixTuple):
    """The figures of a running instance: equal to the interface's plain six-tuple, with names.

    Attributes:
        name: the instance's name.
        id: always "0".
        memory: what it has now, in MiB.
        vcpus: its virtual CPUs.
        state: always running, as a paused one counts as running here.
        times: CPU time used, always 0.
        paused: whether it is paused; beside the tuple, since the interface has no word for it.
    """

    paused: bool = False

    @classmethod
    def of(cls, name: str, memory: int, vcpus: int, *, paused: bool) -> Self:
        """Make the figures of an instance that runs or is paused."""
        # As the tuple's own constructor does, which would be called once more for nothing.
        info = tuple.__new__(cls, (name, "0", memory, vcpus, InstanceState.RUNNING, 0))
        if paused:
            info.paused = True
        return info

    def __repr__(self) -> str:
        """Show what differs between instances."""
        paused = ", paused" if self.paused else ""
        return f"InstanceInfo({self.name!r}, memory={self.memory}, vcpus={self.vcpus}{paused})"


class NodeInfo(TypedDict):
    """What ``GetNodeInfo`` returns: memory in MiB, CPUs as counts."""

    memory_total: int
    memory_free: int
    memory_dom0: int
    cpu_total: int
    cpu_dom0: int
    cpu_nodes: int
    cpu_sockets: int
    hv_version: NotRequired[str]


def less_used(info: NodeInfo, used: int) -> NodeInfo:
    """Take the running instances' memory, in MiB, off what is free; never below 0."""
    return {**info, "memory_free": max(0, info["memory_free"] - used)}


class _Message:
    """What consoles and migration states share: conversion to and from plain dicts."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show what is set."""
        pairs = ((key, getattr(self, key)) for key in self._keys())
        given = ", ".join(f"{key}={value!r}" for key, value in pairs if value is not None)
        return f"{type(self).__name__}({given})"

    def Copy(self) -> Self:
        """Return a deep copy."""
        return copy.deepcopy(self)

    def ToDict(self) -> dict[str, Any]:
        """Return the attributes that are set, by name."""
        values = {key: getattr(self, key) for key in self._keys()}
        return {key: copy.deepcopy(value) for key, value in values.items() if value is not None}

    @classmethod
    def FromDict(cls, values: Mapping[str, Any]) -> Self:
        """Make one from `ToDict`'s result.

        Raises:
            AttributeError: a key is no attribute of this class.
        """
        unknown = sorted(set(values) - set(cls._keys()))
        if unknown:
            valid = ", ".join(cls._keys())
            raise AttributeError(f"{cls.__name__} has no attribute {unknown[0]!r}; valid: {valid}")
        return cls(**copy.deepcopy(dict(values)))

    @classmethod
    def _keys(cls) -> list[str]:
        return [each.name for each in dataclasses.fields(cls)]  # type: ignore[arg-type]  # each subclass is a dataclass


@dataclass(slots=True, kw_only=True, repr=False)
class InstanceConsole(_Message):
    """How to reach an instance's console. What is not set reads None; other attributes don't exist.

    Args:
        instance: the instance's name.
        kind: "msg", "ssh", "vnc" or "spice".
        message: for "msg", what to show instead of a console.
        host: for the others, the host to reach.
        port: for "vnc" and "spice", the port there.
        user: for "ssh", whom to log in as.
        command: for "ssh", what to run there.
        display: for "vnc", the display's number.
    """

    instance: str | None = None
    kind: ConsoleKind | None = None
    message: str | None = None
    host: str | None = None
    port: int | None = None
    user: str | None = None
    command: str | Sequence[str] | None = None
    display: int | None = None

    def Validate(self) -> None:
        """Check that it names an instance and has a known kind with what that kind needs.

        Raises:
            ValueError: it does not; the message names the attribute.
        """
        if not self.instance:
            raise ValueError("InstanceConsole.instance is not set")
        if self.kind not in CONSOLE_KINDS:
            raise ValueError(_invalid("InstanceConsole.kind", self.kind, CONSOLE_KINDS))
        for key in _CONSOLE_NEEDS[self.kind]:
            if getattr(self, key) is None:
                raise ValueError(f"InstanceConsole.{key} is not set, which kind {self.kind!r} needs")


_CONSOLE_NEEDS: dict[ConsoleKind, tuple[str, ...]] = {
    "msg": ("message",),
    "ssh": ("host", "user", "command"),
    "vnc": ("host", "port", "display"),
    "spice": ("host", "port"),
}


@dataclass(slots=True, kw_only=True, repr=False)
class MigrationStatus(_Message):
    """How far a migration is. What is not set reads None; other attributes don't exist.

    Args:
        status: "active", "completed", "failed" or "cancelled".
        transferred_ram: RAM sent so far, in MiB; None where the hypervisor doesn't say.
        total_ram: RAM to send, in MiB; None where the hypervisor doesn't say.
        postcopy_status: "postcopy-active" once the instance runs on the target while RAM still moves.
    """

    status: str = cast("str", None)  # of what a call answers, it is always set
    transferred_ram: int | None = None
    total_ram: int | None = None
    postcopy_status: str | None = None

    def Validate(self) -> None:
        """Check that both states are known ones or not set.

        Raises:
            ValueError: one is not; the message names it and the valid ones.
        """
        for key in ("status", "postcopy_status"):
            state = getattr(self, key)
            if state is not None and state not in MIGRATION_STATES:
                raise ValueError(_invalid(f"MigrationStatus.{key}", state, MIGRATION_STATES))


def _invalid(what: str, value: object, valid: frozenset[str]) -> str:
    return f"{what} is invalid: {shown(value)}; valid: {', '.join(sorted(valid))}"
