"""What a connection sends: nobody waits until a client reads."""

import _socket
import contextlib
from collections import deque
from collections.abc import Callable
from socket import MSG_DONTWAIT, MSG_NOSIGNAL, SHUT_RDWR
from typing import TYPE_CHECKING, Final

from pytest_fakehv.fronts.libvirt.server.threads import made
from pytest_fakehv.storage.locks import Lock

if TYPE_CHECKING:
    import threading

MOST_UNSENT: Final = 16 * 2**20
"""In bytes: behind so many, a client has ceased to read, and is dropped."""

_AT_ONCE: Final = MSG_DONTWAIT | MSG_NOSIGNAL


class Outgoing:
    """A socket's sending side. Messages of all threads leave it whole, in the order in which they came.

    What the socket doesn't take at once waits for a thread that is made only then.
    """

    def __init__(self, connected: _socket.socket, name: str) -> None:
        self._socket = connected
        self._name = name
        self._lock = Lock()
        """Held for a step that waits for nothing."""
        self._unsent: deque[bytes] = deque()
        self._size = 0
        self._sender: threading.Thread | None = None
        self._is_held = False
        self._is_over = False

    def send(
        self, message: bytes, *, provided: Callable[[], bool] | None = None, only_if_idle: bool = False
    ) -> None:
        """Send a message some time, from a thread that counts as the server's.

        Args:
            message: A whole frame.
            provided: Asked when no other message can come between: whether to send it. None: it is sent.
            only_if_idle: Whether to forget it where others wait.
        """
        if self._is_over:
            return
        with self._lock:
            if provided is not None and not provided():
                return
            if self._is_held or self._sender is not None:
                if not only_if_idle:
                    self._keep(message)
                return
            try:
                sent = self._socket.send(message, _AT_ONCE)
            except BlockingIOError:
                sent = 0
            except OSError:  # the reader notices, too
                self._is_over = True
                return
            if sent < len(message):
                self._keep(message[sent:])
                self._start_sender()

    def _start_sender(self) -> None:
        self._sender = made(f"{self._name} sender", self._send_rest)
        try:
            self._sender.start()
        except RuntimeError:  # the system has no more threads
            self._sender = None
            self._break()

    def _keep(self, message: bytes) -> None:
        if self._size > MOST_UNSENT:
            self._break()
        else:
            self._unsent.append(message)
            self._size += len(message)

    def _send_rest(self) -> None:
        """Send what waits, as fast as the client reads."""
        while True:
            with self._lock:
                if self._is_over or self._is_held or not self._unsent:
                    self._sender = None
                    return
                message = self._unsent.popleft()
                self._size -= len(message)
            try:
                self._socket.sendall(message, MSG_NOSIGNAL)
            except OSError:
                self._is_over = True

    def hold(self) -> None:
        """Send nothing for now; what is sent waits."""
        with self._lock:
            self._is_held = True

    def release(self) -> None:
        """Send what waits, and go on."""
        with self._lock:
            self._is_held = False
            if self._unsent and self._sender is None:
                self._start_sender()

    def drain(self) -> None:
        """Wait until the client has read what waits, or the connection is over."""
        sender = self._sender
        if sender is not None:
            sender.join()

    @property
    def is_over(self) -> bool:
        """Whether nothing is sent any more."""
        return self._is_over

    def drop(self) -> None:
        """Send nothing more, and let nobody receive."""
        with self._lock:  # the socket's number is nobody else's yet
            self._break()

    def _break(self) -> None:
        self._is_over = True
        shut_down(self._socket)

    def forget(self) -> None:
        """Give this process's copy of the socket back, and send nothing, whoever held the lock."""
        self._lock = Lock()
        self._is_over = True
        self._socket.close()

    def close(self) -> None:
        """Give the socket back, once nobody uses it."""
        self.drain()
        with self._lock:
            self._socket.close()


def shut_down(connected: _socket.socket) -> None:
    """Break a connection, whoever else has a copy of its socket."""
    with contextlib.suppress(OSError):  # the other side was first
        connected.shutdown(SHUT_RDWR)
