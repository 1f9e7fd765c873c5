"""What a test lets befall one instance: on a node, on a cluster, and what is said where it can't be."""

import inspect
import shutil
from pathlib import Path

import pytest
from migrating import message

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HypervisorError,
    NodeSpec,
)

HERE = "tests/cluster/test_befalling.py"
DEEDS = ["kill", "pause", "resume", "hang"]


@pytest.fixture
def cluster(root):
    cluster = FakeCluster(root, NodeSpec("node1"), NodeSpec("node2", address="10.0.0.2"), NodeSpec("node3"))
    cluster.add_instance("web1", node="node2")
    return cluster


def line():
    return inspect.currentframe().f_back.f_lineno


@pytest.fixture(params=DEEDS)
def deed(request):
    return request.param


class TestWhere:
    def test_on_the_node_or_on_the_cluster_by_name_or_as_itself(self, cluster, deed):
        node2, web1 = cluster["node2"], cluster.instance("web1")
        for place, instance, where in [
            (cluster, "web1", None),
            (cluster, web1, "node2"),
            (cluster, web1, "10.0.0.2"),
            (cluster, "web1", node2),
            (node2, web1, None),
            (node2, "web1", "node2"),
        ]:
            getattr(place, deed)(instance, node=where)
            assert len(cluster.journal) == 0
            if not node2.runs("web1"):
                cluster.add_instance("web1", node="node2")

    def test_on_another_node(self, cluster, deed):
        said = "'web1' does not run on node1, but on node2"
        assert message(getattr(cluster["node1"], deed), "web1") == said
        assert message(getattr(cluster, deed), "web1", node="node1") == said
        assert message(getattr(cluster["node1"], deed), "web1", node="node2") == (
            "node1 knows of itself alone; ask the cluster of node2"
        )
        assert message(getattr(cluster, deed), "web1", node="node9") == (
            "no node is named 'node9'; there are: node1, node2, node3"
        )

    def test_on_several_nodes(self, cluster, deed):
        cluster.add_instance("web1", node="node1")
        assert message(getattr(cluster, deed), "web1") == (
            "'web1' runs on node1 and node2; say with node= which one is meant"
        )
        assert cluster.placement() == {"web1": ("node1", "node2")}
        getattr(cluster, deed)("web1", node="node1")

    def test_nowhere(self, cluster, deed):
        cluster["node2"].StopInstance(cluster.instance("web1"))
        last = f"last call: StopInstance('web1') at {HERE}:{line() - 1}"
        assert message(getattr(cluster, deed), "web1").replace(str(Path(__file__)), HERE) == (
            f"web1 runs nowhere; nothing runs; {last}"
        )
        for place, node in ((cluster["node2"], None), (cluster, "node2")):
            said = message(getattr(place, deed), "web1", node=node)
            assert (
                said.replace(str(Path(__file__)), HERE)
                == f"web1 does not run on node2; nothing runs there; {last}"
            )

    @pytest.mark.parametrize("name", ["wbe1", "a/b", 5])
    def test_what_nobody_knows(self, cluster, deed, name):
        said = {
            "wbe1": "no instance is named 'wbe1'; nearest: web1",
            "a/b": "instance is invalid: 'a/b': it contains '/'",
            5: "an instance is given by its name, or as itself, not as 5",
        }
        for place in (cluster, cluster["node2"]):
            assert message(getattr(place, deed), name) == said[name]

    def test_on_a_node_that_is_down_or_was_removed(self, cluster, deed):
        _, node2, node3 = cluster
        node2.crash()
        assert message(getattr(node2, deed), "web1") == "node2 is down"
        assert message(getattr(cluster, deed), "web1", node="node2") == "node2 is down"
        node3.ListInstances()
        cluster.remove_node("node3")
        assert message(getattr(node3, deed), "web1") == "node3 is no longer in the cluster"
        assert message(getattr(cluster, deed), "web1", node="node3") == "node3 is no longer in the cluster"
        assert message(getattr(cluster, deed), "web1").startswith(
            "web1 runs nowhere; it went down with node2; nothing runs; "
        )

    def test_what_another_program_has_put_on_a_node_that_is_down(self, tmp_path, deed):
        """Such a node's folder is there."""
        cluster = FakeCluster(tmp_path)
        node1, _ = cluster
        node1.crash()
        other = FakeHypervisor(node1.root)
        other.StartInstance(other.instance("web1"), [], deed == "resume")
        getattr(cluster, deed)("web1")
        assert other.runs("web1") == (deed != "kill")

    def test_nowhere_in_a_cluster_whose_first_node_is_down(self, cluster, deed):
        cluster["node1"].crash()
        cluster["node2"].StopInstance(cluster.instance("web1"))
        assert message(getattr(cluster, deed), "web1").startswith(
            "web1 runs nowhere; nothing runs; last call: "
        )

    def test_nowhere_while_others_run(self, cluster, deed):
        cluster.add_instance("web2", node="node1")
        cluster.add_instance("web3", node="node3")
        cluster.add_instance("web4", state="stopped")
        assert message(getattr(cluster, deed), "web4") == (
            "web4 runs nowhere; running: web1, web2, web3; no call was about it"
        )
        assert message(getattr(cluster, deed), "web4", node="node3") == (
            "web4 does not run on node3; running there: web3; no call was about it"
        )

    def test_where_nobody_can_tell(self, tmp_path, deed):
        node1 = FakeCluster(tmp_path)["node1"]
        node1.add_instance("web1")
        shutil.rmtree(node1.root)
        Path(node1.root).touch()
        reason = f"Not a directory: '{node1.root}/web1'"
        assert message(getattr(node1, deed), "web1", error=HypervisorError) == (
            f"Failed to {deed} web1 on node1: {reason}"
        )
        assert message(node1.runs, "web1", error=HypervisorError) == (
            f"Failed to look for instance web1: {reason}"
        )

    def test_on_a_node_that_is_cut_off(self, cluster, deed):
        """It is the test's doing, which no cable carries."""
        cluster["node2"].disconnect()
        getattr(cluster, deed)("web1")
        cluster["node2"].reconnect()

    def test_what_another_program_has_started(self, tmp_path, deed):
        cluster = FakeCluster(tmp_path)
        cluster.add_instance("web1", state="stopped")
        FakeHypervisor(cluster["node2"].root, spec=NodeSpec("node2")).add_instance("web1")
        getattr(cluster, deed)("web1")
        assert cluster.violations() == []

    def test_on_a_node_on_its_own(self, tmp_path, deed):
        node = FakeHypervisor(tmp_path / "root")
        node.add_instance("web1")
        getattr(node, deed)("web1")
        assert message(getattr(node, deed), "web2") == "no instance is named 'web2'; nearest: web1"


