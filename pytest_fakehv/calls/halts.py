"""What ends a test: no ``except Exception`` of the code under test catches it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

_also: Final[list[type[BaseException]]] = []


class Halt(BaseException):
    """Ends a test. While `are_also` says so, it is of another class, too."""

    def __new__(cls, *arguments: object) -> Self:
        """Make one, of both classes."""
        if not _also:
            return super().__new__(cls, *arguments)
        names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
        kind = type(cls.__name__, (cls, _also[-1]), names)
        return super().__new__(kind, *arguments)


@contextmanager
def are_also(other: type[BaseException]) -> Iterator[None]:
    """Let what is raised to end a test meanwhile, in whatever thread, be of another class, too."""
    _also.append(other)
    try:
        yield
    finally:
        _also.pop()
