"""Which calls are struck by a fault, and what is said of a wrong one."""

import pytest

from pytest_fakehv import DeclarationError, HypervisorError


def fails(function, *args):
    """Tell whether a call is struck by a fault without an error of its own."""
    try:
        function(*args)
    except HypervisorError as error:
        return str(error).startswith("Injected fault: ")
    return False


def declared(function, *args, **kwargs):
    """Return what is said of a wrong declaration."""
    with pytest.raises(DeclarationError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def drive(cluster):
    """Migrate web1 with each of a migration's methods, and say which of them were struck."""
    node1, node2 = cluster
    web1 = node1.instance("web1")
    steps = [
        (node1.MigrationInfo, web1),
        (node2.AcceptInstance, web1, "", "node2"),
        (node1.MigrateInstance, "cluster", web1, "node2", True),
        (node1.GetMigrationStatus, web1),
        (node1.FinalizeMigrationSource, web1, False, True),
        (node2.FinalizeMigrationDst, web1, "", False),
    ]
    return {step[0].__name__ for step in steps if fails(*step)}
