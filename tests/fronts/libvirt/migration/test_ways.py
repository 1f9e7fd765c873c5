"""Migrations by whichever function and program, on whichever clock, several at once, and again and again."""

import contextlib
import subprocess

import pytest
from moving import NEEDS_VIRSH, Begun, libvirt, refused

from pytest_fakehv.fronts.libvirt.host import following

LIVE, P2P, PERSIST = libvirt.VIR_MIGRATE_LIVE, libvirt.VIR_MIGRATE_PEER2PEER, libvirt.VIR_MIGRATE_PERSIST_DEST

MOVED = [5, 4, True], [1, 2, False]

ABORTED = 78, 10, "operation aborted: job 'migration out' canceled by client"

RUNS = 100


@pytest.fixture
def impatient(monkeypatch):
    """Wait for nobody who asks how far a migration is."""
    monkeypatch.setattr(following, "_PATIENCE", 0.001)


@pytest.fixture
def patient(monkeypatch):
    """Wait for who asks how far a migration is, on a slow machine too."""
    monkeypatch.setattr(following, "_PATIENCE", 10)


OLD = {
    "migrate": lambda domain, pair: domain.migrate(pair.b, LIVE, None, None, 8),
    "migrate2": lambda domain, pair: domain.migrate2(pair.b, None, LIVE, None, "tcp:B:49152", 0),
    "migrateToURI": lambda domain, pair: domain.migrateToURI(pair.front.uri("B"), LIVE | P2P, None, 0),
    "migrateToURI2": lambda domain, pair: domain.migrateToURI2(
        pair.front.uri("B"), None, domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE), LIVE | P2P, None, 0
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_an_older_function(pair, name):
    OLD[name](pair.domain(), pair)
    assert pair.ends == MOVED
    pair.cluster.assert_consistent()


OLD_PHASES = {
    "Begin3": ("source", [1, 1, True]),
    "Prepare3": ("target", [1, 1, True]),
    "Perform3": ("source", [1, 6, True]),
    "Finish3": ("target", [1, 6, True]),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("phase", OLD_PHASES)
def test_a_phase_of_an_older_function_fails(pair, phase, when):
    side, on_a = OLD_PHASES[phase]
    pair.cluster.fault(f"virDomainMigrate{phase}", side=side, when=when, error="it can't be")
    assert refused(OLD["migrate"], pair.domain(), pair) == (9, 10, "operation failed: it can't be")
    assert pair.ends == ([1, 1, True] if (phase, when) == ("Perform3", "before") else on_a, None)
    pair.cluster.assert_consistent()


def virsh(pair, *arguments):
    """Run a command on A, and return what it prints."""
    command = ["virsh", "-c", pair.front.uri("A"), *arguments]
    run = subprocess.run(command, env=pair.front.env, capture_output=True, text=True, check=True, timeout=30)
    return run.stdout + run.stderr


@NEEDS_VIRSH
@pytest.mark.parametrize("way", [[], ["--p2p"], ["--p2p", "--tunnelled"]], ids=len)
def test_virsh(pair, way):
    pair.domain()
    pair.cluster.script_migration("web1", bandwidth=64, dirty_rate=16)
    said = virsh(pair, "migrate", "--live", "--verbose", *way, "web1", pair.front.uri("B"))
    assert said.rstrip().endswith("Migration: [100 %]")
    assert pair.ends == MOVED
    job = virsh(pair, "domjobinfo", "web1", "--completed")
    assert "Outgoing migration" in job
    pair.cluster.assert_consistent()


@NEEDS_VIRSH
def test_virsh_in_the_words_of_a_real_network(pair):
    pair.domain()
    virsh(pair, "migrate", "--live", "--p2p", "--persistent", "web1", "qemu+ssh://B/system")
    assert pair.ends == ([5, 4, True], [1, 2, True])


def test_two_at_once(pair, impatient):
    begun = []
    for name in ("web1", "web2"):
        pair.domain(name=name)
        pair.cluster.script_migration(name, bandwidth=8, dirty_rate=4)
        other = type(pair)(pair.cluster, pair.front)
        begun.append(Begun(other.move, other.a.lookupByName(name), "managed", LIVE))
    assert [each.wait() for each in begun] == [None, None]
    assert pair.cluster.placement() == {"web1": "B", "web2": "B"}
    pair.cluster.assert_consistent()


def test_there_and_back(pair):
    domain = pair.domain()
    for _ in range(3):
        there = domain.migrate3(pair.b, {}, LIVE | PERSIST)
        domain = there.migrate3(pair.a, {}, LIVE | PERSIST)
    assert pair.ends == ([1, 2, True], [5, 4, True])
    pair.cluster.assert_consistent()


def test_nobody_asks_how_far_it_is(pair_of, impatient):
    ends = set()
    for _ in range(RUNS):
        pair = pair_of()
        domain = pair.domain()
        pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=4)
        pair.move(domain)
        ends.add((str(pair.ends), str(pair.cluster.migrations[0]), pair.cluster.clock.now))
        pair.front.close()
    assert len(ends) == 1


@pytest.mark.usefixtures("patient")
def test_somebody_asks_how_far_it_is(pair_of):
    ends, seen = set(), set()
    for _ in range(RUNS):
        pair = pair_of()
        domain = pair.domain()
        pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=4)
        with pair.cluster.hold("GetMigrationStatus") as held:
            begun = Begun(pair.move, domain)
            held.wait()
        other = pair.connect("A").lookupByName("web1")
        seen.add(tuple(dict.fromkeys(asked(other))))  # the last one until it is confirmed
        assert begun.wait() is None
        ends.add((str(pair.ends), str(pair.cluster.migrations[0]), pair.cluster.clock.now))
        pair.front.close()
    assert len(ends) == 1
    assert len(seen) == 1


