"""What a test gives wrongly: every method, each of its arguments, anything in its place."""

import pytest

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HotplugError,
    HypervisorError,
    Instance,
    InstanceSpec,
    NodeSpec,
)
from pytest_fakehv.interface.contract import INTERFACE

INSTANCE, STOPPED = "web1", "db1"
"""In place of an instance: the one that runs, and the one that does not."""

HOTPLUG = dict.fromkeys(("dev_type", "device", "extra", "seq"))

CALLS = {
    "StartInstance": {"instance": STOPPED, "block_devices": [], "startup_paused": False},
    "StopInstance": {"instance": INSTANCE, "force": False, "retry": False, "name": None, "timeout": None},
    "CleanupInstance": {"instance_name": "web1"},
    "RebootInstance": {"instance": INSTANCE},
    "ListInstances": {"hvparams": None},
    "GetInstanceInfo": {"instance_name": "web1", "hvparams": None},
    "GetAllInstancesInfo": {"hvparams": None},
    "BalloonInstanceMemory": {"instance": INSTANCE, "mem": 256},
    "VerifyInstance": {"instance": INSTANCE},
    "RestoreInstance": {"instance": INSTANCE, "block_devices": []},
    "GetInstanceConsole": {
        "instance": INSTANCE,
        "primary_node": None,
        "node_group": None,
        "hvparams": {},
        "beparams": {},
    },
    "GetNodeInfo": {"hvparams": None},
    "Verify": {"hvparams": None},
    "PowercycleNode": {"hvparams": None},
    "GetLinuxNodeInfo": {"meminfo": "/proc/meminfo", "cpuinfo": "/proc/cpuinfo"},
    "GetAncillaryFiles": {},
    "MigrationInfo": {"instance": INSTANCE},
    "AcceptInstance": {"instance": STOPPED, "info": "", "target": "node1"},
    "MigrateInstance": {"cluster_name": "c", "instance": INSTANCE, "target": "node2", "live": True},
    "GetMigrationStatus": {"instance": INSTANCE},
    "FinalizeMigrationSource": {"instance": INSTANCE, "success": False, "live": True},
    "FinalizeMigrationDst": {"instance": INSTANCE, "info": "", "success": False},
    "VersionsSafeForMigration": {"src": 1, "target": 1},
    "HotplugSupported": {"instance": INSTANCE},
    "VerifyHotplugSupport": {"instance": INSTANCE, "action": None, "dev_type": None},
    "HotAddDevice": {"instance": INSTANCE, **HOTPLUG},
    "HotDelDevice": {"instance": INSTANCE, **HOTPLUG},
    "HotModDevice": {"instance": INSTANCE, **HOTPLUG},
    "ResizeDisk": {"instance": INSTANCE, "disk": None, "new_size": 1},
    "AssessParameters": {"hvparams": {}},
    "CheckParameterSyntax": {"hvparams": {"migration_mode": "live"}},
    "ValidateParameters": {"hvparams": {"migration_mode": "live"}},
}

DESCRIBED = {"memory": 1, "min_memory": 1, "vcpus": 1, "hvparams": {}}
STRUCK = {"method": "StopInstance", "node": "node1", "instance": "web1"}
MOVED = {"instance": "web1", "source": "node1", "target": "node2", "live": True}
PLACED = {"instance": "web1", "on": "node1", "memory": 512, "vcpus": 1}

