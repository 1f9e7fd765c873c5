"""What a test lets befall one instance: no call, and nobody's fault but the test's."""

from typing import NoReturn

from pytest_fakehv.calls.callers import caller
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.inner import InnerNode
from pytest_fakehv.cluster.scope import View
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.interface.objects import InstanceLike, name_of
from pytest_fakehv.storage.locks import under_lock
from pytest_fakehv.text import listed, place_text, shown

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line


class Befalling(View):
    """One or more nodes, where instances meet with something."""

    def kill(self, instance: str | InstanceLike, *, node: str | BaseHypervisor | None = None) -> None:
        """Let an instance end by itself, as a guest's crash or the kernel's killer does.

        On one node, or with ``node``, what is there of it ends: of one that is migrating, also the part that
        the target has. Else all of it does.

        Args:
            instance: which, by name or as the object that the interface takes.
            node: where, by name or address or as itself; None for wherever it is, or on a node for that node.

        Raises:
            DeclarationError: there is no such instance or node, nothing of it is there, or it runs on several
                nodes that no migration explains; the message says where it is.
            HypervisorError: its file can't be removed: it runs on.
        """
        self._kill(name_of(instance), self._scope.own_node_name(node))

    # Inside

    @under_lock
    def _kill(self, name: str, where: str | None) -> None:
        shared, place = self._scope.shared, place_text(*caller(1))
        shared.look()
        holders = self._holders("kill", name, where)
        if not (first := holders or self._half_arrived(name, where)):
            self._refuse_absent(name, where)
        for each in holders:
            with each.doing(f"kill {name} on {each.name}"):
                each.kill(name, place)
        for each in self._half_arrived(name, where):  # what has failed with its source has no more there
            each.kill(name, place)
        shared.chronicle.did("kill", node=first[0].name, instance=name)

    def _seen(self, where: str | None) -> list[InnerNode]:
        return [each for each in self._scope.nodes if where in (None, each.name)]

    def _holders(self, deed: str, name: str, where: str | None) -> list[InnerNode]:
        """Return the nodes where an instance runs: one, or both of a migration, or none.

        Raises:
            DeclarationError: it runs on others, too.
        """
        found = []
        for each in self._seen(where):
            with each.doing(f"{deed} {name} on {each.name}"):
                if each.holds(name):
                    found.append(each)
        names = [each.name for each in found]
        if len(found) > 1 and not self._scope.shared.traffic.is_between(name, names):
            raise DeclarationError(
                f"{shown(name)} runs on {' and '.join(names)}; say with node= which one is meant"
            )
        return found

    def _half_arrived(self, name: str, where: str | None) -> list[InnerNode]:
        """Return the nodes that have some or all of an instance that is on its way to them."""
        runs = self._scope.shared.traffic.open_runs
        targets = {each.target_name for each in runs if each.instance == name and each.is_half_arrived}
        return [each for each in self._seen(where) if each.name in targets]

    def _refuse_absent(self, name: str, where: str | None) -> NoReturn:
        """Say that an instance is not where a test looks for it, and where it is."""
        scope, nodes = self._scope, self._seen(where)
        if not nodes:
            raise DeclarationError(f"{where} is no longer in the cluster")
        scope.check_instance(name)
        alone = nodes[0] if where or scope.own_name else None
        if alone and alone.why_nothing_runs:
            raise DeclarationError(f"{alone.name} {alone.why_nothing_runs}")
        if elsewhere := [each.name for each in scope.everywhere if each.has_file(name)]:
            where = f"not run on {nodes[0].name}, but on {listed(elsewhere)}"
            raise DeclarationError(f"{shown(name)} does {where}")
        there = [each for node in nodes for each in node.instance_names]
        raise DeclarationError(scope.why_not(name, there, where=where))
