"""Which calls a fault strikes, how often, and which of several."""

import threading

import pytest
from striking import drive, fails

from pytest_fakehv import FakeCluster, HypervisorError, NodeDownError


class TestWhichCalls:
    def test_a_method_on_every_node(self, cluster, node1, node2):
        cluster.fault("ListInstances")
        assert fails(node1.ListInstances)
        assert fails(node2.ListInstances)
        assert not fails(node1.GetNodeInfo)

    def test_every_method(self, cluster, node1, node2):
        cluster.fault("*")
        assert fails(node1.ListInstances)
        assert fails(node2.GetNodeInfo)
        assert fails(node1.StopInstance, node1.instance("web1"))
        cluster.assert_running("web1")

    @pytest.mark.parametrize("node", ["node2", "192.0.2.2"])
    def test_a_node_by_name_or_address(self, cluster, node1, node2, node):
        fault = cluster.fault("ListInstances", node=node)
        assert not fails(node1.ListInstances)
        assert fails(node2.ListInstances)
        assert fault.spec.node == "node2"

    def test_declared_on_a_node_it_is_about_that_node(self, cluster, node1, node2):
        node2.fault("ListInstances")
        assert not fails(node1.ListInstances)
        assert fails(node2.ListInstances)

    def test_a_node_may_be_named_on_itself(self, node2):
        node2.fault("ListInstances", node="192.0.2.2")
        assert fails(node2.ListInstances)

    @pytest.mark.parametrize("as_object", [False, True])
    def test_an_instance_by_name_or_as_an_object(self, cluster, node1, as_object):
        web1 = node1.instance("web1")
        cluster.fault("RebootInstance", instance=web1 if as_object else "web1")
        assert fails(node1.RebootInstance, web1)
        assert not fails(node1.RebootInstance, node1.instance("web2"))

    def test_an_instance_that_a_call_names_alone(self, cluster, node1):
        cluster.fault("*", instance="web1")
        assert fails(node1.GetInstanceInfo, "web1")
        assert fails(node1.CleanupInstance, "web1")
        assert fails(node1.StopInstance, None, False, False, "web1")
        assert not fails(node1.GetInstanceInfo, "web2")
        assert not fails(node1.ListInstances)

    @pytest.mark.parametrize(
        ("narrowing", "struck"),
        [
            ({"phase": "prepare"}, {"MigrationInfo", "AcceptInstance"}),
            ({"phase": "transfer"}, {"MigrateInstance", "GetMigrationStatus"}),
            ({"phase": "finalize"}, {"FinalizeMigrationSource", "FinalizeMigrationDst"}),
            (
                {"side": "source"},
                {"MigrationInfo", "MigrateInstance", "GetMigrationStatus", "FinalizeMigrationSource"},
            ),
            ({"side": "target"}, {"AcceptInstance", "FinalizeMigrationDst"}),
            ({"phase": "finalize", "side": "target"}, {"FinalizeMigrationDst"}),
            ({"phase": "prepare", "node": "node1"}, {"MigrationInfo"}),
            ({"phase": "prepare", "instance": "web2"}, set()),
        ],
        ids=lambda each: str(each) if isinstance(each, dict) else "",
    )
    def test_a_phase_and_a_side_of_a_migration(self, cluster, narrowing, struck):
        cluster.fault("*", **narrowing)
        assert drive(cluster) == struck

    @pytest.mark.parametrize("narrowing", [{"phase": "finalize"}, {"side": "target"}])
    def test_a_phase_or_side_is_of_migrations_alone(self, cluster, node1, narrowing):
        cluster.fault("*", **narrowing)
        assert not fails(node1.ListInstances)

    def test_a_phase_may_stand_beside_a_method_of_it(self, cluster):
        cluster.fault("FinalizeMigrationDst", phase="finalize", side="target")
        assert drive(cluster) == {"FinalizeMigrationDst"}

    def test_a_node_that_does_not_answer_is_not_struck(self, cluster, node1):
        fault = cluster.fault("ListInstances")
        node1.crash()
        with pytest.raises(NodeDownError, match=r"^node1 does not answer$"):
            node1.ListInstances()
        assert (fault.seen, fault.fired) == (0, 0)

    def test_the_tests_own_side_is_not_struck(self, cluster, node1):
        cluster.fault("*")
        assert node1.instance_names == ["web1", "web2"]
        cluster.assert_running("web1", on="node1")

    def test_what_is_declared_in_the_middle_counts_from_then_on(self, cluster, node1):
        assert not fails(node1.ListInstances)
        cluster.fault("ListInstances")
        assert fails(node1.ListInstances)


