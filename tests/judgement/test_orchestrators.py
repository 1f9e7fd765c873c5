"""Every mistake of an orchestrator is named by the right invariant, and the correct one raises no alarm."""

import threading
from contextlib import suppress

import pytest
from orchestrators import (
    BROKEN,
    FinalizesTheTargetAlone,
    ForgetsWhatWasLost,
    IgnoresAFailedFinalize,
    LeavesItPaused,
    NoAbortAfterRefusal,
    Orchestrator,
    RacesItself,
    StartsASecondCopy,
    StartsBeforeItIsDown,
    TakesCancelledForSuccess,
)

from pytest_fakehv import FakeCluster, HypervisorError, NodeSpec


@pytest.fixture
def cluster():
    """Three nodes that no fixture of the plugin checks at the end."""
    with FakeCluster.temporary(NodeSpec("node1"), NodeSpec("node2"), NodeSpec("node3")) as cluster:
        yield cluster


def with_web1(cluster, make, **arguments):
    """Return an orchestrator that has web1 on node1."""
    orchestrator = make(**arguments)
    orchestrator.start(cluster, "web1", "node1")
    return orchestrator


def assert_named(cluster, *expected):
    """Assert what is wrong: the text of each violation, in order, and that nothing else is."""
    found = cluster.violations()
    assert [f"{each.invariant}: {each.what}" for each in found] == list(expected)
    with pytest.raises(AssertionError) as caught:
        cluster.assert_consistent()
    assert str(caught.value).startswith(expected[0])


@pytest.mark.parametrize("broken", BROKEN)
def test_a_mistake_is_in_one_method_alone(broken):
    assert broken.__bases__ == (Orchestrator,)
    assert len([each for each in vars(broken).values() if callable(each)]) == 1


# 1. No abort after a migration that could not be begun


def migrate_where_it_is_refused(cluster, make, method, when):
    orchestrator = with_web1(cluster, make)
    cluster.fault(method, error="no route to host", when=when, times=1)
    with pytest.raises(HypervisorError, match=r"^no route to host$"):
        orchestrator.migrate(cluster, "web1", "node2")


@pytest.mark.parametrize(
    ("method", "when", "text"),
    [
        (
            "AcceptInstance",
            "after",
            "unfinished: web1 was accepted on node2 and neither migrated nor aborted",
        ),
        (
            "MigrateInstance",
            "before",
            "unfinished: web1 was accepted on node2 and neither migrated nor aborted",
        ),
        (
            "MigrateInstance",
            "after",
            "unfinished: the migration of web1 from node1 to node2 is not finalized on node1, node2",
        ),
    ],
)
def test_no_abort_after_a_refusal_is_unfinished(cluster, method, when, text):
    migrate_where_it_is_refused(cluster, NoAbortAfterRefusal, method, when)
    assert_named(cluster, text)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["AcceptInstance", "MigrateInstance"])
def test_a_refusal_that_is_aborted_is_no_alarm(cluster, method, when):
    migrate_where_it_is_refused(cluster, Orchestrator, method, when)
    cluster.assert_consistent()
    cluster.assert_running("web1", on="node1")


# 2. Finalized on one side alone


def migrate(cluster, make):
    with_web1(cluster, make).migrate(cluster, "web1", "node2")


def test_finalizing_the_target_alone_is_unfinished(cluster):
    migrate(cluster, FinalizesTheTargetAlone)
    # It runs twice, but within its migration's window, which never ends.
    cluster.assert_placement({"web1": ("node1", "node2")})
    assert_named(cluster, "unfinished: the migration of web1 from node1 to node2 is not finalized on node1")


def test_finalizing_both_sides_is_no_alarm(cluster):
    migrate(cluster, Orchestrator)
    cluster.assert_consistent()
    cluster.assert_running("web1", on="node2")
    cluster.assert_migrated("web1", source="node1", target="node2", live=True)