OF_BOTH = {
    "allow": {"invariants": ["vanished"], "instance": "web1", "volume": "a"},
    "forbid": {"invariants": ["orphaned"]},
    "keep_apart": {"instances": ["web1", "db1"]},
    "keep_at_most": {"migrations": 1, "node": "node1"},
    "at": {"time": 30, "deed": int, "optional": False},
    "instance": {"name": "x", **DESCRIBED},
    "add_instance": {"name": "x", "state": "running", **DESCRIBED},
    "fault": {
        **STRUCK,
        "error": "e",
        "when": "before",
        "after": 0,
        "times": 1,
        "probability": 1,
        "delay": 0,
        "crash": False,
        "optional": False,
        "phase": None,
        "side": None,
    },
    "hold": {**STRUCK, "timeout": 1, "phase": None, "side": None},
    "script_migration": {
        "instance": "web1",
        "outcome": "failed",
        "at": None,
        "polls": None,
        "bandwidth": 1,
        "dirty_rate": 1,
        "max_downtime": 1,
        "postcopy": None,
        "times": 1,
    },
    "cancel_migration": {"instance": "web1"},
    "fail_migration": {"instance": "web1"},
    "complete_migration": {"instance": "web1"},
    "start_postcopy": {"instance": "web1"},
    "kill": {"instance": "web1", "node": "node1"},
    "pause": {"instance": "web1", "node": "node1"},
    "resume": {"instance": "web1", "node": "node1"},
    "hang": {"instance": "web1", "node": "node1"},
    "assert_running": PLACED,
    "assert_paused": PLACED,
    "assert_stopped": {"instance": "db1"},
    "assert_placement": {"expected": {"web1": "node1"}, "partial": False},
    "assert_migrated": MOVED,
    "assert_not_migrated": MOVED,
    "assert_migration_failed": MOVED,
    "assert_migration_cancelled": MOVED,
    "assert_called": {**STRUCK, "times": 1},
    "assert_not_called": STRUCK,
    "assert_call_order": {"steps": ["MigrationInfo"], "node": "node1", "instance": "web1"},
    "assert_consistent": {"allow": []},
}

DRIVEN = {"instance": "web1", "to": "node2", "source": "node1"}

OF_CLUSTER = {
    **OF_BOTH,
    "add_instance": {"name": "x", "node": "node1", "state": "running", **DESCRIBED},
    "add_node": {
        "name": "n",
        "memory": 1,
        "cpus": 1,
        "reserved_memory": 1,
        "overcommit": True,
        "max_migrations": 1,
        "address": "a",
        "version": "v",
        "cpu_nodes": 1,
        "cpu_sockets": 1,
    },
    "remove_node": {"name": "node2"},
    "migrate": {**DRIVEN, "live": True, "timeout": 9},
    "clean_up": {**DRIVEN, "live": True},
    "failover": {**DRIVEN, "source_is_down": False},
    "__getitem__": {"node": "node1"},
}

OF_JOURNAL = {
    "calls": STRUCK,
    "last": {"count": 1},
    "last_about": {"instance": "web1"},
    "keep": {"most": 1},
}

PARTS = {
    "node": (
        lambda cluster: cluster["node1"],
        {**CALLS, **OF_BOTH, "runs": {"name": "x"}, "instance_info": {"name": "x"}},
    ),
    "cluster": (lambda cluster: cluster, OF_CLUSTER),
    "journal": (lambda cluster: cluster.journal, OF_JOURNAL),
}

EACH = [
    (part, method, parameter)
    for part, (_, methods) in PARTS.items()
    for method, arguments in methods.items()
    for parameter in arguments
]

OF_THE_CODE = {
    ("BalloonInstanceMemory", "mem"),
    ("CheckParameterSyntax", "hvparams"),
    ("GetInstanceInfo", "instance_name"),
    ("GetLinuxNodeInfo", "cpuinfo"),
    ("GetLinuxNodeInfo", "meminfo"),
    ("MigrateInstance", "target"),
    ("StopInstance", "instance"),
    ("StopInstance", "name"),
    ("ValidateParameters", "hvparams"),
}
"""What a program gets wrong by its value, such as the name of what is not there."""


class Odd:
    def __repr__(self):
        return "<Odd>"


def make():
    specs = InstanceSpec("web1", memory=512), InstanceSpec("db1", state="stopped")
    cluster = FakeCluster.in_memory(instances=specs)
    cluster.migrate("web1", to="node2")
    cluster.migrate("web1", to="node1")
    return cluster


