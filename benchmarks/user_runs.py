"""What users wait for, as they meet it: what `bench_users.py` measures, in runs of pytest.

Each function measures one thing, its contenders side by side: in each round all of them run once, in random
order. It is made of its sizes, and returns figures by names such as ``migration on files, a test of 1000``.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random

from bench_cluster import TOPOLOGY
from figures import Measured, take_turns
from plugin_runs import BARE, WITH_OURS, Runs

HERE = Path(__file__).resolve().parent

IN_MEMORY = ("--fakehv-backend=memory",)
IN_PYFAKEFS = ("--fakehv-backend=pyfakefs",)
LENIENT = ("-o", "fakehv_strict=false")
REPORT = ("--fakehv-report=report.html",)
PARALLEL = ("-p", "xdist.plugin", "-n2")

START = "fakehv.StartInstance(fakehv.instance('web1'), [], False)"
WRITE = "(tmp_path / 'web1').write_text('0')"
MIGRATION = """\
node1, node2 = fakehv_cluster
    for name in ("web1", "web2"):
        node1.StartInstance(node1.instance(name), [], False)
    fakehv_cluster.migrate("web1", to="node2")"""

EMPTY = "empty"

SUITES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    EMPTY: ("", "pass", ()),
    "three fixtures that do nothing": ("innermost", "pass", ()),
    "`tmp_path`": ("tmp_path", "pass", ()),
    "`tmp_path`, used": ("tmp_path", WRITE, ()),
    "`fs`": ("fs", "pass", ()),
    "`fs`, used": ("fs", "fs.create_file('/web1', contents='0')", ()),
    "`fakehv` on files": ("fakehv", "pass", ()),
    "`fakehv` on files, used": ("fakehv", START, ()),
    "`fakehv` in memory": ("fakehv", "pass", IN_MEMORY),
    "`fakehv` in memory, used": ("fakehv", START, IN_MEMORY),
    "`fakehv` in pyfakefs, used": ("fakehv", START, IN_PYFAKEFS),
    "migration in memory": ("fakehv_cluster", MIGRATION, IN_MEMORY),
    "migration on files": ("fakehv_cluster", MIGRATION, ()),
    "migration in pyfakefs": ("fakehv_cluster", MIGRATION, IN_PYFAKEFS),
    "migration in memory, not strict": ("fakehv_cluster", MIGRATION, (*IN_MEMORY, *LENIENT)),
    "migration on files, not strict": ("fakehv_cluster", MIGRATION, LENIENT),
    "migration in memory, report": ("fakehv_cluster", MIGRATION, (*IN_MEMORY, *REPORT)),
    "`tmp_path`, xdist": ("tmp_path", "pass", PARALLEL),
    "migration in memory, xdist": ("fakehv_cluster", MIGRATION, (*IN_MEMORY, *PARALLEL)),
    "migration on files, xdist": ("fakehv_cluster", MIGRATION, PARALLEL),
}
"""What a suite's tests ask for, what they do, and the options of the run."""

WEIGHED = ("`tmp_path`", "migration in memory", "migration on files", "migration in memory, report")


def suites(directory: Path, *, sizes: tuple[int, int], rounds: int) -> Measured:
    """Measure a test of each suite, of both sizes, and the end of the run."""
    runs = Runs(directory)
    contenders: dict[str, Callable[[], Mapping[str, float]]] = {}

    def figures(module: str, tests: int, options: tuple[str, ...]) -> dict[str, float]:
        run = runs.run(module, *WITH_OURS, *options)
        return {
            f"a test of {tests}": run.a_test,
            f"all of {tests}, with the end": run.a_test * tests + run.spans["end"],
            f"the end of {tests}": run.spans["end"],
        }

    for number, (suite, (fixture, body, options)) in enumerate(SUITES.items()):
        for tests in sizes:
            module = f"test_{number}_{tests}.py"
            runs.write(module, tests=tests, fixture=fixture, body=body)
            contenders[f"{suite} {tests}"] = partial(figures, module, tests, options)
    measured = take_turns(contenders, rounds)
    shutil.rmtree(directory)
    return measured


