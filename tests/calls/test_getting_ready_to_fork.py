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


COUNT = """
import os, threading, time
os.register_at_fork(before=lambda: print(threading.active_count(), flush=True))  # after what we do
"""
"""What tells how many threads are there at each fork."""


SLOW = """
def be_slow(frame, event, argument):
    is_end = event == "return" and frame.f_code.co_name == "run"
    if is_end and is_slow(frame.f_locals["self"]):
        next_fork.wait()
        time.sleep(0.1)

next_fork = threading.Event()
threading.setprofile(be_slow)
"""
"""What lets some threads still end when the process forks, to be set as its first deed then."""


@pytest.mark.parametrize(
    "which",
    ['thread.name != "fakehv"', "answers.setdefault(thread.name, thread) is thread"],
    ids=["each", "the first"],
)
def test_a_thread_that_is_slow_to_end_when_it_has_answered_is_waited_for(which):
    """It has told the child, which has ended: so the next fork comes while that thread still does."""
    code = f"""
def is_slow(thread):
    return {which}

answers = {{"fakehv": None}}  # so is called the one that lets others ask
for number in range(2):
    fork()
    os.register_at_fork(before=next_fork.set)  # before what we do
"""
    assert run(FORK + SLOW + code, first=COUNT) == b"1\n1\n"


def test_so_is_one_that_was_still_to_answer_at_the_fork_before():
    code = """
from pytest_fakehv import FakeHypervisor

class Forking(FakeHypervisor):
    def ListInstances(self, hvparams=None):
        forking.append(threading.current_thread())
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        return []

def is_slow(thread):
    return thread in forking

forking = []
cluster = FakeCluster.in_memory(hypervisor=Forking)
fork()
os.register_at_fork(before=next_fork.set)
if not os.fork():
    os._exit(0)
"""
    assert run(FORK + SLOW + code, first=COUNT) == b"1\n2\n1\n"


def test_where_nothing_is_left_to_ask_for_no_thread_is_left_either():
    code = """
import gc
pickle.dumps(cluster)
del cluster
gc.collect()
if not os.fork():
    os._exit(0)
"""
    assert run(code, first=COUNT) == b"1\n"


@pytest.mark.parametrize(
    ("told", "looks"),
    [(["threads", "threads", []], 3), ([None], 1)],
    ids=["there for a moment", "unknown"],
)
def test_of_a_thread_that_has_ended_the_system_is_asked_until_it_is_there_no_more(told, looks):
    code = f"""
from pytest_fakehv.machine import Os

def listdir(path):
    asked.append(path)
    what = told[len(asked) - 1]
    if what is None:
        raise PermissionError
    return what and [str(each.native_id) for each in threads]

asked, told = [], {told}
pickle.dumps(cluster)
threads = threading.enumerate()
Os.listdir = listdir
if not os.fork():
    os._exit(0)
print(asked)
"""
    assert run(code, first="import threading") == f"{looks * ['/proc/self/task']}\n".encode()


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
