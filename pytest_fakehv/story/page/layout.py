"""Where everything of a timeline stands in its picture, in pixels."""

import math
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.story.labels import short_names
from pytest_fakehv.story.timeline import Arrow, Bar, Lane, Step, Timeline

GUTTER: Final = 124
"""What the nodes' names have, on the left."""

BEYOND: Final = 4000
"""How much wider a frame around a picture may be: as much as a screen."""

_WIDTH: Final = 1000
_NARROWEST: Final = 720
_NARROWEST_STEP: Final = 30
_WIDEST_STEP: Final = 72
_STRIP: Final = 28
_ROW: Final = 22
_PADDING: Final = 8
_HEADING: Final = 28  # what a lane's name needs
_LINE: Final = 13
_FEWEST_LINES: Final = 2  # about a lane
_LETTER: Final = 6.3  # the width of one, in a sans-serif of 11 pixels
_LONGEST_LABEL: Final = 30
_LONGEST_NAME: Final = 16
_SLOPE: Final = math.radians(42)
_MOST_LABELS: Final = 70
_SHORTEST_BAR: Final = 8
_SHORTEST_ARROW: Final = 14
_FARTHEST: Final = 0.85
_LABEL_EVERY: Final = 280


@dataclass(frozen=True, kw_only=True)
class LaneBox:
    """A node's lane: its name, its height, and what was wrong with it when."""

    lane: Lane
    name: str
    y: float
    height: float
    crowd_y: float
    periods: Sequence["PeriodBox"]


@dataclass(frozen=True, kw_only=True)
class PeriodBox:
    """A time when something was wrong with a node."""

    kind: str
    what: str
    x: float
    width: float
    lasts: bool  # to the end, however wide the frame is


@dataclass(frozen=True, kw_only=True)
class BarBox:
    """A part of an instance's life, and its name where that begins."""

    bar: Bar
    is_aside: bool  # it is not about what went wrong
    x: float
    y: float
    width: float
    lasts: bool  # as above
    label: str
    label_xs: Sequence[float]  # again and again on a long one, of which only a part may be in view


@dataclass(frozen=True, kw_only=True)
class ArrowBox:
    """A migration: the way, how far it came on it, and its label beside that."""

    arrow: Arrow
    kind: str
    x1: float
    y1: float
    x2: float
    y2: float
    reached_x: float
    reached_y: float
    label: str
    label_x: float
    label_y: float
    angle: float


@dataclass(frozen=True, kw_only=True)
class MarkBox:
    """A step's mark, and its label in the head."""

    step: Step
    index: int
    x: float
    y: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A time on the axis."""

    x: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The picture.

    Attributes:
        width: all of it.
        height: all of it.
        head: what the steps' labels have, above the lanes.
        lanes: the nodes.
        bars: the instances.
        arrows: the migrations.
        marks: the steps.
        ticks: the times.
    """

    width: float
    height: float
    head: float
    lanes: Sequence[LaneBox]
    bars: Sequence[BarBox]
    arrows: Sequence[ArrowBox]
    marks: Sequence[MarkBox]
    ticks: Sequence[Tick]


def draw(timeline: Timeline) -> Drawing:
    """Find a place for everything."""
    return _Layout(timeline).drawing()


