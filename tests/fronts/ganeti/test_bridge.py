"""The bridge itself: whose types it speaks, and as which node code runs."""

import asyncio
import pickle
import threading
from unittest import mock

import pytest

pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)

from ganeti import constants, errors, hypervisor, objects, serializer
from ganeti.hypervisor import hv_base
from node_code import failure, here, make

import pytest_fakehv
from pytest_fakehv import DeclarationError, NodeDownError, NodeSpec
from pytest_fakehv.fronts.ganeti import FakeCluster, FakeHypervisor


class TestHere:
    def test_ganetis_map_gives_the_node_that_the_code_runs_as(self, fakehv_ganeti):
        with fakehv_ganeti.on("node1"):
            here().StartInstance(make(), [], False)
            with fakehv_ganeti.on("node2") as node2:
                assert here() is node2 is fakehv_ganeti["node2"]
                assert here().ListInstances() == []
            assert here().ListInstances() == ["web1"]
        fakehv_ganeti.assert_running("web1", on="node1", memory=1024)

    @pytest.mark.fakehv_node("node1", address="192.0.2.1")
    @pytest.mark.fakehv_node("node2")
    def test_a_node_may_be_given_by_its_address(self, fakehv_ganeti):
        with fakehv_ganeti.on("192.0.2.1"):
            assert here().name == "node1"

    def test_an_unknown_node(self, fakehv_ganeti):
        with pytest.raises(DeclarationError) as caught, fakehv_ganeti.on("node3"):
            pass
        assert str(caught.value) == "no node is named 'node3'; there are: node1, node2"

    def test_nobody_said_which_node(self, fakehv_ganeti):
        with pytest.raises(DeclarationError) as caught:
            here()
        assert str(caught.value) == (
            "nobody said as which node this code runs, in this thread; "
            "wrap it in: with fakehv_ganeti.on(NODE), with one of node1, node2"
        )

    @pytest.mark.fakehv_node("alone")
    def test_the_only_node_need_not_be_named(self, fakehv_ganeti):
        assert here() is fakehv_ganeti["alone"]

    def test_each_cluster_has_its_own(self, fakehv_ganeti, tmp_path):
        other = FakeCluster(tmp_path)
        with other.on("node1"):
            with pytest.raises(DeclarationError):
                here()
            with fakehv_ganeti.on("node2"), other.on("node1"):
                assert here() is fakehv_ganeti["node2"]

    def test_the_last_installed_counts_in_whatever_order_they_end(self, fakehv_ganeti, tmp_path):
        one, two = (FakeCluster(tmp_path / name, NodeSpec(name)) for name in ("one", "two"))
        ends = [each.installed() for each in (one, two)]
        for each in ends:
            each.__enter__()
        assert here().name == "two"
        ends[0].__exit__(None, None, None)
        assert here().name == "two"
        ends[1].__exit__(None, None, None)
        with fakehv_ganeti.on("node1"):
            assert here().name == "node1"

    def test_a_generator_closed_in_another_thread(self, fakehv_ganeti):
        def run():
            with fakehv_ganeti.on("node1"):
                yield here().name

        generator = run()
        assert next(generator) == "node1"
        thread = threading.Thread(target=generator.close)
        thread.start()
        thread.join()
        assert list(generator) == []

    def test_a_node_that_has_left_and_come_again(self, fakehv_ganeti):
        with fakehv_ganeti.on("node2"):
            fakehv_ganeti.remove_node("node2")
            with pytest.raises(DeclarationError) as caught:
                here()
            assert str(caught.value) == "no node is named 'node2'; there are: node1"
            fakehv_ganeti.add_node("node2")
            assert here().ListInstances() == []

    def test_each_thread_has_its_own(self, fakehv_ganeti):
        seen = {}
        both = threading.Barrier(2)

        def run(node):
            with fakehv_ganeti.on(node):
                both.wait()
                seen[node] = here().name
                both.wait()

        def run_without():
            with pytest.raises(DeclarationError):
                here()
            seen["nowhere"] = True

        with fakehv_ganeti.on("node1"):
            threads = [threading.Thread(target=run, args=[node]) for node in ("node1", "node2")]
            threads.append(threading.Thread(target=run_without))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert seen == {"node1": "node1", "node2": "node2", "nowhere": True}

    def test_each_task_has_its_own(self, fakehv_ganeti):
        async def run(node, turn, next_turn):
            with fakehv_ganeti.on(node):
                next_turn.set()
                await turn.wait()
                return here().name

        async def both():
            one, two = asyncio.Event(), asyncio.Event()
            return await asyncio.gather(run("node1", one, two), run("node2", two, one))

        assert asyncio.run(both()) == ["node1", "node2"]


