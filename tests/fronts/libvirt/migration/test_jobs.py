"""What there is to know of a migration under way, and to do to it."""

import pytest
from moving import Begun, libvirt, refused

LIVE = libvirt.VIR_MIGRATE_LIVE

RUNNING = [
    "operation",
    "time_elapsed",
    "downtime",
    "setup_time",
    "data_total",
    "data_processed",
    "data_remaining",
    "memory_total",
    "memory_processed",
    "memory_remaining",
    "memory_bps",
    "memory_constant",
    "memory_normal",
    "memory_normal_bytes",
    "memory_dirty_rate",
    "memory_iteration",
    "memory_postcopy_requests",
    "memory_page_size",
    "disk_total",
    "disk_processed",
    "disk_remaining",
]


def aborted_after(domain, seconds):
    """Ask how far a domain's migration is until it takes so long; then abort it, and return what was said."""
    seen = []
    while not seen or seen[-1].get("time_elapsed", 0) < seconds * 1000:
        stats = domain.jobStats()
        if stats.get("memory_total"):
            seen.append(stats)
    domain.abortJob()
    return seen


INVALID = "Requested operation is not valid: "

LOCKED = "Timed out during operation: cannot acquire state change lock "

BROKEN = "operation failed: job 'migration out' failed: Unable to write to socket: Bad file descriptor"

ABORTED = 78, 10, "operation aborted: job 'migration out' canceled by client"


@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_what_never_converges_is_aborted_by_who_asks_how_far_it_is(pair, way):
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    begun = Begun(pair.move, domain, way, LIVE)
    seen = aborted_after(pair.connect("A").lookupByName("web1"), 10)
    assert begun.wait() == ABORTED
    assert pair.ends == ([1, 1, True], None)
    assert [each["time_elapsed"] for each in seen] == [1000 * second for second in range(2, 11)]
    assert sorted(seen[-1]) == sorted([*RUNNING, "type"])
    assert seen[-1]["memory_processed"] == 80 * 2**20
    assert seen[-1]["memory_iteration"] == 2
    assert domain.jobStats() == {"type": 0}
    assert domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED) == {"type": 0}
    assert refused(domain.abortJob) == (
        55,
        10,
        "Requested operation is not valid: no job is active on the domain",
    )
    pair.cluster.assert_consistent()


def test_what_has_completed_is_told_until_it_was_read(pair):
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=2)
    pair.move(domain, "managed", LIVE)
    completed, keep = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED, libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
    stats = domain.jobStats(completed | keep)
    assert stats["operation"] == libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT
    assert sorted(stats) == sorted([*RUNNING, "type", "time_elapsed_net", "downtime_net"])
    assert domain.jobStats(completed) == stats
    assert domain.jobStats(completed) == {"type": 0}
    there = pair.b.lookupByName("web1").jobStats(completed)
    assert there["operation"] == libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN
    assert refused(domain.jobStats) == (55, 20, "Requested operation is not valid: domain is not running")


@pytest.fixture
def under_way(pair_of):
    """A pair, on a clock that nobody moves, and a domain that migrates from A to B meanwhile."""
    pair = pair_of("manual")
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, "managed", LIVE)
        held.wait()
    other = type(pair)(pair.cluster, pair.front)
    other.begun = begun
    yield other
    other.cluster.cancel_migration("web1")
    assert begun.wait() == ABORTED


def test_what_goes_on_meanwhile(under_way):
    there, here = under_way.b.lookupByName("web1"), under_way.a.lookupByName("web1")
    assert there.state() == [3, 2]
    assert refused(there.jobStats) == (
        84,
        10,
        "Operation not supported: migration statistics are available only on the source host",
    )
    assert here.jobInfo()[:6] == [2, 0, 0, 64 * 2**20, 0, 64 * 2**20]
    another = "Requested operation is not valid: another migration job is already running for domain 'web1'"
    assert refused(under_way.move, here, "managed") == (55, 10, another)
    assert refused(under_way.move, here, "p2p") == (55, 10, another)
    assert refused(here.migrateStartPostCopy) == (
        55,
        10,
        f"{INVALID}switching to post-copy requires migration to be started with VIR_MIGRATE_POSTCOPY flag",
    )
    here.migrateSetMaxSpeed(6)
    assert here.migrateGetMaxSpeed() == 6
    here.migrateSetMaxDowntime(50)
    assert here.migrateGetMaxDowntime() == 50
    assert here.info()[0] == 1


