"""Threads for what may have to wait: a connection, or one of its calls."""

import queue
import threading
from collections.abc import Callable
from typing import Final

from pytest_fakehv.fronts.libvirt.server.threads import made
from pytest_fakehv.machine import Time

MOST_IN_LINE: Final = 1000


class TooManyError(Exception):
    """A client makes calls, and more calls, and waits for none of them."""


class Workers:
    """As many threads as were needed at once. They end when they are told to.

    Args:
        name: What they are called.
        most: How many there are at most; None for as many as are needed.
    """

    def __init__(self, name: str, most: int | None = None) -> None:
        self._name = name
        self._most = most
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []

    def do(self, task: Callable[[], object]) -> None:
        """Do something, which raises nothing, in one of the threads. Always called in the same one.

        Raises:
            TooManyError: too much waits already.
        """
        if not self._idle.acquire(blocking=False):
            if self._most is None or len(self._threads) < self._most:
                thread = made(self._name, self._work)
                try:
                    thread.start()
                except RuntimeError:  # the system has no more of them
                    raise TooManyError from None
                self._threads.append(thread)
            elif self._tasks.qsize() >= MOST_IN_LINE:
                raise TooManyError
        self._tasks.put(task)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            del task  # which holds what a client sent
            self._idle.release()

    def end(self) -> None:
        """Let each thread end when it has done what it does; nothing is given them any more."""
        for _ in self._threads:
            self._tasks.put(None)

    def join(self, until: float | None = None) -> None:
        """Wait until they have ended.

        Args:
            until: How long to wait at most, as a time of `time.monotonic`; None: as long as it takes.
        """
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - Time.monotonic()))
