"""What is at the other end of a domain's console or channel."""

from collections.abc import Callable, Iterator
from queue import SimpleQueue


class Terminal:
    """A client's way to a console or a channel, until one of both ends it.

    Args:
        prompt: what whoever is at a console sees first, and behind each line; None for a channel, on which
            nobody listens.
        is_awake: tells whether the guest does anything now.
        done: called when it is over.
    """

    def __init__(
        self, prompt: str | None, is_awake: Callable[[], bool], done: Callable[["Terminal"], object]
    ) -> None:
        self._prompt = prompt
        self._is_awake = is_awake
        self._done = done
        self._said: SimpleQueue[bytes | None] = SimpleQueue()
        if prompt and is_awake():
            self._said.put(prompt.encode())

    def pieces(self) -> Iterator[bytes | int]:
        """Give what the guest says, until it is over."""
        while (piece := self._said.get()) is not None:
            yield piece

    def write(self, data: bytes) -> None:
        """Take what somebody types: a console shows it, and answers each line with its prompt."""
        if self._prompt and self._is_awake():
            shown = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            self._said.put(shown.replace(b"\n", b"\r\n" + self._prompt.encode()))

    def hole(self, _length: int) -> None:
        """Take it that nobody types so much, which changes nothing."""

    def end(self) -> None:
        """Let it be over."""
        self._said.put(None)
        self._done(self)
