"""What is left of a migration when its instance is killed: a test for each cell of the page's table."""

from pathlib import Path

import pytest
from migrating import message, reach, table

from pytest_fakehv import FakeCluster, HypervisorError, NodeSpec

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "instances.md"
CELLS = table(PAGE, "| | killed on the source | killed on the target | killed on the cluster |")
NOWHERE = [key for key, cell in CELLS.items() if cell == "is not there"]
SOMEWHERE = [key for key in CELLS if key not in NOWHERE]
COMPLETED = {"completed, not finalized", "finalized on the source alone", "finalized on the target alone"}


def named(value):
    return value.replace(" ", "-")


@pytest.fixture
def cluster(root):
    cluster = FakeCluster(root, NodeSpec("node1"), NodeSpec("node2"), NodeSpec("node3"))
    cluster.add_instance("web1", memory=4096, node="node1")
    return cluster


def kill(cluster, side):
    place = {"source": cluster["node1"], "target": cluster["node2"], "both": cluster}[side]
    place.kill("web1")


@pytest.mark.parametrize(("stage", "side"), SOMEWHERE, ids=named)
def test_cell(cluster, stage, side):
    web1 = reach(cluster, stage)
    kill(cluster, side)
    where, _, status = CELLS[stage, side].partition(", ")
    if status == "once finalized there":
        assert where == "arrives on the target"
        assert cluster.placement() == {}
        assert cluster["node1"].GetMigrationStatus(web1).status == "completed"
        cluster["node2"].FinalizeMigrationDst(web1, "", True)
        assert cluster.placement() == {"web1": "node2"}
        return
    places = {"lost": {}, "runs on the source": {"web1": "node1"}, "runs on the target": {"web1": "node2"}}
    assert cluster.placement() == places[where]
    if status:
        assert cluster["node1"].GetMigrationStatus(web1).status == status
    if side != "source" and status == "completed":
        with pytest.raises(HypervisorError, match="its memory has not arrived"):
            cluster["node2"].FinalizeMigrationDst(web1, "", True)
    assert {each.invariant for each in cluster.violations()} <= {"unfinished"}


@pytest.mark.parametrize(("stage", "side"), NOWHERE, ids=named)
def test_where_nothing_is(cluster, stage, side):
    reach(cluster, stage)
    before = cluster.placement()
    node, other = ("node2", "node1") if stage == "accepted, not begun" else ("node1", "node2")
    said = message(cluster[node].kill, "web1")
    if before:
        assert said == f"'web1' does not run on {node}, but on {other}"
    else:
        assert said.startswith(f"web1 does not run on {node}; nothing runs there; last call: Finalize")
    assert cluster.placement() == before


@pytest.mark.parametrize("stage", ["precopy", "postcopy", "completed, not finalized"], ids=named)
def test_nothing_is_on_a_node_that_it_does_not_concern(cluster, stage):
    web1 = reach(cluster, stage)
    status = cluster["node1"].GetMigrationStatus(web1).status
    for kill_there in (cluster["node3"].kill, lambda name: cluster.kill(name, node="node3")):
        assert message(kill_there, "web1") == "'web1' does not run on node3, but on node1"
    assert cluster.placement() == {"web1": "node1"}
    assert cluster["node1"].GetMigrationStatus(web1).status == status


@pytest.mark.parametrize("order", ["source", "target"])
@pytest.mark.parametrize(("stage", "side"), SOMEWHERE, ids=named)
def test_a_program_that_ends_it_is_blamed_for_nothing(cluster, stage, side, order):
    """It ends it on both nodes as its status says, whatever they answer."""
    source, target = cluster["node1"], cluster["node2"]
    web1 = reach(cluster, stage)
    kill(cluster, side)
    success = stage in COMPLETED
    ends = [
        lambda: source.FinalizeMigrationSource(web1, success, True),
        lambda: target.FinalizeMigrationDst(web1, "", success),
    ]
    for end in ends if order == "source" else reversed(ends):
        try:
            end()
        except HypervisorError:
            assert success
            assert side != "source"
    assert cluster.violations() == []
    if not cluster.placement():
        cluster["node3"].StartInstance(web1, [], False)
        cluster.assert_consistent()


