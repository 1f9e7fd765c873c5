"""What a host can be asked: the functions of libvirt's interface, by their names."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pytest_fakehv.fronts.libvirt.errors import Origin, wrong_argument

__tracebackhide__ = True  # a failed call is shown at the line that made it

Function = Callable[..., Any]
"""Takes the host, the session and the call's arguments; a domain in place of what refers to one."""

About = Literal["domain", "name", "xml", "nothing"]
"""What its first argument says of which domain it is about: a reference, a name, a definition, or nothing."""

_NAME: Final = re.compile(r"<name>\s*([^<]*?)\s*</name>")


@dataclass(frozen=True, kw_only=True)
class Api:
    """One function of libvirt's interface; to the door, a method of the node.

    Attributes:
        name: the function's name.
        function: what does it.
        about: what says which domain it is about.
        is_free: whether it is answered at once, by no call that the journal has, and under no lock.
        flags: the flags that it knows, which are its last argument; None for one without.
        has_job: whether it changes a domain, and so waits until nobody else does.
        runs_instances: whether it may call code that isn't ours: an override of the interface's methods.
    """

    name: str
    function: Function
    about: About
    is_free: bool = False
    flags: int | None = None
    has_job: bool = False
    runs_instances: bool = False
    takes_a_name: bool = False

    @property
    def remote_name(self) -> str:
        """How the daemon calls what serves it."""
        return f"remoteDispatch{self.name.removeprefix('vir')}"

    def instance_name(
        self, arguments: tuple[Any, ...], _keywords: Mapping[str, Any], _kept: tuple[Any, ...]
    ) -> str | None:
        """Say which instance a call is about; None if about none."""
        if self.about == "nothing":
            return None
        given: str = arguments[0]
        if self.about == "xml":
            found = _NAME.search(given)
            return found[1] if found else None
        return given

    def check_flags(self, arguments: tuple[Any, ...]) -> None:
        """Refuse flags that it doesn't know.

        Raises:
            LibvirtError: there are such.
        """
        if self.flags is not None and (unknown := arguments[-1] & ~self.flags):
            function = f"qemu{self.name.removeprefix('vir')}"
            text = f"unsupported flags (0x{unknown:x}) in function {function}"
            raise wrong_argument(function, "flags", text, origin=Origin.QEMU)

    def check_instance(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        """Refuse nothing: what comes over the wire is of the right type."""


APIS: Final[dict[str, Api]] = {}
"""All that a host can be asked, by name."""


def api(
    *names: str,
    about: About = "domain",
    is_free: bool = False,
    flags: int | None = None,
    has_job: bool = False,
    runs_instances: bool = False,
) -> Callable[[Function], Function]:
    """Let a function be what is done for one or more of libvirt's."""

    def declare(function: Function) -> Function:
        for name in names:
            APIS[name] = Api(
                name=name,
                function=function,
                about=about,
                is_free=is_free,
                flags=flags,
                has_job=has_job,
                runs_instances=runs_instances,
            )
        return function

    return declare


