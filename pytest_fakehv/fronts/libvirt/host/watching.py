"""What a client sees and hears of a guest: its screen, its consoles, its channels."""

from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, failure
from pytest_fakehv.fronts.libvirt.host.apis import api
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.guests.pictures import Picture
from pytest_fakehv.fronts.libvirt.host.guests.terminals import Terminal
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.words import State
from pytest_fakehv.fronts.libvirt.session import Session

__tracebackhide__ = True  # a failed call is shown at the line that made it

_FORCE: Final = 1
"""Of a console or a channel: take it from whoever has it."""
_SAFE: Final = 2
"""Of a console: only if nobody else can have it, which is so."""

_CONSOLES: Final = ("console", "serial", "parallel")
"""What can be one, in the order in which the first is looked for."""


@api("virDomainScreenshot", flags=0)
def screenshot(
    host: Host, _session: Session, domain: Domain, screen: int, _flags: int
) -> tuple[Picture, str]:
    """Return what a domain's screen shows, and what kind of picture that is."""
    with host.machine.lock:
        check_active(domain)
        count = len(domain.definition.devices_of("video"))
        if screen >= count:
            problem = "no such screen ID" if count else "no screens to take screenshot from"
            raise failure(Code.OPERATION_INVALID, problem)
        return Picture(domain.name, is_paused=domain.is_paused), "image/png"


@api("virDomainOpenConsole", flags=_FORCE | _SAFE)
def open_console(host: Host, _session: Session, domain: Domain, name: str | None, flags: int) -> Terminal:
    """Let a client be at a domain's console; without a name, at the first one."""
    with host.machine.lock:
        check_active(domain)
        lines = {
            f"{kind}{place}": each
            for kind in _CONSOLES
            for place, each in enumerate(domain.definition.devices_of(kind))
        }
        found = name or next(iter(lines), None)
        if found not in lines:
            raise _internal(f"cannot find character device {name or '<null>'}")
        if lines[found].attributes["type"] != "pty":
            raise _internal(f"character device {name or '<null>'} is not using a PTY")
        is_serial = part_of(lines[found], "target", "type") == "serial"
        tty = found.replace("console", "serial") if is_serial else found
        prompt = f"\r\n{domain.name} login: "
        return _opened(domain, tty, prompt, flags, "Active console session exists for this domain")


@api("virDomainOpenChannel", flags=_FORCE)
def open_channel(host: Host, _session: Session, domain: Domain, name: str | None, flags: int) -> Terminal:
    """Let a client be at one of a domain's channels; without a name, at the first one."""
    with host.machine.lock:
        check_active(domain)
        for place, each in enumerate(domain.definition.devices_of("channel")):
            if name in (None, f"channel{place}", part_of(each, "target", "name")):
                if each.attributes["type"] != "unix":
                    raise _internal(f"channel {name or '<null>'} is not using a UNIX socket")
                problem = "Active channel stream exists for this domain"
                return _opened(domain, f"channel{place}", None, flags, problem)
        raise _internal(f"cannot find channel {name or '<null>'}")


def _opened(domain: Domain, line: str, prompt: str | None, flags: int, problem: str) -> Terminal:
    """Return a new way to a line of a domain's.

    Raises:
        LibvirtError: somebody else has it.
    """
    before = domain.lines.get(line)
    if before and not flags & _FORCE:
        raise failure(Code.OPERATION_FAILED, problem)
    if before:
        before()

    def done(terminal: Terminal) -> None:
        if domain.lines.get(line) == terminal.end:
            del domain.lines[line]

    terminal = Terminal(prompt, lambda: domain.state == State.RUNNING, done)
    domain.lines[line] = terminal.end
    return terminal


def _internal(problem: str) -> LibvirtError:
    return failure(Code.INTERNAL_ERROR, problem)
