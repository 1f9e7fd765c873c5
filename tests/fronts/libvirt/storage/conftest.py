"""A cluster of two nodes behind libvirt's interface, and a pool on the first."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the client on the codec alone
sys.path.insert(0, str(Path(__file__).parents[1] / "host"))  # for the words of hosts

from stored import pool_xml

from pytest_fakehv import FakeCluster, NodeSpec


@pytest.fixture
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
    return FakeCluster.in_memory(*(NodeSpec(name, memory=8192, cpus=4) for name in ("node1", "node2")))


@pytest.fixture
def front(cluster):
    from pytest_fakehv.fronts.libvirt import FakeLibvirt

    with FakeLibvirt(cluster) as front:
        yield front


@pytest.fixture
def connect(libvirt, front):
    """Open a connection to a node, which is closed in the end."""
    opened = []

    def connect(node="node1"):
        opened.append(libvirt.open(front.uri(node)))
        return opened[-1]

    yield connect
    for each in opened:
        with suppress(libvirt.libvirtError):
            each.close()


@pytest.fixture
def node1(connect):
    return connect()


@pytest.fixture
def images(node1):
    """A pool that is defined and active."""
    pool = node1.storagePoolDefineXML(pool_xml("images"), 0)
    pool.create(1)
    return pool
