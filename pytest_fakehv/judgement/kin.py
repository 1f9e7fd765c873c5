"""Which machine each instance is, whatever it is called, and that none runs by two names."""

from collections.abc import Mapping

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.interface.constants import STARTS
from pytest_fakehv.judgement.departures import Departure
from pytest_fakehv.judgement.violations import Violation, by_itself
from pytest_fakehv.migration.run import Run
from pytest_fakehv.migration.traffic import Traffic
from pytest_fakehv.text import listed, printable


class Kin:
    """The machines that a migration has called something else: by which of their names each runs, and where.

    A front knows a machine by its UUID, whatever it is called. Where none has said which one runs on a node,
    it is the one that was called so last. Whoever tells of anything holds the cluster's lock.

    Args:
        where: on which nodes each instance runs that does, by name; it is looked at, and never changed.
        traffic: the cluster's migrations.
    """

    def __init__(self, where: Mapping[str, tuple[str, ...]], traffic: Traffic) -> None:
        self._where = where
        self._traffic = traffic
        self._called: dict[str, bytes] = {}
        self._runs: dict[tuple[str, str], bytes] = {}
        self._names: dict[bytes, set[str]] = {}
        self._split: set[bytes] = set()

    def called(self, instance: str, uuid: bytes) -> None:
        """Note that a machine is called by a name that may have been another one's."""
        self._called[instance] = uuid

    def runs(self, node: str, instance: str, uuid: bytes) -> None:
        """Note which machine it is that begins to run on a node by a name."""
        self._runs[node, instance] = uuid

    def becomes(self, node: str, instance: str, name: str, uuid: bytes) -> None:
        """Note that a machine that has migrated to a node is called something else there."""
        self._names.setdefault(uuid, {instance}).add(name)
        self._runs[node, name] = uuid

    def ended(self, node: str, instance: str) -> None:
        """Note that an instance runs on a node no more."""
        if self._split:
            uuid = self._machine(node, instance)
            if len(self._places(uuid)) <= 1:
                self._split.discard(uuid)

    def runs_elsewhere(self, node: str, instance: str) -> bool:
        """Tell whether what has run on a node by a name runs anywhere by whichever."""
        return bool(self._names and self._places(self._machine(node, instance)))

    def departure(self, instance: str) -> Departure | None:
        """Return what has become of an instance that runs by another name alone; None if it doesn't."""
        running = self._running(self._called.get(instance, b""))
        if not running or instance in running:
            return None
        name, nodes = next(iter(running.items()))
        return Departure(nodes[0], f"runs on {listed(nodes)} as {printable(name)}")

    def split(self, run: Run | None, call: Call | None) -> list[Violation]:
        """Return what is wrong with a machine that runs by two names after a migration of it, unless seen."""
        if not self._names or run is None or run.open_nodes:
            return []
        uuid = self._machine(run.source_name, run.instance)
        places = self._places(uuid)
        if len(places) > 1 and any(each.places == places for each in self._traffic.open_runs):
            return []
        return self._parted(uuid, run.instance, call)

    def appeared(self, node: str, instance: str, call: Call | None) -> list[Violation]:
        """Return what is wrong with an instance that has begun to run on a node, by a call or by none."""
        if not self._names or (uuid := self._machine(node, instance)) not in self._names:
            return []
        self._names[uuid].add(instance)
        if call is None or by_itself(call):
            return self._parted(uuid, instance, call)
        running = self._running(uuid)
        del running[instance]  # of the same name, there is no other
        if not running or call.method not in STARTS:
            return []
        self._split.add(uuid)
        what = f"{printable(instance)} was started on {node} while it ran {_said(running)}"
        nodes = tuple(dict.fromkeys([*_nodes(running), node]))
        return [Violation(invariant="double-start", what=what, instance=instance, nodes=nodes, call=call)]

    def _parted(self, uuid: bytes, instance: str, call: Call | None) -> list[Violation]:
        """Return that a machine runs by several names, the first of which is an instance's; once."""
        running = self._running(uuid)
        if len(running) <= 1 or uuid in self._split:
            return []
        self._split.add(uuid)
        first = instance if instance in running else next(iter(running))
        running = {first: running.pop(first), **running}
        here = listed(running[first])
        others = {name: nodes for name, nodes in running.items() if name != first}
        what = f"{printable(first)} ran on {here}, and {_said(others)}{by_itself(call)}"
        nodes = tuple(dict.fromkeys(_nodes(running)))
        return [Violation(invariant="split-brain", what=what, instance=first, nodes=nodes, call=call)]

    def _machine(self, node: str, instance: str) -> bytes:
        return self._runs.get((node, instance)) or self._called.get(instance, b"")

    def _running(self, uuid: bytes) -> dict[str, list[str]]:
        """Return on which nodes a machine runs, by its names there."""
        found = {
            name: [node for node in self._where.get(name, ()) if self._machine(node, name) == uuid]
            for name in sorted(self._names.get(uuid, ()))
        }
        return {name: nodes for name, nodes in found.items() if nodes}

    def _places(self, uuid: bytes) -> set[tuple[str, str]]:
        return {(node, name) for name, nodes in self._running(uuid).items() for node in nodes}


def _said(running: Mapping[str, list[str]]) -> str:
    return ", and ".join(f"on {listed(nodes)} as {printable(name)}" for name, nodes in running.items())


def _nodes(running: Mapping[str, list[str]]) -> list[str]:
    return [node for nodes in running.values() for node in nodes]
