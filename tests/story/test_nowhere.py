"""What runs nowhere any more, with what took it away."""

import inspect
import os

import pytest
from shown import described, part, start

from pytest_fakehv import FakeCluster, FakeHypervisor, InstanceSpec, NodeDownError

HERE = os.path.relpath(__file__)


def crashed(node):
    """Let it crash; return where that stands."""
    node.crash()
    return f"{HERE}:{inspect.currentframe().f_lineno - 1}"


def killed(cluster, name):
    """Let an instance be killed; return where that stands."""
    cluster.kill(name)
    return f"{HERE}:{inspect.currentframe().f_lineno - 1}"


class TestNowhere:
    def told(self, cluster):
        return [*cluster.timeline().nowhere]

    def test_what_calls_took_away(self, root):
        cluster = FakeCluster(
            root, instances=[InstanceSpec("web1"), InstanceSpec("web2"), InstanceSpec("web3")]
        )
        node1, node2 = cluster
        node1.StopInstance(cluster.instance("web1"), force=True)
        node1.StopInstance(cluster.instance("web2"))
        start(node2, "web2")
        cluster.migrate("web3", to="node2")
        line = cluster.journal[0].line
        text = f"web1, since call 1, StopInstance('web1', force=True) on node1 at {HERE}:{line}"
        assert self.told(cluster) == [text]
        lines = part(described(cluster), "running nowhere", "migrations")
        assert " ".join(" ".join(lines).split()) == f"running nowhere any more: {text}"

    def test_what_the_test_took_away(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1"), InstanceSpec("web2", node="node2")])
        cluster["node1"].ListInstances()
        place = crashed(cluster["node1"])
        assert self.told(cluster) == [f"web1, since crash of node1 at {place}"]

    def test_what_the_test_took_away_before_anything_else(self, tmp_path):
        (tmp_path / "node1").mkdir()
        (tmp_path / "node1" / "web1").write_text("0\n1024\n1\n")
        cluster = FakeCluster(tmp_path)
        place = crashed(cluster["node1"])
        assert self.told(cluster) == [f"web1, since crash of node1 at {place}"]

    def test_what_a_fault_took_away(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster.fault("StopInstance", crash=True)
        with pytest.raises(NodeDownError):
            cluster["node1"].StopInstance(cluster.instance("web2"))
        line = cluster.journal[0].line
        call = f"call 1, StopInstance('web2') on node1 at {HERE}:{line}"
        assert self.told(cluster) == [f"web1, since crash of node1 in {call}"]

    def test_what_the_test_took_away_in_a_call_around_others(self, root):
        class Own(FakeHypervisor):
            def RebootInstance(self, instance):
                self.cluster["node2"].ListInstances()
                self.cluster["node2"].crash()

        cluster = FakeCluster(root, hypervisor=Own, instances=[InstanceSpec("web1", node="node2")])
        cluster["node1"].RebootInstance(cluster.instance("web1"))
        call = f"call 1, RebootInstance('web1') on node1 at {HERE}:{cluster.journal[0].line}"
        assert self.told(cluster) == [f"web1, since crash of node2 in {call}"]

    def test_what_the_journal_no_longer_has(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster["node1"].StopInstance(cluster.instance("web1"))
        cluster.journal.clear()
        assert self.told(cluster) == ["web1, since call 1"]

    def test_what_another_program_took_away(self, tmp_path):
        cluster = FakeCluster(tmp_path, instances=[InstanceSpec("web1")])
        cluster["node1"].ListInstances()
        (tmp_path / "node1" / "web1").unlink()
        cluster.assert_consistent()
        assert self.told(cluster) == []

    def test_what_another_program_took_away_once_it_ran_again(self, tmp_path):
        cluster = FakeCluster(tmp_path, instances=[InstanceSpec("web1")])
        node1, _ = cluster
        node1.StopInstance(cluster.instance("web1"))
        start(node1, "web1")
        (tmp_path / "node1" / "web1").unlink()
        cluster.assert_consistent()
        assert self.told(cluster) == []

    def test_what_the_test_killed(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster["node1"].ListInstances()
        place = killed(cluster, "web1")
        assert self.told(cluster) == [f"web1, since kill on node1 at {place}"]

    def test_what_its_migration_lost_as_the_test_let_that_fail(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster.script_migration("web1", dirty_rate=5000)
        cluster["node1"].MigrateInstance("c", cluster.instance("web1"), "node2", True)
        cluster.start_postcopy("web1")
        cluster.fail_migration("web1")
        place = f"{HERE}:{inspect.currentframe().f_lineno - 1}"
        assert self.told(cluster) == [f"web1, since fail_migration on node1 at {place}"]

    @pytest.mark.parametrize("then", ["nothing", "a hold", "disconnect", "kill of another", "crash, later"])
    def test_what_its_migration_lost_by_itself(self, root, then):
        """It is not taken for what the test does then."""
        cluster = FakeCluster(
            root, instances=[InstanceSpec("web1"), InstanceSpec("web2", node="node1")], clock="manual"
        )
        cluster.script_migration("web1", outcome="failed", postcopy=0, at=0.5)
        node1, node2 = cluster
        node1.MigrateInstance("c", cluster.instance("web1"), "node2", True)
        cluster.clock.advance(10)
        others = []
        if then == "a hold":
            cluster.hold("ListInstances", node="node1")
        elif then == "disconnect":
            node1.disconnect()
        elif then == "kill of another":
            others = [f"web2, since kill on node1 at {killed(cluster, 'web2')}"]
        elif then == "crash, later":
            node2.ListInstances()
            others = [f"web2, since crash of node1 at {crashed(node1)}"]
        assert self.told(cluster) == [*others, "web1, which was on node1"]

    def test_of_many_the_involved_and_the_last_ones(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec(f"web{number}") for number in range(12)])
        node1, node2 = cluster
        start(node2, "web1")
        for number in range(12):
            node1.StopInstance(cluster.instance(f"web{number}"))
        node2.StopInstance(cluster.instance("web1"))
        told = cluster._scope.timeline(cluster.violations()).nowhere
        assert [line.split(",")[0] for line in told[:-1]] == [
            *[f"web{each}" for each in range(5, 12)],
            "web1",
        ]
        assert told[-1] == "and 4 more: web0, web2, web3, web4"
