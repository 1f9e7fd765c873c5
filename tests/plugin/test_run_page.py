"""The page of a run: ``--fakehv-report``."""

import errno
import json
import os
import re
import tempfile

import pytest

pytest.importorskip("jinja2")
from parsed_page import ATTACKS, Page

from pytest_fakehv.machine import Os
from pytest_fakehv.plugin import page as run_page
from pytest_fakehv.story.page.render import TAG

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
    assert "Tests without a timeline are not here: 1 passed." in page.words
    assert "ValueError: in the teardown" in page.words
    assert "assert the placements differ:" in page.words
    # What the invariants say is not said twice.
    assert page.words.count("web1 ran on node1 and node2 at once") == 3
    for name in ("late", "early", "web1"):
        assert f"StartInstance('{name}', [], False)" in page.words
    assert page.scripts == 1
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
    assert "No test has a timeline, and none went wrong." in page.words
    assert page.scripts == 0
    assert page.all("form") == []


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


def test_what_the_test_and_its_teardown_broke_is_there(pytester):
    pytester.makepyfile(
        test_run="""
        import pytest

        @pytest.fixture
        def late(fakehv_cluster):
            yield fakehv_cluster
            fakehv_cluster.add_instance("web2")
            fakehv_cluster["node2"].add_instance("web2")

        def test_it(late):
            late["node2"].AcceptInstance(late["node2"].instance("web1"), "", "node2")

        def test_teardown(late):
            pass
        """
    )
    result = pytester.runpytest_subprocess("--fakehv-report=out.html")
    assert result.parseoutcomes() == {"passed": 1, "failed": 1, "errors": 2}
    page = read(pytester)
    assert listed(page) == ["error test_run.py::test_it", "error test_run.py::test_teardown"]
    assert page.words.count("web1 was accepted on node2 and neither migrated nor aborted") == 3
    assert page.words.count("web2 ran on node1 and node2 at once") == 2


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
    pytester.makeconftest("import pytest_fakehv.story.page.run as run; run.MOST_DRAWN = 2")
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
    assert page.scripts == 1
    assert not {"img", "iframe", "object"} & {tag for tag, _ in page.found}
    assert not [key for _, own in page.found for key in own if key.startswith("on")]
    for attack in ATTACKS[:6]:
        assert attack.replace(" ", "") in page.words.replace(" ", "")
    assert page.text.replace("\n", "").replace("\t", "").isprintable()


class TestRefused:
    def refused(self, result, text):
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert [line for line in result.stderr.lines if line.strip()] == [f"ERROR: {text}"]

    def test_under_xdist(self, pytester):
        self.refused(
            pytester.runpytest_subprocess("--fakehv-report=.", "-n", "2"),
            f"--fakehv-report {str(pytester.path)!r} can't be written: it is a folder; "
            "name a new file, or one that pytest-fakehv wrote",
        )

    def test_somebodys_file(self, pytester):
        """Such as a test, where the option's value was forgotten."""
        path = pytester.makepyfile("def test_it(fakehv): pass")
        before = path.read_text()
        self.refused(
            pytester.runpytest("--fakehv-report", path.name),
            f"--fakehv-report {str(path)!r} can't be written: it is somebody else's file; "
            "name a new file, or one that pytest-fakehv wrote",
        )
        assert path.read_text() == before

    def test_without_jinja(self, pytester):
        pytester.makepyfile(hidden="import sys; sys.modules['jinja2'] = None")
        self.refused(
            pytester.runpytest_subprocess("-p", "hidden", "-p", "no:html", "--fakehv-report=out.html"),
            "--fakehv-report: the picture of a timeline needs the extra 'report': "
            "pip install 'pytest-fakehv[report]' (import of jinja2 halted; None in sys.modules)",
        )


COMES_MEANWHILE = """
    import os
    from pathlib import Path

    def test_it(fakehv):
        os.chdir({folder!r})
        {deed}
"""


