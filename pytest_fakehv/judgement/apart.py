"""Which instances a test wants kept apart, and when two of them came together."""

from collections import Counter
from collections.abc import Callable

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.interface.objects import InstanceLike, name_of
from pytest_fakehv.judgement.violations import Violation
from pytest_fakehv.text import listed, natural_order, printable, shown

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it


def check_group(*instances: str | InstanceLike) -> tuple[str, ...]:
    """Return the names of instances that are to be kept apart.

    Raises:
        DeclarationError: there are fewer than two, one is given twice, or is none.
    """
    names = tuple(map(name_of, instances))
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise DeclarationError(f"{shown(twice[0])} is given twice")
    if len(names) < 2:  # noqa: PLR2004  # one is apart from itself
        raise DeclarationError(f"at least two instances are kept apart, not {len(names)}")
    return names


class Apart:
    """Which instances must never be on one node.

    Attributes:
        others: what each of them must not meet, by name; nothing, as a rule.
    """

    def __init__(self) -> None:
        self.others: dict[str, set[str]] = {}

    def keep(self, names: tuple[str, ...]) -> None:
        """Keep some instances apart, each from all others of them, beside those that are so already."""
        for name in names:
            self.others.setdefault(name, set()).update({*names} - {name})

    def broken(
        self, node: str, instance: str, call: Call, is_there: Callable[[str, str], bool]
    ) -> list[Violation]:
        """Return what is wrong with an instance's coming to a node by a call: nothing, or who was there.

        Args:
            node: the node.
            instance: the instance, which has come.
            call: by which call.
            is_there: tells of a node and an instance whether that has a file there now.
        """
        there = [each for each in self.others.get(instance, ()) if is_there(node, each)]
        if not there:
            return []
        what = f"{printable(instance)} came to {node} while {listed(there)} ran there"
        return [
            Violation(
                invariant="together",
                what=what,
                instance=instance,
                others=tuple(sorted(there, key=natural_order)),
                nodes=(node,),
                call=call,
            )
        ]
