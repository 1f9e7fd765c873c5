"""What must hold of a cluster: what is said where it does not."""

from pathlib import Path

import pytest
from advice import ADVICE
from by_hand import accepted

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, NodeSpec


def split_brain_by_the_test(cluster, master):
    cluster.add_instance("web1", node="node2")
    return [("split-brain", "web1 ran on node1 and node2 at once", None, ("node1", "node2"))]


def split_brain_by_another_program(cluster, master):
    Path(cluster["node3"].root, "web1").write_text("0\n512\n1\n")
    return [("split-brain", "web1 ran on node1 and node3 at once", None, ("node1", "node3"))]


def split_brain_by_aborting_on_the_source_alone(cluster, master):
    master.begin()
    master.end_target()
    master.end_source(success=False)
    return [("split-brain", "web1 ran on node1 and node2 at once", 6, ("node1", "node2"))]


def vanished_by_aborting_what_has_moved(cluster, master):
    cluster.script_migration("web1", outcome="failed_but_moved")
    assert master.begin() == "failed"
    master.end_target(success=False)
    master.end_source(success=False)
    return [("vanished", "web1 runs nowhere: node2 dropped its only copy", 5, ("node2",))]


def vanished_on_the_way(cluster, master):
    cluster.script_migration("web1", outcome="completed_but_lost", polls=1)
    assert master.begin() == "completed"
    master.end_source()
    with pytest.raises(HypervisorError):
        master.end_target()
    return [
        (
            "vanished",
            "web1 runs nowhere: it left node1 and did not arrive on node2",
            5,
            ("node1", "node2"),
        ),
        (
            "unfinished",
            "the migration of web1 from node1 to node2 is not finalized on node2",
            3,
            ("node2",),
        ),
    ]


def vanished_by_ending_it_half_on_each_side(cluster, master):
    master.begin()
    master.end_source()
    master.end_target(success=False)
    return [
        ("vanished", "web1 runs nowhere: it left node1 and did not arrive on node2", 5, ("node1", "node2"))
    ]


def vanished_by_aborting_what_had_arrived(cluster, master):
    master.begin()
    master.end_target()
    master.end_target(success=False)
    master.end_source()
    what = "web1 runs nowhere: it left node1 and was no longer on node2"
    return [("vanished", what, 7, ("node1", "node2"))]


def unfinished_after_accepting(cluster, master):
    master.accept()
    return [("unfinished", "web1 was accepted on node2 and neither migrated nor aborted", 1, ("node2",))]


def unfinished_after_starting(cluster, master):
    master.accept()
    master.migrate()
    return [
        (
            "unfinished",
            "the migration of web1 from node1 to node2 is not finalized on node1, node2",
            2,
            ("node1", "node2"),
        )
    ]


def unfinished_on_the_source(cluster, master):
    master.begin()
    master.end_target()
    return [
        ("unfinished", "the migration of web1 from node1 to node2 is not finalized on node1", 3, ("node1",))
    ]


def unfinished_after_a_failure(cluster, master):
    cluster.script_migration("web1", outcome="failed")
    assert master.begin() == "failed"
    master.end_source(success=False)
    return [
        ("unfinished", "the migration of web1 from node1 to node2 is not finalized on node2", 3, ("node2",))
    ]


def unearned(where, why):
    return f"the migration of web1 was finalized with success on {where}, though {why}"


def unearned_where_none_began(cluster, master):
    master.end_target()
    return [
        ("unearned", unearned("node2", "none began"), 1, ("node2",)),
        ("split-brain", "web1 ran on node1 and node2 at once", 1, ("node1", "node2")),
    ]


def unearned_where_none_began_on_the_source(cluster, master):
    master.end_source()
    return [
        ("unearned", unearned("node1", "none began"), 1, ("node1",)),
        ("vanished", "web1 runs nowhere: node1 dropped its only copy", 1, ("node1",)),
    ]


def unearned_on_a_wrong_node(cluster, master):
    master.begin()
    cluster["node3"].FinalizeMigrationDst(master.web1, "", True)
    master.end_source()
    return [
        ("unearned", unearned("node3", "none to node3 began"), 5, ("node3",)),
        ("split-brain", "web1 ran on node1 and node3 at once", 5, ("node1", "node3")),
        ("unfinished", "the migration of web1 from node1 to node2 is not finalized on node2", 3, ("node2",)),
    ]


