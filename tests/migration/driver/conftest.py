"""A cluster whose nodes can be made to fail."""

import pytest
from breakable import Node

from pytest_fakehv import FakeCluster, InstanceSpec, NodeSpec


@pytest.fixture
def cluster(root):
    """Three nodes, on the first of which web1 runs, which is sent in 4 seconds."""
    return FakeCluster(
        root,
        NodeSpec("node1", address="10.0.0.1"),
        NodeSpec("node2", address="10.0.0.2"),
        NodeSpec("node3"),
        instances=[InstanceSpec("web1", memory=4096)],
        hypervisor=Node,
    )
