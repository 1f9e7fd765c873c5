"""How many migrations a node has at once: one that takes no more refuses; what a test wants is watched."""

import random
import threading
from multiprocessing import get_context

import pytest
from advice import ADVICE

from pytest_fakehv import DeclarationError, FakeCluster, FakeHypervisor, HypervisorError, NodeSpec

NODES = ("node1", "node2", "node3")
NAMES = ("web1", "web2", "web3", "web4")


def make(root, **options):
    """Return three nodes, and four instances on the first, whose migrations take a while."""
    cluster = FakeCluster(root, *(NodeSpec(name, **options) for name in NODES))
    for name in NAMES:
        cluster.add_instance(name, node="node1")
        cluster.script_migration(name, bandwidth=100)
    return cluster


@pytest.fixture
def cluster(root):
    return make(root)


@pytest.fixture
def strict(root):
    """The same, and each node takes two migrations."""
    return make(root, max_migrations=2)


def accept(cluster, name, target="node2"):
    cluster[target].AcceptInstance(cluster.instance(name), "", target)


def migrate(cluster, name, source="node1", target="node2"):
    cluster[source].MigrateInstance("c", cluster.instance(name), target, True)


def begin(cluster, name, source="node1", target="node2"):
    accept(cluster, name, target)
    migrate(cluster, name, source, target)


def end_source(cluster, name, source="node1", *, success=False):
    cluster[source].FinalizeMigrationSource(cluster.instance(name), success, True)


def end_target(cluster, name, target="node2", *, success=False):
    cluster[target].FinalizeMigrationDst(cluster.instance(name), "", success)


def crowded(cluster):
    return [(each.what, each.call.number) for each in cluster.violations() if each.invariant == "crowded"]


