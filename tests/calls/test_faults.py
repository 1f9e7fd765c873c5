"""Faults: which calls they strike, what they do to them, and what is said of one that never fired."""

import threading
import time

import pytest

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HypervisorError,
    InstanceSpec,
    NodeDownError,
    NodeSpec,
)


@pytest.fixture
def cluster(root) -> FakeCluster:
    """Two nodes, the second with an address; web1 and web2 run on the first."""
    return FakeCluster(
        root,
        NodeSpec("node1"),
        NodeSpec("node2", address="192.0.2.2"),
        instances=[InstanceSpec("web1"), InstanceSpec("web2")],
    )


@pytest.fixture
def node1(cluster) -> FakeHypervisor:
    return cluster["node1"]


@pytest.fixture
def node2(cluster) -> FakeHypervisor:
    return cluster["node2"]


def fails(function, *args):
    """Tell whether a call is struck by a fault without an error of its own."""
    try:
        function(*args)
    except HypervisorError as error:
        return str(error).startswith("Injected fault: ")
    return False


def declared(function, *args, **kwargs):
    """Return what is said of a wrong declaration."""
    with pytest.raises(DeclarationError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def drive(cluster):
    """Migrate web1 with each of a migration's methods, and say which of them were struck."""
    node1, node2 = cluster
    web1 = node1.instance("web1")
    steps = [
        (node1.MigrationInfo, web1),
        (node2.AcceptInstance, web1, "", "node2"),
        (node1.MigrateInstance, "cluster", web1, "node2", True),
        (node1.GetMigrationStatus, web1),
        (node1.FinalizeMigrationSource, web1, False, True),
        (node2.FinalizeMigrationDst, web1, "", False),
    ]
    return {step[0].__name__ for step in steps if fails(*step)}


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

        cluster.shared.door.holds = Meeting()
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


class TestWhatItRaises:
    def test_without_an_error_it_says_where_it_is_from(self, cluster, node2):
        cluster.fault("ListInstances")
        with pytest.raises(HypervisorError) as caught:
            node2.ListInstances()
        assert type(caught.value) is HypervisorError
        assert str(caught.value) == "Injected fault: ListInstances on node2"

    def test_a_text(self, cluster, node1):
        cluster.fault("ListInstances", error="xend is gone")
        with pytest.raises(HypervisorError) as caught:
            node1.ListInstances()
        assert type(caught.value) is HypervisorError
        assert str(caught.value) == "xend is gone"

    def test_an_empty_text(self, cluster, node1):
        cluster.fault("ListInstances", error="")
        with pytest.raises(HypervisorError) as caught:
            node1.ListInstances()
        assert caught.value.args == ("",)

    @pytest.mark.parametrize(
        "error", [OSError(28, "No space left"), KeyboardInterrupt(), HypervisorError("x")], ids=repr
    )
    def test_an_exception_as_it_is(self, cluster, node1, error):
        cluster.fault("StartInstance", error=error, times=2)
        for _ in range(2):
            with pytest.raises(type(error)) as caught:
                node1.StartInstance(node1.instance("web3"), [], False)
            assert caught.value is error
        assert cluster.journal[-1].error is error

    def test_a_class_with_the_default_text(self, cluster, node1):
        cluster.fault("ListInstances", error=TimeoutError)
        with pytest.raises(TimeoutError) as caught:
            node1.ListInstances()
        assert caught.value.args == ("Injected fault: ListInstances on node1",)

    def test_a_class_that_takes_no_argument(self, cluster, node1):
        class Silent(Exception):  # noqa: N818
            def __init__(self):
                super().__init__("silent")

        cluster.fault("ListInstances", error=Silent)
        with pytest.raises(Silent) as caught:
            node1.ListInstances()
        assert caught.value.args == ("silent",)

    def test_a_class_that_needs_more_is_refused(self, cluster):
        assert declared(cluster.fault, "ListInstances", error=UnicodeDecodeError) == (
            "error: a UnicodeDecodeError needs arguments; give one that is made already"
        )
        assert cluster.faults == []

    def test_the_journal_has_it(self, cluster, node1):
        cluster.fault("ListInstances")
        fails(node1.ListInstances)
        (call,) = cluster.journal
        assert (call.ended, call.result, str(call.error)) == (
            True,
            None,
            "Injected fault: ListInstances on node1",
        )


class TestWhen:
    def test_before_the_call_has_no_effect(self, cluster, node1):
        cluster.fault("StopInstance")
        assert fails(node1.StopInstance, node1.instance("web1"))
        cluster.assert_running("web1", on="node1")

    def test_after_the_call_had_its_effect(self, cluster, node1):
        cluster.fault("StopInstance", when="after")
        assert fails(node1.StopInstance, node1.instance("web1"))
        cluster.assert_stopped("web1")

    def test_an_effect_that_raises_itself_is_not_struck(self, cluster, node1):
        fault = cluster.fault("StopInstance", when="after", times=1)
        with pytest.raises(HypervisorError) as caught:
            node1.StopInstance(node1.instance("web3"))
        assert str(caught.value) == "Failed to stop instance web3: not running"
        assert (fault.seen, fault.fired) == (1, 0)
        assert fails(node1.StopInstance, node1.instance("web1"))
        assert fault.fired == 1


class TestDelay:
    @pytest.mark.parametrize("mode", ["polls", "manual"])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_time_passes_and_the_call_works(self, root, mode, when):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], clock=mode)
        fault = cluster.fault("StopInstance", delay=2.5, when=when)
        cluster["node1"].StopInstance(cluster["node1"].instance("web1"))
        assert cluster.clock.now == 2.5
        assert fault.fired == 1
        cluster.assert_stopped("web1")

    def test_the_machines_clock_is_slept(self, root, monkeypatch):
        slept = []
        monkeypatch.setattr(time, "sleep", slept.append)
        cluster = FakeCluster(root, clock="real")
        cluster.fault("ListInstances", delay=0.25)
        assert cluster["node1"].ListInstances() == []
        assert slept == [0.25]

    def test_then_its_error(self, cluster, node1):
        cluster.fault("ListInstances", delay=30, error=TimeoutError)
        with pytest.raises(TimeoutError):
            node1.ListInstances()
        assert cluster.clock.now == 30

    def test_a_migration_goes_on_meanwhile(self, cluster, node1, node2):
        web1 = node1.instance("web1")
        cluster.script_migration("web1", bandwidth=1024)
        node2.AcceptInstance(web1, "", "node2")
        node1.MigrateInstance("cluster", web1, "node2", True)
        cluster.fault("ListInstances", delay=1)
        node2.ListInstances()
        assert cluster.migrations[0].outcome == "completed"


