"""The picture as SVG and HTML, and the page of a run: ``--fakehv-report``."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    HypervisorError,
    InstanceSpec,
    NodeDownError,
    NodeSpec,
)

pytest.importorskip("jinja2")

SVG = "{http://www.w3.org/2000/svg}"

VOID = {"meta", "link", "input", "br", "rect", "circle", "path", "source", "img"}


class Page(HTMLParser):
    """A page's elements, and that each is closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        self.open = []
        self.found = []
        self.said = []
        self.names = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open and "script" not in self.open:
            self.said.append(" ".join(data.split()))
        if "h3" in self.open:
            self.names.append(" ".join(data.split()))

    def all(self, tag, **wanted):
        attributes = {key.rstrip("_"): value for key, value in wanted.items()}
        return [
            own
            for each, own in self.found
            if each == tag and all(own.get(key) == value for key, value in attributes.items())
        ]

    @property
    def words(self):
        return "\n".join(each for each in self.said if each)


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
        begin = "call 26, 8 s: ListInstances() on node1\nat tests/test_page.py:"
        assert any(title.startswith(begin) for title in titles)
        words = [each.text for each in svg.iter(f"{SVG}text")]
        assert {"node1", "node2", "node3", "down", "cut off", "60 % failed", "web1 paused"} & {*words} == {
            "node1",
            "node2",
            "node3",
            "down",
            "cut off",
            "60 % failed",
        }

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
        failed, under_way = words["50 % failed"], words["under way"]
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
        assert [kind for kind in kinds if kind.startswith("tip-of")] == ["tip-of failed", "tip-of completed"]

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

    @pytest.mark.parametrize("name", ["x.svg", "x.html", "X.SVG"])
    def test_save(self, root, tmp_path, name):
        busy_cluster(root).timeline().save(tmp_path / name)
        text = (tmp_path / name).read_text(encoding="utf-8")
        if name == "x.html":
            assert text.startswith("<!doctype html>")
            Page(text)
        else:
            ET.fromstring(text)

    @pytest.mark.parametrize("name", ["x.png", "x", ""])
    def test_save_as_something_else(self, root, name):
        with pytest.raises(DeclarationError) as caught:
            FakeCluster(root).timeline().save(name)
        assert str(caught.value) == f"path must end in .svg or .html, not {name!r}"

    def test_without_jinja(self, root, monkeypatch):
        import sys

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


ATTACKS = [
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "</title></style></svg><svg onload=alert(1)>",
    "]]><!-- --><![CDATA[",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; &#60;",
    "\x00\x1b[31m\x07\udcff\u202e",
]


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


# The page of a run

TESTS = """
    import pytest

    def start(node, name):
        node.StartInstance(node.instance(name), [], False)

    def test_passes(fakehv):
        start(fakehv, "web1")

    def test_fails(fakehv_cluster):
        start(fakehv_cluster["node1"], "web1")
        assert fakehv_cluster.placement() == {}

    def test_breaks_an_invariant(fakehv_cluster):
        for node in fakehv_cluster:
            start(node, "web1")

    @pytest.fixture
    def breaks(fakehv):
        yield
        start(fakehv, "late")
        raise ValueError("in the teardown")

    def test_error(breaks):
        pass

    @pytest.fixture
    def broken(fakehv):
        start(fakehv, "early")
        raise ValueError("in the setup")

    def test_set_up(broken):
        pass

    @pytest.mark.xfail
    def test_xfails(fakehv):
        assert False

    @pytest.mark.xfail(strict=False)
    def test_xpasses(fakehv):
        pass

    def test_skips(fakehv):
        pytest.skip("later")

    def test_other():
        pass
"""

OUTCOMES = [
    "error test_run.py::test_error",
    "error test_run.py::test_set_up",
    "failed test_run.py::test_breaks_an_invariant",
    "failed test_run.py::test_fails",
    "passed test_run.py::test_passes",
    "skipped test_run.py::test_skips",
    "xfailed test_run.py::test_xfails",
    "xpassed test_run.py::test_xpasses",
]


def read(pytester, name="out.html"):
    return Page((pytester.path / name).read_text(encoding="utf-8"))


def listed(page):
    outcomes = [own["data-outcome"] for own in page.all("details") if "data-outcome" in own]
    return [f"{outcome} {name}" for outcome, name in zip(outcomes, page.names, strict=True)]


