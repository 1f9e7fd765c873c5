"""The assertion helpers: when they pass, and what they say when they fail."""

import inspect
import os

import pytest

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, NodeSpec

HERE = os.path.relpath(__file__)
"""This file as messages show it: from where the run began."""


@pytest.fixture
def cluster(root):
    return FakeCluster(root)


@pytest.fixture
def hv(cluster):
    return cluster["node1"]


def line():
    """Return the line that calls this, as messages show it."""
    return f"{HERE}:{inspect.currentframe().f_back.f_lineno}"


def failure(function, *args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def test_running(hv):
    hv.add_instance("web1", memory=512, vcpus=3)
    hv.assert_running("web1")
    hv.assert_running("web1", memory=512)
    hv.assert_running("web1", memory=512, vcpus=3)


def test_by_the_object_that_the_interface_takes(hv):
    web1 = hv.add_instance("web1")
    hv.assert_running(web1)
    assert failure(hv.assert_paused, web1) == "web1 is running on node1, not paused; no call was about it"


def test_paused(hv):
    hv.add_instance("web1", memory=512, vcpus=3, state="paused")
    hv.assert_paused("web1")
    hv.assert_paused("web1", memory=512, vcpus=3)


def test_stopped(hv):
    hv.assert_stopped("web1")
    hv.add_instance("web1", state="stopped")
    hv.assert_stopped("web1")


def test_not_running_names_what_runs_the_nearest_name_and_the_last_call(hv):
    hv.add_instance("web2")
    hv.add_instance("web10")
    web1 = hv.add_instance("web1")
    hv.StopInstance(web1)
    where = f"{line().rpartition(':')[0]}:{inspect.currentframe().f_lineno - 1}"
    assert failure(hv.assert_running, "web1") == (
        "web1 is not running on node1; running there: web2, web10; nearest name: web10; "
        f"last call: StopInstance('web1') at {where}"
    )


def test_nothing_runs(hv):
    assert failure(hv.assert_running, "web1") == (
        "web1 is not running on node1; nothing runs there; no call was about it"
    )
    assert failure(hv.assert_paused, "web1") == (
        "web1 is not paused on node1; nothing runs there; no call was about it"
    )


def test_nearest_name_may_be_one_that_is_only_declared(hv):
    hv.instance("database1")
    assert failure(hv.assert_running, "databse1") == (
        "databse1 is not running on node1; nothing runs there; nearest name: database1; no call was about it"
    )


def test_nearest_name_may_be_the_same_with_a_domain(hv):
    hv.add_instance("web1.example.org")
    hv.add_instance("web2")
    rest = "running there: web1.example.org, web2; nearest name: web1.example.org; no call was about it"
    assert failure(hv.assert_running, "web1") == f"web1 is not running on node1; {rest}"


def test_the_last_call_may_have_failed(hv):
    web1 = hv.instance("web1")
    with pytest.raises(HypervisorError):
        hv.StopInstance(web1, force=True)
    where = f"{HERE}:{inspect.currentframe().f_lineno - 1}"
    assert failure(hv.assert_running, "web1") == (
        "web1 is not running on node1; nothing runs there; "
        f"last call: StopInstance('web1', force=True) at {where}, "
        "which raised HypervisorError: Failed to stop instance web1: not running"
    )


def test_wrong_state(hv):
    hv.add_instance("web1")
    hv.add_instance("web2", state="paused")
    rest = "no call was about it"
    assert failure(hv.assert_paused, "web1") == f"web1 is running on node1, not paused; {rest}"
    assert failure(hv.assert_stopped, "web1") == f"web1 is running on node1, not stopped; {rest}"
    assert failure(hv.assert_running, "web2") == f"web2 is paused on node1, not running; {rest}"
    assert failure(hv.assert_stopped, "web2") == f"web2 is paused on node1, not stopped; {rest}"


def test_wrong_figures(hv):
    web1 = hv.add_instance("web1", memory=512, vcpus=3)
    hv.BalloonInstanceMemory(web1, 256)
    where = f"{HERE}:{inspect.currentframe().f_lineno - 1}"
    last = f"last call: BalloonInstanceMemory('web1', 256) at {where}"
    assert failure(hv.assert_running, "web1", memory=512) == (
        f"web1 has on node1 memory 256, not 512; {last}"
    )
    assert failure(hv.assert_running, "web1", vcpus=1) == f"web1 has on node1 vcpus 3, not 1; {last}"
    assert failure(hv.assert_running, "web1", memory="256", vcpus=1) == (
        f"web1 has on node1 memory 256, not '256' and vcpus 3, not 1; {last}"
    )


def test_long_lists_are_cut(hv):
    for number in range(11):
        hv.add_instance(f"i{number}")
    assert failure(hv.assert_running, "zzz") == (
        "zzz is not running on node1; running there: i0, i1, i2, i3, i4, i5, i6, i7 and 3 more; "
        "no call was about it"
    )


def test_a_cluster_looks_at_every_node(cluster):
    cluster.add_instance("web1", node="node2")
    cluster.assert_running("web1")
    cluster["node1"].assert_stopped("web1")
    assert failure(cluster["node1"].assert_paused, "web1") == (
        "web1 is not paused on node1, but is running on node2; no call was about it"
    )
    assert failure(cluster.assert_stopped, "web1") == (
        "web1 is running on node2, not stopped; no call was about it"
    )
    assert failure(cluster.assert_running, "web2") == (
        "web2 is not running on any of node1, node2; running there: web1; nearest name: web1; "
        "no call was about it"
    )
    cluster.add_instance("web1", node="node1", state="paused")
    assert failure(cluster.assert_running, "web1") == (
        "web1 is paused on node1 and is running on node2, not running; no call was about it"
    )


def test_one_malformed_file_spoils_no_assertion_on_others(hv, filesystem):
    import os

    hv.add_instance("web1")
    os_module = filesystem.os
    os_module.close(os_module.open(f"{hv.root}/bad", os.O_WRONLY | os.O_CREAT, 0o644))
    hv.assert_running("web1")
    hv.assert_stopped("web2")
    assert failure(hv.assert_running, "web2") == (
        "web2 is not running on node1; running there: bad, web1; nearest name: web1; no call was about it"
    )
    with pytest.raises(HypervisorError, match="malformed instance file"):
        hv.assert_running("bad")


def test_they_leave_no_trace_in_the_journal(hv):
    hv.add_instance("web1")
    hv.assert_running("web1")
    assert hv.instances
    assert len(hv.journal) == 0


def test_without_pytest(tmp_path):
    hv = FakeHypervisor(tmp_path, spec=NodeSpec("alone"))
    assert failure(hv.assert_running, "web1") == (
        "web1 is not running on alone; nothing runs there; no call was about it"
    )
