"""A call that was on its way when its node went down, or was cut off, got lost: even if the node is back."""

import threading

import pytest

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HypervisorError,
    InstanceSpec,
    NodeDownError,
    NodeSpec,
)

LOST = repr(NodeDownError("node1 does not answer"))


def restart(node):
    node.crash()
    node.boot()
    node.add_instance("web1")  # another one of that name


def flap(node):
    node.disconnect()
    node.reconnect()


BEFALL = {
    "restart": restart,
    "power cycle": FakeHypervisor.PowercycleNode,
    "disconnect": FakeHypervisor.disconnect,
    "flap": flap,
}


@pytest.fixture
def web1(node1):
    return node1.instance("web1")


@pytest.fixture(params=BEFALL)
def befall(request):
    return BEFALL[request.param]


def failure(function, *arguments):
    with pytest.raises(HypervisorError) as caught:
        function(*arguments)
    return repr(caught.value)


def in_a_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    thread.join()


def test_while_it_is_held(cluster, node1, web1, befall):
    errors = []
    with cluster.hold("StopInstance") as hold:
        thread = threading.Thread(target=lambda: errors.append(failure(node1.StopInstance, web1)))
        thread.start()
        hold.wait()
        befall(node1)
        there = node1.instance_names
    thread.join()
    assert errors == [LOST]
    assert node1.instance_names == there
    assert repr(hold.call.error) == LOST
    cluster.assert_consistent()


@pytest.mark.parametrize("when", ["before", "after"])
def test_while_a_fault_delays_it(cluster, node1, web1, monkeypatch, befall, when):
    """After its effect, its answer gets lost."""
    cluster.fault("StopInstance", delay=5, when=when)
    seen = []

    def sleep(seconds):
        in_a_thread(befall, node1)
        seen.append((seconds, node1.instance_names))

    monkeypatch.setattr(cluster.clock, "sleep", sleep)
    assert failure(node1.StopInstance, web1) == LOST
    assert seen == [(5, node1.instance_names)]
    cluster.assert_consistent()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_in_a_subclasss_own_method(root, befall, moment):
    seen = []

    def happen(node, now):
        if now == moment:
            in_a_thread(befall, node)
            seen.extend(node.instance_names)

    class Own(FakeHypervisor):
        def StartInstance(self, instance, block_devices, startup_paused):
            happen(self, "before")
            super().StartInstance(instance, block_devices, startup_paused)
            happen(self, "after")

    cluster = FakeCluster(root, hypervisor=Own)
    node1 = cluster["node1"]
    assert failure(node1.StartInstance, node1.instance("web2"), [], False) == LOST
    assert node1.instance_names == seen
    cluster.assert_consistent()


def operations(cluster):
    """Return each operation that asks hooks, by the hooks that it asks; all but the first at web1's cost."""
    node1, node2 = cluster
    web1, web2 = node1.instance("web1"), node1.instance("web2")
    begin = [
        (node2.AcceptInstance, web1, "", "node2"),
        (node1.MigrateInstance, "cluster", web1, "node2", True),
        (node1.GetMigrationStatus, web1),
    ]
    return {
        "start": [(node1.StartInstance, web2, [], False)],
        "stop": [(node1.StopInstance, web1)],
        "balloon": [(node1.BalloonInstanceMemory, web1, 100)],
        "accept": [(node1.AcceptInstance, web2, "", "node1")],
        "migrate": [begin[0], begin[1]],
        "end source": [*begin, (node1.FinalizeMigrationSource, web1, True, True)],
        "end target": [
            (node2.StartInstance, web2, [], False),
            (node1.AcceptInstance, web2, "", "node1"),
            (node2.MigrateInstance, "cluster", web2, "node1", True),
            (node2.GetMigrationStatus, web2),
            (node1.FinalizeMigrationDst, web2, "", True),
        ],
    }


@pytest.mark.parametrize(
    ("operation", "hook"),
    [
        ("start", "_IsAlive"),
        ("start", "_InstanceStartupMemory"),
        ("start", "_MarkUp"),
        ("stop", "_IsAlive"),
        ("stop", "_MarkDown"),
        ("balloon", "_IsAlive"),
        ("balloon", "_MarkUp"),
        ("accept", "_IsAlive"),
        ("accept", "_InstanceStartupMemory"),
        ("migrate", "_IsAlive"),
        ("end source", "_IsAlive"),
        ("end source", "_MarkDown"),
        ("end target", "_IsAlive"),
        ("end target", "_MarkUp"),
    ],
)
def test_in_a_subclasss_own_inner_method(tmp_path, monkeypatch, operation, hook, befall):
    nodes = [NodeSpec("node1", overcommit=False), NodeSpec("node2")]
    cluster = FakeCluster(tmp_path, *nodes, instances=[InstanceSpec("web1")])
    node1 = cluster["node1"]
    *before, last = operations(cluster)[operation]
    for function, *arguments in before:
        function(*arguments)
    own = getattr(node1, hook)
    seen = []

    def state():
        return {name: node.instances for name, node in zip("12", cluster, strict=True)}, cluster.migrations

    def asked(*arguments):
        if not seen:
            in_a_thread(befall, node1)
            seen.append(state())
        return own(*arguments)

    monkeypatch.setattr(node1, hook, asked)
    assert failure(*last) == LOST
    assert seen == [state()]
    assert {each.invariant for each in cluster.violations()} <= {"unfinished"}


def test_what_came_after_it_was_back_passes(cluster, node1, web1, befall):
    befall(node1)
    node1.boot()
    node1.reconnect()
    node1.ListInstances()
    cluster.assert_consistent()


def test_a_power_cycle_itself_is_answered_and_what_its_own_method_calls_then(root):
    class Own(FakeHypervisor):
        def PowercycleNode(self, hvparams=None):
            super().PowercycleNode(hvparams)
            self.StartInstance(self.instance("after"), [], False)

    hv = Own(root, spec=NodeSpec("node1"))
    hv.add_instance("web1")
    hv.PowercycleNode()
    assert hv.ListInstances() == ["after"]


def test_a_call_of_another_node_is_not_lost_with_this_one(cluster, node1, node2, monkeypatch):
    cluster.fault("ListInstances", node="node2", delay=1)
    monkeypatch.setattr(cluster.clock, "sleep", lambda _seconds: restart(node1))
    assert node2.ListInstances() == []


def test_a_deed_of_the_test_whose_node_goes_down_while_it_is_done(tmp_path):
    class Own(FakeHypervisor):
        @staticmethod
        def GetLinuxNodeInfo(*_paths):
            hv.crash()
            return FakeHypervisor.GetLinuxNodeInfo()

    hv = Own(tmp_path)
    with pytest.raises(DeclarationError) as caught:
        hv.add_instance("web1", memory=100, min_memory=50)
    assert str(caught.value) == "localhost does not answer"
    assert list(tmp_path.iterdir()) == []
