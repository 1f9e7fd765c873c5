"""What clients of a host are told, and a domain of its."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the client on the codec alone


@pytest.fixture
def watch(front):
    """Watch what clients of a node are told."""
    from told_by_hosts import Watcher

    watchers = []

    def watch(node="node1", about=None):
        watchers.append(Watcher(front.socket(node), about))
        return watchers[-1]

    yield watch
    for each in watchers:
        each.close()


@pytest.fixture
def told(watch):
    """What clients of node1 have been told since the last time that it was called."""
    return watch().told


@pytest.fixture
def web1(node1):
    """A domain that is shut off."""
    from told_by_hosts import domain_xml

    return node1.defineXML(domain_xml("web1"))
