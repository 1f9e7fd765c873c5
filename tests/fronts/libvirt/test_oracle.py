"""The front says what a real libvirtd with QEMU said to the same calls, but for a published table."""

import subprocess
import sys
from pathlib import Path

import pytest
from oracle import records
from oracle.comparing import Difference, compared
from oracle.differences import Row

HERE = Path(__file__).parent


@pytest.fixture
def client():
    """libvirt's own client, of the version that the records were made with."""
    pytest.importorskip("libvirtmod", reason="pip install libvirt-python, or Debian's python3-libvirt")
    import libvirt

    here, there = libvirt.getVersion() // 1000, records.pair()["libvirt"] // 1000
    if here != there:
        pytest.skip(
            f"the records have what libvirt {there / 1000} says, and the client here is {here / 1000}"
        )


@pytest.mark.usefixtures("client")
def test_the_front_says_what_a_real_pair_of_hosts_has_said():
    """In a process of its own: libvirt's event loop can't be taken back."""
    command = [sys.executable, "-m", "oracle", "compare"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, timeout=300)
    sys.stdout.write(done.stdout)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def line(**said):
    return {"call": "web1.create()", "api": "virDomainCreate"} | said


@pytest.mark.parametrize(
    ("there", "here", "found"),
    [
        ({"result": 0}, {"result": 0}, []),
        ({"result": 0}, {"result": 1}, [("result", "0", "1")]),
        (
            {"result": {"a": 1}},
            {"result": {"b": 1}},
            [("result/a", "1", "(absent)"), ("result/b", "(absent)", "1")],
        ),
        ({"result": [1, 2]}, {"result": [1, 3]}, [("result/1", "2", "3")]),
        ({"result": 0}, {"error": [55, 10, "no"]}, [("outcome", "0", "55/10 no")]),
        ({"error": [55, 10, "no"]}, {"error": [55, 20, "no"]}, [("error", "55/10 no", "55/20 no")]),
        ({"error": [8, 0, "no", 2, "%s"]}, {"error": [8, 0, "no", 2, "%d"]}, [("error/str1", "%s", "%d")]),
        ({"state": [5, 1]}, {"state": [5, 2]}, [("state", "[5, 1]", "[5, 2]")]),
        ({"events": ["a", "b"]}, {"events": ["a"]}, [("events", "a; b", "a")]),
        ({"result": "<a><b c='1'/></a>"}, {"result": "<a><b c='2'/></a>"}, [("result/a/b/@c", "1", "2")]),
        ({"result": "<a><b/></a>"}, {"result": "<a/>"}, [("result/a/b", "<b />", "(absent)")]),
        ({"result": "<a><b/><c/></a>"}, {"result": "<a><c/><b/></a>"}, [("result/a/order", "b c", "c b")]),
        ({"result": "<a>\n<b/></a>"}, {"result": "<a><b/></a>"}, [("result/layout", "<a>", "<a><b/></a>")]),
        ({"stdout": "one\ntwo\n"}, {"stdout": "one\nthree\n"}, [("stdout", "two", "three")]),
        (
            {"status": 0, "stdout": "yes\nof course\n", "stderr": ""},
            {"status": 1, "stdout": "", "stderr": "error: look\nerror: no\n"},
            [("outcome", "exit 0, yes", "exit 1, error: no")],
        ),
    ],
)
def test_what_differs_is_said_where_it_does(there, here, found):
    differences = list(compared("script", [line(**there)], [line(**here)]))
    assert [(each.where, each.there, each.here) for each in differences] == found


def test_a_call_that_only_one_side_makes_is_said_and_the_rest_compared():
    there = [line(call="a"), line(call="b", result=1), line(call="c", result=1)]
    here = [line(call="a"), line(call="c", result=2), line(call="d")]
    assert [
        (each.number, each.call, each.where, each.there, each.here) for each in compared("s", there, here)
    ] == [
        (1, "b", "call", "is made", "is not made"),
        (2, "c", "result", "1", "2"),
        (3, "d", "call", "is not made", "is made"),
    ]


@pytest.mark.parametrize(
    ("cells", "matches"),
    [
        (("", "", "", ""), True),
        (("`virDomainCreate`", "any", "", ""), True),
        (("`virDomainDestroy`, `virDomainCreate`", "", "", ""), True),
        (("`virDomain…`", "`res…`", "`0`", "`1`"), True),
        (("`virDomain`", "", "", ""), False),
        (("", "`state`", "", ""), False),
        (("", "", "`1`", ""), False),
    ],
)
def test_a_row_matches_what_its_code_says(cells, matches):
    difference = Difference("script", 0, "web1.create()", "virDomainCreate", "result", "0", "1")
    assert Row(1, cells).matches(difference) is matches
