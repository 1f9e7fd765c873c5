"""One client's connection: its reader, the calls that it makes, and what it is told."""

import _socket
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from functools import partial
from socket import MSG_DONTWAIT, MSG_PEEK, SO_RCVTIMEO, SOL_SOCKET
from typing import Any, Final

from pytest_fakehv.fronts.libvirt.errors import Code, ConnectionLost, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.server.contract import Host
from pytest_fakehv.fronts.libvirt.server.outgoing import Outgoing
from pytest_fakehv.fronts.libvirt.server.streams import Streams
from pytest_fakehv.fronts.libvirt.server.workers import TooManyError, Workers
from pytest_fakehv.fronts.libvirt.values import DomainRef, Notice
from pytest_fakehv.fronts.libvirt.wire.errors import error_bytes
from pytest_fakehv.fronts.libvirt.wire.frames import (
    HEADER_SIZE,
    LARGEST,
    VERSION,
    Frames,
    Header,
    Status,
    Type,
    framed,
    header_of,
)
from pytest_fakehv.fronts.libvirt.wire.procedures import PROCEDURES, Procedure, Program, event_message
from pytest_fakehv.fronts.libvirt.wire.xdr import WireError, decode, encode
from pytest_fakehv.text import shown_error

_Function = Callable[..., tuple[Any, ...]]

_RECEIVED_AT_ONCE: Final = 65536
"""In bytes: nearly every message is whole then."""

MOST_WORKERS: Final = 256
"""More threads of a client's don't wait on one connection; beyond, calls stand in line."""

_NO_AUTHENTICATION: Final = 0

_READ_ONLY: Final = 1

_FEATURES: Final = frozenset((2, 3, 4, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16))
"""What a client may count on; without the others it does.

They are: the remote protocol 2; migration in its second version 3, from peer to peer 4, in its third
version 6, of XML 11, of what doesn't run 12, with parameters 13; that nothing changes meanwhile 7; texts in
parameters 9; keepalive 10; callbacks of events 14 and of the end 15; the order of a network's updates 16.
"""

_PING: Final = 1
_PONG: Final = framed(Program.KEEPALIVE, 2, Type.EVENT, 0, Status.OK, b"")

_FOR_EVER: Final = struct.pack("ll", 0, 0)
"""How long the system waits until something comes, in seconds and microseconds of real time."""

_FOR_A_NUDGE: Final = struct.pack("ll", 0, 5000)

_CREDENTIALS: Final = struct.Struct("3i")
"""Of the process at the other end: its number, its user's, and its group's."""

_REGISTERS: Final = "EventRegisterAny"
_DEREGISTERS: Final = "EventDeregisterAny"
"""How the names of the functions end by which a client is told of something, or no longer is."""

_KEEPALIVE: Final = 10
"""The feature of the protocol by which a client sees that a host has fallen silent."""

_FIRST_PING: Final = 6.0
"""In seconds of real time: by then, a program has sent a keepalive that sends any in its usual interval."""

_LONGEST_SILENCE: Final = 60.0
"""In seconds of real time: a program that sends keepalives gives up earlier, unless it says otherwise."""

_NOBODY: Final = 0x7FFFFFFF
"""A callback that no client has."""


def _event(callback: int, event: Notice) -> bytes:
    """Return the frame by which a client's callback learns of an event."""
    number, payload = event_message(callback, event)
    return framed(Program.REMOTE, number, Type.EVENT, 0, Status.OK, payload)


_NUDGE: Final = _event(_NOBODY, Notice(0, DomainRef("nobody", bytes(16)), (0, 0)))
"""Something that arrives, and that no client minds."""


