"""What is wrong with how migrations are finalized, before they are."""

from collections.abc import Callable

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.judgement.told import Told, status_of
from pytest_fakehv.judgement.violations import Violation
from pytest_fakehv.migration.run import Run
from pytest_fakehv.migration.traffic import Traffic
from pytest_fakehv.text import printable, shown

__tracebackhide__ = True  # a wrong call is shown at the line that made it


class Ends:
    """Tells of each end what is wrong with it, by what its caller can know.

    Args:
        traffic: the cluster's migrations.
        told: what callers were told.
        current_call: returns the call that the asking thread is in, if any.

    Attributes:
        killed: where the test has killed an instance that is not there again.
    """

    def __init__(self, traffic: Traffic, told: Told, current_call: Callable[[], Call | None]) -> None:
        self._traffic = traffic
        self._told = told
        self._current_call = current_call
        self.killed: set[tuple[str, str]] = set()

    def success(
        self, node: str, instance: str, run: Run | None, *, is_target: bool, runs: bool
    ) -> Violation | None:
        """Return what is wrong with finalizing a migration with success.

        Args:
            node: on which node.
            instance: the instance's name.
            run: its migration, if there is one.
            is_target: whether that node is the target.
            runs: whether the instance ran there before.
        """
        before = run and (run.finalized_on_target if is_target else run.finalized_on_source)
        # Nothing changes: not again, nor where it has moved, whoever did that.
        if runs == is_target and (run is None or before is not None or not run.is_still_there):
            return None
        if (run is None or before is not None) and self._told.has_begun(instance, run.call if run else None):
            return None
        if (run is None or before is not None) and (node, instance) in self.killed:
            return None  # who has seen it there before can't know
        method = "FinalizeMigrationDst" if is_target else "FinalizeMigrationSource"
        if run and before and self._told.has_only_failed(method, node, instance, run.call):
            return None  # it was done, and then the node went down: who was told that it failed tries again
        lie = run and self._told.status_lie(run)
        if run is None:
            there = f" {'to' if is_target else 'from'} {node}" if self._traffic.latest(instance) else ""
            why = f"none{there} began"
        elif before is not None:
            why = f"it was {'finalized' if before else 'aborted'} there before"
        elif lie and not run.has_moved and self._told.remembers(lie) and status_of(lie) != "completed":
            why = f"its status said {shown(status_of(lie))}"
        elif not lie and run.outcome != "completed" and not run.has_moved:
            words = {"active": "is under way", "cancelled": "was cancelled", "failed": "failed"}
            why = f"it {words[run.outcome]}"
        elif not run.is_accepted:
            why = f"{run.target_name} had not accepted the instance"
        else:
            return None
        return _unearned(
            node, instance, f"finalized with success on {node}, though {why}", self._current_call()
        )

    def abort(self, node: str, run: Run | None) -> Violation | None:
        """Return what is wrong with finalizing a migration without success on a node, likewise.

        Whoever was told that it completed keeps the wrong copy, unless the target is lost, or has refused it;
        who has looked at the target since cleans up after somebody else. What was stopped is not to arrive.
        """
        if (
            run is None
            or run.target is None  # nothing is known of what happens there
            or (run.finalized_on_source, run.finalized_on_target) != (None, None)
            or run.target_name in run.lost_nodes
        ):
            return None
        told = self._told.completed(run)
        if told is None or self._told.has_looked(run, told) or self._told.has_stopped(run):
            return None
        if self._told.has_failed("FinalizeMigrationDst", run.target_name, run.instance, run.call):
            return None
        return _unearned(
            node, run.instance, f"aborted on {node}, though its status said completed", self._current_call()
        )


def _unearned(node: str, instance: str, how: str, call: Call | None) -> Violation:
    what = f"the migration of {printable(instance)} was {how}"
    return Violation(invariant="unearned", what=what, instance=instance, nodes=(node,), call=call)
