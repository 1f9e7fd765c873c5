"""A module with drivers that do wrong, as one of a user's has them."""

from contextlib import suppress

from pytest_fakehv import HypervisorError


def stop(cluster, instance):
    """Stop one copy, and start another one."""
    for node in cluster:
        with suppress(HypervisorError):
            node.StartInstance(node.instance(instance), [], False)


class Tool:
    """The same as a method."""

    def stop(self, cluster, instance):
        """Do it."""
        stop(cluster, instance)
