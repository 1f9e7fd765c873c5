"""When a migration's instance arrived on the target or, where it did not, when the migration ended."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pytest_fakehv.interface.objects import MigrationStatus
from pytest_fakehv.story.chronicle import Event

if TYPE_CHECKING:
    from pytest_fakehv.calls.journal import Call
    from pytest_fakehv.migration.run import Run

Moment = Event | int
"""An event, or the number of a call."""

_ARRIVES: Final = ("FinalizeMigrationDst", "virDomainMigrateFinish3")
"""How the calls begin that let an instance run on the target, in the interface's words or a front's."""

_FINALIZES: Final = ("FinalizeMigration", "virDomainMigrateFinish3")
"""The same of those that come first at a migration's end."""

_ENDS: Final = frozenset({"cancel_migration", "fail_migration", "complete_migration"})


def arrival(run: "Run", calls: Sequence["Call"], events: Sequence[Event]) -> Moment | None:
    """Return when the instance was on the target, whatever the status said; None if it never was.

    Args:
        run: the migration.
        calls: what was called for it, in order.
        events: what befell its instance and its nodes since it began, in order.
    """
    finalizes = {call.number: call for call in calls if call.method.startswith(_ARRIVES)}
    for event in events:
        if (event.node, event.instance) != (run.target_name, run.instance) or not event.is_change:
            continue
        if event.what != "gone" and (event.call in finalizes or run.has_moved):
            return event
    if not run.finalized_on_target:
        return None
    # It was there already, or a class of the user's own brings it about in its own way.
    worked = [
        number for number, call in finalizes.items() if call.ended and call.error is None and not call.lie
    ]
    return worked[0] if worked else None


def end(run: "Run", calls: Sequence["Call"], events: Sequence[Event]) -> Moment | None:
    """Return when the migration ended; None if that is not known.

    Args:
        run: the migration.
        calls: as above.
        events: as above.
    """
    found: list[tuple[float, Moment]] = []
    for call in calls:
        if call.lie:
            continue
        is_told = isinstance(call.result, MigrationStatus) and call.result.status != "active"
        if is_told or call.method.startswith(_FINALIZES):
            found.append((call.number, call.number))
            break
    for event in events:
        is_down = event.what in {"crash", "kill"} and event.node in (run.source_name, run.target_name)
        is_gone = event.what == "gone" and event.node == run.source_name
        if is_down or is_gone or event.what in _ENDS:
            found.append((event.after + (event.call is None) / 2, event))
            break
    return min(found, key=lambda each: each[0])[1] if found else None
