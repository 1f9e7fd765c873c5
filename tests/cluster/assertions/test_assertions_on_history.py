"""What is asserted of migrations and of calls, and what is said when it does not hold."""

import inspect
import os
import re

import pytest
from failing import failure, line

from pytest_fakehv import DeclarationError

HERE = os.path.relpath(__file__)


class TestMigrations:
    @pytest.fixture
    def moved(self, cluster):
        """web1 failed to migrate, and then did; web2 was cancelled, and then moved without running."""
        for name in ("web1", "web2", "web3"):
            cluster.add_instance(name, memory=4096)
        cluster.script_migration("web1", outcome="failed", at=0.6, times=1)
        cluster.script_migration("web2", outcome="cancelled", at=0.2, times=1)
        for _ in range(2):
            cluster.migrate("web1", to="node2")
            cluster.migrate("web2", to="node2", live=False)
        return cluster

    def test_they_did(self, moved):
        moved.assert_migrated("web1")
        moved.assert_migrated("web1", source="node1", target="node2", live=True)
        moved.assert_migrated("web2", live=False)
        moved.assert_migration_failed("web1", source="node1")
        moved.assert_migration_cancelled("web2", target="node2", live=False)
        moved.assert_not_migrated("web3")
        moved.assert_not_migrated("web1", source="node2")
        moved.assert_not_migrated("web1", live=False)
        moved["node1"].assert_migrated("web1")
        moved["node2"].assert_not_migrated("web3", target="node1")

    def test_they_did_not(self, moved):
        def failed(*args, **kwargs):
            return re.sub(r" at \S+test_assertions_on_history.py:\d+", " at LINE", failure(*args, **kwargs))

        for asked, said in (
            ({"source": "node2"}, "from node2"),
            ({"target": "node1"}, "to node1"),
            ({"live": False}, "non-live"),
        ):
            assert failed(moved.assert_migrated, "web1", **asked) == (
                f"web1 did not migrate {said}\n"
                "  its migrations:\n"
                "    web1 node1 -> node2 live: 60 % at poll 3, failed, aborted\n"
                "    web1 node1 -> node2 live: completed at poll 1\n"
                "  it is running on node2\n"
                "  last call: FinalizeMigrationDst('web1', '', True) at LINE"
            )
        assert failed(moved.assert_migration_failed, "web2", source="node1", target="node2", live=False) == (
            "web2 has no failed migration from node1 to node2 non-live\n"
            "  its migrations:\n"
            "    web2 node1 -> node2 non-live: 20 % at poll 1, cancelled, aborted\n"
            "    web2 node1 -> node2 non-live: completed at poll 1\n"
            "  it is running on node2\n"
            "  last call: FinalizeMigrationDst('web2', '', True) at LINE"
        )
        assert failed(
            moved.assert_migration_cancelled, "web2", source="node2", target="node1", live=True
        ) == (
            "web2 has no cancelled migration from node2 to node1 live\n"
            "  its migrations:\n"
            "    web2 node1 -> node2 non-live: 20 % at poll 1, cancelled, aborted\n"
            "    web2 node1 -> node2 non-live: completed at poll 1\n"
            "  it is running on node2\n"
            "  last call: FinalizeMigrationDst('web2', '', True) at LINE"
        )
        assert failed(moved.assert_migrated, "web2", live=True).startswith("web2 did not migrate live\n")
        assert failed(moved.assert_migration_cancelled, "web1").startswith(
            "web1 has no cancelled migration\n  its migrations:\n"
        )
        assert failed(moved.assert_not_migrated, "web1", target="node2") == (
            "web1 migrated\n"
            "  its migrations:\n"
            "    web1 node1 -> node2 live: completed at poll 1\n"
            "  last call: FinalizeMigrationDst('web1', '', True) at LINE"
        )

    def test_it_never_began(self, moved):
        moved.journal.clear()
        text = failure(moved.assert_migrated, "web3")
        assert text.splitlines()[:4] == [
            "web3 did not migrate",
            "  no migration of it began",
            "  nearest name: web2",
            "  other migrations:",
        ]
        assert text.splitlines()[-2:] == ["  it is running on node1", "  no call was about it"]

    def test_nothing_is_known_of_it(self, cluster):
        assert failure(cluster.assert_migration_failed, "web1") == (
            "web1 has no failed migration\n"
            "  no migration of it began\n"
            "  it runs nowhere\n"
            "  no call was about it"
        )

    def test_one_is_under_way(self, cluster):
        web1 = cluster.add_instance("web1", memory=4096)
        cluster.script_migration("web1")
        cluster["node1"].MigrateInstance("c", web1, "node2", True)
        cluster["node1"].GetMigrationStatus(web1)
        where = f"{line().rpartition(':')[0]}:{inspect.currentframe().f_lineno - 1}"
        assert failure(cluster.assert_not_migrated, "web1") == (
            "web1 migrated\n"
            "  its migrations:\n"
            "    web1 node1 -> node2 live: 25 % at poll 1, under way\n"
            f"  last call: GetMigrationStatus('web1') at {where}"
        )

    def test_many_are_cut(self, cluster):
        cluster.add_instance("web1")
        for number in range(7):
            cluster.migrate("web1", to=f"node{2 - number % 2}")
        text = failure(cluster.assert_migration_failed, "web1")
        assert text.splitlines()[1] == "  its migrations, the last 5 of 7:"
        assert len(text.splitlines()) == 9

    def test_five_are_not_cut(self, cluster):
        cluster.add_instance("web1")
        for number in range(5):
            cluster.migrate("web1", to=f"node{2 - number % 2}")
        lines = failure(cluster.assert_migration_failed, "web1").splitlines()
        assert (lines[1], len(lines)) == ("  its migrations:", 9)

    def test_no_such_node(self, cluster):
        cluster.instance("web1")
        for function in (cluster.assert_migrated, cluster.assert_not_migrated):
            with pytest.raises(DeclarationError) as caught:
                function("web1", target="node9")
            assert str(caught.value) == "no node is named 'node9'; there are: node1, node2"

    def test_live_or_not(self, cluster):
        cluster.instance("web1")
        for function in (cluster.assert_migrated, cluster.assert_not_migrated):
            with pytest.raises(DeclarationError) as caught:
                function("web1", live=1)
            assert str(caught.value) == "live must be one of True, False, not 1"

    def test_a_node_that_is_gone_has_a_past(self, cluster):
        cluster.add_instance("web1")
        cluster.migrate("web1", to="node2")
        cluster.remove_node("node1")
        cluster.assert_migrated("web1", source="node1")