class Connection:
    """A client's connection, which is the session that its host knows.

    Args:
        connected: The socket, which is the connection's from now on.
        host: What answers.
        name: What its threads are called.

    Attributes:
        is_read_only: Whether its client asked for that.
        peer: The number of its client's process; 0 where the system doesn't tell.
        has_ended: Whether it is over, and all that it was asked for is done.
    """

    def __init__(self, connected: _socket.socket, host: Host, name: str) -> None:
        self.is_read_only = False
        self.peer = _peer_of(connected)
        self.has_ended = threading.Event()
        self._socket = connected
        self._host = host
        self._name = name
        self._outgoing = Outgoing(connected, name)
        self._workers = Workers(f"{name} worker", MOST_WORKERS)
        self._hears = threading.Event()
        self._hears.set()
        self._nudges = False
        self._awaited: set[Header] = set()
        """The calls that workers answer, and have not answered yet."""
        self._callbacks: set[int] = set()
        """What the client wants to be told of. When there is nothing any more, it may be about to end, and an
        event that comes then breaks libvirt's library."""
        self._streams = Streams(self._outgoing)
        self._is_open = False
        self._is_closing = False
        self._has_lost_answers = False
        self._keeps_alive = False
        """Whether its client asked for keepalives: its library does, where the program has an event loop."""
        self._pings = False
        self._own: dict[str, _Function] = {
            "virConnectAuthList": lambda: ([_NO_AUTHENTICATION],),
            "virConnectSupportsFeature": self._supports,
            "virConnectOpen": self._open,
            "virConnectClose": self._close,
            # The client's library calls the callback by itself when the connection breaks.
            "virConnectRegisterCloseCallback": tuple,
            "virConnectUnregisterCloseCallback": tuple,
        }
        """What is answered without the host."""

    # --- what its host may ask of it ---

    def send_event(self, callback_id: int, event: Notice) -> None:
        """Tell the client's callback of an event, unless that or the connection is gone; never waits.

        It may be called in any thread and under any lock. Raises what Python raises where the table of events
        has no such event, or its details are others.
        """
        self._outgoing.send(_event(callback_id, event), provided=lambda: callback_id in self._callbacks)

    def drop(self) -> None:
        """Break the connection, as that to a crashed host breaks; never waits."""
        self._outgoing.drop()
        self._hears.set()

    def silence(self) -> None:
        """Neither hear nor say anything, as a host whose cable is pulled out, until `speak`; never waits."""
        self._hears.clear()
        self._outgoing.hold()

    def speak(self) -> None:
        """Hear what came meanwhile, say what there was to say, and go on; never waits.

        Where a call has got no answer, break the connection: else its client would wait for that for ever.
        """
        self._outgoing.release()
        self._hears.set()
        if self._has_lost_answers:
            self._outgoing.drop()

    @property
    def is_over(self) -> bool:
        """Whether it is broken, or its client is gone and has said nothing more."""
        if self._outgoing.is_over:
            return True
        try:
            return not self._socket.recv(1, MSG_PEEK | MSG_DONTWAIT)
        except OSError as error:  # there is nothing yet; or it is given back
            return not isinstance(error, BlockingIOError)

    # --- the reader ---

    def serve(self) -> None:
        """Read and answer until the connection is over, and tell the host."""
        frames = Frames()
        try:
            while not self._is_closing and (data := self._received()):
                for frame in (taken := frames.taken(data)):
                    if not (self._hears.is_set() or self._hears_in_time(taken)):
                        self._end()
                        raise BrokenPipeError
                    self._take(frame)
                    if self._is_closing:
                        break
            self._outgoing.drain()
        except (OSError, WireError, TooManyError):
            pass  # broken by the other side, or nobody knows how to go on
        finally:
            self.drop()
            self._streams.close()
            self._end()

    def _end(self) -> None:
        """Tell the host that it is over; where that breaks it, before the client can know."""
        was_open, self._is_open = self._is_open, False
        if was_open:
            self._host.closed(self)

    def _hears_in_time(self, taken: list[bytes]) -> bool:
        """Wait until what comes is heard again; tell whether it is.

        A client that sends keepalives notices the silence by itself. Any other would wait for as long as TCP
        waits; it has its connection broken, as TCP does in the end. Whether it sends any, its first ones say,
        which need not have come yet; only one with an event loop can.
        """
        if not self._keeps_alive:
            return self._hears.is_set()
        if self._hears.wait(_FIRST_PING):
            return True
        pings = self._pings or any(header_of(each).program == Program.KEEPALIVE for each in taken)
        with contextlib.suppress(BlockingIOError):
            pings = pings or bool(self._socket.recv(1, MSG_PEEK | MSG_DONTWAIT))
        return pings and self._hears.wait(_LONGEST_SILENCE)

    def close(self) -> None:
        """Give back what the connection has, once it is over and its last call has ended."""
        self._workers.end()
        self._workers.join()
        self._outgoing.close()

    def forget(self) -> None:
        """Have no part in it, in a forked child."""
        self._outgoing.forget()

    def _received(self) -> bytes:
        """Return what comes next; nothing means that the client has gone.

        While a call waits, the client is nudged: another of its threads, whose call begins just as that one
        goes out, may else sleep until something arrives, since libvirt's client forgets to wake it. But not
        after the answer, as it may be about to end.
        """
        while True:
            waits = bool(self._awaited)
            if waits is not self._nudges:
                self._nudges = waits
                self._socket.setsockopt(SOL_SOCKET, SO_RCVTIMEO, _FOR_A_NUDGE if waits else _FOR_EVER)
            try:
                return self._socket.recv(_RECEIVED_AT_ONCE)
            except BlockingIOError:
                self._outgoing.send(_NUDGE, provided=lambda: bool(self._awaited), only_if_idle=True)

    def _take(self, frame: bytes) -> None:
        """Take a message in: answer it, let a worker do so, or ignore it as a real daemon does."""
        header = header_of(frame)
        if header.type != Type.CALL:
            self._take_other(header, frame)
            return
        try:
            procedure = _called(header)
            function = self._function(procedure)
            arguments = _arguments(procedure, frame)
            may_block = not procedure.at_once and self._host.may_block(procedure.api, arguments)
            waits = may_block or procedure.streams
        except Exception as error:  # noqa: BLE001  # whoever made the mistake: the client is told
            self._refuse(header, error)
            return
        if waits:
            self._awaited.add(header)
            self._workers.do(partial(self._answer, header, procedure, function, arguments))
        else:
            self._answer(header, procedure, function, arguments)

    def _take_other(self, header: Header, frame: bytes) -> None:
        if header.type in (Type.STREAM, Type.HOLE):
            self._streams.take(header, frame)
        elif header.program == Program.KEEPALIVE and header.type == Type.EVENT and header.procedure == _PING:
            self._pings = True
            self._outgoing.send(_PONG)
        elif header.type == Type.CALL_WITH_DESCRIPTORS:
            self._refuse(header, failure(Code.OPERATION_UNSUPPORTED, "file descriptors", origin=Origin.RPC))
            self._is_closing = True  # they come with bytes beside the frames

    def _function(self, procedure: Procedure) -> _Function:
        """Return what answers calls of a procedure.

        Raises:
            LibvirtError: nothing does, or not on this connection.
        """
        api = procedure.api
        own = self._own.get(api)
        if own is not None:
            return own
        if not self._is_open:
            raise failure(Code.INTERNAL_ERROR, "hypervisor connection not open", origin=Origin.RPC)
        if not (procedure.is_answered and self._host.knows(api)):
            raise failure(Code.NO_SUPPORT, api, origin=Origin.DOMAIN)
        if self.is_read_only and not procedure.for_readers:
            detail = f"read only access prevents {api}"
            raise failure(Code.OPERATION_DENIED, detail, origin=Origin.DOMAIN)
        return partial(self._ask_host, api)

    def _ask_host(self, api: str, *arguments: Any) -> tuple[Any, ...]:
        if api.endswith(_DEREGISTERS):
            self._callbacks.discard(*arguments)
        results = self._host.answer(self, api, arguments)
        if api.endswith(_REGISTERS):
            self._callbacks.update(results)
        return results

    def _supports(self, feature: int) -> tuple[int]:
        self._keeps_alive = self._keeps_alive or feature == _KEEPALIVE
        return (int(feature in _FEATURES),)

    def _open(self, uri: str | None, flags: int) -> tuple[()]:
        if self._is_open:
            raise failure(Code.INTERNAL_ERROR, "connection already open", origin=Origin.RPC)
        self.is_read_only = bool(flags & _READ_ONLY)
        self._host.open(self, uri, flags)
        self._is_open = True
        return ()

    def _close(self) -> tuple[()]:
        self._is_closing = True
        return ()

    # --- answers, by the reader and by workers ---

    def _answer(
        self, header: Header, procedure: Procedure, function: _Function, arguments: tuple[Any, ...]
    ) -> None:
        try:
            results = function(*arguments)
            if procedure.streams:
                stream, *others = results
                self._streams.begin(header, stream)
                results = tuple(others)
            payload = _payload(procedure, results)
        except ConnectionLost:
            # On its way as the host fell silent, it gets no answer: who sends keepalives notices that.
            self._has_lost_answers = True
            if self._hears.is_set() or not self._keeps_alive:
                self._end()
                self.drop()
        except BaseException as error:  # noqa: BLE001  # a fault's callback raises anything: the client waits
            if isinstance(error, Exception) and not isinstance(error, LibvirtError):
                self._host.defect(procedure.api, error)
            self._refuse(header, error)
        else:
            self._send(header, Status.OK, payload)
            if procedure.streams:
                self._streams.follow(header)

    def _refuse(self, header: Header, error: BaseException) -> None:
        known = error if isinstance(error, LibvirtError) else _defect(error)
        try:
            payload = error_bytes(known)
        except Exception as defect:  # noqa: BLE001  # it has values that no message can hold
            payload = error_bytes(_defect(defect))
        self._send(header, Status.ERROR, payload)

    def _send(self, header: Header, status: int, payload: bytes) -> None:
        if self._awaited:
            self._awaited.discard(header)
        self._outgoing.send(
            framed(
                header.program, header.procedure, Type.REPLY, header.serial, status, payload, header.version
            )
        )


