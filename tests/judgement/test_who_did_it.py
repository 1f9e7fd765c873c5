"""What a program did is its doing, whatever state it met; what the test did or scripted is not."""

import pytest

from pytest_fakehv import HypervisorError


def wrong(cluster):
    """Return what is wrong, each with the call that is blamed."""
    return [(each.invariant, each.what, each.call.method, each.call.node) for each in cluster.violations()]


class TestInFlight:
    """Between the source's finalize and the target's."""

    @pytest.mark.parametrize("node", ["node2", "node3", "node1"])
    def test_a_start_of_what_is_on_its_way(self, cluster, master, node):
        master.begin()
        master.end_source()
        cluster[node].StartInstance(master.web1, [], False)
        master.end_target()
        what = f"web1 was started on {node} while it was on its way to node2"
        split = ("split-brain", f"web1 ran on {node} and node2 at once", "StartInstance", node)
        assert wrong(cluster) == [
            ("double-start", what, "StartInstance", node),
            *([] if node == "node2" else [split]),
        ]

    def test_a_start_where_the_target_has_refused_it(self, cluster, master):
        """Somebody was told that it won't arrive; that a person should look is not said by a violation."""
        cluster.script_migration("web1", outcome="completed_but_lost")
        master.begin()
        master.end_source()
        with pytest.raises(HypervisorError):
            master.end_target()
        cluster["node3"].StartInstance(master.web1, [], False)
        assert [each[0] for each in wrong(cluster)] == ["unfinished"]

    def test_a_start_once_the_target_went_down(self, cluster, master):
        master.begin()
        master.end_source()
        cluster["node2"].crash()
        cluster["node3"].StartInstance(master.web1, [], False)
        cluster.assert_consistent()

    def test_a_deed_of_the_test_is_no_start(self, cluster, master):
        master.begin()
        master.end_source()
        cluster["node3"].add_instance("web1")
        master.end_target()
        assert "double-start" not in [each.invariant for each in cluster.violations()]


class TestPostcopy:
    """An abort in postcopy ends the instance, half of whose memory is on each side."""

    @pytest.mark.parametrize("first", ["source", "target"])
    def test_an_abort_by_the_program(self, cluster, master, first):
        cluster.script_migration("web1", postcopy=0, bandwidth=1)
        master.accept()
        master.migrate()
        assert master.status() == "active"
        ends = {"source": master.end_source, "target": master.end_target}
        for side in (first, *(ends.keys() - {first})):
            ends[side](success=False)
        assert cluster.placement() == {}
        (violation,) = cluster.violations()
        assert violation.invariant == "vanished"
        method, node = {
            "source": ("FinalizeMigrationSource", "node1"),
            "target": ("FinalizeMigrationDst", "node2"),
        }[first]
        assert (violation.call.method, violation.call.node) == (method, node)
        assert violation.what.startswith("web1 runs nowhere: it left node1")

    def test_the_drivers_own_limit(self, cluster):
        cluster.script_migration("web1", postcopy=0, bandwidth=1)
        assert cluster.migrate("web1", to="node2", timeout=3).outcome == "failed"
        assert wrong(cluster) == [
            ("vanished", "web1 runs nowhere: it left node1", "FinalizeMigrationDst", "node2")
        ]

    @pytest.mark.parametrize("lose", ["script", "fail_migration", "crash"])
    def test_what_the_test_wanted(self, cluster, master, lose):
        if lose == "script":
            cluster.script_migration("web1", postcopy=0, outcome="failed", polls=1)
        else:
            cluster.script_migration("web1", postcopy=0, bandwidth=1)
        master.accept()
        master.migrate()
        master.status()
        if lose == "crash":
            cluster["node1"].crash()
        elif lose == "fail_migration":
            cluster.fail_migration("web1")
        assert master.status() == "failed" if lose != "crash" else True
        master.end_target(success=False)
        if lose != "crash":
            master.end_source(success=False)
        cluster.assert_consistent()


class TestAbortOfWhatCompleted:
    @pytest.mark.parametrize("first", ["source", "target"])
    def test_by_who_was_told_so(self, cluster, master, first):
        master.begin()
        ends = {"source": master.end_source, "target": master.end_target}
        for side in (first, *(ends.keys() - {first})):
            ends[side](success=False)
        method, node = {
            "source": ("FinalizeMigrationSource", "node1"),
            "target": ("FinalizeMigrationDst", "node2"),
        }[first]
        what = f"the migration of web1 was aborted on {node}, though its status said completed"
        assert wrong(cluster) == [("unearned", what, method, node)]

    def test_by_who_could_not_know(self, cluster, master):
        """The status call had its effect, and its caller was told that it failed."""
        master.accept()
        master.migrate()
        cluster.fault("GetMigrationStatus", when="after")
        with pytest.raises(HypervisorError):
            master.status()
        master.end_target(success=False)
        master.end_source(success=False)
        cluster.assert_consistent()

    def test_by_who_has_looked_at_the_target_since(self, cluster, master):
        master.begin()
        assert master.target.ListInstances() == []
        master.end_target(success=False)
        master.end_source(success=False)
        cluster.assert_consistent()

    def test_where_the_target_has_refused_it(self, cluster, master):
        cluster.script_migration("web1", outcome="completed_but_lost")
        master.begin()
        with pytest.raises(HypervisorError):
            master.end_target()
        master.end_target(success=False)
        master.end_source(success=False)
        cluster.assert_running("web1", on="node1")
        cluster.assert_consistent()

    def test_where_the_target_went_down(self, cluster, master):
        master.begin()
        cluster["node2"].crash()
        master.end_source(success=False)
        cluster.assert_consistent()


TRUE = [1, "yes", [0], 2.5, object()]
FALSE = [0, "", [], None, 0.0]


@pytest.mark.parametrize("value", [*TRUE, *FALSE], ids=lambda each: type(each).__name__)
def test_any_value_is_true_or_false_as_python_has_it(cluster, master, value):
    """The account follows the effect."""
    master.begin()
    master.target.ListInstances()
    master.end_target(success=value)
    master.end_source(success=value)
    assert cluster.placement() == {"web1": "node2" if value else "node1"}
    (migration,) = cluster.migrations
    assert (migration.finalized_on_source, migration.finalized_on_target) == (bool(value), bool(value))
    assert migration.migrated is bool(value)
    cluster.assert_consistent()
