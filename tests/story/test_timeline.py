"""The picture of what happened: what is in it, and where."""

import json
import re
import threading

import pytest
from shown import bars, marks, numbered, periods, start

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, InstanceSpec, NodeDownError, NodeSpec


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
            "raised": 0,
            "lied": 0,
            "deeds": 0,
            "notes": [],
        }
        assert call.place.startswith("tests/story/shown.py:")

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

    def test_one_that_started_what_its_fault_took_away(self, root):
        cluster = FakeCluster(root)
        cluster.fault("StartInstance", when="after", crash=True)
        with pytest.raises(NodeDownError):
            start(cluster["node1"], "web1")
        assert bars(cluster.timeline()) == [("web1", "node1", "running", 0, 0)]

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
        assert [each.advice for each in timeline.troubles] == [each.advice for each in cluster.violations()]

    def test_what_broke_with_no_call(self, root):
        cluster = FakeCluster(root)
        cluster.fault("ListInstances")
        (trouble,) = cluster.timeline().troubles
        assert (trouble.invariant, trouble.step) == ("unfired", None)

    def test_one_while_the_test_stepped_in(self, root):
        class Own(FakeHypervisor):
            def RebootInstance(self, instance):
                self.cluster["node2"].disconnect()

        cluster = FakeCluster(root, hypervisor=Own)
        cluster["node1"].RebootInstance(cluster.instance("web1"))
        (step,) = cluster.timeline().steps
        assert (step.mark, step.notes) == ("test", ["node2: disconnect()"])


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

    def test_after_each_there_is_something_new_to_look_at(self, root):
        cluster = FakeCluster(root)
        for deed in cluster["node1"].crash, cluster["node1"].boot:
            assert cluster._scope.news() == []
            assert not cluster._scope.is_stirred
            deed()
            assert cluster._scope.is_stirred

    def test_of_two_things_wrong_with_a_node_the_worse_is_told(self, root):
        cluster = FakeCluster(root)
        node1 = cluster["node1"]
        for deed in node1.crash, node1.disconnect, node1.boot, node1.reconnect:
            deed()
        assert periods(cluster.timeline())["node1"] == [("down", 0, 2), ("cut off", 2, 3)]

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

    def test_one_that_ran_before_the_test_let_it_hang(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster.hang("web1")
        cluster["node1"].StopInstance(cluster.instance("web1"), force=True)
        assert bars(cluster.timeline()) == [("web1", "node1", "running", None, 1)]

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
            "arrived": True,
            "is_hidden": False,
            "lie": "",
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
        (arrow,) = timeline.arrows
        assert (arrow.share, arrow.begin, arrow.end, arrow.arrived) == (0.5, 2, 3, False)

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
        (arrow,) = moved.arrows
        assert (arrow.begin, arrow.end, arrow.arrived, arrow.is_hidden) == (1, 1.5, True, True)
        assert re.fullmatch(r"it had moved \(script at tests/story/test_timeline\.py:\d+\)", arrow.lie)

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
        for name in ("web2", "web1", "web3"):
            start(cluster["node1"], name)
        assert bars(cluster.timeline()) == [
            ("web1", "node1", "running", 0, None),
            ("web2", "node1", "running", 1, None),
            ("web3", "node1", "running", 3, None),
        ]

    def test_what_was_over_before_the_first_step(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], clock="manual")
        cluster.script_migration("web1", outcome="failed_but_moved", at=0.5)
        cluster["node1"].MigrateInstance("c", cluster.instance("web1"), "node2", True)
        cluster.journal.clear()
        cluster.clock.advance(10)
        timeline = cluster.timeline()
        assert bars(timeline) == [("web1", "node2", "running", None, None)]
        assert timeline.arrows == []


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
    cluster.add_node("c", max_migrations=1)
    cluster.add_node("d", overcommit=False, max_migrations=2)
    assert [lane.about for lane in cluster.timeline().lanes] == [
        "4 GiB, 16 CPUs",
        "1000 MiB, 16 CPUs, no overcommit",
        "64 GiB, 16 CPUs, at most 1 migration at once",
        "64 GiB, 16 CPUs, no overcommit, at most 2 migrations at once",
    ]
    (lane,) = FakeHypervisor(tmp_path).timeline().lanes
    assert lane.about == "the size of this machine"
