"""The hypervisor interface on one node: every method, default, message and tuple."""

import inspect
import logging
from types import MappingProxyType, SimpleNamespace
from typing import get_args

import pytest
from calling import make, message, start

from pytest_fakehv import (
    BaseHypervisor,
    DeclarationError,
    FakeHypervisor,
    HotplugError,
    HypervisorError,
    Instance,
    InstanceConsole,
    InstanceInfo,
    InstanceState,
    MigrationStatus,
    NodeSpec,
)
from pytest_fakehv.interface.constants import COMMANDS, GanetiName
from pytest_fakehv.interface.contract import INTERFACE

SIGNATURES = {
    "AcceptInstance": "(self, instance, info, target)",
    "AssessParameters": "(hvparams)",
    "BalloonInstanceMemory": "(self, instance, mem)",
    "CheckParameterSyntax": "(hvparams)",
    "CleanupInstance": "(self, instance_name)",
    "FinalizeMigrationDst": "(self, instance, info, success)",
    "FinalizeMigrationSource": "(self, instance, success, live)",
    "GetAllInstancesInfo": "(self, hvparams=None)",
    "GetAncillaryFiles": "()",
    "GetInstanceConsole": "(instance, primary_node, node_group, hvparams, beparams)",
    "GetInstanceInfo": "(self, instance_name, hvparams=None)",
    "GetLinuxNodeInfo": "(meminfo='/proc/meminfo', cpuinfo='/proc/cpuinfo')",
    "GetMigrationStatus": "(self, instance)",
    "GetNodeInfo": "(self, hvparams=None)",
    "HotAddDevice": "(self, instance, dev_type, device, extra, seq)",
    "HotDelDevice": "(self, instance, dev_type, device, extra, seq)",
    "HotModDevice": "(self, instance, dev_type, device, extra, seq)",
    "HotplugSupported": "(self, instance)",
    "ListInstances": "(self, hvparams=None)",
    "MigrateInstance": "(self, cluster_name, instance, target, live)",
    "MigrationInfo": "(self, instance)",
    "PowercycleNode": "(self, hvparams=None)",
    "RebootInstance": "(self, instance)",
    "ResizeDisk": "(self, instance, disk, new_size)",
    "RestoreInstance": "(self, instance, block_devices)",
    "StartInstance": "(self, instance, block_devices, startup_paused)",
    "StopInstance": "(self, instance, force=False, retry=False, name=None, timeout=None)",
    "ValidateParameters": "(hvparams)",
    "Verify": "(self, hvparams=None)",
    "VerifyHotplugSupport": "(self, instance, action, dev_type)",
    "VerifyInstance": "(self, instance)",
    "VersionsSafeForMigration": "(src, target)",
}


def signature(cls, method):
    found = inspect.signature(getattr(cls, method))
    parameters = [each.replace(annotation=each.empty) for each in found.parameters.values()]
    return str(found.replace(parameters=parameters, return_annotation=found.empty))


def test_signatures_and_defaults():
    """Of the fake and of the contract; those without ``self`` are called on the class."""
    assert set(SIGNATURES) == set(INTERFACE)
    for cls in (FakeHypervisor, BaseHypervisor):
        assert {method: signature(cls, method) for method in SIGNATURES} == SIGNATURES


def test_names_for_type_checkers():
    assert get_args(GanetiName) == ("*", *INTERFACE)


def test_a_command_returns_none_and_what_only_tells_is_none():
    commands = {name for name in INTERFACE if name in COMMANDS}
    assert commands == {*COMMANDS}
    returning = {
        name: inspect.signature(getattr(BaseHypervisor, name)).return_annotation for name in INTERFACE
    }
    checks = {"HotplugSupported", "VerifyHotplugSupport", "CheckParameterSyntax", "ValidateParameters"}
    assert {name for name, returned in returning.items() if returned is None} - checks == commands