def unearned_on_a_wrong_source(cluster, master):
    master.begin()
    master.end_source()
    master.end_target()
    master.target.FinalizeMigrationSource(master.web1, True, True)
    return [
        ("unearned", unearned("node2", "none from node2 began"), 7, ("node2",)),
        ("vanished", "web1 runs nowhere: node2 dropped its only copy", 7, ("node2",)),
    ]


def unearned_while_under_way(cluster, master):
    cluster.script_migration("web1", polls=9)
    master.accept()
    master.migrate()
    assert master.status() == "active"
    master.end_source()
    master.end_target()
    return [
        ("unearned", unearned("node1", "it is under way"), 4, ("node1",)),
        ("unearned", unearned("node2", "it failed"), 5, ("node2",)),
    ]


def unearned_after_a_failure(cluster, master):
    cluster.script_migration("web1", outcome="failed")
    master.begin()
    master.end_target()
    master.end_source()
    return [
        ("unearned", unearned("node2", "it failed"), 5, ("node2",)),
        ("unearned", unearned("node1", "it failed"), 6, ("node1",)),
    ]


def unearned_after_a_cancellation(cluster, master):
    cluster.script_migration("web1", outcome="cancelled")
    master.begin()
    master.end_target()
    master.end_source()
    return [
        ("unearned", unearned("node2", "it was cancelled"), 5, ("node2",)),
        ("unearned", unearned("node1", "it was cancelled"), 6, ("node1",)),
    ]


def unearned_on_a_node_that_did_not_accept(cluster, master):
    master.migrate()
    assert master.status() == "completed"
    master.end_source()
    master.end_target()
    return [
        ("unearned", unearned("node1", "node2 had not accepted the instance"), 3, ("node1",)),
        ("unearned", unearned("node2", "node2 had not accepted the instance"), 4, ("node2",)),
    ]


def double_start(cluster, master):
    cluster["node2"].StartInstance(master.web1, [], False)
    return [
        ("double-start", "web1 was started on node2 while it ran on node1", 1, ("node1", "node2")),
        ("split-brain", "web1 ran on node1 and node2 at once", 1, ("node1", "node2")),
    ]


def double_start_while_the_node_is_only_cut_off(cluster, master):
    cluster["node1"].disconnect()
    assert cluster.failover("web1", to="node3", source_is_down=True).outcome == "completed"
    cluster["node1"].reconnect()
    return [
        ("double-start", "web1 was started on node3 while it ran on node1", 1, ("node1", "node3")),
        ("split-brain", "web1 ran on node1 and node3 at once", 1, ("node1", "node3")),
    ]


SCENARIOS = [
    split_brain_by_the_test,
    split_brain_by_another_program,
    split_brain_by_aborting_on_the_source_alone,
    vanished_by_aborting_what_has_moved,
    vanished_on_the_way,
    vanished_by_ending_it_half_on_each_side,
    vanished_by_aborting_what_had_arrived,
    unfinished_after_accepting,
    unfinished_after_starting,
    unfinished_on_the_source,
    unfinished_after_a_failure,
    unearned_where_none_began,
    unearned_where_none_began_on_the_source,
    unearned_on_a_wrong_node,
    unearned_on_a_wrong_source,
    unearned_while_under_way,
    unearned_after_a_failure,
    unearned_after_a_cancellation,
    unearned_on_a_node_that_did_not_accept,
    double_start,
    double_start_while_the_node_is_only_cut_off,
]


