"""A job's figures go where the model says that the migration goes."""

import pytest
from moving import Begun, libvirt

LIVE = libvirt.VIR_MIGRATE_LIVE
POSTCOPY = libvirt.VIR_MIGRATE_POSTCOPY
MIB = 2**20
PAGES = MIB // 4096


class Watched:
    """A migration from A to B of 64 MiB, and what its job's figures are every second."""

    def __init__(self, pair, **script):
        pair.domain()
        pair.cluster.script_migration("web1", **script)
        self.cluster = pair.cluster
        self.domain = pair.connect("A").lookupByName("web1")
        self.begun = Begun(pair.move, pair.a.lookupByName("web1"), "managed", LIVE | POSTCOPY)
        while not self.domain.jobStats().get("memory_total"):
            pass

    def seen(self, seconds):
        """Return what is left, in MiB, and how much is written to, in MiB a second, now and every second."""
        found = []
        for _ in range(seconds):
            stats = self.domain.jobStats()
            assert stats["data_remaining"] == stats["memory_remaining"]
            assert stats["memory_processed"] // MIB == self.cluster.migrations[-1].transferred_ram
            found.append((stats["memory_remaining"] // MIB, stats["memory_dirty_rate"] // PAGES))
            self.cluster.clock.advance(1)
        return found

    def ended(self):
        """Let all time pass that it takes, and return how it ended."""
        self.cluster.clock.advance(100)
        return self.begun.wait()


@pytest.fixture
def watch(pair_of):
    return lambda **script: Watched(pair_of("manual"), **script)


def test_what_is_suspended_is_written_to_no_more(watch):
    watched = watch(bandwidth=8, dirty_rate=16)
    assert watched.seen(2) == [(64, 16), (64, 16)]
    watched.domain.suspend()
    assert watched.seen(8) == [(left, 0) for left in range(64, 0, -8)]
    assert watched.ended() is None


def test_what_is_suspended_at_another_speed(watch):
    watched = watch(bandwidth=8, dirty_rate=2)
    assert watched.seen(2) == [(64, 2), (58, 2)]
    watched.domain.migrateSetMaxSpeed(4)
    assert watched.seen(2) == [(52, 2), (50, 2)]
    watched.domain.suspend()
    assert watched.seen(3) == [(48, 0), (44, 0), (40, 0)]
    assert watched.ended() is None


def test_where_all_is_sent_nothing_is_left_though_it_goes_on(watch):
    watched = watch(bandwidth=32, postcopy=0, polls=10_000)
    assert watched.seen(4) == [(64, 0), (32, 0), (0, 0), (0, 0)]
    watched.cluster.complete_migration("web1")
    assert watched.ended() is None


def test_what_goes_on_as_postcopy_is_sent_once(watch):
    watched = watch(bandwidth=8, dirty_rate=16)
    assert watched.seen(1) == [(64, 16)]
    watched.domain.migrateStartPostCopy()
    assert watched.seen(3) == [(64, 0), (56, 0), (48, 0)]
    watched.domain.migrateSetMaxSpeed(4)
    assert watched.seen(3) == [(40, 0), (36, 0), (32, 0)]
    assert watched.ended() is None


@pytest.mark.parametrize(
    ("script", "left"),
    [
        ({"outcome": "failed"}, 40),  # half of the RAM is sent in 4 s, and 2 MiB written to in each
        ({"outcome": "failed", "at": 0.25}, 52),
        ({"outcome": "failed", "polls": 5}, 34),
        ({"outcome": "failed", "postcopy": 0}, 32),
    ],
)
def test_what_fails_half_way_says_what_was_left(pair_of, script, left):
    pair = pair_of("polls")
    pair.domain()
    pair.cluster.script_migration("web1", bandwidth=8, dirty_rate=2, **script)
    domain = pair.connect("A").lookupByName("web1")
    begun = Begun(pair.move, pair.a.lookupByName("web1"), "managed", LIVE | POSTCOPY)
    seen = []
    while begun.is_alive:
        try:
            stats = domain.jobStats()
        except libvirt.libvirtError:
            break
        if stats.get("memory_total"):
            seen.append(stats["memory_remaining"] // MIB)
    assert begun.wait()
    assert seen[-1] == left
