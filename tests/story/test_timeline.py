"""The picture of what happened: what is in it, where, and what is left out."""

import json
import threading

import pytest

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, InstanceSpec, NodeDownError, NodeSpec


def numbered(count):
    return [NodeSpec(f"node{number}") for number in range(1, count + 1)]


def bars(timeline):
    return [(each.instance, each.node, each.state, each.begin, each.end) for each in timeline.bars]


def marks(timeline):
    return [(each.mark, each.what, each.node, each.numbers) for each in timeline.steps]


def periods(timeline):
    return {
        lane.name: [(each.what, each.begin, each.end) for each in lane.periods] for lane in timeline.lanes
    }


def start(node, name, *, paused=False):
    node.StartInstance(node.instance(name), [], paused)


class TestSteps:
    def test_a_call(self, root):
        cluster = FakeCluster(root)
        start(cluster["node2"], "web1")
        call = cluster.journal[0]
        (step,) = cluster.timeline().steps
        assert vars(step) == {
            "mark": "call",
            "time": 0,
            "node": "node2",
            "instance": "web1",
            "what": "StartInstance",
            "first": 1,
            "last": 1,
            "text": "StartInstance('web1', [], False)",
            "result": "None",
            "place": call.place,
            "raised": False,
            "notes": [],
        }
        assert call.place.startswith("tests/story/test_timeline.py:")

    def test_like_calls_in_a_row_are_one(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1", memory=4096)])
        cluster.script_migration("web1", dirty_rate=100)
        cluster.migrate("web1", to="node2")
        steps = cluster.timeline().steps
        assert [(each.what, each.numbers, each.count) for each in steps] == [
            ("MigrationInfo", "1", 1),
            ("AcceptInstance", "2", 1),
            ("MigrateInstance", "3", 1),
            ("GetMigrationStatus", "4-8", 5),
            ("FinalizeMigrationSource", "9", 1),
            ("FinalizeMigrationDst", "10", 1),
        ]
        assert steps[3].result.startswith("MigrationStatus(status='completed'")

    def test_one_that_raised(self, root):
        cluster = FakeCluster(root)
        with pytest.raises(HypervisorError):
            cluster["node1"].StopInstance(cluster.instance("web1"))
        (step,) = cluster.timeline().steps
        assert (step.mark, step.raised) == ("raised", True)
        assert step.result == "HypervisorError: Failed to stop instance web1: not running"

    def test_one_that_a_fault_struck(self, root):
        cluster = FakeCluster(root)
        fault = cluster.fault("ListInstances", times=1)
        with pytest.raises(HypervisorError):
            cluster["node1"].ListInstances()
        cluster["node1"].ListInstances()
        first, second = cluster.timeline().steps
        assert (first.mark, first.raised, first.notes) == ("fault", True, [])
        assert first.result.endswith(f" (fault at {fault.origin})")
        assert second.mark == "call"

    def test_one_whose_fault_took_the_node_down(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster.fault("ListInstances", node="node1", crash=True)
        with pytest.raises(NodeDownError):
            cluster["node1"].ListInstances()
        timeline = cluster.timeline()
        (step,) = timeline.steps
        assert step.mark == "crash"
        assert step.notes[0] == "node1: crash()"
        assert bars(timeline) == [("web1", "node1", "running", None, 0)]
        assert periods(timeline) == {"node1": [("down", 0, None)], "node2": []}

    def test_one_that_was_held(self, root):
        cluster = FakeCluster(root)
        with cluster.hold("ListInstances") as held:
            thread = threading.Thread(target=cluster["node2"].ListInstances)
            thread.start()
            held.wait()
            cluster["node1"].GetNodeInfo()
        thread.join()
        hold, call, other = cluster.timeline().steps
        assert (hold.mark, hold.what, hold.text) == ("test", "hold", "hold('ListInstances')")
        assert (call.mark, call.notes) == ("hold", [f"held at {hold.place}"])
        assert other.mark == "call"

    def test_one_that_broke_an_invariant(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        start(cluster["node2"], "web1")
        timeline = cluster.timeline()
        assert timeline.steps[0].mark == "violation"
        assert timeline.steps[0].notes == [
            "double-start: web1 was started on node2 while it ran on node1",
            "split-brain: web1 ran on node1 and node2 at once",
        ]
        assert [(each.invariant, each.step) for each in timeline.troubles] == [
            ("double-start", 0),
            ("split-brain", 0),
        ]

    def test_what_broke_with_no_call(self, root):
        cluster = FakeCluster(root)
        cluster.fault("ListInstances")
        (trouble,) = cluster.timeline().troubles
        assert (trouble.invariant, trouble.step) == ("unfired", None)

    def test_one_while_the_test_stepped_in(self, root):
        class Own(FakeHypervisor):
            def RebootInstance(self, instance):
                self.disconnect()

        cluster = FakeCluster(root, hypervisor=Own)
        cluster["node1"].RebootInstance(cluster.instance("web1"))
        (step,) = cluster.timeline().steps
        assert (step.mark, step.notes) == ("test", ["node1: disconnect()"])


class TestDeeds:
    def test_what_befalls_nodes(self, root):
        cluster = FakeCluster(root, *numbered(3))
        node1, node2, _ = cluster
        node1.crash()
        node2.disconnect()
        node1.boot()
        node2.reconnect()
        cluster.remove_node("node3")
        cluster.add_node("node4")
        node2.crash()
        node2.disconnect()
        timeline = cluster.timeline()
        assert [(each.mark, each.text, each.node) for each in timeline.steps] == [
            ("crash", "crash()", "node1"),
            ("test", "disconnect()", "node2"),
            ("test", "boot()", "node1"),
            ("test", "reconnect()", "node2"),
            ("test", "remove_node()", "node3"),
            ("test", "add_node()", "node4"),
            ("crash", "crash()", "node2"),
            ("test", "disconnect()", "node2"),
        ]
        assert periods(timeline) == {
            "node1": [("down", 0, 2)],
            "node2": [("cut off", 1, 3), ("down", 6, None)],
            "node3": [("gone", 4, None)],
            "node4": [("not there yet", None, 5)],
        }
        assert timeline.lanes[3].about == "no longer in the cluster"
        assert all(step.place.startswith("tests/story/test_timeline.py:") for step in timeline.steps)

    @pytest.mark.parametrize(
        ("befall", "undo"), [("crash", "boot"), ("disconnect", "reconnect"), ("crash", "PowercycleNode")]
    )
    def test_what_changes_nothing_is_none(self, root, befall, undo):
        cluster = FakeCluster(root)
        node1, node2 = cluster
        if undo != "PowercycleNode":
            getattr(node1, undo)()
        node1.ListInstances()
        for _ in range(3):
            getattr(node1, befall)()
        node2.ListInstances()
        if undo == "PowercycleNode":
            with pytest.raises(NodeDownError):
                node1.PowercycleNode()
            getattr(node1, befall)()
        else:
            for _ in range(3):
                getattr(node1, undo)()
        assert [each.what for each in cluster.timeline().steps] == [
            "ListInstances",
            befall,
            "ListInstances",
            undo,
        ]

    def test_what_befalls_migrations(self, root):
        names = ["web1", "web2", "web3", "web4"]
        cluster = FakeCluster(root, instances=map(InstanceSpec, names), clock="manual")
        for name in names:
            cluster.script_migration(name, dirty_rate=2000)
            cluster["node1"].MigrateInstance("c", cluster.instance(name), "node2", True)
        cluster.cancel_migration("web1")
        cluster.fail_migration("web2")
        cluster.complete_migration("web3")
        cluster.start_postcopy("web4")
        timeline = cluster.timeline()
        assert [(each.text, each.node, each.instance) for each in timeline.steps[4:]] == [
            ("cancel_migration('web1')", "", "web1"),
            ("fail_migration('web2')", "", "web2"),
            ("complete_migration('web3')", "", "web3"),
            ("start_postcopy('web4')", "", "web4"),
        ]
        assert [each.outcome for each in timeline.arrows] == ["cancelled", "failed", "completed", "active"]

    def test_setting_the_scene_is_none_of_them(self, root):
        cluster = FakeCluster(root)
        cluster.add_instance("web1")
        cluster.add_instance("web2", node="node2", state="paused")
        cluster.add_instance("web3", state="stopped")
        cluster["node1"].ListInstances()
        for name in ("web4", "web5"):
            cluster.add_instance(name)
        timeline = cluster.timeline()
        assert [each.text for each in timeline.steps] == [
            "ListInstances()",
            "2 times add_instance('web5')",
        ]
        assert bars(timeline) == [
            ("web1", "node1", "running", None, None),
            ("web2", "node2", "paused", None, None),
            ("web4", "node1", "running", 1, None),
            ("web5", "node1", "running", 1, None),
        ]


class TestBars:
    def test_a_life(self, root):
        cluster = FakeCluster(root)
        node1, node2 = cluster
        start(node1, "web1", paused=True)
        start(node2, "web2")
        node1.StopInstance(node1.instance("web1"))
        assert bars(cluster.timeline()) == [
            ("web1", "node1", "paused", 0, 2),
            ("web2", "node2", "running", 1, None),
        ]

    def test_a_migration_that_pauses(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster.migrate("web1", to="node2", live=False)
        timeline = cluster.timeline()
        assert bars(timeline) == [
            ("web1", "node1", "running", None, 2),
            ("web1", "node1", "paused", 2, 4),
            ("web1", "node2", "running", 5, None),
        ]
        (arrow,) = timeline.arrows
        assert vars(arrow) == {
            "instance": "web1",
            "source": "node1",
            "target": "node2",
            "begin": 2,
            "end": 5,
            "share": None,
            "outcome": "completed",
            "migrated": True,
            "text": "web1 node1 -> node2 non-live: completed at poll 1",
        }

    def test_one_that_fails_lets_it_run_again(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1", memory=4096)])
        cluster.script_migration("web1", outcome="failed", at=0.5)
        cluster.migrate("web1", to="node2", live=False)
        timeline = cluster.timeline()
        assert bars(timeline) == [
            ("web1", "node1", "running", None, 2),
            ("web1", "node1", "paused", 2, 5),
            ("web1", "node1", "running", 5, None),
        ]
        assert (timeline.arrows[0].share, timeline.arrows[0].end) == (0.5, 5)

    def test_one_that_lies_moves_it_between_two_steps(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1", state="paused")], clock="manual")
        cluster.script_migration("web1", outcome="failed_but_moved", at=0.5)
        cluster["node2"].AcceptInstance(cluster.instance("web1"), "", "node2")
        cluster["node1"].MigrateInstance("c", cluster.instance("web1"), "node2", True)
        cluster.clock.advance(10)
        moved = cluster.timeline()
        cluster["node1"].ListInstances()
        expected = [("web1", "node1", "paused", None, 1.5), ("web1", "node2", "paused", 1.5, None)]
        assert bars(moved) == bars(cluster.timeline()) == expected
        assert moved.arrows[0].migrated

    def test_one_under_way(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1", memory=4096)], clock="manual")
        cluster.script_migration("web1")
        cluster["node1"].MigrateInstance("c", cluster.instance("web1"), "node2", True)
        cluster.clock.advance(1)
        (arrow,) = cluster.timeline().arrows
        assert (arrow.begin, arrow.end, arrow.share, arrow.outcome) == (0, None, 0.25, "active")

    @pytest.mark.parametrize(
        ("script", "seconds", "outcome", "share"),
        [
            ({}, 3.9999, "active", 0.99),
            ({"dirty_rate": 1024}, 4, "active", 1.0),
            ({"dirty_rate": 1024}, 5, "active", None),
            ({"dirty_rate": 512}, 100, "completed", None),
        ],
    )
    def test_how_far_one_came(self, root, script, seconds, outcome, share):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1", memory=4096)], clock="manual")
        cluster.script_migration("web1", **script)
        cluster["node1"].MigrateInstance("c", cluster.instance("web1"), "node2", True)
        cluster.clock.advance(seconds)
        (arrow,) = cluster.timeline().arrows
        assert (arrow.outcome, arrow.share) == (outcome, share)

    def test_each_migration_has_its_own_end(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster.migrate("web1", to="node2")
        cluster.migrate("web1", to="node1")
        assert [(each.begin, each.end) for each in cluster.timeline().arrows] == [(2, 5), (8, 11)]

    def test_on_a_node_of_no_cluster_there_is_no_way(self, hv):
        hv.add_instance("web1")
        hv.MigrateInstance("c", hv.instance("web1"), "elsewhere", True)
        timeline = hv.timeline()
        assert timeline.arrows == []
        assert timeline.left_out == ["the arrows of 1 of 1 migrations"]

    def test_a_node_that_goes_down_takes_them_with_it(self, root):
        cluster = FakeCluster(root)
        start(cluster["node1"], "web1")
        cluster["node1"].PowercycleNode()
        start(cluster["node1"], "web2")
        cluster["node1"].crash()
        assert bars(cluster.timeline()) == [
            ("web1", "node1", "running", 0, 1),
            ("web2", "node1", "running", 2, 3),
        ]

    def test_what_another_program_did(self, tmp_path):
        cluster = FakeCluster(tmp_path)
        node1, node2 = cluster
        for name in ("web1", "web2"):
            start(node1, name)
        (tmp_path / "node1" / "web1").unlink()
        (tmp_path / "node2").mkdir(exist_ok=True)
        (tmp_path / "node2" / "web3").write_text("0\n1024\n1\n")
        node1.GetNodeInfo()
        node2.GetNodeInfo()
        assert bars(cluster.timeline()) == [
            ("web1", "node1", "running", 0, 0),
            ("web2", "node1", "running", 1, None),
            ("web3", "node2", "running", None, None),
        ]
        (tmp_path / "node1" / "web2").unlink()
        node1.GetNodeInfo()
        assert bars(cluster.timeline())[1] == ("web2", "node1", "running", 1, 1)

    def test_one_that_another_program_stopped_is_started_again(self, tmp_path):
        cluster = FakeCluster(tmp_path)
        start(cluster["node1"], "web1")
        (tmp_path / "node1" / "web1").unlink()
        start(cluster["node1"], "web1")
        assert bars(cluster.timeline()) == [("web1", "node1", "running", 0, None)]

    def test_what_was_over_before_the_first_step(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], clock="manual")
        cluster.script_migration("web1", outcome="failed_but_moved", at=0.5)
        cluster["node1"].MigrateInstance("c", cluster.instance("web1"), "node2", True)
        cluster.journal.clear()
        cluster.clock.advance(10)
        timeline = cluster.timeline()
        assert bars(timeline) == [("web1", "node2", "running", None, None)]
        assert timeline.arrows == []


class TestTooMuch:
    def test_a_cleared_journal(self, root):
        cluster = FakeCluster(root)
        start(cluster["node1"], "web1")
        cluster["node1"].ListInstances()
        cluster["node2"].disconnect()
        cluster["node2"].reconnect()
        cluster["node1"].crash()
        cluster["node1"].boot()
        start(cluster["node1"], "web2", paused=True)
        cluster["node2"].disconnect()
        cluster.remove_node("node2")
        cluster.add_node("node2")
        cluster.add_node("node3")
        cluster.script_migration("web2", dirty_rate=2000)
        cluster["node1"].MigrateInstance("c", cluster.instance("web2"), "node3", True)
        cluster.cancel_migration("web2")
        cluster["node1"].ListInstances()
        cluster["node1"].ListInstances()
        cluster.journal.clear()
        start(cluster["node1"], "web3")
        timeline = cluster.timeline()
        assert timeline.left_out == [
            "the arrows of 1 of 1 migrations",
            "6 calls that the journal no longer has",
        ]
        assert marks(timeline) == [("call", "StartInstance", "node1", "7")]
        assert bars(timeline) == [
            ("web2", "node1", "paused", None, None),
            ("web3", "node1", "running", 0, None),
        ]
        assert periods(timeline) == {"node1": [], "node2": [], "node3": []}

    def test_a_node_that_was_down_before_what_is_kept(self, root):
        cluster = FakeCluster(root)
        cluster["node1"].crash()
        cluster["node2"].disconnect()
        for _ in range(3):
            with pytest.raises(NodeDownError):
                cluster["node1"].ListInstances()
        cluster.journal.keep(1)
        with pytest.raises(NodeDownError):
            cluster["node2"].ListInstances()
        cluster["node2"].reconnect()
        timeline = cluster.timeline()
        assert periods(timeline) == {"node1": [("down", None, None)], "node2": [("cut off", None, 1)]}

    def test_what_was_paused_before_what_is_kept(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web0"), InstanceSpec("web1", state="paused")])
        cluster.add_instance("web2", state="paused")
        node1, node2 = cluster
        start(node1, "web3", paused=True)
        start(node1, "web4", paused=True)
        start(node1, "web5")
        cluster.migrate("web4", to="node2")
        node2.StopInstance(node2.instance("web4"))
        start(node2, "web4")
        cluster.journal.clear()
        node1.PowercycleNode()
        node2.PowercycleNode()
        assert bars(cluster.timeline()) == [
            ("web0", "node1", "running", None, 0),
            ("web1", "node1", "paused", None, 0),
            ("web2", "node1", "paused", None, 0),
            ("web3", "node1", "paused", None, 0),
            ("web4", "node2", "running", None, 1),
            ("web5", "node1", "running", None, 0),
        ]

    def test_a_long_run_with_a_short_journal(self, root):
        """What is noted beside the calls goes with them."""
        cluster = FakeCluster(root)
        cluster.journal.keep(2)
        node1, node2 = cluster
        node2.disconnect()
        for _ in range(600):
            start(node1, "web1")
            node1.StopInstance(node1.instance("web1"))
        for _ in range(600):
            node2.reconnect()
            node1.ListInstances()
            node2.disconnect()
            node1.ListInstances()
        timeline = cluster.timeline()
        assert [step.what for step in timeline.steps[-3:]] == ["ListInstances", "disconnect", "ListInstances"]
        assert len(timeline.steps) < 6
        assert bars(timeline) == []
        assert periods(timeline) == {"node1": [], "node2": [("cut off", None, 0), ("cut off", 2, None)]}

    def test_the_last_steps_and_those_that_tell_most(self, root):
        cluster = FakeCluster(root, *numbered(2), instances=[InstanceSpec("web1")])
        node1, node2 = cluster
        cluster.add_node("node3")
        for number in range(1000):
            cluster[f"node{number % 2 + 1}"].ListInstances()
            if number == 300:
                with pytest.raises(HypervisorError):
                    node1.StartInstance(cluster.instance("web1"), [], False)
            if number == 600:
                start(node2, "web1")
        timeline = cluster.timeline()
        steps = timeline.steps
        assert len(steps) == 111
        assert [(step.mark, step.numbers) for step in steps[:11]] == [
            ("test", ""),
            ("call", "1"),
            ("gap", ""),
            ("call", "301"),
            ("raised", "302"),
            ("call", "303"),
            ("gap", ""),
            ("call", "602"),
            ("violation", "603"),
            ("call", "604"),
            ("gap", ""),
        ]
        assert (steps[2].text, steps[2].count) == ("299 calls not shown", 299)
        assert steps[-1].numbers == "1002"
        assert timeline.left_out == [
            "895 of 1002 calls: shown are those that something is to be said of, and the last ones"
        ]
        assert bars(timeline) == [
            ("web1", "node1", "running", None, None),
            ("web1", "node2", "running", 8, None),
        ]
        assert [each.step for each in timeline.troubles] == [8, 8]

    def test_a_fault_long_ago(self, root):
        cluster = FakeCluster(root)
        for _ in range(50):
            cluster["node1"].ListInstances()
            cluster["node2"].ListInstances()
        with cluster.fault("GetNodeInfo"), pytest.raises(HypervisorError):
            cluster["node1"].GetNodeInfo()
        for _ in range(200):
            cluster["node1"].ListInstances()
            cluster["node2"].ListInstances()
        steps = cluster.timeline().steps
        assert [step.mark for step in steps[:7]] == ["call", "call", "gap", "call", "fault", "call", "gap"]

    def test_too_many_of_those_that_tell_most(self, root):
        cluster = FakeCluster(root)
        for _ in range(150):
            for node in cluster:
                node.disconnect()
                node.reconnect()
        timeline = cluster.timeline()
        assert len(timeline.steps) <= 200
        assert [step.text for step in timeline.steps if step.mark == "gap"] == [
            "419 deeds of the test not shown"
        ]

    def test_migrations_in_a_gap_have_no_arrow(self, root):
        names = [f"web{number}" for number in range(60)]
        cluster = FakeCluster(root, instances=map(InstanceSpec, names))
        for name in names:
            cluster.migrate(name, to="node2")
        timeline = cluster.timeline()
        assert len({each.instance for each in timeline.bars}) == 24
        assert {"web58", "web59"} <= {each.instance for each in timeline.bars}
        assert [lane.crowd for lane in timeline.lanes] == [36, 36]
        assert len(timeline.arrows) == 17
        assert timeline.left_out[1:] == [
            "the bars of 36 of 60 instances: those are drawn that something is to be said of",
            "the arrows of 43 of 60 migrations",
        ]

    def test_many_nodes(self, root):
        cluster = FakeCluster(root, *numbered(30))
        for number in range(1, 31):
            cluster.add_instance(f"web{number}", node=f"node{number}")
        start(cluster["node30"], "db1")
        cluster["node29"].crash()
        cluster["node28"].ListInstances()
        timeline = cluster.timeline()
        names = [lane.name for lane in timeline.lanes]
        assert len(names) == 16
        assert {"node28", "node29", "node30"} < {*names}
        assert (names[-1], timeline.lanes[-1].about) == ("", "15 more nodes")
        assert timeline.left_out[1].startswith("the lanes of 15 of 30 nodes: ")

    def test_a_long_text(self, root):
        cluster = FakeCluster(root)
        cluster.fault("ListInstances", error="x" * 1000)
        with pytest.raises(HypervisorError):
            cluster["node1"].ListInstances()
        (step,) = cluster.timeline().steps
        assert step.result == f"HypervisorError: {'x' * 282}…"


def test_it_is_what_json_has(root):
    cluster = FakeCluster(root, instances=[InstanceSpec("web1"), InstanceSpec("web2", node="node2")])
    cluster.migrate("web1", to="node2")
    cluster["node1"].disconnect()
    start(cluster["node2"], "web3")
    with pytest.raises(NodeDownError):
        start(cluster["node1"], "web2")
    timeline = cluster.timeline()
    again = type(timeline).of(json.loads(json.dumps(timeline.data())))
    assert again.data() == timeline.data()
    assert str(again) == str(timeline)


def test_a_nodes_has_the_other_nodes_too(root):
    cluster = FakeCluster(root)
    start(cluster["node1"], "web1")
    assert marks(cluster["node2"].timeline()) == marks(cluster.timeline())
    assert [lane.name for lane in cluster["node2"].timeline().lanes] == ["node2", "node1"]


def test_sizes(tmp_path):
    cluster = FakeCluster(tmp_path, NodeSpec("a", memory=4096), NodeSpec("b", memory=1000, overcommit=False))
    assert [lane.about for lane in cluster.timeline().lanes] == [
        "4 GiB, 16 CPUs",
        "1000 MiB, 16 CPUs, no overcommit",
    ]
    (lane,) = FakeHypervisor(tmp_path).timeline().lanes
    assert lane.about == "the size of this machine"


class TestText:
    def test_it_has_what_the_test_did_between_the_calls(self, root):
        cluster = FakeCluster(root, *numbered(2), instances=[InstanceSpec("web1")])
        cluster["node2"].crash()
        start(cluster["node1"], "web2")
        cluster["node1"].disconnect()
        with pytest.raises(NodeDownError):
            start(cluster["node1"], "web2")
        cluster.add_node("node3")
        start(cluster["node3"], "web2")
        cluster["node2"].boot()
        assert str(cluster.timeline()).splitlines() == [
            "timeline, ! for a call that raised, * for what the test did:",
            "           node1                          node3",
            "  0 s web2 StartInstance",
            "  0 s      *disconnect",
            "  0 s web2 !StartInstance",
            "  0 s                                     *add_node",
            "  0 s web2                                StartInstance",
        ]

    def test_what_is_left_out_is_said(self, root):
        cluster = FakeCluster(root, *numbered(2))
        for _ in range(150):
            cluster["node1"].disconnect()
            cluster["node1"].reconnect()
        cluster["node1"].ListInstances()
        for number in range(300):
            cluster[f"node{number % 2 + 1}"].ListInstances()
        lines = str(cluster.timeline()).splitlines()
        assert len(lines) == 22
        assert lines[0] == "timeline, the last 20 calls, ! for a call that raised:"

    def test_a_gap_in_it(self, root):
        cluster = FakeCluster(root)
        for _ in range(110):
            for node in cluster:
                node.ListInstances()
        for _ in range(99):
            cluster["node1"].disconnect()
            cluster["node1"].reconnect()
        cluster["node1"].disconnect()
        with pytest.raises(NodeDownError):
            cluster["node1"].ListInstances()
        lines = str(cluster.timeline()).splitlines()
        assert lines[0] == "timeline, the last 1 calls, ! for a call that raised, * for what the test did:"
        assert lines[-2:] == ["  0 s *disconnect", "  0 s !ListInstances"]

    def test_calls_that_are_not_shown(self, root):
        cluster = FakeCluster(root)
        for _ in range(110):
            for node in cluster:
                node.ListInstances()
        for _ in range(99):
            cluster["node1"].disconnect()
            cluster["node1"].reconnect()
        assert str(cluster.timeline()).splitlines() == [
            "timeline, 3 of 220 calls, ! for a call that raised:",
            "      node1                          node2",
            "  0 s ListInstances",
            "  0 s                                ListInstances",
            "  ... 217 calls ...",
            "  0 s                                ListInstances",
        ]

    def test_calls_that_are_not_shown_at_its_end(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        for node in cluster:
            node.ListInstances()
        for _ in range(3):
            cluster["node1"].ListInstances()
        for _ in range(300):
            cluster["node1"].disconnect()
            cluster["node1"].reconnect()
        for _ in range(2):
            cluster["node1"].ListInstances()
        for _ in range(100):
            cluster["node1"].disconnect()
            cluster["node1"].reconnect()
        lines = str(cluster.timeline()).splitlines()
        assert [*lines[:4], *lines[-2:]] == [
            "timeline, 0 of 7 calls, ! for a call that raised, * for what the test did:",
            "      node1                          node2",
            "  ... 5 calls ...",
            "  0 s *reconnect",
            "  0 s *reconnect",
            "  ... 2 calls ...",
        ]

    def test_the_call_that_broke_an_invariant_long_ago_and_those_about_its_instance(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1"), InstanceSpec("web2")])
        node1, node2 = cluster
        node1.GetInstanceInfo("web1")
        node2.GetInstanceInfo("web1")
        node2.ListInstances()
        start(node2, "web1")
        node1.ListInstances()
        node2.GetInstanceInfo("web1")
        for _ in range(15):
            for node in cluster:
                node.GetNodeInfo()
        assert str(cluster.timeline()).splitlines() == [
            "timeline, 23 of 36 calls, ! for a call that raised:",
            "           node1                          node2",
            "  ... 1 call ...",
            "  0 s web1                                GetInstanceInfo",
            "  ... 1 call ...",
            "  0 s web1                                StartInstance",
            "  ... 1 call ...",
            "  0 s web1                                GetInstanceInfo",
            "  ... 10 calls ...",
            *[
                "  0 s      GetNodeInfo",
                "  0 s                                     GetNodeInfo",
            ]
            * 10,
        ]

    def test_one_call_after_very_many_that_broke_another_invariant(self, root):
        names = [f"web{number}" for number in range(100)]
        cluster = FakeCluster(root, instances=[InstanceSpec(name, memory=1) for name in names])
        node2 = cluster["node2"]
        for name in names:
            start(node2, name)
        node2.AcceptInstance(cluster.instance("db1"), "", "node2")
        for _ in range(75):
            for node in cluster:
                node.GetNodeInfo()
        lines = str(cluster.timeline()).splitlines()
        assert lines[:18] == [
            "timeline, 31 of 251 calls, ! for a call that raised:",
            "           node1                          node2",
            *[f"  0 s web{number}                                StartInstance" for number in range(10)],
            "  ... 90 calls ...",
            "  0 s db1                                 AcceptInstance",
            "  ... 130 calls ...",
            "  0 s      GetNodeInfo",
            "  0 s                                     GetNodeInfo",
            "  0 s      GetNodeInfo",
        ]

    def test_nothing_of_a_single_node(self, hv):
        hv.ListInstances()
        assert str(hv.timeline()) == ""
