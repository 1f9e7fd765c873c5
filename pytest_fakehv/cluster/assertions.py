"""What a test asserts, of a node or of a whole cluster: how it stands, and with `history` its past."""

from collections.abc import Collection, Mapping

from pytest_fakehv.checks import DeclarationError, check_amount, check_choice, memory_amount
from pytest_fakehv.cluster.history import History
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.interface.objects import InstanceLike, Placement, name_of
from pytest_fakehv.judgement import messages
from pytest_fakehv.judgement.violations import Invariant, Violation, check_allowed
from pytest_fakehv.story.picture import Picture
from pytest_fakehv.text import natural_order, shown

__tracebackhide__ = True  # a failed assertion is shown at the test's own line

_Places = str | BaseHypervisor | Collection[str | BaseHypervisor] | None
"""Where an instance is expected."""


class Assertions(History):
    """Assertions on the state of one or more nodes, and on what happened there.

    Each raises `AssertionError` with a message that says what was expected, what is, and where to look
    next. They read the files, but are no calls of the interface and leave no trace in the journal.
    """

    def describe(self) -> str:
        """Describe nodes, instances, migrations and the last calls, as the calls so far last saw them.

        Touches no file: a file that somebody else put there or took away may not be known yet.

        Returns:
            The text of a failed test's section, which has the calls that broke an invariant besides.
        """
        return self._scope.describe(self._scope.timeline(()))

    def timeline(self) -> Picture:
        """Return the picture of what happened so far: it shows itself in a notebook, and can be saved.

        A node's has the other nodes' too. Reads the files of nodes that were used, as `violations` does,
        whose findings are in it.
        """
        return Picture(**vars(self._scope.timeline(self.violations())))

    def violations(self) -> list[Violation]:
        """Return which invariants do not hold, or did not at some time: of the whole cluster.

        What the test allows is not among them. Reads the files of nodes that were used, for what other
        programs may have done to them. What the test's own clock has due comes about first.
        """
        return self._scope.violations()

    def assert_consistent(self, *, allow: "Collection[Invariant]" = ()) -> None:
        """Assert that every invariant holds of the whole cluster, now and until now.

        A fault that has not fired yet, and a migration under way, count as at the end of a test.

        Args:
            allow: the names of invariants that need not hold, beside those that the test has allowed.

        Raises:
            AssertionError: one does not; the message says since which call, and what would have been right.
            DeclarationError: ``allow`` has something else.
        """
        allowed = check_allowed(allow)
        found = [each for each in self.violations() if each.invariant not in allowed]
        if found:
            raise AssertionError(messages.violations(found))

    def placement(self) -> Placement:
        """Return which instance runs, or is paused, where.

        Returns:
            The node's name by the instance's, web2 before web10; a tuple of names for one on several
            nodes. What runs nowhere is not in it.

        Raises:
            HypervisorError: a root directory can't be read.
        """
        found: dict[str, list[str]] = {}
        for node in self._scope.nodes:
            for name in node.instance_names:
                found.setdefault(name, []).append(node.name)
        return Placement(
            {
                name: found[name][0] if len(found[name]) == 1 else tuple(found[name])
                for name in sorted(found, key=natural_order)
            },
            self._scope.why_not,
        )

    def assert_running(
        self,
        instance: str | InstanceLike,
        *,
        on: str | BaseHypervisor | None = None,
        memory: int | str | None = None,
        vcpus: int | None = None,
    ) -> None:
        """Assert that an instance runs and is not paused.

        Args:
            instance: which, by name or as the object that the interface takes.
            on: the node where it must be, and nowhere else, by name or address or as itself; None for any.
            memory: what it must have now, in MiB, or as a text such as "24G"; None for any.
            vcpus: how many virtual CPUs it must have; None for any.

        Raises:
            AssertionError: it does not run, is paused, or has other figures.
            DeclarationError: there is no such node, or an argument is wrong.
            HypervisorError: an instance's file is malformed or unreadable.
        """
        self._assert_state(instance, "running", on=on, memory=memory, vcpus=vcpus)

    def assert_paused(
        self,
        instance: str | InstanceLike,
        *,
        on: str | BaseHypervisor | None = None,
        memory: int | str | None = None,
        vcpus: int | None = None,
    ) -> None:
        """Assert that an instance is paused: since its start, by the test, or for a migration.

        Args:
            instance: which, by name or as the object that the interface takes.
            on: the node where it must be, and nowhere else, by name or address or as itself; None for any.
            memory: what it must have now, in MiB, or as a text such as "24G"; None for any.
            vcpus: how many virtual CPUs it must have; None for any.

        Raises:
            AssertionError: it is not paused, or has other figures.
            DeclarationError: there is no such node, or an argument is wrong.
            HypervisorError: an instance's file is malformed or unreadable.
        """
        self._assert_state(instance, "paused", on=on, memory=memory, vcpus=vcpus)

    def assert_stopped(self, instance: str | InstanceLike) -> None:
        """Assert that an instance neither runs nor is paused.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            AssertionError: it runs or is paused.
            HypervisorError: an instance's file is malformed or unreadable.
        """
        self._scope.check_instance(name_of(instance))
        self._assert_state(instance, "stopped")

    def assert_placement(self, expected: "Mapping[str, _Places]", *, partial: bool = False) -> None:
        """Assert which instances run, or are paused, on which nodes.

        Args:
            expected: the node, by name or address or as itself, by the instance's name; None for one that
                must run nowhere, several nodes for one that must run on several.
            partial: whether other instances may run too.

        Raises:
            AssertionError: the placement is another one; the message has the differences.
            DeclarationError: it names a node that never was, or an instance of which nothing is known.
        """
        given: object = expected
        if not isinstance(given, Mapping):
            raise DeclarationError(f"a placement is a mapping of instances to nodes, not {shown(given)}")
        check_choice("partial", partial, (True, False))
        wanted = {name_of(name): self._places(name, where) for name, where in expected.items()}
        differences = messages.placement_differences(
            self.placement(),
            wanted,
            partial=partial,
            departure=self._scope.shared.watcher.departure,
        )
        if differences:
            raise AssertionError("\n".join(["the placement is not as expected:", *differences]))

    # Inside

    def _places(self, instance: str, where: "_Places") -> str | tuple[str, ...] | None:
        """Return where an instance is expected."""
        if not where:
            self._scope.check_instance(instance)
        if isinstance(where, str | BaseHypervisor | None):
            return self._scope.own_node_name(where)
        given: object = where
        if not isinstance(given, Collection):
            raise DeclarationError(f"the place of {instance} is a node, several, or None, not {shown(where)}")
        names = map(self._scope.name_of_node, where)
        return tuple(sorted(filter(None, map(self._scope.own_node_name, names)), key=natural_order))

    def _assert_state(
        self,
        instance: str | InstanceLike,
        expected: str,
        *,
        on: str | BaseHypervisor | None = None,
        memory: int | str | None = None,
        vcpus: int | None = None,
    ) -> None:
        name, alone = name_of(instance), self._scope.own_node_name(on)
        expected_figures = {
            "memory": None if memory is None else memory_amount("memory", memory, least=0),
            "vcpus": vcpus,
        }
        if vcpus is not None:
            check_amount("vcpus", vcpus, least=0)
        nodes = [node for node in self._scope.nodes if alone in (None, node.name)]
        others = [node for node in self._scope.everywhere if node not in nodes]
        found, elsewhere = (
            {node.name: info for node in each if (info := node.instance_info(name))}
            for each in (nodes, others)
        )
        hanging = self._scope.shared.hanging
        states = {messages.state_of(info) for info in found.values()} or {messages.state_of(None)}
        if states != {expected} or (alone and elsewhere):
            raise AssertionError(
                messages.wrong_state(
                    name,
                    expected=expected,
                    found=found,
                    nodes={node.name: node.instance_names for node in nodes},
                    elsewhere=elsewhere,
                    alone=alone is not None,
                    known=self._scope.shared.declared,
                    departure=self._scope.shared.watcher.departure(name),
                    hangs_since=next(filter(None, (hanging.get((node, name)) for node in found)), None),
                    last_call=self.journal.last_about(name),
                )
            )
        for node, info in found.items():
            wrong = {
                figure: (getattr(info, figure), value)
                for figure, value in expected_figures.items()
                if value is not None and value != getattr(info, figure)
            }
            if wrong:
                last_call = self.journal.last_about(name)
                raise AssertionError(messages.wrong_figures(name, node, wrong, last_call))
