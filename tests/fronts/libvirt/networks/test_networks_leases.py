"""What networks give away, and what hosts know of their guests' addresses."""

import pytest
from connected import connected, domain, network, nic, refusal

from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt

LEASE, AGENT, ARP = 0, 1, 2
AGENT_CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


def given(net):
    """Return what a network has given away: the last number of each address, by that of the MAC address."""
    return {int(each["mac"][-2:], 16): int(each["ipaddr"].rpartition(".")[2]) for each in net.DHCPLeases()}


@pytest.fixture
def lan(node1):
    return node1.networkCreateXML(network("lan", dhcp="<range start='10.1.0.10' end='10.1.0.13'/>"))


def test_a_running_guest_has_an_address(node1, default):
    web1 = node1.defineXML(domain("web1", nic(1)))
    assert default.DHCPLeases() == []
    web1.create()
    (lease,) = default.DHCPLeases()
    assert lease == {
        "iface": "virbr0",
        "expirytime": 3600,
        "type": 0,
        "mac": "52:54:00:00:00:01",
        "ipaddr": "192.168.122.151",
        "prefix": 24,
        "hostname": "web1",
        "clientid": "01:52:54:00:00:00:01",
        "iaid": None,
    }
    assert default.DHCPLeases("52:54:0:0:0:1") == [lease]
    assert default.DHCPLeases("52:54:00:00:00:02") == []
    assert refusal(default.DHCPLeases, "zz") == (44, 19, "invalid MAC address: zz")
    assert web1.interfaceAddresses(LEASE) == {
        "vnet0": {
            "addrs": [{"addr": "192.168.122.151", "prefix": 24, "type": 0}],
            "hwaddr": "52:54:00:00:00:01",
        }
    }
    assert web1.interfaceAddresses(ARP) == {
        "vnet0": {
            "addrs": [{"addr": "192.168.122.151", "prefix": 0, "type": 0}],
            "hwaddr": "52:54:00:00:00:01",
        }
    }
    assert web1.hostname(1) == "web1"
    web1.destroy()
    assert default.DHCPLeases() == []


def test_a_prefix_is_a_number_however_it_is_written(node1):
    dhcp = "<dhcp><range start='10.1.0.10' end='10.1.0.13'/></dhcp>"
    lan = node1.networkCreateXML(network("lan", f"<ip address='10.1.0.1' prefix=' +24'>{dhcp}</ip>"))
    node1.createXML(domain("web1", nic(1, "lan")))
    assert [each["prefix"] for each in lan.DHCPLeases()] == [24]


def test_addresses_are_the_same_in_each_run():
    seen = []
    for order in ((1, 2, 3), (3, 1, 2)):
        with FakeLibvirt(FakeCluster.in_memory(NodeSpec("node1", memory=8192))) as front:
            connection = front_connection(front)
            for number in order:
                connection.createXML(domain(f"web{number}", nic(number)))
            seen.append(given(connection.networkLookupByName("default")))
            connection.close()
    assert seen[0] == seen[1] == {1: 151, 2: 132, 3: 115}


def front_connection(front):
    import libvirt

    return libvirt.open(front.uri())


def test_no_two_guests_have_the_same_and_a_full_range_gives_nothing_more(node1, lan):
    for number in range(1, 6):
        node1.createXML(domain(f"web{number}", nic(number, "lan")))
    before = given(lan)
    assert (sorted(before), sorted(before.values())) == ([1, 2, 3, 4], [10, 11, 12, 13])
    assert node1.lookupByName("web5").interfaceAddresses(LEASE) == {}
    assert refusal(node1.lookupByName("web5").hostname, 1) == (
        108,
        10,
        "no hostname found: no hostname found for domain web5",
    )
    node1.lookupByName("web2").destroy()
    assert given(lan) == {1: before[1], 3: before[3], 4: before[4], 5: before[2]}


