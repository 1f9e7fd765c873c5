"""Migrations that several threads drive at once."""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from migrating import NODES, begin, record

from pytest_fakehv import FakeCluster, InstanceSpec


def in_threads(function, times=4):
    """Run a function in several threads at once, and return what it raised in words."""
    together = threading.Barrier(times)

    def run():
        together.wait()
        function()

    with ThreadPoolExecutor(times) as pool:
        raised = [each.exception() for each in [pool.submit(run) for _ in range(times)]]
    return [f"{type(each).__name__}: {each}" for each in raised if each]


def taking(waiting, function):
    """Return a function that calls another with each thing that waits, until nothing does."""

    def take():
        with suppress(queue.Empty):
            while True:
                function(*waiting.get_nowait())

    return take


class TestThreads:
    SCRIPTS = (
        None,
        {"dirty_rate": 512},
        {"outcome": "failed", "at": 0.6},
        {"outcome": "cancelled", "polls": 3},
        {"dirty_rate": 5000, "postcopy": 1},
    )

    @pytest.mark.parametrize("live", [True, False])
    def test_four_drain_a_node_of_twenty_instances_at_once(self, root, live):
        names = [f"web{number}" for number in range(20)]
        scripts = self.SCRIPTS if live else self.SCRIPTS[:-1]
        outcomes, waiting, results = {}, queue.SimpleQueue(), []
        cluster = FakeCluster(root, *NODES)
        for number, name in enumerate(names):
            cluster.add_instance(name, memory=100 * (number + 1))
            script = scripts[number % len(scripts)]
            if script:
                cluster.script_migration(name, **script)
            outcomes[name] = (script or {}).get("outcome", "completed")
            waiting.put((name, ["node2", "node3"][number % 2]))

        def drain(name, target):
            results.append(cluster.migrate(name, to=target, live=live))

        assert in_threads(taking(waiting, drain)) == []
        found = {each.instance: each for each in results}
        assert {name: found[name].outcome for name in names} == outcomes
        assert cluster.placement() == {
            name: ["node2", "node3"][number % 2] if outcomes[name] == "completed" else "node1"
            for number, name in enumerate(names)
        }
        for number, name in enumerate(names):
            cluster.assert_running(name, memory=100 * (number + 1))
        records = cluster.migrations
        assert [each.number for each in records] == list(range(1, 21))
        assert {each.instance: each.outcome for each in records} == outcomes
        assert {each.instance: each.polls for each in records} == {name: found[name].polls for name in names}
        assert all(each.migrated == (each.outcome == "completed") for each in records)

    def test_of_many_that_begin_to_migrate_one_instance_one_wins(self, cluster, web1):
        assert (
            in_threads(lambda: begin(cluster, web1))
            == ["HypervisorError: Failed to migrate instance web1: already migrating to node2"] * 3
        )
        assert cluster.migrations == [record("active")]

    def test_of_many_that_end_one_migration_one_wins(self, cluster, web1):
        cluster.script_migration("web1")
        begin(cluster, web1)
        assert (
            in_threads(lambda: cluster.fail_migration("web1"))
            == ["DeclarationError: 'web1' is not migrating; nothing is"] * 3
        )

    def test_a_target_that_crashes_meanwhile_has_nothing_running(self, root):
        names = [f"web{number}" for number in range(20)]
        cluster = FakeCluster(root, *NODES, instances=[InstanceSpec(name) for name in names])
        waiting = queue.SimpleQueue()
        for name in names:
            waiting.put((lambda name=name: cluster.migrate(name, to="node2"),))
            if name == "web9":
                waiting.put((cluster["node2"].crash,))
        assert in_threads(taking(waiting, lambda work: work())) == []
        assert set(cluster.placement().values()) <= {"node1"}
        moved = {each.instance for each in cluster.migrations if each.finalized_on_source}
        assert set(cluster.placement()) == set(names) - moved
        assert all(each.outcome == "completed" for each in cluster.migrations if each.finalized_on_source)
