"""What a host can be asked: the functions of libvirt's interface, by their names."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pytest_fakehv.fronts.libvirt.errors import (
    Code,
    ConnectionLost,
    LibvirtError,
    Origin,
    failure,
    wrong_argument,
)
from pytest_fakehv.fronts.libvirt.host.subjects import resources_of
from pytest_fakehv.fronts.libvirt.values import Xml
from pytest_fakehv.interface.errors import HypervisorError, NodeDownError
from pytest_fakehv.interface.resources import Resources
from pytest_fakehv.text import shown_error

__tracebackhide__ = True  # a failed call is shown at the line that made it

Function = Callable[..., Any]
"""Takes the host, the session and the call's arguments: first the object, in place of what refers to it."""

Progress = Literal["before", "during", "after"]
"""Where a call has failed: before its effect, in it, or after it."""

Undo = Callable[[Any, Sequence[Any], Progress], None]

About = Literal[
    "domain",
    "pool",
    "volume",
    "network",
    "secret",
    "device",
    "snapshot",
    "name",
    "uuid",
    "xml",
    "params",
    "last",
    "nothing",
]
"""What its first argument is: an object; or a domain's name, a UUID, a domain's definition, or parameters
with one of these; or its last one is a domain's definition, or it is about none of these."""

_NO_INSTANCES: Final[frozenset[About]] = frozenset(
    {"pool", "volume", "network", "secret", "device", "uuid", "nothing"}
)
"""Of these, none says which instance a call is about."""

_PARTS: Final = 9
"""Of an error of libvirt's bindings."""


_DRIVERS: Final = {
    "Storage": Origin.STORAGE,
    "Network": Origin.NETWORK,
    "Secret": Origin.SECRET,
    "NodeDevice": Origin.NODEDEV,
}
"""What does those functions that have the word in their names; the others QEMU's driver does."""