@pytest.mark.parametrize(
    ("outcome", "finalize", "text"),
    [
        ("failed", [], "50 % at poll 2, failed, not finalized"),
        ("failed", [("node2", False)], "50 % at poll 2, failed, aborted on node2 alone"),
        ("completed", [], "100 % at poll 4, completed, not finalized"),
        ("completed", [("node1", True)], "100 % at poll 4, completed, finalized on node1 alone"),
        (
            "completed",
            [("node1", True), ("node2", False)],
            "100 % at poll 4, completed, finalized on node1, aborted on node2",
        ),
        ("completed", [("node1", True), ("node2", True)], "100 % at poll 4, completed"),
        (
            "failed_but_moved",
            [("node1", False)],
            "100 % at poll 4, said failed, in truth it had moved (script), aborted on node1 alone",
        ),
        (
            "failed_but_moved",
            [("node1", True), ("node2", True)],
            "100 % at poll 4, said failed, in truth it had moved (script), yet finalized with success",
        ),
        (
            "completed_but_lost",
            [("node1", False)],
            "100 % at poll 4, said completed, in truth its memory was lost (script), aborted on node1 alone",
        ),
        ("failed", [("node1", True), ("node2", True)], "50 % at poll 2, failed, yet finalized with success"),
    ],
)
def test_how_a_migration_ended(cluster, outcome, finalize, text):
    web1 = cluster.add_instance("web1", memory=4096)
    cluster.script_migration("web1", outcome=outcome)
    cluster["node1"].MigrateInstance("c", web1, "node2", True)
    while cluster["node1"].GetMigrationStatus(web1).status == "active":
        pass
    for node, success in finalize:
        if node == "node1":
            cluster[node].FinalizeMigrationSource(web1, success, True)
        else:
            cluster[node].FinalizeMigrationDst(web1, "", success)
    line = failure(cluster.assert_migration_cancelled, "web1").splitlines()[2]
    assert re.sub(r"script at tests/cluster/assertions/\w+\.py:\d+", "script", line) == (
        f"    web1 node1 -> node2 live: {text}"
    )


