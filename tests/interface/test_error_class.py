"""A user's own class of errors, which the code under test catches and which knows nothing of ours."""

import asyncio
import multiprocessing
import os
import pickle
import shutil
import traceback

import pytest

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HotplugError,
    HypervisorError,
    NodeDownError,
    NodeSpec,
)


class VirtError(Exception):
    """What production code has."""

    def __init__(self, message):
        super().__init__(message)
        self.message = message


class Virt(FakeHypervisor):
    error_class = VirtError


class UnreachableError(ConnectionError):
    """One whose objects Python lays out otherwise."""


class Unreachable(FakeHypervisor):
    error_class = UnreachableError


@pytest.fixture(params=[Virt, Unreachable])
def cluster(request):
    return FakeCluster.in_memory(hypervisor=request.param)


@pytest.fixture
def kind(cluster):
    return cluster.nodes[0].error_class


def caught(kind, function, *args, **kwargs):
    with pytest.raises(kind) as info:
        function(*args, **kwargs)
    return info.value


class TestWhatIsRaised:
    def test_a_failed_call(self, cluster, kind):
        web1 = cluster.instance("web1")
        error = caught(kind, cluster["node1"].StopInstance, web1)
        assert isinstance(error, HypervisorError)
        assert str(error) == "Failed to stop instance web1: not running"
        assert (type(error).__name__, type(error).__module__) == (kind.__name__, __name__)
        assert cluster.journal[-1].error is error
        again = caught(kind, cluster["node2"].StopInstance, web1)
        assert type(again) is type(error)

    def test_its_constructor_is_called(self):
        hv = Virt.in_memory()
        assert caught(VirtError, hv.StopInstance, hv.instance("web1")).message == (
            "Failed to stop instance web1: not running"
        )

    def test_where_it_is_from_is_seen(self, cluster, kind):
        error = caught(kind, cluster["node1"].StopInstance, cluster.instance("web1"))
        shown = "".join(traceback.format_exception(error))
        assert "During handling" not in shown
        assert "direct cause" not in shown
        assert "in caught" in shown
        assert "in fail" in shown

    def test_a_cause_stays_one(self, tmp_path):
        hv = Virt(tmp_path / "root", spec=NodeSpec("node1"))
        shutil.rmtree(tmp_path / "root")
        error = caught(VirtError, hv.ListInstances)
        assert isinstance(error.__cause__, OSError)

    def test_a_node_that_is_down(self, cluster, kind):
        cluster["node1"].crash()
        error = caught(kind, cluster["node1"].ListInstances)
        assert isinstance(error, NodeDownError)
        assert str(error) == "node1 does not answer"

    def test_a_node_that_goes_down_in_a_call(self):
        class Fragile(Virt):
            def RebootInstance(self, instance):
                self.crash()
                raise HypervisorError("the monitor is gone")

        hv = Fragile.in_memory(spec=NodeSpec("node1"))
        error = caught(VirtError, hv.RebootInstance, hv.instance("web1"))
        assert isinstance(error, NodeDownError)
        assert hv.journal[-1].error is error
        assert str(error.__cause__) == "the monitor is gone"

    def test_a_device(self, cluster, kind):
        error = caught(kind, cluster["node1"].HotplugSupported, cluster.instance("web1"))
        assert isinstance(error, HotplugError)

    def test_on_the_class(self):
        error = caught(VirtError, Virt.CheckParameterSyntax, {})
        assert isinstance(error, HypervisorError)
        assert str(error) == "Parameter 'migration_mode' is missing"
        assert Virt.CheckParameterSyntax({"migration_mode": "live"}) is None

    def test_it_can_be_pickled(self, cluster, kind):
        cluster["node1"].crash()
        error = caught(kind, cluster["node1"].ListInstances)
        copied = pickle.loads(pickle.dumps(error))
        assert (type(copied), copied.args) == (type(error), ("node1 does not answer",))

    def test_what_was_noted_of_it_is_kept(self, cluster, kind):
        cluster["node1"].crash()
        error = caught(kind, cluster["node1"].ListInstances)
        error.add_note("on the way to node2")
        assert pickle.loads(pickle.dumps(error)).__notes__ == ["on the way to node2"]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the system can't fork")
    def test_in_another_process(self, cluster):
        with multiprocessing.get_context("fork").Pool(1) as pool:
            said = pool.apply(stop, (cluster["node1"],))
        assert said == "Failed to stop instance web1: not running"

    def test_the_reference_driver_says_it(self, cluster, kind):
        cluster.add_instance("web1", node="node1")
        cluster.fault("AcceptInstance", error="no room")
        result = cluster.migrate("web1", to="node2")
        assert result.error == f"AcceptInstance on node2 raised {kind.__name__}: no room"

    def test_the_tests_own_methods_raise_ours(self):
        error = caught(HypervisorError, lambda: Virt.in_memory().root)
        assert type(error) is HypervisorError


def stop(node):
    try:
        node.StopInstance(node.instance("web1"))
    except node.error_class as error:
        return str(error) if isinstance(error, HypervisorError) else None


