"""The state machine itself: what it does to a cluster, and what must hold of the driver meanwhile."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar, Final, TypeVar

try:
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
except ImportError:
    raise ImportError(
        "pytest_fakehv.stateful needs Hypothesis; install it with: pip install 'pytest-fakehv[hypothesis]'"
    ) from None

from pytest_fakehv.calls.faultspec import FaultSpec
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.cluster import FakeCluster
from pytest_fakehv.cluster.hypervisor import FakeHypervisor
from pytest_fakehv.cluster.limits import LimitError
from pytest_fakehv.cluster.node import NodeSpec
from pytest_fakehv.interface.constants import MethodName
from pytest_fakehv.interface.objects import DeclaredState, InstanceSpec, less_used
from pytest_fakehv.judgement.messages import violations as explained
from pytest_fakehv.judgement.violations import Violation
from pytest_fakehv.migration.script import MigrationSpec, Outcome
from pytest_fakehv.stateful.interfaces import Interface
from pytest_fakehv.stateful.paste import as_test
from pytest_fakehv.text import shown_arguments

__tracebackhide__ = True  # what went wrong stands in the message

DEEDS: Final = ("kill", "pause", "resume", "hang")
"""What befalls an instance, by the name of the cluster's method."""

_INDEX: Final = st.integers(min_value=0, max_value=3)
_MEMORY: Final = st.sampled_from([1024, 2048, 4096])
_NODE_MEMORY: Final = st.sampled_from([4096, 8192, 16384])


_Step = TypeVar("_Step", bound=Callable[..., None])


def _can(operation: str) -> Callable[[_Step], _Step]:
    """Let a rule apply only to drivers that have an operation."""
    return precondition(lambda machine: operation in machine.operations)


_something_runs = precondition(lambda machine: bool(machine.running))


