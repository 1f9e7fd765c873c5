"""Three nodes, on the first of which the instance runs that is to migrate."""

import pytest
from migrating import NODES, WEB1

from pytest_fakehv import FakeCluster


@pytest.fixture
def cluster(root):
    """Three nodes, on the first of which web1 runs, whose RAM is sent in 4 seconds."""
    return FakeCluster(root, *NODES, instances=[WEB1])


@pytest.fixture
def manual(root):
    """The same, whose time stands still until it is told."""
    return FakeCluster(root, *NODES, instances=[WEB1], clock="manual")


@pytest.fixture
def web1():
    """The instance, as the interface takes it."""
    return WEB1.instance()
