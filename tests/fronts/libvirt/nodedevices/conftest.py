"""What the tests of a host's devices need of those of hosts."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the client on the codec alone
sys.path.insert(0, str(Path(__file__).parents[1] / "host"))  # for the words of hosts


@pytest.fixture(autouse=True)
def _with_the_binding(libvirt):
    """Each test needs it."""
