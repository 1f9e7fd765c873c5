"""What the page of a run says beside its tests' timelines."""

import re

import pytest

pytest.importorskip("jinja2")
from parsed_page import Page

from pytest_fakehv.story.page import run as page_run

FORM = ["Name has", "Outcome", "any"]

GREEN = """
    def test_one(fakehv):
        pass

    def test_two(fakehv):
        pass
"""

RED = """
    import pytest

    RUNS = []

    def test_breaks_an_invariant(fakehv_cluster):
        for node in fakehv_cluster:
            node.StartInstance(node.instance("web1"), [], False)

    @pytest.mark.flaky(reruns=1)
    def test_flaky(fakehv):
        RUNS.append(1)
        assert len(RUNS) == 2

    @pytest.mark.xfail
    def test_xfails(fakehv):
        assert False

    def test_skips(fakehv):
        pytest.skip("later")
"""


def page_of(pytester, tests, *args):
    pytester.makepyfile(test_run=tests)
    pytester.runpytest("--fakehv-report=out.html", "-p", "no:randomly", *args)
    return Page((pytester.path / "out.html").read_text(encoding="utf-8"))


def summary(page):
    lines = page.words.splitlines()
    return lines[lines.index("Summary") + 1 : lines.index("Tests")]


def test_a_green_run_has_no_notes(pytester, monkeypatch):
    monkeypatch.setattr(page_run, "MOST_DRAWN", 2)
    page = page_of(pytester, GREEN)
    assert summary(page) == ["2", "passed", *FORM, "passed"]
    assert "There is no timeline of it." not in page.words


def test_when_it_was_and_with_what(pytester):
    lines = page_of(pytester, GREEN).words.splitlines()
    about = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+, Python [\w.+]+, pytest [\w.]+"
    assert re.fullmatch(about, lines[lines.index("Summary") - 1])


def test_outcomes_are_counted_the_worst_first_and_a_red_run_needs_no_note_of_its_status(pytester):
    pytest.importorskip("pytest_rerunfailures")
    page = page_of(pytester, RED)
    outcomes = ["failed", "rerun", "xfailed", "skipped", "passed"]
    counts = [word for outcome in outcomes for word in ("1", outcome)]
    again = "Tests that were run again have each attempt here; the last one counts."
    assert summary(page) == [*counts, again, *FORM, *outcomes]


def test_of_too_many_tests_the_rest_says_that_its_timeline_is_left_out(pytester, monkeypatch):
    monkeypatch.setattr(page_run, "MOST_DRAWN", 1)
    page = page_of(pytester, GREEN)
    assert summary(page) == [
        *["2", "passed", "Only the first 1 tests have their timelines here.", *FORM, "passed"],
    ]
    assert page.words.splitlines()[-1] == "Its timeline is left out."


def test_what_an_invariant_says_needs_no_error_beside_it(pytester):
    page = page_of(pytester, RED, "-k", "invariant")
    assert page.all("pre") == []
    assert "All that pytest says of it" not in page.words


def test_a_tab_stays_one(pytester):
    page = page_of(pytester, "def test_it(fakehv): raise ValueError('a\\tb')")
    assert "<pre>ValueError: a\tb</pre>" in page.text


@pytest.mark.parametrize("count", [1, 2])
def test_a_timeline_is_named_by_its_test_and_of_several_each_by_its_number(pytester, count):
    page = page_of(
        pytester,
        f"""
        def test_it(fakehv_factory):
            for number in range({count}):
                fakehv_factory()["node1"].ListInstances()
        """,
    )
    name = "test_run.py::test_it"
    several = [f"{name}, cluster 1 of 2", f"{name}, cluster 2 of 2"]
    labels = [own["aria-label"] for own in page.all("div", class_="scroller")]
    assert labels == [f"Timeline: {each}" for each in ([name] if count == 1 else several)]
    heads = [each for each in page.said if re.fullmatch(r"Cluster \d of \d", each)]
    assert heads == ([] if count == 1 else ["Cluster 1 of 2", "Cluster 2 of 2"])


def test_where_a_timeline_can_not_be_drawn_the_next_one_is(pytester, monkeypatch):
    from pytest_fakehv.story.page import content

    draw, drawn = content.draw, []

    def draw_but_the_first(timeline):
        drawn.append(timeline)
        if len(drawn) == 1:
            raise RuntimeError("no pen is left")
        return draw(timeline)

    monkeypatch.setattr(content, "draw", draw_but_the_first)
    page = page_of(
        pytester,
        """
        def test_it(fakehv_factory):
            for number in range(2):
                fakehv_factory()["node1"].ListInstances()
        """,
    )
    assert "A timeline could not be drawn: RuntimeError: no pen is left" in page.said
    assert [own["aria-label"] for own in page.all("div", class_="scroller")] == [
        "Timeline: test_run.py::test_it, cluster 2 of 2"
    ]


def test_what_went_wrong_without_a_cluster_has_no_timeline(pytester):
    page = page_of(pytester, "def test_it(): assert False")
    assert "There is no timeline of it." in page.said
