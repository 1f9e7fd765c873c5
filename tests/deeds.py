"""Everything that can be done to a cluster, for programs that interrupt it."""

import itertools
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any, Final

from backends import REFUSALS, Backend

from pytest_fakehv import BaseHypervisor, FakeCluster, FakeHypervisor, Instance, NodeSpec

INTERFACE: Final = {name for name in vars(BaseHypervisor) if name[0].isupper() and not name.isupper()} - {
    "LinuxPowercycle"
}
"""The interface's methods; the last is the machine's own doing."""

NODES: Final = (
    NodeSpec("node1", memory=2**40),
    NodeSpec("node2", memory=2**40, overcommit=False),  # where each start counts
    NodeSpec("node3", memory=2**40),
)

ALL: Final = "all"
"""The name of an instance that gets all memory that is free."""

LONGEST_HOLD: Final = 0.5
"""Seconds until a held call is given up."""


@dataclass
class Scene:
    """A cluster on which deeds are done."""

    cluster: FakeCluster
    generator: random.Random
    current: str = ""
    """What is being called."""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def do(self, call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Make a call, which may be refused: the last one may have been interrupted half-way."""
        self.current = call.__name__
        with suppress(*REFUSALS):
            return call(*arguments, **keywords)

    def look(self, at: object, name: str) -> Any:
        """Look at an attribute."""
        self.current = name
        with suppress(*REFUSALS):
            return getattr(at, name)

    def two_nodes(self) -> list[FakeHypervisor]:
        """Choose two nodes."""
        return self.generator.sample([self.cluster[each.name] for each in NODES], 2)

    def new(self, node: FakeHypervisor, *, running: bool = True, **keywords: Any) -> Instance:
        """Make an instance that there wasn't."""
        name = f"web{next(self._numbers)}"
        state = "running" if running else "stopped"
        self.do(self.cluster.add_instance, name, node=node.name, state=state, memory=512, **keywords)
        return Instance(name, beparams={"minmem": 512, "maxmem": 512, "vcpus": 1})


def run(scene: Scene) -> None:
    node, _ = scene.two_nodes()
    web = scene.new(node, running=False)
    scene.do(node.StartInstance, web, [], scene.generator.random() < 0.5)
    scene.do(node.BalloonInstanceMemory, web, 1024)
    scene.do(node.GetInstanceInfo, web.name)
    scene.do(node.RebootInstance, web)
    scene.do(node.StopInstance, web)
    scene.do(node.CleanupInstance, web.name)


def run_on_what_is_free(scene: Scene) -> None:
    node, _ = scene.two_nodes()
    web = Instance(ALL, beparams={"minmem": 1, "maxmem": 2**50, "vcpus": 1})
    scene.do(node.StartInstance, web, [], False)
    scene.do(node.BalloonInstanceMemory, web, 4)
    scene.do(node.StopInstance, None, name=ALL)


def run_twice(scene: Scene) -> None:
    first, second = scene.two_nodes()
    web = scene.new(first)
    scene.do(second.StartInstance, web, [], False)
    scene.do(first.StopInstance, web)
    scene.do(second.StopInstance, web)


def look_at_nodes(scene: Scene) -> None:
    node, _ = scene.two_nodes()
    web = scene.new(node)
    for call in (node.ListInstances, node.GetAllInstancesInfo, node.GetNodeInfo, node.Verify):
        scene.do(call)
    scene.do(node.GetInstanceInfo, web.name)
    for attribute in ("instances", "instance_names", "migrations", "root", "unreachable"):
        scene.look(node, attribute)
    scene.do(node.instance_info, web.name)
    scene.do(node.runs, web.name)
    scene.do(node.StopInstance, web)


def do_nothing(scene: Scene) -> None:
    node, _ = scene.two_nodes()
    web = node.instance("web0")
    scene.do(node.VerifyInstance, web)
    scene.do(node.RestoreInstance, web, [])
    scene.do(node.GetInstanceConsole, web, "node1", "group", {}, {})
    scene.do(node.GetLinuxNodeInfo)
    scene.do(node.GetAncillaryFiles)
    scene.do(node.VersionsSafeForMigration, "1", "1")
    scene.do(node.HotplugSupported, web)
    scene.do(node.VerifyHotplugSupport, web, "hotadd", "disk")
    for change in (node.HotAddDevice, node.HotDelDevice, node.HotModDevice):
        scene.do(change, web, "disk", None, None, 1)
    scene.do(node.ResizeDisk, web, None, 1)
    for check in (node.AssessParameters, node.CheckParameterSyntax, node.ValidateParameters):
        scene.do(check, {"migration_mode": "live"})


def powercycle(scene: Scene) -> None:
    node, _ = scene.two_nodes()
    scene.new(node)
    scene.do(node.PowercycleNode)


def migrate(scene: Scene) -> None:
    """Well, or to be aborted, and ended on either node first."""
    source, target = scene.two_nodes()
    web, success = scene.new(source), scene.generator.random() < 0.5
    info = scene.do(source.MigrationInfo, web)
    scene.do(target.AcceptInstance, web, info, target.address)
    scene.do(source.MigrateInstance, "cluster", web, target.address, True)
    scene.do(source.GetMigrationStatus, web)
    ends: list[tuple[Any, ...]] = [
        (source.FinalizeMigrationSource, web, success, True),
        (target.FinalizeMigrationDst, web, info, success),
    ]
    scene.generator.shuffle(ends)
    for end in ends:
        scene.do(*end)
    scene.do((target if success else source).StopInstance, web)


def direct_a_migration(scene: Scene) -> None:
    source, target = scene.two_nodes()
    web, cluster = scene.new(source), scene.cluster
    scene.do(cluster.script_migration, web, bandwidth=64, dirty_rate=32, times=1)
    scene.do(target.AcceptInstance, web, "", target.address)
    scene.do(source.MigrateInstance, "cluster", web, target.address, True)
    scene.do(source.GetMigrationStatus, web)
    deeds = (
        cluster.cancel_migration, cluster.fail_migration, cluster.complete_migration, cluster.start_postcopy
    )  # fmt: skip
    scene.do(scene.generator.choice(deeds), web)
    scene.do(source.GetMigrationStatus, web)
    scene.do(target.FinalizeMigrationDst, web, "", False)
    scene.do(source.FinalizeMigrationSource, web, False, True)
    scene.do(source.StopInstance, web)


def drive(scene: Scene) -> None:
    source, target = scene.two_nodes()
    web = scene.new(source)
    scene.do(scene.cluster.migrate, web, to=target.name)
    scene.do(scene.cluster.failover, web, to=source.name, source=target.name)
    scene.do(scene.cluster.clean_up, web, to=target.name, source=source.name)
    scene.do(source.StopInstance, web)


def befall(scene: Scene) -> None:
    node, _ = scene.two_nodes()
    scene.new(node)
    for deed in (node.disconnect, node.reconnect, node.crash, node.boot):
        scene.do(deed)


def befall_an_instance(scene: Scene) -> None:
    node, target = scene.two_nodes()
    web, cluster = scene.new(node), scene.cluster
    scene.do(cluster.script_migration, web, bandwidth=64, dirty_rate=128, times=1)
    scene.do(target.AcceptInstance, web, "", target.address)
    scene.do(node.MigrateInstance, "cluster", web, target.address, True)
    for deed in (node.pause, cluster.resume, node.hang):
        scene.do(deed, web)
    scene.do(node.StopInstance, web)
    scene.do(scene.generator.choice([cluster, node, target]).kill, web)
    scene.do(target.FinalizeMigrationDst, web, "", False)
    scene.do(node.FinalizeMigrationSource, web, False, True)
    scene.do(node.StopInstance, web, True)


def judge(scene: Scene) -> None:
    cluster = scene.cluster
    scene.look(cluster, "migrations")
    for deed in (cluster.violations, cluster.placement, cluster.timeline, cluster.describe):
        scene.do(deed)


def add_and_remove(scene: Scene) -> None:
    extra = scene.do(scene.cluster.add_node, f"extra{next(scene._numbers)}", memory=2**40)
    if extra:
        web = scene.new(extra)
        scene.do(extra.StopInstance, web)
        scene.do(scene.cluster.remove_node, extra.name)


def fail(scene: Scene) -> None:
    node, _ = scene.two_nodes()
    fault = scene.do(scene.cluster.fault, "HotplugSupported", error="no", times=1, delay=1, optional=True)
    scene.do(node.HotplugSupported, node.instance("web0"))
    if fault:
        scene.do(fault.withdraw)
    scene.look(scene.cluster, "faults")
    scene.do(scene.cluster.clock.advance, 1)


def hold(scene: Scene) -> None:
    """Hold a call that the checks don't make: one that nobody releases is held to its end."""
    node, _ = scene.two_nodes()
    scene.current = "hold"
    with (
        suppress(*REFUSALS),
        scene.cluster.hold("VerifyInstance", node=node.name, timeout=LONGEST_HOLD) as held,
    ):
        threading.Thread(target=_call_and_be_held, args=(node,), daemon=True).start()
        held.wait()


def _call_and_be_held(node: FakeHypervisor) -> None:
    with suppress(*REFUSALS):
        node.VerifyInstance(node.instance("web0"))


DEEDS: Final[tuple[Callable[[Scene], None], ...]] = (
    run,
    run_on_what_is_free,
    run_twice,
    look_at_nodes,
    do_nothing,
    powercycle,
    migrate,
    direct_a_migration,
    drive,
    befall,
    befall_an_instance,
    judge,
    add_and_remove,
    fail,
    hold,
)


def durations(backend: Backend) -> dict[Callable[[Scene], None], float]:
    """Do each deed undisturbed, and return how long it takes, in seconds.

    Raises:
        AssertionError: a method of the interface isn't among them.
    """
    scene = Scene(backend.cluster(backend.place(), *NODES), random.Random(0))
    found: dict[Callable[[Scene], None], float] = {}
    for deed in DEEDS:
        times = []
        for _ in range(3):
            began = perf_counter()
            deed(scene)
            times.append(perf_counter() - began)
        found[deed] = median(times)
    if missing := INTERFACE - {call.method for call in scene.cluster.journal}:
        raise AssertionError(f"nobody interrupts {', '.join(sorted(missing))}")
    return found
