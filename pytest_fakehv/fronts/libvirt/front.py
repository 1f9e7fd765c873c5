"""The cluster behind libvirt's interface."""

import os
from contextlib import ExitStack
from threading import RLock
from types import TracebackType
from typing import Final, Self

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.cluster import FakeCluster
from pytest_fakehv.fronts.libvirt import host as _host
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.server.server import Server
from pytest_fakehv.fronts.libvirt.translation import Machine
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.machine import Os
from pytest_fakehv.storage.temporary import temporary_directory
from pytest_fakehv.story.chronicle import Change, Deed

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line

_LONGEST_DIRECTORY: Final = 60
"""Bytes that the path of the sockets' directory may have: of a socket's, systems take 107."""


class FakeLibvirt:
    """What libvirt's clients take for the hosts of a cluster: a server a node, each on a local socket.

    It ends with its ``with`` block, or by `close`; then no connection, no thread and no file of it is left.

    Args:
        cluster: whose nodes the hosts are, and whose instances the domains.

    Attributes:
        cluster: as given.
    """

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self._hosts: dict[str, Host] = {}
        self._servers: dict[str, Server] = {}
        self._lock = RLock()
        self._left = ExitStack()
        self._directory: str | None = None
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
        if self._directory is None:
            directory = temporary_directory("fakehv-", on=Os, longest=_LONGEST_DIRECTORY)
            self._directory = self._left.enter_context(directory)
        name = node if len(os.fsencode(node)) <= 40 else f"node{len(self._hosts)}"
        return f"{self._directory}/{name}"
