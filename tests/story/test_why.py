"""What is never folded: what raised, what a fault struck, what a violation names, and what that is about."""

import os
import threading

import pytest
from shown import described, numbered, part, start

from pytest_fakehv import FakeCluster, HypervisorError, InstanceSpec, NodeDownError, NodeSpec
from pytest_fakehv.story.labels import short_names

HERE = os.path.relpath(__file__)


def evacuated():
    """Move 61 instances away, of which two meet with something; return the cluster."""
    cluster = FakeCluster.in_memory(*numbered(3))
    for number in range(1, 62):
        cluster.add_instance(f"web{number}", node="node1", memory=512)
    cluster.script_migration("web7", outcome="failed_but_moved", times=1)
    cluster.fault("MigrateInstance", instance="web9", error="no route to host", times=1)
    for number in range(1, 62):
        try:
            cluster.migrate(f"web{number}", to=f"node{2 + number % 2}")
        except HypervisorError:
            continue
    return cluster


SCRIPT = evacuated.__code__.co_firstlineno + 5
"""The line that scripts a migration there; the next one declares a fault."""


class TestOf61Instances:
    def test_nodes_show_the_two_that_matter(self):
        assert part(described(evacuated()), "node1", "running nowhere") == [
            "node1: 65024 of 65536 MiB free, 16 CPUs",
            "  web9 running, 512 MiB, 1 vcpus",
            "node2: 50176 of 65536 MiB free, 16 CPUs",
            "  30 instances, all running: web2, web4, web6, web8, web10, web12, web14, web16 and 22 more",
            "node3: 50688 of 65536 MiB free, 16 CPUs",
            "  29 instances, all running: web1, web3, web5, web11, web13, web15, web17, web19 and 21 more",
        ]

    def test_migrations_that_went_wrong_are_listed_alone(self):
        lines = part(described(evacuated()), "migrations", "scripts and faults")
        assert lines[:2] == ["migrations, 1 of 60:", "  ... 6 migrations ..."]
        assert " ".join(" ".join(lines[2:-1]).split()) == (
            "web7 node1 -> node3 live: 100 % at poll 1, said failed, in truth it had moved "
            f"(script at {HERE}:{SCRIPT}), aborted"
        )
        assert lines[-1] == "  ... 53 migrations ..."

    def test_their_calls_are_there(self):
        text = described(evacuated())
        timeline = part(text, "timeline", "calls")
        assert len(timeline) < 30
        assert [line.split()[2:] for line in timeline if " web9 " in line] == [
            ["web9", "MigrationInfo"],
            ["web9", "AcceptInstance"],
            ["web9", "!MigrateInstance"],
            ["web9", "FinalizeMigrationDst"],
            ["web9", "FinalizeMigrationSource"],
        ]
        calls = part(text, "calls", "no such line")
        assert len(calls) < 30
        assert f"      -> HypervisorError: no route to host (fault at {HERE}:{SCRIPT + 1})" in calls
        assert [line for line in calls if "GetMigrationStatus('web7')" in line]

    def test_their_bars_come_first(self):
        timeline = evacuated().timeline()
        bars = {bar.instance for bar in timeline.bars}
        assert bars >= {"web7", "web9"}
        assert len(bars) == 8
        assert timeline.involved == ["web7", "web9"]
        assert timeline.involved_nodes == ["node1", "node3"]

    def test_the_scripts_and_the_faults_are_listed(self):
        assert part(described(evacuated()), "scripts and faults", "timeline") == [
            "scripts and faults:",
            f"  script_migration('web7', outcome='failed_but_moved', times=1) at {HERE}:{SCRIPT}: used",
            "         once, used up",
            "  fault('MigrateInstance', instance='web9', error='no route to host', times=1) at",
            f"         {HERE}:{SCRIPT + 1}: fired once, used up",
        ]


