"""The server's threads, known as such.

Whatever runs in one of them must not wait for an answer of the server.
"""

import threading
from collections.abc import Callable
from typing import Any


class _Thread(threading.Thread):
    """One on which answers depend."""


def is_answering() -> bool:
    """Return whether an answer may depend on this thread, which must not wait for one then.

    Of a thread that has hardly begun, or is about to end, nobody knows whose it is: it may be one of ours.
    """
    thread = vars(threading)["_active"].get(threading.get_ident())  # `current_thread` takes a lock
    return thread is None or isinstance(thread, _Thread)


def made(name: str, target: Callable[..., object], *arguments: Any) -> threading.Thread:
    """Return a new thread of the server's, to be started; nothing waits for it at the interpreter's exit."""
    return _Thread(target=target, args=arguments, name=f"fakehv-libvirt {name}", daemon=True)
