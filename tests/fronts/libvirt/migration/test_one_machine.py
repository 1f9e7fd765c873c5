"""A domain that has had several names is one machine, and another one that has had one of these is not."""

import contextlib

import pytest
from moving import XML, Begun, its_disk_fails_once, libvirt, refused

LIVE, PERSIST, UNDEFINE = (
    libvirt.VIR_MIGRATE_LIVE,
    libvirt.VIR_MIGRATE_PERSIST_DEST,
    libvirt.VIR_MIGRATE_UNDEFINE_SOURCE,
)

AS_WEB2 = {"destination_name": "web2"}

ITS_OWN = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


def defined(name, uuid):
    """Return a definition with a UUID."""
    return XML.format(name).replace("<memory>", f"<uuid>{uuid}</uuid><memory>")


def called(name):
    """Return the parameters of a migration to another name."""
    return {"destination_name": name}


@pytest.fixture
def trio(pair):
    """A third host."""
    pair.cluster.add_node("C", memory=4096)
    pair.c = pair.connect("C")
    return pair


def found(trio):
    """Return what is wrong: which invariant, and what."""
    return [(each.invariant, each.what) for each in trio.cluster.violations()]


def split(pair):
    """Let web1 run on on A while it runs on B as web2, as B's answer is not heard."""
    domain = pair.a.defineXML(defined("web1", ITS_OWN))
    domain.create()
    b = pair.cluster["B"]
    pair.cluster.fault(
        "virDomainMigrateFinish3Params", when="after", do=lambda _call: b.disconnect(), times=1
    )
    with contextlib.suppress(libvirt.libvirtError):
        domain.migrate3(pair.b, AS_WEB2, LIVE)
    b.reconnect()
    pair.b = pair.connect("B")
    return domain


# Others of the same name


def by_one_name(trio):
    """Move two domains from A to C, each by way of B, where both had one name."""
    for name in ("web1", "web2"):
        domain = trio.a.createXML(XML.format(name), 0).migrate3(trio.b, called("moving"), LIVE)
        domain.migrate3(trio.c, called(name), LIVE)


def test_two_that_once_had_one_name_are_two(trio):
    by_one_name(trio)
    again = trio.c.lookupByName("web1")
    xml = again.XMLDesc()
    again.destroy()
    trio.c.createXML(xml, 0)
    assert trio.cluster.placement() == {"web1": "C", "web2": "C"}
    trio.cluster.assert_consistent()


def test_one_of_two_that_once_had_one_name_vanishes(trio):
    by_one_name(trio)
    a, c = trio.cluster["A"], trio.cluster["C"]
    instance = c.instance("web1")
    a.AcceptInstance(instance, "", "A")
    c.MigrateInstance("", instance, "A", live=True)
    c.GetMigrationStatus(instance)
    c.FinalizeMigrationSource(instance, success=True, live=True)
    a.FinalizeMigrationDst(instance, "", success=False)
    assert ("vanished", "web1 runs nowhere: it left C and did not arrive on A") in found(trio)


@pytest.mark.parametrize("is_first", [True, False])
def test_another_one_of_its_old_name_may_start_where_it_is_called_else(pair, is_first):
    other = pair.b.defineXML(defined("web1", OTHER)) if is_first else None
    domain = pair.domain()
    other = other or pair.b.defineXML(defined("web1", OTHER))
    pair.move(domain, "managed", LIVE | PERSIST, AS_WEB2)
    other.create()
    assert pair.cluster.placement() == {"web1": "B", "web2": "B"}
    pair.cluster.assert_consistent()


def test_a_name_that_it_could_not_get_means_another_one(pair, monkeypatch):
    domain = pair.domain()
    its_disk_fails_once(pair, monkeypatch)
    assert refused(pair.move, domain, "managed", LIVE, AS_WEB2)[0] == 9
    d = pair.cluster.add_node("D", memory=4096)
    d.StartInstance(d.instance("web2"), [], startup_paused=False)
    assert pair.cluster.placement() == {"web1": "A", "web2": "D"}
    pair.cluster.assert_consistent()


# It runs by two names


