"""Two nodes, on the first of which instances run."""

import pytest

from pytest_fakehv import FakeCluster, FakeHypervisor, InstanceSpec, NodeSpec


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
