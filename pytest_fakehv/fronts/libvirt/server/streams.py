"""The streams of one connection: what a client sends behind a call's answer, and what it is sent."""

from struct import Struct
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.server.outgoing import Outgoing
from pytest_fakehv.fronts.libvirt.session import Incoming, Source
from pytest_fakehv.fronts.libvirt.wire.errors import error_bytes
from pytest_fakehv.fronts.libvirt.wire.frames import HEADER_SIZE, Header, Status, Type, framed

_HOLE: Final = Struct(">qI")
"""Its length in bytes, and flags that there are none of yet."""


class Streams:
    """Those that are open, by the number of the call that began them.

    Args:
        outgoing: the connection's sending side.
    """

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._open: dict[int, Incoming | Source] = {}

    def begin(self, header: Header, stream: Incoming | Source) -> None:
        """Have one more; called before its call is answered."""
        self._open[header.serial] = stream

    def follow(self, header: Header) -> None:
        """Send all that a client is to be sent behind a call's answer, until it wants no more."""
        source = self._open.get(header.serial)
        if not isinstance(source, Source):
            return
        for piece in source.pieces():
            if header.serial not in self._open:
                return
            if isinstance(piece, bytes):
                self._say(header, Status.CONTINUE, piece)
            else:
                self._say(header, Status.CONTINUE, _HOLE.pack(piece, 0), kind=Type.HOLE)
            self._outgoing.drain()
        if header.serial in self._open:
            self._say(header, Status.CONTINUE)  # an empty piece is the end

    def take(self, header: Header, frame: bytes) -> None:
        """Take in what a client sends; of a stream that is over, it may be late, and is ignored."""
        stream = self._open.get(header.serial)
        if stream is None:
            return
        if header.status != Status.CONTINUE:  # finished, or aborted
            self._close(header.serial)
            self._say(header, Status.OK)
            return
        try:
            _give(stream, header, frame)
        except LibvirtError as error:
            self._close(header.serial)
            self._say(header, Status.ERROR, error_bytes(error))

    def close(self) -> None:
        """Let all be over: the connection is."""
        for serial in list(self._open):
            self._close(serial)

    def _close(self, serial: int) -> None:
        stream = self._open.pop(serial, None)
        if isinstance(stream, Incoming):
            stream.end()

    def _say(self, header: Header, status: Status, payload: bytes = b"", *, kind: Type = Type.STREAM) -> None:
        self._outgoing.send(
            framed(header.program, header.procedure, kind, header.serial, status, payload, header.version)
        )


def _give(stream: Incoming | Source, header: Header, frame: bytes) -> None:
    """Hand on to whoever reads a stream what has come of it.

    Raises:
        LibvirtError: nobody reads it, it can't be taken, or is no hole.
    """
    payload = frame[HEADER_SIZE:]
    if not isinstance(stream, Incoming):
        raise failure(Code.RPC, "a client that reads a stream has written to it", origin=Origin.STREAMS)
    if header.type == Type.STREAM:
        stream.write(payload)
    elif len(payload) == _HOLE.size and _HOLE.unpack(payload)[0] >= 0:
        stream.hole(_HOLE.unpack(payload)[0])
    else:
        raise failure(Code.RPC, "Unable to decode message payload", origin=Origin.STREAMS)
