"""At every entrance of keywords a right one, a wrong name and a wrong type, for type checkers alone."""

from typing import Unpack

from pytest_fakehv import (
    ClusterFactory,
    ClusterOptions,
    FakeCluster,
    FakeHypervisor,
    FaultOptions,
    FaultSpec,
    InstanceOptions,
    InstanceSpec,
    MethodName,
    MigrationOptions,
    MigrationSpec,
    NodeOptions,
    NodeSpec,
    marks,
)


def test_nodes(cluster: FakeCluster) -> None:
    NodeSpec("node3", memory=1024, overcommit=False)
    NodeSpec("node3", mem=1024)  # type: ignore[call-arg]
    NodeSpec("node3", memory="24G", reserved_memory="512M", tags=["ssd"])
    NodeSpec("node3", memory=1.5)  # type: ignore[arg-type]
    cluster.add_node("node3", memory=1024, overcommit=False)
    cluster.add_node("node3", mem=1024)  # type: ignore[call-arg]
    cluster.add_node("node3", memory="24G", tags=("ssd",))
    cluster.add_node("node3", memory=1.5)  # type: ignore[arg-type]
    cluster.add_node()  # type: ignore[call-arg]


def test_instances(cluster: FakeCluster, hv: FakeHypervisor) -> None:
    InstanceSpec("web1", node="node1", memory=1024, state="paused")
    InstanceSpec("web1", mem=1024)  # type: ignore[call-arg]
    InstanceSpec("web1", memory="24G", min_memory="512M", tags={"web"})
    InstanceSpec("web1", memory=1.5)  # type: ignore[arg-type]
    InstanceSpec("web1", tags=5)  # type: ignore[arg-type]
    cluster.add_instance("web1", node="node1", memory=1024, state="paused")
    cluster.add_instance("web1", mem=1024)  # type: ignore[call-arg]
    cluster.add_instance("web1", memory=None, vcpus=None)
    cluster.add_instance("web1", vcpus="2")  # type: ignore[arg-type]
    hv.add_instance("web1", memory=1024, min_memory=None, state="paused")
    hv.add_instance("web1", node="node1")  # type: ignore[call-arg]
    hv.add_instance("web1", memory="24G", tags=["web"])
    hv.add_instance("web1", memory=1.5)  # type: ignore[arg-type]
    cluster.instance("web1", memory=1024, hvparams={"migration_mode": "live"})
    cluster.instance("web1", state="paused")  # type: ignore[call-arg]
    cluster.instance("web1", hvparams=["live"])  # type: ignore[arg-type]
    hv.instance("web1", memory=1024, hvparams={"migration_mode": "live"})
    hv.instance("web1", state="paused")  # type: ignore[call-arg]
    hv.instance("web1", hvparams=["live"])  # type: ignore[arg-type]


def test_faults(cluster: FakeCluster, hv: FakeHypervisor) -> None:
    web1 = hv.instance("web1")
    FaultSpec("StartInstance", instance="web1", phase=None, error=ConnectionError)
    FaultSpec("StartInstance", odds=0.5)  # type: ignore[call-arg]
    FaultSpec("StartInstance", when="later")  # type: ignore[arg-type]
    FaultSpec("StratInstance")  # type: ignore[arg-type]
    cluster.fault("StartInstance", instance=web1, phase=None, error=ConnectionError)
    cluster.fault("StartInstance", odds=0.5)  # type: ignore[call-arg]
    cluster.fault("StratInstance")  # type: ignore[arg-type]
    cluster.fault("*", node=hv, result=[], crash="node2")
    cluster.fault("StopInstance", effect=False, crash=cluster["node2"], do=lambda call: call.method)
    cluster.fault("StopInstance", do=lambda: None)  # type: ignore[arg-type, misc]
    cluster.fault("StartInstance", when="later")  # type: ignore[arg-type]
    hv.fault("StartInstance", instance=web1, phase=None, error=ConnectionError)
    hv.fault("StartInstance", odds=0.5)  # type: ignore[call-arg]
    hv.fault("StartInstance", phase="begin")  # type: ignore[arg-type]
    cluster.hold("StartInstance", node="node1", instance=web1, side="source", timeout=1)
    cluster.hold("StartInstance", when="after")  # type: ignore[call-arg]
    cluster.hold("StratInstance")  # type: ignore[arg-type]
    cluster.hold("StartInstance", side="left")  # type: ignore[arg-type]
    hv.hold("StartInstance", node="node1", instance=web1, side="source", timeout=1)
    hv.hold("StartInstance", when="after")  # type: ignore[call-arg]
    hv.hold("StartInstance", side="left")  # type: ignore[arg-type]


