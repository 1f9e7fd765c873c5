"""What every test of the front gets: a look at what it leaves behind."""

import os
import threading

import pytest

ENDS_WITHIN = 20
"""Seconds of waiting, where something goes wrong."""


def own_threads():
    return {each for each in threading.enumerate() if each.name.startswith("fakehv-libvirt")}


def sockets_with_a_path():
    """Return this process's open sockets that a server of the front has made: a client's have no path.

    Not that of clusters, by which they are asked from forked processes: it is there from the first fork on.
    """
    if not os.path.isdir("/proc/self/fd"):
        return set()
    with open("/proc/net/unix") as lines:
        named = {each.split()[6]: each.split()[7] for each in lines if "/" in each}
    own = set()
    for each in os.listdir("/proc/self/fd"):
        try:
            kind, _, inode = os.readlink(f"/proc/self/fd/{each}").partition(":")
        except OSError:  # it was that of the listing itself
            continue
        if kind == "socket":
            own.add(inode.strip("[]"))
    return {named[inode] for inode in own & named.keys() if os.path.basename(named[inode]) != "socket"}


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No thread of the front's and no socket of a server's outlives a test."""
    before = own_threads(), sockets_with_a_path()
    yield
    for each in own_threads() - before[0]:
        each.join(ENDS_WITHIN)
    assert (own_threads() - before[0], sockets_with_a_path() - before[1]) == (set(), set())
