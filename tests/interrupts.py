"""Interrupt calls by an exception from a signal handler, at random instants, and look at what each leaves.

    python tests/interrupts.py [--interrupts N] [--backend NAME] [--dir DIR] [--seed N]

`benchmarks/soak_interrupts.py` says what it shows.
"""

import argparse
import faulthandler
import gc
import itertools
import logging
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from backends import BACKENDS, REFUSALS, WELL_FORMED, Backend, is_of_others, place_of, place_of_thread

from pytest_fakehv import BaseHypervisor, FakeCluster, FakeHypervisor, HypervisorError, Instance, NodeSpec

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

INTERFACE: Final = {name for name in vars(BaseHypervisor) if name[0].isupper() and not name.isupper()} - {
    "LinuxPowercycle"
}
"""The interface's methods; the last is the machine's own doing."""

NODES: Final = (
    NodeSpec("node1", memory=2**40),
    NodeSpec("node2", memory=2**40, overcommit=False),  # where each start counts
    NodeSpec("node3", memory=2**40),
)
LIFE: Final = 10
"""Interrupts of one cluster: its journal gets longer, and with that everything slower."""

MOST_PLACES: Final = 10
"""How many places are shown of each kind of finding."""

ALL: Final = "all"
"""The name of an instance that gets all memory that is free."""

MOST_KEPT_OPEN: Final = 16
"""Directories that the package keeps open for the next time, if need be of a cluster that is gone."""

LONGEST_HOLD: Final = 0.5
"""Seconds until a held call is given up."""

WATCHDOG: Final = 120
"""Seconds without a new cluster, after which the program itself must be wrong."""


class Interrupt(BaseException):
    """What the signal's handler raises in the middle of a call."""


class Overdue(BaseException):
    """What it raises when a call doesn't end by itself."""


class Alarm:
    """The signal's handler, and what it is to raise."""

    def __init__(self) -> None:
        self.has_rung = False
        self._error: type[BaseException] = Interrupt
        signal.signal(signal.SIGALRM, self._ring)

    def set(self, seconds: float, error: type[BaseException]) -> None:
        """Raise an error in the main thread after a while."""
        self.has_rung, self._error = False, error
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))

    def stop(self) -> None:
        """Raise nothing."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, *_: object) -> None:
        self.has_rung = True
        raise self._error


# What is interrupted


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


# Who must not wait


def use(node: FakeHypervisor, name: str) -> None:
    """Take every lock of a node: whoever counts what is free, or takes away, keeps other processes off."""
    web = Instance(name, beparams={"minmem": 1, "maxmem": 2**50, "vcpus": 1})
    calls: list[tuple[Any, ...]] = [
        (node.StartInstance, web, [], False),
        (node.BalloonInstanceMemory, web, 1),
        (node.StopInstance, web),
    ]
    for call, *arguments in calls:
        with suppress(HypervisorError):
            call(*arguments)


def use_all(cluster: FakeCluster) -> None:
    """Take every lock of a cluster."""
    for node in cluster.nodes:
        node.boot()
        node.reconnect()
        with suppress(HypervisorError):
            node.StopInstance(None, name=ALL)
        use(node, "thread")
    cluster.add_instance("mover", node="node1")
    cluster.migrate("mover", to="node3")
    cluster["node3"].StopInstance(None, name="mover")
    cluster.fault("ListInstances", optional=True).withdraw()
    cluster.clock.advance(1)
    assert cluster.migrations
    cluster.placement()
    cluster.violations()


def serve(orders: "Connection[str | None, list[str]]") -> None:
    """Be another process: use the nodes whose root directories it is told, and say what went wrong."""
    while True:
        try:
            roots = orders.recv()
        except EOFError:  # nobody asks any more
            return
        error = None
        try:
            for root in roots:
                use(FakeHypervisor(root, spec=NODES[0]), "process")
        except Exception as raised:  # told, and counted there
            error = f"{raised!r} at {place_of(raised)}"
        orders.send(error)


class OtherProcess:
    """Another process, which is asked to use nodes."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self._orders: Connection[list[str], str | None]
        self._orders, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()

    def use(self, roots: list[str], patience: float) -> str | None:
        """Let it use nodes, and return what went wrong.

        Raises:
            Overdue: it did not answer in time.
        """
        self._orders.send(roots)
        if not self._orders.poll(patience):
            raise Overdue
        return self._orders.recv()

    def end(self) -> None:
        """Wait for it no longer."""
        self._process.kill()


# The soak


