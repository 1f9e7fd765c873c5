"""A migration is stopped in each of its phases: others look at it meanwhile, abort it, and let it go on."""

import multiprocessing
import subprocess

import pytest
from moving import NEEDS_VIRSH, WAIT, Begun, libvirt, refused

NONE, UNBOUNDED = libvirt.VIR_DOMAIN_JOB_NONE, libvirt.VIR_DOMAIN_JOB_UNBOUNDED

STAYS = [1, 1, True], None
MOVED = [5, 4, True], [1, 2, False]

ABORTED = 78, 10, "operation aborted: job 'migration out' canceled by client"
NO_JOB = 55, 10, "Requested operation is not valid: no job is active on the domain"

HELD = {
    ("managed", "Begin"): (NONE, ([1, 1, True], None)),
    ("managed", "Prepare"): (UNBOUNDED, ([1, 1, True], None)),
    ("managed", "Perform"): (UNBOUNDED, ([1, 1, True], [3, 2, False])),
    ("managed", "Finish"): (UNBOUNDED, ([3, 2, True], [3, 2, False])),
    ("managed", "Confirm"): (UNBOUNDED, ([3, 2, True], [1, 2, False])),
    ("p2p", "Prepare"): (UNBOUNDED, ([1, 1, True], None)),
    ("p2p", "Perform"): (NONE, ([1, 1, True], None)),
    ("p2p", "Finish"): (UNBOUNDED, ([3, 2, True], [3, 2, False])),
}
"""What A says of the job, and what is where, while the phase is held."""


def held_in(pair, phase):
    """Stop a migration's phase."""
    return pair.cluster.hold(f"virDomainMigrate{phase}3Params", instance="web1")


@pytest.mark.parametrize(("way", "phase"), list(HELD))
def test_a_phase_is_held_and_goes_on(pair, way, phase):
    job, ends = HELD[way, phase]
    domain = pair.domain()
    with held_in(pair, phase) as held:
        begun = Begun(pair.move, domain, way)
        held.wait()
        other = type(pair)(pair.cluster, pair.front)
        assert other.a.lookupByName("web1").jobInfo()[0] == job
        assert other.a.lookupByName("web1").jobStats()["type"] == job
        assert other.ends == ends
        assert begun.is_alive
        held.release()
        assert begun.wait() is None
    assert pair.ends == MOVED
    pair.cluster.assert_consistent()


ABORTS = {
    ("managed", "Begin"): (NO_JOB, None, MOVED),
    ("managed", "Prepare"): (None, ABORTED, STAYS),
    ("managed", "Perform"): (None, ABORTED, STAYS),
    ("managed", "Finish"): (None, None, MOVED),
    ("managed", "Confirm"): (None, None, MOVED),
    ("p2p", "Prepare"): (None, ABORTED, STAYS),
    ("p2p", "Perform"): (NO_JOB, None, MOVED),
    ("p2p", "Finish"): (None, None, MOVED),
}
"""What who aborts it then is told, how it ends, and what is where."""


@pytest.mark.parametrize(("way", "phase"), list(ABORTS))
def test_what_is_held_is_aborted(pair, way, phase):
    refusal, error, ends = ABORTS[way, phase]
    domain = pair.domain()
    with held_in(pair, phase) as held:
        begun = Begun(pair.move, domain, way)
        held.wait()
        there = pair.connect("A").lookupByName("web1")
        if refusal:
            assert refused(there.abortJob) == refusal
        else:
            there.abortJob()
    assert begun.wait() == error
    assert pair.ends == ends
    pair.cluster.assert_consistent()


@pytest.mark.parametrize("phase", ["Begin", "Prepare", "Perform", "Finish", "Confirm"])
def test_what_another_process_does_is_held(pair, phase):
    pair.domain()

    def move():
        a, b = libvirt.open(pair.front.uri("A")), libvirt.open(pair.front.uri("B"))
        a.lookupByName("web1").migrate3(b, {}, libvirt.VIR_MIGRATE_LIVE)

    with held_in(pair, phase) as held:
        child = multiprocessing.get_context("fork").Process(target=move)
        child.start()
        held.wait()
        assert pair.connect("A").lookupByName("web1").jobInfo()[0] == HELD["managed", phase][0]
        assert child.is_alive()
    child.join(WAIT)
    assert child.exitcode == 0
    assert pair.ends == MOVED
    pair.cluster.assert_consistent()


@NEEDS_VIRSH
@pytest.mark.parametrize("way", [[], ["--p2p"]], ids=len)
def test_what_virsh_does_is_held_and_virsh_aborts_it(pair, way):
    pair.domain()
    virsh = ["virsh", "-c", pair.front.uri("A")]

    def run(*command):
        return subprocess.run(
            [*virsh, *command],
            check=False,
            env=pair.front.env,
            capture_output=True,
            text=True,
            timeout=WAIT,
        )

    with held_in(pair, "Prepare") as held:
        begun = Begun(run, "migrate", "--live", *way, "web1", pair.front.uri("B"))
        held.wait()
        assert "Unbounded" in run("domjobinfo", "web1").stdout
        assert run("domjobabort", "web1").returncode == 0
    begun.wait()
    assert begun.result.stderr.endswith("error: operation aborted: job 'migration out' canceled by client\n")
    assert pair.ends == STAYS
    pair.cluster.assert_consistent()


def restart(pair, *, destroys):
    """Start a domain on a third host, and first destroy what B has of it, or don't."""
    definition = pair.a.lookupByName("web1").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    pair.cluster["A"].crash()
    there = pair.connect("B").lookupByName("web1")
    assert there.state() == [3, 2]
    if destroys:
        there.destroy()
    pair.cluster.add_node("C")
    pair.connect("C").defineXML(definition).create()


@pytest.mark.parametrize("held", ["virDomainMigrateFinish3Params", "FinalizeMigrationDst"])
@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_who_starts_what_is_about_to_arrive_is_blamed_and_not_the_phase(pair, way, held):
    domain = pair.domain()
    with pair.cluster.hold(held) as stop:
        begun = Begun(pair.move, domain, way)
        stop.wait()
        restart(pair, destroys=False)
        stop.release()
        begun.wait()
    assert [(each.what, each.call.method) for each in pair.cluster.violations()] == [
        ("web1 was started on C while it was on its way to B", "virDomainCreate"),
        ("web1 ran on C and B at once", "virDomainCreate"),
    ]


@pytest.mark.parametrize("held", ["virDomainMigrateFinish3Params", "FinalizeMigrationDst"])
@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_who_first_destroys_what_is_about_to_arrive_may_start_it(pair, way, held):
    domain = pair.domain()
    with pair.cluster.hold(held) as stop:
        begun = Begun(pair.move, domain, way)
        stop.wait()
        restart(pair, destroys=True)
        stop.release()
        begun.wait()
    pair.cluster.assert_running("web1", on="C")
    pair.cluster.assert_consistent()