class TestStart:
    def test_writes_three_lines(self, hv, get):
        assert hv.StartInstance(make(), [], False) is None
        assert get("web1") == b"0\n1024\n2\n"

    def test_paused_has_a_fourth_line(self, hv, get):
        hv.StartInstance(make(), block_devices=[], startup_paused=True)
        assert get("web1") == b"0\n1024\n2\npaused\n"

    def test_already_running(self, hv):
        start(hv, "web1")
        assert message(hv.StartInstance, make(), [], False) == (
            "Failed to start instance web1: already running"
        )

    def test_gets_maxmem_when_it_is_free(self, hv):
        start(hv, "web1", minmem=1, maxmem=7168)
        assert hv.instances["web1"].memory == 7168

    def test_gets_what_is_free_when_maxmem_is_not(self, hv):
        start(hv, "web1", maxmem=7000)
        start(hv, "web2", minmem=100)
        assert hv.instances["web2"].memory == 168

    def test_gets_minmem_even_if_it_is_not_free(self, hv):
        start(hv, "web1", maxmem=7000)
        start(hv, "web2", minmem=512)
        assert hv.instances["web2"].memory == 512

    def test_file_mode_is_0644_less_umask(self, tmp_path):
        import os

        hv = FakeHypervisor(tmp_path, spec=NodeSpec("node1"))
        old = os.umask(0o027)
        try:
            start(hv, "web1")
        finally:
            os.umask(old)
        assert (tmp_path / "web1").stat().st_mode & 0o7777 == 0o640

    def test_a_changed_file_keeps_its_mode(self, tmp_path):
        hv = FakeHypervisor(tmp_path, spec=NodeSpec("node1"))
        start(hv, "web1")
        (tmp_path / "web1").chmod(0o600)
        hv.BalloonInstanceMemory(make(), 5)
        assert (tmp_path / "web1").stat().st_mode & 0o7777 == 0o600


class TestStop:
    def test_removes(self, hv):
        start(hv, "web1", "web2")
        assert hv.StopInstance(make(), force=True, retry=True, timeout=5) is None
        assert hv.ListInstances() == ["web2"]

    def test_not_running(self, hv):
        assert message(hv.StopInstance, make()) == "Failed to stop instance web1: not running"

    def test_by_name_alone(self, hv):
        start(hv, "web1", "web2")
        hv.StopInstance(make("web1"), name="web2")
        assert hv.ListInstances() == ["web1"]
        hv.StopInstance(None, False, False, "web1", None)
        assert hv.ListInstances() == []

    def test_neither_instance_nor_name(self, hv):
        assert message(hv.StopInstance, None) == (
            "Failed to stop instance: neither an instance nor a name is given"
        )


class TestInfo:
    def test_equals_the_plain_tuple(self, hv):
        start(hv, "web1")
        info = hv.GetInstanceInfo("web1")
        assert info == ("web1", "0", 1024, 2, 0, 0)
        assert isinstance(info, InstanceInfo)
        assert (info.name, info.id, info.memory, info.vcpus, info.state, info.times) == info
        assert info.state is InstanceState.RUNNING
        assert not info.paused

    def test_paused_counts_as_running(self, hv):
        hv.StartInstance(make(), [], True)
        info = hv.GetInstanceInfo("web1", hvparams={})
        assert info == ("web1", "0", 1024, 2, 0, 0)
        assert info.paused

    def test_repr(self, hv):
        start(hv, "web1")
        hv.StartInstance(make("web2"), [], True)
        assert repr(hv.GetInstanceInfo("web1")) == "InstanceInfo('web1', memory=1024, vcpus=2)"
        assert repr(hv.GetInstanceInfo("web2")) == "InstanceInfo('web2', memory=1024, vcpus=2, paused)"

    def test_absent(self, hv):
        assert hv.GetInstanceInfo("web1") is None

    def test_all(self, hv):
        assert hv.GetAllInstancesInfo() == []
        start(hv, "web1", "web2")
        assert sorted(hv.GetAllInstancesInfo(hvparams=None)) == [
            ("web1", "0", 1024, 2, 0, 0),
            ("web2", "0", 1024, 2, 0, 0),
        ]

    def test_list(self, hv):
        assert hv.ListInstances() == []
        start(hv, "web1", "web2")
        assert sorted(hv.ListInstances(hvparams={})) == ["web1", "web2"]


class TestBalloon:
    def test_rewrites_memory_and_the_instances_vcpus(self, hv, get):
        start(hv, "web1")
        assert hv.BalloonInstanceMemory(make(vcpus=3), 4096) is None
        assert get("web1") == b"0\n4096\n3\n"

    def test_keeps_it_paused(self, hv, get):
        hv.StartInstance(make(), [], True)
        hv.BalloonInstanceMemory(make(), 512)
        assert get("web1") == b"0\n512\n2\npaused\n"

    def test_not_running(self, hv):
        assert message(hv.BalloonInstanceMemory, make(), 512) == (
            "Failed to balloon memory for web1: not running"
        )

    def test_may_exceed_what_is_free(self, hv):
        start(hv, "web1")
        hv.BalloonInstanceMemory(make(), 100_000)
        assert hv.GetNodeInfo()["memory_free"] == 0


