"""How a host lets calls in: one after the other where they change a domain, and none once it is over."""

import threading
from time import monotonic

import pytest
from small_host import STARTED_AT_MOST, Client
from told_by_hosts import domain_xml, refusal, uuid_of

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt
from pytest_fakehv.fronts.libvirt.errors import ConnectionLost
from pytest_fakehv.fronts.libvirt.host import waiting as waiting_module


class Slow(FakeHypervisor):
    """Starts what it is let to, when it is let to."""

    began = threading.Semaphore(0)
    going_on = threading.Semaphore(0)
    error = None

    def StartInstance(self, *arguments):
        """Wait first."""
        self.began.release()
        assert self.going_on.acquire(timeout=STARTED_AT_MOST)
        if self.error:
            raise HypervisorError(self.error)
        super().StartInstance(*arguments)


class Started:
    """A call that goes on in another thread."""

    def __init__(self, function, *arguments):
        self._call = function, arguments
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert Slow.began.acquire(timeout=STARTED_AT_MOST)

    def _run(self):
        function, arguments = self._call
        self.result = function(*arguments)

    def end(self):
        """Let it go on, and wait for its end."""
        Slow.going_on.release()
        self._thread.join(STARTED_AT_MOST)
        return self.result


@pytest.fixture
def cluster():
    Slow.error = None
    return FakeCluster.in_memory(NodeSpec("node1"), hypervisor=Slow)


def test_a_change_waits_for_another_but_not_for_ever(web1, connect, monkeypatch):
    monkeypatch.setattr(waiting_module, "_LONGEST", 0.01)
    other = connect().lookupByName("web1")
    start = Started(web1.create)
    problem = "cannot acquire state change lock (held by monitor=remoteDispatchDomainCreate)"
    assert refusal(other.setAutostart, 1) == (68, 0, f"Timed out during operation: {problem}")
    assert other.state() == [5, 0]
    assert start.end() == 0
    assert other.setAutostart(1) == 0


def test_what_is_being_started_is_not_started_again(node1, connect):
    start = Started(node1.createXML, domain_xml("job1"), 0)
    other = connect()
    assert refusal(other.createXML, domain_xml("job1"), 0) == (
        55,
        20,
        "Requested operation is not valid: domain 'job1' is already being started",
    )
    assert other.lookupByName("job1").isActive() == 0
    assert start.end().isActive() == 1


def test_what_is_defined_while_it_starts_runs_by_what_it_was_started_with(node1, connect):
    start = Started(node1.createXML, domain_xml("job1"), 0)
    connect().defineXML(domain_xml("job1", memory=96))
    job1 = start.end()
    assert (job1.isPersistent(), job1.maxMemory()) == (1, 64 * 1024)


def test_who_has_waited_for_what_has_gone_finds_nothing(node1, connect, front):
    Slow.error = "no disk"
    start = Started(refusal, node1.createXML, domain_xml("job1"), 0)
    other = connect().lookupByName("job1")
    waiting = threading.Semaphore(0)
    domain = front._hosts["node1"].by_name("job1")
    acquire = domain.job.acquire

    class Job:
        release = domain.job.release

        def acquire(self, timeout):
            waiting.release()
            return acquire(timeout=timeout)

    domain.job = Job()
    said = []
    thread = threading.Thread(target=lambda: said.append(refusal(other.setAutostart, 1)))
    thread.start()
    assert waiting.acquire(timeout=STARTED_AT_MOST)
    assert start.end() == (9, 10, "operation failed: no disk")
    thread.join(STARTED_AT_MOST)
    assert said == [(42, 10, f"Domain not found: no domain with matching uuid '{uuid_of('job1')}' (job1)")]


def test_what_is_to_end_with_a_client_that_has_gone_meanwhile(front, cluster, told):
    client = Client(front.socket())
    client.begin("virDomainCreateXML", domain_xml("job1"), 2)
    assert Slow.began.acquire(timeout=STARTED_AT_MOST)
    client.socket.close()
    clients = front._hosts["node1"].audience._clients
    while len(clients) > 1:  # the watcher's
        told()
    Slow.going_on.release()
    events = told()
    while len(events) < 4:
        events += told()
    assert events[-2:] == ["job1 1 is shut down", "job1 -1 destroyed"]
    assert cluster.placement() == {}


