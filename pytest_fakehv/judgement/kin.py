"""Which names one and the same instance has had, and that it does not run by two of them."""

from collections.abc import Mapping

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.interface.constants import STARTS
from pytest_fakehv.judgement.departures import Departure
from pytest_fakehv.judgement.violations import Violation
from pytest_fakehv.migration.run import Run
from pytest_fakehv.storage.locks import Lock
from pytest_fakehv.text import listed, printable


class Kin:
    """The names of instances that were called something else, until one is another instance's.

    Args:
        where: on which nodes each instance runs that does, by name; it is looked at, and never changed.
        lock: the cluster's.
    """

    def __init__(self, where: Mapping[str, tuple[str, ...]], lock: Lock) -> None:
        self._where = where
        self._lock = lock
        self._others: dict[str, set[str]] = {}

    def becomes(self, instance: str, name: str) -> None:
        """Note that an instance is called something else from now on."""
        with self._lock:
            kin = self._others.get(instance, {instance}) | self._others.get(name, {name})
            self._others.update(dict.fromkeys(kin, kin))

    def parts(self, name: str) -> None:
        """Note that a name is another instance's from now on."""
        if self._others:
            with self._lock:
                self._others.pop(name, set()).discard(name)

    def other_name(self, instance: str) -> str | None:
        """Return by which other name an instance runs that doesn't by its own; None if by none."""
        if not self._others or instance in self._where:
            return None
        return next((each for each in sorted(self._others.get(instance, ())) if each in self._where), None)

    def departure(self, instance: str) -> Departure | None:
        """Return what has become of an instance that runs by another name; None if it doesn't."""
        if other := self.other_name(instance):
            places = self._where[other]
            return Departure(places[0], f"runs on {listed(places)} as {printable(other)}")
        return None

    def split(self, run: Run | None, call: Call | None) -> list[Violation]:
        """Return what is wrong with an instance that runs on after its migration, by its other name, too."""
        if not self._others or run is None or run.open_nodes or run.instance not in self._where:
            return []
        name = run.instance
        found = []
        for other in sorted(self._others.get(name, ())):
            if other != name and other in self._where:
                here, there = self._where[name], self._where[other]
                what = (
                    f"{printable(name)} ran on {listed(here)}, and on {listed(there)} as {printable(other)}"
                )
                nodes = tuple(dict.fromkeys([*here, *there]))
                found.append(
                    Violation(invariant="split-brain", what=what, instance=name, nodes=nodes, call=call)
                )
        return found

    def doubled(self, node: str, instance: str, call: Call | None) -> list[Violation]:
        """Return what is wrong with an instance that begins to run on a node, by a call or by none."""
        if not (other := self.other_name(instance)) or call is None or call.method not in STARTS:
            return []
        places = self._where[other]
        ran = f"it ran on {listed(places)} as {printable(other)}"
        what = f"{printable(instance)} was started on {node} while {ran}"
        nodes = tuple(dict.fromkeys([*places, node]))
        return [Violation(invariant="double-start", what=what, instance=instance, nodes=nodes, call=call)]
