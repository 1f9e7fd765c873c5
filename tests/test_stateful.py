"""The state machine for a user's own driver: what it finds, what it prints, and what it leaves in peace."""

import re
import subprocess
import sys
import textwrap
from contextlib import suppress
from functools import partial

import careless_module
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test
from orchestrators import ForgetsWhatWasLost, NoAbortAfterRefusal, Orchestrator, RacesItself

from pytest_fakehv import DeclarationError, FakeHypervisor, HypervisorError, LimitError
from pytest_fakehv.interface.contract import INTERFACE
from pytest_fakehv.stateful import ClusterMachine, state_machine
from pytest_fakehv.stateful.interfaces import Interface

FINALIZERS = {"FinalizeMigrationSource", "FinalizeMigrationDst"}


class Reference:
    """The cluster's own driver, as a user's."""

    def start(self, cluster, instance, node):
        cluster[node].StartInstance(cluster[node].instance(instance), [], False)

    def stop(self, cluster, instance):
        for node in cluster:
            if node.runs(instance):
                node.StopInstance(node.instance(instance))

    def migrate(self, cluster, instance, target):
        result = cluster.migrate(instance, to=target)
        if result.error:
            raise HypervisorError(result.error)

    def drain(self, cluster, node):
        other = next(each.name for each in cluster if each.name != node)
        for instance in cluster[node].ListInstances():
            self.migrate(cluster, instance, other)


def run(machine, examples=100, steps=10):
    """Run a machine, the same way each time."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


def finding(machine, **sizes):
    """Run a machine that finds something; return what it says, without the script, and the script."""
    with pytest.raises(AssertionError) as caught:
        run(machine, **sizes)
    what, script = str(caught.value).split("\n\nThe way there, as a test to paste:\n\n")
    return what, script


def test_the_reference_driver_breaks_nothing_where_no_finalize_fails():
    run(
        state_machine(Reference, faulty_methods=[each for each in Interface.faulty if each not in FINALIZERS])
    )


def test_a_correct_orchestrator_breaks_nothing_at_all():
    run(state_machine(Orchestrator), examples=60)


def test_it_finds_what_the_protocol_leaves_behind_and_prints_the_way_there(pytester):
    """The reference driver follows the protocol, which doesn't repeat a finalize that failed."""
    what, script = finding(state_machine(Reference, faulty_methods=FINALIZERS))
    assert what.splitlines()[0].split(":")[0] in {"unfinished", "vanished", "split-brain"}
    lines = script.splitlines()
    assert lines[:4] == [
        "from contextlib import suppress",
        "",
        "from pytest_fakehv import FakeCluster, HypervisorError, NodeSpec",
        "# to paste into test_stateful.py, which has Reference",
    ]
    assert lines[6:9] == [
        "def test_the_way_there():",
        "    driver = Reference()",
        "    with FakeCluster.temporary(",
    ]
    assert lines[-1] == "        cluster.assert_consistent()"
    assert any("driver.migrate(cluster, " in line or "driver.drain(cluster, " in line for line in lines)
    assert any("cluster.fault('FinalizeMigration" in line for line in lines)
    assert len(lines) < 40

    # Pasted, it fails in the same way.
    with pytest.raises(AssertionError) as caught:
        run_script(script)
    assert first_words(str(caught.value)) == first_words(what)


def run_script(script):
    namespace = {**globals()}
    exec(script, namespace)
    namespace["test_the_way_there"]()


def first_words(text):
    return [line for line in text.splitlines() if not line.startswith(" ")]


def test_it_finds_a_migration_that_nobody_aborts():
    what, script = finding(state_machine(NoAbortAfterRefusal, faulty_methods=["MigrateInstance"]))
    assert what.startswith("unfinished: ")
    with pytest.raises(AssertionError, match=r"^unfinished: "):
        run_script(script)