@pytest.mark.parametrize("args", [(), ("-n", "2")])
def test_a_page(pytester, args):
    pytester.makepyfile(test_run=TESTS)
    result = pytester.runpytest_subprocess("--fakehv-report=out.html", *args)
    result.stdout.fnmatch_lines([f"fakehv: the report is in {pytester.path}/out.html"])
    page = read(pytester)
    found = listed(page)
    assert sorted(found) == OUTCOMES
    assert [each.split()[0] for each in found] == [
        "error", "error", "failed", "failed", "xpassed", "xfailed", "skipped", "passed"
    ]  # fmt: skip
    is_open = {own["data-outcome"] for own in page.all("details") if "data-outcome" in own and "open" in own}
    assert is_open == {"error", "failed"}
    assert "1 more tests used no fake hypervisor, and are not here." in page.words
    assert "ValueError: in the teardown" in page.words
    assert "assert the placements differ:" in page.words
    # What the invariants say is not said twice.
    assert page.words.count("web1 ran on node1 and node2 at once") == 3
    for name in ("late", "early", "web1"):
        assert f"StartInstance('{name}', [], False)" in page.words
    assert len(page.all("script")) == 1
    assert page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"].startswith(
        "default-src 'none'; "
    )
    ids = [own["id"] for _, own in page.found if "id" in own]
    assert len(ids) == len({*ids})


def test_by_the_ini_file_and_in_a_folder_that_is_not_there_yet(pytester):
    pytester.makeini("[pytest]\nfakehv_report = reports/out.html")
    pytester.makepyfile(test_run="def test_it(fakehv): pass")
    pytester.mkdir("sub")
    pytester.runpytest_subprocess("--rootdir=.", "-c", "tox.ini").assert_outcomes(passed=1)
    assert listed(read(pytester, "reports/out.html")) == ["passed test_run.py::test_it"]
    pytester.runpytest_subprocess("--fakehv-report=other.html").assert_outcomes(passed=1)
    assert listed(read(pytester, "other.html")) == ["passed test_run.py::test_it"]


def test_no_test_that_uses_one(pytester):
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest("--fakehv-report=out.html").assert_outcomes(passed=1)
    page = read(pytester)
    assert "No test used a fake hypervisor." in page.words
    assert page.all("script") == page.all("form") == []


def test_an_empty_value_means_none(pytester):
    pytester.makeini("[pytest]\nfakehv_report = out.html")
    pytester.makepyfile("def test_it(fakehv): pass")
    pytester.runpytest("--fakehv-report=").assert_outcomes(passed=1)
    assert not (pytester.path / "out.html").exists()


def test_nothing_is_written_where_nothing_ran(pytester):
    pytester.makepyfile("def test_it(fakehv): pass")
    pytester.runpytest("--fakehv-report=out.html", "--collect-only")
    assert not (pytester.path / "out.html").exists()


def test_an_earlier_one_is_replaced(pytester):
    pytester.makepyfile(test_run="def test_it(fakehv): pass")
    for _ in range(2):
        pytester.runpytest("--fakehv-report=out.html").assert_outcomes(passed=1)
    assert listed(read(pytester)) == ["passed test_run.py::test_it"]
    assert sorted(path.name for path in pytester.path.glob("*html*")) == ["out.html"]


@pytest.mark.parametrize("args", [(), ("-n", "1")])
def test_each_attempt_is_there(pytester, args):
    pytester.makepyfile(
        test_run="""
        RUNS = []

        def test_flaky(fakehv):
            RUNS.append(1)
            fakehv.StartInstance(fakehv.instance(f"attempt{len(RUNS)}"), [], False)
            assert len(RUNS) == 3
        """
    )
    result = pytester.runpytest_subprocess("--fakehv-report=out.html", "--reruns=2", *args)
    assert result.parseoutcomes() == {"passed": 1, "rerun": 2}
    page = read(pytester)
    assert listed(page) == [
        "rerun test_run.py::test_flaky, attempt 1 of 3",
        "rerun test_run.py::test_flaky, attempt 2 of 3",
        "passed test_run.py::test_flaky, attempt 3 of 3",
    ]
    assert "Tests that were run again have each attempt here; the last one counts." in page.words
    for number in (1, 2, 3):
        assert f"StartInstance('attempt{number}', [], False)" in page.words