@dataclass(frozen=True, kw_only=True)
class Api:
    """One function of libvirt's interface; to the door, a method of the node.

    Attributes:
        name: the function's name.
        function: what does it.
        about: what says what it is about.
        is_free: whether it is answered at once, by no call that the journal has, and under no lock.
        flags: the flags that it knows, which are its last argument; None for one without, and for one that
            looks for itself.
        amount: the name of its second argument where that must not be 0, as the libraries of clients see to.
        has_job: whether it is about a domain and changes it, and so waits until nobody else does.
        runs_instances: whether it may call code that isn't ours: an override of the interface's methods.
        waits: whether it may wait for others.
        undo: what is done where it has failed; takes the host, the arguments with a domain's name in place of
            it, and when that was. None for nothing.
    """

    name: str
    function: Function
    about: About
    is_free: bool = False
    flags: int | None = None
    amount: str | None = None
    has_job: bool = False
    runs_instances: bool = False
    waits: bool = False
    undo: Undo | None = None
    takes_a_name: bool = False

    @property
    def remote_name(self) -> str:
        """How the daemon calls what serves it."""
        return f"remoteDispatch{self.name.removeprefix('vir')}"

    @property
    def _driver(self) -> tuple[str, Origin]:
        """How the driver calls what does it, and which driver that is."""
        plain = self.name.removeprefix("vir")
        for word, origin in _DRIVERS.items():
            if plain.startswith(word):
                return f"{word[0].lower()}{plain[1:]}", origin
            if word in plain:
                return word.lower() + plain, origin
        return f"qemu{plain}", Origin.QEMU

    def instance_name(
        self, arguments: tuple[Any, ...], _keywords: Mapping[str, Any], _kept: tuple[Any, ...]
    ) -> str | None:
        """Say which instance a call is about; None if about none."""
        if self.about in _NO_INSTANCES:
            return None
        given = arguments[-1 if self.about == "last" else 0]
        if self.about == "last":
            given = Xml(given)
        elif self.about == "params":
            named = {each.field: each.value for each in given}
            # Until it has arrived, it is what it is called where it comes from, whatever it is to be called.
            given = Xml(named.get("destination_xml", "")).name or named.get("destination_name")
        name: str | None = given.name if isinstance(given, Xml) else given
        return name

    def resources(self, seen: tuple[Any, ...]) -> Resources:
        """Say which pool, volume or network a call is about, by its arguments as the journal has them."""
        return resources_of(self.name, seen)

    def seen(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a call's arguments as the journal has them."""
        if self.about == "domain":
            return (arguments[0].name, *arguments[1:])
        if self.about == "snapshot":  # the domain's name, and its own
            return (arguments[0].domain.name, arguments[0].name, *arguments[1:])
        if self.about == "uuid":
            return (str(uuid.UUID(bytes=arguments[0])),)
        if self.about == "xml":
            return (Xml(arguments[0]), *arguments[1:])
        if self.about in _NO_INSTANCES:  # a text that is no definition stays one to people, too
            return tuple(Xml(each) if isinstance(each, str) else each for each in arguments)
        return arguments

    def told(self, error: BaseException) -> BaseException:
        """Return an error of the cluster's, or of a fault's, as a client is told of it.

        One of libvirt's bindings, which a test gives a fault, is told as it is.
        """
        if isinstance(error, LibvirtError | NodeDownError | ConnectionLost) or not isinstance(
            error, Exception
        ):
            return error
        given, (_, origin) = getattr(error, "err", ()), self._driver
        if isinstance(given, tuple) and len(given) == _PARTS:
            code, domain, message, level, str1, str2, str3, int1, int2 = given
            return LibvirtError(code, domain, message, str1, str2, str3, level, int1, int2)
        if given is None:  # it was made by hand, and has a text alone
            return failure(Code.OPERATION_FAILED, str(error), origin=origin)
        if isinstance(error, HypervisorError):
            code = Code.OPERATION_FAILED if error.code is None else error.code
            return failure(code, str(error), origin=origin)
        return failure(Code.INTERNAL_ERROR, shown_error(error), origin=origin)

    def check(self, arguments: tuple[Any, ...]) -> None:
        """Refuse flags that it doesn't know, and an amount of 0.

        Raises:
            LibvirtError: there are such.
        """
        if self.amount and not arguments[1]:
            text = f"{self.amount} in {self.name} must not be zero"
            raise wrong_argument(self.name, self.amount, text)
        if self.flags is not None:
            check_flags(arguments[-1], self.flags, *self._driver)

    def check_instance(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        """Refuse nothing: what comes over the wire is of the right type."""


def check_flags(flags: int, known: int, function: str, origin: Origin) -> None:
    """Refuse flags that a function doesn't know.

    Args:
        flags: those that are set.
        known: those that it knows.
        function: its name in the daemon, which the error names.
        origin: which part of libvirt says it.

    Raises:
        LibvirtError: there are such.
    """
    if unknown := flags & ~int(known):  # of flags by name, Python would leave out those without
        text = f"unsupported flags (0x{unknown:x}) in function {function}"
        raise wrong_argument(function, "flags", text, origin=origin)


APIS: Final[dict[str, Api]] = {}
"""All that a host can be asked, by name."""


def api(
    *names: str,
    plain: str | None = None,
    about: About = "domain",
    is_free: bool = False,
    flags: int | None = None,
    amount: str | None = None,
    has_job: bool = False,
    runs_instances: bool = False,
    waits: bool = False,
    undo: Undo | None = None,
) -> Callable[[Function], Function]:
    """Let a function be what is done for one or more of libvirt's.

    Args:
        *names: theirs.
        plain: the name of one more, which does the same without flags, and takes none.
        about: as in `Api`, and so the others.
        is_free: see there.
        flags: see there.
        amount: see there.
        has_job: see there.
        runs_instances: see there.
        waits: see there.
        undo: see there.
    """

    def declare(function: Function) -> Function:
        for name in (*names, plain):
            if name is not None:
                APIS[name] = Api(
                    name=name,
                    function=function,
                    about=about,
                    is_free=is_free,
                    flags=None if name == plain or flags is None else int(flags),
                    amount=amount,
                    has_job=has_job,
                    runs_instances=runs_instances,
                    waits=waits,
                    undo=undo,
                )
        return function

    return declare
