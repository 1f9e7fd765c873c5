"""What a connection sends, at the level of the socket."""

import socket
import threading

import pytest
from small_host import STARTED_AT_MOST

from pytest_fakehv.fronts.libvirt.server.outgoing import Outgoing


@pytest.fixture
def ends():
    """The two ends of a connection."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(STARTED_AT_MOST)
    yield ours, theirs
    ours.close()
    theirs.close()


def senders():
    """Return the threads that send what waits."""
    return [each for each in threading.enumerate() if each.name == "fakehv-libvirt node1 sender"]


def fill(connected):
    """Send until the system takes no more; return how many bytes."""
    connected.setblocking(False)
    sent = 0
    try:
        while True:
            sent += connected.send(bytes(4096))
    except BlockingIOError:
        connected.setblocking(True)
        return sent


def read(connected, size):
    """Return so many bytes."""
    data = b""
    while len(data) < size:
        data += connected.recv(min(65536, size - len(data)))
    return data


def test_what_the_system_takes_needs_no_thread(ends):
    outgoing = Outgoing(ends[0], "node1")
    outgoing.send(b"message")
    assert senders() == []
    assert ends[1].recv(100) == b"message"


def test_what_it_does_not_take_waits_for_a_thread_that_ends_with_it(ends):
    outgoing = Outgoing(ends[0], "node1")
    sent = fill(ends[0])
    outgoing.send(b"first")
    (sender,) = senders()
    outgoing.send(b"second")
    outgoing.send(b"third", only_if_idle=True)
    assert read(ends[1], sent + 11)[sent:] == b"firstsecond"
    sender.join(STARTED_AT_MOST)
    assert senders() == []
    outgoing.send(b"fourth", only_if_idle=True)
    assert ends[1].recv(100) == b"fourth"


def test_whoever_has_gone_is_sent_nothing(ends):
    outgoing = Outgoing(ends[0], "node1")
    ends[1].close()
    outgoing.send(b"message")
    outgoing.send(b"message")
    outgoing.close()


def test_whoever_goes_while_something_waits_is_sent_nothing(ends):
    outgoing = Outgoing(ends[0], "node1")
    fill(ends[0])
    outgoing.send(b"message")
    (sender,) = senders()
    ends[1].close()
    sender.join(STARTED_AT_MOST)
    assert senders() == []


def test_what_waits_is_held_with_the_rest(ends):
    outgoing = Outgoing(ends[0], "node1")
    sent = fill(ends[0])
    outgoing.send(b"first")
    (sender,) = senders()
    outgoing.send(b"second")
    outgoing.hold()
    read(ends[1], sent)
    sender.join(STARTED_AT_MOST)
    assert senders() == []
    outgoing.release()
    assert read(ends[1], 11) == b"firstsecond"
    outgoing.drain()