def test_a_guest_keeps_its_address_when_others_go(node1, lan):
    guests = [node1.createXML(domain(f"web{number}", nic(number, "lan"))) for number in range(1, 5)]
    before = given(lan)
    for number, guest in enumerate(guests[:3], 1):
        guest.destroy()
        del before[number]
        assert given(lan) == before


@pytest.mark.parametrize(
    ("host", "address", "name"),
    [
        ("<host mac='52:54:0:0:0:1' ip='10.1.0.77'/>", "10.1.0.77", "web1"),
        ("<host mac='52:54:00:00:00:01' name='www' ip='10.1.0.10'/>", "10.1.0.10", "www"),
        ("<host name='web1' ip='10.1.0.78'/>", "10.1.0.78", "web1"),
    ],
)
def test_an_address_is_kept_for_a_host(node1, host, address, name):
    ranges = "<range start='10.1.0.10' end='10.1.0.11'/>"
    lan = node1.networkCreateXML(network("lan", dhcp=f"{ranges}<host name='other' ip='10.1.0.11'/>{host}"))
    node1.createXML(domain("web1", nic(1, "lan")))
    (lease,) = lan.DHCPLeases()
    assert (lease["ipaddr"], lease["hostname"], lease["expirytime"]) == (address, name, 3600)


def test_an_address_that_is_kept_is_given_to_nobody_else(node1):
    dhcp = (
        "<range start='10.1.0.10' end='10.1.0.10'/><range start='10.1.0.20' end='10.1.0.20'/>"
        "<host mac='52:54:00:00:00:63' ip='10.1.0.10'/>"
    )
    lan = node1.networkCreateXML(network("lan", dhcp=dhcp))
    for number in (1, 2):
        node1.createXML(domain(f"web{number}", nic(number, "lan")))
    assert given(lan) == {1: 20}


def test_a_lease_lasts_as_long_as_the_network_says_and_is_renewed_half_way(cluster, node1):
    hours = "<range start='10.1.0.10' end='10.1.0.13'><lease expiry='2' unit='hours'/></range>"
    lan = node1.networkCreateXML(network("lan", dhcp=hours))
    for_ever = "<host mac='52:54:00:00:00:02' ip='10.2.0.9'><lease expiry='0'/></host>"
    wan = node1.networkCreateXML(network("wan", subnet=2, dhcp=for_ever))
    node1.createXML(domain("web1", nic(1, "lan"), nic(2, "wan")))
    ends = []
    for seconds in (0, 3599, 1, 3600 * 24):
        cluster.clock.advance(seconds)
        ends.append([each["expirytime"] for net in (lan, wan) for each in net.DHCPLeases()])
    assert ends == [[7200, 0], [7200, 0], [10800, 0], [97200, 0]]


def test_an_address_stays_whose_range_is_given_away_no_more(node1, lan):
    node1.createXML(domain("web1", nic(1, "lan")))
    before = lan.DHCPLeases()
    lan.update(2, 5, -1, "<range start='10.1.0.10' end='10.1.0.13'/>", 0)
    lan.update(3, 4, -1, "<host mac='52:54:00:00:00:63' ip='10.1.0.99'/>", 0)
    assert lan.DHCPLeases() == before


def test_a_network_that_gives_nothing_away(node1):
    for rest in ("", "<ip address='10.1.0.1' prefix='24'/>", IPV6):
        lan = node1.networkCreateXML(network("lan", rest))
        web1 = node1.createXML(domain("web1", nic(1, "lan")))
        assert (lan.DHCPLeases(), web1.interfaceAddresses(LEASE), connected(lan)) == ([], {}, 1)
        web1.destroy()
        lan.destroy()


IPV6 = (
    "<ip family='ipv6' address='2001:db8::1' prefix='64'>"
    "<dhcp><range start='2001:db8::5' end='2001:db8::9'/></dhcp></ip>"
)


def test_a_guest_without_a_network(node1):
    web1 = node1.createXML(
        domain("web1", "<interface type='user'><mac address='52:54:00:00:00:01'/></interface>")
    )
    assert web1.interfaceAddresses(LEASE) == web1.interfaceAddresses(ARP) == {}