@pytest.mark.parametrize(("stage", "side"), SOMEWHERE, ids=named)
def test_a_program_that_does_not_end_it_is_blamed(cluster, stage, side):
    reach(cluster, stage)
    kill(cluster, side)
    is_settled = stage == "finalized on the source alone"  # nothing is left where it was to arrive
    assert [each.invariant for each in cluster.violations()] == ["unfinished"] * (not is_settled)


@pytest.mark.parametrize("stage", ["precopy", "postcopy"])
def test_a_program_that_says_that_it_moved_is_blamed(cluster, stage):
    web1 = reach(cluster, stage)
    cluster.kill("web1")
    cluster["node1"].FinalizeMigrationSource(web1, True, True)
    cluster["node2"].FinalizeMigrationDst(web1, "", True)
    (violation,) = cluster.violations()
    assert (violation.invariant, violation.what) == (
        "unearned",
        "the migration of web1 was finalized with success on node2, though it failed",
    )


def test_a_program_that_aborts_what_only_the_target_has_is_blamed(cluster):
    web1 = reach(cluster, "completed, not finalized")
    cluster["node1"].kill("web1")
    cluster["node2"].FinalizeMigrationDst(web1, "", False)
    cluster["node1"].FinalizeMigrationSource(web1, False, True)
    (violation,) = cluster.violations()
    assert (violation.invariant, violation.what) == (
        "unearned",
        "the migration of web1 was aborted on node2, though its status said completed",
    )


@pytest.mark.parametrize(("side", "node"), [("source", "node1"), ("target", "node2"), ("both", "node1")])
def test_its_record_says_what_ended_it(cluster, side, node):
    reach(cluster, "precopy")
    kill(cluster, side)
    assert str(cluster.migrations[0]) == (
        f"web1 node1 -> node2 live: 25 % at poll 1, failed (web1 was killed on {node}), not finalized"
    )


def test_an_unscripted_one_and_a_non_live_one_fail_too(cluster):
    for live in (True, False):
        web1 = cluster["node1"].instance("web1")
        cluster["node2"].AcceptInstance(web1, "", "node2")
        cluster["node1"].MigrateInstance("cluster", web1, "node2", live)
        cluster.kill(web1)
        assert cluster["node1"].GetMigrationStatus(web1).status == "failed"
        cluster["node2"].FinalizeMigrationDst(web1, "", False)
        cluster["node1"].FinalizeMigrationSource(web1, False, live)
        cluster.add_instance("web1", node="node1")
    cluster.assert_consistent()


def test_what_a_script_has_moved_is_not_brought_back(cluster):
    cluster.script_migration("web1", outcome="failed_but_moved", polls=1)
    web1 = cluster["node1"].instance("web1")
    cluster["node2"].AcceptInstance(web1, "", "node2")
    cluster["node1"].MigrateInstance("cluster", web1, "node2", True)
    assert cluster["node1"].GetMigrationStatus(web1).status == "failed"
    cluster.kill("web1")
    with pytest.raises(HypervisorError, match="its memory has not arrived"):
        cluster["node2"].FinalizeMigrationDst(web1, "", True)
    cluster["node1"].FinalizeMigrationSource(web1, True, True)
    cluster.assert_stopped("web1")
    cluster.assert_consistent()


def test_a_copy_that_is_on_no_migration_s_way_ends_none(cluster):
    """A program has started a second one; what is killed is that."""
    web1 = reach(cluster, "precopy")
    cluster["node3"].StartInstance(web1, [], False)
    cluster["node3"].kill("web1")
    assert cluster["node1"].GetMigrationStatus(web1).status == "active"
    cluster.assert_placement({"web1": "node1"})


def test_a_migration_that_failed_before_is_still_to_be_ended(cluster):
    web1 = reach(cluster, "precopy")
    cluster.fail_migration("web1")
    cluster["node2"].StartInstance(web1, [], False)
    cluster["node2"].kill("web1")
    assert "unfinished" in [each.invariant for each in cluster.violations()]
    (unfinished,) = [each for each in cluster.violations() if each.invariant == "unfinished"]
    assert unfinished.nodes == ("node1", "node2")
