"""What is called next on both sides, at random."""

import inspect
import os
import shutil
from types import SimpleNamespace

from ganeti import objects
from one_call import ELSEWHERE, LAYOUT, MEMORY, METHODS, NODES, ON_CLASS, OTHER, SIGNATURES, is_invalid, put

from pytest_fakehv import Instance

NAMES = ["web1", "web2", "db1"]
ODD_NAMES = ["a b", "-rf", "*", "..a", "\t", "x" * 255, "é" * 127, "link", "folder", "bad", "Web1"]
INVALID_NAMES = [
    *("", ".", "..", "a/b", "../x", "folder/x", "/etc/x", "a\0b", "a\nb", "x" * 256, "é" * 128, "a\ud800"),
    *(5, None, b"web1"),
]
NO_AMOUNTS = [0, -5, True, 1.5, "1024", "", None, 2**63, float("nan"), float("inf"), [1]]
NO_INSTANCES = ["web1", None, 5, {"name": "web1"}]
HVPARAMS = [
    {"migration_mode": "live"},
    {"migration_mode": "non-live"},
    *({"migration_mode": value} for value in (None, "", "bogus", 5, ["live"])),
    {"migration_mode": "live", "other": 1},
    {"other": 1},
    {},
    None,
]
FOREIGN = [
    *("", "0\n1024\n", "0\n1024\n-2\n", "0\n-1024\n2\n", "0\n1024\n2\nnonsense\n", "1\n1024\n2\n"),
    *("x\ny\nz\n", "0\n 1024 \n2\n", "0\r\n1024\r\n2\r\n", "0\n1_000\n2\n", "0\n" + "9" * 300 + "\n2\n"),
    *(
        "0\n1024\n2",
        "0\n0\n0\n",
        "0\n0010\n02\n",
        "0\n512\n1\npaused\n",
        "0\n512\n1\npaused",
        "0\n40000\n3\n",
    ),
]
BYTES = [*(each.encode() for each in FOREIGN), b"\xff\xfe\0binary"]
MODES = [0o775, 0o755, 0o700, 0o1777, 0o2770]