def weights(directory: Path, *, tests: int) -> dict[str, tuple[float, float]]:
    """Count the bytes that a test leaves behind, of the first half of a run and of the second.

    They are those of Python's own objects, and the same each time.
    """
    runs = Runs(directory)
    found = {}
    for number, suite in enumerate((EMPTY, *WEIGHED)):
        fixture, body, options = SUITES[suite]
        module = f"test_{number}.py"
        runs.write(module, tests=tests, fixture=fixture, body=body)
        # The first hundred have what is made once.
        _, *sizes = runs.run(module, *WITH_OURS, *options, WEIGHED="yes").sizes
        half = (len(sizes) - 1) // 2
        began, middle, ended = sizes[0], sizes[half], sizes[2 * half]
        found[suite] = (middle - began) / (100 * half), (ended - middle) / (100 * half)
    shutil.rmtree(directory)
    return found


MOST_NODES = 1000

ENGINE = """
import pytest

from pytest_fakehv import FakeCluster, read_topology

@pytest.fixture
def read():
    return read_topology("{file}")

@pytest.fixture
def engine(fakehv_topology{tmp_path}):
    return {make}*fakehv_topology.nodes, instances=fakehv_topology.instances)
"""


def topologies(directory: Path, *, sizes: Sequence[int], backend: str, rounds: int) -> Measured:
    """Measure the instances of a topology file: read, added by the engine alone, and through the fixture.

    Each is what pytest takes to set it up: by turns, in one process for each size.
    """
    runs = Runs(directory)
    make, tmp_path = (
        ("FakeCluster(tmp_path, ", ", tmp_path") if backend == "tmp_path" else ("FakeCluster.in_memory(", "")
    )
    fixtures = {"read": "read", "the engine": "engine", "the fixture": "fakehv_cluster"}
    generator = Random(1)
    measured = Measured()
    for size in sizes:
        file = f"topology{size}.toml"
        nodes = max(2, min(MOST_NODES, size // 10))
        (directory / file).write_text(TOPOLOGY.format(nodes=nodes, instances=size))
        turns = [name for _ in range(rounds) for name in generator.sample([*fixtures], len(fixtures))]
        turns = [*fixtures, *turns]  # the first ones import
        tests = [f"def test_{number}({fixtures[name]}): pass" for number, name in enumerate(turns)]
        head = ENGINE.format(file=file, make=make, tmp_path=tmp_path)
        (directory / f"test_{size}.py").write_text("\n".join([head, *tests]))
        options = (f"--fakehv-topology={file}", f"--fakehv-backend={backend}")
        setups = runs.run(f"test_{size}.py", *WITH_OURS, *options).setups
        for name, seconds in [*zip(turns, setups, strict=True)][len(fixtures) :]:
            measured.add({f"{name} {size}": seconds, f"{name}, an instance of {size}": seconds / size})
    shutil.rmtree(directory)
    return measured


MACHINE = """
import sys
from time import perf_counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from hypothesis import strategies as st

sys.path.insert(0, "{here}")

import soak_driver

steps = 0

class Idle(RuleBasedStateMachine):
    @rule(instance=st.integers(0, 99), to=st.integers(0, 99))
    def do_nothing(self, instance, to):
        global steps
        steps += 1

class Machine(soak_driver.Machine):
    def check_invariants(self, *arguments, **keywords):  # once a step
        global steps
        steps += 1
        super().check_invariants(*arguments, **keywords)

def a_step(kind, examples):
    global steps
    steps = 0
    chosen = settings(
        max_examples=examples,
        stateful_step_count=50,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    began = perf_counter()
    run_state_machine_as_test(kind, settings=chosen)
    return (perf_counter() - began) / steps

def test_it(noted):
    a_step(Machine, 1)  # imports
    for examples in {sizes}:
        noted[f"a step of {{examples}} runs"] = [a_step(Machine, examples)]
        noted[f"idle, a step of {{examples}} runs"] = [a_step(Idle, examples)]
"""


def machines(directory: Path, *, sizes: tuple[int, int], rounds: int) -> Measured:
    """Measure a step of a state machine of ours, and of one that does nothing, in few runs and in many."""
    runs = Runs(directory)
    (directory / "test_it.py").write_text(MACHINE.format(here=HERE, sizes=sizes))
    measured = Measured()
    for _ in range(rounds):
        measured.add({what: figure for what, (figure,) in runs.run("test_it.py", *WITH_OURS).noted.items()})
    shutil.rmtree(directory)
    return measured


MARKED = """
@pytest.mark.{prefix}_node("node1", memory=4096)
@pytest.mark.{prefix}_instance("web1", memory=1024)
@pytest.mark.{prefix}_migration("web1", bandwidth=512)
def test_{number}(fakehv_cluster): pass
"""
TESTS_OF_A_MODULE = 100


def collections(directory: Path, *, sizes: tuple[int, int], rounds: int) -> Measured:
    """Measure the collection of a test with markers of ours, and with such as mean nothing."""
    runs = Runs(directory)
    contenders: dict[str, Callable[[], Mapping[str, float]]] = {}

    def collect(place: str, tests: int) -> dict[str, float]:
        run = runs.run(place, "--collect-only", "-qq", *WITH_OURS)
        return {f"collecting a test of {tests}": run.spans["collection"] / tests}

    for prefix, name in (("fakehv", "ours"), ("other", "others")):
        for tests in sizes:
            place = directory / f"{prefix}_{tests}"
            place.mkdir()
            for first in range(0, tests, TESTS_OF_A_MODULE):
                each = range(first, min(tests, first + TESTS_OF_A_MODULE))
                text = "".join(MARKED.format(prefix=prefix, number=number) for number in each)
                (place / f"test_{prefix}_{tests}_{first}.py").write_text(f"import pytest\n{text}")
            collect(place.name, tests)  # so that pytest has compiled them
            contenders[f"{name} {tests}"] = partial(collect, place.name, tests)
    measured = take_turns(contenders, rounds)
    shutil.rmtree(directory)
    return measured


def unused(directory: Path, *, sizes: tuple[int, int], rounds: int) -> Measured:
    """Measure the processor's time of a run of tests that do not use the plugin, with it and without."""
    runs = Runs(directory)
    contenders: dict[str, Callable[[], Mapping[str, float]]] = {}

    def figures(module: str, tests: int, options: tuple[str, ...]) -> dict[str, float]:
        run = runs.run(module, *options)
        return {f"all of {tests}": run.processor, f"a test of {tests}": run.a_test}

    for tests in sizes:
        runs.write(f"test_{tests}.py", tests=tests)
        for name, options in (("without", BARE), ("with", WITH_OURS)):
            contenders[f"{name} {tests}"] = partial(figures, f"test_{tests}.py", tests, options)
    measured = take_turns(contenders, rounds)
    shutil.rmtree(directory)
    return measured


def imported(directory: Path) -> list[str]:
    """Return the modules that loading the plugin imports, beyond pytest's own and pyfakefs's plugin's."""
    runs = Runs(directory)
    runs.write("test_it.py", tests=1)
    without, with_ours = (set(runs.run("test_it.py", *options).modules) for options in (BARE, WITH_OURS))
    shutil.rmtree(directory)
    return sorted(with_ours - without)


LIBVIRT = """
import sys

sys.path.insert(0, "{here}")

from bench_libvirt import Host, timed

def test_it(fakehv_libvirt, noted):
    for size in {sizes}:
        real = Host("{uri}", "test", "x86_64", size)
        ours = Host("qemu+ssh://node1/system", "kvm", "x86_64", size)
        for operation, found in timed({{"real": real, "ours": ours}}, {rounds}).items():
            pieces, name = (size, "list, a domain") if operation == "list" else (1, operation)
            for host, microseconds in found.items():
                noted[f"{{host}}, {{name}} of {{size}}"] = [each / pieces for each in microseconds]
        for each in (real, ours):
            each.clear()
"""


def libvirt(directory: Path, *, sizes: tuple[int, int], backend: str, rounds: int, libvirtd: str) -> Measured:
    """Measure libvirt's calls on the nodes of the fixture, beside those on a real libvirtd."""
    from bench_libvirt import real  # noqa: PLC0415  # which needs libvirt's Python binding

    runs = Runs(directory)
    with real(libvirtd) as uri:
        text = LIBVIRT.format(here=HERE, sizes=sizes, uri=uri, rounds=rounds)
        (directory / "test_it.py").write_text(text)
        options = (f"--fakehv-backend={backend}", "--fakehv-max-calls=1000000000")
        noted = runs.run("test_it.py", *WITH_OURS, *options).noted
    measured = Measured()
    for number in range(rounds):
        measured.add({what: figures[number] for what, figures in noted.items()})
    shutil.rmtree(directory)
    return measured
