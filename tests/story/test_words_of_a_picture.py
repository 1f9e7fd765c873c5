"""What a picture and its tables say, in words."""

import re
import xml.etree.ElementTree as ET

import pytest

from pytest_fakehv import FakeCluster, InstanceSpec, NodeSpec

pytest.importorskip("jinja2")
from parsed_page import Page
from shown import start

SVG = "{http://www.w3.org/2000/svg}"


def titles(timeline):
    return [each.text for each in ET.fromstring(timeline._repr_svg_()).iter(f"{SVG}title")]


def table(timeline, caption):
    """Return what a table says after its heads."""
    lines = Page(timeline._repr_html_()).words.splitlines()
    columns = {"Where instances were": 5, "Nodes": 3}
    return lines[lines.index(caption) + 1 + columns[caption] :]


def test_each_marks_title_says_what_is_known_of_it_and_no_more():
    cluster = FakeCluster.in_memory()
    node1, _ = cluster
    node1.StartInstance(cluster.instance("web1"), [], False)
    for _ in range(2):
        node1.ListInstances()
    node1.crash()
    start_place, list_place, _ = (call.place for call in cluster.journal)
    line = int(list_place.rpartition(":")[2]) + 1
    assert titles(cluster.timeline())[1:] == [
        f"call 1, 0 s: StartInstance('web1', [], False) on node1\nat {start_place}\n→ None",
        f"calls 2-3, 0 s: ListInstances() on node1\nat {list_place}\n→ ['web1']",
        f"the test, 0 s: crash() on node1\nat {list_place.rpartition(':')[0]}:{line}",
    ]


def test_what_the_test_did_to_no_node_names_none():
    cluster = FakeCluster.in_memory(instances=[InstanceSpec("web1", memory=4096)])
    cluster.script_migration("web1", dirty_rate=5000)
    cluster["node2"].AcceptInstance(cluster.instance("web1"), "", "node2")
    cluster["node1"].MigrateInstance("c", cluster.instance("web1"), "node2", True)
    cluster.start_postcopy("web1")
    assert titles(cluster.timeline())[-1].splitlines()[0] == "the test, 0 s: start_postcopy('web1')"


def test_calls_that_are_not_shown_are_counted_and_no_more_is_said():
    cluster = FakeCluster.in_memory()
    for number in range(300):
        cluster[f"node{number % 2 + 1}"].ListInstances()
    assert [each for each in titles(cluster.timeline()) if "not shown" in each] == ["202 calls not shown"]


@pytest.mark.parametrize(("calls", "title"), [(1, "1 node, 1 call"), (2, "1 node, 2 calls")])
def test_one_and_several(calls, title):
    cluster = FakeCluster.in_memory(NodeSpec("node1"))
    for _ in range(calls):
        cluster["node1"].ListInstances()
    assert titles(cluster.timeline())[0] == title


def test_the_tables_say_when_by_calls_and_by_what_the_test_did():
    cluster = FakeCluster.in_memory()
    node1, node2 = cluster
    node1.ListInstances()
    cluster.add_instance("web1")
    start(node1, "web2")
    node1.StopInstance(cluster.instance("web2"))
    node1.crash()
    node1.boot()
    node2.disconnect()
    timeline = cluster.timeline()
    rows = table(timeline, "Where instances were")
    assert rows[: rows.index("Nodes")] == [
        *["web1", "node1", "running", "add_instance('web1')", "crash()"],
        *["web2", "node1", "running", "call 2", "call 3"],
    ]
    assert [each for each in table(timeline, "Nodes") if "from" in each] == [
        "down from crash() until boot()",
        "cut off from disconnect() until the end",
    ]


def test_what_came_about_between_two_steps_was_after_a_call():
    cluster = FakeCluster.in_memory(instances=[InstanceSpec("web1")], clock="manual")
    cluster.script_migration("web1", outcome="failed_but_moved", at=0.5)
    cluster["node2"].AcceptInstance(cluster.instance("web1"), "", "node2")
    cluster["node1"].MigrateInstance("c", cluster.instance("web1"), "node2", True)
    cluster.clock.advance(10)
    rows = table(cluster.timeline(), "Where instances were")
    assert rows[: rows.index("Migrations")] == [
        *["web1", "node1", "running", "the beginning", "after call 2"],
        *["web1", "node2", "running", "after call 2", "the end"],
    ]


def test_a_names_cell_may_break_in_the_middle_where_the_name_is_long():
    cluster = FakeCluster.in_memory(NodeSpec("node1"))
    for count in (40, 41):
        start(cluster["node1"], "n" * count)
    page = Page(cluster.timeline()._repr_html_())
    assert [own["class"] for own in page.all("td", **{"data-head": "Instance"})] == ["", "long"]


def test_places_are_as_exact_as_can_be_seen():
    cluster = FakeCluster.in_memory(instances=[InstanceSpec("web1")])
    cluster.migrate("web1", to="node2")
    picture = cluster.timeline()._repr_svg_().split("</style>")[1]
    assert '<rect class="bar running" x="534.4" y="222" width="185.6" height="16" rx="3"/>' in picture
    assert re.findall(r"\d\.\d\d", picture) == []
