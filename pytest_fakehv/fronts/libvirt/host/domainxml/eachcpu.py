"""Which of a domain's virtual CPUs are there, and which can go again."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, check_given, whole, wrong
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element

_YES_OR_NO = ("yes", "no")


class Cpu(NamedTuple):
    """One virtual CPU of a domain, by its place among them."""

    is_there: bool
    can_go: bool
    """Whether it can be taken away while the domain runs."""
    order: int = 0
    """The how manieth to come it was, from 1; 0 where that isn't said."""


def check_each(root: Element, most: int) -> None:
    """Refuse what a domain says of single CPUs, of which it may have so many.

    Raises:
        LibvirtError: Something of it is wrong.
    """
    for each in _said(root):
        check_given(each, "id")
        whole(each, "id", 0)
        check_choice(each, "enabled", _YES_OR_NO, is_needed=True)
        check_choice(each, "hotpluggable", _YES_OR_NO)
        whole(each, "order", 0)
        if int(each.attributes["id"]) >= most:
            raise wrong(f"vcpu id '{each.attributes['id']}' is out of range of maximum vcpu count")


def is_said(root: Element) -> bool:
    """Whether a domain says which CPUs are there."""
    return bool(_said(root))


def _said(root: Element) -> list[Element]:
    said = root.child("vcpus")
    return list(said.named("vcpu")) if said else []


def each_of(root: Element, current: int, most: int) -> list[Cpu]:
    """Return the CPUs of a checked domain: where it says no more, the first so many are there, and stay."""
    said = {int(each.attributes["id"]): each.attributes for each in _said(root)}
    if not said:
        return [Cpu(is_there=number < current, can_go=number >= current) for number in range(most)]
    cpus = []
    for number in range(most):
        one = said.get(number, {"enabled": "no"})
        is_there = one["enabled"] == "yes"
        can_go = not is_there or one.get("hotpluggable") == "yes"
        cpus.append(Cpu(is_there, can_go, int(one.get("order", 0))))
    return cpus


def how_many(cpus: Iterable[Cpu]) -> int:
    """Return how many CPUs are there."""
    return sum(each.is_there for each in cpus)


def in_turn(cpus: Sequence[Cpu]) -> list[Cpu]:
    """Return CPUs that are all numbered as they have come: those that weren't come last, one by one."""
    last, done = max((each.order for each in cpus), default=0), []
    for each in cpus:
        if each.is_there and not each.order:
            last += 1
        done.append(each._replace(order=(each.order or last) if each.is_there else 0))
    return done


def changed(cpus: Sequence[Cpu], numbers: Iterable[int], *, comes: bool) -> list[Cpu]:
    """Return CPUs of which some have come, or have gone."""
    chosen = set(numbers)
    other = Cpu(is_there=comes, can_go=True)
    return [
        other if number in chosen and each.is_there != comes else each for number, each in enumerate(cpus)
    ]


def resized(cpus: Sequence[Cpu], count: int, *, can_go: bool) -> list[Cpu]:
    """Return CPUs of which so many are there: the first come, the last go.

    Args:
        cpus: The CPUs.
        count: How many.
        can_go: Whether those that come can go again while the domain runs.
    """
    done, missing = list(cpus), count - how_many(cpus)
    for number in range(len(done)) if missing > 0 else reversed(range(len(done))):
        if missing and done[number].is_there == (missing < 0):
            done[number] = Cpu(missing > 0, can_go or missing < 0)
            missing -= 1 if missing > 0 else -1
    return done


def said_of_each(cpus: Iterable[Cpu]) -> Element:
    """Return what is said of each CPU."""
    each = []
    for number, cpu in enumerate(cpus):
        said = {
            "id": str(number),
            "enabled": "yes" if cpu.is_there else "no",
            "hotpluggable": "yes" if cpu.can_go else "no",
        }
        each.append(Element("vcpu", {**said, "order": str(cpu.order)} if cpu.order else said))
    return Element("vcpus", {}, tuple(each))
