"""What the interface takes and returns, and what a test declares."""

import copy
import pickle

import pytest

from pytest_fakehv import (
    DeclarationError,
    FakeHypervisor,
    Instance,
    InstanceConsole,
    InstanceInfo,
    InstanceSpec,
    InstanceState,
    MigrationStatus,
    NodeSpec,
)


def message(error, function, *args, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    return str(caught.value)


class TestConsole:
    def test_what_is_not_set_reads_none(self):
        console = InstanceConsole()
        names = ["instance", "kind", "message", "host", "port", "user", "command", "display"]
        assert [getattr(console, name) for name in names] == [None] * 8

    def test_refuses_unknown_attributes(self):
        console = InstanceConsole()
        with pytest.raises(AttributeError):
            console.hots = "node1"
        with pytest.raises(AttributeError):
            console.hots  # noqa: B018
        with pytest.raises(TypeError):
            InstanceConsole(hots="node1")

    def test_dicts_and_copies(self):
        console = InstanceConsole(instance="web1", kind="ssh", command=["virsh", "console"])
        values = console.ToDict()
        assert values == {"instance": "web1", "kind": "ssh", "command": ["virsh", "console"]}
        assert InstanceConsole.FromDict(values) == console
        console = InstanceConsole(command=[["nested"]])
        for other in (console.Copy(), InstanceConsole.FromDict(console.ToDict())):
            other.command[0].append("x")
        console.ToDict()["command"][0].append("x")
        InstanceConsole.FromDict({"command": console.command}).command[0].append("x")
        assert console.command == [["nested"]]
        console = InstanceConsole(instance="web1", kind="ssh", command=["virsh", "console"])
        twin = console.Copy()
        assert twin == console
        twin.command.append("x")
        values["command"].append("y")
        assert console.command == ["virsh", "console"]

    def test_from_dict_refuses_unknown_keys(self):
        assert message(AttributeError, MigrationStatus.FromDict, {"status": "active", "eta": 5}) == (
            "MigrationStatus has no attribute 'eta'; "
            "valid: status, transferred_ram, total_ram, postcopy_status"
        )

    @pytest.mark.parametrize(
        "console",
        [
            InstanceConsole(instance="a", kind="msg", message="none"),
            InstanceConsole(instance="a", kind="ssh", host="h", user="root", command=["x"]),
            InstanceConsole(instance="a", kind="vnc", host="h", port=5900, display=0),
            InstanceConsole(instance="a", kind="spice", host="h", port=5900, command=[]),
        ],
    )
    def test_valid(self, console):
        assert console.Validate() is None

    @pytest.mark.parametrize(
        ("console", "text"),
        [
            (InstanceConsole(kind="msg"), "InstanceConsole.instance is not set"),
            (
                InstanceConsole(instance="a", kind="telnet"),
                "InstanceConsole.kind is invalid: 'telnet'; valid: msg, spice, ssh, vnc",
            ),
            (
                InstanceConsole(instance="a", kind="msg"),
                "InstanceConsole.message is not set, which kind 'msg' needs",
            ),
            (
                InstanceConsole(instance="a", kind="ssh", host="h", user="u"),
                "InstanceConsole.command is not set, which kind 'ssh' needs",
            ),
            (
                InstanceConsole(instance="a", kind="vnc", host="h"),
                "InstanceConsole.port is not set, which kind 'vnc' needs",
            ),
            (
                InstanceConsole(instance="a", kind="spice", port=1),
                "InstanceConsole.host is not set, which kind 'spice' needs",
            ),
        ],
    )
    def test_invalid(self, console, text):
        assert message(ValueError, console.Validate) == text


def test_migration_status():
    status = MigrationStatus(status="active", transferred_ram=5, total_ram=10)
    assert status.Validate() is None
    assert MigrationStatus().Validate() is None
    assert MigrationStatus().ToDict() == {}
    assert status.ToDict() == {"status": "active", "transferred_ram": 5, "total_ram": 10}
    valid = "valid: active, cancelled, completed, failed, postcopy-active"
    assert message(ValueError, MigrationStatus(status="done").Validate) == (
        f"MigrationStatus.status is invalid: 'done'; {valid}"
    )
    assert message(ValueError, MigrationStatus(postcopy_status="x").Validate) == (
        f"MigrationStatus.postcopy_status is invalid: 'x'; {valid}"
    )


def test_instance_defaults_are_its_own():
    first, second = Instance("a"), Instance("b")
    first.hvparams["x"] = first.beparams["y"] = 1
    first.disks.append(1)
    first.nics.append(1)
    assert second == Instance("b", {}, {}, [], [])


def test_instance_info_is_copied_whole():
    info = InstanceInfo.of("web1", 5, 2, paused=True)
    for twin in (copy.copy(info), copy.deepcopy(info), pickle.loads(pickle.dumps(info))):
        assert twin == info == ("web1", "0", 5, 2, InstanceState.RUNNING, 0)
        assert twin.paused
    assert InstanceState.SHUTDOWN == 1


AMOUNTS = [0, -1, True, 1.5, "1024", None, 2**63]
MIB = "of MiB, or a text like '512M', '24G' or '1.5 TiB'"


@pytest.mark.parametrize("value", AMOUNTS)
@pytest.mark.parametrize("key", ["memory", "cpus", "cpu_nodes", "cpu_sockets"])
def test_node_amounts(key, value):
    assert message(DeclarationError, NodeSpec, "n", **{key: value}) == (
        f"{key} must be a positive integer, {f'{MIB}, ' if key == 'memory' else ''}not {value!r}"
    )


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"name": "a/b"}, "name is invalid: 'a/b': it contains '/'"),
        ({"name": 5}, "name is invalid: 5: it is of type int, not a text"),
        ({"reserved_memory": -1}, f"reserved_memory must be an integer that is not negative, {MIB}, not -1"),
        (
            {"reserved_memory": False},
            f"reserved_memory must be an integer that is not negative, {MIB}, not False",
        ),
        ({"memory": 5, "reserved_memory": 6}, "reserved_memory (6) is more than memory (5)"),
        ({"overcommit": 1}, "overcommit must be one of True, False, not 1"),
        ({"address": ""}, "address must be a text that is not empty, not ''"),
        ({"version": 5}, "version must be a text that is not empty, not 5"),
    ],
)
def test_other_node_arguments(kwargs, text):
    assert message(DeclarationError, NodeSpec, **{"name": "n", **kwargs}) == text


