"""What ends a test, such as a limit that is reached, ends it in libvirt's clients, too.

Their library tells of each error by its own, which a program may ignore for ever. In this process, the thread
that made the call raises the real one as soon as the Python binding is about to raise libvirt's.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType, ModuleType
from typing import Any, Final

from pytest_fakehv.storage.locks import Lock

__tracebackhide__ = True  # it is shown at the line that made the call

_pending: Final[dict[int, tuple[FrameType, BaseException]]] = {}
"""What is to be raised, by the number of the thread, and in which of its calls."""

_lock: Final = Lock()
_users: Final[Counter[type]] = Counter()


def raise_in(thread: int, call: FrameType, error: BaseException) -> None:
    """Let a thread raise an error where a call of its fails.

    Args:
        thread: its number.
        call: the frame of the binding's function that waits. If its call doesn't fail, no other one does.
        error: what to raise.
    """
    _pending[thread] = call, error


@contextmanager
def handed_on(libvirt: ModuleType) -> Iterator[None]:
    """Let libvirt-python raise what threads are to raise meanwhile; several fronts at once share it.

    Args:
        libvirt: The module.
    """
    kind = libvirt.libvirtError
    with _lock:
        if not _users[kind]:
            kind.__init__ = _instead(kind.__init__)
        _users[kind] += 1
    try:
        yield
    finally:
        with _lock:
            _users[kind] -= 1
            if not _users[kind]:
                kind.__init__ = kind.__init__.__wrapped__
                _pending.clear()


def _instead(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def __init__(self: Any, *arguments: Any, **keywords: Any) -> None:  # noqa: N807  # what it stands in for
        if (found := _pending.get(threading.get_ident())) and _is_in(found[0], sys._getframe(1)):  # noqa: SLF001
            del _pending[threading.get_ident()]
            raise found[1]
        original(self, *arguments, **keywords)

    return __init__


def _is_in(call: FrameType, frame: FrameType | None) -> bool:
    """Tell whether a frame is that of a call, or of what it has called."""
    while frame is not None and frame is not call:
        frame = frame.f_back
    return frame is call
