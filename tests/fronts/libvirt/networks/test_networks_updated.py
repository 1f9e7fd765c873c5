"""Parts of a network are changed: as a real libvirtd with QEMU does it."""

import difflib
import json
from pathlib import Path

import pytest
from connected import error_of, network, refusal

RECORDED = json.loads((Path(__file__).parent / "updated.json").read_text())
"""A network, and what a real one said to changes of it: command, section, parent, XML, and which lines of the
network's XML differ then; or its error's code, origin, message, str1, str2, int1."""

LIVE, CONFIG = 1, 2
ADD, HOSTS = 3, 4
"""libvirt's numbers of a command, and of a section."""


@pytest.mark.parametrize(("xml", "steps"), RECORDED)
def test_changes_are_made_or_refused_as_a_daemon_does(bare, xml, steps):
    lan = bare.networkDefineXML(xml)
    for command, section, parent, part, led_to in steps:
        before = lan.XMLDesc().split("\n")
        if isinstance(led_to, dict):
            err = error_of(lan.update, command, section, parent, part, 0)
            assert [*err[:3], *err[4:6], err[7]] == led_to["error"]
            assert lan.XMLDesc().split("\n") == before
        else:
            lan.update(command, section, parent, part, 0)
            found = difflib.unified_diff(before, lan.XMLDesc().split("\n"), n=0, lineterm="")
            assert [each for each in found if not each.startswith(("@@", "---", "+++"))] == led_to


def host(number):
    return f"<host mac='52:54:00:00:00:{number:02x}' ip='10.1.0.{number}'/>"


@pytest.fixture
def lan(node1):
    return node1.networkDefineXML(network("lan", dhcp="<range start='10.1.0.2' end='10.1.0.9'/>"))


def kept(lan):
    """Return for which hosts addresses are kept: now, and when it is down."""
    return [
        [number for number in range(20, 30) if f"ip='10.1.0.{number}'" in lan.XMLDesc(flags)]
        for flags in (0, 1)
    ]


def test_of_a_network_that_is_down_its_definition_changes(lan):
    lan.update(ADD, HOSTS, -1, host(20), 0)
    lan.update(ADD, HOSTS, -1, host(21), CONFIG)
    assert kept(lan) == [[20, 21], [20, 21]]
    for flags in (LIVE, LIVE | CONFIG):
        assert refusal(lan.update, ADD, HOSTS, -1, host(22), flags) == (
            55,
            19,
            "Requested operation is not valid: network is not running",
        )
    assert kept(lan) == [[20, 21], [20, 21]]


def test_of_a_network_that_is_up_what_is_meant_changes(lan):
    lan.create()
    lan.update(ADD, HOSTS, -1, host(20), 0)
    lan.update(ADD, HOSTS, -1, host(21), LIVE)
    lan.update(ADD, HOSTS, -1, host(22), CONFIG)
    lan.update(ADD, HOSTS, -1, host(23), LIVE | CONFIG)
    assert kept(lan) == [[20, 21, 23], [22, 23]]
    lan.destroy()
    assert kept(lan) == [[22, 23], [22, 23]]


def test_where_one_of_two_definitions_cannot_change_neither_does(lan):
    lan.create()
    lan.update(ADD, HOSTS, -1, host(20), LIVE)
    assert refusal(lan.update, ADD, HOSTS, -1, host(20), LIVE | CONFIG)[0] == 55
    assert kept(lan) == [[20], []]


def test_a_transient_network_has_no_definition_to_change(node1):
    lan = node1.networkCreateXML(network("lan", dhcp="<range start='10.1.0.2' end='10.1.0.9'/>"))
    lan.update(ADD, HOSTS, -1, host(20), 0)
    for flags in (CONFIG, LIVE | CONFIG):
        assert refusal(lan.update, ADD, HOSTS, -1, host(21), flags) == (
            55,
            19,
            "Requested operation is not valid: cannot change persistent config of a transient network",
        )
    assert kept(lan) == [[20], [20]]


def test_flags_that_nobody_knows(lan):
    assert refusal(lan.update, ADD, HOSTS, -1, host(20), 4) == (
        8,
        19,
        "unsupported flags (0x4) in function networkUpdate",
    )
