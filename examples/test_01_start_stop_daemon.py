"""1. Start and stop: test a daemon that keeps the right instances running.

You learn to

- hand the fixture ``fakehv``, a hypervisor without virtualisation, to the code under test;
- set the scene with ``instance`` (described, not running) and ``add_instance`` (already there);
- ask afterwards what runs: ``assert_running``, ``assert_paused``, ``assert_stopped`` and ``.instances``;
- check that the code survives a `HypervisorError`.

Methods in CamelCase are the hypervisor interface, for the code under test; those in snake_case are the
test's own.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from pytest_fakehv import BaseHypervisor, FakeHypervisor, HypervisorError, InstanceLike

# The code under test: in your project it is a module of its own.


@dataclass(frozen=True)
class Plan:
    """What has to change on the node."""

    start: list[InstanceLike]
    stop: list[InstanceLike]


class Daemon:
    """Keeps those of its instances running that are wanted, and no others of them.

    Args:
        hypervisor: the node's.
        managed: the instances in its care; whatever else runs on the node is none of its business.
        wanted: the names of those that should run.
        held: the names of those that start paused, until a person lets them go.
    """

    def __init__(
        self,
        hypervisor: BaseHypervisor,
        managed: Iterable[InstanceLike],
        *,
        wanted: Collection[str],
        held: Collection[str] = (),
    ) -> None:
        self.hypervisor = hypervisor
        self.managed = list(managed)
        self.wanted = frozenset(wanted)
        self.held = frozenset(held)

    def run(self, ticks: Iterable[None]) -> None:
        """Reconcile at each tick; whoever makes the ticks decides how long it waits between them."""
        for _ in ticks:
            self.act(self.plan())

    def plan(self) -> Plan:
        """Compare what is wanted with what runs."""
        running = set(self.hypervisor.ListInstances())
        return Plan(
            start=[each for each in self.managed if each.name in self.wanted - running],
            stop=[each for each in self.managed if each.name in running - self.wanted],
        )

    def act(self, plan: Plan) -> list[str]:
        """Carry a plan out, and return what went wrong.

        The plan may be out of date by now. That must not keep the daemon from the rest of it, and the
        next round will have another look anyway.
        """
        problems = []
        # Stops come first: they free the memory that the starts need.
        for instance in plan.stop:
            try:
                self.hypervisor.StopInstance(instance)
            except HypervisorError as error:
                problems.append(str(error))
        for instance in plan.start:
            try:
                self.hypervisor.StartInstance(instance, [], instance.name in self.held)
            except HypervisorError as error:
                problems.append(str(error))
        return problems


# The tests


def test_starts_what_is_wanted(fakehv: FakeHypervisor) -> None:
    """An instance gets its memory and CPUs; one that nobody wants stays stopped."""
    web1 = fakehv.instance("web1", memory=2048, vcpus=2)
    web2 = fakehv.instance("web2")
    daemon = Daemon(fakehv, [web1, web2], wanted=["web1"])

    assert daemon.act(daemon.plan()) == []

    fakehv.assert_running("web1", memory=2048, vcpus=2)
    fakehv.assert_stopped("web2")


def test_stops_what_is_no_longer_wanted(fakehv: FakeHypervisor) -> None:
    """The daemon stops its own instance and leaves a stranger's alone."""
    web1 = fakehv.add_instance("web1")
    fakehv.add_instance("stranger")
    daemon = Daemon(fakehv, [web1], wanted=[])

    assert daemon.act(daemon.plan()) == []

    # Everything that runs, as the interface tells it: plain data for a plain assert.
    assert fakehv.ListInstances() == ["stranger"]


def test_starts_a_held_instance_paused(fakehv: FakeHypervisor) -> None:
    """To the interface a paused instance is a running one; a test can tell them apart."""
    db1, web1 = fakehv.instance("db1"), fakehv.instance("web1")
    daemon = Daemon(fakehv, [db1, web1], wanted=["db1", "web1"], held=["db1"])

    assert daemon.act(daemon.plan()) == []

    fakehv.assert_paused("db1")
    fakehv.assert_running("web1")
    assert daemon.plan() == Plan(start=[], stop=[])


def test_makes_room_before_it_starts(fakehv: FakeHypervisor) -> None:
    """The new instance finds the old one's memory free, and so gets all that it may have."""
    old = fakehv.add_instance("old", memory=65536)  # the whole node, unless a test declares another
    new = fakehv.instance("new", memory=65536, min_memory=1024)
    daemon = Daemon(fakehv, [new, old], wanted=["new"])

    assert daemon.act(daemon.plan()) == []

    # `instances` has the figures of everything that runs, by name.
    assert {name: info.memory for name, info in fakehv.instances.items()} == {"new": 65536}


def test_survives_that_an_instance_is_started_elsewhere(fakehv: FakeHypervisor) -> None:
    """Between plan and act, an operator starts web1 by hand: web2 must start all the same."""
    web1, web2 = fakehv.instance("web1"), fakehv.instance("web2")
    daemon = Daemon(fakehv, [web1, web2], wanted=["web1", "web2"])
    plan = daemon.plan()
    fakehv.StartInstance(web1, [], startup_paused=False)

    problems = daemon.act(plan)

    assert problems == ["Failed to start instance web1: already running"]
    fakehv.assert_running("web1")
    fakehv.assert_running("web2")


def test_survives_that_an_instance_is_stopped_elsewhere(fakehv: FakeHypervisor) -> None:
    """Two copies of the daemon overlap during an upgrade; the slower one finds web1 stopped."""
    web1, web2, web3 = fakehv.add_instance("web1"), fakehv.add_instance("web2"), fakehv.instance("web3")
    daemon = Daemon(fakehv, [web1, web2, web3], wanted=["web3"])
    plan = daemon.plan()
    fakehv.StopInstance(web1)

    problems = daemon.act(plan)

    assert problems == ["Failed to stop instance web1: not running"]
    assert list(fakehv.instances) == ["web3"]


def test_follows_a_change_of_mind(fakehv: FakeHypervisor) -> None:
    """What happens between two rounds is up to the test, so that it never has to sleep."""
    daemon = Daemon(fakehv, [fakehv.instance("web1"), fakehv.instance("web2")], wanted=["web1"])

    def ticks() -> Iterator[None]:
        yield
        fakehv.assert_running("web1")
        daemon.wanted = frozenset({"web2"})
        yield

    daemon.run(ticks())

    fakehv.assert_stopped("web1")
    fakehv.assert_running("web2")