class _Layout:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        steps = timeline.steps
        self._step = max(_NARROWEST_STEP, min(_WIDEST_STEP, (_WIDTH - GUTTER) / max(1, len(steps) + 1)))
        self._labels = [self._label(step) for step in steps]
        longest = max(map(len, self._labels), default=0)
        self._head = 36 + longest * _LETTER * math.sin(_SLOPE)
        # The last label leans over the end.
        lean = max(self._step, longest * _LETTER * math.cos(_SLOPE))
        self._end = max(_NARROWEST, GUTTER + self._step * len(steps) + lean)
        self._end = max([self._end, *map(self._label_end, timeline.bars)])
        self._lanes = [*timeline.lanes]
        names = {lane.name for lane in self._lanes}
        if "" not in names and any(step.node not in names for step in steps):
            # What is of no node: gaps, and deeds of the test that are about an instance.
            is_test = any(step.mark == "test" and not step.node for step in steps)
            self._lanes.insert(0, Lane(name="", about="the test" if is_test else ""))
        self._rows: dict[tuple[str, str], int] = {}
        self._row_counts: dict[str, int] = defaultdict(int)

    def _label(self, step: Step) -> str:
        if step.mark == "gap":
            return f"{step.count} calls not shown"
        if len(self._timeline.steps) > _MOST_LABELS and step.mark == "call":
            return ""
        times = f" x{step.count}" if step.count > 1 else ""
        return _cut(step.what, _LONGEST_LABEL - len(times)) + times

    def drawing(self) -> Drawing:
        self._give_rows()
        lanes = self._lane_boxes()
        tops = {box.lane.name: box.y for box in lanes}
        marks = [
            MarkBox(
                step=step,
                index=index,
                x=self._x(index),
                y=tops.get(step.node, tops.get("", self._head)) + _STRIP / 2,
                label=self._labels[index],
            )
            for index, step in enumerate(self._timeline.steps)
        ]
        return Drawing(
            width=round(self._end),
            height=round(lanes[-1].y + lanes[-1].height + 1) if lanes else round(self._head),
            head=self._head,
            lanes=lanes,
            bars=self._bar_boxes(tops),
            arrows=self._arrow_boxes(tops, marks),
            marks=marks,
            ticks=self._ticks(),
        )

    def _x(self, place: float | None, *, edge: float | None = None) -> float:
        """Return where a place on the axis is; None is at the edge."""
        if place is None:
            return GUTTER if edge is None else edge
        return GUTTER + self._step * (place + 0.7)

    def _give_rows(self) -> None:
        """Let instances of a lane share a row where their bars and names leave room."""
        spans: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for bar in self._timeline.bars:
            begin = self._x(bar.begin)
            end = max(self._x(bar.end, edge=self._end), begin + _SHORTEST_BAR)
            label = _bar_label(bar, bar.instance)
            if self._stands_beside(label, end - begin):
                end += len(label) * _LETTER + 16
            spans[bar.node, bar.instance].append((begin, end))
        # Where a migration is to arrive there is room too.
        for arrow in self._timeline.arrows:
            for node in (arrow.source, arrow.target):
                spans[node, arrow.instance].append(
                    (self._x(arrow.begin), self._x(arrow.end, edge=self._end) + 10)
                )
        taken: dict[str, list[float]] = defaultdict(list)
        involved = self._timeline.involved
        by_worth = sorted(spans.items(), key=lambda each: (each[0][1] not in involved, min(each[1])))
        for (node, instance), parts in by_worth:
            begin, end = min(part[0] for part in parts), max(part[1] for part in parts)
            rows = taken[node]
            row = next((index for index, until in enumerate(rows) if until < begin), len(rows))
            rows[row:] = [end, *rows[row + 1 :]]
            self._rows[node, instance] = row
            self._row_counts[node] = len(rows)

    def _lane_boxes(self) -> list[LaneBox]:
        boxes = []
        names = short_names((lane.name for lane in self._lanes), _LONGEST_NAME, "…")
        y = self._head
        for lane in self._lanes:
            rows_end = y + _STRIP + _ROW * self._row_counts[lane.name]
            height = rows_end + (_ROW if lane.crowd else 0) + _PADDING + (12 if lane.periods else 0) - y
            about = textwrap.wrap(lane.about, int((GUTTER - 12) / _LETTER))
            height = max(height, _HEADING + _LINE * max(_FEWEST_LINES, len(about)))
            boxes.append(
                LaneBox(
                    lane=lane,
                    name=names[lane.name],
                    y=y,
                    height=height,
                    crowd_y=rows_end + _ROW / 2,
                    periods=[
                        PeriodBox(
                            kind=period.what.replace(" ", "-"),
                            what=period.what,
                            x=self._x(period.begin),
                            width=max(
                                _SHORTEST_BAR, self._x(period.end, edge=self._end) - self._x(period.begin)
                            ),
                            lasts=period.end is None,
                        )
                        for period in lane.periods
                    ],
                )
            )
            y += height
        return boxes

    def _row_y(self, tops: dict[str, float], node: str, instance: str) -> float | None:
        """Return the middle of an instance's row; None where its node has no lane."""
        row = self._rows.get((node, instance))
        return None if row is None or node not in tops else tops[node] + _STRIP + _ROW * (row + 0.5)

    def _bar_boxes(self, tops: dict[str, float]) -> list[BarBox]:
        boxes = []
        involved = self._timeline.involved
        before: dict[tuple[str, str], float | None] = {}
        for bar in self._timeline.bars:
            y = self._row_y(tops, bar.node, bar.instance)
            if y is None:
                continue
            x = self._x(bar.begin)
            width = max(_SHORTEST_BAR, self._x(bar.end, edge=self._end) - x)
            key = (bar.node, bar.instance)
            goes_on = key in before and before[key] == bar.begin
            before[key] = bar.end
            name = "" if goes_on else bar.instance
            label = _bar_label(bar, name)
            is_beside = self._stands_beside(label, width)
            if not is_beside:
                label = _cut(label, _room(width))
            is_aside = bool(involved) and bar.instance not in involved
            xs = [x + 6] if is_aside else _repeated(x + 6, width, len(label) * _LETTER)
            boxes.append(
                BarBox(
                    bar=bar,
                    is_aside=is_aside,
                    x=x,
                    y=y,
                    width=width,
                    lasts=bar.end is None,
                    label=label,
                    label_xs=[x + width + 5] if is_beside else xs,
                )
            )
        return boxes

    def _stands_beside(self, label: str, width: float) -> bool:
        """Tell whether a label stands beside a bar, which is too short for it: a long one has it cut."""
        return len(label) > _room(width) and width <= self._step * 3

    def _label_end(self, bar: Bar) -> float:
        """Return how far the picture must go for a bar's label, which is on one that lasts to its edge."""
        label, begin = _bar_label(bar, bar.instance), self._x(bar.begin)
        end = begin if bar.end is None else max(self._x(bar.end), begin + _SHORTEST_BAR)
        if not self._stands_beside(label, end - begin):
            return end
        needed = len(label) * _LETTER + 9
        return end + needed if bar.end is not None else begin + min(needed, self._step * 3 + 1)

    def _arrow_boxes(self, tops: dict[str, float], marks: Sequence[MarkBox]) -> list[ArrowBox]:
        boxes = []
        for arrow in self._timeline.arrows:
            y1, y2 = (self._row_y(tops, node, arrow.instance) for node in (arrow.source, arrow.target))
            if y1 is None or y2 is None:
                continue
            x1 = self._x(arrow.begin)
            x2 = max(self._x(arrow.end, edge=self._end), x1 + _SHORTEST_ARROW)
            # From edge to edge of the bars.
            down = 1 if y2 > y1 else -1
            y1, y2 = y1 + down * 8, y2 - down * (8 if arrow.arrived else 0)
            # What did not arrive ends before the target, however much was sent.
            share = 1.0 if arrow.arrived else 0.5 if arrow.share is None else min(arrow.share, _FARTHEST)
            label = _arrow_label(arrow)
            reached_x, reached_y = x1 + (x2 - x1) * share, y1 + (y2 - y1) * share
            # Where it has moved there is a bar, with a name: not on that, but on the side that it comes from.
            beside_y = reached_y - down * ((5 if down > 0 else 12) if arrow.arrived else 0)
            label_x, label_y = self._beside(label, reached_x, beside_y, down, marks)
            boxes.append(
                ArrowBox(
                    arrow=arrow,
                    kind=_kind(arrow),
                    x1=x1,
                    y1=y1,
                    x2=x2,
                    y2=y2,
                    reached_x=reached_x,
                    reached_y=reached_y,
                    label=label,
                    label_x=label_x,
                    label_y=label_y,
                    angle=math.degrees(math.atan2(y2 - y1, x2 - x1)),
                )
            )
        return boxes

    def _beside(
        self, label: str, x: float, y: float, down: int, marks: Sequence[MarkBox]
    ) -> tuple[float, float]:
        """Return where an arrow's label begins, beside its tip: inside the picture, and not below a mark."""
        width = len(label) * _LETTER
        begin = x + 9
        if begin + width > self._end:  # to the left, where the arrow comes from
            begin, y = x - 9 - width, y + down * (13 if down > 0 else 20)
        hides = [
            mark.y - 12
            for mark in marks
            if begin - 10 < mark.x < begin + width + 10 and abs(mark.y - (y - 4)) < _STRIP / 2
        ]
        return begin, min([y, *hides])

    def _ticks(self) -> list[Tick]:
        ticks: list[Tick] = []
        last: str = ""
        free = 0.0
        for index, step in enumerate(self._timeline.steps):
            text = f"{step.time:.3g} s" if self._timeline.clock == "real" else f"{step.time:g} s"
            x = self._x(index)
            if text != last and x - len(text) * 3 > free:
                ticks.append(Tick(x=x, text=text))
                last, free = text, x + len(text) * 3 + 6
        return ticks