def test_it_finds_an_instance_that_was_forgotten():
    """No invariant can know what should run again after its node went down; the machine keeps account."""
    what, script = finding(state_machine(ForgetsWhatWasLost, faulty_methods=[]))
    assert what == "forgotten: vm1 was to run, and recover() didn't start it"
    assert script.splitlines()[-1] == "        cluster.assert_running('vm1')"
    with pytest.raises(AssertionError, match=r"^vm1 is not running on any of node1, node2"):
        run_script(script)


def stop_and_start(instance, source, target):
    """Move an instance without a migration, and give it up where a call fails, whatever that has done."""
    with suppress(HypervisorError):
        source.StopInstance(source.instance(instance), force=True)
        target.StartInstance(target.instance(instance), [], False)


class CarelessDrain:
    def start(self, cluster, instance, node):
        cluster[node].StartInstance(cluster[node].instance(instance), [], False)

    def drain(self, cluster, node):
        other = next(each for each in cluster if each.name != node)
        for instance in cluster[node].ListInstances():
            stop_and_start(instance, cluster[node], other)


class CarelessMigration:
    def migrate(self, cluster, instance, target):
        for node in cluster:
            if node.runs(instance) and node.name != target:
                stop_and_start(instance, node, cluster[target])


@pytest.mark.parametrize(("driver", "operation"), [(CarelessDrain, "drain"), (CarelessMigration, "migrate")])
def test_it_finds_an_instance_that_was_stopped_to_be_moved(driver, operation):
    """What was stopped has not vanished; but it was never to stop."""
    what, script = finding(state_machine(driver, faulty_methods=["StopInstance"]), examples=500)
    assert what == f"forgotten: vm1 was to run, and {operation}() stopped it and didn't start it again"
    assert "cluster.fault('StopInstance', " in script
    assert script.splitlines()[-1] == "        cluster.assert_running('vm1')"
    with pytest.raises(AssertionError, match=r"^vm1 is not running on any of node1, node2"):
        run_script(script)


@pytest.mark.parametrize(
    "fault",
    [
        {"method": "StartInstance"},  # a start that failed
        {"method": "StopInstance", "when": "after", "crash": True},  # it went down with its node
    ],
)
def test_what_was_stopped_and_could_not_be_started_is_not_forgotten(fault):
    machine = state_machine(CarelessDrain)()
    machine.build([(4096, True), (4096, True)], [(0, 1024)])
    machine.cluster.fault(**fault)
    machine.drain(0)
    assert machine.running == []
    machine.teardown()


def test_who_says_that_it_could_not_move_something_has_not_forgotten_it():
    class Honest(CarelessDrain):
        def drain(self, cluster, node):
            for instance in cluster[node].ListInstances():
                cluster[node].StopInstance(cluster[node].instance(instance))

    machine = state_machine(Honest)()
    machine.build([(4096, True), (4096, True)], [(0, 1024)])
    machine.cluster.fault("StopInstance", when="after")
    machine.drain(0)
    assert machine.running == []
    machine.teardown()


class BelievesStops(Reference):
    """Moves by a stop that it neither forces nor looks after."""

    def migrate(self, cluster, instance, target):
        for node in cluster:
            if node.runs(instance) and node.name != target:
                node.StopInstance(node.instance(instance))
                cluster[target].StartInstance(cluster[target].instance(instance), [], False)


def test_it_finds_a_guest_that_outlasted_its_stop():
    what, script = finding(state_machine(BelievesStops, faulty_methods=[], outcomes=[]), examples=2000)
    assert what.startswith("double-start: vm1 was started on node")
    assert "        cluster.hang('vm1')" in script.splitlines()
    with pytest.raises(AssertionError, match=r"^double-start: "):
        run_script(script)


class Looks(BelievesStops):
    """The same, but forces what still runs."""

    def migrate(self, cluster, instance, target):
        for node in cluster:
            if node.runs(instance) and node.name != target:
                node.StopInstance(node.instance(instance), force=True)
                cluster[target].StartInstance(cluster[target].instance(instance), [], False)


