"""The cluster behind libvirt's interface."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import RLock
from types import TracebackType
from typing import Final, Self

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.cluster import FakeCluster
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.server.server import Server
from pytest_fakehv.fronts.libvirt.translation import Machine
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.machine import Os
from pytest_fakehv.storage.filesystem import reason
from pytest_fakehv.storage.temporary import temporary_directory
from pytest_fakehv.story.chronicle import Change, Deed
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line

_LONGEST_DIRECTORY: Final = 60
"""Bytes that the path of the sockets' directory may have: of a socket's, systems take 107."""


class FakeLibvirt:
    """What libvirt's clients take for the hosts of a cluster: a server a node, each on a local socket.

    It ends with its ``with`` block, or by `close`; then no connection, no thread and no file of it is left.

    Args:
        cluster: whose nodes the hosts are, and whose instances the domains.
        directory: a new or empty folder for the sockets, whose path has at most 60 bytes; None for a temporary
            one.

    Attributes:
        cluster: as given.

    Raises:
        DeclarationError: there can be no sockets in the folder; the message says why.
    """

    def __init__(self, cluster: FakeCluster, *, directory: str | os.PathLike[str] | None = None) -> None:
        self.cluster = cluster
        self._hosts: dict[str, Host] = {}
        self._servers: dict[str, Server] = {}
        self._lock = RLock()
        self._left = ExitStack()
        self._directory = self._left.enter_context(_sockets_in(directory))
        cluster._shared.fronts.append(self)
        cluster._shared.chronicle.listeners.append(self)

    def __enter__(self) -> Self:
        """Return it: it is up already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.close()

    def __repr__(self) -> str:
        """Show whose it is."""
        return f"<FakeLibvirt of {self.cluster!r}>"

    def close(self) -> None:
        """Break all connections, and end all threads; once is enough."""
        shared = self.cluster._shared
        if self not in shared.fronts:
            return
        shared.fronts.remove(self)
        shared.chronicle.listeners.remove(self)
        with self._lock:
            servers = list(self._servers.values())
            self._servers.clear()
        for each in servers:
            each.close()
        self._left.close()

    def uri(self, node: str | BaseHypervisor | None = None) -> str:
        """Return where a node's clients connect to, on this machine.

        Args:
            node: which, by name or address or as itself; None for the first.

        Raises:
            DeclarationError: there is no such node.
        """
        return f"qemu+unix:///system?socket={self.socket(node)}"

    def socket(self, node: str | BaseHypervisor | None = None) -> str:
        """Return the path of a node's socket; it answers from now on, unless the node is down.

        Args:
            node: which, by name or address or as itself; None for the first.

        Raises:
            DeclarationError: there is no such node.
        """
        found = self.cluster.nodes[0] if node is None else self.cluster._node(node)
        with self._lock:
            path = self._path(found.name)
            if found.name not in self._hosts:
                self._hosts[found.name] = Host(Machine(found))
            if found.name not in self._servers and not found.is_down:
                self._servers[found.name] = Server(path, self._hosts[found.name], found.name)
        return path

    # What the cluster tells

    def changed(self, node: str, instance: str, what: Change, call: Call | None) -> None:
        """Hear what has become of an instance on a node; under the cluster's lock."""
        if host := self._hosts.get(node):
            host.changed(instance, what, call.method if call else None)

    def befell(self, node: str, what: Deed) -> None:
        """Hear what the test has done to a node; under the cluster's lock."""
        if host := self._hosts.get(node):
            host.befell(what)

    def booted(self, node: str) -> None:
        """Let what is to start with its host start, as it comes up."""
        if host := self._hosts.get(node):
            host.boots()

    # Inside

    def _path(self, node: str) -> str:
        name = node if len(os.fsencode(node)) <= 40 else f"node{len(self._hosts)}"
        return f"{self._directory}/{name}"


@contextmanager
def _sockets_in(given: str | os.PathLike[str] | None) -> Iterator[str]:
    """Have a folder for sockets meanwhile; what was there before stays.

    Raises:
        DeclarationError: there can be none; the message says why.
    """
    if given is None:
        with temporary_directory("fakehv-", on=Os, longest=_LONGEST_DIRECTORY) as made:
            yield made
        return
    path = Os.fspath(given)
    if not path.startswith("/"):
        path = f"{Os.getcwd()}/{path}"
    if len(os.fsencode(path)) > _LONGEST_DIRECTORY:
        raise DeclarationError(
            f"the path of the sockets' folder has at most {_LONGEST_DIRECTORY} bytes, not {shown(path)}"
        )
    is_new = False
    try:
        with suppress(FileExistsError):
            Os.mkdir(path, 0o700)
            is_new = True
        if not is_new and Os.listdir(path):
            raise DeclarationError(f"{shown(path)} is not empty; name a new or empty folder")
    except OSError as error:
        raise DeclarationError(f"{shown(path)} can't have the sockets: {reason(error)}") from error
    try:
        yield path
    finally:
        if is_new:
            with suppress(OSError):  # somebody has put something there
                Os.rmdir(path)
