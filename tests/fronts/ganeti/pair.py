"""The two sides: nodes of ours and of Ganeti's, with the same in their roots."""

import inspect
import os
import threading
from collections import defaultdict

from ganeti import errors, hypervisor, objects
from ganeti.hypervisor import hv_fake
from one_call import (
    CPUS,
    LAYOUT,
    NODES,
    PAUSED,
    SIGNATURES,
    UNORDERED,
    Outcome,
    Step,
    differs,
    make_equal,
    snapshot,
)
from rows import ROWS

from pytest_fakehv import Instance, NodeSpec
from pytest_fakehv.fronts.ganeti import FakeCluster, FakeHypervisor


class Pair:
    """Two nodes of ours and two of Ganeti's, with the same in their roots."""

    def __init__(self, base, size, host, power_cycles, seen):
        self.bases = {"ours": f"{base}/ours", "theirs": f"{base}/them"}
        for path in self.bases.values():
            os.mkdir(path)
        self.cluster = FakeCluster(
            self.bases["ours"], *(NodeSpec(name, memory=size, cpus=CPUS) for name in NODES)
        )
        self.size = size
        self.classes = {
            name: type(
                "FakeHypervisor", (hv_fake.FakeHypervisor,), {"_ROOT_DIR": f"{self.bases['theirs']}/{name}"}
            )
            for name in NODES
        }
        self.theirs = {name: self.classes[name]() for name in NODES}
        for node in self.cluster:
            assert node.root == f"{self.bases['ours']}/{node.name}"
        self.host = host
        self.power_cycles = power_cycles
        self.seen = seen
        self.disk = snapshot(self.bases["ours"])
        self.memories = defaultdict(set)
        self.paused = set()
        self.lost = dict.fromkeys(NODES, 0)
        assert snapshot(self.bases["theirs"]) == self.disk

    def call(self, node, method, arguments, keywords, *, on_class):
        """Make a call of both, and compare."""
        given = bound(method, arguments, keywords)

        def ours():
            with self.cluster.on(node):
                of_class = hypervisor.GetHypervisorClass("fake")
                there = of_class if on_class else hypervisor.GetHypervisor("fake")
                return getattr(there, method)(*arguments, **keywords)

        def theirs():
            there = self.classes[node] if on_class else self.theirs[node]
            return getattr(there, method)(*arguments, **keywords)

        self.compare(node, method, given, ours, theirs)
        if method == "PowercycleNode":
            self.lost[node] = len(self.cluster.migrations)

    def construct(self, node):
        """Make a new object for a root that may be there."""

        def ours():
            FakeHypervisor(root=f"{self.bases['ours']}/{node}")

        def theirs():
            self.theirs[node] = self.classes[node]()

        self.compare(node, "construction", {}, ours, theirs)

    def start_two(self, node, instance):
        """Start an instance while it is being started: as soon as the first has begun."""

        def starts(there, *, waits):
            outcomes = []

            def start(what):
                try:
                    there.StartInstance(what, [], False)
                except errors.HypervisorError as error:
                    outcomes.append(str(error))
                else:
                    outcomes.append("started")

            rival = threading.Thread(target=start, args=[instance])

            def begin():
                rival.start()
                rival.join(None if waits else 0)

            start(Instance(instance.name, dict(instance.hvparams), Noticing(instance.beparams, begin)))
            rival.join()
            return sorted(outcomes)

        self.compare(
            node,
            "two starts",
            {"instance": instance},
            lambda: starts(self.cluster[node], waits=False),
            lambda: starts(self.theirs[node], waits=True),
        )

    def meddle(self, change):
        """Let somebody else change both sides' files in the same way."""
        for base in self.bases.values():
            change(base)
        self.disk = snapshot(self.bases["ours"])
        assert snapshot(self.bases["theirs"]) == self.disk

    def compare(self, node, method, given, ours, theirs):
        migrations = self.cluster.migrations
        for path, (kind, _, content) in self.disk.items():
            if kind == "file" and path.count("/") == 1 and LAYOUT.fullmatch(content):
                self.memories[tuple(path.split("/"))].add(int(content.split(b"\n")[1]))
        here = self._outcome("ours", method, ours)
        there = self._outcome("theirs", method, theirs)
        self.seen["calls"] += 1
        if differs(here, there):
            step = Step(
                method,
                node,
                given,
                self.disk,
                self.size,
                migrations,
                self.memories,
                self.paused,
                self.lost,
                here,
                there,
            )
            rows = [name for name, says in ROWS.items() if says(step)]
            assert len(rows) == 1, f"the rows {rows} say so:\n{step}"
            self.seen[rows[0]] += 1
            make_equal(self.bases["theirs"], there.disk, here.disk)
        if method == "MigrateInstance" and here.error is None:
            before = self.disk[f"{node}/{given['instance'].name}"]
            self.paused |= {len(migrations) + 1} if PAUSED.fullmatch(before[2]) else set()
        self.disk = here.disk

    def _outcome(self, side, method, call):
        base = self.bases[side]
        before = len(self.power_cycles)
        value = error = None
        try:
            value = call()
        except Exception as raised:  # noqa: BLE001  # whatever it may be, the other must raise it too
            error = raised
        if isinstance(value, objects.ConfigObject):
            value = type(value), value.ToDict()
        elif method in UNORDERED and value is not None:
            value = sorted(value)
        elif isinstance(value, str):
            value = value.replace(base, "BASE")
        outcome = Outcome(value, error, snapshot(base), len(self.power_cycles) - before)
        if error is not None:
            outcome.text = str(error).replace(base, "BASE")
        return outcome


class Noticing(dict):
    """Parameters that do something when they are first read."""

    def __init__(self, values, begin):
        super().__init__(values)
        self._begin = [begin]

    def __contains__(self, key):
        while self._begin:
            self._begin.pop()()
        return super().__contains__(key)

    def __getitem__(self, key):
        assert key in self
        return super().__getitem__(key)


def bound(method, arguments, keywords):
    """Return a call's arguments by name; none where they don't fit."""
    try:
        return inspect.Signature(SIGNATURES[method]).bind(*arguments, **keywords).arguments
    except TypeError:
        return {}
