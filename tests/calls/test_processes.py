"""A cluster that other processes use: of it, there is one account."""

import copy
import gc
import multiprocessing
import os
import pickle
import sys
import tempfile
import threading

import pytest
from fresh import run
from workers import (
    METHODS,
    Louder,
    UnpicklableError,
    call,
    crash_later,
    done_by,
    hand_on,
    have_no_hold,
    look,
    pass_time,
    private,
    raise_in_a_hold,
    start,
    texts,
    try_to_start,
    web,
    withdraw,
)

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HoldError,
    HypervisorError,
    NodeDownError,
)
from pytest_fakehv.machine import Os

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system can't fork")

A_START = "StartInstance('web1', [], False)"


@pytest.fixture(params=["files", "memory"])
def cluster(request, tmp_path):
    return FakeCluster(tmp_path) if request.param == "files" else FakeCluster.in_memory()


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


def test_of_several_starts_one_succeeds_and_the_journal_has_each(cluster, method):
    context = multiprocessing.get_context(method)
    with context.Pool(3) as pool:
        came_of_it = pool.map(try_to_start, [cluster["node1"]] * 3, chunksize=1)
    refused = "HypervisorError: Failed to start instance web1: already running"
    assert sorted(came_of_it, key=str) == [refused, refused, None]
    assert [str(each) for each in cluster.journal] == [A_START] * 3
    assert {each.place.partition(":")[0] for each in cluster.journal} == {"tests/calls/workers.py"}
    cluster.assert_placement({"web1": "node1"})
    assert cluster.violations() == []


def test_who_starts_what_runs_elsewhere_is_seen_whether_or_not_anybody_looks(cluster, method):
    for node in cluster:
        done_by(method, start, node)
    cluster["node2"].StopInstance(web())
    assert [(each.invariant, str(each.call)) for each in cluster.violations()] == [
        ("double-start", A_START),
        ("split-brain", A_START),
    ]


def test_a_fault_strikes_there_and_is_counted(cluster, method):
    fault = cluster.fault("StartInstance", error="out of luck", times=1)
    down = cluster.fault("ListInstances", crash=True)
    assert done_by(method, try_to_start, cluster["node1"]) == "HypervisorError: out of luck"
    with pytest.raises(NodeDownError, match=r"^node1 does not answer$") as caught:
        done_by(method, call, cluster["node1"], "ListInstances")
    assert type(caught.value) is NodeDownError
    assert (fault.fired, down.fired, cluster["node1"].is_down) == (1, 1, True)
    assert cluster.violations() == []


def test_what_is_public_is_there(cluster, method):
    start(cluster["node1"])
    assert done_by(method, look, cluster) == {
        "repr": "<FakeCluster node1, node2>",
        "len": 2,
        "contains": (True, False, True),
        "iter": ["node1", "node2"],
        "again": ["node1", "node2"],
        "is one": True,
        "isinstance": True,
        "spec": 65536,
        "class": ("FakeHypervisor", True, True, ([], []), ([], [])),
        "cluster": True,
        "free": 64512,
        "journal": (["StartInstance", "GetAncillaryFiles", "GetNodeInfo"], 3),
        "clock": ("polls", 0),
    }


def test_what_is_private_is_not(cluster, method):
    assert done_by(method, private, cluster["node1"]) == (
        "AttributeError: FakeHypervisor._inner is not to be had from another process"
    )


def test_time_passes_for_all(cluster, method):
    assert done_by(method, pass_time, cluster) == cluster.clock.now == 3


def test_the_test_s_side(cluster, method):
    assert done_by(method, withdraw, cluster) == ("HypervisorError: no", None, [1])
    with pytest.raises(
        HoldError, match=r"^hold\('StartInstance'\): no such call came before the end of the block$"
    ):
        done_by(method, have_no_hold, cluster)
    with pytest.raises(LookupError, match=r"^of the child$"):
        done_by(method, raise_in_a_hold, cluster)
    with pytest.raises(
        AssertionError, match=r"^web1 is not running on node2, but is running on node1; last call: "
    ):
        done_by(method, call, cluster["node2"], "assert_running", "web1")


@pytest.mark.parametrize("deed", ["kill", "pause", "resume", "hang"])
def test_what_befalls_an_instance(cluster, method, deed):
    cluster.add_instance("web1", node="node2", state="paused" if deed == "resume" else "running")
    cluster["node1"].ListInstances()
    done_by(method, call, cluster["node2"], deed, web())
    (step,) = [each for each in cluster.timeline().steps if each.what == deed]
    assert step.place.partition(":")[0] == "tests/calls/workers.py"
    assert texts(done_by, method, call, cluster, deed, "web2") == (
        "DeclarationError: no instance is named 'web2'; nearest: web1"
    )