@pytest.mark.parametrize("name", ["resume", "reboot", "shutdown", "undefine"])
def test_what_changes_the_domain_waits_in_vain(under_way, name):
    here, there = under_way.a.lookupByName("web1"), under_way.b.lookupByName("web1")
    for domain, phase in ((here, "Perform3Params"), (there, "Prepare3Params")):
        begun = Begun(getattr(domain, name))
        while begun.is_alive:
            under_way.cluster.clock.advance(30)
        assert begun.wait() == (68, 0, f"{LOCKED}(held by monitor=remoteDispatchDomainMigrate{phase})")


def under_way_on_a_clock_that_stands(pair, flags=LIVE, **script):
    """Let a domain begin to migrate, and return that and the domain on a connection of its own."""
    domain = pair.domain()
    pair.cluster.script_migration("web1", **script)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, "managed", flags)
        held.wait()
    return begun, pair.connect("A").lookupByName("web1")


def test_what_comes_from_elsewhere_is_not_this_hosts_to_steer(pair_of):
    """That waits for the call that it is here by, in vain: in postcopy that is the last one."""
    pair = pair_of("manual")
    flags = LIVE | libvirt.VIR_MIGRATE_POSTCOPY | libvirt.VIR_MIGRATE_PERSIST_DEST
    begun, here = under_way_on_a_clock_that_stands(pair, flags, bandwidth=1e-9, dirty_rate=1e-9)
    there = pair.connect("B").lookupByName("web1")
    for phase in ("Prepare3Params", "Finish3Params"):
        steered = [
            Begun(there.abortJob),
            Begun(there.migrateStartPostCopy),
            Begun(there.migrateSetMaxDowntime, 5),
        ]
        held = f"cannot acquire state change lock (held by monitor=remoteDispatchDomainMigrate{phase})"
        for each in steered:
            while each.is_alive:
                pair.cluster.clock.advance(1)
            assert each.wait() == (68, 0, f"Timed out during operation: {held}")
        if phase == "Prepare3Params":
            here.migrateStartPostCopy()
            assert there.isPersistent() == 1
    pair.cluster.complete_migration("web1")
    assert begun.wait() is None
    assert pair.ends == ([5, 4, True], [1, 2, True])


def test_a_lower_speed_slows_it_down_from_then_on(pair_of):
    pair = pair_of("manual")
    begun, here = under_way_on_a_clock_that_stands(pair, bandwidth=16)
    pair.cluster.clock.advance(2)
    assert here.jobStats()["memory_processed"] == 32 * 2**20
    here.migrateSetMaxSpeed(4)
    pair.cluster.clock.advance(1)
    stats = here.jobStats()
    assert (stats["memory_processed"], stats["memory_remaining"]) == (36 * 2**20, 28 * 2**20)
    assert stats["memory_bps"] == 4 * 2**20
    here.migrateSetMaxSpeed(1000)  # the script has less
    pair.cluster.clock.advance(1)
    assert here.jobStats()["memory_bps"] == 16 * 2**20
    pair.cluster.clock.advance(0.75)
    assert begun.wait() is None
    assert pair.cluster.migrations[0].duration == 4.75


