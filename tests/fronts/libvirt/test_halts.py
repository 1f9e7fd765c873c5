"""What ends a test is raised where a client is about to be told of an error."""

import threading
import types

import pytest

from pytest_fakehv.fronts.libvirt.halts import handed_on, raise_in


class Halted(BaseException):
    """What ends a test."""


@pytest.fixture
def libvirt():
    """A module with an error of its own."""

    class libvirtError(Exception):  # noqa: N801  # as it is called there
        def __init__(self, text, conn=None):
            super().__init__(text)
            self.conn = conn

    module = types.ModuleType("libvirt")
    module.libvirtError = libvirtError
    module.original = libvirtError.__init__
    return module


def test_it_is_raised_once_in_that_thread_alone(libvirt):
    errors = []
    with handed_on(libvirt):
        raise_in(threading.get_ident(), Halted("enough"))
        thread = threading.Thread(target=lambda: errors.append(libvirt.libvirtError("theirs")))
        thread.start()
        thread.join()
        with pytest.raises(Halted, match=r"^enough$"):
            libvirt.libvirtError("ours")
        errors.append(libvirt.libvirtError("ours", conn=7))
    assert [str(each) for each in errors] == ["theirs", "ours"]
    assert errors[1].conn == 7


def test_it_is_undone_and_forgotten_when_the_last_front_ends(libvirt):
    first, second = handed_on(libvirt), handed_on(libvirt)
    with first:
        second.__enter__()
    raise_in(threading.get_ident(), Halted("enough"))
    assert libvirt.libvirtError.__init__ is not libvirt.original
    second.__exit__(None, None, None)
    assert libvirt.libvirtError.__init__ is libvirt.original
    with handed_on(libvirt):
        assert str(libvirt.libvirtError("later")) == "later"
