"""The functions of a migration, each of which is one phase of it, as clients call them."""

from collections.abc import Sequence
from dataclasses import replace
from errno import ENOENT
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from pytest_fakehv.fronts.libvirt.errors import Code, ConnectionLost, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host import fitting
from pytest_fakehv.fronts.libvirt.host.apis import APIS, Progress, api
from pytest_fakehv.fronts.libvirt.host.asked import DISKS, Asked, cookie, told_by
from pytest_fakehv.fronts.libvirt.host.checks import check_active
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.migration import (
    begin,
    confirm,
    end,
    finish,
    give_up,
    perform,
    prepare,
    turn_away,
)
from pytest_fakehv.fronts.libvirt.host.words import Migrate
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import DomainRef, Kind, Parameter, Xml

__tracebackhide__ = True  # a failed call is shown at the line that made it

_BEGIN: Final = "virDomainMigrateBegin3Params"
_PREPARE: Final = "virDomainMigratePrepare3Params"
_PERFORM: Final = "virDomainMigratePerform3Params"
_FINISH: Final = "virDomainMigrateFinish3Params"
_CONFIRM: Final = "virDomainMigrateConfirm3Params"


def _checker(name: str) -> str:
    return f"qemu{name.removeprefix('vir')}"


# What is undone of a phase that has failed. In their effects, they see to that themselves.


def _undo_begin(host: Host, seen: Sequence[Any], when: Progress) -> None:
    domain = host.by_name(seen[0])
    if domain and when == "after":
        give_up(host, domain)


def _undo_perform(host: Host, seen: Sequence[Any], when: Progress) -> None:
    domain = host.by_name(seen[0])
    if domain and domain.outgoing and (when == "after" or not domain.outgoing.has_begun):
        give_up(host, domain)


def _undo_confirm(host: Host, seen: Sequence[Any], _when: Progress) -> None:
    domain = host.by_name(seen[0])
    if domain and domain.outgoing and not domain.outgoing.is_performing:
        domain.outgoing.is_left_paused = True
        give_up(host, domain)


def _undo_prepare(host: Host, seen: Sequence[Any], when: Progress) -> None:
    if when == "after":
        turn_away(host, _name_there(seen[0]))


def _undo_prepare3(host: Host, seen: Sequence[Any], when: Progress) -> None:
    if when == "after":
        turn_away(host, seen[3] or Xml(seen[5]).name or "")


def _undo_finish(host: Host, seen: Sequence[Any], when: Progress) -> None:
    if when != "during":
        turn_away(host, _name_there(seen[0]))


def _undo_finish3(host: Host, seen: Sequence[Any], when: Progress) -> None:
    if when != "during":
        turn_away(host, seen[0])


def _name_there(params: list[Parameter]) -> str:
    """Return what a domain is to be called on the target."""
    given = {each.field: each.value for each in params}
    return given.get("destination_name") or Xml(given.get("destination_xml", "")).name or ""


# The phases, led by a client


@api(_BEGIN, undo=_undo_begin, waits=True)
def begin_params(
    host: Host, session: Session, domain: Domain, params: list[Parameter], flags: int
) -> tuple[bytes, str]:
    """Begin, on the source."""
    asked = Asked.by(params, flags, _checker(_BEGIN))
    fitting.check(asked)
    return cookie(node=host.name), Xml(begin(host, domain, asked, APIS[_BEGIN].remote_name, session))


@api(_PREPARE, about="params", undo=_undo_prepare, waits=True)
def prepare_params(
    host: Host, session: Session | None, params: list[Parameter], cookie_in: bytes, flags: int
) -> tuple[bytes, str]:
    """Get ready, on the target."""
    asked = Asked.by(params, flags, _checker(_PREPARE))
    uri = prepare(host, asked, told_by(cookie_in).get("node"), APIS[_PREPARE].remote_name, session)
    return cookie(node=host.name), uri


