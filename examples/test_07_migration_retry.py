"""7. Retry: test code that gives up on a migration, tries again later, and has a last resort.

You learn to

- script a migration that never converges: ``dirty_rate`` and ``bandwidth``, in MiB a second;
- let only the first of several go like that: ``times``;
- catch code that would wait for ever, without waiting;
- ask how migrations went: ``.migrations``, with ``outcome``, ``downtime`` and more;
- let time pass only when the code waits, as in life: ``clock="manual"``.

A live migration sends all memory, then what the instance has written to meanwhile, and so on until the
rest is small. With an instance that writes faster than memory can be sent, that never comes.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from pytest_fakehv import BaseHypervisor, FakeCluster, HypervisorError, InstanceLike, InstanceSpec

# The code under test: in your project it is a module of its own.


@dataclass
class Migrator:
    """Migrates instances from a node to another, and tries again where that fails.

    Args:
        source: the node that they leave.
        target: the node that they move to.
        now: tells the time, in seconds.
        sleep: waits so many seconds.
        attempts: for each attempt, whether it is live; to pause the instance is the last resort.
        patience: how long an attempt may take, in seconds.
        pause: how long it waits before the next one, in seconds.
    """

    source: BaseHypervisor
    target: BaseHypervisor
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    attempts: Sequence[bool] = (True, True, False)
    patience: float = 60
    pause: float = 600

    def migrate(self, instance: InstanceLike) -> str | None:
        """Migrate an instance, and return how the last attempt ended."""
        outcome = None
        for number, live in enumerate(self.attempts):
            if number:
                self.sleep(self.pause)
            outcome = self.attempt(instance, live)
            # Whoever has cancelled it does not want it tried again.
            if outcome in {"completed", "cancelled"}:
                break
        return outcome

    def attempt(self, instance: InstanceLike, live: bool) -> str | None:
        """Try once; whatever comes of it, both nodes are told."""
        info = self.source.MigrationInfo(instance)
        try:
            self.target.AcceptInstance(instance, info, self.target.name)
            self.source.MigrateInstance("cluster", instance, self.target.name, live)
            outcome = self.follow(instance)
        except HypervisorError:
            outcome = "failed"
        if outcome == "completed":
            try:
                self.source.FinalizeMigrationSource(instance, success=True, live=live)
            finally:
                self.target.FinalizeMigrationDst(instance, info, success=True)
        else:
            try:
                self.target.FinalizeMigrationDst(instance, info, success=False)
            finally:
                self.source.FinalizeMigrationSource(instance, success=False, live=live)
        return outcome

    def follow(self, instance: InstanceLike) -> str | None:
        """Wait until a migration is over or patience is, and return how it ended."""
        began = self.now()
        while (status := self.source.GetMigrationStatus(instance).status) == "active":
            if self.now() - began >= self.patience:
                return "given up"
            self.sleep(10)
        return status


class NaiveMigrator(Migrator):
    """The same, in the belief that every migration ends."""

    def follow(self, instance: InstanceLike) -> str | None:
        """Wait until a migration is over, and return how it ended."""
        while (status := self.source.GetMigrationStatus(instance).status) == "active":
            self.sleep(10)
        return status


# The tests

pytestmark = pytest.mark.fakehv_instance("db1", memory=4096)

HOUR = 3600


def migrate_db1(cluster: FakeCluster, migrator: type[Migrator]) -> str | None:
    """Migrate db1 from node1 to node2, by the cluster's clock."""
    node1, node2 = cluster

    def sleep(seconds: float) -> None:
        # It takes the cluster's time, and none of yours.
        cluster.clock.sleep(seconds)
        assert cluster.clock.now < HOUR, "still waiting after an hour"

    return migrator(node1, node2, lambda: cluster.clock.now, sleep).migrate(node1.instance("db1"))


def check_a_busy_instance_is_tried_again(cluster: FakeCluster, migrator: type[Migrator]) -> None:
    """During the first attempt db1 writes twice as fast as memory can be sent; later it is quieter."""
    cluster.script_migration("db1", dirty_rate=2048, bandwidth=1024, times=1)
    cluster.script_migration("db1", dirty_rate=256, bandwidth=1024)

    assert migrate_db1(cluster, migrator) == "completed"

    cluster.assert_migrated("db1", live=True)
    # The first attempt was aborted before the second began.
    cluster.assert_call_order(
        ("MigrateInstance", "node1"),
        ("FinalizeMigrationDst", "node2"),
        ("FinalizeMigrationSource", "node1"),
        ("MigrateInstance", "node1"),
    )
    assert [each.outcome for each in cluster.migrations] == ["cancelled", "completed"]


@pytest.mark.fakehv(allow=["unfinished"])  # it never ends its migration
def test_naive_migrator_waits_for_ever(fakehv_cluster: FakeCluster) -> None:
    """It takes no time to see an hour go by."""
    with pytest.raises(AssertionError, match="still waiting after an hour"):
        check_a_busy_instance_is_tried_again(fakehv_cluster, NaiveMigrator)

    # From what a failing test's report says: all of db1's memory has been sent 902 times over.
    assert "db1 node1 -> node2 live: 902 rounds at poll 328, under way" in fakehv_cluster.describe()


def test_a_busy_instance_is_tried_again(fakehv_cluster: FakeCluster) -> None:
    """The same circumstances: now the first attempt is given up."""
    check_a_busy_instance_is_tried_again(fakehv_cluster, Migrator)


def test_the_last_resort_is_to_pause_it(fakehv_cluster: FakeCluster) -> None:
    """It is always busy. While it is paused it writes nothing, and its memory is sent once."""
    fakehv_cluster.script_migration("db1", dirty_rate=2048, bandwidth=1024)

    assert migrate_db1(fakehv_cluster, Migrator) == "completed"

    assert [each.live for each in fakehv_cluster.migrations] == [True, True, False]
    assert fakehv_cluster.migrations[-1].downtime == 4
    fakehv_cluster.assert_running("db1", on="node2")


def test_runs_on_where_even_that_fails(fakehv_cluster: FakeCluster) -> None:
    """The abort of the last attempt must wake it up again."""
    fakehv_cluster.script_migration("db1", outcome="failed")

    assert migrate_db1(fakehv_cluster, Migrator) == "failed"

    fakehv_cluster.assert_migration_failed("db1", live=False)
    fakehv_cluster.assert_running("db1", on="node1")


def test_is_not_tried_again_when_somebody_cancels_it(fakehv_cluster: FakeCluster) -> None:
    """A person has reasons."""
    fakehv_cluster.script_migration("db1", outcome="cancelled")

    assert migrate_db1(fakehv_cluster, Migrator) == "cancelled"

    fakehv_cluster.assert_migration_cancelled("db1")
    fakehv_cluster.assert_called("MigrateInstance", times=1)
    fakehv_cluster.assert_placement({"db1": "node1"})


def test_waits_before_it_tries_again() -> None:
    """A manual clock moves by what the code waits alone, so that the pauses count too."""
    with FakeCluster.temporary(instances=[InstanceSpec("db1", memory=4096)], clock="manual") as cluster:
        check_a_busy_instance_is_tried_again(cluster, Migrator)

        # A minute of patience, ten of pause.
        assert [call.time for call in cluster.journal.calls("MigrateInstance")] == [0, 660]