class TestANodeThatTakesNoMore:
    def refused(self, function, *arguments):
        with pytest.raises(HypervisorError) as caught:
            function(*arguments)
        return str(caught.value)

    def test_the_target_accepts_no_more(self, strict):
        begin(strict, "web1")
        begin(strict, "web2", target="node3")
        accept(strict, "db1")
        assert self.refused(accept, strict, "web3") == (
            "Failed to accept instance web3: node2 takes 2 migrations at once and has db1 accepted, "
            "web1 from node1"
        )
        end_target(strict, "db1")
        accept(strict, "web3")

    def test_the_source_begins_no_more_and_nothing_is_half_done(self, strict):
        begin(strict, "web1")
        begin(strict, "web2", target="node3")
        accept(strict, "web3", "node3")
        strict.script_migration("web3", times=1, polls=1)
        assert self.refused(migrate, strict, "web3", "node1", "node3") == (
            "Failed to migrate instance web3: node1 takes 2 migrations at once and has web1 to node2, "
            "web2 to node3"
        )
        assert [each.instance for each in strict.migrations] == ["web1", "web2"]
        strict.assert_running("web3", on="node1")
        end_source(strict, "web1")
        migrate(strict, "web3", "node1", "node3")

    def test_the_target_of_one_that_it_has_not_accepted(self, strict):
        for name in ("db1", "db2"):
            accept(strict, name)
        assert self.refused(migrate, strict, "web1") == (
            "Failed to migrate instance web1: node2 takes 2 migrations at once and has db1 accepted, "
            "db2 accepted"
        )
        assert strict.migrations == []

    def test_the_target_alone_has_a_limit(self, root):
        cluster = make(root)
        cluster.add_node("node4", max_migrations=1)
        accept(cluster, "db1", "node4")
        assert self.refused(migrate, cluster, "web1", "node1", "node4") == (
            "Failed to migrate instance web1: node4 takes 1 migration at once and has db1 accepted"
        )

    def test_what_the_source_has_begun_may_be_too_much_for_another_target(self, strict):
        begin(strict, "web1")
        strict.fail_migration("web1")
        for name in ("db1", "db2"):
            accept(strict, name, "node3")
        assert self.refused(migrate, strict, "web1", "node1", "node3") == (
            "Failed to migrate instance web1: node3 takes 2 migrations at once and has db1 accepted, "
            "db2 accepted"
        )

    def test_it_is_no_violation_of_its_own(self, strict):
        for name in ("web1", "web2"):
            begin(strict, name)
        self.refused(accept, strict, "web3")
        for name in ("web1", "web2"):
            end_source(strict, name)
            end_target(strict, name)
        strict.assert_consistent()

    def test_what_it_has_begun_it_may_accept_and_begin_again(self, strict):
        for name in ("web1", "web2"):
            begin(strict, name)
            accept(strict, name)
        strict.fail_migration("web1")
        begin(strict, "web1")
        assert len(strict.migrations) == 3

    def test_none_at_all(self, root):
        cluster = make(root, max_migrations=0)
        assert self.refused(accept, cluster, "web1") == (
            "Failed to accept instance web1: node2 takes 0 migrations at once"
        )
        assert self.refused(migrate, cluster, "web1") == (
            "Failed to migrate instance web1: node1 takes 0 migrations at once"
        )

    def test_one(self, root):
        cluster = make(root, max_migrations=1)
        begin(cluster, "web1")
        assert self.refused(accept, cluster, "web2") == (
            "Failed to accept instance web2: node2 takes 1 migration at once and has web1 from node1"
        )

    def test_the_reference_driver_says_so(self, strict):
        for name in ("db1", "db2"):
            accept(strict, name)
        result = strict.migrate("web1", to="node2")
        refusal = "node2 takes 2 migrations at once and has db1 accepted, db2 accepted"
        assert result.outcome == "failed"
        assert result.error == (
            f"AcceptInstance on node2 raised HypervisorError: Failed to accept instance web1: {refusal}"
        )

    def test_a_node_that_is_added(self, cluster):
        cluster.add_node("node4", max_migrations=1)
        accept(cluster, "web1", "node4")
        self.refused(accept, cluster, "web2", "node4")
        accept(cluster, "web2", "node3")

    def test_a_node_on_its_own(self, root):
        hv = FakeHypervisor(root, spec=NodeSpec("node1", max_migrations=1))
        web1, web2 = (hv.add_instance(name) for name in ("web1", "web2"))
        hv.MigrateInstance("c", web1, "far away", True)
        assert self.refused(hv.MigrateInstance, "c", web2, "far away", True) == (
            "Failed to migrate instance web2: node1 takes 1 migration at once and has web1 to far away"
        )
        hv.FinalizeMigrationSource(web1, True, True)
        hv.MigrateInstance("c", web2, "far away", True)

    def test_of_many_threads_as_many_as_it_takes_get_through(self, strict):
        names = [f"db{number}" for number in range(8)]
        refusals, gate = [], threading.Barrier(len(names))

        def work(name):
            gate.wait(60)
            try:
                accept(strict, name)
            except HypervisorError as error:
                refusals.append(error)

        threads = [threading.Thread(target=work, args=[name]) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(refusals) == 6

    @pytest.mark.parametrize("value", [-1, 1.5, "2", True])
    def test_no_such_count(self, value):
        with pytest.raises(DeclarationError) as caught:
            NodeSpec("node1", max_migrations=value)
        assert str(caught.value) == (f"max_migrations must be an integer that is not negative, not {value!r}")


class TestWhatATestWants:
    def test_the_call_that_begins_one_more_is_named_with_what_is_under_way(self, cluster):
        cluster.keep_at_most(migrations=2)
        begin(cluster, "web1")
        begin(cluster, "web2", target="node3")
        assert crowded(cluster) == []
        accept(cluster, "web3", "node3")
        migrate(cluster, "web3", "node1", "node3")
        for name, target in (("web1", "node2"), ("web2", "node3"), ("web3", "node3")):
            end_source(cluster, name)
            end_target(cluster, name, target)
        with pytest.raises(AssertionError) as caught:
            cluster.assert_consistent()
        call = cluster.journal.calls("MigrateInstance")[-1]
        three = "web1 to node2", "web2 to node3", "web3 to node3"
        assert str(caught.value).splitlines() == [
            f"crowded: node1 had 3 migrations at once, of at most 2: {', '.join(three)}",
            f"  since call 6, {call} on node1 at {call.place}",
            f"  {ADVICE['crowded']}",
        ]
        (violation,) = cluster.violations()
        assert (violation.instance, violation.others) == ("web3", ("web1", "web2"))
        assert violation.nodes == ("node1",)

    def test_a_target_has_what_it_has_accepted(self, cluster):
        cluster.keep_at_most(migrations=1)
        begin(cluster, "web1")
        accept(cluster, "db1")
        migrate(cluster, "web2")
        three = "db1 accepted", "web1 from node1", "web2 from node1"
        assert crowded(cluster) == [
            ("node2 had 2 migrations at once, of at most 1: db1 accepted, web1 from node1", 3),
            ("node1 had 2 migrations at once, of at most 1: web1 to node2, web2 to node2", 4),
            (f"node2 had 3 migrations at once, of at most 1: {', '.join(three)}", 4),
        ]

    def test_in_and_out_together(self, cluster):
        cluster.keep_at_most(migrations=1)
        cluster.add_instance("db1", node="node2")
        begin(cluster, "web1")
        migrate(cluster, "db1", "node2", "node3")
        assert crowded(cluster) == [
            ("node2 had 2 migrations at once, of at most 1: db1 to node3, web1 from node1", 3)
        ]

    def test_each_one_more_is_told(self, cluster):
        cluster.keep_at_most(migrations=0, node="node2")
        begin(cluster, "web1")
        begin(cluster, "web2")
        assert crowded(cluster) == [
            ("node2 had 1 migration at once, of at most 0: web1 accepted", 1),
            ("node2 had 2 migrations at once, of at most 0: web1 from node1, web2 accepted", 3),
        ]

    def test_what_is_under_way_already_may_be(self, cluster):
        for name in ("web1", "web2", "web3"):
            begin(cluster, name)
        cluster.keep_at_most(migrations=1)
        accept(cluster, "web3")
        assert crowded(cluster) == []

    def test_it_was_too_many_after_it_has_ended(self, cluster):
        cluster.keep_at_most(migrations=1, node="node2")
        for name in ("web1", "web2"):
            accept(cluster, name)
        for name in ("web1", "web2"):
            end_target(cluster, name)
        assert [what for what, _ in crowded(cluster)] == [
            "node2 had 2 migrations at once, of at most 1: web1 accepted, web2 accepted"
        ]

    def test_what_is_refused_is_not_under_way(self, cluster):
        cluster.keep_at_most(migrations=1)
        begin(cluster, "web1")
        with pytest.raises(HypervisorError):
            migrate(cluster, "web1")
        with pytest.raises(HypervisorError):
            migrate(cluster, "db1")
        with pytest.raises(HypervisorError):
            migrate(cluster, "web2", target="node9")
        with cluster.fault("MigrateInstance"), pytest.raises(HypervisorError):
            migrate(cluster, "web2")
        assert crowded(cluster) == []

    def test_what_a_node_refuses_the_other_has_not(self, root):
        cluster = make(root)
        cluster.add_node("node4", max_migrations=0)
        cluster.keep_at_most(migrations=0, node="node1")
        with pytest.raises(HypervisorError):
            migrate(cluster, "web1", target="node4")
        assert crowded(cluster) == []

    def test_beside_what_a_node_takes(self, strict):
        strict.keep_at_most(migrations=1, node="node2")
        begin(strict, "web1")
        begin(strict, "web2")
        with pytest.raises(HypervisorError):
            accept(strict, "web3")
        assert [what for what, _ in crowded(strict)] == [
            "node2 had 2 migrations at once, of at most 1: web1 from node1, web2 accepted"
        ]


class TestWhoseLimitItIs:
    def counts(self, cluster):
        """Return how many are accepted on each node before it is too many."""
        found = {}
        for node in NODES:
            before = len(crowded(cluster))
            for count in range(5):
                accept(cluster, f"{node}db{count}", node)
                if len(crowded(cluster)) > before:
                    found[node] = count
                    break
        return found

    def test_each_node(self, cluster):
        cluster.keep_at_most(migrations=2)
        assert self.counts(cluster) == {"node1": 2, "node2": 2, "node3": 2}

    def test_one_node(self, cluster):
        cluster["node2"].keep_at_most(migrations=1)
        assert self.counts(cluster) == {"node2": 1}

    def test_one_for_a_node_counts_there_before_one_for_each(self, cluster):
        cluster.keep_at_most(migrations=3, node="node2")
        cluster.keep_at_most(migrations=0, node=cluster["node3"])
        cluster.keep_at_most(migrations=2)
        assert self.counts(cluster) == {"node1": 2, "node2": 3, "node3": 0}

    def test_the_last_one_counts(self, cluster):
        cluster.keep_at_most(migrations=1)
        cluster.keep_at_most(migrations=3)
        assert self.counts(cluster) == dict.fromkeys(NODES, 3)

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ({"migrations": -1}, "migrations must be an integer that is not negative, not -1"),
            ({"migrations": 1.5}, "migrations must be an integer that is not negative, not 1.5"),
            ({"migrations": None}, "migrations must be an integer that is not negative, not None"),
            (
                {"migrations": 2, "node": "node9"},
                "no node is named 'node9'; there are: node1, node2, node3",
            ),
            (
                {"migrations": 2, "node": 5},
                "a node is given by its name or address, or as itself, not as 5",
            ),
        ],
    )
    def test_what_is_given_wrongly(self, cluster, arguments, text):
        with pytest.raises(DeclarationError) as caught:
            cluster.keep_at_most(**arguments)
        assert str(caught.value) == text
        for name in NAMES:
            begin(cluster, name)
        assert crowded(cluster) == []

    def test_of_another_node(self, cluster):
        with pytest.raises(DeclarationError) as caught:
            cluster["node1"].keep_at_most(migrations=2, node="node2")
        assert str(caught.value) == "node1 knows of itself alone; ask the cluster of node2"


