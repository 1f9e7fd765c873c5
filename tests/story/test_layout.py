"""Where things stand in a picture: nothing outside of it, nothing over something else, all at its step."""

import itertools
import math
import re
import xml.etree.ElementTree as ET

import pytest

from pytest_fakehv.story.timeline import Arrow, Bar, Lane, Period, Step, Timeline

pytest.importorskip("jinja2")
from pytest_fakehv.story.page.render import svg

SVG = "{http://www.w3.org/2000/svg}"
GUTTER = 124
LETTER = 6.3
NODES = ("node1", "node2")


def numbers(text):
    return [float(each) for each in re.findall(r"-?[0-9.]+", text)]


def calls(count, *, node="node1", time=0.0, what="Call"):
    return [Step(mark="call", time=time, node=node, what=what, first=n, last=n) for n in range(1, count + 1)]


def lanes(*names, **fields):
    return [Lane(name=name, about="", **fields) for name in names or NODES]


def bar(instance, begin, end, *, node="node1", state="running"):
    return Bar(instance=instance, node=node, state=state, begin=begin, end=end)


def arrow(instance, begin, end, **fields):
    usual = {"source": "node1", "target": "node2", "arrived": True, "is_hidden": False, "share": None}
    own = {**usual, "outcome": "completed", "lie": "", "text": "", **fields}
    return Arrow(instance=instance, begin=begin, end=end, **own)


class Picture:
    """What is drawn of a timeline."""

    def __init__(self, **parts):
        empty = {key: [] for key in ["troubles", "involved_nodes", "nowhere", "rules", "left_out"]}
        usual = {"lanes": lanes(), "steps": calls(8), "bars": [], "arrows": [], "involved": []}
        timeline = Timeline(**empty, **{**usual, "calls": 0, "clock": "manual", **parts})
        self.svg = ET.fromstring(svg(timeline))
        self.width, self.height = float(self.svg.get("width")), float(self.svg.get("height"))

    def all(self, tag, kind):
        return [each for each in self.svg.iter(f"{SVG}{tag}") if kind in each.get("class", "").split()]

    def rects(self, kind):
        """Return x, y, width and height."""
        keys = ("x", "y", "width", "height")
        return [tuple(float(each.get(key, 0)) for key in keys) for each in self.all("rect", kind)]

    def texts(self, kind):
        """Return x, y and the text."""
        return [(float(each.get("x")), float(each.get("y")), each.text) for each in self.all("text", kind)]

    def lanes(self):
        """Return where each begins and ends."""
        return [(y, y + height) for _, y, _, height in self.rects("lane")]

    def dots(self):
        return [(float(each.get("cx")), float(each.get("cy"))) for each in self.all("circle", "call")]

    def labels(self):
        return [each.text for each in self.all("text", "label")]

    def ways(self, kind="sent"):
        return [numbers(each.get("d")) for each in self.all("path", kind)]

    def rows(self):
        """Return how far below its lane's top each bar's middle is."""
        tops = [top for top, _ in self.lanes()]
        return [y + 8 - max(top for top in tops if top <= y) for _, y, _, _ in self.rects("bar")]


def about(number):
    return pytest.approx(number, abs=0.2)