def _peer_of(connected: _socket.socket) -> int:
    """Return the number of the process at the other end of a socket; 0 where the system doesn't tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return 0
    process, _, _ = _CREDENTIALS.unpack(connected.getsockopt(SOL_SOCKET, option, _CREDENTIALS.size))
    return int(process)


def _called(header: Header) -> Procedure:
    """Return the procedure that a message calls.

    Raises:
        LibvirtError: there is no such one.
    """
    procedures = PROCEDURES.get(header.program) if header.version == VERSION else None
    if procedures is None:
        raise _wrong_message(f"Cannot find program {header.program} version {header.version}")
    if header.status != Status.OK:
        raise _wrong_message(f"Unexpected message status {header.status}")
    procedure = procedures.get(header.procedure)
    if procedure is None:
        raise failure(Code.NO_SUPPORT, f"procedure {header.procedure}", origin=Origin.DOMAIN)
    return procedure


def _arguments(procedure: Procedure, frame: bytes) -> tuple[Any, ...]:
    """Return a call's arguments.

    Raises:
        LibvirtError: the bytes are others.
    """
    try:
        arguments: tuple[Any, ...] = decode(procedure.arguments, frame, HEADER_SIZE)
    except WireError:
        raise _wrong_message("Unable to decode message payload") from None
    return arguments


def _payload(procedure: Procedure, results: tuple[Any, ...]) -> bytes:
    """Return a call's results as bytes; raises what Python raises where they are of other types.

    Raises:
        LibvirtError: they are more than a message can hold.
    """
    payload = encode(procedure.results, results)
    if HEADER_SIZE + len(payload) > LARGEST:
        raise _wrong_message("Unable to encode message payload")
    return payload


def _wrong_message(text: str) -> LibvirtError:
    return failure(Code.RPC, text, origin=Origin.RPC)


def _defect(error: BaseException) -> LibvirtError:
    """Return how a client is told of an error that nobody foresaw."""
    return failure(Code.INTERNAL_ERROR, shown_error(error), origin=Origin.RPC)
