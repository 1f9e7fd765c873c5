"""Whatever a cluster comes to, it can be described and drawn: no name, value or time ends a run."""

import json
import xml.etree.ElementTree as ET
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_fakehv import FakeCluster, FakeHypervisor, InstanceSpec, LimitError, NodeSpec
from pytest_fakehv.story.section import timeline_lines
from pytest_fakehv.story.timeline import Timeline

pytest.importorskip("jinja2")
from parsed_page import Page
from shown import start

from pytest_fakehv.story.page.render import fragment


class Raising:
    """What can't be shown."""

    def __repr__(self):
        raise ValueError("no")


class Endless:
    """What shows itself in itself."""

    def __repr__(self):
        return repr(self)


class Long:
    """What has a lot to show."""

    def __repr__(self):
        return "long\n" * 50_000


class OddError(Exception):
    """What says nothing that can be shown."""

    def __str__(self):
        raise ValueError("no")


NAMES = st.one_of(
    st.sampled_from(
        [
            "web1",
            "n" * 255,
            "é" * 127,
            "two\nlines",
            "\u202eright to left",
            "שלום",
            "\udcff",
            "",
            "<b>&'\"",
            "]]>",
            "\x1b[31m",
            "9" * 250,
            "²٣",
            "a b\tc",
        ]
    ),
    st.text(max_size=20),
)

VALUES = st.one_of(
    st.sampled_from([None, Raising(), Endless(), Long(), float("nan"), float("inf"), b"\xff", type, ...]),
    NAMES,
    st.lists(st.integers(), max_size=3),
)

NODES = st.integers(0, 3)

VALUES_OF = {
    "migrate": NODES,
    "end": st.booleans(),
    "arrive": st.booleans(),
    "script": st.sampled_from(["failed_but_moved", "completed_but_lost", "failed"]),
    "befall": st.sampled_from(["crash", "boot", "disconnect", "reconnect"]),
    "sleep": st.floats(0, 1e18),
    "keep": st.integers(1, 4),
}


class Own(FakeHypervisor):
    """What describes itself in the middle of a call, and raises what can't be shown."""

    def RebootInstance(self, instance):
        check(self)
        raise OddError


DEEDS = {
    "start": lambda cluster, node, name, value: node.StartInstance(cluster.instance(name), value, False),
    "stop": lambda cluster, node, name, value: node.StopInstance(cluster.instance(name), value),
    "migrate": lambda cluster, _node, name, value: cluster.migrate(name, to=[*cluster][value % 2].name),
    "begin": lambda cluster, node, name, value: node.MigrateInstance(
        "", cluster.instance(name), value, value
    ),
    "poll": lambda cluster, node, name, _value: node.GetMigrationStatus(cluster.instance(name)),
    "end": lambda cluster, node, name, value: node.FinalizeMigrationSource(
        cluster.instance(name), value, True
    ),
    "arrive": lambda cluster, node, name, value: node.FinalizeMigrationDst(cluster.instance(name), "", value),
    "info": lambda _cluster, node, name, value: node.GetInstanceInfo(name, value),
    "fault": lambda cluster, _node, name, value: cluster.fault(
        "*", instance=name, error=OddError(value), times=1
    ),
    "script": lambda cluster, _node, name, value: cluster.script_migration(name, outcome=value),
    "befall": lambda _cluster, node, _name, value: getattr(node, value)(),
    "add": lambda cluster, _node, name, _value: cluster.add_node(name),
    "remove": lambda cluster, node, _name, _value: cluster.remove_node(node.name),
    "sleep": lambda cluster, _node, _name, value: cluster.clock.advance(value),
    "keep": lambda cluster, _node, _name, value: cluster.journal.keep(value),
    "own": lambda cluster, node, name, _value: node.RebootInstance(cluster.instance(name)),
}


STEPS = st.sampled_from([*DEEDS]).flatmap(
    lambda deed: st.tuples(st.just(deed), NODES, NAMES, VALUES_OF.get(deed, VALUES))
)


def take(cluster, step):
    """Take a step; whatever is refused is."""
    deed, number, name, value = step
    nodes = [*cluster]
    DEEDS[deed](cluster, nodes[number % len(nodes)], name, value)


def check(view):
    """See that all can be made of it: text, colours, data, pictures and tables."""
    for timeline in (view.timeline(), view._scope.timeline(())):
        text = view._scope.describe(timeline)
        text.encode()
        assert text.replace("\n", "").isprintable()
        data = json.loads(json.dumps(timeline.data()))
        json.dumps(data, ensure_ascii=False).encode()
        again = Timeline.of(data)
        assert timeline_lines(again) == timeline_lines(timeline)
        painted = timeline_lines(again, lambda text, step: f"<{step.mark}>{text}")
        assert len(painted) == len(timeline_lines(again))
        Page(fragment(again)).words.encode()
    ET.fromstring(view.timeline()._repr_svg_())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=40))
def test_any_journal(steps):
    cluster = FakeCluster.in_memory(
        NodeSpec("node1"),
        NodeSpec("é" * 127),
        NodeSpec("node2", address="\n\udcff"),
        hypervisor=Own,
        instances=[InstanceSpec("web1"), InstanceSpec("n" * 255)],
        max_time=2**63 - 1,
    )
    for step in steps:
        with suppress(Exception, LimitError):
            take(cluster, step)
    check(cluster)
    for node in cluster:
        check(node)


@pytest.mark.parametrize("target", ["\udcff\n", "\u202ex", "x" * 1000])
def test_a_target_that_is_no_node(target):
    hv = FakeHypervisor.in_memory()
    hv.add_instance("web1")
    hv.MigrateInstance("c", hv.instance("web1"), target, True)
    check(hv)
    hv.GetMigrationStatus(hv.instance("web1"))
    hv.FinalizeMigrationSource(hv.instance("web1"), True, True)
    check(hv)
    start(hv, "web1")
    check(hv)


def test_nodes_that_are_gone():
    cluster = FakeCluster.in_memory(NodeSpec("node1"), NodeSpec("node2"))
    start(cluster["node2"], "web1")
    cluster["node2"].crash()
    cluster.remove_node("node2")
    check(cluster)


@pytest.mark.parametrize("seconds", [1e12, 1e18])
def test_far_in_the_future(seconds):
    cluster = FakeCluster.in_memory(instances=[InstanceSpec("web1")], max_time=2**63 - 1)
    cluster.script_migration("web1", dirty_rate=5000)
    cluster["node1"].MigrateInstance("c", cluster.instance("web1"), "node2", True)
    for _ in range(9):
        cluster.clock.advance(seconds)
        cluster["node1"].GetMigrationStatus(cluster.instance("web1"))
    check(cluster)
