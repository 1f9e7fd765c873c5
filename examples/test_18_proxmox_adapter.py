"""18. An adapter: test code that speaks to Proxmox's REST interface, for which the plugin has no front.

You learn to

- put the face of the program's client before a cluster, here proxmoxer's, Proxmox's client in Python;
- raise the client's error, which is made of three things, where the cluster has a text: ``error_class``;
- end by itself what the program has begun, as a server does, and allow ``unfinished`` for that;
- let the program sleep on the cluster's clock, so that nobody waits.

It needs no proxmoxer. The page `docs/how-to/something-else.md` has what holds of other clients, too.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, NamedTuple

import pytest

from pytest_fakehv import FakeCluster, FakeHypervisor, InstanceLike, LimitError, NodeDownError

# The code under test: in your project it is a module of its own, and its error is proxmoxer's.


class ResourceException(Exception):  # noqa: N818  # it is proxmoxer's name
    """An answer that is an error."""

    def __init__(self, status_code: int, status_message: str, content: str) -> None:
        super().__init__(f"{status_code} {status_message}: {content}")
        self.status_code, self.status_message, self.content = status_code, status_message, content


def naive_evacuate(api: Any, node: str, targets: Sequence[str]) -> list[int]:
    """Move all that runs on a node away for its maintenance, and return the VMIDs of what has stayed."""
    stayed, tasks = [], []
    for vm in api.nodes(node).qemu.get():
        if vm["status"] == "running":
            try:
                tasks.append(api.nodes(node).qemu(vm["vmid"]).migrate.post(target=targets[0], online=1))
            except ResourceException:
                stayed.append(vm["vmid"])
    for upid in tasks:
        while api.nodes(node).tasks(upid).status.get()["status"] == "running":
            time.sleep(1)
    return stayed


def evacuate(api: Any, node: str, targets: Sequence[str], patience: float = 300) -> list[int]:
    """Move all that runs on a node away for its maintenance, one machine after the other.

    Args:
        api: the client.
        node: the node's name.
        targets: where they may go, the preferred node first.
        patience: after how many seconds a migration is aborted.

    Returns:
        The VMIDs of what has stayed there, or may have; unless there is none, it must not be switched off.
    """
    for vmid in may_run(api, node):
        for target in targets:
            with suppress(ResourceException):
                move(api, vmid, node, target, patience)
            if vmid not in may_run(api, node):
                break
    # Whatever the tasks said: what counts is where the machines are.
    return may_run(api, node)


def may_run(api: Any, node: str) -> list[int]:
    """Return the VMIDs of what runs on a node, or may run there, as the cluster knows without the node."""
    vms = api.cluster.resources.get(type="vm")
    return [vm["vmid"] for vm in vms if vm["node"] == node and vm["status"] != "stopped"]


def move(api: Any, vmid: int, node: str, target: str, patience: float) -> None:
    """Migrate one machine, and wait for the end of that."""
    task = api.nodes(node).tasks(api.nodes(node).qemu(vmid).migrate.post(target=target, online=1))
    end = time.monotonic() + patience
    while task.status.get()["status"] == "running":
        if time.monotonic() >= end:
            task.delete()
        time.sleep(1)


# The adapter: write it once, beside your tests.


class ErrorOfText(ResourceException):
    """The same error, made of a text alone, as the cluster makes them; it knows of which kind it is."""

    def __init__(self, text: str) -> None:
        if isinstance(self, NodeDownError):
            super().__init__(595, "No route to host", text)
        else:
            super().__init__(500, "Internal Server Error", text)


class Node(FakeHypervisor):
    """A node whose calls raise what the program catches."""

    error_class = ErrorOfText


class Resource:
    """A path, which grows by each word and each value, as in ``api.nodes("node1").qemu(100).migrate``.

    A request is a method of the server: ``post`` of that one is ``post_nodes_qemu_migrate("node1", "100")``.
    """

    def __init__(self, server: "Server", words: Sequence[str] = (), values: Sequence[str] = ()) -> None:
        self._server, self._words, self._values = server, words, values

    def __getattr__(self, word: str) -> "Resource":
        return Resource(self._server, (*self._words, word), self._values)

    def __call__(self, value: str | int) -> "Resource":
        """Go on to what has that name or number, which to the cluster is a text."""
        return Resource(self._server, self._words, (*self._values, str(value)))

    def _request(self, verb: str, arguments: dict[str, Any]) -> Any:
        self._server.settle()
        return getattr(self._server, "_".join([verb, *self._words]))(*self._values, **arguments)

    def get(self, **arguments: Any) -> Any:
        """Ask."""
        return self._request("get", arguments)

    def post(self, **arguments: Any) -> Any:
        """Have something done."""
        return self._request("post", arguments)

    def delete(self, **arguments: Any) -> Any:
        """Have something ended."""
        return self._request("delete", arguments)


class Migration(NamedTuple):
    """One that is under way: of which machine, from where to where."""

    instance: InstanceLike
    source: FakeHypervisor
    target: FakeHypervisor


class Server:
    """What Proxmox does of requests, done by the cluster.

    Args:
        cluster: the cluster.
        homes: on which node each machine is, also one that is stopped, by its VMID.
    """

    def __init__(self, cluster: FakeCluster, homes: dict[str, str]) -> None:
        self._cluster, self._homes = cluster, homes
        self._migrations: dict[str, Migration] = {}
        self._ends: dict[str, str] = {}  # how each task has ended, or will unless something befalls it

    # The requests

    def get_cluster_resources(self, *, type: Literal["vm"]) -> list[dict[str, Any]]:  # noqa: A002, ARG002
        """List all machines, also those of a node that doesn't answer."""
        return [self._described(vmid) for vmid in self._homes]

    def get_nodes_qemu(self, node: str) -> list[dict[str, Any]]:
        """List a node's machines."""
        self._cluster[node].ListInstances()  # which raises where the node doesn't answer
        return [self._described(vmid) for vmid, home in self._homes.items() if home == node]

    def get_nodes_qemu_status_current(self, node: str, vmid: str) -> dict[str, Any]:
        """Describe a machine."""
        self._check(node, vmid)
        return self._described(vmid)

    def post_nodes_qemu_status_start(self, node: str, vmid: str) -> str:
        """Start a machine."""
        with self._task("qmstart", node, vmid) as upid:
            self._cluster[node].StartInstance(self._cluster.instance(vmid), [], False)
        return upid

    def post_nodes_qemu_status_stop(self, node: str, vmid: str) -> str:
        """Stop a machine, whatever its guest says."""
        with self._task("qmstop", node, vmid) as upid:
            self._cluster[node].StopInstance(self._cluster.instance(vmid), force=True)
        return upid

    def post_nodes_qemu_migrate(self, node: str, vmid: str, *, target: str, online: int = 0) -> str:
        """Begin to migrate a machine."""
        with self._task("qmigrate", node, vmid) as upid:
            if not online:
                raise ErrorOfText("can't migrate running VM without --online")
            move = Migration(self._cluster.instance(vmid), self._cluster[node], self._cluster[target])
            try:
                move.target.AcceptInstance(move.instance, move.source.MigrationInfo(move.instance), target)
                move.source.MigrateInstance("cluster", move.instance, target, True)
            except ResourceException:
                self._finalize(move, has_moved=False)
                raise
            self._migrations[upid] = move
        return upid

    def get_nodes_tasks_status(self, node: str, upid: str) -> dict[str, str]:
        """Tell what has become of a task."""
        self._cluster[node].ListInstances()
        if upid in self._migrations:
            return {"status": "running"}
        return {"status": "stopped", "exitstatus": self._ends[upid]}

    def delete_nodes_tasks(self, node: str, upid: str) -> None:
        """Abort a task; what is over stays as it is."""
        self._cluster[node].ListInstances()
        if upid in self._migrations:
            self._end(upid, "interrupted by signal", has_moved=False)

    # What goes on behind them

    def settle(self) -> None:
        """End the migrations that are over: on a server that goes by itself, here before each request."""
        for upid, move in list(self._migrations.items()):
            try:
                status = move.source.GetMigrationStatus(move.instance).status
            except ResourceException:
                status = "active" if move.source.is_cut_off else "lost"  # cut off, it goes on
            if "active" not in status:  # nor postcopy-active
                has_moved = status == "completed" or self._runs(move.target, move.instance.name)
                self._end(upid, f"migration {status}", has_moved=has_moved)

    def _end(self, upid: str, why: str, *, has_moved: bool) -> None:
        move = self._migrations.pop(upid)
        if self._finalize(move, has_moved=has_moved):
            self._homes[move.instance.name] = move.target.name
        else:
            self._ends[upid] = why

    def _finalize(self, move: Migration, *, has_moved: bool) -> bool:
        """End a migration on both nodes, also if one of them fails; tell whether the machine has moved."""
        with suppress(ResourceException):
            move.target.FinalizeMigrationDst(move.instance, "", has_moved)
        if has_moved and not self._runs(move.target, move.instance.name):
            return self._finalize(move, has_moved=False)  # it has not arrived, so the source keeps it
        with suppress(ResourceException):
            move.source.FinalizeMigrationSource(move.instance, has_moved, True)
        return has_moved

    @contextmanager
    def _task(self, kind: str, node: str, vmid: str) -> Iterator[str]:
        """Do something as a task: what that raises is how it ends, and no error of the request."""
        self._check(node, vmid)
        if any(vmid == each.instance.name for each in self._migrations.values()):
            raise ErrorOfText("VM is locked (migrate)")
        upid = f"UPID:{node}:{len(self._ends):08X}:00000000:00000000:{kind}:{vmid}:root@pam:"
        self._ends[upid] = "OK"
        try:
            yield upid
        except ResourceException as error:
            self._ends[upid] = error.content

    def _check(self, node: str, vmid: str) -> None:
        self._cluster[node].ListInstances()
        if self._homes.get(vmid) != node:
            raise ErrorOfText(f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist")

    def _described(self, vmid: str) -> dict[str, Any]:
        node = self._cluster[self._homes[vmid]]
        try:
            status = "running" if vmid in node.ListInstances() else "stopped"
        except ResourceException:
            status = "unknown"
        return {"vmid": int(vmid), "node": node.name, "status": status}

    def _runs(self, node: FakeHypervisor, vmid: str) -> bool:
        with suppress(ResourceException):
            return vmid in node.ListInstances()
        return False


# The tests

pytestmark = [
    pytest.mark.fakehv(clock="manual"),
    pytest.mark.fakehv_node("node1"),
    pytest.mark.fakehv_node("node2", memory="8G", overcommit=False),
    pytest.mark.fakehv_node("node3"),
    pytest.mark.fakehv_instance("101", node="node1", memory="4G"),
    pytest.mark.fakehv_instance("102", node="node1", memory="2G"),
    pytest.mark.fakehv_instance("103", node="node1", state="stopped"),
    pytest.mark.fakehv_migration("101", bandwidth=1024),
    pytest.mark.fakehv_migration("102", bandwidth=1024),
]

Evacuate = Callable[[Any, str, Sequence[str]], list[int]]
both = pytest.mark.parametrize("evacuate", [naive_evacuate, evacuate])
TARGETS = ["node2", "node3"]


@pytest.fixture
def fakehv_class() -> type[FakeHypervisor]:
    """What the nodes of this file are made of."""
    return Node


@pytest.fixture
def api(
    fakehv_cluster: FakeCluster, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Resource:
    """The program's client, and its time, which is the cluster's."""
    monkeypatch.setattr(time, "sleep", fakehv_cluster.clock.sleep)
    monkeypatch.setattr(time, "monotonic", lambda: fakehv_cluster.clock.now)
    # What the server has begun, it ends by itself, and be it after the test.
    fakehv_cluster.allow("unfinished")
    homes = {mark.args[0]: mark.kwargs["node"] for mark in request.node.iter_markers("fakehv_instance")}
    return Resource(Server(fakehv_cluster, homes))


@both
def test_everything_moves(api: Resource, fakehv_cluster: FakeCluster, evacuate: Evacuate) -> None:
    """On a good day there is no difference."""
    assert evacuate(api, "node1", TARGETS) == []

    fakehv_cluster.assert_placement({"101": "node2", "102": "node2"})
    assert api.nodes("node1").qemu.get() == [{"vmid": 103, "node": "node1", "status": "stopped"}]


@pytest.mark.fakehv(allow=["crowded"])  # else the plugin fails it, without being asked
@pytest.mark.fakehv_at_most(migrations=1)
def test_the_naive_version_begins_all_at_once(api: Resource, fakehv_cluster: FakeCluster) -> None:
    """With two machines it goes well. With two hundred, each of them crawls."""
    naive_evacuate(api, "node1", TARGETS)

    assert {each.invariant for each in fakehv_cluster.violations()} == {"crowded"}


@pytest.mark.fakehv_at_most(migrations=1)
def test_the_mended_version_moves_one_after_the_other(api: Resource, fakehv_cluster: FakeCluster) -> None:
    """The same circumstances."""
    evacuate(api, "node1", TARGETS)

    fakehv_cluster.assert_placement({"101": "node2", "102": "node2"})


def fails_half_way(cluster: FakeCluster) -> None:
    """The first migration fails; the next one doesn't."""
    cluster.script_migration("101", outcome="failed", at=0.5, times=1)
    cluster.script_migration("101", bandwidth=1024)


def lacks_memory(cluster: FakeCluster) -> None:
    """Something else has come to the target meanwhile."""
    cluster.add_instance("900", node="node2", memory="5G")


Befall = Callable[[FakeCluster], None]


@pytest.mark.parametrize("befall", [fails_half_way, lacks_memory])
def test_the_naive_version_takes_an_end_for_a_success(
    api: Resource, fakehv_cluster: FakeCluster, befall: Befall
) -> None:
    """It says that nothing has stayed, so the node is switched off, and 101 goes down with it."""
    befall(fakehv_cluster)
    assert naive_evacuate(api, "node1", ["node2"]) == []
    fakehv_cluster["node1"].crash()

    message = "101 is not running on any of node1, node2, node3; it went down with node1"
    with pytest.raises(AssertionError, match=f"^{message}"):
        fakehv_cluster.assert_running("101")


@pytest.mark.parametrize("befall", [fails_half_way, lacks_memory])
def test_the_mended_version_tries_the_next_target(
    api: Resource, fakehv_cluster: FakeCluster, befall: Befall
) -> None:
    """The same circumstances."""
    befall(fakehv_cluster)
    assert evacuate(api, "node1", TARGETS) == []

    fakehv_cluster.assert_running("101", on="node3")


busy = pytest.mark.fakehv_migration("101", bandwidth=1024, dirty_rate=2048)
"""It writes faster than the network sends."""


@busy
@pytest.mark.fakehv(max_calls=1000)
@pytest.mark.xfail(
    strict=True, raises=LimitError, reason="it waits for ever; here, until the plugin ends the test"
)
def test_the_naive_version_waits_for_ever(api: Resource) -> None:
    """It has no idea of how long a migration may take."""
    naive_evacuate(api, "node1", TARGETS)


@busy
def test_what_never_ends_is_aborted(api: Resource, fakehv_cluster: FakeCluster) -> None:
    """It stays, whatever its target; the other one moves."""
    assert evacuate(api, "node1", TARGETS) == [101]

    fakehv_cluster.assert_placement({"101": "node1", "102": "node2"})
    fakehv_cluster.assert_migration_cancelled("101")


def test_the_source_goes_down(api: Resource, fakehv_cluster: FakeCluster) -> None:
    """Of what it still had nobody knows whether it runs, so nobody may start it elsewhere."""
    fakehv_cluster.at(5, fakehv_cluster["node1"].crash)
    assert evacuate(api, "node1", TARGETS) == [102, 103]

    fakehv_cluster.assert_placement({"101": "node2"})
    with pytest.raises(ResourceException, match="595 No route to host: node1 does not answer") as caught:
        api.nodes("node1").qemu.get()
    assert (caught.value.status_code, caught.value.content) == (595, "node1 does not answer")


def test_the_source_is_cut_off_for_a_while(api: Resource, fakehv_cluster: FakeCluster) -> None:
    """Its migration goes on by itself, and has come to its end when the node is back."""
    fakehv_cluster.at(3, fakehv_cluster["node1"].disconnect)
    assert evacuate(api, "node1", TARGETS) == [101, 102, 103]

    fakehv_cluster["node1"].reconnect()
    assert evacuate(api, "node1", TARGETS) == []
    fakehv_cluster.assert_placement({"101": "node2", "102": "node2"})


def test_a_server_ends_what_nobody_asks_about(api: Resource, fakehv_cluster: FakeCluster) -> None:
    """A program may begin a migration and go home; that is why the fixture allows ``unfinished``."""
    task = api.nodes("node1").tasks(api.nodes("node1").qemu(101).migrate.post(target="node2", online=1))
    fakehv_cluster.clock.advance(60)

    assert api.nodes("node2").qemu(101).status.current.get()["status"] == "running"
    task.delete()  # it comes too late, and changes nothing
    assert task.status.get() == {"status": "stopped", "exitstatus": "OK"}
    fakehv_cluster.assert_placement({"101": "node2", "102": "node1"})


def test_a_start_that_fails_is_a_task_that_did(api: Resource, fakehv_cluster: FakeCluster) -> None:
    """A request that was heard is no error, whatever comes of it."""
    vm = api.nodes("node1").qemu(103)
    fakehv_cluster.fault("StartInstance", times=1, error="no space left on device")
    upid = vm.status.start.post()
    assert api.nodes("node1").tasks(upid).status.get()["exitstatus"] == "no space left on device"

    vm.status.start.post()
    assert vm.status.current.get()["status"] == "running"
    vm.status.stop.post()
    assert vm.status.current.get()["status"] == "stopped"
    with pytest.raises(
        ResourceException, match=r"^500 Internal Server Error: Configuration file .* does not"
    ):
        api.nodes("node2").qemu(103).status.start.post()
