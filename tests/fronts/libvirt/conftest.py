"""What every test of the front gets: a look at what it leaves behind; and two nodes to talk to."""

import os
import threading
from contextlib import suppress

import pytest

from pytest_fakehv import FakeCluster, NodeSpec

ENDS_WITHIN = 20
"""Seconds of waiting, where something goes wrong."""


def own_threads():
    return {each for each in threading.enumerate() if each.name.startswith("fakehv-libvirt")}


def sockets_with_a_path():
    """Return this process's open sockets that a server of the front has made: a client's have no path.

    Not that of clusters, by which they are asked from forked processes: it is there from the first fork on.
    """
    if not os.path.isdir("/proc/self/fd"):
        return set()
    with open("/proc/net/unix") as lines:
        named = {each.split()[6]: each.split()[7] for each in lines if "/" in each}
    own = set()
    for each in os.listdir("/proc/self/fd"):
        try:
            kind, _, inode = os.readlink(f"/proc/self/fd/{each}").partition(":")
        except OSError:  # it was that of the listing itself
            continue
        if kind == "socket":
            own.add(inode.strip("[]"))
    return {named[inode] for inode in own & named.keys() if os.path.basename(named[inode]) != "socket"}


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No thread of the front's and no socket of a server's outlives a test."""
    before = own_threads(), sockets_with_a_path()
    yield
    for each in own_threads() - before[0]:
        each.join(ENDS_WITHIN)
    assert (own_threads() - before[0], sockets_with_a_path() - before[1]) == (set(), set())


NODES = NodeSpec("node1", memory=8192, cpus=4), NodeSpec("node2", memory=8192, cpus=4)


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
    return FakeCluster.in_memory(*NODES)


@pytest.fixture
def front(cluster):
    from pytest_fakehv.fronts.libvirt import FakeLibvirt

    with FakeLibvirt(cluster) as front:
        yield front


@pytest.fixture
def connect(libvirt, front):
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
