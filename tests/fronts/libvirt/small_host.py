"""A host with one domain, a server that answers for it, and a client on the codec alone."""

import contextlib
import os
import shutil
import socket
import tempfile
import threading

from pytest_fakehv.fronts.libvirt.errors import Code, ConnectionLost, failure
from pytest_fakehv.fronts.libvirt.server.server import Server, _servers
from pytest_fakehv.fronts.libvirt.values import DomainRef, Notice
from pytest_fakehv.fronts.libvirt.wire.errors import ERROR
from pytest_fakehv.fronts.libvirt.wire.frames import HEADER_SIZE, VERSION, Frames, Type, framed, header_of
from pytest_fakehv.fronts.libvirt.wire.procedures import EVENTS, PROCEDURES, Program
from pytest_fakehv.fronts.libvirt.wire.xdr import decode, encode

WEB1 = DomainRef("web1", bytes(range(16)), 1)
BOOTED = Notice(0, WEB1, (2, 0))
NUDGED = b"\x7f\xff\xff\xff"
"""What a nudge begins with: the number of a callback that nobody has."""

STARTED_AT_MOST = 20
"""Seconds after which a test that waits for somebody is hopeless."""

BY_NAME = {procedure.api: number for number, procedure in PROCEDURES[Program.REMOTE].items()}
OF_EVENTS = {event.number: event for event in EVENTS.values()}


class SmallHost:
    """Answers a few functions, each a method of that name.

    Attributes:
        sessions: Those that are open.
        opened: The URI and the flags with which each was.
        blocking: The functions that are answered by workers.
        going_on: What `virDomainSuspend` waits for; `began` is set once it does.
    """

    def __init__(self):
        self.sessions = []
        self.opened = []
        self.blocking = {"virDomainSuspend"}
        self.began = threading.Semaphore(0)
        self.going_on = threading.Event()
        self.answers = {}
        self.ended = threading.Semaphore(0)

    def open(self, session, uri, flags):
        self.opened.append((uri, flags))
        if uri == "nosuch:///":
            raise failure(Code.NO_CONNECT, "no connection driver available for nosuch:///")
        if uri == "down:///":
            raise ConnectionLost
        self.sessions.append(session)

    def knows(self, api):
        return api in self.answers or hasattr(self, api)

    def may_block(self, api, arguments):
        return api in self.blocking

    def answer(self, session, api, arguments):
        if api in self.answers:
            return self.answers[api](session, *arguments)
        return getattr(self, api)(session, *arguments)

    def closed(self, session):
        self.sessions.remove(session)
        self.ended.release()

    def virConnectGetURI(self, session):
        return ("qemu:///system",)

    def virConnectGetLibVersion(self, session):
        return (9_000_000,)

    def virConnectGetHostname(self, session):
        return ("node1",)

    def virConnectListAllDomains(self, session, need_results, flags):
        return ([WEB1] if need_results else [], 1)

    def virDomainLookupByName(self, session, name):
        if name != WEB1.name:
            raise failure(Code.NO_DOMAIN, f"no domain with matching name '{name}'")
        return (WEB1,)

    def virDomainGetInfo(self, session, domain):
        return (1, 1048576, 1048576, 2, 0)

    def virDomainDestroy(self, session, domain):
        return ()

    def virDomainSuspend(self, session, domain):
        self.began.release()
        assert self.going_on.wait(STARTED_AT_MOST)
        return ()

    def virConnectDomainEventRegisterAny(self, session, kind, domain):
        return (7,)

    def virConnectDomainEventDeregisterAny(self, session, callback):
        return ()


@contextlib.contextmanager
def serving(host):
    """Answer for a host on a socket in a short folder; in the end no thread and no socket is left."""
    folder = tempfile.mkdtemp(prefix="hv")
    server = Server(os.path.join(folder, "libvirt-sock"), host, "node1")
    try:
        yield server
    finally:
        host.going_on.set()
        server.close()
        shutil.rmtree(folder)
    assert [each.name for each in threading.enumerate() if each.name.startswith("fakehv-libvirt node1")] == []


def wait_for_end():
    """Wait until the server has noticed that its connections are over."""
    for server in list(_servers):
        idle, readers = server._readers._idle, list(server._readers._threads)
        for _ in readers:
            assert idle.acquire(timeout=STARTED_AT_MOST)
        for _ in readers:
            idle.release()


class LostError(Exception):
    """The server has broken the connection."""


class Client:
    """A client on the codec alone, which can send what no library would."""

    def __init__(self, path, uri="qemu:///system", *, flags=0, opened=True, connected=True):
        self._path = path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(STARTED_AT_MOST)
        if connected:
            self.connect()
        self._frames = Frames()
        self._come = []
        self._serial = 0
        if opened:
            assert self.call("virConnectAuthList") == ([0],)
            assert self.call("virConnectOpen", uri, flags) == ()

    def connect(self):
        try:
            self.socket.connect(self._path)
        except OSError:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, number, payload=b"", *, program=Program.REMOTE, kind=Type.CALL, status=0, version=VERSION):
        """Send a frame; return its serial."""
        self._serial += 1
        self.socket.sendall(framed(program, number, kind, self._serial, status, payload, version))
        return self._serial

    def begin(self, api, *arguments):
        """Call a function; return the call's serial."""
        number = BY_NAME[api]
        return self.send(number, encode(PROCEDURES[Program.REMOTE][number].arguments, arguments))

    def receive(self):
        """Return the next message, but for nudges: its header and its payload."""
        while True:
            header, payload = self.next()
            if header.type != Type.EVENT or payload[:4] != NUDGED:
                return header, payload

    def next(self):
        """Return the next message, whatever it is."""
        while not self._come:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise LostError
            self._come += self._frames.taken(data)
        frame = self._come.pop(0)
        return header_of(frame), frame[HEADER_SIZE:]

    def answer(self):
        """Return the serial of the next message and what it says: results, or the values of an error."""
        header, payload = self.receive()
        if header.type == Type.EVENT:
            return header.serial, decode(OF_EVENTS[header.procedure].message, payload)
        if header.status:
            return header.serial, decode(ERROR, payload)
        return header.serial, decode(PROCEDURES[header.program][header.procedure].results, payload)

    def call(self, api, *arguments):
        """Call a function; return the results, or the values of an error."""
        serial = self.begin(api, *arguments)
        answered, values = self.answer()
        assert answered == serial
        return values

    def refusal(self, number, payload=b"", **keywords):
        """Send a frame; return code, origin and message of the error that answers it."""
        self.send(number, payload, **keywords)
        return self.answer()[1][:3]

    def listen(self):
        """Ask to be told of events."""
        assert self.call("virConnectDomainEventRegisterAny", 0, None) == (7,)

    def is_alive(self):
        return self.call("virConnectGetHostname") == ("node1",)

    def is_lost(self):
        """Return whether the server breaks the connection, rather than to answer."""
        try:
            self.receive()
        except LostError:
            return True
        return False