class TestCrash:
    def test_before_the_effect(self, cluster, node1):
        cluster.fault("StartInstance", crash=True)
        with pytest.raises(NodeDownError) as caught:
            node1.StartInstance(node1.instance("web3"), [], False)
        assert str(caught.value) == "node1 does not answer"
        assert node1.unreachable == "is down"
        assert node1.instance_names == []
        with pytest.raises(NodeDownError):
            node1.ListInstances()
        node1.boot()
        assert node1.ListInstances() == []
        cluster.assert_consistent()

    def test_after_the_effect(self, cluster, node1, node2):
        web1 = node1.instance("web1")
        node2.AcceptInstance(web1, "", "node2")
        node1.MigrateInstance("cluster", web1, "node2", True)
        assert node1.GetMigrationStatus(web1).status == "completed"
        cluster.fault("FinalizeMigrationSource", crash=True, when="after")
        with pytest.raises(NodeDownError):
            node1.FinalizeMigrationSource(web1, True, True)
        assert cluster.migrations[0].finalized_on_source is True
        node2.FinalizeMigrationDst(web1, "", True)
        assert cluster.placement() == {"web1": "node2"}
        cluster.assert_consistent()

    def test_with_an_error(self, cluster, node1):
        cluster.fault("ListInstances", crash=True, error="connection reset")
        with pytest.raises(HypervisorError) as caught:
            node1.ListInstances()
        assert type(caught.value) is HypervisorError
        assert str(caught.value) == "connection reset"
        assert node1.unreachable == "is down"

    def test_after_a_delay(self, cluster, node1):
        cluster.fault("ListInstances", crash=True, delay=4)
        with pytest.raises(NodeDownError):
            node1.ListInstances()
        assert cluster.clock.now == 4

    def test_the_other_nodes_go_on(self, cluster, node1, node2):
        node1.fault("ListInstances", crash=True)
        with pytest.raises(NodeDownError):
            node1.ListInstances()
        assert node2.ListInstances() == []


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


