"""Where a call lied, or a fault did something, the report says so: in the terminal and on the page."""

import pytest

from pytest_fakehv import FakeCluster, InstanceSpec, MigrationStatus

pytest.importorskip("jinja2")
from parsed_page import Page

from pytest_fakehv.story.page.render import fragment, svg


@pytest.fixture
def cluster(root):
    return FakeCluster(root, instances=[InstanceSpec("web1")])


def lines_of(cluster, title):
    lines = cluster.describe().splitlines()
    return lines[lines.index(title) :]


def test_the_terminal(cluster):
    node1, node2 = cluster
    stop = cluster.fault("StopInstance", effect=False)
    look = cluster.fault("ListInstances", result=[], times=2)
    stop.origin = look.origin = "here"
    node1.StopInstance(node1.instance("web1"))
    for _ in range(3):
        node1.ListInstances()
    node2.GetNodeInfo()
    place, again = cluster.journal[0].place, cluster.journal[1].place
    assert lines_of(cluster, "timeline, ! for a call that raised, ? for one that lied:")[1:12] == [
        "           node1                          node2",
        "  0 s web1 ?StopInstance",
        "  0 s      ?ListInstances x2",
        "  0 s      ListInstances",
        "  0 s                                     GetNodeInfo",
        "calls:",
        f"    1 node1 StopInstance('web1') at {place}",
        "      -> said it worked, in truth it did nothing (fault at here)",
        f"  2-3 node1 ListInstances() at {again}",
        "      -> answered [], a lie (fault at here)",
        f"    4 node1 ListInstances() at {again} -> ['web1']",
    ]


def test_lies_in_a_row_are_one_step_with_the_last_truth(cluster):
    node1, node2 = cluster
    web1 = node1.instance("web1")
    cluster.script_migration("web1", bandwidth=256)
    failed = MigrationStatus(status="failed")
    cluster.fault("GetMigrationStatus", result=failed, when="after").origin = "here"
    node2.AcceptInstance(web1, "", "node2")
    node1.MigrateInstance("cluster", web1, "node2", True)
    for _ in range(3):
        node1.GetMigrationStatus(web1)
    steps = [(step.numbers, step.result) for step in cluster.timeline().steps if step.lied]
    truth = "MigrationStatus(status='active', transferred_ram=768, total_ram=1024)"
    said = f"answered {failed!r}, in truth {truth} (fault at here, after its effect)"
    assert steps == [("3-5", said)]


def test_one_lie_among_many_calls_is_never_left_out(cluster):
    node1, node2 = cluster
    cluster.fault("StopInstance", effect=False).origin = "here"
    node1.StopInstance(node1.instance("web1"))
    for _ in range(300):
        node1.GetNodeInfo()
        node2.GetNodeInfo()
    text = cluster.describe()
    assert "-> said it worked, in truth it did nothing (fault at here)" in text
    assert "  0 s web1 ?StopInstance" in text


def test_the_page(cluster):
    node1 = cluster["node1"]
    cluster.fault("StopInstance", effect=False).origin = "here"
    node1.StopInstance(node1.instance("web1"))
    timeline = cluster.timeline()
    (step,) = timeline.steps
    assert (step.mark, step.lied, step.raised) == ("fault", 1, 0)
    said = "said it worked, in truth it did nothing (fault at here)"
    assert said in Page(fragment(timeline)).said
    assert f"→ {said}" in svg(timeline)


def test_a_migration_ends_where_it_did_and_not_where_a_lie_said_so(cluster):
    cluster.script_migration("web1", outcome="failed", at=0.5, bandwidth=256)
    active, failed = (MigrationStatus(status=each) for each in ("active", "failed"))
    cluster.fault("GetMigrationStatus", result=failed, times=1)
    cluster.fault("GetMigrationStatus", result=active, when="after", times=1)
    cluster.fault("FinalizeMigrationDst", effect=False, times=1)
    node1, node2 = cluster
    web1 = node1.instance("web1")
    node2.AcceptInstance(web1, "", "node2")
    node1.MigrateInstance("cluster", web1, "node2", True)
    for _ in range(4):
        node1.GetMigrationStatus(web1)
    for _ in range(2):
        node2.FinalizeMigrationDst(web1, "", False)
    (arrow,) = cluster.timeline().arrows
    honest = next(index for index, step in enumerate(cluster.timeline().steps) if step.numbers == "5-6")
    assert (arrow.outcome, arrow.end) == ("failed", honest)


def test_a_target_s_finalize_that_lied_is_no_arrival(cluster):
    cluster.fault("FinalizeMigrationDst", effect=False, times=1)
    node1, node2 = cluster
    web1 = node1.instance("web1")
    node2.AcceptInstance(web1, "", "node2")
    node1.MigrateInstance("cluster", web1, "node2", True)
    node1.GetMigrationStatus(web1)
    cluster.add_instance("web1", node="node2")  # so that no finalize brings it about
    for _ in range(2):
        node2.FinalizeMigrationDst(web1, "", True)
    timeline = cluster.timeline()
    (arrow,) = timeline.arrows
    assert [timeline.steps[int(arrow.end)].numbers, arrow.arrived] == ["5", True]


def test_what_a_fault_does_at_the_first_call_is_no_scenery(cluster):
    node1, _ = cluster
    cluster.fault("ListInstances", crash="node2", times=1)
    node1.ListInstances()
    assert [step.what for step in cluster.timeline().steps] == ["ListInstances", "crash"]


def test_what_a_fault_does_has_a_row_of_its_own_before_its_call(cluster):
    node1, node2 = cluster
    node1.ListInstances()
    cluster.fault("GetNodeInfo", crash="node2", do=lambda _call: node1.disconnect()).origin = "here"
    with pytest.raises(Exception, match="node1 does not answer"):
        node1.GetNodeInfo()
    with pytest.raises(Exception, match="node2 does not answer"):
        node2.GetNodeInfo()
    title = "timeline, ! for a call that raised, * for what the test did:"
    assert lines_of(cluster, title)[1:6] == [
        "      node1                          node2",
        "  0 s ListInstances",
        "  0 s                                *crash",
        "  0 s *disconnect",
        "  0 s !GetNodeInfo",
    ]