def test_the_least_and_the_most():
    assert NodeSpec("n", memory=5, reserved_memory=5).info()["memory_free"] == 0
    assert InstanceSpec("i", memory=5, min_memory=5).instance().beparams["minmem"] == 5
    assert NodeSpec("n", memory=2**63 - 1, cpus=1).memory == 2**63 - 1


@pytest.mark.parametrize("value", [each for each in AMOUNTS if each is not None])
@pytest.mark.parametrize("key", ["memory", "vcpus"])
def test_instance_amounts(key, value, hv):
    text = f"{key} must be a positive integer, {f'{MIB}, ' if key == 'memory' else ''}not {value!r}"
    assert message(DeclarationError, InstanceSpec, "web1", **{key: value}) == text
    assert message(DeclarationError, hv.instance, "web1", **{key: value}) == text
    assert message(DeclarationError, hv.add_instance, "web1", **{key: value}) == text
    assert hv.ListInstances() == []


def test_what_an_instance_has_of_which_nothing_is_said():
    web1 = InstanceSpec("web1", memory=None, vcpus=None)
    assert (web1.memory, web1.min_memory, web1.vcpus) == (1024, None, 1)
    assert web1 == InstanceSpec("web1")


def test_a_size_in_the_xml_that_no_number_can_be_says_nothing():
    xml = f"<domain><memory>{'9' * 5000}</memory><vcpu>{'9' * 5000}</vcpu></domain>"
    web1 = InstanceSpec("web1", xml=xml)
    assert (web1.memory, web1.vcpus) == (1024, 1)


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"name": ""}, "name is invalid: '': it is empty"),
        ({"min_memory": 0}, f"min_memory must be a positive integer, {MIB}, not 0"),
        ({"memory": 5, "min_memory": 6}, "min_memory (6) is more than memory (5)"),
        ({"node": 5}, "node must be the name of a node, not 5"),
        ({"hvparams": "a"}, "hvparams must be a mapping by name, not 'a'"),
        ({"state": "off"}, "state must be one of 'running', 'paused', 'stopped', not 'off'"),
        ({"state": ["running"]}, "state must be one of 'running', 'paused', 'stopped', not ['running']"),
    ],
)
def test_other_instance_arguments(kwargs, text):
    assert message(DeclarationError, InstanceSpec, **{"name": "web1", **kwargs}) == text


