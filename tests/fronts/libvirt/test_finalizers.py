"""Objects of libvirt-python end in a thread of their own where they die in code of ours."""

import _thread
import os
import queue
import subprocess
import sys
import threading
import types

import pytest
from small_host import STARTED_AT_MOST

from pytest_fakehv.calls.clock import Clock
from pytest_fakehv.fronts.libvirt.finalizers import kept_off_servers
from pytest_fakehv.fronts.libvirt.server.threads import is_answering, made


@pytest.fixture
def libvirt():
    """A module that has a class whose objects note in which thread they end."""
    module = types.ModuleType("libvirt")
    module.ended = []
    module.done = threading.Semaphore(0)

    class Plain:
        pass

    class Connection:
        def __del__(self):
            module.ended.append(threading.current_thread().name)
            module.done.release()

    module.virConnect = Connection
    module.virPlain = Plain
    module.original = vars(Connection)["__del__"]
    return module


def die_in_ours(libvirt, times=1):
    """Let objects die in code of ours: where a clock asks what time it is."""

    def now():
        for _ in range(times):
            libvirt.virConnect()
        return 0.0

    Clock(now)


def test_in_code_of_ours_their_end_is_another_threads(libvirt):
    with kept_off_servers(libvirt):
        die_in_ours(libvirt)
        assert libvirt.done.acquire(timeout=STARTED_AT_MOST)
    assert libvirt.ended == ["fakehv-libvirt reaper"]


def test_in_a_thread_of_a_servers_it_is_too(libvirt):
    with kept_off_servers(libvirt):
        thread = made("node1", libvirt.virConnect)
        thread.start()
        thread.join()
        assert libvirt.done.acquire(timeout=STARTED_AT_MOST)
    assert libvirt.ended == ["fakehv-libvirt reaper"]


def test_anywhere_else_it_is_at_once(libvirt):
    with kept_off_servers(libvirt):
        libvirt.virConnect()
    assert libvirt.ended == ["MainThread"]


def test_what_one_ends_with_itself_ends_at_once(libvirt):
    ends_first = threading.Event()

    class Domain:
        def __del__(self):
            del self.connection
            ends_first.set()

    libvirt.virDomain = Domain
    with kept_off_servers(libvirt):
        domain = Domain()
        domain.connection = libvirt.virConnect()
        holder = [domain]
        del domain
        Clock(lambda: holder.clear() or 0.0)
        assert ends_first.wait(STARTED_AT_MOST)
        assert libvirt.ended == ["fakehv-libvirt reaper"]


def test_what_has_died_has_ended_when_the_front_has(libvirt):
    with kept_off_servers(libvirt):
        die_in_ours(libvirt, times=100)
    assert libvirt.ended == ["fakehv-libvirt reaper"] * 100


def test_it_is_undone_when_the_last_front_ends(libvirt):
    first, second = kept_off_servers(libvirt), kept_off_servers(libvirt)
    with first:
        second.__enter__()
    die_in_ours(libvirt)
    second.__exit__(None, None, None)
    assert libvirt.ended == ["fakehv-libvirt reaper"]
    assert vars(libvirt.virConnect)["__del__"] is libvirt.original
    assert not hasattr(libvirt.virPlain, "__del__")
    die_in_ours(libvirt)
    assert libvirt.ended[1:] == ["MainThread"]
    assert [each for each in threading.enumerate() if each.name == "fakehv-libvirt reaper"] == []


NOWHERE = """
import atexit, types
from pytest_fakehv.fronts.libvirt.finalizers import kept_off_servers

class Connection:
    def __del__(self):
        print("ended", flush=True)

libvirt = types.ModuleType("libvirt")
libvirt.virConnect = Connection
front = kept_off_servers(libvirt)
front.__enter__()
atexit.register(lambda connection: print("exits", flush=True), Connection())
"""


def test_where_no_code_runs_it_is_at_once():
    """As the interpreter ends it forgets what it was to call then, and does so by itself."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", NOWHERE]
    run = subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=50)
    assert (run.stdout, run.stderr) == ("exits\nended\n", "")


def test_which_threads_answers_may_depend_on():
    told = queue.SimpleQueue()

    def tell():
        told.put(is_answering())

    made("node1", tell).start()
    assert told.get(timeout=STARTED_AT_MOST)
    _thread.start_new_thread(tell, ())  # nobody knows yet whose it is
    assert told.get(timeout=STARTED_AT_MOST)
    threading.Thread(target=tell).start()
    assert not told.get(timeout=STARTED_AT_MOST)
    assert not is_answering()
