"""A process that has a cluster, or one that uses it, ends: the other one is told, or goes on."""

import errno
import multiprocessing
import os
import pickle
import resource
import tempfile
import threading

import pytest
from fresh import run
from workers import done_by, start, texts

from pytest_fakehv import DeclarationError, FakeCluster

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system can't fork")


def test_a_process_that_has_ended(tmp_path):
    node = pickle.loads(run("sys.stdout.buffer.write(pickle.dumps(cluster['node1']))"))
    with pytest.raises(
        DeclarationError, match=r"^FakeHypervisor\.ListInstances: the process that has the cluster has ended$"
    ):
        node.ListInstances()


def test_a_process_that_is_there_and_can_not_be_reached():
    """As by one that has dropped its privileges; here, by one that may open nothing more."""

    def ask(node):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
        try:
            return texts(node.ListInstances)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert done_by("fork", ask, FakeCluster.in_memory()["node1"]) == (
        "DeclarationError: FakeHypervisor.ListInstances: the process that has the cluster can't be reached: "
        + os.strerror(errno.EMFILE)
    )


@pytest.mark.parametrize(
    "ends", ["os._exit(0)", "called.set(); threading.Event().wait()"], ids=["at once", "while it is done"]
)
def test_a_process_that_ends_in_the_middle_of_a_call(ends):
    code = f"""
import threading
from pytest_fakehv import DeclarationError, FakeHypervisor

class Dying(FakeHypervisor):
    def ListInstances(self, hvparams=None):
        {ends}

called = threading.Event()
cluster = FakeCluster.in_memory(hypervisor=Dying)
child = os.fork()
if not child:
    try:
        cluster["node1"].ListInstances()
    except DeclarationError as error:
        print(error)
        print(repr(error.__cause__), flush=True)
    os._exit(0)
called.wait()
"""
    cause = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    assert run(code).decode().splitlines() == [
        "Dying.ListInstances: the process that has the cluster has ended",
        repr(cause),
    ]


def test_a_process_that_was_killed_before_a_call():
    """So its socket still has its name, but nobody has the socket."""
    code = """
from pytest_fakehv import DeclarationError

sys.unraisablehook = lambda raised: print(repr(raised.exc_value), flush=True)
ended, ends = os.pipe()
if not os.fork():
    os.close(ends)
    os.read(ended, 1)
    try:
        cluster["node1"].ListInstances()
    except DeclarationError as error:
        print(error, flush=True)
os._exit(0)
"""
    with tempfile.TemporaryDirectory() as short:
        assert run(code, env={**os.environ, "TMPDIR": short}) == (
            b"FakeCluster.__getitem__: the process that has the cluster has ended\n"
        )


def test_whoever_is_killed_in_the_middle_of_a_call_is_answered_no_more(monkeypatch):
    raised = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    cluster = FakeCluster.in_memory()
    with cluster.hold("StartInstance") as hold:
        process = multiprocessing.get_context("fork").Process(target=start, args=(cluster["node1"],))
        process.start()
        hold.wait()
        process.kill()
        process.join()
    for thread in [each for each in threading.enumerate() if each.name == "fakehv's answer"]:
        thread.join()
    assert raised == []
    cluster.assert_running("web1", on="node1")
