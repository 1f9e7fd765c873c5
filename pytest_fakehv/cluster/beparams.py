"""What an instance's beparams say of its memory and its CPUs."""

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from pytest_fakehv.checks import LARGEST_AMOUNT, is_amount
from pytest_fakehv.interface.constants import BE_MAXMEM, BE_MINMEM, BE_VCPUS
from pytest_fakehv.interface.errors import RefusedError
from pytest_fakehv.interface.objects import InstanceLike
from pytest_fakehv.storage.store import Pause, Record
from pytest_fakehv.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

__tracebackhide__ = True  # a failed call is shown at the line that made it

_WHAT_A_START_NEEDS = itemgetter(BE_MINMEM, BE_MAXMEM, BE_VCPUS)


def amount_of(what: str, value: object) -> int:
    """Return a value that is a positive integer.

    Raises:
        RefusedError: it isn't.
    """
    if not is_amount(value):
        raise RefusedError(f"{what} must be a positive integer, not {shown(value)}")
    return value


def beparam(instance: InstanceLike, key: str) -> int:
    """Return one of an instance's beparams.

    Raises:
        RefusedError: it is missing, or no positive integer.
    """
    beparams: Mapping[str, Any] | None = instance.beparams  # Ganeti's own class says None for what isn't set
    if beparams is None or key not in beparams:
        raise RefusedError(
            f"beparams lack {key!r}; they have: {', '.join(sorted(map(str, beparams or ()))) or 'nothing'}"
        )
    return amount_of(f"beparams[{key!r}]", beparams[key])


def fixed_record(instance: InstanceLike, *, paused: bool) -> Record | None:
    """Return what a start makes of an instance whatever is free; None where it depends, or can't be done."""
    beparams = instance.beparams
    if type(beparams) is not dict:  # another mapping may make up what it lacks
        return None
    try:
        minimum, maximum, vcpus = _WHAT_A_START_NEEDS(beparams)
    except KeyError:
        return None
    if not type(minimum) is type(maximum) is type(vcpus) is int:
        return None
    # As `is_amount` has it, in one go.
    is_fixed = 0 < maximum <= minimum <= LARGEST_AMOUNT and 0 < vcpus <= LARGEST_AMOUNT
    return Record(minimum, vcpus, pause_of(paused)) if is_fixed else None


def pause_of(paused: bool) -> Pause | None:
    """Return what is kept of an instance that starts paused, or running."""
    return "paused" if paused else None


def wanted_of(instance: InstanceLike, memory: int | None) -> tuple[int, int, int] | RefusedError:
    """Return what an instance's beparams say of its memory, at least and at most, and of its CPUs.

    Args:
        instance: which.
        memory: what it gets whatever they say; None where they count.

    Returns:
        That, or what is wrong, to be raised once nothing else is.
    """
    try:
        if memory is None:
            minimum, maximum = beparam(instance, BE_MINMEM), beparam(instance, BE_MAXMEM)
        else:
            minimum = maximum = memory
        return minimum, maximum, beparam(instance, BE_VCPUS)
    except RefusedError as error:
        return error
