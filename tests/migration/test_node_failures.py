"""What is left of a migration when a node goes down: a test for each cell of the page's table."""

from pathlib import Path

import pytest
from migrating import reach, table

from pytest_fakehv import FakeCluster, NodeDownError, NodeSpec

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "faults.md"
NODES = {"source": "node1", "target": "node2"}


CELLS = table(PAGE, "| | source lost | target lost | both lost |")


def test_the_table_has_every_stage():
    assert len(CELLS) == 6 * 3


@pytest.mark.parametrize(("stage", "lost"), CELLS, ids=lambda value: value.replace(" ", "-"))
def test_cell(root, stage, lost):
    cluster = FakeCluster(root, NodeSpec("node1"), NodeSpec("node2"))
    source, target = cluster
    cluster.add_instance("web1", memory=4096, node="node1")
    web1 = reach(cluster, stage)

    for side in NODES if lost == "both" else [lost]:
        cluster[NODES[side]].crash()

    where, _, status = CELLS[stage, lost].partition(", ")
    if status == "once finalized there":
        assert where == "arrives on the target"
        assert cluster.placement() == {}
        target.FinalizeMigrationDst(web1, "", True)
        assert cluster.placement() == {"web1": "node2"}
        return
    assert (
        cluster.placement()
        == {
            "lost": {},
            "runs on the source": {"web1": "node1"},
            "runs on the target": {"web1": "node2"},
        }[where]
    )
    if status:
        assert source.GetMigrationStatus(web1).status == status
    elif lost != "target":
        with pytest.raises(NodeDownError):
            source.GetMigrationStatus(web1)
    # What went down with its node is nobody's fault; what is left is to be brought to an end.
    assert {each.invariant for each in cluster.violations()} <= {"unfinished"}


@pytest.mark.parametrize(("stage", "lost"), CELLS, ids=lambda value: value.replace(" ", "-"))
def test_a_program_that_ends_it_is_blamed_for_nothing(root, stage, lost):
    """It aborts what did not complete; what completed it finalizes, on the target before the source."""
    cluster = FakeCluster(root, NodeSpec("node1"), NodeSpec("node2"))
    source, target = cluster
    cluster.add_instance("web1", memory=4096, node="node1")
    web1 = reach(cluster, stage)
    for side in NODES if lost == "both" else [lost]:
        cluster[NODES[side]].crash()
    completed = stage in (
        "completed, not finalized",
        "finalized on the source alone",
        "finalized on the target alone",
    )

    def end(node, finalize):
        try:
            finalize()
        except NodeDownError:
            assert node.is_down
            return False
        return True

    has_arrived = end(target, lambda: target.FinalizeMigrationDst(web1, "", completed))
    end(source, lambda: source.FinalizeMigrationSource(web1, completed and has_arrived, True))

    assert cluster.violations() == []
