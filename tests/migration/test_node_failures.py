"""What is left of a migration when a node goes down: a test for each cell of the page's table."""

from pathlib import Path

import pytest

from pytest_fakehv import FakeCluster, NodeDownError, NodeSpec

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "faults.md"
NODES = {"source": "node1", "target": "node2"}


def table() -> dict[tuple[str, str], str]:
    """Return the cells, by stage and by what is lost."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = lines.index("| | source lost | target lost | both lost |")
    rows = [line.strip("|").split("|") for line in lines[begin + 2 : lines.index("", begin)]]
    return {
        (stage.strip(), lost): cell.strip()
        for stage, *cells in rows
        for lost, cell in zip(("source", "target", "both"), cells, strict=True)
    }


CELLS = table()


def test_the_table_has_every_stage():
    assert len(CELLS) == 6 * 3


def reach(cluster, stage):
    """Bring a migration of web1 from node1 to node2 to a stage; return the instance."""
    source, target = cluster
    web1 = source.instance("web1")
    cluster.script_migration(web1, dirty_rate=5000, postcopy=1 if stage == "postcopy" else None)
    target.AcceptInstance(web1, "", "node2")
    if stage == "accepted, not begun":
        return web1
    source.MigrateInstance("cluster", web1, "node2", True)
    polls = 5 if stage == "postcopy" else 1
    statuses = [source.GetMigrationStatus(web1) for _ in range(polls)]
    assert statuses[-1].status == "active"
    assert statuses[-1].postcopy_status == ("postcopy-active" if stage == "postcopy" else None)
    if stage in ("precopy", "postcopy"):
        return web1
    cluster.complete_migration(web1)
    assert source.GetMigrationStatus(web1).status == "completed"
    if stage == "finalized on the source alone":
        source.FinalizeMigrationSource(web1, True, True)
    elif stage == "finalized on the target alone":
        target.FinalizeMigrationDst(web1, "", True)
    else:
        assert stage == "completed, not finalized"
    return web1


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