def test_a_change_that_comes_too_late_changes_nothing(web1, front):
    host = front._hosts["node1"]
    domain = host.by_name("web1")
    host.change_live(domain, lambda given: given.with_memory(1))
    web1.undefine()
    host.configure(domain, lambda given: given.with_memory(1))
    assert domain.definition.memory == 64 * 1024
    assert host.domains == []


class TestConnections:
    @pytest.fixture
    def cluster(self):
        return FakeCluster.in_memory(NodeSpec("node1"))

    def test_one_that_is_refused(self, libvirt, cluster, front):
        cluster.fault("virConnectOpen", error="busy", times=1)
        assert refusal(libvirt.open, front.uri()) == (9, 10, "operation failed: busy")
        assert front._hosts["node1"].audience._clients == {}
        libvirt.open(front.uri()).close()

    def test_faults_raise_what_they_are_given(self, libvirt, web1, cluster):
        with pytest.raises(libvirt.libvirtError) as caught:
            web1.destroy()
        cluster.fault("virDomainGetInfo", error=caught.value, times=1)
        with pytest.raises(libvirt.libvirtError) as again:
            web1.info()
        assert again.value.err == caught.value.err
        cluster.fault("virDomainGetInfo", error=ValueError("no"), times=1)
        assert refusal(web1.info) == (1, 10, "internal error: ValueError: no")

    def test_an_override_fails(self, libvirt):
        class Broken(FakeHypervisor):
            def StartInstance(self, *arguments):
                raise HypervisorError("no disk")

            def StopInstance(self, *arguments, **keywords):
                raise HypervisorError("no way")

        cluster = FakeCluster.in_memory(NodeSpec("node1"), hypervisor=Broken)
        cluster.add_instance("db1")
        with FakeLibvirt(cluster) as front:
            connection = libvirt.open(front.uri())
            web1 = connection.defineXML(domain_xml("web1"))
            assert refusal(web1.create) == (9, 10, "operation failed: no disk")
            assert refusal(connection.lookupByName("db1").destroy) == (9, 10, "operation failed: no way")
            connection.close()

    def test_the_host_crashes_in_the_middle_of_a_call(self, web1, cluster):
        cluster.fault("virDomainGetInfo", crash=True)
        assert refusal(web1.info)[1] == 7
        assert cluster["node1"].is_down

    def test_of_one_that_is_over_nothing_is_answered(self, front):
        front.socket()
        with pytest.raises(ConnectionLost, match="node1 has closed the connection"):
            front._hosts["node1"].answer(object(), "virConnectGetHostname", ())

    def test_one_that_ends_twice(self, front):
        front.socket()
        front._hosts["node1"].closed(object())


def test_a_call_that_its_own_thread_holds_is_refused_at_once(web1, cluster):
    hold = cluster.hold("virDomainCreate", timeout=STARTED_AT_MOST)
    assert refusal(web1.create) == (
        1,
        10,
        (
            "internal error: HoldError: hold('virDomainCreate'): the thread that holds the call made it "
            "itself, and could never release it; make the call in another thread"
        ),
    )
    hold.release()
    assert cluster.placement() == {}


def test_a_front_of_a_class_of_ones_own_ends_with_its_block(libvirt, cluster):
    with FakeLibvirt(cluster) as front:
        uri = front.uri()
        libvirt.open(uri).close()
    assert refusal(libvirt.open, uri)[1] == 7


def test_a_host_that_boots_again_and_again_keeps_no_threads(cluster, front, connect):
    for _ in range(3):
        connect("node1").getHostname()
        cluster["node1"].crash()
        cluster["node1"].boot()
        for each in front._former:
            each._readers.join(monotonic() + STARTED_AT_MOST)
        assert [each for each in threading.enumerate() if each.name == "fakehv-libvirt node1"] == []