class TestPause:
    def test_it_is_paused_until_it_is_resumed(self, cluster):
        cluster.pause("web1")
        cluster.assert_paused("web1", on="node2", memory=1024)
        assert cluster["node2"].instances["web1"].paused
        cluster.resume("web1")
        cluster.assert_running("web1", on="node2", memory=1024)
        cluster.assert_consistent()

    def test_again_nothing_happens(self, cluster):
        for deed, there in ((cluster.resume, []), (cluster.pause, ["pause"]), (cluster.pause, ["pause"])):
            deed("web1")
            assert [step.what for step in cluster.timeline().steps] == there

    def test_what_was_started_paused_is_resumed(self, cluster):
        node1 = cluster["node1"]
        node1.StartInstance(cluster.instance("web2"), [], True)
        node1.resume("web2")
        node1.assert_running("web2")

    def test_what_is_paused_can_be_ballooned_stopped_and_started(self, cluster):
        node2, web1 = cluster["node2"], cluster.instance("web1")
        cluster.pause(web1)
        node2.BalloonInstanceMemory(web1, 512)
        cluster.assert_paused("web1", memory=512)
        node2.StopInstance(web1)
        node2.StartInstance(web1, [], False)
        cluster.assert_running("web1")

    def test_a_malformed_file_is_said_so(self, tmp_path):
        node = FakeCluster(tmp_path).nodes[0]
        node.add_instance("web1")
        Path(node.root, "web1").write_text("nonsense")
        for deed in (node.pause, node.resume):
            assert message(deed, "web1", error=HypervisorError).startswith(
                f"Failed to {deed.__name__} web1 on node1: malformed instance file "
            )

    def test_the_report_shows_it(self, cluster):
        node2 = cluster["node2"]
        node2.ListInstances()
        cluster.pause("web1")
        node2.ListInstances()
        cluster.resume("web1")
        node2.ListInstances()
        timeline = cluster.timeline()
        assert [(each.node, each.state, each.begin, each.end) for each in timeline.bars] == [
            ("node2", "running", None, 1),
            ("node2", "paused", 1, 3),
            ("node2", "running", 3, None),
        ]
        assert [each.text for each in timeline.steps if each.mark == "test"] == [
            "pause('web1')",
            "resume('web1')",
        ]


