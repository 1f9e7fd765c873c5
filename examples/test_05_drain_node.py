"""5. Drain a node: test code that moves everything away by live migration, of which some fail.

You learn to

- say how an instance's next migrations go: ``script_migration``;
- ask where everything runs in the end: ``assert_placement``;
- ask what became of a migration: ``assert_migrated``, ``assert_migration_failed`` and ``.migrations``;
- check the order of calls across nodes: ``assert_call_order``;
- let code wait without sleeping: ``clock.sleep``.
"""

import time
from collections.abc import Callable, Sequence
from typing import Literal

import pytest

from pytest_fakehv import BaseHypervisor, FakeCluster, HypervisorError, InstanceLike

# The code under test: in your project it is a module of its own.

Sleep = Callable[[float], None]


def naive_drain(
    source: BaseHypervisor,
    target: BaseHypervisor,
    instances: Sequence[InstanceLike],
    sleep: Sleep = time.sleep,
) -> list[str]:
    """Migrate instances from one node to another, and return what went wrong."""
    problems = []
    for instance in instances:
        info = source.MigrationInfo(instance)
        target.AcceptInstance(instance, info, target.name)
        source.MigrateInstance("cluster", instance, target.name, live=True)
        while (status := source.GetMigrationStatus(instance).status) == "active":
            sleep(1)
        if status == "failed":
            problems.append(f"{instance.name}: its migration failed")
            continue
        source.FinalizeMigrationSource(instance, success=True, live=True)
        target.FinalizeMigrationDst(instance, info, success=True)
    return problems


def drain(
    source: BaseHypervisor,
    target: BaseHypervisor,
    instances: Sequence[InstanceLike],
    sleep: Sleep = time.sleep,
) -> list[str]:
    """Migrate instances from one node to another, and return what went wrong.

    An instance that can't leave doesn't keep the others from leaving.
    """
    problems = []
    for instance in instances:
        try:
            migrate(instance, source, target, sleep)
        except HypervisorError as error:
            problems.append(f"{instance.name}: {error}")
    return problems


def migrate(instance: InstanceLike, source: BaseHypervisor, target: BaseHypervisor, sleep: Sleep) -> None:
    """Migrate one instance; whatever happens, no node is left in the middle of it."""
    info = source.MigrationInfo(instance)
    try:
        target.AcceptInstance(instance, info, target.name)
        source.MigrateInstance("cluster", instance, target.name, live=True)
        wait(instance, source, sleep)
    except HypervisorError:
        # Both nodes must hear of it, even if the first one can't do anything about it.
        try:
            target.FinalizeMigrationDst(instance, info, success=False)
        finally:
            source.FinalizeMigrationSource(instance, success=False, live=True)
        raise
    try:
        source.FinalizeMigrationSource(instance, success=True, live=True)
    finally:
        target.FinalizeMigrationDst(instance, info, success=True)


def wait(instance: InstanceLike, source: BaseHypervisor, sleep: Sleep) -> None:
    """Wait for a migration to complete; any other end of it is an error."""
    while (status := source.GetMigrationStatus(instance).status) == "active":
        sleep(1)
    if status != "completed":
        raise HypervisorError(f"its migration is {status}")


# The tests

pytestmark = [
    pytest.mark.fakehv_instance("web1"),
    pytest.mark.fakehv_instance("web2", memory=4096),
    pytest.mark.fakehv_instance("web3"),
]

Drain = Callable[[BaseHypervisor, BaseHypervisor, Sequence[InstanceLike], Sleep], list[str]]
Bad = Literal["failed", "cancelled"]


def drain_node1(cluster: FakeCluster, drain: Drain) -> list[str]:
    """Drain node1, where the markers have put everything, into node2."""
    node1, node2 = cluster
    instances = [node1.instance(name) for name in ("web1", "web2", "web3")]
    # Waits as long as it takes on the cluster's clock, where each status call is a second: not at all.
    return drain(node1, node2, instances, cluster.clock.sleep)