def test_an_exception_that_is_raised_again_and_again_does_not_grow(cluster, node1):
    error = OSError("no")
    cluster.fault("ListInstances", error=error)
    depths = []
    for _ in range(3):
        with pytest.raises(OSError, match="no") as caught:
            node1.ListInstances()
        depths.append(len(caught.traceback))
    assert len(set(depths)) == 1


def test_a_delay_in_which_the_node_goes_down(cluster, node1, monkeypatch):
    fault = cluster.fault("ListInstances", delay=5)
    monkeypatch.setattr(cluster.clock, "sleep", lambda seconds: node1.crash())
    with pytest.raises(NodeDownError):
        node1.ListInstances()
    assert fault.fired == 1


def test_the_report_says_which_errors_were_injected(cluster, node1):
    cluster.fault("StartInstance", when="after", error="flaky")
    fails(node1.StartInstance, node1.instance("web3"), [], False)
    assert "-> HypervisorError: flaky (fault at " in cluster.describe()
    assert ", after its effect)" in " ".join(cluster.describe().split())


class TestHandle:
    def test_what_it_tells(self, cluster, node1):
        fault = cluster.fault("ListInstances", node="node1", after=1, error="gone")
        assert cluster.faults == [fault]
        assert node1.faults == [fault]
        assert (fault.seen, fault.fired, fault.withdrawn) == (0, 0, False)
        node1.ListInstances()
        assert (fault.seen, fault.fired) == (1, 0)
        with pytest.raises(HypervisorError):
            node1.ListInstances()
        assert (fault.seen, fault.fired) == (2, 1)
        assert repr(fault) == ("<fault('ListInstances', node='node1', error='gone', after=1) fired 1 times>")
        assert fault.origin == f"{cluster.journal[0].place.rpartition(':')[0]}:{cluster.journal[0].line - 4}"

    def test_withdrawn_it_strikes_no_more(self, cluster, node1):
        fault = cluster.fault("ListInstances")
        assert fails(node1.ListInstances)
        fault.withdraw()
        assert not fails(node1.ListInstances)
        assert (fault.seen, fault.fired, fault.withdrawn) == (1, 1, True)

    def test_as_a_context_manager_it_is_withdrawn_at_the_end(self, cluster, node1):
        with cluster.fault("ListInstances") as fault:
            assert fails(node1.ListInstances)
        assert not fails(node1.ListInstances)
        assert (fault.fired, fault.withdrawn) == (1, True)

    def test_as_a_context_manager_it_is_withdrawn_when_the_block_raises(self, cluster, node1):
        with pytest.raises(HypervisorError, match=r"^Injected fault"), cluster.fault("ListInstances"):
            node1.ListInstances()
        assert not fails(node1.ListInstances)


class Own(FakeHypervisor):
    """A user's own class, with a log of its own."""

    def StartInstance(self, instance, block_devices, startup_paused):
        super().StartInstance(instance, block_devices, startup_paused)
        self.RebootInstance(instance)

    def RebootInstance(self, instance):
        self.reboots = getattr(self, "reboots", 0) + 1
        super().RebootInstance(instance)


