"""What a process does before it forks: it has no thread of ours left that it need not have."""

import os

import pytest
from fresh import run
from workers import done_by, start, web

from pytest_fakehv import FakeCluster
from pytest_fakehv.calls import proxies

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system can't fork")


FORK = """
def fork():
    child = os.fork()
    if not child:
        cluster["node1"].ListInstances()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
"""What lets a child ask for something, and end."""


def test_python_has_no_reason_to_warn_of_forks():
    """As it does from 3.12 on where a process that has threads forks."""
    code = """
for number in range(3):
    fork()
print(len(cluster.journal))
"""
    assert run(FORK + code, "-W", "error") == b"3\n"


def test_a_thread_that_is_slow_to_end_when_it_has_answered_is_waited_for():
    """It has told the child, which has ended: so the next fork comes while that thread still does."""
    first = """
import os, threading, time
os.register_at_fork(before=lambda: print(threading.active_count(), flush=True))  # after what we do
"""
    code = """
def be_slow(frame, event, argument):
    is_end = event == "return" and frame.f_code.co_name == "run"
    if is_end and frame.f_locals["self"].name != "fakehv":  # so is called the one that lets others ask
        next_fork.wait()
        time.sleep(0.1)

next_fork = threading.Event()
threading.setprofile(be_slow)
for number in range(2):
    fork()
    os.register_at_fork(before=next_fork.set)  # before what we do
"""
    assert run(FORK + code, first=first) == b"1\n1\n"


def test_whoever_interrupts_that_leaves_others_their_answers():
    """What is raised while a process gets ready to fork is lost, as Python has it."""
    code = """
import signal, threading, time

def be_slow(frame, event, argument):
    is_end = event == "return" and frame.f_code.co_name == "run"
    if is_end and frame.f_locals["self"].name != "fakehv":
        interrupted.wait()

def interrupt(*_):
    interrupted.set()
    raise KeyboardInterrupt

interrupted = threading.Event()
threading.setprofile(be_slow)
signal.signal(signal.SIGALRM, interrupt)
for number in range(3):
    fork()
    if not number:
        os.register_at_fork(before=lambda: interrupted.is_set() or signal.setitimer(signal.ITIMER_REAL, 0.1))
print(len(cluster.journal))
"""
    assert run(FORK + code) == b"3\n"


@pytest.mark.parametrize(
    ("name", "value"), [("_is_there", lambda _thread: True), ("_THREADS", "/nowhere")], ids=["yes", "unknown"]
)
def test_whatever_the_system_says_of_threads_a_fork_comes(monkeypatch, name, value):
    """The number of one that has ended may be another's by now; and not each system says what is there."""
    cluster = FakeCluster.in_memory()
    monkeypatch.setattr(proxies, name, value)
    for _ in range(2):
        done_by("fork", start, cluster["node1"])
        cluster["node1"].StopInstance(web())
    assert len(cluster.journal) == 4


def test_what_is_forked_by_a_call_keeps_nobody_from_its_answer():
    code = """
from pytest_fakehv import FakeHypervisor

class Forking(FakeHypervisor):
    def ListInstances(self, hvparams=None):
        if not os.fork():
            os.read(go_on, 1)
            os._exit(0)
        return []

go_on, let_go_on = os.pipe()
node = FakeCluster.in_memory(hypervisor=Forking)["node1"]
child = os.fork()
if not child:
    node.ListInstances()
    os.write(let_go_on, b"x")
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    assert run(code) == b"0\n"