def check_that_a_bad_migration_is_aborted(cluster: FakeCluster, drain: Drain, outcome: Bad) -> None:
    """One of three doesn't make it: it must stay what and where it was, and the others must move."""
    cluster.script_migration("web2", outcome=outcome)

    problems = drain_node1(cluster, drain)

    cluster.assert_placement({"web1": "node2", "web2": "node1", "web3": "node2"})
    # First the target, then the source; other calls may come between.
    cluster.assert_call_order(
        ("FinalizeMigrationDst", "node2"), ("FinalizeMigrationSource", "node1"), instance="web2"
    )
    assert problems == [f"web2: its migration is {outcome}"]


@pytest.mark.parametrize("drain", [naive_drain, drain])
def test_everything_moves(fakehv_cluster: FakeCluster, drain: Drain) -> None:
    """On a good day there is no difference: what is not scripted completes at the first status call."""
    assert drain_node1(fakehv_cluster, drain) == []

    fakehv_cluster.assert_placement({"web1": "node2", "web2": "node2", "web3": "node2"})
    fakehv_cluster.assert_migrated("web2", source="node1", target="node2", live=True)


@pytest.mark.fakehv(allow=["unfinished", "unearned"])  # else the plugin fails it, without being asked
@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        # It tells nobody, and so the target waits for ever for an instance that won't come.
        ("failed", "FinalizeMigrationDst on node2 for web2 was not called"),
        # It takes whatever is not "failed" for completed, and runs web2 from a half of its memory.
        ("cancelled", "the placement is not as expected:\n  web2: on node2, expected on node1"),
    ],
    ids=["failed", "cancelled"],
)
def test_naive_drain_does_not_abort(fakehv_cluster: FakeCluster, outcome: Bad, message: str) -> None:
    """Two bugs, and what the failing test says of each."""
    with pytest.raises(AssertionError, match=f"^{message}"):
        check_that_a_bad_migration_is_aborted(fakehv_cluster, naive_drain, outcome)


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_a_bad_migration_is_aborted(fakehv_cluster: FakeCluster, outcome: Bad) -> None:
    """The same circumstances: now web2 stays, whatever its status says but "completed"."""
    check_that_a_bad_migration_is_aborted(fakehv_cluster, drain, outcome)


def test_a_failed_migration_is_told_apart_from_one_that_never_began(fakehv_cluster: FakeCluster) -> None:
    """Of each migration there is a record, whoever drives it."""
    fakehv_cluster.script_migration("web2", outcome="failed", at=0.75)  # when this share of its RAM is sent

    drain_node1(fakehv_cluster, drain)

    fakehv_cluster.assert_migration_failed("web2", target="node2")
    _web1, web2, _web3 = fakehv_cluster.migrations
    assert web2.transferred_ram == 3072
    assert (web2.finalized_on_target, web2.finalized_on_source) == (False, False)


@pytest.mark.fakehv_node("node1")
@pytest.mark.fakehv_node("node2", memory=3072, overcommit=False)
def test_goes_on_where_the_target_refuses(fakehv_cluster: FakeCluster) -> None:
    """There is no room for web2, but for the smaller ones."""
    [problem] = drain_node1(fakehv_cluster, drain)

    assert "node2 does not overcommit: 4096 MiB are needed, 2048 MiB are free" in problem
    fakehv_cluster.assert_placement({"web1": "node2", "web2": "node1", "web3": "node2"})


def test_the_source_is_told_even_if_the_target_is_gone(fakehv_cluster: FakeCluster) -> None:
    """What happens during a migration is up to the test: it does it while the code waits."""
    node1, node2 = fakehv_cluster
    fakehv_cluster.script_migration("web1", polls=5)  # the status call that would report the end

    problems = drain(node1, node2, [node1.instance("web1")], lambda _seconds: node2.crash())

    assert problems == ["web1: node2 does not answer"]
    fakehv_cluster.assert_running("web1", on="node1")
    fakehv_cluster.assert_call_order(
        ("FinalizeMigrationDst", "node2"), ("FinalizeMigrationSource", "node1"), instance="web1"
    )
