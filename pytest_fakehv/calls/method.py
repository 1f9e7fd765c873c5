"""The methods of the interface, and where among their arguments an instance is named."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from pytest_fakehv.calls.journal import name_of
from pytest_fakehv.interface.contract import INTERFACE, check_instance
from pytest_fakehv.interface.resources import NO_RESOURCES, Resources
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a failed call is shown at the line that made it

_NOT_GIVEN: Final = object()


class Method:
    """An interface method's name, and where among its arguments an instance is named."""

    def __init__(self, name: str, declared: Any) -> None:
        """Take the method as the interface declares it: an override may name its arguments otherwise."""
        self.name = name
        function = declared.__func__ if isinstance(declared, classmethod | staticmethod) else declared
        parameters = [each for each in inspect.signature(function).parameters if each not in ("self", "cls")]
        self._places = [
            (each, parameters.index(each))
            for each in ("name", "instance", "instance_name")  # a bare name overrides the instance beside it
            if each in parameters
        ]
        self.takes_a_name = any(each != "instance" for each, _ in self._places)

    def told(self, error: BaseException) -> BaseException:
        """Return an error as the caller is told of it: as it is."""
        return error

    def instance_name(
        self, arguments: tuple[Any, ...], keywords: Mapping[str, Any], kept: tuple[Any, ...]
    ) -> str | None:
        """Say which instance a call is about; None if about none.

        Args:
            arguments: the positional arguments.
            keywords: the keyword arguments.
            kept: what the journal has of the positional ones: an instance's name in its place.
        """
        for parameter, position in self._places:
            if position < len(arguments):
                name = kept[position]
                if parameter == "instance" and name is arguments[position]:
                    continue  # it is no instance
            elif keywords:
                given = keywords.get(parameter)
                name = name_of(given) if parameter == "instance" else given
            else:
                continue
            if isinstance(name, str):
                return name if type(name) is str else str.__str__(name)
        return None

    def resources(self, _kept: tuple[Any, ...]) -> Resources:
        """Say which pool, volume or network a call is about: none."""
        return NO_RESOURCES

    def check_instance(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        """Refuse what is no instance in an instance's place, and what is no name in a name's place.

        Raises:
            TypeError: it is so: whoever calls has made a mistake, which no hypervisor would answer for.
        """
        for parameter, position in self._places:
            given = arguments[position] if position < len(arguments) else keywords.get(parameter, _NOT_GIVEN)
            if given is _NOT_GIVEN or (given is None and len(self._places) > 1):  # then the other one will do
                continue
            if parameter == "instance":
                check_instance(self.name, given)
            elif not isinstance(given, str):
                name = name_of(given)
                hint = "" if name is None else f"; give its name, {shown(name)}"
                raise TypeError(f"{self.name} takes the name of an instance, not {shown(given)}{hint}")


METHODS: Final = {name: Method(name, declared) for name, declared in INTERFACE.items()}
"""What passes the door, by name."""
