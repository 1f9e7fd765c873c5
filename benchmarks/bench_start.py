"""Show that starting an instance costs the same whether 10 or 100,000 run.

    python benchmarks/bench_start.py [--dir DIR] [--rounds N] [--sizes N ...]

The yardstick is the least that any start must do: create a file that must not exist, write the same
bytes, close it. For each number of running instances there are two directories with that many files, one
the fake's root and one for the yardstick. Every round takes all of them, in random order, a start by the
fake and one by raw system calls side by side, so that whatever else the machine does meets all alike;
what was started is removed again outside of the timing. The first starts are not counted: on its very
first, the fake counts the memory of the instances that it finds.

The last line is the result: how much dearer, against the yardstick, a start is with most instances
running than with fewest. The exit status is 1 if that is more than the target.
"""

import argparse
import os
import random
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter_ns

from pytest_fakehv import FakeHypervisor, Instance, NodeSpec

TARGET = 1.3
WARM_UP_ROUNDS = 200
CONTENT = b"0\n1024\n2\n"


def raw_start(path: str) -> None:
    """Do the least that a start can do."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    os.write(descriptor, CONTENT)
    os.close(descriptor)


def filled(directory: Path, size: int) -> Path:
    """Make a directory with that many running instances in it."""
    directory.mkdir()
    for number in range(size):
        raw_start(f"{directory}/instance{number}")
    return directory


@dataclass
class Size:
    """What is measured with a given number of running instances; times in nanoseconds."""

    running: int
    hypervisor: FakeHypervisor
    raw_path: str
    raw_times: list[int] = field(default_factory=list)
    fake_times: list[int] = field(default_factory=list)

    @classmethod
    def prepared(cls, directory: Path, running: int) -> "Size":
        """Fill the two directories."""
        root, raw = (filled(directory / f"{kind}{running}", running) for kind in ("fake", "raw"))
        return cls(running, FakeHypervisor(root=root, spec=NodeSpec("node1")), f"{raw}/web1")

    def time_fake(self, instance: Instance) -> None:
        """Time one start by the fake."""
        start = self.hypervisor.StartInstance
        began = perf_counter_ns()
        start(instance, [], False)
        self.fake_times.append(perf_counter_ns() - began)
        self.hypervisor.StopInstance(instance)

    def time_raw(self) -> None:
        """Time one start by raw system calls."""
        began = perf_counter_ns()
        raw_start(self.raw_path)
        self.raw_times.append(perf_counter_ns() - began)
        os.unlink(self.raw_path)

    def check(self, instance: Instance) -> None:
        """Make sure that the fake does what is timed: write these bytes, for so many that run."""
        self.hypervisor.StartInstance(instance, [], False)
        content = Path(self.hypervisor.root, instance.name).read_bytes()
        assert content == CONTENT, content
        assert len(self.hypervisor.ListInstances()) == self.running + 1
        self.hypervisor.StopInstance(instance)

    @property
    def paired_ratios(self) -> list[float]:
        """How many times as long the fake took, round by round."""
        return [fake / raw for fake, raw in zip(self.fake_times, self.raw_times, strict=True)]

    @property
    def ratio(self) -> float:
        """How many times as long the fake takes, by the medians."""
        return median(self.fake_times) / median(self.raw_times)

    def row(self) -> str:
        """Return the table's line."""
        tenths = quantiles(self.paired_ratios, n=10)
        raw, fake = (median(times) / 1000 for times in (self.raw_times, self.fake_times))
        spread = f"{tenths[0]:.2f} - {tenths[-1]:.2f}"
        return f"{self.running:>9,}  {raw:>12.2f}  {fake:>13.2f}  {self.ratio:>6.2f}  {spread:>16}"


def measure(sizes: list[Size], rounds: int) -> None:
    """Time all sizes in every round; chance says in what order, and whether the fake goes first."""
    instance = Instance("web1", beparams={"minmem": 1024, "maxmem": 1024, "vcpus": 2})
    generator = random.Random(1)
    for size in sizes:
        size.check(instance)
    for number in range(-WARM_UP_ROUNDS, rounds):
        if number == 0:
            for size in sizes:
                size.fake_times.clear()
                size.raw_times.clear()
        for size in generator.sample(sizes, len(sizes)):
            if generator.random() < 0.5:
                size.time_raw()
                size.time_fake(instance)
            else:
                size.time_fake(instance)
                size.time_raw()


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    parser.add_argument(
        "--dir", default=shm, help="where to make a temporary directory (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1_000, 10_000, 100_000])
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="bench_start", dir=arguments.dir) as directory:
        print(f"{arguments.rounds} rounds in {directory}", flush=True)
        sizes = [Size.prepared(Path(directory), running) for running in sorted(arguments.sizes)]
        measure(sizes, arguments.rounds)

    print(f"{'running':>9}  {'raw start µs':>12}  {'fake start µs':>13}  {'ratio':>6}  {'10% - 90%':>16}")
    for size in sizes:
        print(size.row())
    growth = sizes[-1].ratio / sizes[0].ratio
    verdict = "met" if growth <= TARGET else "MISSED"
    print(
        f"\nratio at {sizes[-1].running:,} / ratio at {sizes[0].running:,}: {growth:.3f} "
        f"(target: at most {TARGET}: {verdict})"
    )
    return 0 if growth <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
