"""What belongs together: no thread comes between, but where a class of the user's own is asked meanwhile."""

import threading

import pytest

from pytest_fakehv import FakeHypervisor, Instance, NodeSpec

WEB1 = Instance("web1", beparams={"minmem": 512, "maxmem": 1024, "vcpus": 1})
SIZE = FakeHypervisor.in_memory(spec=NodeSpec("any")).GetNodeInfo()


class Plain(FakeHypervisor):
    """Overrides nothing that is asked."""


class Sized(FakeHypervisor):
    """Is asked how large the machine is."""

    asked = staticmethod(lambda: None)

    @staticmethod
    def GetLinuxNodeInfo(meminfo="/proc/meminfo", cpuinfo="/proc/cpuinfo"):
        Sized.asked()
        return SIZE


class Hooked(FakeHypervisor):
    """Is asked what runs."""

    asked = staticmethod(lambda: None)

    def _IsAlive(self, instance_name):
        self.asked()
        return super()._IsAlive(instance_name)


CALLS = {
    "stop": lambda node: node.StopInstance(WEB1),
    "finalize on the source": lambda node: node.FinalizeMigrationSource(WEB1, True, True),
    "finalize on the target": lambda node: node.FinalizeMigrationDst(WEB1, "", True),
}


def comes_between(node):
    """Tell whether another thread gets at what a node belongs to."""
    lock, came = node._scope.shared.lock, []

    def come():
        if lock.acquire(blocking=False):
            lock.release()
            came.append(node)

    thread = threading.Thread(target=come)
    thread.start()
    thread.join()
    return came == [node]


@pytest.mark.parametrize("spec", [NodeSpec("node1"), None], ids=["declared", "of the machine's size"])
@pytest.mark.parametrize("call", CALLS)
def test_it_comes_between_where_a_class_is_asked_what_runs(call, spec, monkeypatch):
    seen, node = [], Hooked.in_memory(spec=spec)
    node.add_instance("web1")
    monkeypatch.setattr(Hooked, "asked", lambda self: seen.append(comes_between(self)))
    CALLS[call](node)
    assert seen == [True]


def test_it_comes_between_where_a_class_is_asked_how_large_the_machine_is(monkeypatch):
    seen, node = [], Sized.in_memory()
    monkeypatch.setattr(Sized, "asked", lambda: seen.append(comes_between(node)))
    CALLS["finalize on the target"](node)
    assert seen == [True]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        (FakeHypervisor, NodeSpec("node1")),
        (FakeHypervisor, None),
        (Plain, NodeSpec("node1")),
        (Plain, None),
        (Sized, NodeSpec("node1")),
    ],
)
@pytest.mark.parametrize("call", ["finalize on the source", "finalize on the target"])
def test_it_does_not_where_no_class_is_asked(call, kind, spec, monkeypatch):
    seen, node = [], kind.in_memory(spec=spec)
    node.add_instance("web1")
    store = node._inner.store
    holds = store.holds_instance

    def looked(path):
        seen.append(comes_between(node))
        return holds(path)

    monkeypatch.setattr(store, "holds_instance", looked)
    CALLS[call](node)
    assert seen
    assert not any(seen)
