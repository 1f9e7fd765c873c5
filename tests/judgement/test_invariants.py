"""What must hold of a cluster: what is said where it does not, and nothing where it does."""

import logging
import os
import shutil
import subprocess
import sys
import threading
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HypervisorError,
    InstanceSpec,
    NodeSpec,
)

ADVICE = {
    "split-brain": (
        "a correct program starts an instance, or lets it arrive, only where it is known to run nowhere else"
    ),
    "vanished": (
        "a correct program finalizes a migration with success on both nodes or on none, and looks at both "
        "before it aborts one"
    ),
    "unfinished": (
        "a correct program ends every migration on both nodes, also a refused or failed one, and tries again "
        "where a finalize fails"
    ),
    "unearned": (
        "a correct program finalizes with success only once the status says completed; else it aborts on both"
    ),
    "double-start": (
        "a correct program starts an instance only once it is confirmed that it is stopped everywhere else"
    ),
    "overcommit": "a correct program asks a node for its free memory before it gives any of it away",
    "unfired": (
        "a correct test makes the call that its fault is about; one that may never fire is declared optional"
    ),
}


@pytest.fixture(autouse=True)
def _quiet():
    """A power cycle leaves a line in the log each time."""
    logging.getLogger("pytest_fakehv").setLevel(logging.CRITICAL)


def small_cluster(root, **kwargs) -> FakeCluster:
    """Three nodes; web1 runs on the first."""
    nodes = [NodeSpec("node1"), NodeSpec("node2"), NodeSpec("node3")]
    return FakeCluster(root, *nodes, instances=[InstanceSpec("web1")], **kwargs)


@pytest.fixture
def cluster(tmp_path) -> FakeCluster:
    return small_cluster(tmp_path)


class Master:
    """Makes the calls of a migration of web1 from node1 to node2, one at a time."""

    def __init__(self, cluster, *, live=True):
        self.cluster = cluster
        self.source, self.target = cluster["node1"], cluster["node2"]
        self.web1 = self.source.instance("web1")
        self.live = live

    def info(self):
        return self.source.MigrationInfo(self.web1)

    def accept(self):
        self.target.AcceptInstance(self.web1, "", "node2")

    def migrate(self):
        self.source.MigrateInstance("cluster", self.web1, "node2", self.live)

    def status(self):
        return self.source.GetMigrationStatus(self.web1).status

    def end_source(self, *, success=True):
        self.source.FinalizeMigrationSource(self.web1, success, self.live)

    def end_target(self, *, success=True):
        self.target.FinalizeMigrationDst(self.web1, "", success)

    def begin(self):
        """Migrate, as far as the status says anything but active."""
        self.info()
        self.accept()
        self.migrate()
        while (status := self.status()) == "active":
            pass
        return status


@pytest.fixture
def master(cluster) -> Master:
    return Master(cluster)


# What is seen


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
    return [("vanished", "web1 runs nowhere: it left node2", 5, ("node2",))]


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
        ("vanished", "web1 runs nowhere: it left node1", 1, ("node1",)),
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
    unfinished_after_accepting,
    unfinished_after_starting,
    unfinished_on_the_source,
    unfinished_after_a_failure,
    unearned_where_none_began,
    unearned_where_none_began_on_the_source,
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
        "else\n"
        "split-brain: web1 ran on node1 and node2 at once\n"
        "  since call 1, StartInstance('web1', [], False) on node2 "
        f"at tests/judgement/test_invariants.py:{line}\n"
        "  a correct program starts an instance, or lets it arrive, only where it is known to run nowhere "
        "else"
    )


def accepted(cluster, count):
    """Leave so many instances accepted; return how each is told."""
    lines = []
    for number in range(1, count + 1):
        cluster["node2"].AcceptInstance(cluster.instance(f"db{number}"), "", "node2")
        call = cluster.journal[-1]
        lines += [
            f"unfinished: db{number} was accepted on node2 and neither migrated nor aborted",
            f"  since call {call.number}, {call} on node2 at {call.place}",
        ]
    return lines


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


