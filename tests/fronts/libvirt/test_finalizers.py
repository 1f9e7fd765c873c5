"""Objects of libvirt-python end in a thread of their own where they die in a server's."""

import _thread
import queue
import threading
import types

import pytest
from small_host import STARTED_AT_MOST

from pytest_fakehv.fronts.libvirt.finalizers import kept_off_servers
from pytest_fakehv.fronts.libvirt.server.threads import answering, is_answering, made


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


def test_in_a_thread_that_answers_their_end_is_another_threads(libvirt):
    with kept_off_servers(libvirt):
        with answering():
            libvirt.virConnect()
        assert libvirt.done.acquire(timeout=STARTED_AT_MOST)
    assert libvirt.ended == ["fakehv-libvirt reaper"]


def test_in_any_other_thread_it_is_at_once(libvirt):
    with kept_off_servers(libvirt):
        libvirt.virConnect()
    assert libvirt.ended == ["MainThread"]


def test_what_has_died_has_ended_when_the_front_has(libvirt):
    with kept_off_servers(libvirt), answering():
        for _ in range(100):
            libvirt.virConnect()
    assert libvirt.ended == ["fakehv-libvirt reaper"] * 100


def test_it_is_undone_when_the_last_front_ends(libvirt):
    first, second = kept_off_servers(libvirt), kept_off_servers(libvirt)
    with first:
        second.__enter__()
    with answering():
        libvirt.virConnect()
    second.__exit__(None, None, None)
    assert libvirt.ended == ["fakehv-libvirt reaper"]
    assert vars(libvirt.virConnect)["__del__"] is libvirt.original
    assert not hasattr(libvirt.virPlain, "__del__")
    with answering():
        libvirt.virConnect()
    assert libvirt.ended[1:] == ["MainThread"]
    assert [each for each in threading.enumerate() if each.name == "fakehv-libvirt reaper"] == []


def test_a_thread_that_answers_does_so_until_its_outermost_block_ends(libvirt):
    with kept_off_servers(libvirt), answering():
        with answering():
            pass
        libvirt.virConnect()
        assert libvirt.done.acquire(timeout=STARTED_AT_MOST)
    assert libvirt.ended == ["fakehv-libvirt reaper"]


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
