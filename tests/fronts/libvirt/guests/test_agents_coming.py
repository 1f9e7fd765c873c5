"""Agents come and go: by the test, with their guests, and with these from host to host."""

import pytest
from inhabited import CHANNEL, GUEST, NOT_CONNECTED
from told_by_hosts import domain_xml, refusal, uuid_of

from pytest_fakehv import DeclarationError


def state(domain):
    return domain.XMLDesc(0).partition("org.qemu.guest_agent.0' state='")[2].partition("'")[0]


def test_one_that_is_there_listens_as_soon_as_its_guest_runs(front, node1, told):
    front.agent("web1")
    web1 = node1.createXML(GUEST)
    assert told() == ["web1 1 agent 2 1", "web1 1 resumed", "web1 1 started", "web1 1 agent 1 2"]
    assert state(web1) == "connected"
    assert "state=" not in web1.XMLDesc(8).partition("guest_agent.0")[2].partition(">")[0]


def test_one_whose_guest_is_paused_listens_later(front, node1, told):
    front.agent("web1")
    web1 = node1.createXML(GUEST, 1)
    assert told() == ["web1 1 agent 2 1", "web1 1 started", "web1 1 suspended"]
    assert state(web1) == "disconnected"
    web1.resume()
    assert (told(), state(web1)) == (["web1 1 resumed", "web1 1 agent 1 2"], "connected")
    web1.suspend()
    web1.resume()
    assert told() == ["web1 1 suspended", "web1 1 resumed"]


def test_it_comes_and_goes_as_the_test_says(front, domain, told):
    told()
    assert refusal(domain.getTime) == NOT_CONNECTED
    front.agent("web1")
    front.agent("web1", {"guest-get-time": 5 * 10**9})
    assert told() == ["web1 1 agent 1 2"]
    assert domain.getTime() == {"seconds": 5, "nseconds": 0}
    front.agent("web1", None)
    assert told() == ["web1 1 agent 2 2"]
    assert refusal(domain.getTime) == NOT_CONNECTED


def test_nobody_hears_one_without_a_channel(front, node1, told):
    front.agent("web2")
    web2 = node1.createXML(domain_xml("web2"))
    assert told() == ["web2 1 resumed", "web2 1 started"]
    not_there = (74, 10, "argument unsupported: QEMU guest agent is not configured")
    assert refusal(web2.getTime) == refusal(web2.authorizedSSHKeysGet, "root") == not_there


def test_one_whose_guest_boots_anew_is_gone_for_a_moment(front, domain, told):
    front.agent("web1")
    told()
    for reboot in (lambda: domain.reboot(1), lambda: domain.reset(0)):
        reboot()
        assert told() == ["web1 1 agent 2 2", "web1 1 reboot", "web1 1 agent 1 2"]


def test_it_goes_along_when_its_guest_does(libvirt, front, domain, watch, connect):
    front.agent("web1")
    domain.fsFreeze()
    told = watch("node2").told
    there = domain.migrate(connect("node2"), libvirt.VIR_MIGRATE_LIVE, None, None, 0)
    assert told() == [
        "web1 1 agent 2 1",
        "web1 1 arrived",
        "web1 1 resumed from a migration",
        "web1 1 agent 1 2",
    ]
    assert state(there) == "connected"
    assert there.fsThaw() == 2


def test_one_as_postcopy_listens_where_its_guest_runs(libvirt, front, cluster, domain, watch, connect):
    front.agent("web1")
    told = watch("node2").told
    cluster.script_migration("web1", bandwidth=8, dirty_rate=16, postcopy=1)
    postcopy = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_POSTCOPY
    there = domain.migrate(connect("node2"), postcopy, None, None, 0)
    assert told() == [
        "web1 1 agent 2 1",
        "web1 1 arrived",
        "web1 1 resumed as postcopy",
        "web1 1 agent 1 2",
        "web1 1 resumed from a migration",
    ]
    assert state(there) == "connected"


def test_what_was_there_before_its_host_is_asked_for(front, cluster, connect, watch):
    front.agent("web3")
    xml = domain_xml("web3", devices=CHANNEL)
    cluster.add_instance("web3", memory=64, node="node1", xml=xml)
    web3 = connect().lookupByUUIDString(uuid_of("web3"))
    assert (watch().told(), state(web3)) == ([], "connected")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (("",), "no domain can be called '': it is empty"),
        ((5,), "no domain can be called 5: it is of type int, not a text"),
        (("web1", []), "an agent's answers are a dict by command, or None, not []"),
        (("web1", {5: 5}), "a command of an agent is a text such as 'guest-ping', not 5"),
        (("web1", {"": 5}), "a command of an agent is a text such as 'guest-ping', not ''"),
        (
            ("web1", {"guest-ping": TimeoutError}),
            "the answer to guest-ping is an exception itself, not <class 'TimeoutError'>",
        ),
        (
            ("web1", {"guest-ping": {1, 2}}),
            (
                "the answer to guest-ping can't be JSON: TypeError: Object of type set is not JSON "
                "serializable; it may also be a function, or an exception"
            ),
        ),
    ],
)
def test_one_that_can_not_be(front, given, problem):
    with pytest.raises(DeclarationError) as caught:
        front.agent(*given)
    assert str(caught.value) == problem