def asked(domain):
    """Ask how far a domain's migration is until it ends, and return what was said of its memory."""
    while True:
        try:
            stats = domain.jobStats()
        except libvirt.libvirtError:  # it is over
            return
        if stats.get("memory_processed"):
            yield stats["memory_processed"]


def test_the_machine_s_clock(pair_of):
    pair = pair_of("real")
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=2048, dirty_rate=0)
    pair.move(domain)
    assert pair.ends == MOVED
    assert 0.03 <= pair.cluster.migrations[0].duration < 1


def test_a_clock_that_the_test_moves(pair_of):
    pair = pair_of("manual")
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=0)
    pair.cluster.at(5, lambda: None)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain)
        held.wait()
    pair.cluster.clock.advance(10)
    assert begun.wait() is None
    assert pair.cluster.clock.now == 10


def test_a_deed_of_the_test_s_time_comes_first(pair, impatient):
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    pair.cluster.at(30, lambda: pair.cluster.fail_migration("web1"))
    assert refused(pair.move, domain)[0] == 9
    assert pair.cluster.migrations[0].duration == 30


def test_an_end_by_polls_that_nobody_makes(pair, impatient):
    domain = pair.domain()
    pair.cluster.script_migration("web1", outcome="cancelled", polls=5)
    assert refused(pair.move, domain) == ABORTED
    assert pair.cluster.migrations[0].polls == 5


POSTCOPY = libvirt.VIR_MIGRATE_POSTCOPY


def test_postcopy_begun_by_the_client(pair_of):
    pair = pair_of("manual")
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, "managed", LIVE | POSTCOPY)
        held.wait()
    pair.cluster.clock.advance(2)
    other = type(pair)(pair.cluster, pair.front)
    here = other.a.lookupByName("web1")
    here.migrateStartPostCopy()
    pair.cluster.clock.advance(0)
    assert other.ends == ([3, 12, True], [1, 10, False])
    invalid = "Requested operation is not valid: cannot abort migration in post-copy mode"
    assert refused(here.abortJob) == (55, 10, invalid)
    here.migrateStartPostCopy()
    pair.cluster.clock.advance(100)
    assert begun.wait() is None
    assert pair.ends == MOVED
    assert pair.b.lookupByName("web1").jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED) == {"type": 0}
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_a_postcopy_that_fails_loses_the_domain(pair, impatient, way):
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16, postcopy=1, outcome="failed")
    assert refused(pair.move, domain, way, LIVE | POSTCOPY) == (
        9,
        20,
        "operation failed: domain is not running",
    )
    on_a, on_b = pair.ends
    assert (on_a[0], on_b) == (5, None)
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("node", ["A", "B"])
@pytest.mark.parametrize("phase", ["Prepare3Params", "Perform3Params", "Finish3Params"])
def test_a_host_that_crashes_between_peers(pair, phase, node, when):
    domain = pair.domain()
    pair.cluster.fault(f"virDomainMigrate{phase}", when=when, crash=node)
    with contextlib.suppress(libvirt.libvirtError):
        pair.move(domain, "p2p")
    pair.cluster[node].boot()
    other = type(pair)(pair.cluster, pair.front)
    assert other.ends[node == "B"] in (None, [5, 0, True], [5, 4, True])
    pair.cluster.assert_consistent()


