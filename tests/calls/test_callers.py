"""Where a call came from: the line of the code under test, not of the helper that makes all its calls."""

import _thread
import asyncio
import re
import subprocess
import sys
import threading
import types

import pytest

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, NodeSpec

MODULE = """
{hides}

def retry(call, *arguments):
    try:
        return call(*arguments)
    except ValueError:
        pass

def pass_on(call, *arguments):
    return retry(call, *arguments)
"""


@pytest.fixture
def hv() -> FakeHypervisor:
    return FakeHypervisor.in_memory(spec=NodeSpec("node1"))


def module_that(hides):
    """Return a module of helpers, as if it was imported."""
    module = types.ModuleType("remote")
    exec(compile(MODULE.format(hides=hides), "evacuator/remote.py", "exec"), vars(module))
    return module


def line():
    """Return the line of the caller."""
    return sys._getframe(1).f_lineno


def retry(call, *arguments):
    __tracebackhide__ = True
    return call(*arguments)


def places(hv):
    return [(call.filename, call.line) for call in hv.journal]


def test_a_function_that_hides_itself(hv):
    here = line() + 1
    retry(hv.ListInstances)
    retry(retry, hv.ListInstances)
    assert places(hv) == [(__file__, here), (__file__, here + 1)]
    assert str(hv.journal[0].place) == f"tests/calls/test_callers.py:{here}"


def test_a_module_that_hides_itself(hv):
    here = line() + 1
    module_that("__tracebackhide__ = True").pass_on(hv.ListInstances)
    assert places(hv) == [(__file__, here)]


@pytest.mark.parametrize("hides", ["", "__tracebackhide__ = False"])
def test_a_module_that_does_not(hv, hides):
    module_that(hides).pass_on(hv.ListInstances)
    assert places(hv) == [("evacuator/remote.py", 6)]


def test_what_a_function_says_counts_more_than_what_its_module_says(hv):
    module = module_that("__tracebackhide__ = True")
    source = "def shown(call):\n    __tracebackhide__ = False\n    return call()"
    exec(compile(source, "shown.py", "exec"), vars(module))
    module.retry(module.shown, hv.ListInstances)
    module.shown(lambda: module.retry(hv.ListInstances))
    assert places(hv) == [("shown.py", 3), (__file__, line() - 1)]


def test_a_helper_that_is_called_in_no_module(hv):
    """As by what a template engine makes."""
    exec(compile("\n\nhelper(call)", "page.html", "exec"), {"helper": retry, "call": hv.ListInstances})
    assert places(hv) == [("page.html", 3)]


def test_a_helper_between_two_that_are_shown(hv):
    """The innermost one that is shown has made the call."""

    def shown():
        hv.ListInstances()

    retry(shown)
    assert places(hv) == [(__file__, shown.__code__.co_firstlineno + 1)]


def test_the_reference_driver_and_the_test_itself(hv):
    cluster = FakeCluster.in_memory()
    cluster.add_instance("web1")

    def move():
        __tracebackhide__ = True
        cluster.migrate("web1", to="node2")

    here = line() + 1
    move()
    retry(cluster["node1"].disconnect)
    fault = retry(lambda: cluster.fault("ListInstances", optional=True))
    assert {(call.filename, call.line) for call in cluster.journal} == {(__file__, here)}
    assert cluster.timeline().steps[-1].place == f"tests/calls/test_callers.py:{here + 1}"
    assert fault.origin == f"tests/calls/test_callers.py:{here + 2}"


class TestAllAreHidden:
    """Then the innermost one is better than nothing."""

    def test_in_a_thread(self, hv):
        thread = threading.Thread(target=retry, args=[retry, hv.ListInstances])
        thread.start()
        thread.join()
        assert places(hv) == [(__file__, retry.__code__.co_firstlineno + 2)]

    def test_in_a_task(self, hv):
        async def call():
            __tracebackhide__ = True
            hv.ListInstances()

        async def call_both():
            await asyncio.gather(call(), call())

        asyncio.run(call_both())
        assert places(hv) == 2 * [(__file__, call.__code__.co_firstlineno + 2)]

    def test_in_a_test(self, pytester):
        pytester.makepyfile(
            """
            from pytest_fakehv import FakeHypervisor

            def test_it():
                __tracebackhide__ = True
                hv = FakeHypervisor.in_memory()
                hv.ListInstances()
                print(hv.journal[0].place)
            """
        )
        result = pytester.runpytest("-s")
        result.stdout.fnmatch_lines(["*test_in_a_test.py:6*"])

    def test_in_a_program(self, tmp_path):
        (tmp_path / "program.py").write_text(
            "from pytest_fakehv import FakeHypervisor\n"
            "__tracebackhide__ = True\n"
            "hv = FakeHypervisor.in_memory()\n"
            "hv.ListInstances()\n"
            "print(hv.journal[0].place)\n"
        )
        done = subprocess.run(
            [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout == "program.py:4\n"


def test_the_report_names_the_line_that_used_the_helper(pytester):
    pytester.makepyfile(
        remote="""
        def call(function, *arguments):
            __tracebackhide__ = True
            return function(*arguments)
        """,
        test_it="""
        from remote import call

        def test_it(fakehv_cluster):
            fakehv_cluster.add_instance("db1", node="node1")
            node2 = fakehv_cluster["node2"]
            call(node2.StartInstance, node2.instance("db1"), [], False)
        """,
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "double-start: db1 was started on node2 while it ran on node1",
            "  since call 1, StartInstance('db1', [[]], False) on node2 at test_it.py:6",
            "calls, > for one that broke an invariant:",
            "> 1 node2 StartInstance('db1', [[]], False) at test_it.py:6 -> None",
        ]
    )


def test_what_nobody_but_a_thread_declares():
    """Which is then the outermost call of it."""
    cluster = FakeCluster.in_memory()
    ended = threading.Event()
    _thread.start_new_thread(cluster.at, (0, ended.set))
    assert ended.wait(10)
    (rule,) = cluster.timeline().rules
    assert re.fullmatch(r"at\(0, set\) at thread [^:]+: came due", rule)


def test_a_failed_call_says_so_too(hv):
    with pytest.raises(HypervisorError):
        retry(hv.StopInstance, hv.instance("web1"))
    here = line() - 1
    with pytest.raises(AssertionError) as caught:
        hv.assert_running("web1")
    assert str(caught.value) == (
        "web1 is not running on node1; nothing runs there; last call: StopInstance('web1') at "
        f"tests/calls/test_callers.py:{here}, which raised HypervisorError: Failed to stop instance web1: "
        "not running"
    )
