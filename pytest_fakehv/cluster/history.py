"""What a test asserts of the past: which migrations and calls there were, and how they went."""

from collections.abc import Callable
from typing import Any, Final, Unpack

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.calls.selection import Selection
from pytest_fakehv.checks import DeclarationError, check_amount, check_choice
from pytest_fakehv.cluster.scope import View
from pytest_fakehv.interface.contract import BaseHypervisor, check_method
from pytest_fakehv.interface.objects import InstanceLike, name_of
from pytest_fakehv.interface.resources import ResourceOptions
from pytest_fakehv.judgement import messages
from pytest_fakehv.keywords import takes
from pytest_fakehv.migration.record import Migration
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a failed assertion is shown at the test's own line

Step = str | tuple[str, str | BaseHypervisor]
"""A method's name; or that and the node that it was called on."""

_A_METHOD_AND_A_NODE: Final = 2


class History(View):
    """Assertions on the migrations and the calls of one or more nodes.

    A node is given by its name or its address or as itself, an instance by its name or as the object that the
    interface takes.
    """

    # Migrations

    def assert_migrated(
        self,
        instance: str | InstanceLike,
        *,
        source: str | BaseHypervisor | None = None,
        target: str | BaseHypervisor | None = None,
        live: bool | None = None,
    ) -> None:
        """Assert that an instance migrated: it was finalized with success on both nodes.

        Args:
            instance: which, by name or as the object that the interface takes.
            source: the node that it left; None for any.
            target: the node that it moved to; None for any.
            live: whether it kept running meanwhile; None for either.

        Raises:
            AssertionError: no such migration did.
            DeclarationError: there never was such a node.
        """
        self._assert_migration(
            instance, "did not migrate", lambda each: each.migrated, source=source, target=target, live=live
        )

    def assert_migration_failed(
        self,
        instance: str | InstanceLike,
        *,
        source: str | BaseHypervisor | None = None,
        target: str | BaseHypervisor | None = None,
        live: bool | None = None,
    ) -> None:
        """Assert that a migration of an instance began and failed, as its status said.

        Args:
            instance: which, by name or as the object that the interface takes.
            source: the node that it was to leave; None for any.
            target: the node that it was to move to; None for any.
            live: whether it was to keep running meanwhile; None for either.

        Raises:
            AssertionError: no such migration did.
            DeclarationError: there never was such a node.
        """
        self._assert_migration(
            instance,
            "has no failed migration",
            lambda each: each.outcome == "failed",
            source=source,
            target=target,
            live=live,
        )

    def assert_migration_cancelled(
        self,
        instance: str | InstanceLike,
        *,
        source: str | BaseHypervisor | None = None,
        target: str | BaseHypervisor | None = None,
        live: bool | None = None,
    ) -> None:
        """Assert that a migration of an instance began and was cancelled, or aborted under way.

        Args:
            instance: which, by name or as the object that the interface takes.
            source: the node that it was to leave; None for any.
            target: the node that it was to move to; None for any.
            live: whether it was to keep running meanwhile; None for either.

        Raises:
            AssertionError: no such migration was.
            DeclarationError: there never was such a node.
        """
        self._assert_migration(
            instance,
            "has no cancelled migration",
            lambda each: each.outcome == "cancelled",
            source=source,
            target=target,
            live=live,
        )

    def assert_not_migrated(
        self,
        instance: str | InstanceLike,
        *,
        source: str | BaseHypervisor | None = None,
        target: str | BaseHypervisor | None = None,
        live: bool | None = None,
    ) -> None:
        """Assert that no migration of an instance moved it, nor is one under way.

        Args:
            instance: which, by name or as the object that the interface takes.
            source: the node that it must not have left; None for any.
            target: the node that it must not have moved to; None for any.
            live: whether it would have kept running meanwhile; None for either.

        Raises:
            AssertionError: one did, or is under way.
            DeclarationError: there never was such a node.
        """
        name = name_of(instance)
        self._scope.check_instance(name)
        matching = self._matching(name, source=source, target=target, live=live)
        unwanted = [each for each in matching if each.migrated or each.outcome == "active"]
        if unwanted:
            last_call = self.journal.last_about(name)
            raise AssertionError(messages.unwanted_migrations(name, unwanted, last_call))

    # Calls

    @takes(Selection)
    def assert_called(
        self,
        method: str,
        *,
        node: str | BaseHypervisor | None = None,
        instance: str | InstanceLike | None = None,
        times: int | None = None,
        **resources: Unpack[ResourceOptions],
    ) -> None:
        """Assert that a method of the interface was called.

        Args:
            method: its name.
            node: the node that it was called on; None for any.
            instance: the instance that it was about; None for any.
            times: how often; None for at least once.
            **resources: ``pool``, ``volume`` and ``network``, as in `fault`.

        Raises:
            AssertionError: it wasn't, or not so often.
            DeclarationError: there is no such method, or never was such a node.
        """
        if times is not None:
            check_amount("times", times, least=0)
        which = self._selection(method, node=node, instance=instance, **resources)
        calls = self._calls(which)
        if (times is None and not calls) or (times is not None and len(calls) != times):
            self._fail_calls(which, calls, times=times)

    @takes(Selection)
    def assert_not_called(
        self,
        method: str,
        *,
        node: str | BaseHypervisor | None = None,
        instance: str | InstanceLike | None = None,
        **resources: Unpack[ResourceOptions],
    ) -> None:
        """Assert that a method of the interface was not called.

        Args:
            method: its name.
            node: the node that it must not have been called on; None for any.
            instance: the instance that it must not have been about; None for any.
            **resources: ``pool``, ``volume`` and ``network``, as in `fault`.

        Raises:
            AssertionError: it was.
            DeclarationError: there is no such method, or never was such a node.
        """
        if instance is not None:
            self._scope.check_instance(name_of(instance))
        which = self._selection(method, node=node, instance=instance, **resources)
        if calls := self._calls(which):
            self._fail_calls(which, calls, times=0)

    @takes(Selection)
    def assert_call_order(
        self,
        *steps: Step,
        node: str | BaseHypervisor | None = None,
        instance: str | InstanceLike | None = None,
        **resources: Unpack[ResourceOptions],
    ) -> None:
        """Assert that calls came in an order; others may have come between them.

        Args:
            *steps: the methods' names, each alone or as (method, node).
            node: the node that those without one were called on; None for any.
            instance: the instance that all were about; None for any.
            **resources: ``pool``, ``volume`` and ``network``, as in `fault`: what all were about.

        Raises:
            AssertionError: they did not; the message says which one is missing, and after which.
            DeclarationError: there is no such method, or never was such a node.
        """
        before: Call | None = None
        for step in steps:
            given: object = step
            if not (
                isinstance(given, str) or (isinstance(given, tuple) and len(given) == _A_METHOD_AND_A_NODE)
            ):
                raise DeclarationError(f"a step is a method or (method, node), not {shown(step)}")
            method, where = (step, node) if isinstance(step, str) else step
            which = self._selection(method, node=where, instance=instance, **resources)
            calls = self._calls(which)
            found = next((each for each in calls if before is None or each.number > before.number), None)
            if found is None:
                raise AssertionError(messages.wrong_order(which, before=before, calls=calls))
            before = found

    # Inside

    def _assert_migration(
        self,
        instance: str | InstanceLike,
        problem: str,
        is_met: Callable[[Migration], bool],
        *,
        source: str | BaseHypervisor | None,
        target: str | BaseHypervisor | None,
        live: bool | None,
    ) -> None:
        name = name_of(instance)
        source, target = self._scope.node_name(source), self._scope.node_name(target)
        matching = self._matching(name, source=source, target=target, live=live)
        if any(map(is_met, matching)):
            return
        raise AssertionError(
            messages.wrong_migration(
                name,
                problem=problem + messages.direction(source, target, live=live),
                own=[each for each in self.migrations if each.instance == name],
                others=[each for each in self.migrations if each.instance != name],
                states={
                    node.name: info for node in self._scope.everywhere if (info := node.instance_info(name))
                },
                known=self._scope.shared.declared,
                last_call=self.journal.last_about(name),
            )
        )

    def _matching(
        self,
        name: str,
        *,
        source: str | BaseHypervisor | None,
        target: str | BaseHypervisor | None,
        live: bool | None,
    ) -> list[Migration]:
        if live is not None:
            check_choice("live", live, (True, False))
        left, reached = self._scope.node_name(source), self._scope.node_name(target)
        return [
            each
            for each in self.migrations
            if each.instance == name
            and left in (None, each.source)
            and reached in (None, each.target)
            and live in (None, each.live)
        ]

    def _selection(
        self,
        method: Any,
        *,
        node: str | BaseHypervisor | None,
        instance: str | InstanceLike | None,
        **resources: Unpack[ResourceOptions],
    ) -> Selection:
        """Say which calls are asked for.

        Raises:
            DeclarationError: there is no such method or node, or there can be no such call.
        """
        check_method(method)
        return Selection(
            method=method,
            node=self._scope.own_node_name(node),
            instance=None if instance is None else name_of(instance),
            **resources,
        )

    def _calls(self, which: Selection) -> list[Call]:
        return [call for call in self._scope.own_calls() if which.matches(call)]

    def _fail_calls(self, which: Selection, calls: list[Call], *, times: int | None) -> None:
        others = [call for call in self._scope.own_calls() if call not in calls]
        raise AssertionError(messages.wrong_calls(which, calls, times=times, others=others))
