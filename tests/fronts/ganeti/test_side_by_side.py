"""Our fake hypervisor and Ganeti's own, side by side: every difference is a row of the README's table.

Two nodes of each are given the same random sequences of calls, legal and illegal. After each call the two
are compared: what it returned or raised, every byte and mode under the roots, and whether it would have
reset the machine. A difference must be just what one row of the README's table says; then Ganeti's files
are made equal to ours, so that the next call finds the same on both sides.
"""

import inspect
import os
import random
import re
import shutil
import stat
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)

from ganeti import errors, hypervisor, objects, utils
from ganeti.hypervisor import hv_base, hv_fake

from pytest_fakehv import Instance, Migration, NodeSpec
from pytest_fakehv.fronts.ganeti import FakeCluster, FakeHypervisor
from pytest_fakehv.interface.contract import INTERFACE

SEQUENCES = 700
STEPS = 100
LEAST_COMPARED = 60_000

MEMORY = 65536
CPUS = 16
NODES = ("node1", "node2")
OTHER = {"node1": "node2", "node2": "node1"}

METHODS = [name for name in INTERFACE if hasattr(hv_base.BaseHypervisor, name)]
SIGNATURES = {
    name: [
        each
        for each in inspect.signature(getattr(hv_base.BaseHypervisor, name)).parameters.values()
        if each.name != "self"
    ]
    for name in METHODS
}
ON_CLASS = [
    name
    for name in METHODS
    if isinstance(inspect.getattr_static(hv_base.BaseHypervisor, name), classmethod | staticmethod)
]
UNORDERED = {"ListInstances", "GetAllInstancesInfo"}

# What is on a disk


def snapshot(base):
    """Return all that is under a directory: kind, mode and content, by relative path."""
    found = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(f"{base}/{folder}") as entries:
            for entry in entries:
                path = f"{folder}{entry.name}"
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    folders.append(f"{path}/")
                    found[path] = ("folder", mode & 0o7777, b"")
                elif stat.S_ISLNK(mode):
                    found[path] = ("link", 0, os.fsencode(os.readlink(entry.path)))
                elif stat.S_ISREG(mode):
                    with open(entry.path, "rb") as file:
                        found[path] = ("file", mode & 0o7777, file.read())
                else:
                    found[path] = ("socket", mode & 0o7777, b"")
    return found


def make_equal(base, now, wanted):
    """Make what is under a directory what it is to be."""
    wrong = [path for path in now if now[path] != wanted.get(path)]
    for path in sorted(wrong, reverse=True):
        if now[path][0] == "folder":
            if path not in wanted:
                os.rmdir(f"{base}/{path}")
        else:
            os.unlink(f"{base}/{path}")
    for path in sorted(path for path in wanted if now.get(path) != wanted[path]):
        put(f"{base}/{path}", wanted[path])


def put(path, entry):
    """Put something into a directory, as somebody else would."""
    kind, mode, content = entry
    if kind == "folder":
        os.makedirs(path, exist_ok=True)
    elif kind == "link":
        os.symlink(content, path)
        return
    elif kind == "file":
        with open(path, "xb") as file:
            file.write(content)
    else:
        os.mknod(path, stat.S_IFSOCK | 0o600)
    os.chmod(path, mode)


# One call, and what came of it on both sides


@dataclass
class Outcome:
    value: Any
    error: BaseException | None
    disk: dict
    power_cycles: int

    @property
    def kind(self):
        return type(self.error)

    @cached_property
    def text(self):
        return str(self.error)


