"""Show what users wait for, as they meet it: through pytest, the fixtures and libvirt's front.

    python benchmarks/bench_users.py [--quick] [--check] [--dir DIR] [--only PART ...] [--libvirtd PATH]

What is compared is measured side by side: in each round all of it has its turn, in random order, so that
whatever else the machine does meets all alike. A ratio is the median of the rounds'; beside it stand the 10 %
and the 90 % of them. What has a size is measured at 1/100 of it, too; what a piece costs must not grow.

A test takes what a processor works from its beginning to the next one's, pytest's own work included, on
average over the suite; the start of the run is left out. What several processes do, such as xdist's, is
timed by the clock on the wall. The real libvirtd is Debian's, on a socket of its own (see
``bench_libvirt.py``); where it or libvirt's Python binding is absent, that part says how to get it.

The output is Markdown. It ends with the targets, each met or MISSED. With --check, the exit status is 1
if one is missed.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from math import log
from pathlib import Path
from time import perf_counter

import user_runs
from bench_peers import COLUMNS, CYCLE, measure
from contenders import ON_FILES, SAFE
from figures import Measured, Ratio, Target, print_table, say, short
from user_runs import EMPTY, SUITES

TIMES = 100
"""How much smaller the smaller size is."""

GROWTH = 1.2

FULL = {
    "tests": 1000,
    "rounds": 5,
    "instances": 100_000,
    "runs": 200,
    "collected": 10_000,
    "domains": 1000,
    "loads": 20,
    "cycles": 400,
}
QUICK = {
    "tests": 200,
    "rounds": 1,
    "instances": 10_000,
    "runs": 20,
    "collected": 1000,
    "domains": 100,
    "loads": 3,
    "cycles": 50,
}


class Output:
    """What is printed of each part, and the targets, which come last."""

    def __init__(self) -> None:
        self.targets: list[Target] = []

    def growth(
        self,
        measured: Measured,
        pieces: dict[str, tuple[str, str]],
        unit: str = "ms",
        beside: Collection[str] = (),
    ) -> None:
        """Print what a piece costs at both sizes, and judge how that grows.

        Args:
            measured: what was measured.
            pieces: what to call each piece, and the names of its figures at the small size and at the full.
            unit: of what is printed: "ms", "us", or "" for what is in it already.
            beside: the pieces that are not ours, and stand there to be compared.
        """
        times = {"ms": 1e3, "us": 1e6, "": 1}[unit]
        rows = []
        for what, (few, many) in pieces.items():
            ratio = measured.ratio(many, few)
            rows.append(
                [
                    what,
                    *(short(times * measured.middle(each)) for each in (few, many)),
                    str(ratio),
                    f"{1 + log(ratio.middle) / log(TIMES):.2f}",
                ]
            )
            if what not in beside:
                self.targets.append(Target.of(f"{what}: full size, times 1/{TIMES} of it", ratio, GROWTH))
        head = ["a piece" + (f", {unit}" if unit else ""), f"at 1/{TIMES} of the size", "at the full size"]
        print_table([*head, "times", "exponent of growth of all"], rows)


def suites(output: Output, given: argparse.Namespace, directory: Path) -> None:
    """A test's cost in a suite, with all that pytest does for it; a report; several workers."""
    few, many = given.tests // TIMES, given.tests
    few = max(few, 10)
    measured = user_runs.suites(directory, sizes=(few, many), rounds=given.rounds)

    def a_test(suite: str, tests: int = many) -> str:
        return f"{suite} {tests}, a test of {tests}"

    def above(one: str, other: str) -> Ratio:
        return measured.ratio(a_test(one), a_test(other), above=a_test(EMPTY))

    rows = []
    for suite in SUITES:
        other = "`tmp_path`, xdist" if "xdist" in suite else "`tmp_path`"
        rows.append(
            [
                suite,
                short(1e6 * measured.middle(a_test(suite))),
                str(measured.ratio(a_test(suite), a_test(EMPTY))),
                str(measured.ratio(a_test(suite), a_test(other))),
                str(above(suite, other)) if suite not in {EMPTY, other} and "xdist" not in suite else "",
                short(1e3 * measured.middle(f"{suite} {many}, the end of {many}")),
            ]
        )
    head = ["", "microseconds a test", "times an empty one", "times one with `tmp_path`"]
    print_table([*head, "what is above an empty one, times `tmp_path`'s", "end of the run, ms"], rows)
    without = measured.ratio(a_test("migration in memory"), a_test("migration in memory, not strict"))
    on_files = measured.ratio(a_test("migration on files"), a_test("migration on files, not strict"))
    print(f"Times as long with strict on as off: {without} in memory, {on_files} on files.\n")
    for where in ("on files", "in memory"):
        for use, most in (("", 1.0), (", used", 1.5)):
            what = f"`fakehv` {where}{use}, above an empty test, times `tmp_path`{use}"
            output.targets.append(Target.of(what, above(f"`fakehv` {where}{use}", f"`tmp_path`{use}"), most))
    for where, most in (("in memory", 1.5), ("on files", 2.0)):
        ratio = measured.ratio(a_test(f"migration {where}"), a_test("`tmp_path`"))
        what = f"two instances and a migration {where}, all of it, times an empty test with `tmp_path`"
        output.targets.append(Target.of(what, ratio, most))
    with_report, without_one = (
        f"{suite} {many}, all of {many}, with the end"
        for suite in ("migration in memory, report", "migration in memory")
    )
    what = f"`--fakehv-report` on {many:,} tests, with the end of the run, times without"
    output.targets.append(Target.of(what, measured.ratio(with_report, without_one), 1.3))
    grown = [suite for suite in SUITES if suite == EMPTY or "migration" in suite or suite == "`tmp_path`"]
    pieces = {f"a test, {each}": (a_test(each, few), a_test(each)) for each in grown}
    output.growth(measured, pieces, beside=[*pieces][:2])