@pytest.mark.parametrize(
    ("lying", "line"),
    [
        ("StopInstance", "cluster.fault('StopInstance', effect=False, times=1, optional=True)"),
        ("GetInstanceInfo", "cluster.fault('GetInstanceInfo', result=None, times=1, optional=True)"),
        ("ListInstances", "cluster.fault('ListInstances', result=[], times=1, optional=True)"),
    ],
)
def test_it_finds_who_believes_a_lie(lying, line):
    class Believes(Looks):
        def start(self, cluster, instance, node):
            if not any(self.sees(each, instance) for each in cluster):
                cluster[node].StartInstance(cluster[node].instance(instance), [], False)

        def drain(self, cluster, node):
            for instance in self.names:
                self.start(cluster, instance, node)

        def sees(self, node, instance):
            if lying == "ListInstances":
                return instance in node.ListInstances()
            return node.GetInstanceInfo(instance) is not None

        names = ("vm1",)

    run(state_machine(Believes, faulty_methods=[], outcomes=[]), examples=30)
    machine = state_machine(Believes, faulty_methods=[], outcomes=[], lying_methods=[lying])
    _, script = finding(machine, examples=2000)
    # How far Hypothesis shrinks the rest, on which node, is its own business.
    begins, _, lie = line.partition(", times")[0].partition(", ")
    assert any(begins in each and lie in each for each in script.splitlines()), script


def test_a_node_may_go_down_in_the_middle():
    """Step by step: the target goes down while a migration is under way; its source then has all of it."""
    machine = state_machine(Orchestrator)()
    machine.build([(4096, True), (4096, True)], [(0, 1024)])
    machine.script_migration(0, 0, 5, dirty_rate=0)
    machine.plan(1, 2)
    assert machine.script[-1] == "cluster.at(2.0, cluster['node2'].crash, optional=True)"
    machine.migrate(0, 0)
    assert machine.cluster["node2"].is_down
    assert machine.cluster.placement() == {"vm1": "node1"}
    machine.teardown()


def test_what_is_declared_is_written_without_what_it_would_be_anyway():
    machine = state_machine(Reference)()
    machine.build([(4096, True), (8192, False)], [(0, 1024), (1, 512)])
    declared = [line for line in machine.script if line.startswith(("NodeSpec", "cluster.add_instance"))]
    assert declared == [
        "NodeSpec('node1', memory=4096),",
        "NodeSpec('node2', memory=8192, overcommit=False),",
        "cluster.add_instance('vm1', node='node1', state='stopped')",
        "cluster.add_instance('vm2', node='node2', memory=512, state='stopped')",
    ]
    machine.teardown()


def test_the_time_of_what_comes_is_as_exact_as_the_clock():
    machine = state_machine(Reference)()
    machine.build([(4096, True), (4096, True)], [(0, 1024)])
    machine.cluster.clock.advance(1234567.25)
    machine.plan(1, 2)
    assert machine.script[-1] == "cluster.at(1234569.25, cluster['node2'].crash, optional=True)"
    machine.teardown()


def test_of_a_driver_that_never_ends_the_way_there_is_said_too():
    def drain(cluster, node):
        while True:
            cluster.clock.sleep(10**8)

    with pytest.raises(LimitError) as caught:
        run(state_machine(drain=drain))
    assert any("The way there, as a test to paste:" in each for each in caught.value.__notes__)


def test_a_fault_of_its_own_is_from_a_step():
    class Fails(Reference):
        def stop(self, cluster, instance):
            origins.update(fault.origin for fault in cluster.faults)

    origins = set()
    run(state_machine(Fails), examples=30)
    assert origins == {"a step of Hypothesis"}


def test_what_can_not_befall_an_instance_is_no_step():
    """Step by step: it runs on two nodes, which a machine may excuse."""
    machine = state_machine(Reference)()
    machine.build([(4096, True), (4096, True)], [(0, 1024)])
    machine.cluster["node2"].add_instance("vm1")
    before = [*machine.script]
    machine.befall(0, "kill")
    assert machine.script == before
    machine.teardown()