class ClusterMachine(RuleBasedStateMachine):
    """Uses a driver on a small cluster, in any order, while calls fail, nodes crash and are cut off.

    After each step the invariants must hold. A failure ends with the shortest way there that Hypothesis
    found, as a test function to paste. Make subclasses of it with `state_machine`.

    Attributes:
        cluster: the cluster of this run.
        front: what a driver is given: the cluster, or libvirt's front of it.
        driver: the object whose methods are driven; None where functions are given alone.
        operations: the driver's functions, by the names of `Driver`'s methods.
        names: the instances' names.
        script: this run so far, as lines of Python.
    """

    interface: ClassVar[Interface]
    make_driver: ClassVar[Callable[[], Any]]
    methods: ClassVar[Sequence[str]]
    functions: ClassVar[Mapping[str, Callable[..., object]]]
    header: ClassVar[Sequence[str]]
    how_to_make: ClassVar[Sequence[str]]
    how_to_call: ClassVar[Mapping[str, str]]
    hypervisor_name: ClassVar[str | None]
    faulty_methods: ClassVar[Sequence[MethodName]]
    lying_methods: ClassVar[Sequence[MethodName]]
    outcomes: ClassVar[Sequence[Outcome]]
    hypervisor: ClassVar[type[FakeHypervisor]]

    cluster: FakeCluster
    front: object

    def __init__(self) -> None:
        super().__init__()
        _forget_logs()
        self._resources = ExitStack()
        self.driver = type(self).make_driver()
        self.operations = {
            **{name: getattr(self.driver, name) for name in self.methods},
            **self.functions,
        }
        self.names: list[str] = []
        self.script: list[str] = []
        self._wanted: set[str] = set()
        self._down: set[str] = set()

    def is_excused(self, violation: Violation) -> bool:  # noqa: ARG002  # for subclasses
        """Tell whether a violation is none of the driver's business; override it where some are.

        Args:
            violation: what does not hold.
        """
        return False

    @initialize(
        nodes=st.lists(st.tuples(_NODE_MEMORY, st.booleans()), min_size=2, max_size=4),
        instances=st.lists(st.tuples(_INDEX, _MEMORY), min_size=1, max_size=4),
    )
    def build(self, nodes: list[tuple[int, bool]], instances: list[tuple[int, int]]) -> None:
        """Make a cluster, and start the first instances while nothing fails yet."""
        specs = [
            NodeSpec(f"node{number}", memory=memory, overcommit=overcommit)
            for number, (memory, overcommit) in enumerate(nodes, start=1)
        ]
        self.cluster = self._resources.enter_context(
            FakeCluster.temporary(*specs, hypervisor=type(self).hypervisor)
        )
        self.front = self.interface.enter(self.cluster, self._resources)
        self.script = [f"NodeSpec({shown_arguments(spec)})," for spec in specs]
        for number, (index, memory) in enumerate(instances, start=1):
            state: DeclaredState = "stopped" if "start" in self.operations else "running"
            name, node = f"vm{number}", self._node(index)
            spec = InstanceSpec(name, node=node, memory=memory, state=state)
            try:
                self._note(f"cluster.add_instance({shown_arguments(spec)})", self.cluster.add_instance, spec)
            except DeclarationError:  # it does not fit
                self.script.pop()
                continue
            self.names.append(name)
            if state == "running":
                self._wanted.add(name)
            else:
                self._drive("start", name, node)
        self._check()

    @_can("start")
    @precondition(lambda machine: len(machine.running) < len(machine.names))
    @rule(instance=_INDEX, node=_INDEX)
    def start(self, instance: int, node: int) -> None:
        """Start an instance that doesn't run."""
        stopped = [name for name in self.names if name not in self.running]
        self._drive("start", stopped[instance % len(stopped)], self._node(node))
        self._check()

    @_can("stop")
    @_something_runs
    @rule(instance=_INDEX)
    def stop(self, instance: int) -> None:
        """Stop an instance that runs."""
        name = self._running(instance)
        self._wanted.discard(name)
        self._drive("stop", name)
        self._check()

    @_can("migrate")
    @_something_runs
    @rule(instance=_INDEX, to=_INDEX)
    def migrate(self, instance: int, to: int) -> None:
        """Migrate an instance that runs, to another node."""
        name = self._running(instance)
        everywhere = [node.name for node in self.cluster]
        others = [node for node in everywhere if not self.cluster[node].runs(name)] or everywhere
        self._move("migrate", name, others[to % len(others)])

    @_can("drain")
    @_something_runs
    @rule(node=_INDEX)
    def drain(self, node: int) -> None:
        """Empty a node."""
        self._move("drain", self._node(node))

    @precondition(lambda machine: bool(machine.faulty_methods))
    @rule(method=st.integers(0, 99), node=st.none() | _INDEX, late=st.booleans(), crash=st.booleans())
    def fail(self, method: int, node: int | None, *, late: bool, crash: bool) -> None:
        """Let the next call of a method fail, or take its node down."""
        spec = FaultSpec(
            self.faulty_methods[method % len(self.faulty_methods)],
            node=None if node is None else self._node(node),
            when="after" if late else "before",
            times=1,
            crash=crash,
            optional=True,
        )
        self._note(f"cluster.fault({shown_arguments(spec)})", self.cluster.fault, spec)

    @precondition(lambda machine: bool(machine.lying_methods))
    @rule(method=st.integers(0, 99), node=st.none() | _INDEX)
    def lie(self, method: int, node: int | None) -> None:
        """Let the next call of a method say that it worked and do nothing, or say that nothing runs."""
        name = self.lying_methods[method % len(self.lying_methods)]
        answer = self.interface.answers.get(name)
        lie: dict[str, Any] = {"result": answer()} if answer else {"effect": False}
        spec = FaultSpec(name, node=None if node is None else self._node(node), times=1, optional=True, **lie)
        self._note(f"cluster.fault({shown_arguments(spec)})", self.cluster.fault, spec)

    @precondition(lambda machine: bool(machine.outcomes and machine.names))
    @rule(
        instance=_INDEX,
        outcome=st.integers(0, 99),
        polls=st.none() | st.integers(1, 5),
        dirty_rate=st.sampled_from([0, 512]),
    )
    def script_migration(self, instance: int, outcome: int, polls: int | None, dirty_rate: int) -> None:
        """Say how an instance's next migration goes."""
        spec = MigrationSpec(
            self._instance(instance),
            outcome=self.outcomes[outcome % len(self.outcomes)],
            polls=polls,
            dirty_rate=dirty_rate,
            times=1,
        )
        self._note(f"cluster.script_migration({shown_arguments(spec)})", self.cluster.script_migration, spec)

    @precondition(lambda machine: all(not node.unreachable for node in machine.cluster))
    @rule(node=_INDEX, cut_off=st.booleans())
    def lose(self, node: int, *, cut_off: bool) -> None:
        """Let a node go down, or cut it off."""
        self._befall(self._node(node), "disconnect" if cut_off else "crash")
        self._check()

    @rule(node=_INDEX, seconds=st.integers(1, 20))
    def plan(self, node: int, seconds: int) -> None:
        """Let a node go down in the middle of what comes, once the cluster's clock gets there."""
        name, time = self._node(node), self.cluster.clock.now + seconds
        self.script.append(f"cluster.at({time!r}, cluster[{name!r}].crash, optional=True)")
        self.cluster.at(time, self.cluster[name].crash, optional=True)

    @_something_runs
    @rule(instance=_INDEX, deed=st.sampled_from(DEEDS))
    def befall(self, instance: int, deed: str) -> None:
        """Let an instance end, pause or hang by itself, or run again."""
        name = self._running(instance)
        try:
            getattr(self.cluster, deed)(name)
        except DeclarationError:  # it runs on several nodes, which is excused, or is kept paused
            return
        self.script.append(f"cluster.{deed}({name!r})")
        if deed == "kill":  # nobody has told the driver
            self._wanted.discard(name)
        self._check()

    @precondition(lambda machine: any(node.unreachable for node in machine.cluster))
    @rule(node=_INDEX)
    def come_back(self, node: int) -> None:
        """Let a node come up again, or be reached again."""
        lost = [each for each in self.cluster if each.unreachable]
        hypervisor = lost[node % len(lost)]
        self._befall(hypervisor.name, "boot" if hypervisor.is_down else "reconnect")
        self._down.discard(hypervisor.name)
        self._recover(hypervisor.name)
        self._check()

    def teardown(self) -> None:
        """Remove the cluster; to what went wrong in this run, first add how it came to that."""
        error = sys.exception()  # Hypothesis comes here also while a step's error is on its way out
        if isinstance(error, Exception | LimitError) and self.script:
            if (way_there := self._way_there()) not in str(error):
                error.add_note(way_there)
            error.add_note(f"\nHow it ended:\n\n{self.cluster.describe()}")
        self._resources.close()

    @property
    def running(self) -> list[str]:
        """The names of the instances that run."""
        return list(self.cluster.placement())

    # Inside

    def _instance(self, index: int) -> str:
        return self.names[index % len(self.names)]

    def _running(self, index: int) -> str:
        return self.running[index % len(self.running)]

    def _node(self, index: int) -> str:
        return self.cluster.nodes[index % len(self.cluster)].name

    def _note(self, line: str, function: Callable[..., object], spec: Any) -> None:
        """Write a step of the test's own into the script, and take it."""
        self.script.append(line)
        function(**vars(spec))

    def _befall(self, node: str, what: str) -> None:
        self.script.append(f"cluster[{node!r}].{what}()")
        getattr(self.cluster[node], what)()

    def _drive(self, operation: str, *names: str) -> bool:
        """Let the driver do something; tell whether it says that it did."""
        arguments = ", ".join([self.interface.handle, *map(repr, names)])
        call = f"{self.how_to_call[operation]}({arguments})"
        self.script.append(f"with suppress({self.interface.error_name}):\n    {call}")
        try:
            self.operations[operation](self.front, *names)
        except self.interface.error:
            return False
        if operation == "start" and names[0] in self.cluster.placement():
            self._wanted.add(names[0])
        return True

    def _move(self, operation: str, *names: str) -> None:
        """Let the driver move something; see what holds, and whether it forgot what it stopped for that."""
        before = self.cluster.journal.total
        done = self._drive(operation, *names)
        # What went down with a node is for `recover` to start.
        nothing_fell = all(node.name in self._down for node in self.cluster if node.is_down)
        self._check()
        if done and nothing_fell:
            stopped = self._called(self.interface.stops, before)
            forgotten = [name for name in self._missing(before) if name in stopped]
            self._refuse_forgotten(forgotten, f"{operation}() stopped it and didn't start it again")

    def _recover(self, *back: str) -> None:
        """Let the driver recover from what befell nodes, and see whether it has forgotten anything.

        Args:
            *back: the nodes that have come back; those that went down are known.
        """
        before, nodes, driven = self.cluster.journal.total, [*back], []
        # While it recovers from one, the next may go down. Until it has heard of all, it can't do all.
        while nodes := nodes or self._newly_down():
            node, *nodes = nodes
            if "recover" in self.operations:
                driven.append(self._drive("recover", node))
        # What should run may run on a node that is cut off, where nobody can look.
        if not driven or not all(driven) or any(each.is_cut_off for each in self.cluster):
            return
        forgotten = [
            name for name in self._missing(before) if any(self._has_room(node, name) for node in self.cluster)
        ]
        self._refuse_forgotten(forgotten, "recover() didn't start it")

    def _newly_down(self) -> list[str]:
        """Return the nodes that went down since somebody last asked."""
        names = [node.name for node in self.cluster if node.is_down and node.name not in self._down]
        self._down.update(names)
        return names

    def _called(self, methods: Sequence[str], before: int) -> set[str | None]:
        """Return which instances one of some methods was called for, after so many calls."""
        calls = [call for method in methods for call in self.cluster.journal.calls(method)]
        return {call.instance for call in calls if call.number > before}

    def _missing(self, before: int) -> list[str]:
        """Return what was to run and doesn't, and what nobody tried to start, after so many calls."""
        tried = self._called(self.interface.starts, before)
        return sorted(self._wanted - self.cluster.placement().keys() - tried)

    def _refuse_forgotten(self, names: Sequence[str], why: str) -> None:
        if names:
            self.script.append(f"cluster.assert_running({names[0]!r})")
            self._fail(f"forgotten: {names[0]} was to run, and {why}")

    def _has_room(self, node: FakeHypervisor, name: str) -> bool:
        """Tell whether an instance could run on a node."""
        if node.is_down or node.spec is None:
            return False
        used = sum(each.memory for each in node.instances.values())
        free = less_used(node.spec.info(), used)["memory_free"]
        return node.spec.overcommit or free >= self.cluster._scope.shared.declared[name].memory

    def _check(self) -> None:
        """See whether nodes went down, and whether all invariants hold."""
        self._recover()
        found = [each for each in self.cluster.violations() if not self.is_excused(each)]
        if found:
            self.script.append("cluster.assert_consistent()")
            self._fail(explained(found))

    def _fail(self, what: str) -> None:
        raise AssertionError(f"{what}\n{self._way_there()}")

    def _way_there(self) -> str:
        return f"\nThe way there, as a test to paste:\n\n{self._as_test()}"

    def _as_test(self) -> str:
        """Return the run so far as a test function."""
        options = {"hypervisor": self.hypervisor_name} if self.hypervisor_name else {}
        if self.cluster._scope.shared.faults.is_random:
            options["seed"] = str(self.cluster.seed)
        header = [*self.interface.imports, *self.header]
        return as_test(header, self.interface.contexts, self.how_to_make, self.script, **options)


def _forget_logs() -> None:
    """Let pytest's report of a failure have what was logged in the last run alone, of which it tells.

    Its own handlers, and no others, can be reset.
    """
    for handler in logging.getLogger().handlers:
        if reset := getattr(handler, "reset", None):
            reset()