class TestNode:
    def test_info(self, hv):
        start(hv, "web1")
        assert hv.GetNodeInfo() == {
            "memory_total": 8192,
            "memory_free": 6144,
            "memory_dom0": 1024,
            "cpu_total": 4,
            "cpu_dom0": 4,
            "cpu_nodes": 1,
            "cpu_sockets": 1,
        }

    def test_info_of_a_node_with_everything_declared(self, tmp_path):
        spec = NodeSpec("n", memory=10, cpus=8, reserved_memory=3, version="7.1", cpu_nodes=2, cpu_sockets=4)
        assert FakeHypervisor(tmp_path, spec=spec).GetNodeInfo(hvparams={}) == {
            "memory_total": 10,
            "memory_free": 7,
            "memory_dom0": 3,
            "cpu_total": 8,
            "cpu_dom0": 8,
            "cpu_nodes": 2,
            "cpu_sockets": 4,
            "hv_version": "7.1",
        }

    def test_without_a_spec_it_is_the_machine(self, tmp_path):
        hv = FakeHypervisor(root=tmp_path)
        before = hv.GetNodeInfo()
        assert hv.name == "localhost"
        start(hv, "web1", minmem=10**9, maxmem=10**9)
        after = hv.GetNodeInfo()
        assert before["memory_total"] == after["memory_total"] > 0
        assert before["memory_free"] > 0
        assert after["memory_free"] == 0
        assert after["cpu_total"] == after["cpu_dom0"] > 0

    def test_a_subclass_decides_the_machines_size(self, tmp_path):
        class Small(FakeHypervisor):
            @staticmethod
            def GetLinuxNodeInfo(meminfo="/proc/meminfo", cpuinfo="/proc/cpuinfo"):
                return {**FakeHypervisor.GetLinuxNodeInfo(), "memory_free": 700}

        hv = Small(tmp_path)
        start(hv, "web1")
        assert hv.instances["web1"].memory == 700
        assert [call.method for call in hv.journal] == ["StartInstance"]

    def test_verify(self, hv, filesystem):
        assert hv.Verify() is None
        path = hv.root
        filesystem.os.rmdir(path)
        assert hv.Verify(hvparams={}) == f"The required directory '{path}' does not exist"

    def test_powercycle_loses_the_instances(self, hv, caplog):
        start(hv, "web1", "web2")
        with caplog.at_level(logging.WARNING):
            assert hv.PowercycleNode(hvparams={}) is None
        assert hv.ListInstances() == []
        start(hv, "web1")
        assert caplog.messages == ["A power cycle was asked for; a fake hypervisor never resets the machine"]

    @pytest.mark.parametrize("arguments", [(), ({"a": 1},), (FakeHypervisor,)])
    def test_a_class_is_no_node_to_powercycle(self, arguments):
        """In Ganeti it is a class method, which a machine has one of."""
        assert message(FakeHypervisor.PowercycleNode, *arguments, error=DeclarationError) == (
            "a class is no node; call PowercycleNode on one"
        )


class TestLinuxNodeInfo:
    MEMINFO = "MemTotal:  2049 kB\nMemFree: 1 kB\nMemAvailable:    1025 kB\n"
    CPUINFO = "processor\t: 0\nvendor_id\t: x\n\nprocessor\t: 1\nmodel name\t: processor\n"

    @pytest.fixture
    def files(self, tmp_path):
        meminfo, cpuinfo = tmp_path / "meminfo", tmp_path / "cpuinfo"
        meminfo.write_text(self.MEMINFO)
        cpuinfo.write_text(self.CPUINFO)
        return meminfo, cpuinfo

    def test_reads_the_two_files(self, files):
        assert FakeHypervisor.GetLinuxNodeInfo(*map(str, files)) == {
            "memory_total": 2,
            "memory_free": 1,
            "memory_dom0": 1,
            "cpu_total": 2,
            "cpu_dom0": 2,
            "cpu_nodes": 1,
            "cpu_sockets": 1,
        }

    def test_what_an_editor_made_of_them(self, files):
        expected = FakeHypervisor.GetLinuxNodeInfo(*files)
        files[0].write_bytes(self.MEMINFO.replace("\n", "\r\n").encode())
        files[1].write_bytes(b"\xff\n" + self.CPUINFO.encode())
        assert FakeHypervisor.GetLinuxNodeInfo(*files) == expected

    def test_the_machine_itself(self):
        assert FakeHypervisor.GetLinuxNodeInfo()["cpu_total"] > 0

    @pytest.mark.parametrize(
        ("which", "text", "problem"),
        [
            (0, "MemTotal: 5 kB\n", "has no line 'MemAvailable: NUMBER kB'"),
            (0, "MemAvailable: 5 kB\n", "has no line 'MemTotal: NUMBER kB'"),
            (1, "", "has no line 'processor'"),
        ],
    )
    def test_a_line_is_missing(self, files, which, text, problem):
        files[which].write_text(text)
        assert message(FakeHypervisor.GetLinuxNodeInfo, *map(str, files)) == (
            f"Failed to get node info: {files[which]} {problem}"
        )

    def test_a_file_is_missing(self, files):
        files[1].unlink()
        assert message(FakeHypervisor.GetLinuxNodeInfo, *map(str, files)) == (
            f"Failed to get node info: {files[1]}: No such file or directory"
        )


