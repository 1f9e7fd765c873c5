"""Show that the reference driver breaks no invariant but where the protocol itself does.

    python benchmarks/soak_driver.py [--steps N]

A state machine drives small clusters with it, by at least that many steps (50,000 unless given), while any
method of the interface fails now and then, before or after its effect, nodes crash and are cut off, also in
the middle of a step, and instances end, pause and hang. In every fifth run, methods lie, too.
Ganeti's master, which the driver follows, never repeats a finalize that failed, and believes what it is told;
what that leaves behind is a consequence of the protocol. Each violation whose instance had such a finalize,
or such a lie, is counted under the name of the method that failed or lied; any other one ends the run, with
the way there as a test to paste and exit status 1.
"""

import argparse
import itertools
import sys
from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pytest_fakehv import FakeCluster, HypervisorError, NodeDownError, Violation
from pytest_fakehv.stateful import state_machine

LYING = (
    "StartInstance",
    "StopInstance",
    "AcceptInstance",
    "MigrateInstance",
    "FinalizeMigrationSource",
    "FinalizeMigrationDst",
)

STEPS_OF_A_RUN = 50


class Reference:
    """The cluster's own driver, which raises what it only says there."""

    def start(self, cluster: FakeCluster, instance: str, node: str) -> None:
        """Start an instance."""
        cluster[node].StartInstance(cluster[node].instance(instance), [], False)

    def stop(self, cluster: FakeCluster, instance: str) -> None:
        """Stop an instance where it runs."""
        for node in cluster:
            if node.runs(instance):
                node.StopInstance(node.instance(instance))

    def migrate(self, cluster: FakeCluster, instance: str, target: str) -> None:
        """Migrate an instance."""
        result = cluster.migrate(instance, to=target)
        if result.error:
            raise HypervisorError(result.error)

    def drain(self, cluster: FakeCluster, node: str) -> None:
        """Move all instances of a node to the next one."""
        nodes = [each.name for each in cluster]
        target = nodes[(nodes.index(node) + 1) % len(nodes)]
        for instance in cluster[node].ListInstances():
            self.migrate(cluster, instance, target)


steps = 0
consequences: Counter[tuple[str, str]] = Counter()


class Machine(state_machine(Reference)):  # type: ignore[misc]  # a class that is made
    """The machine, which counts."""

    def is_excused(self, violation: Violation) -> bool:
        """Excuse what a failed finalize or a lie leaves behind, and name it."""
        failed = {
            call.method
            for call in self.cluster.journal.calls(instance=violation.instance)
            if call.lie
            or (
                call.method.startswith("FinalizeMigration")
                and call.error
                and not isinstance(call.error, NodeDownError)
            )
        }
        for method in failed:
            consequences[method, violation.invariant] += 1
        return bool(failed) and violation.instance is not None

    def _check(self) -> None:
        global steps  # noqa: PLW0603  # the machine is made by Hypothesis
        steps += 1
        super()._check()


class WithLies(Machine):
    """The same where methods lie."""

    lying_methods = LYING


def main() -> int:
    """Run until there were enough steps."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=50_000)
    wanted = parser.parse_args().steps
    for kind in itertools.cycle([Machine, Machine, Machine, Machine, WithLies]):
        if steps >= wanted:
            break
        try:
            run_state_machine_as_test(
                kind,
                settings=settings(
                    max_examples=100,
                    stateful_step_count=STEPS_OF_A_RUN,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate, Phase.shrink],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        except AssertionError as error:
            print(error)
            return 1
        print(f"{steps} steps", flush=True)
    print(f"{steps} steps that were checked; consequences of a failed finalize or a lie:")
    for (method, invariant), count in sorted(consequences.items()):
        print(f"  {method:<24} {invariant:<12} seen {count} times")
    return 0


if __name__ == "__main__":
    sys.exit(main())