def text_of(cluster, expected):
    """Return what is to be said of violations, by what is expected of each."""
    lines = []
    for place, (invariant, what, number, _) in enumerate(expected):
        lines.append(f"{invariant}: {what}")
        if number is None:
            lines.append("  since no call: the test or another program brought it about")
        else:
            call = cluster.journal.calls()[number - 1]
            lines.append(f"  since call {number}, {call} on {call.node} at {call.place}")
        if invariant not in [each[0] for each in expected[place + 1 :]]:
            lines.append(f"  {ADVICE[invariant]}")
    return "\n".join(lines)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_what_does_not_hold_is_seen(cluster, master, scenario):
    expected = scenario(cluster, master)
    found = cluster.violations()
    assert sorted(
        (each.invariant, each.what, each.call and each.call.number, each.nodes) for each in found
    ) == sorted(expected)
    assert {each.instance for each in found} == {"web1"}
    assert {each.fault for each in found} == {None}
    assert all(each.advice == ADVICE[each.invariant] for each in found)
    with pytest.raises(AssertionError) as caught:
        cluster.assert_consistent()
    assert str(caught.value) == text_of(
        cluster, [(each.invariant, each.what, each.call and each.call.number, ()) for each in found]
    )
    assert cluster["node3"].violations() == found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_what_is_allowed_is_not_reported(cluster, master, scenario):
    expected = scenario(cluster, master)
    names = {invariant for invariant, *_ in expected}
    cluster.assert_consistent(allow=names)
    for name in names:
        if len(names) > 1:
            with pytest.raises(AssertionError):
                cluster.assert_consistent(allow=[name])
        with pytest.raises(AssertionError):
            cluster.assert_consistent(allow=ADVICE.keys() - {name})


def test_the_whole_text(cluster, master):
    cluster["node2"].StartInstance(master.web1, [], False)
    line = cluster.journal[0].line
    with pytest.raises(AssertionError) as caught:
        cluster.assert_consistent()
    assert str(caught.value) == (
        "double-start: web1 was started on node2 while it ran on node1\n"
        "  since call 1, StartInstance('web1', [], False) on node2 "
        f"at tests/judgement/test_invariants.py:{line}\n"
        "  a correct program starts an instance only once it is confirmed that it is stopped everywhere "
        "else; on a node that does not answer it may run\n"
        "split-brain: web1 ran on node1 and node2 at once\n"
        "  since call 1, StartInstance('web1', [], False) on node2 "
        f"at tests/judgement/test_invariants.py:{line}\n"
        "  a correct program starts an instance, or lets it arrive, only where it is known to run nowhere "
        "else"
    )


def test_what_would_have_been_right_is_said_once(cluster, master):
    cluster["node2"].StartInstance(master.web1, [], False)
    cluster["node3"].StartInstance(master.web1, [], False)
    starts = [f"{call} on {call.node} at {call.place}" for call in cluster.journal]
    lines = accepted(cluster, 10)
    with pytest.raises(AssertionError) as caught:
        cluster.assert_consistent()
    assert str(caught.value).splitlines() == [
        "double-start: web1 was started on node2 while it ran on node1",
        f"  since call 1, {starts[0]}",
        "split-brain: web1 ran on node1 and node2 at once",
        f"  since call 1, {starts[0]}",
        "double-start: web1 was started on node3 while it ran on node1, node2",
        f"  since call 2, {starts[1]}",
        f"  {ADVICE['double-start']}",
        "split-brain: web1 ran on node1 and node2 and node3 at once",
        f"  since call 2, {starts[1]}",
        f"  {ADVICE['split-brain']}",
        *lines,
        f"  {ADVICE['unfinished']}",
    ]


@pytest.mark.parametrize(
    ("count", "more"), [(10, []), (11, ["unfinished: and 1 more"]), (13, ["unfinished: and 3 more"])]
)
def test_of_very_many_the_first_are_told(cluster, count, more):
    lines = accepted(cluster, count)
    fault = cluster.fault("ListInstances")
    with pytest.raises(AssertionError) as caught:
        cluster.assert_consistent()
    assert str(caught.value).splitlines() == [
        *lines[:20],
        *more,
        f"  {ADVICE['unfinished']}",
        f"unfired: fault('ListInstances') at {fault.origin} never fired: no such call came",
        f"  {ADVICE['unfired']}",
    ]