class Caller:
    """Chooses what to call next."""

    def __init__(self, rng, pair, host):
        self.rng = rng
        self.pair = pair
        self.host = host
        self.flow = []

    def step(self):
        rng = self.rng
        if self.flow and rng.random() < 0.6:
            node, method, given = self.flow.pop(0)
            self.call(node, method, given)
            return
        dice = rng.random()
        node = rng.choice(NODES)
        if dice < 0.06:
            self.flow += self.migration(node)
        elif dice < 0.07:
            self.pair.construct(node)
        elif dice < 0.08:
            self.start_two(node)
        else:
            method = rng.choices(METHODS, WEIGHTS)[0]
            self.call(node, method, self.given(method, node))

    def call(self, node, method, given):
        rng = self.rng
        arguments = list(given.items())
        defaults = [each.default is not inspect.Parameter.empty for each in SIGNATURES[method]]
        while arguments and defaults[len(arguments) - 1] and rng.random() < 0.5:
            arguments.pop()
        if rng.random() < 0.01 and method != "GetLinuxNodeInfo":  # which is replaced here
            arguments = rng.choice([arguments[:-1], [*arguments, ("more", 1)]])
        first = rng.choice([0, len(arguments), rng.randint(0, len(arguments))])
        positional, keywords = arguments[:first], arguments[first:]
        if rng.random() < 0.5:
            keywords = [
                (key, value)
                for (key, value), default in zip(keywords, [*defaults[first:], False], strict=False)
                if not default or rng.random() < 0.5
            ]
        self.pair.call(
            node,
            method,
            [value for _, value in positional],
            dict(keywords),
            on_class=method in ON_CLASS and rng.random() < 0.5,
        )

    def migration(self, source):
        """Return the calls of a migration, as they should be or not."""
        rng = self.rng
        name = self.name()
        running = [path.split("/") for path, entry in self.pair.disk.items() if entry[0] == "file"]
        if running and rng.random() < 0.8:
            source, name = rng.choice(running)[:2]
        target = OTHER.get(source, "node1")
        instance, live, success = self.instance(name), rng.random() < 0.6, rng.random() < 0.7
        steps = [
            (source, "MigrationInfo", {"instance": instance}),
            (target, "AcceptInstance", {"instance": instance, "info": "", "target": target}),
            (source, "MigrateInstance", self.given("MigrateInstance", source, instance, target, live)),
            (source, "GetMigrationStatus", {"instance": instance}),
            (source, "FinalizeMigrationSource", {"instance": instance, "success": success, "live": live}),
            (target, "FinalizeMigrationDst", {"instance": instance, "info": "", "success": success}),
        ]
        if source not in NODES:
            return []
        if rng.random() < 0.4:
            steps.insert(rng.randrange(len(steps)), rng.choice(steps))
            del steps[rng.randrange(len(steps))]
        if rng.random() < 0.3:
            one, other = rng.randrange(len(steps)), rng.randrange(len(steps))
            steps[one], steps[other] = steps[other], steps[one]
        return steps

    def start_two(self, node):
        disk = self.pair.disk
        inside = {path.split("/")[1]: entry for path, entry in disk.items() if path.startswith(f"{node}/")}
        is_clean = all(entry[0] == "file" and LAYOUT.fullmatch(entry[2]) for entry in inside.values())
        name = self.rng.choice(NAMES)
        if (
            self.pair.size == MEMORY
            and node in disk
            and is_clean
            and name not in inside
            and not any(map(is_invalid, inside))
        ):
            beparams = {"minmem": 128, "maxmem": 512, "vcpus": 2}
            self.pair.start_two(node, Instance(name, {"migration_mode": "live"}, beparams))

    def name(self):
        dice = self.rng.random()
        return self.rng.choice(NAMES if dice < 0.9 else ODD_NAMES if dice < 0.95 else INVALID_NAMES)

    def amount(self, least=1, most=4096):
        return self.rng.choice(NO_AMOUNTS) if self.rng.random() < 0.04 else self.rng.randint(least, most)

    def instance(self, name=None):
        rng = self.rng
        name = self.name() if name is None else name
        if rng.random() < 0.02:
            return rng.choice(NO_INSTANCES)
        most = rng.choice([1024, 4096, 4096, 40000, 70000])
        beparams = {"minmem": self.amount(), "maxmem": self.amount(1, most), "vcpus": self.amount(1, 8)}
        if rng.random() < 0.03:
            del beparams[rng.choice(["minmem", "maxmem", "vcpus"])]
        if rng.random() < 0.01:
            beparams = rng.choice([None, {}])
        kind = rng.choice([objects.Instance, Instance, SimpleNamespace])
        return kind(name=name, hvparams={"migration_mode": "live"}, beparams=beparams)

    def given(self, method, node, instance=None, target=None, live=None):
        """Return arguments for a method, by name."""
        rng = self.rng
        instance = self.instance() if instance is None else instance
        choices = {
            "instance": lambda: instance,
            "instance_name": self.name,
            "block_devices": list,
            "startup_paused": lambda: rng.random() < 0.2,
            "force": lambda: rng.choice([False, True, None]),
            "retry": lambda: rng.random() < 0.5,
            "name": lambda: rng.choice([None, self.name()]),
            "timeout": lambda: rng.choice([None, 0, 5]),
            "hvparams": lambda: rng.choice(HVPARAMS),
            "mem": lambda: self.amount(1, rng.choice([4096, 70000])),
            "primary_node": lambda: None,
            "node_group": lambda: None,
            "beparams": dict,
            "info": lambda: rng.choice(["", None, "x"]),
            "target": lambda: target or rng.choice([*NODES, OTHER[node], OTHER[node], "node9", "", 5, None]),
            "cluster_name": lambda: "cluster",
            "live": lambda: rng.random() < 0.6 if live is None else live,
            "success": lambda: rng.choice([True, True, False, 1, None]),
            "src": lambda: rng.choice(["4.2", 5, None]),
            "meminfo": lambda: rng.choice(["/proc/meminfo", *self.host]),
            "cpuinfo": lambda: rng.choice(["/proc/cpuinfo", *self.host]),
        }
        if method == "StopInstance" and rng.random() < 0.3:
            instance = None
        ignored = ("action", "dev_type", "device", "extra", "seq", "disk", "new_size")
        return {
            each.name: None if each.name in ignored else choices[each.name]() for each in SIGNATURES[method]
        }

    def meddle(self):
        """Let somebody else do something in the roots."""
        rng = self.rng
        node = rng.choice(NODES)
        rng.choices(
            [self.put_file, self.put_something, self.remove_something, self.take_root, self.give_root],
            [4, 3, 8, 1, 1],
        )[0](node)

    def put_file(self, node):
        rng = self.rng
        name = rng.choice([*NAMES, "bad", "bad", "hid\nden", "a\udcff"])
        content = b"0\n3000\n1\n" if is_invalid(name) else rng.choice(BYTES)
        self._put(node, name, ("file", rng.choice([0o644, 0o600, 0o664]), content))

    def put_something(self, node):
        self._put(
            node,
            *self.rng.choice(
                [
                    ("folder", ("folder", 0o755, b"")),
                    ("web2", ("folder", 0o755, b"")),
                    ("link", ("link", 0, b"web1")),
                    ("web1", ("link", 0, b"web2")),
                    ("dangling", ("link", 0, b"nowhere")),
                    ("db1", ("link", 0, b"../" + ELSEWHERE.encode())),
                    ("socket", ("socket", 0o600, b"")),
                    ("web2", ("socket", 0o600, b"")),
                ]
            ),
        )

    def _put(self, node, name, entry):
        if node in self.pair.disk and f"{node}/{name}" not in self.pair.disk:
            self.pair.meddle(lambda base: put(f"{base}/{node}/{name}", entry))

    def remove_something(self, node):
        there = [path for path in self.pair.disk if path.startswith(f"{node}/") and path.count("/") == 1]
        if there:
            path = self.rng.choice(there)
            self.pair.meddle(lambda base: _remove(f"{base}/{path}"))

    def take_root(self, node):
        if node in self.pair.disk:
            self.pair.meddle(lambda base: shutil.rmtree(f"{base}/{node}"))

    def give_root(self, node):
        mode = self.rng.choice(MODES)
        self.pair.meddle(lambda base: put(f"{base}/{node}", ("folder", mode, b"")))

    def tidy(self):
        """Undo what somebody else did."""
        for node in NODES:
            self.give_root(node)
        for path, (kind, _, content) in self.pair.disk.items():
            name = path.partition("/")[2]
            if name and (kind != "file" or is_invalid(name) or not LAYOUT.fullmatch(content)):
                self.pair.meddle(lambda base, path=path: _remove(f"{base}/{path}"))


def _remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


OFTEN = {
    "StartInstance": 14,
    "StopInstance": 7,
    "BalloonInstanceMemory": 8,
    "GetInstanceInfo": 4,
    "GetAllInstancesInfo": 3,
    "ListInstances": 3,
    "GetNodeInfo": 4,
    "AcceptInstance": 3,
    "MigrateInstance": 5,
    "GetMigrationStatus": 4,
    "FinalizeMigrationSource": 4,
    "FinalizeMigrationDst": 5,
    "CheckParameterSyntax": 2,
    "ValidateParameters": 2,
}
WEIGHTS = [OFTEN.get(name, 1) for name in METHODS]
