"""A domain is called something else where it goes: what goes by which name, on hosts and in the cluster."""

import contextlib
import inspect
import os
import subprocess

import pytest
from moving import NEEDS_VIRSH, XML, Begun, its_disk_fails_once, libvirt, refused

LIVE, P2P, TUNNELLED, PERSIST, UNDEFINE, PAUSED, OFFLINE, POSTCOPY = (
    libvirt.VIR_MIGRATE_LIVE,
    libvirt.VIR_MIGRATE_PEER2PEER,
    libvirt.VIR_MIGRATE_TUNNELLED,
    libvirt.VIR_MIGRATE_PERSIST_DEST,
    libvirt.VIR_MIGRATE_UNDEFINE_SOURCE,
    libvirt.VIR_MIGRATE_PAUSED,
    libvirt.VIR_MIGRATE_OFFLINE,
    libvirt.VIR_MIGRATE_POSTCOPY,
)

AS_WEB2 = {"destination_name": "web2"}

INJECTED = 9, 10, "operation failed: it can't be"


def names(connection):
    """Return the names of a host's domains."""
    return sorted(each.name() for each in connection.listAllDomains())


def both(pair):
    """Return what web1 is on A, and web2 on B."""
    return pair.on(pair.a, "web1"), pair.on(pair.b, "web2")


def defined(name, uuid):
    """Return a definition with a UUID of its own."""
    return XML.format(name).replace("<memory>", f"<uuid>{uuid}</uuid><memory>")


OTHER = "99999999-2222-3333-4444-555555555555"


@pytest.mark.parametrize("is_persistent", [True, False], ids=["persistent", "transient"])
@pytest.mark.parametrize("flags", [0, PERSIST, UNDEFINE, PERSIST | UNDEFINE, PAUSED])
@pytest.mark.parametrize("way", ["managed", "p2p", "tunnelled"])
def test_a_domain_gets_another_name_where_it_goes(pair, way, flags, is_persistent):
    domain = pair.domain(persistent=is_persistent)
    pair.move(domain, way, LIVE | flags, AS_WEB2)
    on_a = [5, 4, True] if is_persistent and not flags & UNDEFINE else None
    on_b = [*([3, 1] if flags & PAUSED else [1, 2]), bool(flags & PERSIST)]
    assert both(pair) == (on_a, on_b)
    assert (names(pair.a), names(pair.b)) == (["web1"] if on_a else [], ["web2"])
    there = pair.b.lookupByName("web2")
    assert there.UUID() == domain.UUID()
    assert "<name>web2</name>" in there.XMLDesc()
    assert pair.cluster.placement() == {"web2": "B"}
    pair.cluster.assert_migrated("web1", source="A", target="B")
    is_forgotten = is_persistent and flags & UNDEFINE and not flags & PERSIST
    assert [each.invariant for each in pair.cluster.violations()] == ["forgotten"] * bool(is_forgotten)


def test_a_definition_that_was_taken_away_is_missed_by_its_new_name(pair):
    pair.move(pair.domain(), "managed", LIVE | UNDEFINE, AS_WEB2)
    (violation,) = pair.cluster.violations()
    assert (violation.instance, violation.nodes) == ("web2", ("A",))
    assert violation.call.method == "virDomainMigrateConfirm3Params"
    assert violation.what == (
        "the definition of web2 is nowhere any more: its migration undefined it on A, and did not make it "
        "persistent where it went"
    )
    pair.b.defineXML(pair.b.lookupByName("web2").XMLDesc())
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("undefine", [0, UNDEFINE])
@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_a_definition_alone_gets_another_name(pair, way, undefine):
    domain = pair.domain(running=False)
    pair.move(domain, way, OFFLINE | PERSIST | undefine, AS_WEB2)
    assert both(pair) == (None if undefine else [5, 0, True], [5, 0, True])
    assert pair.b.lookupByName("web2").UUID() == domain.UUID()
    assert pair.cluster.placement() == {}
    pair.cluster.assert_consistent()


