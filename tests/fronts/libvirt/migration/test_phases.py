"""Each phase of a migration fails, on each side, before and after its effect: where the domain is then."""

import contextlib

import pytest
from moving import Begun, libvirt, refused

PHASES = {
    "Begin3Params": ("prepare", "source"),
    "Prepare3Params": ("prepare", "target"),
    "Perform3Params": ("transfer", "source"),
    "Finish3Params": ("finalize", "target"),
    "Confirm3Params": ("finalize", "source"),
}

INJECTED = "operation failed: it can't be"

STAYS = [1, 1, True], None
STAYS_AFTER_ALL = [1, 6, True], None
MOVED = [5, 4, True], [1, 2, False]
LEFT_PAUSED = [3, 2, True], [1, 2, False]

AFTER_A_FAILURE = {
    ("Begin3Params", "before"): STAYS,
    ("Begin3Params", "after"): STAYS,
    ("Prepare3Params", "before"): STAYS,
    ("Prepare3Params", "after"): STAYS,
    ("Perform3Params", "before"): STAYS,
    ("Perform3Params", "after"): STAYS_AFTER_ALL,
    ("Finish3Params", "before"): STAYS_AFTER_ALL,
    ("Finish3Params", "after"): STAYS_AFTER_ALL,
}


@pytest.mark.parametrize(("phase", "when"), list(AFTER_A_FAILURE))
def test_a_phase_that_fails_leaves_the_domain_where_it_was(pair, phase, when):
    domain = pair.domain()
    phase_of, side = PHASES[phase]
    pair.cluster.fault(
        f"virDomainMigrate{phase}",
        phase=phase_of,
        side=side,
        when=when,
        error="it can't be",
        instance="web1",
        times=1,
    )
    assert refused(pair.move, domain, "managed") == (9, 10, INJECTED)
    assert pair.ends == AFTER_A_FAILURE[phase, when]
    pair.cluster.assert_consistent()
    pair.move(domain, "managed")  # nothing is left of the first one
    assert pair.ends == MOVED
    pair.cluster.assert_consistent()


def test_a_failed_confirm_leaves_the_source_paused_and_the_migration_works(pair):
    domain = pair.domain()
    pair.cluster.fault("virDomainMigrateConfirm3Params", error="it can't be")
    pair.move(domain, "managed")
    assert pair.ends == LEFT_PAUSED
    (violation,) = pair.cluster.violations()
    assert (violation.invariant, violation.nodes) == ("left-paused", ("A",))
    assert violation.what == "web1 ran on A before its migration, which left it paused there"
    assert violation.call.method == "virDomainMigrateConfirm3Params"
    domain.destroy()
    assert pair.ends == ([5, 2, True], [1, 2, False])
    pair.cluster.assert_consistent()


def test_a_confirm_that_fails_late_has_ended_the_migration(pair):
    domain = pair.domain()
    pair.cluster.fault("virDomainMigrateConfirm3Params", when="after", error="it can't be")
    pair.move(domain, "managed")
    assert pair.ends == MOVED
    pair.cluster.assert_consistent()


STEPS = {
    ("AcceptInstance", "before"): STAYS,
    ("AcceptInstance", "after"): STAYS,
    ("MigrateInstance", "before"): STAYS,
    ("MigrateInstance", "after"): STAYS,
    ("GetMigrationStatus", "before"): STAYS,
    ("GetMigrationStatus", "after"): STAYS,
    ("FinalizeMigrationDst", "before"): STAYS_AFTER_ALL,
    ("FinalizeMigrationDst", "after"): STAYS_AFTER_ALL,
}


@pytest.mark.parametrize("way", ["managed", "p2p"])
@pytest.mark.parametrize(("method", "when"), list(STEPS))
def test_a_fault_in_the_interface_s_words_strikes_inside_a_phase(pair, method, when, way):
    domain = pair.domain()
    pair.cluster.fault(method, when=when, error="it can't be", instance="web1", times=1)
    assert refused(pair.move, domain, way) == (9, 10, INJECTED)
    assert pair.ends == STEPS[method, when]
    pair.cluster.assert_consistent()


