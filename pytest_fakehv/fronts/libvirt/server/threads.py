"""The server's threads, known as such.

Whatever runs in one of them must not wait for an answer of the server: garbage collection above all, which
ends dead objects in any thread that allocates.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_ANSWERING: Final[set[int]] = set()
"""The identities of the threads on which answers depend."""


def is_answering() -> bool:
    """Return whether an answer may depend on this thread, which must not wait for one then."""
    return threading.get_ident() in _ANSWERING


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

    def run() -> None:
        with answering():
            target(*arguments)

    return threading.Thread(target=run, name=f"fakehv-libvirt {name}", daemon=True)


def forget_all() -> None:
    """Forget, in a forked child, the threads that it doesn't have."""
    _ANSWERING.clear()