class TestSteps:
    def test_they_share_the_width(self):
        xs = [x for x, _ in Picture(steps=calls(20)).dots()]
        steps = {round(right - left) for left, right in itertools.pairwise(xs)}
        assert steps <= {41, 42}
        assert GUTTER < xs[0] < GUTTER + 42
        assert xs[-1] + 1.3 * 41.7 == pytest.approx(1000, abs=1)

    @pytest.mark.parametrize(("count", "width"), [(2, 72), (60, 30)])
    def test_they_are_never_too_wide_or_too_narrow(self, count, width):
        xs = [x for x, _ in Picture(steps=calls(count)).dots()]
        assert [right - left for left, right in itertools.pairwise(xs)] == [about(width)] * (count - 1)

    @pytest.mark.parametrize("length", [3, 30])
    def test_the_head_and_the_right_edge_have_room_for_the_labels(self, length):
        picture = Picture(steps=calls(20, what="n" * length))
        assert [len(each) for each in picture.labels()] == [length] * 20
        x, y = numbers(picture.all("text", "label")[-1].get("transform"))[:2]
        slope = math.radians(42)
        top, right = (y - length * LETTER * math.sin(slope), x + length * LETTER * math.cos(slope))
        assert 0 < top < 20
        assert 0 < picture.width - right < 42

    def test_their_labels(self):
        steps = [
            Step(mark="gap", time=0, first=1, last=5, what="Call"),
            Step(mark="call", time=0, first=6, last=6, what="Call"),
            Step(mark="call", time=0, first=7, last=8, what="Call"),
            Step(mark="call", time=0, first=9, last=9, what="n" * 30),
            Step(mark="call", time=0, first=10, last=10, what="n" * 31),
            Step(mark="call", time=0, first=11, last=20, what="n" * 31),
        ]
        expected = ["5 calls not shown", "Call", "Call x2", "n" * 30, f"{'n' * 29}…", f"{'n' * 25}… x10"]
        assert Picture(steps=steps).labels() == expected

    @pytest.mark.parametrize(("count", "expected"), [(69, ["Call"] * 69), (70, [])])
    def test_where_there_are_many_only_what_is_no_plain_call_has_a_label(self, count, expected):
        steps = [*calls(count), Step(mark="fault", time=0, node="node1", what="Fault", first=9, last=9)]
        assert Picture(steps=steps).labels() == [*expected, "Fault"]

    def test_times_do_not_touch(self):
        steps = [*calls(6), *(calls(1, time=0.123456 + each)[0] for each in range(30))]
        picture = Picture(steps=steps)
        ticks = picture.texts("tick")
        assert ticks[0][2] == "0 s"
        assert len(ticks) > 8
        assert {x for x, _, _ in ticks} <= {x for x, _ in picture.dots()}
        assert len({text for _, _, text in ticks}) == len(ticks)
        for (x, _, text), (next_x, _, next_text) in itertools.pairwise(ticks):
            assert x + len(text) * 3 + 5 < next_x - len(next_text) * 3


class TestLanes:
    def test_they_follow_one_another_and_hold_their_rows_and_marks(self):
        bars = [*(bar(f"web{n}", None, None) for n in range(3)), bar("web9", 1, None, node="node2")]
        steps = [*calls(1), *calls(1, node="node2"), *calls(1, node="node3")]
        picture = Picture(lanes=lanes("node1", "node2", "node3"), steps=steps, bars=bars)
        found = picture.lanes()
        assert [round(end - begin) for begin, end in found] == [102, 58, 54]
        assert [begin for begin, _ in found[1:]] == [about(end) for _, end in found[:-1]]
        assert found[-1][1] <= picture.height <= found[-1][1] + 2
        assert picture.rows() == [about(each) for each in (39, 61, 83, 39)]
        for (begin, _), (_, y) in zip(found, picture.dots(), strict=True):
            assert begin + 5 < y < begin + 23

    def test_nothing_at_all(self):
        picture = Picture(lanes=[], steps=[])
        assert (picture.width, picture.lanes()) == (720, [])
        assert picture.height > 0

    def test_what_is_of_no_node_has_one_of_its_own(self):
        steps = [*calls(1), Step(mark="test", time=0, what="add_instance"), *calls(1, node="")]
        picture = Picture(lanes=lanes("node1"), steps=steps)
        assert [text or "" for _, _, text in picture.texts("node")] == ["", "node1"]
        assert [text or "" for _, _, text in picture.texts("about")] == ["the test", ""]
        (first, second), ((_, own), (_, none)) = picture.lanes(), picture.dots()
        assert first[0] < none < first[1] <= second[0] < own < second[1]

    @pytest.mark.parametrize(
        "steps",
        [
            [Step(mark="gap", time=0, first=1, last=5)],
            [Step(mark="test", time=0, node="node1"), *calls(1, node="")],
        ],
    )
    def test_it_is_not_of_the_test_where_the_test_did_nothing_there(self, steps):
        picture = Picture(lanes=lanes("node1"), steps=steps)
        assert [text or "" for _, _, text in picture.texts("about")] == ["", ""]

    def test_nodes_that_are_not_drawn_share_the_one_that_is_for_them(self):
        picture = Picture(lanes=lanes("node1", ""), steps=[*calls(1), *calls(1, node="node9")])
        first, second = picture.lanes()
        (_, own), (_, other) = picture.dots()
        assert first[0] < own < first[1] <= second[0] < other < second[1]

    def test_long_names_of_nodes_are_cut(self):
        picture = Picture(lanes=lanes("node1", f"a{'n' * 40}z"))
        (_, _, first), (_, _, second) = picture.texts("node")
        assert first == "node1"
        assert len(second) <= 16
        assert re.fullmatch("an*…n*z?", second)

    def test_what_was_wrong_is_below_the_bars_from_its_begin_to_its_end(self):
        periods = [
            Period(what="down", begin=1, end=3),
            Period(what="cut off", begin=4, end=4),
            Period(what="down", begin=5, end=None),
        ]
        picture = Picture(lanes=lanes("node1", periods=periods, crowd=5), bars=[bar("web1", 0, None)])
        ((top, end),) = picture.lanes()
        xs = [x for x, _ in picture.dots()]
        expected = [(xs[1], xs[3]), (xs[4], xs[4] + 8), (xs[5], picture.width)]
        for (x, y, width, height), (begin, until) in zip(picture.rects("period"), expected, strict=True):
            assert (x, x + width) == (about(begin), pytest.approx(until, abs=0.6))
            assert (y, y + height) == (about(top), about(end))
        ((_, y, _, height),) = picture.rects("bar")
        words = {text: word_y for _, word_y, text in picture.texts("quiet")}
        assert y + height < words["and 5 more instances"] - 8
        assert words["and 5 more instances"] < words["cut off"] - 8
        assert words["cut off"] < end
        picture = Picture(lanes=lanes("node1", periods=periods), bars=[bar("web1", 0, None)])
        assert y + height < picture.texts("quiet")[0][1] - 8