@dataclass
class Step:
    """A call, all that it could depend on, and what came of it.

    `given` has the arguments by name, and nothing where they don't fit the method. `memories` are those that
    an instance ever had on a node, `paused` the numbers of the migrations that began with a paused one, and
    `lost` how many migrations there were at a node's last powercycle.
    """

    method: str
    node: str
    given: dict
    before: dict
    size: int
    migrations: list[Migration]
    memories: dict
    paused: set
    lost: dict
    ours: Outcome
    theirs: Outcome

    def __str__(self):
        lines = [f"{self.method} on {self.node} with {self.given}", f"  before: {self.before}"]
        for side, outcome in (("ours", self.ours), ("theirs", self.theirs)):
            changes = _change(self.before, outcome.disk)
            lines.append(f"  {side}: {outcome.error!r} {outcome.value!r}, which changed {changes}")
        return "\n".join([*lines, f"  migrations: {[str(each) for each in self.migrations]}"])

    @cached_property
    def name(self):
        """The name of the instance that it is about."""
        if self.given.get("name") is not None:
            return self.given["name"]
        if "instance" in self.given:
            return getattr(self.given["instance"], "name", None)
        return self.given.get("instance_name")

    @property
    def path(self):
        return f"{self.node}/{self.name}"

    @cached_property
    def entries(self):
        """What is in the root, by name."""
        start = f"{self.node}/"
        return {
            path.removeprefix(start): entry
            for path, entry in self.before.items()
            if path.startswith(start) and path.count("/") == 1
        }

    @property
    def entry(self):
        """What has the instance's name in the root: "file", "link" and so on, or None."""
        return self.entries[self.name][0] if self.name in self.entries else None

    @property
    def is_rootless(self):
        return self.node not in self.before

    @cached_property
    def hidden(self):
        """Files that can't be an instance's for their names."""
        return [name for name in self.entries if is_invalid(name)]

    @cached_property
    def malformed(self):
        return [
            name
            for name, (kind, _, content) in self.entries.items()
            if kind == "file" and name not in self.hidden and not LAYOUT.fullmatch(content)
        ]

    @cached_property
    def special(self):
        return [name for name, (kind, _, _) in self.entries.items() if kind != "file"]

    @cached_property
    def running(self):
        """The figures of the well-formed instances: memory and CPUs, by name."""
        return {
            name: tuple(int(each) for each in entry[2].split(b"\n")[1:3])
            for name, entry in self.entries.items()
            if entry[0] == "file" and name not in self.malformed and name not in self.hidden
        }

    @property
    def used(self):
        return sum(memory for memory, _ in self.running.values())

    @property
    def leaving(self):
        """The instance's newest migration from here."""
        return next(
            (m for m in reversed(self.migrations) if (m.instance, m.source) == (self.name, self.node)), None
        )

    @property
    def arriving(self):
        """The instance's newest migration to here."""
        return next(
            (m for m in reversed(self.migrations) if (m.instance, m.target) == (self.name, self.node)), None
        )

    @property
    def succeeds(self):
        """Whether a migration is said to have succeeded."""
        return bool(self.given.get("success"))

    def refusal(self, reason):
        return f"Failed to {WHAT.get(self.method, '-').format(self.name)}: {reason}"

    def refuses(self, *reasons):
        """Tell whether we refuse, for one of the reasons, and leave everything as it was."""
        return self.raises(errors.HypervisorError, *map(self.refusal, reasons))

    def raises(self, kind, *texts):
        """Tell whether we raise that with one of the texts, and leave everything as it was."""
        return isinstance(self.ours.error, kind) and self.ours.text in texts and self.ours.disk == self.before

    def does(self, value=None, **changes):
        """Tell whether we do that, and change just that in the root: content or None by name."""
        disk = dict(self.before)
        for name, content in changes.items():
            path = f"{self.node}/{name}"
            if content is None:
                del disk[path]
            else:
                mode = disk[path][1] if path in disk else 0o666 & ~current_umask()
                disk[path] = ("file", mode, content)
        return self.ours.error is None and self.ours.value == value and self.ours.disk == disk

    @cached_property
    def only_paused_differs(self):
        """Whether there is but one difference: the line that says that an instance is paused."""
        if (self.ours.error, self.ours.value) != (self.theirs.error, self.theirs.value):
            return False
        ours, theirs = dict(self.ours.disk), dict(self.theirs.disk)
        for disk in (ours, theirs):
            if disk.get(self.path, ("",))[0] == "file":
                kind, mode, content = disk[self.path]
                disk[self.path] = kind, mode, content.removesuffix(b"paused\n")
        return ours == theirs

    @property
    def theirs_changes(self):
        """The paths that Ganeti's changed."""
        return {path for path, _ in {*self.before.items()} ^ {*self.theirs.disk.items()}}

    @property
    def beparams(self):
        return getattr(self.given.get("instance"), "beparams", None) or {}


