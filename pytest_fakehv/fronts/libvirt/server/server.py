"""A node's socket, and the connections to it."""

import _socket
import atexit
import contextlib
import os
import sys
import threading
from functools import partial
from socket import AF_UNIX, SOCK_STREAM, SOMAXCONN
from typing import Any, Final

from pytest_fakehv.fronts.libvirt.server import threads
from pytest_fakehv.fronts.libvirt.server.connection import Connection
from pytest_fakehv.fronts.libvirt.server.contract import Host
from pytest_fakehv.fronts.libvirt.server.outgoing import shut_down
from pytest_fakehv.fronts.libvirt.server.workers import TooManyError, Workers
from pytest_fakehv.machine import Os, Time

_AT_MOST: Final = 5.0
"""Seconds for which `Server.close` waits for threads: a call may be in the middle of somebody else's code."""

_AGAIN_AFTER: Final = 0.01
"""Seconds until a socket without a descriptor for the next connection tries again."""

_HIDDEN: Final = "\x7f"
"""What a socket's path ends with while nobody is let in, and no name of a node: who connects finds none."""

_servers: Final[set["Server"]] = set()
"""Those that are up in this process."""


class Server:
    """Answers on a unix socket as a libvirt daemon does, until it is closed, or the interpreter ends.

    A forked child has no part in it.

    Args:
        path: The socket's, of 107 bytes at most, in a folder that exists.
        host: What answers.
        name: What its threads are called: the node's name.

    Attributes:
        path: The socket's.

    Raises:
        OSError: there can be no such socket.
    """

    def __init__(self, path: str, host: Host, name: str) -> None:
        self.path = path
        self._host = host
        self._name = name
        self._closing = threading.Event()
        self._has_left = False
        self._connections: set[Connection] = set()
        self._going_on: set[Connection] = set()
        """Those without a client whose calls take longer than somebody has waited once."""
        self._readers = Workers(name)
        """Each reads a connection; when that is over, the next one."""
        # A test may replace `socket.socket`, and say how long its sockets wait: not this class, nor ours.
        self._listening = _socket.socket(AF_UNIX, SOCK_STREAM)
        self._listening.setblocking(True)
        try:
            self._listening.bind(path)
            self._listening.listen(SOMAXCONN)
        except OSError:
            self._listening.close()
            raise
        _servers.add(self)
        self._acceptor = threads.made(f"{name} accept", self._accept)
        self._acceptor.start()

    def go_down(self) -> None:
        """Break all connections, and let nobody in any more, as a host that crashes; waits for nothing."""
        self._closing.set()
        shut_down(self._listening)  # which wakes the thread that accepts
        for connection in list(self._connections):
            connection.drop()

    def settle(self, until: float) -> None:
        """Wait for what goes on of calls whose clients are gone, until a time of `time.monotonic` at most."""
        for connection in [each for each in list(self._connections) if each.is_over]:
            if connection not in self._going_on and not connection.has_ended.wait(
                max(0.0, until - Time.monotonic())
            ):
                self._going_on.add(connection)

    def hide(self) -> None:
        """Let nobody in, as a host does that is cut off, until `show`; the connections stay."""
        with contextlib.suppress(OSError):  # it is hidden already, or somebody has tidied up
            Os.replace(self.path, self.path + _HIDDEN)

    def show(self) -> None:
        """Let clients in again."""
        with contextlib.suppress(OSError):  # as in `hide`
            Os.replace(self.path + _HIDDEN, self.path)

    def leave(self) -> None:
        """Break all connections, and leave the path to another; what calls are in the middle of goes on."""
        if self._has_left:
            return
        self._has_left = True
        self.go_down()
        self._acceptor.join()
        self._readers.end()
        for path in (self.path, self.path + _HIDDEN):
            with contextlib.suppress(OSError):  # it isn't that one, or somebody has tidied up
                Os.unlink(path)
        for connection in list(self._connections):
            connection.drop()

    def close(self) -> None:
        """Do so, and end the threads.

        Nothing that a call could wait for may be held. It may be called in the middle of an answer.
        """
        if self not in _servers:
            return
        self.leave()
        _servers.discard(self)
        if threads.is_answering():  # a call has led to it, and can't wait for its own end
            return
        self._readers.join(Time.monotonic() + _AT_MOST)

    def _accept(self) -> None:
        accept: Any = self._listening._accept  # type: ignore[attr-defined]  # noqa: SLF001  # of this class, all
        while not self._closing.is_set():
            try:
                descriptor, _ = accept()
            except OSError:  # it is closed; or too many are open
                self._closing.wait(_AGAIN_AFTER)
                continue
            connected = _socket.socket(fileno=descriptor)
            connected.setblocking(True)
            connection = Connection(connected, self._host, self._name)
            self._connections.add(connection)
            try:
                self._readers.do(partial(self._serve, connection))
            except TooManyError:  # the system has no more threads
                self._connections.discard(connection)
                connected.close()
        self._listening.close()  # so that whoever has not been let in does not wait

    def _serve(self, connection: Connection) -> None:
        """Read one connection to its end, and wait for what goes on in its other threads."""
        try:
            connection.serve()
        except BaseException:  # noqa: BLE001  # a fault's callback raises anything; no client can be told
            told = threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
            threading.excepthook(told)
        connection.close()
        self._connections.discard(connection)
        connection.has_ended.set()
        self._going_on.discard(connection)

    def forget(self) -> None:
        """Have, in a forked child, no part in it: neither answer, nor break what is the parent's.

        Nothing may be waited for here: another thread of the parent's had it.
        """
        self._closing.set()
        self._listening.close()
        for connection in list(self._connections):
            connection.forget()


def _close_all() -> None:
    """End all servers: a client that waits when the interpreter ends would wait for ever."""
    for server in list(_servers):
        server.close()


def _forget_all() -> None:
    for server in list(_servers):
        server.forget()
    _servers.clear()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