def wrong_values(cluster):
    yield from (None, 5, 1.5, True, "zz", "", "a/b", b"web1", ["web1"], ("web1",), {"a": 1})
    yield from (Odd(), Instance, FakeHypervisor, NodeSpec("node1"), InstanceSpec("web1"))
    yield from (cluster["node2"], FakeCluster.in_memory()["node1"], cluster["node1"].instances["web1"])
    yield cluster.instance("web1")


def call(thing, method, arguments):
    arguments = dict(arguments)
    if method in INTERFACE or method.startswith("__"):
        return getattr(thing, method)(*arguments.values())
    several = [arguments.pop(each) for each in ("steps", "invariants", "instances") if each in arguments]
    positional = several[0] if several and isinstance(several[0], list) else several
    return getattr(thing, method)(*positional, **arguments)


def test_every_method_is_looked_at():
    assert CALLS.keys() == INTERFACE.keys()
    of_test = {
        name
        for name in (*dir(FakeCluster), *dir(FakeHypervisor))
        if name.islower() and not name.startswith("_") and callable(getattr(FakeCluster, name, None))
    }
    without_arguments = {"describe", "timeline", "violations", "placement"}
    assert of_test - without_arguments - {"temporary", "in_memory", "node_class"} == {
        each for each in OF_CLUSTER if not each.startswith("_")
    }


@pytest.mark.parametrize(("part", "method", "parameter"), EACH)
def test_what_is_wrong_is_said_in_one_line_and_never_as_a_hypervisor_would(part, method, parameter):
    find, methods = PARTS[part]
    for index in range(len([*wrong_values(make())])):
        cluster = make()
        wrong = [*wrong_values(cluster)][index]
        arguments = dict(methods[method])
        if method in INTERFACE and "instance" in arguments:
            arguments["instance"] = cluster.instance(arguments["instance"])
        before = cluster.placement(), len(cluster.migrations)
        arguments[parameter] = wrong
        error = raised(call, find(cluster), method, arguments)
        if isinstance(error, TypeError | DeclarationError | KeyError):
            assert "\n" not in str(error)
            assert (cluster.placement(), len(cluster.migrations)) == before, wrong
        elif isinstance(error, HotplugError):
            assert isinstance(arguments["instance"], Instance)
        elif isinstance(error, HypervisorError):
            is_right = isinstance(wrong, Instance) and parameter == "instance"
            assert is_right or (method, parameter) in OF_THE_CODE, (wrong, error)
        else:
            assert error is None or method.startswith("assert_"), (wrong, error)