WHAT = {
    "StartInstance": "start instance {}",
    "StopInstance": "stop instance {}",
    "ListInstances": "list the instances",
    "GetInstanceInfo": "get info of instance {}",
    "GetAllInstancesInfo": "get info of all instances",
    "BalloonInstanceMemory": "balloon memory for {}",
    "GetNodeInfo": "get node info",
    "PowercycleNode": "powercycle the node",
    "AcceptInstance": "accept instance {}",
    "MigrateInstance": "migrate instance {}",
    "FinalizeMigrationSource": "finalize the migration of {} on the source",
    "FinalizeMigrationDst": "finalize the migration of {} on the target",
}
"""What our messages say could not be done."""

LAYOUT = re.compile(rb"0\n[0-9]{1,19}\n[0-9]{1,19}(\n(paused)?)?\n?")


def _change(before, after):
    return {path: after.get(path) for path, _ in {*before.items()} ^ {*after.items()}}


def current_umask():
    umask = os.umask(0)
    os.umask(umask)
    return umask


def is_invalid(name):
    """Tell whether a name can't be that of one file."""
    if not isinstance(name, str) or name in {"", ".", ".."} or {*name} & {*"/\0\n"}:
        return True
    try:
        return len(name.encode()) > 255
    except UnicodeEncodeError:
        return True