def weights(output: Output, given: argparse.Namespace, directory: Path) -> None:
    """What a test leaves behind in memory, and whether that grows."""
    rows = []
    found = user_runs.weights(directory, tests=max(500, given.tests))
    for suite, (first, second) in found.items():
        rows.append([suite, short(first), short(second), f"{second / first:.2f}"])
        if suite.startswith("migration"):
            what = f"bytes left behind by a test, {suite}: second half of the run, times the first"
            output.targets.append(Target(what, f"{second / first:.2f}", second / first, GROWTH))
    print_table(["bytes left behind by a test", "first half of the run", "second half", "times"], rows)


def topologies(output: Output, given: argparse.Namespace, directory: Path) -> None:
    """The instances of a topology file, ready to use."""
    for backend, largest in (("memory", given.instances), ("tmp_path", given.instances // 10)):
        sizes = [10]
        while sizes[-1] < largest:
            sizes.append(sizes[-1] * 10)
        measured = user_runs.topologies(
            directory, sizes=sizes, backend=backend, rounds=max(1, given.rounds // 2 + 1)
        )
        where = "memory" if backend == "memory" else "files"
        names = ("read", "the engine", "the fixture")
        rows = [
            [
                f"{size:,}, {where}",
                *(short(1e6 * measured.middle(f"{name}, an instance of {size}")) for name in names),
                str(measured.ratio(f"the fixture {size}", f"the engine {size}")),
            ]
            for size in sizes
        ]
        head = ["instances", "read from the file, us each", "added by the engine", "through the fixture"]
        print_table([*head, "the fixture, times the engine"], rows)
        ratio = measured.ratio(f"the fixture {largest}", f"the engine {largest}")
        what = f"{largest:,} instances of a topology file, {where}: through the fixture, times the engine"
        output.targets.append(Target.of(what, ratio, 1.3))
        pieces = {
            f"an instance, {name}, {where}": (
                f"{name}, an instance of {sizes[-3]}",
                f"{name}, an instance of {largest}",
            )
            for name in names
        }
        output.growth(measured, pieces, "us")


def machines(output: Output, given: argparse.Namespace, directory: Path) -> None:
    """The steps of a state machine, beside one of Hypothesis's own that does nothing."""
    if find_spec("hypothesis") is None:
        print("Not here: Hypothesis. This gets it: `pip install -e '.[hypothesis]'`.\n")
        return
    few, many = max(2, given.runs // TIMES), given.runs
    measured = user_runs.machines(directory, sizes=(few, many), rounds=max(1, given.rounds // 2))
    ours, idle = (f"a step of {many} runs", f"idle, a step of {many} runs")
    print(f"A state machine takes {1 / measured.middle(ours):,.0f} steps a second; one that does nothing")
    print(f"{1 / measured.middle(idle):,.0f}: {measured.ratio(ours, idle)} times as long a step.\n")
    output.growth(measured, {"a step": (f"a step of {few} runs", ours)})


def collections(output: Output, given: argparse.Namespace, directory: Path) -> None:
    """The collection of tests with markers."""
    few, many = given.collected // TIMES, given.collected
    measured = user_runs.collections(directory, sizes=(few, many), rounds=given.rounds)

    def name(whose: str, tests: int) -> str:
        return f"{whose} {tests}, collecting a test of {tests}"

    ratio = measured.ratio(name("ours", many), name("others", many))
    print(
        f"Collecting {many:,} tests with three markers each takes {ratio} times as long if they are ours.\n"
    )
    output.targets.append(Target.of(f"collecting {many:,} tests, times with others' markers", ratio, 1.05))
    pieces = {
        f"collecting a test with markers of {each}": (name(each, few), name(each, many))
        for each in ("ours", "others")
    }
    output.growth(measured, pieces, beside=[*pieces][1:])


def unused(output: Output, given: argparse.Namespace, directory: Path) -> None:
    """A run that does not use it."""
    modules = user_runs.imported(directory)
    print("Loading the plugin imports, beside what pytest and pyfakefs's plugin import anyway:")
    print(f"{', '.join(f'`{each}`' for each in modules)}.\n")
    few, many = 1, given.tests
    measured = user_runs.unused(directory, sizes=(few, many), rounds=given.loads)
    rows = []
    for tests in (few, many):
        ratio = measured.ratio(f"with {tests}, all of {tests}", f"without {tests}, all of {tests}")
        seconds = [measured.middle(f"{each} {tests}, all of {tests}") for each in ("without", "with")]
        rows.append([f"{tests:,}", *(short(1e3 * each) for each in seconds), str(ratio)])
        what = f"a run of {tests:,} empty tests, processor time, times without the plugin"
        output.targets.append(Target.of(what, ratio, 1.05))
    print_table(["empty tests in the run", "ms of a processor without", "with the plugin", "times"], rows)


def files(output: Output, given: argparse.Namespace, directory: Path) -> None:
    """The calls on files, beside raw system calls that give the same guarantees."""
    directory.mkdir()
    sizes = [given.tests // TIMES * 10, given.tests * 10]
    figures = measure(directory, [SAFE, ON_FILES], sizes, given.cycles, 10.0)
    rows = []
    for operation, most in zip(CYCLE, (1.5, 2.0, 1.5, 2.0), strict=True):
        ratio = figures.ratio(ON_FILES, SAFE, sizes[-1], operation)
        times = [short(figures.microseconds(each, sizes[-1], operation)) for each in (SAFE, ON_FILES)]
        grown = figures.growth(ON_FILES, (sizes[0], sizes[-1]), operation)
        rows.append([COLUMNS[operation], *times, str(ratio), str(grown)])
        what = f"files: {operation}, times raw system calls that are as safe"
        output.targets += [
            Target.of(what, ratio, most),
            Target.of(f"files: {operation}, {sizes[-1]:,} running, times {sizes[0]:,}", grown, GROWTH),
        ]
    head = [
        "microseconds",
        SAFE.name,
        ON_FILES.name,
        "times",
        f"at {sizes[-1]:,} running, times {sizes[0]:,}",
    ]
    print_table(head, rows)
    shutil.rmtree(directory)


def libvirt(output: Output, given: argparse.Namespace, directory: Path) -> None:
    """Libvirt's calls through the fixture, beside those on a real libvirtd."""
    if find_spec("libvirt") is None or not os.access(given.libvirtd, os.X_OK):
        print("Not here: libvirt's Python binding, or a real libvirtd. This gets them, on Debian:\n")
        print("```sh\napt-get install libvirt-daemon libvirt-dev pkg-config gcc python3-dev")
        print("pip install libvirt-python\n```\n")
        return
    few, many = max(1, given.domains // TIMES), given.domains
    rounds = 6 * given.rounds
    for backend, where in (("memory", "memory"), ("tmp_path", "files")):
        measured = user_runs.libvirt(
            directory, sizes=(few, many), backend=backend, rounds=rounds, libvirtd=given.libvirtd
        )
        rows = []
        names = [
            each.removeprefix("ours, ").removesuffix(f" of {few}")
            for each in measured
            if each.startswith("ours, ") and each.endswith(f" of {few}")
        ]
        for name in names:
            ours, real = (f"{whose}, {name} of {many}" for whose in ("ours", "real"))
            ratio = measured.ratio(ours, real)
            rows.append([name, short(measured.middle(ours)), short(measured.middle(real)), str(ratio)])
            output.targets.append(Target.of(f"libvirt, {where}: {name}, times a real libvirtd's", ratio, 1.0))
        print_table([f"microseconds, {many:,} domains, {where}", "ours", "a real libvirtd", "times"], rows)
        output.growth(
            measured,
            {
                f"libvirt, {where}: {name}": (f"ours, {name} of {few}", f"ours, {name} of {many}")
                for name in names
            },
            "",
        )


PARTS: dict[str, Callable[[Output, argparse.Namespace, Path], None]] = {
    "suites": suites,
    "memory": weights,
    "topologies": topologies,
    "machines": machines,
    "collections": collections,
    "unused": unused,
    "files": files,
    "libvirt": libvirt,
}


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    parser.add_argument("--quick", action="store_true", help="a rough picture in little more than a minute")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument(
        "--dir", default=shm, help="where to make a temporary directory (default: %(default)s)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=[*PARTS], help="measure these parts alone"
    )
    parser.add_argument("--libvirtd", default=shutil.which("libvirtd") or "/usr/sbin/libvirtd")
    given = parser.parse_args()
    return argparse.Namespace(**vars(given), **(QUICK if given.quick else FULL))


def main() -> int:
    """Measure, and print the tables."""
    given = read_options()
    output = Output()
    began = perf_counter()
    command = " ".join([os.path.relpath(sys.argv[0]), *sys.argv[1:]])
    print(f"`python {command}`, {datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} CPUs,")
    print(f"load average {os.getloadavg()[1]:.1f} before it began, Python {platform.python_version()},")
    print(f"pytest {version('pytest')}, in {given.dir or tempfile.gettempdir()}.\n")
    with tempfile.TemporaryDirectory(prefix="bench_users", dir=given.dir) as name:
        for part in given.only:
            say(part)
            print(f"### {(PARTS[part].__doc__ or '').removesuffix('.')}\n")
            PARTS[part](output, given, Path(name, part))
    print("### Targets\n")
    print_table(["target", "is", "at most", ""], (target.row() for target in output.targets))
    missed = sum(not target.is_met for target in output.targets)
    print(f"{len(output.targets) - missed} of {len(output.targets)} targets are met; it took")
    print(f"{(perf_counter() - began) / 60:.1f} minutes.")
    return 1 if missed and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