class TestOtherClasses:
    @pytest.fixture
    def own(self, root) -> Own:
        return FakeCluster(root, hypervisor=Own)["node1"]

    def test_an_override_is_struck_before_any_of_it_happens(self, own):
        own.fault("RebootInstance", times=1)
        assert fails(own.RebootInstance, own.instance("web1"))
        assert not hasattr(own, "reboots")
        own.RebootInstance(own.instance("web1"))
        assert own.reboots == 1

    def test_an_override_that_calls_super_is_one_call(self, own):
        fault = own.fault("RebootInstance", after=1)
        assert [fails(own.RebootInstance, own.instance("web1")) for _ in range(2)] == [False, True]
        assert (fault.seen, fault.fired) == (2, 1)

    def test_what_a_method_calls_itself_is_not_struck(self, own):
        fault = own.fault("RebootInstance", optional=True)
        own.StartInstance(own.instance("web1"), [], False)
        own.assert_running("web1")
        assert (own.reboots, fault.seen) == (1, 0)

    def test_class_and_static_methods_called_on_a_node_are_struck(self, own):
        own.fault("CheckParameterSyntax")
        own.fault("VersionsSafeForMigration")
        assert fails(own.CheckParameterSyntax, {"migration_mode": "live"})
        assert fails(own.VersionsSafeForMigration, 1, 1)
        assert not fails(Own.CheckParameterSyntax, {"migration_mode": "live"})

    def test_a_node_of_no_cluster(self, tmp_path):
        hv = FakeHypervisor(root=tmp_path, seed=7)
        hv.fault("ListInstances", probability=0.5, node="localhost")
        assert [fails(hv.ListInstances) for _ in range(5)] == [True, True, False, True, False]
        hv.fault("StartInstance", crash=True)
        with pytest.raises(NodeDownError, match=r"^localhost does not answer$"):
            hv.StartInstance(hv.instance("web1"), [], False)
        hv.boot()
        assert not fails(hv.GetNodeInfo)


METHOD = "the interface has no method"
WRONG = [
    (("StratInstance",), {}, f"{METHOD} 'StratInstance'; nearest: StartInstance"),
    (("xyz",), {}, f"{METHOD} 'xyz'"),
    (("add_instance",), {}, f"{METHOD} 'add_instance'; nearest: StartInstance"),
    (("",), {}, f"{METHOD} ''"),
    ((5,), {}, f"{METHOD} 5"),
    (([],), {}, f"{METHOD} []"),
    (("ListInstances",), {"node": "node3"}, "no node is named 'node3'; there are: node1, node2"),
    (("ListInstances",), {"node": 1}, "no node is named 1; there are: node1, node2"),
    (("StopInstance",), {"instance": ""}, "instance is invalid: '': it is empty"),
    (("StopInstance",), {"instance": 5}, "instance is invalid: 5: it is of type int, not a text"),
    (
        ("MigrateInstance",),
        {"phase": "start"},
        "phase must be one of 'prepare', 'transfer', 'finalize', not 'start'",
    ),
    (("MigrateInstance",), {"side": "both"}, "side must be one of 'source', 'target', not 'both'"),
    (("MigrateInstance",), {"side": ["source"]}, "side must be one of 'source', 'target', not ['source']"),
    (
        ("MigrateInstance",),
        {"phase": "finalize"},
        "phase='finalize' can't be: MigrateInstance is of the phase 'transfer'",
    ),
    (
        ("AcceptInstance",),
        {"side": "source"},
        "side='source' can't be: AcceptInstance is of the side 'target'",
    ),
    (
        ("StartInstance",),
        {"phase": "prepare"},
        "phase='prepare' can't be: StartInstance is no part of a migration",
    ),
    (
        ("StartInstance",),
        {"side": "target"},
        "side='target' can't be: StartInstance is no part of a migration",
    ),
    (
        ("*",),
        {"phase": "transfer", "side": "target"},
        "side='target' can't be: nothing of the phase 'transfer' is called there",
    ),
    (("ListInstances",), {"when": "during"}, "when must be one of 'before', 'after', not 'during'"),
    (("ListInstances",), {"when": None}, "when must be one of 'before', 'after', not None"),
    (("ListInstances",), {"after": -1}, "after must be an integer that is not negative, not -1"),
    (("ListInstances",), {"after": 1.5}, "after must be an integer that is not negative, not 1.5"),
    (("ListInstances",), {"times": 0}, "times must be a positive integer, not 0"),
    (("ListInstances",), {"times": True}, "times must be a positive integer, not True"),
    (("ListInstances",), {"probability": 1.5}, "probability must be a number from 0 to 1, not 1.5"),
    (("ListInstances",), {"probability": -0.5}, "probability must be a number from 0 to 1, not -0.5"),
    (
        ("ListInstances",),
        {"probability": float("nan")},
        "probability must be a number from 0 to 1, not nan",
    ),
    (("ListInstances",), {"probability": "1"}, "probability must be a number from 0 to 1, not '1'"),
    (("ListInstances",), {"delay": -1}, "delay must be a number that is not negative, not -1"),
    (("ListInstances",), {"delay": None}, "delay must be a number that is not negative, not None"),
    (("ListInstances",), {"crash": 1}, "crash must be one of True, False, not 1"),
    (("ListInstances",), {"optional": "no"}, "optional must be one of True, False, not 'no'"),
    (
        ("ListInstances",),
        {"error": 5},
        "error must be a text, an exception or a class of exceptions, not 5",
    ),
    (
        ("ListInstances",),
        {"error": int},
        "error must be a text, an exception or a class of exceptions, not <class 'int'>",
    ),
]