WAYS_TO_START = {
    "as it was": lambda pair, domain: domain.create(),
    "defined again": lambda pair, domain: (
        domain.undefine(),
        pair.a.defineXML(defined("web1", ITS_OWN)).create(),
    ),
    "by the interface": lambda pair, _domain: pair.cluster["A"].StartInstance(
        pair.cluster.instance("web1"), [], startup_paused=False
    ),
    "by the interface on B": lambda pair, _domain: pair.cluster["B"].StartInstance(
        pair.cluster.instance("web1"), [], startup_paused=False
    ),
    "by the interface on a host without clients": lambda pair, _domain: pair.cluster.add_node(
        "D", memory=4096
    ).StartInstance(pair.cluster.instance("web1"), [], startup_paused=False),
}


@pytest.mark.parametrize("way", WAYS_TO_START)
def test_it_is_started_by_its_old_name(pair, way):
    domain = pair.a.defineXML(defined("web1", ITS_OWN))
    domain.create()
    pair.move(domain, "managed", LIVE | PERSIST, AS_WEB2)
    WAYS_TO_START[way](pair, domain)
    where = pair.cluster.placement()["web1"]
    assert found(pair) == [("double-start", f"web1 was started on {where} while it ran on B as web2")]


def test_it_is_started_by_a_third_name(pair):
    domain = pair.domain()
    pair.move(domain, "managed", LIVE | PERSIST, AS_WEB2)
    domain.rename("web3")
    pair.a.lookupByName("web3").create()
    assert found(pair) == [("double-start", "web3 was started on A while it ran on B as web2")]


def test_it_is_started_while_it_runs_by_two_names(trio):
    domain = trio.a.defineXML(defined("web1", ITS_OWN))
    domain.create()
    domain.migrate3(trio.b, AS_WEB2, LIVE)
    trio.c.createXML(defined("web3", ITS_OWN), 0)
    domain.create()
    assert found(trio) == [
        ("double-start", "web3 was started on C while it ran on B as web2"),
        ("double-start", "web1 was started on A while it ran on B as web2, and on C as web3"),
    ]


def test_a_host_starts_it_by_its_old_name_as_it_boots(pair):
    domain = pair.domain()
    domain.setAutostart(1)
    pair.move(domain, "managed", LIVE | PERSIST, AS_WEB2)
    pair.cluster["A"].crash()
    pair.cluster["A"].boot()
    (violation,) = pair.cluster.violations()
    assert (violation.invariant, violation.nodes) == ("split-brain", ("A", "B"))
    assert violation.what == "web1 ran on A, and on B as web2: A started it by itself as it booted"
    assert violation.call.method == "virDomainSetAutostart"


def test_a_host_starts_it_as_it_boots_once_it_has_ended(pair):
    domain = pair.domain()
    domain.setAutostart(1)
    pair.move(domain, "managed", LIVE | PERSIST, AS_WEB2)
    pair.b.lookupByName("web2").destroy()
    pair.cluster["A"].crash()
    pair.cluster["A"].boot()
    assert pair.cluster.placement() == {"web1": "A"}
    pair.cluster.assert_consistent()


SPLIT = "split-brain", "web1 ran on A, and on B as web2"


def test_a_split_is_told_once(trio):
    domain = split(trio)
    assert found(trio) == [SPLIT]
    for _ in range(2):
        assert refused(domain.migrate3, trio.b, {}, LIVE)[0] == 9
    domain.migrate3(trio.c, {}, LIVE | PERSIST).migrate3(trio.a, {}, LIVE | PERSIST)
    assert found(trio) == [SPLIT]


def test_the_next_split_is_another_one(pair):
    domain = split(pair)
    pair.b.lookupByName("web2").destroy()
    domain.destroy()
    split(pair)
    assert found(pair) == [SPLIT, SPLIT]


def test_what_was_started_twice_is_not_split_by_its_next_migration(trio):
    domain = trio.domain()
    domain.migrate3(trio.b, AS_WEB2, LIVE)
    domain.create()
    domain.migrate3(trio.c, {}, LIVE | PERSIST)
    assert [each for each, _ in found(trio)] == ["double-start"]


# Until its source has confirmed that it left


def test_it_fails_to_move_on_before_its_source_has_confirmed(trio):
    domain = trio.domain()
    with trio.cluster.hold("virDomainMigrateConfirm3Params", node="A") as held:
        begun = Begun(domain.migrate3, trio.b, AS_WEB2, LIVE)
        held.wait()
        trio.cluster.fault("virDomainMigrateFinish3Params", node="C", error="it can't be", times=1)
        assert refused(trio.connect("B").lookupByName("web2").migrate3, trio.c, {}, LIVE)[0] == 9
    assert begun.wait() is None
    assert trio.cluster.placement() == {"web2": "B"}
    trio.cluster.assert_consistent()


