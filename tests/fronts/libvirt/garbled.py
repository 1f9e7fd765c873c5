"""Send a server of libvirt's protocol garbled messages, and see that each is answered.

    python tests/fronts/libvirt/garbled.py [--messages N] [--seed N]

`benchmarks/soak_garbled.py` says what it shows.
"""

import argparse
import os
import random
import socket
import struct
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any, Final
from unittest import mock

from pytest_fakehv.fronts.libvirt.errors import LibvirtError, failure
from pytest_fakehv.fronts.libvirt.server.server import Server
from pytest_fakehv.fronts.libvirt.values import (
    DomainRef,
    NetworkRef,
    NodeDeviceRef,
    Parameter,
    PoolRef,
    SecretRef,
    SnapshotRef,
    VolumeRef,
)
from pytest_fakehv.fronts.libvirt.wire import table
from pytest_fakehv.fronts.libvirt.wire.errors import ERROR
from pytest_fakehv.fronts.libvirt.wire.frames import HEADER_SIZE, LARGEST, Frames, Header, framed, header_of
from pytest_fakehv.fronts.libvirt.wire.procedures import PROCEDURES, Program
from pytest_fakehv.fronts.libvirt.wire.xdr import WireError, decode, encode

BATCH: Final = 25
"""Messages that are sent before an answer is read."""

PATIENCE: Final = 20
"""Seconds after which a server that doesn't answer hangs."""

NUMBERS: Final = (0, 1, 2, 3, 4, 27, 28, 29, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 16385, 4194305, LARGEST + 1)
"""What is written over a word."""

TEXTS: Final = ("", "x", "web1", "é\n", "x" * 1000, "<domain/>", "\U0001f600")

NUDGE: Final = 318
"""What comes now and then while a call waits."""

_CALL, _REPLY, _EVENT, _WITH_DESCRIPTORS = 0, 1, 2, 4


def layouts(lines: str) -> dict[int, tuple[list[str], list[str]]]:
    """Return the types of the arguments and of the results, by procedure, of those that have a layout."""
    found = {}
    for line in lines.strip().splitlines():
        number, _, *rest = line.split()
        arguments, _, results = " ".join(rest[1:]).partition("->")
        if rest:
            found[int(number)] = (
                [each.partition(":")[2] for each in arguments.split()],
                [each.partition(":")[2] for each in results.split()],
            )
    return found


LAYOUTS: Final = {Program.REMOTE: layouts(table.REMOTE), Program.QEMU: layouts(table.QEMU)}

RESULTS: Final = {
    PROCEDURES[program][number].api: results
    for program, procedures in LAYOUTS.items()
    for number, (_, results) in procedures.items()
}


def integer(low: int, high: int) -> Callable[[random.Random], int]:
    """Return what returns one between these, extreme ones often."""
    return lambda generator: generator.choice((low, high, 0, 1, generator.randint(low, high)))


def text(generator: random.Random) -> str:
    """Return a text."""
    return generator.choice(TEXTS)


def parameters(generator: random.Random) -> list[Parameter]:
    """Return some, of all types."""
    kinds = [generator.randint(1, 7) for _ in range(generator.randrange(4))]
    return [Parameter(text(generator), kind, SIMPLE[PARAMETERS[kind - 1]](generator)) for kind in kinds]


PARAMETERS: Final = ("i", "u", "h", "uh", "d", "b", "s")
"""Of what type the values of parameters are."""

SIMPLE: Final[dict[str, Callable[[random.Random], Any]]] = {
    "i": integer(-(2**31), 2**31 - 1),
    "u": integer(0, 2**32 - 1),
    "h": integer(-(2**63), 2**63 - 1),
    "uh": integer(0, 2**64 - 1),
    "d": lambda generator: generator.uniform(-1e9, 1e9),
    "b": lambda generator: generator.random() < 0.5,
    "s": text,
    "o": lambda generator: generator.randbytes(generator.randrange(9)),
    "w": text,
    "w32": lambda _: "x86_64",
    "16": lambda generator: generator.randbytes(16),
    "D": lambda generator: DomainRef(text(generator), generator.randbytes(16), generator.randint(-1, 9)),
    "H": lambda generator: NodeDeviceRef(text(generator)),
    "N": lambda generator: NetworkRef(text(generator), generator.randbytes(16)),
    "P": lambda generator: PoolRef(text(generator), generator.randbytes(16)),
    "X": lambda generator: SecretRef(generator.randbytes(16), generator.randint(0, 5), text(generator)),
    "S": lambda generator: SnapshotRef(text(generator), SIMPLE["D"](generator)),
    "V": lambda generator: VolumeRef(text(generator), text(generator), text(generator)),
    "A": lambda generator: [(0, text(generator), 24)] * generator.randrange(3),
    "T": parameters,
}


