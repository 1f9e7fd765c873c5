"""The calls of a migration of web1 from node1 to node2, and its record."""

from pathlib import Path

import pytest

from pytest_fakehv import DeclarationError, InstanceSpec, Migration, NodeSpec

NODES = (NodeSpec("node1", address="10.0.0.1"), NodeSpec("node2", address="10.0.0.2"), NodeSpec("node3"))


WEB1 = InstanceSpec("web1", memory=4096, vcpus=2)


def message(function, *args, error=DeclarationError, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    assert type(caught.value) is error
    return caught.value.args[0]


def begin(cluster, web1, *, source="node1", target="node2", live=True):
    cluster[source].MigrateInstance("cluster", web1, target, live)


def poll(cluster, web1, times=1, *, node="node1"):
    """Return what each of some status calls says: status, RAM sent, RAM in all, and if it is postcopy."""
    return [
        (each.status, each.transferred_ram, each.total_ram, each.postcopy_status)
        for each in [cluster[node].GetMigrationStatus(web1) for _ in range(times)]
    ]


def finalize(cluster, web1, *, success, order=("source", "target"), live=True):
    for side in order:
        if side == "source":
            cluster["node1"].FinalizeMigrationSource(web1, success, live)
        else:
            cluster["node2"].FinalizeMigrationDst(web1, "", success)


def ending(cluster):
    """Return how the only migration ended, and why."""
    (migration,) = cluster.migrations
    return migration.outcome, migration.reason


def record(outcome, **changes):
    """Return the record of the first migration, of web1 from node1 to node2, with the given changes.

    Where it was finalized, that was at once when it had ended, unless they say when.
    """
    values = {
        "number": 1,
        "instance": "web1",
        "source": "node1",
        "target": "node2",
        "live": True,
        "reason": None,
        "polls": 0,
        "started": 0.0,
        "duration": 0.0,
        "total_ram": 4096,
        "transferred_ram": None,
        "rounds": 0,
        "downtime": 0.0,
        "postcopy": False,
        "finalized_on_source": None,
        "finalized_on_target": None,
        "migrated": False,
    }
    values |= changes
    for side in ("finalized_on_source", "finalized_on_target"):
        ended = None if values[side] is None else values["started"] + values["duration"]
        values.setdefault(f"{side}_at", ended)
    return Migration(outcome=outcome, **values)


FINALIZED = {"finalized_on_source": True, "finalized_on_target": True, "migrated": True}


ABORTED = {"finalized_on_source": False, "finalized_on_target": False}


def table(page: Path, head: str) -> dict[tuple[str, str], str]:
    """Return the cells of a page's table, by stage and by what is lost."""
    lines = page.read_text(encoding="utf-8").splitlines()
    begin = lines.index(head)
    rows = [line.strip("|").split("|") for line in lines[begin + 2 : lines.index("", begin)]]
    return {
        (stage.strip(), lost): cell.strip()
        for stage, *cells in rows
        for lost, cell in zip(("source", "target", "both"), cells, strict=True)
    }


def reach(cluster, stage):
    """Bring a migration of web1 from node1 to node2 to a stage; return the instance."""
    source, target, *_ = cluster
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
