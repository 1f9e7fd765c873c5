"""What a migration leaves behind that fails in the end, and what becomes of it."""

import pytest
from moving import XML, Begun, Ear, libvirt, refused

from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt

LIVE, PERSIST, PAUSED, POSTCOPY = (
    libvirt.VIR_MIGRATE_LIVE,
    libvirt.VIR_MIGRATE_PERSIST_DEST,
    libvirt.VIR_MIGRATE_PAUSED,
    libvirt.VIR_MIGRATE_POSTCOPY,
)

INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE

CONFIRM = "virDomainMigrateConfirm3Params"
FINISH = "virDomainMigrateFinish3Params"
PERFORM = "virDomainMigratePerform3Params"
PREPARE = "virDomainMigratePrepare3Params"

INJECTED = 9, 10, "operation failed: it can't be"
BROKEN = 38, 7, "End of file while reading data: Input/output error"
LOST = 9, 10, "operation failed: Lost connection to destination host"
STRANDED = 55, 10, "Requested operation is not valid: job 'migration out' failed in post-copy phase"

STAYS = [1, 1, True], None
STAYS_AFTER_ALL = [1, 6, True], None
GONE = [3, 13, True], None
ELSEWHERE = [3, 13, True], [1, 2, False]
MOVED = [5, 4, True], [1, 2, False]


def wrong(pair):
    """Return what is wrong, in words."""
    return [(each.invariant, each.what) for each in pair.cluster.violations()]


def about(pair):
    """Return of what is wrong which domain, hosts and call it is about."""
    return [(each.instance, each.nodes, each.call.method) for each in pair.cluster.violations()]


LEFT_PAUSED = "left-paused", "web1 ran on A before its migration, which left it paused there"
SPLIT = "split-brain", "web1 ran on A and B at once"


# Who resumes what is left


@pytest.mark.parametrize("flags", [0, LIVE])
def test_what_is_left_paused_and_runs_elsewhere_must_not_be_resumed(pair, flags):
    domain = pair.domain()
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(domain, "managed", flags)
    assert wrong(pair) == [LEFT_PAUSED]
    assert about(pair) == [("web1", ("A",), CONFIRM)]
    domain.resume()
    assert wrong(pair) == [SPLIT]
    (violation,) = pair.cluster.violations()
    assert (violation.call.method, violation.nodes) == ("virDomainResume", ("A", "B"))
    domain.suspend()
    domain.resume()
    assert wrong(pair) == [SPLIT]  # which it was all the time


def test_what_is_left_paused_is_destroyed(pair):
    domain = pair.domain()
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(domain)
    domain.destroy()
    pair.b.lookupByName("web1").suspend()
    pair.b.lookupByName("web1").resume()
    pair.cluster.assert_consistent()


def started_on_a_third_host(pair):
    """Let what is left paused be started where it has never been, and return what that was."""
    pair.cluster.add_node("C")
    return pair.connect("C").defineXML(pair.a.lookupByName("web1").XMLDesc(INACTIVE)).create()


def test_what_is_left_paused_is_no_reason_not_to_start_it_elsewhere(pair):
    """It has run on since, and what it was is of no use: who restarts it has looked where it went."""
    domain = pair.domain()
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(domain)
    pair.cluster["B"].crash()
    started_on_a_third_host(pair)
    assert wrong(pair) == [LEFT_PAUSED]
    domain.resume()
    assert wrong(pair) == [("split-brain", "web1 ran on A and C at once")]


def test_what_is_left_paused_meets_nothing_that_the_test_declares_elsewhere(pair):
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(pair.domain())
    pair.cluster["B"].crash()
    pair.cluster.add_node("C")
    pair.cluster.add_instance("web1", node="C")
    assert wrong(pair) == [LEFT_PAUSED]


def test_what_is_left_paused_is_not_where_it_was_started_twice(pair):
    domain = pair.domain()
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(domain)
    started_on_a_third_host(pair)
    twice = ("double-start", "web1 was started on C while it ran on B")
    assert wrong(pair) == [twice, ("split-brain", "web1 ran on B and C at once"), LEFT_PAUSED]


def test_what_was_left_paused_and_is_resumed_must_not_start_elsewhere(pair):
    domain = pair.domain()
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(domain)
    pair.cluster["B"].crash()
    domain.resume()
    domain.suspend()
    started_on_a_third_host(pair)
    assert [each for each, _ in wrong(pair)] == ["double-start", "split-brain"]


