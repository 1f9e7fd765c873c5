"""The server, by libvirt's own clients."""

import os
import shutil
import subprocess
import sys
import threading

import pytest

pytest.importorskip(  # by what it has inside: of its own name, there is this folder
    "libvirtmod", reason="needs libvirt-python: apt-get install libvirt-dev, pip install libvirt-python"
)

import libvirt
from small_host import STARTED_AT_MOST, WEB1, SmallHost, serving

from pytest_fakehv.fronts.libvirt.values import Kind, Parameter


@pytest.fixture(autouse=True)
def quiet():
    """What fails is not printed on stderr, as libvirt does by itself."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    yield
    libvirt.registerErrorHandler(None, None)


@pytest.fixture
def host():
    return SmallHost()


@pytest.fixture
def server(host):
    with serving(host) as server:
        yield server


def uri_of(server):
    return f"qemu+unix:///system?socket={server.path}"


@pytest.fixture
def connection(server):
    connection = libvirt.open(uri_of(server))
    yield connection
    connection.close()


class TestPython:
    def test_calls(self, host, connection):
        assert connection.isAlive()
        assert connection.getLibVersion() == 9_000_000
        domain = connection.lookupByName("web1")
        assert (domain.name(), domain.UUID(), domain.ID()) == WEB1
        assert domain.info() == [1, 1048576, 1048576, 2, 0]
        assert [each.name() for each in connection.listAllDomains()] == ["web1"]
        assert host.opened == [("qemu:///system", 0)]

    def test_an_error_is_whole(self, connection):
        with pytest.raises(libvirt.libvirtError) as caught:
            connection.lookupByName("db")
        assert caught.value.err == (
            libvirt.VIR_ERR_NO_DOMAIN,
            libvirt.VIR_FROM_QEMU,
            "Domain not found: no domain with matching name 'db'",
            libvirt.VIR_ERR_ERROR,
            "Domain not found: %s",
            "no domain with matching name 'db'",
            None,
            -1,
            -1,
        )

    def test_parameters_of_every_type(self, host, connection):
        parameters = [
            Parameter("int", Kind.INT, -1),
            Parameter("uint", Kind.UINT, 1),
            Parameter("llong", Kind.LLONG, -(2**40)),
            Parameter("ullong", Kind.ULLONG, 2**40),
            Parameter("double", Kind.DOUBLE, 0.5),
            Parameter("boolean", Kind.BOOLEAN, True),
            Parameter("string", Kind.STRING, "é"),
        ]
        host.answers["virDomainGetJobStats"] = lambda *_: (2, parameters)
        host.answers["virConnectGetAllDomainStats"] = lambda *_: ([(WEB1, parameters)],)
        values = {each.field: each.value for each in parameters}
        assert connection.lookupByName("web1").jobStats() == {"type": 2, **values}
        ((domain, stats),) = connection.getAllDomainStats()
        assert (domain.name(), stats) == ("web1", values)

    def test_texts_of_words(self, host, connection):
        host.answers["virNodeGetInfo"] = lambda *_: ("x86_64", 1048576, 8, 2400, 1, 1, 8, 1)
        host.answers["virNodeGetSecurityModel"] = lambda *_: ("none", "0")
        host.answers["virDomainGetSecurityLabel"] = lambda *_: ("unconfined", 1)
        assert connection.getInfo() == ["x86_64", 1024, 8, 2400, 1, 1, 8, 1]
        assert connection.getSecurityModel() == ["none", "0"]
        assert connection.lookupByName("web1").securityLabel() == ["unconfined", 1]

    def test_a_call_that_waits_and_others_on_the_same_connection(self, host, connection):
        domain = connection.lookupByName("web1")
        thread = threading.Thread(target=domain.suspend)
        thread.start()
        assert host.began.acquire(timeout=STARTED_AT_MOST)
        assert domain.info()[0] == 1
        host.going_on.set()
        thread.join(STARTED_AT_MOST)
        assert not thread.is_alive()

    def test_a_host_that_goes_down(self, host, connection):
        host.sessions[0].drop()
        assert host.ended.acquire(timeout=STARTED_AT_MOST)
        with pytest.raises(libvirt.libvirtError) as caught:
            connection.getHostname()
        assert caught.value.get_error_domain() == libvirt.VIR_FROM_RPC
        assert not connection.isAlive()

    def test_a_read_only_connection(self, server):
        connection = libvirt.openReadOnly(uri_of(server))
        with pytest.raises(libvirt.libvirtError, match="read only access prevents virDomainDestroy"):
            connection.lookupByName("web1").destroy()
        connection.close()


def test_virsh(server):
    if not shutil.which("virsh"):
        pytest.skip("needs virsh: apt-get install libvirt-clients")
    command = ["virsh", "-c", uri_of(server), "list; hostname; domid db"]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=STARTED_AT_MOST)
    assert run.stdout.split("\n")[0].split() == ["Id", "Name", "State"]
    assert "web1" in run.stdout
    assert "node1" in run.stdout
    assert "failed to get domain 'db'" in run.stderr


EVENTS = """
import threading, libvirt, small_host
from pytest_fakehv.fronts.libvirt.finalizers import kept_off_servers

libvirt.virEventRegisterDefaultImpl()
over = False

def loop():
    while not over:
        libvirt.virEventRunDefaultImpl()