def test_several_clusters_and_the_seed(pytester):
    pytester.makepyfile(
        test_run="""
        import pytest

        @pytest.mark.fakehv_fault("GetNodeInfo", probability=0.5, optional=True)
        @pytest.mark.fakehv(seed=77)
        def test_it(fakehv, fakehv_factory):
            for number in range(5):
                node = fakehv_factory()["node1"]
                node.StartInstance(node.instance(f"web{number}"), [], False)
            fakehv.ListInstances()
        """
    )
    pytester.runpytest("--fakehv-report=out.html").assert_outcomes(passed=1)
    page = read(pytester)
    assert "Cluster 3 of 3" in page.said
    assert "3 more clusters that it used are left out." in page.words
    pytester.makepyfile(
        test_run="""
        import pytest

        @pytest.mark.fakehv_fault("GetNodeInfo", probability=0.5, optional=True)
        @pytest.mark.fakehv(seed=77)
        def test_it(fakehv):
            pass
        """
    )
    pytester.runpytest("--fakehv-report=out.html").assert_outcomes(passed=1)
    assert "Seed of random faults: --fakehv-seed=77" in read(pytester).words


def test_too_many_tests(pytester, monkeypatch):
    pytester.makepyfile(
        test_run="""
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(fakehv, number):
            assert number < 3
        """
    )
    pytester.makeconftest("import pytest_fakehv.plugin.page as run; run.MOST_DRAWN = 2")
    pytester.runpytest_subprocess("--fakehv-report=out.html").assert_outcomes(passed=3, failed=1)
    page = read(pytester)
    assert "Only the first 2 tests have their timelines here." in page.words
    assert page.words.count("Its timeline is left out.") == 2
    assert len(page.all("svg", role="img")) == 2


def test_long_errors_are_cut(pytester):
    pytester.makepyfile(
        test_run="""
        def test_it(fakehv):
            raise ValueError("\\n".join(f"line {number}" for number in range(300)))
        """
    )
    pytester.runpytest("--fakehv-report=out.html").assert_outcomes(failed=1)
    words = read(pytester).words
    assert "ValueError: line 0" in words
    assert "lines left out)" in words
    assert "line 299" in words
    assert "line 20 " not in words


def test_names_and_errors_of_tests_stay_text(pytester):
    pytester.makepyfile(
        test_run=f"""
        import pytest

        ATTACKS = {[each.replace(chr(0xDCFF), "") for each in ATTACKS]!r}

        @pytest.mark.parametrize("attack", ATTACKS, ids=ATTACKS)
        def test_it(fakehv, attack):
            fakehv.ListInstances()
            raise ValueError(attack + "\\x1b[31m\\x00")
        """
    )
    result = pytester.runpytest_subprocess("--fakehv-report=out.html", "--color=yes")
    result.assert_outcomes(failed=len(ATTACKS))
    page = read(pytester)
    assert len(listed(page)) == len(ATTACKS)
    assert len(page.all("script")) == 1
    assert not {"img", "iframe", "object"} & {tag for tag, _ in page.found}
    assert not [key for _, own in page.found for key in own if key.startswith("on")]
    for attack in ATTACKS[:6]:
        assert attack.replace(" ", "") in page.words.replace(" ", "")
    assert page.text.replace("\n", "").replace("\t", "").isprintable()


class TestRefused:
    def refused(self, result, text):
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert [line for line in result.stderr.lines if line.strip()] == [f"ERROR: {text}"]

    @pytest.mark.parametrize("args", [(), ("-n", "2")])
    def test_a_folder(self, pytester, args):
        self.refused(
            pytester.runpytest_subprocess("--fakehv-report=.", *args),
            f"--fakehv-report {str(pytester.path)!r} can't be written: Is a directory",
        )

    def test_below_a_file(self, pytester):
        pytester.makeini("[pytest]\nfakehv_report = file/out.html")
        (pytester.path / "file").touch()
        result = pytester.runpytest()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [f"ERROR: fakehv_report '{pytester.path}/file/out.html' can't be written: *"]
        )

    def test_somebodys_file(self, pytester):
        """Such as a test, where the option's value was forgotten."""
        path = pytester.makepyfile("def test_it(fakehv): pass")
        before = path.read_text()
        self.refused(
            pytester.runpytest("--fakehv-report", path.name),
            f"--fakehv-report {str(path)!r} can't be written: it is there, and no report of an earlier run",
        )
        assert path.read_text() == before

    def test_no_path_at_all(self, pytester):
        pytester.makeini("[pytest]\nfakehv_report = a\0b")
        result = pytester.runpytest()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "can't be written: its path has a NUL" in result.stderr.str()

    def test_without_jinja(self, pytester):
        pytester.makepyfile(hidden="import sys; sys.modules['jinja2'] = None")
        self.refused(
            pytester.runpytest_subprocess("-p", "hidden", "-p", "no:html", "--fakehv-report=out.html"),
            "--fakehv-report: the picture of a timeline needs the extra 'report': "
            "pip install 'pytest-fakehv[report]' (import of jinja2 halted; None in sys.modules)",
        )

    def test_what_goes_wrong_in_the_end_is_said(self, pytester):
        pytester.makepyfile(
            """
            import os

            def test_it(fakehv, request):
                os.chdir("/")
                request.config.rootpath.joinpath("out").rename(request.config.rootpath / "moved")
            """
        )
        result = pytester.runpytest_subprocess("--fakehv-report=out/out.html")
        result.assert_outcomes(passed=1)
        why = "could not be written: No such file or directory"
        result.stdout.fnmatch_lines([f"fakehv: the report '{pytester.path}/out/out.html' {why}"])

    def test_a_report_that_was_half_written_is_no_report(self, pytester):
        pytester.makepyfile(
            """
            import os

            def test_it():
                os.mkdir("pages/out.html")
            """
        )
        result = pytester.runpytest_subprocess("--fakehv-report=pages/out.html")
        why = "could not be written: Is a directory"
        result.stdout.fnmatch_lines([f"fakehv: the report '*out.html' {why}"])
        assert [path.name for path in (pytester.path / "pages").iterdir()] == ["out.html"]