@pytest.mark.parametrize(("args", "kwargs", "text"), WRONG, ids=lambda each: str(each)[:40])
def test_a_wrong_argument(cluster, args, kwargs, text):
    assert declared(cluster.fault, *args, **kwargs) == text
    assert cluster.faults == []


def test_a_node_knows_itself_alone(node1):
    assert declared(node1.fault, "ListInstances", node="node2") == (
        "node1 knows of itself alone; ask the cluster of node2"
    )


def test_a_wrong_seed(root):
    for seed in (-1, True, "7"):
        assert declared(FakeCluster, root, seed=seed) == (
            f"seed must be an integer that is not negative, not {seed!r}"
        )


class TestUnfired:
    def what(self, cluster):
        """Return what is said, with the faults' origins left out."""
        found = cluster.violations()
        assert {each.invariant for each in found} <= {"unfired"}
        texts = []
        for each in found:
            assert each.call is each.instance is None
            assert each.fault in cluster.faults
            texts.append(each.what.replace(f" at {each.fault.origin}", ""))
        return texts

    def test_the_call_never_came(self, cluster):
        cluster.fault("StartInstance", instance="web1")
        assert self.what(cluster) == [
            "fault('StartInstance', instance='web1') never fired: no such call came"
        ]

    def test_where_it_was_declared(self, cluster):
        fault = cluster.fault("StartInstance")
        assert fault.origin.startswith("tests/calls/test_faults.py:")
        (found,) = cluster.violations()
        assert found.what == f"fault('StartInstance') at {fault.origin} never fired: no such call came"

    def test_it_came_on_other_nodes(self, cluster, node1):
        cluster.fault("ListInstances", node="node2")
        node1.ListInstances()
        assert self.what(cluster) == [
            (
                "fault('ListInstances', node='node2') never fired: no such call came, "
                "though ListInstances was called on node1"
            )
        ]

    @pytest.mark.parametrize(("calls", "often"), [(1, "once"), (2, "2 times")])
    def test_too_few_came(self, cluster, node1, calls, often):
        cluster.fault("ListInstances", after=2)
        for _ in range(calls):
            node1.ListInstances()
        assert self.what(cluster) == [
            f"fault('ListInstances', after=2) never fired: such a call came {often} alone, and 2 were to pass"
        ]

    def test_it_was_never_its_turn(self, cluster, node1):
        cluster.fault("ListInstances", probability=0)
        for _ in range(3):
            node1.ListInstances()
        assert self.what(cluster) == [
            (
                "fault('ListInstances', probability=0) never fired: "
                "such a call came 3 times; the last time, chance spared it, at a probability of 0"
            )
        ]

    def test_a_narrower_one_struck_instead(self, cluster, node1):
        cluster.fault("ListInstances")
        cluster.fault("ListInstances", node="node1")
        fails(node1.ListInstances)
        assert self.what(cluster) == [
            (
                "fault('ListInstances') never fired: such a call came once; "
                "the last time, fault('ListInstances', node='node1') struck instead"
            )
        ]

    def test_the_call_itself_raised(self, cluster, node1):
        cluster.fault("StopInstance", when="after")
        fails(node1.StopInstance, node1.instance("nobody"))
        assert self.what(cluster) == [
            (
                "fault('StopInstance', when='after') never fired: such a call came once; "
                "the last time, the call itself raised"
            )
        ]

    def test_one_that_fired_is_quiet(self, cluster, node1):
        cluster.fault("ListInstances", times=1)
        fails(node1.ListInstances)
        assert self.what(cluster) == []

    def test_an_optional_one_is_quiet(self, cluster):
        cluster.fault("ListInstances", optional=True)
        assert self.what(cluster) == []

    def test_one_that_was_withdrawn_counts(self, cluster, node1):
        with cluster.fault("ListInstances"):
            pass
        node1.ListInstances()
        assert self.what(cluster) == [
            (
                "fault('ListInstances') never fired: no such call came, "
                "though ListInstances was called on node1"
            )
        ]

    def test_the_assertion(self, cluster):
        fault = cluster.fault("ListInstances")
        with pytest.raises(AssertionError) as caught:
            cluster.assert_consistent()
        assert str(caught.value) == (
            f"unfired: fault('ListInstances') at {fault.origin} never fired: no such call came\n"
            "  a correct test makes the call that its fault is about; one that may never fire is declared "
            "optional"
        )
        cluster.assert_consistent(allow=["unfired"])