OLD = {
    "migrate": lambda domain, pair: domain.migrate(pair.b, LIVE, "web2", None, 0),
    "migrate2": lambda domain, pair: domain.migrate2(pair.b, None, LIVE, "web2", None, 0),
    "migrateToURI": lambda domain, pair: domain.migrateToURI(pair.front.uri("B"), LIVE | P2P, "web2", 0),
    "migrateToURI2": lambda domain, pair: domain.migrateToURI2(
        pair.front.uri("B"), None, None, LIVE | P2P, "web2", 0
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_an_older_function(pair, name):
    OLD[name](pair.domain(), pair)
    assert both(pair) == ([5, 4, True], [1, 2, False])
    assert pair.cluster.placement() == {"web2": "B"}
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("phase", ["Begin3", "Prepare3", "Perform3", "Finish3"])
def test_a_phase_of_an_older_function_fails(pair, phase, when):
    pair.cluster.fault(f"virDomainMigrate{phase}", when=when, error="it can't be")
    assert refused(OLD["migrate"], pair.domain(), pair) == INJECTED
    assert (pair.on(pair.a)[0], names(pair.b)) == (1, [])
    assert pair.cluster.placement() == {"web1": "A"}
    pair.cluster.assert_consistent()


@NEEDS_VIRSH
@pytest.mark.parametrize("way", [[], ["--p2p"]], ids=len)
def test_virsh(pair, way):
    pair.domain()
    command = ["migrate", "--live", "--persistent", "--undefinesource", *way, "--dname", "web2", "web1"]
    command = ["virsh", "-c", pair.front.uri("A"), *command, pair.front.uri("B")]
    subprocess.run(command, env=pair.front.env, capture_output=True, check=True, timeout=30)
    assert both(pair) == (None, [1, 2, True])
    pair.cluster.assert_consistent()


def test_there_and_back(pair):
    domain = pair.domain()
    for _ in range(2):
        there = domain.migrate3(pair.b, AS_WEB2, LIVE | PERSIST)
        domain = there.migrate3(pair.a, {"destination_name": "web1"}, LIVE | PERSIST)
    assert both(pair) == ([1, 2, True], [5, 4, True])
    assert pair.cluster.placement() == {"web1": "A"}
    pair.cluster.assert_consistent()


def test_its_own_name_changes_nothing(pair):
    pair.move(pair.domain(), "managed", LIVE, {"destination_name": "web1"})
    assert pair.ends == ([5, 4, True], [1, 2, False])
    pair.cluster.assert_consistent()


def test_a_persistent_definition_is_called_as_the_domain_is(pair):
    for name, parameters, there in (("web1", AS_WEB2, "web2"), ("web3", {}, "web3")):
        domain = pair.domain(name=name)
        other = defined("web9", OTHER).replace("<vcpu", "<title>kept</title><vcpu")
        pair.move(domain, "managed", LIVE | PERSIST, {**parameters, "persistent_xml": other})
        config = pair.b.lookupByName(there).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        assert f"<name>{there}</name>" in config
        assert "<title>kept</title>" in config
        assert domain.UUIDString() in config
        pair.b.lookupByName(there).destroy()
        pair.b.lookupByUUID(domain.UUID()).undefine()
        assert names(pair.b) == []


# What is refused


def test_names_that_are_taken_there(pair):
    domain = pair.domain()
    taken = f"operation failed: domain 'web2' already exists with uuid {OTHER}"
    there = pair.b.defineXML(defined("web2", OTHER))
    assert refused(pair.move, domain, "managed", LIVE, AS_WEB2) == (9, 20, taken)
    there.create()
    assert refused(pair.move, domain, "p2p", LIVE, AS_WEB2) == (9, 20, taken)
    assert (pair.on(pair.a), names(pair.b)) == ([1, 1, True], ["web2"])
    pair.cluster.assert_consistent()


def test_a_domain_that_has_another_name_there_already(pair):
    domain = pair.domain()
    uuid = domain.UUIDString()
    pair.b.defineXML(defined("web1", uuid))
    assert refused(pair.move, domain, "managed", LIVE, AS_WEB2) == (
        9,
        20,
        f"operation failed: domain 'web1' is already defined with uuid {uuid}",
    )
    pair.b.lookupByName("web1").undefine()
    pair.b.defineXML(defined("web2", uuid))
    pair.move(domain, "managed", LIVE, AS_WEB2)
    assert both(pair) == ([5, 4, True], [1, 2, True])
    pair.cluster.assert_consistent()


def test_its_old_name_may_be_another_one_s_there(pair):
    domain = pair.domain()
    other = pair.b.defineXML(defined("web1", OTHER))
    pair.move(domain, "managed", LIVE, AS_WEB2)
    assert names(pair.b) == ["web1", "web2"]
    assert other.state() == [5, 0]
    assert pair.cluster.placement() == {"web2": "B"}
    pair.cluster.assert_consistent()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", (21, 20, "missing name information")),
        ("a/b", (27, 10, "XML error: name a/b cannot contain '/'")),
    ],
)
def test_what_can_be_no_name(pair, name, error):
    domain = pair.domain()
    assert refused(pair.move, domain, "managed", LIVE, {"destination_name": name}) == error
    assert (pair.on(pair.a), names(pair.b)) == ([1, 1, True], [])
    pair.cluster.assert_consistent()