class TestTypes:
    def test_a_node_is_a_hypervisor_of_ganetis(self, fakehv_ganeti):
        node = fakehv_ganeti["node1"]
        assert isinstance(node, hv_base.BaseHypervisor)
        assert isinstance(node, pytest_fakehv.FakeHypervisor)
        assert hypervisor.GetHypervisorClass("fake") is type(node) is FakeHypervisor

    def test_an_error_is_ganetis_and_ours(self, fakehv_ganeti):
        node = fakehv_ganeti["node1"]
        error = failure(node.StopInstance, make())
        assert str(error) == "Failed to stop instance web1: not running"
        assert isinstance(error, pytest_fakehv.HypervisorError)
        assert fakehv_ganeti.journal[-1].error is error

    def test_what_a_fault_says_in_words_too(self, fakehv_ganeti):
        fakehv_ganeti.fault("StopInstance", error="the monitor hangs")
        error = failure(fakehv_ganeti["node1"].StopInstance, make())
        assert str(error) == "the monitor hangs"

    def test_what_a_fault_is_given_stays_as_it_is(self, fakehv_ganeti):
        class Strange(pytest_fakehv.HypervisorError):
            pass

        for given in (Strange("a"), errors.HypervisorError("b"), OSError("c")):
            kind = type(given)
            fakehv_ganeti.fault("RebootInstance", error=given, times=1)
            with pytest.raises(kind) as caught:
                fakehv_ganeti["node1"].RebootInstance(make())
            assert caught.value is given
            assert type(given) is kind

    def test_an_error_passes_to_another_process(self, fakehv_ganeti):
        error = failure(fakehv_ganeti["node1"].StopInstance, make())
        copied = pickle.loads(pickle.dumps(error))
        assert (type(copied), str(copied)) == (type(error), str(error))

    def test_a_hotplug_error_is_ganetis_and_ours(self, fakehv_ganeti):
        with pytest.raises(errors.HotplugError) as caught:
            fakehv_ganeti["node1"].VerifyHotplugSupport(make(), "hotadd", "nic")
        assert str(caught.value) == "Hotplug is not supported."
        assert isinstance(caught.value, pytest_fakehv.HotplugError)

    def test_a_node_that_is_down(self, fakehv_ganeti):
        fakehv_ganeti["node1"].crash()
        error = failure(fakehv_ganeti["node1"].ListInstances)
        assert str(error) == "node1 does not answer"
        assert isinstance(error, NodeDownError)

    @pytest.mark.parametrize("crash", [False, True])
    def test_an_error_passes_through_a_job(self, fakehv_ganeti, crash):
        """A job's result has the class's name, and is made an error again by it."""
        if crash:
            fakehv_ganeti["node1"].crash()
        error = failure(fakehv_ganeti["node1"].StopInstance, make())
        encoded = serializer.LoadJson(serializer.DumpJson(errors.EncodeException(error)))
        assert str(failure(errors.MaybeRaise, encoded)) == str(error)

    def test_figures_are_plain(self, fakehv_ganeti):
        node = fakehv_ganeti["node1"]
        assert node.GetAllInstancesInfo() == []
        assert node.GetInstanceInfo("web1") is None
        node.StartInstance(make(), [], False)
        figures = ("web1", "0", 1024, 2, hv_base.HvInstanceState.RUNNING, 0)
        assert node.GetInstanceInfo("web1") == figures
        assert type(node.GetInstanceInfo("web1")) is tuple
        assert serializer.LoadJson(serializer.DumpJson(node.GetAllInstancesInfo())) == [list(figures)]

    def test_a_console_is_ganetis(self, fakehv_ganeti):
        console = fakehv_ganeti["node1"].GetInstanceConsole(make(), None, None, {}, {})
        assert type(console) is objects.InstanceConsole
        console.Validate()
        assert console.ToDict() == {
            "instance": "web1",
            "kind": constants.CONS_MESSAGE,
            "message": "Console not available for fake hypervisor",
        }

    def test_a_migration_status_is_ganetis(self, fakehv_ganeti):
        fakehv_ganeti.add_instance("web1", node="node1", memory=1024)
        fakehv_ganeti.script_migration("web1", bandwidth=256)
        source, target, web1 = fakehv_ganeti["node1"], fakehv_ganeti["node2"], make()
        target.AcceptInstance(web1, source.MigrationInfo(web1), "node2")
        source.MigrateInstance("cluster", web1, "node2", True)
        status = source.GetMigrationStatus(web1)
        assert type(status) is objects.MigrationStatus
        assert status.ToDict() == {
            "status": constants.HV_MIGRATION_ACTIVE,
            "transferred_ram": 256,
            "total_ram": 1024,
        }
        source.FinalizeMigrationSource(web1, False, True)
        target.FinalizeMigrationDst(web1, "", False)


