"""Kill a process at random instants while it works on a root directory, and look at what it leaves.

    python benchmarks/soak_kill.py [--dir DIR] [--kills N] [--seed N]

A child process calls the fake hypervisor without a pause. Until it kills the child, this process reads
the instance files with plain `open`, over and over, as any other program would: each must be absent or
complete. After the kill

- each file is absent or one that the child could have written, and this process's own fake hypervisor
  reports just these instances, with these figures;
- a new process can start, balloon and stop each instance at once; if it is blocked, it is ended after a
  while, and that counts.

All that is done twice, on a root directory each: with a child that starts, balloons and stops instances,
and with one that only balloons them, whose files must therefore never be absent. A killed process may
leave a temporary file; it has no instance's name, is reported nowhere, and is left there, so that later
rounds meet it. The exit status is 1 at the first violation, with what happened.
"""

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle, pairwise
from multiprocessing import get_context
from time import perf_counter
from typing import TYPE_CHECKING

from pytest_fakehv import FakeHypervisor, HypervisorError, Instance, NodeSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Event

NODE = NodeSpec("node1", memory=2**40)
NAMES = ("web1", "web2", "web3")
MEMORIES = (7, 1024, 2**34)
"""In MiB, and of different lengths when written, so that a file that is overwritten in place shows."""

CONTENTS = {
    b"0\n%d\n2\n%s" % (memory, paused): memory for memory in MEMORIES for paused in (b"", b"paused\n")
}
LONGEST_LIFE = 0.02
"""Seconds between the child's first call and its end, at most."""

LONGEST_CHECK = 30
"""Seconds after which a process counts as blocked."""

context = get_context("fork")  # quick, and safe, since this process has no threads


class Violation(Exception):  # noqa: N818  # no error of the program, but its finding
    """What must not happen did."""


def instances() -> list[Instance]:
    """Describe the instances, which start with the smallest memory."""
    beparams = {"minmem": MEMORIES[0], "maxmem": MEMORIES[0], "vcpus": 2}
    return [Instance(name, beparams=beparams) for name in NAMES]


def churn(root: str, seed: str, begun: "Event") -> None:
    """Start, balloon and stop instances, for ever."""
    hypervisor, generator = FakeHypervisor(root=root, spec=NODE), random.Random(seed)
    begun.set()
    while True:
        for instance in instances():
            hypervisor.StartInstance(instance, [], startup_paused=generator.random() < 0.5)
            for _ in range(generator.randrange(4)):
                hypervisor.BalloonInstanceMemory(instance, generator.choice(MEMORIES))
            hypervisor.StopInstance(instance)


def balloon(root: str, _seed: str, begun: "Event") -> None:
    """Balloon instances that run, for ever."""
    hypervisor = FakeHypervisor(root=root, spec=NODE)
    begun.set()
    for memory in cycle(MEMORIES):
        for instance in instances():
            hypervisor.BalloonInstanceMemory(instance, memory)


def use_each(root: str) -> None:
    """Do everything once with each instance."""
    hypervisor = FakeHypervisor(root=root, spec=NODE)
    for instance in instances():
        if hypervisor.GetInstanceInfo(instance.name) is not None:
            hypervisor.StopInstance(instance)
        hypervisor.StartInstance(instance, [], startup_paused=False)
        hypervisor.BalloonInstanceMemory(instance, MEMORIES[-1])
        hypervisor.StopInstance(instance)


