"""What no client's library sends, as it refuses it itself: the host refuses it, too."""

import pytest
from small_host import Client

from pytest_fakehv import FakeCluster
from pytest_fakehv.fronts.libvirt import FakeLibvirt
from pytest_fakehv.fronts.libvirt.values import DomainRef


@pytest.fixture
def client():
    cluster = FakeCluster.in_memory()
    cluster.add_instance("web1")
    with FakeLibvirt(cluster) as front, Client(front.socket()) as client:
        yield client


@pytest.fixture
def web1(client):
    (found,) = client.call("virDomainLookupByName", "web1")
    assert isinstance(found, DomainRef)
    return found


@pytest.mark.parametrize(
    ("api", "argument", "arguments"),
    [
        ("virDomainSetMemory", "memory", ()),
        ("virDomainSetMemoryFlags", "memory", (1,)),
        ("virDomainSetMaxMemory", "memory", ()),
        ("virDomainSetVcpus", "nvcpus", ()),
        ("virDomainSetVcpusFlags", "nvcpus", (1,)),
    ],
)
def test_nothing_of_what_a_domain_needs(client, web1, api, argument, arguments):
    error = client.call(api, web1, 0, *arguments)
    assert error[:3] == (8, 20, f"{argument} in {api} must not be zero")


@pytest.mark.parametrize("length", [2**31 - 1, -1])
@pytest.mark.parametrize(
    ("api", "arguments"),
    [
        ("virDomainGetVcpus", (1, "LENGTH")),
        ("virDomainGetVcpuPinInfo", (1, "LENGTH", 0)),
        ("virDomainGetEmulatorPinInfo", ("LENGTH", 0)),
    ],
)
def test_maps_of_a_size_that_nobody_wants(client, web1, api, arguments, length):
    error = client.call(api, web1, *(length if each == "LENGTH" else each for each in arguments))
    assert error[:3] == (1, 7, f"internal error: 1 maps of {length} bytes are too large")


def test_fewer_than_none(client, web1):
    assert client.call("virDomainGetVcpus", web1, -5, 1) == ([], b"")
    assert client.call("virDomainGetVcpuPinInfo", web1, -5, 1, 0) == (b"", 0)
    assert client.call("virNodeGetCellsFreeMemory", 0, -5) == ([],)


def test_a_numa_node_before_the_first(client):
    error = client.call("virNodeGetCellsFreeMemory", -(2**31), 2**31 - 1)
    assert error[:3] == (1, 0, f"internal error: start cell {-(2**31)} out of range (0-0)")
