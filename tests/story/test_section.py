"""What is said of a cluster in the section of a failed test."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, InstanceSpec, NodeSpec


class TestDescribe:
    def test_a_quiet_cluster(self, root):
        assert FakeCluster(root).describe() == (
            "node1: 65536 of 65536 MiB free, 16 CPUs, no instances\n"
            "node2: 65536 of 65536 MiB free, 16 CPUs, no instances\n"
            "no calls"
        )

    def test_calls_and_instances(self, root):
        cluster = FakeCluster(
            root,
            NodeSpec("node1", memory=4096, reserved_memory=96, cpus=2, overcommit=False),
            NodeSpec("n2"),
        )
        hv = cluster["node1"]
        web2 = hv.instance("web2", vcpus=2)
        hv.add_instance("web10", memory=500, state="paused")
        hv.StartInstance(web2, [], False)
        with pytest.raises(HypervisorError):
            hv.StartInstance(web2, [], False)
        with pytest.raises(HypervisorError):
            cluster["n2"].StopInstance(web2, timeout=5)
        hv.GetNodeInfo()
        first = cluster.journal.last(4)[0].line
        here = os.path.relpath(__file__)
        assert cluster.describe() == (
            "node1: 2476 of 4096 MiB free, 2 CPUs, no overcommit\n"
            "  web2  running, 1024 MiB, 2 vcpus\n"
            "  web10 paused, 500 MiB, 1 vcpus\n"
            "n2: 65536 of 65536 MiB free, 16 CPUs, no instances\n"
            "timeline, ! for a call that raised:\n"
            "           node1                          n2\n"
            "  0 s web2 StartInstance\n"
            "  0 s web2 !StartInstance\n"
            "  0 s web2                                !StopInstance\n"
            "  0 s      GetNodeInfo\n"
            "calls:\n"
            f"  1 node1 StartInstance('web2', [], False) at {here}:{first} -> None\n"
            f"  2 node1 StartInstance('web2', [], False) at {here}:{first + 2}\n"
            "      -> HypervisorError: Failed to start instance web2: already running\n"
            f"  3 n2    StopInstance('web2', timeout=5) at {here}:{first + 4}\n"
            "      -> HypervisorError: Failed to stop instance web2: not running\n"
            f"  4 node1 GetNodeInfo() at {here}:{first + 5}\n"
            "      -> {'memory_total': 4096, 'memory_free': 2476, 'memory_dom0': 96, 'cpu_total': 2, "
            "'cpu_dom0':\n"
            "         2, 'cpu_nodes': 1, 'cpu_sockets': 1}"
        )

    def test_much_is_cut(self, root):
        cluster = FakeCluster(root, NodeSpec("node1"))
        hv = cluster["node1"]
        for number in range(25):
            hv.StartInstance(hv.instance(f"web{number}"), [], False)
        lines = cluster.describe().splitlines()
        assert lines[1] == "  web0  running, 1024 MiB, 1 vcpus"
        assert lines[21] == "  and 5 more instances, all running: web20, web21, web22, web23, web24"
        assert lines[22] == "calls, the last 10 of 25:"
        assert lines[23].startswith("  16 node1 StartInstance('web15', [], False)")
        assert len(lines) == 33

    def test_it_fits_100_columns(self, root):
        cluster = FakeCluster(root, NodeSpec("node1", memory=10, overcommit=False))
        hv = cluster["node1"]
        with pytest.raises(HypervisorError):
            hv.StartInstance(hv.instance("web" * 10), ["/dev/" + "disk" * 8] * 3, startup_paused=False)
        assert max(map(len, cluster.describe().splitlines())) <= 100

    def test_a_node_that_overcommits_says_by_how_much(self, root):
        cluster = FakeCluster(root, NodeSpec("node1", memory=6000), NodeSpec("node2", memory=4000))
        cluster.add_instance("web1", node="node1", memory=7096)
        cluster.add_instance("web2", node="node2", memory=4000)
        cluster.add_node("node3", memory=1100, reserved_memory=100)
        cluster.add_instance("web3", node="node3", memory=1001)
        assert cluster.describe().splitlines()[::2] == [
            "node1: 0 of 6000 MiB free, overcommitted by 1096 MiB, 16 CPUs",
            "node2: 0 of 4000 MiB free, 16 CPUs",
            "node3: 0 of 1100 MiB free, overcommitted by 1 MiB, 16 CPUs",
            "no calls",
        ]

    def test_a_node_that_must_not_overcommit_says_so_where_it_does(self, tmp_path):
        cluster = FakeCluster(tmp_path, NodeSpec("node1", memory=1000, overcommit=False))
        Path(cluster["node1"].root, "web1").write_text("0\n1200\n1\n")
        cluster["node1"].GetNodeInfo()
        assert cluster.describe().splitlines()[0] == (
            "node1: 0 of 1000 MiB free, overcommitted by 200 MiB, 16 CPUs, no overcommit"
        )

    def test_a_malformed_file_is_named_once_it_was_met(self, tmp_path):
        cluster = FakeCluster(tmp_path, NodeSpec("node1"))
        hv = cluster["node1"]
        for name in ("bad10", "bad9"):
            Path(hv.root, name).touch()
        with pytest.raises(HypervisorError):
            hv.GetNodeInfo()
        assert cluster.describe().splitlines()[:3] == [
            "node1: 65536 of 65536 MiB free, 16 CPUs, no instances",
            "  bad9 malformed or unreadable file",
            "  bad10 malformed or unreadable file",
        ]
        hv.add_instance("web1")
        assert cluster.describe().splitlines()[1:4] == [
            "  web1 running, 1024 MiB, 1 vcpus",
            "  bad9 malformed or unreadable file",
            "  bad10 malformed or unreadable file",
        ]

    def test_what_can_not_be_shown_is_said_so(self, root):
        class Bad:
            def __repr__(self):
                raise ValueError

        class Odd:
            def __repr__(self):
                return "two\nlines\x1b[31m\udcff"

        class BadError(Exception):
            def __str__(self):
                raise ValueError

        class Own(FakeHypervisor):
            def StopInstance(self, *args, **kwargs):
                raise BadError

        hv = FakeCluster(root, NodeSpec("node1"), hypervisor=Own)["node1"]
        hv.StartInstance(hv.instance("web\x1b[31m"), Bad(), False)
        hv.StartInstance(hv.instance("web2"), Odd(), False)
        with pytest.raises(BadError):
            hv.StopInstance(hv.instance("web2"))
        text = hv.describe()
        assert "<Bad that can't be shown>" in text
        assert "two\\nlines\\x1b[31m\\udcff" in text
        assert "-> BadError: what it says can't be shown" in text
        assert "  web\\x1b[31m running" in text
        assert text.replace("\n", "").isprintable()

    def test_a_node_of_the_machines_own_size(self, tmp_path):
        assert FakeHypervisor(tmp_path).describe() == (
            "localhost: the size of this machine, no instances\nno calls"
        )

    def test_in_a_directory_that_has_been_removed(self, tmp_path):
        code = "import os; os.rmdir(os.getcwd()); import pytest_fakehv.cluster.cluster"
        (tmp_path / "gone").mkdir()
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "gone", check=True)

    def test_a_call_in_progress(self, root):
        seen = []

        class Own(FakeHypervisor):
            def RebootInstance(self, instance):
                seen.append(self.describe())

        hv = FakeCluster(root, hypervisor=Own)["node1"]
        hv.RebootInstance(hv.instance("web1"))
        assert "RebootInstance('web1')" in seen[0]
        assert seen[0].endswith("-> still running")
        assert hv.describe().endswith("-> None")

    def test_it_touches_no_file(self, tmp_path):
        import shutil

        cluster = FakeCluster(tmp_path / "c")
        cluster.add_instance("web1")
        shutil.rmtree(tmp_path)
        assert "web1 running, 1024 MiB, 1 vcpus" in cluster.describe()

    def test_migrations_and_a_timeline(self, root):
        cluster = FakeCluster(root)
        cluster.add_instance("web1", memory=4096)
        cluster.script_migration("web1", outcome="failed", at=0.4, times=1)
        cluster.migrate("web1", to="node2")
        place = f"{os.path.relpath(__file__)}:{cluster.journal[0].line - 1}"
        cluster.migrate("web1", to="node2", live=False)
        cluster["node2"].disconnect()
        lines = cluster.describe().splitlines()
        assert lines[: lines.index("calls, the last 11 of 13:")] == [
            "node1: 65536 of 65536 MiB free, 16 CPUs, no instances",
            "node2: 61440 of 65536 MiB free, 16 CPUs, is cut off",
            "  web1 running, 4096 MiB, 1 vcpus",
            "migrations:",
            "  web1 node1 -> node2 live: 40 % at poll 2, failed, aborted",
            "  web1 node1 -> node2 non-live: completed at poll 1",
            "scripts and faults:",
            f"  script_migration('web1', outcome='failed', at=0.4, times=1) at {place}:",
            "         used once, used up",
            "timeline of web1, ! for a call that raised, * for what the test did:",
            "      node1                          node2",
            "  0 s MigrationInfo",
            "  0 s                                AcceptInstance",
            "  0 s MigrateInstance",
            "  0 s GetMigrationStatus x2",
            "  2 s                                FinalizeMigrationDst",
            "  2 s FinalizeMigrationSource",
            "  2 s MigrationInfo",
            "  2 s                                AcceptInstance",
            "  2 s MigrateInstance",
            "  2 s GetMigrationStatus",
            "  3 s FinalizeMigrationSource",
            "  3 s                                FinalizeMigrationDst",
            "  3 s                                *disconnect",
        ]

    def test_a_node_has_the_migrations_from_it_and_to_it(self, root):
        cluster = FakeCluster(root, NodeSpec("node1"), NodeSpec("node2"), NodeSpec("node3"))
        cluster.add_instance("web1")
        cluster.migrate("web1", to="node2")
        of_which = {node.name: node.describe().splitlines().count("migrations:") for node in cluster}
        assert of_which == {"node1": 1, "node2": 1, "node3": 0}

    def test_a_timeline_of_several_instances_and_nodes(self, root):
        cluster = FakeCluster(root, *[NodeSpec(f"node{number}") for number in range(1, 4)])
        for number, node in enumerate(cluster):
            node.StartInstance(node.instance(f"web{number}.example.com"), [], False)
        with pytest.raises(HypervisorError):
            cluster["node2"].StopInstance(cluster["node1"].instance("web0.example.com"))
        cluster["node1"].GetNodeInfo()
        lines = cluster.describe().splitlines()
        assert lines[lines.index("timeline, ! for a call that raised:") : lines.index("calls:")] == [
            "timeline, ! for a call that raised:",
            "                   node1                      node2                      node3",
            "  0 s web0.exampl~ StartInstance",
            "  0 s web1.exampl~                            StartInstance",
            "  0 s web2.exampl~                                                       StartInstance",
            "  0 s web0.exampl~                            !StopInstance",
            "  0 s              GetNodeInfo",
        ]

    def test_a_timeline_of_many_nodes_names_them(self, root):
        cluster = FakeCluster(root, *[NodeSpec(f"node{number}") for number in range(1, 31)])
        for node in cluster:
            node.ListInstances()
        lines = cluster.describe().splitlines()
        assert lines[19:23] == [
            "node30: 65536 of 65536 MiB free, 16 CPUs, no instances",
            "and 10 more nodes",
            "timeline, the last 20 calls, ! for a call that raised:",
            "  0 s node11 ListInstances",
        ]
        assert lines[0] == "node11: 65536 of 65536 MiB free, 16 CPUs, no instances"
        assert lines[41:43] == ["  0 s node30 ListInstances", "calls, the last 10 of 30:"]

    def test_a_timeline_fits_100_columns(self, root):
        cluster = FakeCluster(root, *[NodeSpec(f"{'n' * 60}{number}") for number in range(3)])
        for node in cluster:
            for name in ("a" * 90, "b" * 90):
                node.StartInstance(node.instance(name), [], False)
                for _ in range(12):
                    node.FinalizeMigrationSource(node.instance(name), False, True)
        lines = cluster.describe().splitlines()
        begin = lines.index("timeline, ! for a call that raised:")
        assert lines[begin + 3] == "  0 s aaaaaaaaaaa~ FinalizeMigrationSource x~"
        assert max(map(len, lines[begin : begin + 14])) <= 100

    def test_of_many_nodes_those_that_were_called_are_shown(self, root):
        cluster = FakeCluster(root, *[NodeSpec(f"node{number}") for number in range(1, 26)])
        for number in (21, 22, 23):
            cluster[f"node{number}"].ListInstances()
        lines = cluster.describe().splitlines()
        shown = [line.split(":")[0] for line in lines[:20]]
        assert shown == [*(f"node{number}" for number in range(1, 18)), "node21", "node22", "node23"]
        assert lines[20] == "and 5 more nodes"

    def test_a_call_of_the_reference_driver_in_a_thread(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        thread = threading.Thread(target=cluster.migrate, args=["web1"], kwargs={"to": "node2"}, name="mover")
        thread.start()
        thread.join()
        assert {call.place for call in cluster.journal} == {"thread mover"}

    def test_many_migrations_are_cut(self, root):
        cluster = FakeCluster(root)
        cluster.add_instance("web1")
        for number in range(12):
            cluster.migrate("web1", to=f"node{2 - number % 2}")
        lines = cluster.describe().splitlines()
        begin = lines.index("migrations, the last 10 of 12:")
        assert lines[begin + 10] == "  web1 node2 -> node1 live: completed at poll 1"
        assert lines[begin + 11].startswith("timeline")

    def test_the_calls_that_broke_an_invariant_are_there_however_long_ago(self, root):
        """And those about the same instance before and after them; the rest is counted."""
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
        node1, node2 = cluster
        node1.ListInstances()
        for _ in range(3):
            node2.GetInstanceInfo("web1")
        node1.ListInstances()
        node2.StartInstance(cluster.instance("web1"), [], False)
        for _ in range(2):
            node1.ListInstances()
        node1.StopInstance(cluster.instance("web1"))
        for number in range(12):
            node2.GetInstanceInfo(f"web{number}")
        places = [call.place for call in cluster.journal]
        lines = cluster._scope.describe(cluster.timeline(), most_calls=3).splitlines()
        assert lines[3:16] == [
            "timeline, 16 of 21 calls, ! for a call that raised:",
            "            node1                          node2",
            "  0 s       ListInstances",
            "  0 s web1                                 GetInstanceInfo x3",
            "  0 s       ListInstances",
            "  0 s web1                                 StartInstance",
            "  0 s       ListInstances x2",
            "  0 s web1  StopInstance",
            "  0 s web0                                 GetInstanceInfo",
            "  0 s web1                                 GetInstanceInfo",
            "  ... 5 calls ...",
            "  0 s web7                                 GetInstanceInfo",
            "  0 s web8                                 GetInstanceInfo",
        ]
        assert lines[19:] == [
            "calls, 10 of 21, > for one that broke an invariant:",
            f"    1 node1 ListInstances() at {places[0]} -> ['web1']",
            f"  2-4 node2 GetInstanceInfo('web1') at {places[1]} -> None",
            f"    5 node1 ListInstances() at {places[4]} -> ['web1']",
            f">   6 node2 StartInstance('web1', [], False) at {places[5]} -> None",
            "  ... 2 calls ...",
            f"    9 node1 StopInstance('web1') at {places[8]} -> None",
            "  ... 9 calls ...",
            *[
                f"   {number} node2 GetInstanceInfo('web{number - 10}') at {places[9]} -> None"
                for number in (19, 20, 21)
            ],
        ]

    def test_a_cleared_journal(self, root):
        cluster = FakeCluster(root)
        cluster["node1"].ListInstances()
        cluster.journal.clear()
        assert cluster.describe().splitlines()[-1] == "no calls since the journal was cleared"
