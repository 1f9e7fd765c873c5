"""14. A migration that never converges: test code that watches one, and does something about it in time.

You learn to

- let a domain write faster than the network sends: ``script_migration(..., dirty_rate=...)``;
- have the code under test read a migration's figures while another thread of it migrates: ``jobStats``;
- let something happen at a time of the cluster's clock, which nobody waits for: ``cluster.at``;
- ask how a migration went: ``cluster.migrations``.

As example 12, it needs libvirt's Python binding, and is skipped without.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("libvirtmod", reason="needs libvirt-python: pip install 'pytest-fakehv[libvirt]'")

import libvirt

if TYPE_CHECKING:
    from pytest_fakehv import FakeCluster, Migration
    from pytest_fakehv.fronts.libvirt import FakeLibvirt

# The code under test: in your project it is a module of its own.

Sleep = Callable[[float], None]

FLAGS = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PEER2PEER
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    | libvirt.VIR_MIGRATE_POSTCOPY  # it may go on so, if somebody says so
)

LONGEST = 60
"""Seconds that the hasty version gives a migration."""

PAUSE = 2000
"""For how many milliseconds a domain may stand still in the end, if it can't be helped."""

ROUNDS = 3
"""How often memory is sent again before it is judged whether that leads anywhere."""


@contextmanager
def moving(name: str, source: str, target: str) -> Iterator[tuple[Any, "Future[int]"]]:
    """Migrate a domain in a thread; the domain is for whoever watches, by a connection of its own."""
    domain, watched = (libvirt.open(f"qemu+ssh://{source}/system").lookupByName(name) for _ in range(2))
    with ThreadPoolExecutor(1) as pool:
        yield watched, pool.submit(domain.migrateToURI3, f"qemu+ssh://{target}/system", {}, FLAGS)


def has_moved(future: "Future[int]") -> bool:
    """Wait for the end of a migration, and tell whether it has succeeded."""
    try:
        future.result()
    except libvirt.libvirtError:
        return False
    return True


def figures(domain: Any, future: "Future[int]", sleep: Sleep) -> Iterator[dict[str, Any]]:
    """Yield a migration's figures each second, until it is over."""
    while not future.done():
        with suppress(libvirt.libvirtError):  # it has just left
            stats = domain.jobStats()
            if stats["type"] != libvirt.VIR_DOMAIN_JOB_NONE:  # else it has not begun, or is over
                yield stats
        sleep(1)


def naive_migrate(name: str, source: str, target: str, _sleep: Sleep = time.sleep) -> bool:
    """Migrate a domain, however long that takes; tell whether it has moved."""
    with moving(name, source, target) as (_domain, future):
        return has_moved(future)


def hasty_migrate(name: str, source: str, target: str, sleep: Sleep = time.sleep) -> bool:
    """Migrate a domain, and abort what takes too long; tell whether it has moved."""
    is_aborted = False
    with moving(name, source, target) as (domain, future):
        for seconds, _stats in enumerate(figures(domain, future, sleep)):
            if seconds == LONGEST:
                is_aborted = True
                with suppress(libvirt.libvirtError):  # it may be over by now
                    domain.abortJob()
        return has_moved(future) and not is_aborted


def migrate(
    name: str, source: str, target: str, sleep: Sleep = time.sleep, *, may_postcopy: bool = False
) -> bool:
    """Migrate a domain, and tell whether it has moved; where it writes faster than it is sent, do something.

    At first it may stand still for longer. Where that does not help, it goes on as postcopy, if it may,
    and then nothing can stop it any more; else it is aborted.
    """
    with moving(name, source, target) as (domain, future):
        measures = iter(
            [
                lambda: domain.migrateSetMaxDowntime(PAUSE),
                domain.migrateStartPostCopy if may_postcopy else domain.abortJob,
            ]
        )
        least, judged = float("inf"), 0
        for stats in figures(domain, future, sleep):
            rounds = stats["memory_iteration"]
            if rounds < judged + ROUNDS:
                continue
            # What is left is sent again and again; it shall at least become less.
            judged, before, least = rounds, least, min(least, stats["memory_remaining"])
            if least > before / 2 and (measure := next(measures, None)):
                with suppress(libvirt.libvirtError):  # it may be over by now
                    measure()
        return has_moved(future)


# The tests

Migrate = Callable[[str, str, str, Sleep], bool]