def test_what_was_killed_is_not_forgotten():
    """Step by step: nobody has told the driver."""
    machine = state_machine(CarelessDrain)()
    machine.build([(4096, True), (4096, True)], [(0, 1024)])
    machine.befall(0, "kill")
    machine.drain(0)
    assert machine.script[-2:] == [
        "cluster.kill('vm1')",
        "with suppress(HypervisorError):\n    driver.drain(cluster, 'node1')",
    ]
    machine.teardown()


def test_threads_are_not_its_business():
    """A single driver that is used by nobody else at the time never races itself."""
    run(state_machine(RacesItself), examples=20)


def test_functions_will_do():
    calls = []

    def start(cluster, instance, node):
        calls.append((instance, node))
        cluster[node].StartInstance(cluster[node].instance(instance), [], False)

    run(state_machine(start=start), examples=20)
    assert calls


def test_what_a_driver_can_not_start_runs_from_the_beginning_where_it_fits():
    stopped = []

    def stop(cluster, instance):
        stopped.append(instance)
        Reference().stop(cluster, instance)

    run(state_machine(stop=stop, faulty_methods=[]), examples=150, steps=2)
    assert stopped


def careless_stop(cluster, instance):
    """Stop one copy, and start another one: a driver of functions that does wrong."""
    for node in cluster:
        with suppress(HypervisorError):
            node.StartInstance(node.instance(instance), [], False)


def test_a_script_of_functions_names_them():
    what, script = finding(state_machine(stop=careless_stop))
    assert what.startswith("double-start: vm1 was started on node")
    assert "# to paste into test_stateful.py, which has careless_stop" in script.splitlines()
    assert "            careless_stop(cluster, 'vm1')" in script.splitlines()
    with pytest.raises(AssertionError, match=r"^double-start: "):
        run_script(script)


class Careless:
    def stop(self, cluster, instance):
        careless_stop(cluster, instance)

    @classmethod
    def stop_by_class(cls, cluster, instance):
        careless_stop(cluster, instance)


@pytest.mark.parametrize(
    ("stop", "lines"),
    [
        (Careless().stop, ["# to paste into test_stateful.py, which has Careless", "Careless().stop"]),
        (
            Careless.stop_by_class,
            ["# to paste into test_stateful.py, which has Careless", "Careless.stop_by_class"],
        ),
        (careless_module.stop, ["from careless_module import stop", "stop"]),
        (careless_module.Tool().stop, ["from careless_module import Tool", "Tool().stop"]),
    ],
)
def test_a_script_names_whatever_has_a_name(stop, lines):
    _, script = finding(state_machine(stop=stop))
    header, call = lines
    assert header in script.splitlines()
    assert f"            {call}(cluster, 'vm1')" in script.splitlines()
    with pytest.raises(AssertionError, match=r"^double-start: "):
        run_script(script)


def test_a_script_leaves_to_its_reader_what_has_no_name():
    stop = lambda cluster, instance: careless_stop(cluster, instance)  # noqa: E731, PLW0108
    _, script = finding(state_machine(stop=stop))
    line = stop.__code__.co_firstlineno
    assert (
        f"    stop = ...  # the function at test_stateful.py:{line}, which has no name" in script.splitlines()
    )
    compile(script, "pasted", "exec")


def test_a_script_leaves_to_its_reader_an_object_that_is_called():
    _, script = finding(state_machine(stop=partial(careless_stop)))
    (line,) = [line for line in script.splitlines() if "stop = ..." in line]
    assert line.startswith("    stop = ...  # functools.partial(")
    compile(script, "pasted", "exec")


def test_a_script_has_a_driver_beside_functions():
    _, script = finding(state_machine(Starter, stop=careless_stop))
    assert "    driver = Starter()" in script.splitlines()
    assert "            careless_stop(cluster, 'vm1')" in script.splitlines()
    with pytest.raises(AssertionError, match=r"^double-start: "):
        run_script(script)


class Starter:
    def start(self, cluster, instance, node):
        cluster[node].StartInstance(cluster[node].instance(instance), [], False)