class TestCallsThatRaised:
    def test_a_power_cycle_is_never_left_out(self, root):
        cluster = FakeCluster(root)
        cluster["node1"].PowercycleNode()
        for _ in range(30):
            for node in cluster:
                node.ListInstances()
        line = cluster.journal[0].line
        calls = part(described(cluster), "calls", "no such line")
        assert calls[:3] == [
            "calls, 11 of 61:",
            f"   1 node1 PowercycleNode() at {HERE}:{line} -> None",
            "  ... 50 calls ...",
        ]

    def test_the_last_result_of_several_is_told_as_such(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster.script_migration("web1", outcome="failed", polls=3)
        cluster.migrate("web1", to="node2")
        lines = part(described(cluster), "calls", "no such line")
        (number,) = [index for index, line in enumerate(lines) if "GetMigrationStatus" in line]
        assert lines[number + 1].split("(")[0] == "      -> at last MigrationStatus"

    def test_one_long_ago(self, root):
        cluster = FakeCluster(root)
        node1, node2 = cluster
        node1.ListInstances()
        with pytest.raises(HypervisorError):
            node2.StopInstance(cluster.instance("web1"))
        for _ in range(30):
            node1.ListInstances()
            node2.ListInstances()
        text = cluster.describe()
        assert "  0 s web1                                !StopInstance" in part(text, "timeline", "calls")
        assert part(text, "calls", "no such line")[:5] == [
            "calls, 12 of 62:",
            f"   1 node1 ListInstances() at {HERE}:{cluster.journal[0].line} -> []",
            f"   2 node2 StopInstance('web1') at {HERE}:{cluster.journal[1].line}",
            "      -> HypervisorError: Failed to stop instance web1: not running",
            "  ... 50 calls ...",
        ]

    def test_like_ones_in_a_row_count_once(self, root):
        cluster = FakeCluster(root)
        node1, node2 = cluster
        for _ in range(300):
            with pytest.raises(HypervisorError):
                node2.StopInstance(cluster.instance("web1"))
        node1.ListInstances()
        text = cluster.describe()
        place = cluster.journal[0].place
        assert part(text, "timeline", "calls")[2:] == [
            "  0 s web1                                !StopInstance x300",
            "  0 s      ListInstances",
        ]
        assert part(text, "calls", "no such line") == [
            "calls:",
            f"  1-300 node2 StopInstance('web1') at {place}",
            "      -> HypervisorError: Failed to stop instance web1: not running",
            f"    301 node1 ListInstances() at {place.rpartition(':')[0]}:{cluster.journal[-1].line} -> []",
        ]

    def test_of_hundreds_alike_the_first_and_the_last_are_there_and_the_others_counted(self, root):
        cluster = FakeCluster(root)
        node1, node2 = cluster
        for number in range(300):
            with pytest.raises(HypervisorError):
                node2.StopInstance(cluster.instance(f"web{number}"))
            node1.ListInstances()
        text = cluster.describe()
        timeline = part(text, "timeline", "calls")
        assert len(timeline) < 60
        assert timeline[2] == "  0 s web0                                  !StopInstance"
        assert timeline[-2] == "  0 s web299                                !StopInstance"
        assert [line for line in timeline if line.endswith(" of which raised ...")]
        calls = part(text, "calls", "no such line")
        assert len(calls) < 90
        assert calls[1].startswith("    1 node2 StopInstance('web0')")
        assert [line for line in calls if line.endswith(" of which raised ...")]

    def test_in_the_picture_those_of_another_kind_are_there_too(self, root):
        cluster = FakeCluster(root)
        node1, node2 = cluster
        for number in range(300):
            with pytest.raises(HypervisorError):
                node2.StopInstance(cluster.instance(f"web{number}"))
            node1.ListInstances()
            if number == 150:
                with cluster.fault("GetNodeInfo", times=1), pytest.raises(HypervisorError):
                    node1.GetNodeInfo()
        timeline = cluster.timeline()
        assert len(timeline.steps) <= 200
        assert [step.mark for step in timeline.steps if step.what == "GetNodeInfo"] == ["fault"]
        hidden = sum(step.raised for step in timeline.steps if step.mark == "gap")
        assert timeline.left_out[0].endswith(f" of 601 calls, {hidden} of which raised")
        gap = next(step.text for step in timeline.steps if step.mark == "gap")
        assert gap.endswith(" of which raised")

    def test_in_the_picture_those_that_were_held_are_there_too(self, root):
        cluster = FakeCluster(root)
        with cluster.hold("GetNodeInfo") as held:
            thread = threading.Thread(target=cluster["node2"].GetNodeInfo)
            thread.start()
            held.wait()
        thread.join()
        for _ in range(150):
            for node in cluster:
                node.ListInstances()
        assert [step.mark for step in cluster.timeline().steps[:3]] == ["test", "hold", "call"]

    def test_a_gap_where_nothing_raised(self, root):
        cluster = FakeCluster(root)
        cluster["node1"].ListInstances()
        for _ in range(300):
            for node in cluster:
                node.ListInstances()
        assert [step.text for step in cluster.timeline().steps if step.mark == "gap"] == [
            "502 calls not shown"
        ]


class TestNodes:
    def test_what_befell_one_before_the_first_call_on_it_raised_is_there(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        node1, node2 = cluster
        node1.disconnect()
        with pytest.raises(NodeDownError):
            node1.StopInstance(cluster.instance("web1"))
        start(node2, "web1")
        node1.reconnect()
        assert part(described(cluster), "timeline", "calls") == [
            "timeline of web1, ! for a call that raised, * for what the test did:",
            "      node1                          node2",
            "  0 s *disconnect",
            "  0 s !StopInstance",
            "  0 s                                StartInstance",
            "  0 s *reconnect",
        ]

    def test_overcommit_is_about_all_that_is_there(self, tmp_path):
        cluster = FakeCluster(tmp_path, NodeSpec("node1"), NodeSpec("node2", memory=1000, overcommit=False))
        cluster.add_instance("web1", node="node1")
        cluster.add_instance("db1", node="node2", memory=600)
        (tmp_path / "node2" / "db2").write_text("0\n600\n1\n")
        cluster["node2"].GetNodeInfo()
        timeline = cluster.timeline()
        assert [each.invariant for each in timeline.troubles] == ["overcommit"]
        assert (timeline.involved, timeline.involved_nodes) == (["db1", "db2"], ["node2"])

    @pytest.mark.parametrize("end", ["fail_migration", "cancel_migration"])
    def test_a_migration_that_did_not_work_is_about_both_its_ends(self, root, end):
        """And a fault that never struck is about what it is for."""
        cluster = FakeCluster(root, *numbered(4), instances=[InstanceSpec("web1")])
        node1, node2, *_ = cluster
        web1 = cluster.instance("web1")
        cluster.fault("StopInstance", instance="db1", node="node3")
        cluster.script_migration("web1", dirty_rate=5000)
        node2.AcceptInstance(web1, "", "node2")
        node1.MigrateInstance("c", web1, "node2", True)
        getattr(cluster, end)("web1")
        node1.GetMigrationStatus(web1)
        node2.FinalizeMigrationDst(web1, "", False)
        node1.FinalizeMigrationSource(web1, False, True)
        timeline = cluster.timeline()
        assert [each.invariant for each in timeline.troubles] == ["unfired"]
        assert (timeline.involved, timeline.involved_nodes) == (["db1", "web1"], ["node1", "node2", "node3"])

    def test_an_open_end_is_about_the_node_where_that_began_too(self, root):
        cluster = FakeCluster(root, *numbered(3), instances=[InstanceSpec("web1")])
        node1, node2, _ = cluster
        node2.AcceptInstance(cluster.instance("web1"), "", "node2")
        node1.MigrateInstance("c", cluster.instance("web1"), "node2", True)
        node1.disconnect()
        timeline = cluster.timeline()
        assert [each.invariant for each in timeline.troubles] == ["unfinished"]
        assert (timeline.involved, timeline.involved_nodes) == (["web1"], ["node1", "node2"])

    def test_being_together_is_about_who_was_there_too(self, root):
        cluster = FakeCluster(root)
        for name in ("web1", "db1"):
            cluster.add_instance(name, node="node1")
        cluster.keep_apart("web1", "web2")
        start(cluster["node1"], "web2")
        timeline = cluster.timeline()
        assert [each.invariant for each in timeline.troubles] == ["together"]
        assert (timeline.involved, timeline.involved_nodes) == (["web1", "web2"], ["node1"])

    def test_a_crowd_is_about_all_that_is_under_way(self, root):
        cluster = FakeCluster(root)
        node2 = cluster["node2"]
        cluster.keep_at_most(migrations=1)
        for name in ("web1", "db1"):
            node2.AcceptInstance(cluster.instance(name), "", "node2")
        for name in ("web1", "db1"):
            node2.FinalizeMigrationDst(cluster.instance(name), "", False)
        timeline = cluster.timeline()
        assert [each.invariant for each in timeline.troubles] == ["crowded"]
        assert (timeline.involved, timeline.involved_nodes) == (["db1", "web1"], ["node2"])

    def test_of_many_those_that_matter_come_first(self, root):
        cluster = FakeCluster(root, *numbered(30))
        cluster.add_instance("web1", node="node25")
        cluster["node17"].crash()
        with pytest.raises(NodeDownError):
            cluster["node17"].StopInstance(cluster.instance("web1"))
        heads = [line.split(":")[0] for line in cluster.describe().splitlines() if line.startswith("node")]
        assert heads[:4] == ["node17", "node25", "node1", "node2"]
        assert len(heads) == 20

    def test_what_else_is_there_is_said_as_it_is(self, root):
        cluster = FakeCluster(root)
        for number in range(1, 23):
            cluster.add_instance(f"w{number}", state="paused" if number < 3 else "running")
        cluster.add_instance("db1", node="node2", state="paused")
        with pytest.raises(HypervisorError):
            start(cluster["node1"], "w2")
        assert cluster.describe().splitlines()[:4] == [
            "node1: 43008 of 65536 MiB free, 16 CPUs",
            "  w2 paused, 1024 MiB, 1 vcpus",
            "  and 21 more instances, 20 running, 1 paused: w1, w3, w4, w5, w6, w7, w8, w9 and 13 more",
            "node2: 64512 of 65536 MiB free, 16 CPUs",
        ]
        assert cluster.describe().splitlines()[4] == "  1 instance, paused: db1"


class TestRules:
    def test_what_became_of_each(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster.script_migration("web1", polls=2)
        cluster.script_migration("web1")
        cluster.migrate("web1", to="node2")
        cluster.migrate("web1", to="node1")
        cluster.fault("ListInstances").withdraw()
        cluster.fault("GetNodeInfo", optional=True)
        rules = [line.replace(f" at {HERE}:", " ").split(" ", 1) for line in cluster.timeline().rules]
        assert [line.rpartition(": ")[::2] for line in cluster.timeline().rules] == [
            (
                f"script_migration('web1', polls=2) at {HERE}:{line_of(0)}",
                "never used, replaced by a later one",
            ),
            (f"script_migration('web1') at {HERE}:{line_of(1)}", "used 2 times"),
            (f"fault('ListInstances') at {HERE}:{line_of(4)}", "never fired, withdrawn"),
            (f"fault('GetNodeInfo', optional=True) at {HERE}:{line_of(5)}", "never fired"),
        ], rules

    def test_of_many_those_that_came_to_something(self, root):
        cluster = FakeCluster(root)
        for number in range(20):
            cluster.fault("ListInstances", node="node1", after=number, times=1, optional=True)
        for _ in range(12):
            with pytest.raises(HypervisorError):
                cluster["node1"].ListInstances()
        rules = cluster.timeline().rules
        assert len(rules) == 11
        assert [": fired once, used up" in rule for rule in rules] == [True] * 10 + [False]
        assert rules[-1] == "and 10 more, 2 times used or fired"

    def test_none_of_the_others(self, root):
        cluster = FakeCluster(root)
        for _ in range(12):
            cluster.fault("ListInstances", optional=True)
        assert cluster.describe().splitlines()[-2:] == ["  and 2 more, no times used or fired", "no calls"]


def line_of(number):
    code = TestRules.test_what_became_of_each.__code__
    return code.co_firstlineno + 2 + number


class TestArrows:
    def test_one_arrives_when_its_target_is_finalized(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        node1, node2 = cluster
        web1 = cluster.instance("web1")
        node2.AcceptInstance(web1, "", "node2")
        node1.MigrateInstance("c", web1, "node2", True)
        node1.GetMigrationStatus(web1)
        node2.FinalizeMigrationDst(web1, "", True)
        node1.FinalizeMigrationSource(web1, True, True)
        (arrow,) = cluster.timeline().arrows
        assert (arrow.begin, arrow.end, arrow.arrived, arrow.is_hidden) == (1, 3, True, False)

    def test_one_whose_instance_was_there_already(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        node1, node2 = cluster
        web1 = cluster.instance("web1")
        start(node2, "web1")
        node1.MigrateInstance("c", web1, "node2", True)
        node1.GetMigrationStatus(web1)
        node2.FinalizeMigrationDst(web1, "", True)
        (arrow,) = cluster.timeline().arrows
        assert (arrow.begin, arrow.end, arrow.arrived) == (1, 3, True)

    def test_one_that_arrived_before_the_calls_that_are_kept(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        node1, node2 = cluster
        web1 = cluster.instance("web1")
        start(node2, "web1")
        node1.MigrateInstance("c", web1, "node2", True)
        node2.FinalizeMigrationDst(web1, "", True)
        cluster.journal.clear()
        node1.ListInstances()
        assert cluster.timeline().arrows == []

    def test_one_whose_instance_was_stopped_there_before(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], clock="manual")
        cluster.script_migration("web1", outcome="failed_but_moved", at=0.5)
        node1, node2 = cluster
        start(node2, "web1")
        node1.MigrateInstance("c", cluster.instance("web1"), "node2", True)
        node2.StopInstance(cluster.instance("web1"))
        cluster.clock.advance(10)
        (arrow,) = cluster.timeline().arrows
        assert (arrow.begin, arrow.end, arrow.arrived, arrow.is_hidden) == (1, 2.5, True, True)

    def test_one_that_pauses_on_its_source_has_not_arrived_by_that(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], clock="manual")
        cluster.script_migration("web1", outcome="failed_but_moved", at=0.5)
        node1, node2 = cluster
        node2.AcceptInstance(cluster.instance("web1"), "", "node2")
        node1.MigrateInstance("c", cluster.instance("web1"), "node2", False)
        cluster.clock.advance(10)
        (arrow,) = cluster.timeline().arrows
        assert (arrow.begin, arrow.end, arrow.arrived, arrow.is_hidden) == (1, 1.5, True, True)

    def test_one_that_was_started_on_its_target_has_not_arrived(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        node1, node2 = cluster
        node1.MigrateInstance("c", cluster.instance("web1"), "node2", True)
        start(node2, "web1")
        (arrow,) = cluster.timeline().arrows
        assert (arrow.begin, arrow.end, arrow.arrived) == (0, None, False)

    @pytest.mark.parametrize("deed", ["fail_migration", "cancel_migration", "crash", "stop"])
    def test_one_that_did_not_arrive_ends_when_it_ended(self, root, deed):
        cluster = FakeCluster(root, *numbered(3), instances=[InstanceSpec("web1")])
        node1, node2, node3 = cluster
        web1 = cluster.instance("web1")
        cluster.script_migration("web1", dirty_rate=5000)
        node1.MigrateInstance("c", web1, "node2", True)
        node1.ListInstances()
        node3.crash()
        if deed == "crash":
            node2.crash()
        elif deed == "stop":
            node1.StopInstance(web1)
        else:
            getattr(cluster, deed)("web1")
        node1.GetMigrationStatus(web1)
        node1.FinalizeMigrationSource(web1, False, True)
        (arrow,) = cluster.timeline().arrows
        assert (arrow.begin, arrow.end, arrow.arrived) == (0, 3, False)

    def test_one_ends_with_the_call_that_says_so_and_not_with_what_comes_then(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        cluster.script_migration("web1", outcome="failed", polls=1)
        node1, node2 = cluster
        node1.MigrateInstance("c", cluster.instance("web1"), "node2", True)
        node1.GetMigrationStatus(cluster.instance("web1"))
        node2.crash()
        (arrow,) = cluster.timeline().arrows
        assert (arrow.begin, arrow.end, arrow.arrived) == (0, 1, False)

    def test_one_whose_end_nobody_saw(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], clock="manual")
        cluster.script_migration("web1", outcome="failed", at=0.5)
        cluster["node1"].MigrateInstance("c", cluster.instance("web1"), "node2", True)
        cluster.clock.advance(10)
        cluster["node1"].ListInstances()
        (arrow,) = cluster.timeline().arrows
        assert (arrow.begin, arrow.end, arrow.arrived, arrow.outcome) == (0, None, False, "failed")


@pytest.mark.parametrize(
    ("names", "width", "short"),
    [
        (["web1", "web2"], 4, ["web1", "web2"]),
        (["web1.example.com", "db"], 6, ["web1.~", "db"]),
        (["customer-web-1", "customer-web-2"], 9, ["cust~eb-1", "cust~eb-2"]),
        (["web1.example.com", "customer-db"], 10, ["web1.exam~", "customer-~"]),
        (["customer-web-1", "customer-web-2", "customer"], 9, ["cust~eb-1", "cust~eb-2", "customer"]),
        (["customer-web-1", "customer-web-2", "customers"], 9, ["cust~eb-1", "cust~eb-2", "customers"]),
        (["customer-web-1", "customer-web-2", "customer10"], 9, ["cust~eb-1", "cust~eb-2", "cust~er10"]),
        (["aaaa", "aaab"], 3, ["a~a", "a~b"]),
        (["aaaa", "aaab"], 2, ["a~", "a~"]),
        (["aaaa", "b"], 1, ["~", "b"]),
        (["aaaa", "b"], 0, ["~", "b"]),
    ],
)
def test_short_names_are_told_from_each_other(names, width, short):
    assert [*short_names(names, width, "~").values()] == short
