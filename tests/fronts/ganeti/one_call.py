"""One call, and what came of it on both sides."""

import inspect
import os
import re
import stat
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ganeti import errors
from ganeti.hypervisor import hv_base

from pytest_fakehv import Migration
from pytest_fakehv.interface.contract import INTERFACE

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
                # Whoever writes it anew writes no more than that, nor numbers with zeros before them.
                figures = re.match(rb"0\n([0-9]+)\n([0-9]+)(\n|\Z)", content)
                said = (int(figures[1]), int(figures[2])) if figures else content
                disk[self.path] = kind, mode, said
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

LAYOUT = re.compile(rb"0\n[0-9]{1,19}\n[0-9]{1,19}(\n.*)?", re.DOTALL)
PAUSED = re.compile(rb"0\n[0-9]+\n[0-9]+\n(paused|migrating)(\n.*)?", re.DOTALL)


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


ELSEWHERE = "elsewhere"
"""What a dangling link in a root points to, seen from the folder of the roots."""