def is_positive(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63


def differs(ours, theirs):
    """Tell whether a call came to anything else here than there."""
    return (
        ours.disk != theirs.disk
        or ours.power_cycles != theirs.power_cycles
        or not isinstance(ours.error, theirs.kind)
        or (theirs.error is not None and ours.text != theirs.text)
        or type(ours.value) is not type(theirs.value)
        or ours.value != theirs.value
    )


# The rows of the README's table

ROWS = {}


def row(name):
    """Declare what a row of that name says: whether a step's difference is just that."""

    def declare(function):
        ROWS[name] = function
        return function

    return declare


@row("powercycle reboots the machine that runs the test")
def _(step):
    return (
        step.method == "PowercycleNode"
        and step.theirs.error is None
        and (step.theirs.power_cycles, step.ours.power_cycles) == (1, 0)
        and not step.theirs_changes
        and (misses_root(step) if step.is_rootless else step.does(**dict.fromkeys(step.running)))
    )


@row("two concurrent starts can both succeed")
def _(step):
    return (
        step.method == "two starts"
        and step.theirs.value == ["started", "started"]
        and step.ours.value == [f"Failed to start instance {step.name}: already running", "started"]
        and step.ours.disk == step.theirs.disk
        and step.theirs_changes == {step.path}
    )


@row("a failed start or balloon leaves an empty file that breaks every later call")
def _(step):
    if step.method not in {"StartInstance", "BalloonInstanceMemory", "FinalizeMigrationDst"}:
        return False
    there = step.theirs.disk.get(step.path)
    return (
        step.refuses(*complaints(step))
        and step.theirs_changes <= {step.path}
        and (
            (step.theirs.kind in {KeyError, TypeError, ValueError, OverflowError})
            or (step.theirs.error is None and there is not None and there != step.before.get(step.path))
            or bool(step.malformed or step.special)
        )
    )


def complaints(step):
    """Return what is wrong with the figures of a call."""
    have = ", ".join(sorted(map(str, step.beparams))) or "nothing"
    keys = ["vcpus"] if step.method == "BalloonInstanceMemory" else ["minmem", "maxmem", "vcpus"]
    for key in keys:
        if key not in step.beparams:
            yield f"beparams lack {key!r}; they have: {have}"
        elif not is_positive(step.beparams[key]):
            yield f"beparams[{key!r}] must be a positive integer, not {step.beparams[key]!r}"
    if "mem" in step.given and not is_positive(step.given["mem"]):
        yield f"memory must be a positive integer, not {step.given['mem']!r}"


@row("a name with `/`, `..`, a NUL or more than 255 bytes raises a raw error or leaves the root")
def _(step):
    if step.method in NEEDS_A_NAME and is_invalid(step.name):
        is_wrong_elsewhere = "instance" in step.given and any(complaints(step))
        return (
            isinstance(step.ours.error, errors.HypervisorError)
            and (step.ours.text.startswith("Invalid instance name ") or misses_root(step))
            and step.ours.disk == step.before
            and isinstance(
                step.theirs.error, errors.HypervisorError | ValueError | TypeError | OSError | None
            )
            | (is_wrong_elsewhere and isinstance(step.theirs.error, KeyError | OverflowError))
        )
    return bool(step.hidden and not step.malformed and not step.special) and goes_on(step)


NEEDS_A_NAME = {
    "StartInstance",
    "StopInstance",
    "GetInstanceInfo",
    "BalloonInstanceMemory",
    "AcceptInstance",
    "MigrateInstance",
    "FinalizeMigrationSource",
    "FinalizeMigrationDst",
}


def goes_on(step):
    """Tell whether we do what can be done beside files that are no instance's, or malformed."""
    if step.is_rootless or step.only_paused_differs or step.method not in GOES_ON:
        return False
    if step.method in NEEDS_A_NAME and is_invalid(step.name):
        return False
    reached = {step.path, ELSEWHERE}
    if step.entry == "link":
        reached.add(f"{step.node}/{os.fsdecode(step.entries[step.name][2])}")
    return GOES_ON[step.method](step) and step.theirs_changes <= reached


def starts(step):
    if step.entry in {"folder", "link", "socket"}:
        return step.refuses("its file's name is taken")
    if step.entry == "file" or is_invalid(step.name) or any(complaints(step)):
        return False
    return step.does(**{step.name: started(step)})


def started(step):
    """Return what is in the file of an instance that starts."""
    beparams = step.given["instance"].beparams
    memory = max(beparams["minmem"], min(beparams["maxmem"], max(0, step.size - step.used)))
    paused = b"paused\n" if step.given.get("startup_paused") else b""
    return b"0\n%d\n%d\n%s" % (memory, beparams["vcpus"], paused)


def names_what_is_malformed(step, *names):
    """Tell whether we refuse because one of the files is malformed, and say which."""
    reasons = []
    for name in names:
        content = step.entries[name][2]
        size = f"{len(content)} bytes" if len(content) < 256 else "256 bytes or more"
        reasons.append(
            f"malformed instance file 'BASE/{step.node}/{name}' ({size}, starting with {content[:16]!r}); "
            "it should have the lines '0', memory in MiB and vcpus"
        )
    return step.refuses(*reasons)


def looks_at_one(step):
    if step.name in step.malformed:
        return names_what_is_malformed(step, step.name)
    return step.name in step.special and (
        step.does(None) if step.method == "GetInstanceInfo" else step.refuses("not running")
    )


def looks_at_all(step):
    if step.malformed:
        return names_what_is_malformed(step, *step.malformed)
    if step.method == "GetAllInstancesInfo":
        return step.does(sorted((name, "0", *figures, 0, 0) for name, figures in step.running.items()))
    return step.does(node_info(step))


def node_info(step, size=None):
    size = size or step.size
    return {
        "memory_total": size,
        "memory_free": max(0, size - step.used),
        "memory_dom0": 0,
        "cpu_total": CPUS,
        "cpu_dom0": CPUS,
        "cpu_nodes": 1,
        "cpu_sockets": 1,
    }


def arrives(step):
    if not step.succeeds:
        return step.name in step.special and step.does()
    return (step.name in step.special or not is_under_way(step)) and starts(step)


GOES_ON = {
    "StartInstance": starts,
    "StopInstance": looks_at_one,
    "GetInstanceInfo": looks_at_one,
    "BalloonInstanceMemory": looks_at_one,
    "ListInstances": lambda step: step.does(sorted([*step.running, *step.malformed])),
    "GetAllInstancesInfo": looks_at_all,
    "GetNodeInfo": looks_at_all,
    "AcceptInstance": lambda step: step.name in step.special and step.does(),
    "MigrateInstance": lambda step: step.name in step.malformed and names_what_is_malformed(step, step.name),
    "FinalizeMigrationSource": lambda step: step.name in step.special and step.does(),
    "FinalizeMigrationDst": arrives,
}


def misses_root(step):
    return step.is_rootless and step.refuses(f"No such file or directory: 'BASE/{step.node}'")


@row("raw `OSError`s escape from several methods")
def _(step):
    return (
        misses_root(step)
        and not (step.method in NEEDS_A_NAME and is_invalid(step.name))
        and not step.theirs_changes
        and f"[Errno 2] No such file or directory: 'BASE/{step.node}'" in step.theirs.text
        and step.theirs.kind in {FileNotFoundError, errors.HypervisorError}
    )


@row("a folder or a malformed file in the root blocks every start")
def _(step):
    return bool(step.malformed or step.special) and goes_on(step)


@row("a missing root makes an instance look stopped")
def _(step):
    return (
        misses_root(step)
        and step.method != "PowercycleNode"
        and not (step.method in NEEDS_A_NAME and is_invalid(step.name))
        and not step.theirs_changes
        and (step.theirs.error is None or step.theirs.text == step.refusal("not running"))
        and step.theirs.value is None
    )


@row("every construction changes an existing root's mode")
def _(step):
    kind, mode, content = step.before.get(step.node, ("", 0, b""))
    return (
        step.method == "construction"
        and kind == "folder"
        and mode != 0o775
        and step.does()
        and step.theirs.error is None
        and step.theirs.disk == {**step.before, step.node: (kind, 0o775, content)}
    )


@row("an instance started paused looks like any other")
def _(step):
    if not step.only_paused_differs:
        return False
    was, now = (b"\npaused" in disk.get(step.path, ("", 0, b""))[2] for disk in (step.before, step.ours.disk))
    match step.method:
        case "StartInstance":
            return now and bool(step.given["startup_paused"])
        case "BalloonInstanceMemory":
            return was and now
        case "MigrateInstance":  # which pauses it unless it is live
            return not was and now and not step.given["live"]
        case "FinalizeMigrationSource":  # which lets it run again
            return was and not now and not step.succeeds and any(not m.live for m in step.migrations)
    return False


@row("a node's size is the host's")
def _(step):
    if step.size == MEMORY or step.is_rootless or step.malformed or step.special or step.hidden:
        return False
    if step.method == "GetNodeInfo":
        return step.does(node_info(step)) and step.theirs.value == node_info(step, MEMORY)
    if step.method not in {"StartInstance", "FinalizeMigrationDst"} or step.entry or step.only_paused_differs:
        return False
    return GOES_ON[step.method](step) and step.theirs.error is None


@row("a migration always completes, also of what doesn't run and to wherever")
def _(step):
    if step.method == "MigrateInstance":
        return (
            step.refuses(*reasons_not_to_migrate(step))
            and step.theirs.error is None
            and not step.theirs_changes
        )
    if step.method == "GetMigrationStatus":
        last = step.leaving
        if step.ours.error is not None or last is None:
            return False
        status = step.ours.value[1].get("status")
        was_lost = last.outcome == "active" and (step.is_rootless or step.entry != "file")
        return (
            status in {"failed", "cancelled"}
            and (status == "failed" if was_lost else status == last.outcome)
            and step.ours.disk == step.theirs.disk == step.before
        )
    return (
        step.method == "FinalizeMigrationDst"
        and step.arriving is not None
        and step.refuses("its memory has not arrived")
        and step.arriving.number <= step.lost[step.node]
    )


def reasons_not_to_migrate(step):
    target = step.given["target"]
    if step.entry != "file":
        yield "not running"
    elif step.running.get(step.name, (1, 1))[0] == 0:
        yield "it can't have 0 MiB of memory"
    if target == step.node:
        yield f"the target {target!r} is this very node"
    elif target != OTHER[step.node]:
        yield f"the target {target!r} is no node's name or address"
    for each in step.migrations:
        if each.instance == step.name and each.outcome == "active":
            yield f"already migrating to {each.target}"
    last = step.leaving
    if last and last.outcome == "completed" and last.finalized_on_source is None:
        yield f"it has migrated to {last.target}, and is to be finalized first"


@row("a migrated instance is given its memory anew")
def _(step):
    if step.method != "FinalizeMigrationDst" or not step.succeeds or step.is_rootless:
        return False
    if step.entry == "file":
        return step.does() and step.theirs_changes <= {step.path}
    if step.entry or not is_under_way(step) or not is_positive(step.beparams.get("vcpus")):
        return False
    paused = b"paused\n" if step.arriving.number in step.paused else b""
    return any(
        step.does(**{step.name: b"0\n%d\n%d\n%s" % (memory, step.beparams["vcpus"], paused)})
        for memory in step.memories[step.arriving.source, step.name]
    )


def is_under_way(step):
    """Tell whether the instance is on its way here."""
    return step.arriving is not None and step.arriving.finalized_on_target is None


@row("what a caller gets wrong raises whatever it comes to, or goes unnoticed")
def _(step):
    if step.ours.disk != step.before:
        return False
    if step.method in {"CheckParameterSyntax", "ValidateParameters"}:
        return is_wrong_in_hvparams(step)
    if not step.given:  # it doesn't fit the method in other ways too
        text = f"{step.method} takes an instance, an object with name, hvparams and beparams, not "
        return step.theirs.kind is step.ours.kind is TypeError and step.ours.text.startswith(text)
    given = step.given.get("instance")
    if step.method == "StopInstance" and hasattr(given, "name") | (given is None):
        if given is None and step.name is None:
            text = "Failed to stop instance: neither an instance nor a name is given"
            return step.theirs.kind in {AttributeError, AssertionError} and step.raises(
                errors.HypervisorError, text
            )
        return step.theirs.kind is AssertionError and step.refuses(
            "a timeout goes with force True or False, not None"
        )
    return not hasattr(given, "name") and step.raises(
        TypeError,
        f"{step.method} takes an instance, an object with name, hvparams and beparams, not {given!r}",
    )


def is_wrong_in_hvparams(step):
    given = step.given["hvparams"]
    if given is None:
        return step.ours.kind is step.theirs.kind is TypeError
    if "migration_mode" not in given:
        return step.theirs.kind is KeyError and step.raises(
            errors.HypervisorError, "Parameter 'migration_mode' is missing"
        )
    mode = given["migration_mode"]
    if mode in {None, ""} if not isinstance(mode, list) else False:
        return step.method == "ValidateParameters" and step.raises(
            errors.HypervisorError, "Parameter 'migration_mode' is required but is currently not defined"
        )
    return step.theirs.kind is TypeError and step.raises(
        errors.HypervisorError,
        f"Parameter 'migration_mode' fails syntax check: invalid migration mode (current value: '{mode}')",
    )


# The two sides

ELSEWHERE = "elsewhere"
"""What a dangling link in a root points to, seen from the folder of the roots."""


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
            self.paused |= {len(migrations) + 1} if b"\npaused" in before[2] else set()
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


# What is called

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


# The tests


@pytest.fixture(autouse=True)
def power_cycles(monkeypatch):
    """Let nothing here reset the machine: a list of the times that it was asked for."""
    asked = []

    class Os:
        def __getattr__(self, name):
            return getattr(os, name)

        def open(self, *arguments):
            raise AssertionError(f"this would reset the machine: {arguments}")

    def run(*arguments, **keywords):
        raise AssertionError(f"this would run a program on the machine: {arguments}")

    monkeypatch.setattr(hv_base.BaseHypervisor, "LinuxPowercycle", classmethod(asked.append))
    monkeypatch.setattr(hv_base, "os", Os())
    monkeypatch.setattr(utils, "RunCmd", run)
    return asked


@pytest.fixture
def host(monkeypatch, tmp_path):
    """Give the machine the size of a node; the paths of the files that say so, and of others."""
    (tmp_path / "meminfo").write_text(
        f"MemTotal: {MEMORY * 1024} kB\nMemFree: {MEMORY * 1024} kB\nActive: 0 kB\n"
    )
    (tmp_path / "cpuinfo").write_text("".join(f"processor : {number}\n" for number in range(CPUS)))
    (tmp_path / "nonsense").write_text("MemTotal: many kB\n")
    paths = {f"/proc/{name}": str(tmp_path / name) for name in ("meminfo", "cpuinfo")}
    real = hv_base.BaseHypervisor.GetLinuxNodeInfo

    def info(meminfo="/proc/meminfo", cpuinfo="/proc/cpuinfo"):
        return real(paths.get(meminfo, meminfo), paths.get(cpuinfo, cpuinfo))

    monkeypatch.setattr(hv_base.BaseHypervisor, "GetLinuxNodeInfo", staticmethod(info))
    return [*paths.values(), str(tmp_path / "nonsense"), str(tmp_path / "absent")]


@pytest.fixture
def umask():
    """Set the umask, which is the same again after the test."""
    old = os.umask(0o022)
    yield os.umask
    os.umask(old)


def names_of_rows():
    """Return the first cells of the README's table of differences."""
    text = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    table = text.partition("| there | here | why |\n| --- | --- | --- |\n")[2].partition("\n\n")[0]
    return [re.split(r" \| ", line.removeprefix("| "))[0] for line in table.splitlines()]


def test_every_row_of_the_readme_is_looked_for():
    assert list(ROWS) == names_of_rows()


def test_the_same_calls_come_to_the_same_but_for_the_rows(
    tmp_path, host, power_cycles, umask, record_property
):
    seen = Counter()
    for number in range(SEQUENCES):
        rng = random.Random(number)
        umask(rng.choice([0o022, 0o022, 0o027, 0o077]))
        base = tmp_path / "roots"
        base.mkdir()
        is_small = number % 20 == 0
        pair = Pair(base, 8192 if is_small else MEMORY, host, power_cycles, seen)
        caller = Caller(rng, pair, host)
        meddles = 0 if is_small else rng.choice([0, 0, 0.1])
        with pair.cluster.installed():
            for _ in range(STEPS):
                if rng.random() < meddles:
                    caller.meddle()
                elif meddles and rng.random() < 0.05:
                    caller.tidy()
                caller.step()
        shutil.rmtree(base)
    calls = seen.pop("calls")
    told = [f"{calls} calls compared", *(f"{seen[name]:6} {name}" for name in ROWS)]
    record_property("calls compared", calls)
    print(*told, sep="\n")  # noqa: T201  # shown by -rP
    assert [name for name in ROWS if not seen[name]] == [], "\n".join(told)
    assert calls >= LEAST_COMPARED, "\n".join(told)