@pytest.mark.parametrize("sent", [0, 2])
def test_the_last_pass_is_held_to_no_limit_and_nothing_changes_it(pair_of, sent):
    """At 16 MiB a second the rounds take 4, 2, 1 and 0.5 s; then 4 MiB are left, which go at 64."""
    pair = pair_of("manual")
    begun, here = under_way_on_a_clock_that_stands(pair, bandwidth=64, dirty_rate=8)
    here.migrateSetMaxSpeed(16)
    pair.cluster.clock.advance(7.5 + sent / 64)
    stats = here.jobStats()
    found = stats["memory_processed"] // 2**20, stats["memory_remaining"] // 2**20
    assert found == (120 + sent, 4 - sent)
    here.migrateSetMaxSpeed(1)
    here.suspend()
    pair.cluster.clock.advance((4 - sent) / 64)
    assert begun.wait() is None
    [migration] = pair.cluster.migrations
    assert (migration.duration, migration.downtime, migration.rounds) == (7.5625, 0.0625, 4)
    assert migration.transferred_ram == 124


def test_a_longer_downtime_lets_converge_what_never_would(pair_of):
    pair = pair_of("manual")
    begun, here = under_way_on_a_clock_that_stands(pair, bandwidth=8, dirty_rate=8)
    pair.cluster.clock.advance(20)
    here.migrateSetMaxDowntime(8000)
    pair.cluster.clock.advance(20)
    assert begun.wait() is None
    assert pair.ends == ([5, 4, True], [1, 2, False])
    assert pair.a.lookupByName("web1").migrateGetMaxSpeed() == 2**43 - 1


def test_a_bandwidth_counts_from_the_beginning(pair):
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=64, outcome="failed", at=0.5)
    assert refused(pair.move, domain, "managed", LIVE, {"bandwidth": 4})[0] == 9
    assert pair.cluster.migrations[0].duration == 8


def test_a_bandwidth_holds_until_a_speed_is_set(pair_of):
    pair = pair_of("manual")
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=64)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, "managed", LIVE, {"bandwidth": 4})
        held.wait()
    here = pair.connect("A").lookupByName("web1")
    assert here.migrateGetMaxSpeed() == 4
    here.migrateSetMaxDowntime(1)
    pair.cluster.clock.advance(2)
    assert here.jobStats()["memory_processed"] == 8 * 2**20
    here.migrateSetMaxSpeed(8)
    assert here.migrateGetMaxSpeed() == 8
    pair.cluster.clock.advance(7)
    assert begun.wait() is None
    assert here.migrateGetMaxSpeed() == 8


def test_a_downtime_is_for_one_run(pair):
    domain = pair.domain()
    domain.migrateSetMaxDowntime(50)
    assert domain.migrateGetMaxDowntime() == 50
    domain.destroy()
    domain.create()
    assert domain.migrateGetMaxDowntime() == 300


def test_a_speed_counts_in_postcopy_too(pair_of):
    pair = pair_of("manual")
    begun, here = under_way_on_a_clock_that_stands(
        pair, LIVE | libvirt.VIR_MIGRATE_POSTCOPY, bandwidth=16, dirty_rate=8, postcopy=1
    )
    pair.cluster.clock.advance(4.5)
    here.migrateSetMaxSpeed(8)
    pair.cluster.clock.advance(1)
    here.migrateSetMaxSpeed(4)
    assert here.jobStats()["memory_iteration"] == 2
    pair.cluster.clock.advance(4)
    assert begun.wait() is None
    [migration] = pair.cluster.migrations
    assert (migration.rounds, migration.duration) == (1, 9.5)


def test_a_speed_counts_where_postcopy_begins_with_it(pair_of):
    """Though at that speed, precopy would never end."""
    pair = pair_of("manual")
    begun, here = under_way_on_a_clock_that_stands(
        pair, LIVE | libvirt.VIR_MIGRATE_POSTCOPY, bandwidth=16, dirty_rate=8, postcopy=0
    )
    here.migrateSetMaxSpeed(8)
    pair.cluster.clock.advance(8)
    assert begun.wait() is None
    [migration] = pair.cluster.migrations
    assert (migration.rounds, migration.duration, migration.postcopy) == (0, 8, True)


