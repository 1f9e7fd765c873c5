"""A run that went wrong is never told of as if it had not, and no report of ours ends one."""

import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("jinja2")
from parsed_page import Page


def read(pytester):
    """Return the page, with all that it says on one line."""
    page = Page((pytester.path / "out.html").read_text(encoding="utf-8"))
    return page.names, " ".join(page.words.split())


def debugged(pytester, *commands):
    """Run the tests in the debugger, which is given commands."""
    stdin = "".join(f"{each}\n" for each in commands).encode()
    return pytester.run(*pytester._getpytestargs(), "--pdb", "-p", "no:cacheprovider", stdin=stdin)


class TestThePage:
    def test_what_used_a_cluster_that_the_plugin_does_not_know(self, pytester):
        pytester.makepyfile(
            test_run="""
            import pytest
            from pytest_fakehv import FakeCluster

            def test_temporary():
                with FakeCluster.temporary():
                    raise ValueError("no use")

            @pytest.fixture
            def broken():
                raise ValueError("no fixture")

            def test_setup(broken):
                pass

            def test_fine():
                pass

            def test_skipped():
                pytest.skip("not today")
            """
        )
        result = pytester.runpytest_subprocess("--fakehv-report=out.html")
        result.assert_outcomes(passed=1, failed=1, errors=1, skipped=1)
        names, words = read(pytester)
        assert names == ["test_run.py::test_setup", "test_run.py::test_temporary"]
        for line in (
            "1 error",
            "1 failed",
            "Tests without a timeline are not here: 1 skipped, 1 passed.",
            "ValueError: no fixture",
            "ValueError: no use",
        ):
            assert line in words
        assert words.count("There is no timeline of it.") == 2

    @pytest.mark.parametrize("args", [(), ("-n", "1")], ids=["one process", "xdist"])
    def test_what_cannot_be_collected(self, pytester, args):
        pytester.makepyfile(test_run="import nothing_of_that_name")
        result = pytester.runpytest_subprocess("--fakehv-report=out.html", *args)
        result.assert_outcomes(errors=1)
        _, words = read(pytester)
        assert "1 error" in words
        assert "No module named 'nothing_of_that_name'" in words

    def test_a_worker_that_died(self, pytester):
        pytester.makepyfile(
            test_run="""
            import os, signal

            def test_dies(fakehv_cluster):
                fakehv_cluster.add_instance("app1")
                os.kill(os.getpid(), signal.SIGKILL)

            def test_lives(fakehv):
                fakehv.ListInstances()
            """
        )
        result = pytester.runpytest_subprocess("--fakehv-report=out.html", "-n", "1")
        result.assert_outcomes(passed=1, failed=1)
        _, words = read(pytester)
        for line in (
            "1 crashed",
            "1 passed",
            "worker 'gw0' crashed while running 'test_run.py::test_dies'",
            "There is no timeline of it.",
        ):
            assert line in words
        assert "not here" not in words

    def test_an_outcome_that_another_plugin_invents(self, pytester):
        pytester.makeconftest(
            """
            import pytest

            @pytest.hookimpl(wrapper=True)
            def pytest_runtest_makereport(item, call):
                report = yield
                if call.when == "call" and report.failed:
                    report.outcome = "retried"
                return report

            def pytest_report_teststatus(report):
                if report.outcome == "retried":
                    return "retried", "R", "RETRIED"
            """
        )
        pytester.makepyfile(
            test_run="""
            def test_it(fakehv):
                raise ValueError("once more")
            """
        )
        result = pytester.runpytest_subprocess("--fakehv-report=out.html")
        result.stdout.fnmatch_lines(["*1 retried*"])
        _, words = read(pytester)
        assert "1 retried" in words
        assert "ValueError: once more" in words

    def test_a_run_that_ended_for_another_reason(self, pytester):
        pytester.makeconftest(
            """
            def pytest_sessionfinish(session):
                session.exitstatus = 1
            """
        )
        pytester.makepyfile(test_run="def test_it(fakehv): pass")
        result = pytester.runpytest_subprocess("--fakehv-report=out.html")
        assert result.ret == 1
        assert "The run ended with exit status 1, though no test here went wrong." in read(pytester)[1]


