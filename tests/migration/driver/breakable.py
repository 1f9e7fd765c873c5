"""Nodes whose calls can be made to fail, and what the driver has called and returned."""

import pytest

from pytest_fakehv import DeclarationError, FakeHypervisor, HypervisorError, MigrationResult

INFO = ("node1", "MigrationInfo")


ACCEPT = ("node2", "AcceptInstance")


MIGRATE = ("node1", "MigrateInstance")


STATUS = ("node1", "GetMigrationStatus")


BEGIN = [INFO, ACCEPT, MIGRATE]


FINISH = [("node1", "FinalizeMigrationSource", True), ("node2", "FinalizeMigrationDst", True)]


ABORT = [("node2", "FinalizeMigrationDst", False), ("node1", "FinalizeMigrationSource", False)]


LIST = [("node1", "ListInstances"), ("node2", "ListInstances")]


STOP = [("node1", "StopInstance"), LIST[0], ("node1", "CleanupInstance")]


START = ("node2", "StartInstance")


FAILED = "node1 says that the migration is failed"


WHICH_SUCCESS = {"FinalizeMigrationSource": 1, "FinalizeMigrationDst": 2}
"""The place of the argument ``success``."""


def breakable(method):
    """Override a method so that it raises what the node was told, before or after its effect."""

    def call(self, *arguments):
        if method in self.breaks:
            raise self.breaks[method]
        result = getattr(FakeHypervisor, method)(self, *arguments)
        if method in self.breaks_afterwards:
            raise self.breaks_afterwards[method]
        return result

    return call


class Slow(FakeHypervisor):
    """A node on which it takes 5 seconds to start an instance, and to list what runs."""

    def ListInstances(self, *args):
        self.clock.advance(5)
        return super().ListInstances(*args)

    def StartInstance(self, *args):
        self.clock.advance(5)
        super().StartInstance(*args)


class Node(FakeHypervisor):
    """A node on which every call that the driver makes can be made to fail."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.breaks = {}
        self.breaks_afterwards = {}

    MigrationInfo = breakable("MigrationInfo")
    AcceptInstance = breakable("AcceptInstance")
    MigrateInstance = breakable("MigrateInstance")
    GetMigrationStatus = breakable("GetMigrationStatus")
    FinalizeMigrationSource = breakable("FinalizeMigrationSource")
    FinalizeMigrationDst = breakable("FinalizeMigrationDst")
    ListInstances = breakable("ListInstances")
    StopInstance = breakable("StopInstance")
    CleanupInstance = breakable("CleanupInstance")
    StartInstance = breakable("StartInstance")


def calls(cluster):
    """Return node and method of each call, and what ``success`` it was given if it is a finalize."""
    return [
        (call.node, call.method, *call.arguments[place : place + 1])
        for call in cluster.journal
        for place in [WHICH_SUCCESS.get(call.method, len(call.arguments))]
    ]


def result(outcome, **changes):
    """Return a result that has nothing to tell but its outcome and the given."""
    values = {
        "instance": "web1",
        "source": "node1",
        "target": "node2",
        "live": True,
        "rounds": 0,
        "downtime": 0.0,
        "polls": 0,
        "duration": 0.0,
        "error": None,
    }
    return MigrationResult(outcome=outcome, **values | changes)


def polled(times, **changes):
    """Return what changes in a result with status calls: each takes a second."""
    return {"polls": times, "duration": float(times)} | changes


def broke(*steps):
    """Return the error of a result for the steps that were made to fail."""
    return "; ".join(f"{method} on {node} raised HypervisorError: it broke" for node, method, *_ in steps)


def make_fail(cluster, *steps, afterwards=False):
    for node, method, *_ in steps:
        hv = cluster[node]
        (hv.breaks_afterwards if afterwards else hv.breaks)[method] = HypervisorError("it broke")


def message(function, *args, error=DeclarationError, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    return caught.value.args[0]


def interrupt(cluster, *steps):
    """Do some steps of a migration of web1 to node2 and forget their calls."""
    web1 = cluster["node1"].instance("web1")
    arguments = {
        "MigrationInfo": (web1,),
        "AcceptInstance": (web1, "", "node2"),
        "MigrateInstance": ("cluster", web1, "node2", True),
        "GetMigrationStatus": (web1,),
    }
    for node, method, *success in steps:
        if method == "FinalizeMigrationSource":
            given = (web1, *success, True)
        elif method == "FinalizeMigrationDst":
            given = (web1, "", *success)
        else:
            given = arguments[method]
        getattr(cluster[node], method)(*given)
    cluster.journal.clear()


NOWHERE = "web1 runs neither on node1 nor on node2: a person must find out why before anybody starts it"
