"""A user's test file, for the type checker alone."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, assert_type

from pytest_fakehv import (
    Call,
    ClusterFactory,
    FakeCluster,
    FakeHypervisor,
    Fault,
    Hold,
    HypervisorError,
    Instance,
    InstanceConsole,
    InstanceInfo,
    InstanceSpec,
    Journal,
    Migration,
    MigrationResult,
    MigrationStatus,
    NodeInfo,
    NodeSpec,
    Parameters,
    ParamInSet,
    Placement,
    Topology,
    Violation,
    read_topology,
)
from pytest_fakehv.stateful import ClusterMachine, state_machine


def test_node(fakehv: FakeHypervisor) -> None:
    web1 = fakehv.instance("web1", memory=1024, min_memory=512, vcpus=2, hvparams={"a": 1})
    assert_type(web1, Instance)
    assert_type(fakehv.add_instance("web2", state="paused"), Instance)
    fakehv.StartInstance(web1, [], startup_paused=False)
    assert_type(fakehv.instances, dict[str, InstanceInfo])
    assert_type(fakehv.instances["web1"].memory, int)
    assert_type(fakehv.instances["web1"].paused, bool)
    assert_type(fakehv.GetInstanceInfo("web1"), InstanceInfo | None)
    assert_type(fakehv.GetNodeInfo(), NodeInfo)
    assert_type(fakehv.GetNodeInfo()["memory_free"], int)
    assert_type(fakehv.ListInstances(), list[str])
    assert_type(fakehv.GetMigrationStatus(web1), MigrationStatus)
    assert_type(FakeHypervisor.GetInstanceConsole(web1, None, None, {}, {}), InstanceConsole)
    assert_type(fakehv.journal, Journal)
    assert_type(next(iter(fakehv.journal)), Call)
    assert_type(fakehv.root, str)
    fakehv.assert_running("web1", memory=1024)
    fakehv.assert_running(web1)
    fakehv.instance("web1", mem=5)  # type: ignore[call-arg]
    fakehv.instance("web1", memory=0.5)  # type: ignore[arg-type]
    fakehv.add_instance("web1", state="off")  # type: ignore[arg-type]
    fakehv.assert_running(5)  # type: ignore[arg-type]
    fakehv.StartInstance("web1", [], False)  # type: ignore[arg-type]
    NodeSpec("n", mem=5)  # type: ignore[call-arg]
    assert_type(NodeSpec("n", memory="24G").memory, int)
    assert_type(NodeSpec("n", tags=["ssd"]).tags, tuple[str, ...])
    assert_type(InstanceSpec("n", memory="24G", tags=["web"]).min_memory, int | None)
    assert_type(fakehv.tags, tuple[str, ...])
    assert_type(web1.tags, tuple[str, ...])
    fakehv.assert_running("web1", memory="24G")


def test_clusters(fakehv_cluster: FakeCluster, fakehv_factory: ClusterFactory) -> None:
    assert_type(fakehv_cluster["node1"], FakeHypervisor)
    assert_type(fakehv_factory(NodeSpec("a"), NodeSpec("b")), FakeCluster)
    for node in fakehv_cluster:
        assert_type(node, FakeHypervisor)
    with FakeCluster.temporary() as cluster:
        assert_type(cluster, FakeCluster)
    assert_type(FakeCluster.in_memory(NodeSpec("a"), clock="manual", seed=1), FakeCluster)
    assert_type(FakeHypervisor.in_memory(spec=NodeSpec("a")), FakeHypervisor)


def test_migrations(fakehv_cluster: FakeCluster) -> None:
    fakehv_cluster.script_migration("web1", outcome="failed", at=0.6, times=1)
    fakehv_cluster.script_migration("web1", outcome="lost")  # type: ignore[arg-type]
    assert_type(fakehv_cluster.migrate("web1", to="node2", live=False), MigrationResult)
    assert_type(fakehv_cluster.failover("web1", to="node2"), MigrationResult)
    assert_type(fakehv_cluster.migrations, list[Migration])
    assert_type(fakehv_cluster["node1"].migrations, list[Migration])
    assert_type(fakehv_cluster.placement(), Placement)
    assert_type(fakehv_cluster.placement()["web1"], str | tuple[str, ...])
    assert_type(fakehv_cluster.clock.now, float)
    fakehv_cluster.assert_placement({"web1": "node1", "web2": None, "web3": ("node1", "node2")})
    fakehv_cluster.assert_call_order("AcceptInstance", ("MigrateInstance", "node1"), instance="web1")
    fakehv_cluster.assert_migrated("web1", traget="node2")  # type: ignore[call-arg]
    assert_type(Topology.of({"node": [{"name": "n"}]}), Topology)
    topology = read_topology("inventory.toml")
    with FakeCluster.temporary(*topology.nodes, instances=topology.instances, clock="manual", seed=1):
        pass


def test_faults(fakehv: FakeHypervisor, fakehv_cluster: FakeCluster) -> None:
    with fakehv.fault("StartInstance", error=ConnectionError, when="after", times=1) as fault:
        assert_type(fault, Fault)
        assert_type(fault.fired, int)
    fakehv_cluster.fault("*", node="node2", phase="finalize", side="target", error=HypervisorError("no"))
    fakehv_cluster.fault("StartInstance", when="later")  # type: ignore[arg-type]
    with fakehv_cluster.hold("MigrateInstance", instance="web1") as held:
        assert_type(held, Hold)
        assert_type(held.wait(timeout=1), Call)
        assert_type(held.call, Call | None)
    fakehv_cluster.allow("unfinished", "vanished", instance="web1")
    assert_type(fakehv_cluster.violations(), list[Violation])
    fakehv_cluster.assert_consistent(allow=["vanished"])
    fakehv_cluster.assert_consistent(allow=["lost"])  # type: ignore[list-item]


class Mine:
    def start(self, cluster: FakeCluster, instance: str, node: str) -> None:
        cluster[node].StartInstance(cluster[node].instance(instance), [], False)


assert_type(state_machine(Mine, outcomes=["failed"]), type[ClusterMachine])
TestMine = state_machine(Mine).TestCase


class Own(FakeHypervisor):
    PARAMETERS: ClassVar[Parameters] = {
        **FakeHypervisor.PARAMETERS,
        "disk_cache": ParamInSet(True, ["none"]),
        "plain": (False, None, None, None, None),
    }


# What production code says of the hypervisors that it drives: nodes are such, whichever way it says so.


class Status(Protocol):
    status: str
    transferred_ram: int | None
    total_ram: int | None


class Hypervisor(Protocol):
    name: str
    address: str

    def StartInstance(self, instance: Any, block_devices: Sequence[Any], startup_paused: bool) -> None: ...
    def ListInstances(self) -> list[str]: ...
    def GetMigrationStatus(self, instance: Any) -> Status: ...


class ReadOnly(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def root(self) -> str: ...
    @property
    def tags(self) -> Sequence[str]: ...
    @property
    def is_down(self) -> bool: ...
    @property
    def is_cut_off(self) -> bool: ...
    @property
    def unreachable(self) -> str | None: ...
    @property
    def instances(self) -> Mapping[str, tuple[Any, ...]]: ...
    @property
    def instance_names(self) -> list[str]: ...
    @property
    def migrations(self) -> Sequence[Migration]: ...
    @property
    def seed(self) -> int: ...


class Attributes(Protocol):
    name: str
    address: str
    root: str


def drive(hypervisor: Hypervisor) -> str:
    return hypervisor.GetMigrationStatus(None).status.upper()


def look(node: ReadOnly) -> str:
    return node.name


def look_again(node: Attributes) -> str:
    return node.name


def test_protocols(fakehv: FakeHypervisor, fakehv_cluster: FakeCluster) -> None:
    drive(fakehv)
    look(fakehv)
    look_again(fakehv)
    for node in fakehv_cluster:
        drive(node)
        look(node)
        look_again(node)
    status = fakehv.GetMigrationStatus(fakehv.instance("web1"))
    assert_type(status.status, str)
    assert_type(status.transferred_ram, int | None)
    assert_type(status.postcopy_status, str | None)


class OtherError(Exception):
    pass


class Raising(FakeHypervisor):
    error_class = OtherError


raised: type[Exception] = Raising.error_class