class TestWhatComesToItsPlaceMeanwhile:
    """What is at the path when the run ends was not there, or was ours, when it began."""

    @pytest.fixture
    def run(self, pytester, monkeypatch):
        """Run a test that does something in the page's folder; return what is said of the page."""
        monkeypatch.setattr(tempfile, "tempdir", str(pytester.mkdir("temporary")))
        pytester.mkdir("pages")

        def run(deed):
            pytester.makepyfile(COMES_MEANWHILE.format(folder=str(pytester.path / "pages"), deed=deed))
            result = pytester.runpytest("--fakehv-report=pages/out.html")
            os.chdir(pytester.path)
            result.assert_outcomes(passed=1)
            (said,) = [line for line in result.outlines if line.startswith("fakehv: the report")]
            return said

        return run

    @pytest.mark.parametrize(
        ("deed", "what"),
        [
            ("Path('out.html').touch()", "somebody else's file"),
            ("Path('out.html').write_text('mine')", "somebody else's file"),
            ("os.mkdir('out.html')", "a folder"),
            ("os.mkfifo('out.html')", "a FIFO"),
            ("os.symlink('theirs', 'out.html')", "a link to nothing"),
            ("Path('theirs').write_text('mine'); os.symlink('theirs', 'out.html')", "a link to a file"),
            ("os.symlink('/dev/null', 'out.html')", "a link to a character device"),
        ],
    )
    def test_it_stays_and_the_page_is_elsewhere(self, pytester, run, deed, what):
        null = os.stat("/dev/null")
        said = run(deed)
        (rescued,) = (pytester.path / "temporary").glob("fakehv-report-*/report.html")
        assert said == (
            f"fakehv: the report '{pytester.path}/pages/out.html' can't be written: it is {what}; "
            f"name a new file, or one that pytest-fakehv wrote; this run's is in {rescued}"
        )
        assert Page(rescued.read_text(encoding="utf-8")).names
        path = pytester.path / "pages" / "out.html"
        if path.is_file() and not path.is_symlink():
            assert path.read_text() in ("", "mine")
        theirs = pytester.path / "pages" / "theirs"
        assert {each.name for each in path.parent.iterdir()} <= {"out.html", "theirs"}
        assert theirs.exists() == (what == "a link to a file")
        assert os.stat("/dev/null") == null

    def test_another_run_of_ours_is_replaced(self, pytester, run):
        deed = f"Path('out.html').write_text({TAG + ' of another run'!r}); os.chmod('out.html', 0o640)"
        assert run(deed) == f"fakehv: the report is in {pytester.path}/pages/out.html"
        assert read(pytester, "pages/out.html").names
        assert (pytester.path / "pages" / "out.html").stat().st_mode & 0o777 == 0o640

    def test_its_folder_has_gone(self, pytester, run):
        said = run("os.rename('../pages', '../moved')")
        assert said == f"fakehv: the report is in {pytester.path}/pages/out.html"
        assert os.listdir(pytester.path / "moved") == []

    def test_in_the_moment_of_writing(self, pytester, run, monkeypatch):
        theirs = pytester.path / "pages" / "out.html"
        link = Os.link

        def late(source, target):
            theirs.write_text("mine")
            link(source, target)

        monkeypatch.setattr(Os, "link", staticmethod(late))
        assert f"{str(theirs)!r} can't be written: it is somebody else's file; " in run("pass")
        assert theirs.read_text() == "mine"
        assert os.listdir(theirs.parent) == ["out.html"]

    def test_there_is_no_other_place_either(self, pytester, run, monkeypatch):
        def refuse(os_now, prefix):
            raise FileNotFoundError("no temporary directory")

        monkeypatch.setattr(run_page, "make_temporary", refuse)
        assert run("os.mkdir('out.html')") == (
            f"fakehv: the report '{pytester.path}/pages/out.html' can't be written: it is a folder; "
            "name a new file, or one that pytest-fakehv wrote; "
            "it is lost, as there is no other place either: no temporary directory"
        )

    def test_where_there_are_no_hard_links(self, pytester, run, monkeypatch):
        def refuse(source, target):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(Os, "link", staticmethod(refuse))
        for _ in range(2):
            assert run("pass") == f"fakehv: the report is in {pytester.path}/pages/out.html"
        assert os.listdir(pytester.path / "pages") == ["out.html"]


def test_one_that_is_read_only_is_kept(pytester):
    pytester.makepyfile("def test_it(fakehv): pass")
    pytester.runpytest("--fakehv-report=out.html").assert_outcomes(passed=1)
    (pytester.path / "out.html").chmod(0o444)
    result = pytester.runpytest("--fakehv-report=out.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (said,) = [line for line in result.stderr.lines if line.strip()]
    assert said == (
        f"ERROR: --fakehv-report '{pytester.path}/out.html' can't be written: it is read-only; "
        "name a new file, or one that pytest-fakehv wrote"
    )


def test_a_path_of_odd_bytes_is_said_in_one_line(pytester):
    pytester.makepyfile("def test_it(fakehv): pass")
    result = pytester.runpytest("--fakehv-report=a\nb\udcff.html")
    result.assert_outcomes(passed=1)
    assert f"fakehv: the report is in {pytester.path}/a\\nb\\udcff.html" in result.outlines
    assert (pytester.path / "a\nb\udcff.html").exists()


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