class TestHowOften:
    def test_after_lets_the_first_ones_pass(self, cluster, node1):
        cluster.fault("ListInstances", after=2)
        assert [fails(node1.ListInstances) for _ in range(4)] == [False, False, True, True]

    def test_times_ends_it(self, cluster, node1):
        cluster.fault("ListInstances", times=2)
        assert [fails(node1.ListInstances) for _ in range(4)] == [True, True, False, False]

    def test_after_and_times_together(self, cluster, node1):
        fault = cluster.fault("ListInstances", after=1, times=2)
        assert [fails(node1.ListInstances) for _ in range(5)] == [False, True, True, False, False]
        assert (fault.seen, fault.fired) == (5, 2)

    def test_after_counts_such_calls_alone(self, cluster, node1, node2):
        cluster.fault("ListInstances", node="node1", after=1)
        node2.ListInstances()
        node1.GetNodeInfo()
        assert [fails(node1.ListInstances) for _ in range(2)] == [False, True]

    def test_probability_0_and_1(self, cluster, node1):
        never = cluster.fault("ListInstances", probability=0)
        always = cluster.fault("GetNodeInfo", probability=1)
        for _ in range(50):
            assert not fails(node1.ListInstances)
            assert fails(node1.GetNodeInfo)
        assert (never.seen, never.fired) == (50, 0)
        assert (always.seen, always.fired) == (50, 50)

    def test_a_seed_makes_the_same_decisions_on_every_python(self, root):
        cluster = FakeCluster(root, seed=7)
        cluster.fault("ListInstances", probability=0.5)
        assert cluster.seed == 7
        assert [fails(cluster["node1"].ListInstances) for _ in range(20)] == [
            *(True, True, False, True, False, True, True, False, True, True),
            *(True, True, True, False, True, True, False, False, False, True),
        ]

    def test_a_fresh_seed_is_told_and_makes_the_same_decisions_again(self, root):
        def decisions(cluster):
            cluster.fault("ListInstances", probability=0.5)
            return [fails(cluster["node1"].ListInstances) for _ in range(64)]

        first = FakeCluster(root.child("first"))
        assert decisions(first) == decisions(FakeCluster(root.child("again"), seed=first.seed))

    def test_fresh_seeds_differ(self, root):
        assert len({FakeCluster(root).seed for _ in range(5)}) > 1

    def test_other_calls_change_no_decision(self, root):
        cluster = FakeCluster(root, seed=7)
        cluster.fault("ListInstances", probability=0.5)
        found = []
        for _ in range(10):
            cluster["node2"].GetNodeInfo()
            found.append(fails(cluster["node1"].ListInstances))
        assert found == [True, True, False, True, False, True, True, False, True, True]

    def test_a_call_that_is_struck_anyway_takes_no_decision(self, root):
        cluster = FakeCluster(root, seed=7)
        cluster.fault("ListInstances", probability=0.5)
        cluster.fault("GetNodeInfo", probability=1)
        found = []
        for _ in range(10):
            assert fails(cluster["node2"].GetNodeInfo)
            found.append(fails(cluster["node1"].ListInstances))
        assert found == [True, True, False, True, False, True, True, False, True, True]

    def test_a_call_that_passes_anyway_takes_no_decision(self, root):
        cluster = FakeCluster(root, seed=7)
        cluster.fault("ListInstances", probability=0.5, after=3, times=2)
        struck = [fails(cluster["node1"].ListInstances) for _ in range(8)]
        assert struck == [False, False, False, True, True, False, False, False]

    def test_of_two_calls_that_come_together_a_late_one_time_fault_strikes_one(self, cluster, node1):
        """Both are chosen before either has had its effect."""
        fault = cluster.fault("RebootInstance", when="after", times=1)
        told = []

        def ask():
            try:
                told.append(node1.RebootInstance(node1.instance("web1")))
            except HypervisorError as error:
                told.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        arrived = threading.Barrier(3)

        class Meeting(list):
            """Where the door looks for holds, once a fault is chosen."""

            def __bool__(self):
                arrived.wait(60)
                return False

        cluster._shared.door.holds = Meeting()
        for thread in threads:
            thread.start()
        arrived.wait(60)
        for thread in threads:
            thread.join(60)
        assert sorted(map(str, told)) == ["Injected fault: RebootInstance on node1", "None"]
        assert (fault.seen, fault.fired) == (2, 1)

    def test_five_times_are_five_times_from_any_number_of_threads(self, cluster, node1):
        for when in ("before", "after"):
            fault = cluster.fault("ListInstances", times=5, when=when)
            struck = []

            def work(struck=struck):
                struck.extend(fails(node1.ListInstances) for _ in range(100))

            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert (len(struck), struck.count(True)) == (800, 5)
            assert (fault.seen, fault.fired) == (800, 5)
            fault.withdraw()


