"""What happened to a cluster, as plain data: the picture that is printed, drawn and sent.

Its axis is not the time but the order of things, as most of what a test does takes no time: each call, or
like calls in a row, and each deed of the test is a step. Places on the axis are steps' indexes; half of
one is between two steps, and None is before the first or after the last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

Mark = Literal["violation", "crash", "fault", "raised", "hold", "test", "call", "gap"]
"""What is most worth knowing of a step."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A call, like calls in a row, a deed of the test, or what is left out between two of these.

    Attributes:
        mark: what is most worth knowing of it.
        time: when it began, in seconds of the cluster's clock.
        node: the name of the node where it happened; "" for none.
        instance: the name of the instance that it is about; "" for none.
        what: the name of the method.
        first: the number of the first call; 0 for none.
        last: the number of the last call; 0 for none.
        text: the last call as it was made, or the deed, or what is left out.
        result: what came of the last call.
        place: where it was made.
        raised: how many of its calls raised.
        lied: how many of them answered what was not so, by a fault.
        deeds: how many deeds of the test it stands for.
        notes: what else is to know: faults, holds, what the test did meanwhile, invariants.
    """

    mark: Mark
    time: float
    node: str = ""
    instance: str = ""
    what: str = ""
    first: int = 0
    last: int = 0
    text: str = ""
    result: str = ""
    place: str = ""
    raised: int = 0
    lied: int = 0
    deeds: int = 0
    notes: Sequence[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many calls it stands for."""
        return self.last - self.first + 1 if self.first else 0

    @property
    def numbers(self) -> str:
        """The numbers of the calls that it stands for."""
        if self.mark == "gap" or not self.first:
            return ""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, kw_only=True)
class Period:
    """What was wrong with a node for a time: "down", "cut off", "gone" or "not there yet"."""

    what: str
    begin: float | None
    end: float | None


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A node.

    Attributes:
        name: its name; "" for those that are not drawn, together.
        about: its size, or which those are.
        periods: when it was not as it should be.
        crowd: how many instances were there that have no bar.
    """

    name: str
    about: str
    periods: Sequence[Period] = field(default_factory=list)
    crowd: int = 0


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A part of an instance's life on a node: "running", or "paused"."""

    instance: str
    node: str
    state: str
    begin: float | None
    end: float | None


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """A migration.

    Attributes:
        instance: the instance's name.
        source: the name of the node that it left.
        target: the name of the node that it was to move to.
        begin: when it began.
        end: when the instance arrived on the target or, where it did not, when the migration ended.
        arrived: whether the instance was on the target, be it only for a time.
        is_hidden: whether it arrived behind its driver's back, whose status said otherwise.
        share: how much of the RAM was sent, from 0 to 1 in whole hundredths; None where that is not known, as
            where some had to be sent again.
        outcome: what its status says in the end.
        lie: what is true where that was a lie, in words; "" for nothing.
        text: its course, in words.
    """

    instance: str
    source: str
    target: str
    begin: float | None
    end: float | None
    arrived: bool
    is_hidden: bool
    share: float | None
    outcome: str
    lie: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """An invariant that did not hold.

    Attributes:
        invariant: which.
        what: what is wrong.
        advice: what would have been right.
        step: since which step; None if it began with none that is there.
    """

    invariant: str
    what: str
    advice: str
    step: int | None


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What happened to a cluster, or to one node.

    Attributes:
        lanes: the nodes.
        steps: what happened, in order.
        bars: where instances were.
        arrows: the migrations.
        troubles: which invariants did not hold.
        involved: the names of the instances that what went wrong is about.
        involved_nodes: the names of the nodes that it is about.
        nowhere: what runs nowhere any more, with what took it away.
        rules: the scripts and the faults, with where each stands, and what came of it.
        left_out: what is not there because there is too much of it, in words.
        calls: how many calls there were in all.
        clock: what made the time go.
    """

    lanes: Sequence[Lane]
    steps: Sequence[Step]
    bars: Sequence[Bar]
    arrows: Sequence[Arrow]
    troubles: Sequence[Trouble]
    involved: Sequence[str]
    involved_nodes: Sequence[str]
    nowhere: Sequence[str]
    rules: Sequence[str]
    left_out: Sequence[str]
    calls: int
    clock: str

    def data(self) -> dict[str, Any]:
        """Return it as what JSON has."""
        # Not by `dataclasses.asdict`, which copies each text.
        return {
            **vars(self),
            "lanes": [{**vars(each), "periods": _plain(each.periods)} for each in self.lanes],
            "steps": _plain(self.steps),
            "bars": _plain(self.bars),
            "arrows": _plain(self.arrows),
            "troubles": _plain(self.troubles),
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Make it from `data`'s result."""
        return cls(
            lanes=[
                Lane(**{**each, "periods": [Period(**period) for period in each["periods"]]})
                for each in data["lanes"]
            ],
            steps=[Step(**each) for each in data["steps"]],
            bars=[Bar(**each) for each in data["bars"]],
            arrows=[Arrow(**each) for each in data["arrows"]],
            troubles=[Trouble(**each) for each in data["troubles"]],
            involved=data["involved"],
            involved_nodes=data["involved_nodes"],
            nowhere=data["nowhere"],
            rules=data["rules"],
            left_out=data["left_out"],
            calls=data["calls"],
            clock=data["clock"],
        )


def _plain(flat: Iterable[object]) -> list[dict[str, Any]]:
    return [dict(vars(each)) for each in flat]