def raised(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is looked at
        return error
    return None


def said(function, *arguments, error=DeclarationError, **keywords):
    with pytest.raises(error) as caught:
        function(*arguments, **keywords)
    assert type(caught.value) is error
    return str(caught.value)


def test_the_cure():
    cluster = make()
    node1, web1 = cluster["node1"], cluster.instance("web1")
    assert said(node1.StopInstance, "web1", error=TypeError) == (
        "StopInstance takes an instance, an object with name, hvparams and beparams, not 'web1'"
        "; make one: fakehv.instance('web1')"
    )
    assert said(FakeHypervisor.GetInstanceConsole, "web1", None, None, {}, {}, error=TypeError) == (
        "GetInstanceConsole takes an instance, an object with name, hvparams and beparams, not 'web1'"
        "; make one: fakehv.instance('web1')"
    )
    spec = InstanceSpec("web1")
    for text in (
        said(node1.StopInstance, spec, error=TypeError),
        said(node1.StartInstance, spec, [], False, error=TypeError),
        said(cluster.assert_running, spec),
    ):
        assert "not InstanceSpec(name='web1', " in text or "not as InstanceSpec(name='web1', " in text
        assert text.endswith("; make one: its instance()")
    assert said(node1.StopInstance, cluster["node2"], error=TypeError).endswith(
        ", an object with name, hvparams and beparams, not <FakeHypervisor node2>"
    )
    assert said(node1.StopInstance, instance="web1", error=TypeError).endswith(
        ", not 'web1'; make one: fakehv.instance('web1')"
    )
    assert said(node1.GetInstanceInfo, 5, error=TypeError) == (
        "GetInstanceInfo takes the name of an instance, not 5"
    )
    text = said(node1.GetInstanceInfo, web1, error=TypeError)
    assert text.startswith("GetInstanceInfo takes the name of an instance, not Instance(name='web1', ")
    assert text.endswith("; give its name, 'web1'")
    assert said(cluster.assert_running, ["web1"]) == (
        "an instance is given by its name, or as itself, not as ['web1']"
    )
    assert said(cluster.migrate, "web1", to=NodeSpec("node2")).startswith(
        "a node is given by its name or address, or as itself, not as NodeSpec("
    )
    other = FakeCluster.in_memory()
    assert (
        said(cluster.migrate, web1, to=other["node2"])
        == "<FakeHypervisor node2> is a node of another cluster"
    )
    assert (
        said(cluster.assert_placement, {"web1": 5}) == "the place of web1 is a node, several, or None, not 5"
    )
    assert said(node1.CheckParameterSyntax, "live", error=TypeError) == (
        "hvparams must be a mapping by name, not 'live'"
    )
    assert said(node1.GetLinuxNodeInfo, 5, error=TypeError) == "meminfo must be the path of a file, not 5"


def test_an_override_may_name_its_argument_otherwise():
    class Own(FakeHypervisor):
        def GetInstanceInfo(self, vm, hvparams=None):
            return super().GetInstanceInfo(vm, hvparams)

    assert FakeCluster.in_memory(hypervisor=Own)["node1"].GetInstanceInfo(vm="web1") is None


class Bad(FakeHypervisor):
    early = None

    def __init__(self, *arguments, **keywords):
        try:
            self.cluter  # noqa: B018
        except AttributeError as error:
            Bad.early = str(error)
        super().__init__(*arguments, **keywords)

    @property
    def figure(self):
        return None.figures


def test_a_name_that_is_not_there():
    cluster = FakeCluster.in_memory(hypervisor=Bad)
    node1 = cluster["node1"]

    def missing(thing, name):
        assert not hasattr(thing, name)
        return said(getattr, thing, name, error=AttributeError)

    assert missing(node1, "start_instance") == (
        "'Bad' object has no attribute 'start_instance'; nearest: StartInstance"
    )
    assert missing(node1, "crsh") == "'Bad' object has no attribute 'crsh'; nearest: crash"
    assert missing(node1, "qqqqqqqq") == "'Bad' object has no attribute 'qqqqqqqq'"
    assert missing(node1, "_crsh") == "'Bad' object has no attribute '_crsh'"
    assert missing(node1, "door") == "'Bad' object has no attribute 'door'"
    assert missing(node1, "remove_node") == (
        "'Bad' object has no attribute 'remove_node'; its cluster has it: fakehv.cluster.remove_node"
    )
    assert missing(cluster, "StartInstance") == (
        "'FakeCluster' object has no attribute 'StartInstance'; a node has it: cluster['node1'].StartInstance"
    )
    assert missing(cluster, "start_instance").endswith("; a node has it: cluster['node1'].StartInstance")
    assert missing(cluster, "assert_runing") == (
        "'FakeCluster' object has no attribute 'assert_runing'; nearest: assert_running"
    )
    assert missing(node1, "figure") == "'NoneType' object has no attribute 'figures'"
    assert missing(node1, "cluter") == "'Bad' object has no attribute 'cluter'; nearest: cluster"
    assert Bad.early == "'Bad' object has no attribute 'cluter'"
