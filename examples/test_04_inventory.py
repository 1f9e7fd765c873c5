"""4. Several nodes: test an inventory that is collected from a cluster and written to a file.

You learn to

- declare a cluster for all tests of a module, with ``pytestmark``, and change a part of it for one test;
- walk its nodes, with the fixture ``fakehv_cluster``;
- test code that writes files, with ``tmp_path`` or on pyfakefs's fake filesystem, ``fs``;
- damage a node on purpose, by a malformed file in its ``root``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem

from pytest_fakehv import BaseHypervisor, FakeCluster, FakeHypervisor, HypervisorError

# The code under test: in your project it is a module of its own.


class NodeReport(TypedDict):
    """What the inventory says of a node: memory in MiB, None where the node couldn't tell."""

    memory_total: int | None
    memory_free: int | None
    instances: dict[str, int]
    problems: list[str]


def examine(hypervisor: BaseHypervisor) -> NodeReport:
    """Ask a node what it has and what runs there; what goes wrong is part of the answer."""
    report = NodeReport(memory_total=None, memory_free=None, instances={}, problems=[])
    try:
        node = hypervisor.GetNodeInfo()
        report["memory_total"], report["memory_free"] = node["memory_total"], node["memory_free"]
        for name, _id, memory, _vcpus, _state, _times in hypervisor.GetAllInstancesInfo():
            report["instances"][name] = memory
    except HypervisorError as error:
        report["problems"].append(str(error))
    return report


def collect(nodes: Mapping[str, BaseHypervisor]) -> dict[str, NodeReport]:
    """Examine every node, whatever is wrong with another one."""
    return {name: examine(hypervisor) for name, hypervisor in nodes.items()}


def write(inventory: Mapping[str, NodeReport], path: Path) -> None:
    """Write an inventory as JSON, in the same order each time so that two can be compared."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(inventory, indent=2, sort_keys=True) + "\n")


# The tests

# In this order: the first node is the one that the fixture `fakehv` would be.
pytestmark = [
    pytest.mark.fakehv_node("node1", memory=8192, reserved_memory=1024),
    pytest.mark.fakehv_node("node2", memory=16384),
    pytest.mark.fakehv_instance("web1", memory=2048, node="node1"),
    pytest.mark.fakehv_instance("web2", memory=1024, node="node1", state="paused"),
    pytest.mark.fakehv_instance("db1", memory=4096, node="node2"),
    pytest.mark.fakehv_instance("db2", memory=4096, node="node2", state="stopped"),
]


def by_name(cluster: FakeCluster) -> dict[str, FakeHypervisor]:
    """Return a cluster's nodes, in the form that the code under test takes."""
    return {node.name: node for node in cluster}


def test_tells_what_runs_where(fakehv_cluster: FakeCluster) -> None:
    """A paused instance counts, for it has memory; a stopped one does not."""
    assert collect(by_name(fakehv_cluster)) == {
        "node1": {
            "memory_total": 8192,
            "memory_free": 4096,
            "instances": {"web1": 2048, "web2": 1024},
            "problems": [],
        },
        "node2": {
            "memory_total": 16384,
            "memory_free": 12288,
            "instances": {"db1": 4096},
            "problems": [],
        },
    }


@pytest.mark.fakehv_node("node2", memory=4096)
def test_a_full_node_has_no_memory_free(fakehv_cluster: FakeCluster) -> None:
    """The closest marker of a name counts, as a whole: here node2 is smaller, and all else as above."""
    inventory = collect(by_name(fakehv_cluster))

    assert {name: node["memory_free"] for name, node in inventory.items()} == {"node1": 4096, "node2": 0}


def test_writes_json(fakehv_cluster: FakeCluster, tmp_path: Path) -> None:
    """On the real disk, the report goes under ``tmp_path``; the nodes' own files lie elsewhere."""
    path = tmp_path / "new" / "inventory.json"
    inventory = collect(by_name(fakehv_cluster))

    write(inventory, path)

    assert json.loads(path.read_text()) == inventory


def test_writes_the_same_whatever_the_order_of_nodes(fakehv_cluster: FakeCluster, fs: FakeFilesystem) -> None:
    """With ``fs`` the code may write to its real place, and the nodes' files are in that filesystem too."""
    inventory = collect(by_name(fakehv_cluster))

    write(inventory, Path("/var/lib/inventory/one.json"))
    write(dict(reversed(inventory.items())), Path("/var/lib/inventory/two.json"))

    one, two = (fs.get_object(f"/var/lib/inventory/{name}.json") for name in ("one", "two"))
    assert one.contents == two.contents
    # One file for each instance that runs, under the node's root.
    assert sorted(fs.listdir(fakehv_cluster["node1"].root)) == ["web1", "web2"]


def test_reports_a_damaged_node_and_goes_on(fakehv_cluster: FakeCluster, fs: FakeFilesystem) -> None:
    """A full disk has left an instance file half written: node1 can't be examined, node2 must be."""
    # Each running instance has a file of its name in its node's root; here that is in the fake filesystem.
    broken = Path(fakehv_cluster["node1"].root, "web1")
    assert fs.exists(str(broken))
    broken.write_text("0\n20")

    inventory = collect(by_name(fakehv_cluster))

    [problem] = inventory["node1"]["problems"]
    assert f"malformed instance file '{broken}'" in problem
    assert inventory["node1"]["memory_free"] is None
    assert inventory["node2"]["instances"] == {"db1": 4096}
    assert inventory["node2"]["problems"] == []
