"""A pool on the first of two nodes."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the client on the codec alone
sys.path.insert(0, str(Path(__file__).parents[1] / "host"))  # for the words of hosts

from stored import pool_xml


@pytest.fixture
def images(node1):
    """A pool that is defined and active."""
    pool = node1.storagePoolDefineXML(pool_xml("images"), 0)
    pool.create(1)
    return pool