@api(_PERFORM, undo=_undo_perform, waits=True)
def perform_params(
    host: Host,
    _session: Session,
    domain: Domain,
    target: str | None,
    params: list[Parameter],
    cookie_in: bytes,
    flags: int,
) -> bytes:
    """Send it, on the source; or do all phases from there."""
    asked = Asked.by(params, flags, _checker(_PERFORM))
    if target is not None or asked.has(Migrate.PEER2PEER):
        _all_phases(host, domain, target or "", asked)
    else:
        _send(host, domain, asked, cookie_in)
    return b""


def _send(host: Host, domain: Domain, asked: Asked, cookie_in: bytes) -> None:
    domain.doing = APIS[_PERFORM].remote_name
    perform(host, domain, asked, told_by(cookie_in).get("node", ""))


@api(_FINISH, about="params", undo=_undo_finish, waits=True)
def finish_params(
    host: Host,
    _session: Session | None,
    params: list[Parameter],
    _cookie: bytes,
    flags: int,
    cancelled: int,
) -> tuple[DomainRef, bytes]:
    """End it, on the target."""
    asked = Asked.by(params, flags, _checker(_FINISH))
    return finish(host, asked.name or "", asked, cancelled=bool(cancelled)), b""


@api(_CONFIRM, undo=_undo_confirm, waits=True)
def confirm_params(
    host: Host,
    _session: Session,
    domain: Domain,
    params: list[Parameter],
    _cookie: bytes,
    flags: int,
    cancelled: int,
) -> None:
    """End it, on the source."""
    confirm(host, domain, Asked.by(params, flags, _checker(_CONFIRM)), cancelled=bool(cancelled))


# All of them, led by the source


def _all_phases(host: Host, domain: Domain, target: str, asked: Asked) -> None:
    """Migrate a domain to the host that a URI means, from here.

    Raises:
        LibvirtError: that failed; then the domain is here as before, if it is.
        HypervisorError: likewise.
    """
    if not asked.has(Migrate.OFFLINE):
        check_active(domain)
    fitting.check(asked)
    fitting.check_driver(target)
    peer = host.find_peer(target)
    if peer is None or not peer.is_up:
        raise _unreachable(target, is_there=peer is not None)
    if domain.is_paused:
        asked = replace(asked, flags=asked.flags | Migrate.PAUSED)
    name, is_offline = asked.name or domain.name, asked.has(Migrate.OFFLINE)
    xml = begin(host, domain, asked, APIS[_PERFORM].remote_name, None)
    flags = asked.flags & ~(Migrate.CHANGE_PROTECTION | Migrate.ABORT_ON_ERROR)
    params = [
        Parameter("destination_name", Kind.STRING, name),
        Parameter("destination_xml", Kind.STRING, xml),
    ]
    params += [Parameter(DISKS, Kind.STRING, each) for each in asked.disks]
    params += asked.tuning
    if asked.uri is not None:
        params.append(Parameter("migrate_uri", Kind.STRING, asked.uri))
    if asked.persistent_xml is not None:
        params.append(Parameter("persistent_xml", Kind.STRING, asked.persistent_xml))
    try:
        _of_peer(host, peer, _PREPARE, params, cookie(node=host.name), flags)
        if not is_offline:
            try:
                perform(host, domain, asked, peer.name)
            except BaseException:
                _tell_cancelled(host, peer, params, flags)
                raise
        _of_peer(host, peer, _FINISH, params, b"", flags, 0)
    except BaseException:
        end(host, domain, asked, cancelled=True)
        raise
    end(host, domain, asked, cancelled=False)


def _unreachable(target: str, *, is_there: bool) -> LibvirtError:
    """Return the error of a URI behind which nobody answers, or of a socket that isn't there."""
    [socket] = parse_qs(urlsplit(target).query).get("socket", [""])[-1:]
    if socket and not is_there:
        text = f"Failed to connect socket to '{socket}': No such file or directory"
        return LibvirtError(Code.SYSTEM_ERROR, Origin.RPC, text, "%s", text, int1=ENOENT)
    return failure(
        Code.OPERATION_FAILED,
        f"Failed to connect to remote libvirt URI {target}: unable to connect to server",
    )


