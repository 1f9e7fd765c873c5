"""Pages of several runs made one: ``python -m pytest_fakehv merge``."""

import base64
import re
import zlib

import pytest

pytest.importorskip("jinja2")
from parsed_page import Page

from pytest_fakehv.__main__ import main
from pytest_fakehv.story.page import run as page_run

SHARD = """
import pytest

@pytest.mark.fakehv_instance("web1")
def test_moves(fakehv_cluster):
    fakehv_cluster.migrate("web1", to="node2")

@pytest.mark.fakehv_instance("{name}")
def test_{outcome}(fakehv):
    assert {outcome!r} == "passes"

def test_without_us():
    pass
"""


@pytest.fixture
def shards(pytester):
    """Pages of two runs, in one of which a test fails."""
    for name, outcome in ("one", "passes"), ("two", "fails"):
        pytester.makepyfile(**{f"test_{name}": SHARD.format(name=name, outcome=outcome)})
        pytester.runpytest(f"test_{name}.py", f"--fakehv-report={name}.html")
    return pytester.path


def merge(*arguments):
    return main(["merge", *map(str, arguments)])


def test_each_test_is_there_with_its_timeline_and_says_where_it_was(shards):
    assert merge("one.html", "two.html", "--output=pages/all.html") == 0
    page = Page((shards / "pages" / "all.html").read_text())
    assert page.names == [
        "test_two.py::test_fails",
        "test_one.py::test_moves",
        "test_one.py::test_passes",
        "test_two.py::test_moves",
    ]
    assert page.words.count("In one.html.") == page.words.count("In two.html.") == 2
    assert len(page.all("svg", role="img")) == 4
    assert "1\nfailed\n3\npassed" in page.words
    assert "Tests without a timeline are not here: 2 passed." in page.words
    about = r"one\.html: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+, Python [\w.+]+, pytest [\w.]+"
    assert re.search(about, page.words)
    assert "2 runs" in page.said


def test_what_was_merged_can_be_merged_again(shards):
    merge("one.html", "--output=first.html")
    assert merge("first.html", "two.html", "--output=first.html") == 0
    page = Page((shards / "first.html").read_text())
    assert len(page.names) == 4
    assert "In first.html." in page.words
    assert "In one.html." in page.words


def test_a_run_that_ended_badly_says_so_though_its_tests_went_well(pytester):
    pytester.makepyfile(test_it=SHARD.format(name="one", outcome="passes"))
    pytester.makeconftest("def pytest_sessionfinish(session): session.exitstatus = 3")
    pytester.runpytest("--fakehv-report=one.html")
    merge("one.html", "one.html", "--output=all.html")
    words = Page((pytester.path / "all.html").read_text()).words
    assert words.count("The run ended with exit status 3, though no test here went wrong.") == 2


def packed(data):
    return base64.b64encode(zlib.compress(data)).decode()


TAG = "<!doctype html><!-- a report of pytest-fakehv -->"
DATA = '<script type="application/json" id="run">'
CANT = "nothing is merged: bad.html: what it has of its run can't be read: "

BAD = {
    "nothing": (None, "nothing is merged: bad.html: No such file or directory"),
    "another's": ("<html></html>", "nothing is merged: bad.html: it is no report of pytest-fakehv"),
    "not a text": (b"\xff", "nothing is merged: bad.html: it is no report of pytest-fakehv"),
    "without data": (TAG, CANT + "IndexError: list index out of range"),
    "not packed": (f"{TAG}{DATA}!</script>", CANT + "Error: Only base64 data is allowed"),
    "cut": (
        f"{TAG}{DATA}{packed(b'[')}</script>",
        CANT + "JSONDecodeError: Expecting value: line 1 column 2 (char 1)",
    ),
    "something else": (
        f"{TAG}{DATA}{packed(b'{}')}</script>",
        CANT + "KeyError: 'tests'",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_page_that_is_none_is_named_and_nothing_is_written(shards, capsys, content, message):
    if content is not None:
        (shards / "bad.html").write_bytes(content if isinstance(content, bytes) else content.encode())
    capsys.readouterr()
    assert merge("one.html", "bad.html", "--output=all.html") == 2
    assert capsys.readouterr() == ("", f"{message}\n")
    assert not (shards / "all.html").exists()


def test_what_is_no_file_is_named(shards, capsys):
    (shards / "bad.html").mkdir()
    capsys.readouterr()
    assert merge("one.html", "bad.html", "--output=all.html") == 2
    assert capsys.readouterr() == ("", "nothing is merged: bad.html: it is a folder, not a file\n")


def test_a_page_whose_data_unpack_to_too_much_is_refused(shards, capsys, monkeypatch):
    monkeypatch.setattr(page_run, "_LARGEST_DATA", 100)
    capsys.readouterr()
    assert merge("one.html", "--output=all.html") == 2
    said = "nothing is merged: one.html: what it has of its run can't be read: JSONDecodeError: "
    assert capsys.readouterr().err.startswith(said)


def test_a_file_of_somebody_elses_stays(shards, capsys):
    (shards / "all.html").write_text("mine")
    capsys.readouterr()
    assert merge("one.html", "--output=all.html") == 2
    path = str(shards / "all.html")
    assert capsys.readouterr().err == (
        f"nothing is merged: {path!r} can't be written: it is somebody else's file; "
        "name a new file, or one that pytest-fakehv wrote\n"
    )
    assert (shards / "all.html").read_text() == "mine"


def test_without_the_extra_it_says_what_is_missing(pytester):
    pytester.makepyfile(
        without="""
        import sys

        sys.modules["jinja2"] = None
        from pytest_fakehv.__main__ import main

        sys.exit(main(["merge", "one.html", "--output=all.html"]))
        """
    )
    result = pytester.runpython("without.py")
    assert result.ret == 2
    (said,) = result.errlines
    assert said == (
        "the picture of a timeline needs the extra 'report': pip install 'pytest-fakehv[report]' "
        "(import of jinja2 halted; None in sys.modules)"
    )
