"""One node, or a whole cluster, as a test sees it: what setting the scene and asserting both build on."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from pytest_fakehv.calls.clock import Clock
from pytest_fakehv.calls.faults import Fault
from pytest_fakehv.calls.faultspec import FaultSpec
from pytest_fakehv.calls.journal import Call, Journal
from pytest_fakehv.calls.proxies import Referent
from pytest_fakehv.calls.selection import ANY
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.inner import InnerNode
from pytest_fakehv.cluster.shared import Shared
from pytest_fakehv.interface.constants import MethodName
from pytest_fakehv.interface.contract import BaseHypervisor, check_method, name_of_node
from pytest_fakehv.judgement import messages
from pytest_fakehv.judgement.violations import Violation
from pytest_fakehv.migration.record import Migration, Migrations
from pytest_fakehv.storage.locks import Lock, under_lock
from pytest_fakehv.story import rules, section
from pytest_fakehv.story.painter import paint
from pytest_fakehv.story.timeline import Timeline
from pytest_fakehv.text import listed, nearest, shown

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line


@dataclass(kw_only=True, eq=False, slots=True)
class Scope:
    """What a test looks at, and what is beside it.

    Attributes:
        shared: what all of the nodes have in common.
        own_name: the name of the one node that the test sees; None for a cluster.
        list_nodes: returns the nodes that the test sees.
        list_others: returns the nodes beside them, where a message may point to.
    """

    shared: Shared
    own_name: str | None
    list_nodes: Callable[[], Sequence[InnerNode]]
    list_others: Callable[[], Sequence[InnerNode]]

    @property
    def nodes(self) -> Sequence[InnerNode]:
        """The nodes that the test sees."""
        return self.list_nodes()

    @property
    def everywhere(self) -> Sequence[InnerNode]:
        """These, and those beside them."""
        return [*self.list_nodes(), *self.list_others()]

    # Names

    def name_of_node(self, given: str | BaseHypervisor) -> str:
        """Return the name, or the address, of a node that is given by that or as itself.

        Raises:
            DeclarationError: it is neither, or a node of another cluster.
        """
        name = name_of_node(given)
        if isinstance(given, BaseHypervisor) and getattr(given, "_shared", None) is not self.shared:
            raise DeclarationError(f"{shown(given)} is a node of another cluster")
        return name

    def node_name(self, node: str | BaseHypervisor | None) -> str | None:
        """Return the name of the node that a name or an address means, or a node has; None for None.

        Raises:
            DeclarationError: there never was such a node.
        """
        if node is None:
            return None
        given = self.name_of_node(node)
        if there := self._name_there(given):
            return there
        # One that was taken out of the cluster may still have a past.
        return given if self.shared.door.journal.calls(node=given) else self._refuse_node(given)

    def _name_there(self, given: str) -> str | None:
        """Return the name of the node of a name or an address; None if there is none now."""
        return next((each.name for each in self.everywhere if given in (each.name, each.address)), None)

    def _refuse_node(self, given: str) -> NoReturn:
        names = listed(each.name for each in self.everywhere)
        raise DeclarationError(f"no node is named {shown(given)}; there are: {names}")

    def own_node_name(self, given: str | BaseHypervisor | None) -> str | None:
        """Return the same, of a node that the test sees here.

        Raises:
            DeclarationError: it is another one, or there never was such a node.
        """
        name = self.node_name(given)
        if name is not None and self.own_name not in (None, name):
            raise DeclarationError(f"{self.own_name} knows of itself alone; ask the cluster of {name}")
        return name

    def check_instance(self, name: str) -> None:
        """Refuse the name of an instance that nobody ever declared, ran or asked for.

        What is said of such a one is true, and tests nothing.

        Raises:
            DeclarationError: it is unknown; the message has the nearest one.
        """
        declared, watcher = self.shared.declared, self.shared.watcher
        if name in declared or watcher.knows(name) or self.shared.door.journal.calls(instance=name):
            return
        known = {*declared, *watcher.known}
        there = f"there are: {listed(known)}" if known else "none is declared"
        for close in nearest(name, known):
            there = f"nearest: {close}"
        raise DeclarationError(f"no instance is named {shown(name)}; {there}")

    def why_not(self, name: object, others: Collection[str], *, where: str | None = None) -> str:
        """Say that an instance runs nowhere here, and what took it away.

        Args:
            name: which; anything will do.
            others: the names of what runs here.
            where: the name of the one node that counts; None for all that the test sees.
        """
        if not isinstance(name, str):
            return f"{shown(name)} is no instance's name"
        watcher, journal = self.shared.watcher, self.shared.door.journal
        return messages.absent(
            name,
            node=where or self.own_name,
            there=others,
            known=self.shared.declared,
            departure=watcher.departure(name),
            last_call=next((each for each in reversed(list(journal)) if each.instance == name), None),
        )

    def check_call(self, method: MethodName, node: str | BaseHypervisor | None) -> str | None:
        """Check the method and the node of a fault or a hold, and return the node's name.

        Raises:
            DeclarationError: there is no such method or node.
        """
        if method != ANY:
            check_method(method)
        return self.own_name if node is None else self.own_node_name(node)

    def crashing(self, crash: bool | str | BaseHypervisor) -> bool | str:
        """Return the name of the node that a fault takes down, any of the cluster; else what was given.

        Raises:
            DeclarationError: there is no such node.
        """
        if not isinstance(crash, str | BaseHypervisor):
            return crash
        given = self.name_of_node(crash)
        return self._name_there(given) or self._refuse_node(given)

    def inject(self, spec: FaultSpec, origin: str) -> Fault:
        """Put a fault in force.

        Args:
            spec: what it does.
            origin: where it was declared, in words.

        Raises:
            DeclarationError: there is no such method or node, or a delay can't be.
        """
        if spec.delay and self.shared.clock.mode == "function":
            raise DeclarationError("delay can't be: the clock follows a function, which no call makes go")
        node, crash = self.check_call(spec.method, spec.node), self.crashing(spec.crash)
        return self.shared.faults.add(replace(spec, node=node, crash=crash), origin)

    # What happened

    def own_calls(self) -> list[Call]:
        """Return the calls of the nodes that the test sees; of a cluster, all calls."""
        others = {node.name for node in self.list_others()}
        return [call for call in self.shared.door.journal if call.node not in others]

    def violations(self) -> list[Violation]:
        """Return which invariants do not hold, or did not at some time, and are not allowed to be broken."""
        shared, allowed = self.shared, self.shared.allowed
        shared.look()
        found = self._judged()
        for fault in shared.faults.unfired:
            what = messages.unfired(fault, shared.door.journal)
            found.append(Violation(invariant="unfired", what=what, fault=fault))
        for event in shared.clock._events.unmet:
            what = messages.never_due(event, shared.clock.now)
            found.append(Violation(invariant="unfired", what=what, event=event))
        return [
            each
            for each in found
            if allowed.isdisjoint(
                (each.invariant, name) for name in (None, each.instance, each.volume, *each.others)
            )
        ]

    def news(self) -> list[Violation]:
        """Return what does not hold, and was not wrong already when somebody last asked for news."""
        while self._raises():
            pass
        (known, _), found = self.shared.told, self.violations()
        self.shared.told = frozenset(each._identity for each in found), self.shared.pulse
        return [each for each in found if each._identity not in known]

    def _raises(self) -> bool:
        """Let what is due come about, and tell whether an event raised, which is among the halts then."""
        try:
            self.shared.look()
        except BaseException as error:
            if error not in self.shared.clock._halts:
                raise
            return True
        return False

    def halts(self) -> list[BaseException]:
        """Return what was raised to end a test since somebody last asked, whoever has caught it."""
        halts = self.shared.clock._halts
        return [halts.pop(0) for _ in range(len(halts))]

    @property
    def is_stirred(self) -> bool:
        """Whether anything happened since somebody last asked for news, other than to the files."""
        return self.shared.told[1] != self.shared.pulse

    @under_lock
    def _judged(self) -> list[Violation]:
        shared, nodes = self.shared, self.everywhere
        shared.watcher.look(self._files)
        unreachable = {node.name for node in nodes if node.unreachable}
        found = shared.watcher.violations(unreachable)
        found += shared.crowd.seen
        found += shared.ledger.violations(unreachable)
        if "orphaned" in shared.forbidden:
            found += shared.orphans
            found += [each for front in shared.fronts for each in front.orphans()]
        if otherwise := shared.door.migrated_otherwise():
            found = [
                each
                for each in found
                if each.invariant not in {"unearned", "unfinished"} or each.instance not in otherwise
            ]
        for node in nodes:
            if surplus := node.surplus():
                found.append(Violation(invariant="overcommit", what=surplus, nodes=(node.name,)))
        return found

    @property
    def _lock(self) -> Lock:
        return self.shared.lock

    def _files(self) -> dict[str, list[str]]:
        """Return the names of the instances that have files, by node; of what was never used, nothing."""
        listed = {node.name: node.file_names() for node in self.everywhere}
        return {node: names for node, names in listed.items() if names is not None}

    def timeline(self, violations: Collection[Violation]) -> Timeline:
        """Return what happened so far, without touching a file.

        Args:
            violations: the invariants that are known not to hold.
        """
        shared = self.shared
        with shared.lock:
            nodes, (calls, total) = _seen(self.everywhere), self._calls()
            (scene, events), runs = shared.chronicle.read(), list(shared.traffic.runs)
            scripts, faults = [*shared.traffic.scripts.every], shared.faults.every
            timed = [*shared.clock._events.every]
        return paint(
            nodes,
            calls=calls,
            total=total,
            scene=scene,
            events=events,
            runs=runs,
            violations=violations,
            rules=rules.told(scripts, faults, timed),
            clock=shared.clock.mode,
        )

    def describe(self, timeline: Timeline, *, most_calls: int = section.MOST_CALLS) -> str:
        """Return the text of a failed test's section, without touching a file.

        Args:
            timeline: what happened, which may know of violations.
            most_calls: how many of the last calls are listed.
        """
        shared = self.shared
        with shared.lock:
            nodes, (calls, total) = _seen(self.nodes), self._calls()
            migrations = shared.traffic.snapshots(self.own_name)
        return section.section(
            nodes,
            migrations=migrations,
            calls=calls,
            total=total,
            timeline=timeline,
            most_calls=most_calls,
        )

    def _calls(self) -> tuple[list[Call], int]:
        journal = self.shared.door.journal
        return list(journal), journal.total


def _seen(nodes: Sequence[InnerNode]) -> list[section.NodeView]:
    return [node.last_seen for node in nodes]


class View(Referent):
    """One or more nodes, as the test sees them."""

    _scope: Scope

    @property
    def _lock(self) -> Lock:
        return self._scope.shared.lock

    if not TYPE_CHECKING:  # pragma: no branch  # type checkers are to know what is not there

        def __getattr__(self, name: str) -> object:
            """Refuse a name that is not there, and say which one was probably meant."""
            if hasattr(type(self), name):
                return object.__getattribute__(self, name)  # again, for what it raises itself
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}{self._meant(name)}"
            )

    def _meant(self, name: str) -> str:
        """Say which public name was probably meant, to stand behind a message."""
        if name.startswith("_"):
            return ""
        in_camel_case = "".join(part.capitalize() for part in name.split("_"))
        own, (there, kind) = dir(self), self._beside
        for each in (name, in_camel_case):
            if each in own:
                return f"; nearest: {each}"
            if hasattr(kind, each):
                return f"; {there}.{each}"
        public = [each for each in own if not each.startswith("_")]
        return "".join(f"; nearest: {each}" for each in nearest(name, public))

    @property
    @abstractmethod
    def _beside(self) -> tuple[str, type | None]:
        """Where a name may be that is missing here, to stand before it, and the class of what is there."""

    @property
    def clock(self) -> Clock:
        """The time that migrations run on."""
        return self._scope.shared.clock

    @property
    def journal(self) -> Journal:
        """The calls of the interface, in order; a node's has the other nodes' too."""
        return self._scope.shared.door.journal

    @property
    def migrations(self) -> list[Migration]:
        """A record of each migration as it stands now, whoever drives it, in the order of their beginning.

        A node has those from it and to it.
        """
        self._scope.shared.look()
        return Migrations(self._scope.shared.traffic.snapshots(self._scope.own_name))
