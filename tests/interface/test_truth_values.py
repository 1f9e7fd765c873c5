"""What is taken as true or false may be any value; it is asked once, before anything happens."""

import itertools

import pytest

from pytest_fakehv import FakeCluster, FakeHypervisor, Instance, NodeSpec

NODES = (NodeSpec("node1"), NodeSpec("node2"))
WEB1 = Instance("web1", beparams={"minmem": 512, "maxmem": 1024, "vcpus": 2})


class Once:
    """True or false when it is first asked, and the contrary from then on."""

    def __init__(self, truth):
        self._answers = itertools.chain([truth], itertools.repeat(not truth))

    def __bool__(self):
        return next(self._answers)


class Undecided:
    """As an array of several numbers is."""

    def __bool__(self):
        raise ValueError("the truth value of several is ambiguous")

    def __eq__(self, other):
        return self

    __hash__ = None


VALUES = [
    *((value, True) for value in (1, "no", [0], object())),
    *((value, False) for value in (0, "", [], None)),
]


def name_of(value):
    return value if isinstance(value, str) else f"{value[1]}-{type(value[0]).__name__}"


class OwnHooks(FakeHypervisor):
    """What its hooks return is true or false, and no bool."""

    def _IsAlive(self, instance_name):
        return [instance_name] if super()._IsAlive(instance_name) else None

    def _MarkUp(self, instance, memory):
        super()._MarkUp(instance, memory)

    def _MarkDown(self, instance_name):
        super()._MarkDown(instance_name)


@pytest.fixture(params=[FakeHypervisor, OwnHooks])
def cluster(request, root):
    return FakeCluster(root, *NODES, hypervisor=request.param)


@pytest.fixture(params=[*VALUES, "once", "not once"], ids=name_of)
def value(request):
    """A value, and whether it is true."""
    given = {"once": (Once(True), True), "not once": (Once(False), False)}
    return request.param if isinstance(request.param, tuple) else given[request.param]


def states(cluster):
    """Say what is where: seen by the files, and by what the cluster believes."""
    found = {}
    for node in cluster:
        for name, info in node.instances.items():
            found[node.name, name] = "paused" if info.paused else "running"
    assert cluster.placement() == {name: node for node, name in found}
    return found


def test_whether_it_starts_paused(cluster, value):
    given, truth = value
    cluster["node1"].StartInstance(WEB1, [], given)
    assert states(cluster) == {("node1", "web1"): "paused" if truth else "running"}
    cluster.assert_consistent()


def test_whether_it_migrates_live(cluster, value):
    given, truth = value
    node1, node2 = cluster
    node1.StartInstance(WEB1, [], False)
    node2.AcceptInstance(WEB1, "", "node2")
    node1.MigrateInstance("cluster", WEB1, "node2", given)
    assert states(cluster) == {("node1", "web1"): "running" if truth else "paused"}
    (migration,) = cluster.migrations
    assert migration.live is truth
    node2.FinalizeMigrationDst(WEB1, "", False)
    node1.FinalizeMigrationSource(WEB1, False, given)
    assert states(cluster) == {("node1", "web1"): "running"}
    cluster.assert_consistent()


@pytest.mark.parametrize("first", ["source", "target"])
def test_whether_it_succeeded(cluster, value, first):
    given, truth = value
    node1, node2 = cluster
    node1.StartInstance(WEB1, [], False)
    node2.AcceptInstance(WEB1, "", "node2")
    node1.MigrateInstance("cluster", WEB1, "node2", True)
    node1.GetMigrationStatus(WEB1)
    node2.ListInstances()
    for side in ("source", "target") if first == "source" else ("target", "source"):
        # What is asked once is another one for each.
        success = Once(truth) if isinstance(given, Once) else given
        if side == "source":
            node1.FinalizeMigrationSource(WEB1, success, None)
        else:
            node2.FinalizeMigrationDst(WEB1, "", success)
    assert states(cluster) == {("node2" if truth else "node1", "web1"): "running"}
    (migration,) = cluster.migrations
    assert (migration.finalized_on_source, migration.finalized_on_target) == (truth, truth)
    assert migration.migrated is truth
    cluster.assert_consistent()
    assert len(cluster.journal) == 7


def test_what_a_stop_ignores(cluster, value):
    cluster["node1"].StartInstance(WEB1, [], False)
    cluster["node1"].StopInstance(WEB1, value[0], value[0])
    assert states(cluster) == {}
    cluster.assert_consistent()


def test_a_second_finalize_changes_nothing(cluster):
    """Whatever the hooks say of what runs."""
    node1, node2 = cluster
    node1.FinalizeMigrationSource(WEB1, True, True)
    node2.StartInstance(WEB1, [], False)
    node2.FinalizeMigrationDst(WEB1, "", True)
    assert states(cluster) == {("node2", "web1"): "running"}
    cluster.assert_consistent()


def test_what_can_not_be_decided_comes_to_nothing(cluster):
    web2 = cluster.add_instance("web2", node="node1")
    node1, node2 = cluster
    node2.AcceptInstance(web2, "", "node2")
    before = states(cluster)

    def refused(function, *arguments):
        with pytest.raises(ValueError, match=r"^the truth value of several is ambiguous$") as caught:
            function(*arguments)
        assert type(caught.value) is ValueError
        assert cluster.journal[-1].error is caught.value
        assert states(cluster) == before

    refused(node1.StartInstance, WEB1, [], Undecided())
    refused(node1.MigrateInstance, "cluster", web2, "node2", Undecided())
    assert cluster.migrations == []
    node1.MigrateInstance("cluster", web2, "node2", False)
    before = states(cluster)
    node1.GetMigrationStatus(web2)
    refused(node1.FinalizeMigrationSource, web2, Undecided(), False)
    refused(node2.FinalizeMigrationDst, web2, "", Undecided())
    (migration,) = cluster.migrations
    assert (migration.finalized_on_source, migration.finalized_on_target) == (None, None)
    node1.FinalizeMigrationSource(web2, True, Undecided())
    node2.FinalizeMigrationDst(web2, "", True)
    node2.StopInstance(web2, Undecided(), Undecided())
    node1.StartInstance(WEB1, [], False)
    cluster.assert_consistent()
    cluster.describe()


def test_a_target_that_is_no_name(cluster):
    node1, _ = cluster
    node1.StartInstance(WEB1, [], False)
    with pytest.raises(TypeError, match=r"^MigrateInstance takes the target's address or name, not "):
        node1.MigrateInstance("cluster", WEB1, Undecided(), True)
    assert cluster.migrations == []
