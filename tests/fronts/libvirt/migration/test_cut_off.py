"""A host is cut off in each phase of a migration: what the client is told, and what is where afterwards."""

import threading

import pytest
from moving import END_OF_FILE, Begun, Ear, libvirt, refused

LIVE, PERSIST, POSTCOPY, OFFLINE = (
    libvirt.VIR_MIGRATE_LIVE,
    libvirt.VIR_MIGRATE_PERSIST_DEST,
    libvirt.VIR_MIGRATE_POSTCOPY,
    libvirt.VIR_MIGRATE_OFFLINE,
)


BROKEN = END_OF_FILE
LOST = 9, 10, "operation failed: Lost connection to destination host"
NO_WAY = 38, 7, "unable to connect to server at 'B:49152': No route to host"
FAILED = 9, 10, "operation failed: job 'migration out' failed: Unable to write to socket: Bad file descriptor"

STAYS = [1, 1, True], None
STAYS_AFTER_ALL = [1, 6, True], None
MOVED = [5, 4, True], [1, 2, False]
LEFT_PAUSED = [3, 2, True], [1, 2, False]
BOTH_RUN = [1, 6, True], [1, 2, False]
"""Who has sent all of it hears of no success, and so lets it go on; as libvirt does."""

TURNED_AWAY, ARRIVED = "2,1 5,5", "2,1 4,1"
GOES_ON, LEFT = "3,1 4,1", "3,1 5,3"

CUTS = {
    ("managed", "Begin", "A", "before"): (BROKEN, STAYS, "", None),
    ("managed", "Begin", "A", "after"): (BROKEN, STAYS, "", None),
    ("managed", "Begin", "B", "before"): (BROKEN, STAYS, "", None),
    ("managed", "Begin", "B", "after"): (BROKEN, STAYS, "", None),
    ("managed", "Prepare", "A", "before"): (BROKEN, STAYS, TURNED_AWAY, None),
    ("managed", "Prepare", "A", "after"): (BROKEN, STAYS, TURNED_AWAY, None),
    ("managed", "Prepare", "B", "before"): (BROKEN, STAYS, "", None),
    ("managed", "Prepare", "B", "after"): (BROKEN, STAYS, "", None),
    ("managed", "Perform", "A", "before"): (BROKEN, STAYS, TURNED_AWAY, None),
    ("managed", "Perform", "A", "after"): (BROKEN, ([3, 2, True], None), TURNED_AWAY, "left-paused"),
    ("managed", "Perform", "B", "before"): (NO_WAY, STAYS, "", None),
    ("managed", "Perform", "B", "after"): (BROKEN, STAYS_AFTER_ALL, GOES_ON, None),
    ("managed", "Finish", "A", "before"): (None, LEFT_PAUSED, ARRIVED, "left-paused"),
    ("managed", "Finish", "A", "after"): (None, LEFT_PAUSED, ARRIVED, "left-paused"),
    ("managed", "Finish", "B", "before"): (BROKEN, STAYS_AFTER_ALL, GOES_ON, None),
    ("managed", "Finish", "B", "after"): (BROKEN, BOTH_RUN, GOES_ON, "split-brain"),
    ("managed", "Confirm", "A", "before"): (None, LEFT_PAUSED, ARRIVED, "left-paused"),
    ("managed", "Confirm", "A", "after"): (None, MOVED, ARRIVED, None),
    ("managed", "Confirm", "B", "before"): (None, MOVED, LEFT, None),
    ("managed", "Confirm", "B", "after"): (None, MOVED, LEFT, None),
    ("p2p", "Prepare", "A", "before"): (BROKEN, STAYS, TURNED_AWAY, None),
    ("p2p", "Prepare", "A", "after"): (BROKEN, STAYS, TURNED_AWAY, None),
    ("p2p", "Prepare", "B", "before"): (LOST, STAYS, "", None),
    ("p2p", "Prepare", "B", "after"): (LOST, STAYS, "", None),
    ("p2p", "Perform", "A", "before"): (BROKEN, STAYS, "", None),
    ("p2p", "Perform", "A", "after"): (BROKEN, MOVED, ARRIVED, None),
    ("p2p", "Perform", "B", "after"): (None, MOVED, LEFT, None),
    ("p2p", "Finish", "A", "before"): (BROKEN, BOTH_RUN, ARRIVED, "split-brain"),
    ("p2p", "Finish", "A", "after"): (BROKEN, BOTH_RUN, ARRIVED, "split-brain"),
    ("p2p", "Finish", "B", "before"): (LOST, STAYS_AFTER_ALL, GOES_ON, None),
    ("p2p", "Finish", "B", "after"): (LOST, BOTH_RUN, GOES_ON, "split-brain"),
}
"""What the client is told, what is where in the end, what the other host has told, and what is wrong."""