def test_a_guest_on_the_bridge_of_a_network_has_an_address_of_it(node1, default):
    bridged = "<interface type='bridge'><mac address='52:54:00:00:00:0{}'/><source bridge='{}'/></interface>"
    web1 = node1.createXML(domain("web1", bridged.format(1, "virbr0")))
    assert (given(default), connected(default), web1.interfaceAddresses(LEASE)) == ({1: 151}, 0, {})
    assert web1.interfaceAddresses(ARP)["vnet0"]["addrs"] == [
        {"addr": "192.168.122.151", "prefix": 0, "type": 0}
    ]
    assert node1.createXML(domain("web2", bridged.format(2, "br0"))).interfaceAddresses(ARP) == {}


def test_what_has_the_same_mac_address_has_the_same_address(node1, default):
    guests = [node1.createXML(domain(name, nic(1))) for name in ("web1", "web2")]
    assert [len(each.interfaceAddresses(LEASE)) for each in guests] == [1, 1]
    assert [each["hostname"] for each in default.DHCPLeases()] == ["web1"]


def test_who_is_connected(node1, lan):
    assert connected(lan) == 0
    web1 = node1.createXML(domain("web1", nic(1, "lan"), nic(2, "lan"), nic(3)))
    assert (connected(lan), connected(node1.networkLookupByName("default"))) == (2, 1)
    assert lan.XMLDesc(1).startswith("<network>")
    assert sorted(web1.interfaceAddresses(LEASE)) == ["vnet0", "vnet1", "vnet2"]
    web1.destroy()
    assert connected(lan) == 0


def test_what_was_connected_to_a_network_that_went_down_has_lost_it(node1):
    lan = node1.networkDefineXML(network("lan", dhcp="<range start='10.1.0.10' end='10.1.0.13'/>"))
    lan.create()
    web1 = node1.createXML(domain("web1", nic(1, "lan")))
    lan.destroy()
    assert (web1.isActive(), web1.interfaceAddresses(LEASE), lan.DHCPLeases()) == (1, {}, [])
    lan.create()
    assert (connected(lan), web1.interfaceAddresses(LEASE)) == (0, {})
    node1.createXML(domain("web2", nic(2, "lan")))
    assert (connected(lan), list(given(lan))) == (1, [2])
    lan.undefine()
    lan.destroy()
    assert refusal(web1.interfaceAddresses, LEASE) == (
        43,
        19,
        "Network not found: no network with matching name 'lan'",
    )


def test_what_does_not_run_has_no_addresses(node1):
    web1 = node1.defineXML(domain("web1", nic(1)))
    not_running = (55, 20, "Requested operation is not valid: domain is not running")
    for source in (LEASE, AGENT, ARP, 3):
        assert refusal(web1.interfaceAddresses, source) == not_running
    assert refusal(web1.hostname, 1) == not_running


def test_nobody_in_a_guest_says_which_addresses_it_has(node1):
    web1 = node1.createXML(domain("web1", nic(1)))
    not_there = (74, 10, "argument unsupported: QEMU guest agent is not configured")
    assert refusal(web1.interfaceAddresses, AGENT) == not_there
    assert refusal(web1.hostname, 0) == refusal(web1.hostname, 2) == not_there
    web2 = node1.createXML(domain("web2", nic(2), AGENT_CHANNEL))
    assert refusal(web2.interfaceAddresses, AGENT) == (
        86,
        10,
        "Guest agent is not responding: QEMU guest agent is not connected",
    )
    assert refusal(web1.interfaceAddresses, 3) == (
        74,
        10,
        "argument unsupported: Unknown IP address data source 3",
    )


def test_a_guest_that_takes_a_while_to_have_an_address(cluster, node1):
    web1 = node1.createXML(domain("web1", nic(1)))
    cluster.fault("virDomainInterfaceAddresses", result={}, times=2)
    assert [len(web1.interfaceAddresses(LEASE)) for _ in range(3)] == [0, 0, 1]