threading.Thread(target=loop, daemon=True).start()
host = small_host.SmallHost()
with kept_off_servers(libvirt), small_host.serving(host) as server:
    connection = libvirt.open(f"qemu+unix:///system?socket={server.path}")
    connection.setKeepAlive(1, 3)
    told = threading.Semaphore(0)

    def heard(_, domain, event, detail, opaque):
        print(domain.name(), event, detail, opaque, domain.info()[0])  # a call, from a callback
        told.release()

    kind = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
    number = connection.domainEventRegisterAny(None, kind, heard, "opaque")
    lost = threading.Event()
    connection.registerCloseCallback(lambda _, reason, opaque: (print("closed", reason), lost.set()), None)

    waiting = threading.Thread(target=connection.lookupByName("web1").suspend)
    waiting.start()
    host.began.acquire(timeout=20)
    for _ in range(3):
        host.sessions[0].send_event(7, small_host.BOOTED)
        told.acquire(timeout=20)
    host.going_on.set()
    waiting.join(20)
    host.sessions[0].drop()
    lost.wait(20)
    over = True
"""


def run_program(program, *arguments):
    """Run a program with the tests' host at hand; return its exit status, and what it printed where."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])}
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, *arguments],
        check=False,
        env=env,
        capture_output=True,
        text=True,
        timeout=50,
    )
    return run.returncode, run.stdout, run.stderr


def test_events_keepalive_nudges_and_the_end_with_an_event_loop():
    assert run_program(EVENTS) == (0, "web1 2 0 opaque 1\n" * 3 + "closed 1\n", "")


DROPPED = """
import gc, libvirt, small_host
from pytest_fakehv.fronts.libvirt.finalizers import kept_off_servers

host = small_host.SmallHost()
with kept_off_servers(libvirt), small_host.serving(host) as server:
    gc.set_threshold(1)
    for _ in range(2000):
        connection = libvirt.open(f"qemu+unix:///system?socket={server.path}")
        connection.itself = connection
        domain = connection.lookupByName("web1")
        domain.itself = domain
        del connection, domain
    gc.set_threshold(700)
    for _ in range(2000):
        while not host.ended.acquire(timeout=0.1):
            gc.collect()  # which does nothing while another thread collects
"""


def test_connections_may_be_dropped_under_garbage_collection_at_every_allocation():
    assert run_program(DROPPED) == (0, "", "")


IN_A_DEED = """
import gc, itertools, sys, libvirt
from pytest_fakehv import FakeCluster
from pytest_fakehv.fronts.libvirt import FakeLibvirt

cluster = FakeCluster.in_memory()
node, web1 = cluster["node1"], cluster.instance("web1")
gc.disable()
with FakeLibvirt(cluster) as front:
    for number in itertools.count(1, 7):
        connection = libvirt.open(front.uri("node1"))
        connection.itself = connection
        del connection
        passed = 0

        def collect(frame, event, _):
            global passed
            if event == "call" and frame.f_globals["__name__"].startswith("pytest_fakehv."):
                passed += 1
                if passed == number:
                    gc.collect()

        sys.setprofile(collect)
        node.StartInstance(web1, [], False)
        node.StopInstance(web1)
        node.disconnect()
        node.reconnect()
        sys.setprofile(None)
        if passed < number:
            break
"""


def test_a_connection_may_be_dropped_while_the_test_does_something_to_its_host_wherever_in_that():
    """Under its locks, too, which the end of the connection waits for."""
    assert run_program(IN_A_DEED) == (0, "", "")


IN_ITS_READER = """
import gc, os, socket, sys, libvirt, small_host
from contextlib import nullcontext
from pytest_fakehv.fronts.libvirt.finalizers import kept_off_servers
from pytest_fakehv.fronts.libvirt.wire.frames import framed

host = small_host.SmallHost()
host.answers["virConnectGetHostname"] = lambda *_: (gc.collect() and "node1",)
libvirt.registerErrorHandler(lambda *_: None, None)
gc.disable()
kept = kept_off_servers(libvirt) if sys.argv[1] == "kept" else nullcontext()
with kept, small_host.serving(host) as server:
    connection = libvirt.open(f"qemu+unix:///system?socket={server.path}")
    connection.itself = connection
    for each in os.listdir("/proc/self/fd"):
        try:
            copy = socket.socket(fileno=os.dup(int(each)))
            if copy.getpeername() == server.path:
                theirs = copy
        except OSError:
            pass
    del connection, copy
    # As another thread's last call could: libvirt's client would not look at its own connection meanwhile.
    theirs.sendall(framed(0x20008086, 59, 0, 99, 0, b""))
    assert host.ended.acquire(timeout=float(sys.argv[2]))
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_connection_may_be_found_dead_by_its_own_reader():
    assert run_program(IN_ITS_READER, "kept", "20") == (0, "", "")


LEFT_OPEN = """
import libvirt, small_host, os
from pytest_fakehv.fronts.libvirt.server.server import Server

libvirt.virEventRegisterDefaultImpl()
server = Server(os.path.abspath("s"), small_host.SmallHost(), "node1")
connection = libvirt.open(f"qemu+unix:///system?socket={server.path}")
connection.domainEventRegister(print, None)
domain = connection.lookupByName("web1")
print(domain.name())
"""


def test_the_interpreter_may_end_with_connections_open(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_program(LEFT_OPEN) == (0, "web1\n", "")
    assert os.listdir(tmp_path) == []


FORKED = """
import os, libvirt, small_host

with small_host.serving(small_host.SmallHost()) as server:
    uri = f"qemu+unix:///system?socket={server.path}"
    connection = libvirt.open(uri)
    child = os.fork()
    if not child:
        own = libvirt.open(uri)
        print(own.lookupByName("web1").name(), flush=True)
        own.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print(connection.lookupByName("web1").name())
    connection.close()
"""


def test_a_forked_child_may_have_a_connection_of_its_own():
    assert run_program(FORKED) == (0, "web1\nweb1\n", "")