def test_what_is_left_paused_and_is_the_only_one_must_not_start_elsewhere(pair):
    """All of it was sent, and turned away: it can go on from there, and nowhere else."""
    domain = pair.domain()
    pair.cluster.fault(PERFORM, when="after", do=lambda _call: pair.cluster["A"].disconnect())
    assert Begun(pair.move, domain).wait() == BROKEN
    pair.cluster["A"].reconnect()
    pair.a = pair.connect("A")
    assert pair.ends == ([3, 2, True], None)
    started_on_a_third_host(pair)
    assert wrong(pair)[0] == ("double-start", "web1 was started on C while it ran on A")


def test_what_is_left_paused_stays_so_whatever_another_one_does(pair):
    pair.cluster.fault(CONFIRM, error="it can't be", instance="web1")
    pair.move(pair.domain())
    other = pair.domain(name="web3")
    other.suspend()
    other.resume()
    other.destroy()
    assert wrong(pair) == [LEFT_PAUSED]


def test_what_is_destroyed_where_it_has_arrived_is_nobody_s_loss(pair):
    domain = pair.domain()
    with pair.cluster.hold(CONFIRM) as held:
        begun = Begun(pair.move, domain)
        held.wait()
        pair.connect("B").lookupByName("web1").destroy()
    assert begun.wait() is None
    assert pair.ends == ([5, 4, True], None)
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_what_a_host_has_left_paused_that_was_cut_off_must_not_be_resumed(pair, way):
    domain = pair.domain()
    pair.cluster.fault("FinalizeMigrationSource", do=lambda _call: pair.cluster["A"].disconnect())
    assert Begun(pair.move, domain, way).wait() == (None if way == "managed" else BROKEN)
    pair.cluster["A"].reconnect()
    assert wrong(pair) == [LEFT_PAUSED]
    pair.connect("A").lookupByName("web1").resume()
    assert wrong(pair) == [SPLIT]


def test_an_operator_must_not_resume_it_either(pair):
    domain = pair.domain()
    pair.cluster.fault("FinalizeMigrationSource", error="it can't be")
    pair.move(domain, "p2p")
    pair.cluster.resume("web1", node="A")
    assert wrong(pair) == [SPLIT]


@pytest.mark.parametrize("name", ["web2", "db1"])
def test_what_got_another_name_must_not_be_resumed_by_the_old_one(pair, name):
    domain = pair.domain()
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(domain, "managed", LIVE, {"destination_name": name})
    assert wrong(pair) == [LEFT_PAUSED]
    domain.resume()
    there = "split-brain", f"web1 ran on A, and on B as {name}"
    assert wrong(pair) == [there]
    assert about(pair) == [("web1", ("A", "B"), "virDomainResume")]
    domain.suspend()
    domain.resume()
    assert wrong(pair) == [there]
    pair.b.lookupByName(name).destroy()
    pair.move(domain, "managed", LIVE, {"destination_name": name})
    domain.resume()
    assert wrong(pair) == [there, there]


def test_nor_while_another_one_has_that_name(pair):
    domain = pair.domain()
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(domain, "managed", LIVE, {"destination_name": "web2"})
    pair.b.defineXML(XML.format("web1"))
    domain.resume()
    assert wrong(pair) == [("split-brain", "web1 ran on A, and on B as web2")]


def test_of_two_that_are_paused_one_may_be_resumed(pair):
    domain = pair.domain(paused=True)
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(domain)
    pair.b.lookupByName("web1").resume()
    pair.cluster.assert_consistent()
    domain.resume()
    assert wrong(pair) == [SPLIT]


def test_the_other_of_two_that_are_paused(pair):
    domain = pair.domain()
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(domain, "managed", LIVE | PAUSED)
    domain.resume()  # the wrong one, but so far the only one
    pair.cluster.assert_consistent()
    pair.b.lookupByName("web1").resume()
    assert wrong(pair) == [SPLIT]


