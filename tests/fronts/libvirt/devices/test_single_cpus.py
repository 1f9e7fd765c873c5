"""CPUs that come and go one by one, and which those are afterwards."""

import re

import pytest
from plugs import BOTH, CONFIG, INACTIVE, LIVE, domain, refusal


@pytest.fixture
def web1(node1):
    web1 = node1.defineXML(domain("web1", vcpu=" current='1'>4"))
    web1.create()
    return web1


def orders(web1, flags=0):
    """Return of each CPU that is there when it has come, by its number."""
    there = re.findall(
        r"<vcpu id='(\d)' enabled='yes' hotpluggable='\w+'(?: order='(\d)')?/>", web1.XMLDesc(flags)
    )
    return dict(there)


def test_cpus_come_and_go(web1):
    web1.setVcpu("2-3", 1, LIVE)
    web1.setVcpu("3", 0, LIVE)
    web1.setVcpu("1", 1, BOTH)
    assert (orders(web1), web1.vcpusFlags(LIVE)) == ({"0": "1", "1": "3", "2": "2"}, 3)
    assert (orders(web1, INACTIVE), web1.vcpusFlags(CONFIG)) == ({"0": "", "1": ""}, 2)
    unplugged = (84, 10, "Operation not supported: vcpu '0' can't be unplugged")
    assert refusal(web1.setVcpu, "0", 0, LIVE) == unplugged


def test_the_first_that_are_not_there_come_and_the_last_go(web1):
    web1.setVcpu("3", 1, BOTH)
    web1.setVcpusFlags(3, BOTH)
    assert (orders(web1), orders(web1, INACTIVE)) == (
        {"0": "1", "3": "2", "1": "3"},
        {"0": "", "1": "", "3": ""},
    )
    web1.setVcpusFlags(2, LIVE)
    assert orders(web1) == {"0": "1", "1": "3"}
    web1.destroy()
    web1.setVcpusFlags(2, CONFIG | 4)
    assert orders(web1) == {}
    web1.setVcpu("1", 1, CONFIG)


def test_what_is_defined_with_its_cpus_starts_with_them(node1):
    one = "<vcpu id='{}' enabled='{}' hotpluggable='{}'/>"
    each = f"<vcpus>{one.format(0, 'yes', 'no')}{one.format(1, 'no', 'yes')}</vcpus>"
    web1 = node1.defineXML(domain("web1", vcpu=" current='1'>2", head=each))
    web1.create()
    assert orders(web1) == {"0": "1"}


@pytest.mark.parametrize("cpus", ["3-1", "16384", "1-99999999999999"])
def test_cpus_that_there_are_nowhere(web1, cpus):
    unread = (8, 0, f"invalid argument: Failed to parse bitmap '{cpus}'")
    assert refusal(web1.setVcpu, cpus, 1, LIVE) == unread


def test_an_agent_that_is_not_there_lets_no_cpu_be_used(web1):
    problem = "argument unsupported: QEMU guest agent is not configured"
    assert refusal(web1.setGuestVcpus, "1", 1) == (74, 10, problem)