class TestOvercommit:
    @pytest.fixture
    def hv(self, tmp_path) -> FakeHypervisor:
        """A node with 1000 MiB for instances."""
        spec = NodeSpec("node1", memory=1200, reserved_memory=200, overcommit=False)
        return FakeCluster(tmp_path, spec, NodeSpec("node2", memory=1))["node1"]

    def test_it_is_seen(self, hv):
        hv.add_instance("web1", memory=600)
        Path(hv.root, "web2").write_text("0\n500\n1\n")
        (found,) = hv.violations()
        assert (found.invariant, found.instance, found.nodes, found.call, found.fault) == (
            "overcommit",
            None,
            ("node1",),
            None,
            None,
        )
        with pytest.raises(AssertionError) as caught:
            hv.assert_consistent()
        assert str(caught.value) == (
            "overcommit: node1 has 1000 MiB for instances, and they have 1100 MiB\n"
            "  a correct program asks a node for its free memory before it gives any of it away"
        )
        hv.assert_consistent(allow=["overcommit"])

    def test_what_just_fits_and_what_is_refused_is_not(self, hv):
        hv.add_instance("web1", memory=1000)
        with pytest.raises(HypervisorError):
            hv.StartInstance(hv.instance("web2", memory=1), [], False)
        hv.assert_consistent()

    def test_a_node_that_overcommits_may(self, hv):
        hv.cluster["node2"].add_instance("web1", memory=5)
        hv.assert_consistent()


def test_an_unfired_fault(cluster):
    fault = cluster.fault("StopInstance")
    (found,) = cluster.violations()
    assert (found.invariant, found.instance, found.nodes, found.call, found.fault) == (
        "unfired",
        None,
        (),
        None,
        fault,
    )
    with pytest.raises(AssertionError) as caught:
        cluster.assert_consistent()
    assert str(caught.value) == f"unfired: {found.what}\n  {ADVICE['unfired']}"


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_a_split_brain_that_has_healed_is_still_reported(cluster, master, node):
    cluster["node2"].StartInstance(master.web1, [], False)
    cluster[node].StopInstance(master.web1)
    assert [each.invariant for each in cluster.violations()] == ["double-start", "split-brain"]


def test_a_split_brain_that_another_program_has_healed_is_still_reported(cluster):
    cluster.add_instance("web1", node="node2")
    Path(cluster["node2"].root, "web1").unlink()
    assert [each.invariant for each in cluster.violations()] == ["split-brain"]
    cluster["node1"].StopInstance(None, name="web1")
    assert [each.invariant for each in cluster.violations()] == ["split-brain"]


def test_what_vanished_and_comes_back_is_not_reported(cluster, master):
    cluster.fault("FinalizeMigrationDst", times=1)
    assert cluster.migrate("web1", to="node2").outcome == "failed"
    assert {each.invariant for each in cluster.violations()} == {"vanished", "unfinished"}
    master.end_target()
    cluster.assert_consistent()
    cluster.assert_running("web1", on="node2")


def test_an_instance_that_was_stopped_once_and_comes_back_is_seen_when_it_is_stopped_again(tmp_path):
    """Another program brings it back twice; in between, a wrong finalize takes it away."""
    cluster = FakeCluster(tmp_path)
    node1 = cluster["node1"]
    web1 = cluster.instance("web1")
    file = tmp_path / "node1" / "web1"
    node1.StartInstance(web1, [], False)
    node1.StopInstance(web1)
    file.write_text("0\n1024\n1\n")
    assert cluster.violations() == []
    node1.FinalizeMigrationSource(web1, True, True)
    assert [each.invariant for each in cluster.violations()] == ["unearned", "vanished"]
    file.write_text("0\n1024\n1\n")
    node1.StopInstance(web1)
    assert [each.invariant for each in cluster.violations()] == ["unearned"]


def test_where_another_program_stopped_one_and_brought_it_back_nobody_has_stopped_it(tmp_path):
    cluster = FakeCluster(tmp_path, clock="manual")
    cluster.add_instance("web1")
    node1, node2 = cluster
    web1 = cluster.instance("web1")
    node2.AcceptInstance(web1, node1.MigrationInfo(web1), "node2")
    node1.MigrateInstance("c", web1, "node2", True)
    cluster.clock.advance(100)
    node1.GetMigrationStatus(web1)
    node2.FinalizeMigrationDst(web1, b"", True)
    file = tmp_path / "node2" / "web1"
    content = file.read_text()
    file.unlink()
    assert [each.invariant for each in cluster.violations()] == ["unfinished"]
    file.write_text(content)
    assert [each.invariant for each in cluster.violations()] == ["split-brain", "unfinished"]
    node2.FinalizeMigrationDst(web1, b"", False)
    node1.FinalizeMigrationSource(web1, True, True)
    assert [each.invariant for each in cluster.violations()] == ["split-brain", "vanished"]