@dataclass
class Soak:
    """Many interrupts on one backend."""

    backend: Backend
    generator: random.Random
    patience: float
    most_hangs: int
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What was wrong, and after an interrupt of which call, where."""
    strange: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What is not right either, and not ours to put right."""
    places: set[str] = field(default_factory=set)
    """Where in the package there was an interrupt."""
    methods: Counter[str] = field(default_factory=Counter)
    """In which calls."""
    interrupts: int = 0
    hangs: int = 0

    def __post_init__(self) -> None:
        self._alarm = Alarm()
        self._other = OtherProcess() if self.backend.has_files else None
        self._durations = durations(self.backend)
        self._is_ours = True
        self._hung: list[str] = []
        sys.unraisablehook = self._cannot_raise

    def _cannot_raise(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """Note that Python itself has swallowed an interrupt, as it does in ``__del__``."""
        if not isinstance(unraisable.exc_value, Interrupt):
            error = unraisable.exc_value
            is_ours = error is None or not is_of_others(error)
            self._find(f"an error that nobody could be told: {error!r}", "somewhere", is_ours=is_ours)

    def soak(self, interrupts: int) -> None:
        """Interrupt so many times, or until enough has hung."""
        while self.interrupts < interrupts and self.hangs < self.most_hangs:
            faulthandler.dump_traceback_later(WATCHDOG, exit=True)
            place = self.backend.place()
            if not self._live(place, min(LIFE, interrupts - self.interrupts)):
                self._hung.append(f"{place}/")
                self.backend.renew()
        for thread in threading.enumerate():
            if (
                thread.daemon and thread.is_alive()
            ):  # one whose call is held has its cluster until it is given up
                thread.join(2 * LONGEST_HOLD)
        gc.collect()
        paths = self.backend.descriptors(self.backend.directory).values()
        still_open = [path for path in paths if not path.startswith(tuple(self._hung))]
        if len(still_open) > MOST_KEPT_OPEN:
            self._find(f"{len(still_open)} directories are open although their clusters are gone", "some")
        faulthandler.cancel_dump_traceback_later()

    def _live(self, place: str | None, interrupts: int) -> bool:
        """Use one cluster; return whether nothing hung."""
        scene = Scene(self.backend.cluster(place, *NODES), self.generator)
        for _ in range(interrupts):
            after = self._interrupt(scene)
            self._check_descriptors(place, after)
            for node in scene.cluster if place else ():
                self._check_files(node, after)
            for check in (self._check_thread, self._check_process, self._check_own_thread):
                if not check(scene.cluster, after):
                    self.hangs += 1
                    return False
            if not self._is_ours:  # what is half done there stays so
                break
        return True

    def _interrupt(self, scene: Scene) -> str:
        """Do one thing until it is interrupted, and return where it was, in words."""
        deed = self.generator.choice(DEEDS)
        delay = self.generator.uniform(0, 2 * self._durations[deed])
        place, self._is_ours = None, True
        try:
            self._repeat(deed, scene, delay)
        except Interrupt as error:
            place = place_of(error)
            self._is_ours = not is_of_others(error)
        except Exception as error:  # it is what is looked for
            self._alarm.stop()
            what = f"it raised {error!r} at {place_of(error)}"
            self._find(what, scene.current, is_ours=not is_of_others(error))
        self.interrupts += 1
        if place:
            self.places.add(place)
            self.methods[scene.current] += 1
        return f"{scene.current}, {place or 'outside the package'}"

    def _repeat(self, deed: Callable[[Scene], None], scene: Scene, delay: float) -> None:
        """Do one thing until the alarm rings.

        In a function of its own: CPython 3.13 forgets a ``try`` where a loop in it jumps back.
        """
        self._alarm.set(delay, Interrupt)
        while not self._alarm.has_rung:
            deed(scene)

    def _find(self, what: str, after: str, *, is_ours: bool = True) -> None:
        """Note what is wrong, or merely strange where that isn't ours to put right."""
        (self.findings if is_ours else self.strange)[what, after] += 1

    def _check_descriptors(self, place: str | None, after: str) -> None:
        """See whether a file is left open; directories may be, as long as there is their cluster."""
        for descriptor, path in self.backend.descriptors(place).items():
            if not os.path.isdir(path):
                self._find("a file is left open", after)
                os.close(descriptor)

    def _check_thread(self, cluster: FakeCluster, after: str) -> bool:
        """Let another thread use everything; return whether it doesn't hang."""
        errors: list[Exception] = []

        def use_it() -> None:
            try:
                use_all(cluster)
            except Exception as error:  # handed over
                errors.append(error)

        other = threading.Thread(target=use_it, daemon=True)
        other.start()
        other.join(self.patience)
        if other.is_alive():
            self._find(f"another thread hangs at {place_of_thread(other.ident)}", after)
            return False
        for error in errors:
            what = f"in another thread, a later call raised {error!r} at {place_of(error)}"
            self._find(what, after, is_ours=self._is_ours)
        return True

    def _check_own_thread(self, cluster: FakeCluster, after: str) -> bool:
        """Use everything in this thread, and look at what is there; return whether it doesn't hang."""
        try:
            self._alarm.set(self.patience, Overdue)
            use_all(cluster)
            self._check_journal(cluster, after)
            for node in cluster:
                self._check_memory(node, after)
        except Overdue as error:
            self._find(f"its own thread hangs at {place_of(error)}", after)
            return False
        except Exception as error:  # it is what is looked for
            what = f"a later call raised {error!r} at {place_of(error)}"
            self._find(what, after, is_ours=self._is_ours)
        finally:
            self._alarm.stop()
        return True

    def _check_process(self, cluster: FakeCluster, after: str) -> bool:
        """Let another process use the nodes; return whether it doesn't hang."""
        if not self._other:
            return True
        try:
            error = self._other.use([node.root for node in cluster], self.patience)
        except Overdue:
            self._find("another process hangs", after)
            self._other.end()
            self._other = OtherProcess()
            return False
        if error:
            self._find(f"another process was told {error}", after)
        return True

    def _check_journal(self, cluster: FakeCluster, after: str) -> None:
        """See whether calls of this thread are calls of their own again, and all have ended."""
        for node in cluster:
            total = cluster.journal.total
            node.GetNodeInfo()
            # One that is held in another thread may have come in between.
            if not any(each.number > total for each in cluster.journal.calls("GetNodeInfo", node=node.name)):
                self._find("later calls on that node are not in the journal", after)
        for call in cluster.journal:
            if not call.ended and call.method != "VerifyInstance":
                self._find("it never ends in the journal", after, is_ours=False)
                call.ended = True  # so that it counts once

    def _check_files(self, node: FakeHypervisor, after: str) -> None:
        """See whether each file is whole, and remove it if not."""
        for name, content in self.backend.files(node).items():
            if "\n" in name:
                self._find("a temporary file is left", after, is_ours=self._is_ours)
            elif isinstance(content, Exception) or not WELL_FORMED.fullmatch(content):
                self._find(f"a file is malformed: {content!r}", after, is_ours=self._is_ours)
            else:
                continue
            if self._is_ours:
                os.unlink(f"{node.root}/{name}")

    def _check_memory(self, node: FakeHypervisor, after: str) -> None:
        """See whether what is free is what the files leave."""
        used, free = sum(info.memory for info in node.instances.values()), node.GetNodeInfo()["memory_free"]
        if free != NODES[0].memory - used:
            self._find(f"{free} MiB are free although {used} are used", after)
        web = Instance(ALL, beparams={"minmem": 1, "maxmem": 2**50, "vcpus": 1})
        node.StartInstance(web, [], False)
        if (got := node.instances[ALL].memory) != free:
            self._find(f"a start gets {got - free} MiB more than are free", after)
        node.StopInstance(web)

    def summary(self) -> str:
        """Return what was counted: what is wrong, and after interrupts of which calls, where."""
        inside = sum(self.methods.values())
        lines = [
            f"{self.backend.name}: {self.interrupts:,} interrupts",
            f"  {inside:,} in the package: {len(self.methods)} kinds of calls, {len(self.places):,} places",
            f"  hung for ever: {self.hangs}",
            f"  wrong: {self.findings.total():,}; strange: {self.strange.total():,}",
        ]
        for title, findings in (("wrong", self.findings), ("strange", self.strange)):
            kinds: Counter[str] = Counter()
            for (what, _), count in findings.items():
                kinds[what] += count
            for kind, count in kinds.most_common():
                lines.append(f"  {title}, {count:,} times: {kind}")
                after = Counter({place: each for (what, place), each in findings.items() if what == kind})
                lines += [f"      {each:,} after {place}" for place, each in after.most_common(MOST_PLACES)]
        return "\n".join(lines)


def main() -> int:
    """Interrupt on each backend, in a process of its own, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--interrupts", type=int, default=20_000, help="on each backend (default: %(default)s)"
    )
    parser.add_argument("--backend", choices=BACKENDS, help="on this one alone")
    parser.add_argument("--dir", help="where to make temporary directories")
    parser.add_argument("--seed", type=int, default=1, help="of everything but the machine's own pace")
    parser.add_argument(
        "--patience", type=float, default=5, help="seconds until a call hangs (default: %(default)s)"
    )
    parser.add_argument(
        "--hangs", type=int, default=5, help="after which a backend is given up (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if not arguments.backend:
        command = [sys.executable, __file__, *sys.argv[1:], "--backend"]
        return max(subprocess.run([*command, each], check=False).returncode != 0 for each in BACKENDS)
    logging.disable()  # a power cycle warns
    durations(Backend("memory"))  # so that all modules are there before a fake filesystem is
    generator = random.Random(f"{arguments.seed} {arguments.backend}")
    with Backend(arguments.backend, arguments.dir) as backend:
        soak = Soak(backend, generator, arguments.patience, arguments.hangs)
        soak.soak(arguments.interrupts)
    print(soak.summary(), flush=True)
    os._exit(bool(soak.findings))  # whatever hangs


if __name__ == "__main__":
    sys.exit(main())