def cut(pair, method, node, when):
    """Cut a host off in a call."""
    pair.cluster.fault(method, when=when, times=1, do=lambda _call: pair.cluster[node].disconnect())


def told(function, *arguments):
    """Call a function, and return how it failed, if it did."""
    return Begun(function, *arguments).wait()


def back(pair, node):
    """Let a host be back, and return connections to both."""
    pair.cluster[node].reconnect()
    return type(pair)(pair.cluster, pair.front)


@pytest.mark.parametrize(("way", "phase", "node", "when"), list(CUTS))
def test_a_host_is_cut_off_in_a_phase(pair, way, phase, node, when):
    error, ends, heard, wrong = CUTS[way, phase, node, when]
    domain = pair.domain()
    ear = Ear(pair.front, "B" if node == "A" else "A")
    cut(pair, f"virDomainMigrate{phase}3Params", node, when)
    assert told(pair.move, domain, way) == error
    assert " ".join(ear.heard) == heard
    if wrong == "left-paused":  # where nobody can put it right now
        pair.cluster.assert_consistent()
    pair = back(pair, node)
    assert pair.ends == ends
    assert [each.invariant for each in pair.cluster.violations()] == ([wrong] if wrong else [])
    there = pair.a if ends[0][0] != 5 else pair.b
    assert there.lookupByName("web1").jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE


def test_a_target_that_is_cut_off_can_not_be_connected_to(pair):
    domain = pair.domain()
    cut(pair, "virDomainMigratePerform3Params", "B", "before")
    uri = pair.front.uri("B")
    problem = f"operation failed: Failed to connect to remote libvirt URI {uri}: unable to connect to server"
    assert told(pair.move, domain, "p2p") == (9, 10, problem)
    assert back(pair, "B").ends == STAYS
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("node", ["A", "B"])
def test_a_definition_alone_does_not_get_through(pair, node):
    domain = pair.domain(running=False)
    cut(pair, "virDomainMigratePrepare3Params", node, "after")
    error = told(pair.move, domain, "p2p", OFFLINE | PERSIST)
    assert error == (BROKEN if node == "A" else LOST)
    assert back(pair, node).ends == ([5, 0, True], None)
    pair.cluster.assert_consistent()


STEPS = {
    ("managed", "MigrateInstance", "B", "before"): (FAILED, STAYS, None),
    ("managed", "MigrateInstance", "B", "after"): (FAILED, STAYS, None),
    ("managed", "GetMigrationStatus", "A", "before"): (BROKEN, STAYS, None),
    ("managed", "GetMigrationStatus", "B", "before"): (FAILED, STAYS, None),
    ("managed", "FinalizeMigrationDst", "B", "before"): (BROKEN, STAYS_AFTER_ALL, None),
    ("managed", "FinalizeMigrationDst", "B", "after"): (BROKEN, BOTH_RUN, "split-brain"),
    ("managed", "FinalizeMigrationSource", "A", "before"): (None, LEFT_PAUSED, "left-paused"),
    ("managed", "FinalizeMigrationSource", "A", "after"): (None, MOVED, None),
    ("p2p", "MigrateInstance", "A", "after"): (BROKEN, STAYS, None),
    ("p2p", "MigrateInstance", "B", "before"): (FAILED, STAYS, None),
    ("p2p", "GetMigrationStatus", "B", "before"): (FAILED, STAYS, None),
    ("p2p", "FinalizeMigrationDst", "B", "after"): (LOST, BOTH_RUN, "split-brain"),
    ("p2p", "FinalizeMigrationSource", "A", "before"): (BROKEN, LEFT_PAUSED, "left-paused"),
    ("p2p", "FinalizeMigrationSource", "A", "after"): (BROKEN, MOVED, None),
}


