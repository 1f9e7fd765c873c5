"""What callers were told, by the journal: what they do against it is their own doing."""

from typing import Final

from pytest_fakehv.calls.journal import Call, Journal
from pytest_fakehv.migration.run import Run

_LOOKS: Final = frozenset({"ListInstances", "GetInstanceInfo", "GetAllInstancesInfo"})
"""By which calls a program sees what runs on a node."""


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
        return any(
            call.fault or (isinstance(call.error, Exception) and not isinstance(call.error, TypeError))
            for call in self._calls(method, node, instance, since)
            if call.error is not None
        )

    def completed(self, run: Run) -> Call | None:
        """Return the last call that was told that a migration completed."""
        polls = self._calls("GetMigrationStatus", run.source_name, run.instance, run.call)
        return next((poll for poll in polls if getattr(poll.result, "status", None) == "completed"), None)

    def has_looked(self, run: Run, since: Call) -> bool:
        """Tell whether a caller was told since another call if the instance is on its migration's target."""
        return any(
            (call.node, call.ended, call.error) == (run.target_name, True, None)
            and call.method in _LOOKS
            and call.instance in (None, run.instance)
            for call in self._journal._since(since.number)
        )

    def _calls(self, method: str, node: str, instance: str, since: Call | None) -> list[Call]:
        """Return the calls of a kind that came after another one, the newest first."""
        later = self._journal._since(since.number if since else 0)
        return [call for call in later if (call.method, call.node, call.instance) == (method, node, instance)]