# 3. A retry that starts a second copy


def start_where_the_answer_is_lost(cluster, make):
    cluster.fault("StartInstance", when="after", error="connection reset", times=1)
    with_web1(cluster, make)


def test_a_second_copy_is_a_double_start_and_a_split_brain(cluster):
    start_where_the_answer_is_lost(cluster, StartsASecondCopy)
    assert_named(
        cluster,
        "double-start: web1 was started on node2 while it ran on node1",
        "split-brain: web1 ran on node1 and node2 at once",
    )


def test_looking_before_the_next_attempt_is_no_alarm(cluster):
    start_where_the_answer_is_lost(cluster, Orchestrator)
    cluster.assert_consistent()
    cluster.assert_running("web1", on="node1")


def test_a_start_that_did_fail_is_tried_on_the_next_node(cluster):
    cluster.fault("StartInstance", node="node1", times=1)
    with_web1(cluster, Orchestrator)
    cluster.assert_consistent()
    cluster.assert_running("web1", on="node2")


# 4. Cancelled is no success


def migrate_where_it_is_cancelled(cluster, make):
    orchestrator = with_web1(cluster, make)
    cluster.script_migration("web1", outcome="cancelled")
    with suppress(HypervisorError):
        orchestrator.migrate(cluster, "web1", "node2")


def test_taking_cancelled_for_success_is_unearned(cluster):
    migrate_where_it_is_cancelled(cluster, TakesCancelledForSuccess)
    text = "unearned: the migration of web1 was finalized with success on {}, though it was cancelled"
    assert_named(cluster, text.format("node1"), text.format("node2"))


def test_aborting_what_was_cancelled_is_no_alarm(cluster):
    migrate_where_it_is_cancelled(cluster, Orchestrator)
    cluster.assert_consistent()
    cluster.assert_running("web1", on="node1")
    cluster.assert_migration_cancelled("web1")


# 5. The error of a finalize


def migrate_where_a_finalize_fails(cluster, make):
    orchestrator = with_web1(cluster, make)
    cluster.fault("FinalizeMigrationDst", node="node2", times=1)
    orchestrator.migrate(cluster, "web1", "node2")


def test_a_failed_finalize_that_is_ignored_is_vanished_and_unfinished(cluster):
    migrate_where_a_finalize_fails(cluster, IgnoresAFailedFinalize)
    assert_named(
        cluster,
        "vanished: web1 runs nowhere: it left node1 and did not arrive on node2",
        "unfinished: the migration of web1 from node1 to node2 is not finalized on node2",
    )


def test_a_failed_finalize_that_is_repeated_is_no_alarm(cluster):
    migrate_where_a_finalize_fails(cluster, Orchestrator)
    cluster.assert_consistent()
    cluster.assert_running("web1", on="node2")


# 6. Started on the target before it is down on the source


def drain_where_it_must_fail_over(cluster, make):
    orchestrator = with_web1(cluster, make)
    cluster.script_migration("web1", outcome="failed")
    cluster.fault("StopInstance", node="node1", times=1)
    assert orchestrator.drain(cluster, "node1") == []


def test_starting_before_it_is_down_is_a_double_start_and_a_split_brain(cluster):
    drain_where_it_must_fail_over(cluster, StartsBeforeItIsDown)
    assert_named(
        cluster,
        "double-start: web1 was started on node2 while it ran on node1",
        "split-brain: web1 ran on node1 and node2 at once",
    )


def test_starting_once_it_is_down_is_no_alarm(cluster):
    drain_where_it_must_fail_over(cluster, Orchestrator)
    cluster.assert_consistent()
    cluster.assert_running("web1", on="node2")


# 7. Forgotten after a crash


def lose_a_node(cluster, make, comes_back):
    orchestrator = with_web1(cluster, make)
    cluster["node1"].crash()
    if comes_back:
        cluster["node1"].boot()
    orchestrator.recover(cluster, "node1")