# Through pytest

PRELUDE = """
import pytest
from pytest import mark
from pytest_fakehv import HypervisorError, NodeDownError

class NeedsTwo(Exception):
    def __init__(self, one, two): ...

"""


def run(pytester, source, *args):
    pytester.makepyfile(PRELUDE + source)
    return pytester.runpytest_subprocess("-p", "no:randomly", *args)


def test_markers_declare_faults(pytester):
    run(
        pytester,
        """
pytestmark = mark.fakehv_fault("GetNodeInfo", error="module")

@mark.fakehv_fault("ListInstances", error="class", times=1)
class TestIt:
    @mark.fakehv_fault("ListInstances", error="function", times=1)
    @mark.fakehv_fault("MigrationInfo", node="node2", crash=True)
    def test_it(self, fakehv, fakehv_cluster):
        said = []
        for call in (fakehv.ListInstances, fakehv.ListInstances, fakehv.GetNodeInfo):
            with pytest.raises(HypervisorError) as caught:
                call()
            said.append(str(caught.value))
        assert said == ["class", "function", "module"]
        assert fakehv.ListInstances() == []
        node2 = fakehv_cluster["node2"]
        with pytest.raises(NodeDownError):
            node2.MigrationInfo(node2.instance("web1"))
        assert [fault.origin for fault in fakehv_cluster.faults] == ["its marker"] * 4
""",
    ).assert_outcomes(passed=1)