def test_what_ended_a_migration_is_said(cluster):
    web1 = cluster.add_instance("web1", memory=4096)
    cluster.script_migration("web1", dirty_rate=5000, postcopy=1)
    cluster["node1"].MigrateInstance("c", web1, "node2", True)
    for _ in range(5):
        cluster["node1"].GetMigrationStatus(web1)
    assert failure(cluster.assert_migrated, "web1").splitlines()[2] == (
        "    web1 node1 -> node2 live: postcopy under way at poll 5"
    )
    cluster["node2"].crash()
    assert failure(cluster.assert_migrated, "web1").splitlines()[2] == (
        "    web1 node1 -> node2 live: failed in postcopy (node2 went down) at poll 5, not finalized"
    )


@pytest.mark.parametrize(
    ("script", "polls", "text"),
    [
        ({"bandwidth": 1023}, 1, "99 % at poll 1, cancelled (cancelled by the test), not finalized"),
        ({"dirty_rate": 2048}, 1, "100 % at poll 1, cancelled (cancelled by the test), not finalized"),
        ({"dirty_rate": 2048}, 3, "3 rounds at poll 3, cancelled (cancelled by the test), not finalized"),
        (
            {"dirty_rate": 1500, "bandwidth": 1500},
            1,
            "cancelled (cancelled by the test) at poll 1, not finalized",
        ),
        (
            {"polls": 9, "bandwidth": 300},
            3,
            "88 % at poll 3, cancelled (cancelled by the test), not finalized",
        ),
        ({"polls": 9}, 3, "cancelled (cancelled by the test) at poll 3, not finalized"),
    ],
)
def test_how_far_a_migration_came(cluster, script, polls, text):
    """What was sent of the RAM, where that says how much was left; else how many times it was sent."""
    web1 = cluster.add_instance("web1", memory=1024)
    cluster.script_migration("web1", **script)
    cluster["node1"].MigrateInstance("c", web1, "node2", True)
    for _ in range(polls):
        cluster["node1"].GetMigrationStatus(web1)
    cluster.cancel_migration("web1")
    assert str(cluster.migrations[0]) == f"web1 node1 -> node2 live: {text}"