# What fails


@pytest.mark.parametrize("way", ["managed", "p2p"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("phase", ["Prepare3Params", "Finish3Params"])
def test_a_phase_on_the_target_that_fails_renames_nothing(pair, phase, when, way):
    domain = pair.domain()
    pair.cluster.fault(f"virDomainMigrate{phase}", instance="web1", when=when, error="it can't be", times=1)
    assert refused(pair.move, domain, way, LIVE, AS_WEB2) == INJECTED
    assert (pair.on(pair.a)[0], names(pair.b)) == (1, [])
    assert pair.cluster.placement() == {"web1": "A"}
    pair.cluster.assert_consistent()
    pair.move(domain, way, LIVE, AS_WEB2)
    assert both(pair) == ([5, 4, True], [1, 2, False])
    pair.cluster.assert_consistent()


def test_an_abort_renames_nothing(pair):
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, "managed", LIVE, AS_WEB2)
        held.wait()
        assert pair.on(pair.b, "web2") == [3, 2, False]
        pair.connect("A").lookupByName("web1").abortJob()
    assert begun.wait() == (78, 10, "operation aborted: job 'migration out' canceled by client")
    assert (pair.on(pair.a), names(pair.b)) == ([1, 1, True], [])
    pair.cluster.assert_consistent()


def test_who_lists_the_target_s_domains_as_it_arrives_sees_it_once(pair):
    domain = pair.domain()
    other, seen = pair.connect("B"), []
    pair.cluster.fault("FinalizeMigrationDst", when="after", do=lambda _call: seen.extend(names(other)))
    pair.move(domain, "managed", LIVE, AS_WEB2)
    assert seen == names(pair.b) == ["web2"]
    pair.cluster.assert_consistent()


def test_a_domain_that_is_destroyed_while_it_comes(pair):
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, "managed", LIVE, AS_WEB2)
        held.wait()
        pair.connect("B").lookupByName("web2").destroy()
    assert begun.wait()[0] == 9
    assert (pair.on(pair.a), names(pair.b)) == ([1, 1, True], [])
    pair.cluster.assert_consistent()


def test_what_ends_on_its_arrival_gets_no_name(pair):
    domain = pair.domain()
    killed = pair.cluster.fault(
        "FinalizeMigrationDst", when="after", do=lambda _call: pair.cluster.kill("web1", node="B")
    )
    assert refused(pair.move, domain, "managed", LIVE, AS_WEB2) == (
        55,
        20,
        "Requested operation is not valid: domain is not running",
    )
    assert killed.fired == 1
    assert (pair.on(pair.a)[0], names(pair.b)) == (1, [])
    pair.cluster.assert_consistent()


def test_a_name_that_is_taken_on_its_arrival(pair):
    domain = pair.domain()
    b = pair.cluster["B"]
    pair.cluster.fault(
        "FinalizeMigrationDst",
        when="after",
        do=lambda _call: b.StartInstance(b.instance("web2"), [], startup_paused=False),
    )
    assert refused(pair.move, domain, "managed", LIVE, AS_WEB2) == (
        55,
        10,
        "Requested operation is not valid: domain is already running",
    )
    assert pair.cluster.placement() == {"web1": "A", "web2": "B"}
    pair.cluster.assert_consistent()


