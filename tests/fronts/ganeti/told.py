"""What Ganeti's master tells its user, and where it leaves an instance."""

import pytest
from ganeti.errors import OpExecError

BEGINNING = [
    "Migrating instance web1",
    "* checking disk consistency between source and target",
    "* closing instance disks on node node2",
    "* opening instance disks on node node1 in shared mode",
    "* opening instance disks on node node2 in shared mode",
    "* preparing node2 to accept the instance",
]
ABORT = [
    "* closing instance disks on node node2",
    "* opening instance disks on node node1 in exclusive mode",
]
LOOKING = [
    " - INFO: Not checking memory on the secondary node as instance will not be started",
    "Migrating instance web1",
    "* checking where the instance actually runs (if this hangs, the hypervisor might be in a bad state)",
]
ABORT_CALLS = [("FinalizeMigrationDst", "node2"), ("FinalizeMigrationSource", "node1")]
SOURCE_FAILS = (
    "node1: Failed to finalize the migration on the source node: "
    "Injected fault: FinalizeMigrationSource on node1"
)
TARGET_FAILS = (
    "node2: Failed to finalize migration on the target node: Injected fault: FinalizeMigrationDst on node2"
)
NOWHERE = (
    "Instance does not seem to be running at all; in this case it's safer to repair by running "
    "'gnt-instance stop' to ensure disk shutdown, and then restarting it"
)


def message(action, *arguments, kind=OpExecError, **options):
    """Return the whole message of an action that fails."""
    with pytest.raises(kind) as caught:
        action(*arguments, **options)
    assert type(caught.value) is kind
    text, *code = caught.value.args
    return (text, *code) if code else text


def migrate(master):
    return message(master.migrate, "web1", to="node2")


def clean_up(master):
    """Return what `gnt-instance migrate --cleanup` tells the user."""
    master.feedback.clear()
    master.migrate("web1", to="node2", cleanup=True)
    return master.feedback


def assert_on_source(cluster, master):
    cluster.assert_placement({"web1": "node1"})
    assert master.primary_node("web1") == "node1"


def assert_on_target(cluster, master):
    cluster.assert_placement({"web1": "node2"})
    assert master.primary_node("web1") == "node2"
