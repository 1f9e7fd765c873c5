"""What hosts still do of a migration whose client is gone is done before anybody judges it."""

import subprocess
import time

import pytest
from moving import NEEDS_VIRSH, Begun, libvirt

PEER2PEER = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER

FINISH = "virDomainMigrateFinish3Params"


def slow(pair, method):
    """Let a host take its time for a phase."""
    pair.cluster.fault(method, do=lambda _call: time.sleep(0.3))


def crashes(pair, method):
    """Migrate from peer to peer, and let the source crash when it has made a call."""
    domain = pair.domain()
    pair.cluster.fault(method, when="after", times=1, do=lambda _call: pair.cluster["A"].crash())
    assert Begun(domain.migrateToURI3, pair.front.uri("B"), {}, PEER2PEER).wait()


@pytest.mark.parametrize("method", ["AcceptInstance", "MigrateInstance", "GetMigrationStatus"])
def test_the_source_crashes_while_it_leads(pair, method):
    """The client hears of that at once, and the target a little later."""
    slow(pair, FINISH)
    crashes(pair, method)
    pair.cluster.assert_consistent()
    assert pair.on(pair.b) is None


def test_what_has_arrived_by_then_is_seen(pair):
    slow(pair, "FinalizeMigrationDst")
    domain = pair.domain()
    pair.cluster.fault(FINISH, times=1, do=lambda _call: pair.cluster["A"].crash())
    assert Begun(domain.migrateToURI3, pair.front.uri("B"), {}, PEER2PEER).wait()
    pair.cluster.assert_running("web1", on="B")
    pair.cluster.assert_consistent()


@NEEDS_VIRSH
def test_a_program_is_killed(pair_of):
    pair = pair_of("manual")
    pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    with pair.cluster.hold("GetMigrationStatus") as held:
        command = ["virsh", "-c", pair.front.uri("A"), "migrate", "--live", "web1", pair.front.uri("B")]
        program = subprocess.Popen(command, env=pair.front.env, stderr=subprocess.DEVNULL)
        held.wait()
    program.kill()
    program.wait()
    pair.cluster.assert_consistent()
    assert pair.ends == ([1, 1, True], None)


@NEEDS_VIRSH
def test_what_goes_on_from_peer_to_peer_is_waited_for_once(pair_of):
    pair = pair_of("manual")
    pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    with pair.cluster.hold("GetMigrationStatus") as held:
        command = ["virsh", "-c", pair.front.uri("A"), "migrate", "--live", "--p2p", "web1"]
        program = subprocess.Popen([*command, pair.front.uri("B")], env=pair.front.env)
        held.wait()
    program.kill()
    program.wait()
    (unfinished,) = pair.cluster.violations()
    assert unfinished.invariant == "unfinished"
    before = time.monotonic()
    assert pair.cluster.placement() == {"web1": "A"}
    assert time.monotonic() - before < 1
    pair.a.lookupByName("web1").abortJob()


def test_what_is_held_is_not_waited_for(pair):
    domain = pair.domain()
    with pair.cluster.hold(FINISH) as held:
        moving = Begun(domain.migrateToURI3, pair.front.uri("B"), {}, PEER2PEER)
        held.wait()
        pair.cluster["A"].crash()
        before = time.monotonic()
        assert pair.cluster.placement() == {}
        assert time.monotonic() - before < 1
        held.release()
    assert moving.wait()
    pair.cluster.assert_running("web1", on="B")
