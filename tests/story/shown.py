"""What a timeline shows, as plain tuples, and what a section says."""

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


def described(cluster):
    """Return a failed test's section."""
    return cluster._scope.describe(cluster.timeline())


def part(text, begin, end):
    """Return the lines of a section from a title up to another."""
    lines = text.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith(begin))
    last = next((index for index, line in enumerate(lines) if line.startswith(end)), None)
    return lines[first:last]
