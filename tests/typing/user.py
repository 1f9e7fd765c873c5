"""A user's test file, for the type checker alone."""

from typing import ClassVar, assert_type

from pytest_fakehv import (
    Call,
    ClusterFactory,
    FakeCluster,
    FakeHypervisor,
    Instance,
    InstanceConsole,
    InstanceInfo,
    Journal,
    MigrationStatus,
    NodeInfo,
    NodeSpec,
    Parameters,
    ParamInSet,
)


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
    fakehv.instance("web1", memory="5")  # type: ignore[arg-type]
    fakehv.add_instance("web1", state="off")  # type: ignore[arg-type]
    fakehv.assert_running(5)  # type: ignore[arg-type]
    fakehv.StartInstance("web1", [], False)  # type: ignore[arg-type]
    NodeSpec("n", mem=5)  # type: ignore[call-arg]


def test_clusters(fakehv_cluster: FakeCluster, fakehv_factory: ClusterFactory) -> None:
    assert_type(fakehv_cluster["node1"], FakeHypervisor)
    assert_type(fakehv_factory(NodeSpec("a"), NodeSpec("b")), FakeCluster)
    for node in fakehv_cluster:
        assert_type(node, FakeHypervisor)
    with FakeCluster.temporary() as cluster:
        assert_type(cluster, FakeCluster)


class Own(FakeHypervisor):
    PARAMETERS: ClassVar[Parameters] = {
        **FakeHypervisor.PARAMETERS,
        "disk_cache": ParamInSet(True, ["none"]),
        "plain": (False, None, None, None, None),
    }
