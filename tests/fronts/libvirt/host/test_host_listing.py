"""Which domains a host lists, as on a real host."""

import pytest
from told_by_hosts import domain_xml, refusal, uuid_of


@pytest.fixture
def domains(node1):
    """One of each kind."""
    for name in "running", "paused", "off":
        node1.defineXML(domain_xml(name))
    node1.lookupByName("running").create()
    node1.lookupByName("paused").createWithFlags(1)
    node1.lookupByName("off").setAutostart(1)
    node1.createXML(domain_xml("transient"), 0)
    return node1


ALL = ["running", "paused", "transient", "off"]


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (0, ALL),
        (1, ["running", "paused", "transient"]),
        (2, ["off"]),
        (4, ["running", "paused", "off"]),
        (8, ["transient"]),
        (16, ["running", "transient"]),
        (32, ["paused"]),
        (64, ["off"]),
        (128, []),
        (256, []),
        (512, ALL),
        (1024, ["off"]),
        (2048, ["running", "paused", "transient"]),
        (4096, []),
        (8192, ALL),
        (16384, []),
        (32768, ALL),
        (3, ALL),
        (48, ["running", "paused", "transient"]),
        (65, []),
        (25, ["transient"]),
    ],
)
def test_groups_of_flags(domains, flags, names):
    assert [each.name() for each in domains.listAllDomains(flags)] == names


def test_flags_that_nobody_knows(node1):
    assert refusal(node1.listAllDomains, 1 << 20) == (
        8,
        10,
        "unsupported flags (0x100000) in function qemuConnectListAllDomains",
    )


def test_counts_and_numbers(domains):
    assert (domains.numOfDomains(), domains.numOfDefinedDomains()) == (3, 1)
    assert (domains.listDomainsID(), domains.listDefinedDomains()) == ([1, 2, 3], ["off"])


def test_nothing_but_the_number_is_wanted(domains, watch):
    client = watch()._client
    assert client.call("virConnectListAllDomains", 0, 1) == ([], 3)
    assert client.call("virConnectListDomains", 2) == ([1, 2],)
    assert client.call("virConnectListDefinedDomains", 0) == ([],)


def test_lookups(domains):
    assert domains.lookupByID(2).name() == "paused"
    assert domains.lookupByUUIDString(uuid_of("off")).name() == "off"
    assert refusal(domains.lookupByID, 9) == (42, 10, "Domain not found: no domain with matching id 9")
    assert refusal(domains.lookupByUUIDString, uuid_of("nosuch")) == (
        42,
        10,
        f"Domain not found: no domain with matching uuid '{uuid_of('nosuch')}'",
    )
    assert domains.lookupByID(1).OSType() == "hvm"
