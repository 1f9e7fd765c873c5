"""A domain whose guest has a channel for an agent, and a pair of hands for it."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the client on the codec alone
sys.path.insert(0, str(Path(__file__).parents[1] / "host"))  # for what the tests of hosts share


@pytest.fixture(autouse=True)
def _with_the_binding(libvirt):
    """Each test needs it."""


@pytest.fixture
def domain(node1):
    """A domain that runs, with two CPUs, two disks, an interface, and a channel."""
    from inhabited import GUEST

    return node1.createXML(GUEST)


@pytest.fixture
def watch(front):
    """Watch what clients of a node are told."""
    from told_by_hosts import Watcher

    watchers = []

    def watch(node="node1"):
        watchers.append(Watcher(front.socket(node)))
        return watchers[-1]

    yield watch
    for each in watchers:
        each.close()


@pytest.fixture
def told(watch):
    """What clients of node1 have been told since the last time that it was called."""
    return watch().told


@pytest.fixture
def command(domain):
    """Send a command to the domain's agent by itself; return its answer."""
    libvirt_qemu = pytest.importorskip("libvirt_qemu")

    def command(name, timeout=5, **arguments):
        given = {"execute": name, "arguments": arguments}
        return json.loads(libvirt_qemu.qemuAgentCommand(domain, json.dumps(given), timeout, 0))["return"]

    return command