def test_a_deed_of_a_node_s_at_a_time(cluster, method):
    done_by(method, crash_later, cluster)
    (step,) = [each for each in cluster.timeline().steps if each.what == "crash"]
    assert (step.node, step.time) == ("node2", 2)


def test_the_reference_driver(cluster, method):
    cluster.add_instance("web1", node="node2")
    result = done_by(method, migrate, cluster)
    assert (result.outcome, cluster.placement()) == ("completed", {"web1": "node1"})
    assert {each.place for each in cluster.journal} == {f"tests/calls/test_processes.py:{MIGRATES}"}


def migrate(cluster):
    return cluster.migrate("web1", to="node1")


MIGRATES = migrate.__code__.co_firstlineno + 1


def test_a_call_that_is_held(cluster, method):
    with cluster.hold("StartInstance") as hold:
        thread = threading.Thread(target=done_by, args=(method, start, cluster["node1"]))
        thread.start()
        assert str(hold.wait()) == A_START
        cluster.assert_placement({})
        hold.release()
        thread.join()
    cluster.assert_running("web1", on="node1")


def test_a_class_of_the_user_s_own(tmp_path, method):
    cluster = FakeCluster(tmp_path, hypervisor=Louder)
    done_by(method, start, cluster["node1"])
    assert cluster["node1"].started == ["web1"]
    assert done_by(method, getattr, cluster["node1"], "started") == ["web1"]


def test_a_class_that_cannot_be_found_by_its_name(tmp_path, method):
    class Own(Louder):
        pass

    cluster = FakeCluster(tmp_path, hypervisor=Own)
    done_by(method, start, cluster["node1"])
    assert cluster["node1"].started == ["web1"]


def test_a_context_manager_of_the_user_s_own():
    """It learns how the block ended, but for the exception itself."""

    class Told(FakeHypervisor):
        def __enter__(self):
            told.append("begun")

        def __exit__(self, kind, error, trace):
            told.append((kind, str(error), trace))

    def use():
        with node as entered:
            assert entered is node
        with node:
            raise LookupError("of the child")

    told = []
    node = FakeCluster.in_memory(hypervisor=Told)["node1"]
    with pytest.raises(LookupError, match=r"^of the child$"):
        done_by("fork", use)
    assert told == [
        "begun",
        (None, "None", None),
        "begun",
        (RuntimeError, "LookupError('of the child')", None),
    ]


class Final(type(FakeHypervisor)):
    def __new__(cls, name, bases, body):
        if any(isinstance(each, Final) for each in bases):
            raise TypeError(f"nothing can derive from {bases[-1].__name__}")
        return super().__new__(cls, name, bases, body)


class Last(FakeHypervisor, metaclass=Final):
    """A class that nothing can derive from, and so no proxy either."""


def test_a_class_that_nothing_can_derive_from_keeps_no_other_back(tmp_path):
    before = Last(tmp_path / "last")
    cluster = FakeCluster(tmp_path / "cluster")
    done_by("fork", start, cluster["node1"])
    assert [str(call) for call in cluster.journal] == [A_START]
    assert not before.instances


def test_a_node_on_its_own(tmp_path, method):
    node = FakeHypervisor(tmp_path)
    done_by(method, start, node)
    assert [each.method for each in node.journal] == ["StartInstance"]


def test_who_is_handed_a_node_hands_it_on(cluster, method):
    assert done_by(method, hand_on, method, cluster["node1"]) == "FakeHypervisor"
    cluster.assert_running("web1", on="node1")


def test_a_method_that_a_process_is_begun_with(cluster, method):
    process = multiprocessing.get_context(method).Process(
        target=cluster["node1"].StartInstance,
        args=(web(), []),
        kwargs={"startup_paused": False},
        name="worker",
    )
    process.start()
    process.join()
    assert [each.place for each in cluster.journal] == ["process worker"]
    cluster.assert_running("web1", on="node1")


class TestWhatCannotBeHandedOn:
    def test_an_argument(self, cluster):
        text = done_by("fork", lambda: texts(start_with, cluster["node1"], lambda: None))
        assert text.startswith(
            "DeclarationError: FakeHypervisor.StartInstance was called with what can't be handed to the "
            "process that has the cluster: "
        )
        assert len(cluster.journal) == 0

    def test_a_result(self, cluster, monkeypatch):
        monkeypatch.setattr(cluster["node1"], "odd", threading.Lock(), raising=False)
        text = done_by("fork", lambda: texts(getattr, cluster["node1"], "odd"))
        assert text.startswith("DeclarationError: the result, <unlocked _thread.lock object at ")
        assert text.endswith(" can't be handed to another process: cannot pickle '_thread.lock' object")

    def test_an_exception(self, cluster):
        cluster.fault("StartInstance", error=UnpicklableError("one", "two"))
        assert done_by("fork", try_to_start, cluster["node1"]) == (
            "DeclarationError: what was raised, UnpicklableError('onetwo'), can't be handed to another "
            "process: UnpicklableError.__init__() missing 1 required positional argument: 'two'"
        )


