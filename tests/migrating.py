"""The calls of a migration of web1 from node1 to node2, and its record."""

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