class TestWhichOfSeveral:
    def said(self, function, *args):
        with pytest.raises(HypervisorError) as caught:
            function(*args)
        return str(caught.value)

    def test_the_most_narrowed_one(self, cluster, node1, node2):
        web1, web2 = (node1.instance(name) for name in ("web1", "web2"))
        cluster.fault("*", error="any")
        cluster.fault("RebootInstance", error="method")
        cluster.fault("RebootInstance", node="node1", error="method, node")
        cluster.fault("RebootInstance", node="node1", instance="web1", error="method, node, instance")
        assert self.said(node1.RebootInstance, web1) == "method, node, instance"
        assert self.said(node1.RebootInstance, web2) == "method, node"
        assert self.said(node2.RebootInstance, web2) == "method"
        assert self.said(node2.ListInstances) == "any"

    @pytest.mark.parametrize("first", ["node", "instance"])
    def test_of_equals_the_one_declared_first(self, cluster, node1, first):
        narrowings = {"node": "node1", "instance": "web1"}
        for key in sorted(narrowings, key=lambda each: each != first):
            cluster.fault("RebootInstance", **{key: narrowings[key]}, error=key)
        assert self.said(node1.RebootInstance, node1.instance("web1")) == first

    def test_one_that_is_used_up_gives_way(self, cluster, node1):
        cluster.fault("ListInstances", times=1, error="first")
        cluster.fault("ListInstances", times=1, error="second")
        cluster.fault("*", error="any")
        said = [self.said(node1.ListInstances) for _ in range(3)]
        assert said == ["first", "second", "any"]

    def test_a_late_one_that_is_used_up_gives_way(self, cluster, node1):
        cluster.fault("ListInstances", when="after", times=1, error="late")
        cluster.fault("*", error="any")
        assert [self.said(node1.ListInstances) for _ in range(2)] == ["late", "any"]

    def test_one_whose_turn_has_not_come_gives_way(self, cluster, node1):
        narrow = cluster.fault("ListInstances", after=1, error="narrow")
        wide = cluster.fault("*", error="wide")
        assert [self.said(node1.ListInstances) for _ in range(2)] == ["wide", "narrow"]
        assert (narrow.seen, narrow.fired, wide.seen, wide.fired) == (2, 1, 2, 1)

    def test_one_that_is_withdrawn_gives_way(self, cluster, node1):
        fault = cluster.fault("ListInstances", error="narrow")
        cluster.fault("*", error="wide")
        fault.withdraw()
        assert self.said(node1.ListInstances) == "wide"