FAULT = "method, node, instance, phase, side, error, when, after, times, probability, delay, crash, optional"
WRONG_MARKERS = [
    ("fakehv_fault()", f"fakehv_fault(): missing argument 'method'; valid: {FAULT}"),
    ("fakehv_fault('A', 'B')", f"fakehv_fault('A', 'B'): argument 'B' needs a name; valid: {FAULT}"),
    ("fakehv_fault('A', method='B')", f"fakehv_fault('A'): argument 'method' is given twice; valid: {FAULT}"),
    ("fakehv_fault('A', nod=1)", f"fakehv_fault('A'): unknown argument 'nod'; valid: {FAULT}"),
    *(
        (
            f"fakehv_fault({args[0]!r}, {', '.join(f'{key}={value!r}' for key, value in kwargs.items())})",
            f"fakehv_fault({args[0]!r}): {text}",
        )
        for args, kwargs, text in WRONG
        if "nan" not in text and "<class" not in text
    ),
    (
        "fakehv_fault('ListInstances', error=int)",
        (
            "fakehv_fault('ListInstances'): "
            "error must be a text, an exception or a class of exceptions, not <class 'int'>"
        ),
    ),
    (
        "fakehv_fault('ListInstances', error=NeedsTwo)",
        ("fakehv_fault('ListInstances'): error: a NeedsTwo needs arguments; give one that is made already"),
    ),
    ("fakehv(seed=-1)", "fakehv(): seed must be an integer that is not negative, not -1"),
    ("fakehv(seed='7')", "fakehv(): seed must be an integer that is not negative, not '7'"),
    ("fakehv(seed=True)", "fakehv(): seed must be an integer that is not negative, not True"),
]