def test_a_speed_in_postcopy_makes_no_round_of_what_was_none(pair_of):
    """After 2 s of the first round, which would take 4, 48 MiB are left to send: 3 s."""
    pair = pair_of("manual")
    begun, here = under_way_on_a_clock_that_stands(
        pair, LIVE | libvirt.VIR_MIGRATE_POSTCOPY, bandwidth=16, dirty_rate=8
    )
    pair.cluster.clock.advance(2)
    here.migrateStartPostCopy()
    pair.cluster.clock.advance(2.5)
    here.migrateSetMaxSpeed(8)
    pair.cluster.clock.advance(1)
    assert begun.wait() is None
    [migration] = pair.cluster.migrations
    assert (migration.rounds, migration.duration) == (0, 5.5)


def test_a_speed_counts_in_what_fails_half_way(pair_of):
    """Half of 64 MiB: a second at 16 MiB a second, and two at 8. The downtime would be longer than that."""
    pair = pair_of("manual")
    begun, here = under_way_on_a_clock_that_stands(
        pair, bandwidth=16, dirty_rate=8, max_downtime=4, outcome="failed"
    )
    pair.cluster.clock.advance(1)
    here.migrateSetMaxSpeed(8)
    pair.cluster.clock.advance(2)
    assert begun.wait()
    [migration] = pair.cluster.migrations
    assert (migration.outcome, migration.duration) == ("failed", 3)


def test_a_speed_of_what_ends_by_polls_or_is_paused_changes_nothing_of_its_end(pair_of):
    pair = pair_of("manual")
    begun, here = under_way_on_a_clock_that_stands(pair, bandwidth=16, polls=3)
    here.migrateSetMaxSpeed(4)
    pair.cluster.clock.advance(100)
    here.migrateSetMaxSpeed(8)
    while begun.is_alive:
        pair.cluster.clock.advance(1)
    assert begun.wait() is None
    other = pair_of("manual")
    begun, here = under_way_on_a_clock_that_stands(other, bandwidth=16, dirty_rate=16)
    here.suspend()
    here.migrateSetMaxSpeed(8)
    other.cluster.clock.advance(4)
    assert begun.wait() is None


def test_a_domain_that_is_suspended_meanwhile_runs_on_the_target(pair_of):
    pair = pair_of("manual")
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, "managed", LIVE)
        held.wait()
    other = pair.connect("A").lookupByName("web1")
    other.suspend()
    assert other.state() == [3, 2]
    pair.cluster.clock.advance(100)
    assert begun.wait() is None
    assert pair.ends == ([5, 4, True], [1, 2, False])
    pair.cluster.assert_consistent()


def test_a_domain_that_is_suspended_meanwhile_runs_again_where_that_is_aborted(pair_of):
    pair = pair_of("manual")
    domain = pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, "managed", LIVE)
        held.wait()
    other = pair.connect("A").lookupByName("web1")
    other.suspend()
    other.abortJob()
    assert begun.wait() == ABORTED
    assert pair.ends == ([1, 6, True], None)


@pytest.mark.parametrize("clock", ["manual", "polls"])
def test_a_domain_is_destroyed_meanwhile(pair_of, clock):
    for side, error, ends in (
        ("A", (9, 20, "operation failed: domain is not running"), ([5, 2, True], None)),
        (
            "B",
            (
                9,
                10,
                BROKEN,
            ),
            ([1, 1, True], None),
        ),
    ):
        pair = pair_of(clock)
        domain = pair.domain()
        pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=16)
        with pair.cluster.hold("GetMigrationStatus") as held:
            begun = Begun(pair.move, domain, "managed", LIVE)
            held.wait()
        pair.connect(side).lookupByName("web1").destroy()
        if begun.is_alive and clock == "manual":
            pair.cluster.clock.advance(1)
        assert begun.wait() == error
        assert pair.ends == ends
        pair.cluster.assert_consistent()
