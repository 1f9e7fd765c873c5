"""Names in little room, still told from each other."""

from collections.abc import Iterable, Mapping


def short_names(names: Iterable[str], width: int, mark: str) -> Mapping[str, str]:
    """Cut names to a width: at their end or, where some would then look alike, in the middle.

    Args:
        names: which.
        width: how many letters there are for each; from 1.
        mark: the letter that stands for what is left out.
    """
    every = dict.fromkeys(names)
    at_the_end = {name: _cut(name, max(0, width - 1), 0, mark) for name in every}
    if width < len(mark) + 2 or len({*at_the_end.values()}) == len(every):
        return at_the_end
    head = (width - 1) // 2
    return {name: _cut(name, head, width - 1 - head, mark) for name in every}


def _cut(name: str, head: int, tail: int, mark: str) -> str:
    if len(name) <= head + tail + 1:
        return name
    return f"{name[:head]}{mark}{name[len(name) - tail :]}"
