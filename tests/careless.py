"""Tests that leave their cluster in a state that no correct program does, and what is said of it."""

from advice import ADVICE

PRELUDE = """
import pytest
from pathlib import Path
from pytest import mark
from pytest_fakehv import HypervisorError

def twice(cluster):
    cluster.add_instance("web1", node="node1")
    node2 = cluster["node2"]
    node2.StartInstance(node2.instance("web1"), [], False)

def accept(cluster, name="web1"):
    node2 = cluster["node2"]
    node2.AcceptInstance(node2.instance(name), "", "node2")

"""


STARTS, ACCEPTS = 9, 13
"""The lines of `PRELUDE` in which twice() and accept() make their calls."""


def run(pytester, source, *args):
    pytester.makepyfile(test_it=PRELUDE + source)
    return pytester.runpytest_subprocess("-p", "no:randomly", *args)


def said(result):
    """Return the lines of each failure or error up to its first section, by the test's name."""
    lines, found = result.stdout.lines, {}
    for number, line in enumerate(lines):
        if line.startswith("____"):
            body = lines[number + 1 :]
            end = next(i for i, each in enumerate(body) if each.startswith(("----", "____", "====")))
            found[line.strip("_ ")] = [each for each in body[:end] if not each.startswith("[gw")]
    return found


def text(invariant, what, since=None):
    lines = [f"{invariant}: {what}", f"  since {since}" if since else None, f"  {ADVICE[invariant]}"]
    return [each for each in lines if each]


TWICE = [
    *text(
        "double-start",
        "web1 was started on node2 while it ran on node1",
        f"call 1, StartInstance('web1', [], False) on node2 at test_it.py:{STARTS}",
    ),
    *text(
        "split-brain",
        "web1 ran on node1 and node2 at once",
        f"call 1, StartInstance('web1', [], False) on node2 at test_it.py:{STARTS}",
    ),
]


ACCEPTED = text(
    "unfinished",
    "web1 was accepted on node2 and neither migrated nor aborted",
    f"call 1, AcceptInstance('web1', '', 'node2') on node2 at test_it.py:{ACCEPTS}",
)
