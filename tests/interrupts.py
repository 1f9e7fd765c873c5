"""Interrupt calls by an exception from a signal handler, at random instants, and look at what each leaves.

    python tests/interrupts.py [--interrupts N] [--backend NAME] [--dir DIR] [--seed N]

`benchmarks/soak_interrupts.py` says what it shows.
"""

import argparse
import faulthandler
import gc
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
from typing import TYPE_CHECKING, Any, Final

from backends import BACKENDS, WELL_FORMED, Backend, is_of_others, place_of, place_of_thread
from deeds import ALL, DEEDS, LONGEST_HOLD, NODES, Scene, durations

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, Instance

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LIFE: Final = 10
"""Interrupts of one cluster: its journal gets longer, and with that everything slower."""

MOST_PLACES: Final = 10
"""How many places are shown of each kind of finding."""

MOST_KEPT_OPEN: Final = 16
"""Directories that the package keeps open for the next time, if need be of a cluster that is gone."""

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
