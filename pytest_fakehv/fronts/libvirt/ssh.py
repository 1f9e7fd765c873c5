"""What libvirt calls as ``ssh`` in a subprocess of a test: it leads to a node's socket.

This file runs as a program, without the package and as fast as Python starts: it imports nothing that is not
part of the interpreter. libvirt hands none of its environment on, so that all it needs is in its arguments.
"""

import os
import select
import sys
from _socket import socket  # what the module `socket` is made of; that one takes as long as all else together

_INPUT, _OUTPUT = 0, 1

_AT_ONCE = 65536

_FAILED = 255


def main(arguments: list[str]) -> int:
    """Connect standard input and output to a host.

    Args:
        arguments: a file with lines of a socket's path and its host's names, with tabs between; then what
            libvirt calls ssh with, of which the last two are a host and a command for it.

    Returns:
        The exit status.
    """
    file, *options, host, _ = arguments
    host = host.lower()
    with open(file) as lines:
        hosts = {name: path for line in lines for path, *names in [line[:-1].split("\t")] for name in names}
    if host not in hosts:
        return _refuse(unknown(host))
    connection = socket(1)  # a unix socket
    try:
        connection.connect(hosts[host])
    except OSError:
        return _refuse(unreachable(host, options[options.index("-p") + 1] if "-p" in options else 22))
    try:
        _pass_on({_INPUT: connection.fileno(), connection.fileno(): _OUTPUT})
    except (OSError, KeyboardInterrupt):  # an end is gone; or Ctrl-C, which ends a real ssh in silence, too
        return _FAILED
    return 0


def unknown(host: str) -> str:
    """Return what ssh says of a host that it doesn't know."""
    return f"ssh: Could not resolve hostname {host}: Name or service not known"


def unreachable(host: str, port: int | str) -> str:
    """Return what ssh says of a host that doesn't answer."""
    return f"ssh: connect to host {host} port {port}: No route to host"


def _refuse(why: str) -> int:
    # As with a real ssh, which takes its time, libvirt has sent something by then: so its error is the same.
    select.select([_INPUT], [], [])
    print(why, file=sys.stderr)  # noqa: T201  # it is a program
    return _FAILED


def _pass_on(ways: dict[int, int]) -> None:
    """Write what each of two descriptors has to where it goes, until one has ended."""
    while True:
        for source in select.select(list(ways), [], [])[0]:
            data = os.read(source, _AT_ONCE)
            if not data:
                return
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(ways[source], rest) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
