"""Which of a domain's virtual CPUs are there, where that has been said of each."""

from collections.abc import Collection

from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element


def enabled(each: Element) -> list[int]:
    """Return the numbers of the CPUs that are there, in the order in which they have come."""
    there = [one for one in each.children if one.attributes.get("enabled") == "yes"]
    there.sort(key=lambda one: int(one.attributes.get("order", one.attributes["id"])))
    return [int(one.attributes["id"]) for one in there]


def counted_each(numbers: Collection[int], current: int, most: int) -> list[int]:
    """Return the CPUs of a domain that is to have another number of them: the first come, the last go."""
    left = list(numbers)[:current]
    others = (number for number in range(most) if number not in left)
    return [*left, *(next(others) for _ in range(current - len(left)))]


def said_of_each(numbers: Collection[int], most: int, *, is_live: bool) -> Element:
    """Return what is said of each CPU.

    Args:
        numbers: Those that are there, in the order in which they have come.
        most: How many there may be.
        is_live: Whether the domain runs by this.
    """
    orders = {number: str(place) for place, number in enumerate(numbers, 1)}
    each = []
    for number in range(most):
        said = {
            "id": str(number),
            "enabled": "yes" if number in orders else "no",
            "hotpluggable": "yes" if number else "no",
        }
        if is_live and number in orders:
            said["order"] = orders[number]
        each.append(Element("vcpu", said))
    return Element("vcpus", {}, tuple(each))
