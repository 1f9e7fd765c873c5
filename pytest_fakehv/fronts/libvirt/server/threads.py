"""The server's threads, known as such.

Whatever runs in one of them must not wait for an answer of the server: garbage collection above all, which
ends dead objects in any thread that allocates.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_ANSWERING: Final[set[int]] = set()
"""The identities of others' threads on which answers depend just now."""


class _Thread(threading.Thread):
    """One on which answers depend."""


def is_answering() -> bool:
    """Return whether an answer may depend on this thread, which must not wait for one then.

    Of a thread that has hardly begun, or is about to end, nobody knows whose it is: it may be one of ours.
    """
    me = threading.get_ident()
    thread = vars(threading)["_active"].get(me)  # `current_thread` takes a lock, and makes one up
    return thread is None or isinstance(thread, _Thread) or me in _ANSWERING


@contextmanager
def answering() -> Iterator[None]:
    """Let this thread, which may be anybody's, count as one on which answers depend."""
    me = threading.get_ident()
    if me in _ANSWERING:
        yield
        return
    _ANSWERING.add(me)
    try:
        yield
    finally:
        _ANSWERING.discard(me)


def made(name: str, target: Callable[..., object], *arguments: Any) -> threading.Thread:
    """Return a new thread of the server's, to be started; nothing waits for it at the interpreter's exit."""
    return _Thread(target=target, args=arguments, name=f"fakehv-libvirt {name}", daemon=True)


def forget_all() -> None:
    """Forget, in a forked child, the threads that it doesn't have."""
    _ANSWERING.clear()
