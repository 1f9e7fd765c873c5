"""The lock that all else is done under, and what is kept of objects that may go."""

import gc
import sys

import pytest

from pytest_fakehv.storage.locks import Living, Lock, is_held


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


class Thing:
    """An object that goes when nobody has it any longer."""


class TestLiving:
    def test_who_is_there_is_found_and_who_has_gone_is_not(self):
        living, first, second, third = Living(), Thing(), Thing(), Thing()
        numbers = [living.add(each) for each in (first, second, third)]
        del second
        gc.collect()
        assert [living.find(number) for number in numbers] == [first, None, third]
        assert living.find(max(numbers) + 1) is None
        assert list(living) == [first, third]
        assert list(living.items()) == [(numbers[0], first), (numbers[2], third)]

    def test_however_many_have_gone_what_is_kept_of_them_is_little(self):
        living, first = Living(), Thing()
        number = living.add(first)
        for _ in range(1000):
            living.add(Thing())
        gc.collect()
        assert len(living._every) < 200
        assert (living.find(number), list(living)) == (first, [first])
