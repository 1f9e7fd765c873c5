"""What a test does to a node and to a whole cluster alike: it says how things are to go, and steps in."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Unpack

from pytest_fakehv.calls.callers import caller
from pytest_fakehv.calls.events import Deed, TimedEvent
from pytest_fakehv.calls.faults import Fault
from pytest_fakehv.calls.faultspec import FaultOptions, FaultSpec
from pytest_fakehv.calls.holds import LONGEST_HOLD, Hold
from pytest_fakehv.calls.selection import Selection, SelectionOptions
from pytest_fakehv.checks import DeclarationError, check_number
from pytest_fakehv.cluster.befalling import Befalling
from pytest_fakehv.interface.constants import HV_MIGRATION_MODE, MethodName
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.interface.objects import (
    Instance,
    InstanceLike,
    InstanceOptions,
    InstanceSpec,
    name_of,
    options_of,
)
from pytest_fakehv.interface.resources import Resources
from pytest_fakehv.interface.sizes import sizes_in
from pytest_fakehv.judgement.apart import check_group
from pytest_fakehv.judgement.crowd import Most
from pytest_fakehv.judgement.violations import (
    INVARIANTS,
    OF_A_VOLUME,
    OF_NO_INSTANCE,
    ON_REQUEST,
    Invariant,
    check_allowed,
    check_forbidden,
)
from pytest_fakehv.keywords import takes
from pytest_fakehv.migration.script import MigrationOptions, MigrationSpec
from pytest_fakehv.text import listed, place_text, shown

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line


_NO_HVPARAMS: Final[Mapping[str, Any]] = MappingProxyType({})
"""What most instances have: of a million, each would else keep a dict of its own."""

_NEVER_DECLARED: Final = InstanceSpec("any", hvparams=_NO_HVPARAMS)


class Stage(Befalling):
    """One or more nodes, as the test that sets the scene and directs it sees them."""

    @property
    def seed(self) -> int:
        """The seed of the random faults."""
        return self._scope.shared.faults.seed

    @property
    def faults(self) -> list[Fault]:
        """Every fault so far, in order."""
        return self._scope.shared.faults.every

    @takes(InstanceSpec)
    def instance(self, name: str | InstanceLike, **options: Unpack[InstanceOptions]) -> Instance:
        """Describe an instance, without starting it.

        What is not given is as it was when an instance of that name was last described or declared; at
        first, as in `InstanceSpec`; what a new ``xml`` says is taken from that. ``min_memory`` is ``memory``
        where that alone is given.

        Args:
            name: its name; or an instance, whose parameters then count where the options say nothing.
            **options: as in `InstanceSpec`.

        Returns:
            What the interface's methods take.

        Raises:
            DeclarationError: an argument is wrong; the message names it.
        """
        changes: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
        if not isinstance(name, str):
            changes = {**options_of(name), **changes}
            name = name_of(name)
        old = self._scope.shared.declared.get(name, _NEVER_DECLARED)
        if "xml" in changes:
            changes = dict.fromkeys(sizes_in(changes["xml"])) | changes
        if "memory" in changes:
            changes.setdefault("min_memory", None)
        if changes.get("hvparams") == {}:
            changes["hvparams"] = _NO_HVPARAMS
        # One that is described as before, as by each driver that is told a name, is checked already.
        spec = replace(old, name=name, **changes) if changes or name != old.name else old
        for each in self._scope.shared.fronts:
            each.check(spec)
        self._scope.shared.declared[name] = spec
        return spec.instance()

    # Faults and holds

    @takes(FaultSpec)
    def fault(
        self,
        method: MethodName,
        *,
        node: str | BaseHypervisor | None = None,
        instance: str | InstanceLike | None = None,
        **options: Unpack[FaultOptions],
    ) -> Fault:
        """Let calls fail, lie or do harm, from now on. Of several faults, the most narrowed one strikes.

        One that never strikes fails the test, unless it is optional.

        Args:
            method: the interface method's name; "*" for every one.
            node: which, by name or address or as itself; None for any, or on a node for that node.
            instance: which the call is about, by name or as the object that the interface takes.
            **options: as in `FaultSpec`.

        Returns:
            A handle that tells how often it `fired`, and can `withdraw`; as a context manager it
            withdraws itself.

        Raises:
            DeclarationError: an argument is wrong, or there is no such method or node.
        """
        name = None if instance is None else name_of(instance)
        where = self._scope.check_call(method, node)
        if "crash" in options:  # before the spec makes a name of it: it may be a node of another cluster
            options["crash"] = self._scope.crashing(options["crash"])
        spec = FaultSpec(method, node=where, instance=name, **options)
        filename, line = caller(1)
        return self._scope.inject(spec, place_text(filename, line))

    @takes(Selection)
    def hold(
        self,
        method: MethodName,
        *,
        node: str | BaseHypervisor | None = None,
        instance: str | InstanceLike | None = None,
        timeout: float = LONGEST_HOLD,
        **options: Unpack[SelectionOptions],
    ) -> Hold:
        """Stop calls at the door until they are released: a context manager.

        The calls must come from other threads. Where a fault has let a call fail before, it isn't held.

        Args:
            method: the interface method's name; "*" for every one.
            node: which, by name or address or as itself; None for any, or on a node for that node.
            instance: which the call is about, by name or as the object that the interface takes.
            timeout: how long a call, and who waits for one, waits at most, in seconds of the machine's time.
            **options: as in `Selection`: ``phase``, ``side``, ``pool``, ``volume`` and ``network``.

        Returns:
            ``wait()`` for a call, or ``wait(count=3)`` for three, look at ``call``, and ``release()`` it; so
            does the end of the block.

        Raises:
            DeclarationError: an argument is wrong, or there is no such method or node.
        """
        check_number("timeout", timeout, zero=False)
        selection = Selection(
            method=method,
            node=self._scope.check_call(method, node),
            instance=None if instance is None else name_of(instance),
            **options,
        )
        hold = Hold(selection, timeout)
        self._scope.shared.door.holds.append(hold)
        self._scope.shared.chronicle.did("hold", node=selection.node, instance=selection.instance, hold=hold)
        return hold

    # Events in time

    def at(self, time: float, deed: Deed, *, optional: bool = False) -> TimedEvent:
        """Do something when the cluster's clock gets to a time: ``cluster.at(30, node2.crash)``.

        Migrations first go as far as they are by then, also where the clock jumps; of several events, the
        earliest is first, and of those at one time the one declared first. On a clock that moves by itself,
        it is done when the next call comes or the test looks, and the clock says that time meanwhile. One
        whose time never comes fails the test, unless it is optional.

        Args:
            time: when, in seconds of the clock, so since the cluster was made; at once if that is now.
            deed: a function without arguments. It is the test's own doing, also where a call of the code
                under test has moved the clock.
            optional: whether its time may never come.

        Returns:
            A handle that tells whether it `came_due`, and can `withdraw`; as a context manager it withdraws
            itself.

        Raises:
            DeclarationError: an argument is wrong, or the time is over.
            EventError: it is done at once, and raised.
        """
        shared = self._scope.shared
        event = TimedEvent(time, deed, caller(1), optional=optional, within=shared.door.within)
        shared.clock._expect(event)
        return event

    # Invariants

    def keep_apart(self, *instances: str | InstanceLike) -> None:
        """Want instances never to be on one node of the cluster, from now on, not for a moment either.

        Where a call brings one of them to a node where another is, the invariant ``together`` is broken.

        Args:
            *instances: two or more, by name or as the objects that the interface takes; they need not be
                declared yet.

        Raises:
            DeclarationError: there are fewer than two, one is given twice, or is none.
        """
        group = check_group(*instances)
        with self._scope.shared.lock:
            self._scope.shared.watcher.apart.keep(group)

    def keep_at_most(self, *, migrations: int, node: str | BaseHypervisor | None = None) -> None:
        """Want a node never to have more migrations than so many at once, from now on.

        Where a call begins one more, it goes on, and the invariant ``crowded`` is broken. For a node that
        refuses it, see ``max_migrations`` of `NodeSpec`.

        Args:
            migrations: how many at most, in and out together.
            node: which, by name or address or as itself; None for each that none is said of, or on a node for
                that node.

        Raises:
            DeclarationError: an argument is wrong, or there is no such node.
        """
        most, scope = Most(migrations=migrations, node=node), self._scope
        of = scope.own_name if most.node is None else scope.own_node_name(most.node)
        scope.shared.crowd.most[of] = most.migrations

    def forbid(self, *invariants: Invariant) -> None:
        """Want invariants to hold of the whole cluster that need not hold unless that is asked for.

        Args:
            *invariants: their names: ``"orphaned"``.

        Raises:
            DeclarationError: a name is wrong, or there is none.
        """
        if not invariants:
            raise DeclarationError(f"forbid needs an invariant; valid: {', '.join(ON_REQUEST)}")
        self._scope.shared.forbidden |= check_forbidden(invariants)

    def allow(
        self,
        *invariants: Invariant,
        instance: str | InstanceLike | None = None,
        volume: str | None = None,
    ) -> None:
        """Let invariants of the whole cluster be broken: what was wrong before is allowed, too.

        Args:
            *invariants: their names.
            instance: only where it is about this instance, by name or as the object that the interface takes;
                None for any.
            volume: likewise, only where it is about this volume, by name.

        Raises:
            DeclarationError: a name is wrong, there is none, or what it names is about none such.
        """
        if not invariants:
            raise DeclarationError(f"allow needs an invariant; valid: {', '.join(INVARIANTS)}")
        names = check_allowed(invariants)
        name = None if instance is None else name_of(instance)
        if name is not None and (general := [each for each in invariants if each in OF_NO_INSTANCE]):
            raise DeclarationError(f"{general[0]} is about no instance; allow it without one")
        if volume is not None and (others := [each for each in invariants if each not in OF_A_VOLUME]):
            raise DeclarationError(f"{others[0]} is about no volume; allow it without one")
        about = Resources(volume=volume).checked().volume or name
        self._scope.shared.allowed |= {(each, about) for each in names}

    # Migrations

    @takes(MigrationSpec)
    def script_migration(self, instance: str | InstanceLike, **options: Unpack[MigrationOptions]) -> None:
        """Say how an instance's next migrations go. What is not scripted completes at the first poll.

        A script without ``times`` stands until the next one; those with it are used up one after another.

        Args:
            instance: which, by name or as the object that the interface takes.
            **options: as in `MigrationSpec`.

        Raises:
            DeclarationError: an argument is wrong, two contradict each other, or there is no such instance;
                the message names them.
        """
        spec = MigrationSpec(name_of(instance), **options)
        filename, line = caller(1)
        self._script(spec, place_text(filename, line))

    def cancel_migration(self, instance: str | InstanceLike) -> None:
        """Cancel a migration that is under way; the next status call says so.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating, or goes on as postcopy, which can't be cancelled.
        """
        self._scope.shared.traffic.cancel(name_of(instance))
        self._scope.shared.chronicle.did("cancel_migration", instance=name_of(instance))

    def fail_migration(self, instance: str | InstanceLike) -> None:
        """Make a migration that is under way fail; in postcopy, that loses the instance.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating.
        """
        self._scope.shared.traffic.fail(name_of(instance))
        self._scope.shared.chronicle.did("fail_migration", instance=name_of(instance))

    def complete_migration(self, instance: str | InstanceLike) -> None:
        """Complete a migration that is under way at once, however much RAM is left to send.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating.
        """
        self._scope.shared.traffic.complete(name_of(instance))
        self._scope.shared.chronicle.did("complete_migration", instance=name_of(instance))

    def start_postcopy(self, instance: str | InstanceLike) -> None:
        """Let a scripted, live migration that is under way go on as postcopy from now on.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating, or not in a way that can go on so.
        """
        self._scope.shared.traffic.start_postcopy(name_of(instance))
        self._scope.shared.chronicle.did("start_postcopy", instance=name_of(instance))

    def _script(self, spec: MigrationSpec, origin: str) -> None:
        """Put a script in force, and say where it was declared."""
        self._check_script(spec)
        self._scope.shared.traffic.scripts.add(spec, origin)

    def _check_script(self, spec: MigrationSpec) -> None:
        name, declared = spec.instance, self._scope.shared.declared
        if name not in declared and not any(name in node.instance_names for node in self._scope.nodes):
            there = f"there are: {listed(declared)}" if declared else "none is declared"
            raise DeclarationError(f"no instance is named {shown(name)}; {there}")
        if spec.postcopy is not None and name in declared:
            mode = declared[name].hvparams.get(HV_MIGRATION_MODE)
            if mode == "non-live":
                raise DeclarationError(
                    f"postcopy needs a live migration, but {name} has {HV_MIGRATION_MODE}={mode!r}"
                )
