"""Make libvirt's calls on a node of the libvirt front in any order; none may end in what nobody foresaw.

    python benchmarks/soak_calls.py [--calls N] [--seed N]

All functions that the front knows are called, 100,000 times unless told otherwise, with arguments of their
types: domains that there are, were, or never have been, definitions that fit or don't, numbers that mean
something and extreme ones. Whatever is wrong with a call, the client must be told so in libvirt's words.

An answer that names an exception of Python's, one that can't be read, and none within 20 seconds make the
exit status 1; each is shown with its call.
"""

import argparse
import random
import re
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

from pytest_fakehv import FakeCluster
from pytest_fakehv.fronts.libvirt import FakeLibvirt
from pytest_fakehv.fronts.libvirt.values import DomainRef
from pytest_fakehv.fronts.libvirt.wire.errors import ERROR
from pytest_fakehv.fronts.libvirt.wire.frames import HEADER_SIZE, Frames, Type, framed, header_of
from pytest_fakehv.fronts.libvirt.wire.procedures import PROCEDURES, Procedure, Program
from pytest_fakehv.fronts.libvirt.wire.xdr import decode, encode

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fronts" / "libvirt"))
from garbled import LAYOUTS, value_of

PATIENCE: Final = 20
"""Seconds after which a call that is not answered hangs."""

HANDSHAKE: Final = {1, 2, 66}

MANY: Final = (
    "virDomainDefineXML",
    "virDomainCreateXML",
    "virDomainCreate",
    "virDomainDestroy",
    "virDomainResume",
)
"""What is called more often, so that there is something to call the others about."""

NAMES: Final = ("a", "b", "c", "d")

DEFINITION: Final = (
    "<domain type='qemu'><name>{name}</name>{more}<memory>{memory}</memory><os><type>hvm</type></os></domain>"
)

MORE: Final = ("", "<vcpu>2</vcpu>", "<uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>", "<oops", "<name/>")

MEMORY: Final = (0, 1, 1024, 524288, 1048576, 2**40)
"""In KiB."""

USUAL: Final = {"i": (0, 0, 0, 1, 2, 8), "u": (0, 0, 0, 1, 2, 3, 4, 8, 16), "uh": MEMORY}
"""Numbers that mean something: flags, for most functions."""

UNFORESEEN: Final = re.compile(r"internal error: \w*(Error|Exception|Interrupt|Exit|StopIteration): ")


class Caller:
    """A connection on which calls are made, and what it has learned.

    Args:
        path: The socket's.
        generator: Of all that is random.
    """

    def __init__(self, path: str, generator: random.Random) -> None:
        self.domains: list[DomainRef] = []
        self._generator = generator
        self._frames = Frames()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(path)
        self.call(Program.REMOTE, PROCEDURES[Program.REMOTE][1], (None, 0))

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def call(
        self, program: int, procedure: Procedure, arguments: tuple[Any, ...]
    ) -> tuple[bool, tuple[Any, ...]]:
        """Make a call; return whether it failed, and the results or what the error says.

        Raises:
            OSError: it hangs, or the connection is broken.
        """
        payload = encode(procedure.arguments, arguments)
        self._socket.sendall(framed(program, procedure.number, Type.CALL, 1, 0, payload))
        while True:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the connection is broken")
            for frame in self._frames.taken(data):
                header = header_of(frame)
                if header.type == Type.REPLY:
                    codec = ERROR if header.status else procedure.results
                    return bool(header.status), decode(codec, frame, HEADER_SIZE)

    def arguments(self, procedure: Procedure, types: list[str]) -> tuple[Any, ...]:
        """Return arguments of these types, of which most mean something."""
        return tuple(self._argument(procedure.api, each) for each in types)

    def _argument(self, api: str, kind: str) -> Any:
        generator = self._generator
        meant: list[Any] = list(USUAL.get(kind, ()))
        if kind == "s" and "XML" in api:
            memory, name = generator.choice(MEMORY), generator.choice(NAMES)
            meant = [DEFINITION.format(name=name, memory=memory, more=generator.choice(MORE))]
        elif kind == "s" and api == "virDomainLookupByName":
            meant = list(NAMES)
        elif kind == "16":
            meant = [each.uuid for each in self.domains]
        elif kind in {"D", "?D"}:
            meant = self.domains
        return generator.choice(meant) if meant and generator.random() < 0.9 else value_of(kind, generator)

    def learn(self, results: tuple[Any, ...]) -> None:
        """Know a domain that an answer has told of."""
        found = [each for each in results if isinstance(each, DomainRef)]
        self.domains = (self.domains + found)[-12:]


def main() -> int:
    """Make them, and print what came."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default: %(default)s)")
    arguments = parser.parse_args()
    generator = random.Random(arguments.seed)
    lines = [
        (program, PROCEDURES[program][number], types)
        for program, procedures in LAYOUTS.items()
        for number, (types, _) in procedures.items()
        if number not in HANDSHAKE
    ]
    often = [line for line in lines if line[1].api in MANY]
    wrong: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    with FakeLibvirt(FakeCluster.in_memory()) as front:
        caller = Caller(front.socket(), generator)
        for _ in range(arguments.calls):
            program, procedure, types = generator.choice(often if generator.random() < 0.25 else lines)
            given = caller.arguments(procedure, types)
            try:
                failed, values = caller.call(program, procedure, given)
            except (OSError, ValueError) as error:
                wrong[f"{procedure.api}{given}: {error!r}"] += 1
                caller.close()
                caller = Caller(front.socket(), generator)
                continue
            codes[f"errors of code {values[0]}" if failed else "results"] += 1
            if not failed:
                caller.learn(values)
            elif UNFORESEEN.match(values[2] or ""):
                wrong[f"{procedure.api}: {values[2]}"] += 1
        caller.close()
    print("\n".join(f"{count:>12,} {what}" for what, count in codes.most_common()))
    print("\n".join(f"{count:>12,} wrong: {what}" for what, count in wrong.most_common()))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
