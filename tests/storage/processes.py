"""Instances, and other processes that work on the same root."""

import re
import subprocess
import sys

import pytest

from pytest_fakehv import HypervisorError, Instance, NodeSpec

SPEC = NodeSpec("node1")
WELL_FORMED = re.compile(rb"0\n\d+\n\d+\n((paused|migrating)\n)?")


def make(name="web1", memory=1024):
    return Instance(name, beparams={"minmem": memory, "maxmem": memory, "vcpus": 2})


def failure(function, *args):
    with pytest.raises(HypervisorError) as caught:
        function(*args)
    return caught.value


def run(code, *args):
    """Start another process that has `hv`, `make` and the arguments."""
    prelude = (
        "import sys\n"
        "from pytest_fakehv import FakeHypervisor, HypervisorError, Instance, NodeSpec\n"
        "hv = FakeHypervisor(sys.argv[1], spec=NodeSpec('node1'))\n"
        "def make(name, memory=1024):\n"
        "    return Instance(name, beparams={'minmem': memory, 'maxmem': memory, 'vcpus': 2})\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code, *map(str, args)], stdout=subprocess.PIPE, text=True
    )