class TestWhenItIsOver:
    """Then another one may begin."""

    def is_over(self, cluster):
        """Return on which nodes web1's migration is over."""
        cluster.keep_at_most(migrations=1)
        before = len(crowded(cluster))
        accept(cluster, "db2", "node2")
        is_over_on_target = len(crowded(cluster)) == before
        cluster.add_instance("db1", node="node1")
        before = len(crowded(cluster))
        migrate(cluster, "db1", "node1", "node3")
        return len(crowded(cluster)) == before, is_over_on_target

    @pytest.mark.parametrize("success", [True, False])
    def test_on_each_node_once_it_is_finalized_or_aborted_there(self, cluster, success):
        begin(cluster, "web1")
        cluster.complete_migration("web1")
        end_source(cluster, "web1", success=success)
        assert self.is_over(cluster) == (True, False)

    def test_on_the_source_whose_finalize_completes_it(self, cluster):
        """One without a script, whose status nobody has asked for."""
        cluster.add_instance("unscripted", node="node1")
        begin(cluster, "unscripted")
        end_source(cluster, "unscripted", success=True)
        assert self.is_over(cluster) == (True, False)

    @pytest.mark.parametrize("success", [True, False])
    def test_on_the_target_alone(self, cluster, success):
        begin(cluster, "web1")
        cluster.complete_migration("web1")
        end_target(cluster, "web1", success=success)
        assert self.is_over(cluster) == (False, True)

    @pytest.mark.parametrize("end", ["fail_migration", "cancel_migration", "complete_migration"])
    def test_not_while_it_is_to_be_finalized(self, cluster, end):
        begin(cluster, "web1")
        getattr(cluster, end)("web1")
        cluster["node1"].GetMigrationStatus(cluster.instance("web1"))
        assert self.is_over(cluster) == (False, False)

    def test_where_it_was_only_accepted_and_then_aborted(self, cluster):
        accept(cluster, "web1")
        end_target(cluster, "web1")
        assert self.is_over(cluster) == (True, True)

    @pytest.mark.parametrize("node", ["node1", "node2"])
    def test_on_both_when_one_of_them_goes_down(self, cluster, node):
        begin(cluster, "web1")
        cluster[node].crash()
        cluster[node].boot()
        assert self.is_over(cluster) == (True, True)

    def test_on_both_when_its_instance_is_stopped(self, cluster):
        begin(cluster, "web1")
        cluster["node1"].StopInstance(cluster.instance("web1"))
        assert self.is_over(cluster) == (True, True)

    def test_on_both_when_it_fails_in_postcopy(self, cluster):
        cluster.script_migration("web1", bandwidth=100, postcopy=0)
        begin(cluster, "web1")
        cluster.fail_migration("web1")
        assert self.is_over(cluster) == (True, True)

    def test_also_when_another_one_is_started_in_its_place(self, cluster):
        begin(cluster, "web1")
        cluster["node1"].StopInstance(cluster.instance("web1"))
        cluster["node1"].StartInstance(cluster.instance("web1"), [], False)
        assert self.is_over(cluster) == (True, True)

    def test_a_node_that_was_cut_off_has_what_it_had(self, cluster):
        begin(cluster, "web1")
        cluster["node2"].disconnect()
        cluster["node2"].reconnect()
        assert self.is_over(cluster) == (False, False)


