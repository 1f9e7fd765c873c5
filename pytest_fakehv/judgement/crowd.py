"""How many migrations a node has at once: more than it takes, or more than a test wants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.checks import check_amount
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.interface.errors import RefusedError
from pytest_fakehv.judgement.invariants import Watcher
from pytest_fakehv.judgement.violations import Violation
from pytest_fakehv.migration.traffic import Traffic
from pytest_fakehv.text import listed

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it


@dataclass(frozen=True, kw_only=True)
class Most:
    """What a test wants a node to have at most: its marker's arguments.

    Args:
        migrations: so many at once, in and out together.
        node: which; None for each that none is said of.

    Raises:
        DeclarationError: the count is none.
    """

    migrations: int
    node: str | BaseHypervisor | None = None

    def __post_init__(self) -> None:
        """Check the count; whether there is such a node, the cluster knows."""
        check_amount("migrations", self.migrations, least=0)


class Node(Protocol):
    """What is to be known of a node."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def max_migrations(self) -> int | None:
        """How many it takes; None for any number."""


class Crowd:
    """The migrations that are under way on each node, in and out.

    One is under way on its target from the accept on, on its source from the migrate on, until it is
    finalized or aborted on that node; or until a node of it went down, or its instance was lost.
    Whoever asks, and then acts on it, holds the cluster's lock.

    Args:
        traffic: the cluster's migrations.
        watcher: knows which nodes are ready for which instances.
        current_call: returns the call that the asking thread is in, if any.

    Attributes:
        most: how many a test wants at most, by node; None for each other node.
        seen: where there were more.
    """

    def __init__(self, traffic: Traffic, watcher: Watcher, current_call: Callable[[], Call | None]) -> None:
        self._traffic = traffic
        self._watcher = watcher
        self._current_call = current_call
        self.most: dict[str | None, int] = {}
        self.seen: list[Violation] = []

    def enters(self, instance: str, *nodes: Node | None) -> Mapping[str, int]:
        """See whether nodes may have one more migration.

        Args:
            instance: whose it is: what a node has of this instance already counts once.
            *nodes: the nodes; None for one of which nothing is known.

        Returns:
            How many a test wants at most, by the nodes that will have more: for `entered` if it begins.

        Raises:
            RefusedError: a node doesn't take it.
        """
        crowded = {}
        for node in nodes:
            if node is None or (node.max_migrations is None and not self.most):
                continue
            here = self._under_way(node.name)
            if instance in here:
                continue
            if node.max_migrations is not None and len(here) >= node.max_migrations:
                raise RefusedError(
                    f"{node.name} takes {_migrations(node.max_migrations)} at once"
                    f"{f' and has {listed(here.values())}' if here else ''}"
                )
            most = self.most.get(node.name, self.most.get(None))
            if most is not None and len(here) >= most:
                crowded[node.name] = most
        return crowded

    def entered(self, instance: str, crowded: Mapping[str, int]) -> None:
        """Note that a migration is under way where a test does not want so many.

        Args:
            instance: whose.
            crowded: what `enters` has returned.
        """
        for node, most in crowded.items():
            here = self._under_way(node)
            self.seen.append(
                Violation(
                    invariant="crowded",
                    what=(
                        f"{node} had {_migrations(len(here))} at once, of at most {most}: "
                        f"{listed(here.values())}"
                    ),
                    instance=instance,
                    others=tuple(each for each in here if each != instance),
                    nodes=(node,),
                    call=self._current_call(),
                )
            )

    def _under_way(self, node: str) -> dict[str, str]:
        """Return in words which migrations a node has, by the instances' names."""
        runs = [run for run in self._traffic.open_runs if node in run.open_nodes]
        begun = {run.instance for run in runs if node == run.target_name}
        found = {
            instance: f"{instance} accepted"
            for instance in self._watcher.accepted_on(node)
            if instance not in begun
        }
        for run in runs:
            if not run.is_cut_short:
                way = f"from {run.source_name}" if node == run.target_name else f"to {run.target_name}"
                found[run.instance] = f"{run.instance} {way}"
        return found


def _migrations(count: int) -> str:
    return f"{count} migration{'' if count == 1 else 's'}"
