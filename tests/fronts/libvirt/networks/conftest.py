"""A node without the network that it came with, and what clients are told of networks."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the client on the codec alone


@pytest.fixture(autouse=True)
def _with_the_binding(libvirt):
    """Each test needs it."""


@pytest.fixture
def bare(node1):
    """A node that has lost the network that it came with."""
    default = node1.networkLookupByName("default")
    default.destroy()
    default.undefine()
    return node1


@pytest.fixture
def default(node1):
    return node1.networkLookupByName("default")


@pytest.fixture
def told(front):
    """What clients of node1 have been told of networks since the last time that it was called."""
    from connected import Watcher

    watcher = Watcher(front.socket("node1"))
    yield watcher.told
    watcher.close()
