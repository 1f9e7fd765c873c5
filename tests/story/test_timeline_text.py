"""The picture of what happened, as text."""

import pytest
from shown import numbered, start

from pytest_fakehv import FakeCluster, InstanceSpec, NodeDownError


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
            "timeline of web2, ! for a call that raised, * for what the test did:",
            "      node1                          node2                          node3",
            "  0 s                                *crash",
            "  0 s StartInstance",
            "  0 s *disconnect",
            "  0 s !StartInstance",
            "  0 s                                                               *add_node",
            "  0 s                                                               StartInstance",
            "  0 s                                *boot",
        ]

    def test_what_the_test_did_to_the_only_node_that_was_called(self, root):
        cluster = FakeCluster(root)
        cluster["node1"].ListInstances()
        assert str(cluster.timeline()) == ""
        cluster["node1"].crash()
        assert str(cluster.timeline()).splitlines() == [
            "timeline, ! for a call that raised, * for what the test did:",
            "      node1",
            "  0 s ListInstances",
            "  0 s *crash",
        ]

    def test_what_it_brings_back_it_took_away_before_the_first_call(self, root):
        cluster = FakeCluster(root)
        cluster["node2"].disconnect()
        cluster["node1"].ListInstances()
        cluster["node2"].reconnect()
        assert str(cluster.timeline()).splitlines() == [
            "timeline, ! for a call that raised, * for what the test did:",
            "      node1                          node2",
            "  0 s                                *disconnect",
            "  0 s ListInstances",
            "  0 s                                *reconnect",
        ]

    def test_a_guest_that_it_let_hang_before_the_first_call(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("db1")])
        cluster.hang("db1")
        cluster["node1"].StopInstance(cluster.instance("db1"))
        start(cluster["node2"], "db1")
        assert str(cluster.timeline()).splitlines() == [
            "timeline of db1, ! for a call that raised, * for what the test did:",
            "      node1                          node2",
            "  0 s *hang",
            "  0 s StopInstance",
            "  0 s                                StartInstance",
        ]

    def test_what_it_did_to_one_that_was_never_called_is_in_its_own_column(self, root):
        cluster = FakeCluster(root)
        cluster["node1"].ListInstances()
        cluster["node2"].crash()
        cluster["node1"].ListInstances()
        assert str(cluster.timeline()).splitlines() == [
            "timeline, ! for a call that raised, * for what the test did:",
            "      node1                          node2",
            "  0 s ListInstances",
            "  0 s                                *crash",
            "  0 s ListInstances",
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
        assert lines[0] == "timeline, 4 of 221 calls, ! for a call that raised, * for what the test did:"
        assert lines[2:11] == [
            "  0 s ListInstances",
            "  0 s                                ListInstances",
            "  ... 217 calls ...",
            "  0 s                                ListInstances",
            *["  0 s *disconnect", "  0 s *reconnect"] * 2,
            "  0 s *disconnect",
        ]
        assert "  ... 190 deeds of the test ..." in lines
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
            "timeline, 3 of 220 calls, ! for a call that raised, * for what the test did:",
            "      node1                          node2",
            "  0 s ListInstances",
            "  0 s                                ListInstances",
            "  ... 217 calls ...",
            "  0 s                                ListInstances",
            *["  0 s *disconnect", "  0 s *reconnect"] * 2,
            "  0 s *disconnect",
            "  ... 189 deeds of the test ...",
            *["  0 s *disconnect", "  0 s *reconnect"] * 2,
        ]

    def test_one_deed_that_is_not_shown(self, root):
        cluster = FakeCluster(root)
        node1, node2 = cluster
        for _ in range(10):
            for node in [node1] * 10 + [node2] * 10:
                node.ListInstances()
            node1.crash()
            node2.ListInstances()
            node1.boot()
        node1.ListInstances()
        node1.crash()
        assert str(cluster.timeline()).splitlines()[14:20] == [
            "  ... 20 calls ...",
            "  ... 1 deed of the test ...",
            "  0 s                                ListInstances",
            "  0 s *boot",
            "  0 s ListInstances x10",
            "  0 s                                ListInstances x10",
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
        assert str(cluster.timeline()).splitlines() == [
            "timeline, 5 of 7 calls, ! for a call that raised, * for what the test did:",
            "      node1                          node2",
            "  0 s ListInstances",
            "  0 s                                ListInstances",
            "  0 s ListInstances x3",
            *["  0 s *disconnect", "  0 s *reconnect"] * 2,
            "  0 s *disconnect",
            "  ... 2 calls ...",
            "  ... 791 deeds of the test ...",
            *["  0 s *disconnect", "  0 s *reconnect"] * 2,
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
            "timeline, 25 of 36 calls, ! for a call that raised:",
            "           node1                          node2",
            "  0 s web1 GetInstanceInfo",
            "  0 s web1                                GetInstanceInfo",
            "  0 s                                     ListInstances",
            "  0 s web1                                StartInstance",
            "  0 s      ListInstances",
            "  0 s web1                                GetInstanceInfo",
            "  ... 11 calls ...",
            "  0 s                                     GetNodeInfo",
            *[
                "  0 s      GetNodeInfo",
                "  0 s                                     GetNodeInfo",
            ]
            * 9,
        ]

    def test_a_call_that_broke_one_after_what_the_test_did_broke_it(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1"), InstanceSpec("web2")])
        node1, node2 = cluster
        node1.ListInstances()
        cluster.add_instance("web1", node="node2")
        start(node2, "web2")
        for _ in range(15):
            for node in cluster:
                node.GetInstanceInfo("web2")
        timeline = cluster.timeline()
        assert timeline.troubles[0].step is None
        assert "  0 s web2                                StartInstance" in str(timeline).splitlines()

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
        assert lines == [
            "timeline, 31 of 251 calls, ! for a call that raised:",
            "            node1                          node2",
            *[f"  0 s web{number}                                 StartInstance" for number in range(10)],
            "  ... 73 calls ...",
            *[f"  0 s web{number}                                StartInstance" for number in range(83, 100)],
            "  0 s db1                                  AcceptInstance",
            "  ... 147 calls ...",
            "  0 s                                      GetNodeInfo",
            "  0 s       GetNodeInfo",
            "  0 s                                      GetNodeInfo",
        ]

    def test_nothing_of_a_single_node(self, hv):
        hv.ListInstances()
        assert str(hv.timeline()) == ""