def test_a_lie_in_the_interface_s_words_strikes_inside_a_phase(pair):
    domain = pair.domain()
    failed = pair.cluster.nodes[0].GetMigrationStatus(pair.cluster.nodes[0].instance("web1")).Copy()
    failed.status = "failed"
    pair.cluster.fault("GetMigrationStatus", result=failed)
    assert refused(pair.move, domain, "managed") == (
        9,
        10,
        "operation failed: job 'migration out' unexpectedly failed",
    )
    assert pair.ends == STAYS
    call = pair.cluster.journal.calls("virDomainMigratePerform3Params")[0]
    assert call.lie == "a lie"
    pair.cluster.assert_consistent()


def test_a_lie_in_the_interface_s_words_is_told_beside_what_is_true(pair):
    domain = pair.domain()
    failed = pair.cluster.nodes[0].GetMigrationStatus(pair.cluster.nodes[0].instance("web1")).Copy()
    failed.status = "failed"
    pair.cluster.fault("GetMigrationStatus", result=failed, when="after", times=1)
    refused(pair.move, domain, "managed")
    (call,) = pair.cluster.journal.calls("virDomainMigratePerform3Params")
    assert call.lie == "in truth MigrationStatus(status='completed')"


def test_a_step_inside_a_phase_is_seen_as_a_call_of_the_same_number(pair):
    domain = pair.domain()
    seen = []
    fault = pair.cluster.fault("MigrateInstance", do=seen.append, error="it can't be")
    assert refused(pair.move, domain, "managed") == (9, 10, INJECTED)
    (phase,) = pair.cluster.journal.calls("virDomainMigratePerform3Params")
    (step,) = seen
    assert str(step) == "MigrateInstance('libvirt', 'web1', 'B', True)"
    assert (step.number, step.time, step.node, step.place) == (phase.number, phase.time, "A", phase.place)
    assert (step.instance, step.ended, str(step.error)) == ("web1", True, "it can't be")
    assert step.fault == phase.fault == f"fault at {fault.origin}"


@pytest.mark.parametrize("way", ["managed", "p2p"])
@pytest.mark.parametrize("outcome", ["failed", "cancelled", "failed_but_moved", "completed_but_lost"])
def test_a_scripted_end(pair, way, outcome):
    domain = pair.domain()
    pair.cluster.script_migration("web1", outcome=outcome)
    code = refused(pair.move, domain, way)[0]
    assert code == (78 if outcome == "cancelled" else 9)
    assert outcome != "failed" or pair.ends == STAYS


CRASHES = [
    ("Begin3Params", "A"),
    ("Prepare3Params", "A"),
    ("Prepare3Params", "B"),
    ("Perform3Params", "A"),
    ("Perform3Params", "B"),
    ("Finish3Params", "A"),
    ("Finish3Params", "B"),
    ("Confirm3Params", "A"),
    ("Confirm3Params", "B"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("phase", "node"), CRASHES)
def test_a_host_that_crashes_in_a_phase(pair, phase, node, when):
    domain = pair.domain()
    pair.cluster.fault(f"virDomainMigrate{phase}", when=when, crash=node)
    with contextlib.suppress(libvirt.libvirtError):
        pair.move(domain, "managed")
    pair.cluster.assert_consistent()
    pair.cluster[node].boot()
    pair = type(pair)(pair.cluster, pair.front)
    on_a, on_b = pair.ends
    assert [on_a, on_b][node == "B"] in (None, [5, 0, True], [5, 4, True])
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_source_that_leads_crashes_in_the_end(pair, when):
    domain = pair.domain()
    pair.cluster.fault("FinalizeMigrationSource", when=when, crash=True)
    assert refused(pair.move, domain, "p2p")[:2] == (38, 7)
    assert pair.on(pair.b) == [1, 2, False]
    pair.cluster.assert_consistent()
    pair.cluster["A"].boot()
    pair = type(pair)(pair.cluster, pair.front)
    assert pair.on(pair.a)[0] == 5
    pair.cluster.assert_consistent()


def test_a_phase_is_held_by_the_interface_s_word(pair):
    domain = pair.domain()
    with pair.cluster.hold("MigrateInstance", instance="web1") as held:
        begun = Begun(pair.move, domain, "managed")
        assert held.wait().node == "A"
        assert pair.on(pair.b) == [3, 2, False]
        assert pair.connect("A").lookupByName("web1").jobStats()["type"] == libvirt.VIR_DOMAIN_JOB_UNBOUNDED
    assert begun.wait() is None
    assert pair.ends == MOVED