def test_of_very_many_the_first_are_told(cluster):
    lines = accepted(cluster, 13)
    fault = cluster.fault("ListInstances")
    with pytest.raises(AssertionError) as caught:
        cluster.assert_consistent()
    assert str(caught.value).splitlines() == [
        *lines[:20],
        "unfinished: and 3 more",
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


@pytest.mark.parametrize(
    ("allow", "text"),
    [
        (
            ["vanish"],
            (
                "allow has 'vanish'; valid: split-brain, vanished, unfinished, unearned, double-start, "
                "overcommit, unfired"
            ),
        ),
        (
            ["unfired", 5],
            (
                "allow has 5; valid: split-brain, vanished, unfinished, unearned, double-start, "
                "overcommit, unfired"
            ),
        ),
        (
            [["unfired"]],
            (
                "allow has ['unfired']; valid: split-brain, vanished, unfinished, unearned, double-start, "
                "overcommit, unfired"
            ),
        ),
        ("vanished", "allow must be a list of invariants, not 'vanished'"),
        (5, "allow must be a list of invariants, not 5"),
        (None, "allow must be a list of invariants, not None"),
    ],
)
def test_wrong_names_of_invariants(cluster, allow, text):
    with pytest.raises(DeclarationError) as caught:
        cluster.assert_consistent(allow=allow)
    assert str(caught.value) == text


class TestAllow:
    """A test may excuse what is wrong, of one instance alone or of any."""

    def unfinished(self, cluster):
        return [each.instance for each in cluster.violations() if each.invariant == "unfinished"]

    def test_of_one_instance(self, cluster):
        accepted(cluster, 3)
        cluster.allow("unfinished", instance="db2")
        assert self.unfinished(cluster) == ["db1", "db3"]
        cluster["node1"].allow("unfinished", instance=cluster.instance("db3"))
        assert self.unfinished(cluster["node2"]) == ["db1"]
        with pytest.raises(AssertionError) as caught:
            cluster.assert_consistent()
        call = cluster.journal[0]
        assert str(caught.value).splitlines() == [
            "unfinished: db1 was accepted on node2 and neither migrated nor aborted",
            f"  since call 1, {call} on node2 at {call.place}",
            f"  {ADVICE['unfinished']}",
        ]
        cluster.assert_consistent(allow=["unfinished"])
        assert [each.what for each in cluster.timeline().troubles] == [
            "db1 was accepted on node2 and neither migrated nor aborted"
        ]

    def test_of_any(self, cluster):
        cluster.allow("unfinished")
        accepted(cluster, 3)
        cluster.assert_consistent()

    def test_several(self, cluster, master):
        cluster["node2"].StartInstance(master.web1, [], False)
        cluster.fault("ListInstances")
        assert [each.invariant for each in cluster.violations()] == [
            "double-start",
            "split-brain",
            "unfired",
        ]
        cluster.allow("split-brain", "double-start", instance="web1")
        assert [each.invariant for each in cluster.violations()] == ["unfired"]
        cluster.allow("unfired", "overcommit")
        cluster.assert_consistent()

    def test_another_instance_or_invariant_is_not_excused(self, cluster):
        accepted(cluster, 1)
        cluster.allow("unfinished", instance="db2")
        cluster.allow("vanished", instance="db1")
        assert self.unfinished(cluster) == ["db1"]

    def test_at_the_end_of_a_test(self, pytester):
        result = run(
            pytester,
            """
@mark.fakehv_instance("web2", node="node1")
def test_some(fakehv_cluster):
    node2 = fakehv_cluster["node2"]
    fakehv_cluster.allow("unfinished", instance="web1")
    for name in ("web1", "web2"):
        node2.AcceptInstance(fakehv_cluster.instance(name), "", "node2")

def test_all(fakehv_cluster):
    fakehv_cluster["node2"].AcceptInstance(fakehv_cluster.instance("web1"), "", "node2")
    fakehv_cluster.allow("unfinished", instance="web1")
""",
        )
        result.assert_outcomes(passed=1, failed=1)
        (lines,) = said(result).values()
        assert [line for line in lines if not line.startswith("  since")] == [
            "unfinished: web2 was accepted on node2 and neither migrated nor aborted",
            f"  {ADVICE['unfinished']}",
        ]

    @pytest.mark.parametrize(
        ("invariants", "instance", "text"),
        [
            ([], None, f"allow needs an invariant; valid: {', '.join(ADVICE)}"),
            (["unfinish"], "web1", f"allow has 'unfinish'; valid: {', '.join(ADVICE)}"),
            ([["vanished"]], None, f"allow has ['vanished']; valid: {', '.join(ADVICE)}"),
            (["vanished"], "", "instance is invalid: '': it is empty"),
            (["vanished"], 5, "instance is invalid: 5: it is of type int, not a text"),
            (["vanished", "unfired"], "web1", "unfired is about no instance; allow it without one"),
            (["overcommit"], "web1", "overcommit is about no instance; allow it without one"),
        ],
    )
    def test_wrong_arguments(self, cluster, invariants, instance, text):
        with pytest.raises(DeclarationError) as caught:
            cluster.allow(*invariants, instance=instance)
        assert str(caught.value) == text
        assert cluster.shared.allowed == set()


# No false alarm

SCRIPTS = {
    "unscripted": {},
    "completed": {"polls": 2},
    "by RAM": {"bandwidth": 512, "dirty_rate": 100},
    "failed": {"outcome": "failed", "polls": 2},
    "cancelled": {"outcome": "cancelled", "at": 0.5},
    "postcopy": {"postcopy": 1, "bandwidth": 512, "dirty_rate": 500},
    "postcopy failed": {"postcopy": 0, "outcome": "failed"},
}


def stop(node):
    if node.runs("web1"):
        node.StopInstance(node.instance("web1"))


def restart(node):
    node.crash()
    node.boot()


EVENTS = {
    "nothing": lambda _node: None,
    "crash": FakeHypervisor.crash,
    "crash and boot": restart,
    "power cycle": FakeHypervisor.PowercycleNode,
    "disconnect": FakeHypervisor.disconnect,
    "stop": stop,
}


def drive(master, order, before_step):
    """Drive a migration to its end, whatever the calls raise, with something done before each step."""

    def step(function, **kwargs):
        before_step()
        try:
            return function(**kwargs)
        except HypervisorError as error:
            return error

    if isinstance(step(master.info), HypervisorError):
        return
    status = step(master.accept) or step(master.migrate) or "active"
    while status == "active":
        status = step(master.status)
    success = status == "completed"
    ends = {"source": master.end_source, "target": master.end_target}
    for side in order:
        step(ends[side], success=success)
    before_step()


ORDERS = [("source", "target"), ("target", "source")]


@pytest.mark.parametrize("live", [True, False], ids=["live", "non-live"])
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("event", EVENTS)
def test_a_migration_driven_to_its_end_is_quiet_whatever_befalls_a_node(tmp_path, event, script, order, live):
    if not live and "postcopy" in script:
        return
    for node, at in product(["node1", "node2", "node3"], range(9)):
        cluster = small_cluster(tmp_path / f"{node}-{at}")
        if SCRIPTS[script]:
            cluster.script_migration("web1", **SCRIPTS[script])
        left = [at]

        def before_step(left=left, cluster=cluster, node=node):
            if left[0] == 0:
                EVENTS[event](cluster[node])
            left[0] -= 1

        drive(Master(cluster, live=live), order, before_step)
        assert (node, at, cluster.violations()) == (node, at, [])


REPEATED = [
    ["source", "target"],
    ["target", "source"],
    ["source", "source", "target"],
    ["target", "target", "source", "source"],
    ["source", "target", "source", "target"],
    ["target", "source", "target", "source"],
]


@pytest.mark.parametrize("live", [True, False], ids=["live", "non-live"])
@pytest.mark.parametrize("sides", REPEATED, ids="-".join)
def test_finalizing_in_either_order_and_again_is_quiet(tmp_path, sides, live):
    cluster = small_cluster(tmp_path)
    master = Master(cluster, live=live)
    assert master.begin() == "completed"
    for side in sides:
        master.end_source() if side == "source" else master.end_target()
    assert cluster.violations() == []
    assert cluster.placement() == {"web1": "node2"}


@pytest.mark.parametrize("live", [True, False], ids=["live", "non-live"])
@pytest.mark.parametrize("sides", REPEATED, ids="-".join)
@pytest.mark.parametrize("steps", range(5))
def test_aborting_after_any_step_in_either_order_and_again_is_quiet(tmp_path, steps, sides, live):
    cluster = small_cluster(tmp_path)
    master = Master(cluster, live=live)
    for step in (master.info, master.accept, master.migrate, master.status)[:steps]:
        step()
    for side in sides:
        (master.end_source if side == "source" else master.end_target)(success=False)
    assert cluster.violations() == []
    cluster.assert_running("web1", on="node1")


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("steps", ["", "i", "ia", "iam", "iams", "iamst", "iamsd", "iamsdt", "iamstd"])
def test_cleaning_up_after_an_interruption(tmp_path, steps, event):
    """Once the nodes answer, nothing is left behind; but what has left the source alone is gone."""
    for node in ("node1", "node2"):
        cluster = small_cluster(tmp_path / node)
        master = Master(cluster)
        calls = {
            "i": master.info,
            "a": master.accept,
            "m": master.migrate,
            "s": master.status,
            "d": master.end_source,
            "t": master.end_target,
        }
        for step in steps:
            calls[step]()
        EVENTS[event](cluster[node])
        cluster.clean_up("web1", to="node2", source="node1")
        cluster[node].boot()
        cluster[node].reconnect()
        cluster.clean_up("web1", to="node2", source="node1")
        target_is_gone = node == "node2" and event in ("crash", "crash and boot", "power cycle")
        lost = ["vanished"] if steps == "iamsd" and not target_is_gone else []
        assert (node, [each.invariant for each in cluster.violations()]) == (node, lost)


@pytest.mark.parametrize("event", ["crash", "crash and boot", "power cycle"])
def test_a_failover_from_a_node_that_went_down_is_quiet(cluster, event):
    EVENTS[event](cluster["node1"])
    assert cluster.failover("web1", to="node2", source="node1", source_is_down=True).outcome == "completed"
    cluster["node1"].boot()
    assert cluster.failover("web1", to="node3").outcome == "completed"
    assert cluster.migrate("web1", to="node1").outcome == "completed"
    cluster.assert_consistent()


def test_a_failover_that_a_node_that_is_cut_off_refuses_is_quiet(cluster):
    cluster["node1"].disconnect()
    assert cluster.failover("web1", to="node2").outcome == "failed"
    cluster.assert_consistent()
    cluster["node1"].reconnect()
    assert cluster.failover("web1", to="node2").outcome == "completed"
    cluster.assert_consistent()


@pytest.mark.parametrize("why", ["power cycle", "fault"])
def test_a_node_that_goes_down_within_a_call_is_quiet(cluster, master, why):
    if why == "fault":
        cluster.fault("RebootInstance", crash=True)
        with pytest.raises(HypervisorError):
            master.source.RebootInstance(master.web1)
    else:
        master.source.PowercycleNode()
    cluster.assert_stopped("web1")
    cluster.assert_consistent()


def test_starting_again_after_a_stop_is_quiet(cluster, master):
    for node in (*cluster, cluster["node1"]):
        stop(cluster[cluster.placement()["web1"]])
        node.StartInstance(master.web1, [], False)
    cluster.assert_consistent()


def test_an_instance_that_is_stopped_between_the_two_finalizes_is_quiet(cluster, master):
    master.begin()
    master.end_target()
    master.target.StopInstance(master.web1)
    master.end_source()
    cluster.assert_stopped("web1")
    cluster.assert_consistent()


def test_an_instance_that_arrived_and_was_aborted_is_still_missed(cluster, master):
    master.begin()
    master.end_target()
    master.end_target(success=False)
    master.end_source()
    assert [each.invariant for each in cluster.violations()] == ["vanished"]


def test_a_stop_of_long_ago_excuses_nothing(cluster, master):
    assert cluster.migrate("web1", to="node2").outcome == "completed"
    master.target.StopInstance(master.web1)
    master.source.StartInstance(master.web1, [], False)
    cluster.fault("FinalizeMigrationDst")
    cluster.migrate("web1", to="node2")
    assert "vanished" in {each.invariant for each in cluster.violations()}


def test_a_finalize_of_long_ago_excuses_nothing(cluster, master):
    assert cluster.migrate("web1", to="node2").outcome == "completed"
    master.target.StopInstance(master.web1)
    master.source.StartInstance(master.web1, [], False)
    master.end_source()
    assert [each.invariant for each in cluster.violations()] == ["unearned", "vanished"]


def test_a_second_finalize_that_starts_it_again_is_unearned(cluster, master):
    assert cluster.migrate("web1", to="node2").outcome == "completed"
    master.target.StopInstance(master.web1)
    master.end_target()
    assert [each.what for each in cluster.violations()] == [
        "the migration of web1 was finalized with success on node2, though it was finalized there before"
    ]


def test_a_pause_that_outlives_its_migration_is_not_finished(cluster, master):
    """A non-live migration that failed is tried again without an abort: web1 arrives, and stays paused."""
    cluster.script_migration("web1", outcome="failed", polls=1, times=1)
    for _ in range(2):
        cluster["node2"].AcceptInstance(master.web1, "", "node2")
        cluster["node1"].MigrateInstance("cluster", master.web1, "node2", False)
        cluster["node1"].GetMigrationStatus(master.web1)
    cluster["node1"].FinalizeMigrationSource(master.web1, True, False)
    cluster["node2"].FinalizeMigrationDst(master.web1, "", True)
    cluster.assert_paused("web1", on="node2")
    assert [each.what for each in cluster.violations()] == [
        "the migration of web1 from node1 to node2 is not finalized on node1"
    ]


WRONG_AT_ANY_TIME = {"split-brain", "double-start", "unearned"}
"""The others look, in the middle of a migration, at what is still to come."""


def kinds(cluster):
    return [each.invariant for each in cluster.violations()]


def test_a_migration_that_is_over_can_not_be_finalized_into_another(cluster, master):
    """Neither after it was aborted on both, nor there and back again."""
    master.begin()
    master.end_target(success=False)
    master.end_source(success=False)
    master.end_source()
    master.end_target()
    assert [each.what for each in cluster.violations()] == [
        f"the migration of web1 was finalized with success on {node}, though it was aborted there before"
        for node in ("node1", "node2")
    ]


@pytest.mark.parametrize("befall", ["crash", "disconnect"])
def test_what_was_lost_stays_so_whatever_becomes_of_the_target(cluster, master, befall):
    master.begin()
    master.end_source()
    master.end_target(success=False)
    assert kinds(cluster) == ["vanished"]
    getattr(cluster["node2"], befall)()
    assert kinds(cluster) == ["vanished"]


def test_a_new_accept_is_not_covered_by_a_migration_that_was_aborted_there(cluster, master):
    master.accept()
    master.migrate()
    master.end_target(success=False)
    cluster["node1"].disconnect()
    master.accept()
    assert [each.what for each in cluster.violations()] == [
        "web1 was accepted on node2 and neither migrated nor aborted"
    ]


def test_a_late_second_finalize_of_an_earlier_migration_is_quiet(cluster, master):
    """It comes while the next migration is between its two finalizes."""
    assert cluster.migrate("web1", to="node2").outcome == "completed"
    assert cluster.migrate("web1", to="node1").outcome == "completed"
    master.begin()
    master.end_target()
    cluster["node1"].FinalizeMigrationDst(master.web1, "", True)
    master.end_source()
    assert kinds(cluster) == []


def test_a_second_finalize_after_a_powercycle_changes_nothing_and_is_quiet(cluster, master):
    master.begin()
    master.end_target()
    cluster["node2"].PowercycleNode()
    with pytest.raises(HypervisorError, match="its memory has not arrived"):
        master.end_target()
    master.end_source()
    assert kinds(cluster) == []


def test_what_a_stop_takes_that_another_call_makes_has_not_vanished(root):
    class Tidy(FakeHypervisor):
        def CleanupInstance(self, instance_name):
            self.StopInstance(None, name=instance_name)

    cluster = FakeCluster(root, hypervisor=Tidy, instances=[InstanceSpec("web1")])
    cluster["node1"].CleanupInstance("web1")
    assert kinds(cluster) == []


def test_what_another_program_moves_is_nobodys_fault(tmp_path):
    cluster = FakeCluster(tmp_path / "c", instances=[InstanceSpec("web1", node="node2")])
    os.rename(f"{cluster['node2'].root}/web1", f"{cluster['node1'].root}/web1")
    assert kinds(cluster) == []


def test_what_another_program_stops_may_be_started_elsewhere(tmp_path):
    cluster = FakeCluster(tmp_path / "c", instances=[InstanceSpec("web1", node="node1")])
    os.unlink(f"{cluster['node1'].root}/web1")
    cluster["node2"].StartInstance(cluster["node1"].instance("web1"), [], False)
    # The place that is gone is forgotten: what takes it from node2 takes all there is.
    cluster["node2"].FinalizeMigrationSource(cluster["node1"].instance("web1"), True, True)
    assert kinds(cluster) == ["unearned", "vanished"]


def test_a_root_that_is_gone_holds_nothing(tmp_path):
    cluster = FakeCluster(tmp_path / "c", instances=[InstanceSpec("web1", node="node1")])
    shutil.rmtree(cluster["node1"].root)
    cluster["node2"].StartInstance(cluster["node2"].instance("web1"), [], False)
    assert kinds(cluster) == []


def test_looking_does_not_deadlock_with_migrations_nor_blame_them(root):
    """One thread migrates back and forth, the other one looks; neither may keep this one waiting."""
    cluster = FakeCluster(root, instances=[InstanceSpec("web1")])
    found = []
    done = threading.Event()

    def move():
        for to in ("node2", "node1") * 100:
            cluster.migrate("web1", to=to)
        done.set()

    def look():
        while not done.is_set():
            found.extend(each for each in cluster.violations() if each.invariant in WRONG_AT_ANY_TIME)

    threads = [threading.Thread(target=work, daemon=True) for work in (move, look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert found == []
    assert kinds(cluster) == []


def test_a_look_gives_up_where_instances_start_all_the_time(root):
    class Restless(FakeHypervisor):
        def _file_names(self):
            self.add_instance(f"web{len(self.instances)}")
            return super()._file_names()

    cluster = FakeCluster(root, NodeSpec("node1"), hypervisor=Restless)
    assert kinds(cluster) == []
    assert len(cluster["node1"].instances) == 5


def test_a_postcopy_that_only_says_that_it_failed_can_be_killed_all_the_same(cluster, master):
    cluster.script_migration("web1", outcome="failed_but_moved", postcopy=0)
    assert master.begin() == "failed"
    cluster.assert_running("web1", on="node2")
    master.end_target(success=False)
    master.end_source(success=False)
    assert kinds(cluster) == ["vanished"]


@pytest.mark.parametrize("lock", ["watcher", "faults", "traffic", "clock"])
def test_a_forked_child_does_not_wait_for_a_thread_that_it_has_not(tmp_path, lock):
    """In a process of its own: one that runs threads warns of forks."""
    code = f"""
import os, signal, threading
from pytest_fakehv import FakeCluster
cluster = FakeCluster({str(tmp_path / "c")!r})
held, done = threading.Event(), threading.Event()
shared = cluster.shared
lock = {{"watcher": shared.watcher._lock, "faults": shared.faults._lock, "traffic": shared.traffic.lock,
         "clock": shared.clock._lock}}[{lock!r}]
def hold():
    with lock:
        held.set()
        done.wait(60)
threading.Thread(target=hold, daemon=True).start()
held.wait(60)
child = os.fork()
if not child:
    signal.alarm(30)
    web1 = cluster.add_instance("web1")
    cluster.fault("ListInstances", optional=True)
    cluster.migrate("web1", to="node2")
    cluster.violations()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)


def test_a_finalize_where_nothing_began_and_nothing_changes_is_quiet(cluster):
    node1, node2, _ = cluster
    web1 = node1.instance("web1")
    node1.FinalizeMigrationDst(web1, "", True)
    node2.FinalizeMigrationSource(web1, True, True)
    cluster.assert_running("web1", on="node1")
    cluster.assert_consistent()


def test_a_finalize_that_failed_and_was_tried_again_is_quiet(cluster, master):
    for method in ("FinalizeMigrationSource", "FinalizeMigrationDst"):
        cluster.fault(method, times=1)
    master.begin()
    for end in (master.end_source, master.end_target):
        with pytest.raises(HypervisorError):
            end()
    master.end_target()
    master.end_source()
    cluster.assert_consistent()


@pytest.mark.parametrize("steps", [0, 3, 4, 5])
def test_a_node_that_is_taken_out_is_quiet(cluster, master, steps):
    cluster.add_instance("web2", node="node1")
    calls = (master.info, master.accept, master.migrate, master.status, master.end_source)
    for step in calls[:steps]:
        step()
    if steps == 3:
        cluster.fail_migration("web1")
    cluster.remove_node("node2")
    if steps in (3, 4):
        master.end_source(success=False)
    cluster.assert_consistent()
    cluster.add_node("node2")
    cluster.assert_consistent()


def test_what_a_node_that_is_cut_off_left_open_is_reported_once_it_answers(cluster, master):
    master.begin()
    cluster["node2"].disconnect()
    master.end_source()
    with pytest.raises(HypervisorError):
        master.end_target()
    cluster.assert_consistent()
    cluster["node2"].reconnect()
    assert [each.invariant for each in cluster.violations()] == ["vanished", "unfinished"]
    master.end_target()
    cluster.assert_consistent()


def test_a_migration_to_a_node_that_is_down_is_refused(cluster, master):
    master.accept()
    cluster["node2"].crash()
    with pytest.raises(HypervisorError, match="the target 'node2' is down"):
        master.migrate()
    master.end_source(success=False)
    cluster.assert_running("web1", on="node1")
    cluster.assert_consistent()


def test_what_other_programs_do_to_the_files_is_nobodys_fault(cluster):
    Path(cluster["node1"].root, "web1").unlink()
    Path(cluster["node2"].root, "web2").write_text("0\n512\n1\n")
    Path(cluster["node2"].root, "bad").write_text("?")
    cluster.assert_consistent()


@pytest.mark.parametrize("overcommit", [True, False])
def test_a_root_that_the_test_has_removed_is_quiet(tmp_path, overcommit):
    hv = FakeHypervisor(tmp_path / "root", spec=NodeSpec("node1", overcommit=overcommit))
    hv.add_instance("web1")
    shutil.rmtree(hv.root)
    hv.assert_consistent()


def test_a_cluster_that_was_not_used_is_quiet_and_its_nodes_roots_are_not_made(tmp_path):
    FakeCluster(tmp_path).assert_consistent()
    assert list(tmp_path.iterdir()) == []


class TestAlone:
    """A node of no cluster knows nothing of the other side."""

    @pytest.mark.parametrize("success", [True, False])
    def test_a_source_is_quiet(self, tmp_path, success):
        hv = FakeHypervisor(tmp_path)
        web1 = hv.add_instance("web1")
        hv.MigrateInstance("cluster", web1, "elsewhere", True)
        assert hv.GetMigrationStatus(web1).status == "completed"
        hv.FinalizeMigrationSource(web1, success, True)
        assert hv.runs("web1") != success
        hv.assert_consistent()

    @pytest.mark.parametrize("success", [True, False])
    def test_a_target_is_quiet(self, tmp_path, success):
        hv = FakeHypervisor(tmp_path)
        web1 = hv.instance("web1")
        hv.AcceptInstance(web1, "", "here")
        hv.FinalizeMigrationDst(web1, "", success)
        assert hv.runs("web1") == success
        hv.assert_consistent()

    def test_what_it_leaves_open_is_seen(self, tmp_path):
        hv = FakeHypervisor(tmp_path)
        hv.AcceptInstance(hv.instance("web1"), "", "here")
        (found,) = hv.violations()
        assert found.what == "web1 was accepted on localhost and neither migrated nor aborted"


CONSEQUENCES = {
    # The status says completed.
    (True, "FinalizeMigrationSource", "before"): {
        ("unfinished", "the migration of web1 from node1 to node2 is not finalized on node1")
    },
    (True, "FinalizeMigrationDst", "before"): {
        ("vanished", "web1 runs nowhere: it left node1 and did not arrive on node2"),
        ("unfinished", "the migration of web1 from node1 to node2 is not finalized on node2"),
    },
    # It doesn't, and the driver aborts.
    (False, "FinalizeMigrationSource", "before"): {
        ("unfinished", "the migration of web1 from node1 to node2 is not finalized on node1")
    },
    (False, "FinalizeMigrationDst", "before"): {
        ("unfinished", "the migration of web1 from node1 to node2 is not finalized on node2")
    },
}
"""A finalize that fails before it has any effect is not made good: by whether it completed, method, when."""


@pytest.mark.parametrize("live", [True, False], ids=["live", "non-live"])
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "method",
    [
        "MigrationInfo",
        "AcceptInstance",
        "MigrateInstance",
        "GetMigrationStatus",
        "FinalizeMigrationSource",
        "FinalizeMigrationDst",
    ],
)
def test_of_a_call_that_fails_once_only_the_documented_consequences_are_reported(
    tmp_path, method, when, script, live
):
    if not live and "postcopy" in script:
        return
    cluster = small_cluster(tmp_path)
    if SCRIPTS[script]:
        cluster.script_migration("web1", **SCRIPTS[script])
    cluster.fault(method, times=1, when=when)
    cluster.migrate("web1", to="node2", live=live)
    completed = "failed" not in script and script != "cancelled"
    expected = CONSEQUENCES.get((completed, method, when), set())
    assert {(each.invariant, each.what) for each in cluster.violations()} == expected
    cluster.clean_up("web1", to="node2", source="node1", live=live)
    vanished = {each for each in expected if each[0] == "vanished"}
    assert {(each.invariant, each.what) for each in cluster.violations()} == vanished


NODES = ("node1", "node2", "node3")
INSTANCES = ("web1", "web2")

nodes = st.sampled_from(NODES)
instances = st.sampled_from(INSTANCES)
operations = st.one_of(
    *(st.tuples(st.just("start"), instances, nodes) for _ in range(3)),
    st.tuples(st.just("stop"), instances),
    *(st.tuples(st.just("migrate"), instances, nodes, st.booleans()) for _ in range(4)),
    st.tuples(st.just("failover"), instances, nodes),
    st.tuples(st.just("script"), instances, st.sampled_from([*SCRIPTS.values()])),
    st.tuples(st.just("crash"), nodes),
    *(st.tuples(st.just("boot"), nodes) for _ in range(2)),
    st.tuples(st.just("powercycle"), nodes),
    st.tuples(st.just("disconnect"), nodes),
)


class Program:
    """Uses a cluster as a correct program would: it waits until it knows of every node what runs there."""

    def __init__(self, cluster):
        self.cluster = cluster

    def where(self, instance):
        for node in self.cluster:
            node.reconnect()
        return self.cluster.placement().get(instance)

    def start(self, instance, node):
        if self.where(instance) is None and not self.cluster[node].unreachable:
            self.cluster[node].StartInstance(self.cluster[node].instance(instance), [], False)

    def stop(self, instance):
        if node := self.where(instance):
            self.cluster[node].StopInstance(None, name=instance)

    def migrate(self, instance, node, live):
        if self.where(instance) not in (None, node):
            if not live:
                self.cluster.script_migration(instance)
            self.cluster.migrate(instance, to=node, live=live)

    def failover(self, instance, node):
        if self.where(instance) not in (None, node) and not self.cluster[node].unreachable:
            self.cluster.failover(instance, to=node)

    def script(self, instance, script):
        self.cluster.script_migration(instance, **script)

    def crash(self, node):
        self.cluster[node].crash()

    def boot(self, node):
        self.cluster[node].boot()

    def powercycle(self, node):
        if not self.cluster[node].unreachable:
            self.cluster[node].PowercycleNode()

    def disconnect(self, node):
        self.cluster[node].disconnect()


@settings(deadline=None)
@given(st.lists(operations, min_size=10, max_size=40))
def test_a_correct_program_is_never_reported(todo):
    with FakeCluster.temporary(*map(NodeSpec, NODES)) as cluster:
        for name in INSTANCES:
            cluster.add_instance(name)
        program = Program(cluster)
        for name, *arguments in todo:
            getattr(program, name)(*arguments)
            assert cluster.violations() == []


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "source", "target"]),
            st.integers(0, 6),
            st.sampled_from(["before", "after"]),
            st.booleans(),
            st.sampled_from([*SCRIPTS.values()]),
        ),
        max_size=6,
    )
)
def test_nodes_that_crash_within_calls_of_the_reference_driver_are_never_reported(todo):
    with FakeCluster.temporary(*map(NodeSpec, NODES)) as cluster:
        web1 = cluster.add_instance("web1")
        for side, after, when, live, script in todo:
            here = cluster.placement().get("web1")
            if here is None:
                here = "node1"
                cluster[here].StartInstance(web1, [], False)
            there = NODES[(NODES.index(here) + 1) % 3]
            if live or "postcopy" not in script:
                cluster.script_migration("web1", **script)
            else:
                cluster.script_migration("web1")
            node = {"source": here, "target": there}.get(side, "node3")
            with cluster.fault("*", node=node, after=after, times=1, when=when, crash=True, optional=True):
                cluster.migrate("web1", to=there, live=live)
            assert cluster.violations() == []
            for each in cluster:
                each.boot()
            cluster.clean_up("web1", to=there, source=here)
            assert cluster.violations() == []


def test_threads_that_drain_different_instances_are_quiet(tmp_path):
    names = [f"web{number}" for number in range(8)]
    cluster = FakeCluster(tmp_path, instances=[InstanceSpec(name) for name in names])
    results = []

    def drain(some):
        for to in ("node2", "node1", "node2"):
            results.extend(cluster.migrate(name, to=to, live=to == "node2") for name in some)

    threads = [threading.Thread(target=drain, args=[names[start::2]]) for start in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [result.outcome for result in results] == ["completed"] * 24
    cluster.assert_placement(dict.fromkeys(names, "node2"))
    cluster.assert_consistent()


def test_threads_that_start_and_stop_beside_one_another_are_quiet(tmp_path):
    cluster = FakeCluster(tmp_path)
    node1, node2 = cluster

    def work(name):
        instance = node1.instance(name)
        for number in range(30):
            node = (node1, node2)[number % 2]
            node.StartInstance(instance, [], False)
            node.StopInstance(instance)

    threads = [threading.Thread(target=work, args=[f"web{number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(cluster.journal) == 240
    cluster.assert_consistent()


# Through pytest


PRELUDE = """
import pytest
from pathlib import Path
from pytest import mark
from pytest_fakehv import HypervisorError

def twice(cluster):
    cluster.add_instance("web1", node="node1")
    node2 = cluster["node2"]
    node2.StartInstance(node2.instance("web1"), [], False)

def accept(cluster, name="web1"):
    node2 = cluster["node2"]
    node2.AcceptInstance(node2.instance(name), "", "node2")

"""

STARTS, ACCEPTS = 9, 13
"""The lines of `PRELUDE` in which twice() and accept() make their calls."""


def run(pytester, source, *args):
    pytester.makepyfile(test_it=PRELUDE + source)
    return pytester.runpytest_subprocess("-p", "no:randomly", *args)


def said(result):
    """Return the lines of each failure or error up to its first section, by the test's name."""
    lines, found = result.stdout.lines, {}
    for number, line in enumerate(lines):
        if line.startswith("____"):
            body = lines[number + 1 :]
            end = next(i for i, each in enumerate(body) if each.startswith(("----", "____", "====")))
            found[line.strip("_ ")] = [each for each in body[:end] if not each.startswith("[gw")]
    return found


def text(invariant, what, since=None):
    lines = [f"{invariant}: {what}", f"  since {since}" if since else None, f"  {ADVICE[invariant]}"]
    return [each for each in lines if each]


TWICE = [
    *text(
        "double-start",
        "web1 was started on node2 while it ran on node1",
        f"call 1, StartInstance('web1', [], False) on node2 at test_it.py:{STARTS}",
    ),
    *text(
        "split-brain",
        "web1 ran on node1 and node2 at once",
        f"call 1, StartInstance('web1', [], False) on node2 at test_it.py:{STARTS}",
    ),
]

ACCEPTED = text(
    "unfinished",
    "web1 was accepted on node2 and neither migrated nor aborted",
    f"call 1, AcceptInstance('web1', '', 'node2') on node2 at test_it.py:{ACCEPTS}",
)


@pytest.mark.parametrize("args", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_each_invariant_fails_a_test_that_passes_otherwise(pytester, args):
    result = run(
        pytester,
        """
def test_split_brain(fakehv_cluster):
    for name in ("node1", "node2"):
        fakehv_cluster.add_instance("web1", node=name)

def test_vanished(fakehv_cluster):
    fakehv_cluster.add_instance("web1")
    fakehv_cluster["node1"].FinalizeMigrationDst(fakehv_cluster["node1"].instance("web1"), "", False)

def test_unfinished(fakehv_cluster):
    accept(fakehv_cluster)

def test_unearned(fakehv):
    fakehv.FinalizeMigrationDst(fakehv.instance("web1"), "", True)

def test_double_start(fakehv_cluster):
    twice(fakehv_cluster)

@mark.fakehv_node("node1", memory=100, overcommit=False)
def test_overcommit(fakehv):
    Path(fakehv.root, "web1").write_text("0\\n101\\n1\\n")

def test_unfired(fakehv):
    fakehv.fault("StopInstance")

def test_nothing(fakehv): pass
""",
        *args,
    )
    result.assert_outcomes(failed=7, passed=1)
    assert said(result) == {
        "test_split_brain": text(
            "split-brain",
            "web1 ran on node1 and node2 at once",
            "no call: the test or another program brought it about",
        ),
        "test_vanished": text(
            "vanished",
            "web1 runs nowhere: it left node1",
            "call 1, FinalizeMigrationDst('web1', '', False) on node1 at test_it.py:22",
        ),
        "test_unfinished": ACCEPTED,
        "test_unearned": text(
            "unearned",
            "the migration of web1 was finalized with success on node1, though none began",
            "call 1, FinalizeMigrationDst('web1', '', True) on node1 at test_it.py:28",
        ),
        "test_double_start": TWICE,
        "test_overcommit": text("overcommit", "node1 has 100 MiB for instances, and they have 101 MiB"),
        "test_unfired": text(
            "unfired",
            "fault('StopInstance', node='node1') at test_it.py:38 never fired: no such call came",
        ),
    }


def test_the_short_summary_names_it(pytester):
    result = run(pytester, "def test_one(fakehv_cluster): accept(fakehv_cluster)")
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_one - Failed: unfinished: web1 was accepted*"])
    result.stdout.fnmatch_lines(["*- fakehv -*", "node1: *", "calls:", "  1 node2 AcceptInstance*"])
    assert not any("invariants that did not hold" in line for line in result.stdout.lines)


def test_markers_allow_some_or_all(pytester):
    result = run(
        pytester,
        """
@mark.fakehv(allow=["double-start", "split-brain"])
def test_allowed(fakehv_cluster): twice(fakehv_cluster)

@mark.fakehv(allow=["double-start"])
def test_half(fakehv_cluster): twice(fakehv_cluster)

@mark.fakehv(strict=False)
def test_lax(fakehv_cluster):
    twice(fakehv_cluster)
    with pytest.raises(AssertionError):
        fakehv_cluster.assert_consistent()

@mark.fakehv(strict=False, allow=["vanished"])
class TestIt:
    @mark.fakehv(strict=True)
    def test_strict(self, fakehv_cluster): twice(fakehv_cluster)

    def test_lax(self, fakehv_cluster): twice(fakehv_cluster)
""",
    )
    result.assert_outcomes(passed=3, failed=2)
    assert said(result) == {"test_half": TWICE[3:], "TestIt.test_strict": TWICE}


@pytest.mark.parametrize("value", ["false", "no", "off", "0", "False"])
def test_the_ini_file_switches_it_off_and_a_marker_on_again(pytester, value):
    pytester.makeini(f"[pytest]\nfakehv_strict = {value}")
    result = run(
        pytester,
        """
def test_lax(fakehv_cluster): twice(fakehv_cluster)

@mark.fakehv(strict=True)
def test_strict(fakehv_cluster): twice(fakehv_cluster)
""",
    )
    result.assert_outcomes(passed=1, failed=1)
    assert list(said(result)) == ["test_strict"]


@pytest.mark.parametrize("value", ["true", "yes", "on", "1", "True"])
def test_the_ini_file_may_say_what_holds_anyway(pytester, value):
    pytester.makeini(f"[pytest]\nfakehv_strict = {value}")
    run(pytester, "def test_it(fakehv_cluster): twice(fakehv_cluster)").assert_outcomes(failed=1)


def test_a_wrong_value_in_the_ini_file_stops_the_run(pytester):
    pytester.makeini("[pytest]\nfakehv_strict = maybe")
    result = run(pytester, "def test_it(fakehv): pass")
    assert result.ret == 4
    assert [line for line in result.stderr.lines if line] == [
        "ERROR: fakehv_strict must be true or false: invalid truth value 'maybe'"
    ]


VALID = "split-brain, vanished, unfinished, unearned, double-start, overcommit, unfired"
WRONG_MARKERS = [
    ("allow=['vanish']", f"allow has 'vanish'; valid: {VALID}"),
    ("allow=['vanished', 5]", f"allow has 5; valid: {VALID}"),
    ("allow='vanished'", "allow must be a list of invariants, not 'vanished'"),
    ("allow=5", "allow must be a list of invariants, not 5"),
    ("strict='no'", "strict must be one of True, False, not 'no'"),
    ("strict=0", "strict must be one of True, False, not 0"),
    ("stric=True", "unknown argument 'stric'; valid: backend, clock, strict, allow, seed, topology"),
]


def test_wrong_markers_fail_their_tests_at_setup_with_one_line(pytester):
    tests = "".join(
        f"@mark.fakehv({argument})\ndef test_{number}(fakehv): pass\n\n"
        for number, (argument, _) in enumerate(WRONG_MARKERS)
    )
    result = run(pytester, tests)
    result.assert_outcomes(errors=len(WRONG_MARKERS))
    found = said(result)
    for number, (_, problem) in enumerate(WRONG_MARKERS):
        expected, _, valid = problem.partition("; valid: ")
        (line,) = found[f"ERROR at setup of test_{number}"]
        start, _, listed = line.partition("; valid: ")
        assert start == f"fakehv(): {expected}"
        assert sorted(listed.split(", ")) == sorted(valid.split(", "))


def test_a_wrong_marker_of_a_test_that_uses_the_factory_alone_fails_it(pytester):
    result = run(
        pytester,
        """
@mark.fakehv(strict="no")
def test_it(fakehv_factory):
    cluster = fakehv_factory()
""",
    )
    result.assert_outcomes(failed=1)
    assert said(result) == {"test_it": ["fakehv(): strict must be one of True, False, not 'no'"]}


def test_a_test_that_fails_keeps_its_own_error_and_the_section_has_the_rest(pytester):
    result = run(
        pytester,
        """
def test_it(fakehv_cluster):
    twice(fakehv_cluster)
    assert 1 == 2
""",
    )
    result.assert_outcomes(failed=1)
    lines = result.stdout.lines
    assert "E       assert 1 == 2" in said(result)["test_it"]
    start = next(
        number for number, line in enumerate(lines) if "fakehv: invariants that did not hold" in line
    )
    assert lines[start + 1 : start + 1 + len(TWICE)] == TWICE
    assert sum("double-start: " in line for line in lines) == 1


def test_what_was_asserted_already_is_not_said_twice(pytester):
    result = run(
        pytester,
        """
def test_it(fakehv_cluster):
    twice(fakehv_cluster)
    fakehv_cluster.assert_consistent()
""",
    )
    result.assert_outcomes(failed=1)
    assert "invariants that did not hold" not in result.stdout.str()
    assert "double-start: web1 was started on node2" in result.stdout.str()


def test_expected_failures_and_skips(pytester):
    result = run(
        pytester,
        """
@mark.xfail
def test_xfail(fakehv_cluster): twice(fakehv_cluster)

@mark.xfail(strict=True)
def test_xfail_strict(fakehv_cluster): twice(fakehv_cluster)

@mark.xfail
def test_xfail_of_its_own(fakehv_cluster):
    twice(fakehv_cluster)
    assert 0

@mark.xfail(raises=ZeroDivisionError)
def test_xfail_of_something_else(fakehv_cluster): twice(fakehv_cluster)

@mark.xfail(strict=True)
def test_unexpected(fakehv): pass

def test_skip(fakehv_cluster):
    twice(fakehv_cluster)
    pytest.skip("not here")

def test_xfail_within(fakehv_cluster):
    twice(fakehv_cluster)
    pytest.xfail("not here")
""",
    )
    result.assert_outcomes(xfailed=4, failed=2, skipped=1)
    assert said(result) == {"test_xfail_of_something_else": TWICE, "test_unexpected": ["[XPASS(strict)] "]}


def test_what_a_teardown_does_is_not_seen_any_more(pytester):
    run(
        pytester,
        """
@pytest.fixture
def late(fakehv_cluster):
    yield fakehv_cluster
    accept(fakehv_cluster)

def test_it(late): pass
""",
    ).assert_outcomes(passed=1)


def test_a_root_that_the_test_has_removed_is_its_own_affair(pytester):
    run(
        pytester,
        """
import shutil

def test_it(fakehv):
    shutil.rmtree(fakehv.root)
    assert fakehv.Verify() == f"The required directory '{fakehv.root}' does not exist"
""",
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "args", [(f"--fakehv-backend={each}",) for each in ("tmp_path", "pyfakefs", "memory")]
)
@pytest.mark.parametrize("fixtures", ["fakehv_cluster", "fs, fakehv_cluster", "fakehv_cluster, fs"])
def test_on_every_backend(pytester, args, fixtures):
    source = f"def test_it({fixtures}): twice(fakehv_cluster)"
    result = run(pytester, source, *args)
    result.assert_outcomes(failed=1)
    assert said(result) == {"test_it": TWICE}


class TestFactory:
    def test_a_cluster_is_checked_in_the_test_that_used_it_and_reported_once(self, pytester):
        result = run(
            pytester,
            """
@pytest.fixture(scope="module")
def cluster(fakehv_factory):
    return fakehv_factory()

def test_a(cluster): pass

def test_b(cluster): twice(cluster)

def test_c(cluster): cluster["node1"].ListInstances()

def test_d(fakehv): pass

def test_e(cluster): accept(cluster, "web9")

def test_f(cluster): cluster["node1"].ListInstances()
""",
        )
        result.assert_outcomes(passed=4, failed=2)
        found = said(result)
        assert found["test_b"] == TWICE
        assert found["test_e"] == text(
            "unfinished",
            "web9 was accepted on node2 and neither migrated nor aborted",
            f"call 3, AcceptInstance('web9', '', 'node2') on node2 at test_it.py:{ACCEPTS}",
        )

    def test_what_is_worded_otherwise_later_is_still_reported_once(self, pytester):
        result = run(
            pytester,
            """
from pytest_fakehv import NodeSpec

@pytest.fixture(scope="module")
def cluster(fakehv_factory):
    return fakehv_factory(NodeSpec("node1", memory=100, overcommit=False))

def test_a(cluster):
    cluster.fault("StopInstance", after=9)
    Path(cluster["node1"].root, "web1").write_text("0\\n101\\n1\\n")
    cluster["node1"].ListInstances()

def test_b(cluster):
    cluster["node1"].StopInstance(cluster["node1"].instance("web1"))
    Path(cluster["node1"].root, "web1").write_text("0\\n102\\n1\\n")

def test_c(cluster):
    cluster.fault("StopInstance", after=9)
    cluster["node1"].ListInstances()
""",
        )
        result.assert_outcomes(passed=1, failed=2)
        assert list(said(result)) == ["test_a", "test_c"]

    def test_the_marker_of_the_test_that_used_it_counts(self, pytester):
        run(
            pytester,
            """
@pytest.fixture(scope="module")
def cluster(fakehv_factory):
    return fakehv_factory()

@mark.fakehv(allow=["double-start", "split-brain"])
def test_a(cluster): twice(cluster)

def test_b(cluster): cluster["node1"].ListInstances()
""",
        ).assert_outcomes(passed=2)

    def test_beside_the_tests_own_cluster(self, pytester):
        result = run(
            pytester,
            """
def test_it(fakehv_cluster, fakehv_factory):
    other = fakehv_factory()
    twice(other)
    accept(fakehv_cluster)
""",
        )
        result.assert_outcomes(failed=1)
        assert said(result) == {"test_it": [*ACCEPTED, *TWICE]}

    def test_a_cluster_that_nobody_has_any_more(self, pytester):
        result = run(
            pytester,
            """
import gc

def test_it(fakehv_factory):
    twice(fakehv_factory())
    gc.collect()

def test_next(fakehv_factory):
    fakehv_factory()
""",
        )
        result.assert_outcomes(passed=1, failed=1)
        assert said(result) == {"test_it": TWICE}

    def test_an_example_of_a_property_test(self, pytester):
        result = run(
            pytester,
            """
from hypothesis import given, strategies

@given(strategies.integers(0, 20))
def test_one(fakehv_factory, number):
    cluster = fakehv_factory()
    if number == 20:
        twice(cluster)
""",
        )
        result.assert_outcomes(failed=1)
        assert said(result) == {"test_one": TWICE}
        assert sum("- fakehv -" in line for line in result.stdout.lines) == 1

    def test_what_a_teardown_breaks_is_not_the_next_tests_fault(self, pytester):
        result = run(
            pytester,
            """
import pytest

@pytest.fixture(scope="module")
def wide(fakehv_factory):
    return fakehv_factory()

@pytest.fixture
def careless(wide):
    yield wide
    twice(wide)

def test_first(careless): pass

def test_next(wide): wide["node1"].ListInstances()

@mark.fakehv(strict=False)
def test_lenient(wide): wide.add_instance("x"); wide["node2"].add_instance("x")

def test_last(wide): wide["node1"].ListInstances()
""",
        )
        result.assert_outcomes(passed=4)

    def test_what_the_test_itself_sets_up_counts(self, pytester):
        result = run(
            pytester,
            """
import pytest

@pytest.fixture(scope="module")
def wide(fakehv_factory):
    return fakehv_factory()

def test_fault(wide): wide.fault("StopInstance")

def test_next(wide): wide["node1"].ListInstances()
""",
        )
        result.assert_outcomes(passed=1, failed=1)
        assert list(said(result)) == ["test_fault"]

    def test_of_many_clusters_a_few_are_reported(self, pytester):
        result = run(
            pytester,
            """
def test_it(fakehv_factory):
    for _ in range(10):
        twice(fakehv_factory())

@mark.parametrize("strict", [True, False])
def test_other(fakehv_factory, strict, request):
    request.applymarker(mark.fakehv(strict=strict))
    for _ in range(10):
        fakehv_factory()
    assert 0
""",
        )
        result.assert_outcomes(failed=3)
        without_advice = [line for line in TWICE if not line.startswith("  a correct")]
        assert said(result)["test_it"] == [
            *without_advice * 2,
            *TWICE,
            "and likewise in 7 more clusters",
        ]
        assert sum("- fakehv -" in line for line in result.stdout.lines) == 9

    def test_of_a_property_test_that_has_failed_the_last_cluster_is_reported(self, pytester):
        result = run(
            pytester,
            """
def test_it(fakehv_factory):
    for _ in range(9):
        twice(fakehv_factory())
    last = fakehv_factory()
    last["node1"].add_instance("last")
    twice(last)
    assert 0
""",
        )
        result.assert_outcomes(failed=1)
        lines = result.stdout.lines
        assert sum(line.startswith("double-start: ") for line in lines) == 1
        assert sum("- fakehv -" in line for line in lines) == 1
        assert "  last running, 1024 MiB, 1 vcpus" in lines


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