@pytest.mark.parametrize("comes_back", [False, True])
def test_what_is_forgotten_after_a_crash_is_missing_where_it_should_run(cluster, comes_back):
    lose_a_node(cluster, ForgetsWhatWasLost, comes_back)
    # No invariant can know what should run again after its node went down: that is for the test to say, as
    # here, or for a state machine that keeps account of what it has started.
    cluster.assert_consistent()
    with pytest.raises(AssertionError) as caught:
        cluster.assert_running("web1")
    assert str(caught.value).startswith(
        "web1 is not running on any of node1, node2, node3; it went down with node1; nothing runs there"
    )


@pytest.mark.parametrize(("comes_back", "node"), [(False, "node2"), (True, "node1")])
def test_what_was_lost_with_a_node_is_started_again(cluster, comes_back, node):
    lose_a_node(cluster, Orchestrator, comes_back)
    cluster.assert_consistent()
    cluster.assert_placement({"web1": node})


# 8. Two drains at once


def drain_twice_at_once(cluster, make):
    """One drain is stopped where web1 has left node1 and is not yet on node2; the other one runs then."""
    orchestrator = with_web1(cluster, make)
    problems = []
    first = threading.Thread(target=lambda: problems.append(orchestrator.drain(cluster, "node1")))
    with cluster.hold("FinalizeMigrationDst", node="node2", instance="web1") as held:
        first.start()
        held.wait()
        problems.append(orchestrator.drain(cluster, "node1"))
    first.join(timeout=10)
    assert not first.is_alive()
    return problems


def test_two_drains_at_once_are_a_split_brain(cluster):
    assert drain_twice_at_once(cluster, RacesItself) == [[], []]
    assert_named(
        cluster,
        "double-start: web1 was started on node3 while it was on its way to node2",
        "split-brain: web1 ran on node3 and node2 at once",
    )


def test_two_drains_that_keep_off_each_other_are_no_alarm(cluster):
    assert drain_twice_at_once(cluster, Orchestrator) == [["web1: somebody else is busy with web1"], []]
    cluster.assert_consistent()
    cluster.assert_running("web1", on="node2")


# 9. Left paused


def give_up_on_a_non_live_migration(cluster, make):
    orchestrator = with_web1(cluster, make, live=False)
    cluster.script_migration("web1", outcome="failed")
    with pytest.raises(HypervisorError, match=r"^its migration is failed$"):
        orchestrator.migrate(cluster, "web1", "node2")


def test_what_is_left_paused_is_unfinished(cluster):
    give_up_on_a_non_live_migration(cluster, LeavesItPaused)
    cluster.assert_paused("web1", on="node1")
    assert_named(cluster, "unfinished: the migration of web1 from node1 to node2 is not finalized on node1")


def test_waking_it_up_again_is_no_alarm(cluster):
    give_up_on_a_non_live_migration(cluster, Orchestrator)
    cluster.assert_consistent()
    cluster.assert_running("web1", on="node1")


# The correct one, whatever happens

METHODS = (
    "StartInstance",
    "StopInstance",
    "ListInstances",
    "MigrationInfo",
    "AcceptInstance",
    "MigrateInstance",
    "GetMigrationStatus",
    "FinalizeMigrationSource",
    "FinalizeMigrationDst",
)


def work(orchestrator, cluster):
    """Let it do all that it can, and say after each step that it did."""

    def attempt(method, *arguments):
        with suppress(HypervisorError):
            method(cluster, *arguments)
        cluster.assert_consistent()
        for node in cluster.nodes:
            if node.unreachable:
                # Down as it is, and once more when it is back.
                orchestrator.recover(cluster, node.name)
                cluster.assert_consistent()
                node.boot()
                orchestrator.recover(cluster, node.name)
        cluster.assert_consistent()

    for number in (1, 2, 3):
        attempt(orchestrator.start, f"web{number}", f"node{number}")
    attempt(orchestrator.migrate, "web1", "node2")
    attempt(orchestrator.migrate, "web1", "node1")
    attempt(orchestrator.drain, "node2")
    attempt(orchestrator.drain, "node1")
    attempt(orchestrator.stop, "web3")


