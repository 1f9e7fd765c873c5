"""What other processes do to a cluster, and how they are begun; imported by those that find it by name."""

import multiprocessing

from pytest_fakehv import FakeHypervisor, Instance

METHODS = multiprocessing.get_all_start_methods()


def web(name="web1"):
    return Instance(name, beparams={"minmem": 1024, "maxmem": 1024, "vcpus": 1})


def done_by(method, function, *arguments):
    """Return what a function returns in another process; what it raises there is raised here."""
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    process = context.Process(target=_tell, args=(there, function, arguments))
    process.start()
    there.close()
    is_result, value = here.recv()
    process.join()
    if is_result:
        return value
    raise value


def _tell(there, function, arguments):
    try:
        there.send((True, function(*arguments)))
    except BaseException as error:  # noqa: BLE001  # it is raised again
        there.send((False, error))


def start(node, name="web1"):
    node.StartInstance(web(name), [], False)


def texts(function, *arguments):
    """Return what a function raises, in words."""
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001  # it is told
        return f"{type(error).__name__}: {error}"


def try_to_start(node):
    return texts(start, node)


def call(owner, name, *arguments):
    return getattr(owner, name)(*arguments)


def look(cluster):
    """Return what is public of a cluster and what belongs to it."""
    node = cluster["node1"]
    return {
        "repr": repr(cluster),
        "len": len(cluster),
        "contains": ("node1" in cluster, "node9" in cluster, node in cluster),
        "iter": [each.name for each in cluster],
        "again": [each.name for each in cluster],
        "is one": cluster["node1"] is node and next(iter(cluster)) is node and cluster.nodes[0] is node,
        "isinstance": isinstance(node, FakeHypervisor),
        "spec": node.spec.memory,
        "class": (
            type(node).__name__,
            type(node).CAN_MIGRATE,
            node.CAN_MIGRATE,
            type(node).GetAncillaryFiles(),
            node.GetAncillaryFiles(),
        ),
        "cluster": node.cluster is cluster,
        "free": node.GetNodeInfo()["memory_free"],
        "journal": ([each.method for each in cluster.journal], len(cluster.journal)),
        "clock": (cluster.clock.mode, cluster.clock.now),
    }


def pass_time(cluster):
    cluster.clock.sleep(2)
    cluster.clock.advance(1)
    return cluster.clock.now


def withdraw(cluster):
    """Have a fault, and withdraw it."""
    with cluster.fault("StartInstance", error="no"):
        first = try_to_start(cluster["node1"])
    return first, try_to_start(cluster["node1"]), [each.fired for each in cluster.faults]


def crash_later(cluster):
    """Let a node go down at a time, and the time come."""
    cluster.at(2, cluster["node2"].crash)
    cluster.clock.advance(3)


def have_no_hold(cluster):
    with cluster.hold("StartInstance"):
        pass


def raise_in_a_hold(cluster):
    with cluster.hold("StartInstance"):
        raise LookupError("of the child")


def hand_on(method, node):
    """Let a process of this one start something, and tell the class of what it has in hand."""
    return done_by(method, start_and_tell, node)


def start_and_tell(node):
    start(node)
    return type(node).__name__


def private(node):
    return texts(lambda: node._inner)


class UnpicklableError(Exception):
    """What can be pickled, but not made anew."""

    def __init__(self, one, two):
        super().__init__(one + two)


class Louder(FakeHypervisor):
    """A class of the user's own, with an override and an attribute."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.started = []

    def StartInstance(self, instance, block_devices, startup_paused):
        self.started.append(instance.name)
        super().StartInstance(instance, block_devices, startup_paused)


def crash_it(cluster):
    """Let a start take the other node down; tell what it said, and whether that is down."""
    with cluster.fault("StartInstance", crash=cluster["node2"], do=seen):
        return texts(start, cluster["node1"], "web2"), cluster["node2"].is_down


def seen(call):
    """Look at a call."""
    assert call.method == "StartInstance"
