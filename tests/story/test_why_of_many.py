"""What the report says of many migrations, of many scripts and faults, and where each arrow ends."""

import os

import pytest
from shown import numbered

from pytest_fakehv import FakeCluster, HypervisorError, InstanceSpec

HERE = os.path.relpath(__file__)


def listed(cluster):
    """Return what is said of its migrations, without what stands where."""
    lines = cluster.describe().splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("migrations"))
    last = next(index for index, line in enumerate(lines) if line.startswith(("scripts", "timeline")))
    return lines[first:last]


def moved(root, failing, count):
    """Move instances, of which the migrations of some fail; return the cluster."""
    names = [f"web{number}" for number in range(1, count + 1)]
    cluster = FakeCluster(root, instances=map(InstanceSpec, names))
    for name in failing:
        cluster.script_migration(name, outcome="failed", at=0.5, times=1)
    for name in names:
        cluster.migrate(name, to="node2")
    return cluster


def test_what_it_is_about_is_in_the_order_of_its_numbers(root):
    cluster = FakeCluster(root, *numbered(10))
    for number in (10, 9, 8):
        with pytest.raises(HypervisorError):
            cluster[f"node{number}"].StopInstance(cluster.instance(f"web{number}"))
    timeline = cluster.timeline()
    assert timeline.involved == ["web8", "web9", "web10"]
    assert timeline.involved_nodes == ["node8", "node9", "node10"]


class TestMigrations:
    def test_as_many_as_there_is_room_for(self, root):
        lines = listed(moved(root, ["web1"], 10))
        assert [line.split()[0] for line in lines] == [
            "migrations:",
            *(f"web{number}" for number in range(1, 11)),
        ]

    def test_of_many_those_that_failed_and_those_about_the_same_instance(self, root):
        cluster = moved(root, ["web2"], 12)
        cluster.migrate("web2", to="node2")
        cluster.migrate("web1", to="node1")
        assert listed(cluster) == [
            "migrations, 2 of 14:",
            "  ... 1 migration ...",
            "  web2 node1 -> node2 live: 50 % at poll 1, failed, aborted",
            "  ... 10 migrations ...",
            "  web2 node1 -> node2 live: completed at poll 1",
            "  ... 1 migration ...",
        ]

    def test_one_that_failed_among_many_of_the_same_instance(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        for _ in range(4):
            for name in ("node2", "node1"):
                cluster.migrate("web1", to=name)
        cluster.script_migration("web1", outcome="failed", at=0.5, times=1)
        cluster.migrate("web1", to="node2")
        for _ in range(4):
            for name in ("node2", "node1"):
                cluster.migrate("web1", to=name)
        assert "  web1 node1 -> node2 live: 50 % at poll 1, failed, aborted" in listed(cluster)

    def test_those_that_failed_and_are_not_listed_are_counted(self, root):
        lines = listed(moved(root, [f"web{number}" for number in range(1, 13)], 14))
        assert [line.split()[0] for line in lines if " web" in line] == [
            *("web1", "web2", "web3"),
            *("web10", "web11", "web12"),
        ]
        assert [line for line in lines if " web" not in line] == [
            "migrations, 6 of 14:",
            "  ... 6 migrations, 6 of which did not complete ...",
            "  ... 2 migrations ...",
        ]


class TestRules:
    def test_of_many_first_those_that_came_to_something_and_then_the_last_ones_in_force(self, root):
        cluster = FakeCluster(root)
        for number in range(11):
            cluster.fault("GetNodeInfo", after=number, optional=True)
        cluster.fault("GetNodeInfo", after=11, optional=True).withdraw()
        cluster.fault("ListInstances", times=1)
        with pytest.raises(HypervisorError):
            cluster["node1"].ListInstances()
        rules = cluster.timeline().rules
        assert [rule.partition(f" at {HERE}")[0] for rule in rules] == [
            *(f"fault('GetNodeInfo', after={number}, optional=True)" for number in range(2, 11)),
            "fault('ListInstances', times=1)",
            "and 3 more, no times used or fired",
        ]


class TestArrows:
    def test_each_of_several_to_the_same_node_has_its_own_end(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster.script_migration("web1", outcome="failed", at=0.5, times=2)
        for _ in range(3):
            cluster.migrate("web1", to="node2")
        arrows = cluster.timeline().arrows
        assert [(each.begin, each.end, each.arrived) for each in arrows] == [
            (2, 3, False),
            (8, 9, False),
            (14, 17, True),
        ]

    def test_one_whose_end_nobody_saw_before_another_was_ended_by_the_test(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], clock="manual")
        cluster.script_migration("web1", outcome="failed", at=0.5)
        node1, web1 = cluster["node1"], cluster.instance("web1")
        node1.MigrateInstance("c", web1, "node2", True)
        cluster.clock.advance(10)
        node1.ListInstances()
        node1.MigrateInstance("c", web1, "node2", True)
        cluster.fail_migration("web1")
        arrows = cluster.timeline().arrows
        assert [(each.begin, each.end) for each in arrows] == [(0, None), (2, 3)]

    def test_none_to_a_node_that_is_gone(self, root):
        cluster = FakeCluster(root, *numbered(3), instances=[InstanceSpec("web1"), InstanceSpec("web2")])
        cluster.migrate("web1", to="node2")
        cluster.migrate("web2", to="node3")
        cluster["node3"].StopInstance(cluster.instance("web2"))
        cluster.remove_node("node3")
        timeline = cluster.timeline()
        assert [each.instance for each in timeline.arrows] == ["web1"]
        assert timeline.left_out == ["the arrows of 1 of 2 migrations"]
