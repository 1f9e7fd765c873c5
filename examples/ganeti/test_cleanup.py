"""Ganeti itself: what ``gnt-instance migrate --cleanup`` finds, and does, after a migration that broke off.

You learn to

- run Ganeti's own code, the master's and the node daemon's, over the fake nodes: ``fakehv_ganeti``;
- break it at a place that no real cluster breaks at when you want it to: ``fault``;
- see what the plugin says of what Ganeti leaves behind: ``fakehv(allow=...)``.

It needs Ganeti's Python library, 3.0 or newer, and what that imports; no daemon, no root. On Debian 12:

    apt-get download ganeti-3.0 && dpkg -x ganeti-3.0_*.deb ganeti-3.0
    python3 -m venv .venv && .venv/bin/pip install -q -U pip && .venv/bin/pip install -q -e '.[ganeti]'
    PYTHONPATH=$PWD/ganeti-3.0/usr/share/ganeti/3.0 .venv/bin/pytest examples/ganeti

Without the library, it is skipped. In a project of your own, install ``pytest-fakehv[ganeti]``, and let
pytest's ini value ``pythonpath`` have that folder, and the one of your copy of master.py.

`Master`, in master.py beside this file, is made to be copied. The code under test is all Ganeti's.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)

from ganeti.errors import OpExecError
from master import Master

if TYPE_CHECKING:
    from pytest_fakehv.fronts.ganeti import FakeCluster

pytestmark = [
    pytest.mark.fakehv_instance("web1", node="node1", memory=2048),
    pytest.mark.fakehv(clock="manual"),  # the master's sleep lets time pass, and takes none of yours
]


@pytest.fixture
def master(fakehv_ganeti: "FakeCluster", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Master:
    """The master of the test's cluster."""
    return Master(fakehv_ganeti, monkeypatch, tmp_path)


@pytest.mark.fakehv_migration("web1", outcome="failed", at=0.6)
def test_a_migration_that_dies_half_way(fakehv_ganeti: "FakeCluster", master: Master) -> None:
    """The master undoes it itself, on both nodes; there is nothing to clean up."""
    with pytest.raises(OpExecError, match="Could not migrate instance web1: hypervisor returned failure"):
        master.migrate("web1", to="node2")

    fakehv_ganeti.assert_migration_failed("web1", source="node1", target="node2")
    fakehv_ganeti.assert_placement({"web1": "node1"})

    master.migrate("web1", to="node2", cleanup=True)

    assert "* instance confirmed to be running on its primary node (node1)" in master.feedback
    fakehv_ganeti.assert_placement({"web1": "node1"})
    assert master.primary_node("web1") == "node1"


def test_cleanup_ends_the_second_copy(fakehv_ganeti: "FakeCluster", master: Master) -> None:
    """All of web1 has arrived, but node1 does not let go of it."""
    with (
        fakehv_ganeti.fault("FinalizeMigrationSource", error="qemu does not answer"),
        pytest.raises(OpExecError, match=r"Could not finalize instance migration: node1: .* does not answer"),
    ):
        master.migrate("web1", to="node2")

    # Nothing but a fake can show this for as long as you care to look.
    assert fakehv_ganeti.placement() == {"web1": ("node1", "node2")}
    assert master.primary_node("web1") == "node1"

    master.migrate("web1", to="node2", cleanup=True)

    assert "* instance running on: node1,node2" in master.feedback
    # It is where the configuration says; the other copy was ended first.
    fakehv_ganeti.assert_running("web1", on="node1", memory=2048)
    assert master.primary_node("web1") == "node1"
    fakehv_ganeti.assert_not_migrated("web1")
    fakehv_ganeti.assert_call_order(
        ("FinalizeMigrationDst", "node2"),
        ("ListInstances", "node2"),
        ("FinalizeMigrationDst", "node2"),
        ("FinalizeMigrationSource", "node1"),
    )


def test_cleanup_writes_down_that_it_has_moved(fakehv_ganeti: "FakeCluster", master: Master) -> None:
    """Node2 has done all it should, and is cut off before it can say so."""
    with (
        fakehv_ganeti.fault("FinalizeMigrationDst", when="after", error="timed out"),
        pytest.raises(OpExecError, match=r"Could not finalize instance migration: node2: .* timed out"),
    ):
        master.migrate("web1", to="node2")

    fakehv_ganeti.assert_running("web1", on="node2")
    assert master.primary_node("web1") == "node1"

    master.migrate("web1", to="node2", cleanup=True)

    fakehv_ganeti.assert_migrated("web1", source="node1", target="node2")
    fakehv_ganeti.assert_placement({"web1": "node2"})
    assert master.primary_node("web1") == "node2"


@pytest.mark.fakehv(allow=["vanished", "unfinished"])  # what the plugin finds fault with here
def test_cleanup_can_not_bring_it_back(fakehv_ganeti: "FakeCluster", master: Master) -> None:
    """The source is told first that it can let go; then node2 fails, and there is no copy left."""
    with fakehv_ganeti.fault("FinalizeMigrationDst"), pytest.raises(OpExecError):
        master.migrate("web1", to="node2")

    fakehv_ganeti.assert_stopped("web1")

    with pytest.raises(OpExecError, match="Instance does not seem to be running at all"):
        master.migrate("web1", to="node2", cleanup=True)

    what_is_wrong = [each.what for each in fakehv_ganeti.violations()]
    assert what_is_wrong[0] == "web1 runs nowhere: it left node1 and did not arrive on node2"


@pytest.mark.fakehv_node("node1")
@pytest.mark.fakehv_node("node2")
@pytest.mark.fakehv_node("node3")
@pytest.mark.fakehv(allow=["double-start", "split-brain"])
def test_nobody_cleans_up(fakehv_ganeti: "FakeCluster", master: Master) -> None:
    """Web1 is on node2, the configuration says node1, and a failover to node3 looks at these two alone."""
    with fakehv_ganeti.fault("FinalizeMigrationDst", when="after"), pytest.raises(OpExecError):
        master.migrate("web1", to="node2")

    master.failover("web1", to="node3")

    what_is_wrong = [each.what for each in fakehv_ganeti.violations()]
    assert what_is_wrong == [
        "web1 was started on node3 while it ran on node2",
        "web1 ran on node2 and node3 at once",
    ]