def value_of(notation: str, generator: random.Random) -> Any:
    """Return a value of a type."""
    simple = SIMPLE.get(notation)
    if simple is not None:
        return simple(generator)
    if notation[0] == "?":
        return value_of(notation[1:], generator) if generator.random() < 0.5 else None
    if notation[0] == "[":
        return [value_of(notation[1:-1], generator) for _ in range(generator.randrange(4))]
    return tuple(value_of(each, generator) for each in notation[1:-1].split(","))


class Host:
    """Answers everything, as the arguments decide: results, errors, and what nobody foresees."""

    def open(self, session: Any, uri: str | None, flags: int) -> None:
        """Let everybody in."""

    def defect(self, api: str, error: Exception) -> None:
        """Take no notice: it is meant to be so."""

    def knows(self, api: str) -> bool:
        """Know everything."""
        return True

    def may_block(self, api: str, arguments: tuple[Any, ...]) -> bool:
        """Answer some calls in workers."""
        return len(repr(arguments)) % 3 == 0

    def answer(self, session: Any, api: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Answer as a generator does that the arguments seed."""
        generator = random.Random(repr((api, arguments)))
        chance = generator.random()
        if chance < 0.1:
            raise failure(generator.randrange(120), generator.choice(TEXTS))
        if chance < 0.15:
            raise generator.choice(
                [ZeroDivisionError("odd"), KeyboardInterrupt(), LibvirtError(2**40, 0, "")]
            )
        if chance < 0.17:
            return (object(),) * len(RESULTS[api]) or (1,)
        return tuple(value_of(each, generator) for each in RESULTS[api])

    def closed(self, session: Any) -> None:
        """Let everybody go."""


def garbled(message: bytearray, generator: random.Random) -> None:
    """Change a message a little, or a lot."""
    word = 4 * generator.randrange(len(message) // 4)
    match generator.randrange(8):
        case 0:
            message[generator.randrange(len(message))] ^= 1 << generator.randrange(8)
        case 1:  # a length, a count, a boolean, or whatever stands there
            struct.pack_into(">I", message, word, generator.choice(NUMBERS))
        case 2:
            struct.pack_into(">I", message, word, generator.randrange(460))
        case 3:  # of the header
            struct.pack_into(">I", message, 4 * generator.randrange(1, 7), generator.choice(NUMBERS))
        case 4:
            struct.pack_into(">I", message, 4, generator.choice([*Program, 1]))
        case 5:
            del message[max(HEADER_SIZE, word) :]
        case 6:
            message += generator.randbytes(generator.randrange(40))
        case _:
            del message[max(HEADER_SIZE, word) : word + generator.randrange(9)]
    if generator.random() < 0.3:
        garbled(message, generator)
    elif generator.random() < 0.99:  # else nobody knows where the next one begins
        struct.pack_into(">I", message, 0, len(message))


def messages(generator: random.Random) -> Iterator[bytes]:
    """Yield messages, of which one in three is as it should be."""
    serial = 0
    while True:
        serial += 1
        program = Program.QEMU if generator.random() < 0.05 else Program.REMOTE
        number = generator.choice(list(LAYOUTS[program]))
        arguments = tuple(value_of(each, generator) for each in LAYOUTS[program][number][0])
        if number in {1, 2} and generator.random() < 0.8:
            continue  # opened it is once, and closed it is soon enough
        payload = encode(PROCEDURES[program][number].arguments, arguments)
        message = bytearray(framed(program, number, _CALL, serial, 0, payload))
        if generator.random() < 0.05:
            message = bytearray(framed(Program.KEEPALIVE, 1, _EVENT, 0, 0, b""))
        if generator.random() < 0.67:
            garbled(message, generator)
        yield bytes(message)


class WrongError(Exception):
    """The server did what it must not."""


class Expected:
    """What must come for a piece of a stream: worked out again, by other means than the server's.

    Attributes:
        answers: The programs, procedures and serials of the answers, and how often each.
        ends: Whether the connection is over behind it.
        is_whole: Whether the last frame in it is.
    """

    def __init__(self, data: bytes) -> None:
        self.answers: Counter[tuple[int, int, int]] = Counter()
        self.ends = False
        at = 0
        while not self.ends and len(data) - at >= 4:
            (size,) = struct.unpack_from(">I", data, at)
            if not HEADER_SIZE <= size <= LARGEST:
                self.ends = True
            elif size > len(data) - at:
                break
            else:
                self._expect(data[at : at + size])
                at += size
        self.is_whole = at == len(data)

    def _expect(self, frame: bytes) -> None:
        header = header_of(frame)
        if header.type == _CALL:
            self.answers[header.program, header.procedure, header.serial] += 1
            is_close = (header.program, header.procedure, header.version) == (Program.REMOTE, 2, 1)
            self.ends = is_close and not header.status and len(frame) == HEADER_SIZE
        elif header.type == _WITH_DESCRIPTORS:
            self.answers[header.program, header.procedure, header.serial] += 1
            self.ends = True
        elif (header.program, header.procedure, header.type) == (Program.KEEPALIVE, 1, _EVENT):
            self.answers[Program.KEEPALIVE, 2, 0] += 1


class Client:
    """A connection on which garbled messages are sent."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(path)
        self._frames = Frames()
        self.exchange(framed(Program.REMOTE, 1, _CALL, 0, 0, bytes(8)), 1)

    def close(self) -> None:
        """End it, in the middle of whatever."""
        self._socket.close()

    def exchange(self, data: bytes, pieces: int) -> Counter[str]:
        """Send a piece of a stream, and read what must come.

        Raises:
            WrongError: something else came.
        """
        expected = Expected(data)
        step = len(data) // pieces + 1
        try:
            for at in range(0, len(data), step):
                self._socket.sendall(data[at : at + step])
        except OSError:
            if not expected.ends:
                raise WrongError("it has broken a connection") from None
        come: Counter[tuple[int, int, int]] = Counter()
        found: Counter[str] = Counter()
        while come != expected.answers or expected.ends:
            try:
                received = self._socket.recv(65536)
            except (ConnectionError, TimeoutError):
                received = b""
            if not received:
                break
            for frame in self._frames.taken(received):
                header = header_of(frame)
                if header.type == _EVENT and header.procedure == NUDGE:
                    continue
                come[header.program, header.procedure, header.serial] += 1
                found[self._looked_at(header, frame)] += 1
        if come != expected.answers and not (expected.ends and come <= expected.answers):
            raise WrongError(f"{expected.answers - come} did not come, {come - expected.answers} did")
        self.is_over = expected.ends or not expected.is_whole
        found["connections that it ended"] += expected.ends
        return found

    def _looked_at(self, header: Header, frame: bytes) -> str:
        """Say what an answer is, once it has been read."""
        if header.program == Program.KEEPALIVE and header.type == _EVENT:
            return "pongs"
        if header.type != _REPLY:
            raise WrongError(f"{header} is no reply")
        try:
            if header.status:
                decode(ERROR, frame, HEADER_SIZE)
                return "errors"
            decode(PROCEDURES[header.program][header.procedure].results, frame, HEADER_SIZE)
        except (WireError, KeyError) as error:
            raise WrongError(f"{header} can't be read: {error}") from None
        return "results"


def send(count: int, seed: int) -> Counter[str]:
    """Send so many messages; return what came.

    Raises:
        WrongError: something that must not.
    """
    generator = random.Random(seed)
    stream = messages(generator)
    found: Counter[str] = Counter()
    defects: list[threading.ExceptHookArgs] = []
    with tempfile.TemporaryDirectory(prefix="hv") as folder, ExitStack() as left:
        left.enter_context(mock.patch("threading.excepthook", defects.append))
        server = Server(os.path.join(folder, "socket"), Host(), "garbled")
        left.callback(server.close)
        witness = left.enter_context(closing(Client(server.path)))
        client = left.enter_context(closing(Client(server.path)))
        for _ in range(0, count, BATCH):
            batch = b"".join(next(stream) for _ in range(BATCH))
            found += client.exchange(batch, generator.choice((1, 1, 2, 7, 100)))
            found["messages"] += BATCH
            if client.is_over:
                client.close()
                client = left.enter_context(closing(Client(server.path)))
        witness.exchange(framed(Program.KEEPALIVE, 1, _EVENT, 0, 0, b""), 1)
    if defects:
        raise WrongError(f"it found {defects[0].exc_value!r}")
    names = [each.name for each in threading.enumerate()]
    if any(each.startswith("fakehv-libvirt garbled") for each in names):
        raise WrongError(f"it left one of {names}")
    return found


def main() -> int:
    """Send them, and print what came."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        found = send(arguments.messages, arguments.seed)
    except (WrongError, OSError) as error:
        print(f"seed {arguments.seed}: {error}", file=sys.stderr)
        return 1
    print("\n".join(f"{count:>12,} {what}" for what, count in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