class TestPytestHtml:
    TESTS = """
        def test_it(fakehv_cluster):
            fakehv_cluster.add_instance("web1")
            fakehv_cluster.migrate("web1", to="node2")

        def test_other():
            pass
    """

    def extras(self, pytester):
        text = (pytester.path / "theirs.html").read_text(encoding="utf-8")
        data = json.loads(Page(text).all("div", id="data-container")[0]["data-jsonblob"])
        return {name: [each["content"] for each in rows[0]["extras"]] for name, rows in data["tests"].items()}

    @pytest.mark.parametrize("args", [(), ("-n", "2"), ("--fakehv-report=ours.html",)])
    def test_each_timeline_is_in_its_page_too(self, pytester, args):
        pytest.importorskip("pytest_html")
        pytester.makepyfile(test_run=self.TESTS)
        pytester.runpytest_subprocess("--html=theirs.html", *args).assert_outcomes(passed=2)
        extras = self.extras(pytester)
        (content,) = extras["test_run.py::test_it"]
        assert "FinalizeMigrationDst" in Page(content).words
        assert extras["test_run.py::test_other"] == []
        assert (pytester.path / "ours.html").exists() == bool(args and "report" in args[0])

    def test_there_is_no_page_of_ours_that_nobody_asked_for(self, pytester):
        pytester.makepyfile(
            hidden="import sys; sys.modules['pytest_fakehv.plugin.page'] = None", test_run=self.TESTS
        )
        result = pytester.runpytest_subprocess("-p", "hidden", "--html=theirs.html")
        result.assert_outcomes(passed=2)
        assert self.extras(pytester)["test_run.py::test_it"] == []


class TestTerminal:
    TESTS = """
        import pytest

        def test_it(fakehv_cluster):
            fakehv_cluster["node1"].ListInstances()
            fakehv_cluster["node2"].crash()
            with pytest.raises(Exception):
                fakehv_cluster["node2"].ListInstances()
            fakehv_cluster["node1"].ListInstances()
            assert False
    """

    @pytest.mark.parametrize("args", [(), ("-n", "1")])
    def test_colours_where_pytest_has_them(self, pytester, args):
        pytester.makepyfile(self.TESTS)
        plain = pytester.runpytest_subprocess("--color=no", *args)
        assert "\x1b" not in plain.stdout.str()
        result = pytester.runpytest_subprocess("--color=yes", "--junitxml=out.xml", *args)
        text = result.stdout.str()
        assert "\x1b[31m!ListInstances\x1b[0m" in text
        assert "\x1b[33m\x1b[1m*crash\x1b[0m" in text
        begin = "timeline, ! for a call that raised, * for what the test did:"
        without = re.sub(r"\x1b\[\d+m", "", text)
        shown, expected = (
            each[each.index(begin) :].split("\ncalls:")[0] for each in (without, plain.stdout.str())
        )
        assert shown == expected

    def test_others_see_none(self, pytester):
        """What other plugins read from the report afterwards is as it was."""
        pytester.makepyfile(self.TESTS)
        pytester.makeconftest(
            """
            import pytest

            @pytest.hookimpl(trylast=True)
            def pytest_unconfigure(config):
                reporter = config.pluginmanager.getplugin("terminalreporter")
                (report,) = reporter.getreports("failed")
                assert "\\x1b" not in dict(report.sections)["fakehv"]
                print("looked")
            """
        )
        result = pytester.runpytest_subprocess("--color=yes")
        assert "\x1b[31m!ListInstances\x1b[0m" in result.stdout.str()
        result.stdout.fnmatch_lines(["looked"])
