"""What is left out of the picture where too much happened."""

import pytest
from shown import bars, marks, numbered, periods, start

from pytest_fakehv import FakeCluster, HypervisorError, InstanceSpec, NodeDownError
from pytest_fakehv.story.choice import by_turns


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

    def test_what_another_program_stopped_since_then(self, tmp_path):
        cluster = FakeCluster(tmp_path)
        start(cluster["node1"], "web1")
        cluster.journal.clear()
        (tmp_path / "node1" / "web1").unlink()
        cluster["node1"].GetNodeInfo()
        assert bars(cluster.timeline()) == [("web1", "node1", "running", None, 0)]

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
        assert len(steps) == 99
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
        assert timeline.left_out == ["907 of 1002 calls"]
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

    def test_one_call_that_is_not_shown(self, root):
        cluster = FakeCluster(root)
        for _ in range(2):
            for node in cluster:
                node.ListInstances()
        with cluster.fault("GetNodeInfo"), pytest.raises(HypervisorError):
            cluster["node1"].GetNodeInfo()
        for _ in range(200):
            for node in cluster:
                node.ListInstances()
        steps = cluster.timeline().steps
        assert [step.text for step in steps[:4]] == [
            "ListInstances()",
            "ListInstances()",
            "1 call not shown",
            "ListInstances()",
        ]

    def test_a_fault_among_many_of_another(self, root):
        """It is told, though both raise the same."""
        cluster = FakeCluster(root)
        node1, node2 = cluster
        cluster.fault("GetNodeInfo", error="once", after=150, times=1)
        cluster.fault("GetNodeInfo", error="often")
        for _ in range(300):
            node1.ListInstances()
            with pytest.raises(HypervisorError):
                node2.GetNodeInfo()
        told = [step.result.partition(" (")[0] for step in cluster.timeline().steps]
        assert told.count("HypervisorError: once") == 1

    def test_an_error_among_many_of_another_type(self, root):
        """It is told, though it is of the same call, and no fault."""
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        node1, node2 = cluster

        def work(times, error):
            for _ in range(times):
                node2.ListInstances()
                node2.GetNodeInfo()
                with pytest.raises(error):
                    node1.StartInstance(cluster.instance("web1"), [], False)

        def rest():  # so that what comes next is not told as the neighbour of what is
            for _ in range(2):
                node2.ListInstances()
                node2.GetNodeInfo()

        work(150, HypervisorError)
        node1.crash()
        rest()
        work(1, NodeDownError)
        rest()
        node1.boot()
        cluster.add_instance("web1")
        work(150, HypervisorError)
        told = [step.result.partition(":")[0] for step in cluster.timeline().steps]
        assert told.count("NodeDownError") == 1

    def test_too_many_of_those_that_tell_most(self, root):
        cluster = FakeCluster(root, clock="manual")
        for _ in range(150):
            for node in cluster:
                for deed in node.disconnect, node.reconnect:
                    cluster.clock.advance(1)
                    deed()
        timeline = cluster.timeline()
        assert len(timeline.steps) <= 200
        (gap,) = [step for step in timeline.steps if step.mark == "gap"]
        assert gap.text == "462 deeds of the test not shown"
        assert gap.time == timeline.steps[timeline.steps.index(gap) - 1].time + 1
        assert (gap.first, gap.last) == (0, 0)

    def test_one_deed_that_is_not_shown(self, root):
        cluster = FakeCluster(root)
        node1, node2 = cluster
        for _ in range(13):
            for deed in node1.disconnect, node1.reconnect:
                deed()
                for _ in range(5):
                    node2.ListInstances()
                    node2.GetNodeInfo()
        (gap,) = [step for step in cluster.timeline().steps if step.deeds and step.mark == "gap"]
        assert gap.text == "18 calls and 1 deed of the test not shown"

    def test_migrations_in_a_gap_have_no_arrow(self, root):
        names = [f"web{number}" for number in range(60)]
        cluster = FakeCluster(root, instances=map(InstanceSpec, names))
        for name in names:
            cluster.migrate(name, to="node2")
        timeline = cluster.timeline()
        assert len({each.instance for each in timeline.bars}) == 24
        assert {"web58", "web59"} <= {each.instance for each in timeline.bars}
        assert [lane.crowd for lane in timeline.lanes] == [36, 36]
        assert len(timeline.arrows) == 16
        assert timeline.left_out[1:] == [
            "the bars of 36 of 60 instances",
            "the arrows of 44 of 60 migrations",
        ]

    def test_a_migration_outside_a_gap_has_its_arrow(self, root):
        """One before it, and one that began in it and ended after it."""
        names = [f"web{number}" for number in range(60)]
        cluster = FakeCluster(root, instances=map(InstanceSpec, names))
        cluster.script_migration("web0", outcome="failed", at=0.5)
        cluster.migrate("web0", to="node2")
        node1, node2 = cluster
        for name in names[1:20]:
            cluster.migrate(name, to="node2")
        cluster.script_migration("web20", dirty_rate=5000)
        node2.AcceptInstance(cluster.instance("web20"), "", "node2")
        node1.MigrateInstance("c", cluster.instance("web20"), "node2", True)
        for name in names[21:]:
            cluster.migrate(name, to="node2")
        cluster.complete_migration("web20")
        node1.GetMigrationStatus(cluster.instance("web20"))
        node2.FinalizeMigrationDst(cluster.instance("web20"), "", True)
        node1.FinalizeMigrationSource(cluster.instance("web20"), True, True)
        timeline = cluster.timeline()
        arrows = {each.instance: timeline.steps[each.begin].mark for each in timeline.arrows}
        assert (arrows["web0"], arrows["web20"]) == ("call", "gap")

    def test_as_many_instances_as_there_is_room_for(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec(f"web{number}") for number in range(24)])
        timeline = cluster.timeline()
        assert (len(timeline.bars), timeline.left_out) == (24, [])

    def test_of_too_many_instances_those_of_the_last_steps_and_the_first_ones(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec(f"web{number}") for number in range(1, 26)])
        start(cluster["node1"], "web26")
        timeline = cluster.timeline()
        assert [each.instance for each in timeline.bars] == [
            *(f"web{number}" for number in range(1, 24)),
            "web26",
        ]
        assert [lane.crowd for lane in timeline.lanes] == [2, 0]
        assert timeline.left_out == ["the bars of 2 of 26 instances"]

    def test_of_those_that_what_went_wrong_is_about_too_many(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec(f"web{number}") for number in range(40)])
        for number in range(30):
            with pytest.raises(HypervisorError):
                start(cluster["node1"], f"web{number}")
        timeline = cluster.timeline()
        assert len(timeline.bars) == 24
        assert timeline.left_out == [
            "the bars of 16 of 40 instances, 6 of which what went wrong is about, too"
        ]

    def test_as_many_nodes_as_there_is_room_for(self, root):
        timeline = FakeCluster(root, *numbered(16)).timeline()
        assert [lane.name for lane in timeline.lanes] == [f"node{number}" for number in range(1, 17)]
        assert timeline.left_out == []

    def test_of_many_nodes_those_that_something_is_on(self, root):
        cluster = FakeCluster(root, *numbered(20))
        cluster.add_instance("web1", node="node20")
        lanes = cluster.timeline().lanes
        assert [lane.name for lane in lanes] == [*(f"node{number}" for number in range(1, 15)), "node20", ""]

    def test_of_many_nodes_those_that_something_befell_or_that_broke_an_invariant(self, root):
        cluster = FakeCluster(root, *numbered(20))
        cluster.add_instance("web1", node="node20")
        for number in range(1, 17):
            cluster[f"node{number}"].ListInstances()
        cluster["node17"].disconnect()
        start(cluster["node19"], "web1")
        timeline = cluster.timeline()
        assert [lane.name for lane in timeline.lanes] == [
            *(f"node{number}" for number in range(1, 13)),
            "node17",
            "node19",
            "node20",
            "",
        ]
        assert timeline.left_out == ["the lanes of 5 of 20 nodes: node13, node14, node15, node16, node18"]

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
        assert timeline.lanes[-1].crowd == 4
        assert timeline.left_out[1].startswith("the lanes of 15 of 30 nodes: ")

    def test_a_long_text(self, root):
        cluster = FakeCluster(root)
        cluster.fault("ListInstances", error="x" * 1000)
        with pytest.raises(HypervisorError):
            cluster["node1"].ListInstances()
        (step,) = cluster.timeline().steps
        assert step.result == f"HypervisorError: {'x' * 282}…"


@pytest.mark.parametrize(
    ("counts", "most", "chosen"),
    [
        ([40], 20, [0, 39, 1, 38, 2, 37, 3, 36, 4, 35]),
        ([40], 4, [0, 39, 1, 38]),
        ([9], 10, [0, 8, 1, 7, 2, 6]),
        ([5, 2], 10, [0, 5, 4, 6, 1, 3, 2]),
        ([5, 2], 3, [0, 5, 4]),
    ],
)
def test_of_each_kind_as_many_are_chosen_but_of_one_no_more_than_half_or_a_few(counts, most, chosen):
    kinds, first = {}, 0
    for count in counts:
        kinds[first] = range(first, first + count)
        first += count
    assert by_turns(kinds, most) == chosen