class TestHang:
    @pytest.mark.parametrize(
        "how", [{}, {"retry": True}, {"timeout": 60}, {"force": False, "timeout": 60}, {"force": None}]
    )
    def test_a_stop_without_force_is_outlasted(self, cluster, how):
        cluster.hang("web1")
        before = cluster.clock.now
        for _ in range(2):
            cluster["node2"].StopInstance(cluster.instance("web1"), **how)
            cluster["node2"].StopInstance(None, name="web1", **how)
        assert cluster.clock.now == before
        cluster.assert_running("web1", on="node2", memory=1024)
        cluster.assert_consistent()

    @pytest.mark.parametrize("how", [{"force": True}, {"force": True, "timeout": 60}, {"force": "yes"}])
    def test_force_ends_it_and_what_is_started_then_does_not_hang(self, cluster, how):
        node2, web1 = cluster["node2"], cluster.instance("web1")
        cluster.hang("web1")
        node2.StopInstance(web1, **how)
        cluster.assert_stopped("web1")
        with pytest.raises(HypervisorError, match=r"^Failed to stop instance web1: not running$"):
            node2.StopInstance(web1)
        node2.StartInstance(web1, [], False)
        node2.StopInstance(web1)
        cluster.assert_stopped("web1")

    @pytest.mark.parametrize("end", ["kill", "crash", "power cycle"])
    def test_it_ends_with_the_run(self, cluster, end):
        node2 = cluster["node2"]
        cluster.hang("web1")
        ends = {
            "kill": lambda: cluster.kill("web1"),
            "crash": node2.crash,
            "power cycle": node2.PowercycleNode,
        }
        ends[end]()
        cluster.add_instance("web1", node="node1")
        cluster["node1"].StopInstance(cluster.instance("web1"))
        assert cluster.placement() == {}

    def test_of_the_others_none_hangs(self, cluster):
        cluster.add_instance("web2", node="node2")
        cluster.hang("web1")
        cluster["node2"].StopInstance(cluster.instance("web2"))
        assert cluster.placement() == {"web1": "node2"}

    def test_a_pause_does_not_cure_it(self, cluster):
        cluster.hang("web1")
        cluster.pause("web1")
        cluster.resume("web1")
        cluster["node2"].StopInstance(cluster.instance("web1"))
        cluster.assert_running("web1")

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize("outcome", ["completed", "failed"])
    def test_it_hangs_on_the_target_of_a_migration_too(self, cluster, live, outcome):
        cluster.script_migration("web1", outcome=outcome)
        cluster.hang("web1")
        cluster.migrate("web1", to="node1", live=live)
        here = cluster["node1" if outcome == "completed" else "node2"]
        here.StopInstance(cluster.instance("web1"))
        cluster.assert_running("web1", on=here)

    def test_what_a_script_has_moved_hangs_there(self, cluster):
        web1 = cluster.instance("web1")
        cluster.script_migration("web1", outcome="failed_but_moved")
        cluster.hang("web1")
        cluster["node2"].MigrateInstance("cluster", web1, "node1", True)
        while cluster["node2"].GetMigrationStatus(web1).status == "active":
            pass
        cluster["node1"].StopInstance(web1)
        assert cluster.placement() == {"web1": "node1"}

    def test_one_that_is_started_elsewhere_does_not_cure_it(self, cluster):
        web1 = cluster.instance("web1")
        cluster.hang("web1")
        cluster["node1"].StartInstance(web1, [], False)
        for node in ("node1", "node2"):
            cluster[node].StopInstance(web1)
        assert cluster.placement() == {"web1": "node2"}

    def test_of_two_the_one_that_is_meant_hangs(self, cluster):
        cluster.add_instance("web1", node="node1")
        cluster.hang("web1", node="node1")
        for node in ("node1", "node2"):
            cluster[node].StopInstance(cluster.instance("web1"))
        assert cluster.placement() == {"web1": "node1"}

    def test_back_from_where_it_was_started_anew_it_does_not_hang(self, cluster):
        node1, node2, web1 = cluster["node1"], cluster["node2"], cluster.instance("web1")
        cluster.hang("web1")
        cluster.migrate("web1", to="node1")
        node1.StopInstance(web1, force=True)
        node1.StartInstance(web1, [], False)
        cluster.migrate("web1", to="node2")
        node2.StopInstance(web1)
        assert cluster.placement() == {}

    def test_who_takes_it_for_stopped_splits_the_brain(self, cluster):
        web1 = cluster.instance("web1")
        cluster.hang("web1")
        cluster["node2"].StopInstance(web1)
        cluster["node1"].StartInstance(web1, [], False)
        assert [each.invariant for each in cluster.violations()] == ["double-start", "split-brain"]

    def test_it_is_said_why_it_runs(self, cluster):
        cluster.hang("web1")
        hangs = f"its guest hangs since {HERE}:{line() - 1}"
        cluster["node2"].StopInstance(cluster.instance("web1"))
        last = f"last call: StopInstance('web1') at {HERE}:{line() - 1}"
        for look, said in [
            (
                lambda: cluster.assert_stopped("web1"),
                f"web1 is running on node2, not stopped; {hangs}; {last}",
            ),
            (lambda: cluster.assert_paused("web1"), f"web1 is running on node2, not paused; {last}"),
        ]:
            assert message(look, error=AssertionError).replace(str(Path(__file__)), HERE) == said

    def test_a_class_with_its_own_hooks(self, root):
        class Own(FakeHypervisor):
            def _MarkDown(self, instance_name):
                super()._MarkDown(instance_name)

        node = FakeCluster(root, hypervisor=Own).nodes[0]
        web1 = node.add_instance("web1")
        node.hang(web1)
        node.StopInstance(web1)
        node.assert_running("web1")
        node.StopInstance(web1, force=True)
        node.assert_stopped("web1")

    def test_the_report_shows_it_once(self, cluster):
        for place in (cluster, cluster["node2"]):
            place.hang("web1")
        assert [(each.mark, each.node, each.text) for each in cluster.timeline().steps] == [
            ("test", "node2", "hang('web1')")
        ]


