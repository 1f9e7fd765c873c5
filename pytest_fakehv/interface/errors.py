"""What calls of the interface raise, and how it is of a class of somebody else's, too."""

from functools import cache
from typing import Any, Final, Self, cast

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.text import shown, shown_error


class HypervisorError(Exception):
    """A call of the hypervisor interface failed: the one type that its callers catch.

    Attributes:
        code: by which number the clients of a front with such know it; None for what suits it.
    """

    code: int | None = None


class HotplugError(HypervisorError):
    """A device can't be added, removed or changed while the instance runs."""


class NodeDownError(HypervisorError):
    """A node doesn't answer: it crashed, was cut off, or was taken out of the cluster."""

    @classmethod
    def of(cls, node: str) -> Self:
        """Make the error that names a node. Which of the reasons it is, no caller can know."""
        return cls(f"{node} does not answer")


class RefusedError(HypervisorError):
    """Why an operation can't be done, before the operation's own name stands in front of it.

    Raised below the interface; the interface turns it into ``HypervisorError("Failed to ...: why")``.
    It is a ``HypervisorError`` itself, for a subclass that calls the inner methods directly.
    """


_OURS: Final = (HypervisorError, HotplugError, NodeDownError, RefusedError)


def as_also(error: Exception, other: type[Exception]) -> Exception:
    """Return an error of ours as one that is of another class, too; any other error as it is."""
    kind: Any = type(error)
    if kind not in _OURS or issubclass(kind, other):
        return error
    made: Exception = of_both(kind, cast("Any", other))(*error.args)
    vars(made).update(vars(error))
    return made.with_traceback(error.__traceback__)


@cache
def of_both(kind: Any, other: Any) -> Any:
    """Return the class of errors that are of one kind of ours and of another class.

    It has the other one's name, by which people know it, and Ganeti's jobs hand errors on.

    Raises:
        TypeError: no class can derive from both.
    """
    if issubclass(other, kind):
        return other
    return type(
        other.__name__,
        (kind, other),
        {
            "__module__": other.__module__,
            "__qualname__": other.__qualname__,
            "__doc__": other.__doc__,
            "__reduce__": lambda self: (_unpickled, (kind, other, self.args), vars(self)),
        },
    )


def _unpickled(kind: Any, other: Any, arguments: tuple[Any, ...]) -> Any:
    """Make an error of both classes anew, as another process has handed it on."""
    return of_both(kind, other)(*arguments)


def check_error_class(given: Any, of: str) -> None:
    """Refuse a class that our errors can't be of, too.

    Args:
        given: the class.
        of: which class declares it.

    Raises:
        DeclarationError: it is no class of exceptions, can't be mixed with ours, takes other arguments than a
            text, or doesn't say that one.
    """
    if not (isinstance(given, type) and issubclass(given, Exception)):
        raise DeclarationError(f"error_class of {of} must be a class of exceptions, not {shown(given)}")
    other, text = cast("Any", given), "a text"
    try:
        every = [of_both(kind, other) for kind in _OURS if not issubclass(kind, other)]
    except TypeError as error:
        problem = f"can't be mixed with HypervisorError: {error}"
    else:
        try:
            if all(text in str(both(text)) for both in every):
                return
        except Exception as error:  # noqa: BLE001  # whatever it raises of what it can't take
            problem = f"can't be made of a text alone: {shown_error(error)}"
        else:
            problem = "doesn't say the text that it is made of"
    raise DeclarationError(f"error_class of {of}: {given.__name__} {problem}")