class TestFaults:
    def test_with_a_text_or_nothing(self, cluster, kind):
        cluster.fault("ListInstances", error="the monitor hangs", times=1)
        cluster.fault("ListInstances", times=1)
        cluster.fault("ListInstances", crash=True, times=1)
        node = cluster["node1"]
        assert [str(caught(kind, node.ListInstances)) for _ in range(3)] == [
            "the monitor hangs",
            "Injected fault: ListInstances on node1",
            "node1 does not answer",
        ]

    @pytest.mark.parametrize(
        "given", [HypervisorError("as it is"), OSError("as it is"), VirtError("as it is")]
    )
    def test_what_is_given_is_raised_as_it_is(self, cluster, given):
        before = type(given)
        cluster.fault("ListInstances", error=given)
        error = caught(Exception, cluster["node1"].ListInstances)
        assert error is given
        assert type(error) is before

    def test_so_is_a_class(self, cluster):
        cluster.fault("ListInstances", error=NodeDownError)
        assert type(caught(Exception, cluster["node1"].ListInstances)) is NodeDownError

    def test_but_not_what_a_struck_call_raises_itself_where_another_fault_has_that_class(self, cluster, kind):
        cluster.fault("ListInstances", error=HypervisorError, optional=True)
        cluster.fault("StopInstance", delay=1)
        error = caught(kind, cluster["node1"].StopInstance, cluster.instance("web1"))
        assert str(error) == "Failed to stop instance web1: not running"


class OwnError(HypervisorError):
    """One of a test's own."""


class TestSubclasses:
    def test_what_its_own_code_raises(self):
        class Own(Virt):
            def _MarkDown(self, instance_name):
                raise HypervisorError(f"{instance_name} hangs")

            def RebootInstance(self, instance):
                raise OwnError("another kind")

        hv = Own.in_memory(spec=NodeSpec("node1"))
        web1 = hv.add_instance("web1")
        assert str(caught(VirtError, hv.StopInstance, web1)) == "web1 hangs"
        assert type(caught(HypervisorError, hv.RebootInstance, web1)) is OwnError

    def test_what_it_calls_itself(self):
        class Own(Virt):
            def StopInstance(self, instance, **keywords):
                try:
                    super().StopInstance(instance, **keywords)
                except VirtError as error:
                    raise VirtError(f"own: {error}") from error

        hv = Own.in_memory(spec=NodeSpec("node1"))
        error = caught(VirtError, hv.StopInstance, hv.instance("web1"))
        assert str(error) == "own: Failed to stop instance web1: not running"

    def test_what_is_its_own_kind_stays_so_on_its_way(self):
        class Base(Virt):
            def RebootInstance(self, instance):
                raise OwnError("another kind")

        class Own(Base):
            def RebootInstance(self, instance):
                super().RebootInstance(instance)

        hv = Own.in_memory(spec=NodeSpec("node1"))
        assert type(caught(OwnError, hv.RebootInstance, hv.instance("web1"))) is OwnError

    def test_a_coroutine_and_a_generator(self):
        class Own(Virt):
            async def RebootInstance(self, instance):
                await asyncio.sleep(0)
                raise HypervisorError("no reboot")

            def ListInstances(self, hvparams=None):
                yield "web1"
                raise HypervisorError("no more")

        hv = Own.in_memory(spec=NodeSpec("node1"))
        error = caught(VirtError, asyncio.run, hv.RebootInstance(hv.instance("web1")))
        assert str(error) == "no reboot"
        assert str(caught(VirtError, list, hv.ListInstances())) == "no more"

    def test_one_that_is_ours_already(self):
        class Own(FakeHypervisor):
            error_class = OwnError

        hv = Own.in_memory(spec=NodeSpec("node1"))
        assert type(caught(OwnError, hv.StopInstance, hv.instance("web1"))) is OwnError
        hv.crash()
        assert isinstance(caught(OwnError, hv.ListInstances), NodeDownError)

    def test_a_wider_one(self):
        class Own(FakeHypervisor):
            error_class = Exception

        hv = Own.in_memory(spec=NodeSpec("node1"))
        assert type(caught(Exception, hv.StopInstance, hv.instance("web1"))) is HypervisorError


class TwoError(Exception):
    def __init__(self, host, port):
        super().__init__(host, port)


class MuteError(Exception):
    def __str__(self):
        return "something went wrong"


class FinalError(Exception):
    def __init_subclass__(cls):
        raise TypeError("it is final")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (5, " must be a class of exceptions, not 5"),
        (VirtError("a"), " must be a class of exceptions, not VirtError('a')"),
        (KeyboardInterrupt, " must be a class of exceptions, not <class 'KeyboardInterrupt'>"),
        (MuteError, ": MuteError doesn't say the text that it is made of"),
        (FinalError, ": FinalError can't be mixed with HypervisorError: it is final"),
        (TwoError, ": TwoError can't be made of a text alone: TypeError: "),
    ],
)
def test_a_wrong_one_is_refused_where_it_is_declared(given, problem):
    with pytest.raises(DeclarationError) as info:
        type("Own", (FakeHypervisor,), {"error_class": given})
    assert str(info.value).startswith(f"error_class of Own{problem}")
    assert "\n" not in str(info.value)


class BothError(HypervisorError, VirtError):
    """What a class of the user's own raises that knows both."""


def test_on_the_class_what_is_both_already_is_raised_as_it_is():
    error = BothError("wrong")

    class Own(Virt):
        @classmethod
        def AssessParameters(cls, hvparams):
            raise error

    with pytest.raises(VirtError) as caught:
        Own.AssessParameters({})
    assert caught.value is error