def test_it_moves_on_by_a_third_name_before_its_source_has_confirmed(trio):
    domain = trio.domain()
    with trio.cluster.hold("virDomainMigrateConfirm3Params", node="A") as held:
        begun = Begun(domain.migrate3, trio.b, AS_WEB2, LIVE)
        held.wait()
        trio.connect("B").lookupByName("web2").migrate3(trio.c, called("web3"), LIVE)
    assert begun.wait() is None
    assert found(trio) == [("split-brain", "web1 ran on A, and on C as web3")]


ENDS = {
    "destroyed": lambda pair, name: pair.connect("B").lookupByName(name).destroy(),
    "killed": lambda pair, name: pair.cluster.kill(name, node="B"),
    "killed on B": lambda pair, name: pair.cluster["B"].kill(name),
}


@pytest.mark.parametrize("name", ["web1", "web2"])
@pytest.mark.parametrize("way", ENDS)
def test_it_ends_before_its_source_has_confirmed(pair, way, name):
    domain = pair.domain()
    with pair.cluster.hold("virDomainMigrateConfirm3Params") as held:
        begun = Begun(domain.migrate3, pair.b, called(name), LIVE)
        held.wait()
        ENDS[way](pair, name)
    assert begun.wait() is None
    assert pair.cluster.placement() == {}
    pair.cluster.assert_consistent()


def test_it_arrives_though_it_never_began_to_move(pair):
    domain = pair.domain()
    pair.cluster.fault("MigrateInstance", result=None)
    pair.move(domain, "managed", LIVE, AS_WEB2)
    assert pair.on(pair.b, "web2") == [1, 2, False]
    assert found(pair) == [("split-brain", "web1 ran on A and B at once")]


# Its definition


@pytest.mark.parametrize("name", ["web1", "web3"])
def test_a_definition_that_was_taken_away_is_back_by_another_name(trio, name):
    domain = trio.domain().migrate3(trio.b, AS_WEB2, LIVE | UNDEFINE)
    assert [each for each, _ in found(trio)] == ["forgotten"]
    domain.migrate3(trio.c, called(name), LIVE | PERSIST)
    trio.cluster.assert_consistent()


def test_another_one_s_definition_puts_nothing_right(pair):
    pair.domain().migrate3(pair.b, AS_WEB2, LIVE | UNDEFINE)
    pair.a.defineXML(defined("web2", OTHER))
    assert [each for each, _ in found(pair)] == ["forgotten"]


@pytest.mark.parametrize("parameters", [{}, AS_WEB2], ids=len)
def test_a_definition_that_is_left_on_a_third_host(trio, parameters):
    domain = trio.domain().migrate3(trio.b, parameters, LIVE | PERSIST)
    domain.migrate3(trio.c, {}, LIVE | UNDEFINE)
    assert [each.name() for each in trio.a.listAllDomains()] == ["web1"]
    trio.cluster.assert_consistent()


# Another one of its old name starts while it comes


STARTS = {
    "defined": lambda b, other: other.create(),
    "transient": lambda b, other: (other.undefine(), b.createXML(defined("web1", OTHER), 0)),
}


COMES_HERE = (
    "Requested operation is not valid: domain 'web1' can't start while another one of that name comes here "
    "as 'web2'"
)


@pytest.mark.parametrize("way", STARTS)
def test_another_one_of_its_old_name_can_t_start_while_it_comes(pair, way):
    domain = pair.domain()
    pair.b.defineXML(defined("web1", OTHER))
    with pair.cluster.hold("virDomainMigratePerform3Params") as held:
        begun = Begun(pair.move, domain, "managed", LIVE, AS_WEB2)
        held.wait()
        b = pair.connect("B")
        assert refused(STARTS[way], b, b.lookupByName("web1")) == (55, 10, COMES_HERE)
    assert begun.wait() is None
    assert sorted(each.name() for each in b.listAllDomains()) == ["web1"] * (way == "defined") + ["web2"]
    assert pair.cluster.placement() == {"web2": "B"}
    b.createXML(defined("web1", OTHER), 0)
    assert pair.cluster.placement() == {"web1": "B", "web2": "B"}
    pair.cluster.assert_consistent()