def test_no_such_peer(pair):
    domain = pair.domain()
    uri = "qemu+ssh://nowhere/system"
    problem = f"Failed to connect to remote libvirt URI {uri}: unable to connect to server"
    assert refused(domain.migrateToURI3, uri, {}, LIVE | P2P) == (9, 10, f"operation failed: {problem}")
    text = "Failed to connect socket to '/nowhere/libvirt-sock': No such file or directory"
    uri = "qemu+unix:///system?socket=/nowhere/libvirt-sock"
    assert refused(domain.migrateToURI3, uri, {}, LIVE | P2P) == (38, 7, text)
    pair.cluster["B"].crash()
    assert refused(pair.move, domain, "p2p")[0] == 9
    assert pair.on(pair.a) == [1, 1, True]
    pair.cluster.assert_consistent()


def test_a_persistent_definition_of_its_own(pair):
    domain = pair.domain()
    other = domain.XMLDesc().replace("<vcpu", "<title>kept</title><vcpu")
    domain.migrate3(pair.b, {"persistent_xml": other}, LIVE | PERSIST)
    inactive = pair.b.lookupByName("web1").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert "<title>kept</title>" in inactive


def test_a_persistent_definition_that_can_not_be_taken_is_refused_before_anything_is_sent(pair):
    domain = pair.domain()
    broken = "(domain_definition):1: Couldn't find end of Start Tag domain line 1\n<domain\n-------^"
    assert refused(domain.migrate3, pair.b, {"persistent_xml": "<domain"}, LIVE | PERSIST) == (35, 20, broken)
    assert pair.ends == ([1, 1, True], None)
    pair.cluster.assert_consistent()


def test_a_definition_can_be_sent_offline_while_its_domain_runs(pair):
    domain = pair.domain()
    there = domain.XMLDesc().replace("<vcpu", "<title>old</title><vcpu")
    pair.b.defineXML(there)
    domain.migrate3(pair.b, {}, libvirt.VIR_MIGRATE_OFFLINE | PERSIST)
    assert pair.ends == ([1, 1, True], [5, 0, True])
    assert "<title>" not in pair.b.lookupByName("web1").XMLDesc()
    pair.cluster.assert_consistent()


def test_a_uuid_that_is_anothers_on_the_target(pair):
    domain = pair.domain()
    other = pair.b.defineXML(domain.XMLDesc().replace("<name>web1", "<name>web2"))
    problem = f"domain 'web2' is already defined with uuid {domain.UUIDString()}"
    assert refused(domain.migrate3, pair.b, {}, LIVE) == (9, 20, f"operation failed: {problem}")
    assert pair.on(pair.a) == [1, 1, True]
    other.undefine()
    domain.migrate3(pair.b, {}, LIVE)
    pair.cluster.assert_consistent()


def test_a_change_waits_for_a_migration_that_ends(pair, impatient):
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    other = type(pair)(pair.cluster, pair.front)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain)
        held.wait()
    here = other.a.lookupByName("web1")
    locked = "cannot acquire state change lock (held by monitor=remoteDispatchDomainMigratePerform3Params)"
    assert refused(here.setMemory, 1024) == (68, 0, f"Timed out during operation: {locked}")
    here.abortJob()
    assert begun.wait() == ABORTED


def test_a_target_that_has_it_already(pair):
    domain = pair.domain()
    pair.b.defineXML(domain.XMLDesc()).create()
    assert refused(pair.move, domain) == (
        55,
        20,
        "Requested operation is not valid: domain 'web1' is already active",
    )
    pair.b.lookupByName("web1").destroy()
    pair.b.lookupByName("web1").undefine()
    pair.b.defineXML(
        "<domain type='kvm'><name>web1</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    )
    code, origin, text = refused(pair.move, domain)
    assert (code, origin) == (9, 20)
    assert text.startswith("operation failed: domain 'web1' already exists with uuid ")


def test_a_target_without_room(pair):
    pair.cluster.add_node("C", memory=32, overcommit=False)
    domain = pair.domain()
    assert refused(domain.migrate3, pair.connect("C"), {}, LIVE)[:2] == (1, 10)
    assert pair.on(pair.a) == [1, 1, True]
    pair.cluster.assert_consistent()