def _repeated(x: float, width: float, label_width: float) -> list[float]:
    """Return where the labels of a bar begin."""
    count = 1 + max(0, int((width - label_width - 12) // _LABEL_EVERY))
    return [x + number * _LABEL_EVERY for number in range(count)]


def _kind(arrow: Arrow) -> str:
    """Return an arrow's style."""
    if arrow.outcome == "active" and not arrow.arrived:
        return "under-way"
    bad = " bad" if arrow.lie or arrow.outcome != "completed" else ""
    return f"{'arrived' if arrow.arrived else 'stopped'}{bad}{' hidden' if arrow.is_hidden else ''}"


def _arrow_label(arrow: Arrow) -> str:
    """Say how it ended, but for what is seen."""
    if arrow.lie:
        words = f"said {arrow.outcome}, {'had moved' if arrow.is_hidden else 'was lost'}"
    elif arrow.arrived and arrow.outcome == "completed":
        return ""
    else:
        words = "under way" if arrow.outcome == "active" else arrow.outcome
        words = words if arrow.share is None or arrow.arrived else f"{arrow.share * 100:.0f} % {words}"
    return f"{_cut(arrow.instance, _LONGEST_NAME)}: {words}"


def _bar_label(bar: Bar, name: str) -> str:
    return f"{name} paused".strip() if bar.state == "paused" else name


def _room(width: float) -> int:
    """Return how many letters stand in a bar."""
    return int((width - 8) / _LETTER)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(0, most - 1)]}…"