class TestMigration:
    def test_completes_at_the_first_status_call(self, hv):
        start(hv, "web1")
        assert hv.CAN_MIGRATE is True
        assert hv.MigrationInfo(make()) == ""
        assert hv.MigrateInstance("cluster", make(), "node2", True) is None
        assert hv.GetMigrationStatus(make()) == MigrationStatus(status="completed")

    def test_accept(self, hv):
        assert hv.AcceptInstance(make(), "", "node1") is None
        assert hv.AcceptInstance(Instance("web2"), "", "node1") is None
        start(hv, "web1")
        assert message(hv.AcceptInstance, make(), "", "node1") == "Can't accept instance, already running"

    def test_finalize_source(self, hv):
        start(hv, "web1")
        hv.FinalizeMigrationSource(make(), False, True)
        assert hv.ListInstances() == ["web1"]
        for _ in range(2):
            assert hv.FinalizeMigrationSource(make(), True, True) is None
            assert hv.ListInstances() == []

    def test_finalize_target(self, hv):
        for _ in range(2):
            assert hv.FinalizeMigrationDst(make(), "", True) is None
            assert hv.GetAllInstancesInfo() == [("web1", "0", 1024, 2, 0, 0)]
            hv.assert_running("web1")
        for _ in range(2):
            hv.FinalizeMigrationDst(make(), "", False)
            assert hv.ListInstances() == []

    def test_versions(self):
        assert FakeHypervisor.VersionsSafeForMigration("1", "1") is True
        assert FakeHypervisor.VersionsSafeForMigration("1", "2") is False


class TestStrictNode:
    """``overcommit=False`` refuses whatever would not fit."""

    @pytest.fixture
    def hv(self, root):
        return FakeHypervisor(root, spec=NodeSpec("node1", memory=1024, overcommit=False))

    def test_start(self, hv):
        start(hv, "web1", maxmem=600)
        assert message(hv.StartInstance, make("web2"), [], False) == (
            "Failed to start instance web2: node1 does not overcommit: 512 MiB are needed, 424 MiB are free"
        )
        start(hv, "web3", minmem=424)
        assert hv.GetNodeInfo()["memory_free"] == 0

    def test_balloon(self, hv):
        start(hv, "web1")
        hv.BalloonInstanceMemory(make(), 512)
        hv.BalloonInstanceMemory(make(), 1024)
        assert message(hv.BalloonInstanceMemory, make(), 1025) == (
            "Failed to balloon memory for web1: node1 does not overcommit: 1 MiB are needed, 0 MiB are free"
        )
        assert hv.instances["web1"].memory == 1024

    def test_accept_and_finalize(self, hv):
        start(hv, "web1", maxmem=600)
        assert message(hv.AcceptInstance, make("web2"), "", "node1") == (
            "Failed to accept instance web2: node1 does not overcommit: 512 MiB are needed, 424 MiB are free"
        )
        assert message(hv.FinalizeMigrationDst, make("web2"), "", True) == (
            "Failed to finalize the migration of web2 on the target: "
            "node1 does not overcommit: 512 MiB are needed, 424 MiB are free"
        )
        assert hv.ListInstances() == ["web1"]
        hv.AcceptInstance(make("web3", minmem=424), "", "node1")


