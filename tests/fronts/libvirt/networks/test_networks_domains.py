"""Domains on networks: which can't start, what comes of networks and domains as hosts go down and boot."""

import re

import pytest
from connected import connected, domain, network, nic, refusal

LAN = network("lan", dhcp="<range start='10.1.0.2' end='10.1.0.9'/>")
NONE = (43, 19, "Network not found: no network with matching name 'lan'")
DOWN = (55, 19, "Requested operation is not valid: network 'lan' is not active")


def test_a_domain_starts_on_a_network_that_is_up(node1):
    web1 = node1.defineXML(domain("web1", nic(1, "lan")))
    assert refusal(web1.create) == NONE
    lan = node1.networkDefineXML(LAN)
    assert (refusal(web1.create), web1.isActive()) == (DOWN, 0)
    lan.create()
    web1.create()
    assert (web1.isActive(), web1.ID()) == (1, 3)  # each start has had a number


def test_a_transient_domain_that_cannot_start_is_not_there(node1):
    assert refusal(node1.createXML, domain("web1", nic(1), nic(2, "lan"))) == NONE
    assert node1.listAllDomains() == []


def leads(web1, flags=0):
    """Return of which kind a domain's interface is, and where it leads, without the number of its port."""
    (found,) = re.findall(r"<interface type='(.*)'>(?:\n.*){1,2}\n +<source (.*)/>", web1.XMLDesc(flags))
    return found[0], re.sub(r" portid='[0-9a-f-]{36}'", " portid", found[1])


def test_a_running_domain_says_to_which_bridge_it_is_connected(node1, libvirt):
    web1 = node1.defineXML(domain("web1", nic(1)))
    web1.create()
    assert leads(web1) == ("network", "network='default' portid bridge='virbr0'")
    before = web1.XMLDesc()
    assert leads(web1, libvirt.VIR_DOMAIN_XML_INACTIVE) == ("network", "network='default'")
    web1.destroy()
    web1.create()
    assert re.findall("portid='.*?'", before) != re.findall("portid='.*?'", web1.XMLDesc())


def test_a_network_of_anothers_bridge_makes_an_interface_one_to_that(node1):
    node1.networkCreateXML(network("lan", "<forward mode='bridge'/><bridge name='br0'/>"))
    web1 = node1.createXML(domain("web1", nic(1, "lan")))
    assert leads(web1) == ("bridge", "network='lan' portid bridge='br0'")
    assert web1.interfaceAddresses(0) == {}


def test_a_network_without_a_bridge(node1):
    node1.networkCreateXML(network("lan", "<forward mode='private' dev='eth0'/>"))
    assert leads(node1.createXML(domain("web1", nic(1, "lan")))) == ("network", "network='lan'")


def test_a_domain_does_not_migrate_to_where_its_network_is_not_up(node1, connect, libvirt):
    node2 = connect("node2")
    node1.networkCreateXML(LAN)
    web1 = node1.createXML(domain("web1", nic(1, "lan")))
    lan = None
    for problem in (NONE, DOWN):
        assert refusal(web1.migrate3, node2, {}, libvirt.VIR_MIGRATE_LIVE) == problem
        assert (web1.isActive(), node2.listAllDomains()) == (1, [])
        lan = node2.networkDefineXML(LAN)
    lan.create()
    assert web1.migrate3(node2, {}, libvirt.VIR_MIGRATE_LIVE).isActive() == 1
    assert connected(lan) == 1


def test_networks_after_a_crash(cluster, node1, connect):
    node1.networkDefineXML(LAN).create()
    node1.networkDefineXML(network("auto")).setAutostart(1)
    node1.networkCreateXML(network("tmp"))
    web1 = node1.defineXML(domain("web1", nic(1)))
    web1.create()
    cluster["node1"].crash()
    cluster["node1"].boot()
    back = connect()
    assert {each.name(): each.isActive() for each in back.listAllNetworks()} == {
        "auto": 1,
        "default": 1,
        "lan": 0,
    }
    assert connected(back.networkLookupByName("default")) == 0
    back.lookupByName("web1").create()
    assert connected(back.networkLookupByName("default")) == 1


def test_domains_start_with_their_host_once_its_networks_have(cluster, node1, connect):
    node1.networkDefineXML(LAN)
    for name, net in (("web1", "default"), ("web2", "lan")):
        node1.defineXML(domain(name, nic(1, net))).setAutostart(1)
    cluster["node1"].crash()
    cluster["node1"].boot()
    assert {each.name(): each.isActive() for each in connect().listAllDomains()} == {"web1": 1, "web2": 0}


def test_a_network_that_cannot_start_with_its_host_stays_down(cluster, node1, connect):
    for name in ("lan", "same"):
        node1.networkDefineXML(network(name, "<ip address='10.1.0.1' prefix='24'/>")).setAutostart(1)
    cluster["node1"].crash()
    cluster["node1"].boot()
    assert [(each.name(), each.isActive()) for each in connect().listAllNetworks()] == [
        ("default", 1),
        ("lan", 1),
        ("same", 0),
    ]


def test_a_host_that_is_down_when_it_is_first_asked_for(cluster, front, connect):
    cluster["node2"].crash()
    front.socket("node2")
    cluster["node2"].boot()
    assert connect("node2").listNetworks() == ["default"]


@pytest.mark.fakehv_instance("web1", memory=1024, xml=f"<domain><devices>{nic(1)}</devices></domain>")
def test_an_instance_that_is_declared_with_an_interface_has_an_address(fakehv_libvirt):
    import libvirt

    connection = libvirt.open("qemu:///system")
    (lease,) = connection.networkLookupByName("default").DHCPLeases()
    assert (lease["ipaddr"], lease["hostname"]) == ("192.168.122.151", "web1")
