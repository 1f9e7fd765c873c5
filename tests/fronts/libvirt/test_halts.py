"""What ends a test is raised where a client is about to be told of an error."""

import sys
import threading
import types

import pytest

from pytest_fakehv.fronts.libvirt.halts import handed_on, raise_in


class Halted(BaseException):
    """What ends a test."""


@pytest.fixture
def libvirt():
    """A module with an error of its own, and a function that fails."""

    class libvirtError(Exception):  # noqa: N801  # as it is called there
        def __init__(self, text, conn=None):
            super().__init__(text)
            self.conn = conn

    def call(text, meanwhile=lambda _: None):
        meanwhile(sys._getframe())
        raise libvirtError(text, conn=7)

    module = types.ModuleType("libvirt")
    module.libvirtError = libvirtError
    module.original = libvirtError.__init__
    module.call = call
    return module


def halt(frame):
    raise_in(threading.get_ident(), frame, Halted("enough"))


def test_it_is_raised_once_where_that_call_fails(libvirt):
    with handed_on(libvirt):
        with pytest.raises(Halted, match=r"^enough$"):
            libvirt.call("first", halt)
        with pytest.raises(libvirt.libvirtError, match=r"^second$") as caught:
            libvirt.call("second")
        assert caught.value.conn == 7


def test_it_is_raised_by_no_other_call(libvirt):
    frames = []
    with handed_on(libvirt):
        with pytest.raises(libvirt.libvirtError):
            libvirt.call("over", frames.append)
        halt(*frames)
        with pytest.raises(libvirt.libvirtError, match=r"^another$"):
            libvirt.call("another")


def test_it_is_undone_when_the_last_front_ends(libvirt):
    first, second = handed_on(libvirt), handed_on(libvirt)
    with first:
        second.__enter__()
    assert libvirt.libvirtError.__init__ is not libvirt.original
    second.__exit__(None, None, None)
    assert libvirt.libvirtError.__init__ is libvirt.original
