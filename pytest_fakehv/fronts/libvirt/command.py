"""The command ``python -m pytest_fakehv libvirt``: a cluster for libvirt clients in any language."""

import argparse
import signal
import sys
from collections.abc import Sequence
from typing import Final

from pytest_fakehv.calls.clock import CLOCK_MODES
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.cluster.cluster import FakeCluster
from pytest_fakehv.cluster.node import NodeSpec
from pytest_fakehv.cluster.topology import Topology, read_topology
from pytest_fakehv.fronts.libvirt.front import FakeLibvirt
from pytest_fakehv.machine import Os
from pytest_fakehv.storage.filesystem import reason

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


def serve(arguments: Sequence[str], program: str) -> None:
    """Serve a cluster's nodes until the process is told to end; print ``NAME URI`` for each first.

    Args:
        arguments: the command's own.
        program: what stands before them.

    Raises:
        DeclarationError: an argument is wrong, no socket can be made, or nobody reads where the nodes are.
        SystemExit: argparse says that one is wrong.
    """
    given = _parser(program).parse_args(arguments)
    topology = read_topology(given.topology) if given.topology is not None else Topology()
    nodes = [*topology.nodes, *map(NodeSpec, given.node)]
    cluster = FakeCluster.in_memory(*nodes, instances=topology.instances, clock=given.clock)
    # Blocked, here and in the front's threads, and waited for: a handler could come while the lock is held
    # that it needs to wake us. It is there for a second signal, which changes nothing.
    for each in _ENDING:
        signal.signal(each, lambda *_: None)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        with FakeLibvirt(cluster, directory=given.dir) as front:
            _say("".join(f"{node.name} {front.uri(node)}\n" for node in cluster))
            signal.sigwait(_ENDING)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _say(text: str) -> None:
    """Write to stdout at once, past what Python would write again at its end where it can't.

    Raises:
        DeclarationError: it can't be written.
    """
    closed = -1
    try:  # Python has None for one that is closed
        Os.write(sys.stdout.fileno() if sys.stdout else closed, text.encode())
    except OSError as error:
        raise DeclarationError(f"the nodes can't be said on stdout: {reason(error)}") from error


def _parser(program: str) -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(
        prog=program,
        allow_abbrev=False,
        description="Serve a fake cluster to libvirt's clients, until it is ended by SIGINT or SIGTERM. "
        "A line is printed for each node: its name, and the URI to connect to.",
    )
    command.add_argument("--topology", metavar="FILE", help="nodes and instances, from a TOML file")
    command.add_argument(
        "--node",
        metavar="NAME",
        action="append",
        default=[],
        help="one more node, of 64 GiB and 16 CPUs; without any, there are node1 and node2",
    )
    command.add_argument(
        "--dir", metavar="DIR", help="a new or empty folder for the sockets; else a temporary one"
    )
    command.add_argument(
        "--clock", choices=CLOCK_MODES, default="polls", help="what makes the time go (default: %(default)s)"
    )
    return command
