"""The picture as SVG and HTML."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    HypervisorError,
    InstanceSpec,
    NodeDownError,
    NodeSpec,
)
from pytest_fakehv.machine import Time

pytest.importorskip("jinja2")
from parsed_page import ATTACKS, Page

SVG = "{http://www.w3.org/2000/svg}"


def busy_cluster(root):
    """Make one with all kinds of marks."""
    cluster = FakeCluster(root, *[NodeSpec(f"node{number}") for number in range(1, 4)])
    cluster.add_instance("web1", memory=4096)
    cluster.add_instance("a-long-name-of-an-instance.example.com", node="node2")
    cluster.script_migration("web1", outcome="failed", at=0.6, times=1)
    cluster.migrate("web1", to="node2")
    cluster.script_migration("web1", outcome="failed_but_moved", times=1)
    cluster.migrate("web1", to="node3", live=False)
    cluster.add_instance("web2")
    cluster.migrate("web2", to="node2")
    cluster.script_migration("web2", dirty_rate=5000)
    cluster["node1"].AcceptInstance(cluster.instance("web2"), "", "node1")
    cluster["node2"].MigrateInstance("c", cluster.instance("web2"), "node1", True)
    cluster.start_postcopy("web2")
    cluster["node3"].crash()
    with cluster.fault("ListInstances"), pytest.raises(HypervisorError):
        cluster["node1"].ListInstances()
    with pytest.raises(NodeDownError):
        cluster["node3"].ListInstances()
    cluster["node3"].boot()
    cluster["node3"].StartInstance(cluster.instance("web2"), [], True)
    cluster["node2"].disconnect()
    return cluster


def glyphs(element):
    return {each for node in element.iter() for each in node.get("class", "").split()}


def right_of(rectangle):
    return float(rectangle.get("x", 0)) + float(rectangle.get("width"))


class TestPicture:
    def test_svg(self, root):
        timeline = busy_cluster(root).timeline()
        svg = ET.fromstring(timeline._repr_svg_())
        assert svg.tag == f"{SVG}svg"
        assert {"violation", "crash", "fault", "raised", "test", "call"} <= glyphs(svg)
        titles = [each.text for each in svg.iter(f"{SVG}title")]
        assert titles[0] == "3 nodes, 28 calls"
        assert len(titles) == 1 + len(timeline.steps)
        begin = "call 26, 8 s: ListInstances() on node1\nat tests/story/test_picture.py:"
        assert any(title.startswith(begin) for title in titles)
        words = [each.text for each in svg.iter(f"{SVG}text")]
        expected = ["node1", "node2", "node3", "down", "cut off", "web1: 60 % failed"]
        assert {*expected, "web1: said failed, had moved"} <= {*words}
        assert "web1 paused" not in words

    def test_nothing_at_all(self, root):
        timeline = FakeCluster(root, NodeSpec("node1")).timeline()
        ET.fromstring(timeline._repr_svg_())
        assert "1 node, 0 calls" in Page(timeline._repr_html_()).words

    def test_html_has_the_same_as_tables(self, root):
        timeline = busy_cluster(root).timeline()
        page = Page(timeline._repr_html_())
        assert len(page.all("a", class_="mark")) == len(timeline.steps)
        targets = {own["href"] for own in page.all("a")}
        assert targets <= {f"#{own['id']}" for own in page.all("tr") if "id" in own}
        assert {"What happened, in order", "Where instances were", "Migrations", "Nodes"} <= {*page.said}
        for own in page.all("th"):
            assert own["scope"] in {"row", "col"}
        assert "web1 node1 -> node2 live: 60 % at poll 3, failed, aborted" in page.words
        assert "double-start:" in page.words

    def test_two_in_one_notebook_have_no_id_in_common(self, root):
        timeline = busy_cluster(root).timeline()
        page = Page(timeline._repr_html_() + timeline._repr_html_())
        ids = [own["id"] for _, own in page.found if "id" in own]
        assert len(ids) == len({*ids})

    def test_what_is_left_out_is_said(self, root):
        cluster = FakeCluster(root, *[NodeSpec(f"node{number}") for number in range(1, 31)])
        for number in range(60):
            cluster.add_instance(f"web{number}")
        for number in range(300):
            cluster[f"node{number % 2 + 1}"].ListInstances()

        timeline = cluster.timeline()
        page = Page(timeline._repr_html_())
        assert "Left out, as there is too much of it:" in page.words
        for each in timeline.left_out:
            assert each in page.words
        assert "and 36 more instances" in page.words
        assert "calls not shown" in page.words

    def test_names_that_are_too_long_for_their_bars(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("n" * 200)])
        for _ in range(10):
            for node in cluster:
                node.ListInstances()
        svg = ET.fromstring(cluster.timeline()._repr_svg_())
        (name,) = [each.text for each in svg.iter(f"{SVG}text") if "nnn" in each.text]
        assert name.endswith("n…")
        assert len(name) < 200

    def test_what_has_no_end_goes_on_where_a_frame_is_wider(self, root):
        cluster = FakeCluster(root, NodeSpec("node1"), instances=[InstanceSpec("web1")])
        cluster["node1"].StartInstance(cluster.instance("web2"), [], False)
        cluster["node1"].StopInstance(cluster.instance("web2"))
        cluster["node1"].disconnect()
        timeline = cluster.timeline()
        page = Page(timeline._repr_html_())
        (picture,) = page.all("svg", role="img")
        assert picture["preserveaspectratio"] == "xMinYMin"
        width = int(picture["width"])
        kinds = ["lane odd", "bar running", "period cut-off"]
        ends = {kind: [right_of(own) for own in page.all("rect", class_=kind)] for kind in kinds}
        beyond = width + 4000
        assert [[end > width for end in ends[kind]] for kind in kinds] == [[True], [True, False], [True]]
        assert max(end for kind in kinds for end in ends[kind]) <= beyond
        alone = ET.fromstring(timeline._repr_svg_())
        assert max(right_of(each) for each in alone.iter(f"{SVG}rect")) == width

    def test_a_migrations_end_is_not_written_over(self, root):
        """It stands beside the arrow's end, but above a mark that is there, and never outside."""
        cluster = FakeCluster(root, instances=[InstanceSpec("web1", memory=4096)], clock="manual")
        node1, node2 = cluster
        cluster.script_migration("web1", outcome="failed", at=0.5, times=1)
        cluster.script_migration("web1", dirty_rate=5000)
        web1 = cluster.instance("web1")
        node1.MigrateInstance("c", web1, "node2", True)
        cluster.clock.advance(10)
        for _ in range(2):
            node2.ListInstances()
            node2.GetNodeInfo()
        node1.FinalizeMigrationSource(web1, False, True)
        node1.MigrateInstance("c", web1, "node2", True)
        cluster.clock.advance(10)
        svg = ET.fromstring(cluster.timeline()._repr_svg_())
        words = {each.text: each for each in svg.iter(f"{SVG}text")}
        failed, under_way = words["web1: 50 % failed"], words["web1: under way"]
        x, y = (float(failed.get(key)) for key in "xy")
        dots = [each for each in svg.iter(f"{SVG}circle") if x < float(each.get("cx")) < x + 60]
        assert dots
        assert [each for each in dots if y - 12 < float(each.get("cy")) < y + 4] == []
        assert float(under_way.get("x")) + 90 < float(svg.get("width"))

    def test_what_moved_though_its_migration_failed_has_an_arrow_of_that_colour(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1"), InstanceSpec("web2")], clock="manual")
        cluster.script_migration("web1", outcome="failed_but_moved")
        cluster["node2"].AcceptInstance(cluster.instance("web1"), "", "node2")
        cluster["node1"].MigrateInstance("c", cluster.instance("web1"), "node2", True)
        cluster.clock.advance(10)
        cluster.migrate("web2", to="node2")
        svg = ET.fromstring(cluster.timeline()._repr_svg_())
        kinds = [each.get("class") for each in svg.iter(f"{SVG}path")]
        assert [kind for kind in kinds if kind.startswith("tip-of")] == [
            "tip-of arrived bad hidden",
            "tip-of arrived",
        ]

    def test_what_is_on_nodes_without_a_lane_is_not_drawn(self, root):
        cluster = FakeCluster(root, *[NodeSpec(f"node{number}") for number in range(1, 31)])
        for number in range(1, 31):
            cluster.add_instance(f"web{number}", node=f"node{number}")
        for number in range(1, 16):
            with pytest.raises(HypervisorError):
                cluster[f"node{number}"].StopInstance(cluster.instance("nobody"))
        cluster.migrate("web29", to="node30")
        timeline = cluster.timeline()
        svg = ET.fromstring(timeline._repr_svg_())
        drawn = [each for each in svg.iter(f"{SVG}rect") if each.get("class", "").startswith("bar ")]
        lanes = {lane.name for lane in timeline.lanes}
        assert len(drawn) == len([bar for bar in timeline.bars if bar.node in lanes]) < len(timeline.bars)
        assert not [each for each in svg.iter(f"{SVG}path") if each.get("class", "").startswith("sent")]
        assert "web29 node29 -> node30 live: completed at poll 1" in Page(timeline._repr_html_()).words

    @pytest.mark.parametrize(
        ("clock", "times"),
        [("real", ["0 s", "0.123 s"]), ("manual", ["0 s", "0.123456 s"])],
    )
    def test_of_the_machines_time_no_more_is_written_than_can_be_told(self, clock, times, monkeypatch):
        machine = SimpleNamespace(now=5.0)
        monkeypatch.setattr(Time, "monotonic", lambda: machine.now)
        cluster = FakeCluster.in_memory(clock=clock)
        cluster["node1"].ListInstances()
        if clock == "manual":
            cluster.clock.advance(0.123456)
        machine.now += 0.123456
        cluster["node1"].GetNodeInfo()
        svg = ET.fromstring(cluster.timeline()._repr_svg_())
        texts = ["".join(each.itertext()) for each in svg.iter(f"{SVG}text")]
        assert [text for text in texts if text.endswith(" s")] == times

    def test_a_lane_is_as_high_as_what_is_said_of_its_node(self, root):
        limited = NodeSpec("node2", overcommit=False, max_migrations=1)
        cluster = FakeCluster(root, NodeSpec("node1"), limited)
        cluster["node1"].ListInstances()
        heights = re.findall(r'<div style="top:[^;]*;height:([0-9]+)px"><b', cluster.timeline()._repr_html_())
        assert heights == ["54", "80"]

    @pytest.mark.parametrize("name", ["x.svg", "x.html", "X.SVG"])
    def test_save(self, root, tmp_path, name):
        timeline = busy_cluster(root).timeline()
        timeline.save(tmp_path / name)
        text = (tmp_path / name).read_text(encoding="utf-8")
        if name == "x.html":
            assert text.startswith("<!doctype html>")
            title = "3 nodes, 28 calls"
            assert Page(text).words == f"{title}\n{title}\n{Page(timeline._repr_html_()).words}"
        else:
            ET.fromstring(text)

    @pytest.mark.parametrize("name", ["x.png", "x"])
    def test_save_as_something_else(self, root, name):
        with pytest.raises(DeclarationError) as caught:
            FakeCluster(root).timeline().save(name)
        assert str(caught.value) == f"path must end in .svg or .html, not {name!r}"

    def test_where_the_locale_is_not_utf_8(self):
        picture = "FakeCluster.in_memory().timeline()._repr_html_()"
        code = f"from pytest_fakehv import FakeCluster; print(ascii({picture}))"
        env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        assert "the caller\\u2019s line" in done.stdout

    def test_without_jinja(self, root, monkeypatch):
        monkeypatch.setitem(sys.modules, "jinja2", None)
        for name in [
            each
            for each in sys.modules
            if each.startswith(("pytest_fakehv.story.page", "pytest_fakehv.plugin.page"))
        ]:
            monkeypatch.delitem(sys.modules, name)
        with pytest.raises(ImportError) as caught:
            FakeCluster(root).timeline()._repr_svg_()
        assert str(caught.value) == (
            "the picture of a timeline needs the extra 'report': pip install 'pytest-fakehv[report]' "
            "(import of jinja2 halted; None in sys.modules)"
        )

    def test_nothing_is_fetched(self, root):
        timeline = busy_cluster(root).timeline()
        for text in (timeline._repr_svg_(), timeline._repr_html_()):
            without_names = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
            assert not re.search(r"https?:|url\(|@import|src=", without_names)


@pytest.mark.parametrize("attack", ATTACKS)
def test_text_from_tests_stays_text(root, attack):
    cluster = FakeCluster(root, NodeSpec("node1"), NodeSpec("<b>&'\""))
    name = attack.replace("/", "|").replace("\0", "").encode("utf-8", "ignore").decode()
    other = cluster["<b>&'\""]
    other.StartInstance(cluster.instance(name), [attack], False)
    cluster.migrate(name, to="node1")
    with cluster.fault("ListInstances", error=attack, when="after"), pytest.raises(HypervisorError):
        other.ListInstances()
    with cluster.fault("GetNodeInfo", instance=None), pytest.raises(HypervisorError):
        other.GetNodeInfo({attack: attack})
    other.StartInstance(cluster.instance(name), [], False)
    timeline = cluster.timeline()
    svg = ET.fromstring(timeline._repr_svg_())
    assert {each.tag.removeprefix(SVG) for each in svg.iter()} == {
        "svg", "title", "style", "rect", "path", "text", "circle", "g"
    }  # fmt: skip
    page = Page(timeline._repr_html_())
    assert not {"script", "img", "b"} & {tag for tag, _ in page.found} - {"b"}
    assert not [key for _, own in page.found for key in own if key.startswith("on")]
    assert {own["href"][0] for own in page.all("a")} == {"#"}
    if attack.isprintable():
        assert attack.replace(" ", "") in page.words.replace(" ", "")
