"""What callers were told, by the journal: what they do against it is their own doing."""

from math import inf
from typing import Final

from pytest_fakehv.calls.journal import Call, Journal
from pytest_fakehv.migration.run import Run

_LOOKS: Final = frozenset({"ListInstances", "GetInstanceInfo", "GetAllInstancesInfo"})
"""By which calls a program sees what runs on a node."""


def status_of(poll: Call) -> object:
    """Return what a status call said, which a lie may have made anything."""
    return getattr(poll.result, "status", None)


def _was_failed(call: Call) -> bool:
    """Tell whether a call's caller was told that it failed, and didn't make it wrongly or break it off."""
    if call.error is None:
        return False
    return bool(call.fault) or (isinstance(call.error, Exception) and not isinstance(call.error, TypeError))


def _is_listed(instance: str, result: object) -> bool:
    """Tell whether an instance is in what a look answered, which a lie may have made anything."""
    rows = result if isinstance(result, list | tuple) else ()
    return any((row[0] if row and isinstance(row, list | tuple) else row) == instance for row in rows)


class Told:
    """What the callers of one cluster were told.

    Args:
        journal: the cluster's calls.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def has_failed(self, method: str, node: str, instance: str, since: Call | None) -> bool:
        """Tell whether a caller was told since another call that one failed; in doubt, nobody is blamed.

        What a caller got wrong, or broke off, is its own doing.
        """
        if since and since.number < self._journal._first:  # the test lets the journal forget
            return True
        return any(map(_was_failed, self._calls(method, node, instance, since)))

    def has_only_failed(self, method: str, node: str, instance: str, since: Call | None) -> bool:
        """Tell whether each caller was told since another call that one failed, and some were."""
        over = [call for call in self._calls(method, node, instance, since) if call.ended]
        return bool(over) and all(map(_was_failed, over))

    def lie(
        self, method: str, node: str, instance: str, since: Call | None = None, *, but_failed: bool = False
    ) -> Call | None:
        """Return the lie that callers of a kind were told last since another call; None if that was true.

        Args:
            method: of which method.
            node: on which node.
            instance: about which instance.
            since: the other call, if any.
            but_failed: whether a later call that raised has told its caller nothing.
        """
        lie = self._journal._lies.get((method, node, instance))
        if lie is None or (since and lie.number <= since.number) or lie.error is not None:
            return None
        later = (call for call in self._calls(method, node, instance, lie) if call.ended)
        return None if any(not but_failed or call.error is None for call in later) else lie

    def status_lie(self, run: Run) -> Call | None:
        """Return the lie that callers were told last of how far a migration is; None if that was true.

        A status call that raised has told nothing.
        """
        lie = self.lie("GetMigrationStatus", run.source_name, run.instance, run.call, but_failed=True)
        return lie if lie and (run.successor is None or lie.number < run.successor.number) else None

    def remembers(self, call: Call) -> bool:
        """Tell whether it is known what callers were told since a call."""
        return call.number >= self._journal._first

    def has_accepted(self, node: str, instance: str) -> bool:
        """Tell whether a caller was told by a lie that a node is ready, and has not ended that since."""
        lie = self.lie("AcceptInstance", node, instance)
        return lie is not None and not any(
            call.ended and call.error is None
            for call in self._calls("FinalizeMigrationDst", node, instance, lie)
        )

    def has_begun(self, instance: str, since: Call | None) -> bool:
        """Tell whether a caller was told since another call, by a lie, that an instance began to migrate."""
        method = "MigrateInstance"
        sources = [node for lied, node, name in [*self._journal._lies] if (lied, name) == (method, instance)]
        return any(self.lie(method, node, instance, since) for node in sources)

    def completed(self, run: Run) -> Call | None:
        """Return the call that was told last how far a migration is, if that was that it completed.

        It was told nothing of it once another one has begun from there, or was said to; nor by what raised.
        """
        node, instance = run.source_name, run.instance
        tries = self._calls("MigrateInstance", node, instance, run.call)
        begun = [call.number for call in tries if call.error is None]
        end = min([*begun, run.successor.number if run.successor else inf])
        polls = self._calls("GetMigrationStatus", node, instance, run.call)
        told = (poll for poll in polls if poll.number < end and poll.ended and poll.error is None)
        last = next(told, None)
        return last if last and status_of(last) == "completed" else None

    def may_arrive(self, run: Run) -> bool:
        """Tell whether an instance that leaves its source is on its way, as far as anybody may believe."""
        has_failed = run.outcome in {"failed", "cancelled"} or (run.is_active and run.spec is not None)
        return run.finalized_on_target is None and not (has_failed and self.completed(run) is None)

    def has_looked(self, run: Run, since: Call) -> bool:
        """Tell whether a caller was told since another call that an instance is not on the target."""
        return any(
            (call.node, call.ended, call.error) == (run.target_name, True, None)
            and call.method in _LOOKS
            and call.instance in (None, run.instance)
            and not _is_listed(run.instance, call.result)
            for call in self._journal._since(since.number)
        )

    def has_stopped(self, run: Run) -> bool:
        """Tell whether a caller was told since a migration began that it was stopped on the source."""
        stops = self._calls("StopInstance", run.source_name, run.instance, run.call)
        return any(call.ended and call.error is None for call in stops)

    def _calls(self, method: str, node: str, instance: str, since: Call | None) -> list[Call]:
        """Return the calls of a kind that came after another one, the newest first."""
        later = self._journal._since(since.number if since else 0)
        return [call for call in later if (call.method, call.node, call.instance) == (method, node, instance)]
