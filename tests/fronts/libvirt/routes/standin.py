"""Hosts that stand in for the front's: they answer what opens a connection, and their name."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_HEADER = struct.Struct(">IIIIiIi")
_OPEN, _CLOSE, _GET_HOSTNAME, _FEATURE, _AUTH_LIST = 1, 2, 59, 60, 66


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


_ERROR = (
    struct.pack(">IIII", 5, 10, 1, 19)
    + b"no such driver here\0"
    + struct.pack(">IIIIIiiI", 2, 0, 0, 0, 0, -1, -1, 0)
)


class Host:
    """A host of a name behind a socket. ``opened`` is what its clients called it by, ``peers`` their pids."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path
        self.opened: list[str] = []
        self.peers: list[int] = []
        self.asked = lambda api: None
        self.refuses = False
        self.greets = b""
        self._came = threading.Semaphore(0)
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None

    def boot(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._begin(self._accept, self._listener)

    def crash(self) -> None:
        if self._listener is None:
            return
        Path(self.path).unlink()
        for connection in [self._listener, *self._connections]:
            with suppress(OSError):  # it has ended
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._listener = None

    def wait_for_a_client(self) -> None:
        assert self._came.acquire(timeout=30)

    def _begin(self, function, *arguments) -> None:
        self._threads.append(threading.Thread(target=function, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            self.peers.append(struct.unpack("3i", credentials)[0])
            self._connections.append(connection)
            self._came.release()
            self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, suppress(ConnectionError):
            connection.sendall(self.greets)
            while len(start := stream.read(_HEADER.size)) == _HEADER.size:
                length, program, version, procedure, _, serial, _ = _HEADER.unpack(start)
                result = self._answer(procedure, stream.read(length - _HEADER.size))
                status = int(self.refuses and procedure == _OPEN)
                if status:
                    result = _ERROR
                reply = _HEADER.pack(
                    _HEADER.size + len(result), program, version, procedure, 1, serial, status
                )
                connection.sendall(reply + result)

    def _answer(self, procedure: int, payload: bytes) -> bytes:
        if procedure == _AUTH_LIST:
            return struct.pack(">II", 1, 0)
        if procedure == _FEATURE:
            return struct.pack(">I", 0)
        if procedure == _OPEN:
            self.asked("virConnectOpen")
            length = struct.unpack_from(">I", payload, 4)[0]
            self.opened.append(payload[8 : 8 + length].decode())
        if procedure == _GET_HOSTNAME:
            self.asked("virConnectGetHostname")
            return _string(self.name)
        return b""


class Hosts(dict):
    """Hosts by name, in a folder; ``nodes`` is what routes are made of."""

    def __init__(self, folder: str, addresses: dict[str, set[str]]) -> None:
        super().__init__((name, Host(name, f"{folder}/{name}")) for name in addresses)
        self.nodes = {name: (addresses[name], host.path) for name, host in self.items()}


@contextmanager
def hosts(folder: str, addresses: dict[str, set[str]]) -> Iterator[Hosts]:
    """Let there be hosts with these addresses."""
    made = Hosts(folder, addresses)
    for host in made.values():
        host.boot()
    try:
        yield made
    finally:
        for host in made.values():
            host.crash()
