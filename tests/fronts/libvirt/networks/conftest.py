"""A cluster of two nodes behind libvirt's interface, its clients, and what they are told of networks."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the client on the codec alone

from pytest_fakehv import FakeCluster, NodeSpec

NODES = NodeSpec("node1", memory=8192, cpus=4), NodeSpec("node2", memory=8192, cpus=4)


@pytest.fixture(autouse=True)
def libvirt():
    """libvirt's Python binding, which prints nothing of what fails."""
    pytest.importorskip(  # by what it has inside: of its own name, there is a folder of tests
        "libvirtmod", reason="needs libvirt-python: apt-get install libvirt-dev, pip install libvirt-python"
    )
    import libvirt as binding

    binding.registerErrorHandler(lambda *_: None, None)
    yield binding
    binding.registerErrorHandler(None, None)


@pytest.fixture
def cluster():
    return FakeCluster.in_memory(*NODES)


@pytest.fixture
def front(cluster):
    from pytest_fakehv.fronts.libvirt import FakeLibvirt

    with FakeLibvirt(cluster) as front:
        yield front


@pytest.fixture
def connect(front, libvirt):
    """Open a connection to a node, which is closed in the end."""
    opened = []

    def connect(node="node1", *, read_only=False):
        open_it = libvirt.openReadOnly if read_only else libvirt.open
        opened.append(open_it(front.uri(node)))
        return opened[-1]

    yield connect
    for each in opened:
        with suppress(libvirt.libvirtError):  # the test has closed it
            each.close()


@pytest.fixture
def node1(connect):
    return connect()


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
