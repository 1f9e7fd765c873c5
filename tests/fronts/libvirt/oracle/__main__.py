"""`record` makes the records anew; `repeat` compares the real pair with them, `compare` the front.

`measure` takes anew the figures of QEMU's precopy, which the documentation has.
"""

import argparse
import json
import shutil
import sys
from collections import defaultdict

import libvirt

from oracle import measuring, records
from oracle.comparing import compared
from oracle.differences import TABLE, rows
from oracle.pair import real_pair
from oracle.recording import Ended, Recording
from oracle.scripts import APART, scripts

HOSTS = ("node1", "node2")


def play(script, hosts, expected=None):
    """Run a script on hosts, and return what they said.

    A script that can't go on, because something that it needs was refused, ends there.
    """
    recording = Recording(hosts, expected)
    try:
        script(recording)
    except (AttributeError, TypeError, Ended) as error:
        if expected is None:
            raise
        recording.lines.append({"call": f"the script ends: {error}", "api": "", "result": None})
    finally:
        recording.close()
    return json.loads(json.dumps(recording.lines))


def record(names):
    """Make records of what the real pair says."""
    with real_pair() as pair:
        for name in names:
            with pair.hosts(*HOSTS, apart=name in APART) as hosts:
                lines = play(scripts()[name], hosts)
                about = machine(hosts)
            records.write(name, lines)
            print(f"{name}: {len(lines)} calls", flush=True)
    records.write_pair(about)


def machine(hosts):
    """Return what the records are made with."""
    connection = libvirt.open(hosts["node1"].uri)
    cpus = connection.getInfo()[2]
    return {"libvirt": connection.getLibVersion(), "qemu": connection.getVersion(), "cpus": cpus}


def on_pair(names):
    """Give what the real pair says now."""
    with real_pair() as pair:
        for name in names:
            with pair.hosts(*HOSTS, apart=name in APART) as hosts:
                yield name, play(scripts()[name], hosts)


def on_front(names):
    """Give what the front says."""
    from oracle.standin import stand_ins

    for name in names:
        expected = [len(line.get("events", ())) for line in records.read(name)]
        with stand_ins(*HOSTS) as hosts:
            yield name, play(scripts()[name], hosts, expected)


def report(said, allowed):
    """Print what differs and is in no row of the table, and return how many those are."""
    calls, apis, commands, unknown, used = 0, set(), set(), defaultdict(list), set()
    for name, here in said:
        there = records.read(name)
        calls += len(there)
        apis |= {line["api"] for line in there if line["api"].startswith("vir") and " " not in line["api"]}
        commands |= {line["call"] for line in there if line["api"].startswith("virsh ")}
        for each in compared(name, there, here):
            found = [(row, each.api) for row in allowed if row.matches(each)]
            used |= set(found)
            if not found:
                unknown[each.api, each.where, each.there, each.here].append(each)
    for found in sorted(unknown.values(), key=len, reverse=True):
        first, more = found[0], f", and {len(found) - 1} more calls alike" if len(found) > 1 else ""
        print(f"{first.script} {first.number}, {first.call}: {first.where}{more}")
        print(f"    there: {first.there}\n    here:  {first.here}")
    unused = [(row, call) for row in allowed for call in sorted(row.calls) if (row, call) not in used]
    count = sum(map(len, unknown.values()))
    print(
        f"{calls} calls of {len(apis)} APIs and {len(commands)} commands of virsh compared: "
        f"{count} differences in no row of the table"
    )
    return count, unused


def main():
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m oracle", description=__doc__)
    parser.add_argument("command", choices=["record", "repeat", "compare", "measure"])
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help="the scripts to run (default: all)")
    given = parser.parse_args()
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()
    if given.command == "measure":
        with real_pair() as pair:
            measuring.write(measuring.measured(pair))
        return 0
    names = given.scripts or list(scripts())
    if given.command == "record":
        record(names)
        return 0
    if given.command == "repeat":
        count, _ = report(on_pair(names), [])
        return bool(count)
    if not shutil.which("virsh"):
        names = [name for name in names if not name.startswith("virsh")]
        print("without virsh, which is not installed (Debian: libvirt-clients)")
    count, unused = report(on_front(names), rows())
    if given.scripts or not shutil.which("virsh"):
        unused = []
    for row, call in unused:
        print(f"{TABLE.name}, line {row.line}: {call} matches nothing")
    return bool(count or unused)


if __name__ == "__main__":
    sys.exit(main())