def _tell_cancelled(host: Host, peer: Host, params: list[Parameter], flags: int) -> None:
    try:
        _of_peer(host, peer, _FINISH, params, b"", flags, 1)
    except LibvirtError:  # as ever
        return


def _of_peer(host: Host, peer: Host, name: str, params: list[Parameter], *arguments: Any) -> None:
    """Ask another host for a phase, as a client does.

    Raises:
        LibvirtError: it has failed there, or no answer gets here.
    """
    function = APIS[name].function

    def effect(_node: object, *_seen: object) -> Any:
        return function(peer, None, params, *arguments)

    try:
        _check_hears(host)
        peer.pass_door(APIS[name], (params, *arguments), effect)
        _check_hears(host)
    except ConnectionLost as error:
        domain = peer.by_name(_name_there(params))
        if domain and domain.incoming:
            domain.incoming.abandon()
        raise failure(Code.OPERATION_FAILED, "Lost connection to destination host") from error


def _check_hears(host: Host) -> None:
    if host.is_silent:
        raise ConnectionLost(f"{host.name} is cut off")


# The same for older clients: what is a parameter there has a place here


def _given(name: str | None, xml: str | None, uri: str | None, bandwidth: int) -> list[Parameter]:
    found = []
    for field, value in (("destination_name", name), ("destination_xml", xml), ("migrate_uri", uri)):
        if value is not None:
            found.append(Parameter(field, Kind.STRING, value))
    if bandwidth:
        found.append(Parameter("bandwidth", Kind.ULLONG, bandwidth))
    return found


@api("virDomainMigrateBegin3", undo=_undo_begin, waits=True)
def begin3(
    host: Host, session: Session, domain: Domain, xml: str | None, flags: int, name: str | None, rate: int
) -> tuple[bytes, str]:
    """Begin, on the source."""
    result: tuple[bytes, str] = begin_params(host, session, domain, _given(name, xml, None, rate), flags)
    return result


@api("virDomainMigratePrepare3", about="last", undo=_undo_prepare3, waits=True)
def prepare3(
    host: Host,
    session: Session,
    cookie_in: bytes,
    uri: str | None,
    flags: int,
    name: str | None,
    rate: int,
    xml: str,
) -> tuple[bytes, str]:
    """Get ready, on the target."""
    result: tuple[bytes, str] = prepare_params(host, session, _given(name, xml, uri, rate), cookie_in, flags)
    return result


@api("virDomainMigratePerform3", undo=_undo_perform, waits=True)
def perform3(
    host: Host,
    session: Session,
    domain: Domain,
    xml: str | None,
    cookie_in: bytes,
    target: str | None,
    uri: str | None,
    flags: int,
    name: str | None,
    rate: int,
) -> bytes:
    """Send it, on the source; or do all phases from there."""
    result: bytes = perform_params(
        host, session, domain, target, _given(name, xml, uri, rate), cookie_in, flags
    )
    return result


@api("virDomainMigrateFinish3", about="name", undo=_undo_finish3, waits=True)
def finish3(
    host: Host,
    session: Session,
    name: str,
    cookie_in: bytes,
    _target: str | None,
    _uri: str | None,
    flags: int,
    cancelled: int,
) -> tuple[DomainRef, bytes]:
    """End it, on the target."""
    result: tuple[DomainRef, bytes] = finish_params(
        host, session, _given(name, None, None, 0), cookie_in, flags, cancelled
    )
    return result


@api("virDomainMigrateConfirm3", undo=_undo_confirm, waits=True)
def confirm3(
    host: Host, session: Session, domain: Domain, cookie_in: bytes, flags: int, cancelled: int
) -> None:
    """End it, on the source."""
    confirm_params(host, session, domain, [], cookie_in, flags, cancelled)
