"""What a migration leaves behind that fails in the end, and what becomes of it."""

import pytest
from moving import Begun, libvirt

from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt

LIVE, PERSIST, PAUSED, POSTCOPY = (
    libvirt.VIR_MIGRATE_LIVE,
    libvirt.VIR_MIGRATE_PERSIST_DEST,
    libvirt.VIR_MIGRATE_PAUSED,
    libvirt.VIR_MIGRATE_POSTCOPY,
)

CONFIRM = "virDomainMigrateConfirm3Params"
FINISH = "virDomainMigrateFinish3Params"
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


LEFT_PAUSED = "left-paused", "web1 ran on A before its migration, which left it paused there"
SPLIT = "split-brain", "web1 ran on A and B at once"


# Who resumes what is left


@pytest.mark.parametrize("flags", [0, LIVE])
def test_what_is_left_paused_and_runs_elsewhere_must_not_be_resumed(pair, flags):
    domain = pair.domain()
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(domain, "managed", flags)
    assert wrong(pair) == [LEFT_PAUSED]
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


def test_what_got_another_name_must_not_be_resumed_by_the_old_one(pair):
    domain = pair.domain()
    pair.cluster.fault(CONFIRM, error="it can't be")
    pair.move(domain, "managed", LIVE, {"destination_name": "web2"})
    assert wrong(pair) == [LEFT_PAUSED]
    domain.resume()
    there = "split-brain", "web1 ran on A, and on B as web2"
    assert wrong(pair) == [there]
    domain.suspend()
    domain.resume()
    assert wrong(pair) == [there]


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
