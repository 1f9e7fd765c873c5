"""Python processes that know nothing of this one."""

import subprocess
import sys

PRELUDE = """
import os, pickle, sys
from pytest_fakehv import FakeCluster
cluster = FakeCluster.in_memory()
"""


def run(code, *arguments, first="", **keywords):
    """Run code in one that has a cluster, and return its output; `first` is run before it is imported."""
    return subprocess.run(
        [sys.executable, *arguments, "-c", first + PRELUDE + code],
        capture_output=True,
        check=True,
        timeout=60,
        **keywords,
    ).stdout
