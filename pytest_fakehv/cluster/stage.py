"""What a test does to a node and to a whole cluster alike: it says how things are to go, and steps in."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from pytest_fakehv.calls.door import caller
from pytest_fakehv.calls.faults import Fault, FaultSpec, When
from pytest_fakehv.calls.holds import LONGEST_HOLD, Hold
from pytest_fakehv.calls.selection import ANY, Phase, Selection, Side
from pytest_fakehv.checks import DeclarationError, check_number, name_fault
from pytest_fakehv.cluster.view import View
from pytest_fakehv.interface.constants import HV_MIGRATION_MODE
from pytest_fakehv.interface.contract import check_method
from pytest_fakehv.interface.objects import Instance, InstanceLike, InstanceSpec, name_of
from pytest_fakehv.judgement.invariants import INVARIANTS, OF_NO_INSTANCE, Invariant, check_allowed
from pytest_fakehv.migration.script import MigrationSpec, Outcome
from pytest_fakehv.text import listed, place_text, shown

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line


_NO_HVPARAMS: Final[Mapping[str, Any]] = MappingProxyType({})
"""What most instances have: of a million, each would else keep a dict of its own."""


class Stage(View):
    """One or more nodes, as the test that sets the scene and directs it sees them."""

    @property
    def seed(self) -> int:
        """The seed of the random faults."""
        return self.shared.faults.seed

    @property
    def faults(self) -> list[Fault]:
        """Every fault so far, in order."""
        return self.shared.faults.every

    def instance(
        self,
        name: str,
        *,
        memory: int | None = None,
        min_memory: int | None = None,
        vcpus: int | None = None,
        hvparams: Mapping[str, Any] | None = None,
    ) -> Instance:
        """Describe an instance, without starting it.

        What is not given is as it was when an instance of that name was last described or declared; at
        first, 1024 MiB and 1 CPU.

        Args:
            name: its name.
            memory: what it may have at most, in MiB.
            min_memory: what it must have at least, in MiB; ``memory`` where that alone is given.
            vcpus: its virtual CPUs, a count.
            hvparams: its hypervisor parameters, by name.

        Returns:
            What the interface's methods take.

        Raises:
            DeclarationError: an argument is wrong; the message names it.
        """
        given: dict[str, Any] = {
            "memory": memory,
            "min_memory": min_memory,
            "vcpus": vcpus,
            "hvparams": hvparams,
        }
        changes = {key: value for key, value in given.items() if value is not None}
        old = self.shared.declared.get(name) or InstanceSpec(name)
        if "memory" in changes:
            changes.setdefault("min_memory", None)
        if not changes.get("hvparams", old.hvparams):
            changes["hvparams"] = _NO_HVPARAMS
        spec = self.shared.declared[name] = replace(old, **changes)
        return spec.instance()

    # Faults and holds

    def fault(
        self,
        method: str,
        *,
        node: str | None = None,
        instance: str | InstanceLike | None = None,
        phase: Phase | None = None,
        side: Side | None = None,
        error: str | BaseException | type[BaseException] | None = None,
        when: When = "before",
        after: int = 0,
        times: int | None = None,
        probability: float = 1,
        delay: float = 0,
        crash: bool = False,
        optional: bool = False,
    ) -> Fault:
        """Let calls fail, from now on. Of several faults, the most narrowed one strikes.

        One that never strikes fails the test, unless it is optional.

        Args:
            method: the interface method's name; "*" for every one.
            node: the node's name or address; None for any, or on a node for that node.
            instance: which the call is about, by name or as the object that the interface takes.
            phase: as in `FaultSpec`: "prepare", "transfer" or "finalize".
            side: as in `FaultSpec`: "source" or "target".
            error: as in `FaultSpec`.
            when: as in `FaultSpec`.
            after: as in `FaultSpec`, a count of calls.
            times: as in `FaultSpec`, a count of calls.
            probability: as in `FaultSpec`.
            delay: as in `FaultSpec`, in seconds.
            crash: as in `FaultSpec`.
            optional: as in `FaultSpec`.

        Returns:
            A handle that tells how often it `fired`, and can `withdraw`; as a context manager it
            withdraws itself.

        Raises:
            DeclarationError: an argument is wrong, or there is no such method or node.
        """
        spec = FaultSpec(
            method,
            node=node,
            instance=None if instance is None else name_of(instance),
            phase=phase,
            side=side,
            error=error,
            when=when,
            after=after,
            times=times,
            probability=probability,
            delay=delay,
            crash=crash,
            optional=optional,
        )
        filename, line = caller(1)
        return self.inject(spec, place_text(filename, line))

    def inject(self, spec: FaultSpec, origin: str) -> Fault:
        """Put a fault in force that was declared elsewhere.

        Args:
            spec: what it does.
            origin: where it was declared, in words.

        Raises:
            DeclarationError: there is no such method or node.
        """
        node = self._checked(spec.method, spec.node)
        return self.shared.faults.add(Fault(replace(spec, node=node), origin))

    def hold(
        self,
        method: str,
        *,
        node: str | None = None,
        instance: str | InstanceLike | None = None,
        phase: Phase | None = None,
        side: Side | None = None,
        timeout: float = LONGEST_HOLD,
    ) -> Hold:
        """Stop calls at the door until they are released: a context manager.

        The calls must come from other threads. Where a fault has struck a call before, it isn't held.

        Args:
            method: the interface method's name; "*" for every one.
            node: the node's name or address; None for any, or on a node for that node.
            instance: which the call is about, by name or as the object that the interface takes.
            phase: the phase of a migration that it is of.
            side: the side of a migration that it is on.
            timeout: how long a call, and who waits for one, waits at most, in seconds of the machine's time.

        Returns:
            ``wait()`` for a call, look at ``call``, and ``release()`` it; so does the end of the block.

        Raises:
            DeclarationError: an argument is wrong, or there is no such method or node.
        """
        check_number("timeout", timeout, zero=False)
        selection = Selection(
            method=method,
            node=self._checked(method, node),
            instance=None if instance is None else name_of(instance),
            phase=phase,
            side=side,
        )
        hold = Hold(selection, timeout)
        self.shared.door.holds.append(hold)
        self.shared.chronicle.did("hold", node=selection.node, instance=selection.instance, hold=hold)
        return hold

    def _checked(self, method: str, node: str | None) -> str | None:
        """Check a method's and a node's name, and return the node's."""
        if method != ANY:
            check_method(method)
        return self._own_name if node is None else self._own_node_name(node)

    # Invariants

    def allow(self, *invariants: Invariant, instance: str | InstanceLike | None = None) -> None:
        """Let invariants of the whole cluster be broken: what was wrong before is allowed, too.

        Args:
            *invariants: their names.
            instance: only where it is about this instance, by name or as the object that the interface takes;
                None for any.

        Raises:
            DeclarationError: a name is wrong, there is none, or what it names is about no instance.
        """
        if not invariants:
            raise DeclarationError(f"allow needs an invariant; valid: {', '.join(INVARIANTS)}")
        names = check_allowed(invariants)
        name = None if instance is None else name_of(instance)
        if name is not None and (fault := name_fault(name)):
            raise DeclarationError(f"instance is invalid: {shown(name)}: {fault}")
        if name is not None and (general := [each for each in invariants if each in OF_NO_INSTANCE]):
            raise DeclarationError(f"{general[0]} is about no instance; allow it without one")
        self.shared.allowed |= {(each, name) for each in names}

    # Migrations

    def script_migration(
        self,
        instance: str | InstanceLike,
        *,
        outcome: Outcome = "completed",
        at: float | None = None,
        polls: int | None = None,
        bandwidth: float = 1024,
        dirty_rate: float = 0,
        max_downtime: float = 0.3,
        postcopy: int | None = None,
        times: int | None = None,
    ) -> None:
        """Say how an instance's next migrations go. What is not scripted completes at the first poll.

        A script without ``times`` stands until the next one; those with it are used up one after another.

        Args:
            instance: which, by name or as the object that the interface takes.
            outcome: as in `MigrationSpec`.
            at: as in `MigrationSpec`.
            polls: as in `MigrationSpec`.
            bandwidth: as in `MigrationSpec`, in MiB a second.
            dirty_rate: as in `MigrationSpec`, in MiB a second.
            max_downtime: as in `MigrationSpec`, in seconds.
            postcopy: as in `MigrationSpec`, a count of rounds.
            times: as in `MigrationSpec`.

        Raises:
            DeclarationError: an argument is wrong, two contradict each other, or there is no such instance;
                the message names them.
        """
        spec = MigrationSpec(
            name_of(instance),
            outcome=outcome,
            at=at,
            polls=polls,
            bandwidth=bandwidth,
            dirty_rate=dirty_rate,
            max_downtime=max_downtime,
            postcopy=postcopy,
            times=times,
        )
        self._check_script(spec)
        self.shared.traffic.script(spec)

    def cancel_migration(self, instance: str | InstanceLike) -> None:
        """Cancel a migration that is under way; the next status call says so.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating, or goes on as postcopy, which can't be cancelled.
        """
        self.shared.traffic.cancel(name_of(instance))
        self.shared.chronicle.did("cancel_migration", instance=name_of(instance))

    def fail_migration(self, instance: str | InstanceLike) -> None:
        """Make a migration that is under way fail; in postcopy, that loses the instance.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating.
        """
        self.shared.traffic.fail(name_of(instance))
        self.shared.chronicle.did("fail_migration", instance=name_of(instance))

    def complete_migration(self, instance: str | InstanceLike) -> None:
        """Complete a migration that is under way at once, however much RAM is left to send.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating.
        """
        self.shared.traffic.complete(name_of(instance))
        self.shared.chronicle.did("complete_migration", instance=name_of(instance))

    def start_postcopy(self, instance: str | InstanceLike) -> None:
        """Let a scripted, live migration that is under way go on as postcopy from now on.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating, or not in a way that can go on so.
        """
        self.shared.traffic.start_postcopy(name_of(instance))
        self.shared.chronicle.did("start_postcopy", instance=name_of(instance))

    def _check_script(self, spec: MigrationSpec) -> None:
        name, declared = spec.instance, self.shared.declared
        if name not in declared and not any(name in node.instance_names for node in self._nodes()):
            there = f"there are: {listed(declared)}" if declared else "none is declared"
            raise DeclarationError(f"no instance is named {shown(name)}; {there}")
        if spec.postcopy is not None and name in declared:
            mode = declared[name].hvparams.get(HV_MIGRATION_MODE, "live")
            if mode == "non-live":
                raise DeclarationError(
                    f"postcopy needs a live migration, but {name} has {HV_MIGRATION_MODE}={mode!r}"
                )