class TestOnTheClass:
    """What the master asks, which runs on no node."""

    def test_parameters(self, fakehv_ganeti):
        cls = hypervisor.GetHypervisorClass("fake")
        cls.CheckParameterSyntax({"migration_mode": "live"})
        error = failure(cls.CheckParameterSyntax, {"migration_mode": "warm"})
        assert str(error) == (
            "Parameter 'migration_mode' fails syntax check: invalid migration mode (current value: 'warm')"
        )
        assert isinstance(error, pytest_fakehv.HypervisorError)
        assert str(failure(cls.ValidateParameters, {})) == "Parameter 'migration_mode' is missing"
        assert cls.AssessParameters({}) == []
        assert cls.GetAncillaryFiles() == ([], [])
        assert cls.VersionsSafeForMigration((1, 2), (1, 2))
        assert cls.CAN_MIGRATE

    def test_the_console(self, fakehv_ganeti):
        console = hypervisor.GetHypervisorClass("fake").GetInstanceConsole(make(), None, None, {}, {})
        assert type(console) is objects.InstanceConsole

    def test_powercycle(self, fakehv_ganeti):
        for node in fakehv_ganeti:
            node.StartInstance(make(f"of-{node.name}"), [], False)
        with fakehv_ganeti.on("node2"):
            hypervisor.GetHypervisorClass("fake").PowercycleNode(hvparams={})
        assert fakehv_ganeti.placement() == {"of-node1": "node1"}
        fakehv_ganeti["node2"].assert_called("PowercycleNode")

    def test_powercycle_on_a_node(self, fakehv_ganeti):
        fakehv_ganeti.add_instance("web1", node="node1")
        with fakehv_ganeti.on("node1"):
            here().PowercycleNode({})
        assert fakehv_ganeti.placement() == {}

    def test_powercycle_of_no_node(self):
        with pytest.raises(DeclarationError) as caught:
            FakeHypervisor.PowercycleNode()
        assert str(caught.value) == (
            "FakeHypervisor is no node; call PowercycleNode on one, or in a test that uses fakehv_ganeti"
        )


class TestTheImportedVersion:
    """Ganeti's versions differ in what they make of the machine; nodes of a size of their own don't ask."""

    def test_the_machines_size(self, tmp_path, monkeypatch):
        meminfo, cpuinfo = tmp_path / "meminfo", tmp_path / "cpuinfo"
        meminfo.write_text(
            "MemTotal: 8388608 kB\nMemFree: 2097152 kB\nCached: 1048576 kB\nActive: 512000 kB\n"
        )
        cpuinfo.write_text("processor : 0\nprocessor : 1\n")
        theirs = hv_base.BaseHypervisor.GetLinuxNodeInfo(str(meminfo), str(cpuinfo))
        assert FakeHypervisor.GetLinuxNodeInfo(str(meminfo), str(cpuinfo)) == theirs

        figures = {**theirs, "memory_free": 3000}
        monkeypatch.setattr(hv_base.BaseHypervisor, "GetLinuxNodeInfo", lambda *_files: figures)
        node = FakeHypervisor(root=tmp_path / "root")
        node.StartInstance(make(), [], False)
        assert node.GetNodeInfo() == {**figures, "memory_free": 3000 - 1024}

    def test_a_machine_that_can_not_be_read(self, tmp_path):
        error = failure(FakeHypervisor.GetLinuxNodeInfo, str(tmp_path / "none"))
        assert isinstance(error, pytest_fakehv.HypervisorError)

    def test_what_only_the_imported_base_class_has(self, fakehv_ganeti, monkeypatch):
        monkeypatch.setattr(hv_base.BaseHypervisor, "Novelty", lambda self: 5, raising=False)
        assert fakehv_ganeti["node1"].Novelty() == 5


