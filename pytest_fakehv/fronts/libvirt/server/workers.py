"""Threads for the calls of one connection that may have to wait."""

import queue
import threading
from collections.abc import Callable
from typing import Final

from pytest_fakehv.fronts.libvirt.server.threads import made

MOST_WORKERS: Final = 256
"""More threads of a client's don't wait on one connection; beyond, calls stand in line."""

MOST_IN_LINE: Final = 1000


class TooManyError(Exception):
    """A client makes calls, and more calls, and waits for none of them."""


class Workers:
    """As many threads as were needed at once. They end when the connection does.

    Args:
        name: What they are called.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []

    def do(self, task: Callable[[], object]) -> None:
        """Do something, which raises nothing, in one of the threads. Called in the connection's reader.

        Raises:
            TooManyError: too much waits already.
        """
        if not self._idle.acquire(blocking=False):
            if len(self._threads) < MOST_WORKERS:
                thread = made(f"{self._name} worker", self._work)
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
        """Let each thread end, and wait until it has done what it does. Called in the connection's reader."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
