"""Tests that are to fail, by `unittest` or by pytest: a broken invariant is a failure, too."""

SOURCE = """
import unittest
import pytest
from pytest import mark

def break_one(hv):
    hv.fault("StopInstance")

class TestUnit(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def scene(self, fakehv):
        self.hv = fakehv

    @unittest.expectedFailure
    def test_broken_xfailed(self):
        break_one(self.hv)

    @unittest.expectedFailure
    def test_failing_xfailed(self):
        self.fail("by itself")

    @unittest.expectedFailure
    def test_both_xfailed(self):
        break_one(self.hv)
        self.fail("by itself")

    @unittest.expectedFailure
    def test_well_failed(self):
        pass

    def test_broken_failed(self):
        break_one(self.hv)

    def test_failing_failed(self):
        self.fail("by itself")

    @mark.xfail
    def test_mark_broken_xfailed(self):
        break_one(self.hv)

    @mark.xfail
    def test_mark_well_xpassed(self):
        pass

    def test_sub_broken_failed(self):
        with self.subTest("one"):
            break_one(self.hv)

@unittest.expectedFailure
class TestWhole(TestUnit):
    test_broken_failed = test_failing_failed = test_mark_well_xpassed = test_sub_broken_failed = None

@mark.xfail
def test_broken_xfailed(fakehv):
    break_one(fakehv)

@mark.xfail(strict=True)
def test_strict_broken_xfailed(fakehv):
    break_one(fakehv)

@mark.xfail(strict=True)
def test_strict_well_failed(fakehv):
    pass

@mark.xfail(raises=AssertionError)
def test_raises_broken_xfailed(fakehv):
    break_one(fakehv)

@mark.xfail(raises=pytest.fail.Exception)
def test_raises_failure_broken_xfailed(fakehv):
    break_one(fakehv)

@mark.xfail(raises=KeyError)
def test_raises_another_broken_failed(fakehv):
    break_one(fakehv)
"""


def test_each_comes_to_what_its_name_says(pytester):
    pytester.makepyfile(SOURCE)
    result = pytester.inline_run("--fakehv-show=none")
    outcomes = {}
    for report in result.getreports("pytest_runtest_logreport"):
        if report.when == "call":
            is_expected = hasattr(report, "wasxfail")
            word = (
                {"skipped": "xfailed", "passed": "xpassed"}[report.outcome] if is_expected else report.outcome
            )
            outcomes[report.nodeid.partition("::")[2]] = word
    assert len(outcomes) == 20
    assert {name: word for name, word in outcomes.items() if not name.endswith(f"_{word}")} == {}


def test_what_is_said_of_them(pytester):
    pytester.makepyfile(SOURCE)
    result = pytester.runpytest("-rxf", "--fakehv-show=none", "-k", "TestUnit and (well or broken_xfailed)")
    lines = result.stdout.lines
    assert [line.partition("::")[2] for line in lines if line.startswith(("XFAIL", "FAILED"))] == [
        "TestUnit::test_broken_xfailed",
        "TestUnit::test_mark_broken_xfailed",
        "TestUnit::test_well_failed - Failed: Une...",
    ]