class TestBars:
    def test_they_begin_and_end_at_their_steps(self):
        bars = [bar("web1", 1, 3), bar("web2", None, 2.5), bar("web3", 2, None), bar("web4", 5, 5)]
        picture = Picture(bars=[bar("web0", 0, 1, node="nowhere"), *bars])
        xs = [x for x, _ in picture.dots()]
        expected = [(xs[1], xs[3]), (GUTTER, (xs[2] + xs[3]) / 2), (xs[2], picture.width), (xs[5], xs[5] + 8)]
        ends = [(x, x + width) for x, _, width, _ in picture.rects("bar")]
        assert ends == [(about(begin), pytest.approx(end, abs=0.6)) for begin, end in expected]

    @pytest.mark.parametrize(
        ("bars", "rows"),
        [
            ([bar("web1", 0, 1), bar("web2", 3, None)], [39, 39]),
            ([bar("web1", 0, None), bar("web2", 5, None)], [39, 61]),
            ([bar("web1", 0, 5), bar("web2", 3, None)], [39, 61]),
            # A name beside a short bar needs room too.
            ([bar("n" * 22, 0, 0.5), bar("web2", 2, None)], [39, 61]),
            ([bar("n" * 20, 0, 1), bar("web2", 2, None)], [39, 61]),
            ([bar("n" * 20, 0, 1), bar("web2", 4, None)], [39, 39]),
            ([bar("n" * 14, 0, 1), bar("web2", 2.5, None)], [39, 39]),
            ([bar("n" * 14, 0, 1, state="paused"), bar("web2", 2.5, None)], [39, 61]),
            ([bar("n" * 99, 0, 4), bar("web2", 5, None)], [39, 39]),
            # What begins first is above, whatever its name.
            ([bar("web1", 5, None), bar("web2", 1, None)], [61, 39]),
        ],
    )
    def test_they_share_a_row_where_there_is_room(self, bars, rows):
        picture = Picture(bars=bars)
        assert picture.rows() == [about(each) for each in rows]
        ((begin, end), _) = picture.lanes()
        assert end - begin == about(36 + 22 * len({*rows}))

    def test_a_lane_has_all_its_rows_when_one_above_is_used_again(self):
        picture = Picture(bars=[bar("a", 0, 1), bar("b", 0, None), bar("c", 0, None), bar("d", 4, None)])
        assert picture.rows() == [about(each) for each in (39, 61, 83, 39)]
        ((begin, end), _) = picture.lanes()
        assert end - begin == about(102)

    @pytest.mark.parametrize(
        ("migration", "begin", "row"),
        [
            (arrow("web1", 1, 2, arrived=False), 5, 39),
            (arrow("web1", 1, None, arrived=False), 4, 61),
            (arrow("web1", 5, 6, arrived=False), 0, 39),
        ],
    )
    def test_they_leave_room_for_migrations(self, migration, begin, row):
        bars = [bar("web1", None, None), bar("web2", begin, begin + 1, node="node2")]
        picture = Picture(bars=bars, arrows=[migration])
        assert picture.rows()[1] == about(row)

    def test_what_went_wrong_is_above_and_the_rest_is_pale(self):
        picture = Picture(bars=[bar("web1", None, None), bar("web2", 2, None)], involved=["web2"])
        assert picture.rows() == [about(61), about(39)]
        assert [y + 8 for _, y, _, _ in picture.rects("aside")] == [about(picture.lanes()[0][0] + 61)]
        xs = [x for x, _, text in picture.texts("said") if text == "web1"]
        assert xs == [about(GUTTER + 6)]
        assert Picture(bars=[bar("web1", None, None)]).rects("aside") == []

    def test_names_are_on_their_bars_or_beside(self):
        bars = [
            bar("web1", 0, 2),
            bar("web2", 2, 3, state="paused"),
            bar("web2", 3, 7),
            bar("b" * 23, 0, 2),
            bar("n" * 99, 0, 5),
            bar("repeated", 0, 4.5),
            bar("again", 0, None),
        ]
        picture = Picture(bars=bars)
        found = {}
        for x, y, text in picture.texts("said"):
            found.setdefault((y, text[:4]), []).append((x, text))
        names = {text: xs for xs in found.values() for _, text in xs}
        assert {*names} == {"web1", "web2 paused", "b" * 23, f"{'n' * 54}…", "repeated", "again"}
        rects = {each.instance: rect for each, rect in zip(bars, picture.rects("bar"), strict=True)}
        for name, inside in [("web1", 1), ("n" * 99, 1), ("repeated", 1), ("again", 2)]:
            left, _, width, _ = rects[name]
            xs = names[name if name in names else f"{'n' * 54}…"]
            assert len(xs) == inside
            assert [left + 6 + 280 * number for number in range(inside)] == [about(x) for x, _ in xs]
            assert [left < x and x + len(text) * LETTER <= left + width for x, text in xs] == [True] * inside
        left, _, width, _ = rects["b" * 23]
        assert left + width < names["b" * 23][0][0] < left + width + 9

    @pytest.mark.parametrize("count", [8, 30, 80])
    @pytest.mark.parametrize("length", [6, 14, 40])
    @pytest.mark.parametrize("end", [None, 0, 1])
    def test_the_name_of_what_begins_or_ends_last_is_in_the_picture(self, count, length, end):
        begin = count - 2
        picture = Picture(
            steps=calls(count), bars=[bar("n" * length, begin, None if end is None else begin + end)]
        )
        ((x, _, text),) = picture.texts("said")
        assert text[:5] == "nnnnn"
        assert x + len(text) * LETTER <= picture.width
        ((left, _, width, _),) = picture.rects("bar")
        if end is None:
            assert left < x
            assert left + width == pytest.approx(picture.width, abs=0.6)