class Wary(FakeHypervisor):
    """A class as Ganeti's developers write them."""

    def StartInstance(self, instance, block_devices, startup_paused):
        try:
            super().StartInstance(instance, block_devices, startup_paused)
        except errors.HypervisorError as err:
            raise errors.HypervisorError(f"wary: {err}") from err

    def StopInstance(self, instance, force=False, retry=False, name=None, timeout=None):
        super().StopInstance(instance, force, retry, name, timeout)

    def GetMigrationStatus(self, instance):
        status = super().GetMigrationStatus(instance)
        assert isinstance(status, objects.MigrationStatus)
        return status

    def _MarkDown(self, instance_name):
        try:
            super()._MarkDown(instance_name)
        except errors.HypervisorError as err:
            raise errors.HypervisorError(f"wary: {err}") from err

    def GetNodeInfo(self, hvparams=None):
        return {**super().GetNodeInfo(hvparams), "mode": hvparams["migration_mode"]}

    @classmethod
    def PowercycleNode(cls, hvparams=None):
        super().PowercycleNode(hvparams)
        return f"{cls.__name__} was cycled"


class TestOwnClass:
    @pytest.fixture
    def fakehv_class(self):
        return Wary

    def test_it_speaks_ganetis_language_inside_and_outside(self, fakehv_ganeti):
        with fakehv_ganeti.on("node1"):
            here().StartInstance(make(), [], False)
            error = failure(here().StartInstance, make(), [], False)
            assert str(error) == "wary: Failed to start instance web1: already running"
            assert isinstance(error.__cause__, pytest_fakehv.HypervisorError)
            assert (
                str(failure(here().StopInstance, make("web2"))) == "Failed to stop instance web2: not running"
            )
            assert here().GetMigrationStatus(make()).status == constants.HV_MIGRATION_COMPLETED
        assert [call.method for call in fakehv_ganeti.journal] == [
            "StartInstance",
            "StartInstance",
            "StopInstance",
            "GetMigrationStatus",
        ]

    def test_an_error_class_that_ganetis_code_would_not_catch(self):
        with pytest.raises(DeclarationError) as caught:
            type("Own", (FakeHypervisor,), {"error_class": OSError})
        assert str(caught.value) == "Own has an error_class, but raises what Ganeti's code catches"

    def test_what_it_calls_of_its_own(self, fakehv_ganeti):
        with pytest.raises(errors.HypervisorError) as caught:
            fakehv_ganeti["node1"]._MarkDown("web1")
        assert str(caught.value) == "wary: not running"

    def test_powercycle_as_ganeti_declares_it(self, fakehv_ganeti):
        for node in fakehv_ganeti:
            node.StartInstance(make(f"of-{node.name}"), [], False)
        assert fakehv_ganeti["node1"].PowercycleNode() == "Wary was cycled"
        assert fakehv_ganeti.placement() == {"of-node2": "node2"}
        with fakehv_ganeti.on("node2"):
            assert hypervisor.GetHypervisorClass("fake").PowercycleNode() == "Wary was cycled"
        assert fakehv_ganeti.placement() == {}

    def test_it_can_be_patched(self, fakehv_ganeti, monkeypatch):
        monkeypatch.setattr(hypervisor.GetHypervisorClass("fake"), "RebootInstance", lambda _self, name: name)
        with fakehv_ganeti.on("node1"):
            assert here().RebootInstance("web1") == "web1"
        with mock.patch.object(Wary, "StartInstance", autospec=True) as start:
            fakehv_ganeti["node1"].StartInstance(make(), [], False)
        start.assert_called_once()