def test_what_is_found_can_be_pasted_whatever_the_file_is_named(pytester):
    source = """
        import pytest
        from hypothesis import HealthCheck, Phase, settings
        from pytest_fakehv.stateful import state_machine

        def make():
            class Inner:
                def stop(self, cluster, instance):
                    for node in cluster:
                        node.StartInstance(node.instance(instance), [], False)
            return Inner

        Inner = make()
        machine = state_machine(Inner, faulty_methods=[], outcomes=[])
        machine.TestCase.settings = settings(
            derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )

        def test_it():
            with pytest.raises(AssertionError) as caught:
                machine.TestCase().runTest()
            with open("pasted.txt", "w") as file:
                file.write(str(caught.value).split("as a test to paste:")[1])
    """
    path = pytester.path / "drain-tests" / "test-of the drain.py"
    path.parent.mkdir()
    path.write_text(textwrap.dedent(source))
    pytester.runpytest_subprocess("--import-mode=importlib", str(path)).assert_outcomes(passed=1)
    pasted = (pytester.path / "pasted.txt").read_text()
    assert "# to paste into test-of the drain.py, which has Inner" in pasted.splitlines()
    path.write_text(path.read_text() + pasted)
    pytester.runpytest_subprocess("--import-mode=importlib", str(path)).assert_outcomes(passed=1, failed=1)


