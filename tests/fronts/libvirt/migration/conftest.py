import pytest
from moving import Pair, libvirt

from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt


@pytest.fixture(autouse=True)
def _silent():
    """Errors are raised; libvirt shall not print them, too."""
    libvirt.registerErrorHandler(lambda *_: None, None)


@pytest.fixture
def pair_of():
    """Make pairs of hosts on clocks."""
    made = []

    def make(clock="polls"):
        nodes = [NodeSpec(name, memory=4096, cpus=4) for name in ("A", "B")]
        cluster = FakeCluster.in_memory(*nodes, clock=clock)
        made.append(FakeLibvirt(cluster))
        return Pair(cluster, made[-1])

    yield make
    for each in made:
        each.close()


@pytest.fixture
def pair(pair_of):
    """Two hosts."""
    return pair_of()