def test_what_nobody_can_read_runs(tmp_path):
    cluster = FakeCluster(tmp_path, NodeSpec("A"), NodeSpec("B"))
    with FakeLibvirt(cluster) as front:
        connections = [libvirt.open(front.uri(name)) for name in "AB"]
        definition = (
            "<domain type='kvm'><name>web1</name><memory>65536</memory><os><type>hvm</type></os></domain>"
        )
        domain = connections[0].defineXML(definition)
        domain.create()
        cluster.fault(CONFIRM, error="it can't be")
        domain.migrate3(connections[1], {}, LIVE)
        (path,) = [each for each in (tmp_path / "B").rglob("web1") if each.is_file()]
        path.write_text("nonsense")
        domain.resume()
        assert [each.invariant for each in cluster.violations()] == ["split-brain"]


# What has gone on as postcopy can't be given back


def goes_on_as_postcopy(pair):
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=1, postcopy=1)
    return domain


def is_stranded(pair, ends):
    """Tell that a domain is paused on A for ever, whoever looks at it."""
    assert pair.ends == ends
    assert wrong(pair) == [LEFT_PAUSED]
    assert pair.cluster["A"].instances["web1"].paused
    assert pair.cluster.placement() == {"web1": "A" if ends[1] is None else ("A", "B")}
    domain = pair.a.lookupByName("web1")
    assert refused(domain.resume) == STRANDED
    problem = "Requested operation is not valid: another migration job is already running for domain 'web1'"
    assert refused(pair.move, domain) == (55, 10, problem)
    assert domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE
    assert wrong(pair) == [LEFT_PAUSED]
    domain.destroy()
    assert pair.ends == ([5, 2, True], ends[1])
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("way", ["managed", "p2p"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", [FINISH, "FinalizeMigrationDst"])
def test_a_postcopy_that_can_not_be_finished(pair, method, when, way):
    domain = goes_on_as_postcopy(pair)
    pair.cluster.fault(method, when=when, error="it can't be")
    assert refused(pair.move, domain, way, LIVE | POSTCOPY) == INJECTED
    is_stranded(pair, GONE)


def test_what_can_never_run_again_is_no_reason_not_to_start_it_elsewhere(pair):
    domain = goes_on_as_postcopy(pair)
    pair.cluster.fault(FINISH, error="it can't be")
    assert refused(pair.move, domain, "managed", LIVE | POSTCOPY) == INJECTED
    started_on_a_third_host(pair)
    assert wrong(pair) == [LEFT_PAUSED]
    domain.destroy()
    pair.cluster.assert_consistent()


@pytest.mark.parametrize(("method", "way"), [(CONFIRM, "managed"), ("FinalizeMigrationSource", "p2p")])
def test_a_postcopy_that_can_not_be_confirmed(pair, method, way):
    domain = goes_on_as_postcopy(pair)
    pair.cluster.fault(method, error="it can't be")
    pair.move(domain, way, LIVE | POSTCOPY)
    is_stranded(pair, ELSEWHERE)


def test_a_postcopy_that_is_sent_and_said_to_have_failed(pair):
    domain = goes_on_as_postcopy(pair)
    pair.cluster.fault("virDomainMigratePerform3Params", when="after", error="it can't be")
    assert refused(pair.move, domain, "managed", LIVE | POSTCOPY) == INJECTED
    is_stranded(pair, GONE)


@pytest.mark.parametrize(("way", "error"), [("managed", BROKEN), ("p2p", LOST)])
def test_a_target_that_crashes_at_the_end_of_postcopy(pair, way, error):
    domain = goes_on_as_postcopy(pair)
    pair.cluster.fault(FINISH, crash="B")
    assert refused(pair.move, domain, way, LIVE | POSTCOPY) == error
    pair.cluster["B"].boot()
    is_stranded(type(pair)(pair.cluster, pair.front), GONE)


CUTS = {
    ("managed", "Perform", "A", "after"): (BROKEN, GONE),
    ("managed", "Perform", "B", "after"): (BROKEN, GONE),
    ("managed", "Finish", "A", "before"): (None, ELSEWHERE),
    ("managed", "Finish", "A", "after"): (None, ELSEWHERE),
    ("managed", "Finish", "B", "before"): (BROKEN, GONE),
    ("managed", "Finish", "B", "after"): (BROKEN, ELSEWHERE),
    ("managed", "Confirm", "A", "before"): (None, ELSEWHERE),
    ("p2p", "Finish", "A", "before"): (BROKEN, ELSEWHERE),
    ("p2p", "Finish", "A", "after"): (BROKEN, ELSEWHERE),
    ("p2p", "Finish", "B", "before"): (LOST, GONE),
    ("p2p", "Finish", "B", "after"): (LOST, ELSEWHERE),
}
"""What the client is told, and what is where in the end."""


@pytest.mark.parametrize(("way", "phase", "node", "when"), list(CUTS))
def test_a_host_is_cut_off_at_the_end_of_postcopy(pair, way, phase, node, when):
    error, ends = CUTS[way, phase, node, when]
    domain = goes_on_as_postcopy(pair)
    pair.cluster.fault(
        f"virDomainMigrate{phase}3Params",
        when=when,
        times=1,
        do=lambda _call: pair.cluster[node].disconnect(),
    )
    assert Begun(pair.move, domain, way, LIVE | POSTCOPY).wait() == error
    pair.cluster[node].reconnect()
    is_stranded(type(pair)(pair.cluster, pair.front), ends)


def test_a_postcopy_whose_end_fails_is_told(pair):
    domain = goes_on_as_postcopy(pair)
    ear = Ear(pair.front, "A")
    pair.cluster.fault(FINISH, error="it can't be")
    refused(pair.move, domain, "managed", LIVE | POSTCOPY)
    assert ear.heard == ["3,1", "3,7", "3,8"]


# What is destroyed, or undone, before it has arrived


@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_what_is_destroyed_before_it_is_finished_leaves_nothing(pair, way):
    domain = pair.domain()
    with pair.cluster.hold(FINISH) as held:
        begun = Begun(pair.move, domain, way)
        held.wait()
        pair.connect("B").lookupByName("web1").destroy()
    assert begun.wait() == (42, 10, "Domain not found: no domain with matching name 'web1'")
    assert pair.ends == STAYS_AFTER_ALL
    pair.cluster.assert_consistent()
    pair.move(domain, way)
    assert pair.ends == MOVED
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_what_is_destroyed_while_it_is_finished_does_not_come_back(pair, way):
    domain = pair.domain()
    with pair.cluster.hold("FinalizeMigrationDst") as held:
        begun = Begun(pair.move, domain, way)
        held.wait()
        pair.connect("B").lookupByName("web1").destroy()
    problem = "Failed to finalize the migration of web1 on the target: its memory has not arrived"
    assert begun.wait() == (9, 10, f"operation failed: {problem}")
    assert pair.ends == STAYS_AFTER_ALL
    pair.cluster.assert_consistent()


def test_what_is_destroyed_before_it_is_sent_leaves_nothing(pair):
    domain = pair.domain()
    with pair.cluster.hold("virDomainMigratePerform3Params") as held:
        begun = Begun(pair.move, domain)
        held.wait()
        pair.connect("B").lookupByName("web1").destroy()
    assert begun.wait() == (
        9,
        10,
        "operation failed: job 'migration out' failed: Unable to write to socket: Bad file descriptor",
    )
    assert pair.ends == STAYS
    assert pair.cluster.migrations[0].reason == "B is not ready for it"
    pair.cluster.assert_consistent()


def test_what_goes_on_as_postcopy_is_destroyed_before_it_is_finished(pair):
    domain = goes_on_as_postcopy(pair)
    with pair.cluster.hold(FINISH) as held:
        begun = Begun(pair.move, domain, "managed", LIVE | POSTCOPY)
        held.wait()
        pair.connect("B").lookupByName("web1").destroy()
    assert begun.wait() == (42, 10, "Domain not found: no domain with matching name 'web1'")
    is_stranded(pair, GONE)


@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_a_domain_that_was_there_before_is_turned_away(pair, way):
    domain = pair.domain()
    pair.move(domain, way, LIVE | PERSIST)
    pair.b.lookupByName("web1").migrate3(pair.a, {}, LIVE)
    pair.cluster.fault(PREPARE, when="after", error="it can't be", times=1)
    assert refused(pair.move, domain, way) == INJECTED
    assert pair.ends == ([1, 2, True], [5, 6, True])
    pair.cluster.assert_consistent()


# Whoever leads it is gone


def test_a_client_that_is_gone_in_postcopy(pair_of):
    pair = pair_of("manual")
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16, postcopy=1)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, "managed", LIVE | POSTCOPY)
        held.wait()
        pair.cluster.clock.advance(10)
        host = pair.front._hosts["A"]
        host.by_name("web1").outgoing.abandon()  # nobody can abort it now
    assert pair.ends == ([3, 12, True], [1, 10, False])
    pair.cluster.clock.advance(100)
    begun.wait()
    assert pair.ends == MOVED
