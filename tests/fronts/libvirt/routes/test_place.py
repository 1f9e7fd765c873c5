"""Where a client's call comes from."""

import multiprocessing
import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import libvirt
import pytest

from pytest_fakehv.fronts.libvirt.environment import environment
from pytest_fakehv.fronts.libvirt.place import Peer
from pytest_fakehv.fronts.libvirt.routes import routed

HELPER = """
__tracebackhide__ = True

def ask(connection):
    return connection.getHostname()
"""


@pytest.fixture
def places(there):
    """By API, from where it was called on the first node."""
    found = {}
    host = there["node1"]
    host.asked = lambda api: found.setdefault(api, []).append(Peer(host.peers[-1]).caller(api)[0])
    return found


@pytest.fixture
def connection(there, routes):
    made = libvirt.open(routes.uri("node1"))
    yield made
    made.close()


def line():
    """Return the line of the caller."""
    return sys._getframe(1).f_lineno


def ask(connection):
    return connection.getHostname()


def test_the_line_of_a_call(connection, places):
    connection.getHostname()
    here = line() - 1
    ask(connection)
    assert places == {
        "virConnectGetHostname": [(__file__, here), (__file__, ask.__code__.co_firstlineno + 1)]
    }


def test_helpers_are_passed_over(connection, places):
    helper = types.ModuleType("helper")
    exec(compile(HELPER, "helper.py", "exec"), vars(helper))
    helper.ask(connection)
    here = line() - 1
    assert places["virConnectGetHostname"] == [(__file__, here)]


@pytest.mark.parametrize("name", ["open", "openReadOnly"])
def test_the_line_that_opens_a_connection(routes, places, name):
    opener = getattr(libvirt, name)
    opener(routes.uri("node1")).close()
    plain = line() - 1
    with routed(routes), routed(routes):
        opener("qemu+ssh://node1/system").close()
        led = line() - 1
    assert places["virConnectOpen"] == [(__file__, plain), (__file__, led)]


def test_a_thread_that_does_nothing_else(connection, places):
    thread = threading.Thread(target=connection.getHostname, name="poller")
    thread.start()
    thread.join()
    assert places["virConnectGetHostname"] == [("thread poller", 0)]


class Together:
    """Two calls that are both under way while it is asked where each was made."""

    def __init__(self, host):
        self.host = host
        self.places = {}
        self._begun, self._asked = threading.Barrier(2), threading.Barrier(2)
        host.asked = self._ask

    def _ask(self, api):
        self._begun.wait(30)
        self.places[api] = Peer(os.getpid()).caller(api)[0]
        self._asked.wait(30)

    def run(self, *functions):
        threads = [threading.Thread(target=function) for function in functions]
        for each in threads:
            each.start()
        for each in threads:
            each.join()


def test_of_two_threads_the_one_that_calls_it(there, connection, routes):
    together = Together(there["node1"])

    def opens():
        together.opens = line() + 1
        libvirt.open(routes.uri("node1")).close()

    def asks():
        together.asks = line() + 1
        connection.getHostname()

    together.run(opens, asks)

    assert together.places == {
        "virConnectOpen": (__file__, together.opens),
        "virConnectGetHostname": (__file__, together.asks),
    }


def test_of_two_that_call_the_same_either_may_be_it(there, connection, routes):
    other = libvirt.open(routes.uri("node1"))
    together = Together(there["node1"])

    together.run(lambda: str(connection.getHostname()), lambda: ask(other))

    assert together.places == {"virConnectGetHostname": ("one of several threads", 0)}
    other.close()


def test_of_two_on_the_same_line_it_is_that_line(there, connection, routes):
    other = libvirt.open(routes.uri("node1"))
    together = Together(there["node1"])

    together.run(*(lambda each=each: ask(each) for each in (connection, other)))

    assert together.places == {"virConnectGetHostname": (__file__, ask.__code__.co_firstlineno + 1)}
    other.close()


LOOP = """
import sys, tempfile, threading
sys.path.insert(0, {folder!r})
import libvirt
from pytest_fakehv.fronts.libvirt.place import Peer
from standin import hosts

libvirt.virEventRegisterDefaultImpl()

def loop():
    while True:
        libvirt.virEventRunDefaultImpl()

threading.Thread(target=loop, daemon=True).start()
with tempfile.TemporaryDirectory() as path, hosts(path, {{"node1": set()}}) as made:
    host = made["node1"]
    connection = libvirt.open(f"qemu+unix:///system?socket={{host.path}}")
    host.asked = lambda api: print(Peer(host.peers[-1]).caller(api)[0])
    connection.getHostname()  # line 19
    connection.close()
"""


def test_a_loop_that_waits_for_events_calls_nothing(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(LOOP.format(folder=str(Path(__file__).parent)))
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.stdout == f"{(str(program), 19)}\n", done.stderr


GARBAGE = """
import gc, os, threading
from pytest_fakehv.fronts.libvirt.place import Peer

class Garbage(threading.local):
    def __init__(self):
        self.me = self

place = Peer(os.getpid()).caller
place("virConnectOpen")
gc.set_threshold(1)
for _ in range(1000):
    Garbage()
    place("virConnectOpen")
    assert gc.isenabled()
gc.disable()
place("virConnectOpen")
print(gc.isenabled())
"""


def test_garbage_does_not_get_in_the_way():
    done = subprocess.run(
        [sys.executable, "-c", GARBAGE], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("uri", ["qemu+ssh://node1/system", None], ids=["ssh", "socket"])
def test_another_program_is_named(routes, folder, places, uri):
    os.mkdir(own := f"{folder}/~")
    command = ["virsh", *(["-c", uri] if uri else []), "hostname"]
    subprocess.run(command, env=environment(routes, own), check=True, capture_output=True)
    assert places == {
        "virConnectOpen": [("process virsh", 0)],
        "virConnectGetHostname": [("process virsh", 0)],
    }


def test_another_python_is_not(routes, places):
    code = f"import libvirt; libvirt.open({routes.uri('node1')!r}).getHostname()"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert places["virConnectGetHostname"] == [("another process", 0)]


def test_nor_is_a_fork(routes, places):
    with routed(routes):
        child = multiprocessing.get_context("fork").Process(
            target=lambda: libvirt.open("qemu+ssh://node1/system").getHostname()
        )
        child.start()
        child.join()
    assert child.exitcode == 0
    assert places["virConnectGetHostname"] == [("another process", 0)]


def test_what_is_not_seen_is_another_process():
    """As in a container, whose processes have no number here."""
    assert Peer(0).caller("virConnectOpen")[0] == ("another process", 0)


def test_ssh_within_this_process_leads_to_its_line(routes, folder, places, monkeypatch):
    os.mkdir(own := f"{folder}/~")
    monkeypatch.setenv("PATH", environment(routes, own)["PATH"])
    connection = libvirt.open("qemu+ssh://node1/system")
    connection.getHostname()
    here = line() - 1
    connection.close()
    assert places["virConnectGetHostname"] == [(__file__, here)]