def start_with(node, device):
    node.StartInstance(web(), [device], False)


def test_an_error_comes_with_its_cause(tmp_path):
    node = FakeHypervisor(tmp_path / "root")
    (tmp_path / "root").rmdir()

    def cause():
        try:
            start(node)
        except HypervisorError as error:
            return str(error), repr(error.__cause__)

    assert done_by("fork", cause) == (
        f"Failed to start instance web1: No such file or directory: '{tmp_path / 'root'}'",
        "FileNotFoundError(2, 'No such file or directory')",
    )


def test_copied_or_unpickled_where_it_is_it_is_itself(cluster):
    fault = cluster.fault("StartInstance", optional=True)
    for each in (cluster, cluster["node1"], cluster.clock, cluster.journal, fault):
        assert copy.copy(each) is each
        assert copy.deepcopy([each]) == [each]
        assert pickle.loads(pickle.dumps(each)) is each


def test_one_whose_test_is_over():
    pickled = pickle.dumps(FakeCluster.in_memory())
    gc.collect()
    with pytest.raises(
        DeclarationError,
        match=r"^what is asked for is there no more: "
        r"the test that had it is over; end its processes with it$",
    ):
        pickle.loads(pickled)


def test_what_is_long(cluster):
    """Longer than what is read at once."""
    device = "/dev/" + "x" * 100_000

    def tell():
        start_with(cluster["node1"], device)
        return cluster.journal[0].arguments

    assert done_by("fork", tell)[1:] == ([device], False)
    assert cluster.journal[0].arguments[1:] == ([device], False)


def test_no_socket_can_be_made(monkeypatch):
    """In a process of its own: this one may have one."""

    def ask():
        def refuse(*arguments):
            raise PermissionError(13, "Permission denied")

        unseen = []
        monkeypatch.setattr(sys, "unraisablehook", lambda raised: unseen.append(repr(raised.exc_value)))
        monkeypatch.setattr(Os, "mkdir", refuse)
        node = FakeCluster.in_memory()["node1"]
        return done_by("fork", lambda: texts(node.ListInstances)), unseen

    assert done_by("fork", ask) == (
        (
            "DeclarationError: FakeHypervisor.ListInstances: the process that has the cluster could make no "
            "socket before it forked"
        ),
        [],
    )


def test_nothing_is_left_behind():
    code = """
pickle.dumps(cluster)
with FakeCluster.temporary() as other:
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        print(len(os.listdir(os.environ["TMPDIR"])), len(other))
"""
    with tempfile.TemporaryDirectory() as short:
        assert run(code, env={**os.environ, "TMPDIR": short}) == b"2 2\n"
        assert os.listdir(short) == []


def test_a_directory_whose_path_is_too_long_for_a_socket(tmp_path):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    code = "pickle.dumps(cluster); print(os.listdir(os.environ['TMPDIR']))"
    assert run(code, env={**os.environ, "TMPDIR": str(long)}) == b"[]\n"


ON_EACH_BACKEND = """
import os
import pytest
from pytest_fakehv import HypervisorError

def in_a_child(function):
    child = os.fork()
    if not child:
        try:
            function()
        except HypervisorError as error:
            print(error, flush=True)
            os._exit(1)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def test_one_wins(fakehv_cluster{fs}):
    node = fakehv_cluster["node1"]
    web1 = fakehv_cluster.instance("web1", memory=1024)
    start = lambda: node.StartInstance(web1, [], False)
    assert [in_a_child(start), in_a_child(start)] == [0, 1]
    fakehv_cluster.assert_running("web1", on="node1")

def test_two_nodes(fakehv_cluster{fs}):
    web1 = fakehv_cluster.instance("web1", memory=1024)
    for node in fakehv_cluster:
        in_a_child(lambda: node.StartInstance(web1, [], False))
"""


@pytest.mark.parametrize(
    ("kept", "fs"), [("tmp_path", ""), ("memory", ""), ("pyfakefs", ""), ("tmp_path", ", fs")]
)
def test_the_verdict_on_each_backend(pytester, kept, fs):
    """Nobody has used the nodes before the first fork."""
    pytester.makepyfile(ON_EACH_BACKEND.replace("{fs}", fs))
    result = pytester.runpytest_subprocess(f"--fakehv-backend={kept}", "-s")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Failed to start instance web1: already running",
            "double-start: web1 was started on node2 while it ran on node1",
            "  since call 2, StartInstance('web1', [[]], False) on node2 at *_backend.py:27",
        ]
    )