@pytest.mark.parametrize("live", [True, False], ids=["live", "non-live"])
@pytest.mark.parametrize("what", ["fails", "crashes"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", METHODS)
def test_the_correct_one_raises_no_alarm_under_any_single_fault(method, when, what, live):
    fired = 0
    # It lists instances all the time, and after each other call.
    for after in range(0, 1000, 7 if method == "ListInstances" else 1):
        with FakeCluster.temporary(NodeSpec("node1"), NodeSpec("node2"), NodeSpec("node3")) as cluster:
            orchestrator = Orchestrator(live=live)
            cluster.script_migration(cluster["node1"].instance("web2"), outcome="failed")
            cluster.script_migration(cluster["node1"].instance("web1"), polls=2)
            fault = cluster.fault(
                method, when=when, crash=what == "crashes", after=after, times=1, optional=True
            )
            work(orchestrator, cluster)
            # Nothing is forgotten, and nothing is left paused.
            cluster.assert_running("web1")
            cluster.assert_running("web2")
            cluster.assert_stopped("web3")
            if not fault.fired:
                break
            fired += 1
    assert fired


@pytest.mark.parametrize("outcome", ["failed", "cancelled", "failed_but_moved", "completed_but_lost"])
@pytest.mark.parametrize("live", [True, False], ids=["live", "non-live"])
def test_the_correct_one_raises_no_alarm_however_a_migration_ends(cluster, outcome, live):
    orchestrator = with_web1(cluster, Orchestrator, live=live)
    cluster.script_migration("web1", outcome=outcome, times=1)
    assert orchestrator.drain(cluster, "node1") == []
    cluster.assert_consistent()
    cluster.assert_running("web1", on="node2")


def test_what_went_down_with_the_target_after_its_migration_has_not_vanished(cluster):
    orchestrator = with_web1(cluster, Orchestrator)
    drain = threading.Thread(target=orchestrator.drain, args=(cluster, "node1"))
    with cluster.hold("FinalizeMigrationSource") as held:
        drain.start()
        held.wait()
        cluster["node2"].crash()
    drain.join(timeout=10)
    assert not drain.is_alive()
    cluster.assert_consistent()
    cluster.assert_stopped("web1")
    orchestrator.recover(cluster, "node2")
    cluster.assert_running("web1", on="node1")


def test_a_split_brain_is_named_once_until_it_is_healed(cluster):
    node1, node2, _node3 = cluster
    web1 = node1.add_instance("web1")
    node2.AcceptInstance(web1, "", "node2")
    node1.MigrateInstance("cluster", web1, "node2", True)
    node1.FinalizeMigrationSource(web1, False, True)
    for _ in range(2):
        node2.StartInstance(web1, [], False)
        node2.FinalizeMigrationDst(web1, "", True)
        node2.StopInstance(web1)
    assert [each.invariant for each in cluster.violations()] == [
        "double-start",
        "split-brain",
        "unearned",
        "double-start",
        "split-brain",
    ]


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_crash_in_the_middle_of_a_call_takes_away_has_not_vanished(cluster, when):
    with_web1(cluster, Orchestrator)
    cluster.fault("ListInstances", node="node1", when=when, crash=True, times=1)
    with pytest.raises(HypervisorError, match=r"^node1 does not answer$"):
        cluster["node1"].ListInstances()
    cluster.assert_placement({})
    cluster.assert_consistent()


def test_what_a_powercycle_takes_away_has_not_vanished(cluster):
    with_web1(cluster, Orchestrator)
    cluster["node1"].PowercycleNode()
    cluster.assert_placement({})
    cluster.assert_consistent()
