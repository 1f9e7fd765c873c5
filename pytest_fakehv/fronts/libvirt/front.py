"""The cluster behind libvirt's interface."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from hashlib import blake2b
from importlib import import_module
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.calls.proxies import Referent
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.cluster import FakeCluster
from pytest_fakehv.cluster.hypervisor import FakeHypervisor
from pytest_fakehv.fronts.libvirt.environment import environment
from pytest_fakehv.fronts.libvirt.errors import LibvirtError
from pytest_fakehv.fronts.libvirt.finalizers import kept_off_servers
from pytest_fakehv.fronts.libvirt.halts import handed_on
from pytest_fakehv.fronts.libvirt.host.declared import definition_of
from pytest_fakehv.fronts.libvirt.host.disks.failing import Failing, Failures
from pytest_fakehv.fronts.libvirt.host.disks.job import Stop
from pytest_fakehv.fronts.libvirt.host.domains import Known
from pytest_fakehv.fronts.libvirt.host.guests.agents import Agents, checked
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.orphans import orphans
from pytest_fakehv.fronts.libvirt.host.storage.declared import DeclaredPool
from pytest_fakehv.fronts.libvirt.host.storage.space import Spaces
from pytest_fakehv.fronts.libvirt.routes import Routes, routed
from pytest_fakehv.fronts.libvirt.server import threads
from pytest_fakehv.fronts.libvirt.server.server import Server
from pytest_fakehv.fronts.libvirt.translation import Machine
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.interface.errors import HypervisorError
from pytest_fakehv.interface.objects import InstanceSpec
from pytest_fakehv.judgement.violations import Violation
from pytest_fakehv.machine import Os, Time
from pytest_fakehv.storage.filesystem import reason
from pytest_fakehv.storage.locks import under_lock
from pytest_fakehv.storage.temporary import temporary_directory
from pytest_fakehv.story.chronicle import Change, Deed
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line

_LONGEST_DIRECTORY: Final = 60
"""Bytes that the path of the sockets' directory may have: of a socket's, systems take 107."""


_LONGEST_NAME: Final = 40
"""Bytes of a node's name that may be a socket's."""

_LONGEST_END: Final = 2.0
"""Seconds of the machine's time that who looks waits for what goes on without a client: it may be held up."""


class _Nodes(Mapping[str, tuple[Collection[str], str]]):
    """The nodes as routes know them."""

    def __init__(self, front: "FakeLibvirt") -> None:
        self._front = front

    def __getitem__(self, name: str) -> tuple[Collection[str], str]:
        node = self._front.cluster[name]
        if node.name != name:  # it is an address
            raise KeyError(name)
        return {node.address}, _path(self._front.directory, name)

    def __iter__(self) -> Iterator[str]:
        return iter([node.name for node in self._front.cluster.nodes])

    def __len__(self) -> int:
        return len(self._front.cluster)

    def serve(self, name: str) -> None:
        """Let a node have its socket; in a forked child, let the front do so that is elsewhere."""
        self._front.socket(name)