class TestCalls:
    @pytest.fixture
    def called(self, cluster):
        web1, web2 = (cluster["node1"].instance(name) for name in ("web1", "web2"))
        cluster["node1"].StartInstance(web1, [], False)
        cluster["node1"].StartInstance(web2, [], False)
        cluster["node2"].GetNodeInfo()
        cluster["node1"].StopInstance(web1)
        return cluster

    def where(self, number):
        return f"{HERE}:{inspect.getsourcelines(type(self).called.__wrapped__)[1] + 2 + number}"

    def test_they_were(self, called):
        called.assert_called("StartInstance")
        called.assert_called("StartInstance", times=2)
        called.assert_called("StartInstance", node="node1", instance="web2", times=1)
        called.assert_called("StopInstance", instance=called["node1"].instance("web1"))
        called.assert_called("RebootInstance", times=0)
        called.assert_not_called("RebootInstance")
        called.assert_not_called("StopInstance", instance="web2")
        called.assert_not_called("StartInstance", node="node2")
        called["node2"].assert_not_called("StartInstance")
        called["node1"].assert_called("StopInstance", times=1)
        called.assert_call_order("StartInstance", "StopInstance")
        called.assert_call_order("StartInstance", ("GetNodeInfo", "node2"), "StopInstance")
        called.assert_call_order("StartInstance", "StopInstance", instance="web1", node="node1")
        called.assert_call_order()

    def test_they_were_not(self, called):
        assert failure(called.assert_called, "RebootInstance", instance="web1") == (
            "RebootInstance for web1 was not called\n"
            "  other calls:\n"
            f"    1 node1 StartInstance('web1', [], False) at {self.where(1)} -> None\n"
            f"    4 node1 StopInstance('web1') at {self.where(4)} -> None"
        )
        assert failure(called.assert_called, "RebootInstance", node="node2").splitlines()[1] == (
            "  other calls there:"
        )
        assert failure(called.assert_called, "StopInstance", instance="web2", node="node1") == (
            "StopInstance on node1 for web2 was not called\n"
            "  other calls of it:\n"
            f"    4 node1 StopInstance('web1') at {self.where(4)} -> None"
        )
        assert failure(called.assert_called, "RebootInstance", instance="web9") == (
            "RebootInstance for web9 was not called\n  nothing was called there"
        )

    def test_nothing_was(self, cluster):
        assert failure(cluster.assert_called, "RebootInstance") == (
            "RebootInstance was not called\n  nothing was called"
        )

    def test_not_so_often(self, called):
        calls = (
            "  the calls:\n"
            f"    1 node1 StartInstance('web1', [], False) at {self.where(1)} -> None\n"
            f"    2 node1 StartInstance('web2', [], False) at {self.where(2)} -> None"
        )
        assert failure(called.assert_called, "StartInstance", times=1) == (
            f"StartInstance was called 2 times, expected once\n{calls}"
        )
        assert failure(called.assert_not_called, "StartInstance", node="node1") == (
            f"StartInstance on node1 was called 2 times, expected never\n{calls}"
        )

    def test_many_are_cut(self, cluster):
        for _ in range(8):
            cluster["node1"].ListInstances()
        lines = failure(cluster.assert_not_called, "ListInstances").splitlines()
        assert lines[1] == "  the calls, the last 5 of 8:"
        assert len(lines) == 7

    def test_five_are_not_cut(self, cluster):
        for _ in range(5):
            cluster["node1"].ListInstances()
        lines = failure(cluster.assert_not_called, "ListInstances").splitlines()
        assert (lines[1], len(lines)) == ("  the calls:", 7)

    def test_not_in_that_order(self, called):
        assert failure(called.assert_call_order, "StartInstance", "StopInstance", "GetNodeInfo") == (
            "GetNodeInfo was not called after call 4, StopInstance('web1') on node1\n"
            "  it was called before that:\n"
            f"    3 node2 GetNodeInfo() at {self.where(3)} -> {called['node2'].GetNodeInfo()}"
        )
        assert failure(
            called.assert_call_order, "StartInstance", ("StopInstance", "node2"), instance="web1"
        ) == (
            "StopInstance on node2 for web1 was not called after call 1, "
            "StartInstance('web1', [], False) on node1\n"
            "  it was not called at all"
        )
        assert failure(called.assert_call_order, "RebootInstance") == "RebootInstance was not called"

    def test_wrong_names(self, cluster):
        for function in (cluster.assert_called, cluster.assert_not_called, cluster.assert_call_order):
            with pytest.raises(DeclarationError) as caught:
                function("StartInstanc")
            assert str(caught.value) == ("the interface has no method 'StartInstanc'; nearest: StartInstance")
            with pytest.raises(DeclarationError) as caught:
                function("StartInstance", node="node9")
            assert str(caught.value) == "no node is named 'node9'; there are: node1, node2"
        with pytest.raises(DeclarationError) as caught:
            cluster.assert_call_order(["StartInstance", "StopInstance"])
        assert str(caught.value) == (
            "a step is a method or (method, node), not ['StartInstance', 'StopInstance']"
        )
