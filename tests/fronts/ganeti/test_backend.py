"""The node daemon's code, `ganeti.backend`, as two fake nodes: what it does, returns and reports."""

import json
import os

import pytest

pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)

from ganeti import backend, constants, objects, pathutils, utils

FAKE = constants.HT_FAKE
HVPARAMS = {"migration_mode": "live"}
ALL_HVPARAMS = {FAKE: HVPARAMS}
REASON = [["gnt:client", "a test", 1]]

WEB1 = objects.Instance(
    name="web1",
    hypervisor=FAKE,
    hvparams=HVPARAMS,
    beparams={"minmem": 512, "maxmem": 1024, "vcpus": 2},
    disks_info=[],
    nics=[],
)


@pytest.fixture(autouse=True)
def reasons(monkeypatch, tmp_path):
    """Where the node daemon notes why it has started or stopped something."""
    monkeypatch.setattr(pathutils, "INSTANCE_REASON_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def node1(fakehv_ganeti):
    """Node1; and the code of the test runs as this node."""
    with fakehv_ganeti.on("node1") as node:
        yield node


def failure(function, *arguments):
    """Return the whole message of a call that the node daemon answers with an error."""
    with pytest.raises(backend.RPCFail) as caught:
        function(*arguments)
    return str(caught.value)


def start(paused=False):
    backend.StartInstance(WEB1, paused, REASON)


def stop():
    backend.InstanceShutdown(WEB1, 120, REASON)


class TestStart:
    def test_start(self, fakehv_ganeti, node1, reasons):
        start()
        fakehv_ganeti.assert_running("web1", on="node1", memory=1024, vcpus=2)
        assert json.loads((reasons / "web1").read_text()) == REASON

    def test_paused(self, node1):
        start(paused=True)
        node1.assert_paused("web1")

    def test_of_what_runs(self, node1):
        start()
        start()
        node1.assert_called("StartInstance", times=1)
        node1.assert_called("VerifyInstance", times=1)

    @pytest.mark.fakehv_node("node1", memory=1024, overcommit=False)
    @pytest.mark.fakehv_instance("db1", memory=768)
    def test_of_what_does_not_fit(self, node1):
        assert failure(start) == (
            "Hypervisor error: Failed to start instance web1: "
            "node1 does not overcommit: 512 MiB are needed, 256 MiB are free"
        )
        node1.assert_stopped("web1")

    @pytest.mark.fakehv_node("node1", memory=1024)
    @pytest.mark.fakehv_instance("db1", memory=256)
    def test_with_less_than_it_may_have(self, node1):
        start()
        node1.assert_running("web1", memory=768)

    def test_a_name_that_is_none(self, node1):
        wrong = objects.Instance(name="../web1", hypervisor=FAKE, hvparams=HVPARAMS, disks_info=[])
        with pytest.raises(Exception, match="Invalid instance name") as caught:
            backend.GetInstanceInfo(wrong.name, FAKE)
        assert isinstance(caught.value, backend.errors.HypervisorError)
        assert failure(backend.StartInstance, wrong, False, REASON) == f"Hypervisor error: {caught.value}"

    @pytest.mark.parametrize(("when", "runs"), [("before", False), ("after", True)])
    def test_a_fault(self, node1, when, runs):
        with node1.fault("StartInstance", error="no KVM", when=when):
            assert failure(start) == "Hypervisor error: no KVM"
        assert node1.runs("web1") == runs

    def test_two_nodes(self, fakehv_ganeti):
        with fakehv_ganeti.on("node1"):
            start()
        with fakehv_ganeti.on("node2"):
            backend.StartInstance(objects.Instance.FromDict({**WEB1.ToDict(), "name": "web2"}), False, REASON)
            assert backend.GetInstanceList([FAKE], ALL_HVPARAMS) == ["web2"]
        with fakehv_ganeti.on("node1"):
            assert backend.GetInstanceList([FAKE], ALL_HVPARAMS) == ["web1"]
        fakehv_ganeti.assert_placement({"web1": "node1", "web2": "node2"})


class TestStop:
    def test_stop(self, fakehv_ganeti, node1, reasons):
        start()
        (reasons / "web1").unlink()
        stop()
        fakehv_ganeti.assert_stopped("web1")
        node1.assert_call_order("StopInstance", "CleanupInstance")
        assert json.loads((reasons / "web1").read_text()) == REASON

    def test_of_what_does_not_run(self, node1):
        stop()
        node1.assert_not_called("StopInstance")
        node1.assert_called("CleanupInstance", times=1)

    def test_a_fault(self, node1):
        start()
        with node1.fault("StopInstance", error="busy"):
            assert failure(stop) == "Failed to stop instance 'web1': busy"
        node1.assert_running("web1")

    def test_a_fault_after_the_effect_is_none(self, node1):
        start()
        with node1.fault("StopInstance", when="after"):
            stop()
        node1.assert_stopped("web1")

    def test_a_cleanup_that_fails_is_none(self, node1):
        start()
        with node1.fault("CleanupInstance"):
            stop()
        node1.assert_stopped("web1")


class TestReboot:
    def test_soft(self, node1):
        start()
        backend.InstanceReboot(WEB1, constants.INSTANCE_REBOOT_SOFT, 120, REASON)
        node1.assert_running("web1")
        node1.assert_called("RebootInstance", times=1)
        node1.assert_not_called("StopInstance")

    def test_soft_with_a_fault(self, node1):
        start()
        with node1.fault("RebootInstance", error="stuck"):
            assert (
                failure(backend.InstanceReboot, WEB1, constants.INSTANCE_REBOOT_SOFT, 120, REASON)
                == "Failed to soft reboot instance 'web1': stuck"
            )

    def test_hard(self, node1):
        start(paused=True)
        backend.InstanceReboot(WEB1, constants.INSTANCE_REBOOT_HARD, 120, REASON)
        node1.assert_running("web1")
        node1.assert_call_order("StartInstance", "StopInstance", "StartInstance")

    def test_hard_with_a_fault(self, node1):
        start()
        with node1.fault("StartInstance", error="no KVM"):
            assert (
                failure(backend.InstanceReboot, WEB1, constants.INSTANCE_REBOOT_HARD, 120, REASON)
                == "Hypervisor error: no KVM"
            )
        node1.assert_stopped("web1")

    @pytest.mark.parametrize("kind", [constants.INSTANCE_REBOOT_SOFT, constants.INSTANCE_REBOOT_HARD])
    def test_of_what_does_not_run(self, node1, kind):
        assert failure(backend.InstanceReboot, WEB1, kind, 120, REASON) == (
            "Cannot reboot instance 'web1' that is not running"
        )


class TestBalloon:
    def test_balloon(self, node1):
        start()
        backend.InstanceBalloonMemory(WEB1, 600)
        node1.assert_running("web1", memory=600)

    def test_what_does_not_run(self, node1):
        backend.InstanceBalloonMemory(WEB1, 600)
        node1.assert_not_called("BalloonInstanceMemory")

    @pytest.mark.fakehv_node("node1", memory=2048, overcommit=False)
    def test_beyond_what_is_there(self, node1):
        start()
        assert failure(backend.InstanceBalloonMemory, WEB1, 4096) == (
            "Failed to balloon instance memory: "
            "Failed to balloon memory for web1: "
            "node1 does not overcommit: 3072 MiB are needed, 1024 MiB are free"
        )
        node1.assert_running("web1", memory=1024)


class TestQueries:
    def test_an_instance(self, node1):
        start()
        assert backend.GetInstanceInfo("web1", FAKE, HVPARAMS) == {
            "memory": 1024,
            "vcpus": 2,
            "state": 0,
            "time": 0,
        }
        assert backend.GetInstanceInfo("web2", FAKE, HVPARAMS) == {}

    def test_all_instances(self, node1):
        assert backend.GetAllInstancesInfo([FAKE], ALL_HVPARAMS) == {}
        start()
        node1.add_instance("db1", memory=4096)
        assert backend.GetAllInstancesInfo([FAKE], ALL_HVPARAMS) == {
            "web1": {"memory": 1024, "vcpus": 2, "state": 0, "time": 0},
            "db1": {"memory": 4096, "vcpus": 1, "state": 0, "time": 0},
        }

    def test_the_list(self, node1):
        start()
        node1.add_instance("db1")
        assert sorted(backend.GetInstanceList([FAKE], ALL_HVPARAMS)) == ["db1", "web1"]

    @pytest.mark.fakehv_fault("ListInstances", error="no socket")
    def test_the_list_fails(self, node1):
        assert failure(backend.GetInstanceList, [FAKE], ALL_HVPARAMS) == (
            "Error enumerating instances (hypervisor fake): no socket"
        )

    @pytest.mark.fakehv_node("node1", memory=8192, cpus=8, reserved_memory=1024, version="5.2")
    def test_the_node(self, node1):
        start()
        boot_id, storage, (hypervisor,) = backend.GetNodeInfo(None, [(FAKE, HVPARAMS)])
        assert boot_id == backend.utils.ReadFile("/proc/sys/kernel/random/boot_id").strip()
        assert storage is None
        assert hypervisor == {
            "memory_total": 8192,
            "memory_free": 6144,
            "memory_dom0": 1024,
            "cpu_total": 8,
            "cpu_dom0": 8,
            "cpu_nodes": 1,
            "cpu_sockets": 1,
            "hv_version": "5.2",
        }

    def test_the_console(self, node1):
        wanted = {
            "instance": WEB1.ToDict(),
            "node": objects.Node(name="node1").ToDict(),
            "group": objects.NodeGroup(name="default", members=[]).ToDict(),
            "hvParams": HVPARAMS,
            "beParams": WEB1.beparams,
        }
        assert backend.GetInstanceConsoleInfo({"web1": wanted}) == {
            "web1": {
                "instance": "web1",
                "kind": constants.CONS_MESSAGE,
                "message": "Console not available for fake hypervisor",
            }
        }

    def test_verification(self, node1):
        start()
        what = {
            constants.NV_HYPERVISOR: [FAKE],
            constants.NV_HVPARAMS: [("cluster", FAKE, HVPARAMS)],
            constants.NV_INSTANCELIST: [FAKE],
            constants.NV_HVINFO: FAKE,
        }
        result = {}
        for verify in (backend._VerifyHypervisors, backend._VerifyInstanceList, backend._VerifyNodeInfo):
            verify(what, True, result, ALL_HVPARAMS)
        backend._VerifyHvparams(what, True, result)
        assert result == {
            constants.NV_HYPERVISOR: {FAKE: None},
            constants.NV_HVPARAMS: [],
            constants.NV_INSTANCELIST: ["web1"],
            constants.NV_HVINFO: node1.GetNodeInfo(),
        }

    def test_hypervisor_parameters(self, node1):
        assert backend.ValidateHVParams(FAKE, HVPARAMS) is None

    def test_hotplug(self, node1):
        start()
        assert failure(backend.HotplugSupported, WEB1) == (
            "Hotplug is not supported: Hotplug is not supported by this hypervisor"
        )
        assert (
            failure(
                backend.HotplugDevice,
                WEB1,
                constants.HOTPLUG_ACTION_ADD,
                constants.HOTPLUG_TARGET_NIC,
                objects.NIC(),
                None,
                0,
            )
            == "Hotplug is not supported: Hotplug is not supported."
        )


class TestMigration:
    def prepare(self, cluster):
        """Bring a migration from node1 to node2 as far as the status; return its information."""
        with cluster.on("node1"):
            start()
            assert backend.GetInstanceMigratable(WEB1) is None
            info = backend.MigrationInfo(WEB1)
        with cluster.on("node2"):
            backend.AcceptInstance(WEB1, info, "node2")
        with cluster.on("node1"):
            backend.MigrateInstance("cluster", WEB1, "node2", True)
        return info

    def finalize(self, cluster, info, success):
        with cluster.on("node1"):
            backend.FinalizeMigrationSource(WEB1, success, True)
        with cluster.on("node2"):
            backend.FinalizeMigrationDst(WEB1, info, success)

    def test_success(self, fakehv_ganeti):
        info = self.prepare(fakehv_ganeti)
        with fakehv_ganeti.on("node1"):
            status = backend.GetMigrationStatus(WEB1)
        assert isinstance(status, objects.MigrationStatus)
        assert status.ToDict() == {"status": "completed"}
        self.finalize(fakehv_ganeti, info, success=True)
        fakehv_ganeti.assert_running("web1", on="node2", memory=1024, vcpus=2)
        fakehv_ganeti.assert_migrated("web1", source="node1", target="node2")

    @pytest.mark.fakehv_instance("web1", state="stopped")
    @pytest.mark.fakehv_migration("web1", outcome="failed", bandwidth=256, at=0.5)
    def test_the_abort(self, fakehv_ganeti):
        info = self.prepare(fakehv_ganeti)
        with fakehv_ganeti.on("node1"):
            begun, failed = (backend.GetMigrationStatus(WEB1).ToDict() for _ in range(2))
        assert begun == {"status": "active", "transferred_ram": 256, "total_ram": 1024}
        assert failed == {"status": "failed", "transferred_ram": 512, "total_ram": 1024}
        self.finalize(fakehv_ganeti, info, success=False)
        fakehv_ganeti.assert_running("web1", on="node1")
        fakehv_ganeti.assert_migration_failed("web1")

    def test_what_does_not_run(self, fakehv_ganeti):
        with fakehv_ganeti.on("node1"):
            assert failure(backend.GetInstanceMigratable, WEB1) == "Instance web1 is not running"
            assert failure(backend.MigrateInstance, "cluster", WEB1, "node2", True) == (
                "Failed to migrate instance: Failed to migrate instance web1: not running"
            )

    @pytest.mark.fakehv_instance("web1", node="node2")
    def test_accepting_what_runs(self, fakehv_ganeti):
        with fakehv_ganeti.on("node2"):
            assert failure(backend.AcceptInstance, WEB1, "", "node2") == (
                "Failed to accept instance: Can't accept instance, already running"
            )

    @pytest.mark.parametrize(
        ("method", "node", "call", "text"),
        [
            ("MigrationInfo", "node1", lambda: backend.MigrationInfo(WEB1), "fetch migration information"),
            ("AcceptInstance", "node2", lambda: backend.AcceptInstance(WEB1, "", "node2"), "accept instance"),
            (
                "MigrateInstance",
                "node1",
                lambda: backend.MigrateInstance("cluster", WEB1, "node2", True),
                "migrate instance",
            ),
            ("GetMigrationStatus", "node1", lambda: backend.GetMigrationStatus(WEB1), "get migration status"),
            (
                "FinalizeMigrationSource",
                "node1",
                lambda: backend.FinalizeMigrationSource(WEB1, False, True),
                "finalize the migration on the source node",
            ),
            (
                "FinalizeMigrationDst",
                "node2",
                lambda: backend.FinalizeMigrationDst(WEB1, "", False),
                "finalize migration on the target node",
            ),
        ],
    )
    @pytest.mark.fakehv_instance("web1")
    def test_faults(self, fakehv_ganeti, method, node, call, text):
        with fakehv_ganeti.fault(method, node=node, error="pulled"), fakehv_ganeti.on(node):
            assert failure(call) == f"Failed to {text}: pulled"


class TestPowercycle:
    @pytest.fixture(autouse=True)
    def in_this_very_process(self, monkeypatch):
        """The node daemon leaves it to a child; where there can be none it does it itself, a little later."""

        def refuse():
            raise OSError

        waited = []
        monkeypatch.setattr(os, "fork", refuse)
        monkeypatch.setattr(backend.time, "sleep", waited.append)
        monkeypatch.setattr(utils, "Mlockall", lambda: None)
        yield
        assert waited == [5]

    def test_the_fake_node_alone(self, fakehv_ganeti, node1):
        start()
        fakehv_ganeti.add_instance("db1", node="node2")
        assert backend.PowercycleNode(FAKE, HVPARAMS) is None
        fakehv_ganeti.assert_placement({"db1": "node2"})
        start()  # it is up again
        node1.assert_running("web1")


class TestANodeThatIsDown:
    """The node daemon would be gone with it; what is left to see is that its code gets errors it knows."""

    @pytest.fixture(autouse=True)
    def web1_runs(self, node1):
        start()

    @pytest.mark.parametrize("befall", ["crash", "disconnect"])
    def test_every_call(self, fakehv_ganeti, node1, befall):
        getattr(node1, befall)()
        with pytest.raises(backend.errors.HypervisorError) as caught:
            backend.GetInstanceInfo("web1", FAKE)
        problem = str(caught.value)
        assert problem == "node1 does not answer"
        assert failure(start) == f"Hypervisor error: {problem}"
        assert failure(backend.GetInstanceList, [FAKE], ALL_HVPARAMS) == (
            f"Error enumerating instances (hypervisor fake): {problem}"
        )
        assert failure(backend.AcceptInstance, WEB1, "", "node1") == f"Failed to accept instance: {problem}"

    def test_it_goes_down_in_the_middle_of_a_call(self, fakehv_ganeti, node1):
        with node1.fault("BalloonInstanceMemory", crash=True):
            assert failure(backend.InstanceBalloonMemory, WEB1, 600) == (
                "Failed to balloon instance memory: node1 does not answer"
            )
        fakehv_ganeti.assert_placement({})
        node1.boot()
        start()
        node1.assert_running("web1")
