"""A cluster, and its first node."""

import pytest

from pytest_fakehv import FakeCluster


@pytest.fixture
def cluster(root):
    return FakeCluster(root)


@pytest.fixture
def hv(cluster):
    return cluster["node1"]
