"""Show what a large cluster costs: per instance and per migration, and how that grows with its size.

    python benchmarks/bench_cluster.py [--dir DIR] [--nodes N] [--instances N] [--migrations N] [--rounds N]

For the full size (1,000 nodes of 100 instances each, and 10,000 migrations) and for 1/100 of it, each in a
process of its own, it writes a topology file, reads it, builds the cluster, asks for the placement, and lets
the reference driver migrate instances, every other one by a script. What is printed of each is the time per
instance or migration, and the process's peak of memory per instance; the last lines are the result: how
much dearer a piece is at the full size. Both sizes are measured several times in turn, and the least of
each counts, so that whatever else the machine does meets both alike.

A second table has the cost of the journal: a call with it, per entry, as a share of the same call's time,
and the memory of an entry.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from time import perf_counter

SMALLER = 100

TOPOLOGY = """
[[node]]
name = "node{{n}}"
count = {nodes}
memory = 1048576

[[instance]]
name = "vm{{n}}"
count = {instances}
node = "node*"
memory = 1024
"""


def measure(directory: Path, nodes: int, instances: int, migrations: int) -> dict[str, float]:
    """Build a cluster and use it; return seconds, and the peak of memory in KiB."""
    from pytest_fakehv import FakeCluster, read_topology  # noqa: PLC0415  # its memory counts too

    figures: dict[str, float] = {"idle": _peak()}
    file = directory / "topology.toml"
    file.write_text(TOPOLOGY.format(nodes=nodes, instances=instances))

    began = perf_counter()
    topology = read_topology(file)
    figures["read"] = perf_counter() - began

    began = perf_counter()
    cluster = FakeCluster(
        directory / "cluster", *topology.nodes, instances=topology.instances, max_calls=10**9
    )
    figures["build"] = perf_counter() - began
    figures["built"] = _peak()

    began = perf_counter()
    placement = cluster.placement()
    figures["placement"] = perf_counter() - began
    assert len(placement) == instances

    generator = random.Random(1)
    moves = [
        (name, generator.choice([each for each in (f"node{n}" for n in range(1, nodes + 1)) if each != home]))
        for name, home in generator.sample(sorted(placement.items()), migrations)
    ]
    began = perf_counter()
    for number, (name, target) in enumerate(moves):
        if number % 2:
            cluster.script_migration(name, bandwidth=512, dirty_rate=100)
        result = cluster.migrate(name, to=target)
        assert result.outcome == "completed", result
    figures["migrations"] = perf_counter() - began
    figures["migrated"] = _peak()
    after = cluster.placement()
    assert all(after[name] == target for name, target in moves)
    return figures


def _peak() -> float:
    """Return the most memory that the process has had so far, in KiB."""
    status = Path("/proc/self/status").read_text()
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))


def measure_apart(parent: Path, *sizes: int) -> dict[str, float]:
    """The same in a process of its own."""
    with tempfile.TemporaryDirectory(dir=parent) as directory:
        command = [sys.executable, __file__, "--one", directory, *map(str, sizes)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    figures: dict[str, float] = json.loads(output)
    return figures


def journal_cost(calls: int = 20_000) -> tuple[float, float, float]:
    """Return the microseconds of a call, those of its entry in the journal, and the entry's bytes."""
    from pytest_fakehv import FakeCluster, Journal  # noqa: PLC0415

    with FakeCluster.temporary(max_calls=10**9) as cluster:
        node = cluster["node1"]
        web1 = node.instance("web1")
        node.StartInstance(web1, [], False)
        times, entries = [], []
        for _ in range(5):
            began = perf_counter()
            for _ in range(calls):
                node.GetInstanceInfo("web1")
            times.append(perf_counter() - began)
            journal = Journal()
            began = perf_counter()
            for _ in range(calls):
                journal._begin(
                    time=0.0,
                    node="node1",
                    method="GetInstanceInfo",
                    instance="web1",
                    arguments=("web1",),
                    keywords={},
                    caller=("test.py", 1),
                ).ended = True
            entries.append(perf_counter() - began)
        cluster.journal.clear()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(calls):
            node.GetMigrationStatus(web1)
        size = (tracemalloc.get_traced_memory()[0] - before) / calls
        tracemalloc.stop()
    return min(times) / calls * 1e6, min(entries) / calls * 1e6, size


def main() -> None:
    """Measure both sizes in turn, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--dir", type=Path, help="where the roots lie; a temporary directory unless given")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--instances", type=int, default=100_000, help="of all nodes together")
    parser.add_argument("--migrations", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2, help="how often each size is measured")
    parser.add_argument("--one", nargs=4, metavar=("DIR", "NODES", "INSTANCES", "MIGRATIONS"))
    options = parser.parse_args()
    if options.one:
        directory, *sizes = options.one
        print(json.dumps(measure(Path(directory), *map(int, sizes))))
        return
    full = options.nodes, options.instances, options.migrations
    few = tuple(max(2, size // SMALLER) for size in full)
    measured: dict[tuple[int, ...], list[dict[str, float]]] = {few: [], full: []}
    for _ in range(options.rounds):
        for sizes, results in measured.items():
            results.append(measure_apart(options.dir, *sizes))
    pieces = []
    for sizes, results in measured.items():
        nodes, instances, migrations = sizes
        best = {key: min(result[key] for result in results) for key in results[0]}
        piece = {
            "read, us an instance": best["read"] / instances * 1e6,
            "build, us an instance": best["build"] / instances * 1e6,
            "placement, us an instance": best["placement"] / instances * 1e6,
            "migration, us each": best["migrations"] / migrations * 1e6,
            "peak memory, KiB an instance": (best["built"] - best["idle"]) / instances,
            "peak memory, KiB a migration": (best["migrated"] - best["built"]) / migrations,
        }
        total = sum(best[key] for key in ("read", "build", "placement", "migrations"))
        print(f"{nodes} nodes, {instances} instances, {migrations} migrations: {total:.1f} s in all, ")
        print(f"  peak {best['migrated'] / 1024:.0f} MiB, of which {best['idle'] / 1024:.0f} before it began")
        for name, figure in piece.items():
            print(f"  {name:<30} {figure:9.2f}")
        pieces.append(piece)
    small, large = pieces
    print("full size against 1/100 of it:")
    for name in small:
        if not name.startswith("peak"):
            print(f"  {name.partition(',')[0]:<30} {large[name] / small[name]:9.2f} times")
    call, entry, size = journal_cost()
    print(f"journal: {entry:.1f} us an entry, {entry / call:.0%} of a GetInstanceInfo's {call:.1f} us;")
    print(f"  {size:.0f} bytes an entry of GetMigrationStatus")


if __name__ == "__main__":
    main()
