"""Random programs in several processes: what is correct is quiet, and what is wrong is found."""

import multiprocessing
import random

import pytest
from random_programs import Migration

from pytest_fakehv import FakeCluster, HypervisorError, InstanceSpec, NodeSpec

NODES = ("node1", "node2", "node3")
PROGRAMS = 3
CLUSTERS = 10


def move_about(cluster, name, seed):
    """A correct program: it migrates its instance to and fro, and gives some up on the way."""
    chance = random.Random(seed)
    for _ in range(4):
        source = next(node.name for node in cluster if name in node.ListInstances())
        Migration(
            cluster,
            name,
            source,
            chance.choice([node for node in NODES if node != source]),
            live=chance.choice([True, False, 1, 0, "yes", "", None]),
            yes=chance.choice([True, 1, "yes", [0]]),
            no=chance.choice([False, 0, "", None, []]),
            source_first=chance.random() < 0.5,
            abort_at=chance.randrange(4),
            happen=lambda _step: 0,
        ).drive()


def start_anywhere(cluster, name, seed):
    """A wrong one: it starts its instance without looking where it runs."""
    move_about(cluster, name, seed)
    for node in NODES:
        try:
            cluster[node].StartInstance(cluster.instance(name), [], False)
        except HypervisorError:
            continue


@pytest.fixture
def clusters(request, tmp_path):
    """On files and in memory, with an instance for each program, of which one's migrations fail."""
    instances = [InstanceSpec(f"web{number}", node=NODES[number]) for number in range(PROGRAMS)]
    made = []
    for number in range(CLUSTERS):
        options = {"instances": instances}
        nodes = map(NodeSpec, NODES)
        cluster = (
            FakeCluster.in_memory(*nodes, **options)
            if number % 2
            else FakeCluster(tmp_path / str(number), *nodes, **options)
        )
        cluster.script_migration("web0", outcome="failed", polls=2)
        cluster.script_migration("web1", polls=3)
        made.append(cluster)
    return made


def run(method, program, clusters):
    work = [
        (cluster, f"web{number}", seed) for seed, cluster in enumerate(clusters) for number in range(PROGRAMS)
    ]
    with multiprocessing.get_context(method).Pool(PROGRAMS) as pool:
        pool.starmap(program, work, chunksize=1)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_correct_programs_are_quiet(method, clusters):
    run(method, move_about, clusters)
    for cluster in clusters:
        assert cluster.violations() == []
        assert sorted(cluster.placement()) == ["web0", "web1", "web2"]
        assert len(cluster.journal.calls("MigrateInstance")) == 4 * PROGRAMS


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_wrong_ones_are_found(method, clusters):
    run(method, start_anywhere, clusters)
    for cluster in clusters:
        found = [(each.invariant, each.instance) for each in cluster.violations()]
        assert found.count(("double-start", "web0")) == found.count(("double-start", "web2")) == 2