def test_migrations(cluster: FakeCluster, hv: FakeHypervisor) -> None:
    MigrationSpec("web1", outcome="failed", at=0.5)
    MigrationSpec("web1", result="failed")  # type: ignore[call-arg]
    MigrationSpec("web1", outcome="lost")  # type: ignore[arg-type]
    cluster.script_migration(hv.instance("web1"), outcome="failed", at=0.5)
    cluster.script_migration("web1", result="failed")  # type: ignore[call-arg]
    cluster.script_migration("web1", outcome="lost")  # type: ignore[arg-type]
    hv.script_migration("web1", outcome="failed", at=0.5)
    hv.script_migration("web1", result="failed")  # type: ignore[call-arg]
    hv.script_migration("web1", polls=1.5)  # type: ignore[arg-type]


def test_clusters(fakehv_factory: ClusterFactory) -> None:
    node, web1 = NodeSpec("node1"), InstanceSpec("web1")
    FakeCluster("root", node, instances=[web1], hypervisor=FakeHypervisor, clock="manual", seed=1)
    FakeCluster("root", node, sed=1)  # type: ignore[call-arg]
    FakeCluster("root", node, clock="sundial")  # type: ignore[arg-type]
    FakeCluster.temporary(node, instances=[web1], hypervisor=FakeHypervisor, clock="manual", seed=1)
    FakeCluster.temporary(node, sed=1)  # type: ignore[call-arg]
    FakeCluster.temporary(node, clock="sundial")  # type: ignore[arg-type]
    FakeCluster.in_memory(node, instances=[web1], hypervisor=FakeHypervisor, clock="manual", seed=1)
    FakeCluster.in_memory(node, sed=1)  # type: ignore[call-arg]
    FakeCluster.in_memory(node, instances=["web1"])  # type: ignore[list-item]
    fakehv_factory(node, instances=[web1], hypervisor=FakeHypervisor, clock="manual", seed=1)
    fakehv_factory(node, sed=1)  # type: ignore[call-arg]
    fakehv_factory(node, seed="1")  # type: ignore[arg-type]


# A user's own functions can hand them on, too.


def small_node(cluster: FakeCluster, name: str, **options: Unpack[NodeOptions]) -> FakeHypervisor:
    return cluster.add_node(name, **options)


def paused(hv: FakeHypervisor, name: str, **options: Unpack[InstanceOptions]) -> None:
    hv.add_instance(name, state="paused", **options)


def late(hv: FakeHypervisor, method: MethodName, **options: Unpack[FaultOptions]) -> None:
    options["when"] = "after"
    hv.fault(method, **options)


def slow(cluster: FakeCluster, name: str, **options: Unpack[MigrationOptions]) -> None:
    options.setdefault("bandwidth", 1)
    cluster.script_migration(name, **options)


def three_nodes(**options: Unpack[ClusterOptions]) -> FakeCluster:
    return FakeCluster.in_memory(NodeSpec("a"), NodeSpec("b"), NodeSpec("c"), **options)


def test_marks() -> None:
    marks.settings(backend="memory", allow=["forgotten"], clock="manual", topology="cluster.toml")
    marks.settings(strickt=True)  # type: ignore[call-arg]
    marks.settings(clock="slow")  # type: ignore[arg-type]
    marks.settings(allow=["lost"])  # type: ignore[list-item]
    marks.node("node1", memory="64G", overcommit=False)
    marks.node("node1", mem=1024)  # type: ignore[call-arg]
    marks.node("node1", memory=1.5)  # type: ignore[arg-type]
    marks.instance("web1", node="node1", memory=1024, state="paused")
    marks.instance("web1", mem=1024)  # type: ignore[call-arg]
    marks.instance("web1", state="off")  # type: ignore[arg-type]
    marks.migration("web1", outcome="failed", at=0.5)
    marks.migration("web1", outcomes="failed")  # type: ignore[call-arg]
    marks.migration("web1", outcome="broken")  # type: ignore[arg-type]
    marks.fault("StartInstance", node="node1", instance="web1", when="after", error="no")
    marks.fault("virDomainCreate", code="VIR_ERR_NO_DOMAIN", phase="prepare", side="source")
    marks.fault("StratInstance")  # type: ignore[arg-type]
    marks.fault("StartInstance", odds=0.5)  # type: ignore[call-arg]
    marks.apart("db1", "db2")
    marks.apart(5)  # type: ignore[arg-type]
    marks.pool("images", nodes=["node1"], capacity="200G")
    marks.pool("images", size="200G")  # type: ignore[call-arg]
    marks.at_most(migrations=2, node="node1")
    marks.at_most(migrations="two")  # type: ignore[arg-type]