class TestWhatCannotBeDrawn:
    CONFTEST = """
        from pytest_fakehv.cluster import scope

        def paint(*args, **keywords):
            raise RuntimeError("no paint is left")

        scope.paint = paint
    """
    TESTS = """
        def test_fails(fakehv):
            assert not fakehv.name

        def test_passes(fakehv):
            pass
    """

    def test_is_said_in_the_section_and_on_the_page(self, pytester):
        pytester.makeconftest(self.CONFTEST)
        pytester.makepyfile(test_run=self.TESTS)
        result = pytester.runpytest_subprocess("--fakehv-report=out.html", "--fakehv-show=all")
        result.assert_outcomes(passed=1, failed=1)
        text = "could not be drawn: RuntimeError: no paint is left"
        assert result.stdout.str().count(f"\n{text}\n") == 2
        assert read(pytester)[1].count(f"A timeline {text}") == 1

    def test_in_the_middle_of_the_page(self, pytester):
        pytester.makeconftest(
            """
            from pytest_fakehv.story.page import content

            def draw(timeline):
                raise RuntimeError("no pen is left")

            content.draw = draw
            """
        )
        pytester.makepyfile(test_run=self.TESTS)
        result = pytester.runpytest_subprocess("--fakehv-report=out.html")
        result.assert_outcomes(passed=1, failed=1)
        _, words = read(pytester)
        assert words.count("A timeline could not be drawn: RuntimeError: no pen is left") == 2

    def test_the_whole_page(self, pytester):
        pytester.makeconftest(
            """
            import pytest_fakehv.story.page.run as run

            def page(**keywords):
                raise RuntimeError("no paper is left")

            run.page = page
            """
        )
        pytester.makepyfile(test_run="def test_it(fakehv): pass")
        result = pytester.runpytest_subprocess("--fakehv-report=out.html")
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            ["fakehv: the report '*out.html' could not be drawn: RuntimeError: no paper is left"]
        )

    def test_in_colour(self, pytester):
        pytester.makeconftest(
            """
            from pytest_fakehv.story import timeline

            def of(data):
                raise RuntimeError("no colour is left")

            timeline.Timeline.of = of
            """
        )
        pytester.makepyfile(test_run=self.TESTS)
        result = pytester.runpytest_subprocess("--color=yes")
        result.assert_outcomes(passed=1, failed=1)
        assert "node1: 65536 of 65536 MiB free, 16 CPUs, no instances" in result.stdout.str()

    def test_an_explanation_of_a_comparison(self, pytester):
        pytester.makepyfile(
            test_run="""
            import pytest_fakehv.judgement.messages as messages

            def comparison(left, right):
                raise RuntimeError("no words are left")

            def test_it(fakehv, monkeypatch):
                monkeypatch.setattr(messages, "comparison", comparison)
                assert fakehv.instances == {"web1": 1}
            """
        )
        result = pytester.runpytest_subprocess()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["E       AssertionError: assert {} == {'web1': 1}"])


class TestJUnitXml:
    TESTS = """
        import pytest

        @pytest.mark.fakehv_fault("StopInstance", probability=0.5, optional=True)
        def test_it(fakehv):
            fakehv.ListInstances()
            raise ValueError("no")

        def test_passes(fakehv):
            pass
    """

    @pytest.mark.parametrize("args", [(), ("-n", "1")], ids=["one process", "xdist"])
    def test_it_has_the_section_and_the_seed(self, pytester, args):
        pytester.makepyfile(test_run=self.TESTS)
        pytester.runpytest_subprocess("--junitxml=out.xml", "--fakehv-seed=7", *args)
        failed, passed = ET.parse(pytester.path / "out.xml").iter("testcase")
        properties = {each.get("name"): each.get("value") for each in failed.iter("property")}
        assert sorted(properties) == ["fakehv", "fakehv-seed"]
        assert properties["fakehv-seed"] == "7"
        assert "1 node1 ListInstances() at test_run.py:5 -> []" in properties["fakehv"]
        assert list(passed.iter("property")) == []


class TestTheDebugger:
    def test_a_violation_stops_in_the_test(self, pytester):
        pytester.makepyfile(
            test_run="""
            def test_it(fakehv_cluster):
                secret = 42
                fakehv_cluster.add_instance("web1", node="node1")
                web1 = fakehv_cluster.instance("web1")
                fakehv_cluster["node2"].StartInstance(web1, [], False)
            """
        )
        result = debugged(pytester, "p secret", "c")
        result.stdout.fnmatch_lines(
            [
                "*PDB post_mortem*",
                "> *test_run.py(5)test_it()",
                "-> fakehv_cluster*.StartInstance(web1, *, False)",
                "(Pdb) 42",
            ]
        )

    def test_what_the_test_itself_raises_is_as_ever(self, pytester):
        pytester.makepyfile(test_run="def test_it(fakehv):\n    secret = 41\n    raise ValueError")
        result = debugged(pytester, "p secret", "c")
        result.stdout.fnmatch_lines(["> *test_run.py(3)test_it()", "(Pdb) 41"])

    def test_what_a_teardown_breaks(self, pytester):
        pytester.makepyfile(
            test_run="""
            import pytest

            @pytest.fixture
            def started(fakehv_cluster):
                yield
                for node in fakehv_cluster:
                    node.StartInstance(fakehv_cluster.instance("web1"), [], False)

            def test_it(started):
                pass
            """
        )
        result = debugged(pytester, "c")
        result.stdout.fnmatch_lines(["*PDB post_mortem*", "*1 passed, 1 error*"])