def migrate_by_postcopy(name: str, source: str, target: str, sleep: Sleep) -> bool:
    """Migrate a domain that may go on as postcopy."""
    return migrate(name, source, target, sleep, may_postcopy=True)


every = pytest.mark.parametrize("migrate", [naive_migrate, hasty_migrate, migrate, migrate_by_postcopy])


@pytest.fixture
def cluster(fakehv_libvirt: "FakeLibvirt") -> "FakeCluster":
    """Two hosts, and a domain on the first one; in ten minutes, somebody will stop what is still moving."""
    libvirt.registerErrorHandler(lambda *_: None, None)  # libvirt shall not print what it raises
    cluster = fakehv_libvirt.cluster
    cluster.add_instance("db1", node="node1", memory=512)
    cluster.at(600, lambda: cluster.cancel_migration("db1"), optional=True)
    return cluster


def run(cluster: "FakeCluster", migrate: Migrate) -> "Migration":
    """Migrate, and return what became of it; what the code says must be so."""
    says_moved = migrate("db1", "node1", "node2", cluster.clock.sleep)
    assert says_moved == (cluster.placement() == {"db1": "node2"})
    [migration] = cluster.migrations
    return migration


def busy(cluster: "FakeCluster") -> None:
    """It writes as fast as it is sent: within two seconds, all that it has."""
    cluster.script_migration("db1", bandwidth=256, dirty_rate=256)


def too_busy(cluster: "FakeCluster") -> None:
    """It would have to stand still for longer than it may."""
    cluster.script_migration("db1", bandwidth=64, dirty_rate=256)


@every
def test_what_converges_is_left_alone(cluster: "FakeCluster", migrate: Migrate) -> None:
    """The usual case: it is sent in three rounds, and stands still for less than 0.3 seconds."""
    cluster.script_migration("db1", bandwidth=64, dirty_rate=16)
    migration = run(cluster, migrate)

    assert (migration.outcome, migration.postcopy, migration.rounds) == ("completed", False, 3)
    cluster.assert_running("db1", on="node2")


@pytest.mark.parametrize("befall", [busy, too_busy])
def test_the_naive_version_waits_for_ever(
    cluster: "FakeCluster", befall: Callable[["FakeCluster"], None]
) -> None:
    """Were it not for somebody who stops it, it would still be there."""
    befall(cluster)
    assert run(cluster, naive_migrate).outcome == "cancelled"
    assert cluster.clock.now >= 600


def test_the_hasty_version_gives_up_what_could_be_helped(cluster: "FakeCluster") -> None:
    """It only knows that it takes long, not why."""
    busy(cluster)
    assert run(cluster, hasty_migrate).outcome == "cancelled"
    cluster.assert_running("db1", on="node1")


def test_the_hasty_version_aborts_in_postcopy(cluster: "FakeCluster") -> None:
    """There it can't, as the domain runs on the target: so it says that it has stayed, and it has not."""
    cluster.script_migration("db1", bandwidth=4, dirty_rate=8, postcopy=0)

    assert not hasty_migrate("db1", "node1", "node2", cluster.clock.sleep)
    cluster.assert_running("db1", on="node2")


@pytest.mark.parametrize("migrate", [migrate, migrate_by_postcopy])
def test_what_can_be_helped_stands_still_for_longer(cluster: "FakeCluster", migrate: Migrate) -> None:
    """That is the least that can be done."""
    busy(cluster)
    migration = run(cluster, migrate)

    assert (migration.outcome, migration.postcopy) == ("completed", False)
    cluster.assert_running("db1", on="node2")


@pytest.mark.parametrize(
    ("migrate", "status", "where"),
    [(migrate, "cancelled", "node1"), (migrate_by_postcopy, "completed", "node2")],
)
def test_what_can_not_goes_on_as_postcopy_or_stays(
    cluster: "FakeCluster", migrate: Migrate, status: str, where: str
) -> None:
    """In either case, it has an end long before somebody has to see to that."""
    too_busy(cluster)
    migration = run(cluster, migrate)

    assert (migration.outcome, migration.postcopy) == (status, status == "completed")
    cluster.assert_running("db1", on=where)
    assert cluster.clock.now < 300


def test_what_is_in_postcopy_is_left_alone(cluster: "FakeCluster") -> None:
    """Somebody else may have said so."""
    cluster.script_migration("db1", bandwidth=4, dirty_rate=8, postcopy=0)

    assert run(cluster, migrate).outcome == "completed"
    cluster.assert_running("db1", on="node2")
