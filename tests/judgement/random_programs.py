"""Correct programs that use a cluster at once, and what befalls them: for random tests.

Each goes by the rules: it looks before it starts anything, brings each migration to an end on both nodes, and
tries again where a call fails for a reason that may pass.
"""

import errno
import os
from contextlib import contextmanager, suppress

from pytest_fakehv import FakeHypervisor, HypervisorError, NodeDownError
from pytest_fakehv.storage.disk import Disk

_NEVER_FAIL = {"close", "fsdecode", "fspath"}


class _Failing:
    """The functions of `os`, of whose calls one fails."""

    def __init__(self, left):
        self._left = left

    def __getattr__(self, name):
        real = getattr(os, name)
        if name in _NEVER_FAIL or not callable(real):
            return real

        def function(*args, **kwargs):
            self._left -= 1
            if self._left == 0:
                raise OSError(
                    errno.EIO, os.strerror(errno.EIO), args[0] if isinstance(args[0], str) else None
                )
            return real(*args, **kwargs)

        return function


@contextmanager
def failing(number):
    """Let the system call of a number, from 1, fail in the block; 0 for none."""
    before = Disk.os
    if number:
        Disk.os = _Failing(number)
    try:
        yield
    finally:
        Disk.os = before


class Migration:
    """One migration, driven by the rules to an end that both nodes know of.

    Args:
        cluster: the cluster.
        name: the instance's name.
        source: the node's name that it leaves.
        target: the node's name that it moves to.
        live: whether it keeps running; anything that is true or false.
        yes: what is given as success.
        no: what is given where there was none.
        source_first: where to finalize first.
        abort_at: at which poll to give up; 0 for never.
        happen: called before each step with its number, from 0; may let a system call fail, by `failing`.
    """

    TRIES = 4

    def __init__(self, cluster, name, source, target, *, live, yes, no, source_first, abort_at, happen):
        self.cluster, self.name = cluster, name
        self.source, self.target = cluster[source], cluster[target]
        self.instance = self.source.instance(name)
        self.live, self.yes, self.no = live, yes, no
        self.source_first, self.abort_at = source_first, abort_at
        self.happen = happen
        self.step = 0

    def call(self, function, *arguments):
        """Make a call; return its result, or what it raised."""
        number = self.happen(self.step)
        self.step += 1
        try:
            with failing(number):
                return function(*arguments)
        except HypervisorError as error:
            return error

    def until_it_works(self, function, *arguments):
        """Try again while that may help: what is cut off comes back, what is down has lost all there was."""
        refusal = None
        for _ in range(self.TRIES):
            result = self.call(function, *arguments)
            if not isinstance(result, HypervisorError):
                return result
            if not isinstance(result, NodeDownError):
                refusal = result
            for node in self.cluster:
                node.reconnect()
        return refusal or result

    def runs_on(self, node):
        found = self.until_it_works(node.ListInstances)
        return not isinstance(found, HypervisorError) and self.name in found

    def drive(self):
        if isinstance(self.call(self.source.MigrationInfo, self.instance), HypervisorError):
            return
        accepted = self.call(self.target.AcceptInstance, self.instance, "", self.target.name)
        begun = accepted or self.call(
            self.source.MigrateInstance, "cluster", self.instance, self.target.name, self.live
        )
        status = "failed" if begun else self.follow()
        if status == "completed":
            self.finalize()
        elif self.runs_on(self.target) and not self.runs_on(self.source):
            self.end(success=self.yes)  # it has moved, whatever the status says
        else:
            self.end(success=self.no)

    def follow(self):
        polls = 0
        while True:
            polls += 1
            status = self.until_it_works(self.source.GetMigrationStatus, self.instance)
            if isinstance(status, HypervisorError):
                return "unknown"
            if status.status != "active":
                return status.status
            if polls == self.abort_at and not status.postcopy_status:
                return "given up"

    def finalize(self):
        """End one that completed; where the target has refused it, it stays on the source."""
        if self.source_first:
            self.end(success=self.yes)
            return
        result = self.end_target(self.yes)
        if isinstance(result, HypervisorError) and not isinstance(result, NodeDownError):
            self.end(success=self.no)
        else:
            self.end_source(self.yes)

    def end(self, *, success):
        for end in (
            (self.end_source, self.end_target) if self.source_first else (self.end_target, self.end_source)
        ):
            end(success)

    def end_target(self, success):
        return self.until_it_works(self.target.FinalizeMigrationDst, self.instance, "", success)

    def end_source(self, success):
        return self.until_it_works(self.source.FinalizeMigrationSource, self.instance, success, self.live)


class Second:
    """A second program: it starts and stops what it knows that nobody else is busy with."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.busy = set()

    def where(self, name):
        """Return the nodes where it runs; None if one doesn't say."""
        try:
            return [node for node in self.cluster if name in node.ListInstances()]
        except HypervisorError:
            return None

    def start(self, name, node):
        if name not in self.busy and self.where(name) == []:
            with suppress(HypervisorError):
                self.cluster[node].StartInstance(self.cluster.instance(name), [], False)

    def stop(self, name):
        if name not in self.busy:
            for node in self.where(name) or ():
                with suppress(HypervisorError):
                    node.StopInstance(None, name=name)


class Foreign:
    """Another program, with hypervisors of its own on the same roots, and without any rules."""

    def __init__(self, cluster):
        self.nodes = {node.name: FakeHypervisor(node.root, spec=node.spec) for node in cluster}

    def start(self, name, node):
        hypervisor = self.nodes[node]
        with suppress(HypervisorError):
            hypervisor.StartInstance(hypervisor.instance(name), [], False)

    def stop(self, name, node):
        with suppress(HypervisorError):
            self.nodes[node].StopInstance(None, name=name)

    def balloon(self, name, node):
        hypervisor = self.nodes[node]
        with suppress(HypervisorError):
            hypervisor.BalloonInstanceMemory(hypervisor.instance(name), 512)