@pytest.mark.parametrize("args", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_wrong_marker_fails_its_test_alone_with_one_line(pytester, args):
    tests = "".join(
        f"@mark.{marker}\ndef test_{number}(fakehv): pass\n\n"
        for number, (marker, _) in enumerate(WRONG_MARKERS)
    )
    result = run(pytester, f"{tests}\ndef test_good(fakehv): pass\n", *args)
    result.assert_outcomes(passed=1, errors=len(WRONG_MARKERS))
    lines = result.stdout.lines
    said = {}
    for number, line in enumerate(lines):
        if "ERROR at setup of" in line:
            name = line.strip("_ ").split()[-1]
            body = lines[number + 1 :]
            end = next(i for i, each in enumerate(body) if each.startswith(("___", "===")))
            said[name] = [each for each in body[:end] if each and not each.startswith("[gw")]
    assert said == {f"test_{number}": [text] for number, (_, text) in enumerate(WRONG_MARKERS)}


def test_an_unfired_fault_of_a_marker_fails_the_test_with_its_own_lines(pytester):
    result = run(
        pytester,
        """
@mark.fakehv_fault("StartInstance", instance="web1")
def test_it(fakehv): pass

@mark.fakehv_fault("StartInstance", optional=True)
def test_optional(fakehv): pass

@mark.fakehv_fault("StartInstance")
def test_without_a_fixture(): pass
""",
    )
    result.assert_outcomes(passed=2, failed=1)
    lines = result.stdout.lines
    start = next(number for number, line in enumerate(lines) if line.startswith("____"))
    assert lines[start + 1 : start + 4] == [
        "unfired: fault('StartInstance', instance='web1') at its marker never fired: no such call came",
        (
            "  a correct test makes the call that its fault is about; one that may never fire is declared "
            "optional"
        ),
        "------------------------------------ fakehv ------------------------------------",
    ]
    assert not any("seed of random faults" in line for line in lines)


RANDOM = """
def test_random(fakehv):
    fakehv.fault("ListInstances", probability=0.5, optional=True)
    struck = []
    for _ in range(12):
        try:
            fakehv.ListInstances()
        except HypervisorError:
            struck.append("x")
        else:
            struck.append(".")
    print(f"{fakehv.seed}: {''.join(struck)}")
"""

OF_SEED_7 = "7: xx.x.xx.xxxx"


def printed(result):
    return [line for line in result.stdout.lines if line[:1].isdigit() and ": " in line]


def test_the_seed_of_the_command_line(pytester):
    result = run(pytester, RANDOM, "-rP", "--fakehv-seed=7")
    result.assert_outcomes(passed=1)
    assert printed(result) == [OF_SEED_7]
    assert "fakehv: the seed of random faults is 7" in result.stdout.lines


def test_the_seed_of_the_ini_file(pytester):
    pytester.makeini("[pytest]\nfakehv_seed = 7")
    result = run(pytester, RANDOM, "-rP")
    assert printed(result) == [OF_SEED_7]
    assert "fakehv: the seed of random faults is 7" in result.stdout.lines


def test_the_seed_of_a_marker(pytester):
    result = run(pytester, f"pytestmark = mark.fakehv(seed=7)\n{RANDOM}", "-rP")
    assert printed(result) == [OF_SEED_7]
    assert not any("the seed of random faults" in line for line in result.stdout.lines)


def test_a_marker_counts_more_than_the_command_line_and_that_more_than_the_ini_file(pytester):
    pytester.makeini("[pytest]\nfakehv_seed = 5")
    source = f"{RANDOM}\n@mark.fakehv(seed=7)\ndef test_marked(fakehv): test_random(fakehv)\n"
    result = run(pytester, source, "-rP", "--fakehv-seed=6")
    result.assert_outcomes(passed=2)
    assert "fakehv: the seed of random faults is 6" in result.stdout.lines
    first, second = sorted(printed(result))
    assert first.startswith("6: ")
    assert second == OF_SEED_7


def test_the_seed_of_a_factorys_cluster_is_the_runs_unless_given(pytester):
    run(
        pytester,
        """
def test_it(fakehv_factory):
    assert fakehv_factory().seed == 7
    assert fakehv_factory(seed=8).seed == 8
""",
        "--fakehv-seed=7",
    ).assert_outcomes(passed=1)


def test_without_a_seed_the_header_has_none_and_each_test_a_fresh_one(pytester):
    other = RANDOM.replace("test_random", "test_other")
    result = run(pytester, RANDOM + other, "-rP")
    first, second = printed(result)
    assert first.partition(":")[0] != second.partition(":")[0]
    assert not any("the seed of random faults" in line for line in result.stdout.lines)


def test_a_failure_names_the_option_that_brings_its_faults_back(pytester):
    source = f"{RANDOM}    assert 0, 'the end'\n"
    first = run(pytester, source)
    first.assert_outcomes(failed=1)
    (line,) = [each for each in first.stdout.lines if each.startswith("seed of random faults: ")]
    option = line.removeprefix("seed of random faults: ")
    assert option.startswith("--fakehv-seed=")
    again = run(pytester, source, option)
    assert printed(again) == printed(first)
    assert line in again.stdout.lines


@pytest.mark.parametrize("seed", ["x", "-1", "1.5", "", str(2**63), "9" * 5000], ids=lambda text: text[:9])
@pytest.mark.parametrize("where", ["option", "ini"])
def test_a_wrong_seed_stops_the_run(pytester, where, seed):
    if where == "ini":
        pytester.makeini(f"[pytest]\nfakehv_seed = {seed}")
    result = run(pytester, RANDOM, *[f"--fakehv-seed={seed}"] if where == "option" else [])
    assert result.ret == 4
    origin = "--fakehv-seed" if where == "option" else "fakehv_seed"
    assert [line for line in result.stderr.lines if line] == [
        f"ERROR: {origin}: seed must be an integer from 0 to 2**63 - 1, not {seed!r}"
    ]


def test_the_largest_seed(pytester):
    run(pytester, RANDOM, f"--fakehv-seed={2**63 - 1}").assert_outcomes(passed=1)


MANY = "".join(RANDOM.replace("test_random", f"test_{name}") for name in "abcd")


@pytest.mark.parametrize("how", ["in order", "in reverse", "alone", "xdist"])
def test_a_seed_makes_the_same_faults_whatever_runs_before(pytester, how):
    pytester.makepyfile(test_many=PRELUDE + MANY)
    names = {"in reverse": "dcba", "alone": "c"}.get(how, "abcd")
    ids = [f"test_many.py::test_{name}" for name in names]
    parallel = ["-n", "2"] if how == "xdist" else []
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-rP", "--fakehv-seed=7", *parallel, *ids)
    result.assert_outcomes(passed=len(names))
    assert printed(result) == [OF_SEED_7] * len(names)