class TestDeclaring:
    def test_instance_is_not_started(self, hv):
        assert hv.instance("web1", memory=2048, min_memory=512, vcpus=3, hvparams={"a": 1}) == Instance(
            "web1", hvparams={"a": 1}, beparams={"minmem": 512, "maxmem": 2048, "vcpus": 3}
        )
        assert hv.instance("web2").beparams == {"minmem": 1024, "maxmem": 1024, "vcpus": 1}
        assert hv.instances == {}

    def test_a_declared_one_is_found_again_by_its_name(self, hv):
        web1 = hv.add_instance("web1", memory=2048, state="paused")
        assert hv.instance("web1") == web1
        assert hv.instance("web1").beparams["maxmem"] == 2048
        assert hv.instance("web1", memory=4096).beparams["maxmem"] == 4096
        assert hv.instance("web1").beparams["maxmem"] == 4096

    def test_what_is_not_given_anew_is_as_it_was_declared(self, hv):
        hv.instance("web1", memory=2048, min_memory=512, vcpus=3, hvparams={"a": 1})
        same = {"minmem": 512, "maxmem": 2048, "vcpus": 3}
        assert hv.instance("web1", hvparams={"b": 2}) == Instance("web1", {"b": 2}, same)
        assert hv.instance("web1", vcpus=4) == Instance("web1", {"b": 2}, {**same, "vcpus": 4})
        assert hv.instance("web1", memory=600) == (
            Instance("web1", {"b": 2}, {"minmem": 600, "maxmem": 600, "vcpus": 4})
        )
        assert hv.instance("web1", min_memory=100) == (
            Instance("web1", {"b": 2}, {"minmem": 100, "maxmem": 600, "vcpus": 4})
        )

    def test_one_that_is_declared_is_added_as_it_was(self, hv):
        hv.instance("web1", memory=2048, vcpus=3)
        assert hv.add_instance("web1") == Instance(
            "web1", beparams={"minmem": 2048, "maxmem": 2048, "vcpus": 3}
        )
        hv.assert_running("web1", memory=2048, vcpus=3)

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [
            ("FakeHypervisor.instance", {"state": "paused"}),
            ("FakeHypervisor.add_instance", {"node": "node2"}),
        ],
    )
    def test_an_unknown_argument(self, hv, method, arguments):
        assert message(TypeError, getattr(hv, method.partition(".")[2]), "web1", **arguments) == (
            f"{method}() got an unexpected keyword argument '{next(iter(arguments))}'"
        )

    def test_an_unknown_state(self, hv):
        assert message(DeclarationError, hv.add_instance, "web1", state="off") == (
            "state must be one of 'running', 'paused', 'stopped', not 'off'"
        )

    def test_states(self, hv):
        hv.add_instance("web10")
        hv.add_instance("web2", memory=512, vcpus=2, state="paused")
        hv.add_instance("web3", state="stopped")
        assert hv.instances == {"web2": ("web2", "0", 512, 2, 0, 0), "web10": ("web10", "0", 1024, 1, 0, 0)}
        assert list(hv.instances) == ["web2", "web10"]
        assert [info.paused for info in hv.instances.values()] == [True, False]
        assert len(hv.journal) == 0

    def test_twice(self, hv):
        hv.add_instance("web1")
        assert message(DeclarationError, hv.add_instance, "web1") == (
            "Failed to place web1 on node1: already running"
        )

    def test_does_not_fit(self, root):
        hv = FakeHypervisor(root, spec=NodeSpec("node1", memory=1000, overcommit=False))
        assert message(DeclarationError, hv.add_instance, "web1") == (
            "Failed to place web1 on node1: node1 does not overcommit: 1024 MiB are needed, 1000 MiB are free"
        )
        assert hv.instances == {}

    def test_repr(self, hv):
        assert repr(hv) == "<FakeHypervisor node1>"

    def test_hvparams(self, hv):
        assert hv.add_instance("web1", hvparams={"a": 1}).hvparams == {"a": 1}
        assert hv.instance("web1").hvparams == {"a": 1}

    def test_a_size_that_is_none(self, tmp_path):
        assert message(DeclarationError, FakeHypervisor, tmp_path, spec="node1") == (
            "spec must be a NodeSpec, not 'node1'"
        )