class TestAllow:
    @pytest.mark.parametrize("instance", ["web1", "web2", None])
    def test_one_that_may_come_on_top(self, cluster, instance):
        cluster.keep_at_most(migrations=1)
        cluster.allow("crowded", instance=instance)
        for name in ("web1", "web2"):
            begin(cluster, name)
        assert crowded(cluster) == []

    def test_of_another_one(self, cluster):
        cluster.keep_at_most(migrations=1, node="node2")
        cluster.allow("crowded", instance="web3")
        for name in ("web1", "web2"):
            begin(cluster, name)
        assert len(crowded(cluster)) == 1


def begin_two(cluster):
    cluster["node2"].keep_at_most(migrations=1)
    for name in ("web1", "web2"):
        begin(cluster, name)


def test_from_another_process(tmp_path):
    cluster = make(tmp_path)
    child = get_context("fork").Process(target=begin_two, args=(cluster,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert crowded(cluster) == [
        ("node2 had 2 migrations at once, of at most 1: web1 from node1, web2 accepted", 3)
    ]


class Crowds:
    """Migrations in a random order, and what each node has under way, by a second way of counting."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.cluster = FakeCluster.in_memory(*map(NodeSpec, NODES))
        self.cluster.keep_at_most(migrations=1)
        self.here = {node: set() for node in NODES}
        self.on_the_way = {}  # how far each is, from where, and to where
        self.expected = []
        self.names = [f"web{number}" for number in range(6)]
        for name in self.names:
            self.cluster.add_instance(name, node=self.chance.choice(NODES))

    def enter(self, node, name):
        if name not in self.here[node]:
            self.here[node].add(name)
            if len(self.here[node]) > 1:
                self.expected.append((node, name, self.cluster.journal[-1].number))

    def take_a_step(self):
        if self.chance.random() < 0.1:
            self.crash(self.chance.choice(NODES))
            return
        name = self.chance.choice(self.names)
        if name not in self.on_the_way:
            source = self.cluster.placement()[name]
            target = self.chance.choice([node for node in NODES if node != source])
            accept(self.cluster, name, target)
            self.enter(target, name)
            self.on_the_way[name] = "accepted", source, target
            return
        stage, source, target = self.on_the_way[name]
        if stage == "accepted":
            migrate(self.cluster, name, source, target)
            self.enter(source, name)
            self.enter(target, name)
            self.on_the_way[name] = "begun", source, target
        elif stage == "begun":
            self.cluster[source].GetMigrationStatus(self.cluster.instance(name))
            end_source(self.cluster, name, source, success=True)
            self.here[source].discard(name)
            self.on_the_way[name] = "left", source, target
        else:
            end_target(self.cluster, name, target, success=True)
            self.here[target].discard(name)
            del self.on_the_way[name]

    def crash(self, node):
        """A node goes down and comes back; what it had is soon aborted, and started elsewhere."""
        self.cluster[node].crash()
        self.cluster[node].boot()
        self.here[node].clear()
        lost = {name: ends for name, ends in self.on_the_way.items() if node in ends}
        for name, (stage, source, target) in lost.items():
            if stage != "accepted":
                self.here[source].discard(name)
                self.here[target].discard(name)
        for name, (stage, source, target) in lost.items():
            if self.chance.random() < 0.5:  # that makes no difference to what is begun
                self.begin_another(source, target)
            if stage != "left":
                end_source(self.cluster, name, source)
            end_target(self.cluster, name, target)
            self.here[target].discard(name)
            del self.on_the_way[name]
        for name in self.names:
            if name not in self.cluster.placement() and name not in self.on_the_way:
                self.cluster.add_instance(name, node=self.chance.choice(NODES))

    def begin_another(self, *nodes):
        for node in nodes:
            accept(self.cluster, "db1", node)
            self.enter(node, "db1")
            end_target(self.cluster, "db1", node)
            self.here[node].discard("db1")


def test_random_migrations_at_once():
    """Those that begin one too many are told, and no other."""
    total = 0
    for seed in range(100):
        crowds = Crowds(seed)
        for _ in range(60):
            crowds.take_a_step()
        found = [
            (node, each.instance, each.call.number)
            for each in crowds.cluster.violations()
            if each.invariant == "crowded"
            for node in each.nodes
        ]
        assert found == crowds.expected, seed
        total += len(found)
    assert total > 1000
