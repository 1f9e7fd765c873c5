"""What a test asserts, of a node or of a whole cluster."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pytest_fakehv.engine import explain
from pytest_fakehv.engine.journal import Journal
from pytest_fakehv.engine.objects import InstanceLike, InstanceSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_fakehv.engine.hypervisor import FakeHypervisor


__tracebackhide__ = True  # a failed assertion is shown at the test's own line


class Assertions(ABC):
    """Assertions on the state of one or more nodes.

    Each raises `AssertionError` with a message that says what was expected, what is, and where to look
    next. They read the files, but are no calls of the interface and leave no trace in the journal.
    """

    declared: dict[str, InstanceSpec]

    @property
    @abstractmethod
    def journal(self) -> Journal:
        """The calls of the interface, in order."""

    @abstractmethod
    def _nodes(self) -> "Sequence[FakeHypervisor]":
        """Return the nodes that the assertions are about."""

    @abstractmethod
    def _other_nodes(self) -> "Sequence[FakeHypervisor]":
        """Return the nodes beside them, where a message may point to."""

    def describe(self) -> str:
        """Describe nodes, instances and the last calls, as the calls so far last saw them.

        Touches no file: a file that somebody else put there or took away may not be known yet.

        Returns:
            The text of a failed test's section.
        """
        views = [node.last_seen for node in self._nodes()]
        return explain.section(views, self.journal.last(explain.MOST_CALLS), len(self.journal))

    def assert_running(
        self, instance: str | InstanceLike, *, memory: int | None = None, vcpus: int | None = None
    ) -> None:
        """Assert that an instance runs and is not paused.

        Args:
            instance: which, by name or as the object that the interface takes.
            memory: what it must have now, in MiB; None for any.
            vcpus: how many virtual CPUs it must have; None for any.

        Raises:
            AssertionError: it does not run, is paused, or has other figures.
            HypervisorError: an instance's file is malformed or unreadable.
        """
        self._assert_state(instance, "running", memory=memory, vcpus=vcpus)

    def assert_paused(
        self, instance: str | InstanceLike, *, memory: int | None = None, vcpus: int | None = None
    ) -> None:
        """Assert that an instance was started and is paused.

        Args:
            instance: which, by name or as the object that the interface takes.
            memory: what it must have now, in MiB; None for any.
            vcpus: how many virtual CPUs it must have; None for any.

        Raises:
            AssertionError: it is not paused, or has other figures.
            HypervisorError: an instance's file is malformed or unreadable.
        """
        self._assert_state(instance, "paused", memory=memory, vcpus=vcpus)

    def assert_stopped(self, instance: str | InstanceLike) -> None:
        """Assert that an instance neither runs nor is paused.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            AssertionError: it runs or is paused.
            HypervisorError: an instance's file is malformed or unreadable.
        """
        self._assert_state(instance, "stopped")

    def _assert_state(
        self,
        instance: str | InstanceLike,
        expected: str,
        *,
        memory: int | None = None,
        vcpus: int | None = None,
    ) -> None:
        name = instance if isinstance(instance, str) else instance.name
        found = {node.name: info for node in self._nodes() if (info := node.instance_info(name))}
        states = {explain.state_of(info) for info in found.values()} or {explain.state_of(None)}
        if states != {expected}:
            raise AssertionError(
                explain.wrong_state(
                    name,
                    expected=expected,
                    found=found,
                    nodes={node.name: node.instance_names for node in self._nodes()},
                    elsewhere={
                        node.name: info for node in self._other_nodes() if (info := node.instance_info(name))
                    },
                    known=self.declared,
                    last_call=self.journal.last_about(name),
                )
            )
        expected_figures = {"memory": memory, "vcpus": vcpus}
        for node, info in found.items():
            wrong = {
                figure: (getattr(info, figure), value)
                for figure, value in expected_figures.items()
                if value is not None and value != getattr(info, figure)
            }
            if wrong:
                last_call = self.journal.last_about(name)
                raise AssertionError(explain.wrong_figures(name, node, wrong, last_call))
