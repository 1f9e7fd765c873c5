"""The commands: ``python -m pytest_fakehv topology ...``, ``... libvirt ...`` and ``... merge ...``."""

import argparse
import posixpath
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.topology import Topology
from pytest_fakehv.inventories.found import Found, Source, in_short, written
from pytest_fakehv.inventories.kinds import KINDS, Reading, read
from pytest_fakehv.machine import Os
from pytest_fakehv.reading import read_file
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.filesystem import reason
from pytest_fakehv.storage.places import Output
from pytest_fakehv.text import printable

_PROGRAM: Final = "python -m pytest_fakehv"
_LARGEST_FILE: Final = 2**26
_WRONG: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: those behind the program's name; None for the command line's.

    Returns:
        The exit status: 2 if something is wrong, of which one line was written to stderr.
    """
    parser = argparse.ArgumentParser(prog=_PROGRAM, allow_abbrev=False)
    parser.add_argument(
        "command", choices=["topology", "libvirt", "merge"], help="what to do; COMMAND --help says more"
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the command's own")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "libvirt":
            serve = import_module("pytest_fakehv.fronts.libvirt.command").serve  # who needs it waits for it
            serve(chosen.arguments, f"{_PROGRAM} libvirt")
            return 0
        if chosen.command == "merge":
            _merge(chosen.arguments)
            return 0
        text, notes = _topology(_parser().parse_intermixed_args(chosen.arguments))
    except DeclarationError as error:
        sys.stderr.write(f"{error}\n")
        return _WRONG
    sys.stdout.buffer.write(text.encode())  # TOML is UTF-8, whatever the terminal is
    sys.stdout.flush()
    sys.stderr.writelines(f"{note}\n" for note in notes)
    return 0


def _parser() -> argparse.ArgumentParser:
    """Return what reads the arguments of the command ``topology``."""
    command = argparse.ArgumentParser(
        prog=f"{_PROGRAM} topology",
        allow_abbrev=False,
        description="Make a topology file (TOML, on stdout) of what other tools say of nodes and instances. "
        "Each FILE is of a kind that is recognised, or said by an option; - is the standard input, and "
        "NODE=FILE says which node a file of virsh's is of.",
    )
    command.add_argument("files", nargs="*", metavar="[NODE=]FILE", help="an inventory of any kind")
    for kind in KINDS:
        command.add_argument(
            f"--{kind}",
            action="append",
            default=[],
            metavar="[NODE=]FILE" if kind == "virsh" else "FILE",
            help="one of this kind",
        )
    for list_ in ("node", "instance"):
        command.add_argument(
            f"--{list_}-fields",
            default="",
            metavar="F,F",
            help=f"the columns (-o) of gnt-{list_} list without titles",
        )
    command.add_argument("--separator", metavar="S", help="what stands between the columns of Ganeti's lists")
    for kind in ("node", "instance"):
        command.add_argument(
            f"--{kind}-group",
            action="append",
            default=[],
            metavar="GROUP",
            help=f"a group of an Ansible inventory whose hosts are {kind}s",
        )
    return command


def _merge(arguments: Sequence[str]) -> None:
    """Make one page of several runs'.

    Raises:
        DeclarationError: a page can't be read, or the new one not written.
    """
    command = argparse.ArgumentParser(
        prog=f"{_PROGRAM} merge",
        allow_abbrev=False,
        description="Make one page of those that --fakehv-report wrote in several runs: shards, machines, "
        "versions of Python. Each test says in which page it was.",
    )
    command.add_argument("pages", nargs="+", metavar="PAGE", help="a page of --fakehv-report")
    command.add_argument("--output", required=True, metavar="FILE", help="the page to be made")
    given = command.parse_args(arguments)
    try:
        run = import_module("pytest_fakehv.story.page.run")  # who needs it waits for it
    except ImportError as error:
        raise DeclarationError(str(error)) from None
    output = Output(Disk(), posixpath.abspath(given.output), run.TAG)
    try:
        text = run.merged([(printable(path), run.Run.read(path)) for path in given.pages])
        output.make_folder()
        output.write(text)
    except DeclarationError as error:
        raise DeclarationError(f"nothing is merged: {error}") from None


def _topology(given: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the topology as TOML, and what is to be said of it.

    Raises:
        DeclarationError: an input can't be read, or there is none.
    """
    inputs: list[tuple[str | None, str]] = [(None, path) for path in given.files]
    inputs += [(kind, path) for kind in KINDS for path in getattr(given, kind.replace("-", "_"))]
    if not inputs:
        raise DeclarationError("name a file with an inventory, or - for the standard input")
    how = Reading(
        node_fields=given.node_fields.split(",") if given.node_fields else (),
        instance_fields=given.instance_fields.split(",") if given.instance_fields else (),
        separator=given.separator,
        node_groups=given.node_group,
        instance_groups=given.instance_group,
    )
    found = Found()
    for kind, path in inputs:
        read(_source(path), found, how, kind)
    tables = found.tables()
    if not tables["node"] and not tables["instance"]:
        raise DeclarationError("there is neither a node nor an instance in it")
    Topology.of(tables)  # which says what a file of them could not say
    return written(tables, found.notes), list(in_short(found.notes))


def _source(argument: str) -> Source:
    """Read an input, which may be preceded by the name of a node."""
    node, equals, path = argument.rpartition("=")
    label = "standard input" if path == "-" else printable(path)
    try:
        content = sys.stdin.buffer.read() if path == "-" else read_file(Os, path, _LARGEST_FILE)
        return Source(label, content.decode("utf-8-sig"), node if equals else None)
    except OSError as error:
        problem = reason(error)
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8: {error.reason} at byte {error.start}"
    except DeclarationError as error:
        problem = str(error)
    raise DeclarationError(f"{label}: {problem}")


if __name__ == "__main__":
    sys.exit(main())
