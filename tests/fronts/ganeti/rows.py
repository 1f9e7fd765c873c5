"""The rows of the published table of differences: whether the difference of a step is just what one says."""

import os

from ganeti import errors
from one_call import CPUS, ELSEWHERE, MEMORY, OTHER, PAUSED, is_invalid, is_positive

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
    if step.method in NEEDS_A_NAME and is_invalid(step.name) and not wrong_texts(step):
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
    was, now = (
        PAUSED.fullmatch(disk.get(step.path, ("", 0, b""))[2]) is not None
        for disk in (step.before, step.ours.disk)
    )
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
        text = f"{step.method} takes "
        return step.theirs.kind is step.ours.kind is TypeError and step.ours.text.startswith(text)
    given = step.given.get("instance")
    if wrong := wrong_texts(step):
        return step.raises(TypeError, *wrong)
    if step.method == "StopInstance" and hasattr(given, "name") | (given is None):
        return is_wrong_stop(step)
    return not hasattr(given, "name") and step.raises(
        TypeError,
        f"{step.method} takes an instance, an object with name, hvparams and beparams, not {given!r}"
        + (f"; make one: fakehv.instance({given!r})" if isinstance(given, str) else ""),
    )


def is_wrong_stop(step):
    if step.given["instance"] is None and step.name is None:
        text = "Failed to stop instance: neither an instance nor a name is given"
        return step.theirs.kind in {AttributeError, AssertionError} and step.raises(
            errors.HypervisorError, text
        )
    return step.theirs.kind is AssertionError and step.refuses(
        "a timeout goes with force True or False, not None"
    )


def wrong_texts(step):
    """Return what is said of a call that gives what is no text for a name, or for a target."""
    name = step.given.get("name") or step.given.get("instance_name", "")
    if not isinstance(name, str):
        return [f"{step.method} takes the name of an instance, not {name!r}"]
    target = step.given.get("target")
    is_migrating = step.method == "MigrateInstance" and hasattr(step.given["instance"], "name")
    if is_migrating and not isinstance(target, str):
        return [f"MigrateInstance takes the target's address or name, not {target!r}"]
    return []


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
