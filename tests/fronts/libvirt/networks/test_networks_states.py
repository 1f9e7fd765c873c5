"""Networks come, go up and down, and go; what is refused, and what is told."""

import pytest
from connected import Watcher, error_of, network, refusal, uuid_of, without_drawn

LAN = network("lan", dhcp="<range start='10.1.0.2' end='10.1.0.9'/>")
GONE = f"no network with matching uuid '{uuid_of('lan')}' (lan)"
IS_ACTIVE = (55, 19, "Requested operation is not valid: network is already active")
NOT_ACTIVE = (55, 19, "Requested operation is not valid: network 'lan' is not active")


def state(lan):
    """Return whether a network is up, persistent, and starts with its host."""
    return lan.isActive(), lan.isPersistent(), lan.autostart()


def test_every_host_has_the_network_that_distributions_come_with(connect):
    for node in ("node1", "node2"):
        (default,) = connect(node).listAllNetworks()
        assert (default.name(), state(default), default.bridgeName()) == ("default", (1, 1, 1), "virbr0")
        assert without_drawn(default.XMLDesc(1)) == (
            "<network>\n  <name>default</name>\n  <forward mode='nat'/>\n"
            "  <bridge name='virbr0' stp='on' delay='0'/>\n"
            "  <ip address='192.168.122.1' netmask='255.255.255.0'>\n    <dhcp>\n"
            "      <range start='192.168.122.2' end='192.168.122.254'/>\n    </dhcp>\n  </ip>\n</network>\n"
        )
    assert connect("node1").networkLookupByName("default").UUID() != default.UUID()


def test_a_network_with_nat_says_while_it_is_up_behind_which_ports_it_hides_others(default):
    assert "<nat>\n      <port start='1024' end='65535'/>\n    </nat>" in default.XMLDesc()
    default.destroy()
    assert default.XMLDesc() == default.XMLDesc(1)


@pytest.mark.parametrize(
    "nat",
    [
        "<address start='1.2.3.4' end='1.2.3.9'/>",
        "<address start='1.2.3.4' end='1.2.3.9'/><port start='9' end='99'/>",
    ],
)
def test_what_a_user_says_of_nat_stays(node1, nat):
    rest = f"<forward mode='nat'><nat>{nat}</nat></forward>"
    lan = node1.networkCreateXML(network("lan", rest, dhcp="<range start='10.1.0.2' end='10.1.0.9'/>"))
    said = "".join(
        line.strip() for line in lan.XMLDesc().partition("<nat>")[2].partition("</nat>")[0].splitlines()
    )
    assert said == (nat if "port" in nat else f"{nat}<port start='1024' end='65535'/>")


def test_the_life_of_a_defined_network(node1, told):
    lan = node1.networkDefineXML(LAN)
    assert (state(lan), told()) == ((0, 1, 0), ["lan defined"])
    assert refusal(lan.destroy) == NOT_ACTIVE
    lan.setAutostart(1)
    lan.create()
    assert (state(lan), told()) == ((1, 1, 1), ["lan started"])
    assert refusal(lan.create) == IS_ACTIVE
    node1.networkDefineXML(LAN.replace("0.9", "0.99"))
    assert told() == ["lan defined"]
    assert ["0.99" in lan.XMLDesc(flags) for flags in (0, 1)] == [False, True]
    lan.destroy()
    assert (state(lan), told()) == ((0, 1, 1), ["lan stopped"])
    assert "0.99" in lan.XMLDesc()
    lan.setAutostart(0)
    assert state(lan) == (0, 1, 0)
    lan.undefine()
    assert told() == ["lan undefined"]
    assert refusal(lan.isActive) == (43, 19, f"Network not found: {GONE}")


def test_the_life_of_a_transient_network(node1, told):
    lan = node1.networkCreateXML(LAN)
    assert (state(lan), told()) == ((1, 0, 0), ["lan started"])
    assert refusal(lan.undefine) == (
        55,
        19,
        "Requested operation is not valid: can't undefine transient network",
    )
    assert refusal(lan.setAutostart, 1) == (
        55,
        19,
        "Requested operation is not valid: cannot set autostart for transient network",
    )
    assert refusal(node1.networkCreateXML, LAN) == (
        55,
        19,
        "Requested operation is not valid: network is already active as 'lan'",
    )
    node1.networkDefineXML(LAN)
    lan.setAutostart(1)
    assert (state(lan), told()) == ((1, 1, 1), ["lan defined"])
    lan.undefine()
    assert (state(lan), told()) == ((1, 0, 0), ["lan undefined"])
    lan.destroy()
    assert told() == ["lan stopped"]
    message = f"Network not found: {GONE}"
    assert error_of(lan.destroy) == (43, 19, message, 2, "Network not found: %s", GONE, None, -1, -1)


def test_a_defined_network_is_started_by_another_definition(node1, told):
    lan = node1.networkDefineXML(LAN)
    assert node1.networkCreateXML(LAN.replace("0.9", "0.8")).isPersistent() == 1
    assert ["0.8" in lan.XMLDesc(flags) for flags in (0, 1)] == [True, False]
    lan.destroy()
    assert ("0.8" in lan.XMLDesc(), told()) == (False, ["lan defined", "lan started", "lan stopped"])


