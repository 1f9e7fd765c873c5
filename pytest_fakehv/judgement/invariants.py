"""What must hold of a cluster: seen as it happens, and looked at again when somebody asks.

It only watches. Whatever an instance's file says of itself, it runs where its file is; what other programs
do to the files is believed, and blamed on nobody.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from pytest_fakehv.calls.journal import Call, Journal
from pytest_fakehv.interface.constants import STARTS, STOPS
from pytest_fakehv.judgement.apart import Apart
from pytest_fakehv.judgement.departures import Departure, Gone, vanished
from pytest_fakehv.judgement.ends import Ends
from pytest_fakehv.judgement.kin import Kin
from pytest_fakehv.judgement.told import Told
from pytest_fakehv.judgement.violations import Invariant, Violation, by_itself
from pytest_fakehv.migration.run import Run
from pytest_fakehv.migration.traffic import Traffic
from pytest_fakehv.storage.locks import Lock, under_lock
from pytest_fakehv.text import listed, printable

__tracebackhide__ = True  # a wrong call is shown at the line that made it


class Watcher:
    """Follows where instances run in one cluster, and what is wrong with that.

    Args:
        traffic: the cluster's migrations.
        journal: the cluster's calls, which know what their callers were told.
        current_call: returns the call that the asking thread is in, if any.
        lock: the cluster's: whoever tells of what happens holds it, so that it is told in order.

    Attributes:
        events: how much has happened so far, a count.
        is_there: tells of a node and an instance whether that has a file there now.
        is_paused: tells of a node and an instance that is there whether it is paused.
        apart: which instances must not meet.
        kin: which machines have had several names.
        ends: what is wrong with how migrations are finalized.
    """

    def __init__(
        self, traffic: Traffic, journal: Journal, current_call: Callable[[], Call | None], lock: Lock
    ) -> None:
        self._traffic = traffic
        self._told = Told(journal)
        self._current_call = current_call
        self._lock = lock
        self._where: dict[str, tuple[str, ...]] = {}
        self._alone: dict[str, tuple[str, ...]] = {}
        # What runs nowhere any more; and what took it, where that was no call.
        self._departed: dict[str, Departure | None] = {}
        self._gone: dict[str, Gone] = {}
        self._overtaken: dict[str, Call] = {}  # by which start, what was on its way
        self._anew: dict[str, Call] = {}  # by which start, what its source had lost before it was finalized
        self._accepted: dict[tuple[str, str], Call | None] = {}
        self._split: dict[str, set[str]] = {}
        self._seen: list[Violation] = []
        self._forgotten: set[tuple[str, str]] = set()
        self._stopped: set[tuple[str, str]] = set()
        self.events = 0
        self.is_there: Callable[[str, str], bool] = lambda _node, _instance: True
        self.is_paused: Callable[[str, str], bool] = lambda _node, _instance: False
        self.apart = Apart()
        self.kin = Kin(self._where, traffic)
        self.ends = Ends(traffic, self._told, current_call)

    @property
    def known(self) -> set[str]:
        """The names of all instances that ever ran."""
        return {*self._where, *self._departed}

    def knows(self, instance: str) -> bool:
        """Tell whether an instance ever ran."""
        return instance in self._where or instance in self._departed

    def departure(self, instance: str) -> Departure | None:
        """Return what took an instance that runs nowhere; None if that was a call, or is not known."""
        taken = None if instance in self._where else self._departed.get(instance)
        return taken or self.kin.departure(instance)

    # What happens

    def appeared(self, node: str, instance: str, call: Call | None) -> None:
        """Note that an instance runs on a node from now on, by a call or by none."""
        with self._lock:
            self.events += 1
            if self._gone or self._traffic.open_of(instance):  # which is rare
                if call and call.method in STARTS:
                    self._starts(node, instance, call)
                self._gone.pop(instance, None)
            if self._stopped:
                self._stopped.discard((node, instance))
            if self.ends.killed:
                self.ends.killed.discard((node, instance))
            if instance in self._where:  # it runs somewhere else, which is rare
                self._appeared_again(node, instance, call)
            else:
                self._arrive_alone(node, instance)
                self._seen += self.kin.appeared(node, instance, call)
            if self.apart.others and call:  # what the test itself, or a script, brings together may be so
                self._seen += self.apart.broken(node, instance, call, self.is_there)

    def _starts(self, node: str, instance: str, call: Call) -> None:
        """See whether an instance is started that is on its way, and nobody was told that it won't arrive."""
        gone = self._gone.get(instance)
        target, since = (
            (gone.target if gone.is_on_its_way else None, gone.call)
            if gone
            else self._awaiting(instance, call)
        )
        if target is None or self._told.has_failed("FinalizeMigrationDst", target, instance, since):
            return
        run = self._traffic.arriving(target, instance)
        if run and self._told.lie("FinalizeMigrationDst", target, instance, run.call):
            return  # as far as anybody knows, it has arrived, and ended there
        what = f"{printable(instance)} was started on {node} while it was on its way to {target}"
        self._saw("double-start", what, instance, dict.fromkeys([target, node]), call)
        self._overtaken[instance] = call

    def _awaiting(self, instance: str, call: Call) -> tuple[str | None, Call | None]:
        """Return which target awaits what is started anew, and the call that began that migration, if any.

        It has completed, and its source has lost the instance since. As with an abort, who has looked at the
        target may start it; but not where a host has asked by itself, whose target shows what it awaits.
        """
        runs = () if instance in self._where else self._traffic.open_of(instance)
        for run in (each for each in runs if each.awaits_target):
            told = self._told.completed(run)
            if told or run.is_known_sent:
                self._anew[instance] = call
                has_looked = told is not None and self._told.has_looked(run, told)
                return None if has_looked else run.target_name, run.call
        return None, None

    def _appeared_again(self, node: str, instance: str, call: Call | None) -> None:
        self._leave_to_others(instance, but=node)
        others = self._arrive(node, instance)
        if call and call.method in STARTS:  # what has gone on elsewhere, and is left paused, runs no more
            left = self._left_paused(instance, for_good=True)
            others = [each for each in others if each not in left]
        if not others:
            return
        if self._is_handover(node, instance, others, call):
            if instance in self._split:
                self._split[instance].add(node)  # no other split than before
            return
        if call and call.method in STARTS:
            what = f"{printable(instance)} was started on {node} while it ran on {listed(others)}"
            self._saw("double-start", what, instance, [*others, node], call)
        elif call:  # who started what was on its way has split it, not who let it arrive
            call = self._overtaken.pop(instance, call)
        self._saw_split(instance, call)

    def _leave_to_others(self, instance: str, *, but: str | None = None) -> None:
        """Note where another program has taken an instance away, as `look` does; but for one node, if any."""
        for each in self._where.get(instance, ()):
            if each != but and not self.is_there(each, instance):
                self._forget(each, instance)
                self._stopped.add((each, instance))

    def met(self, node: str, instance: str) -> None:
        """Note that an instance was on a node when it was to arrive there, as `look` does."""
        with self._lock:
            if node not in self._where.get(instance, ()):
                self._leave_to_others(instance)
                self._find(node, instance)

    def disappeared(self, node: str, instance: str, call: Call | None) -> None:
        """Note that an instance no longer runs on a node, by a call or by none."""
        with self._lock:
            self.events += 1
            if node not in self._where.get(instance, ()):  # another program had put it there
                if call is None or call.method in STOPS:
                    self._gone.pop(instance, None)
                return
            self._leave_to_others(instance, but=node)
            self._forget(node, instance)
            if call is None or call.method in STOPS:
                self._stopped.add((node, instance))
                return
            if instance in self._where or self.kin.runs_elsewhere(node, instance):
                return
            run = self._traffic.leaving(node, instance) if call.method == "FinalizeMigrationSource" else None
            if run is None or not self._is_excused(run):
                self._gone[instance] = Gone(
                    node,
                    call,
                    run.target_name if run else None,
                    has_arrived=run is not None and run.finalized_on_target is True,
                    is_on_its_way=run is not None and self._told.may_arrive(run),
                )

    def stopped(self, node: str, instance: str) -> None:
        """Note that an instance was stopped, by whatever call."""
        place = (node, instance)
        if place in self._stopped and instance not in self._gone:  # seen when it disappeared
            return
        with self._lock:
            self._stopped.add(place)
            if instance in self._gone and self._gone[instance].node == node:
                del self._gone[instance]

    def lost(self, instance: str) -> None:
        """Note that an instance has left its source, or did so before, by what the test itself wanted."""
        with self._lock:
            self._gone.pop(instance, None)

    def killed(self, node: str, instance: str, place: str) -> None:
        """Note that what there was of an instance on a node was killed by the test, and where it did that."""
        with self._lock:
            self._lost_on_its_way(instance, node)
            self.ends.killed.add((node, instance))
            run = self._traffic.arriving(node, instance)
            if run and node in run.lost_nodes:  # whose finalize there will be refused
                self._accepted.pop((node, instance), None)
            if instance not in self._where and not self._departed.get(instance):
                self._departed[instance] = Departure(node, f"was killed on {node} at {place}")

    def taken_along(self, node: str, instance: str) -> None:
        """Note that an instance is gone with what is left of its node, which goes down."""
        with self._lock:
            self.events += 1
            if node in self._where.get(instance, ()):
                self._forget(node, instance, took_it=True)

    @under_lock
    def went_down(self, node: str) -> None:
        """Note that whatever ran on a node, or was on its way there, is gone, and nobody's fault."""
        self.events += 1
        for instance in [each for each, places in self._where.items() if node in places]:
            self._forget(node, instance, took_it=True)
        for instance in list(self._gone):
            self._lost_on_its_way(instance, node)
        for place in [each for each in self._accepted if each[0] == node]:
            del self._accepted[place]
            self._forgotten.add(place)

    def _lost_on_its_way(self, instance: str, node: str) -> None:
        """Note that a node has lost an instance, which has not vanished if it was on its way there."""
        if (gone := self._gone.get(instance)) and gone.is_on_its_way and gone.target == node:
            del self._gone[instance]

    def accepted(self, node: str, instance: str) -> None:
        """Note that a node is ready for an instance."""
        with self._lock:
            self._accepted[node, instance] = self._current_call()
            self._forgotten.discard((node, instance))
            self.events += 1

    def accepted_on(self, node: str) -> list[str]:
        """Return the names of the instances that a node is ready for."""
        return [instance for place, instance in self._accepted if place == node]

    def has_accepted(self, node: str, instance: str) -> bool:
        """Tell, as a migration begins, whether its target is ready for it.

        One that went down since counts once: whoever drives the migration can't know of that.
        """
        with self._lock:
            ready = (node, instance) in self._accepted or (node, instance) in self._forgotten
            self._forgotten.discard((node, instance))
            return ready or self._told.has_accepted(node, instance)

    def finalized(
        self, node: str, instance: str, run: Run | None, wrong: Violation | None, *, is_target: bool
    ) -> None:
        """Note that a migration was finalized on a node, with success or not, and what is wrong with that."""
        with self._lock:
            if wrong:
                self._seen.append(wrong)
            if is_target:
                self._accepted.pop((node, instance), None)
                self._forgotten.discard((node, instance))
                if instance in self._gone and self._gone[instance].target == node:
                    self._gone[instance] = replace(self._gone[instance], is_on_its_way=False)
            self._meets_kin(run)
            if run and not run.open_nodes:
                self._meets_itself(instance)

    def resumed(self, node: str, instance: str) -> None:
        """Note that an instance runs again that was paused on a node, perhaps since its migration."""
        with self._lock:
            run = self._traffic.leaving(node, instance)
            if run:
                run.is_left_paused = False
            self._meets_kin(run)
            others = [each for each in self._where.get(instance, ()) if each != node]
            if not all(self.is_paused(each, instance) for each in others):
                self._meets_itself(instance)

    def _meets_kin(self, run: Run | None) -> None:
        self._seen += self.kin.split(run, self._current_call())

    def _meets_itself(self, instance: str) -> None:
        if len(self._where.get(instance, ())) > 1:
            self._leave_to_others(instance)
            places = self._where.get(instance, ())
            runs = self._traffic.open_of(instance)
            is_split = len({*places} - self._left_paused(instance)) > 1
            if is_split and not any(run.is_between(places) for run in runs):
                self._saw_split(instance, self._current_call())

    def _left_paused(self, instance: str, *, for_good: bool = False) -> set[str]:
        """Return where a migration has left an instance paused by itself: that counts once it is resumed.

        Args:
            instance: its name.
            for_good: whether only what has run on the target since counts.
        """
        runs = [self._traffic.leaving(node, instance) for node in self._where.get(instance, ())]
        return {
            run.source_name
            for run in runs
            if run
            and run.is_left_paused
            and (run.finalized_on_target or run.is_postcopy or not for_good)
            and self.is_paused(run.source_name, instance)
        }

    # What is wrong

    @under_lock
    def violations(self, unreachable: Collection[str]) -> list[Violation]:
        """Return what was wrong at its time, and what is wrong now.

        Args:
            unreachable: the nodes that no program could call now.
        """
        found = self._seen + [
            vanished(instance, gone)
            for instance, gone in self._gone.items()
            if not (gone.is_on_its_way and gone.target in unreachable)
        ]
        return found + _unfinished(self._traffic.open_runs, self._accepted, unreachable)

    @under_lock
    def look(self, list_files: Callable[[], Mapping[str, Iterable[str]]]) -> None:
        """Take note of what other programs have done to the files: nobody is blamed for what they took.

        Args:
            list_files: returns the names of the instances that have files, by node.
        """
        there = {node: set(instances) for node, instances in list_files().items()}
        for instance, places in list(self._where.items()):
            for node in [each for each in places if each in there and instance not in there[each]]:
                self._forget(node, instance)
                self._stopped.add((node, instance))
        for node, instances in there.items():
            for instance in sorted(instances):
                if node not in self._where.get(instance, ()):
                    self._find(node, instance)

    def _find(self, node: str, instance: str) -> None:
        """Note that an instance is on a node, where another program has put it."""
        self._gone.pop(instance, None)
        self._stopped.discard((node, instance))
        self.ends.killed.discard((node, instance))
        if self._arrive(node, instance):
            self._saw_split(instance, None)

    def _arrive(self, node: str, instance: str) -> list[str]:
        """Note that an instance is on a node, and return the others where it is."""
        others = [each for each in self._where[instance] if each != node] if instance in self._where else []
        if others:
            self._where[instance] = (*others, node)
        else:
            self._arrive_alone(node, instance)
        return others

    def _arrive_alone(self, node: str, instance: str) -> None:
        # Of a million that each run on one node, all those of a node share a tuple.
        self._where[instance] = self._alone.setdefault(node, (node,))

    def _forget(self, node: str, instance: str, *, took_it: bool = False) -> None:
        """Note that an instance is no longer on a node, which may have gone down."""
        places = self._where.pop(instance)
        if instance in self._split:
            self._split[instance].discard(node)
        if len(places) > 1:
            self._where[instance] = tuple(each for each in places if each != node)
        else:
            self._departed[instance] = Departure(node, f"went down with {node}") if took_it else None
            self._overtaken.pop(instance, None)
            self._anew.pop(instance, None)
        self.kin.ended(node, instance)

    def _is_handover(self, node: str, instance: str, others: list[str], call: Call | None) -> bool:
        """Tell whether an instance may run on two nodes until the source's finalize, or is split already."""
        run = self._traffic.arriving(node, instance)
        if run is None or call is None or call.method != "FinalizeMigrationDst":
            return False
        start = self._anew.get(instance)
        if start and run.call and run.call.number < start.number:  # it is not what the source had then
            return False
        source = {run.source_name} if run.finalized_on_source is None else set()
        source |= self._left_paused(instance)
        return self._split.get(instance, set()).issuperset({*others} - source)

    def _is_excused(self, run: Run) -> bool:
        """Tell whether an instance that left its source was stopped on the target, or is nobody's fault."""
        return run.finalized_on_source is None and (
            run.target is None  # nothing is known of what happens there
            or run.was_lost_on_target
            or (run.finalized_on_target is True and (run.target_name, run.name_there) in self._stopped)
        )

    def _saw_split(self, instance: str, call: Call | None) -> None:
        left = self._left_paused(instance)
        nodes = [each for each in self._where[instance] if each not in left]
        if len(nodes) == 1 or self._split.get(instance) == set(nodes):
            return  # what is left paused is not met by another one; or it was seen when it began
        self._split[instance] = set(nodes)
        what = f"{printable(instance)} ran on {' and '.join(nodes)} at once{by_itself(call)}"
        self._saw("split-brain", what, instance, nodes, call)

    def _saw(
        self, invariant: Invariant, what: str, instance: str, nodes: Iterable[str], call: Call | None
    ) -> None:
        self._seen.append(
            Violation(invariant=invariant, what=what, instance=instance, nodes=tuple(nodes), call=call)
        )


def _unfinished(
    open_runs: Iterable[Run], accepted: Mapping[tuple[str, str], Call | None], unreachable: Collection[str]
) -> list[Violation]:
    found = []
    begun = set()
    for run in open_runs:
        name = printable(run.instance)
        if run.target_name in run.open_nodes:
            begun.add((run.target_name, run.instance))
        sides = [node for node in run.open_nodes if node not in unreachable]
        if sides:
            what = (
                f"the migration of {name} from {run.source_name} to {printable(run.target_name)} "
                f"is not finalized on {listed(sides)}"
            )
            found.append(_unfinished_one(what, run.instance, sides, run.call))
    for (node, instance), call in accepted.items():
        if (node, instance) not in begun and node not in unreachable:
            what = f"{printable(instance)} was accepted on {node} and neither migrated nor aborted"
            found.append(_unfinished_one(what, instance, [node], call))
    return found


def _unfinished_one(what: str, instance: str, nodes: Iterable[str], call: Call | None) -> Violation:
    return Violation(invariant="unfinished", what=what, instance=instance, nodes=tuple(nodes), call=call)
