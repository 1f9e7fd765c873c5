"""What a host makes of a network's XML, and what it refuses of it: as a real libvirtd with QEMU."""

import json
from pathlib import Path

import pytest
from connected import error_of, network, uuid_of, without_drawn

RECORDED = json.loads((Path(__file__).parent / "defined.json").read_text())
"""What a real one made of what a user wrote: the XML without what it has drawn; or code, origin, message,
str1, str2, int1."""


@pytest.mark.parametrize(("xml", "made"), RECORDED)
def test_it_is_taken_or_refused_as_a_daemon_does(bare, xml, made):
    if isinstance(made, list):
        code, origin, message, level, str1, str2, str3, int1, int2 = error_of(bare.networkDefineXML, xml)
        assert [code, origin, message, str1, str2, int1] == made
        assert (level, str3, int2) == (2, None, -1)
        assert bare.listAllNetworks() == []
    else:
        found = bare.networkDefineXML(xml).XMLDesc()
        assert without_drawn(found, mac="<mac address" not in xml) == made


def test_what_was_written_is_read_as_the_same(bare):
    written = [made for _, made in RECORDED if isinstance(made, str)]
    for xml in written:
        defined = bare.networkDefineXML(xml)
        assert without_drawn(defined.XMLDesc(), mac="<mac address" not in xml) == xml
        defined.undefine()


def test_what_is_drawn_for_it_is_the_same_in_each_run(bare):
    assert bare.networkDefineXML(network("wan")).XMLDesc() == (
        f"<network>\n  <name>wan</name>\n  <uuid>{uuid_of('wan')}</uuid>\n"
        "  <bridge name='virbr0' stp='on' delay='0'/>\n  <mac address='52:54:00:8e:75:db'/>\n</network>\n"
    )


def test_bridges_get_the_first_name_that_no_network_has(node1):
    for name, rest, bridge in (
        ("a", "", "virbr1"),
        ("b", "<bridge name='virbr2'/>", "virbr2"),
        ("c", "", "virbr3"),
        ("d", "<bridge name='lan%d'/>", "lan0"),
        ("e", "<bridge name='lan%d'/>", "lan1"),
    ):
        assert node1.networkDefineXML(network(name, rest)).bridgeName() == bridge
    node1.networkLookupByName("a").undefine()
    assert node1.networkDefineXML(network("f")).bridgeName() == "virbr1"
    assert node1.networkDefineXML(network("f")).bridgeName() == "virbr1"


def test_a_bridge_stays_that_of_a_network_that_is_up(node1):
    lan = node1.networkCreateXML(network("lan"))
    node1.networkDefineXML(network("lan"))
    assert (lan.bridgeName(), "virbr2" in lan.XMLDesc(1)) == ("virbr1", True)


def test_two_networks_have_no_bridge_in_common(node1):
    for function in (node1.networkDefineXML, node1.networkCreateXML):
        assert error_of(function, network("lan", "<bridge name='virbr0'/>"))[:3] == (
            1,
            19,
            "internal error: bridge name 'virbr0' already in use.",
        )
    node1.networkDefineXML(network("lan", "<forward mode='bridge'/><bridge name='virbr0'/>"))


def test_the_schema_is_not_looked_at(node1):
    assert node1.networkDefineXMLFlags(network("lan"), 1).name() == "lan"
    assert node1.networkCreateXMLFlags(network("wan"), 1).name() == "wan"
