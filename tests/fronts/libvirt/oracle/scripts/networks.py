"""Networks, in every state, and the domains on them."""

import libvirt

from oracle.definitions import network_xml, uuid, xml
from oracle.recording import Definition

GIVING = "<network><name>a</name><ip address='10.1.0.1' prefix='24'><dhcp>{}</dhcp></ip></network>"

WRONG = [
    "<network>", "<network/>", "<domain/>", "<network><name>a/b</name></network>",
    "<network><name>a</name><uuid>x</uuid></network>",
    "<network><name>a</name><forward mode='x'/></network>",
    "<network><name>a</name><forward mode='nat'/></network>",
    "<network><name>a</name><mac address='x'/></network>",
    "<network><name>a</name><ip address='x'/></network>",
    GIVING.format("<range start='10.2.0.1' end='10.2.0.9'/>"), GIVING.format("<host ip='10.1.0.9'/>"),
]  # fmt: skip

NAT = "<forward mode='nat'/>"
ADD = libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST
HOSTS = libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST
FILTERS = [0, 1, 2, 4, 8, 16, 32, 3, 12, 48, 1 | 8, 2 | 4, 64]


def asked(ask, network):
    """Ask all that a network can be asked without changing it."""
    for flags in (0, 1, 2):
        ask(network.XMLDesc, flags)
    for method in (
        network.bridgeName, network.autostart, network.isActive, network.isPersistent, network.DHCPLeases,
    ):  # fmt: skip
        ask(method)
    ask(network.DHCPLeases, "52:54:00:00:00:01")
    ask(network.DHCPLeases, None, 4)


def refused(ask, network):
    """Ask for what doesn't go in some states."""
    for value in (1, 0):
        ask(network.setAutostart, value)
        ask(network.autostart)
    for flags in (0, 1, 2, 3, 4):
        ask(
            network.update,
            ADD,
            HOSTS,
            -1,
            f"<host mac='52:54:00:00:01:0{flags}' ip='10.1.0.2{flags}'/>",
            flags,
        )
        ask(network.update, ADD, 1, -1, "<x/>", flags)


def listed(ask, connection):
    """Ask which networks there are."""
    for flags in FILTERS:
        ask(connection.listAllNetworks, flags)
    for method in (
        connection.numOfNetworks, connection.listNetworks, connection.numOfDefinedNetworks,
        connection.listDefinedNetworks,
    ):  # fmt: skip
        ask(method)


def nic(number, network):
    """Return an interface on a network."""
    return (
        f"<interface type='network'><mac address='52:54:00:00:00:0{number}'/><source network='{network}'/>"
        "</interface>"
    )


def script(ask):
    connection = ask.connect()
    ask.watch_networks(connection)
    listed(ask, connection)
    for text in WRONG:
        wrong = Definition(text)
        wrong.shown = repr(text)
        ask(connection.networkDefineXML, wrong)
        ask(connection.networkCreateXML, wrong)
    lan = ask(connection.networkDefineXML, network_xml("lan", NAT))
    asked(ask, lan)
    ask(lan.destroy)
    refused(ask, lan)
    ask(lan.create)
    ask(lan.create)
    asked(ask, lan)
    refused(ask, lan)
    listed(ask, connection)
    for definition in (
        network_xml("lan", NAT, id=uuid("other")), network_xml("other", NAT, id=uuid("lan")),
        network_xml("lan", "<bridge name='lan0'/>"), network_xml("same"),
        network_xml("taken", "<bridge name='virbr0'/>", subnet=2),
    ):  # fmt: skip
        ask(connection.networkCreateXML, definition)
        ask(connection.networkDefineXML, definition)
    ask(lan.XMLDesc)
    ask(lan.XMLDesc, 1)
    listed(ask, connection)
    ask(connection.networkLookupByName("same").create)
    tmp = ask(connection.networkCreateXML, network_xml("tmp", subnet=3))
    asked(ask, tmp)
    refused(ask, tmp)
    ask(tmp.undefine)
    ask(tmp.create)
    ask(connection.networkCreateXML, network_xml("tmp", subnet=3))
    listed(ask, connection)
    bridged = ask(
        connection.networkCreateXML, network_xml("bridged", "<forward mode='bridge'/>", subnet=None)
    )
    asked(ask, bridged)
    for name in ("lan", "nosuch"):
        ask(connection.networkLookupByName, name)
        ask(connection.networkLookupByUUIDString, uuid(name))
    with_domains(ask, connection, lan, tmp)
    by_reader(ask)


def with_domains(ask, connection, lan, tmp):
    """Start domains on networks, and take the networks down."""
    ask(connection.createXML, xml("web1", devices=nic(1, "nosuch")), 0)
    ask(connection.createXML, xml("web1", devices=nic(1, "same")), 0)
    web1 = ask(connection.createXML, xml("web1", devices=nic(1, "lan") + nic(2, "tmp")), 0)
    asked(ask, lan)
    ask(web1.XMLDesc)
    for source in (0, 1, 2, 3):
        ask(web1.interfaceAddresses, source)
    ask(web1.interfaceAddresses, 0, 1)
    ask(web1.hostname, 1)
    ask(tmp.destroy)
    asked(ask, tmp)
    ask(tmp.undefine)
    ask(tmp.setAutostart, 1)
    ask(web1.interfaceAddresses, 0)
    ask(lan.destroy)
    asked(ask, lan)
    ask(lan.create)
    ask(lan.XMLDesc)
    ask(web1.destroy)
    ask(lan.undefine)
    asked(ask, lan)
    ask(lan.destroy)
    asked(ask, lan)


def by_reader(ask):
    """Ask for what one that may only read may not."""
    reader = ask.connect(read_only=True)
    for method in (reader.networkDefineXML, reader.networkCreateXML):
        ask(method, network_xml("mine"))
    same = ask(reader.networkLookupByName, "same")
    for method in (same.create, same.destroy, same.undefine, same.bridgeName):
        ask(method)
    ask(same.setAutostart, 1)
    ask(same.update, ADD, HOSTS, -1, "<host/>", 0)
