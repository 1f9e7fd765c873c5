"""The lock that all else is done under."""

import sys

import pytest

from pytest_fakehv.storage.locks import Lock, is_held


def enter(lock, strike):
    """Take a lock and give it back, while a profiler looks on."""
    sys.setprofile(strike)
    try:
        with lock:
            pass
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("depth", [0, 1])
def test_an_interrupt_that_comes_just_as_it_is_taken_leaves_it_as_it_was(depth):
    lock = Lock()

    def strike(_frame, event, argument):
        if event == "c_return" and argument.__name__ in {"__enter__", "acquire"}:
            raise KeyboardInterrupt

    for _ in range(depth):
        lock.acquire()
    try:
        enter(lock, strike)
    except KeyboardInterrupt:
        struck = True
    else:
        struck = False
    # Before 3.14, a `with` has its lock and knows it in one step.
    assert (struck, lock._recursion_count()) == (sys.version_info >= (3, 14), depth)
    assert is_held(lock) == bool(depth)
