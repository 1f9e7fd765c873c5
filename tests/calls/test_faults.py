"""What a fault does to a call that it strikes."""

import pytest
from striking import declared, fails

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, InstanceSpec, NodeDownError
from pytest_fakehv.machine import Time


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

    def test_a_class_that_works_on_its_text(self, cluster, node1):
        class Prefixed(Exception):  # noqa: N818
            def __init__(self, text):
                super().__init__("virt: " + text)

        cluster.fault("ListInstances", error=Prefixed)
        with pytest.raises(Prefixed, match=r"^virt: Injected fault: ListInstances on node1$"):
            node1.ListInstances()

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
        monkeypatch.setattr(Time, "sleep", slept.append)
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
