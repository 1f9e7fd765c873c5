"""A running domain to plug devices into, and what clients are told of it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the client on the codec alone


@pytest.fixture(autouse=True)
def _with_the_binding(libvirt):
    """Each test needs it."""


@pytest.fixture
def web1(node1):
    from plugs import domain

    web1 = node1.defineXML(domain("web1"))
    web1.create()
    return web1


@pytest.fixture
def told(front):
    """What clients of node1 have been told of devices since the last time that it was called."""
    from plugs import Watcher

    watcher = Watcher(front.socket("node1"))
    yield watcher.told
    watcher.close()