def test_a_host_whose_disk_fails_on_its_arrival(pair, monkeypatch):
    domain = pair.domain()
    its_disk_fails_once(pair, monkeypatch)
    assert refused(pair.move, domain, "managed", LIVE, AS_WEB2)[0] == 9
    assert pair.cluster.placement() == {"web1": "A"}
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("node", ["A", "B"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("phase", ["Finish3Params", "Confirm3Params"])
def test_a_host_that_crashes_in_the_end(pair, phase, when, node):
    domain = pair.domain()
    pair.cluster.fault(f"virDomainMigrate{phase}", when=when, crash=node)
    with contextlib.suppress(libvirt.libvirtError):
        pair.move(domain, "managed", LIVE, AS_WEB2)
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("name", ["web1", "web2"])
def test_a_host_that_is_cut_off_on_its_arrival(pair, name):
    """It runs there, by whichever name, and only nobody hears of it."""
    domain = pair.domain()
    pair.cluster.fault("FinalizeMigrationDst", when="after", do=lambda _call: pair.cluster["B"].disconnect())
    with contextlib.suppress(libvirt.libvirtError):
        pair.move(domain, "managed", LIVE, {"destination_name": name})
    pair.cluster["B"].reconnect()
    assert names(pair.connect("B")) == [name]
    assert [*pair.cluster["B"].instances] == [name]


# What else is known of it


def test_a_guest_that_hangs_does_so_by_its_new_name(pair):
    domain = pair.domain()
    pair.cluster.hang("web1")
    line = inspect.currentframe().f_lineno - 1
    pair.move(domain, "managed", LIVE, AS_WEB2)
    there = pair.b.lookupByName("web2")
    there.shutdown()
    assert pair.on(pair.b, "web2") == [1, 2, False]
    with pytest.raises(AssertionError) as caught:
        pair.cluster.assert_stopped("web2")
    state, hangs, *_ = str(caught.value).split("; ")
    assert state == "web2 is running on B, not stopped"
    assert hangs == f"its guest hangs since {os.path.relpath(__file__)}:{line}"
    there.destroy()
    assert names(pair.b) == []
    pair.cluster.assert_consistent()


def test_it_is_paused_and_goes_on_by_its_new_name(pair):
    pair.move(pair.domain(), "managed", LIVE, AS_WEB2)
    there = pair.b.lookupByName("web2")
    there.suspend()
    there.resume()
    assert pair.on(pair.b, "web2") == [1, 5, False]
    pair.cluster.assert_consistent()


def test_in_postcopy(pair):
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16, postcopy=1)
    with pair.cluster.hold("virDomainMigrateFinish3Params") as held:
        begun = Begun(pair.move, domain, "managed", LIVE | POSTCOPY, AS_WEB2)
        held.wait()
        assert both(pair) == ([3, 12, True], [1, 10, False])
    assert begun.wait() is None
    assert both(pair) == ([5, 4, True], [1, 2, False])
    pair.cluster.assert_consistent()


def test_it_is_started_by_its_old_name(pair):
    domain = pair.domain()
    pair.move(domain, "managed", LIVE, AS_WEB2)
    domain.create()
    (violation,) = pair.cluster.violations()
    assert (violation.invariant, violation.instance, violation.nodes) == ("double-start", "web1", ("B", "A"))
    assert violation.what == "web1 was started on A while it ran on B as web2"
    assert violation.call.method == "virDomainCreate"


@pytest.mark.parametrize("name", ["web2", "db1"])
def test_its_host_starts_it_by_its_old_name_as_it_boots(pair, name):
    domain = pair.domain()
    domain.setAutostart(True)
    pair.move(domain, "managed", LIVE, {"destination_name": name})
    pair.cluster["A"].crash()
    pair.cluster["A"].boot()
    (violation,) = pair.cluster.violations()
    assert (violation.invariant, violation.instance, violation.nodes) == ("split-brain", "web1", ("A", "B"))
    assert violation.what == f"web1 ran on A, and on B as {name}: A started it by itself as it booted"


def test_another_one_of_its_old_name_may_be_started(pair):
    pair.move(pair.domain(), "managed", LIVE | PERSIST | UNDEFINE, AS_WEB2)
    pair.a.defineXML(defined("web1", OTHER)).create()
    assert pair.cluster.placement() == {"web1": "A", "web2": "B"}
    pair.cluster.assert_consistent()


def test_it_may_be_started_by_its_old_name_once_it_has_ended(pair):
    domain = pair.domain()
    pair.move(domain, "managed", LIVE, AS_WEB2)
    pair.b.lookupByName("web2").destroy()
    domain.create()
    assert pair.cluster.placement() == {"web1": "A"}
    pair.cluster.assert_consistent()


def test_who_looks_for_its_old_name_is_told_the_new_one(pair):
    pair.move(pair.domain(), "managed", LIVE, AS_WEB2)
    with pytest.raises(AssertionError) as caught:
        pair.cluster.assert_running("web1")
    assert "runs on B as web2" in str(caught.value)
    with pytest.raises(AssertionError) as caught:
        pair.cluster.assert_placement({"web1": "B"})
    assert "web1: nowhere (it runs on B as web2), expected on B" in str(caught.value)


def test_the_calls_are_about_what_the_cluster_calls_it(pair):
    pair.move(pair.domain(), "managed", LIVE, AS_WEB2)
    phases = [each for each in pair.cluster.journal if "Migrate" in each.method]
    assert {each.instance for each in phases} == {"web1"}
    finish = next(each for each in phases if each.method == "virDomainMigrateFinish3Params")
    assert "destination_name='web2'" in str(finish)