class TestMigrations:
    @pytest.mark.parametrize("down", [True, False])
    @pytest.mark.parametrize(
        ("fields", "share"),
        [({}, 1), ({"share": 0.6}, 0.6), ({"share": 0.99}, 0.85), ({"share": None}, 0.5)],
    )
    def test_they_go_from_bar_to_bar(self, down, fields, share):
        """One that did not arrive ends on its way."""
        source, target = NODES if down else NODES[::-1]
        arrived = share == 1
        own = arrow("web1", 2, 4, source=source, target=target, arrived=arrived, **fields)
        absent = [arrow("web1", 1, 2, source="nowhere"), arrow("web1", 1, 2, target="nowhere")]
        bars = [bar("web1", None, 4, node=source), bar("web1", 4, None, node=target)]
        picture = Picture(bars=bars, arrows=[*absent, own])
        (_, from_y, _, _), (_, to_y, _, _) = picture.rects("bar")
        sign = 1 if down else -1
        begin, end = from_y + 8 + sign * 8, to_y + 8 - sign * 8 * arrived
        xs = [x for x, _ in picture.dots()]
        reached = [xs[2] + (xs[4] - xs[2]) * share, begin + (end - begin) * share]
        assert picture.ways() == [[about(each) for each in (xs[2], begin, *reached)]]
        assert picture.ways("way") == ([] if arrived else [[about(n) for n in (xs[2], begin, xs[4], end)]])
        (tip,) = picture.all("path", "tip-of" if arrived else "stop")
        angle = math.degrees(math.atan2(end - begin, xs[4] - xs[2]))
        assert numbers(tip.get("transform"))[2] == about(angle)

    def test_one_that_took_no_step_is_seen_and_one_without_end_goes_to_the_edge(self):
        arrows = [arrow("web1", 2, 2), arrow("web2", 3, None, arrived=False, outcome="active")]
        picture = Picture(arrows=arrows)
        (x1, _, x2, _), _ = picture.ways()
        assert x2 - x1 == about(14)
        ((x1, _, x2, _),) = picture.ways("way")
        assert x1 == about(picture.dots()[3][0])
        assert x2 == pytest.approx(picture.width, abs=0.6)

    @pytest.mark.parametrize(
        ("fields", "kind", "label"),
        [
            ({}, "sent arrived", None),
            ({"arrived": False}, "sent stopped", "web1: completed"),
            ({"arrived": False, "lie": "lost"}, "sent stopped bad", "web1: said completed, was lost"),
            ({"arrived": False, "outcome": "failed"}, "sent stopped bad", "web1: failed"),
            ({"arrived": False, "outcome": "active"}, "sent under-way", "web1: under way"),
            ({"outcome": "active"}, "sent arrived bad", "web1: under way"),
            (
                {"outcome": "failed", "lie": "moved", "is_hidden": True},
                "sent arrived bad hidden",
                "web1: said failed, had moved",
            ),
        ],
    )
    def test_how_they_ended(self, fields, kind, label):
        picture = Picture(arrows=[arrow("web1", 1, 2, **fields)])
        assert [each.get("class") for each in picture.all("path", "sent")] == [kind]
        labels = [(x, text) for x, _, text in picture.texts("said")]
        assert [text for _, text in labels] == [label] * (label is not None)
        (_, _, reached_x, _), *_ = picture.ways()
        assert [x for x, _ in labels] == [about(reached_x + 9)] * len(labels)

    @pytest.mark.parametrize("down", [True, False])
    def test_the_label_is_not_on_the_bar_where_it_arrived(self, down):
        source, target = NODES if down else NODES[::-1]
        bars = [bar("web1", None, 4, node=source), bar("web1", 4, None, node=target)]
        own = arrow("web1", 2, 4, source=source, target=target, outcome="failed")
        picture = Picture(bars=bars, arrows=[own])
        (_, top, _, height) = picture.rects("bar")[1]
        (label,) = [y for _, y, text in picture.texts("said") if text == "web1: failed"]
        assert top - 8 < label < top if down else top + height + 8 < label < top + height + 16

    @pytest.mark.parametrize("down", [True, False])
    def test_at_the_edge_the_label_is_on_the_left_beyond_the_tip(self, down):
        source, target = NODES if down else NODES[::-1]
        own = arrow("web1", 6, 7, source=source, target=target, arrived=False, outcome="failed", share=0.8)
        picture = Picture(arrows=[own])
        ((x, y, text),), ((_, _, tip_x, tip_y),) = picture.texts("said"), picture.ways()
        assert tip_x - 12 < x + len(text) * LETTER < tip_x - 6
        assert (y - tip_y) * (1 if down else -1) > 9

    @pytest.mark.parametrize(
        ("name", "share", "step"), [("web1", 0.5, 1), ("node-99", 0.5, 3), ("w", 0.74, 2)]
    )
    def test_the_label_is_above_a_mark_that_it_would_hide(self, name, share, step):
        own = arrow(name, 0, 2, arrived=False, outcome="failed", share=share)
        steps = calls(8)
        plain = Picture(steps=steps, bars=[bar(name, None, None)], arrows=[own])
        steps[step] = calls(1, node="node2")[0]
        picture = Picture(steps=steps, bars=[bar(name, None, None)], arrows=[own])
        (_, expected, _), (_, y, _) = (
            next(each for each in drawn.texts("said") if "failed" in each[2]) for drawn in (plain, picture)
        )
        assert expected == about(plain.ways()[0][3])
        assert y <= picture.dots()[step][1] - 12