@pytest.mark.parametrize(("way", "method", "node", "when"), list(STEPS))
def test_a_host_is_cut_off_inside_a_phase(pair, way, method, node, when):
    error, ends, wrong = STEPS[way, method, node, when]
    domain = pair.domain()
    cut(pair, method, node, when)
    assert told(pair.move, domain, way) == error
    pair = back(pair, node)
    assert pair.ends == ends
    assert [each.invariant for each in pair.cluster.violations()] == ([wrong] if wrong else [])
    there = pair.a if ends[0][0] != 5 else pair.b
    assert there.lookupByName("web1").jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE


@pytest.mark.parametrize("node", ["A", "B"])
@pytest.mark.parametrize("way", ["managed", "p2p"])
@pytest.mark.parametrize("clock", ["polls", "manual", "real"])
def test_a_host_is_cut_off_while_it_is_sent(pair_of, clock, way, node):
    pair = pair_of(clock)
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, way)
        held.wait()
    pair.cluster[node].disconnect()
    assert begun.wait() == (BROKEN if node == "A" else FAILED)
    pair = back(pair, node)
    assert pair.ends == STAYS
    pair.cluster.assert_consistent()
    assert pair.cluster.migrations[0].reason == f"{node} was cut off"
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=0, polls=1)
    pair.move(pair.a.lookupByName("web1"), way)
    assert pair.ends == MOVED
    pair.cluster.assert_consistent()


@pytest.mark.parametrize(
    ("node", "error"), [("A", BROKEN), ("B", (9, 20, "operation failed: domain is not running"))]
)
@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_a_host_is_cut_off_in_postcopy(pair_of, way, node, error):
    pair = pair_of("manual")
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16, postcopy=1)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, way, LIVE | POSTCOPY)
        held.wait()
        pair.cluster.clock.advance(10)
    pair.cluster[node].disconnect()
    assert begun.wait() == error
    assert back(pair, node).ends == ([5, 3, True], None)
    pair.cluster.assert_consistent()  # the test has done that: half of it was on each host


def test_no_thread_is_left(pair_of):
    before = threading.active_count()
    for way, phase, node, when in CUTS:
        pair = pair_of()
        domain = pair.domain()
        cut(pair, f"virDomainMigrate{phase}3Params", node, when)
        told(pair.move, domain, way)
        pair.front.close()
    assert threading.active_count() == before


def test_who_ends_a_migration_from_peer_to_peer_is_not_told_that_the_source_is_left_paused(pair):
    domain = pair.domain()
    pair.cluster.fault("FinalizeMigrationSource", error="it can't be")
    pair.move(domain, "p2p")
    assert pair.ends == LEFT_PAUSED
    assert [each.invariant for each in pair.cluster.violations()] == ["left-paused"]
    domain.resume()  # nothing holds its job
    assert pair.on(pair.a)[:1] == [1]


def test_a_domain_that_got_another_name_lives_there_all_the_same(pair):
    domain = pair.domain()
    cut(pair, "virDomainMigrateFinish3Params", "B", "after")
    assert refused(pair.move, domain, "managed", LIVE, {"destination_name": "web2"}) == BROKEN
    pair = back(pair, "B")
    assert (pair.on(pair.a, "web1"), pair.on(pair.b, "web2")) == BOTH_RUN
    (violation,) = pair.cluster.violations()
    assert (violation.invariant, violation.nodes) == ("split-brain", ("A", "B"))
    assert violation.what == "web1 ran on A, and on B as web2"
