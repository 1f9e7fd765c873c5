"""Keywords that a function hands on: as if it had written them out itself."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast, get_args

__tracebackhide__ = True  # a wrong call is shown at the line that made it

_Function = TypeVar("_Function", bound=Callable[..., Any])


def takes(source: Callable[..., object]) -> Callable[[_Function], _Function]:
    """Tell `inspect.signature`, and thereby ``help()``, of the keywords that a function hands on.

    The function takes them as ``**options: Unpack[Options]``, a `TypedDict` that tells type checkers of them.
    One that is not there it refuses in its own name, and at once; else what it hands them on to would.

    Args:
        source: what they are handed on to, whose defaults they have.
    """

    def decorated(function: _Function) -> _Function:
        own = inspect.signature(function)
        *named, options = own.parameters.values()
        (taken,) = get_args(options.annotation)
        handed_on = inspect.signature(source).parameters
        # What a set takes may be more than what is made of it.
        keywords = [handed_on[key].replace(annotation=kind) for key, kind in taken.__annotations__.items()]
        signature = own.replace(parameters=[*named, *keywords])
        known = frozenset(signature.parameters)

        @functools.wraps(function)
        def checked(*arguments: Any, **keywords: Any) -> Any:
            if not known.issuperset(keywords):
                unknown = next(key for key in keywords if key not in known)
                name = _called(function, arguments)
                raise TypeError(f"{name}() got an unexpected keyword argument {unknown!r}")
            return function(*arguments, **keywords)

        vars(checked)["__signature__"] = signature  # which type checkers don't know of
        return cast("_Function", checked)

    return decorated


def _called(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    """Say what was called: a method of the class that its caller knows, where another one brings it along."""
    if "self" not in (names := inspect.signature(function).parameters) and "cls" not in names:
        return function.__qualname__
    owner = arguments[0] if isinstance(arguments[0], type) else type(arguments[0])
    return f"{owner.__name__}.{function.__name__}"