class FakeLibvirt(Referent):
    """What libvirt's clients take for the hosts of a cluster: a server a node, each on a local socket.

    It ends with its ``with`` block, or by `close`; then no connection, no thread and no file of it is left.

    Args:
        cluster: whose nodes the hosts are, and whose instances the domains.
        directory: a new or empty folder for the sockets, whose path has at most 60 bytes; None for a
            temporary one.

    Attributes:
        cluster: as given.
        directory: the sockets' folder.

    Raises:
        DeclarationError: there can be no sockets in the folder, or an instance is declared with a wrong XML;
            the message says why.
    """

    _local = frozenset({"routed"})  # a process leads its own binding

    def __init__(self, cluster: FakeCluster, *, directory: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        given: object = cluster
        if not isinstance(given, FakeCluster):
            raise DeclarationError(f"a FakeLibvirt is of a FakeCluster, not of {shown(given)}")
        self.cluster = cluster
        self._hosts: dict[str, Host] = {}
        nodes = _Nodes(self)
        self._routes = Routes(nodes, serve=nodes.serve)
        self._servers: dict[str, Server] = {}
        self._former: list[Server] = []
        """Of nodes that went down, or were removed, since: a call may be in the middle of something there."""
        self._known = Known()
        self._agents = Agents()
        self._spaces = Spaces()
        self._clinging: set[str] = set()
        """The instances whose guests let go of no device."""
        self._failures = Failures()
        self._declared: dict[bytes, str] = {}  # by the UUID that its XML has
        self._lock = cluster._shared.lock
        for spec in list(cluster._shared.declared.values()):
            self.check(spec)
        self._left = ExitStack()
        self.directory = self._left.enter_context(_sockets_in(directory))
        with suppress(ImportError):  # then its clients are other processes
            import_module("libvirtmod")  # a folder may be named as the binding is, but not as what is in it
            binding = import_module("libvirt")
            self._left.enter_context(kept_off_servers(binding))
            self._left.enter_context(handed_on(binding))
        cluster._shared.fronts.append(self)
        cluster._shared.chronicle.listeners.append(self)

    def __enter__(self) -> Self:
        """Return it: it is up already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, unless this is a child that was forked in the block."""
        if "_left" in vars(self):
            self.close()

    def __repr__(self) -> str:
        """Show whose it is."""
        return f"<FakeLibvirt of {self.cluster!r}>"

    if not TYPE_CHECKING:  # pragma: no branch  # type checkers are to know what is not there

        def __getattr__(self, name: str) -> object:
            """Refuse a name that is not there, and say where it is."""
            is_clusters = hasattr(FakeCluster, name) and not name.startswith("_")
            hint = f"; its cluster has: .cluster.{name}" if is_clusters else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def close(self) -> None:
        """Break all connections, and end all threads; once is enough."""
        shared = self.cluster._shared
        if self not in shared.fronts:
            return
        with self._lock:
            with suppress(HypervisorError):  # nobody can tell what runs
                shared.orphans += self.orphans()
            shared.fronts.remove(self)
            shared.chronicle.listeners.remove(self)  # not while another thread goes through them
            servers = [*self._former, *self._servers.values()]
            self._former.clear()
            self._servers.clear()
        for each in servers:
            each.close()
        self._left.close()

    @property
    def env(self) -> dict[str, str]:
        """The environment for subprocesses, as in ``subprocess.run(["virsh", "list"], env=front.env)``.

        It is this process's, but there ``qemu+ssh://NODE/system`` leads to that node, and what names no host
        to the node `here`. What else calls ssh has the real one.

        Raises:
            DeclarationError: the front is closed.
        """
        self._check_is_up()
        return environment(self._routes, self._programs)

    @property
    def here(self) -> str:
        """The node as which programs run, where URIs without a host lead. At first, the first one."""
        return self._routes.here

    @here.setter
    def here(self, node: str | BaseHypervisor) -> None:
        self._routes.here = self.cluster._node(node).name

    @contextmanager
    def routed(self) -> Iterator[Self]:
        """Lead what this process opens by libvirt's Python binding to the nodes meanwhile.

        ``libvirt.open``, ``openReadOnly`` and ``openAuth`` are led, by whichever name they were imported: to
        the node whose name or address is a URI's host; without a host, to `here`. A host that is no node is
        refused as libvirt does. Other hypervisors' URIs are left alone.

        Returns:
            A context manager that yields the front itself.

        Raises:
            ImportError: the binding is not there; the message says how to get it.
        """
        own = vars(self).get("_routes")  # in another process, it is that of the front itself
        nodes = _Nodes(self)
        with routed(own or Routes(nodes, self.here, nodes.serve)):
            yield self

    def uri(self, node: str | BaseHypervisor | None = None) -> str:
        """Return where a node's clients connect to, on this machine.

        Args:
            node: which, by name or address or as itself; None for the first.

        Raises:
            DeclarationError: there is no such node, or the front is closed.
        """
        return self._routes.uri(self._found(node).name)

    def socket(self, node: str | BaseHypervisor | None = None) -> str:
        """Return the path of a node's socket; it answers from now on, unless the node is down.

        Args:
            node: which, by name or address or as itself; None for the first.

        Raises:
            DeclarationError: there is no such node, or the front is closed.
        """
        found = self._found(node)
        with self._lock:
            if found.name not in self._hosts:
                self._hosts[found.name] = host = Host(Machine(found), self._known, self._agents, self._spaces)
                host.find_peer = self._peer
                host.clings = self._clinging.__contains__
                host.failing = self._failures.take
                host.all_hosts = lambda: list(self._hosts.values())
                if not found.is_down:
                    self._serve(found.name)
            return _path(self.directory, found.name)

    def cling(self, domain: str, *, clings: bool = True) -> None:
        """Let a domain's guest refuse to let go of devices, wherever it runs.

        What only goes once the guest has let go of it, such as a disk on virtio, an interface or memory, then
        stays, and clients are told ``VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED``.

        Args:
            domain: its name.
            clings: whether it does from now on; False for no more.
        """
        with self._lock:
            (self._clinging.add if clings else self._clinging.discard)(domain)

    def fail_job(
        self,
        domain: str,
        disk: str | None = None,
        *,
        at: float = 0.5,
        error: str = "No space left on device",
        times: int | None = 1,
    ) -> None:
        """Let the next jobs on a domain's disks fail, wherever it runs: block jobs, and those of backups.

        What runs already goes on; a backup of several disks has one job a disk. Where it is said several
        times, the first counts, until it has had all its jobs.

        Args:
            domain: its name; there need not be one of it yet.
            disk: the disk's name, such as "vda"; None for whichever has the next job.
            at: the share of what there is to be done, from 0 to 1, at which it fails.
            error: why, as a backup's figures have it in ``errmsg``.
            times: how many jobs fail; None for all from now on.

        Raises:
            DeclarationError: an argument is wrong; the message says what.
        """
        failing = Failing(domain, disk, Stop(at, error), times)
        with self._lock:
            self._failures.declare(failing)

    def add_pool(
        self,
        name: str,
        *,
        nodes: Iterable[str | BaseHypervisor] | None = None,
        path: str | None = None,
        capacity: int | str | None = None,
    ) -> None:
        """Let nodes have a storage pool of a folder, which they share where they are several.

        It is defined, active, and starts with each of these hosts.

        Args:
            name: its name.
            nodes: which, by name or address or as themselves; None for all that there are.
            path: the folder, the same on each; None for ``/var/lib/libvirt/images/NAME``.
            capacity: what it has, in MiB, or as a text with the unit, such as "200G"; None for 100 GiB.

        Raises:
            DeclarationError: an argument is wrong, there is no such node, or one has a pool of that name or
                folder.
        """
        declared = DeclaredPool(name, nodes=nodes, path=path, capacity=capacity)
        found = [self._found(each) for each in (self.cluster.nodes if nodes is None else nodes)]
        for each in found:
            self.socket(each)
        with self._lock:
            hosts = [self._hosts[each.name] for each in found]
            definitions = [declared.definition(each.new_uuid) for each in hosts]
            for host, definition in zip(hosts, definitions, strict=True):
                try:
                    host.pools.known(definition)
                except LibvirtError as error:
                    raise DeclarationError(f"{host.name} can't have pool {shown(name)}: {error}") from None
            self._spaces.share(each.address(host.name) for host, each in zip(hosts, definitions, strict=True))
            for host, definition in zip(hosts, definitions, strict=True):
                host.pools.declare(definition)

    def agent(self, domain: str, answers: Mapping[str, Any] | None = MappingProxyType({})) -> None:
        """Let an agent listen in a domain's guest from now on, wherever and whenever that runs; or none.

        It listens if the domain has a channel for it, which is called ``org.qemu.guest_agent.0``.

        Args:
            domain: the domain's name; there need not be one of it yet.
            answers: by the names of commands, such as "guest-exec", what the agent returns, in place of what
                it does by itself: what JSON has, or a function that takes the command's arguments, a dict,
                and returns that. One that raises, or an exception in its place, is the agent's error; of
                NotImplementedError a command that it doesn't have, of TimeoutError no answer. None for no
                agent.

        Raises:
            DeclarationError: an argument is wrong; the message says what.
        """
        name, agent = checked(domain, answers)
        with self._lock:
            self._agents.declare(name, agent)
            for host in self._hosts.values():
                host.agent_changed(name)

    # What the cluster tells

    def check(self, spec: InstanceSpec) -> None:
        """Refuse a wrong XML of a declared instance.

        Raises:
            DeclarationError: it is; the message says what.
        """
        if spec.xml is None:
            return
        key = definition_of(spec).uuid
        if (other := self._declared.setdefault(key, spec.name)) != spec.name:
            raise DeclarationError(f"xml of instance {shown(spec.name)} is wrong: its uuid is {other}'s")

    def changed(self, node: str, instance: str, what: Change, call: Call | None) -> None:
        """Hear what has become of an instance on a node; under the cluster's lock."""
        if host := self._hosts.get(node):
            host.changed(instance, what, call.method if call else None)

    def ballooned(self, node: str, instance: str) -> None:
        """Hear that an instance on a node was given other memory, or CPUs; under the cluster's lock."""
        if host := self._hosts.get(node):
            host.ballooned(instance)

    def befell(self, node: str, what: Deed) -> None:
        """Hear what the test has done to a node; under the cluster's lock."""
        if host := self._hosts.get(node):
            host.befell(what)
        if server := self._servers.get(node):
            if what == "crash":
                server.go_down()
            elif what == "remove_node":
                server.go_down()
                server.hide()
                self._former.append(self._servers.pop(node))
            elif what == "disconnect":
                server.hide()
            elif what == "reconnect":
                server.show()
        if what == "remove_node":  # the next node of that name is another one
            self._hosts.pop(node, None)

    def booted(self, node: str) -> None:
        """Let clients in again, and let what is to start with its host start."""
        if node not in self._hosts:
            return
        if before := self._servers.pop(node, None):
            before.leave()  # and wait for nothing: the test may hold a call that is still there
            self._former.append(before)
        self._hosts[node].boots()
        with self._lock:
            self._serve(node)

    def reset(self, node: str) -> None:
        """Let a node's clients lose it, and let it be back: its power was cycled."""
        self._goes_down(node)
        self.booted(node)

    def orphans(self) -> list[Violation]:
        """Return which volumes programs have made and left; under the cluster's lock."""
        return orphans(self._hosts.values(), self._spaces, self.cluster.journal)

    def settle(self) -> None:
        """Wait for what hosts still do of calls whose clients are gone, but not for long; under no lock."""
        if threads.is_answering():
            return
        until = Time.monotonic() + _LONGEST_END
        for each in [*self._former, *list(self._servers.values())]:
            each.settle(until)

    # Inside

    @cached_property
    def _programs(self) -> str:
        """The folder of what subprocesses find; not the sockets' own, where nodes give the names."""
        return self._left.enter_context(temporary_directory("fakehv-", on=Os, longest=_LONGEST_DIRECTORY))

    @under_lock
    def _goes_down(self, node: str) -> None:
        self.befell(node, "crash")

    def _peer(self, place: str) -> Host | None:
        """Return the host that a node's name, a URI or a socket's path means; None for no node's."""
        name = self._routes.node_of(place) or place
        if name not in self.cluster:
            return None
        self.socket(name)
        return self._hosts[self._found(name).name]

    def _check_is_up(self) -> None:
        if self not in self.cluster._shared.fronts:
            raise DeclarationError(f"{self!r} is closed: it has no sockets any more")

    def _found(self, node: str | BaseHypervisor | None) -> FakeHypervisor:
        self._check_is_up()
        return self.cluster._node(self.here if node is None else node)

    def _serve(self, node: str) -> None:
        self._servers[node] = Server(_path(self.directory, node), self._hosts[node], node)
        if self._hosts[node].is_silent:
            self._servers[node].hide()


def _path(directory: str, node: str) -> str:
    """Return the path of a node's socket."""
    raw = os.fsencode(node)
    name = node if len(raw) <= _LONGEST_NAME else f"node-{blake2b(raw, digest_size=8).hexdigest()}"
    return f"{directory}/{name}"


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
