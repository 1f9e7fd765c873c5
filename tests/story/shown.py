"""What a timeline shows, as plain tuples."""

from pytest_fakehv import NodeSpec


def numbered(count):
    return [NodeSpec(f"node{number}") for number in range(1, count + 1)]


def bars(timeline):
    return [(each.instance, each.node, each.state, each.begin, each.end) for each in timeline.bars]


def marks(timeline):
    return [(each.mark, each.what, each.node, each.numbers) for each in timeline.steps]


def periods(timeline):
    return {
        lane.name: [(each.what, each.begin, each.end) for each in lane.periods] for lane in timeline.lanes
    }


def start(node, name, *, paused=False):
    node.StartInstance(node.instance(name), [], paused)
