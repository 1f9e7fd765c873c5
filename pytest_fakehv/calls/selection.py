"""Which calls a fault or a hold is about."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, get_args

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.checks import DeclarationError, check_choice
from pytest_fakehv.interface.constants import MethodName
from pytest_fakehv.interface.contract import name_of_node
from pytest_fakehv.interface.objects import name_of
from pytest_fakehv.interface.resources import GROUPS, RESOURCES, ResourceOptions, Resources, subjects
from pytest_fakehv.text import shown_arguments

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it

Phase = Literal["prepare", "transfer", "finalize"]
Side = Literal["source", "target"]

ANY: Final = "*"
"""In place of a method: every method of the interface."""

STEPS_OF_A_FRONT: Final[dict[str, tuple[Phase, Side]]] = {
    "virDomainMigrateBegin3": ("prepare", "source"),
    "virDomainMigrateBegin3Params": ("prepare", "source"),
    "virDomainMigratePrepare3": ("prepare", "target"),
    "virDomainMigratePrepare3Params": ("prepare", "target"),
    "virDomainMigratePerform3": ("transfer", "source"),
    "virDomainMigratePerform3Params": ("transfer", "source"),
    "virDomainMigrateFinish3": ("finalize", "target"),
    "virDomainMigrateFinish3Params": ("finalize", "target"),
    "virDomainMigrateConfirm3": ("finalize", "source"),
    "virDomainMigrateConfirm3Params": ("finalize", "source"),
}
"""As `STEPS`, of calls in a front's words, each of which makes calls of the interface that are part of it."""

STEPS: Final[dict[str, tuple[Phase, Side]]] = {
    "MigrationInfo": ("prepare", "source"),
    "AcceptInstance": ("prepare", "target"),
    "MigrateInstance": ("transfer", "source"),
    "GetMigrationStatus": ("transfer", "source"),
    "FinalizeMigrationSource": ("finalize", "source"),
    "FinalizeMigrationDst": ("finalize", "target"),
    **STEPS_OF_A_FRONT,
}
"""In which phase of a migration, and on which side, each of its methods is called."""


class SelectionOptions(ResourceOptions, total=False):
    """The keywords of `Selection` but which node and instance it is about, for what hands them on to it."""

    phase: Phase | None
    side: Side | None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The calls of a method, narrowed by what is given.

    Args:
        method: the interface method's name; "*" for every one.
        node: the name of the node that is called; None for any.
        instance: the name of the instance that the call is about, or that itself; None for any, and for none.
        phase: the phase of a migration that the method is of; None for any, and for none.
        side: the side of a migration that the method is called on; None for any, and for none.
        pool: the name of the storage pool that the call is about, or whose volume; None likewise.
        volume: the name of the volume that the call is about, or is to make; None likewise.
        network: the name of the network that the call is about; None likewise.

    Raises:
        DeclarationError: an argument is wrong, or no call can be all of this.
    """

    method: MethodName
    node: str | None = None
    instance: str | None = None
    phase: Phase | None = None
    side: Side | None = None
    pool: str | None = None
    volume: str | None = None
    network: str | None = None

    def __post_init__(self) -> None:
        """Check the names, and the phase and the side, each alone and beside the rest."""
        for key, name in (("node", name_of_node), ("instance", name_of)):
            if (given := getattr(self, key)) is not None:
                object.__setattr__(self, key, name(given))  # a marker may have the instance itself
        for key, valid, place in (("phase", get_args(Phase), 0), ("side", get_args(Side), 1)):
            value = getattr(self, key)
            if value is None:
                continue
            check_choice(key, value, valid)
            own = STEPS[self.method][place] if self.method in STEPS else None
            if self.method != ANY and own != value:
                where = f"is of the {key} {own!r}" if own else "is no part of a migration"
                raise DeclarationError(f"{key}={value!r} can't be: {self.method} {where}")
        if self.phase and self.side and (self.phase, self.side) not in STEPS.values():
            raise DeclarationError(
                f"side={self.side!r} can't be: nothing of the phase {self.phase!r} is called there"
            )
        self._resources.checked()
        self._check_subjects()

    def _check_subjects(self) -> None:
        """Refuse what no call of the method names, and what no call names at once."""
        given = [key for key in ("instance", *RESOURCES) if getattr(self, key) is not None]
        if self.method == ANY:
            for one, other in pairwise(given):
                if not any({one, other}.issubset(group) for group in GROUPS):
                    raise DeclarationError(
                        f"{one}={getattr(self, one)!r} can't be with {other}={getattr(self, other)!r}: "
                        f"no call is about both"
                    )
            return
        named = subjects(str(self.method))  # whatever was given as such
        for key in given:
            if key not in named:
                hint = f"; narrow it by {' or '.join(f'{each}=' for each in named)}" if named else ""
                raise DeclarationError(
                    f"{key}={getattr(self, key)!r} can't be: {self.method} names no {key}{hint}"
                )

    @property
    def _resources(self) -> Resources:
        return Resources(self.pool, self.volume, self.network)

    @property
    def narrowness(self) -> int:
        """By how many things it is narrowed."""
        narrowings = (self.node, self.instance, self.phase, self.side, *self._resources)
        return (self.method != ANY) + sum(each is not None for each in narrowings)

    def matches(self, call: Call) -> bool:
        """Tell whether a call is one of these."""
        phase, side = STEPS.get(call.method, (None, None))
        return (
            self.method in (ANY, call.method)
            and self.node in (None, call.node)
            and self.instance in (None, call.instance)
            and self.phase in (None, phase)
            and self.side in (None, side)
            and self._resources.include(call.resources)
        )

    def __str__(self) -> str:
        """Show what is given, as arguments."""
        return shown_arguments(self)