class TestKill:
    def test_it_is_gone_and_nobody_is_blamed(self, cluster):
        cluster.kill("web1")
        assert cluster["node2"].ListInstances() == []
        with pytest.raises(HypervisorError, match=r"^Failed to stop instance web1: not running$"):
            cluster["node2"].StopInstance(cluster.instance("web1"))
        assert cluster.violations() == []
        cluster["node1"].StartInstance(cluster.instance("web1"), [], False)
        cluster.assert_consistent()

    def test_it_is_said_why_it_does_not_run(self, cluster):
        cluster.kill("web1")
        killed = f"it was killed on node2 at {HERE}:{line() - 1}"
        said = {
            "run": lambda: cluster.assert_running("web1"),
            "elsewhere": lambda: cluster["node1"].assert_running("web1"),
            "place": lambda: cluster.assert_placement({"web1": "node2"}),
            "look up": lambda: cluster["node2"].instances["web1"],
            "again": lambda: cluster.kill("web1"),
        }
        for key, look in said.items():
            with pytest.raises((AssertionError, KeyError, DeclarationError)) as caught:
                look()
            said[key] = caught.value.args[0].replace(str(Path(__file__)), HERE)
        assert said == {
            "run": f"web1 is not running on any of node1, node2, node3; {killed}; nothing runs there; "
            "no call was about it",
            "elsewhere": "web1 is not running on node1; nothing runs there; no call was about it",
            "place": f"the placement is not as expected:\n  web1: nowhere ({killed}), expected on node2",
            "look up": f"web1 does not run on node2; {killed}; nothing runs there; no call was about it",
            "again": f"web1 runs nowhere; {killed}; nothing runs; no call was about it",
        }
        cluster.add_instance("web1", node="node1")
        cluster["node1"].StopInstance(cluster.instance("web1"))
        with pytest.raises(AssertionError, match=r"^web1 is not running on any of node1, node2, node3; noth"):
            cluster.assert_running("web1")

    def test_what_went_down_with_its_node_is_said_so_too(self, cluster):
        cluster["node2"].crash()
        with pytest.raises(AssertionError) as caught:
            cluster.assert_running("web1")
        assert str(caught.value) == (
            "web1 is not running on any of node1, node2, node3; it went down with node2; nothing runs there; "
            "no call was about it"
        )

    def test_a_paused_one(self, cluster):
        cluster.add_instance("web2", node="node2", state="paused")
        cluster.kill("web2")
        cluster.assert_stopped("web2")

    def test_its_memory_is_free_again(self, root):
        node = FakeCluster(root, NodeSpec("node1", memory=2048, overcommit=False))["node1"]
        node.StartInstance(node.instance("web1", memory=2048), [], False)
        with pytest.raises(HypervisorError, match="does not overcommit"):
            node.StartInstance(node.instance("web2", memory=2048), [], False)
        node.kill("web1")
        node.StartInstance(node.instance("web2"), [], False)
        assert node.GetNodeInfo()["memory_free"] == 0

    def test_within_a_call_it_is_not_the_call_s_doing(self, root):
        class Unlucky(FakeHypervisor):
            def GetNodeInfo(self, hvparams=None):
                self.kill("web1")
                return super().GetNodeInfo(hvparams)

        cluster = FakeCluster(root, hypervisor=Unlucky)
        cluster.add_instance("web1")
        cluster["node1"].GetNodeInfo()
        assert cluster.placement() == {}
        assert cluster.violations() == []

    def test_what_had_vanished_before_stays_the_program_s_doing(self, cluster):
        web1 = cluster.instance("web1")
        cluster["node2"].FinalizeMigrationSource(web1, True, True)
        cluster.add_instance("web2", node="node2")
        cluster.kill("web2")
        assert [each.invariant for each in cluster.violations()] == ["unearned", "vanished"]

    def test_what_is_due_comes_about_first(self, root):
        cluster = FakeCluster(root, clock="manual")
        web1 = cluster.add_instance("web1", memory=1024)
        cluster.script_migration("web1")
        cluster["node1"].MigrateInstance("cluster", web1, "node2", True)
        cluster.clock.advance(60)
        cluster["node1"].kill("web1")
        assert cluster.migrations[0].outcome == "completed"

    def test_the_report_shows_it(self, cluster):
        web1 = cluster.instance("web1")
        cluster["node1"].ListInstances()
        cluster.kill("web1")
        place = f"{HERE}:{line() - 1}"
        cluster["node2"].ListInstances()
        timeline = cluster.timeline()
        step = timeline.steps[1]
        assert (step.mark, step.node, step.instance, step.text) == ("test", "node2", "web1", "kill('web1')")
        assert step.place.endswith(place.partition("/")[2])
        (bar,) = timeline.bars
        assert (bar.node, bar.state, bar.end) == ("node2", "running", 1)
        assert str(timeline).splitlines()[3].split() == ["0", "s", "web1", "*kill"]
        with pytest.raises(HypervisorError):
            cluster["node2"].StopInstance(web1)
        assert timeline.troubles == []

    @pytest.mark.parametrize("side", ["node1", "node2"])
    def test_the_arrow_of_its_migration_ends_there(self, root, side):
        cluster = FakeCluster(root, NodeSpec("node1"), NodeSpec("node2"))
        web1 = cluster.add_instance("web1", memory=4096)
        cluster.script_migration("web1", dirty_rate=5000)
        cluster["node1"].MigrateInstance("cluster", web1, "node2", True)
        cluster["node1"].GetMigrationStatus(web1)
        cluster[side].kill("web1")
        cluster["node1"].GetMigrationStatus(web1)
        timeline = cluster.timeline()
        assert [each.what for each in timeline.steps].index("kill") == 2
        (arrow,) = timeline.arrows
        assert (arrow.begin, arrow.end, arrow.arrived, arrow.outcome) == (0, 2, False, "failed")

    def test_the_text_shows_it_before_the_first_call_where_that_explains_something(self, cluster):
        cluster.add_instance("web2", node="node1")
        cluster.kill("web2")
        cluster.kill("web1")
        with pytest.raises(HypervisorError):
            cluster["node2"].StopInstance(cluster.instance("web1"))
        cluster["node1"].ListInstances()
        assert [each.split()[-1] for each in str(cluster.timeline()).splitlines()[2:]] == [
            "*kill",
            "!StopInstance",
            "ListInstances",
        ]