@pytest.mark.parametrize("function", ["networkDefineXML", "networkCreateXML"])
def test_no_two_networks_have_the_same_name_or_uuid(node1, function):
    node1.networkDefineXML(LAN)
    assert refusal(getattr(node1, function), LAN.replace(uuid_of("lan"), uuid_of("wan"))) == (
        9,
        19,
        f"operation failed: network 'lan' already exists with uuid {uuid_of('lan')}",
    )
    assert refusal(getattr(node1, function), LAN.replace(">lan<", ">wan<")) == (
        9,
        19,
        f"operation failed: network 'lan' is already defined with uuid {uuid_of('lan')}",
    )


def test_no_two_networks_that_are_up_are_of_the_same_addresses(node1, told):
    node1.networkCreateXML(LAN)
    same = node1.networkDefineXML(network("same", "<ip address='10.1.0.7' prefix='24'/>"))
    assert refusal(same.create) == (1, 0, "internal error: Network is already in use by interface virbr1")
    assert told() == ["lan started", "same defined"]
    for name, address in (("larger", "10.1.0.7' prefix='16"), ("smaller", "10.1.0.7' prefix='25")):
        node1.networkCreateXML(network(name, f"<ip address='{address}'/>"))
    for number in (1, 2):
        node1.networkCreateXML(
            network(f"v6-{number}", "<ip family='ipv6' address='2001:db8::1' prefix='64'/>")
        )


def test_what_cannot_be_started(node1, told):
    long = "<bridge name='abcdefghijklmnopq'/>"
    problem = "error creating bridge interface abcdefghijklmnopq: Numerical result out of range"
    assert error_of(node1.networkCreateXML, network("long", long)) == (
        38, 0, problem, 2, "%s", problem, None, 34, -1,
    )  # fmt: skip
    device = node1.networkDefineXML(network("device", "<forward mode='hostdev'><pf dev='eth3'/></forward>"))
    assert refusal(device.create) == (1, 19, "internal error: No usable Vf's present on SRIOV PF eth3")
    assert [each.name() for each in node1.listAllNetworks()] == ["default", "device"]
    assert told() == ["device defined"]


def test_networks_on_bridges_of_others_have_no_addresses_to_check(node1):
    lan = node1.networkCreateXML(network("lan", "<forward mode='bridge'/><bridge name='br0'/>"))
    assert (lan.bridgeName(), lan.DHCPLeases()) == ("br0", [])
    none = node1.networkCreateXML(network("none", "<forward mode='private' dev='eth0'/>"))
    assert refusal(none.bridgeName) == (
        1,
        19,
        "internal error: network 'none' does not have a bridge name.",
    )


FILTERS = {
    0: "auto default tmp up",
    1: "auto",
    2: "default tmp up",
    4: "auto default up",
    8: "tmp",
    16: "auto default",
    32: "tmp up",
    1 | 2: "auto default tmp up",
    1 | 8: "",
    2 | 16: "default",
    2 | 4 | 32: "up",
}


def test_networks_are_listed_by_what_they_are(node1):
    node1.networkDefineXML(network("up")).create()
    node1.networkDefineXML(network("auto")).setAutostart(1)
    node1.networkCreateXML(network("tmp"))
    for flags, names in FILTERS.items():
        assert [each.name() for each in node1.listAllNetworks(flags)] == names.split()
    assert refusal(node1.listAllNetworks, 64) == (
        8,
        19,
        "unsupported flags (0x40) in function networkConnectListAllNetworks",
    )
    assert (node1.numOfNetworks(), node1.listNetworks()) == (3, ["default", "tmp", "up"])
    assert (node1.numOfDefinedNetworks(), node1.listDefinedNetworks()) == (1, ["auto"])


def test_networks_are_found(node1, default):
    assert node1.networkLookupByUUIDString(default.UUIDString()).name() == "default"
    assert refusal(node1.networkLookupByName, "lan") == (
        43,
        19,
        "Network not found: no network with matching name 'lan'",
    )
    assert refusal(node1.networkLookupByUUIDString, uuid_of("lan")) == (
        43,
        19,
        f"Network not found: no network with matching uuid '{uuid_of('lan')}'",
    )


def test_flags_that_nobody_knows_are_refused_before_anything_else(node1):
    lan = node1.networkCreateXML(LAN)
    lan.destroy()
    assert refusal(lan.XMLDesc, 2) == (8, 19, "unsupported flags (0x2) in function networkGetXMLDesc")
    assert refusal(lan.DHCPLeases, None, 4) == (
        8,
        19,
        "unsupported flags (0x4) in function networkGetDHCPLeases",
    )


def test_a_client_that_may_only_read(node1, connect):
    node1.networkDefineXML(LAN)
    lan = connect(read_only=True).networkLookupByName("lan")
    assert (state(lan), lan.bridgeName(), lan.DHCPLeases(), lan.XMLDesc()[:9]) == (
        (0, 1, 0),
        "virbr1",
        [],
        "<network>",
    )
    assert refusal(lan.create)[2] == "operation forbidden: read only access prevents virNetworkCreate"


def test_a_client_is_told_of_one_network_until_it_asks_no_more(front, node1):
    lan, wan = (node1.networkDefineXML(network(name)) for name in ("lan", "wan"))
    watcher = Watcher(front.socket("node1"), lan)
    for each in (lan, wan):
        each.create()
    assert watcher.told() == ["lan started"]
    watcher.forget()
    lan.destroy()
    assert watcher.told() == []
    watcher.close()


def test_what_calls_about_networks_are_in_the_journal(cluster, node1):
    lan = node1.networkDefineXML(LAN)
    lan.create()
    calls = [call for call in cluster.journal.calls() if call.method.startswith("virNetwork")]
    assert [str(each.arguments) for each in calls] == [
        "(<definition of lan>,)",
        "(<network lan>,)",
    ]