def test_a_failure_has_what_was_logged_in_the_run_that_it_tells_of(pytester):
    pytester.makepyfile(
        """
        import logging
        from hypothesis import HealthCheck, settings
        from pytest_fakehv.stateful import state_machine

        class Mine:
            def __init__(self):
                logging.warning("a new one")

            def stop(self, cluster, instance):
                for node in cluster:
                    node.StartInstance(node.instance(instance), [], False)

        TestMine = state_machine(Mine, faulty_methods=[], outcomes=[]).TestCase
        TestMine.settings = settings(derandomize=True, database=None, suppress_health_check=list(HealthCheck))
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    assert [line.split()[-3:] for line in result.stdout.lines if line.startswith("WARNING")] == [
        ["a", "new", "one"]
    ]


class OwnHypervisor(FakeHypervisor):
    pass


def test_a_script_has_the_class_of_the_nodes():
    _, script = finding(state_machine(stop=careless_stop, hypervisor=OwnHypervisor))
    assert "# to paste into test_stateful.py, which has careless_stop, OwnHypervisor" in script.splitlines()
    assert "        hypervisor=OwnHypervisor," in script.splitlines()
    with pytest.raises(AssertionError, match=r"^double-start: "):
        run_script(script)


def test_what_may_run_where_nobody_can_look_is_not_forgotten():
    """Step by step: node2 goes down while node1, where vm1 runs, is cut off."""
    machine = state_machine(ForgetsWhatWasLost)()
    machine.build([(4096, True), (4096, True)], [(0, 1024)])
    machine.lose(0, cut_off=True)
    machine.cluster["node2"].crash()
    machine.stop(0)
    assert machine.script[-1].endswith("driver.recover(cluster, 'node2')")
    machine.teardown()


def test_nothing_is_forgotten_before_the_driver_has_heard_of_every_node():
    """Step by step: node1 goes down where vm1 runs, and node2, where it was to go, in the same step."""
    machine = state_machine(Orchestrator)()
    machine.build([(4096, True)] * 3, [(0, 1024)])
    machine.cluster.fault("StopInstance", node="node1", crash=True)
    machine.cluster.fault("AcceptInstance", node="node2", crash=True)
    machine.drain(0)
    assert machine.script[-2].endswith("driver.recover(cluster, 'node1')")
    assert machine.script[-1].endswith("driver.recover(cluster, 'node2')")
    machine.cluster["node3"].assert_running("vm1")
    machine.teardown()


def test_what_fits_nowhere_is_not_forgotten():
    machine = state_machine(ForgetsWhatWasLost)()
    machine.build([(4096, False), (4096, False)], [(0, 4096), (1, 4096)])
    machine.lose(0, cut_off=False)
    assert machine.running == ["vm2"]
    machine.teardown()


def test_nothing_fails_that_a_driver_never_calls():
    assert {name for name in state_machine(Reference).faulty_methods if name not in INTERFACE} == set()


def test_an_object_is_used_as_it_is():
    driver = Reference()
    machine = state_machine(driver, faulty_methods=[])
    assert machine.faulty_methods == ()
    run(machine, examples=20)


def test_whatever_else_the_driver_raises_is_a_failure():
    def start(cluster, instance, node):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run(state_machine(start=start))
    [way_there] = [each for each in caught.value.__notes__ if "The way there, as a test to paste:" in each]
    assert way_there.splitlines()[-1] == "            start(cluster, 'vm1', 'node1')"


def start_by_chance(cluster, instance, node):
    fault = cluster.fault("StartInstance", instance=instance, probability=0.3, optional=True)
    with suppress(HypervisorError):
        cluster[node].StartInstance(cluster[node].instance(instance), [], False)
    if fault.fired:
        raise ZeroDivisionError


def test_the_way_there_has_the_seed_of_random_faults():
    with pytest.raises(ZeroDivisionError) as caught:
        run(state_machine(start=start_by_chance, faulty_methods=[]))
    [way_there] = [each for each in caught.value.__notes__ if "The way there, as a test to paste:" in each]
    [seed] = [line for line in way_there.splitlines() if "seed=" in line]
    assert re.fullmatch(r" {8}seed=\d+,", seed)
    with pytest.raises(ZeroDivisionError):
        run_script(way_there.partition("paste:\n\n")[2])


def test_nodes_of_a_class_of_the_users_own():
    seen = set()

    class Own(FakeHypervisor):
        def StartInstance(self, *args):
            seen.add(type(self))
            super().StartInstance(*args)

    run(state_machine(Reference, hypervisor=Own, outcomes=[], faulty_methods=[]), examples=5)
    assert seen == {Own}


def test_a_failure_ends_with_what_runs_where_and_what_was_called():
    """Whatever fails: an invariant of the cluster, the driver itself, or a property of the user's own."""

    def start(cluster, instance, node):
        cluster[node].StartInstance(cluster[node].instance(instance), [], False)
        assert instance != "vm2"

    class Crowded(state_machine(Reference)):
        @invariant()
        def nothing_runs(self):
            assert not self.running

    for machine, says_the_way_itself in (
        (state_machine(stop=careless_stop), True),
        (state_machine(start=start), False),
        (Crowded, False),
    ):
        with pytest.raises(AssertionError) as caught:
            run(machine)
        ways = ["\nThe way there, as a test to paste:\n" in each for each in caught.value.__notes__]
        assert any(ways) != says_the_way_itself
        [how_it_ended] = [each for each in caught.value.__notes__ if "How it ended:" in each]
        lines = how_it_ended.splitlines()
        assert lines[:3] == ["", "How it ended:", ""]
        assert lines[3].startswith("node1: ")
        assert any(line.startswith("calls:") for line in lines)
        assert " StartInstance('vm1', [], False) at " in how_it_ended


def test_a_failure_before_there_is_a_cluster_has_nothing_to_say_of_one():
    class Broken(FakeHypervisor):
        def __init__(self, *args, **keywords):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        run(state_machine(Reference, hypervisor=Broken))
    assert "How it ended" not in str(caught.value.__notes__)


def test_a_machine_knows_its_driver():
    assert isinstance(state_machine(Reference)().driver, Reference)
    driver = Reference()
    assert state_machine(driver)().driver is driver
    assert state_machine(start=driver.start)().driver is None


def test_excused_violations():
    """A subclass says which ones are nobody's business."""

    class Lenient(state_machine(Reference)):
        def is_excused(self, violation):
            return violation.invariant in {"unfinished", "vanished", "split-brain"}

    run(Lenient, examples=60)


def test_what_a_driver_allows():
    """It counts as for any test."""

    class Careless(Reference):
        def migrate(self, cluster, instance, target):
            cluster.allow("unfinished", instance=instance)
            cluster[target].AcceptInstance(cluster.instance(instance), "", target)

    machine = state_machine(Careless, faulty_methods=[], outcomes=[])
    run(machine, examples=20)


@pytest.mark.parametrize(
    ("driver", "arguments", "text"),
    [
        (None, {}, "a driver needs at least one of: start, stop, migrate, drain, recover"),
        (5, {}, "a driver needs at least one of: start, stop, migrate, drain, recover"),
        (
            None,
            {"move": print},
            (
                "unknown argument 'move'; valid: front, faulty_methods, lying_methods, outcomes, hypervisor, "
                "start, stop, migrate, drain, recover"
            ),
        ),
        (None, {"start": 5}, "start must be a function, not 5"),
        (
            None,
            {"drain": lambda cluster: None},
            "drain must take (cluster, node): too many positional arguments",
        ),
        (
            Reference,
            {"faulty_methods": ["StartInstanc"]},
            "the interface has no method 'StartInstanc'; nearest: StartInstance",
        ),
        (
            Reference,
            {"lying_methods": ["StopInstnace"]},
            "the interface has no method 'StopInstnace'; nearest: StopInstance",
        ),
        (
            Reference,
            {"faulty_methods": "StopInstance"},
            "faulty_methods must be a list of methods, not 'StopInstance'",
        ),
        (
            Reference,
            {"lying_methods": "StopInstance"},
            "lying_methods must be a list of methods, not 'StopInstance'",
        ),
        (Reference, {"outcomes": "failed"}, "outcomes must be a list of outcomes, not 'failed'"),
        (Reference, {"outcomes": None}, "outcomes must be a list of outcomes, not None"),
        (
            Reference,
            {"lying_methods": ["GetNodeInfo"]},
            (
                "lying_methods must be one of 'StartInstance', 'StopInstance', 'CleanupInstance', "
                "'RebootInstance', 'BalloonInstanceMemory', 'RestoreInstance', 'PowercycleNode', "
                "'AcceptInstance', 'MigrateInstance', 'FinalizeMigrationSource', 'FinalizeMigrationDst', "
                "'HotAddDevice', 'HotDelDevice', 'HotModDevice', 'ResizeDisk', 'GetInstanceInfo', "
                "'ListInstances', 'GetAllInstancesInfo', not 'GetNodeInfo'"
            ),
        ),
        (
            Reference,
            {"outcomes": ["lost"]},
            (
                "outcomes must be one of 'completed', 'failed', 'cancelled', 'failed_but_moved', "
                "'completed_but_lost', not 'lost'"
            ),
        ),
    ],
)
def test_wrong_arguments(driver, arguments, text):
    with pytest.raises(DeclarationError) as caught:
        state_machine(driver, **arguments)
    assert str(caught.value) == text


def test_its_test_case_runs_under_pytest(pytester):
    pytester.makepyfile(
        """
        from hypothesis import Phase, settings
        from pytest_fakehv.stateful import state_machine

        settings.register_profile("short", max_examples=20, derandomize=True, phases=[Phase.generate])
        settings.load_profile("short")

        class Mine:
            def start(self, cluster, instance, node):
                cluster[node].StartInstance(cluster[node].instance(instance), [], False)

        TestMine = state_machine(Mine).TestCase

        TestBroken = state_machine(
            start=Mine().start,
            migrate=lambda cluster, instance, target: cluster[target].StartInstance(
                cluster[target].instance(instance), [], False
            ),
        ).TestCase
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E*double-start: vm? was started on node*", "E*The way there, as a test to paste:"]
    )
    assert issubclass(state_machine(Reference), ClusterMachine)


def test_without_hypothesis_the_import_says_what_to_install():
    code = "import sys; sys.modules['hypothesis'] = None; import pytest_fakehv.stateful"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.splitlines()[-1] == (
        "ImportError: pytest_fakehv.stateful needs Hypothesis; install it with: "
        "pip install 'pytest-fakehv[hypothesis]'"
    )