class TestTheRest:
    def test_what_does_nothing(self, hv):
        start(hv, "web1")
        assert hv.CleanupInstance("web1") is None
        assert hv.RebootInstance(make()) is None
        assert hv.RestoreInstance(make(), []) is None
        assert hv.VerifyInstance(make()) is True
        assert hv.LinuxPowercycle() is None
        assert hv.ListInstances() == ["web1"]

    @pytest.mark.parametrize(
        ("method", "args", "text"),
        [
            ("HotplugSupported", (), "Hotplug is not supported by this hypervisor"),
            ("HotAddDevice", ("disk", None, None, 0), "Hotplug is not supported by this hypervisor"),
            ("HotDelDevice", ("disk", None, None, 0), "Hotplug is not supported by this hypervisor"),
            ("HotModDevice", ("nic", None, None, 0), "Hotplug is not supported by this hypervisor"),
            ("ResizeDisk", (None, 10), "Disk resize is not supported by this hypervisor"),
            ("VerifyHotplugSupport", ("add", "disk"), "Hotplug is not supported."),
        ],
    )
    def test_hotplug(self, hv, method, args, text):
        assert message(getattr(hv, method), make(), *args, error=HotplugError) == text
        assert issubclass(HotplugError, HypervisorError)

    def test_console(self, hv):
        for place in (hv, FakeHypervisor):
            assert place.GetInstanceConsole(make(), None, None, {}, {}) == InstanceConsole(
                instance="web1", kind="msg", message="Console not available for fake hypervisor"
            )

    def test_ancillary_files(self, hv):
        assert FakeHypervisor.GetAncillaryFiles() == hv.GetAncillaryFiles() == ([], [])

        class Own(FakeHypervisor):
            ANCILLARY_FILES = ("/etc/a", "/etc/b")
            ANCILLARY_FILES_OPT = ("/etc/b",)

        assert Own.GetAncillaryFiles() == (("/etc/a", "/etc/b"), ("/etc/b",))

        class Wrong(Own):
            ANCILLARY_FILES_OPT = ("/etc/d", "/etc/c")

        assert message(Wrong.GetAncillaryFiles) == (
            "Wrong.ANCILLARY_FILES_OPT has /etc/c, /etc/d, which ANCILLARY_FILES has not"
        )

    def test_the_contract_can_not_be_made(self):
        with pytest.raises(TypeError, match="abstract"):
            BaseHypervisor()

    def test_format_verify_results(self, hv):
        assert hv._FormatVerifyResults([]) is None
        assert hv._FormatVerifyResults(["a", "b"]) == "a; b"


@pytest.mark.parametrize("method", ["StartInstance", "FinalizeMigrationDst"])
def test_a_wrong_call_is_told_of_the_class_that_users_know(hv, method):
    assert message(getattr(hv, method), error=TypeError).startswith(
        f"FakeHypervisor.{method}() missing 3 required positional arguments"
    )


class TestWhatIsNoInstance:
    def test_a_name_instead_of_an_instance(self, hv):
        assert message(hv.StartInstance, "web1", [], False, error=TypeError) == (
            "StartInstance takes an instance, an object with name, hvparams and beparams, not 'web1'"
            "; make one: fakehv.instance('web1')"
        )

    def test_nothing_instead_of_an_instance(self, hv):
        assert message(hv.StartInstance, None, [], False, error=TypeError) == (
            "StartInstance takes an instance, an object with name, hvparams and beparams, not None"
        )

    def test_an_argument_whose_attributes_fail(self, hv):
        class Bad:
            @property
            def beparams(self):
                raise OSError

        assert message(hv.ResizeDisk, make(), Bad(), 1, error=HotplugError) == (
            "Disk resize is not supported by this hypervisor"
        )
        assert len(hv.journal) == 1

    def test_a_refused_call_was_a_call(self, hv):
        message(hv.StartInstance, "web1", [], False, error=TypeError)
        assert [(call.method, call.instance) for call in hv.journal] == [("StartInstance", None)]

    def test_any_object_with_the_attributes_will_do(self, hv):
        beparams = MappingProxyType({"minmem": 1, "maxmem": 2, "vcpus": 3})
        foreign = SimpleNamespace(name="web1", hvparams={}, beparams=beparams, disks=(), nics=())
        hv.StartInstance(foreign, [], False)
        assert hv.GetInstanceInfo("web1") == ("web1", "0", 2, 3, 0, 0)
        assert (hv.journal[0].instance, hv.journal[0].arguments) == ("web1", ("web1", [], False))

    def test_any_object_with_a_name_will_do_where_no_more_is_needed(self, hv):
        start(hv, "web1")
        hv.StopInstance(SimpleNamespace(name="web1"))
        hv.assert_stopped("web1")

    def test_a_missing_argument_is_pythons_own_error(self, hv):
        with pytest.raises(TypeError, match="missing 3 required positional arguments"):
            hv.StartInstance()