@dataclass
class Soak:
    """Many kills of one kind of child, on one root directory."""

    root: str
    child: "Callable[[str, str, Event], None]"
    generator: random.Random
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.hypervisor = FakeHypervisor(root=self.root, spec=NODE)

    @property
    def is_always_running(self) -> bool:
        """Whether the instances run from before the child starts until after it is killed."""
        return self.child is balloon

    def kill_one(self) -> None:
        """Let a child work, kill it, and look at what it left."""
        if self.is_always_running:
            for instance in instances():
                self.hypervisor.StartInstance(instance, [], startup_paused=False)
        strays = self._strays()
        begun = context.Event()
        child = context.Process(target=self.child, args=(self.root, str(self.generator.random()), begun))
        child.start()
        try:
            if not begun.wait(LONGEST_CHECK):
                raise Violation(f"a child made no hypervisor in {LONGEST_CHECK} seconds")
            self._read_until(perf_counter() + self.generator.uniform(0, LONGEST_LIFE))
            if child.exitcode is not None:
                raise Violation(f"a child ended by itself, with exit status {child.exitcode}, see above")
        finally:
            child.kill()  # with SIGKILL
            child.join()
        self.counts["kills"] += 1
        self.counts["kills that left a stray temporary"] += len(self._strays() - strays) > 0
        self._check_reports()
        self._check_usable(context.Process(target=use_each, args=(self.root,)))

    def _read_until(self, end: float) -> None:
        """Read every file in turn, count what is seen, and how often it changed."""
        seen: dict[str, list[bytes | None]] = {name: [] for name in NAMES}
        while perf_counter() < end:
            for name in NAMES:
                seen[name].append(self._read(name))
        for contents in seen.values():
            self.counts["reads"] += len(contents)
            self.counts["reads that found it absent"] += contents.count(None)
            self.counts["reads that found it changed"] += sum(a != b for a, b in pairwise(contents))

    def _read(self, name: str) -> bytes | None:
        """Read a file as any program would; None if there is none."""
        try:
            with open(f"{self.root}/{name}", "rb") as file:
                content = file.read()
        except FileNotFoundError:
            if self.is_always_running:
                raise Violation(f"{name} is absent, though it was only ballooned") from None
            return None
        if content not in CONTENTS:
            raise Violation(f"{name} is torn: {content!r}")
        return content

    def _check_reports(self) -> None:
        """Compare what the fake hypervisor reports with the files."""
        contents = {name: self._read(name) for name in NAMES}
        memories = {name: CONTENTS[content] for name, content in contents.items() if content is not None}
        if sorted(names := self.hypervisor.ListInstances()) != sorted(memories):
            raise Violation(f"ListInstances says {names}, files are {contents}")
        infos = self.hypervisor.GetAllInstancesInfo()
        if {info.name: info.memory for info in infos} != memories:
            raise Violation(f"GetAllInstancesInfo says {infos}, files are {contents}")
        free = self.hypervisor.GetNodeInfo()["memory_free"]
        if free != NODE.memory - sum(memories.values()):
            raise Violation(f"GetNodeInfo says {free} MiB are free, files are {contents}")

    def _check_usable(self, user: "BaseProcess") -> None:
        """See a new process through."""
        user.start()
        user.join(LONGEST_CHECK)
        if user.exitcode is None:
            user.kill()
            raise Violation(f"after a kill, a new process was blocked for {LONGEST_CHECK} seconds")
        if user.exitcode != 0:
            raise Violation(f"after a kill, a new process failed: exit status {user.exitcode}, see above")

    def _strays(self) -> set[str]:
        """Return the temporary files; anything else that is no instance's is a violation."""
        others = set(os.listdir(self.root)) - set(NAMES)
        if wrong := {name for name in others if not name.startswith("\n")}:
            raise Violation(f"stray files that could be instances: {wrong}")
        return others

    def summary(self) -> str:
        """Return what was counted, in a few lines; there are no violations, or it wouldn't be reached."""
        lines = [f"  {what}: {self.counts[what]:,}" for what in sorted(self.counts)]
        return "\n".join([f"{self.child.__name__}:", *lines, "  torn: 0", "  blocked: 0"])


def main() -> int:
    """Kill the two kinds of children, and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dir", help="where to make temporary directories")
    parser.add_argument("--kills", type=int, default=200, help="of each kind of child (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    for child in (churn, balloon):
        with tempfile.TemporaryDirectory(prefix="soak_kill", dir=arguments.dir) as root:
            soak = Soak(root, child, random.Random(f"{arguments.seed} {child.__name__}"))
            try:
                for _ in range(arguments.kills):
                    soak.kill_one()
            except (Violation, HypervisorError) as violation:
                print(f"VIOLATION in {child.__name__}, after {soak.counts['kills']} kills: {violation}")
                return 1
            print(soak.summary(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
