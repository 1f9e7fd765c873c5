"""A test in which an invariant does not hold fails, unless it is allowed."""

import pytest
from careless import ACCEPTED, TWICE, run, said, text


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
            "web1 runs nowhere: node1 dropped its only copy",
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
    result.stdout.fnmatch_lines(["*- fakehv -*", "node1: *", "calls, > *", "> 1 node2 AcceptInstance*"])
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


VALID = (
    "split-brain, vanished, unfinished, unearned, double-start, together, crowded, left-paused, forgotten, "
    "orphaned, overcommit, unfired"
)


WRONG_MARKERS = [
    ("allow=['vanish']", f"allow has 'vanish'; valid: {VALID}"),
    ("allow=['vanished', 5]", f"allow has 5; valid: {VALID}"),
    ("allow='vanished'", "allow must be a list of invariants, not 'vanished'"),
    ("allow=5", "allow must be a list of invariants, not 5"),
    ("strict='no'", "strict must be one of True, False, not 'no'"),
    ("strict=0", "strict must be one of True, False, not 0"),
    (
        "stric=True",
        (
            "unknown argument 'stric'; valid: backend, clock, strict, allow, seed, topology, "
            "max_calls, max_time, routes, forbid"
        ),
    ),
    ("max_calls=0", "max_calls must be a positive integer, not 0"),
    ("max_time=0", "max_time must be a positive number, not 0"),
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


def test_an_error_that_has_no_text_keeps_nothing_from_being_said(pytester):
    pytester.makepyfile("""
        class MuteError(Exception):
            def __str__(self):
                raise RuntimeError

        def test_mute(fakehv_cluster):
            fakehv_cluster.fault("StartInstance")
            raise MuteError
    """)
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*fakehv: invariants that did not hold*", "unfired: fault('StartInstance')*"]
    )


def test_the_nodes_are_shown_as_the_verdict_has_found_them(pytester):
    """Another program has put an instance there, without a call."""
    result = run(
        pytester,
        """
def test_it(fakehv_cluster):
    node1, node2 = fakehv_cluster
    (Path(node2.root) / "web1").write_text("0\\n512\\n2\\n")
    (Path(node2.root) / "web2").write_text("nonsense")
    node1.StartInstance(node1.instance("web1"), [], False)
""",
    )
    lines = result.outlines
    begin = lines.index(next(each for each in lines if each.startswith("node1: ")))
    assert lines[begin : begin + 4] == [
        "node1: 64512 of 65536 MiB free, 16 CPUs",
        "  web1 running, 1024 MiB, 1 vcpus",
        "node2: 65024 of 65536 MiB free, 16 CPUs",
        "  web1 running, 512 MiB, 2 vcpus",
    ]
